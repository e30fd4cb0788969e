"""What the stages of a training came to, as the rows of one table: on the terminal and in the model card."""

from __future__ import annotations

from collections.abc import Mapping

from avbench.benchmark.tables.scores import number
from avbench.benchmark.training.loop import StageResult

STAGE_HEADERS = (
    "validation",
    "epoch",
    "rot mean°",
    "rot med°",
    "dir mean°",
    "corrupted rot mean°",
    "dir mean°",
    "loss",
    "seconds",
)
"""Columns of `stage_rows`."""


def stage_rows(stages: Mapping[str, StageResult]) -> list[list[str]]:
    """One row a stage: figures of the epoch that is kept, and the wall-clock seconds of all epochs.

    Args:
        stages: Stages by name, each with at least one epoch.
    """
    rows = []
    for name, stage in stages.items():
        figures = stage.history[stage.best_epoch].validation
        clean = "clean_" if "clean_loss" in figures else ""
        degrees = (
            f"{clean}rotation_mean_deg",
            f"{clean}rotation_median_deg",
            f"{clean}direction_mean_deg",
            "corrupted_rotation_mean_deg",
            "corrupted_direction_mean_deg",
        )
        rows.append(
            [
                name,
                f"{stage.best_epoch + 1}/{len(stage.history)}",
                *(number(figures.get(key)) for key in degrees),
                number(figures["loss"], 3),
                number(stage_seconds(stage), 1),
            ]
        )
    return rows


def stage_seconds(stage: StageResult) -> float:
    """Wall-clock seconds of a stage's epochs, validation included."""
    return sum(epoch.seconds for epoch in stage.history)
