"""The whole pipeline on a tiny set: raw recordings, prepare, evaluate, score, submit, board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from avbench.preprocessing.cli.main import cli

MODELS = ("identity", "mean-motion", "sift")


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings, data set, runs and board, each made by the command a user would give."""
    pytest.importorskip("numba", reason="the simulator needs the extra avbench[simulate]")
    folder = tmp_path_factory.mktemp("road")
    size = ("--size", "240x180", "--seconds", "4", "--jobs", "1")
    for split, count in (("train", "2"), ("test", "3")):
        run("simulate", folder / "recordings", "--split", split, "--recordings", count, "--seed", "5", *size)
    run("prepare", folder / "recordings", "-o", folder / "data", "--pairs-per-recording", "6", "--jobs", "1")
    for model in MODELS:
        run("evaluate", folder / "data", "--model", model, "-o", folder / "runs" / model)
    run("board", "create", folder / "board", "--data", folder / "data", "--title", "Simulated")
    for model in MODELS:
        predictions = folder / "runs" / model / "predictions.parquet"
        run("submit", predictions, "--board", folder / "board", "--name", model)
    return folder


def test_the_boards_table_is_what_score_says(road: Path) -> None:
    entries = [json.loads(line) for line in (road / "board" / "entries.jsonl").read_text().splitlines()]
    assert [entry["submission"]["name"] for entry in entries] == list(MODELS)
    page = (road / "board" / "README.md").read_text()
    for entry in entries:
        name = entry["submission"]["name"]
        predictions = road / "runs" / name / "predictions.parquet"
        (scored,) = json.loads(run("score", predictions, road / "data", "--json").output)["scores"]
        published = entry["scores"]["clean"]
        assert published["counts"] == scored["counts"]
        for metric, found in published["metrics"].items():
            # A board publishes two decimals.
            assert found["value"] == pytest.approx(scored["metrics"][metric]["value"], abs=0.005 + 1e-9)
        row = next(line for line in page.splitlines() if line.startswith(f"| {name} |"))
        assert f"| {scored['metrics']['rotation.mean_deg']['value']:.2f} |" in row
        assert f"| {scored['metrics']['total.auc@20']['value']:.2f} |" in row


def test_pictures_tell_more_than_a_constant_answer(road: Path) -> None:
    scores = {
        model: scored["metrics"]["rotation.median_deg"]["value"]
        for model in MODELS
        for scored in json.loads((road / "runs" / model / "score.json").read_text())["scores"][:1]
    }
    assert scores["sift"] < 0.5 * scores["mean-motion"]


def test_the_same_prepare_again_makes_nothing_new(road: Path) -> None:
    before = (road / "data" / "manifest.json").read_bytes()
    again = run("prepare", road / "recordings", "-o", road / "data", "--pairs-per-recording", "6", "--jobs", "1")
    assert "5 reused" in again.output
    assert (road / "data" / "manifest.json").read_bytes() == before


def test_the_card_says_that_the_data_are_simulated(road: Path) -> None:
    assert "simulated" in (road / "data" / "README.md").read_text().lower()
