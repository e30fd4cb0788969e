"""The share of pairs whose error is below a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from avbench.benchmark.plots.canvas import (
    DIM,
    Margins,
    draw_line,
    draw_rules,
    held,
    label_ticks,
    new_axes,
    series_colour,
    value_range,
    write,
)
from avbench.benchmark.scoring.bootstrap import Estimate
from avbench.preprocessing.base.escape import one_line
from avbench.preprocessing.base.geometry import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RecallCurve:
    """Share of pairs whose error is below a threshold.

    Attributes:
        label: What it is called.
        place: Its number, which gives the colour.
        clean: Whether it is without corruption: drawn in full, with its interval; else dashed.
        threshold_deg: (K,) thresholds, increasing from 0.
        recall: (K,) shares in per cent with their intervals.
    """

    label: str
    place: int
    clean: bool
    threshold_deg: FloatArray
    recall: tuple[Estimate, ...]


def recall_plot(curves: Sequence[RecallCurve]) -> Figure:
    """Recall by threshold.

    Args:
        curves: At least one, all over the same thresholds.
    """
    tops = [end for curve in curves for one in curve.recall for end in (one.value, one.high) if end is not None]
    ticks = value_range(tops, cap=100.0)
    largest = float(curves[0].threshold_deg[-1])
    steps = [step for step in (0.0, 5.0, 10.0, 15.0, 20.0) if step <= largest]
    figure, axes = new_axes(380.0, 260.0, Margins(40.0, 12.0, 24.0, 38.0), (0.0, largest), (ticks[0], ticks[-1]))
    label_ticks(axes, steps, [f"{step:g}°" for step in steps])
    label_ticks(axes, ticks, [f"{tick:g}" for tick in ticks], vertical=True)
    label_ticks(axes, [largest / 2], ["error threshold"], pad=20.0, color=DIM)
    write(axes, -largest * 26.0 / 328.0, ticks[-1] + (ticks[-1] - ticks[0]) * 16.0 / 198.0, "pairs below, %", color=DIM)
    draw_rules(axes, ticks, base=0.0)
    draw_rules(axes, steps[1:], upright=True)
    for curve in curves:
        if curve.clean:
            _draw_band(axes, curve, ticks)
    for curve in curves:
        kept = np.isfinite([one.value for one in curve.recall])
        values = held([one.value for one in curve.recall if np.isfinite(one.value)], ticks)
        draw_line(axes, curve.threshold_deg[kept], values, color=series_colour(curve.place), linewidth=2.0,
                  linestyle="-" if curve.clean else (0, (2.5, 2.0)), zorder=3,
                  gid=one_line(f"{curve.label}, {curve.recall[0].pairs} answers"))  # fmt: skip
    return figure


def _draw_band(axes: Axes, curve: RecallCurve, ticks: Sequence[float]) -> None:
    kept = [
        (float(at), one.low, one.high)
        for at, one in zip(curve.threshold_deg, curve.recall, strict=True)
        if one.low is not None and one.high is not None
    ]
    if kept:
        at, low, high = (list(column) for column in zip(*kept, strict=True))
        axes.fill([*at, *reversed(at)], held([*high, *reversed(low)], ticks), color=series_colour(curve.place),
                  alpha=0.16, linewidth=0.0, clip_on=False, zorder=2)  # fmt: skip
