"""Where the samples of a WAV file lie, and whether its header tells the truth about it.

RIFF has 32 bits for the length of the samples: programs that write through a pipe leave 0 or 0xFFFFFFFF there,
recorders that lose power leave 0, and past 4 GiB (53 minutes of seven channels of 32 bits at 48 kHz) the length wraps.
RF64 and BW64 carry 64 bits in a chunk of their own (EBU Tech 3306, ITU-R BS.2088).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

TURN_BYTES = 2**32
"""After how many bytes the length in a RIFF header begins anew."""

MOST_RATE_HZ = 10_000_000
"""No sound is sampled faster; a header that says so is damaged."""

_UNSTATED = (0, 0xFFFFFFFF)
_MOST_CHANNELS = 1024  # that libsndfile reads
_MAX_CHUNKS = 10_000
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SUBTYPE = {
    (_PCM, 1): "PCM_U8",
    (_PCM, 2): "PCM_16",
    (_PCM, 3): "PCM_24",
    (_PCM, 4): "PCM_32",
    (_FLOAT, 4): "FLOAT",
    (_FLOAT, 8): "DOUBLE",
}


@dataclass(frozen=True)
class WavSamples:
    """The samples of a WAV file.

    Attributes:
        start: Byte at which they begin.
        stated_bytes: How many there are by the header.
        present_bytes: How many there are in the file.
        channels: Number of channels.
        sample_rate_hz: Samples a second.
        frame_bytes: Bytes of one sample of all channels.
        subtype: libsndfile's name of their type, None if they are not plain integers or floating point.
    """

    start: int
    stated_bytes: int
    present_bytes: int
    channels: int
    sample_rate_hz: int
    frame_bytes: int
    subtype: str | None

    @property
    def samples(self) -> int:
        """Number of whole samples a channel that are in the file."""
        return self.present_bytes // self.frame_bytes

    def disagreement(self) -> str | None:
        """How the header differs from the file, in words; None if it does not by a whole sample."""
        if abs(self.stated_bytes - self.present_bytes) < self.frame_bytes:
            return None
        held_s = self.samples / self.sample_rate_hz
        if self.stated_bytes in _UNSTATED:
            return f"the header does not state how much sound there is; the {held_s:.3f} s in the file are read"
        stated_s = self.stated_bytes // self.frame_bytes / self.sample_rate_hz
        line = f"the header states {stated_s:.3f} s of sound, the file holds {held_s:.3f} s, which are read"
        if self.stated_bytes > self.present_bytes:
            return f"{line}; unless it was written through a pipe, it was cut off: copy it again"
        if (self.present_bytes - self.stated_bytes) % TURN_BYTES == 0:
            return f"{line}; its length does not fit the header's 32 bits"
        return f"{line}; the header was not brought up to date at the end"


def find_wav_samples(path: Path) -> WavSamples | None:
    """Read the header of a RIFF, RF64 or BW64 file; None if it is another kind of file, or lacks what is needed."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
            return None
        size = path.stat().st_size
        long_bytes, layout, position = None, b"", len(head)
        for _ in range(_MAX_CHUNKS):
            name, length = _chunk_head(file, position)
            if name == b"ds64":
                sizes = file.read(16)
                long_bytes = struct.unpack("<Q", sizes[8:])[0] if len(sizes) == 16 else None
            elif name == b"fmt ":
                layout = file.read(min(length, 40))
            elif name == b"data":
                start = position + 8
                is_long = long_bytes is not None and length in _UNSTATED
                stated = int(long_bytes if is_long and long_bytes is not None else length)
                turn = None if is_long else TURN_BYTES
                return _described(layout, start, stated, _present_bytes(file, size, start, stated, turn))
            elif not _is_name(name):
                return None
            position += 8 + length + length % 2
    return None


def _chunk_head(file: BinaryIO, position: int) -> tuple[bytes, int]:
    """Name and length of the chunk at a position; no name at the end of the file."""
    file.seek(position)
    head = file.read(8)
    return (head[:4], struct.unpack("<I", head[4:])[0]) if len(head) == 8 else (b"", 0)


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and name.isascii() and name.decode("ascii").isprintable()


def _present_bytes(file: BinaryIO, size: int, start: int, stated: int, turn: int | None) -> int:
    """How many bytes of samples there are.

    What the header states, plus whole turns of it, if other chunks follow there or nothing does; otherwise all up to
    the end of the file.
    """
    rest = size - start
    turns = (rest - stated) // turn if turn is not None and stated < rest else 0
    for bytes_ in (stated + k * (turn or 0) for k in range(turns, -1, -1)):
        if bytes_ <= rest and any(_chunks_follow(file, size, start + bytes_ + pad) for pad in (bytes_ % 2, 0)):
            return bytes_
    return rest


def _chunks_follow(file: BinaryIO, size: int, position: int) -> bool:
    """Whether from a position on there are whole chunks up to the end of the file, or nothing."""
    for _ in range(_MAX_CHUNKS):
        if size - position <= 1:
            return True
        name, length = _chunk_head(file, position)
        if not _is_name(name):
            return False
        position += 8 + length + length % 2
        if position > size + 1:
            return False
    return False


def _described(layout: bytes, start: int, stated: int, present: int) -> WavSamples | None:
    if len(layout) < 16:
        return None
    tag, channels, rate_hz, _, frame_bytes, bits = struct.unpack("<HHIIHH", layout[:16])
    if tag == _EXTENSIBLE and len(layout) >= 26:
        tag = struct.unpack("<H", layout[24:26])[0]
    if not 1 <= channels <= _MOST_CHANNELS or not 1 <= rate_hz <= MOST_RATE_HZ:
        return None
    if frame_bytes == 0 or frame_bytes % channels:  # some writers count one channel, or leave it out
        frame_bytes = channels * max(1, (bits + 7) // 8)
    subtype = _SUBTYPE.get((tag, frame_bytes // channels))
    return WavSamples(start, stated, max(present, 0), channels, rate_hz, frame_bytes, subtype)
