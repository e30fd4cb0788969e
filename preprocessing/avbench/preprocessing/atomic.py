"""Files that are either whole or not there: written under a temporary name, flushed, renamed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from avbench.preprocessing.errors import OutputError


@contextmanager
def atomic_path(final: Path) -> Iterator[Path]:
    """Give a temporary path beside `final`; on success it is flushed to disk and takes that name, else it is removed.

    Raises:
        OutputError: The disk is full or cannot be written to; nothing is left behind.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    # The last suffix stays, since some writers choose the format by it.
    temporary = final.with_name(f".{final.stem}.{os.getpid()}.tmp{final.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(final)
    except OSError as error:
        raise OutputError(
            f"{final}: could not be written ({error.strerror or error}); free some space or check the permissions and "
            "run the same command again: finished parts are kept"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(final: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(final) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
