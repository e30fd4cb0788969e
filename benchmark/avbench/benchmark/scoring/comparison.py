"""Run A against run B on the same pairs.

Every condition that both runs answered is compared metric by metric: both values, their paired difference with its
95 % interval, the smallest effect that a run like this would have shown, and a p-value by swaps of whole groups that is
corrected over all rows of the comparison, its family. Differences are those of the scores as they stand; the label's
own noise decides which pairs are ties when wins are counted. Over the corruptions that both answered, A's errors are
set in relation to B's, the named baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from avbench.benchmark.conditions.corruptions.suites import Condition
from avbench.benchmark.predictions.file import CLEAN_CONDITION
from avbench.benchmark.scoring.bootstrap import CONFIDENCE, Clusters, Difference, Estimate
from avbench.benchmark.scoring.errors import ErrorTable
from avbench.benchmark.scoring.families import LEVEL, PairedRow, tested_differences
from avbench.benchmark.scoring.label_noise import LabelSigma, Wins, perfect_scores, wins
from avbench.benchmark.scoring.metric import HEADLINES, Metric, Quantity, all_metrics, find_metrics
from avbench.benchmark.scoring.robustness import Robustness, robustness
from avbench.benchmark.scoring.statistics.effective_groups import effective_groups, largest_share
from avbench.benchmark.scoring.statistics.label_noise import NoiseFloor
from avbench.preprocessing.base.errors import InputError

ROBUSTNESS_METRICS = ("rotation.mean_deg", "direction.mean_deg", "total.mean_deg")
"""Mean errors of which robustness is summarised; sums of them over severities mean something, sums of AUCs do not."""


@dataclass(frozen=True)
class MetricComparison:
    """One metric of one condition.

    Attributes:
        condition: The condition.
        metric: Name of the metric.
        unit: Unit of the values.
        higher_is_better: Whether more is better.
        a: Run A's value.
        b: Run B's value.
        difference: A minus B, paired.
    """

    condition: str
    metric: str
    unit: str
    higher_is_better: bool
    a: Estimate
    b: Estimate
    difference: Difference

    @property
    def family_p_value(self) -> float | None:
        """The p-value corrected over the family; None where the row could not be tested."""
        return self.difference.family_p_value

    @property
    def better(self) -> str | None:
        """Which run, a or b, is better at the 5 % level for the whole family; None where that is open."""
        if self.family_p_value is None or self.family_p_value > LEVEL:
            return None
        return "a" if (self.difference.estimate.value > 0) == self.higher_is_better else "b"

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "condition": self.condition,
            "metric": self.metric,
            "unit": self.unit,
            "higher_is_better": self.higher_is_better,
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "difference": self.difference.to_json(),
            "family_p_value": self.family_p_value,
            "better": self.better,
        }


@dataclass(frozen=True)
class WinCount:
    """On how many pairs of one condition A is better than B.

    Attributes:
        condition: The condition.
        quantity: Which error.
        wins: The counts; errors closer than the label's sigma are ties.
    """

    condition: str
    quantity: Quantity
    wins: Wins

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"condition": self.condition, "quantity": str(self.quantity), **self.wins.to_json()}


@dataclass(frozen=True)
class Comparison:
    """Run A against run B.

    Attributes:
        name_a: Name of run A.
        name_b: Name of run B, the baseline.
        pairs: Pairs that both are scored on.
        groups: Groups of these.
        effective_groups: How many equal groups they are worth.
        largest_share: Share of the pairs that are of the largest group.
        rows: One per condition and metric.
        family: How many of them could be tested: the family of the correction.
        smallest_p: The smallest p-value that so many groups can give, however large a difference is; None where nothing
            was tested.
        exchanges: How many exchanges of the two runs within groups were looked at.
        all_exchanges: Whether these are all there are.
        win_counts: One per condition and kind of error.
        robustness: By name of a mean error; empty where no corruption was answered by both.
        left_out: Conditions that only one of the two answered.
        perfect: What a perfect model would score on these labels, by name of the metric, under the first condition; of
            labels whose noise is known.
        pose_sources: How the poses of the labels were made.
    """

    name_a: str
    name_b: str
    pairs: int
    groups: int
    effective_groups: float
    largest_share: float
    rows: tuple[MetricComparison, ...]
    family: int
    smallest_p: float | None
    exchanges: int
    all_exchanges: bool
    win_counts: tuple[WinCount, ...]
    robustness: Mapping[str, Robustness]
    left_out: tuple[str, ...]
    perfect: Mapping[str, NoiseFloor] = field(default_factory=dict)
    pose_sources: tuple[str, ...] = ()

    @property
    def can_decide(self) -> bool:
        """Whether any difference could be significant."""
        return self.smallest_p is not None and self.smallest_p <= LEVEL

    def to_json(self) -> dict[str, Any]:
        """JSON values; `a` and `b` stand for the two runs throughout, differences are A minus B."""
        return {
            "a": self.name_a,
            "b": self.name_b,
            "confidence": CONFIDENCE,
            "pairs": self.pairs,
            "groups": self.groups,
            "effective_groups": round(self.effective_groups, 2),
            "largest_group_share": round(self.largest_share, 4),
            "family": self.family,
            "smallest_p": self.smallest_p,
            "exchanges": self.exchanges,
            "all_exchanges": self.all_exchanges,
            "rows": [row.to_json() for row in self.rows],
            "wins": [count.to_json() for count in self.win_counts],
            "robustness": {name: found.to_json() for name, found in self.robustness.items()},
            "left_out_conditions": list(self.left_out),
            "perfect_model": {name: asdict(found) for name, found in self.perfect.items()},
            "pose_sources": list(self.pose_sources),
        }


def shared_conditions(
    conditions_a: Sequence[str], conditions_b: Sequence[str], wanted: Sequence[str] = ()
) -> tuple[list[str], tuple[str, ...]]:
    """The conditions to compare, in A's order or in that of `wanted`, and those that only one run answered.

    Raises:
        InputError: A wanted condition was not answered by both, or no condition was.
    """
    for condition in wanted:
        for name, answered in (("A", conditions_a), ("B", conditions_b)):
            if condition not in answered:
                raise InputError(
                    f"condition {condition}",
                    found=f"run {name} answered {', '.join(answered)}",
                    expected="a condition that both runs answered",
                )
    both = [condition for condition in conditions_a if condition in conditions_b]
    if not both:
        raise InputError(
            "conditions",
            found=f"{', '.join(conditions_a) or 'none'} in run A and {', '.join(conditions_b) or 'none'} in run B",
            expected="a condition that both runs answered",
            hint="evaluate both models with the same suite",
        )
    alone = [name for name in dict.fromkeys((*conditions_a, *conditions_b)) if name not in both]
    return list(wanted) or both, tuple(alone)


def compare_runs(
    errors_a: Sequence[ErrorTable],
    errors_b: Sequence[ErrorTable],
    clusters: Clusters,
    *,
    names: tuple[str, str] = ("A", "B"),
    metrics: Sequence[Metric] | None = None,
    sigma: LabelSigma | None = None,
    left_out: Sequence[str] = (),
    pose_sources: Sequence[str] = (),
) -> Comparison:
    """Compare two runs condition by condition.

    Args:
        errors_a: Errors of run A, one entry per condition.
        errors_b: Errors of run B on the same pairs, under the same conditions in the same order.
        clusters: Groups of the pairs and the shared resamples.
        names: What the runs are called.
        metrics: What is compared, None for the headlines. Together with the conditions they are the family of the
            correction: fewer rows, less correction, so choose them before looking.
        sigma: The uncertainty of the labels, None where it is not known.
        pose_sources: How the poses of the labels were made, to be shown.
        left_out: Conditions that only one run answered, to be printed.

    Raises:
        ValueError: The runs have other conditions, or another number of pairs than the clusters.
    """
    if [one.condition for one in errors_a] != [one.condition for one in errors_b]:
        raise ValueError("a comparison needs the same conditions of both runs in the same order")
    count = len(clusters.index)
    if any(len(one.rotation_deg) != count for one in (*errors_a, *errors_b)):
        raise ValueError(f"a comparison needs the errors of the {count} pairs that have a group")
    chosen = find_metrics(HEADLINES) if metrics is None else tuple(metrics)
    compared = [(a, b, metric) for a, b in zip(errors_a, errors_b, strict=True) for metric in chosen]
    family = tested_differences(
        [
            PairedRow(
                a.sampled(metric, clusters),
                b.sampled(metric, clusters),
                a.of(metric.quantity),
                b.of(metric.quantity),
                metric.statistic,
            )
            for a, b, metric in compared
        ],
        clusters,
    )
    counts: list[WinCount] = []
    for a, b in zip(errors_a, errors_b, strict=True):
        for quantity in dict.fromkeys(metric.quantity for metric in chosen):
            tie = 0.0 if sigma is None else sigma.tie(quantity)
            counts.append(
                WinCount(a.condition, quantity, wins(a.of(quantity), b.of(quantity), clusters, tie_below=tie))
            )
    sizes = clusters.sizes
    return Comparison(
        name_a=names[0],
        name_b=names[1],
        pairs=count,
        groups=clusters.groups,
        effective_groups=effective_groups(sizes),
        largest_share=largest_share(sizes),
        rows=tuple(
            MetricComparison(
                a.condition,
                metric.name,
                metric.unit,
                metric.higher_is_better,
                a.sampled(metric, clusters).estimate,
                b.sampled(metric, clusters).estimate,
                apart,
            )
            for (a, b, metric), apart in zip(compared, family.differences, strict=True)
        ),
        family=family.tested,
        smallest_p=family.smallest_p,
        exchanges=family.exchanges,
        all_exchanges=family.exact,
        win_counts=tuple(counts),
        robustness=run_robustness(errors_a, errors_b, clusters),
        left_out=tuple(left_out),
        perfect={} if sigma is None else perfect_scores(errors_a[0], chosen, sigma),
        pose_sources=tuple(pose_sources),
    )


def run_robustness(
    errors_a: Sequence[ErrorTable], errors_b: Sequence[ErrorTable], clusters: Clusters
) -> dict[str, Robustness]:
    """Mean corruption error and relative robustness of run A against baseline B, by name of a mean error.

    Conditions that are no corruptions, such as probes of the sound, are not looked at. Of a corruption, the severities
    that are there are averaged, and one that hits other frames than its recipe says counts as a corruption of its own.
    Empty without a corruption; an error of which nothing is scored is left out.
    """
    severities: dict[str, list[int]] = {}
    for position, errors in enumerate(errors_a):
        corruption = corruption_of(errors.condition)
        if corruption is not None:
            severities.setdefault(corruption, []).append(position)
    if not severities:
        return {}
    clean = next((number for number, one in enumerate(errors_a) if one.condition == CLEAN_CONDITION), None)
    found: dict[str, Robustness] = {}
    for name in ROBUSTNESS_METRICS:
        metric = all_metrics()[name]
        if not np.isfinite(errors_a[0].of(metric.quantity)).any():
            continue
        of_a, of_b = ([one.sampled(metric, clusters) for one in run] for run in (errors_a, errors_b))
        found[name] = robustness(
            {corruption: [of_a[i] for i in positions] for corruption, positions in severities.items()},
            {corruption: [of_b[i] for i in positions] for corruption, positions in severities.items()},
            None if clean is None else of_a[clean],
            None if clean is None else of_b[clean],
        )
    return found


def corruption_of(condition: str) -> str | None:
    """Name of the corruption of a condition without its severity: "fog" of `fog-3`, "fog-a" of `fog-3-a`.

    None for clean and for conditions that are no corruptions.
    """
    try:
        parsed = Condition.parse(condition)
    except InputError:
        return None
    if parsed.corruption is None:
        return None
    return parsed.name.replace(f"-{parsed.severity}", "", 1)
