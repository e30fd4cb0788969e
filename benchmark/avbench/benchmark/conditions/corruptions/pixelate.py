"""Too few pixels."""

from __future__ import annotations

import numpy as np

from avbench.benchmark.conditions.corruptions.fixed_point import Picture
from avbench.benchmark.conditions.corruptions.randomness import Stream

_CELLS_ACROSS = (134, 112, 90, 67, 56)  # ImageNet-C: 0.6, 0.5, 0.4, 0.3, 0.25 of 224


def pixelate(image: Picture, severity: int, stream: Stream) -> Picture:
    """Mean over cells, 134, 112, 90, 67 and 56 across the picture (but at least 2 px wide) and square."""
    del stream  # nothing about it is random
    height, width = image.shape[:2]
    across = max(1, min(_CELLS_ACROSS[severity - 1], width // 2))
    down = max(1, min((height * across + width // 2) // width, height))
    column_starts, row_starts = np.arange(across) * width // across, np.arange(down) * height // down
    column_counts, row_counts = np.diff(column_starts, append=width), np.diff(row_starts, append=height)

    sums = np.add.reduceat(image.reshape(height, width * 3), row_starts, axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums.reshape(down, width, 3), column_starts, axis=1, dtype=np.uint32)
    counts = (row_counts[:, None] * column_counts[None, :]).astype(np.uint32)[..., None]
    cells = ((sums + counts // np.uint32(2)) // counts).astype(np.uint8)
    wide = np.repeat(cells, column_counts, axis=1)
    return np.repeat(wide, row_counts, axis=0)
