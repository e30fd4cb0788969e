"""Summaries of many compositions of groups against each composition written out in full."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avbench.benchmark.metrics.definitions import auc_percent
from avbench.benchmark.scoring.statistics.summaries import prepare_auc, prepare_mean, prepare_median

PREPARED = {
    "mean": (prepare_mean, np.mean),
    "median": (prepare_median, np.median),
    "auc": (prepare_auc(10.0), lambda values: auc_percent(values, 10.0)),
}


@pytest.mark.parametrize("name", PREPARED)
@settings(max_examples=30, deadline=None)
@given(errors=st.lists(st.floats(0, 180), min_size=1, max_size=300), seed=st.integers(0, 2**32 - 1))
def test_a_composition_has_the_summary_of_its_values_written_out(name: str, errors: list[float], seed: int) -> None:
    prepare, direct = PREPARED[name]
    random = np.random.default_rng(seed)
    values, index = np.array(errors), random.integers(0, 5, len(errors))
    counts = random.integers(0, 3, (6, 5)).astype(float)
    summary = prepare(values, index, 5)
    assert summary.point == pytest.approx(direct(values))
    for found, row in zip(summary.of(counts), counts, strict=True):
        written = np.repeat(values, row[index].astype(int))
        if len(written):
            assert found == pytest.approx(direct(written))
        else:
            assert math.isnan(found)


def test_an_error_at_the_threshold_of_an_auc_is_no_recall() -> None:
    # One error of 2 degrees of four: the recall rises to 1/4 at 2 and stays there up to 10.
    values = np.array([2.0, 10.0, 10.0, 12.0])
    summary = prepare_auc(10.0)(values, np.arange(4), 4)
    assert summary.point == pytest.approx(100.0 * (0.5 * 0.25 * 2.0 + 0.25 * 8.0) / 10.0)
    assert summary.of(np.array([[0.0, 2.0, 2.0, 0.0]]))[0] == 0.0


def test_an_auc_knows_its_largest_error_without_the_likely_groups() -> None:
    # Errors fall with the number of the group; the composition takes only the last four of forty.
    values, counts = np.linspace(9.0, 1.0, 40), np.zeros((1, 40))
    counts[0, 36:] = 10
    found = prepare_auc(10.0)(values, np.arange(40), 40).of(counts)[0]
    assert found == pytest.approx(auc_percent(np.repeat(values[36:], 10), 10.0))


def test_medians_of_more_values_than_blocks_are_exact() -> None:
    random = np.random.default_rng(3)
    values, index = np.round(random.exponential(5, 5000), 1), random.integers(0, 40, 5000)
    counts = random.multinomial(40, np.full(40, 1 / 40), size=50).astype(float)
    found = prepare_median(values, index, 40).of(counts)
    assert found.tolist() == [np.median(np.repeat(values, row[index].astype(int))) for row in counts]


def test_without_a_value_there_is_no_summary() -> None:
    nothing, index = np.zeros(0), np.zeros(0, dtype=np.int64)
    for prepare, _ in PREPARED.values():
        summary = prepare(nothing, index, 3)
        assert math.isnan(summary.point)
        assert np.isnan(summary.of(np.ones((2, 3)))).all()


def test_an_infinite_value_makes_a_mean_infinite_and_leaves_a_median() -> None:
    values, index = np.array([1.0, 2.0, np.inf]), np.arange(3)
    assert prepare_mean(values, index, 3).point == math.inf
    assert np.isnan(prepare_mean(values, index, 3).of(np.ones((1, 3)))).all()
    assert prepare_median(values, index, 3).of(np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])).tolist() == [2.0, math.inf]
