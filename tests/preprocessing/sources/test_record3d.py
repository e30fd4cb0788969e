"""The layout *record3d*, against poses that SciPy computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.sources.common.ref import Layout
from avbench.preprocessing.sources.find import detect_layout
from named_scenes import (
    CX,
    CY,
    FPS,
    FRAMES,
    FX,
    FY,
    HEIGHT_PX,
    RIG,
    WIDTH_PX,
    check_pairs,
    check_poses,
    open_only,
    opengl_pose,
    true_label,
    write_picture,
)


def metadata(**changes: Any) -> dict[str, Any]:
    poses = []
    for k in range(FRAMES):
        T = opengl_pose(k)
        poses.append([*Rotation.from_matrix(T[:3, :3]).as_quat().tolist(), *T[:3, 3].tolist()])
    by_columns = [FX, 0, 0, 0, FY, 0, CX + 0.5, CY + 0.5, 1]
    return {"w": WIDTH_PX, "h": HEIGHT_PX, "fps": FPS, "K": by_columns, "poses": poses, "dw": 192, "dh": 256, **changes}


def scene(folder: Path, content: dict[str, Any] | None = None, *, rig: str = RIG, packed: bool = False) -> Path:
    for k in range(FRAMES):
        write_picture(folder / ("rgbd" if packed else "rgb") / f"{k}.jpg", k)
    name = "metadata" if packed else "metadata.json"
    (folder / name).write_text(json.dumps(metadata() if content is None else content))
    (folder / "rig.toml").write_text(rig)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_an_export_becomes_pairs_with_true_labels(tmp_path: Path, packed: bool) -> None:
    folder = scene(tmp_path / "walk", packed=packed)
    assert detect_layout(folder) is Layout.RECORD3D
    rows = check_pairs(folder, tmp_path / "out")
    assert set(rows["scale"]) == {"metric"}
    np.testing.assert_allclose(rows[["fx_px", "fy_px", "cx_px", "cy_px"]], np.tile([FX, FY, CX, CY], (len(rows), 1)))


def test_up_is_the_y_of_the_world(tmp_path: Path) -> None:
    trajectory = open_only(scene(tmp_path)).trajectory
    assert trajectory.up_world is not None
    up = trajectory.T_world_camera[0, :3, :3].T @ trajectory.up_world
    np.testing.assert_allclose(up, np.diag([1, -1, -1]) @ opengl_pose(0)[:3, :3].T @ [0, 1, 0], atol=1e-9)


def test_stamps_go_before_the_rate_and_a_matrix_by_rows_is_seen(tmp_path: Path) -> None:
    stamps = [1234.5 + k / FPS for k in range(FRAMES)]
    by_rows = [FX, 0, CX + 0.5, 0, FY, CY + 0.5, 0, 0, 1]
    recording = open_only(scene(tmp_path, metadata(frameTimestamps=stamps, fps=60, K=by_rows)))
    check_poses(recording)
    assert recording.frames.time_ns[0] == 1234_500_000_000
    assert (recording.camera.cx_px, recording.camera.cy_px) == (CX, CY)


def test_intrinsics_of_each_frame_go_before_the_matrix(tmp_path: Path) -> None:
    rows = [[FX * (1 + 0.001 * (k % 3 - 1)), FY, CX + 0.5, CY + 0.5] for k in range(FRAMES)]
    recording = open_only(scene(tmp_path, metadata(perFrameIntrinsicCoeffs=rows, K=[1] * 9)))
    assert recording.camera.fx_px == pytest.approx(FX, rel=1e-3)
    assert any("their median is used" in note for note in recording.notes)


# The upright picture's x is the sensor's -y, its y the sensor's x.
CLOCKWISE = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    "rig",
    [
        RIG + "[camera]\nturn_deg = 90\n",  # pictures lie on their side as the poses do: both are turned
        RIG + "[pictures]\npose_turn_deg = 90\n",  # the app turned the pictures, the poses are of the sensor
    ],
)
def test_poses_of_the_sensor_are_turned_to_the_upright_picture(tmp_path: Path, rig: str) -> None:
    T = open_only(scene(tmp_path, rig=rig)).trajectory.T_world_camera
    label = np.linalg.inv(T[0]) @ T[20]
    rotation, translation = true_label(0, 20)
    np.testing.assert_allclose(label[:3, :3], CLOCKWISE @ rotation @ CLOCKWISE.T, atol=2e-6)
    np.testing.assert_allclose(label[:3, 3], CLOCKWISE @ translation, atol=2e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poses": []}, "poses: found no poses"),
        ({"poses": [[1, 0, 0, 0, 0, 0]] * 3}, "poses: found 6 numbers in pose 0, expected qx, qy, qz, qw"),
        ({"poses": [[1, 1, 0, 0, 0, 0, 0]] * 3}, r"poses\[0\]: found a quaternion of length 1.41421"),
        ({"K": [1, 2]}, "K: found 2 numbers, expected 9"),
        ({"frameTimestamps": [0.0]}, "frameTimestamps: found 1 values, expected 40, one for each pose"),
        ({"frameTimestamps": [0.0] * FRAMES}, "found '0' and '1' at one moment"),
        ({"perFrameIntrinsicCoeffs": [[1, 2, 3]] * FRAMES}, r"perFrameIntrinsicCoeffs\[0\]: found 3 numbers"),
        ({"fps": 0}, "fps: found 0, expected pictures a second"),
        ({"w": 100}, "found a camera of 100 x 96 px, expected the size of the pictures"),
    ],
)
def test_bad_metadata_is_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AvbenchError, match=message) as error:
        open_only(scene(tmp_path, metadata(**changes)))
    assert "\n" not in str(error.value)


def test_no_pictures_are_one_line(tmp_path: Path) -> None:
    folder = scene(tmp_path)
    for path in (folder / "rgb").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"poses of 40 pictures such as 0, and neither they nor a video"):
        open_only(folder)


def test_a_packed_recording_names_the_way_on(tmp_path: Path) -> None:
    (tmp_path / "kitchen.r3d").write_bytes(b"PK")
    for source in (tmp_path, tmp_path / "kitchen.r3d"):
        with pytest.raises(InputError, match=r"found a packed recording of Record3D, .* unzip kitchen.r3d -d kitchen"):
            detect_layout(source)
