"""The command `avbench corrupt`: parse, call, print."""

from __future__ import annotations

from pathlib import Path

import click

from avbench.benchmark.base.progress import ProgressBar


@click.command(short_help="Write a suite of corruptions out as Parquet splits.")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the new data set.")
@click.option(
    "--suite",
    "suite_name",
    default="standard",
    show_default=True,
    metavar="NAME",
    help="Suite of corruptions: clean, standard, paper, reference, or a TOML file.",
)
@click.option("--split", default="test", show_default=True, help="Which split of DATA.")
@click.option(
    "--picture",
    type=click.Choice(["png", "jpeg"]),
    default="png",
    show_default=True,
    help="Format of corrupted pictures; PNG keeps every pixel.",
)
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="JPEG quality.")
@click.option("--shard-mb", type=click.FloatRange(min=0.0, min_open=True), default=256.0, show_default=True)
@click.option("--workers", type=click.IntRange(min=0), help="Threads.  [default: cores - 1]")
@click.option("--overwrite", is_flag=True, help="Replace a suite written with other settings in that folder.")
def corrupt(
    data: Path,
    out: Path,
    suite_name: str,
    split: str,
    picture: str,
    quality: int,
    shard_mb: float,
    workers: int | None,
    overwrite: bool,  # noqa: FBT001 - click gives flags as booleans
) -> None:
    """Write a split under every condition of a suite, one split a condition, for use elsewhere.

    The pixels are those that `avbench evaluate --suite` shows. The same command continues where it was stopped.

    \b
        avbench corrupt data/ -o data-corrupted/ --suite standard
        python -c "import datasets; print(datasets.load_dataset('data-corrupted/', split='fog_3'))"
    """
    from avbench.benchmark.base.prefetch import default_workers
    from avbench.benchmark.conditions.corruptions import check_golden, load_suite
    from avbench.benchmark.data.dataset import open_dataset
    from avbench.benchmark.evaluation.written_suite import CorruptSettings, write_suite
    from avbench.preprocessing.format.picture import PictureFormat

    dataset = open_dataset(data)
    suite = load_suite(suite_name)
    settings = CorruptSettings(
        split=split,
        picture=PictureFormat(picture),
        quality=quality,
        workers=default_workers() if workers is None else workers,
        shard_bytes=round(shard_mb * 1e6),
    )
    for mismatch in check_golden():
        click.echo(f"warning: corruptions differ from those of other machines: {mismatch}", err=True)
    with ProgressBar(suite.name, "picture pair") as bar:
        written = write_suite(dataset, suite, out, settings, overwrite=overwrite, progress=bar.update)
    for found in written:
        size = sum(shard["bytes"] for shard in found.shards) / 1e6
        click.echo(f"{found.split:<24} {found.pairs:>7} pairs {size:>9.1f} MB")
    click.echo(f"data set: {out}; suite fingerprint {suite.fingerprint}")
