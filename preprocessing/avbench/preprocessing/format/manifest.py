"""`manifest.json`: what a prepared data set was made from, how, and what its files must hash to.

It carries no dates and no order of work, so that the same recordings and settings give the same manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from avbench.preprocessing.base.documents import MissingFileError, read_json, structured
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.structure import Count, Sha256, Text, shown
from avbench.preprocessing.format.schema import CONVENTIONS, DIGEST_VERSION, SCHEMA_VERSION
from avbench.preprocessing.format.shard_file import ShardRecord

MANIFEST_NAME = "manifest.json"
MANIFEST_VERSION = "1"


@dataclass(frozen=True)
class PoseCheckRecord:
    """What the comparison of a recording's poses with its pictures found.

    Attributes:
        finding: "right", "rotations_right" (directions could not be compared), "other_reading", "unexplained",
            "too_little" (the pictures show too little) or "off".
        readings: Readings of the poses that fit, in words, where the stated one does not.
        not_separated: Readings that the pictures cannot separate from the stated one.
        unseen_offset_s: Offsets of the clock up to this change the labels too little to be seen.
        unseen_focal_share: The same for relative errors of the focal length, None without motion.
        pairs: Pairs of pictures that were compared.
        parallax_share: Share of them that show a direction of translation, None without pairs.
        motion_deg: Mean rotation of these pairs, None without any.
        rotation_residual_deg: Mean angle between label and pictures, None without pairs.
        direction_residual_deg: Median angle between the directions of translation, None without any.
    """

    finding: Text
    readings: tuple[str, ...] = ()
    not_separated: tuple[str, ...] = ()
    unseen_offset_s: float | None = None
    unseen_focal_share: float | None = None
    pairs: Count = 0
    parallax_share: float | None = None
    motion_deg: float | None = None
    rotation_residual_deg: float | None = None
    direction_residual_deg: float | None = None


@dataclass(frozen=True)
class PreparedRecording:
    """The rows made from one recording, wherever they lie.

    Attributes:
        recording_id: Its name.
        fingerprint: Hash of its files' content, the settings, the schema version and the preparation's code.
        rows: Number of rows.
        rows_sha256: Hash over what the rows say, without their split.
        payload_bytes: Size of their pictures and clips.
        group_id: What a split must not cut.
        asked_split: The split that the recording itself asks for.
        source: Layout and device.
        licence: Its licence.
        pose_source: How its poses were made.
        scale: What its translations mean.
        sound: Channels and format in words, or "none".
        candidates: What became of the pairs of frames whose gap is in the asked range, by reason.
        notes: Lines that a user should see.
        pose_check: What the pictures say of the poses, None in data sets that were made before they were asked.
    """

    recording_id: Text
    fingerprint: str
    rows: Count
    rows_sha256: Sha256
    payload_bytes: Count
    group_id: Text
    asked_split: str | None
    source: str
    licence: str
    pose_source: str
    scale: str
    sound: str
    candidates: Mapping[str, Count]
    notes: tuple[str, ...]
    pose_check: PoseCheckRecord | None = None


@dataclass(frozen=True)
class RowRange:
    """Rows of one recording in one shard.

    Attributes:
        shard: Path of the shard in the data set's folder.
        first_row: Index of the first row.
        rows: How many.
    """

    shard: Text
    first_row: Count
    rows: Count


@dataclass(frozen=True)
class PackedRecording:
    """A recording whose rows are in the shards.

    Attributes:
        prepared: What was made from it.
        split: The split it is in.
        ranges: Where its rows lie.
    """

    prepared: PreparedRecording
    split: str
    ranges: tuple[RowRange, ...]


@dataclass(frozen=True)
class Refusal:
    """A recording that could not be prepared.

    Attributes:
        recording_id: Its name.
        reason: One line: what was found, what was expected, what to do.
        traceback: Where it happened, if the mistake is the program's; not part of the manifest.
        notes: What was noted on opening it, one line each, which may be the cause; not part of the manifest.
    """

    recording_id: str
    reason: str
    traceback: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """Contents of manifest.json.

    Attributes:
        settings: How rows were made, nested by subject.
        packing: How recordings were spread over splits and shards.
        preparation_code: Hash of the code and the decoders that made the rows.
        software: Versions of what made them.
        recordings: The recordings, by name.
        refused: Recordings that could not be prepared.
        shards: The files.
    """

    settings: Mapping[str, Mapping[str, Any]]
    packing: Mapping[str, Any]
    preparation_code: str
    software: Mapping[str, str]
    recordings: tuple[PackedRecording, ...]
    refused: tuple[Refusal, ...]
    shards: tuple[ShardRecord, ...]

    @property
    def dataset_fingerprint(self) -> str:
        """Hash over the content of all rows and their splits, whatever their order and packing."""
        lines = sorted(f"{r.prepared.recording_id}\t{r.split}\t{r.prepared.rows_sha256}" for r in self.recordings)
        return hashlib.sha256("\n".join([DIGEST_VERSION, *lines]).encode()).hexdigest()

    def splits(self) -> dict[str, dict[str, int]]:
        """Numbers of recordings, groups, pairs and bytes by split, splits sorted by name."""
        result: dict[str, dict[str, int]] = {}
        for name in sorted({recording.split for recording in self.recordings}):
            members = [recording.prepared for recording in self.recordings if recording.split == name]
            result[name] = {
                "recordings": len(members),
                "groups": len({member.group_id for member in members}),
                "pairs": sum(member.rows for member in members),
                "bytes": sum(shard.bytes for shard in self.shards if shard.split == name),
            }
        return result

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        document = {
            "manifest_version": MANIFEST_VERSION,
            "schema_version": SCHEMA_VERSION,
            "dataset_fingerprint": self.dataset_fingerprint,
            "conventions": CONVENTIONS,
            "settings": self.settings,
            "packing": self.packing,
            "preparation_code": self.preparation_code,
            "software": self.software,
            "splits": self.splits(),
            "shards": [asdict(shard) for shard in self.shards],
            "recordings": [
                {
                    **asdict(recording.prepared),
                    "split": recording.split,
                    "ranges": [asdict(row_range) for row_range in recording.ranges],
                }
                for recording in self.recordings
            ],
            "refused": [{"recording_id": r.recording_id, "reason": r.reason} for r in self.refused],
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a prepared data set, None where there is none.

    Raises:
        InputError: It cannot be understood.
    """
    path = folder / MANIFEST_NAME
    hint = "prepare into another folder, or delete this data set first"
    expected = f"a manifest of version {MANIFEST_VERSION} as `avbench prepare` writes it"
    try:
        document: dict[str, Any] = read_json(path, dict, expected=expected, hint=hint)
    except MissingFileError:
        return None
    version = document.get("manifest_version")
    if version != MANIFEST_VERSION:
        raise InputError(f"{path}: manifest_version", found=shown(version), expected=repr(MANIFEST_VERSION), hint=hint)
    stored = structured(document, path, _ManifestFile, hint=hint, other_keys=True)
    manifest = Manifest(
        settings=stored.settings,
        packing=stored.packing,
        preparation_code=stored.preparation_code,
        software=stored.software,
        recordings=tuple(recording.packed() for recording in stored.recordings),
        refused=tuple(Refusal(one.recording_id, one.reason) for one in stored.refused),
        shards=stored.shards,
    )
    if manifest.dataset_fingerprint != stored.dataset_fingerprint:
        raise InputError(
            f"{path}: dataset_fingerprint",
            found="one that does not belong to the recordings listed",
            expected=manifest.dataset_fingerprint,
            hint=hint,
        )
    return manifest


@dataclass(frozen=True, kw_only=True)
class _RecordingEntry(PreparedRecording):
    """A packed recording as it is stored: flat."""

    split: Text
    ranges: tuple[RowRange, ...]

    def packed(self) -> PackedRecording:
        """The recording with what was made from it apart from where it lies."""
        made = {field.name: getattr(self, field.name) for field in fields(PreparedRecording)}
        return PackedRecording(PreparedRecording(**made), self.split, self.ranges)


@dataclass(frozen=True)
class _RefusalEntry:
    """A refusal as it is stored: without its traceback."""

    recording_id: Text
    reason: str


@dataclass(frozen=True)
class _ManifestFile:
    """What is read of `manifest.json`; the rest of it is made from this."""

    dataset_fingerprint: Sha256
    settings: Mapping[str, Mapping[str, Any]]
    packing: Mapping[str, Any]
    preparation_code: str
    software: Mapping[str, str]
    recordings: tuple[_RecordingEntry, ...]
    refused: tuple[_RefusalEntry, ...]
    shards: tuple[ShardRecord, ...]


def shard_records(document: Mapping[str, Any], path: Path) -> tuple[ShardRecord, ...]:
    """What a manifest says of its shards, whichever command wrote it.

    Args:
        document: The manifest: that of `avbench prepare` lists its shards, that of `avbench corrupt` does so by split.
        path: The manifest's file, for messages.

    Raises:
        InputError: There is no list of shards, or it is none of shards.
    """
    hint = "copy the data set again, or prepare it again"
    if "shards" in document:
        return structured(document, path, _Listed, hint=hint, other_keys=True).shards
    by_split = structured(document, path, _ListedBySplit, hint=hint, other_keys=True)
    return tuple(
        structured({**shard, "split": split.split}, f"{path}: splits: {split.split}", ShardRecord, hint=hint)
        for split in by_split.splits
        for shard in split.shards
    )


@dataclass(frozen=True)
class _Listed:
    """The shards in the manifest of `avbench prepare`."""

    shards: tuple[ShardRecord, ...]


@dataclass(frozen=True)
class _ShardsOfSplit:
    """One split in the manifest of `avbench corrupt`; its shards do not say the split again."""

    split: Text
    shards: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class _ListedBySplit:
    """The splits in the manifest of `avbench corrupt`."""

    splits: tuple[_ShardsOfSplit, ...]


def refusals_to_json(refused: Iterable[Refusal]) -> str:
    """The text of `refused.json`: the refusals of one run, with tracebacks."""
    return json.dumps([asdict(refusal) for refusal in refused], indent=1, ensure_ascii=False) + "\n"
