"""What binaural pre-training learned: a network and its monaural control, judged on rooms they have not heard.

The control is the same network, trained in the same way on the same pairs in the same order, but both of its ears hear
the mono mix. What the binaural network has over it must come from the difference between two ears.

Networks lie in OUT/stages under the hash of what determines them, so a killed run is continued where it was, and
further splits need no training.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avbench.benchmark.audio.azimuth_probe import FEWEST_EXAMPLES, in_last_groups
from avbench.benchmark.base.progress import bar_of
from avbench.benchmark.data.dataset import PairDataset, open_dataset
from avbench.benchmark.models.learned.binaural_pretraining import (
    BinauralConfig,
    BinauralNetwork,
    load_network,
    save_network,
)
from avbench.benchmark.models.learned.bundle import load_bundle
from avbench.benchmark.training.config import STANDARD
from avbench.benchmark.training.data.labelled_ears import LabelledEars, labelled_ears
from avbench.benchmark.training.loop import EpochRecord, Schedule, run_stage
from avbench.benchmark.training.precision import Precision
from avbench.benchmark.training.stages.binaural_stage import BinauralStage
from avbench.benchmark.training.stages.encoders import TRAIN_SPLIT, TRAINING_VERSION, VALIDATION_SPLIT, seeded
from avbench.benchmark.training.study.binaural_evaluation import HeldOutSplit, frame_embeddings, judge_split
from avbench.preprocessing.base.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from accelerate import Accelerator

DEFAULT_PAIRS, DEFAULT_EPOCHS = 2000, 10
WEIGHTS_NAME = "binaural.safetensors"

_VALIDATION_PAIRS = 256
_VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class StudyRequest:
    """What is to be studied.

    Attributes:
        data: A data set prepared from simulated recordings, with the split train and, to choose the epoch on, val.
        recordings: The folder of these recordings, whose rooms tell where sources are.
        out: Folder of the trained networks.
        splits: Splits of rooms that are held out.
        weights: A bundle, or a file of `save_network`, whose binaural network is judged; None trains one.
        pairs: Most training pairs; None for those of the bundle, or 2,000.
        held_out_pairs: Most pairs of each held-out split.
        epochs: Passes over the training pairs; None for those of the bundle, or 10.
        width: Width of the network that is trained; None for that of the shipped models, or of the given one.
        seed: Of the networks that are trained here.
        cpu: Whether accelerators are left alone.
    """

    data: Path
    recordings: Path
    out: Path
    splits: tuple[str, ...] = ("test",)
    weights: Path | None = None
    pairs: int | None = None
    held_out_pairs: int = 1000
    epochs: int | None = None
    width: int | None = None
    seed: int = 0
    cpu: bool = False


@dataclass(frozen=True)
class BinauralStudy:
    """The result.

    Attributes:
        data: Fingerprint of the data set.
        settings: What determined the networks, as JSON values.
        parameters: Number of parameters of one of the networks.
        pairs: Number of training pairs.
        rooms: Number of their rooms.
        histories: Epochs of the networks that were trained here: `binaural` and `monaural`.
        splits: What they are worth.
        notes: What a reader must know, one line each.
    """

    data: str
    settings: Mapping[str, Any]
    parameters: int
    pairs: int
    rooms: int
    histories: Mapping[str, tuple[EpochRecord, ...]]
    splits: tuple[HeldOutSplit, ...]
    notes: tuple[str, ...]


def study_binaural(request: StudyRequest) -> BinauralStudy:
    """Train what is to be trained, or take it as it stands, and judge it.

    Raises:
        InputError: The data set, a room or the weights cannot be read, rooms are not held out, or there are too few.
        MissingDependencyError: The extra `train` or `simulate` is not installed.
        AvbenchError: A file cannot be written.
    """
    accelerator = _accelerator(cpu=request.cpu)
    dataset = open_dataset(request.data)
    plan = _plan(request)
    held_out = [_heard(request, dataset, split, plan.config, request.held_out_pairs) for split in request.splits]
    train = _heard(request, dataset, TRAIN_SPLIT, plan.config, plan.pairs)
    notes = list(plan.notes(dataset))
    if VALIDATION_SPLIT in dataset.splits:
        validation = _heard(request, dataset, VALIDATION_SPLIT, plan.config, _VALIDATION_PAIRS)
        if VALIDATION_SPLIT in request.splits:
            notes.append("val: its rooms chose the epoch, so they are not fully held out")
    else:
        last = in_last_groups(train.groups, _VALIDATION_SHARE)
        train, validation = train.chosen(~last), train.chosen(last)
        notes.append(f"there is no val: {validation.rooms} rooms of {TRAIN_SPLIT} choose the epoch instead")
    _check(dataset, train, held_out)
    networks, histories = _networks(request, plan, dataset, train, validation, accelerator)
    fitted = {name: frame_embeddings(network, train, f"{name}, {TRAIN_SPLIT}") for name, network in networks.items()}
    judged = [
        judge_split(split, networks, fitted, train, ears) for split, ears in zip(request.splits, held_out, strict=True)
    ]
    return BinauralStudy(
        data=dataset.fingerprint,
        settings={
            "network": asdict(plan.config),
            "schedule": asdict(plan.schedule),
            "seed": request.seed,
            "weights": None if request.weights is None else request.weights.resolve().name,
        },
        parameters=sum(value.numel() for value in networks["binaural"].parameters()),
        pairs=len(train),
        rooms=train.rooms,
        histories=histories,
        splits=tuple(judged),
        notes=tuple(notes),
    )


def _networks(
    request: StudyRequest,
    plan: _Plan,
    dataset: PairDataset,
    train: LabelledEars,
    validation: LabelledEars,
    accelerator: Accelerator,
) -> tuple[dict[str, BinauralNetwork], dict[str, tuple[EpochRecord, ...]]]:
    """Both networks, on their device, and the epochs of those that were trained."""
    networks: dict[str, BinauralNetwork] = {}
    histories: dict[str, tuple[EpochRecord, ...]] = {}
    if plan.network is not None:
        networks["binaural"] = plan.network.to(accelerator.device).eval()
    for name in [name for name in ("binaural", "monaural") if name not in networks]:
        config = replace(plan.config, monaural=name == "monaural")
        networks[name] = seeded(request.seed, partial(BinauralNetwork, config))
        stage = BinauralStage(networks[name], train, np.arange(len(train)), validation, name=name)
        facts = {
            "version": TRAINING_VERSION,
            "data": dataset.fingerprint,
            "pairs": [train.digest, validation.digest],
            "network": asdict(config),
        }
        folder = request.out / "stages"
        result = run_stage(stage, plan.schedule, folder, seed=request.seed, facts=facts, accelerator=accelerator)
        histories[name] = result.history
        networks[name].to(accelerator.device)
    if plan.network is None:
        save_network(request.out / WEIGHTS_NAME, networks["binaural"])
    return networks, histories


def _accelerator(*, cpu: bool) -> Accelerator:
    if importlib.util.find_spec("accelerate") is None:
        raise MissingDependencyError("accelerate", "train", "avbench binaural")
    from accelerate import Accelerator

    return Accelerator(cpu=cpu)


@dataclass(frozen=True)
class _Plan:
    """Network and schedule; `network` is None where it is to be trained, `facts` are those of its bundle."""

    config: BinauralConfig
    schedule: Schedule
    pairs: int
    network: BinauralNetwork | None
    facts: Mapping[str, Any]

    def notes(self, dataset: PairDataset) -> Iterable[str]:
        """What a reader must know of a network that was not trained here."""
        if self.network is None or self.facts.get("data") == dataset.fingerprint:
            return
        told = "was trained on another data set" if self.facts else "does not say what it was trained on"
        yield f"the network {told}: whether it knows rooms that are held out here is not checked"


def _plan(request: StudyRequest) -> _Plan:
    usual = STANDARD.binaural
    if request.weights is None:
        config = usual.network if request.width is None else replace(usual.network, width=request.width)
        schedule = replace(usual.schedule, epochs=request.epochs or DEFAULT_EPOCHS)
        return _Plan(config, schedule, request.pairs or DEFAULT_PAIRS, None, {})
    network, facts = _given(request.weights)
    if request.width not in (None, network.config.width):
        raise InputError(
            f"width {request.width}",
            found=f"a network of width {network.config.width} in {request.weights}",
            expected="its control to be of the same width",
            hint="leave --width out",
        )
    # A bundle says how its network was trained, and its control is trained the same way.
    schedule, pairs = replace(usual.schedule, epochs=DEFAULT_EPOCHS), DEFAULT_PAIRS
    if facts:
        told = facts["config"]["binaural"]
        schedule = Schedule(**{**told["schedule"], "precision": Precision(told["schedule"]["precision"])})
        pairs = min(told["most_pairs"], facts["pairs"]["encoders"])
    schedule = replace(schedule, epochs=request.epochs or schedule.epochs)
    return _Plan(replace(network.config, monaural=False), schedule, request.pairs or pairs, network, facts)


def _given(weights: Path) -> tuple[BinauralNetwork, Mapping[str, Any]]:
    if weights.is_file():
        return load_network(weights), {}
    bundle = load_bundle(weights)
    if bundle.binaural is None:
        raise InputError(
            weights,
            found="a bundle without a binaural network",
            expected="one that listens to two ears",
            hint="train one with `avbench train --model fusion`, or leave --weights out",
        )
    return bundle.binaural, bundle.facts


def _heard(
    request: StudyRequest, dataset: PairDataset, split: str, config: BinauralConfig, most_pairs: int
) -> LabelledEars:
    with bar_of(desc=f"ears of {split}", unit="pair") as bar:

        def progress(done: int, count: int) -> None:
            bar.total = count
            bar.update(done - bar.n)

        return labelled_ears(dataset, split, request.recordings, config, most_pairs, progress)


def _check(dataset: PairDataset, train: LabelledEars, held_out: Sequence[LabelledEars]) -> None:
    for ears in held_out:
        shared = sorted(set(ears.groups) & set(train.groups))
        if shared:
            raise InputError(
                dataset.folder,
                found=f"room {shared[0]} both in {TRAIN_SPLIT} and held out",
                expected="rooms that were not trained on",
                hint="name another --split",
            )
    if 2 * len(train) < FEWEST_EXAMPLES or train.rooms < 2:
        raise InputError(
            f"{dataset.folder}: split {TRAIN_SPLIT}",
            found=f"{len(train)} pairs of {train.rooms} rooms",
            expected=f"at least {FEWEST_EXAMPLES // 2} pairs of 2 rooms",
            hint="use more data or more --pairs",
        )
