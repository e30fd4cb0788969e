"""Blocks that the parts of the page are built from: sections, tables that scroll, tabs, legends, lists of notes."""

from __future__ import annotations

from collections.abc import Sequence

from avbench.benchmark.comparison_tables import Table
from avbench.benchmark.report.drawing import drawing, line, series_class
from avbench.benchmark.report.gather import ReportData
from avbench.benchmark.report.markup import NOTHING, Child, Markup, element


def section(anchor: str, title: str, *children: Child, lead: Child = None) -> Markup:
    """A part of the page with its heading and a sentence on how to read it."""
    return element(
        "section",
        element("h2", title, id=anchor),
        element("p", lead, class_="lead") if lead else None,
        children,
        aria_labelledby=anchor,
    )


def run_legend(data: ReportData) -> Markup:
    """Names of the runs with their colours; nothing for a single run."""
    if len(data.runs) == 1:
        return NOTHING
    entries = [element("li", colour_key(series_class(number)), run.label) for number, run in enumerate(data.runs)]
    return element("ul", entries, class_="legend", aria_label="Colours of the runs")


def colour_key(class_: str) -> Markup:
    """A short line in a colour, for legends."""
    return drawing("", 18, 8, line(0, 4, 18, 4, f"curve {class_}"), class_="key")


def scrolling(table: Markup, caption: str) -> Markup:
    """A table that scrolls sideways where it is wider than the screen, and what it is of."""
    # Focusable, so that it can be scrolled from the keyboard.
    frame = element("div", table, class_="scroll", tabindex="0", role="group", aria_label=caption)
    return element("figure", element("figcaption", caption), frame, class_="table")


def note_list(lines: Sequence[str]) -> Markup:
    """Lines below a table; nothing without any."""
    return element("ul", [element("li", words) for words in lines], class_="notes") if lines else NOTHING


def tabs(group: str, panels: Sequence[tuple[str, Child]]) -> Markup:
    """Panels of which one is shown; works without a script."""
    parts: list[Child] = []
    for place, (words, _) in enumerate(panels):
        parts.append(element("input", type="radio", name=group, id=f"{group}-{place}", checked=place == 0))
        parts.append(element("label", words, for_=f"{group}-{place}"))
    parts += [element("div", content, class_="panel") for _, content in panels]
    return element("div", parts, class_="tabs")


def plain_table(table: Table) -> Markup:
    """A table of text with its notes."""
    head = element("tr", [element("th", words, scope="col") for words in table.headers])
    rows = [element("tr", [element("td", words) for words in row]) for row in table.rows]
    drawn = element("table", element("thead", head), element("tbody", rows), class_="plain")
    return element("div", scrolling(drawn, table.title), note_list(table.notes))
