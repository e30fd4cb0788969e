"""The verb `avbench train`: parse, call the training, print."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from avbench.benchmark.training.loop import StageResult

_PRESETS = ("standard", "smoke")


@click.command(short_help="Train vision, audio and fusion models on a prepared data set.")
@click.option(
    "--model",
    "model_text",
    required=True,
    metavar="NAME",
    help="vision, audio, fusion or fusion-late; on a published backbone NAME:reloc3r.",
)
@click.option("--data", required=True, type=click.Path(path_type=Path), help="A data set with splits train and val.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the trained bundle.")
@click.option("--preset", type=click.Choice(_PRESETS), default="standard", show_default=True, help="Settings.")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file of settings to change.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of encoders and, if there is one, of the heads.")
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs of every stage.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu"]),
    default="auto",
    show_default=True,
    help="auto takes what accelerate finds.",
)
@click.option(
    "--backbone-weights", type=click.Path(path_type=Path), help="Checkpoint of reloc3r (.safetensors or .pth)."
)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    help="Folder of features and stages, which runs may share.  [default: OUT/work]",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one per processor]")
@click.option("--overwrite", is_flag=True, help="Replace a run of other settings; stages that are equal are kept.")
def train(
    model_text: str,
    data: Path,
    out: Path,
    preset: str,
    config_path: Path | None,
    seed: int | None,
    epochs: int | None,
    device: str,
    backbone_weights: Path | None,
    work: Path | None,
    jobs: int | None,
    overwrite: bool,  # noqa: FBT001 - click gives flags as booleans
) -> None:
    """Train a model, with all the stages it needs, and write a bundle that `avbench evaluate --weights` runs.

    The same command goes on with a run that was stopped. Curves are in OUT/curves. For several GPUs start it with
    `accelerate launch`.

    \b
    avbench train --model fusion --data data/ -o trained/
    avbench train --model vision --data data/ -o trial/ --preset smoke
    avbench evaluate data/ --model fusion --weights trained/
    """
    from dataclasses import replace

    from avbench.benchmark.training.config import PRESETS, parse_model, read_config
    from avbench.benchmark.training.encoders import TrainRequest
    from avbench.benchmark.training.run import train as run_training

    model = parse_model(model_text)
    config = PRESETS[preset]
    if config_path is not None:
        config = read_config(config_path, config)
    if epochs is not None:
        config = config.with_epochs(epochs)
    if seed is not None:
        seeds = (seed,) if len(config.head.seeds) == 1 else config.head.seeds
        config = replace(config, seed=seed, head=replace(config.head, seeds=seeds))
    outcome = run_training(
        TrainRequest(
            model=model,
            data=data,
            out=out,
            work=work or out / "work",
            config=config,
            backbone_weights=backbone_weights,
            cpu=device == "cpu",
            jobs=jobs or os.cpu_count() or 1,
        ),
        overwrite=overwrite,
    )
    if not outcome.is_main:
        return
    _print_validation(outcome.stages)
    for note in outcome.notes:
        click.echo(f"note: {note}")
    for folder in outcome.bundles:
        click.echo(f"bundle: {folder}")
    click.echo(f"curves: {out / 'curves'}")


def _print_validation(stages: Mapping[str, StageResult]) -> None:
    from avbench.benchmark.tables import number, text_table

    headers = ("validation", "epoch", "rot mean°", "rot med°", "dir mean°", "corrupted rot mean°", "dir mean°", "loss")
    rows = []
    for name, stage in stages.items():
        figures = stage.history[stage.best_epoch].validation
        clean = "clean_" if "clean_loss" in figures else ""
        keys = (
            f"{clean}rotation_mean_deg",
            f"{clean}rotation_median_deg",
            f"{clean}direction_mean_deg",
            "corrupted_rotation_mean_deg",
            "corrupted_direction_mean_deg",
            "loss",
        )
        epoch = f"{stage.best_epoch + 1}/{len(stage.history)}"
        rows.append([name, epoch, *(number(figures.get(key), 3 if key == "loss" else 2) for key in keys)])
    click.echo(text_table(headers, rows))
