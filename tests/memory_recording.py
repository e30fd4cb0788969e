"""Recordings held in memory, for tests of what comes after the readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation, make_transform, rotation_from_quaternion_xyzw
from avbench.preprocessing.recording.recording import (
    ArrayKind,
    Camera,
    ErrorHandler,
    Frame,
    Recording,
    Rig,
    SampleFormat,
    Scale,
    Trajectory,
)

WIDTH, HEIGHT = 96, 64
CLOCK_ZERO_NS = 3_000_000_000  # a clock that does not begin at zero
# Its up is along none of the axes, and the place where the walk begins is not its origin.
T_WORLD_START = make_transform(rotation_from_quaternion_xyzw([0.4, -0.3, 0.2, 0.7]), [5.0, -2.0, 1.5])
UP_WORLD = T_WORLD_START[:3, :3] @ np.array([0.0, -1.0, 0.0])
CAMERA = Camera(WIDTH, HEIGHT, 80.0, 84.0, 46.0, 33.25)


@dataclass(frozen=True)
class MemoryFrames:
    """Frames painted on demand: a gradient with the frame's number in one corner."""

    time_ns: NDArray[np.int64]
    damaged: tuple[int, ...] = ()

    def read(self, indices: Sequence[int], *, on_error: ErrorHandler | None = None) -> Iterator[Frame]:
        for index in indices:
            if index in self.damaged:
                error = InputError(f"frame {index}", found="damage", expected="a picture")
                if on_error is None:
                    raise error
                on_error(error)
            else:
                yield Frame(int(self.time_ns[index]), paint(index))


def paint(index: int) -> NDArray[np.uint8]:
    """Picture number `index`: RGB, all three channels different, none of it symmetrical."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    image = np.stack([2 * x + index, 3 * y, (x + 2 * y) // 2], axis=-1) % 256
    image[:8, :8] = (index * 37) % 256
    return image.astype(np.uint8)


@dataclass(frozen=True)
class MemorySound:
    """Sound from an array (samples, channels)."""

    data: NDArray[np.generic]
    sample_rate_hz: int = 8000
    sample_format: SampleFormat = SampleFormat.INT16
    start_ns: int = CLOCK_ZERO_NS

    @property
    def clock_rate_hz(self) -> Fraction:
        return Fraction(self.sample_rate_hz)

    @property
    def channels(self) -> int:
        return int(self.data.shape[1])

    @property
    def samples(self) -> int:
        return int(self.data.shape[0])

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        return self.data[start:stop]


def counting_sound(seconds: float, channels: int = 2, rate_hz: int = 8000) -> MemorySound:
    """Sound whose channel c at sample i is 1 + (i + 1000 c) mod 30000: its value tells its place, and is never zero."""
    index = np.arange(round(seconds * rate_hz))[:, None] + 1000 * np.arange(channels)
    return MemorySound((1 + index % 30000).astype(np.int16), rate_hz)


def make_recording(
    recording_id: str = "walk",
    *,
    frames: int = 40,
    fps: float = 10.0,
    sound: MemorySound | str | None = "counting",
    scale: Scale = Scale.METRIC,
    group_id: str = "home",
    split: str | None = None,
) -> Recording:
    """A level camera that moves at 0.5 m/s where it first looked and turns right at 10 degrees a second."""
    seconds = np.arange(frames) / fps
    time_ns = CLOCK_ZERO_NS + np.round(seconds * 1e9).astype(np.int64)
    T_start_camera = make_transform(
        axis_rotation("y", 10.0 * seconds), np.stack([0 * seconds, 0 * seconds, 0.5 * seconds], axis=-1)
    )
    if isinstance(sound, str):
        sound = counting_sound(frames / fps)
    return Recording(
        recording_id=recording_id,
        group_id=group_id,
        source="memory",
        licence="CC0-1.0",
        frames=MemoryFrames(time_ns),
        sound=sound,
        camera=CAMERA,
        rig=None if sound is None else Rig(ArrayKind.MICROPHONES, np.arange(3.0 * sound.channels).reshape(-1, 3) / 100),
        trajectory=Trajectory(
            time_ns=time_ns,
            T_world_camera=T_WORLD_START @ T_start_camera,
            scale=scale,
            pose_source="measured",
            pose_sigma_deg=0.2,
            position_sigma_m=0.01 if scale is Scale.METRIC else None,
            up_world=UP_WORLD,
        ),
        split=split,
    )
