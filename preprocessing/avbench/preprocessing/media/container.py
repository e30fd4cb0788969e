"""Opening of media containers, and their times as integers.

Everything that touches PyAV's own quirks and versions at the level of a file is here: what a damaged file raises, how
a container is opened without letting its content reach for other files or the network, and how ticks become
nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.file_length import boxes

PYAV_MAJOR = int(av.__version__.split(".")[0])
NS_PER_S = 1_000_000_000

# Tags in another encoding than UTF-8 are common in cameras' files and nothing we read; PyAV before 19 stops at them.
_OPEN_ARGUMENTS: dict[str, Any] = {"metadata_errors": "replace"} if PYAV_MAJOR < 19 else {}


def ticks_to_ns(ticks: int, time_base: Any) -> int:
    """Time stamp in units of `time_base` (a rational number of seconds) as nanoseconds, rounded half up, exactly."""
    numerator = ticks * time_base.numerator * NS_PER_S
    return int((2 * numerator + time_base.denominator) // (2 * time_base.denominator))


def seconds(time_ns: int) -> str:
    """A time in seconds, as text for a message."""
    return f"{time_ns / NS_PER_S:.3f} s"


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """Open a container for reading; it is closed on leaving.

    Args:
        path: The file.

    Yields:
        The `av.container.InputContainer`.

    Raises:
        InputError: There is no such file, it is empty, cut off before its index, or no media file at all.
    """
    _check_is_file(path)
    try:
        # The protocol is spelt out, since a name such as "pipe:0" or "concat:a|b" would be taken for one; and a file
        # that is a playlist in disguise may not open anything else.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, **_OPEN_ARGUMENTS)
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error
    with container:
        yield container


def _check_is_file(path: Path) -> None:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(path, found=found, expected="a media file")
    if path.stat().st_size == 0:
        raise InputError(path, found="0 bytes", expected="a media file", hint="copy it again from the device")


def _unreadable(path: Path, error: av.FFmpegError) -> InputError:
    if _lacks_index(path):
        return InputError(
            path,
            found="an MP4 or MOV file without its index (moov box): the recording or the copy was cut off",
            expected="a complete file",
            hint="copy it again from the device, or rebuild the index with a repair tool such as untrunc",
        )
    return InputError(
        path,
        found=f"content that no demuxer reads ({error.strerror or type(error).__name__})",
        expected="a media file such as MP4, MOV, MKV or AVI",
        hint="check that it is a recording and was copied completely",
    )


def _lacks_index(path: Path) -> bool:
    """Whether the file is of the ISO base media family (ISO/IEC 14496-12) and its chain of boxes holds no `moov`."""
    with path.open("rb") as file:
        kinds = [kind for kind, _ in boxes(file, path.stat().st_size)]
    return bool(kinds) and kinds[0] in (b"ftyp", b"wide", b"mdat") and b"moov" not in kinds
