"""Direction spectra over time as a picture, for contact sheets."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.audio.features import DirectionSettings, direction_spectrum
from avbench.benchmark.audio.grid import DirectionGrid
from avbench.benchmark.data.pair import SoundClip
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.recording import AmbisonicConvention, Rig

WINDOW_S = 0.4
_SETTINGS = DirectionSettings(grid=DirectionGrid(azimuth_bins=120, elevation_deg=(-30.0, 0.0, 30.0)))


def azimuth_over_time(
    samples: NDArray[np.float32], sample_rate_hz: int, rig: Rig, time_s: FloatArray, up: FloatArray
) -> NDArray[np.float32]:
    """Azimuth spectra (T, bins) around the given times, zero where there is none; bin 0 ahead, running to the right.

    Args:
        samples: (N, channels) in [-1, 1).
        sample_rate_hz: Samples a second.
        rig: The microphones.
        time_s: (T,) centres of the windows, counted from the first sample.
        up: (T, 3) up in camera axes at these times.
    """
    half = round(WINDOW_S * sample_rate_hz / 2)
    out = np.zeros((len(time_s), _SETTINGS.grid.azimuth_bins), np.float32)
    for row, (time, direction) in enumerate(zip(time_s, up, strict=True)):
        centre = round(float(time) * sample_rate_hz)
        part = samples[max(0, centre - half) : centre + half]
        convention = rig.ambisonic_convention or AmbisonicConvention.ACN_SN3D
        clip = SoundClip(part, sample_rate_hz, 0, len(part), rig.array_kind, rig.mic_positions_m, convention)
        spectrum = direction_spectrum(clip, direction, _SETTINGS).azimuth
        if spectrum is not None:
            out[row] = spectrum
    return out


def direction_panel(
    samples: NDArray[np.float32],
    sample_rate_hz: int,
    rig: Rig,
    time_s: FloatArray,
    up: FloatArray,
    height_px: int,
    width_px: int,
) -> NDArray[np.uint8]:
    """Picture (height_px, width_px, 3) RGB: time to the right, azimuth from -180 (bottom) to 180 degrees (top).

    Straight ahead is in the middle, right above it. Arguments as for `azimuth_over_time`.
    """
    spectra = azimuth_over_time(samples, sample_rate_hz, rig, time_s, up)
    bins = spectra.shape[1]
    upright = np.roll(spectra, bins // 2, axis=1).T[::-1]
    top = float(upright.max()) if upright.size else 0.0
    grey = np.clip(255.0 * upright / top if top > 0 else np.zeros_like(upright), 0, 255).astype(np.uint8)
    coloured = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)
    resized = cv2.resize(coloured, (width_px, height_px), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), dtype=np.uint8)
