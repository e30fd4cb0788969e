"""Pair by pair: who wins, and what the labels leave undecided."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.benchmark.scoring.bootstrap import IntervalNote, draw_clusters
from avbench.benchmark.scoring.comparison import compare_runs
from avbench.benchmark.scoring.errors import ErrorTable
from avbench.benchmark.scoring.label_noise import LabelSigma, perfect_scores, wins
from avbench.benchmark.scoring.metric import find_metrics
from avbench.benchmark.tables.comparisons import comparison_tables


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


PAIRS = 800


def noisy(random: np.random.Generator, off_deg: float) -> np.ndarray:
    """Distances of an answer that is so far from the truth to labels with 0.5 degrees of noise about each axis."""
    return np.linalg.norm(random.normal(0, 0.5, (PAIRS, 3)) - turned(random, off_deg), axis=1)


def turned(random: np.random.Generator, off_deg: float) -> np.ndarray:
    axes = random.normal(0, 1, (PAIRS, 3))
    return off_deg * axes / np.linalg.norm(axes, axis=1, keepdims=True)


def table_of(rotation: np.ndarray) -> ErrorTable:
    nothing = np.full(len(rotation), np.nan)
    return ErrorTable("clean", rotation, nothing, nothing, nothing, np.ones(len(rotation), dtype=np.bool_))


def test_a_perfect_model_scores_what_the_noise_of_the_labels_says() -> None:
    random = np.random.default_rng(1)
    metrics = find_metrics(["rotation.mean_deg", "rotation.median_deg", "rotation.auc@5", "direction.mean_deg"])
    sigma = LabelSigma.of(np.full(PAIRS, 0.5), np.full(PAIRS, np.nan))
    errors = noisy(random, 0.0)
    found = perfect_scores(table_of(errors), metrics, sigma)
    assert found.keys() == {"rotation.mean_deg", "rotation.median_deg", "rotation.auc@5"}
    assert found["rotation.mean_deg"].value == pytest.approx(0.798, rel=0.01)  # sigma times root(8 / pi)
    for metric in metrics[:3]:
        score = metric.statistic(errors, np.zeros(PAIRS, dtype=np.int64), 1).point
        assert found[metric.name].low < score < found[metric.name].high
    # Simulated labels have no noise, and nothing to say of it.
    assert perfect_scores(table_of(errors), metrics, LabelSigma.of(np.zeros(PAIRS), np.zeros(PAIRS))) == {}


def test_models_equally_far_from_the_truth_tie_and_are_seldom_called_different() -> None:
    random, wrong = np.random.default_rng(2), 0
    clusters = draw_clusters([str(i % 40) for i in range(PAIRS)], resamples=50)
    sigma = LabelSigma.of(np.full(PAIRS, 0.5), np.full(PAIRS, np.nan))
    metrics = find_metrics(["rotation.mean_deg"])
    for repetition in range(60):
        off_deg = 2.0 if repetition % 2 else 5.0
        noise = random.normal(0, 0.5, (PAIRS, 3))
        a, b = (table_of(np.linalg.norm(turned(random, off_deg) - noise, axis=1)) for _ in "ab")
        found = compare_runs([a], [b], clusters, metrics=metrics, sigma=sigma)
        wrong += found.rows[0].better is not None
        count = found.win_counts[0].wins
        assert (count.a_better + count.b_better) / PAIRS < 0.05
    assert wrong <= 9  # of 60, 3 are expected


def test_labels_from_a_pose_source_warn_of_models_that_share_its_noise() -> None:
    random = np.random.default_rng(3)
    clusters = draw_clusters([str(i % 40) for i in range(PAIRS)], resamples=50)
    sigma = LabelSigma.of(np.full(PAIRS, 0.5), np.full(PAIRS, np.nan))
    a, b = table_of(noisy(random, 0.2)), table_of(noisy(random, 0.0))
    metrics = find_metrics(["rotation.mean_deg"])
    notes = {
        source: comparison_tables(compare_runs([a], [b], clusters, metrics=metrics, sigma=sigma, pose_sources=[source]))
        for source in ("sfm", "simulated")
    }
    texts = {source: "\n".join(tables[1].notes) for source, tables in notes.items()}
    assert "a perfect model would score on these labels, from their sigma: rotation.mean_deg 0.80 [" in texts["sfm"]
    assert "poses of the labels are by sfm" in texts["sfm"]
    assert "poses of the labels" not in texts["simulated"]
