"""Trajectories for the Aria recordings of the tests."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation, make_transform

GOLDEN = json.loads((Path(__file__).parent / "preprocessing" / "golden" / "aria_golden.json").read_text())
GEN1_TIMES_NS: list[int] = GOLDEN["gen1"]["frame_time_ns"]
"""Times of the frames of the Gen 1 recording."""


def write_mps(
    path: Path, T_world_device: FloatArray, time_ns: list[int], gravity: FloatArray | None = None, uid: str = "a"
) -> Path:
    """A closed-loop trajectory with all digits that float64 has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ["tx", "ty", "tz", "qx", "qy", "qz", "qw"]
    header = ["graph_uid", "tracking_timestamp_us", *(f"{name}_world_device" for name in names)]
    header += [f"gravity_{axis}_world" for axis in "xyz"] + ["quality_score"]
    down = np.array([0.0, 0.0, -9.81]) if gravity is None else gravity
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for T, time in zip(T_world_device, time_ns, strict=True):
            quaternion = Rotation.from_matrix(T[:3, :3]).as_quat()
            writer.writerow([uid, time // 1000, *map(repr, map(float, [*T[:3, 3], *quaternion, *down])), 1.0])
    return path


def wandering(count: int, seed: int = 3) -> FloatArray:
    """Poses that turn and move a little from one to the next."""
    generator = np.random.default_rng(seed)
    poses = [np.eye(4)]
    for _ in range(count - 1):
        turn = axis_rotation("y", generator.uniform(-3, 3)) @ axis_rotation("x", generator.uniform(-2, 2))
        poses.append(poses[-1] @ make_transform(turn, generator.uniform(-0.03, 0.03, 3)))
    return np.stack(poses)


# Steps of 1 ms around the frames, so that nothing depends on how poses are interpolated far apart.
STEP_TIMES_NS = [time // 1000 * 1000 + offset for time in GEN1_TIMES_NS for offset in (0, 1_000_000)]
