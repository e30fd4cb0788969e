"""The layout *nerf*: `transforms.json`, against poses that SciPy computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.recording.recording import Distortion
from avbench.preprocessing.sources.common.ref import Layout
from avbench.preprocessing.sources.find import detect_layout
from avbench.preprocessing.sources.nerf.layout import read_transforms
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
    write_clip,
    write_picture,
    write_wav,
)

TOP: dict[str, Any] = {
    "camera_model": "OPENCV",
    "fl_x": FX,
    "fl_y": FY,
    "cx": CX + 0.5,
    "cy": CY + 0.5,
    "w": WIDTH_PX,
    "h": HEIGHT_PX,
}
SCALE = 0.2
APPLIED = np.array([[0.0, 1.0, 0.0, 0.7], [1.0, 0.0, 0.0, -0.2], [0.0, 0.0, -1.0, 0.4], [0.0, 0.0, 0.0, 1.0]])


def document(frames: dict[str, int], applied: bool = False, **top: Any) -> dict[str, Any]:
    """Transforms of pictures; with nerfstudio's change of the world, if `applied`."""
    entries = []
    for name, frame in frames.items():
        matrix = opengl_pose(frame)
        if applied:
            matrix[:3, 3] *= SCALE
            matrix = APPLIED @ matrix
        entries.append({"file_path": name, "transform_matrix": matrix.tolist()})
    world = {"applied_transform": APPLIED[:3].tolist()} if applied else {}
    return {**TOP, **world, **top, "frames": entries}


def names(step: int = 1) -> dict[str, int]:
    return {f"images/frame_{k:05d}.png": k * step for k in range((FRAMES - 1) // step + 1)}


def scene(folder: Path, content: dict[str, Any] | None = None, *, rig: str = RIG + "[pictures]\nfirst = 0\n") -> Path:
    write_clip(folder / "clip.mp4")
    (folder / "transforms.json").write_text(json.dumps(document(names()) if content is None else content))
    (folder / "rig.toml").write_text(rig)
    return folder


def test_transforms_beside_a_video_become_pairs_with_true_labels(tmp_path: Path) -> None:
    assert detect_layout(scene(tmp_path / "walk")) is Layout.NERF
    rows = check_pairs(tmp_path / "walk", tmp_path / "out")
    assert set(rows["scale"]) == {"unknown"}
    np.testing.assert_allclose(rows[["fx_px", "fy_px", "cx_px", "cy_px"]], np.tile([FX, FY, CX, CY], (len(rows), 1)))


def test_what_was_applied_to_the_world_is_undone(tmp_path: Path) -> None:
    # nerfstudio scales positions first, then turns the world: T' = A [R | s t].
    poses = read_transforms([scene(tmp_path, document(names(), applied=True)) / "transforms.json"])
    expected = np.stack([opengl_pose(frame) for frame in names().values()])
    expected[:, :3, 3] *= SCALE
    np.testing.assert_allclose(poses.poses, expected, atol=1e-12)
    check_poses(open_only(tmp_path), unit=SCALE)
    scaled = document(names(), applied=True, applied_scale=SCALE)
    (tmp_path / "transforms.json").write_text(json.dumps(scaled))
    check_poses(open_only(tmp_path))


def test_rwavs_parts_are_one_recording_with_binaural_sound(tmp_path: Path) -> None:
    frames = {f"./frames/{k + 1:05d}.png": k for k in range(FRAMES)}
    folder = tmp_path / "release" / "3"
    for name, frame in frames.items():
        write_picture(folder / name, frame)
    train = {name: frame for name, frame in frames.items() if frame % 5}
    val = {name: frame for name, frame in frames.items() if not frame % 5}
    for part, content in (("train", train), ("val", val)):
        (folder / f"transforms_{part}.json").write_text(json.dumps(document(content)))
    for name in ("binaural_syn_re.wav", "source_syn_re.wav"):
        write_wav(folder / name)
    rig = f"{RIG}[pictures]\nfirst = 1\nrate_hz = {FPS}\n"
    (folder / "rig.toml").write_text(rig)
    with pytest.raises(InputError, match=r"2 sound files \(binaural_syn_re.wav, source_syn_re.wav\)"):
        open_only(tmp_path)
    sound = 'sound = "binaural_syn_re.wav"\n[microphones]\narray_kind = "binaural"\n'
    (folder / "rig.toml").write_text(rig + sound)
    rows = check_pairs(tmp_path, tmp_path / "out", audio="required")
    assert set(rows["array_kind"]) == {"binaural"}
    assert set(rows["recording_id"]) == {"release/3"}


def test_intrinsics_of_each_frame(tmp_path: Path) -> None:
    content = document(names())
    for k, frame in enumerate(content["frames"]):
        frame |= {"fl_x": FX * (1 + 0.004 * (k % 3 - 1)), "fl_y": FY}
    del content["fl_x"], content["fl_y"]
    recording = open_only(scene(tmp_path, content))
    assert recording.camera.fx_px == pytest.approx(FX, rel=1e-3)
    assert any("change from picture to picture by up to 0.4 %; their median is used" in n for n in recording.notes)
    content["frames"][3]["fl_x"] = 1.2 * FX
    with pytest.raises(InputError, match="found 4 cameras that differ, expected one camera"):
        open_only(scene(tmp_path, content))


def test_a_field_of_view_and_no_centre_stand_for_the_middle_of_the_picture(tmp_path: Path) -> None:
    content = document(names(), camera_angle_x=2 * np.arctan(WIDTH_PX / 2 / FX))
    for name in ("fl_x", "fl_y", "cx", "cy", "camera_model"):
        del content[name]
    camera = open_only(scene(tmp_path, content)).camera
    found = (camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
    np.testing.assert_allclose(found, (FX, FX, (WIDTH_PX - 1) / 2, (HEIGHT_PX - 1) / 2))


def test_lens_models_and_a_stated_pixel_centre(tmp_path: Path) -> None:
    camera = open_only(scene(tmp_path, document(names(), k1=-0.1, k2=0.02, p1=1e-3, p2=-1e-3))).camera
    assert (camera.distortion, camera.coefficients) == (Distortion.BROWN_CONRADY, (-0.1, 0.02, 1e-3, -1e-3))
    fisheye = document(names(), camera_model="OPENCV_FISHEYE", k1=0.05, k2=-0.01, k3=1e-3, k4=2e-3)
    rig = RIG + "[pictures]\nfirst = 0\npixel_centre = 0.0\n"
    camera = open_only(scene(tmp_path, fisheye, rig=rig)).camera
    assert (camera.distortion, camera.coefficients) == (Distortion.KANNALA_BRANDT, (0.05, -0.01, 1e-3, 2e-3))
    assert (camera.cx_px, camera.cy_px) == (CX + 0.5, CY + 0.5)


def _without(content: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != key}


def _with_frame(key: str, value: Any) -> dict[str, Any]:
    content = document(names())
    content["frames"][2][key] = value
    return content


MIRROR = np.diag([1.0, 1.0, -1.0, 1.0]).tolist()
SHEARED = (np.eye(4) + 0.1).tolist()
BAD: list[tuple[Any, str]] = [
    ({}, r"transforms.json: frames: found nothing"),
    (document({}), r"found no frames, expected one for each picture"),
    (_without(document(names()), "fl_x"), r"frames\[0\]: fl_x: found nothing, expected fl_x, or camera_angle_x"),
    (document(names(), w=100.5), r"frames\[0\]: w, h: found 100.5, 96, expected whole numbers"),
    (
        document(names(), camera_model="EQUIRECTANGULAR"),
        r"camera_model: found 'EQUIRECTANGULAR', expected one of",
    ),
    (document(names(), applied_transform=MIRROR), r"applied_transform: found no rigid matrix"),
    (document(names(), applied_scale=0.0), r"applied_scale: found 0, expected a factor above 0"),
    (_with_frame("transform_matrix", [[1, 2]]), r"frames\[2\]: transform_matrix: found \[\[1, 2\]\], expected 4 rows"),
    (_with_frame("transform_matrix", SHEARED), r"frames\[2\]: found a matrix that is not rigid"),
    (_with_frame("transform_matrix", MIRROR), r"frames\[2\]: found a matrix that is not rigid"),
    (_with_frame("file_path", 7), r"frames\[2\]: file_path: found 7, expected the path of a picture"),
    (_with_frame("file_path", "images/frame_00001.png"), r"frames\[2\]: found images/frame_00001.png for the second"),
    (_with_frame("fl_x", "wide"), r"frames\[2\]: fl_x: found 'wide', expected a number"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_bad_files_are_one_line(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    with pytest.raises(AvbenchError, match=message) as error:
        open_only(scene(tmp_path, content))
    assert "\n" not in str(error.value)


def test_a_file_cut_off_is_one_line(tmp_path: Path) -> None:
    whole = (scene(tmp_path) / "transforms.json").read_text()
    for length in range(0, len(whole), len(whole) // 20):
        (tmp_path / "transforms.json").write_text(whole[:length])
        with pytest.raises(AvbenchError, match=r"transforms\.json"):
            open_only(tmp_path)


def test_a_gauge_makes_no_difference(tmp_path: Path) -> None:
    # The world moved as a whole: every label stays.
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = Rotation.from_rotvec([0.4, -1.0, 0.3]).as_matrix(), [7.0, 8.0, -9.0]
    content = document(names())
    for frame in content["frames"]:
        frame["transform_matrix"] = (moved @ np.array(frame["transform_matrix"])).tolist()
    check_poses(open_only(scene(tmp_path, content)))
