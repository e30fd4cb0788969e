"""A board as Markdown and as one self-contained HTML page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from avbench.benchmark.tables import markdown_table, number
from avbench.leaderboards.board import Board, Entry
from avbench.preprocessing.atomic import write_text
from avbench.preprocessing.locks import sole_writer

MARKDOWN_NAME = "README.md"
HTML_NAME = "index.html"

_HEADERS = (
    "model",
    "rank",
    "rot med°",
    "rot mean°",
    "dir med°",
    "dir mean°",
    "AUC@5",
    "AUC@10",
    "AUC@20",
    "rot AUC@20",
    "N rot",
    "N dir",
    "failed",
    "team",
    "date",
    "entry",
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --dim: #656d76; --line: #d9dee3; --page: #fff; --mark: #f3f6fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --dim: #98a1ab; --line: #343b44; --page: #14181d; --mark: #1c2229; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 76rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p, dd { color: var(--dim); max-width: 60rem; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; font-size: .92rem; }
th, td { padding: .4rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--dim); font-weight: 600; } th:first-child, td:first-child { text-align: left; }
tbody tr:first-child td { background: var(--mark); font-weight: 600; } code { font-size: .88em; } a { color: inherit; }
"""


def render(board: Board) -> None:
    """Write the board's pages into its folder; both from the same rows."""
    # Under the lock of the board, so that the last pages written are those with the last entry.
    with sole_writer(board.folder, wait=True):
        write_text(board.folder / MARKDOWN_NAME, markdown_page(board))
        write_text(board.folder / HTML_NAME, html_page(board))


def board_rows(board: Board, condition: str) -> list[list[str]]:
    """Cells of the board's table for one condition, best entry first."""
    return [_row(rank, entry, entry.scores[condition]) for rank, entry in board.ranked()]


def markdown_page(board: Board) -> str:
    """The board as Markdown."""
    lines = [f"# {board.config.title}", "", *_facts(board), ""]
    for condition in board.config.conditions:
        lines += [f"## {condition}", "", markdown_table(_HEADERS, board_rows(board, condition)), ""]
    return "\n".join(lines)


def html_page(board: Board) -> str:
    """The board as one HTML page that needs nothing from elsewhere."""
    title = html.escape(board.config.title)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        *(f"<p>{html.escape(fact)}</p>" for fact in _facts(board)),
    ]
    links = {entry.entry_id: entry.submission.url for entry in board.entries()}
    for condition in board.config.conditions:
        parts.append(f"<h2>{html.escape(condition)}</h2>")
        parts.append(_html_table(_HEADERS, board_rows(board, condition), links))
    notes = [entry for _, entry in board.ranked() if entry.submission.description]
    if notes:
        parts.append("<h2>About the entries</h2><dl>")
        for entry in notes:
            name, text = html.escape(entry.submission.name), html.escape(entry.submission.description)
            parts.append(f"<dt>{name} <code>{entry.entry_id}</code></dt><dd>{text}</dd>")
        parts.append("</dl>")
    return "\n".join([*parts, "</body></html>", ""])


def _facts(board: Board) -> list[str]:
    config = board.config
    data = f"{config.pairs} pairs of the split {config.split} of data set {config.dataset_fingerprint[:12]}"
    ranking = f"ranked by {config.rank_by} on {config.conditions[0]}"
    units = "Errors in degrees, areas under the curve in percent."
    counts = "Direction and AUC are over the pairs with a direction (N dir), rotation over all (N rot)"
    return [
        f"{data}; scored by this board with metrics {config.metrics_spec_version}; {ranking}.",
        f"{units} {counts}; a failed pair counts as 180 degrees.",
    ]


def _row(rank: int, entry: Entry, score: Mapping[str, Any]) -> list[str]:
    counts, total = score["counts"], score["total"]["auc"]
    failed = counts["error"] + counts["invalid"] + counts["missing"]
    return [
        entry.submission.name,
        str(rank),
        *(number(score[kind][what]) for kind in ("rotation", "direction") for what in ("median_deg", "mean_deg")),
        *(number(total.get(threshold)) for threshold in ("5", "10", "20")),
        number(score["rotation"]["auc"].get("20")),
        str(counts["pairs"]),
        str(counts["with_direction"]),
        str(failed),
        entry.submission.team or "-",
        entry.submitted_at[:10],
        entry.entry_id,
    ]


def _html_table(headers: Sequence[str], rows: Sequence[Sequence[str]], links: Mapping[str, str]) -> str:
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in headers)
    body = []
    for row in rows:
        cells = [html.escape(cell) for cell in row]
        url = links[row[-1]]
        if url:
            cells[0] = f'<a href="{html.escape(url)}">{cells[0]}</a>'
        cells[-1] = f"<code>{cells[-1]}</code>"
        body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    lines = "\n".join(body)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{lines}\n</tbody></table></div>'
