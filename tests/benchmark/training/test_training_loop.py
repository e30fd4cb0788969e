"""The loop of one stage: whatever interrupts it, it comes to the same weights."""

from __future__ import annotations

import dataclasses
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from avbench.benchmark.training import loop
from avbench.benchmark.training.curves import write_curves
from avbench.benchmark.training.loop import (
    EpochRecord,
    Schedule,
    StageResult,
    learning_rate_share,
    run_stage,
    stage_fingerprint,
    step_random,
)
from avbench.preprocessing.base.errors import AvbenchError, InputError

SCHEDULE = Schedule(epochs=4, batch_size=4, learning_rate=0.05, save_every_steps=2)


class Task(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return (self.layer(batch["x"])[:, 0] - batch["y"]).square().mean()


class Toy:
    """Learns a product of numbers, with noise as augmentation; stops at a step if it is told to."""

    name = stream = "toy"

    def __init__(self, size: int = 22, stop_after: int | None = None, worst_epoch: int | None = None) -> None:
        self.task = Task()
        self.size, self.stop_after, self.worst_epoch = size, stop_after, worst_epoch
        self.batches = self.validations = 0
        self.seen: list[np.ndarray] = []

    @property
    def result(self) -> torch.nn.Module:
        return self.task.layer

    @property
    def train_size(self) -> int:
        return self.size

    def train_batch(self, rows: np.ndarray, random: np.random.Generator, device: torch.device) -> dict[str, Any]:
        self.batches += 1
        if self.stop_after is not None and self.batches > self.stop_after:
            raise KeyboardInterrupt
        self.seen.append(rows)
        x = np.random.default_rng(5).standard_normal((self.size, 3), dtype=np.float32)[rows]
        noisy = x + 0.1 * random.standard_normal(x.shape, dtype=np.float32)
        return {"x": torch.from_numpy(noisy), "y": torch.from_numpy(x[:, 0] * x[:, 1])}

    def validate(self, device: torch.device) -> dict[str, float]:
        self.validations += 1
        if self.worst_epoch is not None:
            return {"loss": float("nan") if self.worst_epoch < 0 else float(abs(self.validations - 2))}
        x = torch.linspace(-1, 1, 30).reshape(10, 3)
        return {"loss": float(self.task({"x": x, "y": x[:, 0] * x[:, 1]}))}


def train(folder: Path, toy: Toy, schedule: Schedule = SCHEDULE, **options: Any) -> StageResult:
    return run_stage(toy, schedule, folder, seed=3, facts={}, accelerator=Accelerator(cpu=True), **options)


def history(result: StageResult) -> list[tuple[Any, ...]]:
    return [(one.epoch, one.train_loss, dict(one.validation)) for one in result.history]


@pytest.mark.parametrize("stops", [[1], [5], [6], [7, 2, 1, 9], [18]])
def test_an_interrupted_stage_comes_to_the_same_end(tmp_path: Path, stops: list[int]) -> None:
    whole = train(tmp_path / "whole", Toy())
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "cut", Toy(stop_after=stop))
    resumed = train(tmp_path / "cut", Toy(), workers=3)
    assert history(resumed) == history(whole)
    assert resumed.best_epoch == whole.best_epoch
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()


@pytest.mark.parametrize(("place", "function"), [(loop, "write_text"), (Path, "unlink")])
def test_a_stage_that_was_killed_between_its_last_files_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: object, function: str
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    whole = train(tmp_path / "whole", Toy())
    with monkeypatch.context() as patch:
        patch.setattr(place, function, killed)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "cut", Toy())
    toy = Toy()
    result = train(tmp_path / "cut", toy)
    assert toy.batches == 0
    assert history(result) == history(whole)
    assert result.weights.read_bytes() == whole.weights.read_bytes()
    assert {path.name for path in result.weights.parent.iterdir()} == {"weights.safetensors", "history.json"}


def test_a_log_gets_a_line_an_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, Toy(stop_after=7))
    first, *epochs = capsys.readouterr().err.splitlines()
    assert first == "toy: 4 epochs of 5 steps, 0 of 20 steps done"
    assert len(epochs) == 1
    result = train(tmp_path, Toy())
    first, *epochs = capsys.readouterr().err.splitlines()
    assert first == "toy: 4 epochs of 5 steps, 6 of 20 steps done"  # saved every second step
    assert [line.split(",")[0] for line in epochs] == [f"toy: epoch {n} of 4" for n in (2, 3, 4)]
    last = result.history[-1]
    assert f"training loss {last.train_loss:.4f}, validation loss {last.validation['loss']:.4f}, " in epochs[-1]


def test_a_finished_stage_is_not_trained_again(tmp_path: Path) -> None:
    first = train(tmp_path, Toy())
    toy = Toy()
    second = train(tmp_path, toy)
    assert toy.batches == 0
    assert second == first
    for name, value in load_file(first.weights).items():
        assert torch.equal(toy.result.state_dict()[name], value)


def test_batches_depend_on_the_seed_and_the_step_alone(tmp_path: Path) -> None:
    one, two = Toy(), Toy()
    train(tmp_path / "1", one, workers=1)
    train(tmp_path / "2", two, workers=1)
    assert all(np.array_equal(a, b) for a, b in zip(one.seen, two.seen, strict=True))
    assert len(one.seen) == 4 * (22 // 4)
    assert len(set(np.concatenate(one.seen[:5]).tolist())) == 20
    assert [sorted(one.seen[step]) for step in range(5)] != [sorted(one.seen[step]) for step in range(5, 10)]
    assert step_random(0, "a", 1, 2).random() == step_random(0, "a", 1, 2).random()
    assert len({step_random(0, s, e, k).random() for s in "ab" for e in (0, 1) for k in (0, 1)}) == 8


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    toy = Toy(worst_epoch=4)  # validation losses 1, 0, 1, 2: the second epoch is best
    result = train(tmp_path / "all", toy)
    assert result.best_epoch == 1
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "two", Toy(worst_epoch=4, stop_after=12))
    best = next((tmp_path / "two").rglob("best.safetensors"))
    assert best.read_bytes() == result.weights.read_bytes()


def test_too_few_pairs_a_loss_that_is_none_and_damaged_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"stage toy: found 3 training pairs, expected at least one batch of 4"):
        train(tmp_path, Toy(size=3))
    with pytest.raises(AvbenchError, match=r"stage toy: the loss is nan; lower its learning_rate"):
        train(tmp_path, Toy(worst_epoch=-1))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "state", Toy(stop_after=9))
    next((tmp_path / "state").rglob("state.pt")).write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"state.pt: found unreadable"):
        train(tmp_path / "state", Toy())
    result = train(tmp_path / "record", Toy())
    (result.weights.parent / "history.json").write_text("{}")
    with pytest.raises(InputError, match=r"history.json: best_epoch: found nothing"):
        train(tmp_path / "record", Toy())
    epoch = {"epoch": 0, "train_loss": 1.0, "validation": {}, "seconds": 1.0}
    for best, says in ((0, "a validation loss of every epoch"), (7, "best_epoch below the number of epochs, 1")):
        (result.weights.parent / "history.json").write_text(json.dumps({"best_epoch": best, "history": [epoch]}))
        with pytest.raises(InputError, match=rf"history.json: .*expected {says}"):
            train(tmp_path / "record", Toy())


def test_other_settings_are_another_stage() -> None:
    base = stage_fingerprint("a", SCHEDULE, 0, {"x": 1})
    others = [
        stage_fingerprint("b", SCHEDULE, 0, {"x": 1}),
        stage_fingerprint("a", dataclasses.replace(SCHEDULE, epochs=5), 0, {"x": 1}),
        stage_fingerprint("a", SCHEDULE, 1, {"x": 1}),
        stage_fingerprint("a", SCHEDULE, 0, {"x": 2}),
    ]
    assert len({base, *others}) == 5


def test_the_learning_rate_rises_and_falls() -> None:
    shares = [learning_rate_share(step, 100, 0.1) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == pytest.approx(1.0)
    assert shares.index(max(shares)) in {9, 10}
    assert shares[-1] < 0.01
    assert all(a >= b for a, b in pairwise(shares[10:]))


def test_curves_are_written(tmp_path: Path) -> None:
    history = [EpochRecord(i, 1.0 / (i + 1), {"loss": 2.0 - i, "rotation_mean_deg": 9.0}, 1.5) for i in range(3)]
    write_curves(tmp_path, "vision", history, 2)
    lines = (tmp_path / "vision.csv").read_text().splitlines()
    assert lines[0] == "epoch,train_loss,validation_loss,validation_rotation_mean_deg,seconds,best"
    assert lines[3] == "3,0.333333,0.000000,9.000000,1.50,1"
    assert (tmp_path / "vision.png").read_bytes().startswith(b"\x89PNG")
