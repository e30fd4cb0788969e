"""Interpolation of trajectories."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.preprocessing.base.geometry import axis_rotation, is_rotation, make_transform, rotation_error_deg
from avbench.preprocessing.recording.recording import Scale, Trajectory
from avbench.preprocessing.recording.trajectory import PosesAt, interpolate

MS = 1_000_000


def yaw_track(time_ms: list[float], segment: list[int] | None = None, quality: list[float] | None = None) -> Trajectory:
    """A camera that yaws 0.1 degrees and moves 2 mm along x a millisecond."""
    ms = np.array(time_ms)
    T = make_transform(axis_rotation("y", 0.1 * ms), np.stack([0.002 * ms, 0 * ms, 0 * ms], axis=-1))
    return Trajectory(
        time_ns=np.array([round(t * MS) for t in time_ms], dtype=np.int64),
        T_world_camera=T,
        scale=Scale.METRIC,
        pose_source="simulated",
        segment=None if segment is None else np.array(segment),
        quality=None if quality is None else np.array(quality),
    )


def at(trajectory: Trajectory, *time_ms: float, max_gap_ms: float = 100.0, tolerance_ms: float = 0.0) -> PosesAt:
    times = np.array([round(t * MS) for t in time_ms], dtype=np.int64)
    return interpolate(trajectory, times, max_gap_ns=round(max_gap_ms * MS), tolerance_ns=round(tolerance_ms * MS))


def test_poses_are_returned_exactly() -> None:
    track = yaw_track([0, 10, 20])
    poses = at(track, 20, 0, 10)
    assert poses.valid.all()
    np.testing.assert_array_equal(poses.T_world_camera, track.T_world_camera[[2, 0, 1]])


def test_between_poses_rotation_and_position_are_proportional_to_time() -> None:
    poses = at(yaw_track([0, 100]), 25, 80)
    np.testing.assert_allclose(poses.T_world_camera[:, :3, :3], axis_rotation("y", [2.5, 8.0]), atol=1e-15)
    np.testing.assert_allclose(poses.T_world_camera[:, 0, 3], [0.05, 0.16], atol=1e-15)


def test_the_shorter_way_round_is_taken() -> None:
    T = make_transform(axis_rotation("z", np.array([170.0, -170.0])), np.zeros(3))
    track = Trajectory(np.array([0, 100 * MS]), T, Scale.METRIC, "simulated")
    np.testing.assert_allclose(at(track, 50).T_world_camera[0, :3, :3], axis_rotation("z", 180.0), atol=1e-12)


def test_a_slow_turn_keeps_its_precision() -> None:
    T = make_transform(axis_rotation("y", np.array([0.0, 1e-6])), np.zeros(3))
    track = Trajectory(np.array([0, 100 * MS]), T, Scale.METRIC, "simulated")
    middle = at(track, 50).T_world_camera[0, :3, :3]
    assert rotation_error_deg(middle, axis_rotation("y", 0.5e-6)) < 1e-14


def test_outside_the_end_pose_holds_within_the_tolerance_and_not_beyond() -> None:
    track = yaw_track([10, 20, 30])
    poses = at(track, 4.9, 5, 35, 35.1, tolerance_ms=5)
    assert poses.valid.tolist() == [False, True, True, False]
    np.testing.assert_array_equal(poses.T_world_camera[1], track.T_world_camera[0])
    np.testing.assert_array_equal(poses.T_world_camera[2], track.T_world_camera[2])
    assert not at(track, 10 - 1e-6, 30 + 1e-6).valid.any()


def test_invalid_poses_are_nan() -> None:
    poses = at(yaw_track([0, 10, 20], segment=[0, 0, 0], quality=[1, 1, 1]), -1)
    assert np.isnan(poses.T_world_camera).all()
    assert poses.segment.tolist() == [-1]
    assert poses.quality is not None
    assert np.isnan(poses.quality).all()


def test_a_long_gap_is_not_bridged_but_its_ends_are_poses() -> None:
    poses = at(yaw_track([0, 10, 200, 210]), 5, 10, 10.001, 100, 200, 205, max_gap_ms=100)
    assert poses.valid.tolist() == [True, True, False, False, True, True]


def test_the_longest_gap_is_inclusive() -> None:
    assert at(yaw_track([0, 100, 200]), 50, max_gap_ms=100).valid.all()
    assert not at(yaw_track([0, 100, 200]), 50, max_gap_ms=99.999).valid.any()


def test_pieces_are_not_joined() -> None:
    poses = at(yaw_track([0, 10, 20, 30], segment=[0, 0, 7, 7]), 5, 10, 15, 20, 25)
    assert poses.valid.tolist() == [True, True, False, True, True]
    assert poses.segment.tolist() == [0, 0, -1, 7, 7]


def test_the_lower_quality_counts() -> None:
    poses = at(yaw_track([0, 10, 20], quality=[0.9, 0.5, 1.0]), 0, 5, 10, 15)
    assert poses.quality is not None
    assert poses.quality.tolist() == [0.9, 0.5, 0.5, 0.5]
    assert at(yaw_track([0, 10, 20]), 5).quality is None


def test_one_pose_holds_within_the_tolerance() -> None:
    assert at(yaw_track([50]), 48, 49, 50, 51, 52, tolerance_ms=1).valid.tolist() == [False, True, True, True, False]


def test_no_time_gives_no_pose() -> None:
    poses = at(yaw_track([0, 10, 20], quality=[1, 1, 1]))
    assert poses.T_world_camera.shape == (0, 4, 4)
    assert poses.valid.shape == poses.segment.shape == (0,)


def test_times_since_1970_keep_their_nanoseconds() -> None:
    epoch = 1_700_000_000_000_000_000
    track = yaw_track([0, 100])
    late = Trajectory(track.time_ns + epoch, track.T_world_camera, track.scale, track.pose_source)
    poses = interpolate(late, np.array([epoch + 25 * MS]), max_gap_ns=10**9, tolerance_ns=0)
    np.testing.assert_allclose(poses.T_world_camera[0, 0, 3], 0.05, atol=1e-15)


def test_the_trajectory_is_left_alone() -> None:
    track = yaw_track([0, 10, 20])
    before = track.T_world_camera.copy()
    at(track, -5, 5, 15, 30)
    np.testing.assert_array_equal(track.T_world_camera, before)


@pytest.mark.parametrize(
    ("times", "gap", "tolerance"), [([], 1, 1), ([5, 5, 6], 1, 1), ([6, 5], 1, 1), ([0, 1, 2], -1, 0), ([0, 1], 0, -1)]
)
def test_impossible_arguments_are_refused(times: list[float], gap: float, tolerance: float) -> None:
    with pytest.raises(ValueError, match=r"must"):
        at(yaw_track(times), 0, max_gap_ms=gap, tolerance_ms=tolerance)


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=20, unique=True),
    st.lists(st.integers(-1000, 10**6 + 1000), max_size=30),
)
def test_every_valid_pose_lies_between_its_neighbours(known: list[int], asked: list[int]) -> None:
    known.sort()
    rng = np.random.default_rng(len(known))
    turns = axis_rotation("y", rng.uniform(-80, 80, len(known))) @ axis_rotation("x", rng.uniform(-80, 80, len(known)))
    T = make_transform(turns, rng.normal(size=(len(known), 3)))
    track = Trajectory(np.array(known), T, Scale.METRIC, "simulated")
    poses = interpolate(track, np.array(asked, dtype=np.int64), max_gap_ns=10**7, tolerance_ns=0)
    for time, T_at, valid in zip(asked, poses.T_world_camera, poses.valid, strict=True):
        assert valid == (known[0] <= time <= known[-1])
        if not valid:
            continue
        after = int(np.searchsorted(known, time))
        before = after if known[after] == time else after - 1
        assert is_rotation(T_at[:3, :3], 1e-9)
        ends = np.stack([T[before, :3, 3], T[after, :3, 3]])
        assert (T_at[:3, 3] >= ends.min(axis=0) - 1e-12).all()
        assert (T_at[:3, 3] <= ends.max(axis=0) + 1e-12).all()
        whole = rotation_error_deg(T[before, :3, :3], T[after, :3, :3])
        parts = rotation_error_deg(T[before, :3, :3], T_at[:3, :3]) + rotation_error_deg(T_at[:3, :3], T[after, :3, :3])
        assert parts == pytest.approx(whole, abs=1e-6)
