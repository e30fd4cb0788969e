"""Networks that give camera-to-world poses, such as Pi3 and MapAnything.

With C the transform that takes points of a camera into the world (OpenCV axes), the relative pose that avbench asks for
is `T_a_b = inv(C_a) C_b`: from camera b to the world, and from there to camera a. The world drops out, wherever the
network put it.
"""

import numpy as np
import torch
from pictures import network_pictures

from avbench import PosePrediction


def relative_pose(C_a, C_b):
    """Relative pose `T_a_b` (4, 4) of two camera-to-world transforms (4, 4)."""
    return np.linalg.inv(np.asarray(C_a, dtype=np.float64)) @ np.asarray(C_b, dtype=np.float64)


class CameraToWorldModel:
    """A network that gives a camera-to-world pose for each picture.

    Args:
        poses: Takes a pair and gives two transforms (2, 4, 4).
        metric: Whether the network's unit of length is the metre.
    """

    modalities = ("vision",)

    def __init__(self, poses, *, metric: bool = False):
        self.poses = poses
        self.metric = metric

    @torch.inference_mode()
    def predict(self, pairs):
        """Answer every pair."""
        return [self._answer(pair) for pair in pairs]

    def _answer(self, pair):
        C_a, C_b = self.poses(pair).double().cpu().numpy()
        T_a_b = relative_pose(C_a, C_b)
        return PosePrediction(T_a_b[:3, :3], T_a_b[:3, 3], metric=self.metric)


class Pi3(CameraToWorldModel):
    """Pi3 (Wang et al., arXiv 2507.13347); needs the package `pi3`.

    Args:
        checkpoint: A model on the Hugging Face hub, or a folder with one.
        width_px: Width of the pictures that it is given.
        device: Torch device.
    """

    def __init__(self, checkpoint: str = "yyfz233/Pi3", width_px: int = 518, device: str = "cpu"):
        from pi3.models.pi3 import Pi3 as Network

        network = Network.from_pretrained(checkpoint).to(device).eval()

        def poses(pair):
            pictures = network_pictures(pair, width_px=width_px).to(device)
            return network(pictures[None])["camera_poses"][0]

        super().__init__(poses)


class MapAnything(CameraToWorldModel):
    """MapAnything (Keetha et al., arXiv 2509.13414); needs the package `mapanything`.

    Args:
        checkpoint: A model on the Hugging Face hub, or a folder with one; "facebook/map-anything-apache" may be used
            commercially.
        use_intrinsics: Whether the network is told the intrinsics.
        device: Torch device.
    """

    def __init__(self, checkpoint: str = "facebook/map-anything", use_intrinsics: bool = True, device: str = "cpu"):  # noqa: FBT001, FBT002 - given by name
        from mapanything.models import MapAnything as Network
        from mapanything.utils.image import preprocess_inputs

        network = Network.from_pretrained(checkpoint).to(device).eval()

        def poses(pair):
            views = [{"img": torch.tensor(picture)} for picture in (pair.image_a, pair.image_b)]
            if use_intrinsics:
                for view in views:
                    view["intrinsics"] = torch.tensor(pair.intrinsics, dtype=torch.float32)
            found = network.infer(preprocess_inputs(views))
            return torch.cat([view["camera_poses"] for view in found])

        super().__init__(poses, metric=True)
