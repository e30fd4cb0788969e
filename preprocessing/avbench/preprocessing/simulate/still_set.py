"""A simulated data set with the sound of a head that stands still: recording by recording, then packed and verified.

Everything is as `prepare` does it: finished recordings wait in the work folder, so that a stopped run is continued,
and the data set is put in place when all of it has been read back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.locks import sole_writer
from avbench.preprocessing.base.processes import in_workers
from avbench.preprocessing.base.source_code import files_sha256
from avbench.preprocessing.format.card import DERIVED
from avbench.preprocessing.format.manifest import Manifest, PackedRecording, PreparedRecording, read_manifest
from avbench.preprocessing.format.shards import Span, payload_bytes, read_span, row_digest, rows_digest, write_rows
from avbench.preprocessing.prepare.assembly import Contents, PackSettings, assemble, damaged_shards, describe, holds
from avbench.preprocessing.prepare.part_record import finish_part, finished_part
from avbench.preprocessing.prepare.publish import (
    PARTS_FOLDER,
    check_is_ours,
    finish_publishing,
    parts_folder,
    remove_leftovers,
)
from avbench.preprocessing.prepare.recording_part import software_versions
from avbench.preprocessing.simulate.scene.world import RecordingSettings, make_world
from avbench.preprocessing.simulate.sound.still import StillClip, still_row
from avbench.preprocessing.simulate.write import read_settings

STATEMENT = (
    "The sound is not that of the recordings: it was simulated again, clip by clip, as heard by a head that stands "
    "still for the whole clip, at its pose at the clip's frame. Pairs, pictures, labels and up vectors are those of "
    "the source."
)


@dataclass(frozen=True)
class StillResult:
    """What became of the recordings.

    Attributes:
        manifest: The data set that now lies in the output folder.
        made: Recordings whose clips were simulated.
        reused: Recordings that were there already, in the data set or from a run that was stopped.
        packed: Whether shards were written; if not, those that were there are whole.
    """

    manifest: Manifest
    made: int
    reused: int
    packed: bool


@dataclass(frozen=True)
class _StillSettings:
    """How the rows were made: as those of a source, and then heard again."""

    source: Manifest

    def as_json(self) -> Mapping[str, Mapping[str, Any]]:
        derived = {
            "made_by": "avbench still",
            "statement": STATEMENT,
            "source_fingerprint": self.source.dataset_fingerprint,
            "source_preparation_code": self.source.preparation_code,
            "simulation_code": _simulation_code(),
        }
        return {**self.source.settings, DERIVED: derived}


@dataclass(frozen=True)
class _Task:
    """One recording to make; it is sent to a worker process.

    Attributes:
        source: What the source holds of it.
        spans: Where the source's rows lie.
        settings: What it was simulated with.
        part: Where its rows go.
    """

    source: PreparedRecording
    spans: Sequence[Span]
    settings: RecordingSettings
    part: Path


@dataclass(frozen=True)
class _Part:
    """One recording, made.

    Attributes:
        prepared: What its rows are.
        span: Where they lie.
        new: Whether this run made them.
    """

    prepared: PreparedRecording
    span: Span
    new: bool


def make_still(
    data: Path,
    recordings: Path,
    out: Path,
    *,
    splits: Sequence[str] = (),
    every: int = 1,
    jobs: int = 1,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
    stage: Callable[[str], None] = lambda _text: None,
) -> StillResult:
    """Make the data set that a head standing still would have given.

    The result does not depend on the number of processes, nor on how often the run was stopped. A data set that is
    there already must come from the same source; it is verified, and recordings it has are kept.

    Args:
        data: A data set that `prepare` made from `recordings`.
        recordings: The folder of simulated recordings; their rooms are read from it.
        out: Folder of the new data set.
        splits: Splits of the source; all without one.
        every: Take only the first of every so many groups (rooms) of a split, by name.
        jobs: Number of processes; 1 works in this one.
        progress: Called with the number of pairs that were done since the last call, and that of all.
        stage: Called with the name of each step as it begins.

    Raises:
        InputError: The data set has no manifest or no such split, the recordings are not those it was made from, or
            `out` holds something else.
        OutputError: The disk is full or cannot be written to; finished recordings are kept.
    """
    source = _source(data, out)
    chosen = {one.prepared.recording_id: one for one in _chosen(data, source, splits, every)}
    rooms = {name: read_settings(recordings, name) for name in chosen}
    settings = _StillSettings(source)
    with sole_writer(out, PARTS_FOLDER):
        finish_publishing(out)
        remove_leftovers(out)
        before = read_manifest(out)
        if before is None:
            check_is_ours(out)
        else:
            _check_same(out, before, settings, chosen)
        damaged = frozenset[str]() if before is None else damaged_shards(out, before, stage)
        there = {} if before is None else _whole_recordings(before, damaged)
        prepared = {name: one.prepared for name, one in there.items()}
        spans = {name: _spans(out, one) for name, one in there.items()}
        total = sum(one.prepared.rows for one in chosen.values())
        progress(sum(made.rows for made in prepared.values()), total)
        tasks = [_task(data, out, one, rooms[name]) for name, one in chosen.items() if name not in there]
        made = 0
        for part in _run(tasks, jobs):
            prepared[part.prepared.recording_id] = part.prepared
            spans[part.prepared.recording_id] = [part.span]
            made += part.new
            progress(part.prepared.rows, total)
        contents = Contents(
            settings=settings,
            packing=PackSettings(**source.packing),
            prepared=[prepared[name] for name in sorted(chosen)],
            spans=spans,
            splits={name: one.split for name, one in chosen.items()},
            refused=(),
        )
        packed = before is None or bool(damaged) or not holds(before, contents)
        manifest = assemble(out, contents, stage) if before is None or packed else describe(out, before, contents)
    return StillResult(manifest, made, len(chosen) - made, packed)


def _source(data: Path, out: Path) -> Manifest:
    """The manifest of the data set that another is made from."""
    source = read_manifest(data)
    if source is None:
        raise InputError(
            data, found="no manifest", expected="a data set made by `avbench prepare` from simulated recordings"
        )
    if data.resolve() == out.resolve():
        raise InputError(out, found="the source itself", expected="another folder", hint="choose one with -o")
    return source


def _task(data: Path, out: Path, recording: PackedRecording, settings: RecordingSettings) -> _Task:
    return _Task(
        source=recording.prepared,
        spans=_spans(data, recording),
        settings=settings,
        part=parts_folder(out) / f"{_fingerprint(recording.prepared, settings)}.parquet",
    )


def _chosen(data: Path, source: Manifest, splits: Sequence[str], every: int) -> list[PackedRecording]:
    """The recordings of every so manieth group of some splits, or of all."""
    known = sorted({recording.split for recording in source.recordings})
    result = []
    for split in sorted(set(splits)) or known:
        if split not in known:
            raise InputError(
                data, found=f"no split {split!r}", expected=" or ".join(known), hint="choose one with --split"
            )
        members = [recording for recording in source.recordings if recording.split == split]
        groups = set(sorted({member.prepared.group_id for member in members})[::every])
        result += [member for member in members if member.prepared.group_id in groups]
    return result


def _check_same(out: Path, before: Manifest, settings: _StillSettings, chosen: Mapping[str, PackedRecording]) -> None:
    """Refuse to mix rows made in different ways, or to drop recordings unasked."""
    hint = "choose another output folder, or remove this one"
    old, new = before.settings.get(DERIVED, {"made_by": "avbench prepare"}), settings.as_json()[DERIVED]
    for key, value in new.items():
        if old.get(key) != value:
            raise InputError(out, found=f"a data set with {key} = {old.get(key)!r}", expected=f"{value!r}", hint=hint)
    lost = sorted({recording.prepared.recording_id for recording in before.recordings} - set(chosen))
    if lost:
        raise InputError(
            out,
            found=f"a data set with {len(lost)} recordings that are not asked for, {lost[0]} among them",
            expected="the same recordings or fewer",
            hint=hint,
        )


def _whole_recordings(before: Manifest, damaged: frozenset[str]) -> dict[str, PackedRecording]:
    """Recordings of a data set whose rows can still be read, by name."""
    return {
        recording.prepared.recording_id: recording
        for recording in before.recordings
        if not any(place.shard in damaged for place in recording.ranges)
    }


def _spans(folder: Path, recording: PackedRecording) -> list[Span]:
    return [Span(folder / place.shard, place.first_row, place.rows) for place in recording.ranges]


def _run(tasks: Sequence[_Task], jobs: int) -> Iterator[_Part]:
    """Make recordings side by side, giving each as it is done: what is packed does not depend on the order."""
    yield from in_workers(_make_part, [(task,) for task in tasks], jobs)


def _make_part(task: _Task) -> _Part:
    """The rows of one recording, unless a run that was stopped has made them."""
    found = finished_part(task.part)
    if found is not None:
        return _Part(found, Span(task.part, 0, found.rows), new=False)
    world = make_world(task.settings)
    heard: dict[int, StillClip] = {}
    source_digests: list[str] = []
    digests: list[str] = []
    sizes: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for span in task.spans:
            for row in read_span(span):
                source_digests.append(row_digest(row))
                changed = still_row(row, world, heard)
                digests.append(row_digest(changed))
                sizes.append(payload_bytes(changed))
                yield changed
        if rows_digest(source_digests) != task.source.rows_sha256:
            raise InputError(
                task.source.recording_id,
                found="rows that are not those of the source's manifest.json",
                expected="the data set as it was prepared",
                hint="run the same `avbench prepare` command again: it makes damaged shards again",
            )

    count = write_rows(task.part, rows())
    prepared = replace(
        task.source,
        fingerprint=task.part.stem,
        rows=count,
        rows_sha256=rows_digest(digests),
        payload_bytes=sum(sizes),
        sound=f"{task.source.sound}, of a head that stands still",
    )
    # Written last: a part without its record is one that was not finished.
    finish_part(task.part, prepared)
    return _Part(prepared, Span(task.part, 0, count), new=True)


def _fingerprint(source: PreparedRecording, settings: RecordingSettings) -> str:
    """Hash over all that decides a recording's rows."""
    document = {
        "source_rows": source.rows_sha256,
        "settings": {**asdict(settings), "configuration": str(settings.configuration)},
        "code": _simulation_code(),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


@cache
def _simulation_code() -> str:
    """Hash over the simulator's code, how clips are stored, and the versions of what they stand on."""
    area = Path(__file__).parents[1]
    code = files_sha256(area, [*(area / "simulate").rglob("*.py"), area / "format" / "sound_clip.py"])
    digest = hashlib.sha256(code.encode())
    digest.update(json.dumps(software_versions(("numba", "numpy", "scipy", "soundfile"))).encode())
    return digest.hexdigest()
