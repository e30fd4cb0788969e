"""Where a model runs: in a process of its own, which can be ended when it hangs, or in this one.

A call that never returns cannot be broken off from within: Python threads cannot be killed, and code in C hears no
signal. So a model gets a process. If no answer comes in time, or the process dies (a segmentation fault, the system's
memory killer), that is an `Outcome` like any other; the next question starts a new process.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Protocol

from avbench.benchmark.base.provenance import peak_memory_mib
from avbench.benchmark.data.pair import Model, PairInput, PairLabel
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.running.replies import Failure, FailureKind, Outcome, question
from avbench.benchmark.running.shared_memory import PairSender
from avbench.benchmark.running.worker import Ask, Asked, Fit, Load, ModelFacts, build, facts_of, fit
from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.base.processes import deaf_to_interrupts, memory_kills, ran_out_of_memory

# Every batch brings blocks of the size of pictures and clips. To get them from the system anew each time, page by page,
# costs as much as copying them, so glibc is set to keep what was given back; other systems take no notice.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(256 << 20)}
_WORKER = "avbench.benchmark.running.worker"
_LEAST_START_S = 60.0  # to start a process, import what the model needs, read its weights and fit it
_LOOK_S = 1.0
_FAREWELL_S = 5.0


class ModelHost(Protocol):
    """A model, wherever it runs."""

    def facts(self) -> ModelFacts:
        """What is known of the model; waits until it is built.

        Raises:
            InputError: It cannot be built.
        """
        ...

    def fit(self, labels: Sequence[PairLabel]) -> None:
        """Show it the labels of the training split.

        Raises:
            InputError: It raises on them.
        """
        ...

    def submit(self, pairs: Sequence[PairInput], seed: int) -> int:
        """Give it a batch of at least one pair, see `replies.question`; no more than two may wait for their outcome.

        Returns:
            The number of the question.
        """
        ...

    def outcome(self, number: int) -> Outcome | None:
        """What came of a question; None if it was lost because the model was ended over another one."""
        ...

    def peak_memory_mib(self) -> float:
        """Most memory that the model's process has used so far."""
        ...

    def close(self) -> None:
        """End it."""
        ...


def host_model(entry: ModelEntry, device: str, timeout_s: float | None) -> ModelHost:
    """Start a model; building it goes on while the caller does other things.

    Args:
        entry: The model.
        device: Device of models that take one.
        timeout_s: Longest time for one answer. None disables the timeout and runs the model in this process unless
            it has an interpreter of its own.
    """
    if timeout_s is None and entry.interpreter is None:
        return LocalModel(entry.name, *build(entry, device))
    return ModelProcess(entry, device, math.inf if timeout_s is None else timeout_s)


class LocalModel:
    """A model in this process, where a debugger reaches it and nothing can end it."""

    def __init__(self, name: str, model: Model, facts: ModelFacts) -> None:
        self._name, self._model, self._facts = name, model, facts
        self._outcomes: dict[int, Outcome] = {}
        self._asked = 0

    @classmethod
    def of(cls, entry: ModelEntry, model: Model, device: str = "cpu") -> LocalModel:
        """A model that is built already."""
        return cls(entry.name, model, facts_of(model, device, dict(entry.chosen_options)))

    def facts(self) -> ModelFacts:
        """See `ModelHost`."""
        return self._facts

    def fit(self, labels: Sequence[PairLabel]) -> None:
        """See `ModelHost`."""
        fit(self._model, labels, self._name)

    def submit(self, pairs: Sequence[PairInput], seed: int) -> int:
        """See `ModelHost`."""
        self._asked += 1
        self._outcomes[self._asked] = question(self._model, pairs, seed)
        return self._asked

    def outcome(self, number: int) -> Outcome | None:
        """See `ModelHost`."""
        return self._outcomes.pop(number)

    def peak_memory_mib(self) -> float:
        """Most memory that this process has used so far."""
        return peak_memory_mib()

    def close(self) -> None:
        """Nothing to end."""


class ModelProcess:
    """A model in a process of its own.

    Args:
        entry: The model.
        device: Device of models that take one.
        timeout_s: Longest time for one answer; building and fitting it may take as long, and a minute at least.
    """

    def __init__(self, entry: ModelEntry, device: str, timeout_s: float) -> None:
        self._interpreter = entry.interpreter
        self._load = Load.of(entry, device)
        self._timeout_s = timeout_s
        self._sender = PairSender()
        self._labels: Sequence[PairLabel] | None = None
        self._facts: ModelFacts | None = None
        self._peak_mib = 0.0
        self._asked = 0
        self._under_way: deque[int] = deque()
        self._begun = 0.0
        self._outcomes: dict[int, Outcome] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._memory_kills: int | None = None
        self._start()

    def facts(self) -> ModelFacts:
        """See `ModelHost`."""
        if self._facts is None:
            answer = self._wait(max(self._timeout_s, _LEAST_START_S))
            if isinstance(answer, Failure):
                self._kill()
                raise self._refused("building it", answer)
            self._facts = answer
        return self._facts

    def fit(self, labels: Sequence[PairLabel]) -> None:
        """See `ModelHost`."""
        self.facts()
        self._labels = labels
        self._send(Fit(labels))
        answer = self._wait(max(self._timeout_s, _LEAST_START_S))
        if isinstance(answer, Failure):
            self._kill()
            raise self._refused("fitting it", answer)

    def submit(self, pairs: Sequence[PairInput], seed: int) -> int:
        """See `ModelHost`."""
        if self._process is None:
            self._start()
            self._facts = None
            if self._labels is not None:
                self.fit(self._labels)
        self.facts()
        self._asked += 1
        if not self._under_way:
            self._begun = time.monotonic()
        self._under_way.append(self._asked)
        self._send(Ask(self._sender.pack(pairs), seed))
        return self._asked

    def outcome(self, number: int) -> Outcome | None:
        """See `ModelHost`."""
        while number not in self._outcomes:
            if number not in self._under_way:
                return None
            answer = self._wait(self._begun + self._timeout_s - time.monotonic())
            answered = self._under_way.popleft()
            if isinstance(answer, Asked):
                self._peak_mib = max(self._peak_mib, answer.peak_memory_mib)
                self._outcomes[answered] = answer.outcome
                # Only now does the next one begin.
                self._begun = time.monotonic()
            else:
                if answer.kind is FailureKind.HUNG:
                    answer = replace(answer, message=f"TimeoutError: no answer within {self._timeout_s:g} s")
                took = 1000.0 * (time.monotonic() - self._begun)
                self._outcomes[answered] = replace(answer, milliseconds=took)
                self._kill()
        return self._outcomes.pop(number)

    def peak_memory_mib(self) -> float:
        """See `ModelHost`."""
        return self._peak_mib

    def close(self) -> None:
        """See `ModelHost`."""
        if self._process is not None:
            self._send(None)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_FAREWELL_S)
            self._kill()
        self._sender.close()

    def _start(self) -> None:
        self._sender.forget()
        here, there = Pipe()
        fds = (there.fileno(), *self._sender.fds)
        arguments = [str(os.getpid()), *map(str, fds)]
        if self._interpreter is None:
            code = f"from {_WORKER} import main; main()"
            command = [sys.executable, "-P", "-c", code, *arguments]
            # What can be imported here, from wherever, can be imported there.
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        else:
            command = self._interpreter.command(_WORKER, arguments)
            environment = self._interpreter.environment()
        with deaf_to_interrupts():
            self._process = subprocess.Popen(  # noqa: S603 - an interpreter that was checked, and fixed code
                command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=fds, env={**_KEEP_MEMORY, **environment}
            )
        there.close()
        self._memory_kills = memory_kills()
        self._connection = here
        self._send(self._load)

    def _send(self, message: object) -> None:
        assert self._connection is not None  # noqa: S101 - there is one from start to kill
        try:
            self._connection.send(message)
        except OSError:
            # It has died; waiting for its answer says how.
            return

    def _wait(self, timeout_s: float) -> Any:
        """The next message, or a failure.

        Raises:
            AvbenchError: The process sent one.
        """
        assert self._connection is not None  # noqa: S101 - as above
        assert self._process is not None  # noqa: S101 - as above
        until = time.monotonic() + timeout_s
        while True:
            left = until - time.monotonic()
            # A child of the process may hold the other end open, so the process is looked at, too.
            if self._connection.poll(max(0.0, min(left, _LOOK_S))):
                try:
                    message = self._connection.recv()
                except (EOFError, OSError):
                    return self._death()
                if isinstance(message, AvbenchError):
                    self._kill()
                    raise message
                return message
            if self._process.poll() is not None:
                return self._death()
            if left <= 0.0:
                return Failure(FailureKind.HUNG, f"TimeoutError: no answer within {timeout_s:g} s")

    def _death(self) -> Failure:
        assert self._process is not None  # noqa: S101 - as above
        try:
            code = self._process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            return Failure(FailureKind.DIED, "the model's process closed its connection")
        if code == -signal.SIGKILL:
            if ran_out_of_memory(self._memory_kills):
                return Failure(FailureKind.MEMORY, "the system ended the model's process because memory ran out")
            return Failure(FailureKind.KILLED, "the model's process was killed (SIGKILL)")
        if code < 0:
            return Failure(FailureKind.DIED, f"the model's process died ({_signal_name(-code)})")
        return Failure(FailureKind.DIED, f"the model's process ended with exit code {code}")

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process, self._connection = None, None
        self._under_way.clear()

    def _refused(self, doing: str, failure: Failure) -> InputError:
        hint = "allow it more time with --timeout-s" if failure.kind is FailureKind.HUNG else ""
        return InputError(
            f"model {self._load.entry.name}", found=f"{failure.message} on {doing}", expected="a model", hint=hint
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
