"""MUSIC normalised per frequency (NormMUSIC; Salvati et al. 2014): the direction feature of the published pose model.

In each frequency bin the spatial covariance is split into the sources' subspace and the noise subspace; a direction
whose steering vector is nearly orthogonal to the noise scores high. Each bin's pseudo-spectrum is divided by its own
maximum before the mean over bins: without that, a few bins with extreme peaks decide everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.audio.spectra import SPEED_OF_SOUND_M_S, band_bins, covariance

_SMALLEST_DISTANCE = 1e-6
"""Share of a steering vector outside the source subspace below which single precision holds no information."""


@dataclass(frozen=True)
class MusicPlan:
    """All that depends on geometry and settings and not on the sound.

    Attributes:
        bins: First and one past the last FFT bin used.
        steering: (bins, channels, directions) complex64 unit-magnitude steering vectors.
    """

    bins: tuple[int, int]
    steering: NDArray[np.complex64]

    @property
    def nbytes(self) -> int:
        """Memory that the plan holds, bytes."""
        return int(self.steering.nbytes)


def plan_music(
    positions_m: ArrayLike,
    directions: ArrayLike,
    *,
    sample_rate_hz: int,
    n_fft: int,
    band_hz: tuple[float, float],
    speed_of_sound_m_s: float = SPEED_OF_SOUND_M_S,
) -> MusicPlan:
    """Prepare NormMUSIC for an array and a set of directions.

    Args:
        positions_m: (channels, 3) microphone positions, metres.
        directions: (directions, 3) unit vectors towards the sound, in the same axes.
        sample_rate_hz: Samples a second.
        n_fft: Frame length in samples.
        band_hz: Lower and upper edge of the band.
        speed_of_sound_m_s: Speed of sound.

    Raises:
        ValueError: Fewer than two microphones, or a band without a bin.
    """
    positions = np.asarray(positions_m, dtype=np.float64)
    if len(positions) < 2:
        raise ValueError(f"MUSIC needs two microphones or more, not {len(positions)}")
    bins = band_bins(sample_rate_hz, n_fft, *band_hz)
    if bins[0] == bins[1]:
        raise ValueError(f"no FFT bin between {band_hz[0]} and {band_hz[1]} Hz at {sample_rate_hz} Hz")
    omega = 2.0 * np.pi * sample_rate_hz / n_fft * np.arange(*bins)
    arrival_s = positions @ np.asarray(directions, dtype=np.float64).T / speed_of_sound_m_s
    phase = (omega[:, None, None] * arrival_s).astype(np.float32)
    steering = np.empty(phase.shape, dtype=np.complex64)
    # Real cosines and sines are vectorised, the complex exponential is not: five times faster.
    steering.real = np.cos(phase)
    steering.imag = np.sin(phase)
    return MusicPlan(bins=bins, steering=steering)


def norm_music(spectrum: NDArray[np.complex64], plan: MusicPlan, *, sources: int = 1) -> NDArray[np.float32]:
    """NormMUSIC pseudo-spectra (..., directions), between 0 and 1.

    Args:
        spectrum: (..., channels, bins, frames) short-time spectra, the plan's bins only.
        plan: The plan.
        sources: Dimension of the source subspace, smaller than the number of channels.

    Raises:
        ValueError: Channels or bins are not those of the plan, or there are too many sources.
    """
    bins, channels, directions = plan.steering.shape
    if spectrum.shape[-3:-1] != (channels, bins):
        raise ValueError(f"spectrum has (channels, bins) {spectrum.shape[-3:-1]}, the plan is for {(channels, bins)}")
    if not 0 < sources < channels:
        raise ValueError(f"the number of sources must lie between 1 and {channels - 1}, not {sources}")
    signal = source_subspace(covariance(spectrum), sources)
    batch = signal.reshape(-1, bins, channels, sources)
    out = np.empty((len(batch), directions), dtype=np.float32)
    # One clip at a time: the steering table is the large operand, and the intermediate (bins, directions) stays small.
    for index, basis in enumerate(batch):
        projected = np.conj(np.swapaxes(basis, -1, -2)) @ plan.steering
        inside = np.sum(projected.real**2 + projected.imag**2, axis=-2)
        outside = np.maximum(channels - inside, channels * np.float32(_SMALLEST_DISTANCE))
        # The maximum of 1 / outside is one over its minimum.
        out[index] = np.mean(outside.min(axis=-1, keepdims=True) / outside, axis=0)
    return out.reshape(*spectrum.shape[:-3], directions)


def source_subspace(matrix: NDArray[np.complex64], sources: int) -> NDArray[np.complex64]:
    """Orthonormal bases (..., channels, sources) of the strongest parts of covariances (..., channels, channels)."""
    # Scaled to a trace of one, faint sound (1e-6 squared) keeps its digits.
    trace = np.trace(matrix, axis1=-2, axis2=-1).real[..., None, None]
    scaled = matrix / np.maximum(trace, np.finfo(np.float32).tiny)
    _, vectors = np.linalg.eigh(scaled)
    return np.asarray(vectors[..., -sources:], dtype=np.complex64)
