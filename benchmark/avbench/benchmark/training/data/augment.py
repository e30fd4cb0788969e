"""What training does to pictures and pairs so that models meet what they will meet.

Pictures of the network's size are blurred, darkened, covered, blacked out and made noisy at random. These are not the
corruptions of the benchmark (`avbench.benchmark.conditions.corruptions`): they share the kinds of damage, not a line of
code or a random number, so a model never sees a test corruption in training.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CORRUPTED_SHARE = 0.45
WEAKEST_SEVERITY = 0.15
_KINDS = ("blur", "defocus", "dark", "cover", "black", "noise")

Picture = NDArray[np.float32]


def corrupt_pictures(a: Picture, b: Picture, random: np.random.Generator) -> tuple[Picture, Picture]:
    """Damage a pair of pictures (H, W, 3) in [0, 1], by one kind at one severity, both or one of them."""
    severity = random.uniform(WEAKEST_SEVERITY, 1.0)
    kind = _KINDS[int(random.integers(len(_KINDS)))]
    if kind == "black":
        hit = random.random() < 0.5
        return (np.zeros_like(a), b) if hit else (a, np.zeros_like(b))
    which = random.random()
    hit_a, hit_b = which < 0.8, which > 0.1
    return (
        _damage(a, kind, severity, random) if hit_a else a,
        _damage(b, kind, severity, random) if hit_b else b,
    )


def jitter_colours(a: Picture, b: Picture, random: np.random.Generator) -> tuple[Picture, Picture]:
    """Permute the colour channels of both pictures alike, and change each one's exposure and contrast a little."""
    order = random.permutation(3)
    out = []
    for picture in (a, b):
        gain, gamma = random.uniform(0.7, 1.3), random.uniform(0.8, 1.25)
        out.append(np.clip(gain * picture[..., order], 0.0, 1.0) ** np.float32(gamma))
    return np.asarray(out[0], np.float32), np.asarray(out[1], np.float32)


def _damage(picture: Picture, kind: str, severity: float, random: np.random.Generator) -> Picture:
    height, width = picture.shape[:2]
    if kind == "blur":
        blurred = cv2.filter2D(picture, -1, _path_kernel(severity * width / 4, random), borderType=cv2.BORDER_REFLECT)
        return np.asarray(blurred, np.float32)
    if kind == "defocus":
        sigma = severity * width / 32
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.3, sigma)), np.float32)
    if kind == "dark":
        gain = 0.025**severity
        light = np.clip(picture, 0, 1) * np.float32(gain)
        # Shot noise has the variance of the light (1,500 electrons at white), read noise a constant one.
        deviation = np.sqrt(light / np.float32(1500.0) + np.float32(0.004**2))
        read = light + deviation * random.standard_normal(picture.shape, dtype=np.float32)
        return np.asarray(np.round(np.clip(read, 0.0, 1.0) * 255.0) / np.float32(255.0), np.float32)
    if kind == "cover":
        covered = picture.copy()
        target = severity * 0.75 * height * width
        mask = np.zeros((height, width), np.uint8)
        for _ in range(40):
            if mask.sum() >= target:
                break
            centre = (int(random.integers(width)), int(random.integers(height)))
            axes = (int(random.uniform(0.06, 0.3) * width), int(random.uniform(0.06, 0.3) * height))
            cv2.ellipse(mask, centre, axes, float(random.uniform(0, 180)), 0, 360, 1, -1)
        covered[mask > 0] = random.uniform(0.0, 1.0, 3).astype(np.float32) * random.uniform(0.1, 0.9)
        return covered
    noisy = picture + np.float32(0.3 * severity) * random.standard_normal(picture.shape, dtype=np.float32)
    return np.asarray(np.clip(noisy, 0.0, 1.0), np.float32)


def _path_kernel(length_px: float, random: np.random.Generator) -> NDArray[np.float32]:
    """Kernel of a shutter that was open along a bent path of the given length."""
    steps = max(2, int(4 * length_px))
    along = np.linspace(-0.5, 0.5, steps)
    angle = random.uniform(0, np.pi) + random.uniform(-1.2, 1.2) * along
    x = np.cumsum(np.cos(angle)) * length_px / steps
    y = np.cumsum(np.sin(angle)) * length_px / steps
    x, y = x - x.mean(), y - y.mean()
    half = int(np.ceil(max(np.abs(x).max(), np.abs(y).max()))) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    np.add.at(kernel, (np.round(y).astype(int) + half, np.round(x).astype(int) + half), 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)


_MIRROR = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))


def mirror_pairs(batch: dict[str, Tensor], chosen: Tensor) -> dict[str, Tensor]:
    """Turn the chosen pairs (B,) of a batch into what a mirror beside the wearer would show and sound like.

    Left and right change places in pictures, rays, spectra, ears and poses; a mirrored world is as likely as ours.
    """
    out = dict(batch)
    M = _MIRROR.to(batch["rotation"].device)

    def put(name: str, mirrored: Tensor) -> None:
        mask = chosen.reshape(-1, *(1 for _ in mirrored.shape[1:]))
        out[name] = torch.where(mask, mirrored, batch[name])

    for name in ("rotation", "level_a", "level_b"):
        put(name, M @ batch[name] @ M)
    put("translation", batch["translation"] @ M)
    if "image_a" in batch:
        put("image_a", batch["image_a"].flip(-1))
        put("image_b", batch["image_b"].flip(-1))
        intrinsics = batch["intrinsics"].clone()
        intrinsics[:, 0, 2] = batch["image_a"].shape[-1] - 1 - intrinsics[:, 0, 2]
        put("intrinsics", intrinsics)
    for name in ("depth_a", "depth_b"):
        if name in batch:
            put(name, batch[name].flip(-1))
    for name in ("maps_a", "maps_b", "spectrum_a", "spectrum_b"):
        if name in batch:  # bin 0 is straight ahead and stays
            put(name, batch[name].flip(-1).roll(1, dims=-1))
    for view in "ab":
        if f"embedding_{view}" in batch:
            put(f"embedding_{view}", batch[f"swapped_embedding_{view}"])
            put(f"swapped_embedding_{view}", batch[f"embedding_{view}"])
    return out


def swap_frames(batch: dict[str, Tensor], chosen: Tensor) -> dict[str, Tensor]:
    """Exchange frames a and b of the chosen pairs (B,), and invert their poses."""
    out = dict(batch)
    back = batch["rotation"].transpose(1, 2)
    inverse = {"rotation": back, "translation": -(back @ batch["translation"][:, :, None])[:, :, 0]}
    for name, value in batch.items():
        if name in inverse:
            other = inverse[name]
        elif name.endswith("_a"):
            other = batch[name[:-2] + "_b"]
        elif name.endswith("_b"):
            other = batch[name[:-2] + "_a"]
        else:
            continue
        out[name] = torch.where(chosen.reshape(-1, *(1 for _ in value.shape[1:])), other, value)
    return out
