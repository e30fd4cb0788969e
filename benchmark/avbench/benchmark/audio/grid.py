"""Directions: the one azimuth convention, and grids of directions in level or camera axes.

Convention, for every module of the project:

- Axes are x right, y down, z forward (camera axes), or the same turned upright: *level axes*, which keep the camera's
  heading and have y along gravity (`geometry.gravity_aligned_rotation`).
- **Azimuth** is `atan2(x, z)`: 0 is forward, 90 is right, -90 is left, 180 is behind. It is the right-handed angle
  about the y axis, so that a camera that turns by `axis_rotation("y", yaw)` sees every sound's azimuth fall by `yaw`;
  a turn to the right is positive. (SLfM and ambisonics count azimuth to the left: negate theirs.)
- **Elevation** is `atan2(-y, hypot(x, z))`: 0 is the horizon, 90 is up.
- A spectrum over azimuth has its bin 0 straight ahead and runs to the right; it is circular.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.preprocessing.base.geometry import FloatArray, gravity_aligned_rotation

AZIMUTH_BINS = 360
DEFAULT_ELEVATION_DEG = (-60.0, -45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0, 60.0)


@dataclass(frozen=True)
class DirectionGrid:
    """A grid of equally spaced azimuths at some elevations; maps over it have the shape (elevations, azimuths).

    Attributes:
        azimuth_bins: Azimuths around the circle; bin i is centred on `i * 360 / azimuth_bins` degrees.
        elevation_deg: Elevations, increasing, between -90 and 90.
    """

    azimuth_bins: int = AZIMUTH_BINS
    elevation_deg: tuple[float, ...] = DEFAULT_ELEVATION_DEG

    def __post_init__(self) -> None:
        if self.azimuth_bins < 1:
            raise ValueError(f"azimuth_bins must be at least 1, not {self.azimuth_bins}")
        elevation = np.asarray(self.elevation_deg, dtype=np.float64)
        ordered = elevation.size > 0 and bool(np.all(np.diff(elevation) > 0))
        if not (ordered and np.all(np.abs(elevation) <= 90.0)):
            raise ValueError(f"elevation_deg must increase and lie between -90 and 90, not {self.elevation_deg}")

    @property
    def shape(self) -> tuple[int, int]:
        """(elevations, azimuths)."""
        return len(self.elevation_deg), self.azimuth_bins

    @property
    def azimuth_deg(self) -> FloatArray:
        """(azimuths,) centres of the azimuth bins in [0, 360)."""
        return np.arange(self.azimuth_bins, dtype=np.float64) * (360.0 / self.azimuth_bins)

    @property
    def directions(self) -> FloatArray:
        """(elevations * azimuths, 3) unit vectors in the axes of the grid, azimuth running fastest; read only."""
        return _directions(self.azimuth_bins, self.elevation_deg)


@lru_cache(maxsize=32)
def _directions(azimuth_bins: int, elevation_deg: tuple[float, ...]) -> FloatArray:
    azimuth = np.arange(azimuth_bins) * (360.0 / azimuth_bins)
    directions = unit_direction(azimuth[None, :], np.asarray(elevation_deg)[:, None]).reshape(-1, 3)
    directions.flags.writeable = False
    return directions


def unit_direction(azimuth_deg: ArrayLike, elevation_deg: ArrayLike) -> FloatArray:
    """Unit vectors (..., 3) towards azimuths (...) and elevations (...) in degrees; the two broadcast."""
    azimuth, elevation = np.broadcast_arrays(np.radians(azimuth_deg), np.radians(elevation_deg))
    horizontal = np.cos(elevation)
    return np.stack([horizontal * np.sin(azimuth), -np.sin(elevation), horizontal * np.cos(azimuth)], axis=-1)


def azimuth_elevation_deg(direction: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Azimuth in (-180, 180] and elevation in degrees of vectors (..., 3) of any length."""
    x, y, z = np.moveaxis(np.asarray(direction, dtype=np.float64), -1, 0)
    azimuth = np.degrees(np.arctan2(x, z))
    elevation = np.degrees(np.arctan2(-y, np.hypot(x, z)))
    return np.asarray(azimuth), np.asarray(elevation)


def wrap_deg(angle_deg: ArrayLike) -> FloatArray:
    """Angles brought into (-180, 180] degrees."""
    return np.asarray(180.0 - np.mod(180.0 - np.asarray(angle_deg, dtype=np.float64), 360.0))


def rotation_grid_camera(up: ArrayLike | None) -> FloatArray:
    """Rotation (3, 3) from camera axes to the axes of the grid: level axes where up (3,) is known, else camera axes."""
    return np.eye(3) if up is None else gravity_aligned_rotation(up)


def directions_in_camera(grid: DirectionGrid, up: ArrayLike | None) -> FloatArray:
    """The grid's directions (D, 3) in camera axes, in which microphone positions are given."""
    result: FloatArray = grid.directions @ rotation_grid_camera(up)
    return result


def horizon_row(grid: DirectionGrid) -> int:
    """The row of the grid's maps that is nearest to the horizon."""
    return int(np.abs(grid.elevation_deg).argmin())


def azimuth_marginal(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Azimuth spectrum (..., azimuths) of maps (..., elevations, azimuths): the highest value over elevation.

    The maximum is used and not the mean, because the peak of the marginal is then the azimuth of the peak of the map.
    The mean adds the skirts of wrong elevations, which are pulled towards the array's own axes: it had the same median
    error in simulated rooms, and more large errors.
    """
    return np.asarray(maps.max(axis=-2), dtype=np.float32)


def peak_azimuth_deg(spectrum: ArrayLike) -> FloatArray:
    """Azimuths (...) of the highest peaks of circular spectra (..., bins), in (-180, 180] degrees.

    A parabola through the highest bin and its neighbours gives the position between bins.
    """
    values = np.asarray(spectrum, dtype=np.float64)
    bins = values.shape[-1]
    peak = values.argmax(axis=-1)
    left, centre, right = (
        np.take_along_axis(values, ((peak + step) % bins)[..., None], axis=-1)[..., 0] for step in (-1, 0, 1)
    )
    curvature = left - 2.0 * centre + right
    # A flat top, which has no curvature, keeps the position of its first bin.
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.where(curvature < 0.0, 0.5 * (left - right) / curvature, 0.0)
    return wrap_deg((peak + np.clip(offset, -0.5, 0.5)) * (360.0 / bins))


def yaw_between_spectra_deg(spectrum_a: ArrayLike, spectrum_b: ArrayLike) -> FloatArray:
    """Yaw (...) of camera b against camera a from their azimuth spectra (..., bins), degrees, positive to the right.

    A head that turns to the right by `yaw` moves every far sound to the left by `yaw`, so spectrum b is spectrum a
    shifted; the shift is where their circular cross-correlation is highest. The means are taken off first.
    """
    a = np.asarray(spectrum_a, dtype=np.float64)
    b = np.asarray(spectrum_b, dtype=np.float64)
    fa = np.fft.rfft(a - a.mean(axis=-1, keepdims=True), axis=-1)
    fb = np.fft.rfft(b - b.mean(axis=-1, keepdims=True), axis=-1)
    # correlation[s] = sum over theta of b[theta] a[theta + s]
    return peak_azimuth_deg(np.fft.irfft(fa * np.conj(fb), n=a.shape[-1], axis=-1))
