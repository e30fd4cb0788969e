"""The parts of the page that a reader judges the numbers by: what was run on what, warnings, what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.predictions.file import CLEAN_CONDITION
from avbench.benchmark.predictions.result_files import RunFile
from avbench.benchmark.report.gather import ReportData, RunData
from avbench.benchmark.report.views import Fact
from avbench.benchmark.tables.scores import score_notes
from avbench.preprocessing.recording.recording import Scale

_SHOWN_MESSAGES = 5


@dataclass(frozen=True)
class RunFacts:
    """What one run wrote down about itself."""

    name: str
    facts: tuple[Fact, ...]
    packages: tuple[Fact, ...]


@dataclass(frozen=True)
class RunPart:
    """What was run, on what."""

    data: tuple[Fact, ...]
    runs: tuple[RunFacts, ...]


def run_part(data: ReportData) -> RunPart:
    """What was run, on what, with what."""
    counts = {
        "recordings": data.counts("recording_id"),
        "poses from": data.counts("pose_source"),
        "up from": data.counts("up_source"),
        "sound": data.counts("array_kind"),
        "source": data.counts("source"),
        "licence": data.counts("licence"),
    }
    about_data = (
        Fact("data set", data.dataset.fingerprint, code=True),
        Fact("split", data.split),
        Fact("pairs", f"{len(data.labels)} in {data.clusters.groups} groups, {len(counts['recordings'])} recordings"),
        Fact("data", data.origin),
        *(Fact(name, _counted(found)) for name, found in counts.items() if name != "recordings"),
        Fact("direction counts", _direction_rule(data)),
        Fact("metrics", f"specification {data.runs[0].scores[0].spec_version}"),
    )
    return RunPart(about_data, tuple(RunFacts(run.name, run_facts(run), _packages(run)) for run in data.runs))


def _direction_rule(data: ReportData) -> str:
    rule = f"from a baseline of {data.baseline_threshold_m:g} m"
    if not data.labels.has_scale(Scale.UNKNOWN).any():
        return rule
    return f"{rule}; of unknown scale up to an uncertainty of {load_metrics_spec().direction_sigma_limit_deg:g} degrees"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({times})" for name, times in counts.items()) or "none"


def run_facts(run: RunData) -> tuple[Fact, ...]:
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
    found = (
        Fact("model", settings.model or run.name),
        _hash("model code", settings.model_code_sha256),
        Fact("suite", document.suite),
        Fact("conditions", f"{len(run.conditions)}: {', '.join(run.conditions[:4])}{more}"),
        Fact("command", " ".join(document.command), code=True),
        Fact("avbench", version),
        Fact("commit", commit),
        Fact("device, seed", ", ".join(seeded) if set(seeded) != {"-"} else ""),
        Fact("machine", ", ".join(parts)),
        Fact("time", took),
        Fact("peak memory", _memory(document)),
        _hash("predictions", run.predictions.content_sha256()),
    )
    return tuple(fact for fact in found if fact.value)


def _memory(document: RunFile) -> str:
    """Peak memory of the run, and of the model where that has a process of its own."""
    found = (("", document.peak_memory_mib), ("model ", document.model_peak_memory_mib))
    return ", ".join(f"{words}{value:.0f} MiB" for words, value in found if value)


def _hash(name: str, value: object) -> Fact:
    return Fact(name, str(value)[:16], code=True, whole=str(value)) if value else Fact(name, "")


def _packages(run: RunData) -> tuple[Fact, ...]:
    return tuple(Fact(name, version) for name, version in run.saved.settings.packages.items() if version)


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


@dataclass(frozen=True)
class RunNotes:
    """What was counted of one run.

    Attributes:
        name: Its name.
        counted: What was counted and what failed most often.
        failed: How many answers failed under the conditions other than clean.
        failures: These conditions, a line each: a suite has many.
    """

    name: str
    counted: tuple[str, ...]
    failed: int
    failures: tuple[str, ...]


@dataclass(frozen=True)
class NotesPart:
    """Which pairs were counted and which were not, of each run."""

    runs: tuple[RunNotes, ...]


def notes_part(data: ReportData) -> NotesPart:
    """Which pairs were counted, which were not, and what models said when they failed."""
    return NotesPart(tuple(_run_notes(run) for run in data.runs))


def _run_notes(run: RunData) -> RunNotes:
    others = [score for score in run.scores if score.condition != CLEAN_CONDITION and score.counts.failed]
    failed = sum(score.counts.failed for score in others)
    # The last line of a score's notes is the one on failures.
    return RunNotes(run.name, _counted_notes(run), failed, tuple(score_notes(score)[-1] for score in others))


def _counted_notes(run: RunData) -> tuple[str, ...]:
    """What was counted, of clean or the first condition: it is the same for all; then what failed most often."""
    shown = run.score_of(CLEAN_CONDITION) or run.scores[0]
    messages = Counter(message for message in run.predictions.message if message is not None)
    often = [f"{times} times: {message}" for message, times in messages.most_common(_SHOWN_MESSAGES)]
    return (*score_notes(shown), *often)
