"""Which two moments of a recording become a pair.

All pairs of frames whose gap lies in the asked range, with poses of one piece of trajectory, are candidates. Uniformly
drawn, most of them would show nearly the same small motion. So candidates are sorted into cells of rotation angle by
baseline, and cells are served in turn, one pair each, until there are enough: rare large motions get as many pairs as
common small ones as far as they exist, and no frame is used more than a few times. `Sampling.UNIFORM` draws as the
recording happened instead.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray, relative_pose, rotation_angle_deg
from avbench.preprocessing.recording.recording import Scale

ROTATION_EDGES_DEG = (2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0)
"""Inner edges of the rotation bins; with 0 and 180 they make 10 bins."""

BASELINE_EDGES_M = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Inner edges of the baseline bins of a metric trajectory; with 0 and infinity they make 7 bins."""

BASELINE_EDGES_OF_MEDIAN = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Inner edges where lengths have no unit, in medians of those candidates' baselines that are more than noise."""

UNCERTAIN_DIRECTION_DEG = 10.0
"""Where lengths have no unit, baselines whose direction is less certain than this are noise and share one bin, so that
a camera that stands still is not served as one that moves by all sizes of noise. Scoring leaves them out likewise."""

MAX_CANDIDATES = 200_000
"""More candidates than this are thinned at random before their motion is computed: it bounds time and memory."""

_CHUNK = 50_000


class Sampling(StrEnum):
    """How candidates are drawn."""

    SPREAD = "spread"  # all sizes of motion alike, as far as they exist
    UNIFORM = "uniform"  # every candidate alike: motion as it happened


@dataclass(frozen=True)
class PairSettings:
    """How pairs are chosen.

    Attributes:
        pairs: At most this many pairs a recording.
        min_gap_s: Shortest time between the frames of a pair.
        max_gap_s: Longest.
        max_uses_per_frame: A frame is in at most this many pairs.
        seed: Seed of all drawing.
        sampling: How candidates are drawn.

    Raises:
        InputError: A value makes no sense.
    """

    pairs: int = 100
    min_gap_s: float = 0.25
    max_gap_s: float = 3.0
    max_uses_per_frame: int = 4
    seed: int = 0
    sampling: Sampling = Sampling.SPREAD

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise InputError("pairs per recording", found=str(self.pairs), expected="1 or more")
        if self.max_uses_per_frame < 1:
            raise InputError("uses per frame", found=str(self.max_uses_per_frame), expected="1 or more")
        if not 0.0 < self.min_gap_s <= self.max_gap_s < 1e6:
            raise InputError(
                "gap between frames",
                found=f"{self.min_gap_s:g} to {self.max_gap_s:g} s",
                expected="a shortest gap above 0 that is at most the longest one",
            )


@dataclass(frozen=True)
class Moments:
    """What is known of every frame of a recording before any is decoded.

    Attributes:
        time_ns: (N,) strictly increasing presentation times.
        T_world_camera: (N, 4, 4) camera-to-world; anything where there is no pose.
        has_pose: (N,) whether the pose can be used.
        segment: (N,) piece of trajectory: poses of different pieces are not comparable.
        has_sound: (N,) whether there is enough sound around the frame, or none is asked for.
        scale: What translations mean.
        position_sigma: Standard uncertainty of a relative position, in the unit of the translations; None: unknown.
    """

    time_ns: NDArray[np.int64]
    T_world_camera: FloatArray
    has_pose: NDArray[np.bool_]
    segment: NDArray[np.int64]
    has_sound: NDArray[np.bool_]
    scale: Scale
    position_sigma: float | None = None


@dataclass(frozen=True)
class CandidateCounts:
    """What became of all pairs of frames whose gap lies in the asked range; `in_gap` is the sum of the others.

    Attributes:
        in_gap: All of them.
        no_pose: Left out: a frame without a pose.
        segment_change: Left out: the trajectory starts anew between the frames.
        no_sound: Left out: a frame without enough sound.
        not_chosen: Usable, but there were enough pairs, or a frame was used often enough.
        chosen: Made into pairs.
    """

    in_gap: int
    no_pose: int
    segment_change: int
    no_sound: int
    not_chosen: int
    chosen: int


@dataclass(frozen=True)
class PairChoice:
    """The chosen pairs.

    Attributes:
        indices: (K, 2) indices of frames a and b, a before b; sorted by b, then a.
        counts: What became of the other candidates.
    """

    indices: NDArray[np.int64]
    counts: CandidateCounts


@dataclass(frozen=True)
class _Candidates:
    """All pairs of the listed frames with a gap in range, counted but not written out.

    The partners of the frame `frames[i]` are `frames[low[i] : low[i] + count[i]]`.
    """

    frames: NDArray[np.int64]
    low: NDArray[np.int64]
    count: NDArray[np.int64]

    @property
    def total(self) -> int:
        return int(self.count.sum())

    def pairs(self, flat: NDArray[np.int64]) -> NDArray[np.int64]:
        """The `flat`-th candidates as (K, 2) frame indices."""
        stop = np.cumsum(self.count)
        first = np.searchsorted(stop, flat, side="right")
        second = self.low[first] + flat - (stop[first] - self.count[first])
        return np.stack([self.frames[first], self.frames[second]], axis=-1)


def choose_pairs(moments: Moments, settings: PairSettings, recording_id: str) -> PairChoice:
    """Choose the pairs of one recording.

    The result depends only on the arguments: the random numbers come from the seed and the recording's name.

    Args:
        moments: What is known of the frames.
        settings: How to choose.
        recording_id: The recording's name.
    """
    rng = _generator(settings.seed, recording_id)
    no_segment = np.zeros_like(moments.segment)
    everything = np.ones_like(moments.has_pose)
    in_gap = _candidates(moments.time_ns, everything, no_segment, settings).total
    posed = _candidates(moments.time_ns, moments.has_pose, no_segment, settings).total
    joined = _candidates(moments.time_ns, moments.has_pose, moments.segment, settings).total
    usable = _candidates(moments.time_ns, moments.has_pose & moments.has_sound, moments.segment, settings)

    pairs = _draw_candidates(usable, rng)
    spread = settings.sampling is Sampling.SPREAD
    cells = _motion_cells(moments, pairs) if spread else np.zeros(len(pairs), dtype=np.int64)
    chosen = _serve_cells(pairs, cells, settings, rng)
    counts = CandidateCounts(
        in_gap=in_gap,
        no_pose=in_gap - posed,
        segment_change=posed - joined,
        no_sound=joined - usable.total,
        not_chosen=usable.total - len(chosen),
        chosen=len(chosen),
    )
    return PairChoice(indices=chosen[np.lexsort((chosen[:, 0], chosen[:, 1]))], counts=counts)


def _generator(seed: int, recording_id: str) -> np.random.Generator:
    digest = hashlib.sha256(f"pairs:{seed}:{recording_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _candidates(
    time_ns: NDArray[np.int64], mask: NDArray[np.bool_], segment: NDArray[np.int64], settings: PairSettings
) -> _Candidates:
    min_gap_ns = round(settings.min_gap_s * 1e9)
    max_gap_ns = round(settings.max_gap_s * 1e9)
    frames: list[NDArray[np.int64]] = []
    lows: list[NDArray[np.int64]] = []
    counts: list[NDArray[np.int64]] = []
    offset = 0
    for number in np.unique(segment[mask]):
        members = np.flatnonzero(mask & (segment == number)).astype(np.int64)
        times = time_ns[members]
        low = np.searchsorted(times, times + min_gap_ns, side="left")
        high = np.searchsorted(times, times + max_gap_ns, side="right")
        frames.append(members)
        lows.append(low.astype(np.int64) + offset)
        counts.append((high - low).astype(np.int64))
        offset += len(members)
    if not frames:
        empty = np.empty(0, dtype=np.int64)
        return _Candidates(empty, empty, empty)
    return _Candidates(np.concatenate(frames), np.concatenate(lows), np.concatenate(counts))


def _draw_candidates(candidates: _Candidates, rng: np.random.Generator) -> NDArray[np.int64]:
    total = candidates.total
    if total <= MAX_CANDIDATES:
        flat = np.arange(total, dtype=np.int64)
    else:
        flat = np.sort(rng.choice(total, MAX_CANDIDATES, replace=False, shuffle=False)).astype(np.int64)
    return candidates.pairs(flat)


def _motion_cells(moments: Moments, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cell number (K,) of candidates (K, 2): bins of rotation angle times bins of baseline."""
    rotation_deg = np.empty(len(pairs))
    baseline = np.empty(len(pairs))
    for start in range(0, len(pairs), _CHUNK):
        part = slice(start, start + _CHUNK)
        T_a_b = relative_pose(moments.T_world_camera[pairs[part, 0]], moments.T_world_camera[pairs[part, 1]])
        rotation_deg[part] = rotation_angle_deg(T_a_b[:, :3, :3])
        baseline[part] = np.linalg.norm(T_a_b[:, :3, 3], axis=-1)
    cells = np.searchsorted(ROTATION_EDGES_DEG, rotation_deg, side="right").astype(np.int64)
    if moments.scale is Scale.ROTATION_ONLY or len(pairs) == 0:
        return cells
    if moments.scale is Scale.METRIC:
        edges = np.array(BASELINE_EDGES_M)
    else:
        edges = _edges_without_unit(baseline, moments.position_sigma)
    return cells * (len(edges) + 1) + np.searchsorted(edges, baseline, side="right")


def _edges_without_unit(baseline: FloatArray, position_sigma: float | None) -> FloatArray:
    """Inner edges of the bins of baselines (K,), K at least 1, that have no unit."""
    noise = 0.0 if position_sigma is None else position_sigma / float(np.tan(np.radians(UNCERTAIN_DIRECTION_DEG)))
    moved = baseline[baseline > noise]
    if moved.size == 0:
        return np.array([noise])
    edges = np.array(BASELINE_EDGES_OF_MEDIAN) * float(np.median(moved))
    return np.concatenate([[noise], edges[edges > noise]])


def _serve_cells(
    pairs: NDArray[np.int64], cells: NDArray[np.int64], settings: PairSettings, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Take one candidate from each cell in turn, passing over frames that were used often enough."""
    shuffled = rng.permutation(len(pairs))
    queues = [shuffled[cells[shuffled] == cell] for cell in np.unique(cells)]
    position = [0] * len(queues)
    uses: dict[int, int] = {}
    chosen: list[tuple[int, int]] = []
    waiting = list(range(len(queues)))
    while waiting and len(chosen) < settings.pairs:
        still_waiting = []
        for queue_number in rng.permutation(waiting):
            queue = queues[queue_number]
            while position[queue_number] < len(queue):
                a, b = (int(index) for index in pairs[queue[position[queue_number]]])
                position[queue_number] += 1
                if max(uses.get(a, 0), uses.get(b, 0)) < settings.max_uses_per_frame:
                    uses[a] = uses.get(a, 0) + 1
                    uses[b] = uses.get(b, 0) + 1
                    chosen.append((a, b))
                    still_waiting.append(int(queue_number))
                    break
            if len(chosen) == settings.pairs:
                break
        waiting = sorted(still_waiting)
    return np.array(chosen, dtype=np.int64).reshape(-1, 2)
