"""Procedural textures: noise of all scales with painted shapes, made from a seed and seamless at their edges.

Texture k of a split depends on the seed, the split and k, so that splits share none. They are made when first asked
for and kept, each with its mip levels (Williams 1983) for filtering in the distance.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.simulate.scene.seeds import Generator, stream

TEXTURE_SIZE = 256
"""Texels along each side, a power of two."""

MIP_SIZES = (256, 128, 64, 32, 16, 8, 4)
MIP_OFFSETS = np.concatenate([[0], np.cumsum(np.square(MIP_SIZES))]).astype(np.int64)
"""First texel of each mip level in a flat pyramid; the last entry is the length of the pyramid."""

TEXTURES_PER_SPLIT = 512


@lru_cache(maxsize=2 * TEXTURES_PER_SPLIT)
def texture_pyramid(seed: int, split: str, number: int) -> NDArray[np.uint8]:
    """Flat mip pyramid (texels, 3) of a texture; a texel is the square root of its albedo, scaled to 255."""
    levels = [paint(stream(seed, "texture", split, number))]
    for _ in MIP_SIZES[1:]:
        fine = levels[-1]
        levels.append(0.25 * (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]))
    texels = np.concatenate([level.reshape(-1, 3) for level in levels])
    pyramid: NDArray[np.uint8] = np.rint(255.0 * np.sqrt(np.clip(texels, 0.0, 1.0))).astype(np.uint8)
    pyramid.setflags(write=False)
    return pyramid


def paint(rng: Generator) -> NDArray[np.float32]:
    """Paint one texture: albedo (256, 256, 3) from 0 to 1."""
    base = rng.uniform(0.12, 0.75) * (1.0 + rng.normal(0.0, 0.18, 3))
    image = np.broadcast_to(base.astype(np.float32), (TEXTURE_SIZE, TEXTURE_SIZE, 3)).copy()
    # Checks fill the whole texture, so they come first.
    painters = [_paint_checks, _paint_stripes, _paint_discs, _paint_rectangles]
    for index in sorted(rng.choice(len(painters), size=rng.integers(1, 3), replace=False)):
        painters[index](rng, image, base)
    grain = _scale_free_noise(rng, exponent=rng.uniform(0.7, 1.3))
    image *= np.exp(np.float32(rng.uniform(0.12, 0.4)) * grain)[..., None]
    tint = rng.normal(0.0, 0.15, 3).astype(np.float32)
    image *= 1.0 + tint * _scale_free_noise(rng, exponent=1.4)[..., None]
    clipped: NDArray[np.float32] = np.clip(image, 0.01, 0.95)
    return clipped


def _scale_free_noise(rng: Generator, exponent: float) -> NDArray[np.float32]:
    """Periodic noise (256, 256) of unit variance whose amplitude falls as frequency to the power -exponent."""
    spectrum = np.fft.rfft2(rng.standard_normal((TEXTURE_SIZE, TEXTURE_SIZE), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(TEXTURE_SIZE)[:, None], np.fft.rfftfreq(TEXTURE_SIZE)[None, :])
    frequency[0, 0] = np.inf
    noise = np.fft.irfft2(spectrum * frequency**-exponent, s=(TEXTURE_SIZE, TEXTURE_SIZE))
    scaled: NDArray[np.float32] = (noise / noise.std()).astype(np.float32)
    return scaled


def _colour(rng: Generator, base: NDArray[np.float64]) -> NDArray[np.float32]:
    """A colour that stands out from `base`: its own brightness, a hue of its own."""
    colour: NDArray[np.float32] = (base * np.exp(rng.normal(0.0, 0.55)) * (1 + rng.normal(0.0, 0.3, 3))).astype(
        np.float32
    )
    return colour


def _paint_rectangles(rng: Generator, image: NDArray[np.float32], base: NDArray[np.float64]) -> None:
    for _ in range(rng.integers(12, 60)):
        height, width = np.exp(rng.uniform(np.log(5), np.log(80), 2)).astype(int)
        rows = (rng.integers(TEXTURE_SIZE) + np.arange(height)) % TEXTURE_SIZE
        columns = (rng.integers(TEXTURE_SIZE) + np.arange(width)) % TEXTURE_SIZE
        image[np.ix_(rows, columns)] = _colour(rng, base)


def _paint_discs(rng: Generator, image: NDArray[np.float32], base: NDArray[np.float64]) -> None:
    for _ in range(rng.integers(12, 50)):
        radius = float(np.exp(rng.uniform(np.log(3), np.log(26))))
        reach = np.arange(-int(radius) - 1, int(radius) + 2)
        inside = np.hypot(reach[:, None], reach[None, :] * rng.uniform(0.6, 1.6)) <= radius
        row, column = rng.integers(TEXTURE_SIZE, size=2)
        window = np.ix_((row + reach) % TEXTURE_SIZE, (column + reach) % TEXTURE_SIZE)
        image[window] = np.where(inside[..., None], _colour(rng, base), image[window])


def _paint_checks(rng: Generator, image: NDArray[np.float32], base: NDArray[np.float64]) -> None:
    cell = int(2 ** rng.integers(4, 7))
    # Every cell has a brightness of its own: a regular pattern alone looks the same from many places.
    cells = np.exp(rng.normal(0.0, 0.3, (TEXTURE_SIZE // cell, TEXTURE_SIZE // cell, 1)))
    parity = np.indices(cells.shape[:2]).sum(axis=0)[..., None] % 2
    cells = np.where(parity == 0, _colour(rng, base), base) * cells
    image[...] = np.repeat(np.repeat(cells, cell, axis=0), cell, axis=1)


def _paint_stripes(rng: Generator, image: NDArray[np.float32], base: NDArray[np.float64]) -> None:
    along_rows = rng.uniform() < 0.5
    for _ in range(rng.integers(3, 14)):
        width = int(np.exp(rng.uniform(np.log(2), np.log(20))))
        place = (rng.integers(TEXTURE_SIZE) + np.arange(width)) % TEXTURE_SIZE
        if along_rows:
            image[place, :] = _colour(rng, base)
        else:
            image[:, place] = _colour(rng, base)
