"""A board as Markdown and as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from avbench.benchmark.scoring.metric import all_metrics
from avbench.benchmark.tables.scores import markdown_table, number
from avbench.leaderboards.board.board import Board, Entry, locked
from avbench.preprocessing.base.atomic import write_text
from avbench.preprocessing.base.escape import markdown_text, one_line, web_address

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

_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class _Cell:
    text: str
    is_best: bool


@dataclass(frozen=True)
class _Line:
    """An entry in the table of a condition, as the template shows it."""

    rank: int
    name: str
    url: str | None
    team: str
    values: tuple[_Cell, ...]
    pairs: int
    with_direction: int
    failed: int
    date: str
    entry_id: str


@cache
def _environment() -> jinja2.Environment:
    # Names and descriptions come from strangers: everything is escaped but what is marked as markup.
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


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
    style = (_TEMPLATES / "board.css").read_text(encoding="utf-8")
    notes = [
        {"name": one_line(info.name), "entry_id": entry.entry_id, "description": one_line(info.description)}
        for _, entry in board.ranked(shown)
        if (info := entry.submission).description
    ]
    return (
        _environment()
        .get_template("board.html")
        .render(
            title=one_line(board.config.title),
            style=Markup(style),  # noqa: S704 - a file of this package
            facts=_facts(board),
            metrics=tuple(_METRICS.values()),
            tables=[(one_line(condition), _lines(board, condition, shown)) for condition in board.config.conditions],
            notes=notes,
        )
    )


def _lines(board: Board, condition: str, entries: Sequence[Entry]) -> list[_Line]:
    """The lines of a condition's table, best entry first."""
    ranked = board.ranked(entries)
    best = {metric: _best([entry.value(condition, metric) for _, entry in ranked], metric) for metric in _METRICS}
    return [_line(rank, entry, condition, best) for rank, entry in ranked]


def _best(values: Sequence[float | None], metric: str) -> float | None:
    """The best of several values, None where there are fewer than two that differ."""
    scored = [value for value in values if value is not None]
    if len(set(scored)) < 2:
        return None
    return max(scored) if all_metrics()[metric].higher_is_better else min(scored)


def _line(rank: int, entry: Entry, condition: str, best: Mapping[str, float | None]) -> _Line:
    counts, info = entry.scores[condition]["counts"], entry.submission
    values = {metric: entry.value(condition, metric) for metric in _METRICS}
    return _Line(
        rank=rank,
        name=one_line(info.name),
        url=web_address(info.url),
        team=one_line(info.team),
        values=tuple(_Cell(number(v), v is not None and v == best[metric]) for metric, v in values.items()),
        pairs=counts["pairs"],
        with_direction=counts["with_direction"],
        failed=_failed(counts),
        date=entry.submitted_at[:10],
        entry_id=entry.entry_id,
    )


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
    return [
        entry.submission.name,
        str(rank),
        *(number(entry.value(condition, metric)) for metric in _METRICS),
        str(counts["pairs"]),
        str(counts["with_direction"]),
        str(_failed(counts)),
        entry.submission.team or "-",
        entry.submitted_at[:10],
        entry.entry_id,
    ]


def _failed(counts: Mapping[str, int]) -> int:
    return counts["error"] + counts["invalid"] + counts["missing"]
