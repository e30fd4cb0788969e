"""Frames by presentation time stamp."""

from __future__ import annotations

import itertools
import pickle
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media import video as video_module
from avbench.preprocessing.media.container import open_container, ticks_to_ns
from avbench.preprocessing.media.feed import Awaited, PacketFeed
from avbench.preprocessing.media.file_length import missing_bytes
from avbench.preprocessing.media.packets import build_packet_table, plan_runs
from avbench.preprocessing.media.streams import StreamChoice
from avbench.preprocessing.media.upright import orientation_of
from avbench.preprocessing.media.video import VideoFile, open_video
from avbench.preprocessing.recording.recording import FrameSource
from avbench.preprocessing.sources.common.kinds import SUFFIXES, Role
from media_files import (
    HEIGHT_PX,
    TICKS,
    WIDTH_PX,
    number_of,
    numbered_picture,
    set_display_matrix,
    write_sound,
    write_video,
)

START = 135_000  # 1.5 s
SEED = 20_250_101


def irregular_ticks(count: int, start: int = START) -> list[int]:
    """Stamps at 90 kHz whose distances vary between 1 and 60 ms: a phone's variable frame rate, and worse."""
    steps = np.random.default_rng(SEED).integers(90, 5400, count - 1)
    return [start, *(start + np.cumsum(steps)).tolist()]


def numbers(video: VideoFile, indices: Iterable[int]) -> list[int]:
    return [number_of(frame.image) for frame in video.read(list(indices))]


@pytest.fixture(scope="module")
def irregular(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "irregular.mp4"
    write_video(path, irregular_ticks(90))
    return path


@pytest.fixture
def forbid_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("decoded from the beginning although seeking should do")

    monkeypatch.setattr(VideoFile, "_decode_from_beginning", fail)


def test_stamps_are_those_that_were_written_in_integer_nanoseconds(irregular: Path) -> None:
    ticks = irregular_ticks(90)
    video = open_video(irregular)
    # 1/90,000 s is 100,000/9 ns.
    assert video.time_ns.tolist() == [(t * 100_000 * 2 + 9) // 18 for t in ticks]
    assert (video.width_px, video.height_px) == (WIDTH_PX, HEIGHT_PX)
    assert video.notes == ()
    assert np.all(np.diff(video.time_ns) > 0)
    frames: FrameSource = video  # the type checker compares the protocol
    assert frames.time_ns[0] == 1_500_000_000


def test_every_frame_has_its_own_stamp_and_its_own_picture(irregular: Path, forbid_fallback: None) -> None:
    video = open_video(irregular)
    stamps_ns = [ticks_to_ns(t, Fraction(1, 90_000)) for t in irregular_ticks(90)]
    assert video.time_ns.tolist() == stamps_ns
    frames = {frame.time_ns: number_of(frame.image) for frame in video.read(list(range(90)))}
    assert frames == {stamp: number for number, stamp in enumerate(stamps_ns)}


@pytest.mark.parametrize(
    ("suffix", "codec", "options", "b_frames"),
    [
        ("mkv", "libx264", {}, 3),
        ("mov", "libx264", {"x264-params": "b-pyramid=normal:ref=4"}, 4),
        ("mp4", "libx264", {"x264-params": "open-gop=1"}, 3),
        ("mkv", "libx264", {"x264-params": "open-gop=1"}, 3),
        ("mp4", "libx265", {"x265-params": "open-gop=1:log-level=none:pools=1"}, 3),
        ("mp4", "libx264", {}, 0),
        ("ts", "libx264", {}, 3),
        ("mkv", "libvpx-vp9", {"cpu-used": "8", "deadline": "realtime"}, 0),
        ("mp4", "mpeg4", {"b": "2M"}, 2),
        ("mkv", "libsvtav1", {"preset": "12", "svtav1-params": "lp=1"}, 0),
    ],
)
@pytest.mark.parametrize("stride", [1, 2, 7, 31])
def test_frames_are_right_whatever_the_codec(
    tmp_path: Path, suffix: str, codec: str, options: dict[str, str], b_frames: int, stride: int, forbid_fallback: None
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this build of FFmpeg has no {codec}")
    path = tmp_path / f"video.{suffix}"
    # Matroska counts milliseconds, so the stamps are kept further apart than that.
    ticks = [START + 3000 * i + 180 * (i % 5) for i in range(70)]
    # The encoder of MPEG-4 part 2 takes no time base as fine as 1/90,000 s.
    time_base = Fraction(1, 30_000) if codec == "mpeg4" else TICKS
    stamps = [tick // 3 for tick in ticks] if codec == "mpeg4" else ticks
    write_video(path, stamps, codec=codec, options=options, b_frames=b_frames, time_base=time_base)
    video = open_video(path)
    assert len(video.time_ns) == 70
    wanted = list(range(0, 70, stride))
    assert numbers(video, wanted) == wanted
    assert np.abs(np.diff(video.time_ns) - np.diff(ticks) * 100_000 / 9).max() <= 1_000_000


def test_pictures_equal_those_of_sequential_decoding(irregular: Path) -> None:
    with av.open(str(irregular)) as container:
        expected = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    video = open_video(irregular)
    for index, decoded in video._decode_by_seeking([5, 11, 12, 13, 40, 41, 77, 89]):
        np.testing.assert_array_equal(decoded.to_ndarray(format="yuv420p"), expected[index])


def test_only_the_packets_that_are_needed_are_decoded(irregular: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    take = PacketFeed.take

    def counted(feed: PacketFeed) -> object:
        packet = take(feed)
        taken.append(packet.pts)
        return packet

    monkeypatch.setattr(PacketFeed, "take", counted)
    video = open_video(irregular)
    assert numbers(video, [50, 51, 52]) == [50, 51, 52]
    assert len(taken) == len(set(taken)) <= 90  # nothing twice
    taken.clear()
    assert numbers(video, [89]) == [89]
    assert len(taken) <= 12 + 4  # one group of pictures


def test_a_seek_that_misses_is_noticed_and_made_good(irregular: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never_arrives(feed: PacketFeed, key: int) -> bool:
        return False

    monkeypatch.setattr(PacketFeed, "_read_up_to", never_arrives)
    monkeypatch.setattr("avbench.preprocessing.media.feed._SHORT_WALK", 0)
    assert numbers(open_video(irregular), [3, 30, 60, 61]) == [3, 30, 60, 61]


def test_indices_must_increase_and_exist(irregular: Path) -> None:
    video = open_video(irregular)
    assert list(video.read([])) == []
    with pytest.raises(ValueError, match="increase"):
        video.read([3, 3])
    with pytest.raises(IndexError, match="90 frames"):
        video.read([90])
    with pytest.raises(IndexError, match="-1"):
        video.read([-1])


def test_a_video_can_be_sent_to_another_process(irregular: Path) -> None:
    again = pickle.loads(pickle.dumps(open_video(irregular)))  # noqa: S301
    assert numbers(again, [17]) == [17]


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [
        # Clockwise quarter turns as phones store them: (p, q) -> (a p + c q, b p + d q), q down.
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    ],
)
def test_frames_are_delivered_upright(tmp_path: Path, matrix: tuple[int, ...], turned) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "turned.mp4"
    write_video(path, [0, 3000, 6000])
    stored = [frame.image for frame in open_video(path).read([0, 2])]
    set_display_matrix(path, matrix)
    video = open_video(path)
    upright = [frame.image for frame in video.read([0, 2])]
    assert (video.height_px, video.width_px) == turned(stored[0]).shape[:2]
    for before, after in zip(stored, upright, strict=True):
        np.testing.assert_array_equal(after, turned(before))


def test_a_skew_rotation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "skew.mp4"
    write_video(path, [0, 3000, 6000])
    set_display_matrix(path, (np.cos(0.5), np.sin(0.5), -np.sin(0.5), np.cos(0.5)))
    with pytest.raises(InputError, match=r"skew\.mp4: found a display matrix that turns the picture by 28\.6 degrees"):
        open_video(path)


def test_a_display_matrix_of_zeros_is_refused_or_upright() -> None:
    assert orientation_of([1, 0, 0, 0, 1]).apply(np.zeros((2, 3, 3), np.uint8)).shape == (2, 3, 3)
    with pytest.raises(ValueError, match="turns the picture"):
        orientation_of([1, 1, 0, -1, 1])


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(("space", "k_red", "k_blue"), [(1, 0.2126, 0.0722), (6, 0.299, 0.114), (9, 0.2627, 0.0593)])
def test_colours_follow_the_range_and_matrix_of_the_stream(
    tmp_path: Path, space: int, k_red: float, k_blue: float, full_range: bool
) -> None:
    y, u, v = 100, 90, 170
    path = tmp_path / "colour.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.colorspace = space
        stream.codec_context.color_range = 2 if full_range else 1
        for stamp in range(3):
            frame = av.VideoFrame(64, 64, "yuv420p")
            frame.colorspace, frame.color_range, frame.pts = space, 2 if full_range else 1, stamp
            for plane, value in zip(frame.planes, (y, u, v), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    # ITU-R BT.601, BT.709, BT.2020: the same equations with other weights.
    luma, blue_difference, red_difference = (
        (y / 255, (u - 128) / 255, (v - 128) / 255)
        if full_range
        else ((y - 16) / 219, (u - 128) / 224, (v - 128) / 224)
    )
    red = luma + 2 * (1 - k_red) * red_difference
    blue = luma + 2 * (1 - k_blue) * blue_difference
    green = (luma - k_red * red - k_blue * blue) / (1 - k_red - k_blue)
    expected = 255 * np.clip([red, green, blue], 0, 1)
    (frame,) = open_video(path).read([1])
    np.testing.assert_allclose(frame.image[32, 32], expected, atol=3)
    assert frame.image.dtype == np.uint8


def test_frames_outside_the_edit_list_are_not_frames(tmp_path: Path) -> None:
    """An MP4 whose edit list starts in the middle of a group of pictures: the frames before are decoded, not shown."""
    path = tmp_path / "trimmed.mp4"
    write_video(path, [3000 * i for i in range(30)], b_frames=0)
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 12  # version, flags, number of entries; then duration, media time
    media_time = int.from_bytes(data[entry + 4 : entry + 8], "big")
    data[entry + 4 : entry + 8] = (media_time + 5 * 3000).to_bytes(4, "big")
    path.write_bytes(data)
    video = open_video(path)
    assert video.time_ns[0] == 0
    assert numbers(video, [0, 1, 20]) == [5, 6, 25]


def test_frames_before_zero(tmp_path: Path) -> None:
    """The edit list of an MP4 hides them; Matroska cannot tell their time, so they are left out and counted."""
    ticks = [3000 * i - 6000 for i in range(30)]
    for suffix in ("mp4", "mkv"):
        path = tmp_path / f"early.{suffix}"
        write_video(path, ticks, b_frames=2, container_options={"avoid_negative_ts": "disabled"})
        video = open_video(path)
        assert video.time_ns[0] == 0
        assert numbers(video, [0, 1, 20]) == [2, 3, 22]
    assert any("2 pictures without a time stamp were left out" in note for note in video.notes)


def test_negative_stamps_are_times_like_others() -> None:
    table = build_packet_table(
        [-6000, 0, -3000],
        [-9000, -6000, -3000],
        is_key=[True, False, False],
        is_hidden=[False] * 3,
        is_corrupt=[False] * 3,
    )
    assert table.frame_pts.tolist() == [-6000, -3000, 0]
    assert ticks_to_ns(-3000, Fraction(1, 90_000)) == -33_333_333


def test_a_stream_without_stamps_has_no_times(tmp_path: Path) -> None:
    path = tmp_path / "raw.h264"
    write_video(path, [3000 * i for i in range(20)])
    with pytest.raises(InputError, match=r"raw\.h264: found frames whose presentation times the file does not store"):
        open_video(path)


# Bad input.


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.mp4: found no such file"):
        open_video(tmp_path / "nothing.mp4")
    with pytest.raises(InputError, match="found a folder"):
        open_video(tmp_path)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(InputError, match=r"empty\.mp4: found 0 bytes, expected a media file; copy it again"):
        open_video(empty)
    text = tmp_path / "text.mp4"
    text.write_text("this is no video at all\n" * 50)
    with pytest.raises(InputError, match="found content that no demuxer reads"):
        open_video(text)
    playlist = tmp_path / "playlist.mp4"
    playlist.write_text("ffconcat version 1.0\nfile /etc/passwd\n")
    with pytest.raises(InputError):
        open_video(playlist)


def test_a_file_with_sound_only_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    write_sound(path, np.zeros((4096, 2), np.float32), codec="aac", sample_format="fltp", layout="stereo")
    with pytest.raises(InputError, match="found no video stream"):
        open_video(path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_an_mp4_cut_off_before_its_index(irregular: Path, tmp_path: Path, share: float) -> None:
    data = irregular.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"cut\.mp4: found an MP4 or MOV file without its index \(moov box\)"):
        open_video(path)


@pytest.mark.parametrize(
    ("suffix", "container_options"),
    [("mkv", {}), ("ts", {}), ("mp4", {"movflags": "faststart"}), ("mp4", {"movflags": "frag_keyframe+empty_moov"})],
)
def test_a_cut_off_file_that_still_plays_gives_its_frames(
    tmp_path: Path, suffix: str, container_options: dict[str, str]
) -> None:
    whole = tmp_path / f"whole.{suffix}"
    write_video(whole, [3000 * i for i in range(90)], container_options=container_options)
    path = tmp_path / f"cut.{suffix}"
    data = whole.read_bytes()
    path.write_bytes(data[: int(0.6 * len(data))])
    video = open_video(path)
    assert 30 < len(video.time_ns) < 75
    errors: list[InputError] = []
    frames = list(video.read(range(len(video.time_ns)), on_error=errors.append))
    offset = int(open_video(whole).time_ns[0])
    assert len(frames) + len(errors) == len(video.time_ns)
    assert len(errors) <= 12
    for frame in frames:
        assert number_of(frame.image) == round((frame.time_ns - offset) * 30 / 1e9)
    if suffix == "mp4" and "faststart" in container_options["movflags"]:
        assert any("the file states 3.0 s" in note for note in video.notes)


def damaged_copy(source: Path, target: Path, frame: int) -> None:
    """Overwrite the coded data of one frame."""
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
    packet = sorted(packets, key=lambda p: p.pts)[frame]
    data = bytearray(source.read_bytes())
    noise = np.random.default_rng(SEED).integers(0, 256, packet.size - 8, dtype=np.uint8).tobytes()
    data[packet.pos + 8 : packet.pos + packet.size] = noise
    target.write_bytes(data)


def test_damage_in_the_middle_costs_only_what_depends_on_it(irregular: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    damaged_copy(irregular, path, 40)
    video = open_video(path)
    assert len(video.time_ns) == 90
    errors: list[InputError] = []
    frames = list(video.read(range(90), on_error=errors.append))
    given = [number_of(frame.image) for frame in frames]
    assert [frame.time_ns for frame in frames] == [int(video.time_ns[number]) for number in given]
    assert 40 not in given
    # Key frames stand at 36 and 48; what is before and after that group is whole.
    assert set(range(90)) - set(given) <= set(range(33, 48))
    assert len(given) + len(errors) == 90
    time_s = int(video.time_ns[40]) / 1e9
    assert any(
        str(error).startswith(f"{path}, frame at {time_s:.3f} s: found a picture that is damaged") for error in errors
    )
    with pytest.raises(InputError, match=f"frame at {time_s:.3f} s"):
        list(video.read([40]))
    assert numbers(video, [10, 60]) == [10, 60]
    # Without a handler the frames before the damage are given first.
    iterator = video.read([10, 40, 60])
    assert number_of(next(iterator).image) == 10
    with pytest.raises(InputError):
        next(iterator)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_random_damage_is_never_a_traceback(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole.{suffix}"
    write_video(whole, [3000 * i for i in range(40)])
    rng = np.random.default_rng(SEED)
    opened = refused = 0
    for _ in range(30):
        data = np.frombuffer(whole.read_bytes(), dtype=np.uint8).copy()
        reach = len(data) if rng.random() < 0.6 else 1500
        data[rng.integers(0, reach, 10)] = rng.integers(0, 256, 10)
        path = tmp_path / f"damaged.{suffix}"
        path.write_bytes(data.tobytes())
        try:
            video = open_video(path)
        except InputError:
            refused += 1
            continue
        opened += 1
        errors: list[InputError] = []
        wanted = range(0, len(video.time_ns), 3)
        frames = list(video.read(wanted, on_error=errors.append))
        assert len(frames) + len(errors) == len(wanted)
        assert {frame.time_ns for frame in frames} <= {int(video.time_ns[i]) for i in wanted}
        assert all(frame.image.shape == (video.height_px, video.width_px, 3) for frame in frames)
    assert opened > 0
    assert opened + refused == 30


def test_a_size_that_changes_on_the_way_is_reported(tmp_path: Path) -> None:
    first, second, joined = (tmp_path / name for name in ("first.ts", "second.ts", "joined.ts"))
    write_video(first, [3000 * i for i in range(12)])
    with av.open(str(second), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number)[:48, :64].copy(), format="rgb24")
            frame.pts, frame.time_base = 36_000 + 3000 * number, Fraction(1, 90_000)
            stream.codec_context.time_base = Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    video = open_video(joined)
    errors: list[InputError] = []
    frames = list(video.read(range(len(video.time_ns)), on_error=errors.append))
    assert {frame.image.shape for frame in frames} == {(HEIGHT_PX, WIDTH_PX, 3)}
    assert any("found a picture of 64x48 px, expected 128x96 px" in str(error) for error in errors)


def test_an_avi_with_reordered_frames_has_no_times(tmp_path: Path) -> None:
    path = tmp_path / "reordered.avi"
    write_video(path, list(range(30)), time_base=Fraction(1, 30))
    with pytest.raises(InputError, match=r"times the file does not store \(an AVI with reordered frames\)"):
        open_video(path)


def test_an_avi_of_single_pictures_is_read(tmp_path: Path, forbid_fallback: None) -> None:
    path = tmp_path / "camera.avi"
    write_video(path, list(range(200)), codec="mjpeg", pixel_format="yuvj420p", b_frames=0, time_base=Fraction(1, 30))
    video = open_video(path)
    assert numbers(video, [0, 1, 150, 199]) == [0, 1, 150, 199]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_of_an_avi_without_reordering_are_at_the_places_of_their_packets(
    tmp_path: Path, codec: str, forbid_fallback: None
) -> None:
    path = tmp_path / "camera.avi"
    write_video(path, list(range(60)), codec=codec, b_frames=0, time_base=Fraction(1, 30))
    video = open_video(path)
    assert video.time_ns.tolist() == [round(number * 1e9 / 30) for number in range(60)]
    assert numbers(video, [0, 1, 31, 59]) == [0, 1, 31, 59]


def test_real_recording(shared_data: Path, forbid_fallback: None) -> None:
    path = shared_data / "gopro_max" / "max-heromode.mp4"
    video = open_video(path)
    assert (len(video.time_ns), video.width_px, video.height_px) == (315, 848, 480)
    assert video.time_ns[0] == 0
    assert video.time_ns[314] == round(314 * 3003 / 90_000 * 1e9)
    wanted = [0, 29, 30, 150, 151, 314]
    with av.open(str(path)) as container:
        # Luma as the camera stored it: full range, BT.709.
        luma = [frame.to_ndarray()[:480].astype(float) for frame in container.decode(video=0)]
    for index, frame in zip(wanted, video.read(wanted), strict=True):
        assert frame.time_ns == video.time_ns[index]
        difference = frame.image @ [0.2126, 0.7152, 0.0722] - luma[index]
        assert np.median(np.abs(difference)) < 1.0
        neighbour = luma[index + 1 if index < 314 else index - 1]
        assert np.abs(difference).mean() < 0.5 * np.abs(luma[index] - neighbour).mean()


# The pure parts.


@given(ticks=st.integers(-(2**40), 2**40), base=st.fractions(min_value=Fraction(1, 10**9), max_value=1))
def test_ticks_become_the_nearest_nanosecond(ticks: int, base: Fraction) -> None:
    exact = ticks * base * 10**9
    assert abs(ticks_to_ns(ticks, base) - exact) <= Fraction(1, 2)


def test_leading_frames_start_at_the_group_before() -> None:
    """I0 P3 b1 b2 | I6 b4 b5 P9 b7 b8: b4 and b5 are stored after the key frame 6 and shown before it."""
    pts = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    table = build_packet_table(
        pts, pts, is_key=[p in (0, 6) for p in pts], is_hidden=[False] * 10, is_corrupt=[False] * 10
    )
    assert table.start.tolist() == [0, 0, 0, 0, 4, 0, 0, 4, 4, 4]
    assert table.frame_pts.tolist() == list(range(10))
    assert [(run.first, run.last, run.frames) for run in plan_runs(table, [1, 8])] == [(0, 2, (1,)), (4, 9, (8,))]
    # Frame 5 needs packet 6, behind the key frame of frame 8: one run serves both.
    assert [(run.first, run.last, run.frames) for run in plan_runs(table, [5, 8])] == [(0, 9, (5, 8))]


def test_frames_without_key_frame_with_damage_or_with_the_same_stamp_are_left_out() -> None:
    table = build_packet_table(
        [0, 10, 20, 30, 30, 40, 50],
        [0, 10, 20, 30, 30, 40, 50],
        is_key=[False, True, False, False, False, False, False],
        is_hidden=[False, False, True, False, False, False, False],
        is_corrupt=[False, False, False, False, False, False, True],
    )
    assert table.frame_pts.tolist() == [10, 30, 40]
    assert table.frame_packet.tolist() == [1, 3, 5]
    assert (table.duplicates, table.undecodable) == (1, 2)


def test_an_empty_stream_has_no_frames() -> None:
    table = build_packet_table([], [], is_key=[], is_hidden=[], is_corrupt=[])
    assert len(table.frame_pts) == 0
    assert plan_runs(table, []) == []


@st.composite
def group_of_pictures_streams(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    order: list[int] = []
    keys: list[bool] = []
    shown = 0
    for _ in range(draw(st.integers(1, 5))):
        leading = draw(st.integers(0, 2)) if order else 0
        trailing = draw(st.integers(0, 4))
        order += [shown + leading, *range(shown, shown + leading)]
        order += draw(st.permutations(range(shown + leading + 1, shown + leading + 1 + trailing)))
        keys += [True] + [False] * (leading + trailing)
        shown += leading + 1 + trailing
    return np.array(order), np.array(keys)


@given(stream=group_of_pictures_streams(), data=st.data())
def test_runs_cover_every_wanted_frame_once_from_its_key_frame(
    stream: tuple[NDArray[np.int64], NDArray[np.bool_]], data: st.DataObject
) -> None:
    pts, keys = stream
    count = len(pts)
    table = build_packet_table(pts, pts, is_key=keys, is_hidden=[False] * count, is_corrupt=[False] * count)
    wanted = sorted(data.draw(st.sets(st.integers(0, count - 1))))
    runs = plan_runs(table, wanted)
    assert [frame for run in runs for frame in run.frames] == wanted
    for run in runs:
        assert keys[run.first]
        for frame in run.frames:
            packet = int(table.frame_packet[frame])
            assert run.first <= table.start[packet] <= packet <= run.last
            assert pts[run.first] <= pts[packet]
    # No packet is decoded for two runs.
    assert all(before.last < after.first for before, after in itertools.pairwise(runs))


def test_one_thread_decodes(irregular: Path) -> None:
    with open_container(irregular) as container:
        context = video_module.single_threaded(container.streams.video[0])
        assert context.thread_count == 1


def write_out_of_order(path: Path, stamps: list[int], suffix_dts: int) -> None:
    """A video of key frames only, stored in another order than their stamps: picture i has the stamp `stamps[i]`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuvj420p"
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(numbered_picture(stamp), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            for packet in stream.encode(frame):
                packet.pts, packet.dts = stamp, number - suffix_dts
                container.mux(packet)


@pytest.mark.parametrize("late", [1, 2, 14])
@pytest.mark.parametrize("stride", [1, 3])
def test_a_frame_that_is_decoded_after_later_ones_is_waited_for(
    tmp_path: Path, late: int, stride: int, forbid_fallback: None
) -> None:
    path = tmp_path / "late.mov"
    stamps = [*range(30), *range(31, 31 + late), 30, *range(31 + late, 60)]
    write_out_of_order(path, stamps, suffix_dts=late)
    video = open_video(path)
    wanted = list(range(0, 60, stride))
    assert numbers(video, wanted) == wanted


def test_a_frame_that_never_comes_is_lost_alone_and_soon() -> None:
    @dataclass
    class Decoded:
        pts: int

    awaited = Awaited((index, 10 * index) for index in range(100))
    given: list[tuple[int, bool]] = []
    for index in range(100):
        if index != 40:
            given.extend((number, frame is None) for number, frame in awaited.add(Decoded(10 * index)))
        if index == 57:
            assert given[-1] == (57, False)
    assert awaited.is_done
    assert given == [(index, index == 40) for index in range(100)]


FRAGMENTED = {"movflags": "frag_keyframe"}


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("mkv", {}),
        ("webm", {}),
        ("mp4", {"movflags": "faststart"}),
        ("mp4", FRAGMENTED),
        ("avi", {}),
    ],
)
@pytest.mark.parametrize("cut", [1, 5000])
def test_a_container_that_was_copied_in_part_is_said_however_short(
    tmp_path: Path, suffix: str, options: dict[str, str], cut: int
) -> None:
    path = tmp_path / f"cut.{suffix}"
    codec = "libvpx-vp9" if suffix == "webm" else "mpeg4"
    extra = {"cpu-used": "8", "deadline": "realtime"} if suffix == "webm" else {"g": "5"}
    ticks = list(range(30, 60))
    write_video(
        path, ticks, codec=codec, options=extra, b_frames=0, time_base=Fraction(1, 30), container_options=options
    )
    assert open_video(path).notes == ()
    path.write_bytes(path.read_bytes()[:-cut])
    # The index at the end of a file in fragments is a piece of its own, which can go without a trace.
    missing = r"\d+" if options is FRAGMENTED else str(cut)
    notes = open_video(path).notes
    assert any(re.search(rf"but is cut off \({missing} bytes are missing\): its pictures end at", n) for n in notes)


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (b"", 0),
        (b"no media", 0),
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + bytes(9), 0),  # a live recording
        (b"\x1a\x45\xdf\xa3\x82ab\x18\x53\x80\x67\x40\x64" + bytes(60), 40),
        (b"\x1a\x45\xdf\xa3\x82", 0),
        (
            b"RIFF"
            + struct.pack("<I", 20)
            + b"AVI "
            + bytes(16)
            + b"RIFF"
            + struct.pack("<I", 30)
            + b"AVIX"
            + bytes(6),
            20,
        ),
        (b"RIFF" + bytes(4) + b"AVI " + bytes(50), 0),
        (struct.pack(">I4sI", 12, b"ftyp", 0) + struct.pack(">I4sQ", 1, b"mdat", 2**33) + bytes(4), 2**33 - 20),
        (struct.pack(">I4sI", 12, b"ftyp", 0) + struct.pack(">I4s", 0, b"mdat") + bytes(40), 0),
        (struct.pack(">I4sI", 12, b"ftyp", 0) + b"\0\0", 0),
    ],
)
def test_what_a_file_lacks_by_its_own_account(tmp_path: Path, content: bytes, missing: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert missing_bytes(path) == missing


@pytest.mark.parametrize(
    ("suffix", "codec", "b_frames", "options"),
    [
        ("m4v", "libx264", 2, {}),
        ("3gp", "libx264", 2, {}),
        ("webm", "libvpx-vp9", 0, {}),
        ("mts", "libx264", 2, {"mpegts_m2ts_mode": "1"}),
        ("m2ts", "libx264", 2, {"mpegts_m2ts_mode": "1"}),
        ("mpg", "mpeg2video", 2, {}),
        ("mxf", "mpeg2video", 2, {}),
    ],
)
def test_frames_are_right_in_every_container_that_is_read(
    tmp_path: Path, suffix: str, codec: str, b_frames: int, options: dict[str, str]
) -> None:
    path = tmp_path / f"video.{suffix}"
    assert f".{suffix}" in SUFFIXES[Role.VIDEO]
    encoder = {"cpu-used": "8", "deadline": "realtime"} if suffix == "webm" else {}
    write_video(
        path,
        list(range(45, 85)),
        codec=codec,
        options=encoder,
        b_frames=b_frames,
        time_base=Fraction(1, 30),
        container_options=options,
    )
    video = open_video(path)
    assert (len(video.time_ns), video.notes) == (40, ())
    assert np.abs(np.diff(video.time_ns) - 1e9 / 30).max() <= 1_000_000  # Matroska counts milliseconds
    assert numbers(video, [0, 7, 8, 25, 39]) == [0, 7, 8, 25, 39]


def write_two_videos(path: Path, sizes: list[tuple[int, int]]) -> None:
    """A container of several video streams: picture i of stream k carries the number 100 k + i, as far as it shows."""
    with av.open(str(path), "w") as container:
        streams = []
        for width, height in sizes:
            stream = container.add_stream("mpeg4", rate=30)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        for number in range(10):
            for k, stream in enumerate(streams):
                picture = np.ascontiguousarray(numbered_picture(100 * k + number)[: stream.height, : stream.width])
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 30)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))


def test_one_of_several_video_streams_is_chosen_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "two.mp4"
    write_two_videos(path, [(WIDTH_PX, HEIGHT_PX), (WIDTH_PX, HEIGHT_PX)])
    for chosen in (0, 1):
        video = open_video(path, StreamChoice(video=chosen))
        assert numbers(video, [0, 5, 9]) == [100 * chosen + i for i in (0, 5, 9)]
        assert video.notes == ()
    with pytest.raises(
        InputError, match=r"found 2 video streams \(0: mpeg4 128 x 96; 1: mpeg4 128 x 96\).*\[streams\]"
    ):
        open_video(path)
    with pytest.raises(InputError, match=r"expected stream 2 as \[streams\] video"):
        open_video(path, StreamChoice(video=2))


def test_a_small_second_video_stream_is_said(tmp_path: Path) -> None:
    path = tmp_path / "preview.mp4"
    write_two_videos(path, [(WIDTH_PX, HEIGHT_PX), (64, 48)])
    video = open_video(path)
    assert numbers(video, [3]) == [3]
    (note,) = video.notes
    assert "of 2 video streams (0: mpeg4 128 x 96; 1: mpeg4 64 x 48) the first is used" in note


def test_times_that_do_not_fit_nanoseconds_are_refused(irregular: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last_ns = int(open_video(irregular).time_ns[-1])
    monkeypatch.setattr(video_module, "_TOO_LATE_NS", last_ns)
    with pytest.raises(
        InputError, match=r"found frames from 1\.500 s to .* expected times that fit 64-bit nanoseconds"
    ):
        open_video(irregular)
