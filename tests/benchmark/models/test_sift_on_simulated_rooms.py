"""What `sift` makes of clean test pairs of `sim-v1`: pictures, poses and intrinsics fit each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.predictions.file import read_predictions
from avbench.preprocessing.base.geometry import rotation_error_deg
from avbench.preprocessing.cli.main import cli
from avbench.preprocessing.simulate.scene.world import World, make_world
from avbench.preprocessing.simulate.write import read_settings
from rendered_overlap import rendered_overlap

ROOMS = 40
LEAST_OVERLAP = 0.5

pytestmark = pytest.mark.slow


def run(*arguments: object) -> None:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_sift_is_within_a_degree_where_the_pictures_overlap(tmp_path: Path) -> None:
    """The first rooms of the standard's test split; pairs whose pictures show half of the same, in both directions."""
    recordings, data = tmp_path / "recordings", tmp_path / "data"
    standard = ("--standard", "--split", "test", "--config", "main", "--recordings", ROOMS)
    run("simulate", recordings, *standard)
    run("prepare", recordings / "main", "-o", data, "--pairs-per-recording", 10, "--min-gap", 0.5, "--size", 320)
    run("evaluate", data, "--model", "sift", "-o", tmp_path / "sift")
    predictions = read_predictions(tmp_path / "sift" / "predictions.parquet")
    places = predictions.rows_of("clean")
    worlds: dict[str, World] = {}
    errors, overlaps = [], []
    for row in open_dataset(data).table("test", ("pair_id", "recording_id", "time_a_ns", "time_b_ns")).to_pylist():
        if row["recording_id"] not in worlds:
            worlds[row["recording_id"]] = make_world(read_settings(recordings / "main", row["recording_id"]))
        world = worlds[row["recording_id"]]
        T_a, T_b = world.motion.poses(np.array([row["time_a_ns"], row["time_b_ns"]]) / 1e9)
        both = [
            rendered_overlap(world.packed, *poses, world.camera.matrix, world.size_px)
            for poses in ((T_a, T_b), (T_b, T_a))
        ]
        overlaps.append(min(both))
        label = T_a[:3, :3].T @ T_b[:3, :3]
        errors.append(float(rotation_error_deg(predictions.rotation_a_b[places[row["pair_id"]]], label)))
    error, seen = np.array(errors), np.array(overlaps) >= LEAST_OVERLAP
    print(f"{len(error)} pairs, median {np.median(error):.3f} deg")
    print(
        f"{seen.sum()} with a rendered overlap of at least {LEAST_OVERLAP}: median {np.median(error[seen]):.3f} deg, "
        f"90 % within {np.percentile(error[seen], 90):.2f} deg"
    )
    assert len(error) == 10 * ROOMS
    assert seen.sum() > 3 * ROOMS
    assert np.median(error[seen]) < 1.0
