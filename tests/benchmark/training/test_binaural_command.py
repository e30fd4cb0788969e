"""`avbench binaural`, from simulated rooms to its report."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accelerate import Accelerator
from click.testing import CliRunner, Result

pytest.importorskip("numba", reason="the simulator needs the extra avbench[simulate]")

from audio_scenes import ARIA_MICS_M, Room, clip_of, plane_wave, rotation_world_camera, voice_like
from avbench.benchmark.audio.grid import unit_direction
from avbench.benchmark.cli.binaural import binaural
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.models.learned.binaural_pretraining import (
    BinauralConfig,
    BinauralNetwork,
    ear_samples,
    load_network,
)
from avbench.benchmark.models.learned.bundle import BackboneKind, Bundle, save_bundle
from avbench.benchmark.training import loop
from avbench.benchmark.training.config import STANDARD
from avbench.benchmark.training.data.labelled_ears import LabelledEars, labelled_ears, strongest_source_azimuth_deg
from avbench.benchmark.training.loop import Schedule, run_stage
from avbench.benchmark.training.stages.binaural_stage import BinauralStage
from avbench.benchmark.training.stages.encoders import seeded
from avbench.benchmark.training.study import binaural_study
from avbench.benchmark.training.study.binaural_evaluation import HeldOutSplit, frame_embeddings, judge_split
from avbench.benchmark.training.study.binaural_report import JSON_NAME, PICTURE_NAME
from avbench.benchmark.training.study.binaural_study import WEIGHTS_NAME, StudyRequest, study_binaural
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.simulate.scene.scene import SignalKind, Source
from avbench.preprocessing.simulate.scene.world import RecordingSettings, World, make_world
from avbench.preprocessing.simulate.write import SCENE_SUFFIX, SIMULATOR_VERSION
from prepared_data import write_dataset
from training_data import RATE_HZ, clip_bytes, level_direction, training_row, without_sound

TINY = BinauralConfig(duration_s=0.25, width=8, n_fft=256, hop=128, levels=3)
QUICK = Schedule(epochs=5, batch_size=8, learning_rate=2e-3, weight_decay=1e-2)
TIMES_NS = (500_000_000, 1_500_000_000)
PAIRS = {"train": 48, "val": 6, "test": 24}
ROOMS = {"train": 16, "val": 3, "test": 12}


def settings(split: str, index: int) -> RecordingSettings:
    return RecordingSettings(4, split, index, duration_s=3.0, width_px=64, height_px=48)


def simulated_row(world: World, number: int, **changed: Any) -> dict[str, Any]:
    """A pair of a simulated room; the sound is that of a noise in free field where its strongest source is."""
    name = world.settings.name
    random = np.random.default_rng([number, *name.encode()])
    sounds = {
        f"audio_{view}": {
            "bytes": clip_bytes(level_direction(strongest_source_azimuth_deg(world, time_ns)), random),
            "path": None,
        }
        for view, time_ns in zip("ab", TIMES_NS, strict=True)
    }
    # The room's camera is level, its time that of the sound.
    level = {"up_a": [0.0, -1.0, 0.0], "up_b": [0.0, -1.0, 0.0]}
    times = {"time_a_ns": TIMES_NS[0], "time_b_ns": TIMES_NS[1]}
    # The room of a recording is found by its name.
    return training_row(number, name, **{"recording_id": name, **sounds, **level, **times, **changed})


def simulated_data(folder: Path, rooms: dict[str, int], pairs: dict[str, int] = PAIRS) -> tuple[Path, Path]:
    """A data set and the folder of its recordings, of which only the rooms are there."""
    splits: dict[str, list[dict[str, Any]]] = {}
    (folder / "recordings").mkdir(parents=True)
    for split, count in rooms.items():
        for index in range(count):
            world = make_world(settings(split, index))
            content = {"simulator_version": SIMULATOR_VERSION, "settings": asdict(world.settings)}
            path = folder / "recordings" / f"{world.settings.name}{SCENE_SUFFIX}"
            path.write_text(json.dumps(content), encoding="utf-8")
            rows = [simulated_row(world, number) for number in range(pairs[split] // count)]
            splits.setdefault(split, []).extend(rows)
    return write_dataset(folder / "data", splits), folder / "recordings"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return simulated_data(tmp_path_factory.mktemp("simulated"), ROOMS)


def run(simulated: tuple[Path, Path], out: Path, *arguments: object) -> Result:
    data, recordings = simulated
    words = [data, "--recordings", recordings, "-o", out, "--device", "cpu", "--width", "4", "--epochs", "2"]
    return CliRunner().invoke(binaural, [str(word) for word in [*words, *arguments]], catch_exceptions=False)


@pytest.fixture(scope="module")
def trained(simulated: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder of a run with two held-out splits, and what it printed."""
    out = tmp_path_factory.mktemp("trained")
    result = run(simulated, out, "--split", "test", "--split", "val")
    assert result.exit_code == 0, result.output
    return out, result.stdout


def test_it_reports_what_two_ears_have_over_one(trained: tuple[Path, str]) -> None:
    out, text = trained
    found = json.loads((out / JSON_NAME).read_text())
    assert found["origin"] == "simulated"
    assert found["train"] == {"pairs": 48, "rooms": 16}
    assert list(found["splits"]) == ["test", "val"]
    test = found["splits"]["test"]
    assert (test["pairs"], test["rooms"]) == (24, 12)
    own, other, both = test["difference"].values()
    below = {name: one["below_no_difference_percent"] for name, one in test["difference"].items()}
    # In free field the own transfer tells nearly all; a network of two epochs must not lose it.
    assert below["own view"]["low"] > 30.0
    assert own["no_difference_l1"] == other["no_difference_l1"] == both["no_difference_l1"]
    assert both["l1"]["value"] == pytest.approx((own["l1"]["value"] + other["l1"]["value"]) / 2)
    for one in (own, other, both):
        share = 100 * (1 - one["l1"]["value"] / one["no_difference_l1"]["value"])
        assert one["below_no_difference_percent"]["value"] == pytest.approx(share)
        low, high = (one["below_no_difference_percent"][end] for end in ("low", "high"))
        assert low < share < high
    probe = test["azimuth_probe"]["distinguished"]
    medians = [probe[f"{name}_median_error_deg"]["value"] for name in ("binaural", "monaural")]
    assert probe["below_monaural_percent"]["value"] == pytest.approx(100 * (1 - medians[0] / medians[1]))
    assert medians[0] < 0.8 * medians[1]
    assert 60.0 < medians[1] < 120.0  # 90 is chance
    folded = test["azimuth_probe"]["as one"]
    assert folded["binaural_median_error_deg"]["value"] < medians[0]
    sectors = test["azimuth_probe_by_sector"]
    assert sum(one["frames"] for one in sectors) == 2 * 24
    assert all(-180 < one["centre_deg"] < 180 and one["frames"] > 0 for one in sectors)
    for name in ("binaural", "monaural"):
        assert [one["epoch"] for one in found["epochs"][name]] == [1, 2]
    assert (out / PICTURE_NAME).read_bytes().startswith(b"\x89PNG")
    assert re.search(rf"test +own view .* {below['own view']['value']:.2f} \[", text)
    assert "simulated; 48 training pairs of 16 rooms" in text
    assert f"written: {out / JSON_NAME}" in text


def test_few_rooms_have_no_interval_and_a_split_that_chose_is_named(trained: tuple[Path, str]) -> None:
    out, text = trained
    val = json.loads((out / JSON_NAME).read_text())["splits"]["val"]
    gain = val["difference"]["own view"]["below_no_difference_percent"]
    assert (gain["low"], gain["high"], gain["rooms"]) == (None, None, 3)
    assert "fewer than 10 effective groups: no interval (3 groups)" in text
    assert "note: val: its rooms chose the epoch" in text


def test_a_finished_run_trains_nothing_again(
    simulated: tuple[Path, Path], trained: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, text = trained

    def refuse(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(loop, "_train", refuse)
    before = (out / JSON_NAME).read_bytes()
    assert run(simulated, out, "--split", "test", "--split", "val").stdout == text
    assert (out / JSON_NAME).read_bytes() == before
    with pytest.raises(AssertionError, match="trained again"):
        run(simulated, out, "--seed", "1")


def test_a_killed_run_goes_on_to_the_same_result(
    simulated: tuple[Path, Path], trained: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate = BinauralStage.validate
    calls: list[str] = []

    def killed(stage: BinauralStage, device: Any) -> Any:
        calls.append(stage.name)
        if calls.count("monaural") == 2:
            raise KeyboardInterrupt
        return validate(stage, device)

    monkeypatch.setattr(BinauralStage, "validate", killed)
    arguments = ("--split", "test", "--split", "val")
    with pytest.raises(KeyboardInterrupt):
        study_binaural(_request(simulated, tmp_path))
    assert calls == ["binaural", "binaural", "monaural", "monaural"]
    assert not (tmp_path / JSON_NAME).exists()
    monkeypatch.setattr(BinauralStage, "validate", lambda stage, device: calls.append("on") or validate(stage, device))
    result = run(simulated, tmp_path, *arguments)
    assert result.exit_code == 0, result.output
    assert calls[4:] == ["on"]  # the second epoch of the second network was all that was missing
    assert (tmp_path / JSON_NAME).read_bytes() == (trained[0] / JSON_NAME).read_bytes()


def _request(simulated: tuple[Path, Path], out: Path, **changed: Any) -> StudyRequest:
    made = StudyRequest(*simulated, out, splits=("test", "val"), epochs=2, width=4, cpu=True)
    return replace(made, **changed)


def test_trained_weights_are_judged_and_only_their_control_is_trained(
    simulated: tuple[Path, Path], trained: tuple[Path, str], tmp_path: Path
) -> None:
    network = load_network(trained[0] / WEIGHTS_NAME)
    dataset = open_dataset(simulated[0])
    config = asdict(replace(STANDARD, binaural=replace(STANDARD.binaural, most_pairs=40)))
    config["binaural"]["schedule"]["epochs"] = 2
    facts = {"data": dataset.fingerprint, "config": config, "pairs": {"encoders": 45}}
    save_bundle(tmp_path / "bundle", Bundle(BackboneKind.TINY, binaural=network, facts=facts))
    request = _request(
        simulated, tmp_path / "out", splits=("test",), epochs=None, width=None, weights=tmp_path / "bundle"
    )
    study = study_binaural(request)
    assert list(study.histories) == ["monaural"]
    assert len(study.histories["monaural"]) == 2
    assert study.pairs == 40
    assert study.settings["network"]["width"] == 4
    assert not (tmp_path / "out" / WEIGHTS_NAME).exists()
    stored = json.loads((trained[0] / JSON_NAME).read_text())["splits"]["test"]["difference"]["own view"]
    assert study.splits[0].own_view.l1.value == pytest.approx(stored["l1"]["value"])
    assert study.notes == ()
    save_bundle(tmp_path / "bundle", Bundle(BackboneKind.TINY, binaural=network, facts={**facts, "data": "another"}))
    assert "was trained on another data set" in " ".join(binaural_study._plan(request).notes(dataset))
    # The file of a network says nothing of its training.
    alone = replace(request, weights=trained[0] / WEIGHTS_NAME, epochs=1, out=tmp_path / "alone")
    study = study_binaural(alone)
    assert study.pairs == 48
    assert any("does not say what it was trained on" in note for note in study.notes)


def test_weights_that_do_not_fit_are_refused(
    simulated: tuple[Path, Path], trained: tuple[Path, str], tmp_path: Path
) -> None:
    save_bundle(tmp_path / "deaf", Bundle(BackboneKind.TINY))
    for changed, message in (
        ({"weights": trained[0] / WEIGHTS_NAME, "width": 8}, r"width 8: found a network of width 4"),
        ({"weights": tmp_path / "deaf"}, "found a bundle without a binaural network"),
        ({"weights": tmp_path / "nowhere"}, r"found no bundle\.json"),
    ):
        with pytest.raises(InputError, match=message):
            study_binaural(_request(simulated, tmp_path / "out", **changed))
    assert not (tmp_path / "out").exists()


def test_without_val_rooms_of_train_choose_the_epoch(tmp_path: Path) -> None:
    simulated = simulated_data(tmp_path, {"train": 20, "test": 2}, {"train": 40, "test": 2})
    study = study_binaural(_request(simulated, tmp_path / "out", splits=("test",), epochs=1))
    assert (study.pairs, study.rooms) == (36, 18)
    assert "there is no val: 2 rooms of train choose the epoch instead" in study.notes


def test_wrong_input_is_said_in_one_line(simulated: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="found no split 'later', expected test or train or val"):
        study_binaural(_request(simulated, out, splits=("later",)))
    with pytest.raises(InputError, match="found room main_train_00000 both in train and held out"):
        study_binaural(_request(simulated, out, splits=("train",)))
    with pytest.raises(InputError, match=r"scene\.json: found no such file, expected a simulated room"):
        study_binaural(replace(_request(simulated, out), recordings=tmp_path))
    with pytest.raises(InputError, match="found 4 pairs of 4 rooms, expected at least 5 pairs of 2 rooms"):
        study_binaural(_request(simulated, out, pairs=4))
    with pytest.raises(InputError, match="found 20 training pairs, expected at least one batch of 32"):
        study_binaural(_request(simulated, out, pairs=20))
    assert "--width" in CliRunner().invoke(binaural, ["d", "--recordings", "r", "-o", "o", "--width", "6"]).output
    assert not (out / JSON_NAME).exists()


def test_clips_without_two_ears_are_left_out(tmp_path: Path) -> None:
    world = make_world(settings("test", 0))
    rows = [simulated_row(world, number) for number in range(3)]
    rows[1] = without_sound(rows[1])
    _, recordings = simulated_data(tmp_path, {"test": 1})
    dataset = open_dataset(write_dataset(tmp_path / "some", {"test": rows}))
    config = BinauralConfig(duration_s=0.25)
    seen: list[tuple[int, int]] = []
    ears = labelled_ears(dataset, "test", recordings, config, 10, lambda done, count: seen.append((done, count)))
    assert ears.pair_ids == (rows[0]["pair_id"], rows[2]["pair_id"])
    assert ears.ears_a.shape == ears.ears_b.shape == (2, 2, 2000)
    assert ears.ears.all()
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert ears.azimuth_a_deg.tolist() == [strongest_source_azimuth_deg(world, TIMES_NS[0])] * 2
    assert len(labelled_ears(dataset, "test", recordings, config, 2)) == 2  # the first and the last
    silent = open_dataset(write_dataset(tmp_path / "silent", {"test": rows[1:2]}))
    with pytest.raises(InputError, match="split test: found no left and right ear in any of 1 pairs"):
        labelled_ears(silent, "test", recordings, config, 10)


@pytest.mark.parametrize("azimuth_deg", [0.0, 30.0, 90.0, -45.0, 179.0])
def test_the_strongest_source_is_found_where_it_was_put(azimuth_deg: float) -> None:
    world = make_world(settings("test", 1))
    T = world.motion.poses(1.0)
    # Level axes by hand: the world's z is up, ahead is where the camera looks, right of it is clockwise from above.
    ahead = np.array([T[0, 2], T[1, 2], 0.0]) / math.hypot(T[0, 2], T[1, 2])
    right = np.array([ahead[1], -ahead[0], 0.0])

    def source(azimuth_deg: float, distance_m: float, height_m: float, level_db: float) -> Source:
        angle = math.radians(azimuth_deg)
        place = T[:3, 3] + distance_m * (math.cos(angle) * ahead + math.sin(angle) * right)
        x, y, z = (place + np.array([0.0, 0.0, height_m])).tolist()
        return Source(SignalKind.SPEECH, level_db, (x, y, z))

    near = source(azimuth_deg, 1.0, 0.7, 0.0)

    def heard(*sources: Source) -> float:
        return strongest_source_azimuth_deg(replace(world, scene=replace(world.scene, sources=sources)), 10**9)

    assert heard(near) == pytest.approx(azimuth_deg, abs=1e-6)
    # Four times as far away is 12 dB less.
    assert heard(source(-120.0, 4.9, 0.0, 11.0), near) == pytest.approx(azimuth_deg, abs=1e-6)
    assert heard(source(-120.0, 4.9, 0.0, 13.0), near) == pytest.approx(-120.0, abs=1e-6)


def free_field(seed: int, count: int, config: BinauralConfig) -> LabelledEars:
    """One source in free field; the head turns between the frames."""
    rng = np.random.default_rng(seed)
    azimuths = rng.uniform(-180.0, 180.0, count)
    turned = azimuths - rng.normal(0.0, 28.0, count)
    frames = [np.stack([_ears(azimuth, rng, config) for azimuth in frame]) for frame in (azimuths, turned)]
    return _labelled(seed, frames, azimuths, turned)


def _ears(azimuth_deg: float, rng: np.random.Generator, config: BinauralConfig) -> np.ndarray:
    direction = unit_direction(azimuth_deg, rng.uniform(-15, 15))
    seed = int(rng.integers(2**31))
    sound = plane_wave(direction, ARIA_MICS_M, seed=seed, duration_s=config.duration_s, noise=0.1)
    ears = ear_samples(clip_of(sound, RATE_HZ, ARIA_MICS_M), config)
    assert ears is not None
    return ears


def _labelled(seed: int, frames: list[np.ndarray], azimuth_a: np.ndarray, azimuth_b: np.ndarray) -> LabelledEars:
    names = tuple(f"{seed}-{index:03d}" for index in range(len(azimuth_a)))
    a, b = (frame.astype(np.float16) for frame in frames)
    return LabelledEars(names, names, a, b, azimuth_a, azimuth_b)


def judged(
    train: LabelledEars, test: LabelledEars, config: BinauralConfig, schedule: Schedule, folder: Path
) -> HeldOutSplit:
    """Train a network and its control on all but a few rooms, which choose the epoch, and judge them."""
    networks: dict[str, BinauralNetwork] = {}
    last = np.arange(len(train)) >= 0.9 * len(train)
    for name in ("binaural", "monaural"):
        shape = replace(config, monaural=name == "monaural")
        networks[name] = seeded(0, partial(BinauralNetwork, shape))
        rows = np.flatnonzero(~last)
        stage = BinauralStage(networks[name], train, rows, train.chosen(last), name=name)
        run_stage(stage, schedule, folder, seed=0, facts={}, accelerator=Accelerator(cpu=True))
    fitted = {name: frame_embeddings(network, train, name) for name, network in networks.items()}
    return judge_split("test", networks, fitted, train, test)


def test_it_learns_where_sounds_are_and_one_ear_does_not(tmp_path: Path) -> None:
    found = judged(free_field(1, 120, TINY), free_field(2, 40, TINY), TINY, QUICK, tmp_path)
    assert found.own_view.gain_percent.low is not None
    assert found.own_view.gain_percent.low > 30.0
    assert found.other_view.gain_percent.value > 0.0  # the harder half
    assert found.azimuth.gain_percent.low is not None
    assert found.azimuth.gain_percent.low > 20.0
    # What is ahead and what is behind sounds the same here: folded, a few degrees remain.
    assert found.folded_azimuth.binaural_deg.value < 20.0 < found.folded_azimuth.monaural_deg.value


def test_the_control_hears_the_same_pairs_in_the_same_order() -> None:
    ears = free_field(1, 4, TINY)
    first, second = (
        BinauralStage(BinauralNetwork(replace(TINY, monaural=one)), ears, np.arange(4), ears, name=str(one))
        for one in (False, True)
    )
    assert first.stream == second.stream
    assert first.name != second.name


@pytest.mark.slow
def test_pretraining_in_rooms_rendered_by_pyroomacoustics(tmp_path: Path) -> None:
    """Held-out rooms: the difference and the azimuth probe keep the margins that the features are meant to have."""
    config = BinauralConfig(duration_s=0.5, width=8)

    def rooms(seed: int, count: int) -> LabelledEars:
        rng = np.random.default_rng(seed)
        frames: list[list[np.ndarray]] = [[], []]
        azimuths: list[list[float]] = [[], []]
        for index in range(count):
            room = Room(rng, rt60_s=0.3)
            yaw = rng.uniform(-180.0, 180.0)
            for frame, heading in enumerate((yaw, yaw + rng.normal(0.0, 28.0))):
                sound = room.record(
                    voice_like(rng, 16000, 16000), ARIA_MICS_M, rotation_world_camera(heading), 20.0, index
                )
                ears = ear_samples(clip_of(sound, 16000, ARIA_MICS_M), config)
                assert ears is not None
                frames[frame].append(ears)
                azimuths[frame].append(room.azimuth_deg(heading))
        return _labelled(seed, [np.stack(frame) for frame in frames], *(np.array(one) for one in azimuths))

    schedule = Schedule(epochs=8, batch_size=16, learning_rate=1e-3, weight_decay=1e-2)
    found = judged(rooms(1, 300), rooms(2, 100), config, schedule, tmp_path)
    print(found.own_view.gain_percent, found.other_view.gain_percent, found.azimuth)
    assert found.own_view.gain_percent.value >= 10.0
    # The transfer of another view is another one: little can be known of it, but it must do no harm.
    assert found.other_view.gain_percent.value > 0.0
    assert found.azimuth.gain_percent.value >= 20.0
