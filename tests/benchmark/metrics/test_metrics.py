"""The metrics contract: values worked out by hand, edges, and what no prediction can gain by failing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avbench.benchmark.metrics.definitions import (
    WORST_ERROR_DEG,
    auc_percent,
    direction_counts,
    pair_errors,
)
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.scoring.bootstrap import sample, ungrouped
from avbench.benchmark.scoring.metric import Quantity, all_metrics
from avbench.preprocessing.base.geometry import ROTATION_TOLERANCE, axis_rotation, nearest_rotation
from avbench.preprocessing.rows.choose import UNCERTAIN_DIRECTION_DEG


def random_rotations(count: int, generator: np.random.Generator) -> np.ndarray:
    return nearest_rotation(generator.normal(size=(count, 3, 3)))


def metrics_of(errors, quantity: Quantity = Quantity.ROTATION) -> dict[str, float]:
    """Every metric of one kind of error by name."""
    errors = np.asarray(errors, dtype=np.float64)
    return {
        name: metric.sampled(errors, ungrouped(len(errors))).point
        for name, metric in all_metrics().items()
        if metric.quantity is quantity
    }


def errors_of(rotation, translation, true_rotation, true_translation, metric=False):
    return pair_errors(
        predicted_rotation=np.asarray(rotation, dtype=np.float64)[None],
        predicted_translation=np.asarray(translation, dtype=np.float64)[None],
        predicted_metric=np.array([metric]),
        true_rotation=np.asarray(true_rotation, dtype=np.float64)[None],
        true_translation=np.asarray(true_translation, dtype=np.float64)[None],
    )


def test_auc_of_three_errors_equals_the_areas_added_by_hand():
    # Errors 1, 2, 8; threshold 5. Recall goes 0 -> 1/3 over [0, 1], 1/3 -> 2/3 over [1, 2], stays 2/3 over [2, 5].
    # Areas: 1 * (0 + 1/3) / 2 = 1/6; 1 * (1/3 + 2/3) / 2 = 1/2; 3 * 2/3 = 2. Sum 8/3; over 5: 8/15.
    assert auc_percent([8.0, 1.0, 2.0], 5.0) == pytest.approx(100 * 8 / 15, abs=1e-12)
    # Threshold 10 adds 2/3 -> 1 over [2, 8]: 6 * 5/6 = 5, and 1 over [8, 10]: 2. 1/6 + 1/2 + 5 + 2 = 23/3; over 10.
    assert auc_percent([8.0, 1.0, 2.0], 10.0) == pytest.approx(100 * 23 / 30, abs=1e-12)


def test_auc_at_its_edges():
    assert auc_percent([0.0, 0.0, 0.0], 5.0) == 100.0
    assert auc_percent([180.0], 5.0) == 0.0
    assert auc_percent([math.inf, math.inf], 20.0) == 0.0
    # An error equal to the threshold is outside, one just below ramps up to recall 1 at the very end: half the area.
    assert auc_percent([5.0], 5.0) == 0.0
    assert auc_percent([np.nextafter(5.0, 0.0)], 5.0) == pytest.approx(50.0)
    # One error 2.5: 2.5 * 1/2 under the ramp, 2.5 * 1 held: 3.75 of 5.
    assert auc_percent([2.5], 5.0) == pytest.approx(75.0)
    # Two equal errors are a vertical step from 1/2 to 1 at 2: 2 * 1/4 + 3 * 1 = 3.5 of 5.
    assert auc_percent([2.0, 2.0], 5.0) == pytest.approx(70.0)


def test_auc_refuses_what_it_cannot_order():
    with pytest.raises(ValueError, match="NaN"):
        auc_percent([1.0, math.nan], 5.0)
    with pytest.raises(ValueError, match="at least one"):
        auc_percent([], 5.0)
    with pytest.raises(ValueError, match="positive"):
        auc_percent([1.0], 0.0)


def test_a_pair_error_is_the_larger_of_rotation_and_signed_direction():
    # Turned by 30 degrees about y; direction (1, 0, 1) against (0, 0, 1): 45 degrees.
    found = errors_of(axis_rotation("y", 30.0), (1.0, 0.0, 1.0), np.eye(3), (0.0, 0.0, 2.0))
    assert found.rotation_deg[0] == pytest.approx(30.0, abs=1e-9)
    assert found.direction_deg[0] == pytest.approx(45.0, abs=1e-9)
    assert found.total_deg[0] == pytest.approx(45.0, abs=1e-9)
    # The opposite direction is 180 degrees off, not 0.
    assert errors_of(np.eye(3), (0.0, 0.0, -1.0), np.eye(3), (0.0, 0.0, 3.0)).direction_deg[0] == pytest.approx(180.0)


def test_a_rotation_of_180_degrees_and_an_equal_one_are_exact():
    half_turn = axis_rotation("x", 180.0)
    assert errors_of(half_turn, (0, 0, 1), np.eye(3), (0, 0, 1)).rotation_deg[0] == pytest.approx(180.0, abs=1e-9)
    assert errors_of(half_turn, (0, 0, 1), half_turn, (0, 0, 1)).rotation_deg[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("translation", [(0.0, 0.0, 0.0), (math.nan, 0.0, 1.0), (math.inf, 0.0, 0.0)])
def test_no_usable_translation_costs_180_degrees_of_direction_only(translation):
    found = errors_of(np.eye(3), translation, np.eye(3), (0.0, 0.0, 1.0), metric=True)
    assert found.valid[0]
    assert found.rotation_deg[0] == pytest.approx(0.0)
    assert found.direction_deg[0] == 180.0


@pytest.mark.parametrize(
    "matrix",
    [
        np.full((3, 3), np.nan),
        np.zeros((3, 3)),
        -np.eye(3),
        np.diag([1.0, 1.0, -1.0]),
        np.eye(3) * 1.01,
        np.diag([1.0, 1.0, np.inf]),
    ],
)
def test_what_is_no_rotation_costs_180_degrees_of_both(matrix):
    found = errors_of(matrix, (0.0, 0.0, 1.0), np.eye(3), (0.0, 0.0, 1.0), metric=True)
    assert not found.valid[0]
    assert (found.rotation_deg[0], found.direction_deg[0], found.translation_m[0]) == (180.0, 180.0, math.inf)


def test_a_nearly_orthonormal_matrix_is_projected_and_not_punished():
    # 1.002: ||1.004 I - I||_F = 0.004004 * sqrt 3 = 0.0069, within 0.01; 1.003 gives 0.0104, outside.
    turned = axis_rotation("z", 20.0)
    assert errors_of(1.002 * turned, (0, 0, 1), turned, (0, 0, 1)).rotation_deg[0] == pytest.approx(0.0, abs=1e-6)
    assert errors_of(1.003 * turned, (0, 0, 1), turned, (0, 0, 1)).rotation_deg[0] == 180.0


def test_which_labels_have_a_direction():
    translation = [[0.04, 0, 0], [0.06, 0, 0], [0.05, 0, 0], [0.01, 0, 0], [0, 0, 0], [0, 0, 0], [1.0, 0, 0]]
    metric = [True, True, True, False, False, True, False]
    rotation_only = [False, False, False, False, False, False, True]
    counts = direction_counts(
        translation,
        metric=metric,
        rotation_only=rotation_only,
        direction_sigma_deg=[math.nan] * 7,
        baseline_threshold_m=0.05,
        sigma_limit_deg=10.0,
    )
    # 4 cm is too short, 6 and 5 are not; 0.01 of unknown scale counts; nothing at all never does.
    assert counts.tolist() == [False, True, True, True, False, False, False]


def test_directions_without_metres_count_by_their_uncertainty_and_those_in_metres_by_their_length():
    sigma_deg = [9.9, 10.0, 10.1, math.nan, 90.0, 90.0]
    counts = direction_counts(
        [[0.001, 0, 0]] * 4 + [[0.06, 0, 0]] * 2,
        metric=[False] * 4 + [True, False],
        rotation_only=[False] * 6,
        direction_sigma_deg=sigma_deg,
        baseline_threshold_m=0.05,
        sigma_limit_deg=10.0,
    )
    assert counts.tolist() == [True, True, False, True, True, False]


def test_2000_perfect_float32_predictions_score_full_marks():
    generator = np.random.default_rng(3)
    rotation = random_rotations(2000, generator)
    translation = generator.normal(size=(2000, 3))
    found = pair_errors(
        predicted_rotation=rotation.astype(np.float32),
        predicted_translation=translation.astype(np.float32),
        predicted_metric=np.ones(2000, dtype=bool),
        true_rotation=rotation,
        true_translation=translation,
    )
    for errors in (found.rotation_deg, found.direction_deg, found.total_deg):
        assert np.isfinite(errors).all()
        assert all(auc_percent(errors, threshold) >= 99.999 for threshold in (5.0, 10.0, 20.0))
    assert found.translation_m.mean() < 1e-6


def test_random_directions_score_at_the_chance_level_of_a_signed_error():
    # The share of directions within an angle e of a given one is (1 - cos e) / 2; its mean over 0 to T is
    # (1 - sin T / T) / 2, T in radians: 0.0634, 0.2536 and 1.0129 %.
    generator = np.random.default_rng(11)
    count = 400_000
    directions = generator.normal(size=(count, 3))
    found = pair_errors(
        predicted_rotation=np.broadcast_to(np.eye(3), (count, 3, 3)),
        predicted_translation=directions,
        predicted_metric=np.zeros(count, dtype=bool),
        true_rotation=np.broadcast_to(np.eye(3), (count, 3, 3)),
        true_translation=np.broadcast_to([0.0, 0.0, 1.0], (count, 3)),
    )
    for threshold, stated in ((5.0, 0.063), (10.0, 0.254), (20.0, 1.01)):
        angle = math.radians(threshold)
        expected = 50.0 * (1.0 - math.sin(angle) / angle)
        assert expected == pytest.approx(stated, abs=0.004)
        # A pair adds at most 100 %, and only with the probability of lying within the threshold at all.
        within = 0.5 * (1.0 - math.cos(angle))
        sigma = 100.0 * math.sqrt(within / count)
        assert auc_percent(found.direction_deg, threshold) == pytest.approx(expected, abs=4.0 * sigma)


def test_metric_errors_count_a_failed_pair_as_infinite():
    found = metrics_of([0.1, 0.2, math.inf], Quantity.METRIC_TRANSLATION)
    assert found == {"metric_translation.mean_m": math.inf, "metric_translation.median_m": 0.2}
    # (0.3, 0, 0.4) instead of (0, 0, 0): half a metre off.
    found = errors_of(np.eye(3), (0.3, 0.0, 0.4), np.eye(3), (0.0, 0.0, 0.0), metric=True)
    assert found.translation_m[0] == pytest.approx(0.5)
    assert errors_of(np.eye(3), (0.3, 0.0, 0.4), np.eye(3), (0.0, 0.0, 0.0)).translation_m[0] == math.inf


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.1, 180.0), how=st.sampled_from(["nan", "zero", "scaled"]))
def test_a_model_that_fails_on_some_pairs_can_only_lose(seed, spread, how):
    generator = np.random.default_rng(seed)
    count = 20
    true_rotation, true_translation = random_rotations(count, generator), generator.normal(size=(count, 3))
    wobble = axis_rotation("y", generator.uniform(-spread, spread, count))
    rotation = true_rotation @ wobble
    translation = np.einsum("nij,nj->ni", wobble, true_translation)
    failing = generator.random(count) < 0.4
    failed = rotation.copy()
    failed[failing] = {"nan": np.nan, "zero": 0.0, "scaled": 2.0}[how]
    common = {
        "predicted_translation": translation,
        "predicted_metric": np.ones(count, dtype=bool),
        "true_rotation": true_rotation,
        "true_translation": true_translation,
    }
    before = pair_errors(predicted_rotation=rotation, **common)
    after = pair_errors(predicted_rotation=failed, **common)
    for kind in ("rotation_deg", "direction_deg", "total_deg"):
        good, bad = metrics_of(getattr(before, kind)), metrics_of(getattr(after, kind))
        assert all(bad[name] <= good[name] + 1e-9 for name in good if "auc@" in name)
        assert all(bad[name] >= good[name] - 1e-9 for name in good if "auc@" not in name)
    assert np.median(after.translation_m) >= np.median(before.translation_m) - 1e-9


@given(st.lists(st.floats(0.0, 180.0), min_size=1, max_size=30), st.floats(0.5, 60.0), st.floats(1.0, 3.0))
def test_auc_is_a_share_that_rises_with_the_threshold_and_falls_with_the_errors(errors, threshold, factor):
    value = auc_percent(errors, threshold)
    assert -1e-9 <= value <= 100.0 + 1e-9
    assert auc_percent(errors, threshold * factor) >= value - 1e-9
    assert auc_percent([error * factor for error in errors], threshold) <= value + 1e-9


def test_no_pairs_give_no_numbers():
    assert all(math.isnan(value) for value in metrics_of([]).values())
    assert sample(np.full(3, np.nan), ungrouped(3)).pairs == 0


def test_the_specification_says_what_the_code_does():
    spec = load_metrics_spec()
    assert spec.version == "1.1"
    assert spec.rotation_tolerance == ROTATION_TOLERANCE
    assert spec.worst_error_deg == spec.no_direction_deg == WORST_ERROR_DEG
    assert spec.baseline_threshold_m == 0.05
    assert spec.direction_sigma_limit_deg == UNCERTAIN_DIRECTION_DEG == 10.0
    assert spec.auc_thresholds_deg == (5.0, 10.0, 20.0)
    assert {metric.better for metric in spec.metrics} == {"higher", "lower"}
