"""Fusion of what is seen and what is heard to one pose.

Two heads on the same frozen encoders:

- `GatedHead` (`fusion`, and `vision` when it is given no sound): the picture's pose plus a correction, in two steps.
  First the yaw: how far the pictures may have missed it is a distribution, which is multiplied by what the sound says
  of the same yaws (Bayes), to a power that a gate decides. Then everything: the sound's share of the features passes
  the gate too, which sees how well the sound's motion agrees with the picture's and how sure each is, so that a sound
  that tells something else is turned down. A head with sound and one without have the same layers but for those of the
  sound, see the same pairs and are trained by the same schedule, so that what differs is the sound.
- `LateHead` (`fusion-late`): the published design (arXiv 2512.12165): visual feature, 360-bin azimuth spectrum and
  1024-d binaural embedding of frame b side by side, an MLP, 3 + 9 numbers, SVD. The two frames are not compared.

Both work between level axes: `R_a_b = level_a' R_level level_b`. Every model gets the same up vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avbench.benchmark.models.backbones.reloc3r_network import rotation_from_nine
from avbench.benchmark.models.backbones.two_view import (
    TwoViewFeatures,
    level_to_camera,
    rotation_angle_rad,
    rotation_from_six,
)
from avbench.benchmark.models.learned.encoder import SoundFeatures, silent_at_first
from avbench.benchmark.models.learned.yaw import read_at, turn_by, yaw_grid_deg, yaw_rad

POSE_NUMBERS = 9
LARGEST_MISS_DEG = 60.0
MISS_STEP_DEG = 2.5
"""The yaws, relative to the pictures', among which a `GatedHead` decides."""
_FIRST_MISS_DEG = 5.0
_LEAST_EVIDENCE = -8.0


@dataclass(frozen=True)
class Level:
    """Where up is in a batch: (B, 3, 3) `rotation_level_camera` of both frames, and (B,) whether up is known."""

    level_a: Tensor
    level_b: Tensor
    known: Tensor


@dataclass(frozen=True)
class FusedPose:
    """A pose in camera axes with its confidence.

    Attributes:
        rotation_a_b: (B, 3, 3).
        translation_a_b: (B, 3).
        confidence_logit: (B,) log-odds that the rotation is within `SURE_WITHIN_DEG`.
        gate: (B,) mean share of the sound that was let through; zero without sound.
        seen_yaw_rad: (B,) yaw between level axes that the pictures gave, None from a head that does not weigh yaws.
        miss_log_probability: (B, misses) how far that yaw is off, on the grid `miss_grid_deg`; None as above.
    """

    rotation_a_b: Tensor
    translation_a_b: Tensor
    confidence_logit: Tensor
    gate: Tensor
    seen_yaw_rad: Tensor | None = None
    miss_log_probability: Tensor | None = None


def miss_grid_deg() -> Tensor:
    """(misses,) yaws in degrees that are weighed, relative to that of the pictures."""
    return yaw_grid_deg(LARGEST_MISS_DEG, MISS_STEP_DEG)


@dataclass(frozen=True)
class GatedConfig:
    """Sizes of a `GatedHead`.

    Attributes:
        visual_dim: Length of the visual feature.
        sound_dim: Length of the sound's feature; 0 makes a head that never listens.
        hidden_dim: Width of its layers.
        largest_yaw_deg: Largest yaw of the sound's evidence.
        yaw_step_deg: Step of its grid.
    """

    visual_dim: int
    sound_dim: int = 0
    hidden_dim: int = 192
    largest_yaw_deg: float = 70.0
    yaw_step_deg: float = 5.0


def _logit(probability: Tensor) -> Tensor:
    return torch.logit(probability, eps=1e-4)


def _six(rotation: Tensor) -> Tensor:
    return rotation[:, :, :2].transpose(1, 2).flatten(1)


class GatedHead(nn.Module):
    """The picture's pose, corrected by what is seen and, through a gate, by what is heard."""

    misses: Tensor
    yaws: Tensor

    def __init__(self, config: GatedConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden_dim
        self.register_buffer("misses", miss_grid_deg(), persistent=False)
        self.register_buffer("yaws", yaw_grid_deg(config.largest_yaw_deg, config.yaw_step_deg), persistent=False)
        count = len(self.misses)
        self.visual = nn.Sequential(nn.Linear(config.visual_dim + POSE_NUMBERS + 2, hidden), nn.ReLU(inplace=True))
        self.miss = silent_at_first(nn.Linear(hidden, count))
        with torch.no_grad():
            self.miss.bias.copy_(-self.misses.abs() / _FIRST_MISS_DEG)
        self.pose = nn.Sequential(
            nn.Linear(hidden + count, hidden),
            nn.ReLU(inplace=True),
            silent_at_first(nn.Linear(hidden, POSE_NUMBERS + 1)),
        )
        # Last, so that heads with and without sound start from the same weights elsewhere.
        if config.sound_dim:
            self.sound = nn.Sequential(
                nn.Linear(config.sound_dim + POSE_NUMBERS + 1 + count, hidden),
                nn.ReLU(inplace=True),
                nn.Linear(hidden, hidden),
            )
            # What the gate sees: both features, both confidences, the angle between the rotations and the directions,
            # and how far the evidence for the yaw of the pictures falls short of that for the best one.
            self.gate = nn.Sequential(
                nn.Linear(2 * hidden + 6, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, hidden + 1)
            )

    def forward(self, seen: TwoViewFeatures, heard: SoundFeatures | None, level: Level) -> FusedPose:
        """Fuse a batch; `heard` is None for a head that never listens."""
        rotation = level.level_a @ seen.rotation_a_b @ level.level_b.transpose(1, 2)
        translation = (level.level_a @ seen.translation_a_b[:, :, None])[:, :, 0]
        own = torch.cat([_six(rotation), translation], dim=-1)
        sure = _logit(seen.confidence)[:, None]
        known = level.known.to(own.dtype)[:, None]
        h = self.visual(torch.cat([seen.feature, own, sure, known], dim=-1))
        gate = torch.zeros_like(h)
        miss = self.miss(h)
        seen_yaw = yaw_rad(rotation)
        if heard is not None:
            present = (heard.confidence > 0).to(h.dtype)[:, None]
            told = torch.cat([_six(heard.rotation_level), heard.translation_level], dim=-1)
            evidence = read_at(heard.yaw_evidence, self.yaws, torch.rad2deg(seen_yaw)[:, None] + self.misses)
            best = heard.yaw_evidence.max(dim=-1, keepdim=True).values
            short = (evidence - best).clamp(min=_LEAST_EVIDENCE)
            heard_sure = _logit(heard.confidence)[:, None]
            sound = self.sound(torch.cat([heard.feature, told, heard_sure, short], dim=-1))
            between = rotation_angle_rad(heard.rotation_level.transpose(1, 2) @ rotation)[:, None]
            along = torch.cosine_similarity(heard.translation_level, translation, dim=-1, eps=1e-6)[:, None]
            facts = [heard_sure, sure, between, between.square(), along, short[:, len(self.misses) // 2, None]]
            gates = torch.sigmoid(self.gate(torch.cat([h, sound, *facts], dim=-1))) * present
            gate, power = gates[:, :-1], gates[:, -1:]
            h = h + gate * sound
            miss = miss + 2.0 * power * evidence
        miss = torch.log_softmax(miss, dim=-1)
        turn = (miss.exp() * self.misses).sum(dim=-1)
        correction = self.pose(torch.cat([h, miss.exp() * len(self.misses)], dim=-1))
        turned = turn_by(turn * (math.pi / 180.0)) @ rotation
        numbers = torch.cat([_six(turned), translation], dim=-1) + correction[:, :POSE_NUMBERS]
        rotation_a_b, translation_a_b = level_to_camera(
            rotation_from_six(numbers[:, :6]), numbers[:, 6:], level.level_a, level.level_b
        )
        sure = sure[:, 0] + correction[:, POSE_NUMBERS]
        return FusedPose(rotation_a_b, translation_a_b, sure, gate.mean(dim=-1), seen_yaw, miss)


@dataclass(frozen=True)
class LateConfig:
    """Sizes of a `LateHead`; the published ones are sound_dims (1024, 768), hidden_dims (1792, 1792, 1792, 1024).

    The defaults are narrower, so that the shipped weights stay small beside the `tiny` backbone.
    """

    visual_dim: int
    spectrum_bins: int = 360
    embedding_dim: int = 1024
    sound_dims: tuple[int, ...] = (256, 192)
    hidden_dims: tuple[int, ...] = (320, 320, 320, 256)


class LateHead(nn.Module):
    """Concatenation of visual feature and frame b's sound, an MLP, a translation and a rotation by SVD."""

    def __init__(self, config: LateConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        width = config.spectrum_bins + config.embedding_dim
        for size in config.sound_dims:
            layers += [nn.Linear(width, size), nn.LayerNorm(size), nn.ReLU(inplace=True)]
            width = size
        self.sound = nn.Sequential(*layers)
        width += config.visual_dim
        layers = []
        for size in config.hidden_dims:
            layers += [nn.Linear(width, size), nn.ReLU(inplace=True)]
            width = size
        self.mlp = nn.Sequential(*layers)
        self.fc_t = nn.Linear(width, 3)
        self.fc_rot = nn.Linear(width, 9)
        self.fc_confidence = nn.Linear(width, 1)

    def forward(self, seen: TwoViewFeatures, spectrum_b: Tensor, embedding_b: Tensor, level: Level) -> FusedPose:
        """Fuse a batch.

        Args:
            seen: The visual part.
            spectrum_b: (B, spectrum_bins) azimuth spectrum of frame b in [0, 1]; zeros where there is no sound.
            embedding_b: (B, embedding_dim) binaural embedding of frame b; zeros where there is no sound.
            level: Up.
        """
        sound = self.sound(torch.cat([spectrum_b, embedding_b], dim=-1))
        feature = self.mlp(torch.cat([seen.feature, sound], dim=-1))
        rotation, translation = level_to_camera(
            rotation_from_nine(self.fc_rot(feature).float()), self.fc_t(feature), level.level_a, level.level_b
        )
        return FusedPose(
            rotation, translation, self.fc_confidence(feature)[:, 0], torch.ones(len(sound), device=sound.device)
        )
