"""What a confidence is worth: AUROC and risk-coverage by hand, by brute force, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.benchmark.reference.confidence import confidence_quality
from avbench.benchmark.scoring.bootstrap import Clusters, IntervalNote, draw_clusters

NAN = float("nan")


def ungrouped(count: int) -> Clusters:
    """Clusters of a handful of pairs: too few groups for resamples."""
    return draw_clusters([str(number % 3) for number in range(count)])


@pytest.mark.parametrize(
    ("errors", "confidence", "auroc", "area"),
    [
        # The surest have the smallest errors: means over the first k are 1, 1.5, 2 and 2.5.
        ([1.0, 2.0, 3.0, 4.0], [0.9, 0.8, 0.2, 0.1], 1.0, 1.75),
        # The other way round: 4, 3.5, 3 and 2.5.
        ([1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.8, 0.9], 0.0, 3.25),
        # A tie of the errors 4 and 2, which count 3 each: 1, 2, 7/3 and 2.5. Above the median of 2.5 are 4 and 3: the
        # model is surer of 1 than of either, of 2 than of 3, and as sure of 2 as of 4.
        ([1.0, 4.0, 2.0, 3.0], [0.9, 0.5, 0.5, 0.1], 3.5 / 4.0, (1.0 + 2.0 + 7.0 / 3.0 + 2.5) / 4.0),
        # No confidence is less sure than any: the order is 2, 1, 180.
        ([180.0, 1.0, 2.0], [NAN, 0.0, 0.5], 1.0, (2.0 + 1.5 + 61.0) / 3.0),
        # One confidence for all says nothing.
        ([5.0, 1.0, 3.0], [0.4, 0.4, 0.4], 0.5, 3.0),
    ],
)
def test_figures_worked_out_by_hand(errors: list[float], confidence: list[float], auroc: float, area: float) -> None:
    found = confidence_quality(errors, confidence, ungrouped(len(errors)))
    assert found is not None
    assert found.auroc.point == pytest.approx(auroc)
    assert found.risk_coverage_deg.point == pytest.approx(area)
    assert found.random_deg.point == pytest.approx(np.mean(errors))
    assert found.against_random.estimate.value == pytest.approx(area - np.mean(errors), abs=1e-12)
    assert found.ratio.value == pytest.approx(area / np.mean(errors))
    assert found.auroc.estimate.note is IntervalNote.TOO_FEW_GROUPS
    assert found.auroc.estimate.low is None


def test_a_model_without_confidence_has_none_and_equal_errors_cannot_be_told_apart() -> None:
    assert confidence_quality([1.0, 2.0], [NAN, NAN], ungrouped(2)) is None
    found = confidence_quality([180.0] * 4, [0.1, 0.2, 0.3, 0.4], ungrouped(4))
    assert found is not None
    assert found.auroc.estimate.note is IntervalNote.NOTHING_SCORED
    assert found.risk_coverage_deg.point == pytest.approx(180.0)


def written_out(errors: list[float], sure: list[float], median: float) -> tuple[float, float]:
    """AUROC and area of a sample, pair by pair, as their definitions read."""
    above = [c for e, c in zip(errors, sure, strict=True) if e > median]
    below = [c for e, c in zip(errors, sure, strict=True) if e <= median]
    told = [1.0 if b > a else 0.5 if b == a else 0.0 for a in above for b in below]
    shared = {c: np.mean([e for e, other in zip(errors, sure, strict=True) if other == c]) for c in sure}
    ranked = [shared[c] for c in sorted(sure, reverse=True)]
    risks = [float(np.mean(ranked[: k + 1])) for k in range(len(ranked))]
    return float(np.mean(told)) if told else NAN, float(np.mean(risks))


@pytest.mark.parametrize("levels", [3, 1000])
def test_resamples_are_those_of_the_sample_written_out_in_full(levels: int) -> None:
    random = np.random.default_rng(levels)
    errors = random.gamma(2.0, 5.0, 36)
    sure = random.integers(0, levels, 36) / levels
    groups = [f"g{number % 12}" for number in range(36)]
    clusters = draw_clusters(groups, resamples=25)
    found = confidence_quality(errors, sure, clusters)
    assert found is not None
    median = float(np.median(errors))
    for number, counts in enumerate(clusters.counts):
        drawn = np.repeat(np.arange(36), counts[clusters.index].astype(int))
        auroc, area = written_out(list(errors[drawn]), list(sure[drawn]), median)
        assert found.auroc.drawn[number] == pytest.approx(auroc)
        assert found.risk_coverage_deg.drawn[number] == pytest.approx(area)
        assert found.random_deg.drawn[number] == pytest.approx(errors[drawn].mean())
    assert found.auroc.estimate.low is not None
    assert found.auroc.estimate.low < found.auroc.point < (found.auroc.estimate.high or 0.0)


@given(
    st.lists(st.tuples(st.floats(0.0, 180.0), st.integers(0, 5)), min_size=2, max_size=30).filter(
        lambda pairs: len({confidence for _, confidence in pairs}) > 1
    )
)
def test_only_the_order_counts_and_turning_it_round_turns_the_auroc_round(pairs: list[tuple[float, int]]) -> None:
    errors = np.array([error for error, _ in pairs])
    sure = np.array([confidence for _, confidence in pairs]) / 5.0
    clusters = ungrouped(len(pairs))
    here, curved, turned = (confidence_quality(errors, one, clusters) for one in (sure, sure**3 + 1.0, -sure))
    assert here is not None
    assert curved is not None
    assert turned is not None
    np.testing.assert_allclose(curved.auroc.point, here.auroc.point)
    np.testing.assert_allclose(curved.risk_coverage_deg.point, here.risk_coverage_deg.point)
    something_above = errors.max() > np.median(errors)
    np.testing.assert_allclose(here.auroc.point + turned.auroc.point, 1.0 if something_above else NAN)
    expected_auroc, expected_area = written_out(list(errors), list(sure), float(np.median(errors)))
    np.testing.assert_allclose(here.auroc.point, expected_auroc)
    np.testing.assert_allclose(here.risk_coverage_deg.point, expected_area)
