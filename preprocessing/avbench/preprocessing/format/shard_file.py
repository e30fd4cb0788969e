"""One shard as a file, opened in one place and checked against what its manifest says of it.

Parquet's page checksums cover neither the footer nor the headers of pages, and a whole file is mostly pictures and
clips, too much to hash before labels are read. So the manifest keeps two hashes beside that of the whole file: of the
footer, which is checked before it is parsed, and of everything but pictures and clips, which is checked before any
value is believed. Pictures and clips are covered by the checksums of their pages. Nothing is remembered from one
reading to the next.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from avbench.preprocessing.base.atomic import sha256_of
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.structure import Count, Sha256, Text
from avbench.preprocessing.format.schema import (
    AUDIO_COLUMNS,
    COLUMN_BY_NAME,
    IMAGE_COLUMNS,
    LATER_COLUMNS,
    Role,
    check_schema,
    column_names,
)

_ENCODED_COLUMNS = frozenset({*IMAGE_COLUMNS, *AUDIO_COLUMNS})
_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # the length of the footer and the magic
_HINT = "copy the data set again, or run the same `avbench prepare` command again: it makes damaged shards again"


@dataclass(frozen=True)
class ShardRecord:
    """One shard of a data set, as its manifest describes it.

    Attributes:
        path: Its path in the data set's folder, with slashes.
        split: Its split.
        rows: Number of rows.
        bytes: Size of the file.
        sha256: Hash of the file.
        footer_sha256: Hash of its footer; empty in manifests that were written before there was one.
        plain_sha256: Hash of everything in it but pictures and clips; empty likewise.
    """

    path: Text
    split: Text
    rows: Count
    bytes: Count
    sha256: Sha256
    footer_sha256: str = ""
    plain_sha256: str = ""


class MissingLabelsError(InputError):
    """Columns of labels, or derived from labels, that a shard was published without."""

    def __init__(self, path: Path, names: Collection[str]) -> None:
        super().__init__(
            path,
            found=f"no label columns {', '.join(names)}",
            expected="a data set with its labels",
            hint="these pairs were published without the answers: use the data set that has them, or submit the "
            "predictions to its board with `avbench submit`",
        )


def describe_shard(path: Path, *, name: str, split: str, rows: int) -> ShardRecord:
    """The record of a shard that has just been written.

    Args:
        path: Where it lies now.
        name: Its path in the data set's folder.
        split: Its split.
        rows: Number of rows.
    """
    metadata = pq.read_metadata(path)
    return ShardRecord(
        name, split, rows, path.stat().st_size, sha256_of(path), _footer_sha256(path), _plain_sha256(path, metadata)
    )


def open_shard(
    path: Path, record: ShardRecord | None = None, *, columns: Collection[str] | None = None, whole: bool = False
) -> pq.ParquetFile:
    """Open a shard; its page checksums are verified as it is read.

    Args:
        path: The shard.
        record: What the manifest says of it; size, footer and number of rows are then compared. A shard that was
            published without labels has been written anew: it is compared by its number of rows only.
        columns: Columns that will be read; None for all.
        whole: Whether they will be read of all rows: all bytes but those of pictures and clips are then hashed and
            compared with the record. Where labels are read, do not go without it.

    Raises:
        MissingLabelsError: Asked columns are missing because the shard was published without labels.
        InputError: There is no such file, it is no shard, of another version, damaged, or not the one of the manifest.
    """
    other_size = record is not None and _check_sealed(path, record)
    try:
        file = pq.ParquetFile(path, metadata=_metadata(path), page_checksum_verification=True)
    except FileNotFoundError as error:
        raise InputError(path, found="no such file", expected="a shard", hint="run `avbench prepare`") from error
    except (pa.ArrowException, OSError) as error:
        raise damaged_shard(path, error) from error
    with ExitStack() as stack:
        stack.callback(file.close)
        present = LATER_COLUMNS.union(file.schema_arrow.names)
        if record is not None and other_size and present.issuperset(column_names()):
            raise _not_the_one(path, f"{path.stat().st_size} bytes", f"{record.bytes}")
        check_schema(file.schema_arrow, str(path), optional=frozenset(column_names(Role.LABEL, Role.LABEL_DERIVED)))
        asked = column_names() if columns is None else columns
        missing = [name for name in asked if name not in present]
        if missing:
            labels = [name for name in column_names(Role.LABEL) if name not in present]
            raise MissingLabelsError(path, labels or missing)
        if record is not None:
            labels_asked = any(COLUMN_BY_NAME[name].role is not Role.INPUT for name in asked)
            if other_size and labels_asked:
                raise _not_the_one(path, f"{path.stat().st_size} bytes", f"{record.bytes}")
            if file.metadata.num_rows != record.rows:
                raise _not_the_one(path, f"{file.metadata.num_rows} rows", f"{record.rows}")
            if whole and not other_size:
                _check_plain(path, record, file.metadata, labels_asked=labels_asked)
        stack.pop_all()
    return file


def _metadata(path: Path) -> pq.FileMetaData:
    """The footer of a shard, parsed once as long as the file stays as it is: runs open the same shards many times."""
    state = path.stat()
    return _parsed_metadata(path, (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@lru_cache(maxsize=32)
def _parsed_metadata(path: Path, state: tuple[int, ...]) -> pq.FileMetaData:  # noqa: ARG001 - a part of the key
    return pq.read_metadata(path)


def lacking_labels(path: Path) -> list[str]:
    """Names of the label columns that a shard does not have, in the order of the schema.

    Raises:
        InputError: There is no such file, or it is no shard.
    """
    with open_shard(path, columns=()) as file:
        present = set(file.schema_arrow.names)
    return [name for name in column_names(Role.LABEL) if name not in present]


def damaged_shard(path: Path, error: Exception) -> InputError:
    """The error for a shard that Arrow cannot read."""
    return InputError(path, found=f"a damaged Parquet file ({error})", expected="a whole shard", hint=_HINT)


def _not_the_one(path: Path, found: str, expected: str) -> InputError:
    return InputError(path, found=found, expected=f"{expected}, as the data set's manifest.json says", hint=_HINT)


def _check_sealed(path: Path, record: ShardRecord) -> bool:
    """Compare the footer with the record before Arrow parses it; gives whether the file is of another size.

    Raises:
        InputError: The size is right and the footer is not.
    """
    try:
        if path.stat().st_size != record.bytes:
            return True
        found = _footer_sha256(path) if record.footer_sha256 else ""
    except OSError:
        return False  # opening it says why
    if found != record.footer_sha256:
        raise _not_the_one(path, f"a damaged footer (SHA-256 {found[:12]})", record.footer_sha256[:12])
    return False


def _check_plain(path: Path, record: ShardRecord, metadata: pq.FileMetaData, *, labels_asked: bool) -> None:
    if record.plain_sha256:
        found = _plain_sha256(path, metadata)
        if found != record.plain_sha256:
            raise _not_the_one(path, f"damaged rows (SHA-256 {found[:12]})", record.plain_sha256[:12])
    elif labels_asked:
        # An older manifest has the hash of the whole file only: slower, but labels are never taken on trust.
        found = sha256_of(path)
        if found != record.sha256:
            raise _not_the_one(path, f"a damaged file (SHA-256 {found[:12]})", record.sha256[:12])


def _footer_sha256(path: Path) -> str:
    """Hash of the footer; of the whole file's tail where it is not Parquet, which is then no shard's hash."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
        length = int.from_bytes(tail[:4], "little") if tail[4:] == _MAGIC else 0
        file.seek(max(0, size - _TAIL_BYTES - length))
        return hashlib.sha256(file.read()).hexdigest()


def _plain_sha256(path: Path, metadata: pq.FileMetaData) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        position = 0
        for start, stop in _encoded_ranges(metadata):
            file.seek(position)
            digest.update(file.read(max(0, start - position)))
            position = stop
        file.seek(position)
        digest.update(file.read())
    return digest.hexdigest()


def _encoded_ranges(metadata: pq.FileMetaData) -> Iterator[tuple[int, int]]:
    """Where pictures and clips lie in the file: first byte and one past the last, in order."""
    encoded = [
        index
        for index in range(metadata.num_columns)
        if metadata.schema.column(index).path.partition(".")[0] in _ENCODED_COLUMNS
    ]
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for index in encoded:
            chunk = row_group.column(index)
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            yield start, start + chunk.total_compressed_size
