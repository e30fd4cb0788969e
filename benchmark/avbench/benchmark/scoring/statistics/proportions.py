"""What is known of a share of groups from a count of them, exactly."""

from __future__ import annotations

import math

from scipy import special


def clopper_pearson(found: float, groups: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a share of which `found` of `groups` were seen (Clopper and Pearson 1934).

    Groups may be effective ones. Of what was never seen the upper end is about 3.7 / groups, and 3 / groups (the "rule
    of three") if only the upper end is asked for, at a confidence of 0.90.

    Raises:
        ValueError: Fewer than none or more than all were found, or there is no group.
    """
    if not 0 <= found <= groups or groups < 1:
        raise ValueError(f"{found} of {groups} is no share")
    tail = (1 - confidence) / 2
    low = 0.0 if found == 0 else float(special.betaincinv(found, groups - found + 1, tail))
    high = 1.0 if found == groups else float(special.betaincinv(found + 1, groups - found, 1 - tail))
    return low, high


def interval_of_a_constant(
    value: float, bounds: tuple[float, float], groups: float, *, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Interval of a mean that is the same in every group, of values that could be anything within bounds.

    Resampling says nothing here: groups that differ may exist and not have been met. Their share is at most that of
    Clopper and Pearson's upper limit, and at worst they lie on a bound.

    Args:
        value: The mean of every group.
        bounds: What a value can be.
        groups: Effective number of groups.
        confidence: Of the interval.

    Returns:
        The ends, None where a bound is infinite.
    """
    if not (math.isfinite(bounds[0]) and math.isfinite(bounds[1])):
        return None
    share = clopper_pearson(0, groups, confidence=confidence)[1]
    return value - share * (value - bounds[0]), value + share * (bounds[1] - value)
