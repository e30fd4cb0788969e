"""Shards: Parquet files of pair rows, written whole, verified, and read back row group by row group.

Row groups hold up to 16 rows or 16 MiB, whichever comes first, so that one row can be had without reading its
neighbours' hundred. Pictures and clips are compressed already: columns are stored as they are, binary ones without
dictionary or statistics, and every page carries a checksum.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from avbench.preprocessing.base.atomic import atomic_path
from avbench.preprocessing.base.errors import InputError, OutputError
from avbench.preprocessing.format.picture import decode_picture
from avbench.preprocessing.format.schema import (
    AUDIO_COLUMNS,
    COLUMNS,
    IMAGE_COLUMNS,
    LATER_COLUMNS,
    column_names,
    pair_schema,
    table_from_rows,
    with_later_columns,
)
from avbench.preprocessing.format.shard_file import ShardRecord, damaged_shard, describe_shard, open_shard
from avbench.preprocessing.format.sound_clip import decode_clip

DATA_FOLDER = "data"
MAX_ROWS_A_GROUP = 16
MAX_BYTES_A_GROUP = 16 * 2**20
DEFAULT_SHARD_BYTES = 256 * 10**6

_ENCODED_COLUMNS = (*IMAGE_COLUMNS, *AUDIO_COLUMNS)
_REPEATED_COLUMNS = ["recording_id", "group_id", "split", "source", "licence"]
_SHARD_NAME = re.compile(r"(?P<split>\w+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.parquet")


@dataclass(frozen=True)
class Span:
    """Rows of one recording that lie one after the other in one Parquet file.

    Attributes:
        path: The file.
        first_row: Index of the first row.
        rows: How many.
    """

    path: Path
    first_row: int
    rows: int


@dataclass(frozen=True)
class PackedShard:
    """A shard that has been written.

    Attributes:
        path: Where it lies.
        record: What the manifest will say of it.
    """

    path: Path
    record: ShardRecord


class RowWriter:
    """Writes rows to one Parquet file, row group by row group; used as a context manager.

    Rows must be written in a `with` block on a temporary path, for instance that of `atomic.atomic_path`. It counts
    `rows` and `payload_bytes`, the size of pictures and clips so far.
    """

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self.payload_bytes = 0
        self._pending: list[dict[str, Any]] = []
        self._pending_bytes = 0
        plain = [name for name in column_names() if name not in _ENCODED_COLUMNS]
        self._writer = pq.ParquetWriter(
            path,
            pair_schema(),
            compression="none",
            use_dictionary=_REPEATED_COLUMNS,
            write_statistics=plain,
            write_page_checksum=True,
        )

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            self._writer.close()
        else:
            # The file is thrown away; what closing it says (the disk is still full) would hide the first error.
            with suppress(Exception):
                self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        """Append one row of the schema."""
        size = payload_bytes(row)
        if self._pending and self._pending_bytes + size > MAX_BYTES_A_GROUP:
            self._flush()
        self._pending.append(row)
        self._pending_bytes += size
        self.rows += 1
        self.payload_bytes += size
        if len(self._pending) == MAX_ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            table = table_from_rows(self._pending)
            self._writer.write_table(table, row_group_size=len(self._pending))
            self._pending = []
            self._pending_bytes = 0


def payload_bytes(row: dict[str, Any]) -> int:
    """Size of a row's pictures and clips."""
    return sum(len(row[name]["bytes"]) for name in _ENCODED_COLUMNS if row[name] is not None)


def write_rows(final: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write rows to a Parquet file, whole or not at all, and check their number in the file.

    Returns:
        The number of rows.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_path(final) as temporary:
        with RowWriter(temporary) as writer:
            for row in rows:
                writer.add(row)
        if pq.read_metadata(temporary).num_rows != writer.rows:
            raise OutputError(f"{final}: the disk did not keep what was written; check it and run the command again")
    return writer.rows


def dataset_shards(folder: Path, split: str) -> list[Path]:
    """Shards of one split of a prepared data set, in order.

    Raises:
        InputError: There is no such split, or a shard is missing.
    """
    found = [
        (match, path)
        for path in sorted((folder / DATA_FOLDER).glob("*.parquet"))
        if (match := _SHARD_NAME.fullmatch(path.name)) and match["split"] == split
    ]
    if not found:
        there = dataset_splits(folder)
        raise InputError(
            folder,
            found=f"no split {split!r}",
            expected=" or ".join(there) or "a folder made by `avbench prepare`",
            hint=f"choose one with --split; `avbench prepare --split {split}` makes one of all recordings"
            if there
            else "",
        )
    numbers = [(int(match["number"]), int(match["count"])) for match, _ in found]
    count = numbers[0][1]
    if numbers != [(number, count) for number in range(count)]:
        raise InputError(
            folder / DATA_FOLDER,
            found=f"shards {', '.join(path.name for _, path in found)}",
            expected=f"{split}-00000-of-{count:05d} to {split}-{count - 1:05d}-of-{count:05d}",
            hint="copy the whole folder, or run the same `avbench prepare` command again",
        )
    return [path for _, path in found]


def dataset_splits(folder: Path) -> list[str]:
    """Names of the splits of a prepared data set, sorted."""
    found = (_SHARD_NAME.fullmatch(path.name) for path in (folder / DATA_FOLDER).glob("*.parquet"))
    return sorted({match["split"] for match in found if match})


def iter_rows(paths: Iterable[Path], columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Read rows, one row group at a time.

    Args:
        paths: Shards.
        columns: Names of the columns wanted; all without it.

    Yields:
        One dictionary a row, pictures and clips as `{"bytes": ..., "path": None}`.

    Raises:
        InputError: A file is none of ours, of another schema version, or damaged.
    """
    for path in paths:
        with open_shard(path, columns=columns) as file:
            for group in range(file.num_row_groups):
                yield from _read_group(file, group, columns, path)


def read_span(span: Span) -> Iterator[dict[str, Any]]:
    """Read the rows of one span, touching only the row groups that it needs.

    Raises:
        InputError: As for `iter_rows`, or the file has fewer rows.
    """
    with open_shard(span.path) as file:
        start, stop = span.first_row, span.first_row + span.rows
        if stop > file.metadata.num_rows:
            raise InputError(span.path, found=f"{file.metadata.num_rows} rows", expected=f"{stop} or more")
        first = 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if first < stop and first + rows > start:
                listed = _read_group(file, group, None, span.path)
                yield from listed[max(start - first, 0) : stop - first]
            first += rows


def _read_group(file: pq.ParquetFile, group: int, columns: Sequence[str] | None, path: Path) -> list[dict[str, Any]]:
    try:
        table = file.read_row_group(group, columns=None if columns is None else list(columns), use_threads=False)
        rows: list[dict[str, Any]] = with_later_columns(table, columns).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise damaged_shard(path, error) from error
    return rows


def row_digest(row: dict[str, Any]) -> str:
    """SHA-256 of what a row says, in hex: independent of the file, its packing and the split the row is put into."""
    digest = hashlib.sha256()
    for column in COLUMNS:
        # A column that came later and says nothing leaves the digest as it was.
        later = column.name in LATER_COLUMNS and row[column.name] is None
        if column.name != "split" and not later:
            digest.update(column.name.encode())
            _feed(digest, row[column.name])
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if value is None:
        digest.update(b"n")
    elif isinstance(value, bytes):
        digest.update(b"b%d:" % len(value))
        digest.update(value)
    elif isinstance(value, str):
        _feed(digest, value.encode())
    elif isinstance(value, int):
        digest.update(b"i%d;" % value)
    elif isinstance(value, float):
        digest.update(b"f" + struct.pack("<d", value))
    elif isinstance(value, dict):
        for key in sorted(value):
            _feed(digest, key)
            _feed(digest, value[key])
    else:
        digest.update(b"l%d:" % len(value))
        for item in value:
            _feed(digest, item)


def rows_digest(row_digests: Iterable[str]) -> str:
    """SHA-256 over the digests of some rows, whatever their order, in hex."""
    return hashlib.sha256("\n".join(sorted(row_digests)).encode()).hexdigest()


def pack_split(
    split: str, sources: Iterable[tuple[str, Sequence[Span]]], folder: Path, shard_bytes: int
) -> tuple[list[PackedShard], dict[str, list[Span]]]:
    """Write the rows of some recordings into the shards of one split.

    Args:
        split: Name of the split; it is written into the rows.
        sources: Recording id and where its rows lie now.
        folder: Where the shards go; nothing else may be using it.
        shard_bytes: A shard is closed before it gets larger than this.

    Returns:
        The shards, and where in them the rows of each recording lie.

    Raises:
        OutputError: They cannot be written.
        InputError: Rows cannot be read from where they lie now.
    """
    written: list[tuple[Path, int]] = []
    places: list[tuple[str, int, int]] = []  # recording, shard number, row: consecutive ones are joined below
    rows = _labelled_rows(split, sources)
    pending = next(rows, None)
    while pending is not None:
        number = len(written)
        path = folder / f"{split}-{number:05d}.parquet"
        with atomic_path(path) as temporary, RowWriter(temporary) as writer:
            while pending is not None:
                recording_id, row = pending
                if writer.rows and writer.payload_bytes + payload_bytes(row) > shard_bytes:
                    break
                places.append((recording_id, number, writer.rows))
                writer.add(row)
                pending = next(rows, None)
        written.append((path, writer.rows))
    final = [folder / f"{split}-{number:05d}-of-{len(written):05d}.parquet" for number in range(len(written))]
    for (path, _), name in zip(written, final, strict=True):
        path.replace(name)
    shards = [
        PackedShard(path, describe_shard(path, name=f"{DATA_FOLDER}/{path.name}", split=split, rows=count))
        for path, (_, count) in zip(final, written, strict=True)
    ]
    return shards, _spans(places, final)


def _labelled_rows(split: str, sources: Iterable[tuple[str, Sequence[Span]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for recording_id, spans in sources:
        for span in spans:
            for row in read_span(span):
                row["split"] = split
                yield recording_id, row


def _spans(places: Iterable[tuple[str, int, int]], paths: Sequence[Path]) -> dict[str, list[Span]]:
    result: dict[str, list[Span]] = {}
    for recording_id, number, row in places:
        spans = result.setdefault(recording_id, [])
        if spans and spans[-1].path == paths[number]:
            spans[-1] = Span(paths[number], spans[-1].first_row, spans[-1].rows + 1)
        else:
            spans.append(Span(paths[number], row, 1))
    return result


def verify_shard(shard: PackedShard) -> dict[str, tuple[str, list[str]]]:
    """Read a whole shard back from disk and check it.

    Returns:
        For every recording in it its group and the digests of its rows.

    Raises:
        OutputError: The number of rows is not what was written, a row is in another split, or the first row's
            pictures or clips cannot be decoded.
        InputError: The file is damaged.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    rows = 0
    for row in iter_rows([shard.path]):
        if rows == 0:
            _check_decodes(row, shard.path)
        if row["split"] != shard.record.split:
            raise OutputError(f"{shard.path}: row {row['pair_id']} says it belongs to split {row['split']}")
        _, digests = found.setdefault(row["recording_id"], (row["group_id"], []))
        digests.append(row_digest(row))
        rows += 1
    if rows != shard.record.rows:
        raise OutputError(f"{shard.path}: {rows} rows came back, {shard.record.rows} were written; check the disk")
    return found


def _check_decodes(row: dict[str, Any], path: Path) -> None:
    where = f"{path}: {row['pair_id']}"
    for name in IMAGE_COLUMNS:
        picture = decode_picture(row[name]["bytes"], f"{where}: {name}")
        if picture.shape != (row["height_px"], row["width_px"], 3):
            raise OutputError(f"{where}: {name} is {picture.shape}, not {row['height_px']} x {row['width_px']}")
    for name in AUDIO_COLUMNS:
        if row[name] is not None:
            clip = decode_clip(row[name]["bytes"], f"{where}: {name}")
            if (clip.samples.shape[1], clip.sample_rate_hz) != (row["audio_channels"], row["audio_sample_rate_hz"]):
                raise OutputError(f"{where}: {name} has {clip.samples.shape[1]} channels at {clip.sample_rate_hz} Hz")
