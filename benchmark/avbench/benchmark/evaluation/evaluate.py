"""An evaluation from end to end: run a model, score what it answers, write it all down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.data.pair import Model
from avbench.benchmark.evaluation.plan import EvaluationPlan
from avbench.benchmark.evaluation.results import (
    PROBES_NAME,
    RUN_NAME,
    SCORE_NAME,
    score_document,
    write_document,
)
from avbench.benchmark.evaluation.run_manifest import run_document
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.running.run import Progress, Run, RunSettings, Say, run_model, say_nothing
from avbench.benchmark.scoring.probes import ProbeReport, score_probes
from avbench.benchmark.scoring.score import ScoredRun, labels_and_groups, score_predictions


@dataclass(frozen=True)
class Evaluation:
    """What came of an evaluation.

    Attributes:
        run: What the model answered, and how the run went.
        scored: Its scores; None where the pairs were published without labels.
        probes: What came of listening probes, None where none were asked for.
        lacking: Label columns that the split lacks; empty where it was scored.
    """

    run: Run
    scored: ScoredRun | None
    probes: ProbeReport | None
    lacking: tuple[str, ...]


def evaluate_model(
    dataset: PairDataset,
    entry: ModelEntry,
    plan: EvaluationPlan,
    folder: Path,
    settings: RunSettings,
    *,
    command: Sequence[str],
    baseline_threshold_m: float | None = None,
    model: Model | None = None,
    progress: Progress | None = None,
    say: Say = say_nothing,
) -> Evaluation:
    """Run a model, score its answers, and write `predictions.parquet`, `run.json`, `score.json` and `probes.json`.

    The caller holds the folder (`sole_writer`).

    Args:
        dataset: The data set.
        entry: The model.
        plan: Under which conditions.
        folder: Folder of the run.
        settings: How to run it.
        command: What was typed or called, for `run.json`.
        baseline_threshold_m: Shortest metric baseline with a direction, None for the specification's.
        model: The model itself, to be run in this process; None to build it from its entry.
        progress: Called with how far the run is.
        say: Called with lines that the user should see while it runs.

    Raises:
        InputError: The data set is damaged, the model cannot be built, or the folder has a run of other settings.
        AvbenchError: A file cannot be written.
    """
    run = run_model(
        dataset, entry, folder, settings, conditions=plan.conditions, model=model, progress=progress, say=say
    )
    if not (run.complete_before and (folder / RUN_NAME).is_file()):
        write_document(folder / RUN_NAME, run_document(run, settings, plan, command, entry.interpreter))
    lacking = tuple(dataset.lacking_labels(settings.split))
    if lacking:
        return Evaluation(run, None, None, lacking)
    labels, groups = labels_and_groups(dataset, settings.split, settings.limit)
    scored = score_predictions(run.predictions, labels, groups, baseline_threshold_m=baseline_threshold_m)
    document = score_document(
        scored,
        model=run.settings["model"],
        split=settings.split,
        dataset_fingerprint=dataset.fingerprint,
    )
    write_document(folder / SCORE_NAME, document)
    probes = None
    if plan.probes:
        probes = score_probes(plan.probes, scored, entry)
        digest = {"predictions_sha256": run.predictions.content_sha256()}
        write_document(folder / PROBES_NAME, digest | probes.to_json())
    return Evaluation(run, scored, probes, ())
