"""Reading trajectory files: columns, units, conventions, and everything that can be wrong with a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation, relative_pose, rotation_error_deg
from avbench.preprocessing.recording.pose_convention import CameraAxes, PoseTransform, TimeUnit, TrajectoryConvention
from avbench.preprocessing.recording.recording import Scale, Trajectory
from avbench.preprocessing.sources.common.trajectory_file import read_trajectory_file

METRIC = TrajectoryConvention(scale=Scale.METRIC)
PLAIN = TrajectoryConvention()
ROWS = "0 1 2 3 0 0 0 1\n0.5 1 2 4 0 0 0 1\n1 1 2 5 0 0 0.70710678 0.70710678\n"
ORIENTATIONS = "t_s,qw,qx,qy,qz\n0,1,0,0,0\n0.5,1,0,0,0\n1,0.5,0.5,0.5,0.5\n"


def read(folder: Path, text: str, convention: TrajectoryConvention = METRIC, suffix: str = "csv") -> Trajectory:
    path = folder / f"walk.{suffix}"
    path.write_text(text, encoding="utf-8")
    return read_trajectory_file(path, convention).trajectory


# --- TUM -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        "",
        "# ground truth trajectory\n# file: 'a b.bag'\n",
        "# timestamp tx ty tz qx qy qz qw\n",
        "timestamp tx ty tz qx qy qz qw\n",
    ],
)
def test_tum(tmp_path: Path, head: str) -> None:
    track = read(tmp_path, head + ROWS, suffix="tum")
    assert track.time_ns.tolist() == [0, 500_000_000, 1_000_000_000]
    np.testing.assert_array_equal(track.T_world_camera[:, :3, 3], [[1, 2, 3], [1, 2, 4], [1, 2, 5]])
    np.testing.assert_allclose(track.T_world_camera[2, :3, :3], axis_rotation("z", 90.0), atol=1e-8)
    assert track.scale is Scale.METRIC


def test_a_tum_comment_that_names_another_order_is_believed(tmp_path: Path) -> None:
    text = "# timestamp tx ty tz qw qx qy qz\n0 0 0 0 1 0 0 0\n1 0 0 0 1 0 0 0\n2 0 0 0 0.70710678 0 0 0.70710678\n"
    track = read(tmp_path, text, suffix="tum")
    np.testing.assert_allclose(track.T_world_camera[2, :3, :3], axis_rotation("z", 90.0), atol=1e-8)


def test_blank_lines_tabs_and_windows_line_ends(tmp_path: Path) -> None:
    text = "\ufeff" + ROWS.replace(" ", "\t").replace("\n", "\r\n\r\n")
    assert len(read(tmp_path, text, suffix="tum").time_ns) == 3


def test_seconds_since_1970_keep_their_nanoseconds(tmp_path: Path) -> None:
    rows = "".join(f"1700000000.00000000{n} 0 0 0 0 0 0 1\n" for n in (1, 2, 3))
    assert read(tmp_path, rows, suffix="tum").time_ns.tolist() == [1_700_000_000_000_000_000 + n for n in (1, 2, 3)]


def test_exponents_are_numbers(tmp_path: Path) -> None:
    rows = "".join(f"{n}.0e-01 0 0 0 0 0 0 1.0e+00\n" for n in (1, 2, 3))
    assert read(tmp_path, rows, suffix="tum").time_ns.tolist() == [100_000_000, 200_000_000, 300_000_000]


# --- CSV -----------------------------------------------------------------------------------------------------------


def test_columns_go_by_name_in_any_order(tmp_path: Path) -> None:
    text = "qz,note,tx,qw,time,ty,qx,tz,qy\n" + "".join(f"0.70710678,n/a,1,0.70710678,{t},2,0,3,0\n" for t in (0, 1, 2))
    track = read(tmp_path, text)
    np.testing.assert_allclose(track.T_world_camera[0, :3, :3], axis_rotation("z", 90.0), atol=1e-8)
    np.testing.assert_array_equal(track.T_world_camera[0, :3, 3], [1, 2, 3])


@pytest.mark.parametrize(
    ("column", "values", "unit"),
    [
        ("t_s", ("0", "0.25", "0.5"), None),
        ("time", ("0", "0.25", "0.5"), None),
        ("timestamp_ms", ("0", "250", "500"), None),
        ("timestamp", ("0", "250", "500"), TimeUnit.MS),
        ("tracking_timestamp_us", ("0", "250000", "500000"), TimeUnit.US),
        ("#timestamp [ns]", ("0", "250000000", "500000000"), None),
        ("Timestamp", ("0", "250000000", "500000000"), TimeUnit.NS),
    ],
)
def test_time_units(tmp_path: Path, column: str, values: tuple[str, ...], unit: TimeUnit | None) -> None:
    text = f"{column},qw,qx,qy,qz\n" + "".join(f"{value},1,0,0,0\n" for value in values)
    track = read(tmp_path, text, TrajectoryConvention(time_unit=unit))
    assert track.time_ns.tolist() == [0, 250_000_000, 500_000_000]


def test_the_offset_is_added(tmp_path: Path) -> None:
    track = read(tmp_path, ORIENTATIONS, TrajectoryConvention(offset_ns=-7))
    assert track.time_ns.tolist() == [-7, 499_999_993, 999_999_993]


def test_frame_numbers_stand_for_the_frames_own_times(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_text("frame,qw,qx,qy,qz\n0,1,0,0,0\n2,1,0,0,0\n3,1,0,0,0\n")
    frame_time_ns = np.array([5, 40, 90, 91], dtype=np.int64)  # a variable frame rate
    assert read_trajectory_file(path, PLAIN, frame_time_ns).trajectory.time_ns.tolist() == [5, 90, 91]
    with pytest.raises(InputError, match=r"line 4, frame: found '3', expected the index of a frame, 0 to 2"):
        read_trajectory_file(path, PLAIN, frame_time_ns[:3])
    with pytest.raises(InputError, match="found a frame number, expected a time"):
        read_trajectory_file(path, PLAIN)


def test_orientations_alone_are_rotation_only(tmp_path: Path) -> None:
    track = read(tmp_path, ORIENTATIONS, PLAIN)
    assert track.scale is Scale.ROTATION_ONLY
    assert not track.T_world_camera[:, :3, 3].any()
    np.testing.assert_allclose(track.T_world_camera[2, :3, :3], [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-15)


def test_positions_may_be_left_unused(tmp_path: Path) -> None:
    track = read(tmp_path, ROWS, TrajectoryConvention(scale=Scale.ROTATION_ONLY), suffix="tum")
    assert track.scale is Scale.ROTATION_ONLY
    assert not track.T_world_camera[:, :3, 3].any()


def test_units_of_length(tmp_path: Path) -> None:
    track = read(tmp_path, ROWS, TrajectoryConvention(scale=Scale.METRIC, metres_per_unit=0.01), suffix="tum")
    np.testing.assert_allclose(track.T_world_camera[0, :3, 3], [0.01, 0.02, 0.03])


def test_pieces_and_quality(tmp_path: Path) -> None:
    rows = "".join(f"{t},1,0,0,0,{uid},{q}\n" for t, uid, q in ((0, "b-1", 1), (1, "b-1", 0.5), (2, "a-9", 0)))
    track = read(tmp_path, "t_s,qw,qx,qy,qz,graph_uid,quality_score\n" + rows, PLAIN)
    assert track.segment is not None
    assert track.segment.tolist() == [0, 0, 1]
    assert track.quality is not None
    assert track.quality.tolist() == [1.0, 0.5, 0.0]


def test_euroc(tmp_path: Path) -> None:
    text = (
        "#timestamp [ns], p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], q_RS_y [], q_RS_z [], "
        "v_RS_R_x [m s^-1]\n"
        "1403636580838555648,4.68,-1.78,0.80,1,0,0,0,-0.03\n"
        "1403636580843555328,4.69,-1.78,0.80,1,0,0,0,-0.03\n"
        "1403636580848555520,4.70,-1.78,0.80,1,0,0,0,-0.02\n"
    )
    T_body_camera = np.eye(4)
    T_body_camera[:3, 3] = [0.1, 0.2, 0.3]
    track = read(tmp_path, text, TrajectoryConvention(scale=Scale.METRIC, T_body_camera=T_body_camera))
    assert track.time_ns[1] == 1403636580843555328
    np.testing.assert_allclose(track.T_world_camera[0, :3, 3], [4.78, -1.58, 1.10])
    with pytest.raises(InputError, match=r"poses of a body \(RS\), expected trajectory.T_body_camera"):
        read(tmp_path, text)


def test_columns_say_what_the_poses_are(tmp_path: Path) -> None:
    rows = "0,0,0,2,1,0,0,0\n1,0,0,2,1,0,0,0\n2,0,0,2,1,0,0,0\n"
    names = ("tx", "ty", "tz", "qw", "qx", "qy", "qz")
    inverse = "t_s," + ",".join(f"{name}_camera_world" for name in names) + "\n" + rows
    np.testing.assert_array_equal(read(tmp_path, inverse).T_world_camera[0, :3, 3], [0, 0, -2])
    forward = inverse.replace("camera_world", "odom_cam")
    np.testing.assert_array_equal(read(tmp_path, forward).T_world_camera[0, :3, 3], [0, 0, 2])
    with pytest.raises(InputError, match=r"columns named ..._camera_world, expected poses of the kind world_camera"):
        read(tmp_path, inverse, TrajectoryConvention(transform=PoseTransform.WORLD_CAMERA, scale=Scale.METRIC))


def test_up_columns(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_text(
        "t_s,qw,qx,qy,qz,up_x_camera,up_y_camera,up_z_camera\n0,1,0,0,0,0,2,0\n1,1,0,0,0,0,0,3\n2,1,0,0,0,1,1,0\n"
    )
    as_opencv = read_trajectory_file(path, PLAIN).up_camera
    assert as_opencv is not None
    np.testing.assert_array_equal(as_opencv[0], [0, 10**9, 2 * 10**9])
    np.testing.assert_allclose(as_opencv[1], [[0, 1, 0], [0, 0, 1], [np.sqrt(0.5), np.sqrt(0.5), 0]])
    as_opengl = read_trajectory_file(path, TrajectoryConvention(axes=CameraAxes.OPENGL)).up_camera
    assert as_opengl is not None
    np.testing.assert_allclose(as_opengl[1], as_opencv[1] * [1, -1, -1])


# --- what can be wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0 0 0 0 0 0 0 1\n1 0 0 0 0 0 0 1\n", r"walk.tum: found 2 poses, expected at least 3"),
        ("", r"walk.tum: found a file without rows"),
        ("# only a comment\n\n", r"walk.tum: found a file without rows"),
        (ROWS + "1 0 0 0 0 0 0 1\n", r"walk.tum: line 4: found time 1.000000000 s again, expected times that increase"),
        (ROWS + "0.9 0 0 0 0 0 0 1\n", r"line 4: found time 0.900000000 s after 1.000000000 s"),
        (ROWS + "2 0 0 0 0 0 0 0.99\n", r"line 4: found a quaternion of length 0.99, expected length 1 within 0.002"),
        (ROWS + "2 0 0 0 0 0 0 0\n", r"line 4: found a quaternion of length 0"),
        (ROWS + "2 0 nan 0 0 0 0 1\n", r"line 4, ty: found nan, expected a finite number"),
        (ROWS + "2 0 0 inf 0 0 0 1\n", r"line 4, tz: found inf"),
        (ROWS + "2 0 0 1e200 0 0 0 1\n", r"line 4, tz: found 1e\+200"),
        (ROWS + "2 0 0 0 0 0 NaN 1\n", r"line 4, qz: found nan"),
        (ROWS + "nan 0 0 0 0 0 0 1\n", r"line 4, time: found 'nan', expected a time in s"),
        (ROWS + "1e30 0 0 0 0 0 0 1\n", r"line 4, time: found '1e30'"),
        (ROWS + "2 0 0 0 0 0 1\n", r"line 4: found 7 values, expected 8"),
        (ROWS + "2 0 0 0 0 0 0 1 9\n", r"line 4: found 9 values, expected 8"),
        (ROWS + "2 0 0 zero 0 0 0 1\n", r"line 4, tz: found 'zero', expected a number"),
    ],
)
def test_bad_rows(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, rows, suffix="tum")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("t_s,qw,qx,qy", r"walk.csv: line 1, header: found columns t_s, qw, qx, qy, expected qw qx qy qz"),
        ("t_s,a,b,c", r"header: found columns t_s, a, b, c, expected qw qx qy qz"),
        ("t_s,qw,qx,qy,qz,tx,ty", r"header: found .* expected tx ty tz"),
        ("t_s,qw,qx,qy,qz,up_x_camera", r"expected up_x_camera up_y_camera up_z_camera"),
        ("qw,qx,qy,qz", r"expected a time column"),
        ("t_s,time,qw,qx,qy,qz", r"found columns t_s and time for one quantity"),
        ("t_s,qw,qx,qy,qz,qw_world_camera", r"found columns qw and qw_world_camera for one quantity"),
        ("t_s,qw_world_camera,qx_world_camera,qy_world_camera,qz_camera_world", r"world_camera and camera_world"),
        ("t_s,qw_world_banana,qx_world_banana,qy_world_banana,qz_world_banana", r"expected qw qx qy qz"),
    ],
)
def test_bad_headers(tmp_path: Path, header: str, message: str) -> None:
    row = ",".join("1" for _ in header.split(",")) + "\n"
    with pytest.raises(InputError, match=message):
        read(tmp_path, f"{header}\n{row * 3}")


def test_contradictions_with_the_rig_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"positions of unstated scale, expected trajectory.scale"):
        read(tmp_path, ROWS, PLAIN, suffix="tum")
    with pytest.raises(
        InputError, match=r'no position columns, expected tx ty tz, since .* trajectory.scale = "metric"'
    ):
        read(tmp_path, ORIENTATIONS, METRIC)
    with pytest.raises(InputError, match=r"a time column in s, expected ms"):
        read(tmp_path, ORIENTATIONS, TrajectoryConvention(time_unit=TimeUnit.MS))
    with pytest.raises(InputError, match=r"a T_body_camera and poses of the camera itself \(world_camera\)"):
        read(tmp_path, ORIENTATIONS, TrajectoryConvention(T_body_camera=np.eye(4)))
    with pytest.raises(InputError, match=r"poses of a body \(body_world\)"):
        read(tmp_path, ORIENTATIONS, TrajectoryConvention(transform=PoseTransform.BODY_WORLD))


def test_quality_and_up_are_checked(tmp_path: Path) -> None:
    quality = "t_s,qw,qx,qy,qz,quality\n0,1,0,0,0,1\n1,1,0,0,0,1.5\n2,1,0,0,0,1\n"
    with pytest.raises(InputError, match=r"line 3: found quality 1.5, expected 0 to 1"):
        read(tmp_path, quality, PLAIN)
    up = "t_s,qw,qx,qy,qz,up_x_camera,up_y_camera,up_z_camera\n" + "".join(f"{t},1,0,0,0,0,0,0\n" for t in range(3))
    with pytest.raises(InputError, match="line 2: found an up vector of length 0"):
        read(tmp_path, up, PLAIN)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_bytes(b"\xff\xfe\x00\x01" * 100)
    with pytest.raises(InputError, match="bytes that are not UTF-8 text"):
        read_trajectory_file(path, METRIC)
    with pytest.raises(InputError, match="No such file"):
        read_trajectory_file(tmp_path / "gone.tum", METRIC)


def test_quaternions_rounded_to_three_decimals_are_taken(tmp_path: Path) -> None:
    q = np.array([0.18257, 0.36515, 0.54772, 0.73030])
    row = " ".join(f"{value:.3f}" for value in q / np.linalg.norm(q))
    track = read(tmp_path, "".join(f"{t} 0 0 0 {row}\n" for t in range(3)), suffix="tum")
    np.testing.assert_allclose(np.linalg.det(track.T_world_camera[:, :3, :3]), 1.0, atol=1e-14)


# --- real files ----------------------------------------------------------------------------------------------------


def test_camera_telemetry_and_structure_from_motion_agree(shared_data: Path) -> None:
    telemetry = read_trajectory_file(shared_data / "gopro_max" / "orientation.csv", PLAIN).trajectory
    sfm = read_trajectory_file(shared_data / "gopro_max" / "sfm_pseudo_gt.csv", METRIC).trajectory
    assert telemetry.scale is Scale.ROTATION_ONLY
    assert len(telemetry.time_ns) == 315
    assert len(sfm.time_ns) == 45
    index = np.searchsorted(telemetry.time_ns, sfm.time_ns)
    assert (telemetry.time_ns[index] == sfm.time_ns).all()
    turned_a = relative_pose(telemetry.T_world_camera[index[:-1]], telemetry.T_world_camera[index[1:]])[:, :3, :3]
    T_a_b = relative_pose(sfm.T_world_camera[:-1], sfm.T_world_camera[1:])
    assert np.median(rotation_error_deg(turned_a, T_a_b[:, :3, :3])) < 0.1
    # Somebody walks along a path, looking where they go.
    forward = T_a_b[:, 2, 3] / np.linalg.norm(T_a_b[:, :3, 3], axis=-1)
    assert np.median(forward) > 0.95


def test_machine_perception_services(shared_data: Path) -> None:
    path = shared_data / "aria_mps_sample" / "closed_loop_trajectory.csv"
    with pytest.raises(InputError, match=r"poses of a body \(world_device\)"):
        read_trajectory_file(path, METRIC)
    track = read_trajectory_file(path, TrajectoryConvention(scale=Scale.METRIC, T_body_camera=np.eye(4))).trajectory
    assert len(track.time_ns) == 11517
    assert (track.time_ns[-1] - track.time_ns[0]) / 1e9 == pytest.approx(11.395, abs=2e-3)
    path_m = np.linalg.norm(np.diff(track.T_world_camera[:, :3, 3], axis=0), axis=-1).sum()
    assert path_m == pytest.approx(7.67, abs=0.02)
