"""Swaps of two models within whole groups: the arrangements behind a test of their difference.

If two models are equally good, then exchanging them within a group changes nothing that matters, however unequal the
groups are (Canay, Romano and Shaikh 2017, "Randomization tests under an approximate symmetry assumption"). All 2^G
arrangements of G groups are looked at where that is feasible; otherwise some are drawn. An arrangement and its mirror
differ in sign only, so half of them are enough for two-sided tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.scoring.statistics.summaries import Counts, FloatArray, Prepare, Summary

MOST_EXACT = 2**20
"""So many arrangements are all looked at; of more, some are drawn."""

DEFAULT_DRAWN = 1999
# Numbers of one chunk of (arrangements, groups) at a time: 16 MB of float64.
_CHUNK = 2_000_000


@dataclass(frozen=True)
class Arrangements:
    """Which groups are swapped, per arrangement.

    Attributes:
        groups: Number of groups G.
        exact: Whether all arrangements are there (one of each pair of mirrored ones).
        count: Number of arrangements B: 2^(G-1), or as many as were drawn.
        seed: Of the draw.
    """

    groups: int
    exact: bool
    count: int
    seed: int = 0

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that a test over these arrangements can give."""
        return 1.0 / self.count if self.exact else 1.0 / (self.count + 1)

    def chunks(self) -> Iterator[NDArray[np.bool_]]:
        """(b, G) whether each group is swapped, chunk by chunk; if all are there, the first swaps none."""
        size = max(1, _CHUNK // max(self.groups, 1))
        random = np.random.default_rng(self.seed)
        for start in range(0, self.count, size):
            stop = min(start + size, self.count)
            if self.exact:
                # The last group is never swapped: that leaves one of each pair of mirrored arrangements.
                yield (np.arange(start, stop)[:, None] >> np.arange(self.groups)) & 1 == 1
            else:
                wide = random.integers(0, 256, size=(stop - start, -(-self.groups // 8)), dtype=np.uint8)
                yield np.unpackbits(wide, axis=1, count=self.groups).astype(np.bool_)


def arrange(groups: int, *, drawn: int = DEFAULT_DRAWN, most_exact: int = MOST_EXACT, seed: int = 0) -> Arrangements:
    """All arrangements of some groups if they are no more than `most_exact`, else `drawn` ones."""
    if groups < 1:
        raise ValueError("there is no group to swap")
    if groups <= most_exact.bit_length() and 2**groups <= most_exact:
        return Arrangements(groups, exact=True, count=2 ** (groups - 1))
    return Arrangements(groups, exact=False, count=drawn, seed=seed)


@dataclass(frozen=True)
class Swapped:
    """A statistic of model A minus that of model B, as answered and after every arrangement.

    Attributes:
        observed: (J,) differences as answered, one a row.
        arranged: (B, J) differences after each arrangement.
        exact: Whether these are all arrangements.
    """

    observed: FloatArray
    arranged: FloatArray
    exact: bool


@dataclass(frozen=True)
class SwapRow:
    """One statistic of two models on the same pairs, prepared for swaps.

    Attributes:
        summary: The statistic of the pairs of both, those of B in groups of their own behind those of A.
        groups: Number of groups.
    """

    summary: Summary
    groups: int


def swap_row(
    prepare: Prepare, values_a: FloatArray, values_b: FloatArray, index: NDArray[np.int64], groups: int
) -> SwapRow:
    """Prepare a statistic for swaps.

    Args:
        prepare: The statistic.
        values_a: (N,) values of model A; pairs of which either value is NaN are left out.
        values_b: (N,) values of model B on the same pairs.
        index: (N,) group number of each pair.
        groups: Number of groups.
    """
    both = ~(np.isnan(values_a) | np.isnan(values_b))
    values = np.concatenate([values_a[both], values_b[both]])
    return SwapRow(prepare(values, np.concatenate([index[both], index[both] + groups]), 2 * groups), groups)


def swapped(rows: list[SwapRow], arrangements: Arrangements) -> Swapped:
    """Differences of all rows as answered and over shared arrangements.

    Args:
        rows: J statistics, all of the same groups.
        arrangements: Of these groups.
    """
    observed = np.concatenate(
        [_differences(rows, np.zeros((1, arrangements.groups), dtype=np.bool_)), np.zeros((0, len(rows)))]
    )[0]
    arranged = [_differences(rows, swap) for swap in arrangements.chunks()]
    return Swapped(observed, np.concatenate(arranged), arrangements.exact)


def _differences(rows: list[SwapRow], swap: NDArray[np.bool_]) -> FloatArray:
    """(b, J) A minus B after (b, G) swaps."""
    stays, goes = (~swap).astype(np.float64), swap.astype(np.float64)
    of_a: Counts = np.concatenate([stays, goes], axis=1)
    of_b: Counts = np.concatenate([goes, stays], axis=1)
    with np.errstate(invalid="ignore"):
        return np.stack([row.summary.of(of_a) - row.summary.of(of_b) for row in rows], axis=1)
