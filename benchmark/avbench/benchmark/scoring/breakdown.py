"""Scores by what a pair is like, and where one run is better than another.

Every bin shares the resamples of the whole split: a bin's interval, the paired difference of two runs in it and the
contrast between two bins come from the same draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from avbench.benchmark.scoring.bootstrap import FEWEST_GROUPS, Clusters, Difference, Estimate, Sampled, difference
from avbench.benchmark.scoring.errors import ErrorTable
from avbench.benchmark.scoring.metric import HEADLINES, Metric, find_metrics
from avbench.benchmark.scoring.strata import Bin, Stratum

SOUND_STRATA = ("brightness", "sharpness", "view_overlap", "level_dbfs", "rotation_deg", "baseline_m", "gap_s")
"""Where sound may help: in the dark, under blur, without overlap, where it is loud, for large and for long motions."""


@dataclass(frozen=True)
class BinScore:
    """Metrics of one bin.

    Attributes:
        bin: The bin.
        estimates: By name of the metric, each with its interval.
    """

    bin: Bin
    estimates: dict[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**self.bin.to_json(), "estimates": {name: value.to_json() for name, value in self.estimates.items()}}


@dataclass(frozen=True)
class StratumScore:
    """Metrics of one run under one condition by the bins of one stratum.

    Attributes:
        stratum: The stratum.
        condition: The condition.
        scores: One per bin.
    """

    stratum: Stratum
    condition: str
    scores: tuple[BinScore, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**_head(self.stratum, self.condition), "bins": [score.to_json() for score in self.scores]}


@dataclass(frozen=True)
class BinDifference:
    """One metric of one bin, run A minus run B.

    Attributes:
        bin: The bin.
        a: Run A's value.
        b: Run B's value.
        difference: A minus B, paired.
    """

    bin: Bin
    a: Estimate
    b: Estimate
    difference: Difference

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        values = {"a": self.a.to_json(), "b": self.b.to_json(), "difference": self.difference.to_json()}
        return {**self.bin.to_json(), **values}


@dataclass(frozen=True)
class Contrast:
    """Whether A's advantage depends on a stratum at all.

    Attributes:
        low: The lowest bin with enough groups for an interval; the lowest of all where fewer than two have.
        high: The highest such bin.
        difference: The difference of the runs in the low bin minus that in the high one.
    """

    low: Bin
    high: Bin
    difference: Difference

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {"low_bin": self.low.label, "high_bin": self.high.label, **self.difference.to_json()}


@dataclass(frozen=True)
class StratumDifference:
    """Where, along one stratum, run A differs from run B.

    Attributes:
        stratum: The stratum.
        condition: The condition.
        metric: Name of the metric.
        unit: Unit of the metric.
        higher_is_better: Whether more of the metric is better.
        bins: One per bin.
        contrast: The lowest against the highest bin; None for names, and where fewer than two bins have a number.
    """

    stratum: Stratum
    condition: str
    metric: str
    unit: str
    higher_is_better: bool
    bins: tuple[BinDifference, ...]
    contrast: Contrast | None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **_head(self.stratum, self.condition),
            "metric": self.metric,
            "metric_unit": self.unit,
            "higher_is_better": self.higher_is_better,
            "bins": [one.to_json() for one in self.bins],
            "contrast": None if self.contrast is None else self.contrast.to_json(),
        }


def _head(stratum: Stratum, condition: str) -> dict[str, Any]:
    return {
        "stratum": stratum.source.name,
        "unit": stratum.source.unit,
        "derived_from_label": stratum.source.derived,
        "binned_by": str(stratum.kind),
        "condition": condition,
    }


def break_down(
    errors: ErrorTable, strata: Iterable[Stratum], clusters: Clusters, metrics: Sequence[Metric] | None = None
) -> list[StratumScore]:
    """Metrics with intervals, per bin of every stratum.

    Args:
        errors: Errors of N pairs under one condition.
        strata: The strata of these pairs, from `cut_strata`.
        clusters: Groups of the pairs and the resamples; an interval needs enough groups in the bin itself.
        metrics: Which, None for the headlines.
    """
    chosen = find_metrics(HEADLINES) if metrics is None else metrics
    return [
        StratumScore(
            stratum,
            errors.condition,
            tuple(
                BinScore(one, {metric.name: _sampled(errors, metric, clusters, one).estimate for metric in chosen})
                for one in stratum.bins
            ),
        )
        for stratum in strata
    ]


def where_better(
    errors_a: ErrorTable,
    errors_b: ErrorTable,
    strata: Iterable[Stratum],
    clusters: Clusters,
    metrics: Sequence[Metric] | None = None,
) -> list[StratumDifference]:
    """Run A minus run B, per bin of every stratum: where does it help to have what A has?

    With a run that hears as A and the same without sound as B, this is where sound helps. The differences are paired
    and share their resamples, also between bins.

    Args:
        errors_a: Errors of run A on N pairs under one condition.
        errors_b: Errors of run B on the same pairs under the same condition.
        strata: The strata of these pairs, from `cut_strata`.
        clusters: Groups of the pairs and the resamples.
        metrics: Which, None for the headlines.

    Raises:
        ValueError: The two are of different conditions.
    """
    if errors_a.condition != errors_b.condition:
        raise ValueError(f"conditions differ: {errors_a.condition} and {errors_b.condition}")
    chosen = find_metrics(HEADLINES) if metrics is None else metrics
    return [
        _stratum_difference(errors_a, errors_b, stratum, clusters, metric) for stratum in strata for metric in chosen
    ]


def _stratum_difference(
    errors_a: ErrorTable, errors_b: ErrorTable, stratum: Stratum, clusters: Clusters, metric: Metric
) -> StratumDifference:
    sampled = [
        (one, _sampled(errors_a, metric, clusters, one), _sampled(errors_b, metric, clusters, one))
        for one in stratum.bins
    ]
    ordered = [entry for entry in sampled if entry[0].ordered and entry[1].pairs and entry[2].pairs]
    enough = [entry for entry in ordered if entry[1].effective_groups >= FEWEST_GROUPS]
    ends = enough if len(enough) > 1 else ordered
    contrast = None
    if len(ends) > 1:
        (low, low_a, low_b), (high, high_a, high_b) = ends[0], ends[-1]
        contrast = Contrast(low, high, difference(low_a.minus(low_b), high_a.minus(high_b)))
    return StratumDifference(
        stratum=stratum,
        condition=errors_a.condition,
        metric=metric.name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        bins=tuple(BinDifference(one, a.estimate, b.estimate, difference(a, b)) for one, a, b in sampled),
        contrast=contrast,
    )


def _sampled(errors: ErrorTable, metric: Metric, clusters: Clusters, one: Bin) -> Sampled:
    # Pairs outside the bin are treated as not scored, so every bin shares the resamples of the whole split.
    return metric.sampled(np.where(one.members, errors.of(metric.quantity), np.nan), clusters)
