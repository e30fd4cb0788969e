"""Sparse models of COLMAP, text and binary: cameras and the poses of images.

The format is that of COLMAP's documentation ("Output Format") for 3.x to 4.x. Since 3.12 a model has rigs and frames as
well; its images keep a pose of their own, composed of both, which is what is read. The points are not.

    cameras.txt   CAMERA_ID MODEL WIDTH HEIGHT PARAMS...
    images.txt    IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of points; poses are world-to-camera
    cameras.bin   count (u64), each: id (u32), model (i32), width, height (u64), parameters (f64)
    images.bin    count (u64), each: id (u32), qvec, tvec (7 f64), camera (u32), name ending in 0, count (u64) of points
                  of 24 bytes

The centre of the first pixel is (0.5, 0.5) there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avbench.preprocessing.base.documents import read_text
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray, make_transform, rotation_from_quaternion_xyzw
from avbench.preprocessing.recording.recording import Camera
from avbench.preprocessing.sources.named.camera import COLMAP_CAMERAS, colmap_camera
from avbench.preprocessing.sources.named.poses import LARGEST_POSITION

MODEL_FILES = ("cameras", "images")
"""What a model must have, as .txt or .bin."""

_QUATERNION_TOLERANCE = 1e-2  # COLMAP normalises what it reads


@dataclass(frozen=True, eq=False)
class ColmapModel:
    """Cameras and images of a model.

    Attributes:
        path: The file of the images, for messages.
        names: (N) names of the images in the order of the file.
        T_camera_world: (N, 4, 4) world-to-camera.
        cameras: (N) the camera of each.
    """

    path: Path
    names: tuple[str, ...]
    T_camera_world: FloatArray
    cameras: tuple[Camera, ...]


def read_model(folder: Path) -> ColmapModel:
    """Read a model; the binary files where there are both.

    Raises:
        InputError: A file is missing, cut off or contradicts another; a camera's lens is none that can be rectified.
    """
    suffix = next((s for s in (".bin", ".txt") if all((folder / f"{name}{s}").is_file() for name in MODEL_FILES)), None)
    if suffix is None:
        names = ", ".join(sorted(path.name for path in folder.iterdir() if path.stem in MODEL_FILES))
        raise InputError(folder, found=f"{names} alone", expected="cameras and images, both .bin or both .txt")
    cameras_path, images_path = folder / f"cameras{suffix}", folder / f"images{suffix}"
    is_binary = suffix == ".bin"
    cameras: dict[int, tuple[str, int, int, tuple[float, ...]]] = {}
    for number, camera in (_binary_cameras if is_binary else _text_cameras)(cameras_path):
        if number in cameras:
            raise InputError(cameras_path, found=f"camera {number} twice", expected="each camera once")
        cameras[number] = camera
    rows = list((_binary_images if is_binary else _text_images)(images_path))
    if not rows:
        raise InputError(images_path, found="no images", expected="a model with registered images")
    _check_rows(images_path, cameras_path, rows, cameras)
    values = np.array([row.pose for row in rows])
    return ColmapModel(
        images_path,
        tuple(row.name for row in rows),
        make_transform(rotation_from_quaternion_xyzw(values[:, [1, 2, 3, 0]]), values[:, 4:]),
        _cameras_of(cameras_path, rows, cameras),
    )


@dataclass(frozen=True)
class _Image:
    where: str
    name: str
    camera: int
    pose: tuple[float, ...]  # qw qx qy qz tx ty tz


def _check_rows(
    images_path: Path,
    cameras_path: Path,
    rows: Sequence[_Image],
    cameras: dict[int, tuple[str, int, int, tuple[float, ...]]],
) -> None:
    seen: set[str] = set()
    for row in rows:
        values = np.array(row.pose)
        length = float(np.linalg.norm(values[:4]))
        if not np.isfinite(values).all() or np.abs(values[4:]).max() > LARGEST_POSITION:
            raise InputError(row.where, found="a pose that is not finite", expected="finite numbers")
        if abs(length - 1.0) > _QUATERNION_TOLERANCE:
            raise InputError(row.where, found=f"a quaternion of length {length:.6g}", expected="length 1, w first")
        if row.name in seen:
            raise InputError(images_path, found=f"{row.name} twice", expected="each image once")
        seen.add(row.name)
        if row.camera not in cameras:
            raise InputError(
                images_path, found=f"{row.name} of camera {row.camera}", expected=f"a camera of {cameras_path.name}"
            )


def _cameras_of(
    path: Path, rows: Sequence[_Image], cameras: dict[int, tuple[str, int, int, tuple[float, ...]]]
) -> tuple[Camera, ...]:
    used = {number: colmap_camera(f"{path}: camera {number}", *cameras[number]) for number in {r.camera for r in rows}}
    return tuple(used[row.camera] for row in rows)


# --- text ---------------------------------------------------------------------------------------------------------


def _text_cameras(path: Path) -> Iterator[tuple[int, tuple[str, int, int, tuple[float, ...]]]]:
    for number, line in enumerate(read_text(path, expected="cameras of COLMAP").split("\n"), start=1):
        cells = line.split()
        if not cells or cells[0].startswith("#"):
            continue
        try:
            yield int(cells[0]), (cells[1], int(cells[2]), int(cells[3]), tuple(float(cell) for cell in cells[4:]))
        except (ValueError, IndexError, OverflowError) as error:
            raise InputError(
                f"{path}: line {number}", found=repr(line.strip()[:60]), expected="CAMERA_ID MODEL WIDTH HEIGHT PARAMS"
            ) from error


def _text_images(path: Path) -> Iterator[_Image]:
    lines = read_text(path, expected="images of COLMAP").split("\n")
    is_points = False  # every second line, which may be empty
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("#"):
            continue
        if is_points:
            if len(line.split()) % 3:
                raise InputError(
                    f"{path}: line {number}", found=repr(line.strip()[:60]), expected="points, three numbers each"
                )
            is_points = False
            continue
        if not line.strip():
            continue
        cells = line.split(None, 9)
        try:
            pose = tuple(float(cell) for cell in cells[1:8])
            int(cells[0])
            row = _Image(f"{path}: line {number}", cells[9].strip(), int(cells[8]), pose)
        except (ValueError, IndexError, OverflowError) as error:
            raise InputError(
                f"{path}: line {number}",
                found=repr(line.strip()[:60]),
                expected="IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME",
            ) from error
        is_points = True
        yield row


# --- binary -------------------------------------------------------------------------------------------------------


class _Bytes:
    """Values of a binary file, one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise InputError(path, found=error.strerror or str(error), expected="a model of COLMAP") from error
        self._place = 0

    def take(self, form: str) -> tuple[int | float, ...]:
        size = struct.calcsize(form)
        self._need(size)
        values = struct.unpack_from(form, self._data, self._place)
        self._place += size
        return values

    def skip(self, size: int) -> None:
        self._need(size)
        self._place += size

    def name(self) -> str:
        stop = self._data.find(b"\0", self._place)
        if stop < 0:
            self._need(len(self._data) + 1)
        text = self._data[self._place : stop]
        self._place = stop + 1
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                self.path, found=f"a name that is no text ({text[:20]!r})", expected="an image's name"
            ) from error

    def end(self) -> None:
        """Raise if there is more."""
        rest = len(self._data) - self._place
        if rest:
            raise InputError(self.path, found=f"{rest} bytes behind the last entry", expected="the end of the file")

    def _need(self, size: int) -> None:
        if self._place + size > len(self._data):
            raise InputError(
                self.path,
                found=f"a file of {len(self._data)} bytes that ends within an entry",
                expected="a whole file",
                hint="copy it again",
            )


def _binary_cameras(path: Path) -> Iterator[tuple[int, tuple[str, int, int, tuple[float, ...]]]]:
    data = _Bytes(path)
    (count,) = data.take("<Q")
    for _ in range(int(count)):
        number, model, width, height = (int(value) for value in data.take("<IiQQ"))
        if not 0 <= model < len(COLMAP_CAMERAS):
            raise InputError(
                path,
                found=f"camera {number} of model number {model}",
                expected=f"a model from 0 to {len(COLMAP_CAMERAS) - 1}",
                hint="convert the model to text with colmap model_converter --output_type TXT",
            )
        name, parameters = COLMAP_CAMERAS[model]
        yield number, (name, width, height, tuple(float(v) for v in data.take(f"<{parameters}d")))
    data.end()


def _binary_images(path: Path) -> Iterator[_Image]:
    data = _Bytes(path)
    (count,) = data.take("<Q")
    for index in range(int(count)):
        _, *pose, camera = data.take("<I7dI")
        name = data.name()
        (points,) = data.take("<Q")
        data.skip(24 * int(points))
        yield _Image(f"{path}: image {index + 1} ({name})", name, int(camera), tuple(float(v) for v in pose))
    data.end()
