from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from audio_scenes import ARIA_MICS_M, SPEED_OF_SOUND_M_S, plane_wave
from avbench.benchmark.audio.grid import DirectionGrid, peak_azimuth_deg, unit_direction, wrap_deg
from avbench.benchmark.audio.music import norm_music, plan_music
from avbench.benchmark.audio.spectra import band_bins, frame_length, microphone_pairs, phat, stft
from avbench.benchmark.audio.srp import plan_srp, srp_phat

RATE = 16000
N_FFT = 1024
BAND = (500.0, 4000.0)
GRID = DirectionGrid(72, (-30.0, 0.0, 30.0))


def srp_by_definition(spectrum: np.ndarray, positions: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """The textbook sum, in double precision: every bin of every pair steered to every direction."""
    unit = spectrum.astype(np.complex128)
    unit = unit / np.abs(unit)
    first, stop = band_bins(RATE, N_FFT, *BAND)
    omega = 2 * np.pi * RATE / N_FFT * np.arange(first, stop)
    total = np.zeros(len(directions))
    pairs = 0
    for m in range(len(positions)):
        for n in range(m + 1, len(positions)):
            cross = np.mean(unit[m] * np.conj(unit[n]), axis=-1)
            lead = directions @ (positions[m] - positions[n]) / SPEED_OF_SOUND_M_S
            total += np.mean((cross * np.exp(-1j * omega * lead[:, None])).real, axis=-1)
            pairs += 1
    return total / pairs


def music_by_definition(spectrum: np.ndarray, positions: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """NormMUSIC through the noise subspace, in double precision."""
    first, stop = band_bins(RATE, N_FFT, *BAND)
    result = np.zeros(len(directions))
    for row, k in enumerate(range(first, stop)):
        x = spectrum[:, row].astype(np.complex128)
        _, vectors = np.linalg.eigh(x @ x.conj().T)
        noise = vectors[:, :-1]
        steering = np.exp(2j * np.pi * RATE * k / N_FFT * directions @ positions.T / SPEED_OF_SOUND_M_S)
        pseudo = 1.0 / np.sum(np.abs(steering.conj() @ noise) ** 2, axis=1)
        result += pseudo / pseudo.max()
    return result / (stop - first)


def test_srp_equals_its_definition() -> None:
    sound = plane_wave(unit_direction(50.0, 10.0), ARIA_MICS_M, noise=0.5)
    plan = plan_srp(ARIA_MICS_M, GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, bands_hz=(BAND,))
    spectrum = stft(sound.T, N_FFT, N_FFT // 2, plan.bins)
    ours = srp_phat(spectrum, plan)
    assert ours.shape == (1, 216)
    expected = srp_by_definition(spectrum, ARIA_MICS_M, GRID.directions)
    # Linear interpolation between lags costs less than one per cent of the highest frequency.
    np.testing.assert_allclose(ours[0], expected, atol=4e-3)
    assert np.corrcoef(ours[0], expected)[0, 1] > 0.9999
    assert ours[0].argmax() == expected.argmax()


def test_norm_music_equals_its_definition() -> None:
    sound = plane_wave(unit_direction(50.0, 10.0), ARIA_MICS_M, noise=0.5)
    plan = plan_music(ARIA_MICS_M, GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, band_hz=BAND)
    spectrum = stft(sound.T, N_FFT, N_FFT // 2, plan.bins)
    ours = norm_music(spectrum, plan)
    np.testing.assert_allclose(ours, music_by_definition(spectrum, ARIA_MICS_M, GRID.directions), atol=1e-3)


def test_a_lone_plane_wave_scores_one_and_nothing_more() -> None:
    sound = plane_wave(unit_direction(40.0, 0.0), ARIA_MICS_M, noise=0.0)
    plan = plan_srp(ARIA_MICS_M, GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, bands_hz=(BAND,))
    peak = srp_phat(stft(sound.T, N_FFT, N_FFT // 2, plan.bins), plan).max()
    assert 0.95 < peak <= 1.0 + 1e-5


@settings(max_examples=15, deadline=None)
@given(
    azimuth=st.floats(-180.0, 180.0),
    channels=st.integers(4, 16),
    rate=st.sampled_from([8000, 16000, 24000, 44100, 48000]),
    seed=st.integers(0, 1000),
)
def test_any_array_finds_a_plane_wave_at_any_rate(azimuth: float, channels: int, rate: int, seed: int) -> None:
    positions = np.random.default_rng(seed).uniform(-0.08, 0.08, (channels, 3))
    # In a nearly flat array the mirror image may win.
    assume(np.linalg.svd(positions - positions.mean(0), compute_uv=False)[2] > 0.03)
    band = (500.0, min(4000.0, 0.45 * rate))
    n_fft = frame_length(rate, 0.064)
    grid = DirectionGrid(360, (-20.0, -10.0, 0.0, 10.0, 20.0))
    plan = plan_srp(positions, grid.directions, sample_rate_hz=rate, n_fft=n_fft, bands_hz=(band,))
    sound = plane_wave(unit_direction(azimuth, 0.0), positions, seed=seed, sample_rate_hz=rate, duration_s=0.5)
    maps = srp_phat(stft(sound.T, n_fft, n_fft // 2, plan.bins), plan).reshape(grid.shape)
    assert abs(wrap_deg(peak_azimuth_deg(maps.max(axis=0)) - azimuth)) <= 2.0


def test_batches_give_the_same_numbers_as_single_clips() -> None:
    sounds = np.stack(
        [plane_wave(unit_direction(a, 0.0), ARIA_MICS_M, seed=i).T for i, a in enumerate((0.0, 80.0, 200.0))]
    )
    plan = plan_srp(
        ARIA_MICS_M, GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, bands_hz=((500.0, 1500.0), (1500.0, 4000.0))
    )
    music = plan_music(ARIA_MICS_M, GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, band_hz=BAND)
    spectra = stft(sounds, N_FFT, N_FFT // 2, plan.bins)
    together = srp_phat(spectra, plan)
    assert together.shape == (3, 2, 216)
    for index in range(3):
        np.testing.assert_allclose(together[index], srp_phat(spectra[index], plan), atol=1e-6)
        np.testing.assert_array_equal(norm_music(spectra, music)[index], norm_music(spectra[index], music))
    np.testing.assert_array_equal(together, srp_phat(spectra, plan))  # and the same every time


def test_loudness_does_not_matter_down_to_the_last_bits() -> None:
    sound = plane_wave(unit_direction(50.0, 10.0), ARIA_MICS_M)
    plan = plan_srp(ARIA_MICS_M, GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, bands_hz=(BAND,))
    loud = srp_phat(stft(sound.T, N_FFT, 512, plan.bins), plan)
    faint = srp_phat(stft((sound * np.float32(1e-6)).T, N_FFT, 512, plan.bins), plan)
    np.testing.assert_allclose(faint, loud, atol=1e-4)


def test_silence_gives_zeros_and_no_nan() -> None:
    plan = plan_srp(ARIA_MICS_M, GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, bands_hz=(BAND,))
    silent = stft(np.zeros((7, RATE), dtype=np.float32), N_FFT, 512, plan.bins)
    assert not srp_phat(silent, plan).any()
    music = plan_music(ARIA_MICS_M, GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, band_hz=BAND)
    assert np.isfinite(norm_music(silent, music)).all()


def test_two_microphones_cannot_tell_front_from_back() -> None:
    ears = np.array([[-0.07, 0.0, 0.0], [0.07, 0.0, 0.0]])
    grid = DirectionGrid(360, (0.0,))
    plan = plan_srp(ears, grid.directions, sample_rate_hz=RATE, n_fft=N_FFT, bands_hz=(BAND,))
    sound = plane_wave(unit_direction(30.0, 0.0), ears)
    spectrum = srp_phat(stft(sound.T, N_FFT, 512, plan.bins), plan)[0]
    np.testing.assert_allclose(spectrum[30], spectrum[150], atol=1e-5)
    assert min(abs(wrap_deg(peak_azimuth_deg(spectrum) - a)) for a in (30.0, 150.0)) < 2.0


def test_refused() -> None:
    with pytest.raises(ValueError, match="two microphones or more, not 1"):
        plan_srp(np.zeros((1, 3)), GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, bands_hz=(BAND,))
    with pytest.raises(ValueError, match="two microphones or more, not 1"):
        plan_music(np.zeros((1, 3)), GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, band_hz=BAND)
    with pytest.raises(ValueError, match="no FFT bin between 5000"):
        plan_srp(ARIA_MICS_M, GRID.directions, sample_rate_hz=8000, n_fft=N_FFT, bands_hz=((5000.0, 6000.0),))
    with pytest.raises(ValueError, match="no FFT bin between 5000"):
        plan_music(ARIA_MICS_M, GRID.directions, sample_rate_hz=8000, n_fft=N_FFT, band_hz=(5000.0, 6000.0))
    plan = plan_srp(ARIA_MICS_M, GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, bands_hz=(BAND,))
    with pytest.raises(ValueError, match="the plan is for"):
        srp_phat(np.zeros((6, 225, 3), dtype=np.complex64), plan)
    music = plan_music(ARIA_MICS_M, GRID.directions, sample_rate_hz=RATE, n_fft=N_FFT, band_hz=BAND)
    with pytest.raises(ValueError, match="the plan is for"):
        norm_music(np.zeros((6, 225, 3), dtype=np.complex64), music)
    with pytest.raises(ValueError, match="between 1 and 6, not 7"):
        norm_music(np.zeros((7, 225, 3), dtype=np.complex64), music, sources=7)


def test_spectra_of_a_sine_and_of_nothing() -> None:
    time = np.arange(RATE) / RATE
    spectrum = stft(np.sin(2 * np.pi * 1000.0 * time, dtype=np.float32)[None], N_FFT, 512)
    assert spectrum.shape == (1, 513, 30)
    assert (np.abs(spectrum[0]).argmax(axis=0) == 64).all()  # 1000 Hz / 15.625 Hz
    # A Hann window has half the sum of a rectangular one; a sine splits between two frequencies.
    np.testing.assert_allclose(np.abs(spectrum[0, 64]), N_FFT / 4, rtol=1e-4)
    assert stft(np.zeros((2, 100), dtype=np.float32), N_FFT, 512).shape == (2, 513, 0)
    np.testing.assert_allclose(phat(np.array([3 + 4j, 0], dtype=np.complex64)), [0.6 + 0.8j, 0], atol=1e-6)


@pytest.mark.parametrize(("rate", "expected"), [(16000, 1024), (48000, 3072), (8000, 512)])
def test_frames_are_fixed_in_seconds(rate: int, expected: int) -> None:
    assert frame_length(rate, 0.064) == expected
    first, stop = band_bins(rate, expected, 500.0, 2000.0)
    assert (first, stop) == (32, 129)  # the same bins whatever the rate


def test_bands_stay_below_half_the_rate() -> None:
    assert band_bins(8000, 512, 3000.0, 6000.0)[1] == 256
    first, stop = band_bins(8000, 512, 5000.0, 6000.0)
    assert first == stop


def test_pairs() -> None:
    first, second = microphone_pairs(3)
    assert first.tolist() == [0, 0, 1]
    assert second.tolist() == [1, 2, 2]
