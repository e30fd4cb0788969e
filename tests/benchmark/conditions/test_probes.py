"""Listening probes: what each does to the sound, whose sound is heard, and what reliance and harm come to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from avbench.benchmark.audio.ambisonic import camera_components
from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.conditions.corruptions.randomness import Stream
from avbench.benchmark.conditions.probes.probe import KIND, Probe, mirrored, mono, mute, noisy, permuted, plan_probes
from avbench.benchmark.conditions.probes.sound_donors import (
    PairSound,
    other_scene_donors,
    same_scene_donors,
    shifted_donors,
)
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.data.pair import PairInput, SoundClip
from avbench.benchmark.predictions.file import read_predictions
from avbench.preprocessing.base.geometry import axis_rotation
from avbench.preprocessing.format.sound_clip import encode_clip
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind, SampleFormat
from prepared_data import pair_name, pair_row, shuffled, write_dataset

SECOND = 1_000_000_000
MICROPHONES = ("microphones", None, 3, 8000)


def clip(channels: int = 4, kind: ArrayKind = ArrayKind.MICROPHONES, samples: int = 500, seed: int = 0) -> SoundClip:
    random = np.random.default_rng(seed)
    positions = random.normal(0.0, 0.1, (channels, 3)) if kind is ArrayKind.MICROPHONES else None
    sound = random.uniform(-0.3, 0.3, (samples, channels)).astype(np.float32)
    return SoundClip(sound, 8000, 10, samples - 20, kind, positions)


def pair(sound: SoundClip | None, pair_id: str = "p0") -> PairInput:
    black = np.zeros((4, 6, 3), np.uint8)
    other = None if sound is None else replace(sound, samples=sound.samples[::-1].copy())
    return PairInput(pair_id, black, black, np.eye(3), sound, other, None, None)


def test_mute_is_silence_in_the_same_channels():
    own = clip()
    silent = mute(own)
    assert not silent.samples.any()
    assert silent.samples.shape == own.samples.shape
    assert (silent.valid_start, silent.valid_stop) == (10, 480)


def test_mono_is_the_mean_in_every_channel():
    own = clip()
    np.testing.assert_allclose(mono(own).samples, np.tile(own.samples.mean(axis=1)[:, None], 4), atol=1e-7)
    assert len({channel.tobytes() for channel in mono(own).samples.T}) == 1


@pytest.mark.parametrize("channels", [2, 3, 7])
def test_no_channel_stays_where_it_was_and_both_clips_are_exchanged_alike(channels: int):
    orders = set()
    for number in range(30):
        own = pair(clip(channels), f"p{number}")
        found = permuted(own)
        order = [
            int(np.flatnonzero((own.sound_a.samples == column[:, None]).all(axis=0))[0])
            for column in found.sound_a.samples.T
        ]
        assert sorted(order) == list(range(channels))
        assert all(place != came_from for place, came_from in enumerate(order))
        np.testing.assert_array_equal(found.sound_b.samples, own.sound_b.samples[:, order])
        assert permuted(own).sound_a.samples.tobytes() == found.sound_a.samples.tobytes()
        orders.add(tuple(order))
    assert (len(orders) == 1) == (channels == 2)


def test_a_mirrored_array_is_said_to_be_mirrored_and_ears_change_places():
    own = clip()
    found = mirrored(own)
    np.testing.assert_array_equal(found.mic_positions_m, own.mic_positions_m * [-1, 1, 1])
    assert found.samples is own.samples
    ears = clip(2, ArrayKind.BINAURAL)
    np.testing.assert_array_equal(mirrored(ears).samples, ears.samples[:, ::-1])


@pytest.mark.parametrize(
    ("channels", "convention"),
    [*((4, convention) for convention in AmbisonicConvention), (9, AmbisonicConvention.ACN_N3D)],
)
def test_mirrored_ambisonics_is_heard_from_the_other_side(channels: int, convention: AmbisonicConvention):
    own = replace(clip(channels, ArrayKind.AMBISONIC), ambisonic_convention=convention)
    here = camera_components(own.samples.T, convention)
    there = camera_components(mirrored(own).samples.T, convention)
    # Pressure, then camera x (right), y (down), z (forward): only right and left are exchanged.
    np.testing.assert_allclose(there, here * np.array([1, -1, 1, 1])[:, None], atol=1e-7)
    if channels == 9:
        # Second order in ACN order: V, T, R, S, U; V ~ xy and T ~ yz are odd in y, the axis to the left.
        signs = mirrored(own).samples[:, 4:] / own.samples[:, 4:]
        np.testing.assert_array_equal(np.sign(signs[0]), [-1, -1, 1, 1, 1])


@pytest.mark.parametrize("snr_db", [0.0, 10.0])
def test_noise_has_the_power_that_it_should_and_spares_padding(snr_db: float):
    own = replace(clip(samples=20000), samples=clip(samples=20000).samples * np.float32(0.2))
    found = noisy(own, snr_db, Stream.named("test"))
    noise = (found.samples - own.samples)[10:19980].astype(np.float64)
    power = np.mean(np.square(own.samples[10:19980].astype(np.float64)))
    assert 10 * np.log10(power / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.05)
    correlation = np.corrcoef(np.concatenate([noise, own.samples[10:19980]], axis=1).T) - np.eye(8)
    assert np.abs(correlation).max() < 0.03
    np.testing.assert_array_equal(found.samples[:10], own.samples[:10])
    np.testing.assert_array_equal(found.samples[19980:], own.samples[19980:])
    assert noisy(own, snr_db, Stream.named("test")).samples.tobytes() == found.samples.tobytes()
    assert noisy(own, snr_db, Stream.named("another")).samples.tobytes() != found.samples.tobytes()


def test_noise_never_leaves_full_scale_and_silence_stays_silent():
    loud = replace(clip(), samples=np.full((500, 4), 0.99, np.float32))
    found = noisy(loud, 0.0, Stream.named("test")).samples
    assert found.min() >= -1.0
    assert found.max() < 1.0
    assert not noisy(mute(clip()), 0.0, Stream.named("test")).samples.any()


def sound(row: int, recording: str, a_s: float, b_s: float, group: str | None = None, kind=MICROPHONES) -> PairSound:
    return PairSound(
        row, f"p{row}", recording, group or f"place of {recording}", round(a_s * SECOND), round(b_s * SECOND), kind
    )


def test_a_shift_takes_the_clips_of_the_recording_that_are_shifted_alike():
    pairs = [
        sound(0, "r", 10.0, 10.5),
        sound(1, "r", 12.0, 12.5),  # 2 s later, both
        sound(2, "r", 11.0, 14.9),  # 1 s later and 4.4 s later: apart
        sound(3, "other", 12.0, 12.5),
        sound(4, "r", 100.0, 101.0),  # nothing in reach but its own frames, one second apart
        sound(5, "r", 200.0, 200.9),  # too near itself, and nothing else
    ]
    donors = shifted_donors(pairs)
    assert (donors["p0"].clip_a.row, donors["p0"].clip_a.view) == (1, "a")
    assert (donors["p0"].clip_b.row, donors["p0"].clip_b.view) == (1, "b")
    assert donors["p0"].shift_s == (2.0, 2.0)
    # Frame b of one pair and frame a of another are nearer than any pair as a whole.
    assert donors["p1"].shift_s == (-1.5, -1.5)
    assert donors["p2"].shift_s == (-1.0, -2.4)
    # p4 could only exchange its own clips, which is no shift.
    assert set(donors) == {"p0", "p1", "p2"}
    for name, donor in donors.items():
        assert all(1.0 <= abs(shift) <= 5.0 for shift in donor.shift_s), name


def test_another_pair_of_the_scene_is_of_the_same_recording_and_elsewhere_in_time():
    pairs = [sound(i, "r", 2.0 * i, 2.0 * i + 0.5) for i in range(6)]
    pairs += [sound(6, "short", 0.0, 0.4), sound(7, "short", 0.5, 0.9)]
    donors = same_scene_donors(pairs)
    assert {name: donor.clip_a.row for name, donor in donors.items()} == {f"p{i}": (i + 3) % 6 for i in range(6)}
    assert all(donor.clip_a.row == donor.clip_b.row for donor in donors.values())
    # A pair that shares a frame with another must not hear its own sound as that of another.
    assert "p6" not in donors


def test_another_scene_is_another_group_of_the_same_sound_format():
    # Two recordings a group; that which stands opposite a recording is of the same group.
    pairs = [sound(i, f"r{i % 4}", float(i), i + 0.5, group=f"g{i % 2}") for i in range(8)]
    pairs.append(sound(8, "r8", 0.0, 0.5, group="binaural", kind=("binaural", 2, 8000)))
    donors = other_scene_donors(pairs)
    assert set(donors) == {f"p{i}" for i in range(8)}
    groups = {one.row: one.group_id for one in pairs}
    assert all(groups[donor.clip_a.row] != groups[int(name[1:])] for name, donor in donors.items())
    assert other_scene_donors(pairs[:1] + pairs[4:5]) == {}


def test_donors_do_not_depend_on_the_order_of_the_pairs():
    random = np.random.default_rng(3)
    times = random.uniform(0.0, 30.0, 60)
    pairs = [sound(i, f"r{i % 3}", time, time + 0.7) for i, time in enumerate(times)]
    shuffled = [pairs[i] for i in random.permutation(60)]
    for donors in (shifted_donors, same_scene_donors, other_scene_donors):
        assert donors(pairs) == donors(shuffled)


# Its sound alone tells the turn: the level of clip b against clip a is the angle. It believes whatever it hears.
LISTENER = """
import numpy as np
from avbench.benchmark.data.pair import PosePrediction
def turn(angle):
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return PosePrediction(np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.array([0.0, 0.0, 1.0]))
class Listener:
    modalities = ("audio",)
    def predict(self, pairs): return [self.one(pair) for pair in pairs]
    def one(self, pair):
        if pair.sound_a is None or pair.sound_b is None: return turn(0.0)
        level_a, level_b = (float(np.std(clip.samples.astype(float))) for clip in (pair.sound_a, pair.sound_b))
        return turn(10.0 * np.log2(level_b / level_a)) if min(level_a, level_b) > 0 else turn(0.0)
class Deaf:
    modalities = ("audio", "vision")
    def predict(self, pairs): return [turn(pair.image_a.mean() / 10 + np.random.uniform()) for pair in pairs]
class Looker:
    modalities = ("vision",)
    def predict(self, pairs):
        assert all(pair.sound_a is None for pair in pairs)
        return [turn(pair.image_a.mean() / 10) for pair in pairs]
class FailsOnSilence(Listener):
    def one(self, pair):
        if not pair.sound_a.samples.any(): raise ValueError("nothing to hear")
        return super().one(pair)
"""


MUTE_PAIR = 5
MUTE_NAME = "rec-1:2000000000-2500000000"


def tone(level: float, samples: int = 400) -> dict:
    wave = np.sin(0.3 * np.arange(samples))[:, None] * [1.0, 0.9, 0.8]
    return {"bytes": encode_clip((wave * level * 20000).astype(np.int16), 8000, SampleFormat.INT16), "path": None}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    rows = []
    for number in range(96):
        angle, loudness = float(random.uniform(-20.0, 20.0)), 0.1 + 0.0015 * (number * 29 % 96)
        recording, take = divmod(number, 4)
        start_ns = 2 * take * SECOND
        rows.append(
            pair_row(
                f"rec-{recording}:{start_ns}-{start_ns + SECOND // 2}",
                axis_rotation("y", angle),
                group_id=f"place-{recording % 12}",
                audio_a=tone(loudness),
                audio_b=tone(loudness * 2.0 ** (angle / 10.0)),
                audio_valid_start_b=number % 7,
            )
        )
    rows[MUTE_PAIR] |= {"audio_b": None, "audio_valid_start_b": None, "audio_valid_stop_b": None}
    return write_dataset(tmp_path_factory.mktemp("probes") / "data", {"test": shuffled(rows)}, rows_per_group=5)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "listeners.py"
    path.write_text(LISTENER)
    return path


def probe(data: Path, model: str, out: Path, *options: str):
    arguments = [str(data), "--model", model, "-o", str(out), "--probes", *options]
    result = CliRunner().invoke(evaluate, arguments)
    assert result.exit_code == 0, result.output
    return json.loads((out / "probes.json").read_text()), result.stdout


def all_numbers(losses: dict) -> set[float]:
    return {found[key] for found in losses.values() for key in ("value", "low", "high")}


def test_a_model_of_sound_relies_on_it_and_is_harmed_by_lies(data: Path, models: Path, tmp_path: Path):
    report, printed = probe(data, f"{models}:Listener", tmp_path / "r")
    by_name = {found["probe"]: found for found in report["probes"]}
    assert list(by_name) == [str(name) for name in Probe]
    assert report["listens"]
    assert report["predictions_sha256"] == read_predictions(tmp_path / "r" / "predictions.parquet").content_sha256()
    # In silence it says 0 degrees: it loses the mean size of the true turns, what it answered rightly before.
    labels = open_dataset(data).labels("test")
    heard = [label for label in labels if label.pair_id != MUTE_NAME]
    sizes = [abs(np.degrees(np.arctan2(label.rotation_a_b[0, 2], label.rotation_a_b[0, 0]))) for label in heard]
    reliance = report["reliance"]["rotation.mean_deg"]
    assert reliance["value"] == pytest.approx(np.mean(sizes), abs=0.02)
    assert 0.0 < reliance["low"] < reliance["value"] < reliance["high"]
    assert reliance["pairs"] == 95
    assert reliance["groups"] == 12  # of two recordings each
    # AUC: lost, so positive too.
    assert report["reliance"]["total.auc@20"]["value"] > 0.0
    # Two independent turns differ by more than one does from none.
    assert by_name["same_scene"]["harm"]["rotation.mean_deg"]["low"] > 0.0
    assert {by_name[name]["pairs"] for name in ("mute", "time_shift", "other_scene")} == {95}
    assert by_name["mirrored"]["loss"]["rotation.mean_deg"]["value"] == 0.0
    assert by_name["noise_0db"]["loss"]["rotation.mean_deg"]["value"] < reliance["value"]
    assert report["worst_lie"]["probe"] in ("time_shift", "same_scene", "other_scene")
    assert report["worst_lie"]["harm"]["rotation.mean_deg"]["low"] > 0.0
    assert by_name["mono"]["harm"] is None
    assert by_name["mute"]["left_out"] == 1
    assert "mute: 1 pairs without sound are left out" in printed
    assert "audio reliance (mute - clean), mean rotation: +" in printed
    assert "few effective groups: the interval is likely too short (12 groups)" in printed


def test_the_numbers_are_those_of_the_predictions(data: Path, models: Path, tmp_path: Path):
    from avbench.benchmark.predictions.file import read_predictions

    out = tmp_path / "r"
    report, _ = probe(data, f"{models}:Listener", out)
    found = read_predictions(out / "predictions.parquet")
    truth = {label.pair_id: label.rotation_a_b for label in open_dataset(data).labels("test")}

    def mean_error(condition: str) -> float:
        rows = [row for name, row in found.rows_of(condition).items() if name != MUTE_NAME]
        turns = [truth[found.pair_id[row]].T @ found.rotation_a_b[row] for row in rows]
        return float(np.mean([np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))) for turn in turns]))

    by_name = {entry["probe"]: entry for entry in report["probes"]}
    lie = by_name["other_scene"]
    value = mean_error("probe-other_scene") - mean_error("clean")
    assert lie["loss"]["rotation.mean_deg"]["value"] == pytest.approx(value, abs=1e-6)
    value = mean_error("probe-other_scene") - mean_error("probe-mute")
    assert lie["harm"]["rotation.mean_deg"]["value"] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("name", ["Deaf", "Looker"])
def test_a_model_that_ignores_sound_has_a_reliance_of_exactly_zero(data: Path, models: Path, tmp_path: Path, name: str):
    report, printed = probe(data, f"{models}:{name}", tmp_path / "r")
    assert report["listens"] == (name == "Deaf")
    # Nothing differs on any pair, so there is no spread to make an interval of.
    assert all_numbers(report["reliance"]) == {0.0, None}
    for found in report["probes"]:
        assert all_numbers(found["loss"]) == {0.0, None}
        assert found["harm"] is None or all_numbers(found["harm"]) == {0.0, None}
    assert "audio reliance (mute - clean), mean rotation: +0.00" in printed
    assert ("does not look at sound and was given none" in printed) == (name == "Looker")


def test_a_shard_is_opened_once_for_each_thing_that_is_read_of_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened = []

    class Counted(pq.ParquetFile):
        def __init__(self, source: Any, **options: Any) -> None:
            opened.append(Path(source).name)
            super().__init__(source, **options)

    monkeypatch.setattr(pq, "ParquetFile", Counted)
    probe(data, "identity", tmp_path / "r", "--no-report")
    # To count its pairs, to plan the probes, to find its row groups, to ask for answers, to look for labels, to read
    # them. What a probe lets be heard is read by row groups, and this model hears nothing.
    assert opened.count("test-00000-of-00001.parquet") <= 6


def test_failures_under_a_probe_are_counted(data: Path, models: Path, tmp_path: Path):
    report, _ = probe(data, f"{models}:FailsOnSilence", tmp_path / "r")
    assert {found["probe"]: found["failed"] for found in report["probes"]} == {
        str(name): 95 if name is Probe.MUTE else 0 for name in Probe
    }


def test_probes_and_a_suite_run_together_and_probes_stay_out_of_its_table(data: Path, models: Path, tmp_path: Path):
    suite = tmp_path / "dark.toml"
    suite.write_text('[[conditions]]\ncorruption = "low_light"\nseverities = [4]\n')
    out = tmp_path / "r"
    _, printed = probe(data, f"{models}:Looker", out, "--suite", str(suite), "--limit", "9")
    scores = json.loads((out / "score.json").read_text())["scores"]
    names = [score["condition"] for score in scores]
    assert names == ["clean", "low_light-4", *(f"probe-{name}" for name in Probe)]
    assert "low_light-4" in printed
    assert "probe-" not in printed


def test_probed_sound_is_the_donors_and_pictures_stay(data: Path):
    dataset = open_dataset(data)
    plans = {plan.probe: plan for plan in plan_probes(dataset, "test")}
    assert list(plans) == list(Probe) == list(KIND)
    pairs = {found.pair_id: found for found in dataset.inputs("test")}
    by_clip = {
        clip.samples.tobytes(): (name, view)
        for name, found in pairs.items()
        for view, clip in (("a", found.sound_a), ("b", found.sound_b))
        if clip is not None
    }
    columns = dataset.table("test", ("pair_id", "recording_id", "group_id")).to_pylist()
    recording_of = {row["pair_id"]: row["recording_id"] for row in columns}
    place_of = {row["pair_id"]: row["group_id"] for row in columns}
    for kind in (Probe.TIME_SHIFT, Probe.SAME_SCENE, Probe.OTHER_SCENE):
        for name in plans[kind].pair_ids:
            found = plans[kind].condition.apply(pairs[name])
            assert found.image_a is pairs[name].image_a
            assert found.sound_b.mic_positions_m is pairs[name].sound_b.mic_positions_m
            donor, view = by_clip[found.sound_b.samples.tobytes()]
            own = pairs[donor].sound_a if view == "a" else pairs[donor].sound_b
            assert (found.sound_b.valid_start, found.sound_b.valid_stop) == (own.valid_start, own.valid_stop)
            assert donor != name
            assert (recording_of[donor] == recording_of[name]) == (kind is not Probe.OTHER_SCENE)
            assert (place_of[donor] == place_of[name]) == (kind is not Probe.OTHER_SCENE)
            if kind is not Probe.TIME_SHIFT:
                assert view == "b"
                assert by_clip[found.sound_a.samples.tobytes()] == (donor, "a")
            assert not found.sound_b.samples.flags.writeable
    assert MUTE_NAME not in plans[Probe.MUTE].pair_ids
    assert plans[Probe.TIME_SHIFT].median_shift_s == pytest.approx(2.0)


def test_every_clip_has_noise_of_its_own_and_the_same_at_every_level(data: Path):
    plans = {plan.probe: plan for plan in plan_probes(open_dataset(data), "test")}
    own = clip()
    heard = {}
    for kind in (Probe.NOISE_0_DB, Probe.NOISE_10_DB):
        for name in ("p0", "p1"):
            found = plans[kind].condition.apply(replace(pair(own, name), sound_b=own))
            for view, one in (("a", found.sound_a), ("b", found.sound_b)):
                heard[kind, name, view] = (one.samples - own.samples)[10:480].ravel()
    correlation = np.corrcoef(list(heard.values()))
    same = np.array([[one[1:] == other[1:] for other in heard] for one in heard])
    assert (correlation[same] > 0.99).all()
    assert (np.abs(correlation[~same]) < 0.1).all()


def test_a_data_set_without_sound_has_nothing_to_probe(models: Path, tmp_path: Path):
    format_columns = ("audio_a", "audio_b", "audio_sample_rate_hz", "audio_channels", "array_kind", "mic_positions_m")
    valid_columns = (f"audio_valid_{end}_{view}" for end in ("start", "stop") for view in "ab")
    silent = dict.fromkeys((*format_columns, *valid_columns))
    rows = [pair_row(pair_name(i), **silent) for i in range(3)]
    data = write_dataset(tmp_path / "data", {"test": rows})
    report, printed = probe(data, f"{models}:Listener", tmp_path / "r")
    assert report["reliance"] == {}
    assert report["worst_lie"] is None
    assert "mute: 3 pairs without sound are left out" in printed
