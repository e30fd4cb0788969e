"""The plots of a report: headlines, recall curves, metrics against severity and by stratum."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from avbench.benchmark.breakdown import StratumScore
from avbench.benchmark.report.curves import CorruptionPanel, RecallCurve
from avbench.benchmark.report.drawing import (
    Axis,
    dot,
    drawing,
    fixed_axis,
    grid,
    line,
    path,
    signed_axis,
    text,
    value_axis,
    whisker,
)
from avbench.benchmark.report.gather import shorten
from avbench.benchmark.report.score_table import MetricCell, metric_decimals, metric_words
from avbench.benchmark.report.views import series_style
from avbench.benchmark.statistics import Estimate
from avbench.benchmark.strata import Bin
from avbench.benchmark.tables import number

_LONGEST_TICK = 9


def is_per_cent(metric: str) -> bool:
    """Whether a metric runs from 0 to 100."""
    return "auc" in metric


def estimate_words(estimate: Estimate, metric: str) -> str:
    """A number and its interval for the title of a mark."""
    return _estimate_words(estimate, metric_decimals(metric))


def _estimate_words(estimate: Estimate, decimals: int) -> str:
    words = number(None if math.isnan(estimate.value) else estimate.value, decimals)
    if estimate.low is not None and estimate.high is not None:
        words += f" (95 % {number(estimate.low, decimals)} to {number(estimate.high, decimals)})"
    return f"{words}, {estimate.pairs} pairs in {estimate.groups} groups"


def highest(estimates: Iterable[Estimate]) -> float:
    """The highest number or end of an interval, infinities apart; 0 without any."""
    ends = [end for one in estimates for end in (one.value, one.high) if end is not None and math.isfinite(end)]
    return max(ends, default=0.0)


def headline_plot(metric: str, cells: Sequence[tuple[str, MetricCell]]) -> Markup:
    """One metric of all runs as dots with whiskers on one scale, each with its number.

    Args:
        metric: The metric.
        cells: Name of the run and its number.
    """
    width, row = 300.0, 34.0
    several = len(cells) > 1
    # A single run has its number above the drawing.
    offset = 26.0 if several else 10.0
    bottom = row * (len(cells) - 1) + offset
    cap = 100.0 if is_per_cent(metric) else None
    axis = value_axis(highest(cell.estimate for _, cell in cells), 6, width - 6, cap=cap)
    marks: list[Markup] = []
    for place, (name, cell) in enumerate(cells):
        colour, y = series_style(place), row * place + offset
        marks.append(line(axis.start, y, axis.stop, y, "rule"))
        if several:
            marks.append(text(axis.start, y - 11, name, class_="name"))
        value = cell.value
        if value is None or not math.isfinite(value):
            marks.append(text(axis.start, y + 4, "not scored" if value is None else "infinite", class_="dim"))
            continue
        low, high = cell.estimate.low, cell.estimate.high
        if low is not None and high is not None:
            marks.append(line(axis(low), y, axis(high), y, f"interval {colour}"))
        title = f"{name}: {metric_words(metric)} {estimate_words(cell.estimate, metric)}"
        marks.append(dot(axis(value), y, colour, title, radius=4.5))
        if several:
            marks.append(text(axis.stop, y - 11, cell.value_text, anchor="end", class_="number"))
    marks.append(text(axis.start, bottom + 19, axis.labels[0], class_="dim"))
    marks.append(text(axis.stop, bottom + 19, axis.labels[-1], anchor="end", class_="dim"))
    return drawing(f"{metric_words(metric)} of every run", width, bottom + 24, marks)


def recall_plot(title: str, curves: Sequence[RecallCurve]) -> Markup:
    """Recall by threshold; clean curves with their band, those under corruption dashed."""
    width, height = 380.0, 260.0
    top = highest(one for curve in curves for one in curve.recall)
    y = value_axis(top, height - 36, 22, cap=100.0)
    largest = float(curves[0].threshold_deg[-1])
    marks_at = [mark for mark in (0.0, 5.0, 10.0, 15.0, 20.0) if mark <= largest]
    x = fixed_axis(marks_at, [f"{mark:g}°" for mark in marks_at], 40, width - 10)
    marks = grid(x, y, x_title="error threshold", y_title="pairs below, %", x_lines=True)
    for curve in curves:
        band = _band(curve, x, y)
        if band and curve.severity == 0:
            marks.append(path(band, f"band {series_style(curve.run)}", closed=True))
    for number_of_curve, curve in enumerate(curves):
        points = [
            (x(float(threshold)), y(one.value))
            for threshold, one in zip(curve.threshold_deg, curve.recall, strict=True)
            if math.isfinite(one.value)
        ]
        colour = series_style(curve_colour(curve, number_of_curve, curves))
        style = "curve" if curve.severity == 0 else "curve dashed"
        marks.append(path(points, f"{style} {colour}", title=f"{curve.label}, {curve.recall[0].pairs} answers"))
    return drawing(f"{title}: share of pairs below an error threshold", width, height, marks)


def curve_colour(curve: RecallCurve, place: int, curves: Sequence[RecallCurve]) -> int:
    """Number of a curve's colour: that of its run, or its own where all are of one run."""
    return place if len({one.run for one in curves}) == 1 else curve.run


def _band(curve: RecallCurve, x: Axis, y: Axis) -> list[tuple[float, float]]:
    ends = [(x(float(at)), one.low, one.high) for at, one in zip(curve.threshold_deg, curve.recall, strict=True)]
    kept = [(at, low, high) for at, low, high in ends if low is not None and high is not None]
    return [(at, y(high)) for at, _, high in kept] + [(at, y(low)) for at, low, _ in reversed(kept)]


def severity_plots(panels: Sequence[CorruptionPanel], metric: str, names: Sequence[str]) -> list[Markup]:
    """One metric against severity, a small plot for each corruption; all on one scale.

    Args:
        panels: The corruptions.
        metric: The metric.
        names: Names of the runs.
    """
    everything = [point.estimate for panel in panels for series in panel.series for point in series.points]
    severities = sorted({p.severity for panel in panels for series in panel.series for p in series.points} | {0})
    labels = [str(severity) for severity in severities]
    drawn = []
    for panel in panels:
        width, height = 206.0, 138.0
        y = value_axis(highest(everything), height - 22, 12, intervals=3, cap=100.0 if is_per_cent(metric) else None)
        x = fixed_axis(severities, labels, 34, width - 6, margin=0.45)
        marks = grid(x, y)
        for place, series in enumerate(panel.series):
            colour = series_style(series.run)
            shift = dodge(place, len(panel.series), 5.0)
            points = [p for p in series.points if math.isfinite(p.estimate.value)]
            marks.append(path([(x(p.severity) + shift, y(p.estimate.value)) for p in points], f"curve {colour}"))
            for point in points:
                at, one = x(point.severity) + shift, point.estimate
                if one.low is not None and one.high is not None:
                    marks.append(whisker(at, y(one.low), y(one.high), colour))
                where = "clean" if point.severity == 0 else f"severity {point.severity}"
                words = f"{names[series.run]}, {where}: {metric_words(metric)} {estimate_words(one, metric)}"
                marks.append(dot(at, y(one.value), colour, words, radius=2.6))
        drawn.append(drawing(f"{panel.corruption}: {metric_words(metric)} by severity", width, height, marks))
    return drawn


def stratum_plot(scores: Sequence[StratumScore], metric: str, names: Sequence[str], top: float) -> Markup:
    """One metric by the bins of one stratum, of all runs.

    Args:
        scores: The stratum's scores, one for each run.
        metric: The metric.
        names: Names of the runs.
        top: Highest value on the scale, so that strata can be compared.
    """
    width, height = 320.0, 178.0
    stratum = scores[0].stratum
    y = value_axis(top, height - 40, 12, cap=100.0 if is_per_cent(metric) else None)
    places = [float(place) for place in range(len(stratum.bins))]
    x = fixed_axis(places, [bin_words(one) for one in stratum.bins], 36, width - 4, margin=0.5)
    marks = grid(x, y)
    for place, one in enumerate(stratum.bins):
        marks.append(text(x(place), y.start + 28, f"n {int(one.members.sum())}", anchor="middle", class_="dim small"))
    for run, score in enumerate(scores):
        colour, shift = series_style(run), dodge(run, len(scores), 9.0)
        found = [(place, one.estimates[metric], one.bin) for place, one in enumerate(score.scores)]
        points = [(x(place) + shift, estimate, one) for place, estimate, one in found if math.isfinite(estimate.value)]
        marks.append(path([(at, y(e.value)) for at, e, one in points if one.ordered], f"curve thin {colour}"))
        for at, estimate, one in points:
            if estimate.low is not None and estimate.high is not None:
                marks.append(whisker(at, y(estimate.low), y(estimate.high), colour))
            words = f"{names[run]}, {one.label}: {metric_words(metric)} {estimate_words(estimate, metric)}"
            marks.append(dot(at, y(estimate.value), colour, words))
    return drawing(f"{metric_words(metric)} by {stratum.source.name}", width, height, marks)


def bin_words(one: Bin) -> str:
    """A bin in few letters; its unit stands in the heading of the plot."""
    if not one.ordered or (one.low is None and one.high is None):
        return shorten(one.label, _LONGEST_TICK)
    if one.low is None:
        return f"< {one.high:.3g}"
    if one.high is None:
        return f"≥ {one.low:.3g}"
    # A dash between numbers below zero would look like a sign.
    between = " to " if one.low < 0 else "\u2013"
    return f"{one.low:.3g}{between}{one.high:.3g}"


def dodge(place: int, count: int, step: float) -> float:
    """Sideways shift of mark `place` of `count`, so that none hides another."""
    return (place - (count - 1) / 2) * step


def forest_plot(
    title: str, rows: Sequence[tuple[str, int, Estimate]], names: Sequence[str], *, per_cent: bool, decimals: int = 2
) -> Markup:
    """One number under several conditions, one line each, with zero marked.

    Args:
        title: What the number is.
        rows: Condition, number of the run and estimate; rows of one condition follow each other.
        names: Names of the runs.
        per_cent: Whether the number runs from 0 to 100.
        decimals: Decimals in the titles of the marks.
    """
    width, row, left = 420.0, 20.0, 150.0
    ends = [end for _, _, one in rows for end in (one.value, one.low, one.high) if end is not None]
    axis = signed_axis([end for end in ends if math.isfinite(end)], left, width - 8, cap=100.0 if per_cent else None)
    bottom = row * len(rows) + 10
    marks: list[Markup] = []
    for tick, label in zip(axis.ticks, axis.labels, strict=True):
        marks.append(line(axis(tick), 4, axis(tick), bottom, "axis" if tick == 0 else "rule"))
        marks.append(text(axis(tick), bottom + 15, label, anchor="middle"))
    before = ""
    for place, (condition, run, one) in enumerate(rows):
        y, colour = row * place + 16, series_style(run)
        if condition != before:
            marks.append(text(left - 10, y + 4, shorten(condition, 22), anchor="end", class_="name"))
            before = condition
        if not math.isfinite(one.value):
            continue
        if one.low is not None and one.high is not None:
            marks.append(line(axis(one.low), y, axis(one.high), y, f"interval {colour}"))
        words = f"{names[run]}, {condition}: {title} {_estimate_words(one, decimals)}"
        marks.append(dot(axis(one.value), y, colour, words, radius=4.0))
    return drawing(f"{title} by condition", width, bottom + 24, marks)
