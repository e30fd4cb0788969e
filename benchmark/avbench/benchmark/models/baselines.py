"""Models that look at nothing: every other one must beat them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from avbench.benchmark.data.pair import PairInput, PairLabel, PosePrediction
from avbench.preprocessing.base.geometry import FloatArray, nearest_rotation
from avbench.preprocessing.recording.recording import Scale

FORWARD = np.array([0.0, 0.0, 1.0])


class Identity:
    """No rotation, and a movement straight ahead.

    A constant answer needs some direction, since none at all counts as 180 degrees off; cameras that are carried move
    ahead more than anywhere else, and no label is needed to know that.
    """

    def predict(self, pairs: Sequence[PairInput]) -> list[PosePrediction]:
        """The same answer for every pair."""
        return [PosePrediction(np.eye(3), FORWARD.copy(), confidence=0.0) for _ in pairs]


class MeanMotion:
    """The mean of the training labels, whatever the pair.

    The rotation is the chordal mean, the nearest rotation to the arithmetic mean of the matrices (Hartley et al.,
    "Rotation averaging", IJCV 2013, section 5.3). The translation is the mean of the metric ones; a training split
    without metres gives the mean of the unit directions, and one without translations straight ahead.
    """

    def __init__(self) -> None:
        self._answer: PosePrediction | None = None

    def fit(self, labels: Iterable[PairLabel]) -> None:
        """Take the mean.

        Raises:
            ValueError: There are no labels.
        """
        listed = list(labels)
        if not listed:
            raise ValueError("the mean of no labels is not defined")
        rotation = nearest_rotation(np.mean([label.rotation_a_b for label in listed], axis=0))
        metric = [label.translation_a_b_m for label in listed if label.scale is Scale.METRIC]
        directions = [_unit(label.translation_a_b_m) for label in listed if label.scale is Scale.UNKNOWN]
        if metric:
            translation = np.mean(metric, axis=0)
        elif directions:
            translation = np.mean(directions, axis=0)
        else:
            translation = FORWARD.copy()
        self._answer = PosePrediction(rotation, translation, confidence=0.0, metric=bool(metric))

    def predict(self, pairs: Sequence[PairInput]) -> list[PosePrediction]:
        """The same answer for every pair.

        Raises:
            RuntimeError: `fit` was not called.
        """
        if self._answer is None:
            raise RuntimeError("fit was not called")
        return [self._answer for _ in pairs]


def _unit(vector: FloatArray) -> FloatArray:
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length if length > 0.0 else vector, dtype=np.float64)
