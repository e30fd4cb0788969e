"""Picture filters in integers: every intermediate value fits its type, so no rounding depends on a library or machine.

Pictures are (height, width, 3) uint8. Borders are mirrored about the outermost pixel, which is not repeated. A filter
walks over whole rows at once; a shift by one pixel is a shift by three bytes of a row.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

SUBPIXEL = 256
"""Radii are integers in units of 1/256 px."""
_LARGEST_REDUCTION = 32  # 4 * 255 * 2 * 32 still fits 16 bits


def pad_mirrored(image: Picture, top: int, bottom: int, left: int, right: int) -> Picture:
    """Picture with that many mirrored rows and columns around it; any number, for pictures of any size."""
    height, width = image.shape[:2]
    rows = _mirrored(np.arange(-top, height + bottom), height)
    columns = _mirrored(np.arange(-left, width + right), width)
    padded = np.empty((rows.size, columns.size, 3), np.uint8)
    inside = padded[:, left : left + width]
    inside[:] = image[rows]
    padded[:, :left] = inside[:, columns[:left]]
    padded[:, left + width :] = inside[:, columns[left + width :]]
    return padded


def _mirrored(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    if length == 1:
        return np.zeros_like(index)
    period = 2 * length - 2
    folded = index % period
    return np.minimum(folded, period - folded)


def blur_separable(image: Picture, across: tuple[int, ...], down: tuple[int, ...]) -> Picture:
    """Symmetric separable filter.

    Args:
        image: The picture.
        across: Weights of 0, 1, ... columns to either side; w0 + 2 * (w1 + ...) is 256, none is negative.
        down: The same for rows.

    Returns:
        The filtered picture, rounded to the nearest grey level after each direction.
    """
    height, width = image.shape[:2]
    reach_x, reach_y = len(across) - 1, len(down) - 1
    padded = pad_mirrored(image, reach_y, reach_y, reach_x, reach_x)
    rows = padded.reshape(padded.shape[0], -1)
    columns = [rows[:, 3 * k : 3 * (k + width)] for k in range(2 * reach_x + 1)]
    blurred = _symmetric_sum(columns, across)
    return _symmetric_sum([blurred[k : k + height] for k in range(2 * reach_y + 1)], down).reshape(image.shape)


def _symmetric_sum(shifted: list[Picture], weights: tuple[int, ...]) -> Picture:
    centre = len(weights) - 1
    # At most 255 * 256 + 128, which fits 16 bits.
    total = shifted[centre].astype(np.uint16)
    total *= np.uint16(weights[0])
    total += np.uint16(128)
    for offset, weight in enumerate(weights[1:], start=1):
        if weight:
            both = np.add(shifted[centre - offset], shifted[centre + offset], dtype=np.uint16)
            both *= np.uint16(weight)
            total += both
    total >>= np.uint16(8)
    return total.astype(np.uint8)


def blur_disc(image: Picture, radius: int) -> Picture:
    """Mean over a disc: the picture of a lens out of focus.

    Wide discs are summed over a picture reduced by a power of two, chosen so that the disc has a radius of 3 to 6 of
    its pixels, and brought back by linear interpolation: the disc's edge is softened by that much.

    Args:
        image: The picture.
        radius: Radius of the disc in 1/256 px, at least 256.

    Returns:
        The blurred picture.
    """
    height, width = image.shape[:2]
    reduction = 1
    while radius >= 6 * SUBPIXEL * reduction and reduction < _LARGEST_REDUCTION:
        reduction *= 2
    half_widths = _disc_rows(radius // reduction)
    reach = len(half_widths) // 2
    margin = (reach + 1) * reduction
    padded = pad_mirrored(image, margin, margin + -height % reduction, margin, margin + -width % reduction)
    sums = _reduce(padded, reduction)
    inner_height, inner_width = sums.shape[0] - 2 * reach, sums.shape[1] - 2 * reach

    def shifted(dx: int) -> NDArray[np.uint32]:
        return sums[:, reach + dx : reach + dx + inner_width]

    total = np.zeros((inner_height, inner_width, 3), np.uint32)
    run = np.zeros((sums.shape[0], inner_width, 3), np.uint32)
    for half_width in range(reach + 1):  # runs grow by one pixel at both ends; each serves all rows of that width
        run += shifted(half_width)
        if half_width:
            run += shifted(-half_width)
        for row, row_half_width in enumerate(half_widths):
            if row_half_width == half_width:
                total += run[row : row + inner_height]
    divisor = np.uint32(sum(2 * half_width + 1 for half_width in half_widths) * reduction**2)
    if reduction == 1:
        return ((total[1:-1, 1:-1] + divisor // np.uint32(2)) // divisor).astype(np.uint8)
    total *= np.uint32(4)  # quarters of a grey level
    total += divisor // np.uint32(2)
    quarters = (total // divisor).astype(np.uint16)
    return _enlarge(quarters, reduction)[:height, :width]


def _disc_rows(radius: int) -> list[int]:
    """Half widths of the disc's rows from top to bottom, px; radius in 1/256 px."""
    # A quarter of a pixel more than the radius spares the disc four single pixels that would stick out of it.
    outer = radius + SUBPIXEL // 4
    widths = [isqrt(outer**2 - (SUBPIXEL * row) ** 2) // SUBPIXEL for row in range(outer // SUBPIXEL + 1)]
    return widths[:0:-1] + widths


def _reduce(image: Picture, factor: int) -> NDArray[np.uint32]:
    """Sums over factor x factor blocks; the size is a multiple of the factor."""
    height, width = image.shape[:2]
    if factor == 1:
        return image.astype(np.uint32)
    rows = image.reshape(height // factor, factor, width * 3)
    tall = rows[:, 0].astype(np.uint16)
    for row in range(1, factor):
        tall += rows[:, row]
    blocks = tall.reshape(height // factor, width // factor, factor, 3)
    sums = np.zeros((height // factor, width // factor, 3), np.uint32)
    for channel in range(3):  # one channel at a time: numpy's inner loop then runs along the row
        for column in range(factor):
            sums[..., channel] += blocks[:, :, column, channel]
    return sums


def _enlarge(quarters: NDArray[np.uint16], factor: int) -> Picture:
    """Linear interpolation of a reduced picture in quarters of a grey level; its outermost pixels are margin."""
    height, width = quarters.shape[0], quarters.shape[1]
    turned = np.ascontiguousarray(quarters.transpose(1, 0, 2)).reshape(width, height * 3)
    wide = _enlarge_rows(turned, factor)
    wide += np.uint16(factor)
    wide >>= np.uint16((2 * factor).bit_length() - 1)
    upright = np.ascontiguousarray(wide.reshape(-1, height, 3).transpose(1, 0, 2)).reshape(height, -1)
    tall = _enlarge_rows(upright, factor)
    tall += np.uint16(4 * factor)
    tall >>= np.uint16((8 * factor).bit_length() - 1)
    return tall.astype(np.uint8).reshape(tall.shape[0], -1, 3)


def _enlarge_rows(rows: NDArray[np.uint16], factor: int) -> NDArray[np.uint16]:
    """2 * factor times the rows interpolated between rows' centres, (n, m) to ((n - 2) * factor, m)."""
    count = rows.shape[0] - 2
    enlarged = np.empty((count * factor, rows.shape[1]), np.uint16)
    for phase in range(factor):
        # The centre of fine row `phase` of a coarse row lies (2 phase + 1 - factor) / (2 factor) coarse rows below it.
        below = (2 * phase + 1 - factor) % (2 * factor)
        start = 0 if 2 * phase + 1 < factor else 1
        target = enlarged[phase::factor]
        np.multiply(rows[start : start + count], np.uint16(2 * factor - below), out=target)
        target += rows[start + 1 : start + 1 + count] * np.uint16(below)
    return enlarged


def blend(image: Picture, colour: tuple[int, int, int], cover: NDArray[np.uint16]) -> Picture:
    """Lay a colour over a picture.

    Args:
        image: The picture.
        colour: Red, green, blue.
        cover: (height, width) from 0 (the picture) to 256 (the colour).

    Returns:
        The mixture, rounded to the nearest grey level.
    """
    mixed = np.empty_like(image)
    clear = np.uint16(256) - cover
    for channel in range(3):
        total = image[..., channel] * clear  # at most 255 * 256 in all
        total += cover * np.uint16(colour[channel])
        total += np.uint16(128)
        total >>= np.uint16(8)
        mixed[..., channel] = total
    return mixed


def add_clipped(image: Picture, change: NDArray[np.int16]) -> Picture:
    """Sum of a picture and a change, kept within 0 to 255; `change` is used up."""
    change += image
    return np.clip(change, np.int16(0), np.int16(255), out=change).astype(np.uint8)
