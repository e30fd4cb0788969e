"""Work in processes beside this one: all of it is done, and none of them outlives this one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from avbench.preprocessing.errors import AvbenchError
from avbench.preprocessing.processes import in_workers
from process_table import alive_in_session
from worker_tasks import fatal, squared


@pytest.mark.parametrize(("count", "workers"), [(0, 2), (1, 2), (5, 1), (5, 2)])
def test_every_task_is_done_once(count: int, workers: int) -> None:
    assert sorted(in_workers(squared, [(number,) for number in range(count)], workers)) == [
        number * number for number in range(count)
    ]


def test_a_worker_that_dies_is_said_in_one_line() -> None:
    with pytest.raises(AvbenchError, match="a worker process died"):
        list(in_workers(fatal, [(1,), (2,)], 2))


BUSY = """
import sys, time
from pathlib import Path
from avbench.preprocessing.processes import in_workers
def busy(folder, number):
    (Path(folder) / str(number)).touch()
    time.sleep(600)
if __name__ == "__main__":
    list(in_workers(busy, [(sys.argv[1], 0), (sys.argv[1], 1)], 2))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", BUSY, str(tmp_path)], start_new_session=True)
    for _ in range(600):
        if len(list(tmp_path.iterdir())) == 2:
            break
        time.sleep(0.05)
    assert len(alive_in_session(process.pid)) >= 3
    process.kill()
    process.wait()
    for _ in range(100):
        if not alive_in_session(process.pid):
            break
        time.sleep(0.1)
    assert alive_in_session(process.pid) == []
