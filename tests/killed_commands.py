"""Commands that are killed: a process that has loaded everything forks one for each command, which may kill itself.

Killing happens in the child alone, by functions of `os` that are replaced there: before the n-th call that makes
something lasting on the disk, or after a time.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LASTING = ("fsync", "rename", "replace", "unlink", "remove", "rmdir")
"""Functions of `os` before whose calls a command is killed."""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code, minus the signal that killed it.
        calls: How many of the `LASTING` calls it made; unknown, 0, if it was killed.
        seconds: How long it took.
        session: Its session; the processes it started are in it too.
        said: What it wrote.
    """

    code: int
    calls: int
    seconds: float
    session: int
    said: str


class Forge:
    """Runs commands, one at a time; used as a context manager.

    Args:
        modules: What the process loads before it forks.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = modules

    def __enter__(self) -> Forge:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from killed_commands import serve; serve()", *self._modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(
        self, arguments: list[str], log: Path, *, kill_at_call: int | None = None, kill_after_s: float | None = None
    ) -> Ended:
        """Run `avbench` with some arguments."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"arguments": arguments, "log": str(log), "call": kill_at_call, "seconds": kill_after_s}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        return Ended(**found, said=log.read_text())


def serve() -> None:
    """Load the modules that are the arguments, and answer requests on standard input until it ends."""
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        counted = Path(asked["log"]).with_suffix(".calls")
        counted.write_text("0")
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _command(asked, counted)
        if asked["seconds"] is not None:
            threading.Timer(asked["seconds"], _kill, (child,)).start()
        _, status = os.waitpid(child, 0)
        ended = {
            "code": os.waitstatus_to_exitcode(status),
            "calls": int(counted.read_text()),
            "seconds": time.monotonic() - began,
            "session": child,
        }
        print(json.dumps(ended), flush=True)


def _kill(child: int) -> None:
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        return


def _command(asked: dict[str, object], counted: Path) -> None:
    os.setsid()
    log = os.open(str(asked["log"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    calls = 0

    def counting(original):  # type: ignore[no-untyped-def]
        def call(*arguments, **options):  # type: ignore[no-untyped-def]
            nonlocal calls
            calls += 1
            if calls == asked["call"]:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return call

    for name in LASTING:
        setattr(os, name, counting(getattr(os, name)))
    sys.argv = ["avbench", *asked["arguments"]]  # type: ignore[misc]
    from avbench.preprocessing.cli.main import main

    code = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except Exception:  # noqa: BLE001 - it is for the test to see
        traceback.print_exc()
    counted.write_text(str(calls))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
