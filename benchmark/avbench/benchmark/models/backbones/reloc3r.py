"""`reloc3r`: the published two-view transformer as a backbone.

Its weights are not ours to ship (CC BY-NC-SA 4.0): users bring a checkpoint. It knows neither calibration nor up, gives
a direction without length, and has no confidence of its own; how well the two directions it predicts independently
undo each other takes that place.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from avbench.benchmark.models.backbones.reloc3r_network import Reloc3rConfig, Reloc3rNetwork, View
from avbench.benchmark.models.backbones.two_view import (
    SURE_WITHIN_DEG,
    TwoViewBackbone,
    TwoViewFeatures,
    TwoViewInput,
    rotation_angle_rad,
)

WEIGHTS_LICENCE = "CC BY-NC-SA 4.0 (Reloc3r, not for commercial use)"
DEFAULT_IMAGE_SIZE = (512, 384)


class Reloc3rBackbone(TwoViewBackbone):
    """The network behind the backbone interface.

    Args:
        config: Its sizes.
        image_size: Width and height of its pictures: multiples of the patch size, width >= height.
    """

    metric: ClassVar[bool] = False

    def __init__(self, config: Reloc3rConfig, image_size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.config = config
        self.network = Reloc3rNetwork(config)
        # The pooled features of both branches: frame b as it looks at a, and a as it looks at b.
        self.feature_dim = 2 * config.head_dim
        self.image_size = image_size or DEFAULT_IMAGE_SIZE

    def forward(self, pairs: TwoViewInput) -> TwoViewFeatures:
        """Run the network on a batch of pairs."""
        output = self.network(_view(pairs.image_a), _view(pairs.image_b))
        forward, backward = output.second.pose, output.first.pose
        undone = rotation_angle_rad(forward[:, :3, :3] @ backward[:, :3, :3])
        return TwoViewFeatures(
            torch.cat([output.second.pooled, output.first.pooled], dim=-1),
            forward[:, :3, :3],
            forward[:, :3, 3],
            torch.exp(-undone / math.radians(SURE_WITHIN_DEG)),
        )


def _view(image: Tensor) -> View:
    height, width = image.shape[-2:]
    return View(2.0 * image - 1.0, torch.tensor([[height, width]], device=image.device).expand(len(image), 2))
