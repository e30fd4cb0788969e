"""What a bundle says of itself, read without torch: its revision, its sizes, what it was trained on.

A bundle is a folder with `bundle.json` and one safetensors file for each part; see the module
`bundle` beside this one.
`bundle.json` holds the hash of every file, so its own hash stands for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from avbench.preprocessing.base.atomic import sha256_of
from avbench.preprocessing.base.documents import MissingFileError, read_json, structured
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.structure import Count, Limits, Positive, Sha256, Text, shown

BUNDLE_NAME = "bundle.json"
BUNDLE_VERSION = 3
SHIPPED = Path(__file__).parents[1] / "weights"
"""The bundle that comes with the package."""

PARTS_OF_MODEL: Mapping[str, tuple[str, ...]] = {
    "vision": ("backbone", "vision"),
    "audio": ("binaural", "sound"),
    "fusion": ("backbone", "binaural", "sound", "fusion"),
    "fusion-late": ("backbone", "binaural", "fusion-late"),
}
"""The parts of a bundle that each model uses, heads by their own names."""

_TRAIN_HINT = "train one with `avbench train --model {model} --data DATA -o OUT` and name it with --weights OUT"


@dataclass(frozen=True)
class BundleDescription:
    """The content of `bundle.json`.

    Attributes:
        folder: Where the bundle lies.
        revision: Hash of the description and, through it, of all weights.
        content: What is in it.
    """

    folder: Path
    revision: str
    content: Mapping[str, Any]

    @property
    def backbone(self) -> str:
        """Kind of the backbone."""
        return str(self.content["backbone"]["kind"])

    def parameters(self, model: str) -> int | None:
        """Number of learned parameters that a model of the bundle uses, None where the bundle does not say."""
        counts: Mapping[str, int] = self.content.get("parameters", {})
        return sum(counts.get(part, 0) for part in PARTS_OF_MODEL[model]) if counts else None


def describe_bundle(folder: Path, *, model: str = "fusion") -> BundleDescription:
    """Read the description of a bundle.

    Args:
        folder: The bundle.
        model: What it is wanted for, for the hint.

    Raises:
        InputError: There is no bundle, or its description is damaged or of another version.
    """
    path = folder / BUNDLE_NAME
    hint = _TRAIN_HINT.format(model=model)
    try:
        content: dict[str, Any] = read_json(path, dict, expected="a bundle's description", hint=hint)
    except MissingFileError as error:
        shipped = folder == SHIPPED
        raise InputError(
            "shipped weights" if shipped else folder,
            found="none in this version of the package" if shipped else f"no {BUNDLE_NAME}",
            expected="trained models",
            hint=hint,
        ) from error
    version = content.get("version")
    if version != BUNDLE_VERSION:
        raise InputError(f"{path}: version", found=shown(version), expected=repr(BUNDLE_VERSION), hint=hint)
    structured(content, path, _BundleFile, hint=hint)
    return BundleDescription(folder, sha256_of(path), content)


@dataclass(frozen=True)
class _PartEntry:
    """One part of a bundle: its sizes, and the file with its weights."""

    config: dict[str, Any]
    weights: Text
    sha256: Sha256


@dataclass(frozen=True)
class _HeadEntry(_PartEntry):
    type: Annotated[str, Limits("gated or late", pattern="gated|late")]


@dataclass(frozen=True)
class _BackboneEntry:
    """The visual part; a published one stays where its owner put it, one that only listens has none."""

    kind: Text
    config: dict[str, Any] | None = None
    image_size: tuple[Positive, Positive] | None = None
    weights: Text | None = None
    checkpoint: Text | None = None
    sha256: Sha256 | None = None

    def __post_init__(self) -> None:
        if self.config is not None and (
            self.image_size is None or self.sha256 is None or (self.weights is None and self.checkpoint is None)
        ):
            raise ValueError("a config comes with image_size, sha256, and weights or checkpoint")


@dataclass(frozen=True)
class _BundleFile:
    """What `bundle.json` must hold."""

    version: int
    uses_up: bool
    metric: bool
    backbone: _BackboneEntry
    heads: Mapping[str, _HeadEntry]
    facts: Mapping[str, Any]
    sound: _PartEntry | None = None
    binaural: _PartEntry | None = None
    parameters: Mapping[str, Count] = field(default_factory=dict)


def bundle_revision(folder: Path, *, model: str = "fusion") -> str:
    """Hash that stands for all of a bundle.

    Raises:
        InputError: As `describe_bundle`.
    """
    return describe_bundle(folder, model=model).revision
