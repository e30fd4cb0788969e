"""How other public benchmarks would score the same predictions.

Papers print "AUC@5" of at least four different quantities. `score_as` scores predictions under the convention of one of
them, as `metrics_spec.toml` describes it, so that a number can be put beside a published one, and the difference to
ours is plain. Differences lie in the sign of the translation, in the camera whose view of it is compared, in the
integrator, in what counts (none of them leaves short baselines out), and in the numerics: they do not check or project
a predicted matrix, and what is not quite a rotation costs under each formula something else.

What becomes of an error that is not a number differs as well. Where errors are sorted by NumPy (`superglue`, `roma`) or
counted in bins, it is never reached and stays in the denominator. `reloc3r` sorts by Python, which leaves NaN, and all
that is compared with it, where the order of the pairs puts it: its value then depends on that order, here the order of
the data set, and can be NaN itself. `imc` counts it as a failure. A label without any translation has no direction
under any of them and is left out of direction and total.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.metrics.definitions import auc_percent
from avbench.benchmark.metrics.spec import Convention, Integrator, NanRule, RaisedPairs, RotationFormula
from avbench.benchmark.predictions.file import CLEAN_CONDITION, Status
from avbench.benchmark.scoring.convention_errors import ConventionErrors, convention_errors
from avbench.benchmark.scoring.errors import Aligned, ErrorTable
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.score import ScoredRun
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.recording import Scale

_MEAN_ACCURACY_STEP_DEG = 5.0


class Measure(StrEnum):
    """What is made of errors."""

    AUC = "AUC"
    ACCURACY = "accuracy"
    MEAN_ACCURACY = "mean accuracy"
    AVERAGE_PRECISION = "average precision"


@dataclass(frozen=True)
class ConventionRow:
    """One line of the comparison.

    Attributes:
        quantity: "total", "rotation", "direction", or "pose" for rotation and metres at once.
        measure: What is made of its errors.
        threshold_deg: The threshold in degrees.
        threshold_m: The threshold in metres, None where metres do not count.
        foreign: The value under the foreign convention, percent; NaN where its code gives NaN, None where there is
            nothing to take it over.
        foreign_n: Pairs it is taken over.
        ours: The same measure under the contract of avbench at the same threshold, the AUC by our integrator; None
            where there is nothing to take it over.
        ours_n: Pairs that is taken over.
    """

    quantity: str
    measure: Measure
    threshold_deg: float
    threshold_m: float | None
    foreign: float | None
    foreign_n: int
    ours: float | None
    ours_n: int


@dataclass(frozen=True)
class ConventionScore:
    """One condition under a convention.

    Attributes:
        convention: The convention.
        condition: The condition.
        rows: The comparison.
        notes: What a reader must know about it, a sentence each.
    """

    convention: Convention
    condition: str
    rows: list[ConventionRow]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """JSON values; NaN becomes the string "NaN"."""
        rows = [
            {
                "quantity": row.quantity,
                "measure": str(row.measure),
                "threshold_deg": row.threshold_deg,
                "threshold_m": row.threshold_m,
                "foreign": "NaN" if row.foreign is not None and math.isnan(row.foreign) else row.foreign,
                "foreign_n": row.foreign_n,
                "ours": row.ours,
                "ours_n": row.ours_n,
            }
            for row in self.rows
        ]
        return {"convention": self.convention.name, "condition": self.condition, "rows": rows, "notes": self.notes}


def histogram_auc_percent(error_deg: ArrayLike, threshold_deg: float, upper_deg: float | None = None) -> float:
    """Mean over 1-degree bins up to a threshold of the share of errors in that bin or below, in percent.

    Bins are half open but for the last, which ends at `upper_deg`: an error equal to that still counts. With
    `upper_deg` 10, this is the mean average accuracy (mAA) of Jin et al., "Image matching across wide baselines"
    (IJCV 2021); with the threshold itself, the AUC of PoseDiffusion and VGGT. NaN lies in no bin.

    Args:
        error_deg: (N,) errors.
        threshold_deg: A whole number of degrees.
        upper_deg: Upper edge of the last bin, None for the threshold.

    Raises:
        ValueError: There are no errors, or the threshold is no whole number or above `upper_deg`.
    """
    errors = np.asarray(error_deg, dtype=np.float64)
    upper = threshold_deg if upper_deg is None else upper_deg
    bins = int(threshold_deg)
    if errors.size == 0 or bins != threshold_deg or threshold_deg > upper:
        raise ValueError("expected errors, and a whole threshold not above the upper edge")
    counts, _ = np.histogram(errors[~np.isnan(errors)], bins=np.arange(int(upper) + 1))
    return float(100.0 * np.mean(np.cumsum(counts[:bins]) / errors.size))


def python_sorted_auc_percent(error_deg: ArrayLike, threshold_deg: float) -> float:
    """The area of `metrics.auc_percent`, of errors that Python sorts, in percent.

    Without NaN the two are equal. With NaN, `sorted` leaves errors unordered and the search for the threshold stops
    somewhere among them, so that the value depends on the order in which the errors are given; it is NaN where the
    search goes past one.

    Args:
        error_deg: (N,) errors in the order in which they were computed.
        threshold_deg: The threshold.

    Raises:
        ValueError: There are no errors.
    """
    errors = np.asarray(error_deg, dtype=np.float64)
    if errors.size == 0:
        raise ValueError("an area under the curve needs at least one error")
    x = np.array([0.0, *sorted(errors.tolist())])
    reached = int(np.searchsorted(x, threshold_deg))
    recall = np.arange(reached) / errors.size
    x, y = np.append(x[:reached], threshold_deg), np.append(recall, recall[-1])
    return float(100.0 * np.sum(np.diff(x) * (y[1:] + y[:-1])) / (2.0 * threshold_deg))


def convention_auc_percent(convention: Convention, error_deg: ArrayLike, threshold_deg: float) -> float:
    """AUC of (N,) errors under a convention, in percent.

    Raises:
        ValueError: There are no errors, or the convention has no area under the curve.
    """
    if convention.integrator is None:
        raise ValueError(f"{convention.name} takes no area under the curve")
    if convention.integrator is Integrator.HISTOGRAM:
        return histogram_auc_percent(error_deg, threshold_deg, convention.histogram_upper_deg)
    if convention.nan is NanRule.LEFT_TO_CHANCE:
        return python_sorted_auc_percent(error_deg, threshold_deg)
    errors = np.asarray(error_deg, dtype=np.float64)
    return auc_percent(np.where(np.isnan(errors), np.inf, errors), threshold_deg)


def accuracy_percent(error_deg: ArrayLike, threshold_deg: float) -> float:
    """Share of (N,) errors below a threshold, in percent; NaN is not below."""
    return float(100.0 * np.mean(np.asarray(error_deg, dtype=np.float64) < threshold_deg))


def mean_accuracy_percent(error_deg: ArrayLike, threshold_deg: float) -> float:
    """Mean of the accuracies of (N,) errors at 5, 10, ... degrees up to a threshold, in percent."""
    steps = np.arange(_MEAN_ACCURACY_STEP_DEG, threshold_deg + _MEAN_ACCURACY_STEP_DEG / 2.0, _MEAN_ACCURACY_STEP_DEG)
    return float(np.mean([accuracy_percent(error_deg, step) for step in steps]))


def average_precision_percent(confidence: ArrayLike, correct: ArrayLike, failures: int) -> float:
    """Precision averaged over the recall of the answers by falling confidence, in percent.

    Recall is the share of all pairs, failures among them, that are answered with a confidence or a higher one, right or
    wrong; precision the share of these that are right. Answers of equal confidence enter together.

    Args:
        confidence: (N,) confidences of the answers.
        correct: (N,) whether each is right.
        failures: Pairs without an answer.

    Raises:
        ValueError: There are neither answers nor failures.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.bool_)
    if sure.size + failures == 0:
        raise ValueError("an average precision needs at least one pair")
    levels, level = np.unique(-sure, return_inverse=True)
    entered = np.bincount(level, minlength=levels.size)
    precision = np.cumsum(np.bincount(level, weights=right, minlength=levels.size)) / np.cumsum(entered)
    return float(100.0 * np.sum(precision * entered) / (sure.size + failures))


def score_as(convention: Convention, run: ScoredRun, condition: str = CLEAN_CONDITION) -> ConventionScore:
    """Score one condition under a foreign convention and under ours, at the foreign thresholds.

    Args:
        convention: The convention; it has no baseline threshold, ours has that of the run.
        run: The predictions with their labels.
        condition: Which condition.
    """
    labels, aligned, ours = run.labels, run.answers(condition), run.errors(condition)
    theirs = convention_errors(
        convention,
        predicted_rotation=aligned.rotation_a_b,
        predicted_translation=aligned.translation_a_b,
        true_rotation=labels.rotation_a_b,
        true_translation=labels.translation_a_b_m,
    )
    if convention.pose_threshold is not None:
        return _score_poses(convention, theirs, ours, run, aligned)
    raised = np.array([status in (Status.ERROR, Status.MISSING) for status in aligned.status], dtype=np.bool_)
    kept = ~raised if convention.raised_pairs is RaisedPairs.LEFT_OUT else np.ones(len(labels), dtype=np.bool_)
    moved = kept & labels.has_translation()
    quantities = {
        "total": _Quantity(theirs.total_deg, moved, ours.total_deg),
        "rotation": _Quantity(theirs.rotation_deg, kept, ours.rotation_deg),
        "direction": _Quantity(theirs.direction_deg, moved, ours.direction_deg),
    }
    rows = list(_angle_rows(convention, quantities))
    return ConventionScore(convention, condition, rows, _angle_notes(convention, theirs, kept, labels))


@dataclass(frozen=True)
class _Quantity:
    """Errors of N pairs: foreign ones and which of them count, and ours, NaN where they do not."""

    foreign_deg: FloatArray
    foreign_in: NDArray[np.bool_]
    own_deg: FloatArray

    def row(self, convention: Convention, name: str, measure: Measure, threshold_deg: float) -> ConventionRow:
        foreign, own = self.foreign_deg[self.foreign_in], self.own_deg[~np.isnan(self.own_deg)]
        return ConventionRow(
            quantity=name,
            measure=measure,
            threshold_deg=threshold_deg,
            threshold_m=None,
            foreign=_value(convention, measure, foreign, threshold_deg) if foreign.size else None,
            foreign_n=int(foreign.size),
            ours=_value(None, measure, own, threshold_deg) if own.size else None,
            ours_n=int(own.size),
        )


def _value(convention: Convention | None, measure: Measure, error_deg: FloatArray, threshold_deg: float) -> float:
    """A measure under a convention, or under our contract."""
    if measure is Measure.ACCURACY:
        return accuracy_percent(error_deg, threshold_deg)
    if measure is Measure.MEAN_ACCURACY:
        return mean_accuracy_percent(error_deg, threshold_deg)
    if convention is None:
        return auc_percent(error_deg, threshold_deg)
    return convention_auc_percent(convention, error_deg, threshold_deg)


def _angle_rows(convention: Convention, quantities: dict[str, _Quantity]) -> Iterator[ConventionRow]:
    for name, quantity in quantities.items():
        for threshold in convention.thresholds_deg:
            yield quantity.row(convention, name, Measure.AUC, threshold)
    for name in ("rotation", "direction"):
        for threshold in convention.accuracy_thresholds_deg:
            yield quantities[name].row(convention, name, Measure.ACCURACY, threshold)
    for threshold in convention.mean_accuracy_thresholds_deg:
        yield quantities["total"].row(convention, "total", Measure.MEAN_ACCURACY, threshold)


def _angle_notes(
    convention: Convention, errors: ConventionErrors, kept: NDArray[np.bool_], labels: Labels
) -> list[str]:
    notes = []
    left_out = int((~kept).sum())
    if left_out:
        notes.append(f"{left_out} pairs without an answer are left out, as that code leaves them out")
    failed = int((kept & ~errors.answered).sum())
    if failed and not convention.failure_specified:
        notes.append(f"{failed} pairs without an answer count as never reached: that code has no case for them")
    with_direction = labels.has_translation()
    undefined = kept & (np.isnan(errors.rotation_deg) | (np.isnan(errors.direction_deg) & with_direction))
    if undefined.any():
        stops = convention.rotation is RotationFormula.BOUNDED_TRACE and np.isnan(errors.rotation_deg[kept]).any()
        by_order = convention.nan is NanRule.LEFT_TO_CHANCE
        found = "stops at, or gives NaN to," if stops else "computes NaN as the error of"
        notes.append(
            f"that code {found} {int(undefined.sum())} pairs: "
            + (
                _span(convention, errors.total_deg[kept & with_direction])
                if by_order
                else "they count as never reached"
            )
        )
    return notes


def _span(convention: Convention, total_deg: FloatArray) -> str:
    """Between which values the order of the pairs decides."""
    if not np.isnan(total_deg).any():
        return "the value depends on the order of the pairs"
    ends = [
        "/".join(
            f"{convention_auc_percent(convention, np.where(np.isnan(total_deg), cost, total_deg), threshold):.2f}"
            for threshold in convention.thresholds_deg
        )
        for cost in (np.inf, 0.0)
    ]
    return (
        "the value depends on the order of the pairs, or is NaN; total AUC would be "
        f"{ends[0]} with these pairs never reached, {ends[1]} with them right"
    )


def _score_poses(
    convention: Convention, theirs: ConventionErrors, ours: ErrorTable, run: ScoredRun, aligned: Aligned
) -> ConventionScore:
    """Share of metric pairs whose pose is right, and its average precision over confidence.

    Ours has the same measures, of our errors. A model that gives no confidence answers every pair with the same one.
    """
    limit, labels, condition = convention.pose_threshold, run.labels, ours.condition
    if limit is None:
        raise ValueError(f"{convention.name} compares no metres")
    in_metres = labels.has_scale(Scale.METRIC)
    answered_at_all = aligned.rows >= 0
    confidence = np.full(len(labels), np.nan)
    confidence[answered_at_all] = run.predictions.confidence[aligned.rows[answered_at_all]]
    notes = []
    if np.isnan(confidence).all():
        confidence = np.zeros(len(labels))
        notes.append("the model gives no confidence: all answers enter the average precision at once")
    # A line whose numbers are not all finite is no estimate for that code, nor is a translation that is not in metres.
    answered = theirs.answered & aligned.metric & np.isfinite(theirs.translation_m) & np.isfinite(confidence)
    rows: list[ConventionRow] = []
    if not (answered & in_metres).any():
        notes = ["nothing to compare: no pair has both a label and an answer in metres"]
        return ConventionScore(convention, condition, rows, notes)
    right = (theirs.translation_m < limit.metres) & (theirs.rotation_deg < limit.degrees)
    own_right = (ours.translation_m < limit.metres) & (ours.rotation_deg < limit.degrees)
    own_answered = ours.valid & aligned.metric & np.isfinite(ours.translation_m) & np.isfinite(confidence)
    total = int(in_metres.sum())
    for measure in (Measure.ACCURACY, Measure.AVERAGE_PRECISION):
        values = [
            _pose_value(measure, confidence[counts], correct[counts], total)
            for correct, counts in ((right, answered & in_metres), (own_right, own_answered & in_metres))
        ]
        rows.append(ConventionRow("pose", measure, limit.degrees, limit.metres, values[0], total, values[1], total))
    without = total - int((answered & in_metres).sum())
    if without:
        notes.append(f"{without} of {total} pairs have no estimate in metres and count as wrong")
    return ConventionScore(convention, condition, rows, notes)


def _pose_value(measure: Measure, confidence: FloatArray, correct: NDArray[np.bool_], total: int) -> float:
    if measure is Measure.ACCURACY:
        return float(100.0 * np.sum(correct) / total)
    return average_precision_percent(confidence, correct, total - len(correct))
