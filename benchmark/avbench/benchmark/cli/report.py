"""The command `avbench report`: parse, call, print."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN ...]", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("report.html"),
    show_default=True,
    help="The HTML file; scores.csv, scores.md and scores.tex are written beside it.",
)
@click.option("--split", help="Which split; default the one that the runs name, else test.")
@click.option(
    "--pairs",
    type=click.IntRange(min=0, max=20),
    default=12,
    show_default=True,
    help="How many of the first run's worst pairs are shown.",
)
@click.option(
    "--columns",
    metavar="NAME,...",
    help="Columns of scores.csv, scores.md and scores.tex in this order, such as rot_mean,dir_mean,auc@20,failed: "
    "rot, dir, pose or translation with _median or _mean; rot_, dir_ or no word with auc@5, auc@10 or auc@20; pairs, "
    "pairs_with_direction, groups, failed, change (of auc@20 from clean).",
)
def report(runs: tuple[Path, ...], data: Path, out: Path, split: str | None, pairs: int, columns: str | None) -> None:
    """Write a report of runs on a data set: one HTML file that needs nothing else, and tables beside it.

    RUN is the folder of a run, or a predictions file. Several runs are shown side by side.

    \b
        avbench report runs/fusion data/ -o fusion.html
        avbench report runs/fusion runs/sift data/ -o fusion-and-sift.html
        avbench report runs/fusion runs/sift data/ --columns rot_mean,dir_mean,auc@20
    """
    from avbench.benchmark.report.write import write_report

    def say(line: str) -> None:
        click.echo(f"note: {line}", err=True)

    asked = () if columns is None else tuple(columns.split(","))
    for path in write_report(runs, data, out, split=split, pairs=pairs, columns=asked, say=say):
        click.echo(f"{path} ({path.stat().st_size / 1e6:.1f} MB)" if path == out else str(path))
