"""The page: all parts, the style and the script in one HTML file that asks for nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from avbench.benchmark.report.exports import CSV_NAME, LATEX_NAME, MARKDOWN_NAME, caption
from avbench.benchmark.report.facts import facts_section, notes_section, warnings
from avbench.benchmark.report.gather import ReportData
from avbench.benchmark.report.listening import listening_section
from avbench.benchmark.report.markup import Markup, element
from avbench.benchmark.report.pair_section import pair_section
from avbench.benchmark.report.pairs import PairView
from avbench.benchmark.report.score_table import ScoreLine
from avbench.benchmark.report.sections import (
    comparison_section,
    corruption_section,
    curve_section,
    headline_section,
    score_section,
    strata_section,
)

_FOLDER = Path(__file__).parent
_SECTIONS = (
    ("scores", "Scores"),
    ("comparison", "Run against run"),
    ("corruption", "Corruption"),
    ("listening", "Listening"),
    ("curves", "Curves"),
    ("strata", "Breakdown"),
    ("pairs", "Worst pairs"),
    ("run", "What was run"),
    ("notes", "Left out"),
)


def page_text(data: ReportData, lines: Sequence[ScoreLine], pairs: Sequence[PairView]) -> str:
    """The whole page.

    Args:
        data: The runs and their data set.
        lines: The score table.
        pairs: The pairs that are shown.
    """
    style, script = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    title = ", ".join(run.label for run in data.runs)
    parts = [
        score_section(data, lines),
        comparison_section(data),
        corruption_section(data),
        listening_section(data),
        curve_section(data),
        strata_section(data),
        pair_section(data, pairs),
        facts_section(data),
        notes_section(data),
    ]
    body = Markup("".join(parts))
    links = [element("a", words, href=f"#{anchor}") for anchor, words in _SECTIONS if f'id="{anchor}"' in body]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        # The file can reach nothing, and runs no script but its own, whatever the names in it contain.
        element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        element("link", rel="icon", href="data:,"),
        element("title", f"{title}: avbench report"),
        element("style", Markup(style)),
    )
    exports = f"The same numbers lie beside this file in {CSV_NAME}, {MARKDOWN_NAME} and {LATEX_NAME}."
    content = element(
        "body",
        element(
            "header",
            element("p", "avbench report", class_="brand"),
            element("h1", title),
            element("p", caption(data), class_="lead"),
            element("ul", [element("li", words) for words in warnings(data)], class_="warnings"),
            element("nav", links, aria_label="Parts of the report"),
            class_="top",
        ),
        element("main", headline_section(lines), body),
        element("footer", element("p", exports)),
        element("script", Markup(script)),
    )
    return f"<!doctype html>\n{element('html', head, content, lang='en')}\n"


def _policy(style: str, script: str) -> str:
    return (
        "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
