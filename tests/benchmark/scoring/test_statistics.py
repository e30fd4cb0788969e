"""Intervals and comparisons against numbers worked out another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avbench.benchmark.metrics.definitions import auc_percent
from avbench.benchmark.scoring.bootstrap import (
    Clusters,
    IntervalNote,
    Sampled,
    auc_statistic,
    compare,
    draw_clusters,
    estimate,
    holm,
    mean_statistic,
    median_statistic,
    sample,
    shares_below,
    wins,
)


def written_out(values: np.ndarray, clusters: Clusters, resample: int) -> np.ndarray:
    """A resample as a plain list of pairs, each repeated as often as its group was drawn."""
    return np.repeat(values, clusters.counts[resample, clusters.index].astype(int))


def trapezoid_auc(errors: np.ndarray, threshold: float) -> float:
    """AUC by the definition: trapezoid over (0, 0), (e_i, i / N), last recall held to the threshold."""
    ranked = np.sort(errors)
    kept = int(np.searchsorted(ranked, threshold, side="left"))
    recall = np.arange(kept + 1) / len(ranked)
    x = np.concatenate([[0.0], ranked[:kept], [threshold]])
    y = np.concatenate([recall, [recall[-1]]])
    return float(100 * np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / threshold)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 180), min_size=1, max_size=40),
    st.integers(0, 2**32 - 1),
)
def test_statistics_of_counts_equal_those_of_resamples_written_out(errors: list[float], seed: int) -> None:
    random = np.random.default_rng(seed)
    values = np.array(errors)
    index = random.integers(0, 4, len(values))
    clusters = Clusters(index, random.multinomial(4, np.full(4, 0.25), size=5).astype(float))
    reference = {
        mean_statistic: np.mean,
        median_statistic: np.median,
        auc_statistic(10.0): lambda e: trapezoid_auc(e, 10.0),
    }
    for statistic, function in reference.items():
        point, drawn = statistic(values, clusters)
        assert point == pytest.approx(function(values))
        for resample in range(5):
            pairs = written_out(values, clusters, resample)
            if len(pairs):
                assert drawn[resample] == pytest.approx(function(pairs))
            else:
                assert math.isnan(drawn[resample])


def test_an_auc_knows_its_largest_error_in_a_resample_without_the_likely_groups() -> None:
    # Errors fall with the number of the group; the resample holds only the last four of forty.
    values = np.linspace(9.0, 1.0, 40)
    counts = np.zeros((1, 40))
    counts[0, 36:] = 10
    clusters = Clusters(np.arange(40), counts)
    _, drawn = auc_statistic(10.0)(values, clusters)
    assert drawn[0] == pytest.approx(trapezoid_auc(written_out(values, clusters, 0), 10.0))


def test_an_error_at_the_threshold_of_an_auc_is_no_recall() -> None:
    # One error of 2 degrees of four: the recall rises to 1/4 at 2 and stays there up to 10.
    values = np.array([2.0, 10.0, 10.0, 12.0])
    clusters = Clusters(np.arange(4), np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 2.0, 2.0, 0.0], [2.0, 1.0, 1.0, 0.0]]))
    point, drawn = auc_statistic(10.0)(values, clusters)
    assert point == pytest.approx(100.0 * (0.5 * 0.25 * 2.0 + 0.25 * 8.0) / 10.0)
    assert point == pytest.approx(auc_percent(values, 10.0))
    assert drawn == pytest.approx([trapezoid_auc(written_out(values, clusters, row), 10.0) for row in range(3)])
    assert drawn[1] == 0.0


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
    lower, higher = ("linear", "linear") if finite else ("lower", "higher")
    for size in (2, 3, 41, 1000, 2000, 2001):
        drawn = random.normal(0.0, 10.0 ** random.integers(-3, 4), size)
        found = Sampled(0.0, drawn, 10**9, 10**9, finite).estimate  # so many groups that nothing is widened
        assert found.low == pytest.approx(np.quantile(drawn, 0.025, method=lower), rel=1e-8)
        assert found.high == pytest.approx(np.quantile(drawn, 0.975, method=higher), rel=1e-8)
    drawn = np.append(drawn, [np.nan] * 5)
    assert Sampled(0.0, drawn, 10**9, 10**9, True).estimate.low == pytest.approx(np.nanquantile(drawn, 0.025), rel=1e-8)


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
        expected = estimate(np.where(np.isnan(pooled), np.nan, 100.0 * (pooled < threshold)), both)
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


def test_an_interval_does_not_depend_on_the_order_of_the_pairs() -> None:
    random = np.random.default_rng(1)
    values, groups = random.exponential(5, 300), [f"g{i % 30}" for i in range(300)]
    shuffled = random.permutation(300)
    first = estimate(values, draw_clusters(groups), median_statistic)
    second = estimate(values[shuffled], draw_clusters([groups[i] for i in shuffled]), median_statistic)
    assert first == second


def test_a_run_compared_with_itself_differs_by_nothing() -> None:
    random = np.random.default_rng(2)
    errors = random.exponential(5, 200)
    found = compare(errors, errors, draw_clusters([str(i % 40) for i in range(200)]))
    assert found.estimate.value == found.estimate.low == found.estimate.high == 0
    assert found.p_value == 1.0
    assert found.smallest_detectable == 0


def test_a_constant_gain_is_found_exactly_and_clear_of_zero() -> None:
    random = np.random.default_rng(3)
    errors = random.exponential(5, 400)
    found = compare(errors - 1.0, errors, draw_clusters([str(i % 40) for i in range(400)]))
    assert found.estimate.value == pytest.approx(-1.0)
    assert found.estimate.high is not None
    assert found.estimate.high < 0
    # No spread at all, so the p-value is the floor that 40 groups set.
    assert found.p_value == pytest.approx(2.0**-39)


def test_errors_that_differ_by_less_than_the_labels_sigma_are_ties() -> None:
    clusters = draw_clusters([str(i) for i in range(20)])
    a = np.array([1.0] * 5 + [2.0] * 5 + [0.2] * 5 + [np.nan] * 5)
    b = np.array([1.3] * 5 + [5.0] * 5 + [0.1] * 5 + [1.0] * 5)
    found = wins(a, b, clusters, tie_below=np.where(np.arange(20) < 10, 0.5, np.nan))
    assert (found.a_better, found.ties, found.b_better) == (5, 5, 5)
    assert found.share.value == pytest.approx((5 + 2.5) / 15)
    assert found.share.pairs == 15
    assert found.share.low is not None
    assert found.share.low < 0.5 < (found.share.high or 0)


def test_two_infinite_errors_are_a_tie_and_a_finite_one_wins() -> None:
    clusters = draw_clusters([str(i) for i in range(3)])
    found = wins(np.array([np.inf, 1.0, np.inf]), np.array([np.inf, np.inf, 1.0]), clusters)
    assert (found.a_better, found.ties, found.b_better) == (1, 1, 1)
    assert found.share.note is IntervalNote.TOO_FEW_GROUPS


def test_infinite_errors_leave_a_median_its_interval_and_a_mean_none() -> None:
    clusters = draw_clusters([str(i) for i in range(60)])
    errors = np.append(np.arange(55, dtype=float), [np.inf] * 5)
    mean, median = estimate(errors, clusters), estimate(errors, clusters, median_statistic)
    assert (mean.value, mean.low, mean.note) == (math.inf, None, IntervalNote.INFINITE)
    assert median.value == 29.5
    assert median.low is not None
    assert median.high is not None
    assert 20 < median.low < 29.5 < median.high < 40
    # More than half are infinite: so is the median, and nothing is known of it.
    assert estimate(np.append(errors, []) * np.where(np.arange(60) > 20, np.inf, 1), clusters, median_statistic) == (
        type(median)(math.inf, None, None, 60, 60, IntervalNote.INFINITE)
    )
    assert compare(errors, errors, clusters).estimate.note is IntervalNote.INFINITE
    assert mean.to_json()["value"] == "inf"


@pytest.mark.parametrize("groups", [20, 100])
def test_p_values_under_no_difference_are_uniform(groups: int) -> None:
    random = np.random.default_rng(17)
    index = np.repeat(np.arange(groups), 6)
    clusters = draw_clusters([str(i) for i in index], resamples=400)
    found: dict[str, list[float]] = {"mean": [], "median": [], "auc": []}
    for _ in range(250):
        shared = np.repeat(random.normal(1, 0.5, groups), 6)
        a, b = (
            np.exp(shared + np.repeat(random.normal(0, 0.3, groups), 6) + random.normal(0, 0.5, len(shared)))
            for _ in "ab"
        )
        for name, statistic in (("mean", mean_statistic), ("median", median_statistic), ("auc", auc_statistic(10.0))):
            p_value = compare(a, b, clusters, statistic).p_value
            assert p_value is not None
            found[name].append(p_value)
    for name, p_values in found.items():
        # 5 % of 250, give or take three standard errors of 1.4 %; medians are a little too careful.
        assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.095, name
        assert 0.35 <= np.mean(np.array(p_values) < 0.5) <= 0.65, name


def test_a_hundred_comparisons_leave_a_clear_difference_clear() -> None:
    random = np.random.default_rng(8)
    errors = random.exponential(5, 600)
    found = compare(errors + random.normal(1.0, 1.0, 600), errors, draw_clusters([str(i % 60) for i in range(600)]))
    assert found.p_value is not None
    assert holm([found.p_value, *[0.5] * 99])[0] < 0.001


def test_the_smallest_detectable_effect_is_detected_in_four_of_five_repetitions() -> None:
    random = np.random.default_rng(4)
    clusters = draw_clusters([str(i) for i in range(100)], resamples=500)
    effect = compare(random.normal(0, 1, 100), np.zeros(100), clusters).smallest_detectable
    assert effect == pytest.approx(2.8 * 0.1, rel=0.25)  # (1.96 + 0.84) * sigma / sqrt(100)
    found = 0
    for _ in range(300):
        low = compare(random.normal(0.28, 1, 100), np.zeros(100), clusters).estimate.low
        found += low is not None and low > 0
    assert 0.72 <= found / 300 <= 0.88


def test_comparing_different_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="same pairs"):
        compare(np.zeros(3), np.zeros(4), draw_clusters(["a", "b", "c"]))


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.04, then never falling.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.6, 0.9]) == [1.0, 1.0]


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
    statistics = {"mean": mean_statistic, "median": median_statistic, "auc10": auc_statistic(10.0)}
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


@pytest.mark.slow
@pytest.mark.parametrize("groups", [100, 250])
def test_coverage_of_the_interval(groups: int) -> None:
    found = coverage(groups, 1000)
    print(f"\ncoverage at {groups} groups: {found}")
    assert all(0.93 <= share <= 0.97 for share in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("groups", [10, 30])
def test_coverage_with_few_groups_is_printed(groups: int) -> None:
    found = coverage(groups, 1000)
    print(f"\ncoverage at {groups} groups: {found}")
    assert all(share > 0.8 for share in found.values())
