"""Whole recordings: files a user would have, the same from the same seed, in any number of processes."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from avbench.preprocessing.base.atomic import sha256_of
from avbench.preprocessing.base.documents import parse_json
from avbench.preprocessing.base.errors import InputError, MissingDependencyError
from avbench.preprocessing.base.geometry import direction_error_deg
from avbench.preprocessing.cli.simulate import simulate
from avbench.preprocessing.recording.recording import ArrayKind, Scale, UpSource
from avbench.preprocessing.simulate.generate import generate, missing
from avbench.preprocessing.simulate.scene.scene import Scene, scene_to_dict
from avbench.preprocessing.simulate.scene.world import Configuration, RecordingSettings, make_world
from avbench.preprocessing.simulate.standard import STANDARD_PARTS, standard_recordings
from avbench.preprocessing.simulate.write import SCENE_SUFFIX, is_written, write_recording
from avbench.preprocessing.sources.folder.files import find
from avbench.preprocessing.sources.folder.layout import open_ref

SMALL = RecordingSettings(0, "train", 0, duration_s=1.4, fps=10, width_px=96, height_px=64)


def run_simulate(*arguments: str | Path) -> str:
    result = CliRunner().invoke(simulate, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


SMALL_OPTIONS = ("--seconds", "1.4", "--size", "96x64", "--jobs", "1")


@pytest.mark.parametrize("configuration", list(Configuration))
def test_recording_reads_back_as_it_was_simulated(tmp_path: Path, configuration: Configuration) -> None:
    settings = replace(SMALL, configuration=configuration, index=2)
    world = write_recording(tmp_path, settings)
    recording = open_ref(find(tmp_path)[0])
    assert recording.recording_id == settings.name
    assert (recording.split, recording.group_id, recording.licence) == ("train", settings.name, "CC0-1.0")
    assert recording.notes == ()
    # Clock: frames every 100 ms from 0, sound from the first frame.
    np.testing.assert_array_equal(recording.frames.time_ns, np.arange(14) * 100_000_000)
    assert recording.sound is not None
    assert (recording.sound.start_ns, recording.sound.samples) == (0, 22400)
    np.testing.assert_array_equal(recording.sound.read(0, 22400), world.sound(0, 22400))
    # Poses, up, camera and microphones.
    time_s = recording.trajectory.time_ns / 1e9
    np.testing.assert_allclose(recording.trajectory.T_world_camera, world.motion.poses(time_s), atol=1e-8)
    assert recording.trajectory.scale is Scale.METRIC
    assert recording.up_camera is not None
    assert recording.up_source is UpSource.SIMULATED
    np.testing.assert_allclose(recording.up_camera[1], world.motion.measured_up(time_s), atol=1e-8)
    assert 0.0 < direction_error_deg(recording.up_camera[1], world.motion.poses(time_s)[:, 2, :3]).mean() < 3.0
    np.testing.assert_allclose(recording.camera.matrix, world.camera.matrix, atol=1e-5)
    assert recording.rig is not None
    assert recording.rig.array_kind is world.rig.array_kind
    assert recording.rig.mic_positions_m is not None
    np.testing.assert_allclose(recording.rig.mic_positions_m, world.rig.mic_positions_m, atol=1e-6)
    # Pictures survive the codec.
    for frame in recording.frames.read([0, 7, 13]):
        difference = np.abs(frame.image.astype(float) - world.picture(frame.time_ns / 1e9))
        assert difference.mean() < 6.0


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        write_recording(tmp_path / folder, SMALL)
    first = sorted((tmp_path / "first").iterdir())
    assert [path.name.removeprefix(SMALL.name) for path in first] == [".csv", ".mp4", ".scene.json", ".toml", ".wav"]
    for path in first:
        assert sha256_of(path) == sha256_of(tmp_path / "second" / path.name)


def test_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    tasks = [replace(SMALL, index=index, duration_s=1.0) for index in range(3)]
    names = list(generate([(tmp_path / "one", task) for task in tasks], jobs=1))
    assert names == [task.name for task in tasks]
    backwards = [(tmp_path / "two", task) for task in reversed(tasks)]
    assert sorted(generate(backwards, jobs=2)) == names
    for path in (tmp_path / "one").iterdir():
        assert sha256_of(path) == sha256_of(tmp_path / "two" / path.name)


def test_interrupted_run_goes_on(tmp_path: Path) -> None:
    tasks = [(tmp_path, replace(SMALL, index=index, duration_s=1.0)) for index in range(2)]
    run = generate(tasks, jobs=1)
    next(run)
    run.close()
    assert [settings.index for _, settings in missing(tasks)] == [1]
    # Killed between two files: the recording is made again.
    (tmp_path / f"{tasks[0][1].name}.toml").unlink()
    assert len(missing(tasks)) == 2


def test_other_recording_under_the_same_name_is_refused(tmp_path: Path) -> None:
    write_recording(tmp_path, SMALL)
    assert is_written(tmp_path, SMALL)
    with pytest.raises(InputError, match="another seed"):
        is_written(tmp_path, replace(SMALL, seed=1))
    (tmp_path / f"{SMALL.name}{SCENE_SUFFIX}").write_text("{}")
    with pytest.raises(InputError, match="another seed, size or version"):
        is_written(tmp_path, SMALL)


def test_scene_reads_back_and_draws_the_same(tmp_path: Path) -> None:
    world = write_recording(tmp_path, SMALL)
    stored = json.loads((tmp_path / f"{SMALL.name}{SCENE_SUFFIX}").read_text())["scene"]
    assert parse_json(json.dumps(stored), "scene", Scene) == world.scene
    assert parse_json(json.dumps(scene_to_dict(world.scene)), "scene", Scene) == world.scene


def test_sound_of_a_stretch_is_that_of_the_whole() -> None:
    """Up to the noises, which belong to the stretch, and to where between the knots delays are exact: -70 dB."""
    world = make_world(replace(SMALL, duration_s=3.0))
    quiet = replace(world, recorder=replace(world.recorder, background=0.0, sensor_noise=0.0))
    whole = quiet.sound(0, world.settings.samples).astype(np.float64)
    assert whole[17001:32001].std() > 30.0
    for start in (17001, 17024):
        error = quiet.sound(start, 15000) - whole[start : start + 15000]
        assert np.sqrt(np.mean(error**2)) < 10.0 ** (-70 / 20) * whole[start : start + 15000].std() + 0.5


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_level_and_noise_are_as_drawn(rate_hz: int) -> None:
    world = make_world(replace(SMALL, duration_s=3.0, sample_rate_hz=rate_hz))
    samples = world.settings.samples
    heard = world.sound(0, samples) / 32768.0
    quiet = replace(world, scene=replace(world.scene, sources=()))
    noise = quiet.sound(0, samples) / 32768.0
    expected = np.hypot(world.recorder.background, world.recorder.sensor_noise)
    assert noise.std() == pytest.approx(expected, rel=0.15)
    assert 10.0 ** (-50 / 20) < heard.std() < 10.0 ** (-12 / 20)
    assert np.abs(heard).max() < 1.0


def test_splits_share_neither_rooms_nor_sound() -> None:
    worlds = [make_world(replace(SMALL, split=split)) for split in ("train", "val", "test")]
    assert len({world.scene.room.size_m for world in worlds}) == 3
    assert len({str(world.scene.sources) for world in worlds}) == 3
    for first in range(3):
        for second in range(first):
            a, b = (worlds[index]._signals[0].astype(np.float64) for index in (first, second))
            length = min(len(a), len(b))
            correlation = np.fft.irfft(np.fft.rfft(a[:length]) * np.conj(np.fft.rfft(b[:length])))
            assert np.abs(correlation).max() < 0.35 * np.sqrt((a**2).sum() * (b**2).sum())


def test_configurations_are_what_they_say() -> None:
    worlds = {
        configuration: [make_world(replace(SMALL, configuration=configuration, index=index)) for index in range(6)]
        for configuration in Configuration
    }
    for configuration, drawn in worlds.items():
        for world in drawn:
            low, high = (0.6, 0.9) if configuration is Configuration.REVERBERANT else (0.15, 0.6)
            assert all(low - 1e-6 <= value <= high + 1e-6 for value in world.scene.room.rt60_s)
            assert all(source.moves == (configuration is Configuration.MOVING) for source in world.scene.sources)
            x, y, z = world.scene.room.size_m
            assert 4.0 <= x <= 8.0
            assert 3.5 <= y <= 7.0
            assert 2.4 <= z <= 3.4
            assert 6 <= len(world.scene.boxes) <= 13
            assert 12.0 <= world.recorder.snr_db <= 30.0
    channels = {len(world.rig.mic_positions_m) for world in worlds[Configuration.RIGS]}
    assert channels == {2, 4, 8}
    assert {world.rig.array_kind for world in worlds[Configuration.RIGS]} == {ArrayKind.MICROPHONES, ArrayKind.BINAURAL}
    assert {len(world.rig.mic_positions_m) for world in worlds[Configuration.MAIN]} == {7}


def test_command_makes_recordings_a_preview_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run_simulate(out, "--recordings", "2", "--seed", "5", "--preview", *SMALL_OPTIONS)
    assert "2 simulated recordings" in first
    assert [ref.recording_id for ref in find(out)] == ["main_00000", "main_00001"]
    assert open_ref(find(out)[0]).split is None
    image = soundfile.info(out / "main_00000.wav")
    assert (image.channels, image.samplerate, image.subtype) == (7, 16000, "PCM_16")
    cv2 = pytest.importorskip("cv2")
    sheet = cv2.imread(str(out / "preview.png"))
    assert sheet.shape[0] == 2 * (18 + 150)
    assert sheet.std() > 20.0
    assert "(2 were there already)" in run_simulate(out, "--recordings", "2", "--seed", "5", *SMALL_OPTIONS)


def test_command_makes_parts_of_the_standard_into_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which recordings, by name; how they are made is shown elsewhere."""
    from avbench.preprocessing.simulate import generate as module

    asked: list[tuple[Path, RecordingSettings]] = []

    def note(tasks: list[tuple[Path, RecordingSettings]], jobs: int) -> list[str]:
        asked.extend(tasks)
        return []

    monkeypatch.setattr(module, "generate", note)
    run_simulate(tmp_path, "--standard", "--split", "test", "--recordings", "2")
    assert [(folder.name, settings.split) for folder, settings in asked] == [
        (name, "test") for name in ("main", "rigs", "moving", "reverberant") for _ in range(2)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--size", "320"), "width and height like 320x240"),
        (("--size", "321x240"), "two even numbers"),
        (("--size", "16x16"), "two even numbers"),
        (("--standard", "--seed", "3"), "found --seed, expected none"),
        (("--standard", "--config", "rigs", "--split", "train"), "expected a part of the standard"),
    ],
)
def test_command_refuses(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_simulate(tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_standard_is_as_large_as_promised() -> None:
    rooms = {(part.configuration, part.split): part.recordings for part in STANDARD_PARTS}
    assert rooms[Configuration.MAIN, "train"] >= 2000
    assert rooms[Configuration.MAIN, "test"] >= 250
    assert {split for configuration, split in rooms if configuration is not Configuration.MAIN} == {"test"}
    everything = standard_recordings()
    assert len({(settings.configuration, settings.name) for settings in everything}) == len(everything)
    assert {(s.width_px, s.height_px, s.fps, s.sample_rate_hz, s.shutter_s) for s in everything} == {
        (320, 240, 10, 16000, 0.0)
    }
    assert len(standard_recordings("test", Configuration.RIGS)) == rooms[Configuration.RIGS, "test"]


def test_without_numba_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "avbench.preprocessing.simulate.scene.jit", raising=False)
    with pytest.raises(MissingDependencyError, match=r"needs numba.*pip install 'avbench\[simulate\]'"):
        importlib.import_module("avbench.preprocessing.simulate.scene.jit")


def test_importing_the_command_is_light() -> None:
    code = (
        "import sys, avbench.preprocessing.cli.simulate;"
        "print([name for name in ('numpy', 'numba', 'scipy', 'av', 'cv2') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
