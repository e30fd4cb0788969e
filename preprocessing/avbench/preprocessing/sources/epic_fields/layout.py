"""Recordings of the layout *epic_fields*: the poses of EPIC Fields, a JSON file a video, beside the video.

    P01_01.json  P01_01.MP4

`images` maps the name of a picture to world-to-camera, `[qw, qx, qy, qz, tx, ty, tz]`; some releases have rows with the
name at the end. `camera` is COLMAP's, of pictures of 456 x 256 pixels. Pictures count from 1 and were taken by
`ffmpeg -r 60`, 50 for the videos of EPIC-KITCHENS-100 that run at 50: number n is the moment (n - 1) / 60 s, which is
not frame n - 1 of a video of 59.94 frames a second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from avbench.preprocessing.base.documents import read_json
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import make_transform, rotation_from_quaternion_xyzw
from avbench.preprocessing.media.video import open_video
from avbench.preprocessing.recording.pose_convention import CameraAxes, PoseTransform
from avbench.preprocessing.recording.recording import Recording, Scale
from avbench.preprocessing.sources.common.kinds import RIG_SUFFIX, Role, role_of
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef
from avbench.preprocessing.sources.common.rig_file import COMMON_RIG
from avbench.preprocessing.sources.named.camera import colmap_camera
from avbench.preprocessing.sources.named.poses import NamedPoses, checked_poses
from avbench.preprocessing.sources.named.recording import open_named
from avbench.preprocessing.sources.named.scene import Scene, files_below
from avbench.preprocessing.sources.named.statement import Statement, read_statement

_HEAD_BYTES = 4096
_VIDEO_NAME = re.compile(r"P\d\d_\d+")
_RATES_HZ = (60.0, 50.0)
_NEAR = 0.002  # share by which a video's rate may differ from that of its pictures
_QUATERNION_TOLERANCE = 1e-2
_COUNT = 7


@dataclass(frozen=True)
class _Camera:
    model: str
    width: int
    height: int
    params: tuple[float, ...]


@dataclass(frozen=True)
class _Fields:
    """The part of a file that is read; its names are those of the file."""

    camera: _Camera
    images: Any


def evidence(files: list[Path]) -> list[Path]:
    """Files with a camera of COLMAP and poses of pictures, or, damaged or not, of a name of EPIC-KITCHENS."""
    videos = {path.with_suffix("") for path in files if role_of(path) is Role.VIDEO}
    return [
        path
        for path in files
        if path.suffix.lower() == ".json"
        and (_looks_like(path) or (_VIDEO_NAME.fullmatch(path.stem) and path.with_suffix("") in videos))
    ]


def _looks_like(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return b'"camera"' in head and b'"params"' in head and b'"model"' in head


def find(source: Path) -> list[RecordingRef]:
    """Find the recordings of a folder, or the one of a JSON file.

    Raises:
        InputError: There is none.
    """
    root, files = files_below(source)
    refs = []
    for path in evidence(files if source.is_dir() else [source]):
        beside = [other for other in files if other.parent == path.parent and other.stem == path.stem]
        rigs = [place / COMMON_RIG for place in reversed(path.parents) if place.is_relative_to(root)]
        wanted = [other for other in beside if role_of(other) in (Role.VIDEO, Role.SOUND)]
        own = [other for other in beside if other.suffix == RIG_SUFFIX]
        name = path.relative_to(root).with_suffix("").as_posix()
        rigs_there = [rig for rig in rigs if rig.is_file()]
        refs.append(RecordingRef(name, Layout.EPIC_FIELDS, root, (path, *rigs_there, *own, *wanted)))
    if not refs:
        raise InputError(source, found="no poses of EPIC Fields", expected="<video>.json beside <video>.MP4")
    return refs


def open_ref(ref: RecordingRef) -> Recording:
    """Open a recording.

    Raises:
        InputError: A file is missing, damaged, or contradicts another.
    """
    path = ref.files[0]
    own = path.with_suffix(RIG_SUFFIX)
    scene = Scene(
        path.parent,
        tuple(file for file in ref.files if file.suffix == RIG_SUFFIX),
        own,
        tuple(file for file in ref.files if role_of(file) is Role.VIDEO),
        tuple(file for file in ref.files if role_of(file) is Role.SOUND),
    )
    statement = read_statement(scene.rigs, own)
    if not scene.videos:
        raise InputError(path, found="no video beside it", expected=f"{path.stem}.MP4", hint="it is in EPIC-KITCHENS")
    return open_named(ref, scene, _with_rate(statement, scene, path), read_fields_json(path))


def _with_rate(statement: Statement, scene: Scene, path: Path) -> Statement:
    """The statement, with the numbering of EPIC-KITCHENS where nothing else is stated."""
    said = statement.pictures
    if said.first is not None or said.rate_hz is not None or said.names_are is not None or said.times is not None:
        return statement
    time_ns = open_video(scene.videos[0]).time_ns
    rate_hz = (len(time_ns) - 1) / max(float(time_ns[-1] - time_ns[0]) / 1e9, 1e-9)
    near = [rate for rate in _RATES_HZ if abs(rate_hz / rate - 1.0) <= _NEAR]
    if not near:
        raise InputError(
            path,
            found=f"a video of {rate_hz:.4g} frames a second",
            expected="60 or 50, at which EPIC-KITCHENS took its pictures",
            hint=f"state in {statement.path.name}, under [pictures], how they were taken: first = 1 and rate_hz = 60",
        )
    return replace(statement, pictures=replace(said, first=1, rate_hz=near[0]))


def read_fields_json(path: Path) -> NamedPoses:
    """Read the poses of a video.

    Raises:
        InputError: The file is damaged, or an entry is missing or out of range.
    """
    document = read_json(path, _Fields, expected="poses of EPIC Fields", other_keys=True)
    rows = _rows(path, document.images)
    names = [name for name, _ in rows]
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InputError(f"{path}: images", found=f"{twice} twice", expected="each picture once")
    values = np.array([pose for _, pose in rows])
    places = [f"{path}: images, {name}" for name in names]
    length = np.linalg.norm(values[:, :4], axis=1)
    bad = np.flatnonzero(~(np.abs(length - 1.0) <= _QUATERNION_TOLERANCE))
    if bad.size:
        raise InputError(
            places[int(bad[0])], found=f"a quaternion of length {length[bad[0]]:.6g}", expected="length 1, w first"
        )
    matrices = make_transform(rotation_from_quaternion_xyzw(values[:, [1, 2, 3, 0]]), values[:, 4:])
    camera = document.camera
    return NamedPoses(
        path=path,
        names=tuple(names),
        poses=checked_poses(places, matrices),
        transform=PoseTransform.CAMERA_WORLD,
        axes=CameraAxes.OPENCV,
        scale=Scale.UNKNOWN,
        pose_source="sfm_epic_fields",
        camera=colmap_camera(f"{path}: camera", camera.model, camera.width, camera.height, camera.params),
    )


def _rows(path: Path, images: object) -> list[tuple[str, list[float]]]:
    """Names and poses, from a mapping or from rows with the name at the end."""
    entries: list[tuple[object, object]]
    if isinstance(images, Mapping):
        entries = list(images.items())
    elif isinstance(images, list):
        entries = [(row[-1], row[:-1]) if isinstance(row, list) and row else (None, row) for row in images]
    else:
        raise InputError(f"{path}: images", found=type(images).__name__, expected="poses by the name of the picture")
    if not entries:
        raise InputError(f"{path}: images", found="no poses", expected="poses by the name of the picture")
    rows = []
    for number, (name, pose) in enumerate(entries):
        if (
            not isinstance(name, str)
            or not isinstance(pose, list)
            or len(pose) != _COUNT
            or not all(map(_is_number, pose))
        ):
            raise InputError(
                f"{path}: images[{number}]",
                found=repr(pose)[:60],
                expected="[qw, qx, qy, qz, tx, ty, tz] and the picture's name",
            )
        rows.append((name, [float(value) for value in pose]))
    return rows


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
