"""How large a true difference must be for a run of this size to show it."""

from __future__ import annotations

import math

import numpy as np

from avbench.benchmark.scoring.statistics.summaries import FloatArray

# Halvings of the range in which the difference is sought: to a millionth of it.
_HALVINGS = 30


def detectable_difference(
    noise: FloatArray, scale: float, critical: float, groups: float, most: float, *, power: float = 0.8
) -> float | None:
    """Smallest true difference that is significant in a share `power` of repetitions.

    Repetitions are the run's own resamples about their centre, moved by the difference. A swap test standardises by
    what it sees, so a true difference d widens the scale as well: to the root of scale^2 + d^2 / groups.

    Args:
        noise: (B,) resamples of the difference minus their point.
        scale: Standard deviation of the difference where there is none: that of `noise`, from its quantiles.
        critical: How many scales are significant.
        groups: Effective number of groups.
        most: The largest difference there can be.
        power: Share of repetitions that are to find it.

    Returns:
        The difference; None where none that is possible would be detected.
    """

    def detected(size: float) -> float:
        moved = noise + size
        wide = math.sqrt(scale**2 + size**2 / groups)
        return float(np.mean(np.abs(moved) >= critical * wide)) if wide > 0 else 0.0

    if scale <= 0 and not np.any(noise):
        return 0.0 if critical < math.sqrt(groups) else None
    high = scale * critical + float(np.max(np.abs(noise)))
    while detected(high) < power:
        high *= 2
        if high > min(most, 1e6 * (scale + float(np.max(np.abs(noise))))):
            high = most
            break
    if not math.isfinite(high) or high > most or detected(high) < power:
        if not math.isfinite(most) or detected(most) < power:
            return None
        high = most
    low = 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if detected(middle) >= power else (middle, high)
    return high
