"""What a model sees, batch by batch: read, decoded and put under each condition while the model is busy.

Batches begin at multiples of their size, whatever was answered before, since some models answer in the last bits by
what else is in the batch. A pair is decoded once for all conditions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice

from avbench.benchmark.base.prefetch import prefetch
from avbench.benchmark.conditions.condition import Condition
from avbench.benchmark.data.dataset import EncodedPair, PairDataset
from avbench.benchmark.data.pair import Modality, PairInput
from avbench.benchmark.running.timing import Phases


@dataclass(frozen=True)
class Batch:
    """The pairs `first` to `stop` of a split under one condition.

    Attributes:
        first: Number of the first pair.
        stop: One past the last.
        condition: The condition.
        pairs: What the model sees of them.
    """

    first: int
    stop: int
    condition: Condition
    pairs: list[PairInput]


def batch_ranges(ranges: Sequence[tuple[int, int]], batch_size: int) -> list[tuple[int, int]]:
    """Cut ranges of pairs into batches that begin at multiples of the batch size, except where a range begins."""
    result = []
    for start, stop in ranges:
        first = start
        while first < stop:
            last = min(stop, first - first % batch_size + batch_size)
            result.append((first, last))
            first = last
    return result


def seen_batches(
    dataset: PairDataset,
    split: str,
    ranges: Sequence[tuple[int, int]],
    conditions: Sequence[Condition],
    *,
    modalities: frozenset[Modality],
    batch_size: int,
    workers: int,
    phases: Phases,
) -> Generator[Batch, None, None]:
    """All batches of the ranges: under every condition in turn, then the next batch.

    Args:
        dataset: The data set.
        split: The split.
        ranges: Ranges (start, stop) of pairs, in order.
        conditions: The conditions.
        modalities: What the model looks at.
        batch_size: Pairs a batch.
        workers: Threads that read, decode and apply conditions ahead; 0 for none.
        phases: Counts how long that takes, in all threads together.

    Raises:
        InputError: The data set is damaged.
    """
    made = _seen_pairs(dataset, split, ranges, conditions, modalities, batch_size, phases)
    with closing(prefetch(made, workers=workers, ahead=batch_size + 2 * workers)) as seen:
        for first, stop in batch_ranges(ranges, batch_size):
            for condition in conditions:
                with phases.phase("wait for pairs"):
                    pairs = next(seen)
                yield Batch(first, stop, condition, pairs)


def _seen_pairs(
    dataset: PairDataset,
    split: str,
    ranges: Sequence[tuple[int, int]],
    conditions: Sequence[Condition],
    modalities: frozenset[Modality],
    batch_size: int,
    phases: Phases,
) -> Iterator[list[Callable[[], PairInput]]]:
    for start, stop in ranges:
        encoded = dataset.encoded(split, modalities=modalities, start=start, stop=stop)
        for first, last in batch_ranges([(start, stop)], batch_size):
            with phases.phase("read"):
                batch = [_DecodedOnce(pair, phases) for pair in islice(encoded, last - first)]
            for condition in conditions:
                yield [partial(_seen, pair, condition, phases) for pair in batch]


def _seen(pair: _DecodedOnce, condition: Condition, phases: Phases) -> PairInput:
    decoded = pair.get()
    with phases.phase("conditions"):
        return condition.apply(decoded)


class _DecodedOnce:
    """A pair that is decoded by the first thread that wants it."""

    def __init__(self, pair: EncodedPair, phases: Phases) -> None:
        self._pair = pair
        self._phases = phases
        self._lock = threading.Lock()
        self._decoded: PairInput | None = None

    def get(self) -> PairInput:
        with self._lock:
            if self._decoded is None:
                with self._phases.phase("decode"):
                    self._decoded = self._pair.decode()
            return self._decoded
