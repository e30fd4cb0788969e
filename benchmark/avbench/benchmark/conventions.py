"""How other public benchmarks would score the same predictions.

Papers print "AUC@5" of at least four different quantities. `score_as` scores predictions under the convention of one of
them, as `metrics_spec.toml` describes it, so that a number can be put beside a published one, and the difference to
ours is plain. Differences lie in the sign of the translation, in the camera whose view of it is compared, in the
integrator, and in what counts: none of them leaves short baselines out.

Where the public code yields NaN (a zero translation under `reloc3r` and `superglue`, whose place in a sorted list is
then left to chance), the error is infinite here. A label without any translation has no direction under any of them and
is left out of direction and total.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avbench.benchmark.metrics import auc_percent
from avbench.benchmark.metrics_spec import Convention, Integrator, RelativePose
from avbench.benchmark.predictions import CLEAN_CONDITION, Predictions, check_known
from avbench.benchmark.scoring import Labels, align, errors_of
from avbench.preprocessing.geometry import (
    FloatArray,
    direction_error_deg,
    invert_transform,
    is_rotation,
    make_transform,
    nearest_rotation,
    rotation_error_deg,
)


@dataclass(frozen=True)
class ConventionErrors:
    """Errors of N pairs under a convention, in degrees; infinite without a valid prediction.

    Attributes:
        rotation_deg: (N,) rotation errors.
        direction_deg: (N,) direction errors, folded where the convention folds.
    """

    rotation_deg: FloatArray
    direction_deg: FloatArray

    @property
    def total_deg(self) -> FloatArray:
        """(N,) the larger of the two; every convention here takes the maximum."""
        return np.maximum(self.rotation_deg, self.direction_deg)


@dataclass(frozen=True)
class AucRow:
    """One line of the comparison.

    Attributes:
        quantity: "total", "rotation" or "direction".
        threshold_deg: The threshold.
        foreign: AUC under the foreign convention, percent; None without pairs.
        foreign_n: Pairs it is taken over.
        ours: AUC under the contract of avbench at the same threshold; None without pairs.
        ours_n: Pairs that is taken over.
    """

    quantity: str
    threshold_deg: float
    foreign: float | None
    foreign_n: int
    ours: float | None
    ours_n: int


def histogram_auc_percent(error_deg: ArrayLike, threshold_deg: float, upper_deg: float | None = None) -> float:
    """Mean over 1-degree bins up to a threshold of the share of errors in that bin or below, in percent.

    Bins are half open but for the last, which ends at `upper_deg`: an error equal to that still counts. With
    `upper_deg` 10, this is the mean average accuracy (mAA) of Jin et al., "Image matching across wide baselines"
    (IJCV 2021); with the threshold itself, the AUC of PoseDiffusion and VGGT.

    Args:
        error_deg: (N,) errors.
        threshold_deg: A whole number of degrees.
        upper_deg: Upper edge of the last bin, None for the threshold.

    Raises:
        ValueError: There are no errors, or the threshold is no whole number or above `upper_deg`.
    """
    errors = np.asarray(error_deg, dtype=np.float64)
    upper = threshold_deg if upper_deg is None else upper_deg
    bins = int(threshold_deg)
    if errors.size == 0 or bins != threshold_deg or threshold_deg > upper:
        raise ValueError("expected errors, and a whole threshold not above the upper edge")
    counts, _ = np.histogram(errors, bins=np.arange(int(upper) + 1))
    return float(100.0 * np.mean(np.cumsum(counts[:bins]) / errors.size))


def convention_errors(
    convention: Convention,
    *,
    predicted_rotation: ArrayLike,
    predicted_translation: ArrayLike,
    true_rotation: ArrayLike,
    true_translation: ArrayLike,
) -> ConventionErrors:
    """Errors of N pairs under a convention; a missing prediction is a row of NaN.

    Args:
        convention: The convention.
        predicted_rotation: (N, 3, 3) predicted `rotation_a_b`.
        predicted_translation: (N, 3) predicted `translation_a_b`.
        true_rotation: (N, 3, 3) true `rotation_a_b`.
        true_translation: (N, 3) true `translation_a_b_m`.
    """
    R_pred = np.asarray(predicted_rotation, dtype=np.float64)
    t_pred = np.asarray(predicted_translation, dtype=np.float64)
    valid = is_rotation(R_pred)
    usable = valid & np.isfinite(t_pred).all(axis=-1)
    T_pred = make_transform(
        np.where(valid[:, None, None], nearest_rotation(np.where(valid[:, None, None], R_pred, np.eye(3))), np.eye(3)),
        np.where(usable[:, None], t_pred, 0.0),
    )
    T_true = make_transform(true_rotation, true_translation)
    if convention.relative_pose is RelativePose.T_B_A:
        T_pred, T_true = invert_transform(T_pred), invert_transform(T_true)
    rotation = rotation_error_deg(T_pred[:, :3, :3], T_true[:, :3, :3])
    direction = direction_error_deg(T_pred[:, :3, 3], T_true[:, :3, 3])
    if convention.folded:
        direction = np.minimum(direction, 180.0 - direction)
    direction = np.where(np.isnan(direction), convention.no_direction_deg, direction)
    return ConventionErrors(
        rotation_deg=np.where(valid, rotation, np.inf), direction_deg=np.where(usable, direction, np.inf)
    )


def convention_auc_percent(convention: Convention, error_deg: ArrayLike, threshold_deg: float) -> float:
    """AUC of (N,) errors under a convention, in percent."""
    if convention.integrator is Integrator.TRAPEZOID:
        return auc_percent(error_deg, threshold_deg)
    return histogram_auc_percent(error_deg, threshold_deg, convention.histogram_upper_deg)


def score_as(
    convention: Convention,
    predictions: Predictions,
    labels: Labels,
    condition: str = CLEAN_CONDITION,
    *,
    baseline_threshold_m: float,
) -> list[AucRow]:
    """Score one condition under a foreign convention and under ours, at the foreign thresholds.

    Args:
        convention: The convention.
        predictions: The predictions.
        labels: The labels.
        condition: Which condition.
        baseline_threshold_m: The threshold of our contract; the foreign ones have none.

    Raises:
        InputError: A prediction is for a pair that has no label here.
    """
    check_known(predictions, labels.pair_id)
    aligned = align(predictions, labels, condition)
    ours = errors_of(aligned, labels)
    ours_counts = labels.has_direction(baseline_threshold_m)
    theirs = convention_errors(
        convention,
        predicted_rotation=aligned.rotation_a_b,
        predicted_translation=aligned.translation_a_b,
        true_rotation=labels.rotation_a_b,
        true_translation=labels.translation_a_b_m,
    )
    theirs_counts = labels.has_direction(0.0)
    everything = np.ones(len(labels), dtype=np.bool_)
    rows: list[AucRow] = []
    for quantity, foreign, foreign_in, own, own_in in (
        ("total", theirs.total_deg, theirs_counts, ours.total_deg, ours_counts),
        ("rotation", theirs.rotation_deg, everything, ours.rotation_deg, everything),
        ("direction", theirs.direction_deg, theirs_counts, ours.direction_deg, ours_counts),
    ):
        rows.extend(
            AucRow(
                quantity=quantity,
                threshold_deg=threshold,
                foreign=convention_auc_percent(convention, foreign[foreign_in], threshold)
                if foreign_in.any()
                else None,
                foreign_n=int(foreign_in.sum()),
                ours=auc_percent(own[own_in], threshold) if own_in.any() else None,
                ours_n=int(own_in.sum()),
            )
            for threshold in convention.thresholds_deg
        )
    return rows
