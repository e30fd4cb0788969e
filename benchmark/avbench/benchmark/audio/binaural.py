"""What two ears hear: level, level difference and phase difference of a left-right pair, and front against back.

The pair is found from the geometry of the array, never from fixed channel numbers. Left and right alone tell nothing of
front and back, and so next to nothing of how a head turned; where the array has microphones one behind the other, their
forward and backward cardioids are compared as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.audio.ambisonic import camera_components
from avbench.benchmark.audio.faults import inspect_channels
from avbench.benchmark.audio.spectra import SPEED_OF_SOUND_M_S, frame_length, stft
from avbench.benchmark.data.pair import SoundClip
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.recording import ArrayKind

SMALLEST_PAIR_M = 0.02
"""A pair closer than this has no level and hardly a phase difference below 2 kHz."""
STEEPEST_PAIR = 0.5
"""Largest part of a pair's distance across its axis, as a share of the distance along it."""

CHANNELS = (
    "log_mel_left",
    "log_mel_right",
    "level_difference",
    "phase_cosine",
    "phase_sine",
    "front_back_left",
    "front_back_right",
)
"""Rows of `BinauralFeatures.values`; logarithms are natural and of power."""


class NoBinaural(StrEnum):
    """Why there are no binaural features."""

    NO_SOUND = "no_sound"
    ONE_CHANNEL = "one_channel"
    UNKNOWN_GEOMETRY = "unknown_geometry"
    UNUSABLE_CHANNELS = "unusable_channels"
    NO_LEFT_RIGHT_PAIR = "no_left_right_pair"
    TOO_SHORT = "too_short"


@dataclass(frozen=True)
class Pair:
    """Two channels and their distance."""

    first: int
    second: int
    distance_m: float


@dataclass(frozen=True)
class EarLayout:
    """Which channels serve as ears.

    Attributes:
        left_right: First is left, second is right.
        front_back_left: First is in front, second behind, on the left side; None where the array has no such pair.
        front_back_right: The same on the right side. An array with one such pair in the middle has it on both sides.
    """

    left_right: Pair
    front_back_left: Pair | None
    front_back_right: Pair | None


def find_left_right(positions_m: ArrayLike, usable: tuple[int, ...] | None = None) -> Pair | None:
    """The left-right pair of an array: farthest apart along camera x, and level with each other.

    Args:
        positions_m: (channels, 3) positions in camera axes; NaN where a channel has none.
        usable: Channels that may be chosen, all without it.

    Returns:
        The pair, or None where no two channels are at least 2 cm apart mainly along x.
    """
    return _widest(np.asarray(positions_m, dtype=np.float64), 0, usable)


def find_ears(positions_m: ArrayLike, usable: tuple[int, ...] | None = None) -> EarLayout | None:
    """The left-right pair of an array and what front-back pairs it has, None without a left-right pair.

    Args:
        positions_m: (channels, 3) positions in camera axes; NaN where a channel has none.
        usable: Channels that may be chosen, all without it.
    """
    positions = np.asarray(positions_m, dtype=np.float64)
    chosen = tuple(range(len(positions))) if usable is None else usable
    ears = find_left_right(positions, chosen)
    if ears is None:
        return None
    left_x, right_x = positions[ears.first, 0], positions[ears.second, 0]
    middle, reach = 0.5 * (left_x + right_x), 0.1 * (right_x - left_x)
    on_left = tuple(c for c in chosen if positions[c, 0] < middle - reach)
    on_right = tuple(c for c in chosen if positions[c, 0] > middle + reach)
    # +z is forward: the first of a pair along z is the one behind, so the two change places.
    left, right = (_turned(_widest(positions, 2, side)) for side in (on_left, on_right))
    if left is None and right is None:
        left = right = _turned(_widest(positions, 2, chosen))
    return EarLayout(ears, left, right)


def _widest(positions: FloatArray, axis: int, usable: tuple[int, ...] | None) -> Pair | None:
    """The pair farthest apart along an axis and level across it, among those that lie mainly along it; ascending."""
    channels = range(len(positions)) if usable is None else usable
    others = [other for other in range(3) if other != axis]
    best: tuple[float, Pair] | None = None
    for a in channels:
        for b in channels:
            step = positions[b] - positions[a]
            along, across = float(step[axis]), float(np.hypot(*step[others]))
            if not (along >= SMALLEST_PAIR_M and across <= STEEPEST_PAIR * along):
                continue
            # What the pair is out of level counts against its width: ears are symmetric.
            if best is None or along - across > best[0]:
                best = (along - across, Pair(a, b, float(np.hypot(along, across))))
    return None if best is None else best[1]


def _turned(pair: Pair | None) -> Pair | None:
    return None if pair is None else Pair(pair.second, pair.first, pair.distance_m)


@dataclass(frozen=True)
class EarSignals:
    """Signals of the ears of a clip.

    Attributes:
        left_right: (2, n) float32.
        front_back: For the left and the right side the (2, n) signals of a front-back pair and the pair's distance in
            metres; a distance of 0 marks signals that already are cardioids. None where the array has no such pair.
        layout: The channels; None for ambisonics, whose ears are virtual cardioids.
    """

    left_right: NDArray[np.float32]
    front_back: tuple[tuple[NDArray[np.float32], float] | None, tuple[NDArray[np.float32], float] | None]
    layout: EarLayout | None


def ear_signals(clip: SoundClip | None) -> EarSignals | NoBinaural:
    """Left and right, and where the array allows front and back, of a clip; or why there is none.

    Dead, silent, copied and non-finite channels are not chosen. The whole clip is given, padding included.

    Args:
        clip: The sound, None where there is none.
    """
    if clip is None:
        return NoBinaural.NO_SOUND
    signals = np.ascontiguousarray(clip.samples.T, dtype=np.float32)
    one_point = clip.array_kind is ArrayKind.AMBISONIC
    usable = inspect_channels(clip.samples[clip.valid_start : clip.valid_stop], one_point=one_point).usable()
    if len(signals) < 2:
        return NoBinaural.ONE_CHANNEL
    if one_point:
        if len(signals) < 4 or not {0, 1, 2, 3} <= set(usable):
            return NoBinaural.UNUSABLE_CHANNELS
        w, x, _, z = camera_components(signals, clip.ambisonic_convention)
        half = np.float32(0.5)
        front_back = (half * np.stack([w + z, w - z]), 0.0)
        return EarSignals(half * np.stack([w - x, w + x]), (front_back, front_back), None)
    if clip.mic_positions_m is not None:
        layout = find_ears(clip.mic_positions_m, usable)
        if layout is None:
            few = len(usable) < 2
            return NoBinaural.UNUSABLE_CHANNELS if few else NoBinaural.NO_LEFT_RIGHT_PAIR
    elif clip.array_kind is ArrayKind.MICROPHONES:
        return NoBinaural.UNKNOWN_GEOMETRY
    elif usable != (0, 1):
        return NoBinaural.UNUSABLE_CHANNELS
    else:
        layout = EarLayout(Pair(0, 1, float("nan")), None, None)
    ears = layout.left_right
    pairs = [
        None if pair is None else (signals[[pair.first, pair.second]], pair.distance_m)
        for pair in (layout.front_back_left, layout.front_back_right)
    ]
    return EarSignals(signals[[ears.first, ears.second]], (pairs[0], pairs[1]), layout)


@dataclass(frozen=True)
class BinauralSettings:
    """Parameters of binaural features; with one set of them every clip of one length gives one shape.

    Attributes:
        mel_bands: Bands, equally spaced in mel.
        low_hz: Lower edge of the lowest band.
        high_hz: Upper edge of the highest band; bands above half the sample rate stay zero.
        frame_s: Frame length.
        hop_s: Time between frames.
    """

    mel_bands: int = 32
    low_hz: float = 150.0
    high_hz: float = 7500.0
    frame_s: float = 0.064
    hop_s: float = 0.032

    def __post_init__(self) -> None:
        if self.mel_bands < 1 or not 0.0 < self.low_hz < self.high_hz or self.frame_s <= 0.0 or self.hop_s <= 0.0:
            raise ValueError(f"binaural settings out of range: {self}")


@dataclass(frozen=True)
class BinauralFeatures:
    """Binaural features of one clip, or why there are none.

    Attributes:
        values: (7, mel_bands, frames) float32, rows as in `CHANNELS`; rows that the array does not allow, bands that
            the sample rate does not hold and frames that touch padding are zero. None without features.
        present: (7,) which rows there are.
        frame_valid: (frames,) which frames lie wholly inside the valid part.
        layout: The channels that served as ears, None for ambisonics.
        reason: Why there are none, else None.
    """

    values: NDArray[np.float32] | None
    present: NDArray[np.bool_]
    frame_valid: NDArray[np.bool_]
    layout: EarLayout | None
    reason: NoBinaural | None


def binaural_features(clip: SoundClip | None, settings: BinauralSettings | None = None) -> BinauralFeatures:
    """Binaural features of one clip, in camera axes (ears turn with the head)."""
    chosen = settings if settings is not None else BinauralSettings()
    ears = ear_signals(clip)
    nothing = np.zeros(len(CHANNELS), dtype=np.bool_)
    if clip is None or isinstance(ears, NoBinaural):
        reason = ears if isinstance(ears, NoBinaural) else NoBinaural.NO_SOUND
        return BinauralFeatures(None, nothing, np.zeros(0, dtype=np.bool_), None, reason)
    rate = clip.sample_rate_hz
    n_fft, hop = frame_length(rate, chosen.frame_s), max(1, round(rate * chosen.hop_s))
    left, right = stft(ears.left_right, n_fft, hop)
    starts = np.arange(left.shape[-1]) * hop
    inside = (starts >= clip.valid_start) & (starts + n_fft <= clip.valid_stop)
    if not inside.any():
        return BinauralFeatures(None, nothing, inside, ears.layout, NoBinaural.TOO_SHORT)
    filters = mel_filters(chosen.mel_bands, chosen.low_hz, chosen.high_hz, rate, n_fft)
    left_power, right_power = filters @ _power(left), filters @ _power(right)
    cross = filters @ (left * np.conj(right))
    coherent = np.maximum(np.abs(cross), _TINY_POWER)
    rows = [_log(left_power), _log(right_power), _log(left_power) - _log(right_power)]
    rows += [cross.real / coherent, cross.imag / coherent]
    for pair in ears.front_back:
        rows.append(np.zeros_like(left_power) if pair is None else _front_back(*pair, filters, rate, n_fft, hop))
    values = np.stack(rows).astype(np.float32)
    values *= inside & (filters.sum(axis=1) > 0.0)[:, None]
    present = np.array([True] * 5 + [pair is not None for pair in ears.front_back])
    return BinauralFeatures(values, present, inside, ears.layout, None)


_TINY_POWER = np.float32(1e-12)


def _power(spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
    return np.asarray(spectrum.real**2 + spectrum.imag**2, dtype=np.float32)


def _log(power: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.log(np.maximum(power, _TINY_POWER)), dtype=np.float32)


def _front_back(
    signals: NDArray[np.float32], distance_m: float, filters: NDArray[np.float32], rate: int, n_fft: int, hop: int
) -> NDArray[np.float32]:
    """Log ratio of a forward to a backward cardioid, (mel_bands, frames).

    Delay and subtract: sound from behind reaches the front microphone `distance / c` after the one behind, so the
    difference of the front one and the delayed one behind is deaf to it, and the other way round.
    """
    front, back = stft(signals, n_fft, hop)
    if distance_m > 0.0:
        omega = 2.0 * np.pi * rate / n_fft * np.arange(len(front))
        delay = np.exp(-1j * omega * distance_m / SPEED_OF_SOUND_M_S).astype(np.complex64)[:, None]
        front, back = front - delay * back, back - delay * front
    return np.asarray(_log(filters @ _power(front)) - _log(filters @ _power(back)), dtype=np.float32)


@lru_cache(maxsize=16)
def mel_filters(bands: int, low_hz: float, high_hz: float, sample_rate_hz: int, n_fft: int) -> NDArray[np.float32]:
    """Triangular filters (bands, n_fft // 2 + 1), equally spaced in mel (2595 log10(1 + f / 700)); read only.

    Each sums to one over the bins. A band without a bin, above half the sample rate or narrower than a bin, is zero.
    """
    lowest, highest = (2595.0 * float(np.log10(1.0 + edge / 700.0)) for edge in (low_hz, high_hz))
    mel = np.linspace(lowest, highest, bands + 2)
    edges = 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    frequency = np.arange(n_fft // 2 + 1) * sample_rate_hz / n_fft
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    weight = np.clip(np.minimum((frequency - low) / (centre - low), (high - frequency) / (high - centre)), 0.0, None)
    # A band cut off by half the sample rate would mean something else than the same band of another recording.
    weight[edges[2:] > sample_rate_hz / 2] = 0.0
    total = weight.sum(axis=1, keepdims=True)
    filters: NDArray[np.float32] = (weight / np.where(total > 0.0, total, 1.0)).astype(np.float32)
    filters.flags.writeable = False
    return filters
