"""From poses of named pictures to a recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.checks.trajectory import check_positions, check_speeds
from avbench.preprocessing.media.image_files import IMAGE_SUFFIXES, ImageFiles, open_images
from avbench.preprocessing.media.upright import Orientation
from avbench.preprocessing.media.video import VideoFile, open_video
from avbench.preprocessing.recording.picture_axes import AxesOf, PictureStatement, Placed, trajectory_upright
from avbench.preprocessing.recording.pose_convention import TrajectoryConvention, camera_to_world
from avbench.preprocessing.recording.recording import Camera, Recording, Scale, Trajectory, UpSource
from avbench.preprocessing.sources.common.placement import place
from avbench.preprocessing.sources.common.ref import UNSTATED_LICENCE, RecordingRef
from avbench.preprocessing.sources.common.rig_file import RigFile
from avbench.preprocessing.sources.common.rig_sound import hear
from avbench.preprocessing.sources.common.trajectory_file import with_position_sigma
from avbench.preprocessing.sources.common.trajectory_table import MIN_POSES
from avbench.preprocessing.sources.named.moments import Moments, moments_of
from avbench.preprocessing.sources.named.poses import NamedPoses
from avbench.preprocessing.sources.named.scene import Scene, choose_file
from avbench.preprocessing.sources.named.statement import Statement

_ROUNDING_PX = 2.0  # encoders and extractors round sizes to even numbers


def open_named(ref: RecordingRef, scene: Scene, statement: Statement, poses: NamedPoses) -> Recording:
    """Put poses, pictures and sound together.

    Raises:
        InputError: A file is missing or unreadable, or one contradicts another.
    """
    said = statement.pictures
    poses = _with_prefix(poses, statement)
    rig_file = statement.rig(poses.camera, poses.scale)
    video_path = choose_file(scene, scene.videos, said.video, "video")
    video = None if video_path is None else open_video(video_path, rig_file.streams)
    files, file_notes = _pictures_of(ref, scene, statement, poses, needed=video is None)
    if video is None:
        kept = [i for i, file in enumerate(files) if file is not None]
        poses, files = poses.chosen(kept), tuple(files[i] for i in kept)
    _check_count(poses)
    moments = moments_of(poses, files, statement, video)
    pictures = video or _images(files, moments)
    rig_file = replace(rig_file, camera=_sized(rig_file, pictures, poses, file_notes))
    rig_file = _with_axes(rig_file, pictures)
    placement = place(statement.path, rig_file, pictures)
    trajectory, pose_notes = _trajectory(poses.chosen(moments.order), moments, rig_file)
    # First to the pictures as they are stored or shown, whose intrinsics the poses' file has, then upright.
    trajectory = trajectory_upright(trajectory, said.pose_quarter_turns_cw)
    trajectory = trajectory_upright(trajectory, placement.quarter_turns_cw[Placed.TRAJECTORY])
    sound_path = choose_file(scene, scene.sounds, said.sound, "sound")
    start_ns = None if video is not None else moments.zero_ns
    heard = hear(statement.path, rig_file, placement, sound_path=sound_path, video_path=video_path, start_ns=start_ns)
    if video is None and sound_path is not None and start_ns is None:
        file_notes.append(
            f"{sound_path}: sound is taken to begin with the first picture that has a pose; pictures.first with "
            "rate_hz says which picture it begins with, time.sound_offset_s moves it"
        )
    notes = [*pictures.notes, *poses.notes, *file_notes, *moments.notes, *placement.notes, *pose_notes, *heard.notes]
    if rig_file.licence is None:
        notes.append(f"{statement.path}: no licence stated; the rows say {UNSTATED_LICENCE!r}")
    if rig_file.group is None:
        notes.append(
            f"{statement.path}: no group stated; a split may put another recording of the same place elsewhere"
        )
    up_source = rig_file.up_source
    if trajectory.up_world is not None and up_source is None:
        up_source = UpSource.TRAJECTORY
    return Recording(
        recording_id=ref.recording_id,
        group_id=rig_file.group or ref.recording_id,
        source=str(ref.layout),
        licence=rig_file.licence or UNSTATED_LICENCE,
        frames=placement.video,
        sound=heard.sound,
        camera=placement.camera,
        rig=heard.rig,
        trajectory=trajectory,
        up_source=up_source if trajectory.up_world is not None else None,
        split=rig_file.split,
        sync_offset_ns=rig_file.sound_offset_ns,
        sync_sigma_ns=rig_file.sync_sigma_ns,
        notes=tuple(notes),
    )


def _with_prefix(poses: NamedPoses, statement: Statement) -> NamedPoses:
    prefix = statement.pictures.prefix
    if prefix is None:
        return poses
    kept = [i for i, name in enumerate(poses.names) if name.startswith(prefix)]
    if not kept:
        raise InputError(
            f"{statement.path}: pictures.prefix",
            found=f"{prefix!r}",
            expected=f"what names such as {poses.names[0]!r} begin with",
        )
    return poses.chosen(kept)


def _check_count(poses: NamedPoses) -> None:
    if len(poses.names) < MIN_POSES:
        raise InputError(poses.path, found=f"{len(poses.names)} poses", expected=f"at least {MIN_POSES}")


# --- pictures -----------------------------------------------------------------------------------------------------


def _pictures_of(
    ref: RecordingRef, scene: Scene, statement: Statement, poses: NamedPoses, *, needed: bool
) -> tuple[tuple[Path | None, ...], list[str]]:
    """The picture of each pose, None where there is none; notes on those that are missing."""
    known = {path for path in ref.files if path.suffix.lower() in IMAGE_SUFFIXES}
    folder = statement.pictures.folder
    if poses.files is not None and folder is None:
        files = tuple(file if file in known or (file and file.is_file()) else None for file in poses.files)
    else:
        tops = [scene.folder / folder] if folder is not None else [scene.folder / "images", scene.folder]
        files = tuple(
            next((top / name for top in tops if top / name in known or (top / name).is_file()), None)
            for name in poses.names
        )
    missing = [name for name, file in zip(poses.names, files, strict=True) if file is None]
    if not needed or not missing:
        return files, []
    if len(missing) == len(files):
        raise InputError(
            poses.path,
            found=f"poses of {len(files)} pictures such as {poses.names[0]}, and neither they nor a video",
            expected=f"a video in {scene.folder.name or scene.folder}, or the pictures",
            hint="pictures.video and pictures.folder in the rig file say where they are",
        )
    return files, [f"{poses.path}: {len(missing)} of {len(files)} pictures are missing, such as {missing[0]}"]


def _images(files: tuple[Path | None, ...], moments: Moments) -> ImageFiles:
    ordered = [files[int(i)] for i in moments.order]
    return open_images([file for file in ordered if file is not None], moments.time_ns)


def _turn(rig_file: RigFile, pictures: VideoFile | ImageFiles) -> Orientation:
    """How a stored picture comes upright."""
    if rig_file.picture.quarter_turns_cw is not None:
        return Orientation.of_quarter_turns(rig_file.picture.quarter_turns_cw)
    return pictures.display


def _sized(rig_file: RigFile, pictures: VideoFile | ImageFiles, poses: NamedPoses, notes: list[str]) -> Camera:
    """The camera for pictures of the size that there are: those of another were made smaller or larger as a whole."""
    camera = rig_file.camera
    if poses.camera is None:
        return camera
    given, stored = (camera.width_px, camera.height_px), pictures.stored_size_px
    upright = stored[::-1] if _turn(rig_file, pictures).transposed else stored
    sizes = (upright, stored)
    if given in sizes:
        return camera
    for width, height in sizes:
        if (
            abs(given[0] - given[1] * width / height) <= _ROUNDING_PX
            or abs(given[1] - given[0] * height / width) <= _ROUNDING_PX
        ):
            notes.append(
                f"{poses.path}: the camera of {given[0]} x {given[1]} px is scaled to the pictures of "
                f"{width} x {height} px"
            )
            return scaled_camera(camera, width, height)
    raise InputError(
        poses.path,
        found=f"a camera of {given[0]} x {given[1]} px",
        expected=f"the size of the pictures, {upright[0]} x {upright[1]} px, or of the same shape",
        hint="pictures that were cropped or rectified before are frames of their own: leave the video out",
    )


def scaled_camera(camera: Camera, width_px: int, height_px: int) -> Camera:
    """The camera of pictures that were resized as a whole."""
    sx, sy = width_px / camera.width_px, height_px / camera.height_px
    return replace(
        camera,
        width_px=width_px,
        height_px=height_px,
        fx_px=camera.fx_px * sx,
        fy_px=camera.fy_px * sy,
        cx_px=(camera.cx_px + 0.5) * sx - 0.5,
        cy_px=(camera.cy_px + 0.5) * sy - 0.5,
    )


def _with_axes(rig_file: RigFile, pictures: VideoFile | ImageFiles) -> RigFile:
    """Poses and intrinsics of one file are in the same axes; where the size shows which, nobody needs to state them."""
    stated = dict(rig_file.picture.axes_of)
    axes = stated.get(Placed.CAMERA) or stated.get(Placed.TRAJECTORY)
    turn = _turn(rig_file, pictures)
    stored, camera = pictures.stored_size_px, rig_file.camera
    if axes is None and turn.transposed and stored[0] != stored[1]:
        is_stored = (camera.width_px, camera.height_px) == stored
        axes = AxesOf.SENSOR if is_stored else AxesOf.UPRIGHT
    if axes is None:
        return rig_file
    stated.setdefault(Placed.CAMERA, axes)
    stated.setdefault(Placed.TRAJECTORY, axes)
    return replace(rig_file, picture=PictureStatement(stated, rig_file.picture.quarter_turns_cw))


# --- poses --------------------------------------------------------------------------------------------------------


def _trajectory(poses: NamedPoses, moments: Moments, rig_file: RigFile) -> tuple[Trajectory, list[str]]:
    """The trajectory of the camera whose poses these are."""
    convention: TrajectoryConvention = replace(rig_file.convention, axes=poses.axes)
    scale = convention.scale or poses.scale
    matrices = np.array(poses.poses, dtype=np.float64)
    matrices[:, :3, 3] *= convention.unit_m
    T_world_camera = camera_to_world(matrices, poses.transform, convention)
    if scale is Scale.ROTATION_ONLY:
        T_world_camera[:, :3, 3] = 0.0
    up = convention.up_world if convention.up_world is not None else poses.up_world
    trajectory = Trajectory(
        time_ns=moments.time_ns,
        T_world_camera=T_world_camera,
        scale=scale,
        pose_source=poses.pose_source if convention.pose_source == "unspecified" else convention.pose_source,
        pose_sigma_deg=convention.pose_sigma_deg,
        position_sigma_m=convention.position_sigma_m,
        up_world=None if up is None else up / np.linalg.norm(up),
    )
    trajectory, notes = with_position_sigma(poses.path, trajectory, convention)
    notes += check_speeds(poses.path, trajectory, convention)
    notes += check_positions(poses.path, T_world_camera[:, :3, 3], scale, has_lever=False)
    return trajectory, notes
