"""A predictions file as it comes, Parquet or CSV: of bounded size, and only the columns that mean something here.

A Parquet file of three kilobytes can hold a hundred million rows. Its footer says how many rows, row groups and numbers
there are, which is compared with what was asked before anything else is read.
"""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avbench.preprocessing.base.errors import InputError, did_you_mean

_PARQUET_MAGIC = b"PAR1"
_CSV_SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
_DELIMITERS = ",;\t"
_LONGEST_HEADER_BYTES = 2**16
_NUMBERS_A_ROW = 64  # a list column of ours has 9 at most
_SPARE_ROWS = 1000
_SPARE_BYTES = 2**20
_BYTES_A_ROW = 4096  # a full row takes about 300
_PREDICTIONS = "a predictions file, Parquet or CSV"
_TRUTH = "metric"
_PREFIXED_ENCODING = "DELTA_BYTE_ARRAY"


@dataclass(frozen=True)
class Asked:
    """What predictions were asked for, which bounds how large a file can be.

    Attributes:
        pairs: Number of pairs.
        conditions: Number of conditions.
    """

    pairs: int
    conditions: int

    @property
    def most_rows(self) -> int:
        """Rows that a file may have: some more than asked, since a row too many is best named by itself."""
        return 2 * self.pairs * self.conditions + _SPARE_ROWS

    @property
    def most_bytes(self) -> int:
        """Bytes of a file, and of what it holds once decompressed."""
        return self.most_rows * _BYTES_A_ROW + _SPARE_BYTES

    def __str__(self) -> str:
        conditions = f"{self.conditions:,} condition{'' if self.conditions == 1 else 's'}"
        return f"one for each of {self.pairs:,} pairs under {conditions}"


@dataclass(frozen=True)
class PredictionTable:
    """The columns of a predictions file that mean something here.

    Attributes:
        table: These columns; text is plain text, whatever it was stored as. Metadata is the file's.
        names: The names of all its columns.
    """

    table: pa.Table
    names: tuple[str, ...]


def stored_suffix(path: Path) -> str:
    """The suffix under which a copy of a predictions file is read as it was: `.parquet` or `.csv`."""
    with path.open("rb") as file:
        return ".parquet" if _is_parquet(path, file.read(len(_PARQUET_MAGIC))) else ".csv"


def _is_parquet(path: Path, start: bytes) -> bool:
    return start.startswith(_PARQUET_MAGIC) or path.suffix.lower() not in _CSV_SUFFIXES


def read_prediction_table(
    path: Path, *, texts: Collection[str], numbers: Collection[str], lists: Collection[str], asked: Asked | None
) -> PredictionTable:
    """Read a predictions file of any writer.

    Args:
        path: The file.
        texts: Names of columns of text.
        numbers: Names of columns of one number or one truth value.
        lists: Names of columns of several numbers.
        asked: What was asked for; None for a file of our own, which is not bounded.

    Raises:
        InputError: There is no such file, it is neither Parquet nor CSV, damaged, or larger than what was asked.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(_LONGEST_HEADER_BYTES)
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
        raise InputError(path, found=found, expected=_PREDICTIONS) from error
    if asked is not None and size > asked.most_bytes:
        raise _too_large(path, f"{size:,} bytes", f"at most {asked.most_bytes:,} for predictions, {asked}")
    if _is_parquet(path, start):
        return _read_parquet(path, texts, (*texts, *numbers, *lists), asked)
    return _read_csv(path, start, texts, numbers, lists, asked)


def _too_large(path: Path, found: str, expected: str) -> InputError:
    return InputError(path, found=found, expected=expected, hint="were these predicted on another data set or split?")


def _read_parquet(path: Path, texts: Collection[str], columns: Collection[str], asked: Asked | None) -> PredictionTable:
    try:
        metadata = pq.read_metadata(path)
        names = tuple(metadata.schema.to_arrow_schema().names)
        known = [name for name in dict.fromkeys(names) if name in columns]
        _refuse_doubled(path, names, known)
        if asked is not None:
            _check_footer(metadata, path, frozenset(known), frozenset(texts), asked)
        # Text stays a dictionary until its length is known: a long one that is repeated takes almost no space.
        kept = [name for name in texts if name in known and _is_text(metadata, name)]
        with pq.ParquetFile(path, metadata=metadata, page_checksum_verification=True, read_dictionary=kept) as file:
            table = file.read(columns=known, use_threads=False, use_pandas_metadata=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(
            path,
            found=f"no readable Parquet ({error})",
            expected=f"{_PREDICTIONS}, whole",
            hint="write it with DataFrame.to_parquet, DataFrame.write_parquet, or as text with the suffix .csv",
        ) from error
    for index, name in enumerate(table.column_names):
        column = table.column(index)
        if pa.types.is_dictionary(column.type):
            if asked is not None:
                _check_text(column, name, path, asked)
            table = table.set_column(index, name, _plain(column))
        elif pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
            table = table.set_column(index, name, column.cast(pa.string()))
    return PredictionTable(table, names)


def _refuse_doubled(path: Path, names: tuple[str, ...], known: Collection[str]) -> None:
    for name in known:
        if names.count(name) > 1:
            raise InputError(f"{path}: column {name}", found="two of that name", expected="one")


def _is_text(metadata: pq.FileMetaData, name: str) -> bool:
    columns = (metadata.schema.column(index) for index in range(metadata.num_columns))
    return any(column.path == name and column.physical_type == "BYTE_ARRAY" for column in columns)


def _check_footer(
    metadata: pq.FileMetaData, path: Path, known: frozenset[str], texts: frozenset[str], asked: Asked
) -> None:
    if metadata.num_rows > asked.most_rows:
        raise _too_large(path, f"{metadata.num_rows:,} rows", f"{asked}")
    if metadata.num_row_groups > metadata.num_rows + _SPARE_ROWS:
        raise _too_large(
            path, f"{metadata.num_row_groups:,} row groups", f"no more than its {metadata.num_rows:,} rows"
        )
    roots = [metadata.schema.column(index).path.partition(".")[0] for index in range(metadata.num_columns)]
    read = [index for index, root in enumerate(roots) if root in known]
    decompressed = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for index in read:
            chunk = group.column(index)
            if chunk.num_values > _NUMBERS_A_ROW * group.num_rows + _SPARE_ROWS:
                where = f"{path}: column {roots[index]}"
                found = f"{chunk.num_values:,} numbers in {group.num_rows:,} rows"
                raise InputError(where, found=found, expected="a pose a row")
            decompressed += chunk.total_uncompressed_size
            # Every text may repeat a long beginning of the one before at no cost.
            unpacked = chunk.total_uncompressed_size * group.num_rows
            if roots[index] in texts and _PREFIXED_ENCODING in chunk.encodings and unpacked > asked.most_bytes:
                where = f"{path}: column {roots[index]}"
                raise InputError(where, found=f"text stored as {_PREFIXED_ENCODING}", expected="plain or dictionary")
    if decompressed > asked.most_bytes:
        raise _too_large(path, f"{decompressed:,} bytes decompressed", f"at most {asked.most_bytes:,}, {asked}")


def _check_text(column: pa.ChunkedArray, name: str, path: Path, asked: Asked) -> None:
    total = 0
    for chunk in column.chunks:
        if not (pa.types.is_string(chunk.dictionary.type) or pa.types.is_large_string(chunk.dictionary.type)):
            continue
        lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
        total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    if total > asked.most_bytes:
        raise InputError(
            f"{path}: column {name}", found=f"{total:,} bytes of text", expected=f"at most {asked.most_bytes:,}"
        )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    value_type = column.type.value_type
    plain = pa.string() if pa.types.is_large_string(value_type) or pa.types.is_string_view(value_type) else value_type
    return column.cast(value_type).cast(plain)


def _read_csv(
    path: Path,
    start: bytes,
    texts: Collection[str],
    numbers: Collection[str],
    lists: Collection[str],
    asked: Asked | None,
) -> PredictionTable:
    from pyarrow import csv as arrow_csv  # most files are Parquet, and loading it takes a while

    names, delimiter = _header(path, start)
    columns = (*texts, *numbers, *lists)
    known = [name for name in names if name in columns]
    _refuse_doubled(path, names, known)
    # `metric` is the one column of truth values; Arrow reads true, True, 1 and their opposites.
    types = {
        name: pa.bool_() if name == "metric" else pa.float64() if name in numbers else pa.string() for name in known
    }
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=known, column_types=types, strings_can_be_null=True, null_values=["", "nan", "NaN"]
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(
            path,
            found=f"CSV that cannot be read ({error})",
            expected="UTF-8 text with a decimal point, one row a pair",
            hint="docs/predictions.md has an example",
        ) from error
    if asked is not None and table.num_rows > asked.most_rows:
        raise _too_large(path, f"{table.num_rows:,} rows", f"{asked}")
    return PredictionTable(table, names)


def _header(path: Path, start: bytes) -> tuple[tuple[str, ...], str]:
    """Names of the columns of a CSV file, and what separates them."""
    line = start.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode(errors="replace").rstrip("\r")
    for delimiter in _DELIMITERS:
        names = tuple(next(csv.reader([line], delimiter=delimiter), []))
        if "pair_id" in names:
            return names, delimiter
    names = tuple(next(csv.reader([line]), []))
    raise InputError(
        f"{path}: line 1",
        found=f"{line[:60]!r}",
        expected="names of columns, pair_id among them",
        hint=did_you_mean("pair_id", names) or "docs/predictions.md has an example",
    )
