"""Intervals and comparisons against numbers worked out another way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from avbench.benchmark.scoring.bootstrap import (
    Clusters,
    IntervalNote,
    Sampled,
    average,
    difference,
    draw_clusters,
    estimate,
    sample,
    shares_below,
)
from avbench.benchmark.scoring.statistics.summaries import prepare_auc, prepare_mean, prepare_median


def test_the_interval_of_a_mean_is_the_t_interval_of_equal_groups() -> None:
    random = np.random.default_rng(5)
    group_means = random.normal(10, 2, 200)
    values = np.repeat(group_means, 3)
    groups = np.repeat([f"g{i}" for i in range(200)], 3)
    found = estimate(values, draw_clusters(list(groups), resamples=8000))
    half = 1.972 * group_means.std(ddof=1) / np.sqrt(200)  # t quantile for 199 degrees of freedom
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.06 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.06 * half)
    assert found.note is IntervalNote.NONE


@pytest.mark.parametrize(
    ("groups", "note"),
    [(9, IntervalNote.TOO_FEW_GROUPS), (10, IntervalNote.FEW_GROUPS), (49, IntervalNote.FEW_GROUPS), (50, "")],
)
def test_few_groups_are_said(groups: int, note: str) -> None:
    found = estimate(np.arange(groups, dtype=float), draw_clusters([str(i) for i in range(groups)]))
    assert found.note == note
    assert (found.low is None) == (groups < 10)


@pytest.mark.parametrize("finite", [True, False])
def test_the_ends_are_the_quantiles_of_the_resamples(finite: bool) -> None:
    random = np.random.default_rng(9)
    many = np.ones(1_000_000)  # so many groups that nothing is widened
    lower, higher = ("linear", "linear") if finite else ("lower", "higher")
    for size in (2, 3, 41, 1000, 2000, 2001):
        drawn = random.normal(0.0, 10.0 ** random.integers(-3, 4), size)
        found = Sampled(0.0, drawn, many, finite).estimate
        assert found.low == pytest.approx(np.quantile(drawn, 0.025, method=lower), rel=1e-5)
        assert found.high == pytest.approx(np.quantile(drawn, 0.975, method=higher), rel=1e-5)
    drawn = np.append(drawn, [np.nan] * 5)
    assert Sampled(0.0, drawn, many).estimate.low == pytest.approx(np.nanquantile(drawn, 0.025), rel=1e-5)


def test_shares_below_thresholds_are_means_with_the_same_intervals() -> None:
    random = np.random.default_rng(10)
    clusters = draw_clusters([f"g{i % 30}" for i in range(200)], resamples=400)
    clean, foggy = random.exponential(5, 200), np.where(random.random(200) < 0.2, np.nan, random.exponential(9, 200))
    thresholds = np.array([0.0, 2.5, 5.0, 20.0])
    clean[:3] = thresholds[1:]  # an error at a threshold is not below it
    both = Clusters(np.tile(clusters.index, 2), clusters.counts)
    found = shares_below([clean, foggy], thresholds, clusters)
    for threshold, one in zip(thresholds, found, strict=True):
        pooled = np.concatenate([clean, foggy])
        share = sample(np.where(np.isnan(pooled), np.nan, 100.0 * (pooled < threshold)), both)
        expected = replace(share, bounds=(0.0, 100.0)).estimate
        assert (one.groups, one.pairs, one.note) == (expected.groups, expected.pairs, expected.note)
        assert (one.value, one.low, one.high) == pytest.approx((expected.value, expected.low, expected.high))
    nothing = shares_below([np.full(200, np.nan)], thresholds, clusters)
    assert [one.note for one in nothing] == [IntervalNote.NOTHING_SCORED] * 4


def test_unscored_pairs_are_left_out_and_nothing_scored_is_said() -> None:
    clusters = draw_clusters([str(i) for i in range(20)])
    values = np.where(np.arange(20) < 4, np.nan, 1.0)
    assert estimate(values, clusters).pairs == 16
    nothing = estimate(np.full(20, np.nan), clusters)
    assert nothing.note is IntervalNote.NOTHING_SCORED
    assert math.isnan(nothing.value)


def test_a_group_with_half_of_the_pairs_leaves_no_interval_whatever_their_number() -> None:
    names = ["big"] * 400 + [f"g{i}" for i in range(100) for _ in range(4)]
    found = estimate(np.random.default_rng(1).exponential(5, 800), draw_clusters(names))
    assert (found.low, found.note, found.groups) == (None, IntervalNote.TOO_FEW_GROUPS, 101)
    assert found.effective_groups == pytest.approx(800**2 / (400**2 + 100 * 4**2), abs=1e-5)
    assert found.largest_share == 0.5


def test_a_mean_that_is_the_same_everywhere_is_not_certain() -> None:
    clusters = draw_clusters([str(i // 2) for i in range(60)])
    mean = replace(sample(np.ones(60), clusters), bounds=(0.0, 180.0)).estimate
    unseen = stats.binomtest(0, 30).proportion_ci(method="exact").high
    assert mean.note is IntervalNote.NOT_MET
    assert (mean.low, mean.high) == pytest.approx((1 - unseen, 1 + 179 * unseen))
    median = estimate(np.ones(60), clusters, prepare_median)
    assert (median.low, median.note) == (None, IntervalNote.ONE_VALUE)
    same = difference(sample(np.arange(60.0), clusters), sample(np.arange(60.0), clusters)).estimate
    assert (same.value, same.low, same.note) == (0.0, None, IntervalNote.ONE_VALUE)


def test_rare_failures_are_held_as_often_as_stated() -> None:
    random, held = np.random.default_rng(3), 0
    for repetition in range(200):
        values = np.where(random.random(100) < 0.01, 180.0, 1.0)
        clusters = draw_clusters([str(i) for i in range(100)], resamples=400, seed=repetition)
        found = replace(sample(values, clusters), bounds=(0.0, 180.0)).estimate
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.high
        held += found.low <= 1 + 0.01 * 179 <= found.high
    assert held / 200 >= 0.92


def test_differences_stay_within_what_is_possible() -> None:
    random = np.random.default_rng(4)
    clusters = draw_clusters([str(i) for i in range(12)])
    a, b = (replace(sample(np.where(random.random(12) < p, 179.0, 1.0), clusters, prepare_median), bounds=(0.0, 180.0))
            for p in (0.1, 0.6))  # fmt: skip
    found = difference(a, b).estimate
    assert found.low is not None
    assert found.high is not None
    assert -180 <= found.low <= found.value <= found.high <= 180


def test_a_ratio_by_what_may_be_zero_has_neither_interval_nor_value() -> None:
    random = np.random.default_rng(5)
    clusters = draw_clusters([str(i) for i in range(60)])
    a, b, small = (sample(random.normal(mean, 1.0, 60), clusters) for mean in (3.0, 5.0, 0.1))
    refused = a.over(small).estimate
    assert (refused.low, refused.high, refused.note) == (None, None, IntervalNote.UNSTABLE_RATIO)
    assert math.isnan(refused.value)
    assert math.isnan(a.percent_below(small).value)
    assert math.isnan(average([a.over(b), a.over(small)]).estimate.value)
    good = a.over(b).estimate
    assert good.value == pytest.approx(a.point / b.point)
    assert good.low is not None
    assert good.low < 0.6 < (good.high or 0)
    below = a.percent_below(b)
    assert (below.value, below.low, below.high) == pytest.approx(
        (100 * (1 - good.value), 100 * (1 - good.high), 100 * (1 - good.low))  # type: ignore[operator]
    )


def test_spread_is_told_from_quantiles() -> None:
    random = np.random.default_rng(6)
    clusters = draw_clusters([str(i) for i in range(60)], resamples=4000)
    values = random.normal(5, 2, 60)
    found = difference(sample(values, clusters), sample(np.zeros(60), clusters))
    assert found.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(60), rel=0.06)


def test_notes_of_earlier_files_are_understood() -> None:
    assert IntervalNote("few groups: the interval is likely too short") is IntervalNote.FEW_GROUPS
    assert IntervalNote("fewer than 10 groups: no interval") is IntervalNote.TOO_FEW_GROUPS
    with pytest.raises(ValueError, match="nonsense"):
        IntervalNote("nonsense")


def test_an_interval_does_not_depend_on_the_order_of_the_pairs() -> None:
    random = np.random.default_rng(1)
    values, groups = random.exponential(5, 300), [f"g{i % 30}" for i in range(300)]
    shuffled = random.permutation(300)
    first = estimate(values, draw_clusters(groups), prepare_median)
    second = estimate(values[shuffled], draw_clusters([groups[i] for i in shuffled]), prepare_median)
    assert first == second


def test_infinite_errors_leave_a_median_its_interval_and_a_mean_none() -> None:
    clusters = draw_clusters([str(i) for i in range(60)])
    errors = np.append(np.arange(55, dtype=float), [np.inf] * 5)
    mean, median = estimate(errors, clusters), estimate(errors, clusters, prepare_median)
    assert (mean.value, mean.low, mean.note) == (math.inf, None, IntervalNote.INFINITE)
    assert median.value == 29.5
    assert median.low is not None
    assert median.high is not None
    assert 20 < median.low < 29.5 < median.high < 40
    # More than half are infinite: so is the median, and nothing is known of it.
    far = estimate(np.where(np.arange(60) > 20, np.inf, 1), clusters, prepare_median)
    assert (far.value, far.low, far.high, far.note) == (math.inf, None, None, IntervalNote.INFINITE)
    assert difference(sample(errors, clusters), sample(errors, clusters)).estimate.note is IntervalNote.INFINITE
    assert mean.to_json()["value"] == "inf"


def test_a_sampled_difference_is_the_difference_of_the_resamples() -> None:
    random = np.random.default_rng(9)
    a, b = random.exponential(5, 90), random.exponential(4, 90)
    clusters = draw_clusters([str(i % 15) for i in range(90)])
    apart = sample(a, clusters).minus(sample(b, clusters))
    assert apart.point == pytest.approx(np.mean(a - b))
    assert apart.drawn == pytest.approx(sample(a - b, clusters).drawn)


def coverage(groups: int, repetitions: int, *, clustered: bool = True, resamples: int = 1000) -> dict[str, float]:
    """Share of intervals that hold the truth, for data whose groups share a random effect.

    Errors are exp(N(m_g, 0.5)), m_g ~ N(1, 0.5), with 4 to 16 pairs a group: skewed and unequal like real ones. The
    truth of each statistic comes from a sample of a million groups.
    """
    random = np.random.default_rng(11)
    statistics = {"mean": prepare_mean, "median": prepare_median, "auc10": prepare_auc(10.0)}
    big = np.exp(random.normal(1, np.sqrt(0.5), 2_000_000))
    truth = {"mean": math.exp(1.25), "median": math.exp(1.0), "auc10": 100 * np.mean(np.clip(1 - big / 10, 0, None))}
    inside = dict.fromkeys(statistics, 0)
    for repetition in range(repetitions):
        sizes = random.integers(4, 17, groups)
        group = np.repeat(np.arange(groups), sizes)
        values = np.exp(np.repeat(random.normal(1, 0.5, groups), sizes) + random.normal(0, 0.5, len(group)))
        names = [str(g) for g in group] if clustered else [str(i) for i in range(len(group))]
        clusters = draw_clusters(names, resamples=resamples, seed=repetition)
        for name, statistic in statistics.items():
            found = estimate(values, clusters, statistic)
            assert found.low is not None
            assert found.high is not None
            inside[name] += found.low <= truth[name] <= found.high
    return {name: count / repetitions for name, count in inside.items()}


def test_naive_bootstrap_falls_short_where_the_clustered_one_holds() -> None:
    held, short = coverage(100, 150, resamples=200), coverage(100, 150, clustered=False, resamples=200)
    assert held["mean"] > 0.9
    assert short["mean"] < 0.75
