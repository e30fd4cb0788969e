"""Long tasks beside each other, in threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")

Check = Callable[[], None]
"""A task calls it every now and then; it raises where the task is to end because another one failed."""


class _EndedError(Exception):
    pass


def side_by_side(tasks: Sequence[Callable[[Check], T]], jobs: int) -> list[T]:
    """Do tasks, begun in their order, so many at a time.

    Meant for tasks that wait for processes of their own or are busy in code that frees the interpreter.

    Args:
        tasks: What to do.
        jobs: Most tasks at once; 1 does them in the caller's thread.

    Returns:
        Their results, in the order of the tasks.

    Raises:
        BaseException: What the first task to fail raised. Then no other is begun, and those under way are ended at
            their next check, as they are when the caller is interrupted.
    """
    if jobs == 1:
        return [task(_go_on) for task in tasks]
    ending = threading.Event()
    errors: list[BaseException] = []

    def check() -> None:
        if ending.is_set():
            raise _EndedError

    def guarded(task: Callable[[Check], T]) -> T:
        check()
        try:
            return task(check)
        except BaseException as error:
            # Set here, before this thread goes on to the next task; those that end because of it come later.
            errors.append(error)
            ending.set()
            raise

    with ThreadPoolExecutor(jobs, thread_name_prefix="task") as pool:
        futures = [pool.submit(guarded, task) for task in tasks]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            ending.set()
            pool.shutdown(wait=True, cancel_futures=True)
    if errors:
        raise errors[0]
    return [future.result() for future in futures]


def _go_on() -> None:
    pass
