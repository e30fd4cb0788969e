"""Trajectory files of the folder layout: TUM, KITTI and CSV (`.tum`, `.txt`, `.csv`).

Whatever convention a file is in (`pose_convention`), what is read comes out as camera-to-world in OpenCV camera axes
at integer nanoseconds. The rig file and the names of the columns (`qw_world_camera`, `t_ns`) state the convention; a
contradiction between the two is refused.

TUM: eight values a line, `timestamp tx ty tz qx qy qz qw`. KITTI: twelve values a line, the upper three rows of a
4 x 4 matrix, one line for every frame of the video. CSV: a line of names, then rows. `#` starts a comment in all of
them, and a comment that names the columns is believed (see `trajectory_text`).

Columns, in any order; columns with other names are ignored:

========================== ==============================================================================
time                       `timestamp`, `time`, `stamp` or `t`, with or without `_s _ms _us _ns` or ` [ns]`;
                           `tracking_timestamp_us`; `secs` and `nsecs`; without any of them `frame`: the
                           number of the video frame
rotation                   `qw qx qy qz`: Hamilton quaternion; or `r11` to `r33`: matrix
position (may be missing)  `tx ty tz`, `px py pz`, `x y z` or `position_x ...`
frames (suffix of both)    `_world_camera`, `_camera_world`, `_world_device`, ...: `_dst_src` maps src to dst
up (may be missing)        `up_x_camera up_y_camera up_z_camera`: against gravity, in the file's camera axes
piece (may be missing)     `segment`, `graph_uid` or `session_uid`: poses of different pieces are not comparable
quality (may be missing)   `quality` or `quality_score`, from 0 to 1
========================== ==============================================================================

The column names of EuRoC (`#timestamp [ns]`, `p_RS_R_x [m]`, `q_RS_w []`), of Aria's MPS and of ROS messages
(`header.stamp.secs`, `field.pose.pose.orientation.w`) are understood too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import (
    FloatArray,
    is_rotation,
    make_transform,
    nearest_rotation,
    rotation_from_quaternion_xyzw,
)
from avbench.preprocessing.checks.trajectory import check_order_of_quaternions, check_positions, check_speeds
from avbench.preprocessing.recording.pose_convention import (
    PoseStatement,
    PoseTransform,
    TrajectoryConvention,
    camera_to_world,
    camera_vectors,
    world_vector,
)
from avbench.preprocessing.recording.position_noise import relative_position_sigma
from avbench.preprocessing.recording.recording import Scale, Trajectory
from avbench.preprocessing.sources.common.trajectory_table import PoseTable, read_pose_table

QUATERNION_NORM_TOLERANCE = 2e-3
"""How far from 1 a quaternion's length may be: rounding to three decimals moves it by up to 1e-3."""

_MATRIX_TOLERANCE = 1e-3  # of R'R - I: matrices are written with at least four decimals


@dataclass(frozen=True, eq=False)
class TrajectoryFile:
    """What a trajectory file holds.

    Attributes:
        trajectory: The poses.
        up_camera: ((N,) times, (N, 3) unit vectors against gravity in OpenCV camera axes), None without such columns.
        stated: What was stated of the poses.
        notes: What a user should know about how the file was read, one line each.
    """

    trajectory: Trajectory
    up_camera: tuple[NDArray[np.int64], FloatArray] | None
    stated: PoseStatement
    notes: tuple[str, ...] = ()


def read_trajectory_file(
    path: Path, convention: TrajectoryConvention, frame_time_ns: NDArray[np.int64] | None = None
) -> TrajectoryFile:
    """Read a trajectory file.

    Args:
        path: The file.
        convention: How to understand it.
        frame_time_ns: (F,) times of the video's frames, for files that count frames instead of giving times, or whose
            first pose is stated to be at the first frame.

    Returns:
        Camera-to-world poses in OpenCV camera axes, and the up vectors if the file has any.

    Raises:
        InputError: A column is missing or contradicts the convention; a value is no number, not finite or out of
            range; a quaternion is not of unit length or a matrix no rotation; the times do not increase; there are
            fewer than 3 poses.
    """
    table = read_pose_table(path, convention, frame_time_ns)
    columns = table.columns
    transform = _stated_transform(table, convention)
    scale = _stated_scale(table, convention)
    rotation = _rotations(table)
    position = np.zeros((len(rotation), 3))
    if columns.position is not None and scale is not Scale.ROTATION_ONLY:
        position = table.take(columns.position) * convention.unit_m
    T_world_camera = camera_to_world(make_transform(rotation, position), transform, convention)
    if scale is Scale.ROTATION_ONLY:
        # The lever arm of a body would otherwise leave an arc that looks like motion.
        T_world_camera[:, :3, 3] = 0.0
    up_world = convention.up_world
    if up_world is not None:
        up_world = world_vector(up_world / np.linalg.norm(up_world), convention.axes)
    trajectory = Trajectory(
        time_ns=table.time_ns,
        T_world_camera=T_world_camera,
        scale=scale,
        pose_source=convention.pose_source,
        pose_sigma_deg=convention.pose_sigma_deg,
        position_sigma_m=convention.position_sigma_m,
        up_world=up_world,
        segment=table.segment,
        quality=_quality(table),
    )
    trajectory, notes = with_position_sigma(path, trajectory, convention)
    notes += check_speeds(path, trajectory, convention)
    notes += check_positions(path, position, scale, has_lever=convention.T_body_camera is not None)
    notes += _order_notes(table, transform, convention, trajectory)
    stated = PoseStatement(
        transform,
        convention,
        has_quaternions=columns.matrix is None,
        columns_named=table.named,
        counts_frames=columns.time is None and columns.frame is not None,
        in_rig_file=True,
    )
    return TrajectoryFile(trajectory, _up_camera(table, convention), stated, (*table.notes, *notes))


def _order_notes(
    table: PoseTable, transform: PoseTransform, convention: TrajectoryConvention, trajectory: Trajectory
) -> list[str]:
    """Notes on quaternions that may have w first, where nothing names the columns."""
    if table.named or table.columns.quaternion is None:
        return []
    quaternion = table.take(table.columns.quaternion)
    up, up_w_first = None, None
    if trajectory.up_world is not None:
        w_first = rotation_from_quaternion_xyzw(quaternion[:, [1, 2, 3, 0]])
        other = camera_to_world(make_transform(w_first, np.zeros((len(w_first), 3))), transform, convention)
        # v @ R is R' v: from world axes into the camera's.
        up, up_w_first = (trajectory.up_world @ T[:, :3, :3] for T in (trajectory.T_world_camera, other))
    return check_order_of_quaternions(table.path, quaternion, up, up_w_first)


def with_position_sigma(
    path: Path, trajectory: Trajectory, convention: TrajectoryConvention
) -> tuple[Trajectory, list[str]]:
    """The trajectory with the uncertainty of its positions, and how that was found where nobody stated it.

    Args:
        path: Its file, for notes.
        trajectory: The trajectory.
        convention: What was stated.
    """
    stated = convention.position_sigma
    if stated is not None:
        return replace(trajectory, position_sigma_m=stated * convention.unit_m), []
    if trajectory.scale is not Scale.UNKNOWN:
        return trajectory, []
    sigma = relative_position_sigma(trajectory)
    note = (
        f"{path}: positions of unknown scale are taken to be uncertain by {sigma:.2g} of their unit, from their own "
        "scatter; trajectory.position_sigma in the rig file states it"
    )
    if convention.position_sigma_m is not None:
        note += " (position_sigma_m is not used: there are no metres)"
    return replace(trajectory, position_sigma_m=sigma), [note]


def _stated_transform(table: PoseTable, convention: TrajectoryConvention) -> PoseTransform:
    """What the poses are, from the column names and the rig file, which must agree."""
    path, columns = table.path, table.columns
    stated = convention.transform
    if stated is not None and columns.transform is not None and stated is not columns.transform:
        raise InputError(
            f"{path}: header",
            found=f"columns named ..._{columns.frames}",
            expected=f"poses of the kind {stated}, as the rig file says",
            hint="correct trajectory.transform in the rig file or the names of the columns",
        )
    transform = stated or columns.transform or PoseTransform.WORLD_CAMERA
    if transform.is_of_body and convention.T_body_camera is None:
        raise InputError(
            path,
            found=f"poses of a body ({columns.frames or transform})",
            expected="trajectory.T_body_camera in the rig file",
            hint="give the 4x4 camera-to-body matrix of the calibration",
        )
    if not transform.is_of_body and convention.T_body_camera is not None:
        raise InputError(
            path,
            found=f"a T_body_camera and poses of the camera itself ({columns.frames or transform})",
            expected="poses of a body",
            hint='set trajectory.transform = "world_body" or "body_world", or take T_body_camera out',
        )
    return transform


def _stated_scale(table: PoseTable, convention: TrajectoryConvention) -> Scale:
    """What the translation means; not guessed where there is one."""
    path = table.path
    if table.columns.position is None:
        if convention.scale not in (None, Scale.ROTATION_ONLY):
            raise InputError(
                f"{path}: header",
                found="no position columns",
                expected=f'tx ty tz, since the rig file says trajectory.scale = "{convention.scale}"',
                hint='set trajectory.scale = "rotation_only" for a file of orientations alone',
            )
        return Scale.ROTATION_ONLY
    if convention.scale is None:
        raise InputError(
            path,
            found="positions of unstated scale",
            expected='trajectory.scale = "metric" or "unknown" in the rig file',
            hint='"metric" if the unit is known (metres_per_unit), "unknown" for structure from motion',
        )
    return convention.scale


def _rotations(table: PoseTable) -> FloatArray:
    """(N, 3, 3) what the file gives, checked and made exact."""
    columns = table.columns
    if columns.matrix is not None:
        matrices = table.take(columns.matrix).reshape(-1, 3, 3)
        bad = np.flatnonzero(~is_rotation(matrices, _MATRIX_TOLERANCE))
        if bad.size:
            raise InputError(
                table.where(int(bad[0])),
                found="nine numbers that are no rotation",
                expected="r11 r12 r13 tx r21 r22 r23 ty r31 r32 r33 tz: the upper rows of a rigid 4 x 4 matrix",
                hint="check the order of the columns, or name them in trajectory.columns",
            )
        return nearest_rotation(matrices)
    quaternion = table.take(columns.quaternion or ())
    length = np.linalg.norm(quaternion, axis=-1)
    bad = np.flatnonzero(np.abs(length - 1.0) > QUATERNION_NORM_TOLERANCE)
    if bad.size:
        raise InputError(
            table.where(int(bad[0])),
            found=f"a quaternion of length {length[bad[0]]:.6g}",
            expected=f"length 1 within {QUATERNION_NORM_TOLERANCE:g}",
            hint="check the order of the columns, or write more decimals",
        )
    return rotation_from_quaternion_xyzw(quaternion)


def _quality(table: PoseTable) -> FloatArray | None:
    if table.columns.quality is None:
        return None
    quality = table.take((table.columns.quality,))[:, 0]
    bad = np.flatnonzero((quality < 0.0) | (quality > 1.0))
    if bad.size:
        raise InputError(table.where(int(bad[0])), found=f"quality {quality[bad[0]]:g}", expected="0 to 1")
    return quality


def _up_camera(table: PoseTable, convention: TrajectoryConvention) -> tuple[NDArray[np.int64], FloatArray] | None:
    if table.columns.up is None:
        return None
    up = table.take(table.columns.up)
    length = np.linalg.norm(up, axis=-1, keepdims=True)
    bad = np.flatnonzero(length[:, 0] < 1e-6)
    if bad.size:
        raise InputError(table.where(int(bad[0])), found="an up vector of length 0", expected="a direction")
    return table.time_ns, camera_vectors(up / length, convention.axes)
