"""A split of a prepared data set as arrays on disk, in the form the networks take: read once, used by every stage.

Everything here comes from clean pictures and from sound alone. Corruption during training acts on the stored pictures,
which are the network's own input, so no feature of a clean picture survives it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import DTypeLike, NDArray
from tqdm import tqdm

from avbench.benchmark.audio.features import FEATURE_VERSION
from avbench.benchmark.dataset import PairDataset, open_dataset
from avbench.benchmark.metrics_spec import load_metrics_spec
from avbench.benchmark.models.network_inputs import (
    MAP_SETTINGS,
    MAPS,
    SPECTRUM_SETTINGS,
    picture_row,
    sound_row,
    up_row,
)
from avbench.benchmark.scoring import Labels
from avbench.preprocessing.recording import Scale

ARRAYS_VERSION = 1
"""Raised with every change of what the arrays hold; caches of another version are made again."""

_BLOCK_PAIRS = 64


@dataclass(frozen=True)
class PairArrays:
    """N pairs; every array has N rows and is read from disk when it is indexed.

    Attributes:
        pair_ids: Names.
        group: (N,) int32 number of the pair's group.
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
        rotation_a_b: (N, 3, 3) float32.
        translation_a_b: (N, 3) float32; metres where `metric`.
        metric: (N,) bool.
        direction: (N,) bool, whether the translation has a direction that counts.
    """

    pair_ids: tuple[str, ...]
    group: NDArray[np.int32]
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
    rotation_a_b: NDArray[np.float32]
    translation_a_b: NDArray[np.float32]
    metric: NDArray[np.bool_]
    direction: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.pair_ids)


def _layout(image_size: tuple[int, int]) -> Mapping[str, tuple[tuple[int, ...], DTypeLike]]:
    width, height = image_size
    picture = ((height, width, 3), np.uint8)
    matrix = ((3, 3), np.float32)
    maps = ((MAPS, MAP_SETTINGS.grid.azimuth_bins), np.float16)
    spectrum = ((SPECTRUM_SETTINGS.grid.azimuth_bins,), np.float16)
    return {
        "image_a": picture,
        "image_b": picture,
        "intrinsics": matrix,
        "level_a": matrix,
        "level_b": matrix,
        "up_known": ((), np.bool_),
        "maps_a": maps,
        "maps_b": maps,
        "spectrum_a": spectrum,
        "spectrum_b": spectrum,
        "sound": ((), np.bool_),
    }


def pair_arrays(data: Path, split: str, image_size: tuple[int, int], cache: Path, *, jobs: int = 1) -> PairArrays:
    """Arrays of a split, from the cache or made now.

    Args:
        data: A prepared data set.
        split: The split.
        image_size: Width and height of the network's pictures.
        cache: Folder of caches; the key is the data set's fingerprint and all settings.
        jobs: Processes.

    Raises:
        InputError: The data set, the split or one of its pairs is not readable.
    """
    dataset = open_dataset(data)
    key = {
        "version": ARRAYS_VERSION,
        "dataset": dataset.fingerprint,
        "split": split,
        "image_size": image_size,
        "maps": repr(MAP_SETTINGS),
        "spectrum": repr(SPECTRUM_SETTINGS),
        "features": FEATURE_VERSION,
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache / f"{split}-{name}"
    if not (folder / "key.json").is_file():
        _build(dataset, split, image_size, folder, key, jobs)
    return _open(dataset, split, folder, image_size)


def _build(
    dataset: PairDataset, split: str, image_size: tuple[int, int], folder: Path, key: Mapping[str, Any], jobs: int
) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    count = dataset.pair_count(split)
    for name, (shape, dtype) in _layout(image_size).items():
        np.lib.format.open_memmap(partial / f"{name}.npy", mode="w+", dtype=dtype, shape=(count, *shape))
    starts = range(0, count, _BLOCK_PAIRS)
    work = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_fill)(dataset, split, start, min(count, start + _BLOCK_PAIRS), partial, image_size) for start in starts
    )
    for _ in tqdm(work, total=len(starts), desc=f"features of {split}", unit="block"):
        pass
    (partial / "key.json").write_text(json.dumps(key, sort_keys=True, default=str), encoding="utf-8")
    partial.rename(folder)


def _fill(dataset: PairDataset, split: str, start: int, stop: int, folder: Path, image_size: tuple[int, int]) -> None:
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in _layout(image_size)}
    for row, pair in enumerate(dataset.inputs(split, start=start, stop=stop), start=start):
        features = picture_row(pair, image_size) | up_row(pair) | sound_row(pair)
        for name, value in features.items():
            arrays[name][row] = value
    for array in arrays.values():
        array.flush()


def _open(dataset: PairDataset, split: str, folder: Path, image_size: tuple[int, int]) -> PairArrays:
    labels = Labels.of(dataset.labels(split))
    groups = dataset.table(split, ("group_id",)).column("group_id").to_pylist()
    loaded = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _layout(image_size)}
    return PairArrays(
        pair_ids=labels.pair_id,
        group=np.unique(groups, return_inverse=True)[1].astype(np.int32),
        rotation_a_b=labels.rotation_a_b.astype(np.float32),
        translation_a_b=labels.translation_a_b_m.astype(np.float32),
        metric=labels.has_scale(Scale.METRIC),
        direction=labels.has_direction(load_metrics_spec().baseline_threshold_m),
        **loaded,
    )
