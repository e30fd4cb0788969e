"""Listening probes: the same pairs with sound that is gone, that lies, or that is poorer.

A model that listens loses when the sound is gone (its *reliance*), and should not lose more than that when the sound
lies (its *harm*). Pictures and up vectors stay as they are. Every probe is a condition: deterministic from the pair's
id and the data set, never from a label. A pair to which a probe cannot be applied keeps its own sound and is left out
of that probe's result, counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from avbench.benchmark.audio.ambisonic import left_right_signs
from avbench.benchmark.conditions.condition import Condition
from avbench.benchmark.conditions.corruptions.randomness import Stream
from avbench.benchmark.conditions.probes.sound_bank import ClipPlace, SoundBank
from avbench.benchmark.conditions.probes.sound_donors import (
    LEAST_SHIFT_S,
    MOST_SHIFT_S,
    Donor,
    PairSound,
    other_scene_donors,
    same_scene_donors,
    shifted_donors,
)
from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.data.pair import Modality, PairInput, SoundClip
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind

PROBES_VERSION = 1
"""Raised whenever a probe gives other sound."""

PREFIX = "probe-"
"""Begins the name of every probe's condition."""

_LARGEST_SAMPLE = np.float32(1.0 - 2.0**-24)
_COLUMNS = (
    *("pair_id", "recording_id", "group_id", "time_a_ns", "time_b_ns"),
    *("audio_valid_stop_a", "audio_valid_stop_b"),
    *("array_kind", "ambisonic_convention", "audio_channels", "audio_sample_rate_hz", "mic_positions_m"),
)


class ProbeKind(StrEnum):
    """What a probe does to the sound."""

    GONE = "gone"
    LIES = "lies"
    POORER = "poorer"


class Probe(StrEnum):
    """The probes."""

    MUTE = "mute"
    TIME_SHIFT = "time_shift"
    SAME_SCENE = "same_scene"
    OTHER_SCENE = "other_scene"
    PERMUTED = "permuted"
    MIRRORED = "mirrored"
    MONO = "mono"
    NOISE_10_DB = "noise_10db"
    NOISE_0_DB = "noise_0db"


KIND = {
    Probe.MUTE: ProbeKind.GONE,
    Probe.TIME_SHIFT: ProbeKind.LIES,
    Probe.SAME_SCENE: ProbeKind.LIES,
    Probe.OTHER_SCENE: ProbeKind.LIES,
    Probe.PERMUTED: ProbeKind.LIES,
    Probe.MIRRORED: ProbeKind.LIES,
    Probe.MONO: ProbeKind.POORER,
    Probe.NOISE_10_DB: ProbeKind.POORER,
    Probe.NOISE_0_DB: ProbeKind.POORER,
}

SUMMARY = {
    Probe.MUTE: "all samples zero",
    Probe.TIME_SHIFT: f"clips of the same recording {LEAST_SHIFT_S:g} to {MOST_SHIFT_S:g} s away",
    Probe.SAME_SCENE: "the sound of another pair of the same recording",
    Probe.OTHER_SCENE: "the sound of a pair of another group",
    Probe.PERMUTED: "channels in another order",
    Probe.MIRRORED: "left and right of the array exchanged",
    Probe.MONO: "every channel the mean of all",
    Probe.NOISE_10_DB: "white noise in every channel, 10 dB below the sound",
    Probe.NOISE_0_DB: "white noise in every channel, as loud as the sound",
}


@dataclass(frozen=True)
class ProbePlan:
    """One probe on one split.

    Attributes:
        probe: Which.
        condition: As a condition of a run.
        pair_ids: The pairs to which it can be applied.
        why_not: Why it cannot be applied to the others.
        median_shift_s: Median time between a pair's own clips and what it hears; None where that says nothing.
    """

    probe: Probe
    condition: Condition
    pair_ids: frozenset[str]
    why_not: str
    median_shift_s: float | None = None

    def under(self, condition: Condition) -> ProbePlan:
        """This probe combined with another condition, such as a corruption of the pictures."""
        return replace(self, condition=self.condition.under(condition))


def silence() -> Condition:
    """The condition of the probe `mute`."""
    return _condition(Probe.MUTE, _each(mute))


def plan_probes(dataset: PairDataset, split: str) -> list[ProbePlan]:
    """All probes for a split, in the order of `Probe`.

    Raises:
        InputError: There is no such split, or a shard is damaged.
    """
    rows = dataset.table(split, _COLUMNS).to_pylist()
    heard = {row["pair_id"]: row for row in rows if _has_sound(row)}
    sounds = [
        PairSound(
            number,
            row["pair_id"],
            row["recording_id"],
            row["group_id"],
            row["time_a_ns"],
            row["time_b_ns"],
            (row["array_kind"], row["ambisonic_convention"], row["audio_channels"], row["audio_sample_rate_hz"]),
        )
        for number, row in enumerate(rows)
        if row["pair_id"] in heard
    ]
    bank = SoundBank(dataset, split)
    several = frozenset(name for name, row in heard.items() if row["audio_channels"] > 1)
    sided = frozenset(name for name, row in heard.items() if _has_sides(row))
    everywhere = frozenset(heard)
    plans = [_plan(Probe.MUTE, _each(mute), everywhere, "without sound")]
    for probe, donors, why_not in (
        (Probe.TIME_SHIFT, shifted_donors(sounds), "without two clips in reach"),
        (Probe.SAME_SCENE, same_scene_donors(sounds), "without another pair of the recording a second away"),
        (Probe.OTHER_SCENE, other_scene_donors(sounds), "without another group of the same sound format"),
    ):
        plan = _plan(probe, _Exchange(donors, bank), frozenset(donors), why_not)
        shifts = [abs(shift) for donor in donors.values() for shift in donor.shift_s or ()]
        plans.append(replace(plan, median_shift_s=float(np.median(shifts))) if shifts else plan)
    return [
        *plans,
        _plan(Probe.PERMUTED, permuted, several, "with one channel"),
        _plan(Probe.MIRRORED, _each(mirrored), sided, "without microphone positions or two ears"),
        _plan(Probe.MONO, _each(mono), several, "with one channel"),
        _plan(Probe.NOISE_10_DB, _Noise(10.0), everywhere, "without sound"),
        _plan(Probe.NOISE_0_DB, _Noise(0.0), everywhere, "without sound"),
    ]


def mute(clip: SoundClip) -> SoundClip:
    """Silence of the same length in the same channels; a model sees that there are microphones, and hears nothing."""
    return replace(clip, samples=np.zeros_like(clip.samples))


def mono(clip: SoundClip) -> SoundClip:
    """Every channel the mean of all."""
    mean = clip.samples.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    return replace(clip, samples=np.repeat(mean, clip.samples.shape[1], axis=1))


def mirrored(clip: SoundClip) -> SoundClip:
    """Left and right exchanged: two ears or stereo channels change places, microphones are said to be mirrored.

    Of ambisonic sound the components that are odd in the axis that points left change sign.
    """
    if clip.array_kind is ArrayKind.AMBISONIC:
        signs = left_right_signs(clip.samples.shape[1], clip.ambisonic_convention)
        return replace(clip, samples=clip.samples * signs)
    if clip.array_kind in (ArrayKind.BINAURAL, ArrayKind.STEREO):
        return replace(clip, samples=np.ascontiguousarray(clip.samples[:, ::-1]))
    if clip.mic_positions_m is None:
        return clip
    return replace(clip, mic_positions_m=clip.mic_positions_m * np.array([-1.0, 1.0, 1.0]))


def permuted(pair: PairInput) -> PairInput:
    """No channel where it belongs, the same for both clips: the channels are shuffled by pair, then moved on by one."""

    def exchanged(clip: SoundClip | None) -> SoundClip | None:
        if clip is None:
            return None
        shuffled = np.argsort(_stream(Probe.PERMUTED, pair).words(clip.samples.shape[1]), kind="stable")
        # Each channel is replaced by the one after it in a random circle: none stays.
        order = np.empty_like(shuffled)
        order[shuffled] = np.roll(shuffled, -1)
        return replace(clip, samples=np.ascontiguousarray(clip.samples[:, order]))

    return replace(pair, sound_a=exchanged(pair.sound_a), sound_b=exchanged(pair.sound_b))


def noisy(clip: SoundClip, snr_db: float, stream: Stream) -> SoundClip:
    """White noise added to the part that is not padding, independent in every channel.

    Args:
        clip: The sound.
        snr_db: Mean power of the sound over that of the noise, all channels together, in decibels.
        stream: Decides the noise.
    """
    valid = slice(clip.valid_start, clip.valid_stop)
    sound = clip.samples[valid]
    power = float(np.mean(np.square(sound, dtype=np.float64))) if sound.size else 0.0
    # The sum of four uniform numbers is near to a normal one, and is made of integers: the same on every machine.
    words = stream.uniform16(4 * sound.size).reshape(4, *sound.shape)
    normal = (words.sum(axis=0, dtype=np.int32) - np.int32(2 * 65535)).astype(np.float32)
    scale = np.sqrt(power * 10.0 ** (-snr_db / 10.0) / ((65536.0**2 - 1.0) / 3.0))
    samples = clip.samples.copy()
    samples[valid] = np.clip(sound + normal * np.float32(scale), np.float32(-1.0), _LARGEST_SAMPLE)
    return replace(clip, samples=samples)


@dataclass(frozen=True)
class _Noise:
    snr_db: float

    def __call__(self, pair: PairInput) -> PairInput:
        # The same noise at every level, so that a comparison between levels compares nothing else.
        stream = Stream.named("probe", "noise", f"version {PROBES_VERSION}", pair.pair_id)
        clips = {
            view: None if clip is None else noisy(clip, self.snr_db, stream.child(view))
            for view, clip in (("a", pair.sound_a), ("b", pair.sound_b))
        }
        return replace(pair, sound_a=clips["a"], sound_b=clips["b"])


@dataclass(frozen=True)
class _Exchange:
    """A pair with the samples of another, said to come from its own microphones."""

    donors: Mapping[str, Donor]
    bank: SoundBank

    def __call__(self, pair: PairInput) -> PairInput:
        donor = self.donors.get(pair.pair_id)
        if donor is None:
            return pair
        return replace(
            pair,
            sound_a=self._heard(pair.sound_a, donor.clip_a),
            sound_b=self._heard(pair.sound_b, donor.clip_b),
        )

    def _heard(self, own: SoundClip | None, place: ClipPlace) -> SoundClip | None:
        # A model that does not listen has no clips here, and gets none.
        found = self.bank.clip(place) if own is not None else None
        if own is None or found is None:
            return own
        return replace(own, samples=found.samples, valid_start=found.valid_start, valid_stop=found.valid_stop)


def _each(change: Callable[[SoundClip], SoundClip]) -> Callable[[PairInput], PairInput]:
    def changed(pair: PairInput) -> PairInput:
        return replace(
            pair,
            sound_a=None if pair.sound_a is None else change(pair.sound_a),
            sound_b=None if pair.sound_b is None else change(pair.sound_b),
        )

    return changed


def _plan(
    probe: Probe, transform: Callable[[PairInput], PairInput], pair_ids: frozenset[str], why_not: str
) -> ProbePlan:
    return ProbePlan(probe, _condition(probe, transform), pair_ids, why_not)


def _condition(probe: Probe, transform: Callable[[PairInput], PairInput]) -> Condition:
    return Condition(f"{PREFIX}{probe}", transform, f"version {PROBES_VERSION}", frozenset({Modality.AUDIO}))


def _stream(probe: Probe, pair: PairInput) -> Stream:
    return Stream.named("probe", probe, f"version {PROBES_VERSION}", pair.pair_id)


def _has_sound(row: Mapping[str, object]) -> bool:
    return row["audio_valid_stop_a"] is not None and row["audio_valid_stop_b"] is not None


def _has_sides(row: Mapping[str, object]) -> bool:
    kind = row["array_kind"]
    if kind == ArrayKind.MICROPHONES:
        return row["mic_positions_m"] is not None
    if kind == ArrayKind.AMBISONIC:
        # Which components of higher orders are odd to the left is known in ACN order only.
        return row["audio_channels"] == 4 or row["ambisonic_convention"] != AmbisonicConvention.FUMA
    return row["audio_channels"] == 2
