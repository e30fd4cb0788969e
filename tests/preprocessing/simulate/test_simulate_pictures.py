"""Pictures: what is drawn lies where the stored pose and intrinsics say, in files as in memory."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import FloatArray, invert_transform, make_transform
from avbench.preprocessing.simulate.pictures import render
from avbench.preprocessing.simulate.pictures.render import drawable, render_depth, render_picture
from avbench.preprocessing.simulate.scene.camera_motion import level_rotation
from avbench.preprocessing.simulate.scene.scene import Box, Light, Paint, Room, Scene
from avbench.preprocessing.simulate.scene.textures import MIP_OFFSETS, MIP_SIZES, TEXTURE_SIZE, texture_pyramid
from avbench.preprocessing.simulate.scene.world import RecordingSettings, make_world
from avbench.preprocessing.simulate.write import write_recording
from avbench.preprocessing.sources.folder.files import find
from avbench.preprocessing.sources.folder.layout import open_ref
from rendered_overlap import rendered_overlap

DOT_SPACING, DOT_RADIUS = 32, 1.4  # texels; foreshortening shifts the middle of a larger dot
K = np.array([[130.0, 0.0, 79.5], [0.0, 130.0, 59.5], [0.0, 0.0, 1.0]])
SIZE = (160, 120)
PAINT = Paint(0, TEXTURE_SIZE / 6.0, (0.0, 0.0), (1.0, 1.0, 1.0))
ROOM = Room((6.0, 5.0, 3.0), (PAINT,) * 6, ((0.3,) * 6,) * 6, (0.4,) * 6)
SCENE = Scene(0, "test", ROOM, (), (Light((3.0, 2.5, 2.7), 2.0),), 0.5, 1.0, ())


@lru_cache(maxsize=1)
def _dotted_pyramid() -> NDArray[np.uint8]:
    """Bright round dots on dark, one at every 32nd texel corner, in all mip levels."""
    levels = []
    for size in MIP_SIZES:
        scale = TEXTURE_SIZE / size
        # Several samples a texel; a texel of a coarse level is the mean over what it covers.
        fine = (np.arange(size * 8) + 0.5) / 8 * scale
        offset = (fine + DOT_SPACING / 2) % DOT_SPACING - DOT_SPACING / 2
        inside = np.hypot(offset[:, None], offset[None, :]) < DOT_RADIUS
        share = inside.reshape(size, 8, size, 8).mean(axis=(1, 3))
        levels.append(np.rint(255.0 * np.sqrt(0.25 + 0.65 * share)).astype(np.uint8).reshape(-1, 1).repeat(3, axis=1))
    return np.concatenate(levels)


def dotted_pyramid(*_: object) -> NDArray[np.uint8]:
    """In place of `texture_pyramid`."""
    return _dotted_pyramid()


def dots_on_walls(scene: Scene) -> tuple[FloatArray, FloatArray]:
    """Places (N, 3) of the dots on the four walls, and the walls' inward normals (N, 3)."""
    points, normals = [], []
    for face in range(4):
        paint = scene.room.paint[face]
        axis = face // 2
        length = scene.room.size_m[1 - axis]
        steps = np.arange(-20, 40) * DOT_SPACING
        along = (steps - paint.shift_texels[0]) / paint.texels_per_m
        up = (steps - paint.shift_texels[1]) / paint.texels_per_m
        for a in along[(along > 0.1) & (along < length - 0.1)]:
            for z in up[(up > 0.1) & (up < scene.room.size_m[2] - 0.1)]:
                point, normal = np.zeros(3), np.zeros(3)
                point[axis] = scene.room.size_m[axis] if face % 2 else 0.0
                point[1 - axis], point[2] = a, z
                normal[axis] = -1.0 if face % 2 else 1.0
                points.append(point)
                normals.append(normal)
    return np.array(points), np.array(normals)


def dot_errors_px(
    scene: Scene, image: NDArray[np.uint8], T_world_camera: FloatArray, intrinsics: FloatArray
) -> list[float]:
    """Distance of every dot in full view from where its point projects to."""
    points, normals = dots_on_walls(scene)
    height, width = image.shape[:2]
    depth = render_depth(scene, T_world_camera, intrinsics, (width, height))
    local = (points - T_world_camera[:3, 3]) @ T_world_camera[:3, :3]
    grey = np.square(image.astype(np.float64).mean(axis=-1))
    errors = []
    for (x, y, z), point, normal in zip(local, points, normals, strict=True):
        if not 0.5 < z < 3.0:
            continue
        u, v = intrinsics[0, 0] * x / z + intrinsics[0, 2], intrinsics[1, 1] * y / z + intrinsics[1, 2]
        toward = T_world_camera[:3, 3] - point
        radius = int(np.ceil(DOT_RADIUS / scene.room.paint[0].texels_per_m * intrinsics[0, 0] / z * 1.5)) + 2
        column, row = round(u), round(v)
        if toward @ normal < 0.6 * np.linalg.norm(toward):
            continue
        if not (radius < column < width - radius - 1 and radius < row < height - radius - 1):
            continue
        window = slice(row - radius, row + radius + 1), slice(column - radius, column + radius + 1)
        rows, columns = np.mgrid[window]
        rays = np.stack(
            [
                (columns - intrinsics[0, 2]) / intrinsics[0, 0],
                (rows - intrinsics[1, 2]) / intrinsics[1, 1],
                np.ones(rows.shape),
            ],
            axis=-1,
        )
        surface = (rays * depth[window][..., None]) @ T_world_camera[:3, :3].T + T_world_camera[:3, 3]
        if np.abs((surface - point) @ normal).max() > 1e-3:  # furniture or a corner beside it
            continue
        if image[window].max() > 250:  # overexposed: no middle to be found
            continue
        light = grey[window] - np.median(grey[window])
        light[light < 0.2 * light.max()] = 0.0
        errors.append(
            float(np.hypot((light * columns).sum() / light.sum() - u, (light * rows).sum() / light.sum() - v))
        )
    return errors


def test_dots_on_walls_lie_where_they_project_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the files: video codec, trajectory, intrinsics, all as a user reads them."""
    monkeypatch.setattr(render, "texture_pyramid", dotted_pyramid)
    settings = RecordingSettings(3, "test", 0, duration_s=2.0, fps=5)
    scene = write_recording(tmp_path, settings).scene
    recording = open_ref(find(tmp_path)[0])
    camera = recording.camera
    errors = []
    for frame in recording.frames.read(range(len(recording.frames.time_ns))):
        index = int(np.flatnonzero(recording.trajectory.time_ns == frame.time_ns)[0])
        pose = recording.trajectory.T_world_camera[index]
        errors += dot_errors_px(scene, frame.image, pose, camera.matrix)
    print(f"{len(errors)} dots, error median {np.median(errors):.3f} px, largest {max(errors):.3f} px")
    assert len(errors) > 30
    assert max(errors) < 0.5
    assert np.median(errors) < 0.15


def test_drawn_dots_are_exact_before_the_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "texture_pyramid", dotted_pyramid)
    errors = []
    for index in range(6):
        world = make_world(RecordingSettings(3, "test", index, duration_s=2.0))
        for time_s in (0.0, 1.0):
            errors += dot_errors_px(world.scene, world.picture(time_s), world.motion.poses(time_s), world.camera.matrix)
    assert len(errors) > 40
    assert max(errors) < 0.25
    assert np.median(errors) < 0.1


def test_the_dot_test_notices_half_a_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "texture_pyramid", dotted_pyramid)
    world = make_world(RecordingSettings(3, "test", 0, duration_s=1.0))
    shifted = world.camera.matrix + np.array([[0, 0, 0.5], [0, 0, 0], [0, 0, 0]])
    errors = dot_errors_px(world.scene, world.picture(0.0), world.motion.poses(0.0), shifted)
    assert np.median(errors) == pytest.approx(0.5, abs=0.1)


def test_depth_of_walls_and_boxes_by_hand() -> None:
    """The camera at (1, 2.5, 1.5) looks along x: a box face at x = 3, the wall at x = 6."""
    box = Box((3.5, 2.5, 1.0), (0.5, 0.4, 1.0), 0.0, PAINT)
    scene = replace(SCENE, boxes=(box,))
    pose = make_transform(level_rotation(0.0), [1.0, 2.5, 1.5])
    depth = render_depth(scene, pose, K, SIZE)
    assert depth[60, 80] == pytest.approx(2.0, abs=1e-5)
    # Half a metre above the camera's height the box, 2 m high, ends: row 59.5 - 130 * 0.5 / 2.
    assert depth[28, 80] == pytest.approx(2.0, abs=1e-5)
    assert depth[26, 80] > 2.5
    # The wall beside the box: its depth is along the axis, the same over the whole wall.
    assert depth[60, 40] == pytest.approx(5.0, abs=1e-5)
    assert depth[60, 20] == pytest.approx(5.0, abs=1e-5)


def test_turned_box_against_its_corner() -> None:
    """Turned by 45 degrees a cube shows its edge: sqrt(2) half sides nearer than its centre."""
    scene = replace(SCENE, boxes=(Box((3.5, 2.5, 1.5), (0.5, 0.5, 0.5), 45.0, PAINT),))
    K_centre = K.copy()
    K_centre[0, 2] = 80.0
    depth = render_depth(scene, make_transform(level_rotation(0.0), [1.0, 2.5, 1.5]), K_centre, SIZE)
    assert depth[60, 80] == pytest.approx(2.5 - 0.5 * np.sqrt(2.0), abs=1e-4)


def test_lambert_and_exposure_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grey wall 5 m ahead, one lamp beside the camera: grey = 255 sqrt(exposure albedo (ambient + P cos / r^2))."""
    grey = np.full((MIP_OFFSETS[-1], 3), 128, dtype=np.uint8)
    monkeypatch.setattr(render, "texture_pyramid", lambda *_: grey)
    scene = replace(SCENE, lights=(Light((1.0, 2.5, 1.5), 10.0),), ambient=0.2, exposure=0.8)
    pose = make_transform(level_rotation(0.0), [1.0, 2.5, 1.5])
    image = render_picture(drawable(scene), pose, K, SIZE)
    light = (128 / 255) ** 2 * (0.2 + 10.0 / 25.05)
    assert image[60, 80] == pytest.approx([255.0 * np.sqrt(0.8 * light)] * 3, abs=1.0)


def test_every_picture_is_the_same_again() -> None:
    settings = RecordingSettings(4, "val", 2, width_px=96, height_px=64)
    first, second = make_world(settings), make_world(settings)
    np.testing.assert_array_equal(first.picture(0.7), second.picture(0.7))
    assert not np.array_equal(first.picture(0.7), first.picture(0.9))


def test_an_open_shutter_blurs_along_the_motion() -> None:
    """The mean of sharp pictures within the exposure, each of which is drawn at its own time."""
    settings = RecordingSettings(4, "train", 1, width_px=160, height_px=120)
    sharp = make_world(settings)
    blurred = make_world(replace(settings, shutter_s=0.06))
    picture = blurred.picture(1.0).astype(np.float64)
    times = 1.0 + 0.06 * ((np.arange(24) + 0.5) / 24 - 0.5)
    # Light adds up, not grey levels.
    mean = np.sqrt(np.mean([np.square(sharp.picture(float(t)).astype(np.float64)) for t in times], axis=0))
    assert np.abs(picture - mean).mean() < 2.0
    assert np.abs(picture - mean).mean() < 0.5 * np.abs(sharp.picture(1.0) - mean).mean()


def test_overlap_of_a_picture_with_itself_and_with_its_back() -> None:
    pose = make_transform(level_rotation(0.0), [3.0, 2.5, 1.5])
    back = make_transform(level_rotation(180.0), [3.0, 2.5, 1.5])
    assert rendered_overlap(SCENE, pose, pose, K, SIZE) == 1.0
    assert rendered_overlap(SCENE, pose, back, K, SIZE) == 0.0


def test_overlap_of_a_step_forward_by_hand() -> None:
    """From 5 m to 4 m from a wall that fills the view: of a's picture b shows 4 / 5 in both directions."""
    scene = replace(SCENE, room=replace(ROOM, size_m=(6.0, 40.0, 40.0)))
    a = make_transform(level_rotation(0.0), [1.0, 20.0, 20.0])
    b = make_transform(level_rotation(0.0), [2.0, 20.0, 20.0])
    assert rendered_overlap(scene, a, b, K, SIZE) == pytest.approx(0.64, abs=0.02)
    assert rendered_overlap(scene, b, a, K, SIZE) == pytest.approx(1.0, abs=0.01)


def test_what_furniture_hides_does_not_overlap() -> None:
    """A screen in front of camera b hides the wall that camera a sees."""
    a = make_transform(level_rotation(0.0), [4.0, 2.5, 1.5])
    b = make_transform(level_rotation(0.0), [1.0, 2.5, 1.5])
    screen = Box((1.5, 2.5, 1.5), (0.02, 2.4, 1.4), 0.0, PAINT)
    assert rendered_overlap(SCENE, a, b, K, SIZE) > 0.9
    assert rendered_overlap(replace(SCENE, boxes=(screen,)), a, b, K, SIZE) == 0.0


def test_textures_of_two_splits_differ_and_repeat_exactly() -> None:
    train, test = texture_pyramid(1, "train", 5), texture_pyramid(1, "test", 5)
    assert train.shape == test.shape == (MIP_OFFSETS[-1], 3)
    assert not np.array_equal(train, test)
    texture_pyramid.cache_clear()
    np.testing.assert_array_equal(train, texture_pyramid(1, "train", 5))


def test_pose_maps_camera_to_world() -> None:
    """A point ahead of the camera, mapped by the stored pose, lies on the wall the picture's centre shows."""
    world = make_world(RecordingSettings(8, "train", 0, width_px=64, height_px=48))
    T = world.motion.poses(0.5)
    u, v = 32, 24
    depth = float(world.depth(0.5)[v, u])
    ray = np.array([(u - world.camera.cx_px) / world.camera.fx_px, (v - world.camera.cy_px) / world.camera.fy_px, 1.0])
    point = T[:3, :3] @ (depth * ray) + T[:3, 3]
    size = np.array(world.scene.room.size_m)
    on_wall = np.min(np.abs(np.concatenate([point, point - size]))) < 1e-3
    on_box = any(
        np.min(np.abs(np.abs(local) - np.array(box.half_size_m))) < 1e-3
        for box in world.scene.boxes
        for local in [level_box_coordinates(box, point)]
    )
    assert on_wall or on_box
    np.testing.assert_allclose(invert_transform(T)[:3, :3] @ (point - T[:3, 3]), depth * ray, atol=1e-6)


def level_box_coordinates(box: Box, point: FloatArray) -> FloatArray:
    yaw = np.radians(box.yaw_deg)
    x, y, z = point - np.array(box.centre_m)
    return np.array([np.cos(yaw) * x + np.sin(yaw) * y, -np.sin(yaw) * x + np.cos(yaw) * y, z])
