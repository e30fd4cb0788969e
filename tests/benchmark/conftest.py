"""Small prepared data sets and pictures of a known room, for the tests of the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prepared_data


class Room:
    """A box room with a smooth random texture, seen by a pinhole camera; y is down, the room's centre is the origin."""

    def __init__(self, size_m: tuple[float, float, float] = (6.0, 3.0, 8.0), seed: int = 0) -> None:
        self._half = np.array(size_m) / 2.0
        noise = np.random.default_rng(seed).uniform(0.0, 255.0, (6, 512, 512, 3))
        spectrum = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.fftfreq(512)[None, :]) + 1e-2
        # 1/f noise: detail at every scale, as in real rooms.
        texture = np.fft.ifft2(np.fft.fft2(noise, axes=(1, 2)) / spectrum[None, :, :, None], axes=(1, 2)).real
        low, high = np.percentile(texture, [2, 98], axis=(1, 2), keepdims=True)
        self._texture = np.clip((texture - low) / (high - low), 0.0, 1.0) * 255.0

    def picture(self, T_world_camera: np.ndarray, intrinsics: np.ndarray, height: int, width: int) -> np.ndarray:
        """(height, width, 3) uint8: the room from the given pose."""
        columns, rows = np.meshgrid(np.arange(width), np.arange(height))
        pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
        rays = pixels @ np.linalg.inv(intrinsics).T @ T_world_camera[:3, :3].T
        origin = T_world_camera[:3, 3]
        with np.errstate(divide="ignore"):
            distance = np.where(rays > 0, self._half - origin, -self._half - origin) / rays
        axis = np.argmin(distance, axis=-1)
        hit = origin + rays * np.take_along_axis(distance, axis[..., None], axis=-1)
        wall = 2 * axis + (np.take_along_axis(rays, axis[..., None], axis=-1)[..., 0] > 0)
        across, along = np.array([1, 0, 0])[axis], np.array([2, 2, 1])[axis]
        u = np.take_along_axis(hit, across[..., None], axis=-1)[..., 0] * 64.0
        v = np.take_along_axis(hit, along[..., None], axis=-1)[..., 0] * 64.0
        u0, v0 = np.floor(u).astype(int), np.floor(v).astype(int)
        du, dv = (u - u0)[..., None], (v - v0)[..., None]
        corner = [self._texture[wall, (u0 + i) % 512, (v0 + j) % 512] for i in (0, 1) for j in (0, 1)]
        image = corner[0] * (1 - du) * (1 - dv) + corner[1] * (1 - du) * dv + corner[2] * du * (1 - dv)
        return np.rint(image + corner[3] * du * dv).astype(np.uint8)


@pytest.fixture(scope="session")
def room() -> Room:
    return Room()


@pytest.fixture(name="pair_row")
def _pair_row() -> Callable[..., dict[str, Any]]:
    return prepared_data.pair_row


@pytest.fixture(name="write_dataset")
def _write_dataset() -> Callable[..., Path]:
    return prepared_data.write_dataset
