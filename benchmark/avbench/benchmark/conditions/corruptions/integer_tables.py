"""Tables of integers for functions that are not: sines, Gaussian and Poisson quantiles, Gaussian kernels.

The values are computed in decimal arithmetic (`decimal`: every operation, `exp` included, is correctly rounded by
its specification), not with a C library's `sin` or `exp`, whose last bit differs between systems. So each table is the
same everywhere, and what is looked up in it decides pixels without any floating-point number.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

TURN = 1024
"""Steps of a full turn: angles are integers in units of 360/1024 degrees."""
SINE_BITS = 14
"""Sines and cosines are integers in units of 2**-14."""
NORMAL_BITS = 9
"""Standard normal quantiles are integers in units of 2**-9."""
QUANTILE_BITS = 12
"""Sampling tables have 2**12 equally likely columns for each of the 256 grey levels."""

_CONTEXT = Context(prec=40, rounding=ROUND_HALF_EVEN)
_PI = Decimal("3.14159265358979323846264338327950288419717")
_QUANTILES = 1 << QUANTILE_BITS

_Kind = TypeVar("_Kind", bound=np.generic)


def sine(angle: int) -> int:
    """Sine of an angle in units of 1/1024 turn, in units of 2**-14."""
    return _sines()[angle % TURN]


def cosine(angle: int) -> int:
    """Cosine of an angle in units of 1/1024 turn, in units of 2**-14."""
    return _sines()[(angle + TURN // 4) % TURN]


@lru_cache(maxsize=1)
def _sines() -> tuple[int, ...]:
    quarter = TURN // 4
    with localcontext(_CONTEXT):
        rising = []
        for step in range(quarter + 1):
            angle = 2 * _PI * step / TURN
            term, total, order = angle, angle, 1
            while abs(term) > Decimal("1e-30"):
                term = -term * angle * angle / ((order + 1) * (order + 2))
                total, order = total + term, order + 2
            rising.append(int((total * (1 << SINE_BITS)).to_integral_value()))
    half = rising[:quarter] + rising[:0:-1]
    return tuple(half + [-value for value in half])


@lru_cache(maxsize=1)
def normal_quantiles() -> NDArray[np.int32]:
    """Quantiles of the standard normal distribution.

    Returns:
        (65536,) int32 in units of 2**-9: entry i is the quantile of (i + 1/2) / 65536, to the nearest unit. A
        uniform 16-bit number looked up here is a standard normal one, cut at 4.32 sigma.
    """
    one = 1 << NORMAL_BITS
    with localcontext(_CONTEXT):
        # The density at x = (v + 1/2) / 512, carried from v to v + 1 by exp(-(v + 1) / 512**2).
        ratio = (Decimal(-1) / (one * one)).exp()
        density = (Decimal(-1) / (8 * one * one)).exp() / (2 * _PI).sqrt()
        step = ratio
        counts: list[int] = []
        reached = 0
        while reached < 1 << 15:
            x = (Decimal(len(counts)) + Decimal("0.5")) / one
            # Abramowitz and Stegun 26.2.11: Phi(x) - 1/2 = density(x) * sum of x**(2k+1) / (1 * 3 * ... * (2k+1)).
            term, total, odd = x, x, 1
            while term > Decimal("1e-20"):
                odd += 2
                term = term * x * x / odd
                total += term
            covered = min(int(density * total * (1 << 16) + Decimal("0.5")), 1 << 15)
            counts.append(covered - reached)
            reached = covered
            density, step = density * step, step * ratio
    upper = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return _read_only(np.concatenate([-upper[::-1], upper]))


def poisson_quantiles(photons_at_white: int) -> NDArray[np.uint8]:
    """Photon counts of every grey level, brought back to grey levels.

    Args:
        photons_at_white: Mean number of photons of grey level 255.

    Returns:
        (256, 4096) uint8: entry (g, i) is the grey level of the Poisson quantile of (i + 1/2) / 4096 with a mean of
        g / 255 * photons_at_white photons.
    """
    unit = 1 << 160  # exp(-60) keeps 22 digits
    rows = np.empty((256, _QUANTILES), np.uint8)
    for grey in range(256):
        with localcontext(_CONTEXT):
            probability = int((Decimal(-grey * photons_at_white) / 255).exp() * unit)
        cumulative, reached, photons = 0, 0, 0
        while reached < _QUANTILES:
            cumulative += probability
            # The last column is given away once less than the working precision is left.
            covered = (2 * _QUANTILES * cumulative + unit) // (2 * unit) if probability else _QUANTILES
            rows[grey, reached:covered] = min(255, (photons * 255 + photons_at_white // 2) // photons_at_white)
            reached, photons = max(reached, covered), photons + 1
            probability = probability * grey * photons_at_white // (255 * photons)
    return _read_only(rows)


@lru_cache(maxsize=32)
def gaussian_kernel(sigma_permille: int, radius: int) -> tuple[int, ...]:
    """One half of a sampled Gaussian, centre first.

    Args:
        sigma_permille: Standard deviation in 1/1000 px.
        radius: Taps on either side.

    Returns:
        radius + 1 weights w0, w1, ...; w0 + 2 * (w1 + w2 + ...) is exactly 256.
    """
    with localcontext(_CONTEXT):
        sigma = Decimal(sigma_permille) / 1000
        weights = [(-((Decimal(offset) / sigma) ** 2) / 2).exp() for offset in range(radius + 1)]
        total = weights[0] + 2 * sum(weights[1:], Decimal(0))
        sides = [int((256 * weight / total).to_integral_value()) for weight in weights[1:]]
    return (256 - 2 * sum(sides), *sides)


def _read_only(table: NDArray[_Kind]) -> NDArray[_Kind]:
    table.setflags(write=False)
    return table
