"""The clock of sound against that of the video: its true rate, and how far the two cover each other."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.sound.container import ContainerSound
from avbench.preprocessing.media.sound.source import SoundFile
from avbench.preprocessing.recording.recording import SoundSource, sound_stop_ns

MOST_DRIFT = Fraction(1, 1000)
"""Clips keep the nominal rate of sound whose true rate differs by no more than this part of it."""

END_TOLERANCE_S = 0.1
"""Sound may begin and end this much before or after the pictures without a note."""

_USUAL_RATES_HZ = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 192000)
_LEAST_RATIO, _MOST_RATIO = 0.1, 10.0

StoredSound: TypeAlias = SoundFile | ContainerSound
"""Sound of a file, whose clock can be set."""


def with_true_rate(sound: StoredSound, rate_hz: Fraction, path: Path) -> StoredSound:
    """Sound whose samples are counted by a stated rate on the video's clock.

    Clips are cut by that rate. The rate that they state stays the file's while the two differ by up to a thousandth
    (clocks that drift, NTSC pull-down); beyond that it is the stated one, rounded to whole hertz. Nothing is resampled.

    Raises:
        InputError: The stated rate has nothing to do with the file's.
    """
    ratio = rate_hz / sound.sample_rate_hz
    if not _LEAST_RATIO <= ratio <= _MOST_RATIO:
        raise InputError(
            f"{path}: time.sound_rate_hz",
            found=f"{float(rate_hz):g} Hz for sound of {sound.sample_rate_hz} Hz",
            expected="the rate of its samples on the video's clock",
        )
    drifts = abs(ratio - 1) <= MOST_DRIFT
    nominal_hz = sound.sample_rate_hz if drifts else round(rate_hz)
    note = (
        f"{path}: its samples are counted at {float(rate_hz):.10g} Hz as stated, not at the {sound.sample_rate_hz} Hz "
        f"of the file; clips say {nominal_hz} Hz"
    )
    return replace(sound, clock_rate_hz=rate_hz, sample_rate_hz=nominal_hz, notes=(*sound.notes, note))


def coverage_notes(where: str | Path, sound: SoundSource, frame_time_ns: NDArray[np.int64]) -> tuple[str, ...]:
    """A line with both lengths if sound and pictures do not begin and end together to within 0.1 s; else none.

    Args:
        where: The sound, for the line.
        sound: The sound on the recording's clock.
        frame_time_ns: (N,) times of the frames; the last is taken to last as long as the median one.
    """
    begin_ns = int(frame_time_ns[0])
    end_ns = int(frame_time_ns[-1]) + (int(np.median(np.diff(frame_time_ns))) if len(frame_time_ns) > 1 else 0)
    sound_end_ns = sound_stop_ns(sound)
    before_s, after_s = (begin_ns - sound.start_ns) / 1e9, (sound_end_ns - end_ns) / 1e9
    if abs(before_s) <= END_TOLERANCE_S and abs(after_s) <= END_TOLERANCE_S:
        return ()
    length_s, sound_s = (end_ns - begin_ns) / 1e9, (sound_end_ns - sound.start_ns) / 1e9
    line = (
        f"{where}: its sound lasts {sound_s:.3f} s ({sound.start_ns / 1e9:.3f} to {sound_end_ns / 1e9:.3f} s), the "
        f"pictures {length_s:.3f} s ({begin_ns / 1e9:.3f} to {end_ns / 1e9:.3f} s)"
    )
    return (f"{line}{_likely_rate(sound, length_s, sound_s, before_s)}",)


def _likely_rate(sound: SoundSource, length_s: float, sound_s: float, before_s: float) -> str:
    """The rate that would make both equally long, where they begin together and it could be that."""
    if abs(before_s) > END_TOLERANCE_S or length_s <= 0.0 or abs(sound_s - length_s) <= END_TOLERANCE_S:
        return ""
    rate_hz = sound.samples / length_s
    ratio = rate_hz / float(sound.clock_rate_hz)
    usual_hz = min(_USUAL_RATES_HZ, key=lambda rate: abs(rate - rate_hz))
    if abs(rate_hz / usual_hz - 1) < 2e-3 and usual_hz != sound.sample_rate_hz:
        return (
            f"; {usual_hz} Hz instead of {sound.sample_rate_hz} Hz would fit: if the device ran at that, state "
            f"time.sound_rate_hz = {usual_hz}"
        )
    if abs(ratio - 1) < float(MOST_DRIFT):
        return (
            f"; if both began and ended together, their clocks differ by {(ratio - 1) * 1e6:.0f} parts per million: "
            f"state time.sound_rate_hz = {rate_hz:.1f}"
        )
    return ""
