"""What is drawn of a single pair: the motion from above, the direction spectra, the outlines of the channels.

These are pictures of a scene, not plots of numbers: here are their coordinates, `templates/drawings.html` draws them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.audio.direction import Ambiguity, DirectionSpectrum, unit_range
from avbench.benchmark.audio.grid import peak_azimuth_deg
from avbench.benchmark.report.pairs.sounds import ChannelSound
from avbench.benchmark.report.pairs.worst import Motion, PairView
from avbench.benchmark.report.views import series_style

CENTRE = 110.0
"""Centre of the square drawings, which are twice as wide."""
RADIUS = 84.0
OUTLINE_SIZE = (192.0, 30.0)
_POLAR_STEPS = 180
_TRUE_STYLE = "truth"


@dataclass(frozen=True)
class DrawnMotion:
    """One motion from above.

    Attributes:
        title: The motion in words.
        style: Classes of its colour.
        x: Where camera b sits, to the right.
        y: The same, downwards.
        moved: Whether it sits elsewhere than camera a, so that an arrow leads there.
        camera: Path of a wedge that opens towards what camera b sees.
    """

    title: str
    style: str
    x: float
    y: float
    moved: bool
    camera: str


@dataclass(frozen=True)
class MotionDrawing:
    """The true and the predicted motion from above.

    Attributes:
        camera_a: Path of the wedge of camera a at the centre, which looks up.
        motions: The truth, then the answers.
        ring: What the inner ring measures; empty where lengths are not in metres.
    """

    camera_a: str
    motions: tuple[DrawnMotion, ...]
    ring: str


def motion_drawing(pair: PairView) -> MotionDrawing:
    """The true and the predicted motion from above: camera a at the centre looking up, camera b where it is said to be.

    Answers without a length, and all where the label has none, are drawn at the length of the truth.
    """
    motions = [("true", pair.truth, _TRUE_STYLE)]
    motions += [
        (answer.run, answer.motion, series_style(answer.run_number))
        for answer in pair.answers
        if answer.motion is not None
    ]
    lengths = [_drawn_length(motion, pair.truth) for _, motion, _ in motions]
    scale = (RADIUS - 12) / (max(lengths) or 1.0)
    drawn = []
    for (name, motion, style), length in zip(motions, lengths, strict=True):
        x, y = CENTRE, CENTRE
        if motion.offset is not None:
            unit = motion.offset / np.linalg.norm(motion.offset)
            x, y = CENTRE + scale * length * float(unit[0]), CENTRE - scale * length * float(unit[2])
        camera = _camera(x, y, motion.heading_deg)
        drawn.append(DrawnMotion(_motion_words(name, motion), style, x, y, motion.offset is not None, camera))
    ring = "" if pair.truth.length_m is None else f"ring {RADIUS / 2 / scale:.2g} m"
    return MotionDrawing(_camera(CENTRE, CENTRE, 0.0), tuple(drawn), ring)


def _drawn_length(motion: Motion, truth: Motion) -> float:
    if motion.offset is None:
        return 0.0
    usual = truth.length_m or 1.0
    if truth.length_m is None or motion.length_m is None:
        return usual
    # An answer that is far too long would shrink the truth to a point.
    return min(motion.length_m, 3.0 * usual)


def _camera(x: float, y: float, heading_deg: float) -> str:
    size, half = 17.0, math.radians(24.0)
    heading = math.radians(heading_deg)
    sides = [(x + size * math.sin(heading + turn), y - size * math.cos(heading + turn)) for turn in (-half, half)]
    return _closed_path([(x, y), *sides])


def _motion_words(name: str, motion: Motion) -> str:
    words = f"{name}: turned by {motion.rotation_deg:.1f}°, heading {motion.heading_deg:+z.1f}°"
    if motion.azimuth_deg is not None:
        words += f", moved towards {motion.azimuth_deg:+z.0f}° at elevation {motion.elevation_deg:+z.0f}°"
    return words if motion.length_m is None else f"{words} by {motion.length_m:.2f} m"


@dataclass(frozen=True)
class DrawnSpectrum:
    """The direction spectrum of one frame.

    Attributes:
        title: What it is and where its peak lies, or why there is none.
        style: Classes of its colour.
        outline: Its path, ahead at the top, stretched to the whole radius; empty where there is none.
        peak: Ends of a stroke at its peak: x, y, x, y; None where no single peak stands out.
    """

    title: str
    style: str
    outline: str
    peak: tuple[float, float, float, float] | None


def spectrum_drawings(pair: PairView) -> tuple[DrawnSpectrum, DrawnSpectrum]:
    """The direction spectra of both frames, each seen from its own camera."""
    return (
        _spectrum("frame a", pair.spectrum_a, "frame-a"),
        _spectrum("frame b", pair.spectrum_b, "frame-b"),
    )


def _spectrum(name: str, spectrum: DirectionSpectrum, style: str) -> DrawnSpectrum:
    peak = _peak_deg(spectrum)
    title = f"{name}: {'' if peak is None else f'peak at {peak:+z.0f}°, '}{spectrum.describe()}"
    outline = "" if spectrum.azimuth is None else _closed_path(_outline(spectrum.azimuth))
    return DrawnSpectrum(title, style, outline, None if peak is None else (*_polar(peak, 1.0), *_polar(peak, 1.09)))


def _peak_deg(spectrum: DirectionSpectrum) -> float | None:
    """Where the peak lies; None without a spectrum, and where each peak has an equal twin behind or ahead."""
    if spectrum.azimuth is None or spectrum.ambiguity is Ambiguity.CONE:
        return None
    return float(peak_azimuth_deg(spectrum.azimuth))


def _outline(azimuth: NDArray[np.float32]) -> list[tuple[float, float]]:
    stretched = unit_range(azimuth)
    steps = min(_POLAR_STEPS, len(stretched))
    # The highest of the bins that one step stands for, so that no peak is lost.
    parts = np.array_split(stretched, steps)
    turns = [float(part.mean()) * 360.0 / len(stretched) for part in np.array_split(np.arange(len(stretched)), steps)]
    return [_polar(turn, float(part.max())) for turn, part in zip(turns, parts, strict=True)]


def _polar(azimuth_deg: float, share: float) -> tuple[float, float]:
    turn = math.radians(azimuth_deg)
    return CENTRE + RADIUS * share * math.sin(turn), CENTRE - RADIUS * share * math.cos(turn)


def outline_path(sound: ChannelSound) -> str:
    """The outline of one channel over time, over the whole of `OUTLINE_SIZE`."""
    width, height = OUTLINE_SIZE
    middle, step = height / 2, width / len(sound.low)
    top = [(step * (i + 0.5), middle - middle * float(value)) for i, value in enumerate(sound.high)]
    bottom = [(step * (i + 0.5), middle - middle * float(value)) for i, value in enumerate(sound.low)]
    return _closed_path([*top, *reversed(bottom)])


def _closed_path(points: Sequence[tuple[float, float]]) -> str:
    steps = " ".join(f"{_number(x)} {_number(y)}" for x, y in points)
    return f"M{steps}Z"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
