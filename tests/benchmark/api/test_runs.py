"""Evaluate, score, compare and report from Python."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import avbench
from avbench.benchmark.metrics.definitions import WORST_ERROR_DEG
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation
from prepared_data import pair_row, write_dataset

PAIRS = 24


class Turns:
    """Says that the camera turned by one angle about y, and moved ahead."""

    modalities = ("up",)

    def __init__(self, degrees: float = 0.0) -> None:
        self.degrees = degrees
        self.name = f"turns-{degrees:g}"

    def predict(self, pairs):
        rotation = axis_rotation("y", self.degrees)
        return [avbench.PosePrediction(rotation, np.array([0.0, 0.0, 1.0])) for _ in pairs]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> avbench.Pairs:
    rows = [
        pair_row(f"r:{(7 * number) % PAIRS}", axis_rotation("y", number), group_id=f"g{number % 12}")
        for number in range(PAIRS)
    ]
    folder = tmp_path_factory.mktemp("data") / "set"
    return avbench.load(write_dataset(folder, {"test": rows, "train": rows[:4]}))


def test_an_object_is_evaluated_as_it_is(data: avbench.Pairs) -> None:
    run = avbench.evaluate(Turns(10.0), data, progress=False)
    # The true angles are 0 to 23 degrees.
    assert run["rotation.mean_deg"] == pytest.approx(np.abs(np.arange(PAIRS) - 10.0).mean(), abs=1e-9)
    assert run.model == "turns-10"
    table = run.table(["rotation.mean_deg", "total.mean_deg"])
    assert table["metric"].tolist() == ["rotation.mean_deg", "total.mean_deg"]
    assert table["n"].tolist() == [PAIRS, PAIRS]
    assert table["groups"].tolist() == [12, 12]
    assert (table["low"] < table["estimate"]).all()
    assert (table["estimate"] < table["high"]).all()


def test_a_class_a_split_and_a_slice(data: avbench.Pairs) -> None:
    assert avbench.evaluate(Turns, data["train"], progress=False)["rotation.mean_deg"] == pytest.approx(1.5)
    assert avbench.evaluate(Turns, data["test"][:5], progress=False)["rotation.mean_deg"] == pytest.approx(2.0)


def test_a_model_by_name_gives_what_the_command_gives(data: avbench.Pairs, tmp_path: Path) -> None:
    run = avbench.evaluate("identity", data, out=tmp_path / "run", progress=False)
    script = "from avbench.preprocessing.cli.main import main; main()"
    command = [sys.executable, "-c", script, "score", str(tmp_path / "run"), str(data.folder), "--json"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (score,) = json.loads(printed)["scores"]
    assert score["metrics"]["rotation.mean_deg"]["value"] == run["rotation.mean_deg"]
    assert (tmp_path / "run" / "score.json").is_file()


def test_arrays_are_scored_like_the_model_that_gave_them(data: avbench.Pairs) -> None:
    rotation = np.tile(axis_rotation("y", 10.0), (PAIRS, 1, 1))
    translation = np.tile([0.0, 0.0, 1.0], (PAIRS, 1))
    run = avbench.evaluate(Turns(10.0), data, progress=False)
    found = avbench.score(rotation, translation, data["test"]).table()
    assert found.equals(run.table())
    rotation[3] = np.nan
    missed = avbench.score(rotation, translation, data["test"])
    expected = (np.abs(np.arange(PAIRS) - 10.0).sum() - 7.0 + WORST_ERROR_DEG) / PAIRS
    assert missed["rotation.mean_deg"] == pytest.approx(expected)


def test_the_errors_of_every_pair_are_a_frame(data: avbench.Pairs) -> None:
    run = avbench.evaluate(Turns(10.0), data, progress=False)
    errors = run.errors()
    truth_deg = [7 * number % PAIRS for number in range(PAIRS)]
    by_name = {f"r:{degrees}": abs(number - 10.0) for number, degrees in enumerate(truth_deg)}
    assert errors["rotation_deg"].to_dict() == pytest.approx(by_name, abs=1e-9)
    assert errors["total_deg"].mean() == pytest.approx(run["total.mean_deg"])
    assert errors["answered"].all()
    assert errors.index.tolist() == data["test"].table(["pair_id"])["pair_id"].tolist()
    with pytest.raises(InputError, match="condition: found 'fog-1', expected one of clean"):
        run.errors("fog-1")


def test_two_runs_are_compared_pair_by_pair(data: avbench.Pairs) -> None:
    a, b = (avbench.evaluate(Turns(angle), data, progress=False) for angle in (11.0, 0.0))
    table = avbench.compare(a, b, metrics=["rotation.mean_deg"]).table()
    [row] = table.to_dict("records")
    assert row["difference"] == pytest.approx(a["rotation.mean_deg"] - b["rotation.mean_deg"])
    assert row["low"] < row["difference"] < row["high"]
    assert "turns-11" in avbench.compare(a, b).text()


def test_a_suite_is_plotted_and_reported(data: avbench.Pairs, tmp_path: Path) -> None:
    suite = tmp_path / "dark.toml"
    suite.write_text(
        'name = "dark"\ndescription = "Dark."\n[[conditions]]\ncorruption = "low_light"\nseverities = [1, 5]\n'
    )
    run = avbench.evaluate(Turns(), data, suite=suite, progress=False)
    assert run.conditions == ("clean", "low_light-1", "low_light-5")
    [axes] = run.plot("robustness").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == list(run.conditions)
    page = run.report(tmp_path / "page.html")
    assert "turns-0" in page.read_text()


def test_what_is_wrong_is_told_in_one_line(data: avbench.Pairs) -> None:
    rotation, translation = np.tile(np.eye(3), (PAIRS, 1, 1)), np.zeros((PAIRS, 3))

    class Needs:
        def __init__(self, what):
            self.what = what

        def predict(self, pairs):
            return []

    cases = [
        (lambda: avbench.evaluate(object(), data), "model object: found no method predict"),
        (lambda: avbench.evaluate(Needs, data), "give an object: Needs\\(...\\)"),
        (lambda: avbench.evaluate("sitf", data), "did you mean sift"),
        (lambda: avbench.evaluate(Turns(), data["test"][2:5]), "expected pairs from the first on"),
        (lambda: avbench.evaluate(Turns(), data, suite="standart"), "standart"),
        (lambda: avbench.score(rotation[:2], translation, data["test"]), "found an array of shape \\(2, 3, 3\\)"),
        (lambda: avbench.score(rotation, translation, data), "array of shape"),
        (lambda: avbench.compare("a", "b"), "expected the data set that the runs were made on"),
        (lambda: avbench.evaluate(Turns(), data, weights="x"), "a class or an object brings its own"),
    ]
    for call, message in cases:
        with pytest.raises(avbench.InputError, match=message) as error:
            call()
        assert "\n" not in str(error.value)


def test_a_model_that_answers_nothing_is_an_error(data: avbench.Pairs) -> None:
    class Broken:
        def predict(self, pairs):
            raise RuntimeError("no weights")

    with pytest.raises(avbench.AvbenchError, match="no weights"):
        avbench.evaluate(Broken(), data, progress=False)


def test_the_models_are_listed() -> None:
    assert {"identity", "sift", "fusion"} <= set(avbench.models().index)
    assert avbench.metrics().loc["total.auc@20", "higher_is_better"]


def test_importing_it_imports_nothing_heavy() -> None:
    script = "import sys; before = set(sys.modules); import avbench; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "pyarrow", "torch", "scipy", "click"} & set(loaded)
    assert set(avbench.__all__) <= set(dir(avbench))
    with pytest.raises(AttributeError, match="has no attribute 'lead'"):
        avbench.lead  # noqa: B018
