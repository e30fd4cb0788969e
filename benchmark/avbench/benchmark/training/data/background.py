"""A second process for work that needs nothing of the first; it ends when the first one does."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

from avbench.preprocessing.base.errors import AvbenchError
from avbench.preprocessing.base.processes import become_worker, deaf_to_interrupts


@contextmanager
def in_background(function: Callable[..., object], *arguments: Any) -> Iterator[None]:
    """Run a function of a module in a process of its own beside the block, whose end waits for it.

    What it returns or raises is lost: it fills caches, and the reader of a cache finds out. If the block raises, the
    process is ended at once.
    """
    # A fresh process: a fork would copy locks that threads of other libraries hold.
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run, args=(os.getpid(), function, *arguments), daemon=True)
    # It lets signals through again when it is started.
    resource_tracker.ensure_running()
    with deaf_to_interrupts():
        process.start()
    try:
        yield
        process.join()
    finally:
        if process.is_alive():
            process.terminate()
            process.join()


def _run(parent_pid: int, function: Callable[..., object], *arguments: Any) -> None:
    become_worker(parent_pid)
    with suppress(AvbenchError):
        function(*arguments)
