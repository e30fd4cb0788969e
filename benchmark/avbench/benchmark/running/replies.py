"""Asking a model once, and making what comes back plain: this runs where the model runs.

A model may raise, answer too little or too much, or answer something that is no pose. Whatever it does becomes an
`Outcome`: values of plain types that can be sent between processes and outlive the model.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from zlib import crc32

import numpy as np

from avbench.benchmark.data.pair import Model, PairInput, PosePrediction
from avbench.benchmark.models.loading import describe_error
from avbench.preprocessing.base.geometry import FloatArray

_MEMORY_MESSAGES = ("out of memory", "can't allocate memory", "cannot allocate memory")


class FailureKind(StrEnum):
    """Why a batch has no answers."""

    RAISED = "raised"  # the model raised
    MEMORY = "memory"  # the batch does not fit into memory
    COUNT = "count"  # other than one answer a pair
    HUNG = "hung"  # no answer in time
    KILLED = "killed"  # its process was killed, by whom is not known
    DIED = "died"  # its process ended


@dataclass(frozen=True)
class Failure:
    """A batch without usable answers.

    Attributes:
        kind: Why.
        message: The same in words.
        answers: How many answers came.
        milliseconds: Time it took.
    """

    kind: FailureKind
    message: str
    answers: int = 0
    milliseconds: float = 0.0


@dataclass(frozen=True)
class Reply:
    """What a model returned for one pair, in plain types; it need not be a pose.

    Attributes:
        rotation_a_b: (3, 3) of any numbers, None if nothing of that shape came.
        translation_a_b: (3,) of any numbers, None if nothing of that shape came.
        metric: Whether the translation is said to be in metres.
        confidence: Any number, or None.
        problem: Why there is no rotation and translation of the right shapes, None if there is.
    """

    rotation_a_b: FloatArray | None
    translation_a_b: FloatArray | None
    metric: bool = False
    confidence: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Replies:
    """One reply for every pair of a batch.

    Attributes:
        replies: In the order of the pairs.
        milliseconds: Time the model took for all of them.
    """

    replies: tuple[Reply, ...]
    milliseconds: float


Outcome = Replies | Failure


def question(model: Model, pairs: Sequence[PairInput], seed: int) -> Outcome:
    """Give a model a batch, whatever happens.

    The global random generators are seeded by `seed` and the first pair, so that a resumed run draws the same numbers.
    The condition has no part in that: what a model draws is the same on the same pairs, and only what it sees differs.

    Args:
        model: The model.
        pairs: At least one.
        seed: Seed of the run.
    """
    _seed_generators(seed, pairs[0].pair_id)
    started = time.perf_counter()
    try:
        given = list(model.predict(pairs))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a model may raise anything; it costs the pair, not the run
        kind = FailureKind.MEMORY if is_out_of_memory(error) else FailureKind.RAISED
        message = describe_error(error)
    else:
        took = _milliseconds(started)
        if len(given) == len(pairs):
            return Replies(tuple(_reply(answer) for answer in given), took)
        return Failure(FailureKind.COUNT, f"{len(given)} answers for {len(pairs)} pairs", len(given), took)
    # Out of the handler, the error and with it the arrays of the model's frames are gone: now memory can be freed.
    if kind is FailureKind.MEMORY:
        _free_device_memory()
    return Failure(kind, message, milliseconds=_milliseconds(started))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of the machine or of a device."""
    if isinstance(error, MemoryError):
        return True
    # torch raises a class of its own on devices and a plain RuntimeError on the CPU, other libraries the latter.
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _MEMORY_MESSAGES)


def _free_device_memory() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _milliseconds(started: float) -> float:
    return 1000.0 * (time.perf_counter() - started)


def _seed_generators(seed: int, key: str) -> None:
    mixed = crc32(key.encode(), seed) & 0xFFFFFFFF
    random.seed(mixed)
    np.random.seed(mixed)  # noqa: NPY002 - the models of others use it; ours do not
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(mixed)


def _reply(given: object) -> Reply:
    try:
        return _parts(given)
    except Exception as error:  # noqa: BLE001 - whatever a model returns may raise on being looked at
        return Reply(None, None, problem=describe_error(error))


def _parts(given: object) -> Reply:
    if not hasattr(given, "rotation_a_b") or not hasattr(given, "translation_a_b"):
        raise TypeError(f"found {type(given).__name__}, expected {PosePrediction.__name__}")
    # Copies, so that a model that answers from one buffer does not change what it answered before.
    rotation = np.array(given.rotation_a_b, dtype=np.float64)
    translation = np.array(given.translation_a_b, dtype=np.float64)
    if rotation.shape != (3, 3):
        raise ValueError(f"rotation_a_b has shape {rotation.shape}, expected (3, 3)")
    if translation.shape != (3,):
        raise ValueError(f"translation_a_b has shape {translation.shape}, expected (3,)")
    confidence = getattr(given, "confidence", None)
    return Reply(
        rotation,
        translation,
        bool(getattr(given, "metric", False)),
        None if confidence is None else float(confidence),
    )
