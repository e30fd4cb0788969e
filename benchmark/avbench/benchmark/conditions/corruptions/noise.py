"""Sensor noise: Gaussian, and the shot noise of few photons."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.conditions.corruptions.fixed_point import Picture, add_clipped
from avbench.benchmark.conditions.corruptions.integer_tables import (
    NORMAL_BITS,
    QUANTILE_BITS,
    normal_quantiles,
    poisson_quantiles,
)
from avbench.benchmark.conditions.corruptions.randomness import Stream

_SIGMAS_PERCENT = (8, 12, 18, 26, 38)  # of full scale; ImageNet-C
_PHOTONS_AT_WHITE = (60, 25, 12, 5, 3)  # ImageNet-C
_BLOCK = 1 << 16


def gaussian_noise(image: Picture, severity: int, stream: Stream) -> Picture:
    """Add normal noise of a standard deviation of 8, 12, 18, 26 and 38 % of full scale, one draw a value."""
    return add_normal(image, _SIGMAS_PERCENT[severity - 1] * 10, stream.child("noise"))


def shot_noise(image: Picture, severity: int, stream: Stream) -> Picture:
    """Count photons: a Poisson draw with a mean of 60, 25, 12, 5 and 3 photons at white."""
    return sample(image, _poisson(_PHOTONS_AT_WHITE[severity - 1]), stream.child("noise"))


def add_normal(image: Picture, sigma_permille: int, stream: Stream) -> Picture:
    """Add normal noise to every value.

    Args:
        image: The picture.
        sigma_permille: Standard deviation in thousandths of full scale, at most 1000.
        stream: Where the noise comes from.

    Returns:
        The noisy picture, clipped to 0 to 255.
    """
    draws = stream.uniform16(image.size)
    return add_clipped(image, _normal_changes(sigma_permille).take(draws).reshape(image.shape))


def sample(image: Picture, quantiles: NDArray[np.uint8], stream: Stream) -> Picture:
    """Draw every value from the distribution that a table gives for its grey level.

    Args:
        image: The picture.
        quantiles: (256, 4096) table: equally likely outcomes of each grey level.
        stream: Where the draws come from.

    Returns:
        The drawn picture.
    """
    values = image.reshape(-1)
    draws = stream.uniform16(values.size)
    drawn = np.empty(values.size, np.uint8)
    table = quantiles.reshape(-1)
    for start in range(0, values.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        place = values[block].astype(np.uint32)
        place <<= np.uint32(QUANTILE_BITS)
        place |= draws[block] >> np.uint16(16 - QUANTILE_BITS)
        drawn[block] = table.take(place)
    return drawn.reshape(image.shape)


@lru_cache(maxsize=16)
def _normal_changes(sigma_permille: int) -> NDArray[np.int16]:
    """(65536,) changes in grey levels for 16-bit uniform numbers."""
    changes = normal_quantiles().astype(np.int64) * (sigma_permille * 255)
    divisor = 1000 << NORMAL_BITS
    return ((2 * changes + divisor) // (2 * divisor)).astype(np.int16)


@lru_cache(maxsize=8)
def _poisson(photons_at_white: int) -> NDArray[np.uint8]:
    return poisson_quantiles(photons_at_white)
