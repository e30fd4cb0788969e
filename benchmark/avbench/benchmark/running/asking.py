"""Asking a model about every pair, whatever it does.

A model may raise, answer too little or too much, answer something that is no pose, use up the memory, hang or crash.
None of that ends a run: the batch is taken apart until the pair at fault stands alone, which then gets a row that says
what happened and costs the worst error.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from avbench.benchmark.data.pair import PairInput
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.predictions.file import Answer, Status
from avbench.benchmark.running.batches import Batch
from avbench.benchmark.running.host import ModelHost
from avbench.benchmark.running.replies import Failure, FailureKind, Outcome, Replies, Reply
from avbench.benchmark.running.timing import Phases
from avbench.preprocessing.base.errors import AvbenchError
from avbench.preprocessing.base.geometry import is_rotation

MOST_STOPS_IN_A_ROW = 3
"""After so many pairs in a row that a model hung or died on, it is not asked any more."""

_STOPS = (FailureKind.HUNG, FailureKind.KILLED, FailureKind.DIED)
_TOO_LARGE = (FailureKind.MEMORY, FailureKind.KILLED)
_QUESTIONS = 2


@dataclass(frozen=True)
class BatchChange:
    """A batch that did not fit into memory, or over which the model was killed, after which batches are smaller.

    Attributes:
        pair_id: Its first pair.
        condition: Under which condition.
        was: Number of its pairs.
        now: Largest number of pairs from then on.
        reason: What the model said.
    """

    pair_id: str
    condition: str
    was: int
    now: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


class Asker:
    """Asks one model; it remembers what the model could not take.

    Args:
        host: The model.
        batch_size: Pairs that it is given at once.
        seed: Seed of the run.
        say: Called with one line on what slows the run down or changes it.
        phases: Counts how long the model is waited for.
    """

    def __init__(self, host: ModelHost, batch_size: int, seed: int, say: Callable[[str], None], phases: Phases) -> None:
        self.batch_size = batch_size
        self.changes: list[BatchChange] = []
        self._host = host
        self._seed = seed
        self._say = say
        self._phases = phases
        self._stops = 0

    def ask_all(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, list[Answer]]]:
        """Every batch with one answer for each of its pairs, in order.

        The next batch is handed to the model while it is busy with the one before.
        """
        waiting: deque[tuple[Batch, int | None]] = deque()
        try:
            for batch in batches:
                waiting.append((batch, self._submitted(batch)))
                if len(waiting) == _QUESTIONS:
                    yield self._taken(*waiting.popleft())
        except AvbenchError:
            # No more batches can be read; what was asked already is not lost.
            while waiting:
                yield self._taken(*waiting.popleft())
            raise
        while waiting:
            yield self._taken(*waiting.popleft())

    def _submitted(self, batch: Batch) -> int | None:
        """The number of the question; None where it must wait for its turn and then be taken apart."""
        if self._given_up or len(batch.pairs) > self.batch_size:
            return None
        with self._phases.phase("predict"):
            return self._host.submit(batch.pairs, self._seed)

    def _taken(self, batch: Batch, number: int | None) -> tuple[Batch, list[Answer]]:
        with self._phases.phase("predict"):
            outcome = None if number is None else self._host.outcome(number)
            if outcome is None:
                return batch, self._ask(batch.pairs, batch.condition.name)
            return batch, self._answers(batch.pairs, batch.condition.name, outcome)

    @property
    def _given_up(self) -> bool:
        return self._stops >= MOST_STOPS_IN_A_ROW

    def _ask(self, pairs: Sequence[PairInput], condition: str) -> list[Answer]:
        """Ask in batches as large as the model can take, one after the other."""
        answers: list[Answer] = []
        while len(answers) < len(pairs):
            part = pairs[len(answers) : len(answers) + self.batch_size]
            answers += self._not_asked(part, condition) if self._given_up else self._asked(part, condition)
        return answers

    def _asked(self, pairs: Sequence[PairInput], condition: str) -> list[Answer]:
        outcome = None
        while outcome is None:
            # None: the batch was queued behind one whose model process was killed; it is submitted again.
            outcome = self._host.outcome(self._host.submit(pairs, self._seed))
        return self._answers(pairs, condition, outcome)

    def _not_asked(self, pairs: Sequence[PairInput], condition: str) -> list[Answer]:
        message = f"not asked: the model hung or died on {self._stops} pairs in a row"
        return [_failed(pair, condition, Status.ERROR, message, None) for pair in pairs]

    def _answers(self, pairs: Sequence[PairInput], condition: str, outcome: Outcome) -> list[Answer]:
        if isinstance(outcome, Replies):
            self._stops = 0
            took = outcome.milliseconds / len(pairs)
            return [_checked(pair, condition, reply, took) for pair, reply in zip(pairs, outcome.replies, strict=True)]
        if len(pairs) == 1:
            return [self._lost(pairs[0], condition, outcome)]
        if outcome.kind in _TOO_LARGE:
            # What kills without saying why is often a guard of memory, and a smaller batch costs little.
            self._shrink(pairs, condition, outcome)
            return self._ask(pairs, condition)
        # Raising costs next to nothing, so halving finds the pair at fault soonest; every hang costs the whole time.
        size = 1 if outcome.kind in _STOPS else -(-len(pairs) // 2)
        parts = [pairs[first : first + size] for first in range(0, len(pairs), size)]
        return [answer for part in parts for answer in self._ask(part, condition)]

    def _shrink(self, pairs: Sequence[PairInput], condition: str, failure: Failure) -> None:
        if self.batch_size <= len(pairs) // 2:
            # It was under way when the batch before it turned out too large.
            return
        self.batch_size = len(pairs) // 2
        self.changes.append(BatchChange(pairs[0].pair_id, condition, len(pairs), self.batch_size, failure.message))
        what = "do not fit into memory" if failure.kind is FailureKind.MEMORY else "were not answered"
        self._say(f"{len(pairs)} pairs at once {what} ({failure.message}); from here on {self.batch_size} at once")

    def _lost(self, pair: PairInput, condition: str, failure: Failure) -> Answer:
        if failure.kind in _STOPS:
            self._stops += 1
            self._say(f"pair {pair.pair_id} under {condition}: {failure.message}; it counts as the worst error")
            if self._given_up:
                self._say(
                    f"the model hung or died on {self._stops} pairs in a row and is not asked any more: all other "
                    "pairs count as the worst error"
                )
        else:
            self._stops = 0
        if failure.kind is FailureKind.COUNT:
            status = Status.INVALID if failure.answers else Status.MISSING
            message = f"{failure.answers} answers for one pair"
            return _failed(pair, condition, status, message, failure.milliseconds)
        return _failed(pair, condition, Status.ERROR, failure.message, failure.milliseconds)


def _failed(pair: PairInput, condition: str, status: Status, message: str | None, took: float | None) -> Answer:
    return Answer(pair.pair_id, condition, None, None, status=status, message=message, milliseconds=took)


def _checked(pair: PairInput, condition: str, reply: Reply, took: float) -> Answer:
    rotation, translation = reply.rotation_a_b, reply.translation_a_b
    if rotation is None or translation is None:
        return _failed(pair, condition, Status.INVALID, reply.problem, took)
    if not is_rotation(rotation, load_metrics_spec().rotation_tolerance):
        finite = bool(np.isfinite(rotation).all())
        message = "rotation_a_b is no rotation" if finite else "rotation_a_b is not finite"
        return _failed(pair, condition, Status.INVALID, message, took)
    notes = []
    direction = bool(np.isfinite(translation).all())
    if not direction:
        notes.append("translation_a_b is not finite")
    confidence = reply.confidence
    if confidence is not None and not (math.isfinite(confidence) and 0.0 <= confidence <= 1.0):
        notes.append(f"confidence {confidence:g} is not in 0 to 1")
        confidence = None
    return Answer(
        pair_id=pair.pair_id,
        condition=condition,
        rotation_a_b=rotation,
        translation_a_b=translation if direction else None,
        metric=reply.metric and direction,
        confidence=confidence,
        message="; ".join(notes) or None,
        milliseconds=took,
    )
