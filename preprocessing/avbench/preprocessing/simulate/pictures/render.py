"""Pictures and depth of a scene, and what share of one picture another shows.

Pixel (0, 0) has its centre at (0, 0): a world point at camera coordinates (x, y, z) is drawn at fx x / z + cx,
fy y / z + cy. Grey levels are the square root of light, close to what cameras store.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.pictures.raycast import cast_depth, cast_picture
from avbench.preprocessing.simulate.scene.scene import Box, Paint, Scene
from avbench.preprocessing.simulate.scene.textures import texture_pyramid


@dataclass(frozen=True, eq=False)
class Drawable:
    """A scene packed into the arrays of `raycast`."""

    room: FloatArray
    boxes: FloatArray
    paint: FloatArray
    paint_texture: NDArray[np.int64]
    textures: NDArray[np.uint8]
    lights: FloatArray
    ambient: float
    exposure: float


def drawable(scene: Scene) -> Drawable:
    """Pack a scene, with its textures, for drawing many pictures of it."""
    paints = [*scene.room.paint, *(box.paint for box in scene.boxes)]
    numbers = sorted({paint.texture for paint in paints})
    return Drawable(
        room=np.array(scene.room.size_m),
        boxes=_pack_boxes(scene.boxes),
        paint=np.array([_pack_paint(paint) for paint in paints]),
        paint_texture=np.array([numbers.index(paint.texture) for paint in paints], dtype=np.int64),
        textures=np.stack([texture_pyramid(scene.seed, scene.split, number) for number in numbers]),
        lights=np.array([[*light.position_m, light.power] for light in scene.lights]).reshape(-1, 4),
        ambient=scene.ambient,
        exposure=scene.exposure,
    )


def render_picture(
    scene: Drawable, T_world_camera: ArrayLike, intrinsics: ArrayLike, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Draw a picture.

    Args:
        scene: What to draw.
        T_world_camera: (4, 4) camera-to-world; or (P, 4, 4), poses spread evenly over the time the shutter is open,
            whose light is added up: motion blur.
        intrinsics: 3x3 calibration matrix, pixels.
        size: Width and height in pixels.

    Returns:
        (height, width, 3) RGB.
    """
    poses = np.ascontiguousarray(np.asarray(T_world_camera, dtype=np.float64).reshape(-1, 4, 4)[:, :3])
    image = np.empty((size[1], size[0], 3), dtype=np.uint8)
    cast_picture(
        image,
        poses,
        _pack_intrinsics(intrinsics),
        scene.room,
        scene.boxes,
        scene.paint,
        scene.paint_texture,
        scene.textures,
        scene.lights,
        scene.ambient,
        scene.exposure,
    )
    return image


def render_depth(
    scene: Scene | Drawable, T_world_camera: ArrayLike, intrinsics: ArrayLike, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Depth (height, width) along the optical axis in metres, at the centres of the pixels."""
    pose = np.ascontiguousarray(np.asarray(T_world_camera, dtype=np.float64)[:3])
    depth = np.empty((size[1], size[0]), dtype=np.float32)
    room, boxes = _solids(scene)
    cast_depth(depth, pose, _pack_intrinsics(intrinsics), room, boxes)
    return depth


def _solids(scene: Scene | Drawable) -> tuple[FloatArray, FloatArray]:
    if isinstance(scene, Drawable):
        return scene.room, scene.boxes
    return np.array(scene.room.size_m), _pack_boxes(scene.boxes)


def _pack_boxes(boxes: tuple[Box, ...]) -> FloatArray:
    rows = [
        [*box.centre_m, *box.half_size_m, np.cos(np.radians(box.yaw_deg)), np.sin(np.radians(box.yaw_deg))]
        for box in boxes
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 8)


def _pack_paint(paint: Paint) -> list[float]:
    return [paint.texels_per_m, *paint.shift_texels, *paint.tint]


def _pack_intrinsics(intrinsics: ArrayLike) -> FloatArray:
    K = np.asarray(intrinsics, dtype=np.float64)
    return np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])
