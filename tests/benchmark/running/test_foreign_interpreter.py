"""A model runs with an interpreter that has its packages and none of ours."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import avbench
from avbench.benchmark.base import interpreter as interpreters
from avbench.benchmark.base.interpreter import find_interpreter
from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.cli.models import models as models_command
from avbench.benchmark.predictions.file import read_predictions
from avbench.preprocessing.base.errors import InputError
from foreign_python import bare_environment, numpy_environment
from prepared_data import pair_row, write_dataset

PAIRS = 20
COMMAND = "from avbench.preprocessing.cli.main import main; main()"

MODEL = """
from __future__ import annotations
import importlib.util, sys, time
from typing import Literal
import numpy as np
from avbench import PosePrediction

class Sums:
    "Answers by every picture and sample, so that a byte that went astray would show."
    def __init__(self, scale: float = 1.0, axis: Literal["x", "y"] = "y", wait_s: float = 0.0):
        self.scale, self.axis, self.wait_s = scale, axis, wait_s
    def predict(self, pairs):
        time.sleep(self.wait_s)
        return [self.answer(pair) for pair in pairs]
    def answer(self, pair):
        angle = self.scale * (pair.image_a.mean(dtype=np.float64) - pair.image_b.mean(dtype=np.float64)) / 255.0
        c, s = np.cos(angle), np.sin(angle)
        turn = {"x": [[1, 0, 0], [0, c, -s], [0, s, c]], "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]]}[self.axis]
        sound = 0.0 if pair.sound_a is None else float(np.abs(pair.sound_a.samples).sum(dtype=np.float64))
        return PosePrediction(np.array(turn), np.array([sound, pair.intrinsics[0, 0], 1.0]))

class Alone(Sums):
    "Refuses an interpreter in which a package of avbench's can be imported."
    def __init__(self):
        super().__init__()
        ours = ("pyarrow", "cattrs", "filelock", "datasets", "click")
        found = [name for name in ours if importlib.util.find_spec(name)]
        if found or sys.prefix == sys.base_prefix:
            raise RuntimeError(f"found {found} in {sys.prefix}")

class Fitted(Alone):
    modalities = ()
    def fit(self, labels):
        self.mean = np.mean([label.translation_a_b_m for label in labels], axis=0)
    def predict(self, pairs):
        return [PosePrediction(np.eye(3), self.mean) for pair in pairs]

class Crashes(Alone):
    def answer(self, pair):
        if pair.pair_id == "p03":
            import os
            os._exit(3)
        return super().answer(pair)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("foreign")
    (made / "mine.py").write_text(MODEL)
    rows = [pair_row(f"p{number:02d}", group_id=f"g{number // 2}") for number in range(PAIRS)]
    write_dataset(made / "data", {"test": rows, "train": rows[:4]})
    return made


@pytest.fixture(scope="module")
def python(folder: Path) -> Path:
    return numpy_environment(folder / "environment")


def run(folder: Path, name: str, out: Path, *options: object) -> str:
    arguments = [folder / "data", "--model", f"{folder / 'mine.py'}:{name}", "-o", out, "--no-report", *options]
    result = CliRunner().invoke(evaluate, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_model_with_another_interpreter_answers_the_same_and_says_with_what(
    folder: Path, python: Path, tmp_path: Path
) -> None:
    run(folder, "Sums", tmp_path / "here")
    run(folder, "Sums", tmp_path / "there", "--python", python)
    here, there = (read_predictions(tmp_path / name / "predictions.parquet") for name in ("here", "there"))
    assert here.content_sha256() == there.content_sha256()
    assert len(set(here.rotation_a_b[:, 0, 0])) > 1  # it looked at the pictures
    own, other = (json.loads((tmp_path / name / "run.json").read_text()) for name in ("here", "there"))
    assert own["model_environment"] is None
    assert "model_packages" not in own["settings"]
    assert other["model_environment"] == {
        "interpreter": str(python),
        "python": ".".join(map(str, sys.version_info[:3])),
        "imported_packages": {"numpy": np.__version__},
        "installed_packages": {"numpy": np.__version__},
    }
    assert other["settings"]["model_packages"] == {"numpy": np.__version__}
    with pytest.raises(InputError, match="found a run with model_packages = null, expected model_packages = "):
        run(folder, "Sums", tmp_path / "here", "--python", python)


@pytest.mark.parametrize("name", ["Alone", "Fitted", "Crashes"])
def test_nothing_of_ours_is_there_but_what_answering_needs(
    folder: Path, python: Path, tmp_path: Path, name: str
) -> None:
    run(folder, name, tmp_path / "run", "--python", python, "--batch-size", 4)
    statuses = [str(status) for status in read_predictions(tmp_path / "run" / "predictions.parquet").status]
    assert statuses.count("error") == (1 if name == "Crashes" else 0)
    assert statuses.count("ok") >= PAIRS - 1


def test_it_is_run_in_a_process_even_without_a_time_limit(folder: Path, python: Path, tmp_path: Path) -> None:
    run(folder, "Alone", tmp_path / "run", "--python", python, "--timeout-s", 0)
    document = json.loads((tmp_path / "run" / "run.json").read_text())
    assert document["harness"]["model_in_its_own_process"] is True


def test_the_python_door_runs_it_too(folder: Path, python: Path) -> None:
    model = f"{folder / 'mine.py'}:Sums"
    options: dict[str, object] = {"scale": 2, "axis": "x"}
    here = avbench.evaluate(model, folder / "data", options=options, progress=False)
    there = avbench.evaluate(model, folder / "data", options=options, python=python, progress=False)
    assert here.predictions.content_sha256() == there.predictions.content_sha256()
    plain = avbench.evaluate(model, folder / "data", progress=False)
    assert plain.predictions.content_sha256() != here.predictions.content_sha256()

    class Own:
        def predict(self, pairs):
            return []

    for model in (Own, Own()):
        with pytest.raises(InputError, match=r'python: found .*; name the class as "path/to/file.py:Class"'):
            avbench.evaluate(model, folder / "data", python=python, progress=False)


def test_the_options_of_a_model_are_shown_by_its_own_interpreter(folder: Path, python: Path) -> None:
    result = CliRunner().invoke(models_command, [f"{folder / 'mine.py'}:Sums", "--python", str(python)])
    assert "--set scale=...  a number; default 1.0" in result.output
    assert "--set axis=...  one of x, y; default y" in result.output


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import zzz", "bad.py: found ModuleNotFoundError: No module named 'zzz' .* on import, expected a Python file"),
        ("class M(", "bad.py: found SyntaxError"),
        ("import os; os._exit(4)", "found exit code 4 of avbench.benchmark.models.describe, expected its answer"),
        ("class N:\n def predict(self, pairs): return []", "found no class 'M', expected one of N"),
        ("class M:\n modalities = ('smell',)\n def predict(self, pairs): return []", "modalities: found .'smell',.,"),
        ("class M: pass", "found no method predict, expected predict"),
        ("class M:\n def __init__(self): 1 / 0", "found ZeroDivisionError: division by zero .* on building it"),
    ],
)
def test_files_that_fail_there_are_named_in_one_line(
    folder: Path, python: Path, tmp_path: Path, body: str, message: str
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(body)
    with pytest.raises(InputError, match=message) as error:
        avbench.evaluate(f"{path}:M", folder / "data", python=python, out=tmp_path / "out", progress=False)
    assert "\n" not in str(error.value)


def test_interpreters_that_are_none_are_refused_in_one_line(python: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "text").write_text("no program")
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'cannot start' >&2\nexit 9\n")
    broken.chmod(0o755)
    bare = bare_environment(tmp_path / "bare")
    cases = [
        (tmp_path / "none", "found no such file, expected a Python interpreter"),
        ("no-such-python", "found no such file, expected a Python interpreter"),
        (python.parents[1], "found a folder, expected a Python interpreter; did you mean .*/bin/python?"),
        (tmp_path / "text", "found a file that cannot be run"),
        (broken, "found exit code 9: cannot start, expected a Python interpreter"),
        (bare, "found no NumPy, expected NumPy 1.26 or newer; run: .* -m pip install 'numpy>=1.26'"),
    ]
    for named, message in cases:
        with pytest.raises(InputError, match=message) as error:
            find_interpreter(named)
        assert "\n" not in str(error.value)
    monkeypatch.setattr(interpreters, "OLDEST_NUMPY", (99, 0))
    with pytest.raises(InputError, match=rf"found NumPy {np.__version__}, expected NumPy 99.0 or newer; run: "):
        find_interpreter(python)
    monkeypatch.setattr(interpreters, "OLDEST_PYTHON", (4, 2))
    with pytest.raises(InputError, match=r"found Python 3\.\d+\.\d+, expected Python 4.2 or newer"):
        find_interpreter(python)


def test_an_interpreter_is_found_by_name_and_links_are_not_followed(python: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(python.parent))
    assert find_interpreter("python").path == python
    monkeypatch.chdir(python.parent)
    assert find_interpreter("./python").path == python
    assert python.is_symlink()


@pytest.mark.slow
def test_an_environment_of_numpy_1_26_is_evaluated_recorded_killed_and_resumed(folder: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", "numpy==1.26.4"], check=True)
    assert np.lib.NumpyVersion(np.__version__) >= "2.0.0", "the two must differ"

    def command(out: str) -> list[str]:
        model = ["--model", f"{folder / 'mine.py'}:Sums", "--set", "wait_s=0.15", "--python", str(python)]
        return [
            *(sys.executable, "-c", COMMAND, "evaluate", str(folder / "data"), *model),
            *("-o", str(tmp_path / out), "--batch-size", "1", "--no-report"),
        ]

    subprocess.run(command("whole"), capture_output=True, check=True)
    draw = random.Random(5)
    for _ in range(2):
        process = subprocess.Popen(command("cut"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while "answer" not in process.stderr.read(50):
            assert process.poll() is None
        time.sleep(draw.uniform(1.2, 1.6))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stderr.close()
    last = subprocess.run(command("cut"), capture_output=True, text=True, check=True)
    assert f"of {PAIRS} pairs were answered before" in last.stderr
    whole, cut = (read_predictions(tmp_path / name / "predictions.parquet") for name in ("whole", "cut"))
    assert whole.content_sha256() == cut.content_sha256()
    document = json.loads((tmp_path / "cut" / "run.json").read_text())
    assert document["model_environment"]["imported_packages"]["numpy"] == "1.26.4"
    assert document["settings"]["packages"]["numpy"] == np.__version__
    print(f"{document['resumed_pairs']} of {PAIRS} pairs resumed; {document['model_environment']}")
    # Another NumPy in the same environment is another model.
    subprocess.run([str(python), "-m", "pip", "install", "-q", "numpy==2.2.6"], check=True)
    refused = subprocess.run(command("cut"), capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "found a run with model_packages = " in refused.stderr
