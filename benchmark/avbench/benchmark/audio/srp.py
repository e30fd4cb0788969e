"""Steered response power with phase transform (SRP-PHAT; DiBiase 2000), for any array of two and more microphones.

For a plane wave from direction u, microphone m at r_m hears the source earlier by `u . r_m / c`. The map is

    P(u) = mean over pairs (m, n) and bins k of  Re( C_mn(k) exp(-i w_k (u . r_m - u . r_n) / c) )

where C_mn is the mean over frames of the cross-spectrum of unit-magnitude spectra: 1 is a single plane wave from u, 0
is nothing in common. A direction enters only through one lag per pair, so each pair's cross-correlation is evaluated
once, at the lags that are physically possible, and a sparse matrix interpolates from those to all directions. The usual
form steers every bin of every pair to every direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.audio.spectra import (
    SPEED_OF_SOUND_M_S,
    band_bins,
    covariance,
    microphone_pairs,
    pair_cross_spectra,
    phat,
)

LAGS_PER_PERIOD = 24
"""Lag steps in one period of the highest frequency: linear interpolation between them is then right to 1 %."""


@dataclass(frozen=True)
class SrpPlan:
    """All that depends on geometry and settings and not on the sound.

    Attributes:
        channels: Number of microphones.
        bins: First and one past the last FFT bin that is used by any band.
        band_bins: The same for each band, counted from `bins[0]`.
        lag_s: (lags,) lags at which cross-correlations are evaluated, seconds.
        lag_table: (2 * bins, lags) float32: cosines over sines that turn [real, imaginary] cross-spectra to lags.
        interpolation: (directions, pairs * lags) sparse float32.
    """

    channels: int
    bins: tuple[int, int]
    band_bins: tuple[tuple[int, int], ...]
    lag_s: NDArray[np.float64]
    lag_table: NDArray[np.float32]
    interpolation: scipy.sparse.csr_array

    @property
    def nbytes(self) -> int:
        """Memory that the plan holds, bytes."""
        matrix = self.interpolation
        return int(self.lag_table.nbytes + matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes)


def plan_srp(
    positions_m: ArrayLike,
    directions: ArrayLike,
    *,
    sample_rate_hz: int,
    n_fft: int,
    bands_hz: tuple[tuple[float, float], ...],
    speed_of_sound_m_s: float = SPEED_OF_SOUND_M_S,
) -> SrpPlan:
    """Prepare SRP-PHAT for an array and a set of directions.

    Args:
        positions_m: (channels, 3) microphone positions, metres.
        directions: (directions, 3) unit vectors towards the sound, in the same axes.
        sample_rate_hz: Samples a second.
        n_fft: Frame length in samples.
        bands_hz: Lower and upper edge of each band; each gets a map of its own.
        speed_of_sound_m_s: Speed of sound.

    Raises:
        ValueError: Fewer than two microphones, or a band without a bin.
    """
    positions = np.asarray(positions_m, dtype=np.float64)
    channels = len(positions)
    if channels < 2:
        raise ValueError(f"SRP-PHAT needs two microphones or more, not {channels}")
    ranges = [band_bins(sample_rate_hz, n_fft, low, high) for low, high in bands_hz]
    for (low, high), (first, stop) in zip(bands_hz, ranges, strict=True):
        if first == stop:
            raise ValueError(f"no FFT bin between {low} and {high} Hz at {sample_rate_hz} Hz and {n_fft} samples")
    start, end = min(first for first, _ in ranges), max(stop for _, stop in ranges)

    first_mic, second_mic = microphone_pairs(channels)
    baseline_s = np.linalg.norm(positions[first_mic] - positions[second_mic], axis=-1) / speed_of_sound_m_s

    omega = 2.0 * np.pi * sample_rate_hz / n_fft * np.arange(start, end)
    step_s = 2.0 * np.pi / (LAGS_PER_PERIOD * omega[-1])
    # One step of margin holds the neighbour of a sound that comes exactly along the longest pair.
    half = int(np.ceil(baseline_s.max() / step_s)) + 1
    lag_s = np.arange(-half, half + 1) * step_s
    phase = omega[:, None] * lag_s
    table = np.concatenate([np.cos(phase), np.sin(phase)]).astype(np.float32)
    baseline_steps = (positions[first_mic] - positions[second_mic]).T / (speed_of_sound_m_s * step_s)
    position = np.asarray(directions, dtype=np.float32) @ baseline_steps.astype(np.float32) + np.float32(half)
    return SrpPlan(
        channels=channels,
        bins=(start, end),
        band_bins=tuple((first - start, stop - start) for first, stop in ranges),
        lag_s=lag_s,
        lag_table=table,
        interpolation=_interpolation(position, len(lag_s)),
    )


def _interpolation(position: NDArray[np.float32], lags: int) -> scipy.sparse.csr_array:
    """Linear interpolation from (pairs * lags,) to fractional positions (directions, pairs), mean over pairs."""
    directions, pairs = position.shape
    below = np.floor(position)
    columns = np.empty((directions, pairs, 2), dtype=np.int32)
    columns[..., 0] = below + np.arange(0, pairs * lags, lags, dtype=np.float32)
    columns[..., 1] = columns[..., 0] + 1
    weights = np.empty((directions, pairs, 2), dtype=np.float32)
    weights[..., 1] = (position - below) / np.float32(pairs)
    weights[..., 0] = np.float32(1.0 / pairs) - weights[..., 1]
    row_starts = np.arange(0, 2 * pairs * directions + 1, 2 * pairs, dtype=np.int32)
    return scipy.sparse.csr_array(
        (weights.reshape(-1), columns.reshape(-1), row_starts), shape=(directions, pairs * lags)
    )


def pair_correlations(spectrum: NDArray[np.complex64], plan: SrpPlan) -> NDArray[np.float32]:
    """GCC-PHAT of all pairs at the plan's lags: (..., bands, pairs, lags), each 1 at most.

    Args:
        spectrum: (..., channels, bins, frames) short-time spectra, the plan's bins only.
        plan: The plan.

    Raises:
        ValueError: Channels or bins are not those of the plan.
    """
    expected = (plan.channels, plan.bins[1] - plan.bins[0])
    if spectrum.shape[-3:-1] != expected:
        raise ValueError(f"spectrum has (channels, bins) {spectrum.shape[-3:-1]}, the plan is for {expected}")
    cross = pair_cross_spectra(covariance(phat(spectrum)))
    bins = expected[1]
    maps = []
    for first, stop in plan.band_bins:
        part = np.concatenate([cross[..., first:stop].real, cross[..., first:stop].imag], axis=-1)
        table = np.concatenate([plan.lag_table[first:stop], plan.lag_table[bins + first : bins + stop]])
        maps.append(part @ table / np.float32(stop - first))
    return np.stack(maps, axis=-3)


def steer(correlations: NDArray[np.float32], plan: SrpPlan) -> NDArray[np.float32]:
    """Maps (..., directions) of pair correlations (..., pairs, lags)."""
    flat = correlations.reshape(-1, correlations.shape[-2] * correlations.shape[-1])
    maps = (plan.interpolation @ flat.T).T
    return np.asarray(maps.reshape(*correlations.shape[:-2], -1), dtype=np.float32)


def srp_phat(spectrum: NDArray[np.complex64], plan: SrpPlan) -> NDArray[np.float32]:
    """SRP-PHAT maps (..., bands, directions), between -1 and 1, of spectra (..., channels, bins, frames).

    Raises:
        ValueError: Channels or bins are not those of the plan.
    """
    return steer(pair_correlations(spectrum, plan), plan)
