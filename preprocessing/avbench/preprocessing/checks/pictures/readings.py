"""The usual ways in which poses are read wrong, each undone.

A reading is what the poses would have to be taken for instead. It is applied to the numbers as they stood in the file,
which are found by undoing what was stated of them; where nothing is known of a file, to the camera-to-world poses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation, invert_transform, make_transform
from avbench.preprocessing.checks.pictures.lenses import Lens
from avbench.preprocessing.recording.picture_axes import rotation_upright_sensor
from avbench.preprocessing.recording.pose_convention import PoseStatement, camera_to_world, poses_of_file


class Kind(StrEnum):
    """What a reading changes."""

    STATED = "stated"
    INVERSE = "inverse"
    OPENGL = "opengl"
    INVERSE_OPENGL = "inverse_opengl"
    QUARTER_TURN = "quarter_turn"
    HALF_TURN = "half_turn"
    THREE_QUARTER_TURN = "three_quarter_turn"
    W_FIRST = "w_first"
    W_LAST = "w_last"
    TRANSLATION_SIGN = "translation_sign"
    MIXED = "mixed"
    TIME = "time"
    LENS = "lens"


ROTATION_KINDS = (
    Kind.INVERSE,
    Kind.OPENGL,
    Kind.INVERSE_OPENGL,
    Kind.QUARTER_TURN,
    Kind.HALF_TURN,
    Kind.THREE_QUARTER_TURN,
    Kind.W_FIRST,
    Kind.W_LAST,
)
"""Readings that change rotations."""

POSITION_KINDS = (Kind.TRANSLATION_SIGN, Kind.MIXED)
"""Readings that keep the stated rotations."""

TURNS = {Kind.QUARTER_TURN: 1, Kind.HALF_TURN: 2, Kind.THREE_QUARTER_TURN: 3}
"""Quarter turns about the optical axis."""

_HALF_ABOUT_X = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Hypothesis:
    """A reading with its parameter.

    Attributes:
        kind: What it changes.
        shift_ns: What is added to the stamps of the poses.
        lens: The lens that the pictures were taken with, None for the stated one.
    """

    kind: Kind
    shift_ns: int = 0
    lens: Lens | None = None


def read_as(T_world_camera: FloatArray, kind: Kind, statement: PoseStatement) -> FloatArray:
    """Camera-to-world poses (N, 4, 4) in upright axes as they are under another reading.

    Args:
        T_world_camera: (N, 4, 4) poses as they were read; NaN where there is none.
        kind: The other reading.
        statement: What was stated of them.
    """
    missing = np.asarray(~np.isfinite(T_world_camera).all(axis=(-2, -1)))
    T = np.where(missing[:, None, None], np.eye(4), T_world_camera)
    result = _read_as(T, kind, statement)
    result[missing] = np.nan
    return result


def _read_as(T: FloatArray, kind: Kind, statement: PoseStatement) -> FloatArray:
    rotation, place = T[:, :3, :3], T[:, :3, 3]
    if kind in TURNS:
        return make_transform(rotation @ axis_rotation("z", 90.0 * TURNS[kind]).round(), place)
    if kind is Kind.OPENGL:
        upright_sensor = rotation_upright_sensor(statement.quarter_turns_cw)
        return make_transform(rotation @ upright_sensor @ _HALF_ABOUT_X @ upright_sensor.T, place)
    if kind is Kind.TRANSLATION_SIGN:
        return make_transform(rotation, -place)
    if kind is Kind.MIXED:
        turned = np.swapaxes(rotation, -1, -2) if statement.transform.is_from_world else rotation
        return make_transform(rotation, -(turned @ place[..., None])[..., 0])
    if kind is Kind.INVERSE_OPENGL:
        return _read_as(_read_as(T, Kind.INVERSE, statement), Kind.OPENGL, statement)
    poses, transform = poses_of_file(T, statement), statement.transform
    if kind is Kind.INVERSE:
        poses = invert_transform(poses)
    elif kind in (Kind.W_FIRST, Kind.W_LAST):
        quaternion_xyzw = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
        # W first: what was taken for x is w, and what was taken for y, z, w is x, y, z; w last: the other way round.
        order = [1, 2, 3, 0] if kind is Kind.W_FIRST else [3, 0, 1, 2]
        poses = make_transform(Rotation.from_quat(quaternion_xyzw[:, order]).as_matrix(), poses[:, :3, 3])
    T = camera_to_world(poses, transform, statement.convention)
    upright_sensor = rotation_upright_sensor(statement.quarter_turns_cw)
    return make_transform(T[:, :3, :3] @ upright_sensor.T, T[:, :3, 3])
