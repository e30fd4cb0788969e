"""What reading by seeking costs against decoding everything, in processor time, both sides in turn.

How much is gained depends on the file: on the distance of its key frames, and on how many of its frames no other
frame refers to.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from avbench.preprocessing.media.video import open_video

EVERY = 15  # one frame every 0.5 s
REPEATS = 3


def panning_texture() -> Iterator[Any]:
    """30 s of 640x480 at 30 fps: panning over a texture with the spectrum of natural pictures, with sensor noise."""
    rng = np.random.default_rng(7)
    height, width = 480, 640
    rows, columns = np.fft.fftfreq(600)[:, None], np.fft.rfftfreq(1024)[None, :]
    texture = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((600, 1024))) / np.maximum(np.hypot(rows, columns), 1e-3))
    texture = (texture - texture.mean()) / texture.std() * 45 + 128
    sensor_noise = rng.normal(0, 4, (8, height, width))
    for number in range(900):
        x, y = int(180 + 170 * np.sin(number / 40)), int(60 + 55 * np.cos(number / 27))
        grey = (texture[y : y + height, x : x + width] + sensor_noise[number % 8]).clip(0, 255).astype(np.uint8)
        yield av.VideoFrame.from_ndarray(grey, format="gray").reformat(format="yuv420p")


def walk_with_a_camera(shared_data: Path) -> Iterator[Any]:
    """10.5 s of 848x480 at 29.97 fps from an action camera."""
    with av.open(str(shared_data / "gopro_max" / "max-heromode.mp4")) as container:
        for frame in container.decode(video=0):
            frame.pict_type = 0  # the camera's choice of key frames is not taken over
            yield frame


def encode(path: Path, frames: Iterable[Any], key_every: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "20"})
        stream.gop_size = key_every
        for number, frame in enumerate(frames):
            if number == 0:
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def decode_everything(path: Path, every: int) -> Iterator[Any]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.codec_context.thread_type = "NONE"
        for number, frame in enumerate(container.decode(stream)):
            if number % every == 0:
                yield frame.to_ndarray(format="rgb24")


def read_by_seeking(path: Path, every: int) -> Iterator[Any]:
    """Opening included: the stamps of all frames are part of the work."""
    video = open_video(path)
    return (frame.image for frame in video.read(range(0, len(video.time_ns), every)))


def cpu_seconds(work: Callable[[Path, int], Iterator[Any]], path: Path, every: int) -> float:
    start = time.process_time()
    for _ in work(path, every):
        pass
    return time.process_time() - start


def ratio_of(path: Path, every: int) -> float:
    """Processor time of reading by seeking as a share of that of sequential decoding."""
    sequential, seeking = [], []
    for _ in range(REPEATS):
        sequential.append(cpu_seconds(decode_everything, path, every))
        seeking.append(cpu_seconds(read_by_seeking, path, every))
    return min(seeking) / min(sequential)


@pytest.mark.perf
@pytest.mark.parametrize(("key_every", "limit"), [(30, 0.75), (250, 0.95)])
def test_sparse_frames_of_a_panning_texture(tmp_path: Path, key_every: int, limit: float) -> None:
    path = tmp_path / "pan.mp4"
    encode(path, panning_texture(), key_every)
    for ours, theirs in zip(read_by_seeking(path, EVERY), decode_everything(path, EVERY), strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= 3  # the same pictures, up to rounding of the conversion
    ratio = ratio_of(path, EVERY)
    print(f"\npanning texture, key frame every {key_every}: {ratio:.2f} of sequential PyAV (one frame in {EVERY})")
    assert ratio < limit


@pytest.mark.perf
@pytest.mark.parametrize(("key_every", "limit"), [(30, 0.65), (250, 0.85)])
def test_sparse_frames_of_a_real_walk(shared_data: Path, tmp_path: Path, key_every: int, limit: float) -> None:
    path = tmp_path / "walk.mp4"
    encode(path, walk_with_a_camera(shared_data), key_every)
    ratio = ratio_of(path, EVERY)
    print(f"\nreal walk, key frame every {key_every}: {ratio:.2f} of sequential PyAV (one frame in {EVERY})")
    assert ratio < limit


@pytest.mark.perf
def test_every_frame_costs_no_more_than_sequential_decoding(tmp_path: Path) -> None:
    path = tmp_path / "pan.mp4"
    encode(path, panning_texture(), 30)
    ratio = ratio_of(path, 1)
    print(f"\npanning texture, every frame: {ratio:.2f} of sequential PyAV")
    assert ratio < 1.25


@pytest.mark.perf
def test_sparse_frames_against_the_ffmpeg_command(tmp_path: Path) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("there is no ffmpeg command; the other tests compare with PyAV's sequential decoding")
    path = tmp_path / "pan.mp4"
    encode(path, panning_texture(), 30)
    command = [ffmpeg, "-v", "error", "-threads", "1", "-i", str(path), "-vf", f"select=not(mod(n\\,{EVERY}))"]
    command += ["-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-y", "/dev/null"]
    ours, theirs = [], []
    for _ in range(REPEATS):
        before = time.perf_counter()
        subprocess.run(command, check=True)
        theirs.append(time.perf_counter() - before)
        before = time.perf_counter()
        list(read_by_seeking(path, EVERY))
        ours.append(time.perf_counter() - before)
    ratio = min(ours) / min(theirs)
    print(f"\npanning texture, key frame every 30: {ratio:.2f} of the ffmpeg command")
    assert ratio < 0.8
