"""Run a model over a split and write down what it answers.

Evaluation has two steps: this one needs the model and never sees a label of the split; scoring needs only the
predictions file. Answers go to disk in parts as they come, so a killed run is continued where it stopped, and its
predictions are the same as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from avbench.benchmark.base.prefetch import default_workers
from avbench.benchmark.base.provenance import code_sha256, package_versions, peak_memory_mib
from avbench.benchmark.conditions.condition import CLEAN, Condition
from avbench.benchmark.conditions.corruptions import check_golden
from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.data.pair import Model
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.predictions.file import (
    PREDICTIONS_VERSION,
    Answer,
    Predictions,
    read_predictions,
    read_table,
    table_info,
    write_table,
)
from avbench.benchmark.running.asking import Asker, BatchChange
from avbench.benchmark.running.batches import Batch, seen_batches
from avbench.benchmark.running.host import LocalModel, ModelHost, host_model
from avbench.benchmark.running.parts import PartStore, gaps, refuse_other_settings
from avbench.benchmark.running.timing import Phases
from avbench.benchmark.running.worker import ModelEnvironment, ModelFacts
from avbench.preprocessing.base.errors import InputError

PREDICTIONS_NAME = "predictions.parquet"
TRAINING_SPLIT = "train"
DEFAULT_TIMEOUT_S = 600.0
PARTS_NAME = "parts"


@dataclass(frozen=True)
class RunSettings:
    """How a model is run.

    Attributes:
        split: The split.
        limit: Only the first so many pairs, None for all.
        batch_size: Pairs that the model is given at once.
        device: Handed to models that take one.
        seed: Where models that draw random numbers start, together with the first pair of a batch.
        workers: Threads that read, decode and apply conditions while the model is busy; None for one a core,
            less one for the model.
        timeout_s: Longest time for one batch; a model that takes longer is ended. None runs the model in this process,
            where a debugger reaches it and nothing ends it.
        part_pairs: A part is written after so many pairs ...
        part_seconds: ... or so many seconds, whichever comes first.
    """

    split: str = "test"
    limit: int | None = None
    batch_size: int = 16
    device: str = "cpu"
    seed: int = 0
    workers: int | None = None
    timeout_s: float | None = DEFAULT_TIMEOUT_S
    part_pairs: int = 256
    part_seconds: float = 1.0

    @property
    def threads(self) -> int:
        """The number of workers, settled."""
        return default_workers() if self.workers is None else self.workers


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        predictions: What the model answered.
        settings: What determines that.
        pairs: Number of pairs.
        resumed_pairs: How many of them an earlier, interrupted run had answered.
        complete_before: Whether an earlier run had answered all, so that the model was not asked.
        seconds: Time by phase. Reading, decoding and conditions are those of all threads together.
        batch_changes: Batches that did not fit into memory, or over which the model was killed.
        same_as: Conditions that a model of these modalities cannot see, and the one whose answers they share.
        device_name: Name of the accelerator, None for the processor.
        environment: What the model ran with, None where that is our own interpreter or the model was not asked.
        peak_memory_mib: Most memory that this process used.
        model_peak_memory_mib: Most memory that the process of the model used.
    """

    predictions: Predictions
    settings: Mapping[str, Any]
    pairs: int
    resumed_pairs: int
    complete_before: bool
    seconds: Mapping[str, float]
    batch_changes: tuple[BatchChange, ...] = ()
    same_as: Mapping[str, str] | None = None
    device_name: str | None = None
    environment: ModelEnvironment | None = None
    peak_memory_mib: float = 0.0
    model_peak_memory_mib: float = 0.0


Progress = Callable[[int, int], None]
"""Called with the number of answers that are there and the number of all: pairs times conditions."""

Say = Callable[[str], None]
"""Called with one line that the user should see."""


def say_nothing(_: str) -> None:
    """Reports nothing."""


def run_model(
    dataset: PairDataset,
    entry: ModelEntry,
    out: Path,
    settings: RunSettings,
    *,
    conditions: Sequence[Condition] = (CLEAN,),
    training: PairDataset | None = None,
    model: Model | None = None,
    progress: Progress | None = None,
    say: Say = say_nothing,
) -> Run:
    """Run a model over a split under every condition and write `predictions.parquet`.

    A run of the same settings that was interrupted is continued, one that is complete is only read.

    Args:
        dataset: The data set.
        entry: The model.
        out: Folder of the run.
        settings: How to run it.
        conditions: What the model sees; each pair is decoded once for all of them.
        training: Whose training split a model that is fitted learns from; None for that of `dataset`.
        model: The model itself, to be run in this process; None to build it from its entry.
        progress: Called with how far the run is.
        say: Called with lines that the user should see while it runs.

    Raises:
        InputError: The data set is damaged, the model cannot be built or fitted, or `out` has a run of other settings.
        AvbenchError: A file cannot be written.
    """
    phases = Phases()
    with phases.phase("open"):
        available = dataset.pair_count(settings.split)
        count = available if settings.limit is None else min(settings.limit, available)
    job = _Job(dataset, entry, settings, conditions, training, count, phases, progress, say)
    hosted = host_model(entry, settings.device, settings.timeout_s) if model is None else LocalModel.of(entry, model)
    with closing(hosted) as host:
        facts, record = job.facts_and_record(host)
        final = out / PREDICTIONS_NAME
        if final.exists():
            refuse_other_settings(out, table_info(read_table(final), final).get("settings", {}), record)
            # A run that was killed at its very end may have left them.
            PartStore(out / PARTS_NAME, record).remove()
            return Run(read_predictions(final), record, count, 0, complete_before=True, seconds=phases.seconds)
        store = PartStore(out / PARTS_NAME, record)
        store.prepare()
        resumed = sum(stop - start for start, stop in store.done())
        changes, same_as = job.answer_missing(host, store, fitted=facts.fitted)
        model_peak_mib = host.peak_memory_mib()
    with phases.phase("write"):
        write_table(final, store.collect([condition.name for condition in conditions], {"settings": record}))
        store.remove()
    return Run(
        predictions=read_predictions(final),
        settings=record,
        pairs=count,
        resumed_pairs=resumed,
        complete_before=False,
        seconds=phases.seconds,
        batch_changes=changes,
        same_as=same_as,
        device_name=facts.device_name,
        environment=facts.environment,
        peak_memory_mib=peak_memory_mib(),
        model_peak_memory_mib=model_peak_mib,
    )


@dataclass(frozen=True)
class _Job:
    """What `run_model` was called with, the number of pairs, and the clock of its phases."""

    dataset: PairDataset
    entry: ModelEntry
    settings: RunSettings
    conditions: Sequence[Condition]
    training: PairDataset | None
    count: int
    phases: Phases
    progress: Progress | None
    say: Say

    def facts_and_record(self, host: ModelHost) -> tuple[ModelFacts, dict[str, Any]]:
        """What is known of the model once it is built, and what determines the answers."""
        with self.phases.phase("check corruptions"):
            mismatches = [str(mismatch) for mismatch in check_golden()]
        for mismatch in mismatches:
            self.say(f"corruptions differ from those of other machines: {mismatch}; the results are not comparable")
        with self.phases.phase("load model"):
            facts = host.facts()
        record = _settings_record(self.dataset, self.entry, facts, self.settings, self.conditions, mismatches)
        if self.training is not None and facts.fitted:
            record["training_fingerprint"] = self.training.fingerprint
        return facts, record

    def answer_missing(
        self, host: ModelHost, store: PartStore, *, fitted: bool
    ) -> tuple[tuple[BatchChange, ...], dict[str, str]]:
        """Ask the model about all pairs that the store lacks, and write its answers there.

        Returns:
            The changes of the batch size, and the conditions that the model cannot see with the one they are equal to.
        """
        settings = self.settings
        done = store.done()
        missing = gaps(done, self.count)
        if missing and fitted:
            with self.phases.phase("fit"):
                _fit(host, self.entry, self.dataset if self.training is None else self.training)
        asker = Asker(host, settings.batch_size, settings.seed, self.say, self.phases)
        asked, same_as = _distinguishable(self.conditions, self.entry)
        batches = seen_batches(
            self.dataset,
            settings.split,
            missing,
            asked,
            modalities=self.entry.modalities,
            batch_size=settings.batch_size,
            workers=settings.threads if missing else 0,
            phases=self.phases,
        )
        answered = sum(stop - start for start, stop in done) * len(self.conditions)
        with closing(batches):
            counted = _Counted(answered, self.count * len(self.conditions), self.progress)
            for first, stop, answers in _parts(batches, len(asked), asker, same_as, settings, counted):
                with self.phases.phase("write"):
                    store.write(first, stop, answers)
        return tuple(asker.changes), same_as


def remove_run(out: Path, names: Iterable[str] = ()) -> None:
    """Remove the predictions and parts of an earlier run, and the files of the given names; nothing else."""
    PartStore(out / PARTS_NAME, {}).remove()
    for name in (PREDICTIONS_NAME, *names):
        (out / name).unlink(missing_ok=True)


class _Counted:
    """Counts answers and reports them."""

    def __init__(self, answered: int, count: int, progress: Progress | None) -> None:
        self._answered, self._count, self._progress = answered, count, progress
        self.add(0)

    def add(self, answers: int) -> None:
        self._answered += answers
        if self._progress:
            self._progress(self._answered, self._count)


def _distinguishable(conditions: Sequence[Condition], entry: ModelEntry) -> tuple[list[Condition], dict[str, str]]:
    """The conditions to ask under, and those whose answers are the same because the model cannot see a difference."""
    unseen = [condition for condition in conditions if not condition.shows_in(entry.modalities)]
    same_as = {condition.name: unseen[0].name for condition in unseen[1:]}
    return [condition for condition in conditions if condition.name not in same_as], same_as


def _parts(
    batches: Iterator[Batch],
    conditions: int,
    asker: Asker,
    same_as: Mapping[str, str],
    settings: RunSettings,
    counted: _Counted,
) -> Iterator[tuple[int, int, list[Answer]]]:
    """Parts: the number of the first pair, one past that of the last, and the answers under all conditions.

    Batches come under each of the `conditions` in turn.
    """
    start: int | None = None
    stop = 0
    waiting: list[Answer] = []
    since = monotonic()
    for number, (batch, answers) in enumerate(asker.ask_all(batches), start=1):
        if start is not None and batch.first > stop:
            # What lies between was answered by an earlier run.
            yield start, stop, waiting
            start, waiting, since = None, [], monotonic()
        start = batch.first if start is None else start
        stop = batch.stop
        shared = [name for name, asked in same_as.items() if asked == batch.condition.name]
        waiting += answers
        waiting += [replace(answer, condition=name) for name in shared for answer in answers]
        counted.add(len(answers) * (1 + len(shared)))
        complete = number % conditions == 0
        if complete and (stop - start >= settings.part_pairs or monotonic() - since >= settings.part_seconds):
            yield start, stop, waiting
            start, waiting, since = None, [], monotonic()
    if start is not None:
        yield start, stop, waiting


def _fit(host: ModelHost, entry: ModelEntry, dataset: PairDataset) -> None:
    if TRAINING_SPLIT not in dataset.splits:
        raise InputError(
            dataset.folder,
            found=f"splits {', '.join(dataset.splits)}",
            expected=f"a split {TRAINING_SPLIT!r}, whose labels {entry.name} learns from",
            hint="prepare more recordings, or choose a model that learns nothing, such as identity or sift",
        )
    host.fit(dataset.labels(TRAINING_SPLIT))


def _settings_record(
    dataset: PairDataset,
    entry: ModelEntry,
    facts: ModelFacts,
    settings: RunSettings,
    conditions: Sequence[Condition],
    golden_mismatches: Sequence[str],
) -> dict[str, Any]:
    """What determines the answers. The batch size is not among it: it may be changed where a run is continued."""
    record: dict[str, Any] = {
        "predictions_version": PREDICTIONS_VERSION,
        "dataset_fingerprint": dataset.fingerprint,
        "split": settings.split,
        "limit": settings.limit,
        "model": entry.name,
        "model_revision": entry.revision,
        "model_code_sha256": facts.code_sha256,
        "code_sha256": code_sha256(),
        "packages": package_versions(),
        "device": settings.device,
        "seed": settings.seed,
        "conditions": [[condition.name, condition.recipe] for condition in conditions],
        "golden_mismatches": list(golden_mismatches),
    }
    if facts.options:
        record["model_options"] = dict(sorted(facts.options.items()))
    if facts.environment is not None:
        # What is installed and not imported has no say in the answers.
        record["model_python"] = facts.environment.python
        record["model_packages"] = dict(facts.environment.imported)
    return record
