"""Head motion: statistics, smoothness, staying inside; the measured up vector."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.preprocessing.base.geometry import direction_error_deg, is_rotation, relative_pose
from avbench.preprocessing.recording.recording import Scale
from avbench.preprocessing.rows.choose import Moments, PairSettings, choose_pairs
from avbench.preprocessing.simulate.scene.camera_motion import HeadMotion, draw_head_motion, level_rotation
from avbench.preprocessing.simulate.scene.furnish import draw_room_size
from avbench.preprocessing.simulate.scene.seeds import stream
from avbench.preprocessing.simulate.scene.smooth_noise import SmoothNoise

DURATION_S = 6.0


def draw_motions(count: int) -> list[tuple[HeadMotion, tuple[float, float, float]]]:
    motions = []
    for seed in range(count):
        rng = stream(seed, "motion test")
        size = draw_room_size(rng)
        motions.append((draw_head_motion(rng, size, DURATION_S), size))
    return motions


def test_pairs_have_the_spread_of_yaw_and_the_baselines_promised() -> None:
    """Ten pairs a recording, 0.5 to 3 s apart, chosen as `prepare` chooses them."""
    yaw_deg, baseline_m, forward = [], [], []
    time = np.arange(int(DURATION_S * 10)) / 10.0
    for number, (motion, _) in enumerate(draw_motions(150)):
        poses = motion.poses(time)
        ones = np.ones(len(time), dtype=bool)
        moments = Moments((time * 1e9).astype(np.int64), poses, ones, np.zeros(len(time), np.int64), ones, Scale.METRIC)
        indices = choose_pairs(moments, PairSettings(pairs=10, min_gap_s=0.5), f"recording {number}").indices
        a, b = poses[indices[:, 0]], poses[indices[:, 1]]
        heading = [np.degrees(np.arctan2(T[:, 1, 2], T[:, 0, 2])) for T in (a, b)]
        yaw_deg.append((heading[1] - heading[0] + 180.0) % 360.0 - 180.0)
        translation = relative_pose(a, b)[:, :3, 3]
        baseline_m.append(np.linalg.norm(translation, axis=-1))
        forward.append(translation[:, 2] > 0.0)
    yaw, baseline = np.concatenate(yaw_deg), np.concatenate(baseline_m)
    print(f"yaw sd {yaw.std():.1f} deg, baseline 10-90 %: {np.percentile(baseline, [10, 90])} m")
    assert 25.0 < yaw.std() < 31.0
    assert 0.12 < np.percentile(baseline, 10) < 0.25
    assert 1.1 < np.percentile(baseline, 90) < 1.5
    assert 0.7 < np.mean(np.concatenate(forward)) < 0.95


def test_way_stays_inside_the_room() -> None:
    for motion, size in draw_motions(60):
        place = motion.poses(np.linspace(0.0, DURATION_S, 200))[:, :3, 3]
        assert (place[:, :2] > 0.45).all()
        assert (place[:, :2] < np.array(size[:2]) - 0.45).all()
        assert (place[:, 2] > 1.3).all()
        assert (place[:, 2] < size[2] - 0.5).all()


def test_motion_is_smooth_and_human() -> None:
    """Speeds and turns of a person, and no jump from one millisecond to the next."""
    for motion, _ in draw_motions(30):
        step_s = 0.001
        T = motion.poses(np.arange(0.0, DURATION_S, step_s))
        assert is_rotation(T[:, :3, :3], 1e-9).all()
        velocity = np.diff(T[:, :3, 3], axis=0) / step_s
        acceleration = np.diff(velocity, axis=0) / step_s
        turn = np.degrees(np.linalg.norm(np.diff(T[:, :3, :3], axis=0), axis=(1, 2)) / np.sqrt(2.0)) / step_s
        assert np.linalg.norm(velocity, axis=1).max() < 2.0
        assert np.linalg.norm(acceleration, axis=1).max() < 12.0
        assert turn.max() < 300.0
        assert np.abs(np.diff(turn)).max() < 5.0


def test_measured_up_is_a_degree_off() -> None:
    errors = []
    for motion, _ in draw_motions(40):
        time = np.linspace(0.0, DURATION_S, 50)
        true_up = motion.poses(time)[:, 2, :3]
        errors.append(direction_error_deg(motion.measured_up(time), true_up))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(1.0, abs=0.1)
    assert np.min(errors) < 0.2


def test_level_rotation_looks_along_x_and_turns_left() -> None:
    np.testing.assert_allclose(level_rotation(0.0), [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-15)
    np.testing.assert_allclose(level_rotation(90.0)[:, 2], [0, 1, 0], atol=1e-15)


def test_looking_up_is_positive_pitch() -> None:
    motion, _ = draw_motions(1)[0]
    time = np.linspace(0.0, DURATION_S, 400)
    rising = motion.poses(time)[:, 2, 2]
    pitch = motion.pitch0_deg + motion.pitch_deg(time)
    assert np.corrcoef(np.sin(np.radians(pitch)), rising)[0, 1] > 0.98


def test_smooth_noise_has_the_deviation_asked_for() -> None:
    values = [SmoothNoise.draw(stream(seed, "noise"), 3.0, (0.1, 1.0))(np.linspace(0, 200, 2001)) for seed in range(50)]
    assert np.std(values) == pytest.approx(3.0, rel=0.03)
    assert np.mean(values) == pytest.approx(0.0, abs=0.1)


def test_streams_depend_on_seed_and_every_part_of_the_name() -> None:
    reference = stream(1, "room", "train", 11).standard_normal(4)
    np.testing.assert_array_equal(reference, stream(1, "room", "train", 11).standard_normal(4))
    for other in (stream(2, "room", "train", 11), stream(1, "room", "test", 11), stream(1, "room", "train", 1, 1)):
        assert not np.any(reference == other.standard_normal(4))
