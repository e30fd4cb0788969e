"""Packets and decoded frames of one stream: in order from the beginning, or by number from a key packet on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import av
import numpy as np

from avbench.preprocessing.media.packets import NO_STAMP, PacketTable

# Reading on over this many packets costs about as much as a seek.
_SHORT_WALK = 64

# No codec lets a decoder hold back more frames than this to put them in order.
_MOST_LATE = 16


class SeekMissedError(Exception):
    """A seek, or decoding after it, did not give what the packets promise."""


def single_threaded(stream: Any) -> Any:
    """The codec context of a stream, to decode in the calling thread: parallel work goes by recording."""
    context = stream.codec_context
    context.thread_count = 1
    context.thread_type = "NONE"
    return context


def demux(container: Any, *streams: Any) -> Iterator[Any]:
    """Packets of streams up to the end of the file, or to where it stops being readable."""
    try:
        yield from (packet for packet in container.demux(*streams) if packet.size > 0)
    except (av.FFmpegError, IndexError):
        # IndexError: in a damaged transport stream FFmpeg may find streams on the way, which PyAV then stumbles over
        # after the last packet.
        return


def stamp_of(packet: Any) -> int:
    """The presentation stamp of a packet in ticks; `NO_STAMP` where it has none."""
    return NO_STAMP if packet.pts is None else int(packet.pts)


def decode_all(container: Any, stream: Any, on_damage: Callable[[int], None]) -> Iterator[Any]:
    """Decode a stream from its beginning, passing over what does not decode.

    Args:
        container: The container, just opened.
        stream: The stream.
        on_damage: Called with the number of a packet that does not decode.

    Yields:
        Video or audio frames.
    """
    context = single_threaded(stream)
    number = -1
    for number, packet in enumerate(demux(container, stream)):
        try:
            decoded = context.decode(packet)
        except av.FFmpegError:
            on_damage(number)
            continue
        yield from decoded
    try:
        yield from context.decode(None)
    except av.FFmpegError:
        on_damage(number)


class PacketFeed:
    """The packets of a stream by number, checked against the table that was made when the file was opened."""

    def __init__(self, container: Any, stream: Any, table: PacketTable) -> None:
        self._container = container
        self._stream = stream
        self._table = table
        # Of key packets with one stamp the first is kept; a wrong guess shows in the packets that follow.
        self._key_of_pts = {int(table.pts[key]): int(key) for key in reversed(table.key_packets)}
        self._packets = demux(container, stream)
        self._landed: Any = None
        self._position = 0

    def take(self) -> Any:
        """The packet at the current position.

        Raises:
            SeekMissedError: The file gives another packet than it did when it was opened.
        """
        packet = self._landed if self._landed is not None else next(self._packets, None)
        self._landed = None
        if packet is None or stamp_of(packet) != self._table.pts[self._position]:
            raise SeekMissedError
        self._position += 1
        return packet

    def move_to(self, key: int) -> None:
        """Make key packet `key` the next one to take.

        Raises:
            SeekMissedError: It could not be reached.
        """
        if self._position <= key <= self._position + _SHORT_WALK:
            while self._position < key:
                self.take()
            return
        # Some containers are indexed by presentation time, some by decoding time.
        for stamp in dict.fromkeys((int(self._table.pts[key]), int(self._table.dts[key]))):
            try:
                self._container.seek(stamp, stream=self._stream, backward=True)
            except av.FFmpegError:
                continue
            self._packets = demux(self._container, self._stream)
            if self._read_up_to(key):
                return
        raise SeekMissedError

    def _read_up_to(self, key: int) -> bool:
        for packet in self._packets:
            number = self._key_of_pts.get(stamp_of(packet), -1) if packet.is_keyframe else -1
            if number > key:
                return False
            if number == key:
                self._landed, self._position = packet, key
                return True
        return False


class Awaited:
    """Wanted frames, given in the order of presentation whatever order they are decoded in.

    A decoder gives frames in the order that the stream states, which the stamps of the container need not follow.

    Args:
        wanted: Indices and stamps, increasing.
    """

    def __init__(self, wanted: Iterable[tuple[int, int]]) -> None:
        self._pending = deque(wanted)
        self._stamps = {stamp for _, stamp in self._pending}
        self._arrived: dict[int, Any] = {}
        self._recent: deque[int] = deque(maxlen=_MOST_LATE)

    @property
    def is_done(self) -> bool:
        """Whether all have been given."""
        return not self._pending

    def add(self, frame: Any) -> Iterator[tuple[int, Any]]:
        """Take a decoded frame that has a stamp.

        Yields:
            Indices and frames that can be given now; None for a frame that will not come any more.
        """
        if frame.pts in self._stamps:
            self._arrived[frame.pts] = frame
        self._recent.append(frame.pts)
        while self._pending:
            index, stamp = self._pending[0]
            if stamp not in self._arrived and (len(self._recent) < _MOST_LATE or min(self._recent) < stamp):
                return
            self._pending.popleft()
            yield index, self._arrived.pop(stamp, None)

    def rest(self) -> Iterator[tuple[int, Any]]:
        """The frames that are still due, at the end of the stream."""
        while self._pending:
            index, stamp = self._pending.popleft()
            yield index, self._arrived.pop(stamp, None)


class Damage:
    """Which frames of a stream are damaged, found while it is decoded from its beginning.

    Damage spreads by prediction to what is decoded later from the same key frame.
    """

    def __init__(self, table: PacketTable) -> None:
        self._table = table
        self._first_by_start: dict[int, int] = {}

    def add_packet(self, number: int) -> None:
        """Note a packet that does not decode."""
        if 0 <= number < len(self._table.start):
            start = int(self._table.start[number])
            self._first_by_start[start] = min(number, self._first_by_start.get(start, number))

    def add_frame(self, pts: int) -> None:
        """Note a frame that the decoder reports as damaged."""
        index = int(np.searchsorted(self._table.frame_pts, pts))
        if index < len(self._table.frame_packet) and self._table.frame_pts[index] == pts:
            self.add_packet(int(self._table.frame_packet[index]))

    def reaches(self, index: int) -> bool:
        """Whether the frame of the given index is damaged."""
        packet = int(self._table.frame_packet[index])
        return self._first_by_start.get(int(self._table.start[packet]), packet + 1) <= packet
