"""The command `avbench evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from avbench.benchmark.base.progress import ProgressBar
from avbench.benchmark.cli.chosen_model import ChosenModel, key_values
from avbench.benchmark.cli.printing import print_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avbench.benchmark.data.dataset import PairDataset
    from avbench.benchmark.evaluation.plan import EvaluationPlan
    from avbench.benchmark.models.entry import ModelEntry
    from avbench.benchmark.running.run import Run, RunSettings
    from avbench.benchmark.scoring.probes import ProbeReport
    from avbench.benchmark.scoring.score import ScoredRun


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
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the model's constructor, see `avbench models NAME`; may be repeated.",
)
@click.option(
    "--python",
    metavar="PATH",
    help="Run the model with this Python interpreter, which needs its packages and NumPy; avbench need not be there.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the run; default runs/MODEL.")
@click.option("--split", default="test", show_default=True, help="Which split to answer.")
@click.option("--limit", type=click.IntRange(min=1), help="Only this many pairs, from the first on.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Pairs that the model is given at once.",
)
@click.option(
    "--suite",
    "suite_name",
    default="clean",
    show_default=True,
    metavar="NAME",
    help="Suite of corruptions: clean, standard, paper, reference, or a TOML file.",
)
@click.option(
    "--probes", is_flag=True, help="Also evaluate with the sound muted, exchanged or damaged: does the model listen?"
)
@click.option(
    "--device", default="cpu", show_default=True, help="Device of models that take one: cpu, cuda, cuda:1, ..."
)
@click.option(
    "--workers", type=click.IntRange(min=0), help="Threads that read and corrupt ahead.  [default: cores - 1]"
)
@click.option(
    "--timeout-s",
    type=click.FloatRange(min=0.0),
    default=600.0,
    show_default=True,
    help="Longest time for one batch; 0 disables the timeout and, without --python, runs the model in this process "
    "(for debugging).",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of models that draw random numbers."
)
@click.option(
    "--baseline-threshold-m",
    type=click.FloatRange(min=0.0),
    help="Baselines shorter than this, in metres, have no direction.  [default: 0.05]",
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
@click.option("--smoke", is_flag=True, help="Try the whole pipeline on 8 pairs, into a new folder NAME-smoke.")
def evaluate(
    data: Path,
    model_name: str,
    weights: Path | None,
    options: tuple[str, ...],
    python: str | None,
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
    continues a run that was interrupted. Of a split that was published without labels, predictions.parquet and
    run.json are written and the rest is left out. A model that answers no pair at all, or fails on more than --fail-on
    allows, makes the exit code 1; what was written stays.

    \b
        avbench evaluate data/ --model sift -o runs/sift
        avbench evaluate data/ --model sift --suite standard --probes
        avbench evaluate data/ --model my_model.py:MyModel --limit 100
        avbench evaluate data/ --model my_model.py:MyModel --set width=512 --python ~/envs/my_model/bin/python
    """
    from avbench.benchmark.evaluation.evaluate import evaluate_model
    from avbench.benchmark.evaluation.failures import refuse_failures
    from avbench.benchmark.evaluation.plan import SMOKE_PAIRS
    from avbench.benchmark.evaluation.results import REPORT_NAME, RESULT_NAMES
    from avbench.benchmark.running.run import PARTS_NAME, RunSettings, remove_run
    from avbench.preprocessing.base.locks import sole_writer

    dataset, entry, plan = _asked(
        data,
        ChosenModel(model_name, weights, python, key_values(options)),
        split,
        suite_name,
        probes=probes,
        smoke=smoke,
    )
    folder = out or Path("runs") / entry.name.replace(".py:", "-").replace("/", "-").replace(":", "-")
    if smoke:
        folder, limit = folder.with_name(f"{folder.name}-smoke"), SMOKE_PAIRS
    settings = RunSettings(split, limit, batch_size, device, seed, workers, timeout_s or None)
    # All is written before anything is printed: who reads along may stop reading.
    with sole_writer(folder, PARTS_NAME):
        if overwrite or smoke:
            remove_run(folder, RESULT_NAMES)
        with ProgressBar(entry.name, "answer") as bar:
            found = evaluate_model(
                dataset,
                entry,
                plan,
                folder,
                settings,
                command=["avbench", *sys.argv[1:]],
                baseline_threshold_m=baseline_threshold_m,
                progress=bar.update,
                say=bar.say,
            )
        if report and found.scored is not None:
            from avbench.benchmark.report.write import write_report

            write_report([folder], data, folder / REPORT_NAME, split=split, scored=[found.scored])
    run = found.run
    if run.complete_before:
        state = "" if found.scored is None else "; its predictions are scored as they are"
        click.echo(f"{folder}: this run was complete{state}", err=True)
    elif run.resumed_pairs:
        click.echo(f"{folder}: {run.resumed_pairs} of {run.pairs} pairs were answered before", err=True)
    if found.scored is None:
        _print_not_scored(split, found.lacking, plan, report=report)
    else:
        _print_evaluation(entry.name, found.scored, found.probes, hidden=len(plan.probes))
    if smoke:
        _print_batch_deviation(dataset, entry, settings, plan, run)
    if limit is not None:
        click.echo(f"only the first {run.pairs} pairs of the split: no result to report")
    click.echo(f"predictions: {folder / 'predictions.parquet'}")
    if report and found.scored is not None:
        click.echo(f"report:      {folder / REPORT_NAME}")
    refuse_failures(entry.name, run.predictions, fail_on)


def _print_evaluation(name: str, scored: ScoredRun, probes: ProbeReport | None, *, hidden: int) -> None:
    from avbench.benchmark.tables.probes import probe_table

    # Rows of probes would mix pairs to which a probe can be applied with others; they have a table of their own.
    print_scores(name, scored.scores[: len(scored.scores) - hidden], scored.predictions)
    if probes is not None:
        click.echo(f"\n{probe_table(probes)}")


def _print_not_scored(split: str, lacking: Sequence[str], plan: EvaluationPlan, *, report: bool) -> None:
    from avbench.benchmark.evaluation.results import PROBES_NAME, REPORT_NAME, SCORE_NAME

    left_out = [SCORE_NAME, *([PROBES_NAME] if plan.probes else []), *([REPORT_NAME] if report else [])]
    click.echo(
        f"not scored: the split {split} has no label columns {', '.join(lacking)}; these pairs were published without "
        f"the answers; left out: {', '.join(left_out)}; submit the predictions with `avbench submit`"
    )


def _asked(
    data: Path, model: ChosenModel, split: str, suite_name: str, *, probes: bool, smoke: bool
) -> tuple[PairDataset, ModelEntry, EvaluationPlan]:
    """What a run is made of; whatever is wrong with it is said at once."""
    from avbench.benchmark.conditions.corruptions import load_suite
    from avbench.benchmark.data.dataset import open_dataset
    from avbench.benchmark.evaluation.plan import plan_evaluation
    from avbench.preprocessing.base.errors import Problems

    problems = Problems()
    with problems.noted():
        dataset = open_dataset(data)
        with problems.noted():
            dataset.pair_count(split)
    with problems.noted():
        entry = model.find()
    with problems.noted():
        load_suite(suite_name)
    problems.raise_any()
    return dataset, entry, plan_evaluation(dataset, split, suite_name, probes=probes, smoke=smoke)


def _print_batch_deviation(
    dataset: PairDataset, entry: ModelEntry, settings: RunSettings, plan: EvaluationPlan, run: Run
) -> None:
    from avbench.benchmark.evaluation.batch_check import deviation_of_single_pairs

    found = deviation_of_single_pairs(dataset, entry, settings, plan.conditions, run.predictions)
    click.echo(f"batches of {min(settings.batch_size, run.pairs)} against single pairs: {found}")
