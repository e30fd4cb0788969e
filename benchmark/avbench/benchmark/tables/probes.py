"""Listening probes as a text table."""

from __future__ import annotations

from avbench.benchmark.conditions.probes.probe import KIND, ProbeKind
from avbench.benchmark.scoring.bootstrap import Difference
from avbench.benchmark.scoring.probes import WORST_BY, Losses, ProbeLoss, ProbeReport
from avbench.benchmark.tables.scores import UNCORRECTED, difference_text, interval_notes, text_table

_SHOWN = ("rotation.mean_deg", "direction.mean_deg", "total.auc@20")


def probe_table(report: ProbeReport) -> str:
    """The probes as a table for a terminal, and what a reader must know about it."""
    rows = []
    for found in report.probes:
        rows.append(_row(f"{found.probe} - clean", KIND[found.probe], found, found.loss))
        if KIND[found.probe] is ProbeKind.LIES:
            rows.append(_row(f"{found.probe} - mute", "harm", found, found.harm))
    heads = ("probe", "sound", "pairs", "rot mean° lost", "dir mean° lost", "AUC@20 lost", "failed")
    return "\n".join([text_table(heads, rows), *_notes(report)])


def _row(name: str, kind: str, found: ProbeLoss, losses: Losses) -> list[str]:
    cells = [difference_text(losses[metric]) if metric in losses else "-" for metric in _SHOWN]
    return [name, kind, str(found.pairs), *cells, str(found.failed)]


def _notes(report: ProbeReport) -> list[str]:
    lines = []
    if not report.listens:
        lines.append(f"{report.model} does not look at sound and was given none: nothing it answers can change")
    if report.reliance:
        lines.append(f"audio reliance (mute - clean), mean rotation: {_told(report.reliance)}")
    worst = report.worst_lie if report.listens else None
    if worst is not None and report.largest_harm is not None:
        told = difference_text(Difference(report.largest_harm, None))
        lines.append(
            f"largest harm (lie - mute), mean rotation: {told}° by {worst.probe}; an interval for the largest of "
            f"{report.lies} lies"
        )
    for found in report.probes:
        if found.left_out:
            lines.append(f"{found.probe}: {found.left_out} pairs {found.why_not} are left out")
        if found.median_shift_s is not None:
            lines.append(f"{found.probe}: shifted by {found.median_shift_s:.2f} s in the median")
    shown = [losses[name].estimate for probe in report.probes for losses in (probe.loss, probe.harm) for name in losses]
    return [*lines, f"the other intervals: {UNCORRECTED}", *interval_notes(shown)]


def _told(losses: Losses) -> str:
    return f"{difference_text(losses[WORST_BY])}°"
