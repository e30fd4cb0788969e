"""The command `avbench still`: parse, call, print."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(short_help="A simulated data set with the sound of a head that stands still.")
@click.argument("data", type=_FOLDER)
@click.option("--recordings", type=_FOLDER, required=True, help="The simulated recordings DATA was prepared from.")
@click.option("-o", "--out", required=True, type=_FOLDER, help="Folder of the new data set.")
@click.option("--split", "splits", multiple=True, help="Split; repeat for more.  [default: all]")
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Only the first of every N rooms of a split.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes.  [default: one per processor]")
def still(data: Path, recordings: Path, out: Path, splits: tuple[str, ...], every: int, jobs: int | None) -> None:
    """Make DATA again with the head at rest during each clip, at the pose of the clip's frame.

    Pairs, pictures, labels and up vectors are those of DATA; sources play on and noises are the same. What sound still
    brings to a model cannot come from the motion within a clip.

    \b
        avbench still data/ --recordings recordings/ -o data-still/ --split test --every 4
        avbench evaluate data-still/ --model fusion

    The same command continues where it was stopped, and verifies a data set that is there. A smaller
    --every that divides the first one adds rooms.
    """
    from tqdm import tqdm

    from avbench.preprocessing.simulate.still_set import make_still

    with tqdm(unit="pair", file=sys.stderr, disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)

        result = make_still(
            data,
            recordings,
            out,
            splits=splits,
            every=every,
            jobs=jobs or os.cpu_count() or 1,
            progress=progress,
            stage=bar.set_postfix_str,
        )
    for name, size in result.manifest.splits().items():
        click.echo(f"{name:<8} {size['groups']:>6} rooms {size['pairs']:>8} pairs {size['bytes'] / 1e6:>9.1f} MB")
    click.echo(f"recordings  {result.made} made, {result.reused} reused")
    if not result.packed:
        click.echo("nothing new: the shards in place are whole")
    click.echo(f"data set    {out}: the sound is that of a head that stands still")
    click.echo(f"fingerprint {result.manifest.dataset_fingerprint}")
