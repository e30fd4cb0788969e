"""The page: all parts, the style and the script in one HTML file that asks for nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from avbench.benchmark.report.exports import CSV_NAME, LATEX_NAME, MARKDOWN_NAME, caption
from avbench.benchmark.report.facts import notes_part, run_part, warnings
from avbench.benchmark.report.gather import ReportData
from avbench.benchmark.report.listening import listening_part
from avbench.benchmark.report.pairs.section import pair_part
from avbench.benchmark.report.pairs.worst import PairView
from avbench.benchmark.report.score_table import ScoreLine
from avbench.benchmark.report.sections import (
    comparison_part,
    corruption_part,
    curve_part,
    headline_tiles,
    run_legend,
    score_part,
    strata_part,
)

_TEMPLATES = Path(__file__).with_name("templates")


@cache
def environment() -> jinja2.Environment:
    """The templates of the page."""
    # Names of models, messages and identifiers come from strangers: everything is escaped but what is marked as markup.
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def page_text(data: ReportData, lines: Sequence[ScoreLine], pairs: Sequence[PairView]) -> str:
    """The whole page.

    Args:
        data: The runs and their data set.
        lines: The score table.
        pairs: The pairs that are shown.
    """
    style, script = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    # Each part is shown by the template of its anchor; None where there is nothing to show.
    parts = (
        ("scores", "Scores", score_part(data, lines)),
        ("comparison", "Run against run", comparison_part(data)),
        ("corruption", "Corruption", corruption_part(data)),
        ("listening", "Listening", listening_part(data)),
        ("curves", "Curves", curve_part(data)),
        ("strata", "Breakdown", strata_part(data)),
        ("pairs", "Worst pairs", pair_part(data, pairs)),
        ("run", "What was run", run_part(data)),
        ("notes", "Left out", notes_part(data)),
    )
    return (
        environment()
        .get_template("page.html")
        .render(
            title=", ".join(run.label for run in data.runs),
            several=len(data.runs) > 1,
            caption=caption(data),
            warnings=warnings(data),
            headlines=headline_tiles(lines),
            run_legend=run_legend(data),
            parts=parts,
            exports=f"{CSV_NAME}, {MARKDOWN_NAME} and {LATEX_NAME}",
            style=Markup(style),  # noqa: S704 - files of this package
            script=Markup(script),  # noqa: S704 - as above
            policy=_policy(style, script),
        )
    )


def _policy(style: str, script: str) -> str:
    return (
        "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
