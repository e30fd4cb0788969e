"""Source signals made from nothing: speech-, music- and machine-like sounds and impacts, with levels and pauses.

They need not fool anybody. They have what matters to an array: the spectra, onsets, pauses and changes of loudness of
such sounds. All have an active level of 1 (root mean square over the parts that are not pauses).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.scene.scene import SignalKind
from avbench.preprocessing.simulate.scene.seeds import Generator


def make_signal(kind: SignalKind, rng: Generator, samples: int, sample_rate_hz: int) -> NDArray[np.float32]:
    """Make a signal (samples,) of a kind."""
    maker = {
        SignalKind.SPEECH: _speech,
        SignalKind.MUSIC: _music,
        SignalKind.MACHINE: _machine,
        SignalKind.IMPACTS: _impacts,
    }[kind]
    signal = maker(rng, samples, sample_rate_hz)
    # Loudness is judged over stretches of 50 ms within 25 dB of the loudest.
    length = max(int(0.05 * sample_rate_hz), 1)
    padded = np.concatenate([signal, np.zeros(-len(signal) % length)])
    power = np.square(padded).reshape(-1, length).mean(axis=1)
    active = power >= 10.0**-2.5 * power.max()
    scaled: NDArray[np.float32] = (signal / np.sqrt(power[active].mean() + 1e-20)).astype(np.float32)
    return scaled


def _speech(rng: Generator, samples: int, rate: int) -> FloatArray:
    """Phrases of syllables between pauses; a syllable is a vowel of three formants, often behind a fricative."""
    signal = np.zeros(samples)
    pitch_hz = float(np.exp(rng.uniform(np.log(95.0), np.log(230.0))))
    tract = rng.uniform(0.9, 1.15)  # a shorter vocal tract has higher formants
    position = int(rng.uniform(0.0, 0.4) * rate)
    while position < samples:
        phrase_pitch_hz = pitch_hz * np.exp(rng.normal(0.0, 0.1))
        for syllable in range(int(rng.integers(3, 13))):
            if rng.uniform() < 0.55:
                noise = _fricative(rng, int(rng.uniform(0.03, 0.11) * rate), rate)
                _add(signal, position, rng.uniform(0.1, 0.5) * noise)
                position += int(0.8 * len(noise))
            fall = 1.0 - 0.02 * syllable
            vowel = _vowel(rng, int(rng.uniform(0.08, 0.26) * rate), rate, phrase_pitch_hz * fall, tract)
            _add(signal, position, rng.uniform(0.5, 1.0) * vowel)
            position += int(len(vowel) * rng.uniform(0.75, 1.1))
        position += int(rng.uniform(0.15, 0.9) * rate)
    return signal


def _vowel(rng: Generator, length: int, rate: int, pitch_hz: float, tract: float) -> FloatArray:
    time = np.arange(length) / rate
    glide = 1.0 + rng.normal(0.0, 0.08) * time / time[-1] + 0.01 * np.sin(2.0 * np.pi * 5.5 * time)
    phase = np.cumsum(pitch_hz * glide) / rate + rng.uniform()
    pulses = np.diff(np.floor(phase), prepend=np.floor(phase[0]))
    pulses += 0.02 * rng.standard_normal(length)
    # Glottis and lips together fall by about 6 dB an octave.
    voiced = lfilter([1.0], [1.0, -0.92], pulses)
    centres = tract * np.array([rng.uniform(270, 800), rng.uniform(850, 2300), rng.uniform(2300, 3300)])
    for centre, width, share in zip(centres, (90.0, 110.0, 170.0), (1.0, 0.8, 0.6), strict=True):
        voiced = (1.0 - share) * voiced + share * _resonator(voiced, centre, width, rate)
    return np.asarray(_unit(voiced) * _hump(length, rate, 0.02), dtype=np.float64)


def _fricative(rng: Generator, length: int, rate: int) -> FloatArray:
    low = min(rng.uniform(1800.0, 4200.0), 0.3 * rate)
    sections = butter(2, [low, min(low + rng.uniform(1500.0, 3500.0), 0.46 * rate)], "bandpass", fs=rate, output="sos")
    return np.asarray(_unit(sosfilt(sections, rng.standard_normal(length))) * _hump(length, rate, 0.01))


def _music(rng: Generator, samples: int, rate: int) -> FloatArray:
    """A tune over chords: plucked or held notes with decaying harmonics, on a beat."""
    signal = np.zeros(samples)
    beat_s = 60.0 / rng.uniform(70.0, 150.0)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16])
    root_hz = 110.0 * 2.0 ** rng.uniform(0.0, 1.2)
    harmonics = int(rng.integers(6, 16))
    brightness = rng.uniform(0.6, 1.3)
    held = rng.uniform() < 0.4
    position_s = rng.uniform(-1.0, 0.2)
    degree = int(rng.integers(len(scale)))
    while position_s * rate < samples:
        length_s = beat_s * float(rng.choice([0.5, 1.0, 1.0, 2.0]))
        degree = int(np.clip(degree + rng.integers(-3, 4), 0, len(scale) - 1))
        if rng.uniform() < 0.9:
            notes = [scale[degree]]
            if rng.uniform() < 0.4:
                notes += [scale[degree] - 12, scale[(degree + 2) % len(scale)]]
            ring = int(length_s * (1.05 if held else 1.8) * rate)
            for note in notes:
                pitch_hz = root_hz * 2.0 ** (note / 12.0)
                tone = _tone(rng, ring, rate, pitch_hz, harmonics, brightness, held=held)
                _add(signal, int(position_s * rate), rng.uniform(0.5, 1.0) * tone)
        position_s += length_s
    return signal


def _tone(
    rng: Generator, length: int, rate: int, pitch_hz: float, harmonics: int, brightness: float, *, held: bool
) -> FloatArray:
    time = np.arange(length) / rate
    tone = np.zeros(length)
    for number in range(1, harmonics + 1):
        frequency = pitch_hz * number * np.sqrt(1.0 + 2e-4 * number**2)
        if frequency > 0.45 * rate:
            break
        decay = 1.0 if held else np.exp(-time * (1.5 + 0.8 * number))
        tone += number**-brightness * decay * np.sin(2.0 * np.pi * frequency * time + rng.uniform(0.0, 2.0 * np.pi))
    attack = rng.standard_normal(length) * np.exp(-time / 0.008)  # pluck, hammer or breath
    return np.asarray((_unit(tone) + 0.3 * attack) * _hump(length, rate, 0.004), dtype=np.float64)


def _machine(rng: Generator, samples: int, rate: int) -> FloatArray:
    """A fan or a motor: coloured noise with hum and its harmonics, breathing slowly; now and then it stops."""
    time = np.arange(samples) / rate
    noise = rng.standard_normal(samples)
    low, high = rng.uniform(80.0, 400.0), min(rng.uniform(1500.0, 6500.0), 0.45 * rate)
    sections = butter(1, [low, high], "bandpass", fs=rate, output="sos")
    signal = _unit(sosfilt(sections, noise))
    hum_hz = rng.uniform(45.0, 240.0)
    for number in range(1, 9):
        level = rng.uniform(0.0, 0.5) / number
        signal = signal + level * np.sin(2.0 * np.pi * hum_hz * number * time + rng.uniform(0.0, 2.0 * np.pi))
    depth, rate_hz = rng.uniform(0.0, 0.5), rng.uniform(0.3, 12.0)
    signal = signal * (1.0 + depth * np.sin(2.0 * np.pi * rate_hz * time + rng.uniform(0.0, 2.0 * np.pi)))
    if rng.uniform() < 0.3:
        period_s, duty = rng.uniform(2.0, 5.0), rng.uniform(0.5, 0.85)
        running = np.mod(time / period_s + rng.uniform(), 1.0) < duty
        smooth = int(0.1 * rate)
        signal = signal * np.convolve(running, np.hanning(smooth) / np.hanning(smooth).sum(), mode="same")
    return np.asarray(signal, dtype=np.float64)


def _impacts(rng: Generator, samples: int, rate: int) -> FloatArray:
    """Taps, steps and clatter: short bursts that ring in a few modes, singly or in flurries."""
    signal = np.zeros(samples)
    position_s = rng.uniform(-0.5, 0.3)
    modes_hz = np.exp(rng.uniform(np.log(250.0), np.log(6000.0), 6))
    while position_s * rate < samples:
        gap_s = rng.uniform(0.12, 0.7)
        for _ in range(int(rng.integers(1, 9))):
            length = int(rng.uniform(0.05, 0.3) * rate)
            time = np.arange(length) / rate
            burst = 0.6 * rng.standard_normal(length) * np.exp(-time / 0.006)
            for mode in modes_hz:
                damping = rng.uniform(0.01, 0.06)
                burst += rng.uniform(0.0, 1.0) * np.exp(-time / damping) * np.sin(2.0 * np.pi * mode * time)
            _add(signal, int(position_s * rate), rng.uniform(0.3, 1.0) * burst)
            position_s += gap_s * rng.uniform(0.7, 1.3)
        position_s += rng.uniform(0.2, 1.2)
    return signal


def _resonator(signal: FloatArray, centre_hz: float, width_hz: float, rate: int) -> FloatArray:
    """A two-pole resonance of unit gain at its centre."""
    radius = np.exp(-np.pi * width_hz / rate)
    angle = 2.0 * np.pi * min(centre_hz, 0.45 * rate) / rate
    poles = np.array([1.0, -2.0 * radius * np.cos(angle), radius**2])
    gain = (1.0 - radius) * abs(1.0 - radius * np.exp(-2j * angle))
    return np.asarray(lfilter([gain], poles, signal), dtype=np.float64)


def _hump(length: int, rate: int, ramp_s: float) -> FloatArray:
    """An envelope that rises and falls smoothly within `ramp_s`."""
    ramp = min(int(ramp_s * rate), length // 2)
    envelope = np.ones(length)
    if ramp:
        rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / ramp)
        envelope[:ramp] = rise
        envelope[-ramp:] = rise[::-1]
    return envelope


def _unit(signal: FloatArray) -> FloatArray:
    return np.asarray(signal / (np.sqrt(np.mean(np.square(signal))) + 1e-12), dtype=np.float64)


def _add(signal: FloatArray, position: int, part: FloatArray) -> None:
    start, stop = max(position, 0), min(position + len(part), len(signal))
    if start < stop:
        signal[start:stop] += part[start - position : stop - position]
