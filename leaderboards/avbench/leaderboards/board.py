"""A board is a folder: its labels, the submissions as they came, and an append-only list of scored entries.

    board.json             what is measured: data set, split, conditions, metrics, what it is ranked by
    private/labels.parquet the answers; never publish this
    submissions/           the predictions of every entry, so that history can be scored again
    entries.jsonl          one line an entry, in the order of arrival
    README.md, index.html  the pages, made from the above

The board scores submissions itself. Every file is written whole or not at all, under a lock, so that two submissions
at once both arrive and a refused one leaves no trace.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avbench.benchmark.arrow_arrays import fixed_shape_array
from avbench.benchmark.dataset import open_dataset
from avbench.benchmark.metrics_spec import load_metrics_spec
from avbench.benchmark.predictions import CLEAN_CONDITION
from avbench.benchmark.scoring import Labels, numbers_or_nan, score_condition
from avbench.leaderboards.published import published_score
from avbench.leaderboards.submission import SubmissionInfo, read_submission
from avbench.preprocessing.atomic import atomic_path, remove_strays, sha256_of, write_text
from avbench.preprocessing.errors import AvbenchError, InputError
from avbench.preprocessing.locks import sole_writer
from avbench.preprocessing.recording import Scale

BOARD_VERSION = "2"
CONFIG_NAME = "board.json"
LABELS_NAME = "private/labels.parquet"
ENTRIES_NAME = "entries.jsonl"
SUBMISSIONS_NAME = "submissions"
ROTATION_RANKING = "rotation.mean_deg"
TOTAL_RANKING = "total.auc.20"
_LOWER_IS_BETTER_SUFFIX = "_deg"
_REMAKE_HINT = (
    "make the board anew with `avbench board create`, and hand in what lies in its folder submissions/ with "
    "`avbench submit`"
)


@dataclass(frozen=True)
class BoardConfig:
    """What a board measures.

    Attributes:
        title: Its title.
        dataset_fingerprint: The data set, from its manifest.
        split: The split.
        pairs: Number of pairs.
        conditions: Conditions that every submission answers; the first is what the board is ranked on.
        metrics_spec_version: Version of the metrics.
        rank_by: Path of the ranking number in a score's JSON form ("total.auc.20", "rotation.mean_deg").
        labels_sha256: Hash of the file of the answers, which is compared whenever they are read.
        version: Version of the folder's layout.
    """

    title: str
    dataset_fingerprint: str
    split: str
    pairs: int
    conditions: tuple[str, ...]
    metrics_spec_version: str
    rank_by: str
    labels_sha256: str
    version: str = BOARD_VERSION


@dataclass(frozen=True)
class Entry:
    """One scored submission.

    Attributes:
        entry_id: First 12 hex digits of the hash of what was predicted.
        submission: Who handed it in.
        submitted_at: UTC, ISO 8601.
        content_sha256: Hash of what was predicted.
        file_sha256: Hash of the file as it came.
        scores: Score in JSON form by condition, rounded as `published.published_score` does.
    """

    entry_id: str
    submission: SubmissionInfo
    submitted_at: str
    content_sha256: str
    file_sha256: str
    scores: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Board:
    """A board, opened."""

    folder: Path
    config: BoardConfig

    def labels(self) -> Labels:
        """The answers, in the order of the data set.

        Raises:
            InputError: They are missing or damaged: a single flipped bit is found.
        """
        path = self.folder / LABELS_NAME
        try:
            content = path.read_bytes()
            found = hashlib.sha256(content).hexdigest()
            if found != self.config.labels_sha256:
                raise InputError(
                    path,
                    found=f"damaged or other labels (SHA-256 {found[:12]})",
                    expected=f"those of the board ({self.config.labels_sha256[:12]}, as {CONFIG_NAME} says)",
                    hint="copy the file again from a backup of the board",
                )
            table = pq.read_table(pa.BufferReader(content))
        except (OSError, pa.ArrowException) as error:
            raise InputError(path, found=f"unreadable ({error})", expected="the board's labels") from error
        return Labels(
            pair_id=tuple(table.column("pair_id").to_pylist()),
            rotation_a_b=fixed_shape_array(table.column("rotation_a_b"), (3, 3), str(path)),
            translation_a_b_m=fixed_shape_array(table.column("translation_a_b_m"), (3,), str(path)),
            scale=tuple(Scale(value) for value in table.column("scale").to_pylist()),
            direction_sigma_deg=numbers_or_nan(table.column("direction_sigma_deg").to_pylist()),
        )

    def entries(self) -> list[Entry]:
        """All entries in the order of arrival."""
        path = self.folder / ENTRIES_NAME
        if not path.exists():
            return []
        entries = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                fields = json.loads(line)
                entries.append(Entry(**{**fields, "submission": SubmissionInfo(**fields["submission"])}))
            except (ValueError, TypeError, KeyError) as error:
                raise InputError(f"{path}: line {number}", found=str(error), expected="an entry") from error
        return entries

    def ranking_value(self, entry: Entry) -> float:
        """The number an entry is ranked by, NaN where its score has none."""
        value: Any = entry.scores[self.config.conditions[0]]
        for part in self.config.rank_by.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return float(value) if value is not None else math.nan

    def ranked(self) -> list[tuple[int, Entry]]:
        """Entries with their ranks, best first; equal numbers share a rank, the earlier entry stands first."""
        sign = 1.0 if self.config.rank_by.endswith(_LOWER_IS_BETTER_SUFFIX) else -1.0
        keyed = [(sign * self.ranking_value(entry), entry) for entry in self.entries()]
        keyed.sort(key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
        ranks: list[tuple[int, Entry]] = []
        for position, (key, entry) in enumerate(keyed, start=1):
            tied = position > 1 and keyed[position - 2][0] == key
            ranks.append((ranks[-1][0] if tied else position, entry))
        return ranks


@dataclass(frozen=True)
class Submitted:
    """What became of a submission: its entry, its rank, and whether it had been there before."""

    entry: Entry
    rank: int
    already_there: bool


def create_board(
    folder: Path,
    data: Path,
    *,
    title: str,
    split: str = "test",
    conditions: tuple[str, ...] = (CLEAN_CONDITION,),
    rank_by: str | None = None,
) -> Board:
    """Make a board for a split of a prepared data set; its labels are copied, the data set is not needed again.

    Raises:
        InputError: The folder is not empty, the data set or split does not exist, there is no condition, or the ranking
            number does not exist.
    """
    if folder.exists() and not _is_unfinished(folder):
        raise InputError(folder, found="a folder with something in it", expected="no folder, or an empty one")
    if not conditions or len(set(conditions)) != len(conditions):
        raise InputError("board: conditions", found=repr(conditions), expected="one or more different conditions")
    dataset = open_dataset(data)
    # Labels are read and checked as scoring reads them before they are copied column by column.
    labels = Labels.of(dataset.labels(split))
    table = dataset.table(
        split, ("pair_id", "group_id", "rotation_a_b", "translation_a_b_m", "scale", "direction_sigma_deg")
    )
    spec = load_metrics_spec()
    if rank_by is None:
        with_direction = bool(np.any(labels.has_direction(spec.baseline_threshold_m)))
        rank_by = TOTAL_RANKING if with_direction else ROTATION_RANKING
    kinds = ("rotation", "direction", "total")
    numbers = ("mean_deg", "median_deg", *(f"auc.{threshold:g}" for threshold in spec.auc_thresholds_deg))
    known = [f"{kind}.{what}" for kind in kinds for what in numbers]
    if rank_by not in known:
        raise InputError("board: rank_by", found=repr(rank_by), expected=f"one of {', '.join(known)}")
    with atomic_path(folder / LABELS_NAME) as temporary:
        pq.write_table(table, temporary)
        labels_sha256 = sha256_of(temporary)
    config = BoardConfig(
        title, dataset.fingerprint, split, len(labels), conditions, spec.version, rank_by, labels_sha256
    )
    # Written last: a folder without it is no board.
    write_text(folder / CONFIG_NAME, json.dumps(asdict(config), indent=2) + "\n")
    return Board(folder, config)


def _is_unfinished(folder: Path) -> bool:
    """Whether a folder holds nothing, or no more than the labels of a board that was never finished."""
    labels = folder / LABELS_NAME
    remove_strays(labels.parent)
    found = {path for path in folder.rglob("*") if folder.is_dir()}
    return found <= {labels.parent, labels}


def open_board(folder: Path) -> Board:
    """Open a board.

    Raises:
        InputError: There is none, or it is of another version.
    """
    path = folder / CONFIG_NAME
    hint = "make one with `avbench board create FOLDER --data DATA`"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        version = fields["version"]
        if version != BOARD_VERSION:
            raise InputError(f"{path}: version", found=repr(version), expected=repr(BOARD_VERSION), hint=_REMAKE_HINT)
        config = BoardConfig(**{**fields, "conditions": tuple(fields["conditions"])})
    except FileNotFoundError as error:
        raise InputError(folder, found="no board", expected=f"a folder with {CONFIG_NAME}", hint=hint) from error
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise InputError(path, found=f"unreadable ({error})", expected="a board's configuration") from error
    if config.metrics_spec_version != load_metrics_spec().version:
        raise InputError(
            f"{path}: metrics_spec_version",
            found=config.metrics_spec_version,
            expected=load_metrics_spec().version,
            hint="scores of different metrics do not compare: use the avbench version the board was made with",
        )
    return Board(folder, config)


def submit(board: Board, path: Path, info: SubmissionInfo) -> Submitted:
    """Check predictions, score them against the board's labels and append an entry; pages are not rendered here.

    The same predictions under the same name are not entered twice.

    Raises:
        InputError: The predictions are not a complete answer; the board is unchanged.
        AvbenchError: The board cannot be written; it is unchanged.
    """
    labels = board.labels()
    predictions = read_submission(path, labels.pair_id, board.config.conditions)
    settings = predictions.info.get("settings")
    claimed = settings.get("dataset_fingerprint") if isinstance(settings, Mapping) else None
    if claimed not in (None, board.config.dataset_fingerprint):
        raise InputError(
            f"{path}: dataset_fingerprint",
            found=str(claimed),
            expected=board.config.dataset_fingerprint,
            hint="these predictions are for another version of the data set",
        )
    scores = {
        condition: published_score(score_condition(predictions, labels, condition))
        for condition in board.config.conditions
    }
    content = predictions.content_sha256()
    with sole_writer(board.folder, Path(LABELS_NAME).parent.name, SUBMISSIONS_NAME, wait=True):
        entries = board.entries()
        for entry in entries:
            if entry.content_sha256 == content and entry.submission.name == info.name:
                return Submitted(entry, _rank_of(board, entry), already_there=True)
        entry = Entry(
            entry_id=_entry_id(content, entries),
            submission=info,
            submitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
            content_sha256=content,
            file_sha256=sha256_of(path),
            scores=scores,
        )
        stored = board.folder / SUBMISSIONS_NAME / f"{entry.entry_id}.parquet"
        try:
            with atomic_path(stored) as temporary:
                shutil.copyfile(path, temporary)
            lines = [json.dumps(asdict(one), sort_keys=True, ensure_ascii=False) for one in [*entries, entry]]
            write_text(board.folder / ENTRIES_NAME, "\n".join(lines) + "\n")
        except AvbenchError:
            # A submission without an entry would be a half-written one.
            stored.unlink(missing_ok=True)
            raise
    return Submitted(entry, _rank_of(board, entry), already_there=False)


def _entry_id(content_sha256: str, entries: list[Entry]) -> str:
    taken = {entry.entry_id for entry in entries}
    first = content_sha256[:12]
    # The same predictions under another name are another entry.
    candidates = (first if number == 1 else f"{first}-{number}" for number in range(1, len(entries) + 2))
    return next(candidate for candidate in candidates if candidate not in taken)


def _rank_of(board: Board, entry: Entry) -> int:
    return next(rank for rank, other in board.ranked() if other.entry_id == entry.entry_id)
