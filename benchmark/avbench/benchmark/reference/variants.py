"""Variants of a bundle: folders inside it that are bundles too, such as heads of another seed or an ablation.

A variant says which models it holds. One that uses the very weights that the bundle itself uses is the same model, and
is not evaluated twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avbench.benchmark.models.learned.bundle_files import (
    BUNDLE_NAME,
    PARTS_OF_MODEL,
    BundleDescription,
    describe_bundle,
)

_AUDIO = "audio"


@dataclass(frozen=True)
class Variant:
    """A bundle inside another one.

    Attributes:
        name: Its folder, from the outer bundle: "head-seed-1", "head-seed-1/fusion-shuffled".
        folder: Where it lies.
        models: The models it holds whose weights are its own.
    """

    name: str
    folder: Path
    models: tuple[str, ...]


def models_of(bundle: BundleDescription) -> tuple[str, ...]:
    """Models that a bundle holds: those it has a head of, and `audio` if it has a sound encoder."""
    heads = bundle.content["heads"]
    return tuple(name for name in PARTS_OF_MODEL if name in heads or (name == _AUDIO and "sound" in bundle.content))


def find_variants(folder: Path) -> list[Variant]:
    """The variants of a bundle, sorted by name; those that add no model are left out.

    Raises:
        InputError: The folder is no bundle, or the description of a variant is damaged or of another version.
    """
    main = describe_bundle(folder)
    found = []
    for inner in _inner_bundles(folder):
        bundle = describe_bundle(inner)
        own = [name for name in models_of(bundle) if _weights(bundle.content, name) != _weights(main.content, name)]
        if own:
            found.append(Variant(inner.relative_to(folder).as_posix(), inner, tuple(own)))
    return sorted(found, key=lambda variant: variant.name)


def _inner_bundles(folder: Path) -> list[Path]:
    """Bundles inside a bundle, and inside those; other folders are not searched, they may hold anything."""
    inner = [path.parent for path in folder.glob(f"*/{BUNDLE_NAME}")]
    return inner + [deeper for path in inner for deeper in _inner_bundles(path)]


def _weights(content: Mapping[str, Any], model: str) -> tuple[object, ...]:
    """What tells the weights of a model of one bundle from those of another."""
    parts = [content.get(part) or content["heads"].get(part) for part in PARTS_OF_MODEL[model]]
    return (content["uses_up"], content["metric"], *(None if part is None else part.get("sha256") for part in parts))
