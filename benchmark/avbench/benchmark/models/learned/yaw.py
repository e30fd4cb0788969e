"""The yaw between two frames: taken out of a rotation, and what is known of it as numbers on a grid.

Sound tells one of the three angles of a turned head, the yaw, and tells it as a circular shift: often with several
candidates, or not at all. So what is heard is kept as evidence for every yaw of a grid and not as one angle, and can be
read at the yaws that the pictures allow.

All rotations here are between level axes (x right, y down, z forward), where a head that turns right by a yaw is a
rotation about y by that yaw.
"""

from __future__ import annotations

import torch
from torch import Tensor


def yaw_rad(rotation_level: Tensor) -> Tensor:
    """Yaw (B,) in radians of rotations (B, 3, 3): that of the nearest rotation about the vertical."""
    sine = rotation_level[:, 0, 2] - rotation_level[:, 2, 0]
    return torch.atan2(sine, rotation_level[:, 0, 0] + rotation_level[:, 2, 2])


def turn_by(yaw: Tensor) -> Tensor:
    """Rotations (B, 3, 3) about the vertical by yaws (B,) in radians."""
    cosine, sine, zero, one = yaw.cos(), yaw.sin(), torch.zeros_like(yaw), torch.ones_like(yaw)
    rows = [cosine, zero, sine, zero, one, zero, -sine, zero, cosine]
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def wrapped_deg(angle_deg: Tensor) -> Tensor:
    """Angles brought into [-180, 180) degrees."""
    return torch.remainder(angle_deg + 180.0, 360.0) - 180.0


def yaw_grid_deg(largest_deg: float, step_deg: float) -> Tensor:
    """(2 n + 1,) yaws in degrees from -n steps to n steps, the last not beyond `largest_deg` by half a step."""
    steps = round(largest_deg / step_deg)
    return torch.arange(-steps, steps + 1) * step_deg


def read_at(evidence: Tensor, grid_deg: Tensor, yaw_deg: Tensor) -> Tensor:
    """Evidence (B, grid) at yaws (B, K) in degrees, linear between the grid's; beyond its ends it stays as there."""
    step, last = grid_deg[1] - grid_deg[0], len(grid_deg) - 1
    place = ((yaw_deg - grid_deg[0]) / step).clamp(0, last)
    below = place.floor().clamp(max=last - 1)
    share = place - below
    index = below.long()
    return (1 - share) * evidence.gather(1, index) + share * evidence.gather(1, index + 1)


def spread_on(yaw_deg: Tensor, grid_deg: Tensor) -> Tensor:
    """Yaws (B,) in degrees as distributions (B, grid): shared by the two nearest, beyond the ends all at the end."""
    step, last = grid_deg[1] - grid_deg[0], len(grid_deg) - 1
    place = ((yaw_deg - grid_deg[0]) / step).clamp(0, last)
    return (1 - (place[:, None] - torch.arange(last + 1, device=yaw_deg.device)).abs()).clamp(min=0)
