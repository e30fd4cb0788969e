"""Conventions of labels, held from the file to the relative pose.

Each way of writing poses that we say we read is written here by formulas of its own, from one known motion, and must
give the same labels. The tests also show that a wrong reading is noticed: then labels move with the world's origin.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.geometry import (
    FloatArray,
    direction_error_deg,
    invert_transform,
    make_transform,
    relative_pose,
    rotation_error_deg,
)
from avbench.preprocessing.recording.pose_convention import CameraAxes, PoseTransform, TrajectoryConvention
from avbench.preprocessing.recording.recording import Scale
from avbench.preprocessing.sources.common.trajectory_file import read_trajectory_file

N = 12
METRIC = TrajectoryConvention(scale=Scale.METRIC)


def head_motion() -> FloatArray:
    """Somebody walks 0.4 m a step into the direction they look, turning and nodding: camera-to-world (N, 4, 4).

    The world has z up; OpenCV camera axes are x right, y down, z forward.
    """
    steps = np.arange(N)
    yaw, pitch = np.radians(11.0 * steps), np.radians(15.0 * np.sin(steps))
    forward = np.stack([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)], axis=-1)
    right = np.stack([np.sin(yaw), -np.cos(yaw), np.zeros(N)], axis=-1)
    rotation = np.stack([right, np.cross(forward, right), forward], axis=-1)
    place = np.cumsum(np.concatenate([[[3.0, -2.0, 1.6]], 0.4 * forward[:-1]]), axis=0)
    return make_transform(rotation, place)


def labels(T_world_camera: FloatArray) -> FloatArray:
    """Relative poses of neighbouring poses and of some further apart."""
    return np.concatenate([relative_pose(T_world_camera[:-k], T_world_camera[k:]) for k in (1, 3, 7)])


def write_tum(path: Path, T: FloatArray) -> Path:
    rows = np.column_stack([np.arange(len(T)) / 10, T[:, :3, 3], Rotation.from_matrix(T[:, :3, :3]).as_quat()])
    np.savetxt(path, rows, fmt="%.17g")
    return path


def read_labels(path: Path, convention: TrajectoryConvention = METRIC) -> FloatArray:
    return labels(read_trajectory_file(path, convention).trajectory.T_world_camera)


TRUTH = labels(head_motion())


# Right, up and ahead by the words of each convention.
RIGHT_UP_AHEAD = {
    CameraAxes.OPENCV: np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]),
    CameraAxes.OPENGL: np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]),
    CameraAxes.ROS_BODY: np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
    CameraAxes.UNITY: np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    CameraAxes.UNREAL: np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
}


@pytest.mark.parametrize("axes", list(CameraAxes))
def test_up_is_the_same_in_every_convention_from_the_world_and_from_columns(tmp_path: Path, axes: CameraAxes) -> None:
    """A camera that has turned right by 40 degrees, looks 20 degrees up and leans 10 degrees to the right."""
    yaw, pitch, lean = np.radians([40.0, 20.0, 10.0])
    right, up, ahead = RIGHT_UP_AHEAD[axes]
    right_1, ahead_1 = np.cos(yaw) * right - np.sin(yaw) * ahead, np.sin(yaw) * right + np.cos(yaw) * ahead
    up_2, ahead_2 = np.cos(pitch) * up - np.sin(pitch) * ahead_1, np.cos(pitch) * ahead_1 + np.sin(pitch) * up
    right_3, up_3 = np.cos(lean) * right_1 - np.sin(lean) * up_2, np.cos(lean) * up_2 + np.sin(lean) * right_1
    # World axes are named as the camera's: what was right, up and ahead now points there.
    rotation = np.stack([right_3, up_3, ahead_2], axis=-1) @ np.linalg.inv(RIGHT_UP_AHEAD[axes].T)
    # Leaning to the right, up is to the left; looking up, it is ahead.
    to_the_left = [-np.sin(lean) * np.cos(pitch), -np.cos(lean) * np.cos(pitch), np.sin(pitch)]
    T = make_transform(np.stack([np.eye(3), rotation, rotation]), np.zeros((3, 3)))
    expected = [[0.0, -1.0, 0.0], to_the_left, to_the_left]
    convention = TrajectoryConvention(scale=Scale.METRIC, axes=axes, up_world=up)
    found = read_trajectory_file(write_tum(tmp_path / "a.tum", T), convention).trajectory
    assert found.up_world is not None
    in_camera = found.up_world @ found.T_world_camera[:, :3, :3]
    np.testing.assert_allclose(in_camera, expected, atol=1e-12)

    quaternion = Rotation.from_matrix(rotation).as_quat()
    columns = rotation.T @ up
    text = "t_s,qx,qy,qz,qw,up_x_camera,up_y_camera,up_z_camera\n"
    rows = [[0.0, 0.0, 0.0, 0.0, 1.0, *up], *([time, *quaternion, *columns] for time in (1.0, 2.0))]
    text += "".join(",".join(f"{value:.17g}" for value in row) + "\n" for row in rows)
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    rotation_only = TrajectoryConvention(scale=Scale.ROTATION_ONLY, axes=axes)
    read = read_trajectory_file(tmp_path / "a.csv", rotation_only)
    assert read.up_camera is not None
    np.testing.assert_allclose(read.up_camera[1], expected, atol=1e-12)


def test_forward_motion_is_plus_z(tmp_path: Path) -> None:
    T_a_b = read_trajectory_file(write_tum(tmp_path / "a.tum", head_motion()), METRIC).trajectory.T_world_camera
    step = relative_pose(T_a_b[:-1], T_a_b[1:])
    np.testing.assert_allclose(step[:, :3, 3], np.tile([0.0, 0.0, 0.4], (N - 1, 1)), atol=1e-12)


def test_turning_right_is_a_positive_turn_about_y(tmp_path: Path) -> None:
    angles = np.array([[0.0], [10.0], [20.0]])  # y points down, so that positive turns go to the right
    turn = Rotation.from_euler("y", angles, degrees=True).as_matrix()
    T = read_trajectory_file(
        write_tum(tmp_path / "a.tum", make_transform(turn, np.zeros(3))), METRIC
    ).trajectory.T_world_camera
    ahead_of_b = relative_pose(T[0], T[1])[:3, :3] @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(ahead_of_b, [np.sin(np.radians(10)), 0.0, np.cos(np.radians(10))], atol=1e-15)


def test_t_b_a_is_the_inverse_of_t_a_b(tmp_path: Path) -> None:
    T = read_trajectory_file(write_tum(tmp_path / "a.tum", head_motion()), METRIC).trajectory.T_world_camera
    product = relative_pose(T[:-1], T[1:]) @ relative_pose(T[1:], T[:-1])
    np.testing.assert_allclose(product, np.tile(np.eye(4), (N - 1, 1, 1)), atol=1e-12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    turn=st.tuples(*[st.floats(-180.0, 180.0)] * 3),
    origin=st.tuples(*[st.floats(-1000.0, 1000.0)] * 3),
)
def test_moving_the_world_origin_and_turning_the_world_leaves_labels(
    tmp_path: Path, turn: tuple[float, ...], origin: tuple[float, ...]
) -> None:
    T_new_old = make_transform(Rotation.from_euler("zyx", turn, degrees=True).as_matrix(), origin)
    path = write_tum(tmp_path / "a.tum", T_new_old @ head_motion())
    np.testing.assert_allclose(read_labels(path), TRUTH, rtol=0.0, atol=1e-9)


def test_world_to_camera_read_as_camera_to_world_is_noticed(tmp_path: Path) -> None:
    """The wrong reading gives other labels, and labels that change with the world's origin; the right one does not."""
    T_new_old = make_transform(np.eye(3), [10.0, -4.0, 2.0])
    here = write_tum(tmp_path / "here.tum", invert_transform(head_motion()))
    there = write_tum(tmp_path / "there.tum", invert_transform(T_new_old @ head_motion()))
    right = TrajectoryConvention(transform=PoseTransform.CAMERA_WORLD, scale=Scale.METRIC)
    np.testing.assert_allclose(read_labels(here, right), TRUTH, atol=1e-9)
    np.testing.assert_allclose(read_labels(there, right), TRUTH, atol=1e-9)

    wrong_here, wrong_there = read_labels(here), read_labels(there)
    assert rotation_error_deg(wrong_here[:, :3, :3], TRUTH[:, :3, :3]).max() > 5.0
    assert np.median(direction_error_deg(wrong_here[:, :3, 3], TRUTH[:, :3, 3])) > 20.0
    moved = np.linalg.norm(wrong_here[:, :3, 3] - wrong_there[:, :3, 3], axis=-1)
    assert np.median(moved) > 1.0


def test_camera_to_world_read_as_world_to_camera_is_noticed(tmp_path: Path) -> None:
    path = write_tum(tmp_path / "a.tum", head_motion())
    wrong = read_labels(path, TrajectoryConvention(transform=PoseTransform.CAMERA_WORLD, scale=Scale.METRIC))
    assert np.median(direction_error_deg(wrong[:, :3, 3], TRUTH[:, :3, 3])) > 20.0


# Columns: the file's camera axes x, y and z in the words of the picture.
RIGHT, DOWN, FORWARD = np.eye(3)
AXES = {
    CameraAxes.OPENCV: (RIGHT, DOWN, FORWARD),
    CameraAxes.OPENGL: (RIGHT, -DOWN, -FORWARD),
    CameraAxes.ROS_BODY: (FORWARD, -RIGHT, -DOWN),
    CameraAxes.UNITY: (RIGHT, -DOWN, FORWARD),
    CameraAxes.UNREAL: (FORWARD, RIGHT, -DOWN),
}
# A left-handed file has a left-handed world: here z is mirrored, which no code of the reader knows of.
MIRROR = {CameraAxes.UNITY: np.diag([1.0, 1.0, -1.0]), CameraAxes.UNREAL: np.diag([1.0, 1.0, -1.0])}


def in_axes(axes: CameraAxes, T: FloatArray) -> FloatArray:
    """Camera-to-world poses of OpenCV cameras, as a file with other axes states them."""
    opencv_from_file: NDArray[np.float64] = np.stack(AXES[axes], axis=-1)
    world = MIRROR.get(axes, np.eye(3))
    return make_transform(world @ T[:, :3, :3] @ opencv_from_file, T[:, :3, 3] @ world.T)


@pytest.mark.parametrize("axes", list(CameraAxes))
def test_every_choice_of_camera_axes_gives_the_same_labels(tmp_path: Path, axes: CameraAxes) -> None:
    T = in_axes(axes, head_motion())
    np.testing.assert_allclose(np.linalg.det(T[:, :3, :3]), 1.0)
    forward = write_tum(tmp_path / "a.tum", T)
    stated = TrajectoryConvention(axes=axes, scale=Scale.METRIC)
    np.testing.assert_allclose(read_labels(forward, stated), TRUTH, atol=1e-12)
    inverse = write_tum(tmp_path / "b.tum", invert_transform(T))
    stated = TrajectoryConvention(transform=PoseTransform.CAMERA_WORLD, axes=axes, scale=Scale.METRIC)
    np.testing.assert_allclose(read_labels(inverse, stated), TRUTH, atol=1e-12)


@pytest.mark.parametrize("axes", [axes for axes in CameraAxes if axes is not CameraAxes.OPENCV])
def test_wrong_camera_axes_are_noticed(tmp_path: Path, axes: CameraAxes) -> None:
    labels_read = read_labels(write_tum(tmp_path / "a.tum", in_axes(axes, head_motion())))
    errors = np.maximum(
        direction_error_deg(labels_read[:, :3, 3], TRUTH[:, :3, 3]),
        rotation_error_deg(labels_read[:, :3, :3], TRUTH[:, :3, :3]),
    )
    assert np.median(errors) > 5.0


@pytest.mark.parametrize("axes", list(CameraAxes))
def test_up_in_the_world_is_the_same_up_in_the_camera(tmp_path: Path, axes: CameraAxes) -> None:
    path = write_tum(tmp_path / "a.tum", in_axes(axes, head_motion()))
    up_in_file = MIRROR.get(axes, np.eye(3)) @ [0.0, 0.0, 2.0]
    track = read_trajectory_file(
        path, TrajectoryConvention(axes=axes, scale=Scale.METRIC, up_world=up_in_file)
    ).trajectory
    assert track.up_world is not None
    up_camera = np.swapaxes(track.T_world_camera[:, :3, :3], -1, -2) @ track.up_world
    expected = np.swapaxes(head_motion()[:, :3, :3], -1, -2) @ [0.0, 0.0, 1.0]
    np.testing.assert_allclose(up_camera, expected, atol=1e-12)


@pytest.mark.parametrize("transform", [PoseTransform.WORLD_BODY, PoseTransform.BODY_WORLD])
def test_poses_of_a_body_with_its_camera(tmp_path: Path, transform: PoseTransform) -> None:
    T_body_camera = make_transform(Rotation.from_euler("xyz", [100, 20, -70], degrees=True).as_matrix(), [0.1, 0, -0.2])
    T_world_body = head_motion() @ invert_transform(T_body_camera)
    T = T_world_body if transform is PoseTransform.WORLD_BODY else invert_transform(T_world_body)
    stated = TrajectoryConvention(transform=transform, scale=Scale.METRIC, T_body_camera=T_body_camera)
    np.testing.assert_allclose(read_labels(write_tum(tmp_path / "a.tum", T), stated), TRUTH, atol=1e-12)


def test_millimetres_with_a_body(tmp_path: Path) -> None:
    """The file's unit is that of its own translation; T_body_camera is in metres."""
    T_body_camera = make_transform(np.eye(3), [0.1, 0.0, -0.2])
    T = head_motion() @ invert_transform(T_body_camera)
    T[:, :3, 3] *= 1000.0
    stated = TrajectoryConvention(
        transform=PoseTransform.WORLD_BODY, scale=Scale.METRIC, metres_per_unit=0.001, T_body_camera=T_body_camera
    )
    np.testing.assert_allclose(read_labels(write_tum(tmp_path / "a.tum", T), stated), TRUTH, atol=1e-12)


def test_the_two_signs_of_a_quaternion_are_one_rotation(tmp_path: Path) -> None:
    path = write_tum(tmp_path / "a.tum", head_motion())
    rows = np.loadtxt(path)
    rows[::2, 4:] *= -1.0
    np.savetxt(path, rows, fmt="%.17g")
    np.testing.assert_allclose(read_labels(path), TRUTH, atol=1e-12)
