"""The same bytes in every process, order, thread and version of numpy, and as shipped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avbench.benchmark.conditions.corruptions import SEVERITIES, Corruption, golden
from avbench.benchmark.conditions.corruptions.golden import GOLDEN_PAIR_ID, check_golden
from avbench.benchmark.conditions.corruptions.paper import PaperDraw, draw_paper
from avbench.benchmark.conditions.corruptions.randomness import Stream

REPOSITORY = Path(__file__).resolve().parents[3]

WORKER = """
import json, random, sys
from concurrent.futures import ThreadPoolExecutor
import numpy
from avbench.benchmark.conditions.corruptions import SEVERITIES, Corruption, Frame, corrupt, picture_hash
from avbench.benchmark.conditions.corruptions.golden import synthetic_picture

order, threads, height, width = sys.argv[1], *map(int, sys.argv[2:])
pairs = [f"recording/{number}" for number in range(8)]
pictures = {pair: synthetic_picture(height, width, seed=pair) for pair in pairs}
work = [(c, s, p, f) for c in Corruption for s in SEVERITIES for p in pairs for f in Frame]
if order != "straight":
    random.Random(order).shuffle(work)
def run(item):
    corruption, severity, pair, frame = item
    return picture_hash(corrupt(pictures[pair], pair, corruption, severity, frame))
with ThreadPoolExecutor(threads) as pool:
    hashes = list(pool.map(run, work))
try:
    import cv2
    opencv = cv2.__version__
except ImportError:
    opencv = "none"
found = {" ".join(map(str, item)): value for item, value in zip(work, hashes)}
print(json.dumps({"numpy": numpy.__version__, "opencv": opencv, "hashes": dict(sorted(found.items()))}))
"""


def hashes_of(python: str, order: str, threads: int, height: int, width: int) -> dict:
    areas = [str(REPOSITORY / area) for area in ("preprocessing", "benchmark")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(areas), "OMP_NUM_THREADS": str(threads)}
    finished = subprocess.run(
        [python, "-W", "error", "-c", WORKER, order, str(threads), str(height), str(width)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_two_processes_two_orders_one_and_four_threads():
    runs = [
        hashes_of(sys.executable, order, threads, 97, 131)
        for order, threads in (("straight", 1), ("straight", 4), ("shuffled", 1), ("shuffled", 4))
    ]
    assert len(runs[0]["hashes"]) == len(Corruption) * len(SEVERITIES) * 8 * 2
    assert all(run["hashes"] == runs[0]["hashes"] for run in runs)


@pytest.mark.slow
def test_old_and_new_numpy_and_opencv_at_full_size():
    old_python = os.environ.get("AVBENCH_OLD_PYTHON")
    if not old_python:
        pytest.skip("AVBENCH_OLD_PYTHON does not name the python of an environment with numpy 1.26 and OpenCV 4.9")
    new = hashes_of(sys.executable, "straight", 1, 512, 512)
    for order, threads in (("straight", 1), ("shuffled", 4)):
        old = hashes_of(old_python, order, threads, 512, 512)
        print(f"numpy {old['numpy']} OpenCV {old['opencv']} = numpy {new['numpy']} OpenCV {new['opencv']}:", end=" ")
        equal = sum(old["hashes"][name] == value for name, value in new["hashes"].items())
        print(f"{equal} of {len(new['hashes'])} hashes equal ({order}, threads: {threads})")
        assert old["numpy"].startswith("1.26.")
        assert old["hashes"] == new["hashes"]


def test_this_machine_gives_the_shipped_bytes():
    started = time.process_time()
    assert check_golden() == []
    print(f"golden check: {time.process_time() - started:.2f} s")


def test_the_golden_pair_draws_every_part_of_the_papers_recipe():
    stream = Stream.named("frame", "paper", "version 1", GOLDEN_PAIR_ID, "a")
    assert draw_paper(stream) == PaperDraw(jitter=True, blur=True, noise=True)


def test_golden_check_tells_a_changed_byte_and_a_new_version(tmp_path, monkeypatch):
    shipped = json.loads(golden.GOLDEN_FILE.read_text(encoding="utf-8"))
    shipped["fog 1"][2] = "0" * 32
    del shipped["defocus 1"]
    changed = tmp_path / "golden.json"
    changed.write_text(json.dumps(shipped), encoding="utf-8")
    monkeypatch.setattr(golden, "GOLDEN_FILE", changed)
    mismatches = check_golden()
    assert [(found.corruption, found.severity) for found in mismatches] == [
        *((Corruption.DEFOCUS, severity) for severity in SEVERITIES),
        (Corruption.FOG, 3),
    ]
    assert str(mismatches[-1]).endswith(f"here, {'0' * 32} shipped")
    assert mismatches[0].expected == "none"


def test_write_golden_writes_what_is_shipped(tmp_path):
    golden.write_golden(tmp_path / "golden.json")
    assert (tmp_path / "golden.json").read_bytes() == golden.GOLDEN_FILE.read_bytes()
