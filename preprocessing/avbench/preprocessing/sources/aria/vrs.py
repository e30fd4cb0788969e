"""Reading VRS files of Aria glasses: tags, records of a stream, RGB frames.

The container is read by the `vrs` package, which gives image records as the bytes they are stored as: JPEG on
Gen 1, H.265 or H.264 packets on Gen 2. They are decoded here.

Times are capture stamps of the device clock in nanoseconds. For pictures the stamp is the middle of the exposure;
Gen 1's RGB sensor has a rolling shutter, for which it is the middle row's (readout 5 ms at 1408 pixels, 16.26 ms at
2880; https://facebookresearch.github.io/projectaria_tools, "Temporal Alignment of Sensor Data").
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError, MissingDependencyError
from avbench.preprocessing.recording.recording import ErrorHandler, Frame

RGB_STREAM = "214-1"
SOUND_STREAM = "231-1"
VIO_STREAM = "371-3"
"""On-device visual-inertial odometry at the rate of the IMU (Gen 2)."""

_NEWEST_PYTHON_OF_VRS = (3, 12)
_SIGNS_OF_DAMAGE = ("beyond the end of the file", "truncated", "Rebuilding index")


class VrsFile:
    """An opened VRS file.

    Args:
        path: The file.

    Attributes:
        path: The file.
        tags: Its tags; `calib_json` holds the factory calibration.

    Raises:
        InputError: It is no VRS file, or a damaged one.
        MissingDependencyError: The `vrs` package is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            pyvrs = importlib.import_module("pyvrs")
            reader_module = importlib.import_module("pyvrs.reader")
        except ImportError as error:
            raise MissingDependencyError(
                "vrs", "aria", "Reading Aria recordings", newest_python=_NEWEST_PYTHON_OF_VRS
            ) from error
        self.path = path
        if not path.is_file():
            raise InputError(path, found="no such file", expected="a VRS file")
        with _native_stderr() as messages:
            try:
                self._reader = reader_module.SyncVRSReader(str(path))
            except (RuntimeError, ValueError) as error:
                raise InputError(
                    path,
                    found=f"a file of {path.stat().st_size} bytes that does not open as VRS ({error})",
                    expected="a VRS file",
                    hint="copy it again from the device",
                ) from error
        # The library drops records it cannot reach and continues; it says so on standard error only.
        if any(sign in messages() for sign in _SIGNS_OF_DAMAGE):
            raise InputError(
                path,
                found=f"a truncated file ({path.stat().st_size} bytes, records are missing at the end)",
                expected="a whole VRS file",
                hint="copy it again from the device",
            )
        self.tags: Mapping[str, str] = self._reader.file_tags
        self._data = pyvrs.RecordType.DATA
        self._type_id = pyvrs.RecordableTypeId
        self._streams: dict[tuple[str, str], Any] = {}

    def has(self, stream: str) -> bool:
        """Whether a stream exists and holds data."""
        return stream in self._reader.stream_ids and self.count(stream) > 0

    def count(self, stream: str) -> int:
        """Number of data records of a stream."""
        return len(self._records(stream, "data"))

    def configuration(self, stream: str) -> Mapping[str, Any]:
        """The stream's configuration; empty where it has none."""
        records = self._records(stream, "configuration")
        if len(records) == 0:
            return {}
        with self._reading(f"{stream}, configuration"):
            blocks = records[0].metadata_blocks
            return blocks[0] if len(blocks) else {}

    def record(self, stream: str, index: int) -> Any:
        """One data record, with its payload.

        Raises:
            InputError: It cannot be read.
        """
        with self._reading(f"{stream}, record {index}"):
            return self._records(stream, "data")[index]

    def metadata(self, stream: str) -> Iterator[Mapping[str, Any]]:
        """The metadata of each data record in order, without reading the payload behind it.

        Raises:
            InputError: A record cannot be read.
        """
        type_id = self._type_id(int(stream.split("-")[0]))
        records = self._records(stream, "data")
        self._reader.skip_trailing_blocks(type_id, self._data, 1)
        try:
            for index in range(len(records)):
                with self._reading(f"{stream}, record {index}"):
                    blocks = records[index].metadata_blocks
                    block = blocks[0] if len(blocks) else {}
                yield block
        finally:
            self._reader.skip_trailing_blocks(type_id, self._data, 0)

    def _records(self, stream: str, kind: str) -> Any:
        if (stream, kind) not in self._streams:
            self._streams[stream, kind] = (
                self._reader.filtered_by_fields(stream_ids={stream}, record_types={kind})
                if kind in self._reader.record_types
                else []
            )
        return self._streams[stream, kind]

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError, OSError) as error:
            raise InputError(
                f"{self.path}: {what}",
                found=f"a record that cannot be read ({error})",
                expected="a whole record",
                hint="copy the file again from the device",
            ) from error


@contextmanager
def _native_stderr() -> Iterator[Callable[[], str]]:
    """Collect what native code writes to standard error; yields a function that returns it once the block is left."""
    collected: list[str] = []
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lambda: "".join(collected)
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            collected.append(file.read().decode(errors="replace"))


def capture_times_ns(vrs: VrsFile, stream: str) -> NDArray[np.int64]:
    """(N,) capture times of a stream's records on the device clock.

    Raises:
        InputError: A record has none, or they do not increase.
    """
    times: list[int] = []
    for index, metadata in enumerate(vrs.metadata(stream)):
        time_ns = metadata.get("capture_timestamp_ns")
        if not isinstance(time_ns, int) or (times and time_ns <= times[-1]):
            raise InputError(
                f"{vrs.path}: {stream}, record {index}",
                found=f"capture time {time_ns} ns" + (f" after {times[-1]} ns" if times else ""),
                expected="capture times that increase",
            )
        times.append(time_ns)
    return np.array(times, dtype=np.int64)


_VIDEO_CODECS = {"H.265": "hevc", "H.264": "h264"}


class RgbFrames:
    """The RGB stream as a `FrameSource`. Frames are as stored: Gen 1's lie on their side.

    Attributes:
        width_px: Width of a stored frame.
        height_px: Height of a stored frame.
        time_ns: (N,) middle of the exposure of each frame, device clock.

    Raises:
        InputError: There is no RGB stream, or its stamps do not increase.
    """

    def __init__(self, vrs: VrsFile) -> None:
        if not vrs.has(RGB_STREAM):
            raise InputError(
                vrs.path,
                found="no RGB frames",
                expected=f"a stream {RGB_STREAM} with pictures",
                hint="recordings without image streams have their pictures in a second file",
            )
        self._vrs = vrs
        configuration = vrs.configuration(RGB_STREAM)
        self.width_px = int(configuration.get("image_width", 0))
        self.height_px = int(configuration.get("image_height", 0))
        self._time_ns = capture_times_ns(vrs, RGB_STREAM)

    @property
    def time_ns(self) -> NDArray[np.int64]:
        """(N,) strictly increasing middles of exposure, device clock."""
        return self._time_ns

    def read(self, indices: Sequence[int], *, on_error: ErrorHandler | None = None) -> Iterator[Frame]:
        """Decode the frames of increasing indices.

        Args:
            indices: Which frames.
            on_error: Called with the error of a frame that cannot be decoded, which is then left out; None raises it.

        Raises:
            InputError: A record cannot be read or decoded and there is no `on_error`.
        """
        video = _VideoDecoder(self._vrs)
        for index in indices:
            try:
                yield self._frame(index, video)
            except InputError as error:
                if on_error is None:
                    raise
                on_error(error)
                # What a failed decoder holds is not to be trusted for the next frame.
                video = _VideoDecoder(self._vrs)

    def _frame(self, index: int, video: _VideoDecoder) -> Frame:
        record = self._vrs.record(RGB_STREAM, index)
        if record.n_image_blocks != 1:
            raise self._bad(index, f"{record.n_image_blocks} pictures", "one picture")
        image_format = str(record.image_specs[0].image_format)
        if image_format == "jpg":
            image = self._decode_jpeg(index, record)
        elif image_format == "video":
            image = video.decode(index, record)
        else:
            raise self._bad(index, f"a picture stored as {image_format!r}", "JPEG or video")
        if image.shape != (self.height_px, self.width_px, 3):
            raise self._bad(
                index,
                f"a picture of {image.shape[1]}x{image.shape[0]} pixels",
                f"{self.width_px}x{self.height_px}, as the stream's configuration says",
            )
        return Frame(int(self._time_ns[index]), image)

    def _decode_jpeg(self, index: int, record: Any) -> NDArray[np.uint8]:
        import simplejpeg

        try:
            return np.asarray(simplejpeg.decode_jpeg(payload(record), colorspace="RGB"), dtype=np.uint8)
        except ValueError as error:
            raise self._bad(index, f"a JPEG that does not decode ({error})", "a picture") from error

    def _bad(self, index: int, found: str, expected: str) -> InputError:
        return InputError(f"{self._vrs.path}: {RGB_STREAM}, record {index}", found=found, expected=expected)


def payload(record: Any) -> bytes:
    """The bytes of a record's picture as stored."""
    return np.asarray(record.image_blocks[0]).tobytes()


class _VideoDecoder:
    """Decodes video records, going on from one to the next where that is shorter than from the key frame."""

    def __init__(self, vrs: VrsFile) -> None:
        self._vrs = vrs
        self._codec: Any = None
        self._fed = -1  # index of the last record given to the decoder

    def decode(self, index: int, record: Any) -> NDArray[np.uint8]:
        """The picture of the record with this index into the RGB stream.

        Raises:
            InputError: It cannot be decoded.
        """
        # A record says how many frames behind its key frame it is.
        key = index - int(record.image_specs[0].key_frame_index)
        first = self._fed + 1 if self._codec is not None and key <= self._fed < index else key
        if first < 0:
            raise self._bad(index, f"a key frame {-first} records before the first", "a key frame in the file")
        if first == key:
            self._codec = self._open(index, str(record.image_specs[0].codec_name))
        frames: dict[int, Any] = {}
        for at in range(first, index + 1):
            frames = self._packets_to_frames(at, record if at == index else self._vrs.record(RGB_STREAM, at))
        self._fed = index
        if index not in frames:
            # The stream allows for reordering, so the decoder waits for more. Emptying it ends the run.
            frames = self._packets_to_frames(index, None)
            self._codec = None
        if index not in frames:
            raise self._bad(index, "video that gives no frame", "a picture")
        # Records without a colour space are BT.601 at limited range, as Aria's own tools take them.
        image: NDArray[np.uint8] = frames[index].reformat(format="rgb24").to_ndarray()
        return image

    def _packets_to_frames(self, index: int, record: Any) -> dict[int, Any]:
        """Give the decoder one record, or None to empty it; returns the frames that come out, by record index."""
        import av

        packet = None
        if record is not None:
            packet = av.Packet(payload(record))
            packet.pts = index
            packet.time_base = Fraction(1, 1)
        try:
            return {frame.pts: frame for frame in self._codec.decode(packet)}
        except av.FFmpegError as error:
            raise self._bad(index, f"video that does not decode ({error})", "a picture") from error

    def _open(self, index: int, codec_name: str) -> Any:
        import av

        if codec_name not in _VIDEO_CODECS:
            raise self._bad(index, f"video codec {codec_name!r}", f"one of {', '.join(_VIDEO_CODECS)}")
        codec = av.CodecContext.create(_VIDEO_CODECS[codec_name], "r")
        codec.thread_count = 1  # frame threads would hold pictures back
        return codec

    def _bad(self, index: int, found: str, expected: str) -> InputError:
        return InputError(f"{self._vrs.path}: {RGB_STREAM}, record {index}", found=found, expected=expected)
