"""Lossy compression: what JPEG throws away, with an integer cosine transform of our own.

A picture is turned into luma and chroma of half the resolution, cut into blocks of 8 x 8, transformed, and every
coefficient is rounded to a multiple of its quantisation step. The entropy coding of a file loses nothing and is left
out. The steps are the tables of Annex K of ITU-T T.81, scaled by quality as the Independent JPEG Group does. The
transform's constants are rounded to 2**-12 and all its sums are exact; no codec library and its rounding decide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.conditions.corruptions.fixed_point import Picture, pad_mirrored
from avbench.benchmark.conditions.corruptions.randomness import Stream

Plane = NDArray[np.int32]

_QUALITIES = (25, 18, 15, 10, 7)  # ImageNet-C

_LUMA_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_STEPS = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * 8,) * 4),
)

# The orthonormal 8-point cosine transform (DCT-II) in units of 2**-12: 2048 * cos(k * pi / 16).
_LEVEL = 1448  # k = 4
_EVEN = (1892, 784)  # k = 2, 6
_ODD = ((2009, 1703, 1138, 400), (1703, -400, -2009, -1138), (1138, -2009, 400, 1703), (400, -1138, 1703, -2009))
_KEPT = 3  # fractional bits between the directions, and of the coefficients before they are quantised
_FORWARD_SHIFTS = (12 - _KEPT, 12)
_INVERSE_SHIFTS = (12 - _KEPT, 12 + _KEPT)


def compression(image: Picture, severity: int, stream: Stream) -> Picture:
    """Compress with JPEG's steps of quality 25, 18, 15, 10 and 7."""
    del stream  # a codec is not random
    height, width = image.shape[:2]
    padded = pad_mirrored(image, 0, -height % 16, 0, -width % 16)
    quality = _QUALITIES[severity - 1]
    red, green, blue = (padded[..., channel].astype(np.int32) for channel in range(3))
    # ITU-T T.871, in units of 2**-16.
    luma = ((19595 * red + 38470 * green + 7471 * blue + (1 << 15)) >> 16) - 128
    red, green, blue = (_halve(plane) for plane in (red, green, blue))  # sums of four
    blue_difference = (-11059 * red - 21709 * green + 32768 * blue + (1 << 17)) >> 18
    red_difference = (32768 * red - 27439 * green - 5329 * blue + (1 << 17)) >> 18

    luma = _code(luma, _steps(_LUMA_STEPS, quality)) + 128
    chroma_steps = _steps(_CHROMA_STEPS, quality)
    blue_difference, red_difference = _code(blue_difference, chroma_steps), _code(red_difference, chroma_steps)
    changes = (
        (91881 * red_difference + (1 << 15)) >> 16,
        (-22554 * blue_difference - 46802 * red_difference + (1 << 15)) >> 16,
        (116130 * blue_difference + (1 << 15)) >> 16,
    )
    coded = np.empty_like(padded)
    for channel, change in enumerate(changes):
        coded[..., channel] = np.clip(luma + _double(change), 0, 255)
    return np.ascontiguousarray(coded[:height, :width])


def _steps(table: tuple[tuple[int, ...], ...], quality: int) -> Plane:
    """Quantisation steps [row frequency, column frequency] of a quality below 50."""
    scale = 5000 // quality
    steps: NDArray[np.int32] = np.clip((np.array(table, np.int32) * np.int32(scale) + 50) // 100, 1, 255).astype(
        np.int32
    )
    return steps


def _halve(plane: Plane) -> Plane:
    rows = plane[::2] + plane[1::2]
    return rows[:, ::2] + rows[:, 1::2]


def _double(plane: Plane) -> Plane:
    return np.repeat(np.repeat(plane, 2, axis=1), 2, axis=0)


def _code(plane: Plane, steps: Plane) -> Plane:
    """Transform, quantise and transform back; sides are multiples of 8, values about -128 to 127."""
    columns = _forward(plane, _FORWARD_SHIFTS[0])
    turned = _forward(np.ascontiguousarray(columns.T), _FORWARD_SHIFTS[1])
    # Now (column block, column frequency, row block, row frequency).
    blocks = turned.reshape(turned.shape[0] // 8, 8, turned.shape[1] // 8, 8)
    # Nearest multiple of the step, by its reciprocal in units of 2**-16.
    step = np.ascontiguousarray(np.broadcast_to(steps.T[None, :, None, :], (1, *blocks.shape[1:])))
    blocks *= (2 * (1 << 16) + step) // (2 * step)
    blocks += 1 << (15 + _KEPT)
    blocks >>= 16 + _KEPT
    blocks *= step
    columns = np.ascontiguousarray(_inverse(turned, _INVERSE_SHIFTS[0]).T)
    return _inverse(columns, _INVERSE_SHIFTS[1])


def _forward(plane: Plane, shift: int) -> Plane:
    """Cosine transform of every 8 rows; each coefficient is rounded and divided by 2**shift."""
    x = [plane[row::8] for row in range(8)]
    sums, differences = [x[k] + x[7 - k] for k in range(4)], [x[k] - x[7 - k] for k in range(4)]
    outer, inner = sums[0] + sums[3], sums[1] + sums[2]
    rise, fall = sums[0] - sums[3], sums[1] - sums[2]
    coefficients = np.empty_like(plane)
    half = 1 << (shift - 1)
    for row, value in (
        (0, _LEVEL * (outer + inner)),
        (2, _EVEN[0] * rise + _EVEN[1] * fall),
        (4, _LEVEL * (outer - inner)),
        (6, _EVEN[1] * rise - _EVEN[0] * fall),
        *((2 * k + 1, _weighted(differences, _ODD[k])) for k in range(4)),
    ):
        value += half
        np.right_shift(value, shift, out=coefficients[row::8])
    return coefficients


def _inverse(coefficients: Plane, shift: int) -> Plane:
    """Back from `_forward`; each value is rounded and divided by 2**shift."""
    y = [coefficients[row::8] for row in range(8)]
    half = 1 << (shift - 1)
    level, step = _LEVEL * (y[0] + y[4]) + half, _LEVEL * (y[0] - y[4]) + half
    outer, inner = _EVEN[0] * y[2] + _EVEN[1] * y[6], _EVEN[1] * y[2] - _EVEN[0] * y[6]
    even = (level + outer, step + inner, step - inner, level - outer)
    plane = np.empty_like(coefficients)
    for k in range(4):
        odd = _weighted([y[1], y[3], y[5], y[7]], tuple(_ODD[row][k] for row in range(4)))
        np.right_shift(even[k] + odd, shift, out=plane[k::8])
        np.right_shift(even[k] - odd, shift, out=plane[7 - k :: 8])
    return plane


def _weighted(planes: list[Plane], weights: tuple[int, ...]) -> Plane:
    total = planes[0] * weights[0]
    for plane, weight in zip(planes[1:], weights[1:], strict=True):
        total += plane * weight
    return total
