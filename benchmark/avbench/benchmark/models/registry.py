"""Which models there are, as data; none is imported before it is asked for.

A model is found by the name of a built-in entry, by the name of an entry that an installed package offers, or as
`path/to/file.py:Class`. A package offers one through an entry point of the group `avbench.models` that leads to a
`ModelEntry`; the module that holds it should import nothing heavy, since listing the models imports it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from avbench.benchmark.data.pair import Modality, Model
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.learned.bundle_files import bundle_revision
from avbench.benchmark.models.learned.entries import LEARNED
from avbench.preprocessing.base.atomic import sha256_of
from avbench.preprocessing.base.errors import AvbenchError, InputError, did_you_mean

__all__ = [
    "BUILT_IN",
    "ENTRY_POINT_GROUP",
    "ModelEntry",
    "describe_error",
    "find_model",
    "list_models",
    "load_model",
    "modalities_of",
]

ENTRY_POINT_GROUP = "avbench.models"


BUILT_IN: tuple[ModelEntry, ...] = (
    ModelEntry(
        name="identity",
        target="avbench.benchmark.models.baselines:Identity",
        description="no rotation, straight ahead: what a constant answer reaches",
        modalities=frozenset(),
        licence="Apache-2.0",
        parameters=0,
    ),
    ModelEntry(
        name="mean-motion",
        target="avbench.benchmark.models.baselines:MeanMotion",
        description="mean rotation and mean translation of the training split: what a learned model must beat",
        modalities=frozenset(),
        needs=("training split",),
        licence="Apache-2.0",
        parameters=6,
    ),
    ModelEntry(
        name="sift",
        target="avbench.benchmark.models.classical:SiftTwoView",
        description="SIFT, then a robust essential matrix or, where there is no parallax, a robust rotation",
        modalities=frozenset({Modality.VISION}),
        licence="Apache-2.0",
        citation="Lowe, IJCV 2004; Nister, TPAMI 2004; Larsson et al., PoseLib; Torr, IJCV 2002",
        parameters=0,
    ),
    *LEARNED,
)


def list_models() -> list[ModelEntry]:
    """All entries, built-in ones first, then those of installed packages sorted by name.

    Raises:
        AvbenchError: A package offers something that is no entry, or a name that is taken.
    """
    entries = {entry.name: entry for entry in BUILT_IN}
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: (point.name, point.value)):
        source = f"entry point {point.name} = {point.value}"
        try:
            entry = point.load()
        except Exception as error:
            raise AvbenchError(
                f"{source} of the group {ENTRY_POINT_GROUP} cannot be loaded "
                f"({type(error).__name__}: {error}); update or remove the package that offers it"
            ) from error
        if not isinstance(entry, ModelEntry):
            raise AvbenchError(f"{source}: found {type(entry).__name__}, expected a ModelEntry")
        if entry.name in entries:
            raise AvbenchError(
                f"{source}: the model name {entry.name!r} is taken by {entries[entry.name].target}; rename one of them"
            )
        entries[entry.name] = entry
    return list(entries.values())


def find_model(name: str, *, weights: Path | None = None) -> ModelEntry:
    """The entry of a model, by name or as `path/to/file.py:Class`.

    An entry for a file carries the file's hash as revision, and the modalities that the class names in an attribute
    `modalities`, or all of them. Finding one imports the file.

    Args:
        name: The model.
        weights: Weights it is to run with: a folder made by `avbench train`, or a file. Their hash becomes part of the
            entry's revision.

    Raises:
        InputError: There is no such model, file or class; similar names are suggested. Or there are no such weights.
    """
    entry = _entry_of_name(name)
    if weights is None:
        return entry
    digest = sha256_of(weights) if weights.is_file() else bundle_revision(weights, model=entry.name)
    return replace(entry, weights_path=weights.resolve(), revision=f"{entry.revision} {digest}")


def _entry_of_name(name: str) -> ModelEntry:
    path, _, attribute = name.rpartition(":")
    if path.endswith(".py"):
        return _entry_of_file(Path(path), attribute)
    entries = {entry.name: entry for entry in list_models()}
    if name in entries:
        return entries[name]
    raise InputError(
        f"model {name!r}",
        found="no model of this name",
        expected=f"one of {', '.join(entries)}, or path/to/file.py:Class",
        hint=did_you_mean(name, entries, most=2),
    )


def load_model(entry: ModelEntry, *, device: str = "cpu") -> Model:
    """Import and build a model.

    Args:
        entry: The model; its `weights_path` is handed to a class that takes `weights`.
        device: Handed to a class that takes `device`.

    Raises:
        InputError: The class is missing, has no `predict`, cannot be built, takes no weights although some were chosen,
            or needs a package that is not there.
    """
    module_name, _, attribute = entry.target.rpartition(":")
    try:
        is_file = module_name.endswith(".py")
        module = _module_of_file(Path(module_name)) if is_file else importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"model {entry.name}",
            found=f"{describe_error(error)} on importing {module_name}",
            expected="the packages it needs" + (f" ({', '.join(entry.needs)})" if entry.needs else ""),
            hint="install what is missing and run the same command again",
        ) from error
    factory = _class_of(module, attribute, entry.target)
    taken = _parameters(factory)
    options: dict[str, Any] = dict(entry.options)
    if "device" in taken:
        options["device"] = device
    if entry.weights_path is not None:
        if "weights" not in taken:
            raise InputError(
                f"model {entry.name}", found=f"weights {entry.weights_path}", expected="none: it takes no weights"
            )
        options["weights"] = entry.weights_path
    try:
        model = factory(**options)
    except AvbenchError:
        raise
    except Exception as error:
        raise InputError(
            f"model {entry.name}", found=f"{describe_error(error)} on building it", expected="a model"
        ) from error
    if not isinstance(model, Model):
        raise InputError(entry.target, found="no method predict", expected="predict(pairs) -> poses")
    return model


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


def _parameters(factory: Callable[..., object]) -> Collection[str]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some callables written in C have no signature
        return ()


def _class_of(module: ModuleType, attribute: str, target: str) -> Callable[..., object]:
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


def _entry_of_file(path: Path, attribute: str) -> ModelEntry:
    if not path.is_file():
        raise InputError(path, found="no such file", expected="path/to/file.py:Class")
    target = f"{path}:{attribute}"
    try:
        module = _module_of_file(path)
    except Exception as error:
        raise InputError(
            path, found=f"{describe_error(error)} on import", expected="a Python file that runs"
        ) from error
    modalities = modalities_of(_class_of(module, attribute, target), target)
    return ModelEntry(
        name=f"{path.name}:{attribute}",
        target=target,
        description=f"from {path}",
        modalities=modalities,
        revision=sha256_of(path),
    )


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


def _module_of_file(path: Path) -> ModuleType:
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
