"""Smooth random fields over a picture, and the exact share of its pixels that lies lowest in one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.conditions.corruptions.randomness import Stream

Field = NDArray[np.int32]

GRID_STEP_PX = 4
"""Fields are computed at every fourth pixel and interpolated linearly between."""


def grid_positions(height: int, width: int) -> tuple[Field, Field]:
    """Pixel rows (n, 1) and columns (1, m) of the grid that spans a picture of that size."""
    rows = np.arange(0, height + GRID_STEP_PX - 1, GRID_STEP_PX, dtype=np.int32)
    columns = np.arange(0, width + GRID_STEP_PX - 1, GRID_STEP_PX, dtype=np.int32)
    return rows[:, None], columns[None, :]


def fill_in(grid: Field, height: int, width: int) -> Field:
    """A field at every pixel from one at every fourth."""
    return subdivide(subdivide(grid))[:height, :width]


def subdivide(grid: Field) -> Field:
    """Halve the step of a grid by linear interpolation, (n, m) to (2n - 1, 2m - 1); means are rounded down."""
    height, width = grid.shape
    fine = np.empty((2 * height - 1, 2 * width - 1), np.int32)
    fine[::2, ::2] = grid
    fine[::2, 1::2] = (grid[:, :-1] + grid[:, 1:]) >> 1
    fine[1::2] = (fine[:-2:2] + fine[2::2]) >> 1
    return fine


def cloud(stream: Stream, height: int, width: int, octaves: int) -> Field:
    """A cloud: random values on a grid of an eighth to a quarter of the width, finer ones of half the size added.

    Args:
        stream: Where the random values come from.
        height: Rows, px.
        width: Columns, px.
        octaves: How many sizes of detail are added up.

    Returns:
        (height, width) int32, about -13,000 to 13,000, zero in the mean.
    """
    step = GRID_STEP_PX
    while step * 8 <= width:
        step *= 2
    rows, columns = -(-(height - 1) // step) + 1, -(-(width - 1) // step) + 1
    # One row and column more than needed, so that a picture of one pixel has a grid to interpolate too.
    grid = np.zeros((rows + 1, columns + 1), np.int32)
    octave = 0
    while True:
        if octave < octaves:
            values = stream.child(f"octave {octave}").uniform16(grid.size).astype(np.int32) - np.int32(1 << 15)
            grid += values.reshape(grid.shape) >> np.int32(octave + 1)
        if step == GRID_STEP_PX:
            return fill_in(grid, height, width)
        # Halving and then smoothing is the subdivision of a cubic spline: no corner of the coarse grid stays visible.
        grid, step, octave = _smooth(subdivide(grid)), step // 2, octave + 1


def _smooth(grid: Field) -> Field:
    """Weights 1/4, 1/2, 1/4 in both directions, rounded down; the outermost values count twice."""
    wide = np.pad(grid, ((0, 0), (1, 1)), mode="edge")
    rows = (wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) >> 2
    tall = np.pad(rows, ((1, 1), (0, 0)), mode="edge")
    smooth: NDArray[np.int32] = (tall[:-2] + 2 * tall[1:-1] + tall[2:]) >> 2
    return smooth


def lowest(field: Field, count: int) -> NDArray[np.bool_]:
    """The `count` pixels with the lowest values of a field; of equal values those first in reading order.

    Returns:
        (height, width) bool with exactly `count` true.
    """
    if count <= 0:
        return np.zeros(field.shape, np.bool_)
    limit = np.partition(field, count - 1, axis=None)[count - 1]
    chosen: NDArray[np.bool_] = field < limit
    ties = np.flatnonzero(field == limit)[: count - int(np.count_nonzero(chosen))]
    chosen.reshape(-1)[ties] = True
    return chosen
