"""The verbs `evaluate`, `score` and `models`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from avbench.benchmark.base.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from avbench.benchmark.data.dataset import PairDataset
    from avbench.benchmark.evaluation.plan import EvaluationPlan
    from avbench.benchmark.models.registry import ModelEntry
    from avbench.benchmark.predictions.file import Predictions
    from avbench.benchmark.running.run import Run, RunSettings
    from avbench.benchmark.scoring.conventions import ConventionScore
    from avbench.benchmark.scoring.intervals import ConditionIntervals
    from avbench.benchmark.scoring.score import Labels, Score

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
SCORE_NAME = "score.json"
RUN_NAME = "run.json"
PROBES_NAME = "probes.json"
REPORT_NAME = "report.html"
RESULT_NAMES = (SCORE_NAME, RUN_NAME, PROBES_NAME, REPORT_NAME, "scores.csv", "scores.md", "scores.tex")
"""What `evaluate` writes beside the predictions, and replaces with them."""
_SHOWN_MESSAGES = 3


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--model", "model_name", required=True, metavar="NAME", help="A name from `avbench models`, or FILE.py:Class."
)
@click.option(
    "--weights",
    type=click.Path(exists=True, path_type=Path),
    help="Weights of a learned model: what `avbench train` wrote.  [default: the shipped ones]",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the run; default runs/MODEL.")
@click.option("--split", default="test", show_default=True, help="Which split to answer.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many pairs.")
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Pairs given at once.")
@click.option(
    "--suite",
    "suite_name",
    default="clean",
    show_default=True,
    metavar="NAME",
    help="clean, standard, paper, reference, or a TOML.",
)
@click.option("--probes", is_flag=True, help="Also mute, exchange and spoil the sound: what does the model hear?")
@click.option("--device", default="cpu", show_default=True, help="Handed to models that take one.")
@click.option(
    "--workers", type=click.IntRange(min=0), help="Threads that read and corrupt ahead.  [default: cores - 1]"
)
@click.option(
    "--timeout-s",
    type=click.FloatRange(min=0.0),
    default=600.0,
    show_default=True,
    help="Longest time for one batch; 0 waits for ever and runs the model in this process, for a debugger.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="For models that draw numbers.")
@click.option(
    "--baseline-threshold-m", type=click.FloatRange(min=0.0), help="Shorter metric baselines have no direction."
)
@click.option("--overwrite", is_flag=True, help="Replace a run of other settings in that folder.")
@click.option("--report/--no-report", default=True, show_default=True, help="Write report.html and its tables.")
@click.option(
    "--fail-on",
    type=click.FloatRange(0.0, 1.0),
    metavar="SHARE",
    help="Exit with code 1 if more than this share of the pairs fails under any condition.  [default: only if every "
    "pair fails under all of them]",
)
@click.option("--smoke", is_flag=True, help="Try the whole road on 8 pairs, into a folder NAME-smoke, made anew.")
def evaluate(
    data: Path,
    model_name: str,
    weights: Path | None,
    out: Path | None,
    split: str,
    limit: int | None,
    batch_size: int,
    suite_name: str,
    probes: bool,  # noqa: FBT001 - click gives flags as booleans
    device: str,
    workers: int | None,
    timeout_s: float,
    seed: int,
    baseline_threshold_m: float | None,
    overwrite: bool,  # noqa: FBT001 - as above
    report: bool,  # noqa: FBT001 - as above
    fail_on: float | None,
    smoke: bool,  # noqa: FBT001 - as above
) -> None:
    """Run a model over a prepared data set and score what it answers.

    Writes predictions.parquet, score.json and run.json, probes.json with --probes, and report.html. The same command
    continues a run that was interrupted. Of a split that was handed out without labels, predictions.parquet and
    run.json are written and the rest is left out. A model that answers no pair at all, or fails on more than --fail-on
    allows, makes the exit code 1; what was written stays.

    \b
    avbench evaluate data/ --model sift -o runs/sift
    avbench evaluate data/ --model sift --suite standard --probes
    avbench evaluate data/ --model my_model.py:MyModel --limit 100
    """
    from avbench.benchmark.evaluation.failures import refuse_failures
    from avbench.benchmark.evaluation.plan import SMOKE_PAIRS
    from avbench.benchmark.running.run import PARTS_NAME, RunSettings, remove_run, run_model
    from avbench.benchmark.scoring.score import Labels, score
    from avbench.preprocessing.base.locks import sole_writer

    dataset, entry, plan = _asked(data, model_name, weights, split, suite_name, probes=probes, smoke=smoke)
    folder = out or Path("runs") / entry.name.replace(".py:", "-").replace("/", "-").replace(":", "-")
    if smoke:
        folder, limit = folder.with_name(f"{folder.name}-smoke"), SMOKE_PAIRS
    settings = RunSettings(split, limit, batch_size, device, seed, workers, timeout_s or None)
    # All is written before anything is printed: who reads along may stop reading.
    with sole_writer(folder, PARTS_NAME):
        if overwrite or smoke:
            remove_run(folder, RESULT_NAMES)
        with ProgressBar(entry.name, "answer") as bar:
            run = run_model(
                dataset, entry, folder, settings, conditions=plan.conditions, progress=bar.update, say=bar.say
            )
        _write_run(folder, run, settings, plan)
        lacking = dataset.lacking_labels(split)
        if not lacking:
            labels = Labels.of(dataset.labels(split, limit=limit))
            scores = score(run.predictions, labels, baseline_threshold_m=baseline_threshold_m)
            intervals = _intervals(dataset, run.predictions, labels, split, limit, baseline_threshold_m)
            _write_scores(folder, dataset, run, settings, scores, intervals)
            probed = None
            if plan.probes:
                probed = _write_probes(folder, dataset, entry, settings, plan, run, labels, baseline_threshold_m)
            if report:
                from avbench.benchmark.report.write import write_report

                write_report([folder], data, folder / REPORT_NAME, split=split)
    if run.complete_before:
        state = "" if lacking else "; its predictions are scored as they are"
        click.echo(f"{folder}: this run was complete{state}", err=True)
    elif run.resumed_pairs:
        click.echo(f"{folder}: {run.resumed_pairs} of {run.pairs} pairs were answered before", err=True)
    if lacking:
        _print_not_scored(split, lacking, plan, report=report)
    else:
        # Rows of probes would mix pairs to which a probe can be applied with others; they have a table of their own.
        shown = len(scores) - len(plan.probes)
        _print_scores(entry.name, scores[:shown], intervals[:shown], run.predictions)
        if probed is not None:
            click.echo(f"\n{probed}")
    if smoke:
        _print_batch_deviation(dataset, entry, settings, plan, run)
    if limit is not None:
        click.echo(f"only the first {run.pairs} pairs of the split: no result to report")
    click.echo(f"predictions: {folder / 'predictions.parquet'}")
    if report and not lacking:
        click.echo(f"report:      {folder / REPORT_NAME}")
    refuse_failures(entry.name, run.predictions, fail_on)


def _print_not_scored(split: str, lacking: Sequence[str], plan: EvaluationPlan, *, report: bool) -> None:
    left_out = [SCORE_NAME, *([PROBES_NAME] if plan.probes else []), *([REPORT_NAME] if report else [])]
    click.echo(
        f"not scored: the split {split} has no label columns {', '.join(lacking)}; these pairs were handed out without "
        f"the answers; left out: {', '.join(left_out)}; hand the predictions in with `avbench submit`"
    )


def _asked(
    data: Path, model_name: str, weights: Path | None, split: str, suite_name: str, *, probes: bool, smoke: bool
) -> tuple[PairDataset, ModelEntry, EvaluationPlan]:
    """What a run is made of; whatever is wrong with it is said at once."""
    from avbench.benchmark.conditions.corruptions import load_suite
    from avbench.benchmark.data.dataset import open_dataset
    from avbench.benchmark.evaluation.plan import plan_evaluation
    from avbench.benchmark.models.registry import find_model
    from avbench.preprocessing.base.errors import Problems

    problems = Problems()
    with problems.noted():
        dataset = open_dataset(data)
        with problems.noted():
            dataset.pair_count(split)
    with problems.noted():
        entry = find_model(model_name, weights=weights)
    with problems.noted():
        load_suite(suite_name)
    problems.raise_any()
    return dataset, entry, plan_evaluation(dataset, split, suite_name, probes=probes, smoke=smoke)


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
    "--baseline-threshold-m", type=click.FloatRange(min=0.0), help="Shorter metric baselines have no direction."
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
    from avbench.benchmark.predictions.saved_run import DEFAULT_SPLIT, read_run
    from avbench.benchmark.scoring.score import Labels
    from avbench.benchmark.scoring.score import score as score_all

    dataset = open_dataset(data)
    run = read_run(predictions_path, dataset)
    predictions = run.predictions
    for note in predictions.notes:
        click.echo(f"note: {note}", err=True)
    split = split or run.split or DEFAULT_SPLIT
    labels = Labels.of(dataset.labels(split, limit=limit))
    scores = score_all(predictions, labels, baseline_threshold_m=baseline_threshold_m)
    intervals = _intervals(dataset, predictions, labels, split, limit, baseline_threshold_m)
    if as_json:
        result = _result(dataset, predictions, scores, intervals, run.model, split)
        if convention_names:
            result["conventions"] = [
                found.to_json() for found in _convention_scores(convention_names, predictions, labels, scores)
            ]
        click.echo(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        _print_scores(run.model, scores, intervals, predictions)
        _print_conventions(_convention_scores(convention_names, predictions, labels, scores))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def models(as_json: bool) -> None:  # noqa: FBT001 - click gives flags as booleans
    """List the models that `--model` knows.

    Installed packages add theirs through the entry-point group `avbench.models`; any class with a method `predict`
    works as FILE.py:Class.

    \b
    avbench models
    """
    import json

    from avbench.benchmark.models.registry import list_models

    entries = [
        {
            "name": entry.name,
            "description": entry.description,
            "modalities": sorted(entry.modalities),
            "needs": list(entry.needs),
            "parameters": entry.parameters,
            "weights": entry.weights,
            "licence": entry.licence,
            "citation": entry.citation,
            "target": entry.target,
        }
        for entry in list_models()
    ]
    if as_json:
        click.echo(json.dumps(entries, indent=1, ensure_ascii=False))
        return
    for entry in entries:
        click.echo(f"{entry['name']}: {entry['description']}")
        for key in ("modalities", "needs", "parameters", "weights", "licence", "citation"):
            value = entry[key]
            text = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
            click.echo(f"    {key:<11} {text or '-'}")


def _intervals(
    dataset: PairDataset,
    predictions: Predictions,
    labels: Labels,
    split: str,
    limit: int | None,
    baseline_threshold_m: float | None,
) -> list[ConditionIntervals]:
    from avbench.benchmark.scoring.bootstrap import draw_clusters
    from avbench.benchmark.scoring.intervals import score_intervals

    groups = dataset.table(split, ("group_id",), limit=limit).column("group_id").to_pylist()
    return score_intervals(predictions, labels, draw_clusters(groups), baseline_threshold_m=baseline_threshold_m)


def _print_scores(
    name: str, scores: list[Score], intervals: list[ConditionIntervals], predictions: Predictions
) -> None:
    from avbench.benchmark.tables.scores import (
        FURTHER_HEADERS,
        HEADLINE_HEADERS,
        further_row,
        headline_notes,
        headline_row,
        shared_score_notes,
        text_table,
    )

    paired = list(zip(scores, intervals, strict=True))
    click.echo(text_table(HEADLINE_HEADERS, [headline_row(name, entry, interval) for entry, interval in paired]))
    click.echo("in brackets: 95 % intervals, from resampling groups")
    for line in headline_notes(intervals):
        click.echo(line)
    click.echo("")
    click.echo(text_table(FURTHER_HEADERS, [further_row(name, entry) for entry in scores]))
    for line in shared_score_notes(scores):
        click.echo(line)
    problems: dict[str, int] = {}
    for message in predictions.message:
        if message is not None:
            problems[message] = problems.get(message, 0) + 1
    for message, times in sorted(problems.items(), key=lambda item: -item[1])[:_SHOWN_MESSAGES]:
        click.echo(f"{times} x {message}")


def _convention_scores(
    names: tuple[str, ...], predictions: Predictions, labels: Labels, scores: list[Score]
) -> Iterator[ConventionScore]:
    if not names:
        return
    from avbench.benchmark.metrics.spec import load_metrics_spec
    from avbench.benchmark.scoring.conventions import score_as

    conventions = load_metrics_spec().conventions
    for entry in scores:
        for name in dict.fromkeys(names):
            yield score_as(
                conventions[name], predictions, labels, entry.condition, baseline_threshold_m=entry.baseline_threshold_m
            )


def _print_conventions(found: Iterator[ConventionScore]) -> None:
    from avbench.benchmark.tables.scores import CONVENTION_HEADERS, convention_row, text_table

    for entry in found:
        click.echo(f"\n{entry.condition}, as {entry.convention.name} scores it ({entry.convention.reference}):")
        if entry.rows:
            click.echo(text_table(CONVENTION_HEADERS, [convention_row(row) for row in entry.rows]))
        for line in entry.notes:
            click.echo(line)


def _result(
    dataset: PairDataset,
    predictions: Predictions,
    scores: list[Score],
    intervals: list[ConditionIntervals],
    model: str,
    split: str,
) -> dict[str, Any]:
    from avbench.benchmark.scoring.bootstrap import CONFIDENCE, DEFAULT_RESAMPLES

    return {
        "model": model,
        "split": split,
        "dataset_fingerprint": dataset.fingerprint,
        "predictions_sha256": predictions.content_sha256(),
        "intervals": {"confidence": CONFIDENCE, "clustered_by": "group_id", "resamples": DEFAULT_RESAMPLES, "seed": 0},
        "scores": [
            {**entry.to_json(), "intervals": interval.to_json()}
            for entry, interval in zip(scores, intervals, strict=True)
        ],
    }


def _write_scores(
    folder: Path,
    dataset: PairDataset,
    run: Run,
    settings: RunSettings,
    scores: list[Score],
    intervals: list[ConditionIntervals],
) -> None:
    import json

    from avbench.preprocessing.base.atomic import write_text

    result = _result(dataset, run.predictions, scores, intervals, run.settings["model"], settings.split)
    write_text(folder / SCORE_NAME, json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def _write_run(folder: Path, run: Run, settings: RunSettings, plan: EvaluationPlan) -> None:
    import json

    from avbench.benchmark.evaluation.run_manifest import run_document
    from avbench.preprocessing.base.atomic import write_text

    if run.complete_before and (folder / RUN_NAME).is_file():
        return
    document = run_document(run, settings, plan, ["avbench", *sys.argv[1:]])
    write_text(folder / RUN_NAME, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _write_probes(
    folder: Path,
    dataset: PairDataset,
    entry: ModelEntry,
    settings: RunSettings,
    plan: EvaluationPlan,
    run: Run,
    labels: Labels,
    baseline_threshold_m: float | None,
) -> str:
    """Write the result of the listening probes; their table."""
    import json

    from avbench.benchmark.scoring.bootstrap import draw_clusters
    from avbench.benchmark.scoring.probes import score_probes
    from avbench.benchmark.tables.probes import probe_table
    from avbench.preprocessing.base.atomic import write_text

    groups = dataset.table(settings.split, ("group_id",), limit=settings.limit).column("group_id").to_pylist()
    report = score_probes(
        plan.probes,
        run.predictions,
        labels,
        draw_clusters(groups),
        entry,
        baseline_threshold_m=baseline_threshold_m,
    )
    document = {"predictions_sha256": run.predictions.content_sha256(), **report.to_json()}
    write_text(folder / PROBES_NAME, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return probe_table(report)


def _print_batch_deviation(
    dataset: PairDataset, entry: ModelEntry, settings: RunSettings, plan: EvaluationPlan, run: Run
) -> None:
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from avbench.benchmark.evaluation.batch_check import deviation
    from avbench.benchmark.running.run import run_model

    singly = replace(settings, batch_size=1, workers=0)
    with TemporaryDirectory() as folder:
        single = run_model(dataset, entry, Path(folder), singly, conditions=plan.conditions)
    found = deviation(run.predictions, single.predictions)
    click.echo(f"batches of {min(settings.batch_size, run.pairs)} against single pairs: {found}")
