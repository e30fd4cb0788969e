"""RGB frames and sound of VRS files, against what projectaria-tools reads and against streams made here."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError, MissingDependencyError
from avbench.preprocessing.recording.recording import SampleFormat
from avbench.preprocessing.sources.aria import sound as aria_sound
from avbench.preprocessing.sources.aria import vrs as aria_vrs
from avbench.preprocessing.sources.aria.device import Generation
from avbench.preprocessing.sources.aria.sound import AriaSound, open_sound, split_opus_streams
from avbench.preprocessing.sources.aria.vrs import RGB_STREAM, SOUND_STREAM, RgbFrames, VrsFile

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "aria_golden.json").read_text())
CELLS = 8


@pytest.fixture(scope="module")
def gen1(shared_data: Path) -> VrsFile:
    pytest.importorskip("pyvrs", reason="needs the extra avbench[aria]")
    return VrsFile(shared_data / "aria_gen1_adt" / "video.vrs")


@pytest.fixture(scope="module")
def gen2(shared_data: Path) -> VrsFile:
    pytest.importorskip("pyvrs", reason="needs the extra avbench[aria]")
    return VrsFile(shared_data / "aria_gen2" / "recording.vrs")


class StreamDouble:
    """Stands for a VRS file with one stream, for contents that no real file at hand has."""

    path = Path("made.vrs")

    def __init__(self, stream: str, configuration: Mapping[str, Any], records: Sequence[tuple[dict[str, Any], Any]]):
        self._stream, self._configuration, self._records = stream, configuration, records

    def has(self, stream: str) -> bool:
        return stream == self._stream and bool(self._records)

    def count(self, stream: str) -> int:
        return len(self._records) if stream == self._stream else 0

    def configuration(self, stream: str) -> Mapping[str, Any]:
        return self._configuration

    def metadata(self, stream: str) -> Iterator[Mapping[str, Any]]:
        yield from (metadata for metadata, _ in self._records)

    def record(self, stream: str, index: int) -> Any:
        return self._records[index][1]


def as_vrs(double: StreamDouble) -> VrsFile:
    return cast("VrsFile", double)


# --- pictures -----------------------------------------------------------------------------------------------------


def test_gen1_frames_equal_the_official_readers_bit_for_bit(gen1: VrsFile) -> None:
    frames = RgbFrames(gen1)
    assert frames.time_ns.tolist() == GOLDEN["gen1"]["frame_time_ns"]
    assert [frames.width_px, frames.height_px] == GOLDEN["gen1"]["size_px"]
    decoded = list(frames.read(range(len(frames.time_ns))))
    assert [hashlib.sha256(frame.image.tobytes()).hexdigest() for frame in decoded] == GOLDEN["gen1"]["frame_sha256"]
    assert [frame.time_ns for frame in decoded] == frames.time_ns.tolist()


def test_gen2_frames_equal_the_official_readers_to_one_level(gen2: VrsFile) -> None:
    frames = RgbFrames(gen2)
    assert frames.time_ns.tolist() == GOLDEN["gen2"]["frame_time_ns"]
    for frame, expected in zip(frames.read([0, 1, 2]), GOLDEN["gen2"]["frame_cell_means"], strict=True):
        assert frame.image.shape == (1512, 2016, 3)
        cells = frame.image.reshape(CELLS, 1512 // CELLS, CELLS, 2016 // CELLS, 3).mean(axis=(1, 3))
        assert np.abs(cells - expected).max() < 1.0  # its conversion from YUV rounds otherwise


def test_a_frame_does_not_depend_on_what_was_read_before(gen2: VrsFile) -> None:
    frames = RgbFrames(gen2)
    everything = list(frames.read([0, 1, 2]))
    (alone,) = frames.read([2])
    assert alone.time_ns == everything[2].time_ns
    np.testing.assert_array_equal(alone.image, everything[2].image)


def encode_video(*, frames: int, group: int, b_frames: int) -> tuple[list[bytes], NDArray[np.uint8]]:
    """H.264 packets in presentation order, one a frame, and the pictures that decoding all of them gives."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 64, 48, "yuv420p"
    codec.time_base = 1
    codec.options = {
        "x264-params": f"keyint={group}:min-keyint={group}:scenecut=0:bframes={b_frames}:threads=1:annexb=1"
    }
    rows, columns = np.mgrid[:48, :64]
    packets = []
    for index in range(frames):
        red = ((columns * 4 + index * 9) % 256).astype(np.uint8)
        green = ((rows * 5 + index * 3) % 256).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(np.stack([red, green, red], axis=-1), format="rgb24")
        frame.pts = index
        packets += codec.encode(frame)
    packets += codec.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return [bytes(packet) for packet in packets], np.stack([f.reformat(format="rgb24").to_ndarray() for f in decoded])


def video_records(packets: Sequence[bytes], group: int, codec_name: str = "H.264") -> list[tuple[dict[str, Any], Any]]:
    return [
        (
            {"capture_timestamp_ns": 1_000_000_000 + 33_000_000 * index},
            SimpleNamespace(
                n_image_blocks=1,
                image_blocks=[np.frombuffer(packet, dtype=np.uint8)],
                image_specs=[
                    SimpleNamespace(image_format="video", codec_name=codec_name, key_frame_index=index % group)
                ],
            ),
        )
        for index, packet in enumerate(packets)
    ]


VIDEO_CONFIGURATION = {"image_width": 64, "image_height": 48}


@pytest.mark.parametrize("indices", [range(12), [0], [3], [4, 6], [1, 5, 11], [7, 8], [11]])
def test_video_between_key_frames(indices: Sequence[int]) -> None:
    packets, pictures = encode_video(frames=12, group=5, b_frames=0)
    frames = RgbFrames(as_vrs(StreamDouble(RGB_STREAM, VIDEO_CONFIGURATION, video_records(packets, 5))))
    read = list(frames.read(indices))
    assert [frame.time_ns for frame in read] == [1_000_000_000 + 33_000_000 * index for index in indices]
    np.testing.assert_array_equal(np.stack([frame.image for frame in read]), pictures[list(indices)])


def test_video_decoder_gives_a_frame_that_the_stream_lets_it_hold_back(monkeypatch: pytest.MonkeyPatch) -> None:
    packets, pictures = encode_video(frames=6, group=6, b_frames=0)
    open_codec = aria_vrs._VideoDecoder._open

    class LateCodec:
        """A decoder one frame behind, as one of a stream that allows for reordering is."""

        def __init__(self, codec: Any) -> None:
            self._codec, self._held = codec, []

        def decode(self, packet: Any) -> list[Any]:
            frames = self._held + self._codec.decode(packet)
            self._held = [] if packet is None else frames[-1:]
            return frames if packet is None else frames[:-1]

    monkeypatch.setattr(
        aria_vrs._VideoDecoder, "_open", lambda self, index, name: LateCodec(open_codec(self, index, name))
    )
    frames = RgbFrames(as_vrs(StreamDouble(RGB_STREAM, VIDEO_CONFIGURATION, video_records(packets, 6))))
    np.testing.assert_array_equal(np.stack([frame.image for frame in frames.read([1, 2, 5])]), pictures[[1, 2, 5]])


def test_bad_pictures_are_named() -> None:
    packets, _ = encode_video(frames=3, group=3, b_frames=0)

    def read(records: Any, configuration: Mapping[str, Any] = VIDEO_CONFIGURATION) -> None:
        list(RgbFrames(as_vrs(StreamDouble(RGB_STREAM, configuration, records))).read([0, 1]))

    with pytest.raises(InputError, match=r"made.vrs: 214-1, record 0: found video codec 'VP9'"):
        read(video_records(packets, 3, codec_name="VP9"))
    with pytest.raises(InputError, match=r"64x48 pixels, expected 32x48"):
        read(video_records(packets, 3), {"image_width": 32, "image_height": 48})
    with pytest.raises(InputError, match=r"record 0: found video that"):
        read(video_records([b"nonsense", *packets[1:]], 3))
    late_key = video_records(packets, 3)
    late_key[1][1].image_specs[0].key_frame_index = 4
    with pytest.raises(InputError, match="a key frame 3 records before the first"):
        list(RgbFrames(as_vrs(StreamDouble(RGB_STREAM, VIDEO_CONFIGURATION, late_key))).read([1]))
    jpeg = video_records(packets, 3)
    jpeg[0][1].image_specs[0].image_format = "jpg"
    with pytest.raises(InputError, match="a JPEG that does not decode"):
        read(jpeg)
    jpeg[0][1].image_specs[0].image_format = "raw"
    with pytest.raises(InputError, match="a picture stored as 'raw'"):
        read(jpeg)


def test_capture_times_must_increase() -> None:
    records = video_records([b""] * 3, 1)
    records[2][0]["capture_timestamp_ns"] = records[1][0]["capture_timestamp_ns"]
    with pytest.raises(InputError, match=r"record 2: found capture time 1033000000 ns after 1033000000 ns"):
        RgbFrames(as_vrs(StreamDouble(RGB_STREAM, VIDEO_CONFIGURATION, records)))


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keep", "message"), [(0.75, "truncated"), (0.99, "truncated"), (0.001, "truncated")])
def test_truncated_file(gen2: VrsFile, tmp_path: Path, keep: float, message: str) -> None:
    data = gen2.path.read_bytes()
    path = tmp_path / "short.vrs"
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputError, match=rf"short\.vrs: found a {message} file \({int(len(data) * keep)} bytes"):
        VrsFile(path)


def test_not_a_vrs_file(gen2: VrsFile, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.vrs"
    with pytest.raises(InputError, match="no such file"):
        VrsFile(path)
    for data in (b"", b"\x00" * 5000):
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"a file of {len(data)} bytes that does not open as VRS"):
            VrsFile(path)
    assert capfd.readouterr().err == ""  # the native library's own messages stay away from the user


def test_no_rgb_stream(gen2: VrsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aria_vrs, "RGB_STREAM", "214-9")
    with pytest.raises(InputError, match="no RGB frames, expected a stream 214-9"):
        RgbFrames(gen2)


def test_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(aria_vrs.importlib, "import_module", absent)
    monkeypatch.setattr(sys, "version_info", (3, 12, 9, "final", 0))
    with pytest.raises(MissingDependencyError, match=r"not installed; run: pip install 'avbench\[aria\]'"):
        VrsFile(tmp_path / "recording.vrs")
    monkeypatch.setattr(sys, "version_info", (3, 13, 1, "final", 0))
    expected = (
        "Reading Aria recordings needs vrs, which has no wheel for Python 3.13; run this step with Python 3.12 "
        "(pip install 'avbench[aria]'); everything else runs with this one too"
    )
    with pytest.raises(MissingDependencyError) as caught:
        VrsFile(tmp_path / "recording.vrs")
    assert str(caught.value) == expected


# --- sound --------------------------------------------------------------------------------------------------------


def test_gen2_sound_equals_the_official_readers(gen2: VrsFile) -> None:
    golden = GOLDEN["gen2"]
    sound = open_sound(gen2, Generation.GEN2)
    assert sound is not None
    assert sound.labels == tuple(f"mic{i}" for i in range(7))  # the contact microphone is the eighth channel
    assert (sound.channels, sound.sample_rate_hz, sound.samples) == (7, 16_000, golden["sound_samples"])
    assert sound.sample_format is SampleFormat.INT16
    samples = sound.read(0, sound.samples).astype(int)
    part = np.array(golden["sound_part"]["samples"])[:, :7]
    start = golden["sound_part"]["start"]
    assert np.abs(samples[start : start + 400 : 5] - part).max() <= 1
    np.testing.assert_allclose(np.sqrt((samples**2.0).mean(axis=0)), golden["sound_rms"][:7], rtol=1e-3)
    assert any("Opus" in note for note in sound.notes)


def test_gen2_sound_keeps_to_the_device_clock(gen2: VrsFile) -> None:
    sound = open_sound(gen2, Generation.GEN2)
    assert sound is not None
    begins_ns = np.array(GOLDEN["gen2"]["sound_block_start_ns"])
    placed_ns = sound.start_ns + np.arange(len(begins_ns)) * 320 * 62_500
    assert np.abs(placed_ns - begins_ns).max() < 62_500 / 2


def test_no_sound_stream(gen1: VrsFile) -> None:
    assert open_sound(gen1, Generation.GEN1) is None


RATE_HZ = 48_000
BLOCK = 4096


def pcm_double(
    samples: NDArray[Any], late_ns: Sequence[int] = (), muted: Sequence[int] = (), **configuration: Any
) -> StreamDouble:
    """Gen 1's sound: blocks of PCM with the time of each sample; `late_ns` is added from the second block on."""
    records = []
    for index, start in enumerate(range(0, len(samples), BLOCK)):
        block = samples[start : start + BLOCK]
        first_ns = 5_000_000_000 + round(start * 1e9 / RATE_HZ) + sum(late_ns[:index])
        times = [first_ns + round(i * 1e9 / RATE_HZ) for i in range(len(block))]
        metadata = {"capture_timestamps_ns": times, "audio_muted": int(index in muted)}
        records.append((metadata, SimpleNamespace(n_audio_blocks=1, audio_blocks=[block])))
    fields = {"audio_channel_count": samples.shape[1], "audio_sample_rate": RATE_HZ}
    return StreamDouble(SOUND_STREAM, fields | configuration, records)


@pytest.fixture
def noise() -> NDArray[np.int32]:
    generator = np.random.default_rng(4)
    return generator.integers(-(2**31), 2**31, size=(5 * BLOCK, 7), dtype=np.int64).astype(np.int32)


def opened(double: StreamDouble, generation: Generation = Generation.GEN1) -> AriaSound:
    sound = open_sound(as_vrs(double), generation)
    assert sound is not None
    return sound


@pytest.mark.parametrize("chunk", [1, 2, 256])
def test_pcm_is_bit_exact_in_every_part(noise: NDArray[np.int32], chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aria_sound, "_CHUNK_BLOCKS", chunk)
    sound = opened(pcm_double(noise))
    assert sound.sample_format is SampleFormat.INT32
    assert sound.start_ns == 5_000_000_000
    assert sound.labels == tuple(f"mic{i}" for i in range(7))
    assert sound.notes == ()
    for start, stop in [(0, len(noise)), (0, 0), (BLOCK, BLOCK), (4000, 4200), (BLOCK, 2 * BLOCK), (20_000, 20_480)]:
        part = sound.read(start, stop)
        assert part.dtype == np.int32
        np.testing.assert_array_equal(part, noise[start:stop])
    with pytest.raises(ValueError, match="not within 0 to 20480"):
        sound.read(0, len(noise) + 1)


def test_missing_blocks_become_silence_at_the_right_time(
    noise: NDArray[np.int32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aria_sound, "_CHUNK_BLOCKS", 2)
    gap_ns = round(2 * BLOCK * 1e9 / RATE_HZ)
    sound = opened(pcm_double(noise, late_ns=[0, gap_ns]))
    assert sound.samples == len(noise) + 2 * BLOCK
    whole = sound.read(0, sound.samples)
    np.testing.assert_array_equal(whole[: 2 * BLOCK], noise[: 2 * BLOCK])
    assert not whole[2 * BLOCK : 4 * BLOCK].any()
    np.testing.assert_array_equal(whole[4 * BLOCK :], noise[2 * BLOCK :])
    assert sound.notes == ("sound has 1 gaps, filled with zeros (28.57% of its length)",)
    inside = sound.read(2 * BLOCK + 5, 3 * BLOCK)
    assert not inside.any()


def test_a_slow_clock_is_no_gap(noise: NDArray[np.int32]) -> None:
    """Blocks that each come 4 ms late: nothing is inserted, the start is centred, and the user is told."""
    sound = opened(pcm_double(noise, late_ns=[4_000_000] * 4))
    assert sound.samples == len(noise)
    assert sound.start_ns == 5_000_000_000 + 8_000_000
    assert sound.notes == ("the sound's clock strays up to 8.0 ms from the device's",)


def test_blocks_that_overlap_are_refused(noise: NDArray[np.int32]) -> None:
    with pytest.raises(
        InputError, match=r"231-1, record 2: found a block that begins 6\.0 ms before the last one ends"
    ):
        opened(pcm_double(noise, late_ns=[0, -6_000_000]))


def test_odd_sound_streams(noise: NDArray[np.int32]) -> None:
    sixteen = opened(pcm_double((noise >> 16).astype(np.int16), muted=[1, 2]))
    assert sixteen.sample_format is SampleFormat.INT16
    assert sixteen.read(0, 5).dtype == np.int16
    assert sixteen.notes == ("2 of 5 blocks of sound are muted",)
    unknown = opened(pcm_double(noise[:, :2]))
    assert (unknown.channels, unknown.labels) == (2, None)
    with pytest.raises(InputError, match="samples of type float32"):
        opened(pcm_double(noise.astype(np.float32)))
    with pytest.raises(InputError, match="0 channels at 48000 Hz"):
        opened(pcm_double(noise, audio_channel_count=0))
    with pytest.raises(InputError, match="with 2 coupled pairs"):
        opened(pcm_double(noise, audio_format=2, audio_stereo_pair_count=2))
    short = pcm_double(noise)
    short._records[1][0]["capture_timestamps_ns"].pop()
    with pytest.raises(InputError, match="record 1: found 4096 samples, expected 4095"):
        opened(short).read(0, 10)
    short._records[1][0]["capture_timestamps_ns"].clear()
    with pytest.raises(InputError, match="record 1: found no capture times"):
        opened(short)


def encode_opus(samples: NDArray[np.int16], frame: int) -> list[bytes]:
    """Opus packets of one channel at 16 kHz, one a `frame` samples."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = 16_000, "mono", "s16", 256_000
    codec.options = {"vbr": "off", "application": "lowdelay", "frame_duration": "20"}
    packets = []
    for start in range(0, len(samples), frame):
        block = av.AudioFrame.from_ndarray(samples[None, start : start + frame], format="s16", layout="mono")
        block.sample_rate, block.pts = 16_000, start
        packets += [bytes(packet) for packet in codec.encode(block)]
    return packets


def self_delimited(packet: bytes) -> bytes:
    length = len(packet) - 1
    if length < 252:
        return packet[:1] + bytes([length]) + packet[1:]
    low = 252 + (length & 3)
    return packet[:1] + bytes([low, (length - low) // 4]) + packet[1:]


def test_opus_streams_are_taken_apart_and_decoded() -> None:
    frame, blocks = 320, 12
    generator = np.random.default_rng(8)
    time_s = np.arange(frame * blocks) / 16_000
    tones = [8000 * np.sin(2 * np.pi * f * time_s) + 500 * generator.standard_normal(time_s.size) for f in (300, 900)]
    packets = [encode_opus(tone.astype(np.int16), frame)[:blocks] for tone in tones]
    assert len(packets[0][0]) > 252 + 1  # so that both forms of length are met
    short = b"\xb8" + b"\x11" * 9
    records = []
    for index in range(blocks):
        data = self_delimited(packets[0][index]) + self_delimited(packets[1][index]) + short
        padded = np.frombuffer(data.ljust(frame * 3 * 2, b"\x5a"), dtype=np.int16).reshape(frame, 3)
        times = [10**9 + index * 20_000_000 + i * 62_500 for i in range(frame)]
        record = SimpleNamespace(n_audio_blocks=1, audio_blocks=[padded])
        records.append(({"capture_timestamps_ns": times, "audio_muted": 0}, record))
    configuration = {
        "audio_channel_count": 3,
        "audio_sample_rate": 16_000,
        "audio_format": 2,
        "enabled_mic_id_mask": 0b1000_0011,
    }
    sound = opened(StreamDouble(SOUND_STREAM, configuration, records), Generation.GEN2)
    assert sound.labels == ("mic0", "mic1")
    read = sound.read(0, sound.samples)
    for channel, stream in enumerate(packets):
        decoder = av.CodecContext.create("libopus", "r")  # another implementation than the one under test
        decoder.layout = "mono"
        reference = np.concatenate([f.to_ndarray().reshape(-1) for p in stream for f in decoder.decode(av.Packet(p))])
        assert np.abs(read[:, channel].astype(int) - reference[::3]).max() <= 1
    unlabelled = configuration | {"enabled_mic_id_mask": 0b0000_0111}
    without_contact = opened(StreamDouble(SOUND_STREAM, unlabelled, records), Generation.GEN2)
    assert without_contact.labels == ("mic0", "mic1")
    assert any(note.startswith("mic2 is left out") for note in without_contact.notes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes that end before stream 0"),
        (b"\xb8\x05\x01\x02", "4 bytes that end within stream 0"),
        (b"\xb8\xfc", "2 bytes that end within stream 0"),
        (b"\xb8\x01\x00\xbb\x01\x00", "several frames in stream 1"),
    ],
)
def test_damaged_opus_packets(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_opus_streams(data, 2)
