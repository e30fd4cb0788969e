"""Means, medians and AUCs of many compositions of groups at once.

A composition says how often each group is taken: a bootstrap resample takes some groups twice and others not at all, a
swap of two models takes each group from the one or from the other. A summary is prepared once for its values; it then
answers for (B, groups) counts without writing a single composition out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Counts = NDArray[np.floating]
"""(B, groups) how often each composition takes each group."""

# Groups whose largest values are looked at before all are: only one resample in e^32 holds none of them.
_LIKELY_LARGEST = 32
# Ranked values are cut into so many blocks: a middle is sought among blocks first, then inside one.
_BLOCKS = 128


@dataclass(frozen=True)
class Summary:
    """A summary of N values, prepared.

    Attributes:
        point: Of all values; NaN without any.
        of: (B, groups) counts -> (B,) summaries of the compositions; NaN for an empty one.
    """

    point: float
    of: Callable[[Counts], FloatArray]


Prepare = Callable[[FloatArray, NDArray[np.int64], int], Summary]
"""(N,) values without NaN, (N,) their group numbers, the number of groups -> the summary."""


def prepare_mean(values: FloatArray, index: NDArray[np.int64], groups: int) -> Summary:
    """Mean over values; with an infinite value it is infinite, and that of compositions NaN."""
    if not np.isfinite(values).all():
        return Summary(float(values.mean()), lambda counts: np.full(len(counts), np.nan))
    columns = np.stack(
        [np.bincount(index, weights=values, minlength=groups), np.bincount(index, minlength=groups)], axis=1
    )

    def of(counts: Counts) -> FloatArray:
        total, pairs = (counts @ columns).T
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / pairs)

    return Summary(float(values.mean()) if len(values) else math.nan, of)


def prepare_auc(threshold: float) -> Prepare:
    """AUC up to a threshold in per cent: the trapezoid under the recall curve, over the threshold.

    The trapezoid of N values equals the mean of max(0, 1 - e/T) plus e_k / (2 N T) with e_k the largest value below T:
    the first term is the area under the steps, the second what the trapezoid adds to them.
    """

    def prepare(values: FloatArray, index: NDArray[np.int64], groups: int) -> Summary:
        reached = np.where(values < threshold, values, 0.0)
        gain = np.where(values < threshold, 1.0 - reached / threshold, 0.0)
        largest = np.zeros(groups)
        np.maximum.at(largest, index, reached)
        columns = np.stack(
            [np.bincount(index, weights=gain, minlength=groups), np.bincount(index, minlength=groups)], axis=1
        )
        likely = np.argsort(-largest, kind="stable")[:_LIKELY_LARGEST]

        def of(counts: Counts) -> FloatArray:
            total, pairs = (counts @ columns).T
            with np.errstate(invalid="ignore", divide="ignore"):
                drawn = (total + _largest_taken(largest, likely, counts) / (2 * threshold)) / pairs
            return np.asarray(100.0 * drawn)

        return Summary(float(of(np.ones((1, groups)))[0]) if len(values) else math.nan, of)

    return prepare


def _largest_taken(largest: FloatArray, likely: NDArray[np.int64], counts: Counts) -> FloatArray:
    """(B,) largest of (groups,) values, none negative, among the groups that each composition takes."""
    held = counts[:, likely] > 0
    found = np.where(held, largest[likely], 0.0).max(axis=1, initial=0.0)
    rest = np.flatnonzero(~held.any(axis=1))
    found[rest] = np.where(counts[rest] > 0, largest, 0.0).max(axis=1, initial=0.0)
    return np.asarray(found)


def prepare_median(values: FloatArray, index: NDArray[np.int64], groups: int) -> Summary:
    """Median over values (the mean of the middle two for an even number)."""
    if not len(values):
        return Summary(math.nan, lambda counts: np.full(len(counts), np.nan))
    order = np.argsort(values, kind="stable")
    ranked, places = values[order], index[order]
    width = math.ceil(len(ranked) / _BLOCKS)
    # Counts of values are whole numbers, which 32 bits hold exactly up to 16 million.
    held = np.zeros((groups, math.ceil(len(ranked) / width)), dtype=np.float32)
    np.add.at(held, (places, np.arange(len(places)) // width), 1.0)

    def of(counts: Counts) -> FloatArray:
        reached = np.cumsum(counts.astype(np.float32) @ held, axis=1, dtype=np.float64)
        total = reached[:, -1]
        # Positions of the two middle values, counted from 1, in the composition written out in full.
        lower_at, upper_at = np.floor((total + 1) / 2), np.floor(total / 2 + 1)
        lower = _ranked_at(lower_at, ranked, places, reached, width, counts)
        upper, apart = lower.copy(), upper_at > lower_at
        upper[apart] = _ranked_at(upper_at[apart], ranked, places, reached[apart], width, counts[apart])
        with np.errstate(invalid="ignore"):
            return np.where(total > 0, (lower + upper) / 2, np.nan)

    return Summary(float(np.median(values)), of)


def _ranked_at(
    position: FloatArray,
    ranked: FloatArray,
    places: NDArray[np.int64],
    reached: FloatArray,
    width: int,
    counts: Counts,
) -> FloatArray:
    """(B,) the value at a position, counted from 1, of each composition written out in ranked order."""
    if not len(position):
        return np.zeros(0)
    block = np.argmax(reached >= position[:, None], axis=1)
    before = np.where(block > 0, np.take_along_axis(reached, np.maximum(block - 1, 0)[:, None], axis=1)[:, 0], 0.0)
    place = block[:, None] * width + np.arange(width)
    # Past the last value the running count stays as it is, and the first place that reaches the position is taken.
    inside = np.where(place < len(places), place, 0)
    taken = np.where(place < len(places), np.take_along_axis(counts, places[inside], axis=1), 0.0)
    running = before[:, None] + np.cumsum(taken, axis=1)
    found = np.argmax(running >= position[:, None], axis=1)
    return np.asarray(ranked[inside[np.arange(len(found)), found]])
