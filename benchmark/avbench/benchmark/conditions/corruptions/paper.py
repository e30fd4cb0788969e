"""The transform with which audio-visual relative pose was first tested on degraded pictures, frozen.

The published test transform draws at random, for each frame on its own: colour jitter (brightness, contrast and
saturation by up to a half, hue by up to a tenth of a turn) with probability 0.3, a Gaussian blur of 5 x 9 taps and
sigma 1 px with probability 0.3, and Gaussian noise of sigma 0.2 with probability 0.2. Here the draws come from the
pair's name, so that they are the same in every run. What differs from the published one: the four jitters act in one
fixed order as one linear map of the colours without cutting in between, and hue is turned about the grey axis.

The published strength is severity 3. The others scale it: jitter by 1/4, 1/2, 1, 5/4 and 3/2, blur to sigma 0.5, 0.7,
1, 2 and 4 px, noise to sigma 0.05, 0.1, 0.2, 0.3 and 0.4. Which of the three act on a frame is the same at every
severity. As published, 39 % of the frames stay as they are.

Source: Adebi, Majumder and Grauman, arXiv 2512.12165, and the test transform that its authors released.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avbench.benchmark.conditions.corruptions.fixed_point import Picture, blur_separable
from avbench.benchmark.conditions.corruptions.integer_tables import SINE_BITS, TURN, cosine, gaussian_kernel, sine
from avbench.benchmark.conditions.corruptions.noise import add_normal
from avbench.benchmark.conditions.corruptions.randomness import Stream

_JITTER_QUARTERS = (1, 2, 4, 5, 6)
_BLUR_SIGMAS_PERMILLE = (500, 700, 1000, 2000, 4000)
_NOISE_SIGMAS_PERMILLE = (50, 100, 200, 300, 400)
_LARGEST_CHANGE = 1 << 15  # brightness, contrast, saturation: a half, in units of 2**-16
_LARGEST_TURN = TURN // 10
_ONE = 1 << 16
_GREY = (19595, 38470, 7471)  # ITU-R BT.601 luma, in units of 2**-16

Matrix = list[list[int]]


@dataclass(frozen=True)
class PaperDraw:
    """What acts on a frame: drawn once for a pair and frame, at every severity the same."""

    jitter: bool
    blur: bool
    noise: bool


def draw_paper(stream: Stream) -> PaperDraw:
    """Which of the three parts act, with probabilities 0.3, 0.3 and 0.2."""
    return PaperDraw(
        jitter=stream.integer("jitter", 0, 10) < 3,
        blur=stream.integer("blur", 0, 10) < 3,
        noise=stream.integer("noise", 0, 10) < 2,
    )


def paper(image: Picture, severity: int, stream: Stream) -> Picture:
    """Colour jitter, then blur, then noise, each with its own probability; see the module."""
    draw = draw_paper(stream)
    degraded = image.copy()
    if draw.jitter:
        degraded = _jitter(degraded, _JITTER_QUARTERS[severity - 1], stream)
    if draw.blur:
        sigma = _BLUR_SIGMAS_PERMILLE[severity - 1]
        degraded = blur_separable(degraded, gaussian_kernel(sigma, 2), gaussian_kernel(sigma, 4))
    if draw.noise:
        degraded = add_normal(degraded, _NOISE_SIGMAS_PERMILLE[severity - 1], stream.child("noise field"))
    return degraded


def _jitter(image: Picture, quarters: int, stream: Stream) -> Picture:
    """Brightness, contrast, saturation and hue at once; all factors in units of 2**-16."""

    def change(name: str) -> int:
        return stream.integer(name, -_LARGEST_CHANGE, _LARGEST_CHANGE + 1) * quarters // 4

    brightness, contrast, saturation = (_ONE + change(name) for name in ("brightness", "contrast", "saturation"))
    angle = stream.integer("hue", -_LARGEST_TURN, _LARGEST_TURN + 1) * quarters // 4
    # Contrast pulls towards the picture's mean grey, which brightness has moved before.
    sums = [int(total) for total in image.reshape(-1, 3).sum(axis=0, dtype=np.int64)]
    pixels = image.shape[0] * image.shape[1]
    mean_grey = sum(weight * total for weight, total in zip(_GREY, sums, strict=True)) // pixels  # 2**-16
    offset = (mean_grey * brightness // _ONE) * (_ONE - contrast) // _ONE

    # Offsets of all three channels are equal, so neither saturation nor hue moves them.
    matrix = _product(_hue(angle), _product(_saturation(saturation), _scale(brightness * contrast // _ONE)))
    channels = [image[..., channel].astype(np.int32) for channel in range(3)]
    jittered = np.empty_like(image)
    for row, weights in enumerate(matrix):
        # Weights in units of 2**-12: their sum, times 255, stays far within 32 bits.
        total = np.full(image.shape[:2], ((offset + 8) >> 4) + (1 << 11), np.int32)
        for channel, weight in zip(channels, weights, strict=True):
            total += channel * np.int32((weight + 8) >> 4)
        jittered[..., row] = np.clip(total >> np.int32(12), 0, 255)
    return jittered


def _scale(factor: int) -> Matrix:
    return [[factor if row == column else 0 for column in range(3)] for row in range(3)]


def _saturation(factor: int) -> Matrix:
    """Away from (factor above one) or towards the grey of the same luma."""
    return [
        [(factor if row == column else 0) + (_ONE - factor) * _GREY[column] // _ONE for column in range(3)]
        for row in range(3)
    ]


def _hue(angle: int) -> Matrix:
    """Rotation of the colours about the grey axis by an angle in units of 1/1024 turn (Rodrigues' formula)."""
    cos, sin = cosine(angle) << (16 - SINE_BITS), sine(angle) << (16 - SINE_BITS)
    third, root_third = (_ONE - cos) // 3, sin * 37837 // _ONE  # 37837 / 2**16 is 1 / sqrt(3)
    forward, backward = third + root_third, third - root_third
    centre = _ONE - forward - backward  # rows sum to one: grey stays grey
    return [[centre, backward, forward], [forward, centre, backward], [backward, forward, centre]]


def _product(left: Matrix, right: Matrix) -> Matrix:
    return [[sum(left[row][k] * right[k][column] for k in range(3)) // _ONE for column in range(3)] for row in range(3)]
