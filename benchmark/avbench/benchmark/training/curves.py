"""Training curves: a CSV and a picture for each stage."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from avbench.benchmark.training.loop import EpochRecord
from avbench.preprocessing.base.atomic import atomic_path


def write_curves(
    folder: Path, name: str, history: Sequence[EpochRecord], best_epoch: int, *, picture: bool = True
) -> None:
    """Write NAME.csv and NAME.png: training loss and all validation figures by epoch, counted from 1.

    Args:
        folder: Where.
        name: Name of the stage.
        history: Its epochs.
        best_epoch: Index of the one that is kept.
        picture: Whether the PNG is written too.

    Raises:
        AvbenchError: A file cannot be written.
    """
    names = list(history[0].validation)
    with atomic_path(folder / f"{name}.csv") as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", "train_loss", *(f"validation_{figure}" for figure in names), "seconds", "best"])
        for one in history:
            figures = [f"{one.validation[figure]:.6f}" for figure in names]
            table.writerow(
                [one.epoch + 1, f"{one.train_loss:.6f}", *figures, f"{one.seconds:.2f}", int(one.epoch == best_epoch)]
            )
    if picture:
        _plot(folder / f"{name}.png", name, history, best_epoch)


def _plot(path: Path, name: str, history: Sequence[EpochRecord], best_epoch: int) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    epochs = [one.epoch + 1 for one in history]
    angles = [figure for figure in history[0].validation if figure.endswith("_deg")]
    figure = Figure(figsize=(9.0 if angles else 5.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2 if angles else 1, squeeze=False)[0]
    panels[0].plot(epochs, [one.train_loss for one in history], label="training", marker=".")
    for key in [key for key in history[0].validation if key.endswith("loss")]:
        panels[0].plot(epochs, [one.validation[key] for one in history], label=f"validation, {key}", marker=".")
    panels[0].set_ylabel("loss")
    for key in angles:
        label = key.removesuffix("_deg").replace("_", " ")
        panels[-1].plot(epochs, [one.validation[key] for one in history], label=label, marker=".")
    if angles:
        panels[-1].set_ylabel("validation, degrees")
    for panel in panels:
        panel.axvline(best_epoch + 1, color="0.6", linestyle=":", linewidth=1.0)
        panel.set_xlabel("epoch (dotted: the one that is kept)")
        panel.legend(frameon=False, fontsize=8)
        panel.grid(alpha=0.2)
    figure.suptitle(name)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
