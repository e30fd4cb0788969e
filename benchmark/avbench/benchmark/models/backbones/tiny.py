"""`tiny`: a small Siamese network that compares two pictures by a correlation volume (about 0.5 M parameters).

Each picture becomes a grid of features. Every cell of one picture is compared with every cell of the other, which gives
a distribution over where it went, with a bin for "nowhere". The rotation that turns the rays of one picture best into
those expected in the other is computed, robustly and in closed form (`align_rays`). What it leaves is parallax and
error: per cell that, the ray itself, and how clear the match is go through a small network, which corrects the rotation
and gives the translation. Rays are in level axes where up is known, so that the network need not learn gravity.

The matching can be trained directly where depth is known (`matching_loss`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avbench.benchmark.models.backbones.two_view import (
    TwoViewBackbone,
    TwoViewFeatures,
    TwoViewInput,
    level_to_camera,
    rotation_from_six,
)

STRIDE = 8

_PRIOR_CELLS = 1.0
_ROBUST_ROUNDS = 4
_ROBUST_WIDTH_RAD = math.radians(6.0)
_RESIDUAL_SCALE = 5.0
_OVERALL_NUMBERS = 6 + 2


@dataclass(frozen=True)
class TinyConfig:
    """Sizes of the network."""

    width_px: int = 128
    height_px: int = 96
    channels: tuple[int, int, int] = (24, 48, 64)
    cell_channels: int = 12
    trunk_channels: int = 64
    feature_dim: int = 256

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the feature grid."""
        return self.height_px // STRIDE, self.width_px // STRIDE


@dataclass(frozen=True)
class Matches:
    """Where the cells of one picture went in the other.

    Attributes:
        log_probability: (B, N, N + 1) log-probability of each cell of the other picture, and of "nowhere".
    """

    log_probability: Tensor


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def _down(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride=2, padding=kernel // 2),
        nn.GroupNorm(8, channels_out),
        nn.ReLU(inplace=True),
    )


def _shaped(channels_in: int, channels_out: int, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1),
        nn.GroupNorm(8, channels_out),
        nn.ReLU(inplace=True),
    )


class TinyBackbone(TwoViewBackbone):
    """The network; poses are metric where it was trained so."""

    metric: ClassVar[bool] = True

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.config = config
        self.feature_dim = config.feature_dim
        self.image_size = (config.width_px, config.height_px)
        first, second, third = config.channels
        self.encoder = nn.Sequential(
            _down(3, first, 5), _down(first, second, 3), _down(second, third, 3), _Residual(third), _Residual(third)
        )
        self.descriptor = nn.Conv2d(third, third, 1)
        self.log_temperature = nn.Parameter(torch.tensor(2.5))
        self.nowhere = nn.Parameter(torch.tensor(4.0))
        self.cell = nn.Conv2d(third, config.cell_channels, 1)
        # Own ray, what the rotation leaves, being somewhere, sharpest probability, spread, trust, and what is seen.
        trunk_in = 3 + 3 + 3 + 4 + config.cell_channels
        width = config.trunk_channels
        rows, columns = config.grid
        self.trunk = nn.Sequential(
            *_shaped(2 * trunk_in, width, 1),
            *_shaped(width, width, 1),
            *_shaped(width, width, 2),
            *_shaped(width, width, 2),
            nn.Flatten(),
        )
        flat = width * (-(-rows // 4)) * (-(-columns // 4))
        self.to_feature = nn.Sequential(nn.Linear(flat + _OVERALL_NUMBERS, config.feature_dim), nn.ReLU(inplace=True))
        self.to_pose = nn.Linear(config.feature_dim, 9)
        self.to_confidence = nn.Linear(config.feature_dim, 1)
        nn.init.zeros_(self.to_pose.weight)
        with torch.no_grad():  # start from the rotation of the rays
            self.to_pose.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 0, 0.3]))

    def forward(self, pairs: TwoViewInput) -> TwoViewFeatures:
        """Run the network on a batch of pairs."""
        return self.see(pairs)[0]

    def see(
        self, pairs: TwoViewInput, *, pose_gradient: float = 1.0
    ) -> tuple[TwoViewFeatures, tuple[Matches, Matches]]:
        """The features, and the matches a -> b and b -> a for training.

        Args:
            pairs: The pairs.
            pose_gradient: Share of the pose's gradient that reaches the matching. Where matches are taught directly,
                most of it only disturbs them.
        """
        count = len(pairs.image_a)
        # With the channels last, the first convolution takes half the time; the group norms after it want them first.
        images = self._normalise(torch.cat([pairs.image_a, pairs.image_b]))
        stem = self.encoder[0]
        assert isinstance(stem, nn.Sequential)  # noqa: S101 - made by `_down`
        grids = stem[0](images.contiguous(memory_format=torch.channels_last)).contiguous()
        grids = self.encoder[1:](stem[1:](grids))
        descriptors = F.normalize(self.descriptor(grids).flatten(2), dim=1)
        score = self.log_temperature.exp() * descriptors[:count].transpose(1, 2) @ descriptors[count:]
        matches = self._match(score), self._match(score.transpose(1, 2))
        rays = cell_rays(pairs.intrinsics, self.config)
        rays_a = rays @ pairs.level_a.transpose(1, 2)
        rays_b = rays @ pairs.level_b.transpose(1, 2)
        cells = self.cell(_eased(grids, pose_gradient))
        chances = [_eased(match.log_probability.float().exp()[..., :-1], pose_gradient) for match in matches]
        seen_b, seen_a = _expect(chances[0], rays_b), _expect(chances[1], rays_a)
        turn, trust = align_rays(
            torch.cat([rays_a, seen_a.ray], dim=1),
            torch.cat([seen_b.ray, rays_b], dim=1),
            torch.cat([seen_b.weight, seen_a.weight], dim=1),
        )
        trust_a, trust_b = trust.chunk(2, dim=1)
        forward = self._describe(seen_b, rays_a, seen_b.ray @ turn.transpose(1, 2), trust_a, cells[:count])
        backward = self._describe(seen_a, rays_b, seen_a.ray @ turn, trust_b, cells[count:])
        seen = self.trunk(torch.cat([forward, backward], dim=1))
        overall = [_six_of(turn), trust.mean(dim=1, keepdim=True), trust.square().mean(dim=1, keepdim=True).sqrt()]
        feature = self.to_feature(torch.cat([seen, *overall], dim=-1))
        raw = self.to_pose(feature).float()
        rotation, translation = level_to_camera(
            rotation_from_six(raw[:, :6]) @ turn, raw[:, 6:], pairs.level_a, pairs.level_b
        )
        confidence = torch.sigmoid(self.to_confidence(feature)[:, 0])
        return TwoViewFeatures(feature, rotation, translation, confidence), matches

    @staticmethod
    def _normalise(images: Tensor) -> Tensor:
        # A dim picture is stretched, so that darkness costs signal-to-noise only, not contrast.
        centred = images - images.mean(dim=(1, 2, 3), keepdim=True)
        deviation = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return centred / (deviation + 1e-2)

    def _match(self, score: Tensor) -> Matches:
        nowhere = self.nowhere.expand(*score.shape[:2], 1)
        return Matches(torch.log_softmax(torch.cat([score, nowhere], dim=-1), dim=-1))

    def _describe(self, expected: _Expected, own: Tensor, turned: Tensor, trust: Tensor, cells: Tensor) -> Tensor:
        left = _RESIDUAL_SCALE * (turned - own) * expected.clarity[..., :1]
        plane = _RESIDUAL_SCALE * torch.linalg.cross(turned, own) * expected.clarity[..., :1]
        described = torch.cat([own, left, plane, expected.clarity, trust[..., None]], dim=-1).transpose(1, 2)
        return torch.cat([described.reshape(*described.shape[:2], *self.config.grid), cells], dim=1)


@dataclass(frozen=True)
class _Expected:
    """Unit rays (B, N, 3), weights (B, N) without gradient, and how clear they are (B, N, 3)."""

    ray: Tensor
    weight: Tensor
    clarity: Tensor


def _expect(probability: Tensor, other: Tensor) -> _Expected:
    """Where cells with the probabilities (B, N, N) are expected among the rays `other` (B, N, 3)."""
    somewhere = probability.sum(dim=-1, keepdim=True)
    sharpest = probability.max(dim=-1, keepdim=True).values
    mean = probability @ other
    length = mean.norm(dim=-1, keepdim=True)
    # A cell that may be anywhere has a mean as well; its length and the sharpest probability tell.
    weight = (sharpest * length).detach()[..., 0]
    return _Expected(mean / (length + 1e-3), weight, torch.cat([somewhere, sharpest, somewhere - length], dim=-1))


def _eased(value: Tensor, share: float) -> Tensor:
    """The value, through which only a share of the gradient passes."""
    return value.detach() + share * (value - value.detach())


def _six_of(rotation: Tensor) -> Tensor:
    return rotation[:, :, :2].transpose(1, 2).flatten(1)


@torch.no_grad()
def align_rays(rays_a: Tensor, rays_b: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation (B, 3, 3) that turns rays_b best into rays_a, and the trust (B, N) each ray earned in it.

    Weighted least squares by singular values (Wahba's problem; Markley 1988), iterated with weights that fall with the
    angle that is left (Cauchy), so that nearness and wrong matches count less. A little weight on no rotation decides
    where nothing matches. No gradient passes.

    Args:
        rays_a: (B, N, 3) unit rays.
        rays_b: (B, N, 3) the same points' rays in the other axes.
        weight: (B, N) at least 0.
    """
    a, b, weight = rays_a.double(), rays_b.double(), weight.double()
    prior = _PRIOR_CELLS * torch.eye(3, dtype=a.dtype, device=a.device)
    trust = weight
    rotation = prior.expand(len(a), 3, 3)
    for _ in range(_ROBUST_ROUNDS):
        u, _, vh = torch.linalg.svd((trust[..., None] * a).transpose(1, 2) @ b + prior)
        sign = torch.ones_like(a[:, 0])
        sign[:, 2] = torch.linalg.det(u @ vh)
        rotation = (u * sign[:, None]) @ vh
        # The chord between unit rays, near enough the angle.
        left = (a - b @ rotation.transpose(1, 2)).norm(dim=-1)
        trust = weight / (1.0 + (left / _ROBUST_WIDTH_RAD).square())
    return rotation.to(rays_a.dtype), trust.to(rays_a.dtype)


def cell_rays(intrinsics: Tensor, config: TinyConfig) -> Tensor:
    """Unit rays (B, N, 3) in camera axes through the cells' centres, row by row, for K (B, 3, 3)."""
    rows, columns = config.grid
    centre = STRIDE / 2 - 0.5
    v, u = torch.meshgrid(
        torch.arange(rows, device=intrinsics.device) * STRIDE + centre,
        torch.arange(columns, device=intrinsics.device) * STRIDE + centre,
        indexing="ij",
    )
    x = (u.flatten()[None] - intrinsics[:, 0, 2, None]) / intrinsics[:, 0, 0, None]
    y = (v.flatten()[None] - intrinsics[:, 1, 2, None]) / intrinsics[:, 1, 1, None]
    return F.normalize(torch.stack([x, y, torch.ones_like(x)], dim=-1), dim=-1)


def true_matches(
    depth_a: Tensor,
    depth_b: Tensor,
    intrinsics: Tensor,
    rotation_b_a: Tensor,
    translation_b_a: Tensor,
    config: TinyConfig,
) -> Tensor:
    """Cell of picture b in which each cell of picture a is seen, (B, N) int64; N where it is nowhere, -1 unknown.

    Args:
        depth_a: (B, N) depth along z in metres at the cells' centres of picture a, 0 where unknown.
        depth_b: (B, N) the same for b; a point more than 15 % behind what b sees there is hidden.
        intrinsics: (B, 3, 3).
        rotation_b_a: (B, 3, 3).
        translation_b_a: (B, 3).
        config: The grid.
    """
    rows, columns = config.grid
    rays = cell_rays(intrinsics, config)
    points = rays / rays[..., 2:] * depth_a[..., None]
    moved = points @ rotation_b_a.transpose(1, 2) + translation_b_a[:, None]
    z = moved[..., 2]
    in_front = z > 0.05
    safe = torch.where(in_front, z, torch.ones_like(z))
    u = moved[..., 0] / safe * intrinsics[:, 0, 0, None] + intrinsics[:, 0, 2, None]
    v = moved[..., 1] / safe * intrinsics[:, 1, 1, None] + intrinsics[:, 1, 2, None]
    column, row = ((u + 0.5) / STRIDE).floor().long(), ((v + 0.5) / STRIDE).floor().long()
    inside = in_front & (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    cell = torch.where(inside, row * columns + column, torch.zeros_like(row))
    seen_depth = depth_b.gather(1, cell)
    visible = inside & (z < 1.15 * seen_depth)
    unknown = (depth_a <= 0) | (inside & (seen_depth <= 0))
    nowhere = torch.full_like(cell, rows * columns)
    return torch.where(unknown, torch.full_like(cell, -1), torch.where(visible, cell, nowhere))


def matching_loss(matches: Matches, target: Tensor) -> Tensor:
    """Cross-entropy of matches against `true_matches`, mean over the cells whose answer is known."""
    return F.nll_loss(matches.log_probability.flatten(0, 1), target.flatten(), ignore_index=-1)
