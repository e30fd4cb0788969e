"""Poses against pictures from files: a refusal with the setting that helps, and what the manifest says."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation, invert_transform
from avbench.preprocessing.cli.prepare import prepare
from textured_recording import CAMERA, FPS, FRAMES, motion, paint

POSES = motion(np.arange(FRAMES) / FPS)
RIG = f"""licence = "CC0-1.0"
group = "walls"
[camera]
width = {CAMERA.width_px}
height = {CAMERA.height_px}
fx = {CAMERA.fx_px}
fy = {CAMERA.fy_px}
cx = {CAMERA.cx_px}
cy = {CAMERA.cy_px}
[trajectory]
scale = "metric"
"""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "walls.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=round(FPS), options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = CAMERA.width_px, CAMERA.height_px, "yuv420p"
        for number, T in enumerate(POSES):
            frame = av.VideoFrame.from_ndarray(paint(T), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, round(FPS))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tum(T: FloatArray, *, w_first: bool = False, shift_s: float = 0.0) -> str:
    quaternion = Rotation.from_matrix(T[:, :3, :3]).as_quat()
    if w_first:
        quaternion = quaternion[:, [3, 0, 1, 2]]
    numbers = np.hstack([np.arange(FRAMES)[:, None] / FPS + shift_s, T[:, :3, 3], quaternion])
    return "\n".join(" ".join(f"{value:.9f}" for value in row) for row in numbers) + "\n"


def numbered(T: FloatArray, *, first: int) -> str:
    rows = tum(T).splitlines()[: FRAMES - 1]
    lines = [",".join([str(first + index), *row.split()[1:]]) for index, row in enumerate(rows)]
    return "\n".join(["frame,tx,ty,tz,qx,qy,qz,qw", *lines]) + "\n"


def run(folder: Path, video: Path, name: str, poses: str, *options: str, rig: str = "") -> Result:
    source = folder / "recordings"
    source.mkdir(exist_ok=True)
    (source / "walls.mp4").write_bytes(video.read_bytes())
    (source / name).write_text(poses, encoding="utf-8")
    (source / "walls.toml").write_text(RIG + rig, encoding="utf-8")
    arguments = [str(source), "-o", str(folder / "data"), "--audio", "optional", "--jobs", "1", "--split", "test"]
    return CliRunner().invoke(prepare, [*arguments, "--max-pose-gap", "0.15", *options])


def pose_check(folder: Path) -> dict[str, object]:
    manifest = json.loads((folder / "data" / "manifest.json").read_text(encoding="utf-8"))
    return dict(manifest["recordings"][0]["pose_check"])


def opengl(T: FloatArray) -> FloatArray:
    return T @ np.diag([1.0, -1.0, -1.0, 1.0])


def quarter(T: FloatArray) -> FloatArray:
    turned = T.copy()
    turned[:, :3, :3] = T[:, :3, :3] @ axis_rotation("z", 90.0)
    return turned


@pytest.mark.parametrize(
    ("name", "poses", "setting"),
    [
        ("walls.tum", lambda: tum(POSES, w_first=True), '"qw", "qx", "qy", "qz"]'),
        ("walls.tum", lambda: tum(invert_transform(POSES)), 'trajectory.transform = "camera_world"'),
        ("walls.tum", lambda: tum(opengl(POSES)), 'trajectory.axes = "opengl"'),
        ("walls.tum", lambda: tum(quarter(POSES)), "camera.turn_deg"),
        ("walls.tum", lambda: tum(POSES, shift_s=0.2), "time.trajectory_offset_s = -0.2"),
        ("walls.csv", lambda: numbered(POSES, first=1), "trajectory.frames_from = 1"),
    ],
    ids=["w_first", "inverse", "opengl", "quarter_turn", "clock", "counted_from_1"],
)
def test_the_refusal_names_the_setting(
    video: Path, tmp_path: Path, name: str, poses: Callable[[], str], setting: str
) -> None:
    result = run(tmp_path, video, name, poses())
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("  refused ")]
    assert "walls: trajectory: found poses that the pictures contradict" in line
    assert setting in line
    assert not (tmp_path / "data" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("name", "poses", "rig"),
    [
        (
            "walls.tum",
            lambda: tum(POSES, w_first=True),
            'columns = ["t_s", "tx", "ty", "tz", "qw", "qx", "qy", "qz"]\n',
        ),
        ("walls.tum", lambda: tum(invert_transform(opengl(POSES))), 'transform = "camera_world"\naxes = "opengl"\n'),
        ("walls.csv", lambda: numbered(POSES, first=1), "frames_from = 1\n"),
    ],
    ids=["w_first", "inverse_opengl", "counted_from_1"],
)
def test_with_the_setting_the_recording_comes_out(
    video: Path, tmp_path: Path, name: str, poses: Callable[[], str], rig: str
) -> None:
    result = run(tmp_path, video, name, poses(), rig=rig)
    assert result.exit_code == 0, result.output
    assert pose_check(tmp_path)["finding"] == "right"


def test_a_note_instead_of_a_refusal_and_no_check_at_all(video: Path, tmp_path: Path) -> None:
    wrong = tum(POSES, w_first=True)
    noted = run(tmp_path, video, "walls.tum", wrong, "--check-poses", "note")
    assert noted.exit_code == 0
    check = pose_check(tmp_path)
    assert check["finding"] == "other_reading"
    assert check["readings"] == ["quaternions with w first"]
    card = (tmp_path / "data" / "README.md").read_text(encoding="utf-8")
    assert "another reading of the poses fits, this one does not | 1 |" in card
    manifest = json.loads((tmp_path / "data" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["checks"] == {"poses": "note"}
    assert any("the pictures contradict the poses" in note for note in manifest["recordings"][0]["notes"])
    off = run(tmp_path, video, "walls.tum", wrong, "--check-poses", "off", "--remake")
    assert off.exit_code == 0
    assert pose_check(tmp_path)["finding"] == "off"


def test_the_rig_file_is_followed_rather_than_the_option(video: Path, tmp_path: Path) -> None:
    result = run(tmp_path, video, "walls.tum", tum(POSES, w_first=True), rig='check_poses = "off"\n')
    assert result.exit_code == 0
    assert pose_check(tmp_path)["finding"] == "off"
