"""Which conditions a run has: those of a suite, and the listening probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avbench.benchmark.conditions.condition import CLEAN, Condition, suite_conditions
from avbench.benchmark.conditions.corruptions import Suite, load_suite
from avbench.benchmark.conditions.probes.probe import ProbePlan, plan_probes
from avbench.benchmark.data.dataset import PairDataset

SMOKE_PAIRS = 8
"""Pairs of a quick check of the whole pipeline."""

_SMOKE_CONDITIONS = 2


@dataclass(frozen=True)
class EvaluationPlan:
    """What a run is to show a model.

    Attributes:
        suite: The suite.
        probes: The listening probes, none if they were not asked for.
        conditions: All conditions, clean first where it is in.
    """

    suite: Suite
    probes: tuple[ProbePlan, ...]
    conditions: tuple[Condition, ...]

    def to_json(self) -> Mapping[str, Any]:
        """JSON values for the manifest of a run."""
        return {
            "suite": self.suite.name,
            "suite_fingerprint": self.suite.fingerprint,
            "conditions": [condition.name for condition in self.conditions],
        }


def plan_evaluation(
    dataset: PairDataset, split: str, suite: str | Path, *, probes: bool = False, smoke: bool = False
) -> EvaluationPlan:
    """Put the conditions of a run together.

    Args:
        dataset: The data set.
        split: The split.
        suite: Name of a suite, or its TOML file.
        probes: Whether to probe how the model listens; this adds clean if the suite does not have it.
        smoke: Only the first two conditions of the suite.

    Raises:
        InputError: There is no such suite or split, or the data set is damaged.
    """
    loaded = load_suite(suite)
    conditions = suite_conditions(loaded)
    if smoke:
        conditions = conditions[:_SMOKE_CONDITIONS]
    planned = tuple(plan_probes(dataset, split)) if probes else ()
    if planned and CLEAN not in conditions:
        conditions.insert(0, CLEAN)
    return EvaluationPlan(loaded, planned, (*conditions, *(plan.condition for plan in planned)))
