"""`--set` of `avbench evaluate`, and what `avbench models NAME` shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import avbench
from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.cli.models import models
from avbench.preprocessing.base.errors import InputError
from prepared_data import pair_row, write_dataset

MODEL = """
import numpy as np
from avbench import PosePrediction
class Ahead:
    modalities = ()
    def __init__(self, *, forward_m: float, seed: int = 0):
        self.answer = PosePrediction(np.eye(3), np.array([0.0, 0.0, forward_m]), metric=True)
    def predict(self, pairs):
        return [self.answer] * len(pairs)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("options")
    (made / "ahead.py").write_text(MODEL)
    write_dataset(made / "data", {"test": [pair_row(f"p{number}", group_id=f"g{number}") for number in range(4)]})
    return made


def run(folder: Path, out: Path, *options: str):
    arguments = [str(folder / "data"), "--model", f"{folder / 'ahead.py'}:Ahead", "-o", str(out), "--no-report"]
    return CliRunner().invoke(evaluate, [*arguments, *options])


def test_options_reach_the_model_and_belong_to_its_run(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = run(folder, out, "--set", "forward-m=2", "--set", "seed=3")
    assert first.exit_code == 0, first.output
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert settings["model_options"] == {"forward_m": 2.0, "seed": 3}
    # The same options said in another way continue the run; others do not.
    assert run(folder, out, "--set", "seed=3", "--set", "forward_m=2.0").exit_code == 0
    other = run(folder, out, "--set", "forward_m=2")
    assert isinstance(other.exception, InputError)
    assert 'found a run with model_options = {"forward_m": 2.0, "seed": 3}' in str(other.exception)
    same = avbench.evaluate(
        f"{folder / 'ahead.py'}:Ahead", folder / "data", options={"forward_m": 2, "seed": 3}, out=out, progress=False
    )
    assert same.predictions.translation_a_b[0].tolist() == [0.0, 0.0, 2.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "forward=1"], "did you mean forward_m"),
        (["--set", "forward_m=far"], "option forward_m: found 'far', expected a number"),
        ([], "found no value for forward_m, expected a number; give it with --set forward_m=VALUE"),
        (["--set", "forward_m"], "found 'forward_m', expected KEY=VALUE"),
        (["--set", "seed=1", "--set", "seed=2"], "seed is given twice: '1' and '2'"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_nothing(
    folder: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    result = run(folder, tmp_path / "run", *options)
    assert result.exit_code != 0
    assert message in f"{result.output}{result.exception}"
    assert not (tmp_path / "run" / "predictions.parquet").exists()


def test_a_class_takes_options_from_python(folder: Path) -> None:
    class Turned:
        modalities = ()

        def __init__(self, count: int) -> None:
            self.count = count

        def predict(self, pairs):
            return [avbench.PosePrediction([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, self.count]) for _ in pairs]

    run = avbench.evaluate(Turned, folder / "data", options={"count": 5}, progress=False)
    assert run.predictions.translation_a_b[0].tolist() == [0.0, 0.0, 5.0]
    with pytest.raises(InputError, match=r"found no value for count, expected an integer; give an object: Turned"):
        avbench.evaluate(Turned, folder / "data", progress=False)
    with pytest.raises(InputError, match="options: found count, expected none: an object is built already"):
        avbench.evaluate(Turned(1), folder / "data", options={"count": 5}, progress=False)


def test_a_model_is_shown_with_its_options(folder: Path) -> None:
    shown = CliRunner().invoke(models, ["sift"]).output
    assert "--set features=...  an integer; default 2000\n" in shown
    assert "\nfusion:" not in shown
    shown = CliRunner().invoke(models, [f"{folder / 'ahead.py'}:Ahead", "--json"]).output
    assert json.loads(shown)["options"] == [
        {"name": "forward_m", "takes": "a number", "default": None},
        {"name": "seed", "takes": "an integer", "default": "0"},
    ]
    assert CliRunner().invoke(models, ["--python", "python3"]).exit_code == 2
