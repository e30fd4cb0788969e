"""Trajectories of Aria glasses: Machine Perception Services (MPS) CSV, and the odometry that Gen 2 records on device.

All give `T_world_device`, device-to-world, in metres, on the device clock, with gravity in the world's axes. MPS comes
in two kinds (https://facebookresearch.github.io/projectaria_tools, "MPS output - Trajectory"):

- open loop: odometry. Best over seconds to minutes, drifts over longer times. A new `session_uid` is a new origin.
- closed loop: corrected where places are seen again. Free of drift, but a correction may bend the motion between two
  moments seconds apart. A new `graph_uid` is a new world.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray, make_transform, rotation_from_quaternion_xyzw
from avbench.preprocessing.recording.position_noise import relative_position_sigma
from avbench.preprocessing.recording.recording import Scale, Trajectory
from avbench.preprocessing.sources.aria.vrs import VIO_STREAM, VrsFile, capture_times_ns
from avbench.preprocessing.sources.common.trajectory_file import QUATERNION_NORM_TOLERANCE
from avbench.preprocessing.sources.common.trajectory_table import MIN_POSES

OPEN_LOOP = "mps_open_loop"
CLOSED_LOOP = "mps_closed_loop"
ON_DEVICE_VIO = "aria_on_device_vio"

if TYPE_CHECKING:
    import pandas as pd

_US = 1000  # nanoseconds
_MAX_TILT_DEG = 0.5  # gravity that turns further than this within a file does not define one upward direction
_WORLDS = ("world", "odometry")
_TIME = "tracking_timestamp_us"
_UIDS = ("graph_uid", "session_uid")


@dataclass(frozen=True)
class DevicePoses:
    """Poses of the glasses over time.

    Attributes:
        where: The file or stream they come from.
        pose_source: How they were made.
        time_ns: (N,) strictly increasing, device clock.
        T_world_device: (N, 4, 4) device-to-world.
        segment: (N,) number of the world that a pose is given in.
        quality: (N,) quality score from 0 to 1, or None.
        gravity_world: (N, 3) gravity in world axes, m/s^2, or None.
        has_position: Whether there are positions; else those of `T_world_device` are zero.
    """

    where: str
    pose_source: str
    time_ns: NDArray[np.int64]
    T_world_device: FloatArray
    segment: NDArray[np.int64]
    quality: FloatArray | None
    gravity_world: FloatArray | None
    has_position: bool = True

    def up_world(self) -> FloatArray | None:
        """The direction against gravity (3,); None where it is not stated or not one direction in all worlds."""
        if self.gravity_world is None:
            return None
        length = np.linalg.norm(self.gravity_world, axis=-1, keepdims=True)
        if not (np.isfinite(length).all() and (length > 0.0).all()):
            return None
        up: FloatArray = -self.gravity_world / length
        if (up @ up[0]).min() < np.cos(np.radians(_MAX_TILT_DEG)):
            return None
        first: FloatArray = up[0]
        return first

    def camera_trajectory(self, T_device_camera: FloatArray, scale: Scale | None = None) -> Trajectory:
        """The trajectory of a camera that sits at `T_device_camera` (4, 4) in the device frame.

        Args:
            T_device_camera: Maps camera points to device points.
            scale: What the positions mean, where that is stated; None: metres if there are any.

        Raises:
            InputError: Positions are said to mean something, and there are none.
        """
        if scale not in (None, Scale.ROTATION_ONLY) and not self.has_position:
            raise InputError(
                self.where,
                found="rotations without positions",
                expected=f'positions, since the recording is stated to have scale = "{scale}"',
                hint='state scale = "rotation_only"',
            )
        scale = scale or (Scale.METRIC if self.has_position else Scale.ROTATION_ONLY)
        T_world_camera = self.T_world_device @ T_device_camera
        if scale is Scale.ROTATION_ONLY:
            # The camera's place on the glasses would otherwise leave an arc that looks like motion.
            T_world_camera[:, :3, 3] = 0.0
        trajectory = Trajectory(
            time_ns=self.time_ns,
            T_world_camera=T_world_camera,
            scale=scale,
            pose_source=self.pose_source,
            up_world=self.up_world(),
            segment=self.segment,
            quality=self.quality,
        )
        if scale is Scale.UNKNOWN:
            return replace(trajectory, position_sigma_m=relative_position_sigma(trajectory))
        return trajectory

    def between(self, start_ns: int, stop_ns: int) -> DevicePoses:
        """The poses from `start_ns` to `stop_ns`, and one more on each side."""
        low = max(int(np.searchsorted(self.time_ns, start_ns, side="right")) - 1, 0)
        high = int(np.searchsorted(self.time_ns, stop_ns, side="left")) + 1
        part = slice(low, high)
        return DevicePoses(
            where=self.where,
            pose_source=self.pose_source,
            time_ns=self.time_ns[part],
            T_world_device=self.T_world_device[part],
            segment=self.segment[part],
            quality=None if self.quality is None else self.quality[part],
            gravity_world=None if self.gravity_world is None else self.gravity_world[part],
            has_position=self.has_position,
        )


def read_mps_csv(path: Path, pose_source: str) -> DevicePoses:
    """Read an MPS trajectory, or another file with its columns.

    Needed are `tracking_timestamp_us` and `{tx,ty,tz,qx,qy,qz,qw}_world_device` (or `_odometry_device`). Without
    `tx ty tz`, or with zeros in all of them, the poses are rotations only. Used where present are `graph_uid` or
    `session_uid`, `quality_score` and `gravity_{x,y,z}_world` (or `_odometry`).

    Args:
        path: The file.
        pose_source: How its poses were made.

    Raises:
        InputError: The file is no such trajectory, a value is missing, or the times do not increase.
    """
    import pandas as pd

    wanted = {*_UIDS, _TIME, "quality_score"}
    for world in _WORLDS:
        wanted |= {*_pose_columns(world), *_gravity_columns(world)}
    try:
        # A file has a thousand rows a second of recording, hence pandas.
        table = pd.read_csv(path, usecols=lambda name: name in wanted, dtype=dict.fromkeys(_UIDS, str))
    except (OSError, ValueError) as error:  # what pandas raises on malformed files are ValueErrors
        raise InputError(
            path, found=f"a file that does not read as CSV ({error})", expected="an MPS trajectory"
        ) from error
    world = next((world for world in _WORLDS if f"qw_{world}_device" in table), _WORLDS[0])
    position, missing = _pose_columns(world)[:3], [name for name in (_TIME, *_pose_columns(world)) if name not in table]
    if missing and missing != list(position):
        raise InputError(
            f"{path}: header",
            found=f"no columns {', '.join(missing)}",
            expected="the columns of an MPS trajectory",
            hint="other trajectory files are read by the folder layout",
        )
    numbers = {name: _numbers(path, str(name), table[name]) for name in table if name not in _UIDS}
    uid = next((name for name in _UIDS if name in table), None)
    gravity = _gravity_columns(world)
    return _device_poses(
        str(path),
        pose_source,
        time_ns=(numbers[_TIME] * _US).astype(np.int64),
        pose=np.stack([numbers.get(name, np.zeros(len(table))) for name in _pose_columns(world)], axis=-1),
        worlds=None if uid is None else [str(value) for value in table[uid]],
        quality=numbers.get("quality_score"),
        gravity=np.stack([numbers[name] for name in gravity], axis=-1) if set(gravity) <= set(numbers) else None,
        row=lambda index: f"line {index + 2}",
    )


def read_on_device_vio(vrs: VrsFile) -> DevicePoses:
    """Read the odometry that a Gen 2 device computed while it recorded.

    Raises:
        InputError: There is none, or a record lacks a value.
    """
    where = f"{vrs.path}: {VIO_STREAM}"
    time_ns = capture_times_ns(vrs, VIO_STREAM)
    sessions: list[str] = []
    numbers = np.full((len(time_ns), 11), np.nan)
    for index, record in enumerate(vrs.metadata(VIO_STREAM)):
        sessions.append(str(record.get("frontend_session_uuid", "")))
        values = (
            *record.get("txyz_odometry_device", ()),
            *record.get("qxyzw_odometry_device", ()),
            *record.get("gravity_vec_odometry", ()),
            record.get("quality_score", np.nan),
        )
        if len(values) != numbers.shape[1]:
            raise InputError(
                f"{where}, record {index}", found=f"{len(values)} values", expected="pose, gravity and quality"
            )
        numbers[index] = values
    return _device_poses(
        where,
        ON_DEVICE_VIO,
        time_ns=time_ns,
        pose=numbers[:, :7],
        worlds=sessions,
        quality=numbers[:, 10],
        gravity=numbers[:, 7:10],
        row=lambda index: f"record {index}",
    )


def _pose_columns(world: str) -> tuple[str, ...]:
    return tuple(f"{name}_{world}_device" for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw"))


def _gravity_columns(world: str) -> tuple[str, ...]:
    return tuple(f"gravity_{axis}_{world}" for axis in "xyz")


def _numbers(path: Path, name: str, column: pd.Series[Any]) -> FloatArray:
    """A column as float64; numbers up to 2^53, so also times in microseconds, are exact."""
    import pandas as pd

    values = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise InputError(
            f"{path}: line {bad[0] + 2}, {name}", found=repr(str(column.iloc[int(bad[0])])), expected="a finite number"
        )
    return values


def _device_poses(
    where: str,
    pose_source: str,
    *,
    time_ns: NDArray[np.int64],
    pose: FloatArray,
    worlds: list[str] | None,
    quality: FloatArray | None,
    gravity: FloatArray | None,
    row: Callable[[int], str],
) -> DevicePoses:
    """Check poses (N, 7: txyz, qxyzw) and turn them into matrices; `row` names a row in errors."""
    if len(time_ns) < MIN_POSES:
        raise InputError(where, found=f"{len(time_ns)} poses", expected=f"at least {MIN_POSES}")
    backward = np.flatnonzero(np.diff(time_ns) <= 0)
    if backward.size:
        index = int(backward[0]) + 1
        raise InputError(
            f"{where}, {row(index)}",
            found=f"time {time_ns[index]} ns after {time_ns[index - 1]} ns",
            expected="times that increase",
        )
    length = np.linalg.norm(pose[:, 3:], axis=-1)
    bad = np.flatnonzero(~(np.abs(length - 1.0) <= QUATERNION_NORM_TOLERANCE) | ~np.isfinite(pose).all(axis=-1))
    if bad.size:
        index = int(bad[0])
        raise InputError(
            f"{where}, {row(index)}",
            found=f"position {pose[index, :3]}, quaternion of length {length[index]:.4g}",
            expected="finite numbers and a unit quaternion",
        )
    numbered = {name: number for number, name in enumerate(dict.fromkeys(worlds or ()))}
    return DevicePoses(
        where=where,
        pose_source=pose_source,
        time_ns=time_ns,
        T_world_device=make_transform(rotation_from_quaternion_xyzw(pose[:, 3:]), pose[:, :3]),
        segment=np.array([numbered[name] for name in worlds] if worlds else np.zeros(len(time_ns)), dtype=np.int64),
        quality=quality,
        gravity_world=gravity,
        has_position=bool(pose[:, :3].any()),
    )
