"""The network against stored outputs of the published one, for random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from avbench.benchmark.models.backbones.reloc3r_network import (
    Reloc3rConfig,
    Reloc3rNetwork,
    RotaryEmbedding2D,
    View,
    rotation_from_nine,
)

TOKEN_TOLERANCE = 1e-5
POSE_TOLERANCE = 5e-6
SMALL = Reloc3rConfig(8, 96, 3, 4, 64, 2, 4)
SMALL16 = Reloc3rConfig(16, 96, 3, 4, 64, 2, 4)


@pytest.fixture(scope="module")
def parity(shared_data: Path) -> Path:
    return shared_data / "reloc3r_parity"


def recipe_weights(network: Reloc3rNetwork, seed: int) -> dict[str, torch.Tensor]:
    """The stored weight recipe: one stream for all keys in plain string order."""
    random = np.random.RandomState(seed)
    weights = {}
    for key, value in sorted(network.state_dict().items()):
        x = random.standard_normal(tuple(value.shape))
        x = 0.05 * x + float(key.endswith(".weight")) if x.ndim == 1 else x / np.sqrt(np.prod(x.shape[1:]))
        weights[key] = torch.from_numpy(x.astype(np.float32))
    return weights


def view(arrays: np.lib.npyio.NpzFile, case: str, number: int) -> View:
    return View(
        torch.from_numpy(arrays[f"{case}/img{number}"]),
        torch.from_numpy(arrays[f"{case}/true_shape{number}"]),
    )


def assert_close(found: torch.Tensor, expected: np.ndarray, tolerance: float, what: str) -> None:
    difference = np.abs(found.detach().numpy() - expected).max()
    assert difference <= tolerance, f"{what}: largest difference {difference:.2e}"


@pytest.fixture(scope="module")
def small(parity: Path) -> Reloc3rNetwork:
    network = Reloc3rNetwork(SMALL).eval()
    network.load_state_dict(load_file(parity / "reloc3r_small_weights.safetensors"), strict=True)
    return network


@pytest.mark.parametrize("case", ["landscape", "portrait", "mixed", "square", "unequal"])
@torch.no_grad()
def test_small_model_gives_the_stored_tokens_and_poses(small: Reloc3rNetwork, parity: Path, case: str) -> None:
    arrays = np.load(parity / "reloc3r_small_io.npz")
    first, second = view(arrays, case, 1), view(arrays, case, 2)
    encoded = small.encode(first), small.encode(second)
    decoded = small.decode(*encoded)
    output = small(first, second)
    for number, branch in ((1, output.first), (2, output.second)):
        assert_close(encoded[number - 1].values, arrays[f"{case}/enc{number}"], TOKEN_TOLERANCE, f"enc{number}")
        assert_close(decoded[number - 1], arrays[f"{case}/dec{number}"], TOKEN_TOLERANCE, f"dec{number}")
        assert_close(branch.raw_rotation, arrays[f"{case}/raw9_{number}"], POSE_TOLERANCE, f"raw9_{number}")
        assert_close(branch.pose, arrays[f"{case}/pose{number}"], POSE_TOLERANCE, f"pose{number}")
        for name, value in (("pool", branch.pooled), ("feat", branch.feature)):
            if f"{case}/{name}{number}" in arrays:
                assert_close(value, arrays[f"{case}/{name}{number}"], TOKEN_TOLERANCE, f"{name}{number}")


@torch.no_grad()
def test_positions_run_over_the_upright_picture(small: Reloc3rNetwork, parity: Path) -> None:
    arrays = np.load(parity / "reloc3r_small_io.npz")
    tokens = small.patch_embed(view(arrays, "landscape", 1))
    np.testing.assert_array_equal(tokens.positions.numpy(), arrays["landscape/pos1"])
    portrait = small.patch_embed(view(arrays, "portrait", 1))
    assert portrait.positions[0].max(dim=0).values.tolist() == [7, 5]  # 64 x 48 upright, patches of 8


@torch.no_grad()
def test_patch_16_model_from_the_weight_recipe(parity: Path) -> None:
    network = Reloc3rNetwork(SMALL16).eval()
    network.load_state_dict(recipe_weights(network, 2024), strict=True)
    arrays = np.load(parity / "reloc3r_small16_io.npz")
    output = network(view(arrays, "landscape", 1), view(arrays, "landscape", 2))
    for number, branch in ((1, output.first), (2, output.second)):
        assert_close(branch.feature, arrays[f"landscape/feat{number}"], TOKEN_TOLERANCE, "feat")
        assert_close(branch.pose, arrays[f"landscape/pose{number}"], POSE_TOLERANCE, "pose")


def test_the_published_size_has_the_published_keys(parity: Path) -> None:
    with torch.device("meta"):
        network = Reloc3rNetwork(Reloc3rConfig())
    expected = json.loads((parity / "reloc3r_full_state_dict_shapes.json").read_text())
    assert {key: list(value.shape) for key, value in network.state_dict().items()} == expected
    assert len(expected) == 606
    assert sum(value.numel() for value in network.parameters()) == 426_523_916


@pytest.mark.slow
@torch.no_grad()
def test_full_size_model_from_the_weight_recipe(parity: Path) -> None:
    network = Reloc3rNetwork(Reloc3rConfig()).eval()
    network.load_state_dict(recipe_weights(network, 77), strict=True)
    arrays = np.load(parity / "reloc3r_full_io.npz")
    for case, height, width in (("224x224", 224, 224), ("512x384", 384, 512)):
        views = []
        for number in (1, 2):
            image = np.repeat(np.repeat(arrays[f"{case}/img_lowres{number}"], 8, axis=2), 8, axis=3)
            views.append(View(torch.from_numpy(image.astype(np.float32)), torch.tensor([[height, width]])))
        encoded = [network.encode(one) for one in views]
        decoded = network.decode(*encoded)
        for number in (1, 2):
            branch = network.pose_head(decoded[number - 1])
            expected = arrays[f"{case}/enc{number}_tokenmean"]
            assert_close(encoded[number - 1].values.mean(dim=1), expected, TOKEN_TOLERANCE, "enc")
            assert_close(
                decoded[number - 1].mean(dim=1), arrays[f"{case}/dec{number}_tokenmean"], TOKEN_TOLERANCE, "dec"
            )
            assert_close(branch.pose, arrays[f"{case}/pose{number}"], POSE_TOLERANCE, "pose")


def test_nine_numbers_become_the_nearest_rotation(parity: Path) -> None:
    arrays = np.load(parity / "reloc3r_ops.npz")
    unique = np.arange(64) != 17  # minus identity has no unique answer
    found = rotation_from_nine(torch.from_numpy(arrays["svd/in9"]))
    assert_close(found[unique], arrays["svd/out3x3"][unique], 5e-6, "rotation")
    assert torch.allclose(torch.linalg.det(found), torch.ones(64), atol=1e-5)


@pytest.mark.parametrize("channels", [16, 24, 64])
def test_rotary_embedding(parity: Path, channels: int) -> None:
    arrays = np.load(parity / "reloc3r_ops.npz")
    found = RotaryEmbedding2D(100.0)(
        torch.from_numpy(arrays[f"rope/d{channels}/in"]), torch.from_numpy(arrays[f"rope/d{channels}/pos_yx"])
    )
    assert_close(found, arrays[f"rope/d{channels}/out"], 1e-5, "rope")


def test_upright_portrait_pictures_are_refused() -> None:
    network = Reloc3rNetwork(SMALL)
    tall = View(torch.zeros(1, 3, 64, 48), torch.tensor([[64, 48]]))
    with pytest.raises(ValueError, match="swapped axes"):
        network.encode(tall)
