"""Sound files by their own clock, all channels, bit for bit.

libsndfile reads them, lazily. Where a WAV header does not tell the truth about the length, the samples are read as they
lie in the file; what libsndfile cannot read, the reader of containers decodes.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import soundfile

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.container import NS_PER_S, seconds
from avbench.preprocessing.media.sound.block import SoundBlock, check_finite, check_range
from avbench.preprocessing.media.sound.container import ContainerSound, open_container_sound
from avbench.preprocessing.media.sound.wav_header import MOST_RATE_HZ, WavSamples, find_wav_samples
from avbench.preprocessing.recording.recording import DTYPE_OF_FORMAT, SampleFormat

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
_LOSSLESS_CODECS = ("pcm_", "flac", "alac", "wavpack")
# libsndfile's log of a W64 or AIFF file whose outermost chunk is not as long as the file.
_OTHER_SIZE = re.compile(r"^(?:riff|FORM) : (\d+) \(should be (\d+)\)", re.MULTILINE)
_LENGTH_UNKNOWN = 2**62  # libsndfile gives its largest count where the file does not state one


@dataclass(frozen=True)
class SoundFile:
    """A WAV or FLAC file, a `SoundSource`; made by `open_sound_file`. It holds no open file.

    Attributes:
        path: The file.
        sample_rate_hz: Samples a second.
        clock_rate_hz: Samples a second of the recording's clock, which `dataclasses.replace` sets where it differs.
        channels: Number of channels.
        sample_format: What the samples are.
        samples: Number of samples a channel.
        start_ns: Time of the first sample; a sound file has no clock, so 0 until `dataclasses.replace` sets it.
        notes: Lines a user should see.
        raw: Where the samples lie, if the header is not to be believed.
    """

    path: Path
    sample_rate_hz: int
    clock_rate_hz: Fraction
    channels: int
    sample_format: SampleFormat
    samples: int
    start_ns: int = 0
    notes: tuple[str, ...] = ()
    raw: WavSamples | None = None

    def read(self, start: int, stop: int) -> SoundBlock:
        """Samples [start, stop) of all channels, (stop - start, channels).

        Raises:
            InputError: The file is cut off or damaged there, or holds NaN or infinite samples.
            IndexError: The range lies outside the sound.
        """
        check_range(start, stop, self.samples)
        where = f"{self.path}, sound from {seconds(start * NS_PER_S // self.sample_rate_hz)}"
        hint = "copy the file again; the rest of it can be used"
        try:
            block = self._block(start, stop - start)
        except soundfile.LibsndfileError as error:
            raise InputError(where, found=str(error), expected="samples that decode", hint=hint) from error
        if len(block) != stop - start:
            raise InputError(where, found=f"{len(block)} samples", expected=str(stop - start), hint=hint)
        check_finite(block, str(self.path), start, self.sample_rate_hz)
        return block

    def ends_well(self) -> bool:
        """Whether the last sample can be read, which in a compressed file shows that it was not cut off."""
        try:
            return len(self._block(self.samples - 1, 1)) == 1
        except soundfile.LibsndfileError:
            return False

    def _block(self, start: int, count: int) -> SoundBlock:
        with ExitStack() as opened:
            if self.raw is None:
                file = opened.enter_context(soundfile.SoundFile(self.path))
            else:
                content = opened.enter_context(self.path.open("rb"))
                file = opened.enter_context(_without_header(content, self.raw))
            file.seek(start)
            block = file.read(count, dtype=DTYPE_OF_FORMAT[self.sample_format], always_2d=True)
        return cast("SoundBlock", block)


class _FromByte:
    """The end of a binary file, from a byte on, as a file of its own."""

    def __init__(self, file: BinaryIO, first: int) -> None:
        self._file = file
        self._first = first
        self.seek(0)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset + (self._first if whence == 0 else 0), whence) - self._first

    def tell(self) -> int:
        return self._file.tell() - self._first

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def _without_header(content: BinaryIO, raw: WavSamples) -> soundfile.SoundFile:
    return soundfile.SoundFile(
        _FromByte(content, raw.start),
        samplerate=raw.sample_rate_hz,
        channels=raw.channels,
        format="RAW",
        subtype=raw.subtype,
        endian="LITTLE",
    )


def open_sound_file(path: Path) -> SoundFile | ContainerSound:
    """Open a sound file of any number of channels: WAV (also RF64 and BW64), FLAC, W64, CAF or AIFF.

    All samples in the file are read, also where a WAV header states another length; a note gives both. Samples of
    64-bit floating point are rounded to 32 bits, which a note says. A file that libsndfile does not read whole (FLAC of
    unstated length, of 32 bits, or cut off) is decoded at once, which a note says too.

    Raises:
        InputError: No such file; empty; no sound file; no samples; a lossy format.
    """
    if not path.is_file() or path.stat().st_size == 0:
        found = "0 bytes" if path.is_file() else "no such file"
        raise InputError(path, found=found, expected="a WAV or FLAC file", hint="copy it again from the device")
    wav = find_wav_samples(path)
    try:
        info: Any = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        why = error.error_string.strip()
        if wav is not None and wav.subtype is not None and wav.samples > 0:
            return _from_wav_samples(path, wav)
        decoded = _decoded(path, why)
        if decoded is not None:
            return decoded
        raise InputError(
            path,
            found=f"content that is no sound file ({why})",
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
    if not 1 <= info.samplerate <= MOST_RATE_HZ:
        raise InputError(
            path,
            found=f"a header that states {info.samplerate} samples a second",
            expected=f"1 to {MOST_RATE_HZ}",
            hint="export it again",
        )
    notes = _notes(path, info.subtype, wav)
    other_size = _OTHER_SIZE.search(info.extra_info)
    if wav is None and other_size:
        stated, present = other_size.groups()
        cut_off = "; it was cut off: copy it again" if int(present) < int(stated) else ""
        notes = (
            *notes,
            f"{path}: the header states {stated} bytes, the file holds {present}, all of which are read{cut_off}",
        )
    rate = info.samplerate
    sound = SoundFile(path, rate, Fraction(rate), info.channels, sample_format, info.frames, notes=notes)
    if wav is not None and wav.subtype is not None and wav.disagreement() and wav.samples != info.frames:
        sound = _from_wav_samples(path, wav)
    length_unknown = not 0 < sound.samples < _LENGTH_UNKNOWN
    if length_unknown or (info.format == "FLAC" and not sound.ends_well()):
        what = "its length is not stated" if length_unknown else "its end is missing"
        decoded = _decoded(path, what)
        if decoded is not None:
            return decoded
    if sound.channels < 1 or sound.samples < 1:
        raise InputError(
            path, found=f"{sound.samples} samples in {sound.channels} channels", expected="at least one of each"
        )
    return sound


def _notes(path: Path, subtype: str, wav: WavSamples | None) -> tuple[str, ...]:
    disagreement = wav.disagreement() if wav is not None else None
    rounded = f"{path}: 64-bit samples are rounded to 32-bit floating point"
    lines = (f"{path}: {disagreement}" if disagreement else "", rounded if subtype == "DOUBLE" else "")
    return tuple(line for line in lines if line)


def _from_wav_samples(path: Path, wav: WavSamples) -> SoundFile:
    """A WAV file by what lies in it instead of by its header's length."""
    subtype = str(wav.subtype)
    return SoundFile(
        path,
        wav.sample_rate_hz,
        Fraction(wav.sample_rate_hz),
        wav.channels,
        _FORMAT_OF_SUBTYPE[subtype],
        wav.samples,
        notes=_notes(path, subtype, wav),
        raw=wav,
    )


def _decoded(path: Path, reason: str) -> ContainerSound | None:
    """The file by the reader of containers, None if that cannot read it either, or the sound is a lossy one."""
    try:
        sound = open_container_sound(path)
    except InputError:
        return None
    if sound is None or not sound.codec.startswith(_LOSSLESS_CODECS):
        return None
    length = f"{sound.samples / sound.sample_rate_hz:.3f} s"
    note = f"{path}: libsndfile does not read it ({reason}); it was decoded by FFmpeg, which gives {length} of sound"
    return replace(sound, start_ns=0, notes=(note, *sound.notes))
