"""A contact sheet of simulated recordings: frames, the room from above, the sound and where it comes from.

One row a recording. In the view from above the camera's way runs from thin to thick, with a tick for where it looks at
each frame shown; sources are discs (with the line they move along), furniture is grey. Beside it, one line a channel:
the level of the sound over time, from -80 dBFS to 0, with the times of the frames marked. Then, azimuth over time: the
direction spectra that a benchmark computes from the sound, under lines where the sources really are, seen from the
wearer's heading. What draws the spectra is found through the entry points `avbench.preview_panels`, since the
benchmark, which computes them, imports this package and not the other way round; without one the row ends with the
levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.atomic import atomic_path
from avbench.preprocessing.base.geometry import FloatArray, gravity_aligned_rotation
from avbench.preprocessing.media.sound.source import open_sound_file
from avbench.preprocessing.recording.recording import Rig
from avbench.preprocessing.simulate.scene.scene import Box, SignalKind
from avbench.preprocessing.simulate.scene.world import RecordingSettings, World, make_world

PANEL_GROUP = "avbench.preview_panels"
"""Entry points of functions (samples, sample_rate_hz, rig, time_s, up, height_px, width_px) -> RGB picture."""

FRAMES = 5
_HEIGHT = 150
_PAPER, _INK, _GREY = (250, 250, 250), (40, 40, 40), (205, 205, 205)
_KIND_COLOURS = {
    SignalKind.SPEECH: (200, 60, 40),
    SignalKind.MUSIC: (40, 110, 200),
    SignalKind.MACHINE: (60, 150, 60),
    SignalKind.IMPACTS: (190, 130, 20),
}
_FLOOR_DBFS = -80.0


def write_preview(final: Path, recordings: Sequence[tuple[Path, RecordingSettings]]) -> None:
    """Write a contact sheet (PNG) of recordings that were written to the given folders.

    Raises:
        InputError: The sound of a recording cannot be read.
        AvbenchError: The disk is full or cannot be written to.
    """
    sheet = np.concatenate([contact_row(folder, settings) for folder, settings in recordings])
    with atomic_path(final) as path:
        # OpenCV chooses the format by the suffix and tells of a full disk by its result only.
        if not cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
            raise OSError(f"{path.name} could not be encoded or written")


def contact_row(folder: Path, settings: RecordingSettings) -> NDArray[np.uint8]:
    """The row (height, width, 3) of one recording."""
    world = make_world(settings)
    times = np.linspace(0.0, (settings.frames - 1) / settings.fps, FRAMES)
    width = round(_HEIGHT * settings.width_px / settings.height_px)
    frames = [cv2.resize(world.picture(float(t)), (width, _HEIGHT), interpolation=cv2.INTER_AREA) for t in times]
    sound = open_sound_file(folder / f"{settings.name}.wav")
    samples = np.asarray(sound.read(0, sound.samples), dtype=np.float64) / 32768.0
    levels = _level_panel(samples, settings.sample_rate_hz, times)
    panels = [_direction_panel(point.load(), samples, world, settings) for point in entry_points(group=PANEL_GROUP)]
    row = np.concatenate([*frames, _top_view(world, times), levels, *panels], axis=1)
    room = world.scene.room
    size = " x ".join(f"{side:.1f}" for side in room.size_m)
    caption = _panel(18, row.shape[1])
    text = (
        f"{settings.name}   room {size} m   RT60 {min(room.rt60_s):.2f}-{max(room.rt60_s):.2f} s   "
        f"{world.rig.kind}   SNR {world.recorder.snr_db:.0f} dB   "
        + ", ".join(str(source.kind) for source in world.scene.sources)
    )
    cv2.putText(caption, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)
    return np.concatenate([caption, row])


def _panel(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), _PAPER, dtype=np.uint8)


def _top_view(world: World, times: FloatArray) -> NDArray[np.uint8]:
    room_x, room_y, _ = world.scene.room.size_m
    scale = (_HEIGHT - 16) / max(room_x, room_y)
    panel = _panel(_HEIGHT, _HEIGHT)

    def pixel(x: float, y: float) -> tuple[int, int]:
        return round(8 + x * scale), round(_HEIGHT - 8 - y * scale)

    cv2.rectangle(panel, pixel(0.0, 0.0), pixel(room_x, room_y), _INK, 1)
    for box in world.scene.boxes:
        corners = np.array([pixel(x, y) for x, y in _footprint(box)], dtype=np.int32)
        cv2.fillConvexPoly(panel, corners, _GREY, cv2.LINE_AA)
    for source in world.scene.sources:
        ends = np.array(source.centre_m) + np.array([[-1.0], [1.0]]) * np.array(source.swing_m)
        colour = _KIND_COLOURS[source.kind]
        cv2.line(panel, pixel(*ends[0, :2]), pixel(*ends[1, :2]), colour, 1, cv2.LINE_AA)
        cv2.circle(panel, pixel(*source.centre_m[:2]), 3, colour, -1, cv2.LINE_AA)
    way = world.motion.poses(np.linspace(times[0], times[-1], 60))[:, :2, 3]
    for index, (start, stop) in enumerate(pairwise(way)):
        cv2.line(panel, pixel(*start), pixel(*stop), _INK, 1 + index // 30, cv2.LINE_AA)
    for pose in world.motion.poses(times):
        tip = pose[:2, 3] + 0.35 * pose[:2, 2]
        cv2.line(panel, pixel(*pose[:2, 3]), pixel(*tip), _INK, 1, cv2.LINE_AA)
    return panel


def _footprint(box: Box) -> FloatArray:
    yaw = np.radians(box.yaw_deg)
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.array(box.half_size_m[:2])
    return np.asarray(corners @ turn.T + np.array(box.centre_m[:2]), dtype=np.float64)


def _direction_panel(
    draw: Any, samples: FloatArray, world: World, settings: RecordingSettings, width: int = 300
) -> NDArray[np.uint8]:
    """Direction spectra over time with the true azimuths of the sources on top."""
    duration_s = len(samples) / settings.sample_rate_hz
    time_s = np.linspace(0.2, duration_s - 0.2, width // 4)
    T_world_camera = world.motion.poses(time_s)
    up = T_world_camera[:, 2, :3]  # the world's z axis in camera axes
    rig = Rig(world.rig.array_kind, world.rig.mic_positions_m)
    drawn = draw(samples.astype(np.float32), settings.sample_rate_hz, rig, time_s, up, _HEIGHT, width)
    panel = np.array(drawn, dtype=np.uint8)
    level_axes = gravity_aligned_rotation(up)
    for source in world.scene.sources:
        towards = source.position_m(time_s) - T_world_camera[:, :3, 3]
        camera = np.einsum("tij,ti->tj", T_world_camera[:, :3, :3], towards)
        x, _, z = np.moveaxis(np.einsum("tij,tj->ti", level_axes, camera), -1, 0)
        heights = (0.5 - np.arctan2(x, z) / (2.0 * np.pi)) * (_HEIGHT - 1)
        for time, height in zip(time_s, heights, strict=True):
            cv2.circle(panel, (round(time / duration_s * (width - 1)), round(height)), 1, _PAPER, -1, cv2.LINE_AA)
    return panel


def _level_panel(samples: FloatArray, rate_hz: int, times: FloatArray, width: int = 300) -> NDArray[np.uint8]:
    """Levels of samples (N, channels), full scale 1, over time."""
    panel = _panel(_HEIGHT, width)
    duration_s = len(samples) / rate_hz
    for time in times:
        x = round(time / duration_s * (width - 1))
        cv2.line(panel, (x, 0), (x, _HEIGHT - 1), _GREY, 1)
    edges = np.linspace(0, len(samples), width + 1).astype(int)
    power = np.add.reduceat(np.square(samples), edges[:-1], axis=0) / np.diff(edges)[:, None]
    level = np.clip(10.0 * np.log10(power + 1e-12), _FLOOR_DBFS, 0.0)
    lane = _HEIGHT / samples.shape[1]
    for channel in range(samples.shape[1]):
        y = (channel + level[:, channel] / _FLOOR_DBFS) * lane
        points = np.stack([np.arange(width), np.minimum(y, _HEIGHT - 1)], axis=-1).round().astype(np.int32)
        cv2.polylines(panel, [points], isClosed=False, color=_INK, thickness=1, lineType=cv2.LINE_AA)
    return panel
