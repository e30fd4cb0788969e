"""Mean corruption error and its relatives, by hand and with their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from avbench.benchmark.scoring.bootstrap import IntervalNote, Sampled, draw_clusters, sample
from avbench.benchmark.scoring.robustness import robustness


def known(value: float) -> Sampled:
    """A mean without resamples: of too few groups."""
    return Sampled(value, np.zeros(0), np.full(5, 2.0))


def test_robustness_by_hand() -> None:
    found = robustness(
        {"blur": [known(4.0), known(8.0)], "dark": [known(6.0), known(6.0)]},
        {"blur": [known(8.0), known(16.0)], "dark": [known(6.0), known(10.0)]},
        known(2.0),
        known(4.0),
    )
    assert {name: value.value for name, value in found.corruption_error.items()} == {"blur": 0.5, "dark": 0.75}
    assert found.mean_corruption_error.value == 0.625
    assert found.mean_corruption_error.note is IntervalNote.TOO_FEW_GROUPS
    assert found.relative_mean_corruption_error is not None
    assert found.relative_mean_corruption_error.value == pytest.approx((4 / 8 + 4 / 4) / 2)
    assert found.relative_performance is not None
    assert found.relative_performance.value == pytest.approx(2.0 / 6.0)


def test_other_corruptions_are_refused_and_nothing_clean_gives_nothing_relative() -> None:
    with pytest.raises(ValueError, match="differ"):
        robustness({"blur": [known(1.0)]}, {"dark": [known(1.0)]})
    found = robustness({"blur": [known(1.0)]}, {"blur": [known(2.0)]})
    assert (found.relative_mean_corruption_error, found.relative_performance) == (None, None)
    assert found.to_json()["mean_corruption_error"]["value"] == 0.5


def test_a_baseline_that_does_not_rise_is_refused_as_a_denominator() -> None:
    clean = known(2.0)
    found = robustness({"blur": [known(3.0)]}, {"blur": [known(2.0)]}, clean, clean)
    assert found.relative_mean_corruption_error is not None
    assert math.isnan(found.relative_mean_corruption_error.value)
    assert found.relative_mean_corruption_error.note is IntervalNote.UNSTABLE_RATIO
    assert found.mean_corruption_error.value == 1.5


def test_the_interval_is_that_of_the_ratio_of_means() -> None:
    random = np.random.default_rng(3)
    index = np.repeat(np.arange(120), 4)
    clusters = draw_clusters([str(i) for i in index], resamples=4000)
    shared = np.repeat(random.gamma(9, 1, 120), 4)
    own, base = 0.5 * shared + random.gamma(4, 0.25, 480), shared + random.gamma(4, 0.25, 480)
    found = robustness({"blur": [sample(own, clusters)]}, {"blur": [sample(base, clusters)]})
    ratio = own.mean() / base.mean()
    # Delta method: the variance of a ratio of group sums, with the t quantile of 119 degrees of freedom.
    residual = np.bincount(index, own - ratio * base)
    half = 1.980 * residual.std(ddof=1) * math.sqrt(120) / base.sum()
    assert found.mean_corruption_error.value == pytest.approx(ratio)
    assert found.mean_corruption_error.low == pytest.approx(ratio - half, abs=0.1 * half)
    assert found.mean_corruption_error.high == pytest.approx(ratio + half, abs=0.1 * half)


def test_a_rise_that_is_not_clear_of_zero_gives_no_ratio() -> None:
    random = np.random.default_rng(4)
    clusters = draw_clusters([str(i) for i in range(60)])
    clean, noisy = np.full(60, 5.0), 5.0 + random.normal(0.05, 1.0, 60)
    noisy += 0.05 - (noisy - 5.0).mean()
    found = robustness(
        {"blur": [sample(clean + 1.0, clusters)]},
        {"blur": [sample(noisy, clusters)]},
        sample(clean, clusters),
        sample(clean, clusters),
    ).relative_mean_corruption_error
    assert found is not None
    assert math.isnan(found.value)
    assert (found.low, found.high, found.note) == (None, None, IntervalNote.UNSTABLE_RATIO)
