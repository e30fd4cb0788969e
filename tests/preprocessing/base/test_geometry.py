"""Rotations, transforms and angles: values worked out by hand, properties, and precision where naive formulas fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.geometry import (
    ROTATION_TOLERANCE,
    axis_rotation,
    direction_error_deg,
    gravity_aligned_rotation,
    invert_transform,
    is_rotation,
    make_transform,
    nearest_rotation,
    polished_rotation,
    relative_pose,
    rotation_angle_deg,
    rotation_error_deg,
    rotation_from_quaternion_xyzw,
)

UNIT = st.floats(-1.0, 1.0)
QUATERNIONS = st.tuples(UNIT, UNIT, UNIT, UNIT).filter(lambda q: np.linalg.norm(q) > 0.1)
PLACES = st.tuples(*[st.floats(-100.0, 100.0)] * 3)
POSES = st.builds(lambda q, t: make_transform(rotation_from_quaternion_xyzw(q), t), QUATERNIONS, PLACES)


def about(axis: np.ndarray, angle_deg: float) -> np.ndarray:
    """Rodrigues' formula, written out."""
    x, y, z = axis / np.linalg.norm(axis)
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    a = np.radians(angle_deg)
    return np.eye(3) + np.sin(a) * K + (1 - np.cos(a)) * K @ K


# --- golden values -------------------------------------------------------------------------------------------------


def test_quarter_turns_by_hand() -> None:
    # Right-handed: x turns y into z, y turns z into x, z turns x into y.
    np.testing.assert_allclose(axis_rotation("x", 90.0) @ [0, 1, 0], [0, 0, 1], atol=1e-15)
    np.testing.assert_allclose(axis_rotation("y", 90.0) @ [0, 0, 1], [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(axis_rotation("z", 90.0) @ [1, 0, 0], [0, 1, 0], atol=1e-15)


@pytest.mark.parametrize(
    ("quaternion_xyzw", "expected"),
    [
        ((0, 0, 0, 1), np.eye(3)),
        ((0, 0, np.sqrt(0.5), np.sqrt(0.5)), [[0, -1, 0], [1, 0, 0], [0, 0, 1]]),
        ((1, 0, 0, 0), np.diag([1, -1, -1])),
        ((0.5, 0.5, 0.5, 0.5), [[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
        ((-0.5, -0.5, -0.5, -0.5), [[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
        ((0, 0, 0, 7), np.eye(3)),
    ],
)
def test_quaternions_by_hand(quaternion_xyzw: tuple[float, ...], expected: object) -> None:
    np.testing.assert_allclose(rotation_from_quaternion_xyzw(quaternion_xyzw), expected, atol=1e-15)


@given(QUATERNIONS)
def test_quaternions_agree_with_scipy(q: tuple[float, ...]) -> None:
    np.testing.assert_allclose(rotation_from_quaternion_xyzw(q), Rotation.from_quat(q).as_matrix(), atol=1e-14)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-9, 1e-6, 1e-3, 0.1, 45.0, 90.0, 179.0, 179.999999, 180.0])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 2, -3)])
def test_angle_has_full_precision_everywhere(angle: float, axis: tuple[float, ...]) -> None:
    # arccos of the trace would give 0 for everything below 1e-6 degrees, and lose half the digits near 180.
    R = about(np.array(axis, dtype=float), angle)
    assert rotation_angle_deg(R) == pytest.approx(angle, rel=1e-12, abs=1e-14 if angle < 90.0 else 1e-9)


def test_rotation_error_by_hand() -> None:
    assert rotation_error_deg(axis_rotation("y", 10.0), axis_rotation("y", 25.0)) == pytest.approx(15.0, abs=1e-12)
    # Two perpendicular quarter turns make a third of a full turn: trace 0, arccos(-1/2).
    assert rotation_error_deg(axis_rotation("x", -90.0), axis_rotation("y", 90.0)) == pytest.approx(120.0, abs=1e-12)


def test_direction_error_is_signed() -> None:
    assert direction_error_deg([0, 0, 1], [0, 0, 5]) == 0.0
    assert direction_error_deg([0, 0, 1], [0, 0, -5]) == 180.0
    assert direction_error_deg([1, 0, 0], [1, 1, 0]) == pytest.approx(45.0, abs=1e-13)
    assert direction_error_deg([1, 0, 0], [1, 1e-9, 0]) == pytest.approx(np.degrees(1e-9), rel=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_direction_error_takes_any_length(scale: float) -> None:
    assert direction_error_deg(np.array([scale, scale, 0.0]), [0.0, 1.0, 0.0]) == pytest.approx(45.0, abs=1e-12)


@pytest.mark.parametrize("bad", [[0, 0, 0], [np.nan, 0, 1], [np.inf, 0, 0]])
def test_no_direction_gives_nan(bad: list[float]) -> None:
    assert np.isnan(direction_error_deg(bad, [0, 0, 1]))
    assert np.isnan(direction_error_deg([0, 0, 1], bad))


def test_perfect_float32_predictions_have_no_nan_and_tiny_errors() -> None:
    rng = np.random.default_rng(5)
    R = Rotation.random(2000, random_state=rng).as_matrix()
    t = rng.normal(size=(2000, 3)) * 10.0 ** rng.uniform(-3, 3, size=(2000, 1))
    rotation = rotation_error_deg(R.astype(np.float32), R)
    direction = direction_error_deg(t.astype(np.float32), t)
    assert np.isfinite(rotation).all()
    assert np.isfinite(direction).all()
    assert rotation.max() < 2e-5
    assert direction.max() < 1e-5
    assert rotation_error_deg(R.astype(np.float32), R.astype(np.float32)).max() < 2e-5


# --- transforms ----------------------------------------------------------------------------------------------------


def test_relative_pose_by_hand() -> None:
    # Camera a looks along world x (its z), with its x along world -y and its y along world -z; b is 2 m ahead of a.
    rotation_world_a = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    T_world_a = make_transform(rotation_world_a, [5.0, 1.0, 0.0])
    T_world_b = make_transform(rotation_world_a @ axis_rotation("y", 30.0), [7.0, 1.0, 0.0])
    T_a_b = relative_pose(T_world_a, T_world_b)
    np.testing.assert_allclose(T_a_b[:3, 3], [0.0, 0.0, 2.0], atol=1e-15)
    np.testing.assert_allclose(T_a_b[:3, :3], axis_rotation("y", 30.0), atol=1e-15)


@given(POSES)
def test_inverse_undoes(T: np.ndarray) -> None:
    np.testing.assert_allclose(invert_transform(T) @ T, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(invert_transform(invert_transform(T)), T, atol=1e-12)


@given(POSES, POSES)
def test_relative_pose_takes_points_of_b_to_a(T_world_a: np.ndarray, T_world_b: np.ndarray) -> None:
    point_b = np.array([0.3, -0.2, 2.0, 1.0])
    point_a = relative_pose(T_world_a, T_world_b) @ point_b
    np.testing.assert_allclose(T_world_a @ point_a, T_world_b @ point_b, atol=1e-10)


@given(POSES, POSES)
def test_relative_pose_backwards_is_the_inverse(T_world_a: np.ndarray, T_world_b: np.ndarray) -> None:
    forth, back = relative_pose(T_world_a, T_world_b), relative_pose(T_world_b, T_world_a)
    np.testing.assert_allclose(forth @ back, np.eye(4), atol=1e-10)


@given(POSES, POSES, POSES)
def test_relative_pose_does_not_depend_on_the_world(T_new_old: np.ndarray, T_a: np.ndarray, T_b: np.ndarray) -> None:
    np.testing.assert_allclose(relative_pose(T_new_old @ T_a, T_new_old @ T_b), relative_pose(T_a, T_b), atol=1e-9)


@given(POSES, POSES, POSES)
def test_relative_poses_chain(T_a: np.ndarray, T_b: np.ndarray, T_c: np.ndarray) -> None:
    np.testing.assert_allclose(relative_pose(T_a, T_b) @ relative_pose(T_b, T_c), relative_pose(T_a, T_c), atol=1e-9)


def test_batches_are_kept() -> None:
    R = Rotation.random(6, random_state=np.random.default_rng(0)).as_matrix().reshape(2, 3, 3, 3)
    T = make_transform(R, np.ones(3))
    assert T.shape == (2, 3, 4, 4)
    assert relative_pose(T[0], T[1]).shape == (3, 4, 4)
    assert rotation_angle_deg(R).shape == (2, 3)
    assert rotation_angle_deg(np.empty((0, 3, 3))).shape == (0,)
    assert nearest_rotation(R).shape == R.shape
    assert gravity_aligned_rotation(np.ones((2, 3, 3))).shape == (2, 3, 3, 3)


@given(QUATERNIONS, QUATERNIONS)
def test_rotation_error_is_a_distance(p: tuple[float, ...], q: tuple[float, ...]) -> None:
    A, B = rotation_from_quaternion_xyzw(p), rotation_from_quaternion_xyzw(q)
    error = rotation_error_deg(A, B)
    assert 0.0 <= error <= 180.0
    assert error == pytest.approx(float(rotation_error_deg(B, A)), abs=1e-9)
    expected = np.degrees((Rotation.from_matrix(A).inv() * Rotation.from_matrix(B)).magnitude())
    assert error == pytest.approx(expected, abs=1e-6)


# --- validity ------------------------------------------------------------------------------------------------------


def test_is_rotation_by_hand() -> None:
    assert is_rotation(np.eye(3))
    assert not is_rotation(np.diag([1.0, 1.0, -1.0]))
    assert not is_rotation(np.full((3, 3), np.nan))
    assert not is_rotation(np.zeros((3, 3)))
    assert not is_rotation(np.full((3, 3), 1e200))
    # R = s I has R'R - I = (s^2 - 1) I, of norm sqrt(3) (s^2 - 1): 0.01 at s^2 = 1 + 0.01 / sqrt(3).
    assert is_rotation(np.eye(3) * np.sqrt(1 + 0.0099 / np.sqrt(3)))
    assert not is_rotation(np.eye(3) * np.sqrt(1 + 0.0101 / np.sqrt(3)))


@given(QUATERNIONS)
def test_nearest_rotation_keeps_rotations(q: tuple[float, ...]) -> None:
    R = rotation_from_quaternion_xyzw(q)
    np.testing.assert_allclose(nearest_rotation(R), R, atol=1e-13)
    np.testing.assert_allclose(nearest_rotation(3.0 * R), R, atol=1e-13)


def test_nearest_rotation_is_a_rotation_and_nearer_than_others() -> None:
    rng = np.random.default_rng(1)
    M = rng.normal(size=(50, 3, 3))
    nearest = nearest_rotation(M)
    assert is_rotation(nearest, 1e-12).all()
    distance = np.linalg.norm(nearest - M, axis=(-2, -1))
    for other in Rotation.random(500, random_state=rng).as_matrix():
        assert (distance <= np.linalg.norm(other - M, axis=(-2, -1)) + 1e-12).all()


@pytest.mark.parametrize("off", [0.0, 1e-15, 1e-9, 1e-5, 1e-3, ROTATION_TOLERANCE])
def test_a_polished_rotation_is_the_nearest_one_to_rounding(off: float) -> None:
    random = np.random.default_rng(6)
    R = Rotation.from_quat(random.normal(size=(2000, 4))).as_matrix()
    bent = random.normal(size=R.shape)
    # S'S of S = 1 + E with a small symmetric E is off by 2 E.
    bent = bent + bent.transpose(0, 2, 1)
    bent /= np.linalg.norm(bent, axis=(1, 2), keepdims=True)
    matrix = R @ (np.eye(3) + 0.495 * off * bent)
    matrix[:10] = R[:10].astype(np.float32)
    assert is_rotation(matrix).all()
    given_as = matrix.copy()
    polished = polished_rotation(matrix)
    np.testing.assert_allclose(polished, nearest_rotation(matrix), rtol=0, atol=6e-15)
    np.testing.assert_array_equal(matrix, given_as)
    assert rotation_error_deg(polished, R).max() < np.degrees(off) + 1e-5
    assert polished_rotation(np.zeros((0, 3, 3))).shape == (0, 3, 3)


def test_nearest_rotation_of_a_mirror_is_no_mirror() -> None:
    assert np.linalg.det(nearest_rotation(np.diag([1.0, 1.0, -1.0]))) == pytest.approx(1.0)
    assert np.linalg.det(nearest_rotation(np.diag([1.0, 0.0, 0.0]))) == pytest.approx(1.0)


# --- gravity -------------------------------------------------------------------------------------------------------


def test_level_camera_is_level_already() -> None:
    np.testing.assert_allclose(gravity_aligned_rotation([0.0, -1.0, 0.0]), np.eye(3), atol=1e-15)


@pytest.mark.parametrize(("axis", "angle"), [("x", 30.0), ("x", -60.0), ("z", 20.0), ("z", 170.0)])
def test_pitch_and_roll_are_turned_back(axis: str, angle: float) -> None:
    rotation_level_camera = axis_rotation(axis, angle)
    up_camera = rotation_level_camera.T @ [0.0, -1.0, 0.0]
    np.testing.assert_allclose(gravity_aligned_rotation(up_camera), rotation_level_camera, atol=1e-12)


@given(st.tuples(UNIT, UNIT, UNIT).filter(lambda u: np.linalg.norm(u) > 0.1))
def test_level_axes_are_a_rotation_that_brings_up_up(up: tuple[float, ...]) -> None:
    R = gravity_aligned_rotation(up)
    assert is_rotation(R, 1e-9)
    np.testing.assert_allclose(R @ (np.array(up) / np.linalg.norm(up)), [0.0, -1.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("looks", ["down", "up"])
def test_a_camera_that_looks_straight_down_or_up_has_the_pictures_top_as_heading(looks: str) -> None:
    # Looking down the picture's top lies ahead; looking up it lies behind.
    up = [0.0, 0.0, -1.0] if looks == "down" else [0.0, 0.0, 1.0]
    R = gravity_aligned_rotation(up)
    assert is_rotation(R, 1e-12)
    np.testing.assert_allclose(R @ [0.0, -1.0, 0.0], [0.0, 0.0, 1.0 if looks == "down" else -1.0], atol=1e-12)


@pytest.mark.parametrize("bad", [[0.0, 0.0, 0.0], [np.nan, 0.0, 1.0], [np.inf, 0.0, 0.0]])
def test_no_up_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="finite vector"):
        gravity_aligned_rotation(bad)
