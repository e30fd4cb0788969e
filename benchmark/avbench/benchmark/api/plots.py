"""Plots of runs for notebooks and papers, as matplotlib figures that belong to nobody's global state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from avbench.benchmark.scoring.intervals import find_metrics
from avbench.preprocessing.base.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from avbench.benchmark.api.runs import Result


def plot_robustness(results: Sequence[Result], metric: str = "rotation.mean_deg") -> Any:
    """A metric under every condition, one line a run, with 95 % intervals where there are some.

    Args:
        results: One or several runs with the same conditions.
        metric: Name of the metric.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        InputError: There is no such metric, or the runs have other conditions.
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "train", "plotting") from error
    [chosen] = find_metrics([metric])
    conditions = results[0].conditions
    for result in results:
        if result.conditions != conditions:
            raise InputError(
                f"run {result.model}",
                found=f"conditions {', '.join(result.conditions)}",
                expected=f"those of {results[0].model}: {', '.join(conditions)}",
                hint="evaluate both with the same suite",
            )
    figure = Figure(figsize=(1.6 + 0.5 * max(len(conditions), 6), 3.6), layout="constrained")
    axes = figure.add_subplot()
    for number, result in enumerate(results):
        frame = result.table([chosen.name])
        shift = 0.12 * (number - (len(results) - 1) / 2)
        places = [index + shift for index in range(len(frame))]
        below = (frame["estimate"] - frame["low"]).fillna(0.0)
        above = (frame["high"] - frame["estimate"]).fillna(0.0)
        axes.errorbar(places, frame["estimate"], yerr=[below, above], fmt="o-", capsize=3, label=result.model)
    axes.set_xticks(range(len(conditions)), conditions, rotation=60, ha="right")
    axes.set_ylabel(f"{chosen.name.replace('.', ' ').replace('_deg', '')} ({chosen.unit})")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.grid(axis="y", alpha=0.3)
    return figure
