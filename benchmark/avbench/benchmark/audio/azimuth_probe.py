"""How much of a source's azimuth an embedding holds: a linear probe, and the comparison with one ear.

The probe is ridge regression to the cosine and sine of the azimuth. Its strength is chosen on part of the training set,
and the control is an embedding of the same network trained in the same way on a mono mix.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.audio.binaural_pretraining import (
    BinauralConfig,
    BinauralExamples,
    DifferenceError,
    PretrainingSettings,
    difference_error,
    embed,
    pretrain,
)
from avbench.benchmark.audio.grid import wrap_deg
from avbench.preprocessing.geometry import FloatArray

_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)


def linear_probe_error_deg(
    train: NDArray[np.float32],
    train_azimuth_deg: FloatArray,
    test: NDArray[np.float32],
    test_azimuth_deg: FloatArray,
) -> FloatArray:
    """Absolute azimuth errors (M,) in degrees of a linear probe of embeddings.

    Args:
        train: (N, D) embeddings to fit to; the last fifth chooses the ridge strength.
        train_azimuth_deg: (N,) their azimuths.
        test: (M, D) embeddings of other rooms.
        test_azimuth_deg: (M,) their azimuths.

    Raises:
        ValueError: Fewer than ten embeddings to fit to.
    """
    if len(train) < 10:
        raise ValueError(f"a probe needs at least 10 embeddings to fit to, not {len(train)}")
    mean, spread = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    scale = 1.0 / np.where(spread > 1e-6, spread, np.inf)
    x, x_test = ((values - mean) * scale for values in (train, test))
    fitted = len(x) - len(x) // 5
    scores = [
        np.median(_errors(_ridge(x[:fitted], train_azimuth_deg[:fitted], s), x[fitted:], train_azimuth_deg[fitted:]))
        for s in _STRENGTHS
    ]
    best = _STRENGTHS[int(np.argmin(scores))]
    return _errors(_ridge(x, train_azimuth_deg, best), x_test, test_azimuth_deg)


def _ridge(x: FloatArray, azimuth_deg: FloatArray, strength: float) -> FloatArray:
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    angle = np.radians(azimuth_deg)
    target = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    penalty = strength * len(x) / 100.0 * np.eye(design.shape[1])
    penalty[-1, -1] = 1e-9  # the mean is not penalised
    return np.asarray(np.linalg.solve(design.T @ design + penalty, design.T @ target))


def _errors(weights: FloatArray, x: FloatArray, azimuth_deg: FloatArray) -> FloatArray:
    cosine, sine = (np.concatenate([x, np.ones((len(x), 1))], axis=1) @ weights).T
    return np.abs(wrap_deg(np.degrees(np.arctan2(sine, cosine)) - azimuth_deg))


@dataclass(frozen=True)
class LabelledExamples:
    """Examples with the azimuth of the source in each frame.

    Attributes:
        examples: The sounds.
        first_azimuth_deg: (N,) azimuth of the source in frame a.
        second_azimuth_deg: (N,) azimuth in frame b.
    """

    examples: BinauralExamples
    first_azimuth_deg: FloatArray
    second_azimuth_deg: FloatArray


@dataclass(frozen=True)
class ProbeReport:
    """What the pre-training brings on rooms it has not seen.

    Attributes:
        own_view: Difference of the view whose pair is given.
        other_view: Difference of the other view.
        binaural_median_deg: Median azimuth error of the probe of the binaural embedding.
        monaural_median_deg: The same for the monaural control.
        losses: Training loss of each epoch.
    """

    own_view: DifferenceError
    other_view: DifferenceError
    binaural_median_deg: float
    monaural_median_deg: float
    losses: tuple[float, ...]

    def __str__(self) -> str:
        probe = 1.0 - self.binaural_median_deg / self.monaural_median_deg
        return (
            f"L1 below zero difference: own view {self.own_view.gain:.1%}, other view {self.other_view.gain:.1%}; "
            f"azimuth probe median {self.binaural_median_deg:.1f} deg, monaural {self.monaural_median_deg:.1f} deg "
            f"({probe:.1%} below)"
        )


def evaluate_pretraining(
    train: LabelledExamples,
    test: LabelledExamples,
    config: BinauralConfig | None = None,
    settings: PretrainingSettings | None = None,
) -> ProbeReport:
    """Pre-train a binaural network and its monaural control, and compare them on other rooms.

    Args:
        train: Examples to train and to fit the probe to.
        test: Examples of rooms that are not in `train`.
        config: Shape of the network; `monaural` is set here.
        settings: How both are trained.
    """
    shape = replace(config if config is not None else BinauralConfig(), monaural=False)
    result = pretrain(train.examples, shape, settings)
    control = pretrain(train.examples, replace(shape, monaural=True), settings)
    fit_azimuth, test_azimuth = (
        np.concatenate([part.first_azimuth_deg, part.second_azimuth_deg]) for part in (train, test)
    )
    medians = []
    for network in (result.network, control.network):
        fit, held_out = (
            np.concatenate([embed(network, part.examples.first), embed(network, part.examples.second)])
            for part in (train, test)
        )
        medians.append(float(np.median(linear_probe_error_deg(fit, fit_azimuth, held_out, test_azimuth))))
    return ProbeReport(
        own_view=difference_error(result.network, test.examples, other_view=False),
        other_view=difference_error(result.network, test.examples, other_view=True),
        binaural_median_deg=medians[0],
        monaural_median_deg=medians[1],
        losses=result.losses,
    )
