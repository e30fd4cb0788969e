"""Commands that are killed, at any moment: the same command again gives what an undisturbed run gives, and no more."""

from __future__ import annotations

import hashlib
import importlib
import json
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from avbench.benchmark.predictions.file import read_predictions
from killed_commands import Ended, Forge
from prepared_data import pair_row, write_dataset
from process_table import alive_in_session
from training_data import training_data

RANDOM_KILLS = 8
"""For each of the five commands."""

ORPHANS_END_S = 10.0
MODULES = (
    "avbench.leaderboards.pages.pages",
    "avbench.benchmark.evaluation.written_suite",
    "avbench.benchmark.running.run",
)
SUITE = 'clean = true\n[[conditions]]\ncorruption = ["fog"]\nseverities = [3]\n'

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


@dataclass(frozen=True)
class Tried:
    """A command to kill.

    Attributes:
        arguments: Its arguments; OUT stands for the folder that it writes to.
        result: What must come out the same, from that folder.
        start: What is in the folder before, None for nothing.
        alone: Further arguments where it is to stay in one process.
    """

    arguments: list[str]
    result: Callable[[Path], Any]
    start: Path | None = None
    alone: tuple[str, ...] = ()

    def command(self, out: Path, *, alone: bool) -> list[str]:
        words = [*self.arguments, *(self.alone if alone else ())]
        return [str(out) if word == "OUT" else word for word in words]


def every_file(out: Path) -> dict[str, str]:
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names(out)}


def names(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir())


def answers(out: Path) -> tuple[str, str]:
    return read_predictions(out / "predictions.parquet").content_sha256(), (out / "score.json").read_text()


def board(out: Path) -> Any:
    lines = [json.loads(line) for line in (out / "entries.jsonl").read_text().splitlines()]
    files = {name: digest for name, digest in every_file(out).items() if name.endswith((".parquet", "board.json"))}
    return [{**line, "submitted_at": ""} for line in lines], files


def weights(out: Path) -> dict[str, str]:
    return {name: digest for name, digest in every_file(out).items() if name.endswith(".safetensors")}


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    with Forge(MODULES) as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    (folder / "suite.toml").write_text(SUITE)
    write_dataset(folder / "pairs", {"test": [pair_row(f"p{number}", group_id=f"g{number}") for number in range(6)]})
    return folder


def done(forge: Forge, folder: Path, *words: object) -> Ended:
    ended = forge.run([str(word) for word in words], folder / "log")
    assert ended.code == 0, ended.said
    return ended


@pytest.fixture(scope="module")
def tried(request: pytest.FixtureRequest, folder: Path, forge: Forge) -> Tried:
    """The command of a name."""
    data, suite = folder / "pairs", ["--suite", str(folder / "suite.toml")]
    match request.param:
        case "prepare":
            sys.path.append(str(Path(__file__).parent / "preprocessing" / "prepare"))
            write_recording = importlib.import_module("test_prepare").write_recording
            sys.path.pop()
            for seed, name in enumerate(("attic", "cellar")):
                write_recording(folder / "raw", name, seed=seed)
            options = ["--size", "32", "--pairs-per-recording", "4", "--clip-seconds", "0.2", "--max-pose-gap", "0.15"]
            return Tried(["prepare", str(folder / "raw"), "-o", "OUT", *options], every_file, alone=("--jobs", "1"))
        case "evaluate":
            command = ["evaluate", str(data), "--model", "identity", "-o", "OUT", "--probes", *suite]
            return Tried(command, answers, alone=("--timeout-s", "0", "--workers", "0"))
        case "corrupt":
            return Tried(["corrupt", str(data), "-o", "OUT", *suite], every_file, alone=("--workers", "0"))
        case "submit":
            start, run = folder / "board", folder / "run"
            done(forge, folder, "evaluate", data, "--model", "identity", "-o", run, "--no-report", "--timeout-s", "0")
            done(forge, folder, "board", "create", start, "--data", data, "--title", "Board")
            done(forge, folder, "submit", run / "predictions.parquet", "--board", start, "--name", "first")
            command = ["submit", str(run / "predictions.parquet"), "--board", "OUT", "--name", "second"]
            return Tried(command, board, start)
        case "train" | "train fusion" as name:
            # The whole of fusion has three times as many moments; it is killed at random ones.
            model = "fusion" if name == "train fusion" else "vision"
            training = training_data(folder / f"training-{model}")
            command = ["train", "--model", model, "--data", str(training), "-o", "OUT", "--preset", "smoke"]
            return Tried([*command, "--epochs", "1", "--device", "cpu"], weights, alone=("--jobs", "1"))
    raise AssertionError(request.param)


def fresh(tried: Tried, out: Path) -> Path:
    shutil.rmtree(out, ignore_errors=True)
    if tried.start is not None:
        shutil.copytree(tried.start, out)
    return out


def check_orphans(session: int) -> float:
    """Seconds until no process of a session was alive."""
    began = time.monotonic()
    while alive_in_session(session):
        assert time.monotonic() < began + ORPHANS_END_S, f"{len(alive_in_session(session))} orphans"
        time.sleep(0.1)
    return time.monotonic() - began


@dataclass(frozen=True)
class Undisturbed:
    """What a command does when nobody kills it."""

    result: Any
    files: list[str]
    ended: Ended


def undisturbed(forge: Forge, tried: Tried, out: Path, *, alone: bool) -> Undisturbed:
    ended = forge.run(tried.command(fresh(tried, out), alone=alone), out.parent / "log")
    assert ended.code == 0, ended.said
    return Undisturbed(tried.result(out), names(out), ended)


def check_rerun(forge: Forge, tried: Tried, out: Path, wanted: Undisturbed, moment: str, *, alone: bool) -> None:
    again = forge.run(tried.command(out, alone=alone), out.parent / "log")
    assert again.code == 0, f"killed {moment}: {again.said}"
    assert tried.result(out) == wanted.result, moment
    assert names(out) == wanted.files, f"killed {moment}"


COMMANDS = ("prepare", "evaluate", "corrupt", "submit", "train")


def kill_at_calls(forge: Forge, tried: Tried, out: Path, step: int) -> int:
    """Kill a command at every so manieth lasting call; how often that was."""
    wanted = undisturbed(forge, tried, out, alone=True)
    moments = range(1 + step // 2, wanted.ended.calls + 1, step)
    for call in moments:
        killed = forge.run(tried.command(fresh(tried, out), alone=True), out.parent / "log", kill_at_call=call)
        assert killed.code == -9, killed.said
        check_orphans(killed.session)
        check_rerun(forge, tried, out, wanted, f"at call {call} of {wanted.ended.calls}", alone=True)
    return len(moments)


@pytest.mark.parametrize(("tried", "step"), [("corrupt", 20), ("submit", 3)], indirect=["tried"])
def test_killed_at_some_calls_a_command_is_finished_by_the_next(
    forge: Forge, tried: Tried, tmp_path: Path, step: int
) -> None:
    assert kill_at_calls(forge, tried, tmp_path / "out", step) >= 1


@pytest.mark.kill
@pytest.mark.parametrize("tried", COMMANDS, indirect=True)
def test_killed_at_every_fsync_rename_and_unlink(
    forge: Forge, tried: Tried, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = kill_at_calls(forge, tried, tmp_path / "out", 1)
    print(f"{request.node.callspec.params['tried']}: {kills} kills, same results, 0 strays, 0 orphans")


@pytest.mark.kill
@pytest.mark.parametrize("tried", [*COMMANDS[:-1], "train fusion"], indirect=True)
def test_killed_at_random_moments(forge: Forge, tried: Tried, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    out = tmp_path / "out"
    wanted = undisturbed(forge, tried, out, alone=False)
    draw = random.Random(f"kills of {request.node.name}")
    codes, waits = [], []
    for _ in range(RANDOM_KILLS):
        seconds = draw.uniform(0.0, wanted.ended.seconds)
        ended = forge.run(tried.command(fresh(tried, out), alone=False), tmp_path / "log", kill_after_s=seconds)
        codes.append(ended.code)
        waits.append(check_orphans(ended.session))
        check_rerun(forge, tried, out, wanted, f"after {seconds:.3f} s", alone=False)
    assert set(codes) <= {-9, 0}
    print(
        f"{request.node.callspec.params['tried']}: {codes.count(-9)} of {RANDOM_KILLS} killed before the end, "
        f"same results, 0 strays, 0 orphans after {max(waits):.1f} s"
    )
