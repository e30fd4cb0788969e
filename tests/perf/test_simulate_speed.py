"""Speed of the simulator: figures printed, ratios asserted."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.scene.scene import SignalKind, Source
from avbench.preprocessing.simulate.scene.world import RecordingSettings, World, make_world
from avbench.preprocessing.simulate.sound.early_sound import ArrayTrack, add_early_sound
from avbench.preprocessing.simulate.sound.moving_array import KNOT
from avbench.preprocessing.simulate.sound.room_acoustics import Images

pytestmark = pytest.mark.perf

RATE = 16000


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def test_parts_of_a_simulated_minute() -> None:
    """Prints CPU seconds for each minute of recording, 320x240 at 10 frames a second, 7 channels at 16 kHz."""
    parts: dict[str, float] = dict.fromkeys(("scene and textures", "pictures", "source signals", "sound"), 0.0)
    seconds = sources = 0.0
    for index in range(9):
        settings = RecordingSettings(7, "test", index, duration_s=6.0)
        worlds: list[World] = []
        made = cpu_seconds(lambda s=settings, w=worlds: (w.append(make_world(s)), w[0].packed))  # type: ignore[misc]
        world = worlds[0]
        drawn = cpu_seconds(lambda w=world: [w.picture(t / 10.0) for t in range(60)])  # type: ignore[misc]
        signals = cpu_seconds(lambda w=world: w._signals)  # type: ignore[misc]
        heard = cpu_seconds(lambda w=world: w.sound(0, w.settings.samples))  # type: ignore[misc]
        if index == 0:  # compiling
            continue
        seconds += settings.length_s
        sources += len(world.scene.sources)
        for name, value in zip(parts, (made, drawn, signals, heard), strict=True):
            parts[name] += value
    for name, value in parts.items():
        print(f"{name:20s} {60.0 * value / seconds:6.2f} CPU-s a minute")
    print(f"{'all':20s} {60.0 * sum(parts.values()) / seconds:6.2f} CPU-s a minute, {sources / 8:.1f} sources")
    assert parts["pictures"] > 0.0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_recording_stays_small_in_memory() -> None:
    """Peak memory of a process that makes recordings, over that of one which only imports the simulator."""
    measure = "print(next(s for s in open('/proc/self/status') if s.startswith('VmHWM')).split()[1], file=sys.stderr)"
    imports = "import sys; from pathlib import Path; from avbench.preprocessing.simulate.write import *; "
    work = (
        "import tempfile; folder = tempfile.TemporaryDirectory();"
        "[write_recording(Path(folder.name), RecordingSettings(7, 'test', i)) for i in range(20)];"
    )
    peaks = [
        int(subprocess.run([sys.executable, "-c", code + measure], capture_output=True, text=True, check=True).stderr)
        // 1024
        for code in (imports, imports + work)
    ]
    print(f"peak memory {peaks[1]} MiB after 20 recordings, {peaks[0]} MiB with the libraries alone")
    assert peaks[1] - peaks[0] < 500


def test_moving_array_against_plain_interpolation() -> None:
    """Against numpy that reads the signal with two taps at exact delays, sample by sample: cruder, and slower."""
    rng = np.random.default_rng(0)
    samples = 2 * RATE // KNOT * KNOT
    knots = np.arange(samples // KNOT + 1) * (KNOT / RATE)
    shape = rng.normal(0.0, 0.06, (1, 7, 3))
    mics = shape + np.array([2.0, 2.0, 1.5]) + knots[:, None, None] * np.array([0.4, 0.1, 0.0])
    track = ArrayTrack(0.0, samples, RATE, mics)
    images = Images(np.ones((60, 3)), rng.uniform(-8.0, 8.0, (60, 3)), rng.uniform(0.1, 1.0, (60, 6)), np.zeros(60))
    signal = rng.standard_normal(samples + RATE).astype(np.float32)
    source = Source(SignalKind.SPEECH, 0.0, (0.0, 0.0, 0.0))

    def ours() -> None:
        add_early_sound(np.zeros((7, samples), dtype=np.float32), track, source, signal, -0.5, images)

    def plain() -> FloatArray:
        out = np.zeros((7, samples))
        index = np.arange(samples)
        for m in range(7):
            place = np.stack([np.interp(index, np.arange(len(knots)) * KNOT, mics[:, m, k]) for k in range(3)], axis=-1)
            for offset, gain in zip(images.offset_m, images.gain, strict=True):
                distance = np.linalg.norm(place - offset, axis=-1)
                position = index + 0.5 * RATE - distance * (RATE / 343.0)
                low = position.astype(np.int64)
                weight = position - low
                out[m] += gain[0] / distance * ((1.0 - weight) * signal[low] + weight * signal[low + 1])
        return out

    ours()
    ratios = []
    for _ in range(3):
        fast, slow = cpu_seconds(ours), cpu_seconds(plain)
        ratios.append(slow / fast)
    per_second = cpu_seconds(ours) / (samples / RATE) / 60 / 7
    print(f"{np.median(ratios):.0f} times faster; {per_second * 1e6:.1f} CPU-us for a wave, microphone and second")
    assert np.median(ratios) > 10.0


def test_moving_sound_against_static_pieces_of_pyroomacoustics() -> None:
    """A second at a moving array costs less than five static pieces of 0.2 s, which would have steps between them."""
    pra = pytest.importorskip("pyroomacoustics")
    world = make_world(RecordingSettings(7, "train", 5, duration_s=2.0))
    one_source = world.scene.sources[0]
    rng = np.random.default_rng(0)
    signal = rng.standard_normal(RATE)

    def static() -> None:
        for piece in range(5):
            room = pra.ShoeBox(
                list(world.scene.room.size_m), fs=RATE, materials=pra.Material(0.3), max_order=10, air_absorption=False
            )
            room.add_source(list(one_source.centre_m), signal=signal[: RATE // 5])
            pose = world.motion.poses(0.5 + 0.2 * piece)
            room.add_microphone_array((world.rig.mic_positions_m @ pose[:3, :3].T + pose[:3, 3]).T)
            room.simulate()

    def moving() -> None:
        for source, images in zip(world.scene.sources[:1], world._images[:1], strict=True):
            track = world.track(0.5, RATE)
            out = np.zeros((7, track.samples), dtype=np.float32)
            add_early_sound(out, track, source, np.tile(signal, 2).astype(np.float32), 0.0, images)

    moving()
    ratios = []
    for _ in range(5):
        fast, slow = cpu_seconds(moving), cpu_seconds(static)
        ratios.append(slow / fast)
    print(f"moving and exact to 50 ms: {np.median(ratios):.1f} times faster than static pieces to order 10")
    assert np.median(ratios) > 1.0
