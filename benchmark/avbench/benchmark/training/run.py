"""`avbench train`: the stages in order, each taken as it stands if it was trained before.

    features -> { visual backbone, binaural network -> embeddings -> sound encoder } -> versions -> heads -> bundle

Everything lies in the work folder under the hash of what determines it. A killed run is continued where it was; a
run with another head finds the encoders; nothing is ever continued with other settings.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from avbench.benchmark.base.provenance import device_name, package_versions
from avbench.benchmark.models.backbones.two_view import TwoViewBackbone
from avbench.benchmark.models.learned.binaural_pretraining import EMBEDDING_SIZE
from avbench.benchmark.models.learned.bundle import BackboneKind, Bundle, Head, save_bundle
from avbench.benchmark.models.learned.bundle_files import BUNDLE_NAME, describe_bundle
from avbench.benchmark.models.learned.fusion import GatedConfig, GatedHead, LateConfig, LateHead
from avbench.benchmark.running.parts import refuse_other_settings
from avbench.benchmark.training.bundle_facts import training_facts
from avbench.benchmark.training.config import HeadName, TrainConfig, flat_settings
from avbench.benchmark.training.data.background import in_background
from avbench.benchmark.training.data.pair_arrays import PARTIAL_SUFFIX, PairArrays
from avbench.benchmark.training.loop import StageResult
from avbench.benchmark.training.model_card import TrainingRun, write_model_card
from avbench.benchmark.training.precision import has_bfloat16
from avbench.benchmark.training.stages.encoders import (
    TRAINING_VERSION,
    SoundParts,
    Splits,
    Trained,
    TrainRequest,
    open_splits,
    rounded,
    rows_digest,
    run,
    seeded,
    train_sound,
    train_vision,
)
from avbench.benchmark.training.stages.head_stage import (
    TRAINING_VERSIONS,
    VALIDATION_VERSIONS,
    HeadStage,
    Listening,
    VersionPlan,
    Versions,
    make_versions,
)
from avbench.benchmark.training.stages.stages import Embeddings
from avbench.preprocessing.base.atomic import atomic_path, remove_strays, sha256_of, write_text
from avbench.preprocessing.base.documents import read_json
from avbench.preprocessing.base.errors import MissingDependencyError
from avbench.preprocessing.base.locks import sole_writer

if TYPE_CHECKING:
    import numpy as np
    from accelerate import Accelerator

RECORD_NAME = "train.json"
_FLOAT32_NOTE = (
    "this device has no bfloat16 of its own and would be many times slower in it: trained in float32, "
    "whose weights are not those of a run in bfloat16"
)


@dataclass(frozen=True)
class TrainOutcome:
    """A finished run.

    Attributes:
        stages: Every trained stage and head by name, with its history.
        bundles: Folders of the bundles, the main one first.
        notes: What the user should know, one line each.
        is_main: Whether this is the process that speaks; one of several otherwise.
    """

    stages: Mapping[str, StageResult]
    bundles: tuple[Path, ...]
    notes: tuple[str, ...]
    is_main: bool


def train(
    request: TrainRequest,
    *,
    overwrite: bool = False,
    command: Sequence[str] = (),
    say: Callable[[str], object] = lambda _: None,
) -> TrainOutcome:
    """Train what is asked for and write the bundle, with a model card in it.

    Args:
        request: What is asked for.
        overwrite: Whether a run of other settings in the same folder gives way. What is equal in both is still used.
        command: What was typed, for the card; without paths, which say nothing elsewhere.
        say: Given lines that the user should see before the work begins.

    Raises:
        InputError: The data set is not fit for it, or the folder holds a run of other settings.
        MissingDependencyError: The extra `train` is not installed.
        AvbenchError: Another run is writing to the same folders, or a file cannot be written.
    """
    accelerator = _accelerator(cpu=request.cpu)
    asked = request.config
    if not has_bfloat16(accelerator.device):
        request = replace(request, config=asked.without_bfloat16())
    notes = [] if request.config == asked else [_FLOAT32_NOTE]
    if accelerator.is_main_process:
        for note in notes:
            say(f"note: {note}")
    with _sole_run(request, accelerator):
        splits = open_splits(request, accelerator)
        _record(request, splits, overwrite=overwrite, write=accelerator.is_main_process)
        vision, sound = _encoders(request, splits, accelerator)
        heads = _heads(request, splits, vision, sound, accelerator)
        stages = _stages(vision, sound, heads, request.config)
        bundles: tuple[Path, ...] = ()
        if accelerator.is_main_process:
            how = TrainingRun(
                command=tuple(command),
                stages=stages,
                device=device_name(str(accelerator.device)) or accelerator.device.type,
                processes=accelerator.num_processes,
                threads=torch.get_num_threads(),
                packages=package_versions(),
            )
            bundles = _write_bundles(request, splits, vision, sound, heads, how)
    return TrainOutcome(stages, bundles, (*notes, *_notes(request, splits, sound)), accelerator.is_main_process)


def _stages(
    vision: Trained[TwoViewBackbone] | None,
    sound: SoundParts | None,
    heads: Mapping[tuple[int, HeadName], Trained[Head]],
    config: TrainConfig,
) -> dict[str, StageResult]:
    """Every trained stage and head by name."""
    stages = {
        name: part.result
        for name, part in (
            ("vision encoder", vision),
            ("binaural", sound.binaural if sound else None),
            ("audio", sound.encoder if sound else None),
        )
        if part is not None and part.result is not None
    }
    for (seed, name), head in heads.items():
        assert head.result is not None  # noqa: S101 - heads are always trained here
        stages[_title(name, seed, config)] = head.result
    return stages


def _accelerator(*, cpu: bool) -> Accelerator:
    if importlib.util.find_spec("accelerate") is None:
        raise MissingDependencyError("accelerate", "train", "avbench train")
    from accelerate import Accelerator, DistributedDataParallelKwargs

    # A stage may leave a part of its module out of the loss.
    return Accelerator(cpu=cpu, kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])


@contextmanager
def _sole_run(request: TrainRequest, accelerator: Accelerator) -> Iterator[None]:
    """Hold the folders of the run in the process that writes, rid of what killed runs left half-written."""
    if not accelerator.is_main_process:
        request.out.mkdir(parents=True, exist_ok=True)
        request.work.mkdir(parents=True, exist_ok=True)
        yield
        return
    with sole_writer(request.out, "curves"), sole_writer(request.work):
        remove_strays(*request.out.glob("head-*"), *request.out.glob("head-*/head-*"))
        for folder in [path for path in request.work.rglob("*") if path.is_dir()]:
            remove_strays(folder)
            if folder.name.startswith(".") and folder.suffix == PARTIAL_SUFFIX:
                shutil.rmtree(folder)
        yield


def _record(request: TrainRequest, splits: Splits, *, overwrite: bool, write: bool) -> None:
    """Write down what determines the run, or refuse to go on with another one."""
    weights = request.backbone_weights
    wanted = {
        "training_version": TRAINING_VERSION,
        "model": str(request.model),
        "data": splits.dataset.fingerprint,
        "backbone_weights": None if weights is None else _weights_sha256(weights),
        **flat_settings(asdict(request.config)),
    }
    path = request.out / RECORD_NAME
    if path.is_file() and not overwrite:
        found: dict[str, Any] = read_json(
            path, dict, expected="the settings of a training run", hint="replace that run with --overwrite"
        )
        refuse_other_settings(request.out, found, json.loads(json.dumps(wanted)))
    if write:
        write_text(path, json.dumps(wanted, indent=1) + "\n")


def _weights_sha256(weights: Path) -> str | None:
    """Hash of a checkpoint or of a bundle's backbone; None where there is neither, which is said when it is needed."""
    if weights.is_file():
        return sha256_of(weights)
    if (weights / BUNDLE_NAME).is_file():
        return str(describe_bundle(weights).content["backbone"].get("sha256"))
    return None


def _encoders(
    request: TrainRequest, splits: Splits, accelerator: Accelerator
) -> tuple[Trained[TwoViewBackbone] | None, SoundParts | None]:
    if not request.sees:
        return None, train_sound(request, splits, accelerator)
    if not request.listens:
        return train_vision(request, splits, accelerator), None
    alone = accelerator.num_processes == 1 and accelerator.device.type == "cpu"
    if alone and request.jobs > 1 and request.trains_backbone:
        # Each keeps one core busy for about as long.
        with in_background(_sound_beside, request):
            vision = train_vision(request, splits, accelerator)
    else:
        vision = train_vision(request, splits, accelerator)
    return vision, train_sound(request, splits, accelerator)


def _sound_beside(request: TrainRequest) -> None:
    """Train the branch that listens in a process beside the one that trains the other."""
    accelerator = _accelerator(cpu=True)
    train_sound(request, open_splits(request, accelerator), accelerator, bar_position=1)


def _heads(
    request: TrainRequest,
    splits: Splits,
    vision: Trained[TwoViewBackbone] | None,
    sound: SoundParts | None,
    accelerator: Accelerator,
) -> dict[tuple[int, HeadName], Trained[Head]]:
    """All heads, by seed and name."""
    names = request.config.heads_of(request.model.name)
    if not names or vision is None:
        return {}
    config = request.config
    train, key = _versions(
        request, splits, splits.train, splits.division.heads, vision, sound, TRAINING_VERSIONS, accelerator
    )
    everyone = torch.arange(len(splits.validation)).numpy()
    validation, validation_key = _versions(
        request, splits, splits.validation, everyone, vision, sound, VALIDATION_VERSIONS, accelerator
    )
    heads: dict[tuple[int, HeadName], Trained[Head]] = {}
    for seed in config.head.seeds:
        for name in names:
            head = seeded(seed, lambda name=name: _head(name, config, vision, sound))  # type: ignore[misc]
            listening = Listening.SHUFFLED if name.is_control else Listening.OWN if name.listens else Listening.NONE
            stage = HeadStage(head, listening, train, validation, f"head-{name}")
            facts = {"versions": [key, validation_key], "head": asdict(head.config), "listening": listening}
            title = f"head-{_title(name, seed, config)}"
            result = run(stage, config.head.schedule, request, seed, facts, accelerator, title=title)
            heads[seed, name] = Trained(rounded(head, half=config.half), sha256_of(result.weights), result)
    return heads


def _title(name: HeadName, seed: int, config: TrainConfig) -> str:
    return str(name) if seed == config.head.seeds[0] else f"{name} (seed {seed})"


def _head(name: HeadName, config: TrainConfig, vision: Trained[TwoViewBackbone], sound: SoundParts | None) -> Head:
    sizes, visual_dim = config.head, vision.module.feature_dim
    if name.is_late:
        return LateHead(
            LateConfig(
                visual_dim,
                embedding_dim=EMBEDDING_SIZE,
                sound_dims=sizes.late_sound_dims,
                hidden_dims=sizes.late_hidden_dims,
            )
        )
    heard = sound.encoder.module.feature_dim if name.listens and sound is not None and sound.encoder else 0
    listening = config.sound.encoder
    return GatedHead(
        GatedConfig(visual_dim, heard, sizes.hidden_dim, listening.largest_lag_deg, 360.0 / listening.azimuths)
    )


def _versions(
    request: TrainRequest,
    splits: Splits,
    arrays: PairArrays,
    rows: NDArray[np.int64],
    vision: Trained[TwoViewBackbone],
    sound: SoundParts | None,
    plan: VersionPlan,
    accelerator: Accelerator,
) -> tuple[Versions, str]:
    """What the encoders make of some pairs, from the work folder or made now, and its hash."""
    encoder = sound.encoder if sound is not None else None
    embeddings: Embeddings | None = None
    if sound is not None:
        embeddings = sound.train if arrays is splits.train else sound.validation
    key = {
        "version": TRAINING_VERSION,
        "arrays": arrays.keys,
        "rows": rows_digest(rows),
        "plan": asdict(plan),
        "vision": vision.weights_sha256,
        "image_size": request.image_size,
        "sound": encoder.weights_sha256 if encoder else None,
        "binaural": sound.binaural.weights_sha256 if sound is not None and sound.binaural else None,
        "half": request.config.half,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
    path = request.work / "versions" / f"{digest[:16]}.safetensors"
    with accelerator.main_process_first():
        if not path.is_file():
            made = make_versions(
                vision.module, encoder.module if encoder else None, arrays, embeddings, rows, plan, accelerator.device
            )
            with atomic_path(path) as temporary:
                save_file({name: tensor.contiguous() for name, tensor in made.tensors.items()}, temporary)
    return Versions(load_file(path)), digest


def _write_bundles(
    request: TrainRequest,
    splits: Splits,
    vision: Trained[TwoViewBackbone] | None,
    sound: SoundParts | None,
    heads: Mapping[tuple[int, HeadName], Trained[Head]],
    how: TrainingRun,
) -> tuple[Path, ...]:
    config = request.config
    facts = training_facts(request, splits, how.stages)
    wanted: dict[Path, list[tuple[int, HeadName]]] = {request.out: []}
    for seed, name in heads:
        folder = request.out if seed == config.head.seeds[0] else request.out / f"head-seed-{seed}"
        folder = folder / name if name.is_control else folder
        wanted.setdefault(folder, []).append((seed, name))
    head_stages = {_title(name, seed, config) for seed, name in heads}
    for folder, chosen in wanted.items():
        bundle = Bundle(
            request.model.backbone,
            vision.module if vision else None,
            sound.encoder.module if sound and sound.encoder else None,
            sound.binaural.module if sound and sound.binaural else None,
            {name.answers: heads[seed, name].module for seed, name in chosen},
            uses_up=config.use_up,
            metric=bool(splits.train.metric.any()),
            facts=facts
            | {
                "head_seed": chosen[0][0] if chosen else None,
                "control": any(name.is_control for _, name in chosen),
            },
        )
        own = request.backbone_weights if request.model.backbone is BackboneKind.RELOC3R else None
        save_bundle(folder, bundle, backbone_weights=own, half=config.half)
        elsewhere = head_stages - {_title(name, seed, config) for seed, name in chosen}
        mine = {title: stage for title, stage in how.stages.items() if title not in elsewhere}
        write_model_card(folder, replace(how, stages=mine))
    return tuple(wanted)


def _notes(request: TrainRequest, splits: Splits, sound: SoundParts | None) -> Iterator[str]:
    if request.needs_embeddings and sound is not None and sound.binaural is None:
        yield "too few pairs have two ears: binaural embeddings were left out"
    if not splits.train.metric.any():
        yield "no training pair is metric: translations are directions, or nothing if the labels are rotations only"
    if request.config.use_up and not splits.train.up_known.any():
        yield "no training pair has up vectors: the models do without"
