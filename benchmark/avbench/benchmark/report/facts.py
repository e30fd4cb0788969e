"""The parts of the page that a reader judges the numbers by: what was run on what, warnings, what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from avbench.benchmark.metrics_spec import load_metrics_spec
from avbench.benchmark.predictions import CLEAN_CONDITION
from avbench.benchmark.report.blocks import note_list, section
from avbench.benchmark.report.gather import ReportData, RunData
from avbench.benchmark.report.markup import NOTHING, Child, Markup, element
from avbench.benchmark.result_files import RunFile
from avbench.benchmark.tables import score_notes
from avbench.preprocessing.recording import Scale

_SHOWN_MESSAGES = 5


def facts_section(data: ReportData) -> Markup:
    """What was run, on what, with what."""
    counts = {
        "recordings": data.counts("recording_id"),
        "poses from": data.counts("pose_source"),
        "up from": data.counts("up_source"),
        "sound": data.counts("array_kind"),
        "source": data.counts("source"),
        "licence": data.counts("licence"),
    }
    rows = [
        ("data set", element("code", data.dataset.fingerprint)),
        ("split", data.split),
        ("pairs", f"{len(data.labels)} in {data.clusters.groups} groups, {len(counts['recordings'])} recordings"),
        ("data", data.origin),
        *((name, _counted(found)) for name, found in counts.items() if name != "recordings"),
        ("direction counts", _direction_rule(data)),
        ("metrics", f"specification {data.runs[0].scores[0].spec_version}"),
    ]
    runs = [
        element("div", element("h3", run.name), _list(run_facts(run)), _packages(run), class_="facts")
        for run in data.runs
    ]
    about_data = element("div", element("h3", "Data"), _list(rows), class_="facts")
    return section("run", "What was run", element("div", about_data, runs, class_="runs"))


def _direction_rule(data: ReportData) -> str:
    rule = f"from a baseline of {data.baseline_threshold_m:g} m"
    if not data.labels.has_scale(Scale.UNKNOWN).any():
        return rule
    return f"{rule}; of unknown scale up to an uncertainty of {load_metrics_spec().direction_sigma_limit_deg:g} degrees"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({times})" for name, times in counts.items()) or "none"


def _list(rows: Sequence[tuple[str, Child]]) -> Markup:
    return element("dl", [[element("dt", name), element("dd", value)] for name, value in rows if value])


def run_facts(run: RunData) -> list[tuple[str, Child]]:
    """Facts of one run in words; what it did not write down is left out."""
    settings, document = run.saved.settings, run.document
    git, machine = document.git, document.machine
    commit = f"{git.commit[:12]}{', with changes' if git.dirty else ''}" if git is not None else ""
    parts = [part for part in (machine.system, machine.processor, machine.device) if part]
    parts += [f"{machine.cores} cores"] if machine.cores else []
    parts += [f"Python {machine.python}"] if machine.python else []
    took = ", ".join(f"{phase} {value:.1f} s" for phase, value in document.seconds.items())
    more = ", …" if len(run.conditions) > 4 else ""
    version = settings.packages.get("avbench", "")
    version += f", code {settings.code_sha256[:12]}" if settings.code_sha256 else ""
    seeded = ["-" if one is None else str(one) for one in (settings.device, settings.seed)]
    return [
        ("model", settings.model or run.name),
        ("model code", _hash(settings.model_code_sha256)),
        ("suite", document.suite),
        ("conditions", f"{len(run.conditions)}: {', '.join(run.conditions[:4])}{more}"),
        ("command", element("code", " ".join(document.command)) if document.command else None),
        ("avbench", version),
        ("commit", commit),
        (
            "device, seed",
            ", ".join(seeded) if set(seeded) != {"-"} else None,
        ),
        ("machine", ", ".join(parts)),
        ("time", took),
        ("peak memory", _memory(document)),
        ("predictions", _hash(run.predictions.content_sha256())),
    ]


def _memory(document: RunFile) -> str:
    """Peak memory of the run, and of the model where that has a process of its own."""
    found = (("", document.peak_memory_mib), ("model ", document.model_peak_memory_mib))
    return ", ".join(f"{words}{value:.0f} MiB" for words, value in found if value)


def _hash(value: object) -> Markup | None:
    return element("code", str(value)[:16], title=str(value)) if value else None


def _packages(run: RunData) -> Markup:
    packages = run.saved.settings.packages
    if not packages:
        return NOTHING
    return element("details", element("summary", "Packages"), _list(list(packages.items())))


def warnings(data: ReportData) -> list[str]:
    """What a reader must know before any number."""
    found = []
    if data.simulated_pairs:
        every = data.simulated_pairs == len(data.labels)
        many = "All" if every else f"{data.simulated_pairs} of the {len(data.labels)}"
        found.append(f"{many} pairs are simulated: these numbers say nothing certain about real recordings.")
    if data.limit is not None:
        found.append(f"Only the first {len(data.labels)} pairs of the split were answered: no result to report.")
    for run in data.runs:
        mismatches = golden_mismatches(run)
        if mismatches:
            found.append(
                f"{run.name}: {len(mismatches)} corruptions gave other pixels on this machine than they should: "
                f"{'; '.join(mismatches[:3])}{'; …' if len(mismatches) > 3 else ''}. Do not compare their scores."
            )
    return found


def golden_mismatches(run: RunData) -> list[str]:
    """Corruptions whose pixels differed from the shipped hashes when the run was made."""
    return list(run.saved.settings.golden_mismatches)


def notes_section(data: ReportData) -> Markup:
    """Which pairs were counted, which were not, and what models said when they failed."""
    parts: list[Child] = []
    for run in data.runs:
        parts += [
            element("h3", run.name) if len(data.runs) > 1 else None,
            note_list(_counted_notes(run)),
            _failures(run),
        ]
    return section("notes", "Counted and left out", parts)


def _counted_notes(run: RunData) -> list[str]:
    """What was counted, of clean or the first condition: it is the same for all; then what failed most often."""
    shown = run.score_of(CLEAN_CONDITION) or run.scores[0]
    messages = Counter(message for message in run.predictions.message if message is not None)
    often = [f"{times} times: {message}" for message, times in messages.most_common(_SHOWN_MESSAGES)]
    return [*score_notes(shown), *often]


def _failures(run: RunData) -> Markup:
    """The other conditions under which pairs failed, behind a fold: a suite has many."""
    others = [score for score in run.scores if score.condition != CLEAN_CONDITION and score.counts.failed]
    if not others:
        return NOTHING
    total = sum(score.counts.failed for score in others)
    words = f"{total} answers under {len(others)} other conditions count as 180 degrees"
    # The last line of a score's notes is the one on failures.
    return element("details", element("summary", words), note_list([score_notes(score)[-1] for score in others]))
