"""Small prepared data sets, as `avbench prepare` lays them out, without the way through a recording.

Nothing in them is symmetric: frame a and frame b differ in every column that both have, up is along no axis, two
recordings share a place, and the names of the pairs are in another order than the pairs. So a column that is read for
another, or a table that is joined in a wrong order, shows in every test that uses them.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow.parquet as pq
import simplejpeg
import soundfile

from avbench.preprocessing.base.geometry import axis_rotation, rotation_angle_deg
from avbench.preprocessing.format.schema import table_from_rows
from avbench.preprocessing.format.shard_file import describe_shard

T = TypeVar("T")
RATE_HZ = 8000
RECORDINGS = 6
UP_A = np.array([0.36, -0.8, 0.48])
IMU_ERROR = axis_rotation("z", 3.0)  # so that up differs between the frames of a pair that does not turn, too


def pair_name(number: int) -> str:
    """Name of pair `number` below 606, as `avbench prepare` makes it; sorted by name, pairs are in another order."""
    time_ns = (1 + 37 * number % 101) * 250_000_000
    return f"walk-{5 * number % RECORDINGS}:{time_ns}-{time_ns + 500_000_000}"


def place_of(recording_id: str) -> str:
    """The group of a recording; two recordings share one."""
    last = recording_id[-1]
    return f"place-{int(last) % (RECORDINGS // 2)}" if last.isdigit() else f"place of {recording_id}"


def _identity(pair_id: str) -> tuple[str, int, int]:
    """Recording and moments of a pair as its name has them, made up where it has none."""
    match = re.fullmatch(r"(.+):(\d+)-(\d+)", pair_id)
    if match:
        return match[1], int(match[2]), int(match[3])
    seed = _seed(pair_id)
    return f"walk-{seed % RECORDINGS}", seed * 1000, seed * 1000 + 500_000_000


def _seed(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:6], 16)


def shuffled(items: Sequence[T], seed: int = 0) -> list[T]:
    """The same items in another order, as somebody else's tools may write them."""
    return [items[place] for place in np.random.default_rng(seed).permutation(len(items))]


def picture_bytes(seed: int, height: int = 24, width: int = 32) -> bytes:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return simplejpeg.encode_jpeg(image, quality=90)


def sound_bytes(seed: int, channels: int, samples: int = 400) -> bytes:
    data = np.random.default_rng(seed).integers(-20000, 20000, (samples, channels), dtype=np.int16)
    file = io.BytesIO()
    soundfile.write(file, data, RATE_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def pair_row(
    pair_id: str, rotation: Any = None, translation: Any = (0.0, 0.0, 1.0), scale: str = "metric", **changed: Any
) -> dict[str, Any]:
    """One row of the pair schema; `changed` replaces columns."""
    R = np.eye(3) if rotation is None else np.asarray(rotation, dtype=np.float64)
    t = np.asarray(translation, dtype=np.float64)
    seed = _seed(pair_id)
    recording_id, time_a_ns, time_b_ns = _identity(pair_id)
    recording_id = changed.get("recording_id", recording_id)
    row: dict[str, Any] = {
        "pair_id": pair_id,
        "recording_id": recording_id,
        "group_id": place_of(recording_id),
        "split": "test",
        "source": "test",
        "licence": "CC0-1.0",
        "time_a_ns": time_a_ns,
        "time_b_ns": time_b_ns,
        "image_a": {"bytes": picture_bytes(seed), "path": None},
        "image_b": {"bytes": picture_bytes(seed + 1), "path": None},
        "width_px": 32,
        "height_px": 24,
        "fx_px": 30.0,
        "fy_px": 31.0,
        "cx_px": 15.0,
        "cy_px": 12.25,
        "audio_a": {"bytes": sound_bytes(seed, 3), "path": None},
        "audio_b": {"bytes": sound_bytes(seed + 1, 3), "path": None},
        "audio_sample_rate_hz": RATE_HZ,
        "audio_channels": 3,
        "audio_valid_start_a": 5,
        "audio_valid_stop_a": 390,
        "audio_valid_start_b": 20,
        "audio_valid_stop_b": 350,
        "array_kind": "microphones",
        "ambisonic_convention": None,
        "mic_positions_m": [[0.09, 0.01, -0.02], [-0.1, 0.0, 0.03], [0.02, 0.05, 0.0]],
        "up_a": UP_A.tolist(),
        "up_b": (IMU_ERROR @ R.T @ UP_A).tolist(),
        "up_source": "imu",
        "rotation_a_b": R.tolist(),
        "translation_a_b_m": t.tolist(),
        "scale": scale,
        "pose_source": "test",
        "pose_sigma_deg": None,
        "direction_sigma_deg": None,
        "rotation_deg": float(rotation_angle_deg(R)),
        "baseline_m": float(np.linalg.norm(t)) if scale == "metric" else None,
        "view_overlap": 0.5,
        "pose_quality": None,
        "gap_s": 0.5,
        "sync_offset_ms": 0.0,
        "sync_sigma_ms": None,
        "sharpness_a": 100.0,
        "sharpness_b": 110.0,
        "brightness_a": 128.0,
        "brightness_b": 130.0,
        "level_a_dbfs": -20.0,
        "level_b_dbfs": -22.0,
    }
    return {**row, **changed}


def write_dataset(
    folder: Path, splits: dict[str, list[dict[str, Any]]], *, shards: int = 1, rows_per_group: int = 4
) -> Path:
    """A data set folder as `avbench prepare` lays it out."""
    (folder / "data").mkdir(parents=True)
    digest = hashlib.sha256()
    records = []
    for split, rows in splits.items():
        bounds = np.linspace(0, len(rows), shards + 1).astype(int)
        for number in range(shards):
            name = f"data/{split}-{number:05d}-of-{shards:05d}.parquet"
            path = folder / name
            chosen = [{**row, "split": split} for row in rows[bounds[number] : bounds[number + 1]]]
            pq.write_table(
                table_from_rows(chosen),
                path,
                row_group_size=rows_per_group,
                write_page_checksum=True,
                compression="none",
            )
            digest.update(path.read_bytes())
            records.append(asdict(describe_shard(path, name=name, split=split, rows=len(chosen))))
    manifest = {"dataset_fingerprint": digest.hexdigest(), "shards": records}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder
