"""A data set as a Python sequence."""

from pathlib import Path

import numpy as np
import pytest

from avbench.benchmark.api.data import Pairs, load
from avbench.preprocessing.base.errors import InputError
from prepared_data import pair_row, write_dataset

TRAIN, TEST = 7, 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    splits = {
        name: [pair_row(f"{name}:{(3 * number) % count}", translation=(number, 0.0, 1.0)) for number in range(count)]
        for name, count in (("test", TEST), ("train", TRAIN))
    }
    return write_dataset(tmp_path_factory.mktemp("data") / "set", splits, shards=2, rows_per_group=3)


@pytest.fixture(scope="module")
def data(folder: Path) -> Pairs:
    return load(str(folder))


def test_a_string_and_a_path_open_the_same(folder: Path, data: Pairs) -> None:
    assert load(folder).fingerprint == data.fingerprint
    assert data.splits == ("test", "train")
    assert len(data) == TRAIN + TEST
    assert len(data["train"]) == TRAIN
    assert data["train"].splits == ("train",)


def test_an_index_gives_the_pair_and_its_label(data: Pairs) -> None:
    inputs = list(data.dataset.inputs("test"))
    for number in (0, 9, 4, 5, -1):
        pair, label = data["test"][number]
        assert pair.pair_id == label.pair_id == inputs[number].pair_id
        assert np.array_equal(pair.image_b, inputs[number].image_b)
        assert label.translation_a_b_m[0] == range(TEST)[number]


def test_slices_of_slices_keep_their_place(data: Pairs) -> None:
    part = data["test"][2:9][::-2]
    assert [label.translation_a_b_m[0] for _, label in part] == [8, 6, 4, 2]
    assert len(part) == 4
    assert part[1][1].translation_a_b_m[0] == 6
    assert [label.translation_a_b_m[0] for label in part.labels()] == [8, 6, 4, 2]
    assert part.table(["pair_id"])["pair_id"].tolist() == [pair.pair_id for pair, _ in part]


def test_all_pairs_of_all_splits_come_in_order(data: Pairs) -> None:
    names = [pair.pair_id for pair, _ in data]
    assert names == [label.pair_id for split in ("test", "train") for label in data.dataset.labels(split)]
    assert data[TEST][0].pair_id == names[TEST]
    assert [label.pair_id for label in data.labels()] == names


def test_the_table_has_no_pictures_and_no_sound(data: Pairs) -> None:
    frame = data["train"].table()
    assert len(frame) == TRAIN
    assert {"pair_id", "rotation_deg", "group_id"} <= set(frame.columns)
    assert not {"image_a", "audio_b"} & set(frame.columns)


@pytest.mark.parametrize("number", [TEST, -TEST - 1])
def test_there_is_no_pair_beyond_the_last(data: Pairs, number: int) -> None:
    with pytest.raises(IndexError):
        data["test"][number]


def test_wrong_names_and_slices_are_told_in_one_line(data: Pairs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no split 'val'"):
        data["val"]
    with pytest.raises(InputError, match=r'name it, such as data\["train"\]'):
        data[:3]
    with pytest.raises(InputError, match="expected a whole split"):
        data["test"][:4].torch()
    with pytest.raises(InputError, match="modalities: found 'smell', expected some of vision, audio, up"):
        data["test"].torch(modalities=["smell"])
    with pytest.raises(InputError, match="found no such folder"):
        load(tmp_path / "nowhere")


def test_the_torch_loader_of_a_split(data: Pairs) -> None:
    [batch] = data["train"].torch(modalities=["up"])
    assert len(batch["pair_id"]) == TRAIN
    assert "image_a" not in batch
    assert "up_b" in batch
