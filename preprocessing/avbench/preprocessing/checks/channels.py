"""Whether the channels of a sound can be what the rig file says they are, from a few seconds of it.

The checks ask for what physics rules out, not for what is unusual, and what they find is a note. A recording in which
they find nothing may still be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.checks.array_geometry import SoundWindow
from avbench.preprocessing.recording.recording import AmbisonicConvention, SampleFormat, SoundSource

WINDOWS = 6
WINDOW_S = 0.25

_FULL_SCALE = {SampleFormat.INT16: 2.0**15, SampleFormat.INT24: 2.0**31, SampleFormat.INT32: 2.0**31}
_BAND_HZ = (300.0, 3000.0)  # below, capsules hear wind and handling; above, they are no points any more
_LEAST_POWER = 1e-7  # of full scale: -70 dBFS in the band
_LEAST_WINDOWS = 3

# X, Y and Z together over W, in decibels: of a plane wave, and on average of any field, it is fixed by the convention.
_FIGURES_OVER_W_DB = {
    AmbisonicConvention.ACN_SN3D: 0.0,
    AmbisonicConvention.FUMA: 10.0 * float(np.log10(2.0)),
    AmbisonicConvention.ACN_N3D: 10.0 * float(np.log10(3.0)),
}
_LARGEST_LEVEL_ERROR_DB = 1.5


def sound_windows(sound: SoundSource) -> list[SoundWindow]:
    """Windows (samples, channels) in [-1, 1], spread over a sound; damaged ones are left out."""
    length = round(WINDOW_S * sound.sample_rate_hz)
    if not 0 < length <= sound.samples:
        return []
    starts = np.unique(np.linspace(0, sound.samples - length, WINDOWS).astype(np.int64))
    scale = _FULL_SCALE.get(sound.sample_format, 1.0)
    windows = []
    for start in starts.tolist():
        try:
            windows.append(sound.read(start, start + length).astype(np.float32) / np.float32(scale))
        except InputError:
            continue
    return windows


def ambisonic_level_doubt(
    windows: Sequence[SoundWindow], sample_rate_hz: int, convention: AmbisonicConvention
) -> str | None:
    """What speaks against the normalisation of first-order channels, None if nothing does.

    Args:
        windows: Windows (samples, 4 or more channels), the pressure first.
        sample_rate_hz: Samples a second.
        convention: The one stated or taken.
    """
    found = []
    for window in windows:
        power = _power_in_band(window[:, :4], sample_rate_hz)
        if min(power[0], power[1:].sum()) > _LEAST_POWER:
            found.append(10.0 * np.log10(power[1:].sum() / power[0]))
    if len(found) < _LEAST_WINDOWS:
        return None
    level = float(np.median(found))
    nearest = min(_FIGURES_OVER_W_DB, key=lambda other: abs(_FIGURES_OVER_W_DB[other] - level))
    expected = _FIGURES_OVER_W_DB[convention]
    # Faint W, or a mono mix in W alone, is no sign of another convention.
    is_another = abs(_FIGURES_OVER_W_DB[nearest] - level) < 0.5 * _LARGEST_LEVEL_ERROR_DB
    if abs(expected - level) < _LARGEST_LEVEL_ERROR_DB or not is_another:
        return None
    return (
        f"X, Y and Z together are {level:.1f} dB above W, while {convention} has them {expected:.1f} dB above and "
        f"{nearest} {_FIGURES_OVER_W_DB[nearest]:.1f} dB: check microphones.ambisonics"
    )


def _power_in_band(window: SoundWindow, sample_rate_hz: int) -> FloatArray:
    """Mean square (channels,) of a window (samples, channels) within the band."""
    taper = np.hanning(len(window))[:, None]
    spectrum = np.fft.rfft(window * taper, axis=0)
    frequency = np.fft.rfftfreq(len(window), 1.0 / sample_rate_hz)
    inside = (frequency >= _BAND_HZ[0]) & (frequency < _BAND_HZ[1])
    # Parseval: one side of the spectrum holds half the power.
    total = 2.0 * (np.abs(spectrum[inside]) ** 2).sum(axis=0) / (len(window) * (taper**2).sum())
    return np.asarray(total, dtype=np.float64)
