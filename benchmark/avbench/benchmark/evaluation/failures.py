"""Runs whose model could not answer."""

from __future__ import annotations

from avbench.benchmark.predictions.file import Predictions, Status
from avbench.preprocessing.base.errors import AvbenchError


def refuse_failures(name: str, predictions: Predictions, allowed_share: float | None = None) -> None:
    """Refuse a run in which no pair was answered under any condition, or too few under one.

    A pair fails where its status is not `ok`.

    Args:
        name: What the model is called.
        predictions: The run.
        allowed_share: Largest share of the pairs, 0 to 1, that may fail under a condition; None for any but all.

    Raises:
        AvbenchError: Too many failed; with the first cause.
    """
    failed = [row for row, status in enumerate(predictions.status) if status is not Status.OK]
    if not failed:
        return
    if len(failed) == len(predictions.status):
        pairs = len(set(predictions.pair_id))
        raise AvbenchError(f"{name} answered none of the {pairs} pairs; the first cause: {_cause(predictions, failed)}")
    if allowed_share is None:
        return
    for condition in predictions.conditions:
        rows = [row for row in failed if predictions.condition[row] == condition]
        asked = sum(one == condition for one in predictions.condition)
        if len(rows) > allowed_share * asked:
            raise AvbenchError(
                f"{name} failed on {len(rows)} of {asked} pairs under {condition}, more than --fail-on "
                f"{allowed_share:g} allows; the first cause: {_cause(predictions, rows)}"
            )


def _cause(predictions: Predictions, rows: list[int]) -> str:
    first = rows[0]
    message = " ".join((predictions.message[first] or str(predictions.status[first])).split())
    return f"{message} (pair {predictions.pair_id[first]})"
