"""Running the rows of a reference table: every one a run as `avbench evaluate` makes it, in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avbench.benchmark.conditions.condition import Condition
from avbench.benchmark.conditions.corruptions import Suite
from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.evaluation.plan import EvaluationPlan
from avbench.benchmark.evaluation.run_manifest import run_document
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.predictions.file import Predictions
from avbench.benchmark.running.run import PARTS_NAME, Progress, RunSettings, remove_run, run_model
from avbench.preprocessing.base.atomic import write_text
from avbench.preprocessing.base.documents import read_json
from avbench.preprocessing.base.locks import sole_writer
from avbench.preprocessing.base.structure import Count, NotNegative

_RUN_NAME = "run.json"
# Phases of the thread that asks the model, one after the other; those of reading and decoding run beside them.
_CLOCK = ("open", "check corruptions", "load model", "fit", "wait for pairs", "predict", "write")


@dataclass(frozen=True)
class Timing:
    """How long a run took.

    Attributes:
        name: The run.
        answers: Pairs times conditions that the model was asked about; a condition that it cannot see is not asked.
        seconds: From its start to its end; where it was interrupted, of its last part.
        model_ms: What the model took for one answer in the mean, NaN where unknown.
    """

    name: str
    answers: int
    seconds: float
    model_ms: float

    @property
    def ms(self) -> float:
        """Milliseconds for one answer: reading, decoding, corrupting and the model, which overlap; NaN without any."""
        return 1000.0 * self.seconds / self.answers if self.answers else float("nan")

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "run": self.name,
            "answers": self.answers,
            "seconds": round(self.seconds, 3),
            "ms_per_answer": None if np.isnan(self.ms) else round(self.ms, 3),
            "model_ms_per_answer": None if np.isnan(self.model_ms) else round(self.model_ms, 3),
        }


@dataclass(frozen=True)
class Answers:
    """A finished run.

    Attributes:
        predictions: What was answered.
        timing: How long it took when it was made.
        new: Whether the model was asked now; otherwise an earlier command had finished the run.
    """

    predictions: Predictions
    timing: Timing
    new: bool


@dataclass(frozen=True)
class Runner:
    """Runs models over one split and keeps the runs side by side.

    Attributes:
        dataset: The data set.
        training: Whose training split a model that is fitted learns from; None for that of `dataset`.
        folder: Where the runs lie.
        settings: How they are run.
        suite: The suite whose conditions they answer, for their manifests.
        command: What was typed, for their manifests.
        overwrite: Whether earlier runs are made anew.
    """

    dataset: PairDataset
    training: PairDataset | None
    folder: Path
    settings: RunSettings
    suite: Suite
    command: tuple[str, ...]
    overwrite: bool = False

    def run(
        self, entry: ModelEntry, conditions: Sequence[Condition], progress: Progress, say: Callable[[str], None]
    ) -> Answers:
        """Run one model, or continue or read the run that is there.

        Raises:
            InputError: As `run_model`.
            AvbenchError: A file cannot be written.
        """
        out = self.folder / run_folder(entry.name)
        with sole_writer(out, PARTS_NAME):
            return self._run(out, entry, conditions, progress, say)

    def _run(
        self,
        out: Path,
        entry: ModelEntry,
        conditions: Sequence[Condition],
        progress: Progress,
        say: Callable[[str], None],
    ) -> Answers:
        if self.overwrite:
            remove_run(out, [_RUN_NAME])
        run = run_model(
            self.dataset,
            entry,
            out,
            self.settings,
            conditions=conditions,
            training=self.training,
            progress=progress,
            say=say,
        )
        path = out / _RUN_NAME
        if not run.complete_before or not path.is_file():
            plan = EvaluationPlan(self.suite, (), tuple(conditions))
            document = run_document(run, self.settings, plan, self.command, None)
            write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        timing = _timing(entry.name, path, run.predictions)
        return Answers(run.predictions, timing, new=not run.complete_before)


@dataclass(frozen=True)
class _TimedRun:
    """What `run.json` must hold to show how fast a model is."""

    conditions: tuple[str, ...]
    conditions_not_seen_by_the_model: Mapping[str, str]
    pairs: Count
    resumed_pairs: Count
    seconds: Mapping[str, NotNegative]


def run_folder(name: str) -> str:
    """Name of the folder of a run: the model's, without what would make it a path."""
    return name.replace(".py:", "-").replace("/", "-").replace(":", "-")


def _timing(name: str, path: Path, predictions: Predictions) -> Timing:
    hint = "replace the runs with --overwrite"
    document = read_json(path, _TimedRun, expected="what an earlier command wrote", hint=hint, other_keys=True)
    asked = len(document.conditions) - len(document.conditions_not_seen_by_the_model)
    answers = (document.pairs - document.resumed_pairs) * asked
    seconds = sum(document.seconds.get(phase, 0.0) for phase in _CLOCK)
    known = predictions.milliseconds[~np.isnan(predictions.milliseconds)]
    return Timing(name, answers, seconds, float(known.mean()) if len(known) else float("nan"))
