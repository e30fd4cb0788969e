"""The numbers of a reference table in full precision: one JSON document, and the same records as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from avbench.benchmark.reference.answers import Timing
from avbench.benchmark.reference.figures import Cell, Gain
from avbench.benchmark.reference.listening import Listening

Records = Mapping[str, list[dict[str, Any]]]
"""Records by the name of their table."""


def records(
    cells: Sequence[Cell], gains: Sequence[Gain], listening: Sequence[Listening], timings: Sequence[Timing]
) -> Records:
    """All numbers as JSON values; tables without a record are left out."""
    sure = [
        {"model": cell.row.name, "condition": cell.condition, **cell.confidence.to_json()}
        for cell in cells
        if cell.confidence is not None
    ]
    found: dict[str, list[dict[str, Any]]] = {
        "scores": [cell.to_json() for cell in cells],
        "differences": [gain.to_json() for gain in gains],
        "confidence": sure,
        "listening": [entry for one in listening for entry in one.to_json()],
        "times": [timing.to_json() for timing in timings],
    }
    return {name: entries for name, entries in found.items() if entries}


def csv_text(entries: Sequence[Mapping[str, Any]]) -> str:
    """Records as CSV: nested values in columns of their own, named by the way to them; empty where there is none."""
    flat = [_flat(entry) for entry in entries]
    # A record that lacks a nested value, such as the harm of a probe that does not lie, names it by an empty column.
    nested = {name for entry in flat for name in entry}
    columns = [
        name
        for name in dict.fromkeys(name for entry in flat for name in entry)
        if not any(other.startswith(f"{name}.") for other in nested)
    ]
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return file.getvalue()


def _flat(entry: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in entry.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
