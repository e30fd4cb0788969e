"""`kill -9` and the same command again: the predictions are those of a run that nothing happened to."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avbench.benchmark.predictions.file import read_predictions
from prepared_data import pair_name, pair_row, write_dataset

PAIRS = 24
COMMAND = "from avbench.preprocessing.cli.main import main; main()"

# Answers by what it sees, what it hears and what it draws; slow, so that there is something to kill.
MODEL = """
import os, time
import numpy as np
from pathlib import Path
from avbench.benchmark.data.pair import PosePrediction
class Slow:
    modalities = ("vision", "audio")
    def __init__(self):
        (Path(__file__).parent / "model.pid").write_text(str(os.getpid()))
    def predict(self, pairs):
        time.sleep(0.06)
        out = []
        for pair in pairs:
            angle = float(pair.image_a.mean()) / 100 + float(np.abs(pair.sound_b.samples).mean()) + np.random.rand()
            c, s = np.cos(angle), np.sin(angle)
            out.append(PosePrediction(np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.array([s, 0.0, c])))
        return out
"""
SUITE = """
clean = true
[[conditions]]
corruption = ["shot_noise", "motion_blur"]
severities = [2]
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        pair_row(
            pair_name(i),
            recording_id=f"r{i // 6}",
            group_id=f"g{i // 6}",
            time_a_ns=i * 10**9,
            time_b_ns=i * 10**9 + 5 * 10**8,
        )
        for i in range(PAIRS)
    ]
    return write_dataset(tmp_path / "data", {"test": rows}, shards=2, rows_per_group=6)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    # What nobody waits for any more is dead.
    return state != "Z"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_killed_at_random_moments_the_predictions_are_the_same(data: Path, tmp_path: Path):
    (tmp_path / "slow.py").write_text(MODEL)
    (tmp_path / "three.toml").write_text(SUITE)

    def command(out: str) -> list[str]:
        options = ["--suite", str(tmp_path / "three.toml"), "--probes", "--batch-size", "3"]
        model = f"{tmp_path / 'slow.py'}:Slow"
        return [
            sys.executable,
            "-c",
            COMMAND,
            "evaluate",
            str(data),
            "--model",
            model,
            "-o",
            str(tmp_path / out),
            *options,
        ]

    whole = subprocess.run(command("whole"), capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stderr
    draw = random.Random(11)
    killed = []
    for _ in range(3):
        before = time.monotonic()
        process = subprocess.Popen(command("cut"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        # From the first answer on: earlier there is nothing to lose.
        while "answer" not in process.stderr.read(200):
            assert process.poll() is None
        time.sleep(draw.uniform(0.2, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        killed.append((process.returncode, round(time.monotonic() - before, 2)))
        model_pid = int((tmp_path / "model.pid").read_text())
        for _ in range(100):
            if not alive(model_pid):
                break
            time.sleep(0.05)
        assert not alive(model_pid), "the process of the model outlived the run"
    assert [code for code, _ in killed] == [-signal.SIGKILL] * 3
    last = subprocess.run(command("cut"), capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert f"of {PAIRS} pairs were answered before" in last.stderr
    wanted, found = (read_predictions(tmp_path / name / "predictions.parquet") for name in ("whole", "cut"))
    print(f"killed after {killed} s; predictions {found.content_sha256()[:16]} and {wanted.content_sha256()[:16]}")
    assert found.content_sha256() == wanted.content_sha256()
    for name in ("score.json", "probes.json"):
        assert (tmp_path / "cut" / name).read_text() == (tmp_path / "whole" / name).read_text()
    documents = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("whole", "cut")]
    assert documents[0]["settings"] == documents[1]["settings"]
    assert documents[0]["resumed_pairs"] == 0 < documents[1]["resumed_pairs"]
    left = [{path.name for path in (tmp_path / name).iterdir()} for name in ("whole", "cut")]
    assert left[0] == left[1] >= {"predictions.parquet", "score.json", "run.json", "probes.json"}
