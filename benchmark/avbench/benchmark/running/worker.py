"""The process in which a model runs; its arguments are its parent, its connection and its shared memories.

It answers one request after the other until it is told to stop, or until the process that started it is gone. What a
model prints goes to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from avbench.benchmark.base.provenance import device_name, model_code_sha256, peak_memory_mib
from avbench.benchmark.data.pair import FittedModel, Model, PairLabel
from avbench.benchmark.models.registry import ModelEntry, describe_error, load_model
from avbench.benchmark.running.replies import Outcome, question
from avbench.benchmark.running.shared_memory import PairReceiver, Parcel
from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.base.processes import become_worker


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model once it is built.

    Attributes:
        code_sha256: Hash of the file that defines its class, None where it has none.
        fitted: Whether it looks at the training split's labels before it predicts.
        device_name: Name of the device it runs on, None for the processor.
    """

    code_sha256: str | None
    fitted: bool
    device_name: str | None


@dataclass(frozen=True)
class Load:
    """Build a model; answered by its facts."""

    entry: ModelEntry
    device: str


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
    model = load_model(entry, device=device)
    return model, facts_of(model, device)


def facts_of(model: Model, device: str) -> ModelFacts:
    """What is known of a model that is built."""
    return ModelFacts(model_code_sha256(model), isinstance(model, FittedModel), device_name(device))


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
        model, facts = build(load.entry, load.device)
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
