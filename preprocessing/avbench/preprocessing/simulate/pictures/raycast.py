"""Compiled ray casting: a shoebox from inside, boxes from outside, textures with mip levels, Lambert's law.

Everything here works on plain arrays; `render` packs scenes into them. A ray starts at the camera and its direction has
a length of 1 along the optical axis, so that the distance along it is the depth.

Boxes are rows of 8: centre x y z, half size x y z, cosine and sine of the yaw.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.simulate.scene.jit import compiled
from avbench.preprocessing.simulate.scene.textures import MIP_OFFSETS, MIP_SIZES

F64: TypeAlias = NDArray[np.float64]
I64: TypeAlias = NDArray[np.int64]
U8: TypeAlias = NDArray[np.uint8]

_TOP_LEVEL = len(MIP_SIZES) - 1
_SIZES = np.array(MIP_SIZES, dtype=np.int64)
_OFFSETS = MIP_OFFSETS
_NEAR_M = 1e-3


@compiled
def image_bounds(pose: F64, boxes: F64, intrinsics: F64, width: int, height: int) -> I64:
    """Pixel bounds (boxes, 4: left, right, top, bottom, inclusive) outside which a box cannot be seen.

    `pose` (poses, 3, 4) are camera-to-world; the bounds hold for all of them. A box out of view has right < left.
    """
    fx, fy, cx, cy = intrinsics
    bounds = np.empty((len(boxes), 4), dtype=np.int64)
    for b in range(len(boxes)):
        left, right, top, bottom = np.inf, -np.inf, np.inf, -np.inf
        for p in range(len(pose)):
            crossing = False
            behind = 0
            for corner in range(8):
                lx = boxes[b, 3] * (1.0 if corner & 1 else -1.0)
                ly = boxes[b, 4] * (1.0 if corner & 2 else -1.0)
                lz = boxes[b, 5] * (1.0 if corner & 4 else -1.0)
                x = boxes[b, 0] + boxes[b, 6] * lx - boxes[b, 7] * ly - pose[p, 0, 3]
                y = boxes[b, 1] + boxes[b, 7] * lx + boxes[b, 6] * ly - pose[p, 1, 3]
                z = boxes[b, 2] + lz - pose[p, 2, 3]
                depth = pose[p, 0, 2] * x + pose[p, 1, 2] * y + pose[p, 2, 2] * z
                if depth < 0.01:
                    behind += 1
                    continue
                u = fx * (pose[p, 0, 0] * x + pose[p, 1, 0] * y + pose[p, 2, 0] * z) / depth + cx
                v = fy * (pose[p, 0, 1] * x + pose[p, 1, 1] * y + pose[p, 2, 1] * z) / depth + cy
                left, right = min(left, u), max(right, u)
                top, bottom = min(top, v), max(bottom, v)
            crossing = 0 < behind < 8
            if crossing:
                left, right, top, bottom = 0.0, float(width), 0.0, float(height)
        bounds[b, 0] = int(max(np.floor(left) - 1.0, 0.0)) if left < width + 1 else width
        bounds[b, 1] = int(min(np.ceil(right) + 1.0, width - 1.0)) if right > -2 else -1
        bounds[b, 2] = int(max(np.floor(top) - 1.0, 0.0)) if top < height + 1 else height
        bounds[b, 3] = int(min(np.ceil(bottom) + 1.0, height - 1.0)) if bottom > -2 else -1
    return bounds


@compiled
def local_origins(pose: F64, boxes: F64) -> F64:
    """The cameras (poses, boxes, 3) in the axes of each box."""
    origins = np.empty((len(pose), len(boxes), 3))
    for p in range(len(pose)):
        for b in range(len(boxes)):
            x, y = pose[p, 0, 3] - boxes[b, 0], pose[p, 1, 3] - boxes[b, 1]
            origins[p, b, 0] = boxes[b, 6] * x + boxes[b, 7] * y
            origins[p, b, 1] = -boxes[b, 7] * x + boxes[b, 6] * y
            origins[p, b, 2] = pose[p, 2, 3] - boxes[b, 2]
    return origins


@compiled
def _exit_of_room(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, room: F64) -> tuple[float, int]:
    """Distance to the wall a ray hits, and its face."""
    tx = ((room[0] if dx > 0.0 else 0.0) - ox) / dx if dx != 0.0 else np.inf
    ty = ((room[1] if dy > 0.0 else 0.0) - oy) / dy if dy != 0.0 else np.inf
    tz = ((room[2] if dz > 0.0 else 0.0) - oz) / dz if dz != 0.0 else np.inf
    if tx <= ty and tx <= tz:
        return tx, 1 if dx > 0.0 else 0
    if ty <= tz:
        return ty, 3 if dy > 0.0 else 2
    return tz, 5 if dz > 0.0 else 4


@compiled
def _entry_of_box(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, hx: float, hy: float, hz: float
) -> tuple[float, int]:
    """Distance at which a ray enters a box around the origin of the axes, and the face; infinity without a hit."""
    ix, iy, iz = 1.0 / dx, 1.0 / dy, 1.0 / dz
    ax, ay, az = abs(ix) * hx, abs(iy) * hy, abs(iz) * hz
    mx, my, mz = -ox * ix, -oy * iy, -oz * iz
    near = max(mx - ax, my - ay, mz - az)
    far = min(mx + ax, my + ay, mz + az)
    if not (near <= far and near > _NEAR_M):
        return np.inf, 0
    if near == mx - ax:
        return near, 0 if dx > 0.0 else 1
    if near == my - ay:
        return near, 2 if dy > 0.0 else 3
    return near, 4 if dz > 0.0 else 5


@compiled
def cast_depth(depth: NDArray[np.float32], pose: F64, intrinsics: F64, room: F64, boxes: F64) -> None:
    """Fill `depth` (height, width) with the depth at the centre of each pixel, seen from `pose` (3, 4)."""
    height, width = depth.shape
    fx, fy, cx, cy = intrinsics
    poses = pose.reshape(1, 3, 4)
    bounds = image_bounds(poses, boxes, intrinsics, width, height)
    origins = local_origins(poses, boxes)
    ox, oy, oz = pose[0, 3], pose[1, 3], pose[2, 3]
    for v in range(height):
        for u in range(width):
            x, y = (u - cx) / fx, (v - cy) / fy
            dx = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2]
            dy = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2]
            dz = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2]
            nearest, _ = _exit_of_room(ox, oy, oz, dx, dy, dz, room)
            for b in range(len(boxes)):
                if bounds[b, 0] <= u <= bounds[b, 1] and bounds[b, 2] <= v <= bounds[b, 3]:
                    lx = boxes[b, 6] * dx + boxes[b, 7] * dy
                    ly = -boxes[b, 7] * dx + boxes[b, 6] * dy
                    t, _ = _entry_of_box(
                        origins[0, b, 0], origins[0, b, 1], origins[0, b, 2], lx, ly, dz,
                        boxes[b, 3], boxes[b, 4], boxes[b, 5],
                    )  # fmt: skip
                    nearest = min(nearest, t)
            depth[v, u] = nearest


@compiled
def _texel(textures: U8, texture: int, level: int, u: float, v: float, out: F64) -> None:
    """Bilinear lookup at (u, v), in texels of level 0 from a corner, at one mip level; into `out` (3)."""
    size = _SIZES[level]
    shrink = 1.0 / (1 << level)
    x, y = u * shrink - 0.5, v * shrink - 0.5
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    wx, wy = x - x0, y - y0
    mask = size - 1
    c0, c1 = x0 & mask, (x0 + 1) & mask
    r0, r1 = _OFFSETS[level] + (y0 & mask) * size, _OFFSETS[level] + ((y0 + 1) & mask) * size
    w00, w01 = (1.0 - wx) * (1.0 - wy), wx * (1.0 - wy)
    w10, w11 = (1.0 - wx) * wy, wx * wy
    for k in range(3):
        out[k] = (
            w00 * textures[texture, r0 + c0, k]
            + w01 * textures[texture, r0 + c1, k]
            + w10 * textures[texture, r1 + c0, k]
            + w11 * textures[texture, r1 + c1, k]
        )


@compiled
def cast_picture(
    image: U8,
    poses: F64,
    intrinsics: F64,
    room: F64,
    boxes: F64,
    paint: F64,
    paint_texture: I64,
    textures: U8,
    lights: F64,
    ambient: float,
    exposure: float,
) -> None:
    """Fill `image` (height, width, 3).

    Each pixel is the mean of four places within it for each pose; with several poses, spread over the time the shutter
    is open, every group of four has its own.

    Args:
        image: The picture.
        poses: (P, 3, 4) camera-to-world.
        intrinsics: fx fy cx cy.
        room: (3,) size of the room.
        boxes: (B, 8).
        paint: (6 + B, 6) texels a metre, shift u, shift v, red, green, blue of the faces of the room, then the boxes.
        paint_texture: (6 + B,) row of each one's texture.
        textures: (T, texels, 3) mip pyramids.
        lights: (L, 4) position and power.
        ambient: Irradiance from all around.
        exposure: Gain.
    """
    height, width = image.shape[:2]
    fx, fy, cx, cy = intrinsics
    bounds = image_bounds(poses, boxes, intrinsics, width, height)
    origins = local_origins(poses, boxes)
    texel, coarse, light_sum = np.empty(3), np.empty(3), np.empty(3)
    samples = 4 * len(poses)
    visible = np.empty(len(boxes), dtype=np.int64)
    for v in range(height):
        in_row = 0
        for b in range(len(boxes)):
            if bounds[b, 2] <= v <= bounds[b, 3]:
                visible[in_row] = b
                in_row += 1
        for u in range(width):
            light_sum[:] = 0.0
            for s in range(samples):
                p = s >> 2
                x = (u - 0.25 + 0.5 * (s & 1) - cx) / fx
                y = (v - 0.25 + 0.5 * ((s >> 1) & 1) - cy) / fy
                ox, oy, oz = poses[p, 0, 3], poses[p, 1, 3], poses[p, 2, 3]
                dx = poses[p, 0, 0] * x + poses[p, 0, 1] * y + poses[p, 0, 2]
                dy = poses[p, 1, 0] * x + poses[p, 1, 1] * y + poses[p, 1, 2]
                dz = poses[p, 2, 0] * x + poses[p, 2, 1] * y + poses[p, 2, 2]
                nearest, face = _exit_of_room(ox, oy, oz, dx, dy, dz, room)
                hit = -1
                for k in range(in_row):
                    b = visible[k]
                    if bounds[b, 0] <= u <= bounds[b, 1]:
                        lx = boxes[b, 6] * dx + boxes[b, 7] * dy
                        ly = -boxes[b, 7] * dx + boxes[b, 6] * dy
                        t, entered = _entry_of_box(
                            origins[p, b, 0], origins[p, b, 1], origins[p, b, 2], lx, ly, dz,
                            boxes[b, 3], boxes[b, 4], boxes[b, 5],
                        )  # fmt: skip
                        if t < nearest:
                            nearest, face, hit = t, entered, b
                px, py, pz = ox + nearest * dx, oy + nearest * dy, oz + nearest * dz
                # The face's own two coordinates, and its normal towards the camera.
                nx, ny, nz = 0.0, 0.0, 0.0
                axis = face >> 1
                if hit < 0:
                    row = face
                    fu, fv = (py, pz) if axis == 0 else ((px, pz) if axis == 1 else (px, py))
                    flip = 1.0 if face & 1 == 0 else -1.0
                    if axis == 0:
                        nx = flip
                    elif axis == 1:
                        ny = flip
                    else:
                        nz = flip
                    du, dv = 0.0, 0.0
                else:
                    row = 6 + hit
                    bx = origins[p, hit, 0] + nearest * (boxes[hit, 6] * dx + boxes[hit, 7] * dy) + boxes[hit, 3]
                    by = origins[p, hit, 1] + nearest * (-boxes[hit, 7] * dx + boxes[hit, 6] * dy) + boxes[hit, 4]
                    bz = origins[p, hit, 2] + nearest * dz + boxes[hit, 5]
                    fu, fv = (by, bz) if axis == 0 else ((bx, bz) if axis == 1 else (bx, by))
                    flip = -1.0 if face & 1 == 0 else 1.0
                    if axis == 0:
                        nx, ny = flip * boxes[hit, 6], flip * boxes[hit, 7]
                    elif axis == 1:
                        nx, ny = -flip * boxes[hit, 7], flip * boxes[hit, 6]
                    else:
                        nz = flip
                    # Each face of a box shows another part of the texture.
                    du, dv = 37.0 * face, 59.0 * face
                irradiance = ambient
                for k in range(len(lights)):
                    tx, ty, tz = lights[k, 0] - px, lights[k, 1] - py, lights[k, 2] - pz
                    slope = nx * tx + ny * ty + nz * tz
                    if slope > 0.0:
                        squared = tx * tx + ty * ty + tz * tz + 0.05
                        irradiance += lights[k, 3] * slope / (squared * np.sqrt(squared))
                length = np.sqrt(dx * dx + dy * dy + dz * dz)
                cosine = max(abs(nx * dx + ny * dy + nz * dz) / length, 0.05)
                texels_per_m = paint[row, 0]
                tu, tv = fu * texels_per_m + paint[row, 1] + du, fv * texels_per_m + paint[row, 2] + dv
                # Texels under one of the four samples: half a pixel wide, longer where the face is seen at an angle.
                footprint = 0.5 * texels_per_m * nearest / fx / np.sqrt(cosine)
                texture = paint_texture[row]
                if footprint <= 1.0:
                    _texel(textures, texture, 0, tu, tv, texel)
                else:
                    fine_level = min(np.log2(footprint), float(_TOP_LEVEL))
                    level = min(int(fine_level), _TOP_LEVEL - 1)
                    weight = fine_level - level
                    _texel(textures, texture, level, tu, tv, texel)
                    _texel(textures, texture, level + 1, tu, tv, coarse)
                    for k in range(3):
                        texel[k] += weight * (coarse[k] - texel[k])
                for k in range(3):
                    light_sum[k] += irradiance * paint[row, 3 + k] * texel[k] * texel[k]
            # Texels are square roots of albedo, and grey levels those of light: 255 * sqrt(exposure * light).
            for k in range(3):
                grey = np.sqrt(light_sum[k] * (exposure / samples)) + 0.5
                image[v, u, k] = np.uint8(min(grey, 255.0))
