"""What stands in a simulated room, as plain values that are stored beside each recording.

A `Scene` together with poses is enough to draw every picture and to place every sound again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from avbench.preprocessing.errors import InputError
from avbench.preprocessing.geometry import FloatArray

Vector3: TypeAlias = tuple[float, float, float]

FACES = ("x0", "x1", "y0", "y1", "floor", "ceiling")
"""Order of the six faces of a room wherever faces are listed; also of the faces of a box."""

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
    """A shoebox.

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


def scene_from_dict(values: dict[str, Any]) -> Scene:
    """The scene that `scene_to_dict` gave, also after a way through JSON.

    Raises:
        KeyError, TypeError, ValueError: The values are not those of a scene.
    """
    room = values["room"]
    return Scene(
        seed=int(values["seed"]),
        split=str(values["split"]),
        room=Room(
            size_m=_vector(room["size_m"]),
            paint=tuple(_paint(paint) for paint in room["paint"]),
            absorption=tuple(tuple(float(value) for value in face) for face in room["absorption"]),
            rt60_s=tuple(float(value) for value in room["rt60_s"]),
        ),
        boxes=tuple(
            Box(_vector(box["centre_m"]), _vector(box["half_size_m"]), float(box["yaw_deg"]), _paint(box["paint"]))
            for box in values["boxes"]
        ),
        lights=tuple(Light(_vector(light["position_m"]), float(light["power"])) for light in values["lights"]),
        ambient=float(values["ambient"]),
        exposure=float(values["exposure"]),
        sources=tuple(
            Source(
                kind=SignalKind(source["kind"]),
                level_db=float(source["level_db"]),
                centre_m=_vector(source["centre_m"]),
                swing_m=_vector(source["swing_m"]),
                swing_hz=float(source["swing_hz"]),
                swing_phase_rad=float(source["swing_phase_rad"]),
            )
            for source in values["sources"]
        ),
    )


def read_scene(path: Path) -> Scene:
    """Read the scene from the `.scene.json` beside a simulated recording.

    Raises:
        InputError: There is no such file, or it is not one of these.
    """
    try:
        return scene_from_dict(json.loads(path.read_text(encoding="utf-8"))["scene"])
    except FileNotFoundError as error:
        raise InputError(path, found="no such file", expected="the scene of a simulated recording") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            path,
            found=f"{type(error).__name__}: {error}",
            expected="the scene of a simulated recording",
            hint="make the recording again with `avbench simulate`",
        ) from error


def _vector(values: Any) -> Vector3:
    x, y, z = (float(value) for value in values)
    return (x, y, z)


def _paint(values: dict[str, Any]) -> Paint:
    u, v = (float(value) for value in values["shift_texels"])
    return Paint(int(values["texture"]), float(values["texels_per_m"]), (u, v), _vector(values["tint"]))
