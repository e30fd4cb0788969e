"""The floors: what they answer and what they need."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.benchmark.data.pair import FittedModel, PairLabel
from avbench.benchmark.models.baselines import Identity, MeanMotion
from avbench.preprocessing.base.geometry import axis_rotation, rotation_error_deg
from avbench.preprocessing.recording.recording import Scale


def label(angle_deg: float, translation, scale: Scale = Scale.METRIC) -> PairLabel:
    return PairLabel(f"p{angle_deg}{translation}", axis_rotation("y", angle_deg), np.array(translation, float), scale)


def test_identity_stands_still_in_rotation_and_goes_ahead():
    answers = Identity().predict([None] * 3)
    assert len(answers) == 3
    np.testing.assert_array_equal(answers[0].rotation_a_b, np.eye(3))
    np.testing.assert_array_equal(answers[0].translation_a_b, [0.0, 0.0, 1.0])
    assert (answers[0].confidence, answers[0].metric) == (0.0, False)
    assert not isinstance(Identity(), FittedModel)


def test_the_mean_of_symmetric_turns_is_the_middle():
    model = MeanMotion()
    assert isinstance(model, FittedModel)
    model.fit([label(10.0, (0, 0, 1)), label(30.0, (0, 0, 3)), label(20.0, (3, 0, 2))])
    answer = model.predict([None])[0]
    assert rotation_error_deg(answer.rotation_a_b, axis_rotation("y", 20.0)) < 1e-9
    np.testing.assert_allclose(answer.translation_a_b, [1.0, 0.0, 2.0])
    assert answer.metric


def test_rotations_without_translation_count_in_the_rotation_only():
    model = MeanMotion()
    model.fit([label(0.0, (0, 0, 2)), label(10.0, (0, 0, 0), Scale.ROTATION_ONLY)])
    answer = model.predict([None])[0]
    np.testing.assert_allclose(answer.translation_a_b, [0.0, 0.0, 2.0])
    assert rotation_error_deg(answer.rotation_a_b, axis_rotation("y", 5.0)) < 1e-9


def test_without_metres_the_directions_are_averaged_and_without_any_it_goes_ahead():
    model = MeanMotion()
    model.fit([label(0.0, (5, 0, 0), Scale.UNKNOWN), label(0.0, (0, 0, 0.1), Scale.UNKNOWN)])
    answer = model.predict([None])[0]
    np.testing.assert_allclose(answer.translation_a_b, [0.5, 0.0, 0.5])
    assert not answer.metric
    model.fit([label(0.0, (0, 0, 0), Scale.ROTATION_ONLY)])
    np.testing.assert_array_equal(model.predict([None])[0].translation_a_b, [0.0, 0.0, 1.0])


def test_a_mean_needs_labels_first():
    with pytest.raises(RuntimeError, match="fit was not called"):
        MeanMotion().predict([None])
    with pytest.raises(ValueError, match="no labels"):
        MeanMotion().fit([])
