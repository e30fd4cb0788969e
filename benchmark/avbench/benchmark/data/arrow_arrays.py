"""Arrow columns as numpy arrays."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray


def fixed_shape_array(column: pa.ChunkedArray, shape: tuple[int, ...], where: str) -> FloatArray:
    """A column of nested lists of numbers as an array (rows, *shape); a null row, or a null in it, becomes NaN.

    Args:
        column: Lists, nested as deep as `shape` is long.
        shape: What every row that is not null must be.
        where: File and column, for the error.

    Raises:
        InputError: The column holds something else than lists of numbers, or a row has another shape.
    """
    expected = f"numbers of shape {shape}"
    kind = column.type
    for _ in shape:
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
            raise InputError(where, found=f"a column of {column.type}", expected=expected)
        kind = kind.value_type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise InputError(where, found=f"a column of {column.type}", expected=expected)
    filled = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), dtype=np.bool_)
    rows = np.flatnonzero(filled)
    values = column.combine_chunks().drop_null()
    for size in shape:
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(lengths != size)
        if len(wrong):
            row = rows[wrong[0] * len(rows) // len(lengths)]
            raise InputError(f"{where}: row {row}", found=f"a list of {lengths[wrong[0]]}", expected=expected)
        values = values.flatten()
    result = np.full((len(filled), *shape), np.nan)
    numbers = np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
    result[rows] = numbers.reshape(len(rows), *shape)
    return result


def text_values(column: pa.ChunkedArray, where: str) -> list[str]:
    """A column of texts, none of them null or empty.

    Args:
        column: The column.
        where: File and column, for the error.

    Raises:
        InputError: The column holds something else than texts, or a row has none.
    """
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(where, found=f"a column of {column.type}", expected="text")
    try:
        values: list[str | None] = column.to_pylist()
    except UnicodeDecodeError as error:
        raise InputError(where, found=f"bytes that are not UTF-8 ({error.reason})", expected="text") from error
    texts = [value for value in values if value]
    if len(texts) != len(values):
        row = next(row for row, value in enumerate(values) if not value)
        raise InputError(f"{where}: row {row}", found="nothing", expected="a name")
    return texts


def sigma_values(column: pa.ChunkedArray, where: str) -> list[float | None]:
    """A column of standard deviations: numbers from 0 on, None where they are not known.

    Args:
        column: The column.
        where: File and column, for the error.

    Raises:
        InputError: The column holds something else than numbers, or one is negative or not finite.
    """
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
        raise InputError(where, found=f"a column of {kind}", expected="numbers")
    values: list[float | None] = column.to_pylist()
    for row, value in enumerate(values):
        if value is not None and not 0.0 <= value < math.inf:
            raise InputError(f"{where}: row {row}", found=str(value), expected="a number from 0 on")
    return values
