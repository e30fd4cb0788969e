"""The reader against the plainest loop over the same rows: read, decode pictures, decode sound, nothing else."""

from __future__ import annotations

import io
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg
import soundfile

from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.data.pair import Modality
from avbench.preprocessing.format.schema import column_names, table_from_rows
from avbench.preprocessing.format.shard_file import describe_shard

ROWS = 48
ROUNDS = 5


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two JPEG of 512 x 512 and one second of 7 channels at 48 kHz twice a row."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    image = np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))
    file = io.BytesIO()
    tone = np.sin(np.arange(48000)[:, None] * np.linspace(0.02, 0.1, 7)) * 8000
    soundfile.write(
        file, (tone + generator.normal(0, 200, tone.shape)).astype(np.int16), 48000, "PCM_16", format="FLAC"
    )
    picture = {"bytes": simplejpeg.encode_jpeg(image, 90), "path": None}
    sound = {"bytes": file.getvalue(), "path": None}
    row = {
        **dict.fromkeys(column_names()),
        **dict.fromkeys(("recording_id", "group_id", "source", "licence", "pose_source"), "x"),
        **dict.fromkeys(("time_a_ns", "time_b_ns", "audio_valid_start_a", "audio_valid_start_b"), 0),
        **dict.fromkeys(("audio_valid_stop_a", "audio_valid_stop_b"), 48000),
        **dict.fromkeys(("fx_px", "fy_px", "cx_px", "cy_px", "rotation_deg", "view_overlap", "gap_s"), 1.0),
        **dict.fromkeys(("sharpness_a", "sharpness_b", "brightness_a", "brightness_b"), 1.0),
        "image_a": picture,
        "image_b": picture,
        "audio_a": sound,
        "audio_b": sound,
        "width_px": 512,
        "height_px": 512,
        "audio_sample_rate_hz": 48000,
        "audio_channels": 7,
        "array_kind": "microphones",
        "mic_positions_m": [[0.0, 0.0, 0.0]] * 7,
        "split": "test",
        "scale": "metric",
        "rotation_a_b": np.eye(3).tolist(),
        "translation_a_b_m": [0.0, 0.0, 1.0],
    }
    (tmp_path / "data").mkdir()
    table = table_from_rows([{**row, "pair_id": f"p{i}"} for i in range(ROWS)])
    name = "data/test-00000-of-00001.parquet"
    pq.write_table(table, tmp_path / name, row_group_size=12)
    record = describe_shard(tmp_path / name, name=name, split="test", rows=ROWS)
    (tmp_path / "manifest.json").write_text(json.dumps({"dataset_fingerprint": "x", "shards": [asdict(record)]}))
    return tmp_path


def plain_loop(data: Path, *, sound: bool) -> None:
    columns = ["image_a", "image_b", *(("audio_a", "audio_b") if sound else ())]
    for batch in pq.ParquetFile(data / "data" / "test-00000-of-00001.parquet").iter_batches(12, columns=columns):
        for row in batch.to_pylist():
            for name in columns:
                if name.startswith("image"):
                    simplejpeg.decode_jpeg(row[name]["bytes"], fastdct=False, fastupsample=False)
                else:
                    soundfile.read(io.BytesIO(row[name]["bytes"]), dtype="int16")


@pytest.mark.perf
@pytest.mark.parametrize("sound", [False, True], ids=["vision", "vision+audio"])
def test_the_reader_costs_little_more_than_decoding(data: Path, sound: bool):
    dataset = open_dataset(data)
    modalities = {Modality.VISION, Modality.AUDIO} if sound else {Modality.VISION}
    ratios, rates = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        plain_loop(data, sound=sound)
        between = time.perf_counter()
        assert sum(1 for _ in dataset.inputs("test", modalities=modalities)) == ROWS
        ended = time.perf_counter()
        ratios.append((ended - between) / (between - started))
        rates.append(ROWS / (ended - between))
    print(f"reader / plain loop: {np.median(ratios):.2f}; {np.median(rates):.0f} rows a second")
    assert np.median(ratios) < 1.25
