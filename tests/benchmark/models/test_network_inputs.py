"""Pictures and sound as the networks take them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from avbench.benchmark.data.pair import PairInput, SoundClip
from avbench.benchmark.models.learned.inputs import (
    BANDS_HZ,
    MAPS,
    azimuth_spectrum,
    direction_maps,
    fit_picture,
    level_rotation,
    middle_of,
    picture_row,
    sound_row,
    up_row,
)
from avbench.preprocessing.recording.recording import ArrayKind

POSITIONS = np.array([[-0.07, 0, -0.09], [0.07, 0, -0.09], [-0.05, 0, 0], [0.05, 0, 0], [0, 0.03, 0.01]])


def clip(sample_rate_hz: int = 16_000) -> SoundClip:
    random = np.random.default_rng(0)
    samples = (0.1 * random.standard_normal((sample_rate_hz, 5))).astype(np.float32)
    return SoundClip(samples, sample_rate_hz, 0, sample_rate_hz, ArrayKind.MICROPHONES, POSITIONS)


@given(st.integers(130, 700), st.integers(100, 700))
def test_a_point_stays_on_its_ray(width: int, height: int) -> None:
    fit = fit_picture(width, height, (128, 96))
    K = np.array([[300.0, 0, width / 2 - 3], [0, 310.0, height / 2 + 2], [0, 0, 1]])
    fitted = fit.intrinsics(K)
    ray = np.array([0.1, -0.05, 1.0])
    before, after = (K @ ray)[:2], (fitted @ ray)[:2]
    scale = np.array([128 / fit.crop_width_px, 96 / fit.crop_height_px])
    np.testing.assert_allclose(after, (before - [fit.left_px, fit.top_px] + 0.5) * scale - 0.5)
    assert fit.crop_width_px <= width
    assert fit.crop_height_px <= height
    assert abs(fit.crop_width_px / fit.crop_height_px - 4 / 3) < 0.02


def test_shrinking_a_ramp_keeps_it_where_the_intrinsics_say() -> None:
    ramp = np.repeat(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 192, axis=0), 3, axis=2)
    fit = fit_picture(256, 192, (128, 96))
    out = fit.picture(ramp)
    # Pixel u' holds columns 2u' and 2u' + 1, whose middle is 2u' + 0.5; halves are rounded.
    assert np.abs(out[50, :, 0].astype(float) - (2 * np.arange(128) + 0.5)).max() <= 0.5


def test_portrait_and_small_pictures_fit() -> None:
    assert fit_picture(480, 640, (128, 96)).crop_height_px == 360
    small = fit_picture(64, 48, (128, 96)).picture(np.zeros((48, 64, 3), np.uint8))
    assert small.shape == (96, 128, 3)


def test_unknown_up_is_the_identity() -> None:
    np.testing.assert_array_equal(level_rotation(None), np.eye(3))


def test_sound_shapes_and_what_a_low_sample_rate_does_not_hold() -> None:
    maps = direction_maps(clip(), None)
    assert maps is not None
    assert maps.shape == (MAPS, 72)
    assert (np.abs(maps).max(axis=1) > 0).all()
    low = direction_maps(clip(8_000), None)
    assert low is not None
    by_band = np.abs(low).reshape(2, len(BANDS_HZ), -1).max(axis=(0, 2))
    assert (by_band[:4] > 0).all()
    assert (by_band[4:] == 0).all()
    spectrum = azimuth_spectrum(clip(), None)
    assert spectrum is not None
    assert (spectrum.min(), spectrum.max()) == (0.0, 1.0)


def test_the_middle_of_a_clip_has_maps_of_its_own() -> None:
    whole = clip()
    edges = whole.samples.copy()
    edges[:6_000], edges[10_000:] = edges[:6_000, :1], edges[10_000:, :1]
    changed = direction_maps(replace(whole, samples=edges), None)
    maps = direction_maps(whole, None)
    assert maps is not None
    assert changed is not None
    half = MAPS // 2
    # The middle 0.4 s are samples 4,800 to 11,200, and the frames that lie wholly inside 6,000 to 10,000 are as before.
    assert not np.allclose(changed[:half], maps[:half])
    assert not np.allclose(changed[half:], maps[half:])
    edges = whole.samples.copy()
    edges[:4_800], edges[11_200:] = edges[:4_800, :1], edges[11_200:, :1]
    kept = direction_maps(replace(whole, samples=edges), None)
    assert kept is not None
    np.testing.assert_array_equal(kept[half:], maps[half:])


def test_a_middle_without_sound_leaves_the_whole() -> None:
    whole = clip()
    quiet = whole.samples.copy()
    quiet[4_800:11_200] = 0.0
    maps = direction_maps(replace(whole, samples=quiet), None)
    assert maps is not None
    assert (np.abs(maps[: MAPS // 2]).max(axis=1) > 0).all()
    assert not maps[MAPS // 2 :].any()
    padded = middle_of(replace(whole, valid_start=9_000), 0.4)
    assert (padded.valid_start, padded.valid_stop) == (9_000, 11_200)
    beyond = middle_of(replace(whole, valid_start=13_000), 0.4)
    assert beyond.valid_start == beyond.valid_stop


def test_each_frame_comes_with_its_own_picture_up_and_sound() -> None:
    random = np.random.default_rng(1)
    sound_a = clip()
    samples = (0.1 * random.standard_normal((16_000, 5))).astype(np.float32)
    sound_b = replace(sound_a, samples=samples, valid_start=1_000, valid_stop=15_000)
    pictures = random.integers(0, 256, (2, 96, 128, 3), dtype=np.uint8)
    up_a, up_b = np.array([0.36, -0.8, 0.48]), np.array([-0.6, -0.8, 0.0])
    K = np.array([[100.0, 0.0, 60.0], [0.0, 110.0, 50.0], [0.0, 0.0, 1.0]])
    pair = PairInput("p", *pictures, K, sound_a, sound_b, up_a, up_b)

    seen = picture_row(pair, (128, 96))
    np.testing.assert_array_equal(seen["image_a"], pictures[0])
    np.testing.assert_array_equal(seen["image_b"], pictures[1])
    np.testing.assert_array_equal(seen["intrinsics"], K)
    level = up_row(pair)
    for view, up in (("a", up_a), ("b", up_b)):
        np.testing.assert_allclose(level[f"level_{view}"] @ up, [0.0, -1.0, 0.0], atol=1e-12)
    heard = sound_row(pair)
    for view, sound, up in (("a", sound_a, up_a), ("b", sound_b, up_b)):
        np.testing.assert_array_equal(heard[f"maps_{view}"], np.float16(direction_maps(sound, up)))
        np.testing.assert_array_equal(heard[f"spectrum_{view}"], np.float16(azimuth_spectrum(sound, up)))

    one_sided = replace(pair, up_b=None)
    assert not up_row(one_sided)["up_known"]
    np.testing.assert_array_equal(up_row(one_sided)["level_a"], np.eye(3))
    np.testing.assert_array_equal(sound_row(one_sided)["maps_a"], np.float16(direction_maps(sound_a, None)))


def test_no_sound_gives_nothing() -> None:
    assert direction_maps(None, None) is None
    assert azimuth_spectrum(None, None) is None
