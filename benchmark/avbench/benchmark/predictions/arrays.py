"""Predictions that are arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avbench.benchmark.predictions.file import CLEAN_CONDITION, Predictions, Status
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray


def predictions_from_arrays(
    pair_ids: Sequence[str],
    rotation_a_b: FloatArray,
    translation_a_b: FloatArray,
    *,
    confidence: FloatArray | None = None,
    metric: bool = False,
    condition: str = CLEAN_CONDITION,
) -> Predictions:
    """Predictions of one condition from arrays; a row with NaN in its rotation is a pair without an answer.

    Args:
        pair_ids: N pairs.
        rotation_a_b: (N, 3, 3).
        translation_a_b: (N, 3).
        confidence: (N,) from 0 to 1, or None.
        metric: Whether the translations are in metres.
        condition: The condition.

    Raises:
        InputError: An array is of another shape.
    """
    count = len(pair_ids)
    chosen = np.full(count, np.nan) if confidence is None else confidence
    for name, array, shape in (
        ("rotation_a_b", rotation_a_b, (count, 3, 3)),
        ("translation_a_b", translation_a_b, (count, 3)),
        ("confidence", chosen, (count,)),
    ):
        if array.shape != shape:
            raise InputError(
                name, found=f"an array of shape {array.shape}", expected=f"{shape}, a row for each of the {count} pairs"
            )
    answered = [not bool(np.isnan(one).any()) for one in rotation_a_b]
    return Predictions(
        pair_id=tuple(pair_ids),
        condition=(condition,) * count,
        rotation_a_b=rotation_a_b,
        translation_a_b=translation_a_b,
        metric=np.full(count, metric),
        confidence=chosen,
        status=tuple(Status.OK if ok else Status.MISSING for ok in answered),
        message=(None,) * count,
        milliseconds=np.full(count, np.nan),
        info={},
        where="arrays",
    )
