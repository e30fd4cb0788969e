"""Direct sound and early reflections against a reference written here: exact delays, one sample at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.scene.camera_motion import draw_head_motion
from avbench.preprocessing.simulate.scene.rigs import RigKind, draw_rig
from avbench.preprocessing.simulate.scene.scene import SignalKind, Source
from avbench.preprocessing.simulate.scene.seeds import stream
from avbench.preprocessing.simulate.sound.early_sound import (
    EARLY_END_S,
    EARLY_S,
    ArrayTrack,
    add_early_sound,
    band_responses,
    split_bands,
)
from avbench.preprocessing.simulate.sound.moving_array import KNOT, farrow_filters
from avbench.preprocessing.simulate.sound.room_acoustics import Images, find_images

RATE = 16000
SPEED_M_S = 343.0
ROOM_M = (5.3, 4.1, 2.7)
LEAD_S = 0.2
WAY_S = 2.0


def band_limited_noise(seed: int, samples: int, top_hz: float = 6500.0) -> NDArray[np.float32]:
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
    spectrum[np.fft.rfftfreq(samples, 1 / RATE) > top_hz] = 0.0
    return np.fft.irfft(spectrum, samples).astype(np.float32)


def reference_images(source: FloatArray, reach_m: float, listener: FloatArray) -> list[tuple[FloatArray, int]]:
    """Images and numbers of reflections by mirroring at one wall after the other, until nothing new is near.

    No parities and no lattice: another way to the same points than the renderer's.
    """
    found: dict[tuple[float, ...], int] = {}
    front = {tuple(np.round(source, 6)): 0}
    while front:
        found |= front
        mirrored = {}
        for point, hits in front.items():
            for axis in range(3):
                for wall in (0.0, ROOM_M[axis]):
                    image = np.array(point)
                    image[axis] = 2.0 * wall - image[axis]
                    key = tuple(np.round(image, 6))
                    if key not in found and np.linalg.norm(image - listener) < reach_m + 6.0:
                        mirrored[key] = hits + 1
        front = {key: hits for key, hits in mirrored.items() if key not in found}
    return [(np.array(key), hits) for key, hits in found.items() if np.linalg.norm(np.array(key) - listener) < reach_m]


HALF_TAPS = 32
GRID = np.linspace(-HALF_TAPS, HALF_TAPS, 64 * 1024 + 1)
KERNEL = np.sinc(GRID) * np.i0(10.0 * np.sqrt(1.0 - (GRID / HALF_TAPS) ** 2)) / np.i0(10.0)


def read_at(signal: NDArray[np.float32], position: FloatArray) -> FloatArray:
    """The band-limited signal between its samples: a Kaiser-windowed sinc of 64 taps, in double precision."""
    base = np.floor(position).astype(int)
    result = np.zeros(len(position))
    for tap in range(-HALF_TAPS + 1, HALF_TAPS + 1):
        result += signal[base + tap] * np.interp(position - base - tap, GRID, KERNEL)
    return result


class MovingArray:
    """A glasses rig on a walking, turning head, and where its microphones are at any time."""

    def __init__(self, seed: int) -> None:
        rng = stream(seed, "test array")
        self.motion = draw_head_motion(rng, ROOM_M, WAY_S)
        self.rig = draw_rig(rng, RigKind.GLASSES_7)

    def mics_m(self, time_s: FloatArray) -> FloatArray:
        poses = self.motion.poses(time_s)
        return np.einsum("tij,mj->tmi", poses[:, :3, :3], self.rig.mic_positions_m) + poses[:, None, :3, 3]

    def track(self, samples: int) -> ArrayTrack:
        intervals = -(-samples // KNOT)
        return ArrayTrack(0.0, intervals * KNOT, RATE, self.mics_m(np.arange(intervals + 1) * (KNOT / RATE)))


def one_image(sign: FloatArray, offset: FloatArray, bands: int = 6) -> Images:
    return Images(sign[None], offset[None], np.ones((1, bands)), np.zeros(1))


def rendered(track: ArrayTrack, source: Source, signal: NDArray[np.float32], images: Images) -> NDArray[np.float32]:
    out = np.zeros((track.mics_m.shape[1], track.samples), dtype=np.float32)
    add_early_sound(out, track, source, signal, -LEAD_S, images)
    return out


def delay_error_samples(got: FloatArray, wanted: FloatArray) -> FloatArray:
    """Delay (windows, channels) of `got` behind `wanted` (channels, samples) every 10 ms, from the phase."""
    hop, length = RATE // 100, 512
    starts = np.arange(length, got.shape[1] - 2 * length, hop)
    window = np.hanning(length)
    frequency = 2.0 * np.pi * np.fft.rfftfreq(length)
    use = (frequency > 0.1) & (frequency < 2.0 * np.pi * 6000.0 / RATE)
    errors = np.empty((len(starts), len(got)))
    for row, start in enumerate(starts):
        G = np.fft.rfft(got[:, start : start + length] * window)[:, use]
        W = np.fft.rfft(wanted[:, start : start + length] * window)[:, use]
        cross = G * np.conj(W)
        weight = np.abs(cross) * frequency[use] ** 2
        errors[row] = -np.sum(weight * np.angle(cross) / frequency[use], axis=1) / weight.sum(axis=1)
    return errors


@pytest.mark.parametrize("seed", [0, 1])
def test_delays_of_single_arrivals_at_a_moving_array(seed: int) -> None:
    """Between microphones, at every 10 ms of the way: direct sound, and reflections up to 50 ms."""
    array = MovingArray(seed)
    samples = int(WAY_S * RATE)
    track = array.track(samples)
    place = np.array([3.9, 0.8, 1.1])
    signal = band_limited_noise(seed, samples + int(2 * LEAD_S * RATE))
    time = np.arange(track.samples) / RATE
    mics = array.mics_m(time)
    listener = mics[:, 0].mean(axis=0)
    images = reference_images(place, SPEED_M_S * 0.046, listener)
    images.sort(key=lambda image: float(np.linalg.norm(image[0] - listener)))
    worst = 0.0
    for position, _ in [images[0], images[1], images[6], images[len(images) // 3], images[-1]]:
        distance = np.linalg.norm(mics - position, axis=-1)
        delay = distance / SPEED_M_S
        wanted = np.stack(
            [read_at(signal, (time + LEAD_S - delay[:, m]) * RATE) / distance[:, m] for m in range(mics.shape[1])]
        )
        source = Source(SignalKind.SPEECH, 0.0, (0.0, 0.0, 0.0))
        got = rendered(track, source, signal, one_image(np.ones(3), position))
        errors = delay_error_samples(got, wanted)
        between = errors[:, :, None] - errors[:, None, :]
        worst = max(worst, float(np.abs(between).max()))
        assert np.abs(errors).max() < 0.05
        assert np.sqrt(np.mean((got - wanted) ** 2) / np.mean(wanted**2)) < 0.005
    print(f"largest inter-microphone delay error: {worst:.4f} samples")
    assert worst <= 0.05


def test_the_delay_measurement_notices_a_twentieth_of_a_sample() -> None:
    signal = band_limited_noise(3, 4 * RATE)
    position = np.arange(2 * RATE) + 1000.0
    wanted = read_at(signal, position)[None]
    late = read_at(signal, position - 0.05)[None]
    assert delay_error_samples(late, wanted) == pytest.approx(0.05, abs=0.002)


def test_moving_source_is_heard_from_where_it_was() -> None:
    array = MovingArray(5)
    samples = int(WAY_S * RATE)
    track = array.track(samples)
    source = Source(SignalKind.SPEECH, 0.0, (3.9, 2.9, 1.2), (0.6, -0.3, 0.0), 0.3, 0.7)
    signal = band_limited_noise(6, samples + int(2 * LEAD_S * RATE))
    time = np.arange(track.samples) / RATE
    mics = array.mics_m(time)
    # A wall at x = 0 mirrors the source and its way.
    sign, offset = np.array([-1.0, 1.0, 1.0]), np.zeros(3)
    got = rendered(track, source, signal, one_image(sign, offset))
    wanted = np.empty_like(got, dtype=np.float64)
    for m in range(mics.shape[1]):
        # Time of travel by bisection: the one root of c * travel - distance to where the source was.
        low, high = np.zeros(len(time)), np.full(len(time), 0.1)
        for _ in range(50):
            travel = 0.5 * (low + high)
            short = SPEED_M_S * travel < np.linalg.norm(mics[:, m] - sign * source.position_m(time - travel), axis=-1)
            low, high = np.where(short, travel, low), np.where(short, high, travel)
        wanted[m] = read_at(signal, (time + LEAD_S - travel) * RATE) / (SPEED_M_S * travel)
    errors = delay_error_samples(got, wanted)
    assert np.abs(errors[:, :, None] - errors[:, None, :]).max() <= 0.05
    assert np.abs(errors).max() <= 0.05


def test_whole_early_field_is_the_sum_over_images() -> None:
    """Two clicks into a moving array: what follows each for 50 ms is the sum over the mirrored sources."""
    array = MovingArray(7)
    track = array.track(int(0.3 * RATE))
    track = replace(track, mics_m=track.mics_m[:, [0, 5]])
    place = np.array([1.2, 3.3, 1.6])
    absorption = 0.36
    signal = np.zeros(track.samples + int(2 * LEAD_S * RATE), dtype=np.float32)
    sent_s = np.array([0.02, 0.18])
    click = np.interp(np.arange(-40, 41) * 0.9, GRID, KERNEL)  # flat up to 0.9 of half the sample rate
    for at in np.rint((sent_s + LEAD_S) * RATE).astype(int):
        signal[at - 40 : at + 41] += click
    time = np.arange(track.samples) / RATE
    mics = array.mics_m(time)[:, [0, 5]]
    listener = mics[:, 0].mean(axis=0)
    wanted = np.zeros((mics.shape[1], track.samples))
    for position, hits in reference_images(place, SPEED_M_S * (EARLY_S + 0.01), listener):
        distance = np.linalg.norm(mics - position, axis=-1)
        for m in range(mics.shape[1]):
            delayed = read_at(signal, (time + LEAD_S - distance[:, m] / SPEED_M_S) * RATE)
            wanted[m] += (1.0 - absorption) ** (0.5 * hits) * delayed / distance[:, m]
    heads = array.motion.poses(np.linspace(0.0, WAY_S, 60))[:, :3, 3]
    images = find_images(ROOM_M, np.full((6, 6), absorption), place[None], heads, SPEED_M_S * EARLY_END_S + 0.3)
    x, y, z = place.tolist()
    got = rendered(track, Source(SignalKind.SPEECH, 0.0, (x, y, z)), signal, without_air(images, absorption))
    for at in sent_s:
        window = slice(int(at * RATE), int((at + EARLY_S) * RATE))
        error = np.sum((got[:, window] - wanted[:, window]) ** 2) / np.sum(wanted[:, window] ** 2)
        assert error < 1e-3


def without_air(images: Images, absorption: float) -> Images:
    """The reference has no air; its absorption has a test of its own."""
    hits = np.rint(np.log(images.gain[:, 0]) / (0.5 * np.log(1.0 - absorption)))
    return replace(images, gain=np.repeat((1.0 - absorption) ** (0.5 * hits)[:, None], 6, axis=1))


def test_reflections_are_coloured_by_the_walls_they_hit() -> None:
    """One reflection off the floor, which absorbs each octave differently."""
    absorption = np.zeros((6, 6))
    absorption[4] = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9]
    source, listener = np.array([[2.0, 2.0, 1.0]]), np.array([[3.0, 2.0, 1.5]])
    images = find_images(ROOM_M, absorption, source, listener, 4.0)
    floor = np.flatnonzero(np.all(images.sign == [1, 1, -1], axis=1) & np.all(images.offset_m == 0.0, axis=1))
    assert len(floor) == 1
    air_db = np.array([0.45, 1.3, 2.7, 4.7, 9.9, 29.7]) / 1000.0 * np.hypot(1.0, 2.5)
    expected = np.sqrt(1.0 - absorption[4]) * 10.0 ** (-air_db / 20.0)
    np.testing.assert_allclose(images.gain[floor[0]], expected, rtol=1e-12)
    assert images.delay_s[floor[0]] == pytest.approx(np.hypot(1.0, 2.5) / SPEED_M_S)


def test_image_list_is_complete_and_its_reflections_are_counted_right() -> None:
    source, listener = np.array([1.7, 3.0, 0.9]), np.array([3.1, 1.0, 1.6])
    reach = 17.0
    expected = {tuple(np.round(point, 4)): hits for point, hits in reference_images(source, reach, listener)}
    images = find_images(ROOM_M, np.full((6, 6), 0.5), source[None], listener[None], reach)
    points = images.sign * source + images.offset_m
    air_db_per_m = 0.45 / 1000.0
    without_spread = images.gain[:, 0] * 10.0 ** (air_db_per_m * images.delay_s * SPEED_M_S / 20.0)
    hits = np.rint(np.log(without_spread) / np.log(np.sqrt(0.5))).astype(int)
    found = {tuple(np.round(point, 4)): int(count) for point, count in zip(points, hits, strict=True)}
    assert found == expected
    assert len(found) == len(points)


def test_bands_add_up_to_the_signal() -> None:
    signal = band_limited_noise(0, 4000)  # up to 6.5 kHz; the top band fades out below half the sample rate
    np.testing.assert_allclose(split_bands(signal, RATE).sum(axis=0), signal, atol=2e-6)


def test_band_responses_are_one_at_their_centres_and_zero_an_octave_away() -> None:
    responses = band_responses(16000, RATE)
    for band, centre in enumerate((125, 250, 500, 1000, 2000, 4000)):
        assert responses[band, centre] == pytest.approx(1.0)
        assert responses[np.arange(6) != band, centre] == pytest.approx(0.0)


def test_reading_between_samples_is_faithful_up_to_seven_kilohertz() -> None:
    """The polynomial filters against the ideal delay, over all fractions that occur."""
    filters = farrow_filters().astype(np.float64)
    half = filters.shape[1] // 2
    for frequency_hz, tolerance in ((100.0, 1e-4), (1000.0, 1e-4), (2000.0, 1e-4), (4000.0, 1e-3), (7000.0, 2e-2)):
        omega = 2.0 * np.pi * frequency_hz / RATE
        response = filters @ np.exp(1j * omega * np.arange(-half, half + 1))
        for fraction in np.linspace(-0.6, 0.6, 13):
            got = np.polyval(response[::-1], fraction)
            assert abs(got - np.exp(1j * omega * fraction)) < tolerance


def test_walking_towards_a_source_raises_its_pitch() -> None:
    """2 m/s towards a tone of 2 kHz: received at f (1 + v / c)."""
    samples = RATE
    intervals = samples // KNOT
    knots = np.arange(intervals + 1) * (KNOT / RATE)
    mics = np.stack([6.0 - 2.0 * knots, np.full_like(knots, 1.0), np.full_like(knots, 1.5)], axis=-1)[:, None]
    track = ArrayTrack(0.0, intervals * KNOT, RATE, mics)
    time = np.arange(samples + int(2 * LEAD_S * RATE)) / RATE - LEAD_S
    signal = np.sin(2.0 * np.pi * 2000.0 * time).astype(np.float32)
    source = Source(SignalKind.MACHINE, 0.0, (1.0, 1.0, 1.5))
    got = rendered(track, source, signal, one_image(np.ones(3), np.zeros(3)))[0]
    spectrum = np.abs(np.fft.rfft(got * np.hanning(len(got)), 16 * len(got)))
    peak_hz = np.argmax(spectrum) * RATE / (16 * len(got))
    assert peak_hz == pytest.approx(2000.0 * (1.0 + 2.0 / SPEED_M_S), abs=0.2)


def test_signal_that_is_too_short_is_refused() -> None:
    array = MovingArray(9)
    with pytest.raises(ValueError, match="does not reach"):
        rendered(
            array.track(RATE),
            Source(SignalKind.SPEECH, 0.0, (1.0, 1.0, 1.0)),
            np.zeros(RATE, dtype=np.float32),
            one_image(np.ones(3), np.zeros(3)),
        )


def test_head_shades_the_far_ear() -> None:
    """A source straight to the right: the far ear hears high tones much softer, low tones equally, and later."""
    intervals = RATE // KNOT
    radius = 0.0875
    mics = np.tile(np.array([[3.0, 2.0 + radius, 1.5], [3.0, 2.0 - radius, 1.5]]), (intervals + 1, 1, 1))
    head = np.tile(np.array([3.0, 2.0, 1.5]), (intervals + 1, 1))
    track = ArrayTrack(0.0, intervals * KNOT, RATE, mics, head, radius)
    source = Source(SignalKind.MACHINE, 0.0, (3.0, 0.5, 1.5))
    signal = band_limited_noise(11, RATE + int(2 * LEAD_S * RATE))
    far, near = rendered(track, source, signal, one_image(np.ones(3), np.zeros(3)))
    frequency = np.fft.rfftfreq(len(far), 1 / RATE)
    ratio = np.abs(np.fft.rfft(near)) / np.abs(np.fft.rfft(far))
    assert np.median(20.0 * np.log10(ratio[(frequency > 50) & (frequency < 150)])) == pytest.approx(0.0, abs=1.5)
    assert 10.0 < np.median(20.0 * np.log10(ratio[(frequency > 4000) & (frequency < 6000)])) < 25.0
    # Woodworth: radius / c * (1 + pi / 2) between the two.
    lags = np.arange(-30, 31)
    smooth = band_limited_noise(11, len(signal), 1500.0)
    far, near = rendered(track, source, smooth, one_image(np.ones(3), np.zeros(3)))[:, 2000:14000]
    correlation = [np.sum(near[40:-40] * far[40 + lag : len(far) - 40 + lag]) for lag in lags]
    expected = radius / SPEED_M_S * (1.0 + np.pi / 2.0) * RATE
    # The shadow filter itself delays the far ear's low tones a little more.
    assert expected - 1.0 < lags[int(np.argmax(correlation))] < expected + 4.0
