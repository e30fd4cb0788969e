"""What the learned models cost a pair, and what the harness adds to them.

Sizes are those of the shipped weights, or of the standard configuration with random ones: time does not depend on what
was learned. Pairs are as `avbench prepare` makes them of glasses: pictures of 512 x 384, one second of 7 channels.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import soundfile
import torch

from audio_scenes import ARIA_MICS_M, plane_wave
from avbench.benchmark.data.dataset import PairDataset, open_dataset
from avbench.benchmark.data.pair import PairInput
from avbench.benchmark.models.backbones.tiny import TinyBackbone
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.learned.binaural_pretraining import BinauralNetwork
from avbench.benchmark.models.learned.bundle import BackboneKind, Bundle, save_bundle
from avbench.benchmark.models.learned.encoder import SoundEncoder
from avbench.benchmark.models.learned.fusion import GatedConfig, GatedHead, LateConfig, LateHead
from avbench.benchmark.models.learned.model import LearnedModel
from avbench.benchmark.models.registry import find_model
from avbench.benchmark.running.run import RunSettings, run_model
from avbench.benchmark.tables.scores import text_table
from avbench.benchmark.training.config import STANDARD
from model_weights import trained_weights
from prepared_data import pair_row, write_dataset
from training_data import without_sound

KINDS = ("vision", "audio", "fusion", "fusion-late")
WIDTH, HEIGHT, RATE_HZ = 512, 384, 48000
BATCH = 16
PAIRS = 64
ROUNDS = 3
FOCAL_PX = 300.0


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained weights, or random ones of the standard sizes."""
    trained = trained_weights()
    if trained is not None:
        return trained
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone, sound = TinyBackbone(STANDARD.vision.network), SoundEncoder(STANDARD.sound.encoder)
        binaural, sizes = BinauralNetwork(STANDARD.binaural.network), STANDARD.head
        late = LateConfig(backbone.feature_dim, sound_dims=sizes.late_sound_dims, hidden_dims=sizes.late_hidden_dims)
        heads = {
            "vision": GatedHead(GatedConfig(backbone.feature_dim, 0, sizes.hidden_dim)),
            "fusion": GatedHead(GatedConfig(backbone.feature_dim, sound.feature_dim, sizes.hidden_dim)),
            "fusion-late": LateHead(late),
        }
    folder = tmp_path_factory.mktemp("random")
    save_bundle(folder, Bundle(BackboneKind.TINY, backbone, sound, binaural, heads), half=STANDARD.half)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> PairDataset:
    """Pairs with pictures and sound of their own, so that nothing is remembered from one to the next."""
    rows = [_row(number) for number in range(PAIRS)]
    return open_dataset(write_dataset(tmp_path_factory.mktemp("pairs") / "data", {"test": rows}, rows_per_group=16))


@pytest.fixture(scope="module")
def many_pictures(tmp_path_factory: pytest.TempPathFactory) -> PairDataset:
    """Pairs for the model that is fast: their pictures come again and again, their sound is left out."""
    rows = [without_sound(_row(number)) for number in range(BATCH)]
    repeated = [{**row, "pair_id": f"{row['pair_id']}-{again}"} for again in range(24) for row in rows]
    return open_dataset(write_dataset(tmp_path_factory.mktemp("seen") / "data", {"test": repeated}, rows_per_group=16))


def _row(number: int) -> dict:
    random = np.random.default_rng(number)
    row = pair_row(f"p{number}", width_px=WIDTH, height_px=HEIGHT, fx_px=FOCAL_PX, fy_px=FOCAL_PX)
    row |= {"cx_px": (WIDTH - 1) / 2, "cy_px": (HEIGHT - 1) / 2, "mic_positions_m": ARIA_MICS_M.tolist()}
    row |= dict.fromkeys(("audio_valid_stop_a", "audio_valid_stop_b", "audio_sample_rate_hz"), RATE_HZ)
    row |= {"audio_channels": len(ARIA_MICS_M)}
    for view in "ab":
        coarse = random.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        image = np.ascontiguousarray(np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8)))
        azimuth = random.uniform(-np.pi, np.pi)
        direction = (np.sin(azimuth), 0.0, np.cos(azimuth))
        wave = plane_wave(direction, ARIA_MICS_M, seed=2 * number + (view == "b"), sample_rate_hz=RATE_HZ)
        file = io.BytesIO()
        soundfile.write(file, np.rint(wave * 2**15).astype(np.int16), RATE_HZ, "PCM_16", format="FLAC")
        row[f"image_{view}"] = {"bytes": simplejpeg.encode_jpeg(image, 90), "path": None}
        row[f"audio_{view}"] = {"bytes": file.getvalue(), "path": None}
    return row


@pytest.fixture
def threads() -> Iterator[None]:
    """Leaves the number of torch's threads as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Cost:
    """Milliseconds a pair: by the clock, and of all processors together."""

    wall_ms: float
    cpu_ms: float


def cost(model: LearnedModel, pairs: Sequence[PairInput], batch: int) -> Cost:
    """What answers cost, pictures and sound given as arrays; sounds are heard for the first time."""
    model._sounds.clear()
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(pairs), batch):
        model.predict(pairs[start : start + batch])
    ms_a_pair = 1000.0 / len(pairs)
    return Cost((time.perf_counter() - wall) * ms_a_pair, (time.process_time() - cpu) * ms_a_pair)


@pytest.mark.perf
@pytest.mark.usefixtures("threads")
def test_milliseconds_a_pair_of_every_model(weights: Path, data: PairDataset) -> None:
    pairs = list(data.inputs("test", stop=BATCH))
    models = {kind: LearnedModel(kind, weights=weights) for kind in KINDS}
    cases = [(count, batch) for count in (1, 2) for batch in (1, BATCH)]
    measured: dict[tuple[str, int, int], list[Cost]] = {}
    for model in models.values():
        model.predict(pairs)  # warms up
    for _ in range(ROUNDS):
        for count, batch in cases:
            torch.set_num_threads(count)
            for kind, model in models.items():
                measured.setdefault((kind, count, batch), []).append(cost(model, pairs, batch))
    # The fastest round is least disturbed by what else the machine does.
    wall = {key: min(one.wall_ms for one in costs) for key, costs in measured.items()}
    cpu = {key: min(one.cpu_ms for one in costs) for key, costs in measured.items()}
    rows = [[kind, *(f"{wall[kind, *case]:.1f} ({cpu[kind, *case]:.1f})" for case in cases)] for kind in KINDS]
    headers = [f"{'1 pair' if batch == 1 else f'batch {batch}'}, threads {count}" for count, batch in cases]
    used = "random" if trained_weights() is None else "trained"
    print(f"{used} weights, processor time in brackets", file=sys.stderr)
    print(text_table(("ms a pair", *headers), rows), file=sys.stderr)
    # Processor time of one thread, measured one after the other in every round: least changed by other work.
    vision, audio, fusion = (
        np.array([one.cpu_ms for one in measured[kind, 1, BATCH]]) for kind in ("vision", "audio", "fusion")
    )
    sum_of_both = float(np.median(fusion / (vision + audio)))
    print(f"fusion / (vision + audio) {sum_of_both:.2f}", file=sys.stderr)
    assert sum_of_both <= 1.25
    for kind in KINDS:
        together, alone = ([one.cpu_ms for one in measured[kind, 1, batch]] for batch in (BATCH, 1))
        ratio = statistics.median(a / b for a, b in zip(together, alone, strict=True))
        print(f"{kind}: a pair in a batch of {BATCH} / alone {ratio:.2f}", file=sys.stderr)
        assert ratio <= 1.15


def plain_loop(data: PairDataset, model: LearnedModel, entry: ModelEntry, start: int) -> float:
    """Seconds to read, decode and ask; what the reader itself costs is measured in test_reader_speed."""
    model._sounds.clear()
    started = time.perf_counter()
    pairs = data.inputs("test", modalities=entry.modalities, start=start)
    while batch := list(islice(pairs, BATCH)):
        model.predict(batch)
    return time.perf_counter() - started


def harness(data: PairDataset, entry: ModelEntry, pairs: int) -> float:
    """Seconds of a run over the first pairs."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run_model(data, entry, Path(folder), RunSettings(limit=pairs, batch_size=BATCH))
        return time.perf_counter() - started


@pytest.mark.perf
@pytest.mark.parametrize("kind", ["vision", "fusion"])
def test_the_harness_costs_little_more_than_the_plain_loop(
    weights: Path, data: PairDataset, many_pictures: PairDataset, kind: str
) -> None:
    entry, model = find_model(kind, weights=weights), LearnedModel(kind, weights=weights)
    used = many_pictures if kind == "vision" else data
    count = used.pair_count("test")
    ratios, plain, once = [], [], []
    plain_loop(used, model, entry, count - BATCH)  # warms up
    for _ in range(ROUNDS):
        plain.append(plain_loop(used, model, entry, BATCH))
        # What a run costs whatever its length (a process, the first batch of a model) is in the short one, too.
        short, whole = harness(used, entry, BATCH), harness(used, entry, count)
        ratios.append((whole - short) / plain[-1])
        once.append(short - plain[-1] * BATCH / (count - BATCH))
    print(
        f"{kind}: harness / plain loop {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), "
        f"{1000 * statistics.median(plain) / (count - BATCH):.1f} ms a pair in the loop; once a run "
        f"{statistics.median(once):.2f} s",
        file=sys.stderr,
    )
    assert statistics.median(ratios) <= 1.10
