"""Rig files: what they say, what they must say, and how a mistake in them is told."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.streams import StreamChoice
from avbench.preprocessing.recording.pose_convention import CameraAxes, PoseTransform, TimeUnit
from avbench.preprocessing.recording.recording import ArrayKind, Distortion, Scale, UpSource
from avbench.preprocessing.sources.common import rig_file
from avbench.preprocessing.sources.common.rig_file import FIELDS, RigFile, read_rig

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "folder_layout.md"
CAMERA = "[camera]\nwidth = 640\nheight = 480\nfx = 500.5\nfy = 501\ncx = 320\ncy = 240.25\n"


def read(folder: Path, text: str, common: str | None = None) -> RigFile:
    files = []
    for name, content in (("rig.toml", common), ("walk.toml", text)):
        if content is not None:
            (folder / name).write_text(content, encoding="utf-8")
            files.append(folder / name)
    return read_rig(files)


def test_the_camera_is_enough(tmp_path: Path) -> None:
    rig = read(tmp_path, CAMERA)
    assert (rig.camera.width_px, rig.camera.height_px) == (640, 480)
    np.testing.assert_array_equal(rig.camera.matrix, [[500.5, 0, 320], [0, 501, 240.25], [0, 0, 1]])
    assert rig.camera.distortion is Distortion.NONE
    assert rig.camera.coefficients == ()
    assert (rig.array_kind, rig.mic_positions_m, rig.up_source) == (None, None, None)
    assert (rig.licence, rig.group, rig.split, rig.sync_sigma_ns) == (None, None, None, None)
    assert rig.sound_offset_ns == 0
    assert rig.convention.transform is None
    assert rig.convention.scale is None


def test_everything(tmp_path: Path) -> None:
    rig = read(
        tmp_path,
        'licence = "CC-BY-4.0"\ngroup = "kitchen"\nsplit = "val"\n'
        + CAMERA
        + 'distortion = "kannala_brandt"\ncoefficients = [0.1, -0.2, 0, 4e-3]\n'
        + '[microphones]\narray_kind = "microphones"\npositions_m = [[0.1, 0, 0], [-0.1, 0.02, 0.3]]\n'
        + "[time]\ntrajectory_offset_s = -1700000000.123456789\nsound_offset_s = 0.25\nsync_sigma_s = 0.002\n"
        + '[trajectory]\ntransform = "body_world"\naxes = "ros_body"\ntime_unit = "us"\nscale = "metric"\n'
        + 'metres_per_unit = 0.001\npose_source = "mocap"\npose_sigma_deg = 0.1\nposition_sigma_m = 0.002\n'
        + "T_body_camera = [[0, 0, 1, 0.1], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]]\nworld_up = [0, 0, 2]\n",
    )
    assert (rig.licence, rig.group, rig.split) == ("CC-BY-4.0", "kitchen", "val")
    assert rig.camera.distortion is Distortion.KANNALA_BRANDT
    assert rig.camera.coefficients == (0.1, -0.2, 0.0, 0.004)
    assert rig.array_kind is ArrayKind.MICROPHONES
    assert rig.mic_positions_m is not None
    np.testing.assert_array_equal(rig.mic_positions_m, [[0.1, 0, 0], [-0.1, 0.02, 0.3]])
    assert rig.convention.offset_ns == -1_700_000_000_123_456_789
    assert rig.sound_offset_ns == 250_000_000
    assert rig.sync_sigma_ns == 2_000_000
    assert rig.up_source is UpSource.TRAJECTORY
    convention = rig.convention
    assert (convention.transform, convention.axes) == (PoseTransform.BODY_WORLD, CameraAxes.ROS_BODY)
    assert (convention.time_unit, convention.scale) == (TimeUnit.US, Scale.METRIC)
    assert (convention.metres_per_unit, convention.pose_source) == (0.001, "mocap")
    assert (convention.pose_sigma_deg, convention.position_sigma_m) == (0.1, 0.002)
    assert convention.T_body_camera is not None
    np.testing.assert_allclose(convention.T_body_camera[:3], [[0, 0, 1, 0.1], [-1, 0, 0, 0], [0, -1, 0, 0]])
    assert convention.up_world is not None
    np.testing.assert_array_equal(convention.up_world, [0, 0, 1])


@pytest.mark.parametrize(
    ("model", "count"), [("brown_conrady", 4), ("brown_conrady", 5), ("brown_conrady", 8), ("fisheye624", 12)]
)
def test_lens_models(tmp_path: Path, model: str, count: int) -> None:
    rig = read(tmp_path, CAMERA + f'distortion = "{model}"\ncoefficients = {[0.0] * count}\n')
    assert rig.camera.distortion == model
    assert len(rig.camera.coefficients) == count


def test_the_recordings_own_file_goes_before_the_common_one_field_by_field(tmp_path: Path) -> None:
    common = 'licence = "CC0-1.0"\ngroup = "house"\n' + CAMERA + '[trajectory]\nscale = "metric"\naxes = "opengl"\n'
    rig = read(tmp_path, 'group = "garden"\n[trajectory]\naxes = "unity"\n', common)
    assert (rig.licence, rig.group) == ("CC0-1.0", "garden")
    assert (rig.convention.scale, rig.convention.axes) == (Scale.METRIC, CameraAxes.UNITY)


def test_an_error_names_the_file_that_holds_the_field(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rig.toml: camera.fx: found -1, expected a focal length above 0 px"):
        read(tmp_path, 'group = "a"\n', CAMERA.replace("500.5", "-1"))
    with pytest.raises(InputError, match=r"walk.toml: camera.fx: found nothing, expected a number"):
        read(tmp_path, "", CAMERA.replace("fx = 500.5\n", ""))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # unknown fields
        (CAMERA + "focal = 3\n", r"camera.focal: found an unknown field"),
        (CAMERA + 'distorsion = "none"\n', r"camera.distorsion: .*; did you mean camera.distortion\?"),
        ('license = "MIT"\n' + CAMERA, r"license: .*; did you mean licence\?"),
        ("trajectory_offset_s = 1\n" + CAMERA, r"did you mean time.trajectory_offset_s\?"),
        (CAMERA + "[trajectory]\nsound_offset_s = 1\n", r"did you mean time.sound_offset_s\?"),
        (CAMERA + "[microphone]\npositions_m = []\n", r"microphone: .*; did you mean \[microphones\]\?"),
        ("camera = 3\n", r"camera: found 3, expected a table \[camera\]"),
        # missing and wrong types
        ("", r"camera.width: found nothing, expected a number; the camera needs width, height, fx, fy, cx and cy"),
        (CAMERA.replace("640", "640.5"), r"camera.width: found 640.5, expected a whole number of pixels"),
        (CAMERA.replace("640", "0"), r"camera.width: found 0, expected"),
        (CAMERA.replace("640", '"640"'), r"camera.width: found '640', expected a number"),
        (CAMERA.replace("640", "true"), r"camera.width: found true, expected a number"),
        (CAMERA.replace("500.5", "nan"), r"camera.fx: found NaN, expected a number"),
        (CAMERA.replace("500.5", "inf"), r"camera.fx: found Infinity, expected a number"),
        (CAMERA.replace("500.5", "1e999"), r"camera.fx: found 1E\+999, expected a number"),
        (CAMERA.replace("cx = 320", "cx = 640"), r"camera.cx: found 640, expected a place in the picture, 0 to 639"),
        ("licence = 3\n" + CAMERA, r"licence: found 3, expected a text of one line"),
        ('licence = ""\n' + CAMERA, r"licence: found ''"),
        ('group = "a\\nb"\n' + CAMERA, r"group: found 'a\\nb', expected a text of one line"),
        ('split = "validation"\n' + CAMERA, r"split: found 'validation', expected one of train, val, test"),
        # lens
        (CAMERA + 'distortion = "barrel"\n', r"camera.distortion: found 'barrel', expected one of none, brown_conrady"),
        (CAMERA + 'distortion = "brown_conrad"\n', r"did you mean brown_conrady\?"),
        (
            CAMERA + "coefficients = [0, 0, 0, 0]\n",
            r"camera.distortion: found nothing, expected the lens model of the 4",
        ),
        (CAMERA + 'distortion = "kannala_brandt"\n', r"coefficients: found 0 coefficients, expected 4 for kannala_br"),
        (
            CAMERA + 'distortion = "brown_conrady"\ncoefficients = [0, 0, 0, 0, 0, 0]\n',
            r"camera.coefficients: found 6 coefficients, expected 4 or 5 or 8 for brown_conrady",
        ),
        (CAMERA + 'distortion = "none"\ncoefficients = [0]\n', r"found 1 coefficients, expected 0 for none"),
        (CAMERA + 'coefficients = [0, "a"]\n', r"camera.coefficients: found \[0, 'a'\], expected n numbers"),
        # microphones
        (
            CAMERA + "[microphones]\npositions_m = [[0, 0]]\n",
            r"positions_m: found \[\[0, 0\]\], expected n x 3 numbers",
        ),
        (CAMERA + "[microphones]\npositions_m = []\n", r"positions_m: found \[\]"),
        (CAMERA + "[microphones]\npositions_m = [[30, 0, 0]]\n", r"positions_m: found one 30 m from the camera, expec"),
        (CAMERA + '[microphones]\narray_kind = "mono"\n', r"array_kind: found 'mono', expected one of microphones"),
        (
            CAMERA + '[microphones]\narray_kind = "ambisonic"\npositions_m = [[0, 0, 0]]\n',
            r"positions_m: found positions of ambisonic channels",
        ),
        # time and trajectory
        (CAMERA + "[time]\nsync_sigma_s = -1\n", r"time.sync_sigma_s: found -1, expected 0 or more"),
        (
            CAMERA + "[time]\nsound_offset_s = 1e12\n",
            r"time.sound_offset_s: found 1e\+12 s, expected a time in seconds",
        ),
        (CAMERA + "[trajectory]\nmetres_per_unit = 0\n", r"metres_per_unit: found 0, expected a length above 0"),
        (
            CAMERA + "[trajectory]\nposition_sigma = 0.1\nposition_sigma_m = 0.1\n",
            r"trajectory.position_sigma: found position_sigma_m too, expected one of them",
        ),
        (
            CAMERA + '[time]\nfirst_pose = "first_frame"\ntrajectory_offset_s = 0.1\n',
            r"time.first_pose: found trajectory_offset_s too",
        ),
        (CAMERA + '[time]\nfirst_pose = "zero"\n', r"time.first_pose: found 'zero', expected one of first_frame"),
        (CAMERA + "[trajectory]\ncolumns = [1, 2]\n", r"trajectory.columns: found \[1, 2\], expected a list of texts"),
        (CAMERA + "[trajectory]\nframes_from = 0.5\n", r"trajectory.frames_from: found 0.5, expected a whole number"),
        (CAMERA + "[trajectory]\nworld_up = [0, 0, 0]\n", r"world_up: found a vector of length 0"),
        (CAMERA + "[trajectory]\nworld_up = [0, 1]\n", r"world_up: found \[0, 1\], expected 3 numbers"),
        (
            CAMERA + "[trajectory]\nT_body_camera = [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]\n",
            r"T_body_camera: found a matrix that is not rigid",
        ),
        (
            CAMERA + "[trajectory]\nT_body_camera = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]\n",
            r"T_body_camera: found a matrix that is not rigid",
        ),
        (CAMERA + '[trajectory]\nscale = "meters"\n', r"scale: found 'meters', expected one of metric, unknown"),
        # no TOML
        (CAMERA + "fx = \n", r"walk.toml: found text that is not TOML \(.*line 8"),
        (CAMERA + "fx = 3\n", r"walk.toml: found text that is not TOML"),
        pytest.param("time = " + "9" * 5000, r"walk.toml: found text that is not TOML", id="a number of 5000 digits"),
        pytest.param("time = " + "[" * 5000, r"walk.toml: found (text|tables)", id="5000 open lists"),
    ],
)
def test_mistakes_are_told_with_file_and_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "walk.toml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "walk.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="bytes that are not UTF-8 text"):
        read_rig([tmp_path / "walk.toml"])


def examples() -> dict[str, str]:
    """The examples that users read: in the module's documentation and on the page."""
    found = {"module": "\n".join(re.findall(r"^    (.*)$|^$", rig_file.__doc__ or "", re.MULTILINE))}
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)):
        found[f"page {number}"] = block
    return found


@pytest.mark.parametrize("example", examples().items(), ids=lambda item: item[0])
def test_documented_examples_can_be_read(tmp_path: Path, example: tuple[str, str]) -> None:
    assert read(tmp_path, example[1]).camera.fx_px > 0


def test_every_field_and_choice_is_documented() -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    for table, fields in FIELDS.items():
        for name in fields:
            assert f"`{table + '.' if table else ''}{name}`" in page, name
    for kind in (PoseTransform, CameraAxes, TimeUnit, Scale, Distortion, ArrayKind, UpSource):
        for member in kind:
            assert f"`{member}`" in page, member


def test_streams(tmp_path: Path) -> None:
    for text, expected in (
        ("", StreamChoice()),
        ("video = 1\nsound = 0", StreamChoice(1, (0,))),
        ("sound = [3, 0]", StreamChoice(None, (3, 0))),
        ('sound = "join"', StreamChoice(joins_all=True)),
    ):
        path = tmp_path / "rig.toml"
        path.write_text(f"{CAMERA}[streams]\n{text}\n", encoding="utf-8")
        assert read_rig([path]).streams == expected


@pytest.mark.parametrize(
    "text", ["video = [0]", "video = -1", "sound = []", "sound = [0, 0]", 'sound = "all"', "sound = 1.5"]
)
def test_streams_that_make_no_sense(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(f"{CAMERA}[streams]\n{text}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"streams\.(video|sound): found .*expected the number of a stream"):
        read_rig([path])
