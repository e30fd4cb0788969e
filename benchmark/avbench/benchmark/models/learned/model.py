"""The learned reference models behind `predict`: `vision`, `audio`, `fusion` and `fusion-late` of one bundle."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avbench.benchmark.audio.cache import FeatureCache, sound_key
from avbench.benchmark.audio.features import FEATURE_VERSION
from avbench.benchmark.data.pair import PairInput, PosePrediction, SoundClip
from avbench.benchmark.models.backbones.two_view import (
    TwoViewBackbone,
    TwoViewFeatures,
    TwoViewInput,
    level_to_camera,
)
from avbench.benchmark.models.learned.binaural_pretraining import EMBEDDING_SIZE, ear_samples, embed
from avbench.benchmark.models.learned.bundle import SHIPPED, BackboneKind, Bundle, backbone_from_checkpoint, load_bundle
from avbench.benchmark.models.learned.encoder import SoundFeatures, SoundInput
from avbench.benchmark.models.learned.fusion import FusedPose, GatedHead, LateHead, Level
from avbench.benchmark.models.learned.inputs import (
    MAP_PARAMETERS,
    SPECTRUM_SETTINGS,
    common_up,
    picture_row,
    sound_row,
    up_row,
)
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray

_REMEMBERED_SOUNDS = 4096
_SOUND_PARAMETERS = {"feature": "learned", "maps": MAP_PARAMETERS, "spectrum": repr(SPECTRUM_SETTINGS)}


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
        backbone: On which backbone; a bundle of another one is refused. `vision` on a published backbone may also be
            given its checkpoint instead of a bundle, and then gives the backbone's own pose.
        weights: Folder of a bundle; the shipped one without it.
        device: Torch device.
        sound_cache: Folder in which features of sound alone are kept, for further models on the same sounds; none
            without.
        picture_cache: Folder in which the backbone's features of pictures as they were shown are kept, for further
            models on the same pictures; none without.

    Raises:
        InputError: The bundle is missing, damaged, or has no such part.
    """

    def __init__(
        self,
        kind: str,
        backbone: str = BackboneKind.TINY,
        weights: Path | None = None,
        device: str = "cpu",
        sound_cache: str | None = None,
        picture_cache: str | None = None,
    ) -> None:
        self.kind = LearnedKind(kind)
        self.device = torch.device(device)
        self.bundle = _opened(self.kind, BackboneKind(backbone), weights, device)
        self._sounds: OrderedDict[str, dict[str, NDArray[Any]]] = OrderedDict()
        self._sound_cache = None if sound_cache is None else FeatureCache(Path(sound_cache))
        self._picture_cache = None if picture_cache is None else FeatureCache(Path(picture_cache))
        self._revisions = {
            name: _revision(module) for name, module in self.bundle.parts().items() if name in {"backbone", "binaural"}
        }

    @torch.no_grad()
    def predict(self, pairs: Sequence[PairInput]) -> list[PosePrediction]:
        """Answer every pair, in order."""
        if not pairs:
            return []
        if not self.bundle.uses_up:
            pairs = [replace(pair, up_a=None, up_b=None) for pair in pairs]
        up = _stacked([up_row(pair) for pair in pairs], self.device)
        level = Level(up["level_a"], up["level_b"], up["up_known"].bool())
        sounds = _stacked(self._sound_rows(pairs), self.device) if self.kind is not LearnedKind.VISION else {}
        if self.kind is LearnedKind.AUDIO:
            heard = self._listen(sounds)
            rotation, translation = level_to_camera(
                heard.rotation_level, heard.translation_level, level.level_a, level.level_b
            )
            return _predictions(rotation, translation, heard.confidence, metric=self.bundle.metric)
        seen = self._see(pairs, level)
        if self.kind not in self.bundle.heads:
            metric = self.bundle.metric and self._backbone_is_metric()
            return _predictions(seen.rotation_a_b, seen.translation_a_b, seen.confidence, metric=metric)
        pose = self._fuse(seen, sounds, level)
        confidence = torch.sigmoid(pose.confidence_logit)
        return _predictions(pose.rotation_a_b, pose.translation_a_b, confidence, metric=self.bundle.metric)

    def _backbone_is_metric(self) -> bool:
        return self.bundle.backbone is not None and self.bundle.backbone.metric

    def _see(self, pairs: Sequence[PairInput], level: Level) -> TwoViewFeatures:
        backbone = self.bundle.backbone
        assert backbone is not None  # noqa: S101 - checked on opening
        pictures = [picture_row(pair, backbone.image_size) for pair in pairs]
        if self._picture_cache is None:
            return self._run_backbone(backbone, pictures, level)
        ups = [turn.cpu().numpy().tobytes() for turn in torch.cat([level.level_a, level.level_b], dim=-1)]
        keys = [
            _digest(self._revisions["backbone"], *(np.asarray(one).tobytes() for one in row.values()), up)
            for row, up in zip(pictures, ups, strict=True)
        ]
        found = {key: self._picture_cache.read(key) for key in dict.fromkeys(keys)}
        places = [keys.index(key) for key, arrays in found.items() if arrays is None]
        if places:
            part = Level(level.level_a[places], level.level_b[places], level.known[places])
            seen = self._run_backbone(backbone, [pictures[place] for place in places], part)
            for number, place in enumerate(places):
                arrays = {field.name: getattr(seen, field.name)[number].cpu().numpy() for field in fields(seen)}
                found[keys[place]] = self._picture_cache.keep(keys[place], arrays)
        return TwoViewFeatures(**_stacked([found[key] or {} for key in keys], self.device))

    def _run_backbone(
        self, backbone: TwoViewBackbone, pictures: Sequence[dict[str, Any]], level: Level
    ) -> TwoViewFeatures:
        rows = _stacked(pictures, self.device)
        a, b = (rows[name].permute(0, 3, 1, 2) / 255.0 for name in ("image_a", "image_b"))
        seen: TwoViewFeatures = backbone(TwoViewInput(a, b, rows["intrinsics"], level.level_a, level.level_b))
        return seen

    def _fuse(self, seen: TwoViewFeatures, sounds: dict[str, Tensor], level: Level) -> FusedPose:
        head = self.bundle.heads[self.kind]
        if isinstance(head, LateHead):
            late: FusedPose = head(seen, sounds["spectrum_b"], sounds["embedding_b"], level)
            return late
        pose: FusedPose = head(seen, self._listen(sounds) if sounds else None, level)
        return pose

    def _listen(self, sounds: dict[str, Tensor]) -> SoundFeatures:
        assert self.bundle.sound is not None  # noqa: S101 - checked on opening
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

    def _sound_rows(self, pairs: Sequence[PairInput]) -> list[dict[str, NDArray[Any]]]:
        """Sound features of pairs, remembered by content: conditions of pictures hear the same sound again."""
        keys = [" ".join(_key(clip, up) for clip, up in _clips(pair)) for pair in pairs]
        found = {key: self._sounds[key] for key in keys if key in self._sounds}
        new = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in found}
        rows = [self._sound_row(key, pair) for key, pair in new.items()]
        self._add_embeddings(rows, new)
        found |= dict(zip(new, rows, strict=True))
        for key in keys:
            self._sounds[key] = found[key]
            self._sounds.move_to_end(key)
        while len(self._sounds) > max(_REMEMBERED_SOUNDS, len(keys)):
            self._sounds.popitem(last=False)
        return [found[key] for key in keys]

    def _sound_row(self, key: str, pair: PairInput) -> dict[str, Any]:
        if self._sound_cache is None:
            return sound_row(pair)
        arrays = self._sound_cache.fetch(_digest(key), lambda: {k: np.asarray(v) for k, v in sound_row(pair).items()})
        return dict(arrays)

    def _add_embeddings(self, rows: Sequence[dict[str, Any]], pairs: Mapping[str, PairInput]) -> None:
        """Binaural embeddings of both frames: zeros where one of them has no two ears, as in training."""
        network, cache = self.bundle.binaural, self._sound_cache
        places, ears = [], []
        for row, (key, pair) in zip(rows, pairs.items(), strict=True):
            row["embedding_a"] = row["embedding_b"] = np.zeros(EMBEDDING_SIZE, np.float16)
            if network is None or not row["sound"]:
                continue
            digest = _digest(self._revisions["binaural"], key)
            kept = None if cache is None else cache.read(digest)
            if kept is not None:
                row |= kept
                continue
            a, b = (ear_samples(clip, network.config) for clip in (pair.sound_a, pair.sound_b))
            if a is not None and b is not None:
                places.append((row, digest))
                ears += [a, b]
        if network is None or not ears:
            return
        # float16 on the way in and out, as training keeps them.
        embedded = embed(network, np.stack(ears).astype(np.float16).astype(np.float32)).astype(np.float16)
        for (row, digest), a, b in zip(places, embedded[0::2], embedded[1::2], strict=True):
            made = {"embedding_a": a, "embedding_b": b}
            row |= made if cache is None else cache.keep(digest, made)


def _opened(kind: LearnedKind, backbone: BackboneKind, weights: Path | None, device: str) -> Bundle:
    """The bundle, with all that the model needs.

    Raises:
        InputError: There are no weights, or the bundle lacks the head, the backbone or the sound encoder.
    """
    own_pose = kind is LearnedKind.VISION and backbone is BackboneKind.RELOC3R
    if weights is not None and weights.is_file() and own_pose:
        return Bundle(backbone, backbone_from_checkpoint(weights).to(device), metric=False)
    if weights is None and backbone is BackboneKind.RELOC3R:
        raise InputError(
            f"model {kind}:{backbone}",
            found="no weights",
            expected="weights of your own: the licence of this backbone keeps them out of this package",
            hint=f"train with `avbench train --model {kind}:{backbone} --backbone-weights CHECKPOINT -o OUT` and name "
            "it with --weights OUT" + (", or name the checkpoint itself" if own_pose else ""),
        )
    folder = weights if weights is not None else SHIPPED
    bundle = load_bundle(folder, device=device)
    if kind is not LearnedKind.AUDIO:
        if bundle.backbone is None:
            raise InputError(folder, found="a bundle that only listens", expected=f"one with a head {kind}")
        if bundle.kind is not backbone:
            raise InputError(
                folder,
                found=f"a bundle on the backbone {bundle.kind}",
                expected=f"one on {backbone}",
                hint=f"choose --model {kind if bundle.kind is BackboneKind.TINY else f'{kind}:{bundle.kind}'}",
            )
        if kind not in bundle.heads and not own_pose:
            raise InputError(
                folder,
                found=f"heads {', '.join(bundle.heads) or 'none'}",
                expected=f"a head {kind}",
                hint=f"train it with `avbench train --model {kind}`",
            )
    gated = kind is LearnedKind.FUSION and isinstance(bundle.heads.get(kind), GatedHead)
    if (gated or kind is LearnedKind.AUDIO) and bundle.sound is None:
        raise InputError(folder, found="no sound encoder", expected="one", hint="train with `--model fusion`")
    return bundle


def _clips(pair: PairInput) -> list[tuple[SoundClip | None, FloatArray | None]]:
    up_a, up_b = common_up(pair)
    return [(pair.sound_a, up_a), (pair.sound_b, up_b)]


def _key(clip: SoundClip | None, up: FloatArray | None) -> str:
    return "none" if clip is None else sound_key(clip, up, _SOUND_PARAMETERS, FEATURE_VERSION)


def _digest(*parts: str | bytes) -> str:
    """SHA-256, in hex, of texts and bytes."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def _revision(module: nn.Module) -> str:
    """Hash of a module's weights and of its sizes."""
    values = (value.detach().cpu().contiguous().numpy().tobytes() for value in module.state_dict().values())
    return _digest(repr(module), *values)


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
