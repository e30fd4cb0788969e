"""The parts of the page that are about whole runs: headlines, scores, plots, comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from avbench.benchmark.plots.breakdown import BreakdownSeries, breakdown_plot
from avbench.benchmark.plots.canvas import estimate_ends, value_range
from avbench.benchmark.plots.forest import ForestRow, forest_plot, headline_plot
from avbench.benchmark.plots.recall import RecallCurve, recall_plot
from avbench.benchmark.plots.scatter import MOST_POINTS, scatter_plot
from avbench.benchmark.plots.severity import severity_plot
from avbench.benchmark.plots.svg import spent_svg
from avbench.benchmark.predictions.file import CLEAN_CONDITION
from avbench.benchmark.report.best import RULE
from avbench.benchmark.report.curves import (
    CURVE_QUANTITIES,
    SEVERITY_METRICS,
    corruption_panels,
    other_conditions,
    recall_curves,
)
from avbench.benchmark.report.gather import ReportData, RunData
from avbench.benchmark.report.score_table import ScoreLine, metric_scale, metric_words, shown_metrics
from avbench.benchmark.report.views import Cell, Drawn, Key, Panel, ScoreRow, ScoreTable, Tile, series_style
from avbench.benchmark.scoring.breakdown import StratumScore, break_down
from avbench.benchmark.scoring.comparison import compare_runs
from avbench.benchmark.scoring.label_noise import LabelSigma
from avbench.benchmark.scoring.metric import Quantity, find_metrics
from avbench.benchmark.scoring.strata import StratumColumns, cut_strata, find_strata
from avbench.benchmark.tables.comparisons import Table, comparison_tables
from avbench.benchmark.tables.scores import CHANGE_METRIC, difference_text, interval_notes

HEADLINE_METRICS = ("total.auc@20", "total.auc@10", "rotation.median_deg", "direction.median_deg")
_CURVE_TITLES = {
    Quantity.ROTATION: "Rotation",
    Quantity.DIRECTION: "Direction",
    Quantity.TOTAL: "Pose: the larger of both",
}


def run_legend(data: ReportData) -> list[Key]:
    """Names of the runs with their colours."""
    return [Key(run.label, series_style(number)) for number, run in enumerate(data.runs)]


def headline_tiles(lines: Sequence[ScoreLine]) -> list[Tile]:
    """The clean score of every run in four numbers; empty without clean."""
    clean = [line for line in lines if line.condition == CLEAN_CONDITION]
    tiles = []
    for metric in HEADLINE_METRICS if clean else ():
        single, words = clean[0].cells[metric], metric_words(metric)
        rows = [ForestRow(one.label, one.label, one.run_number, one.cells[metric].estimate) for one in clean]
        plot = spent_svg(headline_plot(rows, metric_scale(metric)), f"{words} of every run")
        tiles.append(Tile(words, single.value_text, single.interval_text, plot))
    return tiles


@dataclass(frozen=True)
class ScorePart:
    """The score tables.

    Attributes:
        clean: Clean scores, None where no run has any.
        others: Those of every other condition, None without.
        other_conditions: How many these are.
        notes: What a reader must know about both.
    """

    clean: ScoreTable | None
    others: ScoreTable | None
    other_conditions: int
    notes: tuple[str, ...]


def score_part(data: ReportData, lines: Sequence[ScoreLine]) -> ScorePart:
    """The score tables: clean, and every other condition."""
    clean = [line for line in lines if line.condition == CLEAN_CONDITION]
    others = [line for line in lines if line.condition != CLEAN_CONDITION]
    metrics = shown_metrics(lines)
    cells = [line.cells[metric] for line in lines for metric in metrics]
    estimates = [cell.estimate for cell in cells if cell.value is not None]
    bold = [RULE] if any(cell.best for cell in cells) else []
    return ScorePart(
        clean=_score_table("scores-clean", clean, metrics, with_change=False) if clean else None,
        others=_score_table("scores-conditions", others, metrics, with_change=bool(clean)) if others else None,
        other_conditions=len({other.condition for other in others}),
        notes=(*data.notes, "in brackets: 95 % intervals, from resampling groups", *bold, *interval_notes(estimates)),
    )


def _score_table(anchor: str, lines: Sequence[ScoreLine], metrics: Sequence[str], *, with_change: bool) -> ScoreTable:
    heads = [metric_words(name, unit=False) for name in metrics]
    heads += [f"{metric_words(CHANGE_METRIC, unit=False)} minus clean"] if with_change else []
    rows = []
    for place, one in enumerate(lines):
        cells = [
            Cell(name, one.cells[name].value_text, one.cells[name].interval_text, one.cells[name].best)
            for name in metrics
        ]
        if with_change:
            value, _, interval = ("-" if one.change is None else difference_text(one.change)).partition(" ")
            cells.append(Cell("change", value, interval))
        counts = one.counts
        rows.append(
            ScoreRow(
                run=one.run,
                label=one.label,
                style=series_style(one.run_number),
                condition=one.condition,
                first=place == 0 or lines[place - 1].condition != one.condition,
                cells=tuple(cells),
                counts=(
                    ("pairs", counts.pairs),
                    ("with_direction", counts.with_direction),
                    ("failed", counts.failed),
                ),
            )
        )
    return ScoreTable(anchor, (*heads, "pairs", "with direction", "failed"), tuple(rows))


@dataclass(frozen=True)
class CorruptionPart:
    """Metrics against severity, a tab for each; and under conditions that are no corruptions."""

    severities: tuple[Panel, ...]
    others: tuple[Panel, ...]


def corruption_part(data: ReportData) -> CorruptionPart | None:
    """Metrics against severity, and those of conditions that are no corruptions; None without either."""
    severities = [Panel(metric_words(metric), _severity_plots(data, metric)) for metric in SEVERITY_METRICS]
    others = other_conditions(data)
    forests = [
        Panel(metric_words(metric), (Drawn("", _forest(data, others, metric)),))
        for metric in SEVERITY_METRICS
        if others
    ]
    shown = tuple(severities) if severities[0].figures else ()
    return CorruptionPart(shown, tuple(forests)) if shown or forests else None


def _severity_plots(data: ReportData, metric: str) -> tuple[Drawn, ...]:
    """One metric against severity, a plot for each corruption, all on one scale."""
    scale, panels = metric_scale(metric), corruption_panels(data, metric)
    points = [point for panel in panels for series in panel.series for point in series.points]
    ticks = value_range(estimate_ends(found for _, found in points), intervals=3, cap=scale.cap)
    severities = sorted({severity for severity, _ in points} | {0})
    return tuple(
        Drawn(
            panel.corruption,
            spent_svg(
                severity_plot(panel.series, scale, severities, ticks), f"{panel.corruption}: {scale.words} by severity"
            ),
        )
        for panel in panels
    )


def _forest(data: ReportData, conditions: Sequence[str], metric: str) -> Markup:
    rows = [
        ForestRow(condition, run.label, number, entry.estimates[metric])
        for condition in (CLEAN_CONDITION, *conditions)
        for number, run in enumerate(data.runs)
        if (entry := run.score_of(condition)) is not None
    ]
    scale = metric_scale(metric)
    return spent_svg(forest_plot(rows, scale), f"{scale.words} by condition")


@dataclass(frozen=True)
class CurvePart:
    """Recall by threshold for each kind of error, and what each curve is."""

    legend: tuple[Key, ...]
    figures: tuple[Drawn, ...]


def curve_part(data: ReportData) -> CurvePart | None:
    """Recall by threshold for each kind of error that is scored; None without any."""
    figures: list[Drawn] = []
    legend: tuple[Key, ...] = ()
    for quantity in CURVE_QUANTITIES:
        curves = recall_curves(data, quantity)
        if not curves or not curves[0].recall[0].pairs:
            continue
        words = f"{quantity}: share of pairs below an error threshold"
        figures.append(Drawn(_CURVE_TITLES[quantity], spent_svg(recall_plot(curves), words)))
        legend = _curve_legend(curves)
    return CurvePart(legend, tuple(figures)) if figures else None


def _curve_legend(curves: Sequence[RecallCurve]) -> tuple[Key, ...]:
    return tuple(Key(curve.label, series_style(curve.place) + ("" if curve.clean else " dashed")) for curve in curves)


@dataclass(frozen=True)
class StrataPart:
    """Clean metrics by what a pair is like, a tab for each."""

    panels: tuple[Panel, ...]


def strata_part(data: ReportData) -> StrataPart | None:
    """Clean metrics by what a pair is like; None without strata, or where a run has no clean scores."""
    runs = [run for run in data.runs if CLEAN_CONDITION in run.conditions]
    strata = cut_strata(data.columns, find_strata(()))
    if len(runs) != len(data.runs) or not strata:
        return None
    metrics = find_metrics(SEVERITY_METRICS)
    by_run = [break_down(run.scored.errors(), strata, data.clusters, metrics) for run in runs]
    panels = []
    for metric in SEVERITY_METRICS:
        every = [score.estimates[metric] for found in by_run for stratum in found for score in stratum.scores]
        ticks = value_range(estimate_ends(every), cap=metric_scale(metric).cap)
        names = [run.label for run in runs]
        plots = [_stratum([found[place] for found in by_run], metric, names, ticks) for place in range(len(strata))]
        panels.append(Panel(metric_words(metric), tuple(plots)))
    return StrataPart(tuple(panels))


def _stratum(scores: Sequence[StratumScore], metric: str, names: Sequence[str], ticks: Sequence[float]) -> Drawn:
    stratum, scale = scores[0].stratum, metric_scale(metric)
    series = [
        BreakdownSeries(name, tuple(one.estimates[metric] for one in score.scores))
        for name, score in zip(names, scores, strict=True)
    ]
    plot = spent_svg(breakdown_plot(stratum.bins, series, scale, ticks), f"{scale.words} by {stratum.source.name}")
    return Drawn(_stratum_words(stratum.source), plot, stratum.source.description)


def _stratum_words(source: StratumColumns) -> str:
    """Name and unit: columns end in their unit, which is not said twice."""
    if not source.unit:
        return source.name.replace("_", " ")
    return f"{source.name.lower().removesuffix(f'_{source.unit.lower()}').replace('_', ' ')}, {source.unit}"


@dataclass(frozen=True)
class RunComparison:
    """One run against the first.

    Attributes:
        tables: Metric by metric and pair by pair.
        scatters: The errors of every pair, a plot for each kind of error that is scored.
        reading: How the plots are read.
    """

    tables: tuple[Table, ...]
    scatters: tuple[Drawn, ...]
    reading: str


@dataclass(frozen=True)
class ComparisonPart:
    """Every other run against the first."""

    runs: tuple[RunComparison, ...]


def comparison_part(data: ReportData) -> ComparisonPart | None:
    """Every other run against the first on clean pairs; None for a single run."""
    runs = [run for run in data.runs if CLEAN_CONDITION in run.conditions]
    if len(runs) < 2 or runs[0] is not data.runs[0]:
        return None
    sigma = LabelSigma.of(
        *(data.columns.column(name).to_pylist() for name in ("pose_sigma_deg", "direction_sigma_deg"))
    )
    return ComparisonPart(tuple(_against(data, run, sigma) for run in runs[1:]))


def _against(data: ReportData, run: RunData, sigma: LabelSigma) -> RunComparison:
    first = data.runs[0]
    errors, base = run.scored.errors(), first.scored.errors()
    found = compare_runs([errors], [base], data.clusters, names=(run.label, first.label), sigma=sigma)
    scatters = []
    for quantity in CURVE_QUANTITIES:
        a, b = errors.of(quantity), base.of(quantity)
        if np.isfinite(a).any():
            plot = scatter_plot(a, b, names=(run.label, first.label), place=data.runs.index(run))
            words = f"{quantity} error of every pair, {run.label} against {first.label}"
            scatters.append(Drawn(_CURVE_TITLES[quantity], spent_svg(plot, words)))
    reading = f"Errors of every pair on logarithmic axes: below the line {run.label} is better, above it {first.label}."
    if len(data.labels) > MOST_POINTS:
        reading += f" Drawn are {MOST_POINTS} of the pairs, chosen at random."
    return RunComparison(tuple(comparison_tables(found)[:2]), tuple(scatters), reading)
