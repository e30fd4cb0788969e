"""How sure a number is: bootstrap over groups, and differences of the same resamples.

Pairs of one place, take or wearer resemble each other, so groups are resampled, not pairs (cluster bootstrap; Davison
and Hinkley 1997, section 3.8; Cameron, Gelbach and Miller 2008). How far that holds depends on the effective number of
groups: one that has half of all pairs outweighs a hundred others. With fewer than `FEWEST_GROUPS` effective groups
there is no interval; with fewer than `FEW_GROUPS` there is one that is flagged, since it is then known to be too short.

A resample is a vector of counts, one per group. Means, medians and AUCs of all resamples follow from those counts
without drawing a single pair, and two runs that share the counts are compared pair by pair. `sample` computes a
statistic of all pairs and of all resamples; an interval, a difference, a contrast or a ratio is then arithmetic on
these. Pure functions; a seed makes them repeatable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.scoring.statistics.effective_groups import effective_groups, largest_share, small_sample_factor
from avbench.benchmark.scoring.statistics.proportions import interval_of_a_constant
from avbench.benchmark.scoring.statistics.ratios import is_clear_of_zero, ratio_interval
from avbench.benchmark.scoring.statistics.resample_intervals import (
    Interval,
    percentile_interval,
    quantile_error,
    studentised_interval,
)
from avbench.benchmark.scoring.statistics.summaries import Prepare, prepare_mean
from avbench.preprocessing.base.geometry import FloatArray

FEWEST_GROUPS = 10
FEW_GROUPS = 50
DEFAULT_RESAMPLES = 2000
CONFIDENCE = 0.95

# Studentised ends are at most so many times as far from the number as percentiles: a single group that failed can put
# them anywhere.
_FARTHEST = 3.0
# Resamples that differ by less than this share of the number are one value.
_ONE_VALUE = 1e-9
_KEPT_PARTS = 8


class IntervalNote(StrEnum):
    """What a reader must know about an interval."""

    NONE = ""
    FEW_GROUPS = "few effective groups: the interval is likely too short"
    TOO_FEW_GROUPS = "fewer than 10 effective groups: no interval"
    NOTHING_SCORED = "no pair is scored"
    INFINITE = "infinite errors: no interval"
    UNSTABLE_RATIO = "what it is divided by is not clear of zero: no ratio"
    ONE_VALUE = "the same in every resample: no interval"
    NOT_MET = "the same in every group: the interval is for groups that differ and were not met"

    @classmethod
    def _missing_(cls, value: object) -> IntervalNote | None:
        # As files of earlier versions have them.
        return {
            "few groups: the interval is likely too short": cls.FEW_GROUPS,
            "fewer than 10 groups: no interval": cls.TOO_FEW_GROUPS,
            "what it is divided by is not clear of zero: no interval": cls.UNSTABLE_RATIO,
        }.get(str(value))


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: The statistic of all pairs; NaN where nothing is scored, and of a ratio that is refused.
        low: Lower end, None where there is no interval.
        high: Upper end.
        groups: Number of groups.
        pairs: Number of pairs.
        note: What a reader must know.
        effective_groups: How many equal groups these are worth; None where that was not stored.
        largest_share: Share of the pairs that are of the largest group; None likewise.
    """

    value: float
    low: float | None
    high: float | None
    groups: int
    pairs: int
    note: IntervalNote
    effective_groups: float | None = None
    largest_share: float | None = None

    def scaled(self, factor: float) -> Estimate:
        """These values in another unit, multiplied by `factor` (above 0)."""
        low, high = (None if end is None else factor * end for end in (self.low, self.high))
        return replace(self, value=factor * self.value, low=low, high=high)

    def to_json(self) -> dict[str, Any]:
        """JSON values; NaN becomes null, infinity the string "inf"."""
        return {
            "value": json_number(self.value),
            "low": json_number(self.low),
            "high": json_number(self.high),
            "groups": self.groups,
            "effective_groups": None if self.effective_groups is None else round(self.effective_groups, 2),
            "largest_group_share": None if self.largest_share is None else round(self.largest_share, 4),
            "pairs": self.pairs,
            "note": str(self.note),
        }


@dataclass(frozen=True)
class Difference:
    """One statistic minus another on the same resamples.

    Attributes:
        estimate: The difference with its interval.
        standard_error: Spread of the resamples between their quantiles at -1 and 1 standard deviation of a normal, None
            without an interval.
        smallest_detectable: Size of a true difference that a run like this would find significant for its whole family
            in 80 % of repetitions; None where it was not tested, or where no difference that is possible would be.
        p_value: Two-sided p-value of "no difference" by swaps of whole groups, of this row alone; None where it was not
            tested.
        family_p_value: The p-value corrected for all rows of its family; None likewise.
    """

    estimate: Estimate
    standard_error: float | None
    smallest_detectable: float | None = None
    p_value: float | None = None
    family_p_value: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values: those of the estimate and the rest."""
        return {
            **self.estimate.to_json(),
            "standard_error": json_number(self.standard_error),
            "smallest_detectable": json_number(self.smallest_detectable),
            "p_value": json_number(self.p_value),
            "family_p_value": json_number(self.family_p_value),
        }


def json_number(value: float | None) -> float | str | None:
    """A number as strict JSON can hold it: NaN becomes null, an infinity "inf" or "-inf"."""
    if value is None or math.isnan(value):
        return None
    return value if math.isfinite(value) else "inf" if value > 0 else "-inf"


@dataclass(frozen=True)
class Clusters:
    """Which group each pair belongs to, and the drawn resamples.

    Attributes:
        index: (N,) group number of each pair, 0 to groups - 1.
        counts: (B, groups) how often each resample holds each group; (0, groups) where there are too few.
    """

    index: NDArray[np.int64]
    counts: NDArray[np.float64]
    _parts: dict[bytes, Clusters] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.counts.shape[1])

    @cached_property
    def sizes(self) -> FloatArray:
        """(groups,) number of pairs of each group."""
        return np.bincount(self.index, minlength=self.groups).astype(np.float64)

    def subset(self, keep: NDArray[np.bool_]) -> Clusters:
        """These resamples for some of the pairs; groups without one stay, with nothing in them.

        Metrics and conditions leave out the same pairs again and again: the latest parts are kept.
        """
        if keep.all():
            return self
        key = keep.tobytes()
        if key not in self._parts:
            if len(self._parts) >= _KEPT_PARTS:
                self._parts.clear()
            self._parts[key] = Clusters(self.index[keep], self.counts)
        return self._parts[key]


def draw_clusters(group_ids: Sequence[str], *, resamples: int = DEFAULT_RESAMPLES, seed: int = 0) -> Clusters:
    """Number the groups and draw the resamples; groups are sorted, so the order of the pairs does not matter."""
    names, index = np.unique(np.asarray(group_ids, dtype=object).astype(str), return_inverse=True)
    groups = len(names)
    if groups < FEWEST_GROUPS:
        return Clusters(index.astype(np.int64), np.zeros((0, groups)))
    random = np.random.default_rng(seed)
    counts = random.multinomial(groups, np.full(groups, 1.0 / groups), size=resamples)
    return Clusters(index.astype(np.int64), counts.astype(np.float64))


def ungrouped(pairs: int) -> Clusters:
    """One group of all pairs and no resamples, where no intervals are asked for."""
    return Clusters(np.zeros(pairs, dtype=np.int64), np.zeros((0, 1)))


@dataclass(frozen=True)
class Totals:
    """What a mean over pairs, or a difference of two of the same pairs, is made of.

    Attributes:
        sums: (groups,) sum of the values of each group.
        sizes: (groups,) pairs of each group.
        counts: (B, groups) the resamples.
    """

    sums: FloatArray
    sizes: FloatArray
    counts: NDArray[np.float64]

    def interval(self, point: float, drawn: FloatArray) -> Interval | None:
        """Studentised interval of (B,) resamples; None where a noticeable part of them has no spread of its own."""
        pairs = self.sizes.sum()
        error = math.sqrt(float(np.sum((self.sums - point * self.sizes) ** 2))) / pairs
        # About the point, so that what is left of large sums is not rounding.
        rest = self.sums - point * self.sizes
        squares, crossed, sized, held = (
            self.counts @ np.stack([rest**2, rest * self.sizes, self.sizes**2, self.sizes], axis=1)
        ).T
        moved = drawn - point
        with np.errstate(invalid="ignore", divide="ignore"):
            errors = np.sqrt(np.maximum(squares - 2 * moved * crossed + moved**2 * sized, 0.0)) / held
        usable = errors > _ONE_VALUE * error
        return studentised_interval(point, error, drawn[usable], errors[usable]) if usable.mean() > 0.99 else None

    def minus(self, other: Totals) -> Totals | None:
        """Those of a difference; None where the two are not of the same pairs."""
        if not np.array_equal(self.sizes, other.sizes):
            return None
        return Totals(self.sums - other.sums, self.sizes, self.counts)


@dataclass(frozen=True)
class Sampled:
    """A statistic of all pairs and of every resample.

    Attributes:
        point: Of all pairs; NaN where nothing is scored.
        drawn: (B,) of the resamples: NaN for one without a pair, B is 0 where there are too few groups.
        sizes: (groups,) scored pairs of each group.
        finite: Whether all values were finite.
        bounds: What the statistic can be.
        totals: What a mean, or a difference of two, is made of; None for other statistics.
        refused: Whether it is a ratio of which the denominator is not clear of zero.
        fraction: Numerator and denominator of a ratio.
    """

    point: float
    drawn: FloatArray
    sizes: FloatArray
    finite: bool = True
    bounds: tuple[float, float] = (-math.inf, math.inf)
    totals: Totals | None = None
    refused: bool = False
    fraction: tuple[Sampled, Sampled] | None = None

    @cached_property
    def groups(self) -> int:
        """Groups with a scored pair."""
        return int(np.count_nonzero(self.sizes))

    @cached_property
    def pairs(self) -> int:
        """Scored pairs."""
        return int(self.sizes.sum())

    @cached_property
    def effective_groups(self) -> float:
        """How many equal groups these are worth."""
        return round(effective_groups(self.sizes), 6)

    @property
    def factor(self) -> float:
        """What percentile intervals are widened by."""
        return small_sample_factor(self.sizes, CONFIDENCE)

    @property
    def lost_spread(self) -> float:
        """What the standard deviation of the resamples must be multiplied by: they lose a share of 1 / groups."""
        effective = self.effective_groups
        return math.sqrt(effective / (effective - 1)) if effective > 1 else math.nan

    @property
    def usable(self) -> FloatArray:
        """Resamples that have a value."""
        return self.drawn[~np.isnan(self.drawn)]

    @cached_property
    def estimate(self) -> Estimate:
        """The number with its interval."""
        ends: Interval | None = None
        note = self._note()
        if note in (IntervalNote.NONE, IntervalNote.FEW_GROUPS):
            if self._is_one_value:
                ends = self._ends_of_one_value()
                note = IntervalNote.ONE_VALUE if ends is None else IntervalNote.NOT_MET
            else:
                ends = self._ends()
        low, high = (None, None) if ends is None else ends
        return Estimate(
            math.nan if self.refused else self.point,
            None if low is None else max(low, self.bounds[0]),
            None if high is None else min(high, self.bounds[1]),
            self.groups,
            self.pairs,
            note,
            self.effective_groups,
            largest_share(self.sizes),
        )

    def _ends(self) -> Interval:
        if self.fraction is not None:
            above, below = self.fraction
            found = ratio_interval(above.point, below.point, above.drawn, below.drawn, self.factor)
            if found is not None:
                return found
        # Ends are taken from the drawn values themselves where some are infinite: nothing to interpolate with.
        low, high = percentile_interval(self.point, self.usable, self.factor, interpolate=self.finite)
        # Where a few groups outweigh the others, resamples have too little of them to studentise by.
        if self.totals is None or not self.finite or self.effective_groups < self.groups / 2:
            return low, high
        studentised = self.totals.interval(self.point, self.drawn)
        if studentised is None:
            return low, high
        return (
            max(studentised[0], self.point - _FARTHEST * (self.point - low)),
            min(studentised[1], self.point + _FARTHEST * (high - self.point)),
        )

    @property
    def _is_one_value(self) -> bool:
        usable = self.usable
        if not np.isfinite(usable).all():
            return False
        return bool(np.ptp(usable) <= _ONE_VALUE * max(1.0, abs(self.point)))

    def _ends_of_one_value(self) -> Interval | None:
        # What is known of unmet groups is only what a mean of bounded values can be: nothing of a difference.
        if self.totals is None or self.bounds[0] < 0.0:
            return None
        return interval_of_a_constant(self.point, self.bounds, self.effective_groups)

    def minus(self, other: Sampled) -> Sampled:
        """The difference on the same resamples."""
        sizes = np.minimum(self.sizes, other.sizes)
        if not self.pairs or not other.pairs:
            return Sampled(math.nan, self.drawn - other.drawn, np.zeros_like(sizes))
        with np.errstate(invalid="ignore"):
            point, drawn = float(np.subtract(self.point, other.point)), self.drawn - other.drawn
        both = self.totals is not None and other.totals is not None
        return Sampled(
            point,
            drawn,
            sizes,
            self.finite and other.finite,
            bounds=(self.bounds[0] - other.bounds[1], self.bounds[1] - other.bounds[0]),
            totals=self.totals.minus(other.totals) if both else None,  # type: ignore[union-attr, arg-type]
            refused=self.refused or other.refused,
        )

    def over(self, other: Sampled) -> Sampled:
        """The ratio on the same resamples; refused where `other` is within three standard errors of zero."""
        sizes = np.minimum(self.sizes, other.sizes)
        if not self.pairs or not other.pairs:
            return Sampled(math.nan, self.drawn - other.drawn, np.zeros_like(sizes))
        with np.errstate(invalid="ignore", divide="ignore"):
            point, drawn = float(np.divide(self.point, other.point)), self.drawn / other.drawn
        # Without resamples nothing is known of the denominator but whether it is zero.
        clear = is_clear_of_zero(other.point, other.drawn, other.lost_spread) if len(drawn) else other.point != 0.0
        infinite = not (self.finite and other.finite)
        return Sampled(
            point,
            drawn,
            sizes,
            not infinite and math.isfinite(point) and bool(np.isfinite(drawn).all()),
            refused=self.refused or other.refused or (not clear and not infinite),
            fraction=(self, other),
        )

    def percent_below(self, other: Sampled) -> Estimate:
        """By how many per cent this is below another; refused where the other is not clear of zero."""
        share = self.over(other).estimate
        low, high = (None if end is None else 100.0 * (1.0 - end) for end in (share.high, share.low))
        return replace(share, value=100.0 * (1.0 - share.value), low=low, high=high)

    def _note(self) -> IntervalNote:
        if not self.pairs:
            return IntervalNote.NOTHING_SCORED
        if self.refused:
            return IntervalNote.UNSTABLE_RATIO
        if self.effective_groups < FEWEST_GROUPS or not len(self.drawn):
            return IntervalNote.TOO_FEW_GROUPS
        if not math.isfinite(self.point) or (not self.finite and np.isnan(self.drawn).any()):
            return IntervalNote.INFINITE
        return IntervalNote.FEW_GROUPS if self.effective_groups < FEW_GROUPS else IntervalNote.NONE


def sample(values: ArrayLike, clusters: Clusters, statistic: Prepare = prepare_mean) -> Sampled:
    """A statistic of (N,) values and of its resamples; NaN values mark pairs that are not scored and are left out."""
    array = np.asarray(values, dtype=np.float64)
    scored = ~np.isnan(array)
    kept, array = clusters.subset(scored), array[scored]
    summary = statistic(array, kept.index, kept.groups)
    totals = None if summary.sums is None else Totals(summary.sums, kept.sizes, kept.counts)
    return Sampled(summary.point, summary.of(kept.counts), kept.sizes, bool(np.isfinite(array).all()), totals=totals)


def average(sampled: Sequence[Sampled]) -> Sampled:
    """The plain mean of several numbers of the same resamples."""
    first = sampled[0]
    return Sampled(
        point=float(np.mean([one.point for one in sampled])),
        drawn=np.asarray(np.mean([one.drawn for one in sampled], axis=0)),
        sizes=first.sizes,
        finite=all(one.finite for one in sampled),
        refused=any(one.refused for one in sampled),
    )


def estimate(values: ArrayLike, clusters: Clusters, statistic: Prepare = prepare_mean) -> Estimate:
    """A statistic of (N,) values with its interval; NaN values mark pairs that are not scored and are left out."""
    return sample(values, clusters, statistic).estimate


def shares_below(errors: Sequence[ArrayLike], thresholds: FloatArray, clusters: Clusters) -> tuple[Estimate, ...]:
    """Share of errors below each of T thresholds, in per cent, with its interval, all at once.

    Args:
        errors: (N,) errors of the same pairs under one or more conditions, pooled; NaN where a pair is not scored. The
            groups of a pair stay together in every resample.
        thresholds: (T,) in ascending order.
        clusters: Groups of the N pairs and the resamples.
    """
    steps = len(thresholds)
    held = np.zeros((clusters.groups, steps + 1))
    for one in errors:
        array = np.asarray(one, dtype=np.float64)
        scored = ~np.isnan(array)
        # The number of thresholds that an error is not below.
        step = np.searchsorted(thresholds, array[scored], side="right")
        cells = clusters.index[scored] * (steps + 1) + step
        held += np.bincount(cells, minlength=held.size).reshape(held.shape)
    below = np.cumsum(held, axis=1)
    reached, sizes = 100.0 * below[:, :steps], below[:, steps]
    with np.errstate(invalid="ignore", divide="ignore"):
        points = reached.sum(axis=0) / sizes.sum()
        drawn = (clusters.counts @ reached) / (clusters.counts @ sizes)[:, None]
    return tuple(
        Sampled(
            float(point),
            np.ascontiguousarray(values),
            sizes,
            bounds=(0.0, 100.0),
            totals=Totals(sums, sizes, clusters.counts),
        ).estimate
        for point, values, sums in zip(points, drawn.T, reached.T, strict=True)
    )


def difference(a: Sampled, b: Sampled) -> Difference:
    """A minus B, where both were sampled with the same resamples: of the same pairs, it is a paired difference."""
    apart = a.minus(b)
    result = apart.estimate
    usable = apart.usable
    if result.low is None or not np.isfinite(usable).all():
        return Difference(result, None)
    return Difference(result, quantile_error(usable, apart.lost_spread))
