"""One recording to one part: a Parquet file in the work folder, named by everything that decides its content.

A part is reused if and only if its name, a fingerprint of the recording's files, the settings and the code, comes out
the same again. So a stopped run is continued where it was, and nothing made in another way slips in.
"""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2

from avbench.preprocessing.base.atomic import sha256_of
from avbench.preprocessing.base.errors import AvbenchError, InputError, OutputError
from avbench.preprocessing.base.source_code import files_sha256
from avbench.preprocessing.format.manifest import PreparedRecording, Refusal
from avbench.preprocessing.format.schema import SCHEMA_VERSION
from avbench.preprocessing.format.shards import Span, payload_bytes, row_digest, rows_digest, write_rows
from avbench.preprocessing.prepare.checked import check_recording
from avbench.preprocessing.prepare.part_record import finish_part, finished_part
from avbench.preprocessing.recording.pose_convention import PoseCheckMode
from avbench.preprocessing.recording.recording import Recording, SoundSource
from avbench.preprocessing.rows.choose import CandidateCounts, PairSettings, choose_pairs
from avbench.preprocessing.rows.make import RowSettings, moments_of, pair_rows, pose_gap_notes, poses_of_frames
from avbench.preprocessing.sources.common.ref import RecordingRef, SourceOptions
from avbench.preprocessing.sources.find import open_recording

CODECS = ("av", "opencv-python-headless", "poselib", "simplejpeg", "soundfile", "projectaria-tools", "vrs")
"""Packages that decide which bytes a row gets; another version counts as other code."""

ROW_ROOMS = ("checks", "media", "recording", "rows", "sources")
"""Rooms with a say in what rows contain, and in which recordings come out."""

ROW_FILES = (
    "base/geometry.py",
    "format/picture.py",
    "format/schema.py",
    "format/shards.py",
    "format/sound_clip.py",
    "prepare/checked.py",
    "prepare/recording_part.py",
)
"""The same in other rooms; what is left is wording, files and records."""


@dataclass(frozen=True)
class CheckSettings:
    """What is checked of a recording.

    Attributes:
        poses: What to do where its pictures contradict its poses; a rig file that says something else goes first.
    """

    poses: PoseCheckMode = PoseCheckMode.REFUSE


@dataclass(frozen=True)
class PrepareSettings:
    """Everything a user can set that decides what is in a row.

    Attributes:
        pairs: How pairs are chosen.
        rows: How rows are made.
        checks: What is checked first.
    """

    pairs: PairSettings = field(default_factory=PairSettings)
    rows: RowSettings = field(default_factory=RowSettings)
    checks: CheckSettings = field(default_factory=CheckSettings)

    def as_json(self) -> dict[str, dict[str, Any]]:
        """The settings, nested by subject, in types that JSON keeps."""
        subjects = {"pairs": asdict(self.pairs), "rows": asdict(self.rows), "checks": asdict(self.checks)}
        return {name: {key: _plain(value) for key, value in subject.items()} for name, subject in subjects.items()}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, StrEnum) else value


class Status(StrEnum):
    """What a run did with one recording."""

    MADE = "made"
    REUSED = "reused"  # its rows were there already, in the data set or from a run that was stopped
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """What became of one recording.

    Attributes:
        status: What the run did.
        recording_id: Its name.
        prepared: What its rows are, None if refused.
        part: The file they lie in; None if refused, or if they are in the data set.
        refusal: Why it was refused.
    """

    status: Status
    recording_id: str
    prepared: PreparedRecording | None = None
    part: Path | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Task:
    """One recording to prepare; it is sent to a worker process.

    Attributes:
        ref: The recording.
        options: How to read it.
        settings: How to make its rows.
        parts: Folder of the parts.
        packed: What the data set already holds of it, if that can still be read.
    """

    ref: RecordingRef
    options: SourceOptions
    settings: PrepareSettings
    parts: Path
    packed: PreparedRecording | None = None


@cache
def preparation_code() -> str:
    """Hash over the source of every module that has a say in what rows contain, and the decoders' versions.

    Comments and docstrings do not count.
    """
    digest = hashlib.sha256(row_code_sha256(Path(__file__).parents[1]).encode())
    digest.update(json.dumps(software_versions(CODECS)).encode())
    return digest.hexdigest()


def row_code_sha256(area: Path) -> str:
    """The part of it that is over source, of any folder with the sources of this area."""
    rooms = [path for room in ROW_ROOMS for path in (area / room).rglob("*.py")]
    return files_sha256(area, [*rooms, *(area / name for name in ROW_FILES)])


def software_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of the packages that are installed."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def fingerprint(ref: RecordingRef, options: SourceOptions, settings: PrepareSettings) -> str:
    """Hash over all that decides a recording's rows: content of its files, settings, schema and code.

    Raises:
        InputError: A file cannot be read.
    """
    paths = {*ref.files, *([options.trajectory] if options.trajectory is not None else [])}
    try:
        # Names count, since suffixes and folders give files their part; where the source lies does not.
        files = sorted((_name_in(ref.root, path), sha256_of(path)) for path in paths)
    except OSError as error:
        raise _unreadable(ref, error) from error
    document = {
        "recording_id": ref.recording_id,
        "layout": str(ref.layout),
        "files": files,
        "settings": settings.as_json(),
        "schema_version": SCHEMA_VERSION,
        "code": preparation_code(),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _name_in(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _without_root(text: str, ref: RecordingRef) -> str:
    """A line with paths as they are in the source: where that lies on somebody's machine is nobody else's business."""
    return text.replace(f"{ref.root}/", "")


def prepare_recording(task: Task) -> Outcome:
    """Prepare one recording, unless that has been done.

    Whatever is wrong with the recording ends as a refusal, so that the others come out.

    Raises:
        OutputError: Its part cannot be written, which concerns the whole run.
    """
    # Recordings are worked on side by side; threads inside one would only get in each other's way.
    cv2.setNumThreads(1)
    name = task.ref.recording_id
    noted: list[str] = []
    try:
        key = fingerprint(task.ref, task.options, task.settings)
        if task.packed is not None and task.packed.fingerprint == key:
            return Outcome(Status.REUSED, name, task.packed)
        part = task.parts / f"{key}.parquet"
        found = finished_part(part)
        if found is not None:
            return Outcome(Status.REUSED, name, found, part)
        return Outcome(Status.MADE, name, _make_part(task, key, part, noted), part)
    except OutputError:
        raise
    except AvbenchError as error:
        return Outcome(Status.REFUSED, name, refusal=_refusal(task.ref, str(error), noted))
    except Exception as error:  # noqa: BLE001 - one recording must not end a run over thousands
        line = " ".join(f"{type(error).__name__}: {error}".split())
        reason = (
            f"{name}: unexpected {_without_root(line, task.ref)}; please report this with the traceback in refused.json"
        )
        return Outcome(Status.REFUSED, name, refusal=Refusal(name, reason, traceback.format_exc()))


def _refusal(ref: RecordingRef, reason: str, noted: Sequence[str]) -> Refusal:
    """Why a recording is refused, with what was noted on opening it: it may be the cause."""
    return Refusal(
        ref.recording_id, _without_root(reason, ref), notes=tuple(_without_root(note, ref) for note in noted)
    )


def _make_part(task: Task, key: str, part: Path, noted: list[str]) -> PreparedRecording:
    recording = open_recording(task.ref, task.options)
    noted.extend(recording.notes)
    if recording.recording_id != task.ref.recording_id:
        raise RuntimeError(f"opened as {recording.recording_id!r}, listed as {task.ref.recording_id!r}")
    poses = poses_of_frames(recording, task.settings.rows)
    moments = moments_of(recording, poses, task.settings.rows)
    choice = choose_pairs(moments, task.settings.pairs, recording.recording_id)
    if choice.counts.chosen == 0:
        raise _no_pairs(recording, choice.counts, task.settings)
    checked = check_recording(recording, task.settings.checks.poses, task.settings.rows)
    if checked.note is not None:
        noted.append(checked.note)
    digests: list[str] = []
    sizes: list[int] = []
    damage: list[InputError] = []

    def watched() -> Iterator[dict[str, Any]]:
        # An operating system error here comes from reading the recording; left alone it would be taken for one of
        # writing the part.
        try:
            for row in pair_rows(recording, poses, choice.indices, task.settings.rows, on_error=damage.append):
                digests.append(row_digest(row))
                sizes.append(payload_bytes(row))
                yield row
        except OSError as error:
            raise _unreadable(task.ref, error) from error

    rows = write_rows(part, watched())
    if damage and rows == 0:
        part.unlink()
        raise damage[0]
    notes = [*noted, *pose_gap_notes(recording, task.settings.rows)]
    if damage:
        lost = choice.counts.chosen - rows
        notes.append(
            f"{len(damage)} frames or their sound cannot be decoded, {lost} pairs are left out; the first: {damage[0]}"
        )
    prepared = PreparedRecording(
        recording_id=recording.recording_id,
        fingerprint=key,
        rows=rows,
        rows_sha256=rows_digest(digests),
        payload_bytes=sum(sizes),
        group_id=recording.group_id,
        asked_split=recording.split,
        source=recording.source,
        licence=recording.licence,
        pose_source=recording.trajectory.pose_source,
        scale=str(recording.trajectory.scale),
        sound=_sound_in_words(recording.sound),
        candidates=asdict(choice.counts),
        notes=tuple(_without_root(note, task.ref) for note in notes),
        pose_check=checked.record,
    )
    # Written last: a part without its record is one that was not finished.
    finish_part(part, prepared)
    return prepared


def part_spans(outcome: Outcome) -> list[Span]:
    """Where the rows of a freshly prepared recording lie."""
    if outcome.part is None or outcome.prepared is None:
        raise ValueError(f"{outcome.recording_id} has no part")
    return [Span(outcome.part, 0, outcome.prepared.rows)]


def _sound_in_words(sound: SoundSource | None) -> str:
    return "none" if sound is None else f"{sound.channels} channels, {sound.sample_rate_hz} Hz, {sound.sample_format}"


def _unreadable(ref: RecordingRef, error: OSError) -> InputError:
    path = Path(error.filename) if isinstance(error.filename, str) else None
    expected = "files that can be read"
    if path is None or not path.is_relative_to(ref.root):
        return InputError(ref.recording_id, found=f"{error.strerror or error}", expected=expected)
    leads_nowhere = path.is_symlink() and not path.exists()
    return InputError(
        path, found="a link that leads nowhere" if leads_nowhere else f"{error.strerror or error}", expected=expected
    )


def _no_pairs(recording: Recording, counts: CandidateCounts, settings: PrepareSettings) -> InputError:
    """Why there is not one pair: the first step that left none."""
    time_ns = recording.frames.time_ns
    pairs = settings.pairs
    if counts.in_gap == 0:
        length_s = (time_ns[-1] - time_ns[0]) / 1e9 if len(time_ns) else 0.0
        return InputError(
            f"{recording.recording_id}: frames",
            found=f"{len(time_ns)} over {length_s:.3f} s",
            expected=f"two that are {pairs.min_gap_s:g} to {pairs.max_gap_s:g} s apart",
            hint="see --min-gap and --max-gap",
        )
    if counts.no_pose == counts.in_gap:
        known = recording.trajectory.time_ns
        return InputError(
            f"{recording.recording_id}: trajectory",
            found=f"{len(known)} poses from {known[0] / 1e9:.3f} to {known[-1] / 1e9:.3f} s",
            expected=f"poses around two frames, which run from {time_ns[0] / 1e9:.3f} to {time_ns[-1] / 1e9:.3f} s",
            hint="; ".join(pose_gap_notes(recording, settings.rows))
            or "check the time offset of the trajectory, and see --pose-tolerance",
        )
    if counts.no_pose + counts.segment_change == counts.in_gap:
        return InputError(
            f"{recording.recording_id}: trajectory",
            found="pieces that do not share a world, each too short for a pair",
            expected=f"one piece that spans {pairs.min_gap_s:g} s or more",
        )
    sound = recording.sound
    start_s, length_s = (sound.start_ns / 1e9, float(sound.samples / sound.clock_rate_hz)) if sound else (0.0, 0.0)
    return InputError(
        f"{recording.recording_id}: sound",
        found=f"sound from {start_s:.3f} to {start_s + length_s:.3f} s",
        expected=f"at least half a clip of {settings.rows.clip_seconds:g} s around two frames with poses, "
        f"which run from {time_ns[0] / 1e9:.3f} to {time_ns[-1] / 1e9:.3f} s",
        hint="see --allow-partial-audio, --clip-seconds and --audio optional",
    )
