"""How far a model knows when it is wrong: its confidence against its rotation errors.

- AUROC: how often, of a pair whose error is above the median and one whose error is not, the model is less sure of the
  former; ties count half, so that a constant confidence has 0.5 (Hanley and McNeil 1982).
- Area under the risk-coverage curve: the mean error of the k pairs that the model is surest of, averaged over all k
  (El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017). In random order it is expected to be the mean error. Pairs of
  equal confidence stand for all their orders: each counts with the mean error of them all.

Resamples keep the median of all pairs: what "above" means is not drawn anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.predictions.file import Predictions
from avbench.benchmark.scoring.bootstrap import Clusters, Difference, Estimate, Sampled, difference, sample
from avbench.preprocessing.base.geometry import FloatArray

_CHUNK = 1_000_000  # weights of resamples that are held at once


@dataclass(frozen=True)
class ConfidenceQuality:
    """What a model's confidence is worth under one condition.

    Attributes:
        auroc: Of "the rotation error is above the median", from 0 to 1.
        risk_coverage_deg: Area under the risk-coverage curve, in degrees.
        random_deg: The same for a random order: the mean error.
    """

    auroc: Sampled
    risk_coverage_deg: Sampled
    random_deg: Sampled

    @property
    def against_random(self) -> Difference:
        """The area minus that of a random order, in degrees: below 0, the surer pairs have the smaller errors."""
        return difference(self.risk_coverage_deg, self.random_deg)

    @property
    def ratio(self) -> Estimate:
        """The area over that of a random order."""
        return self.risk_coverage_deg.over(self.random_deg).estimate

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "auroc": self.auroc.estimate.to_json(),
            "risk_coverage_deg": self.risk_coverage_deg.estimate.to_json(),
            "random_deg": self.random_deg.estimate.to_json(),
            "difference_deg": self.against_random.to_json(),
            "ratio": self.ratio.to_json(),
        }


def confidences(predictions: Predictions, pair_ids: tuple[str, ...], condition: str) -> FloatArray:
    """(N,) confidence of each pair under a condition; NaN where the model gave none, or no answer."""
    row_by_pair = predictions.rows_of(condition)
    rows = [row_by_pair.get(pair) for pair in pair_ids]
    return np.array([np.nan if row is None else predictions.confidence[row] for row in rows], dtype=np.float64)


def confidence_quality(errors_deg: ArrayLike, confidence: ArrayLike, clusters: Clusters) -> ConfidenceQuality | None:
    """AUROC and risk-coverage of N pairs, with resamples.

    Args:
        errors_deg: (N,) rotation errors.
        confidence: (N,) confidence, higher is surer. NaN, where there is no answer or no confidence, is less sure than
            any number.
        clusters: Groups of the pairs and the resamples.

    Returns:
        None where the model gave no confidence at all.
    """
    errors, sure = np.asarray(errors_deg, np.float64), np.asarray(confidence, np.float64)
    if np.isnan(sure).all():
        return None
    random = replace(sample(errors, clusters), bounds=(0.0, 180.0))
    order = _Order.of(errors, np.where(np.isnan(sure), -np.inf, sure))
    auroc, area = order.figures(np.ones((1, len(errors))))
    drawn_auroc, drawn_area = np.empty(len(clusters.counts)), np.empty(len(clusters.counts))
    for part, weights in _drawn_weights(clusters):
        drawn_auroc[part], drawn_area[part] = order.figures(weights)
    sizes = clusters.sizes
    # Without a pair above the median, as where most pairs failed, no pairs can be ordered.
    told_apart = sizes if np.isfinite(auroc[0]) else np.zeros_like(sizes)
    ordered = Sampled(float(area[0]), drawn_area, sizes, bounds=(0.0, 180.0))
    return ConfidenceQuality(
        auroc=Sampled(float(auroc[0]), drawn_auroc, told_apart, bounds=(0.0, 1.0)),
        # One confidence for all gives no order; the same numbers, without what rounding makes of them.
        risk_coverage_deg=random if len(order.starts) == 1 else ordered,
        random_deg=random,
    )


def _drawn_weights(clusters: Clusters) -> Iterator[tuple[slice, FloatArray]]:
    """How often each resample holds each pair, (resamples, N), some resamples at a time."""
    step = max(1, _CHUNK // max(len(clusters.index), 1))
    for start in range(0, len(clusters.counts), step):
        part = slice(start, start + step)
        yield part, clusters.counts[part][:, clusters.index]


@dataclass(frozen=True)
class _Order:
    """Pairs from the surest to the least sure, in blocks of equal confidence.

    Attributes:
        order: (N,) pair at each place.
        starts: (K,) place of each block's first pair.
        errors: (N,) errors in that order.
        above: (N,) whether each of them is above the median.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    errors: FloatArray
    above: NDArray[np.bool_]

    @classmethod
    def of(cls, errors: FloatArray, confidence: FloatArray) -> _Order:
        order = np.argsort(-confidence, kind="stable")
        ranked = confidence[order]
        starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
        return cls(order, starts, errors[order], errors[order] > np.median(errors))

    def figures(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(B,) AUROCs and (B,) areas of samples that hold each of the N pairs as often as (B, N) weights say."""
        ranked = weights[:, self.order]
        held = self._by_block(ranked)
        above = self._by_block(ranked * self.above)
        error = self._by_block(ranked * self.errors)
        return _auroc(above, held - above), _area(held, error)

    def _by_block(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(values, self.starts, axis=1))


def _auroc(above: FloatArray, below: FloatArray) -> FloatArray:
    """(B,) from (B, K) numbers of pairs above and not above the median, blocks from the surest on."""
    surer = np.cumsum(below, axis=1) - below / 2
    with np.errstate(invalid="ignore"):
        return np.asarray((above * surer).sum(axis=1) / (above.sum(axis=1) * below.sum(axis=1)))


def _area(held: FloatArray, error: FloatArray) -> FloatArray:
    """(B,) areas from (B, K) numbers of pairs and sums of errors, blocks from the surest on.

    The pair at place l of M is in the means over the first l, ..., M pairs and so counts H(M) - H(l - 1) times, H being
    the harmonic numbers; of a block that holds the places from c + 1 on, their sums are looked up.
    """
    stop = np.cumsum(held, axis=1).astype(np.int64)
    total = stop[:, -1]
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, max(int(total.max()), 1) + 1))])
    summed = np.concatenate([[0.0], np.cumsum(harmonic)])
    times = held * harmonic[total][:, None] - (summed[stop] - summed[stop - held.astype(np.int64)])
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(held > 0, error / held, 0.0)
        return np.asarray((mean * times).sum(axis=1) / total)
