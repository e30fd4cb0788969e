"""Many recordings: one after the other or in several processes, going on where a killed run stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from avbench.preprocessing.base.atomic import remove_strays
from avbench.preprocessing.base.processes import in_workers
from avbench.preprocessing.simulate.scene.world import RecordingSettings
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
    for folder in {folder for folder, _ in tasks}:
        remove_strays(folder)
    yield from in_workers(_write, tasks, jobs)


def _write(folder: Path, settings: RecordingSettings) -> str:
    write_recording(folder, settings)
    return settings.name
