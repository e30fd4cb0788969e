"""Effective numbers of groups against formulas written out and against the matrices they come from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from avbench.benchmark.scoring.statistics.effective_groups import (
    degrees_of_freedom,
    effective_groups,
    effective_groups_by_leverage,
    largest_share,
    small_sample_factor,
)


def test_equal_groups_count_fully_and_a_dominating_one_hides_the_rest() -> None:
    assert effective_groups(np.full(40, 7)) == pytest.approx(40)
    half = np.r_[99, np.ones(99)]
    assert effective_groups(half) == pytest.approx(198**2 / (99**2 + 99))
    assert largest_share(half) == 0.5
    assert effective_groups(np.array([5, 0, 0])) == 1.0
    assert effective_groups(np.zeros(3)) == largest_share(np.zeros(3)) == 0.0


@pytest.mark.parametrize("correlation", [0.0, 0.3, 1.0])
def test_the_leverage_form_is_that_of_carter_schnepel_and_steigerwald(correlation: float) -> None:
    sizes = np.array([3, 5, 8, 20])
    gamma = []
    for size in sizes:
        within = np.full((size, size), correlation) + (1 - correlation) * np.eye(size)
        gamma.append(np.ones(size) @ within @ np.ones(size) / sizes.sum() ** 2)
    spread = np.mean((np.array(gamma) / np.mean(gamma) - 1) ** 2)
    assert effective_groups_by_leverage(sizes, correlation) == pytest.approx(4 / (1 + spread))


@pytest.mark.parametrize("sizes", [[4, 4, 4, 4, 4], [1, 2, 3, 10], [50, 1, 1, 1, 1, 1]])
def test_degrees_of_freedom_are_those_of_bell_and_mccaffreys_matrices(sizes: list[int]) -> None:
    index = np.repeat(np.arange(len(sizes)), sizes)
    total = len(index)
    residual = np.eye(total) - np.full((total, total), 1 / total)
    columns = []
    for group, size in enumerate(sizes):
        mine = index == group
        hat = np.full((size, size), 1 / total)
        values, vectors = np.linalg.eigh(np.eye(size) - hat)
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        columns.append(residual[mine].T @ root @ np.full(size, 1 / total))
    matrix = np.array(columns) @ np.array(columns).T
    eigenvalues = np.linalg.eigvalsh(matrix)
    expected = eigenvalues.sum() ** 2 / np.sum(eigenvalues**2)
    assert degrees_of_freedom(np.array(sizes)) == pytest.approx(expected)


def test_equal_groups_are_widened_by_students_t_and_lost_spread() -> None:
    expected = math.sqrt(12 / 11) * stats.t.ppf(0.975, 11) / stats.norm.ppf(0.975)
    assert small_sample_factor(np.full(12, 3), 0.95) == pytest.approx(expected)
    assert small_sample_factor(1 / np.arange(1, 31), 0.95) > small_sample_factor(np.ones(30), 0.95)
