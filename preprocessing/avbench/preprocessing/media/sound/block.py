"""Blocks of samples, as the readers of sound files and of containers give them."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.container import NS_PER_S, seconds

SoundBlock = NDArray[np.generic]


def check_range(start: int, stop: int, samples: int) -> None:
    """Whether samples [start, stop) lie within a sound of so many.

    Raises:
        IndexError: They do not.
    """
    if not 0 <= start <= stop <= samples:
        raise IndexError(f"samples {start} to {stop} of a sound of {samples}")


def check_finite(block: SoundBlock, path: str, start: int, sample_rate_hz: int) -> None:
    """Whether all samples of a block, (samples, channels), are finite; `start` is the number of its first.

    Raises:
        InputError: One is NaN or infinite.
    """
    if block.dtype.kind != "f" or bool(np.isfinite(cast("NDArray[np.float32]", block)).all()):
        return
    first, channel = np.argwhere(~np.isfinite(cast("NDArray[np.float32]", block)))[0]
    raise InputError(
        f"{path}, sound at {seconds((start + int(first)) * NS_PER_S // sample_rate_hz)}",
        found=f"a NaN or infinite sample in channel {channel}",
        expected="finite samples",
        hint="export the sound again",
    )
