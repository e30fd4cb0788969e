"""Writing a report: the page and its tables, each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from avbench.benchmark.report.columns import choose_columns
from avbench.benchmark.report.exports import (
    CSV_NAME,
    LATEX_NAME,
    MARKDOWN_NAME,
    csv_text,
    latex_text,
    markdown_text,
)
from avbench.benchmark.report.gather import gather
from avbench.benchmark.report.page import page_text
from avbench.benchmark.report.pairs.worst import DEFAULT_PAIRS, DEFAULT_SOUNDING_PAIRS, worst_pairs
from avbench.benchmark.report.score_table import score_lines
from avbench.benchmark.scoring.score import ScoredRun
from avbench.preprocessing.base.atomic import remove_strays, write_text


def write_report(
    runs: Sequence[Path],
    data: Path,
    out: Path,
    *,
    split: str | None = None,
    pairs: int = DEFAULT_PAIRS,
    sounding: int = DEFAULT_SOUNDING_PAIRS,
    columns: Sequence[str] = (),
    scored: Sequence[ScoredRun] = (),
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write the report of one or several runs on one data set, and `scores.csv`, `.md` and `.tex` beside it.

    Every number is computed from the predictions; a score that a run wrote down gives the baseline threshold
    and must belong to its predictions. Files of an earlier report are replaced.

    Args:
        runs: Folders of runs, or predictions files; the worst pairs of the first are shown.
        data: The data set that they were made on.
        out: The HTML file.
        split: The split; None for the one that the runs name.
        pairs: How many of the worst pairs are shown, at most 20.
        sounding: How many of these carry their sound.
        columns: Columns of the exported tables by name (`columns.column_names`), in this order; none for the usual.
        scored: The same runs where they are scored already, in order; none to read and score them.
        say: Called with each line on the runs that the user should see; the page has them too.

    Returns:
        The files written, the page first.

    Raises:
        InputError: A run or the data set is missing or damaged, there is no such column, or the runs cannot stand in
            one report.
        OutputError: A file cannot be written.
    """
    chosen = choose_columns(columns) if columns else None
    gathered = gather(runs, data, split=split, scored=scored)
    if say is not None:
        for note in gathered.notes:
            say(note)
    lines = score_lines(gathered)
    texts = {
        out: page_text(gathered, lines, worst_pairs(gathered, count=pairs, sounding=sounding)),
        out.with_name(CSV_NAME): csv_text(gathered, lines, chosen),
        out.with_name(MARKDOWN_NAME): markdown_text(gathered, lines, chosen),
        out.with_name(LATEX_NAME): latex_text(gathered, lines, chosen),
    }
    remove_strays(out.parent)
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)
