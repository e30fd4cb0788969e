from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from audio_scenes import ARIA_MICS_M, clip_of, plane_wave
from avbench.benchmark.audio.binaural import (
    CHANNELS,
    BinauralSettings,
    NoBinaural,
    binaural_features,
    ear_signals,
    find_ears,
    find_left_right,
    mel_filters,
)
from avbench.benchmark.audio.grid import unit_direction
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind

RATE = 16000


def mean_row(azimuth: float, name: str, bands: slice = slice(None), **kind: object) -> float:
    sound = plane_wave(unit_direction(azimuth, 0.0), ARIA_MICS_M)
    values = binaural_features(clip_of(sound, RATE, ARIA_MICS_M)).values
    assert values is not None
    return float(values[CHANNELS.index(name), bands].mean())


def test_the_ears_of_aria_are_the_temples_whatever_the_channel_order() -> None:
    layout = find_ears(ARIA_MICS_M)
    assert layout is not None
    assert (layout.left_right.first, layout.left_right.second) == (5, 6)
    assert layout.left_right.distance_m == pytest.approx(0.13968, abs=1e-5)
    assert layout.front_back_left is not None
    assert layout.front_back_right is not None
    assert (layout.front_back_left.first, layout.front_back_left.second) == (3, 5)
    assert (layout.front_back_right.first, layout.front_back_right.second) == (4, 6)
    order = np.array([3, 6, 0, 5, 2, 1, 4])
    shuffled = find_ears(ARIA_MICS_M[order])
    assert shuffled is not None
    assert order[[shuffled.left_right.first, shuffled.left_right.second]].tolist() == [5, 6]


def test_the_pair_is_level_and_left_comes_first() -> None:
    # Widest apart is the slanted pair (0, 1); the level one (2, 3) hears like ears.
    positions = [[-0.08, -0.06, 0.0], [0.08, 0.06, 0.0], [0.07, 0.0, 0.0], [-0.07, 0.0, 0.0]]
    pair = find_left_right(positions)
    assert pair is not None
    assert (pair.first, pair.second) == (3, 2)
    assert find_left_right(positions, usable=(0, 1)) is None  # 16 cm across and 12 cm up is no pair of ears


def test_arrays_without_ears() -> None:
    assert find_ears([[0.0, -0.07, 0.0], [0.0, 0.07, 0.0]]) is None  # a phone: one above the other
    assert find_ears([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0]]) is None  # a centimetre apart
    assert find_ears([[-0.05, 0.0, 0.0], [np.nan, np.nan, np.nan]]) is None
    two = find_ears([[-0.07, 0.0, 0.0], [0.07, 0.0, 0.0]])
    assert two is not None
    assert two.front_back_left is None
    assert two.front_back_right is None


def test_one_front_back_pair_in_the_middle_serves_both_sides() -> None:
    layout = find_ears([[-0.07, 0.0, 0.0], [0.07, 0.0, 0.0], [0.0, 0.0, 0.05], [0.0, 0.0, -0.05]])
    assert layout is not None
    assert layout.front_back_left == layout.front_back_right
    assert layout.front_back_left is not None
    assert (layout.front_back_left.first, layout.front_back_left.second) == (2, 3)


def test_front_and_back_are_told_apart_where_left_and_right_cannot() -> None:
    for side in ("front_back_left", "front_back_right"):
        assert mean_row(0.0, side) > 2.0
        assert mean_row(180.0, side) < -2.0
    low = slice(0, 12)  # where a phase difference means one side only
    assert mean_row(30.0, "phase_sine", low) == pytest.approx(mean_row(150.0, "phase_sine", low), abs=0.1)


def test_phase_says_left_or_right() -> None:
    low = slice(0, 8)
    # The phase of left times conjugate right: a sound on the right reaches left later, which is a negative phase.
    assert mean_row(60.0, "phase_sine", low) < -0.4
    assert mean_row(-60.0, "phase_sine", low) > 0.4
    assert mean_row(0.0, "phase_cosine", low) > 0.99


def test_level_difference_in_nepers_of_power() -> None:
    sound = plane_wave([0.0, 0.0, 1.0], ARIA_MICS_M)[:, 5:].copy()
    sound[:, 1] *= 0.5
    features = binaural_features(clip_of(sound, RATE, None, ArrayKind.BINAURAL))
    assert features.values is not None
    assert features.values[2].mean() == pytest.approx(np.log(4.0), abs=0.02)
    assert features.present.tolist() == [True] * 5 + [False] * 2
    assert not features.values[5:].any()


def test_shape_does_not_depend_on_the_sample_rate_and_bands_it_lacks_are_zero() -> None:
    shapes = set()
    for rate in (8000, 16000, 44100, 48000):
        sound = plane_wave([1.0, 0.0, 1.0], ARIA_MICS_M, sample_rate_hz=rate)
        values = binaural_features(clip_of(sound, rate, ARIA_MICS_M)).values
        assert values is not None
        assert values.dtype == np.float32
        shapes.add(values.shape)
        assert bool(values[0, -1].any()) == (rate > 8000)
    assert shapes == {(7, 32, 30)}


def test_frames_that_touch_padding_are_marked_and_zero() -> None:
    sound = plane_wave([1.0, 0.0, 1.0], ARIA_MICS_M)
    sound[:6000] = 0.0
    features = binaural_features(clip_of(sound, RATE, ARIA_MICS_M, valid=(6000, RATE)))
    assert features.values is not None
    first = -(-6000 // 512)
    assert features.frame_valid.tolist() == [False] * first + [True] * (30 - first)
    assert not features.values[..., :first].any()
    assert features.values[0, :, first:].all()


def test_ambisonic_ears_are_cardioids() -> None:
    source = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    left, right, front, back = [1, 1, 0, 0], [1, -1, 0, 0], [1, 0, 0, 1], [1, 0, 0, -1]  # W Y Z X
    for direction, row, sign in ((left, 2, 1), (right, 2, -1), (front, 5, 1), (back, 6, -1)):
        clip = clip_of(np.outer(source, direction), RATE, None, ArrayKind.AMBISONIC)
        values = binaural_features(clip).values
        assert values is not None
        assert sign * values[row].mean() > 5.0
        assert binaural_features(clip).present.all()
        # W X Y Z in the older order, W weaker by the root of 2.
        older = np.outer(source, [0.5**0.5 * direction[0], direction[3], direction[1], direction[2]])
        older_clip = replace(
            clip_of(older, RATE, None, ArrayKind.AMBISONIC), ambisonic_convention=AmbisonicConvention.FUMA
        )
        older_values = binaural_features(older_clip).values
        assert older_values is not None
        levels = [0, 1, 2, 5, 6]  # the phase between an ear and a deaf one is noise
        np.testing.assert_allclose(older_values[levels], values[levels], atol=1e-2)


def test_faulty_ears_are_replaced() -> None:
    sound = plane_wave([1.0, 0.0, 1.0], ARIA_MICS_M)
    sound[:, 6] = 0.0
    ears = ear_signals(clip_of(sound, RATE, ARIA_MICS_M))
    assert not isinstance(ears, NoBinaural)
    assert ears.layout is not None
    assert (ears.layout.left_right.first, ears.layout.left_right.second) == (3, 4)


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
    features = binaural_features(clip_of(sound, RATE, where, kind))
    assert features.values is None
    assert features.reason is reason
    assert not features.present.any()


def test_no_sound_and_too_little_sound() -> None:
    assert binaural_features(None).reason is NoBinaural.NO_SOUND
    sound = plane_wave([0.0, 0.0, 1.0], ARIA_MICS_M)
    short = clip_of(sound[:900], RATE, ARIA_MICS_M)
    assert binaural_features(short).reason is NoBinaural.TOO_SHORT
    assert binaural_features(clip_of(sound, RATE, ARIA_MICS_M, valid=(0, 900))).reason is NoBinaural.TOO_SHORT


def test_mel_filters_are_means_over_neighbouring_bands() -> None:
    filters = mel_filters(32, 150.0, 7500.0, RATE, 1024)
    np.testing.assert_allclose(filters.sum(axis=1), 1.0, rtol=1e-5)
    centres = filters @ (np.arange(513) * 15.625)
    assert (np.diff(centres) > 0).all()
    assert 150.0 < centres[0] < 300.0
    assert 6500.0 < centres[-1] < 7500.0


def test_settings_out_of_range() -> None:
    with pytest.raises(ValueError, match="out of range"):
        BinauralSettings(low_hz=5000.0, high_hz=400.0)
