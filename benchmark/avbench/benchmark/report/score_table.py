"""The score table: one line a run and condition, the same numbers on the page and in every export."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from avbench.benchmark.plots.canvas import Scale
from avbench.benchmark.report.best import best_runs
from avbench.benchmark.report.columns import Fact
from avbench.benchmark.report.gather import ReportData
from avbench.benchmark.scoring.bootstrap import Difference, Estimate
from avbench.benchmark.scoring.metric import Quantity, all_metrics
from avbench.benchmark.scoring.score import Counts
from avbench.benchmark.tables.scores import CHANGE_METRIC, estimate_text

SHOWN_METRICS = (
    "rotation.median_deg",
    "rotation.mean_deg",
    "direction.median_deg",
    "direction.mean_deg",
    "total.auc@5",
    "total.auc@10",
    "total.auc@20",
    "rotation.auc@20",
    "direction.auc@20",
)
"""Metrics of the table on the page, in Markdown and in LaTeX; CSV has all of them."""
METRES = "metric_translation.median_m"
"""Shown where a model answers in metres."""

QUANTITY_WORDS = {
    Quantity.ROTATION: "rotation",
    Quantity.DIRECTION: "direction",
    Quantity.TOTAL: "pose",
    Quantity.METRIC_TRANSLATION: "translation",
}


def metric_words(name: str, *, unit: bool = True) -> str:
    """A metric in words: "rotation median °", "pose AUC@20 %"."""
    metric = all_metrics()[name]
    words = f"{QUANTITY_WORDS[metric.quantity]} {kind_words(name)}"
    return f"{words} {'°' if metric.unit == 'deg' else metric.unit}" if unit else words


def kind_words(name: str) -> str:
    """How a metric summarises errors: "median", "AUC@20"."""
    kind = name.partition(".")[2]
    return kind.replace("auc@", "AUC@") if "@" in kind else kind.rpartition("_")[0]


def metric_decimals(name: str) -> int:
    """Decimals of a metric in a table."""
    return 3 if all_metrics()[name].unit == "m" else 2


def metric_scale(name: str, *, what: str = "") -> Scale:
    """What a plot of a metric shows; `what` is said after its name."""
    metric = all_metrics()[name]
    return Scale(f"{metric_words(name)}{what}", metric_decimals(name), per_cent=metric.unit == "%" and not what)


@dataclass(frozen=True)
class MetricCell:
    """One number of the table.

    Attributes:
        metric: Its name in the specification.
        estimate: The number with its interval; NaN where nothing is scored.
        best: Whether the run is best, or not distinguishable from the best (`best.best_runs`).
    """

    metric: str
    estimate: Estimate
    best: bool = False

    @property
    def value(self) -> float | None:
        """The number alone, None where nothing is scored."""
        return None if math.isnan(self.estimate.value) else self.estimate.value

    @property
    def text(self) -> str:
        """The number and its interval, as all tables print them."""
        return estimate_text(self.estimate, metric_decimals(self.metric))

    @property
    def value_text(self) -> str:
        """The number alone."""
        return self.text.partition(" ")[0]

    @property
    def interval_text(self) -> str:
        """The interval alone, with an asterisk if of few groups; empty where there is none."""
        return self.text.partition(" ")[2]


@dataclass(frozen=True)
class ScoreLine:
    """One line of the table.

    Attributes:
        run: Name of the run.
        label: The same, shorter.
        run_number: Its number in the report.
        condition: The condition.
        counts: How many pairs, and what became of them.
        cells: Every metric of the specification by name.
        change: Change of `CHANGE_METRIC` from clean, None for clean and where there is no clean.
    """

    run: str
    label: str
    run_number: int
    condition: str
    counts: Counts
    cells: dict[str, MetricCell]
    change: Difference | None

    def fact(self, name: Fact, groups: int) -> str | int:
        """A column that is no metric; `groups` is the number of groups of the pairs."""
        facts: dict[Fact, str | int] = {
            Fact.MODEL: self.run,
            Fact.CONDITION: self.condition,
            Fact.PAIRS: self.counts.pairs,
            Fact.WITH_DIRECTION: self.counts.with_direction,
            Fact.GROUPS: groups,
            Fact.FAILED: self.counts.failed,
        }
        return facts[name]


def score_lines(data: ReportData) -> list[ScoreLine]:
    """All lines: condition by condition, runs in order."""
    lines = []
    for condition in data.conditions:
        best = {name: best_runs(data, condition, name) for name in all_metrics()} if len(data.runs) > 1 else {}
        for run_number, run in enumerate(data.runs):
            score = run.score_of(condition)
            if score is None:
                continue
            cells = {
                name: MetricCell(name, estimate, run_number in best.get(name, ()))
                for name, estimate in score.estimates.items()
            }
            change = None if score.change_from_clean is None else score.change_from_clean[CHANGE_METRIC]
            lines.append(ScoreLine(run.name, run.label, run_number, condition, score.counts, cells, change))
    return lines


def shown_metrics(lines: Iterable[ScoreLine]) -> Sequence[str]:
    """Names of the metrics that the table shows: metres only where there are any."""
    in_metres = any(line.cells[METRES].value is not None for line in lines)
    return (*SHOWN_METRICS, METRES) if in_metres else SHOWN_METRICS
