"""What labels are read from is what the manifest says: no flipped bit and no exchanged shard is scored in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from avbench.benchmark.data.dataset import open_dataset
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation
from avbench.preprocessing.format.schema import COLUMN_BY_NAME, Role
from avbench.preprocessing.format.shard_file import MissingLabelsError
from avbench.preprocessing.format.shards import Span, pack_split, payload_bytes, write_rows
from sample_rows import sample_row

LABELS = ["rotation_a_b", "translation_a_b_m", "scale", "pose_source"]


def rows_of(recording_id: str, count: int, turn_deg: float) -> list[dict[str, Any]]:
    return [
        {**sample_row(recording_id, i), "rotation_a_b": axis_rotation("y", turn_deg + 3.0 * i).tolist()}
        for i in range(count)
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two splits of two shards each, as `prepare` packs and describes them."""
    folder = tmp_path / "data set"
    records = []
    for split, turn_deg in (("test", 10.0), ("train", 50.0)):
        rows = rows_of(split, 6, turn_deg)
        write_rows(tmp_path / split, rows)
        span = Span(tmp_path / split, 0, len(rows))
        shards, _ = pack_split(split, [(split, [span])], folder / "data", 7 * payload_bytes(rows[0]) // 2)
        assert [shard.record.rows for shard in shards] == [3, 3]
        records += [asdict(shard.record) for shard in shards]
    (folder / "manifest.json").write_text(json.dumps({"dataset_fingerprint": "f" * 64, "shards": records}))
    return folder


def shard_of(folder: Path, split: str = "test", number: int = 0) -> Path:
    return folder / "data" / f"{split}-{number:05d}-of-00002.parquet"


def change_manifest(folder: Path, **fields: Any) -> None:
    """Change what the manifest says of the first shard."""
    document = json.loads((folder / "manifest.json").read_text())
    document["shards"][0] |= fields
    (folder / "manifest.json").write_text(json.dumps(document))


def regions(path: Path) -> Iterator[tuple[str, int, int]]:
    """What a shard is made of, but pictures and clips: name, first byte, one past the last."""
    metadata = pq.read_metadata(path)
    length = metadata.serialized_size
    size = path.stat().st_size
    yield "magic", 0, 4
    yield "footer", size - 8 - length, size - 8
    yield "length of the footer", size - 8, size
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(index)
            name = chunk.path_in_schema.partition(".")[0]
            if name not in ("image_a", "image_b", "audio_a", "audio_b"):
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                yield name, start, start + chunk.total_compressed_size


def flip(path: Path, place: int, bits: int, whole: bytes) -> None:
    """Write one byte of a file: as it was in the whole file, with some bits flipped."""
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes([whole[place] ^ bits]))


def test_every_flipped_bit_in_what_labels_are_read_from_is_found(data: Path):
    path = shard_of(data)
    whole = path.read_bytes()
    wanted = [label.rotation_a_b for label in open_dataset(data).labels("test")]
    generator = np.random.default_rng(11)
    dataset = open_dataset(data)
    flipped = 0
    found_regions = set()
    for name, start, stop in regions(path):
        found_regions.add(name)
        # The first bytes of a chunk are the header of a page, which has no checksum.
        places = [*range(start, min(stop, start + 40), 4), *generator.integers(start, stop, 12)]
        for place in places if name in {*LABELS, "footer"} else places[::5]:
            flip(path, place, 1 << int(generator.integers(8)), whole)
            with pytest.raises(InputError, match=r"test-00000-of-00002\.parquet: found "):
                dataset.labels("test")
            flip(path, place, 0, whole)
            flipped += 1
    assert found_regions >= {*LABELS, "pair_id", "group_id", "footer", "direction_sigma_deg"}
    assert flipped > 200
    for label, rotation in zip(dataset.labels("test"), wanted, strict=True):
        np.testing.assert_array_equal(label.rotation_a_b, rotation)


def test_a_flipped_bit_in_a_picture_is_found_where_pictures_are_read(data: Path):
    path = shard_of(data)
    whole = bytearray(path.read_bytes())
    picture = sample_row("test", 1)["image_b"]["bytes"]
    whole[whole.index(picture) + len(picture) // 2] ^= 4
    path.write_bytes(whole)
    dataset = open_dataset(data)
    assert len(dataset.labels("test")) == 6
    with pytest.raises(InputError, match=r"test-00000-of-00002\.parquet: found a damaged Parquet file"):
        list(dataset.encoded("test"))
    with pytest.raises(InputError, match="damaged Parquet file"):
        list(dataset.rows("test"))


@pytest.mark.parametrize("reading", ["labels", "table", "encoded", "pair_count", "row_groups", "rows"])
def test_a_shard_of_another_split_is_not_taken_for_this_one(data: Path, reading: str):
    one, other = shard_of(data), shard_of(data, "train")
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    dataset = open_dataset(data)
    arguments: tuple[Any, ...] = ("test", ["group_id"]) if reading == "table" else ("test",)
    with pytest.raises(
        InputError, match=r"test-00000-of-00002\.parquet: found .* as the data set's manifest.json says"
    ):
        # Some of these are read only as far as they are asked for.
        list(getattr(dataset, reading)(*arguments))


def test_the_order_of_shards_is_that_of_the_manifest(data: Path):
    one, other = shard_of(data, number=0), shard_of(data, number=1)
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    with pytest.raises(InputError, match=r"test-00000-of-00002\.parquet: found "):
        open_dataset(data).labels("test")


def test_shards_missing_or_too_many_are_named(data: Path):
    path = shard_of(data, "extra")
    path.write_bytes(shard_of(data).read_bytes())
    shard_of(data, "extra", 1).write_bytes(shard_of(data).read_bytes())
    with pytest.raises(InputError, match=r"found 2 shards of the split extra.*expected those of manifest.json: none"):
        open_dataset(data).pair_count("extra")
    content = shard_of(data).read_bytes()
    for number in (0, 1):
        shard_of(data, number=number).unlink()
    (data / "data" / "test-00000-of-00001.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"expected those of manifest.json: data/test-00000-of-00002.parquet, data/"):
        open_dataset(data).labels("test")


@pytest.mark.parametrize("field", ["rows", "bytes", "footer_sha256", "plain_sha256"])
def test_a_manifest_that_says_otherwise_is_believed_no_less(data: Path, field: str):
    change_manifest(data, **{field: 7 if field in ("rows", "bytes") else "0" * 64})
    with pytest.raises(InputError, match=r"test-00000-of-00002\.parquet: found "):
        open_dataset(data).labels("test")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rows": "3"}, "expected a whole number"),
        ({"path": None}, ""),
    ],
)
def test_a_list_of_shards_that_is_none_is_refused(data: Path, fields: dict[str, Any], says: str):
    change_manifest(data, **fields)
    with pytest.raises(InputError, match=rf"manifest\.json.*{says}"):
        open_dataset(data)


def test_an_older_manifest_has_labels_checked_by_the_hash_of_the_whole_file(data: Path):
    for path in (shard_of(data), shard_of(data, number=1)):
        document = json.loads((data / "manifest.json").read_text())
        for record in document["shards"]:
            record.pop("footer_sha256", None)
            record.pop("plain_sha256", None)
        (data / "manifest.json").write_text(json.dumps(document))
        assert len(open_dataset(data).labels("test")) == 6
        whole = bytearray(path.read_bytes())
        whole[100] ^= 1
        path.write_bytes(whole)
        with pytest.raises(InputError, match="found a damaged file"):
            open_dataset(data).labels("test")
        whole[100] ^= 1
        path.write_bytes(whole)


def hand_out(folder: Path, *, without: list[str]) -> None:
    for number in (0, 1):
        path = shard_of(folder, number=number)
        pq.write_table(pq.read_table(path).drop_columns(without), path, row_group_size=2)


def test_pairs_that_were_handed_out_without_labels_can_be_read_but_not_scored(data: Path):
    answers = [name for name, column in COLUMN_BY_NAME.items() if column.role is not Role.INPUT]
    hand_out(data, without=answers)
    dataset = open_dataset(data)
    assert dataset.pair_count("test") == 6
    assert [pair.row["pair_id"] for pair in dataset.encoded("test")] == [
        row["pair_id"] for row in rows_of("test", 6, 0.0)
    ]
    assert dataset.table("test", ["group_id"]).num_rows == 6
    assert dataset.lacking_labels("test") == LABELS
    assert dataset.lacking_labels("train") == []
    assert len(dataset.labels("train")) == 6
    with pytest.raises(MissingLabelsError, match=r"no label columns rotation_a_b, translation_a_b_m, scale.*published"):
        dataset.labels("test")


def test_labels_of_a_shard_that_was_written_anew_are_not_trusted(data: Path):
    hand_out(data, without=["rotation_deg", "baseline_m"])
    dataset = open_dataset(data)
    assert dataset.lacking_labels("test") == []
    with pytest.raises(InputError, match=r"found \d+ bytes, expected \d+, as the data set's manifest.json says"):
        dataset.labels("test")
