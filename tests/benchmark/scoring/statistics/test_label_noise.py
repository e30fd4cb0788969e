"""Label noise against geometry: real rotations and directions that are disturbed by known amounts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avbench.benchmark.scoring.statistics.label_noise import (
    DIRECTION_AXES,
    ROTATION_AXES,
    noise_floor,
    perfect_errors,
    repetitions_for,
    tie_width,
)


def angles_deg(a: Rotation, b: Rotation) -> np.ndarray:
    return np.degrees((a.inv() * b).magnitude())


def test_a_perfect_model_scores_the_length_of_the_labels_own_error() -> None:
    random = np.random.default_rng(1)
    sigma = np.full(4000, 0.5)
    drawn = perfect_errors(sigma, ROTATION_AXES, 40, random)
    labels = Rotation.from_rotvec(np.radians(random.normal(0, 0.5, (4000, 3))))
    measured = angles_deg(Rotation.identity(4000), labels)
    for score, factor in ((np.mean, 2 * math.sqrt(2 / math.pi)), (np.median, 1.5382)):
        floor = noise_floor(drawn, lambda errors, score=score: float(score(errors)))
        assert floor.value == pytest.approx(factor * 0.5, rel=0.005)
        assert floor.low < score(measured) < floor.high
        assert floor.pairs == 4000
    direction = noise_floor(perfect_errors(sigma, DIRECTION_AXES, 40, random), lambda errors: float(np.mean(errors)))
    assert direction.value == pytest.approx(0.5 * math.sqrt(math.pi / 2), rel=0.005)


def test_the_range_of_the_floor_holds_a_perfect_models_score_in_nineteen_of_twenty_labellings() -> None:
    random = np.random.default_rng(2)
    sigma = random.uniform(0.1, 1.0, 300)
    floor = noise_floor(perfect_errors(sigma, ROTATION_AXES, 400, random), lambda errors: float(np.median(errors)))
    scores = np.median(perfect_errors(sigma, ROTATION_AXES, 1000, random), axis=1)
    assert 0.92 <= np.mean((scores >= floor.low) & (scores <= floor.high)) <= 0.975


@pytest.mark.parametrize("off_deg", [2.0, 5.0])
def test_models_equally_far_from_the_truth_tie_at_the_stated_probability(off_deg: float) -> None:
    random = np.random.default_rng(3)
    count = 20_000

    def model() -> Rotation:
        axes = random.normal(0, 1, (count, 3))
        return Rotation.from_rotvec(np.radians(off_deg) * axes / np.linalg.norm(axes, axis=1, keepdims=True))

    a, b = model(), model()
    labels = Rotation.from_rotvec(np.radians(random.normal(0, 0.5, (count, 3))))
    errors_a, errors_b = angles_deg(a, labels), angles_deg(b, labels)
    sigma = np.full(count, 0.5)
    tied = np.abs(errors_a - errors_b) <= tie_width(sigma, (errors_a, errors_b, angles_deg(a, b)))
    assert np.mean(tied) == pytest.approx(0.95, abs=0.01)
    # Without the angle between the answers the tie is as wide as it can be needed.
    assert np.mean(np.abs(errors_a - errors_b) <= tie_width(sigma)) > 0.95
    # One sigma, as if it were that of the difference, leaves a winner where there is none.
    assert np.mean(np.abs(errors_a - errors_b) > 0.5) > 0.3


def test_a_label_without_sigma_makes_no_ties_and_many_pairs_are_drawn_less_often() -> None:
    assert tie_width(np.array([np.nan, 0.0])).tolist() == [0.0, 0.0]
    assert repetitions_for(3000) == 400
    assert repetitions_for(1_000_000) == 20
