"""What stands in a simulated room, as plain values that are stored beside each recording.

A `Scene` together with poses is enough to draw every picture and to place every sound again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from avbench.preprocessing.base.geometry import FloatArray

Vector3: TypeAlias = tuple[float, float, float]

BANDS_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)
"""Centres of the octave bands of all acoustic quantities; the outer bands go on to 0 Hz and to half the sample rate."""


class SignalKind(StrEnum):
    """What a source of sound sounds like."""

    SPEECH = "speech"
    MUSIC = "music"
    MACHINE = "machine"
    IMPACTS = "impacts"


@dataclass(frozen=True)
class Paint:
    """How a face is painted.

    Attributes:
        texture: Number of the texture within the split's.
        texels_per_m: Scale of the texture on the face.
        shift_texels: Place of the face's corner within the texture, along its two sides.
        tint: Factors of red, green and blue.
    """

    texture: int
    texels_per_m: float
    shift_texels: tuple[float, float]
    tint: Vector3


@dataclass(frozen=True)
class Room:
    """A room with six rectangular faces.

    Attributes:
        size_m: Extent along x, y and z; one corner is the world's origin.
        paint: Of the six faces.
        absorption: Energy absorption coefficients, faces x bands.
        rt60_s: Reverberation time in each band, from these coefficients and the air (Eyring).
    """

    size_m: Vector3
    paint: tuple[Paint, ...]
    absorption: tuple[tuple[float, ...], ...]
    rt60_s: tuple[float, ...]


@dataclass(frozen=True)
class Box:
    """A piece of furniture, turned about the vertical.

    Attributes:
        centre_m: Centre.
        half_size_m: Half of its extents along its own axes.
        yaw_deg: Turn of its own axes, counter-clockwise seen from above.
        paint: Of all its faces.
    """

    centre_m: Vector3
    half_size_m: Vector3
    yaw_deg: float
    paint: Paint


@dataclass(frozen=True)
class Light:
    """A lamp that shines equally in all directions, with no shadows.

    Attributes:
        position_m: Where it is.
        power: Irradiance at 1 m, in units in which an exposure of 1 turns albedo 1 under irradiance 1 to white.
    """

    position_m: Vector3
    power: float


@dataclass(frozen=True)
class Source:
    """A source of sound, equal in all directions.

    Attributes:
        kind: What it sounds like.
        level_db: Level of its active parts at 1 m, relative to the other sources.
        centre_m: Where it is, or the middle of its way.
        swing_m: Amplitude of its way to and fro along each axis; zero for a source that stays.
        swing_hz: Frequency of that motion.
        swing_phase_rad: Its phase at time 0.
    """

    kind: SignalKind
    level_db: float
    centre_m: Vector3
    swing_m: Vector3 = (0.0, 0.0, 0.0)
    swing_hz: float = 0.0
    swing_phase_rad: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether it changes its place."""
        return any(self.swing_m)

    def position_m(self, time_s: ArrayLike) -> FloatArray:
        """Positions (..., 3) at times (...), in seconds from the first frame."""
        time = np.asarray(time_s, dtype=np.float64)
        swing = np.sin(2.0 * np.pi * self.swing_hz * time + self.swing_phase_rad)
        return np.asarray(np.array(self.centre_m) + swing[..., None] * np.array(self.swing_m), dtype=np.float64)


@dataclass(frozen=True)
class Scene:
    """A room and all that is in it.

    Attributes:
        seed: Seed of the run: with `split` and a number it names a texture.
        split: train, val or test.
        room: The room.
        boxes: The furniture.
        lights: The lamps.
        ambient: Irradiance from all around.
        exposure: Gain of the camera.
        sources: The sources of sound.
    """

    seed: int
    split: str
    room: Room
    boxes: tuple[Box, ...]
    lights: tuple[Light, ...]
    ambient: float
    exposure: float
    sources: tuple[Source, ...]


def scene_to_dict(scene: Scene) -> dict[str, Any]:
    """The scene as JSON values."""
    return asdict(scene)
