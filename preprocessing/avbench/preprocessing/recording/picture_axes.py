"""Axes of the upright picture and of the sensor, where the two differ.

A phone held upright films with a sensor that lies on its side: the file holds pictures as the sensor sees them and a
display matrix that turns them upright. What a rig says in camera axes may then be meant in either: ARKit and ARCore
log poses and intrinsics of the sensor, structure from motion finds those of the pictures it was given, most often the
upright ones. The numbers do not show which, and taking one for the other makes yaw of pitch, so it has to be stated.

The sensor's axes are those of the picture as the file stores it: x along its rows, y down its columns, z forward. A
clockwise turn carries the stored picture's right to the bottom of the upright one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation
from avbench.preprocessing.recording.recording import Camera, Distortion, Trajectory


class AxesOf(StrEnum):
    """The picture whose axes are meant."""

    UPRIGHT = "upright"
    SENSOR = "sensor"


class Placed(StrEnum):
    """What a rig places in camera axes; the members are tables of the rig file."""

    CAMERA = "camera"
    MICROPHONES = "microphones"
    TRAJECTORY = "trajectory"


AXES_MATTER_FOR: Mapping[Placed, str] = {
    Placed.CAMERA: "size, fx, fy, cx, cy and coefficients",
    Placed.MICROPHONES: "positions or ambisonic channels",
    Placed.TRAJECTORY: "poses, T_body_camera and up columns",
}
"""What of each table is in camera axes, in words."""


@dataclass(frozen=True)
class PictureStatement:
    """What a rig says about axes and turns.

    Attributes:
        axes_of: The axes of each table, where stated.
        quarter_turns_cw: Clockwise quarter turns that bring the stored picture upright, whatever the file's display
            matrix says; None leaves it to the display matrix.
    """

    axes_of: Mapping[Placed, AxesOf] = field(default_factory=dict)
    quarter_turns_cw: int | None = None


def rotation_upright_sensor(quarter_turns_cw: int) -> FloatArray:
    """Rotation (3, 3), exact, that takes directions in sensor axes to those of the upright picture."""
    return np.asarray(axis_rotation("z", 90.0 * quarter_turns_cw).round(), dtype=np.float64)


def vectors_upright(vectors: ArrayLike, quarter_turns_cw: int) -> FloatArray:
    """Points or directions (N, 3) in sensor axes, in those of the upright picture."""
    return np.asarray(vectors, dtype=np.float64) @ rotation_upright_sensor(quarter_turns_cw).T


def trajectory_upright(trajectory: Trajectory, quarter_turns_cw: int) -> Trajectory:
    """Poses of the sensor as poses of the upright camera; both sit in one place."""
    T_world_camera = np.array(trajectory.T_world_camera, dtype=np.float64)
    T_world_camera[:, :3, :3] = T_world_camera[:, :3, :3] @ rotation_upright_sensor(quarter_turns_cw).T
    return replace(trajectory, T_world_camera=T_world_camera)


def is_same_turned(camera: Camera, quarter_turns_cw: int, *, mirrored: bool) -> bool:
    """Whether intrinsics, but for width and height, are the same numbers for the sensor and the upright picture."""
    k = camera.coefficients
    off_axis = {Distortion.BROWN_CONRADY: k[2:4], Distortion.FISHEYE624: k[6:]}.get(camera.distortion, ())
    centred_x = camera.cx_px == (camera.width_px - 1) / 2
    centred_y = camera.cy_px == (camera.height_px - 1) / 2
    if quarter_turns_cw % 2:
        return camera.fx_px == camera.fy_px and centred_x and centred_y and not any(off_axis)
    if quarter_turns_cw % 4 and not mirrored:
        return centred_x and centred_y and not any(off_axis)
    centred = centred_y if quarter_turns_cw % 4 else centred_x
    return centred and not any(off_axis)


def is_same_place(positions_m: FloatArray) -> bool:
    """Whether positions (channels, 3) lie on the optical axis, where no turn of the picture moves them."""
    return not np.any(positions_m[:, :2])
