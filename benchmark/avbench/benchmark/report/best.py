"""Which runs are best, and which cannot be distinguished from the best."""

from __future__ import annotations

import math

from avbench.benchmark.report.gather import ReportData
from avbench.benchmark.scoring.metric import all_metrics

RULE = (
    "bold: the best of a condition, and every run whose paired difference from it has a 95 % interval that holds zero, "
    "not corrected for the number of comparisons; where there are too few groups for an interval, the best alone"
)


def best_runs(data: ReportData, condition: str, metric: str) -> frozenset[int]:
    """Numbers of the runs that are best under a condition or not distinguishable from the best; see `RULE`.

    Runs without a finite number are not looked at; none is best where fewer than two runs have one.
    """
    compared = all_metrics()[metric]
    found = {
        number: sampled
        for number, run in enumerate(data.runs)
        if condition in run.conditions
        and math.isfinite((sampled := run.scored.errors(condition).sampled(compared, data.clusters)).point)
    }
    if len(found) < 2:
        return frozenset()
    choose = max if compared.higher_is_better else min
    best = choose(found.values(), key=lambda one: one.point)
    tied = set()
    for number, one in found.items():
        apart = one.minus(best).estimate
        within = apart.low is not None and apart.high is not None and apart.low <= 0.0 <= apart.high
        if one.point == best.point or within:
            tied.add(number)
    return frozenset(tied)
