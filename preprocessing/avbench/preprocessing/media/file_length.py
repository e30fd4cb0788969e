"""How long a container says that its file is, which shows that a copy was cut off however little is missing.

The boxes of MP4 and MOV (ISO/IEC 14496-12), the segment of Matroska and WebM (RFC 8794, RFC 9559) and the chunks of an
AVI each state their length; MPEG-TS and MPEG-PS state none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MAX_PIECES = 1_000_000
_EBML_HEADER, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_BOXES_AT_START = (b"ftyp", b"wide", b"mdat", b"moov", b"free", b"skip", b"styp")


def missing_bytes(path: Path) -> int:
    """How many bytes a file lacks by what its container states; 0 if none, or if it does not state its length."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == _EBML_HEADER:
            end = _end_of_segment(file)
        elif head[:4] == b"RIFF" and head[8:] == b"AVI ":
            end = _end_of_riff(file, size)
        elif head[4:8] in _BOXES_AT_START:
            end = max((stop for _, stop in boxes(file, size)), default=0)
        else:
            end = 0
    return max(0, end - size)


def boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Kind and end of the boxes at the top of an MP4 or MOV file of `size` bytes; the last may end past the file."""
    position = 0
    for _ in range(_MAX_PIECES):
        file.seek(position)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:  # the length does not fit 32 bits and follows
            length = struct.unpack(">Q", head[8:])[0]
        if length < 8:  # 0: the box reaches to the end of the file
            yield kind, size
            return
        position += length
        yield kind, position


def _end_of_riff(file: BinaryIO, size: int) -> int:
    """End of the last RIFF chunk; an AVI of more than 1 GiB has several."""
    position = 0
    for _ in range(_MAX_PIECES):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or head[:4] != b"RIFF":
            break
        length = struct.unpack("<I", head[4:])[0]
        if length == 0 or position + 8 + length > size:
            return position + 8 + length if length else 0
        position += 8 + length + length % 2
    return min(position, size)


def _end_of_segment(file: BinaryIO) -> int:
    """End of the segment of a Matroska file, 0 where it does not state its length (a live recording)."""
    file.seek(4)
    length = _ebml_number(file)
    if length is None:
        return 0
    file.seek(length, 1)
    if file.read(4) != _SEGMENT:
        return 0
    length = _ebml_number(file)
    return 0 if length is None else file.tell() + length


def _ebml_number(file: BinaryIO) -> int | None:
    """A number of one to eight bytes, whose length the leading zeros of its first byte state; None if unknown."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    more = 8 - first[0].bit_length()
    rest = file.read(more)
    value = int.from_bytes(bytes([first[0] & (0x7F >> more)]) + rest, "big")
    return None if len(rest) < more or value == (1 << 7 * (more + 1)) - 1 else value
