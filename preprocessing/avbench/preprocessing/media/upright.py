"""From a decoded frame to an upright RGB picture.

Cameras store pictures as the sensor lies and put a display matrix beside them: that of ISO/IEC 14496-12 (`tkhd`) as
FFmpeg hands it on, nine 32-bit fixed-point numbers a b u, c d v, x y w, which take a stored pixel (p, q), q down, to
the shown one (a p + c q + x, b p + d q + y).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import ArrayLike, NDArray

from avbench.preprocessing.media.container import PYAV_MAJOR

# Colour conversion takes all processors unless the option says otherwise; before PyAV 17 there is one thread and no
# option.
_CONVERSION_THREADS: dict[str, int] = {"threads": 1} if PYAV_MAJOR >= 17 else {}


@dataclass(frozen=True)
class Orientation:
    """How a stored picture becomes an upright one: transposed first, then mirrored.

    Attributes:
        transposed: Rows and columns change places.
        mirrored_x: Left and right change places afterwards.
        mirrored_y: Top and bottom change places afterwards.
    """

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @classmethod
    def of_quarter_turns(cls, quarter_turns_cw: int) -> Orientation:
        """The turn by any number of clockwise quarter turns."""
        return _TURNS[quarter_turns_cw % 4]

    @property
    def is_mirrored(self) -> bool:
        """Whether writing in the stored picture cannot be read in the upright one, or the other way round."""
        return self.transposed ^ self.mirrored_x ^ self.mirrored_y

    @property
    def quarter_turns_cw(self) -> int:
        """Clockwise quarter turns, 0 to 3; of a mirrored picture those before left and right change places."""
        left_as_stored = self.mirrored_x ^ self.is_mirrored
        return _TURNS.index(Orientation(self.transposed, left_as_stored, self.mirrored_y))

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn a picture (H, W, C); the result is contiguous."""
        turned = image.swapaxes(0, 1) if self.transposed else image
        turned = turned[:, ::-1] if self.mirrored_x else turned
        turned = turned[::-1] if self.mirrored_y else turned
        return np.ascontiguousarray(turned)


_TURNS = (
    Orientation(),
    Orientation(transposed=True, mirrored_x=True),
    Orientation(mirrored_x=True, mirrored_y=True),
    Orientation(transposed=True, mirrored_y=True),
)
"""By clockwise quarter turns."""


def orientation_of(matrix: ArrayLike) -> Orientation:
    """Read a display matrix of nine numbers.

    Raises:
        ValueError: It does not turn by quarter turns.
    """
    a, b, _, c, d = (float(value) for value in np.asarray(matrix).ravel()[:5])
    along, across = max(abs(a), abs(d)), max(abs(b), abs(c))
    if across <= 1e-3 * along:
        return Orientation(mirrored_x=a < 0, mirrored_y=d < 0)
    if along <= 1e-3 * across:
        return Orientation(transposed=True, mirrored_x=c < 0, mirrored_y=b < 0)
    raise ValueError(f"a display matrix that turns the picture by {np.degrees(np.arctan2(b, a)):.1f} degrees")


def frame_orientation(decoded: Any) -> Orientation:
    """How a decoded `av.VideoFrame` is brought upright.

    Raises:
        ValueError: Its display matrix does not turn by quarter turns.
    """
    try:
        matrix = decoded.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # The frame carries side data that PyAV before 19 has no name for and then shows none of; the angle remains.
        clockwise = -np.radians(decoded.rotation)
        cosine, sine = np.cos(clockwise), np.sin(clockwise)
        return orientation_of([cosine, sine, 0.0, -sine, cosine, 0.0, 0.0, 0.0, 1.0])
    return Orientation() if matrix is None else orientation_of(np.frombuffer(bytes(matrix), dtype=np.int32))


class UprightConverter:
    """Converts the frames of one video; the conversion's tables are set up once."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, decoded: Any, orientation: Orientation) -> NDArray[np.uint8]:
        """The picture (height, width, 3) of an `av.VideoFrame`, turned, in RGB as its colour range and matrix say.

        Where the stream does not state its matrix, swscale takes BT.601.
        """
        # Both sides are spelt out, since PyAV before 17 takes every stream for BT.601 where they are not.
        rgb = self._reformatter.reformat(
            decoded,
            format="rgb24",
            src_colorspace=int(decoded.colorspace),
            dst_colorspace=Colorspace.DEFAULT,
            src_color_range=int(decoded.color_range),
            dst_color_range=ColorRange.JPEG,
            **_CONVERSION_THREADS,
        )
        image: NDArray[np.uint8] = np.asarray(rgb.to_ndarray(), dtype=np.uint8)
        return orientation.apply(image)
