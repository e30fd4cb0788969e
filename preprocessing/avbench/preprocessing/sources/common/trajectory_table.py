"""From the text of a trajectory file to numbers: columns by name, times in nanoseconds on the recording's clock."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.pose_convention import TimeUnit, TrajectoryConvention
from avbench.preprocessing.sources.common.trajectory_columns import (
    FRAMES_OF_EUROC,
    MATRIX44_COLUMNS,
    Columns,
    find_columns,
)
from avbench.preprocessing.sources.common.trajectory_text import TextTable, read_text_table

MIN_POSES = 3
"""Fewer poses than this are not a trajectory."""

_MAX_TIME_NS = 2**62  # leaves room for adding an offset in 64 bits
_MAX_VALUE = 1e15  # no length in any unit; squares of larger numbers overflow
_SURELY_NS = 10**17  # as microseconds or more this is at least 3000 years; as nanoseconds since 1970 it is 1973
_YEAR_2000_NS, _YEAR_2100_NS = 946_684_800 * 10**9, 4_102_444_800 * 10**9


@dataclass(frozen=True, eq=False)
class PoseTable:
    """The wanted values of a file, all finite, with increasing times.

    Attributes:
        path: The file.
        where_header: The place that names the columns, for errors.
        columns: Which column is what.
        named: Whether the file or the rig file names the columns; else their layout follows from the file's kind.
        lines: (N,) line numbers, for errors.
        time_ns: (N,) times on the recording's clock.
        values: (N, number of columns); columns that are not wanted are zero.
        segment: (N,) number of the piece of trajectory, None where the file has one piece.
        notes: What a user should know about how the file was read, one line each.
    """

    path: Path
    where_header: str
    columns: Columns
    named: bool
    lines: Sequence[int]
    time_ns: NDArray[np.int64]
    values: FloatArray
    segment: NDArray[np.int64] | None
    notes: tuple[str, ...]

    def take(self, columns: tuple[int, ...]) -> FloatArray:
        """(N, number of the given columns) their values."""
        return np.asarray(self.values[:, list(columns)], dtype=np.float64)

    def where(self, row: int) -> str:
        """A row as errors name it."""
        return f"{self.path}: line {self.lines[row]}"


def read_pose_table(path: Path, convention: TrajectoryConvention, frame_time_ns: NDArray[np.int64] | None) -> PoseTable:
    """Read the numbers of a trajectory file; see `trajectory_file.read_trajectory_file`."""
    text = read_text_table(path, named_elsewhere=convention.columns is not None)
    where_header, columns = _columns(text, convention)
    for line, cells in text.rows:
        if len(cells) != columns.count:
            raise InputError(
                f"{path}: line {line}", found=f"{len(cells)} values", expected=f"{columns.count}, as the header has"
            )
    if text.assumed == MATRIX44_COLUMNS:
        _check_last_rows(text)
    if len(text.rows) < MIN_POSES:
        raise InputError(path, found=f"{len(text.rows)} poses", expected=f"at least {MIN_POSES}")
    lines = array("q", (line for line, _ in text.rows))
    notes = [
        f"{path}: times are those of {columns.names[columns.time]}, {name} is left aside (see trajectory.time_column)"
        for name in columns.unused_times
        if columns.time is not None and convention.time_column is None
    ]
    time_ns = _times(text, columns, convention, frame_time_ns, notes)
    _check_times(path, lines, time_ns)
    segment = None
    if columns.segment is not None:
        # A name for the piece is text; everything else that is wanted is a number.
        numbers: dict[str, int] = {}
        pieces = [numbers.setdefault(cells[columns.segment].strip(), len(numbers)) for _, cells in text.rows]
        segment = np.array(pieces, dtype=np.int64)
    named = bool(text.statements) or convention.columns is not None
    values = _values(text, columns)
    return PoseTable(path, where_header, columns, named, lines, time_ns, values, segment, tuple(notes))


def _columns(text: TextTable, convention: TrajectoryConvention) -> tuple[str, Columns]:
    """Which column is what, and the place that says so; all places that say it must agree."""
    found: list[tuple[str, Columns]] = []
    if convention.columns is not None:
        where = f"{text.path}: trajectory.columns of the rig file"
        found.append((where, find_columns(where, convention.columns, convention.time_column)))
    for statement in text.statements:
        try:
            columns = find_columns(statement.where, statement.names, convention.time_column)
        except InputError:
            if convention.columns is not None:  # which is how names that are not understood are replaced
                continue
            raise
        found.append((statement.where, columns))
    if text.assumed is not None:
        where = f"{text.path}: header"
        found.append((where, find_columns(where, text.assumed, convention.time_column)))
    first_where, first = found[0]
    for where, other in found[1:]:
        if other.places != first.places:
            raise InputError(
                where,
                found=f"columns {' '.join(other.names)}",
                expected=f"{' '.join(first.names)}, as {first_where.removeprefix(f'{text.path}: ')} says",
                hint="take the wrong one out",
            )
    return found[0]


_LAST_ROW = (0.0, 0.0, 0.0, 1.0)
_BY_COLUMNS = '["r11", "r21", "r31", "-", "r12", "r22", "r32", "-", "r13", "r23", "r33", "-", "tx", "ty", "tz", "-"]'


def _is_last_row(numbers: Sequence[float]) -> bool:
    return all(abs(number - right) <= 1e-6 for number, right in zip(numbers, _LAST_ROW, strict=True))


def _check_last_rows(text: TextTable) -> None:
    """Whether the last four of sixteen numbers are 0 0 0 1; written column by column they are the position."""
    for line, cells in text.rows:
        try:
            last, right = ([float(cell) for cell in part] for part in (cells[-4:], cells[3::4]))
        except ValueError:
            continue  # reported where the numbers are read
        if _is_last_row(last):
            continue
        raise InputError(
            f"{text.path}: line {line}",
            found=f"16 numbers that end with {' '.join(cell.strip() for cell in cells[-4:])}",
            expected="the rows of a 4 x 4 matrix one behind the other, the last of them 0 0 0 1",
            hint=f"they stand column by column: set trajectory.columns = {_BY_COLUMNS} in the rig file"
            if _is_last_row(right)
            else "name the columns in trajectory.columns",
        )


def _values(text: TextTable, columns: Columns) -> FloatArray:
    groups = (
        columns.quaternion,
        columns.matrix,
        columns.position,
        columns.up,
        () if columns.quality is None else (columns.quality,),
    )
    wanted = sorted({index for group in groups for index in group or ()})
    numbers = array("d")
    pick = itemgetter(*wanted)  # at least the four of a quaternion, so that it gives a tuple
    for line, cells in text.rows:
        try:
            numbers.extend(map(float, pick(cells)))
        except ValueError:
            raise _not_a_number(f"{text.path}: line {line}", columns, cells, wanted) from None
    values = np.zeros((len(text.rows), columns.count))
    values[:, wanted] = np.frombuffer(numbers, dtype=np.float64).reshape(len(text.rows), len(wanted))
    bad = np.argwhere(~(np.abs(values) < _MAX_VALUE))
    if len(bad):
        row, column = (int(index) for index in bad[0])
        raise InputError(
            f"{text.path}: line {text.rows[row][0]}, {columns.names[column]}",
            found=str(values[row, column]),
            expected="a finite number of a pose",
            hint="leave lines without a pose out: a gap in the trajectory is allowed",
        )
    return values


# --- times --------------------------------------------------------------------------------------------------------


def _times(
    text: TextTable,
    columns: Columns,
    convention: TrajectoryConvention,
    frame_time_ns: NDArray[np.int64] | None,
    notes: list[str],
) -> NDArray[np.int64]:
    """(N,) times on the recording's clock."""
    at_first_frame = convention.first_pose_at_first_frame
    if columns.time is None:
        if at_first_frame:
            raise InputError(
                f"{text.path}: header",
                found='frame numbers, and time.first_pose = "first_frame" in the rig file',
                expected="times of a clock of their own",
                hint="take time.first_pose out, or name the column of the times in trajectory.time_column",
            )
        return _times_of_frames(text, columns, convention, frame_time_ns, notes) + convention.offset_ns
    times = _stamps_ns(text, columns, columns.time, convention, notes)
    if at_first_frame and frame_time_ns is not None and len(frame_time_ns):
        return times + (int(frame_time_ns[0]) - int(times[0]))
    return times + convention.offset_ns


def _stamps_ns(
    text: TextTable, columns: Columns, column: int, convention: TrajectoryConvention, notes: list[str]
) -> NDArray[np.int64]:
    """(N,) stamps of a column as the file gives them."""
    unit = _time_unit(text, columns, column, convention, notes)
    stated = columns.time_unit is not None or convention.time_unit is not None
    times = _column_ns(text, column, unit, stated=stated)
    if columns.nanoseconds is not None:
        times += _column_ns(text, columns.nanoseconds, TimeUnit.NS, stated=True)
    return times


def _column_ns(text: TextTable, column: int, unit: TimeUnit, *, stated: bool) -> NDArray[np.int64]:
    """(N,) times of one column."""
    # Not through a float: seconds since 1970 do not fit one to the nanosecond.
    factor = unit.nanoseconds
    try:
        exact = [Decimal(cells[column].strip()) * factor for _, cells in text.rows]
        if min(exact) > -_MAX_TIME_NS and max(exact) < _MAX_TIME_NS:
            return np.array([round(time_ns) for time_ns in exact], dtype=np.int64)
    except InvalidOperation:  # no number, or NaN
        pass
    times = (_parse_time_ns(f"{text.path}: line {n}", cells[column], unit, stated=stated) for n, cells in text.rows)
    return np.array(list(times), dtype=np.int64)


def _time_unit(
    text: TextTable, columns: Columns, column: int, convention: TrajectoryConvention, notes: list[str]
) -> TimeUnit:
    """The unit of the stamps: stated, or that of a format that has only one, or the only one that makes sense."""
    named, stated = columns.time_unit, convention.time_unit
    if named is not None and stated is not None and named is not stated:
        raise InputError(
            f"{text.path}: header",
            found=f"a time column in {named}",
            expected=f'{stated}, since the rig file says time_unit = "{stated}"',
            hint="correct trajectory.time_unit in the rig file or the name of the column",
        )
    if named is not None or stated is not None:
        return named or stated or TimeUnit.S
    first = text.rows[0][1][column].strip()
    whole = first.isascii() and first.isdigit()
    if whole and columns.frames == FRAMES_OF_EUROC:
        return TimeUnit.NS
    if whole and int(first) >= _SURELY_NS:
        notes.append(f"{text.path}: times without a unit are read as nanoseconds, since they are {len(first)} digits")
        return TimeUnit.NS
    return TimeUnit.S


def _parse_time_ns(where: str, text: str, unit: TimeUnit, *, stated: bool) -> int:
    # Not through a float: seconds since 1970 do not fit one to the nanosecond.
    number = Decimal("nan")
    try:
        number = Decimal(text.strip())
        exact = number * unit.nanoseconds
        if abs(exact) < _MAX_TIME_NS:
            return round(exact)
    except InvalidOperation:  # no number, or NaN
        pass
    fitting = [
        str(other)
        for other in TimeUnit
        if number.is_finite() and _YEAR_2000_NS < number * other.nanoseconds < _YEAR_2100_NS
    ]
    hint = f'is it trajectory.time_unit = "{fitting[0]}"?' if fitting and not stated else ""
    raise InputError(f"{where}, time", found=repr(text.strip()), expected=f"a time in {unit}", hint=hint)


def _times_of_frames(
    text: TextTable,
    columns: Columns,
    convention: TrajectoryConvention,
    frame_time_ns: NDArray[np.int64] | None,
    notes: list[str],
) -> NDArray[np.int64]:
    """(N,) presentation times of the frames that the rows are of."""
    if frame_time_ns is None:
        where = f"{text.path}: line {text.rows[0][0]}"
        raise InputError(where, found="a frame number", expected="a time", hint="add a column t_s")
    frames = len(frame_time_ns)
    column = columns.frame
    if column is None:
        if len(text.rows) != frames:
            raise InputError(
                text.path,
                found=f"{len(text.rows)} rows without a time",
                expected=f"one for each of the {frames} frames of the video",
                hint="write a CSV with a column frame or t_s, or name the columns in trajectory.columns",
            )
        return np.asarray(frame_time_ns, dtype=np.int64)
    numbers = np.array([_whole(cells[column]) for _, cells in text.rows], dtype=np.int64)
    first = _first_number(text.path, numbers, frames, convention, notes)
    bad = np.flatnonzero((numbers < first) | (numbers >= first + frames))
    if bad.size:
        line, cells = text.rows[int(bad[0])]
        raise InputError(
            f"{text.path}: line {line}, frame",
            found=repr(cells[column].strip()),
            expected=f"the index of a frame, {first} to {first + frames - 1}",
            hint="trajectory.frames_from in the rig file says which number the first frame of the video has",
        )
    return np.asarray(frame_time_ns[numbers - first], dtype=np.int64)


def _first_number(
    path: Path, numbers: NDArray[np.int64], frames: int, convention: TrajectoryConvention, notes: list[str]
) -> int:
    """The number that the video's first frame has in the file."""
    if convention.frames_from is not None:
        return convention.frames_from
    lowest, highest = int(numbers.min()), int(numbers.max())
    if lowest >= 1 and highest == frames:
        # Counted from 0 there is no such frame.
        notes.append(
            f"{path}: frames are numbered {lowest} to {highest} and the video has {frames}, so they are read as "
            "counted from 1; trajectory.frames_from in the rig file states it"
        )
        return 1
    if lowest == 1:
        notes.append(
            f"{path}: the first frame number is 1 and frames are counted from 0; if yours are counted from 1, as "
            "extracted pictures often are, set trajectory.frames_from = 1 in the rig file (0 confirms it)"
        )
    return 0


def _whole(text: str) -> int:
    """A frame number; -1, which no frame has, where it is none."""
    try:
        exact = Decimal(text.strip())
        return int(exact) if exact == exact.to_integral_value() and abs(exact) < _MAX_TIME_NS else -1
    except (InvalidOperation, ValueError, OverflowError):
        return -1


def _check_times(path: Path, lines: Sequence[int], time_ns: NDArray[np.int64]) -> None:
    bad = np.flatnonzero(np.diff(time_ns) <= 0)
    if bad.size:
        row = int(bad[0]) + 1
        same = time_ns[row] == time_ns[row - 1]
        raise InputError(
            f"{path}: line {lines[row]}",
            found=f"time {time_ns[row] / 1e9:.9f} s {'again' if same else f'after {time_ns[row - 1] / 1e9:.9f} s'}",
            expected="times that increase from line to line",
            hint="take doubled poses out" if same else "sort the file by time; one file holds one trajectory",
        )


def _not_a_number(where: str, columns: Columns, cells: Sequence[str], wanted: Sequence[int]) -> InputError:
    index = next(index for index in wanted if not _is_number(cells[index]))
    return InputError(f"{where}, {columns.names[index]}", found=repr(cells[index].strip()), expected="a number")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
