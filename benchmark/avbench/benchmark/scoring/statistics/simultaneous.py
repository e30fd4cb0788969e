"""Intervals that hold for several numbers at once, and so for the one that was picked because it is the largest."""

from __future__ import annotations

import numpy as np

from avbench.benchmark.scoring.statistics.resample_intervals import quantile_error
from avbench.benchmark.scoring.statistics.summaries import FloatArray


def simultaneous_intervals(
    points: FloatArray, drawn: FloatArray, factor: float = 1.0, *, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Ends that hold for all numbers together: each standard error times one quantile of the largest deviation.

    Args:
        points: (K,) numbers.
        drawn: (B, K) of the same resamples.
        factor: By which they are widened for few groups.
        confidence: That all hold.

    Returns:
        (K,) lower and (K,) upper ends. A number that is the same in every resample has no width.
    """
    errors = np.array([quantile_error(column) for column in drawn.T])
    safe = np.where(errors > 0, errors, np.inf)
    deviation = (drawn - points) / safe
    # Two one-sided quantiles, so that a skewed number keeps its skew.
    tail = (1 - confidence) / 2
    most = float(np.quantile(deviation.max(axis=1), 1 - tail))
    least = float(np.quantile(deviation.min(axis=1), tail))
    return points + factor * least * errors, points + factor * most * errors
