"""The reverberant tail and the background: a diffuse field that stands in the room while the array moves through it.

The field is a few dozen plane waves from directions spread evenly over the sphere. Each carries, for every source, its
own decaying noise convolved with the source's signal, and its own share of the background noise. So microphones hear it
with the coherence of a diffuse field, and a turning or walking array hears it turn and pass, without a step anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.signal import lfilter

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.scene.seeds import Generator
from avbench.preprocessing.simulate.sound.early_sound import EARLY_END_S, EARLY_S, ArrayTrack, band_responses
from avbench.preprocessing.simulate.sound.moving_array import PLANE, add_waves, farrow
from avbench.preprocessing.simulate.sound.room_acoustics import SPEED_OF_SOUND_M_S, Images

DIRECTIONS = 32
_MATCHED_S = 0.020
"""The tail takes its level from the reflections of this long a stretch before it."""


@dataclass(frozen=True, eq=False)
class DiffuseField:
    """The directions and the impulse responses of a room's tail.

    Attributes:
        directions: (DIRECTIONS, 3) unit vectors to where the waves come from.
        centre_m: (3,) where delays are counted from.
        responses: For each source (DIRECTIONS, taps), the first tap `EARLY_S` after the sound is made.
    """

    directions: FloatArray
    centre_m: FloatArray
    responses: tuple[NDArray[np.float32], ...]


def draw_directions(rng: Generator) -> FloatArray:
    """Unit vectors (DIRECTIONS, 3), a Fibonacci lattice on the sphere in a random position."""
    number = np.arange(DIRECTIONS) + 0.5
    z = 1.0 - 2.0 * number / DIRECTIONS
    azimuth = np.pi * (1.0 + np.sqrt(5.0)) * number
    lattice = np.stack([np.sqrt(1 - z**2) * np.cos(azimuth), np.sqrt(1 - z**2) * np.sin(azimuth), z], axis=-1)
    turn, upper = np.linalg.qr(rng.standard_normal((3, 3)))
    return np.asarray(lattice @ (turn * np.sign(np.diag(upper))), dtype=np.float64)


def tail_response(rng: Generator, images: Images, rt60_s: FloatArray, sample_rate_hz: int) -> NDArray[np.float32]:
    """Draw the tails (DIRECTIONS, taps) of one source: noise that decays by 60 dB in `rt60_s` (bands,).

    The level in each band goes on where the reflections of the image method leave off.
    """
    energy = early_energy_per_s(images, rt60_s)
    taps = int(np.ceil((max(float(np.max(rt60_s)) - EARLY_S, 0.0) + 0.01) * sample_rate_hz))
    taps = scipy.fft.next_fast_len(taps, real=True)
    time = np.arange(taps) / sample_rate_hz
    noise = rng.standard_normal((DIRECTIONS, taps), dtype=np.float32)
    spectrum = scipy.fft.rfft(noise)
    response = np.zeros((DIRECTIONS, taps), dtype=np.float32)
    for band, filtered in enumerate(band_responses(taps, sample_rate_hz)):
        amplitude = np.sqrt(energy[band] / (sample_rate_hz * DIRECTIONS)) * 10.0 ** (-3.0 * time / rt60_s[band])
        response += scipy.fft.irfft(spectrum * filtered, taps) * amplitude.astype(np.float32)
    rise = np.clip(time / (EARLY_END_S - EARLY_S), 0.0, 1.0)
    response *= np.sin(0.5 * np.pi * rise).astype(np.float32)
    return response


def early_energy_per_s(images: Images, rt60_s: FloatArray) -> FloatArray:
    """Energy a second (bands,) that reflections bring at `EARLY_S`, judged from those just before it."""
    late = (images.delay_s > EARLY_S - _MATCHED_S) & (images.delay_s <= EARLY_S)
    amplitude = images.gain[late] / (images.delay_s[late, None] * SPEED_OF_SOUND_M_S)
    decay = 10.0 ** (6.0 * (images.delay_s[late, None] - EARLY_S) / rt60_s)
    return np.asarray(np.sum(np.square(amplitude) * decay, axis=0) / _MATCHED_S, dtype=np.float64)


def add_diffuse_sound(
    out: NDArray[np.float32],
    track: ArrayTrack,
    field: DiffuseField,
    signals: list[NDArray[np.float32]],
    signal_start_s: float,
    background: NDArray[np.float32],
) -> None:
    """Add the tails of all sources and the background noise to the sound of all microphones.

    Args:
        out: (channels, samples) what is added to.
        track: Where the microphones are.
        field: The tails.
        signals: The sources' signals; they begin long enough before the track for the tails.
        signal_start_s: Time of their first sample.
        background: (DIRECTIONS, N) noise of each direction, N as long as the signals.
    """
    rate = track.sample_rate_hz
    waves = background
    if signals:
        waves = _convolve(signals, field.responses, len(signals[0]))
        waves += background
    # A tail's first tap stands for EARLY_S; the background does not mind.
    origin = (track.start_s - signal_start_s - EARLY_S) * rate
    relative = track.mics_m - field.centre_m
    one = np.ones((1, 1), dtype=np.float32)
    for direction, wave in zip(field.directions, waves, strict=True):
        add_waves(
            out,
            farrow(wave[None]),
            origin,
            np.zeros((1, 3)),
            direction[None],
            one,
            np.zeros((1, 3)),
            relative,
            relative[:, 0],
            rate / SPEED_OF_SOUND_M_S,
            np.array([EARLY_S, EARLY_END_S]) * rate,
            PLANE,
            0.0,
        )


def background_noise(rng: Generator, samples: int, sample_rate_hz: int) -> NDArray[np.float32]:
    """Noise (DIRECTIONS, samples) like that of ventilation and distant traffic, of unit power over all directions.

    Its spectrum is flat up to 400 Hz and falls by 6 dB an octave above, down to a constant level.
    """
    white = rng.standard_normal((DIRECTIONS, samples), dtype=np.float32)
    pole = np.float32(np.exp(-2.0 * np.pi * 400.0 / sample_rate_hz))
    low = lfilter(np.array([1.0 - pole], np.float32), np.array([1.0, -pole], np.float32), white, axis=1)
    noise = low + np.float32(0.05) * white
    scaled: NDArray[np.float32] = (noise / np.sqrt(DIRECTIONS * np.mean(np.square(noise)))).astype(np.float32)
    return scaled


def _convolve(
    signals: list[NDArray[np.float32]], responses: tuple[NDArray[np.float32], ...], samples: int
) -> NDArray[np.float32]:
    """Sum over sources of signal (samples,) * response (DIRECTIONS, taps), cut to `samples`; overlap-add."""
    taps = max(response.shape[1] for response in responses)
    length = 1 << int(np.ceil(np.log2(2 * taps)))
    hop = length - taps + 1
    blocks = -(-samples // hop)
    spectra = []
    for signal in signals:
        padded = np.zeros(blocks * hop, dtype=np.float32)
        padded[:samples] = signal
        spectra.append(scipy.fft.rfft(padded.reshape(blocks, hop), length))
    result = np.zeros((DIRECTIONS, blocks * hop + length), dtype=np.float32)
    for direction in range(DIRECTIONS):
        product = np.zeros_like(spectra[0])
        for spectrum, response in zip(spectra, responses, strict=True):
            product += spectrum * scipy.fft.rfft(response[direction], length)
        pieces = scipy.fft.irfft(product, length)
        for block in range(blocks):
            result[direction, block * hop : block * hop + length] += pieces[block]
    return result[:, :samples]
