"""Depths of the pairs of a prepared, simulated data set, recomputed from its rooms.

`DATA/depths/<split>.npz` holds `pair_id` (N,) strings, and `depth_a` and `depth_b` (N, rows, columns) float16: depth
along the optical axis in metres at the centres of an even grid over the pictures of the row; 0 is unknown. They can
teach a visual network which places match. They are no part of the pair row: a model is never given them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.atomic import atomic_path
from avbench.preprocessing.format.shards import dataset_shards, iter_rows
from avbench.preprocessing.simulate.pictures.render import render_depth
from avbench.preprocessing.simulate.scene.world import World, make_world
from avbench.preprocessing.simulate.write import read_settings

DEPTHS_FOLDER = "depths"
_COLUMNS = (
    "pair_id",
    "recording_id",
    "time_a_ns",
    "time_b_ns",
    "width_px",
    "height_px",
    "fx_px",
    "fy_px",
    "cx_px",
    "cy_px",
)


def write_depths(
    data: Path,
    recordings: Path,
    split: str,
    grid: tuple[int, int],
    progress: Callable[[int], object] | None = None,
) -> Path:
    """Write the depths of one split.

    Args:
        data: A data set that `prepare` made from `recordings`.
        recordings: The folder of simulated recordings; their rooms are read from it.
        split: The split.
        grid: Columns and rows.
        progress: Called with the number of pairs that were done since the last call.

    Returns:
        The file.

    Raises:
        InputError: The data set has no such split, or a recording's room is missing or of another simulator.
        AvbenchError: The file cannot be written.
    """
    names: list[str] = []
    depths: dict[str, list[NDArray[np.float16]]] = {"a": [], "b": []}
    current: tuple[str, World] | None = None
    for row in iter_rows(dataset_shards(data, split), _COLUMNS):
        if current is None or current[0] != row["recording_id"]:
            current = (row["recording_id"], make_world(read_settings(recordings, row["recording_id"])))
        names.append(row["pair_id"])
        for view, stack in depths.items():
            stack.append(grid_depth(current[1], row[f"time_{view}_ns"], row, grid))
        if progress is not None:
            progress(1)
    final = data / DEPTHS_FOLDER / f"{split}.npz"
    with atomic_path(final) as path:
        np.savez_compressed(path, pair_id=np.array(names), depth_a=np.stack(depths["a"]), depth_b=np.stack(depths["b"]))
    return final


def grid_depth(world: World, time_ns: int, row: dict[str, Any], grid: tuple[int, int]) -> NDArray[np.float16]:
    """Depth (rows, columns) at the centres of an even grid over the picture of a row (its size and calibration)."""
    columns, rows = grid
    x, y = columns / row["width_px"], rows / row["height_px"]
    K = np.array(
        [
            [row["fx_px"] * x, 0.0, (row["cx_px"] + 0.5) * x - 0.5],
            [0.0, row["fy_px"] * y, (row["cy_px"] + 0.5) * y - 0.5],
            [0.0, 0.0, 1.0],
        ]
    )
    return render_depth(world.packed, world.motion.poses(time_ns / 1e9), K, grid).astype(np.float16)
