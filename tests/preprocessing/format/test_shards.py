"""Shards: whole or not there, verified, packed by bytes, read back row by row."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from avbench.preprocessing.base.errors import InputError, OutputError
from avbench.preprocessing.format.schema import pair_schema
from avbench.preprocessing.format.shards import (
    MAX_ROWS_A_GROUP,
    PackedShard,
    Span,
    dataset_shards,
    dataset_splits,
    iter_rows,
    pack_split,
    payload_bytes,
    read_span,
    row_digest,
    rows_digest,
    verify_shard,
    write_rows,
)
from sample_rows import place_of, sample_row


def rows_of(recording_id: str, count: int, **kwargs: Any) -> list[dict[str, Any]]:
    return [sample_row(recording_id, number, **kwargs) for number in range(count)]


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = rows_of("r", 40) + rows_of("s", 3, sound=False)
    assert write_rows(tmp_path / "p.parquet", rows) == 43
    assert files_in(tmp_path) == ["p.parquet"]
    assert list(iter_rows([tmp_path / "p.parquet"])) == rows
    assert next(iter(iter_rows([tmp_path / "p.parquet"], ["gap_s", "pair_id"]))) == {
        "gap_s": 1.0,
        "pair_id": rows[0]["pair_id"],
    }


def test_row_groups_are_cut_by_rows_and_by_bytes(tmp_path: Path) -> None:
    write_rows(tmp_path / "small.parquet", rows_of("r", 40))
    assert group_sizes(tmp_path / "small.parquet") == [16, 16, 8]
    # 3 MiB a row: five fit into 16 MiB.
    write_rows(tmp_path / "large.parquet", rows_of("r", 12, picture_bytes=3 * 2**20))
    assert group_sizes(tmp_path / "large.parquet") == [5, 5, 2]
    write_rows(tmp_path / "huge.parquet", rows_of("r", 2, picture_bytes=20 * 2**20))
    assert group_sizes(tmp_path / "huge.parquet") == [1, 1]


def group_sizes(path: Path) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def test_binary_columns_are_stored_as_they_are(tmp_path: Path) -> None:
    write_rows(tmp_path / "p.parquet", rows_of("r", 4))
    group = pq.read_metadata(tmp_path / "p.parquet").row_group(0)
    by_path = {group.column(index).path_in_schema: group.column(index) for index in range(group.num_columns)}
    for name in ("image_a", "image_b", "audio_a", "audio_b"):
        column = by_path[f"{name}.bytes"]
        assert column.compression == "UNCOMPRESSED"
        assert not column.has_dictionary_page
        assert column.statistics is None
    assert by_path["recording_id"].has_dictionary_page
    assert by_path["gap_s"].statistics.max == 1.0


def test_the_schema_with_all_metadata_is_in_the_file(tmp_path: Path) -> None:
    write_rows(tmp_path / "p.parquet", rows_of("r", 1))
    assert pq.read_schema(tmp_path / "p.parquet").equals(pair_schema(), check_metadata=True)


def test_a_reader_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield from rows_of("r", 20)
        raise InputError("r", found="half a video", expected="a whole one")

    with pytest.raises(InputError, match="half a video"):
        write_rows(tmp_path / "p.parquet", broken())
    assert files_in(tmp_path) == []


LIMITED = """
import resource, sys
from pathlib import Path
sys.path[:0] = {path!r}
from sample_rows import sample_row
from avbench.preprocessing.base.errors import OutputError
from avbench.preprocessing.format.shards import write_rows
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
try:
    write_rows(Path(sys.argv[1]), (sample_row("r", n, picture_bytes=100_000) for n in range(100)))
except OutputError as error:
    print("refused:", error)
"""


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path) -> None:
    final = tmp_path / "p.parquet"
    write_rows(final, rows_of("r", 2))
    before = final.read_bytes()
    # A limit on file size fails a write in the same place as a full disk does, within the operating system.
    result = subprocess.run(
        [sys.executable, "-c", LIMITED.format(path=sys.path), str(final)], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith(f"refused: {final}: could not be written (")
    assert "finished parts are kept" in result.stdout
    assert final.read_bytes() == before
    assert files_in(tmp_path) == ["p.parquet"]


def test_spans_read_only_their_rows(tmp_path: Path) -> None:
    rows = rows_of("r", 50)
    path = tmp_path / "p.parquet"
    write_rows(path, rows)
    for first, count in [(0, 50), (0, 1), (15, 2), (16, 16), (49, 1), (20, 0)]:
        assert list(read_span(Span(path, first, count))) == rows[first : first + count]
    with pytest.raises(InputError, match="found 50 rows, expected 51 or more"):
        list(read_span(Span(path, 50, 1)))


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    rows = rows_of("r", 4, picture_bytes=5000)
    write_rows(path, rows)
    data = bytearray(path.read_bytes())
    at = data.index(rows[2]["image_a"]["bytes"][:100]) + 50
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"p\.parquet: found a damaged Parquet file"):
        list(iter_rows([path]))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "found no such file, expected a shard"), (b"", "damaged"), (b"PAR1 is no shard PAR1", "damaged")],
)
def test_what_is_no_shard_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "p.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(iter_rows([path]))


def test_a_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa

    pq.write_table(pa.table({"a": [1]}), tmp_path / "p.parquet")
    with pytest.raises(InputError, match="schema_version: found none"):
        list(iter_rows([tmp_path / "p.parquet"]))


# packing


def make_parts(tmp_path: Path, counts: dict[str, int], **kwargs: Any) -> list[tuple[str, list[Span]]]:
    sources = []
    for name, count in counts.items():
        path = tmp_path / "parts" / f"{name}.parquet"
        write_rows(path, rows_of(name, count, **kwargs))
        sources.append((name, [Span(path, 0, count)]))
    return sources


def test_packing_keeps_every_row_in_order_and_names_the_split(tmp_path: Path) -> None:
    counts = {"a": 20, "b": 1, "c": 30}
    sources = make_parts(tmp_path, counts)
    size = payload_bytes(sample_row())
    shards, places = pack_split("test", sources, tmp_path / "data", shard_bytes=22 * size)
    assert [shard.path.name for shard in shards] == [
        f"test-{n:05d}-of-{len(shards):05d}.parquet" for n in range(len(shards))
    ]
    assert len(shards) in (3, 4)
    assert files_in(tmp_path / "data") == [shard.path.name for shard in shards]
    expected = [{**row, "split": "test"} for name, count in counts.items() for row in rows_of(name, count)]
    assert list(iter_rows(dataset_shards(tmp_path, "test"))) == expected
    assert dataset_splits(tmp_path) == ["test"]
    for shard in shards:
        assert sum(payload_bytes(row) for row in iter_rows([shard.path])) <= 22 * size
        assert group_sizes(shard.path)[0] == min(MAX_ROWS_A_GROUP, shard.record.rows)
    for name, count in counts.items():
        found = [row for span in places[name] for row in read_span(span)]
        assert found == [{**row, "split": "test"} for row in rows_of(name, count)]


def test_packed_shards_can_be_packed_again(tmp_path: Path) -> None:
    sources = make_parts(tmp_path, {"a": 9, "b": 9})
    size = payload_bytes(sample_row())
    _, places = pack_split("train", sources, tmp_path / "first", shard_bytes=4 * size)
    once, _ = pack_split("val", sources, tmp_path / "second", shard_bytes=7 * size)
    again, _ = pack_split("val", list(places.items()), tmp_path / "third", shard_bytes=7 * size)
    assert [shard.record for shard in once] == [shard.record for shard in again]


def test_verifying_gives_what_the_rows_say(tmp_path: Path) -> None:
    sources = make_parts(tmp_path, {"a": 3, "b": 2})
    (shard,), _ = pack_split("test", sources, tmp_path / "data", shard_bytes=10**9)
    found = verify_shard(shard)
    assert {name: group for name, (group, _) in found.items()} == {"a": place_of("a"), "b": place_of("b")}
    assert found["a"][1] == [row_digest(row) for row in rows_of("a", 3)]


def test_verifying_notices_what_is_wrong(tmp_path: Path) -> None:
    sources = make_parts(tmp_path, {"a": 3})
    (shard,), _ = pack_split("test", sources, tmp_path / "data", shard_bytes=10**9)
    with pytest.raises(OutputError, match="3 rows came back, 4 were written"):
        verify_shard(replace(shard, record=replace(shard.record, rows=4)))
    with pytest.raises(OutputError, match="says it belongs to split test"):
        verify_shard(replace(shard, record=replace(shard.record, split="train")))
    bad = {**sample_row(split="test"), "image_b": {"bytes": b"no picture", "path": None}}
    write_rows(tmp_path / "bad.parquet", [bad])
    with pytest.raises(InputError, match="image_b: found 10 bytes that are no picture"):
        verify_shard(PackedShard(tmp_path / "bad.parquet", replace(shard.record, rows=1)))
    write_rows(tmp_path / "channels.parquet", [{**sample_row(split="test"), "audio_channels": 2}])
    with pytest.raises(OutputError, match="audio_a has 3 channels at 8000 Hz"):
        verify_shard(PackedShard(tmp_path / "channels.parquet", replace(shard.record, rows=1)))


def test_missing_shards_and_splits_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no split 'test', expected a folder made by"):
        dataset_shards(tmp_path, "test")
    sources = make_parts(tmp_path, {"a": 9})
    shards, _ = pack_split("test", sources, tmp_path / "data", shard_bytes=3 * payload_bytes(sample_row()))
    assert len(shards) > 2
    with pytest.raises(InputError, match="found no split 'train', expected test"):
        dataset_shards(tmp_path, "train")
    shards[1].path.unlink()
    with pytest.raises(InputError, match=r"expected test-00000-of-0000\d to test"):
        dataset_shards(tmp_path, "test")


# digests


def test_a_digest_sees_every_column_but_the_split() -> None:
    row = sample_row()
    assert row_digest(row) == row_digest({**row, "split": "test"})
    other = sample_row("r1", 1, sound=False)
    for name in row:
        if name != "split" and row[name] != other[name]:
            assert row_digest({**row, name: other[name]}) != row_digest(row), name
    tiny = {**row, "baseline_m": float.fromhex((row["baseline_m"]).hex()) + 2**-54}
    assert (row_digest(tiny) != row_digest(row)) == (tiny["baseline_m"] != row["baseline_m"])
    assert row_digest({**row, "gap_s": 0.0}) != row_digest({**row, "gap_s": -0.0})


def test_columns_cannot_run_into_each_other() -> None:
    row = sample_row()
    assert row_digest({**row, "source": "ab", "licence": "c"}) != row_digest({**row, "source": "a", "licence": "bc"})
    assert row_digest({**row, "up_b": None}) != row_digest({**row, "up_b": [0.0, 0.0, 0.0]})


def test_a_digest_of_rows_takes_no_notice_of_their_order() -> None:
    digests = [row_digest(row) for row in rows_of("r", 5)]
    assert rows_digest(digests) == rows_digest(digests[::-1])
    assert rows_digest(digests) != rows_digest(digests[:4])
    assert rows_digest([*digests, digests[0]]) != rows_digest(digests)
