"""What corrupting costs at 512 x 512, beside numpy's normal draws and beside `imagecorruptions`.

Times are CPU times of this thread's process, so that a busy machine does not decide.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time

import numpy as np
import pytest

from avbench.benchmark.conditions.corruptions import SEVERITIES, Corruption, corrupt
from avbench.benchmark.conditions.corruptions.golden import synthetic_picture

PEERS = {
    "motion_blur": "motion_blur",
    "defocus": "defocus_blur",
    "gaussian_noise": "gaussian_noise",
    "shot_noise": "shot_noise",
    "compression": "jpeg_compression",
    "pixelate": "pixelate",
    "fog": "fog",
}
REPEATS = 3

# Reads "name severity" lines and answers each with milliseconds of CPU time, or with what was raised.
PEER = """
import sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from imagecorruptions import corrupt
image = np.load(sys.argv[1])
for line in sys.stdin:
    name, severity = line.split()
    try:
        started = time.process_time()
        corrupt(image, corruption_name=name, severity=int(severity))
        print((time.process_time() - started) * 1e3, flush=True)
    except Exception as error:
        print("raises", type(error).__name__, flush=True)
"""


def ours_ms(image: np.ndarray, corruption: str, severity: int, number: int) -> float:
    started = time.process_time()
    corrupt(image, f"pair {number}", corruption, severity, "a")
    return (time.process_time() - started) * 1e3


@pytest.mark.perf
def test_the_median_corruption_costs_less_than_the_normal_draws_of_one_picture():
    image = synthetic_picture(512, 512)
    generator = np.random.default_rng(0)
    costs: dict[str, list[float]] = {corruption: [] for corruption in Corruption}
    draws = []
    for number in range(REPEATS + 1):
        for corruption in Corruption:
            for severity in SEVERITIES:
                cost = ours_ms(image, corruption, severity, number)
                if number:  # the first time builds the tables
                    costs[corruption].append(cost)
            started = time.process_time()
            generator.normal(size=image.shape)
            draws.append((time.process_time() - started) * 1e3)
    for corruption, cost in costs.items():
        print(f"{corruption:16s} median {statistics.median(cost):6.2f} ms  slowest {max(cost):6.2f} ms")
    ours = statistics.median(statistics.median(cost) for cost in costs.values())
    peer = statistics.median(draws)
    print(f"median corruption {ours:.2f} ms a frame, numpy's normal draws {peer:.2f} ms: ratio {ours / peer:.2f}")
    assert ours < peer


@pytest.mark.perf
def test_three_times_faster_than_imagecorruptions_in_the_median(tmp_path):
    python = os.environ.get("AVBENCH_IMAGECORRUPTIONS_PYTHON")
    if not python:
        pytest.skip("AVBENCH_IMAGECORRUPTIONS_PYTHON does not name the python of an environment with imagecorruptions")
    image = synthetic_picture(512, 512)
    np.save(tmp_path / "image.npy", image)
    with subprocess.Popen(
        [python, "-c", PEER, str(tmp_path / "image.npy")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def theirs_ms(name: str, severity: int) -> float | None:
            process.stdin.write(f"{name} {severity}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            return None if answer.startswith("raises") else float(answer)

        ratios = {}
        for corruption, name in PEERS.items():
            ours, theirs = [], []
            for number in range(REPEATS + 1):
                for severity in SEVERITIES:  # both sides in turn
                    cost, peer = ours_ms(image, corruption, severity, number), theirs_ms(name, severity)
                    if number and peer is not None:
                        ours.append(cost)
                        theirs.append(peer)
            if not theirs:
                print(f"{corruption:16s} {name} raises in this version")
                continue
            ratios[corruption] = statistics.median(theirs) / statistics.median(ours)
            print(
                f"{corruption:16s} {statistics.median(ours):6.2f} ms, imagecorruptions {name} "
                f"{statistics.median(theirs):6.2f} ms: {ratios[corruption]:.1f} times faster"
            )
        process.stdin.close()
    median = statistics.median(ratios.values())
    print(f"median over {len(ratios)} corruptions: {median:.1f} times faster")
    assert len(ratios) >= 5
    assert median >= 3
