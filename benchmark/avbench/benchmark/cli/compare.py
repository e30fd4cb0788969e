"""The command `avbench compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avbench.benchmark.tables.comparisons import Table


@click.command()
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--split", help="Which split; default the one that the runs name, else test.")
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    metavar="NAME",
    help="Only this condition, such as fog-3; may be repeated. Default: all that both answered but listening probes.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Only this metric, such as total.auc@20; may be repeated. Default: the headlines.",
)
@click.option(
    "--by",
    "strata",
    multiple=True,
    metavar="STRATUM",
    help="Also the difference along a stratum, such as brightness; `sound` stands for those along which sound may "
    "help, `all` for every one. Of the conditions given, else of the first.",
)
@click.option(
    "--baseline-threshold-m",
    type=click.FloatRange(min=0.0),
    help="Baselines shorter than this, in metres, have no direction.  [default: 0.05]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown tables.")
def compare(
    run_a: Path,
    run_b: Path,
    data: Path,
    split: str | None,
    conditions: tuple[str, ...],
    metrics: tuple[str, ...],
    strata: tuple[str, ...],
    baseline_threshold_m: float | None,
    as_json: bool,  # noqa: FBT001 - click gives flags as booleans
    as_markdown: bool,  # noqa: FBT001
) -> None:
    """Compare run A with run B, the baseline, on the same pairs.

    A run is a predictions file or the folder of a run. Prints both scores, their paired difference with its 95 %
    interval, the smallest effect that could have been seen, p-values corrected over the table, wins and ties, and where
    both answered corruptions, the mean corruption error of A relative to B.

    \b
        avbench compare runs/fusion runs/sift data/
        avbench compare runs/fusion runs/sift data/ --metric rotation.mean_deg --by sound
    """
    import json

    from avbench.benchmark.data.dataset import open_dataset
    from avbench.benchmark.evaluation.compare import common_split, compare_saved
    from avbench.benchmark.predictions.saved_run import distinct_names, read_run
    from avbench.benchmark.tables.comparisons import comparison_tables, where_tables

    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    dataset = open_dataset(data)
    a, b = read_run(run_a, dataset), read_run(run_b, dataset)
    for note in (*a.predictions.notes, *b.predictions.notes):
        click.echo(f"note: {note}", err=True)
    chosen_split = split or common_split(a, b)
    names = distinct_names([a, b])
    found, where, uncut = compare_saved(
        dataset,
        a,
        b,
        split=chosen_split,
        names=(names[0], names[1]),
        conditions=conditions,
        metrics=metrics,
        strata=strata,
        baseline_threshold_m=baseline_threshold_m,
    )
    if as_json:
        head = {"split": chosen_split, "dataset_fingerprint": dataset.fingerprint}
        result: dict[str, Any] = {**head, **found.to_json(), "where": [one.to_json() for one in where], "uncut": uncut}
        click.echo(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False))
        return
    _print([*comparison_tables(found), *where_tables(where, *names)], as_markdown=as_markdown)
    if uncut:
        click.echo(f"all pairs lie in one bin, or there are too many different names: {', '.join(uncut)}")


def _print(tables: Sequence[Table], *, as_markdown: bool) -> None:
    click.echo("\n\n".join(table.markdown() if as_markdown else table.text() for table in tables))
