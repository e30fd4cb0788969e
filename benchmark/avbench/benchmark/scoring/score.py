"""Predictions and labels to scores.

Scoring needs no model: `avbench evaluate`, `avbench score` and the boards all come here, so that the same predictions
have the same score everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.data.pair import PairLabel
from avbench.benchmark.metrics.definitions import (
    ErrorSummary,
    LengthSummary,
    PairErrors,
    direction_counts,
    pair_errors,
    summarise,
    summarise_lengths,
)
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.predictions.file import CLEAN_CONDITION, Predictions, Status, check_known
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.recording import Scale


@dataclass(frozen=True)
class Labels:
    """The labels of N pairs as arrays.

    Attributes:
        pair_id: (N,) names.
        rotation_a_b: (N, 3, 3).
        translation_a_b_m: (N, 3).
        scale: (N,) what each translation means.
        direction_sigma_deg: (N,) standard uncertainty of each translation's direction, NaN where unknown.
    """

    pair_id: tuple[str, ...]
    rotation_a_b: FloatArray
    translation_a_b_m: FloatArray
    scale: tuple[Scale, ...]
    direction_sigma_deg: FloatArray

    @classmethod
    def of(cls, labels: Sequence[PairLabel]) -> Labels:
        """Stack single labels."""
        return cls(
            pair_id=tuple(label.pair_id for label in labels),
            rotation_a_b=np.array([label.rotation_a_b for label in labels], dtype=np.float64).reshape(-1, 3, 3),
            translation_a_b_m=np.array([label.translation_a_b_m for label in labels], dtype=np.float64).reshape(-1, 3),
            scale=tuple(label.scale for label in labels),
            direction_sigma_deg=numbers_or_nan([label.direction_sigma_deg for label in labels]),
        )

    def __len__(self) -> int:
        return len(self.pair_id)

    def has_scale(self, scale: Scale) -> NDArray[np.bool_]:
        """(N,) whether a label is of the given scale."""
        return np.array([found is scale for found in self.scale], dtype=np.bool_)

    def has_direction(self, baseline_threshold_m: float) -> NDArray[np.bool_]:
        """(N,) whether a label has a direction that counts; see `metrics.direction_counts`."""
        return self._direction_counts(baseline_threshold_m, load_metrics_spec().direction_sigma_limit_deg)

    def has_translation(self) -> NDArray[np.bool_]:
        """(N,) whether a label has a translation, however short or uncertain it is."""
        return self._direction_counts(0.0, math.inf)

    def is_too_uncertain(self) -> NDArray[np.bool_]:
        """(N,) whether a label has a direction that does not count because it is too uncertain."""
        return self.has_translation() & ~self.has_direction(0.0)

    def _direction_counts(self, baseline_threshold_m: float, sigma_limit_deg: float) -> NDArray[np.bool_]:
        return direction_counts(
            self.translation_a_b_m,
            metric=self.has_scale(Scale.METRIC),
            rotation_only=self.has_scale(Scale.ROTATION_ONLY),
            direction_sigma_deg=self.direction_sigma_deg,
            baseline_threshold_m=baseline_threshold_m,
            sigma_limit_deg=sigma_limit_deg,
        )


def numbers_or_nan(values: Sequence[float | None]) -> FloatArray:
    """(N,) numbers of a column, NaN where it is empty."""
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


@dataclass(frozen=True)
class Aligned:
    """Predictions of one condition in the order of the labels.

    Attributes:
        rotation_a_b: (N, 3, 3), NaN where there is no usable answer.
        translation_a_b: (N, 3), NaN where there is none.
        metric: (N,) whether the translation is in metres.
        status: (N,) statuses; a pair without a row is missing.
    """

    rotation_a_b: FloatArray
    translation_a_b: FloatArray
    metric: NDArray[np.bool_]
    status: tuple[Status, ...]


def align(predictions: Predictions, labels: Labels, condition: str = CLEAN_CONDITION) -> Aligned:
    """Bring the predictions of one condition into the order of the labels.

    A row whose status is not ok counts as no answer, whatever numbers it holds.
    """
    row_by_pair = predictions.rows_of(condition)
    rows = np.array([row_by_pair.get(pair, -1) for pair in labels.pair_id], dtype=np.int64)
    status = tuple(predictions.status[row] if row >= 0 else Status.MISSING for row in rows)
    ok = np.array([found is Status.OK for found in status], dtype=np.bool_)
    rotation = np.full((len(labels), 3, 3), np.nan)
    translation = np.full((len(labels), 3), np.nan)
    metric = np.zeros(len(labels), dtype=np.bool_)
    rotation[ok] = predictions.rotation_a_b[rows[ok]]
    translation[ok] = predictions.translation_a_b[rows[ok]]
    metric[ok] = predictions.metric[rows[ok]]
    return Aligned(rotation, translation, metric, status)


@dataclass(frozen=True)
class Counts:
    """How many pairs there were, and what became of them.

    Attributes:
        pairs: All pairs: the N of the rotation metrics.
        with_direction: Those with a direction: the N of the direction and total metrics.
        short_baseline: Left out of the latter because the metric baseline is too short or zero.
        uncertain_direction: Left out of the latter because the scale is unknown and the direction too uncertain.
        rotation_only: Left out of the latter because the label has no translation.
        error: Pairs on which the model raised.
        invalid: Pairs whose answer is no rotation.
        missing: Pairs without an answer.
    """

    pairs: int
    with_direction: int
    short_baseline: int
    uncertain_direction: int
    rotation_only: int
    error: int
    invalid: int
    missing: int

    @property
    def failed(self) -> int:
        """Pairs that cost the worst error because there is no usable answer."""
        return self.error + self.invalid + self.missing


@dataclass(frozen=True)
class Score:
    """The score of one condition.

    Attributes:
        condition: The condition.
        spec_version: Version of the metrics.
        baseline_threshold_m: Metric baselines shorter than this are left out of direction and total metrics.
        counts: How many pairs, and what became of them.
        rotation: Rotation errors of all pairs.
        direction: Signed direction errors of the pairs with a direction.
        total: The larger of the two, of the same pairs.
        metric_translation: Errors in metres of the metric pairs, None where labels or model have no metres.
    """

    condition: str
    spec_version: str
    baseline_threshold_m: float
    counts: Counts
    rotation: ErrorSummary
    direction: ErrorSummary
    total: ErrorSummary
    metric_translation: LengthSummary | None

    def to_json(self) -> dict[str, Any]:
        """JSON values; an infinite number becomes the string "inf", thresholds become keys without trailing zeros."""
        lengths = self.metric_translation
        return {
            "condition": self.condition,
            "metrics_spec_version": self.spec_version,
            "baseline_threshold_m": self.baseline_threshold_m,
            "direction_sigma_limit_deg": load_metrics_spec().direction_sigma_limit_deg,
            "counts": {
                "pairs": self.counts.pairs,
                "with_direction": self.counts.with_direction,
                "short_baseline": self.counts.short_baseline,
                "uncertain_direction": self.counts.uncertain_direction,
                "rotation_only": self.counts.rotation_only,
                "error": self.counts.error,
                "invalid": self.counts.invalid,
                "missing": self.counts.missing,
            },
            "rotation": _summary_json(self.rotation),
            "direction": _summary_json(self.direction),
            "total": _summary_json(self.total),
            "metric_translation": None
            if lengths is None
            else {"n": lengths.n, "mean_m": finite_or_inf(lengths.mean_m), "median_m": finite_or_inf(lengths.median_m)},
        }


def finite_or_inf(value: float) -> float | str:
    """A number as JSON can hold it."""
    return value if math.isfinite(value) else "inf"


def _summary_json(summary: ErrorSummary) -> dict[str, Any]:
    auc: Mapping[str, float] = {f"{threshold:g}": value for threshold, value in summary.auc.items()}
    return {"n": summary.n, "mean_deg": summary.mean_deg, "median_deg": summary.median_deg, "auc": auc}


def errors_of(aligned: Aligned, labels: Labels) -> PairErrors:
    """Errors of every pair, in the order of the labels."""
    return pair_errors(
        predicted_rotation=aligned.rotation_a_b,
        predicted_translation=aligned.translation_a_b,
        predicted_metric=aligned.metric,
        true_rotation=labels.rotation_a_b,
        true_translation=labels.translation_a_b_m,
        rotation_tolerance=load_metrics_spec().rotation_tolerance,
    )


def score_condition(
    predictions: Predictions,
    labels: Labels,
    condition: str = CLEAN_CONDITION,
    *,
    baseline_threshold_m: float | None = None,
) -> Score:
    """Score the predictions of one condition against all labels given.

    Args:
        predictions: Predictions; pairs without a row cost the worst error.
        labels: The labels of the pairs that count.
        condition: Which condition to score.
        baseline_threshold_m: Shortest metric baseline with a direction, None for the specification's.

    Raises:
        InputError: A prediction is for a pair that has no label here.
    """
    spec = load_metrics_spec()
    threshold = spec.baseline_threshold_m if baseline_threshold_m is None else baseline_threshold_m
    check_known(predictions, labels.pair_id)
    aligned = align(predictions, labels, condition)
    errors = errors_of(aligned, labels)
    counted = labels.has_direction(threshold)
    rotation_only, uncertain = labels.has_scale(Scale.ROTATION_ONLY), labels.is_too_uncertain()
    no_rotation = sum(status is Status.OK for status in aligned.status) - int(errors.valid.sum())
    return Score(
        condition=condition,
        spec_version=spec.version,
        baseline_threshold_m=threshold,
        counts=Counts(
            pairs=len(labels),
            with_direction=int(counted.sum()),
            short_baseline=int((~counted & ~rotation_only & ~uncertain).sum()),
            uncertain_direction=int(uncertain.sum()),
            rotation_only=int(rotation_only.sum()),
            error=sum(status is Status.ERROR for status in aligned.status),
            # A file of somebody else's may call an answer ok that is no rotation.
            invalid=sum(status is Status.INVALID for status in aligned.status) + no_rotation,
            missing=sum(status is Status.MISSING for status in aligned.status),
        ),
        rotation=summarise(errors.rotation_deg, spec.auc_thresholds_deg),
        direction=summarise(errors.direction_deg[counted], spec.auc_thresholds_deg),
        total=summarise(errors.total_deg[counted], spec.auc_thresholds_deg),
        metric_translation=summarise_lengths(errors.translation_m[labels.has_scale(Scale.METRIC)]),
    )


def score(predictions: Predictions, labels: Labels, *, baseline_threshold_m: float | None = None) -> list[Score]:
    """Score every condition of a predictions file, in the file's order.

    Raises:
        InputError: A prediction is for a pair that has no label here.
    """
    conditions = predictions.conditions or (CLEAN_CONDITION,)
    return [
        score_condition(predictions, labels, condition, baseline_threshold_m=baseline_threshold_m)
        for condition in conditions
    ]
