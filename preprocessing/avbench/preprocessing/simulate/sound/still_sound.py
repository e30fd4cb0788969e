"""The sound of a simulated recording as if the head had stood still, computed when it is read."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.recording.recording import SampleFormat
from avbench.preprocessing.simulate.scene.world import World


class StillSound:
    """Sound of a world, as its microphones would record it if they never left one place.

    Args:
        world: What sounds.
        time_ns: They stand where they are at this time.
    """

    def __init__(self, world: World, time_ns: int) -> None:
        self.world = world
        self.time_ns = time_ns

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

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Samples [start, stop), (stop - start, channels) int16."""
        return self.world.still_sound(start, stop - start, self.time_ns / 1e9)
