"""The aria layout as a whole: what comes out of real VRS files and the trajectories beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from aria_files import GEN1_TIMES_NS, STEP_TIMES_NS, wandering, write_mps
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import (
    FloatArray,
    axis_rotation,
    direction_error_deg,
    invert_transform,
    make_transform,
    relative_pose,
    rotation_angle_deg,
    rotation_error_deg,
)
from avbench.preprocessing.media.rectify import plan_rectification, project
from avbench.preprocessing.recording.recording import ArrayKind, Recording, Scale, UpSource
from avbench.preprocessing.recording.trajectory import interpolate
from avbench.preprocessing.sources.common.ref import Layout, SourceOptions
from avbench.preprocessing.sources.find import find_recordings, open_recording

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "aria_golden.json").read_text())
T_RAW_UPRIGHT_GEN1 = make_transform([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], [0, 0, 0])


@pytest.fixture(scope="module", autouse=True)
def _extra() -> None:
    pytest.importorskip("pyvrs", reason="needs the extra avbench[aria]")


@pytest.fixture(scope="module")
def gen2(shared_data: Path) -> Recording:
    (ref,) = find_recordings(shared_data / "aria_gen2", SourceOptions())
    return open_recording(ref, SourceOptions())


@pytest.fixture
def bare(shared_data: Path, tmp_path: Path) -> Path:
    """A folder with the Gen 1 recording and nothing beside it."""
    folder = tmp_path / "take"
    folder.mkdir()
    (folder / "video.vrs").symlink_to(shared_data / "aria_gen1_adt" / "video.vrs")
    return folder


def opened(source: Path, trajectory: Path | None = None) -> Recording:
    options = SourceOptions(trajectory)
    (ref,) = find_recordings(source, options)
    return open_recording(ref, options)


def labels(recording: Recording) -> FloatArray:
    """T_a_b of every frame and the first one."""
    poses = interpolate(recording.trajectory, recording.frames.time_ns, max_gap_ns=100_000_000, tolerance_ns=1_000_000)
    assert poses.valid.all()
    return relative_pose(poses.T_world_camera[:1], poses.T_world_camera)


# --- real recordings ----------------------------------------------------------------------------------------------


def test_gen2_recording(gen2: Recording) -> None:
    golden = GOLDEN["gen2"]
    assert gen2.recording_id == "aria_gen2/recording"
    assert gen2.source == "aria_gen2"
    assert gen2.frames.time_ns.tolist() == golden["frame_time_ns"]
    assert gen2.camera.quarter_turns_cw == 0
    assert gen2.trajectory.pose_source == "aria_on_device_vio"
    assert gen2.trajectory.scale is Scale.METRIC
    assert gen2.up_source is UpSource.TRAJECTORY
    expected = np.array(golden["vio_T_odometry_device"]) @ np.array(golden["T_device_camera"])
    np.testing.assert_allclose(gen2.trajectory.T_world_camera[golden["vio_index"]], expected, atol=1e-6)
    assert gen2.sound is not None
    assert gen2.rig is not None
    assert gen2.rig.array_kind is ArrayKind.MICROPHONES
    assert gen2.rig.mic_positions_m is not None
    in_device = np.array(golden["microphones_m"]["EVT_SS"])
    T_camera_device = invert_transform(golden["T_device_camera"])
    in_camera = in_device @ T_camera_device[:3, :3].T + T_camera_device[:3, 3]
    np.testing.assert_allclose(gen2.rig.mic_positions_m, in_camera, atol=2e-5)
    assert len(gen2.rig.mic_positions_m) == gen2.sound.channels == 7


def test_gen2_motion(gen2: Recording) -> None:
    pairs = labels(gen2)
    first_to_second, second_to_third = pairs[1], relative_pose(pairs[1], pairs[2])
    turns_deg = rotation_angle_deg(np.stack([first_to_second, second_to_third])[:, :3, :3])
    np.testing.assert_allclose(turns_deg, [15.6, 11.6], atol=0.1)
    baselines_m = np.linalg.norm([first_to_second[:3, 3], second_to_third[:3, 3]], axis=1)
    np.testing.assert_allclose(baselines_m, 0.057, atol=0.001)


def test_gen1_recording(shared_data: Path) -> None:
    folder = shared_data / "aria_gen1_adt"
    recording = opened(folder / "video.vrs", folder / "aria_trajectory.csv")
    assert recording.recording_id == "aria_gen1_adt/video"
    assert recording.source == "aria_gen1"
    assert recording.sound is None
    assert recording.rig is None
    assert recording.camera.quarter_turns_cw == 1
    assert recording.trajectory.pose_source == "given_trajectory"
    np.testing.assert_allclose(recording.trajectory.up_world, [0, 1, 0], atol=1e-12)
    early_ns = recording.trajectory.time_ns[0] - recording.frames.time_ns[0]
    assert 90_000 < early_ns < 110_000  # the first frame comes 0.1 ms before the first pose
    assert labels(recording).shape == (6, 4, 4)


@pytest.mark.parametrize("device", ["gen1", "gen2"])
def test_up_points_up_in_the_upright_picture(shared_data: Path, gen2: Recording, device: str) -> None:
    """A picture that was not turned, or turned the wrong way, has up along x."""
    if device == "gen2":
        recording = gen2
    else:
        folder = shared_data / "aria_gen1_adt"
        recording = opened(folder, folder / "aria_trajectory.csv")
    assert recording.trajectory.up_world is not None
    up_camera = recording.trajectory.T_world_camera[0, :3, :3].T @ recording.trajectory.up_world
    assert up_camera[1] < -0.85
    assert abs(up_camera[0]) < 0.1


@pytest.mark.parametrize("device", ["gen1", "gen2"])
def test_lens_equals_the_official_one(shared_data: Path, gen2: Recording, device: str) -> None:
    folder = shared_data / "aria_gen1_adt"
    recording = gen2 if device == "gen2" else opened(folder, folder / "aria_trajectory.csv")
    golden = GOLDEN[device]
    np.testing.assert_allclose(project(recording.camera, np.array(golden["points"])), golden["pixels"], atol=1e-9)


def visual_relative_pose(recording: Recording, a: int, b: int) -> tuple[FloatArray, FloatArray]:
    """Rotation and unit translation of T_a_b from the pictures alone: SIFT and an essential matrix."""
    rectification = plan_rectification(recording.camera, 1000)
    images = [rectification.apply(frame.image) for frame in recording.frames.read([a, b])]
    sift = cv2.SIFT_create(nfeatures=6000, contrastThreshold=0.01)
    (points_a, features_a), (points_b, features_b) = (
        sift.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None) for image in images
    )
    nearest = cv2.BFMatcher().knnMatch(features_a, features_b, 2)
    good = [best for best, second in nearest if best.distance < 0.8 * second.distance]
    px_a = np.array([points_a[match.queryIdx].pt for match in good])
    px_b = np.array([points_b[match.trainIdx].pt for match in good])
    K = rectification.camera.matrix
    cv2.setRNGSeed(1)
    E, mask = cv2.findEssentialMat(px_a, px_b, K, cv2.USAC_MAGSAC, 0.9999, 1.0, 20_000)
    _, rotation_b_a, translation_b_a, _ = cv2.recoverPose(E, px_a, px_b, K, mask=mask)
    return rotation_b_a.T, (-rotation_b_a.T @ translation_b_a)[:, 0]


@pytest.mark.parametrize(("a", "b"), [(0, 1), (1, 2), (0, 2)])
def test_labels_agree_with_the_pictures(gen2: Recording, a: int, b: int) -> None:
    """Poses read the wrong way round, in the wrong camera's axes or at the wrong time are all off by many degrees."""
    poses = labels(gen2)
    label = relative_pose(poses[a], poses[b])
    rotation, direction = visual_relative_pose(gen2, a, b)
    rotation_deg = float(rotation_error_deg(rotation, label[:3, :3]))
    direction_deg = float(direction_error_deg(direction, label[:3, 3]))
    print(f"frames {a}, {b}: rotation {rotation_deg:.2f} degrees, direction {direction_deg:.1f} degrees")
    assert rotation_deg < 1.0
    assert direction_deg < 15.0
    upside_down = invert_transform(label)
    assert rotation_error_deg(rotation, upside_down[:3, :3]) > 20.0
    assert direction_error_deg(direction, upside_down[:3, 3]) > 120.0


# --- conventions --------------------------------------------------------------------------------------------------


def test_moving_the_world_changes_no_label(bare: Path, tmp_path: Path) -> None:
    """If poses were taken for world-to-device, another world would give other labels."""
    poses = wandering(len(STEP_TIMES_NS))
    world = make_transform(axis_rotation("x", 40.0) @ axis_rotation("z", -70.0), [30.0, -5.0, 2.0])
    gravity = np.array([0.0, 0.0, -9.81])
    here = opened(bare, write_mps(tmp_path / "here.csv", poses, STEP_TIMES_NS, gravity))
    there = opened(bare, write_mps(tmp_path / "there.csv", world @ poses, STEP_TIMES_NS, world[:3, :3] @ gravity))
    np.testing.assert_allclose(labels(there), labels(here), atol=1e-9)
    up_here, up_there = (
        rec.trajectory.T_world_camera[0, :3, :3].T @ np.asarray(rec.trajectory.up_world) for rec in (here, there)
    )
    np.testing.assert_allclose(up_there, up_here, atol=1e-9)
    inverted = write_mps(tmp_path / "inverted.csv", invert_transform(poses), STEP_TIMES_NS)
    assert np.abs(labels(opened(bare, inverted)) - labels(here)).max() > 0.01


def test_forward_motion_is_plus_z_and_rightward_is_plus_x(bare: Path, tmp_path: Path) -> None:
    T_device_upright = np.array(GOLDEN["gen1"]["T_device_camera"]) @ T_RAW_UPRIGHT_GEN1
    steps = np.linspace(0.0, 0.5, len(STEP_TIMES_NS))
    start = make_transform(axis_rotation("z", 25.0) @ axis_rotation("x", -80.0), [4.0, 5.0, 6.0])
    for axis in range(3):
        T_world_camera = np.stack([start @ make_transform(np.eye(3), step * np.eye(3)[axis]) for step in steps])
        path = write_mps(tmp_path / f"{axis}.csv", T_world_camera @ invert_transform(T_device_upright), STEP_TIMES_NS)
        moved = labels(opened(bare, path))[-1]
        np.testing.assert_allclose(moved[:3, :3], np.eye(3), atol=1e-9)
        assert moved[axis, 3] > 0.4
        np.testing.assert_allclose(np.delete(moved[:3, 3], axis), 0.0, atol=1e-9)


# --- which trajectory, which calibration --------------------------------------------------------------------------


def test_order_of_trajectories(bare: Path, tmp_path: Path) -> None:
    poses = wandering(len(STEP_TIMES_NS))
    with pytest.raises(InputError, match=r"no trajectory: no MPS output beside it.*expected open_loop"):
        opened(bare)
    slam = bare / "mps" / "slam"
    write_mps(slam / "closed_loop_trajectory.csv", poses, STEP_TIMES_NS)
    assert opened(bare).trajectory.pose_source == "mps_closed_loop"
    write_mps(slam / "open_loop_trajectory.csv", poses, STEP_TIMES_NS)
    assert opened(bare).trajectory.pose_source == "mps_open_loop"
    other = write_mps(tmp_path / "mine.csv", poses, STEP_TIMES_NS)
    assert opened(bare, other).trajectory.pose_source == "given_trajectory"
    assert opened(bare, slam / "closed_loop_trajectory.csv").trajectory.pose_source == "mps_closed_loop"


@pytest.mark.parametrize("folder", [".", "mps/slam", "MPS/slam", "mps_video_vrs/slam", "trajectory"])
def test_places_of_mps_output(bare: Path, folder: str) -> None:
    path = write_mps(bare / folder / "open_loop_trajectory.csv", wandering(12), STEP_TIMES_NS)
    options = SourceOptions()
    (ref,) = find_recordings(bare, options)
    assert ref.layout is Layout.ARIA
    assert [file.resolve() for file in ref.files] == [(bare / "video.vrs").resolve(), path.resolve()]
    assert open_recording(ref, options).trajectory.pose_source == "mps_open_loop"


def online_entry(time_ns: int, focal_px: float) -> str:
    parameters = [focal_px, 1440.0, 1450.0, *GOLDEN["gen1"]["parameters"][3:]]
    camera = {
        "Label": "camera-rgb",
        "Projection": {"Name": "FisheyeRadTanThinPrism", "Params": parameters},
        "T_Device_Camera": {"Translation": [0.0, 0.0, 0.0], "UnitQuaternion": [1.0, [0.0, 0.0, 0.0]]},
    }
    return json.dumps({"tracking_timestamp_us": time_ns // 1000, "CameraCalibrations": [camera]})


def test_online_calibration_in_the_middle_of_the_recording(bare: Path) -> None:
    poses = wandering(12)
    write_mps(bare / "open_loop_trajectory.csv", poses, STEP_TIMES_NS)
    middle_ns = (GEN1_TIMES_NS[0] + GEN1_TIMES_NS[-1]) // 2
    lines = [online_entry(middle_ns + offset, 1200.0 + i) for i, offset in enumerate((-80_000_000, 2_000_000, 10**8))]
    (bare / "online_calibration.jsonl").write_text("\n".join(lines) + "\n")
    recording = opened(bare)
    assert recording.camera.fx_px == 1201.0 / 2
    T_raw_upright = T_RAW_UPRIGHT_GEN1
    np.testing.assert_allclose(recording.trajectory.T_world_camera, poses @ T_raw_upright, atol=1e-12)
    (ref,) = find_recordings(bare, SourceOptions())
    assert (bare / "online_calibration.jsonl") in ref.files


def test_real_online_calibration_is_read(bare: Path, shared_data: Path, tmp_path: Path) -> None:
    """Its times are shifted onto another recording; the lens must be the one that projectaria-tools reads."""
    golden = GOLDEN["mps"]
    write_mps(bare / "open_loop_trajectory.csv", wandering(12), STEP_TIMES_NS)
    entries = [
        json.loads(line)
        for line in (shared_data / "aria_mps_sample" / "online_calibration.jsonl").read_text().splitlines()
    ]
    shift_us = GEN1_TIMES_NS[2] // 1000 - entries[golden["online_index"]]["tracking_timestamp_us"]
    for entry in entries:
        entry["tracking_timestamp_us"] += shift_us
    (bare / "online_calibration.jsonl").write_text("\n".join(map(json.dumps, entries)))
    recording = opened(bare)
    focal, cx, cy, *coefficients = golden["online_parameters"]
    assert recording.camera.fx_px == pytest.approx(focal / 2, rel=1e-6)
    assert recording.camera.cx_px == pytest.approx((cx - 31.5) / 2 - 0.5, rel=1e-6)
    assert recording.camera.cy_px == pytest.approx((cy - 31.5) / 2 - 0.5, rel=1e-6)
    assert recording.camera.coefficients == pytest.approx(coefficients, rel=1e-6)
    expected = wandering(12) @ np.array(golden["online_T_device_camera"]) @ T_RAW_UPRIGHT_GEN1
    np.testing.assert_allclose(recording.trajectory.T_world_camera, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an empty file"),
        ("{}\n", "line 1: tracking_timestamp_us: found nothing"),
        ("not json\n", "line 1: found no readable JSON"),
        (online_entry(10**9, 1200.0), "belongs to another recording"),
        ('{"tracking_timestamp_us": 1, "CameraCalibrations": []}', "no readable entry 'camera-rgb'"),
    ],
)
def test_bad_online_calibration(bare: Path, text: str, message: str) -> None:
    write_mps(bare / "open_loop_trajectory.csv", wandering(12), STEP_TIMES_NS)
    (bare / "online_calibration.jsonl").write_text(text)
    with pytest.raises(InputError, match=rf"online_calibration\.jsonl.*{message}"):
        opened(bare)


# --- bad input ----------------------------------------------------------------------------------------------------


def test_no_trajectory_names_candidates(bare: Path) -> None:
    (bare / "aria_trajectory.csv").write_text("")
    with pytest.raises(InputError, match=r"video\.vrs: found no trajectory.*--trajectory \(aria_trajectory\.csv\?\)"):
        opened(bare)


def test_trajectory_of_another_time(bare: Path, shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"poses from 149\.203 to 160\.598 s.*87551\.171 to 87551\.337 s"):
        opened(bare, shared_data / "aria_mps_sample" / "open_loop_trajectory.csv")
    with pytest.raises(InputError, match=r"nothing\.csv: found no such file"):
        opened(bare, bare / "nothing.csv")


def test_one_trajectory_for_two_recordings(bare: Path, shared_data: Path) -> None:
    (bare / "second.vrs").symlink_to(shared_data / "aria_gen1_adt" / "video.vrs")
    with pytest.raises(InputError, match="one trajectory for 2 recordings"):
        find_recordings(bare, SourceOptions(shared_data / "aria_gen1_adt" / "aria_trajectory.csv"))
    assert [ref.recording_id for ref in find_recordings(bare, SourceOptions())] == ["take/second", "take/video"]
    assert [ref.recording_id for ref in find_recordings(bare.parent, SourceOptions())] == ["take/second", "take/video"]


def test_unknown_glasses(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from avbench.preprocessing.sources.aria import layout as aria

    class OtherTags(aria.VrsFile):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self.tags: Any = self.edited(dict(self.tags))

        edited = staticmethod(lambda tags: tags)

    monkeypatch.setattr(aria, "VrsFile", OtherTags)
    OtherTags.edited = staticmethod(lambda tags: {})
    with pytest.raises(InputError, match="no tag calib_json, expected a recording of Aria glasses"):
        opened(bare)
    OtherTags.edited = staticmethod(
        lambda tags: {"calib_json": tags["calib_json"].replace('"DeviceClass":"Aria"', '"DeviceClass":"Quest"')}
    )
    with pytest.raises(InputError, match="device 'Quest', build 'DVT-L'"):
        opened(bare)


def test_unpublished_build_has_no_microphone_positions(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from avbench.preprocessing.sources.aria import layout as aria

    parse = aria.parse_device
    monkeypatch.setattr(aria, "parse_device", lambda text, where: parse(text.replace("EVT_SS", "PVT_SS"), where))
    recording = opened(shared_data / "aria_gen2")
    assert recording.rig is not None
    assert recording.rig.mic_positions_m is None
    assert any("not known for glasses of build 'PVT_SS'" in note for note in recording.notes)


def test_poses_of_rotations_only_make_labels_of_rotations_only(bare: Path) -> None:
    turning = wandering(12)
    turning[:, :3, 3] = 0.0
    write_mps(bare / "open_loop_trajectory.csv", turning, STEP_TIMES_NS)
    recording = opened(bare)
    assert recording.trajectory.scale is Scale.ROTATION_ONLY
    assert not recording.trajectory.T_world_camera[:, :3, 3].any()
    assert any("has no positions: the labels are rotations only" in note for note in recording.notes)
    (bare / "video.toml").write_text('licence = "CC0-1.0"\ngroup = "g"\nscale = "rotation_only"\n')
    assert opened(bare).notes == ()


def test_what_the_user_says_beside_the_file(bare: Path) -> None:
    write_mps(bare / "open_loop_trajectory.csv", wandering(12), STEP_TIMES_NS)
    plain = opened(bare)
    assert (plain.licence, plain.group_id, plain.split) == ("unspecified", "take/video", None)
    assert any("no licence stated" in note for note in plain.notes)
    assert any("no group stated" in note for note in plain.notes)
    said = bare / "video.toml"
    said.write_text('licence = "Apache-2.0"\ngroup = "kitchen"\nsplit = "test"\n')
    recording = opened(bare)
    assert (recording.licence, recording.group_id, recording.split) == ("Apache-2.0", "kitchen", "test")
    assert recording.notes == ()
    for text, message in [
        ("licence = 5", "licence: found 5, expected text"),
        ('place = "x"', "found the unknown key 'place'"),
        ('split = "dev"', "split: found 'dev', expected one of train, val, test"),
        ('scale = "metres"', "scale: found 'metres', expected one of metric, unknown, rotation_only"),
        ("licence", "found no readable TOML"),
    ]:
        said.write_text(text)
        with pytest.raises(InputError, match=rf"video\.toml.*{message}"):
            opened(bare)
