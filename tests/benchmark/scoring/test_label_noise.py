"""Pair by pair: who wins, and what the labels leave undecided."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.benchmark.scoring.bootstrap import IntervalNote, draw_clusters
from avbench.benchmark.scoring.label_noise import wins


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


def test_comparing_different_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="same pairs"):
        wins(np.zeros(3), np.zeros(4), draw_clusters(["a", "b", "c"]))
