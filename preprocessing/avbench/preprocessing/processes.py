"""Processes beside this one: they are deaf to Ctrl-C, which is this one's to answer, and end when this one is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

from avbench.preprocessing.errors import AvbenchError

T = TypeVar("T")

_LOOK_S = 0.5
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes that are started in the block never see Ctrl-C, not even before their own code runs.

    This process sees it when the block is over.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def become_worker(parent_pid: int) -> None:
    """Called first in a process that works for another one: it ends soon after that one, even if that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent_pid,), daemon=True).start()


def _end_with(parent_pid: int) -> None:
    # A process whose parent is gone is handed to another one.
    while os.getppid() == parent_pid:
        time.sleep(_LOOK_S)
    os._exit(1)


@contextmanager
def submitted(function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], workers: int) -> Iterator[list[Future[T]]]:
    """Do tasks in worker processes, which end with the block.

    A worker that dies takes the others with it; the futures that were not done then raise `BrokenExecutor`.

    Args:
        function: Called with the arguments of each task.
        tasks: The arguments; work on them is begun in their order.
        workers: Number of processes.
    """
    from joblib.externals.loky import get_reusable_executor

    executor = get_reusable_executor(
        max_workers=workers, env=_ONE_THREAD, initializer=become_worker, initargs=(os.getpid(),)
    )
    try:
        with deaf_to_interrupts():
            futures = [executor.submit(function, *task) for task in tasks]
        yield futures
    finally:
        executor.shutdown(wait=True, kill_workers=True)


def in_workers(function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], workers: int) -> Generator[T, None, None]:
    """The results of tasks, in the order in which they are done.

    Args:
        function: Called with the arguments of each task.
        tasks: The arguments.
        workers: Most processes; 1 does the tasks in this one.

    Raises:
        AvbenchError: A worker died.
    """
    workers = min(workers, len(tasks))
    # A daemon may not have children.
    if workers <= 1 or multiprocessing.current_process().daemon:
        for task in tasks:
            yield function(*task)
        return
    with submitted(function, tasks, workers) as futures:
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenExecutor as error:
                raise AvbenchError(
                    "a worker process died, perhaps for lack of memory; run the same command again with fewer --jobs"
                ) from error
