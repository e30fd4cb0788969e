"""Rigs: where the microphones sit around the camera, on glasses, phones and heads.

Positions are in camera axes (x right, y down, z forward). The glasses are Project Aria's, from the positions that are
published for the small frame in its central-pupil frame (x left, y up, z forward) and the place and the downward pitch
of its RGB camera there (projectaria_tools, CAD values).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation
from avbench.preprocessing.recording.recording import ArrayKind
from avbench.preprocessing.simulate.scene.seeds import Generator

ARIA_MICS_CPF_M = np.array(
    [
        [-0.045906, -0.027938, 0.006667],  # lower right front
        [0.009161, 0.010231, 0.017250],  # bridge
        [0.045905, -0.027931, 0.006668],  # lower left front
        [0.063471, 0.012034, 0.005566],  # upper left front
        [-0.052398, 0.013200, 0.012160],  # upper right front
        [0.069856, 0.008270, -0.093105],  # left temple
        [-0.069822, 0.008268, -0.093138],  # right temple
    ]
)
ARIA_CAMERA_CPF_M = np.array([0.0560, 0.0071, 0.0129])
ARIA_CAMERA_PITCH_DEG = -7.5

HEAD_RADIUS_M = 0.0875


class RigKind(StrEnum):
    """The rigs there are; the number is that of the microphones."""

    GLASSES_7 = "glasses-7"  # Project Aria
    GLASSES_4 = "glasses-4"  # its front corners and temples
    PHONE_2 = "phone-2"  # both ends of a phone
    PHONE_4 = "phone-4"  # its ends and its back
    HEAD_2 = "head-2"  # ears of a head: binaural, with the head's shadow
    HEAD_8 = "head-8"  # a ring around a head, with its shadow


@dataclass(frozen=True, eq=False)
class MicrophoneRig:
    """Microphones around a camera.

    Attributes:
        kind: What it is.
        array_kind: What its channels are.
        mic_positions_m: (channels, 3) in camera axes.
        head_centre_m: (3,) centre of the head that shades the microphones, in camera axes; None without shadow.
        head_radius_m: Its radius; the microphones lie on it.
    """

    kind: RigKind
    array_kind: ArrayKind
    mic_positions_m: FloatArray
    head_centre_m: FloatArray | None = None
    head_radius_m: float = HEAD_RADIUS_M


def aria_mic_positions_m() -> FloatArray:
    """(7, 3) positions of the Aria microphones in the axes of its RGB camera, upright."""
    turned = (ARIA_MICS_CPF_M - ARIA_CAMERA_CPF_M) * np.array([-1.0, -1.0, 1.0])
    # The camera looks down by 7.5 degrees: in its axes the glasses are pitched up by as much.
    return np.asarray(turned @ axis_rotation("x", -ARIA_CAMERA_PITCH_DEG).T, dtype=np.float64)


def draw_rig(rng: Generator, kind: RigKind) -> MicrophoneRig:
    """Draw a device of a kind: its size, the place of the camera and of each microphone vary between recordings."""
    jitter = _JITTER[kind]
    if kind in (RigKind.HEAD_2, RigKind.HEAD_8):
        return _draw_head(rng, kind)
    positions = _NOMINAL[kind]()
    scale = 1.0 + rng.normal(0.0, 0.03, 3)
    rotation = axis_rotation("x", rng.normal(0.0, 2.0)) @ axis_rotation("y", rng.normal(0.0, 2.0))
    positions = (positions * scale + rng.normal(0.0, jitter, positions.shape)) @ rotation.T
    return MicrophoneRig(kind, ArrayKind.MICROPHONES, positions + rng.normal(0.0, jitter, 3))


def _draw_head(rng: Generator, kind: RigKind) -> MicrophoneRig:
    radius = HEAD_RADIUS_M * (1.0 + rng.normal(0.0, 0.04))
    if kind is RigKind.HEAD_2:
        azimuth_deg, array_kind = np.array([-100.0, 100.0]), ArrayKind.BINAURAL  # left, right: just behind the middle
    else:
        azimuth_deg, array_kind = np.arange(8) * 45.0 + 22.5, ArrayKind.MICROPHONES
    azimuth = np.radians(azimuth_deg + rng.normal(0.0, 2.0, len(azimuth_deg)))
    elevation = np.radians(rng.normal(0.0, 4.0, len(azimuth)))
    outward = np.stack(
        [np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), np.cos(azimuth) * np.cos(elevation)], axis=-1
    )
    # The camera sits on the forehead.
    centre = np.array([0.0, 0.05, -radius]) + rng.normal(0.0, 0.006, 3)
    return MicrophoneRig(kind, array_kind, centre + radius * outward, head_centre_m=centre, head_radius_m=radius)


def _glasses_4() -> FloatArray:
    return aria_mic_positions_m()[[3, 4, 5, 6]]


def _phone_4() -> FloatArray:
    # A phone in landscape, its camera near one end: microphones at both ends, two at the back.
    return np.array([[0.075, 0.02, 0.0], [-0.065, 0.02, 0.0], [-0.02, 0.0, 0.006], [0.04, 0.05, -0.006]])


def _phone_2() -> FloatArray:
    return _phone_4()[:2]


_NOMINAL = {
    RigKind.GLASSES_7: aria_mic_positions_m,
    RigKind.GLASSES_4: _glasses_4,
    RigKind.PHONE_2: _phone_2,
    RigKind.PHONE_4: _phone_4,
}
_JITTER = {
    RigKind.GLASSES_7: 0.003,
    RigKind.GLASSES_4: 0.003,
    RigKind.PHONE_2: 0.004,
    RigKind.PHONE_4: 0.004,
    RigKind.HEAD_2: 0.0,
    RigKind.HEAD_8: 0.0,
}
