"""Which number of a trajectory file is what: the ways in which files name their columns, and those that are refused.

All files here hold the same three poses: a rotation by 100 degrees about (1, 2, 3), whose quaternion has four different
numbers, so that no other order gives the same rotation.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.recording.pose_convention import PoseTransform, TimeUnit, TrajectoryConvention
from avbench.preprocessing.recording.recording import Scale
from avbench.preprocessing.sources.common.trajectory_file import TrajectoryFile, read_trajectory_file

METRIC = TrajectoryConvention(scale=Scale.METRIC)
FRAMES = np.array([0, 40_000_000, 80_000_000], dtype=np.int64)
X, Y, Z, W = 0.204734, 0.409467, 0.614201, 0.642788  # sin 50 / sqrt 14 times 1, 2, 3; cos 50
# 100 degrees about (1, 2, 3), by Rodrigues' formula.
_K = np.array([[0.0, -3.0, 2.0], [3.0, 0.0, -1.0], [-2.0, 1.0, 0.0]]) / np.sqrt(14.0)
MATRIX = np.eye(3) + np.sin(np.radians(100.0)) * _K + (1.0 - np.cos(np.radians(100.0))) * _K @ _K
W_LAST = " ".join(f"{v}" for v in (X, Y, Z, W))
W_FIRST = " ".join(f"{v}" for v in (W, X, Y, Z))


def rows(quaternion: str, separator: str = " ") -> str:
    return "".join(f"{n}.5 1 2 3 {quaternion}\n".replace(" ", separator) for n in range(3))


def read(folder: Path, text: str, suffix: str, convention: TrajectoryConvention = METRIC) -> TrajectoryFile:
    path = folder / f"walk.{suffix}"
    path.write_bytes(text.encode())
    return read_trajectory_file(path, convention, FRAMES)


def check(found: TrajectoryFile) -> None:
    np.testing.assert_allclose(found.trajectory.T_world_camera[1, :3, :3], MATRIX, atol=1e-5)
    np.testing.assert_array_equal(found.trajectory.T_world_camera[1, :3, 3], [1, 2, 3])
    assert found.trajectory.time_ns.tolist() == [500_000_000, 1_500_000_000, 2_500_000_000]


@pytest.mark.parametrize("suffix", ["tum", "txt", "csv"])
@pytest.mark.parametrize(
    "head",
    [
        "#timestamp tx ty tz qw qx qy qz\n# recorded in the kitchen\n",
        "# recorded in the kitchen\n#timestamp tx ty tz qw qx qy qz\n",
        "# Timestamp tx ty tz qw qx qy qz #\n",
        "# time x y z qw qx qy qz\n",
        "# timestamp, tx, ty, tz, qw, qx, qy, qz\n",
        "# t_s;tx;ty;tz;q_w;q_x;q_y;q_z\n",
        "# TIMESTAMP TX TY TZ QW QX QY QZ\n",
        "## timestamp [s] p_x [m] p_y [m] p_z [m] q_w [] q_x [] q_y [] q_z []\n",
        "# timestamp (s) tx (m) ty (m) tz (m) qw qx qy qz\n",
        "# columns: timestamp tx ty tz qw qx qy qz\n",
        "# each line is timestamp tx ty tz qw qx qy qz\n",
        "#t " + " ".join(f"{name}_world_camera" for name in ["tx", "ty", "tz", "qw", "qx", "qy", "qz"]) + "\n",
        "# timestamp tx ty tz qw qx qy qz (camera to world)\n",
        "# t x y z quat.w quat.x quat.y quat.z (Hamilton)\n",
        "% timestamp tx ty tz qw qx qy qz\n",
        "// timestamp tx ty tz qw qx qy qz\n",
        "timestamp tx ty tz qw qx qy qz\n",
        "Time,Position.X,Position.Y,Position.Z,Quat_W,Quat_X,Quat_Y,Quat_Z\n",
        "#timestamp tx ty tz qw qx qy qz\n# quaternion order wxyz\n",
    ],
)
def test_a_line_that_names_the_columns_is_believed_whatever_stands_around_it(
    tmp_path: Path, head: str, suffix: str
) -> None:
    check(read(tmp_path, head + rows(W_FIRST), suffix))


def test_a_comment_below_the_first_row_counts_too(tmp_path: Path) -> None:
    first, rest = rows(W_FIRST).split("\n", 1)
    check(read(tmp_path, f"{first}\n# timestamp tx ty tz qw qx qy qz\n{rest}", "tum"))


@pytest.mark.parametrize(
    "comment",
    [
        "# timestamp tx ty tz q0 q1 q2 q3",
        "# t x y z quat.w quat.x quat.y",
        "# time position quaternion(wxyz)",
        "# quaternions with w first",
        "# qw, qx, qy, qz after the position",
        "# timestamp frame tx ty tz qw qx qy qz",
        "# scalar-first quaternion",
        "# orientation is w, x, y, z",
        "# quaternion, real part first",
        "# the scalar component comes first",
        "# t x y z rw rx ry rz",
        "# timestamp tx ty tz a b c d",
    ],
)
@pytest.mark.parametrize("suffix", ["tum", "txt"])
def test_a_comment_about_the_quaternion_that_is_not_understood_is_refused(
    tmp_path: Path, comment: str, suffix: str
) -> None:
    with pytest.raises(
        InputError, match=r"line 1: found a comment about the order .*trajectory.columns = \["
    ) as caught:
        read(tmp_path, f"{comment}\n{rows(W_FIRST)}", suffix)
    assert "\n" not in str(caught.value)
    stated = TrajectoryConvention(scale=Scale.METRIC, columns=("t_s", "tx", "ty", "tz", "qw", "qx", "qy", "qz"))
    check(read(tmp_path, f"{comment}\n{rows(W_FIRST)}", suffix, stated))


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "# ground truth trajectory\n# file: 'fr1_xyz.bag'\n",
        "# poses as unit quaternions, xyzw\n",
        "# quality: good\n",
    ],
)
@pytest.mark.parametrize("suffix", ["tum", "txt"])
def test_without_names_the_order_is_that_of_tum(tmp_path: Path, comment: str, suffix: str) -> None:
    check(read(tmp_path, comment + rows(W_LAST), suffix))


def test_two_lines_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    text = "# timestamp tx ty tz qw qx qy qz\n# timestamp tx ty tz qx qy qz qw\n" + rows(W_FIRST)
    with pytest.raises(
        InputError, match=r"line 2, header: found columns timestamp tx ty tz qx .* as line 1, header says"
    ):
        read(tmp_path, text, "tum")
    stated = TrajectoryConvention(scale=Scale.METRIC, columns=("t_s", "tx", "ty", "tz", "qw", "qx", "qy", "qz"))
    with pytest.raises(InputError, match=r"as trajectory.columns of the rig file says"):
        read(tmp_path, "# timestamp tx ty tz qx qy qz qw\n" + rows(W_FIRST), "tum", stated)


def test_lines_end_at_line_feeds_and_carriage_returns_only(tmp_path: Path) -> None:
    odd = "# kitchen\x0c1 2 3\u2028 4 5 6 \x85 7 8\x1c\n"
    for end in ("\n", "\r\n", "\r"):
        check(read(tmp_path, (odd + rows(W_LAST)).replace("\n", end), "tum"))


# --- CSV -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", ",", "\t", ", ", "; ", " "])
def test_csv_separators(tmp_path: Path, separator: str) -> None:
    head = "t_s tx ty tz qw qx qy qz\n".replace(" ", separator)
    check(read(tmp_path, head + rows(W_FIRST, separator), "csv"))


def test_commas_between_semicolons_are_decimal_points(tmp_path: Path) -> None:
    text = "t_s;tx;ty;tz;qw;qx;qy;qz\n" + rows(W_FIRST, ";").replace(".", ",")
    check(read(tmp_path, text, "csv"))
    with pytest.raises(InputError, match=r"line 3, time: found '1,5', expected a time in s"):
        read(tmp_path, text.replace("0,5;", "0.5;", 1), "csv")


def test_a_csv_without_names_is_refused_with_the_way_on_and_read_when_the_rig_names_them(tmp_path: Path) -> None:
    text = rows(W_FIRST, ",")
    with pytest.raises(InputError, match=r"found 8 columns without names, .*; .*rig file, as in trajectory.columns"):
        read(tmp_path, text, "csv")
    names = ("t_s", "tx", "ty", "tz", "qw", "qx", "qy", "qz")
    check(read(tmp_path, text, "csv", TrajectoryConvention(scale=Scale.METRIC, columns=names)))
    more = text.replace(",1,2,3", ",kitchen,1,2,3")
    ignoring = (names[0], "-", *names[1:])
    check(read(tmp_path, more, "csv", TrajectoryConvention(scale=Scale.METRIC, columns=ignoring)))
    with pytest.raises(InputError, match=r"line 1: found 9 values, expected 8"):
        read(tmp_path, more, "csv", TrajectoryConvention(scale=Scale.METRIC, columns=names))


# --- EuRoC and ROS -------------------------------------------------------------------------------------------------

EUROC_NAMES = "p_RS_R_x [m], p_RS_R_y [m], p_RS_R_z [m], q_RS_w [], q_RS_x [], q_RS_y [], q_RS_z []\n"
BODY = TrajectoryConvention(scale=Scale.METRIC, T_body_camera=np.eye(4))


@pytest.mark.parametrize("stamp", ["#timestamp", "#timestamp [ns]", "timestamp"])
@pytest.mark.parametrize("remark", ["", "# vicon room 1\n"])
@pytest.mark.parametrize("start", [0, 1_400_000_000_123_456_789])
def test_euroc_counts_nanoseconds_with_and_without_saying_so(
    tmp_path: Path, stamp: str, remark: str, start: int
) -> None:
    body = "".join(f"{start + n},1,2,3,{W_FIRST.replace(' ', ',')}\n" for n in (0, 5_000_000, 10_000_000))
    found = read(tmp_path, f"{stamp}, {EUROC_NAMES}{remark}{body}", "csv", BODY)
    assert found.trajectory.time_ns.tolist() == [start, start + 5_000_000, start + 10_000_000]
    np.testing.assert_allclose(found.trajectory.T_world_camera[1, :3, :3], MATRIX, atol=1e-5)
    assert found.notes == ()


def test_stamps_with_a_decimal_point_under_eurocs_names_are_seconds(tmp_path: Path) -> None:
    body = "".join(f"{n}.5,1,2,3,{W_FIRST.replace(' ', ',')}\n" for n in range(3))
    check(read(tmp_path, f"#timestamp, {EUROC_NAMES}{body}", "csv", BODY))


def test_a_stamp_that_can_only_be_nanoseconds_is_read_as_such_and_said(tmp_path: Path) -> None:
    text = "timestamp tx ty tz qw qx qy qz\n" + "".join(f"150000000012345678{n} 1 2 3 {W_FIRST}\n" for n in range(3))
    found = read(tmp_path, text, "txt")
    assert found.trajectory.time_ns[0] == 1_500_000_000_123_456_780
    assert "read as nanoseconds" in found.notes[0]
    # Microseconds since 1970 could be nanoseconds since the start of a device.
    with pytest.raises(InputError, match=r'expected a time in s; is it trajectory.time_unit = "us"\?'):
        read(tmp_path, text.replace("345678", "345"), "txt")


@pytest.mark.parametrize(
    "head",
    [
        "header.stamp.secs,header.stamp.nsecs,pose.position.{},pose.orientation.{}",
        "header/stamp/sec,header/stamp/nanosec,pose/pose/position/{},pose/pose/orientation/{}",
        "secs,nsecs,transform.translation.{},transform.rotation.{}",
    ],
)
def test_ros_messages_with_stamps_in_two_parts(tmp_path: Path, head: str) -> None:
    secs, nsecs, position, orientation = head.split(",")
    names = [secs, nsecs, *(position.format(axis) for axis in "xyz"), *(orientation.format(axis) for axis in "wxyz")]
    body = "".join(f"{n},500000000,1,2,3,{W_FIRST.replace(' ', ',')}\n" for n in range(3))
    check(read(tmp_path, ",".join(names) + "\n" + body, "csv"))


def test_rostopic_counts_nanoseconds_and_the_stamp_of_the_message_goes_before_its_arrival(tmp_path: Path) -> None:
    head = "%time,field.header.seq,field.header.stamp,field.header.frame_id," + ",".join(
        [f"field.pose.pose.position.{axis}" for axis in "xyz"]
        + [f"field.pose.pose.orientation.{axis}" for axis in "xyzw"]
        + ["field.pose.covariance0"]
    )
    body = "".join(f"{n}900000000,7,{n}500000000,map,1,2,3,{W_LAST.replace(' ', ',')},0.1\n" for n in range(3))
    found = read(tmp_path, f"{head}\n{body}", "csv")
    check(found)
    assert "times are those of field.header.stamp, %time is left aside" in found.notes[0]
    asked = read(tmp_path, f"{head}\n{body}", "csv", TrajectoryConvention(scale=Scale.METRIC, time_column="%time"))
    assert asked.trajectory.time_ns[0] == 900_000_000
    assert asked.notes == ()


def test_half_a_stamp_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found header.stamp.secs alone, expected secs and nsecs"):
        read(tmp_path, "header.stamp.secs,qw,qx,qy,qz\n" + "1,1,0,0,0\n" * 3, "csv")


# --- matrices, frames and clocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["txt", "csv", "tum"])
@pytest.mark.parametrize("last", ["", " 0 0 0 1"])
def test_rows_of_matrices_are_poses_of_the_frames_in_order(tmp_path: Path, suffix: str, last: str) -> None:
    row = " ".join(f"{v:.6f}" for v in np.column_stack([MATRIX, [1, 2, 3]]).ravel()) + last
    found = read(tmp_path, f"{row}\n" * 3, suffix).trajectory
    np.testing.assert_allclose(found.T_world_camera[1, :3, :3], MATRIX, atol=1e-5)
    np.testing.assert_array_equal(found.T_world_camera[1, :3, 3], [1, 2, 3])
    assert found.time_ns.tolist() == FRAMES.tolist()
    with pytest.raises(InputError, match=r"found 4 rows without a time, expected one for each of the 3 frames"):
        read(tmp_path, f"{row}\n" * 4, suffix)
    with pytest.raises(InputError, match=r"line 1: found nine numbers that are no rotation"):
        read(tmp_path, f"{row}\n".replace(f"{MATRIX[0, 0]:.6f}", "-0.289800") * 3, suffix)


@pytest.mark.parametrize("suffix", ["txt", "csv", "tum"])
def test_matrices_written_column_by_column_are_refused_with_the_columns_that_read_them(
    tmp_path: Path, suffix: str
) -> None:
    matrix = np.vstack([np.column_stack([MATRIX, [1, 2, 3]]), [0, 0, 0, 1]])
    text = (" ".join(f"{v:.6f}" for v in matrix.T.ravel()) + "\n") * 3
    with pytest.raises(InputError, match=r"line 1: found 16 numbers that end with 1.0\S* 2.0\S* 3.0\S* 1") as caught:
        read(tmp_path, text, suffix)
    hint = str(caught.value).partition("trajectory.columns = ")[2].partition("]")[0] + "]"
    columns = tuple(json.loads(hint))
    found = read(tmp_path, text, suffix, TrajectoryConvention(scale=Scale.METRIC, columns=columns)).trajectory
    np.testing.assert_allclose(found.T_world_camera[1, :3, :3], MATRIX, atol=1e-5)
    np.testing.assert_array_equal(found.T_world_camera[1, :3, 3], [1, 2, 3])
    with pytest.raises(InputError, match=r"name the columns in trajectory\.columns"):
        read(tmp_path, " ".join("1" * 16) + "\n", suffix)


@pytest.mark.parametrize("count", [7, 9, 13])
def test_another_number_of_columns_without_names_is_said(tmp_path: Path, count: int) -> None:
    text = (" ".join(["0.5"] * count) + "\n") * 3
    with pytest.raises(InputError, match=rf"line 2: found {count} numbers without names, expected 8 \(timestamp tx"):
        read(tmp_path, f"# walk\n{text}", "txt")


@pytest.mark.parametrize("mark", ["#", "%", "//"])
def test_a_remark_behind_the_numbers_of_a_row_is_left_aside(tmp_path: Path, mark: str) -> None:
    check(read(tmp_path, rows(W_LAST).replace("\n", f" {mark} key frame, sharp\n"), "tum"))


@pytest.mark.parametrize("name", ["frame_number", "Frame No.", "Frame #", "frame_idx"])
def test_frame_numbers_under_other_names(tmp_path: Path, name: str) -> None:
    found = read(
        tmp_path, f"{name},qw,qx,qy,qz\n" + "".join(f"{n},1,0,0,0\n" for n in range(3)), "csv", TrajectoryConvention()
    )
    assert found.trajectory.time_ns.tolist() == FRAMES.tolist()


def test_a_column_of_frames_goes_before_a_foreign_clock_when_asked(tmp_path: Path) -> None:
    text = "timestamp,frame,qw,qx,qy,qz\n" + "".join(f"{1700 + n},{n},1,0,0,0\n" for n in range(3))
    assert read(tmp_path, text, "csv", TrajectoryConvention()).trajectory.time_ns[0] == 1_700_000_000_000
    asked = read(tmp_path, text, "csv", TrajectoryConvention(time_column="frame"))
    assert asked.trajectory.time_ns.tolist() == FRAMES.tolist()
    with pytest.raises(InputError, match=r"expected fram, as trajectory.time_column says; did you mean frame\?"):
        read(tmp_path, text, "csv", TrajectoryConvention(time_column="fram"))
    with pytest.raises(InputError, match=r"qw: found a column without times"):
        read(tmp_path, text, "csv", TrajectoryConvention(time_column="qw"))


def test_two_columns_of_times_are_refused_until_one_is_named(tmp_path: Path) -> None:
    text = "t_s,timestamp_ms,qw,qx,qy,qz\n" + "".join(f"{n},{n + 7},1,0,0,0\n" for n in range(3))
    with pytest.raises(InputError, match=r"t_s and timestamp_ms for one quantity, .*trajectory.time_column"):
        read(tmp_path, text, "csv", TrajectoryConvention())
    found = read(tmp_path, text, "csv", TrajectoryConvention(time_column="timestamp_ms"))
    assert found.trajectory.time_ns.tolist() == [7_000_000, 8_000_000, 9_000_000]


def test_the_first_pose_may_be_stated_to_be_at_the_first_frame(tmp_path: Path) -> None:
    text = "t_s,qw,qx,qy,qz\n" + "".join(f"1700000000.{n}5,1,0,0,0\n" for n in range(3))
    path = tmp_path / "walk.csv"
    path.write_text(text)
    stated = TrajectoryConvention(first_pose_at_first_frame=True)
    found = read_trajectory_file(path, stated, FRAMES + 200_000_000)
    assert found.trajectory.time_ns.tolist() == [200_000_000, 300_000_000, 400_000_000]
    path.write_text("frame,qw,qx,qy,qz\n" + "".join(f"{n},1,0,0,0\n" for n in range(3)))
    with pytest.raises(InputError, match=r'found frame numbers, and time.first_pose = "first_frame"'):
        read_trajectory_file(path, stated, FRAMES)


@pytest.mark.parametrize(
    ("numbers", "stated", "times", "note"),
    [
        ((0, 1, 2), None, (0, 40_000_000, 80_000_000), ""),
        ((1, 2, 3), None, (0, 40_000_000, 80_000_000), "read as counted from 1"),
        ((1, 2, 3), 1, (0, 40_000_000, 80_000_000), ""),
        ((120, 121, 122), 120, (0, 40_000_000, 80_000_000), ""),
    ],
)
def test_frames_are_counted_from_0_or_as_the_numbers_show_or_as_stated(
    tmp_path: Path, numbers: tuple[int, ...], stated: int | None, times: tuple[int, ...], note: str
) -> None:
    text = "frame,qw,qx,qy,qz\n" + "".join(f"{n},1,0,0,0\n" for n in numbers)
    found = read(tmp_path, text, "csv", TrajectoryConvention(frames_from=stated))
    assert found.trajectory.time_ns.tolist() == list(times)
    assert (note in found.notes[0]) if note else found.notes == ()


def test_frames_that_begin_with_1_and_end_early_are_read_from_0_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_text("frame,qw,qx,qy,qz\n1,1,0,0,0\n2,1,0,0,0\n3,1,0,0,0\n")
    frames = np.arange(9, dtype=np.int64) * 10
    found = read_trajectory_file(path, TrajectoryConvention(), frames)
    assert found.trajectory.time_ns.tolist() == [10, 20, 30]
    assert "set trajectory.frames_from = 1" in found.notes[0]
    assert read_trajectory_file(path, TrajectoryConvention(frames_from=0), frames).notes == ()


def test_framed_names_in_a_comment_say_what_the_poses_are(tmp_path: Path) -> None:
    names = " ".join(f"{name}_camera_world" for name in ("tx", "ty", "tz", "qw", "qx", "qy", "qz"))
    found = read(tmp_path, f"# timestamp {names}\n{rows(W_FIRST)}", "tum").trajectory
    np.testing.assert_allclose(found.T_world_camera[0, :3, :3], MATRIX.T, atol=1e-5)
    contradicting = TrajectoryConvention(scale=Scale.METRIC, transform=PoseTransform.WORLD_CAMERA)
    with pytest.raises(InputError, match=r"columns named \.\.\._camera_world"):
        read(tmp_path, f"# timestamp {names}\n{rows(W_FIRST)}", "tum", contradicting)


def test_colmap_files_are_named(tmp_path: Path) -> None:
    text = "#   IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME\n#   POINTS2D[] as (X, Y, POINT3D_ID)\n"
    with pytest.raises(InputError, match=r"images.txt of COLMAP"):
        read(tmp_path, text + f"1 {W_FIRST} 1 2 3 1 a.jpg\n\n" * 3, "txt")


def test_a_stated_unit_is_not_second_guessed(tmp_path: Path) -> None:
    text = "timestamp tx ty tz qw qx qy qz\n" + "".join(f"150000000012345678{n} 1 2 3 {W_FIRST}\n" for n in range(3))
    with pytest.raises(InputError, match=r"expected a time in us$"):
        read(tmp_path, text, "txt", TrajectoryConvention(scale=Scale.METRIC, time_unit=TimeUnit.US))
