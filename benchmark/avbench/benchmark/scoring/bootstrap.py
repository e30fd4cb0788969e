"""How sure a number is: bootstrap over groups, paired comparisons, families of tests.

Pairs of one place, take or wearer resemble each other, so groups are resampled, not pairs (cluster bootstrap; Davison
and Hinkley 1997, section 3.8; Cameron, Gelbach and Miller 2008). Fewer than `FEWEST_GROUPS` groups give no interval;
fewer than `FEW_GROUPS` give one that is flagged, since it is then known to be too short.

A resample is a vector of counts, one per group. Means, medians and AUCs of all resamples follow from those counts
without drawing a single pair, and two runs that share the counts are compared pair by pair. `sample` computes a
statistic of all pairs and of all resamples; an interval, a difference, a contrast or a ratio is then arithmetic on
these. Pure functions; a seed makes them repeatable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from avbench.benchmark.metrics.definitions import auc_percent, auc_terms
from avbench.preprocessing.base.geometry import FloatArray

FEWEST_GROUPS = 10
FEW_GROUPS = 50
DEFAULT_RESAMPLES = 2000
CONFIDENCE = 0.95
POWER = 0.8
"""Power for which the smallest detectable effect is stated."""

# Groups whose largest errors are looked at before all are: only one resample in e^32 holds none of them.
_LIKELY_LARGEST = 32
_KEPT_PARTS = 8
# Multiplications that take as long as looking one place of a ranking up.
_PRODUCTS_PER_PLACE = 100
_PLACES_AT_ONCE = 2_000_000


class IntervalNote(StrEnum):
    """What a reader must know about an interval."""

    NONE = ""
    FEW_GROUPS = "few groups: the interval is likely too short"
    TOO_FEW_GROUPS = "fewer than 10 groups: no interval"
    NOTHING_SCORED = "no pair is scored"
    INFINITE = "infinite errors: no interval"
    UNSTABLE_RATIO = "what it is divided by is not clear of zero: no interval"


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: The statistic of all pairs; NaN where nothing is scored.
        low: Lower end, None where there is no interval.
        high: Upper end.
        groups: Number of groups.
        pairs: Number of pairs.
        note: What a reader must know.
    """

    value: float
    low: float | None
    high: float | None
    groups: int
    pairs: int
    note: IntervalNote

    def to_json(self) -> dict[str, Any]:
        """JSON values; NaN becomes null, infinity the string "inf"."""
        return {
            "value": json_number(self.value),
            "low": json_number(self.low),
            "high": json_number(self.high),
            "groups": self.groups,
            "pairs": self.pairs,
            "note": str(self.note),
        }


@dataclass(frozen=True)
class Difference:
    """One statistic minus another on the same resamples.

    Attributes:
        estimate: The difference with its interval.
        standard_error: Bootstrap standard error, None without an interval.
        smallest_detectable: Size of a true difference that this many groups would show as clear of zero in 80 % of
            repetitions at the 5 % level, two-sided.
        p_value: Two-sided p-value of "no difference"; see `difference`.
    """

    estimate: Estimate
    standard_error: float | None
    smallest_detectable: float | None
    p_value: float | None

    def to_json(self) -> dict[str, Any]:
        """JSON values: those of the estimate and the rest."""
        return {
            **self.estimate.to_json(),
            "standard_error": json_number(self.standard_error),
            "smallest_detectable": json_number(self.smallest_detectable),
            "p_value": json_number(self.p_value),
        }


@dataclass(frozen=True)
class Wins:
    """How often run A is better than run B on a pair.

    Attributes:
        a_better: Pairs on which A has the smaller error, by more than the tie.
        ties: Pairs on which neither can be called better.
        b_better: Pairs on which B has.
        share: Share of the pairs on which A is better, ties counted half, with its interval; 0.5 is a draw.
    """

    a_better: int
    ties: int
    b_better: int
    share: Estimate

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "a_better": self.a_better,
            "ties": self.ties,
            "b_better": self.b_better,
            "share": self.share.to_json(),
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
    def sizes(self) -> NDArray[np.int64]:
        """(groups,) number of pairs of each group."""
        return np.asarray(np.bincount(self.index, minlength=self.groups), dtype=np.int64)

    @cached_property
    def drawn_pairs(self) -> FloatArray:
        """(B,) number of pairs of each resample."""
        return np.asarray(self.sizes.astype(np.float64) @ self.counts.T)

    @property
    def held(self) -> int:
        """Number of groups with a pair."""
        return int(np.count_nonzero(self.sizes))

    def drawn_sums(self, values: FloatArray) -> FloatArray:
        """(B,) sums of (N,) values over the pairs of each resample."""
        return np.asarray(np.bincount(self.index, weights=values, minlength=self.groups) @ self.counts.T)

    def subset(self, keep: NDArray[np.bool_]) -> Clusters:
        """The same resamples for some of the pairs; groups without one stay, with nothing in them.

        Metrics and conditions leave out the same pairs again and again: the latest parts are kept.
        """
        key = keep.tobytes()
        if key not in self._parts:
            if len(self._parts) >= _KEPT_PARTS:
                self._parts.clear()
            self._parts[key] = Clusters(self.index[keep], self.counts)
        return self._parts[key]


Statistic = Callable[[FloatArray, Clusters], tuple[float, FloatArray]]
"""(N,) values and clusters -> the value of all pairs, and (B,) values of the resamples (NaN for an empty one)."""


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


def mean_statistic(values: FloatArray, clusters: Clusters) -> tuple[float, FloatArray]:
    """Mean over pairs; with an infinite value the mean is infinite and the resamples are NaN."""
    if not np.isfinite(values).all():
        return float(values.mean()), np.full(len(clusters.counts), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = clusters.drawn_sums(values) / clusters.drawn_pairs
    return float(values.mean()) if len(values) else float("nan"), drawn


def median_statistic(values: FloatArray, clusters: Clusters) -> tuple[float, FloatArray]:
    """Median over pairs (the mean of the middle two for an even number)."""
    if not len(values):
        return float("nan"), np.full(len(clusters.counts), np.nan)
    order = np.argsort(values, kind="stable")
    ranked, index = values[order], clusters.index[order]
    # The ranked pairs are cut into blocks: first the block that holds the middle is found from how many pairs of each
    # group every block has, then the place in it. So many blocks that both cost about the same.
    width = math.ceil(math.sqrt(len(ranked) * clusters.groups / _PRODUCTS_PER_PLACE))
    blocks = -(-len(ranked) // width)
    cells = index * blocks + np.arange(len(index)) // width
    held = np.bincount(cells, minlength=clusters.groups * blocks).reshape(clusters.groups, blocks)
    # Running counts of the groups, not of the resamples: there are fewer of them.
    reached = clusters.counts @ np.cumsum(held, axis=1).astype(np.float64)
    total = reached[:, -1]
    # Positions of the two middle pairs, counted from 1, in the resample written out in full.
    lower, upper = np.floor((total + 1) / 2), np.floor(total / 2 + 1)
    ranking = _Ranking(ranked, index, width, reached, clusters.counts)
    middle = np.empty(len(total))
    step = max(1, _PLACES_AT_ONCE // width)
    for start in range(0, len(total), step):
        part = np.arange(start, min(start + step, len(total)))
        middle[part] = ranking.at(part, lower[part], upper[part]).mean(axis=0)
    return float(np.median(values)), np.where(total > 0, middle, np.nan)


@dataclass(frozen=True)
class _Ranking:
    """Pairs in the order of their values, cut into blocks, and how many of them the resamples hold.

    Attributes:
        ranked: (N,) values in ascending order.
        index: (N,) group of each.
        width: Pairs of a block; the last may have fewer.
        reached: (B, blocks) pairs that each resample holds of each block and those before it.
        counts: (B, groups) how often each resample holds each group.
    """

    ranked: FloatArray
    index: NDArray[np.int64]
    width: int
    reached: FloatArray
    counts: FloatArray

    def at(self, resamples: NDArray[np.int64], *positions: FloatArray) -> FloatArray:
        """(len(positions), R) values at (R,) positions, counted from 1 and rising, of R resamples written out."""
        reached, first = self.reached[resamples], positions[0][:, None]
        block = np.argmax(reached >= first, axis=1)
        before = np.where(block > 0, reached[np.arange(len(block)), np.maximum(block - 1, 0)], 0.0)
        place = block[:, None] * self.width + np.arange(self.width)
        # Past the last pair the running count stays as it is, and the first place that reaches a position is taken.
        beyond = place >= len(self.index)
        place[beyond] = 0
        drawn = self.counts.ravel().take(resamples[:, None] * self.counts.shape[1] + self.index[place])
        drawn[beyond] = 0.0
        running = np.cumsum(drawn, axis=1)
        running += before[:, None]
        found = np.empty((len(positions), len(resamples)))
        for number, position in enumerate(positions):
            found[number] = self.ranked[place[np.arange(len(block)), np.argmax(running >= position[:, None], axis=1)]]
            # A later position may lie in another block.
            further = np.flatnonzero(running[:, -1] < position) if number else ()
            if len(further):
                found[number, further] = self.at(resamples[further], position[further])[0]
        return found


def auc_statistic(threshold_deg: float) -> Statistic:
    """AUC up to a threshold, as `metrics.auc_percent` defines it."""

    def statistic(values: FloatArray, clusters: Clusters) -> tuple[float, FloatArray]:
        gain, reached = auc_terms(values, threshold_deg)
        largest = np.zeros(clusters.groups)
        np.maximum.at(largest, clusters.index, reached)
        total, ramp = clusters.drawn_sums(gain), _largest_drawn(largest, clusters.counts) / (2 * threshold_deg)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = (total + ramp) / clusters.drawn_pairs
        return auc_percent(values, threshold_deg) if len(values) else float("nan"), 100.0 * drawn

    return statistic


def _largest_drawn(largest: FloatArray, counts: FloatArray) -> FloatArray:
    """(B,) largest of (groups,) values, none negative, among the groups that each resample holds."""
    likely = np.argsort(-largest, kind="stable")[:_LIKELY_LARGEST]
    held = counts[:, likely] > 0
    first = np.argmax(held, axis=1)  # the likely groups fall from the largest on
    found = largest[likely[first]]
    rest = np.flatnonzero(~held[np.arange(len(first)), first])
    found[rest] = np.where(counts[rest] > 0, largest, 0.0).max(axis=1, initial=0.0)
    return np.asarray(found)


@dataclass(frozen=True)
class Sampled:
    """A statistic of all pairs and of every resample.

    Attributes:
        point: Of all pairs; NaN where nothing is scored.
        drawn: (B,) of the resamples: NaN for one without a pair, B is 0 where there are too few groups.
        groups: Groups with a scored pair.
        pairs: Scored pairs.
        finite: Whether all values were finite.
        bounds: What the statistic can be; widening an interval for few groups does not carry it past them.
    """

    point: float
    drawn: FloatArray
    groups: int
    pairs: int
    finite: bool = True
    bounds: tuple[float, float] = (-math.inf, math.inf)

    @cached_property
    def estimate(self) -> Estimate:
        """The number with its interval."""
        low, high, note = None, None, self._note()
        if note in (IntervalNote.NONE, IntervalNote.FEW_GROUPS):
            low, high = _ends(self.drawn, self.finite)
            factor = _small_sample_factor(self.groups)
            low = max(self.point - factor * (self.point - low), self.bounds[0])
            high = min(self.point + factor * (high - self.point), self.bounds[1])
        return Estimate(self.point, low, high, self.groups, self.pairs, note)

    def minus(self, other: Sampled) -> Sampled:
        """The difference on the same resamples."""
        if not self.pairs or not other.pairs:
            return Sampled(float("nan"), self.drawn - other.drawn, min(self.groups, other.groups), 0)
        with np.errstate(invalid="ignore"):
            point, drawn = float(np.subtract(self.point, other.point)), self.drawn - other.drawn
        groups, finite = min(self.groups, other.groups), self.finite and other.finite
        return Sampled(point, drawn, groups, max(self.pairs, other.pairs), finite)

    def over(self, other: Sampled) -> Sampled:
        """The ratio on the same resamples."""
        if not self.pairs or not other.pairs:
            return Sampled(float("nan"), self.drawn - other.drawn, min(self.groups, other.groups), 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            point, drawn = float(np.divide(self.point, other.point)), self.drawn / other.drawn
        finite = self.finite and other.finite and math.isfinite(point) and bool(np.isfinite(drawn).all())
        return Sampled(point, drawn, min(self.groups, other.groups), max(self.pairs, other.pairs), finite)

    def _note(self) -> IntervalNote:
        if not self.pairs:
            return IntervalNote.NOTHING_SCORED
        if self.groups < FEWEST_GROUPS or not len(self.drawn):
            return IntervalNote.TOO_FEW_GROUPS
        if not math.isfinite(self.point) or (not self.finite and np.isnan(self.drawn).any()):
            return IntervalNote.INFINITE
        return IntervalNote.FEW_GROUPS if self.groups < FEW_GROUPS else IntervalNote.NONE


def _ends(drawn: FloatArray, finite: bool) -> tuple[float, float]:  # noqa: FBT001 - of a Sampled
    """Both ends of the middle 95 % of the values of the resamples that have one."""
    missing = np.isnan(drawn)
    usable = drawn[~missing] if missing.any() else drawn
    last = len(usable) - 1
    low, high = (last * share for share in ((1 - CONFIDENCE) / 2, 1 - (1 - CONFIDENCE) / 2))
    places = [place for at in (low, high) for place in (int(at), min(int(at) + 1, last))]
    # `np.quantile` to the last bit, which spends five times as long on its arguments.
    found = np.partition(usable, places)[places].tolist()
    if not finite:
        # Some are infinite, and there is nothing to interpolate with: ends are drawn values themselves.
        return found[0], found[3] if high % 1.0 else found[2]
    return _between(found[0], found[1], low % 1.0), _between(found[2], found[3], high % 1.0)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1.0 - share)


def sample(values: ArrayLike, clusters: Clusters, statistic: Statistic = mean_statistic) -> Sampled:
    """A statistic of (N,) values and of its resamples; NaN values mark pairs that are not scored and are left out."""
    array = np.asarray(values, dtype=np.float64)
    scored = ~np.isnan(array)
    kept = clusters
    if not scored.all():
        kept, array = clusters.subset(scored), array[scored]
    point, drawn = statistic(array, kept)
    return Sampled(point, drawn, kept.held, len(array), bool(np.isfinite(array).all()))


def estimate(values: ArrayLike, clusters: Clusters, statistic: Statistic = mean_statistic) -> Estimate:
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
    below, groups = np.cumsum(held, axis=1), int(np.count_nonzero(held.any(axis=1)))
    reached = 100.0 * below[:, :steps]
    pairs = int(held.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        points = reached.sum(axis=0) / pairs
        drawn = (clusters.counts @ reached) / (clusters.counts @ below[:, steps])[:, None]
    return tuple(
        Sampled(float(point), np.ascontiguousarray(values), groups, pairs).estimate
        for point, values in zip(points, drawn.T, strict=True)
    )


def difference(a: Sampled, b: Sampled) -> Difference:
    """A minus B, where both were sampled with the same resamples: of the same pairs, it is a paired difference.

    The p-value is that of the difference over its bootstrap standard error, under Student's t with one degree of
    freedom less than there are groups (Cameron, Gelbach and Miller 2008). Read off the tails of B resamples it could
    not fall below 2 / (B + 1), and a correction over a hundred comparisons would find nothing at all. It is never put
    below 2^(1 - groups), the smallest that swapping A and B within whole groups could give.
    """
    apart = a.minus(b)
    result = apart.estimate
    usable = apart.drawn[~np.isnan(apart.drawn)]
    if result.low is None or len(usable) < 2 or not np.isfinite(usable).all():
        return Difference(result, None, None, None)
    freedom = result.groups - 1
    # Resampling C groups gives a variance of (C-1)/C of the unbiased one.
    error = float(usable.std(ddof=1)) * math.sqrt(result.groups / freedom)
    detectable = _detectable_errors(freedom) * error
    if result.value == 0.0:
        p_value = 1.0
    else:
        tail = float(special.stdtr(freedom, -abs(result.value) / error)) if error > 0 else 0.0
        p_value = max(2.0 * tail, 2.0 ** -min(freedom, 1000))
    return Difference(result, error, detectable, p_value)


@cache
def _detectable_errors(freedom: int) -> float:
    return float(special.stdtrit(freedom, 0.5 + CONFIDENCE / 2) + special.stdtrit(freedom, POWER))


def compare(
    errors_a: ArrayLike, errors_b: ArrayLike, clusters: Clusters, statistic: Statistic = mean_statistic
) -> Difference:
    """Paired difference of a statistic, A minus B, on the pairs that both score.

    Args:
        errors_a: (N,) errors of run A; NaN where a pair is not scored.
        errors_b: (N,) errors of run B on the same pairs.
        clusters: Groups of the pairs and the shared resamples.
        statistic: What is compared.
    """
    a, b = _paired(errors_a, errors_b)
    return difference(sample(a, clusters, statistic), sample(b, clusters, statistic))


def wins(errors_a: ArrayLike, errors_b: ArrayLike, clusters: Clusters, *, tie_below: ArrayLike = 0.0) -> Wins:
    """On how many of the pairs that both score A has the smaller error.

    Args:
        errors_a: (N,) errors of run A; NaN where a pair is not scored.
        errors_b: (N,) errors of run B on the same pairs.
        clusters: Groups of the pairs and the shared resamples.
        tie_below: (N,) or one number, the label's own sigma: errors that differ by no more, and so also two that both
            lie under it, are a tie, since another label within its uncertainty could turn the order round. NaN is 0.
    """
    a, b = _paired(errors_a, errors_b)
    scored = ~np.isnan(a)
    with np.errstate(invalid="ignore"):
        # Two infinite errors differ by NaN: a tie as well.
        apart = np.abs(a - b)
    tied = (apart <= np.nan_to_num(np.asarray(tie_below, dtype=np.float64))) | (a == b)
    won = np.where(tied, 0.5, a < b)
    return Wins(
        a_better=int((won[scored] == 1.0).sum()),
        ties=int(tied[scored].sum()),
        b_better=int((won[scored] == 0.0).sum()),
        share=replace(sample(np.where(scored, won, np.nan), clusters), bounds=(0.0, 1.0)).estimate,
    )


def _paired(errors_a: ArrayLike, errors_b: ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = np.asarray(errors_a, dtype=np.float64), np.asarray(errors_b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"the runs have {a.shape} and {b.shape} errors: a comparison needs the same pairs")
    unscored = np.isnan(a) | np.isnan(b)
    return np.where(unscored, np.nan, a), np.where(unscored, np.nan, b)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979): p-values that hold for the whole family, in the given order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


@cache
def _small_sample_factor(groups: int) -> float:
    # Resampling C groups gives a variance of (C-1)/C of the unbiased one; the t quantile makes up for estimating it.
    quantile = 0.5 + CONFIDENCE / 2
    factor = np.sqrt(groups / (groups - 1)) * special.stdtrit(groups - 1, quantile) / special.ndtri(quantile)
    return float(factor)
