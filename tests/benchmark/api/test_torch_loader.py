"""The torch loader gives what the reader gives: every pair once, every channel, in a drawn order."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from avbench.benchmark.api.torch_loader import pair_loader
from avbench.benchmark.data.dataset import PairDataset, open_dataset
from avbench.benchmark.data.pair import Modality
from avbench.preprocessing.base.errors import InputError
from prepared_data import pair_row, write_dataset

PAIRS = 22
UP = [0.0, -0.6, 0.8]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PairDataset:
    rows = [pair_row(f"r:{7 * number % PAIRS}", translation=(0.1, 0.2, number)) for number in range(PAIRS)]
    rows[3]["up_b"] = None
    rows[4]["up_b"] = UP
    folder = tmp_path_factory.mktemp("data") / "set"
    return open_dataset(write_dataset(folder, {"train": rows}, shards=2, rows_per_group=3))


def _ids(loader: object) -> list[str]:
    return [name for batch in loader for name in batch["pair_id"]]  # type: ignore[attr-defined]


def test_batches_hold_what_the_reader_gives(dataset: PairDataset) -> None:
    batches = list(pair_loader(dataset, "train", batch_size=8))
    assert [len(batch["pair_id"]) for batch in batches] == [8, 8, 6]
    pairs, labels = list(dataset.inputs("train")), dataset.labels("train")
    for start, batch in zip((0, 8, 16), batches, strict=True):
        for index, pair_id in enumerate(batch["pair_id"]):
            pair, label = pairs[start + index], labels[start + index]
            assert pair_id == pair.pair_id == label.pair_id
            assert pair.sound_a is not None
            assert pair.sound_b is not None
            for view, image, sound, up in (
                ("a", pair.image_a, pair.sound_a, pair.up_a),
                ("b", pair.image_b, pair.sound_b, pair.up_b),
            ):
                assert np.array_equal(batch[f"image_{view}"][index].permute(1, 2, 0), image)
                assert np.array_equal(batch[f"sound_{view}"][index].T, sound.samples)
                assert batch[f"sound_valid_{view}"][index].tolist() == [sound.valid_start, sound.valid_stop]
                expected = np.full(3, np.nan) if up is None else up
                assert np.array_equal(batch[f"up_{view}"][index], expected, equal_nan=True)
            assert np.array_equal(batch["mic_positions_m"][index], pair.sound_a.mic_positions_m)
            assert batch["sample_rate_hz"][index] == pair.sound_a.sample_rate_hz
            assert np.array_equal(batch["intrinsics"][index], pair.intrinsics)
            assert np.array_equal(batch["rotation_a_b"][index], label.rotation_a_b)
            assert np.array_equal(batch["translation_a_b_m"][index], label.translation_a_b_m)
            assert batch["scale"][index] == label.scale


def test_every_epoch_has_every_pair_once_in_another_order(dataset: PairDataset) -> None:
    loader = pair_loader(dataset, "train", batch_size=4, shuffle=True, seed=3)
    first, second = _ids(loader), _ids(loader)
    in_order = [label.pair_id for label in dataset.labels("train")]
    assert sorted(first) == sorted(second) == sorted(in_order)
    assert len({tuple(first), tuple(second), tuple(in_order)}) == 3
    assert len(loader) == 6
    loader.set_epoch(0)
    assert _ids(loader) == first
    assert _ids(pair_loader(dataset, "train", batch_size=4, shuffle=True, seed=4)) != first


def test_neighbours_are_parted(dataset: PairDataset) -> None:
    place = {label.pair_id: number for number, label in enumerate(dataset.labels("train"))}
    places = [place[name] for name in _ids(pair_loader(dataset, "train", batch_size=4, shuffle=True))]
    assert sum(after - before == 1 for before, after in itertools.pairwise(places)) < PAIRS // 3


def test_worker_processes_share_the_pairs(dataset: PairDataset) -> None:
    loader = pair_loader(dataset, "train", batch_size=4, shuffle=True, workers=2)
    names = _ids(loader)
    assert sorted(names) == sorted(label.pair_id for label in dataset.labels("train"))
    labels = {label.pair_id: label for label in dataset.labels("train")}
    for batch in loader:
        for index, name in enumerate(batch["pair_id"]):
            assert np.array_equal(batch["translation_a_b_m"][index], labels[name].translation_a_b_m)


def test_what_is_not_asked_for_is_not_there(dataset: PairDataset) -> None:
    [batch] = pair_loader(dataset, "train", batch_size=PAIRS, modalities=[Modality.VISION], labels=False)
    assert set(batch) == {"pair_id", "intrinsics", "image_a", "image_b"}
    assert [len(b["pair_id"]) for b in pair_loader(dataset, "train", batch_size=8, drop_last=True)] == [8, 8]


def test_pairs_of_different_size_come_as_lists(tmp_path: Path) -> None:
    rows = [pair_row("a:1"), pair_row("a:2", audio_a=None, audio_valid_start_a=None, audio_valid_stop_a=None)]
    [batch] = pair_loader(open_dataset(write_dataset(tmp_path / "set", {"train": rows})), "train")
    assert batch["sound_b"].shape == (2, 3, 400)
    assert batch["sound_a"][1] is None
    assert isinstance(batch["sound_a"][0], torch.Tensor)
    assert batch["sound_a"][0].shape == (3, 400)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "test"}, "found no split 'test'"),
        ({"batch_size": 0}, "batch_size: found 0, expected 1 or more"),
        ({"workers": -1}, "workers: found -1, expected 0 or more"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(dataset: PairDataset, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        pair_loader(dataset, **{"split": "train", **arguments})  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
