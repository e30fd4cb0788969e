"""Frames of a video file, found by presentation time stamp.

Opening reads all packets without decoding them, which gives the stamps of all frames as the container states them
(variable frame rate, non-zero start, edit lists and reordered frames included). Reading seeks to the key frame before
each wanted frame, decodes up to it, and lets the decoder pass over frames that no later frame refers to. Each frame is
recognised by its stamp; where a seek does not give what the packets promise, the file is decoded from its beginning.

A decoder conceals damage: it invents what is missing. A picture that it reports as damaged, or that is predicted from
such a picture, is therefore refused rather than returned.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.container import NS_PER_S, open_container, seconds, ticks_to_ns
from avbench.preprocessing.media.feed import (
    Awaited,
    Damage,
    PacketFeed,
    SeekMissedError,
    decode_all,
    demux,
    single_threaded,
    stamp_of,
)
from avbench.preprocessing.media.file_length import missing_bytes
from avbench.preprocessing.media.packets import PacketTable, Run, build_packet_table, plan_runs
from avbench.preprocessing.media.streams import ANY_STREAM, StreamChoice, choose_video
from avbench.preprocessing.media.upright import Orientation, UprightConverter, frame_orientation
from avbench.preprocessing.recording.recording import ErrorHandler, Frame

_TOO_LATE_NS = 2**62
_COUNT_FROM_ZERO = ("matroska,webm", "asf")
"""Formats that state when the recording ends, where others state how long it lasts."""


@dataclass(frozen=True, eq=False)
class VideoFile:
    """A video stream, a `FrameSource`; made by `open_video`. It holds no open file and can be sent across processes.

    Attributes:
        path: The file.
        time_ns: (N,) strictly increasing presentation times, on the container's clock.
        width_px: Width of the frames as they are given.
        height_px: Height of the frames as they are given.
        notes: Lines a user should see: frames left out, a file that ends early.
        stream_index: The stream within the file.
        packets: The packets of the stream.
        display: How the file's display matrix brings a stored picture upright.
        orientation: How stored pictures are turned before they are given; `display` unless `turned` changed it.
    """

    path: Path
    time_ns: NDArray[np.int64]
    width_px: int
    height_px: int
    notes: tuple[str, ...]
    stream_index: int
    packets: PacketTable
    display: Orientation
    orientation: Orientation

    @property
    def stored_size_px(self) -> tuple[int, int]:
        """Width and height of the pictures as the file stores them."""
        size = (self.width_px, self.height_px)
        return size[::-1] if self.orientation.transposed else size

    def turned(self, orientation: Orientation) -> VideoFile:
        """The same video with its stored pictures turned otherwise."""
        width_px, height_px = self.stored_size_px
        if orientation.transposed:
            width_px, height_px = height_px, width_px
        return replace(self, orientation=orientation, width_px=width_px, height_px=height_px)

    def read(self, indices: Sequence[int], *, on_error: ErrorHandler | None = None) -> Iterator[Frame]:
        """Decode frames, turned by `orientation` and in RGB as the stream's colour range and matrix say.

        Args:
            indices: Strictly increasing indices into `time_ns`.
            on_error: Called with the error of a frame that cannot be decoded, and the frame is left out.
                None: the error is raised; the frames before it have been given by then, and those after it can be
                read with another call.

        Returns:
            The frames; each has exactly the stamp that was asked for.

        Raises:
            InputError: While iterating: a frame cannot be decoded whole or has another size. File and time are named.
            IndexError: There is no such frame.
            ValueError: `indices` do not increase.
        """
        wanted = [int(index) for index in indices]
        if any(after <= before for before, after in itertools.pairwise(wanted)):
            raise ValueError("indices of frames must increase")
        if wanted and not 0 <= wanted[0] <= wanted[-1] < len(self.time_ns):
            raise IndexError(f"frames {wanted[0]} to {wanted[-1]} of a video of {len(self.time_ns)} frames")
        return self._read(wanted, on_error or _raise)

    def _read(self, wanted: list[int], on_error: ErrorHandler) -> Iterator[Frame]:
        converter = UprightConverter()
        given = 0
        try:
            for index, decoded in self._decode_by_seeking(wanted):
                yield from self._pictures(converter, index, decoded, on_error)
                given += 1
        except SeekMissedError:
            for index, decoded in self._decode_from_beginning(wanted[given:], on_error):
                yield from self._pictures(converter, index, decoded, on_error)

    def _pictures(
        self, converter: UprightConverter, index: int, decoded: Any, on_error: ErrorHandler
    ) -> Iterator[Frame]:
        """The picture of a decoded frame; none where `on_error` took the error."""
        time_ns = int(self.time_ns[index])
        expected = f"{self.width_px}x{self.height_px} px as at the beginning"
        image = None
        try:
            if frame_orientation(decoded) == self.display:
                image = converter.convert(decoded, self.orientation)
                found = f"a picture of {image.shape[1]}x{image.shape[0]} px"
            else:
                found, expected = "another display matrix", "the one of the beginning"
        except ValueError as error:
            found, expected = str(error), "quarter turns"
        if image is not None and image.shape[:2] == (self.height_px, self.width_px):
            yield Frame(time_ns, image)
        else:
            on_error(
                InputError(
                    f"{self.path}, frame at {seconds(time_ns)}",
                    found=found,
                    expected=expected,
                    hint="cut the file where it changes",
                )
            )

    def _decode_by_seeking(self, wanted: list[int]) -> Iterator[tuple[int, Any]]:
        with open_container(self.path) as container:
            stream = container.streams[self.stream_index]
            context = single_threaded(stream)
            feed = PacketFeed(container, stream, self.packets)
            for run in plan_runs(self.packets, wanted):
                feed.move_to(run.first)
                context.flush_buffers()
                yield from self._decode_run(context, feed, run)

    def _decode_run(self, context: Any, feed: PacketFeed, run: Run) -> Iterator[tuple[int, Any]]:
        table = self.packets
        awaited = Awaited((index, int(table.frame_pts[index])) for index in run.frames)
        needed = {int(table.frame_packet[index]) for index in run.frames}
        # What is shown before the key frame cannot be decoded from it, is not wanted, and may look damaged.
        earliest = int(table.pts[run.first])
        # One step more than there are packets: frames that the decoder still holds back are asked for at the end.
        for number in range(run.first, run.last + 2):
            packet = feed.take() if number <= run.last else None
            context.skip_frame = "DEFAULT" if number in needed else "NONREF"
            try:
                decoded = context.decode(packet)
            except av.FFmpegError as error:
                if packet is not None and stamp_of(packet) < earliest:
                    continue
                raise SeekMissedError from error
            for frame in decoded:
                if frame.pts is None or (frame.is_corrupt and frame.pts >= earliest):
                    raise SeekMissedError
                for index, found in awaited.add(frame):
                    if found is None:
                        raise SeekMissedError
                    yield index, found
            if awaited.is_done:
                return
        for index, found in awaited.rest():
            if found is None:
                raise SeekMissedError
            yield index, found

    def _decode_from_beginning(self, wanted: list[int], on_error: ErrorHandler) -> Iterator[tuple[int, Any]]:
        awaited = Awaited((index, int(self.packets.frame_pts[index])) for index in wanted)
        for index, frame in self._decode_all(awaited):
            if frame is None:
                on_error(self._undecodable(index))
            else:
                yield index, frame

    def _decode_all(self, awaited: Awaited) -> Iterator[tuple[int, Any]]:
        """Decode from the beginning; None stands for a frame that does not come or is damaged."""
        damage = Damage(self.packets)
        with open_container(self.path) as container:
            for frame in decode_all(container, container.streams[self.stream_index], damage.add_packet):
                if awaited.is_done:
                    return
                if frame.pts is None:
                    continue
                if frame.is_corrupt:
                    damage.add_frame(frame.pts)
                for index, found in awaited.add(frame):
                    yield index, None if damage.reaches(index) else found
        for index, found in awaited.rest():
            yield index, None if damage.reaches(index) else found

    def _undecodable(self, index: int) -> InputError:
        return InputError(
            f"{self.path}, frame at {seconds(int(self.time_ns[index]))}",
            found="a picture that is damaged or predicted from a damaged one",
            expected="a picture that decodes",
            hint="frames outside the damaged stretch can be used; copy the file again if the original plays",
        )


def _raise(error: InputError) -> None:
    raise error


def open_video(path: Path, choice: StreamChoice = ANY_STREAM) -> VideoFile:
    """Read the stamps and the size of the video stream that is meant.

    Args:
        path: The file, any container that FFmpeg reads and that stores presentation stamps.
        choice: Which stream is meant.

    Returns:
        The opened video.

    Raises:
        InputError: No such file; empty, cut off or no media; no video stream, or several that could be meant; stamps
            that are not stored; nothing that can be decoded; a picture turned by something else than quarter turns.
    """
    with open_container(path) as container:
        stream, choice_notes = choose_video(container, path, choice)
        index, time_base = stream.index, stream.time_base
        table = _scan(container, stream, path)
        stated_s = (container.duration or 0) / av.time_base
        # An AVI stores the places of packets in time and no presentation stamps; without reordering they are the same.
        # FFmpeg's guess of the latter is a frame or more late for H.264.
        is_avi = container.format.name == "avi"
        ticks_of_frames = table.dts[table.frame_packet] if is_avi else table.frame_pts
        if container.format.name in _COUNT_FROM_ZERO:
            stated_s -= (container.start_time or 0) / av.time_base
    stamps_ns = [ticks_to_ns(int(ticks), time_base) for ticks in ticks_of_frames]
    if stamps_ns and max(-stamps_ns[0], stamps_ns[-1]) >= _TOO_LATE_NS:
        raise InputError(
            path,
            found=f"frames from {seconds(stamps_ns[0])} to {seconds(stamps_ns[-1])}",
            expected="times that fit 64-bit nanoseconds",
            hint="check that the file plays and was copied completely",
        )
    time_ns = np.array(stamps_ns, dtype=np.int64)
    time_ns.flags.writeable = False
    width_px, height_px, display = _first_picture(path, index)
    if len(time_ns) == 0:
        raise _without_pictures(path)
    notes = (*choice_notes, *_notes(path, table, time_ns, stated_s))
    return VideoFile(path, time_ns, width_px, height_px, notes, index, table, display, display)


def _scan(container: Any, stream: Any, path: Path) -> PacketTable:
    packets = [
        (stamp_of(packet), packet.dts, packet.is_keyframe, packet.is_discard, packet.is_corrupt)
        for packet in demux(container, stream)
    ]
    pts, dts, is_key, is_hidden, is_corrupt = zip(*packets, strict=True) if packets else ((), (), (), (), ())
    decoding = [shown if stamp is None else stamp for shown, stamp in zip(pts, dts, strict=True)]
    table = build_packet_table(pts, decoding, is_key=is_key, is_hidden=is_hidden, is_corrupt=is_corrupt)
    # What FFmpeg gives as stamps of reordered frames in an AVI are guesses, and wrong ones for H.264. The packet of a
    # second field has no stamp, so up to half of them may lack in a good file.
    is_guessed = container.format.name == "avi" and stream.codec_context.has_b_frames
    if is_guessed or table.unstamped > len(packets) // 2:
        raise InputError(
            path,
            found="frames whose presentation times the file does not store"
            + (" (an AVI with reordered frames)" if is_guessed else ""),
            expected="a container with time stamps such as MP4, MOV or MKV",
            hint="export it again from the camera's software into such a container",
        )
    return table


def _first_picture(path: Path, stream_index: int) -> tuple[int, int, Orientation]:
    """Upright width and height of the first picture that decodes, and how it is brought upright."""
    with open_container(path) as container:
        frame = next(decode_all(container, container.streams[stream_index], lambda _: None), None)
    if frame is None:
        raise _without_pictures(path)
    try:
        display = frame_orientation(frame)
    except ValueError as error:
        raise InputError(
            path,
            found=str(error),
            expected="quarter turns",
            hint="re-encode the video upright, for instance with ffmpeg -i",
        ) from error
    width_px, height_px = (frame.height, frame.width) if display.transposed else (frame.width, frame.height)
    return width_px, height_px, display


def _without_pictures(path: Path) -> InputError:
    return InputError(
        path,
        found="a video stream without a picture that decodes",
        expected="at least one frame",
        hint="check that the file plays and was copied completely",
    )


def _notes(path: Path, table: PacketTable, time_ns: NDArray[np.int64], stated_s: float) -> tuple[str, ...]:
    notes = []
    if table.duplicates:
        notes.append(f"{path}: {table.duplicates} frames with the stamp of another frame were left out")
    if table.unstamped:
        notes.append(f"{path}: {table.unstamped} pictures without a time stamp were left out")
    if table.undecodable:
        notes.append(f"{path}: {table.undecodable} frames that are cut off or have no key frame before were left out")
    cut_off_bytes = missing_bytes(path)
    missing_s = stated_s - (int(time_ns[-1]) - int(time_ns[0])) / NS_PER_S
    if cut_off_bytes:
        notes.append(
            f"{path}: the file states {stated_s:.1f} s but is cut off ({cut_off_bytes} bytes are missing): its "
            f"pictures end at {seconds(int(time_ns[-1]))}; copy it again"
        )
    elif missing_s > max(1.0, 0.05 * stated_s):
        notes.append(f"{path}: the file states {stated_s:.1f} s, but its pictures end {missing_s:.1f} s earlier")
    return tuple(notes)
