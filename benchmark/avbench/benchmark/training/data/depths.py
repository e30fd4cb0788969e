"""Depths that a simulated data set carries beside its shards; real recordings have none.

`DATA/depths/<split>.npz` holds three arrays: `pair_id` (N,) strings, and `depth_a` and `depth_b` (N, rows, columns)
float16, depth along z in metres at the centres of an even grid of rows x columns over the pictures of the row; 0 is
unknown. They teach the visual network which cells match. They are no part of the pair row: a model is never given them.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.models.backbones.tiny import TinyConfig
from avbench.benchmark.models.learned.inputs import fit_picture
from avbench.benchmark.training.stages.stages import Depths
from avbench.preprocessing.base.atomic import sha256_of
from avbench.preprocessing.base.errors import InputError

DEPTHS_FOLDER = "depths"


def depths_path(dataset: PairDataset, split: str) -> Path:
    """Where the depths of a split are, if it has any."""
    return dataset.folder / DEPTHS_FOLDER / f"{split}.npz"


def depths_sha256(dataset: PairDataset, split: str) -> str | None:
    """Hash of the depths of a split, None where it has none."""
    path = depths_path(dataset, split)
    return sha256_of(path) if path.is_file() else None


def read_depths(dataset: PairDataset, split: str, pair_ids: tuple[str, ...], config: TinyConfig) -> Depths | None:
    """Depths at the centres of the network's cells for the pairs of a split, None where the data set has none.

    Args:
        dataset: The data set.
        split: The split.
        pair_ids: Its pairs, in the order in which depths are wanted.
        config: The network. Its pictures are cut from those of the data set as `network_inputs.fit_picture` does it.

    Raises:
        InputError: The file is damaged or belongs to other pairs.
    """
    path = depths_path(dataset, split)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = [str(name) for name in stored["pair_id"]]
            a, b = (np.asarray(stored[f"depth_{view}"], dtype=np.float32) for view in "ab")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(path, found=f"unreadable ({error})", expected="pair_id, depth_a and depth_b") from error
    if a.ndim != 3 or a.shape != b.shape or len(a) != len(names):
        raise InputError(
            path, found=f"depths of {a.shape} and {b.shape}", expected=f"({len(names)}, rows, columns) twice"
        )
    place = {name: row for row, name in enumerate(names)}
    missing = [name for name in pair_ids if name not in place]
    if missing:
        raise InputError(
            path,
            found=f"no depth of {len(missing)} pairs, {missing[0]} among them",
            expected="all pairs of the split",
            hint="make the data set and its depths in one run",
        )
    columns = dataset.table(split, ("pair_id", "width_px", "height_px"))
    size = dict(
        zip(
            columns.column("pair_id").to_pylist(),
            zip(columns.column("width_px").to_pylist(), columns.column("height_px").to_pylist(), strict=True),
            strict=True,
        )
    )
    order = np.array([place[name] for name in pair_ids], dtype=np.int64)
    out = [np.empty((len(pair_ids), *config.grid), np.float32) for _ in range(2)]
    sizes = np.array([size[name] for name in pair_ids], dtype=np.int64)
    for width, height in np.unique(sizes, axis=0).tolist():
        mine = np.flatnonzero((sizes == (width, height)).all(axis=1))
        rows, cols = cell_lookup(width, height, a.shape[1:], config)
        for view, source in zip(out, (a, b), strict=True):
            view[mine] = source[order[mine]][:, rows[:, None], cols[None, :]]
    return Depths(*out)


def cell_lookup(
    width_px: int, height_px: int, grid: tuple[int, ...], config: TinyConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of a depth grid over a picture that lie nearest to the centres of the network's cells.

    Args:
        width_px: Width of the picture.
        height_px: Height of the picture.
        grid: Rows and columns of the depth grid.
        config: The network.
    """
    fit = fit_picture(width_px, height_px, (config.width_px, config.height_px))
    lookups = []
    for cells, start, length, size, count in (
        (config.grid[0], fit.top_px, fit.crop_height_px, height_px, grid[0]),
        (config.grid[1], fit.left_px, fit.crop_width_px, width_px, grid[1]),
    ):
        centre = start + (np.arange(cells) + 0.5) * length / cells  # in pixels from the picture's edge
        # A centre on the border of two cells of the depth grid goes to the one before it.
        nearest = np.ceil(centre * count / size - 1e-9).astype(np.int64) - 1
        lookups.append(np.clip(nearest, 0, count - 1))
    return lookups[0], lookups[1]
