"""A family of tests over shared arrangements: p-values of each row alone, and of all rows together.

All rows see the same arrangements, so the largest of their differences under "no difference anywhere" is known with
its dependence: rows that say the same thing cost nothing (Westfall and Young 1993; Romano and Wolf 2005, step-down).
The smallest p-value that can be reached is that of a single row, however many rows there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avbench.benchmark.scoring.statistics.arrangements import Swapped
from avbench.benchmark.scoring.statistics.summaries import FloatArray

# Arrangements that give the same difference but for rounding count as equal.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class FamilyTest:
    """Two-sided tests of "no difference" of J rows.

    Attributes:
        p_value: (J,) of each row alone; NaN where a row cannot be tested (an infinite difference).
        family_p_value: (J,) corrected for all rows; NaN likewise.
        critical: How many standard deviations of its arrangements a difference must reach to be significant at the
            level for the whole family; None where no difference could be.
        smallest_p: The smallest p-value that the arrangements can give.
    """

    p_value: FloatArray
    family_p_value: FloatArray
    critical: float | None
    smallest_p: float


def family_test(swapped: Swapped, *, level: float = 0.05) -> FamilyTest:
    """Test J rows together, by the largest standardised difference and step by step.

    Args:
        swapped: The differences and their arrangements.
        level: Of `critical`.
    """
    count, rows = swapped.arranged.shape
    added = 0 if swapped.exact else 1
    smallest = 1.0 / (count + added)
    usable = np.isfinite(swapped.arranged).all(axis=0) & np.isfinite(swapped.observed)
    scale = np.full(rows, np.nan)
    scale[usable] = np.sqrt(np.mean(swapped.arranged[:, usable] ** 2, axis=0))
    safe = np.where(usable & (scale > 0), scale, np.inf)
    with np.errstate(invalid="ignore"):
        observed = np.where(usable, np.abs(swapped.observed) / safe, np.nan)
        arranged = np.abs(swapped.arranged) / safe
    arranged[:, ~usable] = 0.0
    single = np.full(rows, np.nan)
    for row in np.flatnonzero(usable).tolist():
        single[row] = _share_reaching(arranged[:, row], observed[row], added)
    family = np.full(rows, np.nan)
    order = [int(row) for row in np.argsort(-np.where(usable, observed, -np.inf), kind="stable") if usable[row]]
    largest = np.zeros(count)
    # From the smallest difference upwards: each row competes with itself and with all smaller ones.
    for row in reversed(order):
        largest = np.maximum(largest, arranged[:, row])
        family[row] = _share_reaching(largest, observed[row], added)
    running = 0.0
    for row in order:
        running = max(running, float(family[row]))
        family[row] = running
    critical = critical_value(largest, level, added) if order else None
    return FamilyTest(single, family, critical, smallest)


def _share_reaching(arranged: FloatArray, observed: float, added: int) -> float:
    reaching = int(np.count_nonzero(arranged >= observed - _ROUNDING * max(1.0, observed)))
    return (reaching + added) / (len(arranged) + added)


def critical_value(arranged: FloatArray, level: float, added: int) -> float | None:
    """Smallest value whose p-value is at most the level; None where even the largest has a larger one."""
    allowed = int(np.floor(level * (len(arranged) + added) + 1e-9)) - added
    if allowed < 1:
        # Drawn arrangements do not hold the observed one: a value above them all has the smallest p-value.
        return float(arranged.max() * (1 + 1e-9)) if added and allowed >= 0 else None
    ranked = np.sort(arranged)[::-1]
    found = float(ranked[allowed - 1])
    # Values that tie with it count as well: take the next larger one until no more than allowed reach it.
    while np.count_nonzero(arranged >= found - _ROUNDING) > allowed:
        larger = ranked[ranked > found + _ROUNDING]
        if not len(larger):
            return None
        found = float(larger[-1])
    return found
