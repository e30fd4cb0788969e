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

from avbench.benchmark.metrics.definitions import auc_percent, auc_terms

FloatArray = NDArray[np.float64]
Counts = NDArray[np.floating]
"""(B, groups) how often each composition takes each group."""

# Groups whose largest values are looked at before all are: only one resample in e^32 holds none of them.
_LIKELY_LARGEST = 32
# Multiplications that take as long as looking one place of a ranking up.
_PRODUCTS_PER_PLACE = 100
_PLACES_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Summary:
    """A summary of N values, prepared.

    Attributes:
        point: Of all values; NaN without any.
        of: (B, groups) counts -> (B,) summaries of the compositions; NaN for an empty one.
        sums: (groups,) sums of the values of each group, of a mean of finite values; else None.
    """

    point: float
    of: Callable[[Counts], FloatArray]
    sums: FloatArray | None = None


Prepare = Callable[[FloatArray, NDArray[np.int64], int], Summary]
"""(N,) values without NaN, (N,) their group numbers, the number of groups -> the summary."""


def prepare_mean(values: FloatArray, index: NDArray[np.int64], groups: int) -> Summary:
    """Mean over values; with an infinite value it is infinite, and that of compositions NaN."""
    if not np.isfinite(values).all():
        return Summary(float(values.mean()), lambda counts: np.full(len(counts), np.nan))
    sums = np.bincount(index, weights=values, minlength=groups).astype(np.float64)
    columns = np.stack([sums, np.bincount(index, minlength=groups)], axis=1)

    def of(counts: Counts) -> FloatArray:
        total, pairs = (counts @ columns).T
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / pairs)

    return Summary(float(values.mean()) if len(values) else math.nan, of, sums)


def prepare_auc(threshold: float) -> Prepare:
    """AUC up to a threshold in per cent, as `metrics.auc_percent` defines it."""

    def prepare(values: FloatArray, index: NDArray[np.int64], groups: int) -> Summary:
        gain, reached = auc_terms(values, threshold)
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

        return Summary(auc_percent(values, threshold) if len(values) else math.nan, of)

    return prepare


def _largest_taken(largest: FloatArray, likely: NDArray[np.int64], counts: Counts) -> FloatArray:
    """(B,) largest of (groups,) values, none negative, among the groups that each composition takes."""
    held = counts[:, likely] > 0
    first = np.argmax(held, axis=1)  # the likely groups fall from the largest on
    found = largest[likely[first]]
    rest = np.flatnonzero(~held[np.arange(len(first)), first])
    found[rest] = np.where(counts[rest] > 0, largest, 0.0).max(axis=1, initial=0.0)
    return np.asarray(found)


def prepare_median(values: FloatArray, index: NDArray[np.int64], groups: int) -> Summary:
    """Median over values (the mean of the middle two for an even number)."""
    if not len(values):
        return Summary(math.nan, lambda counts: np.full(len(counts), np.nan))
    order = np.argsort(values, kind="stable")
    ranked, places = values[order], index[order]
    # The ranked values are cut into blocks: first the block that holds the middle is found from how many values of each
    # group every block has, then the place in it. So many blocks that both cost about the same.
    width = math.ceil(math.sqrt(len(ranked) * groups / _PRODUCTS_PER_PLACE))
    blocks = -(-len(ranked) // width)
    cells = places * blocks + np.arange(len(places)) // width
    held = np.bincount(cells, minlength=groups * blocks).reshape(groups, blocks)
    # Running counts of the groups, not of the compositions: there are fewer of them.
    running = np.cumsum(held, axis=1).astype(np.float64)

    def of(counts: Counts) -> FloatArray:
        reached = counts @ running
        total = reached[:, -1]
        # Positions of the two middle values, counted from 1, in the composition written out in full.
        lower, upper = np.floor((total + 1) / 2), np.floor(total / 2 + 1)
        ranking = _Ranking(ranked, places, width, reached, np.ascontiguousarray(counts))
        middle = np.empty(len(total))
        step = max(1, _PLACES_AT_ONCE // width)
        for start in range(0, len(total), step):
            part = np.arange(start, min(start + step, len(total)))
            middle[part] = ranking.at(part, lower[part], upper[part]).mean(axis=0)
        return np.where(total > 0, middle, np.nan)

    return Summary(float(np.median(values)), of)


@dataclass(frozen=True)
class _Ranking:
    """Values in ascending order, cut into blocks, and how many of them the compositions take.

    Attributes:
        ranked: (N,) the values.
        index: (N,) group of each.
        width: Values of a block; the last may have fewer.
        reached: (B, blocks) values that each composition takes of each block and those before it.
        counts: (B, groups) how often each composition takes each group.
    """

    ranked: FloatArray
    index: NDArray[np.int64]
    width: int
    reached: FloatArray
    counts: FloatArray

    def at(self, compositions: NDArray[np.int64], *positions: FloatArray) -> FloatArray:
        """(len(positions), R) values at (R,) positions, counted from 1 and rising, of R compositions written out."""
        reached, first = self.reached[compositions], positions[0][:, None]
        block = np.argmax(reached >= first, axis=1)
        before = np.where(block > 0, reached[np.arange(len(block)), np.maximum(block - 1, 0)], 0.0)
        place = block[:, None] * self.width + np.arange(self.width)
        # Past the last value the running count stays as it is, and the first place that reaches a position is taken.
        beyond = place >= len(self.index)
        place[beyond] = 0
        drawn = self.counts.ravel().take(compositions[:, None] * self.counts.shape[1] + self.index[place])
        drawn[beyond] = 0.0
        running = np.cumsum(drawn, axis=1)
        running += before[:, None]
        found = np.empty((len(positions), len(compositions)))
        for number, position in enumerate(positions):
            found[number] = self.ranked[place[np.arange(len(block)), np.argmax(running >= position[:, None], axis=1)]]
            # A later position may lie in another block.
            further = np.flatnonzero(running[:, -1] < position) if number else ()
            if len(further):
                found[number, further] = self.at(compositions[further], position[further])[0]
        return found
