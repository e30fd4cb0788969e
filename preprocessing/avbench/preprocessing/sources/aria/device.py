"""What is known about Project Aria glasses: frames of reference, the RGB camera, where the microphones sit.

Frames of reference, all right-handed, in metres:

- *device*: what trajectories describe. It coincides with one tracking camera: `camera-slam-left` on Gen 1 (x down,
  y left and back, z forward and left for the wearer), `slam-front-left` on Gen 2 (x right, y down, z forward).
- *raw camera*: x right, y down, z forward of the RGB frame as stored. The sensor of Gen 1 lies on its side: its
  pictures need one clockwise quarter turn. Gen 2 stores upright pictures.
- *upright camera*: the camera axes of avbench, of the picture after that turn.
- *CPF* (central pupil frame): x left, y up, z forward for the wearer; the CAD tables below are in it.

The factory calibration (JSON, in every VRS file) has the camera's lens and its place in the device frame. Of the
microphones it has the sensitivity only, so their places are the nominal ones of the CAD model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from avbench.preprocessing.base.documents import parse_json
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import (
    FloatArray,
    axis_rotation,
    invert_transform,
    make_transform,
    rotation_from_quaternion_xyzw,
)
from avbench.preprocessing.recording.recording import Camera, Distortion

CONTACT_MICROPHONE = "contact-mic"
"""Gen 2's eighth channel: it sits in the nose pad, hears the wearer's bones, and is no part of the array."""

_RGB = "camera-rgb"
_FISHEYE624_PARAMETERS = 15  # f, cx, cy, 6 radial, 2 tangential, 4 thin-prism


class Generation(StrEnum):
    """Generations of Aria glasses; the value is a recording's `source`."""

    GEN1 = "aria_gen1"
    GEN2 = "aria_gen2"


@dataclass(frozen=True)
class RgbCalibration:
    """The RGB camera as calibrated at the sensor's full size.

    Attributes:
        parameters: f, cx, cy in pixels, then the 12 coefficients of Fisheye624.
        T_device_camera: (4, 4) raw camera-to-device.
    """

    parameters: tuple[float, ...]
    T_device_camera: FloatArray


@dataclass(frozen=True)
class AriaDevice:
    """One pair of glasses, as its factory calibration describes it.

    Attributes:
        generation: Gen 1 or Gen 2.
        subtype: Build and size ("DVT-L", "EVT_SS").
        origin: Label of the sensor that the device frame coincides with.
        rgb: The RGB camera.
    """

    generation: Generation
    subtype: str
    origin: str
    rgb: RgbCalibration


def parse_device(text: str, where: str) -> AriaDevice:
    """Read a factory calibration.

    Args:
        text: The JSON that a VRS file keeps under the tag `calib_json`.
        where: What to name in errors.

    Raises:
        InputError: It is not such a calibration, or of an unknown device.
    """
    place = f"{where}: calib_json"
    expected = "the factory calibration of Aria glasses"
    data: dict[str, Any] = parse_json(text, place, dict, expected=expected, other_keys=True)
    try:
        device_class = str(data["DeviceClassInfo"]["DeviceClass"])
        subtype = str(data["DeviceClassInfo"]["BuildVersion"])
        origin = str(data["OriginSpecification"]["ChildLabel"])
        cameras = data["CameraCalibrations"]
    except (KeyError, TypeError) as error:
        raise InputError(
            place, found=f"no readable calibration ({type(error).__name__}: {error})", expected=expected
        ) from error
    if device_class.lower().startswith("aria"):
        generation = Generation.GEN1
    elif device_class.lower() == "oatmeal":  # the name that Gen 2 devices write
        generation = Generation.GEN2
    else:
        raise InputError(
            f"{where}: calib_json",
            found=f"device {device_class!r}, build {subtype!r}",
            expected="Aria Gen 1 ('Aria') or Gen 2 ('Oatmeal')",
        )
    return AriaDevice(generation, subtype, origin, parse_rgb_calibration(cameras, f"{where}: calib_json"))


def parse_rgb_calibration(cameras: Any, where: str) -> RgbCalibration:
    """Find the RGB camera among the `CameraCalibrations` of a factory or online calibration.

    Raises:
        InputError: There is none, or its lens model is not Fisheye624.
    """
    try:
        entry = next(camera for camera in cameras if camera["Label"] == _RGB)
        model = str(entry["Projection"]["Name"])
        parameters = tuple(float(value) for value in entry["Projection"]["Params"])
        pose = entry["T_Device_Camera"]
        w, (x, y, z) = pose["UnitQuaternion"]
        rotation = rotation_from_quaternion_xyzw([x, y, z, w])
        T_device_camera = make_transform(rotation, [float(value) for value in pose["Translation"]])
    except (StopIteration, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            where, found=f"no readable entry {_RGB!r} ({type(error).__name__}: {error})", expected="its calibration"
        ) from error
    if model != "FisheyeRadTanThinPrism" or len(parameters) != _FISHEYE624_PARAMETERS:
        raise InputError(
            f"{where}: {_RGB}",
            found=f"lens model {model} with {len(parameters)} parameters",
            expected=f"FisheyeRadTanThinPrism with {_FISHEYE624_PARAMETERS}",
        )
    if not (np.isfinite(parameters).all() and np.isfinite(T_device_camera).all()):
        raise InputError(f"{where}: {_RGB}", found="values that are not finite", expected="finite numbers")
    return RgbCalibration(parameters, T_device_camera)


# --- the RGB camera ---------------------------------------------------------------------------------------------

_QUARTER_TURNS_CW: Mapping[Generation, int] = {Generation.GEN1: 1, Generation.GEN2: 0}


@dataclass(frozen=True)
class _Binning:
    """How a picture comes from the full sensor: `offset_px` cropped at the top left, then scaled."""

    scale: float
    offset_px: tuple[float, float] = (0.0, 0.0)


# Calibrations refer to the full sensor: 2880x2880 (Gen 1), 4032x3024 (Gen 2). What the devices can deliver of it is
# documented with projectaria_tools (core/calibration/loader, Apache-2.0); the numbers are facts about the devices.
_BINNING: Mapping[tuple[Generation, tuple[int, int]], _Binning] = {
    (Generation.GEN1, (2880, 2880)): _Binning(1.0),
    (Generation.GEN1, (1408, 1408)): _Binning(0.5, (32.0, 32.0)),
    (Generation.GEN1, (704, 704)): _Binning(0.25, (32.0, 32.0)),
    (Generation.GEN2, (4032, 3024)): _Binning(1.0),
    (Generation.GEN2, (2016, 1512)): _Binning(0.5),
    (Generation.GEN2, (2560, 3024)): _Binning(1.0, (640.0, 0.0)),
    (Generation.GEN2, (2560, 1920)): _Binning(0.635),
}


def rgb_camera(generation: Generation, rgb: RgbCalibration, size_px: tuple[int, int], where: str) -> Camera:
    """Intrinsics of the RGB frames as stored, before rectification and before they are turned upright.

    Args:
        generation: The glasses.
        rgb: The calibration at full sensor size.
        size_px: (width, height) of the stored frames.
        where: What to name in errors.

    Raises:
        InputError: These glasses deliver no frames of that size.
    """
    binning = _BINNING.get((generation, size_px))
    if binning is None:
        known = ", ".join(f"{w}x{h}" for (gen, (w, h)) in _BINNING if gen is generation)
        raise InputError(
            where,
            found=f"RGB frames of {size_px[0]}x{size_px[1]} pixels",
            expected=f"one of {known}",
            hint="the calibration is known for these sizes only",
        )
    focal, cx, cy = rgb.parameters[:3]
    # Scaling moves pixel centres: the centre of the top left pixel is (0, 0), its corner (-0.5, -0.5).
    centre = [(c - o + 0.5) * binning.scale - 0.5 for c, o in zip((cx, cy), binning.offset_px, strict=True)]
    return Camera(
        width_px=size_px[0],
        height_px=size_px[1],
        fx_px=focal * binning.scale,
        fy_px=focal * binning.scale,
        cx_px=centre[0],
        cy_px=centre[1],
        distortion=Distortion.FISHEYE624,
        coefficients=rgb.parameters[3:],
        quarter_turns_cw=_QUARTER_TURNS_CW[generation],
    )


def T_device_upright(rgb: RgbCalibration, quarter_turns_cw: int) -> FloatArray:  # noqa: N802 - T_dst_src
    """Upright camera-to-device (4, 4), for a picture that is turned clockwise after it is read.

    A clockwise quarter turn carries the raw picture's top to the right: upright right is raw up (-y), upright down
    is raw right (+x). In matrices: `p_raw = Rz(-90 degrees) p_upright` for each turn.
    """
    T_raw_upright = make_transform(axis_rotation("z", -90.0 * quarter_turns_cw).round(), np.zeros(3))
    result: FloatArray = rgb.T_device_camera @ T_raw_upright
    return result


# --- microphones ------------------------------------------------------------------------------------------------
#
# Facts about CAD: where the microphones and the tracking camera that defines the device frame sit, in CPF, metres.
# The numbers are published with projectaria_tools (core/calibration/ConfigData.cpp, Apache-2.0). Engineering (EVT)
# and design (DVT) builds of one size agree to 0.02 mm with one exception, microphone 5 of Gen 2's EVT_SL: its entry
# lies 3.8 mm off the mirror image of microphone 6, the DVT_SL entry does not, so DVT is used for both.


@dataclass(frozen=True)
class _Cad:
    """CAD of one size.

    Attributes:
        origin: Label of the sensor that the device frame coincides with.
        origin_m: Its place in CPF.
        origin_y: Its y axis in CPF.
        origin_z: Its z axis in CPF.
        microphones_m: mic0 to mic6 in CPF.
    """

    origin: str
    origin_m: tuple[float, float, float]
    origin_y: tuple[float, float, float]
    origin_z: tuple[float, float, float]
    microphones_m: tuple[tuple[float, float, float], ...]

    def T_cpf_device(self) -> FloatArray:  # noqa: N802 - T_dst_src
        """Device-to-CPF (4, 4)."""
        y = np.asarray(self.origin_y) / np.linalg.norm(self.origin_y)
        z = np.asarray(self.origin_z) / np.linalg.norm(self.origin_z)
        # The published axes are orthogonal to about 1e-6 only.
        U, _, Vt = np.linalg.svd(np.stack([np.cross(y, z), y, z], axis=-1))
        return make_transform(U @ Vt, self.origin_m)


_GEN1_AXES = ("camera-slam-left", (0.793353, 0.0, -0.608761), (0.607927, -0.052336, 0.792266))
_GEN2_AXES = ("slam-front-left", (-0.138127, -0.912873, -0.384166), (0.308866, -0.408244, 0.859034))

_GEN1_SMALL = _Cad(
    _GEN1_AXES[0],
    (0.069051, 0.002372, 0.009254),
    _GEN1_AXES[1],
    _GEN1_AXES[2],
    (
        (-0.045906, -0.027938, 0.006667),
        (0.009161, 0.010231, 0.017250),
        (0.045905, -0.027931, 0.006668),
        (0.063471, 0.012034, 0.005566),
        (-0.052398, 0.013200, 0.012160),
        (0.069856, 0.008270, -0.093105),
        (-0.069822, 0.008268, -0.093138),
    ),
)
_GEN1_LARGE = _Cad(
    _GEN1_AXES[0],
    (0.071351, 0.002372, 0.008454),
    _GEN1_AXES[1],
    _GEN1_AXES[2],
    (
        (-0.04613750996, -0.02929690419, 0.006233332458),
        (0.009200472201, 0.01030418902, 0.01725),
        (0.046138, -0.029297, 0.006233),
        (0.065925, 0.011961, 0.004305),
        (-0.054800, 0.013142, 0.010960),
        (0.072318, 0.008272, -0.094955),
        (-0.072319, 0.008271, -0.094955),
    ),
)
_GEN2_SMALL_FRONT_M = (
    (-0.030786925, -0.029198527, 0.009001438),
    (0.019819002, 0.012384043, 0.017756085),
    (0.030788212, -0.029198682, 0.009001888),
    (0.048084231, 0.013429118, 0.014097893),
    (-0.059192369, 0.012860478, 0.011246342),
)
_GEN2_LARGE_FRONT_M = (
    (-0.030639598, -0.030664949, 0.008935168),
    _GEN2_SMALL_FRONT_M[1],
    (0.030639600, -0.030664900, 0.008935049),
    _GEN2_SMALL_FRONT_M[3],
    _GEN2_SMALL_FRONT_M[4],
)
_GEN2_SMALL_ORIGIN_M = (0.067294194, 0.006033819, 0.011768852)
_GEN2_LARGE_ORIGIN_M = (0.071078830, 0.005719893, 0.011554520)


def _gen2(
    origin_m: tuple[float, float, float],
    front_m: tuple[tuple[float, float, float], ...],
    *temples_m: tuple[float, float, float],
) -> _Cad:
    """Gen 2 comes in two fronts (which hold mic0 to mic4) and two lengths of temple (mic5 left, mic6 right)."""
    return _Cad(_GEN2_AXES[0], origin_m, _GEN2_AXES[1], _GEN2_AXES[2], (*front_m, *temples_m))


_CAD: Mapping[tuple[Generation, str], _Cad] = {
    (Generation.GEN1, "S"): _GEN1_SMALL,
    (Generation.GEN1, "L"): _GEN1_LARGE,
    (Generation.GEN2, "SS"): _gen2(
        _GEN2_SMALL_ORIGIN_M,
        _GEN2_SMALL_FRONT_M,
        (0.071979660, 0.008552720, -0.090304978),
        (-0.071869703, 0.008553739, -0.090301185),
    ),
    (Generation.GEN2, "SL"): _gen2(
        _GEN2_SMALL_ORIGIN_M,
        _GEN2_SMALL_FRONT_M,
        (0.072176608, 0.008553436, -0.094299719),
        (-0.072066639, 0.008553739, -0.094296334),
    ),
    (Generation.GEN2, "LS"): _gen2(
        _GEN2_LARGE_ORIGIN_M,
        _GEN2_LARGE_FRONT_M,
        (0.075768730, 0.008555376, -0.090304500),
        (-0.075669700, 0.008553739, -0.090301200),
    ),
    (Generation.GEN2, "LL"): _gen2(
        _GEN2_LARGE_ORIGIN_M,
        _GEN2_LARGE_FRONT_M,
        (0.075965670, 0.008555376, -0.094299600),
        (-0.075866600, 0.008553739, -0.094296300),
    ),
}
_SUBTYPE = re.compile(r"(?:EVT|DVT)[-_](?P<size>[SL]{1,2})")
_GEN1_CHANNELS = 7
_GEN2_MICROPHONES = (*(f"mic{i}" for i in range(7)), CONTACT_MICROPHONE)


def microphone_positions_m(device: AriaDevice, labels: Sequence[str]) -> FloatArray | None:
    """Nominal places of microphones (channels, 3) in the device frame, in the order of `labels`.

    None where the CAD model of these glasses is not published, or has no such microphone.
    """
    found = _SUBTYPE.fullmatch(device.subtype)
    cad = _CAD.get((device.generation, found["size"])) if found else None
    indices = [re.fullmatch(r"mic([0-6])", label) for label in labels]
    if cad is None or device.origin != cad.origin or not all(indices):
        return None
    in_cpf = np.array([cad.microphones_m[int(index[1])] for index in indices if index])
    T_device_cpf = invert_transform(cad.T_cpf_device())
    positions: FloatArray = in_cpf @ T_device_cpf[:3, :3].T + T_device_cpf[:3, 3]
    return positions


def channel_labels(generation: Generation, channels: int, enabled_mask: int | None) -> tuple[str, ...] | None:
    """Which microphone each channel of the sound stream is; None where that is not known.

    Args:
        generation: The glasses.
        channels: Channels of the stream.
        enabled_mask: Gen 2's `enabled_mic_id_mask`: bit i is set where microphone i records.
    """
    if generation is Generation.GEN1:
        return tuple(f"mic{i}" for i in range(_GEN1_CHANNELS)) if channels == _GEN1_CHANNELS else None
    mask = (1 << len(_GEN2_MICROPHONES)) - 1 if enabled_mask is None else enabled_mask
    labels = tuple(label for bit, label in enumerate(_GEN2_MICROPHONES) if mask >> bit & 1)
    return labels if len(labels) == channels else None
