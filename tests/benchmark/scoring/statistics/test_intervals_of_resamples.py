"""Intervals from resamples against scipy and against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from avbench.benchmark.scoring.statistics.proportions import (
    clopper_pearson,
    interval_of_a_constant,
)
from avbench.benchmark.scoring.statistics.ratios import fieller_interval, is_clear_of_zero, ratio_interval
from avbench.benchmark.scoring.statistics.resample_intervals import (
    percentile_interval,
    quantile_error,
    studentised_interval,
)
from avbench.benchmark.scoring.statistics.simultaneous import simultaneous_intervals


@pytest.mark.parametrize(("found", "groups"), [(0, 30), (1, 30), (15, 30), (30, 30), (3, 7)])
def test_clopper_pearson_is_scipys(found: int, groups: int) -> None:
    expected = stats.binomtest(found, groups).proportion_ci(method="exact")
    assert clopper_pearson(found, groups) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_a_share_of_no_groups_is_refused() -> None:
    with pytest.raises(ValueError, match="no share"):
        clopper_pearson(3, 2)


def test_what_was_never_seen_is_about_three_in_so_many() -> None:
    assert clopper_pearson(0, 100, confidence=0.90)[1] == pytest.approx(3 / 100, rel=0.02)
    assert clopper_pearson(0, 29.5)[1] == pytest.approx(1 - 0.025 ** (1 / 29.5))


def test_a_mean_that_is_one_degree_everywhere_may_be_more_elsewhere() -> None:
    share = clopper_pearson(0, 30)[1]
    found = interval_of_a_constant(1.0, (0.0, 180.0), 30)
    assert found is not None
    assert found == pytest.approx((1 - share, 1 + 179 * share))
    assert interval_of_a_constant(1.0, (0.0, math.inf), 30) is None


def test_percentiles_are_numpys_and_widened_about_the_point() -> None:
    drawn = np.random.default_rng(1).gamma(2, 1, 5000)
    assert percentile_interval(2.0, drawn) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])))
    low, high = percentile_interval(2.0, drawn, 1.5)
    assert low == pytest.approx(2 - 1.5 * (2 - np.quantile(drawn, 0.025)))
    assert high == pytest.approx(2 + 1.5 * (np.quantile(drawn, 0.975) - 2))
    assert percentile_interval(1.0, np.r_[drawn, np.inf], interpolate=False)[1] < math.inf


def test_studentised_intervals_of_a_normal_mean_are_students() -> None:
    random = np.random.default_rng(3)
    drawn = random.normal(0, 1, (20_000, 8))
    errors = drawn.std(axis=1, ddof=1) / math.sqrt(8)
    found = studentised_interval(0.0, 1.0, drawn.mean(axis=1), errors)
    assert found == pytest.approx(stats.t.interval(0.95, 7), rel=0.04)
    assert studentised_interval(0.0, 1.0, np.zeros(3), np.zeros(3)) is None


def test_spread_from_quantiles_is_a_standard_deviation_that_a_few_wild_resamples_leave() -> None:
    drawn = np.random.default_rng(4).normal(5, 2, 20_000)
    assert quantile_error(drawn) == pytest.approx(2, rel=0.03)
    drawn[:200] = 1e9
    assert quantile_error(drawn, 1.5) == pytest.approx(3, rel=0.05)


def test_fiellers_ends_are_where_the_numerator_is_no_longer_clear_of_the_ratio() -> None:
    above, below, variances = 3.0, 5.0, (0.4, 0.3, 0.1)
    found = fieller_interval(above, below, variances, 1.96)
    assert found is not None
    for end in found:
        spread = math.sqrt(variances[0] - 2 * end * variances[2] + end**2 * variances[1])
        assert abs(above - end * below) / spread == pytest.approx(1.96)
    assert found[0] < 0.6 < found[1]
    assert fieller_interval(3.0, 0.5, variances, 1.96) is None


def test_what_may_be_zero_is_told_from_what_is_clear_of_it() -> None:
    below = np.random.default_rng(5).normal(1, 0.4, 2000)
    assert not is_clear_of_zero(1.0, below)
    assert is_clear_of_zero(2.0, below + 1)
    assert not is_clear_of_zero(0.0, np.zeros(2000))
    assert not is_clear_of_zero(2.0, np.full(2000, np.nan))


def test_ratios_hold_the_truth_whether_or_not_the_numerator_changes_its_sign() -> None:
    random = np.random.default_rng(6)
    for numerator in (6.0, 0.2):
        held = 0
        for _ in range(400):
            data = random.normal([numerator, 4.0], [3.0, 3.0], (60, 2))
            means = data.mean(axis=0)
            drawn = means + random.normal(0, data.std(axis=0) / math.sqrt(60), (800, 2))
            found = ratio_interval(float(means[0]), float(means[1]), drawn[:, 0], drawn[:, 1])
            assert found is not None
            held += found[0] <= numerator / 4 <= found[1]
        assert 0.92 <= held / 400 <= 0.98
    assert ratio_interval(math.inf, 1.0, np.ones(5), np.ones(5)) is None


def test_the_largest_of_five_is_above_zero_by_chance_only_as_often_as_it_may() -> None:
    random = np.random.default_rng(7)
    ordinary = simultaneous = 0
    for _ in range(600):
        points = random.normal(0, 1, 5)
        drawn = points + random.normal(0, 1, (400, 5))
        low, high = simultaneous_intervals(points, drawn)
        best = int(points.argmax())
        assert low[best] < points[best] < high[best]
        ordinary += percentile_interval(float(points[best]), drawn[:, best])[0] > 0
        simultaneous += low[best] > 0
    assert ordinary / 600 > 0.08
    assert simultaneous / 600 <= 0.045
