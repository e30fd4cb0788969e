"""Importing and building one model. This runs where the model runs, with nothing but NumPy beside it."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from avbench.benchmark.data.pair import Modality, Model
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.options import chosen_arguments
from avbench.preprocessing.base.errors import AvbenchError, InputError


@dataclass(frozen=True)
class LoadedModel:
    """A model that is built.

    Attributes:
        model: The model.
        options: The constructor options that were chosen, as JSON values.
    """

    model: Model
    options: Mapping[str, Any]


def load_model(entry: ModelEntry, *, device: str = "cpu") -> Model:
    """Import and build a model; see `load_with_options`."""
    return load_with_options(entry, device=device).model


def load_with_options(entry: ModelEntry, *, device: str = "cpu") -> LoadedModel:
    """Import and build a model.

    Args:
        entry: The model; its `weights_path` is handed to a class that takes `weights`.
        device: Handed to a class that takes `device`.

    Raises:
        InputError: The class is missing, has no `predict`, cannot be built, takes no weights although some were chosen,
            has no option of a name that was chosen, or needs a package that is not there.
    """
    factory = class_of_entry(entry)
    taken = _parameters(factory)
    arguments: dict[str, Any] = dict(entry.options)
    if "device" in taken:
        arguments["device"] = device
    if entry.weights_path is not None:
        if "weights" not in taken:
            raise InputError(
                f"model {entry.name}", found=f"weights {entry.weights_path}", expected="none: it takes no weights"
            )
        arguments["weights"] = entry.weights_path
    chosen, recorded = chosen_arguments(factory, entry.chosen_options, taken=tuple(arguments), name=entry.name)
    try:
        model = factory(**arguments, **chosen)
    except AvbenchError:
        raise
    except Exception as error:
        raise InputError(
            f"model {entry.name}", found=f"{describe_error(error)} on building it", expected="a model"
        ) from error
    if not isinstance(model, Model):
        raise InputError(entry.target, found="no method predict", expected="predict(pairs) -> poses")
    return LoadedModel(model, recorded)


def class_of_entry(entry: ModelEntry) -> Callable[..., object]:
    """The class of a model, imported.

    Raises:
        InputError: The class is missing, or a package that it needs.
    """
    module_name, _, attribute = entry.target.rpartition(":")
    try:
        is_file = module_name.endswith(".py")
        module = module_of_file(Path(module_name)) if is_file else importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"model {entry.name}",
            found=f"{describe_error(error)} on importing {module_name}",
            expected="the packages it needs" + (f" ({', '.join(entry.needs)})" if entry.needs else ""),
            hint="install what is missing and run the same command again",
        ) from error
    return class_of(module, attribute, entry.target)


def class_in_file(path: Path, attribute: str) -> Callable[..., object]:
    """The class of a name in a Python file.

    Raises:
        InputError: The file cannot be imported, or has no such class.
    """
    try:
        module = module_of_file(path)
    except Exception as error:
        raise InputError(
            path, found=f"{describe_error(error)} on import", expected="a Python file that runs"
        ) from error
    return class_of(module, attribute, f"{path}:{attribute}")


def describe_error(error: BaseException) -> str:
    """An exception in one line, with the place that raised it."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    place = ""
    if traceback is not None:
        place = f" ({Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno})"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"


def modalities_of(model: object, name: str) -> frozenset[Modality]:
    """What a model or its class says that it looks at in an attribute `modalities`; everything where it does not say.

    Raises:
        InputError: It names something else.
    """
    named = getattr(model, "modalities", None)
    try:
        return frozenset(Modality) if named is None else frozenset(Modality(value) for value in named)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: modalities", found=repr(named), expected=f"some of {', '.join(Modality)}") from error


def class_of(module: ModuleType, attribute: str, target: str) -> Callable[..., object]:
    """The class of a name in a module.

    Raises:
        InputError: There is none; those that have `predict` are named.
    """
    found: object = getattr(module, attribute, None) if attribute else None
    if not callable(found):
        offered = sorted(
            name for name, value in vars(module).items() if inspect.isclass(value) and hasattr(value, "predict")
        )
        raise InputError(
            target,
            found=f"no class {attribute!r}" if attribute else "no class name",
            expected="path/to/file.py:Class" if not offered else f"one of {', '.join(offered)}",
        )
    return found


def module_of_file(path: Path) -> ModuleType:
    """Import a file, once a process; files beside it can be imported by it."""
    resolved = path.resolve()
    name = f"avbench_model_{resolved.stem}_{hashlib.sha256(bytes(resolved)).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise InputError(path, found="a file that cannot be imported", expected="a Python file")
    module = importlib.util.module_from_spec(spec)
    # As with `python file.py`, files beside it can be imported.
    if str(resolved.parent) not in sys.path:
        sys.path.append(str(resolved.parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _parameters(factory: Callable[..., object]) -> Collection[str]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some callables written in C have no signature
        return ()
