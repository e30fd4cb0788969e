"""The predictions file: round trip, files of other writers, and everything that is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avbench.benchmark.predictions.file import (
    Answer,
    Status,
    check_complete,
    check_known,
    predictions_table,
    read_predictions,
    write_predictions,
    write_table,
)
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation

ANSWERS = [
    Answer("a", "clean", axis_rotation("y", 30.0), np.array([0.0, 0.1, 1.0]), metric=True, confidence=0.5),
    Answer("b", "clean", np.eye(3), None, message="translation_a_b is not finite", milliseconds=3.5),
    Answer("c", "clean", None, None, status=Status.ERROR, message="ValueError: no"),
    Answer("a", "dark", np.eye(3), np.array([1.0, 0.0, 0.0])),
]


def write_columns(path: Path, columns: dict) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def plain_columns(**changed) -> dict:
    columns = {
        "pair_id": ["a", "b"],
        "rotation_a_b": [np.eye(3).tolist()] * 2,
        "translation_a_b": [[0.0, 0.0, 1.0]] * 2,
    }
    return {**columns, **changed}


def test_round_trip_keeps_every_value(tmp_path: Path):
    path = tmp_path / "p.parquet"
    write_predictions(path, ANSWERS, {"settings": {"model": "m"}})
    found = read_predictions(path)
    assert found.pair_id == ("a", "b", "c", "a")
    assert found.conditions == ("clean", "dark")
    np.testing.assert_array_equal(found.rotation_a_b[0], ANSWERS[0].rotation_a_b)
    assert np.isnan(found.rotation_a_b[2]).all()
    np.testing.assert_array_equal(found.translation_a_b[0], [0.0, 0.1, 1.0])
    assert np.isnan(found.translation_a_b[1]).all()
    assert found.metric.tolist() == [True, False, False, False]
    assert found.confidence[0] == 0.5
    assert np.isnan(found.confidence[1])
    assert found.status[2] is Status.ERROR
    assert found.message[2] == "ValueError: no"
    assert found.milliseconds[1] == 3.5
    assert found.info == {"settings": {"model": "m"}}
    assert found.rows_of("dark") == {"a": 3}


@given(
    arrays(np.float64, (3, 3), elements=st.floats(allow_nan=False, width=64)),
    arrays(np.float64, (3,), elements=st.floats(allow_nan=False, width=64)),
)
def test_numbers_survive_parquet_to_the_last_bit(tmp_path_factory, rotation, translation):
    path = tmp_path_factory.mktemp("bits") / "p.parquet"
    write_predictions(path, [Answer("x", "clean", rotation, translation)])
    found = read_predictions(path)
    assert found.rotation_a_b[0].tobytes() == rotation.tobytes()
    assert found.translation_a_b[0].tobytes() == translation.tobytes()


def test_the_content_hash_sees_answers_and_not_times(tmp_path: Path):
    def hash_of(answers, info=None):
        path = tmp_path / "h.parquet"
        write_predictions(path, answers, info)
        return read_predictions(path).content_sha256()

    same = hash_of(ANSWERS)
    assert hash_of([replace(answer, milliseconds=99.0) for answer in ANSWERS], {"run": 2}) == same
    changed = axis_rotation("y", np.nextafter(30.0, 31.0))
    assert hash_of([replace(ANSWERS[0], rotation_a_b=changed), *ANSWERS[1:]]) != same
    assert hash_of([replace(ANSWERS[0], metric=False), *ANSWERS[1:]]) != same
    assert hash_of([*ANSWERS[:2], replace(ANSWERS[2], message="other"), ANSWERS[3]]) != same
    assert hash_of(ANSWERS[::-1]) != same


def test_a_file_with_the_three_required_columns_is_enough(tmp_path: Path):
    found = read_predictions(write_columns(tmp_path / "p.parquet", plain_columns()))
    assert found.condition == ("clean", "clean")
    assert found.status == (Status.OK, Status.OK)
    assert not found.metric.any()
    assert found.info == {}
    check_complete(found, ["a", "b"])


def test_float32_and_large_types_of_other_writers_are_read(tmp_path: Path):
    columns = plain_columns(
        pair_id=pa.array(["a", "b"], pa.large_string()),
        rotation_a_b=pa.array([np.eye(3).tolist()] * 2, pa.large_list(pa.list_(pa.float32(), 3))),
        translation_a_b=pa.array([[0.0, 0.0, 1.0]] * 2, pa.list_(pa.float32())),
    )
    np.testing.assert_array_equal(
        read_predictions(write_columns(tmp_path / "p.parquet", columns)).rotation_a_b[1], np.eye(3)
    )


def test_an_empty_file_is_read_and_is_not_complete(tmp_path: Path):
    write_predictions(tmp_path / "p.parquet", [])
    found = read_predictions(tmp_path / "p.parquet")
    assert len(found) == 0
    with pytest.raises(InputError, match=r"condition clean: found 1 of 1 pairs without a row, the first is a"):
        check_complete(found, ["a"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rotation_a_b": ["no", "no"]}, r"column rotation_a_b: found string that is no list of numbers"),
        ({"pair_id": [1, 2]}, r"column pair_id: found int64, expected string"),
        ({"pair_id": ["a", None]}, r"row 1: pair_id: found nothing"),
        ({"pair_id": ["a", "a"]}, r"row 1: pair_id: found 'a' a second time under condition 'clean'"),
        ({"rotation_a_b": [np.eye(3).tolist(), np.eye(4).tolist()]}, r"rotation_a_b: row 1: found a list of 4"),
        ({"rotation_a_b": [np.eye(3).tolist(), [[1.0], [0.0], [0.0]]]}, r"rotation_a_b: row 1: found a list of 1"),
        ({"translation_a_b": [[0.0, 1.0], [0.0, 0.0, 1.0]]}, r"translation_a_b: row 0: found a list of 2"),
        ({"status": ["ok", "fine"]}, r"row 1: status: found 'fine', expected one of ok, error"),
        ({"confidence": ["high", "low"]}, r"column confidence: found string, expected double"),
    ],
)
def test_what_is_refused_on_reading_names_the_place(tmp_path: Path, changed, message):
    with pytest.raises(InputError, match=message):
        read_predictions(write_columns(tmp_path / "p.parquet", plain_columns(**changed)))


def test_a_missing_column_file_or_version_is_refused(tmp_path: Path):
    columns = plain_columns()
    del columns["translation_a_b"]
    with pytest.raises(InputError, match="expected also translation_a_b"):
        read_predictions(write_columns(tmp_path / "p.parquet", columns))
    with pytest.raises(InputError, match="no such file"):
        read_predictions(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("pair_id")
    with pytest.raises(InputError, match="no readable Parquet"):
        read_predictions(tmp_path / "text.parquet")
    table = predictions_table(ANSWERS)
    newer = table.replace_schema_metadata({b"avbench_predictions_version": b"99"})
    write_table(tmp_path / "newer.parquet", newer)
    with pytest.raises(InputError, match="found '99', expected '1'"):
        read_predictions(tmp_path / "newer.parquet")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([Answer("a", "clean", np.eye(3), np.ones(3))], r"found 1 of 2 pairs without a row, the first is b"),
        ([Answer(name, "clean", np.eye(3), np.ones(3)) for name in "abz"], r"row 2: pair_id: found 'z'"),
        (
            [Answer("a", "clean", np.eye(3), np.array([np.nan, 0, 1])), Answer("b", "clean", np.eye(3), np.ones(3))],
            r"row 0 \(pair a\): translation_a_b: found null, NaN or infinity",
        ),
        (
            [Answer("a", "clean", np.eye(3), np.ones(3)), Answer("b", "clean", np.full((3, 3), np.inf), np.ones(3))],
            r"row 1 \(pair b\): rotation_a_b",
        ),
        (
            [Answer("a", "clean", np.eye(3), np.ones(3)), Answer("b", "clean", None, np.ones(3))],
            r"row 1 \(pair b\): rotation_a_b: found null",
        ),
        (
            [Answer(name, condition, np.eye(3), np.ones(3)) for condition in ("clean", "fog") for name in "ab"],
            r"row 2: condition: found 'fog', expected one of clean",
        ),
    ],
)
def test_what_a_board_refuses_names_the_row(tmp_path: Path, answers, message):
    write_predictions(tmp_path / "p.parquet", answers)
    with pytest.raises(InputError, match=message):
        check_complete(read_predictions(tmp_path / "p.parquet"), ["a", "b"], conditions=["clean"])


def test_failed_rows_and_answers_without_direction_are_complete(tmp_path: Path):
    write_predictions(tmp_path / "p.parquet", ANSWERS[:3])
    check_complete(read_predictions(tmp_path / "p.parquet"), ["c", "b", "a"], conditions=["clean"])
    with pytest.raises(InputError, match="condition dark"):
        check_complete(read_predictions(tmp_path / "p.parquet"), ["a", "b", "c"], conditions=["clean", "dark"])


def test_foreign_pairs_are_counted(tmp_path: Path):
    write_predictions(tmp_path / "p.parquet", ANSWERS[:3])
    with pytest.raises(InputError, match="row 1: pair_id: found 'b', and 1 more"):
        check_known(read_predictions(tmp_path / "p.parquet"), ["a"])
