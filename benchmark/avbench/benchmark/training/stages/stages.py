"""The stages that train encoders: vision by pose and matching, sound by pose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avbench.benchmark.models.backbones.tiny import TinyBackbone, TinyConfig, matching_loss, true_matches
from avbench.benchmark.models.backbones.two_view import TwoViewInput, level_to_camera, rotation_angle_rad
from avbench.benchmark.models.learned.encoder import SoundEncoder, SoundInput
from avbench.benchmark.models.learned.yaw import yaw_rad
from avbench.benchmark.training.data.augment import (
    CORRUPTED_SHARE,
    corrupt_pictures,
    jitter_colours,
    mirror_pairs,
    swap_frames,
)
from avbench.benchmark.training.data.pair_arrays import PairArrays
from avbench.benchmark.training.loop import Batch
from avbench.benchmark.training.losses import YAW_WEIGHT, confidence_loss, pose_loss, yaw_loss
from avbench.preprocessing.base.errors import InputError

POSE_WEIGHT = 2.0
MATCHING_WEIGHT = 0.3
CONFIDENCE_WEIGHT = 0.2
TAUGHT_POSE_GRADIENT = 0.1
"""Share of the pose's gradient that reaches matches which depths teach."""
SILENT_SHARE = 0.10
_VALIDATION_BATCH = 128


def two_view_input(batch: Mapping[str, Tensor]) -> TwoViewInput:
    """The visual part of a batch."""
    return TwoViewInput(batch["image_a"], batch["image_b"], batch["intrinsics"], batch["level_a"], batch["level_b"])


def sound_input(batch: Mapping[str, Tensor]) -> SoundInput:
    """The audible part of a batch."""
    return SoundInput(batch["maps_a"], batch["maps_b"], batch["embedding_a"], batch["embedding_b"], batch["sound"])


def label_batch(arrays: PairArrays, rows: NDArray[np.int64]) -> Batch:
    """Labels, up and calibration of some pairs."""
    return {
        "rotation": torch.from_numpy(arrays.rotation_a_b[rows]),
        "translation": torch.from_numpy(arrays.translation_a_b[rows]),
        "metric": torch.from_numpy(arrays.metric[rows]).float(),
        "direction": torch.from_numpy(arrays.direction[rows]).float(),
        "intrinsics": torch.from_numpy(np.asarray(arrays.intrinsics[rows])),
        "level_a": torch.from_numpy(np.asarray(arrays.level_a[rows])),
        "level_b": torch.from_numpy(np.asarray(arrays.level_b[rows])),
        "known": torch.from_numpy(np.asarray(arrays.up_known[rows])),
    }


def picture_batch(
    arrays: PairArrays, rows: NDArray[np.int64], random: np.random.Generator | None, corrupted_share: float
) -> Batch:
    """Pictures of some pairs in [0, 1], (B, 3, H, W); jittered and in part corrupted where `random` is given.

    In memory the channels lie last, as they do on disk; the first convolution is fastest so.
    """
    pictures: dict[str, list[NDArray[np.float32]]] = {"image_a": [], "image_b": []}
    for row in rows:
        a, b = (np.asarray(images[row], np.float32) / np.float32(255) for images in (arrays.image_a, arrays.image_b))
        if random is not None:
            a, b = jitter_colours(a, b, random)
            if random.random() < corrupted_share:
                a, b = corrupt_pictures(a, b, random)
        pictures["image_a"].append(a)
        pictures["image_b"].append(b)
    return {name: torch.from_numpy(np.stack(stack)).permute(0, 3, 1, 2) for name, stack in pictures.items()}


def sound_batch(arrays: PairArrays, embeddings: Embeddings, rows: NDArray[np.int64], *, spectra: bool = False) -> Batch:
    """Sound features of some pairs, with the azimuth spectra where asked for."""
    out = {
        "maps_a": torch.from_numpy(np.asarray(arrays.maps_a[rows], np.float32)),
        "maps_b": torch.from_numpy(np.asarray(arrays.maps_b[rows], np.float32)),
        "embedding_a": torch.from_numpy(np.asarray(embeddings.a[rows], np.float32)),
        "embedding_b": torch.from_numpy(np.asarray(embeddings.b[rows], np.float32)),
        "swapped_embedding_a": torch.from_numpy(np.asarray(embeddings.swapped_a[rows], np.float32)),
        "swapped_embedding_b": torch.from_numpy(np.asarray(embeddings.swapped_b[rows], np.float32)),
        "sound": torch.from_numpy(np.asarray(arrays.sound[rows])),
    }
    if spectra:
        out["spectrum_a"] = torch.from_numpy(np.asarray(arrays.spectrum_a[rows], np.float32))
        out["spectrum_b"] = torch.from_numpy(np.asarray(arrays.spectrum_b[rows], np.float32))
    return out


def to_device(batch: Batch, device: torch.device) -> Batch:
    """A batch on a device."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


@dataclass(frozen=True)
class Embeddings:
    """Binaural embeddings of N pairs, (N, embedding_dim) float16, as heard and with the ears exchanged."""

    a: NDArray[np.float16]
    b: NDArray[np.float16]
    swapped_a: NDArray[np.float16]
    swapped_b: NDArray[np.float16]


@dataclass(frozen=True)
class Depths:
    """Depth along z in metres at the centres of the backbone's cells, (N, rows, columns) float32; 0 is unknown."""

    a: NDArray[np.float32]
    b: NDArray[np.float32]


def _mask(random: np.random.Generator, count: int, share: float) -> Tensor:
    return torch.from_numpy(random.random(count) < share)


class VisionTask(nn.Module):
    """Pose, matching and confidence loss of the `tiny` backbone."""

    def __init__(self, backbone: TinyBackbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean loss of a batch."""
        taught = "depth_a" in batch
        seen, (forward, backward) = self.backbone.see(
            two_view_input(batch), pose_gradient=TAUGHT_POSE_GRADIENT if taught else 1.0
        )
        R, t = batch["rotation"], batch["translation"]
        loss = POSE_WEIGHT * pose_loss(
            seen.rotation_a_b.float(), seen.translation_a_b.float(), R, t, batch["metric"], batch["direction"]
        )
        logit = torch.logit(seen.confidence.float(), eps=1e-5)
        loss = loss + CONFIDENCE_WEIGHT * confidence_loss(logit, seen.rotation_a_b.float(), R)
        if taught:
            config: TinyConfig = self.backbone.config
            depth_a, depth_b, K = batch["depth_a"].flatten(1), batch["depth_b"].flatten(1), batch["intrinsics"]
            back = R.transpose(1, 2)
            moved = -(back @ t[:, :, None])[:, :, 0]
            to_b = true_matches(depth_a, depth_b, K, back, moved, config)
            to_a = true_matches(depth_b, depth_a, K, R, t, config)
            loss = loss + MATCHING_WEIGHT * (matching_loss(forward, to_b) + matching_loss(backward, to_a))
        return loss


@dataclass(frozen=True)
class VisionStage:
    """Trains the `tiny` backbone on pictures.

    Attributes:
        backbone: What is trained.
        train: Training pairs.
        rows: Which of them.
        validation: Validation pairs.
        depths: Depths of the training pairs, None where the data set has none: then the pose alone teaches matching.
        name: Name of the stage.
    """

    backbone: TinyBackbone
    train: PairArrays
    rows: NDArray[np.int64]
    validation: PairArrays
    depths: Depths | None
    name: str = "vision"
    task: VisionTask = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", VisionTask(self.backbone))

    @property
    def stream(self) -> str:
        """Name of the stage's own random stream."""
        return self.name

    @property
    def result(self) -> nn.Module:
        """The backbone."""
        return self.backbone

    @property
    def train_size(self) -> int:
        """Number of training pairs."""
        return len(self.rows)

    def train_batch(self, rows: NDArray[np.int64], random: np.random.Generator, device: torch.device) -> Batch:
        """Jittered, corrupted, mirrored and exchanged."""
        chosen = self.rows[rows]
        batch = label_batch(self.train, chosen) | picture_batch(self.train, chosen, random, CORRUPTED_SHARE)
        if self.depths is not None:
            batch |= {
                "depth_a": torch.from_numpy(np.asarray(self.depths.a[chosen])),
                "depth_b": torch.from_numpy(np.asarray(self.depths.b[chosen])),
            }
        batch = mirror_pairs(batch, _mask(random, len(rows), 0.5))
        return to_device(swap_frames(batch, _mask(random, len(rows), 0.5)), device)

    def validate(self, device: torch.device) -> Mapping[str, float]:
        """Mean errors on clean validation pictures, and on a fixed corruption of each."""
        clean, corrupted = (self._figures(device, share) for share in (0.0, 1.0))
        return clean_and_corrupted(clean, corrupted, CORRUPTED_SHARE)

    def _figures(self, device: torch.device, corrupted_share: float) -> dict[str, float]:
        random = np.random.default_rng(0) if corrupted_share else None
        figures = PoseFigures()
        for start in range(0, len(self.validation), _VALIDATION_BATCH):
            rows = np.arange(start, min(len(self.validation), start + _VALIDATION_BATCH))
            batch = label_batch(self.validation, rows) | picture_batch(self.validation, rows, random, corrupted_share)
            batch = to_device(batch, device)
            seen = self.backbone(two_view_input(batch))
            figures.add(seen.rotation_a_b, seen.translation_a_b, batch)
        return figures.result()


class PoseFigures:
    """Adds up how well poses of batches agree with their labels."""

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._rotation_deg: list[NDArray[np.float64]] = []
        self._direction_deg: list[NDArray[np.float64]] = []

    def add(self, rotation: Tensor, translation: Tensor, batch: Batch) -> None:
        """Take the poses (B, 3, 3) and (B, 3) of a batch."""
        R, t = batch["rotation"], batch["translation"]
        loss = pose_loss(rotation, translation, R, t, batch["metric"], batch["direction"])
        self._losses.append(float(loss) * len(R))
        self._rotation_deg.append(_degrees(rotation_angle_rad(R.transpose(1, 2) @ rotation)))
        counts = batch["direction"] > 0
        across = torch.linalg.cross(translation, t).norm(dim=-1)
        self._direction_deg.append(_degrees(torch.atan2(across, (translation * t).sum(dim=-1))[counts]))

    def result(self) -> dict[str, float]:
        """Mean loss, mean and median rotation error, and mean direction error where any pair has a direction."""
        rotation, direction = np.concatenate(self._rotation_deg), np.concatenate(self._direction_deg)
        figures = {
            "loss": sum(self._losses) / len(rotation),
            "rotation_mean_deg": float(rotation.mean()),
            "rotation_median_deg": float(np.median(rotation)),
        }
        return figures | ({"direction_mean_deg": float(direction.mean())} if len(direction) else {})


def _degrees(radians: Tensor) -> NDArray[np.float64]:
    return np.degrees(radians.detach().cpu().numpy().astype(np.float64))


def clean_and_corrupted(clean: Mapping[str, float], corrupted: Mapping[str, float], share: float) -> dict[str, float]:
    """Figures of both in one table; `loss` is their mean with the weight `share` for corrupted pictures."""
    loss = (1.0 - share) * clean["loss"] + share * corrupted["loss"]
    named = {
        f"{kind}_{key}": value
        for kind, part in (("clean", clean), ("corrupted", corrupted))
        for key, value in part.items()
    }
    return {"loss": loss} | named


class SoundTask(nn.Module):
    """Pose, yaw and confidence loss of the sound encoder alone."""

    def __init__(self, encoder: SoundEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean loss of a batch."""
        heard = self.encoder(sound_input(batch))
        rotation, translation = level_to_camera(
            heard.rotation_level.float(), heard.translation_level.float(), batch["level_a"], batch["level_b"]
        )
        R = batch["rotation"]
        loss = POSE_WEIGHT * pose_loss(
            rotation, translation, R, batch["translation"], batch["metric"], batch["direction"]
        )
        # The cross-entropy goes on teaching where two yaws are as likely as each other, and the best pose lies between.
        yaws = torch.log_softmax(self.encoder.yaw_log_prior + heard.yaw_evidence, dim=-1)
        grid_deg = self.encoder.config.yaw_grid_deg.to(yaws.device)
        loss = loss + YAW_WEIGHT * yaw_loss(yaws, grid_deg, level_yaw_deg(batch))
        logit = torch.logit(heard.confidence.float(), eps=1e-5)
        return loss + CONFIDENCE_WEIGHT * confidence_loss(logit, rotation, R)


def level_yaw_deg(batch: Mapping[str, Tensor]) -> Tensor:
    """True yaws (B,) between the level axes of the frames of a batch, degrees."""
    return torch.rad2deg(yaw_rad(batch["level_a"] @ batch["rotation"] @ batch["level_b"].transpose(1, 2)))


@dataclass(frozen=True)
class SoundStage:
    """Trains the sound encoder; pairs without sound are left out.

    Some are silenced, from which it learns what to say without sound: how people move on average. Exchanging the frames
    is no augmentation here: it would take away that people walk forward, which sound alone must
    rely on.
    """

    encoder: SoundEncoder
    train: PairArrays
    train_embeddings: Embeddings
    rows: NDArray[np.int64]
    validation: PairArrays
    validation_embeddings: Embeddings
    name: str = "sound"
    task: SoundTask = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", SoundTask(self.encoder))
        object.__setattr__(self, "rows", self.rows[np.asarray(self.train.sound)[self.rows]])
        if not np.any(self.validation.sound):
            raise InputError(
                "validation split",
                found="no pair with sound that gives directions",
                expected="some, since the best epoch is chosen on them",
                hint="prepare recordings with sound for validation",
            )

    @property
    def stream(self) -> str:
        """Name of the stage's own random stream."""
        return self.name

    @property
    def result(self) -> nn.Module:
        """The encoder."""
        return self.encoder

    @property
    def train_size(self) -> int:
        """Number of training pairs with sound."""
        return len(self.rows)

    def train_batch(self, rows: NDArray[np.int64], random: np.random.Generator, device: torch.device) -> Batch:
        """Mirrored, some silenced; a little noise on the maps keeps single bins from being learned by heart."""
        chosen = self.rows[rows]
        batch = label_batch(self.train, chosen) | sound_batch(self.train, self.train_embeddings, chosen)
        for name in ("maps_a", "maps_b"):
            noise = torch.from_numpy(random.standard_normal(batch[name].shape, dtype=np.float32))
            batch[name] = batch[name] + 0.05 * batch[name].std() * noise
        batch["sound"] = batch["sound"] & ~_mask(random, len(rows), SILENT_SHARE)
        return to_device(mirror_pairs(batch, _mask(random, len(rows), 0.5)), device)

    def validate(self, device: torch.device) -> Mapping[str, float]:
        """Mean errors on the validation pairs with sound."""
        rows = np.flatnonzero(np.asarray(self.validation.sound))
        figures = PoseFigures()
        for start in range(0, len(rows), _VALIDATION_BATCH):
            part = rows[start : start + _VALIDATION_BATCH]
            batch = label_batch(self.validation, part) | sound_batch(self.validation, self.validation_embeddings, part)
            batch = to_device(batch, device)
            heard = self.encoder(sound_input(batch))
            pose = level_to_camera(heard.rotation_level, heard.translation_level, batch["level_a"], batch["level_b"])
            figures.add(*pose, batch)
        return figures.result()
