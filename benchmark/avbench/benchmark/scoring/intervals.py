"""Every metric of every condition with its 95 % interval, and what each condition changes against clean.

The metrics are those of `metrics_spec.toml`, each with the statistic that computes it for all resamples at once. Pairs
that the contract leaves out of a metric are NaN here, so that all conditions share one set of resamples and a change
from clean is paired: the same pairs, the same groups drawn.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from avbench.benchmark.metrics.definitions import WORST_ERROR_DEG
from avbench.benchmark.metrics.spec import MetricDefinition, load_metrics_spec
from avbench.benchmark.predictions.file import CLEAN_CONDITION, Predictions
from avbench.benchmark.scoring.bootstrap import (
    Clusters,
    Difference,
    Estimate,
    Sampled,
    Statistic,
    auc_statistic,
    difference,
    mean_statistic,
    median_statistic,
    sample,
)
from avbench.benchmark.scoring.score import Labels, align, errors_of
from avbench.preprocessing.base.errors import InputError, did_you_mean
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.recording import Scale


class Quantity(StrEnum):
    """Which error of a pair."""

    ROTATION = "rotation"
    DIRECTION = "direction"
    TOTAL = "total"
    METRIC_TRANSLATION = "metric_translation"


@dataclass(frozen=True)
class Metric:
    """One number of a score.

    Attributes:
        name: Its path in the specification, with the threshold of an AUC: "rotation.median_deg", "total.auc@10".
        quantity: Which error it summarises.
        unit: Unit of its values.
        higher_is_better: Whether more is better.
        statistic: How it is computed.
    """

    name: str
    quantity: Quantity
    unit: str
    higher_is_better: bool
    statistic: Statistic = field(compare=False, repr=False)

    def sampled(self, errors: FloatArray, clusters: Clusters) -> Sampled:
        """The metric of (N,) errors, NaN where a pair is not scored, and of all resamples."""
        most = {"deg": WORST_ERROR_DEG, "%": 100.0}.get(self.unit, math.inf)
        return replace(sample(errors, clusters, self.statistic), bounds=(0.0, most))


HEADLINES = (
    "rotation.median_deg",
    "rotation.mean_deg",
    "direction.median_deg",
    "direction.mean_deg",
    "total.auc@10",
    "total.auc@20",
)
"""Names of the metrics that tables and comparisons show first."""


@cache
def all_metrics() -> Mapping[str, Metric]:
    """Every metric of the specification by name, in its order; an AUC once per threshold."""
    spec = load_metrics_spec()
    found = [metric for entry in spec.metrics for metric in _expanded(entry, spec.auc_thresholds_deg)]
    return MappingProxyType({metric.name: metric for metric in found})


def _expanded(entry: MetricDefinition, thresholds_deg: Sequence[float]) -> list[Metric]:
    quantity, kind = entry.name.split(".")
    higher = entry.better == "higher"
    if kind == "auc":
        return [
            Metric(f"{entry.name}@{threshold:g}", Quantity(quantity), entry.unit, higher, auc_statistic(threshold))
            for threshold in thresholds_deg
        ]
    statistic = median_statistic if kind.startswith("median") else mean_statistic
    return [Metric(entry.name, Quantity(quantity), entry.unit, higher, statistic)]


def find_metrics(names: Collection[str]) -> tuple[Metric, ...]:
    """The metrics of the given names; the headlines if there are none.

    Raises:
        InputError: There is no metric of a name; the closest one is suggested.
    """
    known = all_metrics()
    for name in names:
        if name not in known:
            raise InputError(
                "metric", found=repr(name), expected=f"one of {', '.join(known)}", hint=did_you_mean(name, known)
            )
    return tuple(known[name] for name in names or HEADLINES)


@dataclass(frozen=True)
class ScoredErrors:
    """Errors of N pairs under one condition, in the order of the labels; NaN where the contract leaves a pair out.

    Attributes:
        condition: The condition.
        rotation_deg: (N,) rotation errors; every pair has one.
        direction_deg: (N,) signed direction errors.
        total_deg: (N,) the larger of the two.
        translation_m: (N,) errors in metres, infinite where a metric pair has no metric answer; all NaN where the model
            never gave metres.
    """

    condition: str
    rotation_deg: FloatArray
    direction_deg: FloatArray
    total_deg: FloatArray
    translation_m: FloatArray

    def of(self, quantity: Quantity) -> FloatArray:
        """(N,) errors of one kind."""
        return {
            Quantity.ROTATION: self.rotation_deg,
            Quantity.DIRECTION: self.direction_deg,
            Quantity.TOTAL: self.total_deg,
            Quantity.METRIC_TRANSLATION: self.translation_m,
        }[quantity]

    def sampled(self, metric: Metric, clusters: Clusters) -> Sampled:
        """A metric of all pairs and of all resamples."""
        return metric.sampled(self.of(metric.quantity), clusters)


def scored_errors(
    predictions: Predictions,
    labels: Labels,
    condition: str = CLEAN_CONDITION,
    *,
    baseline_threshold_m: float | None = None,
) -> ScoredErrors:
    """Errors of every pair under one condition, as `scoring.score_condition` counts them.

    Args:
        predictions: Predictions; pairs without a row cost the worst error, rows of other pairs are not looked at.
        labels: The labels of the pairs that count.
        condition: Which condition.
        baseline_threshold_m: Shortest metric baseline with a direction, None for the specification's.
    """
    threshold = load_metrics_spec().baseline_threshold_m if baseline_threshold_m is None else baseline_threshold_m
    errors = errors_of(align(predictions, labels, condition), labels)
    directed = labels.has_direction(threshold)
    metres = np.where(labels.has_scale(Scale.METRIC), errors.translation_m, np.nan)
    return ScoredErrors(
        condition=condition,
        rotation_deg=errors.rotation_deg,
        direction_deg=np.where(directed, errors.direction_deg, np.nan),
        total_deg=np.where(directed, errors.total_deg, np.nan),
        translation_m=metres if np.isfinite(metres).any() else np.full(len(metres), np.nan),
    )


@dataclass(frozen=True)
class ConditionIntervals:
    """All metrics of one condition with their intervals.

    Attributes:
        condition: The condition.
        estimates: Every metric by name; NaN and a note where nothing is scored.
        change_from_clean: Every metric of this condition minus that of clean, paired; None for clean itself and where
            clean was not predicted. An error that rises and an AUC that falls are both losses.
    """

    condition: str
    estimates: Mapping[str, Estimate]
    change_from_clean: Mapping[str, Difference] | None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        change = self.change_from_clean
        return {
            "estimates": {name: value.to_json() for name, value in self.estimates.items()},
            "change_from_clean": None if change is None else {name: value.to_json() for name, value in change.items()},
        }


def condition_intervals(
    errors: ScoredErrors, clusters: Clusters, clean: Mapping[str, Sampled] | None = None
) -> tuple[ConditionIntervals, Mapping[str, Sampled]]:
    """All metrics of one condition with their intervals.

    Args:
        errors: The errors of the condition.
        clusters: Groups of the pairs and the resamples that all conditions share.
        clean: The samples of the clean condition, which this function returned; None for clean itself.

    Returns:
        The intervals, and the samples by metric.
    """
    sampled = {name: errors.sampled(metric, clusters) for name, metric in all_metrics().items()}
    change = None if clean is None else {name: difference(sampled[name], clean[name]) for name in sampled}
    estimates = {name: value.estimate for name, value in sampled.items()}
    return ConditionIntervals(errors.condition, estimates, change), sampled


def score_samples(
    predictions: Predictions, labels: Labels, clusters: Clusters, *, baseline_threshold_m: float | None = None
) -> list[tuple[ConditionIntervals, Mapping[str, Sampled]]]:
    """Intervals and samples of every condition of a predictions file, in the file's order, as `scoring.score` has it.

    Args:
        predictions: Predictions of the pairs of the labels.
        labels: The labels of the N pairs that count.
        clusters: Groups of these pairs and the resamples: `draw_clusters(group_ids)`.
        baseline_threshold_m: Shortest metric baseline with a direction, None for the specification's.

    Raises:
        ValueError: The clusters are of another number of pairs.
    """
    if len(clusters.index) != len(labels):
        raise ValueError(f"{len(clusters.index)} pairs have a group and {len(labels)} a label")
    conditions = predictions.conditions or (CLEAN_CONDITION,)

    def errors(condition: str) -> ScoredErrors:
        return scored_errors(predictions, labels, condition, baseline_threshold_m=baseline_threshold_m)

    clean = None
    found: dict[str, tuple[ConditionIntervals, Mapping[str, Sampled]]] = {}
    if CLEAN_CONDITION in conditions:
        found[CLEAN_CONDITION] = condition_intervals(errors(CLEAN_CONDITION), clusters)
        clean = found[CLEAN_CONDITION][1]
    for condition in conditions:
        if condition not in found:
            found[condition] = condition_intervals(errors(condition), clusters, clean)
    return [found[condition] for condition in conditions]


def score_intervals(
    predictions: Predictions, labels: Labels, clusters: Clusters, *, baseline_threshold_m: float | None = None
) -> list[ConditionIntervals]:
    """The intervals of `score_samples` alone."""
    sampled = score_samples(predictions, labels, clusters, baseline_threshold_m=baseline_threshold_m)
    return [intervals for intervals, _ in sampled]
