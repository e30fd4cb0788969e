"""Poses against pictures: a small recording read right, and under every usual mistake."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avbench.preprocessing.base.geometry import invert_transform, make_transform, rotation_error_deg
from avbench.preprocessing.checks.pictures.check import PoseCheck, check_poses
from avbench.preprocessing.checks.pictures.decision import Finding
from avbench.preprocessing.checks.pictures.lenses import upright_rays
from avbench.preprocessing.checks.pictures.readings import Kind, read_as
from avbench.preprocessing.checks.pictures.two_view import estimate
from avbench.preprocessing.media.rectify import project
from avbench.preprocessing.recording.pose_convention import (
    CameraAxes,
    PoseStatement,
    PoseTransform,
    TrajectoryConvention,
    camera_to_world,
    poses_of_file,
)
from avbench.preprocessing.recording.recording import Camera, Distortion, Recording, Scale
from pose_mistakes import Mistake, judged, lens_mistakes, pose_mistakes, time_mistakes, time_reversed, with_noise
from textured_recording import CAMERA, PaintedFrames, textured_recording

RIGHT = textured_recording()
MISTAKES = [
    *pose_mistakes(RIGHT),
    *(one for one in time_mistakes(RIGHT) if one.name in ("counted from 1", "clock -0.25 s")),
    *(one for one in lens_mistakes(RIGHT) if one.name in ("focal x 1.19", "focal x 0.75", "pinhole or fisheye")),
]


def check(recording: Recording) -> PoseCheck:
    return check_poses(recording, max_gap_ns=150_000_000, tolerance_ns=5_000_000)


def test_right_poses_agree_after_a_few_pairs() -> None:
    found = check(RIGHT)
    assert found.decision.finding is Finding.RIGHT
    assert found.looked_at == 12
    assert found.rotation_deg is not None
    assert found.rotation_deg < 0.3
    assert found.direction_deg is not None
    assert found.direction_deg < 10.0
    assert found == check(RIGHT)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.name)
def test_a_mistake_is_named(mistake: Mistake) -> None:
    found = check(mistake.recording)
    assert found.decision.finding is Finding.OTHER
    assert judged(mistake, found) == "named"
    assert found.best_rotation_deg is not None


@pytest.mark.parametrize("sigma_deg", [0.5, 2.0])
def test_noise_on_the_poses_is_no_mistake(sigma_deg: float) -> None:
    assert check(with_noise(RIGHT, sigma_deg, 0)).decision.finding is not Finding.OTHER


def test_poses_that_run_backwards_are_unexplained() -> None:
    assert check(time_reversed(RIGHT)).decision.finding is Finding.UNEXPLAINED


def test_rotations_alone_say_nothing_of_directions() -> None:
    poses = make_transform(RIGHT.trajectory.T_world_camera[:, :3, :3], np.zeros((60, 3)))
    rotations = replace(RIGHT.trajectory, T_world_camera=poses, scale=Scale.ROTATION_ONLY)
    found = check(replace(RIGHT, trajectory=rotations))
    assert found.decision.finding is Finding.ROTATIONS_RIGHT
    assert found.direction_deg is None


def test_pictures_that_do_not_move_refuse_nothing() -> None:
    still = np.repeat(RIGHT.trajectory.T_world_camera[:1], 60, axis=0)
    found = check(replace(RIGHT, frames=PaintedFrames(RIGHT.frames.time_ns, still)))
    assert found.decision.finding is Finding.TOO_LITTLE
    assert found.is_still


@pytest.mark.parametrize("transform", [PoseTransform.WORLD_BODY, PoseTransform.CAMERA_WORLD])
@pytest.mark.parametrize("axes", list(CameraAxes))
@pytest.mark.parametrize("turns", [0, 1])
def test_the_numbers_of_the_file_are_found_again(transform: PoseTransform, axes: CameraAxes, turns: int) -> None:
    T_body_camera = RIGHT.trajectory.T_world_camera[7] if transform.is_of_body else None
    convention = TrajectoryConvention(axes=axes, T_body_camera=T_body_camera)
    statement = PoseStatement(transform, convention, quarter_turns_cw=turns)
    poses = RIGHT.trajectory.T_world_camera
    T = camera_to_world(poses, transform, convention)
    angle = np.radians(90.0 * turns)
    upright_sensor = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0, 0, 1.0]])
    T[:, :3, :3] = T[:, :3, :3] @ upright_sensor.T
    assert np.allclose(poses_of_file(T, statement), poses)


def test_the_inverse_is_that_of_the_file_not_of_our_axes() -> None:
    # A file of world-to-camera poses with OpenGL axes that was stated to be camera-to-world.
    T_world_camera = RIGHT.trajectory.T_world_camera
    gl = TrajectoryConvention(axes=CameraAxes.OPENGL)
    truth = camera_to_world(T_world_camera, PoseTransform.CAMERA_WORLD, gl)
    read = camera_to_world(T_world_camera, PoseTransform.WORLD_CAMERA, gl)
    undone = read_as(read, Kind.INVERSE, PoseStatement(PoseTransform.WORLD_CAMERA, gl))
    assert np.allclose(undone, truth)


@pytest.mark.parametrize(
    ("distortion", "coefficients"),
    [
        (Distortion.NONE, ()),
        (Distortion.BROWN_CONRADY, (-0.1, 0.02, 0.001, -0.002)),
        (Distortion.KANNALA_BRANDT, (0.02, -0.01, 0.0, 0.0)),
        (Distortion.FISHEYE624, (0.02, -0.01, 0.0, 0.0, 0.0, 0.0, 0.001, -0.002, 0.001, 0.0, -0.001, 0.0)),
    ],
)
def test_rays_are_those_that_the_lens_shows_at_the_pixel(
    distortion: Distortion, coefficients: tuple[float, ...]
) -> None:
    camera = Camera(320, 240, 190.0, 195.0, 158.0, 121.0, distortion, coefficients)
    pixels = np.stack(np.meshgrid(np.linspace(20, 300, 9), np.linspace(10, 230, 7)), axis=-1).reshape(-1, 2)
    rays = upright_rays(camera, pixels)
    assert np.isfinite(rays).all()
    assert np.allclose(project(camera, rays), pixels, atol=1e-3)
    turned = upright_rays(replace(camera, quarter_turns_cw=1), pixels)
    # Turned clockwise, what was up (-y) is on the right (x).
    assert np.allclose(turned[:, 0], -rays[:, 1])
    assert np.allclose(turned[:, 1], rays[:, 0])


def test_a_motion_is_found_from_exact_rays() -> None:
    rng = np.random.default_rng(0)
    T_a_b = invert_transform(RIGHT.trajectory.T_world_camera[3]) @ RIGHT.trajectory.T_world_camera[9]
    points_b = rng.uniform([-2, -2, 3], [2, 2, 8], (200, 3))
    points_a = points_b @ T_a_b[:3, :3].T + T_a_b[:3, 3]
    view = estimate(points_a / points_a[:, 2:], points_b / points_b[:, 2:], CAMERA.fx_px, 10.0)
    assert view is not None
    assert rotation_error_deg(view.essential_rotation_a_b, T_a_b[:3, :3]) < 1e-3
    direction = T_a_b[:3, 3] / np.linalg.norm(T_a_b[:3, 3])
    assert np.allclose(view.essential_direction_a_b, direction, atol=1e-3)
    assert estimate(points_a[:10], points_b[:10], CAMERA.fx_px, 10.0) is None
