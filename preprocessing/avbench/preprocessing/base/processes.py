"""Processes beside this one: they are deaf to Ctrl-C, which is this one's to answer, and end when this one is gone."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, as_completed
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, TypeVar

from avbench.preprocessing.base.errors import AvbenchError

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


@contextmanager
def _quiet_trackers() -> Iterator[None]:
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, "ignore:resource_tracker")))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def become_worker(parent_pid: int) -> None:
    """Called first in a process that works for another one: it ends soon after that one, even if that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent_pid,), daemon=True).start()


def _end_with(parent_pid: int) -> None:
    # A process whose parent is gone is handed to another one.
    while os.getppid() == parent_pid:
        time.sleep(_LOOK_S)
    os._exit(1)


def memory_kills(root: Path = Path("/")) -> int | None:
    """How many processes the system has ended so far because memory ran out, None where it does not count them.

    Counted are those of the control group of this process, else those of the whole machine.

    Args:
        root: Where the file systems of the kernel are mounted.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        own = next((line.removeprefix("0::/") for line in groups if line.startswith("0::/")), None)
        counters = [root / "sys/fs/cgroup" / own / "memory.events"] if own is not None else []
    except OSError:
        counters = []
    for path in (*counters, root / "proc/vmstat"):
        with suppress(OSError, ValueError):
            for line in path.read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    return None


def ran_out_of_memory(kills_before: int | None) -> bool:
    """Whether the system is known to have ended a process for lack of memory since `memory_kills` was asked."""
    kills = memory_kills()
    return kills_before is not None and kills is not None and kills > kills_before


def why_worker_died(error: BrokenExecutor, kills_before: int | None) -> str:
    """What is known of the death of a worker, in words."""
    if ran_out_of_memory(kills_before):
        return "memory ran out"
    signals = sorted(set(re.findall(r"\bSIG[A-Z]+", str(error))))
    return f"ended by {' and '.join(signals)}" if signals else "for an unknown reason"


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
    from joblib.externals.loky.backend import resource_tracker as loky_tracker

    # The trackers of the pools let signals through again when they are started, so they are started before. One that
    # outlives a killed process tidies up after it, and would complain about that at length.
    with _quiet_trackers():
        loky_tracker.ensure_running()
        resource_tracker.ensure_running()
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
    kills = memory_kills()
    with submitted(function, tasks, workers) as futures:
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenExecutor as error:
                raise AvbenchError(
                    f"a worker process died ({why_worker_died(error, kills)}); run the same command again, with fewer "
                    "--jobs if it needs too much memory"
                ) from error
