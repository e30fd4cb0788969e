"""Training pairs straight from simulated rooms: the rows that `prepare` would make, without files in between.

A simulated recording is opened as a `Recording` whose frames are drawn and whose sound is computed when they are asked
for. From there on everything is `prepare`'s own: which moments become pairs, how clips are cut, what a row says. So
only what the pairs need is computed, pictures skip the video codec, and a side output gives the depth of every picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.format.sound_clip import cut_clip
from avbench.preprocessing.recording.recording import (
    ErrorHandler,
    Frame,
    Recording,
    Rig,
    Scale,
    Trajectory,
    UpSource,
)
from avbench.preprocessing.rows.choose import PairSettings, choose_pairs
from avbench.preprocessing.rows.make import RowSettings, moments_of, pair_rows, poses_of_frames
from avbench.preprocessing.simulate.scene.world import RecordingSettings, World, make_world
from avbench.preprocessing.simulate.sound.world_sound import SimulatedSound, join_stretches
from avbench.preprocessing.simulate.write import LICENCE, frame_times_s, pose_times_ns

_WHOLE_SHARE = 0.6
"""If clips cover more of a recording than this, all of its sound is computed in one go."""


@dataclass(frozen=True, eq=False)
class SimulatedPair:
    """A pair of frames with what a recording could not tell.

    Attributes:
        row: The row of the pair schema.
        image_a: (height, width, 3) RGB of frame a, before it was encoded.
        image_b: The same of frame b.
        clip_a: (samples, channels) int16, centred on frame a.
        clip_b: The same around frame b.
        depth_a: (height, width) depth along the optical axis in metres, None unless asked for.
        depth_b: The same of frame b.
    """

    row: dict[str, Any]
    image_a: NDArray[np.uint8]
    image_b: NDArray[np.uint8]
    clip_a: NDArray[np.int16]
    clip_b: NDArray[np.int16]
    depth_a: NDArray[np.float32] | None = None
    depth_b: NDArray[np.float32] | None = None

    @property
    def rotation_a_b(self) -> FloatArray:
        """(3, 3) label."""
        return np.array(self.row["rotation_a_b"])

    @property
    def translation_a_b_m(self) -> FloatArray:
        """(3,) label."""
        return np.array(self.row["translation_a_b_m"])

    @property
    def up_a(self) -> FloatArray:
        """(3,) measured up vector in the axes of camera a."""
        return np.array(self.row["up_a"])

    @property
    def up_b(self) -> FloatArray:
        """(3,) measured up vector in the axes of camera b."""
        return np.array(self.row["up_b"])


class SimulatedFrames:
    """Frames of a world, drawn when they are read; kept, since several pairs use them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._time_ns = np.rint(frame_times_s(world.settings) * 1e9).astype(np.int64)
        self._images: dict[int, NDArray[np.uint8]] = {}

    @property
    def time_ns(self) -> NDArray[np.int64]:
        """(N,) times of the frames."""
        return self._time_ns

    def read(self, indices: Sequence[int], *, on_error: ErrorHandler | None = None) -> Iterator[Frame]:
        """The frames of the given increasing indices; drawing one cannot fail."""
        del on_error
        for index in indices:
            yield Frame(int(self._time_ns[index]), self.image(index))

    def image(self, index: int) -> NDArray[np.uint8]:
        """The picture of one frame."""
        if index not in self._images:
            self._images[index] = self._world.picture(self._time_ns[index] / 1e9)
        return self._images[index]


def as_recording(world: World, stretches: NDArray[np.int64] | None = None) -> Recording:
    """A simulated recording as `prepare` sees one.

    Args:
        world: The recording.
        stretches: (K, 2) first samples and ends of the sound that will be read; None for all.
    """
    settings = world.settings
    time_ns = pose_times_ns(settings)
    return Recording(
        recording_id=settings.name,
        group_id=settings.name,
        source="simulated",
        licence=LICENCE,
        frames=SimulatedFrames(world),
        sound=SimulatedSound(world, stretches),
        camera=world.camera,
        rig=Rig(world.rig.array_kind, world.rig.mic_positions_m),
        trajectory=Trajectory(
            time_ns=time_ns,
            T_world_camera=world.motion.poses(time_ns / 1e9),
            scale=Scale.METRIC,
            pose_source="simulated",
            pose_sigma_deg=0.0,
            position_sigma_m=0.0,
        ),
        up_source=UpSource.SIMULATED,
        up_camera=(time_ns, world.motion.measured_up(time_ns / 1e9)),
        split=settings.split or None,
        sync_sigma_ns=0,
    )


def pairs_of_room(
    settings: RecordingSettings, choice: PairSettings, rows: RowSettings, *, depth: bool = False
) -> Iterator[SimulatedPair]:
    """Make pairs of one simulated room.

    Args:
        settings: The room and what it is recorded with. Its pictures must be no larger than those of `rows`.
        choice: How many pairs, and which.
        rows: How rows are made.
        depth: Whether to give depth too.
    """
    if max(settings.width_px, settings.height_px) > rows.size_px:
        raise ValueError(f"pictures of {settings.width_px} px would be shrunk to {rows.size_px} px; draw them smaller")
    world = make_world(settings)
    recording = as_recording(world)
    poses = poses_of_frames(recording, rows)
    indices = choose_pairs(moments_of(recording, poses, rows), choice, settings.name).indices
    # Only now is it known what has to be computed.
    recording = replace(recording, sound=SimulatedSound(world, _stretches(recording, np.unique(indices), rows)))
    frames, sound = recording.frames, recording.sound
    assert isinstance(frames, SimulatedFrames) and isinstance(sound, SimulatedSound)  # noqa: S101, PT018
    depths: dict[int, NDArray[np.float32]] = {}
    for row, (a, b) in zip(pair_rows(recording, poses, indices, rows), indices.tolist(), strict=True):
        for index in (a, b):
            if depth and index not in depths:
                depths[index] = world.depth(frames.time_ns[index] / 1e9)
        if settings.split:
            row["split"] = settings.split
        clips = [cut_clip(sound, int(frames.time_ns[index]), rows.clip_seconds).samples for index in (a, b)]
        yield SimulatedPair(
            row=row,
            image_a=frames.image(a),
            image_b=frames.image(b),
            clip_a=clips[0].astype(np.int16, copy=False),
            clip_b=clips[1].astype(np.int16, copy=False),
            depth_a=depths.get(a),
            depth_b=depths.get(b),
        )


def _stretches(recording: Recording, frames: NDArray[np.int64], rows: RowSettings) -> NDArray[np.int64] | None:
    """What of the sound the clips of some frames need; None if it is most of it."""
    sound = recording.sound
    assert sound is not None  # noqa: S101 - `as_recording` gave one
    centre = np.rint(recording.frames.time_ns[frames] * (sound.sample_rate_hz / 1e9)).astype(np.int64)
    half = round(0.5 * rows.clip_seconds * sound.sample_rate_hz) + 1
    joined = join_stretches(np.stack([centre - half, centre + half], axis=-1), sound.samples)
    return None if np.diff(joined, axis=1).sum() > _WHOLE_SHARE * sound.samples else joined
