"""The score table as LaTeX for a paper: booktabs, compact intervals, what a reader must know in the caption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from avbench.benchmark.report.columns import Columns, Fact
from avbench.benchmark.report.score_table import QUANTITY_WORDS, MetricCell, ScoreLine, kind_words, metric_decimals
from avbench.benchmark.scoring.bootstrap import Estimate, IntervalNote
from avbench.benchmark.scoring.metric import all_metrics
from avbench.benchmark.tables.scores import CHANGE_METRIC, end_decimals

_ESCAPED = {
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
_UNITS = {"deg": r"$^{\circ}$", "%": r"\%", "m": "m"}
_HEADS = {
    Fact.MODEL: "model",
    Fact.CONDITION: "condition",
    Fact.PAIRS: "N rot",
    Fact.WITH_DIRECTION: "N dir",
    Fact.GROUPS: "groups",
    Fact.FAILED: "failed",
    Fact.CHANGE: "minus clean",
}
_TEXT = (Fact.MODEL, Fact.CONDITION)
INTERVAL_WORDS = "raised and lowered: from the number to the ends of its 95 % interval, from resampling groups"


def latex_escape(words: str) -> str:
    """Text in which nothing is a command to LaTeX."""
    return "".join(_ESCAPED.get(character, character) for character in " ".join(words.split()))


def latex_table(lines: Sequence[ScoreLine], columns: Columns, groups: int, caption: Sequence[str]) -> str:
    """A table float; it needs the package booktabs.

    Args:
        lines: Its rows.
        columns: Its columns.
        groups: Groups of the pairs.
        caption: What stands in its caption, a phrase each.
    """
    rows: list[str] = []
    for number, line in enumerate(lines):
        if number and len({one.run for one in lines}) > 1 and lines[number - 1].condition != line.condition:
            rows.append(r"\addlinespace")
        rows.append(" & ".join(_cell(line, name, groups) for name in columns.names) + r" \\")
    alignment = "".join("l" if name in _TEXT else "r" for name in columns.names)
    return "\n".join(
        [
            r"% Needs \usepackage{booktabs} in the preamble.",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{' '.join(latex_escape(_sentence(words)) for words in caption)}}}",
            rf"\begin{{tabular}}{{@{{}}{alignment}@{{}}}}",
            r"\toprule",
            *_heads(columns),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def _heads(columns: Columns) -> list[str]:
    """Two lines: what is measured, over all of its columns, and how it is summarised."""
    upper, rules, place = [], [], 1
    for words, group in groupby(columns.names, key=_quantity):
        width = len(list(group))
        upper.append(rf"\multicolumn{{{width}}}{{c}}{{{words}}}" if words else " & ".join([""] * width))
        rules += [rf"\cmidrule(lr){{{place}-{place + width - 1}}}"] if words else []
        place += width
    lower = " & ".join(_head(name) for name in columns.names)
    return [*([" & ".join(upper) + r" \\", " ".join(rules)] if rules else []), lower + r" \\"]


def _quantity(name: Fact | str) -> str:
    if isinstance(name, Fact):
        return f"pose {kind_words(CHANGE_METRIC)}" if name is Fact.CHANGE else ""
    metric = all_metrics()[name]
    return f"{QUANTITY_WORDS[metric.quantity]} [{_UNITS[metric.unit]}]"


def _head(name: Fact | str) -> str:
    if isinstance(name, Fact):
        return _HEADS[name]
    better = r"$\uparrow$" if all_metrics()[name].higher_is_better else r"$\downarrow$"
    return f"{kind_words(name)} {better}"


def _cell(line: ScoreLine, name: Fact | str, groups: int) -> str:
    if not isinstance(name, Fact):
        return _number(line.cells[name])
    if name is Fact.CHANGE:
        return "--" if line.change is None else _estimate(line.change.estimate, 2, sign="+", best=False)
    return latex_escape(str(line.fact(name, groups)))


def _number(cell: MetricCell) -> str:
    return _estimate(cell.estimate, metric_decimals(cell.metric), sign="", best=cell.best)


def _estimate(found: Estimate, decimals: int, *, sign: str, best: bool) -> str:
    if math.isnan(found.value):
        return "--"
    value = f"{found.value:{sign}.{decimals}f}" if math.isfinite(found.value) else r"\infty"
    shown = rf"\mathbf{{{value}}}" if best else value
    if found.low is None or found.high is None or not math.isfinite(found.value):
        return f"${shown}$"
    fewer = end_decimals(found, decimals)
    # Minus the length downwards: a length of 0 is -0.0 there.
    ends = [f"{end:+.{fewer}f}" if math.isfinite(end) else r"+\infty" for end in
            (found.high - found.value, -(found.value - found.low))]  # fmt: skip
    few = "*" if found.note is IntervalNote.FEW_GROUPS else ""
    return f"${shown}^{{{ends[0]}{few}}}_{{{ends[1]}}}$"
