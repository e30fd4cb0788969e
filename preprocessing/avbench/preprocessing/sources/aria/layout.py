"""The layout *aria*: VRS files of Project Aria glasses, Gen 1 and Gen 2, and the trajectories that belong to them.

A recording is one VRS file with RGB frames. Its poses come from, in this order:

1. the trajectory that the user names;
2. `open_loop_trajectory.csv`, then `closed_loop_trajectory.csv`, beside the VRS file, in `mps/slam/` beside it, or in
   `mps_<name>_vrs/slam/` beside it, which is where the MPS command line puts them. Open loop takes precedence, since
   the frames of a pair are seconds apart, where its relative poses are the better ones (see `trajectory`);
3. the odometry that a Gen 2 device recorded on its own.

The camera is the RGB camera, as `online_calibration.jsonl` beside the trajectory describes it in the middle of the
recording, else as the factory calibration in the VRS file does. Everything leaves this module in upright camera axes.

What a VRS file does not contain may be given in `<name>.toml` beside it: `licence`, `group` (what a split must not
cut), `split` and `scale` (what the positions mean: metric, unknown or rotation_only).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.documents import MissingFileError, read_json_lines, read_toml
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray, invert_transform, rotation_error_deg
from avbench.preprocessing.base.structure import Limits, Text
from avbench.preprocessing.media.sound.clock import coverage_notes
from avbench.preprocessing.recording.recording import ArrayKind, Recording, Rig, Scale, UpSource
from avbench.preprocessing.sources.aria.device import (
    AriaDevice,
    RgbCalibration,
    T_device_upright,
    microphone_positions_m,
    parse_device,
    parse_rgb_calibration,
    rgb_camera,
)
from avbench.preprocessing.sources.aria.places import (
    WITHOUT_PICTURES,
    group_of,
    has_pictures,
    mps_folders,
    shared_with,
    unused_trajectories,
)
from avbench.preprocessing.sources.aria.sound import AriaSound, open_sound
from avbench.preprocessing.sources.aria.trajectory import (
    CLOSED_LOOP,
    OPEN_LOOP,
    DevicePoses,
    read_mps_csv,
    read_on_device_vio,
)
from avbench.preprocessing.sources.aria.vrs import VIO_STREAM, RgbFrames, VrsFile
from avbench.preprocessing.sources.common.ref import UNSTATED_LICENCE, Layout, RecordingRef, SourceOptions
from avbench.preprocessing.sources.common.rig_file import SPLITS
from avbench.preprocessing.sources.common.walk import walk_files

OVERLAP_TOLERANCE_NS = 20_000_000
"""A trajectory that misses every frame by more than this is not of this recording."""


_NS_PER_S = 10**9
_MARGIN_NS = _NS_PER_S
_GIVEN = "given_trajectory"
_MPS_FILES = (("open_loop_trajectory.csv", OPEN_LOOP), ("closed_loop_trajectory.csv", CLOSED_LOOP))
_ONLINE_CALIBRATION = "online_calibration.jsonl"
_MAX_CAMERA_SWAY_DEG = 0.2


def find(source: Path, options: SourceOptions) -> list[RecordingRef]:
    """Find the recordings in a VRS file or in a folder of any depth, sorted by id.

    The id is the file's path below the source without its suffix, at least its folder and its name: files are often
    all called `recording.vrs`.

    Raises:
        InputError: There is none, or one trajectory is named for several recordings.
    """
    root = source if source.is_dir() else source.parent
    refs = []
    for vrs in walk_files(source) if source.is_dir() else [source]:
        below = vrs.relative_to(root)
        if vrs.suffix.lower() != ".vrs" or (source.is_dir() and not has_pictures(vrs)):
            continue
        name = below.with_suffix("").as_posix()
        recording_id = name if len(below.parts) > 1 else f"{root.resolve().name}/{name}"
        refs.append(RecordingRef(recording_id, Layout.ARIA, root, _files(vrs, options)))
    if not refs:
        raise InputError(source, found="no recording", expected="VRS files of Aria glasses")
    if options.trajectory is not None and len(refs) > 1:
        raise InputError(
            options.trajectory,
            found=f"one trajectory for {len(refs)} recordings",
            expected="one recording",
            hint="name a single VRS file as the source",
        )
    return sorted(refs, key=lambda ref: ref.recording_id)


def open_ref(ref: RecordingRef, options: SourceOptions) -> Recording:
    """Open a recording.

    Raises:
        InputError: The VRS file is damaged, has no RGB frames, comes from unknown glasses, or no trajectory belongs
            to it.
        MissingDependencyError: The extra `aria` is not installed.
    """
    if ref.files[0].stem.endswith(WITHOUT_PICTURES):
        raise InputError(
            ref.files[0],
            found="a VRS file of Ego-Exo4D without pictures",
            expected=f"{ref.files[0].stem.removesuffix(WITHOUT_PICTURES)}.vrs",
            hint="download the part take_vrs of the take",
        )
    vrs = VrsFile(ref.files[0])
    if "calib_json" not in vrs.tags:
        raise InputError(vrs.path, found="no tag calib_json", expected="a recording of Aria glasses")
    device = parse_device(vrs.tags["calib_json"], str(vrs.path))
    frames = RgbFrames(vrs)
    poses, trajectory_file = _poses(vrs, frames.time_ns, options)
    rgb, notes = _rgb_calibration(vrs.path, device, trajectory_file, frames.time_ns)
    camera = rgb_camera(device.generation, rgb, (frames.width_px, frames.height_px), str(vrs.path))
    T_device_camera = T_device_upright(rgb, camera.quarter_turns_cw)
    sidecar = _sidecar(vrs.path)
    stated_scale = sidecar.scale
    trajectory = poses.camera_trajectory(T_device_camera, stated_scale)
    if stated_scale is None and trajectory.scale is Scale.ROTATION_ONLY:
        notes.append(f"{poses.where} has no positions: the labels are rotations only")
    if trajectory.up_world is None:
        notes.append(f"{poses.where} does not say where up is")
    sound = open_sound(vrs, device.generation)
    rig = None if sound is None else _rig(device, sound, T_device_camera, notes)
    sidecar_path = _sidecar_path(vrs.path)
    if sidecar.licence is None:
        notes.append(f"no licence stated in {sidecar_path}; the rows say {UNSTATED_LICENCE!r}")
    group = sidecar.group
    if group is None:
        group, note = _group(ref, vrs.path, sidecar_path)
        notes.append(note)
    notes += [
        f"{path} lies nearby and is not used: the poses are those of {poses.where}; --trajectory takes another"
        for path in unused_trajectories(vrs.path, trajectory_file)
    ]
    return Recording(
        recording_id=ref.recording_id,
        group_id=group,
        source=device.generation,
        licence=sidecar.licence or UNSTATED_LICENCE,
        frames=frames,
        sound=sound,
        camera=camera,
        rig=rig,
        trajectory=trajectory,
        up_source=None if trajectory.up_world is None else UpSource.TRAJECTORY,
        split=sidecar.split,
        notes=(*notes, *(() if sound is None else (*sound.notes, *coverage_notes(vrs.path, sound, frames.time_ns)))),
    )


def _group(ref: RecordingRef, vrs: Path, sidecar: Path) -> tuple[str, str]:
    """The group where none is stated, and what to say of it."""
    named = group_of(vrs)
    if named is None:
        return (
            ref.recording_id,
            f"no group stated in {sidecar}; a split may put another recording of the same place elsewhere",
        )
    group, reason = named
    return group, f"no group stated in {sidecar}; it is {group}: {reason}"


def _rig(device: AriaDevice, sound: AriaSound, T_device_camera: FloatArray, notes: list[str]) -> Rig:
    """The array in upright camera axes; adds to the notes where it is not known."""
    in_device = None if sound.labels is None else microphone_positions_m(device, sound.labels)
    if in_device is None:
        which = f"glasses of build {device.subtype!r}" if sound.labels else f"a stream of {sound.channels} channels"
        notes.append(f"positions of the microphones are not known for {which}")
        return Rig(ArrayKind.MICROPHONES)
    T_camera_device = invert_transform(T_device_camera)
    return Rig(ArrayKind.MICROPHONES, in_device @ T_camera_device[:3, :3].T + T_camera_device[:3, 3])


# --- files that belong to a VRS file ------------------------------------------------------------------------------


def _files(vrs: Path, options: SourceOptions) -> tuple[Path, ...]:
    """Everything whose content determines the recording, the VRS file first."""
    trajectory, _ = _trajectory_file(vrs, options)
    online = _online_calibration_path(vrs, trajectory)
    sidecar = _sidecar_path(vrs)
    return (vrs, *(path for path in (trajectory, online, sidecar) if path is not None and path.is_file()))


def _trajectory_file(vrs: Path, options: SourceOptions) -> tuple[Path | None, str]:
    """The trajectory file to read, None for the one inside the VRS file, and how its poses were made."""
    if options.trajectory is not None:
        return options.trajectory, dict(_MPS_FILES).get(options.trajectory.name, _GIVEN)
    for name, pose_source in _MPS_FILES:
        for folder in mps_folders(vrs):
            if (folder / name).is_file():
                return folder / name, pose_source
    return None, ""


def _online_calibration_path(vrs: Path, trajectory: Path | None) -> Path | None:
    folders = (*([trajectory.parent] if trajectory else []), *mps_folders(vrs))
    return next((folder / _ONLINE_CALIBRATION for folder in folders if (folder / _ONLINE_CALIBRATION).is_file()), None)


def _sidecar_path(vrs: Path) -> Path:
    return vrs.with_suffix(".toml")


@dataclass(frozen=True)
class _Sidecar:
    """The TOML beside a VRS file; every field may be left out."""

    licence: Text | None = None
    group: Text | None = None
    split: Annotated[str, Limits(f"one of {', '.join(SPLITS)}", pattern="|".join(SPLITS))] | None = None
    scale: Scale | None = None


def _sidecar(vrs: Path) -> _Sidecar:
    try:
        return read_toml(_sidecar_path(vrs), _Sidecar, expected="TOML")
    except MissingFileError:
        return _Sidecar()


# --- poses and calibration ----------------------------------------------------------------------------------------


def _poses(vrs: VrsFile, frame_time_ns: NDArray[np.int64], options: SourceOptions) -> tuple[DevicePoses, Path | None]:
    """The poses around the frames, and the file they come from."""
    path, pose_source = _trajectory_file(vrs.path, options)
    if path is not None:
        if not path.is_file():
            raise InputError(path, found="no such file", expected="a trajectory")
        other = None if options.trajectory is not None else shared_with(vrs.path, path)
        if other is not None:
            raise InputError(
                path,
                found=f"one trajectory beside {vrs.path.name} and {other.name}",
                expected="a statement whose it is",
                hint=f"put {vrs.path.name} and its trajectory into a folder of their own, or name it with --trajectory",
            )
        poses = read_mps_csv(path, pose_source)
    elif vrs.has(VIO_STREAM):
        poses = read_on_device_vio(vrs)
    else:
        near = [path.relative_to(vrs.path.parent).as_posix() for path in _below(vrs.path)]
        others = sorted({*near, *(other.name for other in vrs.path.parent.glob("*.csv"))})
        raise InputError(
            vrs.path,
            found="no trajectory: no MPS output beside it, no on-device odometry in it",
            expected="open_loop_trajectory.csv or closed_loop_trajectory.csv beside it or in mps/slam/ or trajectory/",
            hint=f"name one with --trajectory ({', '.join(others)}?)" if others else "run MPS on the recording",
        )
    first_ns, last_ns = int(poses.time_ns[0]), int(poses.time_ns[-1])
    inside = (frame_time_ns >= first_ns - OVERLAP_TOLERANCE_NS) & (frame_time_ns <= last_ns + OVERLAP_TOLERANCE_NS)
    if not inside.any():
        raise InputError(
            poses.where,
            found=f"poses from {first_ns / _NS_PER_S:.3f} to {last_ns / _NS_PER_S:.3f} s of device time",
            expected="some within the frames, "
            f"{frame_time_ns[0] / _NS_PER_S:.3f} to {frame_time_ns[-1] / _NS_PER_S:.3f} s",
            hint="the trajectory belongs to another recording",
        )
    return poses.between(int(frame_time_ns[0]) - _MARGIN_NS, int(frame_time_ns[-1]) + _MARGIN_NS), path


def _below(vrs: Path) -> list[Path]:
    return [path for path in unused_trajectories(vrs, None) if path.is_relative_to(vrs.parent)]


def _rgb_calibration(
    vrs: Path, device: AriaDevice, trajectory: Path | None, frame_time_ns: NDArray[np.int64]
) -> tuple[RgbCalibration, list[str]]:
    """The RGB camera in the middle of the recording, and what should be known about it."""
    path = _online_calibration_path(vrs, trajectory)
    if path is None:
        return device.rgb, []
    entries = _read_online_calibration(path)
    times_ns = np.array([time_ns for time_ns, _ in entries])
    middle_ns = int(frame_time_ns[0] + frame_time_ns[-1]) // 2
    if not times_ns.min() - _MARGIN_NS <= middle_ns <= times_ns.max() + _MARGIN_NS:
        raise InputError(
            path,
            found=f"calibrations from {times_ns.min() / _NS_PER_S:.3f} to {times_ns.max() / _NS_PER_S:.3f} s",
            expected=f"the middle of the frames, {middle_ns / _NS_PER_S:.3f} s, among them",
            hint="the online calibration belongs to another recording",
        )
    chosen = entries[int(np.abs(times_ns - middle_ns).argmin())][1]
    rotations = np.stack([entry.T_device_camera[:3, :3] for _, entry in entries])
    spread_deg = float(rotation_error_deg(rotations, chosen.T_device_camera[:3, :3]).max())
    notes = []
    if spread_deg > _MAX_CAMERA_SWAY_DEG:
        notes.append(f"the RGB camera turns by up to {spread_deg:.2f} degrees in {path.name}; its middle is used")
    return chosen, notes


@dataclass(frozen=True)
class _OnlineCalibration:
    """One line of an online calibration; its names are those of the file."""

    tracking_timestamp_us: Annotated[int, Limits("a time in microseconds", least=-(2**52), most=2**52)]
    CameraCalibrations: tuple[dict[str, Any], ...]


def _read_online_calibration(path: Path) -> list[tuple[int, RgbCalibration]]:
    entries: list[tuple[int, RgbCalibration]] = []
    for number, data in enumerate(read_json_lines(path, _OnlineCalibration, other_keys=True), start=1):
        rgb = parse_rgb_calibration(data.CameraCalibrations, f"{path}: calibration {number}")
        entries.append((data.tracking_timestamp_us * 1000, rgb))
    if not entries:
        raise InputError(path, found="an empty file", expected="one calibration a line")
    return entries
