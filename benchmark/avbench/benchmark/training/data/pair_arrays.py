"""A split of a prepared data set as arrays on disk, in the form the networks take: read once, used by every stage.

Pictures and sound are kept apart, in folders named by the hash of what they were made from, so that pictures of another
size leave the sound features as they are. Everything here comes from clean pictures and from sound alone. Corruption
during training acts on the stored pictures, which are the network's own input, so no feature of a clean picture
survives it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from avbench.benchmark.audio.features import FEATURE_VERSION
from avbench.benchmark.base.progress import bar_of
from avbench.benchmark.data.dataset import PairDataset, open_dataset
from avbench.benchmark.data.pair import Modality, PairInput
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.models.learned.binaural_pretraining import BinauralConfig, ear_samples
from avbench.benchmark.models.learned.inputs import (
    MAP_PARAMETERS,
    MAP_SETTINGS,
    MAPS,
    SPECTRUM_SETTINGS,
    picture_row,
    sound_row,
    up_row,
)
from avbench.benchmark.scoring.labels import Labels
from avbench.preprocessing.base.errors import could_not_write
from avbench.preprocessing.base.processes import in_workers
from avbench.preprocessing.recording.recording import Scale

ARRAYS_VERSION = 3
"""Raised with every change of what the arrays hold; caches of another version are made again."""

PARTIAL_SUFFIX = ".partial"
"""Ends the names of folders that are being filled; they begin with a dot."""

_BLOCK_PAIRS = 64
_AZIMUTHS = MAP_SETTINGS.grid.azimuth_bins
_SPECTRUM_BINS = SPECTRUM_SETTINGS.grid.azimuth_bins


@dataclass(frozen=True)
class PairArrays:
    """N pairs; every array has N rows and is read from disk when it is indexed.

    Attributes:
        pair_ids: Names.
        groups: Their groups, which no division may cut.
        image_a: (N, H, W, 3) uint8.
        image_b: The same for frame b.
        intrinsics: (N, 3, 3) float32, pixels of these pictures.
        level_a: (N, 3, 3) float32 `rotation_level_camera`; the identity where up is unknown.
        level_b: The same for frame b.
        up_known: (N,) bool.
        maps_a: (N, MAPS, azimuths) float16 direction maps; zeros without sound.
        maps_b: The same for frame b.
        spectrum_a: (N, 360) float16 azimuth spectra in [0, 1]; zeros without sound.
        spectrum_b: The same for frame b.
        sound: (N,) bool, whether both clips tell directions.
        ears_a: (N, 2, samples) float16 left and right; zeros without two ears.
        ears_b: The same for frame b.
        ears: (N,) bool, whether both clips have two ears and tell directions.
        rotation_a_b: (N, 3, 3) float32.
        translation_a_b: (N, 3) float32; metres where `metric`.
        metric: (N,) bool.
        direction: (N,) bool, whether the translation has a direction that counts.
        keys: What "up", "pictures" and "sound" were made from; what was not asked for is missing.
    """

    pair_ids: tuple[str, ...]
    groups: tuple[str, ...]
    image_a: NDArray[np.uint8]
    image_b: NDArray[np.uint8]
    intrinsics: NDArray[np.float32]
    level_a: NDArray[np.float32]
    level_b: NDArray[np.float32]
    up_known: NDArray[np.bool_]
    maps_a: NDArray[np.float16]
    maps_b: NDArray[np.float16]
    spectrum_a: NDArray[np.float16]
    spectrum_b: NDArray[np.float16]
    sound: NDArray[np.bool_]
    ears_a: NDArray[np.float16]
    ears_b: NDArray[np.float16]
    ears: NDArray[np.bool_]
    rotation_a_b: NDArray[np.float32]
    translation_a_b: NDArray[np.float32]
    metric: NDArray[np.bool_]
    direction: NDArray[np.bool_]
    keys: Mapping[str, Mapping[str, Any]]

    def __len__(self) -> int:
        return len(self.pair_ids)

    @property
    def ears_key(self) -> dict[str, Any]:
        """What the ears were made from: of the sound's key all but maps, spectra and up, which they do not need."""
        return {name: value for name, value in self.keys["sound"].items() if name not in {"maps", "spectrum", "up"}}


@dataclass(frozen=True)
class UpUse:
    """What is made of up vectors.

    Attributes:
        used: Whether they are used at all.
        forgotten_share: Share of the pairs that are treated as if they had none, so that models can do without.
    """

    used: bool = True
    forgotten_share: float = 0.0

    def applied(self, pair: PairInput) -> PairInput:
        """The pair with or without its up vectors; which ones are forgotten follows from their names."""
        number = int.from_bytes(hashlib.sha256(pair.pair_id.encode()).digest()[:8], "little") / 2.0**64
        return pair if self.used and number >= self.forgotten_share else replace(pair, up_a=None, up_b=None)


_Layout = Mapping[str, tuple[tuple[int, ...], DTypeLike]]


class _Maker(Protocol):
    """Makes some arrays of pairs."""

    @property
    def modalities(self) -> frozenset[Modality]:
        """What it looks at; nothing else is read."""
        ...

    def layout(self) -> _Layout:
        """Shape of a row and type of each array."""
        ...

    def row(self, pair: PairInput) -> Mapping[str, Any]:
        """The row of one pair in every array."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """What determines the arrays."""
        ...


_MATRIX: tuple[tuple[int, ...], DTypeLike] = ((3, 3), np.float32)
_FLAG: tuple[tuple[int, ...], DTypeLike] = ((), np.bool_)


@dataclass(frozen=True)
class _Ups:
    up: UpUse
    modalities: frozenset[Modality] = frozenset({Modality.UP})

    def layout(self) -> _Layout:
        return {"level_a": _MATRIX, "level_b": _MATRIX, "up_known": _FLAG}

    def row(self, pair: PairInput) -> Mapping[str, Any]:
        return up_row(self.up.applied(pair))

    def settings(self) -> Mapping[str, Any]:
        return {"up": asdict(self.up)}


@dataclass(frozen=True)
class _Pictures:
    image_size: tuple[int, int]
    modalities: frozenset[Modality] = frozenset({Modality.VISION})

    def layout(self) -> _Layout:
        width, height = self.image_size
        picture: tuple[tuple[int, ...], DTypeLike] = ((height, width, 3), np.uint8)
        return {"image_a": picture, "image_b": picture, "intrinsics": _MATRIX}

    def row(self, pair: PairInput) -> Mapping[str, Any]:
        return picture_row(pair, self.image_size)

    def settings(self) -> Mapping[str, Any]:
        return {"image_size": self.image_size}


@dataclass(frozen=True)
class _Sounds:
    ears: BinauralConfig
    up: UpUse
    modalities: frozenset[Modality] = frozenset({Modality.AUDIO, Modality.UP})

    def layout(self) -> _Layout:
        maps, spectrum = ((MAPS, _AZIMUTHS), np.float16), ((_SPECTRUM_BINS,), np.float16)
        ears = ((2, self.ears.samples), np.float16)
        both = {f"{name}_{view}": one for name, one in (("maps", maps), ("spectrum", spectrum)) for view in "ab"}
        return {**both, "ears_a": ears, "ears_b": ears, "sound": _FLAG, "ears": _FLAG}

    def row(self, pair: PairInput) -> Mapping[str, Any]:
        row = dict(sound_row(self.up.applied(pair)))
        ears = [ear_samples(clip, self.ears) if row["sound"] else None for clip in (pair.sound_a, pair.sound_b)]
        row["ears"] = all(ear is not None for ear in ears)
        for view, one in zip("ab", ears, strict=True):
            row[f"ears_{view}"] = np.zeros((2, self.ears.samples), np.float16) if one is None else one
        return row

    def settings(self) -> Mapping[str, Any]:
        return {
            "maps": MAP_PARAMETERS,
            "spectrum": repr(SPECTRUM_SETTINGS),
            "features": FEATURE_VERSION,
            "ears": [self.ears.sample_rate_hz, self.ears.duration_s],
            "up": asdict(self.up),
        }


def pair_arrays(
    data: Path,
    split: str,
    image_size: tuple[int, int],
    cache: Path,
    *,
    pictures: bool,
    ears: BinauralConfig | None,
    up: UpUse,
    jobs: int = 1,
) -> PairArrays:
    """Arrays of a split, from the cache or made now.

    Args:
        data: A prepared data set.
        split: The split.
        image_size: Width and height of the network's pictures.
        cache: Folder of caches.
        pictures: Whether pictures are wanted; without them they are black, and neither read nor stored.
        ears: The network that listens to the ears; None leaves all sound out, which is then neither read nor stored.
        up: What is made of up vectors.
        jobs: Processes.

    Raises:
        InputError: The data set, the split or one of its pairs is not readable.
    """
    dataset = open_dataset(data)
    labels = Labels.of(dataset.labels(split))
    groups = dataset.table(split, ("group_id",)).column("group_id").to_pylist()
    makers: dict[str, _Maker] = {
        "up": _Ups(up),
        "pictures": _Pictures(image_size),
        "sound": _Sounds(ears or BinauralConfig(), up),
    }
    wanted = {"up": True, "pictures": pictures, "sound": ears is not None}
    loaded: dict[str, NDArray[Any]] = {}
    keys = {}
    for name, maker in makers.items():
        if not wanted[name]:
            for part, (shape, dtype) in maker.layout().items():
                loaded[part] = np.broadcast_to(np.zeros((), dtype), (len(labels), *shape))
            continue
        keys[name], arrays = _from_cache(dataset, split, name, maker, cache, jobs)
        loaded |= arrays
    return PairArrays(
        pair_ids=labels.pair_id,
        groups=tuple(groups),
        rotation_a_b=labels.rotation_a_b.astype(np.float32),
        translation_a_b=labels.translation_a_b_m.astype(np.float32),
        metric=labels.has_scale(Scale.METRIC),
        direction=labels.has_direction(load_metrics_spec().baseline_threshold_m),
        keys=keys,
        **loaded,
    )


def _from_cache(
    dataset: PairDataset, split: str, name: str, maker: _Maker, cache: Path, jobs: int
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What determines the arrays of a maker, and the arrays, made now where the cache lacks them."""
    key = {"version": ARRAYS_VERSION, "dataset": dataset.fingerprint, "split": split, **maker.settings()}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache / f"{split}-{name}-{digest}"
    if not (folder / _KEY_NAME).is_file():
        _build(dataset, split, maker, folder, key, jobs, f"{name} of {split}")
    return key, {part: np.load(folder / f"{part}.npy", mmap_mode="r") for part in maker.layout()}


def new_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> np.memmap[Any, Any]:
    """A new array of zeros in a file, mapped into memory, whose space on the disk is reserved.

    Raises:
        OutputError: The disk is full or cannot be written to.
    """
    try:
        array: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        # A file with holes gets its space when they are written to, and a disk that is full then ends the process.
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        raise could_not_write(path, error) from error
    return array


_KEY_NAME = "key.json"
"""Written last: where it is, the arrays are whole."""


def _build(
    dataset: PairDataset,
    split: str,
    maker: _Maker,
    folder: Path,
    key: Mapping[str, Any],
    jobs: int,
    title: str,
) -> None:
    partial = folder.with_name(f".{folder.name}{PARTIAL_SUFFIX}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    count = dataset.pair_count(split)
    for name, (shape, dtype) in maker.layout().items():
        new_array(partial / f"{name}.npy", (count, *shape), dtype)
    starts = range(0, count, _BLOCK_PAIRS)
    blocks = [(dataset, split, start, min(count, start + _BLOCK_PAIRS), partial, maker) for start in starts]
    with closing(in_workers(_fill, blocks, jobs)) as work:
        for _ in bar_of(work, total=len(blocks), desc=title, unit="block"):
            pass
    (partial / _KEY_NAME).write_text(json.dumps(key, sort_keys=True), encoding="utf-8")
    partial.rename(folder)


def _fill(dataset: PairDataset, split: str, start: int, stop: int, folder: Path, maker: _Maker) -> None:
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in maker.layout()}
    for row, pair in enumerate(dataset.inputs(split, modalities=maker.modalities, start=start, stop=stop), start=start):
        for name, value in maker.row(pair).items():
            arrays[name][row] = value
    for array in arrays.values():
        array.flush()
