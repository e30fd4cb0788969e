"""A comparison of two runs as tables: headers and rows of text, for a terminal, Markdown or a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from avbench.benchmark.data.origin import SIMULATED
from avbench.benchmark.scoring.bootstrap import Estimate
from avbench.benchmark.scoring.breakdown import StratumDifference
from avbench.benchmark.scoring.comparison import Comparison
from avbench.benchmark.tables.scores import (
    difference_text,
    estimate_text,
    groups_text,
    interval_notes,
    markdown_table,
    number,
    p_value_text,
    text_table,
)


@dataclass(frozen=True)
class Table:
    """A table with what goes above and below it.

    Attributes:
        title: One line above.
        headers: Column heads.
        rows: Cells, as wide as the heads.
        notes: Lines below.
    """

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """For a terminal."""
        return "\n".join([self.title, text_table(self.headers, self.rows), *self.notes])

    def markdown(self) -> str:
        """In Markdown, notes as a list."""
        notes = "\n".join(f"- {note.removeprefix('* ')}" for note in self.notes)
        return f"**{self.title}**\n\n{markdown_table(self.headers, self.rows)}\n\n{notes}"


def comparison_tables(found: Comparison) -> list[Table]:
    """The tables of a comparison: metrics, wins, and robustness where there are corruptions."""
    return [_metric_table(found), _win_table(found), *_robustness_tables(found)]


def _metric_table(found: Comparison) -> Table:
    winner = {"a": found.name_a, "b": found.name_b}
    rows = tuple(
        (
            row.condition,
            f"{row.metric} {'↑' if row.higher_is_better else '↓'}",
            estimate_text(row.a, _decimals(row.unit)),
            estimate_text(row.b, _decimals(row.unit)),
            difference_text(row.difference, _decimals(row.unit)),
            number(row.difference.smallest_detectable, _decimals(row.unit)),
            p_value_text(row.difference.p_value),
            p_value_text(row.family_p_value),
            winner[row.better] if row.better else "-" if row.family_p_value is None else "open",
        )
        for row in found.rows
    )
    notes = [
        f"difference: {found.name_a} minus {found.name_b} on the same pairs; ↓ lower is better, ↑ higher is better",
        "in brackets: 95 % intervals, from resampling groups",
        "detectable: the smallest true difference that would be significant for the table in 80 % of repetitions, or -",
        *_test_notes(found),
        *interval_notes([estimate for row in found.rows for estimate in (row.a, row.b, row.difference.estimate)]),
    ]
    if found.left_out:
        notes.append(f"answered by one run only, so not compared: {', '.join(found.left_out)}")
    return Table(
        f"{found.name_a} against {found.name_b}: {found.pairs} pairs in "
        f"{groups_text(found.groups, found.effective_groups, found.largest_share)}",
        (
            "condition",
            "metric",
            found.name_a,
            found.name_b,
            "difference",
            "detectable",
            "p",
            "p (table)",
            "better",
        ),
        rows,
        tuple(notes),
    )


def _test_notes(found: Comparison) -> list[str]:
    """How the p-values of a comparison were made, of what family they are, and what they cannot reach."""
    if found.smallest_p is None:
        return ["p: nothing could be tested"]
    which = "all" if found.all_exchanges else "drawn"
    lines = [
        f"p: {found.exchanges:,} {which} exchanges of the two within whole groups, each row alone",
        f"p (table) and better: at the 5 % level, corrected over the {found.family} rows of this table",
        f"smallest p that so many groups can give: {p_value_text(found.smallest_p)}",
    ]
    if not found.can_decide:
        lines.append(
            "no difference of so few groups can be significant, however large it is: better stays open in every row"
        )
    return lines


def _win_table(found: Comparison) -> Table:
    rows = tuple(
        (
            count.condition,
            str(count.quantity),
            str(count.wins.a_better),
            str(count.wins.ties),
            str(count.wins.b_better),
            estimate_text(count.wins.share.scaled(100.0), 1),
        )
        for count in found.win_counts
    )
    return Table(
        "Pair by pair",
        ("condition", "error", f"{found.name_a} better", "ties", f"{found.name_b} better", f"{found.name_a} wins %"),
        rows,
        (
            "ties (half a win): errors within 3.92 sigma of each other, as of equally good models in 95 % of cases",
            *_noise_notes(found),
        ),
    )


def _noise_notes(found: Comparison) -> list[str]:
    """What a perfect model would score, and who could share the noise of the labels."""
    if not found.perfect:
        return []
    scores = ", ".join(
        f"{name} {floor.value:.2f} [{floor.low:.2f}, {floor.high:.2f}]" for name, floor in found.perfect.items()
    )
    lines = [f"a perfect model would score on these labels, from their sigma: {scores}"]
    sources = [source for source in found.pose_sources if source != SIMULATED]
    if sources:
        lines.append(
            f"poses of the labels are by {', '.join(sources)}: a model that errs as they do, of the same pictures or "
            "trained on such poses, scores better than one that is closer to the truth"
        )
    return lines


def _robustness_tables(found: Comparison) -> list[Table]:
    if not found.robustness:
        return []
    names = list(found.robustness)
    corruptions = list(next(iter(found.robustness.values())).corruption_error)
    rows = [
        (corruption, *(estimate_text(found.robustness[name].corruption_error[corruption], 3) for name in names))
        for corruption in corruptions
    ]
    summaries = list(found.robustness.values())
    rows.append(("mean (mCE)", *(estimate_text(summary.mean_corruption_error, 3) for summary in summaries)))
    rows.append(
        ("relative mCE", *(_or_dash(summary.relative_mean_corruption_error) for summary in summaries)),
    )
    rows.append(
        (f"clean / corrupted of {found.name_a}", *(_or_dash(summary.relative_performance) for summary in summaries)),
    )
    notes = (
        f"corruption error: summed error of {found.name_a} over that of {found.name_b}; below 1 is better",
        f"relative mCE: the same for the rise over clean; a dash without clean, or where {found.name_b} does not rise",
        *interval_notes(
            [
                estimate
                for summary in summaries
                for estimate in (
                    summary.mean_corruption_error,
                    summary.relative_mean_corruption_error,
                    summary.relative_performance,
                )
                if estimate is not None
            ]
        ),
    )
    return [Table(f"Robustness, with {found.name_b} as the baseline", ("corruption", *names), tuple(rows), notes)]


def where_tables(found: Sequence[StratumDifference], name_a: str, name_b: str) -> list[Table]:
    """Where run A differs from run B: one table per condition and metric, one line per bin."""
    tables: list[Table] = []
    for condition, metric in dict.fromkeys((one.condition, one.metric) for one in found):
        chosen = [one for one in found if (one.condition, one.metric) == (condition, metric)]
        rows: list[tuple[str, ...]] = []
        for stratum in chosen:
            decimals = _decimals(stratum.unit)
            rows += [
                (
                    stratum.stratum.source.name,
                    entry.bin.label,
                    str(entry.difference.estimate.pairs),
                    str(entry.difference.estimate.groups),
                    estimate_text(entry.a, decimals),
                    estimate_text(entry.b, decimals),
                    difference_text(entry.difference, decimals),
                )
                for entry in stratum.bins
            ]
            if stratum.contrast is not None:
                ends = f"({stratum.contrast.low.label}) - ({stratum.contrast.high.label})"
                shown = difference_text(stratum.contrast.difference, decimals)
                rows.append((stratum.stratum.source.name, ends, "", "", "", "", shown))
        better = "higher" if chosen[0].higher_is_better else "lower"
        notes = (
            f"difference: {name_a} minus {name_b}; {better} is better; intervals are not corrected for their number",
            "strata describe the stored pair, before any corruption, by the worse of its frames",
            *interval_notes([entry.difference.estimate for one in chosen for entry in one.bins]),
        )
        tables.append(
            Table(
                f"{metric}, {condition}: where {name_a} differs from {name_b}",
                ("stratum", "bin", "pairs", "groups", name_a, name_b, "difference"),
                tuple(rows),
                notes,
            )
        )
    return tables


def _decimals(unit: str) -> int:
    return 3 if unit == "m" else 2


def _or_dash(found: Estimate | None) -> str:
    return "-" if found is None else estimate_text(found, 3)
