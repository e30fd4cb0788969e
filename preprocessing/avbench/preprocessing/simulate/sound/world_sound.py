"""The sound of a simulated recording, computed when it is read: as the head moved, or as if it had stood still."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.recording.recording import SampleFormat
from avbench.preprocessing.simulate.scene.world import World


class WorldSound(ABC):
    """What all sounds of a world have in common: the sound track that a recording of it would have.

    Args:
        world: What sounds.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def sample_rate_hz(self) -> int:
        """Samples a second."""
        return self.world.settings.sample_rate_hz

    @property
    def clock_rate_hz(self) -> Fraction:
        """Samples a second of the recording's clock."""
        return Fraction(self.world.settings.sample_rate_hz)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.world.rig.mic_positions_m)

    @property
    def sample_format(self) -> SampleFormat:
        """What the samples are."""
        return SampleFormat.INT16

    @property
    def start_ns(self) -> int:
        """Time of the first sample: that of the first frame."""
        return 0

    @property
    def samples(self) -> int:
        """Number of samples a channel."""
        return self.world.settings.samples

    @abstractmethod
    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Samples [start, stop), (stop - start, channels) int16."""


class SimulatedSound(WorldSound):
    """Sound of a world, computed over stretches that are announced first.

    Args:
        world: What sounds.
        stretches: (K, 2) first samples and ends of what will be read. None: all of it.
    """

    def __init__(self, world: World, stretches: NDArray[np.int64] | None = None) -> None:
        super().__init__(world)
        whole = np.array([[0, self.samples]], dtype=np.int64)
        self._stretches = whole if stretches is None else join_stretches(stretches, self.samples)
        self._computed: dict[int, NDArray[np.int16]] = {}

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Samples [start, stop), (stop - start, channels) int16.

        Raises:
            ValueError: They were not announced.
        """
        for first, end in self._stretches.tolist():
            if first <= start and stop <= end:
                if first not in self._computed:
                    self._computed[first] = self.world.sound(first, end - first)
                return self._computed[first][start - first : stop - first]
        raise ValueError(f"samples {start} to {stop} were not announced")


class StillSound(WorldSound):
    """Sound of a world, as its microphones would record it if they never left one place.

    Args:
        world: What sounds.
        time_ns: They stand where they are at this time.
    """

    def __init__(self, world: World, time_ns: int) -> None:
        super().__init__(world)
        self.time_ns = time_ns

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Samples [start, stop), (stop - start, channels) int16."""
        return self.world.still_sound(start, stop - start, self.time_ns / 1e9)


def join_stretches(stretches: NDArray[np.int64], samples: int) -> NDArray[np.int64]:
    """Stretches (K, 2) cut to [0, samples), sorted, those that overlap made one."""
    joined: list[list[int]] = []
    for start, stop in sorted(np.clip(stretches, 0, samples).tolist()):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], stop)
        else:
            joined.append([start, stop])
    return np.array(joined, dtype=np.int64).reshape(-1, 2)
