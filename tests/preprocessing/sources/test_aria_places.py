"""The folders in which Aria recordings are handed out: Ego-Exo4D, Nymeria, Aria Everyday Activities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aria_files import GEN1_TIMES_NS, GOLDEN, STEP_TIMES_NS, wandering, write_mps
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation, make_transform, relative_pose
from avbench.preprocessing.recording.recording import Recording
from avbench.preprocessing.recording.trajectory import interpolate
from avbench.preprocessing.sources.aria.places import group_of, has_pictures, unused_trajectories
from avbench.preprocessing.sources.common.ref import SourceOptions
from avbench.preprocessing.sources.find import find_recordings, open_recording

SEQUENCE = "20230607_s0_james_johnson_act1_7xwm28"


@pytest.fixture(autouse=True)
def _extra() -> None:
    pytest.importorskip("pyvrs", reason="needs the extra avbench[aria]")


def link(shared_data: Path, path: Path, *, generation: int = 1) -> Path:
    """A VRS file of the tests' data at a place of a data set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = "aria_gen1_adt/video.vrs" if generation == 1 else "aria_gen2/recording.vrs"
    path.symlink_to(shared_data / source)
    return path


def opened(source: Path) -> Recording:
    (ref,) = find_recordings(source, SourceOptions())
    return open_recording(ref, SourceOptions())


def check_labels(recording: Recording, T_world_device: np.ndarray) -> None:
    """The labels are those of the written poses of the device, with the camera where the calibration has it."""
    poses = interpolate(recording.trajectory, recording.frames.time_ns, max_gap_ns=100_000_000, tolerance_ns=1_000_000)
    assert poses.valid.all()
    found = relative_pose(poses.T_world_camera[:1], poses.T_world_camera)
    # The picture is turned a quarter clockwise: what the sensor calls x points down.
    sensor_upright = make_transform([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], [0, 0, 0])
    T_device_upright = np.array(GOLDEN["gen1"]["T_device_camera"]) @ sensor_upright
    at_frames = T_world_device[::2] @ T_device_upright
    # Frames lie up to a microsecond beside the written poses.
    np.testing.assert_allclose(found, np.linalg.inv(at_frames[0]) @ at_frames, atol=1e-4)


def test_an_ego_exo4d_take_takes_the_trajectory_beside_its_vrs(shared_data: Path, tmp_path: Path) -> None:
    take = tmp_path / "takes" / "iiith_cooking_01_2"
    link(shared_data, take / "aria01.vrs")
    link(shared_data, take / "aria01_noimagestreams.vrs")
    truth = wandering(len(STEP_TIMES_NS))
    write_mps(take / "trajectory" / "closed_loop_trajectory.csv", truth, STEP_TIMES_NS)
    recording = opened(tmp_path)
    assert recording.recording_id == "takes/iiith_cooking_01_2/aria01"
    assert recording.trajectory.pose_source == "mps_closed_loop"
    assert recording.group_id == "iiith_cooking_01"
    check_labels(recording, truth)


def test_gen2_takes_the_trajectory_of_the_take_and_not_its_own_odometry(shared_data: Path, tmp_path: Path) -> None:
    take = tmp_path / "takes" / "x_1"
    link(shared_data, take / "aria01.vrs", generation=2)
    assert opened(tmp_path).trajectory.pose_source == "aria_on_device_vio"
    times = [int(time) // 1000 * 1000 for time in opened(tmp_path).frames.time_ns]
    times = [times[0] - 1_000_000, *times, times[-1] + 1_000_000]
    poses = np.stack([make_transform(axis_rotation("y", float(i)), [0.1 * i, 0.0, 0.0]) for i in range(len(times))])
    write_mps(take / "trajectory" / "open_loop_trajectory.csv", poses, times)
    assert opened(tmp_path).trajectory.pose_source == "mps_open_loop"


def test_a_trajectory_nearby_that_is_not_used_is_said(shared_data: Path, tmp_path: Path) -> None:
    take = tmp_path / "take"
    vrs = link(shared_data, take / "recording.vrs", generation=2)
    slam = take / "results" / "slam"
    slam.mkdir(parents=True)
    (slam / "closed_loop_trajectory.csv").touch()
    recording = opened(take)
    assert recording.trajectory.pose_source == "aria_on_device_vio"
    (note,) = [note for note in recording.notes if "is not used" in note]
    assert "results/slam/closed_loop_trajectory.csv lies nearby and is not used: the poses are those of" in note
    # One that belongs to another recording of the folder is nobody's business here.
    (take / "mps_other_vrs" / "slam").mkdir(parents=True)
    (take / "mps_other_vrs" / "slam" / "open_loop_trajectory.csv").touch()
    assert len(unused_trajectories(vrs, None)) == 2
    (take / "other.vrs").touch()
    assert unused_trajectories(vrs, None) == [slam / "closed_loop_trajectory.csv"]


def test_a_refusal_names_trajectories_further_down(shared_data: Path, tmp_path: Path) -> None:
    link(shared_data, tmp_path / "take" / "recording.vrs")
    slam = tmp_path / "take" / "results" / "slam"
    slam.mkdir(parents=True)
    (slam / "closed_loop_trajectory.csv").touch()
    with pytest.raises(InputError, match=r"no trajectory.*--trajectory \(results/slam/closed_loop_trajectory.csv\?\)"):
        opened(tmp_path / "take")


def test_a_nymeria_sequence_is_one_group_of_head_and_observer(shared_data: Path, tmp_path: Path) -> None:
    truth = wandering(len(STEP_TIMES_NS))
    for device in ("recording_head", "recording_observer"):
        link(shared_data, tmp_path / SEQUENCE / device / "data" / "data.vrs")
        for name in ("motion", "et"):
            (tmp_path / SEQUENCE / device / "data" / f"{name}.vrs").touch()
        slam = tmp_path / SEQUENCE / device / "mps" / "slam"
        write_mps(slam / "open_loop_trajectory.csv", truth, STEP_TIMES_NS)
    for device in ("recording_lwrist", "recording_rwrist"):
        link(shared_data, tmp_path / SEQUENCE / device / "data" / "data.vrs")
    refs = find_recordings(tmp_path, SourceOptions())
    assert [ref.recording_id for ref in refs] == [
        f"{SEQUENCE}/{device}/data/data" for device in ("recording_head", "recording_observer")
    ]
    for ref in refs:
        recording = open_recording(ref, SourceOptions())
        assert recording.group_id == "james_johnson"
        assert recording.trajectory.pose_source == "mps_open_loop"
        assert not [note for note in recording.notes if "is not used" in note]
        check_labels(recording, truth)


@pytest.mark.parametrize("mps", ["mps", "MPS"])
def test_everyday_activities_of_one_location_are_one_group(shared_data: Path, tmp_path: Path, mps: str) -> None:
    for name in ("loc1_script2_seq3_rec1", "loc1_script2_seq3_rec2", "loc2_script1_seq1_rec1"):
        link(shared_data, tmp_path / name / "recording.vrs")
        slam = tmp_path / name / mps / "slam"
        write_mps(slam / "closed_loop_trajectory.csv", wandering(len(STEP_TIMES_NS)), STEP_TIMES_NS)
    refs = find_recordings(tmp_path, SourceOptions())
    recordings = [open_recording(ref, SourceOptions()) for ref in refs]
    assert [recording.group_id for recording in recordings] == ["loc1", "loc1", "loc2"]
    assert all(any("it is loc" in note for note in recording.notes) for recording in recordings)


def test_a_stated_group_goes_before_the_names(shared_data: Path, tmp_path: Path) -> None:
    vrs = link(shared_data, tmp_path / "loc1_script2_seq3_rec1" / "recording.vrs")
    write_mps(vrs.parent / "mps" / "slam" / "open_loop_trajectory.csv", wandering(12), STEP_TIMES_NS)
    vrs.with_suffix(".toml").write_text('licence = "AEA"\ngroup = "flat"\n')
    recording = opened(tmp_path)
    assert recording.group_id == "flat"
    assert recording.notes == ()


def test_names_that_say_nothing_give_no_group(tmp_path: Path) -> None:
    for name in ("walk", "location1", "loc1_script2"):
        assert group_of(tmp_path / name / "recording.vrs") is None
    assert has_pictures(tmp_path / "walk" / "motion.vrs")  # nothing says that it is Nymeria's


def test_sound_and_sensors_alone_are_one_line(shared_data: Path, tmp_path: Path) -> None:
    link(shared_data, tmp_path / "takes" / "t_1" / "aria02_noimagestreams.vrs")
    with pytest.raises(InputError, match=r"found a VRS file of Ego-Exo4D without pictures, expected aria02.vrs"):
        opened(tmp_path)


def test_one_trajectory_beside_two_recordings_is_refused(shared_data: Path, tmp_path: Path) -> None:
    take = tmp_path / "takes" / "t_1"
    link(shared_data, take / "aria01.vrs")
    link(shared_data, take / "aria02.vrs")
    path = write_mps(take / "trajectory" / "open_loop_trajectory.csv", wandering(12), STEP_TIMES_NS)
    for ref in find_recordings(tmp_path, SourceOptions()):
        with pytest.raises(InputError, match=r"found one trajectory beside aria0. and aria0..vrs|found one trajectory"):
            open_recording(ref, SourceOptions())
    ref = find_recordings(take / "aria01.vrs", SourceOptions(path))[0]
    assert len(open_recording(ref, SourceOptions(path)).trajectory.time_ns) == len(STEP_TIMES_NS)
    assert len(GEN1_TIMES_NS) * 2 == len(STEP_TIMES_NS)
