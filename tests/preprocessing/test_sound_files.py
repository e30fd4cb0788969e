"""Sound files and sound inside containers: every bit, every channel, the right time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from avbench.preprocessing.errors import AvbenchError, InputError
from avbench.preprocessing.media.sound import open_sound_file, open_video_sound
from avbench.preprocessing.recording import SampleFormat, SoundSource
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


def test_a_cut_off_flac_gives_what_it_has(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 96_000, 2)
    path = tmp_path / "cut.flac"
    soundfile.write(path, samples, RATE_HZ)
    path.write_bytes(path.read_bytes()[:200_000])
    sound = open_sound_file(path)
    np.testing.assert_array_equal(sound.read(1000, 30_000), samples[1000:30_000])
    with pytest.raises(InputError, match=r"cut\.flac, sound from 1\.667 s: found .*; copy the file again"):
        sound.read(80_000, 96_000)


def test_a_cut_off_wav_is_as_long_as_what_it_has(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT24, 10_000, 7)
    path = tmp_path / "cut.wav"
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_24")
    path.write_bytes(path.read_bytes()[:100_000])
    sound = open_sound_file(path)
    assert 4000 < sound.samples < 5000
    np.testing.assert_array_equal(sound.read(0, sound.samples), samples[: sound.samples])


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
    sound = open_video_sound(path)
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
    sound = open_video_sound(path)
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
    sound = open_video_sound(path)
    assert sound is not None
    assert (sound.sample_format, sound.channels) == (SampleFormat.FLOAT32, 2)
    decoded = np.abs(np.asarray(sound.read(0, sound.samples), dtype=np.float64))
    for channel, sample in [(0, 24_000), (1, 60_000)]:
        time_ms = sound.start_ns / 1e6 + decoded[:, channel].argmax() * 1000 / RATE_HZ
        assert time_ms == pytest.approx((start + sample) * 1000 / RATE_HZ, abs=1.0)


def test_a_gap_in_the_stamps_becomes_silence(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 10 * 1024, 2)
    path = tmp_path / "gap.mkv"
    write_sound(path, samples, codec="pcm_s16le", sample_format="s16", layout="stereo", pauses={4096: 4800})
    sound = open_video_sound(path)
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
    sound = open_video_sound(path)
    assert sound is not None
    assert any("filled with silence" in note for note in sound.notes)
    time_ms = sound.start_ns / 1e6 + np.abs(np.asarray(sound.read(0, sound.samples)))[:, 0].argmax() * 1000 / RATE_HZ
    assert time_ms == pytest.approx((40_000 + 9600) * 1000 / RATE_HZ, abs=1.0)


def test_small_irregularities_of_stamps_are_no_gaps(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 10 * 1024, 2)
    path = tmp_path / "jitter.mkv"
    write_sound(path, samples, codec="pcm_s16le", sample_format="s16", layout="stereo", pauses={2048: 96, 4096: -96})
    sound = open_video_sound(path)
    assert sound is not None
    assert sound.notes == ()
    np.testing.assert_array_equal(sound.read(0, sound.samples), samples)


def test_sound_that_overlaps_keeps_its_time(tmp_path: Path) -> None:
    samples = random_samples(SampleFormat.INT16, 10 * 1024, 2)
    path = tmp_path / "overlap.mkv"
    write_sound(path, samples, codec="pcm_s16le", sample_format="s16", layout="stereo", pauses={4096: -480})
    sound = open_video_sound(path)
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
        open_video_sound(path)


def test_a_video_without_sound_has_none(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    write_video(path, [0, 3000, 6000])
    assert open_video_sound(path) is None


def test_bad_containers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        open_video_sound(tmp_path / "nothing.mp4")
    empty = tmp_path / "empty.mov"
    empty.touch()
    with pytest.raises(InputError, match="found 0 bytes"):
        open_video_sound(empty)


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
    whole = open_video_sound(path)
    assert whole is not None
    overwrite_packets(path, lambda number: 20 <= number < 30)
    sound = open_video_sound(path)
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
        open_video_sound(path)


def test_a_full_temporary_folder_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sound.mov"
    write_sound(path, np.ones((50_000, 2), np.int16), codec="pcm_s16le", sample_format="s16", layout="stereo")
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: full.open("w+b", buffering=0))
    with pytest.raises(AvbenchError, match=r"sound\.mov: its sound could not be unpacked in .*No space left on device"):
        open_video_sound(path)


def test_real_recording(shared_data: Path) -> None:
    sound = open_video_sound(shared_data / "gopro_max" / "max-heromode.mp4")
    assert sound is not None
    assert (sound.sample_rate_hz, sound.channels, sound.sample_format) == (48_000, 2, SampleFormat.FLOAT32)
    assert (sound.start_ns, sound.notes) == (0, ())
    assert sound.samples == 504_832  # 493 packets of 1,024 as the index states
    assert np.ptp(np.asarray(sound.read(0, 48_000))) > 0.01
