"""Poses by the name of the picture that they belong to, as a reader gives them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray, is_rotation, nearest_rotation
from avbench.preprocessing.recording.pose_convention import CameraAxes, PoseTransform
from avbench.preprocessing.recording.recording import Camera, Scale

MATRIX_TOLERANCE = 1e-3
"""How far R'R of a stored rotation may be from the identity: matrices are written with at least four decimals."""

LARGEST_POSITION = 1e12
"""No length in any unit; squares of larger numbers lose their meaning."""

_SAME_CAMERA = 0.01  # share by which focal lengths and centres of one camera may differ, as those of autofocus do


@dataclass(frozen=True, eq=False)
class NamedPoses:
    """Poses of named pictures.

    Attributes:
        path: The file that they were read from, for messages.
        names: (N) names of the pictures, as the file gives them.
        poses: (N, 4, 4) as the file gives them, in its own unit.
        transform: What they are.
        axes: Which way the camera's axes point.
        scale: What the positions mean where nobody states it.
        pose_source: How the poses were made.
        camera: Intrinsics of the pictures with the centre of the first pixel at (0, 0); None: the rig file has them.
        files: (N) the picture of each pose, None where the file does not say.
        time_s: (N,) times of the pictures on a clock of their own, None where the file gives none.
        up_world: (3,) direction against gravity in the world of the poses, None where it is not known.
        notes: Lines a user should see.
    """

    path: Path
    names: tuple[str, ...]
    poses: FloatArray
    transform: PoseTransform
    axes: CameraAxes
    scale: Scale
    pose_source: str
    camera: Camera | None
    files: tuple[Path | None, ...] | None = None
    time_s: FloatArray | None = None
    up_world: FloatArray | None = None
    notes: tuple[str, ...] = ()

    def chosen(self, indices: Sequence[int] | NDArray[np.int64]) -> NamedPoses:
        """Some of the poses, in the order of the indices."""
        kept = [int(index) for index in indices]
        return replace(
            self,
            names=tuple(self.names[index] for index in kept),
            poses=self.poses[kept],
            files=None if self.files is None else tuple(self.files[index] for index in kept),
            time_s=None if self.time_s is None else self.time_s[kept],
        )


def number_in(name: str) -> int | None:
    """The last number in the name of a picture without its suffixes, None without one."""
    digits = re.findall(r"\d+", Path(name).name.split(".")[0])
    return int(digits[-1]) if digits and len(digits[-1]) <= 18 else None


def checked_poses(where: Sequence[str], matrices: FloatArray) -> FloatArray:
    """Rigid matrices (N, 4, 4), made exact.

    Args:
        where: (N) the place of each, for messages.
        matrices: As the file gives them.

    Raises:
        InputError: One is not finite or not rigid.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        good = np.asarray(np.isfinite(matrices).all(axis=(1, 2)), dtype=np.bool_)
        good &= (np.abs(matrices[:, :3, 3]) < LARGEST_POSITION).all(axis=1)
        good &= (np.abs(matrices[:, :3, :3]) < 2.0).all(axis=(1, 2))
        rotation = np.where(good[:, None, None], matrices[:, :3, :3], 0.0)
    good &= is_rotation(rotation, MATRIX_TOLERANCE)
    good &= (matrices[:, 3] == [0.0, 0.0, 0.0, 1.0]).all(axis=1)
    bad = np.flatnonzero(~good)
    if bad.size:
        raise InputError(
            where[int(bad[0])],
            found="a matrix that is not rigid",
            expected="a rotation, a position and 0 0 0 1 below",
            hint="a pose that tracking lost can be taken out",
        )
    exact = np.array(matrices, dtype=np.float64)
    exact[:, :3, :3] = nearest_rotation(matrices[:, :3, :3])
    return exact


def one_camera(path: Path, cameras: Sequence[Camera]) -> tuple[Camera, tuple[str, ...]]:
    """The camera of pictures that were taken with one: the median of intrinsics that differ by autofocus alone.

    Args:
        path: The file that they come from, for messages.
        cameras: The camera of each picture, at least one.

    Raises:
        InputError: They differ in size, lens model or coefficients, or by more than 1 percent.
    """
    distinct = sorted(set(cameras), key=repr)
    if len(distinct) == 1:
        return distinct[0], ()
    kinds = {(c.width_px, c.height_px, c.distortion, c.coefficients) for c in distinct}
    numbers = np.array([(c.fx_px, c.fy_px, c.cx_px, c.cy_px) for c in cameras])
    middle = np.median(numbers, axis=0)
    spread = np.abs(numbers - middle) / [middle[0], middle[1], cameras[0].width_px, cameras[0].height_px]
    if len(kinds) > 1 or spread.max() > _SAME_CAMERA:
        raise InputError(
            path,
            found=f"{len(distinct)} cameras that differ",
            expected="one camera for the pictures of a recording",
            hint="choose the pictures of one with pictures.prefix in the rig file; COLMAP: reconstruct with "
            "--ImageReader.single_camera 1",
        )
    fx, fy, cx, cy = (float(value) for value in middle)
    note = (
        f"{path}: intrinsics change from picture to picture by up to {100 * float(spread.max()):.2g} %; "
        "their median is used"
    )
    return replace(cameras[0], fx_px=fx, fy_px=fy, cx_px=cx, cy_px=cy), (note,)
