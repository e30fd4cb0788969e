"""`manifest.json`: what a prepared data set was made from, how, and what its files must hash to.

It carries no dates and no order of work, so that the same recordings and settings give the same manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avbench.preprocessing.errors import InputError
from avbench.preprocessing.schema import CONVENTIONS, SCHEMA_VERSION
from avbench.preprocessing.shard_file import ShardRecord

MANIFEST_NAME = "manifest.json"
MANIFEST_VERSION = "1"


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
    """

    recording_id: str
    fingerprint: str
    rows: int
    rows_sha256: str
    payload_bytes: int
    group_id: str
    asked_split: str | None
    source: str
    licence: str
    pose_source: str
    scale: str
    sound: str
    candidates: Mapping[str, int]
    notes: tuple[str, ...]

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> PreparedRecording:
        """The record that `asdict` and JSON made of one."""
        return cls(**{**fields, "notes": tuple(fields["notes"])})


@dataclass(frozen=True)
class RowRange:
    """Rows of one recording in one shard.

    Attributes:
        shard: Path of the shard in the data set's folder.
        first_row: Index of the first row.
        rows: How many.
    """

    shard: str
    first_row: int
    rows: int


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
    """

    recording_id: str
    reason: str
    traceback: str | None = None


@dataclass(frozen=True)
class Manifest:
    """All of it.

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
        return hashlib.sha256("\n".join([SCHEMA_VERSION, *lines]).encode()).hexdigest()

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
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise _unreadable(path, str(error)) from error
    version = document.get("manifest_version") if isinstance(document, dict) else None
    if version != MANIFEST_VERSION:
        raise _unreadable(path, f"manifest_version {version!r}")
    try:
        manifest = Manifest(
            settings=document["settings"],
            packing=document["packing"],
            preparation_code=document["preparation_code"],
            software=document["software"],
            recordings=tuple(_packed(fields) for fields in document["recordings"]),
            refused=tuple(Refusal(**fields) for fields in document["refused"]),
            shards=shard_records(document, path),
        )
    except (KeyError, TypeError) as error:
        raise _unreadable(path, f"a manifest with other fields ({error})") from error
    if manifest.dataset_fingerprint != document.get("dataset_fingerprint"):
        raise _unreadable(path, "a fingerprint that does not belong to the recordings listed")
    return manifest


def shard_records(document: Mapping[str, Any], path: Path) -> tuple[ShardRecord, ...]:
    """What a manifest says of its shards, whichever command wrote it.

    Args:
        document: The manifest: that of `avbench prepare` lists its shards, that of `avbench corrupt` does so by split.
        path: The manifest's file, for messages.

    Raises:
        InputError: There is no list of shards, or it is none of shards.
    """
    try:
        listed = document.get("shards")
        if listed is None:
            splits = document["splits"]
            listed = [{**shard, "split": split["split"]} for split in splits for shard in split["shards"]]
        records = tuple(ShardRecord(**fields) for fields in listed)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            path,
            found=f"no list of the shards ({error})",
            expected="the rows, bytes and hashes of every shard",
            hint="copy the data set again, or prepare it again",
        ) from error
    for record in records:
        texts = (record.path, record.split, record.sha256, record.footer_sha256, record.plain_sha256)
        if not all(isinstance(text, str) for text in texts) or not all(
            type(number) is int for number in (record.rows, record.bytes)
        ):
            raise InputError(
                f"{path}: shards", found=repr(record), expected="texts, and whole numbers of rows and bytes"
            )
    return records


def _packed(fields: Mapping[str, Any]) -> PackedRecording:
    prepared = {key: value for key, value in fields.items() if key not in ("split", "ranges")}
    return PackedRecording(
        prepared=PreparedRecording.from_json(prepared),
        split=fields["split"],
        ranges=tuple(RowRange(**row_range) for row_range in fields["ranges"]),
    )


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(
        path,
        found=found,
        expected=f"a manifest of version {MANIFEST_VERSION} as `avbench prepare` writes it",
        hint="prepare into another folder, or delete this data set first",
    )


def refusals_to_json(refused: Iterable[Refusal]) -> str:
    """The text of `refused.json`: the refusals of one run, with tracebacks."""
    return json.dumps([asdict(refusal) for refusal in refused], indent=1, ensure_ascii=False) + "\n"
