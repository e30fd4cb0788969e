"""The folder layout: finding recordings, putting their clocks together, and refusing what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.format.sound_clip import cut_clip
from avbench.preprocessing.media.sound.clock import coverage_notes
from avbench.preprocessing.prepare.recording_part import PrepareSettings, fingerprint
from avbench.preprocessing.recording.recording import ArrayKind, Recording, Scale, UpSource
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef, SourceOptions
from avbench.preprocessing.sources.find import find_recordings, open_recording
from media_files import HEIGHT_PX, TICKS, WIDTH_PX, number_of, write_video
from memory_recording import MemorySound

RATE_HZ = 48_000
START_S = 2.0  # the video's clock does not begin at zero
FRAMES = 30
CAMERA = f"[camera]\nwidth = {WIDTH_PX}\nheight = {HEIGHT_PX}\nfx = 100\nfy = 100\ncx = 63.5\ncy = 47.5\n"
RIG = 'licence = "CC0-1.0"\ngroup = "house"\n' + CAMERA + '[trajectory]\nscale = "metric"\n'
MICROPHONES = '[microphones]\narray_kind = "microphones"\n'


def write_recording(
    folder: Path, name: str = "walk", *, channels: int = 2, rig: str | None = RIG, seconds: float = 1.0
) -> Path:
    """A video of a second from 2 s on, one pose every 50 ms, and a sound file."""
    folder.mkdir(parents=True, exist_ok=True)
    ticks = [int((START_S + i / FRAMES) / TICKS) for i in range(FRAMES)]
    write_video(folder / f"{name}.mp4", ticks)
    poses = [f"{START_S + 0.05 * i:.3f} 0 0 {0.1 * i:.1f} 0 0 0 1" for i in range(21)]
    (folder / f"{name}.tum").write_text("\n".join(poses), encoding="utf-8")
    if channels:
        samples = np.random.default_rng(1).integers(-(2**15), 2**15, (round(RATE_HZ * seconds), channels), np.int16)
        soundfile.write(folder / f"{name}.wav", samples, RATE_HZ, subtype="PCM_16")
    if rig is not None:
        (folder / f"{name}.toml").write_text(rig, encoding="utf-8")
    return folder


def open_only(folder: Path) -> Recording:
    (ref,) = find_recordings(folder, SourceOptions())
    return open_recording(ref, SourceOptions())


# --- a good recording ----------------------------------------------------------------------------------------------


def test_a_recording(tmp_path: Path) -> None:
    recording = open_only(write_recording(tmp_path))
    assert recording.recording_id == "walk"
    assert (recording.group_id, recording.licence, recording.source) == ("house", "CC0-1.0", "folder")
    assert recording.frames.time_ns[0] == pytest.approx(2.0e9, abs=1e5)
    assert [number_of(frame.image) for frame in recording.frames.read([0, 7, 29])] == [0, 7, 29]
    assert recording.trajectory.time_ns[[0, -1]].tolist() == [2_000_000_000, 3_000_000_000]
    assert recording.trajectory.scale is Scale.METRIC
    assert recording.sound is not None
    assert recording.sound.channels == 2
    assert recording.rig is not None
    assert recording.rig.array_kind is ArrayKind.STEREO
    assert (recording.split, recording.up_source, recording.up_camera) == (None, None, None)
    assert (recording.sync_offset_ns, recording.sync_sigma_ns) == (0, None)
    assert recording.notes == ()


def test_a_sound_file_begins_with_the_first_frame(tmp_path: Path) -> None:
    recording = open_only(write_recording(tmp_path))
    assert recording.sound is not None
    assert recording.sound.start_ns == recording.frames.time_ns[0]


def test_poses_may_be_a_txt_file_which_counts_for_nothing_beside_another(tmp_path: Path) -> None:
    folder = write_recording(tmp_path)
    (folder / "walk.tum").rename(folder / "walk.txt")
    assert open_only(folder).trajectory.time_ns[0] == 2_000_000_000
    (folder / "walk.txt").rename(folder / "walk.tum")
    (folder / "walk.txt").write_text("Filmed in the kitchen.")
    assert open_only(folder).trajectory.time_ns[0] == 2_000_000_000


def test_the_first_pose_moves_to_the_first_frame_when_that_is_stated(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, rig=RIG + '[time]\nfirst_pose = "first_frame"\n')
    rows = [f"{1700000000 + 0.05 * i:.3f} 0 0 {0.1 * i:.1f} 0 0 0 1" for i in range(21)]
    (folder / "walk.tum").write_text("\n".join(rows))
    recording = open_only(folder)
    assert recording.trajectory.time_ns[0] == recording.frames.time_ns[0]
    assert recording.trajectory.time_ns[20] - recording.trajectory.time_ns[0] == 1_000_000_000


def test_offsets_are_added(tmp_path: Path) -> None:
    rig = RIG + "[time]\nsound_offset_s = -0.25\ntrajectory_offset_s = 0.001\nsync_sigma_s = 0.004\n"
    recording = open_only(write_recording(tmp_path, rig=rig))
    assert recording.sound is not None
    assert recording.sound.start_ns == recording.frames.time_ns[0] - 250_000_000
    assert recording.sync_offset_ns == -250_000_000
    assert recording.sync_sigma_ns == 4_000_000
    assert recording.trajectory.time_ns[0] == 2_001_000_000


def test_sound_is_bit_exact_in_all_channels(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, channels=7, rig=RIG + MICROPHONES)
    recording = open_only(folder)
    assert recording.sound is not None
    written, _ = soundfile.read(folder / "walk.wav", dtype="int16")
    np.testing.assert_array_equal(recording.sound.read(100, 2100), written[100:2100])


def test_microphone_positions(tmp_path: Path) -> None:
    positions = [[0.01 * i, 0.02, -0.03] for i in range(7)]
    rig = RIG + MICROPHONES + f"positions_m = {positions}\n"
    recording = open_only(write_recording(tmp_path, channels=7, rig=rig))
    assert recording.rig is not None
    assert recording.rig.mic_positions_m is not None
    np.testing.assert_allclose(recording.rig.mic_positions_m, positions)


def test_sound_that_contradicts_the_places_of_the_microphones_is_said(tmp_path: Path) -> None:
    # A square of 10 cm that is said to be one of 10 m, and a fifth channel that is said to lie where the first does.
    square = np.array([[-5, 0, -5], [5, 0, -5], [5, 0, 5], [-5, 0, 5], [-5, 0, -5]])
    rig = RIG + MICROPHONES + f"positions_m = {square.tolist()}\nlarge_array = true\n"
    folder = write_recording(tmp_path, channels=5, rig=rig)
    source = np.random.default_rng(2).normal(0, 3000, RATE_HZ)
    # Delays in samples of a wave from 60 degrees to the right.
    delays = np.round(-(0.01 * square @ [0.866, 0.0, 0.5]) / 343.0 * RATE_HZ).astype(int)
    samples = np.stack([np.roll(source, delay) for delay in delays], axis=1)
    soundfile.write(folder / "walk.wav", samples.astype(np.int16), RATE_HZ, subtype="PCM_16")
    doubled, shorter = open_only(folder).notes
    assert "walk.toml: microphones.positions_m: channels 1 and 5 are in one place" in doubled
    assert "walk.wav: the delays between its channels are about " in shorter
    assert "times shorter than those of microphones 14.1 m apart" in shorter
    assert float(shorter.split(" about ")[1].split()[0]) == pytest.approx(100, rel=0.1)


def test_no_sound_is_for_the_pipeline_to_judge(tmp_path: Path) -> None:
    recording = open_only(write_recording(tmp_path, channels=0))
    assert recording.sound is None
    assert recording.rig is None


def test_one_channel(tmp_path: Path) -> None:
    recording = open_only(write_recording(tmp_path, channels=1))
    assert recording.rig is not None
    assert recording.rig.array_kind is ArrayKind.MICROPHONES


def test_up_in_the_world(tmp_path: Path) -> None:
    recording = open_only(write_recording(tmp_path, rig=RIG + "world_up = [0, -3, 0]\n"))
    assert recording.up_source is UpSource.TRAJECTORY
    assert recording.trajectory.up_world is not None
    assert recording.trajectory.up_world.tolist() == [0.0, -1.0, 0.0]


def write_up_columns(folder: Path) -> None:
    (folder / "walk.tum").unlink()
    rows = "".join(f"{START_S + 0.05 * i},1,0,0,0,0,-1,0\n" for i in range(21))
    (folder / "walk.csv").write_text("t_s,qw,qx,qy,qz,up_x_camera,up_y_camera,up_z_camera\n" + rows, encoding="utf-8")


def test_up_in_the_camera(tmp_path: Path) -> None:
    rig = CAMERA + '[trajectory]\nup_source = "simulated"\n'
    write_up_columns(write_recording(tmp_path, rig=rig))
    recording = open_only(tmp_path)
    assert recording.up_source is UpSource.SIMULATED
    assert recording.up_camera is not None
    assert recording.up_camera[1].tolist() == [[0.0, -1.0, 0.0]] * 21
    assert recording.trajectory.scale is Scale.ROTATION_ONLY


def test_what_is_not_stated_is_said(tmp_path: Path) -> None:
    recording = open_only(write_recording(tmp_path, rig=CAMERA + '[trajectory]\nscale = "unknown"\n'))
    assert recording.licence == "unspecified"
    assert recording.group_id == "walk"
    assert len(recording.notes) == 3
    assert "positions of unknown scale are taken to be uncertain by" in recording.notes[0]
    assert "no licence stated" in recording.notes[1]
    assert "no group stated" in recording.notes[2]


def test_a_trajectory_of_a_part_of_the_video_is_said(tmp_path: Path) -> None:
    folder = write_recording(tmp_path)
    lines = (folder / "walk.tum").read_text().splitlines()
    (folder / "walk.tum").write_text("\n".join(lines[:5]))
    (note,) = open_only(folder).notes
    assert "walk.tum: poses for 7 of 30 frames" in note


# --- finding -------------------------------------------------------------------------------------------------------


def find(source: Path) -> list[RecordingRef]:
    return find_recordings(source, SourceOptions())


def test_folders_are_searched_and_ids_are_paths(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.MOV", "kitchen/x.mkv", "kitchen/late/x.avi", ".hidden/y.mp4", "kitchen/._x.mkv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    refs = find(tmp_path)
    assert [ref.recording_id for ref in refs] == ["a", "b", "kitchen/late/x", "kitchen/x"]
    assert {ref.layout for ref in refs} == {Layout.FOLDER}


def test_a_recording_lists_all_files_that_decide_it(tmp_path: Path) -> None:
    names = (
        "rig.toml",
        "k/rig.toml",
        "k/x.mp4",
        "k/x.wav",
        "k/x.tum",
        "k/x.toml",
        "other/rig.toml",
        "k/y.mp4",
        "k/x.txt",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    x, y = find(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in x.files] == [
        "rig.toml", "k/rig.toml", "k/x.mp4", "k/x.toml", "k/x.tum", "k/x.wav",
    ]  # fmt: skip
    assert [path.relative_to(tmp_path).as_posix() for path in y.files] == ["rig.toml", "k/rig.toml", "k/y.mp4"]


def test_common_rig_files_are_read_from_the_outside_in(tmp_path: Path) -> None:
    (tmp_path / "rig.toml").write_text('licence = "CC0-1.0"\ngroup = "house"\n' + CAMERA)
    write_recording(tmp_path / "kitchen", rig='split = "test"\n')
    (tmp_path / "kitchen" / "rig.toml").write_text('group = "kitchen"\n[trajectory]\nscale = "metric"\n')
    recording = open_only(tmp_path)
    assert (recording.recording_id, recording.group_id, recording.licence) == ("kitchen/walk", "kitchen", "CC0-1.0")
    assert recording.split == "test"


def test_a_common_rig_file_is_enough(tmp_path: Path) -> None:
    write_recording(tmp_path, rig=None)
    (tmp_path / "rig.toml").write_text(RIG)
    assert open_only(tmp_path).group_id == "house"


def test_a_single_video_is_a_source(tmp_path: Path) -> None:
    write_recording(tmp_path)
    (tmp_path / "other.mp4").touch()
    (ref,) = find(tmp_path / "walk.mp4")
    assert ref.recording_id == "walk"
    assert open_recording(ref, SourceOptions()).group_id == "house"


@pytest.mark.parametrize("files", [[], ["notes.txt"], ["walk.tum"], ["pyproject.toml"], ["rig.toml"], ["a.wav"]])
def test_a_folder_with_nothing_in_it(tmp_path: Path, files: list[str]) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"found no recording, expected <name>.mp4 .* see docs/folder_layout.md"):
        find(tmp_path)


def test_sources_that_are_no_recordings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing there"):
        find(tmp_path / "gone")
    (tmp_path / "walk.tum").touch()
    with pytest.raises(InputError, match="found no recording"):
        find(tmp_path / "walk.tum")


def test_a_vrs_file_makes_it_the_aria_layout_unless_rig_files_say_otherwise(tmp_path: Path) -> None:
    from avbench.preprocessing.sources.find import detect_layout

    (tmp_path / "preview.mp4").touch()
    assert detect_layout(tmp_path) is Layout.FOLDER
    (tmp_path / "take.vrs").touch()
    assert detect_layout(tmp_path) is Layout.ARIA
    assert detect_layout(tmp_path / "take.vrs") is Layout.ARIA
    (tmp_path / "preview.toml").touch()
    with pytest.raises(InputError, match=r"files of 2 layouts: aria \(take.vrs\), folder \(preview.toml\)"):
        detect_layout(tmp_path)


def test_the_trajectory_option_is_for_aria(tmp_path: Path) -> None:
    write_recording(tmp_path)
    with pytest.raises(InputError, match=r"given.csv: .*expected an Aria recording; put the trajectory beside"):
        find_recordings(tmp_path, SourceOptions(trajectory=Path("given.csv")))


# --- what does not fit ---------------------------------------------------------------------------------------------


def refused(folder: Path, message: str) -> None:
    with pytest.raises(AvbenchError, match=message) as caught:
        open_only(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("walk.tum", r"walk: found no trajectory file, expected walk.tum \(or \.csv, \.txt\)"),
        ("walk.toml", r"walk.mp4: found no rig file, expected walk.toml, or rig.toml for the whole folder"),
        ("walk.t*", r"walk: found no trajectory file, .* -- also \S*walk.mp4: found no rig file, expected walk.toml"),
        ("walk.mp4", r"walk: found no video file, expected walk.mp4 \(or \.m4v, "),
    ],
)
def test_missing_files(tmp_path: Path, missing: str, message: str) -> None:
    write_recording(tmp_path)
    for path in tmp_path.glob(missing):
        path.unlink()
    refused(tmp_path, message)


@pytest.mark.parametrize("suffix", [".wmv", ".FLV", ".insv"])
def test_a_video_of_a_kind_that_is_not_read_is_said_as_such(tmp_path: Path, suffix: str) -> None:
    write_recording(tmp_path)
    (tmp_path / "walk.mp4").rename(tmp_path / f"walk{suffix}")
    kind = rf"found walk{suffix}, a kind of video file that is not read, expected walk\.mp4 \(or .*; move its streams"
    refused(tmp_path, kind)
    (tmp_path / "walk.toml").rename(tmp_path / "rig.toml")  # nothing but the trajectory bears the video's name
    refused(tmp_path, kind)
    with pytest.raises(InputError, match=rf"no recording \(walk{suffix}: of a kind that is not read\)"):
        find_recordings(tmp_path / f"walk{suffix}", SourceOptions())


def test_a_sound_file_of_a_kind_that_is_not_read_is_said(tmp_path: Path) -> None:
    write_recording(tmp_path, channels=0)
    (tmp_path / "walk.m4a").write_bytes(b"sound")
    recording = open_only(tmp_path)
    assert any("walk.m4a: a kind of sound file that is not read" in note for note in recording.notes)


def test_links_to_folders_and_files_are_followed_and_circles_end(tmp_path: Path) -> None:
    source, disk = tmp_path / "source", tmp_path / "disk"
    write_recording(source / "one")
    write_recording(disk / "two")
    write_recording(disk / "three")
    (source / "two").symlink_to(disk / "two", target_is_directory=True)
    (source / "three").mkdir()
    for path in (disk / "three").iterdir():
        (source / "three" / path.name).symlink_to(path)
    (source / "again").symlink_to(source / "one", target_is_directory=True)
    (source / "one" / "up").symlink_to(source, target_is_directory=True)
    (disk / "two" / "self").symlink_to(disk / "two", target_is_directory=True)
    refs = find_recordings(source, SourceOptions())
    assert [ref.recording_id for ref in refs] == ["one/walk", "three/walk", "two/walk"]
    for ref in refs:
        assert open_recording(ref, SourceOptions()).frames.time_ns.size == FRAMES


def test_a_link_that_leads_nowhere_is_said(tmp_path: Path) -> None:
    write_recording(tmp_path / "take")
    (tmp_path / "take" / "walk.wav").unlink()
    (tmp_path / "take" / "walk.wav").symlink_to(tmp_path / "not mounted" / "walk.wav")
    (ref,) = find_recordings(tmp_path, SourceOptions())
    with pytest.raises(InputError, match=r"take/walk\.wav: found a link that leads nowhere"):
        fingerprint(ref, SourceOptions(), PrepareSettings())


@pytest.mark.parametrize(
    ("rate_hz", "stated_hz"), [("48017.8", 48_000), ("47952.047952", 48_000), ("44100", 44_100), ("48100.4", 48_100)]
)
def test_a_true_rate_of_the_sound_places_its_samples(tmp_path: Path, rate_hz: str, stated_hz: int) -> None:
    rig = RIG + f"[time]\nsound_rate_hz = {rate_hz}\nsound_offset_s = 0.25\n"
    recording = open_only(write_recording(tmp_path, rig=rig))
    sound = recording.sound
    assert sound is not None
    assert (sound.sample_rate_hz, float(sound.clock_rate_hz)) == (stated_hz, float(rate_hz))
    centre_s = 0.75
    clip = cut_clip(sound, recording.frames.time_ns[0] + round(centre_s * 1e9), 0.1)
    count = round(0.1 * stated_hz)
    assert clip.samples.shape[0] == count
    written, _ = soundfile.read(tmp_path / "walk.wav", dtype="int16")
    first = round((centre_s - 0.25) * float(rate_hz) - count / 2)
    np.testing.assert_array_equal(clip.samples, written[first : first + count])
    assert any(f"clips say {stated_hz} Hz" in note for note in recording.notes)


@pytest.mark.parametrize("rate", ["0", "-1", '"48 kHz"', "2000", "true"])
def test_a_rate_that_cannot_be_is_refused(tmp_path: Path, rate: str) -> None:
    refused(write_recording(tmp_path, rig=RIG + f"[time]\nsound_rate_hz = {rate}\n"), r"time\.sound_rate_hz: found")


@pytest.mark.parametrize(
    ("seconds", "offset_s", "said"),
    [(1.0, 0.0, False), (1.09, 0.0, False), (1.0, 0.09, False), (1.3, 0.0, True), (0.8, 0.0, True), (1.0, -0.3, True)],
)
def test_lengths_of_sound_and_pictures_are_compared(
    tmp_path: Path, seconds: float, offset_s: float, said: bool
) -> None:
    rig = RIG + f"[time]\nsound_offset_s = {offset_s}\n"
    notes = open_only(write_recording(tmp_path, rig=rig, seconds=seconds)).notes
    assert any(f"its sound lasts {seconds:.3f} s" in note and "the pictures 1.000 s" in note for note in notes) == said


def test_the_rate_that_would_fit_is_named() -> None:
    times_ns = np.arange(0, 600 * 10**9, 10**8, dtype=np.int64)
    for samples, named in (
        (
            600 * 44_100,
            "44100 Hz instead of 48000 Hz would fit: if the device ran at that, state",
        ),
        (600 * 48_018, "by 375 parts per million: state time.sound_rate_hz = 48018.0"),
    ):
        sound = MemorySound(np.zeros((samples, 1), np.int16), 48_000, start_ns=0)
        (note,) = coverage_notes("x.wav", sound, times_ns)
        assert named in note
        assert "the pictures 600.000 s" in note
    cut = MemorySound(np.zeros((310 * 48_000, 1), np.int16), 48_000, start_ns=0)
    (note,) = coverage_notes("x.wav", cut, times_ns)
    assert "state time" not in note


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("walk.csv", r"walk: found walk.csv and walk.tum, expected one trajectory file"),
        ("walk.flac", r"walk: found walk.flac and walk.wav, expected one sound file"),
        ("walk.MOV", r"walk: found walk.MOV and walk.mp4, expected one video file"),
    ],
)
def test_doubled_files(tmp_path: Path, second: str, message: str) -> None:
    write_recording(tmp_path)
    (tmp_path / second).touch()
    refused(tmp_path, message)


def test_five_positions_for_seven_channels(tmp_path: Path) -> None:
    rig = RIG + MICROPHONES + f"positions_m = {[[0.1 * i, 0, 0] for i in range(5)]}\n"
    write_recording(tmp_path, channels=7, rig=rig)
    refused(tmp_path, r"positions_m: found 5 positions, expected 7, one for each channel of walk.wav")


@pytest.mark.parametrize(
    ("channels", "text", "message"),
    [
        (7, "", r"array_kind: found nothing, expected what the 7 channels of walk.wav are"),
        (2, '[microphones]\narray_kind = "ambisonic"\n', r"found ambisonic for the 2 channels of walk.wav, expected 4"),
        (4, '[microphones]\narray_kind = "binaural"\n', r"found binaural for the 4 channels of walk.wav, expected 2"),
    ],
)
def test_kinds_of_channels(tmp_path: Path, channels: int, text: str, message: str) -> None:
    write_recording(tmp_path, channels=channels, rig=RIG + text)
    refused(tmp_path, message)


@pytest.mark.parametrize("offset_s", [-2.0, 1.5, 1.7e9])
def test_a_trajectory_at_another_time(tmp_path: Path, offset_s: float) -> None:
    write_recording(tmp_path, rig=RIG + f"[time]\ntrajectory_offset_s = {offset_s}\n")
    refused(
        tmp_path, r"walk.tum: found poses from .* expected poses during the video, 2.0\d* to 2.9\d* s; set time.traj"
    )


def test_sound_at_another_time(tmp_path: Path) -> None:
    write_recording(tmp_path, rig=RIG + "[time]\nsound_offset_s = 60\n")
    refused(tmp_path, r"walk.wav: found sound from 62.0\d* to 63.0\d* s, expected sound during the video, 2.0")


@pytest.mark.parametrize(
    ("width", "height", "hint"),
    [
        (HEIGHT_PX, WIDTH_PX, "if the picture lies on its side, set camera.turn_deg"),
        (2 * WIDTH_PX, 2 * HEIGHT_PX, r"scaled by 0.5, give fx, fy times that and cx = 31.5, cy = 23.5"),
        (WIDTH_PX, HEIGHT_PX - 8, "a crop or another mode of the camera"),
    ],
)
def test_intrinsics_of_another_picture(tmp_path: Path, width: int, height: int, hint: str) -> None:
    rig = RIG.replace(f"width = {WIDTH_PX}", f"width = {width}").replace(f"height = {HEIGHT_PX}", f"height = {height}")
    write_recording(tmp_path, rig=rig)
    refused(tmp_path, rf"camera.width, camera.height: found {width} x {height}, expected 128 x 96 .*{hint}")


@pytest.mark.parametrize(
    ("coefficients", "message"),
    [
        ("[-6.0, 0, 0, 0]", r"a lens model that leaves \d+ % of the picture's width, expected 50 % or more"),
        ("[-5000.0, 0, 0, 0]", r"lens model shows less than 1/16 of the picture"),
    ],
)
def test_lens_models_that_cannot_be(tmp_path: Path, coefficients: str, message: str) -> None:
    lens = f'distortion = "brown_conrady"\ncoefficients = {coefficients}\n'
    write_recording(tmp_path, rig=RIG.replace("[trajectory]", lens + "[trajectory]"))
    refused(tmp_path, message)


def test_up_vectors_and_their_source_go_together(tmp_path: Path) -> None:
    write_recording(tmp_path / "a", rig=RIG + 'up_source = "imu"\n')
    refused(tmp_path / "a", r"up_source: found imu and no up vector")
    write_up_columns(write_recording(tmp_path / "b", rig=CAMERA))
    refused(tmp_path / "b", r"up_source: found nothing, expected imu or simulated")
    write_up_columns(write_recording(tmp_path / "c", rig=CAMERA + "[trajectory]\nworld_up = [0, 0, 1]\n"))
    refused(tmp_path / "c", r"found trajectory.world_up and up_x_camera columns, expected one of them")


@pytest.mark.parametrize("content", [b"", b"RIFF"])
def test_broken_sound(tmp_path: Path, content: bytes) -> None:
    write_recording(tmp_path)
    (tmp_path / "walk.wav").write_bytes(content)
    refused(tmp_path, r"walk.wav: found")


def test_broken_video(tmp_path: Path) -> None:
    write_recording(tmp_path)
    (tmp_path / "walk.mp4").write_bytes(b"")
    refused(tmp_path, r"walk.mp4: found")


# --- real ----------------------------------------------------------------------------------------------------------


def gopro(folder: Path, data: Path, **files: Any) -> Recording:
    (folder / "walk.mp4").symlink_to(data / "max-heromode.mp4")
    (folder / "walk.csv").symlink_to(data / files["trajectory"])
    (folder / "walk.toml").write_text(
        'licence = "Apache-2.0 OR MIT"\ngroup = "path"\n'
        "[camera]\nwidth = 848\nheight = 480\nfx = 405\nfy = 405\ncx = 424\ncy = 240\n"
        'distortion = "kannala_brandt"\ncoefficients = [0, 0, 0, 0]\n' + files["text"]
    )
    return open_only(folder)


def test_gopro_orientation(tmp_path: Path, shared_data: Path) -> None:
    text = '[trajectory]\npose_source = "gpmf_orientation"\n'
    recording = gopro(tmp_path, shared_data / "gopro_max", trajectory="orientation.csv", text=text)
    assert recording.trajectory.scale is Scale.ROTATION_ONLY
    assert recording.trajectory.pose_source == "gpmf_orientation"
    assert len(recording.frames.time_ns) == len(recording.trajectory.time_ns) == 315
    np.testing.assert_allclose(recording.trajectory.time_ns, recording.frames.time_ns, atol=1e6)
    assert recording.sound is not None
    assert (recording.sound.channels, recording.sound.sample_rate_hz) == (2, 48_000)
    (note,) = recording.notes  # an MP4 without edit list
    assert "its aac sound may come late by about 21.3 ms" in note


def test_gopro_structure_from_motion(tmp_path: Path, shared_data: Path) -> None:
    text = '[trajectory]\nscale = "metric"\npose_source = "sfm"\n'
    recording = gopro(tmp_path, shared_data / "gopro_max", trajectory="sfm_pseudo_gt.csv", text=text)
    assert recording.trajectory.scale is Scale.METRIC
    assert len(recording.trajectory.time_ns) == 45
