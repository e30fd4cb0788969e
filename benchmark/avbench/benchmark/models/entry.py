"""One model, as data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avbench.benchmark.base.interpreter import Interpreter
from avbench.benchmark.data.pair import Modality
from avbench.benchmark.models.options import OptionValue


@dataclass(frozen=True)
class ModelEntry:
    """One model, as data.

    Attributes:
        name: What `--model` calls it.
        target: "package.module:Class"; the class has `predict`, and may take `device` as a keyword.
        description: One line.
        modalities: What it looks at; the rest is neither read nor decoded for it.
        needs: What it needs beyond a split to predict ("training split", an extra, a checkpoint).
        licence: Licence of code and weights.
        citation: What to cite.
        parameters: Number of learned parameters, None where unknown.
        revision: Changes whenever the model may answer differently, so that runs are not mixed.
        weights: Where its weights come from, in a few words; empty for a model without any.
        weights_path: Weights that the user chose, handed to a class that takes `weights`; None for its own.
        options: Further keyword arguments of the class.
        chosen_options: Options of the class that the user chose, as they were given.
        interpreter: The Python interpreter that the user chose to run it with; None for this one.
    """

    name: str
    target: str
    description: str
    modalities: frozenset[Modality]
    needs: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""
    parameters: int | None = None
    revision: str = "1"
    weights: str = ""
    weights_path: Path | None = None
    options: tuple[tuple[str, str], ...] = ()
    chosen_options: tuple[tuple[str, OptionValue], ...] = ()
    interpreter: Interpreter | None = None
