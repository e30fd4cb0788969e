"""Direction of arrival in rooms that pyroomacoustics renders, with sound, noise and tilted heads."""

from __future__ import annotations

import numpy as np
import pytest

from audio_scenes import ARIA_MICS_M, Room, clip_of, rotation_world_camera, voice_like
from avbench.benchmark.audio.features import DirectionSettings, Method, direction_spectrum
from avbench.benchmark.audio.grid import DirectionGrid, peak_azimuth_deg, wrap_deg, yaw_between_spectra_deg
from avbench.preprocessing.base.geometry import FloatArray

RATE = 16000
WORLD_UP = np.array([0.0, 0.0, 1.0])


def azimuth_spectrum(
    room: Room, voice: FloatArray, rotation: FloatArray, seed: int, settings: DirectionSettings | None = None
) -> FloatArray:
    sound = room.record(voice, ARIA_MICS_M, rotation, snr_db=20.0, seed=seed)
    spectrum = direction_spectrum(clip_of(sound, RATE, ARIA_MICS_M), rotation.T @ WORLD_UP, settings)
    assert spectrum.azimuth is not None
    return np.asarray(spectrum.azimuth, dtype=np.float64)


def tilted_head(rng: np.random.Generator) -> tuple[float, FloatArray]:
    """A heading, and a camera with that heading and the pitch and roll of a person."""
    yaw = rng.uniform(-180.0, 180.0)
    return yaw, rotation_world_camera(yaw, rng.normal(0.0, 7.0), rng.normal(0.0, 3.0))


def azimuth_errors(rooms: int, seed: int, settings: DirectionSettings | None = None) -> FloatArray:
    rng = np.random.default_rng(seed)
    errors = []
    for index in range(rooms):
        room = Room(rng, rt60_s=0.3)
        yaw, rotation = tilted_head(rng)
        voice = voice_like(rng, 3 * RATE // 2, RATE)
        peak = peak_azimuth_deg(azimuth_spectrum(room, voice, rotation, index, settings))
        errors.append(abs(float(wrap_deg(peak - room.azimuth_deg(yaw)))))
    return np.array(errors)


def yaw_errors(rooms: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    errors = []
    for index in range(rooms):
        room = Room(rng, rt60_s=0.3)
        yaw, rotation = tilted_head(rng)
        turn = rng.normal(0.0, 28.0)
        turned = rotation_world_camera(yaw + turn, rng.normal(0.0, 7.0), rng.normal(0.0, 3.0))
        spectra = [
            azimuth_spectrum(room, voice_like(rng, 3 * RATE // 2, RATE), head, 2 * index + frame)
            for frame, head in enumerate((rotation, turned))
        ]
        errors.append(abs(float(wrap_deg(yaw_between_spectra_deg(*spectra) - turn))))
    return np.array(errors)


def test_the_source_is_found_in_rooms() -> None:
    errors = azimuth_errors(rooms=16, seed=11)
    print(f"SRP-PHAT, {len(errors)} rooms: median {np.median(errors):.2f} deg, {np.mean(errors <= 10):.1%} within 10")
    assert np.median(errors) <= 4.0
    assert np.mean(errors <= 10.0) >= 0.9


def test_a_turned_head_is_a_shifted_spectrum() -> None:
    errors = yaw_errors(rooms=8, seed=12)
    print(f"yaw from the shift, {len(errors)} turns: median {np.median(errors):.2f} deg")
    assert np.median(errors) <= 5.0


@pytest.mark.slow
def test_accuracy_over_many_rooms() -> None:
    srp = azimuth_errors(rooms=200, seed=21)
    music = azimuth_errors(
        rooms=200, seed=21, settings=DirectionSettings(DirectionGrid(120), array_method=Method.NORM_MUSIC)
    )
    for name, errors in (("SRP-PHAT", srp), ("NormMUSIC", music)):
        within = np.mean(errors <= 10.0)
        print(
            f"{name}, {len(errors)} rooms of RT60 0.3 s, 20 dB: median {np.median(errors):.2f}, {within:.1%} within 10"
        )
    assert np.median(srp) <= 4.0
    assert np.mean(srp <= 10.0) >= 0.95
    assert np.median(music) <= 5.0


@pytest.mark.slow
def test_yaw_over_many_turns() -> None:
    errors = yaw_errors(rooms=150, seed=22)
    print(f"yaw from the shift, {len(errors)} turns: median {np.median(errors):.2f}, mean {errors.mean():.2f} deg")
    assert np.median(errors) <= 5.0
