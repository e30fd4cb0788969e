"""The noise of positions without a unit, seen from themselves, and what follows from it for pairs and labels.

The camera stands for 6 s and then walks for 3 s at 1 m/s, turning its head all the time. Its positions have a noise of
6 mm along each axis, so that of one relative to another is 8.5 mm; the unit is arbitrary.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation, make_transform, relative_pose
from avbench.preprocessing.recording.pose_convention import TrajectoryConvention
from avbench.preprocessing.recording.position_noise import LEAST_SHARE_OF_REACH, relative_position_sigma
from avbench.preprocessing.recording.recording import Scale, Trajectory
from avbench.preprocessing.rows.choose import UNCERTAIN_DIRECTION_DEG, Moments, PairSettings, choose_pairs
from avbench.preprocessing.rows.make import direction_sigma_deg
from avbench.preprocessing.sources.common.trajectory_file import read_trajectory_file

NOISE = 0.006
STILL_S = 6.0


def noise(seed: int, count: int, size: float = NOISE) -> FloatArray:
    return np.random.default_rng(seed).normal(0.0, size, (count, 3))


def track(position: FloatArray, seconds: FloatArray, segment: np.ndarray | None = None) -> Trajectory:
    poses = make_transform(axis_rotation("y", 25.0 * np.sin(seconds)), position)
    time_ns = np.round(seconds * 1e9).astype(np.int64)
    return Trajectory(time_ns, poses, Scale.UNKNOWN, "sfm", segment=segment)


def walk(fps: float = 30.0, speed: float = 1.0, still_s: float = STILL_S) -> tuple[FloatArray, FloatArray]:
    seconds = np.arange(0.0, still_s + 3.0, 1.0 / fps)
    ahead = np.clip(seconds - still_s, 0.0, None) * speed
    return np.stack([0 * ahead, 0 * ahead, ahead], axis=-1), seconds


def white(unit: float = 1.0) -> Trajectory:
    position, seconds = walk()
    return track(unit * (position + noise(1, len(seconds))), seconds)


def smoothed() -> Trajectory:
    """Noise that lasts for a fifth of a second, as a filter leaves it."""
    position, seconds = walk()
    shared = np.apply_along_axis(np.convolve, 0, noise(2, len(seconds) + 5), np.ones(6) / np.sqrt(6.0), "valid")
    return track(position + shared, seconds)


def filled_in() -> Trajectory:
    """Poses at 30 Hz, filled in between key poses at 5 Hz."""
    position, seconds = walk(fps=5.0)
    position = position + noise(3, len(seconds))
    fine = np.arange(0.0, seconds[-1], 1.0 / 30.0)
    return track(np.stack([np.interp(fine, seconds, position[:, axis]) for axis in range(3)], axis=-1), fine)


def sparse() -> Trajectory:
    position, seconds = walk(fps=5.0)
    return track(position + noise(4, len(seconds)), seconds)


@pytest.mark.parametrize("unit", [1.0, 3.7, 1e-3, 1e6])
def test_independent_noise_is_found_in_any_unit(unit: float) -> None:
    assert relative_position_sigma(white(unit)) == pytest.approx(unit * np.sqrt(2.0) * NOISE, rel=0.15)


@pytest.mark.parametrize("make", [white, smoothed, filled_in, sparse])
def test_noise_is_found_however_poses_share_it(make: Callable[[], Trajectory]) -> None:
    found = relative_position_sigma(make())
    assert 0.6 * np.sqrt(2.0) * NOISE < found < 2.0 * np.sqrt(2.0) * NOISE


def test_a_clean_walk_has_the_least_share_of_its_reach() -> None:
    position, seconds = walk(still_s=0.0)
    position, seconds = np.concatenate([position, position + position[-1] + [0, 0, 1 / 30]]), np.arange(180) / 30.0
    assert relative_position_sigma(track(position, seconds)) == pytest.approx(3.0 * LEAST_SHARE_OF_REACH, rel=0.01)


def test_the_sway_of_a_walking_head_leaves_its_steps_a_direction() -> None:
    seconds = np.arange(0.0, 20.0, 1.0 / 30.0)
    position = np.stack(
        [0.02 * np.sin(2 * np.pi * seconds), 0.03 * np.sin(4 * np.pi * seconds), 1.2 * seconds], axis=-1
    )
    # The shortest pair, a quarter of a second, is 0.3 m long.
    sigma_deg = direction_sigma_deg(relative_position_sigma(track(position, seconds)), 0.3)
    assert sigma_deg is not None
    assert sigma_deg < UNCERTAIN_DIRECTION_DEG


def test_one_jump_or_one_outlier_changes_little() -> None:
    clean = white()
    for change in ("jump", "outlier"):
        position = clean.T_world_camera[:, :3, 3].copy()
        position[100 : 101 if change == "outlier" else None] += 50.0
        found = relative_position_sigma(track(position, clean.time_ns / 1e9))
        # A jump of 50 within 9 s is in a third of all pairs: it may raise the least share, and nothing else.
        assert found < (0.02 if change == "outlier" else 50.0 * np.sqrt(3.0) * LEAST_SHARE_OF_REACH * 1.1)


def test_pieces_are_not_compared() -> None:
    position, seconds = walk()
    position = position + noise(5, len(seconds))
    segment = (np.arange(len(seconds)) // 30) % 2
    apart = track(position + 100.0 * segment[:, None], seconds, np.arange(len(seconds)) // 30)
    assert relative_position_sigma(apart) < 0.02


def test_a_camera_that_never_moves_has_no_noise_to_find() -> None:
    assert relative_position_sigma(track(np.zeros((90, 3)), np.arange(90) / 30.0)) == 0.0


@pytest.mark.parametrize("make", [white, smoothed, filled_in, sparse])
def test_still_pairs_are_not_favoured_and_their_directions_do_not_count(make: Callable[[], Trajectory]) -> None:
    trajectory = make()
    sigma = relative_position_sigma(trajectory)
    frames = len(trajectory.time_ns)
    moments = Moments(
        time_ns=trajectory.time_ns,
        T_world_camera=trajectory.T_world_camera,
        has_pose=np.ones(frames, dtype=bool),
        segment=np.zeros(frames, dtype=np.int64),
        has_sound=np.ones(frames, dtype=bool),
        scale=Scale.UNKNOWN,
        position_sigma=sigma,
    )
    # A frame of sparse poses may serve often, else the walk has no more pairs to give.
    settings = PairSettings(max_uses_per_frame=4 if frames > 100 else 12)
    pairs = choose_pairs(moments, settings, "r").indices
    still = trajectory.time_ns[pairs[:, 1]] < STILL_S * 1e9
    # Nobody moved in two thirds of the candidates; 36 to 48 of 100 would be served by their noise alone.
    assert still.mean() < 0.3
    T_a_b = relative_pose(trajectory.T_world_camera[pairs[:, 0]], trajectory.T_world_camera[pairs[:, 1]])
    sigma_deg = np.array([direction_sigma_deg(sigma, float(np.linalg.norm(t))) for t in T_a_b[:, :3, 3]], dtype=float)
    assert (sigma_deg[still] > UNCERTAIN_DIRECTION_DEG).all()
    # Who walked for 0.25 s or longer has come far enough.
    walked = trajectory.time_ns[pairs[:, 0]] >= STILL_S * 1e9
    assert (sigma_deg[walked] < UNCERTAIN_DIRECTION_DEG).mean() > 0.9


TUM = "".join(f"{n / 10} 0 0 {n / 10} 0 0 0 1\n" for n in range(40))


def test_a_stated_noise_is_in_the_files_own_unit_and_needs_no_note(tmp_path: Path) -> None:
    path = tmp_path / "walk.tum"
    path.write_text(TUM)
    stated = read_trajectory_file(path, TrajectoryConvention(scale=Scale.UNKNOWN, position_sigma=0.25))
    assert (stated.trajectory.position_sigma_m, stated.notes) == (0.25, ())
    in_mm = TrajectoryConvention(scale=Scale.METRIC, position_sigma=2.0, metres_per_unit=0.001)
    assert read_trajectory_file(path, in_mm).trajectory.position_sigma_m == 0.002


def test_an_estimated_noise_is_said(tmp_path: Path) -> None:
    path = tmp_path / "walk.tum"
    path.write_text(TUM)
    found = read_trajectory_file(path, TrajectoryConvention(scale=Scale.UNKNOWN, position_sigma_m=0.1))
    assert found.trajectory.position_sigma_m == pytest.approx(3.0 * LEAST_SHARE_OF_REACH)
    assert "uncertain by 0.006 of their unit" in found.notes[0]
    assert "position_sigma_m is not used" in found.notes[0]
    assert read_trajectory_file(path, TrajectoryConvention(scale=Scale.METRIC)).trajectory.position_sigma_m is None
