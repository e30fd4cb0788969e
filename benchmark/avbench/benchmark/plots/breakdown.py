"""A metric by the bins of what a pair is like: an axis with the edges of the bins, or names side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from avbench.benchmark.plots.canvas import (
    DIM,
    RULE,
    SMALL_FONT_PT,
    Margins,
    Scale,
    dodge,
    draw_line,
    draw_marks,
    draw_rules,
    draw_segments,
    draw_whiskers,
    estimate_words,
    held,
    label_ticks,
    new_axes,
    series_colour,
    shorten,
)
from avbench.benchmark.scoring.bootstrap import Estimate
from avbench.benchmark.scoring.strata import Bin
from avbench.preprocessing.base.geometry import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 320.0, 178.0
_MARGINS = Margins(36.0, 8.0, 10.0, 44.0)
_LONGEST_TICK = 9


@dataclass(frozen=True)
class _Layout:
    """Where the bins lie.

    Attributes:
        centres: (B,) middle of each bin; every bin is one unit wide.
        edges: Places of the edges between bins of numbers, each with its value.
        end: Right end of the axis.
    """

    centres: FloatArray
    edges: tuple[tuple[float, float], ...]
    end: float


@dataclass(frozen=True)
class BreakdownSeries:
    """One metric of one run in every bin of a stratum.

    Attributes:
        run: Name of the run.
        estimates: One for each bin.
    """

    run: str
    estimates: tuple[Estimate, ...]


def breakdown_plot(
    bins: Sequence[Bin], series: Sequence[BreakdownSeries], scale: Scale, ticks: Sequence[float], *, title: str = ""
) -> Figure:
    """One metric by the bins of one stratum, of all runs.

    Bins of a number lie on an axis in their order, each from edge to edge and all equally wide; the outermost are open.
    Names, and pairs of which the number is not known, stand apart. A mark is hollow where its bin has too few groups
    for an interval.

    Args:
        bins: The bins of a stratum.
        series: One for each run.
        scale: What the metric is.
        ticks: Marks of the vertical axis, so that several strata have one scale: `canvas.value_range` of all values.
        title: What stands under the axis: the stratum and its unit.
    """
    layout = _layout(bins)
    figure, axes = new_axes(_WIDTH, _HEIGHT, _MARGINS, (0.0, layout.end), (ticks[0], ticks[-1]))
    label_ticks(axes, ticks, [f"{tick:g}" for tick in ticks], vertical=True)
    draw_rules(axes, ticks, base=0.0)
    _mark_bins(axes, bins, layout, ticks)
    if title:
        label_ticks(axes, [layout.end / 2], [title], size=SMALL_FONT_PT, pad=33.0, color=DIM)
    for place, one in enumerate(series):
        shift = dodge(place, len(series), min(0.14, 0.7 / len(series)))
        _draw_series(axes, bins, one, place, layout.centres + shift, ticks, scale)
    return figure


def _layout(bins: Sequence[Bin]) -> _Layout:
    centres, edges, right = [], {}, 0.0
    before: Bin | None = None
    for one in bins:
        numbered = _numbered(one)
        if before is not None and not (numbered and _numbered(before)):
            right += 0.25 if _numbered(before) else 0.0
        elif before is not None and before.high != one.low:
            # Bins without a pair are not there: their place stays empty.
            right += 1.0
        if numbered and one.low is not None:
            edges[right] = one.low
        centres.append(right + 0.5)
        right += 1.0
        if numbered and one.high is not None:
            edges[right] = one.high
        before = one
    return _Layout(np.array(centres), tuple(edges.items()), right)


def _numbered(one: Bin) -> bool:
    """Whether a bin is a range between edges."""
    return one.ordered and (one.low is not None or one.high is not None)


def _mark_bins(axes: Axes, bins: Sequence[Bin], layout: _Layout, ticks: Sequence[float]) -> None:
    names = [(float(x), one) for x, one in zip(layout.centres, bins, strict=True) if not _numbered(one)]
    places = [at for at, _ in layout.edges] + [at for at, _ in names]
    words = [f"{value:.3g}" for _, value in layout.edges] + [shorten(one.label, _LONGEST_TICK) for _, one in names]
    label_ticks(axes, places, words, pad=7.0)
    # From a little below the axis, as on a ruler, at the edges only: names have no line.
    below = ticks[0] - 0.03 * (ticks[-1] - ticks[0])
    draw_segments(axes, [at for at, _ in layout.edges], below, ticks[-1], color=RULE, linewidth=1.0, zorder=1)
    counts = [f"n {int(one.members.sum())}" for one in bins]
    label_ticks(axes, layout.centres.tolist(), counts, size=SMALL_FONT_PT, pad=20.0, color=DIM)


def _draw_series(
    axes: Axes,
    bins: Sequence[Bin],
    series: BreakdownSeries,
    place: int,
    x: FloatArray,
    ticks: Sequence[float],
    scale: Scale,
) -> None:
    colour = series_colour(place)
    shown = [
        (float(at), one, found)
        for at, one, found in zip(x, bins, series.estimates, strict=True)
        if math.isfinite(found.value)
    ]
    line = [(at, found.value) for at, one, found in shown if _numbered(one)]
    if line:
        draw_line(axes, [at for at, _ in line], held([value for _, value in line], ticks), color=colour, linewidth=1.2,
                  alpha=0.55, zorder=2)  # fmt: skip
    draw_whiskers(axes, [at for at, _, _ in shown], [found for _, _, found in shown], ticks, colour)
    for hollow in (False, True):
        marks = [entry for entry in shown if (entry[2].low is None) is hollow]
        if marks:
            titles = [
                f"{series.run}, {one.label}: {scale.words} {estimate_words(found, scale.decimals)}"
                for _, one, found in marks
            ]
            values = held([found.value for _, _, found in marks], ticks)
            draw_marks(axes, [at for at, _, _ in marks], values, place, titles, hollow=hollow)
