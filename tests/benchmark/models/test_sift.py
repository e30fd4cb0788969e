"""The classical model on a room of known geometry and on real pictures with tracked poses."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from avbench.benchmark.data.pair import PairInput
from avbench.benchmark.models.classical import (
    SiftSettings,
    SiftTwoView,
    fit_rotation,
    mutual_matches,
    pixel_rays,
    residual_direction,
    sampson_error_px2,
)
from avbench.preprocessing.base.geometry import (
    axis_rotation,
    direction_error_deg,
    make_transform,
    relative_pose,
    rotation_error_deg,
)

K = np.array([[300.0, 0.0, 191.5], [0.0, 300.0, 127.5], [0.0, 0.0, 1.0]])
START = make_transform(axis_rotation("y", 20.0) @ axis_rotation("x", -5.0), (0.4, 0.1, -0.8))


def pair(image_a, image_b, intrinsics=K) -> PairInput:
    return PairInput("p", image_a, image_b, intrinsics, None, None, None, None)


def seen(room, T_a_b) -> PairInput:
    return pair(room.picture(START, K, 256, 384), room.picture(START @ T_a_b, K, 256, 384))


@pytest.mark.parametrize(
    ("rotation", "translation"),
    [
        (axis_rotation("y", 8.0), (0.3, 0.0, 0.2)),
        (axis_rotation("x", -6.0) @ axis_rotation("z", 10.0), (0.0, 0.1, 0.4)),
        (axis_rotation("y", -15.0), (-0.4, 0.05, -0.1)),
        (np.eye(3), (0.0, 0.0, 0.5)),
    ],
)
def test_rotation_and_signed_direction_of_a_moving_camera(room, rotation, translation):
    answer = SiftTwoView().predict([seen(room, make_transform(rotation, translation))])[0]
    assert rotation_error_deg(answer.rotation_a_b, rotation) < 0.3
    assert direction_error_deg(answer.translation_a_b, translation) < 3.0
    assert answer.confidence is not None
    assert answer.confidence > 0.7
    assert not answer.metric


@pytest.mark.parametrize("angle_deg", [0.0, 1.0, 12.0, 30.0])
def test_a_camera_that_only_turns_gets_an_accurate_rotation(room, angle_deg):
    rotation = axis_rotation("y", angle_deg) @ axis_rotation("z", angle_deg / 3.0)
    answer = SiftTwoView().predict([seen(room, make_transform(rotation, (0.0, 0.0, 0.0)))])[0]
    assert rotation_error_deg(answer.rotation_a_b, rotation) < 0.05
    assert np.linalg.norm(answer.translation_a_b) == pytest.approx(1.0)


def test_answers_do_not_depend_on_order_or_company(room):
    moves = [make_transform(axis_rotation("y", angle), (0.2, 0.0, 0.3)) for angle in (3.0, 6.0)]
    pairs = [seen(room, move) for move in moves]
    together = SiftTwoView().predict(pairs)
    reversed_order = SiftTwoView().predict(pairs[::-1])[::-1]
    for first, second in zip(together, reversed_order, strict=True):
        np.testing.assert_array_equal(first.rotation_a_b, second.rotation_a_b)
        np.testing.assert_array_equal(first.translation_a_b, second.translation_a_b)


def test_with_nothing_to_match_it_says_that_it_guesses(room):
    black = np.zeros((64, 64, 3), dtype=np.uint8)
    scene = room.picture(START, K, 256, 384)
    other = np.random.default_rng(0).integers(0, 256, scene.shape, dtype=np.uint8)
    for answer in SiftTwoView().predict([pair(black, black), pair(scene, np.zeros_like(scene)), pair(scene, other)]):
        np.testing.assert_array_equal(answer.rotation_a_b, np.eye(3))
        np.testing.assert_array_equal(answer.translation_a_b, [0.0, 0.0, 1.0])
        assert answer.confidence == 0.0


def test_read_only_pictures_are_enough(room):
    given = seen(room, make_transform(axis_rotation("y", 5.0), (0.3, 0.0, 0.0)))
    for image in (given.image_a, given.image_b):
        image.flags.writeable = False
    assert SiftTwoView().predict([given])[0].confidence > 0.5


def two_view_points(rotation, translation, count=200, seed=1):
    """Rays of points ahead of both cameras, worked out from the definition of T_a_b."""
    generator = np.random.default_rng(seed)
    points_a = np.column_stack([generator.uniform(-2, 2, (count, 2)), generator.uniform(3, 8, count)])
    points_b = (points_a - np.asarray(translation)) @ rotation
    return tuple(points / np.linalg.norm(points, axis=1, keepdims=True) for points in (points_a, points_b))


def test_a_rotation_is_found_among_half_wrong_matches():
    rotation = axis_rotation("x", 7.0) @ axis_rotation("y", -11.0)
    rays_a, rays_b = two_view_points(rotation, (0.0, 0.0, 0.0))
    rays_b[100:] = np.random.default_rng(2).permutation(rays_b[100:])
    found = fit_rotation(rays_a, rays_b, 300.0, SiftSettings())
    assert rotation_error_deg(found.rotation_a_b, rotation) < 1e-6
    assert 100 <= found.inliers < 110


@pytest.mark.parametrize("translation", [(0.3, 0.0, 0.1), (0.0, 0.0, -0.4), (-0.1, 0.2, 0.0)])
def test_the_remaining_direction_has_the_right_sign(translation):
    rotation = axis_rotation("y", 4.0)
    rays_a, rays_b = two_view_points(rotation, translation)
    assert direction_error_deg(residual_direction(rotation, rays_a, rays_b), translation) < 1e-4


def test_sampson_error_is_zero_for_true_matches_and_counts_pixels():
    rotation, translation = axis_rotation("y", 4.0), np.array([1.0, 0.0, 0.0])
    rays_a, rays_b = two_view_points(rotation, 0.3 * translation)
    assert sampson_error_px2(rotation, translation, rays_a, rays_b, 300.0).max() < 1e-12
    # Sideways movement without rotation: epipolar lines are rows. Two pixels of height in one picture are shared
    # equally between both by the Sampson distance: 2^2 / 2.
    points_a = np.array([[100.0, 50.0]])
    rays = [pixel_rays(points, K) for points in (points_a, points_a + np.array([[5.0, 2.0]]))]
    assert sampson_error_px2(np.eye(3), translation, *rays, 300.0)[0] == pytest.approx(2.0)


def test_matches_are_mutual_and_distinct():
    generator = np.random.default_rng(0)
    a = generator.normal(size=(6, 16)).astype(np.float32)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    order = np.array([4, 2, 0, 5])
    first, second = mutual_matches(a, a[order], 0.8)
    assert dict(zip(first.tolist(), second.tolist(), strict=True)) == {4: 0, 2: 1, 0: 2, 5: 3}
    # The same descriptor twice in b: neither is distinct.
    first, _ = mutual_matches(a, a[[1, 1, 3]], 0.8)
    assert first.tolist() == [3]
    assert len(mutual_matches(a[:1], a, 0.8)[0]) == 0


def test_real_pictures_of_a_tracked_headset(shared_data: Path):
    folder = shared_data / "hololens"
    intrinsics = np.loadtxt(folder / "K.txt")
    poses = np.loadtxt(folder / "poses.txt").reshape(-1, 4, 4)
    files = sorted(folder.glob("*.png"))
    images = {i: cv2.cvtColor(cv2.imread(str(files[i])), cv2.COLOR_BGR2RGB) for i in range(0, len(files), 3)}
    starts = list(range(0, len(files) - 3, 6))
    answers = SiftTwoView().predict([pair(images[i], images[i + 3], intrinsics) for i in starts])
    truth = [relative_pose(poses[i], poses[i + 3]) for i in starts]
    rotation = [float(rotation_error_deg(p.rotation_a_b, T[:3, :3])) for p, T in zip(answers, truth, strict=True)]
    direction = [float(direction_error_deg(p.translation_a_b, T[:3, 3])) for p, T in zip(answers, truth, strict=True)]
    print(f"hololens, 3 frames apart: median rotation {np.median(rotation):.2f}, direction {np.median(direction):.1f}")
    # The headset turns 9 degrees and moves 0.3 m between them; its own tracking is good to a few tenths of a degree.
    assert np.median(rotation) < 0.5
    assert np.median(direction) < 5.0
