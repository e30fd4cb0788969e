"""What reaches which input of the networks: a learned model answers what its parts give when each is asked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.data.pair import PairInput
from avbench.benchmark.models.backbones.two_view import TwoViewInput, level_to_camera
from avbench.benchmark.models.learned.binaural_pretraining import ear_samples, embed
from avbench.benchmark.models.learned.bundle import Bundle
from avbench.benchmark.models.learned.encoder import SoundInput
from avbench.benchmark.models.learned.fusion import Level
from avbench.benchmark.models.learned.inputs import azimuth_spectrum, direction_maps, level_rotation, picture_row
from avbench.benchmark.models.learned.model import LearnedModel
from reference_bundle import reference_bundle
from training_data import training_data


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference_bundle(tmp_path_factory.mktemp("learned") / "bundle")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[PairInput]:
    data = training_data(tmp_path_factory.mktemp("learned") / "data", groups=1, pairs=3, validation=1)
    return list(open_dataset(data).inputs("val"))


def tensor(array: object) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))[None]


@torch.no_grad()
def by_hand(bundle: Bundle, kind: str, pair: PairInput) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and translation, with every input taken from its frame by name."""
    assert bundle.backbone is not None
    assert bundle.sound is not None
    assert bundle.binaural is not None
    level = Level(tensor(level_rotation(pair.up_a)), tensor(level_rotation(pair.up_b)), torch.ones(1, dtype=torch.bool))
    maps_a, maps_b = direction_maps(pair.sound_a, pair.up_a), direction_maps(pair.sound_b, pair.up_b)
    ears_a, ears_b = (ear_samples(clip, bundle.binaural.config) for clip in (pair.sound_a, pair.sound_b))
    assert ears_a is not None
    assert ears_b is not None
    half = [np.float32(np.float16(ears)) for ears in (ears_a, ears_b)]
    embedding_a, embedding_b = (tensor(np.float16(one)) for one in embed(bundle.binaural, np.stack(half)))
    heard = bundle.sound(
        SoundInput(
            spectrum_a=tensor(np.float16(maps_a)),
            spectrum_b=tensor(np.float16(maps_b)),
            embedding_a=embedding_a,
            embedding_b=embedding_b,
            present=torch.ones(1, dtype=torch.bool),
        )
    )
    if kind == "audio":
        found = level_to_camera(heard.rotation_level, heard.translation_level, level.level_a, level.level_b)
        return found[0][0].numpy(), found[1][0].numpy()
    row = picture_row(pair, bundle.backbone.image_size)
    image_a, image_b = (tensor(row[name]).permute(0, 3, 1, 2) / 255.0 for name in ("image_a", "image_b"))
    seen = bundle.backbone(TwoViewInput(image_a, image_b, tensor(row["intrinsics"]), level.level_a, level.level_b))
    if kind == "fusion-late":
        spectrum_b = tensor(np.float16(azimuth_spectrum(pair.sound_b, pair.up_b)))
        pose = bundle.heads[kind](seen, spectrum_b, embedding_b, level)
    else:
        pose = bundle.heads[kind](seen, heard if kind == "fusion" else None, level)
    return pose.rotation_a_b[0].numpy(), pose.translation_a_b[0].numpy()


@pytest.mark.parametrize("kind", ["vision", "audio", "fusion", "fusion-late"])
def test_a_learned_model_answers_what_its_parts_give(bundle_folder: Path, pairs: list[PairInput], kind: str) -> None:
    model = LearnedModel(kind, weights=bundle_folder)
    found = model.predict(pairs)
    for pair, answer in zip(pairs, found, strict=True):
        rotation, translation = by_hand(model.bundle, kind, pair)
        np.testing.assert_allclose(answer.rotation_a_b, rotation, atol=1e-4)
        np.testing.assert_allclose(answer.translation_a_b, translation, atol=1e-4)
    # Other pairs have other answers, so that one given for another shows.
    assert np.abs(found[0].rotation_a_b - found[1].rotation_a_b).max() > 1e-3
