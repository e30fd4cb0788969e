"""Predictions and labels to scores: every number of a run is computed once, when it is first asked for.

Scoring needs no model: `avbench evaluate`, `avbench score`, reports and boards all come here, so that the same
predictions have the same score everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.data.dataset import LABEL_COLUMNS, PairDataset, labels_of
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.predictions.file import CLEAN_CONDITION, Predictions, Status, check_known
from avbench.benchmark.scoring.bootstrap import Clusters, Difference, Estimate, difference, draw_clusters, ungrouped
from avbench.benchmark.scoring.errors import Aligned, ErrorTable, align, error_table
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.metric import all_metrics
from avbench.preprocessing.recording.recording import Scale


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
    """The score of one condition: what became of the pairs, and every metric by name.

    Attributes:
        condition: The condition.
        spec_version: Version of the metrics.
        baseline_threshold_m: Metric baselines shorter than this are left out of direction and total metrics.
        counts: How many pairs, and what became of them.
        estimates: Every metric by name with its interval; NaN and a note where nothing is scored.
        change_from_clean: Every metric of this condition minus that of clean, paired; None for clean itself and where
            clean was not predicted. An error that rises and an AUC that falls are both losses.
    """

    condition: str
    spec_version: str
    baseline_threshold_m: float
    counts: Counts
    estimates: Mapping[str, Estimate]
    change_from_clean: Mapping[str, Difference] | None

    def value(self, metric: str) -> float | None:
        """A metric by name, None where nothing is scored; infinite if failed pairs make it so."""
        value = self.estimates[metric].value
        return None if math.isnan(value) else value

    def to_json(self) -> dict[str, Any]:
        """JSON values; an infinite number becomes the string "inf", one of nothing null."""
        change = self.change_from_clean
        return {
            "condition": self.condition,
            "metrics_spec_version": self.spec_version,
            "baseline_threshold_m": self.baseline_threshold_m,
            "direction_sigma_limit_deg": load_metrics_spec().direction_sigma_limit_deg,
            "counts": asdict(self.counts),
            "metrics": {name: found.to_json() for name, found in self.estimates.items()},
            "change_from_clean": None if change is None else {name: found.to_json() for name, found in change.items()},
        }


@dataclass(frozen=True)
class ScoredRun:
    """Predictions with what follows from them: errors, resamples and scores, each computed once a condition.

    Attributes:
        predictions: What was answered; rows of other pairs are not looked at.
        labels: The labels of the N pairs that count; one without a row costs the worst error.
        clusters: Groups of these pairs and the resamples that all conditions share.
        baseline_threshold_m: Shortest metric baseline with a direction.
    """

    predictions: Predictions
    labels: Labels
    clusters: Clusters
    baseline_threshold_m: float
    _errors: dict[str, ErrorTable] = field(default_factory=dict, init=False, repr=False, compare=False)
    _scores: dict[str, Score] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.clusters.index) != len(self.labels):
            raise ValueError(f"{len(self.clusters.index)} pairs have a group and {len(self.labels)} a label")

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions in the order of the predictions; clean where there is no row at all."""
        return self.predictions.conditions or (CLEAN_CONDITION,)

    @property
    def scores(self) -> tuple[Score, ...]:
        """The score of every condition, in order."""
        return tuple(self.score(condition) for condition in self.conditions)

    def score(self, condition: str = CLEAN_CONDITION) -> Score:
        """The score of one condition; without a row of it all pairs are missing."""
        if condition not in self._scores:
            self._scores[condition] = self._score(condition)
        return self._scores[condition]

    def errors(self, condition: str = CLEAN_CONDITION) -> ErrorTable:
        """The errors of every pair under one condition, which keep their resamples."""
        if condition not in self._errors:
            self._errors[condition] = error_table(
                condition, self.answers(condition), self.labels, directed=self._directed, in_metres=self._in_metres
            )
        return self._errors[condition]

    def answers(self, condition: str = CLEAN_CONDITION) -> Aligned:
        """The answers of one condition in the order of the labels."""
        return align(self.predictions, self._rows_of(condition))

    def counts(self, condition: str = CLEAN_CONDITION) -> Counts:
        """How many pairs there were under one condition, and what became of them."""
        rows = self._rows_of(condition)
        codes = self._status_codes[rows[rows >= 0]]
        ok, error, invalid, missing = (int((codes == code).sum()) for code in range(len(_STATUS_CODES)))
        return Counts(
            **self._left_out,
            error=error,
            # A file of somebody else's may call an answer ok that is no rotation.
            invalid=invalid + ok - int(self.errors(condition).valid.sum()),
            missing=missing + int((rows < 0).sum()),
        )

    def _score(self, condition: str) -> Score:
        errors, metrics = self.errors(condition), all_metrics()
        change = None
        if condition != CLEAN_CONDITION and CLEAN_CONDITION in self.conditions:
            clean = self.errors(CLEAN_CONDITION)
            change = {
                name: difference(errors.sampled(metric, self.clusters), clean.sampled(metric, self.clusters))
                for name, metric in metrics.items()
            }
        return Score(
            condition=condition,
            spec_version=load_metrics_spec().version,
            baseline_threshold_m=self.baseline_threshold_m,
            counts=self.counts(condition),
            estimates={name: errors.sampled(metric, self.clusters).estimate for name, metric in metrics.items()},
            change_from_clean=change,
        )

    def _rows_of(self, condition: str) -> NDArray[np.int64]:
        found = self._rows.get(condition)
        return np.full(len(self.labels), -1, dtype=np.int64) if found is None else found

    @cached_property
    def _rows(self) -> dict[str, NDArray[np.int64]]:
        """By condition, (N,) row of each pair, -1 where there is none."""
        place = {name: number for number, name in enumerate(self.labels.pair_id)}
        kinds = {name: number for number, name in enumerate(self.predictions.conditions)}
        count = len(self.predictions)
        pair = np.fromiter((place.get(name, -1) for name in self.predictions.pair_id), np.int64, count)
        condition = np.fromiter((kinds[name] for name in self.predictions.condition), np.int64, count)
        rows = np.full((len(kinds), len(self.labels)), -1, dtype=np.int64)
        known = np.flatnonzero(pair >= 0)
        rows[condition[known], pair[known]] = known
        return dict(zip(kinds, rows, strict=True))

    @cached_property
    def _status_codes(self) -> NDArray[np.uint8]:
        return np.array([_STATUS_CODES[status] for status in self.predictions.status], dtype=np.uint8)

    @cached_property
    def _directed(self) -> NDArray[np.bool_]:
        return self.labels.has_direction(self.baseline_threshold_m)

    @cached_property
    def _in_metres(self) -> NDArray[np.bool_]:
        return self.labels.has_scale(Scale.METRIC)

    @cached_property
    def _left_out(self) -> dict[str, int]:
        """What is the same under every condition: how many pairs there are and what their labels leave out."""
        rotation_only, uncertain = self.labels.has_scale(Scale.ROTATION_ONLY), self.labels.is_too_uncertain()
        return {
            "pairs": len(self.labels),
            "with_direction": int(self._directed.sum()),
            "short_baseline": int((~self._directed & ~rotation_only & ~uncertain).sum()),
            "uncertain_direction": int(uncertain.sum()),
            "rotation_only": int(rotation_only.sum()),
        }


_STATUS_CODES = {Status.OK: 0, Status.ERROR: 1, Status.INVALID: 2, Status.MISSING: 3}


def score_predictions(
    predictions: Predictions,
    labels: Labels,
    groups: Sequence[str] | None = None,
    *,
    baseline_threshold_m: float | None = None,
) -> ScoredRun:
    """Predictions with their scores.

    Args:
        predictions: Predictions of the pairs of the labels; pairs without a row cost the worst error.
        labels: The labels of the N pairs that count.
        groups: (N,) the group of each pair; without them no number has an interval.
        baseline_threshold_m: Shortest metric baseline with a direction, None for the specification's.

    Raises:
        InputError: A prediction is for a pair that has no label here.
    """
    check_known(predictions, labels.pair_id)
    clusters = ungrouped(len(labels)) if groups is None else draw_clusters(groups)
    return ScoredRun(predictions, labels, clusters, threshold_or_default(baseline_threshold_m))


def threshold_or_default(baseline_threshold_m: float | None) -> float:
    """A shortest metric baseline with a direction, the specification's for None."""
    return load_metrics_spec().baseline_threshold_m if baseline_threshold_m is None else baseline_threshold_m


def labels_and_groups(dataset: PairDataset, split: str, limit: int | None = None) -> tuple[Labels, list[str]]:
    """Labels and groups of every pair of a split, or of its first `limit`, read at once.

    Raises:
        InputError: There is no such split, a shard is damaged, a pair is there twice, or a label is no pose.
    """
    table = dataset.table(split, (*LABEL_COLUMNS, "group_id"), limit=limit)
    groups: list[str] = table.column("group_id").to_pylist()
    return Labels.of(labels_of(table, f"{dataset.folder}: split {split}")), groups
