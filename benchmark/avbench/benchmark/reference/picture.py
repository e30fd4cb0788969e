"""The mean rotation error of every model under every condition, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from avbench.benchmark.reference.figures import ROTATION, Cell
from avbench.preprocessing.base.atomic import atomic_path


def draw_robustness(path: Path, cells: Sequence[Cell], title: str) -> None:
    """Draw the rows without variants, with 95 % intervals, conditions side by side.

    Args:
        path: The PNG to write.
        cells: All rows under all conditions.
        title: Above it.

    Raises:
        AvbenchError: It cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [cell for cell in cells if not cell.row.variant]
    conditions = list(dict.fromkeys(cell.condition for cell in shown))
    names = list(dict.fromkeys(cell.row.name for cell in shown))
    figure = Figure(figsize=(max(5.0, 2.0 + 1.7 * len(conditions)), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    step = 0.8 / len(names)
    for number, name in enumerate(names):
        found = {cell.condition: cell.sampled[ROTATION].estimate for cell in shown if cell.row.name == name}
        places = [place + (number - (len(names) - 1) / 2) * step for place in range(len(conditions))]
        values = [found[condition].value for condition in conditions]
        ends = [(found[condition].low, found[condition].high) for condition in conditions]
        down = [0.0 if low is None else value - low for value, (low, _) in zip(values, ends, strict=True)]
        up = [0.0 if high is None else high - value for value, (_, high) in zip(values, ends, strict=True)]
        silent = any(cell.row.silent for cell in shown if cell.row.name == name)
        axes.errorbar(
            places,
            values,
            yerr=[down, up],
            fmt="o",
            color=f"C{number}",
            markerfacecolor="white" if silent else None,
            markersize=5,
            capsize=2.5,
            linewidth=1.2,
            label=name,
        )
    axes.set_xticks(range(len(conditions)), [condition.replace("_", " ") for condition in conditions])
    for place in range(len(conditions) - 1):
        axes.axvline(place + 0.5, color="0.9", linewidth=0.8)
    axes.set_ylabel("mean rotation error, degrees (95 %)")
    axes.set_ylim(bottom=0.0)
    axes.grid(axis="y", alpha=0.25)
    axes.legend(frameon=False, fontsize=8, ncols=min(4, len(names)), loc="upper left", bbox_to_anchor=(0.0, -0.1))
    axes.set_title(title, fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
