"""What a class says of itself, found out by the interpreter that it is to run with."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from avbench.benchmark.base.interpreter import Interpreter, print_document, run_module
from avbench.benchmark.data.pair import Modality
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.loading import class_in_file, class_of_entry, modalities_of
from avbench.benchmark.models.options import Option, constructor_options
from avbench.preprocessing.base.errors import AvbenchError, InputError

_MODALITIES, _OPTIONS = "modalities", "options"


@dataclass(frozen=True)
class OptionText:
    """An option of a model in words.

    Attributes:
        name: Its name.
        takes: What it may be given as.
        default: Its default, None where it must be given.
    """

    name: str
    takes: str
    default: str | None


def described_modalities(path: Path, attribute: str, python: Interpreter) -> frozenset[Modality]:
    """What a class in a file looks at, asked of the interpreter that has the packages which the file imports.

    Raises:
        InputError: The file cannot be imported there, or has no such class.
    """
    return frozenset(Modality(name) for name in _asked(python, _MODALITIES, f"{path}:{attribute}"))


def described_options(entry: ModelEntry) -> list[OptionText]:
    """The options of a model's class, by the interpreter that it is to run with.

    Raises:
        InputError: The class is missing, or a package that it needs.
    """
    if entry.interpreter is None:
        found = _option_texts(constructor_options(class_of_entry(entry))[0])
    else:
        found = [OptionText(*texts) for texts in _asked(entry.interpreter, _OPTIONS, entry.target)]
    taken = {name for name, _ in entry.options}
    return [option for option in found if option.name not in taken]


def _option_texts(options: list[Option]) -> list[OptionText]:
    return [
        OptionText(option.name, option.expected(), None if option.required else _default_text(option.default))
        for option in options
    ]


def _default_text(default: Any) -> str:
    if isinstance(default, Enum):
        default = default.value
    if isinstance(default, bool) or default is None:
        return str(default).lower()
    return str(default)


def _asked(python: Interpreter, what: str, target: str) -> list[Any]:
    answer: dict[str, Any] = run_module(python, __name__, [what, target])
    if "error" in answer:
        where, found, expected, hint = answer["error"]
        raise InputError(where, found=found, expected=expected, hint=hint or f"it ran with {python.path}")
    answered: list[Any] = answer["answer"]
    return answered


def main() -> None:
    """Answer what the process that started this one asks, on standard output."""
    what, target = sys.argv[1:]
    try:
        print_document({"answer": _answer(what, target)})
    except InputError as error:
        print_document({"error": [error.where, error.found, error.expected, error.hint]})
    except AvbenchError as error:
        print_document({"error": [target, str(error), "a class with predict", ""]})


def _answer(what: str, target: str) -> list[Any]:
    path, _, attribute = target.rpartition(":")
    if what == _MODALITIES:
        return sorted(modalities_of(class_in_file(Path(path), attribute), target))
    entry = ModelEntry(target, target, "", frozenset())
    options = constructor_options(class_of_entry(entry))[0]
    return [[option.name, option.takes, option.default] for option in _option_texts(options)]
