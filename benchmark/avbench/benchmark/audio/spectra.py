"""Short-time spectra of multichannel sound, their PHAT weighting and cross-spectra.

Single precision throughout: the phases that matter are good to far better than the noise of any microphone, and it
halves the time. All functions take leading batch dimensions.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

SPEED_OF_SOUND_M_S = 343.0
"""Dry air at 20 degrees Celsius; 10 degrees more or less change it by 2 %."""


def frame_length(sample_rate_hz: int, frame_s: float) -> int:
    """Samples of a frame of about `frame_s` seconds: even and of a length that the FFT handles fast.

    Frames are fixed in seconds so that a spectrum looks alike whatever the sample rate of the sound.
    """
    wanted = max(8, round(sample_rate_hz * frame_s))
    return 2 * int(scipy.fft.next_fast_len((wanted + 1) // 2, real=True))


@lru_cache(maxsize=32)
def hann_window(length: int) -> NDArray[np.float32]:
    """(length,) periodic Hann window; read only."""
    window = (0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)).astype(np.float32)
    window.flags.writeable = False
    return window


def band_bins(sample_rate_hz: int, n_fft: int, low_hz: float, high_hz: float) -> tuple[int, int]:
    """First and one past the last FFT bin inside [low_hz, high_hz], without the bins of 0 Hz and of half the rate.

    The range is empty (first == last) where the sound holds nothing of the band.
    """
    width_hz = sample_rate_hz / n_fft
    first = max(1, int(np.ceil(low_hz / width_hz - 1e-9)))
    stop = min(n_fft // 2, int(np.floor(high_hz / width_hz + 1e-9)) + 1)
    return first, max(first, stop)


def stft(
    samples: NDArray[np.float32], n_fft: int, hop: int, bins: tuple[int, int] | None = None
) -> NDArray[np.complex64]:
    """Short-time Fourier transform of signals (..., n), Hann window, only frames that lie wholly inside.

    Args:
        samples: (..., n) real signals.
        n_fft: Frame length in samples.
        hop: Samples between the starts of frames.
        bins: First and one past the last bin to keep; all without it.

    Returns:
        (..., bins, frames) complex64. A signal shorter than a frame has no frames.
    """
    first, stop = bins if bins is not None else (0, n_fft // 2 + 1)
    if samples.shape[-1] < n_fft:
        return np.zeros((*samples.shape[:-1], stop - first, 0), dtype=np.complex64)
    frames = sliding_window_view(samples, n_fft, axis=-1)[..., ::hop, :]
    spectrum = scipy.fft.rfft(frames * hann_window(n_fft), axis=-1, overwrite_x=True)
    return np.swapaxes(spectrum[..., first:stop], -1, -2).astype(np.complex64, copy=False)


def phat(spectrum: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Keep the phase and set every magnitude to one (phase transform, Knapp and Carter 1976); zeros stay zero."""
    power = spectrum.real**2 + spectrum.imag**2
    # Below this a float32 square has lost its digits, and 24-bit sound its last bit.
    tiny = np.float32(1e-24)
    weight = np.where(power > tiny, 1.0 / np.sqrt(np.maximum(power, tiny)), 0.0)
    return np.asarray(spectrum * weight.astype(np.float32), dtype=np.complex64)


@lru_cache(maxsize=32)
def microphone_pairs(channels: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices (first, second) of all pairs of channels, each of shape (channels * (channels - 1) / 2,)."""
    pairs = np.array(list(combinations(range(channels), 2)), dtype=np.intp).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def covariance(spectrum: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Spatial covariance (..., bins, channels, channels) of spectra (..., channels, bins, frames), mean over frames.

    Element [m, n] is the mean of `X_m conj(X_n)`.
    """
    by_bin = np.moveaxis(spectrum, -3, -2)
    matrix = by_bin @ np.conj(np.swapaxes(by_bin, -1, -2))
    return np.asarray(matrix / np.float32(max(1, spectrum.shape[-1])), dtype=np.complex64)


def pair_cross_spectra(matrix: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Cross-spectra (..., pairs, bins) of covariances (..., bins, channels, channels)."""
    first, second = microphone_pairs(matrix.shape[-1])
    return np.asarray(np.swapaxes(matrix[..., first, second], -1, -2), dtype=np.complex64)
