"""What a report draws and plays of single pairs: motions, spectra, sound."""

from __future__ import annotations

import io
import math
import re

import numpy as np
import pytest
import soundfile

from avbench.benchmark.audio.features import direction_spectrum
from avbench.benchmark.data.pair import SoundClip
from avbench.benchmark.predictions.file import Status
from avbench.benchmark.report.curves import corruption_of
from avbench.benchmark.report.page import environment
from avbench.benchmark.report.pairs.drawings import motion_drawing, spectrum_drawings
from avbench.benchmark.report.pairs.sounds import MOST_CHANNELS, frame_sounds
from avbench.benchmark.report.pairs.worst import AnswerView, PairView, motion_of, thumbnail
from avbench.preprocessing.base.geometry import axis_rotation
from avbench.preprocessing.format.picture import decode_picture
from avbench.preprocessing.recording.recording import ArrayKind


def test_conditions_are_told_apart_from_corruptions():
    assert corruption_of("clean") == ("", 0)
    assert corruption_of("fog-3") == ("fog", 3)
    assert corruption_of("low_light-5-a") == ("low light, frame a", 5)
    assert corruption_of("mute") is None
    assert corruption_of("fog-9") is None


UP_TILTED = axis_rotation("x", 30.0).T @ np.array([0.0, -1.0, 0.0])


def test_a_motion_in_level_axes():
    # A camera that looks up by 30 degrees and turns by 25 degrees about the vertical, to the right.
    R_level_camera = axis_rotation("x", 30.0)
    R = R_level_camera.T @ axis_rotation("y", 25.0) @ R_level_camera
    ahead_and_right = R_level_camera.T @ np.array([3.0, 0.0, 3.0])
    motion = motion_of(R, ahead_and_right, UP_TILTED, in_metres=True)
    assert motion.heading_deg == pytest.approx(25.0)
    assert motion.rotation_deg == pytest.approx(25.0)
    assert motion.azimuth_deg == pytest.approx(45.0)
    assert motion.elevation_deg == pytest.approx(0.0, abs=1e-9)
    assert motion.length_m == pytest.approx(3.0 * math.sqrt(2.0))


def test_a_motion_without_metres_or_translation():
    up = np.array([0.0, -1.0, 0.0])
    rising = motion_of(np.eye(3), np.array([0.0, -1e300, 0.0]), up, in_metres=False)
    assert rising.length_m is None
    assert rising.elevation_deg == pytest.approx(90.0)
    np.testing.assert_allclose(rising.offset, [0.0, -1.0, 0.0])
    turning = motion_of(axis_rotation("y", 180.0), None, None, in_metres=False)
    assert (turning.azimuth_deg, turning.length_m) == (None, None)
    assert abs(turning.heading_deg) == pytest.approx(180.0)


def clip(samples: np.ndarray, rate: int = 16000, kind: ArrayKind = ArrayKind.MICROPHONES) -> SoundClip:
    data = np.asarray(samples, dtype=np.float32)
    positions = None if kind is not ArrayKind.MICROPHONES else np.array([[0.1, 0, 0], [-0.1, 0, 0], [0, 0, 0.1]])
    return SoundClip(data, rate, 0, len(data), kind, positions)


def view(sound: SoundClip | None, **changed) -> PairView:
    spectrum = direction_spectrum(sound, None)
    truth = motion_of(axis_rotation("y", 10.0), np.array([1.0, 0.0, 1.0]), None, in_metres=True)
    wrong = motion_of(axis_rotation("y", -10.0), np.array([1000.0, 0.0, 0.0]), None, in_metres=True)
    answers = (
        AnswerView("good", 0, Status.OK, None, truth, 0.0, 0.0),
        AnswerView("far", 1, Status.OK, None, wrong, 20.0, 45.0),
        AnswerView("none", 2, Status.ERROR, "it raised", None, 180.0, 180.0),
    )
    fields = {
        "pair_id": "p",
        "recording_id": "r",
        "gap_s": 1.0,
        "simulated": False,
        "picture_a": b"",
        "picture_b": b"",
        "spectrum_a": spectrum,
        "spectrum_b": spectrum,
        "heading_by_sound_deg": None,
        "level": False,
        "truth": truth,
        "answers": answers,
        "sound_a": None,
        "sound_b": None,
    }
    return PairView(**{**fields, **changed})


def drawn(macro: str, *values: object) -> str:
    """What a macro of the drawings makes of values."""
    return str(getattr(environment().get_template("drawings.html").module, macro)(*values))


def coordinates(svg: str) -> list[float]:
    return [float(number) for path in re.findall(r' d="M([^"]*)"', svg) for number in re.findall(r"-?[\d.]+", path)]


def test_motions_are_drawn_inside_the_drawing_whatever_was_answered():
    svg = drawn("motion", motion_drawing(view(None)))
    assert svg.count('class="camera') == 4  # frame a, the truth and the two answers
    assert all(-10.0 <= value <= 230.0 for value in coordinates(svg))
    assert "far: turned by 10.0°, heading -10.0°, moved towards +90° at elevation +0° by 1000.00 m" in svg


def test_a_motion_to_the_right_is_drawn_to_the_right():
    truth = motion_of(np.eye(3), np.array([2.0, 0.0, 0.0]), None, in_metres=True)
    arrow = re.search(
        r'<line x1="110" y1="110" x2="([\d.]+)" y2="([\d.]+)" class="arrow truth"/>',
        drawn("motion", motion_drawing(view(None, truth=truth, answers=()))),
    )
    assert arrow is not None
    assert float(arrow.group(1)) > 150.0
    assert float(arrow.group(2)) == pytest.approx(110.0)


def test_spectra_are_drawn_or_their_absence_explained():
    noise = np.random.default_rng(0).normal(0.0, 0.1, 16000)
    # The sound reaches the right microphone first: it comes from the right.
    samples = np.stack([noise, np.roll(noise, 9), np.roll(noise, 4)], axis=1)
    heard = spectrum_drawings(view(clip(samples)))
    assert drawn("spectra", heard).count('class="spectrum') == 2
    assert re.match(r"frame a: peak at \+(8|9)\d°, srp_phat of 3 channels in camera axes", heard[0].title)
    # Two channels cannot tell front from back, so no single peak is named.
    twofold = spectrum_drawings(view(clip(samples[:, :2], kind=ArrayKind.BINAURAL)))
    assert twofold[0].title.startswith("frame a: lag of 2 channels")
    assert 'class="peak' not in drawn("spectra", twofold)
    deaf = spectrum_drawings(view(None))
    assert 'class="spectrum' not in drawn("spectra", deaf)
    assert deaf[1].title == "frame b: no direction spectrum: the pair has no sound"


def test_sounds_hold_each_channel_at_one_gain():
    rng = np.random.default_rng(1)
    samples = np.round(rng.uniform(-0.1, 0.1, (4000, 3)) * 2**15) / 2**15
    samples[:, 1] *= 0.5
    a, b = frame_sounds([clip(samples), clip(samples[:2000])])
    assert a is not None
    assert b is not None
    assert a.gain_db == b.gain_db == 19.0  # from a peak at -20 dB to one at -1 dB
    assert (a.seconds, b.seconds) == (0.25, 0.125)
    for channel in a.channels:
        played, rate = soundfile.read(io.BytesIO(channel.encoded), dtype="int16")
        assert rate == 16000
        expected = samples[:, channel.channel] * 10 ** (19.0 / 20.0) * 2**15
        np.testing.assert_allclose(played, expected, atol=0.51)
        assert channel.high.max() == pytest.approx(played.max() / 2**15, abs=1e-4)
        assert channel.low.min() == pytest.approx(played.min() / 2**15, abs=1e-4)


def test_sounds_at_their_edges():
    silent, missing = frame_sounds([clip(np.zeros((100, 3))), None])
    assert missing is None
    assert silent is not None
    assert silent.gain_db == 0.0
    broken = frame_sounds([clip(np.full((100, 3), np.nan))])[0]
    assert broken is not None
    assert not soundfile.read(io.BytesIO(broken.channels[0].encoded))[0].any()
    # What browsers cannot play as FLAC is WAV: a strange rate, or a single block.
    kinds = [frame_sounds([clip(np.zeros((n, 3)))])[0].channels[0].media_type for n in (8191, 8192)]
    assert kinds == ["audio/wav", "audio/flac"]
    many = frame_sounds([clip(np.full((9000, 32), 0.5), rate=384_000, kind=ArrayKind.AMBISONIC)])[0]
    assert many is not None
    assert (len(many.channels), many.all_channels) == (MOST_CHANNELS, 32)
    assert many.channels[0].media_type == "audio/wav"
    faint = frame_sounds([clip(np.full((50, 1), 1e-7), kind=ArrayKind.BINAURAL)])[0]
    assert faint is not None
    assert faint.gain_db == 60.0


def test_thumbnails_shrink_and_never_grow():
    wide = np.zeros((512, 1024, 3), dtype=np.uint8)
    wide[:, :, 0] = 200
    small = decode_picture(thumbnail(wide), "thumbnail")
    assert small.shape == (210, 420, 3)
    np.testing.assert_allclose(small.mean(axis=(0, 1)), [200, 0, 0], atol=3)
    assert decode_picture(thumbnail(wide[:20, :30]), "thumbnail").shape == (20, 30, 3)
