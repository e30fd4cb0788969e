"""Pictures as networks with patches want them."""

import numpy as np
import torch


def network_pictures(pair, *, width_px=518, patch_px=14):
    """The two pictures of a pair, scaled to a width, with a height of whole patches.

    A relative pose does not change when both pictures are scaled alike, and these networks find the focal length by
    themselves, so what happens to the pixels need not be undone.

    Args:
        pair: A pair as avbench shows it to a model.
        width_px: Width that the network was trained on.
        patch_px: Edge of its patches.

    Returns:
        Tensor (2, 3, height, width_px), float32, RGB from 0 to 1.
    """
    pictures = torch.from_numpy(np.stack([pair.image_a, pair.image_b])).permute(0, 3, 1, 2).float() / 255.0
    height, width = pictures.shape[-2:]
    height_px = max(1, round(height * width_px / width / patch_px)) * patch_px
    scaled = torch.nn.functional.interpolate(
        pictures, size=(height_px, width_px), mode="bicubic", align_corners=False, antialias=True
    )
    return scaled.clamp(0.0, 1.0)
