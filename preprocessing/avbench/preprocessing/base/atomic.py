"""Files that are either whole or not there: written under a temporary name, flushed, renamed.

A temporary file is locked while its writer lives, however it ends. So what a killed run left behind can be
distinguished from what is being written right now, also on a disk that several machines share.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from avbench.preprocessing.base.errors import AvbenchError, could_not_write

_TEMPORARY = re.compile(r"\..*\.avbench-[0-9a-f]{8}\.tmp(\.[^.]*)?")
_PROBE_BYTES = 1 << 16
_REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


@contextmanager
def atomic_path(final: Path) -> Iterator[Path]:
    """Give a temporary path beside `final`; on success it is flushed to disk and takes that name, else it is removed.

    Raises:
        OutputError: The disk is full or cannot be written to; nothing is left behind.
    """
    temporary: Path | None = None
    held = -1
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary, held = _begin(final)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(final)
        temporary = None
    except AvbenchError:
        raise
    except OSError as error:
        raise could_not_write(final, error) from error
    except Exception as error:
        # Many libraries report a full disk as an error of their own.
        refused = None if temporary is None else _refusal(temporary, str(error))
        if refused is None:
            raise
        raise could_not_write(final, refused) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if held >= 0:
            os.close(held)


def write_text(final: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(final) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove_strays(*folders: Path) -> None:
    """Remove the temporary files that killed runs left in some folders; those of living ones stay.

    Folders in them are not searched, and folders that do not exist are passed over.
    """
    for path in _temporary_files(folders):
        with suppress(OSError):
            file = os.open(path, os.O_RDONLY)
            try:
                if lock_descriptor(file, blocking=False):
                    path.unlink()
            finally:
                os.close(file)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _begin(final: Path) -> tuple[Path, int]:
    """A new, locked file beside `final`, and the descriptor that holds its lock."""
    while True:
        # The last suffix stays, since some writers choose the format by it.
        path = final.with_name(f".{final.stem}.avbench-{secrets.token_hex(4)}.tmp{final.suffix}")
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            mine = lock_descriptor(file, blocking=False)
        except OSError:
            return path, file  # a file system without locks: what is left there is not removed
        # A run that tidies up may have come between the two.
        if mine and os.fstat(file).st_nlink:
            return path, file
        os.close(file)


def _refusal(path: Path, message: str) -> OSError | None:
    """What the system refuses a file, by what is said or by trying; None where nothing is refused."""
    for number in _REFUSALS:
        if os.strerror(number) in message:
            return OSError(number, os.strerror(number))
    try:
        with path.open("ab") as file:
            file.write(bytes(_PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    return None


def _temporary_files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        with suppress(OSError):
            yield from [Path(entry.path) for entry in os.scandir(folder) if _TEMPORARY.fullmatch(entry.name)]
