"""One clip of sound in, its direction spectrum out, or a clear statement why there is none.

The method follows from what the channels are:

    microphones at known positions    SRP-PHAT (or NormMUSIC where asked for)
    binaural                          lag spectrum through a spherical head
    stereo, positions unknown         lag spectrum of two open microphones at a nominal distance
    first-order ambisonics            power of a steered beam

Whatever the method, the result lies on one grid of directions in level axes (camera axes where up is not known), with
one azimuth convention (`grid`), and says which directions the array cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.audio import ambisonic, lag
from avbench.benchmark.audio.direction import (
    SMALLEST_EXTENT_M,
    Ambiguity,
    DirectionSettings,
    DirectionSpectrum,
    Method,
    NoSpectrum,
    SpectrumAxes,
    array_ambiguity,
    unit_range,
)
from avbench.benchmark.audio.faults import DEAD_BELOW_LOUDEST_DB, ChannelReport, FaultKind, inspect_channels
from avbench.benchmark.audio.grid import azimuth_marginal, directions_in_camera, horizon_row, rotation_grid_camera
from avbench.benchmark.audio.music import MusicPlan, norm_music, plan_music
from avbench.benchmark.audio.spectra import band_bins, frame_length, stft
from avbench.benchmark.audio.srp import SrpPlan, plan_srp, srp_phat
from avbench.benchmark.data.pair import SoundClip
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.recording import ArrayKind

__all__ = [
    "FEATURE_VERSION",
    "Ambiguity",
    "DirectionSettings",
    "DirectionSpectrum",
    "Method",
    "NoSpectrum",
    "SpectrumAxes",
    "direction_spectra",
    "direction_spectrum",
    "unit_range",
]

FEATURE_VERSION = 1
"""Raised with every change that alters a number; caches of another version are not read."""


_WHOLE_CLIP = {
    FaultKind.NOT_FINITE: NoSpectrum.NOT_FINITE,
    FaultKind.DUPLICATED: NoSpectrum.IDENTICAL_CHANNELS,
}
"""Faults that, where they concern every channel, are the reason why there is no spectrum."""


class _NoSpectrumError(Exception):
    """Carries a reason out of the steps below to `direction_spectrum`; never leaves this module."""

    def __init__(self, reason: NoSpectrum, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def direction_spectrum(
    clip: SoundClip | None, up: FloatArray | None, settings: DirectionSettings | None = None
) -> DirectionSpectrum:
    """Direction spectrum of one clip, from its valid part.

    Args:
        clip: The sound, or None where there is none.
        up: (3,) vector against gravity in camera axes; None gives a spectrum in camera axes.
        settings: Parameters; the defaults without it.

    Raises:
        ValueError: `up` is zero or not finite, or the positions do not match the channels.
    """
    chosen = settings if settings is not None else DirectionSettings()
    axes = SpectrumAxes.CAMERA if up is None else SpectrumAxes.LEVEL
    if clip is None:
        return DirectionSpectrum(chosen.grid, axes, reason=NoSpectrum.NO_SOUND, detail="the pair has no sound")
    sound = clip.samples[clip.valid_start : clip.valid_stop]
    report = inspect_channels(sound, one_point=clip.array_kind is ArrayKind.AMBISONIC)
    try:
        return _spectrum(clip, sound, report, up, axes, chosen)
    except _NoSpectrumError as none:
        return DirectionSpectrum(chosen.grid, axes, report=report, reason=none.reason, detail=none.detail)


def direction_spectra(
    clips: Iterable[tuple[SoundClip | None, FloatArray | None]], settings: DirectionSettings | None = None
) -> list[DirectionSpectrum]:
    """Direction spectra of many (clip, up); the same numbers as one by one."""
    return [direction_spectrum(clip, up, settings) for clip, up in clips]


def _spectrum(
    clip: SoundClip,
    sound: NDArray[np.float32],
    report: ChannelReport,
    up: FloatArray | None,
    axes: SpectrumAxes,
    settings: DirectionSettings,
) -> DirectionSpectrum:
    total = sound.shape[1]
    positions = _positions(clip)
    if total == 1:
        raise _NoSpectrumError(NoSpectrum.ONE_CHANNEL, "one channel has no direction")
    n_fft = frame_length(clip.sample_rate_hz, settings.frame_s)
    if len(sound) < n_fft:
        raise _NoSpectrumError(
            NoSpectrum.TOO_SHORT,
            f"{len(sound) / clip.sample_rate_hz:.3f} s of sound, a frame is {n_fft / clip.sample_rate_hz:.3f} s",
        )
    for low, high in settings.bands_hz:
        first, stop = band_bins(clip.sample_rate_hz, n_fft, low, high)
        if first == stop:
            raise _NoSpectrumError(
                NoSpectrum.SAMPLE_RATE, f"sound at {clip.sample_rate_hz} Hz holds nothing of {low:g}-{high:g} Hz"
            )
    if clip.array_kind is ArrayKind.AMBISONIC:
        used = _ambisonic_channels(sound, report)
        maps = _beam_maps(clip, sound, n_fft, up, settings)
        return _result(settings, axes, maps, Method.BEAM, used, report)
    if clip.array_kind is ArrayKind.BINAURAL or (clip.array_kind is ArrayKind.STEREO and positions is None):
        if total != 2:
            raise _NoSpectrumError(NoSpectrum.CHANNEL_COUNT, f"{clip.array_kind} sound has 2 channels, not {total}")
        return _lag_spectrum(clip, sound, report, positions, up, axes, n_fft, settings)
    working = _enough(list(report.usable()), report)
    if positions is None:
        raise _NoSpectrumError(NoSpectrum.UNKNOWN_GEOMETRY, "the positions of the microphones are not known")
    placed = np.asarray(np.isfinite(positions).all(axis=1))
    used = tuple(channel for channel in working if placed[channel])
    if len(used) < 2:
        detail = f"the positions of only {len(used)} of {len(working)} working microphones are known"
        raise _NoSpectrumError(NoSpectrum.UNKNOWN_GEOMETRY, detail)
    where = positions[list(used)]
    ambiguity, axis = array_ambiguity(where)
    if axis is None and ambiguity is not Ambiguity.NONE:
        raise _NoSpectrumError(NoSpectrum.COINCIDENT_MICROPHONES, "the microphones are all in one place")
    maps = _array_maps(sound[:, list(used)], where, clip.sample_rate_hz, n_fft, up, settings)
    turned = None if axis is None else rotation_grid_camera(up) @ axis
    method = settings.array_method
    return _result(settings, axes, maps, method, used, report, ambiguity=ambiguity, ambiguity_axis=turned)


def _positions(clip: SoundClip) -> FloatArray | None:
    if clip.mic_positions_m is None:
        return None
    positions = np.asarray(clip.mic_positions_m, dtype=np.float64)
    if positions.shape != (clip.samples.shape[1], 3):
        raise ValueError(f"mic_positions_m has the shape {positions.shape}, the sound {clip.samples.shape[1]} channels")
    return positions


def _enough(candidates: list[int], report: ChannelReport) -> tuple[int, ...]:
    """The candidates if they are two or more.

    Raises:
        _NoSpectrumError: They are fewer, and why.
    """
    if len(candidates) >= 2:
        return tuple(candidates)
    total = len(report.level_dbfs)
    for fault in report.faults:
        # Silence is only said of all channels that are finite, so it is the reason whatever else is wrong.
        if fault.kind is FaultKind.SILENT:
            raise _NoSpectrumError(NoSpectrum.SILENT, str(fault))
        if fault.kind in _WHOLE_CLIP and len(fault.channels) == total:
            raise _NoSpectrumError(_WHOLE_CLIP[fault.kind], str(fault))
    raise _NoSpectrumError(NoSpectrum.TOO_FEW_CHANNELS, f"{len(candidates)} of {total} channels can be used")


def _ambisonic_channels(sound: NDArray[np.float32], report: ChannelReport) -> tuple[int, ...]:
    """The first-order channels.

    Raises:
        _NoSpectrumError: One of them cannot be used, or they are one signal without a direction.
    """
    total = len(report.level_dbfs)
    if total < 4:
        raise _NoSpectrumError(NoSpectrum.CHANNEL_COUNT, f"first-order ambisonics has 4 channels, not {total}")
    first_order = (0, 1, 2, 3)
    if not set(first_order) <= set(report.usable()):
        _enough([], report)
    level = report.level_dbfs[:4]
    if level[1:].max() < level[0] - DEAD_BELOW_LOUDEST_DB:
        raise _NoSpectrumError(NoSpectrum.ONE_CHANNEL, "only the pressure channel holds sound")
    # A plane wave as loud on three axes as its pressure does not exist: it is a mono mix copied to all channels.
    if (sound[:, 1:4] == sound[:, :1]).all():
        raise _NoSpectrumError(NoSpectrum.IDENTICAL_CHANNELS, "the four channels hold one signal")
    return first_order


def _result(
    settings: DirectionSettings,
    axes: SpectrumAxes,
    maps: NDArray[np.float32],
    method: Method,
    channels: tuple[int, ...],
    report: ChannelReport,
    *,
    ambiguity: Ambiguity = Ambiguity.NONE,
    ambiguity_axis: FloatArray | None = None,
    nominal_geometry: bool = False,
    lag_s: FloatArray | None = None,
    lag_values: NDArray[np.float32] | None = None,
) -> DirectionSpectrum:
    shaped = maps.reshape(len(settings.bands_hz), *settings.grid.shape)
    mean_map = shaped.mean(axis=0)
    return DirectionSpectrum(
        grid=settings.grid,
        axes=axes,
        azimuth=mean_map[horizon_row(settings.grid)] if ambiguity is Ambiguity.CONE else azimuth_marginal(mean_map),
        maps=shaped,
        method=method,
        ambiguity=ambiguity,
        ambiguity_axis=ambiguity_axis,
        nominal_geometry=nominal_geometry,
        lag_s=lag_s,
        lag=lag_values,
        channels=channels,
        report=report,
    )


def _hop(n_fft: int, settings: DirectionSettings) -> int:
    return max(1, round(n_fft * settings.hop_share))


def _array_maps(
    sound: NDArray[np.float32],
    positions: FloatArray,
    sample_rate_hz: int,
    n_fft: int,
    up: FloatArray | None,
    settings: DirectionSettings,
) -> NDArray[np.float32]:
    """Maps (bands, directions) of microphones at known positions."""
    signals = np.ascontiguousarray(sound.T)
    geometry = (positions.tobytes(), None if up is None else np.asarray(up, dtype=np.float64).tobytes())
    if settings.array_method is Method.SRP_PHAT:
        plan = _srp_plan(*geometry, sample_rate_hz, settings)
        return srp_phat(stft(signals, n_fft, _hop(n_fft, settings), plan.bins), plan)
    maps = []
    for band in range(len(settings.bands_hz)):
        music = _music_plan(*geometry, sample_rate_hz, settings, band)
        spectrum = stft(signals, n_fft, _hop(n_fft, settings), music.bins)
        maps.append(norm_music(spectrum, music, sources=min(settings.music_sources, len(positions) - 1)))
    return np.stack(maps)


def _steering_directions(up: bytes | None, settings: DirectionSettings) -> FloatArray:
    return directions_in_camera(settings.grid, None if up is None else np.frombuffer(up, dtype=np.float64))


@lru_cache(maxsize=16)
def _srp_plan(positions: bytes, up: bytes | None, sample_rate_hz: int, settings: DirectionSettings) -> SrpPlan:
    return plan_srp(
        np.frombuffer(positions, dtype=np.float64).reshape(-1, 3),
        _steering_directions(up, settings),
        sample_rate_hz=sample_rate_hz,
        n_fft=frame_length(sample_rate_hz, settings.frame_s),
        bands_hz=settings.bands_hz,
        speed_of_sound_m_s=settings.speed_of_sound_m_s,
    )


# A plan of NormMUSIC takes tens of megabytes.
@lru_cache(maxsize=2)
def _music_plan(
    positions: bytes, up: bytes | None, sample_rate_hz: int, settings: DirectionSettings, band: int
) -> MusicPlan:
    return plan_music(
        np.frombuffer(positions, dtype=np.float64).reshape(-1, 3),
        _steering_directions(up, settings),
        sample_rate_hz=sample_rate_hz,
        n_fft=frame_length(sample_rate_hz, settings.frame_s),
        band_hz=settings.bands_hz[band],
        speed_of_sound_m_s=settings.speed_of_sound_m_s,
    )


def _beam_maps(
    clip: SoundClip, sound: NDArray[np.float32], n_fft: int, up: FloatArray | None, settings: DirectionSettings
) -> NDArray[np.float32]:
    """Maps (bands, directions) of first-order ambisonics."""
    sample_rate_hz = clip.sample_rate_hz
    try:
        parts = ambisonic.camera_components(np.ascontiguousarray(sound.T), clip.ambisonic_convention)
    except ValueError as error:
        raise _NoSpectrumError(NoSpectrum.CHANNEL_COUNT, str(error)) from error
    directions = directions_in_camera(settings.grid, up)
    return np.stack(
        [
            ambisonic.beam_power(
                stft(parts, n_fft, _hop(n_fft, settings), band_bins(sample_rate_hz, n_fft, *band)), directions
            )
            for band in settings.bands_hz
        ]
    )


def _lag_spectrum(
    clip: SoundClip,
    sound: NDArray[np.float32],
    report: ChannelReport,
    positions: FloatArray | None,
    up: FloatArray | None,
    axes: SpectrumAxes,
    n_fft: int,
    settings: DirectionSettings,
) -> DirectionSpectrum:
    """Spectrum of a left-right pair: its lags, and what they mean for each direction of the grid."""
    used = _enough(list(report.usable()), report)
    binaural = clip.array_kind is ArrayKind.BINAURAL
    axis = np.array([1.0, 0.0, 0.0])
    distance_m = settings.ear_distance_m if binaural else settings.stereo_distance_m
    known = positions is not None and bool(np.isfinite(positions).all())
    if positions is not None and known:
        distance_m = float(np.linalg.norm(positions[1] - positions[0]))
        if distance_m < SMALLEST_EXTENT_M:
            raise _NoSpectrumError(NoSpectrum.COINCIDENT_MICROPHONES, "the two channels are in one place")
        axis = (positions[1] - positions[0]) / distance_m
    law = lag.spherical_head_lag_s if binaural else lag.free_field_lag_s
    longest_s = float(law(90.0, distance_m, settings.speed_of_sound_m_s))
    step_s = 1.0 / (24.0 * max(high for _, high in settings.bands_hz))
    # Beyond the longest lag the spectrum shows what is not a direct sound: twice as far is enough to see it.
    half = int(np.ceil(2.0 * longest_s / step_s))
    lag_s = np.arange(-half, half + 1, dtype=np.float64) * step_s
    lateral = np.degrees(np.arcsin(np.clip(directions_in_camera(settings.grid, up) @ axis, -1.0, 1.0)))
    expected_s = law(lateral, distance_m, settings.speed_of_sound_m_s)
    signals = np.ascontiguousarray(sound.T)
    values, maps = [], []
    for band in settings.bands_hz:
        bins = band_bins(clip.sample_rate_hz, n_fft, *band)
        spectrum = stft(signals, n_fft, _hop(n_fft, settings), bins)
        value = lag.lag_spectrum(spectrum, lag_s, sample_rate_hz=clip.sample_rate_hz, n_fft=n_fft, bins=bins)
        values.append(value)
        maps.append(np.interp(expected_s, lag_s, value).astype(np.float32))
    return _result(
        settings,
        axes,
        np.stack(maps),
        Method.LAG,
        used,
        report,
        ambiguity=Ambiguity.CONE,
        ambiguity_axis=rotation_grid_camera(up) @ axis,
        nominal_geometry=not known,
        lag_s=lag_s,
        lag_values=np.stack(values),
    )
