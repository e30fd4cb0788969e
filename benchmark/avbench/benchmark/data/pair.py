"""What a model is given and what it gives back.

A model is anything with `predict(pairs)`; it need not inherit from anything here. It sees `PairInput`s, which hold
what the condition of the run leaves of the pictures and the sound, and never a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.recording.recording import AmbisonicConvention, ArrayKind, Scale


class Modality(StrEnum):
    """What a model looks at."""

    VISION = "vision"
    AUDIO = "audio"
    UP = "up"


@dataclass(frozen=True)
class SoundClip:
    """The sound of one frame.

    Attributes:
        samples: (samples, channels) float32 in [-1, 1); integer formats are divided by their full scale, which is
            exact up to 24 bits.
        sample_rate_hz: Samples a second.
        valid_start: First sample that is not padding.
        valid_stop: One past the last such sample.
        array_kind: What the channels are.
        mic_positions_m: (channels, 3) in camera axes, or None.
        ambisonic_convention: Order and normalisation of ambisonic channels; it says nothing of other kinds.
    """

    samples: NDArray[np.float32]
    sample_rate_hz: int
    valid_start: int
    valid_stop: int
    array_kind: ArrayKind
    mic_positions_m: FloatArray | None
    ambisonic_convention: AmbisonicConvention = AmbisonicConvention.ACN_SN3D


@dataclass(frozen=True)
class PairInput:
    """One pair as a model sees it.

    Attributes:
        pair_id: Its name.
        image_a: (height, width, 3) uint8 RGB.
        image_b: The same shape.
        intrinsics: 3x3 calibration matrix of both pictures, pixels.
        sound_a: The clip centred on frame a, None where there is none.
        sound_b: The same for frame b.
        up_a: (3,) unit vector against gravity in the axes of camera a, or None.
        up_b: The same for camera b.
    """

    pair_id: str
    image_a: NDArray[np.uint8]
    image_b: NDArray[np.uint8]
    intrinsics: FloatArray
    sound_a: SoundClip | None
    sound_b: SoundClip | None
    up_a: FloatArray | None
    up_b: FloatArray | None


def seal(pair: PairInput) -> PairInput:
    """Forbid writing to a pair's arrays, in place, so that no model changes what the next one sees; gives it back."""
    arrays: list[NDArray[Any] | None] = [pair.image_a, pair.image_b, pair.intrinsics, pair.up_a, pair.up_b]
    for sound in (pair.sound_a, pair.sound_b):
        if sound is not None:
            arrays += [sound.samples, sound.mic_positions_m]
    for array in arrays:
        if array is not None:
            array.flags.writeable = False
    return pair


@dataclass(frozen=True)
class PairLabel:
    """The answer of one pair, and how much of it can be scored.

    Attributes:
        pair_id: Its name.
        rotation_a_b: (3, 3).
        translation_a_b_m: (3,), zero where `scale` is rotation_only.
        scale: What the translation means.
        direction_sigma_deg: Standard uncertainty of the translation's direction, None where unknown.
    """

    pair_id: str
    rotation_a_b: FloatArray
    translation_a_b_m: FloatArray
    scale: Scale
    direction_sigma_deg: float | None = None


@dataclass(frozen=True)
class PosePrediction:
    """A model's answer for one pair.

    Attributes:
        rotation_a_b: (3, 3) rotation that maps directions of camera b into camera a.
        translation_a_b: (3,) where camera b sits in the axes of camera a; metres where `metric`, else a direction.
        confidence: From 0 (a guess) to 1 (sure), or None.
        metric: Whether the length of the translation means metres.
    """

    rotation_a_b: FloatArray
    translation_a_b: FloatArray
    confidence: float | None = None
    metric: bool = False


@runtime_checkable
class Model(Protocol):
    """What every model must do."""

    def predict(self, pairs: Sequence[PairInput]) -> Sequence[PosePrediction]:
        """Answer every pair, in order."""
        ...


@runtime_checkable
class FittedModel(Model, Protocol):
    """A model that looks at the labels of the training split before it predicts."""

    def fit(self, labels: Iterable[PairLabel]) -> None:
        """Take what is needed from the training split's labels."""
        ...
