"""Rooms of the simulator against rooms of pyroomacoustics: directions are as hard to find in both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_scenes import ARIA_MICS_M, Room, clip_of, rotation_world_camera, voice_like
from avbench.benchmark.audio.features import DirectionSettings, Method, direction_spectrum
from avbench.benchmark.audio.grid import DirectionGrid, peak_azimuth_deg, wrap_deg
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.scene.scene import SignalKind, Source, Vector3
from avbench.preprocessing.simulate.scene.seeds import stream
from avbench.preprocessing.simulate.sound.early_sound import EARLY_END_S, ArrayTrack, add_early_sound
from avbench.preprocessing.simulate.sound.moving_array import KNOT
from avbench.preprocessing.simulate.sound.room_acoustics import SPEED_OF_SOUND_M_S, eyring_rt60_s, find_images
from avbench.preprocessing.simulate.sound.tail_sound import (
    DIRECTIONS,
    DiffuseField,
    add_diffuse_sound,
    draw_directions,
    tail_response,
)

RATE = 16000
SNR_DB = 20.0
SRP = DirectionSettings()
MUSIC = DirectionSettings(DirectionGrid(120), array_method=Method.NORM_MUSIC)


def simulated(room: Room, voice: FloatArray, rotation: FloatArray, seed: int) -> NDArray[np.float32]:
    """The same room, voice and microphones as `Room.record`, through the simulator; the array stands still."""
    x, y, z = room.size.tolist()
    size: Vector3 = (x, y, z)
    absorption = np.full((6, 6), room.absorption)
    intervals = len(voice) // KNOT
    mics = np.tile(room.listener + ARIA_MICS_M @ rotation.T, (intervals + 1, 1, 1))
    track = ArrayTrack(0.0, intervals * KNOT, RATE, mics)
    images = find_images(
        size, absorption, room.source[None], room.listener[None], EARLY_END_S * SPEED_OF_SOUND_M_S + 0.3
    )
    rng = stream(seed, "rooms")
    response = tail_response(rng, images, eyring_rt60_s(size, absorption), RATE)
    field = DiffuseField(draw_directions(rng), room.listener, (response,))
    # Silence first: the voice starts with the recording, as it does in the other room.
    signal = np.concatenate([np.zeros(RATE), voice, np.zeros(RATE // 10)]).astype(np.float32)
    out = np.zeros((7, track.samples), dtype=np.float32)
    sx, sy, sz = room.source.tolist()
    add_early_sound(out, track, Source(SignalKind.SPEECH, 0.0, (sx, sy, sz)), signal, -1.0, images)
    add_diffuse_sound(out, track, field, [signal], -1.0, np.zeros((DIRECTIONS, len(signal)), dtype=np.float32))
    sound = out[:, RATE // 2 :].T
    noisy = sound + sound.std() * 10.0 ** (-SNR_DB / 20.0) * np.random.default_rng(seed).standard_normal(sound.shape)
    return np.asarray(0.1 * noisy / noisy.std(), dtype=np.float32)


def rendered_elsewhere(room: Room, voice: FloatArray, rotation: FloatArray, seed: int) -> NDArray[np.float32]:
    return room.record(voice, ARIA_MICS_M, rotation, snr_db=SNR_DB, seed=seed)


Renderer = Callable[[Room, FloatArray, FloatArray, int], NDArray[np.float32]]


def azimuth_errors(
    rooms: int, seed: int, renderers: dict[str, Renderer], methods: dict[str, DirectionSettings]
) -> dict[tuple[str, str], FloatArray]:
    rng = np.random.default_rng(seed)
    errors: dict[tuple[str, str], list[float]] = {(r, m): [] for r in renderers for m in methods}
    for index in range(rooms):
        room = Room(rng, rt60_s=rng.uniform(0.2, 0.5))
        yaw = rng.uniform(-180.0, 180.0)
        rotation = rotation_world_camera(yaw, rng.normal(0.0, 7.0), rng.normal(0.0, 3.0))
        voice = voice_like(rng, 3 * RATE // 2, RATE)
        for renderer, render in renderers.items():
            sound = render(room, voice, rotation, index)
            for method, settings in methods.items():
                clip = clip_of(sound, RATE, ARIA_MICS_M)
                azimuth = direction_spectrum(clip, rotation.T @ [0.0, 0.0, 1.0], settings).azimuth
                assert azimuth is not None
                found = float(peak_azimuth_deg(azimuth.astype(np.float64)))
                errors[renderer, method].append(abs(float(wrap_deg(found - room.azimuth_deg(yaw)))))
    return {key: np.array(values) for key, values in errors.items()}


RENDERERS: dict[str, Renderer] = {"simulator": simulated, "pyroomacoustics": rendered_elsewhere}


def report(errors: dict[tuple[str, str], FloatArray]) -> None:
    for (renderer, method), values in errors.items():
        print(
            f"{renderer:16s} {method:10s} median {np.median(values):5.2f}, {np.mean(values <= 10):6.1%} within 10 deg"
        )


def test_directions_are_found_in_simulated_rooms() -> None:
    """Few rooms; the comparison over many is slow."""
    errors = azimuth_errors(24, 31, {"simulator": simulated}, {"SRP-PHAT": SRP})
    report(errors)
    assert np.median(errors["simulator", "SRP-PHAT"]) <= 4.0
    assert np.mean(errors["simulator", "SRP-PHAT"] <= 10.0) >= 0.85


@pytest.mark.slow
def test_directions_are_as_hard_to_find_over_many_rooms() -> None:
    errors = azimuth_errors(150, 32, RENDERERS, {"SRP-PHAT": SRP, "NormMUSIC": MUSIC})
    report(errors)
    for method in ("SRP-PHAT", "NormMUSIC"):
        ours, theirs = errors["simulator", method], errors["pyroomacoustics", method]
        assert abs(np.median(ours) - np.median(theirs)) <= 1.0
        assert abs(np.mean(ours <= 10.0) - np.mean(theirs <= 10.0)) <= 0.08


@pytest.mark.slow
def test_room_response_is_that_of_pyroomacoustics() -> None:
    """Up to 50 ms after a click, the two agree at each microphone: same images, same gains."""
    correlations = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        room = Room(rng, rt60_s=0.4)
        rotation = rotation_world_camera(rng.uniform(-180.0, 180.0))
        # A smooth click: both sides are then far below their sampling limits.
        click = np.zeros(RATE // 2)
        click[:65] = np.hanning(65) * np.cos(2.0 * np.pi * 1500.0 * (np.arange(65) - 32) / RATE)
        x, y, z = room.size.tolist()
        images = find_images((x, y, z), np.full((6, 6), room.absorption), room.source[None], room.listener[None], 20.0)
        images.gain[:] = images.gain[:, :1]  # no air, which the other side has not either
        samples = len(click) // KNOT * KNOT
        mics = np.tile(room.listener + ARIA_MICS_M @ rotation.T, (samples // KNOT + 1, 1, 1))
        ours = np.zeros((7, samples), dtype=np.float32)
        signal = np.concatenate([np.zeros(RATE), click, np.zeros(RATE)]).astype(np.float32)
        sx, sy, sz = room.source.tolist()
        track = ArrayTrack(0.0, samples, RATE, mics)
        add_early_sound(ours, track, Source(SignalKind.SPEECH, 0.0, (sx, sy, sz)), signal, -1.0, images)
        other = room.pra.ShoeBox(
            room.size, fs=RATE, materials=room.pra.Material(room.absorption), max_order=25, air_absorption=False
        )
        other.add_source(room.source, signal=click)
        other.add_microphone_array(mics[0].T)
        other.simulate()
        lag = room.pra.constants.get("frac_delay_length") // 2
        theirs = other.mic_array.signals[:, lag : lag + samples]
        reach = int(0.050 * RATE)
        a, b = ours[:, :reach].ravel().astype(np.float64), theirs[:, :reach].ravel()
        correlations.append(float(a @ b / np.sqrt(a @ a * (b @ b))))
        assert np.sqrt((a @ a) / (b @ b)) == pytest.approx(1.0, abs=0.05)
    print(f"correlation of the responses: {np.round(correlations, 4)}")
    assert min(correlations) > 0.98
