"""The score table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from avbench.benchmark.report.gather import ReportData
from avbench.benchmark.report.score_table import ScoreLine, metric_words, shown_metrics
from avbench.benchmark.scoring.intervals import all_metrics
from avbench.benchmark.tables.scores import markdown_table
from avbench.preprocessing.base import escape

CSV_NAME = "scores.csv"
MARKDOWN_NAME = "scores.md"
LATEX_NAME = "scores.tex"

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "°": r"$^{\circ}$",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
}


def csv_text(data: ReportData, lines: Sequence[ScoreLine]) -> str:
    """Every metric in full precision with both ends of its interval; a field is empty where there is no number."""
    metrics = list(all_metrics())
    header = ["model", "condition", "split", "dataset_fingerprint", "data", "pairs", "groups", "pairs_with_direction"]
    header += ["error", "invalid", "missing"]
    header += [column for name in metrics for column in (name, f"{name} low", f"{name} high")]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for line in lines:
        counts = line.counts
        row: list[object] = [line.run, line.condition, data.split, data.dataset.fingerprint, data.origin]
        row += [counts.pairs, data.clusters.groups, counts.with_direction, counts.error, counts.invalid, counts.missing]
        for name in metrics:
            cell = line.cells[name]
            row += ["" if end is None else repr(end) for end in (cell.value, cell.estimate.low, cell.estimate.high)]
        writer.writerow(row)
    return file.getvalue()


def _table(lines: Sequence[ScoreLine]) -> tuple[list[str], list[list[str]]]:
    metrics = shown_metrics(lines)
    header = ["model", "condition", *(metric_words(name) for name in metrics), "N rot", "N dir", "failed"]
    rows = [
        [
            line.run,
            line.condition,
            *(line.cells[name].text for name in metrics),
            str(line.counts.pairs),
            str(line.counts.with_direction),
            str(line.counts.failed),
        ]
        for line in lines
    ]
    return header, rows


def markdown_text(data: ReportData, lines: Sequence[ScoreLine], notes: Sequence[str]) -> str:
    """The table of the page in Markdown, with its caption and notes."""
    header, rows = _table(lines)
    return "\n".join(
        [
            escape.markdown_text(caption(data)),
            "",
            markdown_table(header, rows),
            "",
            *(f"- {escape.markdown_text(note)}" for note in notes),
            "",
        ]
    )


def latex_text(data: ReportData, lines: Sequence[ScoreLine], notes: Sequence[str]) -> str:
    """The table of the page as a plain LaTeX tabular that needs no package; caption and notes are comments."""
    header, rows = _table(lines)
    body = [" & ".join(latex_escape(cell) for cell in row) + r" \\" for row in rows]
    return "\n".join(
        [
            *(f"% {' '.join(words.split())}" for words in (caption(data), *notes)),
            rf"\begin{{tabular}}{{ll{'r' * (len(header) - 2)}}}",
            r"\hline",
            " & ".join(latex_escape(cell) for cell in header) + r" \\",
            r"\hline",
            *body,
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    )


def latex_escape(words: str) -> str:
    """Text in which nothing is a command to LaTeX."""
    return "".join(_LATEX.get(character, character) for character in " ".join(words.split()))


def caption(data: ReportData) -> str:
    """What the table is of, in one line; simulated data is called so."""
    count = f"{len(data.labels)} pairs in {data.clusters.groups} groups"
    part = "" if data.limit is None else f", only the first {len(data.labels)} pairs of the split"
    kind = {"recorded": "recorded data", "simulated": "simulated data"}.get(data.origin, f"data ({data.origin})")
    return f"Split {data.split} of {kind} {data.dataset.fingerprint[:12]}: {count}{part}; 95 % intervals by group."
