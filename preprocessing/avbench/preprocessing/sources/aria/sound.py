"""The microphones of an Aria recording as a `SoundSource`.

Sound comes in blocks of 20 to 85 ms, each with the capture times of its samples on the device clock:

- Gen 1 stores PCM: 32-bit samples of seven microphones.
- Gen 2 stores one Opus packet a block (RFC 6716) with one mono stream a microphone. The `vrs` package does not decode
  it and gives the packet without saying where it ends, in a buffer as long as the decoded samples would be. All
  streams but the last tell their own length (RFC 6716, appendix B), so all but the last can be decoded. The last is
  the contact microphone, which is not part of the array anyway.

Opus is lossy, and its encoder delays the sound by 2.5 to 6.5 ms, the same for all channels; whether the capture
times account for that is not documented.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.recording.recording import SampleFormat
from avbench.preprocessing.sources.aria.device import CONTACT_MICROPHONE, Generation, channel_labels
from avbench.preprocessing.sources.aria.vrs import SOUND_STREAM, VrsFile

MAX_STAMP_JITTER_NS = 5_000_000
"""Capture times that stray further than this from the count of samples mean that sound is missing."""

_PCM, _OPUS = 1, 2  # VRS's AudioFormat
_NS_PER_S = 10**9
_OPUS_RATE_HZ = 48_000  # Opus always decodes at 48 kHz
_PRE_ROLL_BLOCKS = 16
"""Decoded before the first wanted block: RFC 7845 asks for 80 ms, after 320 ms real recordings agree to the bit."""
_CHUNK_BLOCKS = 256
_CHUNKS_KEPT = 4


@dataclass(frozen=True)
class _Blocks:
    """Where the blocks lie in the sound.

    Attributes:
        start: (B,) sample at which each block begins.
        length: (B,) samples in it.
        start_ns: Time of sample 0.
        drift_ns: Largest distance of a block's capture time from its place in the sound.
        gaps: Number of places where blocks are missing.
        missing: Samples that are missing there; they read as zeros.
        muted: Number of blocks that the wearer muted.
    """

    start: NDArray[np.int64]
    length: NDArray[np.int64]
    start_ns: int
    drift_ns: int
    gaps: int
    missing: int
    muted: int


def open_sound(vrs: VrsFile, generation: Generation) -> AriaSound | None:
    """The sound of a recording; None where no microphone of the array was recorded.

    Raises:
        InputError: There is sound that cannot be read.
    """
    if not vrs.has(SOUND_STREAM):
        return None
    stored = _read_configuration(vrs)
    labels = channel_labels(generation, stored.channels, stored.enabled_mask)
    kept = [channel for channel in range(stored.channels) if labels is None or labels[channel] != CONTACT_MICROPHONE]
    notes = []
    if stored.opus and stored.channels - 1 in kept:
        kept.remove(stored.channels - 1)
        name = labels[-1] if labels else f"channel {stored.channels - 1}"
        notes.append(f"{name} is left out: the end of an Opus packet's last stream is not known")
    if not kept:
        return None
    return AriaSound(vrs, stored, tuple(kept), None if labels is None else tuple(labels[i] for i in kept), tuple(notes))


@dataclass(frozen=True)
class _Stored:
    """What the stream's configuration says."""

    channels: int
    rate_hz: int
    opus: bool
    enabled_mask: int | None


def _read_configuration(vrs: VrsFile) -> _Stored:
    where = f"{vrs.path}: {SOUND_STREAM}"
    configuration = vrs.configuration(SOUND_STREAM)
    mask = configuration.get("enabled_mic_id_mask")
    stored = _Stored(
        channels=int(configuration.get("audio_channel_count", 0)),
        rate_hz=int(configuration.get("audio_sample_rate", 0)),
        opus=int(configuration.get("audio_format", _PCM)) == _OPUS,
        enabled_mask=None if mask is None else int(mask),
    )
    if stored.channels < 1 or stored.rate_hz < 1:
        found = f"{stored.channels} channels at {stored.rate_hz} Hz"
        raise InputError(where, found=found, expected="at least one channel and a sample rate")
    pairs = int(configuration.get("audio_stereo_pair_count", 0))
    if stored.opus and (pairs or _OPUS_RATE_HZ % stored.rate_hz):
        raise InputError(
            where,
            found=f"Opus at {stored.rate_hz} Hz with {pairs} coupled pairs of channels",
            expected="Opus with one stream a microphone, as Aria devices write",
        )
    return stored


class AriaSound:
    """Sound of the microphones of the array.

    Args:
        vrs: The recording.
        stored: The stream's configuration.
        kept: Indices of the stored channels that are delivered.
        labels: Which microphones they are ("mic0"), None where that is not known.
        notes: What a user should know about the choice of channels.

    Attributes:
        labels: As above.
        notes: What a user should know about this sound.

    Raises:
        InputError: Samples are in a format that cannot be read, or capture times go back.
    """

    def __init__(
        self,
        vrs: VrsFile,
        stored: _Stored,
        kept: tuple[int, ...],
        labels: tuple[str, ...] | None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._vrs = vrs
        self._where = f"{vrs.path}: {SOUND_STREAM}"
        self._stored = stored
        self._kept = kept
        self.labels = labels
        self._format = self._sample_format()
        self._blocks = self._place_blocks()
        self._chunks: OrderedDict[int, NDArray[np.generic]] = OrderedDict()
        self.notes = notes + self._notes()

    @property
    def sample_rate_hz(self) -> int:
        """Samples a second."""
        return self._stored.rate_hz

    @property
    def clock_rate_hz(self) -> Fraction:
        """Samples a second of the recording's clock."""
        return Fraction(self._stored.rate_hz)

    @property
    def channels(self) -> int:
        """Number of channels kept."""
        return len(self._kept)

    @property
    def sample_format(self) -> SampleFormat:
        """What the samples are."""
        return self._format

    @property
    def start_ns(self) -> int:
        """Time of the first sample on the device clock, such that capture times agree best over the recording."""
        return self._blocks.start_ns

    @property
    def samples(self) -> int:
        """Number of samples a channel."""
        return int(self._blocks.start[-1] + self._blocks.length[-1])

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Samples [start, stop) of the kept channels, (stop - start, channels), int16 or int32.

        Raises:
            ValueError: The range is not within the sound.
            InputError: A block cannot be read or decoded.
        """
        if not 0 <= start <= stop <= self.samples:
            raise ValueError(f"samples {start} to {stop} are not within 0 to {self.samples}")
        dtype = np.int16 if self._format is SampleFormat.INT16 else np.int32
        result: NDArray[np.generic] = np.zeros((stop - start, self.channels), dtype=dtype)
        first = int(np.searchsorted(self._blocks.start, start, side="right")) - 1
        last = int(np.searchsorted(self._blocks.start, stop, side="left")) - 1
        for chunk in range(first // _CHUNK_BLOCKS, last // _CHUNK_BLOCKS + 1):
            begin = int(self._blocks.start[chunk * _CHUNK_BLOCKS])
            data = self._chunk(chunk)
            low, high = max(start, begin), min(stop, begin + len(data))
            if low < high:
                result[low - start : high - start] = data[low - begin : high - begin]
        return result

    # --- what is in the stream ------------------------------------------------------------------------------------

    def _sample_format(self) -> SampleFormat:
        if self._stored.opus:
            return SampleFormat.INT16
        dtype = self._block(0).dtype
        known = {np.dtype(np.int16): SampleFormat.INT16, np.dtype(np.int32): SampleFormat.INT32}
        if dtype not in known:
            raise InputError(self._where, found=f"samples of type {dtype}", expected="16-bit or 32-bit PCM")
        return known[dtype]

    def _place_blocks(self) -> _Blocks:
        """Put the blocks one after the other, and apart where capture times say that some are missing."""
        stamps: list[int] = []
        lengths: list[int] = []
        muted = 0
        for index, metadata in enumerate(self._vrs.metadata(SOUND_STREAM)):
            times = metadata.get("capture_timestamps_ns") or []
            if len(times) == 0:
                raise InputError(f"{self._where}, record {index}", found="no capture times", expected="one a sample")
            stamps.append(int(times[0]))
            lengths.append(len(times))
            muted += bool(metadata.get("audio_muted", 0))
        length = np.array(lengths, dtype=np.int64)
        start = np.concatenate([[0], np.cumsum(length)[:-1]])
        elapsed = np.array(stamps, dtype=np.int64) - stamps[0]
        gaps = missing = 0
        for index in range(1, len(start)):
            # From block to block, so that a clock that is slightly fast or slow does not add up to a gap.
            step = int(elapsed[index] - elapsed[index - 1])
            late_ns = step - int(length[index - 1]) * _NS_PER_S // self._stored.rate_hz
            if late_ns < -MAX_STAMP_JITTER_NS:
                raise InputError(
                    f"{self._where}, record {index}",
                    found=f"a block that begins {-late_ns / 1e6:.1f} ms before the last one ends",
                    expected="blocks that follow one another",
                )
            if late_ns > MAX_STAMP_JITTER_NS:
                absent = round(late_ns * self._stored.rate_hz / _NS_PER_S)
                start[index:] += absent
                gaps += 1
                missing += absent
        deviation_ns = elapsed - np.rint(start * (_NS_PER_S / self._stored.rate_hz)).astype(np.int64)
        offset_ns = int(np.median(deviation_ns))
        drift_ns = int(np.abs(deviation_ns - offset_ns).max())
        return _Blocks(start, length, stamps[0] + offset_ns, drift_ns, gaps, missing, muted)

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self._stored.opus:
            notes.append("sound is Opus-coded (lossy); the encoder delays it by up to 6.5 ms")
        if self._blocks.gaps:
            share = self._blocks.missing / self.samples
            notes.append(f"sound has {self._blocks.gaps} gaps, filled with zeros ({share:.2%} of its length)")
        if self._blocks.muted:
            notes.append(f"{self._blocks.muted} of {len(self._blocks.start)} blocks of sound are muted")
        if self._blocks.drift_ns > MAX_STAMP_JITTER_NS:
            notes.append(f"the sound's clock strays up to {self._blocks.drift_ns / 1e6:.1f} ms from the device's")
        return tuple(notes)

    # --- samples --------------------------------------------------------------------------------------------------

    def _chunk(self, chunk: int) -> NDArray[np.generic]:
        """Samples of a run of blocks from the start of its first; the last few runs are kept."""
        if chunk not in self._chunks:
            self._chunks[chunk] = self._decode_chunk(chunk)
            while len(self._chunks) > _CHUNKS_KEPT:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(chunk)
        return self._chunks[chunk]

    def _decode_chunk(self, chunk: int) -> NDArray[np.generic]:
        first = chunk * _CHUNK_BLOCKS
        last = min(first + _CHUNK_BLOCKS, len(self._blocks.start))
        begin = int(self._blocks.start[first])
        end = int(self._blocks.start[last - 1] + self._blocks.length[last - 1])
        dtype = np.int16 if self._format is SampleFormat.INT16 else np.int32
        samples: NDArray[np.generic] = np.zeros((end - begin, self.channels), dtype=dtype)
        decoder = _OpusDecoder(self._stored.channels, self._stored.rate_hz) if self._stored.opus else None
        if decoder:
            for index in range(max(first - _PRE_ROLL_BLOCKS, 0), first):
                self._decode(decoder, index)
        for index in range(first, last):
            block = self._decode(decoder, index) if decoder else self._block(index)
            if len(block) != self._blocks.length[index]:
                raise InputError(
                    f"{self._where}, record {index}",
                    found=f"{len(block)} samples",
                    expected=f"{self._blocks.length[index]}, as many as capture times",
                )
            at = int(self._blocks.start[index]) - begin
            samples[at : at + len(block)] = block[:, list(self._kept)]
        return samples

    def _decode(self, decoder: _OpusDecoder, index: int) -> NDArray[np.int16]:
        try:
            return decoder.decode(self._block(index).tobytes())
        except ValueError as error:
            raise InputError(
                f"{self._where}, record {index}", found=str(error), expected="Opus, one packet a microphone"
            ) from error

    def _block(self, index: int) -> NDArray[np.generic]:
        record = self._vrs.record(SOUND_STREAM, index)
        found = f"{record.n_audio_blocks} blocks of sound"
        if record.n_audio_blocks == 1:
            block: NDArray[np.generic] = np.asarray(record.audio_blocks[0])
            if block.ndim == 2 and block.shape[1] == self._stored.channels:
                return block
            found = f"a block of shape {block.shape}"
        raise InputError(
            f"{self._where}, record {index}", found=found, expected=f"one block of {self._stored.channels} channels"
        )


class _OpusDecoder:
    """Decodes the packets of all streams but the last; each stream has a decoder with a memory of its own."""

    def __init__(self, streams: int, rate_hz: int) -> None:
        import av

        self._rate_hz = rate_hz
        self._codecs: list[Any] = []
        for _ in range(streams - 1):
            codec = av.CodecContext.create("opus", "r")
            codec.sample_rate = _OPUS_RATE_HZ
            codec.layout = "mono"
            self._codecs.append(codec)

    def decode(self, data: bytes) -> NDArray[np.int16]:
        """Samples of one block, (n, streams); the last stream is zero.

        Raises:
            ValueError: The data are no such packets.
        """
        import av

        columns = []
        for codec, packet in zip(self._codecs, split_opus_streams(data, len(self._codecs)), strict=True):
            try:
                frames = codec.decode(av.Packet(packet))
            except av.FFmpegError as error:
                raise ValueError(f"a packet that does not decode ({error})") from error
            if len(frames) != 1 or frames[0].format.name != "fltp":
                raise ValueError(f"a packet that gives {len(frames)} frames")
            # A stream coded at a lower rate has nothing above half of it, so leaving samples out folds nothing.
            wave = frames[0].to_ndarray()[0, :: _OPUS_RATE_HZ // self._rate_hz]
            columns.append(np.clip(np.rint(wave * 32768.0), -32768, 32767).astype(np.int16))
        columns.append(np.zeros_like(columns[0]))
        return np.stack(columns, axis=-1)


def split_opus_streams(data: bytes, streams: int) -> list[bytes]:
    """Take the self-delimited packets of the first streams out of a packet of several streams.

    Each begins with its table-of-contents byte, then has its length in one byte, or in two from 252 on (RFC 6716,
    section 3.2.1 and appendix B), which an ordinary packet does not have.

    Args:
        data: The packet; what follows the wanted streams is not looked at.
        streams: How many to take.

    Returns:
        Ordinary Opus packets of one stream each.

    Raises:
        ValueError: A packet holds more than one frame, or ends early.
    """
    packets = []
    at = 0
    for stream in range(streams):
        if at + 2 > len(data):
            raise ValueError(f"{len(data)} bytes that end before stream {stream}")
        toc = data[at]
        if toc & 3:
            raise ValueError(f"a packet of several frames in stream {stream} (table of contents {toc:#04x})")
        length, at = data[at + 1], at + 2
        if length >= 252:
            if at >= len(data):
                raise ValueError(f"{len(data)} bytes that end within stream {stream}")
            length, at = length + 4 * data[at], at + 1
        if at + length > len(data):
            raise ValueError(f"{len(data)} bytes that end within stream {stream}")
        packets.append(bytes([toc]) + data[at : at + length])
        at += length
    return packets
