"""Networks that give world-to-camera poses, such as VGGT.

With E the transform that takes points of the world into a camera (camera from world, OpenCV axes), the relative pose
that avbench asks for is `T_a_b = E_a inv(E_b)`: from camera b to the world, and from there to camera a. The world drops
out, wherever the network put it. `inv(E_a) E_b` looks alike and is wrong: it changes when the world is moved.
"""

import numpy as np
import torch
from pictures import network_pictures

from avbench import PosePrediction


def relative_pose(E_a, E_b):
    """Relative pose `T_a_b` (4, 4) of two world-to-camera transforms (3, 4) or (4, 4)."""
    return _square(E_a) @ np.linalg.inv(_square(E_b))


def _square(transform):
    whole = np.eye(4)
    whole[:3] = np.asarray(transform, dtype=np.float64)[:3]
    return whole


class WorldToCameraModel:
    """A network that gives a world-to-camera pose for each picture.

    Args:
        extrinsics: Takes pictures (2, 3, H, W), RGB from 0 to 1, and gives two transforms (2, 3, 4) or (2, 4, 4).
        width_px: Width of the pictures that it is given.
    """

    modalities = ("vision",)

    def __init__(self, extrinsics, width_px: int = 518):
        self.extrinsics = extrinsics
        self.width_px = width_px

    @torch.inference_mode()
    def predict(self, pairs):
        """Answer every pair; the translation is a direction, since the network's unit of length is its own."""
        return [self._answer(pair) for pair in pairs]

    def _answer(self, pair):
        E_a, E_b = self.extrinsics(network_pictures(pair, width_px=self.width_px)).double().cpu().numpy()
        T_a_b = relative_pose(E_a, E_b)
        return PosePrediction(T_a_b[:3, :3], T_a_b[:3, 3])


class Vggt(WorldToCameraModel):
    """VGGT (Wang et al., CVPR 2025); needs the package `vggt`.

    Args:
        checkpoint: A model on the Hugging Face hub, or a folder with one.
        width_px: Width of the pictures that it is given.
        device: Torch device.
    """

    def __init__(self, checkpoint: str = "facebook/VGGT-1B", width_px: int = 518, device: str = "cpu"):
        from vggt.models.vggt import VGGT
        from vggt.utils.pose_enc import pose_encoding_to_extri_intri

        network = VGGT.from_pretrained(checkpoint).to(device).eval()

        def extrinsics(pictures):
            given = pictures.to(device)
            encoding = network(given)["pose_enc"]
            return pose_encoding_to_extri_intri(encoding.float(), given.shape[-2:])[0][0]

        super().__init__(extrinsics, width_px)
