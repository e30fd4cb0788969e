"""Sound scenes for tests: plane waves in free field, and rooms rendered by pyroomacoustics.

Neither uses a line of the product's own acoustics; pyroomacoustics is a development dependency only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy.signal import butter, sosfilt

from avbench.benchmark.data.pair import SoundClip
from avbench.preprocessing.recording.recording import ArrayKind

SPEED_OF_SOUND_M_S = 343.0

# Project Aria, small frame (DVT-S): CAD positions in the central pupil frame (x left, y up, z forward), turned to
# camera axes (x right, y down, z forward).
ARIA_MICS_M = np.array(
    [
        [-0.045906, -0.027938, 0.006667],
        [0.009161, 0.010231, 0.017250],
        [0.045905, -0.027931, 0.006668],
        [0.063471, 0.012034, 0.005566],
        [-0.052398, 0.013200, 0.012160],
        [0.069856, 0.008270, -0.093105],
        [-0.069822, 0.008268, -0.093138],
    ]
) * [-1.0, -1.0, 1.0]


def clip_of(
    samples: ArrayLike,
    sample_rate_hz: int = 16000,
    positions_m: ArrayLike | None = None,
    kind: ArrayKind = ArrayKind.MICROPHONES,
    valid: tuple[int, int] | None = None,
) -> SoundClip:
    """A clip of samples (samples, channels)."""
    sound = np.asarray(samples, dtype=np.float32)
    start, stop = valid if valid is not None else (0, len(sound))
    positions = None if positions_m is None else np.asarray(positions_m, dtype=np.float64)
    return SoundClip(sound, sample_rate_hz, start, stop, kind, positions)


def plane_wave(
    direction: ArrayLike,
    positions_m: ArrayLike,
    *,
    seed: int = 0,
    sample_rate_hz: int = 16000,
    duration_s: float = 1.0,
    noise: float = 0.01,
    rms: float = 0.1,
) -> NDArray[np.float32]:
    """White noise from one direction (3,) at microphones (channels, 3) in the same axes: (samples, channels).

    A microphone towards the source hears it earlier. Delays are exact: they turn the phase of the whole signal.
    """
    rng = np.random.default_rng(seed)
    n = round(duration_s * sample_rate_hz)
    positions = np.asarray(positions_m, dtype=np.float64)
    unit = np.asarray(direction, dtype=np.float64) / np.linalg.norm(direction)
    padded = 2 * n
    spectrum = np.fft.rfft(rng.standard_normal(padded))
    frequency = np.fft.rfftfreq(padded, 1.0 / sample_rate_hz)
    lead_s = positions @ unit / SPEED_OF_SOUND_M_S
    signals = np.fft.irfft(spectrum * np.exp(2j * np.pi * frequency * lead_s[:, None]), padded)[:, n // 2 : n // 2 + n]
    signals = signals + noise * rng.standard_normal(signals.shape)
    return np.asarray(rms * signals.T, dtype=np.float32)


def voice_like(rng: np.random.Generator, samples: int, sample_rate_hz: int) -> NDArray[np.float64]:
    """Noise with the long-term slope and the syllable rhythm of speech, RMS 1."""
    white = rng.standard_normal(samples)
    low = sosfilt(butter(1, 800.0, fs=sample_rate_hz, output="sos"), white)
    time = np.arange(samples) / sample_rate_hz
    rhythm = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(3.0, 5.0) * time + rng.uniform(0, 2 * np.pi))
    voice = (low + 0.15 * white) * rhythm
    return np.asarray(voice / voice.std())


class Room:
    """A shoebox room of a given reverberation time, rendered by pyroomacoustics.

    World axes of the room: x east, y north, z up. A listener with yaw 0 looks north; yaw turns it to the right.
    """

    def __init__(self, rng: np.random.Generator, rt60_s: float = 0.3, sample_rate_hz: int = 16000) -> None:
        self.pra: Any = pytest.importorskip("pyroomacoustics", reason="pyroomacoustics renders the rooms of this test")
        self.rate = sample_rate_hz
        self.size = np.array([rng.uniform(4.0, 8.0), rng.uniform(3.5, 7.0), rng.uniform(2.4, 3.4)])
        self.absorption, self.order = self.pra.inverse_sabine(rt60_s, self.size)
        self.listener = np.array([*(rng.uniform(1.2, side - 1.2) for side in self.size[:2]), rng.uniform(1.2, 1.8)])
        while True:
            self.source = rng.uniform(0.5, self.size - 0.5)
            self.source[2] = rng.uniform(0.8, min(2.0, self.size[2] - 0.3))
            if np.linalg.norm(self.source[:2] - self.listener[:2]) >= 1.0:
                break

    def record(
        self, voice: NDArray[np.float64], mics_m: ArrayLike, rotation_world_camera: ArrayLike, snr_db: float, seed: int
    ) -> NDArray[np.float32]:
        """Sound (samples, channels) at microphones in camera axes, with sensor noise."""
        world = self.listener + np.asarray(mics_m) @ np.asarray(rotation_world_camera).T
        room = self.pra.ShoeBox(
            self.size, fs=self.rate, materials=self.pra.Material(self.absorption), max_order=self.order
        )
        room.add_source(self.source, signal=voice)
        room.add_microphone_array(world.T)
        room.simulate()
        # The head of the signal, in which the room has not filled yet, is left out.
        sound = room.mic_array.signals[:, self.rate // 2 : len(voice)].T
        rng = np.random.default_rng(seed)
        noisy = sound + sound.std() * 10.0 ** (-snr_db / 20.0) * rng.standard_normal(sound.shape)
        return np.asarray(0.1 * noisy / noisy.std(), dtype=np.float32)

    def azimuth_deg(self, yaw_deg: float) -> float:
        """True azimuth of the source for a listener with this yaw, degrees to the right."""
        east, north = (self.source - self.listener)[:2]
        return float((np.degrees(np.arctan2(east, north)) - yaw_deg + 180.0) % 360.0 - 180.0)


def rotation_world_camera(yaw_deg: float, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> NDArray[np.float64]:
    """Camera axes in the room's world (x east, y north, z up): looking north, then turned right, up and clockwise."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    level_world = np.array(
        [[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]
    )  # columns: right = east, down = -up, forward = north
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    tilt = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    lean = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return np.asarray(level_world @ turn @ tilt @ lean)
