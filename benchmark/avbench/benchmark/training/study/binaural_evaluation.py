"""What a binaural network and its monaural control are worth on rooms they have not heard.

Two figures: by how much the predicted left-right difference is nearer to the truth than no difference, and how well a
linear probe of the embedding tells the azimuth of the strongest source. Intervals are by room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from avbench.benchmark.audio.azimuth_probe import azimuth_error_deg, folded_azimuth_deg, linear_probe_deg
from avbench.benchmark.base.progress import bar_of
from avbench.benchmark.models.learned.binaural_pretraining import (
    BinauralNetwork,
    difference_l1,
    embed,
    no_difference_l1,
)
from avbench.benchmark.scoring.bootstrap import Estimate, draw_clusters, sample
from avbench.benchmark.scoring.statistics.summaries import prepare_median
from avbench.benchmark.training.data.labelled_ears import LabelledEars
from avbench.preprocessing.base.geometry import FloatArray

_BLOCK = 64


@dataclass(frozen=True)
class DifferenceGain:
    """How well the left-right difference is predicted.

    Attributes:
        l1: L1 of the prediction.
        zero_l1: L1 of predicting no difference.
        gain_percent: By how much of the latter the former is below it.
    """

    l1: Estimate
    zero_l1: Estimate
    gain_percent: Estimate


@dataclass(frozen=True)
class ProbeErrors:
    """Absolute errors of the linear probe of the azimuth.

    Attributes:
        binaural_deg: Median error with the binaural embedding.
        monaural_deg: Median error with the control's.
        gain_percent: By how much of the latter the former is below it.
    """

    binaural_deg: Estimate
    monaural_deg: Estimate
    gain_percent: Estimate


@dataclass(frozen=True)
class HeldOutSplit:
    """What the networks are worth on one split. Intervals are by room.

    Attributes:
        split: Its name.
        pairs: Number of pairs.
        rooms: Number of rooms.
        own_view: Difference of the view whose pair is heard.
        other_view: Difference of the other view.
        both_views: The mean of the two.
        azimuth: The probe.
        folded_azimuth: The probe, with front and back taken as one.
        true_azimuth_deg: (2 * pairs,) azimuths of the strongest source.
        binaural_error_deg: (2 * pairs,) errors of the probe of the binaural embedding.
        monaural_error_deg: The same for the control.
    """

    split: str
    pairs: int
    rooms: int
    own_view: DifferenceGain
    other_view: DifferenceGain
    both_views: DifferenceGain
    azimuth: ProbeErrors
    folded_azimuth: ProbeErrors
    true_azimuth_deg: FloatArray
    binaural_error_deg: FloatArray
    monaural_error_deg: FloatArray


def frame_embeddings(network: BinauralNetwork, ears: LabelledEars, title: str) -> NDArray[np.float32]:
    """Embeddings (2 N, 1024) of frames a, then of frames b; `title` stands before the progress bar."""
    parts = []
    with bar_of(total=2 * len(ears), desc=f"embeddings of {title}", unit="clip") as bar:
        for clips in (ears.ears_a, ears.ears_b):
            for start in range(0, len(clips), _BLOCK):
                parts.append(embed(network, clips[start : start + _BLOCK].astype(np.float32)))
                bar.update(len(parts[-1]))
    return np.concatenate(parts)


@torch.no_grad()
def _differences(network: BinauralNetwork, ears: LabelledEars, title: str) -> dict[str, FloatArray]:
    """L1 (N,) of the network for the `own` and the `other` view, and of `zero` difference, both ways round."""
    device = network.window.device
    sums: dict[str, list[FloatArray]] = {"own": [], "other": [], "zero": []}
    with bar_of(total=len(ears), desc=f"differences of {title}", unit="pair") as bar:
        for start in range(0, len(ears), _BLOCK):
            a, b = (
                torch.from_numpy(clips[start : start + _BLOCK].astype(np.float32)).to(device)
                for clips in (ears.ears_a, ears.ears_b)
            )
            is_other = torch.ones(len(a), dtype=torch.bool, device=device)
            found = {
                "own": difference_l1(network, a, a, ~is_other) + difference_l1(network, b, b, ~is_other),
                "other": difference_l1(network, b, a, is_other) + difference_l1(network, a, b, is_other),
                "zero": no_difference_l1(network, a) + no_difference_l1(network, b),
            }
            for name, one in found.items():
                sums[name].append(0.5 * one.double().cpu().numpy())
            bar.update(len(a))
    return {name: np.concatenate(parts) for name, parts in sums.items()}


def judge_split(
    split: str,
    networks: Mapping[str, BinauralNetwork],
    fitted: Mapping[str, NDArray[np.float32]],
    train: LabelledEars,
    ears: LabelledEars,
) -> HeldOutSplit:
    """Judge the networks on a split.

    Args:
        split: Its name.
        networks: `binaural` and `monaural`, in evaluation mode.
        fitted: Their embeddings of `train`, of `frame_embeddings`, which the probe is fitted to.
        train: Training pairs.
        ears: Pairs of the split, of other rooms.
    """
    by_pair = draw_clusters(ears.groups)
    l1 = _differences(networks["binaural"], ears, split)
    zero = sample(l1["zero"], by_pair)

    def difference(values: FloatArray) -> DifferenceGain:
        found = sample(values, by_pair)
        return DifferenceGain(found.estimate, zero.estimate, found.percent_below(zero))

    fit_azimuth, azimuth = (np.concatenate([one.azimuth_a_deg, one.azimuth_b_deg]) for one in (train, ears))
    read = {
        name: linear_probe_deg(
            fitted[name], fit_azimuth, train.groups * 2, frame_embeddings(network, ears, f"{name}, {split}")
        )
        for name, network in networks.items()
    }
    by_frame = draw_clusters(ears.groups * 2)

    def probe(errors: Mapping[str, FloatArray]) -> ProbeErrors:
        binaural, monaural = (sample(errors[name], by_frame, prepare_median) for name in ("binaural", "monaural"))
        return ProbeErrors(binaural.estimate, monaural.estimate, binaural.percent_below(monaural))

    errors = {name: azimuth_error_deg(one, azimuth) for name, one in read.items()}
    folded = {
        name: azimuth_error_deg(folded_azimuth_deg(one), folded_azimuth_deg(azimuth)) for name, one in read.items()
    }
    return HeldOutSplit(
        split=split,
        pairs=len(ears),
        rooms=ears.rooms,
        own_view=difference(l1["own"]),
        other_view=difference(l1["other"]),
        both_views=difference(0.5 * (l1["own"] + l1["other"])),
        azimuth=probe(errors),
        folded_azimuth=probe(folded),
        true_azimuth_deg=azimuth,
        binaural_error_deg=errors["binaural"],
        monaural_error_deg=errors["monaural"],
    )
