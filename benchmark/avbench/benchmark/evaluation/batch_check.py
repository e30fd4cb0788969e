"""How much two sets of predictions differ that should be the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from avbench.benchmark.conditions.condition import Condition
from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.predictions.file import Predictions, Status
from avbench.benchmark.running.run import RunSettings, run_model
from avbench.preprocessing.base.geometry import rotation_error_deg


@dataclass(frozen=True)
class Deviation:
    """Differences between two sets of answers to the same questions.

    Attributes:
        answers: Number of answers compared.
        differing: How many of them are not equal to the last bit, or have other statuses.
        rotation_deg: Largest angle between two rotations.
        translation: Largest difference of a component of two translations.
        statuses: How many answers are usable in one set only.
    """

    answers: int
    differing: int
    rotation_deg: float
    translation: float
    statuses: int

    def __str__(self) -> str:
        if not self.differing:
            return "identical"
        return (
            f"{self.differing} of {self.answers} answers differ, by up to {self.rotation_deg:.2g} degrees of rotation "
            f"and {self.translation:.2g} in a component of the translation; {self.statuses} are usable in one only"
        )


def deviation_of_single_pairs(
    dataset: PairDataset,
    entry: ModelEntry,
    settings: RunSettings,
    conditions: Sequence[Condition],
    predictions: Predictions,
) -> Deviation:
    """Ask a model about pairs one by one, and compare that with what it answered in batches.

    Args:
        dataset: The data set.
        entry: The model.
        settings: How it was run.
        conditions: Under which conditions.
        predictions: What it answered.

    Raises:
        InputError: The model cannot be built, or the data set is damaged.
    """
    singly = replace(settings, batch_size=1, workers=0)
    with TemporaryDirectory() as folder:
        single = run_model(dataset, entry, Path(folder), singly, conditions=conditions)
    return deviation(predictions, single.predictions)


def deviation(a: Predictions, b: Predictions) -> Deviation:
    """Compare two sets of predictions of the same pairs under the same conditions, in the same order.

    Raises:
        ValueError: They are of other pairs or conditions.
    """
    if (a.pair_id, a.condition) != (b.pair_id, b.condition):
        raise ValueError("the predictions are of other pairs or conditions")
    same = np.array(a.status, dtype=object) == np.array(b.status, dtype=object)
    for name in ("rotation_a_b", "translation_a_b", "confidence"):
        one, other = (getattr(found, name).reshape(len(a), -1) for found in (a, b))
        same &= ((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1)
    ok_a, ok_b = (np.array([status is Status.OK for status in found.status], dtype=np.bool_) for found in (a, b))
    both = ok_a & ok_b & ~same
    turned = rotation_error_deg(a.rotation_a_b[both], b.rotation_a_b[both])
    moved = np.nan_to_num(np.abs(a.translation_a_b[both] - b.translation_a_b[both]), nan=np.inf)
    # A translation that is missing in both is no difference.
    moved[np.isnan(a.translation_a_b[both]) & np.isnan(b.translation_a_b[both])] = 0.0
    return Deviation(
        answers=len(a),
        differing=int((~same).sum()),
        rotation_deg=float(turned.max(initial=0.0)),
        translation=float(moved.max(initial=0.0)),
        statuses=int((ok_a != ok_b).sum()),
    )
