"""Drawing a scene: the size of the room, furniture, paint, lamps and sources of sound.

The camera's way comes first, and furniture keeps clear of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.pictures.render import drawable, render_picture
from avbench.preprocessing.simulate.scene.scene import (
    Box,
    Light,
    Paint,
    Room,
    Scene,
    SignalKind,
    Source,
    Vector3,
)
from avbench.preprocessing.simulate.scene.seeds import Generator
from avbench.preprocessing.simulate.scene.textures import TEXTURE_SIZE, TEXTURES_PER_SPLIT
from avbench.preprocessing.simulate.sound.room_acoustics import draw_absorption, eyring_rt60_s

_SOURCE_COUNTS = (1, 2, 3, 4, 5)
_SOURCE_COUNT_WEIGHTS = (0.10, 0.30, 0.30, 0.18, 0.12)
_KINDS = (SignalKind.SPEECH, SignalKind.MUSIC, SignalKind.MACHINE, SignalKind.IMPACTS)
_KIND_WEIGHTS = (0.45, 0.25, 0.18, 0.12)
_HEAD_CLEARANCE_M = 0.4
_SOURCE_CLEARANCE_M = 0.7
_LOW_FURNITURE_M = 1.1


def draw_room_size(rng: Generator) -> Vector3:
    """Size of a room: 4-8 x 3.5-7 x 2.4-3.4 m."""
    return (rng.uniform(4.0, 8.0), rng.uniform(3.5, 7.0), rng.uniform(2.4, 3.4))


def draw_room(rng: Generator, size_m: Vector3, rt60_range_s: tuple[float, float]) -> Room:
    """Paint a room's faces and give them materials for a reverberation time within a range."""
    absorption = draw_absorption(rng, size_m, rt60_range_s)
    x, y, z = size_m
    longest = (max(y, z), max(y, z), max(x, z), max(x, z), max(x, y), max(x, y))
    # A face is no longer than its texture, so that nothing is seen twice.
    paint = tuple(_draw_paint(rng, TEXTURE_SIZE / length) for length in longest)
    return Room(
        size_m=size_m,
        paint=paint,
        absorption=tuple(tuple(face) for face in absorption.tolist()),
        rt60_s=tuple(eyring_rt60_s(size_m, absorption).tolist()),
    )


def draw_boxes(rng: Generator, size_m: Vector3, path_m: FloatArray) -> tuple[Box, ...]:
    """Draw 6 to 13 pieces of furniture around a camera path (N, 3): on the floor, hanging on walls, tall ones aside."""
    wanted = int(rng.integers(6, 14))
    boxes: list[Box] = []
    while len(boxes) < wanted:
        box = _draw_wall_box(rng, size_m) if rng.uniform() < 0.3 else _draw_floor_box(rng, size_m)
        top = box.centre_m[2] + box.half_size_m[2]
        if top <= _LOW_FURNITURE_M or _distance_to_box_m(box, path_m) >= _HEAD_CLEARANCE_M:
            boxes.append(box)
    return tuple(boxes)


def draw_lights(rng: Generator, size_m: Vector3) -> tuple[tuple[Light, ...], float]:
    """Draw 1 to 3 lamps in the upper part of the room, and the ambient light."""
    x, y, z = size_m
    lights = tuple(
        Light(
            (rng.uniform(0.15, 0.85) * x, rng.uniform(0.15, 0.85) * y, rng.uniform(0.75, 0.95) * z),
            rng.uniform(1.0, 4.0),
        )
        for _ in range(rng.integers(1, 4))
    )
    return lights, rng.uniform(0.15, 0.5)


def draw_sources(rng: Generator, size_m: Vector3, path_m: FloatArray, *, moving: bool) -> tuple[Source, ...]:
    """Draw 1 to 5 sources of sound, away from the walls and from the camera path (N, 3).

    With `moving`, each swings to and fro like somebody pacing, by up to 1 m and at up to 1 m/s.
    """
    sources: list[Source] = []
    wanted = int(rng.choice(_SOURCE_COUNTS, p=_SOURCE_COUNT_WEIGHTS))
    clearance = _SOURCE_CLEARANCE_M
    while len(sources) < wanted:
        swing: Vector3 = (0.0, 0.0, 0.0)
        rate_hz = phase = 0.0
        if moving:
            reach, heading = rng.uniform(0.3, 1.0), rng.uniform(0.0, 2.0 * np.pi)
            swing = (float(reach * np.cos(heading)), float(reach * np.sin(heading)), 0.0)
            rate_hz = float(rng.uniform(0.4, 1.0) / (2.0 * np.pi * reach))
            phase = float(rng.uniform(0.0, 2.0 * np.pi))
        low = np.array([0.3, 0.3, 0.3]) + np.abs(swing)
        high = np.array([size_m[0] - 0.3, size_m[1] - 0.3, min(2.0, size_m[2] - 0.3)]) - np.abs(swing)
        centre = rng.uniform(low, high)
        kind = SignalKind(str(rng.choice(_KINDS, p=_KIND_WEIGHTS)))
        level_db = float(np.clip(rng.normal(0.0, 4.0), -8.0, 8.0))
        reached = centre + np.linspace(-1.0, 1.0, 9)[:, None] * np.array(swing)
        distance = np.linalg.norm(path_m[:, None] - reached[None], axis=-1).min()
        if distance >= clearance:
            x, y, z = centre.tolist()
            sources.append(Source(kind, level_db, (x, y, z), swing, rate_hz, phase))
        else:
            clearance *= 0.98  # a crowded small room must still end
    return tuple(sources)


def set_exposure(scene: Scene, T_world_camera: FloatArray, intrinsics: FloatArray, target: float) -> Scene:
    """The scene with the exposure that makes small pictures from poses (N, 4, 4) have a mean grey level of `target`."""
    small_K = intrinsics.copy()
    small_K[:2] *= 24.0 / (2.0 * intrinsics[0, 2] + 1.0)
    # Rendered dark, so that nothing is clipped; grey levels go as the square root of the exposure.
    dark = 0.02
    packed = drawable(replace(scene, exposure=dark))
    means = [float(render_picture(packed, pose, small_K, (24, 18)).mean()) for pose in T_world_camera]
    return replace(scene, exposure=dark * (target / max(float(np.mean(means)), 1.0)) ** 2)


def _draw_paint(rng: Generator, texels_per_m: float) -> Paint:
    red, green, blue = np.exp(rng.normal(0.0, 0.12, 3)).tolist()
    shift = rng.uniform(0.0, TEXTURE_SIZE, 2).tolist()
    return Paint(int(rng.integers(TEXTURES_PER_SPLIT)), texels_per_m, (shift[0], shift[1]), (red, green, blue))


def _draw_floor_box(rng: Generator, size_m: Vector3) -> Box:
    width, depth = rng.uniform(0.3, 1.6), rng.uniform(0.3, 0.9)
    height = min(rng.uniform(0.35, 2.1), size_m[2] - 0.05)
    yaw_deg = float(rng.integers(4) * 90.0 if rng.uniform() < 0.6 else rng.uniform(0.0, 360.0))
    x, y = rng.uniform(0.25, size_m[0] - 0.25), rng.uniform(0.25, size_m[1] - 0.25)
    paint = _draw_paint(rng, 0.6 * TEXTURE_SIZE / max(width, depth, height))
    return Box((x, y, 0.5 * height), (0.5 * width, 0.5 * depth, 0.5 * height), yaw_deg, paint)


def _draw_wall_box(rng: Generator, size_m: Vector3) -> Box:
    """A picture, a shelf or a cupboard on one of the four walls."""
    wall = int(rng.integers(4))
    length = size_m[1] if wall < 2 else size_m[0]
    width, height, depth = rng.uniform(0.3, 1.4), rng.uniform(0.2, 0.9), rng.uniform(0.02, 0.35)
    along = rng.uniform(0.5 * width, length - 0.5 * width)
    z = rng.uniform(0.8 + 0.5 * height, size_m[2] - 0.5 * height)
    away = 0.5 * depth
    x = (away, size_m[0] - away, along, along)[wall]
    y = (along, along, away, size_m[1] - away)[wall]
    half = (0.5 * depth, 0.5 * width, 0.5 * height) if wall < 2 else (0.5 * width, 0.5 * depth, 0.5 * height)
    return Box((x, y, z), half, 0.0, _draw_paint(rng, 0.6 * TEXTURE_SIZE / max(width, height)))


def _distance_to_box_m(box: Box, points_m: FloatArray) -> float:
    """Shortest horizontal distance from points (N, 3) to a box's footprint."""
    cosine, sine = np.cos(np.radians(box.yaw_deg)), np.sin(np.radians(box.yaw_deg))
    x, y = (points_m[:, :2] - np.array(box.centre_m[:2])).T
    local = np.stack([cosine * x + sine * y, cosine * y - sine * x], axis=-1)
    outside = np.maximum(np.abs(local) - np.array(box.half_size_m[:2]), 0.0)
    return float(np.linalg.norm(outside, axis=-1).min())
