"""The encoders of a run, trained or taken from the work folder: the visual branch and the branch that listens.

The two branches need nothing of each other and may run side by side.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from avbench.benchmark.data.dataset import PairDataset, open_dataset
from avbench.benchmark.models.backbones.tiny import TinyBackbone, TinyConfig
from avbench.benchmark.models.backbones.two_view import TwoViewBackbone
from avbench.benchmark.models.learned.binaural_pretraining import BinauralNetwork
from avbench.benchmark.models.learned.bundle import BackboneKind, backbone_from_checkpoint, load_bundle
from avbench.benchmark.models.learned.bundle_files import describe_bundle
from avbench.benchmark.models.learned.encoder import SoundEncoder
from avbench.benchmark.training.config import ModelChoice, ModelName, TrainConfig
from avbench.benchmark.training.curves import write_curves
from avbench.benchmark.training.data.depths import depths_sha256, read_depths
from avbench.benchmark.training.data.division import Division, divide
from avbench.benchmark.training.data.pair_arrays import PairArrays, UpUse, pair_arrays
from avbench.benchmark.training.loop import EpochRecord, Schedule, Stage, StageResult, run_stage
from avbench.benchmark.training.stages.binaural_stage import BinauralStage, no_embeddings, pair_embeddings
from avbench.benchmark.training.stages.stages import Embeddings, SoundStage, VisionStage
from avbench.preprocessing.base.atomic import sha256_of
from avbench.preprocessing.base.errors import InputError

if TYPE_CHECKING:
    from accelerate import Accelerator

TRAINING_VERSION = 2
"""Raised with every change of what training does; stages of another version are trained again."""

TRAIN_SPLIT, VALIDATION_SPLIT = "train", "val"

_DRAW_EVERY_S = 30.0

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True)
class TrainRequest:
    """What is to be trained, on what, and where everything goes.

    Attributes:
        model: The model and its backbone.
        data: A prepared data set with the splits train and val.
        out: Folder of the bundle.
        work: Folder of caches and stages; runs that share one share what is equal in them.
        config: The settings.
        backbone_weights: A backbone that is not trained: a checkpoint of `reloc3r`, or a bundle with a `tiny`.
        cpu: Whether accelerators are left alone.
        jobs: Processes that compute features.
    """

    model: ModelChoice
    data: Path
    out: Path
    work: Path
    config: TrainConfig
    backbone_weights: Path | None = None
    cpu: bool = False
    jobs: int = 1

    @property
    def sees(self) -> bool:
        """Whether pictures are looked at."""
        return self.model.name is not ModelName.AUDIO

    @property
    def trains_backbone(self) -> bool:
        """Whether the backbone is trained, and not taken as it is."""
        return self.sees and self.model.backbone is BackboneKind.TINY and self.backbone_weights is None

    @property
    def listens(self) -> bool:
        """Whether sound is listened to."""
        heads = self.config.heads_of(self.model.name)
        return self.model.name is ModelName.AUDIO or any(head.listens for head in heads)

    @property
    def needs_sound_encoder(self) -> bool:
        """Whether something reads the sound encoder."""
        heads = self.config.heads_of(self.model.name)
        return self.model.name is ModelName.AUDIO or any(head.listens and not head.is_late for head in heads)

    @property
    def needs_embeddings(self) -> bool:
        """Whether something reads binaural embeddings."""
        late = any(head.is_late for head in self.config.heads_of(self.model.name))
        return late or (self.needs_sound_encoder and self.config.sound.encoder.use_embedding)

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height of the backbone's pictures."""
        chosen = self.config.vision.network if self.model.backbone is BackboneKind.TINY else self.config.reloc3r
        return chosen.width_px, chosen.height_px


@dataclass(frozen=True)
class Splits:
    """The pairs of a run.

    Attributes:
        dataset: The data set.
        train: Training pairs.
        validation: Validation pairs.
        division: Which training pairs train encoders and which heads.
    """

    dataset: PairDataset
    train: PairArrays
    validation: PairArrays
    division: Division

    def facts(self, kind: str) -> dict[str, Any]:
        """What a stage that reads `pictures` or `sound` was trained on."""
        keys = [arrays.keys[name] for arrays in (self.train, self.validation) for name in ("up", kind)]
        return {"version": TRAINING_VERSION, "arrays": keys, "rows": rows_digest(self.division.encoders)}


@dataclass(frozen=True)
class Trained(Generic[_Module]):
    """A trained module, the hash of its weights, and its history; a module that is not trained here has none."""

    module: _Module
    weights_sha256: str
    result: StageResult | None = None


@dataclass(frozen=True)
class SoundParts:
    """The trained parts that take sound.

    Attributes:
        binaural: The binaural network, None where nothing reads embeddings or no pair has two ears.
        encoder: The sound encoder, None where nothing reads it.
        train: Embeddings of the training pairs.
        validation: Embeddings of the validation pairs.
    """

    binaural: Trained[BinauralNetwork] | None
    encoder: Trained[SoundEncoder] | None
    train: Embeddings
    validation: Embeddings


def rows_digest(rows: NDArray[np.int64]) -> str:
    """Hash of a choice of rows."""
    return hashlib.sha256(rows.tobytes()).hexdigest()[:16]


def seeded(seed: int, make: Callable[[], _Module]) -> _Module:
    """A module with weights drawn from a seed; global random state is left as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def rounded(module: _Module, *, half: bool) -> _Module:
    """The module with its weights rounded to float16 where they will be stored so: what reads it must see the same."""
    if half:
        with torch.no_grad():
            for value in module.state_dict().values():
                if value.is_floating_point():
                    value.copy_(value.half())
    return module


def open_splits(request: TrainRequest, accelerator: Accelerator) -> Splits:
    """The pairs of a run as arrays, made on first use.

    Raises:
        InputError: The data set is not readable, or too small for what is to be trained.
    """
    dataset = open_dataset(request.data)
    for split in (TRAIN_SPLIT, VALIDATION_SPLIT):
        if split not in dataset.splits:
            raise InputError(
                dataset.folder,
                found=f"splits {', '.join(dataset.splits)}",
                expected=f"{TRAIN_SPLIT} to learn from and {VALIDATION_SPLIT} to choose on",
                hint="prepare more recordings, or set their shares with `avbench prepare --splits`",
            )
    config = request.config

    def arrays(split: str, forgotten_share: float) -> PairArrays:
        with accelerator.main_process_first():
            return pair_arrays(
                request.data,
                split,
                request.image_size,
                request.work / "features",
                pictures=request.sees,
                ears=config.binaural.network if request.listens else None,
                up=UpUse(used=config.use_up, forgotten_share=forgotten_share),
                jobs=request.jobs,
            )

    groups = dataset.table(TRAIN_SPLIT, ("group_id",)).column("group_id").to_pylist()
    division = divide(groups, config.encoder_share)
    _check_size("encoders", len(division.encoders), config.vision.schedule if request.trains_backbone else None)
    if config.heads_of(request.model.name):
        _check_size("heads", len(division.heads), config.head.schedule)
    splits = Splits(dataset, arrays(TRAIN_SPLIT, config.forget_up_share), arrays(VALIDATION_SPLIT, 0.0), division)
    if request.listens:
        schedule = config.sound.schedule if request.needs_sound_encoder else config.binaural.schedule
        heard = int(np.asarray(splits.train.sound)[division.encoders].sum())
        if heard < schedule.batch_size:
            raise InputError(
                f"{dataset.folder}: split {TRAIN_SPLIT}",
                found=f"{heard} pairs for the encoders whose sound gives directions",
                expected=f"at least one batch of {schedule.batch_size}",
                hint="use more data, a smaller batch_size, or train what needs no sound with `--model vision`",
            )
    return splits


def _check_size(what: str, pairs: int, schedule: Schedule | None) -> None:
    if schedule is not None and pairs < schedule.batch_size:
        raise InputError(
            f"split {TRAIN_SPLIT}",
            found=f"{pairs} pairs for the {what}",
            expected=f"at least one batch of {schedule.batch_size}",
            hint="use more data or a smaller batch_size",
        )


def run(
    stage: Stage,
    schedule: Schedule,
    request: TrainRequest,
    seed: int,
    facts: dict[str, Any],
    accelerator: Accelerator,
    *,
    title: str = "",
    bar_position: int = 0,
) -> StageResult:
    """Run a stage with its curves in OUT/curves."""
    name = title or stage.name

    drawn = time.monotonic()

    def draw(history: Sequence[EpochRecord], *, picture: bool = True) -> None:
        best = min(range(len(history)), key=lambda epoch: history[epoch].validation["loss"])
        write_curves(request.out / "curves", name, history, best, picture=picture)

    def watch(history: Sequence[EpochRecord]) -> None:
        nonlocal drawn
        due = time.monotonic() - drawn > _DRAW_EVERY_S
        drawn = time.monotonic() if due else drawn
        draw(history, picture=due)

    result = run_stage(
        stage,
        schedule,
        request.work / "stages",
        seed=seed,
        facts=facts,
        accelerator=accelerator,
        workers=1,
        bar_position=bar_position,
        on_epoch=watch,
    )
    if accelerator.is_main_process:
        draw(result.history)
    return result


def train_vision(request: TrainRequest, splits: Splits, accelerator: Accelerator) -> Trained[TwoViewBackbone]:
    """The visual backbone: trained, or the user's own.

    Raises:
        InputError: A published backbone has no checkpoint, or a wrong one.
    """
    config = request.config
    if request.model.backbone is BackboneKind.RELOC3R:
        if request.backbone_weights is None:
            raise InputError(
                f"model {request.model}",
                found="no checkpoint",
                expected="one of the backbone",
                hint="name it with --backbone-weights; its licence (CC BY-NC-SA 4.0) keeps it out of this package",
            )
        sizes = config.reloc3r
        backbone = backbone_from_checkpoint(request.backbone_weights, sizes.network, request.image_size)
        return Trained(backbone, sha256_of(request.backbone_weights))
    network = config.vision.network
    if request.backbone_weights is not None:
        return _taken_backbone(request.backbone_weights, network)
    tiny = seeded(config.seed, lambda: TinyBackbone(network))
    depths = read_depths(splits.dataset, TRAIN_SPLIT, splits.train.pair_ids, network)
    facts = splits.facts("pictures") | {
        "network": asdict(network),
        "depths": depths_sha256(splits.dataset, TRAIN_SPLIT),
    }
    stage = VisionStage(tiny, splits.train, splits.division.encoders, splits.validation, depths)
    result = run(stage, config.vision.schedule, request, config.seed, facts, accelerator)
    return Trained(rounded(tiny, half=config.half), sha256_of(result.weights), result)


def _taken_backbone(bundle: Path, network: TinyConfig) -> Trained[TwoViewBackbone]:
    """The backbone `tiny` of a bundle.

    Raises:
        InputError: There is no bundle, or it has no such backbone.
    """
    backbone = load_bundle(bundle).backbone
    if not isinstance(backbone, TinyBackbone) or backbone.config != network:
        raise InputError(
            bundle,
            found="a backbone of other sizes" if isinstance(backbone, TinyBackbone) else "no backbone tiny",
            expected="one of the sizes under vision.network",
            hint="choose the preset and --config that it was trained with, or train without --backbone-weights",
        )
    return Trained(backbone, str(describe_bundle(bundle).content["backbone"]["sha256"]))


def train_sound(
    request: TrainRequest, splits: Splits, accelerator: Accelerator, *, bar_position: int = 0
) -> SoundParts:
    """The branch that listens: binaural network, embeddings of all pairs, sound encoder.

    Raises:
        InputError: There is too little sound.
    """
    config = request.config
    binaural = _train_binaural(request, splits, accelerator, bar_position) if request.needs_embeddings else None
    embeddings = []
    for arrays in (splits.train, splits.validation):
        if binaural is None:
            embeddings.append(no_embeddings(arrays))
            continue
        with accelerator.main_process_first():
            made = pair_embeddings(
                binaural.module,
                f"{binaural.weights_sha256} half={config.half}",
                arrays,
                request.work / "features",
                accelerator.device,
                bar_position,
            )
        embeddings.append(made)
    encoder = None
    if request.needs_sound_encoder:
        sizes = replace(config.sound.encoder, use_embedding=binaural is not None and config.sound.encoder.use_embedding)
        module = seeded(config.seed, lambda: SoundEncoder(sizes))
        stage = SoundStage(
            module, splits.train, embeddings[0], splits.division.encoders, splits.validation, embeddings[1]
        )
        facts = splits.facts("sound") | {
            "encoder": asdict(sizes),
            "binaural": binaural.weights_sha256 if binaural is not None and sizes.use_embedding else None,
            "half": config.half,
        }
        result = run(stage, config.sound.schedule, request, config.seed, facts, accelerator, bar_position=bar_position)
        encoder = Trained(rounded(module, half=config.half), sha256_of(result.weights), result)
    return SoundParts(binaural, encoder, *embeddings)


def _train_binaural(
    request: TrainRequest, splits: Splits, accelerator: Accelerator, bar_position: int
) -> Trained[BinauralNetwork] | None:
    """The binaural network; None where too few pairs have two ears and the direction spectra can do without.

    Raises:
        InputError: Too few have, and they are all that was to be listened to.
    """
    settings = request.config.binaural
    rows = splits.division.encoders
    rows = rows[np.asarray(splits.train.ears)[rows]]
    few = len(rows) < settings.schedule.batch_size or not np.any(splits.validation.ears)
    if few and not request.config.sound.encoder.use_directions:
        raise InputError(
            f"{splits.dataset.folder}: splits {TRAIN_SPLIT} and {VALIDATION_SPLIT}",
            found=f"{len(rows)} and {int(np.sum(splits.validation.ears))} pairs with two ears",
            expected=f"at least {settings.schedule.batch_size} and 1",
            hint="use arrays with a left-right pair of microphones, or set sound.encoder.use_directions",
        )
    if few:
        return None
    # Spread over all of them, so that few pairs still come from many rooms.
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), settings.most_pairs)).round().astype(np.int64))]
    network = seeded(request.config.seed, lambda: BinauralNetwork(settings.network))
    stage = BinauralStage(network, splits.train, rows, splits.validation)
    facts = {
        "version": TRAINING_VERSION,
        "ears": [arrays.ears_key for arrays in (splits.train, splits.validation)],
        "network": asdict(settings.network),
        "pairs": rows_digest(rows),
    }
    result = run(stage, settings.schedule, request, request.config.seed, facts, accelerator, bar_position=bar_position)
    return Trained(rounded(network, half=request.config.half), sha256_of(result.weights), result)
