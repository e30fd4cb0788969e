"""Small media files for tests: every picture carries its number, so that a test can check what it was given."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

WIDTH_PX = 128
HEIGHT_PX = 96
_BLOCK_PX = 16
TICKS = Fraction(1, 90_000)


def numbered_picture(number: int) -> NDArray[np.uint8]:
    """A picture whose upper 32 rows are 16 black or white blocks, the bits of `number`, over a moving background."""
    rows, columns = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    waves = 128 + 60 * np.sin((columns + 5 * number) / 9) + 60 * np.cos((rows - 3 * number) / 7)
    picture = np.stack([waves, np.roll(waves, 11, axis=1), 255 - waves], axis=-1).clip(0, 255).astype(np.uint8)
    for bit in range(16):
        row, column = divmod(bit, 8)
        block = (slice(row * _BLOCK_PX, (row + 1) * _BLOCK_PX), slice(column * _BLOCK_PX, (column + 1) * _BLOCK_PX))
        picture[block] = 255 if number >> bit & 1 else 0
    return picture


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number that a picture carries."""
    blocks = picture[: 2 * _BLOCK_PX].reshape(2, _BLOCK_PX, 8, _BLOCK_PX, 3).mean(axis=(1, 3, 4)).ravel()
    assert np.all((blocks < 70) | (blocks > 185)), f"the number is not readable: {blocks.round()}"
    return int(np.sum((blocks > 128) << np.arange(16)))


def write_video(
    path: Path,
    ticks: Sequence[int],
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    key_every: int = 12,
    b_frames: int = 3,
    options: dict[str, str] | None = None,
    time_base: Fraction = TICKS,
    container_options: dict[str, str] | None = None,
) -> None:
    """Write a video whose i-th picture in the order of presentation carries i and has the stamp `ticks[i]`."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=30, options=options or {})
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, pixel_format
        stream.time_base = stream.codec_context.time_base = time_base
        stream.gop_size = key_every
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.thread_count = 1
        for number, stamp in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(numbered_picture(number), format="rgb24")
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_sound(
    path: Path,
    samples: NDArray[Any],
    *,
    codec: str,
    sample_format: str,
    layout: str,
    sample_rate_hz: int = 48_000,
    start: int = 0,
    pauses: dict[int, int] | None = None,
    codec_options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> None:
    """Write a container with one sound stream.

    Args:
        path: The file.
        samples: (samples, channels).
        codec: FFmpeg's encoder.
        sample_format: FFmpeg's sample format.
        layout: FFmpeg's channel layout.
        sample_rate_hz: Samples a second.
        start: Stamp of the first sample.
        pauses: Samples added to the stamps from the given sample (a multiple of 1,024) on.
        codec_options: Options of the encoder.
        container_options: Options of the muxer.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=sample_rate_hz, layout=layout, options=codec_options or {})
        stream.codec_context.format = sample_format
        shift = start
        for first in range(0, len(samples), 1024):
            shift += (pauses or {}).get(first, 0)
            block = samples[first : first + 1024]
            planar = np.ascontiguousarray(block.T if sample_format.endswith("p") else block.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(planar, format=sample_format, layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = sample_rate_hz, first + shift, Fraction(1, sample_rate_hz)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def set_display_matrix(path: Path, matrix: Sequence[float]) -> None:
    """Put a display matrix (a b c d) into the track header of an MP4 or MOV that has none."""
    data = bytearray(path.read_bytes())
    position = data.index(b"tkhd")
    identity = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    at = data.index(identity, position)
    a, b, c, d = (round(value * 0x10000) for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
