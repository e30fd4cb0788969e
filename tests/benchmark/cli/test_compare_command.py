"""`avbench compare`, and the intervals that `avbench score` prints: from files to tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from avbench.benchmark.cli.compare import compare
from avbench.benchmark.cli.score import score
from avbench.benchmark.predictions.file import Answer, write_predictions
from avbench.benchmark.predictions.saved_run import SavedRun, distinct_names, read_run
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation
from prepared_data import pair_name, pair_row, shuffled, write_dataset

PAIRS = 48
CONDITIONS = ("clean", "fog-1", "fog-5")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        pair_row(
            pair_name(i),
            axis_rotation("y", i - 20.0),
            group_id=f"g{i // 4:02d}",
            brightness_a=float(5 * i),
            pose_sigma_deg=0.5,
        )
        for i in range(PAIRS)
    ]
    return write_dataset(
        tmp_path_factory.mktemp("compare") / "data", {"test": rows, "val": rows[:4]}, rows_per_group=16
    )


def fingerprint(data: Path) -> str:
    found: str = json.loads((data / "manifest.json").read_text())["dataset_fingerprint"]
    return found


def write_run(folder: Path, data: Path, error_deg: dict[str, float], pairs: int = PAIRS, **settings: Any) -> Path:
    """Answers that are off by the given angle, and by one more degree on every second pair."""
    folder.mkdir(parents=True)
    answers = [
        Answer(pair_name(i), name, axis_rotation("y", i - 20.0 + error + i % 2), np.array([0.0, 0.0, 1.0]))
        for name, error in error_deg.items()
        for i in shuffled(range(pairs))
    ]
    known = {"model": folder.name, "split": "test", "limit": None, "dataset_fingerprint": fingerprint(data)}
    recipes = [[name, "1"] for name in error_deg]
    write_predictions(
        folder / "predictions.parquet", answers, {"settings": {**known, "conditions": recipes, **settings}}
    )
    return folder


@pytest.fixture
def runs(tmp_path: Path, data: Path) -> tuple[Path, Path]:
    a = write_run(tmp_path / "fusion", data, {"clean": 2.0, "fog-1": 3.0, "fog-5": 5.0})
    return a, write_run(tmp_path / "tiny", data, {"fog-5": 10.0, "mute": 1.0, "fog-1": 6.0, "clean": 2.25})


def invoke(command, *arguments) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def printed(command, *arguments) -> Any:
    result = invoke(command, *arguments, "--json")
    assert result.exception is None, result.exception
    return json.loads(result.stdout)


def test_folders_and_files_are_compared_with_numbers_worked_out_by_hand(runs: tuple[Path, Path], data: Path):
    found = printed(compare, runs[0], runs[1] / "predictions.parquet", data)
    assert (found["a"], found["b"], found["pairs"], found["groups"]) == ("fusion", "tiny", PAIRS, 12)
    assert found["left_out_conditions"] == ["mute"]
    assert found["family"] == len(CONDITIONS) * 6
    rows = {(row["condition"], row["metric"]): row for row in found["rows"]}
    fog = rows["fog-5", "rotation.mean_deg"]
    assert fog["a"]["value"] == pytest.approx(5.5)
    assert fog["b"]["value"] == pytest.approx(10.5)
    # Every pair differs by 5: resamples have no spread, but only one exchange in 2048 differs by so much.
    assert fog["difference"]["value"] == pytest.approx(-5.0)
    assert [fog["difference"][key] for key in ("low", "high")] == [None, None]
    assert fog["difference"]["note"].startswith("the same in every resample")
    assert fog["difference"]["family_p_value"] == fog["family_p_value"] == found["smallest_p"] == 2.0**-11
    assert fog["better"] == "a"
    # On clean pictures the runs differ by a quarter of a degree, less than the label is known to.
    wins = {(one["condition"], one["quantity"]): one for one in found["wins"]}
    assert wins["clean", "rotation"]["ties"] == PAIRS
    assert wins["fog-1", "rotation"]["a_better"] == PAIRS
    robustness = found["robustness"]["rotation.mean_deg"]
    # Half a degree more than the angles above: (3.5 + 5.5) / (6.5 + 10.5).
    assert robustness["corruption_error"]["fog"]["value"] == pytest.approx(9 / 17)
    assert robustness["mean_corruption_error"]["value"] == pytest.approx(9 / 17)
    assert robustness["relative_mean_corruption_error"]["value"] == pytest.approx((4.5 - 2.5) / (8.5 - 2.75))
    assert robustness["relative_performance"]["value"] == pytest.approx(2.5 / 4.5)


def test_a_condition_and_a_metric_are_a_family_of_one(runs: tuple[Path, Path], data: Path):
    found = printed(compare, *runs, data, "--condition", "fog-1", "--metric", "total.auc@20")
    assert [(row["condition"], row["metric"]) for row in found["rows"]] == [("fog-1", "total.auc@20")]
    assert found["rows"][0]["family_p_value"] == found["rows"][0]["difference"]["p_value"]
    assert found["left_out_conditions"] == []


def test_tables_are_printed_for_a_terminal_and_in_markdown(runs: tuple[Path, Path], data: Path):
    text = invoke(compare, *runs, data).stdout
    assert "fusion against tiny: 48 pairs in 12 groups" in text
    assert "corrected over the 18 rows of this table" in text
    assert "not compared: mute" in text
    assert "Robustness, with tiny as the baseline" in text
    assert "0.529 " in text
    markdown = invoke(compare, *runs, data, "--markdown", "--by", "brightness").stdout
    assert "| condition | metric | fusion | tiny | difference |" in markdown
    assert "**rotation.mean_deg, clean: where fusion differs from tiny**" in markdown
    assert "- the same in every resample: no interval" in markdown
    assert invoke(compare, *runs, data, "--markdown", "--json").exit_code == 2


def test_where_one_run_is_better_along_strata(runs: tuple[Path, Path], data: Path):
    found = printed(compare, *runs, data, "--by", "sound", "--by", "scale", "--condition", "fog-5")
    strata = {(one["stratum"], one["metric"]): one for one in found["where"]}
    assert {condition for one in found["where"] for condition in [one["condition"]]} == {"fog-5"}
    light = strata["brightness", "rotation.mean_deg"]
    # 0, 5, .. 235 grey levels: 4 under 16, 3 to 32, 6 to 64, 13 to 128; the other frame has 130.
    assert [(one["bin"], one["members"]) for one in light["bins"]] == [
        ("under 16", 4),
        ("16 to 32", 3),
        ("32 to 64", 6),
        ("64 to 128", 13),
        ("128 and more", 22),
    ]
    assert all(one["difference"]["value"] == pytest.approx(-5.0) for one in light["bins"])
    # What all pairs share is no stratum of this data set, and is said.
    assert {"scale", "gap_s", "sharpness"} <= set(found["uncut"])
    assert "scale" in invoke(compare, *runs, data, "--by", "scale").stdout.splitlines()[-1]
    everything = printed(compare, *runs, data, "--by", "all")
    assert {one["stratum"] for one in everything["where"]} == {"rotation_deg", "brightness"}


def test_a_run_of_fewer_pairs_is_compared_on_those(data: Path, tmp_path: Path):
    a = write_run(tmp_path / "short", data, {"clean": 2.0}, pairs=20, limit=20)
    b = write_run(tmp_path / "whole", data, {"clean": 4.0})
    for first, second, sign in ((a, b, -1), (b, a, 1)):
        found = printed(compare, first, second, data)
        assert (found["pairs"], found["groups"]) == (20, 5)
        assert found["rows"][0]["difference"]["value"] == pytest.approx(2.0 * sign)
        assert "fewer than 10 effective groups" in found["rows"][0]["difference"]["note"]
    shorter = write_run(tmp_path / "shorter", data, {"clean": 2.0}, pairs=12, limit=12)
    assert printed(compare, a, shorter, data)["pairs"] == 12
    # A run that does not say so has simply not answered.
    c = write_run(tmp_path / "lazy", data, {"clean": 2.0}, pairs=47)
    rows = {row["metric"]: row for row in printed(compare, c, b, data)["rows"]}
    assert rows["rotation.mean_deg"]["a"]["value"] == pytest.approx((23 * 3.0 + 24 * 2.0 + 180.0) / 48)


def test_listening_probes_are_compared_only_where_they_are_named(data: Path, tmp_path: Path):
    a, b = (
        write_run(tmp_path / name, data, {"clean": 1.0, "probe-mute": 9.0, "fog-1": 2.0}) for name in ("hears", "sees")
    )
    assert {row["condition"] for row in printed(compare, a, b, data)["rows"]} == {"clean", "fog-1"}
    named = printed(compare, a, b, data, "--condition", "probe-mute")
    assert {row["condition"] for row in named["rows"]} == {"probe-mute"}


def failure(*arguments) -> str:
    result = invoke(compare, *arguments)
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def test_what_cannot_be_compared_is_refused_in_one_line(runs: tuple[Path, Path], data: Path, tmp_path: Path):
    assert "predictions.parquet: found no such file" in failure(runs[0], tmp_path, data)
    assert "run A answered clean, fog-1, fog-5" in failure(*runs, data, "--condition", "mute")
    assert "did you mean total.auc@20?" in failure(*runs, data, "--metric", "total.auc20")
    assert "did you mean brightness?" in failure(*runs, data, "--by", "brightnes")
    other = write_run(tmp_path / "other", data, {"clean": 1.0}, dataset_fingerprint="0123456789abcdef")
    assert "predictions on the data set 0123456789ab" in failure(runs[0], other, data)
    val = write_run(tmp_path / "val", data, {"clean": 1.0}, pairs=4, split="val")
    assert "predictions of the split val, expected test" in failure(runs[0], val, data)
    assert "pairs of the split that is scored" in failure(*runs, data, "--split", "val")
    recipes = [["clean", "1"], ["fog-1", "2"]]
    newer = write_run(tmp_path / "newer", data, {"clean": 1.0, "fog-1": 1.0}, conditions=recipes)
    assert "condition fog-1: found recipe 2, expected 1" in failure(runs[0], newer, data)
    assert printed(compare, runs[0], newer, data, "--condition", "clean")["family"] == 6


def test_runs_of_one_model_are_told_apart(data: Path, tmp_path: Path):
    a, b = (write_run(tmp_path / name, data, {"clean": 1.0}, model="tiny") for name in ("first", "second"))
    found = printed(compare, a, b, data)
    assert (found["a"], found["b"]) == ("tiny (first)", "tiny (second)")
    c = write_run(tmp_path / "deeper" / "first", data, {"clean": 1.0}, model="tiny")
    assert printed(compare, a, c, data)["b"] == f"tiny ({c / 'predictions.parquet'})"


def test_a_file_of_somebody_else_needs_no_settings(data: Path, tmp_path: Path):
    from avbench.benchmark.data.dataset import open_dataset

    run = write_run(tmp_path / "theirs", data, {"clean": 1.0})
    answers = [Answer(pair_name(0), "clean", np.eye(3), np.array([0.0, 0.0, 1.0]))]
    write_predictions(tmp_path / "plain.parquet", answers)
    plain = read_run(tmp_path / "plain.parquet", open_dataset(data))
    assert (plain.model, plain.split, plain.limit, dict(plain.recipes)) == ("plain", None, None, {})
    assert distinct_names([plain, SavedRun(run, plain.predictions)]) == ["plain", "theirs"]
    assert printed(compare, tmp_path / "plain.parquet", run, data)["pairs"] == PAIRS


def test_score_prints_intervals_and_its_json_has_them_for_all_metrics(runs: tuple[Path, Path], data: Path):
    path = runs[0] / "predictions.parquet"
    found = printed(score, path, data)
    assert found["intervals"] == {"confidence": 0.95, "clustered_by": "group_id", "resamples": 2000, "seed": 0}
    clean, fog = found["scores"][0], found["scores"][1]
    assert len(clean["metrics"]) == 17
    assert clean["change_from_clean"] is None
    assert fog["change_from_clean"]["rotation.mean_deg"]["value"] == pytest.approx(1.0)
    text = invoke(score, path, data).stdout
    assert "2.50 [1.8, 49.5]" in text
    assert "in brackets: 95 % intervals, from resampling groups" in text
    assert "the same in every group: the interval is for groups that differ and were not met" in text
    assert "every condition: rotation over 48 pairs" in text


def test_help_has_an_example():
    assert "avbench compare runs/fusion runs/sift data/" in invoke(compare, "--help").stdout
