"""What two ears hear in the pairs of a simulated data set, with the azimuth of the strongest source.

The azimuth comes from the room that a recording was simulated in, which is no part of the data set: it is for probing
what a network has learned, never for a model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.audio.grid import azimuth_elevation_deg
from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.data.pair import Modality
from avbench.benchmark.models.learned.binaural_pretraining import BinauralConfig, ear_samples
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray, gravity_aligned_rotation
from avbench.preprocessing.simulate.scene.world import World, make_world
from avbench.preprocessing.simulate.write import read_settings


@dataclass(frozen=True)
class LabelledEars:
    """N pairs whose clips both have two ears.

    Attributes:
        pair_ids: Names.
        groups: Their rooms.
        ears_a: (N, 2, samples) left and right in frame a, at the network's rate, RMS 1.
        ears_b: The same for frame b.
        azimuth_a_deg: (N,) azimuth of the strongest source in level axes of frame a.
        azimuth_b_deg: The same for frame b.
    """

    pair_ids: tuple[str, ...]
    groups: tuple[str, ...]
    ears_a: NDArray[np.float16]
    ears_b: NDArray[np.float16]
    azimuth_a_deg: FloatArray
    azimuth_b_deg: FloatArray

    def __len__(self) -> int:
        return len(self.pair_ids)

    @property
    def ears(self) -> NDArray[np.bool_]:
        """(N,) true."""
        return np.ones(len(self), dtype=np.bool_)

    @property
    def rooms(self) -> int:
        """Number of rooms."""
        return len(set(self.groups))

    @property
    def digest(self) -> str:
        """Hash of the choice of pairs."""
        return hashlib.sha256("\n".join(self.pair_ids).encode()).hexdigest()[:16]

    def chosen(self, keep: NDArray[np.bool_]) -> LabelledEars:
        """The labels of some of the pairs."""
        rows = np.flatnonzero(keep).tolist()
        return LabelledEars(
            tuple(self.pair_ids[row] for row in rows),
            tuple(self.groups[row] for row in rows),
            self.ears_a[rows],
            self.ears_b[rows],
            self.azimuth_a_deg[rows],
            self.azimuth_b_deg[rows],
        )


def strongest_source_azimuth_deg(world: World, time_ns: int) -> float:
    """Azimuth, in level axes of the camera at a time, of the source that is strongest there.

    Strongest is what has the highest level at 1 m less 20 log10 of its distance. A source keeps its level in its
    pauses, and reverberation is left out.

    Args:
        world: A simulated recording with at least one source.
        time_ns: Time in the recording.
    """
    time_s = time_ns / 1e9
    T_world_camera = world.motion.poses(time_s)
    R, position_m = T_world_camera[:3, :3], T_world_camera[:3, 3]
    ways = [source.position_m(time_s) - position_m for source in world.scene.sources]
    levels = [
        source.level_db - 20.0 * np.log10(max(float(np.linalg.norm(way)), 1e-3))
        for source, way in zip(world.scene.sources, ways, strict=True)
    ]
    # The world's z is up: in camera axes that is the third row of the camera's rotation.
    level = gravity_aligned_rotation(R[2]) @ R.T @ ways[int(np.argmax(levels))]
    return float(azimuth_elevation_deg(level)[0])


def labelled_ears(
    dataset: PairDataset,
    split: str,
    recordings: Path,
    config: BinauralConfig,
    most_pairs: int,
    progress: Callable[[int, int], object] | None = None,
) -> LabelledEars:
    """Pairs of a split, spread evenly over it, with the azimuth of the strongest source.

    Args:
        dataset: A data set prepared from simulated recordings.
        split: The split.
        recordings: The folder of simulated recordings.
        config: The network that is to hear them.
        most_pairs: Largest number of pairs; those without two ears are left out of it.
        progress: Called after each pair with the number of pairs so far and of all.

    Raises:
        InputError: There is no such split, a recording or its room is missing, or no pair has two ears in both clips.
    """
    table = dataset.table(split, ("pair_id", "recording_id", "group_id", "time_a_ns", "time_b_ns")).to_pylist()
    spread = np.linspace(0, len(table) - 1, min(len(table), most_pairs)).round().astype(np.int64)
    wanted = set(spread.tolist())
    kept: list[int] = []
    ears: dict[str, list[NDArray[np.float16]]] = {"a": [], "b": []}
    azimuths: dict[str, list[float]] = {"a": [], "b": []}
    current: tuple[str, World] | None = None
    done = 0
    for row, pair in enumerate(dataset.encoded(split, modalities=frozenset({Modality.AUDIO}))):
        if row not in wanted:
            continue
        done += 1
        heard = {view: ear_samples(pair.decode_sound(view), config) for view in "ab"}
        found = {view: one for view, one in heard.items() if one is not None}
        if len(found) == 2:
            recording = table[row]["recording_id"]
            if current is None or current[0] != recording:
                current = (recording, make_world(read_settings(recordings, recording)))
            for view, one in found.items():
                ears[view].append(one.astype(np.float16))
                azimuths[view].append(strongest_source_azimuth_deg(current[1], table[row][f"time_{view}_ns"]))
            kept.append(row)
        if progress is not None:
            progress(done, len(wanted))
    if not kept:
        raise InputError(
            f"{dataset.folder}: split {split}",
            found=f"no left and right ear in any of {len(wanted)} pairs",
            expected="arrays with a left-right pair of microphones",
        )
    return LabelledEars(
        pair_ids=tuple(table[row]["pair_id"] for row in kept),
        groups=tuple(table[row]["group_id"] for row in kept),
        ears_a=np.stack(ears["a"]),
        ears_b=np.stack(ears["b"]),
        azimuth_a_deg=np.array(azimuths["a"]),
        azimuth_b_deg=np.array(azimuths["b"]),
    )
