"""Asking a model, whatever it does.

A model may raise, answer too little or too much, or answer something that is no pose. None of that ends a run: the
batch is halved until the pair at fault stands alone, which then gets a row that says what happened and costs the worst
error. A batch that does not fit into memory is got through in the same way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from avbench.benchmark.metrics_spec import load_metrics_spec
from avbench.benchmark.model_api import Model, PairInput, PosePrediction
from avbench.benchmark.models.registry import describe_error
from avbench.benchmark.predictions import Answer, Status
from avbench.preprocessing.geometry import FloatArray, is_rotation


def ask(model: Model, pairs: Sequence[PairInput], condition: str) -> list[Answer]:
    """One answer for every pair, in order.

    Args:
        model: The model.
        pairs: What it is given, at once if it can take that.
        condition: Name of the condition that the pairs are under.
    """
    if not pairs:
        return []
    started = time.perf_counter()
    try:
        given = list(model.predict(pairs))
    except Exception as error:  # noqa: BLE001 - a model may raise anything; it costs the pair, not the run
        if len(pairs) > 1:
            return _ask_halves(model, pairs, condition)
        return [_failed(pairs[0], condition, Status.ERROR, describe_error(error), _milliseconds(started, 1))]
    if len(given) != len(pairs):
        if len(pairs) > 1:
            return _ask_halves(model, pairs, condition)
        status = Status.INVALID if given else Status.MISSING
        return [_failed(pairs[0], condition, status, f"{len(given)} answers for one pair", _milliseconds(started, 1))]
    took = _milliseconds(started, len(pairs))
    return [_checked(pair, condition, answer, took) for pair, answer in zip(pairs, given, strict=True)]


def _ask_halves(model: Model, pairs: Sequence[PairInput], condition: str) -> list[Answer]:
    middle = len(pairs) // 2
    return ask(model, pairs[:middle], condition) + ask(model, pairs[middle:], condition)


def _milliseconds(started: float, pairs: int) -> float:
    return 1000.0 * (time.perf_counter() - started) / pairs


def _failed(pair: PairInput, condition: str, status: Status, message: str, took: float) -> Answer:
    return Answer(pair.pair_id, condition, None, None, status=status, message=message, milliseconds=took)


def _checked(pair: PairInput, condition: str, given: object, took: float) -> Answer:
    try:
        rotation, translation, metric, confidence = _parts(given)
    except Exception as error:  # noqa: BLE001 - whatever a model returns may raise on being looked at
        return _failed(pair, condition, Status.INVALID, describe_error(error), took)
    if not is_rotation(rotation, load_metrics_spec().rotation_tolerance):
        finite = bool(np.isfinite(rotation).all())
        message = "rotation_a_b is no rotation" if finite else "rotation_a_b is not finite"
        return _failed(pair, condition, Status.INVALID, message, took)
    notes = []
    if not np.isfinite(translation).all():
        translation_or_none, metric = None, False
        notes.append("translation_a_b is not finite")
    else:
        translation_or_none = translation
    if confidence is not None and not (math.isfinite(confidence) and 0.0 <= confidence <= 1.0):
        notes.append(f"confidence {confidence:g} is not in 0 to 1")
        confidence = None
    return Answer(
        pair_id=pair.pair_id,
        condition=condition,
        rotation_a_b=rotation,
        translation_a_b=translation_or_none,
        metric=metric,
        confidence=confidence,
        message="; ".join(notes) or None,
        milliseconds=took,
    )


def _parts(given: object) -> tuple[FloatArray, FloatArray, bool, float | None]:
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
    return (
        rotation,
        translation,
        bool(getattr(given, "metric", False)),
        None if confidence is None else float(confidence),
    )
