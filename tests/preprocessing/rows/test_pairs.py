"""Pair sampling: right gaps, usable frames only, repeatable, and spread over motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation, make_transform, relative_pose, rotation_angle_deg
from avbench.preprocessing.recording.recording import Scale
from avbench.preprocessing.rows import choose as pairs_module
from avbench.preprocessing.rows.choose import (
    BASELINE_EDGES_M,
    ROTATION_EDGES_DEG,
    Moments,
    PairChoice,
    PairSettings,
    Sampling,
    choose_pairs,
)


def moments(
    frames: int, fps: float = 10.0, *, turn_deg_s: float = 5.0, speed_m_s: float = 0.2, scale: Scale = Scale.METRIC
) -> Moments:
    seconds = np.arange(frames) / fps
    T_world_camera = make_transform(
        axis_rotation("y", turn_deg_s * seconds), np.stack([0 * seconds, 0 * seconds, speed_m_s * seconds], axis=-1)
    )
    return Moments(
        time_ns=np.round(seconds * 1e9).astype(np.int64) + 7_000_000_000,
        T_world_camera=T_world_camera,
        has_pose=np.ones(frames, dtype=bool),
        segment=np.zeros(frames, dtype=np.int64),
        has_sound=np.ones(frames, dtype=bool),
        scale=scale,
    )


def bursts(frames: int = 900, fps: float = 30.0) -> Moments:
    """A head that mostly rests and now and then turns by a lot: what makes uniform sampling poor."""
    base = moments(frames, fps)
    rng = np.random.default_rng(5)
    speed_deg_s = np.where(rng.random(frames // 30).repeat(30) > 0.85, 60.0, 2.0)
    yaw_deg = np.cumsum(speed_deg_s) / fps
    walk_m = np.cumsum(np.where(rng.random(frames // 30).repeat(30) > 0.8, 1.0, 0.05)) / fps
    T = make_transform(axis_rotation("y", yaw_deg), np.stack([0 * walk_m, 0 * walk_m, walk_m], axis=-1))
    return replace(base, T_world_camera=T)


def all_pairs(m: Moments, settings: PairSettings) -> NDArray[np.int64]:
    """Every usable pair, by the plainest possible search."""
    n = len(m.time_ns)
    usable = m.has_pose & m.has_sound
    return np.array(
        [
            (a, b)
            for b in range(n)
            for a in range(b)
            if settings.min_gap_s * 1e9 <= m.time_ns[b] - m.time_ns[a] <= settings.max_gap_s * 1e9
            and usable[a]
            and usable[b]
            and m.segment[a] == m.segment[b]
        ],
        dtype=np.int64,
    ).reshape(-1, 2)


def counts_add_up(choice: PairChoice) -> bool:
    c = choice.counts
    parts = c.no_pose + c.segment_change + c.no_sound + c.not_chosen + c.chosen
    return c.in_gap == parts and c.chosen == len(choice.indices)


@pytest.mark.parametrize("frames", [0, 1])
def test_no_pair_without_two_frames(frames: int) -> None:
    choice = choose_pairs(moments(frames), PairSettings(), "r")
    assert choice.indices.shape == (0, 2)
    assert choice.counts.in_gap == 0


def test_two_frames_are_one_pair_if_the_gap_fits() -> None:
    two = moments(2, fps=2.0)  # 0.5 s apart
    assert choose_pairs(two, PairSettings(), "r").indices.tolist() == [[0, 1]]
    assert choose_pairs(two, PairSettings(min_gap_s=0.5, max_gap_s=0.5), "r").indices.tolist() == [[0, 1]]
    assert len(choose_pairs(two, PairSettings(min_gap_s=0.501), "r").indices) == 0
    assert len(choose_pairs(two, PairSettings(max_gap_s=0.499), "r").indices) == 0


def test_three_frames_give_all_three_pairs() -> None:
    settings = PairSettings(min_gap_s=0.05)
    assert choose_pairs(moments(3), settings, "r").indices.tolist() == [[0, 1], [0, 2], [1, 2]]


def test_plenty_asked_for_gives_every_candidate() -> None:
    m = moments(25)
    settings = PairSettings(pairs=10_000, max_uses_per_frame=10_000, min_gap_s=0.3, max_gap_s=0.9)
    choice = choose_pairs(m, settings, "r")
    assert {tuple(p) for p in choice.indices} == {tuple(p) for p in all_pairs(m, settings)}
    assert choice.counts.not_chosen == 0


def test_order_is_by_b_then_a_and_a_comes_first() -> None:
    indices = choose_pairs(bursts(), PairSettings(pairs=200), "r").indices
    assert (indices[:, 0] < indices[:, 1]).all()
    assert indices.tolist() == sorted(indices.tolist(), key=lambda pair: (pair[1], pair[0]))
    assert len(np.unique(indices, axis=0)) == len(indices) == 200


def test_reasons_are_counted_and_unusable_frames_left_out() -> None:
    m = moments(60)
    has_pose, has_sound, segment = m.has_pose.copy(), m.has_sound.copy(), m.segment.copy()
    has_pose[10:15] = False
    has_sound[:4] = False
    segment[30:] = 1
    m = replace(m, has_pose=has_pose, has_sound=has_sound, segment=segment)
    settings = PairSettings(pairs=40, max_gap_s=1.0)
    choice = choose_pairs(m, settings, "r")
    whole = replace(m, has_pose=np.ones(60, bool), has_sound=np.ones(60, bool), segment=np.zeros(60, np.int64))
    posed = replace(whole, has_pose=has_pose)
    joined = replace(posed, segment=segment)
    assert choice.counts.in_gap == len(all_pairs(whole, settings))
    assert choice.counts.no_pose == len(all_pairs(whole, settings)) - len(all_pairs(posed, settings))
    assert choice.counts.segment_change == len(all_pairs(posed, settings)) - len(all_pairs(joined, settings))
    assert choice.counts.no_sound == len(all_pairs(joined, settings)) - len(all_pairs(m, settings))
    assert counts_add_up(choice)
    usable = {tuple(pair) for pair in all_pairs(m, settings)}
    assert all(tuple(pair) in usable for pair in choice.indices)


def test_a_trajectory_that_comes_back_to_a_piece_is_no_matter() -> None:
    segment = np.array([0, 0, 1, 1, 0, 0])
    m = replace(moments(6), segment=segment)
    settings = PairSettings(min_gap_s=0.1, max_gap_s=0.5, max_uses_per_frame=9)
    chosen = {tuple(pair) for pair in choose_pairs(m, settings, "r").indices}
    assert chosen == {tuple(pair) for pair in all_pairs(m, settings)}


def test_nothing_usable_is_no_crash() -> None:
    m = moments(50)
    choice = choose_pairs(
        replace(m, has_pose=np.zeros(50, bool), T_world_camera=m.T_world_camera * np.nan), PairSettings(), "r"
    )
    assert len(choice.indices) == 0
    assert choice.counts.no_pose == choice.counts.in_gap > 0


def test_no_frame_is_used_too_often() -> None:
    indices = choose_pairs(moments(40), PairSettings(pairs=1000, max_uses_per_frame=3), "r").indices
    assert np.bincount(indices.ravel()).max() == 3
    assert len(indices) > 40  # of at most 60


def test_repeatable_and_different_by_seed_and_recording() -> None:
    m = bursts()
    first = choose_pairs(m, PairSettings(), "r").indices
    assert np.array_equal(first, choose_pairs(m, PairSettings(), "r").indices)
    assert not np.array_equal(first, choose_pairs(m, PairSettings(seed=1), "r").indices)
    assert not np.array_equal(first, choose_pairs(m, PairSettings(), "s").indices)


def cell_histogram(m: Moments, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    T = relative_pose(m.T_world_camera[indices[:, 0]], m.T_world_camera[indices[:, 1]])
    rotation = np.digitize(rotation_angle_deg(T[:, :3, :3]), ROTATION_EDGES_DEG)
    baseline = np.digitize(np.linalg.norm(T[:, :3, 3], axis=-1), BASELINE_EDGES_M)
    return np.bincount(rotation * 7 + baseline, minlength=70)


def entropy(histogram: NDArray[np.int64]) -> float:
    share = histogram[histogram > 0] / histogram.sum()
    return float(-(share * np.log(share)).sum())


def test_motion_is_spread_more_evenly_than_by_uniform_sampling() -> None:
    m = bursts()
    settings = PairSettings(pairs=100)
    candidates = all_pairs(m, settings)
    spread = cell_histogram(m, choose_pairs(m, settings, "r").indices)
    uniform = [cell_histogram(m, np.random.default_rng(seed).permutation(candidates)[:100]) for seed in range(20)]
    filled = int((cell_histogram(m, candidates) > 0).sum())
    assert entropy(spread) > max(entropy(histogram) for histogram in uniform) + 0.2
    assert entropy(spread) > 0.93 * np.log(filled)  # nearly as even as can be
    assert (spread > 0).sum() == filled


def test_uniform_sampling_shows_motion_as_it_happened() -> None:
    m = bursts()
    settings = PairSettings(pairs=2000, max_uses_per_frame=100, sampling=Sampling.UNIFORM)

    def mean_rotation_deg(indices: NDArray[np.int64]) -> float:
        T_a_b = relative_pose(m.T_world_camera[indices[:, 0]], m.T_world_camera[indices[:, 1]])
        return float(rotation_angle_deg(T_a_b[:, :3, :3]).mean())

    candidates = mean_rotation_deg(all_pairs(m, settings))
    uniform = mean_rotation_deg(choose_pairs(m, settings, "walk").indices)
    spread = mean_rotation_deg(choose_pairs(m, replace(settings, sampling=Sampling.SPREAD), "walk").indices)
    assert abs(uniform - candidates) < 0.05 * candidates
    assert spread > 1.15 * candidates


def test_unknown_scale_is_spread_whatever_its_unit() -> None:
    m = replace(bursts(), scale=Scale.UNKNOWN)
    scaled = m.T_world_camera.copy()
    scaled[:, :3, 3] *= 1024.0  # a power of two: no rounding
    same = choose_pairs(replace(m, T_world_camera=scaled), PairSettings(), "r").indices
    assert np.array_equal(choose_pairs(m, PairSettings(), "r").indices, same)


def test_rotation_only_takes_no_notice_of_translation() -> None:
    m = replace(bursts(), scale=Scale.ROTATION_ONLY)
    shifted = m.T_world_camera.copy()
    shifted[:, :3, 3] = np.random.default_rng(0).normal(size=(len(shifted), 3))
    same = choose_pairs(replace(m, T_world_camera=shifted), PairSettings(), "r").indices
    assert np.array_equal(choose_pairs(m, PairSettings(), "r").indices, same)


def test_thinned_candidates_are_still_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs_module, "MAX_CANDIDATES", 500)
    m = bursts()
    choice = choose_pairs(m, PairSettings(pairs=60), "r")
    gaps = (m.time_ns[choice.indices[:, 1]] - m.time_ns[choice.indices[:, 0]]) / 1e9
    assert len(choice.indices) == 60
    assert gaps.min() >= 0.25
    assert gaps.max() <= 3.0
    assert counts_add_up(choice)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pairs": 0}, "pairs per recording: found 0"),
        ({"max_uses_per_frame": 0}, "uses per frame: found 0"),
        ({"min_gap_s": 0.0}, "gap between frames: found 0 to 3 s"),
        ({"min_gap_s": 4.0}, "found 4 to 3 s"),
        ({"max_gap_s": float("nan")}, "found 0.25 to nan s"),
    ],
)
def test_senseless_settings_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PairSettings(**change)  # type: ignore[arg-type]
