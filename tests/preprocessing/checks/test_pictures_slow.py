"""Poses against pictures on real clips and simulated recordings: every usual mistake, noise, and reversed poses.

Run with `pytest -m slow -s tests/preprocessing/checks/test_pictures_slow.py`; it prints a table.
"""

from __future__ import annotations

import csv
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import (
    FloatArray,
    make_transform,
    nearest_rotation,
    rotation_from_quaternion_xyzw,
)
from avbench.preprocessing.checks.pictures.check import check_poses
from avbench.preprocessing.checks.pictures.decision import Finding
from avbench.preprocessing.media.video import open_video
from avbench.preprocessing.recording.recording import Camera, Distortion, Frame, Recording, Scale, Trajectory
from avbench.preprocessing.simulate.generate import generate
from avbench.preprocessing.simulate.scene.world import RecordingSettings
from avbench.preprocessing.sources.common.ref import SourceOptions
from avbench.preprocessing.sources.find import find_recordings, open_recording
from pose_mistakes import Mistake, judged, lens_mistakes, pose_mistakes, time_mistakes, time_reversed, with_noise

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SIMULATED = 10
HOLOLENS_FPS = 10.0  # the frames have no stamps; 10 cm from one to the next is a walk at this rate
RIGHT = ("right", "noise of 0.5 degrees", "noise of 2 degrees")


@dataclass(frozen=True)
class PngFrames:
    """Pictures in files, one after the other."""

    files: tuple[Path, ...]
    time_ns: NDArray[np.int64]

    def read(self, indices: Sequence[int], *, on_error: object = None) -> Iterator[Frame]:
        for index in indices:
            picture = cv2.imread(str(self.files[index]))
            assert picture is not None
            yield Frame(int(self.time_ns[index]), np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8))


def recording(name: str, frames: object, camera: Camera, time_ns: NDArray[np.int64], poses: FloatArray) -> Recording:
    trajectory = Trajectory(time_ns, poses, Scale.METRIC, name)
    return Recording(name, name, name, "unspecified", frames, None, camera, None, trajectory)  # type: ignore[arg-type]


def hololens(folder: Path) -> Recording:
    files = tuple(sorted(folder.glob("*.png")))
    poses = np.loadtxt(folder / "poses.txt").reshape(-1, 4, 4)[: len(files)]
    poses = make_transform(nearest_rotation(poses[:, :3, :3]), poses[:, :3, 3])
    K = np.loadtxt(folder / "K.txt")
    time_ns = np.round(np.arange(len(files)) * 1e9 / HOLOLENS_FPS).astype(np.int64)
    camera = Camera(540, 360, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    return recording("hololens", PngFrames(files, time_ns), camera, time_ns, poses)


def poses_in(path: Path) -> tuple[NDArray[np.int64], FloatArray]:
    """Frame numbers (N,) and poses (N, 4, 4) of a table of the GoPro clip."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    suffix = "_world_camera" if "qw_world_camera" in rows[0] else ""
    rotation = rotation_from_quaternion_xyzw([[float(row[f"q{axis}{suffix}"]) for axis in "xyzw"] for row in rows])
    place = [[float(row.get(f"t{axis}_world_camera", 0.0)) for axis in "xyz"] for row in rows]
    return np.array([int(row["frame"]) for row in rows]), make_transform(rotation, place)


def gopro(folder: Path) -> Recording:
    """The walk: orientation from the telemetry, positions from structure from motion, in one world."""
    video = open_video(folder / "max-heromode.mp4")
    number, oriented = poses_in(folder / "orientation.csv")
    key, mapped = poses_in(folder / "sfm_pseudo_gt.csv")
    rotation_world_map = nearest_rotation(
        np.mean(oriented[key, :3, :3] @ np.swapaxes(mapped[:, :3, :3], -1, -2), axis=0)
    )
    kept = number[(number <= key[-1]) & (number < len(video.time_ns))]
    place = mapped[:, :3, 3] @ rotation_world_map.T
    times = np.asarray(video.time_ns)
    positions = np.stack([np.interp(times[kept], times[key], place[:, axis]) for axis in range(3)], axis=-1)
    camera = Camera(848, 480, 405.0, 405.0, 423.5, 239.5, Distortion.KANNALA_BRANDT, (0.0,) * 4)
    poses = make_transform(oriented[kept, :3, :3], positions)
    return recording("gopro", video, camera, times[kept], poses)


def opened(folder: Path, trajectory: Path | None = None) -> list[Recording]:
    options = SourceOptions(trajectory)
    return [open_recording(ref, options) for ref in find_recordings(folder, options)]


def opened_number(simulated: Path, shared: Path, number: int) -> Recording:
    """One of all recordings; each worker opens its own."""
    if number == 0:
        return gopro(shared / "gopro_max")
    if number == 1:
        return hololens(shared / "hololens")
    if number == 2:
        return opened(shared / "aria_gen1_adt", shared / "aria_gen1_adt" / "aria_trajectory.csv")[0]
    if number == 3:
        return opened(shared / "aria_gen2")[0]
    return opened(simulated)[number - 4]


def all_mistakes(right: Recording) -> Iterator[Mistake]:
    yield Mistake("right", right, None)
    yield Mistake("noise of 0.5 degrees", with_noise(right, 0.5, 0), None)
    yield Mistake("noise of 2 degrees", with_noise(right, 2.0, 1), None)
    yield Mistake("run backwards", time_reversed(right), None)
    yield from pose_mistakes(right)
    yield from time_mistakes(right)
    yield from lens_mistakes(right)


def checked(simulated: Path, shared: Path, number: int) -> list[tuple[str, str, str, float, str]]:
    cv2.setNumThreads(1)
    right = opened_number(simulated, shared, number)
    result = []
    for mistake in all_mistakes(right):
        begun = time.process_time()
        found = check_poses(mistake.recording, max_gap_ns=100_000_000, tolerance_ns=5_000_000)
        verdict = judged(mistake, found)
        if mistake.name == "right" and found.decision.finding not in (Finding.RIGHT, Finding.ROTATIONS_RIGHT):
            verdict = "missed"
        line = f"{found.decision.finding} c {found.rotation_deg} best {found.best_rotation_deg} D {found.direction_deg}"
        result.append((right.recording_id, mistake.name, verdict, time.process_time() - begun, line))
    return result


def test_every_mistake_is_named_and_no_right_recording_called_wrong(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyvrs")
    settings = [
        RecordingSettings(
            seed=7, split="", index=index, duration_s=6.0, fps=10, width_px=320, height_px=240, sample_rate_hz=16000
        )
        for index in range(SIMULATED)
    ]
    assert len(list(generate([(tmp_path, one) for one in settings], 2))) == SIMULATED
    with ProcessPoolExecutor(2) as pool:
        results = [
            row for rows in pool.map(partial(checked, tmp_path, shared_data), range(4 + SIMULATED)) for row in rows
        ]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for name, mistake, verdict, cpu_s, line in results:
        table[mistake][verdict] += 1
        if verdict != "named":
            print(f"{name}: {mistake}: {verdict} ({line}, {cpu_s:.1f} CPU s)")
    words = ("named", "tied", "not testable", "missed", "wrong")
    print("| mistake |", " | ".join(words), "|\n|---|" + "---:|" * len(words))
    for mistake, count in table.items():
        print(f"| {mistake} |", " | ".join(str(count[word]) for word in words), "|")
    made = [count for mistake, count in table.items() if mistake not in (*RIGHT, "run backwards")]
    total: Counter[str] = sum(made, Counter())
    right_s = [cpu_s for _, mistake, _, cpu_s, _ in results if mistake == "right"]
    any_s = [cpu_s for _, _, _, cpu_s, _ in results]
    print(f"mistakes: {dict(total)}")
    print(f"CPU s of a right recording: median {np.median(right_s):.2f}, most {max(right_s):.2f}")
    print(f"CPU s of any: median {np.median(any_s):.2f}, most {max(any_s):.2f}")
    assert all(table[name]["wrong"] == 0 for name in (*RIGHT, "run backwards"))
    assert table["right"]["named"] == 4 + SIMULATED
    assert total["wrong"] == 0
    assert total["named"] >= 0.98 * (total.total() - total["not testable"])
