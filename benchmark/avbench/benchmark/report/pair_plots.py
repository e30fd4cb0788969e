"""What is drawn of a single pair: the motion from above, the direction spectra, the outlines of the channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from avbench.benchmark.audio.direction import Ambiguity, DirectionSpectrum, unit_range
from avbench.benchmark.audio.grid import peak_azimuth_deg
from avbench.benchmark.report.drawing import drawing, line, path, text
from avbench.benchmark.report.markup import element
from avbench.benchmark.report.pairs import Motion, PairView
from avbench.benchmark.report.sounds import ChannelSound
from avbench.benchmark.report.views import series_style

_SIDE = 220.0
_CENTRE = _SIDE / 2
_RADIUS = 84.0
_POLAR_STEPS = 180
_TRUE_CLASS = "truth"


def motion_plot(pair: PairView) -> Markup:
    """The true and the predicted motion from above: camera a at the centre looking up, camera b where it is said to be.

    Answers without a length, and all where the label has none, are drawn at the length of the truth.
    """
    motions = [("true", pair.truth, _TRUE_CLASS)]
    motions += [(one.run, one.motion, series_style(one.run_number)) for one in pair.answers if one.motion is not None]
    lengths = [_drawn_length(motion, pair.truth) for _, motion, _ in motions]
    reach = max(lengths) or 1.0
    scale = (_RADIUS - 12) / reach
    marks: list[Markup] = [
        element("circle", cx=_CENTRE, cy=_CENTRE, r=_RADIUS, class_="rule"),
        element("circle", cx=_CENTRE, cy=_CENTRE, r=_RADIUS / 2, class_="rule"),
        line(_CENTRE, _CENTRE - _RADIUS, _CENTRE, _CENTRE + _RADIUS, "rule"),
        line(_CENTRE - _RADIUS, _CENTRE, _CENTRE + _RADIUS, _CENTRE, "rule"),
        text(_CENTRE, _CENTRE - _RADIUS - 7, "ahead", anchor="middle", class_="dim"),
        _camera(_CENTRE, _CENTRE, 0.0, "frame-a"),
    ]
    for (name, motion, class_), length in zip(motions, lengths, strict=True):
        x, y = _CENTRE, _CENTRE
        if motion.offset is not None:
            unit = motion.offset / np.linalg.norm(motion.offset)
            x, y = _CENTRE + scale * length * float(unit[0]), _CENTRE - scale * length * float(unit[2])
            marks.append(line(_CENTRE, _CENTRE, x, y, f"arrow {class_}"))
        marks.append(
            element("g", element("title", _motion_words(name, motion)), _camera(x, y, motion.heading_deg, class_))
        )
    if pair.truth.length_m is not None:
        words = f"ring {_RADIUS / 2 / scale:.2g} m"
        marks.append(text(_SIDE - 4, _SIDE - 5, words, anchor="end", class_="dim small"))
    return drawing("True and predicted motion from above", _SIDE, _SIDE, marks, class_="square")


def _drawn_length(motion: Motion, truth: Motion) -> float:
    if motion.offset is None:
        return 0.0
    usual = truth.length_m or 1.0
    if truth.length_m is None or motion.length_m is None:
        return usual
    # An answer that is far too long would shrink the truth to a point.
    return min(motion.length_m, 3.0 * usual)


def _camera(x: float, y: float, heading_deg: float, class_: str) -> Markup:
    """A camera from above: a wedge that opens towards what it sees."""
    size, half = 17.0, math.radians(24.0)
    heading = math.radians(heading_deg)
    sides = [(x + size * math.sin(heading + turn), y - size * math.cos(heading + turn)) for turn in (-half, half)]
    return path([(x, y), *sides], f"camera {class_}", closed=True)


def _motion_words(name: str, motion: Motion) -> str:
    words = f"{name}: turned by {motion.rotation_deg:.1f}°, heading {motion.heading_deg:+z.1f}°"
    if motion.azimuth_deg is not None:
        words += f", moved towards {motion.azimuth_deg:+z.0f}° at elevation {motion.elevation_deg:+z.0f}°"
    return words if motion.length_m is None else f"{words} by {motion.length_m:.2f} m"


def spectra_plot(pair: PairView) -> Markup:
    """The direction spectra of both frames, each seen from its own camera, ahead at the top.

    Each is stretched to the whole radius. Without one the drawing is empty; the page says why.
    """
    marks: list[Markup] = [
        element("circle", cx=_CENTRE, cy=_CENTRE, r=_RADIUS * share, class_="rule") for share in (0.5, 1.0)
    ]
    for words, x, y, anchor in (
        ("ahead", _CENTRE, _CENTRE - _RADIUS - 7, "middle"),
        ("right", _CENTRE + _RADIUS + 3, _CENTRE + 4, "start"),
        ("left", _CENTRE - _RADIUS - 3, _CENTRE + 4, "end"),
        ("behind", _CENTRE, _CENTRE + _RADIUS + 15, "middle"),
    ):
        marks.append(text(x, y, words, anchor=anchor, class_="dim small"))
    for name, spectrum, class_ in (("frame a", pair.spectrum_a, "frame-a"), ("frame b", pair.spectrum_b, "frame-b")):
        if spectrum.azimuth is None:
            continue
        marks.append(
            path(_outline(spectrum.azimuth), f"spectrum {class_}", closed=True, title=spectrum_words(name, spectrum))
        )
        peak = _peak_deg(spectrum)
        if peak is not None:
            marks.append(line(*_polar(peak, 1.0), *_polar(peak, 1.09), f"peak {class_}"))
    return drawing("Direction spectra of the sound of both frames", _SIDE, _SIDE, marks, class_="square")


def spectrum_words(name: str, spectrum: DirectionSpectrum) -> str:
    """What a spectrum is and where its peak lies, or why there is none."""
    peak = _peak_deg(spectrum)
    return f"{name}: {'' if peak is None else f'peak at {peak:+z.0f}°, '}{spectrum.describe()}"


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
    return _CENTRE + _RADIUS * share * math.sin(turn), _CENTRE - _RADIUS * share * math.cos(turn)


def outline_plot(sound: ChannelSound, frame: str) -> Markup:
    """The outline of one channel over time."""
    width, height = 192.0, 30.0
    middle, step = height / 2, width / len(sound.low)
    top = [(step * (i + 0.5), middle - middle * float(value)) for i, value in enumerate(sound.high)]
    bottom = [(step * (i + 0.5), middle - middle * float(value)) for i, value in enumerate(sound.low)]
    points: Sequence[tuple[float, float]] = [*top, *reversed(bottom)]
    title = f"Sound of frame {frame}, channel {sound.channel}"
    return drawing(title, width, height, path(points, "wave", closed=True), class_="outline", stretched=True)
