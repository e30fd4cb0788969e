"""Settings, division, depths, arrays: what training stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.benchmark.cli import train as train_command
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.models.backbones.tiny import TinyConfig
from avbench.benchmark.models.learned.binaural_pretraining import BinauralConfig, ear_samples
from avbench.benchmark.models.learned.inputs import picture_row, sound_row, up_row
from avbench.benchmark.training.config import (
    PRESETS,
    STANDARD,
    HeadName,
    ModelName,
    TrainConfig,
    parse_model,
    read_config,
)
from avbench.benchmark.training.data.depths import cell_lookup, depths_sha256, read_depths
from avbench.benchmark.training.data.division import divide
from avbench.benchmark.training.data.pair_arrays import PairArrays, UpUse, pair_arrays
from avbench.benchmark.training.precision import Precision
from avbench.preprocessing.base.errors import InputError
from training_data import training_data

EARS = BinauralConfig(sample_rate_hz=8000, duration_s=0.25)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training_data(tmp_path_factory.mktemp("parts") / "data", groups=3, pairs=3, validation=1)


def read(tmp_path: Path, text: str, base: TrainConfig = STANDARD) -> TrainConfig:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return read_config(path, base)


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        'seed = 4\nheads = ["fusion", "vision"]\n[vision]\nschedule.epochs = 3\nschedule.learning_rate = 1\n'
        "[vision.network]\nchannels = [8, 16, 24]\n[sound.encoder]\nuse_embedding = false\n[head]\nseeds = [0, 1]\n"
        '[sound.schedule]\nprecision = "float32"\n',
    )
    assert config.seed == 4
    assert config.heads == (HeadName.FUSION, HeadName.VISION)
    assert (config.vision.schedule.epochs, config.vision.schedule.learning_rate) == (3, 1.0)
    assert config.vision.network.channels == (8, 16, 24)
    assert not config.sound.encoder.use_embedding
    assert config.head.seeds == (0, 1)
    assert config.sound.schedule.precision is Precision.FLOAT32
    assert config.binaural == STANDARD.binaural
    assert config.vision.schedule.batch_size == STANDARD.vision.schedule.batch_size
    assert config.with_epochs(1).head.schedule.epochs == config.with_epochs(1).binaural.schedule.epochs == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[vison]\nx = 1", r"vison: found an unknown setting.*did you mean vision\?"),
        ("[vision.schedule]\nepoch = 1", r"vision: schedule: epoch: found an unknown.*did you mean epochs\?"),
        ("seed = true", "seed: found True, expected a whole number"),
        ("seed = -1", "found seed out of range"),
        ("use_up = 1", "use_up: found 1, expected true or false"),
        ("vision = 3", "vision: found 3, expected a table"),
        ('heads = ["fusio"]', "heads: found 'fusio', expected one of vision, fusion"),
        ("heads = 3", "heads: found 3, expected a list"),
        ("[vision.schedule]\nepochs = 0", "found epochs out of range, expected epochs, batch_size"),
        ("[vision.schedule]\nlearning_rate = 'much'", "learning_rate: found 'much', expected a number"),
        ("[vision.network]\nwidth_px = 100", "out of range, expected width_px and height_px must be multiples of 8"),
        ("[vision.network]\nchannels = [8, 8]", "channels must be three multiples of 8"),
        ("[sound.encoder]\nmaps = 4", "maps, azimuths and embedding_dim are those of the features"),
        ("[sound.encoder]\nuse_directions = false\nuse_embedding = false", "the encoder needs use_directions"),
        ("[head]\nseeds = [1, 1]", "seeds must be different"),
        ("[reloc3r]\nwidth_px = 100", "must be multiples of 16"),
        ("[vision", "found no readable TOML"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_config(tmp_path / "none.toml", STANDARD)


def test_models_and_their_heads() -> None:
    assert str(parse_model("fusion-late:reloc3r")) == "fusion-late:reloc3r"
    assert str(parse_model("vision")) == "vision"
    for wrong in ("fusio", "fusion:", "fusion:big", "audio:reloc3r", ""):
        with pytest.raises(InputError, match="nothing that can be trained"):
            parse_model(wrong)
    assert STANDARD.heads_of(ModelName.AUDIO) == ()
    assert STANDARD.heads_of(ModelName.FUSION) == (HeadName.VISION, HeadName.FUSION, HeadName.FUSION_LATE)
    assert HeadName.FUSION_LATE_SHUFFLED.answers == "fusion-late"
    assert tuple(PRESETS) == train_command._PRESETS


@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.floats(0.05, 0.95))
def test_a_division_cuts_no_group_and_leaves_no_side_empty(numbers: list[int], share: float) -> None:
    groups = [f"g{number}" for number in numbers]
    if len(set(groups)) < 2:
        with pytest.raises(InputError, match="found 1 group, expected at least 2"):
            divide(groups, share)
        return
    division = divide(groups, share)
    assert sorted([*division.encoders, *division.heads]) == list(range(len(groups)))
    sides = [{groups[row] for row in rows} for rows in (division.encoders, division.heads)]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
    again = divide(groups[::-1], share)
    assert {groups[::-1][row] for row in again.encoders} == sides[0]


def test_a_division_of_many_groups_has_the_share() -> None:
    division = divide([f"room-{number // 10}" for number in range(2000)], 0.7)
    assert len(division.encoders) == pytest.approx(1400, abs=10)
    with pytest.raises(InputError, match="found 0 groups"):
        divide([], 0.7)


def test_cells_are_looked_up_at_their_centres() -> None:
    config = TinyConfig()  # 12 x 16 cells
    rows, columns = cell_lookup(320, 240, (12, 16), config)
    np.testing.assert_array_equal(rows, np.arange(12))
    np.testing.assert_array_equal(columns, np.arange(16))
    # Cells of a 320x240 picture are 20 px: their centres lie between pixels 9 and 10, 29 and 30, ...
    rows, columns = cell_lookup(320, 240, (240, 320), config)
    np.testing.assert_array_equal(rows, 20 * np.arange(12) + 9)
    np.testing.assert_array_equal(columns, 20 * np.arange(16) + 9)
    # Of a square picture the middle 240 of 320 rows are kept.
    rows, _ = cell_lookup(320, 320, (320, 320), config)
    np.testing.assert_array_equal(rows, 40 + 20 * np.arange(12) + 9)


def test_depths_are_read_in_the_order_that_is_asked_for(data: Path, tmp_path: Path) -> None:
    folder = training_data(tmp_path / "data", groups=2, pairs=2, validation=0)
    dataset = open_dataset(folder)
    config = TinyConfig(width_px=64, height_px=48)
    ids = tuple(dataset.table("train", ("pair_id",)).column("pair_id").to_pylist())
    assert read_depths(dataset, "train", ids, config) is None
    assert depths_sha256(dataset, "train") is None
    (folder / "depths").mkdir()
    path = folder / "depths" / "train.npz"
    depth = np.arange(4 * 48, dtype=np.float16).reshape(4, 6, 8)
    np.savez(path, pair_id=np.array(ids[::-1]), depth_a=depth, depth_b=depth + 1000)
    found = read_depths(dataset, "train", ids, config)
    assert found is not None
    np.testing.assert_array_equal(found.a, depth[::-1])
    np.testing.assert_array_equal(found.b, depth[::-1] + 1000)
    assert depths_sha256(dataset, "train") is not None
    np.savez(path, pair_id=np.array(ids[:-1]), depth_a=depth[:-1], depth_b=depth[:-1])
    with pytest.raises(InputError, match=f"found no depth of 1 pairs, {ids[-1]} among them"):
        read_depths(dataset, "train", ids, config)
    np.savez(path, pair_id=np.array(ids), depth_a=depth, depth_b=depth[:2])
    with pytest.raises(InputError, match=r"found depths of \(4, 6, 8\) and \(2, 6, 8\)"):
        read_depths(dataset, "train", ids, config)
    path.write_bytes(b"PK damaged")
    with pytest.raises(InputError, match=r"train.npz: found unreadable"):
        read_depths(dataset, "train", ids, config)


def arrays(data: Path, cache: Path, **changed: Any) -> PairArrays:
    options: dict[str, Any] = {"pictures": True, "ears": EARS, "up": UpUse()}
    return pair_arrays(data, "train", (64, 48), cache, **{**options, **changed})


def test_arrays_hold_what_models_are_given(data: Path, tmp_path: Path) -> None:
    made = arrays(data, tmp_path)
    assert len(made) == 9
    assert made.groups == tuple(f"train-{group}" for group in range(3) for _ in range(3))
    assert made.image_a.shape == (9, 48, 64, 3)
    assert np.asarray(made.sound).all()
    assert np.asarray(made.ears).all()
    assert made.ears_a.shape == (9, 2, 2000)
    assert np.asarray(made.up_known).all()
    assert made.metric.all()
    assert made.direction.all()
    for row, pair in enumerate(open_dataset(data).inputs("train")):
        assert made.pair_ids[row] == pair.pair_id
        expected = {**picture_row(pair, (64, 48)), **up_row(pair), **sound_row(pair)}
        for view, clip in (("a", pair.sound_a), ("b", pair.sound_b)):
            expected[f"ears_{view}"] = np.float16(ear_samples(clip, EARS))
        for name, value in expected.items():
            np.testing.assert_array_equal(getattr(made, name)[row], np.asarray(value, getattr(made, name).dtype), name)
    for name in ("image", "level", "maps", "spectrum", "ears"):
        assert not np.array_equal(getattr(made, f"{name}_a"), getattr(made, f"{name}_b")), name
    again = arrays(data, tmp_path)
    np.testing.assert_array_equal(again.maps_a, made.maps_a)


def test_what_is_not_asked_for_is_neither_read_nor_stored(data: Path, tmp_path: Path) -> None:
    silent = arrays(data, tmp_path / "vision", ears=None)
    assert not np.asarray(silent.sound).any()
    assert set(silent.keys) == {"up", "pictures"}
    assert not list((tmp_path / "vision").glob("*sound*"))
    blind = arrays(data, tmp_path / "audio", pictures=False)
    assert not np.asarray(blind.image_a).any()
    assert not list((tmp_path / "audio").glob("*pictures*"))
    np.testing.assert_array_equal(arrays(data, tmp_path / "audio").maps_b, blind.maps_b)
    assert len(list((tmp_path / "audio").glob("train-sound-*"))) == 1


def test_up_is_forgotten_in_pictures_and_sound_alike(data: Path, tmp_path: Path) -> None:
    never = arrays(data, tmp_path, up=UpUse(used=False))
    assert not np.asarray(never.up_known).any()
    some = arrays(data, tmp_path, up=UpUse(forgotten_share=0.5))
    known = np.asarray(some.up_known)
    assert 0 < known.sum() < 9
    always = arrays(data, tmp_path)
    np.testing.assert_array_equal(some.maps_a[known], always.maps_a[known])
    np.testing.assert_array_equal(some.maps_a[~known], never.maps_a[~known])
