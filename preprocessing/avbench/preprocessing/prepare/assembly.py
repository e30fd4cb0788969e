"""Finished recordings to a data set in place: packed into shards, read back, described and published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from platform import python_version
from typing import Any, Protocol

from avbench.preprocessing.base.atomic import sha256_of, write_text
from avbench.preprocessing.base.errors import InputError, OutputError
from avbench.preprocessing.format.card import render_card
from avbench.preprocessing.format.manifest import (
    MANIFEST_NAME,
    Manifest,
    PackedRecording,
    PreparedRecording,
    Refusal,
    RowRange,
)
from avbench.preprocessing.format.shard_file import ShardRecord
from avbench.preprocessing.format.shards import (
    DATA_FOLDER,
    DEFAULT_SHARD_BYTES,
    PackedShard,
    Span,
    pack_split,
    rows_digest,
    verify_shard,
)
from avbench.preprocessing.prepare.publish import CARD_NAME, publish, remove_work, start_packing
from avbench.preprocessing.prepare.recording_part import CODECS, preparation_code, software_versions
from avbench.preprocessing.prepare.splits import DEFAULT_FRACTIONS, check_split_name


@dataclass(frozen=True)
class PackSettings:
    """How recordings are spread over splits and shards.

    Attributes:
        fractions: Split name to its share of groups.
        split: Put everything into this split.
        seed: Seed of the spreading.
        shard_bytes: A shard is closed before its pictures and clips exceed this.

    Raises:
        InputError: A value makes no sense.
    """

    fractions: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_FRACTIONS))
    split: str | None = None
    seed: int = 0
    shard_bytes: int = DEFAULT_SHARD_BYTES

    def __post_init__(self) -> None:
        if self.split is not None:
            check_split_name(self.split, "--split")
        if self.shard_bytes < 1:
            raise InputError("shard size", found=f"{self.shard_bytes} bytes", expected="1 or more")

    def as_json(self) -> dict[str, Any]:
        """The settings in types that JSON keeps."""
        return {**asdict(self), "fractions": dict(self.fractions)}


class Settings(Protocol):
    """How rows were made."""

    def as_json(self) -> Mapping[str, Mapping[str, Any]]:
        """The settings, nested by subject, in types that JSON keeps."""
        ...


@dataclass(frozen=True)
class Contents:
    """What a data set is to hold.

    Attributes:
        settings: How rows were made.
        packing: How they are spread.
        prepared: The recordings, sorted by name.
        spans: Where the rows of each lie now, by recording id.
        splits: The split of each, by recording id.
        refused: Recordings that could not be prepared.
    """

    settings: Settings
    packing: PackSettings
    prepared: Sequence[PreparedRecording]
    spans: Mapping[str, Sequence[Span]]
    splits: Mapping[str, str]
    refused: Sequence[Refusal]


def damaged_shards(out: Path, manifest: Manifest, stage: Callable[[str], None]) -> frozenset[str]:
    """Paths of the shards whose content is not what the manifest says."""
    damaged = set()
    for shard in manifest.shards:
        stage(f"verifying {shard.path}")
        path = out / shard.path
        if not path.is_file() or path.stat().st_size != shard.bytes or sha256_of(path) != shard.sha256:
            damaged.add(shard.path)
    return frozenset(damaged)


def holds(manifest: Manifest, contents: Contents) -> bool:
    """Whether the shards of a data set hold these recordings in these splits, packed in this way."""
    present = {recording.prepared.recording_id: recording for recording in manifest.recordings}
    return (
        manifest.packing.get("shard_bytes") == contents.packing.shard_bytes
        and list(present) == [made.recording_id for made in contents.prepared]
        and all(
            present[made.recording_id].prepared == made
            and present[made.recording_id].split == contents.splits[made.recording_id]
            for made in contents.prepared
        )
    )


def describe(out: Path, manifest: Manifest, contents: Contents) -> Manifest:
    """Bring manifest and card of a data set up to date whose shards hold the contents already."""
    renewed = _manifest(contents, manifest.recordings, manifest.shards)
    for name, text in ((MANIFEST_NAME, renewed.to_json()), (CARD_NAME, render_card(renewed, _title(out)))):
        path = out / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
    remove_work(out)
    return renewed


def assemble(out: Path, contents: Contents, stage: Callable[[str], None]) -> Manifest:
    """Pack, read back, describe and publish; until the last step nothing in place is touched.

    Args:
        out: The output folder.
        contents: What to put there.
        stage: Called with the name of each step as it begins.

    Raises:
        OutputError: The disk is full, or gave back other rows than were written.
    """
    folder = start_packing(out)
    shards: list[PackedShard] = []
    places: dict[str, list[Span]] = {}
    for split in sorted(set(contents.splits.values())):
        stage(f"packing {split}")
        members = [made.recording_id for made in contents.prepared if contents.splits[made.recording_id] == split]
        packed, packed_places = pack_split(
            split,
            [(name, contents.spans[name]) for name in members],
            folder / DATA_FOLDER,
            contents.packing.shard_bytes,
        )
        shards += packed
        places |= packed_places
    stage("reading back")
    _verify(shards, contents.prepared)
    manifest = _manifest(
        contents,
        tuple(
            PackedRecording(
                made,
                contents.splits[made.recording_id],
                tuple(
                    RowRange(f"{DATA_FOLDER}/{span.path.name}", span.first_row, span.rows)
                    for span in places[made.recording_id]
                ),
            )
            for made in contents.prepared
        ),
        tuple(shard.record for shard in shards),
    )
    write_text(folder / MANIFEST_NAME, manifest.to_json())
    write_text(folder / CARD_NAME, render_card(manifest, _title(out)))
    publish(out)
    remove_work(out)
    return manifest


def _title(out: Path) -> str:
    return out.resolve().name


def _manifest(contents: Contents, recordings: tuple[PackedRecording, ...], shards: tuple[ShardRecord, ...]) -> Manifest:
    return Manifest(
        settings=contents.settings.as_json(),
        packing=contents.packing.as_json(),
        preparation_code=preparation_code(),
        software={"python": python_version(), **software_versions(("avbench", *CODECS, "numpy", "scipy", "pyarrow"))},
        recordings=recordings,
        refused=tuple(Refusal(refusal.recording_id, refusal.reason) for refusal in contents.refused),
        shards=shards,
    )


def _verify(shards: Sequence[PackedShard], prepared: Sequence[PreparedRecording]) -> None:
    """Read every shard back: all rows of every recording, unchanged, and no group in two splits."""
    digests: dict[str, list[str]] = {}
    split_of_group: dict[str, str] = {}
    for shard in shards:
        for recording_id, (group_id, found) in verify_shard(shard).items():
            digests.setdefault(recording_id, []).extend(found)
            if split_of_group.setdefault(group_id, shard.record.split) != shard.record.split:
                raise RuntimeError(f"group {group_id} is in {split_of_group[group_id]} and in {shard.record.split}")
    for made in prepared:
        if rows_digest(digests.get(made.recording_id, [])) != made.rows_sha256:
            raise OutputError(f"{made.recording_id}: its rows came back from the disk changed; check the disk")
