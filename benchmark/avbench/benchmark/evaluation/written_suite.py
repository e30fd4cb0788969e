"""A suite written out: the pairs of one split under every condition, as a data set with one split a condition.

Everything but the pictures, and what a row says of their sharpness and brightness, is as in the source; a picture that
a condition leaves alone keeps its very bytes. Splits are finished one after the other, so a run that was stopped goes
on with the next.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from avbench.benchmark.base.prefetch import prefetch
from avbench.benchmark.conditions.corruptions import Condition, Suite
from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.evaluation.written_suite_card import ORIGIN_COLUMNS, render_corrupted_card
from avbench.preprocessing.base.atomic import atomic_path, write_text
from avbench.preprocessing.base.documents import MissingFileError, read_json, structured
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.locks import sole_writer
from avbench.preprocessing.base.structure import Count, Sha256, Text
from avbench.preprocessing.format.manifest import MANIFEST_NAME
from avbench.preprocessing.format.picture import PictureFormat, brightness, decode_picture, encode_picture, sharpness
from avbench.preprocessing.format.schema import DIGEST_VERSION, SCHEMA_VERSION
from avbench.preprocessing.format.shard_file import ShardRecord, describe_shard
from avbench.preprocessing.format.shards import (
    DATA_FOLDER,
    DEFAULT_SHARD_BYTES,
    PackedShard,
    RowWriter,
    payload_bytes,
    rows_digest,
    verify_shard,
)
from avbench.preprocessing.prepare.publish import CARD_NAME, WORK_FOLDER, check_is_ours

MANIFEST_VERSION = "corrupted-1"
_SETTINGS_NAME = "settings.json"


@dataclass(frozen=True)
class CorruptSettings:
    """How a suite is written out.

    Attributes:
        split: The split of the source.
        picture: How corrupted pictures are stored; PNG keeps every pixel, JPEG corrupts a second time.
        quality: JPEG quality from 1 to 100.
        workers: Threads.
        shard_bytes: A shard is closed before it gets larger than this.
    """

    split: str = "test"
    picture: PictureFormat = PictureFormat.PNG
    quality: int = 95
    workers: int = 1
    shard_bytes: int = DEFAULT_SHARD_BYTES


@dataclass(frozen=True)
class WrittenSplit:
    """One condition, written.

    Attributes:
        split: Name of the split.
        condition: Name of the condition.
        pairs: Number of pairs.
        rows_sha256: Hash over what the rows say.
        shards: Its files: path in the data set, rows, bytes and hashes.
    """

    split: Text
    condition: Text
    pairs: Count
    rows_sha256: Sha256
    shards: tuple[Mapping[str, Any], ...]

    def __post_init__(self) -> None:
        for shard in self.shards:
            structured({**shard, "split": self.split}, "shards", ShardRecord)


Progress = Callable[[int, int], None]
"""Called with the number of pairs written, under all conditions, and the number of all."""


def split_name(condition: Condition) -> str:
    """Name of the split of a condition: the Hugging Face library takes letters, digits and underscores only."""
    return condition.name.replace("-", "_")


def write_suite(
    dataset: PairDataset, suite: Suite, out: Path, settings: CorruptSettings, *, overwrite: bool, progress: Progress
) -> list[WrittenSplit]:
    """Write a split under every condition of a suite.

    A folder that holds the same already is left as it is, one that was begun is finished.

    Args:
        dataset: The source.
        suite: The conditions.
        out: Folder of the new data set.
        settings: How to write it.
        overwrite: Replace a suite that was written with other settings.
        progress: Called as the work proceeds.

    Raises:
        InputError: The source is damaged or has no such split, or `out` holds something else.
        OutputError: The disk is full or cannot be written to.
        AvbenchError: Another run is writing to `out`.
    """
    described = _described(dataset, suite, settings)
    with sole_writer(out, WORK_FOLDER):
        if overwrite:
            _remove(out, described)
        return _written_suite(dataset, suite, out, settings, described, progress)


def _written_suite(
    dataset: PairDataset,
    suite: Suite,
    out: Path,
    settings: CorruptSettings,
    described: Mapping[str, Any],
    progress: Progress,
) -> list[WrittenSplit]:
    work = out / WORK_FOLDER
    before = _read_json(out / MANIFEST_NAME)
    if before is not None:
        _refuse_other(out, before, described)
        # A run that was killed at its very end may have left it.
        shutil.rmtree(work, ignore_errors=True)
        hint = "write the suite again with --overwrite"
        return list(structured(before, out / MANIFEST_NAME, _WrittenSuite, hint=hint, other_keys=True).splits)
    if _read_json(work / _SETTINGS_NAME) is None:
        check_is_ours(out)
        write_text(work / _SETTINGS_NAME, json.dumps(described, indent=1) + "\n")
    _refuse_other(out, _read_json(work / _SETTINGS_NAME) or {}, described)
    count = dataset.pair_count(settings.split)
    written = []
    for number, condition in enumerate(suite.conditions):
        done = work / f"{split_name(condition)}.json"
        fields = _read_json(done)
        if fields is None:
            told = partial(_told, progress, number * count, len(suite.conditions) * count)
            found = _write_split(dataset, condition, out, settings, told)
            write_text(done, json.dumps(asdict(found)) + "\n")
        else:
            found = _written(fields, done)
        written.append(found)
        progress((number + 1) * count, len(suite.conditions) * count)
    manifest = {
        **described,
        "dataset_fingerprint": _fingerprint(described, written),
        "splits": [asdict(found) for found in written],
    }
    listed = {out / shard["path"] for found in written for shard in found.shards}
    for path in set((out / DATA_FOLDER).iterdir()) - listed:
        # Of a suite that was being replaced when its run was killed.
        path.unlink()
    origin = dataset.table(settings.split, ORIGIN_COLUMNS)
    write_text(out / CARD_NAME, render_corrupted_card(out.resolve().name, manifest, origin))
    write_text(out / MANIFEST_NAME, json.dumps(manifest, indent=1) + "\n")
    shutil.rmtree(work, ignore_errors=True)
    return written


def corrupted_row(row: dict[str, Any], condition: Condition, settings: CorruptSettings) -> dict[str, Any]:
    """A row of the source as a row of the condition's split.

    Raises:
        InputError: A picture is damaged.
    """
    pair_id = row["pair_id"]
    images = {view: decode_picture(row[f"image_{view}"]["bytes"], f"{pair_id}: image_{view}") for view in "ab"}
    shown = dict(zip("ab", condition.apply(images["a"], images["b"], pair_id), strict=True))
    changed = {**row, "split": split_name(condition)}
    for view, image in shown.items():
        if image is not images[view]:
            data = encode_picture(image, settings.picture, settings.quality)
            # What a row says of a picture is said of the stored one, so that anyone can compute it again.
            stored = image if settings.picture is PictureFormat.PNG else decode_picture(data, pair_id)
            changed[f"image_{view}"] = {"bytes": data, "path": None}
            changed[f"sharpness_{view}"] = sharpness(stored)
            changed[f"brightness_{view}"] = brightness(stored)
    return changed


def _write_split(
    dataset: PairDataset, condition: Condition, out: Path, settings: CorruptSettings, told: Callable[[int], None]
) -> WrittenSplit:
    name = split_name(condition)
    tasks = ([partial(corrupted_row, row, condition, settings)] for row in dataset.rows(settings.split))
    with closing(prefetch(tasks, workers=settings.workers, ahead=4 * max(1, settings.workers))) as made:
        counted = _counted((row for group in made for row in group), told)
        packed = _pack(name, counted, out / WORK_FOLDER, settings.shard_bytes)
    digests: list[str] = []
    shards: list[dict[str, Any]] = []
    for number, (path, count) in enumerate(packed):
        final = f"{DATA_FOLDER}/{name}-{number:05d}-of-{len(packed):05d}.parquet"
        record = describe_shard(path, name=final, split=name, rows=count)
        for _, found in verify_shard(PackedShard(path, record)).values():
            digests += found
        # The split is named once, beside the list.
        shards.append({key: value for key, value in asdict(record).items() if key != "split"})
    (out / DATA_FOLDER).mkdir(parents=True, exist_ok=True)
    for (path, _), fields in zip(packed, shards, strict=True):
        path.replace(out / fields["path"])
    return WrittenSplit(name, condition.name, len(digests), rows_digest(digests), tuple(shards))


def _pack(name: str, rows: Iterator[dict[str, Any]], folder: Path, shard_bytes: int) -> list[tuple[Path, int]]:
    written: list[tuple[Path, int]] = []
    pending = next(rows, None)
    while pending is not None:
        path = folder / f"{name}-{len(written):05d}.parquet"
        with atomic_path(path) as temporary, RowWriter(temporary) as writer:
            while pending is not None and not (
                writer.rows and writer.payload_bytes + payload_bytes(pending) > shard_bytes
            ):
                writer.add(pending)
                pending = next(rows, None)
        written.append((path, writer.rows))
    return written


def _counted(rows: Iterable[dict[str, Any]], told: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows, start=1):
        yield row
        told(number)


def _told(progress: Progress, before: int, count: int, number: int) -> None:
    progress(before + number, count)


def _described(dataset: PairDataset, suite: Suite, settings: CorruptSettings) -> dict[str, Any]:
    return {
        "manifest_version": MANIFEST_VERSION,
        "schema_version": SCHEMA_VERSION,
        "source_fingerprint": dataset.fingerprint,
        "source_split": settings.split,
        "suite": suite.name,
        "suite_fingerprint": suite.fingerprint,
        "picture": str(settings.picture),
        "quality": settings.quality if settings.picture is PictureFormat.JPEG else None,
        "shard_bytes": settings.shard_bytes,
    }


def _refuse_other(out: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        if found.get(key) != value:
            raise InputError(
                out,
                found=f"a data set with {key} = {found.get(key)!r}",
                expected=f"{key} = {value!r}",
                hint="choose another folder with -o, or replace a suite written before with --overwrite",
            )


def _remove(out: Path, described: Mapping[str, Any]) -> None:
    """Remove a suite that was written or begun, to begin the one described; other data sets stay."""
    ours = (_read_json(out / MANIFEST_NAME) or {}).get("manifest_version") == MANIFEST_VERSION
    if not ours and _read_json(out / WORK_FOLDER / _SETTINGS_NAME) is None:
        return
    shutil.rmtree(out / WORK_FOLDER, ignore_errors=True)
    # Written first: if this run is killed, it says that what is still there is ours.
    write_text(out / WORK_FOLDER / _SETTINGS_NAME, json.dumps(described, indent=1) + "\n")
    (out / MANIFEST_NAME).unlink(missing_ok=True)
    (out / CARD_NAME).unlink(missing_ok=True)
    shutil.rmtree(out / DATA_FOLDER, ignore_errors=True)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = read_json(path, dict, expected="what this command wrote", hint="choose another folder")
    except MissingFileError:
        return None
    return found


def _written(fields: object, where: Path) -> WrittenSplit:
    return structured(fields, where, WrittenSplit, hint="write the suite again with --overwrite")


@dataclass(frozen=True)
class _WrittenSuite:
    """What is read of the manifest of a suite that is there already."""

    splits: tuple[WrittenSplit, ...]


def _fingerprint(described: Mapping[str, Any], written: Iterable[WrittenSplit]) -> str:
    lines = [f"{found.split}\t{found.rows_sha256}" for found in written]
    head = [DIGEST_VERSION, described["source_fingerprint"], described["suite_fingerprint"]]
    return hashlib.sha256("\n".join([*head, *lines]).encode()).hexdigest()
