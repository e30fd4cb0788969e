"""Tiny data sets to train on: made by hand, with sound of a turned head, in a fraction of a second.

The head is tilted otherwise in frame a than in frame b, and every second pair of a group is of another recording.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import soundfile

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation
from prepared_data import pair_row, write_dataset

RATE_HZ = 16000
SAMPLES = 4000
MICS_M = [[-0.07, 0.0, -0.08], [0.07, 0.0, -0.08], [-0.06, 0.0, 0.02], [0.06, 0.0, 0.02]]


def level_direction(azimuth_deg: float) -> FloatArray:
    """Horizontal direction (3,) in level axes, x right, y down, z ahead; azimuth to the right."""
    return np.array([np.sin(np.radians(azimuth_deg)), 0.0, np.cos(np.radians(azimuth_deg))])


def clip_bytes(direction: FloatArray, random: np.random.Generator) -> bytes:
    """A noise from one direction (3,) in camera axes, as four microphones in free field hear it."""
    spectrum = np.fft.rfft(random.standard_normal(SAMPLES))
    frequency = np.fft.rfftfreq(SAMPLES, 1.0 / RATE_HZ)
    early_s = np.array(MICS_M) @ direction / 343.0
    channels = np.fft.irfft(spectrum * np.exp(2j * np.pi * frequency * early_s[:, None]), n=SAMPLES)
    data = np.rint(4000.0 * channels.T / np.abs(channels).max()).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, data, RATE_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def training_row(number: int, group: str, **changed: Any) -> dict[str, Any]:
    """A pair of a head that turns, steps forward and hears one source; pictures are noise that moves sideways."""
    random = np.random.default_rng([number, *group.encode()])
    yaw_deg, azimuth_deg = random.normal(0.0, 20.0), random.uniform(-180.0, 180.0)
    # From camera axes to level ones: the head nods and leans, otherwise in each frame.
    level_a, level_b = (
        axis_rotation("x", random.uniform(low, low + 6.0)) @ axis_rotation("z", random.normal(0.0, 4.0))
        for low in (-8.0, 3.0)
    )
    up = np.array([0.0, -1.0, 0.0])
    wide = np.repeat(np.repeat(random.integers(0, 256, (12, 40, 3), dtype=np.uint8), 4, axis=0), 4, axis=1)
    shift = 40 + int(np.clip(round(yaw_deg), -40, 40))
    pictures = [simplejpeg.encode_jpeg(np.ascontiguousarray(wide[:, at : at + 64])) for at in (40, shift)]
    row = pair_row(
        f"{group}-{number}",
        level_a.T @ axis_rotation("y", yaw_deg) @ level_b,
        level_a.T @ (0.1 * random.normal(), 0.0, 0.4),
        recording_id=f"{group}-take-{number % 2}",
        group_id=group,
        image_a={"bytes": pictures[0], "path": None},
        image_b={"bytes": pictures[1], "path": None},
        width_px=64,
        height_px=48,
        fx_px=60.0,
        fy_px=61.0,
        cx_px=31.0,
        cy_px=24.0,
        up_a=(level_a.T @ up).tolist(),
        up_b=(level_b.T @ up).tolist(),
        audio_a={"bytes": clip_bytes(level_a.T @ level_direction(azimuth_deg), random), "path": None},
        audio_b={"bytes": clip_bytes(level_b.T @ level_direction(azimuth_deg - yaw_deg), random), "path": None},
        audio_sample_rate_hz=RATE_HZ,
        audio_channels=len(MICS_M),
        audio_valid_start_a=16,
        audio_valid_stop_a=SAMPLES,
        audio_valid_start_b=0,
        audio_valid_stop_b=SAMPLES - 32,
        mic_positions_m=MICS_M,
    )
    return {**row, **changed}


def without_sound(row: dict[str, Any]) -> dict[str, Any]:
    """The same pair without sound."""
    silent = (
        "audio_a",
        "audio_b",
        "audio_sample_rate_hz",
        "audio_channels",
        "audio_valid_start_a",
        "audio_valid_stop_a",
        "audio_valid_start_b",
        "audio_valid_stop_b",
        "array_kind",
        "ambisonic_convention",
        "mic_positions_m",
        "level_a_dbfs",
        "level_b_dbfs",
    )
    return row | dict.fromkeys(silent)


def training_data(
    folder: Path, *, groups: int = 8, pairs: int = 4, validation: int = 2, sound: bool = True, **changed: Any
) -> Path:
    """A data set with the splits train, val and test, `pairs` pairs a group."""

    def rows(split: str, count: int) -> list[dict[str, Any]]:
        made = [training_row(n, f"{split}-{group}", **changed) for group in range(count) for n in range(pairs)]
        return made if sound else [without_sound(row) for row in made]

    splits = {"train": rows("train", groups), "val": rows("val", validation), "test": rows("test", 1)}
    return write_dataset(folder, {name: made for name, made in splits.items() if made})
