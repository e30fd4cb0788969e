"""No picture in what is called sound: cached sound features stay the same, bit by bit, whatever happens to pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avbench.benchmark.conditions.condition import CLEAN, Condition, suite_conditions
from avbench.benchmark.conditions.corruptions import RECIPES, load_suite
from avbench.benchmark.data.dataset import PairDataset, open_dataset
from avbench.benchmark.data.pair import PairInput
from avbench.benchmark.evaluation.written_suite import CorruptSettings, write_suite
from avbench.benchmark.models.backbones.tiny import TinyBackbone, TinyConfig
from avbench.benchmark.models.learned.binaural_pretraining import EMBEDDING_SIZE, BinauralConfig, BinauralNetwork
from avbench.benchmark.models.learned.bundle import BackboneKind, Bundle, save_bundle
from avbench.benchmark.models.learned.encoder import SoundConfig, SoundEncoder
from avbench.benchmark.models.learned.fusion import GatedConfig, GatedHead, LateConfig, LateHead
from avbench.benchmark.models.learned.model import LearnedModel
from avbench.benchmark.training.data.pair_arrays import PairArrays, UpUse, pair_arrays
from training_data import training_data

SUITE = load_suite("standard")
EARS = BinauralConfig(sample_rate_hz=8000, duration_s=0.25, n_fft=128, hop=64, width=4, levels=3)
PICTURES = TinyConfig(width_px=64, height_px=48, channels=(8, 8, 16), trunk_channels=16, feature_dim=32)
OF_SOUND = ("maps_a", "maps_b", "spectrum_a", "spectrum_b", "sound", "ears_a", "ears_b", "ears")
OF_PICTURES = ("image_a", "image_b")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PairDataset:
    """Two pairs to test on."""
    folder = tmp_path_factory.mktemp("sound alone") / "data"
    return open_dataset(training_data(folder, groups=1, pairs=2, validation=1))


@pytest.fixture(scope="module")
def corrupted(dataset: PairDataset, tmp_path_factory: pytest.TempPathFactory) -> PairDataset:
    """The same pairs under every condition of the suite, one split a condition."""
    out = tmp_path_factory.mktemp("sound alone") / "corrupted"
    write_suite(dataset, SUITE, out, CorruptSettings(), overwrite=False, progress=lambda done, total: None)
    return open_dataset(out)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All learned models with drawn weights: what they are given does not depend on what they learned."""
    torch.manual_seed(0)
    backbone, binaural = TinyBackbone(PICTURES), BinauralNetwork(EARS)
    sound = SoundEncoder(SoundConfig(frame_channels=8, map_channels=8, feature_dim=16))
    heads = {
        "fusion": GatedHead(GatedConfig(PICTURES.feature_dim, sound.feature_dim, 16)),
        "fusion-late": LateHead(LateConfig(PICTURES.feature_dim, 360, EMBEDDING_SIZE, (16,), (16, 16))),
    }
    folder = tmp_path_factory.mktemp("sound alone") / "bundle"
    save_bundle(folder, Bundle(BackboneKind.TINY, backbone, sound, binaural, heads))
    return folder


def digest(arrays: Mapping[str, Any]) -> str:
    """SHA-256 of arrays with their names, types and shapes."""
    found = hashlib.sha256()
    for name, value in sorted(arrays.items()):
        array = np.ascontiguousarray(value)
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def files_digest(folder: Path) -> str:
    """SHA-256 of the arrays in a cache folder; its key names the data set and the split."""
    arrays = sorted(path for path in folder.iterdir() if path.suffix == ".npy")
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in arrays)).hexdigest()


def test_the_standard_suite_has_every_corruption() -> None:
    assert {condition.corruption for condition in SUITE.conditions} - {None} == set(RECIPES)


def test_training_caches_the_same_sound_under_every_corruption(
    dataset: PairDataset, corrupted: PairDataset, tmp_path: Path
) -> None:
    def arrays(source: PairDataset, split: str) -> tuple[PairArrays, str]:
        cache = tmp_path / split
        made = pair_arrays(source.folder, split, (64, 48), cache, pictures=True, ears=EARS, up=UpUse())
        (folder,) = cache.glob(f"{split}-sound-*")
        return made, files_digest(folder)

    clean, clean_files = arrays(dataset, "test")
    clean_sound = digest({name: getattr(clean, name) for name in OF_SOUND})
    clean_pictures = digest({name: getattr(clean, name) for name in OF_PICTURES})
    assert np.asarray(clean.sound).all()
    assert np.asarray(clean.ears).all()
    seen_otherwise = 0
    for split in corrupted.splits:
        made, files = arrays(corrupted, split)
        assert made.pair_ids == clean.pair_ids
        assert files == clean_files, split
        assert digest({name: getattr(made, name) for name in OF_SOUND}) == clean_sound, split
        seen_otherwise += digest({name: getattr(made, name) for name in OF_PICTURES}) != clean_pictures
    # The pictures are others all the while.
    assert seen_otherwise == len(SUITE.conditions) - 1


@pytest.mark.parametrize("kind", ["audio", "fusion", "fusion-late"])
def test_models_keep_the_same_sound_under_every_corruption(dataset: PairDataset, bundle: Path, kind: str) -> None:
    model = LearnedModel(kind, weights=bundle)
    pairs = list(dataset.inputs("test"))

    def heard(condition: Condition) -> tuple[dict[str, str], str]:
        """Hashes of the features that the model keeps, by their keys, and of its answers."""
        model._sounds.clear()
        answers = model.predict([condition.apply(pair) for pair in pairs])
        rotations = {pair.pair_id: answer.rotation_a_b for pair, answer in zip(pairs, answers, strict=True)}
        return {key: digest(row) for key, row in model._sounds.items()}, digest(rotations)

    clean, clean_answers = heard(CLEAN)
    assert len(clean) == len(pairs)
    assert all(row["sound"] and np.any(row["maps_a"]) for row in model._sounds.values())
    for condition in suite_conditions(SUITE):
        features, answers = heard(condition)
        assert features == clean, condition.name
        if kind == "audio":
            assert answers == clean_answers, condition.name
        elif condition.name.endswith("-5"):
            assert answers != clean_answers, condition.name


def test_another_sound_is_noticed(dataset: PairDataset, bundle: Path) -> None:
    """The hashes above do tell: one sample of one channel changes them."""
    pair = next(dataset.inputs("test"))
    assert pair.sound_a is not None
    samples = pair.sound_a.samples.copy()
    samples[100, 0] += 2.0**-6
    other = replace(pair, sound_a=replace(pair.sound_a, samples=samples))

    def features(one: PairInput) -> dict[str, str]:
        model = LearnedModel("fusion", weights=bundle)
        model.predict([one])
        return {key: digest(row) for key, row in model._sounds.items()}

    a, b = features(pair), features(other)
    assert set(a).isdisjoint(b)
    assert set(a.values()).isdisjoint(b.values())


def test_kept_features_change_no_answer_and_are_of_what_was_shown(
    dataset: PairDataset, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = list(dataset.inputs("test"))
    dark = [suite_conditions(SUITE)[-1].apply(pair) for pair in pairs]
    kept = {"sound_cache": str(tmp_path / "sounds"), "picture_cache": str(tmp_path / "pictures")}

    def answers(shown: list[PairInput], **caches: str) -> str:
        found = LearnedModel("fusion", weights=bundle, **caches).predict(shown)
        return digest({str(number): one.rotation_a_b for number, one in enumerate(found)})

    plain = answers(pairs), answers(dark)
    assert plain[0] != plain[1]
    assert (answers(pairs, **kept), answers(dark, **kept)) == plain
    pictures = {path.name for path in (tmp_path / "pictures").rglob("*.features")}
    # Two of every pair, since they were shown in two ways; of the sound, maps and embeddings, heard in one.
    assert len(pictures) == 2 * len(pairs)
    assert len(list((tmp_path / "sounds").rglob("*.features"))) == 2 * len(pairs)
    monkeypatch.setattr(TinyBackbone, "forward", lambda *_: pytest.fail("seen before"))
    monkeypatch.setattr("avbench.benchmark.models.learned.model.embed", lambda *_: pytest.fail("heard before"))
    assert (answers(pairs, **kept), answers(dark, **kept)) == plain
