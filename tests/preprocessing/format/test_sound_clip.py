"""Clips: centred, padded, and the same bit for bit after encoding and decoding."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.format.sound_clip import cut_clip, decode_clip, encode_clip, level_dbfs
from avbench.preprocessing.media.sound.source import open_sound_file
from avbench.preprocessing.recording.recording import SampleFormat

RATE_HZ = 48_000
DTYPE = {
    SampleFormat.INT16: np.int16,
    SampleFormat.INT24: np.int32,
    SampleFormat.INT32: np.int32,
    SampleFormat.FLOAT32: np.float32,
}


@dataclass(frozen=True)
class ArraySound:
    """Sound in memory."""

    data: NDArray[Any]
    sample_format: SampleFormat = SampleFormat.INT32
    sample_rate_hz: int = RATE_HZ
    start_ns: int = 0
    true_rate_hz: Fraction | None = None

    @property
    def clock_rate_hz(self) -> Fraction:
        return self.true_rate_hz or Fraction(self.sample_rate_hz)

    @property
    def channels(self) -> int:
        return int(self.data.shape[1])

    @property
    def samples(self) -> int:
        return len(self.data)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        assert 0 <= start < stop <= self.samples, "only what exists may be asked for"
        return self.data[start:stop]


def random_clip(sample_format: SampleFormat, count: int, channels: int, seed: int = 0) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    if sample_format is SampleFormat.FLOAT32:
        exponents = rng.integers(-40, 3, (count, channels))
        return (rng.uniform(-1, 1, (count, channels)) * 2.0**exponents).astype(np.float32)
    info = np.iinfo(DTYPE[sample_format])
    samples = rng.integers(info.min, info.max, (count, channels), endpoint=True)
    samples[:1], samples[-1:] = info.min, info.max
    if sample_format is SampleFormat.INT24:
        samples &= ~0xFF
    return samples.astype(DTYPE[sample_format])


@pytest.mark.parametrize("sample_format", list(SampleFormat))
@pytest.mark.parametrize("channels", [1, 2, 3, 7, 8, 9, 16])
def test_a_clip_comes_back_bit_exact(sample_format: SampleFormat, channels: int) -> None:
    samples = random_clip(sample_format, RATE_HZ, channels)
    data = encode_clip(samples, RATE_HZ, sample_format)
    is_flac = sample_format in (SampleFormat.INT16, SampleFormat.INT24) and channels <= 8
    assert data[:4] == (b"fLaC" if is_flac else b"RIFF")
    clip = decode_clip(data, "row 0")
    assert (clip.sample_rate_hz, clip.sample_format) == (RATE_HZ, sample_format)
    assert clip.samples.dtype == DTYPE[sample_format]
    assert clip.samples.tobytes() == samples.tobytes()
    # Any other reader gets the same.
    theirs, rate = soundfile.read(io.BytesIO(data), dtype=str(samples.dtype), always_2d=True)
    assert rate == RATE_HZ
    np.testing.assert_array_equal(theirs, samples)


@given(
    sample_format=st.sampled_from(list(SampleFormat)),
    channels=st.integers(1, 10),
    count=st.integers(1, 700),
    rate=st.sampled_from([8000, 16_000, 24_000, 44_100, 48_000, 96_000, 192_000]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_clips_of_any_size_come_back(
    sample_format: SampleFormat, channels: int, count: int, rate: int, seed: int
) -> None:
    samples = random_clip(sample_format, count, channels, seed)
    clip = decode_clip(encode_clip(samples, rate, sample_format), "row 0")
    assert clip.samples.tobytes() == samples.tobytes()
    assert (clip.sample_rate_hz, clip.sample_format) == (rate, sample_format)


def test_the_bytes_do_not_depend_on_the_time_of_day() -> None:
    """libsndfile's own float WAV holds the second of writing."""
    for sample_format in SampleFormat:
        data = encode_clip(random_clip(sample_format, 1000, 7), RATE_HZ, sample_format)
        assert b"PEAK" not in data[:200]
        assert data == encode_clip(random_clip(sample_format, 1000, 7), RATE_HZ, sample_format)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_not_encoded(value: float) -> None:
    samples = np.zeros((10, 2), np.float32)
    samples[3, 1] = value
    with pytest.raises(InputError, match="found a NaN or infinite sample"):
        encode_clip(samples, RATE_HZ, SampleFormat.FLOAT32)


def test_what_cannot_be_kept_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="int24 samples must have their lowest 8 bits zero"):
        encode_clip(np.ones((10, 2), np.int32), RATE_HZ, SampleFormat.INT24)
    with pytest.raises(ValueError, match="float64 samples"):
        encode_clip(np.ones((10, 2)), RATE_HZ, SampleFormat.FLOAT32)
    with pytest.raises(ValueError, match=r"shape \(10,\)"):
        encode_clip(np.ones(10, np.int16), RATE_HZ, SampleFormat.INT16)
    with pytest.raises(InputError, match="found 0 samples in 2 channels"):
        encode_clip(np.ones((0, 2), np.int16), RATE_HZ, SampleFormat.INT16)
    with pytest.raises(InputError, match="found 5 samples in 0 channels"):
        encode_clip(np.ones((5, 0), np.int16), RATE_HZ, SampleFormat.INT16)


@pytest.mark.parametrize("data", [b"", b"no sound at all", b"RIFF" + bytes(60)])
def test_bytes_that_are_no_clip_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"^row 7 of data\.parquet, audio_a: found .* bytes that are no sound"):
        decode_clip(data, "row 7 of data.parquet, audio_a")


def test_a_clip_that_is_cut_off_is_refused() -> None:
    data = encode_clip(random_clip(SampleFormat.INT16, RATE_HZ, 2), RATE_HZ, SampleFormat.INT16)
    with pytest.raises(InputError, match=r"^row 7: found"):
        decode_clip(data[: len(data) // 2], "row 7")


def test_a_kind_that_is_never_written_is_refused() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((10, 1)), RATE_HZ, format="WAV", subtype="ULAW")
    with pytest.raises(InputError, match="row 7: found sound of the kind ULAW"):
        decode_clip(buffer.getvalue(), "row 7")


# Cutting.


@given(
    offset_ns=st.integers(-(10**10), 10**10),
    start_ns=st.integers(-(10**15), 10**15),
    rate=st.sampled_from([8000, 16_000, 44_100, 48_000, 192_000]),
    duration_ms=st.integers(1, 40),
    length=st.integers(1, 3000),
)
def test_a_clip_is_centred_to_half_a_sample_and_holds_what_there_is(
    offset_ns: int, start_ns: int, rate: int, duration_ms: int, length: int
) -> None:
    # Each sample is its own number, so that the clip says where it was cut.
    sound = ArraySound(np.arange(1, length + 1, dtype=np.int32)[:, None], sample_rate_hz=rate, start_ns=start_ns)
    offset_ns = offset_ns % (3 * length * 10**9 // rate) - length * 10**9 // rate  # near the sound
    clip = cut_clip(sound, start_ns + offset_ns, duration_ms / 1000)
    count = round(duration_ms / 1000 * rate)
    assert clip.samples.shape == (count, 1)
    values = clip.samples[:, 0]
    assert 0 <= clip.valid_start <= clip.valid_stop <= count
    assert not values[: clip.valid_start].any()
    assert not values[clip.valid_stop :].any()
    first = Fraction(offset_ns * rate, 10**9) - Fraction(count, 2)
    if clip.valid_stop > clip.valid_start:
        start = int(values[clip.valid_start]) - 1 - clip.valid_start
        assert abs(start - first) <= Fraction(1, 2)
        np.testing.assert_array_equal(
            values[clip.valid_start : clip.valid_stop],
            np.arange(start + clip.valid_start + 1, start + clip.valid_stop + 1),
        )
        assert clip.valid_start == max(0, -start)
        assert clip.valid_stop == min(count, length - start)
    else:
        assert first >= length - Fraction(1, 2) or first + count <= Fraction(1, 2)


@pytest.mark.parametrize("sample_format", list(SampleFormat))
def test_seven_channels_are_cut_centred_and_kept(tmp_path: Path, sample_format: SampleFormat) -> None:
    """From a file through a clip to bytes and back, 7 channels at 48 kHz."""
    samples = random_clip(sample_format, 3 * RATE_HZ, 7)
    path = tmp_path / "array.wav"
    subtype = {"int16": "PCM_16", "int24": "PCM_24", "int32": "PCM_32", "float32": "FLOAT"}[sample_format]
    soundfile.write(path, samples, RATE_HZ, subtype=subtype)
    frame_ns = 1_234_567_891
    clip = cut_clip(open_sound_file(path), frame_ns, 1.0)
    start = next(i for i in range(len(samples)) if np.array_equal(samples[i : i + 4], clip.samples[:4]))
    assert abs((start + 24_000) / RATE_HZ - frame_ns / 1e9) <= 0.5 / RATE_HZ
    assert (clip.valid_start, clip.valid_stop) == (0, RATE_HZ)
    again = decode_clip(encode_clip(clip.samples, clip.sample_rate_hz, clip.sample_format), "row 0")
    assert again.samples.tobytes() == samples[start : start + RATE_HZ].tobytes()
    assert again.sample_format is sample_format


def test_a_clip_is_centred_by_the_true_rate_of_the_sound_and_keeps_its_length() -> None:
    samples = np.arange(5 * RATE_HZ, dtype=np.int32)[:, None]
    true_hz = Fraction("48017.8")
    for centre_s in (1, 2, 4):
        clip = cut_clip(ArraySound(samples, true_rate_hz=true_hz), centre_s * 10**9, 0.5)
        assert clip.samples.shape == (RATE_HZ // 2, 1)
        assert abs(float(clip.samples[RATE_HZ // 4, 0]) - centre_s * 48017.8) <= 0.5


def test_the_start_of_the_sound_counts() -> None:
    sound = ArraySound(np.arange(100, dtype=np.int32)[:, None] + 1, sample_rate_hz=1000, start_ns=-5_000_000)
    # Time 0 lies 5 samples into the sound; the clip of 4 samples around it is samples 3 to 6.
    assert cut_clip(sound, 0, 0.004).samples[:, 0].tolist() == [4, 5, 6, 7]
    # An odd clip cannot be centred on a boundary between samples: half a sample off.
    assert cut_clip(sound, 0, 0.003).samples[:, 0].tolist() in ([4, 5, 6], [5, 6, 7])


def test_clips_at_the_edges_and_outside() -> None:
    sound = ArraySound(np.ones((1000, 2), np.int32), sample_rate_hz=1000)
    before = cut_clip(sound, 0, 0.1)
    assert (before.valid_start, before.valid_stop) == (50, 100)
    after = cut_clip(sound, 990_000_000, 0.1)
    assert (after.valid_start, after.valid_stop) == (0, 60)
    around = cut_clip(sound, 500_000_000, 2.0)
    assert (around.valid_start, around.valid_stop) == (500, 1500)
    for centre_ns in (-(10**12), 10**12):
        outside = cut_clip(sound, centre_ns, 0.1)
        assert outside.valid_start == outside.valid_stop == 0
        assert not outside.samples.any()
    with pytest.raises(ValueError, match="has no samples"):
        cut_clip(sound, 0, 0.0)
    with pytest.raises(ValueError, match="has no samples"):
        cut_clip(sound, 0, -1.0)


# Level.


def test_level_of_known_signals() -> None:
    time = np.arange(RATE_HZ) / RATE_HZ
    sine = np.sin(2 * np.pi * 1000 * time)[:, None]
    assert level_dbfs(sine.astype(np.float32), SampleFormat.FLOAT32) == pytest.approx(-3.0103, abs=1e-3)
    assert level_dbfs(np.round(sine * 32767).astype(np.int16), SampleFormat.INT16) == pytest.approx(-3.0106, abs=1e-3)
    half = np.full((100, 3), 2**30, np.int32)
    assert level_dbfs(half, SampleFormat.INT32) == pytest.approx(-6.0206, abs=1e-4)
    assert level_dbfs(half, SampleFormat.INT24) == pytest.approx(-6.0206, abs=1e-4)
    assert level_dbfs(np.full((9, 1), -(2**15), np.int16), SampleFormat.INT16) == 0.0
    # All channels count: one of four at full scale is 6 dB down.
    one = np.zeros((100, 4), np.float32)
    one[:, 2] = 1.0
    assert level_dbfs(one, SampleFormat.FLOAT32) == pytest.approx(-6.0206, abs=1e-4)


def test_level_of_silence() -> None:
    assert level_dbfs(np.zeros((100, 7), np.int16), SampleFormat.INT16) == -200.0
    assert level_dbfs(np.zeros((0, 7), np.int16), SampleFormat.INT16) == -200.0
    assert level_dbfs(np.full((100, 1), 1e-30, np.float32), SampleFormat.FLOAT32) == -200.0
