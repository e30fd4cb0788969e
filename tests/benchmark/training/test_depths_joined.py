"""Depths from the simulator to the network that is trained with them: what one writes, the other reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba", reason="the simulator needs the extra avbench[simulate]")

from click.testing import CliRunner

from avbench.benchmark.data.dataset import PairDataset, open_dataset
from avbench.benchmark.models.backbones.tiny import TinyConfig
from avbench.benchmark.training.data.depths import depths_path, read_depths
from avbench.preprocessing.cli.main import cli
from avbench.preprocessing.simulate.scene.world import World, make_world
from avbench.preprocessing.simulate.write import read_settings

WIDE = TinyConfig()  # 16 x 12 cells over pictures of 4:3
SQUARE = TinyConfig(width_px=96, height_px=96)  # 12 x 12 cells over their middle


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings in two rooms, their data set, and its depths, each made by the command a user would give."""
    folder = tmp_path_factory.mktemp("depths joined")
    size = ["--recordings", "2", "--seconds", "3", "--size", "160x120", "--jobs", "1", "--split", "train"]
    for arguments in (
        ["simulate", folder / "recordings", *size],
        ["prepare", folder / "recordings", "-o", folder / "data", "--pairs-per-recording", "4", "--jobs", "1"],
        ["depths", folder / "data", "--recordings", folder / "recordings"],
    ):
        result = CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def dataset(folder: Path) -> PairDataset:
    return open_dataset(folder / "data")


@pytest.fixture(scope="module")
def rows(dataset: PairDataset) -> list[dict[str, Any]]:
    return dataset.table("train", ("pair_id", "recording_id", "time_a_ns", "time_b_ns")).to_pylist()


@pytest.fixture(scope="module")
def worlds(folder: Path, rows: list[dict[str, Any]]) -> dict[str, World]:
    names = sorted({row["recording_id"] for row in rows})
    return {name: make_world(read_settings(folder / "recordings", name)) for name in names}


def read(dataset: PairDataset, ids: list[str], config: TinyConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    found = read_depths(dataset, "train", tuple(ids), config)
    assert found is not None
    return np.asarray(found.a), np.asarray(found.b)


def test_every_pair_gets_the_depths_of_its_own_frames(
    dataset: PairDataset, rows: list[dict[str, Any]], worlds: dict[str, World]
) -> None:
    """Asked for backwards: each cell has the depth that the renderer gives the pixels around its centre."""
    backwards = rows[::-1]
    depths = dict(zip("ab", read(dataset, [row["pair_id"] for row in backwards], WIDE), strict=True))
    assert len(worlds) == 2
    for view, found in depths.items():
        assert found.shape == (8, 12, 16)
        off = []
        for row, cells in zip(backwards, found, strict=True):
            drawn = worlds[row["recording_id"]].depth(row[f"time_{view}_ns"] / 1e9).astype(np.float64)
            # Cells are 10 x 10 pixels; their centres lie between pixels 4 and 5 of each.
            around = np.stack([drawn[4 + i :: 10, 4 + j :: 10] for i in (0, 1) for j in (0, 1)])
            assert around.shape == (4, 12, 16)
            off.append(np.abs(cells - around.mean(axis=0)) / around.mean(axis=0))
        # At the edges of furniture neighbouring pixels see different things.
        assert np.mean(np.array(off) < 0.01) > 0.9
        assert all(np.median(one) < 0.002 for one in off)


def test_a_ray_drawn_by_hand_meets_the_wall_there(
    dataset: PairDataset, rows: list[dict[str, Any]], worlds: dict[str, World]
) -> None:
    """Without the renderer: a ray through a cell's centre ends at a wall, or before it where furniture stands."""
    a, _ = read(dataset, [row["pair_id"] for row in rows], WIDE)
    at_wall = []
    for row, cells in zip(rows, a, strict=True):
        world = worlds[row["recording_id"]]
        T = world.motion.poses(row["time_a_ns"] / 1e9)
        u, v = np.meshgrid(10.0 * np.arange(16) + 4.5, 10.0 * np.arange(12) + 4.5)
        camera = world.camera
        x, y = (u - camera.cx_px) / camera.fx_px, (v - camera.cy_px) / camera.fy_px
        ray = np.stack([x, y, np.ones_like(x)], axis=-1) @ T[:3, :3].T
        # The ray has length 1 along the optical axis, so its parameter is depth. The room has a corner at the origin.
        size = np.array(world.scene.room.size_m)
        to_wall = (np.where(ray > 0.0, size, 0.0) - T[:3, 3]) / ray
        wall = to_wall.min(axis=-1)
        assert np.all(cells < 1.002 * wall)
        at_wall.append(np.abs(cells / wall - 1.0) < 0.002)
    assert np.mean(at_wall) > 0.2


def test_a_square_network_sees_the_middle(dataset: PairDataset, rows: list[dict[str, Any]]) -> None:
    """Its pictures are columns 20 to 140 of 160: 12 cells of 10 pixels, which are columns 2 to 14 of the depths."""
    ids = [row["pair_id"] for row in rows]
    with np.load(depths_path(dataset, "train")) as stored:
        assert stored["pair_id"].tolist() == ids
        written = stored["depth_a"].astype(np.float32), stored["depth_b"].astype(np.float32)
    for found, whole in zip(read(dataset, ids, SQUARE), written, strict=True):
        np.testing.assert_array_equal(found, whole[:, :, 2:14])
