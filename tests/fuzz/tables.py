"""Parquet files whose table or metadata is not what it should be, and files that are damaged as bytes."""

from __future__ import annotations

import io
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.mutations import ANY, Mutation, changed_document


def another_table(rng: random.Random, data: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(data))
    name = rng.choice(table.column_names)
    at = table.schema.get_field_index(name)
    kind = rng.randrange(9)
    if kind == 0:
        table = table.drop_columns([name])
    elif kind == 1:
        table = table.rename_columns(
            [rng.choice(("x", "", name.upper())) if one == name else one for one in table.column_names]
        )
    elif kind == 2:
        table = table.set_column(at, name, pa.nulls(table.num_rows, table.schema.field(name).type))
    elif kind == 3:
        table = table.set_column(at, name, other_values(rng, table.num_rows))
    elif kind == 4:
        table = table.take(pa.array(rng.choices(range(table.num_rows), k=table.num_rows + 1)))
    elif kind == 5:
        table = table.slice(0, rng.randrange(table.num_rows))
    elif kind == 6:
        table = table.set_column(at, name, table.column(rng.choice(table.column_names)))
    elif kind == 7:
        table = table.append_column(rng.choice((name, "extra")), other_values(rng, table.num_rows))
    else:
        values = table.column(name).to_pylist()
        values[rng.randrange(len(values))] = None
        table = table.set_column(at, name, pa.array(values, table.schema.field(name).type))
    return _written(table)


def other_values(rng: random.Random, count: int) -> pa.Array:
    """A column of a random type."""
    return rng.choice(
        (
            pa.array(["x"] * count),
            pa.array([b"\xff\xfe"] * count),
            pa.array([1] * count),
            pa.array([float("nan")] * count),
            pa.array([1e308] * count),
            pa.array([True] * count),
            pa.array([[1.0, 2.0, 3.0]] * count),
            pa.array([[["a"] * 3] * 3] * count),
            pa.array([[[float("inf")] * 3] * 3] * count),
            pa.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]] * count),
            pa.array([{"a": 1}] * count),
            pa.array(["x"] * count).dictionary_encode(),
            pa.nulls(count),
        )
    )


def another_metadata(rng: random.Random, data: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(data))
    metadata = dict(table.schema.metadata or {})
    if not metadata:
        return _written(table.replace_schema_metadata({b"avbench": b"[]"}))
    key = rng.choice(sorted(metadata))
    try:
        metadata[key] = json.dumps(changed_document(rng, json.loads(metadata[key]))).encode()
    except (ValueError, TypeError, AttributeError):
        metadata[key] = rng.choice((b"", b"\xff", b"2", b"[" * 100_000, b"NaN"))
    return _written(table.replace_schema_metadata(metadata))


def _written(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


PARQUET: tuple[Mutation, ...] = (*ANY, *(another_table,) * 6, *(another_metadata,) * 4)
