"""Clips of sound: cut centred on a moment, encoded and decoded without losing a bit.

FLAC holds up to 8 channels of up to 24 bits. What does not fit goes into WAV, with integers in their own width and
floating point as it is. The bytes depend on the samples alone, so that shards are the same from run to run.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import soundfile
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.recording.recording import DTYPE_OF_FORMAT, SampleFormat, SoundSource

SILENCE_DBFS = -200.0
"""Level that stands for silence, and the lowest that is given."""

_NS_PER_S = 1_000_000_000
_FLAC_MAX_CHANNELS = 8
_FLAC_MAX_RATE_HZ = 655_350
_SUBTYPE = {SampleFormat.INT16: "PCM_16", SampleFormat.INT24: "PCM_24", SampleFormat.INT32: "PCM_32"}
_FORMAT_OF_SUBTYPE = {subtype: sample_format for sample_format, subtype in _SUBTYPE.items()} | {
    "FLOAT": SampleFormat.FLOAT32
}
_FULL_SCALE = {
    SampleFormat.INT16: 2.0**15,
    SampleFormat.INT24: 2.0**31,
    SampleFormat.INT32: 2.0**31,
    SampleFormat.FLOAT32: 1.0,
}


@dataclass(frozen=True, eq=False)
class Clip:
    """Sound around a moment.

    Attributes:
        samples: (n, channels), int16, int32 or float32; zero where the recording has no sound.
        sample_rate_hz: Samples a second.
        sample_format: What the samples are.
        valid_start: First sample that is not padding.
        valid_stop: One past the last such sample; equal to `valid_start` if all is padding.
    """

    samples: NDArray[np.generic]
    sample_rate_hz: int
    sample_format: SampleFormat
    valid_start: int
    valid_stop: int


@dataclass(frozen=True, eq=False)
class DecodedClip:
    """A clip as it was read back from its bytes.

    Attributes:
        samples: (n, channels), int16, int32 or float32.
        sample_rate_hz: Samples a second.
        sample_format: What the samples are.
    """

    samples: NDArray[np.generic]
    sample_rate_hz: int
    sample_format: SampleFormat


def cut_clip(sound: SoundSource, centre_ns: int, duration_s: float) -> Clip:
    """Cut the clip that is centred on a moment.

    Args:
        sound: The sound.
        centre_ns: The moment, on the recording's clock.
        duration_s: Length of the clip.

    Returns:
        A clip of n = round(duration_s * rate) samples. Its centre, n / 2 samples after its start, lies within half a
        sample of the moment by the sound's true rate. Where it reaches past the sound it is zero.

    Raises:
        ValueError: The duration gives no sample.
        InputError: The sound cannot be read there.
    """
    rate = sound.sample_rate_hz
    count = round(duration_s * rate)
    if count < 1:
        raise ValueError(f"a clip of {duration_s} s at {rate} Hz has no samples")
    start = _first_sample(centre_ns - sound.start_ns, sound.clock_rate_hz, count)
    inside = slice(min(max(start, 0), sound.samples), min(max(start + count, 0), sound.samples))
    samples = np.zeros((count, sound.channels), dtype=DTYPE_OF_FORMAT[sound.sample_format])
    valid_start = valid_stop = 0
    if inside.stop > inside.start:
        valid_start, valid_stop = inside.start - start, inside.stop - start
        samples[valid_start:valid_stop] = sound.read(inside.start, inside.stop)
    return Clip(samples, rate, sound.sample_format, valid_start, valid_stop)


def _first_sample(offset_ns: int, rate_hz: Fraction, count: int) -> int:
    """The integer nearest to offset * rate - count / 2, in exact arithmetic; of two the higher."""
    doubled = 2 * _NS_PER_S * rate_hz.denominator
    return (2 * offset_ns * rate_hz.numerator + (1 - count) * _NS_PER_S * rate_hz.denominator) // doubled


def encode_clip(samples: NDArray[np.generic], sample_rate_hz: int, sample_format: SampleFormat) -> bytes:
    """Encode a clip so that `decode_clip` gives the very same samples.

    Args:
        samples: (n, channels) of the format's type: int16, int32 (also for int24, the low 8 bits zero) or float32.
        sample_rate_hz: Samples a second.
        sample_format: What the samples are.

    Returns:
        FLAC for int16 and int24 of up to 8 channels; otherwise WAV: PCM of 16, 24 or 32 bits, or 32-bit float.

    Raises:
        InputError: There are NaN or infinite samples, no sample or no channel.
        ValueError: The samples are not of the format's type, or int24 samples have more than 24 bits.
    """
    if samples.ndim != 2 or samples.dtype != DTYPE_OF_FORMAT[sample_format]:
        raise ValueError(f"{samples.dtype} samples of shape {samples.shape} are not {sample_format} (n, channels)")
    if 0 in samples.shape:
        raise InputError(
            "sound clip", found=f"{samples.shape[0]} samples in {samples.shape[1]} channels", expected="some of each"
        )
    if sample_format is SampleFormat.INT24 and np.any(samples.astype(np.int32) & 0xFF):
        raise ValueError("int24 samples must have their lowest 8 bits zero")
    buffer = io.BytesIO()
    if sample_format is SampleFormat.FLOAT32:
        values = samples.astype(np.float32, copy=False)
        if not np.isfinite(values).all():
            raise InputError("sound clip", found="a NaN or infinite sample", expected="finite samples")
        # libsndfile writes the time of day into float WAV files (PEAK chunk); SciPy writes the samples only.
        # It is needed for many channels only, and takes a while to import.
        from scipy.io import wavfile

        wavfile.write(buffer, sample_rate_hz, values)
        return buffer.getvalue()
    fits_flac = (
        sample_format is not SampleFormat.INT32
        and samples.shape[1] <= _FLAC_MAX_CHANNELS
        and sample_rate_hz <= _FLAC_MAX_RATE_HZ
    )
    container = "FLAC" if fits_flac else "WAV"
    soundfile.write(buffer, samples, sample_rate_hz, format=container, subtype=_SUBTYPE[sample_format])
    return buffer.getvalue()


def decode_clip(data: bytes, where: str) -> DecodedClip:
    """Decode what `encode_clip` made.

    Args:
        data: FLAC or WAV bytes.
        where: Where they come from, for the message.

    Raises:
        InputError: They are no such sound.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            sample_format = _FORMAT_OF_SUBTYPE.get(file.subtype)
            if sample_format is None:
                raise InputError(where, found=f"sound of the kind {file.subtype}", expected="16 to 32 bits or float")
            samples = file.read(dtype=DTYPE_OF_FORMAT[sample_format], always_2d=True)
            stated = file.frames
            rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise InputError(
            where, found=f"{len(data)} bytes that are no sound ({error.error_string.strip()})", expected="FLAC or WAV"
        ) from error
    if len(samples) != stated:
        raise InputError(where, found=f"{len(samples)} samples", expected=f"{stated} as its header states")
    return DecodedClip(samples, rate, sample_format)


def level_dbfs(samples: NDArray[np.generic], sample_format: SampleFormat) -> float:
    """Level of sound: root mean square over all samples and channels, in decibels of full scale.

    Args:
        samples: (n, channels).
        sample_format: What they are.

    Returns:
        0 for a constant at full scale, -3.01 for a sine that reaches it, at least -200, which is silence.
    """
    if samples.size == 0:
        return SILENCE_DBFS
    values = samples.astype(np.float64) / _FULL_SCALE[sample_format]
    power = float(np.mean(np.square(values)))
    return max(SILENCE_DBFS, 10.0 * float(np.log10(power))) if power > 0.0 else SILENCE_DBFS
