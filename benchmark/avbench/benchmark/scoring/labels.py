"""The labels of pairs as arrays, and which of them count in which metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.data.pair import PairLabel
from avbench.benchmark.metrics.definitions import direction_counts
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.recording import Scale


@dataclass(frozen=True)
class Labels:
    """The labels of N pairs as arrays.

    Attributes:
        pair_id: (N,) names.
        rotation_a_b: (N, 3, 3).
        translation_a_b_m: (N, 3).
        scale: (N,) what each translation means.
        direction_sigma_deg: (N,) standard uncertainty of each translation's direction, NaN where unknown.
    """

    pair_id: tuple[str, ...]
    rotation_a_b: FloatArray
    translation_a_b_m: FloatArray
    scale: tuple[Scale, ...]
    direction_sigma_deg: FloatArray

    @classmethod
    def of(cls, labels: Sequence[PairLabel]) -> Labels:
        """Stack single labels."""
        return cls(
            pair_id=tuple(label.pair_id for label in labels),
            rotation_a_b=np.array([label.rotation_a_b for label in labels], dtype=np.float64).reshape(-1, 3, 3),
            translation_a_b_m=np.array([label.translation_a_b_m for label in labels], dtype=np.float64).reshape(-1, 3),
            scale=tuple(label.scale for label in labels),
            direction_sigma_deg=numbers_or_nan([label.direction_sigma_deg for label in labels]),
        )

    def __len__(self) -> int:
        return len(self.pair_id)

    def has_scale(self, scale: Scale) -> NDArray[np.bool_]:
        """(N,) whether a label is of the given scale."""
        return np.array([found is scale for found in self.scale], dtype=np.bool_)

    def has_direction(self, baseline_threshold_m: float) -> NDArray[np.bool_]:
        """(N,) whether a label has a direction that counts; see `metrics.direction_counts`."""
        return self._direction_counts(baseline_threshold_m, load_metrics_spec().direction_sigma_limit_deg)

    def has_translation(self) -> NDArray[np.bool_]:
        """(N,) whether a label has a translation, however short or uncertain it is."""
        return self._direction_counts(0.0, math.inf)

    def is_too_uncertain(self) -> NDArray[np.bool_]:
        """(N,) whether a label has a direction that does not count because it is too uncertain."""
        return self.has_translation() & ~self.has_direction(0.0)

    def _direction_counts(self, baseline_threshold_m: float, sigma_limit_deg: float) -> NDArray[np.bool_]:
        return direction_counts(
            self.translation_a_b_m,
            metric=self.has_scale(Scale.METRIC),
            rotation_only=self.has_scale(Scale.ROTATION_ONLY),
            direction_sigma_deg=self.direction_sigma_deg,
            baseline_threshold_m=baseline_threshold_m,
            sigma_limit_deg=sigma_limit_deg,
        )


def numbers_or_nan(values: Sequence[float | None]) -> FloatArray:
    """(N,) numbers of a column, NaN where it is empty."""
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
