"""What noise in the labels does to scores: what a perfect model would get, and which pairs it leaves undecided.

A label that is off by a normal error of standard deviation s about each axis gives a perfect model the length of that
error: s times a chi of 3 axes for a rotation (Maxwell: mean 1.596 s, median 1.538 s), of 2 axes for a direction
(Rayleigh: mean 1.253 s, median 1.177 s). All sigmas here are per axis; that of the whole angle, the root of its mean
square, is root 3 or root 2 times as large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from avbench.benchmark.scoring.statistics.summaries import FloatArray

ROTATION_AXES = 3
DIRECTION_AXES = 2
LARGEST_DEG = 180.0
MOST_REPETITIONS = 400
FEWEST_REPETITIONS = 20
# Errors drawn for one number: 400 repetitions of 25,000 pairs.
_MOST_DRAWN = 10_000_000


@dataclass(frozen=True)
class NoiseFloor:
    """What a perfect model would score on noisy labels.

    Attributes:
        value: Expected score.
        low: Lower end of the range that holds the score of a perfect model in 95 % of labellings.
        high: Upper end.
        pairs: Pairs whose label knows its sigma: those the noise floor is computed from.
    """

    value: float
    low: float
    high: float
    pairs: int


def perfect_errors(sigma_deg: FloatArray, axes: int, repetitions: int, random: np.random.Generator) -> FloatArray:
    """(R, N) errors in degrees of a perfect model on labels of (N,) sigmas per axis, labelled R times."""
    lengths = np.sqrt(random.chisquare(axes, size=(repetitions, len(sigma_deg))))
    return np.asarray(np.minimum(lengths * sigma_deg, LARGEST_DEG))


def repetitions_for(pairs: int) -> int:
    """How often labels are drawn anew: fewer times for many pairs, which say more each time."""
    return int(np.clip(_MOST_DRAWN // max(pairs, 1), FEWEST_REPETITIONS, MOST_REPETITIONS))


def noise_floor(errors: FloatArray, score: Callable[[FloatArray], float]) -> NoiseFloor:
    """The noise floor of one score.

    Args:
        errors: (R, N) from `perfect_errors`.
        score: (N,) errors -> the score.
    """
    scores = np.array([score(row) for row in errors])
    spread = float(special.ndtri(0.975) * scores.std(ddof=1))
    value = float(scores.mean())
    return NoiseFloor(value, value - spread, value + spread, errors.shape[1])


def tie_width(
    sigma_deg: FloatArray,
    answers: tuple[FloatArray, FloatArray, FloatArray] | None = None,
    *,
    probability: float = 0.95,
) -> FloatArray:
    """(N,) by how much two errors on one label may differ when both models are equally far from the truth.

    For answers a and b as seen from the label, and n the label's own error, |a - n|^2 - |b - n|^2 differs from
    |a|^2 - |b|^2 by 2 n (a - b): normal, with standard deviation 2 s |a - b| in any number of axes. So errors that
    differ by less than 2 z s |a - b| / (error A + error B) are a tie with this probability, to first order in the
    angles. Where the answers lie on opposite sides of the label that is 2 z s, the most it can be.

    Args:
        sigma_deg: (N,) sigma of the labels per axis; NaN counts as 0.
        answers: (N,) errors of model A, (N,) of model B and (N,) angles between the two answers; None where they are
            not known: then as much as it can be.
        probability: That equally good models tie.
    """
    most = np.asarray(2 * special.ndtri(0.5 + probability / 2) * np.nan_to_num(sigma_deg))
    if answers is None:
        return most
    errors_a, errors_b, apart_deg = answers
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.clip(apart_deg / (errors_a + errors_b), 0.0, 1.0)
    return np.asarray(most * np.where(np.isnan(part), 1.0, part))
