"""Points that are found again in another picture: SIFT in its square-root form, mutual nearest neighbours.

Features are SIFT (Lowe, IJCV 2004) in the square-root form of Arandjelovic and Zisserman (CVPR 2012), matched by mutual
nearest neighbours with Lowe's ratio test in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import FloatArray

LONG_SIDE_PX = 640
"""Pictures are shrunk to this before features are looked for: the time grows with the area, the answer hardly."""

_FEATURES = 1500
_CONTRAST = 0.01  # OpenCV's default of 0.04 leaves too few in plain rooms
_RATIO = 0.8


@dataclass(frozen=True, eq=False)
class Features:
    """Features of one picture.

    Attributes:
        points_px: (N, 2) places in pixels of the picture as it was delivered, the first pixel's centre at (0, 0).
        descriptors: (N, 128) of unit length.
    """

    points_px: FloatArray
    descriptors: NDArray[np.float32]


def detector(features: int = _FEATURES, contrast: float = _CONTRAST) -> Any:
    """OpenCV's SIFT for at most so many features a picture."""
    return cv2.SIFT_create(nfeatures=features, contrastThreshold=contrast)  # type: ignore[attr-defined]


def root_sift(sift: Any, image: NDArray[np.uint8]) -> Features:
    """Features of an RGB picture (height, width, 3), uint8, as large as it is."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    keypoints, descriptors = sift.detectAndCompute(grey, None)
    if descriptors is None:
        return Features(np.empty((0, 2)), np.empty((0, 128), dtype=np.float32))
    points = np.array([keypoint.pt for keypoint in keypoints], dtype=np.float64)
    # Descriptors are not negative; the square root of the L1-normalised one has length 1.
    rooted = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-12))
    return Features(points, np.asarray(rooted, dtype=np.float32))


def find_features(sift: Any, image: NDArray[np.uint8]) -> Features:
    """Features of an RGB picture (height, width, 3), uint8, looked for in the shrunk picture."""
    scale = shrinking(image.shape[1], image.shape[0])
    if scale < 1.0:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = root_sift(sift, image)
    return Features((found.points_px + 0.5) / scale - 0.5, found.descriptors)


def shrinking(width_px: int, height_px: int) -> float:
    """The factor by which pictures of a size are shrunk, at most 1."""
    return min(1.0, LONG_SIDE_PX / max(width_px, height_px))


def mutual_matches(
    descriptors_a: NDArray[np.float32], descriptors_b: NDArray[np.float32], ratio: float = _RATIO
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
    best_a, distinct_b = _best(np.ascontiguousarray(similarity.T), ratio)
    index_a = np.arange(len(descriptors_a))
    keep = distinct_a & (best_a[best_b] == index_a) & distinct_b[best_b]
    return index_a[keep], best_b[keep]


def _best(similarity: NDArray[np.float32], ratio: float) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    best = np.argmax(similarity, axis=1)
    rows = np.arange(len(similarity))
    highest = similarity[rows, best].copy()
    # Two passes for the largest are faster than one for the two largest.
    similarity[rows, best] = -np.inf
    runner_up = similarity.max(axis=1)
    similarity[rows, best] = highest
    # Two unit vectors of scalar product s are sqrt(2 - 2 s) apart.
    distinct = (1.0 - highest) < ratio**2 * (1.0 - runner_up)
    return np.asarray(best, dtype=np.int64), np.asarray(distinct)
