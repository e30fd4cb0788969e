"""Runs all mutants in two long-lived processes with a time limit each; recordings are prepared many at a time."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from fuzz.targets import TARGETS, Target, whole_file
from fuzz.worker import BY_KIND, Verdict, mutated, serve

LIMIT_S = 60.0
BATCH = 80
BATCH_LIMIT_S = 300.0
WHOLE = -1
"""Number of the mutant that is the whole file."""


@dataclass
class Result:
    """What came of one mutant."""

    kind: str
    number: int
    outcome: str
    said: str


def shares(total: int) -> dict[str, int]:
    """How many mutants of each kind, `total` in all."""
    whole = sum(target.share for target in TARGETS)
    counts = {target.kind: total * target.share // whole for target in TARGETS}
    counts[TARGETS[0].kind] += total - sum(counts.values())
    return counts


class _Process:
    def __init__(self, base: Path, work: Path) -> None:
        self._base, self._work = base, work
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, str(self._base), str(self._work)))
        self.process.start()
        other.close()
        self.request: tuple[str, int] | None = None
        self.since = 0.0
        self.connection.recv()

    def ask(self, kind: str, number: int) -> None:
        self.request, self.since = (kind, number), time.monotonic()
        self.connection.send((kind, number))

    def again(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()
        self._start()

    def end(self) -> None:
        self.connection.send(None)
        self.process.join()


def run_commands(base: Path, work: Path, requests: Sequence[tuple[str, int]], processes: int = 2) -> Iterator[Result]:
    """Mutants of files that are not parts of a recording."""
    waiting = list(reversed(requests))
    workers = [_Process(base, work / str(number)) for number in range(processes)]
    while waiting or any(worker.request for worker in workers):
        for worker in workers:
            if worker.request is None and waiting:
                worker.ask(*waiting.pop())
        busy: dict[Connection, _Process] = {worker.connection: worker for worker in workers if worker.request}
        ready = wait(list(busy), timeout=1.0)
        for worker in busy.values():
            assert worker.request is not None
            kind, number = worker.request
            if worker.connection in ready:
                try:
                    kind, number, verdict = worker.connection.recv()
                    worker.request = None
                    yield Result(kind, number, verdict.outcome, verdict.said)
                except EOFError:
                    worker.process.join()
                    yield Result(kind, number, "signal", f"exit code {worker.process.exitcode}")
                    worker.again()
            elif time.monotonic() - worker.since > LIMIT_S:
                yield Result(kind, number, "hang", f"no end after {LIMIT_S:g} s")
                worker.again()
    for worker in workers:
        worker.end()


def run_recordings(base: Path, work: Path, requests: Sequence[tuple[str, int]]) -> Iterator[Result]:
    """Mutants of parts of recordings, `BATCH` in one folder, prepared as a user would: by worker processes."""
    for start in range(0, len(requests), BATCH):
        batch = requests[start : start + BATCH]
        folder = work / "recordings"
        shutil.rmtree(folder, ignore_errors=True)
        for kind, number in batch:
            _copy_recording(base, folder / "raw" / _name(kind, number), BY_KIND[kind], number)
        yield from _prepared(folder, batch)


def _copy_recording(base: Path, folder: Path, target: Target, number: int) -> None:
    whole = whole_file(base, target)
    shutil.copytree(whole.parent, folder)
    if number != WHOLE:
        (folder / whole.name).write_bytes(mutated(target, number, whole.read_bytes())[1])


def _name(kind: str, number: int) -> str:
    return f"{kind.replace(' ', '-')}-{number}"


def _prepared(folder: Path, batch: Sequence[tuple[str, int]]) -> list[Result]:
    # All pairs of the first and the last frames: which pairs are drawn would depend on the name of the recording.
    command = ["prepare", "raw", "-o", "out", "--split", "test", "--min-gap", "0.8", "--uses-per-frame", "9"]
    command += ["--jobs", "2"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.command", *command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BATCH_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _one_by_one(folder, batch, "hang", f"no end after {BATCH_LIMIT_S:g} s")
    if done.returncode < 0 or done.returncode > 2 or "Traceback (most recent" in done.stderr:
        outcome = "signal" if done.returncode < 0 else "traceback"
        return _one_by_one(folder, batch, outcome, done.stderr[-3000:])
    refused: list[dict[str, Any]] = []
    if (folder / "out" / "refused.json").is_file():
        refused = json.loads((folder / "out" / "refused.json").read_text(encoding="utf-8"))
    made: dict[str, dict[str, Any]] = {}
    if (folder / "out" / "manifest.json").is_file():
        manifest = json.loads((folder / "out" / "manifest.json").read_text(encoding="utf-8"))
        made = {entry["recording_id"].split("/")[0]: entry for entry in manifest["recordings"]}
    rows = _rows(folder / "out")
    why = {entry["recording_id"].split("/")[0]: entry for entry in refused}
    results = []
    for kind, number in batch:
        name = _name(kind, number)
        if name in made:
            said = json.dumps([rows[name], made[name]["candidates"], made[name]["notes"]]).replace(name, "")
            results.append(Result(kind, number, "accepted", said))
        elif name in why and why[name].get("traceback"):
            results.append(Result(kind, number, "traceback", why[name]["traceback"]))
        elif name in why:
            results.append(Result(kind, number, "refused", why[name]["reason"]))
        else:
            results.append(Result(kind, number, "refused without a line", done.stderr[-2000:]))
    return results


def _rows(out: Path) -> dict[str, str]:
    """Hash of all that the rows of a recording say, but for the names that differ from mutant to mutant."""
    digests: dict[str, Any] = {}
    for path in sorted((out / "data").glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            name = row.pop("recording_id").split("/")[0]
            del row["pair_id"]
            digests.setdefault(name, hashlib.sha256()).update(repr(row).encode())
    return {name: digest.hexdigest() for name, digest in digests.items()}


def _one_by_one(folder: Path, batch: Sequence[tuple[str, int]], outcome: str, said: str) -> list[Result]:
    """A whole command failed: find the recording that it failed for."""
    if len(batch) == 1:
        return [Result(*batch[0], outcome, said)]
    half = len(batch) // 2
    results = []
    for part in (batch[:half], batch[half:]):
        names = {_name(kind, number) for kind, number in part}
        smaller = folder.with_name(f"{folder.name}-{len(part)}")
        shutil.rmtree(smaller, ignore_errors=True)
        for name in names:
            shutil.copytree(folder / "raw" / name, smaller / "raw" / name)
        results += _prepared(smaller, part)
    return results


def replay(base: Path, work: Path, kind: str, number: int) -> Result:
    """One mutant alone."""
    if BY_KIND[kind].recording:
        return next(run_recordings(base, work, [(kind, number)]))
    return next(run_commands(base, work, [(kind, number)], processes=1))


def whole_files(base: Path, work: Path) -> dict[str, Verdict]:
    """What comes of the files as they are; each must be accepted."""
    kinds = [(target.kind, WHOLE) for target in TARGETS]
    results = [
        *run_recordings(base, work, [one for one in kinds if BY_KIND[one[0]].recording]),
        *run_commands(base, work, [one for one in kinds if not BY_KIND[one[0]].recording]),
    ]
    return {result.kind: Verdict(result.outcome, result.said) for result in results}
