"""What two pictures say of the motion between them: an essential matrix, and a pure rotation beside it.

The essential matrix comes from PoseLib's LO-RANSAC with non-linear refinement (Larsson et al.,
github.com/PoseLib/PoseLib), its rotation and direction by cheirality. Where the camera hardly moves from its place an
essential matrix says nothing of the direction and little of the rotation, so a pure rotation is fitted as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import poselib
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import FloatArray, nearest_rotation

FEWEST_INLIERS = 20
"""An estimate that fewer matches agree on says nothing."""

_ESSENTIAL_ERROR_PX = 1.5
_ROTATION_ERROR_PX = 2.25
_ROTATION_SAMPLES = 300
_ITERATIONS = (100, 2_000)
_SEED = 0
_PARALLAX_SHARE = 0.7  # a rotation alone that explains less of what an essential matrix does shows parallax
_PARALLAX_INLIERS = 30
_ROTATION_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class TwoView:
    """The motion between two pictures as their matches show it.

    Attributes:
        essential_rotation_a_b: (3, 3) rotation of the essential matrix.
        essential_direction_a_b: (3,) unit translation of the essential matrix.
        essential_inliers: How many matches agree with it.
        rotation_a_b: (3, 3) pure rotation.
        rotation_inliers: How many matches agree with that.
        shift_px: Median distance between the places of a match, in pixels of the shrunk picture.
    """

    essential_rotation_a_b: FloatArray
    essential_direction_a_b: FloatArray
    essential_inliers: int
    rotation_a_b: FloatArray
    rotation_inliers: int
    shift_px: float

    @property
    def is_usable(self) -> bool:
        """Whether enough matches agree on a motion."""
        return max(self.essential_inliers, self.rotation_inliers) >= FEWEST_INLIERS

    @property
    def has_parallax(self) -> bool:
        """Whether the pictures show that the camera moved from its place, and hence a direction."""
        return (
            self.essential_inliers >= _PARALLAX_INLIERS
            and self.rotation_inliers < _PARALLAX_SHARE * self.essential_inliers
        )

    @property
    def rotations(self) -> list[FloatArray]:
        """The rotations (3, 3) that the pictures allow: where one place and two are hard to tell apart, both."""
        allowed = []
        if self.essential_inliers >= FEWEST_INLIERS:
            allowed.append(self.essential_rotation_a_b)
        if self.rotation_inliers >= _ROTATION_SHARE * self.essential_inliers and self.rotation_inliers > 0:
            allowed.append(self.rotation_a_b)
        return allowed


def estimate(rays_a: FloatArray, rays_b: FloatArray, focal_px: float, shift_px: float) -> TwoView | None:
    """The motion between two pictures; None where fewer matches than can agree are seen in both.

    Args:
        rays_a: (M, 3) matched rays with z = 1 in axes of the upright picture a; NaN where there is none.
        rays_b: The same of picture b.
        focal_px: Pixels a radian at the middle of the picture.
        shift_px: Median distance between the places of a match.
    """
    seen = np.isfinite(rays_a).all(axis=-1) & np.isfinite(rays_b).all(axis=-1)
    if seen.sum() < FEWEST_INLIERS:
        return None
    plane_a, plane_b = rays_a[seen], rays_b[seen]
    options = {
        "max_epipolar_error": _ESSENTIAL_ERROR_PX,
        "seed": _SEED,
        "min_iterations": _ITERATIONS[0],
        "max_iterations": _ITERATIONS[1],
    }
    camera = {"model": "SIMPLE_PINHOLE", "width": 1, "height": 1, "params": [focal_px, 0.0, 0.0]}
    pose, info = poselib.estimate_relative_pose(
        plane_a[:, :2] * focal_px, plane_b[:, :2] * focal_px, camera, camera, options, {}
    )
    # PoseLib gives T_b_a.
    rotation = np.asarray(pose.R, dtype=np.float64).T
    translation = -rotation @ np.asarray(pose.t, dtype=np.float64)
    length = np.linalg.norm(translation)
    found = int(info["num_inliers"])
    if not (np.isfinite(rotation).all() and np.isfinite(length) and length > 0.0):
        rotation, translation, length, found = np.eye(3), np.array([0.0, 0.0, 1.0]), np.float64(1.0), 0
    unit_a, unit_b = (plane / np.linalg.norm(plane, axis=-1, keepdims=True) for plane in (plane_a, plane_b))
    pure, agreeing = robust_rotation(unit_a, unit_b, _ROTATION_ERROR_PX / focal_px, _ROTATION_SAMPLES, _SEED)
    return TwoView(rotation, translation / length, found, pure, int(agreeing.sum()), shift_px)


def robust_rotation(
    rays_a: FloatArray, rays_b: FloatArray, limit: float, samples: int, seed: int
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The rotation (3, 3) that most matched unit rays (M, 3), M at least 2, agree with, and which ones do (M,).

    Two-point samples, then rounds of least squares on those that agree (Kabsch).

    Args:
        rays_a: Rays in axes of camera a.
        rays_b: Rays in axes of camera b.
        limit: Largest distance of a turned ray from its partner.
        samples: Number of random samples.
        seed: Seed of the samples.
    """
    generator = np.random.default_rng(seed)
    first = generator.integers(0, len(rays_a), samples)
    second = (first + generator.integers(1, len(rays_a), samples)) % len(rays_a)
    pairs = np.stack([first, second], axis=1)
    # sum over the two points of ray_a ray_b': its nearest rotation maps rays of b to rays of a.
    candidates = nearest_rotation(np.einsum("kni,knj->kij", rays_a[pairs], rays_b[pairs]))
    # Of unit vectors, the squared distance is 2 - 2 times their scalar product.
    squared = 2.0 - 2.0 * np.einsum("ni,kij,nj->kn", rays_a, candidates, rays_b, optimize=True)
    rotation = candidates[np.argmin(np.minimum(squared, limit**2).sum(axis=1))]
    for _ in range(10):
        agreeing = _distance(rotation, rays_a, rays_b) < limit
        if agreeing.sum() < 2:
            break
        rotation = nearest_rotation(np.einsum("ni,nj->ij", rays_a[agreeing], rays_b[agreeing]))
    return rotation, _distance(rotation, rays_a, rays_b) < limit


def _distance(rotation_a_b: FloatArray, rays_a: FloatArray, rays_b: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(rays_a - rays_b @ rotation_a_b.T, axis=1), dtype=np.float64)
