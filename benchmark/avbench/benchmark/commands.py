"""The verbs `evaluate`, `score` and `models`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from avbench.preprocessing.errors import InputError

if TYPE_CHECKING:
    from avbench.benchmark.dataset import PairDataset
    from avbench.benchmark.evaluate import Run
    from avbench.benchmark.predictions import Predictions
    from avbench.benchmark.scoring import Labels, Score

CONVENTION_NAMES = ("reloc3r", "superglue", "imc", "vggt")
SCORE_NAME = "score.json"
RUN_NAME = "run.json"
_SHOWN_MESSAGES = 3


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--model", "model_name", required=True, metavar="NAME", help="A name from `avbench models`, or FILE.py:Class."
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the run; default runs/MODEL.")
@click.option("--split", default="test", show_default=True, help="Which split to answer.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many pairs.")
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Pairs given at once.")
@click.option("--device", default="cpu", show_default=True, help="Handed to models that take one.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="For models that draw numbers.")
@click.option(
    "--baseline-threshold-m", type=click.FloatRange(min=0.0), help="Shorter metric baselines have no direction."
)
@click.option("--overwrite", is_flag=True, help="Replace a run of other settings in that folder.")
def evaluate(
    data: Path,
    model_name: str,
    out: Path | None,
    split: str,
    limit: int | None,
    batch_size: int,
    device: str,
    seed: int,
    baseline_threshold_m: float | None,
    overwrite: bool,  # noqa: FBT001 - click gives flags as booleans
) -> None:
    """Run a model over a prepared data set and score what it answers.

    Writes predictions.parquet, score.json and run.json. The same command continues a run that was interrupted.

    \b
    avbench evaluate data/ --model sift -o runs/sift
    avbench evaluate data/ --model my_model.py:MyModel --limit 100
    """
    from avbench.benchmark.dataset import open_dataset
    from avbench.benchmark.evaluate import RunSettings, remove_run, run_model
    from avbench.benchmark.models.registry import find_model
    from avbench.benchmark.scoring import Labels, score

    dataset = open_dataset(data)
    entry = find_model(model_name)
    folder = out or Path("runs") / entry.name.replace(".py:", "-").replace("/", "-")
    settings = RunSettings(split=split, limit=limit, batch_size=batch_size, device=device, seed=seed)
    if overwrite:
        remove_run(folder, (SCORE_NAME, RUN_NAME))
    with _ProgressBar(entry.name) as bar:
        run = run_model(dataset, entry, folder, settings, progress=bar.update)
    labels = Labels.of(dataset.labels(split, limit=limit))
    scores = score(run.predictions, labels, baseline_threshold_m=baseline_threshold_m)
    _write_results(folder, dataset, run, scores, split=split)
    if run.complete_before:
        click.echo(f"{folder}: this run was complete; its predictions are scored as they are", err=True)
    elif run.resumed_pairs:
        click.echo(f"{folder}: {run.resumed_pairs} of {run.pairs} pairs were answered before", err=True)
    _print_scores(entry.name, scores, run.predictions)
    if limit is not None:
        click.echo(f"only the first {run.pairs} pairs of the split: no result to report")
    click.echo(f"predictions: {folder / 'predictions.parquet'}")


@click.command()
@click.argument("predictions_path", metavar="PREDICTIONS", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--split", help="Which split; default the one the file names, else test.")
@click.option("--limit", type=click.IntRange(min=1), help="Score only the first so many pairs of the split.")
@click.option("--as", "convention_name", type=click.Choice(CONVENTION_NAMES), help="Also under another convention.")
@click.option(
    "--baseline-threshold-m", type=click.FloatRange(min=0.0), help="Shorter metric baselines have no direction."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def score(
    predictions_path: Path,
    data: Path,
    split: str | None,
    limit: int | None,
    convention_name: str | None,
    baseline_threshold_m: float | None,
    as_json: bool,  # noqa: FBT001 - click gives flags as booleans
) -> None:
    """Score a predictions file against the labels of a data set; no model runs.

    Pairs without a prediction count as 180 degrees off.

    \b
    avbench score runs/sift/predictions.parquet data/
    avbench score runs/sift/predictions.parquet data/ --as reloc3r
    """
    import json

    from avbench.benchmark.dataset import open_dataset
    from avbench.benchmark.predictions import read_predictions
    from avbench.benchmark.scoring import Labels
    from avbench.benchmark.scoring import score as score_all

    dataset = open_dataset(data)
    predictions = read_predictions(predictions_path)
    settings = predictions.info.get("settings", {})
    fingerprint = settings.get("dataset_fingerprint")
    if fingerprint is not None and fingerprint != dataset.fingerprint:
        raise InputError(
            predictions_path,
            found=f"predictions on the data set {fingerprint[:12]}",
            expected=f"{data}, which is {dataset.fingerprint[:12]}",
            hint="score it with the data set it was predicted on",
        )
    split = split or settings.get("split", "test")
    labels = Labels.of(dataset.labels(split, limit=limit))
    scores = score_all(predictions, labels, baseline_threshold_m=baseline_threshold_m)
    name = settings.get("model", predictions_path.stem)
    if as_json:
        click.echo(json.dumps(_result(dataset, predictions, scores, name, split), indent=1, ensure_ascii=False))
    else:
        _print_scores(name, scores, predictions)
    if convention_name is not None and not as_json:
        _print_convention(convention_name, predictions, labels, scores)


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
        for key in ("modalities", "needs", "parameters", "licence", "citation"):
            value = entry[key]
            text = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
            click.echo(f"    {key:<11} {text or '-'}")


class _ProgressBar:
    """Progress with the time left, on standard error."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: Any = None

    def __enter__(self) -> _ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, answered: int, count: int) -> None:
        """Show that so many pairs are answered."""
        from tqdm import tqdm

        if self._bar is None:
            # `initial` keeps pairs of an earlier run out of the rate, and so out of the time left.
            self._bar = tqdm(total=count, initial=answered, desc=self._name, unit="pair", file=sys.stderr)
            return
        self._bar.update(answered - self._bar.n)


def _print_scores(name: str, scores: list[Score], predictions: Predictions) -> None:
    from avbench.benchmark.tables import SCORE_HEADERS, score_notes, score_row, text_table

    click.echo(text_table(SCORE_HEADERS, [score_row(name, entry) for entry in scores]))
    for entry in scores:
        for line in score_notes(entry):
            click.echo(line)
    problems: dict[str, int] = {}
    for message in predictions.message:
        if message is not None:
            problems[message] = problems.get(message, 0) + 1
    for message, times in sorted(problems.items(), key=lambda item: -item[1])[:_SHOWN_MESSAGES]:
        click.echo(f"{times} x {message}")


def _print_convention(name: str, predictions: Predictions, labels: Labels, scores: list[Score]) -> None:
    from avbench.benchmark.conventions import score_as
    from avbench.benchmark.metrics_spec import load_metrics_spec
    from avbench.benchmark.tables import CONVENTION_HEADERS, convention_row, text_table

    convention = load_metrics_spec().conventions[name]
    for entry in scores:
        rows = score_as(
            convention, predictions, labels, entry.condition, baseline_threshold_m=entry.baseline_threshold_m
        )
        click.echo(f"\n{entry.condition}, as {name} scores it ({convention.reference}):")
        click.echo(text_table(CONVENTION_HEADERS, [convention_row(row) for row in rows]))


def _result(
    dataset: PairDataset, predictions: Predictions, scores: list[Score], model: str, split: str
) -> dict[str, Any]:
    return {
        "model": model,
        "split": split,
        "dataset_fingerprint": dataset.fingerprint,
        "predictions_sha256": predictions.content_sha256(),
        "scores": [entry.to_json() for entry in scores],
    }


def _write_results(folder: Path, dataset: PairDataset, run: Run, scores: list[Score], *, split: str) -> None:
    import json

    from avbench.benchmark.provenance import git_state, machine, peak_memory_mib
    from avbench.preprocessing.atomic import write_text

    result = _result(dataset, run.predictions, scores, run.settings["model"], split)
    write_text(folder / SCORE_NAME, json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    if run.complete_before and (folder / RUN_NAME).is_file():
        return
    document = {
        "command": ["avbench", *sys.argv[1:]],
        "settings": run.settings,
        "git": git_state(),
        "machine": machine(),
        "pairs": run.pairs,
        "resumed_pairs": run.resumed_pairs,
        "predictions_sha256": result["predictions_sha256"],
        "seconds": {phase: round(seconds, 3) for phase, seconds in run.seconds.items()},
        "peak_memory_mib": round(peak_memory_mib(), 1),
    }
    write_text(folder / RUN_NAME, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
