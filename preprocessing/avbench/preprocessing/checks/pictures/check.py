"""The check of one recording: pictures are read until it is clear whether the labels agree with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.checks.pictures.decision import Decision, Finding, Judged, decide
from avbench.preprocessing.checks.pictures.evidence import MatchedPair, matched_pairs, motions, thinned
from avbench.preprocessing.checks.pictures.frames import MOMENTS, choose_moments
from avbench.preprocessing.checks.pictures.lenses import Lens, other_lenses
from avbench.preprocessing.checks.pictures.readings import (
    POSITION_KINDS,
    ROTATION_KINDS,
    Hypothesis,
    Kind,
    read_as,
)
from avbench.preprocessing.checks.pictures.scores import (
    Scores,
    mean_angle_between_deg,
    mean_motion_deg,
    means_of_both,
    pair_poses,
    scores,
)
from avbench.preprocessing.checks.pictures.two_view import TwoView
from avbench.preprocessing.recording.pose_convention import PoseStatement
from avbench.preprocessing.recording.recording import Recording, Scale
from avbench.preprocessing.recording.trajectory import interpolate

LONGEST_SHIFT_S = 0.5
"""Offsets of the clock up to this are tried."""

_FIRST_MOMENTS = 4
_STEP_NS = 50_000_000
_SHORTEST_STEP_NS = 10_000_000
_TELLING_OF_LENS_DEG = 0.6  # more: matches fit themselves to a wrong focal length
_TELLING_DEG = 0.35  # a change of the labels that stands out of the noise of two-view rotations
_SAME_ROTATIONS_DEG = 0.3
_STILL_PX = 0.5
_FEW_PAIRS = 12
_LENS_MATCHES = 200
_FITS_DEG = 0.15  # below 0.22 degrees no other reading can be named
_TELLING_MOTION_DEG = 4.0  # with less, a few pairs show neither a wrong clock nor a wrong lens
_LENS_DEG, _LENS_SHARE = 0.22, 0.03  # a lens that is wrong by one step leaves more
_FITS_SHARE = 0.08
_RIVAL = 0.8
_FOUND = 0.2  # of the stated residual
_CLOSE_FACTOR, _CLOSE_DEG = 1.8, 0.1
_FITS_DIRECTION_DEG = 15.0


@dataclass(frozen=True)
class PoseCheck:
    """What the pictures of a recording say of its labels.

    Attributes:
        decision: The finding and the readings.
        looked_at: Pairs whose pictures were looked at.
        pairs: Pairs of them that could be compared.
        with_parallax: Pairs whose direction of translation could be compared.
        motion_deg: Mean rotation of the pairs as stated.
        rotation_deg: Mean residual of their rotation as stated, each up to 10 degrees.
        direction_deg: Median residual of their direction as stated.
        best_rotation_deg: Mean residual of the rotation under the first of the readings that fit, None without any.
        unseen_offset_s: Offsets of the clock up to this change the labels of these pairs too little to be named.
        unseen_focal_share: The same for relative errors of the focal length; None without motion.
        shift_px: Median shift of what is seen in both pictures of a pair, in pictures of at most 640 pixels.
    """

    decision: Decision
    looked_at: int
    pairs: int
    with_parallax: int
    motion_deg: float | None
    rotation_deg: float | None
    direction_deg: float | None
    best_rotation_deg: float | None
    unseen_offset_s: float
    unseen_focal_share: float | None
    shift_px: float | None

    @property
    def is_still(self) -> bool:
        """Whether nothing moves in the pictures."""
        return self.shift_px is not None and self.shift_px < _STILL_PX


class _Recorded:
    """Labels and pictures of the pairs of one recording."""

    def __init__(self, recording: Recording, max_gap_ns: int, tolerance_ns: int) -> None:
        self.recording = recording
        self.statement = recording.poses_stated or PoseStatement()
        self._limits = {"max_gap_ns": max_gap_ns, "tolerance_ns": tolerance_ns}
        self.poses = interpolate(recording.trajectory, recording.frames.time_ns, **self._limits)
        self.pairs: list[MatchedPair] = []
        self.views: list[TwoView | None] = []

    def add(self, pairs: Sequence[MatchedPair]) -> None:
        self.pairs += pairs
        self.views += motions(pairs, self.recording.camera)

    def labels(self, hypothesis: Hypothesis) -> FloatArray:
        """Relative poses (P, 4, 4) under a reading, NaN where there is none."""
        frames = np.array([[pair.a, pair.b] for pair in self.pairs]).reshape(-1, 2)
        T_world_camera = self.poses.T_world_camera
        if hypothesis.shift_ns:
            used = np.unique(frames)
            T_world_camera = np.full_like(T_world_camera, np.nan)
            times = self.recording.frames.time_ns[used] - hypothesis.shift_ns
            T_world_camera[used] = interpolate(self.recording.trajectory, times, **self._limits).T_world_camera
        first, second = T_world_camera[frames[:, 0]], T_world_camera[frames[:, 1]]
        if hypothesis.kind not in (Kind.STATED, Kind.TIME, Kind.LENS):
            first, second = (read_as(T, hypothesis.kind, self.statement) for T in (first, second))
        T_a_b = pair_poses(first, second)
        if self.recording.trajectory.scale is Scale.ROTATION_ONLY:
            T_a_b[:, :3, 3] = 0.0
        return T_a_b


def check_poses(recording: Recording, *, max_gap_ns: int, tolerance_ns: int) -> PoseCheck:
    """Compare the labels of a recording with its pictures, as stated and under the usual mistakes.

    Args:
        recording: The recording.
        max_gap_ns: Longest time between two poses that is bridged.
        tolerance_ns: How far outside the trajectory its first or last pose still holds.
    """
    recorded = _Recorded(recording, max_gap_ns, tolerance_ns)
    moments = choose_moments(recording.frames.time_ns, recorded.poses, recording.recording_id)
    recorded.add(matched_pairs(recording.frames, moments[:_FIRST_MOMENTS]))
    stated, others = _judged(recorded)
    if len(moments) > _FIRST_MOMENTS and not _fits(recorded, stated, others):
        recorded.add(matched_pairs(recording.frames, moments[_FIRST_MOMENTS:MOMENTS]))
        stated, others = _judged(recorded)
    motion_deg = mean_motion_deg(recorded.labels(Hypothesis(Kind.STATED)))
    shifts = [view.shift_px for view in recorded.views if view is not None]
    shift_px = float(np.median(shifts)) if shifts else None
    best_deg = None
    if shift_px is None or shift_px < _STILL_PX:
        decision = Decision(Finding.TOO_LITTLE)
    else:
        lens_deg = max(_LENS_DEG, _LENS_SHARE * motion_deg)
        if stated.mean_rotation_deg > lens_deg and not _is_found(stated, others, motion_deg):
            others += _lenses(recorded, stated)
        decision = decide(stated, others, motion_deg)
        if decision.readings:
            best_deg = next(
                means_of_both(stated, one.scores)[1] for one in others if one.hypothesis == decision.readings[0]
            )
    return PoseCheck(
        decision=decision,
        looked_at=len(recorded.pairs),
        pairs=stated.pairs,
        with_parallax=stated.directions,
        motion_deg=_known(motion_deg),
        rotation_deg=_known(stated.mean_rotation_deg),
        direction_deg=_known(stated.median_direction_deg),
        best_rotation_deg=best_deg,
        unseen_offset_s=_unseen_offset_s(recorded),
        unseen_focal_share=_known(_TELLING_OF_LENS_DEG / motion_deg) if motion_deg > 0.0 else None,
        shift_px=shift_px,
    )


def _unseen_offset_s(recorded: _Recorded) -> float:
    """The largest tried offset of the clock that changes the labels of these pairs too little to be named."""
    stated = recorded.labels(Hypothesis(Kind.STATED))
    unseen_ns = 0
    for hypothesis in _hypotheses(recorded):
        if hypothesis.kind is Kind.TIME and abs(hypothesis.shift_ns) > unseen_ns:
            change_deg = mean_angle_between_deg(stated, recorded.labels(hypothesis))
            if not change_deg >= _TELLING_DEG:
                unseen_ns = abs(hypothesis.shift_ns)
    return unseen_ns / 1e9


def _spacing_ns(recorded: _Recorded) -> int:
    times = recorded.recording.frames.time_ns
    return int(np.median(np.diff(times))) if len(times) > 1 else 0


def _known(value: float) -> float | None:
    return round(value, 3) if np.isfinite(value) else None


def _judged(recorded: _Recorded) -> tuple[Scores, list[Judged]]:
    """The stated reading, and all others under the stated lens."""
    stated_labels = recorded.labels(Hypothesis(Kind.STATED))
    others = []
    for hypothesis in _hypotheses(recorded):
        labels = recorded.labels(hypothesis)
        is_time = hypothesis.kind is Kind.TIME
        same = not is_time and mean_angle_between_deg(stated_labels, labels) < _SAME_ROTATIONS_DEG
        others.append(Judged(hypothesis, scores(labels, recorded.views), same))
    return scores(stated_labels, recorded.views), others


def _hypotheses(recorded: _Recorded) -> list[Hypothesis]:
    quaternion = () if recorded.statement.has_quaternions else (Kind.W_FIRST, Kind.W_LAST)
    kinds = [kind for kind in ROTATION_KINDS if kind not in quaternion]
    if recorded.recording.trajectory.scale is not Scale.ROTATION_ONLY:
        kinds += POSITION_KINDS
    step_ns = max(min(_spacing_ns(recorded), _STEP_NS), _SHORTEST_STEP_NS)
    steps = round(LONGEST_SHIFT_S * 1e9) // step_ns
    shifts = [step * step_ns for step in range(-steps, steps + 1) if step]
    return [*map(Hypothesis, kinds), *(Hypothesis(Kind.TIME, shift) for shift in shifts)]


def _fits(recorded: _Recorded, stated: Scores, others: Sequence[Judged]) -> bool:
    """Whether the stated reading is right beyond doubt, so that no more pictures need be read."""
    mean_deg = stated.mean_rotation_deg
    motion_deg = mean_motion_deg(recorded.labels(Hypothesis(Kind.STATED)))
    if stated.pairs < 0.7 * len(recorded.pairs) or motion_deg < _TELLING_MOTION_DEG:
        return False
    if stated.directions and not stated.median_direction_deg <= _FITS_DIRECTION_DEG:
        return False
    if mean_deg <= _FITS_DEG:
        return True
    rivals = [means_of_both(stated, one.scores) for one in others if not one.same_rotations]
    return mean_deg <= _FITS_SHARE * motion_deg and all(rival >= _RIVAL * mine for mine, rival in rivals)


def _is_found(stated: Scores, others: Sequence[Judged], motion_deg: float) -> bool:
    """Whether a reading of the poses or the clock fits so well that no lens can be the reason."""
    means = [means_of_both(stated, one.scores) for one in others if not one.same_rotations]
    limit_deg = max(2.0 * _FITS_DEG, _FITS_SHARE * motion_deg)
    return any(rival <= min(limit_deg, _FOUND * mine) for mine, rival in means)


def _lenses(recorded: _Recorded, stated: Scores) -> list[Judged]:
    """Other lenses, each seen through on every second pair where there are many, and on some of their matches.

    Every second focal length is tried, then those beside the ones that come close to the best.
    """
    every = 2 if len(recorded.pairs) > _FEW_PAIRS else 1
    seen = [thinned(pair, _LENS_MATCHES) for pair in recorded.pairs[::every]]
    labels = recorded.labels(Hypothesis(Kind.STATED))

    def tried(lens: Lens) -> Judged:
        views: list[TwoView | None] = [None] * len(recorded.pairs)
        views[::every] = motions(seen, lens.camera)
        return Judged(Hypothesis(Kind.LENS, lens=lens), scores(labels, views), same_rotations=False)

    lenses = other_lenses(recorded.recording.camera)
    coarse = {(lens.is_fisheye, lens.step): tried(lens) for lens in lenses if lens.step % 2 == 0}
    means = {place: means_of_both(stated, one.scores)[1] for place, one in coarse.items()}
    limit_deg = _CLOSE_FACTOR * min(means.values()) + _CLOSE_DEG
    near = {(fisheye, step + side) for (fisheye, step), mean in means.items() if mean <= limit_deg for side in (-1, 1)}
    fine = [tried(lens) for lens in lenses if (lens.is_fisheye, lens.step) in near and lens.step % 2]
    return [*coarse.values(), *fine]
