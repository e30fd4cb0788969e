"""How sure a number is: bootstrap over groups, paired comparisons, families of tests, robustness summaries.

Pairs of one place, take or wearer resemble each other, so groups are resampled, not pairs (cluster bootstrap; Davison
and Hinkley 1997, section 3.8; Cameron, Gelbach and Miller 2008). Fewer than `FEWEST_GROUPS` groups give no interval;
fewer than `FEW_GROUPS` give one that is flagged, since it is then known to be too short.

A resample is a vector of counts, one per group. Means, medians and AUCs of all resamples follow from those counts
without drawing a single pair, and two runs that share the counts are compared pair by pair. Pure functions; a seed
makes them repeatable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from avbench.preprocessing.geometry import FloatArray

FEWEST_GROUPS = 10
FEW_GROUPS = 50
DEFAULT_RESAMPLES = 2000
CONFIDENCE = 0.95
POWER = 0.8
"""Power for which the smallest detectable effect is stated."""

_BLOCK_ELEMENTS = 4_000_000


class IntervalNote(StrEnum):
    """What a reader must know about an interval."""

    NONE = ""
    FEW_GROUPS = "few groups: the interval is likely too short"
    TOO_FEW_GROUPS = "fewer than 10 groups: no interval"
    NOTHING_SCORED = "no pair is scored"


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


@dataclass(frozen=True)
class Difference:
    """Run A minus run B on the same pairs.

    Attributes:
        estimate: The difference with its interval.
        standard_error: Bootstrap standard error, None without an interval.
        smallest_detectable: Size of a true difference that this many groups would show as clear of zero in 80 % of
            repetitions at the 5 % level, two-sided.
        p_value: Two-sided bootstrap p-value of "no difference".
        share_better: Share of pairs on which A has the smaller error; ties count half.
    """

    estimate: Estimate
    standard_error: float | None
    smallest_detectable: float | None
    p_value: float | None
    share_better: float


@dataclass(frozen=True)
class Clusters:
    """Which group each pair belongs to, and the drawn resamples.

    Attributes:
        index: (N,) group number of each pair, 0 to groups - 1.
        counts: (B, groups) how often each resample holds each group; (0, groups) where there are too few.
    """

    index: NDArray[np.int64]
    counts: NDArray[np.float64]

    @property
    def groups(self) -> int:
        """Number of groups."""
        return self.counts.shape[1]

    def sums(self, values: FloatArray) -> FloatArray:
        """(groups,) sum of (N,) values in each group."""
        return np.bincount(self.index, weights=values, minlength=self.groups)

    def subset(self, keep: NDArray[np.bool_]) -> Clusters:
        """The same resamples for some of the pairs; groups without one stay, with nothing in them."""
        return Clusters(self.index[keep], self.counts)


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


def mean_statistic(values: FloatArray, clusters: Clusters) -> tuple[float, FloatArray]:
    """Mean over pairs."""
    total = clusters.counts @ clusters.sums(values)
    pairs = clusters.counts @ clusters.sums(np.ones_like(values))
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(values.mean()) if len(values) else float("nan"), np.asarray(total / pairs)


def median_statistic(values: FloatArray, clusters: Clusters) -> tuple[float, FloatArray]:
    """Median over pairs (the mean of the middle two for an even number)."""
    if not len(values):
        return float("nan"), np.full(len(clusters.counts), np.nan)
    order = np.argsort(values, kind="stable")
    ranked, index = values[order], clusters.index[order]
    out = np.full(len(clusters.counts), np.nan)
    block = max(1, _BLOCK_ELEMENTS // len(values))
    for start in range(0, len(out), block):
        running = np.cumsum(clusters.counts[start : start + block, index], axis=1)
        total = running[:, -1]
        # Positions of the two middle pairs, counted from 1, in the resample written out in full.
        lower = np.argmax(running >= np.floor((total + 1) / 2)[:, None], axis=1)
        upper = np.argmax(running >= np.floor(total / 2 + 1)[:, None], axis=1)
        out[start : start + block] = np.where(total > 0, (ranked[lower] + ranked[upper]) / 2, np.nan)
    return float(np.median(values)), out


def auc_statistic(threshold_deg: float) -> Statistic:
    """AUC up to a threshold, as the metrics contract defines it, in per cent.

    The trapezoid under the recall curve of N errors equals the mean of max(0, 1 - e/T) plus e_k / (2 N T), where e_k is
    the largest error below T: the first term is the area under the steps, the second what the trapezoid adds to them.
    """

    def statistic(values: FloatArray, clusters: Clusters) -> tuple[float, FloatArray]:
        below = values < threshold_deg
        gain = np.where(below, 1.0 - np.where(below, values, 0.0) / threshold_deg, 0.0)
        largest = np.zeros(clusters.groups)
        np.maximum.at(largest, clusters.index[below], values[below])
        point = float("nan")
        if len(values):
            point = float(gain.mean() + largest.max(initial=0.0) / (2 * len(values) * threshold_deg))
        pairs = clusters.counts @ clusters.sums(np.ones_like(values))
        drawn_largest = np.where(clusters.counts > 0, largest, 0.0).max(axis=1, initial=0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = (clusters.counts @ clusters.sums(gain) + drawn_largest / (2 * threshold_deg)) / pairs
        return 100.0 * point, 100.0 * drawn

    return statistic


def estimate(values: ArrayLike, clusters: Clusters, statistic: Statistic = mean_statistic) -> Estimate:
    """A statistic of (N,) values with its interval; NaN values mark pairs that are not scored and are left out."""
    array = np.asarray(values, dtype=np.float64)
    scored = ~np.isnan(array)
    kept = clusters.subset(scored)
    point, drawn = statistic(array[scored], kept)
    return _with_interval(point, drawn, kept)


def compare(
    errors_a: ArrayLike,
    errors_b: ArrayLike,
    clusters: Clusters,
    statistic: Statistic = mean_statistic,
    *,
    tie_below: ArrayLike = 0.0,
) -> Difference:
    """Paired difference of a statistic, A minus B, on the pairs that both score.

    Args:
        errors_a: (N,) errors of run A; NaN where a pair is not scored.
        errors_b: (N,) errors of run B on the same pairs.
        clusters: Groups of the pairs and the shared resamples.
        statistic: What is compared.
        tie_below: (N,) or one number: a difference of errors no larger than this is a tie (the label's own sigma).
    """
    a, b = np.asarray(errors_a, dtype=np.float64), np.asarray(errors_b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"the runs have {a.shape} and {b.shape} errors: a comparison needs the same pairs")
    scored = ~(np.isnan(a) | np.isnan(b))
    tie = np.broadcast_to(np.asarray(tie_below, dtype=np.float64), a.shape)[scored]
    a, b, kept = a[scored], b[scored], clusters.subset(scored)
    tied = np.abs(a - b) <= np.nan_to_num(tie)
    # Within the label's own uncertainty neither run can be called the better one.
    a = np.where(tied, b, a)
    point_a, drawn_a = statistic(a, kept)
    point_b, drawn_b = statistic(b, kept)
    drawn = drawn_a - drawn_b
    result = _with_interval(point_a - point_b, drawn, kept)
    better = float(np.mean(np.where(tied, 0.5, a < b))) if len(a) else float("nan")
    usable = drawn[np.isfinite(drawn)]
    if result.low is None or len(usable) < 2:
        return Difference(result, None, None, None, better)
    error = float(usable.std(ddof=1)) * _small_sample_factor(result.groups)
    z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2) + stats.norm.ppf(POWER))
    # Adding one to both counts keeps a p-value from being zero (Davison and Hinkley 1997, section 4.2).
    tail = min(int((usable <= 0).sum()), int((usable >= 0).sum()))
    return Difference(result, error, z * error, min(1.0, 2.0 * (tail + 1) / (len(usable) + 1)), better)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979): p-values that hold for the whole family, in the given order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


@dataclass(frozen=True)
class Robustness:
    """Errors under corruption relative to a baseline's (Hendrycks and Dietterich 2019, section 4.1), as ratios.

    Attributes:
        corruption_error: Ratio of summed errors per corruption.
        mean_corruption_error: Its mean over corruptions (mCE; 1 is the baseline).
        relative_mean_corruption_error: The same for the rise over clean; None where the baseline does not rise.
        relative_performance: Mean clean error over mean corrupted error of the run itself (1 is no loss).
    """

    corruption_error: Mapping[str, float]
    mean_corruption_error: float
    relative_mean_corruption_error: float | None
    relative_performance: float


def robustness(
    errors: Mapping[str, Sequence[float]],
    baseline_errors: Mapping[str, Sequence[float]],
    clean_error: float,
    baseline_clean_error: float,
) -> Robustness:
    """Summarise mean errors per corruption (one number per severity) against a named baseline's.

    Raises:
        ValueError: The two name different corruptions or severities, or there is none.
    """
    if not errors or {k: len(v) for k, v in errors.items()} != {k: len(v) for k, v in baseline_errors.items()}:
        raise ValueError(f"corruptions differ: {sorted(errors)} and {sorted(baseline_errors)}")
    ratio = {name: float(np.sum(errors[name]) / np.sum(baseline_errors[name])) for name in errors}
    rises = {
        name: (np.mean(errors[name]) - clean_error, np.mean(baseline_errors[name]) - baseline_clean_error)
        for name in errors
    }
    relative = None
    if all(base > 0 for _, base in rises.values()):
        relative = float(np.mean([own / base for own, base in rises.values()]))
    corrupted = float(np.mean([np.mean(value) for value in errors.values()]))
    return Robustness(ratio, float(np.mean(list(ratio.values()))), relative, clean_error / corrupted)


def _small_sample_factor(groups: int) -> float:
    # Resampling C groups gives a variance of (C-1)/C of the unbiased one; the t quantile makes up for estimating it.
    quantile = 0.5 + CONFIDENCE / 2
    factor = np.sqrt(groups / (groups - 1)) * stats.t.ppf(quantile, groups - 1) / stats.norm.ppf(quantile)
    return float(factor)


def _with_interval(point: float, drawn: FloatArray, clusters: Clusters) -> Estimate:
    pairs = len(clusters.index)
    groups = len(np.unique(clusters.index))
    if not pairs:
        return Estimate(float("nan"), None, None, groups, pairs, IntervalNote.NOTHING_SCORED)
    if groups < FEWEST_GROUPS or not len(drawn):
        return Estimate(point, None, None, groups, pairs, IntervalNote.TOO_FEW_GROUPS)
    low, high = np.nanquantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    factor = _small_sample_factor(groups)
    note = IntervalNote.FEW_GROUPS if groups < FEW_GROUPS else IntervalNote.NONE
    return Estimate(point, point - factor * (point - low), point + factor * (high - point), groups, pairs, note)
