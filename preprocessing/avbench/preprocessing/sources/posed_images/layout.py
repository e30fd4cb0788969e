"""Recordings of the layout *posed_images*: pictures with poses as 4 x 4 matrices, and nothing else.

    frame-000000.color.png, frame-000000.pose.txt, ...     a file of poses for each picture (7-Scenes)
    00003.png, ..., poses.txt                              a line of 16 numbers for each picture, in the order of names

Poses are camera-to-world in OpenCV axes and metres. The camera is in `[camera]` of `rig.toml`, or in `K.txt` beside the
pictures, 3 x 3; when the pictures were taken is stated by `pictures.rate_hz`, or in another of the ways of `moments`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from avbench.preprocessing.base.documents import read_text
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.media.image_files import IMAGE_SUFFIXES, read_image
from avbench.preprocessing.recording.pose_convention import CameraAxes, PoseTransform
from avbench.preprocessing.recording.recording import Camera, Recording, Scale
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef
from avbench.preprocessing.sources.named.camera import colmap_camera
from avbench.preprocessing.sources.named.poses import NamedPoses, checked_poses
from avbench.preprocessing.sources.named.recording import open_named
from avbench.preprocessing.sources.named.scene import files_below, folder_of, refs_by_folder, scene_of
from avbench.preprocessing.sources.named.statement import NAMED_FIELDS_WITH_CAMERA, read_statement

POSE_SUFFIX = ".pose.txt"
POSE_LIST = "poses.txt"
CAMERA_MATRIX = "K.txt"
_IMAGES = "images"
_COLOUR = (".color", ".rgb", "")


def evidence(files: list[Path]) -> list[Path]:
    """Pose files of single pictures, and lists of poses beside pictures."""
    with_pictures = {path.parent for path in files if path.suffix.lower() in IMAGE_SUFFIXES}
    return [
        path
        for path in files
        if path.name.endswith(POSE_SUFFIX)
        or (path.name == POSE_LIST and not {path.parent, path.parent / _IMAGES}.isdisjoint(with_pictures))
    ]


def find(source: Path) -> list[RecordingRef]:
    """Find the recordings of a folder: one for every folder with poses.

    Raises:
        InputError: There is none.
    """
    root, files = files_below(source)
    found = evidence(files)
    if not found:
        raise InputError(source, found="no poses of pictures", expected=f"<name>{POSE_SUFFIX} or {POSE_LIST}")
    return refs_by_folder(root, Layout.POSED_IMAGES, found, files)


def open_ref(ref: RecordingRef) -> Recording:
    """Open a recording.

    Raises:
        InputError: A file is missing, damaged, or contradicts another.
    """
    scene = scene_of(ref, folder_of(ref))
    statement = read_statement(scene.rigs, scene.own_rig, NAMED_FIELDS_WITH_CAMERA)
    paths = [path for path in ref.files if path.name.endswith(POSE_SUFFIX) and path.parent == scene.folder]
    lists = [path for path in ref.files if path.name == POSE_LIST and path.parent == scene.folder]
    if paths and lists:
        raise InputError(scene.folder, found=f"{lists[0].name} and {paths[0].name}", expected="one kind of poses")
    if paths:
        poses = read_pose_files(scene.folder, paths, set(ref.files))
    else:
        where = scene.folder / (statement.pictures.folder or _IMAGES)
        pictures = [path for path in ref.files if path.suffix.lower() in IMAGE_SUFFIXES]
        inside = [path for path in pictures if path.parent == where]
        poses = read_pose_list(lists[0], inside or [path for path in pictures if path.parent == scene.folder])
    if not statement.fields.has("camera.fx"):
        poses = replace(poses, camera=_camera(scene.folder, scene.own_rig, poses, statement.pictures.pixel_centre))
    return open_named(ref, scene, statement, poses)


def _camera(folder: Path, rig: Path, poses: NamedPoses, pixel_centre: float | None) -> Camera:
    """The camera of `K.txt`, for pictures of the size of the first."""
    path = folder / CAMERA_MATRIX
    if not path.is_file():
        raise InputError(
            rig,
            found="no camera",
            expected=f"[camera] with width, height, fx, fy, cx and cy, or {CAMERA_MATRIX} beside the pictures",
            hint="one rig.toml above holds for all folders below it",
        )
    K = _numbers(path, 9).reshape(3, 3)
    if not np.isfinite(K).all() or K[0, 1] or K[1, 0] or K[2].tolist() != [0.0, 0.0, 1.0]:
        raise InputError(path, found="no matrix of a camera", expected="fx 0 cx, 0 fy cy, 0 0 1")
    first = next((file for file in poses.files or () if file is not None), None)
    if first is None:
        raise InputError(poses.path, found="poses without pictures", expected="pictures of the same names")
    height, width = read_image(first).shape[:2]
    numbers = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    return colmap_camera(str(path), "PINHOLE", width, height, [float(v) for v in numbers], pixel_centre or 0.0)


def read_pose_list(path: Path, pictures: list[Path]) -> NamedPoses:
    """Poses of pictures in one file, a line each, in the order of the pictures' names.

    Raises:
        InputError: A line does not hold a rigid matrix, or there are more or fewer than pictures.
    """
    text = read_text(path, expected="a 4 x 4 matrix a line")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    pictures = sorted(pictures)
    if len(lines) != len(pictures):
        raise InputError(
            path,
            found=f"{len(lines)} poses",
            expected=f"{len(pictures)}, one for each picture in {pictures[0].parent.name if pictures else path.parent}",
            hint="line n is the pose of the n-th picture; take out what has no partner",
        )
    places = [f"{path}: line {number}" for number, _ in lines]
    matrices = [_cells(place, line, 16).reshape(4, 4) for place, (_, line) in zip(places, lines, strict=True)]
    return _posed(path, places, matrices, [path.name for path in pictures], list(pictures))


def _posed(
    path: Path, places: list[str], matrices: list[FloatArray], names: list[str], files: Sequence[Path | None]
) -> NamedPoses:
    """Poses of pictures, without those that tracking lost."""
    kept = [i for i, matrix in enumerate(matrices) if np.isfinite(matrix).all()]
    if not kept:
        raise InputError(path, found="no pose that is finite", expected="poses of the camera")
    lost = len(matrices) - len(kept)
    return NamedPoses(
        path=path,
        names=tuple(names[i] for i in kept),
        poses=checked_poses([places[i] for i in kept], np.stack([matrices[i] for i in kept])),
        transform=PoseTransform.WORLD_CAMERA,
        axes=CameraAxes.OPENCV,
        scale=Scale.METRIC,
        pose_source="pose_files",
        camera=None,
        files=tuple(files[i] for i in kept),
        notes=(f"{path}: {lost} poses that tracking lost are left out",) if lost else (),
    )


def read_pose_files(folder: Path, paths: list[Path], known: set[Path]) -> NamedPoses:
    """Poses of pictures, a file each; those that tracking lost (not finite) are left out with a note.

    Args:
        folder: Their folder.
        paths: The pose files.
        known: All files of the recording.

    Raises:
        InputError: A file does not hold a rigid matrix.
    """
    names = [path.name.removesuffix(POSE_SUFFIX) for path in paths]
    files = [
        _first((folder / f"{name}{colour}{suffix}" for colour in _COLOUR for suffix in IMAGE_SUFFIXES), known)
        for name in names
    ]
    matrices = [_numbers(path, 16).reshape(4, 4) for path in paths]
    return _posed(folder, [str(path) for path in paths], matrices, names, files)


def _first(candidates: Iterable[Path], known: set[Path]) -> Path | None:
    return next((path for path in candidates if path in known), None)


def _numbers(path: Path, count: int) -> FloatArray:
    return _cells(str(path), read_text(path, expected="a matrix"), count)


def _cells(where: str, text: str, count: int) -> FloatArray:
    cells = re.split(r"[\s,;]+", text.strip())
    try:
        values = [float(cell) for cell in cells]
    except ValueError as error:
        raise InputError(where, found=repr(text.strip())[:60], expected=f"{count} numbers") from error
    if len(values) != count:
        raise InputError(where, found=f"{len(values)} numbers", expected=f"{count}: a matrix, row by row")
    return np.array(values)
