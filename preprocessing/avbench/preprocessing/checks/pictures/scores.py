"""How well the labels of some pairs, under any reading, agree with what their pictures show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avbench.preprocessing.base.geometry import (
    FloatArray,
    direction_error_deg,
    relative_pose,
    rotation_angle_deg,
    rotation_error_deg,
)
from avbench.preprocessing.checks.pictures.two_view import TwoView

CAP_DEG = 10.0
"""A pair counts with at most this residual: a few wrong matches must not decide."""

_WRONG_MATCHES_DEG = 5.0  # a pair that neither reading comes closer to says nothing of the two
_MUCH_BETTER = 0.55  # of the stated reading's mean residual
LEAST_GAIN_DEG = 0.10
"""By how much the mean residual must fall under a reading that is named."""

_DIFFERENT_DEG = 0.2
_CLOSER_SHARE = 0.75
_FEWEST_DIFFERENT = 3


@dataclass(frozen=True, eq=False)
class Scores:
    """Residuals of P pairs under one reading.

    Attributes:
        rotation_deg: (P,) smaller angle between label and pictures; NaN where one of them says nothing.
        direction_deg: (P,) angle between the directions of translation; NaN where one of them says nothing.
    """

    rotation_deg: FloatArray
    direction_deg: FloatArray

    @property
    def pairs(self) -> int:
        """Pairs whose rotation can be compared."""
        return int(np.isfinite(self.rotation_deg).sum())

    @property
    def directions(self) -> int:
        """Pairs whose direction can be compared."""
        return int(np.isfinite(self.direction_deg).sum())

    @property
    def mean_rotation_deg(self) -> float:
        """Mean residual of the rotations, each up to `CAP_DEG`; NaN without pairs."""
        return _capped_mean(self.rotation_deg)

    @property
    def median_direction_deg(self) -> float:
        """Median residual of the directions; NaN without any."""
        known = self.direction_deg[np.isfinite(self.direction_deg)]
        return float(np.median(known)) if known.size else float("nan")


def scores(T_a_b: FloatArray, views: Sequence[TwoView | None]) -> Scores:
    """Compare labels with pictures.

    Args:
        T_a_b: (P, 4, 4) relative poses under a reading; NaN where there is none.
        views: What the pictures of each pair show.
    """
    rotation, direction = np.full(len(views), np.nan), np.full(len(views), np.nan)
    for index, view in enumerate(views):
        if view is None or not np.isfinite(T_a_b[index]).all():
            continue
        if view.is_usable and view.rotations:
            rotation[index] = min(
                float(rotation_error_deg(T_a_b[index, :3, :3], allowed)) for allowed in view.rotations
            )
        if view.has_parallax:
            direction[index] = float(direction_error_deg(T_a_b[index, :3, 3], view.essential_direction_a_b))
    return Scores(rotation, direction)


def pair_poses(T_world_a: FloatArray, T_world_b: FloatArray) -> FloatArray:
    """Relative poses (P, 4, 4) of camera-to-world poses (P, 4, 4), NaN where one is missing."""
    with np.errstate(invalid="ignore"):
        return relative_pose(T_world_a, T_world_b)


def mean_angle_between_deg(T_a_b: FloatArray, other_a_b: FloatArray) -> float:
    """Mean angle between the rotations of two readings' relative poses (P, 4, 4), over the pairs that both have."""
    both = np.isfinite(T_a_b).all(axis=(-2, -1)) & np.isfinite(other_a_b).all(axis=(-2, -1))
    if not both.any():
        return float("nan")
    return float(rotation_error_deg(T_a_b[both, :3, :3], other_a_b[both, :3, :3]).mean())


def mean_motion_deg(T_a_b: FloatArray) -> float:
    """Mean rotation of relative poses (P, 4, 4), over those that are known; NaN without any."""
    known = np.isfinite(T_a_b).all(axis=(-2, -1))
    return float(rotation_angle_deg(T_a_b[known, :3, :3]).mean()) if known.any() else float("nan")


def means_of_both(stated: Scores, other: Scores) -> tuple[float, float]:
    """Mean rotation residuals of two readings over the pairs that both can be compared on."""
    mine, others = _comparable(stated, other)
    return _capped_mean(mine), _capped_mean(others)


def explains_better(stated: Scores, other: Scores, least_gain_deg: float = LEAST_GAIN_DEG) -> bool:
    """Whether another reading agrees so much better with the pictures that the stated one must be wrong.

    Args:
        stated: Residuals of the stated reading.
        other: Residuals of the other.
        least_gain_deg: By how much the mean residual must fall.
    """
    mine, others = _comparable(stated, other)
    mean_stated, mean_other = _capped_mean(mine), _capped_mean(others)
    if not (mean_other <= _MUCH_BETTER * mean_stated and mean_stated - mean_other >= least_gain_deg):
        return False
    different = np.abs(mine - others) > _DIFFERENT_DEG
    if different.sum() < _FEWEST_DIFFERENT:
        return False
    return bool((others < mine)[different].mean() >= _CLOSER_SHARE)


def _comparable(stated: Scores, other: Scores) -> tuple[FloatArray, FloatArray]:
    """Rotation residuals (Q,), (Q,) of the pairs that both readings have, without those whose matches are wrong."""
    mine, others = stated.rotation_deg, other.rotation_deg
    both = np.isfinite(mine) & np.isfinite(others) & (np.fmin(mine, others) < _WRONG_MATCHES_DEG)
    return mine[both], others[both]


def _capped_mean(residual_deg: FloatArray) -> float:
    known = residual_deg[np.isfinite(residual_deg)]
    return float(np.minimum(known, CAP_DEG).mean()) if known.size else float("nan")
