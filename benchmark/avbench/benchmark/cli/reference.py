"""The command `avbench reference`: parse, call, print."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

_MOST_JOBS = 4  # each run has a process with a model of its own in memory


@click.command(short_help="Make the table of the reference models on a data set.")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the tables and runs.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Only this model; may be repeated.  [default: mean-motion, sift, vision, audio, fusion, fusion-late]",
)
@click.option(
    "--weights",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Bundle of the learned models: what `avbench train` wrote.  [default: the shipped one]",
)
@click.option(
    "--variants/--no-variants", default=True, show_default=True, help="Also the bundles in folders of the bundle."
)
@click.option(
    "--probes", is_flag=True, help="Also evaluate fusion with its sound exchanged or damaged, under every condition."
)
@click.option(
    "--suite",
    "suite_name",
    default="reference",
    show_default=True,
    metavar="NAME",
    help="Suite of corruptions: clean, standard, paper, reference, or a TOML file.",
)
@click.option("--split", default="test", show_default=True, help="Which split to answer.")
@click.option("--limit", type=click.IntRange(min=1), help="Only this many pairs, from the first on.")
@click.option(
    "--training-data",
    type=click.Path(path_type=Path),
    help="Data set from whose training split mean-motion learns.  [default: DATA]",
)
@click.option(
    "--device", default="cpu", show_default=True, help="Device of models that take one: cpu, cuda, cuda:1, ..."
)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Runs made at a time.  [default: one per processor, at most 4]"
)
@click.option("--overwrite", is_flag=True, help="Make all runs again, from the start.")
def reference(
    data: Path,
    out: Path,
    models: tuple[str, ...],
    weights: Path | None,
    variants: bool,  # noqa: FBT001 - click gives flags as booleans
    probes: bool,  # noqa: FBT001 - as above
    suite_name: str,
    split: str,
    limit: int | None,
    training_data: Path | None,
    device: str,
    jobs: int | None,
    overwrite: bool,  # noqa: FBT001 - as above
) -> None:
    """Evaluate the reference models and the variants of their bundle, and compare them, in one table.

    Every model is a run of its own under OUT/runs, as `avbench evaluate` makes it; the same command continues where an
    earlier one stopped. Writes OUT/table.md, table.json, one CSV a table, and robustness.png.

    \b
        avbench reference data/ -o reference/
        avbench reference data/ -o reference/ --weights trained/ --probes
        avbench reference rigs/ -o reference-rigs/ --training-data data/
    """
    from avbench.benchmark.data.dataset import open_dataset
    from avbench.benchmark.reference.make import TableRequest, make_table
    from avbench.benchmark.running.run import RunSettings

    request = TableRequest(
        dataset=open_dataset(data),
        training=None if training_data is None else open_dataset(training_data),
        out=out,
        models=models,
        weights=weights,
        variants=variants,
        probes=probes,
        suite=suite_name,
        settings=RunSettings(split=split, limit=limit, device=device),
        command=("avbench", *sys.argv[1:]),
        overwrite=overwrite,
        jobs=jobs or min(os.cpu_count() or 1, _MOST_JOBS),
    )
    outcome = make_table(request, say=lambda line: click.echo(line, err=True))
    click.echo(f"{outcome.caption}\n")
    click.echo("\n\n".join(table.text() for table in outcome.tables))
    click.echo("")
    for path in outcome.files:
        click.echo(path)
