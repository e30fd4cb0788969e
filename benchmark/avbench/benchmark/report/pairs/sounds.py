"""Sound for a page: each channel of a clip as a file of its own that browsers play, and its outline.

All channels of a pair are raised by one gain, so that quiet recordings can be heard and channels still compare.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from avbench.benchmark.data.pair import SoundClip

MOST_CHANNELS = 8
"""Channels of a frame that are given; arrays of more are cut to the first."""
OUTLINE_STEPS = 96
_PEAK_DBFS = -1.0
_MOST_GAIN_DB = 60.0
_FULL_SCALE_16 = 2.0**15
# Browsers play FLAC at the rates of sound cards, and Chromium fails on one of a single block of 4096 samples; the rest
# is WAV, which is twice the size.
_FLAC_RATES_HZ = range(8000, 192_001)
_SHORTEST_FLAC = 2 * 4096


@dataclass(frozen=True)
class ChannelSound:
    """One channel of one clip.

    Attributes:
        channel: Its number, from 0.
        encoded: A whole sound file, 16 bits, one channel.
        media_type: What kind of file.
        low: (OUTLINE_STEPS,) lowest sample of each part of the clip, after the gain, in [-1, 1].
        high: (OUTLINE_STEPS,) the highest.
    """

    channel: int
    encoded: bytes
    media_type: str
    low: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True)
class FrameSound:
    """The sound of one frame.

    Attributes:
        channels: Its channels, the first `MOST_CHANNELS`.
        all_channels: How many the clip has.
        seconds: Its length.
        sample_rate_hz: Samples a second.
        gain_db: What was added to the level of all channels of the pair.
    """

    channels: tuple[ChannelSound, ...]
    all_channels: int
    seconds: float
    sample_rate_hz: int
    gain_db: float


def frame_sounds(clips: Sequence[SoundClip | None]) -> list[FrameSound | None]:
    """The sounds of the frames of one pair, under one gain; None where a frame has none."""
    peaks = [float(np.abs(_finite(clip.samples)).max(initial=0.0)) for clip in clips if clip is not None]
    peak = max(peaks, default=0.0)
    # In whole decibels, so that the page can say what it did.
    gain_db = 0.0 if peak == 0.0 else float(min(math.floor(_PEAK_DBFS - 20.0 * math.log10(peak)), _MOST_GAIN_DB))
    return [None if clip is None else _frame_sound(clip, gain_db) for clip in clips]


def _frame_sound(clip: SoundClip, gain_db: float) -> FrameSound:
    samples = np.clip(_finite(clip.samples) * np.float32(10.0 ** (gain_db / 20.0)), -1.0, 1.0 - 1.0 / _FULL_SCALE_16)
    kept = min(samples.shape[1], MOST_CHANNELS)
    return FrameSound(
        channels=tuple(_channel(samples[:, number], number, clip.sample_rate_hz) for number in range(kept)),
        all_channels=samples.shape[1],
        seconds=len(samples) / clip.sample_rate_hz,
        sample_rate_hz=clip.sample_rate_hz,
        gain_db=gain_db,
    )


def _channel(samples: NDArray[np.float32], number: int, sample_rate_hz: int) -> ChannelSound:
    as_flac = sample_rate_hz in _FLAC_RATES_HZ and len(samples) >= _SHORTEST_FLAC
    file = io.BytesIO()
    soundfile.write(file, np.rint(samples * _FULL_SCALE_16).astype(np.int16), sample_rate_hz,
                    format="FLAC" if as_flac else "WAV", subtype="PCM_16")  # fmt: skip
    parts = np.array_split(samples, OUTLINE_STEPS)
    return ChannelSound(
        channel=number,
        encoded=file.getvalue(),
        media_type="audio/flac" if as_flac else "audio/wav",
        low=np.array([part.min(initial=0.0) for part in parts], dtype=np.float32),
        high=np.array([part.max(initial=0.0) for part in parts], dtype=np.float32),
    )


def _finite(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0), dtype=np.float32)
