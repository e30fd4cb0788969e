"""The part of the page on listening probes: what a run loses when its sound is gone, lies or gets poorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from avbench.benchmark.probe_file import DifferenceRecord
from avbench.benchmark.probes import SUMMARY, Probe, ProbeKind
from avbench.benchmark.report.blocks import note_list, run_legend, scrolling, section, tabs
from avbench.benchmark.report.gather import ReportData, RunData
from avbench.benchmark.report.markup import NOTHING, Child, Markup, element
from avbench.benchmark.report.plots import forest_plot
from avbench.benchmark.report.score_table import metric_words
from avbench.benchmark.statistics import Difference
from avbench.benchmark.tables import difference_text, interval_notes

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


def listening_section(data: ReportData) -> Markup:
    """What every run loses under every probe; nothing where none was probed."""
    probed = [(number, run, found) for number, run in enumerate(data.runs) if (found := probe_results(run))]
    if not probed:
        return NOTHING
    names = [run.label for run in data.runs]
    panels: list[tuple[str, Child]] = []
    for metric in LOSS_METRICS:
        rows = [
            (str(probe).replace("_", " "), number, result.loss[metric].estimate)
            for probe in Probe
            for number, _, found in probed
            for result in found
            if result.probe is probe and metric in result.loss
        ]
        plot = forest_plot(f"{metric_words(metric)} lost", rows, names, per_cent=False)
        panels.append((f"{metric_words(metric)} lost", element("figure", plot, class_="forest")))
    parts: list[Child] = [run_legend(data), tabs("probes", panels)]
    for _, run, found in probed:
        parts += [_table(run, found), note_list(_notes(found))]
    lead = (
        "What is lost when the sound is gone (mute: the reliance on sound), lies or gets poorer. Positive is worse, "
        "for errors and for AUC alike; all differences are paired. Harm is the loss against silence: above zero, the "
        "model believes sound that it should have ignored."
    )
    return section("listening", "Does it listen?", parts, lead=lead)


def _table(run: RunData, found: Sequence[ProbeResult]) -> Markup:
    named = (("probe", "stub"), ("sound", "text"), ("pairs", None))
    heads = [element("th", words, scope="col", class_=class_) for words, class_ in named]
    heads += [element("th", f"{metric_words(metric)} lost", scope="col") for metric in LOSS_METRICS]
    heads += [element("th", f"{metric_words(metric)}, harm", scope="col") for metric in LOSS_METRICS]
    rows = [
        element(
            "tr",
            element("th", str(result.probe).replace("_", " "), scope="row", class_="stub"),
            element("td", str(result.kind), class_="text", title=SUMMARY[result.probe]),
            element("td", str(result.pairs)),
            [_cell(values.get(metric)) for values in (result.loss, result.harm) for metric in LOSS_METRICS],
        )
        for result in found
    ]
    table = element(
        "table",
        element("thead", element("tr", heads)),
        element("tbody", rows),
        class_="probes",
    )
    return scrolling(table, f"Listening probes of {run.label}")


def _cell(value: Difference | None) -> Markup:
    words, _, interval = ("-" if value is None else difference_text(value)).partition(" ")
    return element("td", element("b", words), element("span", interval) if interval else None)


def _notes(found: Sequence[ProbeResult]) -> list[str]:
    left_out = [f"{one.probe}: {one.left_out} pairs {one.why_not} are left out" for one in found if one.left_out]
    shown = [value.estimate for one in found for values in (one.loss, one.harm) for value in values.values()]
    return [*left_out, *interval_notes(shown)]
