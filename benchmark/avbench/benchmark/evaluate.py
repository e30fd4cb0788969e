"""Run a model over a split and write down what it answers.

Evaluation has two steps: this one needs the model and never sees a label of the split; scoring needs only the
predictions file. Answers go to disk in parts as they come, so a run that is killed goes on where it stopped, and its
predictions are the same as if nothing had happened.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from avbench.benchmark.answering import ask
from avbench.benchmark.conditions import CLEAN, Condition
from avbench.benchmark.dataset import PairDataset
from avbench.benchmark.model_api import FittedModel, Model, PairInput
from avbench.benchmark.models.registry import ModelEntry, load_model
from avbench.benchmark.parts import PartStore, gaps, refuse_other_settings
from avbench.benchmark.predictions import (
    PREDICTIONS_VERSION,
    Answer,
    Predictions,
    read_predictions,
    read_table,
    table_info,
    write_table,
)
from avbench.benchmark.provenance import code_sha256, model_code_sha256, package_versions
from avbench.preprocessing.errors import InputError

PREDICTIONS_NAME = "predictions.parquet"
TRAINING_SPLIT = "train"
_PARTS_NAME = "parts"


@dataclass(frozen=True)
class RunSettings:
    """How a model is run.

    Attributes:
        split: The split.
        limit: Only the first so many pairs, None for all.
        batch_size: Pairs that the model is given at once.
        device: Handed to models that take one.
        seed: Where models that draw random numbers start, together with the first pair of a batch.
        part_pairs: A part is written after so many pairs ...
        part_seconds: ... or so many seconds, whichever comes first.
    """

    split: str = "test"
    limit: int | None = None
    batch_size: int = 16
    device: str = "cpu"
    seed: int = 0
    part_pairs: int = 256
    part_seconds: float = 5.0


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        predictions: What the model answered.
        settings: What determines that.
        pairs: Number of pairs.
        resumed_pairs: How many of them an earlier, interrupted run had answered.
        complete_before: Whether an earlier run had answered all, so that the model did not run.
        seconds: Time by phase.
    """

    predictions: Predictions
    settings: Mapping[str, Any]
    pairs: int
    resumed_pairs: int
    complete_before: bool
    seconds: Mapping[str, float]


Progress = Callable[[int, int], None]
"""Called with the number of pairs that are answered and the number of all."""


def run_model(
    dataset: PairDataset,
    entry: ModelEntry,
    out: Path,
    settings: RunSettings,
    *,
    conditions: Sequence[Condition] = (CLEAN,),
    progress: Progress | None = None,
) -> Run:
    """Run a model over a split under every condition and write `predictions.parquet`.

    A run of the same settings that was interrupted is continued, one that is complete is only read.

    Args:
        dataset: The data set.
        entry: The model.
        out: Folder of the run.
        settings: How to run it.
        conditions: What the model sees; each pair is decoded once for all of them.
        progress: Told how far the run is.

    Raises:
        InputError: The data set is damaged, the model cannot be built or fitted, or `out` has a run of other settings.
        AvbenchError: A file cannot be written.
    """
    clock = _Clock()
    with clock.phase("open"):
        available = dataset.pair_count(settings.split)
        count = available if settings.limit is None else min(settings.limit, available)
    with clock.phase("load model"):
        model = load_model(entry, device=settings.device)
    record = _settings_record(dataset, entry, model, settings, conditions)
    final = out / PREDICTIONS_NAME
    if final.exists():
        refuse_other_settings(out, table_info(read_table(final)).get("settings", {}), record)
        return Run(read_predictions(final), record, count, 0, complete_before=True, seconds=clock.seconds)
    store = PartStore(out / _PARTS_NAME, record)
    store.prepare()
    done = store.done()
    resumed = sum(stop - start for start, stop in done)
    missing = gaps(done, count)
    if missing:
        with clock.phase("fit"):
            _fit(model, entry, dataset)
    answered = resumed
    if progress:
        progress(answered, count)
    for start, stop in missing:
        inputs = dataset.inputs(settings.split, modalities=entry.modalities, start=start, stop=stop)
        for first, answers in _answers(model, inputs, start, settings, conditions, clock):
            last = first + len(answers) // len(conditions)
            with clock.phase("write"):
                store.write(first, last, answers)
            answered += last - first
            if progress:
                progress(answered, count)
    with clock.phase("write"):
        write_table(final, store.collect([condition.name for condition in conditions], {"settings": record}))
        store.remove()
    return Run(read_predictions(final), record, count, resumed, complete_before=False, seconds=clock.seconds)


def remove_run(out: Path, names: Iterable[str] = ()) -> None:
    """Remove the predictions and parts of an earlier run, and the files of the given names; nothing else."""
    PartStore(out / _PARTS_NAME, {}).remove()
    for name in (PREDICTIONS_NAME, *names):
        (out / name).unlink(missing_ok=True)


class _Clock:
    """Adds up the time spent by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def _answers(
    model: Model,
    inputs: Iterator[PairInput],
    start: int,
    settings: RunSettings,
    conditions: Sequence[Condition],
    clock: _Clock,
) -> Iterator[tuple[int, list[Answer]]]:
    """Parts: the number of the first pair, and the answers for it and what follows, under all conditions."""
    first, position = start, start
    waiting: list[Answer] = []
    since = time.monotonic()
    while True:
        with clock.phase("read and decode"):
            # Batches begin at multiples of their size, resumed or not: some models answer in the last bits by what
            # else is in the batch.
            batch = list(islice(inputs, settings.batch_size - position % settings.batch_size))
        if not batch:
            break
        for condition in conditions:
            with clock.phase("conditions"):
                seen = [condition.transform(pair) for pair in batch]
            _seed_generators(settings.seed, f"{batch[0].pair_id} {condition.name}")
            with clock.phase("predict"):
                waiting.extend(ask(model, seen, condition.name))
        position += len(batch)
        if position - first >= settings.part_pairs or time.monotonic() - since >= settings.part_seconds:
            yield first, waiting
            first, waiting, since = position, [], time.monotonic()
    if waiting:
        yield first, waiting


def _fit(model: Model, entry: ModelEntry, dataset: PairDataset) -> None:
    if not isinstance(model, FittedModel):
        return
    if TRAINING_SPLIT not in dataset.splits:
        raise InputError(
            dataset.folder,
            found=f"splits {', '.join(dataset.splits)}",
            expected=f"a split {TRAINING_SPLIT!r}, whose labels {entry.name} learns from",
            hint="prepare more recordings, or choose a model that learns nothing, such as identity or sift",
        )
    model.fit(dataset.labels(TRAINING_SPLIT))


def _settings_record(
    dataset: PairDataset, entry: ModelEntry, model: Model, settings: RunSettings, conditions: Sequence[Condition]
) -> dict[str, Any]:
    """What determines the answers. The batch size is not among it: it may be changed where a run is continued."""
    return {
        "predictions_version": PREDICTIONS_VERSION,
        "dataset_fingerprint": dataset.fingerprint,
        "split": settings.split,
        "limit": settings.limit,
        "model": entry.name,
        "model_revision": entry.revision,
        "model_code_sha256": model_code_sha256(model),
        "code_sha256": code_sha256(),
        "packages": package_versions(),
        "device": settings.device,
        "seed": settings.seed,
        "conditions": [[condition.name, condition.recipe] for condition in conditions],
    }


def _seed_generators(seed: int, key: str) -> None:
    """Set the global generators that a model may draw from, so that a resumed run draws the same numbers."""
    mixed = crc32(key.encode(), seed) & 0xFFFFFFFF
    random.seed(mixed)
    np.random.seed(mixed)  # noqa: NPY002 - the models of others use it; ours do not
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(mixed)
