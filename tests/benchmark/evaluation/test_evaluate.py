"""Running a model over a split: results, resuming, models that misbehave."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.cli.score import score
from avbench.benchmark.conditions.condition import CLEAN, Condition
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.models.registry import find_model
from avbench.benchmark.predictions.file import Status, check_complete
from avbench.benchmark.running.parts import gaps
from avbench.benchmark.running.run import RunSettings, run_model
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation
from prepared_data import pair_name

PAIRS = 21

# Answers by what it sees and by what it draws, so that any mix-up of pairs, batches or seeds shows.
DRAWING = """
import numpy as np
from avbench.benchmark.data.pair import PosePrediction
class Drawing:
    modalities = ("vision",)
    def predict(self, pairs):
        out = []
        for pair in pairs:
            angle = float(pair.image_a.mean()) / 100 + np.random.uniform(0, 0.1)
            c, s = np.cos(angle), np.sin(angle)
            out.append(PosePrediction(np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.array([s, 0, c])))
        return out
"""


@pytest.fixture
def data(tmp_path: Path, pair_row, write_dataset) -> Path:
    rows = [
        pair_row(pair_name(i), axis_rotation("y", i - 10.0), (0.1 * (i - 10), 0.0, 1.0), group_id=f"g{i % 4}")
        for i in range(PAIRS)
    ]
    return write_dataset(tmp_path / "data", {"test": rows, "train": rows[10:13]}, shards=2, rows_per_group=4)


def model_file(tmp_path: Path, body: str, name: str = "model_under_test.py") -> Path:
    path = tmp_path / name
    path.write_text(body)
    return path


def run(data: Path, model: str, out: Path, **settings):
    conditions = settings.pop("conditions", (CLEAN,))
    progress = settings.pop("progress", None)
    return run_model(
        open_dataset(data),
        find_model(model),
        out,
        RunSettings(**{"batch_size": 4, **settings}),
        conditions=conditions,
        progress=progress,
    )


def invoke(command, *arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_evaluate_writes_predictions_score_and_run(data: Path, tmp_path: Path):
    out = tmp_path / "run"
    result = invoke(evaluate, data, "--model", "identity", "-o", out)
    assert result.exit_code == 0
    assert "identity" in result.stdout
    assert f"rotation over {PAIRS} pairs" in result.stdout
    results = {"predictions.parquet", "score.json", "run.json"}
    report = {"report.html", "scores.csv", "scores.md", "scores.tex"}
    assert {path.name for path in out.iterdir()} == results | report
    assert invoke(evaluate, data, "--model", "identity", "-o", tmp_path / "bare", "--no-report").exit_code == 0
    assert {path.name for path in (tmp_path / "bare").iterdir()} == results
    written = json.loads((out / "score.json").read_text())
    clean = written["scores"][0]
    # Angles -10 to 10 degrees: mean 110 / 21, median 5.
    assert clean["metrics"]["rotation.mean_deg"]["value"] == pytest.approx(110 / 21)
    assert clean["metrics"]["rotation.median_deg"]["value"] == pytest.approx(5.0)
    # The pairs are of six recordings.
    assert clean["metrics"]["rotation.mean_deg"]["groups"] == 4
    document = json.loads((out / "run.json").read_text())
    assert document["settings"]["dataset_fingerprint"] == open_dataset(data).fingerprint
    assert document["predictions_sha256"] == written["predictions_sha256"]
    assert {"numpy", "avbench"} <= document["settings"]["packages"].keys()
    assert document["seconds"].keys() >= {"read", "decode", "predict", "write"}
    assert document["git"] is None or set(document["git"]) == {"commit", "dirty", "diff_sha256"}
    assert document["peak_memory_mib"] > 10


def test_score_of_the_file_equals_the_score_of_the_run(data: Path, tmp_path: Path):
    out = tmp_path / "run"
    invoke(evaluate, data, "--model", "mean-motion", "-o", out)
    again = invoke(score, out / "predictions.parquet", data, "--json")
    assert json.loads(again.stdout) == json.loads((out / "score.json").read_text())
    foreign = invoke(score, out / "predictions.parquet", data, "--as", "superglue", "--as", "mapfree")
    assert "as superglue scores it" in foreign.stdout
    assert "as mapfree scores it" in foreign.stdout
    assert "difference" in foreign.stdout
    found = json.loads(invoke(score, out, data, "--as", "vggt", "--as", "pi3", "--json").stdout)
    assert [entry["convention"] for entry in found["conventions"]] == ["vggt", "pi3"]
    row = found["conventions"][0]["rows"][0]
    assert (row["quantity"], row["measure"], row["threshold_deg"]) == ("total", "AUC", 3.0)


def test_score_refuses_another_data_set(data: Path, tmp_path: Path, pair_row, write_dataset):
    out = tmp_path / "run"
    invoke(evaluate, data, "--model", "identity", "-o", out)
    other = write_dataset(tmp_path / "other", {"test": [pair_row("q")]})
    with pytest.raises(InputError, match="score it with the data set it was predicted on"):
        invoke(score, out / "predictions.parquet", other)


def test_a_limited_run_scores_its_pairs_and_says_so(data: Path, tmp_path: Path):
    result = invoke(evaluate, data, "--model", "identity", "-o", tmp_path / "r", "--limit", 5)
    assert "only the first 5 pairs" in result.stdout
    assert "rotation over 5 pairs" in result.stdout
    whole = invoke(score, tmp_path / "r" / "predictions.parquet", data)
    assert f"{PAIRS - 5} are missing" in whole.stdout


def test_mean_motion_learns_from_train_and_says_when_there_is_none(data: Path, tmp_path: Path, pair_row, write_dataset):
    predictions = run(data, "mean-motion", tmp_path / "r").predictions
    # The training pairs turn by 0, 1 and 2 degrees.
    np.testing.assert_allclose(predictions.rotation_a_b[0], axis_rotation("y", 1.0), atol=1e-9)
    lonely = write_dataset(tmp_path / "lonely", {"test": [pair_row("p")]})
    with pytest.raises(InputError, match=r"found splits test, expected a split 'train', whose labels mean-motion"):
        run(lonely, "mean-motion", tmp_path / "r2")
    assert not (tmp_path / "r2" / "predictions.parquet").exists()


def test_predictions_depend_neither_on_parts_nor_on_batches(data: Path, tmp_path: Path):
    model = f"{model_file(tmp_path, DRAWING.replace('np.random.uniform(0, 0.1)', '0.0'))}:Drawing"
    hashes = {
        run(data, model, tmp_path / f"r{batch}-{part}", batch_size=batch, part_pairs=part).predictions.content_sha256()
        for batch, part in ((1, 1), (4, 1), (4, 7), (16, 1000), (64, 3))
    }
    assert len(hashes) == 1


def test_predictions_are_in_the_order_of_the_data_set(data: Path, tmp_path: Path):
    flipped = Condition("flipped", lambda pair: replace(pair, image_a=pair.image_a[:, ::-1] // 2))
    found = run(
        data, f"{model_file(tmp_path, DRAWING)}:Drawing", tmp_path / "r", part_pairs=5, conditions=(CLEAN, flipped)
    ).predictions
    names = [pair_name(i) for i in range(PAIRS)]
    assert list(found.pair_id) == names + names
    assert found.conditions == ("clean", "flipped")
    check_complete(found, names, conditions=["clean", "flipped"])
    turn = np.arctan2(found.rotation_a_b[:, 0, 2], found.rotation_a_b[:, 0, 0])
    # Half the brightness is half the angle: the transform reached the model, and only under its condition.
    assert np.abs(turn[PAIRS:] - turn[:PAIRS] / 2).max() < 0.15
    assert not (tmp_path / "r" / "parts").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.running.run import RunSettings, run_model
from avbench.benchmark.models.registry import find_model
def progress(answered, count):
    if answered >= int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)
run_model(open_dataset(Path(sys.argv[1])), find_model(sys.argv[2]), Path(sys.argv[3]),
          RunSettings(batch_size=2, part_pairs=4), progress=progress)
"""


def test_a_killed_run_goes_on_and_ends_with_identical_predictions(data: Path, tmp_path: Path):
    model = f"{model_file(tmp_path, DRAWING)}:Drawing"
    settings = {"batch_size": 2, "part_pairs": 4}
    whole = run(data, model, tmp_path / "whole", **settings)
    for moment in (4, 9, 17):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(data), model, str(tmp_path / "cut"), str(moment)], capture_output=True
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        assert not (tmp_path / "cut" / "predictions.parquet").exists()
    seen: list[tuple[int, int]] = []
    resumed = run(data, model, tmp_path / "cut", progress=lambda *state: seen.append(state), **settings)
    assert resumed.resumed_pairs >= 16
    assert seen[0] == (resumed.resumed_pairs, PAIRS)
    assert seen[-1] == (PAIRS, PAIRS)
    assert resumed.predictions.content_sha256() == whole.predictions.content_sha256()


def test_a_complete_run_is_not_run_again(data: Path, tmp_path: Path):
    model = f"{model_file(tmp_path, DRAWING)}:Drawing"
    first = run(data, model, tmp_path / "r")
    again = run(data, model, tmp_path / "r")
    assert again.complete_before
    assert again.predictions.content_sha256() == first.predictions.content_sha256()


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_of_other_settings_is_refused_until_overwritten(data: Path, tmp_path: Path, finished):
    out = tmp_path / "r"

    def stop_early(answered, _):
        if answered and not finished:
            raise KeyboardInterrupt

    try:
        run(data, "identity", out, part_pairs=4, progress=stop_early)
    except KeyboardInterrupt:
        assert any((out / "parts").iterdir())
    with pytest.raises(InputError, match=r"found a run with limit = null, expected limit = 5;.*--overwrite"):
        invoke(evaluate, data, "--model", "identity", "-o", out, "--limit", 5)
    result = invoke(evaluate, data, "--model", "identity", "-o", out, "--limit", 5, "--overwrite")
    assert "rotation over 5 pairs" in result.stdout


def test_overwriting_leaves_other_files_alone(data: Path, tmp_path: Path):
    out = tmp_path / "r"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    invoke(evaluate, data, "--model", "identity", "-o", out)
    invoke(evaluate, data, "--model", "identity", "-o", out, "--overwrite", "--seed", 4)
    assert (out / "notes.txt").read_text() == "mine"


MISBEHAVING = """
import numpy as np
from avbench.benchmark.data.pair import PosePrediction
GOOD = PosePrediction(np.eye(3), np.array([0.0, 0.0, 1.0]))
class Base:
    modalities = ()
    def predict(self, pairs):
        return [self.one(pair) if pair.pair_id in FAULTY else GOOD for pair in pairs]
class Raises(Base):
    def one(self, pair): raise ValueError("cannot do this one")
class NotANumber(Base):
    def one(self, pair): return PosePrediction(np.full((3, 3), np.nan), np.zeros(3))
class NoRotation(Base):
    def one(self, pair): return PosePrediction(np.diag([1.0, 1.0, -1.0]), np.ones(3))
class WrongShape(Base):
    def one(self, pair): return PosePrediction(np.eye(4), np.ones(3))
class WrongTranslation(Base):
    def one(self, pair): return PosePrediction(np.eye(3), np.ones((3, 1)))
class WrongType(Base):
    def one(self, pair): return np.eye(4)
class Text(Base):
    def one(self, pair): return PosePrediction("up", "down")
class Nothing(Base):
    def one(self, pair): return None
class WritesToInputs(Base):
    def one(self, pair):
        pair.image_a[:] = 0
        return GOOD
class LooksForLabels(Base):
    def one(self, pair): return PosePrediction(pair.rotation_a_b, pair.translation_a_b_m)
"""


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("Raises", Status.ERROR, "ValueError: cannot do this one (misbehaving.py:10)"),
        ("NotANumber", Status.INVALID, "rotation_a_b is not finite"),
        ("NoRotation", Status.INVALID, "rotation_a_b is no rotation"),
        ("WrongShape", Status.INVALID, "rotation_a_b has shape (4, 4), expected (3, 3)"),
        ("WrongTranslation", Status.INVALID, "translation_a_b has shape (3, 1), expected (3,)"),
        ("WrongType", Status.INVALID, "found ndarray, expected PosePrediction"),
        ("Text", Status.INVALID, "could not convert string to float"),
        ("Nothing", Status.INVALID, "found NoneType, expected PosePrediction"),
        ("WritesToInputs", Status.ERROR, "read-only"),
        ("LooksForLabels", Status.ERROR, "'PairInput' object has no attribute 'rotation_a_b'"),
    ],
)
def test_only_the_pairs_at_fault_fail_and_the_run_ends_well(data: Path, tmp_path: Path, name, status, message):
    faulty = {pair_name(i) for i in range(0, PAIRS, 5)}
    path = model_file(tmp_path, MISBEHAVING.replace("FAULTY", repr(faulty)), "misbehaving.py")
    out = tmp_path / "run"
    result = invoke(evaluate, data, "--model", f"{path}:{name}", "-o", out, "--batch-size", 8)
    assert result.exit_code == 0
    assert "5 pairs count as 180 degrees" in result.stdout
    assert message in result.stdout
    predictions = run(data, f"{path}:{name}", out, batch_size=8).predictions
    failing = [pair in faulty for pair in predictions.pair_id]
    assert [found is status for found in predictions.status] == failing
    check_complete(predictions, [pair_name(i) for i in range(PAIRS)])


COUNTING = """
import numpy as np
from avbench.benchmark.data.pair import PosePrediction
GOOD = PosePrediction(np.eye(3), np.array([0.0, 0.0, 1.0]))
class TooFew:
    modalities = ()
    def predict(self, pairs): return [GOOD] * (len(pairs) - 1)
class TooMany:
    modalities = ()
    def predict(self, pairs): return [GOOD] * (len(pairs) + 1)
class OneAtATime:
    modalities = ()
    def predict(self, pairs): return [GOOD]
class OutOfMemory:
    modalities = ()
    def predict(self, pairs):
        if len(pairs) > 2: raise MemoryError
        return [GOOD] * len(pairs)
class NoNumbers:
    modalities = ()
    def predict(self, pairs): return None
class HalfAnswers:
    modalities = ()
    def predict(self, pairs):
        return [PosePrediction(np.eye(3), np.array([0, np.nan, 1.0]), confidence=7.0, metric=True) for _ in pairs]
"""


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("TooFew", Status.MISSING),
        ("TooMany", Status.INVALID),
        ("OneAtATime", Status.OK),
        ("OutOfMemory", Status.OK),
        ("NoNumbers", Status.ERROR),
        ("HalfAnswers", Status.OK),
    ],
)
def test_wrong_numbers_of_answers(data: Path, tmp_path: Path, name, status):
    path = model_file(tmp_path, COUNTING, "counting.py")
    found = run(data, f"{path}:{name}", tmp_path / "r", batch_size=8).predictions
    assert set(found.status) == {status}
    if name == "HalfAnswers":
        assert np.isnan(found.translation_a_b).all()
        assert not found.metric.any()
        assert found.message[0] == "translation_a_b is not finite; confidence 7 is not in 0 to 1"


def test_a_run_reads_nothing_but_what_its_model_looks_at(data: Path, tmp_path: Path, monkeypatch):
    from avbench.benchmark.data import dataset as dataset_module

    monkeypatch.setattr(dataset_module, "decode_clip", lambda *_: pytest.fail("sound was decoded"))
    run(data, f"{model_file(tmp_path, DRAWING)}:Drawing", tmp_path / "r")


def test_gaps_between_what_is_done():
    assert gaps([], 5) == [(0, 5)]
    assert gaps([(0, 5)], 5) == []
    assert gaps([(0, 2), (4, 6)], 9) == [(2, 4), (6, 9)]
    assert gaps([(3, 4)], 0) == []
    assert gaps([], 0) == []


def test_the_same_command_in_a_shell(data: Path, tmp_path: Path):
    command = "from avbench.preprocessing.cli.main import main; main()"
    arguments = [sys.executable, "-c", command, "evaluate", str(data), "--model", "identity", "-o", str(tmp_path / "r")]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{PAIRS}/{PAIRS}" in done.stderr
    wrong = subprocess.run([*arguments[:5], "--model", "identiti"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert wrong.stderr.splitlines()[-1].startswith("error: model 'identiti': found no model of this name")
    assert "did you mean identity?" in wrong.stderr
    assert "Traceback" not in wrong.stderr
