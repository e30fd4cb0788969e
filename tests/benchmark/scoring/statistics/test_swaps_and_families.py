"""Swap tests and families against scipy, against enumeration by hand, and where nothing is to be found."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from avbench.benchmark.scoring.statistics.arrangements import Swapped, arrange, swap_row, swapped
from avbench.benchmark.scoring.statistics.family import critical_value, family_test
from avbench.benchmark.scoring.statistics.summaries import prepare_auc, prepare_mean, prepare_median


def swap_test(prepare, a, b, index, groups, **options):  # type: ignore[no-untyped-def]
    return family_test(swapped([swap_row(prepare, a, b, index, groups)], arrange(groups, **options)))


def test_the_p_value_of_a_mean_is_scipys() -> None:
    random = np.random.default_rng(1)
    a, b = random.exponential(5, 11), random.exponential(7, 11)
    found = swap_test(prepare_mean, a, b, np.arange(11), 11)

    def apart(x, y, axis):  # type: ignore[no-untyped-def]
        return np.mean(x, axis=axis) - np.mean(y, axis=axis)

    expected = stats.permutation_test((a, b), apart, permutation_type="samples", vectorized=True, n_resamples=np.inf)
    assert found.p_value[0] == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.smallest_p == 2.0**-10


@pytest.mark.parametrize("prepare", [prepare_median, prepare_auc(10.0)], ids=["median", "auc"])
def test_swapping_whole_groups_is_swapping_their_pairs(prepare) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(2)
    index = np.repeat(np.arange(6), [1, 2, 3, 4, 5, 9])
    a, b = random.exponential(5, 24), random.exponential(6, 24)

    def point(values: np.ndarray) -> float:
        return float(prepare(values, np.zeros(len(values), dtype=np.int64), 1).point)

    by_hand = []
    for swaps in itertools.product([False, True], repeat=6):
        swap = np.array(swaps)[index]
        by_hand.append(point(np.where(swap, b, a)) - point(np.where(swap, a, b)))
    expected = np.mean(np.abs(by_hand) >= abs(by_hand[0]) - 1e-9)
    assert swap_test(prepare, a, b, index, 6).p_value[0] == pytest.approx(expected, abs=1e-12)


def test_drawn_arrangements_come_near_all_of_them_and_never_give_zero() -> None:
    random = np.random.default_rng(3)
    a, b = random.exponential(5, 14), random.exponential(8, 14)
    exact = swap_test(prepare_mean, a, b, np.arange(14), 14).p_value[0]
    drawn = swap_test(prepare_mean, a, b, np.arange(14), 14, most_exact=16, drawn=20_000).p_value[0]
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))
    apart = swap_test(prepare_mean, np.zeros(60), np.ones(60), np.arange(60), 60, drawn=99)
    assert apart.p_value[0] == apart.smallest_p == 0.01


def test_a_pair_that_only_one_model_scores_is_left_out() -> None:
    a, b = np.array([1.0, np.nan, 3.0, 2.0]), np.array([2.0, 9.0, 3.5, np.nan])
    row = swap_row(prepare_mean, a, b, np.arange(4), 4)
    assert swapped([row], arrange(4)).observed[0] == pytest.approx(2.0 - 2.75)


def test_equal_models_have_a_p_of_one_and_infinite_differences_none() -> None:
    same, index = np.arange(12.0), np.arange(12)
    assert swap_test(prepare_mean, same, same, index, 12).p_value[0] == 1.0
    far = np.where(same > 10, np.inf, same)
    assert np.isnan(swap_test(prepare_mean, far, same, index, 12).p_value[0])


def test_all_arrangements_are_there_once_up_to_their_mirror() -> None:
    rows = np.concatenate(list(arrange(5).chunks()))
    assert len({tuple(row) for row in rows}) == len(rows) == 16
    assert len({tuple(row) for row in np.concatenate([rows, ~rows])}) == 32
    assert not rows[0].any()
    assert arrange(20).exact
    assert not arrange(21).exact


def test_the_draw_does_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(arrange(50, drawn=333, seed=4).chunks()))
    monkeypatch.setattr("avbench.benchmark.scoring.statistics.arrangements._CHUNK", 1000)
    assert np.array_equal(np.concatenate(list(arrange(50, drawn=333, seed=4).chunks())), whole)
    assert abs(whole.mean() - 0.5) < 0.02


def step_down_by_hand(observed: np.ndarray, arranged: np.ndarray) -> np.ndarray:
    """Westfall and Young's step-down, word for word, over all arrangements."""
    scale = np.sqrt(np.mean(arranged**2, axis=0))
    seen, null = np.abs(observed) / scale, np.abs(arranged) / scale
    order = np.argsort(-seen)
    found, so_far = np.zeros(len(seen)), 0.0
    for rank, row in enumerate(order):
        largest = null[:, order[rank:]].max(axis=1)
        so_far = max(so_far, float(np.mean(largest >= seen[row] - 1e-9)))
        found[row] = so_far
    return found


def test_the_correction_of_a_family_is_the_step_down_of_westfall_and_young() -> None:
    random = np.random.default_rng(5)
    base = random.normal(0, 1, (10, 1))
    differences = base + random.normal(0, 1, (10, 7)) + np.array([0, 0, 0.5, 0.5, 1, 2, 3])
    rows = [swap_row(prepare_mean, column, np.zeros(10), np.arange(10), 10) for column in differences.T]
    found = swapped(rows, arrange(10))
    tested = family_test(found)
    assert tested.family_p_value == pytest.approx(step_down_by_hand(found.observed, found.arranged), abs=1e-12)
    assert (tested.family_p_value >= tested.p_value - 1e-12).all()


def test_rows_that_say_the_same_cost_nothing() -> None:
    random = np.random.default_rng(6)
    a, b, index = random.exponential(5, 12), random.exponential(9, 12), np.arange(12)
    one = swap_row(prepare_mean, a, b, index, 12)
    tested = family_test(swapped([one] * 258, arrange(12)))
    assert tested.family_p_value == pytest.approx(tested.p_value)


def test_twelve_groups_and_258_rows_can_name_a_winner() -> None:
    random = np.random.default_rng(7)
    index = np.repeat(np.arange(12), 20)
    rows = [
        swap_row(prepare, random.normal(1, 0.2, 240), random.normal(75, 5, 240), index, 12)
        for prepare in [prepare_mean, prepare_median, prepare_auc(20.0)] * 86
    ]
    tested = family_test(swapped(rows, arrange(12)))
    assert tested.family_p_value.max() < 0.05
    assert tested.smallest_p == 2.0**-11


@pytest.mark.parametrize("design", ["equal", "half in one"])
def test_where_nothing_differs_no_more_than_one_family_in_twenty_says_so(design: str) -> None:
    random = np.random.default_rng(8)
    sizes = np.full(30, 4) if design == "equal" else np.r_[116, np.full(29, 4)]
    index = np.repeat(np.arange(30), sizes)
    single, family = 0, 0
    for repetition in range(200):
        shared = random.normal(1, 0.5, 30)
        rows = []
        for _ in range(6):
            a, b = (
                np.exp((shared + random.normal(0, 0.4, 30))[index] + random.normal(0, 0.5, len(index))) for _ in "ab"
            )
            rows.append(swap_row(prepare_mean, a, b, index, 30))
        tested = family_test(swapped(rows, arrange(30, drawn=199, seed=repetition)))
        single += int(tested.p_value[0] <= 0.05)
        family += int(tested.family_p_value.min() <= 0.05)
    # 5 % of 200 and three standard errors of 1.5 %.
    assert single / 200 <= 0.10
    assert family / 200 <= 0.10


def test_the_critical_value_is_the_smallest_that_is_significant() -> None:
    arranged = np.arange(1.0, 101.0)
    assert critical_value(arranged, 0.05, 0) == 96.0
    # The observed one counts as a draw: of 101, five at most may reach it.
    assert critical_value(arranged, 0.05, 1) == 97.0
    assert critical_value(np.arange(16.0), 0.05, 0) is None
    # Six values tie at the top, so none of them is rare enough.
    assert critical_value(np.r_[np.arange(94.0), np.full(6, 99.0)], 0.05, 0) is None
    exact = Swapped(np.array([4.0]), np.arange(1.0, 5.0)[:, None], exact=True)
    assert family_test(exact).critical is None
    assert family_test(exact).smallest_p == 0.25
