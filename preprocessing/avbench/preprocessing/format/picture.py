"""Pictures as bytes: encode, decode, and what a row says about them.

JPEG goes through libjpeg-turbo with the accurate integer transform and without colour subsampling, so that the same
pixels always give the same bytes; PNG loses nothing and costs twenty times the writing time.
"""

from __future__ import annotations

from enum import StrEnum

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError

_PNG_COMPRESSION = 3  # zlib level; higher ones take several times as long for a few per cent
_JPEG_START = b"\xff\xd8\xff"


class PictureFormat(StrEnum):
    """How pictures are stored."""

    JPEG = "jpeg"
    PNG = "png"


def encode_picture(image: NDArray[np.uint8], picture_format: PictureFormat, quality: int = 95) -> bytes:
    """Encode an RGB picture.

    Args:
        image: (height, width, 3) uint8 RGB.
        picture_format: JPEG or PNG.
        quality: JPEG quality from 1 to 100; PNG takes no notice of it.

    Raises:
        ValueError: The array is no RGB picture.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (height, width, 3) uint8, got {image.shape} {image.dtype}")
    if picture_format is PictureFormat.JPEG:
        contiguous = np.ascontiguousarray(image)
        return bytes(
            simplejpeg.encode_jpeg(contiguous, quality=quality, colorspace="RGB", colorsubsampling="444", fastdct=False)
        )
    ok, data = cv2.imencode(
        ".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, _PNG_COMPRESSION]
    )
    if not ok:
        raise ValueError(f"a picture of {image.shape} could not be encoded as PNG")
    return bytes(data)


def decode_picture(data: bytes, where: str, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG to (height, width, 3) uint8 RGB.

    Args:
        data: The encoded picture.
        where: What to call it in an error, such as "train-00000-of-00001.parquet: pair x: image_a".
        out: (height, width, 3), where to put it, if it is a picture of that shape; contiguous. None for new memory.

    Raises:
        InputError: The bytes are no picture, or a damaged one.
    """
    if data[: len(_JPEG_START)] == _JPEG_START:
        try:
            fits = out is not None and simplejpeg.decode_jpeg_header(data)[:2] == out.shape[:2]
            buffer = out if fits else None
            decoded = simplejpeg.decode_jpeg(data, colorspace="RGB", fastdct=False, fastupsample=False, buffer=buffer)
        except ValueError as error:
            raise _undecodable(where, f"a damaged JPEG ({error})") from error
        return np.asarray(decoded, dtype=np.uint8)
    bgr = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR) if data else None
    if bgr is None:
        raise _undecodable(where, f"{len(data)} bytes that are no picture")
    into = out if out is not None and out.shape == bgr.shape else None
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=into), dtype=np.uint8)


def _undecodable(where: str, found: str) -> InputError:
    return InputError(where, found=found, expected="a whole JPEG or PNG", hint="make the file again")


def sharpness(image: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of the grey picture, in grey levels squared; blur and darkness lower it.

    The 3x3 kernel is the four-neighbour one; the measure is that of Pech-Pacheco et al., "Diatom autofocusing in
    brightfield microscopy" (ICPR 2000).
    """
    laplacian = cv2.Laplacian(_grey(image), cv2.CV_32F, ksize=1)
    return float(np.var(laplacian, dtype=np.float64))


def brightness(image: NDArray[np.uint8]) -> float:
    """Mean grey level (ITU-R BT.601 luma) of the picture, 0 to 255."""
    return float(np.mean(_grey(image), dtype=np.float64))


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
