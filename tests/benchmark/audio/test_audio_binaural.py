from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audio_scenes import ARIA_MICS_M, clip_of, plane_wave
from avbench.benchmark.audio.binaural import (
    NoBinaural,
    ear_signals,
    find_left_right,
)
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind

RATE = 16000


def test_the_ears_of_aria_are_the_temples_whatever_the_channel_order() -> None:
    pair = find_left_right(ARIA_MICS_M)
    assert pair is not None
    assert (pair.first, pair.second) == (5, 6)
    assert pair.distance_m == pytest.approx(0.13968, abs=1e-5)
    order = np.array([3, 6, 0, 5, 2, 1, 4])
    shuffled = find_left_right(ARIA_MICS_M[order])
    assert shuffled is not None
    assert order[[shuffled.first, shuffled.second]].tolist() == [5, 6]


def test_the_pair_is_level_and_left_comes_first() -> None:
    # Widest apart is the slanted pair (0, 1); the level one (2, 3) hears like ears.
    positions = [[-0.08, -0.06, 0.0], [0.08, 0.06, 0.0], [0.07, 0.0, 0.0], [-0.07, 0.0, 0.0]]
    pair = find_left_right(positions)
    assert pair is not None
    assert (pair.first, pair.second) == (3, 2)
    assert find_left_right(positions, usable=(0, 1)) is None  # 16 cm across and 12 cm up is no pair of ears


def test_arrays_without_ears() -> None:
    assert find_left_right([[0.0, -0.07, 0.0], [0.0, 0.07, 0.0]]) is None  # a phone: one above the other
    assert find_left_right([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0]]) is None  # a centimetre apart
    assert find_left_right([[-0.05, 0.0, 0.0], [np.nan, np.nan, np.nan]]) is None


def test_ambisonic_ears_are_cardioids() -> None:
    source = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    for direction, deaf in (([1, 1, 0, 0], 1), ([1, -1, 0, 0], 0)):  # W Y Z X of the left and of the right
        clip = clip_of(np.outer(source, direction), RATE, None, ArrayKind.AMBISONIC)
        ears = ear_signals(clip)
        assert not isinstance(ears, NoBinaural)
        np.testing.assert_allclose(ears[1 - deaf], source, atol=1e-6)
        np.testing.assert_allclose(ears[deaf], 0.0, atol=1e-6)
        # W X Y Z in the older order, W weaker by the root of 2.
        older = np.outer(source, [0.5**0.5 * direction[0], direction[3], direction[1], direction[2]])
        older_clip = replace(
            clip_of(older, RATE, None, ArrayKind.AMBISONIC), ambisonic_convention=AmbisonicConvention.FUMA
        )
        np.testing.assert_allclose(ear_signals(older_clip), ears, atol=1e-6)


def test_faulty_ears_are_replaced() -> None:
    sound = plane_wave([1.0, 0.0, 1.0], ARIA_MICS_M)
    sound[:, 6] = 0.0
    clip = clip_of(sound, RATE, ARIA_MICS_M)
    np.testing.assert_array_equal(ear_signals(clip), clip.samples.T[[3, 4]])


@pytest.mark.parametrize(
    ("channels", "positions", "kind", "scale", "reason"),
    [
        (1, None, ArrayKind.STEREO, 1.0, NoBinaural.ONE_CHANNEL),
        (7, None, ArrayKind.MICROPHONES, 1.0, NoBinaural.UNKNOWN_GEOMETRY),
        (2, None, ArrayKind.BINAURAL, 0.0, NoBinaural.UNUSABLE_CHANNELS),
        (3, None, ArrayKind.AMBISONIC, 1.0, NoBinaural.UNUSABLE_CHANNELS),
        (7, ARIA_MICS_M, ArrayKind.MICROPHONES, 0.0, NoBinaural.UNUSABLE_CHANNELS),
        (2, [[0, -0.1, 0], [0, 0.1, 0]], ArrayKind.MICROPHONES, 1.0, NoBinaural.NO_LEFT_RIGHT_PAIR),
    ],
)
def test_none_is_said_with_its_reason(
    channels: int, positions: object, kind: ArrayKind, scale: float, reason: NoBinaural
) -> None:
    sound = scale * plane_wave([0.0, 0.0, 1.0], ARIA_MICS_M)[:, :channels]
    where = None if positions is None else np.asarray(positions, dtype=float)
    assert ear_signals(clip_of(sound, RATE, where, kind)) is reason


def test_no_sound_has_no_ears() -> None:
    assert ear_signals(None) is NoBinaural.NO_SOUND
