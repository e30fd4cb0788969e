"""A prepared data set as the benchmark sees it: inputs for models, labels for scoring.

Inputs and labels are read by different functions. What a model is given comes only from columns whose role in the
schema is `input`, and only from those that its modalities need: pictures and sound that a model does not look at are
neither read nor decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from avbench.benchmark.data.arrow_arrays import fixed_shape_array, sigma_values, text_values
from avbench.benchmark.data.pair import Modality, PairInput, PairLabel, SoundClip
from avbench.preprocessing.base.documents import read_json, structured
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import is_rotation
from avbench.preprocessing.base.structure import Text
from avbench.preprocessing.format.manifest import MANIFEST_NAME, shard_records
from avbench.preprocessing.format.picture import decode_picture
from avbench.preprocessing.format.schema import Role, column_names, with_later_columns
from avbench.preprocessing.format.shard_file import ShardRecord, damaged_shard, lacking_labels, open_shard
from avbench.preprocessing.format.shards import DATA_FOLDER, dataset_shards, dataset_splits, iter_rows
from avbench.preprocessing.format.sound_clip import decode_clip
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind, SampleFormat, Scale

ALL_MODALITIES = frozenset(Modality)

_ALWAYS = frozenset({"pair_id", "width_px", "height_px", "fx_px", "fy_px", "cx_px", "cy_px"})
_OF_MODALITY = {
    Modality.VISION: frozenset({"image_a", "image_b"}),
    Modality.AUDIO: frozenset(
        {
            "audio_a",
            "audio_b",
            "audio_valid_start_a",
            "audio_valid_stop_a",
            "audio_valid_start_b",
            "audio_valid_stop_b",
            "array_kind",
            "ambisonic_convention",
            "mic_positions_m",
        }
    ),
    Modality.UP: frozenset({"up_a", "up_b"}),
}
LABEL_COLUMNS = ("pair_id", "rotation_a_b", "translation_a_b_m", "scale", "direction_sigma_deg")
# Full scale of the integer formats as they lie in memory; int24 is carried in the upper bits of int32.
_FULL_SCALE = {SampleFormat.INT16: 2.0**15, SampleFormat.INT24: 2.0**31, SampleFormat.INT32: 2.0**31}


def input_columns(modalities: Collection[Modality]) -> list[str]:
    """Columns that are read for a model of the given modalities: all of them have the role `input`."""
    wanted = _ALWAYS.union(*(_OF_MODALITY[modality] for modality in modalities))
    return [name for name in column_names(Role.INPUT) if name in wanted]


Allocate: TypeAlias = Callable[[str, tuple[int, ...], type[np.generic]], NDArray[Any]]
"""Gives memory for an array: called with its name ("image_a", "sound_b", ...), its shape and its type."""


def _new_memory(_: str, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    return np.empty(shape, dtype)


@dataclass(frozen=True)
class EncodedPair:
    """A pair as it lies in the data set; `decode` may run in any thread.

    Attributes:
        row: Its columns, those that its modalities need.
        modalities: What the model looks at.
        path: The shard, for messages.
    """

    row: Mapping[str, Any]
    modalities: frozenset[Modality]
    path: Path

    def decode(self, allocate: Allocate | None = None) -> PairInput:
        """What a model is given.

        Args:
            allocate: Gives the memory for the pictures and the samples; None for new memory.

        Raises:
            InputError: A picture or a clip is damaged.
        """
        return _pair_input(self.row, self.modalities, self.path, allocate or _new_memory)

    def decode_sound(self, view: str) -> SoundClip | None:
        """The clip of frame a or b alone, None where there is none.

        Raises:
            InputError: It is damaged.
        """
        return _sound(self.row, view, self.modalities, _where(self.row, self.path), _new_memory)


@dataclass(frozen=True)
class RowGroup:
    """Rows that are read together.

    Attributes:
        path: The shard.
        number: Number of the row group in it.
        first: Number of its first pair in the split.
        rows: How many pairs.
    """

    path: Path
    number: int
    first: int
    rows: int


@dataclass(frozen=True)
class PairDataset:
    """A prepared data set, opened.

    Attributes:
        folder: Where it lies.
        fingerprint: Hash of its content, from its manifest.
        records: What its manifest says of its shards; everything that is read is compared with it.
    """

    folder: Path
    fingerprint: str
    records: tuple[ShardRecord, ...]
    _pair_counts: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def splits(self) -> list[str]:
        """Names of its splits."""
        return dataset_splits(self.folder)

    def pair_count(self, split: str) -> int:
        """Number of pairs of a split; its shards are opened the first time.

        Raises:
            InputError: There is no such split, or a shard is missing or damaged.
        """
        if split not in self._pair_counts:
            count = 0
            for path, record in self._shards(split):
                with open_shard(path, record, columns=()) as file:
                    count += file.metadata.num_rows
            self._pair_counts[split] = count
        return self._pair_counts[split]

    def recorded_pairs(self, split: str) -> int:
        """Number of pairs of a split as the manifest has it; no shard is opened."""
        return sum(record.rows for record in self.records if record.split == split)

    def lacking_labels(self, split: str) -> list[str]:
        """Names of the label columns that a split was published without, in schema order; none if it has them all.

        Raises:
            InputError: There is no such split, or a shard is missing or damaged.
        """
        lacking = {name for path, _ in self._shards(split) for name in lacking_labels(path)}
        return [name for name in column_names(Role.LABEL) if name in lacking]

    def table(self, split: str, columns: Collection[str], *, limit: int | None = None) -> pa.Table:
        """Columns of a split, of its first `limit` pairs or of all, in the order of the data set.

        What is read is compared with the hashes in the manifest: a single flipped bit is found.

        Raises:
            MissingLabelsError: A column is missing because the split was published without labels.
            InputError: There is no such split, or a shard is missing, damaged or not the one of the manifest.
        """
        parts = []
        left = limit
        for path, record in self._shards(split):
            with open_shard(path, record, columns=columns, whole=True) as file:
                part = _read(file, None, list(columns), path)
            parts.append(part if left is None else part.slice(0, left))
            left = None if left is None else left - len(parts[-1])
            if left == 0:
                break
        return pa.concat_tables(parts)

    def labels(self, split: str, *, limit: int | None = None) -> list[PairLabel]:
        """Labels of a split, of its first `limit` pairs or of all.

        Raises:
            InputError: There is no such split, a shard is damaged, a pair is there twice, or a label is no pose.
        """
        return labels_of(self.table(split, LABEL_COLUMNS, limit=limit), f"{self.folder}: split {split}")

    def inputs(
        self,
        split: str,
        *,
        modalities: Collection[Modality] = ALL_MODALITIES,
        start: int = 0,
        stop: int | None = None,
    ) -> Iterator[PairInput]:
        """What a model is given of the pairs `start` to `stop` of a split, in the order of the data set.

        The arrays cannot be written to, so that no model changes what the next one, or the next condition, sees.

        Args:
            split: The split.
            modalities: What the model looks at. Without vision, pictures are black; without audio or up, the clips or
                the up vectors are None.
            start: First pair.
            stop: One past the last pair, None for all.

        Raises:
            InputError: There is no such split, or a shard, a picture or a clip is damaged.
        """
        for pair in self.encoded(split, modalities=modalities, start=start, stop=stop):
            yield pair.decode()

    def encoded(
        self,
        split: str,
        *,
        modalities: Collection[Modality] = ALL_MODALITIES,
        start: int = 0,
        stop: int | None = None,
    ) -> Iterator[EncodedPair]:
        """Pairs as `inputs` gives them, read but not decoded; row groups outside the range are not read.

        Raises:
            InputError: There is no such split, or a shard is damaged.
        """
        columns = input_columns(modalities)
        first = 0
        for path, record in self._shards(split):
            with open_shard(path, record, columns=columns) as file:
                for group in range(file.num_row_groups):
                    if stop is not None and first >= stop:
                        return
                    rows = file.metadata.row_group(group).num_rows
                    low, high = max(start - first, 0), rows if stop is None else min(stop - first, rows)
                    first += rows
                    if low < high:
                        table = _read(file, group, columns, path).slice(low, high - low)
                        for row in table.to_pylist():
                            yield EncodedPair(row, frozenset(modalities), path)

    def row_groups(self, split: str) -> list[RowGroup]:
        """The row groups of a split, in order.

        Raises:
            InputError: There is no such split, or a shard is missing or damaged.
        """
        found: list[RowGroup] = []
        first = 0
        for path, record in self._shards(split):
            with open_shard(path, record, columns=()) as file:
                for number in range(file.num_row_groups):
                    found.append(RowGroup(path, number, first, file.metadata.row_group(number).num_rows))
                    first += found[-1].rows
        return found

    def encoded_group(self, group: RowGroup, modalities: Collection[Modality]) -> list[EncodedPair]:
        """The pairs of one row group, read but not decoded.

        Raises:
            InputError: The shard is damaged.
        """
        columns = input_columns(modalities)
        with open_shard(group.path, columns=columns) as file:
            rows = _read(file, group.number, columns, group.path).to_pylist()
        return [EncodedPair(row, frozenset(modalities), group.path) for row in rows]

    def rows(self, split: str) -> Iterator[dict[str, Any]]:
        """Whole rows of a split, in order, pictures and clips as `{"bytes": ..., "path": None}`.

        Raises:
            MissingLabelsError: The split was published without labels.
            InputError: There is no such split, or a shard is missing, damaged or not the one of the manifest.
        """
        for path, record in self._shards(split):
            open_shard(path, record, whole=True).close()
            yield from iter_rows([path])

    def _shards(self, split: str) -> list[tuple[Path, ShardRecord]]:
        """The shards of a split with what the manifest says of them."""
        paths = dataset_shards(self.folder, split)
        records = {record.path: record for record in self.records if record.split == split}
        found = [f"{DATA_FOLDER}/{path.name}" for path in paths]
        if set(found) != set(records):
            raise InputError(
                self.folder,
                found=f"{len(found)} shards of the split {split}: {', '.join(found)}",
                expected=f"those of manifest.json: {', '.join(records) or 'none'}",
                hint="copy the whole folder, or run the same `avbench prepare` command again",
            )
        return [(path, records[name]) for path, name in zip(paths, found, strict=True)]


def labels_of(table: pa.Table, where: str) -> list[PairLabel]:
    """Labels as they lie in a data set or on a board, in the order of the table.

    Args:
        table: At least `LABEL_COLUMNS`.
        where: What to name in errors.

    Raises:
        InputError: A column is missing or of another type, a pair is there twice, or a label is no pose.
    """
    missing = [name for name in LABEL_COLUMNS if name not in table.column_names]
    if missing:
        raise InputError(where, found=f"no column {missing[0]}", expected=f"columns {', '.join(LABEL_COLUMNS)}")
    rotation = fixed_shape_array(table.column("rotation_a_b"), (3, 3), f"{where}: rotation_a_b")
    translation = fixed_shape_array(table.column("translation_a_b_m"), (3,), f"{where}: translation_a_b_m")
    names = text_values(table.column("pair_id"), f"{where}: pair_id")
    scales = text_values(table.column("scale"), f"{where}: scale")
    broken = np.flatnonzero(~is_rotation(rotation) | ~np.isfinite(translation).all(axis=1))
    if len(broken):
        raise InputError(
            f"{where}: pair {names[broken[0]]}: label",
            found="no rotation, or a translation that is not finite",
            expected="a pose",
            hint="make the data set again with `avbench prepare`",
        )
    unknown = sorted(set(scales) - set(Scale))
    if unknown:
        raise InputError(f"{where}: scale", found=repr(unknown[0]), expected=f"one of {', '.join(Scale)}")
    doubled = [name for name, times in Counter(names).items() if times > 1]
    if doubled:
        raise InputError(f"{where}: pair_id", found=f"{doubled[0]!r} twice", expected="every pair once")
    sigmas = sigma_values(table.column("direction_sigma_deg"), f"{where}: direction_sigma_deg")
    return [
        PairLabel(name, rotation[row], translation[row], Scale(scales[row]), sigmas[row])
        for row, name in enumerate(names)
    ]


def open_dataset(folder: Path) -> PairDataset:
    """Open a folder made by `avbench prepare`.

    Raises:
        InputError: There is no such folder, or it has no shards or no manifest.
    """
    hint = "make one with `avbench prepare SOURCE -o FOLDER`"
    if not folder.is_dir():
        raise InputError(folder, found="no such folder", expected="a prepared data set", hint=hint)
    if not dataset_splits(folder):
        raise InputError(folder, found="no shards in data/", expected="a prepared data set", hint=hint)
    path = folder / MANIFEST_NAME
    document: dict[str, Any] = read_json(path, dict, expected="the manifest of the data set", hint=hint)
    facts = structured(document, path, _DatasetFacts, hint=hint, other_keys=True)
    return PairDataset(folder, facts.dataset_fingerprint, shard_records(document, path))


@dataclass(frozen=True)
class _DatasetFacts:
    """What the manifests of all kinds of data sets have in common, beside their shards."""

    dataset_fingerprint: Text


def _read(file: pq.ParquetFile, group: int | None, columns: list[str], path: Path) -> pa.Table:
    try:
        if group is None:
            table = file.read(columns=columns, use_threads=False)
        else:
            table = file.read_row_group(group, columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise damaged_shard(path, error) from error
    return with_later_columns(table, columns)


def _pair_input(row: Mapping[str, Any], modalities: frozenset[Modality], path: Path, allocate: Allocate) -> PairInput:
    where = _where(row, path)
    intrinsics = np.array(
        [[row["fx_px"], 0.0, row["cx_px"]], [0.0, row["fy_px"], row["cy_px"]], [0.0, 0.0, 1.0]], dtype=np.float64
    )
    return PairInput(
        pair_id=row["pair_id"],
        image_a=_picture(row, "a", modalities, where, allocate),
        image_b=_picture(row, "b", modalities, where, allocate),
        intrinsics=_read_only(intrinsics),
        sound_a=_sound(row, "a", modalities, where, allocate),
        sound_b=_sound(row, "b", modalities, where, allocate),
        up_a=_vector(row.get("up_a")),
        up_b=_vector(row.get("up_b")),
    )


def _where(row: Mapping[str, Any], path: Path) -> str:
    return f"{path.name}: pair {row['pair_id']}"


def _picture(
    row: Mapping[str, Any], view: str, modalities: frozenset[Modality], where: str, allocate: Allocate
) -> NDArray[np.uint8]:
    shape = (row["height_px"], row["width_px"], 3)
    if Modality.VISION not in modalities:
        return np.broadcast_to(np.uint8(0), shape)
    out = allocate(f"image_{view}", shape, np.uint8)
    image = decode_picture(row[f"image_{view}"]["bytes"], f"{where}: image_{view}", out)
    if image.shape != shape:
        raise InputError(f"{where}: image_{view}", found=f"shape {image.shape}", expected=f"{shape} as its row says")
    image.flags.writeable = False
    return image


def _sound(
    row: Mapping[str, Any], view: str, modalities: frozenset[Modality], where: str, allocate: Allocate
) -> SoundClip | None:
    if Modality.AUDIO not in modalities or row[f"audio_{view}"] is None:
        return None
    clip = decode_clip(row[f"audio_{view}"]["bytes"], f"{where}: audio_{view}")
    # The scale is a power of two: the product is exact wherever float32 holds the sample, that is up to 24 bits.
    scale = np.float32(1.0 / _FULL_SCALE.get(clip.sample_format, 1.0))
    # Converted and scaled piece by piece in the cache, which costs half of one after the other.
    samples: NDArray[np.float32] = allocate(f"sound_{view}", clip.samples.shape, np.float32)
    np.multiply(clip.samples, scale, out=samples, dtype=np.float32)
    positions = row["mic_positions_m"]
    samples.flags.writeable = False
    return SoundClip(
        samples=samples,
        sample_rate_hz=clip.sample_rate_hz,
        valid_start=row[f"audio_valid_start_{view}"],
        valid_stop=row[f"audio_valid_stop_{view}"],
        array_kind=ArrayKind(row["array_kind"]),
        # Null is the documented default: data sets of the first schema do not say it.
        ambisonic_convention=AmbisonicConvention(row["ambisonic_convention"] or AmbisonicConvention.ACN_SN3D),
        mic_positions_m=None if positions is None else _read_only(np.array(positions, dtype=np.float64)),
    )


def _vector(values: list[float] | None) -> NDArray[np.float64] | None:
    return None if values is None else _read_only(np.array(values, dtype=np.float64))


def _read_only(array: NDArray[np.float64]) -> NDArray[np.float64]:
    array.flags.writeable = False
    return array
