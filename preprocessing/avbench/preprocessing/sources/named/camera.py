"""Camera models by COLMAP's names and orders of parameters, which `transforms.json` and EPIC Fields use as well.

The models are those of COLMAP's `src/colmap/sensor/models.h` up to 4.2. What none of the lens models here can express
(FOV, thin prisms without Aria's order, division, EUCM, 360 degrees) is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.recording.recording import Camera, Distortion
from avbench.preprocessing.sources.named.poses import LARGEST_POSITION

PIXEL_CENTRE = 0.5
"""Where COLMAP puts the centre of the first pixel."""

_MOST_PIXELS = 65535
COLMAP_CAMERAS: tuple[tuple[str, int], ...] = (
    ("SIMPLE_PINHOLE", 3),
    ("PINHOLE", 4),
    ("SIMPLE_RADIAL", 4),
    ("RADIAL", 5),
    ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12),
    ("FOV", 5),
    ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5),
    ("THIN_PRISM_FISHEYE", 12),
    ("RAD_TAN_THIN_PRISM_FISHEYE", 16),
    ("SIMPLE_DIVISION", 4),
    ("DIVISION", 5),
    ("SIMPLE_FISHEYE", 3),
    ("FISHEYE", 4),
    ("EUCM", 6),
    ("EQUIRECTANGULAR", 2),
)
"""Names and numbers of parameters, by the number of the model in binary files."""

_ONE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "SIMPLE_FISHEYE")


def colmap_camera(
    where: str, model: str, width: int, height: int, params: Sequence[float], pixel_centre: float = PIXEL_CENTRE
) -> Camera:
    """A camera of COLMAP in pixels whose first centre is (0, 0).

    Args:
        where: Its place, for messages.
        model: Name of its model.
        width: Width in pixels.
        height: Height in pixels.
        params: Parameters in COLMAP's order.
        pixel_centre: Where the centre of the first pixel is.

    Raises:
        InputError: The model is not known or cannot be rectified, or a number is none of a camera.
    """
    counts = dict(COLMAP_CAMERAS)
    if model not in counts:
        raise InputError(where, found=f"camera model {model[:40]!r}", expected=f"one of {', '.join(counts)}")
    if len(params) != counts[model]:
        raise InputError(where, found=f"{len(params)} parameters", expected=f"{counts[model]} of {model}")
    if not (1 <= width <= _MOST_PIXELS and 1 <= height <= _MOST_PIXELS):
        raise InputError(where, found=f"a picture of {width} x {height} px", expected=f"1 to {_MOST_PIXELS} px")
    if not np.isfinite(params).all() or np.abs(params).max() > LARGEST_POSITION:
        raise InputError(where, found="parameters that are not finite", expected="finite numbers")
    lens = _lens(model, params)
    if lens is None:
        raise InputError(
            where,
            found=f"camera model {model}",
            expected="a lens that can be rectified: pinhole, radial, OPENCV, FULL_OPENCV or fisheye",
            hint="undistort the model with colmap image_undistorter, or reconstruct with OPENCV or OPENCV_FISHEYE",
        )
    fx, fy, cx, cy = params[:4] if model not in _ONE_FOCAL else (params[0], *params[:3])
    if not (fx > 0.0 and fy > 0.0 and 0.0 <= cx <= width and 0.0 <= cy <= height):
        raise InputError(
            where,
            found=f"fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g}",
            expected="focal lengths above 0, a centre inside",
        )
    return Camera(width, height, fx, fy, cx - pixel_centre, cy - pixel_centre, *lens)


def _lens(model: str, params: Sequence[float]) -> tuple[Distortion, tuple[float, ...]] | None:
    """Lens model and coefficients; None where it cannot be rectified."""
    k = tuple(float(value) for value in params[3 if model in _ONE_FOCAL else 4 :])
    if model in ("SIMPLE_PINHOLE", "PINHOLE"):
        return Distortion.NONE, ()
    if model in ("SIMPLE_RADIAL", "RADIAL"):
        return Distortion.BROWN_CONRADY, (*k, 0.0, 0.0, 0.0)[:4] if model == "SIMPLE_RADIAL" else (*k, 0.0, 0.0)
    if model in ("OPENCV", "FULL_OPENCV"):
        return Distortion.BROWN_CONRADY, k
    if model in ("OPENCV_FISHEYE", "SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE", "SIMPLE_FISHEYE", "FISHEYE"):
        return Distortion.KANNALA_BRANDT, (*k, 0.0, 0.0, 0.0, 0.0)[:4]
    if model == "RAD_TAN_THIN_PRISM_FISHEYE":
        return Distortion.FISHEYE624, k
    return None
