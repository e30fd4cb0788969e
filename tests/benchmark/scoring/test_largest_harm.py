"""The largest of several harms has an interval that holds for the largest."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.benchmark.scoring.bootstrap import draw_clusters, sample
from avbench.benchmark.scoring.probes import largest_of


def test_the_largest_of_five_harms_that_are_none_is_seldom_wholly_above_zero() -> None:
    random = np.random.default_rng(1)
    ordinary = simultaneous = 0
    for repetition in range(200):
        clusters = draw_clusters([str(i) for i in range(60)], resamples=400, seed=repetition)
        harms = [sample(random.normal(0, 1, 60), clusters) for _ in range(5)]
        worst = max(harms, key=lambda harm: harm.point)
        found = largest_of(harms)
        assert found is not None
        assert found.low is not None
        assert found.value == pytest.approx(worst.point)
        ordinary += worst.estimate.low is not None and worst.estimate.low > 0
        simultaneous += found.low > 0
    assert ordinary / 200 > 0.06
    # 2.5 % of 200, and three standard errors.
    assert simultaneous / 200 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 200)


def test_without_a_lie_there_is_no_largest_and_few_groups_give_no_interval() -> None:
    assert largest_of([]) is None
    clusters = draw_clusters([str(i) for i in range(5)])
    found = largest_of([sample(np.arange(5.0), clusters), sample(np.ones(5), clusters)])
    assert found is not None
    assert (found.value, found.low, found.high) == (2.0, None, None)
