"""The pipeline: raw recordings in, a verified data set out.

Recordings are prepared side by side, each into a part of its own; when all are done, the parts are packed into the
shards of their splits, read back, and moved into place. The result depends on the recordings and the settings alone,
not on the number of workers, on the order in which they finish, or on how often the run was stopped.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from avbench.preprocessing.base.atomic import write_text
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.locks import sole_writer
from avbench.preprocessing.base.processes import memory_kills, ran_out_of_memory, submitted, why_worker_died
from avbench.preprocessing.format.manifest import Manifest, PackedRecording, Refusal, read_manifest, refusals_to_json
from avbench.preprocessing.format.shards import Span
from avbench.preprocessing.prepare.assembly import Contents, PackSettings, assemble, damaged_shards, describe, holds
from avbench.preprocessing.prepare.publish import (
    PARTS_FOLDER,
    check_is_ours,
    finish_publishing,
    parts_folder,
    remove_leftovers,
    remove_work,
)
from avbench.preprocessing.prepare.recording_part import (
    Outcome,
    PrepareSettings,
    Status,
    Task,
    part_spans,
    preparation_code,
    prepare_recording,
)
from avbench.preprocessing.prepare.splits import Member, assign_splits
from avbench.preprocessing.sources.common.ref import SourceOptions
from avbench.preprocessing.sources.find import find_recordings

REFUSED_NAME = "refused.json"


class Progress(Protocol):
    """Callbacks that follow a run."""

    def start(self, total: int) -> None:
        """Recordings were found, this many."""
        ...

    def recording(self, outcome: Outcome) -> None:
        """One recording is done."""
        ...

    def stage(self, text: str) -> None:
        """What the run is busy with now."""
        ...


@dataclass(frozen=True)
class PrepareResult:
    """What became of the recordings.

    Attributes:
        manifest: The data set that now lies in the output folder, None if there is none.
        statuses: Status by recording id.
        refused: Recordings that could not be prepared, and why.
        packed: Whether shards were written; if not, the ones there were verified.
        damaged: Shards that had changed on disk and were made anew.
        empty_splits: Splits that were asked for and got no group.
    """

    manifest: Manifest | None
    statuses: Mapping[str, Status]
    refused: tuple[Refusal, ...]
    packed: bool
    damaged: tuple[str, ...]
    empty_splits: tuple[str, ...]


def prepare(
    source: Path,
    out: Path,
    settings: PrepareSettings,
    packing: PackSettings,
    *,
    options: SourceOptions,
    jobs: int,
    remake: bool,
    progress: Progress,
) -> PrepareResult:
    """Prepare all recordings of a source into the output folder.

    A data set that is there already must have been made with the same settings and code from the same recordings or
    fewer; its rows are then kept, after the hashes of its shards were checked. `remake` lifts that.

    Args:
        source: A recording or a folder of them.
        out: The output folder.
        settings: How to make rows.
        packing: How to spread them.
        options: How to read the source.
        jobs: Number of worker processes.
        remake: Replace a data set that was made in another way, or held other recordings.
        progress: Called as the work proceeds.

    Raises:
        InputError: The source holds nothing, the output folder holds something else, or a group asks for two splits.
        OutputError: The disk is full or cannot be written to; what was in place before still is.
    """
    refs = find_recordings(source, options)
    names = sorted(ref.recording_id for ref in refs)
    for name, following in pairwise(names):
        if name == following:
            raise InputError(source, found=f"two recordings named {name}", expected="a different name for each")
    with sole_writer(out, PARTS_FOLDER):
        finish_publishing(out)
        remove_leftovers(out)
        before = read_manifest(out)
        if before is None:
            check_is_ours(out)
        elif not remake:
            _check_same(out, before, settings, packing, names)
        progress.start(len(refs))
        damaged = frozenset[str]() if before is None else damaged_shards(out, before, progress.stage)
        kept = {} if before is None else _kept_recordings(before, damaged)
        tasks = [
            Task(ref, options, settings, parts_folder(out), packed=kept[ref.recording_id].prepared)
            if ref.recording_id in kept
            else Task(ref, options, settings, parts_folder(out))
            for ref in refs
        ]
        outcomes = []
        with closing(_run(tasks, jobs)) as running:
            for outcome in running:
                progress.recording(outcome)
                outcomes.append(outcome)
        outcomes.sort(key=lambda outcome: outcome.recording_id)
        contents = _contents(out, settings, packing, outcomes, kept)
        _write_refusals(out, contents.refused)
        if not contents.prepared:
            remove_work(out)
            manifest, packed = before, False
        elif before is not None and not damaged and holds(before, contents):
            manifest, packed = describe(out, before, contents), False
        else:
            manifest, packed = assemble(out, contents, progress.stage), True
    asked = set() if packing.split is not None else {name for name, share in packing.fractions.items() if share > 0.0}
    return PrepareResult(
        manifest=manifest,
        statuses={outcome.recording_id: outcome.status for outcome in outcomes},
        refused=tuple(contents.refused),
        packed=packed,
        damaged=tuple(sorted(damaged)),
        empty_splits=tuple(sorted(asked - set(contents.splits.values()))),
    )


def _run(tasks: Sequence[Task], jobs: int) -> Generator[Outcome, None, None]:
    """Prepare recordings, giving each as it is done."""
    workers = min(jobs, len(tasks))
    if workers <= 1:
        for task in tasks:
            yield prepare_recording(task)
        return
    # A worker that dies (out of memory, a decoder that crashes on a broken file) takes the whole pool with it. Work is
    # begun in order, so the guilty recording is among the first that were not finished: those get a worker each, and
    # the others a new pool.
    while tasks:
        unfinished = yield from _run_pool(tasks, workers)
        suspects, tasks = unfinished[: 2 * workers + 2], unfinished[2 * workers + 2 :]
        for task in suspects:
            yield _run_alone(task)


def _run_pool(tasks: Sequence[Task], workers: int) -> Generator[Outcome, None, list[Task]]:
    """Prepare recordings side by side; gives back those that a dying worker left unfinished, in their order."""
    with submitted(prepare_recording, [(task,) for task in tasks], workers) as futures:
        unfinished = set()
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenExecutor:
                unfinished.add(future)
        return [task for future, task in zip(futures, tasks, strict=True) if future in unfinished]


def _run_alone(task: Task) -> Outcome:
    kills = memory_kills()
    with submitted(prepare_recording, [(task,)], 1) as (future,):
        try:
            return future.result()
        except BrokenExecutor as error:
            name = task.ref.recording_id
            reason = f"{name}: its worker process died ({why_worker_died(error, kills)}), perhaps in a decoder"
            if ran_out_of_memory(kills):
                reason = f"{name}: its worker process died: memory ran out"
            return Outcome(Status.REFUSED, name, refusal=Refusal(name, reason))


def _check_same(
    out: Path, before: Manifest, settings: PrepareSettings, packing: PackSettings, names: Sequence[str]
) -> None:
    """Refuse to mix rows made in different ways, or to drop recordings unasked."""
    old, new = {**before.settings, "packing": before.packing}, {**settings.as_json(), "packing": packing.as_json()}
    changes = [f"{name} was {was!r}, now {now!r}" for name, was, now in _differences(old, new)]
    if before.preparation_code != preparation_code():
        changes.append("another version of the preparation's code or decoders")
    if changes:
        raise InputError(
            out,
            found=f"a data set made in another way: {'; '.join(changes)}",
            expected="the same settings and code",
            hint="choose another output folder, or give --remake to replace the data set",
        )
    lost = sorted({recording.prepared.recording_id for recording in before.recordings} - set(names))
    if lost:
        shown = ", ".join(lost[:5]) + (", ..." if len(lost) > 5 else "")
        raise InputError(
            out,
            found=f"a data set with {len(lost)} recordings that the source does not have: {shown}",
            expected="the same recordings or more",
            hint="choose another output folder, or give --remake to remove them",
        )


def _differences(
    before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Any, Any]]:
    for subject in sorted({*before, *now}):
        old, new = before.get(subject, {}), now.get(subject, {})
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                yield name, old.get(name), new.get(name)


def _kept_recordings(before: Manifest, damaged: frozenset[str]) -> dict[str, PackedRecording]:
    """Recordings of the data set whose rows can still be read, by name."""
    return {
        recording.prepared.recording_id: recording
        for recording in before.recordings
        if not any(place.shard in damaged for place in recording.ranges)
    }


def _contents(
    out: Path,
    settings: PrepareSettings,
    packing: PackSettings,
    outcomes: Sequence[Outcome],
    kept: Mapping[str, PackedRecording],
) -> Contents:
    prepared = [outcome.prepared for outcome in outcomes if outcome.prepared is not None]
    spans = {}
    for outcome in outcomes:
        if outcome.part is not None:
            spans[outcome.recording_id] = part_spans(outcome)
        elif outcome.prepared is not None:
            places = kept[outcome.recording_id].ranges
            spans[outcome.recording_id] = [Span(out / place.shard, place.first_row, place.rows) for place in places]
    return Contents(
        settings=settings,
        packing=packing,
        prepared=prepared,
        spans=spans,
        splits=assign_splits(
            [Member(made.recording_id, made.group_id, made.asked_split) for made in prepared],
            packing.fractions,
            packing.seed,
            packing.split,
        ),
        refused=[outcome.refusal for outcome in outcomes if outcome.refusal is not None],
    )


def _write_refusals(out: Path, refused: Sequence[Refusal]) -> None:
    path = out / REFUSED_NAME
    if refused:
        write_text(path, refusals_to_json(refused))
    else:
        path.unlink(missing_ok=True)
