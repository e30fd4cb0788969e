"""What all plots share: sizes, colours, axes without frames, marks with their numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from avbench.benchmark.scoring.bootstrap import Estimate
from avbench.benchmark.tables.scores import number
from avbench.preprocessing.base.escape import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

# Okabe and Ito's palette, which colour-blind readers tell apart, darkened to stand out on white.
SERIES_COLOURS = ("#0072b2", "#c9500a", "#00805c", "#a8508a", "#a87900", "#3289bd")
"""Runs beyond these share a colour with an earlier one."""
INK, DIM, RULE, AXIS, PAPER = "#1a1d21", "#5d6570", "#e4e6e9", "#9aa2ac", "#ffffff"

FONT_PT = 11.0
SMALL_FONT_PT = 10.0
TITLE_BREAK = "\ue000"
"""Ends the title of each mark of a series in their `gid`; no text that is drawn contains it."""


@dataclass(frozen=True)
class Scale:
    """What the values of a plot are.

    Attributes:
        words: Name of the metric, with its unit.
        decimals: Decimals in the titles of marks.
        per_cent: Whether values run from 0 to 100.
    """

    words: str
    decimals: int = 2
    per_cent: bool = False

    @property
    def cap(self) -> float:
        """The highest value that there can be."""
        return 100.0 if self.per_cent else math.inf


@dataclass(frozen=True)
class Margins:
    """Room for words around the axes, in points."""

    left: float
    right: float
    top: float
    bottom: float


def series_colour(place: int) -> str:
    """Colour of a series."""
    return SERIES_COLOURS[place % len(SERIES_COLOURS)]


def new_axes(
    width: float,
    height: float,
    margins: Margins,
    x: tuple[float, float],
    y: tuple[float, float],
    *,
    scale: str = "linear",
) -> tuple[Figure, Axes]:
    """A figure of a size in points with one pair of axes, with nothing drawn yet.

    matplotlib's own axis lines and ticks are off: they cost as much time as all the rest of a small plot. Rules and
    labels are drawn by `draw_rules` and `label_ticks`.

    Args:
        width: Width of the figure.
        height: Height of the figure.
        margins: Room around the axes.
        x: Ends of the horizontal axis.
        y: Ends of the vertical axis, the lower one first.
        scale: "linear" or "log", of both.
    """
    from matplotlib.figure import Figure

    inner = (width - margins.left - margins.right, height - margins.top - margins.bottom)
    place = (margins.left / width, margins.bottom / height, inner[0] / width, inner[1] / height)
    if scale == _GIVEN_BACK_SCALE and _given_back:
        figure, axes = _given_back.pop()
        figure.set_size_inches(width / 72.0, height / 72.0)
        axes.set_position(place)
        axes.set(xlim=x, ylim=y)
        return figure, axes
    figure = Figure(figsize=(width / 72.0, height / 72.0), dpi=144, frameon=False)
    axes = figure.add_axes(place, frameon=False, xlim=x, ylim=y, xscale=scale, yscale=scale)
    axes.set_axis_off()
    return figure, axes


_GIVEN_BACK_SCALE = "linear"
_MOST_GIVEN_BACK = 4
_given_back: list[tuple[Figure, Axes]] = []


def give_back(figure: Figure) -> None:
    """Take a figure of `new_axes` that is not used any more; the next plot is drawn on it.

    Making axes costs matplotlib as much as drawing on them.
    """
    axes = figure.axes[0]
    if len(_given_back) >= _MOST_GIVEN_BACK or axes.get_xscale() != _GIVEN_BACK_SCALE:
        return
    for drawn in [*axes.lines, *axes.texts, *axes.collections, *axes.patches, *axes.artists]:
        drawn.remove()
    _given_back.append((figure, axes))


def label_ticks(
    axes: Axes,
    places: Sequence[float],
    labels: Sequence[str],
    *,
    vertical: bool = False,
    size: float = FONT_PT,
    pad: float = 5.0,
    **how: Any,
) -> None:
    """Words at places of the horizontal axis, below it, or of the vertical axis, to its left; `pad` is in points."""
    across = axes.get_yaxis_transform() if vertical else axes.get_xaxis_transform()
    style = {"ha": "right", "va": "center"} if vertical else {"ha": "center", "va": "top"}
    shift = _shifted(axes, across, -pad, 0.0) if vertical else _shifted(axes, across, 0.0, -pad)
    for place, words in zip(places, labels, strict=True):
        at = (0.0, place) if vertical else (place, 0.0)
        write(axes, *at, words, size=size, transform=shift, **{**style, **how})


def _shifted(axes: Axes, transform: Transform, right_pt: float, up_pt: float) -> Transform:
    from matplotlib.transforms import ScaledTranslation

    return transform + ScaledTranslation(right_pt / 72.0, up_pt / 72.0, axes.figure.dpi_scale_trans)


def value_range(
    values: Iterable[float], *, intervals: int = 4, cap: float = math.inf, signed: bool = False
) -> list[float]:
    """Round numbers from one end of an axis to the other; the ends hold zero and the values, infinities apart.

    Args:
        values: What is drawn.
        intervals: Parts of the axis, about.
        cap: The axis ends there at the latest.
        signed: Whether the axis may reach below zero.
    """
    from matplotlib.ticker import MaxNLocator

    finite = [value for value in values if math.isfinite(value)]
    low = min([0.0, *finite]) if signed else 0.0
    high = min(max([0.0, *finite]), cap)
    if low == high:
        high = 1.0
    found = MaxNLocator(nbins=intervals, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(value) for value in found if value <= cap]


def estimate_ends(estimates: Iterable[Estimate]) -> list[float]:
    """The numbers and the ends of their intervals, as far as there are any."""
    return [end for estimate in estimates for end in (estimate.value, estimate.low, estimate.high) if end is not None]


def draw_marks(
    axes: Axes,
    x: ArrayLike,
    y: ArrayLike,
    place: int,
    titles: Sequence[str],
    *,
    diameter: float = 6.0,
    hollow: bool = False,
) -> None:
    """Dots of one series, each with its numbers as title; hollow where they are not to be relied on."""
    colour = series_colour(place)
    fill, edge, width = (PAPER, colour, 1.5) if hollow else (colour, PAPER, 1.0)
    draw_line(
        axes,
        x,
        y,
        linestyle="none",
        marker="o",
        markersize=diameter,
        markerfacecolor=fill,
        markeredgecolor=edge,
        markeredgewidth=width,
        zorder=4,
        gid="".join(one_line(words) + TITLE_BREAK for words in titles),
    )


def draw_line(axes: Axes, x: ArrayLike, y: ArrayLike, **how: Any) -> None:
    """A line through points, not cut off at the ends of the axes."""
    from matplotlib.lines import Line2D

    axes.add_artist(Line2D(x, y, clip_on=False, **how)).set_clip_path(None)


def draw_segments(
    axes: Axes, x: ArrayLike, low: ArrayLike, high: ArrayLike, *, level: bool = False, **how: Any
) -> None:
    """Upright lines at x from low to high, all as one; where `level`, these lie on their side."""
    places, starts, stops = np.broadcast_arrays(np.asarray(x, dtype=np.float64), low, high)
    along = np.column_stack([starts, stops, np.full(places.shape, np.nan)]).ravel()
    across = np.repeat(places, 3)
    x_points, y_points = (along, across) if level else (across, along)
    draw_line(axes, x_points, y_points, **how)


def draw_whiskers(
    axes: Axes, x: Sequence[float], estimates: Sequence[Estimate], ticks: Sequence[float], colour: str
) -> None:
    """The interval of each number that has one, held to the ends of the vertical axis."""
    ends = [(at, one.low, one.high) for at, one in zip(x, estimates, strict=True)]
    found = [(at, low, high) for at, low, high in ends if low is not None and high is not None]
    if found:
        low, high = (held([end[side] for end in found], ticks) for side in (1, 2))
        draw_segments(axes, [at for at, _, _ in found], low, high, color=colour, linewidth=1.3, alpha=0.8, zorder=3)


def draw_rules(axes: Axes, ticks: Sequence[float], *, upright: bool = False, base: float | None = None) -> None:
    """Thin lines across the axes at the ticks, the one at `base` stronger."""
    low, high = axes.get_ylim() if upright else axes.get_xlim()
    for colour, places in ((RULE, [tick for tick in ticks if tick != base]), (AXIS, [t for t in ticks if t == base])):
        if places:
            draw_segments(axes, places, low, high, level=not upright, color=colour, linewidth=1.0, zorder=1)


def write(axes: Axes, x: float, y: float, words: str, **how: Any) -> None:
    """Words at a place in the coordinates of the data."""
    style = {"size": FONT_PT, "color": INK, "va": "center", **how}
    axes.text(x, y, one_line(words), parse_math=False, clip_on=False, **style)


def estimate_words(found: Estimate, decimals: int) -> str:
    """A number and its interval for the title of a mark."""
    words = number(None if math.isnan(found.value) else found.value, decimals)
    if found.low is not None and found.high is not None:
        words += f" (95 % {number(found.low, decimals)} to {number(found.high, decimals)})"
    return f"{words}, {found.pairs} pairs in {found.groups} groups"


def held(values: Sequence[float], ticks: Sequence[float]) -> list[float]:
    """Values held to the ends of an axis."""
    return [float(value) for value in np.clip(values, ticks[0], ticks[-1])]


def dodge(place: int, count: int, step: float) -> float:
    """Sideways shift of mark `place` of `count`, so that none hides another."""
    return (place - (count - 1) / 2) * step


def shorten(words: str, longest: int) -> str:
    """Words cut to a length, in the middle, where a beginning and an end say more than either."""
    if len(words) <= longest:
        return words
    kept = longest - 1
    return f"{words[: kept - kept // 2]}…{words[len(words) - kept // 2 :]}"
