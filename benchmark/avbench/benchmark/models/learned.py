"""The learned reference models behind `predict`: `vision`, `audio`, `fusion` and `fusion-late` of one bundle."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from avbench.benchmark.audio.binaural_pretraining import ear_samples, embed
from avbench.benchmark.audio.cache import sound_key
from avbench.benchmark.audio.features import FEATURE_VERSION
from avbench.benchmark.model_api import PairInput, PosePrediction, SoundClip
from avbench.benchmark.models.audio_encoder import SoundFeatures, SoundInput
from avbench.benchmark.models.backbones.two_view import TwoViewInput, level_to_camera
from avbench.benchmark.models.bundle import SHIPPED, Bundle, load_bundle
from avbench.benchmark.models.fusion import FusedPose, LateHead, Level
from avbench.benchmark.models.network_inputs import common_up, picture_row, sound_row, up_row
from avbench.preprocessing.errors import InputError
from avbench.preprocessing.geometry import FloatArray

_REMEMBERED_SOUNDS = 4096


class LearnedKind(StrEnum):
    """Which answer of a bundle is given."""

    VISION = "vision"
    AUDIO = "audio"
    FUSION = "fusion"
    FUSION_LATE = "fusion-late"


class LearnedModel:
    """One of the learned models.

    Args:
        kind: Which.
        weights: Folder of a bundle; the shipped one without it.
        device: Torch device.

    Raises:
        InputError: The bundle is missing, damaged, or has no such part.
    """

    def __init__(self, kind: LearnedKind, weights: Path | None = None, device: str = "cpu") -> None:
        self.kind = kind
        folder = weights if weights is not None else SHIPPED
        self.bundle = load_bundle(folder, device=device)
        self.device = torch.device(device)
        self._sounds: OrderedDict[str, dict[str, Any]] = OrderedDict()
        if kind is not LearnedKind.AUDIO and kind not in self.bundle.heads:
            raise InputError(folder, found=f"heads {', '.join(self.bundle.heads) or 'none'}", expected=f"a head {kind}")
        if kind is not LearnedKind.VISION and self.bundle.sound is None:
            raise InputError(folder, found="no sound encoder", expected="one", hint="train the sound stages too")

    @torch.no_grad()
    def predict(self, pairs: Sequence[PairInput]) -> list[PosePrediction]:
        """Answer every pair, in order."""
        up = _stacked([up_row(pair) for pair in pairs], self.device)
        level = Level(up["level_a"], up["level_b"], up["up_known"].bool())
        heard, late = None, None
        if self.kind is not LearnedKind.VISION:
            sounds = _stacked([self._sound(pair) for pair in pairs], self.device)
            heard = self._listen(sounds)
            late = sounds["spectrum_b"], sounds["embedding_b"]
        if self.kind is LearnedKind.AUDIO:
            assert heard is not None  # noqa: S101 - audio is not vision
            rotation, translation = level_to_camera(
                heard.rotation_level, heard.translation_level, level.level_a, level.level_b
            )
            return _predictions(rotation, translation, heard.confidence, metric=True)
        fused = self._fuse(pairs, level, heard, late)
        confidence = torch.sigmoid(fused.confidence_logit)
        return _predictions(fused.rotation_a_b, fused.translation_a_b, confidence, metric=True)

    def _fuse(
        self, pairs: Sequence[PairInput], level: Level, heard: SoundFeatures | None, late: tuple[Tensor, Tensor] | None
    ) -> FusedPose:
        backbone = self.bundle.backbone
        rows = _stacked([picture_row(pair, backbone.image_size) for pair in pairs], self.device)
        a, b = (rows[name].permute(0, 3, 1, 2) / 255.0 for name in ("image_a", "image_b"))
        seen = backbone(TwoViewInput(a, b, rows["intrinsics"], level.level_a, level.level_b))
        head = self.bundle.heads[self.kind]
        if isinstance(head, LateHead):
            assert late is not None  # noqa: S101 - a late head is never the vision model
            pose: FusedPose = head(seen, *late, level)
        else:
            pose = head(seen, heard, level)
        return pose

    def _listen(self, sounds: dict[str, Tensor]) -> SoundFeatures:
        assert self.bundle.sound is not None  # noqa: S101 - checked on construction
        heard: SoundFeatures = self.bundle.sound(
            SoundInput(
                sounds["maps_a"],
                sounds["maps_b"],
                sounds["embedding_a"],
                sounds["embedding_b"],
                sounds["sound"].bool(),
            )
        )
        return heard

    def _sound(self, pair: PairInput) -> dict[str, Any]:
        """Sound features of a pair, remembered by content: conditions of pictures hear the same sound again."""
        up_a, up_b = common_up(pair)
        key = " ".join(_key(clip, up) for clip, up in ((pair.sound_a, up_a), (pair.sound_b, up_b)))
        if key in self._sounds:
            self._sounds.move_to_end(key)
            return self._sounds[key]
        row = sound_row(pair)
        for view, clip in (("a", pair.sound_a), ("b", pair.sound_b)):
            row[f"embedding_{view}"] = clip_embedding(self.bundle, clip if row["sound"] else None)
        self._sounds[key] = row
        if len(self._sounds) > _REMEMBERED_SOUNDS:
            self._sounds.popitem(last=False)
        return row


def clip_embedding(bundle: Bundle, clip: SoundClip | None) -> FloatArray:
    """(embedding_dim,) binaural embedding; zeros for a clip without two ears, or without a binaural network."""
    size = bundle.sound.config.embedding_dim if bundle.sound is not None else 0
    if bundle.binaural is not None and clip is not None:
        ears = ear_samples(clip, bundle.binaural.config)
        if ears is not None:
            return np.asarray(embed(bundle.binaural, ears[None])[0])
    return np.zeros(size, np.float32)


def _key(clip: SoundClip | None, up: FloatArray | None) -> str:
    return "none" if clip is None else sound_key(clip, up, {"feature": "learned"}, FEATURE_VERSION)


def _stacked(rows: Sequence[dict[str, Any]], device: torch.device) -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(np.stack([np.asarray(row[name], np.float32) for row in rows])).to(device)
        for name in rows[0]
    }


def _predictions(rotation: Tensor, translation: Tensor, confidence: Tensor, *, metric: bool) -> list[PosePrediction]:
    return [
        PosePrediction(R, t, float(c), metric)
        for R, t, c in zip(
            rotation.double().cpu().numpy(), translation.double().cpu().numpy(), confidence.cpu().numpy(), strict=True
        )
    ]
