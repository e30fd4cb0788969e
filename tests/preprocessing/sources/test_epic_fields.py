"""The layout *epic_fields*, against poses that SciPy computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.recording.recording import Distortion
from avbench.preprocessing.sources.common.ref import Layout
from avbench.preprocessing.sources.find import detect_layout
from media_files import TICKS, write_video
from named_scenes import CX, CY, FPS, FX, FY, RIG, check_pairs, check_poses, open_only, world_to_camera, write_clip

# Of pictures half as wide and high, as the centre of the first pixel is at 0.5.
HALF = [FX / 2, FY / 2, (CX + 0.5) / 2, (CY + 0.5) / 2]
FRAMES = 40


def document(frames: dict[int, int], *, rows: bool = False, params: list[float] | None = None) -> dict[str, Any]:
    camera = {"id": 1, "model": "OPENCV", "width": 64, "height": 48, "params": [*HALF, *(params or [0.0] * 4)]}
    poses = {}
    for number, frame in frames.items():
        q, t = world_to_camera(frame)
        poses[f"frame_{number:010d}.jpg"] = [*q.tolist(), *t.tolist()]
    images = [[*pose, name] for name, pose in poses.items()] if rows else poses
    return {"camera": camera, "images": images, "points": [[0.0, 0.0, 0.0, 1, 2, 3]]}


def counted(step: int = 1) -> dict[int, int]:
    return {frame + 1: frame for frame in range(0, FRAMES, step)}


def scene(folder: Path, content: Any, *, rig: str = RIG) -> Path:
    folder.mkdir(exist_ok=True)
    write_clip(folder / "P01_01.MP4")
    (folder / "P01_01.json").write_text(json.dumps(content))
    (folder / "rig.toml").write_text(rig)
    return folder


@pytest.mark.parametrize("rows", [False, True])
def test_poses_beside_a_video_become_pairs_with_true_labels(tmp_path: Path, rows: bool) -> None:
    folder = scene(tmp_path / "P01", document(counted(), rows=rows), rig=RIG + "[pictures]\nfirst = 1\n")
    assert detect_layout(folder) is Layout.EPIC_FIELDS
    table = check_pairs(folder, tmp_path / "out")
    assert set(table["recording_id"]) == {"P01_01"}
    assert set(table["scale"]) == {"unknown"}
    # The distortion is zero, so that only the half pixel and the size come into the intrinsics.
    assert np.abs(table[["cx_px", "cy_px"]].to_numpy() - [CX, CY]).max() < 0.6


def test_the_camera_is_scaled_to_the_video_about_its_corner(tmp_path: Path) -> None:
    content = document(counted(), params=[-0.1, 0.02, 1e-3, -1e-3])
    camera = open_only(scene(tmp_path, content, rig=RIG + "[pictures]\nfirst = 1\n")).camera
    found = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
    np.testing.assert_allclose(found, (FX, FY, CX, CY))
    assert (camera.distortion, camera.coefficients) == (Distortion.BROWN_CONRADY, (-0.1, 0.02, 1e-3, -1e-3))


@pytest.mark.parametrize(("fps", "rate"), [(60 / 1.001, 60), (60.0, 60), (50.0, 50)])
def test_numbers_are_moments_of_a_60_hz_count_and_not_frames(tmp_path: Path, fps: float, rate: int) -> None:
    # At 59.94 frames a second, number 1501 at 25 s is frame 1499, not frame 1500.
    total = 1600
    write_video(tmp_path / "P01_01.MP4", [int(i / fps / TICKS) for i in range(total)], key_every=100, b_frames=0)
    numbers = [1, 301, 901, 1501]
    content = document({number: round((number - 1) / rate * fps) for number in numbers})
    (tmp_path / "P01_01.json").write_text(json.dumps(content))
    recording = open_only(tmp_path)
    index = np.searchsorted(recording.frames.time_ns, recording.trajectory.time_ns)
    assert index.tolist() == [round((number - 1) / rate * fps) for number in numbers]
    assert (index[-1] == 1500) == (fps in (60.0, 50.0))


def test_a_video_of_another_rate_needs_a_statement(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"found a video of {FPS} frames a second, expected 60 or 50"):
        open_only(scene(tmp_path, document(counted())))
    rig = RIG + f"[pictures]\nfirst = 1\nrate_hz = {FPS}\n"
    check_poses(open_only(scene(tmp_path, document(counted()), rig=rig)))


def test_a_missing_video_is_one_line_and_others_come_out(tmp_path: Path) -> None:
    folder = scene(tmp_path, document(counted()))
    (folder / "P01_01.MP4").unlink()
    with pytest.raises(InputError, match=r"P01_01.json: found no video beside it, expected P01_01.MP4"):
        open_only(folder)


def _with(key: str, value: Any) -> dict[str, Any]:
    return {**document(counted()), key: value}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_with("images", {}), "images: found no poses"),
        (_with("images", 7), "images: found int, expected poses by the name"),
        (
            _with("images", {"frame_1.jpg": [1, 0, 0, 0, 1, 2]}),
            r"images\[0\]: found \[1, 0, 0, 0, 1, 2\], expected \[qw",
        ),
        (_with("images", {"frame_1.jpg": [1, 1, 0, 0, 1, 2, 3]}), "frame_1.jpg: found a quaternion of length 1.41"),
        (_with("images", [[1, 0, 0, 0, 1, 2, 3, "a1.jpg"]] * 2), "images: found a1.jpg twice"),
        (_with("camera", {"model": "FOV", "width": 64, "height": 48, "params": [1] * 5}), "found camera model FOV"),
        (_with("camera", {"model": "OPENCV", "params": [1] * 8}), "camera.width: found nothing"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(AvbenchError, match=message) as error:
        open_only(scene(tmp_path, content, rig=RIG + "[pictures]\nfirst = 1\n"))
    assert "\n" not in str(error.value)


def test_a_file_cut_off_anywhere_is_named(tmp_path: Path) -> None:
    whole = (scene(tmp_path, document(counted()), rig=RIG + "[pictures]\nfirst = 1\n") / "P01_01.json").read_text()
    for length in (0, 5, 20, len(whole) // 2, len(whole) - 1):
        (tmp_path / "P01_01.json").write_text(whole[:length])
        with pytest.raises(AvbenchError, match=r"P01_01\.json: found no.*expected poses of EPIC Fields"):
            open_only(tmp_path)
