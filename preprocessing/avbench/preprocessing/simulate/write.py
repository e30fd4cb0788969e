"""A simulated recording as files of the folder layout, the way a user's own would look.

<name>.mp4          H.264 pictures
<name>.wav          sound of all channels, 16 bits
<name>.csv          trajectory: camera-to-world poses and the measured up vectors
<name>.toml         rig: intrinsics, microphones, licence, place
<name>.scene.json   what was simulated: room, furniture, sources (no part of the layout; written last)
"""

from __future__ import annotations

import json
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.atomic import atomic_path, write_text
from avbench.preprocessing.base.documents import read_json, structured
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.structure import shown
from avbench.preprocessing.simulate.scene.scene import scene_to_dict
from avbench.preprocessing.simulate.scene.world import RecordingSettings, World, make_world

LICENCE = "CC0-1.0"
SIMULATOR_VERSION = "1"
"""Goes up with every change of what a seed gives."""

POSE_RATE_HZ = 200
SCENE_SUFFIX = ".scene.json"
_SUFFIXES = (".mp4", ".wav", ".csv", ".toml", SCENE_SUFFIX)
_CRF = "17"  # x264's quality: differences from the drawn picture stay near one grey level


def write_recording(folder: Path, settings: RecordingSettings) -> World:
    """Simulate a recording and write its files, each whole or not at all.

    Raises:
        AvbenchError: The disk is full or cannot be written to.
    """
    world = make_world(settings)
    with atomic_path(folder / f"{settings.name}.mp4") as path:
        write_video(path, world, frame_times_s(settings))
    _write_sound(folder / f"{settings.name}.wav", world)
    write_text(folder / f"{settings.name}.csv", _trajectory_text(world))
    write_text(folder / f"{settings.name}.toml", _rig_text(world))
    write_text(folder / f"{settings.name}{SCENE_SUFFIX}", _scene_text(world))
    return world


@dataclass(frozen=True)
class _SettingsFile:
    """What is read of a `.scene.json` to simulate its recording again."""

    simulator_version: str
    settings: RecordingSettings


def is_written(folder: Path, settings: RecordingSettings) -> bool:
    """Whether a recording of just these settings is there in full.

    Raises:
        InputError: There is another recording under its name.
    """
    marker = folder / f"{settings.name}{SCENE_SUFFIX}"
    if not marker.exists():
        return False
    same = False
    with suppress(InputError):
        found = read_json(marker, _SettingsFile, other_keys=True)
        same = found == _SettingsFile(SIMULATOR_VERSION, settings)
    if not same:
        raise InputError(
            marker,
            found="a recording of another seed, size or version of the simulator",
            expected=f"one of seed {settings.seed}, as asked for",
            hint="choose another folder, or remove this one",
        )
    return all((folder / f"{settings.name}{suffix}").is_file() for suffix in _SUFFIXES)


def read_settings(recordings: Path, recording_id: str) -> RecordingSettings:
    """What a recording was simulated with; `make_world` makes its room again from it.

    Args:
        recordings: The folder of simulated recordings.
        recording_id: Its name, as `prepare` gives it: the path in that folder, without suffix.

    Raises:
        InputError: There is no such recording, or it is of another version of the simulator.
    """
    path = recordings / f"{recording_id}{SCENE_SUFFIX}"
    hint = "give the folder of simulated recordings that the data set was prepared from"
    found = read_json(path, dict[str, Any], expected="a simulated room", hint=hint)
    version = found.get("simulator_version")
    if version != SIMULATOR_VERSION:
        raise InputError(
            f"{path}: simulator_version",
            found=shown(version),
            expected=repr(SIMULATOR_VERSION),
            hint="simulate the recordings again",
        )
    return structured(found, path, _SettingsFile, hint=hint, other_keys=True).settings


def write_video(path: Path, world: World, time_s: NDArray[np.float64]) -> None:
    """Draw the pictures at times (N,) and write them as H.264 in MP4, at the settings' frame rate."""
    settings = world.settings
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=settings.fps)
        stream.width, stream.height = settings.width_px, settings.height_px
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, settings.fps)
        stream.codec_context.thread_count = 1
        stream.options = {
            "crf": _CRF,
            "preset": "veryfast",
            "g": str(2 * settings.fps),
            "x264-params": _repeatable_x264(),
        }
        # Without a colour description readers take BT.601 at limited range, and so does this conversion.
        for index, at_s in enumerate(time_s.tolist()):
            frame = av.VideoFrame.from_ndarray(world.picture(at_s), format="rgb24").reformat(format="yuv420p")
            frame.pts = index
            frame.time_base = Fraction(1, settings.fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _repeatable_x264() -> str:
    """Options with which x264 gives the same bits for the same pictures."""
    # How a picture is divided among threads changes its bits.
    options = "threads=1:lookahead-threads=1:sync-lookahead=0"
    if platform.machine().lower() in ("x86_64", "amd64"):
        # Core 165 with AVX-512 reads memory it has not written: some bits change from run to run. With SSE2, which
        # every such processor has, they are those of its portable code.
        options += ":asm=MMX2,SSE2Fast"
    return options


def frame_times_s(settings: RecordingSettings) -> NDArray[np.float64]:
    """(frames,) times of the frames."""
    return np.asarray(np.arange(settings.frames) / settings.fps, dtype=np.float64)


def pose_times_ns(settings: RecordingSettings) -> NDArray[np.int64]:
    """Times of the stored poses: from the first frame to the end of the recording."""
    count = int(np.ceil(settings.length_s * POSE_RATE_HZ)) + 1
    return np.arange(count, dtype=np.int64) * (1_000_000_000 // POSE_RATE_HZ)


def _write_sound(final: Path, world: World) -> None:
    settings = world.settings
    with atomic_path(final) as path:
        soundfile.write(path, world.sound(0, settings.samples), settings.sample_rate_hz, subtype="PCM_16")


def _trajectory_text(world: World) -> str:
    time_ns = pose_times_ns(world.settings)
    T = world.motion.poses(time_ns / 1e9)
    up = world.motion.measured_up(time_ns / 1e9)
    quaternion = Rotation.from_matrix(T[:, :3, :3]).as_quat()
    header = (
        "time_ns,tx_world_camera,ty_world_camera,tz_world_camera,"
        "qx_world_camera,qy_world_camera,qz_world_camera,qw_world_camera,up_x_camera,up_y_camera,up_z_camera"
    )
    rows = (
        f"{stamp}," + ",".join(f"{value:.9f}" for value in values)
        for stamp, values in zip(time_ns.tolist(), np.hstack([T[:, :3, 3], quaternion, up]).tolist(), strict=True)
    )
    return "\n".join([header, *rows]) + "\n"


def _rig_text(world: World) -> str:
    settings, camera = world.settings, world.camera
    positions = "".join(f"    [{x:.6f}, {y:.6f}, {z:.6f}],\n" for x, y, z in world.rig.mic_positions_m.tolist())
    split = f'split = "{settings.split}"\n' if settings.split else ""
    return f"""\
# Simulated by avbench simulate; see {settings.name}{SCENE_SUFFIX} for the room and the sources.
licence = "{LICENCE}"
group = "{settings.name}"
{split}
[camera]
width = {camera.width_px}
height = {camera.height_px}
fx = {camera.fx_px:.6f}
fy = {camera.fy_px:.6f}
cx = {camera.cx_px:.6f}
cy = {camera.cy_px:.6f}
distortion = "none"

[microphones]
array_kind = "{world.rig.array_kind}"
positions_m = [
{positions}]

[time]
sync_sigma_s = 0.0

[trajectory]
transform = "world_camera"
axes = "opencv"
scale = "metric"
pose_source = "simulated"
pose_sigma_deg = 0.0
position_sigma_m = 0.0
up_source = "simulated"
"""


def _scene_text(world: World) -> str:
    head = world.rig.head_centre_m
    values = {
        "simulator_version": SIMULATOR_VERSION,
        "settings": _settings_dict(world.settings),
        "rig": {
            "kind": str(world.rig.kind),
            "head_centre_m": None if head is None else head.tolist(),
            "head_radius_m": None if head is None else world.rig.head_radius_m,
        },
        "recorder": asdict(world.recorder),
        "scene": scene_to_dict(world.scene),
    }
    return json.dumps(values, indent=1) + "\n"


def _settings_dict(settings: RecordingSettings) -> dict[str, object]:
    return {**asdict(settings), "configuration": str(settings.configuration)}
