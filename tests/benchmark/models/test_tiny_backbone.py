"""The correlation network: its geometry, its matching targets, and that it can learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avbench.benchmark.models.backbones.tiny import (
    STRIDE,
    TinyBackbone,
    TinyConfig,
    align_rays,
    cell_rays,
    matching_loss,
    true_matches,
)
from avbench.benchmark.models.backbones.two_view import (
    TwoViewInput,
    level_to_camera,
    rotation_angle_rad,
    rotation_from_six,
)
from avbench.preprocessing.base.geometry import axis_rotation, gravity_aligned_rotation, rotation_angle_deg

CONFIG = TinyConfig(width_px=64, height_px=48, channels=(8, 8, 16), trunk_channels=16, feature_dim=32)
K = torch.tensor([[[40.0, 0, 31.5], [0, 40.0, 23.5], [0, 0, 1.0]]])


def batch(images_a: torch.Tensor, images_b: torch.Tensor) -> TwoViewInput:
    count = len(images_a)
    eye = torch.eye(3).expand(count, 3, 3)
    return TwoViewInput(images_a, images_b, K.expand(count, 3, 3), eye, eye)


def test_rays_pass_through_the_cells_centres() -> None:
    rays = cell_rays(K, CONFIG)[0]
    pixels = rays / rays[:, 2:] @ K[0].T
    # Cells cover pixels 0..7, 8..15, ...: their centres are at 3.5, 11.5, ...
    assert torch.allclose(pixels[0, :2], torch.tensor([3.5, 3.5]), atol=1e-4)
    assert torch.allclose(pixels[1, :2], torch.tensor([11.5, 3.5]), atol=1e-4)
    assert torch.allclose(pixels[-1, :2], torch.tensor([59.5, 43.5]), atol=1e-4)


def test_true_matches_of_a_sideways_step_before_a_wall() -> None:
    # A wall 4 m ahead and a step of 0.8 m to the right: everything moves 40 * 0.8 / 4 = 8 px = one cell to the left.
    depth = torch.full((1, 48), 4.0)
    eye, step = torch.eye(3)[None], torch.tensor([[-0.8, 0.0, 0.0]])
    target = true_matches(depth, depth, K, eye, step, CONFIG).reshape(6, 8)
    cells = torch.arange(48).reshape(6, 8)
    assert torch.equal(target[:, 1:], cells[:, :-1])
    assert (target[:, 0] == 48).all()  # left the picture


def test_true_matches_know_hidden_and_unknown_cells() -> None:
    far, near = torch.full((1, 48), 4.0), torch.full((1, 48), 2.0)
    eye, none = torch.eye(3)[None], torch.zeros(1, 3)
    assert (true_matches(far, near, K, eye, none, CONFIG) == 48).all()  # something stands before it in b
    assert (true_matches(torch.zeros(1, 48), near, K, eye, none, CONFIG) == -1).all()
    assert (true_matches(far, torch.zeros(1, 48), K, eye, none, CONFIG) == -1).all()
    assert torch.equal(true_matches(near, near, K, eye, none, CONFIG)[0], torch.arange(48))


def test_six_numbers_become_a_rotation_and_angles_agree_with_geometry() -> None:
    raw = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    rotation = rotation_from_six(raw)
    assert torch.allclose(rotation @ rotation.transpose(1, 2), torch.eye(3).expand(50, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(50), atol=1e-5)
    expected = np.radians(rotation_angle_deg(rotation.double().numpy()))
    np.testing.assert_allclose(rotation_angle_rad(rotation.double()).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("angle_deg", [0.0, 180.0])
def test_the_angles_gradient_is_finite_at_its_ends(angle_deg: float) -> None:
    rotation = torch.tensor(axis_rotation("y", angle_deg))[None].requires_grad_()
    rotation_angle_rad(rotation).sum().backward()
    assert rotation.grad is not None
    assert torch.isfinite(rotation.grad).all()


def test_a_turned_head_is_a_rotation_about_the_vertical_between_level_axes() -> None:
    up_a, up_b = np.array([0.1, -0.9, 0.3]), np.array([-0.2, -0.95, -0.1])
    level_a, level_b = gravity_aligned_rotation(up_a), gravity_aligned_rotation(up_b)
    yaw = axis_rotation("y", 30.0)
    rotation, _ = level_to_camera(
        torch.tensor(yaw)[None], torch.zeros(1, 3).double(), torch.tensor(level_a)[None], torch.tensor(level_b)[None]
    )
    # Up, seen from b and turned into a, must be up as a sees it.
    carried = rotation[0].numpy() @ (up_b / np.linalg.norm(up_b))
    np.testing.assert_allclose(carried, up_a / np.linalg.norm(up_a), atol=1e-12)


def test_the_network_learns_shifts_of_noise() -> None:
    torch.manual_seed(0)
    network = TinyBackbone(CONFIG)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    random = torch.Generator().manual_seed(1)

    def pairs(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        wide = torch.rand(count, 3, 48, 64 + 32, generator=random)
        shift = torch.randint(0, 5, (count,), generator=random)
        a = torch.stack([w[:, :, 16:80] for w in wide])
        b = torch.stack([w[:, :, 8 * s : 8 * s + 64] for w, s in zip(wide, shift, strict=True)])
        return a, b, (shift - 2) * STRIDE  # b shows what a showed, this many pixels to the left of it

    def targets(pixels: torch.Tensor) -> torch.Tensor:
        cells = torch.arange(48).reshape(1, 6, 8)
        column = torch.arange(8).reshape(1, 1, 8) - (pixels // STRIDE).reshape(-1, 1, 1)
        inside = (column >= 0) & (column < 8)
        moved = cells - (pixels // STRIDE).reshape(-1, 1, 1)
        return torch.where(inside, moved, torch.full_like(moved, 48)).flatten(1)

    losses = []
    for _ in range(60):
        a, b, pixels = pairs(16)
        _, (forward, _) = network.see(batch(a, b))
        loss = matching_loss(forward, targets(pixels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]


def test_output_shapes_ranges_and_independence_of_the_batch() -> None:
    torch.manual_seed(2)
    network = TinyBackbone(CONFIG).eval()
    a, b = torch.rand(5, 3, 48, 64), torch.rand(5, 3, 48, 64)
    with torch.no_grad():
        together = network(batch(a, b))
        alone = network(batch(a[3:4], b[3:4]))
    assert together.feature.shape == (5, 32)
    assert ((together.confidence > 0) & (together.confidence < 1)).all()
    assert torch.allclose(together.rotation_a_b[3], alone.rotation_a_b[0], atol=1e-6)


def test_a_black_picture_gives_finite_numbers() -> None:
    network = TinyBackbone(CONFIG).eval()
    with torch.no_grad():
        out = network(batch(torch.zeros(1, 3, 48, 64), torch.zeros(1, 3, 48, 64)))
    assert torch.isfinite(out.feature).all()
    assert torch.isfinite(out.rotation_a_b).all()


def unit_rays(count: int, seed: int) -> torch.Tensor:
    rays = torch.randn(1, count, 3, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rays, dim=-1)


@pytest.mark.parametrize("angle_deg", [0.0, 35.0, 180.0])
def test_aligned_rays_give_the_rotation_between_their_axes(angle_deg: float) -> None:
    turn = torch.tensor(axis_rotation("y", angle_deg), dtype=torch.float32)[None]
    rays_b = unit_rays(100, 1)
    # The little weight on no rotation counts as one ray in a hundred; where it contradicts most, it loses nothing.
    found, trust = align_rays(rays_b @ turn.transpose(1, 2), rays_b, torch.ones(1, 100))
    error = rotation_angle_rad(turn.transpose(1, 2) @ found)
    assert float(torch.rad2deg(error)) < 1.0
    assert trust.min() > 0.8


def test_aligned_rays_outvote_wrong_ones() -> None:
    turn = torch.tensor(axis_rotation("x", -20.0) @ axis_rotation("y", 50.0), dtype=torch.float32)[None]
    rays_b = unit_rays(200, 2)
    rays_a = rays_b @ turn.transpose(1, 2)
    rays_a[:, :60] = unit_rays(60, 3)
    found, trust = align_rays(rays_a, rays_b, torch.ones(1, 200))
    assert float(torch.rad2deg(rotation_angle_rad(turn.transpose(1, 2) @ found))) < 2.0
    assert trust[:, :60].mean() < 0.1 * trust[:, 60:].mean()


def test_rays_without_weight_say_no_rotation() -> None:
    found, trust = align_rays(unit_rays(20, 4), unit_rays(20, 5), torch.zeros(1, 20))
    assert torch.allclose(found, torch.eye(3)[None], atol=1e-6)
    assert not trust.any()
