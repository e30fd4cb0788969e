"""What a model loses when its sound is gone, lies or gets poorer: reliance and harm, paired, with intervals.

- *Audio reliance*: the metric without sound against clean. A model that takes nothing from sound has exactly 0.
- *Loss* of any probe: the metric under it against clean.
- *Harm* of a lie: the metric under it against silence. Above 0, the model believes sound that it should have ignored.

All three are losses: positive is worse, whether the metric is an error that rises or an AUC that falls. Every number
is over the pairs to which the probe can be applied, the same pairs on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.conditions.probes.probe import KIND, PROBES_VERSION, SUMMARY, Probe, ProbeKind, ProbePlan
from avbench.benchmark.data.pair import Modality
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.predictions.file import CLEAN_CONDITION, Predictions, Status
from avbench.benchmark.scoring.bootstrap import CONFIDENCE, Clusters, Difference, Estimate, Sampled, difference
from avbench.benchmark.scoring.errors import ErrorTable
from avbench.benchmark.scoring.metric import all_metrics, find_metrics
from avbench.benchmark.scoring.score import ScoredRun
from avbench.benchmark.scoring.statistics.simultaneous import simultaneous_intervals

WORST_BY = "rotation.mean_deg"
"""The metric by which the most harmful lie is named: every pair has a rotation error."""

Losses = Mapping[str, Difference]
"""By name of the metric; positive is worse."""


@dataclass(frozen=True)
class ProbeLoss:
    """One probe.

    Attributes:
        probe: Which.
        pairs: Pairs to which it was applied.
        left_out: Pairs of the run to which it cannot be applied.
        why_not: Why not.
        failed: Pairs on which the model failed under it; they count as the worst error.
        median_shift_s: Median time between a pair's own clips and what it heard, where that says something.
        loss: Against clean; empty without pairs.
        harm: Against silence; empty for a probe that does not lie, and without pairs.
    """

    probe: Probe
    pairs: int
    left_out: int
    why_not: str
    failed: int
    median_shift_s: float | None
    loss: Losses
    harm: Losses

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "probe": str(self.probe),
            "kind": str(KIND[self.probe]),
            "sound": SUMMARY[self.probe],
            "pairs": self.pairs,
            "left_out": self.left_out,
            "left_out_are": self.why_not if self.left_out else None,
            "failed": self.failed,
            "median_shift_s": self.median_shift_s,
            "loss": _losses_json(self.loss),
            "harm": _losses_json(self.harm) if KIND[self.probe] is ProbeKind.LIES else None,
        }


@dataclass(frozen=True)
class ProbeReport:
    """All probes of one run.

    Attributes:
        model: The model.
        listens: Whether it says that it looks at sound; if not, it was given none.
        probes: In the order of `Probe`.
        largest_harm: Harm of the lie that harms most, by the mean rotation error, with an interval that holds for all
            lies together and so for the largest of them; None where no lie could be applied.
    """

    model: str
    listens: bool
    probes: tuple[ProbeLoss, ...]
    largest_harm: Estimate | None

    @property
    def reliance(self) -> Losses:
        """What is lost when the sound is gone; empty where no pair has sound."""
        return next(probe.loss for probe in self.probes if probe.probe is Probe.MUTE)

    @property
    def lies(self) -> int:
        """How many lies could be applied: of so many the largest harm is the largest."""
        return sum(WORST_BY in found.harm for found in self.probes)

    @property
    def worst_lie(self) -> ProbeLoss | None:
        """The lie that harms most, by the mean rotation error; None where no wrong sound could be given."""
        lies = [probe for probe in self.probes if WORST_BY in probe.harm]
        return max(lies, key=lambda found: found.harm[WORST_BY].estimate.value, default=None)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        worst = self.worst_lie
        return {
            "model": self.model,
            "listens": self.listens,
            "probes_version": PROBES_VERSION,
            "confidence": CONFIDENCE,
            "losses_are": "positive is worse, for errors and for AUC alike",
            "intervals_are": "each for itself, not corrected for their number; that of largest_harm is for all lies",
            "reliance": _losses_json(self.reliance),
            "worst_lie": None
            if worst is None
            else {"probe": str(worst.probe), "harm": _losses_json(worst.harm), "of_lies": self.lies},
            "largest_harm": None if self.largest_harm is None else self.largest_harm.to_json(),
            "probes": [probe.to_json() for probe in self.probes],
        }


def score_probes(
    plans: Sequence[ProbePlan], run: ScoredRun, entry: ModelEntry, *, under: str = CLEAN_CONDITION
) -> ProbeReport:
    """Reliance, losses and harm of a run that was made under the probes and under clean.

    Args:
        plans: The probes as planned for the split.
        run: What was answered under clean, or the condition that stands in its place, and under every probe.
        entry: The model.
        under: The condition that held during the probes (`ProbePlan.under`) and that losses are counted from.
    """
    silence = next(plan.condition.name for plan in plans if plan.probe is Probe.MUTE)
    # Probes that can be applied to the same pairs share what their losses are counted from.
    parts: dict[tuple[str, bytes], ErrorTable] = {}

    def part(condition: str, applied: NDArray[np.bool_]) -> ErrorTable:
        return parts.setdefault((condition, applied.tobytes()), run.errors(condition).only(applied))

    found, harms = [], []
    worst_by = all_metrics()[WORST_BY]
    for plan in plans:
        applied = np.array([name in plan.pair_ids for name in run.labels.pair_id], dtype=np.bool_)
        probed = part(plan.condition.name, applied)
        lies = KIND[plan.probe] is ProbeKind.LIES
        if lies and applied.any():
            silent = part(silence, applied)
            harms.append(probed.sampled(worst_by, run.clusters).minus(silent.sampled(worst_by, run.clusters)))
        found.append(
            ProbeLoss(
                probe=plan.probe,
                pairs=int(applied.sum()),
                left_out=int((~applied).sum()),
                why_not=plan.why_not,
                failed=_failed(run.predictions, plan),
                median_shift_s=plan.median_shift_s,
                loss=_losses(probed, part(under, applied), run.clusters) if applied.any() else {},
                harm=_losses(probed, part(silence, applied), run.clusters) if lies and applied.any() else {},
            )
        )
    return ProbeReport(entry.name, Modality.AUDIO in entry.modalities, tuple(found), largest_of(harms))


def largest_of(harms: Sequence[Sampled]) -> Estimate | None:
    """The largest of several harms, with its simultaneous interval where all of them have one."""
    if not harms:
        return None
    estimates = [harm.estimate for harm in harms]
    worst = max(range(len(harms)), key=lambda number: estimates[number].value)
    largest = estimates[worst]
    drawn = np.stack([harm.drawn for harm in harms], axis=1)
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    if any(one.low is None for one in estimates) or not len(drawn):
        return replace(largest, low=None, high=None)
    factor = max(harm.factor for harm in harms)
    low, high = simultaneous_intervals(np.array([harm.point for harm in harms]), drawn, factor)
    bounds = harms[worst].bounds
    return replace(largest, low=max(float(low[worst]), bounds[0]), high=min(float(high[worst]), bounds[1]))


def _losses(worse: ErrorTable, base: ErrorTable, clusters: Clusters) -> Losses:
    losses = {}
    for metric in find_metrics(()):
        minuend, subtrahend = (base, worse) if metric.higher_is_better else (worse, base)
        losses[metric.name] = difference(minuend.sampled(metric, clusters), subtrahend.sampled(metric, clusters))
    return losses


def _failed(predictions: Predictions, plan: ProbePlan) -> int:
    return sum(
        name in plan.pair_ids and predictions.status[row] is not Status.OK
        for name, row in predictions.rows_of(plan.condition.name).items()
    )


def _losses_json(losses: Losses) -> dict[str, Any]:
    return {name: found.to_json() for name, found in losses.items()}
