"""Real recordings go through: a spectrum, or a clear statement why there is none."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from audio_scenes import clip_of
from avbench.benchmark.audio.binaural import NoBinaural, ear_signals
from avbench.benchmark.audio.direction import Ambiguity
from avbench.benchmark.audio.faults import FaultKind
from avbench.benchmark.audio.features import Method, NoSpectrum, direction_spectrum
from avbench.benchmark.audio.grid import peak_azimuth_deg, wrap_deg
from avbench.preprocessing.recording.recording import ArrayKind
from avbench.preprocessing.sources.common.ref import SourceOptions
from avbench.preprocessing.sources.find import find_recordings, open_recording


def test_ambisonic_clip(shared_data: Path) -> None:
    samples, rate = soundfile.read(shared_data / "audio" / "starss22_foa_fold3_room21_mix001.wav", dtype="float32")
    clip = clip_of(samples, rate, None, ArrayKind.AMBISONIC)
    spectrum = direction_spectrum(clip, None)
    assert spectrum.azimuth is not None
    print(f"STARSS22: {spectrum.describe()}; peak at {peak_azimuth_deg(spectrum.azimuth):.1f} deg")
    assert spectrum.method is Method.BEAM
    assert spectrum.ambiguity is Ambiguity.NONE
    # Independent of frames and beams: the active intensity of the whole clip, in the same band, points the same way.
    # (Several sounds at once: the peak of a power and the mean of a flow need not agree to the degree.)
    w, y, z, x = np.fft.rfft(samples, axis=0).T
    frequency = np.fft.rfftfreq(len(samples), 1.0 / rate)
    energy = sum(np.abs(part) ** 2 for part in (w, x, y, z))
    weight = np.where((frequency > 500) & (frequency < 4000), 1.0 / energy, 0.0)
    forward, left = (float(np.sum((np.conj(w) * part).real * weight)) for part in (x, y))
    to_the_right = -float(np.degrees(np.arctan2(left, forward)))
    print(f"intensity vector: {to_the_right:.1f} deg")
    assert abs(wrap_deg(peak_azimuth_deg(spectrum.azimuth) - to_the_right)) < 45.0
    assert not isinstance(ear_signals(clip), NoBinaural)


def test_five_identical_channels(shared_data: Path) -> None:
    samples, rate = soundfile.read(shared_data / "audio" / "vrs_audio_int16_48k_5ch.wav", dtype="float32")
    ring = np.array([[np.cos(a), 0.0, np.sin(a)] for a in np.arange(5)]) * 0.05
    for positions in (ring, None):
        clip = clip_of(samples, rate, positions)
        spectrum = direction_spectrum(clip, None)
        print(f"five identical channels: {spectrum.describe()}")
        assert spectrum.reason is NoSpectrum.IDENTICAL_CHANNELS
        assert spectrum.report is not None
        assert {f.kind: f.channels for f in spectrum.report.faults}[FaultKind.DUPLICATED] == (0, 1, 2, 3, 4)
        assert ear_signals(clip) in (NoBinaural.UNUSABLE_CHANNELS, NoBinaural.UNKNOWN_GEOMETRY)


def test_camera_stereo(shared_data: Path) -> None:
    with av.open(str(shared_data / "gopro_max" / "max-heromode.mp4")) as container:
        stream = container.streams.audio[0]
        rate = stream.rate
        samples = np.concatenate([frame.to_ndarray() for frame in container.decode(stream)], axis=1).T
    assert samples.shape[1] == 2
    for start_s in (1.0, 4.0, 7.0):
        cut = samples[int(start_s * rate) : int((start_s + 1.0) * rate)]
        clip = clip_of(cut, rate, None, ArrayKind.STEREO)
        spectrum = direction_spectrum(clip, None)
        print(f"GoPro at {start_s:.0f} s: {spectrum.describe()}")
        if start_s == 1.0:
            # The camera begins with one signal on both channels and fades to stereo: they differ by -64 dB here.
            assert spectrum.reason is NoSpectrum.IDENTICAL_CHANNELS
            assert ear_signals(clip) is NoBinaural.UNUSABLE_CHANNELS
            continue
        assert spectrum.method is Method.LAG
        assert spectrum.ambiguity is Ambiguity.CONE
        assert spectrum.nominal_geometry
        assert spectrum.azimuth is not None
        assert np.isfinite(spectrum.azimuth).all()
        assert not isinstance(ear_signals(clip), NoBinaural)


def test_aria_gen2_microphones(shared_data: Path) -> None:
    pytest.importorskip("pyvrs", reason="the extra avbench[aria] is not installed")
    (reference,) = find_recordings(shared_data / "aria_gen2", SourceOptions())
    recording = open_recording(reference, SourceOptions())
    assert recording.sound is not None
    assert recording.rig is not None
    samples = recording.sound.read(0, recording.sound.samples) / np.float32(2.0**15)
    clip = clip_of(samples, recording.sound.sample_rate_hz, recording.rig.mic_positions_m)
    spectrum = direction_spectrum(clip, None)
    assert spectrum.azimuth is not None
    assert spectrum.report is not None
    peak = f"peak {spectrum.azimuth.max():.2f} at {peak_azimuth_deg(spectrum.azimuth):.1f} deg"
    print(f"Aria Gen 2: {spectrum.describe()}; {peak}; dBFS {np.round(spectrum.report.level_dbfs).tolist()}")
    assert spectrum.method is Method.SRP_PHAT
    assert spectrum.channels == tuple(range(7))
    np.testing.assert_array_equal(ear_signals(clip), clip.samples.T[[5, 6]])  # the temples
