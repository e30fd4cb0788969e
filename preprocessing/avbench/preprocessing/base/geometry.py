"""Rotations, rigid transforms and the angles between them.

Conventions (design of the whole project):

- Camera axes are OpenCV's: x right, y down, z forward, of the upright image.
- `T_dst_src` is a 4x4 matrix that maps points given in `src` axes to `dst` axes; `T_world_camera` is camera-to-world.
- The relative pose of a pair is `T_a_b = inv(T_world_a) @ T_world_b`: it maps points of camera b into camera a, and its
  translation is where camera b sits, in the axes of camera a.

Every function takes any number of leading batch dimensions, works in float64 and neither opens files nor prints.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]

ROTATION_TOLERANCE = 1e-2
"""Largest Frobenius norm of R'R - I of a matrix that still counts as a rotation (metrics contract, validity)."""

# Entries of R'R - I of a product of rotations in double precision.
_ROUNDING = 2e-15
# Three steps take a matrix at the tolerance there.
_MOST_POLISHING_STEPS = 6


def make_transform(rotation: ArrayLike, translation: ArrayLike) -> FloatArray:
    """Put a rotation (..., 3, 3) and a translation (..., 3) together to a transform (..., 4, 4)."""
    R = np.asarray(rotation, dtype=np.float64)
    t = np.asarray(translation, dtype=np.float64)
    batch = np.broadcast_shapes(R.shape[:-2], t.shape[:-1])
    T = np.zeros((*batch, 4, 4))
    T[..., :3, :3] = R
    T[..., :3, 3] = t
    T[..., 3, 3] = 1.0
    return T


def invert_transform(T_dst_src: ArrayLike) -> FloatArray:
    """Invert rigid transforms (..., 4, 4): `T_dst_src` -> `T_src_dst`."""
    T = np.asarray(T_dst_src, dtype=np.float64)
    R_inv = np.swapaxes(T[..., :3, :3], -1, -2)
    return make_transform(R_inv, -(R_inv @ T[..., :3, 3:])[..., 0])


def relative_pose(T_world_a: ArrayLike, T_world_b: ArrayLike) -> FloatArray:
    """Relative pose `T_a_b` (..., 4, 4) of two camera-to-world transforms (..., 4, 4)."""
    result: FloatArray = invert_transform(T_world_a) @ np.asarray(T_world_b, dtype=np.float64)
    return result


def rotation_angle_deg(rotation: ArrayLike) -> FloatArray:
    """Angle of rotations (..., 3, 3) in degrees, 0 to 180.

    sin and cos of the angle come from the skew part and the trace, and atan2 joins them, so that the result has full
    precision near 0 and near 180 degrees, where arccos of the trace has none, and rounding cannot make it NaN.
    """
    R = np.asarray(rotation, dtype=np.float64)
    skew = np.stack(
        [R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]],
        axis=-1,
    )
    sine = np.linalg.norm(skew, axis=-1)
    cosine = np.trace(R, axis1=-2, axis2=-1) - 1.0
    return np.asarray(np.degrees(np.arctan2(sine, cosine)), dtype=np.float64)


def rotation_error_deg(rotation_a: ArrayLike, rotation_b: ArrayLike) -> FloatArray:
    """Geodesic distance between rotations (..., 3, 3) in degrees, 0 to 180."""
    Ra = np.asarray(rotation_a, dtype=np.float64)
    Rb = np.asarray(rotation_b, dtype=np.float64)
    return rotation_angle_deg(np.swapaxes(Ra, -1, -2) @ Rb)


def direction_error_deg(direction_a: ArrayLike, direction_b: ArrayLike) -> FloatArray:
    """Signed angle between vectors (..., 3) in degrees, 0 to 180: opposite directions are 180 apart, not 0.

    NaN where a vector is zero or not finite, since then there is no direction; callers decide what that costs.
    """
    a = np.asarray(direction_a, dtype=np.float64)
    b = np.asarray(direction_b, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        # Scaling first keeps products of very long or very short vectors from overflowing or vanishing.
        a = a / np.abs(a).max(axis=-1, keepdims=True)
        b = b / np.abs(b).max(axis=-1, keepdims=True)
        angle = np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1)))
    usable = np.isfinite(a).all(axis=-1) & np.isfinite(b).all(axis=-1)
    return np.asarray(np.where(usable, angle, np.nan), dtype=np.float64)


def is_rotation(matrix: ArrayLike, tolerance: float = ROTATION_TOLERANCE) -> NDArray[np.bool_]:
    """Whether matrices (..., 3, 3) are rotations: ||R'R - I||_F <= tolerance and det R > 0. NaN is not."""
    R = np.asarray(matrix, dtype=np.float64)
    finite = np.asarray(np.isfinite(R).all(axis=(-2, -1)))
    safe = np.where(finite[..., None, None], R, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        gram = np.swapaxes(safe, -1, -2) @ safe - np.eye(3)
        close = np.linalg.norm(gram, axis=(-2, -1)) <= tolerance
        positive = np.linalg.det(safe) > 0.0
    return np.asarray(finite & close & positive)


def nearest_rotation(matrix: ArrayLike) -> FloatArray:
    """Rotations (..., 3, 3) nearest to matrices (..., 3, 3) in the Frobenius norm, by SVD (Kabsch, Umeyama 1991)."""
    U, _, Vt = np.linalg.svd(np.asarray(matrix, dtype=np.float64))
    sign = np.sign(np.linalg.det(U @ Vt))
    U = U.copy()
    U[..., :, 2] *= np.where(sign == 0.0, 1.0, sign)[..., None]
    return np.asarray(U @ Vt, dtype=np.float64)


def polished_rotation(matrix: ArrayLike) -> FloatArray:
    """Rotations (..., 3, 3) nearest to matrices (..., 3, 3) that `is_rotation` takes for rotations.

    `nearest_rotation` to within rounding, by the Newton-Schulz iteration for the polar factor (Higham, Functions of
    Matrices, 2008, section 8.3), which roughly squares the distance from a rotation at each step: one product of
    matrices for those that are rotations already, where an SVD costs ten times as much.
    """
    X = np.array(matrix, dtype=np.float64)
    for _ in range(_MOST_POLISHING_STEPS):
        gram = np.swapaxes(X, -1, -2) @ X
        if np.abs(gram - np.eye(3)).max(initial=0.0) <= _ROUNDING:
            break
        X = 1.5 * X - 0.5 * (X @ gram)
    return X


def rotation_from_quaternion_xyzw(quaternion_xyzw: ArrayLike) -> FloatArray:
    """Rotations (..., 3, 3) of Hamilton quaternions (..., 4), scalar last; they are normalised first."""
    q = np.asarray(quaternion_xyzw, dtype=np.float64)
    q = q / np.linalg.norm(q, axis=-1, keepdims=True)
    x, y, z, w = np.moveaxis(q, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def axis_rotation(axis: str, angle_deg: ArrayLike) -> FloatArray:
    """Right-handed rotations (..., 3, 3) by `angle_deg` (...) about the axis "x", "y" or "z"."""
    angle = np.radians(np.asarray(angle_deg, dtype=np.float64))
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    R = np.zeros((*angle.shape, 3, 3))
    R[...] = np.eye(3)
    R[..., first, first] = R[..., second, second] = np.cos(angle)
    R[..., second, first] = np.sin(angle)
    R[..., first, second] = -np.sin(angle)
    return R


def gravity_aligned_rotation(up: ArrayLike) -> FloatArray:
    """Rotation `rotation_level_camera` (..., 3, 3) from camera axes to level axes, given up (..., 3) in camera axes.

    Level axes are x right, y down along gravity, z horizontally forward: the camera turned back by its pitch and
    roll, keeping its heading. Where the camera looks straight up or down it has no heading, and the image's own
    upward direction takes the place of forward.

    Raises:
        ValueError: `up` is zero or not finite.
    """
    u = np.asarray(up, dtype=np.float64)
    length = np.linalg.norm(u, axis=-1, keepdims=True)
    if not (np.isfinite(length).all() and (length > 0).all()):
        raise ValueError("up must be a finite vector that is not zero")
    down = -u / length
    forward = np.broadcast_to(np.array([0.0, 0.0, 1.0]), down.shape)
    steep = np.abs(down[..., 2:]) > 1.0 - 1e-6
    # Looking straight down, the top of the picture lies ahead; looking straight up, behind.
    substitute = np.broadcast_to(np.array([0.0, -1.0, 0.0]), down.shape) * np.sign(down[..., 2:])
    forward = np.where(steep, substitute, forward)
    forward = forward - np.sum(forward * down, axis=-1, keepdims=True) * down
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(down, forward)
    return np.stack([right, down, forward], axis=-2)
