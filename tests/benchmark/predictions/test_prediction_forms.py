"""Predictions as people write them: read where nothing is lost or guessed, else refused with what to do; bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.spatial.transform import Rotation

from avbench.benchmark.predictions.file import Predictions, Status, check_complete, read_predictions
from avbench.benchmark.predictions.reading import Asked
from avbench.preprocessing.base.errors import InputError

IDS = ["rec:2-1", "rec:1-2", "007"]
TURNS = Rotation.from_rotvec([[0.1, 0.2, -0.3], [1.0, 0.0, 0.5], [0.0, 2.0, 1.0]])
ROTATIONS = TURNS.as_matrix()
TRANSLATIONS = np.array([[0.1, 0.2, 0.3], [-1.0, 0.5, 2.0], [3.0, 0.0, 1.0 / 3.0]])
NESTED = ROTATIONS.tolist()


def read(path: Path, columns: dict[str, Any]) -> Predictions:
    """What is read of a Parquet file of these columns; pose and names are added where they are not given."""
    given = {"pair_id": IDS, "translation_a_b": TRANSLATIONS.tolist(), **columns}
    pq.write_table(pa.table({name: value for name, value in given.items() if value is not None}), path / "p.parquet")
    return read_predictions(path / "p.parquet", Asked(3, 1))


def read_csv(path: Path, text: str) -> Predictions:
    (path / "p.csv").write_text(text, encoding="utf-8")
    return read_predictions(path / "p.csv", Asked(3, 1))


def assert_as_meant(found: Predictions, tolerance: float = 0.0) -> None:
    assert found.pair_id == tuple(IDS)
    assert found.status == (Status.OK,) * 3
    assert found.condition == ("clean",) * 3
    np.testing.assert_allclose(found.rotation_a_b, ROTATIONS, rtol=0.0, atol=tolerance)
    np.testing.assert_allclose(found.translation_a_b, TRANSLATIONS, rtol=0.0, atol=tolerance)
    check_complete(found, IDS, conditions=["clean"])


def fixed(values: np.ndarray, *shape: int) -> pa.Array:
    array = pa.array(values.ravel())
    for size in shape[::-1]:
        array = pa.FixedSizeListArray.from_arrays(array, size)
    return array


@pytest.mark.parametrize(
    "rotation",
    [
        pa.array(NESTED),
        pa.array(NESTED, pa.large_list(pa.large_list(pa.float64()))),
        pa.array(NESTED, pa.list_view(pa.list_view(pa.float64()))),
        pa.array(NESTED, pa.large_list_view(pa.list_(pa.float64(), 3))),
        fixed(ROTATIONS, 3, 3),
        pa.FixedShapeTensorArray.from_numpy_ndarray(ROTATIONS),
        pa.array([str(matrix) for matrix in NESTED]),
    ],
    ids=lambda value: str(value.type)[:40],
)
def test_every_kind_of_nested_list_is_read_to_the_last_bit(tmp_path: Path, rotation: pa.Array):
    found = read(tmp_path, {"rotation_a_b": rotation})
    assert_as_meant(found)
    assert found.notes == ()


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32()])
def test_short_floats_are_read_as_what_they_are(tmp_path: Path, kind: pa.DataType):
    short = ROTATIONS.astype(kind.to_pandas_dtype())
    found = read(tmp_path, {"rotation_a_b": pa.array(short.tolist(), pa.list_(pa.list_(kind)))})
    np.testing.assert_array_equal(found.rotation_a_b, short.astype(np.float64))


def test_whole_numbers_are_read_where_a_float_holds_them(tmp_path: Path):
    columns = {"rotation_a_b": [np.eye(3, dtype=int).tolist()] * 3, "translation_a_b": [[0, 0, 1]] * 3}
    found = read(tmp_path, columns)
    np.testing.assert_array_equal(found.rotation_a_b[1], np.eye(3))
    assert found.translation_a_b[2].tolist() == [0.0, 0.0, 1.0]
    with pytest.raises(InputError, match=r"translation_a_b: found .* expected numbers that a float holds"):
        read(tmp_path, {**columns, "translation_a_b": [[0, 0, 2**53 + 1]] * 3})


@pytest.mark.parametrize("tensor", [True, False])
def test_nine_numbers_are_read_row_after_row_and_that_is_said(tmp_path: Path, tensor: bool):
    flat = ROTATIONS.reshape(3, 9)
    rotation = pa.FixedShapeTensorArray.from_numpy_ndarray(flat) if tensor else pa.array(flat.tolist())
    found = read(tmp_path, {"rotation_a_b": rotation})
    assert_as_meant(found)
    assert len(found.notes) == 1
    assert "in the order r00 r01 r02 r10" in found.notes[0]


@pytest.mark.parametrize("first", [0, 1])
def test_cells_of_the_matrix_are_read_numbered_from_zero_or_one(tmp_path: Path, first: int):
    cells = {f"r{i + first}{j + first}": ROTATIONS[:, i, j] for i in range(3) for j in range(3)}
    parts = dict(zip(("tx", "ty", "tz"), TRANSLATIONS.T, strict=True))
    assert_as_meant(read(tmp_path, {**cells, **parts, "translation_a_b": None}))
    with pytest.raises(InputError, match=rf"expected also r{first}{first + 1}; docs/predictions.md"):
        read(tmp_path, {name: cell for name, cell in cells.items() if name != f"r{first}{first + 1}"})


def test_quaternions_are_read_by_their_names_alone(tmp_path: Path):
    xyzw = TURNS.as_quat()
    named = dict(zip(("qx", "qy", "qz", "qw"), xyzw.T, strict=True))
    assert_as_meant(read(tmp_path, named), 1e-15)
    assert_as_meant(read(tmp_path, {"quaternion_xyzw": xyzw.tolist()}), 1e-15)
    assert_as_meant(read(tmp_path, {"quaternion_wxyz": fixed(xyzw[:, [3, 0, 1, 2]], 4)}), 1e-15)


@pytest.mark.parametrize("name", ["quaternion", "quat", "q", "rotation_a_b", "orientation_quat"])
def test_a_quaternion_in_no_stated_order_is_never_guessed(tmp_path: Path, name: str):
    with pytest.raises(InputError, match=r"name it quaternion_wxyz or quaternion_xyzw"):
        read(tmp_path, {name: TURNS.as_quat().tolist()})


def test_two_forms_at_once_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"found rotation_a_b and quaternion_xyzw, expected one rotation_a_b"):
        read(tmp_path, {"rotation_a_b": NESTED, "quaternion_xyzw": TURNS.as_quat().tolist()})
    with pytest.raises(InputError, match=r"found translation_a_b and tx/ty/tz, expected one translation_a_b"):
        read(tmp_path, {"rotation_a_b": NESTED, "tx": [0.0] * 3, "ty": [0.0] * 3, "tz": [1.0] * 3})


@pytest.mark.parametrize(
    "names",
    [
        pa.array(IDS, pa.string_view()),
        pa.array(IDS, pa.large_string()),
        pa.array(IDS).dictionary_encode(),
        pa.array(IDS, pa.large_string()).dictionary_encode(),
    ],
    ids=lambda value: str(value.type)[:40],
)
def test_every_kind_of_text_is_text(tmp_path: Path, names: pa.Array):
    clean = pa.array(["clean"] * 3).dictionary_encode()
    assert_as_meant(read(tmp_path, {"pair_id": names, "condition": clean, "rotation_a_b": NESTED}))


def test_pandas_tables_are_read_however_they_are_kept(tmp_path: Path):
    frame = pd.DataFrame({"pair_id": IDS, "rotation_a_b": NESTED, "translation_a_b": TRANSLATIONS.tolist()})
    arrays = frame.assign(rotation_a_b=[list(matrix) for matrix in ROTATIONS], translation_a_b=list(TRANSLATIONS))
    nullable = frame.assign(
        status=None, metric=pd.array([0, None, 1], dtype="Int64"), confidence=pd.array([1, None, 0], dtype="Int8")
    )
    for made in (
        frame,
        arrays,
        frame.astype({"pair_id": "category"}),
        frame.astype({"pair_id": "string"}),
        frame.set_index("pair_id"),
        frame.set_index(np.array([5, 3, 9])),
        frame.assign(condition=pd.Categorical(["clean"] * 3), remark="not ours", worse=[{"a": 1}] * 3),
        nullable,
    ):
        made.to_parquet(tmp_path / "p.parquet")
        found = read_predictions(tmp_path / "p.parquet", Asked(3, 1))
        assert_as_meant(found)
    assert found.metric.tolist() == [False, False, True]
    np.testing.assert_array_equal(found.confidence, [1.0, np.nan, 0.0])


def test_a_status_that_is_not_stated_follows_from_the_rotation(tmp_path: Path):
    found = read(tmp_path, {"rotation_a_b": [NESTED[0], None, None], "status": [None, "error", None]})
    assert found.status == (Status.OK, Status.ERROR, Status.MISSING)
    quaternion = {name: [column[0], None, None] for name, column in zip(("qx", "qy", "qz", "qw"), TURNS.as_quat().T)}  # noqa: B905
    assert read(tmp_path, quaternion).status == (Status.OK, Status.MISSING, Status.MISSING)


def test_rows_that_are_no_rotation_are_named_with_the_reason(tmp_path: Path):
    mirrored = np.diag([1.0, 1.0, -1.0])
    found = read(tmp_path, {"rotation_a_b": [NESTED[0], mirrored.tolist(), (1.1 * np.eye(3)).tolist()]})
    assert len(found.notes) == 1
    assert "2 of 3 rows are no rotation and count as 180 degrees: row 1, 2; row 1 (pair rec:1-2)" in found.notes[0]
    assert "a reflection: its determinant is -1" in found.notes[0]
    with pytest.raises(InputError, match=r"row 1 \(pair rec:1-2\): rotation_a_b: found a matrix that is a reflection"):
        check_complete(found, IDS)
    long = read(tmp_path, {"quaternion_xyzw": (TURNS.as_quat() * [[1.0], [1.001], [2.0]]).tolist()})
    assert "1 of 3 rows" in long.notes[0]
    assert r"row 2 (pair 007) is not orthonormal: ||R'R - I|| is 26, at most 0.01" in long.notes[0]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"rotation_a_b": [[[True] * 3] * 3] * 3}, r"column rotation_a_b: found list.*bool.*expected fixed_size_list"),
        ({"rotation_a_b": [[["1"] * 3] * 3] * 3}, r"column rotation_a_b: found list.*string.*expected fixed_size_list"),
        ({"rotation_a_b": [str(matrix) for matrix in ROTATIONS]}, r"no list of numbers .* in row 0.*a\.tolist\(\)"),
        ({"rotation_a_b": [np.eye(4).tolist()] * 3}, r"rotation_a_b: row 0: found a list of 4, expected numbers"),
        ({"rotation_a_b": [np.eye(4).ravel().tolist()] * 3}, r"rotation_a_b: row 0: found a list of 16"),
        ({"rotation_a_b": NESTED, "pair_id": [1, 2, 3]}, r"column pair_id: found int64, expected string"),
        ({"rotation_a_b": NESTED, "metric": [0, 1, 2]}, r"row 2: metric: found 2, expected true or false"),
        ({"rotation_a_b": NESTED, "metric": ["yes"] * 3}, r"column metric: found string"),
        ({"rotation": NESTED}, r"expected also rotation_a_b; did you mean rotation\?"),
        ({"rotation_a_b": NESTED, "pair_id": None}, r"expected also pair_id"),
        ({"rotation_a_b": NESTED, "translation_a_b": [[[0.0] * 3]] * 3}, r"column translation_a_b: found list"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_what_to_do(tmp_path: Path, columns: dict[str, Any], says: str):
    with pytest.raises(InputError, match=says):
        read(tmp_path, columns)


def test_csv_of_pandas_is_read_to_the_last_bit(tmp_path: Path):
    cells = {f"r{i}{j}": ROTATIONS[:, i, j] for i in range(3) for j in range(3)}
    parts = dict(zip(("tx", "ty", "tz"), TRANSLATIONS.T, strict=True))
    messages = ["a, b", None, 'say "no"\nor yes']
    frame = pd.DataFrame({"pair_id": IDS, **cells, **parts, "metric": True, "message": messages})
    for index, separator in ((True, ","), (False, ";"), (False, "\t")):
        found = read_csv(tmp_path, frame.to_csv(index=index, sep=separator))
        assert_as_meant(found)
        assert found.metric.all()
        assert found.message == tuple(messages)
    lists = pd.DataFrame({"pair_id": IDS, "rotation_a_b": NESTED, "translation_a_b": TRANSLATIONS.tolist()})
    assert_as_meant(read_csv(tmp_path, "\ufeff" + lists.to_csv(index=False).replace("\n", "\r\n")))


def test_csv_with_named_quaternions_and_missing_rows(tmp_path: Path):
    x, y, z, w = TURNS.as_quat()[0]
    text = f"pair_id,qw,qx,qy,qz,tx,ty,tz,status\na,{w},{x},{y},{z},0.1,0.2,0.3,\nb,,,,,,,,error\nc,,,,,,,,\n"
    found = read_csv(tmp_path, text)
    np.testing.assert_allclose(found.rotation_a_b[0], ROTATIONS[0], atol=1e-15)
    assert found.status == (Status.OK, Status.ERROR, Status.MISSING)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,qw,qx,qy,qz\n", r"line 1: found 'id,qw,qx,qy,qz', expected names of columns, pair_id among them"),
        ("pair_id,q1,q2,q3,q4,tx,ty,tz\na,1,0,0,0,0,0,1\n", r"the order is never guessed"),
        ("pair_id;qw;qx;qy;qz;tx;ty;tz\na;1,0;0;0;0;0;0;1\n", r"expected UTF-8 text with a decimal point"),
        ("pair_id,qw,qw,qx,qy,qz,tx,ty,tz\na,1,1,0,0,0,0,0,1\n", r"column qw: found two of that name"),
        ("pair_id,qw,qx,qy,qz,tx,ty,tz\n,1,0,0,0,0,0,1\n", r"row 0: pair_id: found nothing"),
        ("", r"line 1: found ''"),
    ],
)
def test_csv_that_cannot_be_read_says_what_to_do(tmp_path: Path, text: str, says: str):
    with pytest.raises(InputError, match=says):
        read_csv(tmp_path, text)


def test_a_flipped_bit_in_predictions_is_found(tmp_path: Path):
    from avbench.benchmark.predictions.file import Answer, write_predictions

    path = tmp_path / "p.parquet"
    write_predictions(path, [Answer(name, "clean", ROTATIONS[i], TRANSLATIONS[i]) for i, name in enumerate(IDS)])
    group = pq.read_metadata(path).row_group(0)
    chunk = next(group.column(i) for i in range(9) if group.column(i).path_in_schema.startswith("translation"))
    whole = bytearray(path.read_bytes())
    whole[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 8
    path.write_bytes(whole)
    with pytest.raises(InputError, match="no readable Parquet"):
        read_predictions(path)


# limits


def most_memory_of_reading(path: Path, asked: Asked, says: str) -> int:
    """Bytes that Arrow takes at most while a file is refused."""
    pool = pa.system_memory_pool()
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(InputError, match=says):
            read_predictions(path, asked)
        return int(pool.max_memory())
    finally:
        pa.set_memory_pool(before)


def test_rows_that_take_no_space_are_refused_from_the_footer(tmp_path: Path):
    count = 200_000
    one = pa.array([np.eye(3).tolist()]).take(pa.array(np.zeros(count, dtype=np.int64)))
    table = pa.table({"pair_id": pa.repeat("a", count), "rotation_a_b": one, "translation_a_b": pa.repeat(None, count)})
    path = tmp_path / "p.parquet"
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 20_000
    assert table.nbytes > 15_000_000
    before = pa.system_memory_pool().max_memory()
    says = r"found 200,000 rows, expected one for each of 80 pairs under 1 condition; were these predicted on another"
    assert most_memory_of_reading(path, Asked(80, 1), says) < max(before, 1_000_000)
    # The same rows are no surprise where so many were asked for.
    with pytest.raises(InputError, match="a second time"):
        read_predictions(path, Asked(count, 1))


def test_long_lists_texts_and_row_groups_are_refused_before_they_are_read(tmp_path: Path):
    path = tmp_path / "p.parquet"
    pose = {"pair_id": ["a"], "translation_a_b": [[0.0, 0.0, 1.0]]}
    pq.write_table(pa.table({**pose, "rotation_a_b": pa.array([[[0.0] * 300_000]])}), path)
    with pytest.raises(InputError, match=r"column rotation_a_b: found 300,000 numbers in 1 rows"):
        read_predictions(path, Asked(80, 1))
    many = 900
    table = {"rotation_a_b": [np.eye(3).tolist()] * many, "translation_a_b": [[0.0, 0.0, 1.0]] * many}
    names = [str(i) for i in range(many)]
    pq.write_table(pa.table({**table, "pair_id": names, "message": pa.repeat("x" * 100_000, many)}), path)
    with pytest.raises(InputError, match=r"column message: found 90,000,000 bytes of text, expected at most"):
        read_predictions(path, Asked(80, 1))
    pq.write_table(
        pa.table({**table, "pair_id": names, "message": pa.repeat("x" * 100_000, many)}),
        path,
        use_dictionary=False,
        column_encoding={"message": "DELTA_BYTE_ARRAY"},
    )
    with pytest.raises(InputError, match=r"column message: found text stored as DELTA_BYTE_ARRAY"):
        read_predictions(path, Asked(80, 1))


def test_a_file_much_larger_than_the_answer_is_refused_by_its_size(tmp_path: Path):
    asked = Asked(1, 1)
    text = "pair_id,qw,qx,qy,qz,tx,ty,tz\n" + "a,1,0,0,0,0,0,1\n"
    (tmp_path / "p.csv").write_text(text + " " * asked.most_bytes)
    with pytest.raises(InputError, match=r"bytes, expected at most .* for predictions, one for each of 1 pairs"):
        read_predictions(tmp_path / "p.csv", asked)


def test_a_whole_suite_is_within_what_may_be_asked(tmp_path: Path):
    names = [f"recording-{i:05d}:123456789012-123456789012" for i in range(500)]
    count = 500 * 40
    table = pa.table(
        {
            "pair_id": names * 40,
            "condition": [f"condition-{i}" for i in range(40) for _ in names],
            "rotation_a_b": fixed(np.tile(np.eye(3), (count, 1, 1)), 3, 3),
            "translation_a_b": fixed(np.ones((count, 3)), 3),
            "message": [f"a long story of {i} " * 20 for i in range(count)],
        }
    )
    pq.write_table(table, tmp_path / "p.parquet")
    assert len(read_predictions(tmp_path / "p.parquet", Asked(500, 40))) == count
