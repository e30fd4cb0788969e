"""Whether pairs were recorded or simulated, in words that every table and page carries."""

from __future__ import annotations

import pyarrow as pa

from avbench.preprocessing.recording.recording import UpSource

ORIGIN_COLUMNS = ("pose_source", "up_source")
"""Columns that `simulated_pairs` looks at."""

SIMULATED = str(UpSource.SIMULATED)
"""What either of them says of a simulated pair."""


def simulated_pairs(columns: pa.Table) -> int:
    """How many pairs of a table with the `ORIGIN_COLUMNS` are simulated."""
    sources = zip(*(columns.column(name).to_pylist() for name in ORIGIN_COLUMNS), strict=True)
    return sum(SIMULATED in pair for pair in sources)


def origin(columns: pa.Table) -> str:
    """Whether the pairs of a table are "recorded" or "simulated", or how many are simulated."""
    simulated, pairs = simulated_pairs(columns), columns.num_rows
    if simulated == 0:
        return "recorded"
    return "simulated" if simulated == pairs else f"{simulated} of {pairs} simulated"
