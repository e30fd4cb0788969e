"""Ambisonic channels of a recording: convention, order, turn and levels."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import soundfile

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.checks.channels import ambisonic_level_doubt
from avbench.preprocessing.recording.ambisonics import MappedSound, first_order_upright, is_higher_order
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind, Recording, SampleFormat
from avbench.preprocessing.sources.common.ref import SourceOptions
from avbench.preprocessing.sources.find import find_recordings, open_recording
from media_files import HEIGHT_PX, TICKS, WIDTH_PX, write_video

RATE_HZ = 48_000
CAMERA = f"[camera]\nwidth = {WIDTH_PX}\nheight = {HEIGHT_PX}\nfx = 100\nfy = 100\ncx = 63.5\ncy = 47.5\n"
# By the table of conventions, a plane wave of pressure s from the direction (ahead, left, up).
CONVENTIONS = {
    AmbisonicConvention.ACN_SN3D: lambda ahead, left, up: [1, left, up, ahead],
    AmbisonicConvention.ACN_N3D: lambda ahead, left, up: [1, 3**0.5 * left, 3**0.5 * up, 3**0.5 * ahead],
    AmbisonicConvention.FUMA: lambda ahead, left, up: [0.5**0.5, ahead, left, up],
}


@cache
def video() -> bytes:
    with TemporaryDirectory() as folder:
        write_video(Path(folder, "v.mp4"), [int(i / 30 / TICKS) for i in range(6)])
        return Path(folder, "v.mp4").read_bytes()


def opened(
    folder: Path,
    channels: np.ndarray,
    rig: str,
    *,
    turn_deg: int = 0,
    axes_of: str = "upright",
    kind: str = "ambisonic",
) -> Recording:
    """A recording whose sound file has the given channels (samples, channels), int16."""
    (folder / "walk.mp4").write_bytes(video())
    (folder / "walk.tum").write_text("\n".join(f"{0.1 * i:.1f} 0 0 0 0 0 0 1" for i in range(4)), encoding="utf-8")
    soundfile.write(folder / "walk.wav", channels, RATE_HZ, subtype="PCM_16")
    text = f'axes_of = "{axes_of}"\nlicence = "CC0-1.0"\ngroup = "g"\n{CAMERA}turn_deg = {turn_deg}\n'
    text += f'[microphones]\narray_kind = "{kind}"\n{rig}[trajectory]\nscale = "metric"\n'
    if turn_deg % 180 and axes_of == "upright":
        text = text.replace("[camera]", '[camera]\naxes_of = "sensor"')
    (folder / "walk.toml").write_text(text, encoding="utf-8")
    (ref,) = find_recordings(folder, SourceOptions())
    return open_recording(ref, SourceOptions())


def noise(channels: int = 4, seconds: float = 0.2) -> np.ndarray:
    return np.random.default_rng(1).integers(-(2**15), 2**15, (round(seconds * RATE_HZ), channels), np.int16)


@pytest.mark.parametrize("convention", list(AmbisonicConvention))
def test_the_convention_is_stated_by_the_rig(tmp_path: Path, convention: AmbisonicConvention) -> None:
    recording = opened(tmp_path, noise(), f'ambisonics = "{convention}"\n')
    assert recording.rig is not None
    assert (recording.rig.array_kind, recording.rig.ambisonic_convention) == (ArrayKind.AMBISONIC, convention)
    assert recording.sound is not None
    np.testing.assert_array_equal(recording.sound.read(0, 9600), noise())
    assert not any("microphones.ambisonics stated" in note for note in recording.notes)


def test_the_default_is_said(tmp_path: Path) -> None:
    recording = opened(tmp_path, noise(), "")
    assert recording.rig is not None
    assert recording.rig.ambisonic_convention is AmbisonicConvention.ACN_SN3D
    assert any("no microphones.ambisonics stated; taken as acn_sn3d (W Y Z X)" in note for note in recording.notes)


@pytest.mark.parametrize("channels", [6, 9, 11, 16, 25])
def test_higher_orders_are_read_by_their_first_four_channels_when_asked(tmp_path: Path, channels: int) -> None:
    with pytest.raises(InputError, match=rf"ambisonic for the {channels} channels.*use_first_order = true"):
        opened(tmp_path, noise(channels), "")
    recording = opened(tmp_path, noise(channels), "use_first_order = true\n")
    assert recording.sound is not None
    assert (recording.sound.channels, recording.sound.samples) == (4, 9600)
    np.testing.assert_array_equal(recording.sound.read(7, 70), noise(channels)[7:70, :4])
    assert any(f"of {channels} ambisonic channels the first 4 are read" in note for note in recording.notes)


@pytest.mark.parametrize("channels", [2, 3, 5, 8, 10])
def test_other_numbers_of_channels_are_no_ambisonics(tmp_path: Path, channels: int) -> None:
    assert not is_higher_order(channels)
    with pytest.raises(InputError, match=rf"ambisonic for the {channels} channels of walk.wav, expected 4 channels$"):
        opened(tmp_path, noise(channels), "use_first_order = true\n")


def test_a_convention_for_other_channels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'microphones.ambisonics: found array_kind = "stereo" beside it'):
        opened(tmp_path, noise(2), 'ambisonics = "fuma"\n', kind="stereo")


# --- axes ----------------------------------------------------------------------------------------------------------

# The same wave from (ahead, left, up) of the upright picture, in axes of the sensor, which a clockwise turn of the
# picture brings upright: after 90 degrees the sensor's left is up, and its up is right.
IN_SENSOR_AXES = {
    90: lambda left, up: (up, -left),
    180: lambda left, up: (-left, -up),
    270: lambda left, up: (-up, left),
}


@pytest.mark.parametrize("convention", list(AmbisonicConvention))
@pytest.mark.parametrize("turn_deg", [90, 180, 270])
def test_channels_of_the_sensor_are_turned_with_the_picture(
    tmp_path: Path, convention: AmbisonicConvention, turn_deg: int
) -> None:
    source = np.random.default_rng(2).normal(0, 3000, (9600, 1))
    ahead, left, up = 0.5, 0.7, -0.5
    upright = source * CONVENTIONS[convention](ahead, left, up)
    sensor = source * CONVENTIONS[convention](ahead, *IN_SENSOR_AXES[turn_deg](left, up))
    rig = f'ambisonics = "{convention}"\n'
    recording = opened(tmp_path, sensor.round().astype(np.int16), rig, turn_deg=turn_deg, axes_of="sensor")
    assert recording.sound is not None
    np.testing.assert_allclose(recording.sound.read(0, 9600), upright, atol=0.51)
    recording = opened(tmp_path, sensor.round().astype(np.int16), rig, turn_deg=turn_deg)
    assert recording.sound is not None
    np.testing.assert_array_equal(recording.sound.read(0, 9600), sensor.round())


class Samples:
    """A sound in memory."""

    sample_rate_hz, clock_rate_hz, start_ns = RATE_HZ, Fraction(RATE_HZ), 5

    def __init__(self, block: np.ndarray, sample_format: SampleFormat) -> None:
        self.block, self.sample_format = block, sample_format
        self.samples, self.channels = block.shape

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.block[start:stop]


@pytest.mark.parametrize(
    ("sample_format", "lowest", "largest"),
    [
        (SampleFormat.INT16, -(2**15), 2**15 - 1),
        (SampleFormat.INT24, -(2**31), 2**31 - 256),
        (SampleFormat.INT32, -(2**31), 2**31 - 1),
        (SampleFormat.FLOAT32, -1.0, 1.0),
    ],
)
def test_a_changed_sign_does_not_wrap_around(sample_format: SampleFormat, lowest: float, largest: float) -> None:
    dtype = {"int16": np.int16, "float32": np.float32}.get(str(sample_format), np.int32)
    block = np.full((3, 4), lowest, dtype=dtype)
    turned = first_order_upright(Samples(block, sample_format), AmbisonicConvention.ACN_SN3D, 2)
    assert isinstance(turned, MappedSound)
    assert (turned.start_ns, turned.sample_rate_hz, turned.sample_format) == (5, RATE_HZ, sample_format)
    read = turned.read(0, 3)
    assert read.dtype == dtype
    assert read.tolist() == [[lowest, largest, largest, lowest]] * 3
    assert block.tolist() == [[lowest] * 4] * 3


# --- levels --------------------------------------------------------------------------------------------------------


def room(convention: AmbisonicConvention, seed: int) -> np.ndarray:
    """Eight waves from all around, one of them loud, and noise of the capsules: (12000, 4)."""
    rng = np.random.default_rng(seed)
    heard = np.zeros((12_000, 4))
    for level in (0.1, *rng.uniform(0.0, 0.05, 7)):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        heard += rng.normal(0, level, (12_000, 1)) * CONVENTIONS[convention](*direction)
    return heard + rng.normal(0, 1e-3, (12_000, 4))


@pytest.mark.parametrize("written", list(AmbisonicConvention))
@pytest.mark.parametrize("stated", list(AmbisonicConvention))
def test_levels_that_a_convention_cannot_have_are_said(
    written: AmbisonicConvention, stated: AmbisonicConvention
) -> None:
    doubt = ambisonic_level_doubt([room(written, seed) for seed in range(8)], RATE_HZ, stated)
    if stated is written:
        assert doubt is None
    else:
        assert doubt is not None
        assert f"and {written} " in doubt.replace("above and", "and")
        assert "check microphones.ambisonics" in doubt


def test_faint_sound_and_a_mono_mix_say_nothing_of_the_convention() -> None:
    loud = [room(AmbisonicConvention.FUMA, seed) for seed in range(8)]
    assert ambisonic_level_doubt([window * 1e-4 for window in loud], RATE_HZ, AmbisonicConvention.ACN_SN3D) is None
    assert ambisonic_level_doubt(loud[:2], RATE_HZ, AmbisonicConvention.ACN_SN3D) is None
    mono = [np.repeat(window[:, :1], 4, axis=1) * [1, 0.1, 0.1, 0.1] for window in loud]
    assert ambisonic_level_doubt(mono, RATE_HZ, AmbisonicConvention.FUMA) is None


def test_a_recording_in_another_convention_than_stated_has_a_note(tmp_path: Path) -> None:
    channels = (np.concatenate([room(AmbisonicConvention.FUMA, seed) for seed in range(8)]) * 2**15).astype(np.int16)
    notes = opened(tmp_path, channels, "").notes
    assert any("3.0 dB above W" in note and "fuma 3.0 dB" in note for note in notes)
    assert not any("above W" in note for note in opened(tmp_path, channels, 'ambisonics = "fuma"\n').notes)
