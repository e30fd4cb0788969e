"""The predictions file: what a model answered for every pair, under every condition.

It is the only thing that scoring needs, here and on a board. `avbench evaluate` writes it; anybody else may, with any
writer of Parquet or CSV: `pair_id`, a rotation and a translation are required, the other columns have defaults.
docs/predictions.md shows the forms that are read.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.predictions.forms import LIST_COLUMNS, SCALAR_COLUMNS, number_column, read_poses
from avbench.benchmark.predictions.reading import Asked, read_prediction_table
from avbench.benchmark.predictions.result_files import PredictionsInfo, RunRecord
from avbench.preprocessing.base.atomic import atomic_path
from avbench.preprocessing.base.documents import parse_json, structured
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray, is_rotation

PREDICTIONS_VERSION = "1"
CLEAN_CONDITION = "clean"
_VERSION_KEY = b"avbench_predictions_version"
_INFO_KEY = b"avbench"


class Status(StrEnum):
    """How an answer came about."""

    OK = "ok"  # a rotation, and a translation unless that is null
    ERROR = "error"  # the model raised
    INVALID = "invalid"  # the answer is no pose: wrong shape or type, not finite, not a rotation
    MISSING = "missing"  # the model gave no answer for the pair


@dataclass(frozen=True)
class Answer:
    """One row of the file.

    Attributes:
        pair_id: The pair.
        condition: Under which condition the model saw it.
        rotation_a_b: (3, 3), None unless `status` is ok.
        translation_a_b: (3,), None unless `status` is ok and the model gave a finite translation.
        metric: Whether the translation is in metres.
        confidence: From 0 to 1, None where the model has none.
        status: How the answer came about.
        message: What went wrong, None if nothing did.
        milliseconds: Time the model took, a batch's time divided by its pairs; None where unknown.
    """

    pair_id: str
    condition: str
    rotation_a_b: FloatArray | None
    translation_a_b: FloatArray | None
    metric: bool = False
    confidence: float | None = None
    status: Status = Status.OK
    message: str | None = None
    milliseconds: float | None = None


_FIELDS: tuple[tuple[str, pa.DataType, bool, str], ...] = (
    ("pair_id", pa.string(), False, "the pair"),
    ("condition", pa.string(), False, "under which condition the model saw it"),
    ("rotation_a_b", pa.list_(pa.list_(pa.float64(), 3), 3), True, "3x3 row-major; null unless status is ok"),
    ("translation_a_b", pa.list_(pa.float64(), 3), True, "metres where `metric`, else a direction; null if unusable"),
    ("metric", pa.bool_(), False, "whether the translation is in metres"),
    ("confidence", pa.float64(), True, "0 (a guess) to 1 (sure)"),
    ("status", pa.string(), False, "ok, error, invalid or missing"),
    ("message", pa.string(), True, "what went wrong"),
    ("milliseconds", pa.float64(), True, "time the model took for the pair"),
)
_TEXTS = ("pair_id", "condition", "status", "message")
_SHOWN_ROWS = 5
_FAILED_HINT = "give a pair that failed the status 'error', 'invalid' or 'missing'"


def predictions_schema(info: Mapping[str, Any] | None = None) -> pa.Schema:
    """Arrow schema of the file; `info` (JSON values) says where the predictions come from."""
    fields = [
        pa.field(name, kind, nullable=nullable, metadata={"description": text})
        for name, kind, nullable, text in _FIELDS
    ]
    metadata = {_VERSION_KEY: PREDICTIONS_VERSION, _INFO_KEY: json.dumps(dict(info or {}), sort_keys=True)}
    return pa.schema(fields, metadata=metadata)


@dataclass(frozen=True)
class Predictions:
    """A predictions file, read.

    Attributes:
        pair_id: (M,) pairs.
        condition: (M,) conditions.
        rotation_a_b: (M, 3, 3), NaN where null.
        translation_a_b: (M, 3), NaN where null.
        metric: (M,) whether a translation is in metres.
        confidence: (M,), NaN where null.
        status: (M,) statuses.
        message: (M,) what went wrong, None where nothing did.
        milliseconds: (M,), NaN where null.
        info: Where the predictions come from; empty for a file that does not say.
        where: The file, for messages.
        notes: Lines that the user should see: what was read in one of two ways, and rows that are no rotation.
    """

    pair_id: tuple[str, ...]
    condition: tuple[str, ...]
    rotation_a_b: FloatArray
    translation_a_b: FloatArray
    metric: NDArray[np.bool_]
    confidence: FloatArray
    status: tuple[Status, ...]
    message: tuple[str | None, ...]
    milliseconds: FloatArray
    info: Mapping[str, Any]
    where: str
    notes: tuple[str, ...] = ()

    @property
    def record(self) -> RunRecord:
        """What determined the answers, from `info`; nothing for a file that does not say."""
        return _record(self.info, self.where)

    def __len__(self) -> int:
        return len(self.pair_id)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions in the order in which they first appear."""
        return tuple(dict.fromkeys(self.condition))

    def rows_of(self, condition: str) -> dict[str, int]:
        """Row number by pair of one condition."""
        return {
            pair: row
            for row, (pair, name) in enumerate(zip(self.pair_id, self.condition, strict=True))
            if name == condition
        }

    def content_sha256(self) -> str:
        """SHA-256 of what was predicted, in row order: everything but times and the file's metadata.

        Two runs that predicted the same have the same hash, however long they took.
        """
        digest = hashlib.sha256()
        for strings in (self.pair_id, self.condition, self.status, self.message):
            digest.update(json.dumps(strings, ensure_ascii=False).encode())
        for array in (self.rotation_a_b, self.translation_a_b, self.confidence):
            # One bit pattern for all NaN, and little-endian, so that the hash does not depend on the machine.
            canonical = np.where(np.isnan(array), np.nan, array).astype("<f8")
            digest.update(canonical.tobytes())
        digest.update(self.metric.astype(np.uint8).tobytes())
        return digest.hexdigest()


def predictions_table(answers: Iterable[Answer], info: Mapping[str, Any] | None = None) -> pa.Table:
    """Answers as an Arrow table of the predictions schema."""
    rows = [
        {
            "pair_id": answer.pair_id,
            "condition": answer.condition,
            "rotation_a_b": None if answer.rotation_a_b is None else answer.rotation_a_b.tolist(),
            "translation_a_b": None if answer.translation_a_b is None else answer.translation_a_b.tolist(),
            "metric": answer.metric,
            "confidence": answer.confidence,
            "status": str(answer.status),
            "message": answer.message,
            "milliseconds": answer.milliseconds,
        }
        for answer in answers
    ]
    return pa.Table.from_pylist(rows, schema=predictions_schema(info))


def write_predictions(path: Path, answers: Iterable[Answer], info: Mapping[str, Any] | None = None) -> None:
    """Write a predictions file atomically.

    Raises:
        AvbenchError: The file cannot be written; nothing is left behind.
    """
    write_table(path, predictions_table(answers, info))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table of the predictions schema atomically."""
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)


def read_predictions(path: Path, asked: Asked | None = None) -> Predictions:
    """Read and check a predictions file of any writer: Parquet or CSV, in any of the forms of `prediction_forms`.

    Args:
        path: The file.
        asked: What was asked for, which bounds the size of what is read. None trusts the file to be of any size.

    Raises:
        InputError: Neither Parquet nor CSV, another version, larger than what was asked, a required column missing, a
            column of a wrong type, a quaternion in no stated order, a status that does not exist, a matrix that is not
            3x3, or a pair answered twice under one condition.
    """
    where = str(path)
    scalars = ("metric", "confidence", "milliseconds", *SCALAR_COLUMNS)
    found = read_prediction_table(path, texts=_TEXTS, numbers=scalars, lists=LIST_COLUMNS, asked=asked)
    table = found.table
    _check_version(table, where)
    columns = {name: table.column(name) for name in table.column_names}
    if "pair_id" not in columns:
        raise InputError(
            where,
            found=f"columns {', '.join(found.names)}",
            expected="also pair_id",
            hint="docs/predictions.md shows the forms that are read",
        )
    poses = read_poses(table, where, found.names)
    texts = {name: _texts(columns[name], name, where) for name in _TEXTS if name in columns}
    count = table.num_rows
    nothing: tuple[str | None, ...] = (None,) * count
    condition = _named(texts["condition"], "condition", where) if any(texts.get("condition", ())) else ()
    predictions = Predictions(
        pair_id=_named(texts["pair_id"], "pair_id", where),
        condition=condition or (CLEAN_CONDITION,) * count,
        rotation_a_b=poses.rotation_a_b,
        translation_a_b=poses.translation_a_b,
        metric=_booleans(columns.get("metric"), count, where),
        confidence=_floats(columns.get("confidence"), "confidence", count, where),
        status=_statuses(texts.get("status", nothing), poses.answered, where),
        message=tuple(text or None for text in texts.get("message", nothing)),
        milliseconds=_floats(columns.get("milliseconds"), "milliseconds", count, where),
        info=_info(table.schema, where),
        where=where,
    )
    _refuse_doubled(predictions)
    wrong = rows_without_rotation(predictions)
    notes = poses.notes if not len(wrong) else (*poses.notes, _no_rotation_note(predictions, wrong))
    return replace(predictions, notes=notes)


def rows_without_rotation(predictions: Predictions) -> NDArray[np.int64]:
    """Numbers of the rows that call themselves ok and hold no rotation, which are scored as invalid."""
    ok = np.array([status is Status.OK for status in predictions.status], dtype=np.bool_)
    valid = is_rotation(predictions.rotation_a_b, load_metrics_spec().rotation_tolerance)
    return np.flatnonzero(ok & ~valid)


def _no_rotation_note(predictions: Predictions, rows: NDArray[np.int64]) -> str:
    shown = ", ".join(str(row) for row in rows[:_SHOWN_ROWS])
    more = f" and {len(rows) - _SHOWN_ROWS:,} more" if len(rows) > _SHOWN_ROWS else ""
    first = int(rows[0])
    return (
        f"{predictions.where}: {len(rows):,} of {len(predictions):,} rows are no rotation and count as 180 degrees: "
        f"row {shown}{more}; row {first} (pair {predictions.pair_id[first]}) {_why_no_rotation(predictions, first)}"
    )


def _why_no_rotation(predictions: Predictions, row: int) -> str:
    matrix = predictions.rotation_a_b[row]
    if not np.isfinite(matrix).all():
        return "is not finite"
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = np.linalg.norm(matrix.T @ matrix - np.eye(3))
    tolerance = load_metrics_spec().rotation_tolerance
    if deviation > tolerance:
        return f"is not orthonormal: ||R'R - I|| is {deviation:.3g}, at most {tolerance:g} is taken"
    return "is a reflection: its determinant is -1"


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Several files of one model as one, in the given order; what they say of themselves is that of the first.

    Args:
        parts: At least one.

    Raises:
        InputError: A pair is answered twice under one condition.
    """
    first = parts[0]
    whole = Predictions(
        pair_id=tuple(pair for part in parts for pair in part.pair_id),
        condition=tuple(name for part in parts for name in part.condition),
        rotation_a_b=np.concatenate([part.rotation_a_b for part in parts]),
        translation_a_b=np.concatenate([part.translation_a_b for part in parts]),
        metric=np.concatenate([part.metric for part in parts]),
        confidence=np.concatenate([part.confidence for part in parts]),
        status=tuple(status for part in parts for status in part.status),
        message=tuple(message for part in parts for message in part.message),
        milliseconds=np.concatenate([part.milliseconds for part in parts]),
        info=first.info,
        where=first.where,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
    _refuse_doubled(whole)
    return whole


def check_complete(
    predictions: Predictions, pair_ids: Sequence[str], *, conditions: Sequence[str] | None = None
) -> None:
    """Check that predictions answer exactly the given pairs with finite numbers: what a board asks of a submission.

    Args:
        predictions: What `read_predictions` returned.
        pair_ids: All pairs of the split.
        conditions: The conditions that must be answered; None for those in the file.

    Raises:
        InputError: A pair is missing or foreign, a condition is missing or unknown, or a row that calls itself ok has
            no rotation, something else in its place, a NaN or an infinity. The row or the pair is named.
    """
    check_known(predictions, pair_ids)
    wanted = tuple(conditions) if conditions is not None else predictions.conditions or (CLEAN_CONDITION,)
    unknown = [row for row, name in enumerate(predictions.condition) if name not in wanted]
    if unknown:
        raise InputError(
            f"{predictions.where}: row {unknown[0]}: condition",
            found=repr(predictions.condition[unknown[0]]),
            expected=f"one of {', '.join(wanted)}",
        )
    for condition in wanted:
        answered = predictions.rows_of(condition)
        absent = [pair for pair in pair_ids if pair not in answered]
        if absent:
            raise InputError(
                f"{predictions.where}: pair_id, condition {condition}",
                found=f"{len(absent)} of {len(pair_ids)} pairs without a row, the first is {absent[0]}",
                expected="one row for every pair",
                hint="a pair without an answer is a row with status 'missing'",
            )
    ok = np.array([status is Status.OK for status in predictions.status], dtype=np.bool_)
    for name, array in (("rotation_a_b", predictions.rotation_a_b), ("translation_a_b", predictions.translation_a_b)):
        finite = np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        # A null translation is an answer without a direction, which evaluation itself writes.
        allowed = np.isnan(array.reshape(len(array), -1)).all(axis=1) & (name == "translation_a_b")
        bad = np.flatnonzero(ok & ~finite & ~allowed)
        if len(bad):
            row = int(bad[0])
            raise InputError(
                f"{predictions.where}: row {row} (pair {predictions.pair_id[row]}): {name}",
                found="null, NaN or infinity",
                expected="finite numbers where status is ok",
                hint=_FAILED_HINT,
            )
    wrong = rows_without_rotation(predictions)
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            f"{predictions.where}: row {row} (pair {predictions.pair_id[row]}): rotation_a_b",
            found=f"a matrix that {_why_no_rotation(predictions, row)}, and {len(wrong) - 1} more that are no rotation",
            expected="rotations where status is ok",
            hint=_FAILED_HINT,
        )


def check_known(predictions: Predictions, pair_ids: Iterable[str]) -> None:
    """Check that every prediction is for a pair of the split.

    Raises:
        InputError: A row answers a pair that is not in the split; the row is named.
    """
    known = set(pair_ids)
    foreign = [row for row, pair in enumerate(predictions.pair_id) if pair not in known]
    if foreign:
        raise InputError(
            f"{predictions.where}: row {foreign[0]}: pair_id",
            found=f"{predictions.pair_id[foreign[0]]!r}, and {len(foreign) - 1} more that the split does not have",
            expected="pairs of the split that is scored",
            hint="were these predicted on another data set or split?",
        )


def read_table(path: Path) -> pa.Table:
    """Read a predictions file without looking into its columns.

    Raises:
        InputError: There is no such file, it is not Parquet, or of another version.
    """
    if not path.is_file():
        raise InputError(path, found="no such file", expected="a predictions Parquet file")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            path, found=f"no readable Parquet ({error})", expected="a predictions Parquet file, whole"
        ) from error
    _check_version(table, str(path))
    return table


def _check_version(table: pa.Table, where: str) -> None:
    version = (table.schema.metadata or {}).get(_VERSION_KEY, PREDICTIONS_VERSION.encode()).decode(errors="replace")
    if version != PREDICTIONS_VERSION:
        raise InputError(f"{where}: version", found=repr(version), expected=repr(PREDICTIONS_VERSION))


def table_info(table: pa.Table, where: str | Path) -> Mapping[str, Any]:
    """What the metadata of a predictions table says about where it comes from; empty where it says nothing.

    Raises:
        InputError: It is no JSON, or a setting is not what it must be; the setting is named.
    """
    return _info(table.schema, str(where))


def _info(schema: pa.Schema, where: str) -> Mapping[str, Any]:
    text = (schema.metadata or {}).get(_INFO_KEY, b"{}")
    place = f"{where}: metadata {_INFO_KEY.decode()}"
    info: Mapping[str, Any] = parse_json(text, place, dict, expected="a table as JSON")
    _record(info, where)
    return info


def _record(info: Mapping[str, Any], where: str) -> RunRecord:
    return structured(info, f"{where}: metadata {_INFO_KEY.decode()}", PredictionsInfo, other_keys=True).settings


def _texts(column: pa.ChunkedArray, name: str, where: str) -> tuple[str | None, ...]:
    if not (pa.types.is_string(column.type) or pa.types.is_null(column.type)):
        raise InputError(f"{where}: column {name}", found=str(column.type), expected="string")
    try:
        return tuple(column.to_pylist())
    except UnicodeDecodeError as error:
        found = f"bytes that are not UTF-8 ({error.reason})"
        raise InputError(f"{where}: column {name}", found=found, expected="string") from error


def _named(values: Sequence[str | None], name: str, where: str) -> tuple[str, ...]:
    for row, value in enumerate(values):
        if not value:
            raise InputError(f"{where}: row {row}: {name}", found="nothing", expected="a name")
    return tuple(value for value in values if value)


def _floats(column: pa.ChunkedArray | None, name: str, count: int, where: str) -> FloatArray:
    return np.full(count, np.nan) if column is None else number_column(column, name, where)


def _booleans(column: pa.ChunkedArray | None, count: int, where: str) -> NDArray[np.bool_]:
    if column is None:
        return np.zeros(count, dtype=np.bool_)
    if pa.types.is_boolean(column.type):
        return np.array([bool(value) for value in column.to_pylist()], dtype=np.bool_)
    numbers = number_column(column, "metric", where)
    odd = np.flatnonzero(~(np.isnan(numbers) | (numbers == 0.0) | (numbers == 1.0)))
    if len(odd):
        raise InputError(f"{where}: row {odd[0]}: metric", found=f"{numbers[odd[0]]:g}", expected="true or false")
    return np.asarray(numbers == 1.0, dtype=np.bool_)


def _statuses(values: Sequence[str | None], answered: NDArray[np.bool_], where: str) -> tuple[Status, ...]:
    """Statuses; a row that states none is ok if it has a rotation, and missing if not."""
    known = set(Status)
    for row, value in enumerate(values):
        if value and value not in known:
            raise InputError(f"{where}: row {row}: status", found=repr(value), expected=f"one of {', '.join(Status)}")
    unstated = (Status.MISSING, Status.OK)
    return tuple(
        Status(value) if value else unstated[there] for value, there in zip(values, answered.tolist(), strict=True)
    )


def _refuse_doubled(predictions: Predictions) -> None:
    keys = list(zip(predictions.pair_id, predictions.condition, strict=True))
    doubled = {key for key, times in Counter(keys).items() if times > 1}
    if doubled:
        row = max(row for row, key in enumerate(keys) if key in doubled)
        raise InputError(
            f"{predictions.where}: row {row}: pair_id",
            found=f"{keys[row][0]!r} a second time under condition {keys[row][1]!r}",
            expected="one row for every pair and condition",
        )
