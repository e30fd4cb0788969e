"""Wrong exposure: too little light, with the sensor's noise, or too much."""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.conditions.corruptions.fixed_point import Picture
from avbench.benchmark.conditions.corruptions.integer_tables import NORMAL_BITS, QUANTILE_BITS, normal_quantiles
from avbench.benchmark.conditions.corruptions.noise import sample
from avbench.benchmark.conditions.corruptions.randomness import Stream

_GAINS_PERMILLE = (400, 200, 100, 50, 25)
_ELECTRONS_AT_WHITE = 2000
_READ_NOISE_ELECTRONS = 6
_OVER_GAINS_16THS = (24, 32, 48, 72, 112)
_FLARES = (6, 12, 20, 30, 42)
_FRACTION_BITS = 16


def low_light(image: Picture, severity: int, stream: Stream) -> Picture:
    """Expose with a gain of 0.4, 0.2, 0.1, 0.05 and 0.025, add the sensor's noise and store in 8 bits.

    The gain acts on the stored grey levels. The noise is normal with the variance of the Poisson-Gaussian sensor
    model: shot noise, 2,000 electrons at grey level 255, and a read noise of 6 electrons. What falls below black is
    black.

    Source of the model: Foi, Trimeche, Katkovnik and Egiazarian, "Practical Poissonian-Gaussian noise modeling and
    fitting for single-image raw-data", IEEE Transactions on Image Processing 17(10), 2008.
    """
    return sample(image, _exposure_quantiles(_GAINS_PERMILLE[severity - 1]), stream.child("noise"))


def over_exposure(image: Picture, severity: int, stream: Stream) -> Picture:
    """Multiply by 1.5, 2, 3, 4.5 and 7, add the flare of a lens (6 to 42 grey levels), and cut at white."""
    del stream  # an exposure that is too long is not random
    # The type is named: numpy below 2 would keep 8 bits for a factor that fits them.
    exposed = np.multiply(image, np.uint16(_OVER_GAINS_16THS[severity - 1]), dtype=np.uint16)  # at most 255 * 112
    exposed += np.uint16(16 * _FLARES[severity - 1] + 8)
    exposed >>= np.uint16(4)
    return np.minimum(exposed, np.uint16(255)).astype(np.uint8)


@lru_cache(maxsize=8)
def _exposure_quantiles(gain_permille: int) -> NDArray[np.uint8]:
    """(256, 4096) grey levels that a gain makes of each grey level, for equally likely draws."""
    # The middle of each of the 4096 equal parts of the normal distribution.
    step = 1 << (16 - QUANTILE_BITS)
    normal = normal_quantiles()[step // 2 :: step].astype(np.int64)
    rows = np.empty((256, normal.size), np.uint8)
    half = np.int64(1 << (_FRACTION_BITS - 1))
    for grey in range(256):
        mean = (grey * gain_permille << _FRACTION_BITS) // 1000
        # Variance in squared electrons, then the deviation in fractions of a grey level.
        variance = (grey * gain_permille * _ELECTRONS_AT_WHITE) // (255 * 1000) + _READ_NOISE_ELECTRONS**2
        deviation = 255 * isqrt(variance << (2 * _FRACTION_BITS)) // _ELECTRONS_AT_WHITE
        level = np.int64(mean) + ((normal * np.int64(deviation)) >> np.int64(NORMAL_BITS)) + half
        rows[grey] = np.clip(level >> np.int64(_FRACTION_BITS), 0, 255)
    rows.setflags(write=False)
    return rows
