"""The interface of a two-view visual backbone: a feature, a pose of its own, and how sure it is.

Fusion sits on this interface alone, so a backbone can be exchanged without touching anything else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

SURE_WITHIN_DEG = 10.0
"""What a confidence is the probability of: a rotation error below this."""


@dataclass(frozen=True)
class TwoViewInput:
    """A batch of B pairs of pictures.

    Attributes:
        image_a: (B, 3, H, W) float32 RGB in [0, 1], of the backbone's `image_size`.
        image_b: The same for frame b.
        intrinsics: (B, 3, 3) calibration matrix in pixels of these pictures; the top left pixel's centre is (0, 0).
        level_a: (B, 3, 3) `rotation_level_camera` of frame a, from its up vector; the identity where up is unknown.
        level_b: The same for frame b.
    """

    image_a: Tensor
    image_b: Tensor
    intrinsics: Tensor
    level_a: Tensor
    level_b: Tensor


@dataclass(frozen=True)
class TwoViewFeatures:
    """What a backbone makes of a batch.

    Attributes:
        feature: (B, feature_dim) what it saw.
        rotation_a_b: (B, 3, 3).
        translation_a_b: (B, 3) in camera axes of a.
        confidence: (B,) estimated probability that the rotation is within `SURE_WITHIN_DEG`.
    """

    feature: Tensor
    rotation_a_b: Tensor
    translation_a_b: Tensor
    confidence: Tensor


class TwoViewBackbone(nn.Module, ABC):
    """Base of all backbones."""

    feature_dim: int
    """Length of `TwoViewFeatures.feature`."""
    image_size: tuple[int, int]
    """Width and height of the pictures it takes."""
    metric: ClassVar[bool]
    """Whether its translations are in metres."""

    @abstractmethod
    def forward(self, pairs: TwoViewInput) -> TwoViewFeatures:
        """Run the network on a batch of pairs."""


def rotation_from_six(raw: Tensor) -> Tensor:
    """Rotation (B, 3, 3) whose first two columns follow six numbers (B, 6) by Gram-Schmidt (Zhou et al., CVPR 2019)."""
    first = nn.functional.normalize(raw[:, :3], dim=-1)
    second = raw[:, 3:] - (first * raw[:, 3:]).sum(dim=-1, keepdim=True) * first
    second = nn.functional.normalize(second, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-1)


def rotation_angle_rad(rotation: Tensor) -> Tensor:
    """Angle (B,) of rotations (B, 3, 3) in radians by atan2; its gradient stays finite at 0 and at 180 degrees."""
    skew = torch.stack(
        [
            rotation[:, 2, 1] - rotation[:, 1, 2],
            rotation[:, 0, 2] - rotation[:, 2, 0],
            rotation[:, 1, 0] - rotation[:, 0, 1],
        ],
        dim=-1,
    )
    sine = (skew.square().sum(dim=-1) + 1e-12).sqrt()
    return torch.atan2(sine, rotation.diagonal(dim1=1, dim2=2).sum(dim=-1) - 1.0)


def level_to_camera(
    rotation_level: Tensor, translation_level: Tensor, level_a: Tensor, level_b: Tensor
) -> tuple[Tensor, Tensor]:
    """Bring a pose between level axes back to camera axes.

    Level axes share the camera's centre and heading and are turned upright, so between them a head that turns is a
    rotation about the vertical, and `R_a_b = level_a' @ R_level @ level_b`, `t_a_b = level_a' @ t_level`.
    """
    back = level_a.transpose(1, 2)
    return back @ rotation_level @ level_b, (back @ translation_level[:, :, None])[:, :, 0]
