"""Trained models on disk: a folder with a description and one safetensors file a part.

    bundle.json               which parts there are, their sizes, and what they were trained on
    vision.safetensors        the backbone (tiny; a published backbone stays where its owner put it)
    binaural.safetensors      the binaural network
    sound.safetensors         the sound encoder
    <head>.safetensors        one for each head

The package ships one such folder; `avbench train` writes others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from avbench.benchmark.audio.binaural_pretraining import BinauralConfig, BinauralNetwork
from avbench.benchmark.models.audio_encoder import SoundConfig, SoundEncoder
from avbench.benchmark.models.backbones.reloc3r import Reloc3rBackbone
from avbench.benchmark.models.backbones.reloc3r_network import Reloc3rConfig
from avbench.benchmark.models.backbones.tiny import TinyBackbone, TinyConfig
from avbench.benchmark.models.backbones.two_view import TwoViewBackbone
from avbench.benchmark.models.checkpoints import load_strictly, read_weights
from avbench.benchmark.models.fusion import GatedConfig, GatedHead, LateConfig, LateHead
from avbench.preprocessing.atomic import atomic_path, sha256_of, write_text
from avbench.preprocessing.errors import InputError

BUNDLE_NAME = "bundle.json"
BUNDLE_VERSION = 1
SHIPPED = Path(__file__).parent / "weights"
"""The bundle that comes with the package."""

Head = GatedHead | LateHead


class BackboneKind(StrEnum):
    """The two-view backbones."""

    TINY = "tiny"
    RELOC3R = "reloc3r"


@dataclass(frozen=True)
class Bundle:
    """Trained parts, ready to run.

    Attributes:
        kind: Which backbone.
        backbone: The visual part.
        sound: The sound encoder, None where the bundle has only vision.
        binaural: The network whose embedding the sound encoder reads, None without it.
        heads: Heads by name: `vision`, `fusion`, `fusion-late`.
        facts: What they were trained on and how.
    """

    kind: BackboneKind
    backbone: TwoViewBackbone
    sound: SoundEncoder | None = None
    binaural: BinauralNetwork | None = None
    heads: Mapping[str, Head] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def save_bundle(folder: Path, bundle: Bundle, *, backbone_weights: Path | None = None, half: bool = False) -> None:
    """Write a bundle; the description is written last.

    Args:
        folder: Where.
        bundle: What.
        backbone_weights: Checkpoint of a published backbone, which is referred to by path and hash and not copied.
        half: Whether weights are stored in float16, which halves their size; they are computed with in float32.

    Raises:
        AvbenchError: A file cannot be written.
    """
    content: dict[str, Any] = {"version": BUNDLE_VERSION, "facts": dict(bundle.facts), "heads": {}}
    content["backbone"] = {"kind": str(bundle.kind), "config": asdict(_config_of(bundle.backbone))}
    if backbone_weights is not None:
        content["backbone"] |= {"weights": str(backbone_weights.resolve()), "sha256": sha256_of(backbone_weights)}
    else:
        content["backbone"]["weights"] = _save(folder, "vision", bundle.backbone, half=half)
    if bundle.binaural is not None:
        content["binaural"] = {
            "config": asdict(bundle.binaural.config),
            "weights": _save(folder, "binaural", bundle.binaural, half=half),
        }
    if bundle.sound is not None:
        content["sound"] = {
            "config": asdict(bundle.sound.config),
            "weights": _save(folder, "sound", bundle.sound, half=half),
        }
    for name, head in bundle.heads.items():
        content["heads"][name] = {
            "type": "late" if isinstance(head, LateHead) else "gated",
            "config": asdict(head.config),
            "weights": _save(folder, f"head-{name}", head, half=half),
        }
    write_text(folder / BUNDLE_NAME, json.dumps(content, indent=1) + "\n")


def load_bundle(folder: Path, *, device: str = "cpu") -> Bundle:
    """Read a bundle, in evaluation mode.

    Raises:
        InputError: There is none, a file is missing or damaged, or a checkpoint it refers to has changed.
    """
    path = folder / BUNDLE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["version"]
    except FileNotFoundError as error:
        raise InputError(
            folder, found=f"no {BUNDLE_NAME}", expected="trained models", hint="train some with `avbench train`"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, found=f"unreadable ({error})", expected="a bundle's description") from error
    if version != BUNDLE_VERSION:
        raise InputError(f"{path}: version", found=repr(version), expected=repr(BUNDLE_VERSION))
    try:
        kind = BackboneKind(content["backbone"]["kind"])
        backbone = _backbone(kind, content["backbone"]["config"])
        sound = SoundEncoder(SoundConfig(**content["sound"]["config"])) if "sound" in content else None
        binaural = BinauralNetwork(BinauralConfig(**content["binaural"]["config"])) if "binaural" in content else None
        heads = {name: _head(one) for name, one in content["heads"].items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, found=f"unreadable ({error})", expected="a bundle of this version") from error
    weights = folder / content["backbone"]["weights"]  # an absolute path stays what it is
    expected = content["backbone"].get("sha256")
    if expected is not None and weights.is_file() and sha256_of(weights) != expected:
        raise InputError(
            weights, found="another file than the one the heads were trained on", expected=f"SHA-256 {expected[:12]}..."
        )
    network = backbone.network if isinstance(backbone, Reloc3rBackbone) and expected is not None else backbone
    _load(network, weights)
    for name, module in (("sound", sound), ("binaural", binaural)):
        if module is not None:
            _load(module, folder / content[name]["weights"])
    for name, head in heads.items():
        _load(head, folder / content["heads"][name]["weights"])
    for module in (backbone, sound, binaural, *heads.values()):
        if module is not None:
            module.to(device).eval()
    return Bundle(kind, backbone, sound, binaural, heads, content["facts"])


def _config_of(backbone: TwoViewBackbone) -> TinyConfig | Reloc3rConfig:
    if isinstance(backbone, TinyBackbone | Reloc3rBackbone):
        return backbone.config
    raise TypeError(f"{type(backbone).__name__} is no backbone that bundles know")


def _backbone(kind: BackboneKind, config: Mapping[str, Any]) -> TwoViewBackbone:
    if kind is BackboneKind.RELOC3R:
        return Reloc3rBackbone(Reloc3rConfig(**config))
    return TinyBackbone(TinyConfig(**{**config, "channels": tuple(config["channels"])}))


def _head(content: Mapping[str, Any]) -> Head:
    config = {name: tuple(value) if isinstance(value, list) else value for name, value in content["config"].items()}
    return LateHead(LateConfig(**config)) if content["type"] == "late" else GatedHead(GatedConfig(**config))


def _save(folder: Path, name: str, module: nn.Module, *, half: bool) -> str:
    def stored(value: Tensor) -> Tensor:
        value = value.detach().cpu()
        return (value.half() if half and value.is_floating_point() else value).contiguous()

    file = f"{name}.safetensors"
    with atomic_path(folder / file) as temporary:
        save_file({key: stored(value) for key, value in module.state_dict().items()}, temporary)
    return file


def _load(module: nn.Module, path: Path) -> None:
    weights = read_weights(path)
    whole = {key: value.to(torch.float32) if value.is_floating_point() else value for key, value in weights.items()}
    load_strictly(module, whole, path)
