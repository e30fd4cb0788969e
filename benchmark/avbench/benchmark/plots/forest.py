"""One number of several runs or under several conditions, a line each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from avbench.benchmark.plots.canvas import (
    DIM,
    FONT_PT,
    Margins,
    Scale,
    draw_line,
    draw_marks,
    draw_rules,
    estimate_ends,
    estimate_words,
    held,
    label_ticks,
    new_axes,
    series_colour,
    shorten,
    value_range,
    write,
)
from avbench.benchmark.scoring.bootstrap import Estimate
from avbench.benchmark.tables.scores import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST_LABEL = 22
_HEADLINE_PT = 240.0


@dataclass(frozen=True)
class ForestRow:
    """One line.

    Attributes:
        label: The condition; rows of one condition follow each other and have its name once.
        run: Name of the run.
        place: Its number, which gives the colour.
        estimate: The number.
    """

    label: str
    run: str
    place: int
    estimate: Estimate


def forest_plot(rows: Sequence[ForestRow], scale: Scale) -> Figure:
    """One number under several conditions, with its interval and with zero marked.

    Args:
        rows: The lines, from the top.
        scale: What the number is.
    """
    row_pt, margins = 20.0, Margins(150.0, 12.0, 6.0, 24.0)
    ticks = value_range(estimate_ends(row.estimate for row in rows), cap=scale.cap, signed=True)
    height = row_pt * max(len(rows), 1) + margins.top + margins.bottom
    figure, axes = new_axes(420.0, height, margins, (ticks[0], ticks[-1]), (max(len(rows), 1) - 0.5, -0.5))
    label_ticks(axes, ticks, [f"{tick:g}" for tick in ticks])
    first = [place for place, row in enumerate(rows) if place == 0 or rows[place - 1].label != row.label]
    names = [shorten(rows[place].label, _LONGEST_LABEL) for place in first]
    label_ticks(axes, first, names, vertical=True, size=12.0, pad=8.0)
    draw_rules(axes, ticks, upright=True, base=0.0)
    for place, row in enumerate(rows):
        if math.isfinite(row.estimate.value):
            words = f"{row.run}, {row.label}: {scale.words} {estimate_words(row.estimate, scale.decimals)}"
            _draw_line(axes, place, row, ticks, words, diameter=8.0)
    return figure


def headline_plot(rows: Sequence[ForestRow], scale: Scale) -> Figure:
    """One number of every run on a scale from zero, the name above its line and the number at its end.

    Args:
        rows: One for each run; a single one is drawn without name and number, which stand beside the plot.
        scale: What the number is.
    """
    row_pt, several = 34.0, len(rows) > 1
    margins = Margins(8.0, 8.0, 24.0 if several else 8.0, 26.0)
    ticks = value_range(estimate_ends(row.estimate for row in rows), cap=scale.cap)
    height = row_pt * (len(rows) - 1) + margins.top + margins.bottom
    figure, axes = new_axes(_HEADLINE_PT, height, margins, (ticks[0], ticks[-1]), (max(len(rows) - 1, 0.001), 0.0))
    label_ticks(axes, [ticks[0]], [f"{ticks[0]:g}"], pad=10.0, color=DIM, ha="left")
    label_ticks(axes, [ticks[-1]], [f"{ticks[-1]:g}"], pad=10.0, color=DIM, ha="right")
    draw_rules(axes, range(len(rows)))
    for place, row in enumerate(rows):
        value, above = row.estimate.value, place - 12.0 / row_pt
        if several:
            write(axes, ticks[0], above, row.label, size=12.0)
        if not math.isfinite(value):
            write(axes, ticks[0], place, "not scored" if math.isnan(value) else "infinite", color=DIM)
            continue
        words = f"{row.label}: {scale.words} {estimate_words(row.estimate, scale.decimals)}"
        _draw_line(axes, place, row, ticks, words, diameter=9.0)
        if several:
            write(axes, ticks[-1], above, number(value, scale.decimals), ha="right", weight="bold", size=FONT_PT + 1.0)
    return figure


def _draw_line(axes: Axes, place: int, row: ForestRow, ticks: Sequence[float], words: str, *, diameter: float) -> None:
    found = row.estimate
    if found.low is not None and found.high is not None:
        low, high = held([found.low, found.high], ticks)
        draw_line(axes, [low, high], [place, place], color=series_colour(row.place), alpha=0.38, linewidth=4.0,
                  solid_capstyle="round", zorder=3)  # fmt: skip
    draw_marks(axes, held([found.value], ticks), [place], row.place, [words], diameter=diameter)
