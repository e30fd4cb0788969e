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
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.checks.array_geometry import array_delay_doubt, doubled_positions
from avbench.preprocessing.checks.channels import ambisonic_level_doubt, sound_windows
from avbench.preprocessing.checks.trajectory import check_overlap
from avbench.preprocessing.media.sound.clock import StoredSound, coverage_notes, with_true_rate
from avbench.preprocessing.media.sound.container import ContainerSound, open_container_sound
from avbench.preprocessing.media.sound.source import open_sound_file
from avbench.preprocessing.media.video import VideoFile, open_video
from avbench.preprocessing.recording.ambisonics import FIRST_ORDER, first_order_upright, is_higher_order
from avbench.preprocessing.recording.picture_axes import Placed, trajectory_upright, vectors_upright
from avbench.preprocessing.recording.recording import (
    AmbisonicConvention,
    ArrayKind,
    Recording,
    Rig,
    SoundSource,
    UpSource,
    sound_stop_ns,
)
from avbench.preprocessing.sources.common.ref import UNSTATED_LICENCE, Layout, RecordingRef
from avbench.preprocessing.sources.common.rig_file import COMMON_RIG, RigFile, read_rig
from avbench.preprocessing.sources.common.trajectory_file import TrajectoryFile, read_trajectory_file
from avbench.preprocessing.sources.folder.axes import place
from avbench.preprocessing.sources.folder.files import RIG_SUFFIX, Role, at_most_one, role_of, the_one, unread_beside

_CHANNELS = {ArrayKind.BINAURAL: 2, ArrayKind.STEREO: 2, ArrayKind.AMBISONIC: 4}


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
    sound = _open_sound(sound_path, video_path, video, rig_file)
    if sound_path is None:
        notes += [
            f"{path}: a kind of sound file that is not read; export it as WAV or FLAC to use it instead of what is in "
            f"{video_path.name}"
            for path in unread_beside(ref, Role.SOUND)
        ]
    microphones = None
    if sound is not None:
        heard = sound_path or video_path
        microphones = _microphones(rigs[-1], rig_file, sound, heard, turns[Placed.MICROPHONES])
        notes.extend([*sound.notes, *coverage_notes(heard, sound, video.time_ns)])
        notes.extend(_kind_notes(rigs[-1], rig_file, microphones, sound, heard, is_turned=placement.is_turned))
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
        sound=_heard(sound, microphones, turns[Placed.MICROPHONES]),
        camera=placement.camera,
        rig=microphones,
        trajectory=poses.trajectory,
        up_source=up_source,
        up_camera=poses.up_camera,
        split=rig_file.split,
        sync_offset_ns=rig_file.sound_offset_ns,
        sync_sigma_ns=rig_file.sync_sigma_ns,
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


def _open_sound(sound_path: Path | None, video_path: Path, video: VideoFile, rig_file: RigFile) -> StoredSound | None:
    """The recording's sound on the video's clock; a file beside the video goes before the sound inside it."""
    shift_ns = rig_file.sound_offset_ns
    sound: StoredSound | None
    if sound_path is not None:
        sound = open_sound_file(sound_path)
        shift_ns += int(video.time_ns[0])
    else:
        sound = open_container_sound(video_path, rig_file.streams)
    if sound is None:
        return None
    sound = replace(sound, start_ns=sound.start_ns + shift_ns)
    if rig_file.sound_rate_hz is not None:
        sound = with_true_rate(sound, rig_file.sound_rate_hz, sound_path or video_path)
    stop_ns = sound_stop_ns(sound)
    if sound.start_ns > video.time_ns[-1] or stop_ns < video.time_ns[0]:
        raise InputError(
            sound_path or video_path,
            found=f"sound from {sound.start_ns / 1e9:.6f} to {stop_ns / 1e9:.6f} s",
            expected=f"sound during the video, {video.time_ns[0] / 1e9:.6f} to {video.time_ns[-1] / 1e9:.6f} s",
            hint="correct time.sound_offset_s in the rig file",
        )
    return sound


def _hint_of_streams(sound: SoundSource) -> str:
    """What to do about sound of which the file holds more."""
    others = sound.other_streams if isinstance(sound, ContainerSound) else ""
    return f'the file holds {others}: choose or join them with [streams] sound = [0, 1] or "join"' if others else ""


def _microphones(rig_path: Path, rig_file: RigFile, sound: SoundSource, sound_path: Path, quarter_turns_cw: int) -> Rig:
    """What the channels are, which must fit their number, and where they are in axes of the upright picture."""
    positions: FloatArray | None = rig_file.mic_positions_m
    if positions is not None and len(positions) != sound.channels:
        raise InputError(
            f"{rig_path}: microphones.positions_m",
            found=f"{len(positions)} positions",
            expected=f"{sound.channels}, one for each channel of {sound_path.name}",
            hint=_hint_of_streams(sound) or "in the order of the channels",
        )
    kind = rig_file.array_kind
    if kind is None:
        if sound.channels > 2:
            raise InputError(
                f"{rig_path}: microphones.array_kind",
                found="nothing",
                expected=f"what the {sound.channels} channels of {sound_path.name} are: microphones or ambisonic",
            )
        kind = ArrayKind.STEREO if sound.channels == 2 else ArrayKind.MICROPHONES
    expected = _CHANNELS.get(kind, sound.channels)
    higher = kind is ArrayKind.AMBISONIC and is_higher_order(sound.channels)
    if sound.channels != expected and not (higher and rig_file.use_first_order):
        raise InputError(
            f"{rig_path}: microphones.array_kind",
            found=f"{kind} for the {sound.channels} channels of {sound_path.name}",
            expected=f"{expected} channels",
            hint="to read the first order alone, set microphones.use_first_order = true" if higher else "",
        )
    convention = None
    if kind is ArrayKind.AMBISONIC:
        convention = rig_file.ambisonic_convention or AmbisonicConvention.ACN_SN3D
    return Rig(kind, None if positions is None else vectors_upright(positions, quarter_turns_cw), convention)


def _heard(sound: StoredSound | None, rig: Rig | None, quarter_turns_cw: int) -> SoundSource | None:
    """The channels of a recording, ambisonic ones as the first order in axes of the upright picture."""
    if sound is None or rig is None or rig.ambisonic_convention is None:
        return sound
    return first_order_upright(sound, rig.ambisonic_convention, quarter_turns_cw)


def _kind_notes(
    rig_path: Path, rig_file: RigFile, rig: Rig, sound: SoundSource, sound_path: Path, *, is_turned: bool
) -> list[str]:
    """What was taken for granted of the channels."""
    if rig.array_kind is ArrayKind.STEREO and rig.mic_positions_m is None and is_turned:
        otherwise = "where the microphones lie otherwise, give microphones.positions_m"
        return [f"{sound_path}: left and right are taken to be those of the upright picture; {otherwise}"]
    if rig.mic_positions_m is not None:
        return _array_notes(rig_path, rig.mic_positions_m, sound, sound_path)
    if rig.ambisonic_convention is None:
        return []
    notes = []
    if rig_file.ambisonic_convention is None:
        notes.append(
            f"{rig_path}: no microphones.ambisonics stated; taken as {rig.ambisonic_convention} (W Y Z X), the default"
        )
    if sound.channels > FIRST_ORDER:
        notes.append(f"{sound_path}: of {sound.channels} ambisonic channels the first {FIRST_ORDER} are read")
    doubt = ambisonic_level_doubt(sound_windows(sound), sound.sample_rate_hz, rig.ambisonic_convention)
    return [*notes, f"{sound_path}: {doubt}"] if doubt else notes


def _array_notes(rig_path: Path, positions_m: FloatArray, sound: SoundSource, sound_path: Path) -> list[str]:
    """What speaks against the places of the microphones."""
    doubled = doubled_positions(positions_m)
    if len(positions_m) < 2:
        return []
    notes = [
        f"{rig_path}: microphones.positions_m: channels {first} and {second} are in one place"
        for first, second in doubled
    ]
    doubt = array_delay_doubt(sound_windows(sound), sound.sample_rate_hz, positions_m)
    return [*notes, f"{sound_path}: {doubt}"] if doubt else notes
