"""Ambisonic channels of a recording: those that are read, and their turn into the axes of the upright picture.

Axes are x forward, y left, z up. A turn of the picture is one about x: it leaves the pressure W and the component X as
they are, and makes Y and Z of each other, each with a sign. So a turn by quarters loses nothing of integer samples but
the most negative one, whose opposite does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.recording.picture_axes import rotation_upright_sensor
from avbench.preprocessing.recording.recording import AmbisonicConvention, SampleFormat, SoundSource

FIRST_ORDER = 4
"""Channels of the first order, which come first in every order in use."""

_W, _X, _Y, _Z = range(4)
_CHANNEL_ORDER = {
    AmbisonicConvention.ACN_SN3D: (_W, _Y, _Z, _X),
    AmbisonicConvention.ACN_N3D: (_W, _Y, _Z, _X),
    AmbisonicConvention.FUMA: (_W, _X, _Y, _Z),
}
_LARGEST = {
    SampleFormat.INT16: 2**15 - 1,
    SampleFormat.INT24: 2**31 - 2**8,  # carried in the upper bits of 32
    SampleFormat.INT32: 2**31 - 1,
}


@dataclass(frozen=True)
class MappedSound:
    """Chosen channels of a sound, some with their sign changed; a `SoundSource`.

    Attributes:
        source: The sound.
        chosen: For each channel the channel of the source that it comes from.
        negated: For each channel whether its sign is changed.
    """

    source: SoundSource
    chosen: tuple[int, ...]
    negated: tuple[bool, ...]

    @property
    def sample_rate_hz(self) -> int:
        """Samples a second, as clips state them."""
        return self.source.sample_rate_hz

    @property
    def clock_rate_hz(self) -> Fraction:
        """Samples a second of the recording's clock."""
        return self.source.clock_rate_hz

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.chosen)

    @property
    def sample_format(self) -> SampleFormat:
        """What the samples are."""
        return self.source.sample_format

    @property
    def start_ns(self) -> int:
        """Time of the first sample on the recording's clock."""
        return self.source.start_ns

    @property
    def samples(self) -> int:
        """Number of samples a channel."""
        return self.source.samples

    def read(self, start: int, stop: int) -> NDArray[np.generic]:
        """Samples [start, stop) of all channels, (stop - start, channels), in the type of the source."""
        block = np.ascontiguousarray(self.source.read(start, stop)[:, list(self.chosen)])
        for channel in np.flatnonzero(self.negated):
            column = block[:, channel]
            if self.sample_format in _LARGEST:
                column = np.maximum(column, -_LARGEST[self.sample_format])
            block[:, channel] = -column
        return block


def is_higher_order(channels: int) -> bool:
    """Whether so many channels are a whole order above the first, with or without two for headphones behind them."""
    return any(channels in ((order + 1) ** 2, (order + 1) ** 2 + 2) for order in range(2, 16)) or channels == 6


def first_order_upright(
    sound: SoundSource, convention: AmbisonicConvention, quarter_turns_cw: int
) -> MappedSound | SoundSource:
    """The first-order channels of a sound, in the axes of the upright picture.

    Args:
        sound: Four channels or more.
        convention: Their order.
        quarter_turns_cw: Clockwise quarter turns that bring the picture, to which the axes belong, upright.
    """
    if sound.channels == FIRST_ORDER and quarter_turns_cw % 4 == 0:
        return sound
    order = _CHANNEL_ORDER[convention]
    # Left and up in camera axes (x right, y down) are -x and -y: the signs cancel in the matrix between them.
    turn = rotation_upright_sensor(quarter_turns_cw)
    chosen, negated = list(range(FIRST_ORDER)), [False] * FIRST_ORDER
    for row, component in enumerate((_Y, _Z)):
        column = int(np.argmax(np.abs(turn[row, :2])))
        chosen[order.index(component)] = order.index((_Y, _Z)[column])
        negated[order.index(component)] = bool(turn[row, column] < 0)
    return MappedSound(sound, tuple(chosen), tuple(negated))
