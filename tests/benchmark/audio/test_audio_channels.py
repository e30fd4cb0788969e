"""Lag spectra, ambisonics and channel faults."""

from __future__ import annotations

import numpy as np
import pytest

from audio_scenes import ARIA_MICS_M, plane_wave
from avbench.benchmark.audio.ambisonic import beam_power, camera_components
from avbench.benchmark.audio.faults import FaultKind, check_channel_order, inspect_channels
from avbench.benchmark.audio.grid import DirectionGrid, unit_direction
from avbench.benchmark.audio.lag import (
    free_field_lag_s,
    lag_spectrum,
    spherical_head_lag_s,
)
from avbench.benchmark.audio.spectra import stft
from avbench.preprocessing.recording.recording import AmbisonicConvention

RATE = 16000


@pytest.mark.parametrize("delay", [-7, 0, 5])
def test_the_lag_is_positive_where_the_right_channel_hears_first(delay: int) -> None:
    noise = np.random.default_rng(0).standard_normal(RATE + 40).astype(np.float32)
    left, right = noise[20 - delay : 20 - delay + RATE], noise[20 : 20 + RATE]  # left is right, `delay` samples later
    lags = np.arange(-20, 21) / RATE
    spectrum = lag_spectrum(
        stft(np.stack([left, right]), 1024, 512, (32, 257)), lags, sample_rate_hz=RATE, n_fft=1024, bins=(32, 257)
    )
    assert lags[spectrum.argmax()] == pytest.approx(delay / RATE)
    assert spectrum.max() > 0.95


def test_lag_laws_by_hand() -> None:
    # 0.343 m at 343 m/s is a millisecond.
    np.testing.assert_allclose(free_field_lag_s([-90, 0, 30], 0.343), [-1e-3, 0, 0.5e-3], atol=1e-12)
    # Woodworth at 90 degrees: (pi/2 + 1) / 2 of the straight way.
    assert spherical_head_lag_s(90.0, 0.343) == pytest.approx(1.2853982e-3)


def test_a_lag_spectrum_needs_two_channels() -> None:
    with pytest.raises(ValueError, match="two channels"):
        lag_spectrum(np.zeros((3, 10, 2), np.complex64), [0.0], sample_rate_hz=RATE, n_fft=1024, bins=(0, 10))


# A plane wave s from azimuth 90 degrees LEFT, as each convention writes it (ambisonic y is left).
ENCODED = {
    AmbisonicConvention.ACN_SN3D: [1.0, 1.0, 0.0, 0.0],
    AmbisonicConvention.ACN_N3D: [1.0, 3.0**0.5, 0.0, 0.0],
    AmbisonicConvention.FUMA: [0.5**0.5, 0.0, 1.0, 0.0],
}


@pytest.mark.parametrize("convention", list(AmbisonicConvention))
def test_every_ambisonic_convention_hears_left_on_the_left(convention: AmbisonicConvention) -> None:
    source = np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    channels = np.outer(ENCODED[convention], source).astype(np.float32)
    parts = camera_components(channels, convention)
    np.testing.assert_allclose(parts, np.outer([1, -1, 0, 0], source), atol=1e-5)  # pressure, and camera x = -left
    grid = DirectionGrid(360, (0.0,))
    power = beam_power(stft(parts, 1024, 512, (32, 257)), grid.directions)
    assert power.argmax() == 270
    assert power[270] == pytest.approx(1.0, abs=1e-3)
    assert power[90] == pytest.approx(0.25, abs=1e-3)  # the back lobe of the hypercardioid, (1 - 3)^2 / 16


@pytest.mark.parametrize(
    ("axis", "direction"), [(3, [0, 0, 1]), (1, [-1, 0, 0]), (2, [0, -1, 0])]
)  # ACN: W Y(left) Z(up) X(forward)
def test_ambisonic_axes_in_camera_axes(axis: int, direction: list[float]) -> None:
    encoded = np.zeros((4, 1), dtype=np.float32)
    encoded[0] = encoded[axis] = 1.0
    parts = camera_components(encoded, AmbisonicConvention.ACN_SN3D)[:, 0]
    np.testing.assert_allclose(parts, [1, *direction])


def test_ambisonics_of_silence_and_of_other_channel_counts() -> None:
    grid = DirectionGrid(8, (0.0,))
    assert not beam_power(np.zeros((4, 5, 3), np.complex64), grid.directions).any()
    with pytest.raises(ValueError, match="4 channels, not 3"):
        camera_components(np.zeros((3, 10), np.float32), AmbisonicConvention.ACN_SN3D)
    with pytest.raises(ValueError, match="4 channels, not 9"):
        camera_components(np.zeros((9, 10), np.float32), AmbisonicConvention.FUMA)
    assert camera_components(np.zeros((9, 10), np.float32), AmbisonicConvention.ACN_N3D).shape == (4, 10)
    with pytest.raises(ValueError, match="not 2 channels"):
        beam_power(np.zeros((2, 5, 3), np.complex64), grid.directions)


def noise(channels: int, samples: int = RATE, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((samples, channels))).astype(np.float32)


def kinds(sound: np.ndarray) -> dict[FaultKind, tuple[int, ...]]:
    return {fault.kind: fault.channels for fault in inspect_channels(sound).faults}


def test_good_sound_has_no_faults_and_its_level() -> None:
    time = np.arange(RATE) / RATE
    sound = np.stack([0.5 * np.sin(2 * np.pi * 440 * time + phase) for phase in (0.0, 1.0)], axis=1)
    report = inspect_channels(sound)
    np.testing.assert_allclose(report.level_dbfs, 20 * np.log10(0.5 / 2**0.5), atol=0.01)  # -9.03 dB
    np.testing.assert_allclose(report.peak, 0.5, atol=1e-3)
    assert report.faults == ()
    assert report.usable() == (0, 1)


def test_silence_is_said_once_and_not_as_dead_channels() -> None:
    assert kinds(np.zeros((100, 3))) == {FaultKind.SILENT: (0, 1, 2)}
    assert inspect_channels(np.zeros((100, 3))).usable() == ()
    assert kinds(np.full((100, 2), 0.25)) == {FaultKind.SILENT: (0, 1)}  # an offset is no sound
    dithered = np.round(np.random.default_rng(0).uniform(-1, 1, (RATE, 2))) / 2**15
    assert FaultKind.SILENT in kinds(dithered)


def test_no_samples_and_wrong_shapes() -> None:
    assert kinds(np.zeros((0, 2))) == {FaultKind.SILENT: (0, 1)}
    with pytest.raises(ValueError, match="samples, channels"):
        inspect_channels(np.zeros(10))


def test_dead_channels() -> None:
    sound = noise(4)
    sound[:, 1] = 0.3  # stuck
    sound[:, 3] *= 10 ** (-50 / 20)
    assert kinds(sound) == {FaultKind.DEAD: (1, 3)}
    assert inspect_channels(sound).usable() == (0, 2)
    sound = noise(2)
    sound[:, 1] *= 10 ** (-30 / 20)  # faint, but alive
    assert kinds(sound) == {}


def test_nan_is_found_and_does_not_spread() -> None:
    sound = noise(3)
    sound[5, 2] = np.nan
    sound[6, 2] = np.inf
    report = inspect_channels(sound)
    assert [(f.kind, f.channels) for f in report.faults] == [(FaultKind.NOT_FINITE, (2,))]
    assert "2 samples" in str(report.faults[0])
    assert report.usable() == (0, 1)
    assert np.isnan(sound[5, 2])  # the input is left alone


def test_clipping_needs_runs_at_the_extreme() -> None:
    sound = noise(2)
    sound[:, 0] = np.clip(8.0 * sound[:, 0], -1.0, 1.0 - 2.0**-15)
    sound[100, 1] = 0.99  # one tall sample is not clipped
    assert kinds(sound) == {FaultKind.CLIPPED: (0,)}
    assert inspect_channels(sound).usable() == (0, 1)  # its zero crossings are still good
    turned_down = noise(2)
    turned_down[:, 1] = np.clip(8.0 * turned_down[:, 1], -1.0, 1.0) * np.float32(0.7)
    assert kinds(turned_down) == {FaultKind.CLIPPED: (1,)}


def test_copies_are_found_up_to_gain_and_sign_and_in_groups() -> None:
    sound = noise(5)
    sound[:, 2] = -0.5 * sound[:, 0]
    sound[:, 4] = sound[:, 1]
    assert [(f.kind, f.channels) for f in inspect_channels(sound).faults] == [
        (FaultKind.DUPLICATED, (0, 2)),
        (FaultKind.DUPLICATED, (1, 4)),
    ]
    assert inspect_channels(sound).usable() == (3,)


def test_capsules_that_hear_one_source_are_not_copies() -> None:
    close = np.array([[0.0, 0, 0], [0.01, 0, 0], [0, 0.01, 0]])
    sound = plane_wave([1.0, 0.5, 0.2], close, noise=0.003)
    assert kinds(sound) == {}


@pytest.mark.parametrize("swap", [(0, 1), (2, 5), (3, 6)])
def test_swapped_channels_are_found(swap: tuple[int, int]) -> None:
    clips = [plane_wave(unit_direction(a, 5.0), ARIA_MICS_M, seed=a, noise=0.3) for a in (20, 130, 250)]
    good = check_channel_order(clips, ARIA_MICS_M, RATE)
    assert good is not None
    assert good.fault is None
    assert good.coherence > 0.7
    exchanged = [clip.copy() for clip in clips]
    for clip in exchanged:
        clip[:, list(swap)] = clip[:, list(swap[::-1])]
    bad = check_channel_order(exchanged, ARIA_MICS_M, RATE)
    assert bad is not None
    assert bad.fault is not None
    assert bad.fault.kind is FaultKind.SWAPPED
    assert bad.fault.channels == swap
    assert bad.swapped_coherence == pytest.approx(good.coherence, abs=0.02)


def test_no_swap_is_claimed_for_noise_or_for_two_channels() -> None:
    check = check_channel_order([noise(7)], ARIA_MICS_M, RATE)
    assert check is not None
    assert check.fault is None
    assert check_channel_order([noise(2)], ARIA_MICS_M[:2], RATE) is None
    assert check_channel_order([noise(7, 100)], ARIA_MICS_M, RATE) is None
