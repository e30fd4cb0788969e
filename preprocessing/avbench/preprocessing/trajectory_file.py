"""Trajectory files of the folder layout: TUM (`.tum`) and CSV with named columns (`.csv`).

Whatever convention a file is in (`pose_convention`), what is read comes out as camera-to-world in OpenCV camera axes
at integer nanoseconds. The rig file and the names of the columns (`qw_world_camera`, `t_ns`) state the convention; a
contradiction between the two is refused.

TUM: eight values a line, separated by blanks: `timestamp tx ty tz qx qy qz qw`. `#` starts a comment in both.

CSV columns, in any order; columns with other names are ignored:

========================== ==============================================================================
time                       `timestamp`, `time`, `stamp` or `t`, with or without `_s _ms _us _ns` or ` [ns]`;
                           `tracking_timestamp_us`; without any of them `frame`: the index of the video frame
rotation                   `qw qx qy qz`: Hamilton quaternion
position (may be missing)  `tx ty tz`, `px py pz` or `x y z`
frames (suffix of both)    `_world_camera`, `_camera_world`, `_world_device`, ...: `_dst_src` maps src to dst
up (may be missing)        `up_x_camera up_y_camera up_z_camera`: against gravity, in the file's camera axes
piece (may be missing)     `segment`, `graph_uid` or `session_uid`: poses of different pieces are not comparable
quality (may be missing)   `quality` or `quality_score`, from 0 to 1
========================== ==============================================================================

The column names of EuRoC (`#timestamp [ns]`, `p_RS_R_x [m]`, `q_RS_w []`) and of Aria's MPS are understood too.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.errors import InputError
from avbench.preprocessing.geometry import FloatArray, make_transform, rotation_from_quaternion_xyzw
from avbench.preprocessing.pose_convention import (
    PoseTransform,
    TimeUnit,
    TrajectoryConvention,
    camera_to_world,
    camera_vectors,
    world_vector,
)
from avbench.preprocessing.recording import Scale, Trajectory
from avbench.preprocessing.trajectory_columns import TUM_COLUMNS, Columns, find_columns

QUATERNION_NORM_TOLERANCE = 2e-3
"""How far from 1 a quaternion's length may be: rounding to three decimals moves it by up to 1e-3."""

MIN_POSES = 3
"""Fewer poses than this are not a trajectory."""

_MAX_TIME_NS = 2**62  # leaves room for adding an offset in 64 bits


@dataclass(frozen=True, eq=False)
class TrajectoryFile:
    """What a trajectory file holds.

    Attributes:
        trajectory: The poses.
        up_camera: ((N,) times, (N, 3) unit vectors against gravity in OpenCV camera axes), None without such columns.
    """

    trajectory: Trajectory
    up_camera: tuple[NDArray[np.int64], FloatArray] | None


def read_trajectory(
    path: Path, convention: TrajectoryConvention, frame_time_ns: NDArray[np.int64] | None = None
) -> Trajectory:
    """Read the poses of a trajectory file; see `read_trajectory_file`."""
    return read_trajectory_file(path, convention, frame_time_ns).trajectory


def read_trajectory_file(
    path: Path, convention: TrajectoryConvention, frame_time_ns: NDArray[np.int64] | None = None
) -> TrajectoryFile:
    """Read a `.tum` or `.csv` file.

    Args:
        path: The file.
        convention: How to understand it.
        frame_time_ns: (F,) times of the video's frames, for files that count frames instead of giving times.

    Returns:
        Camera-to-world poses in OpenCV camera axes, and the up vectors if the file has any.

    Raises:
        InputError: A column is missing or contradicts the convention; a value is no number, not finite or out of
            range; a quaternion is not of unit length; the times do not increase; there are fewer than 3 poses.
    """
    table = _read_table(path, convention, frame_time_ns)
    columns = table.columns
    transform = _stated_transform(path, columns, convention)
    scale = _stated_scale(path, columns, convention)
    _check_quaternions(table)
    rotation = rotation_from_quaternion_xyzw(table.take(columns.quaternion))
    position = np.zeros((len(rotation), 3))
    if columns.position is not None and scale is not Scale.ROTATION_ONLY:
        position = table.take(columns.position) * convention.metres_per_unit
    T_world_camera = camera_to_world(make_transform(rotation, position), transform, convention)
    if scale is Scale.ROTATION_ONLY:
        # The lever arm of a body would otherwise leave an arc that looks like motion.
        T_world_camera[:, :3, 3] = 0.0
    up_world = convention.up_world
    if up_world is not None:
        up_world = world_vector(up_world / np.linalg.norm(up_world), convention.axes)
    trajectory = Trajectory(
        time_ns=table.time_ns,
        T_world_camera=T_world_camera,
        scale=scale,
        pose_source=convention.pose_source,
        pose_sigma_deg=convention.pose_sigma_deg,
        position_sigma_m=convention.position_sigma_m,
        up_world=up_world,
        segment=table.segment,
        quality=_quality(table),
    )
    return TrajectoryFile(trajectory, _up_camera(table, convention))


def _stated_transform(path: Path, columns: Columns, convention: TrajectoryConvention) -> PoseTransform:
    """What the poses are, from the column names and the rig file, which must agree."""
    stated = convention.transform
    if stated is not None and columns.transform is not None and stated is not columns.transform:
        raise InputError(
            f"{path}: header",
            found=f"columns named ..._{columns.frames}",
            expected=f"poses of the kind {stated}, as the rig file says",
            hint="correct trajectory.transform in the rig file or the names of the columns",
        )
    transform = stated or columns.transform or PoseTransform.WORLD_CAMERA
    if transform.is_of_body and convention.T_body_camera is None:
        raise InputError(
            path,
            found=f"poses of a body ({columns.frames or transform})",
            expected="trajectory.T_body_camera in the rig file",
            hint="give the 4x4 camera-to-body matrix of the calibration",
        )
    if not transform.is_of_body and convention.T_body_camera is not None:
        raise InputError(
            path,
            found=f"a T_body_camera and poses of the camera itself ({columns.frames or transform})",
            expected="poses of a body",
            hint='set trajectory.transform = "world_body" or "body_world", or take T_body_camera out',
        )
    return transform


def _stated_scale(path: Path, columns: Columns, convention: TrajectoryConvention) -> Scale:
    """What the translation means; not guessed where there is one."""
    if columns.position is None:
        if convention.scale not in (None, Scale.ROTATION_ONLY):
            raise InputError(
                f"{path}: header",
                found="no position columns",
                expected=f'tx ty tz, since the rig file says trajectory.scale = "{convention.scale}"',
                hint='set trajectory.scale = "rotation_only" for a file of orientations alone',
            )
        return Scale.ROTATION_ONLY
    if convention.scale is None:
        raise InputError(
            path,
            found="positions of unstated scale",
            expected='trajectory.scale = "metric" or "unknown" in the rig file',
            hint='"metric" if the unit is known (metres_per_unit), "unknown" for structure from motion',
        )
    return convention.scale


def _check_quaternions(table: _Table) -> None:
    length = np.linalg.norm(table.take(table.columns.quaternion), axis=-1)
    bad = np.flatnonzero(np.abs(length - 1.0) > QUATERNION_NORM_TOLERANCE)
    if bad.size:
        raise InputError(
            table.where(int(bad[0])),
            found=f"a quaternion of length {length[bad[0]]:.6g}",
            expected=f"length 1 within {QUATERNION_NORM_TOLERANCE:g}",
            hint="check the order of the columns, or write more decimals",
        )


def _quality(table: _Table) -> FloatArray | None:
    if table.columns.quality is None:
        return None
    quality = table.take((table.columns.quality,))[:, 0]
    bad = np.flatnonzero((quality < 0.0) | (quality > 1.0))
    if bad.size:
        raise InputError(table.where(int(bad[0])), found=f"quality {quality[bad[0]]:g}", expected="0 to 1")
    return quality


def _up_camera(table: _Table, convention: TrajectoryConvention) -> tuple[NDArray[np.int64], FloatArray] | None:
    if table.columns.up is None:
        return None
    up = table.take(table.columns.up)
    length = np.linalg.norm(up, axis=-1, keepdims=True)
    bad = np.flatnonzero(length[:, 0] < 1e-6)
    if bad.size:
        raise InputError(table.where(int(bad[0])), found="an up vector of length 0", expected="a direction")
    return table.time_ns, camera_vectors(up / length, convention.axes)


# --- the table ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Table:
    """The wanted values of a file, all finite, with increasing times."""

    path: Path
    columns: Columns
    lines: Sequence[int]  # (N,) line numbers, for errors
    time_ns: NDArray[np.int64]  # (N,) offset added
    values: FloatArray  # (N, number of columns); columns that are not wanted are zero
    segment: NDArray[np.int64] | None  # (N,)

    def take(self, columns: tuple[int, ...]) -> FloatArray:
        return np.asarray(self.values[:, list(columns)], dtype=np.float64)

    def where(self, row: int) -> str:
        return f"{self.path}: line {self.lines[row]}"


def _read_table(path: Path, convention: TrajectoryConvention, frame_time_ns: NDArray[np.int64] | None) -> _Table:
    header, rows = _read_rows(path)
    columns = find_columns(path, header)
    unit = _time_unit(path, columns, convention)
    # A name for the piece is text; everything else that is wanted is a number.
    groups = (columns.quaternion, columns.position, columns.up, () if columns.quality is None else (columns.quality,))
    wanted = sorted({index for group in groups for index in group or ()})
    lines, times, numbers, pieces = array("q"), array("q"), array("d"), array("q")
    piece_numbers: dict[str, int] = {}
    for line, cells in rows:
        where = f"{path}: line {line}"
        if len(cells) != columns.count:
            raise InputError(where, found=f"{len(cells)} values", expected=f"{columns.count}, as the header has")
        lines.append(line)
        if columns.time is not None:
            times.append(_parse_time_ns(where, cells[columns.time], unit) + convention.offset_ns)
        elif columns.frame is not None:
            times.append(_frame_time_ns(where, cells[columns.frame], frame_time_ns) + convention.offset_ns)
        try:
            numbers.extend([float(cells[index]) for index in wanted])
        except ValueError:
            raise _not_a_number(where, columns, cells, wanted) from None
        if columns.segment is not None:
            pieces.append(piece_numbers.setdefault(cells[columns.segment].strip(), len(piece_numbers)))
    if len(lines) < MIN_POSES:
        raise InputError(path, found=f"{len(lines)} poses", expected=f"at least {MIN_POSES}")
    values = np.zeros((len(lines), columns.count))
    values[:, wanted] = np.frombuffer(numbers, dtype=np.float64).reshape(len(lines), len(wanted))
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = (int(index) for index in bad[0])
        raise InputError(
            f"{path}: line {lines[row]}, {columns.names[column]}",
            found=str(values[row, column]),
            expected="a finite number",
            hint="leave lines without a pose out: a gap in the trajectory is allowed",
        )
    time_ns = np.array(times, dtype=np.int64)
    _check_times(path, lines, time_ns)
    segment = None if columns.segment is None else np.array(pieces, dtype=np.int64)
    return _Table(path, columns, lines, time_ns, values, segment)


def _read_rows(path: Path) -> tuple[Sequence[str], Iterator[tuple[int, list[str]]]]:
    """Column names, and (line number, cells) of each row."""
    is_tum = path.suffix.lower() == ".tum"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else "bytes that are not UTF-8 text"
        raise InputError(path, found=str(reason), expected="a trajectory as text") from error
    comments: list[str] = []
    kept: list[tuple[int, str]] = []
    # No value of a trajectory holds a comma or a line break, so that quotes need no more than being taken off.
    for number, line in enumerate(text.replace('"', "").splitlines(), start=1):
        if line.lstrip().startswith("#"):
            if not kept:
                comments.append(line.strip().lstrip("# "))
        elif line.strip():
            kept.append((number, line))
    if not kept:
        raise InputError(path, found="a file without rows", expected="a trajectory")
    separator = None if is_tum else ","
    first = kept[0][1].split(separator)
    if not _is_number(first[0]):
        header: Sequence[str] = first
        del kept[0]
    elif is_tum:
        commented = comments[-1].split() if comments else []
        header = commented if sorted(commented) == sorted(TUM_COLUMNS) else TUM_COLUMNS
    else:
        # The header may stand behind a #, as in EuRoC's files.
        header = comments[-1].split(separator) if comments else first
    return header, ((number, line.split(separator)) for number, line in kept)


def _time_unit(path: Path, columns: Columns, convention: TrajectoryConvention) -> TimeUnit:
    named, stated = columns.time_unit, convention.time_unit
    if named is not None and stated is not None and named is not stated:
        raise InputError(
            f"{path}: header",
            found=f"a time column in {named}",
            expected=f'{stated}, since the rig file says time_unit = "{stated}"',
            hint="correct trajectory.time_unit in the rig file or the name of the column",
        )
    return named or stated or TimeUnit.S


def _parse_time_ns(where: str, text: str, unit: TimeUnit) -> int:
    # Not through a float: seconds since 1970 do not fit one to the nanosecond.
    try:
        exact = Decimal(text.strip()) * unit.nanoseconds
        if abs(exact) < _MAX_TIME_NS:
            return round(exact)
    except InvalidOperation:  # no number, or NaN
        pass
    raise InputError(f"{where}, time", found=repr(text.strip()), expected=f"a time in {unit}")


def _frame_time_ns(where: str, text: str, frame_time_ns: NDArray[np.int64] | None) -> int:
    if frame_time_ns is None:
        raise InputError(where, found="a frame number", expected="a time", hint="add a column t_s")
    try:
        index = int(text)
    except ValueError:
        index = -1
    if not 0 <= index < len(frame_time_ns):
        raise InputError(
            f"{where}, frame", found=repr(text.strip()), expected=f"the index of a frame, 0 to {len(frame_time_ns) - 1}"
        )
    return int(frame_time_ns[index])


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
