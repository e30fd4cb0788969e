"""How much two pictures of a simulated scene show of the same surfaces, from their rendered depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from avbench.preprocessing.base.geometry import invert_transform
from avbench.preprocessing.simulate.pictures.render import Drawable, render_depth
from avbench.preprocessing.simulate.scene.scene import Scene

DEPTH_AGREEMENT = 0.02
"""Depths of one surface seen twice differ by no more than this share, and as many metres."""


def rendered_overlap(
    scene: Scene | Drawable,
    T_world_a: ArrayLike,
    T_world_b: ArrayLike,
    intrinsics: ArrayLike,
    size: tuple[int, int],
) -> float:
    """Share of the pixels of picture a whose surface picture b shows too: inside its frame, and not hidden.

    Args:
        scene: The scene.
        T_world_a: (4, 4) camera-to-world of a.
        T_world_b: The same of b.
        intrinsics: 3x3 calibration matrix of both.
        size: Width and height in pixels of both.

    Returns:
        From 0 to 1.
    """
    K = np.asarray(intrinsics, dtype=np.float64)
    width, height = size
    depth_a = render_depth(scene, T_world_a, K, size)
    depth_b = render_depth(scene, T_world_b, K, size)
    u, v = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(K).T
    T_b_a = invert_transform(T_world_b) @ np.asarray(T_world_a, dtype=np.float64)
    points = (rays * depth_a[..., None]) @ T_b_a[:3, :3].T + T_b_a[:3, 3]
    z = points[..., 2]
    ahead = z > 1e-3
    projected = points @ K.T / np.where(ahead, z, 1.0)[..., None]
    column, row = np.rint(projected[..., 0]), np.rint(projected[..., 1])
    inside = ahead & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    seen = depth_b[np.where(inside, row, 0).astype(int), np.where(inside, column, 0).astype(int)]
    # A pixel of b covers a patch; where the surface is steep, depth varies within it.
    return float(np.mean(inside & (np.abs(seen - z) <= DEPTH_AGREEMENT * (1.0 + z))))
