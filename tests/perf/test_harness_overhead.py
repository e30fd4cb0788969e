"""The harness against the plainest serial loop over the same rows: read, decode, corrupt, ask the model.

Both sides run in turn in one process, the same number of times. The model of a test sleeps: it stands for one on an
accelerator, which leaves the processor to others; `busy` uses the processor itself.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg
import soundfile

from avbench.benchmark.conditions.condition import suite_conditions
from avbench.benchmark.conditions.corruptions import load_suite
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.data.pair import PairInput, SoundClip
from avbench.benchmark.models.loading import load_model
from avbench.benchmark.models.registry import find_model
from avbench.benchmark.running.run import RunSettings, run_model
from avbench.preprocessing.recording.recording import ArrayKind
from prepared_data import pair_row, write_dataset

SIZE = 512
BATCH = 8
ROUNDS = 5

MODELS = """
import time
import numpy as np
from avbench.benchmark.data.pair import PosePrediction
GOOD = PosePrediction(np.eye(3), np.array([0.0, 0.0, 1.0]))
def busy(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        np.dot(WORK, WORK)
WORK = np.ones((64, 64))
class Sleeps2:
    modalities = ("vision", "audio")
    def predict(self, pairs):
        time.sleep(0.002 * len(pairs))
        return [GOOD] * len(pairs)
class Sleeps50(Sleeps2):
    def predict(self, pairs):
        time.sleep(0.050 * len(pairs))
        return [GOOD] * len(pairs)
class Busy2(Sleeps2):
    def predict(self, pairs):
        busy(0.002 * len(pairs))
        return [GOOD] * len(pairs)
class Busy50(Sleeps2):
    def predict(self, pairs):
        busy(0.050 * len(pairs))
        return [GOOD] * len(pairs)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two JPEG of 512 x 512 and one second of 7 channels at 48 kHz twice a row."""
    random = np.random.default_rng(0)
    image = np.kron(random.integers(0, 256, (64, 64, 3), dtype=np.uint8), np.ones((8, 8, 1), dtype=np.uint8))
    file = io.BytesIO()
    tone = np.sin(np.arange(48000)[:, None] * np.linspace(0.02, 0.1, 7)) * 8000
    soundfile.write(file, (tone + random.normal(0, 200, tone.shape)).astype(np.int16), 48000, "PCM_16", format="FLAC")
    picture, sound = (
        {"bytes": simplejpeg.encode_jpeg(image, 90), "path": None},
        {"bytes": file.getvalue(), "path": None},
    )
    changed = dict.fromkeys(("image_a", "image_b"), picture)
    changed |= dict.fromkeys(("audio_a", "audio_b"), sound)
    changed |= dict.fromkeys(("width_px", "height_px"), SIZE)
    changed |= dict.fromkeys(("audio_valid_stop_a", "audio_valid_stop_b", "audio_sample_rate_hz"), 48000)
    changed |= {"audio_channels": 7, "mic_positions_m": [[0.0, 0.0, 0.0]] * 7}
    rows = [pair_row(f"p{i}", **changed) for i in range(64)]
    return write_dataset(tmp_path_factory.mktemp("overhead") / "data", {"test": rows}, rows_per_group=16)


def serial_loop(data: Path, model, suite, limit: int) -> None:
    """What somebody would write who wants nothing but the answers."""
    columns = ["pair_id", "image_a", "image_b", "audio_a", "audio_b", "fx_px", "fy_px", "cx_px", "cy_px"]
    file = pq.ParquetFile(data / "data" / "test-00000-of-00001.parquet")
    done = 0
    for table in file.iter_batches(BATCH, columns=columns):
        rows = table.to_pylist()[: limit - done]
        if not rows:
            break
        decoded = [decode(row) for row in rows]
        for condition in suite.conditions:
            seen = []
            for pair in decoded:
                image_a, image_b = condition.apply(pair.image_a, pair.image_b, pair.pair_id)
                seen.append(
                    PairInput(pair.pair_id, image_a, image_b, pair.intrinsics, pair.sound_a, pair.sound_b, None, None)
                )
            model.predict(seen)
        done += len(rows)


def decode(row: dict) -> PairInput:
    images = [simplejpeg.decode_jpeg(row[f"image_{view}"]["bytes"]) for view in "ab"]
    sounds = []
    for view in "ab":
        samples, rate = soundfile.read(io.BytesIO(row[f"audio_{view}"]["bytes"]), dtype="int16")
        scaled = samples.astype(np.float32) * np.float32(2.0**-15)
        sounds.append(SoundClip(scaled, rate, 0, 48000, ArrayKind.MICROPHONES, np.zeros((7, 3))))
    K = np.array([[row["fx_px"], 0.0, row["cx_px"]], [0.0, row["fy_px"], row["cy_px"]], [0.0, 0.0, 1.0]])
    return PairInput(row["pair_id"], *images, K, *sounds, None, None)


@pytest.mark.perf
@pytest.mark.parametrize(
    ("name", "suite_text", "pairs", "limit"),
    [
        ("Sleeps2", "clean = true", 64, 1.10),
        ("Busy2", "clean = true", 64, 1.10),
        ("Sleeps2", 'clean = true\n[[conditions]]\ncorruption = ["fog", "low_light"]\nseverities = [3]', 32, 1.10),
        ("Busy2", 'clean = true\n[[conditions]]\ncorruption = ["fog", "low_light"]\nseverities = [3]', 32, 1.10),
        ("Sleeps50", 'clean = true\n[[conditions]]\ncorruption = "fog"\nseverities = [3]', 24, 1.05),
        ("Busy50", 'clean = true\n[[conditions]]\ncorruption = "fog"\nseverities = [3]', 24, 1.05),
    ],
)
def test_the_harness_costs_little_more_than_a_serial_loop(
    data: Path, tmp_path: Path, name: str, suite_text: str, pairs: int, limit: float
):
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "suite.toml").write_text(suite_text)
    suite = load_suite(tmp_path / "suite.toml")
    conditions = suite_conditions(suite)
    entry = find_model(f"{tmp_path / 'models.py'}:{name}")
    model = load_model(entry)
    dataset = open_dataset(data)
    settings = RunSettings(limit=pairs, batch_size=BATCH)
    serial, harness, fixed = [], [], []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        serial_loop(data, model, suite, pairs)
        serial.append(time.perf_counter() - started)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            run = run_model(dataset, entry, Path(folder), settings, conditions=conditions)
            harness.append(time.perf_counter() - started)
        # What a run costs whatever its length: it is seconds of a run of minutes, and said apart.
        fixed.append(sum(run.seconds[phase] for phase in ("open", "check corruptions", "load model")))
    ratios = [(h - f) / s for s, h, f in zip(serial[1:], harness[1:], fixed[1:], strict=True)]
    answer_ms = 1000 * statistics.median(serial) / pairs / len(conditions)
    print(
        f"{name}, {len(conditions)} conditions: harness / serial loop {statistics.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}), {answer_ms:.1f} ms an answer in the loop; "
        f"once a run {statistics.median(fixed):.2f} s",
        file=sys.stderr,
    )
    assert statistics.median(ratios) <= limit
