"""Which frames of a recording are compared: a few moments, spread over it, with three frames each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import relative_pose, rotation_angle_deg
from avbench.preprocessing.recording.trajectory import PosesAt

MOMENTS = 10
"""Moments of a recording; each makes three pairs."""

_OFFSETS_S = (0.3, 0.8)
_SLOW_OFFSETS_S = (0.5, 1.5)
_LITTLE_MOTION_DEG = 4.0
_FEW_FRAMES = 6  # of a snippet, all are compared with each other
_TRIES = 8  # moments that one is chosen from, for its motion
_MUCH_MOTION_DEG = 12.0  # more than this leaves less of the picture in common, and tells no more
_MARGIN_NS, _LONG_NS = 500_000_000, 3_000_000_000
_SHORTEST_S = 0.05


@dataclass(frozen=True)
class Moment:
    """A few frames that follow each other, most often three.

    Attributes:
        frames: Their indices in the recording, increasing.
    """

    frames: tuple[int, ...]

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs of them."""
        return tuple(combinations(self.frames, 2))


def choose_moments(time_ns: NDArray[np.int64], poses: PosesAt, recording_id: str) -> list[Moment]:
    """Moments in random order, at most `MOMENTS`; the same for the same recording.

    The recording is cut into as many parts, and of a few random moments in each the one with most motion is taken,
    since still cameras tell nothing. Where the camera turns slowly, the frames are further apart.

    Args:
        time_ns: (N,) times of the recording's frames.
        poses: Poses at these times; frames without one are passed over.
        recording_id: The recording's name, the seed.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(f"poses:{recording_id}".encode()).digest(), "big"))
    known = np.flatnonzero(poses.valid)
    if len(known) and time_ns[known[-1]] - time_ns[known[0]] >= _LONG_NS:
        # An offset of the clock is seen only where there are poses before and after.
        inside = (time_ns >= time_ns[known[0]] + _MARGIN_NS) & (time_ns <= time_ns[known[-1]] - _MARGIN_NS)
        known = np.flatnonzero(poses.valid & inside)
    if len(known) < 3:
        return []
    times = time_ns[known] / 1e9
    if len(known) <= _FEW_FRAMES and times[-1] - times[0] < _OFFSETS_S[1] and len(set(poses.segment[known])) == 1:
        return [Moment(tuple(known.tolist()))]
    moments = _moments(known, times, poses, _OFFSETS_S, rng)
    if moments and np.median([_motion_deg(one, poses) for one in moments]) < _LITTLE_MOTION_DEG:
        slower = _moments(known, times, poses, _SLOW_OFFSETS_S, rng)
        moments = slower if len(slower) >= len(moments) else moments
    return [moments[index] for index in rng.permutation(len(moments))]


def _moments(
    known: NDArray[np.int64],
    times: NDArray[np.float64],
    poses: PosesAt,
    offsets_s: tuple[float, float],
    rng: np.random.Generator,
) -> list[Moment]:
    span, spacing = float(times[-1] - times[0]), float(np.median(np.diff(times)))
    last = min(max(offsets_s[1], 2.0 * spacing), span)
    middle = max(offsets_s[0], spacing) if last > offsets_s[0] + spacing else 0.5 * last
    first = times[: max(1, int(np.searchsorted(times, times[-1] - last + 0.25 * spacing, side="right")))]
    moments: dict[Moment, None] = {}
    parts = np.array_split(np.arange(len(first)), MOMENTS)
    for part in parts:
        tries = rng.permutation(part)[:_TRIES]
        found = [_moment(known, times, int(start), middle, last, poses) for start in tries]
        usable = [one for one in found if one is not None]
        if usable:
            moments[max(usable, key=lambda one: min(_motion_deg(one, poses), _MUCH_MOTION_DEG))] = None
    return list(moments)


def _moment(
    known: NDArray[np.int64], times: NDArray[np.float64], start: int, middle_s: float, last_s: float, poses: PosesAt
) -> Moment | None:
    """The three frames after a start, None where they are too close, too far, or in different pieces of trajectory."""
    places = [start]
    for offset in (middle_s, last_s):
        wanted = times[start] + offset
        after = int(np.clip(np.searchsorted(times, wanted), 1, len(times) - 1))
        places.append(after if times[after] - wanted < wanted - times[after - 1] else after - 1)
    a, b, c = places
    if not a < b < c or times[c] - times[a] > 2.0 * last_s or times[c] - times[a] < _SHORTEST_S:
        return None
    frames = (int(known[a]), int(known[b]), int(known[c]))
    return Moment(frames) if len(set(poses.segment[list(frames)].tolist())) == 1 else None


def _motion_deg(moment: Moment, poses: PosesAt) -> float:
    a, c = moment.frames[0], moment.frames[-1]
    T_a_c = relative_pose(poses.T_world_camera[a], poses.T_world_camera[c])
    return float(rotation_angle_deg(T_a_c[:3, :3]))
