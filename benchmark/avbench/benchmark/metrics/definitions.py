"""The metrics: arrays in, values out.

Conventions (the machine-readable form is `metrics_spec.toml`):

- Errors are in degrees, 0 to 180, of the relative pose `T_a_b`. The direction error is signed: a predicted translation
  that points the opposite way is 180 degrees off, not 0.
- The error of a pair is the larger of its rotation and its direction error.
- A prediction that is no rotation, or none at all, costs the worst error in both. Nothing leaves the denominator.
- A pair whose true baseline is too short, or whose label is too uncertain, to have a direction counts in rotation
  metrics only.

`pair_errors` gives the errors of every pair, `direction_counts` says which have a direction, `auc_percent` is the area
under the recall curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.preprocessing.base.geometry import (
    ROTATION_TOLERANCE,
    FloatArray,
    direction_error_deg,
    is_rotation,
    nearest_rotation,
    polished_rotation,
    rotation_error_deg,
)

WORST_ERROR_DEG = 180.0


@dataclass(frozen=True)
class PairErrors:
    """Errors of N pairs.

    Attributes:
        rotation_deg: (N,) rotation errors.
        direction_deg: (N,) signed direction errors; meaningful where the label has a direction.
        translation_m: (N,) length of predicted minus true translation, infinite where the prediction is not valid, not
            finite or not called metric; meaningful where the label is metric.
        valid: (N,) whether there is a prediction that is a rotation.
    """

    rotation_deg: FloatArray
    direction_deg: FloatArray
    translation_m: FloatArray
    valid: NDArray[np.bool_]

    @property
    def total_deg(self) -> FloatArray:
        """(N,) the larger of rotation and direction error."""
        return np.maximum(self.rotation_deg, self.direction_deg)


def pair_errors(
    *,
    predicted_rotation: ArrayLike,
    predicted_translation: ArrayLike,
    predicted_metric: ArrayLike,
    true_rotation: ArrayLike,
    true_translation: ArrayLike,
    rotation_tolerance: float = ROTATION_TOLERANCE,
) -> PairErrors:
    """Errors of N pairs; a missing prediction is a row of NaN.

    Args:
        predicted_rotation: (N, 3, 3) predicted `rotation_a_b`.
        predicted_translation: (N, 3) predicted `translation_a_b`.
        predicted_metric: (N,) whether the predicted translation is in metres.
        true_rotation: (N, 3, 3) true `rotation_a_b`.
        true_translation: (N, 3) true `translation_a_b_m`.
        rotation_tolerance: Largest ||R'R - I||_F of a valid predicted rotation.
    """
    R_pred = np.asarray(predicted_rotation, dtype=np.float64)
    t_pred = np.asarray(predicted_translation, dtype=np.float64)
    R_true = np.asarray(true_rotation, dtype=np.float64)
    t_true = np.asarray(true_translation, dtype=np.float64)
    valid = is_rotation(R_pred, rotation_tolerance)
    rotation = np.full(len(valid), WORST_ERROR_DEG)
    # The cheap way converges for the contract's tolerance, not for any.
    projected = polished_rotation if rotation_tolerance <= ROTATION_TOLERANCE else nearest_rotation
    rotation[valid] = rotation_error_deg(projected(R_pred[valid]), R_true[valid])
    direction = direction_error_deg(t_pred, t_true)
    direction = np.where(valid & np.isfinite(direction), direction, WORST_ERROR_DEG)
    in_metres = valid & np.asarray(predicted_metric, dtype=np.bool_) & np.isfinite(t_pred).all(axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.linalg.norm(t_pred - t_true, axis=-1)
    return PairErrors(rotation, direction, np.where(in_metres, length, np.inf), valid)


def direction_counts(
    true_translation_m: ArrayLike,
    *,
    metric: ArrayLike,
    rotation_only: ArrayLike,
    direction_sigma_deg: ArrayLike,
    baseline_threshold_m: float,
    sigma_limit_deg: float,
) -> NDArray[np.bool_]:
    """Which of N labels have a direction that can be scored.

    A label without translation or of length zero has none, and a metric baseline shorter than the threshold is too
    short for one. A translation of unknown scale cannot be compared with a length in metres; it counts unless its
    direction is known to be too uncertain.

    Args:
        true_translation_m: (N, 3) label translations.
        metric: (N,) whether the label is in metres.
        rotation_only: (N,) whether the label has no translation.
        direction_sigma_deg: (N,) standard uncertainty of the labels' directions, NaN where unknown.
        baseline_threshold_m: Shortest metric baseline that counts.
        sigma_limit_deg: Largest uncertainty of a direction without metres that counts.
    """
    length = np.linalg.norm(np.asarray(true_translation_m, dtype=np.float64), axis=-1)
    in_metres = np.asarray(metric, dtype=np.bool_)
    too_short = in_metres & (length < baseline_threshold_m)
    uncertain = ~in_metres & (np.asarray(direction_sigma_deg, dtype=np.float64) > sigma_limit_deg)
    return np.asarray(~np.asarray(rotation_only, dtype=np.bool_) & (length > 0.0) & ~too_short & ~uncertain)


def auc_percent(error_deg: ArrayLike, threshold_deg: float) -> float:
    """Area under the recall curve up to a threshold, in percent.

    The curve starts at (0, 0) and reaches (i + 1) / N at the i-th smallest error; it is integrated by the trapezoid
    rule, the last recall below the threshold is held up to it, and an error equal to the threshold is outside. This is
    the definition of SuperGlue (Sarlin et al., CVPR 2020), LoFTR and Reloc3r.

    Args:
        error_deg: (N,) errors; infinite ones count as never reached.
        threshold_deg: The threshold.

    Raises:
        ValueError: There are no errors, one is NaN, or the threshold is not positive.
    """
    errors = np.asarray(error_deg, dtype=np.float64)
    if errors.size == 0:
        raise ValueError("an area under the curve needs at least one error")
    if np.isnan(errors).any():
        raise ValueError("errors must not be NaN: give a failed pair its worst error")
    gain, reached = auc_terms(errors, threshold_deg)
    return float(100.0 * (gain.mean() + reached.max() / (2.0 * errors.size * threshold_deg)))


def auc_terms(error_deg: FloatArray, threshold_deg: float) -> tuple[FloatArray, FloatArray]:
    """What (N,) errors add to the area under the recall curve: (N,) shares of it, and (N,) errors below the threshold.

    The trapezoid under the recall curve equals the mean of max(0, 1 - e/T) plus e_k / (2 N T), where e_k is the largest
    error below T: the first term is the area under the steps, the second what the trapezoid adds to them. Errors of T
    and more are 0 in both.

    Raises:
        ValueError: The threshold is not positive.
    """
    if not threshold_deg > 0.0:
        raise ValueError("the threshold must be positive")
    below = error_deg < threshold_deg
    reached = np.where(below, error_deg, 0.0)
    return np.where(below, 1.0 - reached / threshold_deg, 0.0), reached
