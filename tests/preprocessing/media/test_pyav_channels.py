"""What is taken of the planes and layouts that PyAV shows of a decoded frame."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from avbench.preprocessing.media.sound.pyav_channels import channel_names, count_channels, forget_layout, interleaved


@dataclass
class Format:
    name: str
    is_planar: bool


@dataclass
class Named:
    name: str


@dataclass
class Layout:
    name: str
    nb_channels: int
    channels: tuple[Named, ...] = ()


@dataclass
class FrameLike:
    """What is used of an `av.AudioFrame`."""

    planes: tuple[Any, ...]
    samples: int
    format: Format
    layout: Layout = field(default_factory=lambda: Layout("7.1", 8))


class NoBuffer:
    """A plane that must not be touched: looking into it raises."""


@pytest.mark.parametrize("channels", [1, 7, 8, 16])
def test_only_as_many_planes_as_channels_are_read(channels: int) -> None:
    samples = np.arange(5 * channels, dtype=np.float32).reshape(channels, 5)
    frame = FrameLike((*samples, NoBuffer(), NoBuffer()), 5, Format("fltp", is_planar=True))
    np.testing.assert_array_equal(interleaved(frame, channels), samples.T)


def test_a_plane_may_be_longer_than_its_samples() -> None:
    frame = FrameLike(tuple(np.arange(2 * 9, dtype=np.int16).reshape(2, 9)), 4, Format("s16p", is_planar=True))
    np.testing.assert_array_equal(interleaved(frame, 2), [[0, 9], [1, 10], [2, 11], [3, 12]])
    frame = FrameLike((np.arange(14, dtype=np.int16), NoBuffer()), 3, Format("s16", is_planar=False))
    np.testing.assert_array_equal(interleaved(frame, 4), np.arange(12).reshape(3, 4))


@pytest.mark.parametrize(("name", "kept"), [("5 channels (AMBI0+AMBI1+AMBI2+AMBI3+FL)", True), ("5.0", False)])
def test_a_custom_layout_is_never_freed_by_the_frame_s_layout(name: str, kept: bool) -> None:
    frame = FrameLike((), 0, Format("fltp", is_planar=True), Layout(name, 5, (Named("FL"), Named("LFE"))))
    layout = weakref.ref(frame.layout)
    assert count_channels(frame) == 5
    assert channel_names(frame) == ("FL", "LFE")
    del frame
    assert (layout() is not None) == kept


def test_a_context_keeps_the_number_of_channels_only() -> None:
    @dataclass
    class Context:
        layout: Any

    context = Context(Layout("7 channels (FL+FR+UNK)", 7))
    assert forget_layout(context) == 7
    assert context.layout == "7C"
    unknown = Layout("", 0)
    context = Context(unknown)
    assert forget_layout(context) == 0
    assert context.layout is unknown
