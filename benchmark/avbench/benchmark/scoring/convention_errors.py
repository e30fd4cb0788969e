"""Errors of relative poses as other public benchmarks compute them, each with its own numerics.

A formula that is right for a rotation may be far off for a matrix that is only nearly one. A network that answers in
bfloat16 has columns whose length is wrong by up to 0.4 %; taken by the trace, that alone is an error of several
degrees, taken by a projection it is none. So nothing is projected or checked here before a formula is applied: what
`metrics_spec.toml` calls the rotation and the direction formula of a convention sees the matrix as it was predicted.

Formulas give NaN where the public code does; `Convention.nan` says what that counts as.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.metrics.spec import Convention, DirectionFormula, NanRule, RelativePose, RotationFormula
from avbench.preprocessing.base.geometry import FloatArray, invert_transform, make_transform

_TINY = 1e-15
"""What several codes add to lengths, and the smallest squared sine that they know."""
_BOUND_COSINE = 1.0 - 1e-4
_TRACE_MARGIN = 1e-4
_LARGEST_ENTRY = 100.0
_SMALLEST_SINE = 1e-5
_SMALLEST_DIVISOR = 0.1


@dataclass(frozen=True)
class ConventionErrors:
    """Errors of N pairs under a convention; NaN where its code computes NaN.

    Attributes:
        rotation_deg: (N,) rotation errors in degrees.
        direction_deg: (N,) direction errors in degrees, folded where the convention folds; NaN under a convention that
            compares metres.
        translation_m: (N,) length of predicted minus true translation; infinite for a failed pair.
        answered: (N,) whether there is a finite matrix to compare.
    """

    rotation_deg: FloatArray
    direction_deg: FloatArray
    translation_m: FloatArray
    answered: NDArray[np.bool_]

    @property
    def total_deg(self) -> FloatArray:
        """(N,) the larger of rotation and direction error, NaN if either is; every convention takes the maximum."""
        return np.maximum(self.rotation_deg, self.direction_deg)


def convention_errors(
    convention: Convention,
    *,
    predicted_rotation: ArrayLike,
    predicted_translation: ArrayLike,
    true_rotation: ArrayLike,
    true_translation: ArrayLike,
) -> ConventionErrors:
    """Errors of N pairs under a convention; a missing prediction is a row of NaN.

    Predictions are brought into the relative pose that the convention compares by the closed form of the inverse, R'
    and -R't, as these codes invert; for a matrix that is no rotation it differs from the matrix inverse.

    Args:
        convention: The convention.
        predicted_rotation: (N, 3, 3) predicted `rotation_a_b`, as the model gave it.
        predicted_translation: (N, 3) predicted `translation_a_b`.
        true_rotation: (N, 3, 3) true `rotation_a_b`.
        true_translation: (N, 3) true `translation_a_b_m`.
    """
    R_pred = np.asarray(predicted_rotation, dtype=np.float64)
    t_pred = np.asarray(predicted_translation, dtype=np.float64)
    answered = np.asarray(np.isfinite(R_pred).all(axis=(-2, -1)))
    T_pred = make_transform(np.where(answered[:, None, None], R_pred, np.eye(3)), t_pred)
    T_true = make_transform(true_rotation, true_translation)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if convention.relative_pose is RelativePose.T_B_A:
            T_pred, T_true = invert_transform(T_pred), invert_transform(T_true)
        rotation = _ROTATION[convention.rotation](T_pred[:, :3, :3], T_true[:, :3, :3])
        if convention.direction is None:
            direction = np.full(len(answered), np.nan)
        else:
            direction = _DIRECTION[convention.direction](T_pred[:, :3, 3], T_true[:, :3, 3])
        length = np.linalg.norm(T_pred[:, :3, 3] - T_true[:, :3, 3], axis=-1)
    if convention.folded:
        direction = np.minimum(direction, 180.0 - direction)
    failed = ~answered
    if convention.nan is NanRule.FAILED:
        failed = failed | np.isnan(rotation) | np.isnan(direction)
    rotation_cost, direction_cost = convention.failure_deg
    return ConventionErrors(
        rotation_deg=np.where(failed, rotation_cost, rotation),
        direction_deg=np.where(failed, direction_cost, direction),
        translation_m=np.where(failed | ~np.isfinite(length), np.inf, length),
        answered=answered,
    )


def _by_trace(R_pred: FloatArray, R_true: FloatArray) -> FloatArray:
    return _degrees(np.arccos(np.clip(_trace_cosine(R_pred, R_true), -1.0, 1.0)))


def _by_bounded_trace(R_pred: FloatArray, R_true: FloatArray) -> FloatArray:
    cosine = _trace_cosine(R_pred, R_true)
    bound = np.clip(cosine, -_BOUND_COSINE, _BOUND_COSINE)
    # Beyond the bound, the tangent there: arccos itself has no finite slope at 1.
    angle = np.arccos(bound) - (cosine - bound) / np.sqrt(1.0 - bound**2)
    refused = np.abs(cosine) > 1.0 + _TRACE_MARGIN / 2.0
    return _degrees(np.where(refused, np.nan, angle))


def _trace_cosine(R_pred: FloatArray, R_true: FloatArray) -> FloatArray:
    return np.asarray((np.einsum("nij,nij->n", R_pred, R_true) - 1.0) / 2.0)


def _by_quaternion(R_pred: FloatArray, R_true: FloatArray) -> FloatArray:
    return _between_quaternions(_row_quaternion(R_pred), _row_quaternion(R_true))


def _by_eigenquaternion(R_pred: FloatArray, R_true: FloatArray) -> FloatArray:
    q_pred, q_true = (
        q / (np.linalg.norm(q, axis=-1, keepdims=True) + _TINY) for q in _eigenquaternions(R_pred, R_true)
    )
    return _between_quaternions(q_pred, q_true)


def _by_eigenquaternion_sine(R_pred: FloatArray, R_true: FloatArray) -> FloatArray:
    q_pred, q_true = _eigenquaternions(R_pred, R_true)
    vector = (
        q_true[:, :1] * q_pred[:, 1:] - q_pred[:, :1] * q_true[:, 1:] - np.cross(q_pred[:, 1:], q_true[:, 1:], axis=-1)
    )
    return _degrees(2.0 * np.arcsin(np.linalg.norm(vector, axis=-1)))


def _outer_quaternion(R: FloatArray) -> FloatArray:
    """(N, 4, 4) 4 qq' of the quaternions (scalar first) of rotations (N, 3, 3), by expressions linear in the matrix."""
    trace = np.trace(R, axis1=-2, axis2=-1)
    outer = np.empty((len(R), 4, 4))
    outer[:, 1:, 1:] = R + np.swapaxes(R, -1, -2) + (1.0 - trace)[:, None, None] * np.eye(3)
    outer[:, 0, 0] = 1.0 + trace
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        outer[:, 0, axis + 1] = outer[:, axis + 1, 0] = R[:, second, first] - R[:, first, second]
    return outer


def _row_quaternion(R: FloatArray) -> FloatArray:
    outer = _outer_quaternion(R)
    diagonal = np.maximum(np.diagonal(outer, axis1=-2, axis2=-1), 0.0)
    best = np.argmax(diagonal, axis=-1)
    rows = np.arange(len(R))
    row = outer[rows, best]
    row[rows, best] = diagonal[rows, best]
    return np.asarray(row / (2.0 * np.maximum(np.sqrt(diagonal[rows, best]), _SMALLEST_DIVISOR))[:, None])


def _eigenquaternions(R_pred: FloatArray, R_true: FloatArray) -> tuple[FloatArray, FloatArray]:
    # Eigenvalues come in rising order.
    return np.linalg.eigh(_outer_quaternion(R_pred))[1][..., -1], np.linalg.eigh(_outer_quaternion(R_true))[1][..., -1]


def _between_quaternions(q_pred: FloatArray, q_true: FloatArray) -> FloatArray:
    squared_sine = np.maximum(1.0 - np.sum(q_pred * q_true, axis=-1) ** 2, _TINY)
    return _degrees(np.arccos(1.0 - 2.0 * squared_sine))


def _by_rodrigues_float32(R_pred: FloatArray, R_true: FloatArray) -> FloatArray:
    left, right = R_pred.astype(np.float32), R_true.astype(np.float32)
    product = _product_float32(left, right)
    in_range = np.asarray((np.abs(product) <= _LARGEST_ENTRY).all(axis=(-2, -1)))
    U, _, Vt = np.linalg.svd(np.where(in_range[:, None, None], product, np.eye(3)).astype(np.float64))
    R = U @ Vt
    sine = np.linalg.norm(R - np.swapaxes(R, -1, -2), axis=(-2, -1)) / np.sqrt(8.0)
    cosine = np.clip((np.trace(R, axis1=-2, axis2=-1) - 1.0) / 2.0, -1.0, 1.0)
    angle = np.where((sine < _SMALLEST_SINE) & (cosine > 0.0), 0.0, np.arccos(cosine))
    return _degrees(np.where(in_range, angle, 0.0).astype(np.float32))


def _product_float32(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 3, 3) R'S in float32, added up in order, so that it does not depend on the machine's linear algebra."""
    parts = [left[:, k, :, None] * right[:, k, None, :] for k in range(3)]
    return np.asarray(parts[0] + parts[1] + parts[2])


def _by_clipped_arccos(t_pred: FloatArray, t_true: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(t_pred, axis=-1) * np.linalg.norm(t_true, axis=-1)
    return _degrees(np.arccos(np.clip(np.sum(t_pred * t_true, axis=-1) / lengths, -1.0, 1.0)))


def _by_arccos_float32(t_pred: FloatArray, t_true: FloatArray) -> FloatArray:
    a, b = (t.astype(np.float32) for t in (t_pred, t_true))
    a, b = (vector / _length_float32(vector)[:, None] for vector in (a, b))
    product = a * b
    cosine = (product[:, 0] + product[:, 1] + product[:, 2]) / (_length_float32(a) * _length_float32(b))
    return _degrees(np.arccos(cosine))


def _length_float32(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    # As the linear algebra under NumPy does for three numbers: squares in float32, their sum in float64. The last bit
    # decides whether a right answer is NaN.
    return np.asarray(np.sqrt(np.sum(vector * vector, axis=-1, dtype=np.float64).astype(np.float32)))


def _by_squared_cosine(t_pred: FloatArray, t_true: FloatArray) -> FloatArray:
    a, b = (t / (np.linalg.norm(t, axis=-1, keepdims=True) + _TINY) for t in (t_pred, t_true))
    squared_sine = np.maximum(1.0 - np.sum(a * b, axis=-1) ** 2, _TINY)
    return _degrees(np.arccos(np.sqrt(1.0 - squared_sine)))


def _degrees(angle: NDArray[np.floating]) -> FloatArray:
    return np.asarray(np.degrees(angle), dtype=np.float64)


_Formula = Callable[[FloatArray, FloatArray], FloatArray]
_ROTATION: Mapping[RotationFormula, _Formula] = MappingProxyType(
    {
        RotationFormula.TRACE: _by_trace,
        RotationFormula.BOUNDED_TRACE: _by_bounded_trace,
        RotationFormula.QUATERNION: _by_quaternion,
        RotationFormula.EIGENQUATERNION: _by_eigenquaternion,
        RotationFormula.EIGENQUATERNION_SINE: _by_eigenquaternion_sine,
        RotationFormula.RODRIGUES_FLOAT32: _by_rodrigues_float32,
    }
)
_DIRECTION: Mapping[DirectionFormula, _Formula] = MappingProxyType(
    {
        DirectionFormula.CLIPPED_ARCCOS: _by_clipped_arccos,
        DirectionFormula.ARCCOS_FLOAT32: _by_arccos_float32,
        DirectionFormula.SQUARED_COSINE: _by_squared_cosine,
    }
)
