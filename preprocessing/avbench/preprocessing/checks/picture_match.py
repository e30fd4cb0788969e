"""Which frame of a video a picture is that was taken from it.

Pictures extracted from a video are its frames again but for the losses of the codec and a change of size, so small grey
copies of both differ by a few levels where they are the same moment. Numbers in names are put on frames by the one
count, from a first frame and in even steps, under which all pictures fit; that one must fit clearly better than every
other, which a camera that stands still does not let happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.recording import FrameSource

MOST_FRAMES = 20_000
"""Longer videos are not searched."""

SAME_PICTURE_LEVELS = 6.0
"""Grey levels, root mean square, by which small copies of one picture differ at most."""

CLEARLY_BETTER = 1.5
"""The next best count must differ by this much more, in mean squares."""

_SIZE = (96, 54)
_MOST_STEP = 600
_WINDOW = 4


@dataclass(frozen=True)
class Count:
    """How numbers count frames: number n is frame `(n - first) * step`.

    Attributes:
        first: Number of the video's first frame.
        step: Frames between one number and the next.
        levels: Root mean square difference of the pictures compared, in grey levels.
    """

    first: float
    step: int
    levels: float


def small_copy(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture (H, W, 3) as 96 x 54 grey levels, flat, whatever its size."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, _SIZE, interpolation=cv2.INTER_AREA), dtype=np.float32).ravel()


def mean_squares(copies: Sequence[NDArray[np.float32]], frames: FrameSource, indices: Sequence[int]) -> FloatArray:
    """Mean square differences (P, len(indices)) of P small copies and frames; infinite where a frame is damaged."""
    stacked = np.stack(copies)
    result = np.full((len(copies), len(indices)), np.inf)
    place = {int(frames.time_ns[index]): column for column, index in enumerate(indices)}

    def pass_over(_: InputError) -> None:
        return

    for frame in frames.read(indices, on_error=pass_over):
        difference = stacked - small_copy(frame.image)
        result[:, place[frame.time_ns]] = np.mean(difference * difference, axis=1)
    return result


def find_count(numbers: Sequence[int], copies: Sequence[NDArray[np.float32]], frames: FrameSource) -> Count | None:
    """The count of frames under which all pictures are the video's, None where none fits, or none clearly best.

    Args:
        numbers: (P) increasing numbers in the names of pictures, P at least 3.
        copies: (P) small copies of the pictures.
        frames: The video.
    """
    total = len(frames.time_ns)
    span = numbers[-1] - numbers[0]
    if len(numbers) < 3 or span >= total or total > MOST_FRAMES:
        return None
    squares = mean_squares(copies, frames, range(total))
    offsets = np.asarray(numbers, dtype=np.int64) - numbers[0]
    found: list[tuple[float, int, int]] = []
    for step in range(1, min(_MOST_STEP, (total - 1) // span) + 1):
        starts = np.arange(total - span * step)
        cost = np.mean([squares[row, starts + offset * step] for row, offset in enumerate(offsets)], axis=0)
        best = np.argsort(cost)[:2]
        found += [(float(cost[start]), int(start), step) for start in best]
    found.sort()
    (best_cost, start, step), others = found[0], found[1:]
    if best_cost > SAME_PICTURE_LEVELS**2 or (others and others[0][0] < CLEARLY_BETTER * best_cost + 1e-6):
        return None
    return Count(numbers[0] - start / step, step, float(np.sqrt(best_cost)))


def better_shift(
    indices: Sequence[int], copies: Sequence[NDArray[np.float32]], frames: FrameSource
) -> tuple[int, bool]:
    """By how many frames the pictures lie beside the stated ones, and whether they show it.

    Args:
        indices: (P) increasing stated frames.
        copies: (P) small copies of the pictures.
        frames: The video.

    Returns:
        0 and True where the pictures are the stated frames and no others within 4; another shift and True where they
        are those; 0 and False where the pictures do not tell.
    """
    shifts = range(-_WINDOW, _WINDOW + 1)
    inside = [k for k, index in enumerate(indices) if _WINDOW <= index < len(frames.time_ns) - _WINDOW]
    if len(inside) < 3:
        return 0, False
    wanted = sorted({indices[k] + shift for k in inside for shift in shifts})
    squares = mean_squares([copies[k] for k in inside], frames, wanted)
    column = {index: place for place, index in enumerate(wanted)}
    cost = np.array(
        [np.mean([squares[row, column[indices[k] + shift]] for row, k in enumerate(inside)]) for shift in shifts]
    )
    order = np.argsort(cost)
    if cost[order[0]] > SAME_PICTURE_LEVELS**2 or cost[order[1]] < CLEARLY_BETTER * cost[order[0]] + 1e-6:
        return 0, False
    return int(order[0]) - _WINDOW, True
