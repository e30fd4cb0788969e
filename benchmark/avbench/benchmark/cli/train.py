"""The command `avbench train`: parse, call the training, print."""

from __future__ import annotations

import os
from pathlib import Path

import click

_PRESETS = (
    "standard",
    "shipped",
    "directions",
    "embedding",
    "no-up",
    "head-seed-1",
    "head-seed-2",
    "large",
    "smoke",
)
_SHIPPED_NAME = "shipped"
"""What `--backbone-weights` calls the bundle of the package."""


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
    "--backbone-weights",
    type=click.Path(path_type=Path),
    help="A backbone that stays as it is: a checkpoint of reloc3r, or for tiny a bundle; `shipped` is the package's.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    help="Folder of features and stages, which runs may share.  [default: OUT/work]",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one per processor]")
@click.option("--overwrite", is_flag=True, help="Replace a run of other settings; stages that are equal are kept.")
@click.pass_context
def train(
    context: click.Context,
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

    The same command continues a run that was stopped. Curves are in OUT/curves, and MODEL_CARD.md states what was
    trained on what. For several GPUs start it with `accelerate launch`.

    \b
        avbench train --model fusion --data data/ -o trained/
        avbench train --model vision --data data/ -o trial/ --preset smoke
        avbench train --model fusion --data data/ -o trained/ --backbone-weights shipped
        avbench evaluate data/ --model fusion --weights trained/
    """
    from avbench.benchmark.models.learned.bundle_files import SHIPPED
    from avbench.benchmark.tables.scores import text_table
    from avbench.benchmark.training.config import chosen_config, parse_model
    from avbench.benchmark.training.run import train as run_training
    from avbench.benchmark.training.stages.encoders import TrainRequest
    from avbench.benchmark.training.stages.stage_table import STAGE_HEADERS, stage_rows

    model = parse_model(model_text)
    outcome = run_training(
        TrainRequest(
            model=model,
            data=data,
            out=out,
            work=work or out / "work",
            config=chosen_config(preset, config_path, epochs=epochs, seed=seed),
            backbone_weights=SHIPPED if str(backbone_weights) == _SHIPPED_NAME else backbone_weights,
            cpu=device == "cpu",
            jobs=jobs or os.cpu_count() or 1,
        ),
        overwrite=overwrite,
        command=_typed(context),
        say=lambda line: click.echo(line, err=True),
    )
    if not outcome.is_main:
        return
    click.echo(text_table(STAGE_HEADERS, stage_rows(outcome.stages)))
    for note in outcome.notes:
        click.echo(f"note: {note}")
    for folder in outcome.bundles:
        click.echo(f"bundle: {folder}")
    click.echo(f"curves: {out / 'curves'}")


def _typed(context: click.Context) -> list[str]:
    """The command as it was typed, with the names of files and folders in place of their paths."""
    words = ["avbench", "train"]
    for option in context.command.params:
        name, value = option.name or "", context.params.get(option.name or "")
        if context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        words.append(max(option.opts, key=len))
        if value is not True:
            words.append(value.resolve().name if isinstance(value, Path) else str(value))
    return words
