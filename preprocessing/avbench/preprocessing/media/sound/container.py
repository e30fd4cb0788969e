"""The sound streams of a container, decoded once.

They are decoded from their beginning, since compressed sound that is decoded from its middle on differs in its last
bits. The samples wait in an unnamed temporary file that the operating system keeps in memory while there is room.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.media.container import NS_PER_S, open_container
from avbench.preprocessing.media.feed import demux, single_threaded
from avbench.preprocessing.media.sound.block import SoundBlock, check_finite, check_range
from avbench.preprocessing.media.sound.encoder_delay import EncoderDelay, encoder_delay
from avbench.preprocessing.media.sound.timeline import SoundTimeline
from avbench.preprocessing.media.streams import ANY_STREAM, StreamChoice, choose_sound
from avbench.preprocessing.recording.recording import DTYPE_OF_FORMAT, SampleFormat


@dataclass(frozen=True, eq=False)
class ContainerSound:
    """Sound streams of a container, decoded, a `SoundSource`; made by `open_container_sound`.

    Attributes:
        path: The container.
        codec: FFmpeg's name of the first stream's decoder.
        sample_rate_hz: Samples a second.
        clock_rate_hz: Samples a second of the recording's clock.
        sample_format: What the samples are.
        start_ns: Time of the first sample on the container's clock, encoder delay taken off where the stream states it.
        parts: One array (samples, its channels) for each stream, all of the same length.
        notes: Lines a user should see: gaps that were filled with silence, damage, an encoder delay that is not stated.
        other_streams: All sound streams in words, where not all of them are here and nobody said why; else empty.
    """

    path: Path
    codec: str
    sample_rate_hz: int
    clock_rate_hz: Fraction
    sample_format: SampleFormat
    start_ns: int
    parts: tuple[SoundBlock, ...]
    notes: tuple[str, ...] = ()
    other_streams: str = ""

    @property
    def channels(self) -> int:
        """Number of channels."""
        return sum(int(part.shape[1]) for part in self.parts)

    @property
    def samples(self) -> int:
        """Number of samples a channel."""
        return int(self.parts[0].shape[0])

    def read(self, start: int, stop: int) -> SoundBlock:
        """Samples [start, stop) of all channels, (stop - start, channels), a copy.

        Raises:
            InputError: There are NaN or infinite samples.
            IndexError: The range lies outside the sound.
        """
        check_range(start, stop, self.samples)
        block: SoundBlock = np.concatenate([np.asarray(part[start:stop]) for part in self.parts], axis=1)
        check_finite(block, str(self.path), start, self.sample_rate_hz)
        return block


def open_container_sound(path: Path, choice: StreamChoice = ANY_STREAM) -> ContainerSound | None:
    """Decode the sound streams of a container that are meant.

    Integer PCM keeps its bits (16, 24 or 32), as do lossless codecs; lossy codecs give 32-bit floating point. Times
    are the container's stamps. Where these run ahead of the samples by more than 5 ms (lost packets, a pause),
    silence is put in, and where they fall behind, the overlap is left out, so that sound stays in time with the
    pictures; a note says so. An encoder's delay is taken off where an edit list (MP4), a codec delay (Matroska) or
    the stream itself (Opus) states it; where it is unknown, as in an AVI or an MP4 without edit list, a note says by
    how much the sound may come late. Streams that are joined are cut to the time that all of them cover.

    Returns:
        The sound; None if there is no sound stream.

    Raises:
        InputError: No such file; no media; a codec that is not known; nothing that can be decoded; a format that
            changes or stamps that jump by more than a minute on the way; streams of which more than one could be
            meant; streams to join that differ in rate or format, or share no time.
        AvbenchError: The temporary folder is full.
    """
    with open_container(path) as container, ExitStack() as spools:
        chosen = choose_sound(container, path, choice)
        if not chosen.streams:
            return None
        strands = {
            stream.index: _Strand(path, stream, str(container.format.name), spools.enter_context(_spool()))
            for stream in chosen.streams
        }
        try:
            for packet in demux(container, *chosen.streams):
                strands[packet.stream_index].take(packet)
            for strand in strands.values():
                strand.take(None)
            parts = [strand.finish() for strand in strands.values()]
        except OSError as error:
            raise AvbenchError(
                f"{path}: its sound could not be unpacked in {tempfile.gettempdir()} ({error.strerror or error}); "
                "free some space there or set TMPDIR to another folder"
            ) from error
    joined = _join(path, parts)
    notes = [note for part in parts for note in part.notes]
    return ContainerSound(
        path=path,
        codec=joined.codec,
        sample_rate_hz=joined.sample_rate_hz,
        clock_rate_hz=joined.clock_rate_hz,
        sample_format=joined.sample_format,
        start_ns=joined.start_ns,
        parts=joined.parts,
        notes=tuple(dict.fromkeys((*notes, *joined.notes, *chosen.notes))),
        other_streams=chosen.others if choice.sound is None else "",
    )


def _spool() -> BinaryIO:
    return tempfile.TemporaryFile()


class _Strand:
    """One sound stream on its way into a temporary file."""

    def __init__(self, path: Path, stream: Any, container_format: str, spool: BinaryIO) -> None:
        self._path = path
        self._context = single_threaded(stream)
        self._format = container_format
        self._spool = spool
        self._timeline = SoundTimeline(path, self._context.name, spool)
        self._delay: EncoderDelay | None = None
        self._damaged = 0

    def take(self, packet: Any) -> None:
        """Decode a packet, None for the end of the stream.

        Raises:
            OSError: The samples cannot be written.
        """
        if packet is not None and self._delay is None:
            self._delay = encoder_delay(self._format, self._context.name, packet, self._context.extradata)
        try:
            frames = self._context.decode(packet)
        except av.FFmpegError:
            self._damaged += 1
            return
        for frame in frames:
            self._timeline.add(frame)

    def finish(self) -> ContainerSound:
        """The stream's sound.

        Raises:
            InputError: Nothing of it decodes.
            OSError: The samples cannot be written.
        """
        self._spool.flush()
        timeline = self._timeline
        if timeline.samples == 0:
            raise InputError(
                self._path,
                found="a sound stream without a sample that decodes",
                expected="sound, or no sound stream at all",
                hint="check that the file plays and was copied completely",
            )
        # The mapping outlives the open file.
        shape = (timeline.samples, timeline.channels)
        data = np.memmap(self._spool, dtype=DTYPE_OF_FORMAT[timeline.sample_format], mode="r", shape=shape)
        return ContainerSound(
            path=self._path,
            codec=self._context.name,
            sample_rate_hz=timeline.sample_rate_hz,
            clock_rate_hz=Fraction(timeline.sample_rate_hz),
            sample_format=timeline.sample_format,
            start_ns=timeline.start_ns - (self._delay.known_ns if self._delay is not None else 0),
            parts=(data,),
            notes=tuple(self._notes()),
        )

    def _notes(self) -> list[str]:
        notes = self._timeline.notes()
        if self._damaged:
            notes.append(f"{self._path}: {self._damaged} packets of sound do not decode")
        if self._delay is not None and self._delay.usual_samples:
            late_ms = self._delay.usual_samples * 1000 / self._timeline.sample_rate_hz
            notes.append(
                f"{self._path}: its {self._context.name} sound may come late by about {late_ms:.1f} ms, since the file "
                f"does not state the encoder's delay (usually {self._delay.usual_samples} samples); if it does, "
                f"time.sound_offset_s = {-late_ms / 1000:.4f} in the rig file takes that off"
            )
        return notes


def _join(path: Path, sounds: list[ContainerSound]) -> ContainerSound:
    """Streams side by side, each in its own time, cut to what all of them cover.

    Raises:
        InputError: They differ in rate or format, or share no time.
    """
    first = sounds[0]
    if len(sounds) == 1:
        return first
    kinds = [f"{sound.sample_rate_hz} Hz {sound.sample_format}" for sound in sounds]
    if len(set(kinds)) > 1:
        raise InputError(
            path,
            found=f"sound streams of {', '.join(kinds)} to join",
            expected="one rate and format",
            hint="export the sound as one WAV or FLAC file beside the video",
        )
    rate = first.sample_rate_hz
    begins = [round(Fraction((sound.start_ns - first.start_ns) * rate, NS_PER_S)) for sound in sounds]
    ends = [begin + sound.samples for begin, sound in zip(begins, sounds, strict=True)]
    begin, end = max(begins), min(ends)
    if begin >= end:
        raise InputError(
            path,
            found="sound streams to join that share no time",
            expected="streams of one array, recorded together",
            hint="choose one of them with [streams] sound in the rig file",
        )
    notes = []
    if len(set(begins)) > 1 or len(set(ends)) > 1:
        notes.append(
            f"{path}: the sound streams that are joined begin up to {(begin - min(begins)) / rate:.4f} s and end up to "
            f"{(max(ends) - end) / rate:.4f} s apart; the time that all of them cover is used, each by its own stamps"
        )
    return ContainerSound(
        path=path,
        codec=first.codec,
        sample_rate_hz=rate,
        clock_rate_hz=first.clock_rate_hz,
        sample_format=first.sample_format,
        start_ns=first.start_ns + begin * NS_PER_S // rate,
        parts=tuple(sound.parts[0][begin - own : end - own] for own, sound in zip(begins, sounds, strict=True)),
        notes=tuple(notes),
    )
