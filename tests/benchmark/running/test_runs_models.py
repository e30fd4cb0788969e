"""Models that hang, crash, run out of memory or touch what is not theirs: the run goes on, and says so."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.models.registry import find_model
from avbench.benchmark.predictions.file import Status, check_complete
from avbench.benchmark.running import host as model_host
from avbench.benchmark.running.asking import MOST_STOPS_IN_A_ROW
from avbench.benchmark.running.run import Run, RunSettings, run_model
from avbench.preprocessing.base.errors import InputError
from prepared_data import pair_row, write_dataset

PAIRS = 12
NAMES = [f"p{i:02d}" for i in range(PAIRS)]

MODELS = """
import ctypes, os, signal, sys, time
import numpy as np
from avbench.benchmark.data.pair import PosePrediction
GOOD = PosePrediction(np.eye(3), np.array([0.0, 0.0, 1.0]))
class Base:
    modalities = ("vision",)
    def predict(self, pairs):
        for pair in pairs:
            if pair.pair_id == "p05":
                self.bad(pair)
        return [GOOD] * len(pairs)
class Sleeps(Base):
    def bad(self, pair): time.sleep(3600)
class SpinsInC(Base):
    # Holds the interpreter's lock in C code: no signal and no thread of this process could end it.
    def bad(self, pair): ctypes.PyDLL(None).sleep(3600)
class Crashes(Base):
    def bad(self, pair): ctypes.string_at(0)
class Exits(Base):
    def bad(self, pair): os._exit(7)
class SysExits(Base):
    def bad(self, pair): sys.exit("enough")
class HangsTwice(Base):
    # Whole batches are under way while the pairs of the one before are asked one by one.
    def predict(self, pairs):
        if {"p02", "p06"} & {pair.pair_id for pair in pairs}: time.sleep(3600)
        return [GOOD] * len(pairs)
class HangsAlways:
    modalities = ()
    def predict(self, pairs): time.sleep(3600)
class HangsTogether:
    modalities = ()
    def predict(self, pairs):
        if len(pairs) > 1: time.sleep(3600)
        return [GOOD]
class WritesThroughTheBack(Base):
    def bad(self, pair):
        pair.image_a.setflags(write=True)
class Killed:
    modalities = ()
    def predict(self, pairs):
        if len(pairs) > 3: os.kill(os.getpid(), signal.SIGKILL)
        return [GOOD] * len(pairs)
class OutOfMemory:
    modalities = ()
    asked = []
    def predict(self, pairs):
        if len(pairs) > 3: raise self.error()
        return [PosePrediction(np.eye(3), np.array([0.0, 0.0, float(len(pairs))]))] * len(pairs)
class PythonMemory(OutOfMemory):
    error = MemoryError
class TorchMemory(OutOfMemory):
    def error(self):
        import torch
        return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
class TorchProcessorMemory(OutOfMemory):
    def error(self): return RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
class TooLargePair(Base):
    def bad(self, pair): raise MemoryError("this one never fits")
class Prints(Base):
    def predict(self, pairs):
        print("chatter on standard output")
        return [GOOD] * len(pairs)
class CannotBeBuilt(Base):
    def __init__(self): os._exit(3)
class NeverBuilt(Base):
    def __init__(self): time.sleep(3600)
class RaisesOnFitting(Base):
    def fit(self, labels): raise KeyError("no such label")
class HangsOnFitting(Base):
    def fit(self, labels): time.sleep(3600)
class FitsAndCrashes(Base):
    def fit(self, labels): self.labels = [label.pair_id for label in labels]
    def bad(self, pair):
        os._exit(1)
    def predict(self, pairs):
        super().predict(pairs)
        return [PosePrediction(np.eye(3), np.array([0.0, 0.0, float(len(self.labels))]))] * len(pairs)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [pair_row(name, group_id=f"g{i % 4}") for i, name in enumerate(NAMES)]
    return write_dataset(tmp_path_factory.mktemp("bad") / "data", {"test": rows, "train": rows[:3]})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "bad_models.py"
    path.write_text(MODELS)
    return path


def run(data: Path, model: str, out: Path, say=None, **settings) -> Run:
    return run_model(
        open_dataset(data),
        find_model(model),
        out,
        RunSettings(**{"batch_size": 4, "workers": 1, "timeout_s": 30.0, **settings}),
        say=say or (lambda line: None),
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("Sleeps", "TimeoutError: no answer within 1 s", marks=pytest.mark.slow),
        ("SpinsInC", "TimeoutError: no answer within 1 s"),
        ("Crashes", "the model's process died (SIGSEGV)"),
        ("Exits", "the model's process ended with exit code 7"),
        ("SysExits", "SystemExit: enough (bad_models.py:"),
        ("WritesThroughTheBack", "ValueError: cannot set WRITEABLE flag to True"),
    ],
)
def test_one_pair_that_hangs_or_crashes_costs_that_pair_alone(
    data: Path, models: Path, tmp_path: Path, name: str, message: str
):
    said: list[str] = []
    started = time.monotonic()
    limits = {"timeout_s": 1.0} if "Time" in message else {}
    found = run(data, f"{models}:{name}", tmp_path / "r", said.append, **limits).predictions
    # Two time-outs of 1 s, of its batch and of the pair alone, and three processes to start.
    assert time.monotonic() - started < 60
    assert [status is Status.ERROR for status in found.status] == [pair == "p05" for pair in NAMES]
    told = found.message[5]
    assert told is not None
    assert told.startswith(message)
    check_complete(found, NAMES)
    if "Time" in message or "process" in message:
        assert said == [f"pair p05 under clean: {told}; it counts as the worst error"]


def test_a_hang_in_the_shell_is_told_and_costs_the_worst_error(data: Path, models: Path, tmp_path: Path):
    out = tmp_path / "run"
    arguments = [str(data), "--model", f"{models}:Sleeps", "-o", str(out), "--timeout-s", "1", "--batch-size", "4"]
    result = CliRunner().invoke(evaluate, arguments)
    assert result.exit_code == 0, result.output
    assert "pair p05 under clean: TimeoutError: no answer within 1 s; it counts as the worst error" in result.stderr
    assert "1 x TimeoutError: no answer within 1 s" in result.stdout
    clean = json.loads((out / "score.json").read_text())["scores"][0]
    assert clean["counts"]["error"] == 1
    # The model answers all others rightly.
    assert clean["metrics"]["rotation.mean_deg"]["value"] == pytest.approx(180.0 / PAIRS)


def test_a_model_that_always_hangs_is_given_up(data: Path, models: Path, tmp_path: Path):
    said: list[str] = []
    found = run(data, f"{models}:HangsAlways", tmp_path / "r", said.append, timeout_s=0.7).predictions
    assert set(found.status) == {Status.ERROR}
    check_complete(found, NAMES)
    hung = [message for message in found.message if message is not None and message.startswith("TimeoutError")]
    assert len(hung) == MOST_STOPS_IN_A_ROW
    assert found.message[-1] == "not asked: the model hung or died on 3 pairs in a row"
    assert said[-1].startswith("the model hung or died on 3 pairs in a row and is not asked any more")


def test_hangs_in_neighbouring_batches_cost_their_pairs_alone(data: Path, models: Path, tmp_path: Path):
    found = run(data, f"{models}:HangsTwice", tmp_path / "r", limit=8, timeout_s=1.0).predictions
    assert [status is Status.ERROR for status in found.status] == [name in ("p02", "p06") for name in NAMES[:8]]


def test_a_model_that_hangs_on_batches_answers_single_pairs(data: Path, models: Path, tmp_path: Path):
    found = run(data, f"{models}:HangsTogether", tmp_path / "r", timeout_s=0.7, limit=4).predictions
    assert set(found.status) == {Status.OK}


@pytest.mark.parametrize(
    "name",
    [
        *("PythonMemory", "TorchProcessorMemory", "Killed"),
        pytest.param("TorchMemory", marks=pytest.mark.slow),  # imports torch three times
    ],
)
def test_out_of_memory_halves_the_batch_for_the_rest_of_the_run(data: Path, models: Path, tmp_path: Path, name: str):
    if name == "TorchMemory":
        torch = pytest.importorskip("torch")
        assert issubclass(torch.OutOfMemoryError, RuntimeError)
    said: list[str] = []
    done = run(data, f"{models}:{name}", tmp_path / "r", said.append, batch_size=8, timeout_s=60.0)
    assert set(done.predictions.status) == {Status.OK}
    assert [(change.pair_id, change.was, change.now) for change in done.batch_changes] == [("p00", 8, 4), ("p00", 4, 2)]
    reason = (
        "were not answered (the model's process was killed (SIGKILL))" if name == "Killed" else "do not fit into memory"
    )
    assert all(reason in line for line in said)
    assert said[-1].endswith("from here on 2 at once")
    if name != "Killed":
        # The later batch is not tried at 8 again: the answers carry the size of the batch they came in.
        assert set(done.predictions.translation_a_b[:, 2]) == {2.0}


def test_a_pair_that_never_fits_into_memory_fails_alone(data: Path, models: Path, tmp_path: Path):
    done = run(data, f"{models}:TooLargePair", tmp_path / "r")
    assert [status is Status.ERROR for status in done.predictions.status] == [pair == "p05" for pair in NAMES]
    assert done.batch_changes[-1].now == 1


def test_changes_of_the_batch_size_are_in_the_manifest(data: Path, models: Path, tmp_path: Path):
    out = tmp_path / "run"
    arguments = [str(data), "--model", f"{models}:PythonMemory", "-o", str(out), "--batch-size", "4"]
    assert CliRunner().invoke(evaluate, arguments).exit_code == 0
    document = json.loads((out / "run.json").read_text())
    line = MODELS.splitlines().index("        if len(pairs) > 3: raise self.error()") + 1
    reason = f"MemoryError (bad_models.py:{line})"
    assert document["batch_size_changes"] == [
        {"pair_id": "p00", "condition": "clean", "was": 4, "now": 2, "reason": reason}
    ]


def test_what_a_model_prints_does_not_mix_with_the_scores(data: Path, models: Path, tmp_path: Path, capfd):
    result = CliRunner().invoke(evaluate, [str(data), "--model", f"{models}:Prints", "-o", str(tmp_path / "r")])
    assert result.exit_code == 0
    captured = capfd.readouterr()
    assert "chatter" not in result.stdout + captured.out
    assert "chatter on standard output" in captured.err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CannotBeBuilt", "found the model's process ended with exit code 3 on building it, expected a model"),
        ("NeverBuilt", r"no answer within 2 s on building it.*allow it more time with --timeout-s"),
        ("RaisesOnFitting", r"found KeyError: 'no such label' \(bad_models.py:\d+\) on fitting it"),
        ("HangsOnFitting", r"no answer within 2 s on fitting it.*allow it more time with --timeout-s"),
    ],
)
def test_a_model_that_cannot_start_ends_the_run_with_one_line(
    data: Path, models: Path, tmp_path: Path, name: str, message: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(model_host, "_LEAST_START_S", 2.0)
    with pytest.raises(InputError, match=message):
        run(data, f"{models}:{name}", tmp_path / "r", timeout_s=1.0)
    assert not (tmp_path / "r" / "predictions.parquet").exists()


def test_a_fitted_model_is_fitted_again_after_a_crash(data: Path, models: Path, tmp_path: Path):
    found = run(data, f"{models}:FitsAndCrashes", tmp_path / "r", timeout_s=60.0).predictions
    assert [status is Status.ERROR for status in found.status] == [pair == "p05" for pair in NAMES]
    assert found.translation_a_b[-1, 2] == 3.0


def test_the_model_may_run_in_this_process(data: Path, models: Path, tmp_path: Path):
    found = run(data, f"{models}:SysExits", tmp_path / "r", timeout_s=None).predictions
    assert [status is Status.ERROR for status in found.status] == [pair == "p05" for pair in NAMES]
    with pytest.raises(InputError, match="no such label"):
        run(data, f"{models}:RaisesOnFitting", tmp_path / "r2", timeout_s=None)
