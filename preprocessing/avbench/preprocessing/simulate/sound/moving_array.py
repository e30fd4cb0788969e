"""Compiled rendering of travelling waves at moving microphones: delays that vary continuously, Doppler included.

A wave is a signal that arrives with a delay and a gain of its own at each microphone, both changing with time. Delays
are computed exactly every `KNOT` samples (4 ms at 16 kHz) and run linearly in between; a head accelerates by a few
m/s^2, which keeps the error of that below 1e-3 samples. Between samples a signal is read by a polynomial in the
fraction whose coefficients are filters (Farrow 1988): the filters run once over each source signal, and reading them
costs a few multiplications per wave, microphone and sample, all of it on contiguous memory.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.simulate.scene.jit import compiled

F32: TypeAlias = NDArray[np.float32]
F64: TypeAlias = NDArray[np.float64]

KNOT = 64
BLOCK = 512  # a few blocks of all filtered bands stay in the processor's cache
ORDER = 5  # coefficients of the polynomial in the fraction
HALF_TAPS = 12
_FRACTION_REACH = 0.62
"""The fraction may leave [-0.5, 0.5] by as much as a delay drifts within half a knot interval."""

PLANE, POINT, HEAD_LOW, HEAD_HIGH = 0, 1, 2, 3


@lru_cache(maxsize=1)
def farrow_filters() -> F32:
    """Filters (ORDER, taps): applied to a signal they give the polynomial that reads it between samples.

    Least squares over fractions within the reach and over frequencies up to 0.9 of half the sample rate. The polynomial
    can do least at high frequencies, so these weigh less: what is possible at low ones is not given away for them.
    """
    taps = np.arange(-HALF_TAPS, HALF_TAPS + 1)
    frequency = np.linspace(0.0, 0.9 * np.pi, 200)[:, None]
    fraction = np.linspace(-_FRACTION_REACH, _FRACTION_REACH, 25)[None, :]
    weight = (10.0 ** (-3.0 * frequency / np.pi) * np.ones_like(fraction)).reshape(-1)
    wanted = np.exp(1j * frequency * fraction).reshape(-1) * weight
    # Columns: fraction^m times the response of one tap, for all m and taps.
    waves = np.exp(1j * frequency[..., None, None] * taps)
    powers = fraction[..., None, None] ** np.arange(ORDER)[:, None]
    columns = (waves * powers).reshape(len(wanted), -1) * weight[:, None]
    matrix = np.concatenate([columns.real, columns.imag])
    solution = np.linalg.lstsq(matrix, np.concatenate([wanted.real, wanted.imag]), rcond=1e-10)[0]
    filters: F32 = solution.reshape(ORDER, len(taps)).astype(np.float32)
    return filters


@compiled
def _filter_bands(bands: F32, filters: F32, out: F32) -> None:
    count, samples = bands.shape
    order, taps = filters.shape
    half = taps // 2
    for b in range(count):
        for start in range(half, samples - half, 2048):
            stop = min(start + 2048, samples - half)
            for m in range(order):
                target = out[b, m, start:stop]
                for k in range(taps):
                    weight = filters[m, k]
                    source = bands[b, start + k - half : stop + k - half]
                    for n in range(len(target)):
                        target[n] += weight * source[n]


def farrow(bands: F32) -> F32:
    """Filter signals (bands, samples) for reading between samples: (bands, ORDER, samples).

    The first and last `HALF_TAPS` samples come out as silence.
    """
    out = np.zeros((bands.shape[0], ORDER, bands.shape[1]), dtype=np.float32)
    _filter_bands(np.ascontiguousarray(bands, dtype=np.float32), farrow_filters(), out)
    return out


@compiled
def add_waves(
    out: F32,
    filtered: F32,
    origin: float,
    sign: F64,
    offset: F64,
    band_gain: F32,
    source_track: F64,
    mics: F64,
    head: F64,
    samples_per_m: float,
    fade_samples: F64,
    model: int,
    head_radius: float,
) -> None:
    """Add the waves of the images of one source to the sound of all microphones.

    Args:
        out: (channels, samples) what is added to; the number of samples is a multiple of KNOT.
        filtered: (bands, ORDER, N) the source signal from `farrow`.
        origin: Sample index within `filtered` that an output of sample 0 without delay reads.
        sign: (I, 3) of the images.
        offset: (I, 3) of the images; for plane waves the unit vector towards where the wave comes from.
        band_gain: (I, bands).
        source_track: (T, 3) places of the source every KNOT samples, the first at output sample -KNOT * (T - K),
            where K is the number of knots; (1, 3) for a source that stays.
        mics: (K, channels, 3) places of the microphones at each knot.
        head: (K, 3) centre of the head at each knot; used by HEAD_LOW and HEAD_HIGH only.
        samples_per_m: Sample rate by the speed of sound.
        fade_samples: Delays at which the fading out of late waves begins and ends.
        model: POINT for images, PLANE for plane waves; for images around a rigid sphere, HEAD_LOW for the part of the
            signal that the sphere only delays and HEAD_HIGH for the part that it also shades.
        head_radius: Radius of the sphere.

    Raises:
        ValueError: The signal is too short, or the array is metres wide.
    """
    channels, samples = out.shape
    bands = band_gain.shape[1]
    available = filtered.shape[2]
    knots_per_block = BLOCK // KNOT
    delay = np.empty((channels, knots_per_block + 1))
    gain = np.empty((channels, knots_per_block + 1))
    margin = 4
    mixed = np.zeros((ORDER, 2 * BLOCK + 2 * margin), dtype=np.float32)
    lead = len(source_track) - len(mics)
    for block in range(0, samples, BLOCK):
        first_knot = block // KNOT
        intervals = min(knots_per_block, (samples - block) // KNOT)
        for i in range(len(sign)):
            # Delay and gain of this wave at each microphone and knot.
            shortest, longest, loudest = np.inf, -np.inf, 0.0
            for k in range(intervals + 1):
                knot = first_knot + k
                row = 0 if len(source_track) == 1 else knot + lead
                x = sign[i, 0] * source_track[row, 0] + offset[i, 0]
                y = sign[i, 1] * source_track[row, 1] + offset[i, 1]
                z = sign[i, 2] * source_track[row, 2] + offset[i, 2]
                if len(source_track) > 1:
                    # Where the source was when what is heard now left it: v / c is small, so two rounds do.
                    for _ in range(2):
                        dx, dy, dz = x - mics[knot, 0, 0], y - mics[knot, 0, 1], z - mics[knot, 0, 2]
                        at = max(row - np.sqrt(dx * dx + dy * dy + dz * dz) * samples_per_m / KNOT, 0.0)
                        low = int(at)
                        w = at - low
                        high = min(low + 1, len(source_track) - 1)
                        x = sign[i, 0] * ((1.0 - w) * source_track[low, 0] + w * source_track[high, 0]) + offset[i, 0]
                        y = sign[i, 1] * ((1.0 - w) * source_track[low, 1] + w * source_track[high, 1]) + offset[i, 1]
                        z = sign[i, 2] * ((1.0 - w) * source_track[low, 2] + w * source_track[high, 2]) + offset[i, 2]
                if model in (HEAD_LOW, HEAD_HIGH):
                    hx, hy, hz = x - head[knot, 0], y - head[knot, 1], z - head[knot, 2]
                    centre_distance = np.sqrt(hx * hx + hy * hy + hz * hz)
                for m in range(channels):
                    if model == PLANE:
                        delay[m, k] = -samples_per_m * (
                            offset[i, 0] * mics[knot, m, 0]
                            + offset[i, 1] * mics[knot, m, 1]
                            + offset[i, 2] * mics[knot, m, 2]
                        )
                        gain[m, k] = 1.0
                    else:
                        if model == POINT:
                            dx, dy, dz = x - mics[knot, m, 0], y - mics[knot, m, 1], z - mics[knot, m, 2]
                            distance = np.sqrt(dx * dx + dy * dy + dz * dz)
                            shade = 1.0
                        else:
                            mx, my, mz = (
                                mics[knot, m, 0] - head[knot, 0],
                                mics[knot, m, 1] - head[knot, 1],
                                mics[knot, m, 2] - head[knot, 2],
                            )
                            cosine = (mx * hx + my * hy + mz * hz) / (head_radius * centre_distance)
                            angle = np.arccos(min(max(cosine, -1.0), 1.0))
                            # Straight on the near side, along the surface into the shadow (Woodworth 1938).
                            detour = -np.cos(angle) if angle < 0.5 * np.pi else angle - 0.5 * np.pi
                            distance = centre_distance + head_radius * detour
                            # High frequencies: 6 dB up facing the source, 20 dB down at 150 degrees (Brown, Duda 1998).
                            shade = 1.05 + 0.95 * np.cos(angle * 1.2) if model == HEAD_HIGH else 1.0
                        delay[m, k] = distance * samples_per_m
                        gain[m, k] = shade / max(distance, 0.05)
                        if delay[m, k] >= fade_samples[1]:
                            gain[m, k] = 0.0
                        elif delay[m, k] > fade_samples[0]:
                            fade = (delay[m, k] - fade_samples[0]) / (fade_samples[1] - fade_samples[0])
                            gain[m, k] *= np.cos(0.5 * np.pi * fade)
                    shortest, longest = min(shortest, delay[m, k]), max(longest, delay[m, k])
                    loudest = max(loudest, abs(gain[m, k]))
            if loudest == 0.0:
                continue
            # Mix the bands over the stretch of signal that all microphones read in this block.
            start = int(np.floor(origin + block - longest)) - margin
            length = int(np.ceil(origin + block + intervals * KNOT - shortest)) + margin - start
            if start < 0 or start + length > available:
                raise ValueError("the source signal does not reach as far as the delays")
            if length > mixed.shape[1]:
                raise ValueError("the microphones are too far apart or too fast")
            for order in range(ORDER):
                mix = mixed[order, :length]
                part = filtered[0, order, start : start + length]
                weight = band_gain[i, 0]
                for n in range(length):
                    mix[n] = weight * part[n]
                # Two bands at a time: half the passes over the mix.
                for b in range(1, bands - 1, 2):
                    part = filtered[b, order, start : start + length]
                    other = filtered[b + 1, order, start : start + length]
                    weight, other_weight = band_gain[i, b], band_gain[i, b + 1]
                    for n in range(length):
                        mix[n] += weight * part[n] + other_weight * other[n]
                if bands % 2 == 0:
                    part = filtered[bands - 1, order, start : start + length]
                    weight = band_gain[i, bands - 1]
                    for n in range(length):
                        mix[n] += weight * part[n]
            for m in range(channels):
                for k in range(intervals):
                    # In this interval sample n reads position base + n + shift, with |fraction| a little over 0.5.
                    slope = (delay[m, k] - delay[m, k + 1]) / KNOT
                    position = origin + block + k * KNOT - delay[m, k] - start
                    base = int(np.floor(position + 0.5 * KNOT * slope + 0.5))
                    f0, df = np.float32(position - base), np.float32(slope)
                    g0 = np.float32(gain[m, k])
                    dg = np.float32((gain[m, k + 1] - gain[m, k]) / KNOT)
                    target = out[m, block + k * KNOT : block + (k + 1) * KNOT]
                    c0, c1, c2 = (
                        mixed[0, base : base + KNOT],
                        mixed[1, base : base + KNOT],
                        mixed[2, base : base + KNOT],
                    )
                    c3, c4 = mixed[3, base : base + KNOT], mixed[4, base : base + KNOT]
                    for n in range(KNOT):
                        step = np.float32(n)
                        f = f0 + df * step
                        g = g0 + dg * step
                        target[n] += g * (c0[n] + f * (c1[n] + f * (c2[n] + f * (c3[n] + f * c4[n]))))
