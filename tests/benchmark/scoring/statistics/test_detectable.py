"""The smallest detectable difference is detected in four of five repetitions, at the level of the family."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.benchmark.scoring.statistics.arrangements import arrange, swap_row, swapped
from avbench.benchmark.scoring.statistics.detectable import detectable_difference
from avbench.benchmark.scoring.statistics.family import family_test
from avbench.benchmark.scoring.statistics.summaries import prepare_mean

GROUPS, ROWS = 40, 12


def family_of(random: np.random.Generator, effect: float):  # type: ignore[no-untyped-def]
    differences = random.normal(0, 1, (GROUPS, ROWS))
    differences[:, 0] += effect
    rows = [swap_row(prepare_mean, column, np.zeros(GROUPS), np.arange(GROUPS), GROUPS) for column in differences.T]
    return differences, family_test(swapped(rows, arrange(GROUPS, drawn=399, seed=1)))


def test_a_difference_of_that_size_is_found_in_four_of_five_repetitions() -> None:
    random = np.random.default_rng(2)
    sizes = []
    for _ in range(20):
        differences, test = family_of(random, 0.0)
        noise = random.choice(differences[:, 0] - differences[:, 0].mean(), (800, GROUPS)).mean(axis=1)
        size = detectable_difference(noise, noise.std(), test.critical, GROUPS, np.inf)
        assert size is not None
        sizes.append(size)
    found = [family_of(random, float(np.mean(sizes)))[1].family_p_value[0] <= 0.05 for _ in range(150)]
    assert 0.70 <= np.mean(found) <= 0.90


def test_nothing_is_detectable_where_it_would_be_more_than_possible() -> None:
    noise = np.random.default_rng(3).normal(0, 1, 500)
    size = detectable_difference(noise, 1.0, 2.0, 100, np.inf)
    assert size is not None
    assert detectable_difference(noise, 1.0, 2.0, 100, size * 0.9) is None
    assert detectable_difference(noise, 1.0, 2.0, 100, size * 1.1) == pytest.approx(size, rel=1e-4)
    # A swap test of four groups never reaches 2.2 scales, however large the difference: at most root 4.
    assert detectable_difference(noise, 1.0, 2.2, 4, np.inf) is None
