"""From a data set to the files of a reference table: plan, run, score, write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from avbench.benchmark.base.progress import ProgressBar
from avbench.benchmark.base.side_by_side import Check, side_by_side
from avbench.benchmark.conditions.condition import Condition, suite_conditions
from avbench.benchmark.conditions.corruptions import Suite, load_suite
from avbench.benchmark.conditions.probes.probe import ProbePlan, plan_probes
from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.data.origin import ORIGIN_COLUMNS, origin
from avbench.benchmark.data.pair import Modality
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.learned.bundle_files import SHIPPED, describe_bundle
from avbench.benchmark.models.learned.entries import LEARNED
from avbench.benchmark.predictions.file import joined
from avbench.benchmark.reference.answers import Answers, Runner, run_folder
from avbench.benchmark.reference.export import csv_text, records
from avbench.benchmark.reference.figures import Cell, compare_cells, score_cells
from avbench.benchmark.reference.listening import Listening, probe_conditions, score_listening
from avbench.benchmark.reference.picture import draw_robustness
from avbench.benchmark.reference.plan import FUSED, PICTURES, Row, contrasts, plan_rows
from avbench.benchmark.reference.tables import (
    confidence_table,
    difference_table,
    listening_table,
    score_tables,
    source_table,
    timing_table,
)
from avbench.benchmark.running.run import RunSettings
from avbench.benchmark.scoring.bootstrap import CONFIDENCE, DEFAULT_RESAMPLES, Clusters, draw_clusters
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.tables.comparisons import Table
from avbench.preprocessing.base.atomic import remove_strays, write_text
from avbench.preprocessing.base.errors import InputError

_TRAINING_SPLIT = "train"
_CSV_NAMES = ("scores", "differences", "confidence", "listening", "times")


@dataclass(frozen=True)
class TableRequest:
    """What a reference table is to be of.

    Attributes:
        dataset: The data set.
        training: Whose training split mean-motion learns from, None for that of `dataset`.
        out: Folder of the tables; the runs lie under it.
        models: Names of models, none for the default ones.
        weights: Bundle of the learned models, None for the shipped one.
        variants: Whether the variants of the bundle get rows too.
        probes: Whether the sound of `fusion` is exchanged and spoilt too.
        suite: Name of a suite, or its TOML file.
        settings: How models are run, and on which split.
        command: What was typed.
        overwrite: Whether earlier runs are made anew.
        jobs: Runs made at a time.
    """

    dataset: PairDataset
    training: PairDataset | None
    out: Path
    models: tuple[str, ...]
    weights: Path | None
    variants: bool
    probes: bool
    suite: str | Path
    settings: RunSettings
    command: tuple[str, ...]
    overwrite: bool = False
    jobs: int = 1


@dataclass(frozen=True)
class TableOutcome:
    """A finished reference table.

    Attributes:
        caption: What it is of, in one line.
        tables: Its tables.
        files: The files written.
        runs_made: Names of the runs whose model was asked now.
    """

    caption: str
    tables: tuple[Table, ...]
    files: tuple[Path, ...]
    runs_made: tuple[str, ...]


def make_table(request: TableRequest, *, say: Callable[[str], None]) -> TableOutcome:
    """Run the models, compare them, and write the tables.

    Args:
        request: What is wanted.
        say: Called with lines on what is left out and what was done before.

    Raises:
        InputError: The data set, a model, a bundle or the suite is missing or damaged, the folder has runs of other
            settings, or several runs at a time are wanted of models in this process.
        OutputError: A file cannot be written.
    """
    if request.jobs > 1 and request.settings.timeout_s is None:
        # Each seeds the random numbers of its process.
        raise InputError(
            "jobs",
            found=f"{request.jobs} and no time limit",
            expected="1 job for models without processes of their own",
        )
    suite = load_suite(request.suite)
    seen = suite_conditions(suite)
    rows = _rows(request, say)
    split, limit = request.settings.split, request.settings.limit
    labels = Labels.of(request.dataset.labels(split, limit=limit))
    columns = request.dataset.table(split, ("group_id", *ORIGIN_COLUMNS), limit=limit)
    clusters = draw_clusters(columns.column("group_id").to_pylist())
    plans = plan_probes(request.dataset, split) if request.probes else []
    answers = _answers(request, suite, seen, rows, plans, say)
    called = {one.name: {row.name: row.condition(one).name for row in rows} for one in seen}
    cells = score_cells({name: found.predictions for name, found in answers.items()}, rows, called, labels, clusters)
    gains = compare_cells(cells, contrasts(rows))
    listening = _listening(rows, cells, plans, seen, answers, labels, clusters) if plans else []
    timings = [found.timing for found in answers.values()]
    facts = _facts(request, suite, rows, labels, clusters, origin(columns))
    tables = score_tables(cells)
    tables += [difference_table(gains)] if gains else []
    tables += [confidence_table(cells)] if any(cell.confidence for cell in cells) else []
    tables += [source_table(cells, gains)] if gains else []
    tables += [listening_table(listening)] if listening else []
    tables.append(timing_table(timings))
    files = _write(request, facts, tables, records(cells, gains, listening, timings), cells)
    return TableOutcome(
        _caption(facts), tuple(tables), tuple(files), tuple(name for name, found in answers.items() if found.new)
    )


def _rows(request: TableRequest, say: Callable[[str], None]) -> list[Row]:
    learned_from = request.training or request.dataset
    rows = plan_rows(
        request.models,
        request.weights,
        variants=request.variants,
        can_fit=_TRAINING_SPLIT in learned_from.splits,
        say=say,
    )
    folders: dict[str, str] = {}
    for row in rows:
        folder = run_folder(row.name)
        if folder in folders:
            raise InputError(
                "models",
                found=f"{folders[folder]} and {row.name}",
                expected="names that differ and give folders of their own",
            )
        folders[folder] = row.name
    if request.probes and not any(row.is_plain(FUSED) for row in rows):
        raise InputError(
            "--probes",
            found=f"the models {', '.join(row.name for row in rows)}",
            expected=f"{FUSED} among them, whose sound is exchanged and damaged",
        )
    return rows


def _answers(
    request: TableRequest,
    suite: Suite,
    seen: Sequence[Condition],
    rows: Sequence[Row],
    plans: Sequence[ProbePlan],
    say: Callable[[str], None],
) -> dict[str, Answers]:
    """What every row answered, by its name, and the run with probes."""
    runner = Runner(
        request.dataset,
        request.training,
        request.out / "runs",
        _shared_out(request.settings, request.jobs),
        suite,
        request.command,
        overwrite=request.overwrite,
    )
    asked = [(row.entry, [row.condition(one) for one in seen]) for row in rows]
    order = [row.name for row in rows]
    if plans:
        place = next(place for place, row in enumerate(rows) if row.is_plain(FUSED))
        entry = replace(rows[place].entry, name=_probed_name(rows[place].name))
        # It has the most to answer: begun last, it would be waited for alone.
        asked.insert(place + 1, (entry, probe_conditions(plans, seen)))
        order.append(entry.name)

    def answer(entry: ModelEntry, conditions: Sequence[Condition], check: Check) -> Answers:
        with ProgressBar(entry.name, "answer") as bar:

            def progress(done: int, count: int) -> None:
                check()
                bar.update(done, count)

            return runner.run(_sharing(entry, request.out), conditions, progress, bar.say)

    began = monotonic()
    made = side_by_side([partial(answer, entry, conditions) for entry, conditions in asked], request.jobs)
    took = monotonic() - began
    by_name = {entry.name: one for (entry, _), one in zip(asked, made, strict=True)}
    found = {name: by_name[name] for name in order}
    before = [name for name, one in found.items() if not one.new]
    if before:
        say(f"complete before, and only read: {', '.join(before)}")
    if len(before) < len(found):
        say(f"{len(found) - len(before)} runs made in {took:.0f} s, at most {request.jobs} at a time")
    return found


def _shared_out(settings: RunSettings, jobs: int) -> RunSettings:
    """The settings of one of so many runs at a time: together they have the threads that one alone would have."""
    return settings if jobs == 1 else replace(settings, workers=max(1, settings.threads // jobs))


def _sharing(entry: ModelEntry, out: Path) -> ModelEntry:
    """The model, keeping what it makes of sounds and pictures for the next one: many rows are given the same."""
    if entry.target != LEARNED[0].target:
        return entry
    kept = {Modality.AUDIO: ("sound_cache", "sounds"), Modality.VISION: ("picture_cache", "pictures")}
    options = [(option, str(out / name)) for modality, (option, name) in kept.items() if modality in entry.modalities]
    return replace(entry, options=(*entry.options, *options))


def _probed_name(name: str) -> str:
    return f"{name}+probes"


def _listening(
    rows: Sequence[Row],
    cells: Sequence[Cell],
    plans: Sequence[ProbePlan],
    seen: Sequence[Condition],
    answers: Mapping[str, Answers],
    labels: Labels,
    clusters: Clusters,
) -> list[Listening]:
    fused = next(row for row in rows if row.is_plain(FUSED))
    silent = next(row for row in rows if row.model == FUSED and row.silent)
    runs = (fused.name, silent.name, _probed_name(fused.name))
    predictions = joined([answers[name].predictions for name in runs])
    pictures = {cell.condition: cell.errors for cell in cells if cell.row.is_plain(PICTURES)}
    return score_listening(plans, seen, predictions, pictures, labels, clusters, fused.entry)


def _facts(
    request: TableRequest, suite: Suite, rows: Sequence[Row], labels: Labels, clusters: Clusters, data_origin: str
) -> dict[str, Any]:
    bundle = describe_bundle(request.weights or SHIPPED) if any(row.from_bundle for row in rows) else None
    return {
        "command": list(request.command),
        "dataset_fingerprint": request.dataset.fingerprint,
        "training_fingerprint": None if request.training is None else request.training.fingerprint,
        "split": request.settings.split,
        "limit": request.settings.limit,
        "origin": data_origin,
        "pairs": len(labels),
        "groups": clusters.groups,
        "suite": suite.name,
        "suite_fingerprint": suite.fingerprint,
        "conditions": [condition.name for condition in suite.conditions],
        "models": [row.name for row in rows],
        "bundle_revision": None if bundle is None else bundle.revision,
        "intervals": {"confidence": CONFIDENCE, "clustered_by": "group_id", "resamples": DEFAULT_RESAMPLES, "seed": 0},
    }


def _caption(facts: Mapping[str, Any]) -> str:
    kind = {"recorded": "recorded data", "simulated": "simulated data"}.get(
        facts["origin"], f"data ({facts['origin']})"
    )
    part = "" if facts["limit"] is None else ", only the first of the split: no result to report"
    bundle = "" if facts["bundle_revision"] is None else f"; bundle {facts['bundle_revision'][:12]}"
    return (
        f"Split {facts['split']} of {kind} {facts['dataset_fingerprint'][:12]}: {facts['pairs']} pairs in "
        f"{facts['groups']} groups{part}; suite {facts['suite']}{bundle}; 95 % intervals by group."
    )


def _write(
    request: TableRequest,
    facts: Mapping[str, Any],
    tables: Sequence[Table],
    found: Mapping[str, list[dict[str, Any]]],
    cells: Sequence[Cell],
) -> list[Path]:
    document = json.dumps({**facts, **found}, indent=1, ensure_ascii=False, allow_nan=False)
    page = ["# Reference models", _caption(facts), *(table.markdown() for table in tables)]
    texts = {
        "table.md": "\n\n".join([*page, f"Made by `{' '.join(request.command)}`.\n"]),
        "table.json": document + "\n",
        **{f"{name}.csv": csv_text(entries) for name, entries in found.items()},
    }
    remove_strays(request.out)
    for name in _CSV_NAMES:
        if name not in found:
            # What an earlier command wrote about more models or with probes does not belong to this table.
            (request.out / f"{name}.csv").unlink(missing_ok=True)
    for name, text in texts.items():
        write_text(request.out / name, text)
    picture = request.out / "robustness.png"
    draw_robustness(picture, cells, _caption(facts))
    return [request.out / name for name in texts] + [picture]
