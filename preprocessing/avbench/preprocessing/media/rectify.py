"""Lens models, and pictures as a pinhole camera would have taken them: upright, without distortion, of a given size.

Pixels: the centre of the top left pixel is (0, 0), so that a picture covers -0.5 to width - 0.5, and shrinking it by a
factor s moves a point u to (u + 0.5) s - 0.5.

What the pinhole shows:

- It has the upright picture's aspect ratio and a long side of the given length; pictures are never enlarged.
- Its principal point and the ratio of its focal lengths are those of the source, scaled with the picture.
- Without distortion that is all: the picture is turned upright and shrunk by averaging areas.
- With distortion its focal length is the shortest for which every pixel of its border, hence every pixel, shows
  something that the source shows, and its field of view along the long side is at most 110 degrees: nothing is
  invented, and no more is cut than that takes. A pinhole picture of a wider field would be mostly stretched border.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation
from avbench.preprocessing.recording.recording import Camera, Distortion

MAX_FIELD_OF_VIEW_DEG = 110.0
"""Widest field of view of a rectified picture along its long side."""

_MAX_ZOOM = 16.0
_MAX_STEP_PX = 1.5  # a bilinear sample reaches one pixel to each side; further apart, samples would miss pixels
Image: TypeAlias = NDArray[np.uint8]


def project(camera: Camera, points: ArrayLike) -> FloatArray:
    """Project points through the lens, as the delivered frame shows them.

    Brown-Conrady and Kannala-Brandt are OpenCV's models (documentation of `calib3d` and `calib3d::fisheye`);
    Fisheye624 is Project Aria's FisheyeRadTanThinPrism ("Camera Intrinsic Models for Project Aria devices").

    Args:
        camera: The camera; its `quarter_turns_cw` plays no part here.
        points: (..., 3) in the axes of the delivered, not yet upright, frame; any unit.

    Returns:
        (..., 2) pixels, also outside the picture. NaN where the lens shows nothing: behind a pinhole, at the camera's
        centre, and beyond the angle at which the lens model's radius stops growing, where it would fold back.
    """
    p = np.asarray(points, dtype=np.float64)
    off_axis = np.linalg.norm(p[..., :2], axis=-1)
    angle = np.arctan2(off_axis, p[..., 2])
    visible = np.isfinite(p).all(axis=-1) & (np.abs(p).max(axis=-1) > 0.0) & (angle < _widest_angle(camera))
    with np.errstate(invalid="ignore", over="ignore"):
        # Unit direction in the picture; at the axis there is none and none is needed.
        direction = p[..., :2] / np.where(off_axis > 0.0, off_axis, 1.0)[..., None]
        radius = _radius(camera, np.where(visible, angle, 0.0))
        xy = radius[..., None] * direction
        if camera.distortion is Distortion.BROWN_CONRADY:
            xy = xy + _tangential(np.tan(np.where(visible, angle, 0.0))[..., None] * direction, *_brown_p(camera))
        elif camera.distortion is Distortion.FISHEYE624:
            p0, p1, s0, s1, s2, s3 = camera.coefficients[6:12]
            r2 = radius * radius
            prism = np.stack([s0 * r2 + s1 * r2 * r2, s2 * r2 + s3 * r2 * r2], axis=-1)
            # Aria's p0 acts along x, where OpenCV's p2 does.
            xy = xy + _tangential(xy, p1, p0) + prism
    pixels = xy * [camera.fx_px, camera.fy_px] + [camera.cx_px, camera.cy_px]
    return np.asarray(np.where(visible[..., None], pixels, np.nan), dtype=np.float64)


def _radius(camera: Camera, angle: FloatArray) -> FloatArray:
    """Distance from the principal point over the focal length, at angles (...) in radians from the optical axis."""
    k = camera.coefficients
    if camera.distortion is Distortion.NONE:
        return np.asarray(np.tan(angle))
    if camera.distortion is Distortion.BROWN_CONRADY:
        r = np.tan(angle)
        numerator = np.polyval([*k[4:5], k[1], k[0], 1.0], r * r)
        return np.asarray(r * numerator / np.polyval([*k[:4:-1], 1.0], r * r))
    terms = k[:4] if camera.distortion is Distortion.KANNALA_BRANDT else k[:6]
    return np.asarray(angle * np.polyval([*terms[::-1], 1.0], angle * angle))


def _brown_p(camera: Camera) -> tuple[float, float]:
    return camera.coefficients[2], camera.coefficients[3]


def _tangential(xy: FloatArray, p1: float, p2: float) -> FloatArray:
    """Decentring of points (..., 2) in OpenCV's order of coefficients (Brown 1966)."""
    x, y = xy[..., 0], xy[..., 1]
    r2 = x * x + y * y
    return np.stack([2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], axis=-1)


def _widest_angle(camera: Camera) -> float:
    """Angle from the axis, in radians, up to which the radius grows."""
    is_planar = camera.distortion in (Distortion.NONE, Distortion.BROWN_CONRADY)
    limit = np.pi / 2 if is_planar else np.pi
    if camera.distortion is Distortion.NONE:
        return limit
    angles = np.linspace(0.0, limit, 3601)[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        grows = np.diff(_radius(camera, angles)) > 0.0
    return float(angles[np.argmin(grows)]) if not grows.all() else limit


@dataclass(frozen=True, eq=False)
class Rectification:
    """How frames of one camera become upright pinhole pictures; made by `plan_rectification`.

    Attributes:
        camera: The pinhole: size and intrinsics of the pictures that `apply` returns.
        source: The camera whose frames `apply` takes.
        zoom: Focal length over that of the source scaled with the picture; above 1 the border is cut.
    """

    camera: Camera
    source: Camera
    zoom: float
    _maps: tuple[NDArray[np.int16], NDArray[np.uint16]] | None = field(default=None, repr=False)

    def apply(self, image: Image) -> Image:
        """Rectify a frame (height, width, 3), uint8, of the source.

        Raises:
            ValueError: The frame is not of the source's size.
        """
        if image.shape[:2] != (self.source.height_px, self.source.width_px):
            raise ValueError(
                f"expected a frame of {self.source.width_px} x {self.source.height_px} px, "
                f"got {image.shape[1]} x {image.shape[0]}"
            )
        size = (self.camera.width_px, self.camera.height_px)
        if self._maps is not None:
            picture = cv2.remap(image, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        else:
            picture = np.rot90(image, -self.source.quarter_turns_cw)
        if picture.shape[:2] != size[::-1]:
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(picture)


def rectified_camera(camera: Camera, long_side_px: int) -> tuple[Camera, float]:
    """The pinhole that pictures of `camera` are rectified to, and its zoom (see `Rectification`).

    Raises:
        ValueError: `long_side_px` is not positive, or the lens model shows next to nothing of the picture.
    """
    if long_side_px < 1:
        raise ValueError("long_side_px must be positive")
    upright = _turned(camera)
    scale = min(1.0, long_side_px / max(upright.width_px, upright.height_px))
    pinhole = _resized(upright, max(1, round(upright.width_px * scale)), max(1, round(upright.height_px * scale)))
    if camera.distortion is Distortion.NONE:
        return pinhole, 1.0
    zoom = _shortest_zoom(camera, pinhole)
    return _zoomed(pinhole, zoom), zoom


def plan_rectification(camera: Camera, long_side_px: int) -> Rectification:
    """Plan how frames of `camera` become pinhole pictures with a long side of at most `long_side_px`.

    Raises:
        ValueError: `long_side_px` is not positive, or the lens model shows next to nothing of the picture.
    """
    pinhole, zoom = rectified_camera(camera, long_side_px)
    if camera.distortion is Distortion.NONE:
        return Rectification(pinhole, camera, zoom)
    subsamples = _subsamples(camera, pinhole)
    fine = _resized(pinhole, pinhole.width_px * subsamples, pinhole.height_px * subsamples)
    u, v = np.meshgrid(np.arange(fine.width_px, dtype=np.float64), np.arange(fine.height_px, dtype=np.float64))
    pixels = _source_pixels(camera, fine, u, v).astype(np.float32)
    maps = cv2.convertMaps(pixels[..., 0], pixels[..., 1], cv2.CV_16SC2)
    return Rectification(pinhole, camera, zoom, maps)


def _turned(camera: Camera) -> Camera:
    """The pinhole part of a camera after its clockwise quarter turns."""
    width, height = camera.width_px, camera.height_px
    fx, fy, cx, cy = camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px
    for _ in range(camera.quarter_turns_cw % 4):
        width, height, fx, fy, cx, cy = height, width, fy, fx, height - 1 - cy, cx
    return Camera(width, height, fx, fy, cx, cy)


def _resized(camera: Camera, width_px: int, height_px: int) -> Camera:
    sx, sy = width_px / camera.width_px, height_px / camera.height_px
    cx, cy = (camera.cx_px + 0.5) * sx - 0.5, (camera.cy_px + 0.5) * sy - 0.5
    return Camera(width_px, height_px, camera.fx_px * sx, camera.fy_px * sy, cx, cy)


def _zoomed(camera: Camera, zoom: float) -> Camera:
    fx, fy = camera.fx_px * zoom, camera.fy_px * zoom
    return Camera(camera.width_px, camera.height_px, fx, fy, camera.cx_px, camera.cy_px)


def _source_pixels(source: Camera, pinhole: Camera, u: FloatArray, v: FloatArray) -> FloatArray:
    """Where the source shows what the upright pinhole shows at (u, v) (...); (..., 2)."""
    x, y = (u - pinhole.cx_px) / pinhole.fx_px, (v - pinhole.cy_px) / pinhole.fy_px
    rays = np.stack([x, y, np.ones_like(x)], axis=-1)
    # Turning the picture clockwise turns the axes in it; rounding keeps quarter turns exact.
    rotation_delivered_upright = np.round(axis_rotation("z", -90.0 * source.quarter_turns_cw))
    return project(source, rays @ rotation_delivered_upright.T)


def _shortest_zoom(source: Camera, pinhole: Camera) -> float:
    """The smallest zoom whose picture lies within the source and within the widest field of view, by bisection."""
    low, high = 1e-3, _MAX_ZOOM
    if not _is_covered(source, _zoomed(pinhole, high)):
        raise ValueError(
            f"the {source.distortion} lens model shows less than 1/{_MAX_ZOOM:g} of the picture; check its coefficients"
        )
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        if _is_covered(source, _zoomed(pinhole, middle)):
            high = middle
        else:
            low = middle
    return high


def _is_covered(source: Camera, pinhole: Camera) -> bool:
    """Whether the pinhole's field of view is small enough and its border pixels lie within the source."""
    if pinhole.width_px >= pinhole.height_px:
        length, focal, centre = pinhole.width_px, pinhole.fx_px, pinhole.cx_px
    else:
        length, focal, centre = pinhole.height_px, pinhole.fy_px, pinhole.cy_px
    view = np.arctan((centre + 0.5) / focal) + np.arctan((length - 0.5 - centre) / focal)
    if np.degrees(view) > MAX_FIELD_OF_VIEW_DEG:
        return False
    right, bottom = pinhole.width_px - 1.0, pinhole.height_px - 1.0
    along = np.linspace(0.0, 1.0, 257)
    u = np.concatenate([along * right, along * right, np.zeros_like(along), np.full_like(along, right)])
    v = np.concatenate([np.zeros_like(along), np.full_like(along, bottom), along * bottom, along * bottom])
    pixels = _source_pixels(source, pinhole, u, v)
    last = [source.width_px - 1.0, source.height_px - 1.0]
    # Comparisons with NaN are false: what the lens does not show is not covered.
    return bool(((pixels >= 0.0) & (pixels <= last)).all())


def _subsamples(source: Camera, pinhole: Camera) -> int:
    """Samples along each side of a pixel, so that neighbouring samples skip no pixel of the source."""
    u, v = np.meshgrid(np.linspace(0.0, pinhole.width_px - 1.0, 33), np.linspace(0.0, pinhole.height_px - 1.0, 33))
    here = _source_pixels(source, pinhole, u, v)
    right, below = _source_pixels(source, pinhole, u + 1e-3, v), _source_pixels(source, pinhole, u, v + 1e-3)
    steps = [np.linalg.norm(there - here, axis=-1) * 1e3 for there in (right, below)]
    return int(np.ceil(np.nanmax(steps) / _MAX_STEP_PX))
