"""What two ears hear: the left and the right signal of a clip.

The pair is found from the geometry of the array, never from fixed channel numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.audio.ambisonic import camera_components
from avbench.benchmark.audio.faults import inspect_channels
from avbench.benchmark.data.pair import SoundClip
from avbench.preprocessing.recording.recording import ArrayKind

SMALLEST_PAIR_M = 0.02
"""A pair closer than this has no level and hardly a phase difference below 2 kHz."""
STEEPEST_PAIR = 0.5
"""Largest part of a pair's distance across its axis, as a share of the distance along it."""


class NoBinaural(StrEnum):
    """Why a clip has no left and right."""

    NO_SOUND = "no_sound"
    ONE_CHANNEL = "one_channel"
    UNKNOWN_GEOMETRY = "unknown_geometry"
    UNUSABLE_CHANNELS = "unusable_channels"
    NO_LEFT_RIGHT_PAIR = "no_left_right_pair"


@dataclass(frozen=True)
class Pair:
    """Two channels and their distance."""

    first: int
    second: int
    distance_m: float


def find_left_right(positions_m: ArrayLike, usable: tuple[int, ...] | None = None) -> Pair | None:
    """The left-right pair of an array: farthest apart along camera x, and level with each other.

    Args:
        positions_m: (channels, 3) positions in camera axes; NaN where a channel has none.
        usable: Channels that may be chosen, all without it.

    Returns:
        The pair, or None where no two channels are at least 2 cm apart mainly along x.
    """
    positions = np.asarray(positions_m, dtype=np.float64)
    channels = range(len(positions)) if usable is None else usable
    best: tuple[float, Pair] | None = None
    for left in channels:
        for right in channels:
            along, *off = (positions[right] - positions[left]).tolist()
            across = float(np.hypot(*off))
            if not (along >= SMALLEST_PAIR_M and across <= STEEPEST_PAIR * along):
                continue
            # What the pair is out of level counts against its width: ears are symmetric.
            if best is None or along - across > best[0]:
                best = (along - across, Pair(left, right, float(np.hypot(along, across))))
    return None if best is None else best[1]


def ear_signals(clip: SoundClip | None) -> NDArray[np.float32] | NoBinaural:
    """Left and right of a clip as (2, samples) float32, or why there is none.

    Dead, silent, copied and non-finite channels are not chosen. The ears of ambisonics are virtual cardioids. The whole
    clip is given, padding included.

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
        w, x, _, _ = camera_components(signals, clip.ambisonic_convention)
        return np.float32(0.5) * np.stack([w - x, w + x])
    if clip.mic_positions_m is not None:
        ears = find_left_right(clip.mic_positions_m, usable)
        if ears is None:
            few = len(usable) < 2
            return NoBinaural.UNUSABLE_CHANNELS if few else NoBinaural.NO_LEFT_RIGHT_PAIR
        return signals[[ears.first, ears.second]]
    if clip.array_kind is ArrayKind.MICROPHONES:
        return NoBinaural.UNKNOWN_GEOMETRY
    return NoBinaural.UNUSABLE_CHANNELS if usable != (0, 1) else signals[[0, 1]]
