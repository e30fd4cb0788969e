"""Work in processes beside this one: all of it is done, and none of them outlives this one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from avbench.preprocessing.base.errors import AvbenchError
from avbench.preprocessing.base.processes import in_workers, memory_kills
from process_table import alive_in_session
from worker_tasks import fatal, squared


@pytest.mark.parametrize(("count", "workers"), [(0, 2), (1, 2), (5, 1), (5, 2)])
def test_every_task_is_done_once(count: int, workers: int) -> None:
    assert sorted(in_workers(squared, [(number,) for number in range(count)], workers)) == [
        number * number for number in range(count)
    ]


def test_a_worker_that_dies_is_said_in_one_line() -> None:
    with pytest.raises(AvbenchError, match=r"a worker process died \(ended by SIGKILL\)"):
        list(in_workers(fatal, [(1,), (2,)], 2))


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.events": "oom 3\noom_kill 2\noom_group_kill 0\n"}, 2),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.events": "low 0\noom_kill 5\n"}, 5),
        ({"proc/self/cgroup": "4:memory:/x\n0::/\n", "proc/vmstat": "pgfault 7\noom_kill 4\n"}, 4),
        ({"proc/vmstat": "pgfault 7\n"}, None),
        ({}, None),
    ],
)
def test_the_kernels_count_of_processes_killed_for_memory(
    tmp_path: Path, files: dict[str, str], kills: int | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory_kills(tmp_path) == kills


BUSY = """
import sys, time
from pathlib import Path
from avbench.preprocessing.base.processes import in_workers, memory_kills
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
