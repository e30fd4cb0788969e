"""A suite written out as Parquet splits: the same pixels as in a run, a data set like any other, resumable."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from avbench.benchmark.cli.corrupt import corrupt
from avbench.benchmark.conditions.condition import suite_conditions
from avbench.benchmark.conditions.corruptions import load_suite
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.evaluation.written_suite import CorruptSettings, write_suite
from avbench.benchmark.models.registry import find_model
from avbench.benchmark.running.run import RunSettings, run_model
from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.format.picture import brightness, decode_picture, sharpness
from avbench.preprocessing.format.schema import AUDIO_COLUMNS, column_names
from avbench.preprocessing.format.shards import dataset_shards, iter_rows
from prepared_data import pair_name, pair_row, write_dataset

PAIRS = 7
SUITE = """
description = "Three conditions."
clean = true
[[conditions]]
corruption = ["fog", "blackout"]
severities = [3]
[[conditions]]
corruption = "low_light"
severities = [5]
frames = "a"
"""
SPLITS = ("clean", "fog_3", "blackout_3", "low_light_5_a")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [pair_row(pair_name(i)) for i in range(PAIRS)]
    rows[2] |= {"audio_b": None, "audio_valid_start_b": None, "audio_valid_stop_b": None}
    return write_dataset(tmp_path / "data", {"test": rows, "train": [pair_row("other")]})


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SUITE)
    return path


def invoke(*arguments: object):
    result = CliRunner().invoke(corrupt, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def rows_of(folder: Path, split: str) -> list[dict]:
    return list(iter_rows(dataset_shards(folder, split)))


def test_every_split_holds_the_pixels_that_a_run_shows(data: Path, suite: Path, tmp_path: Path):
    out = tmp_path / "out"
    result = invoke(data, "-o", out, "--suite", suite)
    assert result.exit_code == 0
    assert open_dataset(out).splits == sorted(SPLITS)
    assert load_suite(suite).fingerprint in result.stdout
    source = {row["pair_id"]: row for row in rows_of(data, "test")}
    for split, condition in zip(SPLITS, suite_conditions(load_suite(suite)), strict=True):
        found = list(open_dataset(out).inputs(split))
        wanted = [condition.apply(pair) for pair in open_dataset(data).inputs("test")]
        for written, shown in zip(found, wanted, strict=True):
            assert written.pair_id == shown.pair_id
            np.testing.assert_array_equal(written.image_a, shown.image_a)
            np.testing.assert_array_equal(written.image_b, shown.image_b)
        for row in rows_of(out, split):
            origin = source[row["pair_id"]]
            changed = {name for name in column_names() if row[name] != origin[name]}
            assert changed <= {
                "split",
                *(f"{kind}_{view}" for kind in ("image", "sharpness", "brightness") for view in "ab"),
            }
            assert row["split"] == split
            for view in "ab":
                if row[f"image_{view}"] != origin[f"image_{view}"]:
                    picture = decode_picture(row[f"image_{view}"]["bytes"], "x")
                    assert row[f"sharpness_{view}"] == sharpness(picture)
                    assert row[f"brightness_{view}"] == brightness(picture)
            assert all(row[name] == origin[name] for name in AUDIO_COLUMNS)
    assert all(row["image_b"] == source[row["pair_id"]]["image_b"] for row in rows_of(out, "low_light_5_a"))
    assert rows_of(out, "clean") == [{**row, "split": "clean"} for row in rows_of(data, "test")]


def test_evaluating_a_split_is_evaluating_the_condition(data: Path, suite: Path, tmp_path: Path):
    model = tmp_path / "bright.py"
    model.write_text(
        "import numpy as np\nfrom avbench.benchmark.data.pair import PosePrediction\n"
        "class Bright:\n    modalities = ('vision',)\n    def predict(self, pairs):\n"
        "        means = [np.array([pair.image_a.mean(), pair.image_b.std(), 1.0]) for pair in pairs]\n"
        "        return [PosePrediction(np.eye(3), mean) for mean in means]\n"
    )
    invoke(data, "-o", tmp_path / "out", "--suite", suite)
    entry = find_model(f"{model}:Bright")
    conditions = suite_conditions(load_suite(suite))
    whole = run_model(open_dataset(data), entry, tmp_path / "r", RunSettings(), conditions=conditions).predictions
    for number, split in enumerate(SPLITS):
        alone = run_model(open_dataset(tmp_path / "out"), entry, tmp_path / split, RunSettings(split=split)).predictions
        rows = slice(number * PAIRS, (number + 1) * PAIRS)
        np.testing.assert_array_equal(alone.translation_a_b, whole.translation_a_b[rows])


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "README.md"
    }


def test_a_stopped_run_goes_on_and_workers_do_not_matter(data: Path, suite: Path, tmp_path: Path):
    invoke(data, "-o", tmp_path / "whole", "--suite", suite, "--workers", 0)
    out = tmp_path / "cut"

    def stop(done: int, count: int) -> None:
        if done == 2 * PAIRS + 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_suite(
            open_dataset(data), load_suite(suite), out, CorruptSettings(workers=3), overwrite=False, progress=stop
        )
    assert not (out / "manifest.json").exists()
    assert open_dataset_splits(out) == ["clean", "fog_3"]
    kept = (out / "data" / "fog_3-00000-of-00001.parquet").stat().st_mtime_ns
    invoke(data, "-o", out, "--suite", suite, "--workers", 2)
    assert (out / "data" / "fog_3-00000-of-00001.parquet").stat().st_mtime_ns == kept
    assert hashes(out) == hashes(tmp_path / "whole")
    before = hashes(out)
    assert "picture pair" not in invoke(data, "-o", out, "--suite", suite).stderr
    assert hashes(out) == before


def open_dataset_splits(folder: Path) -> list[str]:
    return sorted(path.name.split("-")[0] for path in (folder / "data").glob("*.parquet"))


def test_other_settings_and_other_data_sets_are_refused(data: Path, suite: Path, tmp_path: Path):
    out = tmp_path / "out"
    invoke(data, "-o", out, "--suite", suite)
    with pytest.raises(
        InputError, match=r"found a data set with picture = 'png', expected picture = 'jpeg'.*--overwrite"
    ):
        invoke(data, "-o", out, "--suite", suite, "--picture", "jpeg")
    invoke(data, "-o", out, "--suite", suite, "--picture", "jpeg", "--overwrite")
    assert rows_of(out, "fog_3")[0]["image_a"]["bytes"].startswith(b"\xff\xd8")
    for overwrite in ([], ["--overwrite"]):
        before = hashes(data)
        with pytest.raises(AvbenchError, match=r"found .*manifest_version|choose another"):
            invoke(data, "-o", data, "--suite", suite, *overwrite)
        assert hashes(data) == before
    with pytest.raises(InputError, match="found no split 'val', expected test or train"):
        invoke(data, "-o", tmp_path / "new", "--suite", suite, "--split", "val")


def test_large_splits_become_several_shards(data: Path, suite: Path, tmp_path: Path):
    out = tmp_path / "out"
    invoke(data, "-o", out, "--suite", suite, "--shard-mb", 0.02)
    shards = dataset_shards(out, "fog_3")
    assert len(shards) > 1
    assert sum(pq.read_metadata(path).num_rows for path in shards) == PAIRS
    assert not list(out.rglob("*.tmp*"))
    assert not (out / ".work").exists()


def test_the_hugging_face_library_finds_the_splits(data: Path, suite: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    out = tmp_path / "out"
    invoke(data, "-o", out, "--suite", suite)
    found = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in found.items()} == dict.fromkeys(SPLITS, PAIRS)
    assert found["fog_3"][0]["image_a"].size == (32, 24)
