"""Positions of microphones: the unit, the shape, places that are the same, and what the sound says of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.checks.array_geometry import array_delay_doubt, doubled_positions, implausible_positions
from avbench.preprocessing.sources.common.rig_file import RigFile, read_rig

RATE_HZ = 48_000
# A square of 10 cm, level, and an array around a head (metres, camera axes).
SQUARE_M = np.array([[-0.05, 0, -0.05], [0.05, 0, -0.05], [0.05, 0, 0.05], [-0.05, 0, 0.05]])
HEAD_M = np.array([[-0.07, 0.02, 0], [0.07, 0.02, 0.01], [0.0, -0.05, 0.09], [0.06, 0, -0.1], [-0.06, 0.04, -0.1]])
LINE_M = np.array([[-0.1, 0, 0], [-0.03, 0, 0], [0.02, 0, 0], [0.1, 0, 0]])


def rig(tmp_path: Path, text: str) -> RigFile:
    camera = "[camera]\nwidth = 64\nheight = 48\nfx = 50\nfy = 50\ncx = 31.5\ncy = 23.5\n"
    (tmp_path / "walk.toml").write_text(camera + "[microphones]\n" + text, encoding="utf-8")
    return read_rig([tmp_path / "walk.toml"])


def positions(values: np.ndarray) -> str:
    return f"positions_m = {values.round(9).tolist()}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # 14.1 m is 14 cm or 14 mm; 141 m can only be millimetres; 2.8 m only centimetres.
        (positions(SQUARE_M * 100), r"14.14 m apart.*centimetres \(0.141 m\): .* or millimetres \(0.0141 m\): "),
        (positions(SQUARE_M * 1000), r"141.4 m apart.*if the numbers are millimetres \(0.141 m\): mic"),
        (positions(SQUARE_M * 20), r"2.828 m apart.*if the numbers are centimetres \(0.0283 m\): microphones"),
        (positions(SQUARE_M * 20), r"if the array is that large: microphones.large_array = true$"),
        (positions(HEAD_M + np.array([0, 0, 3])), r"found one 3\.\d+ m from the camera, expected 1 m apart and 2 m"),
        (positions(SQUARE_M * 2000) + "large_array = true\n", r"microphone 141.4 m from the camera, expected 100 m"),
        ("positions_m = [[1e200, 0, 0]]\nmetres_per_unit = 1e200\n", r"found a position of inf m, expected metres"),
        ("positions_m = [[-1e200, 0, 0]]\n", r"found a position of 1e\+200 m, expected metres"),
        (positions(SQUARE_M * 0), r"found 4 positions that are all zero, .*take positions_m out"),
        (positions(SQUARE_M * 0 + 0.3), r"found 4 positions in one place, .*are not known$"),
        (positions(SQUARE_M) + "metres_per_unit = 0.001\n", r"found 4 positions in one place, .*or check the unit"),
        (positions(SQUARE_M) + "metres_per_unit = 0\n", r"metres_per_unit: found 0, expected a length above 0"),
        (positions(SQUARE_M) + 'large_array = "yes"\n', r"large_array: found 'yes', expected true or false"),
        (positions(SQUARE_M.T), r"found 3 rows of 4 numbers, expected 4 rows of 3, .*transpose it"),
        ("positions_m = [[0.1, 0.2], [0, 0], [0, 0]]\n", r"found 3 rows of 2 numbers, expected 2 rows of 3"),
        ("positions_m = [[0.1, 0.2, 0.0, 0.3], [0, 0], [0, 0]]\n", r"expected n x 3 numbers, in \[ \]"),
        ("positions_m = [[0, 0], [0, 0], [0, 0], [0, 0]]\n", r"expected n x 3 numbers, in \[ \]"),
    ],
)
def test_positions_that_cannot_be_are_refused_with_the_likely_cause(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        rig(tmp_path, text)
    assert "\n" not in str(error.value)
    assert "walk.toml: microphones." in str(error.value)


def test_the_unit_and_a_large_array_can_be_stated(tmp_path: Path) -> None:
    read = rig(tmp_path, positions(SQUARE_M * 100) + "metres_per_unit = 0.01\n").mic_positions_m
    np.testing.assert_allclose(read, SQUARE_M, atol=1e-12)
    read = rig(tmp_path, positions(SQUARE_M * 30) + "large_array = true\n").mic_positions_m
    np.testing.assert_allclose(read, SQUARE_M * 30, atol=1e-12)


@pytest.mark.parametrize("good", [SQUARE_M, HEAD_M, SQUARE_M * 0.1, SQUARE_M * 7, SQUARE_M[:1] * 0, HEAD_M + 1.0])
def test_arrays_that_can_be_are_taken(good: np.ndarray) -> None:
    assert implausible_positions(good, is_large=False) is None


def test_channels_in_one_place_are_named() -> None:
    assert doubled_positions(SQUARE_M) == []
    assert doubled_positions(SQUARE_M[[0, 1, 0, 3, 1]]) == [(1, 3), (2, 5)]


# --- sound ---------------------------------------------------------------------------------------------------------


def heard(positions_m: np.ndarray, seed: int = 0, *, azimuth_deg: float | None = None) -> list[np.ndarray]:
    """Eight windows of noise from far away, from all around or one azimuth, and a tenth of noise of the capsules."""
    rng = np.random.default_rng(seed)
    frequency = np.fft.rfftfreq(6_000, 1 / RATE_HZ)
    windows = []
    for _ in range(8):
        azimuth = np.radians(rng.uniform(-180, 180) if azimuth_deg is None else azimuth_deg)
        source = np.fft.rfft(rng.normal(0, 0.1, 6_000))
        delay_s = -(positions_m @ [np.sin(azimuth), 0.0, np.cos(azimuth)]) / 343.0
        sound = np.fft.irfft(source[:, None] * np.exp(-2j * np.pi * frequency[:, None] * delay_s), axis=0)
        windows.append(sound + rng.normal(0, 0.01, sound.shape))
    return windows


@pytest.mark.parametrize("array", [SQUARE_M, HEAD_M, LINE_M, LINE_M[:2], SQUARE_M * 9])
@pytest.mark.parametrize("azimuth_deg", [None, 0.0, 60.0])
def test_an_array_that_is_as_stated_raises_no_doubt(array: np.ndarray, azimuth_deg: float | None) -> None:
    assert array_delay_doubt(heard(array, azimuth_deg=azimuth_deg), RATE_HZ, array) is None


@pytest.mark.parametrize("array", [SQUARE_M, HEAD_M])
@pytest.mark.parametrize("factor", [10.0, 100.0, 1000.0])
def test_positions_of_another_unit_are_noticed(array: np.ndarray, factor: float) -> None:
    doubt = array_delay_doubt(heard(array), RATE_HZ, array * factor)
    assert doubt is not None
    times = float(doubt.split(" times shorter")[0].split()[-1])
    assert times == pytest.approx(factor, rel=0.2)


@pytest.mark.parametrize("array", [SQUARE_M, HEAD_M])
@pytest.mark.parametrize("factor", [10.0, 50.0])
def test_delays_that_the_positions_do_not_allow_are_noticed(array: np.ndarray, factor: float) -> None:
    doubt = array_delay_doubt(heard(array), RATE_HZ, array / factor)
    assert doubt is not None
    assert "longer than microphones" in doubt


@pytest.mark.parametrize("factor", [10.0, 100.0])
def test_too_short_positions_on_a_line_are_noticed_and_too_long_ones_cannot_be(factor: float) -> None:
    doubt = array_delay_doubt(heard(LINE_M, azimuth_deg=60.0), RATE_HZ, LINE_M / factor)
    assert doubt is not None
    assert "delays of 0.5 ms between its channels are longer" in doubt
    assert array_delay_doubt(heard(LINE_M), RATE_HZ, LINE_M * factor) is None


def test_silence_and_sound_that_is_not_shared_say_nothing() -> None:
    assert array_delay_doubt([np.zeros((6_000, 4))] * 8, RATE_HZ, SQUARE_M * 100) is None
    rng = np.random.default_rng(1)
    apart = [rng.normal(0, 0.1, (6_000, 4)) for _ in range(8)]
    assert array_delay_doubt(apart, RATE_HZ, SQUARE_M * 100) is None
    assert array_delay_doubt(heard(SQUARE_M)[:3], RATE_HZ, SQUARE_M * 100) is None
