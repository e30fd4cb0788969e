"""Trained models on disk: a folder with a description and one safetensors file for each part.

    bundle.json               which parts there are, their sizes and hashes, and what they were trained on
    vision.safetensors        the backbone (tiny; a published backbone stays where its owner put it)
    binaural.safetensors      the binaural network
    sound.safetensors         the sound encoder
    head-<name>.safetensors   one for each head

A folder inside it can hold a variant, such as heads of another seed: what they have in common is stored once, and the
inner description refers to `../vision.safetensors`.

The package ships one such folder; `avbench train` writes others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from avbench.benchmark.models.backbones.reloc3r import Reloc3rBackbone
from avbench.benchmark.models.backbones.reloc3r_network import Reloc3rConfig
from avbench.benchmark.models.backbones.tiny import TinyBackbone, TinyConfig
from avbench.benchmark.models.backbones.two_view import TwoViewBackbone
from avbench.benchmark.models.learned.binaural_pretraining import BinauralConfig, BinauralNetwork
from avbench.benchmark.models.learned.bundle_files import BUNDLE_NAME, BUNDLE_VERSION, SHIPPED, describe_bundle
from avbench.benchmark.models.learned.checkpoints import check_shapes, load_strictly, read_weights
from avbench.benchmark.models.learned.encoder import SoundConfig, SoundEncoder
from avbench.benchmark.models.learned.fusion import GatedConfig, GatedHead, LateConfig, LateHead
from avbench.preprocessing.base.atomic import atomic_path, sha256_of, write_text
from avbench.preprocessing.base.documents import structured
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.structure import shorten

__all__ = ["SHIPPED", "BackboneKind", "Bundle", "Head", "backbone_from_checkpoint", "load_bundle", "save_bundle"]

Head = GatedHead | LateHead


_Config = TypeVar("_Config")
_Network = TypeVar("_Network", bound=nn.Module)
# Sizes beyond these are of a damaged description, and would keep the machine busy before their weights are looked at.
_LAYERS = ("depth", "levels")
_MOST_LAYERS = 256
_LARGEST = 1_000_000


class BackboneKind(StrEnum):
    """The two-view backbones."""

    TINY = "tiny"
    RELOC3R = "reloc3r"


@dataclass(frozen=True)
class Bundle:
    """Trained parts, ready to run.

    Attributes:
        kind: Which backbone.
        backbone: The visual part, None where the bundle only listens.
        sound: The sound encoder, None where nothing needs it.
        binaural: The network whose embedding sound encoder and late head read, None without it.
        heads: Heads by name: `vision`, `fusion`, `fusion-late`.
        uses_up: Whether up vectors are used.
        metric: Whether translations are in metres.
        facts: What they were trained on and how.
    """

    kind: BackboneKind
    backbone: TwoViewBackbone | None = None
    sound: SoundEncoder | None = None
    binaural: BinauralNetwork | None = None
    heads: Mapping[str, Head] = field(default_factory=dict)
    uses_up: bool = True
    metric: bool = True
    facts: Mapping[str, Any] = field(default_factory=dict)

    def parts(self) -> dict[str, nn.Module]:
        """All parts that there are, by name."""
        named = {"backbone": self.backbone, "sound": self.sound, "binaural": self.binaural, **self.heads}
        return {name: module for name, module in named.items() if module is not None}


def save_bundle(folder: Path, bundle: Bundle, *, backbone_weights: Path | None = None, half: bool = False) -> None:
    """Write a bundle; the description is written last.

    A part that is the same as one of the bundle in the folder above is referred to there, not written again.

    Args:
        folder: Where.
        bundle: What.
        backbone_weights: Checkpoint of a published backbone, which is referred to by path and hash and not copied.
        half: Whether weights are stored in float16, which halves their size; they are computed with in float32.

    Raises:
        AvbenchError: A file cannot be written.
    """
    content: dict[str, Any] = {
        "version": BUNDLE_VERSION,
        "uses_up": bundle.uses_up,
        "metric": bundle.metric,
        "backbone": {"kind": str(bundle.kind)},
        "heads": {},
    }
    if bundle.backbone is not None:
        content["backbone"] |= _backbone_description(bundle.backbone)
        if backbone_weights is not None:
            content["backbone"]["checkpoint"] = str(backbone_weights.resolve())
            content["backbone"]["sha256"] = sha256_of(backbone_weights)
        else:
            content["backbone"] |= _save(folder, "vision", bundle.backbone, half=half)
    if bundle.binaural is not None:
        saved = _save(folder, "binaural", bundle.binaural, half=half)
        content["binaural"] = {"config": asdict(bundle.binaural.config), **saved}
    if bundle.sound is not None:
        saved = _save(folder, "sound", bundle.sound, half=half)
        content["sound"] = {"config": asdict(bundle.sound.config), **saved}
    for name, head in bundle.heads.items():
        content["heads"][name] = {
            "type": "late" if isinstance(head, LateHead) else "gated",
            "config": asdict(head.config),
            **_save(folder, f"head-{name}", head, half=half),
        }
    content["parameters"] = {
        name: sum(value.numel() for value in module.parameters()) for name, module in bundle.parts().items()
    }
    content["facts"] = dict(bundle.facts)
    write_text(folder / BUNDLE_NAME, json.dumps(content, indent=1) + "\n")


def load_bundle(folder: Path, *, device: str = "cpu") -> Bundle:
    """Read a bundle, in evaluation mode.

    Raises:
        InputError: There is none, a file is missing or damaged, or a checkpoint it refers to has changed.
    """
    content = describe_bundle(folder).content
    path = folder / BUNDLE_NAME
    kind = structured(content["backbone"]["kind"], f"{path}: backbone.kind", BackboneKind)
    described = content["backbone"]
    backbone: TwoViewBackbone | None = None
    if "config" in described:
        make_backbone = partial(_backbone, kind, described, path)
        if "checkpoint" in described:
            backbone = _sized(make_backbone, path)
            _load_checkpoint(backbone, Path(described["checkpoint"]), described["sha256"])
        else:
            backbone = _loaded(make_backbone, folder, described)
    sound = binaural = None
    if "sound" in content:
        sound_config = _config(content["sound"], SoundConfig, path)
        sound = _loaded(partial(SoundEncoder, sound_config), folder, content["sound"])
    if "binaural" in content:
        binaural_config = _config(content["binaural"], BinauralConfig, path)
        binaural = _loaded(partial(BinauralNetwork, binaural_config), folder, content["binaural"])
    heads = {name: _loaded(partial(_head, one, path), folder, one) for name, one in content["heads"].items()}
    bundle = Bundle(kind, backbone, sound, binaural, heads, content["uses_up"], content["metric"], content["facts"])
    for module in bundle.parts().values():
        module.to(device).eval()
    return bundle


def backbone_from_checkpoint(
    path: Path, config: Reloc3rConfig | None = None, image_size: tuple[int, int] | None = None
) -> Reloc3rBackbone:
    """The published backbone with the weights of a checkpoint, in evaluation mode.

    Args:
        path: The checkpoint, .safetensors or .pth.
        config: Sizes of the network; the published ones without it.
        image_size: Width and height of its pictures; the published ones without it.

    Raises:
        InputError: There is no such file, it is damaged, holds code, or the weights of another network.
    """
    backbone = Reloc3rBackbone(config or Reloc3rConfig(), image_size)
    _load_checkpoint(backbone, path, None)
    return backbone.eval()


def _backbone_description(backbone: TwoViewBackbone) -> dict[str, Any]:
    if not isinstance(backbone, TinyBackbone | Reloc3rBackbone):
        raise TypeError(f"{type(backbone).__name__} is no backbone that bundles know")
    return {"config": asdict(backbone.config), "image_size": list(backbone.image_size)}


def _sized(make: Callable[[], _Network], path: Path) -> _Network:
    """A network of the sizes that a description states; sizes that make none are an error of one line."""
    try:
        return make()
    except InputError:
        raise
    except Exception as error:
        # Layers refuse sizes in many ways; whatever they say, it is the description that is wrong.
        raise InputError(
            path, found=f"sizes that make no network ({shorten(str(error))})", expected="a bundle of this version"
        ) from error


def _config(content: Mapping[str, Any], shape: type[_Config], path: Path) -> _Config:
    where = f"{path}: {shape.__name__}"
    for name, value in content["config"].items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int) and abs(number) > (most := _MOST_LAYERS if name.endswith(_LAYERS) else _LARGEST):
                raise InputError(f"{where}: {shorten(name)}", found=str(number), expected=f"at most {most}")
    return structured(content["config"], where, shape)


def _backbone(kind: BackboneKind, content: Mapping[str, Any], path: Path) -> TwoViewBackbone:
    width, height = content["image_size"]
    if kind is BackboneKind.RELOC3R:
        return Reloc3rBackbone(_config(content, Reloc3rConfig, path), (width, height))
    return TinyBackbone(_config(content, TinyConfig, path))


def _head(content: Mapping[str, Any], path: Path) -> Head:
    if content["type"] == "late":
        return LateHead(_config(content, LateConfig, path))
    return GatedHead(_config(content, GatedConfig, path))


def _save(folder: Path, name: str, module: nn.Module, *, half: bool) -> dict[str, str]:
    def stored(value: Tensor) -> Tensor:
        value = value.detach().cpu()
        return (value.half() if half and value.is_floating_point() else value).contiguous()

    file = f"{name}.safetensors"
    above = folder.parent / file
    with atomic_path(folder / file) as temporary:
        save_file({key: stored(value) for key, value in module.state_dict().items()}, temporary)
        temporary.chmod(0o644)  # safetensors writes files that their owner alone can read
    digest = sha256_of(folder / file)
    if (folder.parent / BUNDLE_NAME).is_file() and above.is_file() and sha256_of(above) == digest:
        (folder / file).unlink()
        file = f"../{file}"
    return {"weights": file, "sha256": digest}


def _loaded(make: Callable[[], _Network], folder: Path, content: Mapping[str, Any]) -> _Network:
    """A network with its weights."""
    path = folder / content["weights"]
    if path.is_file() and sha256_of(path) != content["sha256"]:
        raise InputError(
            path,
            found="another file than the one that was written",
            expected=f"SHA-256 {content['sha256'][:12]}...",
            hint="copy or train the bundle again",
        )
    weights = read_weights(path)
    whole = {key: value.to(torch.float32) if value.is_floating_point() else value for key, value in weights.items()}
    with torch.device("meta"):
        # Without memory: sizes that are not those of the weights may be too large for any.
        check_shapes(_sized(make, folder / BUNDLE_NAME), whole, path)
    network = _sized(make, folder / BUNDLE_NAME)
    load_strictly(network, whole, path)
    return network


def _load_checkpoint(backbone: TwoViewBackbone, path: Path, sha256: str | None) -> None:
    assert isinstance(backbone, Reloc3rBackbone)  # noqa: S101 - only this one is referred to and not copied
    if sha256 is not None and path.is_file() and sha256_of(path) != sha256:
        raise InputError(
            path, found="another file than the one the heads were trained on", expected=f"SHA-256 {sha256[:12]}..."
        )
    weights = read_weights(path)
    whole = {key: value.to(torch.float32) if value.is_floating_point() else value for key, value in weights.items()}
    load_strictly(backbone.network, whole, path)
