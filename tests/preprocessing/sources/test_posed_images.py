"""The layout *posed_images*: pictures with a matrix each, against poses that SciPy computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
    true_pose,
    write_picture,
)

CAMERA = f"[camera]\nwidth = {WIDTH_PX}\nheight = {HEIGHT_PX}\nfx = {FX}\nfy = {FY}\ncx = {CX}\ncy = {CY}\n"
RATE = f"[pictures]\nrate_hz = {FPS}\n"


def seven_scenes(folder: Path, *, rig: str = RIG + CAMERA + RATE, colour: str = ".color.png") -> Path:
    """Pictures, depth and poses as 7-Scenes has them."""
    for k in range(FRAMES):
        write_picture(folder / f"frame-{k:06d}{colour}", k)
        (folder / f"frame-{k:06d}.depth.png").write_bytes(b"not read")
        np.savetxt(folder / f"frame-{k:06d}.pose.txt", true_pose(k), delimiter="\t ", fmt="%.9e")
    (folder / "rig.toml").write_text(rig)
    return folder


def hololens(folder: Path, *, rig: str = RIG + RATE) -> Path:
    """Pictures, a list of poses and a camera matrix."""
    for k in range(FRAMES):
        write_picture(folder / "images" / f"{k + 3:05d}.png", k)
    np.savetxt(folder / "poses.txt", [true_pose(k).ravel() for k in range(FRAMES)])
    np.savetxt(folder / "K.txt", [[FX, 0, CX], [0, FY, CY], [0, 0, 1]])
    (folder / "rig.toml").write_text(rig)
    return folder


@pytest.mark.parametrize("colour", [".color.png", ".rgb.png", ".png"])
def test_seven_scenes_become_pairs_with_true_labels(tmp_path: Path, colour: str) -> None:
    folder = seven_scenes(tmp_path / "chess" / "seq-01", colour=colour)
    (folder / "rig.toml").rename(tmp_path / "chess" / "rig.toml")
    assert detect_layout(tmp_path / "chess") is Layout.POSED_IMAGES
    rows = check_pairs(tmp_path / "chess", tmp_path / "out")
    assert set(rows["recording_id"]) == {"seq-01"}
    assert set(rows["scale"]) == {"metric"}
    assert rows["audio_a"].isna().all()
    np.testing.assert_allclose(rows[["fx_px", "fy_px", "cx_px", "cy_px"]], np.tile([FX, FY, CX, CY], (len(rows), 1)))


def test_a_list_of_poses_and_a_camera_matrix(tmp_path: Path) -> None:
    rows = check_pairs(hololens(tmp_path / "walk"), tmp_path / "out")
    np.testing.assert_allclose(rows[["fx_px", "fy_px", "cx_px", "cy_px"]], np.tile([FX, FY, CX, CY], (len(rows), 1)))
    rig = RIG + RATE + "pixel_centre = 0.5\n"
    camera = open_only(hololens(tmp_path / "walk", rig=rig)).camera
    assert (camera.cx_px, camera.cy_px) == (CX - 0.5, CY - 0.5)


def test_pictures_that_lie_on_their_side_are_turned_with_their_poses(tmp_path: Path) -> None:
    rig = RIG + 'axes_of = "sensor"\n' + CAMERA + "turn_deg = 270\n" + RATE
    recording = open_only(seven_scenes(tmp_path, rig=rig))
    assert recording.camera.quarter_turns_cw == 3
    label = np.linalg.inv(recording.trajectory.T_world_camera[0]) @ recording.trajectory.T_world_camera[20]
    # A turn counter-clockwise carries the stored picture's right to the upright one's top.
    turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    expected = np.linalg.inv(true_pose(0)) @ true_pose(20)
    np.testing.assert_allclose(label[:3, :3], turn @ expected[:3, :3] @ turn.T, atol=1e-6)
    np.testing.assert_allclose(label[:3, 3], turn @ expected[:3, 3], atol=1e-6)


def test_what_is_missing_is_one_line(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path, rig=RIG + RATE)
    with pytest.raises(InputError, match=r"rig.toml: found no camera, expected \[camera\] with width"):
        open_only(folder)
    (folder / "rig.toml").write_text(RIG + CAMERA)
    with pytest.raises(InputError, match=r"nothing that says when they were taken, expected pictures.rate_hz"):
        open_only(folder)


def test_lost_poses_and_missing_pictures_are_said(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path)
    np.savetxt(folder / "frame-000004.pose.txt", np.full((4, 4), np.inf))
    (folder / "frame-000006.color.png").unlink()
    recording = open_only(folder)
    check_poses(recording)
    assert len(recording.trajectory.time_ns) == FRAMES - 2
    assert any("1 poses that tracking lost are left out" in note for note in recording.notes)
    assert any("1 of 39 pictures are missing, such as frame-000006" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"frame-000004.pose.txt: found '', expected 16 numbers"),
        ("1 0 0 0\n0 1 0 0\n0 0 1 0\n", r"found 12 numbers, expected 16"),
        ("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 one", r"expected 16 numbers"),
        ("1 0 0 0\n0 1 0 0\n0 0 -1 0\n0 0 0 1", r"pose.txt: found a matrix that is not rigid"),
        ("1 0 0 0\n0 1 0 0\n0 0 1 0\n1 2 3 1", r"pose.txt: found a matrix that is not rigid"),
    ],
)
def test_bad_pose_files_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    folder = seven_scenes(tmp_path)
    (folder / "frame-000004.pose.txt").write_text(text)
    with pytest.raises(AvbenchError, match=message) as error:
        open_only(folder)
    assert "\n" not in str(error.value)


def test_a_list_of_another_length_and_two_kinds_of_poses_are_refused(tmp_path: Path) -> None:
    folder = hololens(tmp_path)
    (folder / "images" / "00003.png").unlink()
    with pytest.raises(InputError, match=r"poses.txt: found 40 poses, expected 39, one for each picture in images"):
        open_only(folder)
    (folder / "00001.pose.txt").write_text("1")
    with pytest.raises(InputError, match=r"found poses.txt and 00001.pose.txt, expected one kind of poses"):
        open_only(folder)
    (folder / "00001.pose.txt").unlink()
    (folder / "K.txt").write_text("1 2 3")
    write_picture(folder / "images" / "00003.png", 0)
    with pytest.raises(InputError, match=r"K.txt: found 3 numbers, expected 9"):
        open_only(folder)


def test_a_picture_that_does_not_decode_costs_its_pairs_only(tmp_path: Path) -> None:
    folder = seven_scenes(tmp_path / "a")
    (folder / "frame-000007.color.png").write_bytes(b"\x89PNG cut off")
    check_pairs(folder, tmp_path / "out")
