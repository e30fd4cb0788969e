"""The process in which a model runs; its arguments are its parent, its connection and its shared memories.

It answers one request after the other until it is asked to stop, or until the process that started it is gone. What a
model prints goes to standard error. It may be the process of another interpreter: what is imported here must need
nothing but NumPy, and run on older Pythons than the rest (`base.interpreter`).
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from avbench.benchmark.base.provenance import (
    device_name,
    imported_packages,
    installed_packages,
    model_code_sha256,
    peak_memory_mib,
)
from avbench.benchmark.data.pair import FittedModel, Model, PairLabel
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.loading import describe_error, load_with_options
from avbench.benchmark.running.replies import Outcome, question
from avbench.benchmark.running.shared_memory import PairReceiver, Parcel
from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.base.processes import become_worker


@dataclass(frozen=True)
class ModelEnvironment:
    """The interpreter of a model that does not run with ours.

    Attributes:
        python: Version of Python.
        imported: Versions of the packages that the model has imported once it is built, by name; of one installed from
            a repository with the commit.
        installed: The same of all that are installed.
    """

    python: str
    imported: Mapping[str, str]
    installed: Mapping[str, str]


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model once it is built.

    Attributes:
        code_sha256: Hash of the file that defines its class, None where it has none.
        fitted: Whether it looks at the training split's labels before it predicts.
        device_name: Name of the device it runs on, None for the processor.
        options: The constructor options that were chosen, as JSON values.
        environment: What it runs with, None where that is our own interpreter.
    """

    code_sha256: str | None
    fitted: bool
    device_name: str | None
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: ModelEnvironment | None = None


@dataclass(frozen=True)
class Load:
    """Build a model; answered by its facts.

    Paths travel as texts, since Pythons before 3.13 cannot read the pickled paths of later ones.
    """

    entry: ModelEntry
    device: str
    weights: str | None
    foreign: bool

    @classmethod
    def of(cls, entry: ModelEntry, device: str) -> Load:
        """What a process needs to know to build a model."""
        chosen = tuple((name, str(value) if isinstance(value, Path) else value) for name, value in entry.chosen_options)
        plain = replace(entry, weights_path=None, interpreter=None, chosen_options=chosen)
        weights = None if entry.weights_path is None else str(entry.weights_path)
        return cls(plain, device, weights, foreign=entry.interpreter is not None)

    def build(self) -> tuple[Model, ModelFacts]:
        """Build the model in this process.

        Raises:
            InputError: It cannot be built.
        """
        weights = None if self.weights is None else Path(self.weights)
        model, facts = build(replace(self.entry, weights_path=weights), self.device)
        if not self.foreign:
            return model, facts
        environment = ModelEnvironment(platform.python_version(), imported_packages(), installed_packages())
        return model, replace(facts, environment=environment)


@dataclass(frozen=True)
class Fit:
    """Show the model labels; answered by None."""

    labels: Sequence[PairLabel]


@dataclass(frozen=True)
class Ask:
    """Ask about a batch; answered by `Asked`."""

    parcel: Parcel
    seed: int


@dataclass(frozen=True)
class Asked:
    """What came of a batch, and the most memory that the process has used so far."""

    outcome: Outcome
    peak_memory_mib: float


def build(entry: ModelEntry, device: str) -> tuple[Model, ModelFacts]:
    """Build a model and say what is known of it.

    Raises:
        InputError: It cannot be built.
    """
    loaded = load_with_options(entry, device=device)
    return loaded.model, facts_of(loaded.model, device, loaded.options)


def facts_of(model: Model, device: str, options: Mapping[str, Any]) -> ModelFacts:
    """What is known of a model that is built."""
    return ModelFacts(model_code_sha256(model), isinstance(model, FittedModel), device_name(device), options)


def fit(model: Model, labels: Sequence[PairLabel], name: str) -> None:
    """Fit a model that wants it.

    Raises:
        InputError: It raises.
    """
    if not isinstance(model, FittedModel):
        return
    try:
        model.fit(labels)
    except AvbenchError:
        raise
    except Exception as error:
        raise InputError(
            f"model {name}", found=f"{describe_error(error)} on fitting it", expected="a fit() that takes the labels"
        ) from error


def main() -> None:
    """Serve the process that started this one."""
    parent_pid, connection_fd, *pairs_fds = (int(argument) for argument in sys.argv[1:])
    become_worker(parent_pid)
    connection = Connection(connection_fd)
    receiver = PairReceiver(pairs_fds)
    load: Load = connection.recv()
    try:
        model, facts = load.build()
        connection.send(facts)
        while (request := connection.recv()) is not None:
            if isinstance(request, Fit):
                fit(model, request.labels, load.entry.name)
                connection.send(None)
            else:
                outcome = question(model, receiver.unpack(request.parcel), request.seed)
                connection.send(Asked(outcome, peak_memory_mib()))
    except AvbenchError as error:
        connection.send(error)


if __name__ == "__main__":
    main()
