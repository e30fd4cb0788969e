"""One stage of training: a task, its batches, a schedule; resumable to the step, the best epoch kept.

Everything random in a step follows from (seed, stage, epoch, step) and not from what was drawn before, so that a run
that was killed and resumed sees the same batches with the same augmentation as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from avbench.preprocessing.atomic import atomic_path, write_text
from avbench.preprocessing.errors import InputError

if TYPE_CHECKING:
    from accelerate import Accelerator

Batch = dict[str, Tensor]


class Precision(StrEnum):
    """Arithmetic of the forward pass."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class Schedule:
    """How a stage is trained: AdamW with linear warm-up and a cosine to nothing.

    Attributes:
        epochs: Passes over the training pairs.
        batch_size: Pairs a step, over all devices together.
        learning_rate: Highest learning rate.
        weight_decay: Of AdamW.
        warmup_share: Share of all steps that the learning rate takes to rise.
        clip_norm: Largest norm of the gradient.
        precision: Arithmetic of the forward pass.
        save_every_steps: Steps between saved states.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.02
    warmup_share: float = 0.05
    clip_norm: float = 1.0
    precision: Precision = Precision.FLOAT32
    save_every_steps: int = 200


class Stage(Protocol):
    """What `run_stage` trains."""

    @property
    def name(self) -> str:
        """Name of the stage; files are called after it."""
        ...

    @property
    def task(self) -> nn.Module:
        """Module whose forward(batch) returns the mean loss of a batch; its parameters are trained."""
        ...

    @property
    def result(self) -> nn.Module:
        """The part of the task that is saved."""
        ...

    @property
    def train_size(self) -> int:
        """Number of training pairs."""
        ...

    def train_batch(self, rows: NDArray[np.int64], random: np.random.Generator, device: torch.device) -> Batch:
        """The batch of some training pairs, augmented."""
        ...

    def validate(self, device: torch.device) -> Mapping[str, float]:
        """Figures on the validation pairs; `loss` is what the best epoch is chosen by."""
        ...


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch came to."""

    epoch: int
    train_loss: float
    validation: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class StageResult:
    """A finished stage: its weights, and its history."""

    weights: Path
    history: tuple[EpochRecord, ...]
    best_epoch: int
    reused: bool


def stage_fingerprint(name: str, schedule: Schedule, seed: int, facts: Mapping[str, Any]) -> str:
    """Hash of all that determines a stage: its schedule, seed, configuration and inputs."""
    content = {"stage": name, "schedule": asdict(schedule), "seed": seed, "facts": facts}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def step_random(seed: int, name: str, epoch: int, step: int) -> np.random.Generator:
    """The generator of one step."""
    stage = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
    return np.random.default_rng([seed, stage, epoch, step])


def learning_rate_share(step: int, steps: int, warmup_share: float) -> float:
    """Share of the highest learning rate at a step, counted from 0."""
    warmup = max(1, round(steps * warmup_share))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + float(np.cos(np.pi * (step - warmup) / max(1, steps - warmup))))


def run_stage(
    stage: Stage,
    schedule: Schedule,
    folder: Path,
    *,
    seed: int,
    facts: Mapping[str, Any],
    accelerator: Accelerator,
    on_epoch: Callable[[tuple[EpochRecord, ...]], None] | None = None,
) -> StageResult:
    """Train a stage, or go on with it, or take it as it stands.

    Args:
        stage: What is trained.
        schedule: How.
        folder: Where weights, state and history go.
        seed: Of everything random.
        facts: What else determines the result (configuration, data); part of the fingerprint.
        accelerator: Devices.
        on_epoch: Called with the history after every epoch, for curves.

    Raises:
        InputError: There are fewer training pairs than a batch, or the folder holds this stage of another run.
    """
    fingerprint = stage_fingerprint(stage.name, schedule, seed, facts)
    weights = folder / f"{stage.name}.safetensors"
    record = folder / f"{stage.name}.json"
    finished = _finished(record, weights, fingerprint)
    if finished is not None:
        stage.result.load_state_dict(load_file(weights))
        return finished
    steps = stage.train_size // schedule.batch_size
    if steps == 0:
        raise InputError(
            f"training stage {stage.name}",
            found=f"{stage.train_size} training pairs",
            expected=f"at least one batch of {schedule.batch_size}",
            hint="use more data or a smaller batch size",
        )
    total = steps * schedule.epochs
    optimiser = torch.optim.AdamW(
        stage.task.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    schedule_rate = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_share(step, total, schedule.warmup_share)
    )
    state = _State(folder / f"{stage.name}.state.pt", fingerprint)
    done = state.load(stage, optimiser, schedule_rate)
    task, prepared = accelerator.prepare(stage.task, optimiser)
    history, epoch_losses = list(state.history), list(state.epoch_losses)
    autocast = torch.autocast(accelerator.device.type, torch.bfloat16, enabled=schedule.precision is Precision.BFLOAT16)
    bar = tqdm(total=total, initial=done, desc=stage.name, unit="step", disable=not accelerator.is_main_process)
    for epoch in range(done // steps, schedule.epochs):
        started = time.monotonic()
        order = step_random(seed, stage.name, epoch, -1 % 2**31).permutation(stage.train_size)
        task.train()
        for step in range(done - epoch * steps, steps):
            rows = np.sort(order[step * schedule.batch_size : (step + 1) * schedule.batch_size])
            mine = rows[accelerator.process_index :: accelerator.num_processes]
            random = step_random(seed, stage.name, epoch, step * accelerator.num_processes + accelerator.process_index)
            batch = stage.train_batch(mine, random, accelerator.device)
            with autocast:
                loss = task(batch)
            prepared.zero_grad(set_to_none=True)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(task.parameters(), schedule.clip_norm)
            prepared.step()
            schedule_rate.step()
            done += 1
            epoch_losses.append(float(accelerator.reduce(loss.detach(), "mean")))
            bar.update()
            bar.set_postfix(loss=f"{np.mean(epoch_losses[-50:]):.3f}", refresh=False)
            if done % schedule.save_every_steps == 0 and step + 1 < steps and accelerator.is_main_process:
                state.save(stage, optimiser, schedule_rate, done, history, epoch_losses)
        task.eval()
        with torch.no_grad():
            figures = dict(stage.validate(accelerator.device))
        history.append(EpochRecord(epoch, float(np.mean(epoch_losses)), figures, time.monotonic() - started))
        epoch_losses = []
        if accelerator.is_main_process:
            if figures["loss"] <= min(one.validation["loss"] for one in history):
                _save_weights(stage.result, folder / f"{stage.name}.best.safetensors")
            state.save(stage, optimiser, schedule_rate, done, history, epoch_losses)
            if on_epoch is not None:
                on_epoch(tuple(history))
    bar.close()
    accelerator.wait_for_everyone()
    best = min(range(len(history)), key=lambda i: history[i].validation["loss"])
    best_weights = folder / f"{stage.name}.best.safetensors"
    stage.result.load_state_dict(load_file(best_weights))
    if accelerator.is_main_process:
        best_weights.replace(weights)
        content = {"fingerprint": fingerprint, "best_epoch": best, "history": [asdict(one) for one in history]}
        write_text(record, json.dumps(content, indent=1) + "\n")
        state.path.unlink(missing_ok=True)
    accelerator.wait_for_everyone()
    return StageResult(weights, tuple(history), best, reused=False)


def _save_weights(module: nn.Module, path: Path) -> None:
    tensors = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)


def _finished(record: Path, weights: Path, fingerprint: str) -> StageResult | None:
    if not (record.is_file() and weights.is_file()):
        return None
    content = json.loads(record.read_text(encoding="utf-8"))
    if content["fingerprint"] != fingerprint:
        raise InputError(
            record,
            found="this stage from a run with other settings or data",
            expected="the same settings",
            hint="choose another output folder, or delete this one to train again",
        )
    history = tuple(EpochRecord(**one) for one in content["history"])
    return StageResult(weights, history, int(content["best_epoch"]), reused=True)


class _State:
    """The state of an unfinished stage on disk."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path = path
        self.fingerprint = fingerprint
        self.history: list[EpochRecord] = []
        self.epoch_losses: list[float] = []

    def load(self, stage: Stage, optimiser: torch.optim.Optimizer, rate: torch.optim.lr_scheduler.LambdaLR) -> int:
        """Steps that are done already; 0 for a fresh start."""
        if not self.path.is_file():
            return 0
        content = torch.load(self.path, map_location="cpu", weights_only=True)
        if content["fingerprint"] != self.fingerprint:
            raise InputError(
                self.path,
                found="an unfinished run with other settings or data",
                expected="the same settings",
                hint="choose another output folder, or delete this file to start afresh",
            )
        stage.task.load_state_dict(content["task"])
        optimiser.load_state_dict(content["optimiser"])
        rate.load_state_dict(content["rate"])
        self.history = [EpochRecord(**one) for one in content["history"]]
        self.epoch_losses = list(content["epoch_losses"])
        return int(content["done"])

    def save(
        self,
        stage: Stage,
        optimiser: torch.optim.Optimizer,
        rate: torch.optim.lr_scheduler.LambdaLR,
        done: int,
        history: list[EpochRecord],
        epoch_losses: list[float],
    ) -> None:
        """Write the state whole or not at all."""
        content = {
            "fingerprint": self.fingerprint,
            "done": done,
            "task": stage.task.state_dict(),
            "optimiser": optimiser.state_dict(),
            "rate": {key: value for key, value in rate.state_dict().items() if key != "lr_lambdas"},
            "history": [{**asdict(one), "validation": dict(one.validation)} for one in history],
            "epoch_losses": epoch_losses,
        }
        with atomic_path(self.path) as temporary:
            torch.save(content, temporary)
