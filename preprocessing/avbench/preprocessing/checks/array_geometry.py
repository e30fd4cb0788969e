"""Positions of microphones that can be those of an array, and sound that can have reached them.

Numbers in another unit than metres are the most frequent mistake in a rig, and the least visible one: every direction
that is computed from them is wrong, and none looks so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import FloatArray

SoundWindow: TypeAlias = NDArray[np.float32]
"""A stretch of a recording's sound, (samples, channels) in [-1, 1]."""

MAX_APERTURE_M = 1.0
"""Two microphones of a rig are further apart than this only if the rig says that its array is large."""
MAX_FROM_CAMERA_M = 2.0
"""The same for their distance from the camera."""
MIN_APERTURE_M = 0.001
"""An array in less space than this is one point for sound."""

_MAX_LARGE_M = 100.0
_LARGEST_NUMBER_M = 1e6
_SPEED_OF_SOUND_M_S = 343.0
_BAND_HZ = (300.0, 6000.0)
_MOST_MICROPHONES = 5
_LEAST_WINDOWS = 4
_LEAST_COHERENCE = 6.0  # peak of a whitened correlation over the root of its mean square without a common sound
_LEAST_DELAY_SAMPLES = 4.0  # across the array; less is too coarse to fit
_THIN_SHARE = 0.2  # an array thinner than this share of its length tells nothing of that direction
_LEAST_SLOWNESS = {2: 0.12, 3: 0.4}  # over that of sound; a flat array hears 0 from ahead, one with depth never does
_HEAD_FACTOR = 1.6  # around a head sound takes this much longer than straight through it


@dataclass(frozen=True)
class Implausible:
    """Why positions cannot be those of an array, in the words of an `InputError`."""

    found: str
    expected: str
    hint: str


def aperture_m(positions_m: FloatArray) -> float:
    """Largest distance between two of the positions (channels, 3)."""
    return float(_distances_m(positions_m).max())


def implausible_positions(positions_m: FloatArray, *, is_large: bool) -> Implausible | None:
    """What is wrong with positions (channels, 3) in metres and camera axes, None if nothing is.

    Args:
        positions_m: The positions.
        is_large: Whether the rig says that its array is large.
    """
    largest = float(np.abs(positions_m).max())
    if not largest <= _LARGEST_NUMBER_M:  # not a number either
        return Implausible(f"a position of {largest:g} m", "metres in camera axes", "check the unit")
    widest, farthest = aperture_m(positions_m), float(np.linalg.norm(positions_m, axis=1).max())
    count = len(positions_m)
    if count > 1 and widest < MIN_APERTURE_M:
        found = f"{count} positions that are all zero" if farthest == 0.0 else f"{count} positions in one place"
        return Implausible(
            found,
            "the place of each microphone in metres",
            "take positions_m out where the places are not known" + (", or check the unit" if widest else ""),
        )
    if is_large:
        if farthest <= _MAX_LARGE_M:
            return None
        return Implausible(f"a microphone {farthest:.4g} m from the camera", f"{_MAX_LARGE_M:g} m at most", "")
    if widest <= MAX_APERTURE_M and farthest <= MAX_FROM_CAMERA_M:
        return None
    length = widest if widest > MAX_APERTURE_M else farthest
    found = f"microphones {widest:.4g} m apart" if widest > MAX_APERTURE_M else f"one {farthest:.4g} m from the camera"
    units = [
        f"{name} ({unit * length:.3g} m): microphones.metres_per_unit = {unit:g}"
        for name, unit in (("centimetres", 0.01), ("millimetres", 0.001))
        if 0.01 <= unit * length <= MAX_APERTURE_M
    ]
    way = f"if the numbers are {' or '.join(units)}; " if units else ""
    return Implausible(
        found,
        f"{MAX_APERTURE_M:g} m apart and {MAX_FROM_CAMERA_M:g} m from the camera at most",
        f"{way}if the array is that large: microphones.large_array = true",
    )


def doubled_positions(positions_m: FloatArray) -> list[tuple[int, int]]:
    """Pairs of channels whose positions (channels, 3) are the same, counted from 1."""
    rows, columns = np.nonzero(np.triu(_distances_m(positions_m) < MIN_APERTURE_M, k=1))
    return [(int(row) + 1, int(column) + 1) for row, column in zip(rows, columns, strict=True)]


def _distances_m(positions_m: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(positions_m[:, None] - positions_m[None], axis=-1), dtype=np.float64)


def array_delay_doubt(windows: Sequence[SoundWindow], sample_rate_hz: int, positions_m: FloatArray) -> str | None:
    """What speaks against the positions of an array, from the delays between its channels; None if nothing does.

    Asked is whether they are much shorter or longer than the positions allow, in windows in which the channels share a
    sound. On a line of microphones, two among them, all delays vanish when the sound comes from abreast, so that there
    only too long ones speak. Channels in a wrong order are not noticed: in a room the delays fit them too well.

    Args:
        windows: Windows (samples, channels).
        sample_rate_hz: Samples a second.
        positions_m: (channels, 3), at least two different ones.
    """
    chosen = _spread(positions_m)
    steps_s = (positions_m[chosen[1:]] - positions_m[chosen[0]]) / _SPEED_OF_SOUND_M_S
    longest_s = np.linalg.norm(steps_s, axis=1)
    heard = [_delays_s(window[:, chosen], sample_rate_hz, float(longest_s.max())) for window in windows]
    delays = np.array([delay for delay in heard if delay is not None])
    if len(delays) < _LEAST_WINDOWS:
        return None
    far = float(longest_s.max()) * _SPEED_OF_SOUND_M_S
    too_long = (np.abs(delays) > _HEAD_FACTOR * longest_s + 2.0 / sample_rate_hz).any(axis=1)
    if too_long.mean() > 0.5:
        most_ms = 1e3 * float(np.median(np.abs(delays).max(axis=1)))
        return (
            f"delays of {most_ms:.2g} ms between its channels are longer than microphones {far:.3g} m apart allow: "
            "check the unit of microphones.positions_m, and that all channels are of one array"
        )
    strength = np.linalg.svd(steps_s, compute_uv=False)
    rank = int((strength > _THIN_SHARE * strength[0]).sum())
    if rank < 2 or longest_s.max() * sample_rate_hz < _LEAST_DELAY_SAMPLES:
        return None
    # A delay is the step along the direction of the sound, whose slowness is 1 (in units of sound) if all is well.
    slowness = delays @ np.linalg.pinv(steps_s, rcond=_THIN_SHARE).T
    largest = float(np.quantile(np.linalg.norm(slowness, axis=1), 0.75))
    if largest < _LEAST_SLOWNESS[rank]:
        return (
            f"the delays between its channels are about {1.0 / max(largest, 1e-3):.0f} times shorter than those of "
            f"microphones {far:.3g} m apart: check the unit of microphones.positions_m"
        )
    return None


def _spread(positions_m: FloatArray) -> list[int]:
    """A few channels that span the array: the two farthest apart, then each time the one farthest from all chosen."""
    distance = _distances_m(positions_m)
    first, second = np.unravel_index(int(np.argmax(distance)), distance.shape)
    chosen = [int(first), int(second)]
    while len(chosen) < min(_MOST_MICROPHONES, len(positions_m)):
        chosen.append(int(np.argmax(distance[chosen].min(axis=0))))
    return chosen


def _delays_s(window: SoundWindow, sample_rate_hz: int, longest_s: float) -> FloatArray | None:
    """How much earlier each other channel hears than the first, (channels - 1,); None where they share no sound.

    Peaks of the correlation whitened over the band (GCC-PHAT, Knapp and Carter 1976).
    """
    samples = len(window)
    reach = min(samples // 4, int(max(0.02, 2.0 * longest_s) * sample_rate_hz))
    spectrum = np.fft.rfft(np.ascontiguousarray(window.T)).T
    frequency = np.fft.rfftfreq(samples, 1.0 / sample_rate_hz)
    inside = (frequency >= _BAND_HZ[0]) & (frequency < min(_BAND_HZ[1], 0.45 * sample_rate_hz))
    if not inside.any() or reach < 1:
        return None
    spectrum = spectrum * inside[:, None]
    level = np.abs(spectrum)
    if (level.max(axis=0) < 1e-6).any():
        return None
    white = spectrum / np.maximum(level, 1e-12)
    correlation = np.fft.irfft(np.ascontiguousarray((white[:, 1:] * np.conj(white[:, :1])).T), samples).T
    near = np.concatenate([correlation[-reach:], correlation[: reach + 1]])
    peak = near.argmax(axis=0)
    bins = int(inside.sum())
    coherence = near.max(axis=0) * samples / (2.0 * bins) * np.sqrt(bins)
    if np.median(coherence) < _LEAST_COHERENCE:
        return None
    # A channel that hears later has its peak at a positive lag.
    return np.asarray((reach - peak) / sample_rate_hz, dtype=np.float64)
