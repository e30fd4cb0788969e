"""The stage that trains a fusion head on frozen encoders.

Heads see scenes that the encoders were not trained on, since an encoder looks better than it is on its own training
scenes and a head would trust it too much (stacking, Wolpert 1992). What the encoders make of every pair is computed
once, in several versions: clean and corrupted, plain and mirrored. Every head, with sound or without, is trained on the
same versions in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avbench.benchmark.base.progress import bar_of
from avbench.benchmark.models.backbones.two_view import TwoViewBackbone, TwoViewFeatures
from avbench.benchmark.models.learned.encoder import SoundEncoder, SoundFeatures
from avbench.benchmark.models.learned.fusion import FusedPose, GatedHead, LateHead, Level, miss_grid_deg
from avbench.benchmark.models.learned.yaw import wrapped_deg
from avbench.benchmark.training.data.augment import mirror_pairs
from avbench.benchmark.training.data.pair_arrays import PairArrays
from avbench.benchmark.training.loop import Batch
from avbench.benchmark.training.losses import YAW_WEIGHT, confidence_loss, pose_loss, yaw_loss
from avbench.benchmark.training.stages.stages import (
    CONFIDENCE_WEIGHT,
    POSE_WEIGHT,
    SILENT_SHARE,
    Embeddings,
    PoseFigures,
    clean_and_corrupted,
    label_batch,
    level_yaw_deg,
    picture_batch,
    sound_batch,
    sound_input,
    to_device,
    two_view_input,
)

WRONG_SHARE = 0.25
_BLOCK = 128
_VALIDATION_BATCH = 1024


class Listening(StrEnum):
    """What sound a head is trained with."""

    NONE = "none"  # never any: the `vision` model
    OWN = "own"  # the pair's own, in part silent or wrong: the `fusion` models
    SHUFFLED = "shuffled"  # always another pair's: a control that must not gain


@dataclass(frozen=True)
class Versions:
    """What the encoders make of N pairs in V versions; every tensor is (V, N, ...)."""

    tensors: Mapping[str, Tensor]

    @property
    def versions(self) -> int:
        """Number of versions."""
        return len(self.tensors["rotation"])

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return self.tensors["rotation"].shape[1]

    def pick(self, version: NDArray[np.int64], rows: NDArray[np.int64]) -> Batch:
        """One version of some pairs."""
        v, n = torch.from_numpy(version), torch.from_numpy(rows)
        return {
            name: tensor[v, n].float() if tensor.is_floating_point() else tensor[v, n]
            for name, tensor in self.tensors.items()
        }


@dataclass(frozen=True)
class VersionPlan:
    """How the versions of a set of pairs are made.

    Attributes:
        corrupted_share: For each version, the share of its pairs that is corrupted.
        mirror: Whether half of the pairs of a version are mirrored.
        seed: Of the choices.
    """

    corrupted_share: Sequence[float]
    mirror: bool
    seed: int


TRAINING_VERSIONS = VersionPlan((0.0, 0.0, 1.0, 1.0, 1.0, 1.0), mirror=True, seed=1)
VALIDATION_VERSIONS = VersionPlan((0.0, 1.0), mirror=False, seed=2)


@torch.no_grad()
def make_versions(
    backbone: TwoViewBackbone,
    encoder: SoundEncoder | None,
    arrays: PairArrays,
    embeddings: Embeddings | None,
    rows: NDArray[np.int64],
    plan: VersionPlan,
    device: torch.device,
) -> Versions:
    """Run frozen encoders over the pairs `rows` in all versions of a plan.

    Args:
        backbone: The visual part.
        encoder: The sound encoder, None where no head needs one.
        arrays: The pairs.
        embeddings: Their binaural embeddings; None for heads that never listen, which leaves all sound out.
        rows: Which pairs.
        plan: The versions.
        device: Where the encoders run; the result is on the CPU.
    """
    backbone.to(device).eval()
    if encoder is not None:
        encoder.to(device).eval()
    blocks = range(0, len(rows), _BLOCK)
    versions: list[dict[str, Tensor]] = []
    with bar_of(total=len(plan.corrupted_share) * len(blocks), desc="encoders", unit="block") as bar:
        for number, share in enumerate(plan.corrupted_share):
            parts: list[dict[str, Tensor]] = []
            for start in blocks:
                chosen = rows[start : start + _BLOCK]
                random = np.random.default_rng([plan.seed, number, start])
                batch = label_batch(arrays, chosen)
                batch |= picture_batch(arrays, chosen, random if plan.mirror or share else None, share)
                if embeddings is not None:
                    batch |= sound_batch(arrays, embeddings, chosen, spectra=True)
                if plan.mirror:
                    batch = mirror_pairs(batch, torch.from_numpy(random.random(len(chosen)) < 0.5))
                batch = to_device(batch, device)
                heard = None if encoder is None else encoder(sound_input(batch))
                parts.append(_row(batch, backbone(two_view_input(batch)), heard))
                bar.update()
            versions.append({name: torch.cat([part[name] for part in parts]) for name in parts[0]})
    return Versions({name: torch.stack([version[name] for version in versions]) for name in versions[0]})


def _row(batch: Batch, seen: TwoViewFeatures, heard: SoundFeatures | None) -> dict[str, Tensor]:
    kept = ("rotation", "translation", "metric", "direction", "level_a", "level_b", "known")
    row = {name: batch[name] for name in kept} | {
        "seen_feature": seen.feature,
        "seen_rotation": seen.rotation_a_b,
        "seen_translation": seen.translation_a_b,
        "seen_confidence": seen.confidence,
    }
    if heard is not None:
        row |= {
            "heard_feature": heard.feature,
            "heard_rotation": heard.rotation_level,
            "heard_translation": heard.translation_level,
            "heard_confidence": heard.confidence,
            "heard_yaw_evidence": heard.yaw_evidence,
        }
    if "spectrum_b" in batch:
        # The published design reads frame b's sound alone; silent pairs are zero. Both are of float16 already.
        row |= {"spectrum": batch["spectrum_b"].half(), "embedding": batch["embedding_b"].half()}
    return {name: value.cpu() for name, value in row.items()}


_SOUND_FEATURES = tuple(f"heard_{one.name.removesuffix('_level')}" for one in fields(SoundFeatures))
_HEARD = (*_SOUND_FEATURES, "spectrum", "embedding")
_SILENCED = ("heard_feature", "heard_confidence", "heard_yaw_evidence", "spectrum", "embedding")


def silence(batch: Batch, chosen: Tensor) -> Batch:
    """Take the sound of the chosen pairs (B,) away."""
    out = dict(batch)
    for name in _SILENCED:
        if name in batch:
            out[name] = batch[name].masked_fill(_like(chosen, batch[name]), 0.0)
    return out


def replace_sound(batch: Batch, other: Batch, chosen: Tensor) -> Batch:
    """Give the chosen pairs (B,) the sound of another batch's."""
    out = dict(batch)
    for name in _HEARD:
        if name in batch:
            out[name] = torch.where(_like(chosen, batch[name]), other[name], batch[name])
    return out


def _like(chosen: Tensor, value: Tensor) -> Tensor:
    return chosen.reshape(-1, *(1 for _ in value.shape[1:]))


def run_head(head: GatedHead | LateHead, batch: Mapping[str, Tensor], *, listens: bool) -> FusedPose:
    """Apply a head to encoder outputs."""
    seen = TwoViewFeatures(
        batch["seen_feature"], batch["seen_rotation"], batch["seen_translation"], batch["seen_confidence"]
    )
    level = Level(batch["level_a"], batch["level_b"], batch["known"])
    if isinstance(head, LateHead):
        return head(seen, batch["spectrum"], batch["embedding"], level)  # type: ignore[no-any-return]
    heard = None
    if listens:
        heard = SoundFeatures(*(batch[name] for name in _SOUND_FEATURES))
    return head(seen, heard, level)  # type: ignore[no-any-return]


class HeadTask(nn.Module):
    """Pose, yaw and confidence loss of a head."""

    def __init__(self, head: GatedHead | LateHead, *, listens: bool) -> None:
        super().__init__()
        self.head = head
        self.listens = listens

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean loss of a batch."""
        pose = run_head(self.head, batch, listens=self.listens)
        R = batch["rotation"]
        loss = POSE_WEIGHT * pose_loss(
            pose.rotation_a_b, pose.translation_a_b, R, batch["translation"], batch["metric"], batch["direction"]
        )
        if pose.miss_log_probability is not None and pose.seen_yaw_rad is not None:
            missed_deg = wrapped_deg(level_yaw_deg(batch) - torch.rad2deg(pose.seen_yaw_rad))
            loss = loss + YAW_WEIGHT * yaw_loss(pose.miss_log_probability, miss_grid_deg().to(missed_deg), missed_deg)
        return loss + CONFIDENCE_WEIGHT * confidence_loss(pose.confidence_logit, pose.rotation_a_b, R)


@dataclass(frozen=True)
class HeadStage:
    """Trains one head on versions of pairs.

    Attributes:
        head: What is trained.
        listening: With what sound.
        train: Versions of the training pairs.
        validation: Versions of the validation pairs.
        name: Name of the stage.
    """

    head: GatedHead | LateHead
    listening: Listening
    train: Versions
    validation: Versions
    name: str
    task: HeadTask = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", HeadTask(self.head, listens=self.listening is not Listening.NONE))

    @property
    def stream(self) -> str:
        """Name of the random stream, shared by all heads: they see the same pairs in the same order."""
        return "heads"

    @property
    def result(self) -> nn.Module:
        """The head."""
        return self.head

    @property
    def train_size(self) -> int:
        """Number of training pairs."""
        return self.train.pairs

    def train_batch(self, rows: NDArray[np.int64], random: np.random.Generator, device: torch.device) -> Batch:
        """A version of each pair; some with another pair's sound, some with none."""
        count = len(rows)
        version = random.integers(self.train.versions, size=count)
        batch = self.train.pick(version, rows)
        # Drawn for every head, so that all see the same pictures in the same order.
        other_rows = random.integers(self.train.pairs, size=count)
        other_version = random.integers(self.train.versions, size=count)
        wrong, silent = random.random(count) < WRONG_SHARE, random.random(count) < SILENT_SHARE
        if self.listening is Listening.SHUFFLED:
            wrong[:] = True
        if self.listening is not Listening.NONE:
            batch = replace_sound(batch, self.train.pick(other_version, other_rows), torch.from_numpy(wrong))
            batch = silence(batch, torch.from_numpy(silent))
        return to_device(batch, device)

    def validate(self, device: torch.device) -> Mapping[str, float]:
        """Mean errors on clean and corrupted validation pairs, half and half in the loss."""
        clean, corrupted = (self._figures(device, version) for version in range(2))
        return clean_and_corrupted(clean, corrupted, 0.5)

    def _figures(self, device: torch.device, version: int) -> dict[str, float]:
        figures = PoseFigures()
        count = self.validation.pairs
        for start in range(0, count, _VALIDATION_BATCH):
            rows = np.arange(start, min(count, start + _VALIDATION_BATCH))
            batch = self.validation.pick(np.full(len(rows), version), rows)
            if self.listening is Listening.SHUFFLED:
                strange = self.validation.pick(np.full(len(rows), version), (rows + count // 2) % count)
                batch = replace_sound(batch, strange, torch.ones(len(rows), dtype=torch.bool))
            batch = to_device(batch, device)
            pose = run_head(self.head, batch, listens=self.task.listens)
            figures.add(pose.rotation_a_b, pose.translation_a_b, batch)
        return figures.result()
