"""Sound by its own clock, all channels, bit for bit: sound files, and the sound stream inside a container.

A sound file is read lazily. The sound of a container is decoded once, from its beginning, since compressed sound that
is decoded from its middle on differs in its last bits; it waits in an unnamed temporary file that the operating system
keeps in memory while there is room.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from avbench.preprocessing.errors import AvbenchError, InputError
from avbench.preprocessing.media.container import NS_PER_S, open_container, seconds
from avbench.preprocessing.media.feed import decode_all
from avbench.preprocessing.media.sound_timeline import SoundTimeline
from avbench.preprocessing.recording import SampleFormat

SoundBlock = NDArray[np.generic]

# Formats of sound files, by libsndfile's names. 8-bit and companded samples fit 16 bits without loss.
_FORMAT_OF_SUBTYPE = {
    "PCM_S8": SampleFormat.INT16,
    "PCM_U8": SampleFormat.INT16,
    "ULAW": SampleFormat.INT16,
    "ALAW": SampleFormat.INT16,
    "PCM_16": SampleFormat.INT16,
    "PCM_24": SampleFormat.INT24,
    "PCM_32": SampleFormat.INT32,
    "FLOAT": SampleFormat.FLOAT32,
    "DOUBLE": SampleFormat.FLOAT32,
}
DTYPE_OF_FORMAT = {
    SampleFormat.INT16: "int16",
    SampleFormat.INT24: "int32",
    SampleFormat.INT32: "int32",
    SampleFormat.FLOAT32: "float32",
}
"""NumPy's type of the samples of each format."""


@dataclass(frozen=True)
class SoundFile:
    """A WAV or FLAC file, a `SoundSource`; made by `open_sound_file`. It holds no open file.

    Attributes:
        path: The file.
        sample_rate_hz: Samples a second.
        channels: Number of channels.
        sample_format: What the samples are.
        samples: Number of samples a channel.
        start_ns: Time of the first sample; a sound file has no clock, so 0 until `dataclasses.replace` sets it.
        notes: Lines a user should see.
    """

    path: Path
    sample_rate_hz: int
    channels: int
    sample_format: SampleFormat
    samples: int
    start_ns: int = 0
    notes: tuple[str, ...] = ()

    def read(self, start: int, stop: int) -> SoundBlock:
        """Samples [start, stop) of all channels, (stop - start, channels).

        Raises:
            InputError: The file is cut off or damaged there, or holds NaN or infinite samples.
            IndexError: The range lies outside the sound.
        """
        _check_range(start, stop, self.samples)
        where = f"{self.path}, sound from {seconds(start * NS_PER_S // self.sample_rate_hz)}"
        hint = "copy the file again; the rest of it can be used"
        try:
            with soundfile.SoundFile(self.path) as file:
                file.seek(start)
                block = file.read(stop - start, dtype=DTYPE_OF_FORMAT[self.sample_format], always_2d=True)
        except soundfile.LibsndfileError as error:
            raise InputError(where, found=str(error), expected="samples that decode", hint=hint) from error
        if len(block) != stop - start:
            raise InputError(where, found=f"{len(block)} samples", expected=str(stop - start), hint=hint)
        _check_finite(block, str(self.path), start, self.sample_rate_hz)
        return cast("SoundBlock", block)


def open_sound_file(path: Path) -> SoundFile:
    """Open a WAV or FLAC file (or another lossless format that libsndfile reads), any number of channels.

    Samples of 64-bit floating point are rounded to 32 bits, which a note says.

    Raises:
        InputError: No such file; empty; no sound file; no samples; a lossy format.
    """
    if not path.is_file() or path.stat().st_size == 0:
        found = "0 bytes" if path.is_file() else "no such file"
        raise InputError(path, found=found, expected="a WAV or FLAC file", hint="copy it again from the device")
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        raise InputError(
            path,
            found=f"content that is no sound file ({error.error_string.strip()})",
            expected="a WAV or FLAC file",
            hint="check that it was copied completely",
        ) from error
    sample_format = _FORMAT_OF_SUBTYPE.get(info.subtype)
    if sample_format is None:
        raise InputError(
            path,
            found=f"sound of the kind {info.subtype_info}",
            expected="lossless samples (integers of up to 32 bits, or floating point)",
            hint="export it as WAV or FLAC",
        )
    if info.channels < 1 or info.frames < 1:
        raise InputError(
            path, found=f"{info.frames} samples in {info.channels} channels", expected="at least one of each"
        )
    notes = (f"{path}: 64-bit samples are rounded to 32-bit floating point",) if info.subtype == "DOUBLE" else ()
    return SoundFile(path, info.samplerate, info.channels, sample_format, info.frames, notes=notes)


@dataclass(frozen=True, eq=False)
class ContainerSound:
    """The sound stream of a container, decoded, a `SoundSource`; made by `open_video_sound`.

    Attributes:
        path: The container.
        sample_rate_hz: Samples a second.
        sample_format: What the samples are.
        start_ns: Time of the first sample on the container's clock, encoder delay taken off.
        data: (samples, channels) the sound.
        notes: Lines a user should see: gaps that were filled with silence, damage.
    """

    path: Path
    sample_rate_hz: int
    sample_format: SampleFormat
    start_ns: int
    data: SoundBlock
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.data.shape[1])

    @property
    def samples(self) -> int:
        """Number of samples a channel."""
        return int(self.data.shape[0])

    def read(self, start: int, stop: int) -> SoundBlock:
        """Samples [start, stop) of all channels, (stop - start, channels), a copy.

        Raises:
            InputError: There are NaN or infinite samples.
            IndexError: The range lies outside the sound.
        """
        _check_range(start, stop, self.samples)
        block = np.array(self.data[start:stop])
        _check_finite(block, str(self.path), start, self.sample_rate_hz)
        return block


def open_video_sound(path: Path) -> ContainerSound | None:
    """Decode the first sound stream of a container.

    Integer PCM keeps its bits (16, 24 or 32), as do lossless codecs; lossy codecs give 32-bit floating point. Times
    are the container's stamps. Where these run ahead of the samples by more than 5 ms (lost packets, a pause),
    silence is put in, and where they fall behind, the overlap is left out, so that sound stays in time with the
    pictures; a note says so.

    Returns:
        The sound; None if there is no sound stream.

    Raises:
        InputError: No such file; no media; a codec that is not known; nothing that can be decoded; a format that
            changes or stamps that jump by more than a minute on the way.
        AvbenchError: The temporary folder is full.
    """
    with open_container(path) as container:
        streams = container.streams.audio
        if not streams:
            return None
        if streams[0].codec_context is None:
            raise InputError(
                path,
                found="a sound codec that the installed PyAV does not decode",
                expected="a common codec such as AAC or PCM",
                hint="export the sound as WAV or FLAC beside the video",
            )
        damaged: list[int] = []
        with tempfile.TemporaryFile() as spool:
            timeline = SoundTimeline(path, streams[0].codec_context.name, spool)
            try:
                for frame in decode_all(container, streams[0], damaged.append):
                    timeline.add(frame)
                spool.flush()
            except OSError as error:
                raise AvbenchError(
                    f"{path}: its sound could not be unpacked in {tempfile.gettempdir()} ({error.strerror or error}); "
                    "free some space there or set TMPDIR to another folder"
                ) from error
            if timeline.samples == 0:
                raise InputError(
                    path,
                    found="a sound stream without a sample that decodes",
                    expected="sound, or no sound stream at all",
                    hint="check that the file plays and was copied completely",
                )
            # The mapping outlives the open file.
            shape = (timeline.samples, timeline.channels)
            data = np.memmap(spool, dtype=DTYPE_OF_FORMAT[timeline.sample_format], mode="r", shape=shape)
        notes = timeline.notes()
        if damaged:
            notes.append(f"{path}: {len(damaged)} packets of sound do not decode")
        if len(streams) > 1:
            notes.append(f"{path}: of {len(streams)} sound streams the first is used")
    return ContainerSound(path, timeline.sample_rate_hz, timeline.sample_format, timeline.start_ns, data, tuple(notes))


def _check_range(start: int, stop: int, samples: int) -> None:
    if not 0 <= start <= stop <= samples:
        raise IndexError(f"samples {start} to {stop} of a sound of {samples}")


def _check_finite(block: SoundBlock, path: str, start: int, sample_rate_hz: int) -> None:
    if block.dtype.kind != "f" or bool(np.isfinite(cast("NDArray[np.float32]", block)).all()):
        return
    first, channel = np.argwhere(~np.isfinite(cast("NDArray[np.float32]", block)))[0]
    raise InputError(
        f"{path}, sound at {seconds((start + int(first)) * NS_PER_S // sample_rate_hz)}",
        found=f"a NaN or infinite sample in channel {channel}",
        expected="finite samples",
        hint="export the sound again",
    )
