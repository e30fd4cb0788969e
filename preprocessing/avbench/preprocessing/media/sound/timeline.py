"""Decoded frames of sound laid end to end by their stamps, so that sound stays in time with the pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.container import NS_PER_S, seconds, ticks_to_ns
from avbench.preprocessing.media.sound.pyav_channels import channel_names, count_channels, interleaved
from avbench.preprocessing.recording.recording import SampleFormat

GAP_TOLERANCE_NS = 5_000_000
"""How far stamps may stray from the count of samples: containers round them, some to whole milliseconds."""

MAX_GAP_S = 60
"""A jump of the stamps beyond this is a broken file, not a gap that silence could stand for."""

_NARROW_BASS_CODECS = ("aac", "ac3", "eac3", "dca")
"""Codecs that keep only the lowest frequencies of a channel that is called LFE."""


class SoundTimeline:
    """Writes frames to a file as raw samples, (samples, channels), with silence where the stamps leave a gap.

    Args:
        path: The recording, for messages.
        codec: FFmpeg's name of its codec.
        spool: Where the samples go.
    """

    def __init__(self, path: Path, codec: str, spool: BinaryIO) -> None:
        self.sample_rate_hz = 0
        self.channels = 0
        self.samples = 0
        self.start_ns = 0
        self._path = path
        self._codec = codec
        self._spool = spool
        self._kind = ""  # FFmpeg's name of the type of the samples
        self._start: Fraction | None = None  # time of the first sample in seconds
        self._low_bits = 0
        self._bass_channel: int | None = None
        self._filled = 0
        self._dropped = 0

    def add(self, frame: Any) -> None:
        """Append an `av.AudioFrame`.

        Raises:
            InputError: Its format differs from that of the frames before, or its stamp is far off.
        """
        is_first = not self._kind
        self._check_format(int(frame.sample_rate), count_channels(frame), str(frame.format.name))
        if is_first and self.channels > 2 and self._codec.startswith(_NARROW_BASS_CODECS):
            names = channel_names(frame)
            self._bass_channel = names.index("LFE") if "LFE" in names else None
        block = _samples_of(frame, self.channels, self._path)
        if block.dtype == np.int32:
            self._low_bits |= int(np.bitwise_or.reduce(block & 0xFF, axis=None))
        missing = self._missing_before(frame)
        if missing > 0:
            self._filled += missing
            self._write(np.zeros((missing, self.channels), dtype=block.dtype))
        elif missing < 0:
            self._dropped += min(-missing, len(block))
            block = block[-missing:]
        self._write(block)

    def notes(self) -> list[str]:
        """Lines a user should see."""
        lines = []
        if self._filled:
            filled_s = self._filled / self.sample_rate_hz
            lines.append(f"{self._path}: {filled_s:.3f} s of gaps in the sound were filled with silence")
        if self._dropped:
            dropped_s = self._dropped / self.sample_rate_hz
            lines.append(f"{self._path}: {dropped_s:.3f} s of overlapping sound were left out")
        if self._kind == "dbl":
            lines.append(f"{self._path}: 64-bit samples are rounded to 32-bit floating point")
        if self._bass_channel is not None:
            lines.append(
                f"{self._path}: channel {self._bass_channel} (counted from 0) of its {self.channels} is the LFE "
                f"channel, of which {self._codec} keeps only the bass: a microphone recorded there is lost"
            )
        return lines

    @property
    def sample_format(self) -> SampleFormat:
        """What the samples are."""
        if self._kind in ("u8", "s16"):
            return SampleFormat.INT16
        if self._kind != "s32":
            return SampleFormat.FLOAT32
        # FFmpeg carries 24 bits in 32 as well. PCM says what it is; of other lossless codecs the samples tell.
        if self._codec.startswith("pcm_"):
            return SampleFormat.INT24 if "24" in self._codec else SampleFormat.INT32
        return SampleFormat.INT32 if self._low_bits else SampleFormat.INT24

    def _check_format(self, sample_rate_hz: int, channels: int, format_name: str) -> None:
        kind = format_name.removesuffix("p")  # planar or interleaved makes no difference here
        if not self._kind:
            self.sample_rate_hz, self.channels, self._kind = sample_rate_hz, channels, kind
        if (sample_rate_hz, channels, kind) != (self.sample_rate_hz, self.channels, self._kind):
            raise InputError(
                f"{self._path}, sound at {seconds(self.start_ns + self.samples * NS_PER_S // self.sample_rate_hz)}",
                found=f"{sample_rate_hz} Hz, {channels} channels, {kind}",
                expected=f"{self.sample_rate_hz} Hz, {self.channels} channels, {self._kind} as before",
                hint="cut the file where the sound changes",
            )

    def _missing_before(self, frame: Any) -> int:
        """Samples that lack before a frame by its stamp; negative where it overlaps; 0 within the tolerance."""
        if frame.pts is None:
            return 0
        stamp = Fraction(frame.pts * frame.time_base.numerator, frame.time_base.denominator)
        if self._start is None:
            self._start = stamp - Fraction(self.samples, self.sample_rate_hz)
            self.start_ns = ticks_to_ns(1, self._start)
        missing = round((stamp - self._start) * self.sample_rate_hz) - self.samples
        if abs(missing) > MAX_GAP_S * self.sample_rate_hz:
            raise InputError(
                f"{self._path}, sound at {seconds(ticks_to_ns(1, stamp))}",
                found=f"stamps that jump by {missing / self.sample_rate_hz:.1f} s",
                expected=f"sound without gaps of more than {MAX_GAP_S} s",
                hint="cut the file there",
            )
        return missing if abs(missing) * NS_PER_S > GAP_TOLERANCE_NS * self.sample_rate_hz else 0

    def _write(self, block: NDArray[Any]) -> None:
        self._spool.write(np.ascontiguousarray(block).tobytes())
        self.samples += len(block)


def _samples_of(frame: Any, channels: int, path: Path) -> NDArray[Any]:
    """Samples of an `av.AudioFrame`, (samples, channels), int16, int32 or float32."""
    kind = str(frame.format.name).removesuffix("p")
    if kind not in ("u8", "s16", "s32", "flt", "dbl"):
        raise InputError(path, found=f"samples of the type {kind}", expected="integers of up to 32 bits, or float")
    block = interleaved(frame, channels)
    if kind == "u8":
        return (block.astype(np.int16) - 128) << 8
    return block.astype(np.float32) if kind == "dbl" else block
