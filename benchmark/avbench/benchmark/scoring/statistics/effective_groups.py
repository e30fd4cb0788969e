"""How many equal groups the groups of a split are worth.

What a split says about other places is limited by its groups, and by the largest of them: if half of all pairs are of
one place, a hundred other places hardly matter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

Sizes = NDArray[np.integer] | NDArray[np.floating]
"""(G,) number of pairs of each group; groups without a pair are not looked at."""


def effective_groups(sizes: Sizes) -> float:
    """(sum n)^2 / sum n^2: G for equal groups, fewer the more unequal they are; 0 without a pair."""
    squares = float(np.sum(np.square(sizes, dtype=np.float64)))
    return float(np.sum(sizes, dtype=np.float64)) ** 2 / squares if squares else 0.0


def effective_groups_by_leverage(sizes: Sizes, correlation: float) -> float:
    """Effective number of groups of Carter, Schnepel and Steigerwald (2017) for the mean over pairs.

    G / (1 + v), where v is the squared coefficient of variation of what each group adds to the variance of the mean:
    n (1 + (n - 1) r) for n pairs that correlate by r. With r = 0 it is `effective_groups`.

    Args:
        sizes: (G,) pairs of each group.
        correlation: Between pairs of a group, 0 to 1.
    """
    counted = np.asarray(sizes, dtype=np.float64)
    counted = counted[counted > 0]
    return effective_groups(counted * (1 + (counted - 1) * correlation)) if len(counted) else 0.0


def largest_share(sizes: Sizes) -> float:
    """Share of all pairs that are of the largest group; 0 without a pair."""
    total = float(np.sum(sizes, dtype=np.float64))
    return float(np.max(sizes)) / total if total else 0.0


def degrees_of_freedom(sizes: Sizes) -> float:
    """Degrees of freedom of the t quantile for a mean over pairs, G - 1 for equal groups.

    Bell and McCaffrey (2002) for the intercept alone: the spread of the weighted sum of squares about the mean, matched
    to that of a chi-squared. NaN for fewer than two groups.
    """
    shares = _shares(sizes)
    if len(shares) < 2:
        return float("nan")
    # The trace of their matrix squared over that of its square; off the diagonal it has w_g w_h / root((1-w_g)(1-w_h)).
    beside = shares**2 / (1 - shares)
    return 1.0 / float(np.sum(shares**2) + np.sum(beside) ** 2 - np.sum(beside**2))


def small_sample_factor(sizes: Sizes, confidence: float) -> float:
    """What the interval of a few groups must be widened by: the spread that resampling loses, and Student's t.

    Resampling loses a share of 1 / (effective groups) of the variance. NaN for fewer than two groups.
    """
    shares = _shares(sizes)
    if len(shares) < 2:
        return float("nan")
    quantile = 0.5 + confidence / 2
    lost = float(np.sum(shares**2))
    return float(
        np.sqrt(1 / (1 - lost)) * special.stdtrit(degrees_of_freedom(sizes), quantile) / special.ndtri(quantile)
    )


def _shares(sizes: Sizes) -> NDArray[np.float64]:
    counted = np.asarray(sizes, dtype=np.float64)
    counted = counted[counted > 0]
    return np.asarray(counted / counted.sum()) if len(counted) else counted
