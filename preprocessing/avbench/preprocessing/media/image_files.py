"""Pictures that are files of their own, one a moment.

A picture is taken as its file stores it: an EXIF orientation is not applied, as structure from motion does not apply it
either.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.upright import Orientation
from avbench.preprocessing.recording.recording import ErrorHandler, Frame

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm")
"""Suffixes of pictures, in lower case."""


_AS_STORED = Orientation()


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Pictures in files, a `FrameSource`; made by `open_images`.

    Attributes:
        path: The folder of the first.
        files: (N) the files in the order of time.
        time_ns: (N,) strictly increasing times.
        width_px: Width of the pictures as they are given.
        height_px: Their height.
        notes: Lines a user should see.
        display: Files say nothing that would turn them.
        orientation: How stored pictures are turned before they are given.
    """

    path: Path
    files: tuple[Path, ...]
    time_ns: NDArray[np.int64]
    width_px: int
    height_px: int
    notes: tuple[str, ...] = ()
    display: Orientation = _AS_STORED
    orientation: Orientation = _AS_STORED

    @property
    def stored_size_px(self) -> tuple[int, int]:
        """Width and height of the pictures as the files store them."""
        size = (self.width_px, self.height_px)
        return size[::-1] if self.orientation.transposed else size

    def turned(self, orientation: Orientation) -> ImageFiles:
        """The same pictures turned otherwise."""
        width_px, height_px = self.stored_size_px
        if orientation.transposed:
            width_px, height_px = height_px, width_px
        return replace(self, orientation=orientation, width_px=width_px, height_px=height_px)

    def read(self, indices: Sequence[int], *, on_error: ErrorHandler | None = None) -> Iterator[Frame]:
        """Read pictures; see `FrameSource.read`."""
        wanted = [int(index) for index in indices]
        if any(after <= before for before, after in itertools.pairwise(wanted)):
            raise ValueError("indices of frames must increase")
        for index in wanted:
            try:
                image = self._stored(index)
            except InputError as error:
                if on_error is None:
                    raise
                on_error(error)
                continue
            yield Frame(int(self.time_ns[index]), self.orientation.apply(image))

    def _stored(self, index: int) -> NDArray[np.uint8]:
        image = read_image(self.files[index])
        width_px, height_px = self.stored_size_px
        if image.shape[:2] != (height_px, width_px):
            raise InputError(
                self.files[index],
                found=f"a picture of {image.shape[1]}x{image.shape[0]} px",
                expected=f"{width_px}x{height_px} px as the others",
            )
        return image


def open_images(files: Sequence[Path], time_ns: NDArray[np.int64]) -> ImageFiles:
    """Pictures at strictly increasing times, at least one; their size is that of the first that can be read.

    Raises:
        InputError: None of them can be read.
    """
    first_error = None
    for file in files:
        try:
            height_px, width_px = read_image(file).shape[:2]
        except InputError as error:
            first_error = first_error or error
            continue
        return ImageFiles(files[0].parent, tuple(files), time_ns, width_px, height_px)
    if first_error is None:
        raise ValueError("no pictures")
    raise first_error


def read_image(file: Path) -> NDArray[np.uint8]:
    """A picture (height, width, 3) in RGB, as it is stored.

    Raises:
        InputError: It cannot be read.
    """
    try:
        data = np.frombuffer(file.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise InputError(file, found=error.strerror or str(error), expected="a picture") from error
    image = None
    if data.size:
        try:
            image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        except cv2.error:  # a size that OpenCV refuses
            image = None
    if image is None:
        raise InputError(
            file, found=f"{data.size} bytes that are no picture", expected="a PNG, JPEG or other picture that decodes"
        )
    return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)
