"""The reverberant tail and the background: decay, level, coherence, and no clicks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt, stft

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.scene.camera_motion import draw_head_motion
from avbench.preprocessing.simulate.scene.rigs import RigKind, draw_rig
from avbench.preprocessing.simulate.scene.scene import BANDS_HZ, SignalKind, Source, Vector3
from avbench.preprocessing.simulate.scene.seeds import stream
from avbench.preprocessing.simulate.sound.early_sound import EARLY_END_S, EARLY_S, ArrayTrack, add_early_sound
from avbench.preprocessing.simulate.sound.moving_array import KNOT
from avbench.preprocessing.simulate.sound.room_acoustics import (
    draw_absorption,
    eyring_rt60_s,
    find_images,
)
from avbench.preprocessing.simulate.sound.tail_sound import (
    DIRECTIONS,
    DiffuseField,
    add_diffuse_sound,
    background_noise,
    draw_directions,
    tail_response,
)

RATE = 16000
SPEED_M_S = 343.0


class Room:
    """A room with one source and a listener who stands still or walks."""

    def __init__(self, seed: int, rt60_range_s: tuple[float, float], *, walks: bool, seconds: float) -> None:
        rng = stream(seed, "tail test")
        self.size_m: Vector3 = (rng.uniform(4, 8), rng.uniform(3.5, 7), rng.uniform(2.4, 3.4))
        self.absorption = draw_absorption(rng, self.size_m, rt60_range_s)
        self.rt60_s = eyring_rt60_s(self.size_m, self.absorption)
        motion = draw_head_motion(rng, self.size_m, seconds)
        rig = draw_rig(rng, RigKind.GLASSES_7)
        intervals = -(-int(seconds * RATE) // KNOT)
        poses = motion.poses(np.arange(intervals + 1) * (KNOT / RATE if walks else 0.0))
        mics = np.einsum("kij,mj->kmi", poses[:, :3, :3], rig.mic_positions_m) + poses[:, None, :3, 3]
        self.track = ArrayTrack(0.0, intervals * KNOT, RATE, mics)
        while True:
            x, y, z = (rng.uniform(0.4, side - 0.4) for side in self.size_m)
            if np.linalg.norm(mics.reshape(-1, 3) - (x, y, z), axis=1).min() > 0.8:
                break
        self.source = Source(SignalKind.SPEECH, 0.0, (x, y, z))
        self.images = find_images(
            self.size_m, self.absorption, np.array([[x, y, z]]), poses[:, :3, 3], SPEED_M_S * EARLY_END_S + 0.3
        )
        self.field = DiffuseField(
            draw_directions(rng), poses[0, :3, 3], (tail_response(rng, self.images, self.rt60_s, RATE),)
        )

    def hear(self, signal: NDArray[np.float32], lead_s: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Early and diffuse sound (channels, samples) of a signal that begins `lead_s` before the track."""
        early = np.zeros((7, self.track.samples), dtype=np.float32)
        late = np.zeros_like(early)
        add_early_sound(early, self.track, self.source, signal, -lead_s, self.images)
        silence = np.zeros((DIRECTIONS, len(signal)), dtype=np.float32)
        add_diffuse_sound(late, self.track, self.field, [signal], -lead_s, silence)
        return early, late


def click(samples: int, at_s: float) -> NDArray[np.float32]:
    signal = np.zeros(samples, dtype=np.float32)
    signal[round(at_s * RATE)] = 1.0
    return signal


def octave(signal: FloatArray, centre_hz: float) -> FloatArray:
    edges = [centre_hz / np.sqrt(2.0), min(centre_hz * np.sqrt(2.0), 0.45 * RATE)]
    return np.asarray(sosfiltfilt(butter(4, edges, "bandpass", fs=RATE, output="sos"), signal, axis=-1))


def decay_time_s(power: FloatArray) -> float:
    """RT60 of a power (samples,): slope of Schroeder's backward integral from -5 to -25 dB (ISO 3382)."""
    decay = np.cumsum(power[::-1])[::-1]
    level = 10.0 * np.log10(decay / decay[0] + 1e-30)
    part = (level < -5.0) & (level > -25.0)
    return float(-60.0 / np.polyfit(np.flatnonzero(part) / RATE, level[part], 1)[0])


RT60_RANGES_S = [(0.15, 0.3), (0.3, 0.6), (0.6, 0.9)]


@pytest.mark.parametrize("rt60_range_s", RT60_RANGES_S)
def test_tail_decays_in_each_band_at_the_stated_rate(rt60_range_s: tuple[float, float]) -> None:
    """Each room and band, from the mean over all directions of the field."""
    ratios = []
    for seed in range(5):
        room = Room(seed, rt60_range_s, walks=False, seconds=0.1)
        responses = np.pad(room.field.responses[0].astype(np.float64), ((0, 0), (0, RATE // 4)))
        for centre, stated in zip(BANDS_HZ, room.rt60_s, strict=True):
            power = np.square(octave(responses, centre)).mean(axis=0)
            ratios.append(decay_time_s(power[round((EARLY_END_S - EARLY_S) * RATE) :]) / stated)
    by_band = np.array(ratios).reshape(-1, len(BANDS_HZ))
    print(f"measured / stated RT60 by band: {np.round(by_band.mean(axis=0), 3)}")
    assert np.abs(by_band - 1.0).max() < 0.10


@pytest.mark.parametrize("rt60_range_s", RT60_RANGES_S)
def test_microphones_hear_the_tail_decay_at_the_stated_rate(rt60_range_s: tuple[float, float]) -> None:
    """After a click in the room. An array hears one noise, whose slope scatters at 125 Hz: the mean rate over rooms."""
    rates = []
    for seed in range(16):
        room = Room(seed, rt60_range_s, walks=False, seconds=1.0)
        early, late = room.hear(click(int(2.0 * RATE), 0.5), 0.5)
        for centre, stated in zip(BANDS_HZ, room.rt60_s, strict=True):
            power = np.square(octave((early + late).astype(np.float64), centre)).mean(axis=0)
            rates.append(stated / decay_time_s(power[round(EARLY_END_S * RATE) :]))
    by_band = np.array(rates).reshape(-1, len(BANDS_HZ))
    print(f"stated / measured RT60 by band: {np.round(by_band.mean(axis=0), 3)}")
    assert np.abs(by_band.mean(axis=0) - 1.0).max() < 0.10
    assert np.abs(by_band[:, 3:] - 1.0).max() < 0.12


def test_tail_takes_over_where_reflections_leave_off() -> None:
    """Energy in the 15 ms before and after the change, corrected for the decay between, over rooms."""
    steps = []
    for seed in range(12):
        room = Room(seed, (0.3, 0.6), walks=False, seconds=0.3)
        early, late = room.hear(click(int(1.3 * RATE), 0.5), 0.5)
        power = np.square(octave((early + late).astype(np.float64), 1000.0)).mean(axis=0)
        before = power[int(0.034 * RATE) : int(0.049 * RATE)].sum()
        after = power[int(0.057 * RATE) : int(0.072 * RATE)].sum()
        steps.append(10.0 * np.log10(after / before) + 60.0 * 0.023 / room.rt60_s[BANDS_HZ.index(1000.0)])
    print(f"step at the change: {np.mean(steps):.2f} dB, scatter {np.std(steps):.2f} dB")
    assert abs(np.mean(steps)) < 1.5


def test_change_from_reflections_to_tail_keeps_the_power() -> None:
    """The two fades are cosine and sine: no hole and no bump between 50 and 56 ms."""
    power = np.zeros(3)
    for seed in range(16):
        room = Room(seed, (0.3, 0.6), walks=False, seconds=0.2)
        early, late = room.hear(click(int(1.2 * RATE), 0.5), 0.5)
        energy = np.square((early + late).astype(np.float64)).mean(axis=0)
        pieces = [
            energy[int(a * RATE) : int(b * RATE)].mean() for a, b in ((0.044, 0.05), (0.05, 0.056), (0.056, 0.062))
        ]
        power += np.array(pieces) / sum(pieces)
    assert 0.6 < power[1] / np.sqrt(power[0] * power[2]) < 1.6


def test_background_has_the_coherence_of_a_diffuse_field() -> None:
    """Between two microphones at rest: sin(kd) / kd, real."""
    distance_m, seconds = 0.14, 20.0
    intervals = int(seconds * RATE) // KNOT
    mics = np.tile(np.array([[2.0, 2.0, 1.5], [2.0 + distance_m, 2.0, 1.5]]), (intervals + 1, 1, 1))
    track = ArrayTrack(0.0, intervals * KNOT, RATE, mics)
    rng = stream(0, "coherence")
    field = DiffuseField(draw_directions(rng), np.array([2.0, 2.0, 1.5]), ())
    out = np.zeros((2, track.samples), dtype=np.float32)
    noise = background_noise(rng, track.samples + RATE, RATE)
    add_diffuse_sound(out, track, field, [], -0.5, noise)
    frequency, _, spectra = stft(out.astype(np.float64), RATE, nperseg=512)
    cross = np.mean(spectra[0] * np.conj(spectra[1]), axis=-1)
    coherence = cross / np.sqrt(np.prod(np.mean(np.abs(spectra) ** 2, axis=-1), axis=0))
    expected = np.sinc(2.0 * frequency * distance_m / SPEED_M_S)
    use = (frequency > 60.0) & (frequency < 3000.0)
    assert np.abs(coherence - expected)[use].max() < 0.2
    assert np.sqrt(np.mean(np.abs(coherence - expected)[use] ** 2)) < 0.08


def test_background_has_unit_power_at_a_microphone() -> None:
    noise = background_noise(stream(1, "power"), 8 * RATE, RATE)
    assert np.mean(np.square(noise.sum(axis=0))) == pytest.approx(1.0, rel=0.1)


def test_directions_are_spread_evenly() -> None:
    directions = draw_directions(stream(2, "directions"))
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    np.testing.assert_allclose(directions.T @ directions / DIRECTIONS, np.eye(3) / 3.0, atol=0.02)
    np.testing.assert_allclose(directions.mean(axis=0), 0.0, atol=0.02)


@pytest.mark.parametrize("frequency_hz", [500.0, 2000.0])
def test_no_clicks_while_the_array_walks(frequency_hz: float) -> None:
    """A steady tone in a reverberant room: away from the tone there must be nothing, at no time.

    The array turns and walks, so the tone is spread by Doppler (a few Hz) and fading. A click would be broad-band.
    """
    room = Room(3, (0.5, 0.6), walks=True, seconds=3.0)
    lead_s = 1.0
    time = np.arange(int((lead_s + 3.3) * RATE)) / RATE
    signal = np.sin(2.0 * np.pi * frequency_hz * time).astype(np.float32)
    early, late = room.hear(signal, lead_s)
    worst = strongest_burst_db(early + late, frequency_hz)
    print(f"strongest burst off the tone: {worst:.1f} dB")
    assert worst < -60.0


def test_the_spectral_test_notices_a_step_of_the_delays() -> None:
    """What the test above must catch: a pose that jumps every 0.2 s, as in static pieces put together."""
    time = np.arange(3 * RATE) / RATE
    late = 1e-4 * np.floor(time / 0.2)
    stepped = np.sin(2.0 * np.pi * 500.0 * (time - late))[None]
    assert strongest_burst_db(stepped, 500.0) > -40.0


def strongest_burst_db(sound: NDArray[np.floating], tone_hz: float) -> float:
    """Largest power of a 32 ms window outside the tone's neighbourhood, over the tone's mean power."""
    window = np.blackman(512)
    starts = np.arange(0, sound.shape[1] - 512, 128)
    frames = np.stack([sound[:, start : start + 512] for start in starts]).astype(np.float64) * window
    power = np.abs(np.fft.rfft(frames)) ** 2
    frequency = np.fft.rfftfreq(512, 1 / RATE)
    near = np.abs(frequency - tone_hz) < 200.0
    return float(10.0 * np.log10(power[..., ~near].sum(axis=-1).max() / power[..., near].sum(axis=-1).mean()))


def test_absorption_reaches_the_reverberation_time_asked_for() -> None:
    for seed in range(30):
        rng = stream(seed, "absorption")
        size: Vector3 = (rng.uniform(4, 8), rng.uniform(3.5, 7), rng.uniform(2.4, 3.4))
        absorption = draw_absorption(rng, size, (0.15, 0.6))
        rt60 = eyring_rt60_s(size, absorption)
        assert absorption.shape == (6, 6)
        assert (absorption > 0.0).all()
        assert (absorption < 1.0).all()
        assert (rt60 > 0.15 - 1e-6).all()
        assert (rt60 < 0.6 + 1e-6).all()


def test_eyring_formula_by_hand() -> None:
    """5 x 4 x 3 m, all faces absorb 0.3: V = 60, S = 94; 24 ln 10 V / (c (-S ln 0.7 + 4 m V)), m at 1 kHz."""
    rt60 = eyring_rt60_s((5.0, 4.0, 3.0), np.full((6, 6), 0.3))
    air_per_m = 0.0047 / 4.342945
    expected = 24.0 * np.log(10.0) * 60.0 / (343.0 * (94.0 * 0.3566749 + 4.0 * 60.0 * air_per_m))
    assert rt60[3] == pytest.approx(expected, rel=1e-6)


def test_tail_begins_when_the_early_part_ends() -> None:
    room = Room(0, (0.3, 0.6), walks=False, seconds=0.3)
    _, late = room.hear(click(int(1.3 * RATE), 0.5), 0.5)
    before = np.square(late[:, : int((EARLY_S - 1e-3) * RATE)]).sum()
    assert before < 1e-6 * np.square(late).sum()
