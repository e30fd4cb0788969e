"""Tables as plain text and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from avbench.benchmark.conventions import AucRow
from avbench.benchmark.scoring import Score

_NOTHING = "-"


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in aligned columns for a terminal; the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [headers, *rows]) for column in range(len(headers))]
    lines = [_aligned(headers, widths), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_aligned(row, widths) for row in rows)])


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]).rstrip()


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same table in Markdown; a bar inside a cell is escaped."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in [headers, *rows]]
    rule = [":--", *("--:" for _ in headers[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in [escaped[0], rule, *escaped[1:]])


def number(value: float | None, decimals: int = 2) -> str:
    """A number for a table: a dash for none, "inf" for infinity."""
    if value is None:
        return _NOTHING
    return f"{value:.{decimals}f}" if math.isfinite(value) else "inf"


SCORE_HEADERS = (
    "model",
    "condition",
    "rot med°",
    "rot mean°",
    "dir med°",
    "dir mean°",
    "AUC@5",
    "AUC@10",
    "AUC@20",
    "rot AUC@5",
    "@10",
    "@20",
    "dir AUC@5",
    "@10",
    "@20",
    "metres med",
    "N rot",
    "N dir",
    "failed",
)
"""Columns of `score_row`."""


def score_row(model: str, score: Score) -> list[str]:
    """One line of a score table."""
    lengths = score.metric_translation
    return [
        model,
        score.condition,
        number(score.rotation.median_deg),
        number(score.rotation.mean_deg),
        number(score.direction.median_deg),
        number(score.direction.mean_deg),
        *(number(score.total.auc.get(threshold)) for threshold in (5.0, 10.0, 20.0)),
        *(number(score.rotation.auc.get(threshold)) for threshold in (5.0, 10.0, 20.0)),
        *(number(score.direction.auc.get(threshold)) for threshold in (5.0, 10.0, 20.0)),
        number(lengths.median_m if lengths else None, 3),
        str(score.counts.pairs),
        str(score.counts.with_direction),
        str(score.counts.failed),
    ]


def score_notes(score: Score) -> list[str]:
    """What a reader must know about a score, one line each."""
    counts = score.counts
    counted = (
        f"{score.condition}: rotation over {counts.pairs} pairs; direction and total over {counts.with_direction}: "
        f"left out are {counts.short_baseline} with a baseline under {score.baseline_threshold_m:g} m and "
        f"{counts.rotation_only} labelled with rotation only"
    )
    lines = [counted]
    if counts.failed:
        lines.append(
            f"{score.condition}: {counts.failed} pairs count as 180 degrees: the model raised on {counts.error}, "
            f"{counts.invalid} answers are no rotation, {counts.missing} are missing"
        )
    return lines


CONVENTION_HEADERS = ("AUC", "avbench", "N", "foreign", "N", "difference")
"""Columns of `convention_row`."""


def convention_row(row: AucRow) -> list[str]:
    """One line of a comparison of conventions."""
    difference = None if row.foreign is None or row.ours is None else row.foreign - row.ours
    return [
        f"{row.quantity} @{row.threshold_deg:g}",
        number(row.ours),
        str(row.ours_n),
        number(row.foreign),
        str(row.foreign_n),
        _NOTHING if difference is None else f"{difference:+.2f}",
    ]
