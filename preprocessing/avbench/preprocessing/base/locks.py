"""One writer at a time in an output folder.

The lock is on the folder itself: there is no lock file that could be left behind, and the system gives it free when its
holder ends, by whatever it ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from avbench.preprocessing.base.atomic import remove_strays
from avbench.preprocessing.base.errors import AvbenchError, could_not_write


@contextmanager
def sole_writer(folder: Path, *subfolders: str, wait: bool = False) -> Iterator[None]:
    """Hold an output folder, creating it if need be, so that two runs never write to it at once.

    What killed runs left half-written in it is removed. A file system that has no locks is written to without one.

    Args:
        folder: The folder.
        subfolders: Folders in it, by their paths from it, that are rid of half-written files too.
        wait: Wait for another run to end instead of refusing.

    Raises:
        AvbenchError: Another run holds it.
        OutputError: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise could_not_write(folder, error) from error
    try:
        held = True
        with suppress(OSError):
            held = lock_descriptor(descriptor, blocking=wait)
        if not held:
            raise AvbenchError(
                f"{folder}: another avbench command is writing to it; wait for it to end, or choose another folder"
            )
        remove_strays(folder, *(folder / name for name in subfolders))
        yield
    finally:
        os.close(descriptor)
