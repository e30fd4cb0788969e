"""The torch loader against the bare decoding of the same rows, and against `datasets` with a torch format.

Compared is CPU time of all processes, so that other work on the machine changes little. The bare loop decodes every
row into memory that is in the cache already and hands nothing over; the loader fills batches of 50 to 140 MB and hands
them to another process.
"""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg
import soundfile
import torch
from torch.utils.data import DataLoader

from avbench.benchmark.api.torch_loader import pair_loader
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.data.pair import Modality
from prepared_data import pair_row, write_dataset

ROWS = 240
BATCH = 32
ROUNDS = 5
SIZE = 512


def photograph() -> np.ndarray:
    """Detail of every size and the noise of a sensor, as in pictures of a camera: flat colours decode too fast."""
    generator = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None, :]) + 1e-2
    noise = np.fft.fft2(generator.normal(size=(SIZE, SIZE, 3)), axes=(0, 1)) / frequency[..., None]
    smooth = np.fft.ifft2(noise, axes=(0, 1)).real
    picture = (smooth - smooth.mean()) / smooth.std() * 45.0 + 120.0 + generator.normal(0.0, 2.5, smooth.shape)
    return np.clip(picture, 0.0, 255.0).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two JPEG of 512 x 512 and one second of 7 channels at 48 kHz twice a row."""
    generator = np.random.default_rng(1)
    tone = np.sin(np.arange(48000)[:, None] * np.linspace(0.02, 0.1, 7)) * 8000 + generator.normal(0, 200, (48000, 7))
    file = io.BytesIO()
    soundfile.write(file, tone.astype(np.int16), 48000, "PCM_16", format="FLAC")
    picture = {"bytes": simplejpeg.encode_jpeg(photograph(), 95, colorsubsampling="444"), "path": None}
    sound = {"bytes": file.getvalue(), "path": None}
    changed = {
        "image_a": picture,
        "image_b": picture,
        "width_px": SIZE,
        "height_px": SIZE,
        "audio_a": sound,
        "audio_b": sound,
        "audio_sample_rate_hz": 48000,
        "audio_channels": 7,
        "mic_positions_m": [[0.0, 0.0, 0.0]] * 7,
    }
    rows = [pair_row(f"p{number}", group_id=f"g{number}", **changed) for number in range(ROWS)]
    return write_dataset(tmp_path_factory.mktemp("loader") / "data", {"test": rows}, rows_per_group=12)


def used(call: Callable[[], int]) -> tuple[float, float]:
    """CPU seconds a row of this process and its children, and rows a second by the clock."""

    def cpu() -> float:
        return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    before, started = cpu(), time.perf_counter()
    assert call() == ROWS
    return (cpu() - before) / ROWS, ROWS / (time.perf_counter() - started)


def bare(data: Path, *, sound: bool) -> int:
    columns = ["image_a", "image_b", *(("audio_a", "audio_b") if sound else ())]
    count = 0
    for path in sorted((data / "data").glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(12, columns=columns):
            for row in batch.to_pylist():
                count += 1
                for name in columns:
                    if name.startswith("image"):
                        simplejpeg.decode_jpeg(row[name]["bytes"], fastdct=False, fastupsample=False)
                    else:
                        soundfile.read(io.BytesIO(row[name]["bytes"]), dtype="int16")
    return count


def loaded(data: Path, workers: int, *, sound: bool) -> int:
    modalities = {Modality.VISION, Modality.AUDIO} if sound else {Modality.VISION}
    loader = pair_loader(
        open_dataset(data), "test", batch_size=BATCH, shuffle=True, workers=workers, modalities=modalities
    )
    return sum(len(batch["pair_id"]) for batch in loader)


@pytest.mark.perf
@pytest.mark.parametrize(("sound", "least"), [(False, 0.6), (True, 0.6)], ids=["vision", "vision+audio"])
def test_two_workers_reach_a_good_part_of_the_bare_decoding(data: Path, sound: bool, least: float) -> None:
    torch.set_num_threads(1)
    shares, rates = [], []
    for _ in range(ROUNDS):
        limit, _ = used(lambda: bare(data, sound=sound))
        alone, _ = used(lambda: loaded(data, 0, sound=sound))
        two, rate = used(lambda: loaded(data, 2, sound=sound))
        shares.append((limit / alone, limit / two))
        rates.append(rate)
    alone_share, two_share = np.median(shares, axis=0)
    print(
        f"rows per CPU second, of those of bare decoding: {two_share:.2f} with 2 workers, {alone_share:.2f} in this "
        f"process; {np.median(rates):.0f} rows a second"
    )
    assert two_share > least
    assert alone_share > least


@pytest.mark.perf
def test_it_costs_less_than_datasets_with_a_torch_format(data: Path, tmp_path: Path) -> None:
    import datasets

    torch.set_num_threads(1)
    # Pictures alone: its decoder of sound is another package, and gives one channel.
    table = datasets.load_dataset(str(data), split="test", cache_dir=str(tmp_path / "cache"))
    table = table.select_columns(["pair_id", "image_a", "image_b", "rotation_a_b", "translation_a_b_m"])

    def theirs() -> int:
        shown = table.shuffle(seed=0).with_format("torch")
        return sum(len(batch["pair_id"]) for batch in DataLoader(shown, batch_size=BATCH, num_workers=2))

    ratios, rates = [], []
    for _ in range(3):
        ours_cost, ours_rate = used(lambda: loaded(data, 2, sound=False))
        theirs_cost, theirs_rate = used(theirs)
        ratios.append(theirs_cost / ours_cost)
        rates.append((ours_rate, theirs_rate))
    ours, other = np.median(rates, axis=0)
    print(f"CPU of datasets / ours: {np.median(ratios):.2f}; {ours:.0f} rows a second against {other:.0f}")
    assert np.median(ratios) > 1.1
