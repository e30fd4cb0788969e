"""Suites in runs, golden hashes, the manifest of a run, and the quick check of the whole pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.conditions.condition import CLEAN, suite_conditions
from avbench.benchmark.conditions.corruptions import Corruption, GoldenMismatch, corrupt_pair, load_suite
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.data.pair import Modality
from avbench.benchmark.predictions.file import read_predictions
from avbench.benchmark.running import run as evaluate_module
from avbench.preprocessing.base.errors import InputError
from prepared_data import pair_name, pair_row, write_dataset

PAIRS = 11

MODEL = """
import numpy as np
from avbench.benchmark.data.pair import PosePrediction
class Bright:
    modalities = ("vision",)
    def predict(self, pairs):
        return [PosePrediction(np.eye(3), np.array([pair.image_a.mean(), pair.image_b.mean(), 1.0])) for pair in pairs]
class Batchy:
    modalities = ("vision",)
    def predict(self, pairs):
        return [PosePrediction(np.eye(3), np.array([0.0, 1.0, 1.0 + 1e-6 * len(pairs)]))] * len(pairs)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [pair_row(pair_name(i), group_id=f"g{i}") for i in range(PAIRS)]
    return write_dataset(tmp_path_factory.mktemp("suites") / "data", {"test": rows})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "bright.py"
    path.write_text(MODEL)
    return f"{path}:Bright"


def invoke(*arguments: object):
    result = CliRunner().invoke(evaluate, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_the_standard_suite_shows_each_pair_as_its_corruptions_make_it(data: Path, model: str, tmp_path: Path):
    invoke(data, "--model", model, "-o", tmp_path / "r", "--suite", "standard", "--workers", 2, "--limit", 3)
    found = read_predictions(tmp_path / "r" / "predictions.parquet")
    suite = load_suite("standard")
    assert found.conditions == tuple(condition.name for condition in suite.conditions)
    assert len(found.conditions) == 1 + 3 * len(Corruption)
    pairs = {pair.pair_id: pair for pair in open_dataset(data).inputs("test", stop=3)}
    for row, (pair_id, name) in enumerate(zip(found.pair_id, found.condition, strict=True)):
        pair = pairs[pair_id]
        images = pair.image_a, pair.image_b
        if name != "clean":
            corruption, severity = name.split("-")
            images = corrupt_pair(*images, pair_id, corruption, int(severity))
        np.testing.assert_array_equal(found.translation_a_b[row, :2], [image.mean() for image in images])


def test_the_conditions_of_a_suite_become_conditions_of_a_run(data: Path):
    suite = load_suite("paper")
    conditions = suite_conditions(suite)
    assert conditions[0] is CLEAN
    assert [condition.name for condition in conditions[1:]] == [f"paper-{severity}" for severity in range(1, 6)]
    assert {condition.recipe for condition in conditions[1:]} == {"version 1, both"}
    assert all(condition.shows_in({Modality.VISION}) for condition in conditions[1:])
    assert not any(condition.shows_in({Modality.AUDIO, Modality.UP}) for condition in conditions)
    pair = next(open_dataset(data).inputs("test"))
    shown = conditions[3].apply(pair)
    assert not shown.image_a.flags.writeable
    assert shown.sound_a is pair.sound_a


def test_a_suite_of_the_users_own_and_its_fingerprint(data: Path, model: str, tmp_path: Path):
    suite = tmp_path / "night.toml"
    suite.write_text('clean = true\n[[conditions]]\ncorruption = "low_light"\nseverities = [3, 5]\n')
    result = invoke(data, "--model", model, "-o", tmp_path / "r", "--suite", suite)
    assert "low_light-5" in result.stdout
    document = json.loads((tmp_path / "r" / "run.json").read_text())
    assert (document["suite"], document["suite_fingerprint"]) == ("night", load_suite(suite).fingerprint)
    assert document["conditions"] == ["clean", "low_light-3", "low_light-5"]
    assert document["settings"]["conditions"][1] == ["low_light-3", "version 1, both"]
    with pytest.raises(InputError, match=r"found a run with conditions = .*low_light-3"):
        invoke(data, "--model", model, "-o", tmp_path / "r", "--suite", "clean")
    with pytest.raises(InputError, match="did you mean standard"):
        invoke(data, "--model", model, "-o", tmp_path / "r2", "--suite", "standart")


def test_other_pixels_than_elsewhere_are_told_and_stored(data: Path, model: str, tmp_path: Path, monkeypatch):
    mismatch = GoldenMismatch(Corruption.FOG, 3, "a" * 32, "b" * 32)
    monkeypatch.setattr(evaluate_module, "check_golden", lambda: [mismatch])
    result = invoke(data, "--model", model, "-o", tmp_path / "r")
    assert f"corruptions differ from those of other machines: {mismatch}" in result.stderr
    document = json.loads((tmp_path / "r" / "run.json").read_text())
    assert document["golden_mismatches"] == [str(mismatch)]
    assert read_predictions(tmp_path / "r" / "predictions.parquet").info["settings"]["golden_mismatches"]
    # A machine with the right pixels does not go on with such a run.
    monkeypatch.setattr(evaluate_module, "check_golden", list)
    with pytest.raises(InputError, match="found a run with golden_mismatches"):
        invoke(data, "--model", model, "-o", tmp_path / "r")


def test_the_golden_hashes_are_checked_and_right_here(data: Path, model: str, tmp_path: Path):
    invoke(data, "--model", model, "-o", tmp_path / "r")
    document = json.loads((tmp_path / "r" / "run.json").read_text())
    assert document["golden_mismatches"] == []
    assert document["seconds"]["check corruptions"] > 0.0


def test_the_manifest_says_how_the_run_was_made(data: Path, model: str, tmp_path: Path):
    invoke(data, "--model", model, "-o", tmp_path / "r", "--workers", 3, "--batch-size", 5, "--seed", 7)
    document = json.loads((tmp_path / "r" / "run.json").read_text())
    settings = document["settings"]
    assert settings["dataset_fingerprint"] == open_dataset(data).fingerprint
    assert settings["seed"] == 7
    assert settings["device"] == "cpu"
    assert {"numpy", "pyarrow", "avbench"} <= settings["packages"].keys()
    assert document["harness"] == {
        "batch_size": 5,
        "workers": 3,
        "timeout_s": 600.0,
        "model_in_its_own_process": True,
    }
    assert document["seconds"].keys() == {
        *("open", "check corruptions", "load model", "wait for pairs"),
        *("read", "decode", "conditions", "predict", "write"),
    }
    # The model's process holds an interpreter and numpy, and none of what this one has loaded.
    assert 10.0 < document["model_peak_memory_mib"] < document["peak_memory_mib"]
    assert document["git"] is None or len(document["git"]["commit"]) == 40
    assert document["batch_size_changes"] == []
    assert document["conditions_not_seen_by_the_model"] == {}


def test_smoke_tries_the_whole_road_on_eight_pairs(data: Path, model: str, tmp_path: Path):
    out = tmp_path / "r"
    arguments = (data, "--model", model, "-o", out, "--suite", "standard", "--probes", "--smoke")
    result = invoke(*arguments)
    assert "batches of 8 against single pairs: identical" in result.stdout
    assert "only the first 8 pairs" in result.stdout
    assert not out.exists()
    folder = tmp_path / "r-smoke"
    results = {"predictions.parquet", "score.json", "run.json", "probes.json", "report.html"}
    assert results < {path.name for path in folder.iterdir()}
    found = read_predictions(folder / "predictions.parquet")
    assert found.conditions[:2] == ("clean", "motion_blur-1")
    assert all(name.startswith("probe-") for name in found.conditions[2:])
    # It is made anew each time.
    invoke(*arguments, "--batch-size", 3)


def test_smoke_prints_how_far_batches_and_single_pairs_are_apart(data: Path, model: str, tmp_path: Path):
    result = invoke(data, "--model", model.replace(":Bright", ":Batchy"), "-o", tmp_path / "r", "--smoke")
    assert "batches of 8 against single pairs: 8 of 8 answers differ" in result.stdout
    assert "7e-06 in a component of the translation" in result.stdout
