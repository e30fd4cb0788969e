"""The error of every pair, run against run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avbench.benchmark.plots.canvas import (
    AXIS,
    DIM,
    Margins,
    draw_line,
    draw_rules,
    label_ticks,
    new_axes,
    series_colour,
)
from avbench.preprocessing.base.geometry import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOWEST_DEG = 0.01
"""Errors below are drawn here: a logarithm has no place for 0."""
MOST_POINTS = 2000
"""Of more pairs, so many are drawn, the same every time."""
_HIGHEST_DEG = 180.0
_SIDE_PT = 280.0


def scatter_plot(error_a_deg: FloatArray, error_b_deg: FloatArray, *, names: tuple[str, str], place: int = 0) -> Figure:
    """One kind of error of every pair, run A against run B, on logarithmic axes.

    A pair below the diagonal is one on which run A is better.

    Args:
        error_a_deg: (N,) errors of run A in degrees, drawn upwards; NaN where a pair is not scored.
        error_b_deg: (N,) errors of run B on the same pairs, drawn to the right.
        names: What the runs are called.
        place: Number of run A, which gives the colour.
    """
    scored = np.flatnonzero(np.isfinite(error_a_deg) & np.isfinite(error_b_deg))
    drawn = np.random.default_rng(0).permutation(scored)[:MOST_POINTS] if len(scored) > MOST_POINTS else scored
    x, y = (np.clip(np.abs(errors[drawn]), LOWEST_DEG, _HIGHEST_DEG) for errors in (error_b_deg, error_a_deg))
    lowest = float(min(x.min(initial=1.0), y.min(initial=1.0)))
    first = 10.0 ** np.floor(np.log10(lowest))
    ticks = [first * 10.0**step for step in range(round(np.log10(100.0 / first)) + 1)] + [_HIGHEST_DEG]
    ends = (first, _HIGHEST_DEG)
    figure, axes = new_axes(_SIDE_PT + 20.0, _SIDE_PT, Margins(52.0, 14.0, 8.0, 42.0), ends, ends, scale="log")
    # 100 and 180 are too close for both to be written, and so are the first of both axes.
    labels = [f"{tick:g}°" if tick != 100.0 else "" for tick in ticks]
    label_ticks(axes, ticks, labels)
    label_ticks(axes, ticks[1:], labels[1:], vertical=True)
    middle = [float(np.sqrt(first * _HIGHEST_DEG))]
    label_ticks(axes, middle, [names[1]], pad=22.0, color=DIM)
    label_ticks(axes, middle, [names[0]], vertical=True, pad=38.0, color=DIM, rotation=90.0, ha="center")
    draw_rules(axes, ticks)
    draw_rules(axes, ticks, upright=True)
    draw_line(axes, ends, ends, color=AXIS, linewidth=1.2, zorder=2)
    axes.scatter(x, y, s=3.6**2, color=series_colour(place), alpha=0.45, linewidths=0.0, zorder=3, clip_on=False)
    return figure
