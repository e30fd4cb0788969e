"""The whole preparation: raw folders in, data set out; again, further, broken, killed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from avbench.preprocessing.base.errors import AvbenchError, InputError, OutputError
from avbench.preprocessing.base.locks import sole_writer
from avbench.preprocessing.cli.prepare import prepare as prepare_command
from avbench.preprocessing.format.manifest import read_manifest
from avbench.preprocessing.format.picture import decode_picture
from avbench.preprocessing.format.shards import dataset_shards, dataset_splits, iter_rows
from avbench.preprocessing.format.sound_clip import decode_clip
from avbench.preprocessing.prepare import assembly, recording_part
from avbench.preprocessing.prepare.pipeline import PackSettings, PrepareResult, _run, prepare
from avbench.preprocessing.prepare.recording_part import Outcome, PrepareSettings, Status, Task, preparation_code
from avbench.preprocessing.rows.choose import PairSettings
from avbench.preprocessing.rows.make import AudioMode, RowSettings
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef, SourceOptions
from media_files import HEIGHT_PX, WIDTH_PX, number_of, write_video

FPS = 10
SETTINGS = PrepareSettings(
    PairSettings(pairs=8, max_gap_s=1.5), RowSettings(size_px=WIDTH_PX, clip_seconds=0.2, max_pose_gap_s=0.15)
)


def write_recording(
    folder: Path,
    name: str,
    *,
    frames: int = 30,
    seed: int = 0,
    channels: int = 3,
    sound_s: float | None = None,
    rig: str = "",
    top: str = "",
) -> None:
    """A recording in the folder layout: a camera that turns right by 6 degrees a second and walks at 0.4 m/s."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = np.arange(frames) / FPS
    write_video(folder / f"{name}.mp4", [round(90_000 * second) for second in seconds], key_every=6)
    if channels:
        rng = np.random.default_rng(seed)
        samples = rng.integers(-3000, 3000, (round(8000 * (frames / FPS if sound_s is None else sound_s)), channels))
        soundfile.write(folder / f"{name}.wav", samples.astype(np.int16), 8000, subtype="PCM_16")
    half_turn = np.radians(6.0 * seconds) / 2
    poses = np.stack(
        [
            seconds,
            0 * seconds,
            0 * seconds,
            0.4 * seconds,
            0 * seconds,
            np.sin(half_turn),
            0 * seconds,
            np.cos(half_turn),
        ]
    )
    np.savetxt(folder / f"{name}.tum", poses.T, fmt="%.9f")
    positions = ", ".join(f"[{0.05 * channel}, 0.0, 0.0]" for channel in range(channels))
    microphones = f"[microphones]\npositions_m = [{positions}]\n" if channels else ""
    (folder / f"{name}.toml").write_text(
        f'licence = "CC0-1.0"\n{top or f"group = {json.dumps(name)}"}\n'
        f"[camera]\nwidth = {WIDTH_PX}\nheight = {HEIGHT_PX}\nfx = 100.0\nfy = 100.0\ncx = {(WIDTH_PX - 1) / 2}\n"
        f"cy = {(HEIGHT_PX - 1) / 2}\n{microphones}"
        f'[trajectory]\ntransform = "world_camera"\nscale = "metric"\npose_source = "measured"\n{rig}',
        encoding="utf-8",
    )


@dataclass
class Watcher:
    """Progress that remembers."""

    outcomes: list[Outcome] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    total: int | None = None

    def start(self, total: int) -> None:
        self.total = total

    def recording(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def stage(self, text: str) -> None:
        self.stages.append(text)


def run(
    source: Path,
    out: Path,
    settings: PrepareSettings = SETTINGS,
    packing: PackSettings | None = None,
    *,
    jobs: int = 1,
    remake: bool = False,
    progress: Watcher | None = None,
) -> PrepareResult:
    return prepare(
        source,
        out,
        settings,
        packing or PackSettings(shard_bytes=120_000),
        options=SourceOptions(),
        jobs=jobs,
        remake=remake,
        progress=progress or Watcher(),
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def all_rows(out: Path) -> list[dict[str, Any]]:
    return [row for split in dataset_splits(out) for row in iter_rows(dataset_shards(out, split))]


@pytest.fixture(scope="session")
def three_recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate(("garden", "kitchen", "street")):
        write_recording(folder, name, seed=number)
    return folder


@pytest.fixture(scope="session")
def finished(three_recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "walks"
    run(three_recordings, out)
    return out


@pytest.fixture
def data_set(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished data set that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "walks"))


@pytest.fixture
def recordings(three_recordings: Path, tmp_path: Path) -> Path:
    """A copy of the recordings that a test may change."""
    return Path(shutil.copytree(three_recordings, tmp_path / "recordings"))


# what comes out


def test_rows_are_what_was_recorded(three_recordings: Path, finished: Path) -> None:
    rows = all_rows(finished)
    assert len(rows) == 24
    assert {row["recording_id"] for row in rows} == {"garden", "kitchen", "street"}
    assert len({row["pair_id"] for row in rows}) == 24
    sounds = {
        name: soundfile.read(three_recordings / f"{name}.wav", dtype="int16")[0]
        for name in ("garden", "kitchen", "street")
    }
    for row in rows:
        seconds = (row["time_b_ns"] - row["time_a_ns"]) / 1e9
        assert row["rotation_deg"] == pytest.approx(6.0 * seconds, abs=1e-4)
        assert row["baseline_m"] == pytest.approx(0.4 * seconds, abs=1e-6)
        for side in "ab":
            index = round(row[f"time_{side}_ns"] / 1e9 * FPS)
            assert number_of(decode_picture(row[f"image_{side}"]["bytes"], side)) == index
            clip = decode_clip(row[f"audio_{side}"]["bytes"], side)
            start, stop = row[f"audio_valid_start_{side}"], row[f"audio_valid_stop_{side}"]
            first = 800 * index - 800
            expected = sounds[row["recording_id"]][first + start : first + stop]
            assert np.array_equal(clip.samples[start:stop], expected)  # bit-exact, every channel, centred on the frame


def test_the_folder_holds_what_the_manifest_says(finished: Path) -> None:
    manifest = read_manifest(finished)
    assert manifest is not None
    document = json.loads((finished / "manifest.json").read_text(encoding="utf-8"))
    assert document["dataset_fingerprint"] == manifest.dataset_fingerprint
    assert sorted(tree(finished)) == sorted(["README.md", "manifest.json", *(shard.path for shard in manifest.shards)])
    assert sum(shard.rows for shard in manifest.shards) == len(all_rows(finished)) == 24
    for recording in manifest.recordings:
        counts = dict(recording.prepared.candidates)
        assert counts.pop("in_gap") == sum(counts.values())
        assert sum(place.rows for place in recording.ranges) == recording.prepared.rows == counts["chosen"]


def test_any_number_of_workers_gives_the_same_bytes(three_recordings: Path, finished: Path, tmp_path: Path) -> None:
    run(three_recordings, tmp_path / "walks", jobs=3)
    assert tree(tmp_path / "walks") == tree(finished)


def test_where_the_recordings_lie_does_not_matter(recordings: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "again" / "walks"
    run(recordings, out)
    assert tree(out) == tree(finished)


def test_notes_are_kept_without_the_place_of_the_source(tmp_path: Path) -> None:
    write_recording(tmp_path / "recordings", "walk", top="")
    rig = tmp_path / "recordings" / "walk.toml"
    rig.write_text(rig.read_text(encoding="utf-8").replace('group = "walk"\n', ""), encoding="utf-8")
    result = run(tmp_path / "recordings", tmp_path / "out")
    assert result.manifest is not None
    note, of_poses = result.manifest.recordings[0].prepared.notes
    assert note.startswith("walk.toml: no group stated")
    assert of_poses.startswith("poses were not compared with pictures")


def test_another_seed_gives_other_pairs(three_recordings: Path, finished: Path, tmp_path: Path) -> None:
    run(three_recordings, tmp_path / "walks", replace(SETTINGS, pairs=replace(SETTINGS.pairs, seed=1)))
    assert {row["pair_id"] for row in all_rows(tmp_path / "walks")} != {row["pair_id"] for row in all_rows(finished)}


def test_the_fingerprint_takes_no_notice_of_packing(three_recordings: Path, finished: Path, tmp_path: Path) -> None:
    result = run(three_recordings, tmp_path / "walks", packing=PackSettings(shard_bytes=10**9))
    before = read_manifest(finished)
    assert result.manifest is not None
    assert before is not None
    assert len(result.manifest.shards) < len(before.shards)
    assert result.manifest.dataset_fingerprint == before.dataset_fingerprint
    other = run(three_recordings, tmp_path / "other", packing=PackSettings(split="test"))
    assert other.manifest is not None
    assert other.manifest.dataset_fingerprint != before.dataset_fingerprint  # rows moved to another split


# again


def test_the_same_command_again_only_verifies(three_recordings: Path, data_set: Path) -> None:
    before = tree(data_set)
    stamps = {path: path.stat().st_mtime_ns for path in data_set.rglob("*")}
    watcher = Watcher()
    result = run(three_recordings, data_set, progress=watcher)
    assert set(result.statuses.values()) == {Status.REUSED}
    assert not result.packed
    assert any(stage.startswith("verifying data/") for stage in watcher.stages)
    assert tree(data_set) == before
    assert {path: path.stat().st_mtime_ns for path in data_set.rglob("*")} == stamps


def test_a_new_recording_leaves_the_rows_of_the_others(
    recordings: Path, data_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recording(recordings, "attic", seed=9)
    opened = watch_opening(monkeypatch)
    result = run(recordings, data_set)
    assert opened == ["attic"]
    assert result.statuses == {
        "attic": Status.MADE,
        "garden": Status.REUSED,
        "kitchen": Status.REUSED,
        "street": Status.REUSED,
    }
    run(recordings, tmp_path / "fresh" / "walks")
    assert tree(data_set) == tree(tmp_path / "fresh" / "walks")


def watch_opening(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    opened: list[str] = []
    original = recording_part.open_recording

    def watched(ref: RecordingRef, options: SourceOptions) -> Any:
        opened.append(ref.recording_id)
        return original(ref, options)

    monkeypatch.setattr(recording_part, "open_recording", watched)
    return opened


def test_a_recording_that_changed_is_made_again(recordings: Path, data_set: Path, tmp_path: Path) -> None:
    rig = recordings / "street.toml"
    rig.write_text(rig.read_text(encoding="utf-8").replace("fx = 100.0", "fx = 101.0"), encoding="utf-8")
    result = run(recordings, data_set)
    assert result.statuses == {"garden": Status.REUSED, "kitchen": Status.REUSED, "street": Status.MADE}
    run(recordings, tmp_path / "fresh" / "walks")
    assert tree(data_set) == tree(tmp_path / "fresh" / "walks")


def test_a_damaged_shard_is_noticed_and_made_again(three_recordings: Path, data_set: Path, finished: Path) -> None:
    manifest = read_manifest(data_set)
    assert manifest is not None
    victim = data_set / manifest.shards[0].path
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    result = run(three_recordings, data_set)
    assert result.damaged == (manifest.shards[0].path,)
    assert Status.MADE in result.statuses.values()
    assert tree(data_set) == tree(finished)


def test_another_setting_is_refused_and_remake_allows_it(
    three_recordings: Path, data_set: Path, finished: Path
) -> None:
    longer = replace(SETTINGS, rows=replace(SETTINGS.rows, clip_seconds=0.4))
    with pytest.raises(
        InputError, match=r"made in another way: clip_seconds was 0\.2, now 0\.4, expected the same settings .*--remake"
    ):
        run(three_recordings, data_set, longer)
    with pytest.raises(InputError, match="split was None, now 'test'"):
        run(three_recordings, data_set, packing=PackSettings(split="test", shard_bytes=120_000))
    assert tree(data_set) == tree(finished)
    result = run(three_recordings, data_set, longer, remake=True)
    assert set(result.statuses.values()) == {Status.MADE}
    assert {len(decode_clip(row["audio_a"]["bytes"], "a").samples) for row in all_rows(data_set)} == {3200}


def test_other_splits_need_no_new_rows(three_recordings: Path, data_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = watch_opening(monkeypatch)
    result = run(three_recordings, data_set, packing=PackSettings(split="holdout"), remake=True)
    assert opened == []
    assert result.packed
    assert dataset_splits(data_set) == ["holdout"]
    assert {row["split"] for row in all_rows(data_set)} == {"holdout"}


def test_other_code_is_refused(three_recordings: Path, data_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avbench.preprocessing.prepare.pipeline.preparation_code", lambda: "other")
    with pytest.raises(InputError, match="another version of the preparation's code or decoders"):
        run(three_recordings, data_set)


def test_a_recording_that_is_gone_is_not_dropped_unasked(recordings: Path, data_set: Path, finished: Path) -> None:
    for path in recordings.glob("garden.*"):
        path.unlink()
    with pytest.raises(InputError, match="1 recordings that the source does not have: garden"):
        run(recordings, data_set)
    assert tree(data_set) == tree(finished)
    run(recordings, data_set, remake=True)
    assert {row["recording_id"] for row in all_rows(data_set)} == {"kitchen", "street"}


# groups and splits


def test_groups_stay_whole_and_wishes_count(tmp_path: Path) -> None:
    source = tmp_path / "recordings"
    for name, top in [
        ("a", 'group = "home"'),
        ("b", 'group = "home"\nsplit = "test"'),
        ("c", 'group = "office"\nsplit = "val"'),
    ]:
        write_recording(source, name, top=top)
    result = run(source, tmp_path / "out", packing=PackSettings(fractions={"train": 1.0}))
    assert {(row["recording_id"], row["split"]) for row in all_rows(tmp_path / "out")} == {
        ("a", "test"),
        ("b", "test"),
        ("c", "val"),
    }
    assert result.empty_splits == ("train",)


def test_two_wishes_for_one_group_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "recordings"
    write_recording(source, "a", top='group = "home"\nsplit = "train"')
    write_recording(source, "b", top='group = "home"\nsplit = "test"')
    with pytest.raises(InputError, match="group home: found recording a in train and b in test"):
        run(source, tmp_path / "out")
    assert not (tmp_path / "out" / "data").exists()


# broken recordings


def test_good_recordings_come_out_beside_broken_ones(recordings: Path, tmp_path: Path, finished: Path) -> None:
    write_recording(recordings, "short", frames=3)
    write_recording(recordings, "late", seed=4, rig="\n[time]\ntrajectory_offset_s = 100.0\n")
    write_recording(recordings, "mute", channels=0)
    write_recording(recordings, "zero")
    (recordings / "zero.mp4").write_bytes(b"")
    write_recording(recordings, "cut")
    (recordings / "cut.mp4").write_bytes((recordings / "cut.mp4").read_bytes()[:3000])
    out = tmp_path / "walks"
    result = run(recordings, out)
    assert {refusal.recording_id for refusal in result.refused} == {"cut", "late", "mute", "short", "zero"}
    reasons = {refusal.recording_id: refusal.reason for refusal in result.refused}
    assert "found no sound, expected a recording with sound" in reasons["mute"]
    assert "short: frames: found 3 over 0.200 s, expected two that are 0.25 to 1.5 s apart" in reasons["short"]
    for reason in reasons.values():
        assert "\n" not in reason
        assert str(tmp_path) not in reason  # files are named as they are in the source
        assert "unexpected" not in reason
    assert json.loads((out / "refused.json").read_text(encoding="utf-8")) == [
        {"recording_id": name, "reason": reasons[name], "traceback": None, "notes": []} for name in sorted(reasons)
    ]
    assert all_rows(out) == all_rows(finished)
    # Put right, they join; what is left of the refusals goes.
    for name in ("short", "late", "zero", "cut", "mute"):
        for path in recordings.glob(f"{name}.*"):
            path.unlink()
    run(recordings, out)
    assert not (out / "refused.json").exists()
    assert tree(out) == tree(finished)


def test_only_broken_recordings_make_no_data_set(tmp_path: Path) -> None:
    write_recording(tmp_path / "recordings", "mute", channels=0)
    result = run(tmp_path / "recordings", tmp_path / "out")
    assert result.manifest is None
    assert list(tree(tmp_path / "out")) == ["refused.json"]
    assert not (tmp_path / "out" / ".work").exists()


def test_without_sound_on_request(tmp_path: Path) -> None:
    write_recording(tmp_path / "recordings", "mute", channels=0)
    optional = replace(SETTINGS, rows=replace(SETTINGS.rows, audio=AudioMode.OPTIONAL))
    run(tmp_path / "recordings", tmp_path / "out", optional)
    rows = all_rows(tmp_path / "out")
    assert len(rows) == 8
    assert all(row["audio_a"] is None and row["audio_channels"] is None for row in rows)


@pytest.mark.parametrize(("sound_s", "counted"), [(1.5, True), (3.0, False)])
def test_pairs_without_sound_are_counted(tmp_path: Path, sound_s: float, counted: bool) -> None:
    write_recording(tmp_path / "recordings", "walk", sound_s=sound_s)
    result = run(tmp_path / "recordings", tmp_path / "out")
    assert result.manifest is not None
    assert (result.manifest.recordings[0].prepared.candidates["no_sound"] > 0) == counted
    assert all(row["time_b_ns"] <= sound_s * 1e9 for row in all_rows(tmp_path / "out"))


def test_too_little_sound_for_one_pair_is_told(tmp_path: Path) -> None:
    write_recording(tmp_path / "recordings", "walk", sound_s=0.15)
    result = run(tmp_path / "recordings", tmp_path / "out")
    (refusal,) = result.refused
    assert "walk: sound: found sound from 0.000 to 0.150 s, expected at least half a clip of 0.2 s" in refusal.reason
    assert "see --allow-partial-audio" in refusal.reason


def test_poses_too_far_apart_are_told(tmp_path: Path) -> None:
    write_recording(tmp_path / "recordings", "walk")
    poses = np.loadtxt(tmp_path / "recordings" / "walk.tum")[::7]
    poses[:, 0] += 0.05  # between frames, so that no frame hits a pose
    np.savetxt(tmp_path / "recordings" / "walk.tum", poses, fmt="%.9f")
    result = run(tmp_path / "recordings", tmp_path / "out")
    assert "walk: trajectory: found 5 poses from 0.050 to 2.850 s" in result.refused[0].reason
    assert "--max-pose-gap" in result.refused[0].reason


def test_a_mistake_of_ours_keeps_its_traceback(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = recording_part.open_recording

    def failing(ref: RecordingRef, options: SourceOptions) -> Any:
        if ref.recording_id == "kitchen":
            raise KeyError("a mistake")
        return original(ref, options)

    monkeypatch.setattr(recording_part, "open_recording", failing)
    result = run(recordings, tmp_path / "out")
    assert result.statuses["garden"] is Status.MADE
    (refusal,) = json.loads((tmp_path / "out" / "refused.json").read_text(encoding="utf-8"))
    assert refusal["reason"].startswith("kitchen: unexpected KeyError: 'a mistake'")
    assert "Traceback" in refusal["traceback"]


def test_files_that_cannot_be_read_do_not_pass_for_a_full_disk(
    recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanished(*args: Any, **options: Any) -> Any:
        raise FileNotFoundError(2, "No such file or directory")
        yield

    monkeypatch.setattr(recording_part, "pair_rows", vanished)
    result = run(recordings, tmp_path / "out")
    assert {refusal.reason for refusal in result.refused} == {
        f"{name}: found No such file or directory, expected files that can be read"
        for name in ("garden", "kitchen", "street")
    }


class _Deadly:
    """Unpickling it ends the process: a decoder that crashes."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (9,)


def test_a_worker_that_dies_takes_only_its_recording(three_recordings: Path, tmp_path: Path) -> None:
    def task(name: str, *files: Any) -> Task:
        return Task(RecordingRef(name, Layout.FOLDER, three_recordings, files), SourceOptions(), SETTINGS, tmp_path)

    good = [
        task(name, *(three_recordings / f"{name}{suffix}" for suffix in (".mp4", ".toml", ".tum", ".wav")))
        for name in ("garden", "kitchen", "street")
    ]
    outcomes = {outcome.recording_id: outcome for outcome in _run([good[0], task("deadly", _Deadly()), *good[1:]], 2)}
    assert {name for name, outcome in outcomes.items() if outcome.prepared is not None} == {
        "garden",
        "kitchen",
        "street",
    }
    assert outcomes["deadly"].refusal is not None
    assert "its worker process died" in outcomes["deadly"].refusal.reason


# stopped and full


def test_a_stopped_run_goes_on_where_it_was(
    three_recordings: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "walks"

    class Stopping(Watcher):
        def recording(self, outcome: Outcome) -> None:
            super().recording(outcome)
            if len(self.outcomes) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(three_recordings, out, progress=Stopping())
    assert not (out / "data").exists()
    assert not (out / "manifest.json").exists()
    opened = watch_opening(monkeypatch)
    result = run(three_recordings, out)
    assert opened == ["street"]
    assert [status.value for status in result.statuses.values()] == ["reused", "reused", "made"]
    assert tree(out) == tree(finished)


KILLED = """
import os, sys
sys.path[:0] = {path!r}
from pathlib import Path
import avbench.preprocessing.{module} as module
original = module.{function}
calls = 0
def killed(*args, **kwargs):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), 9)
    return original(*args, **kwargs)
module.{function} = killed
from test_prepare import run
run(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("module", "function", "call"),
    [
        ("format.shards", "table_from_rows", 2),  # in the middle of the second part
        ("format.shards", "table_from_rows", 5),  # in the middle of packing
        ("prepare.assembly", "verify_shard", 2),
        ("prepare.assembly", "publish", 1),  # all is ready, nothing moved
        ("prepare.publish", "finish_publishing", 2),  # past the point of no return (the first call is at the start)
    ],
)
def test_a_killed_run_is_finished_by_the_next(
    three_recordings: Path, finished: Path, tmp_path: Path, module: str, function: str, call: int
) -> None:
    out = tmp_path / "walks"
    script = KILLED.format(path=[str(Path(__file__).parent), *sys.path], module=module, function=function, call=call)
    killed = subprocess.run(
        [sys.executable, "-c", script, str(three_recordings), str(out)], capture_output=True, check=False
    )
    assert killed.returncode == -9, killed.stderr.decode()
    assert sorted(tree(out)) == [name for name in sorted(tree(out)) if name.startswith(".work/")]
    run(three_recordings, out)
    assert tree(out) == tree(finished)


@pytest.mark.parametrize("step", range(4))
def test_a_move_into_place_that_is_cut_short_is_finished(
    three_recordings: Path, recordings: Path, data_set: Path, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recording(recordings, "attic", seed=9)
    moves = 0
    original = Path.replace

    def cut_short(self: Path, target: Path) -> Path:
        nonlocal moves
        if (".work" in self.parts and "publish" in self.parts) or Path(target).name == "replaced":
            if moves == step:
                raise KeyboardInterrupt
            moves += 1
        return original(self, target)

    monkeypatch.setattr(Path, "replace", cut_short)
    with pytest.raises(KeyboardInterrupt):
        run(recordings, data_set)
    monkeypatch.setattr(Path, "replace", original)
    result = run(recordings, data_set)
    assert not result.packed  # the next run only moved what was ready, and verified it
    run(recordings, tmp_path / "fresh" / "walks")
    assert tree(data_set) == tree(tmp_path / "fresh" / "walks")


FULL = """
import resource, sys
sys.path[:0] = {path!r}
from pathlib import Path
from avbench.preprocessing.prepare import assembly
from avbench.preprocessing.base.errors import OutputError
from test_prepare import run
original = assembly.start_packing
def fill(*args):
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    return original(*args)
if {place!r} == "packing":
    assembly.start_packing = fill
else:
    fill(Path(sys.argv[2]))
try:
    run(Path(sys.argv[1]), Path(sys.argv[2]), jobs={jobs})
except OutputError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize(("place", "jobs"), [("parts", 1), ("parts", 2), ("packing", 1)])
def test_a_full_disk_leaves_the_data_set_as_it_was(recordings: Path, data_set: Path, place: str, jobs: int) -> None:
    write_recording(recordings, "attic", seed=9)
    before = tree(data_set)
    script = FULL.format(path=[str(Path(__file__).parent), *sys.path], place=place, jobs=jobs)
    result = subprocess.run(
        [sys.executable, "-c", script, str(recordings), str(data_set)], capture_output=True, text=True, check=False
    )
    assert result.stdout.startswith("refused: "), result.stderr
    assert f".work/{place}/" in result.stdout
    assert "could not be written" in result.stdout
    after = {name: data for name, data in tree(data_set).items() if not name.startswith(".work/")}
    assert after == before
    run(recordings, data_set)
    assert "attic" in {row["recording_id"] for row in all_rows(data_set)}
    assert not (data_set / ".work").exists()


def test_what_comes_back_changed_is_not_published(
    three_recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = assembly.verify_shard

    def lying(shard: Any) -> Any:
        return {name: (group, digests[:-1]) for name, (group, digests) in original(shard).items()}

    monkeypatch.setattr(assembly, "verify_shard", lying)
    with pytest.raises(OutputError, match="its rows came back from the disk changed"):
        run(three_recordings, tmp_path / "out")
    assert not (tmp_path / "out" / "data").exists()


# the output folder


def test_data_of_somebody_else_is_left_alone(three_recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"found data but no manifest.json"):
        run(three_recordings, tmp_path)
    assert tree(tmp_path) == {"data/train.csv": b"mine"}


def test_a_manifest_that_was_edited_is_refused(three_recordings: Path, data_set: Path) -> None:
    path = data_set / "manifest.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"split": "train"', '"split": "test"'), encoding="utf-8")
    with pytest.raises(
        InputError, match="dataset_fingerprint: found one that does not belong to the recordings listed"
    ):
        run(three_recordings, data_set)
    path.write_text(text[:100], encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.json: found .* expected a manifest of version 1"):
        run(three_recordings, data_set)


def test_two_runs_cannot_write_at_once(three_recordings: Path, tmp_path: Path) -> None:
    with sole_writer(tmp_path / "out"), pytest.raises(AvbenchError, match="another avbench command is writing to it"):
        run(three_recordings, tmp_path / "out")


def test_an_output_that_is_a_file_is_told(three_recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match=r"could not be written .*; a file is where a folder should be"):
        run(three_recordings, tmp_path / "out")


# code and command


def test_all_code_that_makes_rows_counts() -> None:
    """Every module that is loaded to make rows is either part of the code's hash or known not to matter."""
    script = (
        "import sys; import avbench.preprocessing.prepare.recording_part, avbench.preprocessing.sources.folder.layout;"
        "print(*(n for n in sys.modules if n.startswith('avbench.preprocessing.')))"
    )
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    root = Path(recording_part.__file__).parents[1]
    names = [name.removeprefix("avbench.preprocessing.").replace(".", "/") for name in printed.split()]
    modules = {f"{name}.py" for name in names if (root / f"{name}.py").is_file()}
    counted = {name for name in modules if name.split("/")[0] in recording_part.ROW_ROOMS}
    assert len(counted) > 25
    # Wording, file handling and records have no say in a row.
    assert modules - counted - set(recording_part.ROW_FILES) == {
        "base/atomic.py",
        "base/documents.py",
        "base/errors.py",
        "base/source_code.py",
        "base/structure.py",
        "format/manifest.py",
        "format/shard_file.py",
        "prepare/part_record.py",
    }
    assert all((root / name).is_file() for name in recording_part.ROW_FILES)
    assert len(preparation_code()) == 64


@pytest.mark.parametrize(
    ("name", "text", "counts"),
    [
        ("sources/aria/vrs.py", "\n# a comment\n", False),
        ("cli/prepare.py", "\nCHANGED = 1\n", False),
        ("simulate/write.py", "\nCHANGED = 1\n", False),
        ("sources/folder/layout.py", "\nCHANGED = 1\n", True),
        ("media/sound/source.py", "\nCHANGED = 1\n", True),
        ("base/geometry.py", "\nCHANGED = 1\n", True),
    ],
)
def test_only_code_that_makes_rows_changes_the_fingerprint(tmp_path: Path, name: str, text: str, counts: bool) -> None:
    area = tmp_path / "preprocessing"
    shutil.copytree(Path(recording_part.__file__).parents[1], area, ignore=shutil.ignore_patterns("__pycache__"))
    before = recording_part.row_code_sha256(area)
    (area / name).write_text((area / name).read_text() + text)
    assert (recording_part.row_code_sha256(area) != before) is counts


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(prepare_command, [str(argument) for argument in arguments])


OPTIONS = (
    "--size",
    WIDTH_PX,
    "--clip-seconds",
    0.2,
    "--max-pose-gap",
    0.15,
    "--pairs-per-recording",
    8,
    "--max-gap",
    1.5,
    "--shard-mb",
    0.12,
    "--jobs",
    1,
)


def test_the_command_makes_the_same_data_set(three_recordings: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "walks"
    result = invoke(three_recordings, "-o", out, *OPTIONS)
    assert result.exit_code == 0, result.output
    assert tree(out) == tree(finished)
    assert "recordings  3 made, 0 reused, 0 refused" in result.stdout
    assert f"data set    {out}" in result.stdout
    manifest = read_manifest(out)
    assert manifest is not None
    assert manifest.dataset_fingerprint in result.stdout
    again = invoke(three_recordings, "-o", out, *OPTIONS)
    assert again.exit_code == 0
    assert "0 made, 3 reused" in again.stdout
    assert "nothing new" in again.stdout


def test_the_command_names_what_failed_and_exits_with_1(recordings: Path, tmp_path: Path) -> None:
    write_recording(recordings, "mute", channels=0)
    (recordings / "mute.mp3").write_bytes(b"its sound")
    result = invoke(recordings, "-o", tmp_path / "out", *OPTIONS)
    assert result.exit_code == 1
    assert "refused: mute: found no sound" in result.stderr
    assert "note: mute: mute.mp3: a kind of sound file that is not read; export it as WAV or FLAC" in result.stderr
    assert "3 made, 0 reused, 1 refused" in result.stdout
    assert "Traceback" not in result.output
    assert len(all_rows(tmp_path / "out")) == 24


def test_the_command_with_nothing_good(tmp_path: Path) -> None:
    write_recording(tmp_path / "recordings", "mute", channels=0)
    result = invoke(tmp_path / "recordings", "-o", tmp_path / "out", *OPTIONS)
    assert result.exit_code == 1
    assert "no recording could be prepared" in result.stdout


def test_the_help_has_an_example_and_every_option_a_text() -> None:
    result = invoke("--help")
    assert "avbench prepare recordings/ -o data/" in result.stdout
    assert all(option.help for option in prepare_command.params if isinstance(option, click.Option))
