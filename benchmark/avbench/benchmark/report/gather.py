"""What a report is about: runs on one split of one data set, with their scores and intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from avbench.benchmark.conditions.probes.probe import PREFIX
from avbench.benchmark.data.dataset import PairDataset, labels_of, open_dataset
from avbench.benchmark.data.origin import origin, simulated_pairs
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.plots.canvas import shorten
from avbench.benchmark.predictions.file import CLEAN_CONDITION, Predictions, check_known
from avbench.benchmark.predictions.result_files import RunFile, read_run_file, read_score_file
from avbench.benchmark.predictions.saved_run import (
    DEFAULT_SPLIT,
    SavedRun,
    distinct_names,
    predictions_file,
    read_run,
)
from avbench.benchmark.scoring.bootstrap import Clusters, draw_clusters
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.probe_file import ProbesFile, read_probes_file
from avbench.benchmark.scoring.score import Score, ScoredRun
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.format.schema import AUDIO_COLUMNS, COLUMNS, IMAGE_COLUMNS

SCORE_NAME = "score.json"
RUN_NAME = "run.json"
PROBES_NAME = "probes.json"
_LONGEST_LABEL = 26
_SHOWN_CONDITIONS = 3
_NOT_READ = frozenset({*IMAGE_COLUMNS, *AUDIO_COLUMNS})


@dataclass(frozen=True)
class RunData:
    """One run.

    Attributes:
        name: What the report calls it: its model, and its folder where two runs have one model.
        label: The same, shortened for where there is little room.
        saved: Its predictions and its settings.
        scored: Its errors and scores.
        document: What the run wrote down about itself (`run.json`), empty where it wrote nothing.
        probes: What came of listening probes (`probes.json`), empty where there were none.
    """

    name: str
    label: str
    saved: SavedRun
    scored: ScoredRun
    document: RunFile
    probes: ProbesFile

    @property
    def predictions(self) -> Predictions:
        """What the model answered."""
        return self.saved.predictions

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of its conditions, in the order of the file."""
        return self.scored.conditions

    @property
    def scores(self) -> tuple[Score, ...]:
        """The score of every condition, in the order of the file."""
        return self.scored.scores

    def score_of(self, condition: str) -> Score | None:
        """The score of a condition, None where the run has no such condition."""
        return self.scored.score(condition) if condition in self.conditions else None


@dataclass(frozen=True)
class ReportData:
    """Runs on one split of one data set.

    Attributes:
        dataset: The data set.
        split: The split.
        limit: Only its first so many pairs were answered; None for all.
        baseline_threshold_m: Shortest metric baseline with a direction.
        labels: Labels of the N pairs.
        clusters: Groups of these pairs and the resamples.
        columns: The N rows of the data set, without pictures and sound.
        runs: The runs, at least one.
    """

    dataset: PairDataset
    split: str
    limit: int | None
    baseline_threshold_m: float
    labels: Labels
    clusters: Clusters
    columns: pa.Table
    runs: tuple[RunData, ...]

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions of all runs, clean first.

        Listening probes are not among them: not every pair can be probed, so their scores are not comparable with the
        others and are shown as losses over the pairs that can (`listening`).
        """
        named = dict.fromkeys(name for run in self.runs for name in run.conditions if not name.startswith(PREFIX))
        return tuple(sorted(named, key=lambda name: name != CLEAN_CONDITION))

    @property
    def simulated_pairs(self) -> int:
        """How many of the pairs are simulated."""
        return simulated_pairs(self.columns)

    @property
    def origin(self) -> str:
        """Whether the pairs are simulated, in a word or two: every table and page carries it."""
        return origin(self.columns)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines on the runs that a reader should see."""
        lines = [note for run in self.runs for note in run.predictions.notes]
        lines += [
            f"{run.name}: {PROBES_NAME} does not say of which predictions it is; the same `avbench evaluate` with "
            "--probes writes it anew"
            for run in self.runs
            if run.probes.probes and run.probes.predictions_sha256 is None
        ]
        answered = [[name for name in run.conditions if not name.startswith(PREFIX)] for run in self.runs]
        if len(self.runs) > 1 and not set.intersection(*map(set, answered)):
            named = "; ".join(
                f"{run.name}: {', '.join(names[:_SHOWN_CONDITIONS])}{', ...' if len(names) > _SHOWN_CONDITIONS else ''}"
                for run, names in zip(self.runs, answered, strict=True)
            )
            lines.append(
                f"these runs share no condition ({named}), so their numbers do not compare; evaluate them with the "
                "same suite"
            )
        return tuple(lines)

    def strings(self, column: str) -> list[str | None]:
        """A column of the rows."""
        values: list[str | None] = self.columns.column(column).to_pylist()
        return values

    def counts(self, column: str) -> dict[str, int]:
        """How often each value of a column occurs, the most frequent first."""
        return {str(value): times for value, times in Counter(self.strings(column)).most_common() if value is not None}


def gather(
    run_folders: Sequence[Path], data: Path, *, split: str | None = None, scored: Sequence[ScoredRun] = ()
) -> ReportData:
    """Read runs and the data set they ran on, and score them.

    Args:
        run_folders: Folders that `avbench evaluate` wrote, or predictions files.
        data: The data set.
        split: The split; None for the one that the runs name.
        scored: The same runs where they are scored already, in order; none to read and score them.

    Raises:
        InputError: A run is missing, damaged or of another data set, split, number of pairs or baseline threshold than
            the others, or its score or its probes do not belong to its predictions.
    """
    if not run_folders:
        raise InputError("report", found="no run", expected="at least one folder of a run")
    dataset = open_dataset(data)
    if scored:
        saved = [
            SavedRun(predictions_file(folder), run.predictions) for folder, run in zip(run_folders, scored, strict=True)
        ]
        thresholds = [run.baseline_threshold_m for run in scored]
    else:
        saved = [read_run(folder, dataset) for folder in run_folders]
        thresholds = [_threshold(run) for run in saved]
    for run, threshold in zip(saved[1:], thresholds[1:], strict=True):
        _same("split", saved[0], run, saved[0].split, run.split)
        _same("limit", saved[0], run, saved[0].limit, run.limit)
        _same("baseline threshold", saved[0], run, thresholds[0], threshold)
    chosen, limit, threshold = split or saved[0].split or DEFAULT_SPLIT, saved[0].limit, thresholds[0]
    names = [column.name for column in COLUMNS if column.name not in _NOT_READ]
    columns = dataset.table(chosen, names, limit=limit)
    if scored:
        labels, clusters = scored[0].labels, scored[0].clusters
    else:
        labels = Labels.of(labels_of(columns, f"{data}: split {chosen}"))
        clusters = draw_clusters(columns.column("group_id").to_pylist())
    run_names = distinct_names(saved)
    for run in saved:
        check_known(run.predictions, labels.pair_id)
    # All runs share their resamples, so that they can be compared.
    known = [one if one.labels is labels and one.clusters is clusters else None for one in scored] or [None] * len(
        saved
    )
    runs = [
        RunData(
            name=name,
            label=label,
            saved=run,
            scored=found or ScoredRun(run.predictions, labels, clusters, threshold),
            document=read_run_file(run.path.with_name(RUN_NAME)),
            probes=_probes(run),
        )
        for name, label, run, found in zip(run_names, _labels(run_names), saved, known, strict=True)
    ]
    return ReportData(dataset, chosen, limit, threshold, labels, clusters, columns, tuple(runs))


def _threshold(run: SavedRun) -> float:
    """The baseline threshold that a run was scored with, the specification's where it has no score."""
    path = run.path.with_name(SCORE_NAME)
    written = read_score_file(path)
    if written is None:
        return load_metrics_spec().baseline_threshold_m
    if written.predictions_sha256 != run.predictions.content_sha256():
        raise InputError(
            path,
            found="the score of other predictions",
            expected=f"that of {run.path.name} beside it",
            hint="run the same `avbench evaluate` again: it scores what is there",
        )
    if not written.scores:
        raise InputError(f"{path}: scores", found="none", expected="the score of at least one condition")
    return written.scores[0].baseline_threshold_m


def _probes(run: SavedRun) -> ProbesFile:
    """What a run lost under listening probes; without probes where it was not probed."""
    path = run.path.with_name(PROBES_NAME)
    written = read_probes_file(path)
    conditions = {f"{PREFIX}{entry.probe}" for entry in written.probes}
    other = written.predictions_sha256 is not None and written.predictions_sha256 != run.predictions.content_sha256()
    if other or not conditions <= set(run.predictions.conditions):
        raise InputError(
            path,
            found="the probes of other predictions",
            expected=f"those of {run.path.name} beside it",
            hint="run the same `avbench evaluate` again, with --probes: it scores what is there; or delete the file",
        )
    return written


def _labels(names: Sequence[str]) -> list[str]:
    """Names without the folders of model files, cut in the middle; the names themselves if two became the same."""
    labels = [shorten(name.rpartition("/")[2] if ".py:" in name else name, _LONGEST_LABEL) for name in names]
    return labels if len(set(labels)) == len(labels) else list(names)


def _same(what: str, first: SavedRun, other: SavedRun, expected: object, found: object) -> None:
    if found != expected:
        raise InputError(
            other.path,
            found=f"{what} {found}",
            expected=f"{expected}, as in {first.path}",
            hint="runs in one report are scored on the same pairs: give them a report each, or run one of them again",
        )
