"""The command `avbench score`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from avbench.benchmark.cli.printing import print_scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avbench.benchmark.scoring.conventions import ConventionScore
    from avbench.benchmark.scoring.score import ScoredRun

CONVENTION_NAMES = (
    "reloc3r",
    "superglue",
    "imc",
    "roma",
    "posediffusion",
    "vggt",
    "da3",
    "pi3",
    "mapanything",
    "mapfree",
)


class _WithConventions(click.Command):
    """A command whose help ends in the table of conventions."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's own
        """Write the table."""
        from avbench.benchmark.metrics.spec import convention_table_row, load_metrics_spec

        lines = []
        for convention in load_metrics_spec().conventions.values():
            name, compares, direction, _, measures, failed = convention_table_row(convention)
            lines.append((name, f"{compares}, {direction}; {measures}; failed answer: {failed}"))
        with formatter.section("Conventions for --as (docs/evaluation.md says more)"):
            formatter.write_dl(lines)


@click.command(cls=_WithConventions)
@click.argument("predictions_path", metavar="PREDICTIONS", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--split", help="Which split; default the one the file names, else test.")
@click.option("--limit", type=click.IntRange(min=1), help="Score only the first so many pairs of the split.")
@click.option(
    "--as",
    "convention_names",
    multiple=True,
    metavar="NAME",
    type=click.Choice(CONVENTION_NAMES),
    help="Also as another public code computes it, and the difference; see below. May be given several times.",
)
@click.option(
    "--baseline-threshold-m",
    type=click.FloatRange(min=0.0),
    help="Baselines shorter than this, in metres, have no direction.  [default: 0.05]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def score(
    predictions_path: Path,
    data: Path,
    split: str | None,
    limit: int | None,
    convention_names: tuple[str, ...],
    baseline_threshold_m: float | None,
    as_json: bool,  # noqa: FBT001 - click gives flags as booleans
) -> None:
    """Score a predictions file, or that of a run's folder, against the labels of a data set; no model runs.

    Pairs without a prediction count as 180 degrees off.

    \b
        avbench score runs/sift/predictions.parquet data/
        avbench score runs/sift/predictions.parquet data/ --as reloc3r --as vggt
    """
    import json

    from avbench.benchmark.data.dataset import open_dataset
    from avbench.benchmark.evaluation.results import score_document
    from avbench.benchmark.predictions.saved_run import DEFAULT_SPLIT, read_run
    from avbench.benchmark.scoring.score import labels_and_groups, score_predictions

    dataset = open_dataset(data)
    run = read_run(predictions_path, dataset)
    predictions = run.predictions
    for note in predictions.notes:
        click.echo(f"note: {note}", err=True)
    split = split or run.split or DEFAULT_SPLIT
    labels, groups = labels_and_groups(dataset, split, limit)
    scored = score_predictions(predictions, labels, groups, baseline_threshold_m=baseline_threshold_m)
    if as_json:
        result = score_document(scored, model=run.model, split=split, dataset_fingerprint=dataset.fingerprint)
        if convention_names:
            result["conventions"] = [
                convention_score.to_json() for convention_score in _convention_scores(convention_names, scored)
            ]
        click.echo(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        print_scores(run.model, scored.scores, predictions)
        _print_conventions(_convention_scores(convention_names, scored))


def _convention_scores(names: tuple[str, ...], run: ScoredRun) -> Iterator[ConventionScore]:
    if not names:
        return
    from avbench.benchmark.metrics.spec import load_metrics_spec
    from avbench.benchmark.scoring.conventions import score_as

    conventions = load_metrics_spec().conventions
    for condition in run.conditions:
        for name in dict.fromkeys(names):
            yield score_as(conventions[name], run, condition)


def _print_conventions(found: Iterator[ConventionScore]) -> None:
    from avbench.benchmark.tables.scores import CONVENTION_HEADERS, convention_row, text_table

    for entry in found:
        click.echo(f"\n{entry.condition}, as {entry.convention.name} scores it ({entry.convention.reference}):")
        if entry.rows:
            click.echo(text_table(CONVENTION_HEADERS, [convention_row(row) for row in entry.rows]))
        for line in entry.notes:
            click.echo(line)
