"""Pair by pair, and how far the noise of the labels allows a decision there.

Sigmas of the pair row are standard deviations about each axis: three of a rotation, two of a direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.scoring.bootstrap import Clusters, Estimate, sample
from avbench.benchmark.scoring.errors import ErrorTable
from avbench.benchmark.scoring.metric import Metric, Quantity
from avbench.benchmark.scoring.statistics.label_noise import (
    DIRECTION_AXES,
    ROTATION_AXES,
    NoiseFloor,
    noise_floor,
    perfect_errors,
    repetitions_for,
    tie_width,
)
from avbench.preprocessing.base.geometry import FloatArray

TIE_PROBABILITY = 0.95
"""How often two models that are equally far from the truth tie on a pair."""


@dataclass(frozen=True)
class LabelSigma:
    """How uncertain N labels are themselves, in degrees about each axis; NaN where the source does not say.

    Attributes:
        rotation_deg: (N,) `pose_sigma_deg` of the pair row.
        direction_deg: (N,) `direction_sigma_deg`.
    """

    rotation_deg: FloatArray
    direction_deg: FloatArray

    @classmethod
    def of(cls, rotation_deg: ArrayLike, direction_deg: ArrayLike) -> LabelSigma:
        """From columns of numbers, None where one is not known."""
        return cls(np.asarray(rotation_deg, dtype=np.float64), np.asarray(direction_deg, dtype=np.float64))

    def tie(self, quantity: Quantity) -> FloatArray:
        """(N,) what two errors of a pair must differ by to be distinguished; 0 where no uncertainty is known.

        Two models that are equally far from the truth tie with at least `TIE_PROBABILITY`, wherever their answers lie.
        The total error is either of the two, so it takes the larger uncertainty. For metres none is stated.
        """
        rotation, direction = (
            tie_width(sigma, probability=TIE_PROBABILITY) for sigma in (self.rotation_deg, self.direction_deg)
        )
        return {
            Quantity.ROTATION: rotation,
            Quantity.DIRECTION: direction,
            Quantity.TOTAL: np.maximum(rotation, direction),
            Quantity.METRIC_TRANSLATION: np.zeros_like(rotation),
        }[quantity]


def perfect_scores(
    errors: ErrorTable, metrics: Sequence[Metric], sigma: LabelSigma, *, seed: int = 0
) -> dict[str, NoiseFloor]:
    """What a perfect model would score on these labels, by name of the metric.

    Over the pairs that a metric scores and whose label knows its sigma; labels of different pairs are taken to be off
    independently. A metric of no such pair, or of labels without noise, is left out, as are metres.

    Args:
        errors: The errors of the condition, which say what pairs are scored.
        metrics: Which metrics.
        sigma: The uncertainty of the labels.
        seed: Of the labels that are drawn.
    """
    known = {
        Quantity.ROTATION: ~np.isnan(sigma.rotation_deg),
        Quantity.DIRECTION: ~np.isnan(sigma.direction_deg),
        Quantity.TOTAL: ~np.isnan(sigma.rotation_deg) & ~np.isnan(sigma.direction_deg),
    }
    found: dict[str, NoiseFloor] = {}
    drawn: dict[Quantity, FloatArray] = {}
    for metric in metrics:
        quantity = metric.quantity
        if quantity not in known:
            continue
        if quantity not in drawn:
            drawn[quantity] = _perfect_errors(quantity, sigma, known[quantity] & ~np.isnan(errors.of(quantity)), seed)
        if drawn[quantity].any():
            found[metric.name] = noise_floor(drawn[quantity], partial(_score_of, metric))
    return found


def _score_of(metric: Metric, errors: FloatArray) -> float:
    return metric.statistic(errors, np.zeros(len(errors), dtype=np.int64), 1).point


def _perfect_errors(quantity: Quantity, sigma: LabelSigma, chosen: NDArray[np.bool_], seed: int) -> FloatArray:
    random, repetitions = np.random.default_rng(seed), repetitions_for(int(chosen.sum()))
    if quantity is Quantity.ROTATION:
        return perfect_errors(sigma.rotation_deg[chosen], ROTATION_AXES, repetitions, random)
    direction = perfect_errors(sigma.direction_deg[chosen], DIRECTION_AXES, repetitions, random)
    if quantity is Quantity.DIRECTION:
        return direction
    return np.maximum(direction, perfect_errors(sigma.rotation_deg[chosen], ROTATION_AXES, repetitions, random))


@dataclass(frozen=True)
class Wins:
    """How often run A is better than run B on a pair.

    Attributes:
        a_better: Pairs on which A has the smaller error, by more than the tie.
        ties: Pairs on which neither can be called better.
        b_better: Pairs on which B has.
        share: Share of the pairs on which A is better, ties counted half, with its interval; 0.5 is a draw.
    """

    a_better: int
    ties: int
    b_better: int
    share: Estimate

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "a_better": self.a_better,
            "ties": self.ties,
            "b_better": self.b_better,
            "share": self.share.to_json(),
        }


def wins(errors_a: ArrayLike, errors_b: ArrayLike, clusters: Clusters, *, tie_below: ArrayLike = 0.0) -> Wins:
    """On how many of the pairs that both score A has the smaller error.

    Args:
        errors_a: (N,) errors of run A; NaN where a pair is not scored.
        errors_b: (N,) errors of run B on the same pairs.
        clusters: Groups of the pairs and the shared resamples.
        tie_below: (N,) or one number: errors that differ by no more are a tie, since the label's own noise could turn
            the order round (`LabelSigma.tie`). NaN is 0.

    Raises:
        ValueError: The runs are of other pairs.
    """
    a, b = np.asarray(errors_a, dtype=np.float64), np.asarray(errors_b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"the runs have {a.shape} and {b.shape} errors: a comparison needs the same pairs")
    scored = ~(np.isnan(a) | np.isnan(b))
    with np.errstate(invalid="ignore"):
        # Two infinite errors differ by NaN: a tie as well.
        apart = np.abs(a - b)
    tied = (apart <= np.nan_to_num(np.asarray(tie_below, dtype=np.float64))) | (a == b)
    won = np.where(tied, 0.5, a < b)
    return Wins(
        a_better=int((won[scored] == 1.0).sum()),
        ties=int(tied[scored].sum()),
        b_better=int((won[scored] == 0.0).sum()),
        share=replace(sample(np.where(scored, won, np.nan), clusters), bounds=(0.0, 1.0)).estimate,
    )
