"""Losses of poses and of confidences."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from avbench.benchmark.models.backbones.two_view import SURE_WITHIN_DEG, rotation_angle_rad
from avbench.benchmark.models.learned.yaw import spread_on

DIRECTION_WEIGHT = 0.5
LENGTH_WEIGHT = 0.3
YAW_WEIGHT = 0.3


def pose_loss(
    rotation: Tensor,
    translation: Tensor,
    true_rotation: Tensor,
    true_translation: Tensor,
    metric: Tensor,
    direction: Tensor,
) -> Tensor:
    """Geodesic angle in radians + 0.5 (1 - cos of the directions) + 0.3 L1 in metres, mean over the batch.

    Args:
        rotation: (B, 3, 3) predicted.
        translation: (B, 3) predicted.
        true_rotation: (B, 3, 3).
        true_translation: (B, 3).
        metric: (B,) whether the true translation is in metres; other pairs have no length loss.
        direction: (B,) whether it has a direction; other pairs have no direction loss.
    """
    angle = rotation_angle_rad(true_rotation.transpose(1, 2) @ rotation)
    cosine = F.cosine_similarity(translation, true_translation, dim=-1, eps=1e-6)
    length = (translation - true_translation).abs().sum(dim=-1)
    loss = angle + DIRECTION_WEIGHT * (1 - cosine) * direction + LENGTH_WEIGHT * length * metric
    return loss.mean()


def confidence_loss(logit: Tensor, rotation: Tensor, true_rotation: Tensor) -> Tensor:
    """Cross-entropy of the log-odds (B,) that the rotation is within `SURE_WITHIN_DEG`; the pose gets no gradient."""
    with torch.no_grad():
        angle = rotation_angle_rad(true_rotation.transpose(1, 2) @ rotation.detach())
        right = (angle < math.radians(SURE_WITHIN_DEG)).to(logit.dtype)
    return F.binary_cross_entropy_with_logits(logit, right)


def yaw_loss(log_probability: Tensor, grid_deg: Tensor, true_yaw_deg: Tensor) -> Tensor:
    """Cross-entropy of log-probabilities (B, grid) of yaws against the true ones (B,), both in degrees, mean."""
    return -(spread_on(true_yaw_deg, grid_deg) * log_probability).sum(dim=-1).mean()
