"""The verb `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from avbench.preprocessing.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avbench.benchmark.data.dataset import PairDataset
    from avbench.benchmark.predictions.saved_run import SavedRun
    from avbench.benchmark.scoring.breakdown import StratumDifference
    from avbench.benchmark.scoring.comparison import Comparison
    from avbench.benchmark.scoring.strata import StratumColumns
    from avbench.benchmark.tables.comparisons import Table

_WHERE_METRICS = ("rotation.mean_deg", "direction.mean_deg")
_SOUND, _ALL = "sound", "all"


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
    "--baseline-threshold-m", type=click.FloatRange(min=0.0), help="Shorter metric baselines have no direction."
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
    avbench compare runs/fusion runs/tiny data/
    avbench compare runs/fusion runs/tiny data/ --condition low_light-5 --by sound
    """
    import json

    from avbench.benchmark.data.dataset import open_dataset
    from avbench.benchmark.predictions.saved_run import distinct_names, read_run
    from avbench.benchmark.tables.comparisons import comparison_tables, where_tables

    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    dataset = open_dataset(data)
    a, b = read_run(run_a, dataset), read_run(run_b, dataset)
    for note in (*a.predictions.notes, *b.predictions.notes):
        click.echo(f"note: {note}", err=True)
    chosen_split = split or _common_split(a, b)
    names = distinct_names([a, b])
    found, where, uncut = _compared(
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


def _compared(
    dataset: PairDataset,
    a: SavedRun,
    b: SavedRun,
    *,
    split: str,
    names: tuple[str, str],
    conditions: Sequence[str],
    metrics: Sequence[str],
    strata: Sequence[str],
    baseline_threshold_m: float | None,
) -> tuple[Comparison, list[StratumDifference], list[str]]:
    from avbench.benchmark.conditions.probes.probe import PREFIX
    from avbench.benchmark.predictions.file import check_known
    from avbench.benchmark.scoring.bootstrap import draw_clusters
    from avbench.benchmark.scoring.breakdown import where_better
    from avbench.benchmark.scoring.comparison import LabelSigma, compare_runs, shared_conditions
    from avbench.benchmark.scoring.intervals import find_metrics, scored_errors
    from avbench.benchmark.scoring.score import Labels
    from avbench.benchmark.scoring.strata import cut_strata, needed_columns

    chosen = find_metrics(metrics)
    sources = _strata(strata)
    # Rows of a probe mix pairs to which it can be applied with others; `evaluate` writes their own result.
    answered_a, answered_b = (
        [name for name in run.predictions.conditions if name in conditions or not name.startswith(PREFIX)]
        for run in (a, b)
    )
    shared, left_out = shared_conditions(answered_a, answered_b, conditions)
    _refuse_other_recipes(a, b, shared)
    columns = ["pair_id", "group_id", "pose_sigma_deg", "direction_sigma_deg", *needed_columns(sources)]
    table = dataset.table(split, list(dict.fromkeys(columns)))
    for run in (a, b):
        check_known(run.predictions, table.column("pair_id").to_pylist())
    # A run that was asked for fewer pairs decides: the others are not missing, they were never asked for.
    limits = [limit for limit in (a.limit, b.limit) if limit is not None]
    limit = min(limits) if limits else None
    table = table.slice(0, limit)
    labels = Labels.of(dataset.labels(split, limit=limit))
    clusters = draw_clusters(table.column("group_id").to_pylist())
    errors_a, errors_b = (
        [scored_errors(run.predictions, labels, name, baseline_threshold_m=baseline_threshold_m) for name in shared]
        for run in (a, b)
    )
    sigma = LabelSigma.of(table.column("pose_sigma_deg").to_pylist(), table.column("direction_sigma_deg").to_pylist())
    found = compare_runs(
        errors_a, errors_b, clusters, names=names, metrics=chosen, sigma=sigma, left_out=() if conditions else left_out
    )
    cut = cut_strata(table, sources)
    along = find_metrics(metrics or _WHERE_METRICS)
    where = [
        difference
        for one, other in list(zip(errors_a, errors_b, strict=True))[: len(conditions) or 1]
        for difference in where_better(one, other, cut, clusters, along)
    ]
    done = {stratum.source.name for stratum in cut}
    return found, where, [source.name for source in sources if source.name not in done]


def _common_split(a: SavedRun, b: SavedRun) -> str:
    from avbench.benchmark.predictions.saved_run import DEFAULT_SPLIT

    if a.split is not None and b.split is not None and a.split != b.split:
        raise InputError(
            b.path,
            found=f"predictions of the split {b.split}",
            expected=f"{a.split}, as in {a.path}",
            hint="evaluate both models on the same split",
        )
    return a.split or b.split or DEFAULT_SPLIT


def _strata(names: Sequence[str]) -> tuple[StratumColumns, ...]:
    from avbench.benchmark.scoring.breakdown import SOUND_STRATA
    from avbench.benchmark.scoring.strata import find_strata

    if not names:
        return ()
    if _ALL in names:
        return find_strata(())
    spelled = [one for name in names for one in (SOUND_STRATA if name == _SOUND else (name,))]
    return find_strata(list(dict.fromkeys(spelled)))


def _refuse_other_recipes(a: SavedRun, b: SavedRun, conditions: Sequence[str]) -> None:
    for name in conditions:
        seen_a, seen_b = a.recipes.get(name), b.recipes.get(name)
        if seen_a is not None and seen_b is not None and seen_a != seen_b:
            raise InputError(
                f"{b.path}: condition {name}",
                found=f"recipe {seen_b}",
                expected=f"{seen_a}, as in {a.path}",
                hint="the two saw different pictures or sounds under this name: run one of them again",
            )


def _print(tables: Sequence[Table], *, as_markdown: bool) -> None:
    click.echo("\n\n".join(table.markdown() if as_markdown else table.text() for table in tables))
