"""The forms in which people write a rotation and a translation into a table, read where nothing is lost or guessed.

A rotation is a column `rotation_a_b` (3 x 3 nested lists, a tensor, nine numbers row after row, or any of these as JSON
text), or nine columns `r00` to `r22` (or `r11` to `r33`), or four columns `qw qx qy qz`, or a column of four numbers
`quaternion_wxyz` or `quaternion_xyzw`. A translation is `translation_a_b` (three numbers) or columns `tx ty tz`.
docs/predictions.md shows each. The order of a quaternion is never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from avbench.benchmark.data.arrow_arrays import fixed_shape_array
from avbench.preprocessing.base.errors import InputError, did_you_mean
from avbench.preprocessing.base.geometry import FloatArray, rotation_from_quaternion_xyzw

ROTATION, TRANSLATION = "rotation_a_b", "translation_a_b"
_FROM_ZERO = tuple(f"r{row}{column}" for row in range(3) for column in range(3))
_FROM_ONE = tuple(f"r{row}{column}" for row in range(1, 4) for column in range(1, 4))
_QUATERNION_PARTS = ("qx", "qy", "qz", "qw")
_QUATERNION_LISTS = ("quaternion_wxyz", "quaternion_xyzw")
_TRANSLATION_PARTS = ("tx", "ty", "tz")
SCALAR_COLUMNS = (*dict.fromkeys((*_FROM_ZERO, *_FROM_ONE)), *_QUATERNION_PARTS, *_TRANSLATION_PARTS)
"""Columns of one number a row."""
LIST_COLUMNS = (ROTATION, TRANSLATION, *_QUATERNION_LISTS)
"""Columns of several numbers a row."""
_FORMS_HINT = "docs/predictions.md shows the forms that are read"
_ORDER_HINT = "name it quaternion_wxyz or quaternion_xyzw, or write columns qw, qx, qy, qz: the order is never guessed"
_LOOKS_LIKE_A_QUATERNION = re.compile(r"(?i)quat|^q$|^q[0-4]$|^rot(ation)?_?q|^[wxyz]$")
_MATRIX = pa.list_(pa.list_(pa.float64()))
_VECTOR = pa.list_(pa.float64())


@dataclass(frozen=True)
class Poses:
    """Rotations and translations of a table.

    Attributes:
        rotation_a_b: (M, 3, 3), NaN where null. What is no rotation is handed on as it is.
        translation_a_b: (M, 3), NaN where null.
        answered: (M,) whether a row has a rotation, whatever its numbers are.
        notes: What was read in a way that the user should know.
    """

    rotation_a_b: FloatArray
    translation_a_b: FloatArray
    answered: NDArray[np.bool_]
    notes: tuple[str, ...]


def read_poses(table: pa.Table, where: str, all_names: Collection[str]) -> Poses:
    """Read rotations and translations from the one form that a table has.

    Args:
        table: The columns that are named in this module, those that are there.
        where: The file, for messages.
        all_names: Names of all columns of the file, for hints.

    Raises:
        InputError: There is no rotation or translation, more than one form of them, a quaternion whose order is not
            stated, or a column of another type or shape.
    """
    rotation = _chosen(table, where, all_names, ROTATION, _ROTATION_FORMS)
    translation = _chosen(table, where, all_names, TRANSLATION, _TRANSLATION_FORMS)
    return replace(rotation, translation_a_b=translation.translation_a_b, notes=(*rotation.notes, *translation.notes))


def _chosen(table: pa.Table, where: str, all_names: Collection[str], what: str, forms: _Forms) -> Poses:
    present = set(table.column_names)
    begun = [(columns, read) for columns, read in forms.items() if present.intersection(columns)]
    whole = [(columns, read) for columns, read in begun if present.issuperset(columns)]
    # The two ways of numbering share four names.
    begun = [(columns, read) for columns, read in begun if not any(set(columns) & set(done) for done, _ in whole)]
    if begun and not whole:
        columns, _ = max(begun, key=lambda form: len(present.intersection(form[0])))
        missing = [name for name in columns if name not in present]
        raise InputError(
            where,
            found=f"columns {', '.join(name for name in columns if name in present)}",
            expected=f"also {', '.join(missing)}",
            hint=_FORMS_HINT,
        )
    if not whole:
        raise _absent(where, all_names, what)
    if len(whole) + len(begun) > 1:
        named = " and ".join(columns[0] if len(columns) == 1 else "/".join(columns) for columns, _ in [*whole, *begun])
        raise InputError(where, found=f"{named}", expected=f"one {what}", hint="leave out all but one")
    columns, read = whole[0]
    return read(table, columns, where)


def _absent(where: str, all_names: Collection[str], what: str) -> InputError:
    suspects = [name for name in all_names if _LOOKS_LIKE_A_QUATERNION.search(name)] if what == ROTATION else []
    hint = _ORDER_HINT if suspects else did_you_mean(what, all_names) or _FORMS_HINT
    return InputError(where, found=f"columns {', '.join(all_names)}", expected=f"also {what}", hint=hint)


def _matrices(table: pa.Table, columns: tuple[str, ...], where: str) -> Poses:
    name = columns[0]
    place = f"{where}: {name}"
    column, tensor_shape = _plain_lists(table.column(name), name, where, "fixed_size_list of 3 x 3 numbers")
    answered = column.is_valid().to_numpy(zero_copy_only=False)
    nested = pa.types.is_list(column.type.value_type)
    notes: tuple[str, ...] = ()
    if not nested and tensor_shape != (3, 3):
        lengths = pc.list_value_length(column.drop_null()).unique().to_pylist()
        if lengths == [4]:
            raise InputError(place, found="four numbers in no stated order", expected="3x3", hint=_ORDER_HINT)
        if lengths == [9]:
            order = "r00 r01 r02 r10 ..., as numpy's ravel() gives them"
            notes = (f"{place}: nine numbers a row are read in the order {order}",)
        elif lengths:
            # Says which row, as for nested lists.
            fixed_shape_array(column, (9,), place)
    if nested:
        rotation = fixed_shape_array(column, (3, 3), place)
    else:
        rotation = fixed_shape_array(column, (9,), place).reshape(-1, 3, 3)
    return _rotations(rotation, answered, notes)


def _matrix_cells(table: pa.Table, columns: tuple[str, ...], where: str) -> Poses:
    cells = _scalars(table, columns, where)
    return _rotations(cells.reshape(-1, 3, 3), _any_number(cells))


def _quaternion_cells(table: pa.Table, columns: tuple[str, ...], where: str) -> Poses:
    return _quaternions(_scalars(table, columns, where))


def _quaternion_list(table: pa.Table, columns: tuple[str, ...], where: str) -> Poses:
    name = columns[0]
    column, _ = _plain_lists(table.column(name), name, where, "list of 4 numbers")
    values = fixed_shape_array(column, (4,), f"{where}: {name}")
    return _quaternions(values if name.endswith("_xyzw") else np.roll(values, -1, axis=1))


def _quaternions(xyzw: FloatArray) -> Poses:
    length = np.linalg.norm(xyzw, axis=1)
    usable = np.isfinite(length) & (length > 0.0)
    rotation = np.full((len(xyzw), 3, 3), np.nan)
    # The length stays in the matrix, so that one rule decides what is near enough to a rotation.
    rotation[usable] = rotation_from_quaternion_xyzw(xyzw[usable]) * length[usable, None, None] ** 2
    return _rotations(rotation, _any_number(xyzw))


def _any_number(cells: FloatArray) -> NDArray[np.bool_]:
    return np.asarray(~np.isnan(cells).all(axis=1), dtype=np.bool_)


def _rotations(rotation: FloatArray, answered: NDArray[np.bool_], notes: tuple[str, ...] = ()) -> Poses:
    return Poses(rotation, np.full((len(rotation), 3), np.nan), answered, notes)


def _vectors(table: pa.Table, columns: tuple[str, ...], where: str) -> Poses:
    name = columns[0]
    column, _ = _plain_lists(table.column(name), name, where, "fixed_size_list of 3 numbers")
    return _translations(fixed_shape_array(column, (3,), f"{where}: {name}"))


def _vector_cells(table: pa.Table, columns: tuple[str, ...], where: str) -> Poses:
    return _translations(_scalars(table, columns, where))


def _translations(translation: FloatArray) -> Poses:
    count = len(translation)
    return Poses(np.full((count, 3, 3), np.nan), translation, np.zeros(count, dtype=np.bool_), ())


_Forms = dict[tuple[str, ...], Callable[[pa.Table, tuple[str, ...], str], Poses]]
_ROTATION_FORMS: _Forms = {
    (ROTATION,): _matrices,
    _FROM_ZERO: _matrix_cells,
    _FROM_ONE: _matrix_cells,
    _QUATERNION_PARTS: _quaternion_cells,
    **{(name,): _quaternion_list for name in _QUATERNION_LISTS},
}
_TRANSLATION_FORMS: _Forms = {(TRANSLATION,): _vectors, _TRANSLATION_PARTS: _vector_cells}


def _scalars(table: pa.Table, columns: tuple[str, ...], where: str) -> FloatArray:
    return np.stack([number_column(table.column(name), name, where) for name in columns], axis=1)


def number_column(column: pa.ChunkedArray, name: str, where: str) -> FloatArray:
    """A column of numbers as floats, NaN where null.

    Raises:
        InputError: It holds something else, or whole numbers that a float cannot hold.
    """
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    _refuse_other_than_numbers(column.type, column.type, name, where, "double")
    try:
        values = column.cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise InputError(f"{where}: column {name}", found=str(error), expected="numbers that a float holds") from error
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _plain_lists(
    column: pa.ChunkedArray, name: str, where: str, expected: str
) -> tuple[pa.ChunkedArray, tuple[int, ...] | None]:
    """A column of lists of any kind as plain lists of floats, nested or not, and its shape where it is of tensors."""
    shape: tuple[int, ...] | None = None
    if isinstance(column.type, pa.FixedShapeTensorType):
        column, shape = _tensors(column, name, where)
    if pa.types.is_string(column.type):
        column = _parsed_json(column, name, where, expected)
    if pa.types.is_null(column.type):
        return column.cast(_MATRIX if name == ROTATION else _VECTOR), None
    depth, leaf = 0, column.type
    while _is_list(leaf):
        depth, leaf = depth + 1, leaf.value_type
    if depth not in ((1, 2) if name == ROTATION else (1,)):
        raise InputError(f"{where}: column {name}", found=str(column.type), expected=expected, hint=_FORMS_HINT)
    _refuse_other_than_numbers(leaf, column.type, name, where, expected)
    try:
        return column.cast(_MATRIX if depth == 2 else _VECTOR), shape
    except pa.ArrowInvalid as error:
        raise InputError(f"{where}: column {name}", found=str(error), expected="numbers that a float holds") from error


def _tensors(column: pa.ChunkedArray, name: str, where: str) -> tuple[pa.ChunkedArray, tuple[int, ...]]:
    kind = column.type
    order = list(kind.permutation or range(len(kind.shape)))
    if order != sorted(order):
        raise InputError(
            f"{where}: column {name}", found=f"tensors stored in the order {order}", expected="row after row"
        )
    storage = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
    return storage, tuple(kind.shape)


def _parsed_json(column: pa.ChunkedArray, name: str, where: str, expected: str) -> pa.ChunkedArray:
    """Text such as "[[1, 0, 0], ...]", which pandas and polars make of lists in CSV."""
    parsed: list[Any] = []
    for row, text in enumerate(column.to_pylist()):
        try:
            parsed.append(None if not text else json.loads(text))
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{where}: column {name}",
                found=f"string that is no list of numbers ({text[:40]!r} in row {row})",
                expected=expected,
                hint="numpy prints arrays with fewer digits than they have: write a.tolist(), or one number a column",
            ) from error
    try:
        return pa.chunked_array([pa.array(parsed)])
    except (pa.ArrowException, OverflowError) as error:
        raise InputError(
            f"{where}: column {name}", found=f"lists of several kinds ({error})", expected=expected
        ) from error


def _is_list(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_list,
        pa.types.is_large_list,
        pa.types.is_fixed_size_list,
        pa.types.is_list_view,
        pa.types.is_large_list_view,
    )
    return any(test(kind) for test in tests)


def _refuse_other_than_numbers(leaf: pa.DataType, kind: pa.DataType, name: str, where: str, expected: str) -> None:
    if not (pa.types.is_floating(leaf) or pa.types.is_integer(leaf) or pa.types.is_null(leaf)):
        hint = "cast decimals to 64-bit floats first" if pa.types.is_decimal(leaf) else ""
        raise InputError(f"{where}: column {name}", found=str(kind), expected=expected, hint=hint)
