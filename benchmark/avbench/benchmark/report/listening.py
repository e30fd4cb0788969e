"""The part of the page on listening probes: what a run loses when its sound is gone, lies or gets poorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbench.benchmark.conditions.probes.probe import SUMMARY, Probe, ProbeKind
from avbench.benchmark.plots.forest import ForestRow, forest_plot
from avbench.benchmark.plots.svg import spent_svg
from avbench.benchmark.report.gather import ReportData, RunData
from avbench.benchmark.report.score_table import metric_scale, metric_words
from avbench.benchmark.report.views import Drawn, Panel
from avbench.benchmark.scoring.bootstrap import Difference
from avbench.benchmark.scoring.probe_file import DifferenceRecord
from avbench.benchmark.tables.scores import UNCORRECTED, difference_text, interval_notes

LOSS_METRICS = ("rotation.mean_deg", "direction.mean_deg", "total.auc@20")


@dataclass(frozen=True)
class ProbeResult:
    """One probe of one run, as `avbench evaluate --probes` wrote it down.

    Attributes:
        probe: Which.
        kind: What it does to the sound.
        pairs: Pairs to which it was applied.
        left_out: Pairs to which it cannot be applied.
        why_not: Why not; empty where it was applied to all.
        loss: By metric, what is lost against clean; positive is worse.
        harm: By metric, what is lost against silence; empty for a probe that does not lie.
    """

    probe: Probe
    kind: ProbeKind
    pairs: int
    left_out: int
    why_not: str
    loss: Mapping[str, Difference]
    harm: Mapping[str, Difference]


def probe_results(run: RunData) -> list[ProbeResult]:
    """The probes of a run; none where it was not probed."""
    return [
        ProbeResult(
            probe=entry.probe,
            kind=entry.kind,
            pairs=entry.pairs,
            left_out=entry.left_out,
            why_not=entry.left_out_are or "",
            loss=_differences(entry.loss),
            harm=_differences(entry.harm or {}),
        )
        for entry in run.probes.probes
    ]


def _differences(stored: Mapping[str, DifferenceRecord]) -> dict[str, Difference]:
    return {name: value.difference() for name, value in stored.items()}


@dataclass(frozen=True)
class ProbeRow:
    """One probe in a table.

    Attributes:
        probe: Its name.
        kind: What it does to the sound, in a word.
        explained: The same in a sentence.
        pairs: Pairs to which it was applied.
        cells: Losses and harms, each a number and its interval.
    """

    probe: str
    kind: str
    explained: str
    pairs: int
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ProbeTable:
    """The probes of one run."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[ProbeRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ListeningPart:
    """What every run loses under every probe: a tab for each metric, a table for each run."""

    panels: tuple[Panel, ...]
    tables: tuple[ProbeTable, ...]


def listening_part(data: ReportData) -> ListeningPart | None:
    """What every run loses under every probe; None where none was probed."""
    probed = [(number, run, found) for number, run in enumerate(data.runs) if (found := probe_results(run))]
    if not probed:
        return None
    panels = []
    for metric in LOSS_METRICS:
        rows = [
            ForestRow(str(probe).replace("_", " "), run.label, number, result.loss[metric].estimate)
            for probe in Probe
            for number, run, found in probed
            for result in found
            if result.probe is probe and metric in result.loss
        ]
        scale = metric_scale(metric, what=" lost")
        plot = spent_svg(forest_plot(rows, scale), f"{scale.words} by probe")
        panels.append(Panel(scale.words, (Drawn("", plot),)))
    return ListeningPart(tuple(panels), tuple(_table(run, found) for _, run, found in probed))


def _table(run: RunData, found: Sequence[ProbeResult]) -> ProbeTable:
    heads = [f"{metric_words(metric)} lost" for metric in LOSS_METRICS]
    heads += [f"{metric_words(metric)}, harm" for metric in LOSS_METRICS]
    rows = [
        ProbeRow(
            str(result.probe).replace("_", " "),
            str(result.kind),
            SUMMARY[result.probe],
            result.pairs,
            tuple(_cell(values.get(metric)) for values in (result.loss, result.harm) for metric in LOSS_METRICS),
        )
        for result in found
    ]
    return ProbeTable(f"Listening probes of {run.label}", tuple(heads), tuple(rows), tuple(_notes(found)))


def _cell(value: Difference | None) -> tuple[str, str]:
    words, _, interval = ("-" if value is None else difference_text(value)).partition(" ")
    return words, interval


def _notes(found: Sequence[ProbeResult]) -> list[str]:
    left_out = [f"{one.probe}: {one.left_out} pairs {one.why_not} are left out" for one in found if one.left_out]
    shown = [value.estimate for one in found for values in (one.loss, one.harm) for value in values.values()]
    return [*left_out, f"losses and harms: {UNCORRECTED}", *interval_notes(shown)]
