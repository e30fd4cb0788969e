"""When named pictures were taken: stated in the rig file or by the layout, or proven by the pictures; never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.documents import read_text
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.checks.picture_match import MOST_FRAMES, better_shift, find_count, small_copy
from avbench.preprocessing.media.image_files import read_image
from avbench.preprocessing.recording.recording import FrameSource
from avbench.preprocessing.sources.named.poses import NamedPoses, number_in
from avbench.preprocessing.sources.named.statement import Statement

_PROBES = 16
_LATEST_S = 10**9 * 4
_WAYS_ON = (
    "state in {rig} under [pictures]: first and step, rate_hz, names_are or times, see docs/sources.md#when-a-picture-"
    "was-taken"
)


@dataclass(frozen=True, eq=False)
class Moments:
    """When pictures were taken.

    Attributes:
        order: (M,) indices of the poses that are used, in the order of time.
        time_ns: (M,) their times: those of frames of the video, else of a clock that the names or a list give.
        notes: Lines a user should see.
        zero_ns: When the number `first` was or would be taken, where the pictures have no video; None: not known.
    """

    order: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    notes: tuple[str, ...]
    zero_ns: int | None = None


def moments_of(
    poses: NamedPoses, files: Sequence[Path | None], statement: Statement, video: FrameSource | None
) -> Moments:
    """When the pictures of poses were taken.

    Args:
        poses: N poses.
        files: (N) their pictures, None where there is none.
        statement: What the rig file says.
        video: The video, None where the pictures are the recording's frames.

    Raises:
        InputError: It is not stated and not proven, or a statement contradicts the video or the pictures.
    """
    said = statement.pictures
    if said.times is not None:
        seconds = _listed_times(poses.names, statement)
        return _at_times(poses, seconds, video, f"{statement.path}: pictures.times")
    if said.names_are is not None:
        unit = Decimal(said.names_are.nanoseconds) / 10**9
        return _at_times(poses, [_time_name(poses, name) * unit for name in poses.names], video, str(poses.path))
    if poses.time_s is not None and video is None and said.rate_hz is None:
        return _at_times(poses, [Decimal(repr(float(value))) for value in poses.time_s], video, str(poses.path))
    numbers = _numbers(poses)
    if said.rate_hz is not None:
        if said.first is None and video is not None:
            raise InputError(
                f"{statement.path}: pictures.first",
                found="nothing beside rate_hz",
                expected="the number in a name that means the first frame of the video",
            )
        first = min(numbers) if said.first is None else said.first
        rate = Decimal(repr(said.rate_hz))
        start = Decimal(0) if video is None else Decimal(int(video.time_ns[0])) / 10**9
        seconds = [start + Decimal(n - first) / rate for n in numbers]
        moments = _at_times(poses, seconds, video, str(statement.path))
        return moments if said.first is None else replace(moments, zero_ns=0)
    if video is None:
        raise InputError(
            poses.path,
            found=f"pictures without a video ({poses.names[0]}, ...), and nothing that says when they were taken",
            expected="pictures.rate_hz, pictures.names_are or pictures.times in the rig file",
            hint=f"write it into {statement.path.name}, such as rate_hz = 30 under [pictures]",
        )
    return _counted(poses, files, statement, video, numbers)


def _numbers(poses: NamedPoses) -> list[int]:
    """The number in each name; all different."""
    seen: dict[int, str] = {}
    for name in poses.names:
        number = number_in(name)
        if number is None:
            raise InputError(
                poses.path,
                found=f"a picture named {name!r}",
                expected="a number in its name, or pictures.times in the rig file",
            )
        if number in seen:
            raise InputError(
                poses.path,
                found=f"two pictures of number {number}, {seen[number]!r} and {name!r}",
                expected="a number of its own for each",
                hint="choose the pictures of one camera with pictures.prefix in the rig file",
            )
        seen[number] = name
    return list(seen)


def _counted(
    poses: NamedPoses,
    files: Sequence[Path | None],
    statement: Statement,
    video: FrameSource,
    numbers: list[int],
) -> Moments:
    """Times of pictures whose numbers count frames of the video."""
    said, total = statement.pictures, len(video.time_ns)
    order = np.argsort(np.asarray(numbers, dtype=np.int64), kind="stable")
    probes = [int(i) for i in order if files[int(i)] is not None]
    probes = [probes[k] for k in np.unique(np.linspace(0, len(probes) - 1, _PROBES).astype(int))] if probes else []
    if said.first is None:
        first, step, notes = _proven(poses, files, statement, video, numbers, probes)
        index = [round((number - first) * step) for number in numbers]
    else:
        step = said.step or 1
        index = [(number - said.first) * step for number in numbers]
        notes = []
    outside = [i for i in range(len(index)) if not 0 <= index[i] < total]
    if outside:
        name = poses.names[outside[0]]
        raise InputError(
            poses.path,
            found=f"{len(outside)} pictures beyond the video, such as {name}: frame {index[outside[0]]}",
            expected=f"frames 0 to {total - 1}",
            hint=f"correct first and step under [pictures] in {statement.path.name}; after taking pictures at another "
            "rate it is rate_hz",
        )
    if said.first is not None:
        notes = _compared(poses, files, statement, video, index, probes)
    return Moments(order, video.time_ns[np.asarray(index, dtype=np.int64)[order]], tuple(notes))


def _proven(
    poses: NamedPoses,
    files: Sequence[Path | None],
    statement: Statement,
    video: FrameSource,
    numbers: list[int],
    probes: list[int],
) -> tuple[float, int, list[str]]:
    """First number and step that the pictures prove."""
    count = None
    if len(probes) >= 3 and len(video.time_ns) <= MOST_FRAMES:
        copies = [small_copy(read_image(file)) for i in probes if (file := files[i]) is not None]
        count = find_count([numbers[i] for i in probes], copies, video)
    if count is None:
        why = "no pictures to compare with the video" if len(probes) < 3 else "pictures that do not show which they are"
        if len(video.time_ns) > MOST_FRAMES:
            why = f"a video of {len(video.time_ns)} frames, too long to search"
        raise InputError(
            poses.path,
            found=f"names such as {poses.names[0]!r}, {why}",
            expected="a statement which frames of the video they mean",
            hint=_WAYS_ON.format(rig=statement.path.name),
        )
    frames = "every frame" if count.step == 1 else f"steps of {count.step} frames"
    start = f"{count.first:g}" if float(count.first).is_integer() else f"{count.first:.4g}"
    note = (
        f"{poses.path}: numbers in names count {frames} of the video from {start}, as {len(probes)} pictures show, "
        f"which differ from it by {count.levels:.1f} grey levels"
    )
    return count.first, count.step, [note]


def _compared(
    poses: NamedPoses,
    files: Sequence[Path | None],
    statement: Statement,
    video: FrameSource,
    index: list[int],
    probes: list[int],
) -> list[str]:
    """Compare stated frames with the pictures, where there are any."""
    if len(probes) < 3:
        return []
    copies = [small_copy(read_image(file)) for i in probes if (file := files[i]) is not None]
    shift, shown = better_shift([index[i] for i in probes], copies, video)
    if shift:
        raise InputError(
            f"{statement.path}: pictures.first",
            found=f"{statement.pictures.first}, by which {poses.names[probes[0]]} is frame {index[probes[0]]}",
            expected=f"frame {index[probes[0]] + shift}, which shows that picture",
            hint="without a statement the count is found from the pictures",
        )
    return [] if shown else [f"{poses.path}: the pictures do not show whether they are the frames that are stated"]


def _at_times(poses: NamedPoses, seconds: Sequence[Decimal], video: FrameSource | None, where: str) -> Moments:
    """Pictures at given times, on the nearest frames where there is a video."""
    late = [i for i, value in enumerate(seconds) if not value.is_finite() or abs(value) > _LATEST_S]
    if late:
        raise InputError(where, found=f"{poses.names[late[0]]} at {seconds[late[0]]:g} s", expected="a time in seconds")
    time_ns = np.array([int((value * 10**9).to_integral_value()) for value in seconds], dtype=np.int64)
    order = np.argsort(time_ns, kind="stable")
    if video is not None:
        known = video.time_ns
        nearest = np.clip(np.searchsorted(known, time_ns), 1, len(known) - 1)
        nearest -= (time_ns - known[nearest - 1]) < (known[nearest] - time_ns)
        period_ns = float(np.median(np.diff(known))) if len(known) > 1 else 0.0
        away = np.abs(known[nearest] - time_ns)
        if (away > period_ns).any():
            i = int(away.argmax())
            raise InputError(
                where,
                found=f"{poses.names[i]} at {time_ns[i] / 1e9:.6f} s",
                expected=f"times of frames of the video, {known[0] / 1e9:.6f} to {known[-1] / 1e9:.6f} s",
            )
        time_ns = known[nearest]
    twice = np.flatnonzero(np.diff(time_ns[order]) <= 0)
    if twice.size:
        names = [poses.names[int(order[twice[0] + k])] for k in (0, 1)]
        raise InputError(
            where, found=f"{names[0]!r} and {names[1]!r} at one moment", expected="a moment of its own for each picture"
        )
    return Moments(order.astype(np.int64), time_ns[order], ())


def _time_name(poses: NamedPoses, name: str) -> Decimal:
    """The time that is a name, with or without decimals, such as `1305031102.175304.png`."""
    stem = Path(name).name
    for text in (stem, *(stem.rsplit(".", k)[0] for k in (1, 2) if stem.count(".") >= k)):
        digits = text[next((k for k, letter in enumerate(text) if letter.isdigit()), len(text)) :]
        if digits and digits.isascii() and digits.replace(".", "", 1).isdigit() and len(digits) < 40:
            return Decimal(digits)
    raise InputError(
        poses.path,
        found=f"a picture named {name!r}",
        expected="a name that is a time, as pictures.names_are in the rig file says",
    )


def _listed_times(names: Sequence[str], statement: Statement) -> list[Decimal]:
    """Times in seconds from a list of names and times, in either order."""
    path = statement.path.parent / (statement.pictures.times or "")
    listed: dict[str, Decimal] = {}
    for number, line in enumerate(read_text(path, expected="a list of names and times").split("\n"), start=1):
        cells = line.replace(",", " ").replace(";", " ").split()
        if not cells or cells[0].startswith("#"):
            continue
        pair = _name_and_time(cells)
        if pair is None:
            if not listed and number == 1:  # a line of names
                continue
            raise InputError(
                f"{path}: line {number}",
                found=repr(line.strip()[:60]),
                expected="the name of a picture and its time in s",
            )
        if pair[0] in listed:
            raise InputError(f"{path}: line {number}", found=f"{pair[0]} for the second time", expected="it once")
        listed[pair[0]] = pair[1]
    result = []
    for name in names:
        keys = (name, Path(name).name, Path(name).stem)
        time = next((listed[key] for key in keys if key in listed), None)
        if time is None:
            raise InputError(path, found=f"no time for {name}", expected="one for every picture with a pose")
        result.append(time)
    return result


def _name_and_time(cells: list[str]) -> tuple[str, Decimal] | None:
    if len(cells) != 2:
        return None
    for name, text in (cells, cells[::-1]):
        try:
            time = Decimal(text)
        except InvalidOperation:
            continue
        if time.is_finite():
            return name, time
    return None
