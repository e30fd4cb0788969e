"""Work ahead: threads make items while the caller is busy with those before, and they come out in order."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

_MOST_WORKERS = 8


def default_workers() -> int:
    """One thread for each core that this process may use but one, which is the model's; at least 1, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores - 1, _MOST_WORKERS))


def prefetch(
    groups: Iterable[Sequence[Callable[[], T]]], *, workers: int, ahead: int
) -> Generator[list[T], None, None]:
    """Do tasks in threads and yield their results in order, group by group; the threads do not show in them.

    The caller is woken once a group: where cores are scarce, every change between threads costs more than many a task.
    Going through `groups` happens in the threads as well, in one at a time. Close the generator to stop early.

    Args:
        groups: What to do; the tasks of one group, and those of the next, may run beside each other.
        workers: Number of threads; 0 does a group when its results are asked for, in the caller's thread.
        ahead: Most results that wait to be taken, those under way included; at least as many as a group has tasks.

    Raises:
        BaseException: Whatever a task, or going on to the next group, raised, when its turn comes.
    """
    if workers == 0:
        for group in groups:
            yield [task() for task in group]
        return
    belt = _Belt(iter(groups), ahead)
    threads = [threading.Thread(target=belt.work, name=f"prefetch-{number}") for number in range(workers)]
    for thread in threads:
        thread.start()
    try:
        while (begun := belt.begun.get()) is not None:
            results = begun.wait()
            belt.room.release(len(results))
            yield results
    finally:
        belt.stop()
        belt.room.release(workers)
        for thread in threads:
            thread.join()


class _Group(Generic[T]):
    """Tasks that are taken together, and what came of them."""

    def __init__(self, tasks: Sequence[Callable[[], T]]) -> None:
        self.tasks = tasks
        self.results: list[T | None] = [None] * len(tasks)
        self.errors: dict[int, BaseException] = {}
        self._left = len(tasks)
        self._lock = threading.Lock()
        self._done = threading.Event()

    def do(self, number: int) -> None:
        try:
            self.results[number] = self.tasks[number]()
        except BaseException as error:  # noqa: BLE001 - it is raised where the results are taken
            self.errors[number] = error
        with self._lock:
            self._left -= 1
            done = self._left == 0
        if done:
            self._done.set()

    def wait(self) -> list[T]:
        self._done.wait()
        if self.errors:
            raise self.errors[min(self.errors)]
        return cast("list[T]", self.results)


class _Belt(Generic[T]):
    """Groups in the order in which they are begun; None says that there are no more."""

    def __init__(self, groups: Iterator[Sequence[Callable[[], T]]], ahead: int) -> None:
        self.begun: SimpleQueue[_Group[T] | None] = SimpleQueue()
        self.room = threading.Semaphore(ahead)
        self._groups = groups
        self._claim = threading.Lock()
        self._current: _Group[T] = _Group(())
        self._claimed = 0
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    def work(self) -> None:
        while (claimed := self._next()) is not None:
            group, number = claimed
            group.do(number)

    def _next(self) -> tuple[_Group[T], int] | None:
        self.room.acquire()
        with self._claim:
            while not self._stopped and self._claimed == len(self._current.tasks):
                self._begin()
            if self._stopped:
                return None
            self._claimed += 1
            return self._current, self._claimed - 1

    def _begin(self) -> None:
        try:
            self._current, self._claimed = _Group(next(self._groups)), 0
        except StopIteration:
            self._stopped = True
            self.begun.put(None)
            return
        except BaseException as error:  # noqa: BLE001 - as above
            self._stopped = True
            failed: _Group[T] = _Group((_raiser(error),))
            failed.do(0)
            self.begun.put(failed)
            return
        if self._current.tasks:
            self.begun.put(self._current)


def _raiser(error: BaseException) -> Callable[[], Any]:
    def raises() -> Any:
        raise error

    return raises
