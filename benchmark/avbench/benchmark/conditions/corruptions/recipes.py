"""All corruptions: what they are called, which version they are, and the one function that applies them.

A corruption is a pure function of the picture and of (pair id, recipe, version, severity, frame), never of the label.
Its randomness is hashed from the pair id, the recipe, its version and the frame. The severity is left out of that
hash on purpose: the hand that covers 10 % of a picture at severity 1 is the hand that covers 60 % at severity 5, the
blur path only grows longer, and a comparison between severities compares nothing else.

A recipe whose bytes change gets a new version, and results of two versions are not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.conditions.corruptions.blur import defocus, motion_blur
from avbench.benchmark.conditions.corruptions.codec import compression
from avbench.benchmark.conditions.corruptions.cover import blackout, occlusion_dirt, occlusion_hand, occlusion_patch
from avbench.benchmark.conditions.corruptions.fixed_point import Picture
from avbench.benchmark.conditions.corruptions.fog import fog
from avbench.benchmark.conditions.corruptions.light import low_light, over_exposure
from avbench.benchmark.conditions.corruptions.noise import gaussian_noise, shot_noise
from avbench.benchmark.conditions.corruptions.paper import paper
from avbench.benchmark.conditions.corruptions.pixelate import pixelate
from avbench.benchmark.conditions.corruptions.randomness import Stream
from avbench.preprocessing.base.errors import InputError, did_you_mean

SEVERITIES = (1, 2, 3, 4, 5)


class Corruption(StrEnum):
    """What happens to a picture."""

    MOTION_BLUR = "motion_blur"
    DEFOCUS = "defocus"
    GAUSSIAN_NOISE = "gaussian_noise"
    SHOT_NOISE = "shot_noise"
    LOW_LIGHT = "low_light"
    OVER_EXPOSURE = "over_exposure"
    OCCLUSION_HAND = "occlusion_hand"
    OCCLUSION_PATCH = "occlusion_patch"
    OCCLUSION_DIRT = "occlusion_dirt"
    BLACKOUT = "blackout"
    COMPRESSION = "compression"
    PIXELATE = "pixelate"
    FOG = "fog"
    PAPER = "paper"


class Frame(StrEnum):
    """One of a pair's two frames."""

    A = "a"
    B = "b"


class Frames(StrEnum):
    """Which frames of a pair are corrupted."""

    A = "a"
    B = "b"
    BOTH = "both"
    ONE = "one"  # a or b, each for half of the pairs, decided by the pair id


@dataclass(frozen=True)
class Recipe:
    """One corruption and how it is applied.

    Attributes:
        corruption: Its name.
        version: Raised whenever its bytes change.
        apply: (picture, severity, stream) to a new picture; never writes to its input.
        frames: Which frames it hits unless a suite says otherwise.
        alike: Whether both frames get the same draws, as of dirt that stays on the lens.
        summary: One line for tables and reports.
    """

    corruption: Corruption
    version: int
    apply: Callable[[Picture, int, Stream], Picture]
    frames: Frames
    alike: bool
    summary: str


def _recipe(
    apply: Callable[[Picture, int, Stream], Picture],
    summary: str,
    *,
    version: int = 1,
    frames: Frames = Frames.BOTH,
    alike: bool = False,
) -> Recipe:
    return Recipe(Corruption(apply.__name__), version, apply, frames, alike, summary)


RECIPES: dict[Corruption, Recipe] = {
    recipe.corruption: recipe
    for recipe in (
        _recipe(motion_blur, "camera motion along a random curved path, up to a quarter of the width"),
        _recipe(defocus, "lens out of focus"),
        _recipe(gaussian_noise, "Gaussian noise, sigma up to 0.38 of full scale"),
        _recipe(shot_noise, "photon noise, down to 3 photons at white"),
        _recipe(low_light, "exposure gain down to 0.025, shot and read noise, 8 bits"),
        _recipe(over_exposure, "exposure gain up to 7, flare, cut at white"),
        _recipe(occlusion_hand, "a hand before the lens, up to 60 % covered"),
        _recipe(occlusion_patch, "plain oblongs, up to 60 % covered"),
        _recipe(occlusion_dirt, "dirt on the lens, the same in both frames, up to 60 % covered", alike=True),
        _recipe(blackout, "one frame lost from below, at severity 5 wholly", frames=Frames.ONE),
        _recipe(compression, "JPEG's losses, down to quality 7"),
        _recipe(pixelate, "down to 56 cells across the picture"),
        _recipe(fog, "fog, up to 84 % of the light is scattered"),
        _recipe(paper, "colour jitter, blur and noise as first published for this task, frozen"),
    )
}


def corrupt(
    image: NDArray[np.uint8],
    pair_id: str,
    corruption: Corruption | str,
    severity: int,
    frame: Frame | str,
) -> NDArray[np.uint8]:
    """Corrupt one frame.

    The same bytes come out on every machine, with every version of numpy, in every order and on any thread.

    Args:
        image: (height, width, 3) uint8 RGB, in any memory layout; it is not written to.
        pair_id: Name of the pair.
        corruption: Which corruption.
        severity: 1 (mild) to 5 (strong).
        frame: Which frame of the pair this is.

    Returns:
        A new contiguous (height, width, 3) uint8 picture.

    Raises:
        InputError: The picture is not such an array, or there is no such corruption, severity or frame.
    """
    recipe = RECIPES[find_corruption(corruption)]
    check_severity(severity, where=f"pair {pair_id}")
    _check_image(image, pair_id)
    if frame not in tuple(Frame):
        raise InputError(f"pair {pair_id}", found=f"frame {frame!r}", expected="frame a or b")
    names = ("frame", recipe.corruption, f"version {recipe.version}", pair_id, "both" if recipe.alike else str(frame))
    return recipe.apply(np.ascontiguousarray(image), severity, Stream.named(*names))


def corrupt_pair(
    image_a: NDArray[np.uint8],
    image_b: NDArray[np.uint8],
    pair_id: str,
    corruption: Corruption | str,
    severity: int,
    frames: Frames | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Corrupt the frames of a pair that `frames` names.

    Args:
        image_a: Frame a, as `corrupt` takes it.
        image_b: Frame b.
        pair_id: Name of the pair.
        corruption: Which corruption.
        severity: 1 to 5.
        frames: Which frames; None for what the recipe says.

    Returns:
        Frames a and b; one that is left alone is the very array that was given.

    Raises:
        InputError: As `corrupt`.
    """
    hit = frames_hit(pair_id, corruption, frames)
    return (
        corrupt(image_a, pair_id, corruption, severity, Frame.A) if Frame.A in hit else image_a,
        corrupt(image_b, pair_id, corruption, severity, Frame.B) if Frame.B in hit else image_b,
    )


def frames_hit(pair_id: str, corruption: Corruption | str, frames: Frames | None = None) -> frozenset[Frame]:
    """The frames of a pair that a corruption hits; `frames` None for what the recipe says."""
    recipe = RECIPES[find_corruption(corruption)]
    chosen = recipe.frames if frames is None else frames
    if chosen is Frames.BOTH:
        return frozenset(Frame)
    if chosen is Frames.ONE:
        stream = Stream.named("which frame", recipe.corruption, f"version {recipe.version}", pair_id)
        return frozenset({(Frame.A, Frame.B)[stream.integer("frame", 0, 2)]})
    return frozenset({Frame(chosen)})


def find_corruption(name: Corruption | str, *, where: str = "corruption") -> Corruption:
    """The corruption of that name.

    Raises:
        InputError: There is none; the closest name is suggested.
    """
    try:
        return Corruption(name)
    except ValueError:
        raise InputError(
            where, found=repr(name), expected="the name of a corruption", hint=suggest(name, list(Corruption))
        ) from None


def check_severity(severity: Any, *, where: str) -> int:
    """Refuse a severity that is not one, and return it.

    Raises:
        InputError: It is not a whole number from 1 to 5.
    """
    if isinstance(severity, bool) or not isinstance(severity, int | np.integer) or severity not in SEVERITIES:
        raise InputError(where, found=f"severity {severity!r}", expected="a whole number from 1 (mild) to 5 (strong)")
    return int(severity)


def suggest(found: object, known: list[str]) -> str:
    """A hint that names the closest of the known names, or all of them."""
    return did_you_mean(found, known) or f"known are {', '.join(str(name) for name in known)}"


def _check_image(image: Any, pair_id: str) -> None:
    expected = "a (height, width, 3) uint8 RGB array of at least one pixel"
    if not isinstance(image, np.ndarray):
        raise InputError(f"picture of pair {pair_id}", found=f"a {type(image).__name__}", expected=expected)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        hint = "convert it to RGB in 8 bits; 1.0 becomes 255" if image.dtype != np.uint8 else ""
        raise InputError(
            f"picture of pair {pair_id}",
            found=f"a {image.shape} {image.dtype} array",
            expected=expected,
            hint=hint,
        )
