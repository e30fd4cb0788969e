"""The pair row: roles, units, round trip, and what the Hugging Face library makes of it."""

from __future__ import annotations

from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.format.schema import (
    AUDIO_COLUMNS,
    COLUMNS,
    IMAGE_COLUMNS,
    SCHEMA_VERSION,
    Role,
    check_schema,
    column_names,
    huggingface_features,
    pair_schema,
    table_from_rows,
    with_later_columns,
)
from sample_rows import sample_row

# Written out here once more, so that moving a column to another role is a decision and not an accident.
LABELS = {"rotation_a_b", "translation_a_b_m", "scale", "pose_source"}
DERIVED = {
    "pose_sigma_deg",
    "direction_sigma_deg",
    "rotation_deg",
    "baseline_m",
    "view_overlap",
    "pose_quality",
}


def test_every_column_has_a_role_and_names_are_unique() -> None:
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)
    assert all(isinstance(column.role, Role) and column.description for column in COLUMNS)
    schema = pair_schema()
    for column in COLUMNS:
        metadata = schema.field(column.name).metadata
        assert metadata[b"role"].decode() == column.role
        assert metadata[b"unit"].decode() == column.unit


def test_no_label_is_an_input() -> None:
    assert set(column_names(Role.LABEL)) == LABELS
    assert set(column_names(Role.LABEL_DERIVED)) == DERIVED
    inputs = set(column_names(Role.INPUT))
    assert not inputs & (LABELS | DERIVED)
    assert inputs | LABELS | DERIVED == set(column_names())
    assert {"image_a", "audio_b", "up_a", "fx_px", "mic_positions_m"} <= inputs


@pytest.mark.parametrize("suffix", ["_ns", "_px", "_hz", "_m", "_deg", "_s", "_ms", "_dbfs"])
def test_a_unit_in_the_name_is_the_unit_in_the_schema(suffix: str) -> None:
    units = {"_ns": "ns", "_px": "px", "_hz": "Hz", "_m": "m", "_deg": "deg", "_s": "s", "_ms": "ms", "_dbfs": "dBFS"}
    named = [column for column in COLUMNS if column.name.endswith(suffix)]
    assert named
    assert {column.unit for column in named} == {units[suffix]}


def test_round_trip_through_parquet(tmp_path: Path) -> None:
    rows = [sample_row(number=0), sample_row(number=1, sound=False)]
    pq.write_table(table_from_rows(rows), tmp_path / "x.parquet")
    back = pq.read_table(tmp_path / "x.parquet")
    assert back.schema.equals(pair_schema(), check_metadata=True)
    assert back.to_pylist() == rows  # floats and bytes to the last bit, null as None
    check_schema(back.schema, "x.parquet")


def test_no_rows_are_a_table_too(tmp_path: Path) -> None:
    pq.write_table(table_from_rows([]), tmp_path / "x.parquet")
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 0


def test_rows_that_are_not_whole_are_refused() -> None:
    row = sample_row()
    with pytest.raises(ValueError, match=r"columns differ from the schema: \['scale'\]"):
        table_from_rows([{name: value for name, value in row.items() if name != "scale"}])
    with pytest.raises(ValueError, match=r"columns differ from the schema: \['extra'\]"):
        table_from_rows([{**row, "extra": 1}])
    with pytest.raises(ValueError, match=r"empty columns \['rotation_a_b'\]"):
        table_from_rows([{**row, "rotation_a_b": None}])
    with pytest.raises((ValueError, pa.ArrowException)):
        table_from_rows([{**row, "translation_a_b_m": [1.0, 2.0]}])


def test_another_version_or_column_is_refused_in_one_line() -> None:
    schema = pair_schema()
    with pytest.raises(InputError, match=r"f: schema_version: found none, expected '1' or '2'"):
        check_schema(schema.remove_metadata(), "f")
    with pytest.raises(InputError, match=r"found '0', expected '1' or '2'; make the shards again"):
        check_schema(schema.with_metadata({**schema.metadata, b"schema_version": b"0"}), "f")
    index = schema.get_field_index("gap_s")
    with pytest.raises(InputError, match="f: column gap_s: found no such column, expected double"):
        check_schema(schema.remove(index), "f")
    with pytest.raises(InputError, match="f: column gap_s: found float, expected double"):
        check_schema(schema.set(index, pa.field("gap_s", pa.float32())), "f")
    assert schema.metadata[b"schema_version"].decode() == SCHEMA_VERSION


def test_a_file_of_the_first_schema_is_read_with_nulls_for_later_columns() -> None:
    later = [column.name for column in COLUMNS if column.since != "1"]
    assert later == ["ambisonic_convention"]
    table = table_from_rows([sample_row()])
    old = table.drop_columns(later)
    old = old.replace_schema_metadata({**old.schema.metadata, b"schema_version": b"1"})
    check_schema(old.schema, "f")
    assert with_later_columns(old).to_pylist() == [sample_row()]
    assert with_later_columns(old.select(["gap_s"]), ["gap_s"]).column_names == ["gap_s"]
    with pytest.raises(InputError, match="column ambisonic_convention: found no such column"):
        check_schema(table.drop_columns(later).schema, "f")


def test_the_hugging_face_library_reads_the_same_features_from_the_schema() -> None:
    features = datasets.Features.from_arrow_schema(pair_schema())
    assert list(features) == column_names()
    assert features == datasets.Features.from_dict(huggingface_features())
    # It must lay the columns out in memory as they lie in the file, or it would convert every row.
    assert features.arrow_schema.types == pair_schema().types
    for name in IMAGE_COLUMNS:
        assert isinstance(features[name], datasets.Image)
    for name in AUDIO_COLUMNS:
        assert isinstance(features[name], datasets.Audio)
        assert features[name].decode is False
