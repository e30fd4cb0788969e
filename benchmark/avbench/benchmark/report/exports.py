"""The score table as CSV and Markdown, and the captions of all tables; `latex` has the one for papers."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

from avbench.benchmark.report.best import RULE
from avbench.benchmark.report.columns import Columns, Fact
from avbench.benchmark.report.gather import ReportData
from avbench.benchmark.report.latex import INTERVAL_WORDS, latex_table
from avbench.benchmark.report.score_table import ScoreLine, metric_words, shown_metrics
from avbench.benchmark.scoring.metric import all_metrics
from avbench.benchmark.tables.scores import CHANGE_METRIC, difference_text, interval_notes, markdown_rows
from avbench.preprocessing.base import escape

CSV_NAME = "scores.csv"
MARKDOWN_NAME = "scores.md"
LATEX_NAME = "scores.tex"

_HEADS = {
    Fact.PAIRS: "N rot",
    Fact.WITH_DIRECTION: "N dir",
    Fact.CHANGE: f"{metric_words(CHANGE_METRIC, unit=False)} minus clean",
}


def csv_text(data: ReportData, lines: Sequence[ScoreLine], columns: Columns | None = None) -> str:
    """Numbers in full precision with both ends of their intervals; a field is empty where there is no number.

    Args:
        data: The runs and their data set.
        lines: The rows.
        columns: The columns; None for every metric, and what the numbers are of.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    if columns is None:
        metrics = list(all_metrics())
        header = ["model", "condition", "split", "dataset_fingerprint", "data", "pairs", "groups"]
        writer.writerow([*header, "pairs_with_direction", "error", "invalid", "missing", *_csv_heads(metrics)])
        for line in lines:
            counts = line.counts
            row: list[object] = [line.run, line.condition, data.split, data.dataset.fingerprint, data.origin]
            row += [counts.pairs, data.clusters.groups, counts.with_direction]
            row += [counts.error, counts.invalid, counts.missing]
            writer.writerow([*row, *(field for name in metrics for field in _csv_fields(line, name))])
        return file.getvalue()
    writer.writerow(_csv_heads(columns.names))
    for line in lines:
        fields = [
            [line.fact(name, data.clusters.groups)]
            if isinstance(name, Fact) and name is not Fact.CHANGE
            else _csv_fields(line, name)
            for name in columns.names
        ]
        writer.writerow([field for group in fields for field in group])
    return file.getvalue()


def _csv_heads(names: Sequence[Fact | str]) -> list[str]:
    heads = []
    for name in names:
        words = f"{CHANGE_METRIC} minus clean" if name is Fact.CHANGE else str(name)
        alone = isinstance(name, Fact) and name is not Fact.CHANGE
        heads += [words] if alone else [words, f"{words} low", f"{words} high"]
    return heads


def _csv_fields(line: ScoreLine, name: Fact | str) -> list[str]:
    ends: tuple[float | None, ...]
    if name is Fact.CHANGE:
        found = None if line.change is None else line.change.estimate
        if found is None:
            return ["", "", ""]
        ends = (found.value, found.low, found.high)
    else:
        cell = line.cells[name]
        ends = (cell.value, cell.estimate.low, cell.estimate.high)
    return ["" if end is None else repr(end) for end in ends]


def default_columns(lines: Sequence[ScoreLine], *, counts: bool) -> Columns:
    """The columns of the page: model, condition and the metrics shown there; the counts too where they are wanted."""
    numbers = (Fact.PAIRS, Fact.WITH_DIRECTION, Fact.FAILED) if counts else ()
    return Columns((Fact.MODEL, Fact.CONDITION, *shown_metrics(lines), *numbers))


def markdown_text(data: ReportData, lines: Sequence[ScoreLine], columns: Columns | None = None) -> str:
    """A table in Markdown, with its caption above and its notes below.

    Args:
        data: The runs and their data set.
        lines: The rows.
        columns: The columns; None for those of the page.
    """
    columns = columns or default_columns(lines, counts=True)
    heads = [
        metric_words(name) if not isinstance(name, Fact) else _HEADS.get(name, str(name)) for name in columns.names
    ]
    rows = [[_markdown_cell(line, name, data.clusters.groups) for name in columns.names] for line in lines]
    notes = [*footnotes(data, lines), *_interval_notes(lines, columns), *best_notes(lines, columns)]
    return "\n".join(
        [
            escape.markdown_text(caption(data)),
            "",
            markdown_rows([escape.markdown_text(head) for head in heads], rows),
            "",
            *(f"- {escape.markdown_text(note)}" for note in notes),
            "",
        ]
    )


def _markdown_cell(line: ScoreLine, name: Fact | str, groups: int) -> str:
    if isinstance(name, Fact):
        if name is not Fact.CHANGE:
            return escape.markdown_text(str(line.fact(name, groups)))
        return escape.markdown_text("-" if line.change is None else difference_text(line.change))
    cell = line.cells[name]
    if not cell.best:
        return escape.markdown_text(cell.text)
    return f"**{escape.markdown_text(cell.value_text)}** {escape.markdown_text(cell.interval_text)}".rstrip()


def latex_text(data: ReportData, lines: Sequence[ScoreLine], columns: Columns | None = None) -> str:
    """A table for a paper.

    Args:
        data: The runs and their data set.
        lines: The rows.
        columns: The columns; None for those of the page without the counts, which the caption has.
    """
    columns = columns or default_columns(lines, counts=False)
    notes = [*footnotes(data, lines), INTERVAL_WORDS]
    notes += [*_interval_notes(lines, columns), *best_notes(lines, columns)]
    return latex_table(lines, columns, data.clusters.groups, [caption(data), *notes])


def caption(data: ReportData) -> str:
    """What the table is of, in one line; simulated data is called so."""
    count = f"{len(data.labels)} pairs in {data.clusters.groups} groups"
    part = "" if data.limit is None else f", only the first {len(data.labels)} pairs of the split"
    kind = {"recorded": "recorded data", "simulated": "simulated data"}.get(data.origin, f"data ({data.origin})")
    return f"Split {data.split} of {kind} {data.dataset.fingerprint[:12]}: {count}{part}; 95 % intervals by group."


def footnotes(data: ReportData, lines: Sequence[ScoreLine]) -> list[str]:
    """What was counted, what failed, and what else a reader must know of the runs."""
    counted = lines[0].counts
    notes = [f"rotation over {counted.pairs} pairs, direction and pose over {counted.with_direction}"]
    failed: Counter[str] = Counter()
    for line in lines:
        failed[line.run] += line.counts.failed
    several = "" if len({line.condition for line in lines}) == 1 else ", over all conditions"
    named = ", ".join(f"{times} of {run}" for run, times in failed.items() if times)
    notes.append(f"failed answers, which count as 180 degrees{several}: {named}" if named else "no answer failed")
    return [*notes, *data.notes]


def best_notes(lines: Sequence[ScoreLine], columns: Columns) -> list[str]:
    """What bold means; nothing where nothing is."""
    return [RULE] if any(line.cells[name].best for line in lines for name in columns.metrics) else []


def _interval_notes(lines: Sequence[ScoreLine], columns: Columns) -> list[str]:
    cells = [line.cells[name] for line in lines for name in columns.metrics]
    return interval_notes([cell.estimate for cell in cells if cell.value is not None])
