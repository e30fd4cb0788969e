"""The metrics of the specification by name, each with the one function that gives its value and its resamples.

`total.auc@20` is the only spelling of a name: in commands, files, tables and on boards.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from avbench.benchmark.metrics.definitions import WORST_ERROR_DEG
from avbench.benchmark.metrics.spec import MetricDefinition, load_metrics_spec
from avbench.benchmark.scoring.bootstrap import Clusters, Sampled, sample
from avbench.benchmark.scoring.statistics.summaries import Prepare, prepare_auc, prepare_mean, prepare_median
from avbench.preprocessing.base.errors import InputError, did_you_mean
from avbench.preprocessing.base.geometry import FloatArray


class Quantity(StrEnum):
    """Which error of a pair."""

    ROTATION = "rotation"
    DIRECTION = "direction"
    TOTAL = "total"
    METRIC_TRANSLATION = "metric_translation"


@dataclass(frozen=True)
class Metric:
    """One number of a score.

    Attributes:
        name: Its path in the specification, with the threshold of an AUC: "rotation.median_deg", "total.auc@10".
        quantity: Which error it summarises.
        unit: Unit of its values.
        higher_is_better: Whether more is better.
        statistic: How it is computed.
    """

    name: str
    quantity: Quantity
    unit: str
    higher_is_better: bool
    statistic: Prepare = field(compare=False, repr=False)

    def sampled(self, errors: FloatArray, clusters: Clusters) -> Sampled:
        """The metric of (N,) errors, NaN where a pair is not scored, and of all resamples."""
        most = {"deg": WORST_ERROR_DEG, "%": 100.0}.get(self.unit, math.inf)
        return replace(sample(errors, clusters, self.statistic), bounds=(0.0, most))


HEADLINES = (
    "rotation.median_deg",
    "rotation.mean_deg",
    "direction.median_deg",
    "direction.mean_deg",
    "total.auc@10",
    "total.auc@20",
)
"""Names of the metrics that tables and comparisons show first."""


@cache
def all_metrics() -> Mapping[str, Metric]:
    """Every metric of the specification by name, in its order; an AUC once per threshold."""
    spec = load_metrics_spec()
    found = [metric for entry in spec.metrics for metric in _expanded(entry, spec.auc_thresholds_deg)]
    return MappingProxyType({metric.name: metric for metric in found})


def _expanded(entry: MetricDefinition, thresholds_deg: Sequence[float]) -> list[Metric]:
    quantity, kind = entry.name.split(".")
    higher = entry.better == "higher"
    if kind == "auc":
        return [
            Metric(f"{entry.name}@{threshold:g}", Quantity(quantity), entry.unit, higher, prepare_auc(threshold))
            for threshold in thresholds_deg
        ]
    statistic = prepare_median if kind.startswith("median") else prepare_mean
    return [Metric(entry.name, Quantity(quantity), entry.unit, higher, statistic)]


def find_metrics(names: Collection[str]) -> tuple[Metric, ...]:
    """The metrics of the given names; the headlines if there are none.

    Raises:
        InputError: There is no metric of a name; the closest one is suggested.
    """
    known = all_metrics()
    for name in names:
        if name not in known:
            raise InputError(
                "metric", found=repr(name), expected=f"one of {', '.join(known)}", hint=did_you_mean(name, known)
            )
    return tuple(known[name] for name in names or HEADLINES)
