"""What the options of commands say of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from avbench.benchmark.models.entry import ModelEntry


@dataclass(frozen=True)
class ChosenModel:
    """A model as it was named on the command line.

    Attributes:
        name: A name, or FILE.py:Class.
        weights: Its weights, None for its own.
        python: The interpreter that it is to run with, None for this one.
        options: Options of its constructor.
    """

    name: str
    weights: Path | None = None
    python: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    def find(self) -> ModelEntry:
        """Its entry.

        Raises:
            InputError: There is no such model, interpreter or file of weights.
        """
        from avbench.benchmark.base.interpreter import find_interpreter
        from avbench.benchmark.models.registry import find_model

        python = None if self.python is None else find_interpreter(self.python)
        return find_model(self.name, weights=self.weights, python=python, options=self.options)


def key_values(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Split KEY=VALUE.

    Raises:
        BadParameter: There is no `=`, or a key comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key:
            raise click.BadParameter(f"found {text!r}, expected KEY=VALUE", param_hint="--set")
        if key in found:
            raise click.BadParameter(f"{key} is given twice: {found[key]!r} and {value!r}", param_hint="--set")
        found[key] = value
    return tuple(found.items())
