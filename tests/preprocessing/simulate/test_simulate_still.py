"""The same pairs heard by a head that stands still: other clips, everything else as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="the simulator needs the extra avbench[simulate]")

from click.testing import CliRunner
from scipy.interpolate import CubicSpline

from avbench.preprocessing.base.atomic import sha256_of
from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.cli.main import cli
from avbench.preprocessing.format.manifest import Manifest, read_manifest
from avbench.preprocessing.format.schema import COLUMNS
from avbench.preprocessing.format.shards import dataset_shards, iter_rows
from avbench.preprocessing.format.sound_clip import decode_clip, level_dbfs
from avbench.preprocessing.simulate import still_set
from avbench.preprocessing.simulate.scene import world as world_module
from avbench.preprocessing.simulate.scene.camera_motion import HeadMotion, draw_head_motion
from avbench.preprocessing.simulate.scene.world import Configuration, RecordingSettings, make_world
from avbench.preprocessing.simulate.sound.still import still_row
from avbench.preprocessing.simulate.still_set import STATEMENT, make_still
from avbench.preprocessing.simulate.write import read_settings

OF_CLIPS = {"audio_a", "audio_b", "level_a_dbfs", "level_b_dbfs"}


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def simulated_data(folder: Path, *, recordings: int, seconds: str, split: str = "test") -> Path:
    """Recordings and the data set made of them, each by the command a user would give."""
    size = ("--seconds", seconds, "--size", "96x64", "--jobs", "1", "--split", split)
    run("simulate", folder / "recordings", "--recordings", str(recordings), *size)
    run("prepare", folder / "recordings", "-o", folder / "data", "--pairs-per-recording", "3", "--jobs", "1")
    return folder


def rows_of(data: Path) -> list[dict[str, Any]]:
    return list(iter_rows(dataset_shards(data, "test")))


def clip(row: dict[str, Any], view: str) -> np.ndarray:
    return decode_clip(row[f"audio_{view}"]["bytes"], row["pair_id"]).samples.astype(np.int64)


def manifest_of(data: Path) -> Manifest:
    manifest = read_manifest(data)
    assert manifest is not None
    return manifest


def at_rest(motion: HeadMotion) -> HeadMotion:
    """A head that stays where the motion is after one second."""
    time_s = np.linspace(-0.1, motion.duration_s + 0.1, 5)
    turns = {name: getattr(motion, name) for name in ("yaw_deg", "pitch_deg", "roll_deg")}
    still = {name: replace(turn, amplitude=np.zeros_like(turn.amplitude)) for name, turn in turns.items()}
    return replace(motion, path_m=CubicSpline(time_s, np.tile(motion.path_m(1.0), (5, 1))), **still)


def as_recorded(still: np.ndarray, recorded: np.ndarray) -> bool:
    """Equal but for rounding: one step of the samples, in less than two of a hundred."""
    difference = np.abs(still - recorded)
    return bool(difference.max() <= 1 and np.mean(difference) < 0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_data(tmp_path_factory.mktemp("still"), recordings=3, seconds="2")


@pytest.fixture(scope="module")
def still(folder: Path) -> Path:
    out = folder / "still"
    run("still", folder / "data", "--recordings", folder / "recordings", "-o", out, "--jobs", "1")
    return out


@pytest.mark.parametrize("configuration", list(Configuration))
def test_where_the_head_stands_still_it_is_the_recording(configuration: Configuration) -> None:
    """Gain, noises, sources that move, a head's shadow: all as in the recording, wherever the stretch begins."""
    drawn = make_world(RecordingSettings(1, "test", 2, configuration=configuration, duration_s=2.0))
    world = replace(drawn, motion=at_rest(drawn.motion))
    whole = world.sound(0, world.settings.samples).astype(np.int64)
    assert whole.std() > 100.0
    for start, stop in ((0, 9000), (8037, 24037), (22000, 32000)):
        heard = world.still_sound(start, stop - start, 0.7).astype(np.int64)
        assert as_recorded(heard, whole[start:stop])


def test_where_the_head_moves_it_is_not_the_recording() -> None:
    world = make_world(RecordingSettings(1, "test", 2, duration_s=2.0))
    whole = world.sound(0, world.settings.samples).astype(np.int64)
    still = world.still_sound(8000, 16000, 1.0).astype(np.int64)
    assert not as_recorded(still, whole[8000:24000])
    # Where the head comes through the place it is held at, the two agree, and less and less away from it.
    off = np.abs(still - whole[8000:24000]).mean(axis=1)
    assert off[7900:8100].mean() < 0.2 * off[:1000].mean()
    assert off[7900:8100].mean() < 0.2 * off[-1000:].mean()


def test_a_data_set_of_heads_at_rest_comes_out_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world_module, "draw_head_motion", lambda *arguments: at_rest(draw_head_motion(*arguments)))
    simulated_data(tmp_path, recordings=1, seconds="2")
    make_still(tmp_path / "data", tmp_path / "recordings", tmp_path / "still")
    before, after = rows_of(tmp_path / "data"), rows_of(tmp_path / "still")
    assert len(before) == len(after) == 3
    for old, new in zip(before, after, strict=True):
        assert old["rotation_deg"] < 1e-5
        for view in "ab":
            assert as_recorded(clip(new, view), clip(old, view))
            assert new[f"level_{view}_dbfs"] == pytest.approx(old[f"level_{view}_dbfs"], abs=1e-3)


def test_every_column_but_the_clips_is_as_it_was(folder: Path, still: Path) -> None:
    before, after = rows_of(folder / "data"), rows_of(still)
    assert len(before) == len(after) == 9
    for old, new in zip(before, after, strict=True):
        for column in COLUMNS:
            if column.name not in OF_CLIPS:
                assert new[column.name] == old[column.name], column.name
        for view in "ab":
            assert new[f"audio_{view}"] != old[f"audio_{view}"]
            samples = clip(new, view)
            assert samples.shape == clip(old, view).shape == (16000, 7)
            valid = slice(new[f"audio_valid_start_{view}"], new[f"audio_valid_stop_{view}"])
            outside = np.concatenate([samples[: valid.start], samples[valid.stop :]])
            assert not outside.any()
            decoded = decode_clip(new[f"audio_{view}"]["bytes"], "clip")
            assert new[f"level_{view}_dbfs"] == level_dbfs(decoded.samples[valid], decoded.sample_format)
            assert new[f"level_{view}_dbfs"] == pytest.approx(old[f"level_{view}_dbfs"], abs=3.0)


def test_a_frame_has_one_clip_in_all_its_pairs(still: Path) -> None:
    clips: dict[tuple[str, int], set[bytes]] = {}
    for row in rows_of(still):
        for view in "ab":
            key = (row["recording_id"], row[f"time_{view}_ns"])
            clips.setdefault(key, set()).add(row[f"audio_{view}"]["bytes"])
    assert all(len(found) == 1 for found in clips.values())
    assert len(set().union(*clips.values())) == len(clips)


def test_the_data_set_says_what_it_is(folder: Path, still: Path) -> None:
    source, made = manifest_of(folder / "data"), manifest_of(still)
    assert made.dataset_fingerprint != source.dataset_fingerprint
    derived = made.settings["derived"]
    assert derived["made_by"] == "avbench still"
    assert derived["source_fingerprint"] == source.dataset_fingerprint
    assert "as heard by a head that stands still" in derived["statement"]
    assert {name: made.settings[name] for name in source.settings} == dict(source.settings)
    assert [one.split for one in made.recordings] == [one.split for one in source.recordings]
    for one, old in zip(made.recordings, source.recordings, strict=True):
        assert one.prepared.licence == old.prepared.licence == "CC0-1.0"
        assert one.prepared.sound == f"{old.prepared.sound}, of a head that stands still"
    for shard in made.shards:
        assert sha256_of(still / shard.path) == shard.sha256
    card = (still / "README.md").read_text(encoding="utf-8")
    assert f"**{STATEMENT}**" in card
    assert "made by `avbench still`" in card
    assert "license: cc0-1.0" in card
    assert "**All pairs are simulated.**" in card
    assert "stands still" not in (folder / "data" / "README.md").read_text(encoding="utf-8")
    assert not (still / ".work").exists()


def test_the_same_command_again_makes_nothing_new(folder: Path, still: Path) -> None:
    before = {path: path.read_bytes() for path in still.rglob("*") if path.is_file()}
    text = run("still", folder / "data", "--recordings", folder / "recordings", "-o", still, "--jobs", "1")
    assert "0 made, 3 reused" in text
    assert "nothing new" in text
    assert {path: path.read_bytes() for path in still.rglob("*") if path.is_file()} == before


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(
    folder: Path, still: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_part, calls = still_set._make_part, iter(range(9))

    def stopped(task: Any) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return make_part(task)

    monkeypatch.setattr(still_set, "_make_part", stopped)
    with pytest.raises(KeyboardInterrupt):
        make_still(folder / "data", folder / "recordings", tmp_path / "out")
    assert not (tmp_path / "out" / "data").exists()
    monkeypatch.undo()
    result = make_still(folder / "data", folder / "recordings", tmp_path / "out")
    assert (result.made, result.reused, result.packed) == (1, 2, True)
    (ours,), (theirs,) = (dataset_shards(one, "test") for one in (tmp_path / "out", still))
    assert ours.read_bytes() == theirs.read_bytes()
    assert (tmp_path / "out" / "manifest.json").read_bytes() == (still / "manifest.json").read_bytes()


def test_several_processes_and_rooms_in_steps_give_the_same_bytes(folder: Path, still: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = make_still(folder / "data", folder / "recordings", out, every=2)
    assert [one.prepared.recording_id for one in first.manifest.recordings] == ["main_test_00000", "main_test_00002"]
    assert first.manifest.splits()["test"]["pairs"] == 6
    seen: list[tuple[int, int]] = []
    whole = make_still(
        folder / "data", folder / "recordings", out, jobs=2, progress=lambda done, total: seen.append((done, total))
    )
    assert (whole.made, whole.reused, whole.packed) == (1, 2, True)
    assert seen == [(6, 9), (3, 9)]
    assert whole.manifest.dataset_fingerprint == manifest_of(still).dataset_fingerprint
    with pytest.raises(InputError, match=r"1 recordings that are not asked for, main_test_00001 among them"):
        make_still(folder / "data", folder / "recordings", out, every=2)


def test_damage_is_found_and_mended(folder: Path, still: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_still(folder / "data", folder / "recordings", out, every=3)
    (shard,) = dataset_shards(out, "test")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    result = make_still(folder / "data", folder / "recordings", out, every=3)
    assert (result.made, result.packed) == (1, True)
    assert shard.read_bytes() == whole


def refused(message: str, *arguments: Any, **options: Any) -> None:
    with pytest.raises(InputError, match=message):
        make_still(*arguments, **options)


def test_recordings_of_something_else_are_refused(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(r"scene\.json: found no such file, expected a simulated room", folder / "data", tmp_path, out)
    assert not out.exists()
    other = tmp_path / "other"
    small = ("--recordings", "1", "--seconds", "2", "--size", "96x64", "--jobs", "1")
    run("simulate", other, "--seed", "9", "--split", "test", *small)
    refused(r"rotation_a_b: found a rotation .* degrees off", folder / "data", other, out, every=3)
    # The same rooms and motions, but recorded at another rate.
    for path in (folder / "recordings").glob("*.scene.json"):
        document = json.loads(path.read_text())
        document["settings"]["sample_rate_hz"] = 8000
        (other / path.name).write_text(json.dumps(document))
    refused("found 7 channels of int16 at 16000 Hz", folder / "data", other, out, every=3)
    document["simulator_version"] = "0"
    (other / path.name).write_text(json.dumps(document))
    refused("simulator_version: found '0'", folder / "data", other, out)
    assert not (out / "data").exists()


def test_other_folders_are_left_alone(folder: Path, tmp_path: Path) -> None:
    data, recordings = folder / "data", folder / "recordings"
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    refused("found the source itself", data, recordings, data)
    refused("found no manifest", recordings, recordings, tmp_path / "out")
    refused("found no split 'train', expected test", data, recordings, tmp_path / "out", splits=("train",))
    run("prepare", recordings, "-o", tmp_path / "prepared", "--pairs-per-recording", "2", "--jobs", "1")
    refused("made_by = 'avbench prepare', expected 'avbench still'", data, recordings, tmp_path / "prepared")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "README.md").write_text("mine")
    refused("found README.md but no manifest.json", data, recordings, tmp_path / "own")
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_prepare_does_not_mix_into_it(folder: Path, still: Path) -> None:
    options = ["prepare", str(folder / "recordings"), "-o", str(still), "--pairs-per-recording", "3", "--jobs", "1"]
    result = CliRunner().invoke(cli, options)
    assert isinstance(result.exception, AvbenchError)
    assert "made_by was 'avbench still', now None" in str(result.exception)


def test_a_row_without_sound_stays_without(folder: Path) -> None:
    row = rows_of(folder / "data")[0]
    world = make_world(read_settings(folder / "recordings", row["recording_id"]))
    silent = {**row, "audio_a": None, "level_a_dbfs": None, "audio_valid_start_a": None, "audio_valid_stop_a": None}
    made = still_row(silent, world, {})
    assert made["audio_a"] is None
    assert made["level_a_dbfs"] is None
    assert made["audio_b"] != row["audio_b"]
    with pytest.raises(InputError, match="mic_positions_m: found other positions, expected the 7 of the recording"):
        still_row({**row, "mic_positions_m": row["mic_positions_m"][::-1]}, world, {})
    with pytest.raises(InputError, match="found sound from sample 5 to 16000"):
        still_row({**row, "audio_valid_start_a": 5, "audio_valid_stop_a": 16000}, world, {})
