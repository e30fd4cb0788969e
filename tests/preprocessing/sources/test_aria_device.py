"""Frames of reference, lens and microphones of Aria glasses, against what projectaria-tools says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import invert_transform, make_transform
from avbench.preprocessing.recording.recording import Distortion
from avbench.preprocessing.sources.aria.device import (
    CONTACT_MICROPHONE,
    AriaDevice,
    Generation,
    RgbCalibration,
    T_device_upright,
    channel_labels,
    microphone_positions_m,
    parse_device,
    rgb_camera,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "aria_golden.json").read_text())
MICROPHONES = [f"mic{i}" for i in range(7)]
ORIGIN = {Generation.GEN1: "camera-slam-left", Generation.GEN2: "slam-front-left"}
LENS = RgbCalibration((1220.0, 1440.0, 1450.0, *[0.0] * 12), np.eye(4))


def calibration_json(**changes: Any) -> str:
    camera = {
        "Label": "camera-rgb",
        "Projection": {"Name": "FisheyeRadTanThinPrism", "Params": [1220.0, 1440.0, 1450.0, *[0.0] * 12]},
        "T_Device_Camera": {"Translation": [0.1, 0.2, 0.3], "UnitQuaternion": [1.0, [0.0, 0.0, 0.0]]},
    }
    data = {
        "DeviceClassInfo": {"DeviceClass": "Aria", "BuildVersion": "DVT-S"},
        "OriginSpecification": {"ChildLabel": "camera-slam-left"},
        "CameraCalibrations": [camera | changes.pop("camera", {})],
    }
    return json.dumps(data | changes)


@pytest.mark.parametrize("generation", Generation)
def test_microphones_equal_cad_of_every_build(generation: Generation) -> None:
    table = GOLDEN["gen1" if generation is Generation.GEN1 else "gen2"]["microphones_m"]
    for subtype, expected in table.items():
        device = AriaDevice(generation, subtype, ORIGIN[generation], LENS)
        positions = microphone_positions_m(device, MICROPHONES)
        assert positions is not None
        difference_m = np.linalg.norm(positions - np.array(expected), axis=1)
        if subtype == "EVT_SL":  # the published entry of mic5 is no mirror image of mic6; see aria_device
            assert difference_m[5] == pytest.approx(0.0038, abs=1e-4)
            difference_m[5] = 0.0
        assert difference_m.max() < 2e-5, subtype


def test_large_and_small_gen1_differ_by_millimetres() -> None:
    small, large = (
        microphone_positions_m(AriaDevice(Generation.GEN1, f"DVT-{size}", "camera-slam-left", LENS), MICROPHONES)
        for size in "SL"
    )
    assert small is not None
    assert large is not None
    difference_m = np.linalg.norm(small - large, axis=1)
    assert 0.001 < difference_m.max() < 0.006
    assert np.linalg.norm(small[5] - small[6]) == pytest.approx(0.1397, abs=1e-4)
    assert np.linalg.norm(large[5] - large[6]) == pytest.approx(0.1446, abs=1e-4)


@pytest.mark.parametrize(
    ("subtype", "origin", "labels"),
    [
        ("SimulatedDevice", "camera-slam-left", MICROPHONES),
        ("PVT-S", "camera-slam-left", MICROPHONES),
        ("DVT-SS", "camera-slam-left", MICROPHONES),  # a size of Gen 2
        ("DVT-S", "imu-left", MICROPHONES),
        ("DVT-S", "camera-slam-left", ["mic0", CONTACT_MICROPHONE]),
    ],
)
def test_positions_are_unknown_rather_than_guessed(subtype: str, origin: str, labels: list[str]) -> None:
    assert microphone_positions_m(AriaDevice(Generation.GEN1, subtype, origin, LENS), labels) is None


def test_positions_follow_the_order_of_the_labels() -> None:
    device = AriaDevice(Generation.GEN2, "DVT_SS", "slam-front-left", LENS)
    whole = microphone_positions_m(device, MICROPHONES)
    part = microphone_positions_m(device, ["mic6", "mic2"])
    assert whole is not None
    assert part is not None
    np.testing.assert_array_equal(part, whole[[6, 2]])


@pytest.mark.parametrize(
    ("generation", "channels", "mask", "expected"),
    [
        (Generation.GEN1, 7, None, tuple(MICROPHONES)),
        (Generation.GEN1, 2, None, None),
        (Generation.GEN2, 8, 255, (*MICROPHONES, CONTACT_MICROPHONE)),
        (Generation.GEN2, 8, None, (*MICROPHONES, CONTACT_MICROPHONE)),
        (Generation.GEN2, 3, 0b1000_0110, ("mic1", "mic2", CONTACT_MICROPHONE)),
        (Generation.GEN2, 2, 0b1000_0110, None),
    ],
)
def test_channel_labels(
    generation: Generation, channels: int, mask: int | None, expected: tuple[str, ...] | None
) -> None:
    assert channel_labels(generation, channels, mask) == expected


@pytest.mark.parametrize("generation", Generation)
def test_lens_at_every_picture_size(generation: Generation) -> None:
    golden = GOLDEN["gen1" if generation is Generation.GEN1 else "gen2"]
    full = max(golden["rescaled"], key=lambda size: int(size.split("x")[0]))
    rgb = RgbCalibration((*golden["rescaled"][full], *golden["parameters"][3:]), np.eye(4))
    for size, (focal, cx, cy) in golden["rescaled"].items():
        width, height = map(int, size.split("x"))
        camera = rgb_camera(generation, rgb, (width, height), "recording.vrs")
        np.testing.assert_allclose(
            [camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px], [focal, focal, cx, cy], rtol=1e-12
        )
        assert (camera.width_px, camera.height_px) == (width, height)
        assert camera.distortion is Distortion.FISHEYE624
        assert camera.coefficients == tuple(golden["parameters"][3:])
        assert camera.quarter_turns_cw == (1 if generation is Generation.GEN1 else 0)


def test_unknown_picture_size() -> None:
    with pytest.raises(InputError, match=r"640x480 pixels, expected one of 2880x2880, 1408x1408, 704x704"):
        rgb_camera(Generation.GEN1, LENS, (640, 480), "recording.vrs")


def test_upright_axes_of_gen1_are_the_documented_ones() -> None:
    T = T_device_upright(LENS, 1)
    np.testing.assert_array_equal(T[:3, :3], [[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(T_device_upright(LENS, 0), np.eye(4))


@given(
    st.integers(0, 3),
    st.floats(-0.9, 0.9),
    st.floats(-0.9, 0.9),
    st.integers(2, 40),
    st.integers(2, 40),
)
def test_upright_axes_belong_to_the_turned_picture(turns: int, x: float, y: float, width: int, height: int) -> None:
    """A point in upright axes, taken to raw axes and projected, lands where turning the picture puts it."""
    p_raw = T_device_upright(LENS, turns)[:3, :3] @ np.array([x, y, 1.0])
    focal, centre = 10.0, np.array([(width - 1) / 2, (height - 1) / 2])
    raw_px = focal * p_raw[:2] + centre
    upright_px = focal * np.array([x, y]) + (centre if turns % 2 == 0 else centre[::-1])
    # numpy turns counter-clockwise for positive k; the coordinates of each pixel travel with it.
    columns, rows = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
    turned_columns, turned_rows = np.rot90(columns, -turns), np.rot90(rows, -turns)
    size = turned_columns.shape
    top_left = np.array([turned_columns[0, 0], turned_rows[0, 0]])
    right = np.array([turned_columns[0, -1], turned_rows[0, -1]]) - top_left
    down = np.array([turned_columns[-1, 0], turned_rows[-1, 0]]) - top_left
    expected = top_left + right * upright_px[0] / (size[1] - 1) + down * upright_px[1] / (size[0] - 1)
    np.testing.assert_allclose(raw_px, expected, atol=1e-9)


@pytest.mark.parametrize(("key", "subtype"), [("gen1", "DVT-L"), ("gen2", "EVT_SS")])
def test_microphones_sit_where_a_wearer_has_them(key: str, subtype: str) -> None:
    """In upright axes x is the wearer's right and y is down: a wrong turn or a wrong side fails here."""
    generation = Generation.GEN1 if key == "gen1" else Generation.GEN2
    device = AriaDevice(generation, subtype, ORIGIN[generation], LENS)
    rgb = RgbCalibration(LENS.parameters, np.array(GOLDEN[key]["T_device_camera"]))
    in_device = microphone_positions_m(device, MICROPHONES)
    assert in_device is not None
    T = invert_transform(T_device_upright(rgb, 1 if generation is Generation.GEN1 else 0))
    x, y, z = (in_device @ T[:3, :3].T + T[:3, 3]).T
    assert x[6] - x[5] == pytest.approx(0.142, abs=0.006)  # right temple, left temple
    assert x[4] > x[0] > x[1] > x[2] > x[3] > x[5]  # from the right side of the front to the left
    assert y[0] - y[1] == pytest.approx(0.04, abs=0.01)  # below the lens, on the bridge
    assert z[[5, 6]].max() < -0.08  # behind the front


def test_reads_the_calibration_of_real_glasses(shared_data: Path) -> None:
    data = json.loads((shared_data / "aria_gen2" / "calibration.json").read_text())
    device = AriaDevice(Generation.GEN2, data["subtype"], data["device_origin"], LENS)
    positions = microphone_positions_m(device, list(data["mics"]))
    np.testing.assert_allclose(positions, list(data["mics"].values()), atol=2e-5)


def test_parses_a_calibration() -> None:
    device = parse_device(calibration_json(), "recording.vrs")
    assert device.generation is Generation.GEN1
    assert (device.subtype, device.origin) == ("DVT-S", "camera-slam-left")
    assert device.rgb.parameters[:3] == (1220.0, 1440.0, 1450.0)
    np.testing.assert_array_equal(device.rgb.T_device_camera, make_transform(np.eye(3), [0.1, 0.2, 0.3]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "no readable JSON"),
        ("{}", "no readable calibration"),
        (
            calibration_json(DeviceClassInfo={"DeviceClass": "Quest", "BuildVersion": "3"}),
            "device 'Quest', build '3', expected Aria Gen 1",
        ),
        (calibration_json(CameraCalibrations=[]), "no readable entry 'camera-rgb'"),
        (calibration_json(camera={"Projection": {"Name": "KannalaBrandtK3", "Params": [1.0] * 8}}), "KannalaBrandtK3"),
        (
            calibration_json(camera={"Projection": {"Name": "FisheyeRadTanThinPrism", "Params": [float("nan")] * 15}}),
            "not finite",
        ),
    ],
)
def test_refuses_other_calibrations(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_device(text, "recording.vrs")
    assert str(caught.value).startswith("recording.vrs: calib_json")
    assert "\n" not in str(caught.value)
