"""A reference table as text: scores, differences, confidence, where the gain comes from, probes, and time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from avbench.benchmark.conditions.probes.probe import KIND
from avbench.benchmark.data.pair import Modality
from avbench.benchmark.reference.answers import Timing
from avbench.benchmark.reference.figures import COMPARED_METRICS, DIRECTION, ROTATION, SHOWN_METRICS, Cell, Gain
from avbench.benchmark.reference.listening import Listening
from avbench.benchmark.reference.plan import FLOOR, FUSED, HEAD_SEED, SILENCED
from avbench.benchmark.scoring.bootstrap import Difference, Estimate
from avbench.benchmark.scoring.metric import all_metrics
from avbench.benchmark.scoring.probes import ProbeLoss
from avbench.benchmark.tables.comparisons import Table
from avbench.benchmark.tables.scores import difference_text, estimate_text, interval_notes, number

_SHORT = {
    ROTATION: "rot mean°",
    "rotation.median_deg": "rot med°",
    DIRECTION: "dir mean°",
    "total.auc@10": "AUC@10",
    "total.auc@20": "AUC@20",
}
_BRACKETS = "in brackets: 95 % intervals, from resampling groups"


def score_tables(cells: Sequence[Cell]) -> list[Table]:
    """Every row under every condition: the models, and where there are any, the variants."""
    models = [cell for cell in cells if not cell.row.variant]
    variants = [cell for cell in cells if cell.row.variant]
    tables = [_score_table("Scores", models)]
    return tables + ([_score_table("Scores of variants", variants)] if variants else [])


def _score_table(title: str, cells: Sequence[Cell]) -> Table:
    rows = [
        (
            cell.condition,
            cell.row.name,
            *(estimate_text(cell.sampled[name].estimate) for name in SHOWN_METRICS),
            _or_dash(cell.share, 3),
            str(cell.counts.pairs),
            str(cell.counts.with_direction),
            str(cell.counts.failed),
        )
        for cell in cells
    ]
    notes = [_BRACKETS, f"/ {FLOOR}: mean rotation error as a share of that row's, paired"]
    if any(cell.row.silent for cell in cells):
        notes.append("+silence: the same model with all samples zero")
    if any(Modality.UP in cell.row.withheld for cell in cells):
        notes.append("+without-up: the same model, trained with up vectors, without them")
    if any(cell.row.variant for cell in cells):
        notes.append("@NAME: the model of the variant NAME of the bundle")
    shown = [cell.sampled[name].estimate for cell in cells for name in SHOWN_METRICS]
    return Table(
        title,
        ("condition", "model", *(_SHORT[name] for name in SHOWN_METRICS), f"/ {FLOOR}", "N rot", "N dir", "failed"),
        tuple(rows),
        (*notes, *_interval_notes([*shown, *(cell.share for cell in cells)])),
    )


def difference_table(gains: Sequence[Gain]) -> Table:
    """Every comparison under every condition."""
    rows = []
    for gain in gains:
        texts = {name: difference_text(gain.difference[name]) for name in COMPARED_METRICS}
        percent = {name: _percent(one) for name, one in gain.gain_percent.items()}
        rows.append(
            (
                gain.condition,
                gain.contrast.name,
                *(text for name in COMPARED_METRICS for text in (texts[name], percent.get(name)) if text is not None),
            )
        )
    heads = [
        head
        for name in COMPARED_METRICS
        for head in ((_SHORT[name], "gain %") if all_metrics()[name].unit == "deg" else (_SHORT[name],))
    ]
    shown = [gain.difference[name].estimate for gain in gains for name in COMPARED_METRICS]
    return Table(
        "Differences on the same pairs",
        ("condition", "difference", *heads),
        tuple(rows),
        (
            _BRACKETS,
            "errors: negative is better; AUC: positive is better; gain %: by how much the mean error is smaller",
            *_interval_notes([*shown, *(one for gain in gains for one in gain.gain_percent.values())]),
        ),
    )


def confidence_table(cells: Sequence[Cell]) -> Table:
    """What the confidence of every row is worth; rows that give none are left out."""
    rows, shown = [], []
    for cell in cells:
        if cell.confidence is None:
            continue
        found = cell.confidence
        auroc, area, ratio = found.auroc.estimate, found.risk_coverage_deg.estimate, found.ratio
        random, against = found.random_deg.estimate, found.against_random
        shown += [auroc, area, ratio, random, against.estimate]
        rows.append(
            (
                cell.condition,
                cell.row.name,
                estimate_text(auroc, 3),
                estimate_text(area),
                estimate_text(random),
                difference_text(against),
                estimate_text(ratio, 3),
            )
        )
    risk = (
        "risk-coverage: mean rotation error of the surest pairs, averaged over all shares of pairs kept; smaller than "
        "in random order is better"
    )
    return Table(
        "Confidence against rotation error",
        ("condition", "model", "AUROC", "risk-coverage°", "random order°", "difference°", "ratio"),
        tuple(rows),
        (
            _BRACKETS,
            "AUROC: of the rotation error being above the median of this model under this condition; 0.5 is chance",
            risk,
            *_interval_notes(shown),
        ),
    )


def source_table(cells: Sequence[Cell], gains: Sequence[Gain]) -> Table:
    """Where the gain comes from: pictures alone, silence, and every variant that is no repetition."""
    over = {(gain.contrast.a.name, gain.condition): gain for gain in gains if gain.contrast.over_pictures}
    rows, shown = [], []
    for cell in cells:
        if cell.row.variant.startswith(HEAD_SEED) or not (cell.row.variant or cell.row.model in _SOURCES):
            continue
        gain = over.get((cell.row.name, cell.condition))
        error = cell.sampled[ROTATION].estimate
        shown.append(error)
        texts = ["-"] * 4
        if gain is not None:
            shown += [gain.difference[ROTATION].estimate, gain.gain_percent[ROTATION]]
            texts = [
                gain.contrast.b.name,
                difference_text(gain.difference[ROTATION]),
                _percent(gain.gain_percent[ROTATION]),
                _or_dash(gain.share_of_gain, 3),
            ]
            shown += [] if gain.share_of_gain is None else [gain.share_of_gain]
        rows.append((cell.condition, cell.row.name, estimate_text(error), *texts))
    return Table(
        "Where the gain comes from: mean rotation error",
        ("condition", "model", "rot mean°", "pictures alone", "difference°", "gain %", f"of {FUSED}'s gain"),
        tuple(rows),
        (
            _BRACKETS,
            "pictures alone: the row that the difference is from, of the same variant where it has one of its own",
            f"of {FUSED}'s gain: the gain as a share of that of {FUSED} with all it has",
            *_interval_notes(shown),
        ),
    )


_SOURCES = ("vision", *SILENCED)


def listening_table(found: Sequence[Listening]) -> Table:
    """Every probe under every condition."""
    rows: list[tuple[str, ...]] = []
    shown: list[Estimate] = []
    for listening in found:
        for probe in listening.report.probes:
            against = listening.over_pictures.get(probe.probe, {}).get(ROTATION)
            told = [probe.loss.get(ROTATION), probe.harm.get(ROTATION), against]
            told += [probe.loss.get(DIRECTION), probe.loss.get("total.auc@20")]
            shown += [one.estimate for one in told if one is not None]
            rows.append(
                (
                    listening.condition,
                    str(probe.probe),
                    str(KIND[probe.probe]),
                    str(probe.pairs),
                    *(_difference_or_dash(one) for one in told),
                    str(probe.failed),
                )
            )
    return Table(
        f"Listening probes of {found[0].report.model}: what is lost",
        (
            *("condition", "probe", "sound", "pairs"),
            *("rot mean° - right sound", "- silence", "- pictures alone", "dir mean° - right sound", "AUC@20 lost"),
            "failed",
        ),
        tuple(rows),
        (
            _BRACKETS,
            "positive is worse throughout; over the pairs to which the probe can be applied",
            "mute - right sound: the reliance on sound; mute - pictures alone: what missing sound costs",
            *_left_out(found[0].report.probes),
            *_interval_notes(shown),
        ),
    )


def _left_out(probes: Iterable[ProbeLoss]) -> list[str]:
    lines = [
        f"{probe.probe}: {probe.left_out} pairs {probe.why_not} are left out" for probe in probes if probe.left_out
    ]
    shifts = [
        f"{probe.probe}: shifted by {probe.median_shift_s:.2f} s in the median"
        for probe in probes
        if probe.median_shift_s is not None
    ]
    return lines + shifts


def timing_table(timings: Sequence[Timing]) -> Table:
    """How long every run took."""
    rows = [
        (
            timing.name,
            str(timing.answers),
            f"{timing.seconds:.1f}",
            number(timing.ms if timing.answers else None, 1),
            number(None if timing.model_ms != timing.model_ms else timing.model_ms, 1),
        )
        for timing in timings
    ]
    total = sum(timing.seconds for timing in timings)
    return Table(
        "Time",
        ("run", "answers", "seconds", "ms an answer", "of which model"),
        (*rows, ("all", str(sum(timing.answers for timing in timings)), f"{total:.1f}", "", "")),
        (
            "an answer: one pair under one condition that the model can tell from others",
            "seconds by the clock when the run was made; reading and corrupting go on while the model is busy",
            "runs made beside each other (`--jobs`) slow each other down, and together take less than the sum",
        ),
    )


def _percent(found: Estimate) -> str:
    return estimate_text(found, 1)


def _or_dash(found: Estimate | None, decimals: int) -> str:
    return "-" if found is None else estimate_text(found, decimals)


def _difference_or_dash(found: Difference | None) -> str:
    return "-" if found is None else difference_text(found)


def _interval_notes(estimates: Iterable[Estimate | None]) -> list[str]:
    return interval_notes([estimate for estimate in estimates if estimate is not None])
