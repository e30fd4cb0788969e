"""Whose sound a pair is heard with when the sound is to lie: decided by the data set alone, before anything runs.

Everything here is a function of which pairs a split has and when they were recorded. A pair for which there is no
fitting sound has no donor; it is counted, and never given something that only resembles what was asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.conditions.probes.sound_bank import ClipPlace

LEAST_SHIFT_S = 1.0
MOST_SHIFT_S = 5.0
_NS = 1_000_000_000

Format = tuple[str, str | None, int, int]
"""Array kind, ambisonic convention, channels and sample rate: sound of another format would give itself away."""


@dataclass(frozen=True)
class PairSound:
    """What is known of the sound of one pair without decoding it.

    Attributes:
        row: Its number in the split.
        pair_id: Its name.
        recording_id: Its recording.
        group_id: Its place, take or wearer.
        time_a_ns: Centre of clip a.
        time_b_ns: Centre of clip b.
        format: Format of both clips.
    """

    row: int
    pair_id: str
    recording_id: str
    group_id: str
    time_a_ns: int
    time_b_ns: int
    format: Format


@dataclass(frozen=True)
class Donor:
    """Where the two clips come from that a pair is heard with instead of its own.

    Attributes:
        clip_a: Heard as clip a.
        clip_b: Heard as clip b.
        shift_s: Time from the pair's own clips to these, a and b; None where they are of another recording.
    """

    clip_a: ClipPlace
    clip_b: ClipPlace
    shift_s: tuple[float, float] | None = None


def shifted_donors(pairs: Sequence[PairSound]) -> dict[str, Donor]:
    """Clips of the same recording whose centres are 1 to 5 s away, by pair.

    Sound is known around frames only, so the shift is what the clips at hand allow: of all clips of the same recording
    in reach, both earlier or both later, those two are taken whose shifts differ least between frame a and frame b,
    then those shifted least, then the later ones.
    """
    donors = {}
    for members in _by(pairs, lambda pair: (pair.recording_id, pair.format)).values():
        places = {
            time_ns: ClipPlace(pair.row, view)
            # The first pair that a frame is in stays, since later entries are overwritten by earlier ones.
            for pair in reversed(members)
            for view, time_ns in (("b", pair.time_b_ns), ("a", pair.time_a_ns))
        }
        times_ns = np.array(sorted(places), dtype=np.int64)
        for pair in members:
            in_a, in_b = _in_reach(times_ns, pair.time_a_ns), _in_reach(times_ns, pair.time_b_ns)
            shift_a, shift_b = (in_a - pair.time_a_ns)[:, None], (in_b - pair.time_b_ns)[None, :]
            alike = np.argwhere((shift_a > 0) == (shift_b > 0))
            if not len(alike):
                continue
            apart, size, later = np.abs(shift_a - shift_b), np.abs(shift_a + shift_b), -(shift_a + shift_b)
            # The last key counts most.
            ranking = np.lexsort([key[alike[:, 0], alike[:, 1]] for key in (later, size, apart)])
            a, b = alike[ranking[0]]
            donors[pair.pair_id] = Donor(
                places[int(in_a[a])], places[int(in_b[b])], (float(shift_a[a, 0]) / _NS, float(shift_b[0, b]) / _NS)
            )
    return donors


def same_scene_donors(pairs: Sequence[PairSound]) -> dict[str, Donor]:
    """The sound of another pair of the same recording, by pair.

    The donor is half the recording away in the order of time, or the next pair after that whose two clips are both at
    least one second from both of the pair's own. Other recordings of the same group do not count: they may be of the
    same moments, filmed by another camera, and then their sound does not lie.
    """
    donors = {}
    for members in _by(pairs, lambda pair: (pair.recording_id, pair.format)).values():
        for rank, pair in enumerate(members):
            half = rank + len(members) // 2
            others = (members[(half + step) % len(members)] for step in range(len(members)))
            found = next((other for other in others if _far(pair, other)), None)
            if found is not None:
                donors[pair.pair_id] = _donor(found)
    return donors


def other_scene_donors(pairs: Sequence[PairSound]) -> dict[str, Donor]:
    """The sound of a pair of another group, by pair.

    Groups sorted by name stand in a circle, and a pair hears the group opposite its own.
    """
    donors = {}
    by_format: dict[Format, dict[str, list[PairSound]]] = defaultdict(dict)
    for (group_id, sound_format), members in _by(pairs, lambda pair: (pair.group_id, pair.format)).items():
        by_format[sound_format][group_id] = members
    for groups in by_format.values():
        names = sorted(groups)
        for place, name in enumerate(names):
            opposite = groups[names[(place + max(1, len(names) // 2)) % len(names)]]
            if opposite is not groups[name]:
                for rank, pair in enumerate(groups[name]):
                    donors[pair.pair_id] = _donor(opposite[rank % len(opposite)])
    return donors


def _by(
    pairs: Iterable[PairSound], key: Callable[[PairSound], tuple[str, Format]]
) -> dict[tuple[str, Format], list[PairSound]]:
    """Pairs by key, in order of time within each; names decide between pairs of the same moments."""
    found = defaultdict(list)
    for pair in sorted(pairs, key=lambda pair: (pair.recording_id, pair.time_a_ns, pair.time_b_ns, pair.pair_id)):
        found[key(pair)].append(pair)
    return dict(found)


def _in_reach(times_ns: NDArray[np.int64], centre_ns: int) -> NDArray[np.int64]:
    away = np.abs(times_ns - centre_ns)
    return times_ns[(away >= LEAST_SHIFT_S * _NS) & (away <= MOST_SHIFT_S * _NS)]


def _far(pair: PairSound, other: PairSound) -> bool:
    own, foreign = (pair.time_a_ns, pair.time_b_ns), (other.time_a_ns, other.time_b_ns)
    return all(abs(one - another) >= LEAST_SHIFT_S * _NS for one in own for another in foreign)


def _donor(pair: PairSound) -> Donor:
    return Donor(ClipPlace(pair.row, "a"), ClipPlace(pair.row, "b"))
