"""The text of a trajectory file: its rows as cells, and every line of it that names the columns.

What the columns are may be said by a line of names above the rows, by a comment, or not at all. Nothing is guessed: a
comment that speaks of a quaternion's order in words that are not understood is refused unless something else names
the columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.sources.common.trajectory_columns import (
    MATRIX44_COLUMNS,
    MATRIX_COLUMNS,
    TUM_COLUMNS,
    names_a_rotation,
    parse_name,
)

_COMMENT = re.compile(r"\s*(?:#|%|//)")
_PREFIX = re.compile(r"[A-Za-z][\w ]{0,40}:\s+")  # "columns: timestamp tx ..."
_BRACKET = re.compile(r"\s*[\[(][^\])]*[\])]")
_LEAST_CELLS = 5  # a time and a quaternion

# Words about the order of a quaternion.
_AXIS_WORD = re.compile(r"\bq(?:uat(?:ernion)?)?[_.]?([wxyzijkr0-4])\b", re.IGNORECASE)
_ORDER_WORD = re.compile(
    r"\b[a-z_]*?(wxyz|xyzw)\b|\b(w[\s,]+x[\s,]+y[\s,]+z|x[\s,]+y[\s,]+z[\s,]+w)\b"
    r"|\b(?:scalar|real|w)(?:[ -](?:part|component))?(?: is| comes)?[ -](first|last)\b",
    re.IGNORECASE,
)
_REMARK = re.compile(r"(\s*[-+.\d][^,;]*?)\s(?:#|%|//)")  # behind numbers that are separated by blanks
_ORDER_OF_TUM = frozenset({"xyzw", "last"})
_MOST_SHOWN = 80  # characters of a comment in a message

WAY_ON = (
    "name them in a line above the rows or in the rig file, as in "
    'trajectory.columns = ["t_s", "tx", "ty", "tz", "qx", "qy", "qz", "qw"] ("-" for one that is not wanted)'
)


@dataclass(frozen=True)
class Statement:
    """A line that names the columns.

    Attributes:
        where: The file and the line.
        names: The names, one for each column.
    """

    where: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class TextTable:
    """The rows of a file.

    Attributes:
        path: The file.
        statements: What names the columns, all of it; empty if nothing does.
        assumed: The names that the layout of the file implies where nothing names them.
        rows: (line number, cells) of each row.
    """

    path: Path
    statements: tuple[Statement, ...]
    assumed: tuple[str, ...] | None
    rows: Sequence[tuple[int, list[str]]]


def read_text_table(path: Path, *, named_elsewhere: bool = False) -> TextTable:
    """Read the rows of a trajectory file.

    Lines end at CR, LF or both, and at nothing else. Cells are separated by semicolons, commas, tabs or blanks; a comma
    in numbers that are separated by semicolons is a decimal point.

    Args:
        path: The file.
        named_elsewhere: Whether the rig file names the columns, so that the file need not.

    Raises:
        InputError: The file is no text or has no rows, or what its columns are is not said or not understood.
    """
    comments, kept = _lines(path)
    if not kept:
        raise InputError(path, found="a file without rows", expected="a trajectory")
    statements: list[Statement] = []
    first = split_cells(kept[0][1])
    if not _is_number(first[0]):
        number = kept.pop(0)[0]
        statements.append(Statement(f"{path}: line {number}, header", tuple(first)))
        if not kept:
            raise InputError(path, found="a header without rows", expected="a trajectory")
    rows = _rows(kept)
    count = len(rows[0][1])
    unclear: tuple[int, str] | None = None
    for number, comment in comments:
        names = _names_in_comment(comment, count)
        if names is not None:
            statements.append(Statement(f"{path}: line {number}, header", names))
        elif unclear is None and (_speaks_of_quaternions(comment) or _names_other_columns(comment, count)):
            unclear = (number, comment)
    assumed = None
    if not statements and not named_elsewhere:
        if unclear is not None:
            raise _not_understood(path, *unclear, count)
        assumed = _assumed_names(path, *kept[0], count)
    return TextTable(path, tuple(statements), assumed, rows)


def _lines(path: Path) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Comments and other lines, with their numbers."""
    try:
        # Reading as text makes LF of CR and of CR LF; other characters that count as line ends elsewhere stay.
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8 text"
        raise InputError(path, found=str(reason), expected="a trajectory as text") from error
    comments: list[tuple[int, str]] = []
    kept: list[tuple[int, str]] = []
    # No value of a trajectory holds a quote or a line break, so that quotes need no more than being taken off.
    for number, line in enumerate(text.replace('"', "").split("\n"), start=1):
        if _COMMENT.match(line):
            comments.append((number, line.strip()))
        elif line.strip():
            has_mark = "#" in line or "%" in line or "//" in line
            remark = _REMARK.match(line) if has_mark else None
            kept.append((number, remark[1] if remark else line))
    return comments, kept


def _separator(line: str) -> str | None:
    """What separates the cells of a line; None for blanks."""
    for separator in (";", ","):
        if separator in line:
            return separator
    cells = line.strip().split("\t")
    return "\t" if len(cells) >= _LEAST_CELLS and all(cells) else None


def split_cells(line: str) -> list[str]:
    """The cells of one line; a unit in brackets stays with the name before it."""
    separator = _separator(line)
    if separator is None:
        return _BRACKET.sub(lambda found: "".join(found[0].split()), line).split()
    return [cell.strip() for cell in line.split(separator)]


def _rows(kept: Sequence[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    separator = _separator(kept[0][1])
    decimal_comma = (
        separator == ";" and any("," in line for _, line in kept) and not any("." in line for _, line in kept)
    )
    if decimal_comma:
        kept = [(number, line.replace(",", ".")) for number, line in kept]
    return [(number, line.split(separator)) for number, line in kept]


def _names_in_comment(comment: str, count: int) -> tuple[str, ...] | None:
    """The names of `count` columns if that is what a comment is."""
    # The marks themselves stay where they may be part of a name, as in ROS's "%time".
    body = comment.strip("#/ \t")
    for text in (body, _PREFIX.sub("", body, count=1)):
        names = tuple(name for name in split_cells(text) if name)
        if len(names) == count and names_a_rotation(names):
            return names
        # Words may stand before or behind the names; the names then must be all known, in one run.
        known = [parse_name(name) is not None for name in names]
        starts = [at for at in range(len(names) - count + 1) if all(known[at : at + count])]
        if len(starts) == 1 and names_a_rotation(names[starts[0] : starts[0] + count]):
            return names[starts[0] : starts[0] + count]
    return None


def _speaks_of_quaternions(comment: str) -> bool:
    """Whether a comment says in which order a quaternion stands, other than as TUM files have it."""
    if len({axis.lower() for axis in _AXIS_WORD.findall(comment)}) > 1:
        return True
    if names_a_rotation(split_cells(comment.strip("#/ \t"))):
        return True
    orders = {re.sub(r"[\s,]+", "", next(filter(None, groups))).lower() for groups in _ORDER_WORD.findall(comment)}
    return not orders <= _ORDER_OF_TUM


def _names_other_columns(comment: str, count: int) -> bool:
    """Whether a comment has one word for each column and calls the position by name, and so the rotation as well."""
    names = split_cells(comment.strip("#/ \t"))
    quantities = {found.quantity for found in map(parse_name, names) if found is not None}
    return len(names) == count and quantities >= {"px", "py", "pz"}


def _not_understood(path: Path, number: int, comment: str, count: int) -> InputError:
    shown = comment if len(comment) <= _MOST_SHOWN else f"{comment[:_MOST_SHOWN]}..."
    return InputError(
        f"{path}: line {number}",
        found=f"a comment about the order of the quaternion that is not understood ({shown})",
        expected=f"one name for each of the {count} columns, such as # timestamp tx ty tz qx qy qz qw",
        hint=WAY_ON,
    )


def _assumed_names(path: Path, number: int, line: str, count: int) -> tuple[str, ...]:
    """The names that the layout of a file without names implies."""
    matrices = {len(MATRIX_COLUMNS): MATRIX_COLUMNS, len(MATRIX44_COLUMNS): MATRIX44_COLUMNS}
    if count in matrices:
        return matrices[count]
    suffix = path.suffix.lower()
    if suffix == ".tum" or (suffix == ".txt" and _separator(line) in (None, "\t")):
        if count != len(TUM_COLUMNS):
            raise InputError(
                f"{path}: line {number}",
                found=f"{count} numbers without names",
                expected=f"{len(TUM_COLUMNS)} ({' '.join(TUM_COLUMNS)}), or 12 or 16 of a matrix",
                hint=WAY_ON,
            )
        return TUM_COLUMNS
    raise InputError(
        f"{path}: header",
        found=f"{count} columns without names",
        expected="a header line that names the columns of a CSV",
        hint=WAY_ON,
    )


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True
