"""What the plots of a report show: recall by threshold, and metrics by corruption and severity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avbench.benchmark.conditions.corruptions import Condition, Frames
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.plots.recall import RecallCurve
from avbench.benchmark.plots.severity import SeveritySeries
from avbench.benchmark.predictions.file import CLEAN_CONDITION
from avbench.benchmark.report.gather import ReportData, RunData
from avbench.benchmark.scoring.bootstrap import Clusters, shares_below
from avbench.benchmark.scoring.metric import Quantity
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray

RECALL_STEPS = 80
CURVE_QUANTITIES = (Quantity.ROTATION, Quantity.DIRECTION, Quantity.TOTAL)
SEVERITY_METRICS = ("total.auc@20", "rotation.mean_deg", "direction.mean_deg")
"""Metrics that are plotted against severity; means, because a median does not see the pairs that are lost."""


@dataclass(frozen=True)
class CorruptionPanel:
    """One metric under one corruption, of all runs that were evaluated under it.

    Attributes:
        corruption: Its name; where frames other than the recipe's own are hit, these too.
        series: One for every run.
    """

    corruption: str
    series: tuple[SeveritySeries, ...]


def corruption_of(name: str) -> tuple[str, int] | None:
    """Corruption and severity of a condition's name, None if it is neither a corruption nor clean.

    Clean is ("", 0). Frames belong to the corruption: `fog-3-a` is severity 3 of `fog, frame a`.
    """
    try:
        condition = Condition.parse(name)
    except InputError:
        return None
    if condition.corruption is None:
        return "", 0
    own = Condition.of(condition.corruption, condition.severity)
    suffix = "" if condition.frames is own.frames else f", {_FRAMES[condition.frames]}"
    return f"{str(condition.corruption).replace('_', ' ')}{suffix}", condition.severity


_FRAMES = {Frames.A: "frame a", Frames.B: "frame b", Frames.BOTH: "both frames", Frames.ONE: "one frame"}


def recall_curves(data: ReportData, quantity: Quantity) -> list[RecallCurve]:
    """Recall curves of one kind of error, each in the colour of its run, or in one of its own where all are of one run.

    A report on one run shows clean and every severity, all corruptions of a severity pooled; one on several runs shows
    clean and the highest severity of each.
    """
    curves: list[RecallCurve] = []
    for number, run in enumerate(data.runs):
        severities = _conditions_by_severity(run)
        chosen = sorted(severities) if len(data.runs) == 1 else sorted({*severities} & {0, max(severities, default=0)})
        for severity in chosen:
            label = "clean" if severity == 0 else f"severity {severity}, all corruptions"
            if len(data.runs) > 1:
                label = f"{run.label}, {label}"
            errors = [run.scored.errors(condition).of(quantity) for condition in severities[severity]]
            place = number if len(data.runs) > 1 else len(curves)
            curves.append(_recall(label, place, errors, data.clusters, clean=severity == 0))
    return curves


def _conditions_by_severity(run: RunData) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for name in run.conditions:
        parsed = corruption_of(name)
        if parsed is not None:
            found.setdefault(parsed[1], []).append(name)
    return found


def _recall(label: str, place: int, errors: Sequence[FloatArray], clusters: Clusters, *, clean: bool) -> RecallCurve:
    thresholds = np.linspace(0.0, max(load_metrics_spec().auc_thresholds_deg), RECALL_STEPS + 1)
    return RecallCurve(label, place, clean, thresholds, shares_below(errors, thresholds, clusters))


def corruption_panels(data: ReportData, metric: str) -> list[CorruptionPanel]:
    """One metric against severity, a panel for each corruption, in the order of the conditions."""
    names: dict[str, None] = {}
    for condition in data.conditions:
        parsed = corruption_of(condition)
        if parsed is not None and parsed[0]:
            names.setdefault(parsed[0])
    return [
        CorruptionPanel(
            corruption,
            tuple(
                series
                for number, run in enumerate(data.runs)
                if (series := _severity_series(run, number, corruption, metric)) is not None
            ),
        )
        for corruption in names
    ]


def _severity_series(run: RunData, place: int, corruption: str, metric: str) -> SeveritySeries | None:
    points = []
    for entry in run.scores:
        name, severity = corruption_of(entry.condition) or (None, 0)
        if name in (corruption, ""):
            points.append((severity, entry.estimates[metric]))
    if not any(severity for severity, _ in points):
        return None
    return SeveritySeries(run.label, place, tuple(sorted(points, key=lambda point: point[0])))


def other_conditions(data: ReportData) -> list[str]:
    """Names of the conditions that are no corruption of pictures, such as listening probes."""
    return [name for name in data.conditions if name != CLEAN_CONDITION and corruption_of(name) is None]
