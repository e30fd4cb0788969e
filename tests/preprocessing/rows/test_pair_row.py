"""One pair to one row: labels, pictures, clips, up vectors and strata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation, make_transform, rotation_from_quaternion_xyzw
from avbench.preprocessing.format.picture import (
    PictureFormat,
    brightness,
    decode_picture,
    encode_picture,
    sharpness,
)
from avbench.preprocessing.format.schema import table_from_rows
from avbench.preprocessing.format.sound_clip import cut_clip, decode_clip
from avbench.preprocessing.recording.recording import (
    AmbisonicConvention,
    ArrayKind,
    Camera,
    Recording,
    Rig,
    Scale,
    UpSource,
)
from avbench.preprocessing.rows.make import (
    AudioMode,
    RowSettings,
    direction_sigma_deg,
    interpolate_directions,
    moments_of,
    pair_rows,
    poses_of_frames,
    sound_is_enough,
    view_overlap,
)
from memory_recording import (
    CLOCK_ZERO_NS,
    HEIGHT,
    WIDTH,
    MemoryFrames,
    MemorySound,
    counting_sound,
    make_recording,
    paint,
)

SETTINGS = RowSettings(size_px=WIDTH, picture=PictureFormat.PNG, clip_seconds=0.5, max_pose_gap_s=0.15)


def rows_of(
    recording: Recording, indices: list[tuple[int, int]], settings: RowSettings = SETTINGS
) -> list[dict[str, Any]]:
    poses = poses_of_frames(recording, settings)
    return list(pair_rows(recording, poses, np.array(indices, dtype=np.int64).reshape(-1, 2), settings))


# labels


def test_label_of_a_forward_walk_with_a_right_turn() -> None:
    # Between 1.0 s and 2.0 s the camera turns from 10 to 20 degrees and moves 0.5 m to where it looked at 0 s.
    (row,) = rows_of(make_recording(), [(10, 20)])
    assert np.allclose(row["rotation_a_b"], axis_rotation("y", 10.0), atol=1e-12)
    expected = 0.5 * np.array([-np.sin(np.radians(10.0)), 0.0, np.cos(np.radians(10.0))])
    assert np.allclose(row["translation_a_b_m"], expected, atol=1e-12)
    assert row["rotation_deg"] == pytest.approx(10.0, abs=1e-9)
    assert row["baseline_m"] == pytest.approx(0.5, abs=1e-12)
    assert row["direction_sigma_deg"] == pytest.approx(np.degrees(np.arctan(0.02)))
    assert row["pose_sigma_deg"] == 0.2
    assert (row["scale"], row["pose_source"]) == ("metric", "measured")


def test_pure_forward_motion_is_plus_z() -> None:
    recording = make_recording()
    straight = recording.trajectory.T_world_camera.copy()
    straight[:, :3, :3] = straight[0, :3, :3]
    (row,) = rows_of(replace(recording, trajectory=replace(recording.trajectory, T_world_camera=straight)), [(3, 9)])
    assert np.allclose(row["translation_a_b_m"], [0.0, 0.0, 0.3], atol=1e-12)


@given(
    st.lists(st.floats(-100.0, 100.0), min_size=3, max_size=3),
    st.lists(st.floats(-1.0, 1.0), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1),
)
def test_where_the_world_begins_changes_no_label(origin: list[float], turn: list[float]) -> None:
    recording = make_recording(sound=None)
    moved = make_transform(rotation_from_quaternion_xyzw(turn), origin) @ recording.trajectory.T_world_camera
    pairs = [(0, 7), (5, 20)]
    settings = replace(SETTINGS, audio=AudioMode.OPTIONAL)
    other = replace(recording, trajectory=replace(recording.trajectory, T_world_camera=moved))
    for before, after in zip(rows_of(recording, pairs, settings), rows_of(other, pairs, settings), strict=True):
        for name in ("rotation_a_b", "translation_a_b_m", "rotation_deg", "baseline_m", "view_overlap"):
            assert np.allclose(before[name], after[name], rtol=0, atol=1e-9), name


def test_poses_read_the_wrong_way_round_give_another_label() -> None:
    recording = make_recording()
    wrong = np.linalg.inv(recording.trajectory.T_world_camera)
    (right_row,) = rows_of(recording, [(10, 20)])
    (wrong_row,) = rows_of(
        replace(recording, trajectory=replace(recording.trajectory, T_world_camera=wrong)), [(10, 20)]
    )
    assert not np.allclose(right_row["rotation_a_b"], wrong_row["rotation_a_b"], atol=1e-3)
    assert not np.allclose(right_row["translation_a_b_m"], wrong_row["translation_a_b_m"], atol=1e-3)


def test_rotation_only_has_no_translation_and_no_baseline() -> None:
    recording = make_recording(scale=Scale.ROTATION_ONLY)
    (row,) = rows_of(recording, [(10, 20)])
    assert row["translation_a_b_m"] == [0.0, 0.0, 0.0]
    assert (row["scale"], row["baseline_m"], row["direction_sigma_deg"]) == ("rotation_only", None, None)


def test_unknown_scale_keeps_the_direction_and_gives_no_baseline() -> None:
    (row,) = rows_of(make_recording(scale=Scale.UNKNOWN), [(10, 20)])
    assert np.linalg.norm(row["translation_a_b_m"]) == pytest.approx(0.5)
    assert (row["scale"], row["baseline_m"], row["direction_sigma_deg"]) == ("unknown", None, None)


def test_a_recording_without_frames_between_poses_is_left_alone() -> None:
    recording = make_recording()
    thin = replace(
        recording.trajectory,
        time_ns=recording.trajectory.time_ns[::4],
        T_world_camera=recording.trajectory.T_world_camera[::4],
    )
    poses = poses_of_frames(replace(recording, trajectory=thin), SETTINGS)  # 0.4 s apart, 0.15 s allowed
    assert poses.valid.tolist() == [index % 4 == 0 for index in range(40)]


def test_quality_is_the_lower_of_the_two() -> None:
    recording = make_recording()
    quality = np.linspace(1.0, 0.0, 40)
    (row,) = rows_of(replace(recording, trajectory=replace(recording.trajectory, quality=quality)), [(10, 20)])
    assert row["pose_quality"] == pytest.approx(quality[20])
    assert rows_of(recording, [(10, 20)])[0]["pose_quality"] is None


def test_direction_sigma() -> None:
    assert direction_sigma_deg(0.01, 1.0) == pytest.approx(0.01 * 180 / np.pi, rel=1e-4)
    assert direction_sigma_deg(0.01, 0.0) == pytest.approx(90.0)
    assert direction_sigma_deg(0.0, 0.0) == 0.0
    assert direction_sigma_deg(None, 1.0) is None
    assert direction_sigma_deg(0.01, None) is None


# identity, times and pictures


def test_identity_and_times() -> None:
    (row,) = rows_of(make_recording("r7", group_id="office"), [(10, 20)])
    assert row["pair_id"] == "r7:4000000000-5000000000"
    assert (row["recording_id"], row["group_id"], row["source"], row["licence"]) == (
        "r7",
        "office",
        "memory",
        "CC0-1.0",
    )
    assert (row["time_a_ns"], row["time_b_ns"], row["gap_s"]) == (4_000_000_000, 5_000_000_000, 1.0)


def test_pictures_and_intrinsics() -> None:
    (row,) = rows_of(make_recording(), [(10, 20)])
    for name, index in (("image_a", 10), ("image_b", 20)):
        assert np.array_equal(decode_picture(row[name]["bytes"], name), paint(index))
    assert (row["width_px"], row["height_px"]) == (WIDTH, HEIGHT)
    assert (row["fx_px"], row["fy_px"], row["cx_px"], row["cy_px"]) == (80.0, 84.0, 46.0, 33.25)
    for view, index in (("a", 10), ("b", 20)):
        assert row[f"sharpness_{view}"] == sharpness(paint(index))
        assert row[f"brightness_{view}"] == brightness(paint(index))


def test_strata_are_those_of_the_stored_picture() -> None:
    (row,) = rows_of(make_recording(), [(10, 20)], replace(SETTINGS, picture=PictureFormat.JPEG, quality=30))
    stored = decode_picture(row["image_a"]["bytes"], "a")
    assert row["sharpness_a"] == sharpness(stored) != sharpness(paint(10))


def test_rows_come_in_order_and_each_frame_is_decoded_once() -> None:
    read: list[int] = []

    class Watched(MemoryFrames):
        def read(self, indices: Any, **options: Any) -> Iterator[Any]:
            read.extend(indices)
            return super().read(indices, **options)

    recording = make_recording()
    pairs = [(2, 5), (2, 6), (5, 6), (1, 9), (6, 9)]
    rows = rows_of(replace(recording, frames=Watched(recording.frames.time_ns)), pairs)
    stamps = [CLOCK_ZERO_NS + 100_000_000 * index for index in range(40)]
    assert [(row["time_a_ns"], row["time_b_ns"]) for row in rows] == [(stamps[a], stamps[b]) for a, b in pairs]
    assert read == [1, 2, 5, 6, 9]
    for row, (a, b) in zip(rows, pairs, strict=True):
        assert np.array_equal(decode_picture(row["image_a"]["bytes"], "a"), paint(a))
        assert np.array_equal(decode_picture(row["image_b"]["bytes"], "b"), paint(b))


@dataclass(frozen=True)
class BrokenSound(MemorySound):
    """Sound that cannot be read around one sample."""

    broken: int = 0

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        if start <= self.broken < stop:
            raise InputError("sound", found="damage", expected="samples that decode")
        return super().read(start, stop)


def test_a_clip_that_cannot_be_read_costs_its_pairs_only() -> None:
    recording = make_recording(sound=BrokenSound(counting_sound(4.0).data, broken=16_000))  # at 2.0 s, frame 20
    told: list[InputError] = []
    pairs = np.array([(2, 9), (9, 20), (17, 23), (2, 30)], dtype=np.int64)
    poses = poses_of_frames(recording, SETTINGS)
    rows = list(pair_rows(recording, poses, pairs, SETTINGS, on_error=told.append))
    zero = CLOCK_ZERO_NS
    assert [round((row["time_b_ns"] - zero) / 1e8) for row in rows] == [9, 23, 30]
    assert [error.found for error in told] == ["damage"]
    with pytest.raises(InputError, match="found damage"):
        list(pair_rows(recording, poses, pairs, SETTINGS))


@pytest.mark.parametrize(
    ("damaged", "kept"), [((5,), [(1, 9), (2, 9)]), ((9,), [(2, 5)]), ((2, 9), []), ((1, 2, 5, 9), [])]
)
def test_a_damaged_frame_costs_its_pairs_only(damaged: tuple[int, ...], kept: list[tuple[int, int]]) -> None:
    recording = make_recording()
    recording = replace(recording, frames=MemoryFrames(recording.frames.time_ns, damaged))
    pairs = np.array([(2, 5), (1, 9), (2, 9)])
    told: list[InputError] = []
    rows = list(pair_rows(recording, poses_of_frames(recording, SETTINGS), pairs, SETTINGS, on_error=told.append))
    stamps = [CLOCK_ZERO_NS + 100_000_000 * index for index in range(40)]
    assert [(row["time_a_ns"], row["time_b_ns"]) for row in rows] == [(stamps[a], stamps[b]) for a, b in kept]
    assert [error.where for error in told] == [f"frame {index}" for index in damaged]
    with pytest.raises(InputError, match=f"frame {damaged[0]}"):
        list(pair_rows(recording, poses_of_frames(recording, SETTINGS), pairs, SETTINGS))


def test_no_pairs_no_rows() -> None:
    assert rows_of(make_recording(), []) == []


def test_rows_fit_the_schema() -> None:
    rows = rows_of(make_recording(), [(10, 20), (11, 21)])
    assert table_from_rows(rows).num_rows == 2
    bare = rows_of(make_recording(sound=None), [(10, 20)], replace(SETTINGS, audio=AudioMode.OPTIONAL))
    assert table_from_rows(bare).num_rows == 1


# sound


def test_clips_are_centred_on_their_frames() -> None:
    (row,) = rows_of(make_recording(), [(10, 20)])
    for name, index in (("audio_a", 10), ("audio_b", 20)):
        clip = decode_clip(row[name]["bytes"], name)
        assert clip.samples.shape == (4000, 2)
        # The sound counts its samples from 1 at 8 kHz; the frame, at index / 10 s, is 2,000 samples into the clip.
        first = 800 * index - 2000
        assert clip.samples[0].tolist() == [1 + first, 1 + first + 1000]
        assert np.array_equal(clip.samples[:, 0], 1 + first + np.arange(4000))
    assert (row["audio_valid_start_a"], row["audio_valid_stop_a"]) == (0, 4000)
    assert (row["audio_sample_rate_hz"], row["audio_channels"], row["array_kind"]) == (8000, 2, "microphones")
    assert row["mic_positions_m"] == [[0.0, 0.01, 0.02], [0.03, 0.04, 0.05]]
    assert row["sync_offset_ms"] == 0.0


def test_a_clip_at_the_edge_is_padded_and_says_so() -> None:
    (row,) = rows_of(make_recording(), [(0, 39)])  # sound from 0 to 4 s, frames at 0 and 3.9 s
    assert (row["audio_valid_start_a"], row["audio_valid_stop_a"]) == (2000, 4000)
    assert (row["audio_valid_start_b"], row["audio_valid_stop_b"]) == (0, 2800)
    samples = decode_clip(row["audio_a"]["bytes"], "a").samples
    assert not samples[:2000].any()
    assert samples[2000:].all()
    # Padding does not lower the level: sample values of the valid part only.
    for view, valid in (("a", slice(2000, 4000)), ("b", slice(0, 2800))):
        heard = decode_clip(row[f"audio_{view}"]["bytes"], view).samples[valid].astype(np.float64) / 2**15
        assert row[f"level_{view}_dbfs"] == pytest.approx(20 * np.log10(np.sqrt(np.mean(heard**2))), abs=1e-6)


def test_under_half_a_clip_counts_as_missing() -> None:
    short = counting_sound(1.0)  # clips of 0.5 s are half full up to frame 10
    recording = make_recording(sound=short)
    moments = moments_of(recording, poses_of_frames(recording, SETTINGS), SETTINGS)
    assert moments.has_sound.tolist() == [index <= 10 for index in range(40)]
    partial = replace(SETTINGS, allow_partial_audio=True)
    moments = moments_of(recording, poses_of_frames(recording, partial), partial)
    assert moments.has_sound.tolist() == [index <= 12 for index in range(40)]
    optional = replace(SETTINGS, audio=AudioMode.OPTIONAL)
    assert moments_of(recording, poses_of_frames(recording, optional), optional).has_sound.all()
    both, one, none = rows_of(recording, [(5, 9), (9, 20), (20, 30)], optional)
    assert [row["audio_a"] is None for row in (both, one, none)] == [False, False, True]
    assert [row["audio_b"] is None for row in (both, one, none)] == [False, True, True]
    assert one["audio_channels"] == 2
    assert one["audio_valid_stop_b"] is None
    for name in ("audio_channels", "audio_sample_rate_hz", "array_kind", "mic_positions_m", "sync_offset_ms"):
        assert none[name] is None


@given(
    st.integers(-10_000, 30_000), st.integers(1, 24_000), st.sampled_from([8000, 11025, 48000]), st.floats(0.01, 1.5)
)
def test_what_is_enough_agrees_with_the_clip_that_is_cut(offset: int, samples: int, rate: int, seconds: float) -> None:
    sound = counting_sound(samples / rate, channels=1, rate_hz=rate)
    centre_ns = sound.start_ns + round(offset * 1e9 / rate)
    settings = replace(SETTINGS, clip_seconds=seconds)
    clip = cut_clip(sound, centre_ns, seconds)
    valid = clip.valid_stop - clip.valid_start
    enough = bool(sound_is_enough(sound, np.array([centre_ns]), settings)[0])
    if abs(valid - 0.5 * len(clip.samples)) > 2:
        assert enough == (valid > 0.5 * len(clip.samples))


def test_no_sound_at_all() -> None:
    recording = make_recording(sound=None)
    with pytest.raises(
        InputError, match=r"walk: found no sound, expected a recording with sound; give --audio optional"
    ):
        moments_of(recording, poses_of_frames(recording, SETTINGS), SETTINGS)


def test_positions_that_do_not_fit_the_channels_are_refused() -> None:
    recording = make_recording()
    with pytest.raises(InputError, match="found 2 positions for 3 channels"):
        rows_of(replace(recording, sound=counting_sound(4.0, channels=3)), [(10, 20)])


@pytest.mark.parametrize(
    ("channels", "kind"), [(1, ArrayKind.MICROPHONES), (2, ArrayKind.STEREO), (4, ArrayKind.MICROPHONES)]
)
def test_without_a_rig_channels_are_named_by_their_number(channels: int, kind: ArrayKind) -> None:
    recording = replace(make_recording(sound=counting_sound(4.0, channels=channels)), rig=None)
    (row,) = rows_of(recording, [(10, 20)])
    assert row["array_kind"] == kind
    assert row["mic_positions_m"] is None
    assert row["ambisonic_convention"] is None


@pytest.mark.parametrize("convention", [None, *AmbisonicConvention])
def test_the_row_says_in_which_convention_ambisonic_channels_are(convention: AmbisonicConvention | None) -> None:
    rig = Rig(ArrayKind.AMBISONIC, None, convention)
    (row,) = rows_of(replace(make_recording(sound=counting_sound(3.0, channels=4)), rig=rig), [(10, 20)])
    assert row["ambisonic_convention"] == (convention or "acn_sn3d")
    table_from_rows([{**row, "split": "test"}])


# up


def test_up_from_the_trajectory_is_turned_into_the_camera() -> None:
    recording = make_recording()
    (row,) = rows_of(recording, [(10, 20)])
    assert row["up_source"] == "trajectory"
    assert np.allclose([row["up_a"], row["up_b"]], [[0.0, -1.0, 0.0]] * 2, atol=1e-12)  # a level camera
    up_world = np.array([1.2, -1.6, 0.0])
    trajectory = replace(recording.trajectory, up_world=up_world)
    (row,) = rows_of(replace(recording, trajectory=trajectory), [(10, 20)])
    for name, index in (("up_a", 10), ("up_b", 20)):
        assert np.allclose(trajectory.T_world_camera[index, :3, :3] @ row[name], up_world / 2.0, atol=1e-12)
    assert not np.allclose(row["up_a"], row["up_b"], atol=0.01)


def test_up_of_the_device_goes_before_the_trajectory() -> None:
    recording = make_recording()
    times = recording.frames.time_ns[::2] + 50_000_000
    up = np.tile([0.0, -3.0, 0.0], (20, 1))
    up[5] = [0.0, 0.0, -3.0]  # at 1.05 s, with neighbours at 0.85 and 1.25 s
    recording = replace(
        recording,
        up_camera=(times, up),
        up_source=UpSource.IMU,
        trajectory=replace(recording.trajectory, up_world=np.array([1.0, 0.0, 0.0])),
    )
    settings = replace(SETTINGS, max_pose_gap_s=0.25)
    (row,) = rows_of(recording, [(10, 20)], settings)
    assert row["up_source"] == "imu"
    assert np.allclose(row["up_a"], np.array([0.0, -0.25, -0.75]) / np.hypot(0.25, 0.75))
    assert np.allclose(row["up_b"], [0.0, -1.0, 0.0])


def test_up_is_for_both_frames_or_for_none() -> None:
    recording = make_recording()
    early = (recording.frames.time_ns[:15], np.tile([0.0, -1.0, 0.0], (15, 1)))
    whole, cut = rows_of(replace(recording, up_camera=early), [(5, 10), (10, 20)])
    assert (whole["up_source"], cut["up_source"]) == ("imu", None)
    assert cut["up_a"] is None
    assert cut["up_b"] is None


def test_directions_between_stamps() -> None:
    times = np.array([0, 100, 200, 1000], dtype=np.int64)
    vectors = np.array([[1.0, 0, 0], [0, 2.0, 0], [0, -1.0, 0], [0, 0, 1.0]])
    at = np.array([-6, -5, 0, 50, 100, 150, 200, 600, 1000, 1005, 1006], dtype=np.int64)
    found = interpolate_directions(times, vectors, at, max_gap_ns=100, tolerance_ns=5)
    half = np.sqrt(0.5)
    none = [np.nan] * 3
    expected: NDArray[np.float64] = np.array(
        # at 150 the neighbours cancel; at 600 they are too far apart
        [none, [1, 0, 0], [1, 0, 0], [half, half, 0], [0, 1, 0], none, [0, -1, 0], none, [0, 0, 1], [0, 0, 1], none]
    )
    assert np.allclose(found, expected, equal_nan=True)
    empty = np.empty(0, dtype=np.int64)
    assert np.isnan(interpolate_directions(empty, np.empty((0, 3)), at, max_gap_ns=1, tolerance_ns=1)).all()


# overlap

PINHOLE = Camera(640, 480, 500.0, 500.0, 319.5, 239.5)


def test_overlap_of_equal_and_opposite_views() -> None:
    assert view_overlap(np.eye(3), PINHOLE) == 1.0
    assert view_overlap(axis_rotation("y", 180.0), PINHOLE) == 0.0
    assert view_overlap(axis_rotation("y", 90.0), PINHOLE) == 0.0
    # Rolled by half a turn, a centred picture covers itself.
    assert view_overlap(axis_rotation("z", 180.0), PINHOLE) == 1.0


def test_overlap_of_a_quarter_roll_is_the_common_square() -> None:
    assert view_overlap(axis_rotation("z", 90.0), PINHOLE) == pytest.approx(480 / 640, abs=0.01)


@pytest.mark.parametrize("yaw_deg", [5.0, 15.0, 30.0, -20.0])
def test_overlap_of_a_turn_by_integration(yaw_deg: float) -> None:
    # A column of picture a at angle p from its axis is at p - yaw from that of b; a point at height v / cos(p) lies at
    # v / cos(p - yaw) there. So the share is that of (u, v) with both within bounds, integrated over fine columns.
    u = np.linspace(-0.64, 0.64, 20_001)  # x / z at the picture's edges: 320 / 500
    angle = np.arctan(u) - np.radians(yaw_deg)
    inside = np.abs(np.tan(angle)) < 0.64
    tallest = 0.48 * np.cos(angle) / np.cos(np.arctan(u))
    share = np.mean(np.where(inside, np.minimum(tallest, 0.48) / 0.48, 0.0))
    assert view_overlap(axis_rotation("y", yaw_deg), PINHOLE) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(("yaw_deg", "share"), [(20.0, 0.725), (-20.0, 0.493)])
def test_overlap_is_that_of_a_in_b_and_not_the_other_way_round(yaw_deg: float, share: float) -> None:
    """With the principal point far to the left, turning right keeps more of the picture than turning left."""
    camera = Camera(640, 480, 500.0, 500.0, 100.0, 239.5)
    rotation_b_a = np.linalg.inv(axis_rotation("y", yaw_deg))
    seen = []
    for u in range(1, 640, 4):
        for v in range(1, 480, 4):
            x, y, z = rotation_b_a @ np.array([(u - 100.0) / 500.0, (v - 239.5) / 500.0, 1.0])
            u_b, v_b = 500.0 * x / z + 100.0, 500.0 * y / z + 239.5
            seen.append(bool(z > 0.0 and -0.5 <= u_b < 639.5 and -0.5 <= v_b < 479.5))
    assert np.mean(seen) == pytest.approx(share, abs=0.005)
    assert view_overlap(axis_rotation("y", yaw_deg), camera) == pytest.approx(share, abs=0.01)


# pictures


def test_png_is_exact_and_jpeg_close() -> None:
    image = paint(3)
    assert np.array_equal(decode_picture(encode_picture(image, PictureFormat.PNG), "x"), image)
    smooth = np.repeat(np.arange(0, 192, 2, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    smooth[..., 1] //= 2
    near = decode_picture(encode_picture(smooth, PictureFormat.JPEG, 95), "x")
    assert np.abs(near.astype(int) - smooth).max() <= 4
    assert encode_picture(image, PictureFormat.JPEG, 95) == encode_picture(
        image.copy(order="F"), PictureFormat.JPEG, 95
    )


def test_what_is_no_picture_is_refused() -> None:
    jpeg = encode_picture(paint(0), PictureFormat.JPEG)
    with pytest.raises(InputError, match="row 3: found a damaged JPEG"):
        decode_picture(jpeg[: len(jpeg) // 2], "row 3")
    with pytest.raises(InputError, match="row 3: found 0 bytes that are no picture"):
        decode_picture(b"", "row 3")
    with pytest.raises(InputError, match="row 3: found 5 bytes that are no picture"):
        decode_picture(b"hello", "row 3")
    with pytest.raises(ValueError, match=r"expected \(height, width, 3\) uint8"):
        encode_picture(np.zeros((4, 4), dtype=np.uint8), PictureFormat.PNG)


def test_sharpness_and_brightness_by_hand() -> None:
    flat = np.full((8, 8, 3), 90, dtype=np.uint8)
    assert sharpness(flat) == 0.0
    assert brightness(flat) == 90.0
    dot = np.zeros((5, 5, 3), dtype=np.uint8)
    dot[2, 2] = 100
    # Laplacian: -400 at the dot, 100 at its four neighbours, mean 0, so the variance is (160000 + 4 * 10000) / 25.
    assert sharpness(dot) == 8000.0
    assert brightness(dot) == 4.0
    red = np.zeros((4, 4, 3), dtype=np.uint8)
    red[..., 0] = 200
    assert brightness(red) == 60.0  # 0.299 * 200, rounded to a grey level


# settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip_seconds": 0.0}, "clip length: found 0 s"),
        ({"clip_seconds": float("nan")}, "clip length: found nan s"),
        ({"size_px": 8}, "picture size: found 8 px, expected 16 to 16384 px"),
        ({"quality": 101}, "quality: found 101"),
        ({"max_pose_gap_s": -1.0}, "gap between poses: found -1 s"),
        ({"pose_tolerance_s": -1.0}, "pose tolerance: found -1 s"),
    ],
)
def test_senseless_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RowSettings(**change)
