"""Reading a prepared data set: exact samples, only what is needed, and what is wrong with a folder."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import simplejpeg
import soundfile

from avbench.benchmark.conditions.probes.probe import Probe, plan_probes
from avbench.benchmark.data import dataset as dataset_module
from avbench.benchmark.data.dataset import input_columns, open_dataset
from avbench.benchmark.data.pair import Modality
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation
from avbench.preprocessing.format.schema import COLUMN_BY_NAME, Role
from avbench.preprocessing.format.shard_file import describe_shard
from avbench.preprocessing.format.shards import iter_rows, row_digest
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind, Scale
from prepared_data import pair_name


@pytest.fixture
def folder(tmp_path: Path, pair_row, write_dataset) -> Path:
    rows = [pair_row(pair_name(i), axis_rotation("y", float(i)), (0.0, 0.0, 1.0 + i)) for i in range(11)]
    return write_dataset(tmp_path / "data", {"test": rows, "train": rows[:2]}, shards=2, rows_per_group=3)


def test_inputs_are_what_was_written(folder: Path, pair_row):
    pairs = list(open_dataset(folder).inputs("test"))
    assert [pair.pair_id for pair in pairs] == [pair_name(i) for i in range(11)]
    row, pair = pair_row(pair_name(3), axis_rotation("y", 3.0)), pairs[3]
    for view, image in (("a", pair.image_a), ("b", pair.image_b)):
        np.testing.assert_array_equal(
            image, simplejpeg.decode_jpeg(row[f"image_{view}"]["bytes"], fastdct=False, fastupsample=False)
        )
    for view, sound, valid in (("a", pair.sound_a, (5, 390)), ("b", pair.sound_b, (20, 350))):
        written, _ = soundfile.read(io.BytesIO(row[f"audio_{view}"]["bytes"]), dtype="int16")
        assert sound is not None
        assert sound.samples.dtype == np.float32
        np.testing.assert_array_equal(sound.samples * np.float32(32768), written)
        assert (sound.sample_rate_hz, sound.valid_start, sound.valid_stop) == (8000, *valid)
        assert sound.array_kind is ArrayKind.MICROPHONES
        np.testing.assert_array_equal(sound.mic_positions_m, row["mic_positions_m"])
    np.testing.assert_array_equal(pair.intrinsics, [[30.0, 0.0, 15.0], [0.0, 31.0, 12.25], [0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(pair.up_a, row["up_a"])
    np.testing.assert_array_equal(pair.up_b, row["up_b"])
    assert not np.allclose(pair.up_a, pair.up_b, atol=0.01)


AMBISONIC = {"array_kind": "ambisonic", "audio_channels": 3, "mic_positions_m": None}


@pytest.mark.parametrize("convention", [None, *AmbisonicConvention])
def test_the_ambisonic_convention_is_that_of_the_row(tmp_path: Path, pair_row, write_dataset, convention):
    row = pair_row("p") | AMBISONIC | {"ambisonic_convention": convention}
    (pair,) = open_dataset(write_dataset(tmp_path / "data", {"test": [row]})).inputs("test")
    expected = convention or AmbisonicConvention.ACN_SN3D
    assert (pair.sound_a.ambisonic_convention, pair.sound_b.ambisonic_convention) == (expected, expected)


def test_a_data_set_of_the_first_schema_is_read(tmp_path: Path, pair_row, write_dataset):
    folder = write_dataset(tmp_path / "data", {"test": [pair_row(f"p{i}") | AMBISONIC for i in range(3)]})
    (shard,) = (folder / "data").glob("*.parquet")
    table = pq.read_table(shard).drop_columns(["ambisonic_convention"])
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"schema_version": b"1"}), shard)
    record = describe_shard(shard, name=f"data/{shard.name}", split="test", rows=3)
    (folder / "manifest.json").write_text(json.dumps({"dataset_fingerprint": "old", "shards": [asdict(record)]}))
    dataset = open_dataset(folder)
    assert [pair.sound_a.ambisonic_convention for pair in dataset.inputs("test")] == [AmbisonicConvention.ACN_SN3D] * 3
    assert dataset.table("test", ["ambisonic_convention"]).column(0).to_pylist() == [None] * 3
    assert {plan.probe: len(plan.pair_ids) for plan in plan_probes(dataset, "test")}[Probe.MIRRORED] == 3
    row = next(iter_rows([shard]))
    assert row_digest(row) == row_digest(pair_row("p0") | AMBISONIC)


@pytest.mark.parametrize(("start", "stop"), [(0, None), (4, 9), (5, 6), (10, 50), (3, 3), (6, 11)])
def test_a_range_of_pairs_is_that_range(folder: Path, start, stop):
    found = [pair.pair_id for pair in open_dataset(folder).inputs("test", start=start, stop=stop)]
    assert found == [pair_name(i) for i in range(11)][start:stop]


def test_row_groups_outside_the_range_are_not_read(folder: Path, monkeypatch):
    read = []
    original = pq.ParquetFile.read_row_group

    def recording(self, group, **options):
        read.append(group)
        return original(self, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", recording)
    assert len(list(open_dataset(folder).inputs("test", start=9, stop=10))) == 1
    assert len(read) == 1


def test_only_input_columns_are_asked_of_parquet_and_only_those_needed(folder: Path, monkeypatch):
    asked = []
    original = pq.ParquetFile.read_row_group

    def recording(self, group, columns=None, **options):
        asked.append(tuple(columns))
        return original(self, group, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", recording)
    list(open_dataset(folder).inputs("test"))
    for columns in asked:
        assert {COLUMN_BY_NAME[name].role for name in columns} == {Role.INPUT}
    assert "audio_a" in asked[0]
    asked.clear()
    list(open_dataset(folder).inputs("test", modalities={Modality.VISION}))
    assert {"audio_a", "up_a"}.isdisjoint(asked[0])
    assert "image_b" in asked[0]


def test_a_column_that_loses_the_role_input_is_no_longer_read(monkeypatch):
    monkeypatch.setattr(dataset_module, "column_names", lambda role: [] if role is Role.INPUT else ["image_a"])
    assert input_columns({Modality.VISION}) == []


def test_what_a_model_does_not_use_is_not_decoded(folder: Path, monkeypatch):
    def refuse(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr(dataset_module, "decode_picture", refuse)
    monkeypatch.setattr(dataset_module, "decode_clip", refuse)
    pair = next(open_dataset(folder).inputs("test", modalities=set()))
    assert pair.image_a.shape == (24, 32, 3)
    assert not pair.image_a.any()
    assert pair.sound_a is None
    assert pair.up_a is None


def test_inputs_cannot_be_written_to(folder: Path):
    pair = next(open_dataset(folder).inputs("test"))
    assert pair.sound_a is not None
    for array in (pair.image_a, pair.intrinsics, pair.sound_a.samples, pair.up_a, pair.sound_a.mic_positions_m):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_labels_and_counts(folder: Path):
    dataset = open_dataset(folder)
    assert dataset.splits == ["test", "train"]
    assert dataset.pair_count("test") == 11
    labels = dataset.labels("test")
    np.testing.assert_array_equal(labels[7].rotation_a_b, axis_rotation("y", 7.0))
    assert labels[7].translation_a_b_m.tolist() == [0.0, 0.0, 8.0]
    assert labels[7].scale is Scale.METRIC
    assert [label.pair_id for label in dataset.labels("test", limit=7)] == [pair_name(i) for i in range(7)]


def test_rows_without_sound_or_up_give_none(tmp_path: Path, pair_row, write_dataset):
    empty = {
        name: None
        for name in COLUMN_BY_NAME
        if name.startswith(("audio_", "level_", "up_")) or name in {"array_kind", "mic_positions_m"}
    }
    folder = write_dataset(tmp_path / "d", {"test": [pair_row("p", **empty)]})
    pair = next(open_dataset(folder).inputs("test"))
    assert pair.sound_a is None
    assert pair.up_b is None


def test_a_broken_folder_is_named(tmp_path: Path, folder: Path):
    with pytest.raises(InputError, match="no such folder"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no shards"):
        open_dataset(tmp_path / "empty")
    with pytest.raises(InputError, match=r"found no split 'val'.*expected test or train"):
        open_dataset(folder).pair_count("val")
    (folder / "data" / "test-00001-of-00002.parquet").unlink()
    with pytest.raises(InputError, match="test-00000-of-00002 to test-00001-of-00002"):
        open_dataset(folder).pair_count("test")
    (folder / "manifest.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match="dataset_fingerprint: found nothing"):
        open_dataset(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"manifest.json: found no such file"):
        open_dataset(folder)


def test_a_damaged_shard_or_picture_is_named(folder: Path, tmp_path: Path, pair_row, write_dataset):
    path = folder / "data" / "test-00000-of-00002.parquet"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"test-00000-of-00002.parquet: found a damaged Parquet file"):
        open_dataset(folder).pair_count("test")
    broken = write_dataset(
        tmp_path / "b", {"test": [pair_row("p", image_a={"bytes": b"\xff\xd8\xff??", "path": None})]}
    )
    with pytest.raises(InputError, match="pair p: image_a"):
        next(open_dataset(broken).inputs("test"))
    wrong = write_dataset(tmp_path / "w", {"test": [pair_row("p", width_px=31)]})
    with pytest.raises(InputError, match=r"pair p: image_a: found shape \(24, 32, 3\)"):
        next(open_dataset(wrong).inputs("test"))


def test_a_label_that_is_no_pose_is_named(tmp_path: Path, pair_row, write_dataset):
    folder = write_dataset(tmp_path / "d", {"test": [pair_row("ok"), pair_row("bad", 2.0 * np.eye(3))]})
    with pytest.raises(InputError, match="pair bad: label: found no rotation"):
        open_dataset(folder).labels("test")
    twice = write_dataset(tmp_path / "t", {"test": [pair_row("same"), pair_row("same")]})
    with pytest.raises(InputError, match="'same' twice"):
        open_dataset(twice).labels("test")
