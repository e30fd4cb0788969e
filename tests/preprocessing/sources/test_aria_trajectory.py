"""MPS trajectories and on-device odometry, against what projectaria-tools reads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import relative_pose, rotation_angle_deg
from avbench.preprocessing.recording.recording import Scale
from avbench.preprocessing.sources.aria.trajectory import (
    CLOSED_LOOP,
    ON_DEVICE_VIO,
    OPEN_LOOP,
    DevicePoses,
    read_mps_csv,
    read_on_device_vio,
)
from avbench.preprocessing.sources.aria.vrs import VrsFile

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "aria_golden.json").read_text())
HEADER = [
    "graph_uid",
    "tracking_timestamp_us",
    *(f"{name}_world_device" for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw")),
    *(f"gravity_{axis}_world" for axis in "xyz"),
    "quality_score",
]
ROW = ["a", 1000, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, -9.81, 0.5]


def write(path: Path, rows: list[dict[str, object]], header: list[str] = HEADER) -> Path:
    """A CSV of ROW, 1 ms apart, with the given changes in each row."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, header, extrasaction="ignore")
        writer.writeheader()
        for index, changes in enumerate(rows):
            writer.writerow(dict(zip(HEADER, ROW, strict=True)) | {HEADER[1]: 1000 * (index + 1)} | changes)
    return path


@pytest.mark.parametrize("name", ["open_loop", "closed_loop"])
def test_real_mps_output(shared_data: Path, name: str) -> None:
    golden = GOLDEN["mps"]
    pose_source = OPEN_LOOP if name == "open_loop" else CLOSED_LOOP
    poses = read_mps_csv(shared_data / "aria_mps_sample" / f"{name}_trajectory.csv", pose_source)
    assert len(poses.time_ns) == golden[f"{name}_rows"] == 11517
    np.testing.assert_allclose(poses.T_world_device[golden["rows"]], golden[name], atol=1e-6)  # it reads float32
    assert poses.time_ns[0] == 149_202_610_000
    assert poses.time_ns[-1] == 160_597_999_000
    assert (np.diff(poses.time_ns) > 0).all()
    assert not poses.segment.any()
    assert poses.quality is not None
    assert poses.quality[0] == 0.5
    np.testing.assert_allclose(poses.up_world(), [0.0, 0.0, 1.0])
    assert poses.pose_source == pose_source


def test_open_and_closed_loop_agree_on_short_turns(shared_data: Path) -> None:
    """Two estimates of one motion in two worlds: the turn over a second agrees, whatever the worlds are."""
    folder = shared_data / "aria_mps_sample"
    both = [read_mps_csv(folder / f"{name}_trajectory.csv", "") for name in ("open_loop", "closed_loop")]
    np.testing.assert_array_equal(both[0].time_ns, both[1].time_ns)
    turns_deg = [
        rotation_angle_deg(relative_pose(poses.T_world_device[:-1000], poses.T_world_device[1000:])[:, :3, :3])
        for poses in both
    ]
    assert turns_deg[0].max() > 30.0
    assert np.abs(turns_deg[0] - turns_deg[1]).max() < 0.5


def test_optitrack_file_has_y_up(shared_data: Path) -> None:
    poses = read_mps_csv(shared_data / "aria_gen1_adt" / "aria_trajectory.csv", "given")
    np.testing.assert_allclose(poses.up_world(), [0.0, 1.0, 0.0])
    assert len(poses.time_ns) == 6
    assert poses.time_ns[0] == 87_551_170_910_000


def test_on_device_vio(shared_data: Path) -> None:
    pytest.importorskip("pyvrs", reason="needs the extra avbench[aria]")
    poses = read_on_device_vio(VrsFile(shared_data / "aria_gen2" / "recording.vrs"))
    golden = GOLDEN["gen2"]
    assert poses.time_ns[golden["vio_index"]].tolist() == golden["vio_time_ns"]
    np.testing.assert_allclose(poses.T_world_device[golden["vio_index"]], golden["vio_T_odometry_device"], atol=1e-6)
    np.testing.assert_allclose(poses.up_world(), [0.0, 0.0, 1.0])
    assert poses.pose_source == ON_DEVICE_VIO
    derived = read_mps_csv(shared_data / "aria_gen2" / "vio_high_frequency.csv", "given")
    np.testing.assert_allclose(poses.T_world_device, derived.T_world_device, atol=1e-5)
    assert derived.up_world() is None


def test_pieces_quality_and_gravity(tmp_path: Path) -> None:
    rows = [{"graph_uid": "b"}, {"graph_uid": "b"}, {"graph_uid": "a", "quality_score": 0.25}, {"graph_uid": "b"}]
    poses = read_mps_csv(write(tmp_path / "t.csv", rows), CLOSED_LOOP)
    assert poses.segment.tolist() == [0, 0, 1, 0]
    assert poses.quality is not None
    assert poses.quality.tolist() == [0.5, 0.5, 0.25, 0.5]
    trajectory = poses.camera_trajectory(np.eye(4))
    assert trajectory.scale is Scale.METRIC
    assert trajectory.pose_source == CLOSED_LOOP
    np.testing.assert_allclose(trajectory.T_world_camera[0, :3, 3], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("missing", [True, False])
def test_poses_without_positions_are_rotations_whatever_the_lever_arm(tmp_path: Path, missing: bool) -> None:
    header = [
        name for name in HEADER if not (missing and name in ("tx_world_device", "ty_world_device", "tz_world_device"))
    ]
    zero: dict[str, object] = {f"t{axis}_world_device": 0.0 for axis in "xyz"}
    turned = {"qw_world_device": 0.8, "qy_world_device": 0.6}
    poses = read_mps_csv(write(tmp_path / "t.csv", [zero, zero | turned, zero], header), "")
    T_device_camera = np.eye(4)
    T_device_camera[:3, 3] = [0.0008, 0.0, 0.0]
    trajectory = poses.camera_trajectory(T_device_camera)
    assert trajectory.scale is Scale.ROTATION_ONLY
    assert not trajectory.T_world_camera[:, :3, 3].any()
    with pytest.raises(InputError, match=r'rotations without positions, .*scale = "metric".*rotation_only'):
        poses.camera_trajectory(T_device_camera, Scale.METRIC)


def test_positions_may_be_stated_to_mean_nothing_or_no_metres(tmp_path: Path) -> None:
    poses = read_mps_csv(write(tmp_path / "t.csv", [{}, {"tz_world_device": 3.5}, {"tz_world_device": 4.0}]), "")
    assert not poses.camera_trajectory(np.eye(4), Scale.ROTATION_ONLY).T_world_camera[:, :3, 3].any()
    unknown = poses.camera_trajectory(np.eye(4), Scale.UNKNOWN)
    assert unknown.scale is Scale.UNKNOWN
    assert unknown.position_sigma_m == pytest.approx(1.0 / 500.0)  # of how far it gets
    assert poses.between(0, 10**9).has_position


def test_up_is_unknown_where_the_pieces_have_different_gravity(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{}, {}, {"gravity_z_world": 0.0, "gravity_y_world": 9.81}]
    assert read_mps_csv(write(tmp_path / "t.csv", rows), "").up_world() is None
    zero = [{"gravity_z_world": 0.0}] * 3
    assert read_mps_csv(write(tmp_path / "z.csv", list(zero)), "").up_world() is None
    tiny: list[dict[str, object]] = [{}, {}, {"gravity_x_world": 0.01}]
    assert read_mps_csv(write(tmp_path / "s.csv", tiny), "").up_world() is not None


def test_without_the_columns_that_may_be_missing(tmp_path: Path) -> None:
    header = [name for name in HEADER if "gravity" not in name and name not in ("graph_uid", "quality_score")]
    poses = read_mps_csv(write(tmp_path / "t.csv", [{}, {}, {}], header), "")
    assert poses.quality is None
    assert poses.up_world() is None
    assert poses.segment.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{}, {}], r"t\.csv: found 2 poses, expected at least 3"),
        ([], r"found 0 poses"),
        ([{}, {}, {HEADER[1]: 2000}], r"t\.csv, line 4: found time 2000000 ns after 2000000 ns"),
        ([{}, {}, {HEADER[1]: 500}], r"line 4: found time 500000 ns after 2000000 ns"),
        ([{}, {"qw_world_device": 0.5}, {}], r"line 3: found position \[1\. 2\. 3\.\], quaternion of length 0\.5"),
        ([{}, {"tx_world_device": "nan"}, {}], r"line 3, tx_world_device: found 'nan', expected a finite number"),
        ([{}, {"qx_world_device": "oops"}, {}], r"line 3, qx_world_device: found 'oops'"),
        ([{}, {"qx_world_device": ""}, {}], r"line 3, qx_world_device: found 'nan'"),
        ([{}, {HEADER[1]: "inf"}, {}], r"line 3, tracking_timestamp_us: found 'inf'"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, rows: list[dict[str, object]], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_mps_csv(write(tmp_path / "t.csv", rows), "")
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("timestamp,tx,ty,tz\n1,2,3,4\n")
    with pytest.raises(InputError, match=r"t\.csv: header: found no columns tracking_timestamp_us, tx_world_device"):
        read_mps_csv(path, "")
    for data in (b"", b"a,b\n1,2,3\n4,5,6,7,8\n", b"\xff\xfe\x00\x01" * 10):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"t\.csv"):
            read_mps_csv(path, "")
    with pytest.raises(InputError, match="does not read as CSV"):
        read_mps_csv(tmp_path, "")


def test_between_keeps_one_pose_on_each_side(tmp_path: Path) -> None:
    poses = read_mps_csv(write(tmp_path / "t.csv", [{} for _ in range(10)]), "")

    def kept(start_ns: int, stop_ns: int) -> list[int]:
        part: DevicePoses = poses.between(start_ns, stop_ns)
        assert len(part.T_world_device) == len(part.segment) == len(part.time_ns)
        return (part.time_ns // 1_000_000).tolist()

    assert kept(3_500_000, 6_500_000) == [3, 4, 5, 6, 7]
    assert kept(3_000_000, 6_000_000) == [3, 4, 5, 6]
    assert kept(0, 10**12) == list(range(1, 11))
