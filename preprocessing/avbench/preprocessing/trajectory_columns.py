"""Which column of a trajectory file holds what, from its header; see `trajectory_file` for the names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avbench.preprocessing.errors import InputError
from avbench.preprocessing.pose_convention import PoseTransform, TimeUnit

TUM_COLUMNS = ("timestamp", "tx", "ty", "tz", "qx", "qy", "qz", "qw")

_FRAMES = r"(?:_(?P<dst>[a-z]+)_(?P<src>[a-z]+))?"
_TIME = re.compile(r"(?:tracking_)?(?:timestamp|time|stamp|t)(?:_(?P<unit>s|ms|us|ns))?")
_AXES = (
    # EuRoC's R is the reference (the world) and S the sensor that carries the cameras.
    ("q", re.compile(rf"q_?(?P<axis>[wxyz]){_FRAMES}|q_rs_(?P<euroc>[wxyz])")),
    ("p", re.compile(rf"[tp]?(?P<axis>[xyz]){_FRAMES}|p_rs_r_(?P<euroc>[xyz])")),
)
_UP = ("up_x_camera", "up_y_camera", "up_z_camera")
_SYNONYMS = {"graph_uid": "segment", "session_uid": "segment", "quality_score": "quality"}
_OTHERS = frozenset({*_UP, "frame", "segment", "quality"})
_WORLDS = frozenset({"world", "odometry", "odom", "map"})
_CAMERAS = frozenset({"camera", "cam"})
_BODIES = frozenset({"device", "body", "imu", "rig", "base"})


@dataclass(frozen=True)
class Columns:
    """Where the wanted values stand in a row.

    Attributes:
        count: Number of columns.
        names: The columns' own names.
        time: Column of the stamps, None if the file counts frames.
        time_unit: Unit that the column's name states.
        frame: Column with the index of the video frame.
        segment: Column that names the piece of trajectory.
        quaternion: Columns x, y, z, w.
        position: Columns x, y, z, None where there is no position.
        up: Columns of the up vector, None where there is none.
        quality: Column of the quality score.
        transform: What the names say that the poses are.
        frames: How the names say it.
    """

    count: int
    names: tuple[str, ...]
    time: int | None
    time_unit: TimeUnit | None
    frame: int | None
    segment: int | None
    quaternion: tuple[int, ...]
    position: tuple[int, ...] | None
    up: tuple[int, ...] | None
    quality: int | None
    transform: PoseTransform | None
    frames: str


def find_columns(path: Path, header: Sequence[str]) -> Columns:
    """Find the columns of a trajectory.

    Args:
        path: The file, for errors.
        header: Its column names.

    Raises:
        InputError: A needed column is missing, or two stand for the same quantity or contradict each other.
    """
    names = tuple(raw.strip().lstrip("#").strip() for raw in header)
    listed = _Listing(path, names)
    for index, name in enumerate(names):
        listed.add(index, *_name_and_bracket(name))
    if len(listed.frames) > 1 and len(set(listed.frames.values())) > 1:
        raise InputError(
            f"{path}: header", found=f"columns of {' and '.join(listed.frames)}", expected="one kind of pose"
        )
    quaternion = listed.group(("qx", "qy", "qz", "qw"), "qw qx qy qz")
    if quaternion is None:
        raise listed.missing("qw qx qy qz", "a CSV needs a header line that names its columns")
    if listed.time is None and "frame" not in listed.plain:
        raise listed.missing("a time column (timestamp, time_s, t_ns, ...) or frame", "")
    time, unit = listed.time or (None, None)
    return Columns(
        count=len(names),
        names=names,
        time=time,
        time_unit=TimeUnit(unit) if unit else None,
        frame=listed.plain.get("frame"),
        segment=listed.plain.get("segment"),
        quaternion=quaternion,
        position=listed.group(("px", "py", "pz"), "tx ty tz"),
        up=listed.group(_UP, " ".join(_UP)),
        quality=listed.plain.get("quality"),
        transform=next(iter(listed.frames.values()), None),
        frames=next(iter(listed.frames), ""),
    )


class _Listing:
    """Columns found so far."""

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self._path = path
        self._names = names
        self.time: tuple[int, str | None] | None = None
        self.plain: dict[str, int] = {}
        self.frames: dict[str, PoseTransform] = {}

    def add(self, index: int, name: str, bracket: str | None) -> None:
        """Take note of one column, whose unit may stand in brackets behind its name."""
        found = _TIME.fullmatch(name)
        if found:
            if self.time is not None:
                raise self._doubled(self.time[0], index)
            self.time = (index, found["unit"] or (bracket if bracket in {*TimeUnit} else None))
            return
        for quantity, pattern in _AXES:
            found = pattern.fullmatch(name)
            if found is None:
                continue
            if found["dst"]:
                transform = _transform(found["dst"], found["src"])
                if transform is None:
                    continue
                self.frames[f"{found['dst']}_{found['src']}"] = transform
            elif found["euroc"]:
                self.frames["RS"] = PoseTransform.WORLD_BODY
            self._put(quantity + (found["axis"] or found["euroc"]), index)
            return
        if _SYNONYMS.get(name, name) in _OTHERS:
            self._put(_SYNONYMS.get(name, name), index)

    def group(self, names: tuple[str, ...], label: str) -> tuple[int, ...] | None:
        """The columns of a vector, None if there are none of them."""
        present = [name for name in names if name in self.plain]
        if not present:
            return None
        if len(present) < len(names):
            raise self.missing(label, "")
        return tuple(self.plain[name] for name in names)

    def missing(self, expected: str, hint: str) -> InputError:
        return InputError(
            f"{self._path}: header", found=f"columns {', '.join(self._names)}", expected=expected, hint=hint
        )

    def _put(self, name: str, index: int) -> None:
        if name in self.plain:
            raise self._doubled(self.plain[name], index)
        self.plain[name] = index

    def _doubled(self, first: int, second: int) -> InputError:
        return InputError(
            f"{self._path}: header",
            found=f"columns {self._names[first]} and {self._names[second]} for one quantity",
            expected="one of them",
        )


def _name_and_bracket(name: str) -> tuple[str, str | None]:
    found = re.fullmatch(r"(.*?)\s*\[(.*)\]", name.lower())
    return (found[1], found[2]) if found else (name.lower(), None)


def _transform(dst: str, src: str) -> PoseTransform | None:
    kinds = {**dict.fromkeys(_WORLDS, "world"), **dict.fromkeys(_CAMERAS, "camera"), **dict.fromkeys(_BODIES, "body")}
    name = f"{kinds.get(dst)}_{kinds.get(src)}"
    return PoseTransform(name) if name in {*PoseTransform} else None
