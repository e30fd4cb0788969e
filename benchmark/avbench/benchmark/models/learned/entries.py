"""Entries of the learned models, built from what the shipped bundle says of itself."""

from __future__ import annotations

from avbench.benchmark.data.pair import Modality
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.learned.bundle_files import BUNDLE_NAME, SHIPPED, BundleDescription, describe_bundle

_TARGET = "avbench.benchmark.models.learned.model:LearnedModel"
_SEES, _HEARS = frozenset({Modality.VISION, Modality.UP}), frozenset({Modality.AUDIO, Modality.UP})
_LATE = "the published design (arXiv 2512.12165)"
_RELOC3R = "Dong et al., Reloc3r, CVPR 2025, arXiv 2412.08376"
_CHECKPOINT_LICENCE = "Apache-2.0; checkpoints of Reloc3r: CC BY-NC-SA 4.0, not for commercial use"

_DESCRIPTIONS = {
    "vision": "two pictures and up: correlation-volume network with a pose head",
    "audio": "two sounds and up: direction spectra and binaural embeddings of both frames compared with each other",
    "fusion": "pictures, sound and up: a gate lets through the sound that agrees with the pictures",
    "fusion-late": f"pictures, sound and up side by side before one MLP: {_LATE}",
}
_MODALITIES = {"vision": _SEES, "audio": _HEARS, "fusion": _SEES | _HEARS, "fusion-late": _SEES | _HEARS}
_CITATIONS = {"fusion-late": "arXiv 2512.12165"}


def _shipped() -> BundleDescription | None:
    return describe_bundle(SHIPPED) if (SHIPPED / BUNDLE_NAME).is_file() else None


def _entries() -> tuple[ModelEntry, ...]:
    shipped = _shipped()
    entries = [
        ModelEntry(
            name=name,
            target=_TARGET,
            description=description,
            modalities=_MODALITIES[name],
            needs=() if shipped else ("weights: avbench train",),
            licence="Apache-2.0",
            citation=_CITATIONS.get(name, ""),
            parameters=None if shipped is None else shipped.parameters(name),
            revision=f"shipped {shipped.revision}" if shipped else "1",
            weights="shipped" if shipped else "none shipped; yours with --weights",
            options=(("kind", name),),
        )
        for name, description in _DESCRIPTIONS.items()
    ]
    for name in ("vision", "fusion", "fusion-late"):
        citation = "; ".join(text for text in (_RELOC3R, _CITATIONS.get(name, "")) if text)
        own = "a checkpoint, or " if name == "vision" else ""
        entries.append(
            ModelEntry(
                name=f"{name}:reloc3r",
                target=_TARGET,
                description=f"{name} on the published two-view transformer",
                modalities=_MODALITIES[name],
                needs=("a checkpoint of the backbone",),
                licence=_CHECKPOINT_LICENCE,
                citation=citation,
                weights=f"yours with --weights: {own}what `avbench train --model {name}:reloc3r` wrote",
                options=(("kind", name), ("backbone", "reloc3r")),
            )
        )
    return tuple(entries)


LEARNED = _entries()
"""`vision`, `audio`, `fusion` and `fusion-late`, and those of them with pictures on the backbone `reloc3r`."""
