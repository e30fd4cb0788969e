"""How PyAV counts and frees the channels of sound, and what has to be done about it.

Its `AudioFrame.planes` runs on until it meets a null pointer, which for eight planar channels is one too late; and an
`AudioLayout` shares the table of a custom channel layout with the codec context or frame that it was taken from,
although both free it. Only what is here may touch layouts and planes.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPE_OF_FORMAT = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}


def forget_layout(context: Any) -> int:
    """Leave an `av.AudioCodecContext` that is not open yet with a number of channels in place of their names.

    Decoders that find the names in the stream itself still give them to their frames.

    Returns:
        The number of channels, 0 where it is not known before decoding.
    """
    layout = context.layout
    channels = int(layout.nb_channels)
    if channels:
        # The context drops its table without freeing it; `layout` is then the only one that does.
        context.layout = f"{channels}C"
    return channels


def count_channels(frame: Any) -> int:
    """Number of channels of a decoded `av.AudioFrame`; to be asked of every frame before it is let go."""
    layout = frame.layout
    if "(" in layout.name:  # so a custom layout describes itself: "5 channels (AMBI0+...)"
        _never_free(layout)
    return int(layout.nb_channels)


def channel_names(frame: Any) -> tuple[str, ...]:
    """FFmpeg's names of the channels of an `av.AudioFrame`, in order, such as "FL" and "LFE"."""
    return tuple(channel.name for channel in frame.layout.channels)


def _never_free(layout: Any) -> None:
    """Keep a layout for good, so that only the frame or context that it was taken from frees what they share."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))


def interleaved(frame: Any, channels: int) -> NDArray[Any]:
    """The samples of an `av.AudioFrame`, (samples, channels), in their own type; they may be a view of the frame.

    Raises:
        KeyError: The samples are of a type that NumPy does not have.
    """
    dtype = _DTYPE_OF_FORMAT[str(frame.format.name).removesuffix("p")]
    planes = frame.planes
    if not frame.format.is_planar:
        return np.frombuffer(planes[0], dtype=dtype, count=frame.samples * channels).reshape(-1, channels)
    return np.stack([np.frombuffer(planes[i], dtype=dtype, count=frame.samples) for i in range(channels)], axis=1)
