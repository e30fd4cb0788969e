"""One stage of training: a task, its batches, a schedule; resumable to the step, the best epoch kept.

Everything random in a step follows from (seed, stream, epoch, step) and not from what was drawn before, so that a run
that was killed and resumed sees the same batches with the same augmentation as one that was not. Batches are made ahead
in threads, which changes when they are made and not what is in them.

A stage's files lie in a folder named by the hash of all that determines it: a stage of other settings is another
folder, and whatever has been trained is found again.
"""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from avbench.benchmark.base.progress import bar_of
from avbench.benchmark.models.learned.checkpoints import load_strictly, read_weights
from avbench.benchmark.training.precision import Precision
from avbench.preprocessing.base.atomic import atomic_path, write_text
from avbench.preprocessing.base.documents import read_json
from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.base.structure import Count

if TYPE_CHECKING:
    from accelerate import Accelerator

Batch = dict[str, Tensor]

_ORDER_STEP = 2**31 - 1
"""The step whose generator draws the order of an epoch; no epoch has so many steps."""


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

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.save_every_steps) < 1:
            raise ValueError("epochs, batch_size and save_every_steps must be at least 1")
        if not (self.learning_rate > 0.0 and self.clip_norm > 0.0 and 0.0 <= self.warmup_share <= 1.0):
            raise ValueError("learning_rate and clip_norm must be above 0, warmup_share from 0 to 1")


class Stage(Protocol):
    """What `run_stage` trains."""

    @property
    def name(self) -> str:
        """Name of the stage; its folder is called after it."""
        ...

    @property
    def stream(self) -> str:
        """Name of its random numbers; stages with one name see the same pairs in the same order."""
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
    """A finished stage: the weights of its best epoch by validation loss, and its history."""

    weights: Path
    history: tuple[EpochRecord, ...]
    best_epoch: int


def stage_fingerprint(name: str, schedule: Schedule, seed: int, facts: Mapping[str, Any]) -> str:
    """Hash of all that determines a stage: its schedule, seed, configuration and inputs."""
    content = {"stage": name, "schedule": asdict(schedule), "seed": seed, "facts": facts}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def step_random(seed: int, stream: str, epoch: int, step: int) -> np.random.Generator:
    """The generator of one step."""
    number = int.from_bytes(hashlib.sha256(stream.encode()).digest()[:4], "little")
    return np.random.default_rng([seed, number, epoch, step])


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
    workers: int = 1,
    bar_position: int = 0,
    on_epoch: Callable[[Sequence[EpochRecord]], None] | None = None,
) -> StageResult:
    """Train a stage, or go on with it, or take it as it stands; its result then holds the weights of the best epoch.

    Args:
        stage: What is trained.
        schedule: How.
        folder: The stage gets a folder in it, named by its fingerprint.
        seed: Of everything random.
        facts: What else determines the result (configuration, data); part of the fingerprint.
        accelerator: Devices.
        workers: Threads that make batches ahead.
        bar_position: Line of the progress bar.
        on_epoch: Given the history so far after every epoch.

    Raises:
        InputError: There are fewer training pairs than a batch, or a file of the stage is damaged.
        AvbenchError: The loss is no longer a number, or a file cannot be written.
    """
    fingerprint = stage_fingerprint(stage.name, schedule, seed, facts)
    files = _Files(folder / f"{stage.name}-{fingerprint[:16]}")
    if not files.record.is_file():
        _train(stage, schedule, files, seed, accelerator, workers, bar_position, on_epoch)
    if accelerator.is_main_process:
        # Here, since a run may have been killed after it finished the stage.
        files.state.unlink(missing_ok=True)
        files.best.unlink(missing_ok=True)
    load_strictly(stage.result, read_weights(files.weights), files.weights)
    stage.result.eval()
    return files.result()


@dataclass(frozen=True)
class _Files:
    folder: Path

    @property
    def weights(self) -> Path:
        return self.folder / "weights.safetensors"

    @property
    def best(self) -> Path:
        return self.folder / "best.safetensors"

    @property
    def state(self) -> Path:
        return self.folder / "state.pt"

    @property
    def record(self) -> Path:
        """Written last: where it is, the stage is finished."""
        return self.folder / "history.json"

    def result(self) -> StageResult:
        hint = "delete this folder to train the stage again"
        stored = read_json(self.record, _History, expected="the history of a stage", hint=hint)
        return StageResult(self.weights, stored.history, stored.best_epoch)


@dataclass(frozen=True)
class _History:
    """The content of `history.json`."""

    best_epoch: Count
    history: tuple[EpochRecord, ...]

    def __post_init__(self) -> None:
        if self.best_epoch >= len(self.history):
            raise ValueError(f"best_epoch below the number of epochs, {len(self.history)}")
        if not all("loss" in one.validation for one in self.history):
            raise ValueError("a validation loss of every epoch")


def _train(
    stage: Stage,
    schedule: Schedule,
    files: _Files,
    seed: int,
    accelerator: Accelerator,
    workers: int,
    bar_position: int,
    on_epoch: Callable[[Sequence[EpochRecord]], None] | None,
) -> None:
    steps = _steps_of_epoch(stage, schedule)
    total = steps * schedule.epochs
    main = accelerator.is_main_process
    # On its device before the optimiser exists, whose state is then loaded to that device.
    stage.task.to(accelerator.device)
    optimiser = torch.optim.AdamW(
        stage.task.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    state = _State.load(files.state, stage, optimiser)
    task, prepared = accelerator.prepare(stage.task, optimiser)
    autocast = torch.autocast(accelerator.device.type, torch.bfloat16, enabled=schedule.precision is Precision.BFLOAT16)
    bar = bar_of(total=total, initial=state.done, desc=stage.name, unit="step", position=bar_position, shown=main)
    # A bar is drawn on a terminal only; a log gets lines.
    logged = main and bar.disable
    if logged:
        _log(f"{stage.name}: {schedule.epochs} epochs of {steps} steps, {state.done} of {total} steps done")
    for epoch in range(state.done // steps, schedule.epochs):
        started = time.monotonic()
        task.train()
        first = state.done - epoch * steps
        for batch in _batches(stage, schedule, seed, epoch, range(first, steps), accelerator, workers):
            for group in optimiser.param_groups:
                group["lr"] = schedule.learning_rate * learning_rate_share(state.done, total, schedule.warmup_share)
            with autocast:
                loss = task(batch)
            prepared.zero_grad(set_to_none=True)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(task.parameters(), schedule.clip_norm)
            prepared.step()
            state.done += 1
            state.epoch_losses.append(_finite(accelerator.reduce(loss.detach(), "mean").item(), stage))
            bar.update()
            bar.set_postfix(loss=f"{np.mean(state.epoch_losses[-50:]):.3f}", refresh=False)
            if main and state.done % schedule.save_every_steps == 0 and state.done % steps:
                state.save(files.state, stage, optimiser)
        task.eval()
        best_before = min((one.validation["loss"] for one in state.history), default=math.inf)
        _validate(stage, state, epoch, accelerator, started)
        if logged:
            _log(_epoch_line(stage.name, state.history[-1], schedule.epochs))
        if main:
            if _finite(state.history[-1].validation["loss"], stage) < best_before:
                _save_weights(stage.result, files.best)
            state.save(files.state, stage, optimiser)
            if on_epoch is not None:
                on_epoch(state.history)
    bar.close()
    accelerator.wait_for_everyone()
    if main:
        _write_result(files, state)
    accelerator.wait_for_everyone()
    accelerator.free_memory()


def _steps_of_epoch(stage: Stage, schedule: Schedule) -> int:
    steps = stage.train_size // schedule.batch_size
    if steps == 0:
        raise InputError(
            f"training stage {stage.name}",
            found=f"{stage.train_size} training pairs",
            expected=f"at least one batch of {schedule.batch_size}",
            hint="use more data or a smaller batch_size",
        )
    return steps


def _validate(stage: Stage, state: _State, epoch: int, accelerator: Accelerator, started: float) -> None:
    """Put the figures of an epoch into the history."""
    with torch.no_grad():
        figures = dict(stage.validate(accelerator.device))
    train_loss = float(np.mean(state.epoch_losses))
    state.history.append(EpochRecord(epoch, train_loss, figures, time.monotonic() - started))
    state.epoch_losses = []


def _write_result(files: _Files, state: _State) -> None:
    losses = [one.validation["loss"] for one in state.history]
    # Copied, not moved: a run that is killed here finds everything in its place.
    with atomic_path(files.weights) as temporary:
        shutil.copyfile(files.best, temporary)
    content = {"best_epoch": losses.index(min(losses)), "history": [asdict(one) for one in state.history]}
    write_text(files.record, json.dumps(content, indent=1) + "\n")


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - as a bar does, on standard error


def _epoch_line(name: str, record: EpochRecord, epochs: int) -> str:
    validation = record.validation["loss"]
    losses = f"training loss {record.train_loss:.4f}, validation loss {validation:.4f}"
    return f"{name}: epoch {record.epoch + 1} of {epochs}, {losses}, {record.seconds:.0f} s"


def _batches(
    stage: Stage,
    schedule: Schedule,
    seed: int,
    epoch: int,
    steps: range,
    accelerator: Accelerator,
    workers: int,
) -> Iterator[Batch]:
    """The batches of some steps of an epoch, in order, each made while those before it are trained on."""
    order = step_random(seed, stage.stream, epoch, _ORDER_STEP).permutation(stage.train_size)
    rank, ranks = accelerator.process_index, accelerator.num_processes

    def make(step: int) -> Batch:
        rows = np.sort(order[step * schedule.batch_size : (step + 1) * schedule.batch_size])[rank::ranks]
        random = step_random(seed, stage.stream, epoch, step * ranks + rank)
        return stage.train_batch(rows, random, accelerator.device)

    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Batch]] = deque()
        try:
            for step in steps:
                waiting.append(pool.submit(make, step))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _finite(loss: float, stage: Stage) -> float:
    if not math.isfinite(loss):
        raise AvbenchError(
            f"training stage {stage.name}: the loss is {loss}; lower its learning_rate, or use precision float32"
        )
    return loss


def _save_weights(module: nn.Module, path: Path) -> None:
    tensors = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)


@dataclass
class _State:
    """Where an unfinished stage is."""

    done: int = 0
    history: list[EpochRecord] = field(default_factory=list)
    epoch_losses: list[float] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path, stage: Stage, optimiser: torch.optim.Optimizer) -> _State:
        """The state on disk, or a fresh one; weights and optimiser are brought to it."""
        if not path.is_file():
            return cls()
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            stage.task.load_state_dict(content["task"])
            optimiser.load_state_dict(content["optimiser"])
            history = [EpochRecord(**one) for one in content["history"]]
            return cls(int(content["done"]), history, list(content["epoch_losses"]))
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
            raise InputError(
                path,
                found=f"unreadable ({type(error).__name__})",
                expected="the state of an unfinished stage",
                hint="delete this file to train the stage from its start",
            ) from error

    def save(self, path: Path, stage: Stage, optimiser: torch.optim.Optimizer) -> None:
        """Write the state whole or not at all."""
        content = {
            "done": self.done,
            "task": stage.task.state_dict(),
            "optimiser": optimiser.state_dict(),
            "history": [{**asdict(one), "validation": dict(one.validation)} for one in self.history],
            "epoch_losses": self.epoch_losses,
        }
        with atomic_path(path) as temporary:
            torch.save(content, temporary)
