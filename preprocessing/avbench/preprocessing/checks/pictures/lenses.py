"""Rays through pixels under any lens model, and the other lenses that a recording may have been taken with."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation
from avbench.preprocessing.media.rectify import project
from avbench.preprocessing.recording.recording import Camera, Distortion

FOCAL_STEP = 1.12
"""Ratio of one tried focal length to the next."""

_FOCAL_STEPS = 6
_ROUNDS = 12
_STEP_RAD = 1e-6
_LARGEST_ERROR_PX = 0.05
_WIDEST_RAD = np.radians(65.0)  # further out a pixel of error is several in the plane that essential matrices live in


@dataclass(frozen=True)
class Lens:
    """A lens that the pictures may have been taken with.

    Attributes:
        camera: Its model.
        is_fisheye: Whether its radius grows with the angle rather than with its tangent.
        step: Focal length over the stated one, as a power of `FOCAL_STEP`.
    """

    camera: Camera
    is_fisheye: bool
    step: int


def is_fisheye(camera: Camera) -> bool:
    """Whether a lens model's radius grows with the angle from the axis, not with its tangent."""
    return camera.distortion in (Distortion.KANNALA_BRANDT, Distortion.FISHEYE624)


def other_lenses(camera: Camera) -> list[Lens]:
    """Pinholes and fisheyes of other focal lengths than the stated one, the family of the stated one first."""
    stated = is_fisheye(camera)
    lenses = []
    for fisheye in (stated, not stated):
        base = camera if fisheye == stated else _of_family(camera, fisheye=fisheye)
        for step in sorted(range(-_FOCAL_STEPS, _FOCAL_STEPS + 1), key=abs):
            if fisheye != stated or step != 0:
                factor = FOCAL_STEP**step
                scaled = replace(base, fx_px=base.fx_px * factor, fy_px=base.fy_px * factor)
                lenses.append(Lens(scaled, fisheye, step))
    return lenses


def _of_family(camera: Camera, *, fisheye: bool) -> Camera:
    if fisheye:
        return replace(camera, distortion=Distortion.KANNALA_BRANDT, coefficients=(0.0,) * 4)
    return replace(camera, distortion=Distortion.NONE, coefficients=())


def upright_rays(camera: Camera, points_px: FloatArray) -> FloatArray:
    """Rays (N, 3) through pixels (N, 2) of the delivered picture, in axes of the upright one, with z = 1.

    NaN where the lens shows nothing, or more than 65 degrees off the axis.
    """
    angles = _angles(camera, points_px)
    theta = np.linalg.norm(angles, axis=-1)
    with np.errstate(invalid="ignore"):
        error = np.linalg.norm(project(camera, _rays(angles)) - points_px, axis=-1)
        good = (error < _LARGEST_ERROR_PX) & (theta < _WIDEST_RAD)
    rays = _rays(np.where(good[:, None], angles, 0.0))
    rotation_upright_delivered = np.round(axis_rotation("z", 90.0 * camera.quarter_turns_cw))
    rays = rays / rays[:, 2:] @ rotation_upright_delivered.T
    return np.where(good[:, None], rays, np.nan)


def _angles(camera: Camera, points_px: FloatArray) -> FloatArray:
    """Angles (N, 2) from the axis along x and y, in radians, whose rays the lens shows at the pixels, by Newton."""
    centred = (points_px - [camera.cx_px, camera.cy_px]) / [camera.fx_px, camera.fy_px]
    radius = np.linalg.norm(centred, axis=-1, keepdims=True)
    angles = centred if is_fisheye(camera) else centred * np.arctan(radius) / np.maximum(radius, 1e-12)
    if camera.distortion is Distortion.NONE:
        return angles
    step_x, step_y = np.array([_STEP_RAD, 0.0]), np.array([0.0, _STEP_RAD])
    for _ in range(_ROUNDS):
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            here = project(camera, _rays(angles))
            along_x = (project(camera, _rays(angles + step_x)) - here) / _STEP_RAD
            along_y = (project(camera, _rays(angles + step_y)) - here) / _STEP_RAD
            missing = points_px - here
            determinant = along_x[:, 0] * along_y[:, 1] - along_y[:, 0] * along_x[:, 1]
            step = (
                np.stack(
                    [
                        missing[:, 0] * along_y[:, 1] - missing[:, 1] * along_y[:, 0],
                        missing[:, 1] * along_x[:, 0] - missing[:, 0] * along_x[:, 1],
                    ],
                    axis=-1,
                )
                / determinant[:, None]
            )
        angles = angles + np.clip(step, -0.2, 0.2)
        if not np.nanmax(np.abs(step), initial=0.0) > 1e-9:
            break
    return angles


def _rays(angles: FloatArray) -> FloatArray:
    theta = np.linalg.norm(angles, axis=-1, keepdims=True)
    return np.concatenate([angles * np.sinc(theta / np.pi), np.cos(theta)], axis=-1)
