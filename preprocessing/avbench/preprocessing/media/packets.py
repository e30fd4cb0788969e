"""What the packets of a video stream say about its frames, without decoding: times, and where decoding must start.

Pure functions over arrays; `avbench.preprocessing.media.video` reads the packets and decodes.

A frame can be decoded from the last key frame that precedes it in the order of decoding *and* of presentation. The
second condition is what open groups of pictures need: frames that are shown before a key frame but stored after it
refer to the group before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

NO_STAMP = -(2**63)
"""Stands for the presentation stamp of a packet that has none."""


@dataclass(frozen=True, eq=False)
class PacketTable:
    """The packets of one stream in the order of decoding, and the frames in the order of presentation.

    Attributes:
        pts: (P,) presentation stamps of the packets in ticks.
        dts: (P,) decoding stamps in ticks; the presentation stamp where the container has none.
        start: (P,) number of the key packet from which each packet can be decoded, -1 where there is none.
        frame_packet: (N,) number of the packet of each frame, in the order of presentation.
        frame_pts: (N,) strictly increasing stamps of the frames in ticks.
        duplicates: Frames left out because another frame has the same stamp.
        unstamped: Frames left out because their packet has no presentation stamp.
        undecodable: Frames left out because no key frame precedes them, or their packet is known to be damaged.
    """

    pts: IntArray
    dts: IntArray
    start: IntArray
    frame_packet: IntArray
    frame_pts: IntArray
    duplicates: int
    unstamped: int
    undecodable: int

    @property
    def key_packets(self) -> IntArray:
        """Numbers of the key packets, increasing."""
        return np.flatnonzero(self.start == np.arange(len(self.start)))


@dataclass(frozen=True)
class Run:
    """A stretch of packets to decode in one go.

    Attributes:
        first: The key packet to start at.
        last: The last packet that has to be decoded.
        frames: The frames wanted from it, increasing.
    """

    first: int
    last: int
    frames: tuple[int, ...]


def build_packet_table(
    pts: Sequence[int],
    dts: Sequence[int],
    *,
    is_key: Sequence[bool],
    is_hidden: Sequence[bool],
    is_corrupt: Sequence[bool],
) -> PacketTable:
    """Order the frames of a stream and find where decoding each of them must start.

    Args:
        pts: Presentation stamps of the packets in ticks or `NO_STAMP`, in the order of decoding.
        dts: Their decoding stamps.
        is_key: Whether decoding can start at a packet.
        is_hidden: Whether a packet is decoded but not shown (it lies outside the edit list).
        is_corrupt: Whether the demuxer knows a packet to be damaged or incomplete.
    """
    stamp = np.asarray(pts, dtype=np.int64)
    key = np.asarray(is_key, dtype=bool)
    start = _start_packets(stamp, key)
    shown = ~np.asarray(is_hidden, dtype=bool)
    stamped = stamp != NO_STAMP
    usable = shown & stamped & (start >= 0) & ~np.asarray(is_corrupt, dtype=bool)
    candidates = np.flatnonzero(usable)
    # Stable: of frames with the same stamp the one that is decoded first stays.
    ordered = candidates[np.argsort(stamp[candidates], kind="stable")]
    is_new = np.ones(len(ordered), dtype=bool)
    is_new[1:] = np.diff(stamp[ordered]) > 0
    return PacketTable(
        pts=stamp,
        dts=np.asarray(dts, dtype=np.int64),
        start=start,
        frame_packet=ordered[is_new],
        frame_pts=stamp[ordered[is_new]],
        duplicates=int((~is_new).sum()),
        unstamped=int((shown & ~stamped).sum()),
        undecodable=int((shown & stamped & ~usable).sum()),
    )


def _start_packets(pts: IntArray, is_key: NDArray[np.bool_]) -> IntArray:
    if len(pts) == 0:
        return np.zeros(0, dtype=np.int64)
    start = np.maximum.accumulate(np.where(is_key, np.arange(len(pts)), -1))
    key_before = np.concatenate([[-1], start[:-1]])
    while True:
        is_leading = (start >= 0) & (pts[start] > pts)
        if not is_leading.any():
            return start
        start = np.where(is_leading, key_before[start], start)


def plan_runs(table: PacketTable, frames: Sequence[int]) -> list[Run]:
    """Group wanted frames into runs that decode as little as possible, and nothing twice.

    Args:
        table: The packets.
        frames: Strictly increasing numbers of frames.

    Returns:
        Runs in the order of presentation. A frame whose key frame the run before decodes anyway joins that run.
    """
    runs: list[Run] = []
    first = last = -1
    members: list[int] = []
    for frame in frames:
        packet = int(table.frame_packet[frame])
        start = int(table.start[packet])
        if members and not first <= start <= last:
            runs.append(Run(first, last, tuple(members)))
            members = []
        first, last = (first, max(last, packet)) if members else (start, packet)
        members.append(frame)
    if members:
        runs.append(Run(first, last, tuple(members)))
    return runs
