"""Recordings of the layout *record3d*: what the app Record3D exports as `EXR + RGB`, or an unpacked `.r3d`.

    metadata.json  rgb/0.jpg ...       or       metadata  rgbd/0.jpg ...

`poses` holds `[qx, qy, qz, qw, x, y, z]` of ARKit, camera-to-world in metres, y up and z back, the world's y against
gravity; `K` is written column by column, `perFrameIntrinsicCoeffs` holds `[fx, fy, cx, cy]`. Pictures count from 0, one
a pose. Poses and intrinsics are those of the pictures as they are stored, which are upright for a phone held upright;
of one held sideways the pictures lie on their side, and `camera.turn_deg` turns them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avbench.preprocessing.base.documents import read_json
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import make_transform, rotation_from_quaternion_xyzw
from avbench.preprocessing.media.image_files import IMAGE_SUFFIXES
from avbench.preprocessing.recording.pose_convention import CameraAxes, PoseTransform
from avbench.preprocessing.recording.recording import Camera, Recording, Scale
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef
from avbench.preprocessing.sources.named.camera import PIXEL_CENTRE, colmap_camera
from avbench.preprocessing.sources.named.poses import NamedPoses, checked_poses, one_camera
from avbench.preprocessing.sources.named.recording import open_named
from avbench.preprocessing.sources.named.scene import files_below, folder_of, named_ref, scene_of
from avbench.preprocessing.sources.named.statement import read_statement

_METADATA = ("metadata.json", "metadata")
_PICTURES = ("rgb", "rgbd")
_QUATERNION_TOLERANCE = 1e-2


@dataclass(frozen=True)
class _Metadata:
    """The part of the metadata that is read; its names are those of the file."""

    w: int
    h: int
    poses: tuple[tuple[float, ...], ...]
    fps: float | None = None
    K: tuple[float, ...] | None = None
    frameTimestamps: tuple[float, ...] | None = None  # noqa: N815 - the file's name
    perFrameIntrinsicCoeffs: tuple[tuple[float, ...], ...] | None = None  # noqa: N815 - the file's name


def evidence(files: list[Path]) -> list[Path]:
    """Metadata beside a folder of pictures."""
    return [
        path for path in files if path.name in _METADATA and any((path.parent / name).is_dir() for name in _PICTURES)
    ]


def find(source: Path) -> list[RecordingRef]:
    """Find the recordings of a folder: one for every folder with metadata.

    Raises:
        InputError: There is none.
    """
    root, files = files_below(source)
    found = evidence(files)
    if not found:
        raise InputError(
            source,
            found="no export of Record3D",
            expected="metadata.json and rgb/0.jpg",
            hint="an .r3d file is a ZIP archive: unpack it into a folder",
        )
    folders = {path.parent: path for path in reversed(found)}
    return [named_ref(root, folder, Layout.RECORD3D, [path], files) for folder, path in sorted(folders.items())]


def open_ref(ref: RecordingRef) -> Recording:
    """Open a recording.

    Raises:
        InputError: A file is missing, damaged, or contradicts another.
    """
    scene = scene_of(ref, folder_of(ref))
    statement = read_statement(scene.rigs, scene.own_rig)
    centre = statement.pictures.pixel_centre
    poses = read_metadata(ref.files[0], PIXEL_CENTRE if centre is None else centre)
    return open_named(ref, scene, statement, poses)


def read_metadata(path: Path, pixel_centre: float = PIXEL_CENTRE) -> NamedPoses:
    """Read poses, times and intrinsics.

    Raises:
        InputError: The file is damaged, or its lists are not of one length.
    """
    data = read_json(path, _Metadata, expected="metadata of Record3D", other_keys=True)
    count = len(data.poses)
    for name in ("frameTimestamps", "perFrameIntrinsicCoeffs"):
        values = getattr(data, name)
        if values and len(values) != count:
            raise InputError(f"{path}: {name}", found=f"{len(values)} values", expected=f"{count}, one for each pose")
    bad = next((i for i, pose in enumerate(data.poses) if len(pose) != 7), None)
    if bad is not None or count == 0:
        found = "no poses" if bad is None else f"{len(data.poses[bad])} numbers in pose {bad}"
        raise InputError(f"{path}: poses", found=found, expected="qx, qy, qz, qw, x, y, z of each picture")
    values = np.array(data.poses, dtype=np.float64)
    length = np.linalg.norm(values[:, :4], axis=1)
    off = np.flatnonzero(~(np.abs(length - 1.0) <= _QUATERNION_TOLERANCE))
    if off.size:
        raise InputError(
            f"{path}: poses[{off[0]}]",
            found=f"a quaternion of length {length[off[0]]:.6g}",
            expected="length 1, w last",
        )
    camera, notes = one_camera(path, _cameras(path, data, pixel_centre))
    places = [f"{path}: poses[{index}]" for index in range(count)]
    return NamedPoses(
        path=path,
        names=tuple(str(index) for index in range(count)),
        poses=checked_poses(places, make_transform(rotation_from_quaternion_xyzw(values[:, :4]), values[:, 4:])),
        transform=PoseTransform.WORLD_CAMERA,
        axes=CameraAxes.OPENGL,
        scale=Scale.METRIC,
        pose_source="arkit",
        camera=camera,
        files=tuple(_picture(path.parent, index) for index in range(count)),
        time_s=_times(path, data),
        up_world=np.array([0.0, 1.0, 0.0]),
        notes=notes,
    )


def _times(path: Path, data: _Metadata) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    if data.frameTimestamps:
        return np.array(data.frameTimestamps, dtype=np.float64)
    if data.fps is None:
        return None  # to be stated
    if not 0.1 <= data.fps <= 1000.0:
        raise InputError(f"{path}: fps", found=f"{data.fps:g}", expected="pictures a second")
    return np.arange(len(data.poses), dtype=np.float64) / data.fps


def _cameras(path: Path, data: _Metadata, pixel_centre: float) -> list[Camera]:
    """The camera of each picture, or one for all."""
    rows: list[tuple[float, ...]] = list(data.perFrameIntrinsicCoeffs or ())
    if not rows:
        K = data.K or ()
        if len(K) != 9:
            raise InputError(f"{path}: K", found=f"{len(K)} numbers", expected="9: the camera's matrix by columns")
        # By columns the centre stands in the last three numbers; written by rows these are 0 0 1.
        rows = [(K[0], K[4], K[6], K[7]) if K[6] or K[7] else (K[0], K[4], K[2], K[5])]
    cameras: dict[tuple[float, ...], Camera] = {}
    for index, row in enumerate(rows):
        if row not in cameras:
            if len(row) != 4:
                raise InputError(
                    f"{path}: perFrameIntrinsicCoeffs[{index}]", found=f"{len(row)} numbers", expected="fx, fy, cx, cy"
                )
            cameras[row] = colmap_camera(f"{path}: camera {index}", "PINHOLE", data.w, data.h, row, pixel_centre)
    return [cameras[row] for row in rows]


def _picture(folder: Path, index: int) -> Path | None:
    candidates = (folder / name / f"{index}{suffix}" for name in _PICTURES for suffix in IMAGE_SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)
