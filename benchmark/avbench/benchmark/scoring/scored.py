"""Predictions with their scores and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.predictions.file import Predictions
from avbench.benchmark.scoring.bootstrap import draw_clusters
from avbench.benchmark.scoring.intervals import ConditionIntervals, score_intervals
from avbench.benchmark.scoring.score import Labels, Score, score


@dataclass(frozen=True)
class Scored:
    """Predictions with their scores.

    Attributes:
        predictions: What was answered.
        scores: The score of every condition, in the order of the predictions.
        intervals: The intervals of the same conditions.
    """

    predictions: Predictions
    scores: tuple[Score, ...]
    intervals: tuple[ConditionIntervals, ...]


def score_predictions(
    predictions: Predictions, labels: Labels, groups: Sequence[str], *, baseline_threshold_m: float | None = None
) -> Scored:
    """Scores of every condition with their intervals.

    Args:
        predictions: Predictions of the pairs of the labels.
        labels: The labels of the N pairs that count.
        groups: (N,) the group of each pair.
        baseline_threshold_m: Shortest metric baseline with a direction, None for the specification's.

    Raises:
        InputError: A prediction is for a pair that has no label here.
    """
    scores = score(predictions, labels, baseline_threshold_m=baseline_threshold_m)
    clusters = draw_clusters(groups)
    intervals = score_intervals(predictions, labels, clusters, baseline_threshold_m=baseline_threshold_m)
    return Scored(predictions, tuple(scores), tuple(intervals))


def group_ids(dataset: PairDataset, split: str, limit: int | None) -> list[str]:
    """The group of every pair of a split, or of its first `limit`."""
    ids: list[str] = dataset.table(split, ("group_id",), limit=limit).column("group_id").to_pylist()
    return ids
