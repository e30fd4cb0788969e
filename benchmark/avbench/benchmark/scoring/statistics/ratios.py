"""Ratios of two numbers that are both uncertain.

A ratio says nothing where what it is divided by could be zero: then neither it nor an interval of it is given. Else the
interval is that of Fieller (1954), which holds however the two depend on each other, or one on the log scale where both
are positive in all resamples.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from avbench.benchmark.scoring.statistics.resample_intervals import Interval, percentile_interval, quantile_error
from avbench.benchmark.scoring.statistics.summaries import FloatArray

CLEAR_OF_ZERO = 3.0
"""How many standard errors a denominator must be away from zero."""

_QUANTILE = float(special.ndtri(0.975))


def is_clear_of_zero(point: float, drawn: FloatArray, factor: float = 1.0) -> bool:
    """Whether a number is more than `CLEAR_OF_ZERO` standard errors of its (B,) resamples away from zero.

    Args:
        point: The number.
        drawn: (B,) of the resamples.
        factor: By which the spread of the resamples is too small.
    """
    if not (math.isfinite(point) and np.isfinite(drawn).all()):
        return False
    return abs(point) > CLEAR_OF_ZERO * quantile_error(drawn, factor) and point != 0.0


def fieller_interval(
    above: float, below: float, variances: tuple[float, float, float], quantile: float
) -> Interval | None:
    """Interval of above / below (Fieller 1954): all ratios r for which above - r below is within its own spread of 0.

    Args:
        above: Numerator.
        below: Denominator.
        variances: Variance of the numerator, of the denominator, and their covariance.
        quantile: Of the normal or of Student's t, 1.96 for 95 %.

    Returns:
        The ends; None where the denominator is not clear of zero at this quantile, so that the set is no interval.
    """
    of_above, of_below, shared = variances
    squared = quantile**2
    a = below**2 - squared * of_below
    b = above * below - squared * shared
    c = above**2 - squared * of_above
    inside = b**2 - a * c
    if a <= 0 or inside < 0:
        return None
    return (b - math.sqrt(inside)) / a, (b + math.sqrt(inside)) / a


def ratio_interval(
    above: float, below: float, drawn_above: FloatArray, drawn_below: FloatArray, factor: float = 1.0
) -> Interval | None:
    """95 % interval of a ratio whose denominator is clear of zero.

    On the log scale where all resamples of both are positive, else Fieller's from the variances of the resamples.

    Args:
        above: Numerator.
        below: Denominator.
        drawn_above: (B,) numerators of the resamples.
        drawn_below: (B,) denominators of the same resamples.
        factor: By which the interval is widened for few groups.

    Returns:
        The ends, None where they are not finite.
    """
    usable = np.isfinite(drawn_above) & np.isfinite(drawn_below)
    if not (math.isfinite(above) and math.isfinite(below) and usable.any()):
        return None
    drawn_above, drawn_below = drawn_above[usable], drawn_below[usable]
    if above > 0 and below > 0 and (drawn_above > 0).all() and (drawn_below > 0).all():
        low, high = percentile_interval(math.log(above / below), np.log(drawn_above) - np.log(drawn_below), factor)
        return math.exp(low), math.exp(high)
    covariance = np.cov(drawn_above, drawn_below)
    return fieller_interval(above, below, (covariance[0, 0], covariance[1, 1], covariance[0, 1]), _QUANTILE * factor)
