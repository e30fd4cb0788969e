"""The conventions in which poses come, and their conversion to ours: camera-to-world, OpenCV camera axes, metres.

A convention is stated by the maker of a file and never guessed from its numbers: a world-to-camera trajectory read as
camera-to-world still looks like a trajectory, and gives labels that depend on where the world's origin happens to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation, invert_transform, make_transform
from avbench.preprocessing.recording.recording import Scale


class PoseTransform(StrEnum):
    """What the poses of a file are: `dst_src` maps points given in src axes to dst axes."""

    WORLD_CAMERA = "world_camera"  # camera-to-world; its translation is the camera's place
    CAMERA_WORLD = "camera_world"  # world-to-camera: "extrinsics" of COLMAP, OpenCV, Ego-Exo4D
    WORLD_BODY = "world_body"  # the pose of a device or IMU; needs T_body_camera
    BODY_WORLD = "body_world"

    @property
    def is_of_body(self) -> bool:
        """Whether the poses are of something that carries the camera."""
        return self in (PoseTransform.WORLD_BODY, PoseTransform.BODY_WORLD)

    @property
    def is_from_world(self) -> bool:
        """Whether the matrices map world points, the inverse of what we keep."""
        return self in (PoseTransform.CAMERA_WORLD, PoseTransform.BODY_WORLD)


class CameraAxes(StrEnum):
    """Which way the camera's axes point in a file."""

    OPENCV = "opencv"  # x right, y down, z forward (COLMAP, Kinect, TUM RGB-D)
    OPENGL = "opengl"  # x right, y up, z backward (Blender, NeRF's transforms.json, ARKit, Habitat)
    ROS_BODY = "ros_body"  # x forward, y left, z up (REP 103)
    UNITY = "unity"  # left-handed: x right, y up, z forward
    UNREAL = "unreal"  # left-handed: x forward, y right, z up


class TimeUnit(StrEnum):
    """Unit of time stamps."""

    S = "s"
    MS = "ms"
    US = "us"
    NS = "ns"

    @property
    def nanoseconds(self) -> int:
        """Length of the unit."""
        return {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[self.value]


class PoseCheckMode(StrEnum):
    """What to do where the pictures of a recording contradict its poses."""

    REFUSE = "refuse"  # refuse the recording
    NOTE = "note"  # say it and go on
    OFF = "off"  # do not compare them


@dataclass(frozen=True, eq=False)
class TrajectoryConvention:
    """How the numbers of a trajectory file are to be understood.

    Attributes:
        transform: What the poses are. None: what the column names say, else camera-to-world.
        axes: Which way the camera's axes point.
        time_unit: Unit of the stamps. None: what the column name says, else seconds.
        offset_ns: Added to the stamps to bring them onto the recording's clock.
        scale: What the translation means; must be stated where there is one.
        metres_per_unit: Length of the file's unit of translation; None: not stated, which counts as 1.
        pose_source: How the poses were made.
        pose_sigma_deg: Standard uncertainty of a relative rotation about each axis.
        position_sigma_m: Standard uncertainty of a relative position along each axis.
        position_sigma: The same in the file's unit of translation, which is all there is where the scale is unknown.
        columns: Names of the columns, for a file that does not name them; "-" for one that is not wanted.
        time_column: Name of the column to take times from, where several could be meant.
        frames_from: Number of the video's first frame in a column of frame numbers; None: not stated, which is 0
            unless that cannot be.
        first_pose_at_first_frame: Whether the stamps are of a clock of their own, whose first pose is at the first
            frame of the video.
        T_body_camera: (4, 4) camera-to-body in metres, for trajectories of a device or IMU.
        up_world: (3,) the direction against gravity in the file's world axes.
        check_poses: What to do where the pictures contradict the poses; None: what the command says.
    """

    transform: PoseTransform | None = None
    axes: CameraAxes = CameraAxes.OPENCV
    time_unit: TimeUnit | None = None
    offset_ns: int = 0
    scale: Scale | None = None
    metres_per_unit: float | None = None
    pose_source: str = "unspecified"
    pose_sigma_deg: float | None = None
    position_sigma_m: float | None = None
    position_sigma: float | None = None
    columns: tuple[str, ...] | None = None
    time_column: str | None = None
    frames_from: int | None = None
    first_pose_at_first_frame: bool = False
    T_body_camera: FloatArray | None = field(default=None)
    up_world: FloatArray | None = field(default=None)
    check_poses: PoseCheckMode | None = None

    @property
    def unit_m(self) -> float:
        """Length of the file's unit of translation in metres, 1 where it is not stated."""
        return 1.0 if self.metres_per_unit is None else self.metres_per_unit


# Each maps a point in OpenCV camera axes to the file's camera axes.
_FROM_OPENCV: Mapping[CameraAxes, FloatArray] = {
    CameraAxes.OPENCV: np.diag([1.0, 1.0, 1.0]),
    CameraAxes.OPENGL: np.diag([1.0, -1.0, -1.0]),
    CameraAxes.ROS_BODY: np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
    CameraAxes.UNITY: np.diag([1.0, -1.0, 1.0]),
    CameraAxes.UNREAL: np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
}


def camera_to_world(poses: FloatArray, transform: PoseTransform, convention: TrajectoryConvention) -> FloatArray:
    """Convert poses to `T_world_camera` in OpenCV camera axes.

    Args:
        poses: (N, 4, 4) as the file gives them, translation in metres.
        transform: What they are.
        convention: Camera axes, and the place of the camera on the body if they are of a body.

    Returns:
        (N, 4, 4) camera-to-world. Where the file is left-handed its world is mirrored too, see `world_vector`.
    """
    T = invert_transform(poses) if transform.is_from_world else poses
    if convention.T_body_camera is not None:
        T = T @ np.asarray(convention.T_body_camera, dtype=np.float64)
    mirror = _world_mirror(convention.axes)
    return make_transform(mirror @ T[..., :3, :3] @ _FROM_OPENCV[convention.axes], T[..., :3, 3] @ mirror.T)


@dataclass(frozen=True, eq=False)
class PoseStatement:
    """What was stated of the poses of a recording, so that another reading of the same numbers can be tried.

    Attributes:
        transform: What the poses are.
        convention: The rest; its axes, `T_body_camera`, `frames_from` and offset are used here.
        quarter_turns_cw: Clockwise quarter turns from the axes of the poses to those of the upright picture.
        picture_quarter_turns_cw: Clockwise quarter turns from the stored picture to the upright one.
        has_quaternions: Whether rotations were given as quaternions.
        columns_named: Whether the file or the rig file names the columns.
        counts_frames: Whether poses were given by the number of a frame.
        in_rig_file: Whether a rig file states it, so that a user can change it there.
    """

    transform: PoseTransform = PoseTransform.WORLD_CAMERA
    convention: TrajectoryConvention = field(default_factory=TrajectoryConvention)
    quarter_turns_cw: int = 0
    picture_quarter_turns_cw: int = 0
    has_quaternions: bool = True
    columns_named: bool = False
    counts_frames: bool = False
    in_rig_file: bool = False


def poses_of_file(T_world_camera: FloatArray, statement: PoseStatement) -> FloatArray:
    """The poses (N, 4, 4) as the file gives them, in metres, from (N, 4, 4) in axes of the upright picture.

    The inverse of `camera_to_world`, and of the turn to the upright picture.
    """
    mirror = _world_mirror(statement.convention.axes)
    from_opencv = _FROM_OPENCV[statement.convention.axes]
    upright_file = axis_rotation("z", 90.0 * statement.quarter_turns_cw).round()
    rotation = mirror.T @ T_world_camera[..., :3, :3] @ upright_file @ from_opencv.T
    T = make_transform(rotation, T_world_camera[..., :3, 3] @ mirror)
    if statement.convention.T_body_camera is not None:
        T = T @ invert_transform(np.asarray(statement.convention.T_body_camera, dtype=np.float64))
    return invert_transform(T) if statement.transform.is_from_world else T


def world_vector(vector: FloatArray, axes: CameraAxes) -> FloatArray:
    """A direction (3,) in the file's world axes, in the world that `camera_to_world` gives."""
    return np.asarray(_world_mirror(axes) @ vector, dtype=np.float64)


def camera_vectors(vectors: FloatArray, axes: CameraAxes) -> FloatArray:
    """Directions (N, 3) in the file's camera axes, in OpenCV camera axes."""
    return np.asarray(vectors @ _FROM_OPENCV[axes], dtype=np.float64)


def _world_mirror(axes: CameraAxes) -> FloatArray:
    # A left-handed camera comes with a left-handed world. Mirroring both gives proper rotations again; which mirror
    # the world gets makes no difference to a label.
    left_handed = np.linalg.det(_FROM_OPENCV[axes]) < 0.0
    return np.diag([1.0, -1.0, 1.0]) if left_handed else np.eye(3)
