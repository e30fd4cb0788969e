"""What a pair is like: the strata of the schema, cut into bins.

The strata come from the schema of the pair row: every plain number that is no pixel calibration and no time stamp, and
every name that is not an identity. Columns of the two views (`sharpness_a`, `sharpness_b`) become one stratum, of the
lower value: a pair is as blurred, as dark or as quiet as the worse of its frames. Strata describe the pair as it is
stored, before any corruption, and are read at scoring time only: some are derived from the label.

Numbers are cut at edges that are fixed below where their size means something by itself, so that data sets compare, and
else at the quartiles of the split. Pairs of which a value is not known are a bin of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError, did_you_mean
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.format.schema import COLUMNS, Column, Role

FIXED_EDGES: dict[str, tuple[float, ...]] = {
    "rotation_deg": (5.0, 10.0, 20.0),
    "baseline_m": (0.05, 0.2, 0.5, 1.0),
    "view_overlap": (0.25, 0.5, 0.75),
    # Between the gaps that are usually asked for, 0.5, 1, 2 and 3 s, which frames meet only nearly.
    "gap_s": (0.75, 1.5, 2.5),
    # Grey levels: exposures a factor of two apart.
    "brightness": (16.0, 32.0, 64.0, 128.0),
    "level_dbfs": (-60.0, -45.0, -30.0),
}
"""Inner edges of the bins by stratum, in its unit; a value on an edge belongs to the bin above. Others: quartiles."""

MOST_CATEGORIES = 12
"""A name with more different values than this says who a pair is, not what it is like."""

_QUANTILE_BINS = 4
_NOT_KNOWN = "not known"


class BinKind(StrEnum):
    """How the bins of a stratum were made."""

    FIXED = "fixed edges"
    QUANTILES = "quantiles"
    CATEGORIES = "categories"


@dataclass(frozen=True)
class StratumColumns:
    """A stratum as the schema has it.

    Attributes:
        name: Its name: that of its column, without the view where there is one for each.
        columns: Its column, or its two.
        unit: Unit of its values.
        description: What it is.
        numeric: Whether it is a number; else a name or a count of few values.
        derived: Whether it is computed from the label.
    """

    name: str
    columns: tuple[str, ...]
    unit: str
    description: str
    numeric: bool
    derived: bool


@dataclass(frozen=True)
class Bin:
    """One bin of a stratum.

    Attributes:
        label: What a table calls it: "5 to 10 deg", "microphones", "not known".
        low: Lower edge, belonging to it; None if open or no number.
        high: Upper edge, not belonging to it; None if open or no number.
        members: (N,) which pairs are in it.
        ordered: Whether it is a range of numbers.
    """

    label: str
    low: float | None
    high: float | None
    members: NDArray[np.bool_]
    ordered: bool = False

    def to_json(self) -> dict[str, Any]:
        """JSON values, without the pairs."""
        return {"bin": self.label, "low": self.low, "high": self.high, "members": int(self.members.sum())}


@dataclass(frozen=True)
class Stratum:
    """A stratum of a split, cut into bins.

    Attributes:
        source: The columns it comes from.
        kind: How the bins were made.
        bins: At least one, in ascending order, the one of values not known last; none is empty.
    """

    source: StratumColumns
    kind: BinKind
    bins: tuple[Bin, ...]


def strata_columns() -> dict[str, StratumColumns]:
    """Every stratum of the schema by name, in schema order."""
    found: dict[str, StratumColumns] = {}
    listed = {column.name: column for column in COLUMNS if _describes_a_pair(column)}
    of_view_b = {_of_view_b(name) for name in listed}
    for column in listed.values():
        if column.name in of_view_b:
            continue
        twin = _of_view_b(column.name)
        columns = (column.name, twin) if twin in listed else (column.name,)
        name = column.name if len(columns) == 1 else _without_view(column.name)
        found[name] = StratumColumns(
            name=name,
            columns=columns,
            unit=column.unit,
            description=column.description if len(columns) == 1 else f"lower of the two views: {column.description}",
            numeric=bool(pa.types.is_floating(column.arrow_type)),
            derived=column.role is not Role.INPUT,
        )
    return found


def _describes_a_pair(column: Column) -> bool:
    kind = column.arrow_type
    if pa.types.is_string(kind):
        return not column.name.endswith("_id")
    # Pixels are the calibration, 64-bit integers are moments and places in a clip.
    return bool(pa.types.is_floating(kind) or pa.types.is_int32(kind)) and column.unit != "px"


def _of_view_b(name: str) -> str:
    """The name of the same column of view b; one that does not exist if this is no column of view a."""
    parts = name.split("_")
    return "_".join("b" if part == "a" else part for part in parts) if "a" in parts else ""


def _without_view(name: str) -> str:
    return "_".join(part for part in name.split("_") if part != "a")


def find_strata(names: Collection[str]) -> tuple[StratumColumns, ...]:
    """The strata of the given names; all of them for none.

    Raises:
        InputError: There is no stratum of a name; the closest one is suggested.
    """
    known = strata_columns()
    for name in names:
        if name not in known:
            raise InputError(
                "stratum", found=repr(name), expected=f"one of {', '.join(known)}", hint=did_you_mean(name, known)
            )
    return tuple(known[name] for name in names or known)


def needed_columns(strata: Iterable[StratumColumns]) -> list[str]:
    """The columns of the pair row that these strata are read from."""
    return [name for stratum in strata for name in stratum.columns]


def cut_strata(table: pa.Table, strata: Iterable[StratumColumns]) -> list[Stratum]:
    """Cut strata into bins; those that put all pairs into one bin, and names of too many values, are left out.

    Args:
        table: N rows with the columns of the strata, in the order of the labels.
        strata: Which.
    """
    cut = [_cut(table, source) for source in strata]
    return [stratum for stratum in cut if stratum is not None and len(stratum.bins) > 1]


def _cut(table: pa.Table, source: StratumColumns) -> Stratum | None:
    if not source.numeric:
        return _cut_names(table.column(source.columns[0]).to_pylist(), source)
    columns = [np.asarray(table.column(name).to_pylist(), dtype=np.float64) for name in source.columns]
    # A pair of which one view is not known is not known: the minimum of NaN is NaN.
    values = np.minimum.reduce(columns)
    known = values[~np.isnan(values)]
    fixed = FIXED_EDGES.get(source.name)
    if fixed is None:
        # Equal quartiles, as of a column with few values, are one edge.
        inner = np.unique(np.quantile(known, np.arange(1, _QUANTILE_BINS) / _QUANTILE_BINS)) if len(known) else ()
        edges, kind = [float(edge) for edge in inner], BinKind.QUANTILES
    else:
        edges, kind = list(fixed), BinKind.FIXED
    bins = [_number_bin(values, low, high, source.unit) for low, high in pairwise([None, *edges, None])]
    bins.append(Bin(_NOT_KNOWN, None, None, np.isnan(values)))
    return Stratum(source, kind, tuple(one for one in bins if one.members.any()))


def _number_bin(values: FloatArray, low: float | None, high: float | None, unit: str) -> Bin:
    with np.errstate(invalid="ignore"):
        members = ~np.isnan(values)
        if low is not None:
            members &= values >= low
        if high is not None:
            members &= values < high
    if low is None and high is None:
        text = "all"
    elif low is None:
        text = f"under {high:.4g}"
    else:
        text = f"{low:.4g} and more" if high is None else f"{low:.4g} to {high:.4g}"
    return Bin(f"{text} {unit}".rstrip(), low, high, members, ordered=True)


def _cut_names(values: Sequence[Any], source: StratumColumns) -> Stratum | None:
    names = sorted({value for value in values if value is not None})
    if len(names) > MOST_CATEGORIES:
        return None
    bins = [
        Bin(f"{name} {source.unit}".rstrip(), None, None, np.array([value == name for value in values], dtype=np.bool_))
        for name in names
    ]
    bins.append(Bin(_NOT_KNOWN, None, None, np.array([value is None for value in values], dtype=np.bool_)))
    return Stratum(source, BinKind.CATEGORIES, tuple(one for one in bins if one.members.any()))
