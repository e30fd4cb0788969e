"""A second process for work that needs nothing of the first; it ends when the first one does."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from typing import Any

from avbench.preprocessing.errors import AvbenchError


@contextmanager
def in_background(function: Callable[..., object], *arguments: Any) -> Iterator[None]:
    """Run a function of a module in a process of its own beside the block, whose end waits for it.

    What it returns or raises is lost: it fills caches, and whoever reads them finds out. If the block raises, the
    process is ended at once.
    """
    # A fresh process: a fork would copy locks that threads of other libraries hold.
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(function, *arguments), daemon=True)
    process.start()
    try:
        yield
        process.join()
    finally:
        if process.is_alive():
            process.terminate()
            process.join()


def _run(function: Callable[..., object], *arguments: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(AvbenchError):
        function(*arguments)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
