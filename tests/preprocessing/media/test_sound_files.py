"""Sound files and sound inside containers: every bit, every channel, the right time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.media.sound import wav_header
from avbench.preprocessing.media.sound.container import open_container_sound
from avbench.preprocessing.media.sound.source import open_sound_file
from avbench.preprocessing.media.streams import StreamChoice
from avbench.preprocessing.recording.recording import SampleFormat, SoundSource
from media_files import write_sound, write_video

RATE_HZ = 48_000
FORMATS = [
    (SampleFormat.INT16, "PCM_16"),
    (SampleFormat.INT24, "PCM_24"),
    (SampleFormat.INT32, "PCM_32"),
    (SampleFormat.FLOAT32, "FLOAT"),
]


def random_samples(sample_format: SampleFormat, count: int, channels: int, seed: int = 0) -> NDArray[Any]:
    """Samples over the whole range of a format, both ends included."""
    rng = np.random.default_rng(seed)
    if sample_format is SampleFormat.FLOAT32:
        return rng.uniform(-1.5, 1.5, (count, channels)).astype(np.float32)
    bits = {SampleFormat.INT16: 16, SampleFormat.INT24: 24, SampleFormat.INT32: 32}[sample_format]
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    samples = rng.integers(low, high, (count, channels), endpoint=True)
    samples[0], samples[1] = low, high
    return samples.astype(np.int16) if bits == 16 else (samples << (32 - bits)).astype(np.int32)


@pytest.mark.parametrize(("sample_format", "subtype"), FORMATS)
@pytest.mark.parametrize(("container", "channels"), [("WAV", 1), ("WAV", 7), ("WAV", 19), ("FLAC", 2), ("FLAC", 8)])
def test_ranges_of_a_file_are_bit_exact(
    tmp_path: Path, sample_format: SampleFormat, subtype: str, container: str, channels: int
) -> None:
    if container == "FLAC" and subtype not in ("PCM_16", "PCM_24"):
        pytest.skip("FLAC holds integers of up to 24 bits")
    samples = random_samples(sample_format, 9000, channels)
    path = tmp_path / f"sound.{container.lower()}"
    soundfile.write(path, samples, RATE_HZ, format=container, subtype=subtype)
    sound = open_sound_file(path)
    source: SoundSource = sound  # the type checker compares the protocol
    assert (source.sample_rate_hz, source.channels, source.samples) == (RATE_HZ, channels, 9000)
    assert (sound.sample_format, sound.start_ns, sound.notes) == (sample_format, 0, ())
    for start, stop in [(0, 9000), (4097, 4098), (8000, 9000), (10, 5000), (5, 5)]:
        block = sound.read(start, stop)
        assert block.dtype == samples.dtype
        np.testing.assert_array_equal(block, samples[start:stop])
    for start, stop in [(-1, 5), (0, 9001), (5, 4)]:
        with pytest.raises(IndexError, match="of a sound of 9000"):
            sound.read(start, stop)


def test_eight_bit_samples_are_kept_in_sixteen(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 500, 2) & ~0xFF
    path = tmp_path / "old.wav"
    soundfile.write(path, samples.astype(np.int16), RATE_HZ, subtype="PCM_U8")
    sound = open_sound_file(path)
    assert sound.sample_format is SampleFormat.INT16
    np.testing.assert_array_equal(sound.read(0, 500), samples)


def test_double_precision_is_rounded_and_said(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, (500, 3))
    path = tmp_path / "double.wav"
    soundfile.write(path, samples, RATE_HZ, subtype="DOUBLE")
    sound = open_sound_file(path)
    assert sound.sample_format is SampleFormat.FLOAT32
    assert sound.notes == (f"{path}: 64-bit samples are rounded to 32-bit floating point",)
    np.testing.assert_array_equal(sound.read(0, 500), samples.astype(np.float32))


def test_files_that_are_no_sound(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.wav: found no such file"):
        open_sound_file(tmp_path / "nothing.wav")
    empty = tmp_path / "empty.wav"
    empty.touch()
    with pytest.raises(InputError, match=r"empty\.wav: found 0 bytes"):
        open_sound_file(empty)
    text = tmp_path / "text.flac"
    text.write_text("no sound " * 100)
    with pytest.raises(InputError, match=r"text\.flac: found content that is no sound file"):
        open_sound_file(text)
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros((0, 7), np.int16), RATE_HZ)
    with pytest.raises(InputError, match="found 0 samples in 7 channels"):
        open_sound_file(silent)
    lossy = tmp_path / "lossy.ogg"
    soundfile.write(lossy, np.zeros((5000, 2), np.float32), RATE_HZ, format="OGG", subtype="VORBIS")
    with pytest.raises(InputError, match="found sound of the kind Vorbis, expected lossless samples"):
        open_sound_file(lossy)


def test_a_wav_of_no_channels(tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros((100, 1), np.int16), RATE_HZ)
    data = bytearray(path.read_bytes())
    data[22:24] = (0).to_bytes(2, "little")
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"none\.wav: found"):
        open_sound_file(path)


@pytest.mark.parametrize("rate_hz", [0, 0x80000001, 0xFF000000])
def test_a_wav_of_an_impossible_rate_is_refused(tmp_path: Path, rate_hz: int) -> None:
    path = tmp_path / "fast.wav"
    soundfile.write(path, np.zeros((100, 1), np.int16), RATE_HZ)
    data = bytearray(path.read_bytes())
    data[24:28] = struct.pack("<I", rate_hz)
    data[40:44] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"fast\.wav: found"):
        open_sound_file(path)


def test_a_cut_off_flac_is_as_long_as_what_decodes(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 96_000, 2)
    path = tmp_path / "cut.flac"
    soundfile.write(path, samples, RATE_HZ)
    path.write_bytes(path.read_bytes()[:200_000])
    sound = open_sound_file(path)
    assert 40_000 < sound.samples < 50_000
    np.testing.assert_array_equal(sound.read(0, sound.samples), samples[: sound.samples])
    assert any("its end is missing" in note and f"{sound.samples / RATE_HZ:.3f} s" in note for note in sound.notes)


def test_a_flac_of_unstated_length_is_read_whole(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT24, 30_000, 7)
    path = tmp_path / "unstated.flac"
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_24")
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    sound = open_sound_file(path)
    assert (sound.samples, sound.channels, sound.sample_format) == (30_000, 7, SampleFormat.INT24)
    np.testing.assert_array_equal(sound.read(0, 30_000), samples)
    assert "its length is not stated" in sound.notes[0]


def test_a_flac_of_32_bits_keeps_them(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT32, 20_480, 2)
    path = tmp_path / "deep.flac"
    write_sound(path, samples, codec="flac", sample_format="s32", layout="stereo", codec_options={"strict": "-2"})
    sound = open_sound_file(path)
    assert sound.sample_format is SampleFormat.INT32
    np.testing.assert_array_equal(sound.read(0, 20_480), samples)
    assert "decoded by FFmpeg" in sound.notes[0]


def rewrite_lengths(path: Path, data_bytes: int, riff_bytes: int) -> None:
    """Put other lengths into the header of a WAV file."""
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", data_bytes)
    content[4:8] = struct.pack("<I", riff_bytes)
    path.write_bytes(content)


@pytest.mark.parametrize(("subtype", "sample_format"), [("PCM_16", SampleFormat.INT16), ("PCM_24", SampleFormat.INT24)])
@pytest.mark.parametrize("stated", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_without_a_true_length_is_read_whole_and_said(
    tmp_path: Path, subtype: str, sample_format: SampleFormat, stated: int
) -> None:
    samples = random_samples(sample_format, 7201, 7)
    path = tmp_path / "sound.wav"
    soundfile.write(path, samples, RATE_HZ, subtype=subtype)
    rewrite_lengths(path, stated, stated)
    sound = open_sound_file(path)
    assert sound.samples == 7201
    np.testing.assert_array_equal(sound.read(0, 7201), samples)
    np.testing.assert_array_equal(sound.read(7000, 7100), samples[7000:7100])
    (note,) = sound.notes
    assert "0.150 s" in note
    assert ("does not state" in note) == (stated != 0x7FFFFFFF)


@pytest.mark.parametrize("tail", [b"", b"LIST\x06\0\0\0INFO\0\0"])
@pytest.mark.parametrize("turns", [1, 3])
def test_a_length_past_the_header_s_32_bits_is_unwrapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tail: bytes, turns: int
) -> None:
    monkeypatch.setattr(wav_header, "TURN_BYTES", 4096)
    samples = random_samples(SampleFormat.INT24, 1200, 7)
    path = tmp_path / "long.wav"
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_24")
    rewrite_lengths(path, 1200 * 21 - turns * 4096, 1200 * 21 - turns * 4096 + 36)
    path.write_bytes(path.read_bytes() + tail)
    sound = open_sound_file(path)
    np.testing.assert_array_equal(sound.read(0, sound.samples), samples)
    (note,) = sound.notes
    stated_s = (1200 * 21 - turns * 4096) // 21 / RATE_HZ
    assert f"states {stated_s:.3f} s of sound, the file holds 0.025 s" in note
    assert "does not fit the header's 32 bits" in note


def test_samples_after_a_length_that_was_not_brought_up_to_date_are_read(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 4800, 3)
    path = tmp_path / "stale.wav"
    soundfile.write(path, samples, RATE_HZ)
    rewrite_lengths(path, 2400 * 6, 2400 * 6 + 36)
    sound = open_sound_file(path)
    np.testing.assert_array_equal(sound.read(0, sound.samples), samples)
    assert "states 0.050 s of sound, the file holds 0.100 s" in sound.notes[0]


def test_a_wav_that_was_copied_in_part_is_said_however_short(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    soundfile.write(path, random_samples(SampleFormat.INT16, 4800, 2), RATE_HZ)
    path.write_bytes(path.read_bytes()[:-8])
    sound = open_sound_file(path)
    assert sound.samples == 4798
    assert "it was cut off: copy it again" in sound.notes[0]


def test_other_chunks_and_odd_lengths_are_no_disagreement(tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    samples = random_samples(SampleFormat.INT24, 4799, 1)  # an odd number of bytes
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_24")
    path.write_bytes(path.read_bytes() + b"LIST\x06\0\0\0INFO\0\0" + b"id3 \x03\0\0\0abc")
    sound = open_sound_file(path)
    assert (sound.samples, sound.notes) == (4799, ())
    np.testing.assert_array_equal(sound.read(0, 4799), samples)


@pytest.mark.parametrize("mark", [b"RF64", b"BW64"])
def test_headers_of_64_bits_are_read(tmp_path: Path, mark: bytes) -> None:
    samples = random_samples(SampleFormat.INT24, 3000, 7)
    path = tmp_path / "long.wav"
    soundfile.write(path, samples, RATE_HZ, format="RF64", subtype="PCM_24")
    path.write_bytes(mark + path.read_bytes()[4:])
    sound = open_sound_file(path)
    assert sound.notes == ()
    np.testing.assert_array_equal(sound.read(0, sound.samples), samples)


@pytest.mark.parametrize("container", ["W64", "CAF", "AIFF"])
def test_other_lossless_files_are_read(tmp_path: Path, container: str) -> None:
    samples = random_samples(SampleFormat.INT24, 3000, 7)
    path = tmp_path / "sound"
    soundfile.write(path, samples, RATE_HZ, format=container, subtype="PCM_24")
    sound = open_sound_file(path)
    np.testing.assert_array_equal(sound.read(0, 3000), samples)
    assert sound.notes == ()
    path.write_bytes(path.read_bytes()[:30_000])
    sound = open_sound_file(path)
    assert 900 < sound.samples < 1450
    np.testing.assert_array_equal(sound.read(0, sound.samples), samples[: sound.samples])
    assert len(sound.notes) == 1  # of the other length
    assert container == "CAF" or sound.notes[0].endswith("it was cut off: copy it again")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    samples = np.zeros((RATE_HZ, 3), np.float32)
    samples[24_000, 2] = value
    path = tmp_path / "broken.wav"
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    sound = open_sound_file(path)
    assert sound.read(0, 24_000).shape == (24_000, 3)
    with pytest.raises(
        InputError, match=r"broken\.wav, sound at 0\.500 s: found a NaN or infinite sample in channel 2"
    ):
        sound.read(20_000, 30_000)


def test_real_sound_files(shared_data: Path) -> None:
    ambisonic = open_sound_file(shared_data / "audio" / "starss22_foa_fold3_room21_mix001.wav")
    assert (ambisonic.channels, ambisonic.sample_rate_hz, ambisonic.sample_format) == (4, 24_000, SampleFormat.INT16)
    assert np.ptp(ambisonic.read(0, ambisonic.samples)) > 0


# Inside containers.


@pytest.mark.parametrize(
    ("codec", "kind", "sample_format"),
    [
        ("pcm_s16le", "s16", SampleFormat.INT16),
        ("pcm_s24le", "s32", SampleFormat.INT24),
        ("pcm_s32le", "s32", SampleFormat.INT32),
        ("pcm_f32le", "flt", SampleFormat.FLOAT32),
    ],
)
@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("7.0", 7), ("7.1", 8)])
@pytest.mark.parametrize("suffix", ["mov", "mkv", "avi"])
def test_pcm_in_a_container_is_bit_exact(
    tmp_path: Path, codec: str, kind: str, sample_format: SampleFormat, layout: str, channels: int, suffix: str
) -> None:
    samples = random_samples(sample_format, 5000, channels)
    path = tmp_path / f"sound.{suffix}"
    write_sound(path, samples, codec=codec, sample_format=kind, layout=layout, start=24_000)
    sound = open_container_sound(path)
    assert sound is not None
    source: SoundSource = sound  # the type checker compares the protocol
    assert (source.sample_rate_hz, source.channels, source.samples) == (RATE_HZ, channels, 5000)
    assert (sound.sample_format, sound.notes) == (sample_format, ())
    assert sound.start_ns == (0 if suffix == "avi" else 500_000_000)  # an AVI starts at 0
    np.testing.assert_array_equal(sound.read(0, 5000), samples)
    block = sound.read(1020, 1030)
    assert block.dtype == samples.dtype
    np.testing.assert_array_equal(block, samples[1020:1030])
    with pytest.raises(IndexError, match="of a sound of 5000"):
        sound.read(0, 5001)


@pytest.mark.parametrize("sample_format", [SampleFormat.INT16, SampleFormat.INT24])
def test_lossless_codecs_are_bit_exact(tmp_path: Path, sample_format: SampleFormat) -> None:
    samples = random_samples(sample_format, 20_000, 2)
    path = tmp_path / "sound.mkv"
    kind = "s16" if sample_format is SampleFormat.INT16 else "s32"
    write_sound(path, samples, codec="flac", sample_format=kind, layout="stereo")
    sound = open_container_sound(path)
    assert sound is not None
    assert sound.sample_format is sample_format
    np.testing.assert_array_equal(sound.read(0, 20_000), samples)


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("mkv", "aac"), ("mkv", "libopus")])
@pytest.mark.parametrize("start", [0, 72_000])
def test_a_click_in_compressed_sound_is_where_it_was(tmp_path: Path, suffix: str, codec: str, start: int) -> None:
    """The encoder's delay is taken off: by an edit list in MP4, a codec delay in Matroska."""
    samples = 1e-3 * np.random.default_rng(2).standard_normal((2 * RATE_HZ, 2)).astype(np.float32)
    samples[24_000, 0] = samples[60_000, 1] = 0.9
    path = tmp_path / f"click.{suffix}"
    kind = "flt" if codec == "libopus" else "fltp"
    write_sound(path, samples, codec=codec, sample_format=kind, layout="stereo", start=start)
    sound = open_container_sound(path)
    assert sound is not None
    assert (sound.sample_format, sound.channels) == (SampleFormat.FLOAT32, 2)
    decoded = np.abs(np.asarray(sound.read(0, sound.samples), dtype=np.float64))
    for channel, sample in [(0, 24_000), (1, 60_000)]:
        time_ms = sound.start_ns / 1e6 + decoded[:, channel].argmax() * 1000 / RATE_HZ
        assert time_ms == pytest.approx((start + sample) * 1000 / RATE_HZ, abs=1.0)


def click_ms(path: Path) -> tuple[float, tuple[str, ...]]:
    """When a click at 0.5 s after the first sample is heard, in milliseconds, and the notes."""
    sound = open_container_sound(path)
    assert sound is not None
    decoded = np.abs(np.asarray(sound.read(0, sound.samples), dtype=np.float64)[:, 0])
    return sound.start_ns / 1e6 + float(decoded.argmax()) * 1000 / RATE_HZ, sound.notes


def write_click(path: Path, codec: str, sample_format: str, options: dict[str, str]) -> None:
    samples: NDArray[Any] = 1e-3 * np.random.default_rng(2).standard_normal((RATE_HZ, 2)).astype(np.float32)
    samples[24_000] = 0.9
    if sample_format == "s16":
        samples = (samples * 32_767).astype(np.int16)
    write_sound(path, samples, codec=codec, sample_format=sample_format, layout="stereo", container_options=options)


FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


@pytest.mark.parametrize(
    ("suffix", "codec", "kind", "options", "late_samples"),
    [
        ("avi", "aac", "fltp", {}, 1024),
        ("mp4", "aac", "fltp", FRAGMENTED, 1024),
        ("mov", "aac", "fltp", {"use_editlist": "0"}, 1024),
        ("avi", "libmp3lame", "fltp", {}, 1105),
        ("mp4", "libmp3lame", "fltp", FRAGMENTED, 1105),
        ("avi", "ac3", "fltp", {}, 256),
        ("avi", "mp2", "s16", {}, 481),
    ],
)
def test_an_encoder_delay_that_is_not_stated_is_said_in_milliseconds(
    tmp_path: Path, suffix: str, codec: str, kind: str, options: dict[str, str], late_samples: int
) -> None:
    path = tmp_path / f"click.{suffix}"
    write_click(path, codec, kind, options)
    heard_ms, notes = click_ms(path)
    late_ms = late_samples * 1000 / RATE_HZ
    assert heard_ms == pytest.approx(500 + late_ms, abs=0.2)
    (note,) = notes
    assert f"may come late by about {late_ms:.1f} ms" in note
    assert f"time.sound_offset_s = {-late_ms / 1000:.4f}" in note


@pytest.mark.parametrize(
    ("suffix", "codec", "kind", "options"),
    [
        ("mp4", "aac", "fltp", {}),
        ("mp4", "libopus", "flt", FRAGMENTED),
        ("mkv", "libopus", "flt", {}),
        ("mkv", "libmp3lame", "fltp", {}),
        ("mkv", "ac3", "fltp", {}),
    ],
)
def test_an_encoder_delay_that_is_stated_is_taken_off(
    tmp_path: Path, suffix: str, codec: str, kind: str, options: dict[str, str]
) -> None:
    path = tmp_path / f"click.{suffix}"
    write_click(path, codec, kind, options)
    heard_ms, notes = click_ms(path)
    assert heard_ms == pytest.approx(500, abs=1.0 if suffix == "mkv" else 0.2)  # Matroska counts milliseconds
    assert notes == ()


@pytest.mark.parametrize(
    ("codec", "kind", "suffix", "said"),
    [("aac", "fltp", "mp4", True), ("ac3", "fltp", "mp4", True), ("libopus", "flt", "mkv", False)],
)
def test_a_bass_channel_in_the_middle_of_an_array_is_said(
    tmp_path: Path, codec: str, kind: str, suffix: str, said: bool
) -> None:
    path = tmp_path / f"array.{suffix}"
    tone = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ // 2) / RATE_HZ).astype(np.float32)
    write_sound(path, np.tile(tone[:, None], (1, 6)), codec=codec, sample_format=kind, layout="5.1")
    sound = open_container_sound(path)
    assert sound is not None
    power = np.square(np.asarray(sound.read(4800, 19_200), dtype=np.float64)).mean(axis=0)
    lost_db = 10 * np.log10(power[3] / power[0])
    assert (lost_db < -30) == said
    assert any("channel 3 (counted from 0) of its 6 is the LFE channel" in note for note in sound.notes) == said


def write_strands(path: Path, strands: list[NDArray[np.int16]], starts: list[int], rates: list[int]) -> None:
    """A container of several sound streams of 16-bit PCM; starts are in samples."""
    with av.open(str(path), "w") as container:
        for samples, rate in zip(strands, rates, strict=True):
            layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
            container.add_stream("pcm_s16le", rate=rate, layout=layout)
        for stream, samples, start, rate in zip(container.streams, strands, starts, rates, strict=True):
            for first in range(0, len(samples), 1024):
                block = np.ascontiguousarray(samples[first : first + 1024].reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(block, format="s16", layout=stream.codec_context.layout.name)
                frame.sample_rate, frame.pts, frame.time_base = rate, first + start, Fraction(1, rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def test_streams_of_one_array_are_joined_in_the_order_stated(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 9000, 4)
    path = tmp_path / "array.mov"
    write_strands(path, [samples[:, k : k + 1] for k in range(4)], [0] * 4, [RATE_HZ] * 4)
    with pytest.raises(InputError, match=r'found 4 sound streams \(0: pcm_s16le, 1 channel; .*sound = "join" if the 4'):
        open_container_sound(path)
    for choice, order in (
        (StreamChoice(joins_all=True), [0, 1, 2, 3]),
        (StreamChoice(sound=(3, 0, 2)), [3, 0, 2]),
        (StreamChoice(sound=(1,)), [1]),
    ):
        sound = open_container_sound(path, choice)
        assert sound is not None
        assert (sound.channels, sound.samples, sound.notes) == (len(order), 9000, ())
        np.testing.assert_array_equal(sound.read(10, 8000), samples[10:8000][:, order])
    with pytest.raises(InputError, match=r"expected stream 4 as \[streams\] sound in the rig file says"):
        open_container_sound(path, StreamChoice(sound=(0, 4)))


def test_joined_streams_are_each_in_their_own_time(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 9000, 3)
    path = tmp_path / "array.mov"
    # The second microphone begins 480 samples late; the two of the third stream end 1000 early.
    write_strands(path, [samples[:, :1], samples[480:, :1], samples[:8000, 1:]], [0, 480, 0], [RATE_HZ] * 3)
    sound = open_container_sound(path, StreamChoice(joins_all=True))
    assert sound is not None
    assert (sound.start_ns, sound.channels, sound.samples) == (10_000_000, 4, 8000 - 480)
    np.testing.assert_array_equal(sound.read(0, sound.samples), samples[480:8000][:, [0, 0, 1, 2]])
    (note,) = sound.notes
    assert "begin up to 0.0100 s and end up to 0.0208 s apart" in note


def test_streams_that_cannot_be_joined_are_refused(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 3000, 1)
    path = tmp_path / "rates.mov"
    write_strands(path, [samples, samples], [0, 0], [48_000, 44_100])
    with pytest.raises(InputError, match="found sound streams of 48000 Hz int16, 44100 Hz int16 to join"):
        open_container_sound(path, StreamChoice(joins_all=True))


def test_the_first_of_unlike_streams_is_used_and_said(tmp_path: Path) -> None:
    stereo = random_samples(SampleFormat.INT16, 3000, 2)
    path = tmp_path / "camera.mov"
    write_strands(path, [stereo, stereo[:, :1]], [0, 0], [RATE_HZ] * 2)
    sound = open_container_sound(path)
    assert sound is not None
    np.testing.assert_array_equal(sound.read(0, 3000), stereo)
    (note,) = sound.notes
    assert "of 2 sound streams (0: pcm_s16le, 2 channels; 1: pcm_s16le, 1 channel) the first is used" in note


def test_a_gap_in_the_stamps_becomes_silence(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 10 * 1024, 2)
    path = tmp_path / "gap.mkv"
    write_sound(path, samples, codec="pcm_s16le", sample_format="s16", layout="stereo", pauses={4096: 4800})
    sound = open_container_sound(path)
    assert sound is not None
    tolerance = RATE_HZ // 1000  # Matroska counts milliseconds
    assert abs(sound.samples - (10 * 1024 + 4800)) <= tolerance
    filled = sound.samples - 10 * 1024
    assert sound.notes == (f"{path}: {filled / RATE_HZ:.3f} s of gaps in the sound were filled with silence",)
    decoded = sound.read(0, sound.samples)
    np.testing.assert_array_equal(decoded[:4096], samples[:4096])
    assert not decoded[4096 : 4096 + filled].any()
    np.testing.assert_array_equal(decoded[4096 + filled :], samples[4096:])


def test_sound_after_a_gap_is_in_time(tmp_path: Path) -> None:
    samples = 1e-3 * np.random.default_rng(4).standard_normal((RATE_HZ, 2)).astype(np.float32)
    samples[40_000] = 0.9
    path = tmp_path / "gap.mp4"
    pauses = {20_480: 9600}
    write_sound(path, samples, codec="aac", sample_format="fltp", layout="stereo", pauses=pauses)
    sound = open_container_sound(path)
    assert sound is not None
    assert any("filled with silence" in note for note in sound.notes)
    time_ms = sound.start_ns / 1e6 + np.abs(np.asarray(sound.read(0, sound.samples)))[:, 0].argmax() * 1000 / RATE_HZ
    assert time_ms == pytest.approx((40_000 + 9600) * 1000 / RATE_HZ, abs=1.0)


def test_small_irregularities_of_stamps_are_no_gaps(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 10 * 1024, 2)
    path = tmp_path / "jitter.mkv"
    write_sound(path, samples, codec="pcm_s16le", sample_format="s16", layout="stereo", pauses={2048: 96, 4096: -96})
    sound = open_container_sound(path)
    assert sound is not None
    assert sound.notes == ()
    np.testing.assert_array_equal(sound.read(0, sound.samples), samples)


def test_sound_that_overlaps_keeps_its_time(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 10 * 1024, 2)
    path = tmp_path / "overlap.mkv"
    write_sound(path, samples, codec="pcm_s16le", sample_format="s16", layout="stereo", pauses={4096: -480})
    sound = open_container_sound(path)
    assert sound is not None
    dropped = 10 * 1024 - sound.samples
    assert abs(dropped - 480) <= RATE_HZ // 1000
    assert sound.notes == (f"{path}: {dropped / RATE_HZ:.3f} s of overlapping sound were left out",)
    np.testing.assert_array_equal(sound.read(4096, sound.samples), samples[4096 + dropped :])


def test_stamps_that_jump_far_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "jump.mkv"
    samples = np.ones((8192, 1), np.int16)
    write_sound(path, samples, codec="pcm_s16le", sample_format="s16", layout="mono", pauses={4096: 100 * RATE_HZ})
    with pytest.raises(InputError, match=r"jump\.mkv, sound at 100\.08\d s: found stamps that jump by 100\.0 s"):
        open_container_sound(path)


def test_a_video_without_sound_has_none(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    write_video(path, [0, 3000, 6000])
    assert open_container_sound(path) is None


def test_bad_containers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        open_container_sound(tmp_path / "nothing.mp4")
    empty = tmp_path / "empty.mov"
    empty.touch()
    with pytest.raises(InputError, match="found 0 bytes"):
        open_container_sound(empty)


def overwrite_packets(path: Path, choose: Callable[[int], bool]) -> None:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    data = bytearray(path.read_bytes())
    for number, packet in enumerate(packets):
        if choose(number):
            data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)


def test_damaged_packets_leave_the_rest_in_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    samples = 1e-3 * rng.standard_normal((2 * RATE_HZ, 1)).astype(np.float32)
    samples[72_000] = 0.9
    path = tmp_path / "damaged.mp4"
    write_sound(path, samples, codec="aac", sample_format="fltp", layout="mono")
    whole = open_container_sound(path)
    assert whole is not None
    overwrite_packets(path, lambda number: 20 <= number < 30)
    sound = open_container_sound(path)
    assert sound is not None
    assert any("packets of sound do not decode" in note for note in sound.notes)
    assert any("filled with silence" in note for note in sound.notes)
    click = np.abs(np.asarray(sound.read(0, sound.samples)))[:, 0].argmax()
    assert click == np.abs(np.asarray(whole.read(0, whole.samples)))[:, 0].argmax()


def test_sound_of_which_nothing_decodes(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    write_sound(path, np.zeros((RATE_HZ, 1), np.float32), codec="aac", sample_format="fltp", layout="mono")
    overwrite_packets(path, lambda number: True)
    with pytest.raises(InputError, match=r"damaged\.mp4: found a sound stream without a sample that decodes"):
        open_container_sound(path)


def test_a_full_temporary_folder_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sound.mov"
    write_sound(path, np.ones((50_000, 2), np.int16), codec="pcm_s16le", sample_format="s16", layout="stereo")
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: full.open("w+b", buffering=0))
    with pytest.raises(AvbenchError, match=r"sound\.mov: its sound could not be unpacked in .*No space left on device"):
        open_container_sound(path)


def test_real_recording(shared_data: Path) -> None:
    sound = open_container_sound(shared_data / "gopro_max" / "max-heromode.mp4")
    assert sound is not None
    assert (sound.sample_rate_hz, sound.channels, sound.sample_format) == (48_000, 2, SampleFormat.FLOAT32)
    (note,) = sound.notes  # an MP4 without edit list
    assert "its aac sound may come late by about 21.3 ms" in note
    assert sound.start_ns == 0
    assert sound.samples == 504_832  # 493 packets of 1,024 as the index states
    assert np.ptp(np.asarray(sound.read(0, 48_000))) > 0.01
