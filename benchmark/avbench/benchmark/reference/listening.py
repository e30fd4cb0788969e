"""What `fusion` loses when its sound is gone, lies or gets poorer, under every condition of the pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from avbench.benchmark.conditions.condition import Condition
from avbench.benchmark.conditions.probes.probe import Probe, ProbePlan
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.predictions.file import Predictions
from avbench.benchmark.reference.figures import COMPARED_METRICS
from avbench.benchmark.scoring.bootstrap import Clusters, Difference, difference
from avbench.benchmark.scoring.errors import ErrorTable
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.metric import find_metrics
from avbench.benchmark.scoring.probes import ProbeLoss, ProbeReport, score_probes
from avbench.benchmark.scoring.score import ScoredRun, threshold_or_default


@dataclass(frozen=True)
class Listening:
    """All probes under one condition of the pictures.

    Attributes:
        condition: The suite's condition.
        report: Losses against the right sound, and harm against silence.
        over_pictures: By probe and metric, the probed model minus the model of pictures alone, on the same pairs:
            positive is worse for errors, better for AUCs. Empty without that model.
    """

    condition: str
    report: ProbeReport
    over_pictures: Mapping[Probe, Mapping[str, Difference]]

    def to_json(self) -> list[dict[str, Any]]:
        """JSON values, one entry a probe."""
        return [self._probe_json(probe) for probe in self.report.probes]

    def _probe_json(self, found: ProbeLoss) -> dict[str, Any]:
        against = self.over_pictures.get(found.probe)
        return {
            "condition": self.condition,
            **found.to_json(),
            "minus_pictures": None if against is None else {name: one.to_json() for name, one in against.items()},
        }


def probe_conditions(plans: Sequence[ProbePlan], suite_conditions: Sequence[Condition]) -> list[Condition]:
    """Conditions of the run with probes: all but silence, which is a run of its own, under every condition."""
    return [
        plan.under(condition).condition
        for condition in suite_conditions
        for plan in plans
        if plan.probe is not Probe.MUTE
    ]


def score_listening(
    plans: Sequence[ProbePlan],
    suite_conditions: Sequence[Condition],
    predictions: Predictions,
    pictures: Mapping[str, ErrorTable],
    labels: Labels,
    clusters: Clusters,
    entry: ModelEntry,
) -> list[Listening]:
    """Score the probes under every condition.

    Args:
        plans: The probes as planned for the split.
        suite_conditions: The suite's conditions.
        predictions: Predictions of the probed model under these, and under every probe under each of them.
        pictures: Errors of the model of pictures alone by condition, empty without one.
        labels: Labels of the N pairs.
        clusters: Groups of these pairs and the resamples.
        entry: The probed model.
    """
    found = []
    run = ScoredRun(predictions, labels, clusters, threshold_or_default(None))
    for condition in suite_conditions:
        under = [plan.under(condition) for plan in plans]
        report = score_probes(under, run, entry, under=condition.name)
        against = {}
        if condition.name in pictures:
            seen = pictures[condition.name]
            against = {plan.probe: _minus(run.errors(plan.condition.name), seen, plan, run) for plan in under}
        found.append(Listening(condition.name, report, against))
    return found


def _minus(probed: ErrorTable, seen: ErrorTable, plan: ProbePlan, run: ScoredRun) -> dict[str, Difference]:
    applied = np.array([pair in plan.pair_ids for pair in run.labels.pair_id], dtype=np.bool_)
    parts = probed.only(applied), seen.only(applied)
    return {
        metric.name: difference(*(part.sampled(metric, run.clusters) for part in parts))
        for metric in find_metrics(COMPARED_METRICS)
    }
