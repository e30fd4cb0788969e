"""How uncertain the positions of a trajectory are, seen from the positions themselves.

Where the scale is unknown, no length in metres says which baselines are too short to have a direction. The noise of the
positions does, in the trajectory's own unit: a head that stands still has baselines that are nothing but noise.

Three things bound the noise from below, and the largest counts:

- how far a pose lies from the line between its neighbours: noise that is new with every pose;
- how far it lies from the line between the poses a quarter of a second before and after, where the trajectory is at its
  smoothest: noise that poses near in time share, because they were filtered or filled in between key poses;
- a five-hundredth of how far the camera gets within a pair's time: no reconstruction is better than that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.recording import Trajectory

LEAST_SHARE_OF_REACH = 1.0 / 500.0
"""The uncertainty of a relative position is never taken for less than this share of the camera's reach. With a reach of
4 m, that of somebody who walks, a direction is then certain to 10 degrees from a baseline of 0.045 m on."""

_REACH_NS = 3_000_000_000  # the longest gap of a pair, if nobody asks for another
_REACH_PERCENTILE = 95.0  # a jump of the reconstruction must not count
_NEAR_NS, _FAR_NS = 0, 250_000_000
_NEAR_SPAN_NS, _FAR_SPAN_NS = 150_000_000, 1_000_000_000  # poses further apart show the motion more than the noise
_LEAST_RESIDUALS = 8
_FAR_PERCENTILE = 10.0
# Percentiles of the length of three normal numbers of variance 1 (chi with 3 degrees of freedom).
_CHI3_MEDIAN, _CHI3_TENTH = 1.5382, 0.7644


def relative_position_sigma(trajectory: Trajectory) -> float:
    """Standard uncertainty of the position of one pose relative to another, along one axis.

    Args:
        trajectory: N poses.

    Returns:
        In the unit of the positions; 0 only where the camera never moves at all.
    """
    near = _noise(trajectory, _NEAR_NS, _NEAR_SPAN_NS, 50.0, _CHI3_MEDIAN)
    far = _noise(trajectory, _FAR_NS, _FAR_SPAN_NS, _FAR_PERCENTILE, _CHI3_TENTH)
    # Both ends of a baseline have the noise.
    return float(max(np.sqrt(2.0) * near, np.sqrt(2.0) * far, LEAST_SHARE_OF_REACH * _reach(trajectory)))


def _pieces(trajectory: Trajectory) -> NDArray[np.int64]:
    if trajectory.segment is None:
        return np.zeros(len(trajectory.time_ns), dtype=np.int64)
    return np.asarray(trajectory.segment, dtype=np.int64)


def _noise(trajectory: Trajectory, lag_ns: int, longest_ns: int, percentile: float, of_unit_noise: float) -> float:
    """Noise along one axis, from distances to the line between a pose at least `lag_ns` before and one after."""
    time_ns, position = np.asarray(trajectory.time_ns), np.asarray(trajectory.T_world_camera)[:, :3, 3]
    piece, index = _pieces(trajectory), np.arange(len(time_ns))
    before = np.minimum(np.searchsorted(time_ns, time_ns - lag_ns, side="right") - 1, index - 1)
    after = np.maximum(np.searchsorted(time_ns, time_ns + lag_ns, side="left"), index + 1)
    middle = index[(before >= 0) & (after < len(time_ns))]
    before, after = before[middle], after[middle]
    span = time_ns[after] - time_ns[before]
    usable = (span <= longest_ns) & (piece[before] == piece[middle]) & (piece[middle] == piece[after])
    if usable.sum() < _LEAST_RESIDUALS:
        return 0.0
    middle, before, after = middle[usable], before[usable], after[usable]
    weight: FloatArray = (time_ns[middle] - time_ns[before]) / (time_ns[after] - time_ns[before])
    line = position[before] + weight[:, None] * (position[after] - position[before])
    # Of independent noise of variance 1, such a distance has this variance along each axis.
    variance = 1.0 + weight**2 + (1.0 - weight) ** 2
    distance = np.linalg.norm(position[middle] - line, axis=-1) / np.sqrt(variance)
    return float(np.percentile(distance, percentile)) / of_unit_noise


def _reach(trajectory: Trajectory) -> float:
    """How far the camera gets within the time of a pair, or of the whole trajectory if that is shorter."""
    time_ns, position = np.asarray(trajectory.time_ns), np.asarray(trajectory.T_world_camera)[:, :3, 3]
    piece = _pieces(trajectory)
    index = np.arange(len(time_ns))
    last = np.searchsorted(time_ns, time_ns + _REACH_NS, side="right") - 1
    whole = time_ns[-1] - time_ns[0] <= _REACH_NS
    usable = (piece == piece[last]) & (last > index) & (whole | (time_ns + _REACH_NS <= time_ns[-1]))
    if not usable.any():
        return 0.0
    moved = np.linalg.norm(position[last[usable]] - position[usable], axis=-1)
    return float(moved.max() if whole else np.percentile(moved, _REACH_PERCENTILE))
