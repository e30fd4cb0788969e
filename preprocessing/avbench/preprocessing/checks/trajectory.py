"""Whether a trajectory can be that of a camera: numbers that read well and cannot be true.

What is impossible is refused with the likely cause, what is unlikely is noted. One wrong pose decides nothing: of the
speeds of a recording, the fastest tenth is left aside. What pictures could tell about poses is not looked at here.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray, rotation_error_deg
from avbench.preprocessing.recording.pose_convention import TrajectoryConvention
from avbench.preprocessing.recording.recording import Scale, Trajectory

IMPOSSIBLE_SPEED_M_S = 100.0
"""Faster than a racing car or a train; a walk at 0.5 m/s in millimetres is five times this."""

UNLIKELY_SPEED_M_S = 15.0
"""Faster than anybody runs. Vehicles are, and so is a walk in centimetres, or a resting head in millimetres."""

IMPOSSIBLE_TURN_DEG_S = 1500.0
"""No head, hand or drone turns so fast for a tenth of the time; rotations drawn at random at 30 Hz do."""

UNLIKELY_TURN_DEG_S = 400.0
"""Fast heads reach this for moments."""

_SPEED_WINDOW_NS = 500_000_000  # long enough that noise of centimetres is no speed
_TURN_WINDOW_NS = 50_000_000
_ASIDE = 0.1  # share of the speeds that is left aside, the fastest
_LEAST_ASIDE = 2  # speeds that one wrong pose spoils
_NEARLY_ONE = 0.9998  # cosine of half of 2.3 degrees
_UPRIGHT_DEG, _TILTED_DEG = 45.0, 60.0


def check_speeds(path: Path, trajectory: Trajectory, convention: TrajectoryConvention) -> list[str]:
    """Notes on a trajectory that moves or turns unlikely fast.

    Args:
        path: Its file, for messages.
        trajectory: N poses.
        convention: What was stated. A stated `metres_per_unit` or `time_unit` confirms what would be refused.

    Raises:
        InputError: It moves or turns faster than any camera, and no unit was stated.
    """
    notes = []
    if trajectory.scale is Scale.METRIC:
        before, after, seconds = _windows(trajectory, _SPEED_WINDOW_NS)
        position = np.asarray(trajectory.T_world_camera)[:, :3, 3]
        speed = _usual_fastest(np.linalg.norm(position[after] - position[before], axis=-1) / seconds)
        found = f"a camera that moves at {speed:.3g} m/s ({3.6 * speed:.4g} km/h) for a tenth of the time"
        hint = "are the positions in millimetres? then trajectory.metres_per_unit = 0.001, centimetres: 0.01"
        if speed > IMPOSSIBLE_SPEED_M_S and convention.metres_per_unit is None:
            raise InputError(
                path, found=found, expected='metres, as trajectory.scale = "metric" says', hint=f"{hint}, metres: 1"
            )
        if speed > UNLIKELY_SPEED_M_S and convention.metres_per_unit is None:
            notes.append(f"{path}: {found}; {hint}, metres: 1 ends this note")
    before, after, seconds = _windows(trajectory, _TURN_WINDOW_NS)
    rotation = np.asarray(trajectory.T_world_camera)[:, :3, :3]
    turn = _usual_fastest(rotation_error_deg(rotation[before], rotation[after]) / seconds)
    found = f"a camera that turns by {turn:.4g} degrees a second for a tenth of the time"
    hint = "check the unit of time and the order of the columns; a stated trajectory.time_unit confirms them"
    if turn > IMPOSSIBLE_TURN_DEG_S and convention.time_unit is None:
        raise InputError(path, found=found, expected="the motion of a camera", hint=hint)
    if turn > UNLIKELY_TURN_DEG_S and convention.time_unit is None:
        notes.append(f"{path}: {found}; {hint}")
    return notes


def _windows(trajectory: Trajectory, window_ns: int) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Indices (M,) of poses, of the next ones of the same piece at least a window later, and the times between in s."""
    time_ns = np.asarray(trajectory.time_ns)
    before = np.arange(len(time_ns))
    after = np.searchsorted(time_ns, time_ns + window_ns, side="left")
    inside = after < len(time_ns)
    if trajectory.segment is not None:
        piece = np.asarray(trajectory.segment)
        inside[inside] = piece[before[inside]] == piece[after[inside]]
    before, after = before[inside], after[inside].astype(np.int64)
    return before, after, (time_ns[after] - time_ns[before]) / 1e9


def _usual_fastest(speed: FloatArray) -> float:
    """The fastest of (M,) speeds without those that are left aside; 0 where none remains."""
    aside = max(_LEAST_ASIDE, math.ceil(_ASIDE * len(speed)))
    return float(np.sort(speed)[-1 - aside]) if len(speed) > aside else 0.0


def check_order_of_quaternions(
    path: Path, quaternion_xyzw: FloatArray, up_camera: FloatArray | None, up_camera_w_first: FloatArray | None
) -> list[str]:
    """Notes on quaternions, in columns that nothing names, that look as if w stood first.

    The angles between poses are the same in both orders, so that only where rotations point can tell: a trajectory
    that begins at its own origin begins with 1 0 0 0, and a stated up should be up in the pictures.

    Args:
        path: The file, for messages.
        quaternion_xyzw: (N, 4) as read, w last.
        up_camera: (N, 3) up in OpenCV camera axes with w last, None where up is not known.
        up_camera_w_first: The same with w first.
    """
    because = ""
    if abs(quaternion_xyzw[0, 0]) > _NEARLY_ONE:
        because = "the first pose reads as half a turn about x, and with w first as no turn at all"
    elif up_camera is not None and up_camera_w_first is not None:
        tilt, tilt_w_first = (float(np.median(_tilt_deg(up))) for up in (up_camera, up_camera_w_first))
        if tilt > _TILTED_DEG and tilt_w_first < _UPRIGHT_DEG:
            because = f"the camera is tilted by {tilt:.0f} degrees, and with w first by {tilt_w_first:.0f}"
    if not because:
        return []
    way_on = 'trajectory.columns = ["timestamp", "tx", "ty", "tz", "qw", "qx", "qy", "qz"]'
    read = "quaternions are read with w last, as TUM files have it"
    return [f"{path}: {read}, but {because}; if w stands first, set {way_on} in the rig file"]


def _tilt_deg(up_camera: FloatArray) -> FloatArray:
    """Angle (N,) between up and the upper edge of the picture."""
    return np.asarray(np.degrees(np.arctan2(np.linalg.norm(up_camera[:, [0, 2]], axis=-1), -up_camera[:, 1])))


def check_positions(path: Path, position: FloatArray, scale: Scale, *, has_lever: bool) -> list[str]:
    """Notes on positions (N, 3) that are all zero although they are said to mean something."""
    if scale is Scale.ROTATION_ONLY or position.any():
        return []
    lever = ", and the camera would move only by its place on the body" if has_lever else ""
    return [f'{path}: all positions are zero{lever}; if they are not known, set trajectory.scale = "rotation_only"']


# --- against the video ----------------------------------------------------------------------------------------------

_MIN_COVERED_SHARE = 0.5  # of the frames; below it there is a note
_AT_ZERO_NS = 1_000_000


def check_overlap(
    path: Path, trajectory: Trajectory, frame_time_ns: NDArray[np.int64], convention: TrajectoryConvention
) -> list[str]:
    """Notes on how the trajectory's times fit those of the video's frames (F,).

    Raises:
        InputError: There are poses for fewer than two frames.
    """
    first, last = int(trajectory.time_ns[0]), int(trajectory.time_ns[-1])
    covered = int(((frame_time_ns >= first) & (frame_time_ns <= last)).sum())
    if covered < 2:
        raise InputError(
            path,
            found=f"poses from {first / 1e9:.6f} to {last / 1e9:.6f} s",
            expected=f"poses during the video, {frame_time_ns[0] / 1e9:.6f} to {frame_time_ns[-1] / 1e9:.6f} s",
            hint="set time.trajectory_offset_s (added to the stamps), time.first_pose = "
            '"first_frame", trajectory.time_unit, or trajectory.time_column = "frame" in the rig file',
        )
    notes = []
    if covered < _MIN_COVERED_SHARE * len(frame_time_ns):
        notes.append(f"{path}: poses for {covered} of {len(frame_time_ns)} frames")
    stated = convention.offset_ns != 0 or convention.first_pose_at_first_frame
    if not stated and abs(first) < _AT_ZERO_NS < int(frame_time_ns[0]):
        notes.append(
            f"{path}: first frame at {frame_time_ns[0] / 1e9:.3f} s, trajectory begins at {first / 1e9:.3f} s; poses "
            "are not moved (a sound file is, it begins with the first frame): where they count from the first frame, "
            'set time.first_pose = "first_frame" in the rig file'
        )
    return notes
