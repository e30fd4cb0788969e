"""Tables as plain text and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.scoring.bootstrap import Difference, Estimate, IntervalNote
from avbench.benchmark.scoring.conventions import ConventionRow
from avbench.benchmark.scoring.score import Score
from avbench.preprocessing.base.escape import markdown_text

_NOTHING = "-"
UNCORRECTED = "each interval is for itself, not corrected for their number"
"""Said of a table whose intervals are a family that nothing corrects."""


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in aligned columns for a terminal; the first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in [headers, *rows]) for column in range(len(headers))]
    lines = [_aligned(headers, widths), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_aligned(row, widths) for row in rows)])


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    return "  ".join([first, *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]).rstrip()


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table in Markdown; the content of every cell is shown as plain text."""
    escaped = [[markdown_text(cell) for cell in row] for row in [headers, *rows]]
    return markdown_rows(escaped[0], escaped[1:])


def markdown_rows(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    rule = [":--", *("--:" for _ in headers[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in [headers, rule, *rows])


def number(value: float | None, decimals: int = 2) -> str:
    """A number for a table: a dash for none, "inf" for infinity."""
    if value is None:
        return _NOTHING
    return f"{value:.{decimals}f}" if math.isfinite(value) else "inf"


def estimate_text(found: Estimate, decimals: int = 2) -> str:
    """A number with its interval: "7.25 [6.9, 7.6]", an asterisk where groups are few, the number alone without one.

    The ends have one decimal less than the number, unless the interval is too narrow for that.
    """
    return _NOTHING if math.isnan(found.value) else number(found.value, decimals) + _ends(found, decimals, "")


def difference_text(found: Difference, decimals: int = 2) -> str:
    """A difference with its interval, with signs: "-0.85 [-1.2, -0.5]"."""
    result = found.estimate
    if not math.isfinite(result.value):
        return _NOTHING
    return f"{result.value:+.{decimals}f}" + _ends(result, decimals, "+")


def _ends(found: Estimate, decimals: int, sign: str) -> str:
    if found.low is None or found.high is None:
        return ""
    fewer = end_decimals(found, decimals)
    low, high = (f"{end:{sign}.{fewer}f}" if math.isfinite(end) else "inf" for end in (found.low, found.high))
    return f" [{low}, {high}]" + ("*" if found.note is IntervalNote.FEW_GROUPS else "")


def end_decimals(found: Estimate, decimals: int) -> int:
    """Decimals of the ends of an interval: one fewer than the number has, unless it is too narrow for that."""
    narrow = found.low is None or found.high is None or found.high - found.low < 5 * 10.0 ** -(decimals - 1)
    return decimals if narrow else decimals - 1


def p_value_text(p_value: float | None) -> str:
    """A p-value: a dash for none, and no more digits than it has."""
    if p_value is None:
        return _NOTHING
    return "<0.0001" if p_value < 1e-4 else f"{p_value:.4f}"


def interval_notes(estimates: Collection[Estimate]) -> list[str]:
    """What a reader must know about the intervals of a table, one line each, and for how many groups it holds."""
    noted: dict[IntervalNote, list[Estimate]] = {}
    for found in estimates:
        if found.note is not IntervalNote.NONE:
            noted.setdefault(found.note, []).append(found)
    lines = []
    for note, founds in noted.items():
        flag = "* " if note is IntervalNote.FEW_GROUPS else ""
        # Where nothing is scored, or errors are infinite, the number of groups explains nothing.
        explained = note in (IntervalNote.FEW_GROUPS, IntervalNote.TOO_FEW_GROUPS)
        lines.append(f"{flag}{note}" + (f" ({_groups_of(founds)})" if explained else ""))
    return lines


def groups_text(groups: int, effective: float | None, largest: float | None) -> str:
    """How many groups there are, and how many equal ones they are worth where these are noticeably fewer."""
    many = f"{groups} group{'' if groups == 1 else 's'}"
    if effective is None or largest is None or effective > 0.9 * groups:
        return many
    return f"{many} worth {effective:.1f} equal ones, the largest with {100 * largest:.0f} % of the pairs"


def _groups_of(founds: Sequence[Estimate]) -> str:
    counts = [found.groups for found in founds]
    if min(counts) < max(counts):
        return f"{min(counts)} to {max(counts)} groups"
    worst = min(founds, key=lambda found: found.groups if found.effective_groups is None else found.effective_groups)
    return groups_text(worst.groups, worst.effective_groups, worst.largest_share)


_HEADLINES = (
    ("rot med°", "rotation.median_deg"),
    ("rot mean°", "rotation.mean_deg"),
    ("dir med°", "direction.median_deg"),
    ("dir mean°", "direction.mean_deg"),
    ("AUC@10", "total.auc@10"),
    ("AUC@20", "total.auc@20"),
)
CHANGE_METRIC = "total.auc@20"
"""The metric whose change from clean a table shows."""

HEADLINE_HEADERS = ("model", "condition", *(text for text, _ in _HEADLINES), "@20 - clean", "N rot", "N dir", "failed")
"""Columns of `headline_row`."""


def headline_row(model: str, score: Score) -> list[str]:
    """One line of a score table: the headlines with their intervals."""
    change = score.change_from_clean
    return [
        model,
        score.condition,
        *(estimate_text(score.estimates[name]) for _, name in _HEADLINES),
        _NOTHING if change is None else difference_text(change[CHANGE_METRIC]),
        str(score.counts.pairs),
        str(score.counts.with_direction),
        str(score.counts.failed),
    ]


def headline_notes(scores: Sequence[Score]) -> list[str]:
    """What a reader must know about the intervals of a score table."""
    changes = sum(entry.change_from_clean is not None for entry in scores)
    family = [f"@20 - clean: {changes} changes, {UNCORRECTED}"] if changes > 1 else []
    return [*family, *interval_notes([entry.estimates[name] for entry in scores for _, name in _HEADLINES])]


_FURTHER = (
    ("AUC@5", "total.auc@5", 2),
    ("rot AUC@5", "rotation.auc@5", 2),
    ("@10", "rotation.auc@10", 2),
    ("@20", "rotation.auc@20", 2),
    ("dir AUC@5", "direction.auc@5", 2),
    ("@10", "direction.auc@10", 2),
    ("@20", "direction.auc@20", 2),
    ("metres med", "metric_translation.median_m", 3),
    ("metres mean", "metric_translation.mean_m", 3),
)
FURTHER_HEADERS = ("model", "condition", *(text for text, _, _ in _FURTHER))
"""Columns of `further_row`."""


def further_row(model: str, score: Score) -> list[str]:
    """One line of the second score table: what is not a headline."""
    return [model, score.condition, *(number(score.value(name), decimals) for _, name, decimals in _FURTHER)]


def shared_score_notes(scores: Sequence[Score]) -> list[str]:
    """The notes of several conditions; what holds for more than one is said once."""
    conditions: dict[str, list[str]] = {}
    for score in scores:
        for line in score_notes(score):
            conditions.setdefault(line.removeprefix(f"{score.condition}: "), []).append(score.condition)
    everywhere = len(scores) if len(scores) > 1 else 0
    return [
        f"{'every condition' if len(names) == everywhere else ', '.join(names)}: {text}"
        for text, names in conditions.items()
    ]


def score_notes(score: Score) -> list[str]:
    """What a reader must know about a score, one line each."""
    counts = score.counts
    limit_deg = load_metrics_spec().direction_sigma_limit_deg
    uncertain = (
        f"{counts.uncertain_direction} of unknown scale whose direction is uncertain by over {limit_deg:g} degrees"
    )
    counted = (
        f"{score.condition}: rotation over {counts.pairs} pairs; direction and total over {counts.with_direction}: "
        f"left out are {counts.short_baseline} with a baseline under {score.baseline_threshold_m:g} m"
        f"{f', {uncertain}' if counts.uncertain_direction else ''} and "
        f"{counts.rotation_only} labelled with rotation only"
    )
    lines = [counted]
    if counts.failed:
        lines.append(
            f"{score.condition}: {counts.failed} pairs count as 180 degrees: the model raised on {counts.error}, "
            f"{counts.invalid} answers are no rotation, {counts.missing} are missing"
        )
    return lines


CONVENTION_HEADERS = ("measure", "avbench", "N", "foreign", "N", "difference")
"""Columns of `convention_row`."""


def convention_row(row: ConventionRow) -> list[str]:
    """One line of a comparison of conventions."""
    difference = None if row.foreign is None or row.ours is None else row.foreign - row.ours
    metres = "" if row.threshold_m is None else f"{row.threshold_m:g} m, "
    return [
        f"{row.quantity} {row.measure} @{metres}{row.threshold_deg:g}",
        number(row.ours),
        str(row.ours_n),
        _percent_or_nan(row.foreign),
        str(row.foreign_n),
        _NOTHING if difference is None else _percent_or_nan(difference, "+"),
    ]


def _percent_or_nan(value: float | None, sign: str = "") -> str:
    return _NOTHING if value is None else "NaN" if math.isnan(value) else f"{value:{sign}.2f}"
