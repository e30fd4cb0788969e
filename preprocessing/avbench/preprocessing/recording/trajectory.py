"""Poses at given times: spherical interpolation of the rotation, linear interpolation of the position.

Nothing is extrapolated. A time outside the trajectory takes the end pose within a stated tolerance and is invalid
beyond it; a time inside a gap that is too long, or between two pieces of trajectory that do not share a world, is
invalid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.geometry import FloatArray, make_transform
from avbench.preprocessing.recording.recording import Trajectory


@dataclass(frozen=True)
class PosesAt:
    """Poses of a trajectory at M times.

    Attributes:
        T_world_camera: (M, 4, 4) camera-to-world; NaN where invalid.
        valid: (M,) whether the trajectory says where the camera was.
        segment: (M,) number of the piece of trajectory; -1 where invalid. Only poses of one piece are comparable.
        quality: (M,) the lower quality score of the poses used, NaN where invalid; None if the source gives none.
    """

    T_world_camera: FloatArray
    valid: NDArray[np.bool_]
    segment: NDArray[np.int64]
    quality: FloatArray | None


def interpolate(trajectory: Trajectory, time_ns: NDArray[np.int64], *, max_gap_ns: int, tolerance_ns: int) -> PosesAt:
    """Interpolate a trajectory.

    Args:
        trajectory: N poses, at least one, at strictly increasing times.
        time_ns: (M,) times asked for, in any order, on the trajectory's clock.
        max_gap_ns: Longest time between two poses that is bridged. A time that hits a pose needs no bridge.
        tolerance_ns: How far before the first or after the last pose its pose still holds.

    Returns:
        The poses at the M times.

    Raises:
        ValueError: The trajectory has no pose or its times do not increase, or a limit is negative.
    """
    known = np.asarray(trajectory.time_ns, dtype=np.int64)
    asked = np.asarray(time_ns, dtype=np.int64).reshape(-1)
    if known.size == 0 or (np.diff(known) <= 0).any():
        raise ValueError("a trajectory must have poses at strictly increasing times")
    if max_gap_ns < 0 or tolerance_ns < 0:
        raise ValueError("max_gap_ns and tolerance_ns must not be negative")
    pieces = np.zeros(known.size, np.int64) if trajectory.segment is None else np.asarray(trajectory.segment, np.int64)

    # The poses before and after; both the same one where a time hits a pose or lies outside.
    after = np.clip(np.searchsorted(known, asked, side="left"), 0, known.size - 1)
    before = np.where((known[after] > asked) & (after > 0), after - 1, after)
    between = before != after
    gap = known[after] - known[before]
    outside = np.maximum(known[0] - asked, asked - known[-1])
    valid = (outside <= tolerance_ns) & (~between | ((gap <= max_gap_ns) & (pieces[before] == pieces[after])))

    poses = np.asarray(trajectory.T_world_camera, dtype=np.float64)
    T = poses[before]
    bridged = between & valid
    if bridged.any():
        start, end = poses[before[bridged]], poses[after[bridged]]
        weight = (asked[bridged] - known[before[bridged]]) / gap[bridged]
        T[bridged] = _blend(start, end, weight)
    T[~valid] = np.nan

    quality = None
    if trajectory.quality is not None:
        score = np.asarray(trajectory.quality, dtype=np.float64)
        quality = np.where(valid, np.minimum(score[before], score[after]), np.nan)
    return PosesAt(T, valid, np.where(valid, pieces[before], -1), quality)


def _blend(start: FloatArray, end: FloatArray, weight: FloatArray) -> FloatArray:
    """Poses (K, 4, 4) at a share `weight` (K,) of the way from `start` to `end` (K, 4, 4), along the shorter turn."""
    turn = np.swapaxes(start[:, :3, :3], -1, -2) @ end[:, :3, :3]
    partial = Rotation.from_rotvec(weight[:, None] * Rotation.from_matrix(turn).as_rotvec()).as_matrix()
    position = start[:, :3, 3] + weight[:, None] * (end[:, :3, 3] - start[:, :3, 3])
    return make_transform(start[:, :3, :3] @ partial, position)
