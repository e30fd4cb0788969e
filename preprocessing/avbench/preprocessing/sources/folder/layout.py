"""Recordings of the folder layout, opened; `folder_files` finds them.

The recording's clock is the presentation clock of the video, as the container states it. Sound inside the video has
stamps on that clock, a sound file begins with the first frame, and a trajectory is taken to be on that clock; the rig
file's offsets are added.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from avbench.preprocessing.base.errors import InputError, Problems
from avbench.preprocessing.checks.trajectory import check_overlap
from avbench.preprocessing.media.video import open_video
from avbench.preprocessing.recording.picture_axes import Placed, trajectory_upright, vectors_upright
from avbench.preprocessing.recording.recording import (
    Recording,
    UpSource,
)
from avbench.preprocessing.sources.common.kinds import RIG_SUFFIX, Role, role_of
from avbench.preprocessing.sources.common.placement import place
from avbench.preprocessing.sources.common.ref import UNSTATED_LICENCE, Layout, RecordingRef
from avbench.preprocessing.sources.common.rig_file import COMMON_RIG, RigFile, read_rig
from avbench.preprocessing.sources.common.rig_sound import hear
from avbench.preprocessing.sources.common.trajectory_file import TrajectoryFile, read_trajectory_file
from avbench.preprocessing.sources.folder.files import at_most_one, the_one, unread_beside


def open_ref(ref: RecordingRef) -> Recording:
    """Open a recording.

    Raises:
        InputError: A file is missing, doubled, unreadable or contradicts another.
    """
    rigs = [path for path in ref.files if role_of(path) is Role.RIG]
    problems = Problems()
    with problems.noted():
        video_path = the_one(ref, Role.VIDEO)
    with problems.noted():
        trajectory_path = the_one(ref, Role.TRAJECTORY)
    with problems.noted():
        sound_path = at_most_one(ref, Role.SOUND)
    with problems.noted():
        rig_file = read_rig(rigs) if rigs else _no_rig(ref)
    problems.raise_any()
    placement = place(rigs[-1], rig_file, open_video(video_path, rig_file.streams))
    video, turns = placement.video, placement.quarter_turns_cw
    poses = read_trajectory_file(trajectory_path, rig_file.convention, video.time_ns)
    poses = _poses_upright(poses, turns[Placed.TRAJECTORY])
    notes = [
        *video.notes,
        *placement.notes,
        *poses.notes,
        *check_overlap(trajectory_path, poses.trajectory, video.time_ns, rig_file.convention),
    ]
    up_source = _up_source(rigs[-1], rig_file, poses)
    heard = hear(
        rigs[-1],
        rig_file,
        placement,
        sound_path=sound_path,
        video_path=video_path,
        unread=unread_beside(ref, Role.SOUND),
    )
    notes.extend(heard.notes)
    if rig_file.licence is None:
        notes.append(f"{rigs[-1]}: no licence stated; the rows say {UNSTATED_LICENCE!r}")
    if rig_file.group is None:
        notes.append(f"{rigs[-1]}: no group stated; a split may put another recording of the same place elsewhere")
    return Recording(
        recording_id=ref.recording_id,
        group_id=rig_file.group or ref.recording_id,
        source=str(Layout.FOLDER),
        licence=rig_file.licence or UNSTATED_LICENCE,
        frames=video,
        sound=heard.sound,
        camera=placement.camera,
        rig=heard.rig,
        trajectory=poses.trajectory,
        up_source=up_source,
        up_camera=poses.up_camera,
        split=rig_file.split,
        sync_offset_ns=rig_file.sound_offset_ns,
        sync_sigma_ns=rig_file.sync_sigma_ns,
        poses_stated=replace(
            poses.stated,
            quarter_turns_cw=turns[Placed.TRAJECTORY],
            picture_quarter_turns_cw=placement.picture_quarter_turns_cw,
        ),
        notes=tuple(notes),
    )


def _no_rig(ref: RecordingRef) -> NoReturn:
    where = ref.root / ref.recording_id
    raise InputError(
        next((path for path in ref.files if role_of(path) is Role.VIDEO), where),
        found="no rig file",
        expected=f"{where.name}{RIG_SUFFIX}, or {COMMON_RIG} for the whole folder",
        hint="it states at least the camera; see docs/folder_layout.md",
    )


def _poses_upright(poses: TrajectoryFile, quarter_turns_cw: int) -> TrajectoryFile:
    """Poses and up vectors in sensor axes, in those of the upright picture."""
    if quarter_turns_cw == 0:
        return poses
    up = poses.up_camera
    return replace(
        poses,
        trajectory=trajectory_upright(poses.trajectory, quarter_turns_cw),
        up_camera=None if up is None else (up[0], vectors_upright(up[1], quarter_turns_cw)),
    )


def _up_source(rig_path: Path, rig_file: RigFile, poses: TrajectoryFile) -> UpSource | None:
    """Where up comes from; a source without a vector, or the other way round, is refused."""
    in_world, in_camera = poses.trajectory.up_world is not None, poses.up_camera is not None
    where = f"{rig_path}: trajectory.up_source"
    if in_world and in_camera:
        raise InputError(
            where,
            found="trajectory.world_up and up_x_camera columns",
            expected="one of them",
            hint="take world_up out to use the columns",
        )
    if in_camera and rig_file.up_source is None:
        raise InputError(where, found="nothing", expected="imu or simulated: where the up_x_camera columns come from")
    if rig_file.up_source is not None and not in_world and not in_camera:
        raise InputError(
            where,
            found=f"{rig_file.up_source} and no up vector",
            expected="trajectory.world_up, or columns up_x_camera up_y_camera up_z_camera in the trajectory",
        )
    return rig_file.up_source
