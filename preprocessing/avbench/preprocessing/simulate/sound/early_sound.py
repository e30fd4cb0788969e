"""Direct sound and early reflections at a moving array: the image method with continuously varying delays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.scene.scene import BANDS_HZ, Source
from avbench.preprocessing.simulate.sound.moving_array import (
    HALF_TAPS,
    HEAD_HIGH,
    HEAD_LOW,
    KNOT,
    POINT,
    add_waves,
    farrow,
)
from avbench.preprocessing.simulate.sound.room_acoustics import SPEED_OF_SOUND_M_S, Images

EARLY_S = 0.050
"""Up to this delay every reflection is rendered at its place."""

EARLY_END_S = 0.056
"""From `EARLY_S` to here reflections fade out, and the tail fades in."""

_CROSSOVER_OCTAVES = 1.0 / 3.0


@dataclass(frozen=True, eq=False)
class ArrayTrack:
    """Where the microphones are while a stretch of sound is recorded.

    Attributes:
        start_s: Time of the first sample.
        samples: Number of samples, a multiple of `KNOT`.
        sample_rate_hz: Samples a second.
        mics_m: (samples / KNOT + 1, channels, 3) in world axes, every KNOT samples.
        head_m: (samples / KNOT + 1, 3) centre of the head, None without one.
        head_radius_m: Its radius.
    """

    start_s: float
    samples: int
    sample_rate_hz: int
    mics_m: FloatArray
    head_m: FloatArray | None = None
    head_radius_m: float = 0.0


def band_responses(samples: int, sample_rate_hz: int) -> NDArray[np.float32]:
    """Responses (bands, samples // 2 + 1) that split a signal into octave bands without delay; they add up to 1.

    Neighbours cross over within a third of an octave. The top band ends just below half the sample rate.
    """
    frequency = np.fft.rfftfreq(samples, 1.0 / sample_rate_hz)
    with np.errstate(divide="ignore"):
        octave = np.log2(frequency)
    below = [_low_pass(octave, np.log2(centre * np.sqrt(2.0)), _CROSSOVER_OCTAVES) for centre in BANDS_HZ[:-1]]
    below.append(_low_pass(octave, np.log2(0.475 * sample_rate_hz), 0.09))
    responses: NDArray[np.float32] = np.diff(np.array(below), axis=0, prepend=0.0).astype(np.float32)
    return responses


def split_bands(signal: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """Octave bands (bands, samples) of a signal (samples,)."""
    padded = scipy.fft.next_fast_len(len(signal), real=True)
    spectrum = scipy.fft.rfft(signal, padded)
    bands = scipy.fft.irfft(spectrum * band_responses(padded, sample_rate_hz), padded)
    split: NDArray[np.float32] = np.ascontiguousarray(bands[:, : len(signal)], dtype=np.float32)
    return split


def add_early_sound(
    out: NDArray[np.float32],
    track: ArrayTrack,
    source: Source,
    signal: NDArray[np.float32],
    signal_start_s: float,
    images: Images,
) -> None:
    """Add what a source sends directly and over early reflections to the sound of all microphones.

    Args:
        out: (channels, samples) what is added to.
        track: Where the microphones are.
        source: Where the source is.
        signal: Its signal, as it sounds at 1 m; it must begin `EARLY_END_S` and a little before the track and end a
            little after it.
        signal_start_s: Time of the signal's first sample.
        images: From `find_images`.
    """
    rate = track.sample_rate_hz
    lead_knots = int(np.ceil(EARLY_END_S * rate / KNOT)) + 8 if source.moves else 0
    knots = np.arange(-lead_knots, len(track.mics_m)) if source.moves else np.zeros(1)
    place = source.position_m(track.start_s + knots * (KNOT / rate))
    origin = (track.start_s - signal_start_s) * rate
    fade = np.array([EARLY_S, EARLY_END_S]) * rate
    no_head = track.mics_m[:, 0]
    parts = [(signal, POINT)] if track.head_m is None else _head_parts(signal, rate, track.head_radius_m)
    for part, model in parts:
        add_waves(
            out,
            farrow(split_bands(part, rate)),
            origin,
            images.sign,
            images.offset_m,
            images.gain.astype(np.float32),
            place,
            track.mics_m,
            no_head if track.head_m is None else track.head_m,
            rate / SPEED_OF_SOUND_M_S,
            fade,
            model,
            track.head_radius_m,
        )


def signal_margin_s(sample_rate_hz: int) -> float:
    """How much longer than the track a signal must be on both sides, beyond the delays."""
    return (4.0 * HALF_TAPS + KNOT) / sample_rate_hz


def _head_parts(
    signal: NDArray[np.float32], sample_rate_hz: int, head_radius_m: float
) -> list[tuple[NDArray[np.float32], int]]:
    """A signal as the part a head does not shade and the part it does: they cross over at c / (pi radius)."""
    padded = scipy.fft.next_fast_len(len(signal) + sample_rate_hz // 50, real=True)
    angular = 2.0 * np.pi * np.fft.rfftfreq(padded, 1.0 / sample_rate_hz)
    low = 1.0 / (1.0 + 0.5j * angular * head_radius_m / SPEED_OF_SOUND_M_S)
    unshaded = scipy.fft.irfft(scipy.fft.rfft(signal, padded) * low.astype(np.complex64), padded)[: len(signal)]
    unshaded = unshaded.astype(np.float32)
    return [(unshaded, HEAD_LOW), (signal - unshaded, HEAD_HIGH)]


def _low_pass(octave: FloatArray, edge: float, width: float) -> FloatArray:
    position = np.clip((octave - edge) / width + 0.5, 0.0, 1.0)
    return np.asarray(np.square(np.cos(0.5 * np.pi * position)), dtype=np.float64)
