"""Blur: the camera moved during the exposure, or was out of focus."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.conditions.corruptions.fixed_point import SUBPIXEL, Picture, blur_disc, pad_mirrored
from avbench.benchmark.conditions.corruptions.integer_tables import SINE_BITS, TURN, cosine, sine
from avbench.benchmark.conditions.corruptions.randomness import Stream

_PATH_WIDTH_64THS = (2, 4, 7, 11, 16)  # severity 5: a quarter of the width
_PIECES = 8
_MOST_TAPS = 256  # 255 * 256 + 128 still fits 16 bits
_DISC_RADII_224 = (3, 4, 6, 8, 10)  # ImageNet-C's radii, px of a picture 224 px wide


def motion_blur(image: Picture, severity: int, stream: Stream) -> Picture:
    """Mean of the picture along a random curved path.

    The path starts in any direction and bends smoothly, to one side or in an S. Its middle lies on the pixel itself:
    the pose of a blurred frame is the one in the middle of its exposure. It is 2, 4, 7, 11 and 16 sixty-fourths of
    the picture's width long.
    """
    height, width = image.shape[:2]
    length = max(width * _PATH_WIDTH_64THS[severity - 1] * SUBPIXEL // 64, severity * SUBPIXEL)
    taps = 2
    while taps * SUBPIXEL < length and taps < _MOST_TAPS:
        taps *= 2
    pieces = min(_PIECES, taps // 2)
    runs = _straight_runs(camera_path(stream, length, pieces), taps // pieces)

    left, top = -min(run.x_min for run in runs), -min(run.y_min for run in runs)
    right, bottom = max(run.x_max for run in runs), max(run.y_max for run in runs)
    padded = pad_mirrored(image, max(top, 0), max(bottom, 0), max(left, 0), max(right, 0)).astype(np.uint16)
    total = np.full((height, width * 3), np.uint16(taps // 2))
    for run in runs:
        y, x = max(top, 0) + run.y_min, max(left, 0) + run.x_min
        window = padded[y : y + height + run.y_max - run.y_min, x : x + width + run.x_max - run.x_min]
        total += _sum_along(window, run.doublings).reshape(height, width * 3)
    total >>= np.uint16(taps.bit_length() - 1)
    return total.astype(np.uint8).reshape(image.shape)


def defocus(image: Picture, severity: int, stream: Stream) -> Picture:
    """Mean over a disc; its radius is 3, 4, 6, 8 and 10 px of a picture 224 px wide, and as wide a share of others."""
    del stream  # a lens out of focus is not random
    radius = image.shape[1] * _DISC_RADII_224[severity - 1] * SUBPIXEL // 224
    return blur_disc(image, max(radius, severity * SUBPIXEL // 2 + SUBPIXEL // 2))


def camera_path(stream: Stream, length: int, pieces: int) -> list[tuple[int, int]]:
    """Corners of a curved path.

    Args:
        stream: Where its direction and bends come from.
        length: Length of the path in 1/256 px.
        pieces: Straight pieces, all of one length.

    Returns:
        pieces + 1 corners (x, y) in 1/256 px; the middle of the path is (0, 0).
    """
    heading = stream.integer("heading", 0, TURN)
    bend = stream.integer("bend", -TURN // 6, TURN // 6 + 1)  # change of direction from the middle to an end
    sway = stream.integer("sway", -TURN // 8, TURN // 8 + 1)  # the same to both ends, which makes it an S
    corners = [(0, 0)]
    for piece in range(pieces):
        along = 2 * piece + 1 - pieces  # from -pieces to pieces
        angle = heading + bend * along // pieces + sway * along * along // (pieces * pieces)
        x, y = corners[-1]
        scale = pieces << SINE_BITS
        corners.append((x + length * cosine(angle) // scale, y + length * sine(angle) // scale))
    if pieces % 2:
        (x0, y0), (x1, y1) = corners[pieces // 2], corners[pieces // 2 + 1]
        middle = ((x0 + x1) // 2, (y0 + y1) // 2)
    else:
        middle = corners[pieces // 2]
    return [(x - middle[0], y - middle[1]) for x, y in corners]


@dataclass(frozen=True)
class _Run:
    """A straight run of 2**k pixels: one of half the length and the same again, moved by the last of `doublings`."""

    doublings: list[tuple[int, int]]
    x_min: int
    x_max: int
    y_min: int
    y_max: int


def _straight_runs(corners: list[tuple[int, int]], taps: int) -> list[_Run]:
    runs = []
    for (x0, y0), (x1, y1) in pairwise(corners):
        # The taps lie in the middles of equal parts of the piece.
        start_x, start_y = _round(2 * taps * x0 + x1 - x0, 2 * taps), _round(2 * taps * y0 + y1 - y0, 2 * taps)
        moves = [(_round((x1 - x0) << k, taps), _round((y1 - y0) << k, taps)) for k in range(taps.bit_length() - 1)]
        runs.append(
            _Run(
                moves,
                x_min=start_x + sum(min(dx, 0) for dx, _ in moves),
                x_max=start_x + sum(max(dx, 0) for dx, _ in moves),
                y_min=start_y + sum(min(dy, 0) for _, dy in moves),
                y_max=start_y + sum(max(dy, 0) for _, dy in moves),
            )
        )
    return runs


def _round(numerator: int, denominator: int) -> int:
    """1/256 px to the nearest whole pixel."""
    whole = denominator * SUBPIXEL
    return (2 * numerator + whole) // (2 * whole)


def _sum_along(window: NDArray[np.uint16], moves: list[tuple[int, int]]) -> NDArray[np.uint16]:
    """Sum of the shifts of a window by every subset sum of `moves`; what remains is where all of them lie inside."""
    for dx, dy in moves:
        rows, columns = window.shape[0] - abs(dy), window.shape[1] - abs(dx)
        y, x = max(-dy, 0), max(-dx, 0)
        window = window[y : y + rows, x : x + columns] + window[y + dy : y + dy + rows, x + dx : x + dx + columns]
    return window
