"""The errors of every pair under one condition: the one table that all numbers of a run are taken from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.metrics.definitions import pair_errors
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.predictions.file import Predictions, Status
from avbench.benchmark.scoring.bootstrap import Clusters, Sampled
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.metric import Metric, Quantity
from avbench.preprocessing.base.geometry import FloatArray


@dataclass(frozen=True)
class Aligned:
    """Predictions of one condition in the order of the labels.

    Attributes:
        rows: (N,) row of each pair in the predictions, -1 where there is none.
        rotation_a_b: (N, 3, 3), NaN where there is no usable answer.
        translation_a_b: (N, 3), NaN where there is none.
        metric: (N,) whether the translation is in metres.
        status: (N,) statuses; a pair without a row is missing.
    """

    rows: NDArray[np.int64]
    rotation_a_b: FloatArray
    translation_a_b: FloatArray
    metric: NDArray[np.bool_]
    status: tuple[Status, ...]


def align(predictions: Predictions, rows: NDArray[np.int64]) -> Aligned:
    """Bring the predictions of one condition into the order of the labels.

    A row whose status is not ok counts as no answer, whatever numbers it holds.

    Args:
        predictions: M rows.
        rows: (N,) row of each pair, -1 where there is none.
    """
    status = tuple(predictions.status[row] if row >= 0 else Status.MISSING for row in rows.tolist())
    ok = np.array([found is Status.OK for found in status], dtype=np.bool_)
    rotation = np.full((len(rows), 3, 3), np.nan)
    translation = np.full((len(rows), 3), np.nan)
    metric = np.zeros(len(rows), dtype=np.bool_)
    rotation[ok] = predictions.rotation_a_b[rows[ok]]
    translation[ok] = predictions.translation_a_b[rows[ok]]
    metric[ok] = predictions.metric[rows[ok]]
    return Aligned(rows, rotation, translation, metric, status)


@dataclass(frozen=True)
class ErrorTable:
    """Errors of N pairs under one condition, in the order of the labels; NaN where the contract leaves a pair out.

    Attributes:
        condition: The condition.
        rotation_deg: (N,) rotation errors; every pair has one.
        direction_deg: (N,) signed direction errors.
        total_deg: (N,) the larger of the two.
        translation_m: (N,) errors in metres, infinite where a metric pair has no metric answer; all NaN where the model
            never gave metres.
        valid: (N,) whether there is an answer that is a rotation.
    """

    condition: str
    rotation_deg: FloatArray
    direction_deg: FloatArray
    total_deg: FloatArray
    translation_m: FloatArray
    valid: NDArray[np.bool_]
    _samples: dict[str, tuple[Clusters, Sampled]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, quantity: Quantity) -> FloatArray:
        """(N,) errors of one kind."""
        return {
            Quantity.ROTATION: self.rotation_deg,
            Quantity.DIRECTION: self.direction_deg,
            Quantity.TOTAL: self.total_deg,
            Quantity.METRIC_TRANSLATION: self.translation_m,
        }[quantity]

    def sampled(self, metric: Metric, clusters: Clusters) -> Sampled:
        """A metric of all pairs and of all resamples; computed once, and again only for other clusters."""
        known = self._samples.get(metric.name)
        if known is None or known[0] is not clusters:
            known = clusters, metric.sampled(self.of(metric.quantity), clusters)
            self._samples[metric.name] = known
        return known[1]

    def only(self, members: NDArray[np.bool_]) -> ErrorTable:
        """The same table with all other pairs left out of every metric.

        The pairs stay in their places, so that a part shares the resamples of the whole.

        Args:
            members: (N,) which pairs stay.
        """
        if members.all():
            return self
        rotation, direction, total, translation = (
            np.where(members, values, np.nan)
            for values in (self.rotation_deg, self.direction_deg, self.total_deg, self.translation_m)
        )
        return ErrorTable(self.condition, rotation, direction, total, translation, self.valid)


def error_table(
    condition: str, aligned: Aligned, labels: Labels, *, directed: NDArray[np.bool_], in_metres: NDArray[np.bool_]
) -> ErrorTable:
    """Errors of every pair.

    Args:
        condition: The condition.
        aligned: Its answers.
        labels: The labels of the N pairs.
        directed: (N,) which labels have a direction that counts (`Labels.has_direction`).
        in_metres: (N,) which labels are in metres.
    """
    errors = pair_errors(
        predicted_rotation=aligned.rotation_a_b,
        predicted_translation=aligned.translation_a_b,
        predicted_metric=aligned.metric,
        true_rotation=labels.rotation_a_b,
        true_translation=labels.translation_a_b_m,
        rotation_tolerance=load_metrics_spec().rotation_tolerance,
    )
    metres = np.where(in_metres, errors.translation_m, np.nan)
    return ErrorTable(
        condition=condition,
        rotation_deg=errors.rotation_deg,
        direction_deg=np.where(directed, errors.direction_deg, np.nan),
        total_deg=np.where(directed, errors.total_deg, np.nan),
        translation_m=metres if np.isfinite(metres).any() else np.full(len(metres), np.nan),
        valid=errors.valid,
    )
