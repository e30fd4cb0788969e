"""Recordings of the layout *nerf*: `transforms.json`, or `transforms_train.json` with `_val` and `_test`.

Poses are camera-to-world, a camera of which x points right, y up and z back. What nerfstudio did to its world
(`applied_transform`, `applied_scale`) is undone. The intrinsics stand at the top or with each frame; they come from
COLMAP, whose first pixel has its centre at (0.5, 0.5). The format is that of nerfstudio's "Data conventions" and of
instant-ngp's `docs/nerf_dataset_tips.md`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avbench.preprocessing.base.documents import read_json
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray, is_rotation
from avbench.preprocessing.media.image_files import IMAGE_SUFFIXES, read_image
from avbench.preprocessing.recording.pose_convention import CameraAxes, PoseTransform
from avbench.preprocessing.recording.recording import Camera, Recording, Scale
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef
from avbench.preprocessing.sources.named.camera import PIXEL_CENTRE, colmap_camera
from avbench.preprocessing.sources.named.poses import MATRIX_TOLERANCE, NamedPoses, checked_poses, one_camera
from avbench.preprocessing.sources.named.recording import open_named
from avbench.preprocessing.sources.named.scene import files_below, folder_of, refs_by_folder, scene_of
from avbench.preprocessing.sources.named.statement import read_statement

WHOLE = "transforms.json"
PARTS = ("transforms_train.json", "transforms_val.json", "transforms_test.json")

_FISHEYE = ("OPENCV_FISHEYE",)
_PINHOLES = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")


@dataclass(frozen=True)
class _Transforms:
    """The part of a file that is read; its names are those of the file."""

    frames: tuple[dict[str, Any], ...]
    camera_model: str | None = None
    applied_transform: tuple[tuple[float, ...], ...] | None = None
    applied_scale: float | None = None
    fl_x: float | None = None
    fl_y: float | None = None
    cx: float | None = None
    cy: float | None = None
    w: float | None = None
    h: float | None = None
    k1: float | None = None
    k2: float | None = None
    k3: float | None = None
    k4: float | None = None
    p1: float | None = None
    p2: float | None = None
    camera_angle_x: float | None = None
    camera_angle_y: float | None = None
    is_fisheye: bool | None = None


_SHARED = (
    *("camera_model", "fl_x", "fl_y", "cx", "cy", "w", "h", "k1", "k2", "k3", "k4", "p1", "p2"),
    *("camera_angle_x", "camera_angle_y", "is_fisheye"),
)


def evidence(files: list[Path]) -> list[Path]:
    """Files with transforms."""
    return [path for path in files if path.name in (WHOLE, *PARTS)]


def find(source: Path) -> list[RecordingRef]:
    """Find the recordings of a folder: one for every folder with transforms.

    Raises:
        InputError: There is none.
    """
    root, files = files_below(source)
    found = evidence(files)
    if not found:
        raise InputError(source, found="no transforms", expected=f"{WHOLE} or {PARTS[0]}")
    return refs_by_folder(root, Layout.NERF, found, files)


def open_ref(ref: RecordingRef) -> Recording:
    """Open a recording.

    Raises:
        InputError: A file is missing, damaged, or contradicts another.
    """
    scene = scene_of(ref, folder_of(ref))
    statement = read_statement(scene.rigs, scene.own_rig)
    said = statement.pictures
    here = {path.name: path for path in ref.files if path.name in (WHOLE, *PARTS)}
    if said.poses is not None:
        paths = [scene.folder / said.poses]
    else:
        paths = [here[WHOLE]] if WHOLE in here else [here[name] for name in PARTS if name in here]
    centre = PIXEL_CENTRE if said.pixel_centre is None else said.pixel_centre
    return open_named(ref, scene, statement, read_transforms(paths, centre))


def read_transforms(paths: list[Path], pixel_centre: float = PIXEL_CENTRE) -> NamedPoses:
    """Read transforms; several files are parts of one recording.

    Args:
        paths: The files, at least one.
        pixel_centre: Where they put the centre of the first pixel.

    Raises:
        InputError: A file is damaged, or an entry is missing or contradicts another.
    """
    names: list[str] = []
    matrices: list[FloatArray] = []
    places: list[str] = []
    cameras: list[Camera] = []
    files: list[Path | None] = []
    worlds: set[str] = set()
    for path in paths:
        document = read_json(path, _Transforms, expected="transforms of nerfstudio or instant-ngp", other_keys=True)
        undo, scale = _undo(path, document)
        worlds.add(f"{np.asarray(undo).tolist()} {scale}")
        shared = {name: getattr(document, name) for name in _SHARED if getattr(document, name) is not None}
        for number, frame in enumerate(document.frames):
            where = f"{path}: frames[{number}]"
            name, matrix = _frame(where, frame)
            if name in names:
                raise InputError(where, found=f"{name} for the second time", expected="each picture once")
            matrix = undo @ matrix
            matrix[:3, 3] /= scale
            file = _file(path.parent, name)
            names.append(name)
            matrices.append(matrix)
            places.append(where)
            files.append(file)
            cameras.append(_camera(where, {**shared, **frame}, file, pixel_centre))
    if not names:
        raise InputError(paths[0], found="no frames", expected="one for each picture")
    if len(worlds) > 1:
        raise InputError(paths[0], found="another applied_transform than the files beside it", expected="one world")
    camera, notes = one_camera(paths[0], cameras)
    return NamedPoses(
        path=paths[0],
        names=tuple(names),
        poses=checked_poses(places, np.stack(matrices)),
        transform=PoseTransform.WORLD_CAMERA,
        axes=CameraAxes.OPENGL,
        scale=Scale.UNKNOWN,
        pose_source="transforms_json",
        camera=camera,
        files=tuple(files),
        notes=notes,
    )


def _undo(path: Path, document: _Transforms) -> tuple[FloatArray, float]:
    """The matrix (4, 4) that takes nerfstudio's world back to the one before, and the factor of its scale."""
    scale = 1.0 if document.applied_scale is None else document.applied_scale
    if not math.isfinite(scale) or not 1e-9 < scale < 1e9:
        raise InputError(f"{path}: applied_scale", found=f"{scale:g}", expected="a factor above 0")
    if document.applied_transform is None:
        return np.eye(4), scale
    rows = [row for row in document.applied_transform if len(row) == 4]
    matrix = np.eye(4)
    if len(rows) == len(document.applied_transform) and len(rows) in (3, 4):
        matrix[: len(rows)] = rows
    else:
        rows = []
    # A mirrored world would need a mirrored camera.
    if not rows or not np.isfinite(matrix).all() or not is_rotation(matrix[:3, :3], MATRIX_TOLERANCE):
        raise InputError(
            f"{path}: applied_transform", found="no rigid matrix", expected="3 rows of 4 numbers, a rotation first"
        )
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64), scale


def _frame(where: str, frame: Mapping[str, Any]) -> tuple[str, FloatArray]:
    name, rows = frame.get("file_path"), frame.get("transform_matrix")
    if not isinstance(name, str) or not name.strip() or "\0" in name or len(name) > 4000:
        raise InputError(f"{where}: file_path", found=repr(name)[:60], expected="the path of a picture")
    is_matrix = (
        isinstance(rows, list)
        and len(rows) in (3, 4)
        and all(isinstance(row, list) and len(row) == 4 and all(_is_number(cell) for cell in row) for row in rows)
    )
    if not is_matrix or rows is None:
        raise InputError(f"{where}: transform_matrix", found=repr(rows)[:60], expected="4 rows of 4 numbers")
    matrix = np.eye(4)
    matrix[: len(rows)] = [[float(cell) for cell in row] for row in rows]
    return name.removeprefix("./"), matrix


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _file(folder: Path, name: str) -> Path | None:
    """The picture of a frame; its suffix may be left out."""
    try:
        candidates = [folder / name, *(folder / f"{name}{suffix}" for suffix in IMAGE_SUFFIXES)]
        return next((path for path in candidates if path.is_file()), None)
    except OSError:  # a name too long for the system
        return None


def _camera(where: str, entry: Mapping[str, Any], file: Path | None, pixel_centre: float) -> Camera:
    def number(name: str) -> float | None:
        value = entry.get(name)
        if value is not None and not _is_number(value):
            raise InputError(f"{where}: {name}", found=repr(value)[:60], expected="a number")
        return None if value is None else float(value)

    width, height = number("w"), number("h")
    if (width is None or height is None) and file is not None:
        height, width = (float(side) for side in read_image(file).shape[:2])
    if width is None or height is None:
        raise InputError(f"{where}: w, h", found="nothing", expected="the size of the pictures")
    if not (width.is_integer() and height.is_integer()):
        raise InputError(f"{where}: w, h", found=f"{width:g}, {height:g}", expected="whole numbers of pixels")
    fx = _focal(number("fl_x"), number("camera_angle_x"), width)
    fy = _focal(number("fl_y"), number("camera_angle_y"), height) or fx
    if fx is None or fy is None:
        raise InputError(f"{where}: fl_x", found="nothing", expected="fl_x, or camera_angle_x, at the top or here")
    cx, cy = number("cx"), number("cy")
    middle = 0.5 - pixel_centre  # of a picture from 0 to w where the first centre is at 0.5
    cx = width / 2 - middle if cx is None else cx
    cy = height / 2 - middle if cy is None else cy
    k1, k2, k3, k4, p1, p2 = (number(name) or 0.0 for name in ("k1", "k2", "k3", "k4", "p1", "p2"))
    model = str(entry.get("camera_model") or "OPENCV")
    params: tuple[float, ...]
    if model in _FISHEYE or entry.get("is_fisheye") is True:
        kind, params = "OPENCV_FISHEYE", (fx, fy, cx, cy, k1, k2, k3, k4)
    elif model not in _PINHOLES:
        raise InputError(
            f"{where}: camera_model", found=repr(model)[:60], expected=f"one of {', '.join((*_PINHOLES, *_FISHEYE))}"
        )
    elif k3 or k4:
        kind, params = "FULL_OPENCV", (fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, 0.0, 0.0)
    elif k1 or k2 or p1 or p2:
        kind, params = "OPENCV", (fx, fy, cx, cy, k1, k2, p1, p2)
    else:
        kind, params = "PINHOLE", (fx, fy, cx, cy)
    return colmap_camera(where, kind, int(width), int(height), params, pixel_centre)


def _focal(focal: float | None, angle: float | None, length: float) -> float | None:
    if focal is not None or angle is None or not 0.0 < angle < math.pi:
        return focal
    return 0.5 * length / math.tan(0.5 * angle)
