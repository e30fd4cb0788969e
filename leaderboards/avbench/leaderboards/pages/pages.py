"""A board as Markdown and as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from avbench.benchmark.tables.scores import markdown_table, number
from avbench.leaderboards.board.board import Board, Entry, locked
from avbench.preprocessing.base.atomic import write_text
from avbench.preprocessing.base.escape import html_text, markdown_text, web_address

MARKDOWN_NAME = "README.md"
HTML_NAME = "index.html"

_METRICS = {
    "rotation.median_deg": "rot med°",
    "rotation.mean_deg": "rot mean°",
    "direction.median_deg": "dir med°",
    "direction.mean_deg": "dir mean°",
    "total.auc@5": "AUC@5",
    "total.auc@10": "AUC@10",
    "total.auc@20": "AUC@20",
    "rotation.auc@20": "rot AUC@20",
}
_HEADERS = ("model", "rank", *_METRICS.values(), "N rot", "N dir", "failed", "team", "date", "entry")

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
    """Write the board's pages into its folder, both from the same entries."""
    with locked(board.folder):
        write_pages(board, pages_of(board, board.entries()))


def pages_of(board: Board, entries: Sequence[Entry]) -> dict[str, str]:
    """Text of the board's pages by name of the file, with the given entries in the order of arrival."""
    return {MARKDOWN_NAME: markdown_page(board, entries), HTML_NAME: html_page(board, entries)}


def write_pages(board: Board, pages: Mapping[str, str]) -> None:
    """Write pages into the board's folder, which the caller holds (`board.locked`)."""
    for name, text in pages.items():
        write_text(board.folder / name, text)


def board_rows(board: Board, condition: str, entries: Sequence[Entry] | None = None) -> list[list[str]]:
    """Cells of the board's table for one condition, best entry first."""
    return [_row(rank, entry, condition) for rank, entry in board.ranked(entries)]


def markdown_page(board: Board, entries: Sequence[Entry] | None = None) -> str:
    """The board as Markdown; of the folder's entries where none are given."""
    lines = [f"# {markdown_text(board.config.title)}", "", *map(markdown_text, _facts(board)), ""]
    for condition in board.config.conditions:
        table = markdown_table(_HEADERS, board_rows(board, condition, entries))
        lines += [f"## {markdown_text(condition)}", "", table, ""]
    return "\n".join(lines)


def html_page(board: Board, entries: Sequence[Entry] | None = None) -> str:
    """The board as one HTML page that needs nothing from elsewhere; of the folder's entries where none are given."""
    shown = board.entries() if entries is None else entries
    title = html_text(board.config.title)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        *(f"<p>{html_text(fact)}</p>" for fact in _facts(board)),
    ]
    links = {entry.entry_id: entry.submission.url for entry in shown}
    for condition in board.config.conditions:
        parts.append(f"<h2>{html_text(condition)}</h2>")
        parts.append(_html_table(_HEADERS, board_rows(board, condition, shown), links))
    notes = [entry for _, entry in board.ranked(shown) if entry.submission.description]
    if notes:
        parts.append("<h2>About the entries</h2><dl>")
        for entry in notes:
            name, text = html_text(entry.submission.name), html_text(entry.submission.description)
            parts.append(f"<dt>{name} <code>{html_text(entry.entry_id)}</code></dt><dd>{text}</dd>")
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


def _row(rank: int, entry: Entry, condition: str) -> list[str]:
    counts = entry.scores[condition]["counts"]
    failed = counts["error"] + counts["invalid"] + counts["missing"]
    return [
        entry.submission.name,
        str(rank),
        *(number(entry.value(condition, metric)) for metric in _METRICS),
        str(counts["pairs"]),
        str(counts["with_direction"]),
        str(failed),
        entry.submission.team or "-",
        entry.submitted_at[:10],
        entry.entry_id,
    ]


def _html_table(headers: Sequence[str], rows: Sequence[Sequence[str]], links: Mapping[str, str]) -> str:
    head = "".join(f"<th>{html_text(cell)}</th>" for cell in headers)
    body = []
    for row in rows:
        cells = [html_text(cell) for cell in row]
        url = web_address(links[row[-1]])
        if url is not None:
            cells[0] = f'<a href="{html_text(url)}" rel="nofollow">{cells[0]}</a>'
        cells[-1] = f"<code>{cells[-1]}</code>"
        body.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    lines = "\n".join(body)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{lines}\n</tbody></table></div>'
