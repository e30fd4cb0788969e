"""Arrow columns as numpy arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from avbench.preprocessing.errors import InputError
from avbench.preprocessing.geometry import FloatArray


def fixed_shape_array(column: pa.ChunkedArray, shape: tuple[int, ...], where: str) -> FloatArray:
    """A column of nested lists of numbers as an array (rows, *shape); a null row, or a null in it, becomes NaN.

    Args:
        column: Lists, nested as deep as `shape` is long.
        shape: What every row that is not null must be.
        where: File and column, for the error.

    Raises:
        InputError: A row has another shape.
    """
    filled = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), dtype=np.bool_)
    rows = np.flatnonzero(filled)
    values = column.combine_chunks().drop_null()
    for size in shape:
        lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(lengths != size)
        if len(wrong):
            row = rows[wrong[0] * len(rows) // len(lengths)]
            raise InputError(
                f"{where}: row {row}", found=f"a list of {lengths[wrong[0]]}", expected=f"numbers of shape {shape}"
            )
        values = values.flatten()
    result = np.full((len(filled), *shape), np.nan)
    numbers = np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
    result[rows] = numbers.reshape(len(rows), *shape)
    return result
