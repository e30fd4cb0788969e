"""Acoustics of a shoebox that do not depend on time: absorption, reverberation time, image sources.

Sources: Eyring (1930) for the reverberation time, Allen and Berkley (1979) for the images, ISO 9613-1 (20 degrees,
50 % relative humidity) for the absorption of air.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.scene.scene import BANDS_HZ, Vector3
from avbench.preprocessing.simulate.scene.seeds import Generator

SPEED_OF_SOUND_M_S = 343.0

AIR_ABSORPTION_DB_PER_M = np.array([0.45, 1.3, 2.7, 4.7, 9.9, 29.7]) / 1000.0
"""In the octave bands of `BANDS_HZ`."""

# Energy absorption in the octave bands from 125 Hz: typical textbook values, rounded. Only their shape over frequency
# and their differences between faces are used, since a room is scaled to the reverberation time asked for.
_WALLS = {
    "plaster": (0.10, 0.08, 0.06, 0.05, 0.05, 0.05),
    "brick": (0.03, 0.03, 0.03, 0.04, 0.05, 0.07),
    "plasterboard": (0.28, 0.16, 0.10, 0.08, 0.09, 0.10),
    "wood": (0.25, 0.20, 0.15, 0.11, 0.10, 0.10),
    "glass": (0.28, 0.20, 0.12, 0.10, 0.07, 0.05),
    "curtain": (0.10, 0.25, 0.42, 0.50, 0.50, 0.48),
}
_FLOORS = {
    "carpet": (0.08, 0.16, 0.28, 0.38, 0.45, 0.50),
    "parquet": (0.12, 0.11, 0.09, 0.08, 0.07, 0.07),
    "tiles": (0.02, 0.02, 0.03, 0.03, 0.04, 0.05),
}
_CEILINGS = {
    "plaster": _WALLS["plaster"],
    "acoustic tiles": (0.30, 0.45, 0.60, 0.65, 0.68, 0.65),
    "concrete": (0.02, 0.03, 0.03, 0.04, 0.05, 0.06),
}
# People and furniture absorb too; in a shoebox without them their share is spread over the faces.
_FURNISHING = np.array([0.04, 0.07, 0.10, 0.12, 0.13, 0.13])


def face_areas_m2(size_m: Vector3) -> FloatArray:
    """Areas of the six faces, in the order x0, x1, y0, y1, floor, ceiling."""
    x, y, z = size_m
    return np.array([y * z, y * z, x * z, x * z, x * y, x * y])


def eyring_rt60_s(size_m: Vector3, absorption: ArrayLike) -> FloatArray:
    """Reverberation time (bands,) of a shoebox with absorption (6, bands), air included."""
    areas = face_areas_m2(size_m)
    mean = areas @ np.asarray(absorption, dtype=np.float64) / areas.sum()
    air_per_m = AIR_ABSORPTION_DB_PER_M * np.log(10.0) / 10.0
    rate = -areas.sum() * np.log1p(-mean) / (4.0 * np.prod(size_m)) + air_per_m
    return np.asarray(6.0 * np.log(10.0) / (SPEED_OF_SOUND_M_S * rate), dtype=np.float64)


def draw_absorption(rng: Generator, size_m: Vector3, rt60_range_s: tuple[float, float]) -> FloatArray:
    """Draw materials for the six faces, scaled to a reverberation time drawn from a range.

    The mean of 500 Hz and 1 kHz takes the time drawn; no band leaves the range.

    Returns:
        (6, bands) energy absorption coefficients.
    """
    tables = [_WALLS] * 4 + [_FLOORS, _CEILINGS]
    shapes = np.array([list(table.values())[rng.integers(len(table))] for table in tables]) + _FURNISHING
    exponents = -np.log1p(-np.minimum(shapes, 0.9))
    middle = [BANDS_HZ.index(500.0), BANDS_HZ.index(1000.0)]

    def absorption(log_scale: FloatArray | float) -> FloatArray:
        return np.asarray(np.clip(-np.expm1(-np.exp(log_scale) * exponents), 0.005, 0.98), dtype=np.float64)

    def solve(bands: list[int], rt60_s: float) -> float:
        def excess(log_scale: float) -> float:
            return float(np.log(eyring_rt60_s(size_m, absorption(log_scale))[bands].mean() / rt60_s))

        return float(brentq(excess, -8.0, 5.0))

    scale = np.full(len(BANDS_HZ), solve(middle, float(rng.uniform(*rt60_range_s))))
    for band, rt60_s in enumerate(eyring_rt60_s(size_m, absorption(scale)).tolist()):
        if not rt60_range_s[0] <= rt60_s <= rt60_range_s[1]:
            scale[band] = solve([band], min(max(rt60_s, rt60_range_s[0]), rt60_range_s[1]))
    return absorption(scale)


@dataclass(frozen=True, eq=False)
class Images:
    """Image sources of one source.

    An image lies at `sign * source + offset`, and its path has hit the faces as often as `hits` says.

    Attributes:
        sign: (I, 3) +1 or -1.
        offset_m: (I, 3).
        gain: (I, bands) amplitude factors of the reflections and the air, without the spherical spreading.
        delay_s: (I,) travel time at the place the list was made for.
    """

    sign: FloatArray
    offset_m: FloatArray
    gain: FloatArray
    delay_s: FloatArray


def find_images(
    size_m: Vector3, absorption: ArrayLike, source_m: FloatArray, listener_m: FloatArray, reach_m: float
) -> Images:
    """All image sources whose distance can fall below `reach_m`.

    Args:
        size_m: Size of the room.
        absorption: (6, bands).
        source_m: (S, 3) places the source takes.
        listener_m: (L, 3) places the listener takes.
        reach_m: Longest path.

    Returns:
        The images, nearest first; the source itself is the first.
    """
    size = np.array(size_m)
    orders = np.ceil(0.5 * (reach_m / size + 1.0)).astype(int)
    axes = [
        np.stack(np.meshgrid(np.arange(-order, order + 1), (0, 1), indexing="ij"), axis=-1).reshape(-1, 2)
        for order in orders
    ]
    index = np.stack(np.meshgrid(*(np.arange(len(axis)) for axis in axes), indexing="ij"), axis=-1).reshape(-1, 3)
    shift = np.stack([axes[k][index[:, k], 0] for k in range(3)], axis=-1)
    mirrored = np.stack([axes[k][index[:, k], 1] for k in range(3)], axis=-1)
    sign, offset = 1.0 - 2.0 * mirrored, 2.0 * shift * size
    middle_source, middle_listener = source_m.mean(axis=0), listener_m.mean(axis=0)
    distance = np.linalg.norm(sign * middle_source + offset - middle_listener, axis=-1)
    # How far source and listener get from their middles bounds how much nearer an image can come.
    slack = _radius(source_m, middle_source) + _radius(listener_m, middle_listener)
    near = np.flatnonzero(distance < reach_m + slack)
    near = near[np.argsort(distance[near], kind="stable")]
    # A path to image (shift, mirrored) meets the face at 0 |shift - mirrored| times and the one at L |shift| times.
    hits = np.empty((len(near), 6), dtype=np.int64)
    hits[:, 0::2] = np.abs(shift - mirrored)[near]
    hits[:, 1::2] = np.abs(shift)[near]
    gain = reflection_gain(absorption, hits) * 10.0 ** (-AIR_ABSORPTION_DB_PER_M * distance[near, None] / 20.0)
    return Images(sign[near], offset[near], gain, distance[near] / SPEED_OF_SOUND_M_S)


def reflection_gain(absorption: ArrayLike, hits: NDArray[np.int64]) -> FloatArray:
    """Amplitude (I, bands) left after hitting the faces `hits` (I, 6) times."""
    log_reflection = 0.5 * np.log1p(-np.asarray(absorption, dtype=np.float64))
    return np.asarray(np.exp(hits @ log_reflection), dtype=np.float64)


def _radius(points: FloatArray, middle: FloatArray) -> float:
    return float(np.linalg.norm(points - middle, axis=-1).max())
