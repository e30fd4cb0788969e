"""The classical two-view pipeline: SIFT, robust matching, an essential matrix or a pure rotation.

Features are SIFT (Lowe, IJCV 2004) in their square-root form (Arandjelovic and Zisserman, CVPR 2012), matched by mutual
nearest neighbours with Lowe's ratio test. The essential matrix comes from PoseLib's LO-RANSAC with non-linear
refinement (Larsson et al., github.com/PoseLib/PoseLib), and its rotation and direction by cheirality.

Where the camera hardly moves from its place, an essential matrix says nothing: any direction of translation explains
the matches. So a pure rotation is fitted robustly as well, and the model that explains the matches at the lower cost,
counting the freedom it had, is taken (GRIC; Torr, "Bayesian model estimation and selection for epipolar geometry and
generic manifold fitting", IJCV 2002). With a rotation, the direction is the one that what is left of the motion fits
best, which is a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import poselib
from numpy.typing import NDArray

from avbench.benchmark.data.pair import PairInput, PosePrediction
from avbench.preprocessing.base.geometry import FloatArray, nearest_rotation

FORWARD = (0.0, 0.0, 1.0)
SEED = 0


@dataclass(frozen=True)
class SiftSettings:
    """Settings of feature matching.

    Attributes:
        features: Most keypoints a picture.
        contrast: Lowest contrast of a keypoint; OpenCV's default of 0.04 leaves too few in plain rooms.
        ratio: Largest distance ratio of the best to the second-best match.
        fewest_matches: With fewer the answer is the fallback.
        max_error_px: Largest distance of an inlier from its epipolar line, or from where a rotation puts it.
        noise_px: Standard deviation of a keypoint's place, for the choice between the two models.
        rotation_samples: Random two-point samples of the robust rotation.
    """

    features: int = 2000
    contrast: float = 0.01
    ratio: float = 0.8
    fewest_matches: int = 12
    max_error_px: float = 1.0
    noise_px: float = 0.5
    rotation_samples: int = 400


@dataclass(frozen=True)
class _Fit:
    """A relative pose and how well it explains the matches."""

    rotation_a_b: FloatArray
    translation_a_b: FloatArray
    squared_error_px: FloatArray
    inliers: int


class SiftTwoView:
    """SIFT with a robust essential matrix or rotation; needs the intrinsics, gives a direction without length.

    With too few matches the answer is no rotation, straight ahead, with confidence 0. Otherwise the confidence is the
    share of matches that the chosen model explains. The same pair always has the same answer.
    """

    def __init__(self, settings: SiftSettings | None = None) -> None:
        self._settings = settings or SiftSettings()
        # The stubs of OpenCV 5 lack it.
        create = cv2.SIFT_create  # type: ignore[attr-defined]
        self._sift = create(nfeatures=self._settings.features, contrastThreshold=self._settings.contrast)

    def predict(self, pairs: Sequence[PairInput]) -> list[PosePrediction]:
        """Answer every pair by itself."""
        return [self._predict_one(pair) for pair in pairs]

    def _predict_one(self, pair: PairInput) -> PosePrediction:
        points_a, points_b = self._matches(pair.image_a, pair.image_b)
        if len(points_a) < self._settings.fewest_matches:
            return PosePrediction(np.eye(3), np.array(FORWARD), confidence=0.0)
        rays_a = pixel_rays(points_a, pair.intrinsics)
        rays_b = pixel_rays(points_b, pair.intrinsics)
        focal_px = float(math.sqrt(pair.intrinsics[0, 0] * pair.intrinsics[1, 1]))
        turning = fit_rotation(rays_a, rays_b, focal_px, self._settings)
        moving = _fit_essential(points_a, points_b, rays_a, rays_b, pair, focal_px, self._settings)
        chosen = turning
        if moving is not None and _gric(moving, self._settings, structure=3, freedom=5) < _gric(
            turning, self._settings, structure=2, freedom=3
        ):
            chosen = moving
        return PosePrediction(
            chosen.rotation_a_b, chosen.translation_a_b, confidence=chosen.inliers / len(points_a), metric=False
        )

    def _matches(self, image_a: NDArray[np.uint8], image_b: NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
        points_a, descriptors_a = self._features(image_a)
        points_b, descriptors_b = self._features(image_b)
        first, second = mutual_matches(descriptors_a, descriptors_b, self._settings.ratio)
        return points_a[first], points_b[second]

    def _features(self, image: NDArray[np.uint8]) -> tuple[FloatArray, NDArray[np.float32]]:
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        keypoints, descriptors = self._sift.detectAndCompute(grey, None)
        if descriptors is None:
            return np.empty((0, 2)), np.empty((0, 128), dtype=np.float32)
        points = np.array([keypoint.pt for keypoint in keypoints], dtype=np.float64)
        # Descriptors are not negative; the square root of the L1-normalised one has length 1.
        rooted = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-12))
        return points, np.asarray(rooted, dtype=np.float32)


def mutual_matches(
    descriptors_a: NDArray[np.float32], descriptors_b: NDArray[np.float32], ratio: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (M,), (M,) of mutual nearest neighbours that pass the ratio test in both directions.

    Args:
        descriptors_a: (A, D) of unit length.
        descriptors_b: (B, D) of unit length.
        ratio: Largest ratio of the distance to the best over that to the second-best match.
    """
    nothing = np.empty(0, dtype=np.int64)
    if len(descriptors_a) < 2 or len(descriptors_b) < 2:
        return nothing, nothing
    similarity = descriptors_a @ descriptors_b.T
    best_b, distinct_a = _best(similarity, ratio)
    best_a, distinct_b = _best(similarity.T, ratio)
    index_a = np.arange(len(descriptors_a))
    keep = distinct_a & (best_a[best_b] == index_a) & distinct_b[best_b]
    return index_a[keep], best_b[keep]


def _best(similarity: NDArray[np.float32], ratio: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    best = np.argmax(similarity, axis=1)
    rows = np.arange(len(similarity))
    highest = similarity[rows, best]
    # Two unit vectors of scalar product s are sqrt(2 - 2 s) apart.
    runner_up = np.partition(similarity, -2, axis=1)[:, -2]
    distinct = (1.0 - highest) < ratio**2 * (1.0 - runner_up)
    return np.asarray(best, dtype=np.int64), np.asarray(distinct)


def pixel_rays(points_px: FloatArray, intrinsics: FloatArray) -> FloatArray:
    """Unit rays (M, 3) in camera axes through pixels (M, 2)."""
    homogeneous = np.column_stack([points_px, np.ones(len(points_px))])
    rays = homogeneous @ np.linalg.inv(intrinsics).T
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True), dtype=np.float64)


def fit_rotation(rays_a: FloatArray, rays_b: FloatArray, focal_px: float, settings: SiftSettings) -> _Fit:
    """Robust pure rotation between matched unit rays (M, 3), and the direction that the remainder fits best.

    Two-point samples, then rounds of least squares on the inliers (Kabsch).
    """
    generator = np.random.default_rng(SEED)
    limit = settings.max_error_px**2
    first = generator.integers(0, len(rays_a), settings.rotation_samples)
    second = (first + generator.integers(1, len(rays_a), settings.rotation_samples)) % len(rays_a)
    pairs = np.stack([first, second], axis=1)
    # sum over the two points of ray_a ray_b': its nearest rotation maps rays of b to rays of a.
    candidates = nearest_rotation(np.einsum("kni,knj->kij", rays_a[pairs], rays_b[pairs]))
    residual = rays_a[None] - np.einsum("kij,nj->kni", candidates, rays_b)
    squared = np.sum(residual**2, axis=2) * focal_px**2
    rotation = candidates[np.argmin(np.minimum(squared, limit).sum(axis=1))]
    for _ in range(10):
        error = _rotation_error_px2(rotation, rays_a, rays_b, focal_px)
        inlier = error < limit
        if inlier.sum() < 2:
            break
        rotation = nearest_rotation(np.einsum("ni,nj->ij", rays_a[inlier], rays_b[inlier]))
    error = _rotation_error_px2(rotation, rays_a, rays_b, focal_px)
    direction = residual_direction(rotation, rays_a, rays_b)
    return _Fit(rotation, direction, error, int((error < limit).sum()))


def _rotation_error_px2(rotation: FloatArray, rays_a: FloatArray, rays_b: FloatArray, focal_px: float) -> FloatArray:
    return np.asarray(np.sum((rays_a - rays_b @ rotation.T) ** 2, axis=1) * focal_px**2, dtype=np.float64)


def residual_direction(rotation_a_b: FloatArray, rays_a: FloatArray, rays_b: FloatArray) -> FloatArray:
    """Unit direction (3,) of the translation that fits matched unit rays (M, 3) best if the rotation is right.

    It is at right angles to the normals of all epipolar planes; robust against mismatches by reweighting. Its sign is
    the one that puts more points in front of both cameras.
    """
    turned = rays_b @ rotation_a_b.T
    normals = np.cross(rays_a, turned)
    weights = np.ones(len(normals))
    direction = np.array(FORWARD)
    for _ in range(10):
        _, vectors = np.linalg.eigh((normals * weights[:, None]).T @ normals)
        direction = vectors[:, 0]
        distance = np.abs(normals @ direction)
        weights = 1.0 / (distance**2 + max(float(np.median(distance)), 1e-12) ** 2)
    # A point ahead moves against the camera: its ray in a lies between its ray in b and the direction of movement.
    toward = np.sum((rays_a - turned) * direction, axis=1)
    return np.asarray(direction if np.sum(np.sign(toward)) >= 0 else -direction, dtype=np.float64)


def _fit_essential(
    points_a: FloatArray,
    points_b: FloatArray,
    rays_a: FloatArray,
    rays_b: FloatArray,
    pair: PairInput,
    focal_px: float,
    settings: SiftSettings,
) -> _Fit | None:
    K = pair.intrinsics
    height, width = pair.image_a.shape[:2]
    camera = {
        "model": "PINHOLE",
        "width": width,
        "height": height,
        "params": [float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])],
    }
    options = {"max_epipolar_error": settings.max_error_px, "seed": SEED, "max_iterations": 10_000}
    pose, _ = poselib.estimate_relative_pose(points_a, points_b, camera, camera, options, {})
    # PoseLib gives T_b_a.
    rotation = np.asarray(pose.R, dtype=np.float64).T
    translation = -rotation @ np.asarray(pose.t, dtype=np.float64)
    if not (np.isfinite(rotation).all() and np.isfinite(translation).all() and np.linalg.norm(translation) > 0.0):
        return None
    translation = translation / np.linalg.norm(translation)
    error = sampson_error_px2(rotation, translation, rays_a, rays_b, focal_px)
    return _Fit(rotation, translation, error, int((error < settings.max_error_px**2).sum()))


def sampson_error_px2(
    rotation_a_b: FloatArray, translation_a_b: FloatArray, rays_a: FloatArray, rays_b: FloatArray, focal_px: float
) -> FloatArray:
    """Squared Sampson distance (M,) of matched rays from their epipolar geometry, in pixels."""
    x_a, x_b = rays_a / rays_a[:, 2:], rays_b / rays_b[:, 2:]
    tx, ty, tz = translation_a_b
    E = np.array([[0.0, -tz, ty], [tz, 0.0, -tx], [-ty, tx, 0.0]]) @ rotation_a_b
    line_a, line_b = x_b @ E.T, x_a @ E
    algebraic = np.sum(x_a * line_a, axis=1)
    gradient = np.sum(line_a[:, :2] ** 2, axis=1) + np.sum(line_b[:, :2] ** 2, axis=1)
    return np.asarray(algebraic**2 / np.maximum(gradient, 1e-24) * focal_px**2, dtype=np.float64)


def _gric(fit: _Fit, settings: SiftSettings, *, structure: int, freedom: int) -> float:
    """Torr's criterion: lower is better.

    Args:
        fit: The model with its squared errors.
        settings: For the noise.
        structure: Dimension of the manifold that matches lie on: 3 for an epipolar geometry, 2 for a mapping.
        freedom: Degrees of freedom of the model.
    """
    matches = len(fit.squared_error_px)
    capped = np.minimum(fit.squared_error_px / settings.noise_px**2, 2.0 * (4 - structure))
    return float(capped.sum() + structure * matches * math.log(4.0) + freedom * math.log(4.0 * matches))
