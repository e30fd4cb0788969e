"""Families of paired differences: every row of a table tested together, by swaps of whole groups.

Two runs that are equally good may be exchanged within a group without changing anything that matters. All rows of a
family see the same exchanges, so that what is corrected for is what the rows have in common. What a family cannot
reach, however large the differences, is said with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from avbench.benchmark.scoring.bootstrap import CONFIDENCE, Clusters, Difference, Sampled, difference
from avbench.benchmark.scoring.statistics.arrangements import (
    DEFAULT_DRAWN,
    MOST_EXACT,
    Arrangements,
    arrange,
    swap_row,
    swapped,
)
from avbench.benchmark.scoring.statistics.detectable import detectable_difference
from avbench.benchmark.scoring.statistics.family import FamilyTest, family_test
from avbench.benchmark.scoring.statistics.summaries import Prepare
from avbench.preprocessing.base.geometry import FloatArray

LEVEL = 1 - CONFIDENCE
"""Level at which a family names differences."""

# All exchanges are looked at while there are no more than this many numbers of pairs and rows to summarise.
_MOST_WORK = 2e9


@dataclass(frozen=True)
class PairedRow:
    """One statistic of two models on the same pairs.

    Attributes:
        a: The statistic of model A, sampled.
        b: That of model B, of the same resamples.
        values_a: (N,) what it is of, for model A; NaN where a pair is not scored.
        values_b: (N,) for model B.
        statistic: The statistic.
    """

    a: Sampled
    b: Sampled
    values_a: FloatArray
    values_b: FloatArray
    statistic: Prepare


@dataclass(frozen=True)
class Family:
    """Tested differences.

    Attributes:
        differences: One a row, A minus B.
        tested: How many of them could be tested: the family of the correction.
        smallest_p: The smallest p-value that can be reached, of one row and of the family alike; None without a test.
        exchanges: How many exchanges were looked at.
        exact: Whether these are all there are.
    """

    differences: tuple[Difference, ...]
    tested: int
    smallest_p: float | None
    exchanges: int
    exact: bool


def tested_differences(rows: Sequence[PairedRow], clusters: Clusters) -> Family:
    """Differences of all rows, tested together.

    Args:
        rows: J statistics of the same N pairs.
        clusters: Groups of these pairs and the resamples.
    """
    plain = tuple(difference(row.a, row.b) for row in rows)
    chosen = [number for number, row in enumerate(rows) if row.a.pairs and row.b.pairs]
    scored = np.zeros(len(clusters.index), dtype=np.bool_)
    for number in chosen:
        scored |= ~(np.isnan(rows[number].values_a) | np.isnan(rows[number].values_b))
    held = np.unique(clusters.index[scored])
    if not len(held):
        return Family(plain, 0, None, 0, exact=False)
    # Groups without a pair can be exchanged without any change: they are no evidence.
    index = np.searchsorted(held, clusters.index[scored])
    arrangements = _arrangements(len(held), len(chosen) * int(scored.sum()))
    test = family_test(
        swapped(
            [
                swap_row(row.statistic, row.values_a[scored], row.values_b[scored], index, len(held))
                for row in (rows[number] for number in chosen)
            ],
            arrangements,
        ),
        level=LEVEL,
    )
    found = list(plain)
    for place, number in enumerate(chosen):
        found[number] = _tested(plain[number], rows[number], test, place)
    return Family(
        tuple(found),
        int(np.isfinite(test.p_value).sum()),
        test.smallest_p,
        arrangements.count * (2 if arrangements.exact else 1),
        arrangements.exact,
    )


def _arrangements(groups: int, size: int) -> Arrangements:
    return arrange(groups, drawn=DEFAULT_DRAWN, most_exact=min(MOST_EXACT, max(4096, int(_MOST_WORK / max(size, 1)))))


def _tested(plain: Difference, row: PairedRow, test: FamilyTest, place: int) -> Difference:
    if math.isnan(test.p_value[place]):
        return plain
    apart, detectable = row.a.minus(row.b), None
    if plain.standard_error is not None and test.critical is not None:
        noise = (apart.usable - apart.point) * apart.lost_spread
        detectable = detectable_difference(
            noise, plain.standard_error, test.critical, apart.effective_groups, apart.bounds[1]
        )
    return replace(
        plain,
        p_value=float(test.p_value[place]),
        family_p_value=float(test.family_p_value[place]),
        smallest_detectable=detectable,
    )
