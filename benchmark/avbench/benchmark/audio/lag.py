"""Two ears or two channels whose geometry is not known: a spectrum over the lag between them.

The lag tells on which cone around the interaural axis (the line from the left to the right channel) a sound lies, and
no more: front and back, up and down give the same lag. The azimuth spectra made here are therefore the same in front
and behind, which `features.Ambiguity` states. Which angle a lag means depends on the distance of
the channels; where that is not known a nominal one is assumed, which is stated too.

A positive lag means that the right channel hears the sound first: the sound is on the right, its azimuth positive.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.audio.spectra import SPEED_OF_SOUND_M_S, covariance, phat

NOMINAL_EAR_DISTANCE_M = 0.175
"""Diameter of the rigid sphere that stands for an average adult head: radius 87.5 mm (Hartley and Fry 1921)."""

NOMINAL_STEREO_DISTANCE_M = 0.06
"""Typical distance of the two microphones of an action camera or phone; only the scale of angles depends on it."""


def lag_spectrum(
    spectrum: NDArray[np.complex64],
    lag_s: ArrayLike,
    *,
    sample_rate_hz: int,
    n_fft: int,
    bins: tuple[int, int],
) -> NDArray[np.float32]:
    """GCC-PHAT of a left-right pair: (..., lags), 1 at most.

    Args:
        spectrum: (..., 2, bins, frames) short-time spectra of left and right, only `bins`.
        lag_s: (lags,) lags in seconds, positive where the right channel hears the sound first.
        sample_rate_hz: Samples a second.
        n_fft: Frame length in samples.
        bins: First and one past the last FFT bin in `spectrum`.

    Raises:
        ValueError: There are not two channels, or no bins.
    """
    if spectrum.shape[-3] != 2 or bins[0] >= bins[1]:
        raise ValueError(f"a lag spectrum needs two channels and a bin, not shape {spectrum.shape} and bins {bins}")
    cross = covariance(phat(spectrum))[..., 1, 0]
    phase = 2.0 * np.pi * sample_rate_hz / n_fft * np.arange(*bins)[:, None] * np.asarray(lag_s, dtype=np.float64)
    table = np.concatenate([np.cos(phase), np.sin(phase)]).astype(np.float32)
    parts = np.concatenate([cross.real, cross.imag], axis=-1)
    return np.asarray(parts @ table / np.float32(bins[1] - bins[0]), dtype=np.float32)


def free_field_lag_s(
    lateral_deg: ArrayLike, distance_m: float, speed_of_sound_m_s: float = SPEED_OF_SOUND_M_S
) -> NDArray[np.float64]:
    """Lags (...) of two open microphones for lateral angles (...) from -90 (left) to 90 (right): d sin(angle) / c."""
    return np.asarray(distance_m * np.sin(np.radians(lateral_deg)) / speed_of_sound_m_s)


def spherical_head_lag_s(
    lateral_deg: ArrayLike, distance_m: float, speed_of_sound_m_s: float = SPEED_OF_SOUND_M_S
) -> NDArray[np.float64]:
    """Lags (...) between the ears of a rigid spherical head for lateral angles (...): d (angle + sin(angle)) / 2c.

    Sound to the far ear goes round the head, which lengthens its way by up to 29 % (Woodworth 1938, high frequencies).
    """
    angle = np.radians(np.asarray(lateral_deg, dtype=np.float64))
    return np.asarray(distance_m / (2.0 * speed_of_sound_m_s) * (angle + np.sin(angle)))
