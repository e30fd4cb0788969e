"""Fog."""

from __future__ import annotations

import numpy as np

from avbench.benchmark.conditions.corruptions.fields import cloud
from avbench.benchmark.conditions.corruptions.fixed_point import Picture, blend
from avbench.benchmark.conditions.corruptions.randomness import Stream

_COVER_256THS = (90, 126, 160, 190, 216)
_AIRLIGHT = (204, 208, 211)


def fog(image: Picture, severity: int, stream: Stream) -> Picture:
    """Mix with the light that fog scatters: 35, 49, 63, 74 and 84 % of it in the mean, more of it where fog is thick.

    Koschmieder's law with a transmission that varies over the picture as a cloud does, since the depth that would
    decide it is not known.
    """
    height, width = image.shape[:2]
    thickness = cloud(stream.child("fog"), height, width, octaves=6)  # about -13,000 to 13,000
    mean = _COVER_256THS[severity - 1]
    # Thick and thin differ most where the mean leaves most room for both.
    swing = min(mean, 256 - mean)
    cover = np.clip(mean + ((thickness * np.int32(swing)) >> np.int32(14)), 0, 256)
    return blend(image, _AIRLIGHT, cover.astype(np.uint16))
