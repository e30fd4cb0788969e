"""Pairs that an organiser hands out without the answers: predicted, not scored, and every command says why."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from avbench.benchmark.cli.compare import compare
from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.cli.report import report
from avbench.benchmark.cli.score import score
from avbench.benchmark.predictions.file import read_predictions
from avbench.preprocessing.base.geometry import axis_rotation
from avbench.preprocessing.format.schema import COLUMNS, Role
from avbench.preprocessing.format.shard_file import MissingLabelsError


@pytest.fixture
def handed_out(tmp_path: Path, pair_row, write_dataset) -> Path:
    rows = [pair_row(f"p{i}", axis_rotation("y", 3.0 * i)) for i in range(6)]
    folder = write_dataset(tmp_path / "data", {"test": rows, "train": rows[:3]}, shards=2)
    answers = [column.name for column in COLUMNS if column.role is not Role.INPUT]
    for path in (folder / "data").glob("test-*"):
        pq.write_table(pq.read_table(path).drop_columns(answers), path)
    return folder


def run_evaluate(data: Path, out: Path, *more: str) -> Result:
    # The model runs in this process.
    arguments = [str(data), "-o", str(out), "--timeout-s", "0", "--workers", "0", *more]
    return CliRunner().invoke(evaluate, arguments)


@pytest.mark.parametrize("model", ["identity", "mean-motion"])
def test_evaluate_predicts_and_says_what_it_left_out(handed_out: Path, tmp_path: Path, model: str):
    done = run_evaluate(handed_out, tmp_path / "run", "--model", model, "--probes")
    assert done.exit_code == 0, done.output
    assert "not scored: the split test has no label columns rotation_a_b, translation_a_b_m, scale" in done.output
    assert "left out: score.json, probes.json, report.html" in done.output
    assert sorted(path.name for path in (tmp_path / "run").iterdir() if not path.name.startswith(".")) == [
        "predictions.parquet",
        "run.json",
    ]
    found = read_predictions(tmp_path / "run" / "predictions.parquet")
    assert found.rows_of("clean").keys() == {f"p{i}" for i in range(6)}
    again = run_evaluate(handed_out, tmp_path / "run", "--model", model, "--probes")
    assert again.exit_code == 0, again.output
    assert "this run was complete" in again.output
    assert "scored as they are" not in again.output


def test_commands_that_need_labels_name_the_columns_in_one_line(handed_out: Path, tmp_path: Path):
    out = tmp_path / "run"
    assert run_evaluate(handed_out, out, "--model", "identity", "--no-report").exit_code == 0
    runner = CliRunner()
    for result in (
        runner.invoke(score, [str(out), str(handed_out)]),
        runner.invoke(compare, [str(out), str(out), str(handed_out)]),
        runner.invoke(report, [str(out), str(handed_out), "-o", str(tmp_path / "r.html")]),
    ):
        assert isinstance(result.exception, MissingLabelsError)
        line = str(result.exception)
        assert "found no label columns rotation_a_b, translation_a_b_m, scale, pose_source" in line
        assert "published without the answers" in line
    assert not (tmp_path / "r.html").exists()


def test_a_split_that_kept_its_labels_is_scored_as_ever(handed_out: Path, tmp_path: Path):
    done = run_evaluate(handed_out, tmp_path / "run", "--model", "identity", "--split", "train", "--no-report")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "score.json").is_file()
