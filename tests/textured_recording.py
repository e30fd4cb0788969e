"""A small recording in memory whose pictures show how the camera moves: two textured walls at different depths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.geometry import FloatArray, invert_transform, make_transform
from avbench.preprocessing.recording.recording import Camera, ErrorHandler, Frame, Recording, Scale, Trajectory

CAMERA = Camera(240, 180, 170.0, 170.0, 119.5, 89.5)
FRAMES, FPS = 60, 10.0
_WALLS = ((6.0, 12.0, 0), (2.5, 1.3, 1))
"""Depth and half the side in metres, and the seed of the texture of each wall, the far one first."""
_TEXELS = 1024


@cache
def _texture(seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            rng.integers(0, 256, (side, side, 3), dtype=np.uint8), (_TEXELS, _TEXELS), interpolation=cv2.INTER_CUBIC
        )
        for side in (24, 96, 256)
    ]
    return np.asarray(np.mean(layers, axis=0), dtype=np.uint8)


def motion(times_s: FloatArray) -> FloatArray:
    """Camera-to-world poses (N, 4, 4) that turn about all axes and move in all directions."""
    t = times_s[:, None]
    angles = np.hstack([9.0 * np.sin(1.1 * t), 16.0 * np.sin(0.8 * t + 0.5), 8.0 * np.sin(1.4 * t + 1.0)])
    place = np.hstack([2.0 + 0.5 * np.sin(0.9 * t), -1.0 + 0.3 * np.sin(1.3 * t), 0.2 + 0.6 * np.sin(0.7 * t)])
    return make_transform(Rotation.from_euler("xyz", angles, degrees=True).as_matrix(), place)


def paint(T_world_camera: FloatArray) -> NDArray[np.uint8]:
    """What a camera at a pose (4, 4) sees."""
    picture = np.zeros((CAMERA.height_px, CAMERA.width_px, 3), np.uint8)
    T_camera_world = invert_transform(T_world_camera)
    for depth, half_m, seed in _WALLS:
        scale = 2.0 * half_m / _TEXELS
        # Texel (u, v) lies at (scale u - half + 2, scale v - half - 1, depth) in the world.
        wall = np.array([[scale, 0.0, 2.0 - half_m], [0.0, scale, -1.0 - half_m], [0.0, 0.0, depth], [0.0, 0.0, 1.0]])
        homography = CAMERA.matrix @ T_camera_world[:3] @ wall
        size = (CAMERA.width_px, CAMERA.height_px)
        seen = cv2.warpPerspective(_texture(seed), homography, size, flags=cv2.INTER_AREA)
        covered = cv2.warpPerspective(np.full((_TEXELS, _TEXELS), 255, np.uint8), homography, size) > 127
        picture[covered] = seen[covered]
    return picture


@dataclass(frozen=True, eq=False)
class PaintedFrames:
    """Pictures along a trajectory."""

    time_ns: NDArray[np.int64]
    T_world_camera: FloatArray

    def read(self, indices: Sequence[int], *, on_error: ErrorHandler | None = None) -> Iterator[Frame]:
        for index in indices:
            yield Frame(int(self.time_ns[index]), paint(self.T_world_camera[index]))


def textured_recording(recording_id: str = "walls") -> Recording:
    """Six seconds of a camera that turns and moves; its poses are right."""
    times_s = np.arange(FRAMES) / FPS
    time_ns = np.round(times_s * 1e9).astype(np.int64)
    T_world_camera = motion(times_s)
    return Recording(
        recording_id=recording_id,
        group_id="walls",
        source="memory",
        licence="CC0-1.0",
        frames=PaintedFrames(time_ns, T_world_camera),
        sound=None,
        camera=CAMERA,
        rig=None,
        trajectory=Trajectory(time_ns, T_world_camera, Scale.METRIC, "painted"),
    )
