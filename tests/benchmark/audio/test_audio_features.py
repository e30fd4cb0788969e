from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_scenes import ARIA_MICS_M, clip_of, plane_wave
from avbench.benchmark.audio.direction import Ambiguity, array_ambiguity
from avbench.benchmark.audio.faults import FaultKind
from avbench.benchmark.audio.features import (
    DirectionSettings,
    DirectionSpectrum,
    Method,
    NoSpectrum,
    SpectrumAxes,
    direction_spectra,
    direction_spectrum,
    unit_range,
)
from avbench.benchmark.audio.grid import DirectionGrid, peak_azimuth_deg, unit_direction, wrap_deg
from avbench.benchmark.audio.lag import spherical_head_lag_s
from avbench.benchmark.data.pair import SoundClip
from avbench.preprocessing.base.geometry import axis_rotation
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind

RATE = 16000
UP = np.array([0.0, -1.0, 0.0])
EARS = np.array([[-0.0875, 0.0, 0.0], [0.0875, 0.0, 0.0]])


def azimuth_error_deg(spectrum: DirectionSpectrum, true_deg: float) -> float:
    assert spectrum.azimuth is not None, spectrum.describe()
    return float(abs(wrap_deg(peak_azimuth_deg(spectrum.azimuth) - true_deg)))


@pytest.mark.parametrize("method", [Method.SRP_PHAT, Method.NORM_MUSIC])
@pytest.mark.parametrize("elevation", [0.0, 20.0])
@pytest.mark.parametrize("azimuth", [0.0, 60.0, 90.0, 120.0])
def test_the_aria_array_finds_azimuth_in_free_field(method: Method, azimuth: float, elevation: float) -> None:
    """The plane of the published code puts sounds from 60, 90 and 120 degrees at 96, 92 and 89."""
    sound = plane_wave(unit_direction(azimuth, elevation), ARIA_MICS_M, seed=int(azimuth + elevation))
    grid = DirectionGrid(360, (-30.0, -15.0, 0.0, 15.0, 30.0))  # 20 degrees is not on it
    spectrum = direction_spectrum(clip_of(sound, RATE, ARIA_MICS_M), UP, DirectionSettings(grid, method))
    error = azimuth_error_deg(spectrum, azimuth)
    print(f"{method} azimuth {azimuth:.0f} elevation {elevation:.0f}: error {error:.2f} deg")
    assert error <= 2.0
    assert spectrum.method is method
    assert spectrum.ambiguity is Ambiguity.NONE
    assert spectrum.channels == tuple(range(7))


@settings(max_examples=10, deadline=None)
@given(azimuth=st.floats(-180, 180), pitch=st.floats(-40, 40), roll=st.floats(-20, 20))
def test_azimuth_is_horizontal_however_the_head_is_tilted(azimuth: float, pitch: float, roll: float) -> None:
    rotation_level_camera = axis_rotation("x", pitch) @ axis_rotation("z", roll)
    up = rotation_level_camera.T @ UP
    # gravity_aligned_rotation keeps the heading of the optical axis; a rotation about x then z does as well.
    sound = plane_wave(rotation_level_camera.T @ unit_direction(azimuth, 0.0), ARIA_MICS_M)
    spectrum = direction_spectrum(clip_of(sound, RATE, ARIA_MICS_M), up)
    assert spectrum.axes is SpectrumAxes.LEVEL
    assert azimuth_error_deg(spectrum, azimuth) <= 2.0


def test_without_up_the_axes_are_the_cameras_and_that_is_said() -> None:
    sound = plane_wave(unit_direction(-70.0, 0.0), ARIA_MICS_M)
    spectrum = direction_spectrum(clip_of(sound, RATE, ARIA_MICS_M), None)
    assert spectrum.axes is SpectrumAxes.CAMERA
    assert "camera axes" in spectrum.describe()
    assert azimuth_error_deg(spectrum, -70.0) <= 1.0


def test_shapes_ranges_and_bands() -> None:
    bands = ((500.0, 1500.0), (1500.0, 4000.0), (4000.0, 7000.0))
    chosen = DirectionSettings(DirectionGrid(72, (-35.0, 0.0)), bands_hz=bands)
    sound = plane_wave(unit_direction(10.0, 0.0), ARIA_MICS_M)
    for method in (Method.SRP_PHAT, Method.NORM_MUSIC):
        result = direction_spectrum(
            clip_of(sound, RATE, ARIA_MICS_M), UP, DirectionSettings(chosen.grid, method, bands)
        )
        assert result.maps is not None
        assert result.azimuth is not None
        assert result.maps.shape == (3, 2, 72)
        assert result.maps.dtype == result.azimuth.dtype == np.float32
        assert result.azimuth.shape == (72,)
        np.testing.assert_array_equal(result.azimuth, result.maps.mean(axis=0).max(axis=0))
        assert (np.abs(result.maps) <= 1.0 + 1e-5).all()


def test_padding_is_not_listened_to() -> None:
    sound = plane_wave(unit_direction(100.0, 0.0), ARIA_MICS_M, duration_s=0.6)
    bare = direction_spectrum(clip_of(sound, RATE, ARIA_MICS_M), UP)
    padded = np.zeros((RATE, 7), dtype=np.float32)
    padded[3000 : 3000 + len(sound)] = sound
    clip = clip_of(padded, RATE, ARIA_MICS_M, valid=(3000, 3000 + len(sound)))
    result = direction_spectrum(clip, UP)
    assert bare.azimuth is not None
    assert result.azimuth is not None
    np.testing.assert_array_equal(result.azimuth, bare.azimuth)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_the_spectrum_looks_alike_at_every_sample_rate(rate: int) -> None:
    band = DirectionSettings(bands_hz=((500.0, 3500.0),))
    results = []
    for sample_rate_hz in (16000, rate):
        sound = plane_wave(unit_direction(-120.0, 10.0), ARIA_MICS_M, sample_rate_hz=sample_rate_hz)
        results.append(direction_spectrum(clip_of(sound, sample_rate_hz, ARIA_MICS_M), UP, band).azimuth)
    assert results[0] is not None
    assert results[1] is not None
    np.testing.assert_allclose(results[0], results[1], atol=0.02)


@pytest.mark.parametrize("channels", [2, 3, 4, 6, 16])
def test_two_to_sixteen_microphones(channels: int) -> None:
    angle = np.linspace(0, 2 * np.pi, channels, endpoint=False)
    ring = 0.07 * np.stack([np.cos(angle), np.zeros(channels), np.sin(angle)], axis=1)
    sound = plane_wave(unit_direction(35.0, 0.0), ring)
    spectrum = direction_spectrum(clip_of(sound, RATE, ring), UP)
    assert spectrum.azimuth is not None
    if channels == 2:
        assert spectrum.ambiguity is Ambiguity.CONE
        assert "front and back" in spectrum.describe()
        assert min(azimuth_error_deg(spectrum, a) for a in (35.0, 145.0)) <= 2.0
    else:
        assert spectrum.ambiguity is Ambiguity.MIRROR  # a flat ring: above and below
        assert spectrum.ambiguity_axis is not None
        assert abs(spectrum.ambiguity_axis[1]) == pytest.approx(1.0)
        assert azimuth_error_deg(spectrum, 35.0) <= 2.0


def test_ambiguity_of_arrays() -> None:
    line = np.array([[0.0, 0, 0], [0.05, 0.05, 0], [0.1, 0.1, 0.0]])
    kind, axis = array_ambiguity(line)
    assert kind is Ambiguity.CONE
    assert axis is not None
    np.testing.assert_allclose(np.abs(axis), [0.5**0.5, 0.5**0.5, 0], atol=1e-9)
    kind, axis = array_ambiguity(np.array([[0.0, 0, 0], [0.1, 0, 0], [0, 0.1, 0.0]]))
    assert kind is Ambiguity.MIRROR
    assert axis is not None
    np.testing.assert_allclose(np.abs(axis), [0, 0, 1], atol=1e-9)
    assert array_ambiguity(ARIA_MICS_M) == (Ambiguity.NONE, None)
    assert array_ambiguity(np.zeros((4, 3))) == (Ambiguity.CONE, None)


def test_the_axis_of_the_ambiguity_is_told_in_level_axes() -> None:
    up = axis_rotation("z", -90.0) @ UP  # the camera lies on its side: its x is vertical
    spectrum = direction_spectrum(clip_of(plane_wave(unit_direction(0.0, 0.0), EARS), RATE, EARS), up)
    assert spectrum.ambiguity_axis is not None
    np.testing.assert_allclose(np.abs(spectrum.ambiguity_axis), [0, 1, 0], atol=1e-9)


def test_binaural_sound_gives_a_lag_spectrum_that_admits_front_and_back() -> None:
    delay_s = float(spherical_head_lag_s(40.0, 0.175))
    wave = plane_wave([1.0, 0, 0], [[0, 0, 0], [delay_s * 343.0, 0, 0]])  # the right ear hears it that much earlier
    spectrum = direction_spectrum(clip_of(wave, RATE, None, ArrayKind.BINAURAL), UP)
    assert spectrum.method is Method.LAG
    assert spectrum.ambiguity is Ambiguity.CONE
    assert spectrum.nominal_geometry
    assert spectrum.lag is not None
    assert spectrum.lag_s is not None
    assert spectrum.azimuth is not None
    assert spectrum.lag_s[spectrum.lag[0].argmax()] == pytest.approx(delay_s, abs=1e-5)
    np.testing.assert_allclose(spectrum.azimuth[1:180], spectrum.azimuth[179:0:-1], atol=1e-5)
    assert min(azimuth_error_deg(spectrum, a) for a in (40.0, 140.0)) <= 2.0
    assert "front and back" in spectrum.describe()
    assert "assumed" in spectrum.describe()


def test_binaural_positions_name_the_ears() -> None:
    """Channel 0 sits on the right: the axis runs from it to the left, and the azimuth is still right."""
    turned = EARS[::-1]
    delay_s = float(spherical_head_lag_s(30.0, 0.175))
    wave = plane_wave([1.0, 0, 0], [[delay_s * 343.0, 0, 0], [0, 0, 0]])
    spectrum = direction_spectrum(clip_of(wave, RATE, turned, ArrayKind.BINAURAL), UP)
    assert not spectrum.nominal_geometry
    assert min(azimuth_error_deg(spectrum, a) for a in (30.0, 150.0)) <= 2.0


def test_stereo_of_unknown_and_of_known_geometry() -> None:
    sound = plane_wave(unit_direction(50.0, 0.0), 0.06 / 0.175 * EARS)
    unknown = direction_spectrum(clip_of(sound, RATE, None, ArrayKind.STEREO), UP)
    assert unknown.method is Method.LAG
    assert unknown.nominal_geometry
    assert min(azimuth_error_deg(unknown, a) for a in (50.0, 130.0)) <= 2.0
    known = direction_spectrum(clip_of(sound, RATE, 0.06 / 0.175 * EARS, ArrayKind.STEREO), UP)
    assert known.method is Method.SRP_PHAT
    assert not known.nominal_geometry


@pytest.mark.parametrize("azimuth", [0.0, 75.0, -160.0])
def test_ambisonic_sound_gives_a_beam_spectrum_in_level_axes(azimuth: float) -> None:
    tilt = axis_rotation("x", 20.0)
    x, y, z = tilt.T @ unit_direction(azimuth, 0.0)  # camera axes
    source = 0.1 * np.random.default_rng(3).standard_normal(RATE)
    channels = np.outer(source, [1.0, -x, -y, z])  # W Y Z X, with ambisonic y left and z up
    spectrum = direction_spectrum(clip_of(channels, RATE, None, ArrayKind.AMBISONIC), tilt.T @ UP)
    assert spectrum.method is Method.BEAM
    assert azimuth_error_deg(spectrum, azimuth) <= 2.0


@pytest.mark.parametrize(
    ("convention", "gains"),
    [
        # From 60 degrees to the right: half ahead, 0.866 to the right, so that the component to the left is negative.
        (AmbisonicConvention.ACN_SN3D, [1.0, -0.866025, 0.0, 0.5]),
        (AmbisonicConvention.ACN_N3D, [1.0, -1.5, 0.0, 0.866025]),
        (AmbisonicConvention.FUMA, [0.707107, 0.5, -0.866025, 0.0]),
    ],
)
def test_every_ambisonic_convention_hears_60_degrees_to_the_right_there(
    convention: AmbisonicConvention, gains: list[float]
) -> None:
    rng = np.random.default_rng(4)
    channels = np.outer(0.1 * rng.standard_normal(RATE), gains) + 1e-4 * rng.standard_normal((RATE, 4))
    clip = replace(clip_of(channels, RATE, None, ArrayKind.AMBISONIC), ambisonic_convention=convention)
    spectrum = direction_spectrum(clip, UP)
    assert azimuth_error_deg(spectrum, 60.0) <= 0.5
    assert spectrum.azimuth is not None
    assert float(spectrum.azimuth.max()) == pytest.approx(1.0, abs=0.01)


def test_ambisonic_sound_without_a_direction() -> None:
    source = 0.1 * np.random.default_rng(3).standard_normal((RATE, 1))
    horizontal = direction_spectrum(clip_of(source * [1, 1, 0, 0], RATE, None, ArrayKind.AMBISONIC), UP)
    assert azimuth_error_deg(horizontal, -90.0) <= 1.0  # silent components are natural
    mono = direction_spectrum(clip_of(source * [1, 1, 1, 1], RATE, None, ArrayKind.AMBISONIC), UP)
    assert mono.reason is NoSpectrum.IDENTICAL_CHANNELS
    pressure = direction_spectrum(clip_of(source * [1, 0, 0, 0], RATE, None, ArrayKind.AMBISONIC), UP)
    assert pressure.reason is NoSpectrum.ONE_CHANNEL
    silent = direction_spectrum(clip_of(source * [0, 0, 0, 0], RATE, None, ArrayKind.AMBISONIC), UP)
    assert silent.reason is NoSpectrum.SILENT


def good() -> np.ndarray:
    return plane_wave(unit_direction(20.0, 0.0), ARIA_MICS_M)


def broken(change: Callable[[np.ndarray], None]) -> SoundClip:
    sound = good()
    change(sound)
    return clip_of(sound, RATE, ARIA_MICS_M)


def make_copies(sound: np.ndarray) -> None:
    sound[:] = sound[:, :1]


def make_nan(sound: np.ndarray) -> None:
    sound[100] = np.nan


def leave_one(sound: np.ndarray) -> None:
    sound[:, 1:] = 0.0


def make_silent(sound: np.ndarray) -> None:
    sound[:] = 0.0
    sound[3, 2] = np.nan


@pytest.mark.parametrize(
    ("clip", "reason", "words"),
    [
        (None, NoSpectrum.NO_SOUND, "no sound"),
        (clip_of(good()[:, :1], RATE, ARIA_MICS_M[:1]), NoSpectrum.ONE_CHANNEL, "one channel"),
        (clip_of(good()), NoSpectrum.UNKNOWN_GEOMETRY, "positions"),
        (clip_of(good()[:1000], RATE, ARIA_MICS_M), NoSpectrum.TOO_SHORT, "0.062 s of sound"),
        (clip_of(good(), RATE, ARIA_MICS_M, valid=(50, 50)), NoSpectrum.TOO_SHORT, "0.000 s"),
        (clip_of(good()[:, :3], RATE, None, ArrayKind.BINAURAL), NoSpectrum.CHANNEL_COUNT, "not 3"),
        (clip_of(good()[:, :3], RATE, None, ArrayKind.AMBISONIC), NoSpectrum.CHANNEL_COUNT, "4 channels"),
        (clip_of(good(), RATE, np.zeros((7, 3))), NoSpectrum.COINCIDENT_MICROPHONES, "one place"),
        (clip_of(good()[:, :2], RATE, np.zeros((2, 3)), ArrayKind.BINAURAL), NoSpectrum.COINCIDENT_MICROPHONES, "one"),
        (clip_of(good(), 900, ARIA_MICS_M), NoSpectrum.SAMPLE_RATE, "900 Hz"),
        (broken(make_copies), NoSpectrum.IDENTICAL_CHANNELS, "duplicated"),
        (broken(make_nan), NoSpectrum.NOT_FINITE, "NaN"),
        (broken(leave_one), NoSpectrum.TOO_FEW_CHANNELS, "1 of 7"),
        (broken(make_silent), NoSpectrum.SILENT, "silent"),
    ],
)
def test_no_spectrum_is_said_with_its_reason(clip: SoundClip | None, reason: NoSpectrum, words: str) -> None:
    spectrum = direction_spectrum(clip, UP)
    assert spectrum.reason is reason
    assert spectrum.azimuth is None
    assert spectrum.maps is None
    assert words in spectrum.describe()
    assert spectrum.describe().startswith("no direction spectrum")


def test_faulty_channels_are_left_out_and_said() -> None:
    sound = good()
    sound[:, 1] = 0.0
    sound[7, 3] = np.nan
    spectrum = direction_spectrum(clip_of(sound, RATE, ARIA_MICS_M), UP)
    assert spectrum.channels == (0, 2, 4, 5, 6)
    assert azimuth_error_deg(spectrum, 20.0) <= 2.0
    assert spectrum.report is not None
    assert {fault.kind for fault in spectrum.report.faults} == {FaultKind.NOT_FINITE, FaultKind.DEAD}
    assert "channel 1: dead" in spectrum.describe()


def test_a_channel_without_a_position_is_left_out() -> None:
    """Glasses have a contact microphone among the others."""
    positions = np.vstack([ARIA_MICS_M, [np.nan] * 3])
    sound = np.hstack([good(), 0.1 * np.random.default_rng(0).standard_normal((RATE, 1))])
    spectrum = direction_spectrum(clip_of(sound, RATE, positions), UP)
    assert spectrum.channels == tuple(range(7))
    only_one = np.full((8, 3), np.nan)
    only_one[0] = 0.0
    assert direction_spectrum(clip_of(sound, RATE, only_one), UP).reason is NoSpectrum.UNKNOWN_GEOMETRY


def test_one_by_one_and_together_and_again_are_the_same() -> None:
    clips: list[tuple[SoundClip | None, np.ndarray | None]] = [
        (clip_of(plane_wave(unit_direction(a, 0.0), ARIA_MICS_M), RATE, ARIA_MICS_M), UP) for a in (0.0, 90.0)
    ]
    clips.append((None, None))
    together = direction_spectra(clips)
    for (clip, up), result in zip(clips, together, strict=True):
        alone = direction_spectrum(clip, up)
        assert (alone.azimuth is None) == (result.azimuth is None)
        if alone.azimuth is not None:
            np.testing.assert_array_equal(alone.azimuth, result.azimuth)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="up must be"):
        direction_spectrum(clip_of(good(), RATE, ARIA_MICS_M), np.zeros(3))
    with pytest.raises(ValueError, match="mic_positions_m has the shape"):
        direction_spectrum(clip_of(good(), RATE, ARIA_MICS_M[:5]), UP)
    with pytest.raises(ValueError, match="array_method"):
        DirectionSettings(array_method=Method.LAG)
    with pytest.raises(ValueError, match="bands_hz"):
        DirectionSettings(bands_hz=((4000.0, 500.0),))
    with pytest.raises(ValueError, match="frame_s"):
        DirectionSettings(frame_s=0.0)


def test_unit_range() -> None:
    stretched = unit_range(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]], dtype=np.float32))
    np.testing.assert_allclose(stretched, [[0, 1, 0.5], [0, 0, 0]])
