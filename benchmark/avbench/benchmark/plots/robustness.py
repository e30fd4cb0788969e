"""A metric under every condition, run beside run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from avbench.benchmark.plots.canvas import dodge, series_colour
from avbench.benchmark.scoring.bootstrap import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def robustness_plot(runs: Mapping[str, Sequence[Estimate]], conditions: Sequence[str], label: str) -> Figure:
    """One metric under every condition, one line a run, with 95 % intervals where there are some.

    Args:
        runs: By name of the run, the metric under each of the conditions.
        conditions: Their names.
        label: What the metric is, with its unit.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.6 + 0.5 * max(len(conditions), 6), 3.6), layout="constrained")
    axes = figure.add_subplot()
    for place, (name, estimates) in enumerate(runs.items()):
        x = [index + dodge(place, len(runs), 0.12) for index in range(len(estimates))]
        below = [0.0 if estimate.low is None else estimate.value - estimate.low for estimate in estimates]
        above = [0.0 if estimate.high is None else estimate.high - estimate.value for estimate in estimates]
        values = [estimate.value if math.isfinite(estimate.value) else math.nan for estimate in estimates]
        axes.errorbar(x, values, yerr=[below, above], fmt="o-", capsize=3, color=series_colour(place), label=name)
    axes.set_xticks(range(len(conditions)), conditions, rotation=60, ha="right")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.grid(axis="y", alpha=0.3)
    return figure
