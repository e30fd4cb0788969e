"""The pair row: the only place where columns are named, with their types, units and roles.

One Parquet row is one pair of frames with all that belongs to it. The Arrow schema is explicit and carries, in its
metadata, the schema version, the conventions and the Hugging Face feature description, and on each field the role, the
unit and a description. Models and participants of a board receive columns of the role `input` only; that flag, not a
list kept by hand, decides.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

from avbench.preprocessing.base.errors import InputError

SCHEMA_VERSION = "2"

READABLE_VERSIONS = ("1", "2")
"""Versions that are read; columns that came later than a file are null in it."""

DIGEST_VERSION = "1"
"""Version of how content is hashed: a data set that says the same keeps its fingerprint when columns are added."""

CONVENTIONS = {
    "camera_axes": "OpenCV: x right, y down, z forward, of the image as stored (upright, rectified to a pinhole)",
    "rotation_a_b": "3x3 row-major; maps directions of camera b into camera a: R(inv(T_world_a) @ T_world_b)",
    "translation_a_b_m": "where camera b sits, in the axes of camera a",
    "microphones": "positions in metres in the axes of the camera of the same row; channel order is row order",
    "ambisonics": "axes x forward, y left, z up of the camera of the same row; acn_sn3d unless the row says otherwise",
    "principal_point": "the centre of the top left pixel is (0, 0)",
    "time": "integer nanoseconds on one clock per recording; frames by presentation time stamp",
}


class Role(StrEnum):
    """Who may see a column."""

    INPUT = "input"  # models and participants
    LABEL = "label"  # the answer
    LABEL_DERIVED = "label-derived"  # computed from the answer, or chosen by it: gives it away


@dataclass(frozen=True)
class Column:
    """One column of the pair row.

    Attributes:
        name: Its name.
        arrow_type: Its Arrow type.
        role: Who may see it.
        unit: The unit of its values, "" for none.
        description: What it is.
        nullable: Whether a row may leave it empty.
        since: Version of the schema that it came with; null in older files.
    """

    name: str
    arrow_type: pa.DataType
    role: Role
    unit: str
    description: str
    nullable: bool = False
    since: str = "1"


_ENCODED = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
# Parquet calls the items of a list "element"; so named from the start, a schema comes back from a file unchanged.
_VECTOR3 = pa.list_(pa.field("element", pa.float64()), 3)
_MATRIX33 = pa.list_(pa.field("element", _VECTOR3), 3)
_POSITIONS = pa.list_(pa.field("element", _VECTOR3))
_S, _I64, _F64, _I32 = pa.string(), pa.int64(), pa.float64(), pa.int32()
_IN, _LABEL, _DERIVED = Role.INPUT, Role.LABEL, Role.LABEL_DERIVED

COLUMNS: tuple[Column, ...] = (
    # identity
    Column("pair_id", _S, _IN, "", "unique name of the pair; it is derived from recording and times, not from labels"),
    Column("recording_id", _S, _IN, "", "recording the pair was cut from"),
    Column("group_id", _S, _IN, "", "place, take or wearer: no group is in two splits, and statistics cluster by it"),
    Column("split", _S, _IN, "", "train, val or test"),
    Column("source", _S, _IN, "", "layout and device of the raw recording"),
    Column("licence", _S, _IN, "", "licence of the recording, SPDX where there is one"),
    # time
    Column("time_a_ns", _I64, _IN, "ns", "presentation time of frame a on the recording's clock"),
    Column("time_b_ns", _I64, _IN, "ns", "presentation time of frame b"),
    # pictures
    Column("image_a", _ENCODED, _IN, "", "frame a: encoded picture, upright, rectified to a pinhole"),
    Column("image_b", _ENCODED, _IN, "", "frame b"),
    Column("width_px", _I32, _IN, "px", "width of both pictures"),
    Column("height_px", _I32, _IN, "px", "height of both pictures"),
    Column("fx_px", _F64, _IN, "px", "focal length along x"),
    Column("fy_px", _F64, _IN, "px", "focal length along y"),
    Column("cx_px", _F64, _IN, "px", "principal point, x"),
    Column("cy_px", _F64, _IN, "px", "principal point, y"),
    # sound
    Column(
        "audio_a", _ENCODED, _IN, "", "all channels of the clip centred on frame a, lossless FLAC or WAV", nullable=True
    ),
    Column("audio_b", _ENCODED, _IN, "", "the same for frame b", nullable=True),
    Column("audio_sample_rate_hz", _I32, _IN, "Hz", "sample rate of both clips", nullable=True),
    Column("audio_channels", _I32, _IN, "", "channels of both clips", nullable=True),
    Column("audio_valid_start_a", _I64, _IN, "samples", "first sample of clip a that is not padding", nullable=True),
    Column("audio_valid_stop_a", _I64, _IN, "samples", "one past the last such sample", nullable=True),
    Column("audio_valid_start_b", _I64, _IN, "samples", "first sample of clip b that is not padding", nullable=True),
    Column("audio_valid_stop_b", _I64, _IN, "samples", "one past the last such sample", nullable=True),
    Column("array_kind", _S, _IN, "", "microphones, binaural, stereo or ambisonic", nullable=True),
    Column(
        "ambisonic_convention",
        _S,
        _IN,
        "",
        "order and normalisation of ambisonic channels: acn_sn3d (also where null), acn_n3d or fuma",
        nullable=True,
        since="2",
    ),
    Column("mic_positions_m", _POSITIONS, _IN, "m", "channels x 3 in camera axes; null where unknown", nullable=True),
    # gravity
    Column("up_a", _VECTOR3, _IN, "", "unit vector against gravity in the axes of camera a", nullable=True),
    Column("up_b", _VECTOR3, _IN, "", "unit vector against gravity in the axes of camera b", nullable=True),
    Column("up_source", _S, _IN, "", "imu, trajectory or simulated", nullable=True),
    # label
    Column("rotation_a_b", _MATRIX33, _LABEL, "", CONVENTIONS["rotation_a_b"]),
    Column(
        "translation_a_b_m",
        _VECTOR3,
        _LABEL,
        "m",
        CONVENTIONS["translation_a_b_m"] + "; in a unit of its own if scale is unknown, zero if rotation_only",
    ),
    Column("scale", _S, _LABEL, "", "metric, unknown (direction only) or rotation_only"),
    Column("pose_source", _S, _LABEL, "", "how the poses were made"),
    Column(
        "pose_sigma_deg",
        _F64,
        _DERIVED,
        "deg",
        "standard uncertainty of the rotation about each of three axes, given by the source",
        nullable=True,
    ),
    Column(
        "direction_sigma_deg",
        _F64,
        _DERIVED,
        "deg",
        "standard uncertainty of the direction of the translation about each of two axes",
        nullable=True,
    ),
    # strata by which results are broken down
    Column("rotation_deg", _F64, _DERIVED, "deg", "angle of rotation_a_b"),
    Column("baseline_m", _F64, _DERIVED, "m", "length of translation_a_b_m; null unless metric", nullable=True),
    Column("view_overlap", _F64, _DERIVED, "", "share of picture a that picture b would show of a far scene"),
    Column("pose_quality", _F64, _DERIVED, "", "lower of the two frames' quality scores of the source", nullable=True),
    Column("gap_s", _F64, _IN, "s", "time between the frames"),
    Column("sync_offset_ms", _F64, _IN, "ms", "correction applied to the sound's clock", nullable=True),
    Column("sync_sigma_ms", _F64, _IN, "ms", "standard uncertainty of the sound's clock", nullable=True),
    Column("sharpness_a", _F64, _IN, "", "variance of the Laplacian of picture a, grey levels squared"),
    Column("sharpness_b", _F64, _IN, "", "the same for picture b"),
    Column("brightness_a", _F64, _IN, "", "mean grey level of picture a, 0 to 255"),
    Column("brightness_b", _F64, _IN, "", "the same for picture b"),
    Column(
        "level_a_dbfs",
        _F64,
        _IN,
        "dBFS",
        "RMS of the valid part of clip a, all channels; -200 is silence",
        nullable=True,
    ),
    Column("level_b_dbfs", _F64, _IN, "dBFS", "the same for clip b", nullable=True),
)

COLUMN_BY_NAME = {column.name: column for column in COLUMNS}
LATER_COLUMNS = frozenset(column.name for column in COLUMNS if column.since != READABLE_VERSIONS[0])
"""Columns that files of an older version may be without; they are null there."""
IMAGE_COLUMNS = ("image_a", "image_b")
AUDIO_COLUMNS = ("audio_a", "audio_b")


def column_names(*roles: Role) -> list[str]:
    """Names of the columns of the given roles, in schema order; all columns without an argument."""
    return [column.name for column in COLUMNS if not roles or column.role in roles]


def pair_schema() -> pa.Schema:
    """The Arrow schema of the pair row, with all metadata."""
    fields = [
        pa.field(
            column.name,
            column.arrow_type,
            # The Hugging Face library knows no field that must not be null, and takes a picture in one for a plain
            # struct; `table_from_rows` sees to it that pictures are there.
            nullable=column.nullable or column.name in IMAGE_COLUMNS,
            metadata={"role": str(column.role), "unit": column.unit, "description": column.description},
        )
        for column in COLUMNS
    ]
    metadata = {
        "schema_version": SCHEMA_VERSION,
        "avbench": json.dumps({"schema_version": SCHEMA_VERSION, "conventions": CONVENTIONS}),
        # The Hugging Face library reads this key. Sound stays undecoded: its decoder averages the channels.
        "huggingface": json.dumps({"info": {"features": huggingface_features()}}),
    }
    return pa.schema(fields, metadata=metadata)


def huggingface_features() -> dict[str, Any]:
    """Features in the JSON form of `datasets.Features.to_dict`."""
    return {column.name: _feature(column) for column in COLUMNS}


def _feature(column: Column) -> dict[str, Any]:
    if column.name in IMAGE_COLUMNS:
        return {"_type": "Image"}
    if column.name in AUDIO_COLUMNS:
        return {"_type": "Audio", "decode": False}
    return _plain_feature(column.arrow_type)


def _plain_feature(arrow_type: pa.DataType) -> dict[str, Any]:
    if pa.types.is_fixed_size_list(arrow_type):
        return {"_type": "List", "length": arrow_type.list_size, "feature": _plain_feature(arrow_type.value_type)}
    if pa.types.is_list(arrow_type):
        return {"_type": "List", "feature": _plain_feature(arrow_type.value_type)}
    return {"_type": "Value", "dtype": "float64" if pa.types.is_float64(arrow_type) else str(arrow_type)}


def check_schema(found: pa.Schema, where: str, *, optional: Collection[str] = ()) -> None:
    """Check that a Parquet file is one of ours and of a version we read.

    Args:
        found: Its schema.
        where: The file, for messages.
        optional: Columns that may be missing.

    Raises:
        InputError: The version is missing or another one, or a column is missing or of another type.
    """
    version = (found.metadata or {}).get(b"schema_version", b"").decode()
    if version not in READABLE_VERSIONS:
        raise InputError(
            f"{where}: schema_version",
            found=repr(version) if version else "none",
            expected=" or ".join(repr(readable) for readable in READABLE_VERSIONS),
            hint="make the shards again with this version's `avbench prepare`",
        )
    for column in COLUMNS:
        index = found.get_field_index(column.name)
        if index < 0 and READABLE_VERSIONS.index(column.since) > READABLE_VERSIONS.index(version):
            continue
        if index < 0:
            if column.name in optional:
                continue
            raise InputError(f"{where}: column {column.name}", found="no such column", expected=str(column.arrow_type))
        if found.field(index).type != column.arrow_type:
            raise InputError(
                f"{where}: column {column.name}", found=str(found.field(index).type), expected=str(column.arrow_type)
            )


def with_later_columns(table: pa.Table, wanted: Iterable[str] | None = None) -> pa.Table:
    """A table read from a file that passed `check_schema`, with the columns that came later than the file, as nulls.

    Args:
        table: The columns that the file has.
        wanted: Names of the columns that were asked for; all without it.
    """
    missing = LATER_COLUMNS.intersection(COLUMN_BY_NAME if wanted is None else wanted) - set(table.column_names)
    for column in COLUMNS:
        if column.name in missing:
            table = table.append_column(column.name, pa.nulls(table.num_rows, column.arrow_type))
    return table


def table_from_rows(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Build a table of the pair schema from row dictionaries; every column must be named in every row.

    Raises:
        ValueError: A row misses a column, names an unknown one, or leaves one empty that must not be.
    """
    schema = pair_schema()
    listed = list(rows)
    names = set(COLUMN_BY_NAME)
    for row in listed:
        if set(row) != names:
            raise ValueError(f"row {row.get('pair_id')!r}: columns differ from the schema: {sorted(set(row) ^ names)}")
        empty = [c.name for c in COLUMNS if not c.nullable and row[c.name] is None]
        if empty:
            raise ValueError(f"row {row['pair_id']!r}: empty columns {empty}")
    return pa.Table.from_pylist(listed, schema=schema)
