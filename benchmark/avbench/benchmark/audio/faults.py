"""What is wrong with the channels of a clip: silent, dead, clipped, duplicated, swapped, not numbers.

Everything is judged from the sound alone. A channel is named by its number, counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.audio.grid import DirectionGrid
from avbench.benchmark.audio.spectra import frame_length, microphone_pairs, stft
from avbench.benchmark.audio.srp import SrpPlan, pair_correlations, plan_srp, steer

SILENCE_DBFS = -90.0
"""RMS below which there is no sound: the noise of the last bit of 16-bit sound is at -101 dBFS."""
NO_SIGNAL_DBFS = -200.0
DEAD_BELOW_LOUDEST_DB = 40.0
"""A capsule this far below the loudest of its array does not work: rooms and heads make 20 dB at most."""
CLIPPED_RUN = 3
"""Samples in a row at one and the same extreme value that count as clipped."""
CLIPPED_LEVEL = 0.5
"""Share of full scale that the extreme must reach: clipped sound may have been turned down since, not by much."""
DUPLICATE_RESIDUAL_DB = -60.0
"""A channel that another one explains to this residual is a copy: two capsules never agree so well."""


class FaultKind(StrEnum):
    """What can be wrong with a channel."""

    NOT_FINITE = "not_finite"  # NaN or infinite samples
    SILENT = "silent"  # the whole clip is below SILENCE_DBFS
    DEAD = "dead"  # constant, or far below the others
    CLIPPED = "clipped"  # runs of samples at the extreme value
    DUPLICATED = "duplicated"  # a copy of another channel, up to gain and sign
    SWAPPED = "swapped"  # delays fit the geometry better with two channels exchanged


UNUSABLE = frozenset({FaultKind.NOT_FINITE, FaultKind.SILENT, FaultKind.DEAD, FaultKind.DUPLICATED})
"""Faults that keep a channel out of a direction spectrum; a clipped channel still has its zero crossings."""


@dataclass(frozen=True)
class ChannelFault:
    """One thing that is wrong.

    Attributes:
        kind: What it is.
        channels: The channels concerned.
        detail: The measured figure, in words.
    """

    kind: FaultKind
    channels: tuple[int, ...]
    detail: str

    def __str__(self) -> str:
        names = ", ".join(str(channel) for channel in self.channels)
        return f"channel{'s' if len(self.channels) > 1 else ''} {names}: {self.kind.replace('_', ' ')} ({self.detail})"


@dataclass(frozen=True)
class ChannelReport:
    """Levels and faults of the channels of one clip.

    Attributes:
        level_dbfs: (channels,) RMS without the mean, dB against a full-scale constant; -200 where there is nothing.
        peak: (channels,) largest magnitude, 1 is full scale.
        faults: What is wrong, nothing twice.
    """

    level_dbfs: NDArray[np.float64]
    peak: NDArray[np.float64]
    faults: tuple[ChannelFault, ...]

    def usable(self) -> tuple[int, ...]:
        """Channels that a direction can be computed from."""
        bad = {channel for fault in self.faults if fault.kind in UNUSABLE for channel in fault.channels}
        return tuple(channel for channel in range(len(self.level_dbfs)) if channel not in bad)


def inspect_channels(samples: ArrayLike, *, one_point: bool = False) -> ChannelReport:
    """Judge the channels of sound, from the sound alone.

    Args:
        samples: (samples, channels), full scale 1; padding must be cut off first, it would be taken for pauses.
        one_point: The channels are components of the sound field in one point (ambisonics). Those of a single source
            are proportional, and one across it is silent: neither is a fault then.

    Raises:
        ValueError: `samples` does not have two dimensions.
    """
    if np.ndim(samples) != 2:
        raise ValueError(f"samples must have the shape (samples, channels), not {np.shape(samples)}")
    sound = np.ascontiguousarray(np.asarray(samples, dtype=np.float32).T)
    length = sound.shape[1]
    finite = np.isfinite(sound).all(axis=1)
    bad_samples = 0
    if not finite.all():
        bad_samples = int(np.count_nonzero(~np.isfinite(sound)))
        sound[~finite] = 0.0
    highest, lowest = sound.max(axis=1, initial=0.0), sound.min(axis=1, initial=0.0)
    peak = np.maximum(highest, -lowest).astype(np.float64)
    centred = sound - sound.mean(axis=1, dtype=np.float64, keepdims=True).astype(np.float32) if length else sound
    gram = (centred @ centred.T).astype(np.float64)
    power = np.diag(gram) / max(1, length)
    level = np.where(power > 1e-20, 10.0 * np.log10(np.maximum(power, 1e-20)), NO_SIGNAL_DBFS)

    faults: list[ChannelFault] = []
    broken = np.flatnonzero(~finite)
    if broken.size:
        detail = f"{bad_samples} samples are NaN or infinite"
        faults.append(ChannelFault(FaultKind.NOT_FINITE, _numbers(broken), detail))
    silent = finite & (level < SILENCE_DBFS)
    if finite.any() and silent[finite].all():
        loudest = float(level[finite].max())
        faults.append(ChannelFault(FaultKind.SILENT, _numbers(np.flatnonzero(silent)), f"{loudest:.0f} dBFS at most"))
    else:
        dead = finite & (silent | (level < level.max() - DEAD_BELOW_LOUDEST_DB)) & (not one_point)
        if dead.any():
            detail = f"{float(level.max() - level[dead].max()):.0f} dB or more below the loudest channel"
            faults.append(ChannelFault(FaultKind.DEAD, _numbers(np.flatnonzero(dead)), detail))
        live = np.flatnonzero(finite & ~dead)
        faults.extend(_clipped(sound, peak, live))
        if not one_point:
            faults.extend(_duplicated(centred, gram, live))
    return ChannelReport(level_dbfs=level, peak=peak, faults=tuple(faults))


def _numbers(indices: NDArray[np.intp]) -> tuple[int, ...]:
    return tuple(int(index) for index in indices)


def _clipped(sound: NDArray[np.float32], peak: NDArray[np.float64], live: NDArray[np.intp]) -> list[ChannelFault]:
    found = []
    for channel in live[peak[live] >= CLIPPED_LEVEL]:
        signal = sound[channel]
        # The two extremes differ where a signal is clipped with an offset, or by the one step of two's complement.
        runs = _samples_in_runs(signal == signal.max()) + _samples_in_runs(signal == signal.min())
        if runs:
            found.append(ChannelFault(FaultKind.CLIPPED, (int(channel),), f"{runs} samples at the extreme values"))
    return found


def _samples_in_runs(marked: NDArray[np.bool_]) -> int:
    """How many marked samples stand in runs of at least CLIPPED_RUN."""
    if np.count_nonzero(marked) < CLIPPED_RUN:
        return 0
    edges = np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8))
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return int(lengths[lengths >= CLIPPED_RUN].sum())


def _duplicated(centred: NDArray[np.float32], gram: NDArray[np.float64], live: NDArray[np.intp]) -> list[ChannelFault]:
    """Groups of channels that are copies of each other up to gain and sign."""
    if live.size < 2:
        return []
    norm = np.sqrt(np.diag(gram)[live])
    # 1 - correlation**2 is the share of power that the other channel does not explain.
    residual = 1.0 - (gram[np.ix_(live, live)] / (norm[:, None] * norm)) ** 2
    limit = 10.0 ** (DUPLICATE_RESIDUAL_DB / 10.0)
    # Single precision finds the few candidates, double precision decides.
    for row, column in np.argwhere(np.triu(residual < 1e3 * limit, k=1)):
        a, b = (centred[live[index]].astype(np.float64) for index in (row, column))
        residual[row, column] = residual[column, row] = 1.0 - (a @ b) ** 2 / ((a @ a) * (b @ b))
    copy = residual <= limit
    np.fill_diagonal(copy, val=True)
    found: list[ChannelFault] = []
    seen: set[int] = set()
    for row, channel in enumerate(live):
        group = _numbers(live[copy[row]])
        if len(group) > 1 and channel not in seen:
            found.append(ChannelFault(FaultKind.DUPLICATED, group, "equal up to gain and sign"))
            seen.update(group)
    return found


@dataclass(frozen=True)
class OrderCheck:
    """Whether the order of the channels fits the positions.

    Attributes:
        coherence: Mean peak of SRP-PHAT with the channels as they are.
        swap: The exchange of two channels that fits best.
        swapped_coherence: Mean peak with that exchange.
        fault: Said only where the exchange fits clearly better, else None.
    """

    coherence: float
    swap: tuple[int, int]
    swapped_coherence: float
    fault: ChannelFault | None


def check_channel_order(
    clips: Sequence[NDArray[np.float32]],
    positions_m: ArrayLike,
    sample_rate_hz: int,
    *,
    band_hz: tuple[float, float] = (500.0, 4000.0),
    frame_s: float = 0.064,
    gain: float = 1.15,
) -> OrderCheck | None:
    """Look for two exchanged channels: the delays of real sound then contradict the geometry.

    The peak of SRP-PHAT over all directions is averaged over the clips, with the channels as they are and with each
    two of them exchanged. An exchange that mirrors the array (left for right of a pair, or of a planar symmetric
    array) gives a mirrored world and fits as well: no sound can tell it, and nothing is said.

    Args:
        clips: Sounds (samples, channels) of one recording; a few with sound from different directions are best.
        positions_m: (channels, 3) microphone positions, metres.
        sample_rate_hz: Samples a second.
        band_hz: Lower and upper edge of the band that is looked at.
        frame_s: Frame length.
        gain: How many times higher the peak must be for an exchange to be believed.

    Returns:
        The check, or None where it says nothing: fewer than three channels, or no clip as long as a frame.
    """
    positions = np.asarray(positions_m, dtype=np.float64)
    channels = len(positions)
    n_fft = frame_length(sample_rate_hz, frame_s)
    long_enough = [clip for clip in clips if len(clip) >= n_fft]
    if channels < 3 or not long_enough:
        return None
    grid = DirectionGrid(36, (-60.0, -30.0, 0.0, 30.0, 60.0))
    plan = plan_srp(positions, grid.directions, sample_rate_hz=sample_rate_hz, n_fft=n_fft, bands_hz=(band_hz,))
    correlations = np.stack(
        [pair_correlations(stft(clip.T, n_fft, n_fft // 2, plan.bins), plan)[0] for clip in long_enough]
    )
    as_it_is = float(steer(correlations, plan).max(axis=-1).mean())
    best, best_swap = _best_exchange(correlations, plan, channels)
    fault = None
    if best > gain * max(as_it_is, 0.05):
        detail = f"coherence {best:.2f} with the two exchanged, {as_it_is:.2f} as they are"
        fault = ChannelFault(FaultKind.SWAPPED, best_swap, detail)
    return OrderCheck(coherence=as_it_is, swap=best_swap, swapped_coherence=best, fault=fault)


def _best_exchange(correlations: NDArray[np.float32], plan: SrpPlan, channels: int) -> tuple[float, tuple[int, int]]:
    """The highest mean peak with two channels exchanged, and which two.

    Args:
        correlations: Of all clips and microphone pairs, as `pair_correlations` gives them.
        plan: The plan they were made with.
        channels: Number of microphones.
    """
    first, second = microphone_pairs(channels)
    number = np.zeros((channels, channels), dtype=np.intp)
    number[first, second] = np.arange(len(first))
    order = np.arange(channels)
    best, best_swap = -np.inf, (0, 1)
    for i, j in zip(first, second, strict=True):
        swapped = order.copy()
        swapped[[i, j]] = swapped[[j, i]]
        m, n = swapped[first], swapped[second]
        # Where the exchange turns a pair round, its correlation is read backwards.
        turned = np.where(
            (m > n)[:, None],
            correlations[:, number[np.minimum(m, n), np.maximum(m, n)], ::-1],
            correlations[:, number[np.minimum(m, n), np.maximum(m, n)], :],
        )
        peak = float(steer(turned, plan).max(axis=-1).mean())
        if peak > best:
            best, best_swap = peak, (int(i), int(j))
    return best, best_swap
