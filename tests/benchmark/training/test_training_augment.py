"""Augmentation must change a pair into another true pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avbench.benchmark.models.backbones.tiny import TinyConfig, true_matches
from avbench.benchmark.training.data import augment

CONFIG = TinyConfig(width_px=64, height_px=48)


def batch(count: int = 6) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)

    def rotations() -> torch.Tensor:
        return torch.linalg.qr(torch.randn(count, 3, 3, generator=random))[0]

    R = rotations()
    R = R * torch.linalg.det(R)[:, None, None]
    views = {}
    for view in "ab":
        views |= {
            f"image_{view}": torch.rand(count, 3, 48, 64, generator=random),
            f"level_{view}": torch.eye(3).repeat(count, 1, 1),
            f"depth_{view}": 1 + torch.rand(count, 6, 8, generator=random),
            f"maps_{view}": torch.rand(count, 4, 72, generator=random),
            f"spectrum_{view}": torch.rand(count, 360, generator=random),
            f"embedding_{view}": torch.rand(count, 5, generator=random),
            f"swapped_embedding_{view}": torch.rand(count, 5, generator=random),
        }
    K = torch.tensor([[40.0, 0, 30.0], [0, 40.0, 23.5], [0, 0, 1.0]]).repeat(count, 1, 1)
    t = torch.randn(count, 3, generator=random)
    return {**views, "rotation": R, "translation": t, "intrinsics": K}


@pytest.mark.parametrize("change", [augment.mirror_pairs, augment.swap_frames])
def test_twice_is_nothing_and_only_the_chosen_change(change: object) -> None:
    assert callable(change)
    before = batch()
    every = torch.ones(6, dtype=torch.bool)
    twice = change(change(before, every), every)
    for name, value in before.items():
        assert torch.allclose(twice[name], value, atol=1e-5), name
    chosen = torch.tensor([True, False, True, False, False, False])
    some = change(before, chosen)
    for name, value in before.items():
        assert torch.equal(some[name][~chosen], value[~chosen]), name


def test_a_mirrored_pair_is_consistent_with_its_pictures() -> None:
    # A rotation to the right and a step forward right before a slanted wall: matches computed from the mirrored label
    # must be the mirror image of the matches computed from the label.
    angle = torch.tensor(0.2)
    R_a_b = torch.tensor([[angle.cos(), 0, angle.sin()], [0, 1, 0], [-angle.sin(), 0, angle.cos()]])
    pair = batch(1) | {"rotation": R_a_b[None], "translation": torch.tensor([[0.2, 0.0, 0.3]])}
    pair["depth_a"] = (2 + 0.2 * torch.arange(8.0)).repeat(6, 1)[None]
    pair["depth_b"] = torch.full((1, 6, 8), 50.0)
    pair["intrinsics"] = torch.tensor([[[40.0, 0, 31.5], [0, 40.0, 23.5], [0, 0, 1.0]]])

    def matches(one: dict[str, torch.Tensor]) -> torch.Tensor:
        back = one["rotation"].transpose(1, 2)
        moved = -(back @ one["translation"][:, :, None])[:, :, 0]
        depth = one["depth_a"].flatten(1), one["depth_b"].flatten(1)
        return true_matches(*depth, one["intrinsics"], back, moved, CONFIG).reshape(6, 8)

    plain = matches(pair)
    mirrored = matches(augment.mirror_pairs(pair, torch.ones(1, dtype=torch.bool)))
    column = torch.where(plain < 48, plain // 8 * 8 + 7 - plain % 8, plain)
    assert (plain < 48).any()
    # A point that falls exactly between two cells may round either way.
    assert (mirrored == column.flip(1)).float().mean() > 0.9


def test_a_mirrored_spectrum_keeps_ahead_ahead() -> None:
    one = batch(1)
    one["maps_a"] = torch.zeros(1, 1, 72)
    one["maps_a"][..., 0], one["maps_a"][..., 10] = 1.0, 2.0
    mirrored = augment.mirror_pairs(one, torch.ones(1, dtype=torch.bool))["maps_a"][0, 0]
    assert (float(mirrored[0]), float(mirrored[62])) == (1.0, 2.0)


def test_corruption_is_bounded_repeatable_and_leaves_its_input_alone() -> None:
    a = np.random.default_rng(0).random((48, 64, 3)).astype(np.float32)
    b = a[::-1].copy()
    kept = a.copy()
    changed = 0
    for seed in range(60):
        first = augment.corrupt_pictures(a, b, np.random.default_rng(seed))
        second = augment.corrupt_pictures(a, b, np.random.default_rng(seed))
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == np.float32
            assert one.min() >= -1e-6
            assert one.max() <= 1 + 1e-5
        changed += not np.array_equal(first[0], a) or not np.array_equal(first[1], b)
    assert changed == 60
    np.testing.assert_array_equal(a, kept)


def test_colours_are_permuted_alike() -> None:
    a = np.zeros((4, 4, 3), np.float32)
    a[..., 0] = 0.5
    for seed in range(10):
        first, second = augment.jitter_colours(a, a, np.random.default_rng(seed))
        assert first.sum(axis=(0, 1)).argmax() == second.sum(axis=(0, 1)).argmax()
