"""Many recordings: one after the other or in several processes, going on where a killed run stopped."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path

from avbench.preprocessing.simulate.world import RecordingSettings
from avbench.preprocessing.simulate.write import is_written, write_recording

Task = tuple[Path, RecordingSettings]
"""The folder of a recording, and what it is to be."""


def missing(tasks: Sequence[Task]) -> list[Task]:
    """The tasks whose recordings are not there yet.

    Raises:
        InputError: There is another recording under the name of one.
    """
    return [(folder, settings) for folder, settings in tasks if not is_written(folder, settings)]


def generate(tasks: Sequence[Task], jobs: int) -> Iterator[str]:
    """Write recordings; what they become depends neither on the number of processes nor on the order.

    Args:
        tasks: What to write.
        jobs: Number of processes; 1 works in this one.

    Yields:
        The name of each recording once it is written.

    Raises:
        AvbenchError: The disk is full or cannot be written to.
    """
    if jobs == 1 or len(tasks) <= 1:
        for task in tasks:
            yield _write(task)
        return
    # Fresh processes: a fork would copy locks that threads of other libraries hold.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context) as pool:
        queue = iter(tasks)
        running = {pool.submit(_write, task) for task in islice(queue, 2 * jobs)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    running.update(pool.submit(_write, task) for task in islice(queue, 1))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _write(task: Task) -> str:
    folder, settings = task
    write_recording(folder, settings)
    return settings.name
