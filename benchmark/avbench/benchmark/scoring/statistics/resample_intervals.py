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
    low, high = _middle(drawn, confidence, interpolate=interpolate)
    return point - factor * (point - low), point + factor * (high - point)


def _middle(drawn: FloatArray, confidence: float, *, interpolate: bool) -> Interval:
    """Both ends of the middle values."""
    last = len(drawn) - 1
    low, high = (last * share for share in ((1 - confidence) / 2, 1 - (1 - confidence) / 2))
    places = [place for at in (low, high) for place in (int(at), min(int(at) + 1, last))]
    # `np.quantile` to the last bit, which spends five times as long on its arguments.
    found = np.partition(drawn, places)[places].tolist()
    if not interpolate:
        return found[0], found[3] if high % 1.0 else found[2]
    return _between(found[0], found[1], low % 1.0), _between(found[2], found[3], high % 1.0)


def _between(low: float, high: float, share: float) -> float:
    return float(low + (high - low) * share if share < 0.5 else high - (high - low) * (1.0 - share))


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
