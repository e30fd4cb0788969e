"""A metric against the severity of a corruption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from avbench.benchmark.plots.canvas import (
    Margins,
    Scale,
    dodge,
    draw_line,
    draw_marks,
    draw_rules,
    draw_whiskers,
    estimate_words,
    held,
    label_ticks,
    new_axes,
    series_colour,
)
from avbench.benchmark.scoring.bootstrap import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SeveritySeries:
    """One metric of one run under one corruption.

    Attributes:
        run: Name of the run.
        place: Its number, which gives the colour.
        points: Severities, 0 for clean, in ascending order, with the metric.
    """

    run: str
    place: int
    points: tuple[tuple[int, Estimate], ...]


def severity_plot(
    series: Sequence[SeveritySeries], scale: Scale, severities: Sequence[int], ticks: Sequence[float]
) -> Figure:
    """One metric against severity, of all runs.

    Args:
        series: One for each run.
        scale: What the metric is.
        severities: Marks of the horizontal axis, so that the plots of several corruptions have one scale.
        ticks: Marks of the vertical axis, likewise: `canvas.value_range` of all values.
    """
    x_ends = (min(severities) - 0.45, max(severities) + 0.45)
    figure, axes = new_axes(206.0, 138.0, Margins(34.0, 8.0, 10.0, 22.0), x_ends, (ticks[0], ticks[-1]))
    label_ticks(axes, severities, [str(severity) for severity in severities])
    label_ticks(axes, ticks, [f"{tick:g}" for tick in ticks], vertical=True)
    draw_rules(axes, ticks, base=0.0)
    step = 5.0 * (x_ends[1] - x_ends[0]) / 164.0
    for number, one in enumerate(series):
        colour, shift = series_colour(one.place), dodge(number, len(series), step)
        points = [(severity, found) for severity, found in one.points if math.isfinite(found.value)]
        x = [severity + shift for severity, _ in points]
        y = held([found.value for _, found in points], ticks)
        draw_line(axes, x, y, color=colour, linewidth=2.0, zorder=2)
        draw_whiskers(axes, x, [found for _, found in points], ticks, colour)
        titles = [
            f"{one.run}, {'clean' if severity == 0 else f'severity {severity}'}: "
            f"{scale.words} {estimate_words(found, scale.decimals)}"
            for severity, found in points
        ]
        draw_marks(axes, x, y, one.place, titles, diameter=5.2)
    return figure
