"""From residuals to a finding: the stated reading is right, another one is, or the pictures cannot tell.

A recording that is read right must never be called wrong, so another reading is named only where it explains the
pictures much better than the stated one, in nearly every pair in which the two differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from avbench.preprocessing.checks.pictures.readings import Hypothesis, Kind
from avbench.preprocessing.checks.pictures.scores import LEAST_GAIN_DEG, Scores, explains_better, means_of_both

FEWEST_PAIRS = 3
"""With fewer comparable pairs nothing is said."""

_UNEXPLAINED_DEG = 1.5
_UNEXPLAINED_SHARE = 0.5  # of the mean motion
_CLEAR_DEG, _CLEAR_SHARE = 0.5, 0.08
_LENS_GAIN_DEG = 0.2  # a free focal length takes up noise of the calibration
_FITTING_DEG, _FITTING_SHARE = 0.4, 0.1  # a reading that is named must itself fit
_AS_WELL_FACTOR, _AS_WELL_DEG = 2.0, 1.0  # directions this much worse than the best still fit as well
_FEWEST_DIRECTIONS = 5
_RIGHT_DIRECTION_DEG = 30.0
_PENALTY_DEG = 0.03  # of readings with a free parameter
_TIED_FACTOR, _TIED_DEG = 1.4, 0.05


class Finding(StrEnum):
    """What the pictures say of the labels."""

    RIGHT = "right"  # rotations and directions agree
    ROTATIONS_RIGHT = "rotations_right"  # rotations agree, directions cannot be compared
    OTHER = "other_reading"  # another reading explains the pictures, the stated one does not
    UNEXPLAINED = "unexplained"  # neither the stated reading nor another one does
    TOO_LITTLE = "too_little"  # the pictures do not show enough
    OFF = "off"  # not asked for


@dataclass(frozen=True, eq=False)
class Judged:
    """A reading with its residuals.

    Attributes:
        hypothesis: The reading.
        scores: Its residuals.
        same_rotations: Whether its relative rotations are those of the stated reading.
    """

    hypothesis: Hypothesis
    scores: Scores
    same_rotations: bool


@dataclass(frozen=True)
class Decision:
    """What follows from the residuals.

    Attributes:
        finding: What the pictures say.
        readings: The readings that fit where the stated one does not; of several the pictures cannot say which.
        not_separated: Readings that would give the same labels as the stated one, where that is right, as far as the
            pictures show.
    """

    finding: Finding
    readings: tuple[Hypothesis, ...] = ()
    not_separated: tuple[Kind, ...] = ()


def decide(stated: Scores, others: Sequence[Judged], motion_deg: float) -> Decision:
    """Decide between the stated reading and others.

    Args:
        stated: Residuals of the stated reading.
        others: Residuals of the others.
        motion_deg: Mean rotation of the pairs as stated.
    """
    if stated.pairs < FEWEST_PAIRS:
        return Decision(Finding.TOO_LITTLE)
    limit_deg = max(_FITTING_DEG, _FITTING_SHARE * motion_deg)
    better = [
        one
        for one in others
        if not one.same_rotations
        and explains_better(stated, one.scores, _LENS_GAIN_DEG if one.hypothesis.kind is Kind.LENS else LEAST_GAIN_DEG)
        and means_of_both(stated, one.scores)[1] <= limit_deg
    ]
    if better:
        return Decision(Finding.OTHER, _best(stated, better))
    mean_deg = stated.mean_rotation_deg
    if mean_deg > max(_UNEXPLAINED_DEG, _UNEXPLAINED_SHARE * motion_deg):
        return Decision(Finding.UNEXPLAINED)
    alike = [one for one in others if one.same_rotations]
    # Under a wrong lens rotations and directions go wrong together.
    clear = mean_deg <= max(_CLEAR_DEG, _CLEAR_SHARE * motion_deg)
    return _by_direction(stated, alike if clear else [])


def _best(stated: Scores, better: Sequence[Judged]) -> tuple[Hypothesis, ...]:
    """The readings that fit best, and those that fit as well, the best first."""

    def cost(one: Judged) -> float:
        free = one.hypothesis.kind in (Kind.TIME, Kind.LENS)
        return means_of_both(stated, one.scores)[1] + (_PENALTY_DEG if free else 0.0)

    ranked = sorted(better, key=cost)
    limit = _TIED_FACTOR * cost(ranked[0]) + _TIED_DEG
    tied = [one for one in ranked if cost(one) <= limit]
    # Directions split most of what rotations cannot.
    fitting = [one for one in tied if _directions_fit(one.scores)]
    if len(tied) > 1 and fitting and all(one.scores.directions >= _FEWEST_DIRECTIONS for one in tied):
        tied = fitting
    return tuple(one.hypothesis for one in tied)


def _by_direction(stated: Scores, alike: Sequence[Judged]) -> Decision:
    """Decide between readings of the same rotations by the directions of translation."""
    rotation_alike = tuple(
        one.hypothesis.kind for one in alike if one.hypothesis.kind not in (Kind.TRANSLATION_SIGN, Kind.MIXED)
    )
    enough = stated.directions >= _FEWEST_DIRECTIONS or (stated.pairs <= FEWEST_PAIRS and stated.directions >= 1)
    if not enough:
        return Decision(Finding.ROTATIONS_RIGHT, not_separated=rotation_alike)
    if stated.median_direction_deg <= _RIGHT_DIRECTION_DEG:
        close = tuple(kind for kind in rotation_alike if _directions_fit(_of(alike, kind)))
        return Decision(Finding.RIGHT, not_separated=close)
    fitting = [
        one
        for one in alike
        if _directions_fit(one.scores) and one.scores.median_direction_deg < 0.5 * stated.median_direction_deg
    ]
    if not fitting:
        return Decision(Finding.UNEXPLAINED)
    fitting.sort(key=lambda one: one.scores.median_direction_deg)
    limit_deg = _AS_WELL_FACTOR * fitting[0].scores.median_direction_deg + _AS_WELL_DEG
    fitting = [one for one in fitting if one.scores.median_direction_deg <= limit_deg]
    return Decision(Finding.OTHER, tuple(one.hypothesis for one in fitting))


def _of(alike: Sequence[Judged], kind: Kind) -> Scores:
    return next(one.scores for one in alike if one.hypothesis.kind is kind)


def _directions_fit(scores: Scores) -> bool:
    return scores.median_direction_deg <= _RIGHT_DIRECTION_DEG
