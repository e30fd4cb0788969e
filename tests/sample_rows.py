"""Rows of the pair schema made by hand, for tests of files and cards.

Nothing in them is symmetric: frame a and frame b differ in every column that both have, and two recordings share a
place, so that a column read for another, or a recording taken for a group, shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from avbench.preprocessing.format.picture import PictureFormat, encode_picture
from avbench.preprocessing.format.sound_clip import encode_clip
from avbench.preprocessing.recording.recording import SampleFormat


def place_of(recording_id: str) -> str:
    """The group of a recording: every second one, by its last letter, is of the same place."""
    return f"place {ord(recording_id[-1]) % 2}"


def sample_row(
    recording_id: str = "r0",
    number: int = 0,
    *,
    split: str = "unassigned",
    group_id: str | None = None,
    sound: bool = True,
    picture_bytes: int = 0,
) -> dict[str, Any]:
    """Row `number` of a recording, without up where it has no sound; `picture_bytes` pads picture a to a size."""
    rng = np.random.default_rng([*recording_id.encode(), number])
    picture_a, picture_b = (
        encode_picture(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8), PictureFormat.PNG) for _ in "ab"
    )
    clip_a, clip_b = (
        encode_clip(rng.integers(-99, 99, (80, 3)).astype(np.int16), 8000, SampleFormat.INT16) if sound else None
        for _ in "ab"
    )
    start_ns = 10**9 * number
    return {
        "pair_id": f"{recording_id}:{start_ns}-{start_ns + 10**9}",
        "recording_id": recording_id,
        "group_id": group_id if group_id is not None else place_of(recording_id),
        "split": split,
        "source": "memory",
        "licence": "CC0-1.0",
        "time_a_ns": start_ns,
        "time_b_ns": start_ns + 10**9,
        # Decoders pass over what follows the end of a PNG.
        "image_a": {"bytes": picture_a + bytes(max(0, picture_bytes - len(picture_a))), "path": None},
        "image_b": {"bytes": picture_b, "path": None},
        "width_px": 16,
        "height_px": 12,
        "fx_px": 20.0,
        "fy_px": 21.0,
        "cx_px": 7.0,
        "cy_px": 5.75,
        "audio_a": None if clip_a is None else {"bytes": clip_a, "path": None},
        "audio_b": None if clip_b is None else {"bytes": clip_b, "path": None},
        "audio_sample_rate_hz": 8000 if sound else None,
        "audio_channels": 3 if sound else None,
        "audio_valid_start_a": 3 if sound else None,
        "audio_valid_stop_a": 79 if sound else None,
        "audio_valid_start_b": 11 if sound else None,
        "audio_valid_stop_b": 70 if sound else None,
        "array_kind": "microphones" if sound else None,
        "ambisonic_convention": None,
        "mic_positions_m": [[0.1, 0.0, 0.0], [-0.1, 0.0, 0.0], [0.0, 0.1, 1 / 3]] if sound else None,
        "up_a": [0.28, -0.96, 0.0] if sound else None,
        "up_b": [0.0, -0.8, -0.6] if sound else None,
        "up_source": "imu" if sound else None,
        "rotation_a_b": [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
        "translation_a_b_m": [0.1, 0.2, 1e-17 + number],
        "scale": "metric",
        "pose_source": "measured",
        "pose_sigma_deg": None,
        "direction_sigma_deg": 1.5,
        "rotation_deg": 90.0,
        "baseline_m": float(np.sqrt(0.05)),
        "view_overlap": 0.25,
        "pose_quality": None,
        "gap_s": 1.0,
        "sync_offset_ms": 0.0 if sound else None,
        "sync_sigma_ms": None,
        "sharpness_a": 12.5,
        "sharpness_b": 13.5,
        "brightness_a": 100.0,
        "brightness_b": 101.0,
        "level_a_dbfs": -50.0 if sound else None,
        "level_b_dbfs": -51.0 if sound else None,
    }
