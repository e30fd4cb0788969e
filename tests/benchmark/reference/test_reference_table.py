"""`avbench reference`: the runs it makes, its numbers against those of `evaluate` and `compare`, and its files."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from avbench.benchmark.cli.compare import compare
from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.cli.reference import reference
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.predictions.file import read_predictions
from avbench.benchmark.reference.make import TableOutcome, TableRequest, make_table
from avbench.benchmark.running.run import RunSettings
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import nearest_rotation, rotation_angle_deg
from prepared_data import write_dataset
from reference_bundle import reference_bundle
from training_data import training_row

GROUPS, PAIRS = 11, 22
IN_THIS_PROCESS = RunSettings(workers=0, timeout_s=None)
SIMULATED = {"pose_source": "simulated", "up_source": "simulated"}
ROTATION = "rotation.mean_deg"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    test = [training_row(n, f"test-{group:02d}", **SIMULATED) for group in range(GROUPS) for n in range(2)]
    train = [training_row(n, f"train-{group}", **SIMULATED) for group in range(3) for n in range(2)]
    return write_dataset(tmp_path_factory.mktemp("reference") / "data", {"train": train, "test": test})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference_bundle(tmp_path_factory.mktemp("bundle") / "bundle")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "night.toml"
    path.write_text('clean = true\n[[conditions]]\ncorruption = "low_light"\nseverities = [5]\n')
    return path


def make(data: Path, out: Path, **changed: Any) -> tuple[TableOutcome, list[str]]:
    said: list[str] = []
    request = TableRequest(
        dataset=open_dataset(data),
        training=None,
        out=out,
        models=(),
        weights=None,
        variants=True,
        probes=False,
        suite="clean",
        settings=IN_THIS_PROCESS,
        command=("avbench", "reference", "data"),
    )
    return make_table(replace(request, **changed), say=said.append), said


@pytest.fixture(scope="module")
def made(data: Path, bundle: Path, suite: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TableOutcome]:
    """The whole table, with probes."""
    out = tmp_path_factory.mktemp("out") / "table"
    outcome, _ = make(data, out, weights=bundle, suite=suite, probes=True)
    return out, outcome


@pytest.fixture
def document(made: tuple[Path, TableOutcome]) -> Any:
    return json.loads((made[0] / "table.json").read_text())


def pick(entries: Sequence[dict[str, Any]], **wanted: str) -> dict[str, Any]:
    found = [entry for entry in entries if wanted.items() <= entry.items()]
    assert len(found) == 1, (wanted, len(found))
    return found[0]


def invoke(command: Any, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def rotation_errors(folder: Path, data: Path, condition: str) -> np.ndarray:
    """Errors worked out from the file, without the code that scores; models round to float32."""
    predictions, labels = read_predictions(folder / "predictions.parquet"), open_dataset(data).labels("test")
    rows = predictions.rows_of(condition)
    answered = [nearest_rotation(predictions.rotation_a_b[rows[label.pair_id]]) for label in labels]
    angles = [rotation_angle_deg(one.T @ label.rotation_a_b) for one, label in zip(answered, labels, strict=True)]
    return np.array(angles, dtype=np.float64)


def test_every_model_and_variant_has_a_run_of_its_own(made: tuple[Path, TableOutcome], document: Any) -> None:
    out, outcome = made
    rows = [
        *("mean-motion", "sift", "vision", "audio", "audio+silence", "fusion", "fusion+silence", "fusion-late"),
        *("fusion@control", "audio@directions", "fusion@directions"),
        *("vision@head-seed-1", "fusion@head-seed-1", "fusion-late@head-seed-1"),
        *("vision@no-up", "audio@no-up", "fusion@no-up", "fusion-late@no-up"),
        *("vision+without-up", "audio+without-up", "fusion+without-up", "fusion+silence+without-up"),
        "fusion@directions+without-up",
    ]
    assert document["models"] == rows
    assert {path.name for path in (out / "runs").iterdir()} == {*rows, "fusion+probes"}
    assert outcome.runs_made == (*rows, "fusion+probes")
    assert [(entry["condition"], entry["model"]) for entry in document["scores"]] == [
        (condition, row) for condition in ("clean", "low_light-5") for row in rows
    ]
    settings = read_predictions(out / "runs" / "fusion@control" / "predictions.parquet").info["settings"]
    assert settings["model"] == "fusion@control"
    assert (document["pairs"], document["groups"], document["origin"]) == (PAIRS, GROUPS, "simulated")


def test_the_numbers_are_those_of_evaluate_and_compare(
    made: tuple[Path, TableOutcome], document: Any, data: Path, bundle: Path, suite: Path, tmp_path: Path
) -> None:
    folders = {}
    for model in ("vision", "fusion"):
        folders[model] = tmp_path / model
        invoke(
            evaluate,
            *(data, "--model", model, "--weights", bundle, "--suite", suite, "-o", folders[model]),
            *("--timeout-s", 0, "--workers", 0, "--no-report"),
        )
        for score in json.loads((folders[model] / "score.json").read_text())["scores"]:
            found = pick(document["scores"], model=model, condition=score["condition"])
            assert found["pairs"] == score["counts"]["pairs"]
            for name, estimate in found["metrics"].items():
                assert estimate == score["metrics"][name]
    compared = json.loads(invoke(compare, folders["fusion"], folders["vision"], data, "--json").stdout)
    for row in compared["rows"]:
        found = pick(document["differences"], a="fusion", b="vision", condition=row["condition"])
        if row["metric"] in found["difference"]:
            # Tests belong to the family that `compare` corrects over; the reference table gives intervals.
            tested = {"p_value", "family_p_value", "smallest_detectable"}
            shown = found["difference"][row["metric"]]
            assert {name for name, value in shown.items() if value != row["difference"][name]} <= tested
            assert all(shown[name] is None for name in tested)
    # The runs themselves are such runs.
    again = json.loads(invoke(compare, made[0] / "runs" / "fusion", made[0] / "runs" / "vision", data, "--json").stdout)
    assert again["rows"] == compared["rows"]


def test_shares_and_gains_follow_from_the_predictions(made: tuple[Path, TableOutcome], document: Any, data: Path):
    runs = made[0] / "runs"
    for condition in ("clean", "low_light-5"):
        mean = {
            name: rotation_errors(runs / name, data, condition).mean()
            for name in ("mean-motion", "vision", "fusion", "fusion@control", "vision@no-up", "fusion@no-up")
        }
        share = pick(document["scores"], model="fusion", condition=condition)["share_of_mean_motion"]
        assert share["value"] == pytest.approx(mean["fusion"] / mean["mean-motion"])
        assert share["low"] < share["value"] < share["high"]
        for a, b in (("fusion", "vision"), ("fusion@control", "vision"), ("fusion@no-up", "vision@no-up")):
            found = pick(document["differences"], a=a, b=b, condition=condition)
            assert found["difference"][ROTATION]["value"] == pytest.approx(mean[a] - mean[b])
            assert found["gain_percent"][ROTATION]["value"] == pytest.approx(100 * (1 - mean[a] / mean[b]))
            expected = (mean[b] - mean[a]) / (mean["vision"] - mean["fusion"])
            assert found["share_of_gain"]["value"] == pytest.approx(expected)
        late = pick(document["differences"], a="fusion", b="fusion-late", condition=condition)
        assert late["share_of_gain"] is None


def test_silence_is_the_probe_mute_under_every_condition(
    made: tuple[Path, TableOutcome], document: Any, data: Path, bundle: Path, suite: Path, tmp_path: Path
) -> None:
    runs = made[0] / "runs"
    invoke(
        evaluate,
        *(data, "--model", "fusion", "--weights", bundle, "--suite", suite, "--probes", "-o", tmp_path),
        *("--timeout-s", 0, "--workers", 0, "--no-report"),
    )
    here, there = (read_predictions(folder / "predictions.parquet") for folder in (runs / "fusion+silence", tmp_path))
    assert here.conditions == ("probe-mute", "probe-mute+low_light-5")
    mute_here, mute_there = (list(one.rows_of("probe-mute").values()) for one in (here, there))
    np.testing.assert_array_equal(here.rotation_a_b[mute_here], there.rotation_a_b[mute_there])
    silent = pick(document["scores"], model="fusion+silence", condition="low_light-5")
    errors = rotation_errors(runs / "fusion+silence", data, "probe-mute+low_light-5")
    assert silent["metrics"][ROTATION]["value"] == pytest.approx(errors.mean())
    # Under clean, every probe is the one that `evaluate --probes` finds.
    probes = json.loads((tmp_path / "probes.json").read_text())["probes"]
    for probe in probes:
        found = pick(document["listening"], condition="clean", probe=probe["probe"])
        assert {name: found[name] for name in ("loss", "harm", "pairs", "left_out")} == {
            name: probe[name] for name in ("loss", "harm", "pairs", "left_out")
        }
    assert len(document["listening"]) == 2 * len(probes)


def test_what_missing_and_wrong_sound_cost_is_told_against_the_pictures(
    made: tuple[Path, TableOutcome], document: Any, data: Path
) -> None:
    runs = made[0] / "runs"
    missing = pick(document["listening"], condition="low_light-5", probe="mute")
    silent = pick(document["differences"], a="fusion+silence", b="vision", condition="low_light-5")
    assert missing["minus_pictures"][ROTATION] == silent["difference"][ROTATION]
    wrong = pick(document["listening"], condition="low_light-5", probe="other_scene")
    lied = rotation_errors(runs / "fusion+probes", data, "probe-other_scene+low_light-5")
    seen, heard = (rotation_errors(runs / name, data, "low_light-5") for name in ("vision", "fusion"))
    assert wrong["pairs"] == PAIRS
    assert wrong["minus_pictures"][ROTATION]["value"] == pytest.approx((lied - seen).mean())
    assert wrong["loss"][ROTATION]["value"] == pytest.approx((lied - heard).mean())


def test_the_same_command_again_asks_nothing_anew(
    made: tuple[Path, TableOutcome], data: Path, bundle: Path, suite: Path, tmp_path: Path
) -> None:
    out = tmp_path / "copy"
    shutil.copytree(made[0], out)
    before = {path.name: path.read_bytes() for path in made[1].files}
    outcome, said = make(data, out, weights=bundle, suite=suite, probes=True)
    assert outcome.runs_made == ()
    assert said[0].startswith("complete before, and only read: mean-motion, sift, vision")
    assert {path.name: path.read_bytes() for path in outcome.files} == before
    # A run that was lost is made again, and only that; without probes their table goes.
    shutil.rmtree(out / "runs" / "fusion@control")
    outcome, _ = make(data, out, weights=bundle, suite=suite)
    assert outcome.runs_made == ("fusion@control",)
    assert not (out / "listening.csv").exists()
    assert (out / "scores.csv").read_bytes() == before["scores.csv"]
    with pytest.raises(InputError, match=r"found a run with .*--overwrite"):
        make(data, out, weights=bundle, suite="clean")
    outcome, _ = make(data, out, models=("mean-motion",), suite="clean", overwrite=True)
    assert outcome.runs_made == ("mean-motion",)


def test_runs_beside_each_other_answer_as_one_after_the_other(
    made: tuple[Path, TableOutcome], data: Path, bundle: Path, suite: Path, tmp_path: Path
) -> None:
    beside = {"settings": RunSettings(timeout_s=300.0), "jobs": 3, "suite": suite, "weights": bundle}
    models = ("mean-motion", "vision", "fusion")
    outcome, said = make(data, tmp_path / "out", models=models, variants=False, probes=True, **beside)
    assert outcome.runs_made == (*models, "fusion+silence", "fusion+probes")
    assert said[-1].startswith("5 runs made in ")
    assert said[-1].endswith(" s, at most 3 at a time")
    for name in outcome.runs_made:
        here, there = (
            read_predictions(out / "runs" / name / "predictions.parquet") for out in (tmp_path / "out", made[0])
        )
        assert here.conditions == there.conditions
        # Another number of threads may sum in another order.
        np.testing.assert_allclose(here.rotation_a_b, there.rotation_a_b, atol=1e-5)
    with pytest.raises(InputError, match="jobs: found 3 and no time limit"):
        make(data, tmp_path / "here", **{**beside, "settings": IN_THIS_PROCESS})
    broken = tmp_path / "broken.py"
    broken.write_text("class M:\n    def __init__(self):\n        raise OSError('no such disk')\n")
    with pytest.raises(InputError, match=r"model broken\.py:M: .*no such disk"):
        make(data, tmp_path / "failed", models=(f"{broken}:M", "sift"), **beside)
    assert not (tmp_path / "failed" / "table.md").exists()


def test_the_files_hold_what_the_tables_show(made: tuple[Path, TableOutcome], document: Any) -> None:
    out, outcome = made
    assert {path.name for path in outcome.files} == {
        *("table.md", "table.json", "robustness.png"),
        *("scores.csv", "differences.csv", "confidence.csv", "listening.csv", "times.csv"),
    }
    assert outcome.caption.startswith("Split test of simulated data ")
    assert [table.title for table in outcome.tables] == [
        *("Scores", "Scores of variants", "Differences on the same pairs", "Confidence against rotation error"),
        "Where the gain comes from: mean rotation error",
        *("Listening probes of fusion: what is lost", "Time"),
    ]
    page = (out / "table.md").read_text()
    for table in outcome.tables:
        assert f"**{table.title}**" in page
        assert all(len(row) == len(table.headers) for row in table.rows)
    scores = list(csv.DictReader(io.StringIO((out / "scores.csv").read_text())))
    assert len(scores) == len(document["scores"]) == 2 * 23
    for line, entry in zip(scores, document["scores"], strict=True):
        assert (line["model"], line["condition"]) == (entry["model"], entry["condition"])
        assert float(line[f"metrics.{ROTATION}.low"]) == entry["metrics"][ROTATION]["low"]
    probes = list(csv.DictReader(io.StringIO((out / "listening.csv").read_text())))
    assert pick(probes, probe="mute", condition="clean")[f"harm.{ROTATION}.value"] == ""
    assert "harm" not in probes[0]
    sources = outcome.tables[4]
    shown = {row[1]: row for row in sources.rows if row[0] == "clean"}
    assert {"vision", "fusion+silence", "fusion@directions", "vision@no-up", "fusion@control"} <= shown.keys()
    assert not any("head-seed" in name for name in shown)
    assert shown["fusion@no-up"][3] == "vision@no-up"
    # A model with one confidence for all, and one that knows nothing of this: chance, and the order it comes in.
    constant = pick(document["confidence"], model="mean-motion", condition="clean")
    assert (constant["auroc"]["value"], constant["difference_deg"]["value"]) == (0.5, 0.0)
    assert (out / "robustness.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_times_are_those_of_the_runs(made: tuple[Path, TableOutcome], document: Any) -> None:
    asked = {entry["run"]: entry["answers"] for entry in document["times"]}
    assert asked["fusion"] == asked["fusion+silence"] == 2 * PAIRS
    # Models that do not look at pictures are asked once.
    assert asked["audio"] == asked["mean-motion"] == PAIRS
    assert asked["fusion+probes"] == 2 * PAIRS * 8
    for entry in document["times"]:
        phases = json.loads((made[0] / "runs" / entry["run"] / "run.json").read_text())["seconds"]
        assert phases["predict"] <= entry["seconds"] <= sum(phases.values()) + 1e-3
        assert entry["ms_per_answer"] == pytest.approx(1000 * entry["seconds"] / entry["answers"], rel=0.01, abs=1e-3)


def test_mean_motion_learns_elsewhere_where_there_is_no_training_split(data: Path, tmp_path: Path) -> None:
    rows = [training_row(n, f"test-{group:02d}") for group in range(3) for n in range(2)]
    bare = write_dataset(tmp_path / "bare", {"test": rows})
    outcome, _ = make(bare, tmp_path / "out", models=("mean-motion",), training=open_dataset(data))
    assert outcome.caption.startswith("Split test of recorded data ")
    settings = read_predictions(tmp_path / "out" / "runs" / "mean-motion" / "predictions.parquet").info["settings"]
    assert settings["training_fingerprint"] == open_dataset(data).fingerprint
    outcome, _ = make(data, tmp_path / "there", models=("mean-motion",))
    here, there = (
        read_predictions(tmp_path / name / "runs" / "mean-motion" / "predictions.parquet") for name in ("out", "there")
    )
    np.testing.assert_array_equal(here.rotation_a_b[0], there.rotation_a_b[0])
    with pytest.raises(InputError, match="a split 'train', whose labels mean-motion learns from"):
        make(bare, tmp_path / "other", models=("mean-motion",))


def test_the_command_prints_the_tables(data: Path, tmp_path: Path) -> None:
    result = invoke(reference, data, "-o", tmp_path / "out", "--model", "mean-motion", "--model", "sift", "--limit", 6)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "6 pairs in 3 groups, only the first of the split: no result to report; suite reference" in lines[0]
    assert lines[2] == "Scores"
    assert any(line.split()[:2] == ["occlusion_patch-5", "sift"] for line in lines)
    assert any(line.split()[:2] == ["all", "36"] for line in lines)
    assert str(tmp_path / "out" / "table.md") in lines
    assert "Differences" not in result.stdout


def test_mistakes_are_told_before_anything_runs(data: Path, bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"--probes: found the models sift, expected fusion among them"):
        make(data, out, models=("sift",), probes=True)
    with pytest.raises(InputError, match=r"found no bundle\.json"):
        make(data, out, weights=tmp_path)
    with pytest.raises(InputError, match="did you mean reference"):
        make(data, out, models=("sift",), suite="refrence")
    with pytest.raises(InputError, match="missing"):
        make(data, out, models=("sift",), settings=replace(IN_THIS_PROCESS, split="missing"))
    twins = [tmp_path / folder / "model.py" for folder in ("a", "b")]
    for path in twins:
        path.parent.mkdir()
        path.write_text("class M:\n    def predict(self, pairs):\n        return []\n")
    with pytest.raises(InputError, match=r"found model\.py:M and model\.py:M, expected names that differ"):
        make(data, out, models=tuple(f"{path}:M" for path in twins))
    assert not out.exists()
