"""Which column of a trajectory file holds what, from its names; see `trajectory_file` for the names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from avbench.preprocessing.base.errors import InputError, did_you_mean
from avbench.preprocessing.recording.pose_convention import PoseTransform, TimeUnit

TUM_COLUMNS = ("timestamp", "tx", "ty", "tz", "qx", "qy", "qz", "qw")
MATRIX_COLUMNS = ("r11", "r12", "r13", "tx", "r21", "r22", "r23", "ty", "r31", "r32", "r33", "tz")
"""A row of KITTI: the upper three rows of a 4 x 4 matrix, one behind the other."""
MATRIX44_COLUMNS = (*MATRIX_COLUMNS, "-", "-", "-", "-")
"""All rows of that matrix, the last of which is 0 0 0 1."""
FRAMES_OF_EUROC = "RS"
"""What `Columns.frames` says of EuRoC's names."""

_QUATERNION = ("qx", "qy", "qz", "qw")
_POSITION = ("px", "py", "pz")
_ROTATION = tuple(f"r{row}{column}" for row in "123" for column in "123")
_UP = ("up_x_camera", "up_y_camera", "up_z_camera")
_PLAIN = {
    **{name: name for name in (*_UP, *_ROTATION, "frame", "segment", "quality")},
    "frame_index": "frame",
    "frame_idx": "frame",
    "frame_no": "frame",
    "frame_number": "frame",
    "graph_uid": "segment",
    "session_uid": "segment",
    "quality_score": "quality",
}

_FRAMES = r"(?:_(?P<dst>[a-z]+)_(?P<src>[a-z]+))?"
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), TimeUnit.S),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "milliseconds"), TimeUnit.MS),
    **dict.fromkeys(("us", "usec", "usecs", "micros", "microseconds"), TimeUnit.US),
    **dict.fromkeys(("ns", "nsec", "nsecs", "nanos", "nanoseconds"), TimeUnit.NS),
}
_TIME = re.compile(rf"(?:tracking_)?(?:timestamp|time|stamp|t)(?:_(?P<unit>{'|'.join(_UNITS)}))?")
# ROS keeps a stamp as two whole numbers.
_SECONDS_PART = re.compile(r"(?:stamp_)?secs?")
_NANOSECONDS_PART = re.compile(r"(?:stamp_)?(?:nsecs?|nanosecs?)")
_AXES = (
    # EuRoC's R is the reference (the world) and S the sensor that carries the cameras.
    ("q", re.compile(rf"(?:q|quat|quaternion|orientation|rotation)_?(?P<axis>[wxyz]){_FRAMES}|q_rs_(?P<euroc>[wxyz])")),
    ("p", re.compile(rf"(?:[tp]|pos|position|translation)?_?(?P<axis>[xyz]){_FRAMES}|p_rs_r_(?P<euroc>[xyz])")),
)
# The places of a value in a ROS message: field.pose.pose.position.x, header.stamp.secs, transform.rotation.w.
_ROS_PLACES = re.compile(r"(?:(?:field|msg|message|data|header|pose|transforms?\d*)_)+")
_WORLDS = frozenset({"world", "odometry", "odom", "map"})
_CAMERAS = frozenset({"camera", "cam"})
_BODIES = frozenset({"device", "body", "imu", "rig", "base"})


@dataclass(frozen=True)
class ColumnName:
    """What a column's name says.

    Attributes:
        quantity: What it holds: "time", "secs", "nsecs", "frame", "segment", "quality", "qx" to "qw", "px" to "pz",
            "r11" to "r33" or an up column.
        unit: Unit of a time, None where it is not said.
        of_message: Whether it is the stamp in the header of a ROS message, which is the time of the measurement.
        frames: Between which frames a pose maps, as the name says it; "" where it does not.
        transform: The same, understood.
    """

    quantity: str
    unit: TimeUnit | None = None
    of_message: bool = False
    frames: str = ""
    transform: PoseTransform | None = None


def parse_name(name: str) -> ColumnName | None:
    """What a column of this name holds, None where nothing of a pose is named so.

    Capitals, marks of comments, units in brackets and the places of ROS messages are understood.
    """
    raw = name.strip().strip('"').lower()
    found = re.fullmatch(r"(.*?)\s*[\[(](.*)[\])]", raw)
    bare, bracket = (found[1], found[2].strip()) if found else (raw, "")
    bare = re.sub(r"[^a-z0-9]+", "_", bare).strip("_")
    places = _ROS_PLACES.match(bare)
    base = bare[places.end() :] if places else bare
    # `rostopic echo -p` writes whole nanoseconds, and these names.
    of_rostopic = raw.startswith("field.") or raw == "%time"
    of_message = bool(places) and "header_" in bare
    if _SECONDS_PART.fullmatch(base):
        return ColumnName("secs", of_message=of_message)
    if _NANOSECONDS_PART.fullmatch(base):
        return ColumnName("nsecs", of_message=of_message)
    found = _TIME.fullmatch(base)
    if found:
        unit = _UNITS.get(found["unit"] or bracket, TimeUnit.NS if of_rostopic else None)
        return ColumnName("time", unit=unit, of_message=of_message)
    for quantity, pattern in _AXES:
        found = pattern.fullmatch(base)
        if found is None:
            continue
        if found["euroc"]:
            return ColumnName(quantity + found["euroc"], frames=FRAMES_OF_EUROC, transform=PoseTransform.WORLD_BODY)
        if not found["dst"]:
            return ColumnName(quantity + found["axis"])
        transform = _transform(found["dst"], found["src"])
        if transform is not None:
            frames = f"{found['dst']}_{found['src']}"
            return ColumnName(quantity + found["axis"], frames=frames, transform=transform)
    # A ROS frame_id is a name, no number of a picture: only names without places count here.
    return ColumnName(_PLAIN[bare]) if bare in _PLAIN else None


def names_a_rotation(names: Sequence[str]) -> bool:
    """Whether all four numbers of a quaternion, or all nine of a matrix, are among the names."""
    quantities = {found.quantity for found in map(parse_name, names) if found is not None}
    return quantities >= set(_QUATERNION) or quantities >= set(_ROTATION)


@dataclass(frozen=True)
class Columns:
    """Where the wanted values stand in a row.

    Attributes:
        count: Number of columns.
        names: The columns' own names.
        time: Column of the stamps, None if the file counts frames.
        nanoseconds: Column of the nanoseconds that belong to a stamp of whole seconds, None where it is in one column.
        time_unit: Unit that the column's name states.
        frame: Column with the number of the video frame; without it and without time there is one row for every frame.
        segment: Column that names the piece of trajectory.
        quaternion: Columns x, y, z, w; None where there is a matrix.
        matrix: The nine columns of a rotation matrix, row by row; None where there is a quaternion.
        position: Columns x, y, z, None where there is no position.
        up: Columns of the up vector, None where there is none.
        quality: Column of the quality score.
        transform: What the names say that the poses are.
        frames: How the names say it.
        unused_times: Names of further columns with a time, which are not used.
    """

    count: int
    names: tuple[str, ...]
    time: int | None
    nanoseconds: int | None
    time_unit: TimeUnit | None
    frame: int | None
    segment: int | None
    quaternion: tuple[int, ...] | None
    matrix: tuple[int, ...] | None
    position: tuple[int, ...] | None
    up: tuple[int, ...] | None
    quality: int | None
    transform: PoseTransform | None
    frames: str
    unused_times: tuple[str, ...]

    @property
    def places(self) -> tuple[object, ...]:
        """What decides which numbers are taken for what: two statements that agree have this in common."""
        return (self.count, self.time, self.frame, self.quaternion, self.matrix, self.position, self.transform)


def find_columns(where: str, header: Sequence[str], time_column: str | None = None) -> Columns:
    """Find the columns of a trajectory.

    Args:
        where: The file and the place of the names in it, for errors.
        header: The names of its columns.
        time_column: The column to take the time from where several have one, None for the only one.

    Raises:
        InputError: A needed column is missing, or two stand for the same quantity or contradict each other.
    """
    names = tuple(raw.strip().strip('"').strip("# ").strip() for raw in header)
    listed = _Listing(where, names)
    for index, name in enumerate(header):
        found = parse_name(name)
        if found is not None:
            listed.add(index, found)
    if len(set(listed.frames.values())) > 1:
        raise InputError(where, found=f"columns of {' and '.join(listed.frames)}", expected="one kind of pose")
    matrix = listed.group(_ROTATION, " ".join(_ROTATION))
    quaternion = listed.group(_QUATERNION, "qw qx qy qz")
    if quaternion is None and matrix is None:
        raise listed.missing("qw qx qy qz", _WAY_ON)
    if quaternion is not None and matrix is not None:
        raise InputError(where, found="a quaternion and a rotation matrix", expected="one of them")
    clock = _clock(listed, time_column)
    if clock.time is None and clock.frame is None and quaternion is not None:
        raise listed.missing("a time column (timestamp, time_s, t_ns, ...) or frame", "")
    return Columns(
        count=len(names),
        names=names,
        time=clock.time,
        nanoseconds=clock.nanoseconds,
        time_unit=clock.unit,
        frame=clock.frame,
        segment=listed.plain.get("segment"),
        quaternion=quaternion,
        matrix=matrix,
        position=listed.group(_POSITION, "tx ty tz"),
        up=listed.group(_UP, " ".join(_UP)),
        quality=listed.plain.get("quality"),
        transform=next(iter(listed.frames.values()), None),
        frames=next(iter(listed.frames), ""),
        unused_times=clock.unused,
    )


_WAY_ON = (
    "a line of names above the rows says which column is which; or list them in the rig file, as in "
    'trajectory.columns = ["t_s", "tx", "ty", "tz", "qx", "qy", "qz", "qw"]'
)


@dataclass(frozen=True)
class _Clock:
    """Where the time of a row stands."""

    time: int | None = None
    nanoseconds: int | None = None
    unit: TimeUnit | None = None
    frame: int | None = None
    unused: tuple[str, ...] = ()


def _clock(listed: _Listing, time_column: str | None) -> _Clock:
    """The column to take the time from: the one asked for, else a message's own stamp, else the only one."""
    names = listed.names
    stamps = [
        (index, _Clock(time=index, unit=found.unit), found.of_message)
        for index, found in listed.times
        if found.quantity == "time"
    ]
    parts = {found.quantity: (index, found) for index, found in listed.times if found.quantity != "time"}
    if parts:
        seconds, nanoseconds = (parts[part][0] if part in parts else None for part in ("secs", "nsecs"))
        if seconds is None or (nanoseconds is None and parts["secs"][1].of_message):
            index = next(iter(parts.values()))[0]
            raise InputError(
                listed.where, found=f"{names[index]} alone", expected="secs and nsecs, the two parts of a stamp"
            )
        # Two parts are how ROS keeps the stamp of a message, so they go before a time of arrival.
        clock = _Clock(time=seconds, nanoseconds=nanoseconds, unit=TimeUnit.S)
        stamps.append((seconds, clock, nanoseconds is not None))
    frame = listed.plain.get("frame")
    if time_column is not None:
        chosen = _asked_for(listed, time_column)
        if chosen == frame:
            return _Clock(frame=frame, unused=tuple(names[index] for index, _, _ in stamps))
        for index, clock, _ in stamps:
            if chosen in (index, clock.nanoseconds):
                return clock
        raise InputError(
            f"{listed.where}: {names[chosen]}",
            found="a column without times",
            expected="a time or frame column, as trajectory.time_column says",
        )
    if len(stamps) > 1:
        of_message = [entry for entry in stamps if entry[2]]
        if len(of_message) != 1:
            raise listed.doubled(stamps[0][0], stamps[1][0], "name the right one in trajectory.time_column")
        others = tuple(names[index] for index, _, _ in stamps if index != of_message[0][0])
        clock = of_message[0][1]
        return _Clock(clock.time, clock.nanoseconds, clock.unit, None, others)
    if stamps:
        return stamps[0][1]
    return _Clock(frame=frame)


def _asked_for(listed: _Listing, time_column: str) -> int:
    wanted = time_column.strip().lower()
    for index, name in enumerate(listed.names):
        if wanted in (name.lower(), re.sub(r"\s*[\[(].*", "", name.lower())):
            return index
    raise InputError(
        listed.where,
        found=f"columns {', '.join(listed.names)}",
        expected=f"{time_column}, as trajectory.time_column says",
        hint=did_you_mean(time_column, listed.names),
    )


class _Listing:
    """Columns found so far."""

    def __init__(self, where: str, names: tuple[str, ...]) -> None:
        self.where = where
        self.names = names
        self.times: list[tuple[int, ColumnName]] = []
        self.plain: dict[str, int] = {}
        self.frames: dict[str, PoseTransform] = {}

    def add(self, index: int, found: ColumnName) -> None:
        """Take note of one column."""
        if found.quantity in ("secs", "nsecs"):
            earlier = next((at for at, other in self.times if other.quantity == found.quantity), None)
            if earlier is not None:
                raise self.doubled(earlier, index)
        if found.quantity in ("time", "secs", "nsecs"):
            self.times.append((index, found))
            return
        if found.transform is not None:
            self.frames[found.frames] = found.transform
        if found.quantity in self.plain:
            raise self.doubled(self.plain[found.quantity], index)
        self.plain[found.quantity] = index

    def group(self, names: tuple[str, ...], label: str) -> tuple[int, ...] | None:
        """The columns of a vector, None if there are none of them."""
        present = [name for name in names if name in self.plain]
        if not present:
            return None
        if len(present) < len(names):
            raise self.missing(label, "")
        return tuple(self.plain[name] for name in names)

    def missing(self, expected: str, hint: str) -> InputError:
        """A column that should be there is not."""
        if {"image_id", "camera_id"} <= {name.lower() for name in self.names}:
            hint = "this is an images.txt of COLMAP, which is not read: write its poses with the times of the frames"
        listed = ", ".join(self.names)
        shown = listed if len(listed) <= _MOST_SHOWN else f"{listed[:_MOST_SHOWN]}..."
        return InputError(self.where, found=f"columns {shown}", expected=expected, hint=hint)

    def doubled(self, first: int, second: int, hint: str = "") -> InputError:
        """Two columns for one quantity."""
        return InputError(
            self.where,
            found=f"columns {self.names[first]} and {self.names[second]} for one quantity",
            expected="one of them",
            hint=hint,
        )


_MOST_SHOWN = 200  # characters of a header in a message


def _transform(dst: str, src: str) -> PoseTransform | None:
    kinds = {**dict.fromkeys(_WORLDS, "world"), **dict.fromkeys(_CAMERAS, "camera"), **dict.fromkeys(_BODIES, "body")}
    name = f"{kinds.get(dst)}_{kinds.get(src)}"
    return PoseTransform(name) if name in {*PoseTransform} else None
