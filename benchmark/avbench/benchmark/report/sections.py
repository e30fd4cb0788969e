"""The parts of the page that are about whole runs: headlines, scores, plots, comparison."""

from __future__ import annotations

from collections.abc import Sequence

from avbench.benchmark.breakdown import StratumScore, break_down
from avbench.benchmark.comparison import LabelSigma, compare_runs
from avbench.benchmark.comparison_tables import comparison_tables
from avbench.benchmark.intervals import Quantity, find_metrics
from avbench.benchmark.predictions import CLEAN_CONDITION
from avbench.benchmark.report.blocks import (
    colour_key,
    note_list,
    plain_table,
    run_legend,
    scrolling,
    section,
    tabs,
)
from avbench.benchmark.report.curves import (
    CURVE_QUANTITIES,
    SEVERITY_METRICS,
    RecallCurve,
    corruption_panels,
    other_conditions,
    recall_curves,
)
from avbench.benchmark.report.drawing import drawing, line, series_class
from avbench.benchmark.report.exports import caption
from avbench.benchmark.report.gather import ReportData
from avbench.benchmark.report.markup import NOTHING, Child, Markup, element
from avbench.benchmark.report.plots import (
    curve_colour,
    forest_plot,
    headline_plot,
    highest,
    is_per_cent,
    recall_plot,
    severity_plots,
    stratum_plot,
)
from avbench.benchmark.report.score_table import ScoreLine, metric_words, shown_metrics
from avbench.benchmark.strata import StratumColumns, cut_strata, find_strata
from avbench.benchmark.tables import CHANGE_METRIC, difference_text, interval_notes

HEADLINE_METRICS = ("total.auc@20", "total.auc@10", "rotation.median_deg", "direction.median_deg")
_CURVE_TITLES = {
    Quantity.ROTATION: "Rotation",
    Quantity.DIRECTION: "Direction",
    Quantity.TOTAL: "Pose: the larger of both",
}


def headline_section(lines: Sequence[ScoreLine]) -> Markup:
    """The clean score of every run in four numbers."""
    clean = [one for one in lines if one.condition == CLEAN_CONDITION]
    if not clean:
        return NOTHING
    tiles = []
    for metric in HEADLINE_METRICS:
        cells = [(one.label, one.cells[metric]) for one in clean]
        single = cells[0][1]
        tiles.append(
            element(
                "div",
                element("h3", metric_words(metric)),
                element("p", element("b", single.value_text), element("span", single.interval_text), class_="big")
                if len(cells) == 1
                else None,
                headline_plot(metric, cells),
                class_="tile",
            )
        )
    class_ = "tiles" if len(cells) > 1 else "tiles single"
    return element("div", tiles, class_=class_, aria_label="Headline results without corruption", role="group")


def score_section(data: ReportData, lines: Sequence[ScoreLine]) -> Markup:
    """The score tables: clean, and behind a fold every other condition."""
    clean = [one for one in lines if one.condition == CLEAN_CONDITION]
    others = [one for one in lines if one.condition != CLEAN_CONDITION]
    metrics = shown_metrics(lines)
    parts: list[Child] = []
    if clean:
        parts.append(_score_table("scores-clean", data, clean, metrics, with_change=False))
    if others:
        count = len({one.condition for one in others})
        table = _score_table("scores-conditions", data, others, metrics, with_change=bool(clean))
        parts.append(element("details", element("summary", f"All {count} conditions"), table, open=not clean))
    cells = [one.cells[metric] for one in lines for metric in metrics]
    estimates = [cell.estimate for cell in cells if cell.value is not None]
    brackets = "in brackets: 95 % intervals, from resampling groups"
    parts.append(note_list([*data.notes, brackets, *interval_notes(estimates)]))
    return section(
        "scores",
        "Scores",
        parts,
        lead="Errors in degrees, translation in metres, areas under the recall curve (AUC) in per cent. The pose error "
        "of a pair is the larger of its rotation and its direction error.",
    )


def _small(words: str) -> Markup | None:
    return element("span", words) if words else None


def _score_table(
    anchor: str, data: ReportData, lines: Sequence[ScoreLine], metrics: Sequence[str], *, with_change: bool
) -> Markup:
    several = len(data.runs) > 1
    heads = [element("th", "condition", scope="col", class_="stub")]
    heads += [element("th", "run", scope="col", class_="text")] if several else []
    heads += [element("th", metric_words(name, unit=False), scope="col") for name in metrics]
    heads += (
        [element("th", f"{metric_words(CHANGE_METRIC, unit=False)} minus clean", scope="col")] if with_change else []
    )
    heads += [element("th", words, scope="col") for words in ("pairs", "with direction", "failed")]
    rows = []
    for place, one in enumerate(lines):
        first = place == 0 or lines[place - 1].condition != one.condition
        run_cell = element("td", colour_key(series_class(one.run_number)), one.label, class_="text run", title=one.run)
        cells = [element("th", one.condition if first else "", scope="row", class_="stub")]
        cells += [run_cell] if several else []
        for name in metrics:
            cell = one.cells[name]
            cells.append(element("td", element("b", cell.value_text), _small(cell.interval_text), data_metric=name))
        if with_change:
            value, _, interval = ("-" if one.change is None else difference_text(one.change)).partition(" ")
            cells.append(element("td", element("b", value), _small(interval), data_metric="change"))
        counts = (("pairs", one.counts.pairs), ("with_direction", one.counts.with_direction))
        for name, count in (*counts, ("failed", one.counts.failed)):
            cells.append(element("td", str(count), data_metric=name))
        rows.append(
            element("tr", cells, data_run=one.run, data_condition=one.condition, class_="first" if first else None)
        )
    return scrolling(
        element(
            "table",
            element("thead", element("tr", heads)),
            element("tbody", rows),
            id=anchor,
            class_="scores",
        ),
        caption(data),
    )


def corruption_section(data: ReportData) -> Markup:
    """Metrics against severity, and those of conditions that are no corruptions."""
    names = [run.label for run in data.runs]
    first = corruption_panels(data, SEVERITY_METRICS[0])
    parts: list[Child] = []
    if first:
        panels = []
        for metric in SEVERITY_METRICS:
            found = corruption_panels(data, metric)
            plots = [
                element("figure", element("figcaption", panel.corruption), plot)
                for panel, plot in zip(found, severity_plots(found, metric, names), strict=True)
            ]
            panels.append((metric_words(metric), element("div", plots, class_="grid small")))
        parts += [run_legend(data), tabs("severity", panels)]
    others = other_conditions(data)
    if others:
        panels = [(metric_words(metric), _forest(data, others, metric, names)) for metric in SEVERITY_METRICS]
        parts += [element("h3", "Other conditions"), tabs("conditions", panels)]
    if not parts:
        return NOTHING
    lead = "Severity 0 is the picture as it is; all plots of a metric share one scale. Bars are 95 % intervals."
    return section("corruption", "Under corruption", parts, lead=lead)


def _forest(data: ReportData, conditions: Sequence[str], metric: str, names: Sequence[str]) -> Markup:
    found = [
        (condition, number, entry.estimates[metric])
        for condition in (CLEAN_CONDITION, *conditions)
        for number, run in enumerate(data.runs)
        if (entry := run.intervals_of(condition)) is not None
    ]
    return element(
        "figure", forest_plot(metric_words(metric), found, names, per_cent=is_per_cent(metric)), class_="forest"
    )


def curve_section(data: ReportData) -> Markup:
    """Recall by threshold for each kind of error."""
    figures, legend = [], NOTHING
    for quantity in CURVE_QUANTITIES:
        curves = recall_curves(data, quantity)
        if not curves or not curves[0].recall[0].pairs:
            continue
        figures.append(
            element("figure", element("figcaption", _CURVE_TITLES[quantity]), recall_plot(str(quantity), curves))
        )
        legend = _curve_legend(curves)
    if not figures:
        return NOTHING
    lead = "Share of pairs whose error is below a threshold. The band is the 95 % interval of the clean curve."
    return section("curves", "Error curves", legend, element("div", figures, class_="grid wide"), lead=lead)


def _curve_legend(curves: Sequence[RecallCurve]) -> Markup:
    entries = []
    for place, curve in enumerate(curves):
        style = "curve" if curve.severity == 0 else "curve dashed"
        key = line(0, 4, 18, 4, f"{style} {series_class(curve_colour(curve, place, curves))}")
        entries.append(element("li", drawing("", 18, 8, key, class_="key"), curve.label))
    return element("ul", entries, class_="legend")


def strata_section(data: ReportData) -> Markup:
    """Clean metrics by what a pair is like."""
    runs = [run for run in data.runs if CLEAN_CONDITION in run.conditions]
    strata = cut_strata(data.columns, find_strata(()))
    if len(runs) != len(data.runs) or not strata:
        return NOTHING
    metrics = find_metrics(SEVERITY_METRICS)
    by_run = [break_down(data.errors(run, CLEAN_CONDITION), strata, data.clusters, metrics) for run in runs]
    panels = []
    for metric in SEVERITY_METRICS:
        every = [score.estimates[metric] for found in by_run for stratum in found for score in stratum.scores]
        top = highest(every)
        plots = [
            _stratum_figure([found[place] for found in by_run], metric, [run.label for run in runs], top)
            for place in range(len(strata))
        ]
        panels.append((metric_words(metric), element("div", plots, class_="grid medium")))
    lead = (
        "Clean scores by what a pair is like, as it is stored. Bars are 95 % intervals; a bin of fewer than 10 groups "
        "has none. n counts the pairs of a bin."
    )
    return section("strata", "Breakdown", run_legend(data), tabs("strata", panels), lead=lead)


def _stratum_figure(scores: Sequence[StratumScore], metric: str, names: Sequence[str], top: float) -> Markup:
    source = scores[0].stratum.source
    title = element("figcaption", _stratum_words(source), title=source.description)
    return element("figure", title, stratum_plot(scores, metric, names, top))


def _stratum_words(source: StratumColumns) -> str:
    """Name and unit: columns end in their unit, which is not said twice."""
    if not source.unit:
        return source.name.replace("_", " ")
    return f"{source.name.lower().removesuffix(f'_{source.unit.lower()}').replace('_', ' ')}, {source.unit}"


def comparison_section(data: ReportData) -> Markup:
    """Every other run against the first on clean pairs; nothing for a single run."""
    runs = [run for run in data.runs if CLEAN_CONDITION in run.conditions]
    if len(runs) < 2 or runs[0] is not data.runs[0]:
        return NOTHING
    sigma = LabelSigma.of(
        *(data.columns.column(name).to_pylist() for name in ("pose_sigma_deg", "direction_sigma_deg"))
    )
    parts = []
    base = data.errors(runs[0], CLEAN_CONDITION)
    for run in runs[1:]:
        found = compare_runs(
            [data.errors(run, CLEAN_CONDITION)], [base], data.clusters, names=(run.label, runs[0].label), sigma=sigma
        )
        parts += [plain_table(table) for table in comparison_tables(found)[:2]]
    lead = [
        "Paired on the same pairs, without corruption; ",
        element("code", "avbench compare"),
        " does the same for every condition and stratum.",
    ]
    return section("comparison", "Run against run", parts, lead=lead)
