"""The numbers of a reference table: every row under every condition, and what rows differ by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from avbench.benchmark.predictions.file import Predictions
from avbench.benchmark.reference.confidence import ConfidenceQuality, confidence_quality, confidences
from avbench.benchmark.reference.plan import FLOOR, FUSED, Contrast, Row
from avbench.benchmark.scoring.bootstrap import Clusters, Difference, Estimate, Sampled, difference
from avbench.benchmark.scoring.errors import ErrorTable
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.metric import find_metrics
from avbench.benchmark.scoring.score import Counts, ScoredRun, threshold_or_default

ROTATION = "rotation.mean_deg"
DIRECTION = "direction.mean_deg"
SHOWN_METRICS = (ROTATION, "rotation.median_deg", DIRECTION, "total.auc@10", "total.auc@20")
"""Metrics of the score table."""
COMPARED_METRICS = (ROTATION, DIRECTION, "total.auc@10", "total.auc@20")
"""Metrics of which differences are shown."""
GAIN_METRICS = (ROTATION, DIRECTION)
"""Errors of which differences are also shown in per cent; per cent of an AUC near zero mean nothing."""


@dataclass(frozen=True)
class Cell:
    """One row under one condition.

    Attributes:
        row: The row.
        condition: The suite's condition.
        counts: How many pairs, and what became of them.
        errors: Errors of every pair.
        sampled: The shown metrics and their resamples.
        share: Mean rotation error as a share of mean-motion's, paired; None without that row.
        confidence: What its confidence is worth; None where it gives none.
    """

    row: Row
    condition: str
    counts: Counts
    errors: ErrorTable
    sampled: Mapping[str, Sampled]
    share: Estimate | None
    confidence: ConfidenceQuality | None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "model": self.row.name,
            "condition": self.condition,
            "pairs": self.counts.pairs,
            "with_direction": self.counts.with_direction,
            "failed": self.counts.failed,
            "metrics": {name: value.estimate.to_json() for name, value in self.sampled.items()},
            "share_of_mean_motion": None if self.share is None else self.share.to_json(),
        }


@dataclass(frozen=True)
class Gain:
    """Two rows compared under one condition.

    Attributes:
        contrast: The rows.
        condition: The suite's condition.
        difference: A minus B by metric, paired.
        gain_percent: By how many per cent of B's mean error A's is smaller, by metric.
        share_of_gain: Of a gain over pictures in mean rotation, how much it is of what `fusion` of the bundle itself
            gains; None for other comparisons.
    """

    contrast: Contrast
    condition: str
    difference: Mapping[str, Difference]
    gain_percent: Mapping[str, Estimate]
    share_of_gain: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "a": self.contrast.a.name,
            "b": self.contrast.b.name,
            "condition": self.condition,
            "difference": {name: value.to_json() for name, value in self.difference.items()},
            "gain_percent": {name: value.to_json() for name, value in self.gain_percent.items()},
            "share_of_gain": None if self.share_of_gain is None else self.share_of_gain.to_json(),
        }


def score_cells(
    answers: Mapping[str, Predictions],
    rows: Sequence[Row],
    conditions: Mapping[str, Mapping[str, str]],
    labels: Labels,
    clusters: Clusters,
) -> list[Cell]:
    """Score every row under every condition, condition by condition.

    Args:
        answers: Predictions by name of the row.
        rows: The rows.
        conditions: By condition of the suite and row: what the row's predictions call it.
        labels: Labels of the N pairs.
        clusters: Groups of these pairs and the resamples.
    """
    metrics = find_metrics(SHOWN_METRICS)
    runs = {row.name: ScoredRun(answers[row.name], labels, clusters, threshold_or_default(None)) for row in rows}
    cells: list[Cell] = []
    for condition, called in conditions.items():
        made: list[Cell] = []
        for row in rows:
            predictions, name = answers[row.name], called[row.name]
            errors = replace(runs[row.name].errors(name), condition=condition)
            sure = confidences(predictions, labels.pair_id, name)
            made.append(
                Cell(
                    row,
                    condition,
                    runs[row.name].counts(name),
                    errors,
                    {metric.name: errors.sampled(metric, clusters) for metric in metrics},
                    share=None,
                    confidence=confidence_quality(errors.rotation_deg, sure, clusters),
                )
            )
        floor = next((cell.sampled[ROTATION] for cell in made if cell.row.is_plain(FLOOR)), None)
        if floor is not None:
            made = [replace(cell, share=cell.sampled[ROTATION].over(floor).estimate) for cell in made]
        cells += made
    return cells


def compare_cells(cells: Sequence[Cell], planned: Sequence[Contrast]) -> list[Gain]:
    """Every planned comparison under every condition, condition by condition."""
    found = {(cell.row.name, cell.condition): cell.sampled for cell in cells}

    def gained(contrast: Contrast, condition: str) -> Sampled:
        return found[contrast.b.name, condition][ROTATION].minus(found[contrast.a.name, condition][ROTATION])

    whole = next((one for one in planned if one.over_pictures and one.a.is_plain(FUSED)), None)
    gains = []
    for condition in dict.fromkeys(cell.condition for cell in cells):
        for contrast in planned:
            a, b = found[contrast.a.name, condition], found[contrast.b.name, condition]
            share = None
            if contrast.over_pictures and whole is not None:
                share = gained(contrast, condition).over(gained(whole, condition)).estimate
            gains.append(
                Gain(
                    contrast,
                    condition,
                    {name: difference(a[name], b[name]) for name in COMPARED_METRICS},
                    {name: a[name].percent_below(b[name]) for name in GAIN_METRICS},
                    share,
                )
            )
    return gains
