"""Evaluate, score, compare and report from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from avbench.benchmark.api.data import Pairs
from avbench.benchmark.api.models import entry_of
from avbench.benchmark.base.progress import ProgressBar
from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.evaluation.compare import common_split, compare_saved
from avbench.benchmark.evaluation.evaluate import evaluate_model
from avbench.benchmark.evaluation.failures import refuse_failures
from avbench.benchmark.evaluation.plan import plan_evaluation
from avbench.benchmark.evaluation.results import REPORT_NAME, RESULT_NAMES
from avbench.benchmark.models.options import OptionValue
from avbench.benchmark.predictions.arrays import predictions_from_arrays
from avbench.benchmark.predictions.file import Predictions
from avbench.benchmark.predictions.saved_run import SavedRun, distinct_names, read_run
from avbench.benchmark.running.run import PARTS_NAME, PREDICTIONS_NAME, RunSettings, remove_run
from avbench.benchmark.scoring.comparison import Comparison as ComparedRuns
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.metric import HEADLINES, find_metrics
from avbench.benchmark.scoring.probes import ProbeReport
from avbench.benchmark.scoring.score import ScoredRun, score_predictions
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.locks import sole_writer

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from avbench.benchmark.data.pair import Model

DEFAULT_SPLIT = "test"


@dataclass(frozen=True)
class Result:
    """Scores with their 95 % intervals.

    Attributes:
        model: Name of the model.
        scored: The scores, in the form that the commands use.
    """

    model: str
    scored: ScoredRun

    @property
    def predictions(self) -> Predictions:
        """What was answered."""
        return self.scored.predictions

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions, in order."""
        return self.scored.conditions

    def table(self, metrics: Sequence[str] | None = None, conditions: Sequence[str] | None = None) -> pd.DataFrame:
        """One row a condition and metric.

        Columns: `condition`, `metric`, `unit`, `estimate`, `low`, `high`, `n` (pairs), `groups`, `note`. `low` and
        `high` are the ends of the 95 % interval, missing where there is none; `note` says why.

        Args:
            metrics: Names such as "rotation.mean_deg" or "total.auc@20"; None for the headlines.
            conditions: Names of conditions; None for all.

        Raises:
            InputError: There is no such metric or condition.
        """
        import pandas as pd

        chosen = find_metrics(list(HEADLINES) if metrics is None else list(metrics))
        for name in conditions or ():
            self._check_condition(name)
        rows = [
            {
                "condition": score.condition,
                "metric": metric.name,
                "unit": metric.unit,
                "estimate": found.value,
                "low": found.low,
                "high": found.high,
                "n": found.pairs,
                "groups": found.groups,
                "note": str(found.note),
            }
            for score in self.scored.scores
            if conditions is None or score.condition in conditions
            for metric in chosen
            for found in [score.estimates[metric.name]]
        ]
        frame = pd.DataFrame(rows)
        return frame.astype({"low": "float64", "high": "float64"}) if len(frame) else frame

    def errors(self, condition: str | None = None) -> pd.DataFrame:
        """The errors of every pair under one condition, one row a pair, by `pair_id`.

        Columns: `rotation_deg`, `direction_deg`, `total_deg` (the larger of both), `translation_m`, and `answered`
        (whether there is a usable answer; without one, errors are 180 degrees). NaN where the metrics leave a pair out.

        Args:
            condition: Its name; None for the first.

        Raises:
            InputError: There is no such condition.
        """
        import pandas as pd

        name = self.conditions[0] if condition is None else condition
        self._check_condition(name)
        found = self.scored.errors(name)
        return pd.DataFrame(
            {
                "rotation_deg": found.rotation_deg,
                "direction_deg": found.direction_deg,
                "total_deg": found.total_deg,
                "translation_m": found.translation_m,
                "answered": found.valid,
            },
            index=pd.Index(self.scored.labels.pair_id, name="pair_id"),
        )

    def _check_condition(self, name: str) -> None:
        if name not in self.conditions:
            raise InputError("condition", found=repr(name), expected=f"one of {', '.join(self.conditions)}")

    def __getitem__(self, metric: str) -> float:
        """The value of a metric of the first condition, such as `result["rotation.mean_deg"]`.

        Raises:
            InputError: There is no such metric.
        """
        [found] = find_metrics([metric])
        return self.scored.scores[0].estimates[found.name].value


@dataclass(frozen=True)
class EvaluatedRun(Result):
    """A model that was run over a split: its answers, scores and files.

    Attributes:
        folder: The run's folder; a temporary one, removed with this object, where none was given.
        pairs: What it was run on.
        probes: What came of listening probes, None where none were asked for.
    """

    folder: Path
    pairs: Pairs
    probes: ProbeReport | None = None
    _temporary: TemporaryDirectory[str] | None = field(default=None, repr=False, compare=False)

    @property
    def saved(self) -> SavedRun:
        """The run as its files have it."""
        return SavedRun(self.folder / PREDICTIONS_NAME, self.predictions)

    def plot(self, kind: str = "robustness", metric: str = "rotation.mean_deg") -> Figure:
        """A matplotlib figure.

        Args:
            kind: "robustness": a metric under every condition, with intervals.
            metric: Name of the metric.

        Raises:
            InputError: There is no such plot or metric.
        """
        from avbench.benchmark.plots.robustness import robustness_plot

        if kind != "robustness":
            raise InputError("kind", found=repr(kind), expected="robustness")
        [chosen] = find_metrics([metric])
        estimates = [score.estimates[chosen.name] for score in self.scored.scores]
        return robustness_plot({self.model: estimates}, self.conditions, f"{chosen.name} ({chosen.unit})")

    def report(self, out: str | os.PathLike[str] | None = None) -> Path:
        """Write the report of this run as one HTML file; see `report`.

        Args:
            out: The file; None for `report.html` in the run's folder.
        """
        return report([self], out=self.folder / REPORT_NAME if out is None else out)


def evaluate(
    model: str | type | Model,
    data: Pairs | str | os.PathLike[str],
    *,
    suite: str | os.PathLike[str] = "clean",
    probes: bool = False,
    out: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    options: Mapping[str, OptionValue] | None = None,
    python: str | os.PathLike[str] | None = None,
    limit: int | None = None,
    batch_size: int = 16,
    device: str = "cpu",
    workers: int | None = None,
    seed: int = 0,
    timeout_s: float = 600.0,
    baseline_threshold_m: float | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> EvaluatedRun:
    """Run a model over a split and score what it answers, as `avbench evaluate` does.

    Args:
        model: A name that `models()` lists, "path/to/file.py:Class", a class, or an instance: any object with
            `predict(pairs)`. Named models run in a process of their own, classes and instances in this one.
        data: Pairs of one split, or a data set, of which the split `test` is taken. A slice from the first pair on is
            run as that many pairs.
        suite: Name of a suite (clean, standard, paper, reference), or a TOML file.
        probes: Whether to find out how the model listens.
        out: Folder of the run; None for a temporary one. The same call continues a stopped one.
        weights: Weights of a learned model; None for the shipped ones.
        options: Arguments for the constructor of a named model or a class, such as `{"features": 500}`.
        python: The Python interpreter to run a named model with, which needs the model's packages and NumPy; None for
            this one.
        limit: Only the first so many pairs.
        batch_size: Pairs that the model is given at once.
        device: Handed to models that take one.
        workers: Threads that read ahead; None for one a core, less one.
        seed: For models that draw numbers.
        timeout_s: Longest time for one batch of a named model; 0 disables it and, without `python`, runs the model in
            this process.
        baseline_threshold_m: Shorter metric baselines have no direction; None for the specification's.
        overwrite: Replace a run of other settings in that folder.
        progress: Whether to show a bar on standard error.

    Raises:
        InputError: The model has no `predict`, there is no such suite or split, or the folder has another run.
        AvbenchError: The model answered nothing at all.

    Examples:
        >>> run = avbench.evaluate("sift", data, suite="reference")
        >>> run.table()
        >>> run = avbench.evaluate("sift", data, options={"features": 500})
        >>> run = avbench.evaluate(MyModel(), data["val"], out="runs/mine")
    """
    pairs = _one_split(data)
    entry, instance = entry_of(model, weights=weights, options=options, python=python)
    plan = plan_evaluation(
        pairs.dataset, pairs.split, Path(suite) if isinstance(suite, os.PathLike) else suite, probes=probes
    )
    settings = RunSettings(pairs.split, _limit(pairs, limit), batch_size, device, seed, workers, timeout_s or None)
    temporary = TemporaryDirectory(prefix="avbench-") if out is None else None
    folder = Path(temporary.name if temporary is not None else str(out))
    with sole_writer(folder, PARTS_NAME):
        if overwrite:
            remove_run(folder, RESULT_NAMES)
        with ProgressBar(entry.name, "answer") as bar:
            found = evaluate_model(
                pairs.dataset,
                entry,
                plan,
                folder,
                settings,
                command=[f"avbench.evaluate({entry.name!r})"],
                baseline_threshold_m=baseline_threshold_m,
                model=instance,
                progress=bar.update if progress else None,
                say=bar.say,
            )
    refuse_failures(entry.name, found.run.predictions)
    if found.scored is None:
        raise InputError(
            f"{pairs.folder}: split {pairs.split}",
            found=f"no label columns {', '.join(found.lacking)}",
            expected="labels to score with",
            hint=f"the predictions are in {folder}" if temporary is None else "give out= to keep the predictions",
        )
    return EvaluatedRun(entry.name, found.scored, folder, pairs, found.probes, temporary)


def score(
    rotation_a_b: ArrayLike,
    translation_a_b: ArrayLike,
    pairs: Pairs,
    *,
    confidence: ArrayLike | None = None,
    metric: bool = False,
    baseline_threshold_m: float | None = None,
) -> Result:
    """Score poses that were computed elsewhere.

    Args:
        rotation_a_b: (N, 3, 3) rotations that map directions of camera b into camera a, in the order of the pairs; rows
            of NaN are pairs without an answer, which count as 180 degrees off.
        translation_a_b: (N, 3) where camera b sits, in the axes of camera a.
        pairs: The N pairs: a split, or a slice of one.
        confidence: (N,) from 0 to 1, or None.
        metric: Whether the translations are in metres.
        baseline_threshold_m: Shorter metric baselines have no direction; None for the specification's.

    Raises:
        InputError: The arrays are of another shape, or the pairs are published without labels.

    Examples:
        >>> avbench.score(rotations, translations, data["test"]).table()
    """
    labels = pairs.labels()
    predictions = predictions_from_arrays(
        [label.pair_id for label in labels],
        np.asarray(rotation_a_b, dtype=np.float64),
        np.asarray(translation_a_b, dtype=np.float64),
        confidence=None if confidence is None else np.asarray(confidence, dtype=np.float64),
        metric=metric,
    )
    groups = pairs.table(["group_id"])["group_id"].tolist()
    return Result(
        "arrays",
        score_predictions(predictions, Labels.of(labels), groups, baseline_threshold_m=baseline_threshold_m),
    )


@dataclass(frozen=True)
class Comparison:
    """Run A against run B on the same pairs.

    Attributes:
        compared: The comparison in the form that the commands use.
    """

    compared: ComparedRuns

    def table(self) -> pd.DataFrame:
        """One row a condition and metric.

        Columns: `condition`, `metric`, `unit`, `a`, `b`, `difference` (A minus B), `low`, `high` (its 95 % interval),
        `p` (corrected over the table), `better` ("a", "b" or missing where it is open), `n`, `groups`, `note`.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "condition": row.condition,
                    "metric": row.metric,
                    "unit": row.unit,
                    "a": row.a.value,
                    "b": row.b.value,
                    "difference": row.difference.estimate.value,
                    "low": row.difference.estimate.low,
                    "high": row.difference.estimate.high,
                    "p": row.family_p_value,
                    "better": row.better,
                    "n": row.difference.estimate.pairs,
                    "groups": row.difference.estimate.groups,
                    "note": str(row.difference.estimate.note),
                }
                for row in self.compared.rows
            ]
        )

    def text(self) -> str:
        """The tables that `avbench compare` prints."""
        from avbench.benchmark.tables.comparisons import comparison_tables

        return "\n\n".join(table.text() for table in comparison_tables(self.compared))


def compare(
    run_a: EvaluatedRun | str | os.PathLike[str],
    run_b: EvaluatedRun | str | os.PathLike[str],
    data: Pairs | str | os.PathLike[str] | None = None,
    *,
    metrics: Sequence[str] = (),
    conditions: Sequence[str] = (),
    baseline_threshold_m: float | None = None,
) -> Comparison:
    """Compare two runs pair by pair, as `avbench compare` does.

    Args:
        run_a: A run, its folder, or a predictions file.
        run_b: The run that it is compared with.
        data: The data set; needed where neither run is an object.
        metrics: Names of metrics; none for the headlines.
        conditions: Names of conditions; none for all that both answered.
        baseline_threshold_m: Shorter metric baselines have no direction; None for the specification's.

    Raises:
        InputError: A run is missing or of other pairs, or they share no condition.

    Examples:
        >>> avbench.compare(run_a, run_b).table()
    """
    dataset = _dataset_of((run_a, run_b), data)
    a, b = (run.saved if isinstance(run, EvaluatedRun) else read_run(Path(run), dataset) for run in (run_a, run_b))
    names = distinct_names([a, b])
    compared, _, _ = compare_saved(
        dataset,
        a,
        b,
        split=common_split(a, b),
        names=(names[0], names[1]),
        conditions=conditions,
        metrics=metrics,
        strata=(),
        baseline_threshold_m=baseline_threshold_m,
    )
    return Comparison(compared)


def report(
    runs: Sequence[EvaluatedRun | str | os.PathLike[str]],
    data: Pairs | str | os.PathLike[str] | None = None,
    *,
    out: str | os.PathLike[str] = "report.html",
) -> Path:
    """Write a report of runs on one data set: one HTML file that needs nothing else, and tables beside it.

    Args:
        runs: Runs, their folders, or predictions files.
        data: The data set; needed where no run is an object.
        out: The HTML file.

    Raises:
        InputError: A run is missing, damaged or of other pairs.
        OutputError: A file cannot be written.
    """
    from avbench.benchmark.report.write import write_report

    dataset = _dataset_of(runs, data)
    folders = [run.folder if isinstance(run, EvaluatedRun) else Path(run) for run in runs]
    # One run on its own data is scored already; several are scored anew on shared resamples.
    scored = [run.scored for run in runs if isinstance(run, EvaluatedRun)] if len(runs) == 1 and data is None else []
    write_report(folders, dataset.folder, Path(out), scored=scored)
    return Path(out)


def _one_split(data: Pairs | str | os.PathLike[str]) -> Pairs:
    from avbench.benchmark.api.data import load

    pairs = data if isinstance(data, Pairs) else load(data)
    return pairs[DEFAULT_SPLIT] if len(pairs.splits) > 1 else pairs


def _limit(pairs: Pairs, limit: int | None) -> int | None:
    """How many of the first pairs of the split are asked for, None for all."""
    rows = pairs.rows
    if rows == range(pairs.dataset.pair_count(pairs.split)):
        return limit
    if rows != range(len(rows)):
        raise InputError(
            "data",
            found=f"rows {rows.start} to {rows.stop} in steps of {rows.step}",
            expected="pairs from the first on",
        )
    return len(rows) if limit is None else min(limit, len(rows))


def _dataset_of(
    runs: Sequence[EvaluatedRun | str | os.PathLike[str]], data: Pairs | str | os.PathLike[str] | None
) -> PairDataset:
    from avbench.benchmark.api.data import load

    if data is not None:
        return (data if isinstance(data, Pairs) else load(data)).dataset
    for run in runs:
        if isinstance(run, EvaluatedRun):
            return run.pairs.dataset
    raise InputError("data", found="none", expected="the data set that the runs were made on")
