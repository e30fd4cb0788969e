"""Numbers that read well and cannot be true: refused or noted with the likely cause, and only those."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.checks.trajectory import check_overlap
from avbench.preprocessing.recording.pose_convention import TimeUnit, TrajectoryConvention
from avbench.preprocessing.recording.recording import Scale
from avbench.preprocessing.rows.make import RowSettings, pose_gap_notes
from avbench.preprocessing.sources.common.kinds import SUFFIXES, Role
from avbench.preprocessing.sources.common.trajectory_file import TrajectoryFile, read_trajectory_file
from avbench.preprocessing.sources.folder.hints import poses_elsewhere
from memory_recording import make_recording

METRIC = TrajectoryConvention(scale=Scale.METRIC)
SECONDS = np.arange(300) / 100.0


def about(axis: str, degrees: FloatArray) -> Rotation:
    return Rotation.from_euler(axis, degrees[:, None], degrees=True)


def read(
    folder: Path,
    position: FloatArray,
    convention: TrajectoryConvention = METRIC,
    turn: Rotation | None = None,
    seconds: FloatArray = SECONDS,
    order: tuple[int, ...] = (0, 1, 2, 3),
) -> TrajectoryFile:
    """Write a `.tum` file of positions and turns, and read it; `order` (3, 0, 1, 2) writes w first."""
    turn = about("y", 20.0 * seconds) if turn is None else turn
    table = np.column_stack([seconds, position, turn.as_quat()[:, list(order)]])
    path = folder / "walk.tum"
    np.savetxt(path, table, fmt="%.9f")
    return read_trajectory_file(path, convention)


def walk(speed_m_s: float, seconds: FloatArray = SECONDS) -> FloatArray:
    return np.outer(seconds * speed_m_s, [0.0, 0.0, 1.0])


# --- speed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed_m_s", [0.0, 0.5, 3.0, 10.0, 14.0])
def test_heads_and_runners_are_read_without_a_word(tmp_path: Path, speed_m_s: float) -> None:
    position = walk(speed_m_s) + np.random.default_rng(1).normal(0, 0.01, (300, 3))
    assert read(tmp_path, position).notes == ()


@pytest.mark.parametrize("speed_m_s", [20.0, 40.0, 90.0])
def test_vehicles_are_read_with_a_note(tmp_path: Path, speed_m_s: float) -> None:
    (note,) = read(tmp_path, walk(speed_m_s)).notes
    assert f"moves at {speed_m_s:g} m/s ({3.6 * speed_m_s:g} km/h)" in note
    assert "centimetres: 0.01, metres: 1 ends this note" in note
    assert read(tmp_path, walk(speed_m_s), replace(METRIC, metres_per_unit=1.0)).notes == ()


def test_a_walk_in_millimetres_is_refused_until_its_unit_is_stated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"moves at 500 m/s .*metres_per_unit = 0\.001") as caught:
        read(tmp_path, walk(500.0))
    assert "\n" not in str(caught.value)
    found = read(tmp_path, walk(500.0), replace(METRIC, metres_per_unit=0.001))
    assert found.notes == ()
    np.testing.assert_allclose(found.trajectory.T_world_camera[200, 2, 3], 1.0)
    # Whoever states metres means metres.
    assert read(tmp_path, walk(500.0), replace(METRIC, metres_per_unit=1.0)).notes == ()


def test_a_resting_head_in_millimetres_gets_at_least_a_note(tmp_path: Path) -> None:
    sway = 20.0 * np.sin(2.0 * np.pi * 0.4 * SECONDS)
    (note,) = read(tmp_path, np.outer(sway, [1.0, 0.0, 0.0])).notes
    assert "are the positions in millimetres?" in note


def test_a_walk_in_millimetres_by_someone_who_mostly_stands_is_refused(tmp_path: Path) -> None:
    seconds = np.arange(1000) / 100.0
    with pytest.raises(InputError, match="moves at"):
        read(tmp_path, np.outer(1000.0 * np.clip(seconds - 7.0, 0.0, None), [1, 0, 0]), seconds=seconds)


def test_lengths_without_a_unit_have_no_speed(tmp_path: Path) -> None:
    found = read(tmp_path, walk(500.0), TrajectoryConvention(scale=Scale.UNKNOWN, position_sigma=1.0))
    assert found.notes == ()


@pytest.mark.parametrize("wrong", [slice(150, 151), slice(150, None), slice(0, 1), slice(299, 300)])
def test_one_wrong_pose_or_one_jump_does_not_refuse_a_recording(tmp_path: Path, wrong: slice) -> None:
    seconds = np.arange(300) / 30.0
    position = walk(0.5, seconds)
    position[wrong] += 5000.0
    assert read(tmp_path, position, seconds=seconds).notes == ()


# --- turning -------------------------------------------------------------------------------------------------------


def test_turns_that_no_head_makes_are_refused_and_fast_ones_noted(tmp_path: Path) -> None:
    def spin(deg_s: float) -> Rotation:
        return about("y", deg_s * SECONDS)

    assert read(tmp_path, walk(0.5), turn=spin(300.0)).notes == ()
    assert "turns by 600 degrees a second" in read(tmp_path, walk(0.5), turn=spin(600.0)).notes[0]
    with pytest.raises(InputError, match=r"turns by 2000 degrees a second .*check the unit of time"):
        read(tmp_path, walk(0.5), turn=spin(2000.0))
    stated = replace(METRIC, time_unit=TimeUnit.S)
    assert read(tmp_path, walk(0.5), stated, spin(2000.0)).notes == ()


def test_rotations_at_random_are_refused(tmp_path: Path) -> None:
    turn = Rotation.random(300, random_state=3)
    with pytest.raises(InputError, match="the motion of a camera"):
        read(tmp_path, walk(0.5), turn=turn)


# --- the order of quaternions --------------------------------------------------------------------------------------

W_FIRST = (3, 0, 1, 2)


def test_a_first_pose_of_1_0_0_0_is_noted(tmp_path: Path) -> None:
    turn = Rotation.from_euler("yx", np.column_stack([20 * SECONDS, 5 * np.sin(SECONDS)]), degrees=True)
    (note,) = read(tmp_path, walk(0.5), turn=turn, order=W_FIRST).notes
    assert "with w first as no turn at all" in note
    assert 'trajectory.columns = ["timestamp", "tx", "ty", "tz", "qw"' in note
    assert read(tmp_path, walk(0.5), turn=turn).notes == ()
    named = replace(METRIC, columns=("timestamp", "tx", "ty", "tz", "qw", "qx", "qy", "qz"))
    assert read(tmp_path, walk(0.5), named, turn, order=W_FIRST).notes == ()


def test_a_stated_up_that_lies_on_its_side_only_with_w_last_is_noted(tmp_path: Path) -> None:
    upright = Rotation.from_matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # looks along y of a world whose z is up
    turn = about("z", 30.0 + 20.0 * SECONDS) * upright
    stated = replace(METRIC, up_world=np.array([0.0, 0.0, 1.0]))
    (note,) = read(tmp_path, walk(0.5), stated, turn, order=W_FIRST).notes
    assert "the camera is tilted by" in note
    assert read(tmp_path, walk(0.5), stated, turn).notes == ()
    # A camera that really looks straight down has its reasons.
    down = about("z", 30.0 + 20.0 * SECONDS) * Rotation.from_euler("x", 180, degrees=True)
    assert read(tmp_path, walk(0.5), stated, down).notes == ()


# --- positions and times -------------------------------------------------------------------------------------------


def test_positions_of_zero_are_noted_where_they_are_called_metric(tmp_path: Path) -> None:
    stated = replace(METRIC, T_body_camera=np.eye(4))
    path = tmp_path / "walk.csv"
    names = ",".join(f"{name}_world_device" for name in ("tx", "ty", "tz", "qw", "qx", "qy", "qz"))
    path.write_text(f"t_s,{names}\n" + "".join(f"{n},0,0,0,1,0,0,0\n" for n in range(5)))
    (note,) = read_trajectory_file(path, stated).notes
    assert "all positions are zero, and the camera would move only by its place on the body" in note
    assert read_trajectory_file(path, replace(stated, scale=Scale.ROTATION_ONLY)).notes == ()


def frames_from(first_s: float) -> NDArray[np.int64]:
    return np.round((first_s + np.arange(90) / 30.0) * 1e9).astype(np.int64)


@pytest.mark.parametrize("first_s", [0.2, 0.021])
def test_poses_from_zero_under_a_video_that_begins_later_are_noted(tmp_path: Path, first_s: float) -> None:
    trajectory = read(tmp_path, walk(0.5)).trajectory
    path = tmp_path / "walk.tum"
    (note,) = check_overlap(path, trajectory, frames_from(first_s), METRIC)
    assert f"first frame at {first_s:.3f} s, trajectory begins at 0.000 s" in note
    assert 'time.first_pose = "first_frame"' in note
    assert check_overlap(path, trajectory, frames_from(0.0), METRIC) == []
    assert check_overlap(path, trajectory, frames_from(first_s), replace(METRIC, offset_ns=1)) == []
    assert check_overlap(path, trajectory, frames_from(first_s), replace(METRIC, first_pose_at_first_frame=True)) == []
    late = replace(trajectory, time_ns=trajectory.time_ns + 100_000_000)
    assert check_overlap(path, late, frames_from(first_s), METRIC) == []


def test_poses_sparser_than_is_bridged_name_the_option() -> None:
    recording = make_recording(frames=60, fps=30.0)
    sparse = replace(
        recording.trajectory,
        time_ns=recording.trajectory.time_ns[::8],
        T_world_camera=recording.trajectory.T_world_camera[::8],
    )
    (note,) = pose_gap_notes(replace(recording, trajectory=sparse), RowSettings())
    assert "49 of 60 frames have no pose, since poses there are 0.267 s apart and 0.1 s are bridged" in note
    assert "--max-pose-gap 0.28 bridges" in note
    assert pose_gap_notes(replace(recording, trajectory=sparse), RowSettings(max_pose_gap_s=0.28)) == []
    assert pose_gap_notes(recording, RowSettings()) == []
    pieces = replace(sparse, segment=np.arange(len(sparse.time_ns)))
    assert pose_gap_notes(replace(recording, trajectory=pieces), RowSettings()) == []


# --- what lies about -----------------------------------------------------------------------------------------------


def test_poses_in_another_folder_are_named_unless_they_are_those_of_another_video(tmp_path: Path) -> None:
    tmp_path = tmp_path / "set"
    tmp_path.mkdir()
    (tmp_path / "videos").mkdir()
    (tmp_path / "poses").mkdir()
    (tmp_path / "videos" / "other.csv").touch()
    assert poses_elsewhere(tmp_path, tmp_path / "videos" / "walk", SUFFIXES[Role.TRAJECTORY]) == ""
    (tmp_path / "second").mkdir()
    for suffix in ("csv", "mp4"):
        (tmp_path / "second" / f"walk.{suffix}").touch()
    assert poses_elsewhere(tmp_path, tmp_path / "videos" / "walk", SUFFIXES[Role.TRAJECTORY]) == ""
    (tmp_path / "poses" / "walk.csv").touch()
    hint = "put poses/walk.csv beside the video under its name"
    assert poses_elsewhere(tmp_path, tmp_path / "videos" / "walk", SUFFIXES[Role.TRAJECTORY]) == hint
    beside = "put ../poses/walk.csv beside the video under its name"
    assert poses_elsewhere(tmp_path / "videos", tmp_path / "videos" / "walk", SUFFIXES[Role.TRAJECTORY]) == beside


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sparse/0/images.bin", "a COLMAP model"),
        ("images.txt", "a COLMAP model"),
        ("transforms.json", "NeRF's transforms"),
    ],
)
def test_models_elsewhere_are_named_with_the_way_on(tmp_path: Path, name: str, kind: str) -> None:
    tmp_path = tmp_path / "set"
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    hint = poses_elsewhere(tmp_path, tmp_path / "walk", SUFFIXES[Role.TRAJECTORY])
    assert hint.startswith(f"{name} is {kind}: put it and the video into one folder")
