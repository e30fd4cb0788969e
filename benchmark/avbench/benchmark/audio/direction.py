"""What a direction spectrum is: its parameters, its result, and the reasons why there may be none."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.audio import lag
from avbench.benchmark.audio.faults import ChannelReport
from avbench.benchmark.audio.grid import DirectionGrid
from avbench.benchmark.audio.spectra import SPEED_OF_SOUND_M_S
from avbench.preprocessing.base.geometry import FloatArray

SMALLEST_EXTENT_M = 0.005
"""An array thinner than this along an axis tells nothing along it."""
SMALLEST_EXTENT_SHARE = 0.1
"""The same as a share of its longest extent."""


class Method(StrEnum):
    """How a direction spectrum is computed."""

    SRP_PHAT = "srp_phat"
    NORM_MUSIC = "norm_music"
    LAG = "lag"
    BEAM = "beam"


class SpectrumAxes(StrEnum):
    """What azimuth and elevation are counted from."""

    LEVEL = "level"  # gravity-aligned, the camera's heading is forward
    CAMERA = "camera"  # up is not known


class Ambiguity(StrEnum):
    """Which directions the array cannot tell apart."""

    NONE = "none"
    MIRROR = "mirror"  # a flat array: a direction and its mirror image in the array's plane
    CONE = "cone"  # two channels, or an array on a line: all directions at one angle to it, front and back among them


class NoSpectrum(StrEnum):
    """Why there is no direction spectrum."""

    NO_SOUND = "no_sound"
    ONE_CHANNEL = "one_channel"
    CHANNEL_COUNT = "channel_count"
    UNKNOWN_GEOMETRY = "unknown_geometry"
    COINCIDENT_MICROPHONES = "coincident_microphones"
    TOO_SHORT = "too_short"
    SAMPLE_RATE = "sample_rate"
    NOT_FINITE = "not_finite"
    SILENT = "silent"
    IDENTICAL_CHANNELS = "identical_channels"
    TOO_FEW_CHANNELS = "too_few_channels"


@dataclass(frozen=True)
class DirectionSettings:
    """Parameters of a direction spectrum; all of them are part of the key of a cached one.

    Attributes:
        grid: Directions.
        array_method: Method for microphones at known positions, SRP_PHAT or NORM_MUSIC.
        bands_hz: Lower and upper edge of each band; each band gets a map of its own.
        frame_s: Frame length of the short-time spectra.
        hop_share: Hop as a share of the frame.
        speed_of_sound_m_s: Speed of sound.
        music_sources: Sources that NormMUSIC assumes.
        ear_distance_m: Distance of binaural channels without positions.
        stereo_distance_m: Nominal distance of stereo channels without positions.
    """

    grid: DirectionGrid = field(default_factory=DirectionGrid)
    array_method: Method = Method.SRP_PHAT
    bands_hz: tuple[tuple[float, float], ...] = ((500.0, 4000.0),)
    frame_s: float = 0.064
    hop_share: float = 0.5
    speed_of_sound_m_s: float = SPEED_OF_SOUND_M_S
    music_sources: int = 1
    ear_distance_m: float = lag.NOMINAL_EAR_DISTANCE_M
    stereo_distance_m: float = lag.NOMINAL_STEREO_DISTANCE_M

    def __post_init__(self) -> None:
        if self.array_method not in (Method.SRP_PHAT, Method.NORM_MUSIC):
            raise ValueError(f"array_method must be srp_phat or norm_music, not {self.array_method}")
        if not self.bands_hz or any(not 0.0 < low < high for low, high in self.bands_hz):
            raise ValueError(f"bands_hz must be pairs of increasing frequencies above 0, not {self.bands_hz}")
        if not (self.frame_s > 0.0 and 0.0 < self.hop_share <= 1.0):
            raise ValueError(f"frame_s must be positive and hop_share in (0, 1], not {self.frame_s}, {self.hop_share}")


@dataclass(frozen=True)
class DirectionSpectrum:
    """Where the sound of a clip comes from, or why that cannot be said.

    Attributes:
        azimuth: (azimuths,) float32: the maximum over elevation of the mean map, or its row at the horizon where the
            array tells a CONE only (there the maximum over elevation would smear each cone over all its azimuths).
            Bin 0 ahead, running to the right. At most 1; how high the peak is tells how much of the sound is one clear
            direction. None without a spectrum.
        maps: (bands, elevations, azimuths) float32, or None.
        grid: The directions.
        axes: What azimuth is counted from.
        method: How it was computed, None without a spectrum.
        ambiguity: Which directions the array cannot tell apart.
        ambiguity_axis: (3,) in the axes of the grid: the line of a CONE or the normal of a MIRROR, else None.
        nominal_geometry: Whether a distance of the channels was assumed, so that only the order of angles is right.
        lag_s: (lags,) of a LAG spectrum, positive where the right channel hears first; else None.
        lag: (bands, lags) the lag spectrum itself, else None.
        channels: The channels it was computed from.
        report: Levels and faults of all channels, None where there is no sound.
        reason: Why there is no spectrum, None where there is one.
        detail: The same in words.
    """

    grid: DirectionGrid
    axes: SpectrumAxes
    azimuth: NDArray[np.float32] | None = None
    maps: NDArray[np.float32] | None = None
    method: Method | None = None
    ambiguity: Ambiguity = Ambiguity.NONE
    ambiguity_axis: FloatArray | None = None
    nominal_geometry: bool = False
    lag_s: FloatArray | None = None
    lag: NDArray[np.float32] | None = None
    channels: tuple[int, ...] = ()
    report: ChannelReport | None = None
    reason: NoSpectrum | None = None
    detail: str = ""

    def describe(self) -> str:
        """One line: what this is or why it is not, and what is wrong with the channels."""
        said = [] if self.report is None else [str(fault) for fault in self.report.faults]
        faults = "; ".join(line for line in said if line != self.detail)
        if self.reason is not None:
            line = f"no direction spectrum: {self.detail}"
        else:
            line = f"{self.method} of {len(self.channels)} channels in {self.axes} axes"
            line += {
                Ambiguity.NONE: "",
                Ambiguity.MIRROR: ", the two sides of the array's plane cannot be distinguished",
                Ambiguity.CONE: ", front and back cannot be distinguished",
            }[self.ambiguity]
            line += ", distance of the channels assumed" if self.nominal_geometry else ""
        return f"{line} [{faults}]" if faults else line


def array_ambiguity(positions_m: FloatArray) -> tuple[Ambiguity, FloatArray | None]:
    """What an array (channels, 3) cannot tell apart, and the axis of that in its own axes.

    Returns:
        NONE and None for an array that fills space; MIRROR and the normal of a flat one; CONE and the line of one on a
        line; CONE and None where all microphones are in one place.
    """
    centred = positions_m - positions_m.mean(axis=0)
    _, extent, axes = np.linalg.svd(centred, full_matrices=True)
    size = np.zeros(3)
    size[: len(extent)] = 2.0 * extent / np.sqrt(len(positions_m))
    wide = size > max(SMALLEST_EXTENT_M, SMALLEST_EXTENT_SHARE * size[0])
    if not wide[0]:
        return Ambiguity.CONE, None
    if not wide[1]:
        return Ambiguity.CONE, np.asarray(axes[0])
    if not wide[2]:
        return Ambiguity.MIRROR, np.asarray(axes[2])
    return Ambiguity.NONE, None


def unit_range(spectrum: NDArray[np.float32]) -> NDArray[np.float32]:
    """Spectra (..., bins) stretched to [0, 1], as the published model takes them; a flat one becomes zeros."""
    low = spectrum.min(axis=-1, keepdims=True)
    spread = spectrum.max(axis=-1, keepdims=True) - low
    return np.asarray(np.where(spread > 0.0, (spectrum - low) / np.where(spread > 0.0, spread, 1.0), 0.0), np.float32)
