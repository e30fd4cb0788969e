"""The command `avbench depths`: parse, call, print."""

from __future__ import annotations

import sys
from pathlib import Path

import click

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(short_help="Depths of a simulated data set, for training visual networks.")
@click.argument("data", type=_FOLDER)
@click.option("--recordings", type=_FOLDER, required=True, help="The simulated recordings DATA was prepared from.")
@click.option("--split", "splits", multiple=True, help="Split; repeat for more.  [default: all]")
@click.option("--columns", type=click.IntRange(1, 512), default=16, show_default=True, help="Columns of the grid.")
@click.option("--rows", type=click.IntRange(1, 512), default=12, show_default=True, help="Rows of the grid.")
def depths(data: Path, recordings: Path, splits: tuple[str, ...], columns: int, rows: int) -> None:
    """Write the depths of the pairs of DATA, recomputed from the rooms they were simulated in.

    \b
        avbench depths data/ --recordings recordings/
    """
    from tqdm import tqdm

    from avbench.preprocessing.format.shards import dataset_splits
    from avbench.preprocessing.simulate.depths import write_depths

    for split in splits or tuple(dataset_splits(data)):
        with tqdm(desc=split, unit="pair", file=sys.stderr, disable=None) as bar:
            path = write_depths(data, recordings, split, (columns, rows), bar.update)
        click.echo(f"depths of {split}: {path}")
