"""Depths beside a prepared data set agree with where its labels send points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="the simulator needs the extra avbench[simulate]")

from click.testing import CliRunner

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.cli.main import cli
from avbench.preprocessing.format.shards import dataset_shards, iter_rows
from avbench.preprocessing.simulate.depths import write_depths

COLUMNS, ROWS = 16, 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("depths")
    size = ["--recordings", "2", "--seconds", "3", "--size", "160x120", "--jobs", "1", "--split", "test"]
    for arguments in (
        ["simulate", folder / "recordings", *size],
        ["prepare", folder / "recordings", "-o", folder / "data", "--pairs-per-recording", "5", "--jobs", "1"],
        ["depths", folder / "data", "--recordings", folder / "recordings"],
    ):
        result = CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    return folder


def test_points_of_a_are_where_b_sees_them(folder: Path) -> None:
    stored = np.load(folder / "data" / "depths" / "test.npz")
    rows = list(iter_rows(dataset_shards(folder / "data", "test")))
    assert stored["pair_id"].tolist() == [row["pair_id"] for row in rows]
    agree = total = 0
    for number, row in enumerate(rows):
        R, t = np.array(row["rotation_a_b"]), np.array(row["translation_a_b_m"])
        u = (np.arange(COLUMNS) + 0.5) * row["width_px"] / COLUMNS - 0.5
        v = (np.arange(ROWS) + 0.5) * row["height_px"] / ROWS - 0.5
        x, y = np.meshgrid((u - row["cx_px"]) / row["fx_px"], (v - row["cy_px"]) / row["fy_px"])
        points = np.stack([x, y, np.ones_like(x)], axis=-1) * stored["depth_a"][number, ..., None].astype(float)
        seen = (points - t) @ R  # into b
        ahead = seen[..., 2] > 0.2
        column = np.floor((seen[..., 0] / seen[..., 2] * row["fx_px"] + row["cx_px"] + 0.5) * COLUMNS / row["width_px"])
        line = np.floor((seen[..., 1] / seen[..., 2] * row["fy_px"] + row["cy_px"] + 0.5) * ROWS / row["height_px"])
        inside = ahead & (column >= 0) & (column < COLUMNS) & (line >= 0) & (line < ROWS)
        there = stored["depth_b"][number][line[inside].astype(int), column[inside].astype(int)].astype(float)
        agree += int((np.abs(there - seen[..., 2][inside]) < 0.15 * there).sum())
        total += int(inside.sum())
    # Cells at the edges of furniture, and hidden ones, may differ; a wrong convention would agree by chance only.
    assert total > 200
    assert agree > 0.75 * total


def test_recordings_of_something_else_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scene\.json: found no such file, expected a simulated room"):
        write_depths(folder / "data", tmp_path, "test", (COLUMNS, ROWS))
    assert not (tmp_path / "data").exists()
