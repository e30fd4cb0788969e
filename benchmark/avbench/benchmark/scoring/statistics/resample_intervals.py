"""Intervals of one number from its resamples.

Percentiles of the resamples, widened for few groups; and studentised ones (bootstrap-t; Davison and Hinkley 1997,
section 5.2), which hold the mean of skewed values better.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from avbench.benchmark.scoring.statistics.summaries import FloatArray

Interval = tuple[float, float]


def percentile_interval(
    point: float, drawn: FloatArray, factor: float = 1.0, *, confidence: float = 0.95, interpolate: bool = True
) -> Interval:
    """Percentiles of (B,) resamples, their distance from the point widened by a factor.

    Args:
        point: Of all values.
        drawn: (B,) of the resamples, without NaN.
        factor: See `effective_groups.small_sample_factor`.
        confidence: Of the interval.
        interpolate: Whether ends lie between resamples; not where some are infinite.
    """
    tail = (1 - confidence) / 2
    low = float(np.quantile(drawn, tail, method="linear" if interpolate else "lower"))
    high = float(np.quantile(drawn, 1 - tail, method="linear" if interpolate else "higher"))
    return point - factor * (point - low), point + factor * (high - point)


def studentised_interval(
    point: float, error: float, drawn: FloatArray, drawn_errors: FloatArray, *, confidence: float = 0.95
) -> Interval | None:
    """Bootstrap-t: quantiles of (resample - point) / its own standard error, times the standard error of the point.

    Args:
        point: Of all values.
        error: Its standard error.
        drawn: (B,) of the resamples.
        drawn_errors: (B,) standard error of each resample; resamples without one are left out.
        confidence: Of the interval.

    Returns:
        The ends, None where no resample has a standard error.
    """
    usable = (drawn_errors > 0) & np.isfinite(drawn_errors)
    if not usable.any():
        return None
    ratio = (drawn[usable] - point) / drawn_errors[usable]
    tail = (1 - confidence) / 2
    low, high = np.quantile(ratio, [tail, 1 - tail])
    return float(point - high * error), float(point - low * error)


def quantile_error(drawn: FloatArray, factor: float = 1.0) -> float:
    """Standard error of (B,) resamples from their quantiles: half of what lies between 15.9 and 84.1 per cent.

    Unlike the standard deviation it stays itself where a few resamples fall apart.
    """
    low, high = np.quantile(drawn, special.ndtr([-1.0, 1.0]))
    return float(factor * (high - low) / 2)
