"""A long-lived process that runs damaged files through commands, as the command line does."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import random
import re
import resource
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbench.preprocessing.base.errors import AvbenchError
from fuzz.targets import TARGETS, Target, whole_file

MEMORY_BYTES = 12 << 30  # of addresses, most of which libraries only reserve
_ACCEPTED, _REFUSED, _TRACEBACK, _SILENT = "accepted", "refused", "traceback", "refused without a line"
BY_KIND = {target.kind: target for target in TARGETS}


_MODULES = (
    "avbench.benchmark.running.run",
    "avbench.benchmark.models.learned.model",
    "avbench.benchmark.report.write",
    "avbench.leaderboards.client.submit",
    "avbench.preprocessing.prepare.pipeline",
)


@dataclass(frozen=True)
class Verdict:
    """What came of one damaged file.

    Attributes:
        outcome: accepted, refused, traceback, or refused without a line; hang and signal are told by the harness.
        said: The line, the traceback, or what the commands printed.
    """

    outcome: str
    said: str


def _scene(path: Path) -> object:
    from avbench.preprocessing.simulate.write import read_settings

    return read_settings(path.parent, path.name.removesuffix(".scene.json"))


def _aria(path: Path) -> object:
    from avbench.preprocessing.base.documents import read_text
    from avbench.preprocessing.sources.aria.device import parse_device

    return parse_device(read_text(path), str(path))


def _recording(path: Path) -> object:
    """What a recording of a folder says, with its first frame."""
    import hashlib

    from avbench.preprocessing.sources.common.ref import SourceOptions
    from avbench.preprocessing.sources.find import find_recordings, open_recording

    (ref,) = find_recordings(path, SourceOptions())
    opened = open_recording(ref, SourceOptions())
    (frame,) = opened.frames.read([0])
    content = (opened.trajectory.T_world_camera.tobytes(), opened.trajectory.time_ns.tobytes(), frame.image.tobytes())
    return opened.camera, hashlib.sha256(b"".join(content)).hexdigest(), opened.notes


# Readers whose commands need a simulator or a recording that no test can make.
_READERS: dict[str, Callable[[Path], object]] = {"scene": _scene, "aria": _aria, "recording": _recording}


def mutated(target: Target, number: int, data: bytes) -> tuple[str, bytes]:
    """Name of the mutation and the damaged content of mutant `number` of a kind."""
    rng = random.Random(f"{target.kind}/{number}")
    mutation = target.mutations[number % len(target.mutations)]
    return mutation.__name__, mutation(rng, data)


def run_command(arguments: Sequence[str], folder: Path) -> Verdict:
    """Run one command in a folder, through the function that the command line calls."""
    from avbench.preprocessing.cli.main import main

    said, printed = io.StringIO(), io.StringIO()
    before, arguments_before = Path.cwd(), sys.argv
    os.chdir(folder)
    sys.argv = ["avbench", *arguments]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
            if arguments[0] == "call":
                print(_READERS[arguments[1]](Path(arguments[2])))
            else:
                main()
        code: object = 0
    except SystemExit as ended:
        code = ended.code
    except AvbenchError as error:  # of a reader that is called without its command
        return Verdict(_REFUSED, f"error: {error}")
    except BaseException:  # noqa: BLE001 - this is what is looked for
        return Verdict(_TRACEBACK, traceback.format_exc())
    finally:
        sys.argv = arguments_before
        os.chdir(before)
    errors = said.getvalue()
    if "Traceback (most recent call last)" in errors:
        return Verdict(_TRACEBACK, errors)
    if code in (0, None):
        return Verdict(_ACCEPTED, _without_places(printed.getvalue(), folder))
    # `score` and `evaluate` may end with 1 after a whole result, as where every pair failed.
    lines = [line for line in errors.splitlines() if line.strip()]
    told = [line for line in lines if re.match(r"(?i)(error|usage|try)\b", line)]
    return Verdict(_REFUSED if told else _SILENT, "\n".join(told or lines))


def _without_places(text: str, folder: Path) -> str:
    """A command's output without what differs from run to run."""
    return re.sub(r"\d{4}-\d{2}-\d{2}", "DATE", text.replace(str(folder), ""))


def try_mutant(base: Path, work: Path, kind: str, number: int) -> Verdict:
    """Damage a file in a copy of what its commands need, and run them until one does not accept it."""
    target = BY_KIND[kind]
    folder = work / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in target.needs:
        if (base / name).is_dir():
            shutil.copytree(base / name, folder / name)
        else:
            shutil.copy(base / name, folder / name)
    if number >= 0:
        path = whole_file(base, target)
        (folder / path.relative_to(base)).write_bytes(mutated(target, number, path.read_bytes())[1])
    printed = []
    for command in target.commands:
        verdict = run_command(command, folder)
        if verdict.outcome != _ACCEPTED:
            return verdict
        printed.append(verdict.said)
    return Verdict(_ACCEPTED, "\n".join(printed))


def limit_memory() -> None:
    """A mutant that asks for all memory is refused it, and must say so in one line."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(connection: object, base: str, work: str) -> None:
    """Say that it is ready, then answer requests (kind, number) until None comes."""
    limit_memory()
    # What commands import takes seconds, which are not a mutant's.
    for module in _MODULES:
        importlib.import_module(module)
    connection.send("ready")  # type: ignore[attr-defined]
    # Output of libraries below Python goes nowhere: it is not what the commands say.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    while (request := connection.recv()) is not None:  # type: ignore[attr-defined]
        kind, number = request
        verdict = try_mutant(Path(base), Path(work), kind, number)
        connection.send((kind, number, verdict))  # type: ignore[attr-defined]
