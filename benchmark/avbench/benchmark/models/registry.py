"""Which models there are, as data; none is imported before it is asked for.

A model is found by the name of a built-in entry, by the name of an entry that an installed package offers, or as
`path/to/file.py:Class`. A package offers one through an entry point of the group `avbench.models` that leads to a
`ModelEntry`; the module that holds it should import nothing heavy, since listing the models imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from avbench.benchmark.base.interpreter import Interpreter
from avbench.benchmark.data.pair import Modality
from avbench.benchmark.models.describe import described_modalities
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.learned.bundle_files import bundle_revision
from avbench.benchmark.models.learned.entries import LEARNED
from avbench.benchmark.models.loading import class_in_file, modalities_of
from avbench.benchmark.models.options import OptionValue
from avbench.preprocessing.base.atomic import sha256_of
from avbench.preprocessing.base.errors import AvbenchError, InputError, did_you_mean

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


def find_model(
    name: str,
    *,
    weights: Path | None = None,
    python: Interpreter | None = None,
    options: Sequence[tuple[str, OptionValue]] = (),
) -> ModelEntry:
    """The entry of a model, by name or as `path/to/file.py:Class`.

    An entry for a file carries the file's hash as revision, and the modalities that the class names in an attribute
    `modalities`, or all of them. Finding one imports the file.

    Args:
        name: The model.
        weights: Weights it is to run with: a folder made by `avbench train`, or a file. Their hash becomes part of the
            entry's revision.
        python: The interpreter that it is to run with, None for this one.
        options: Options of its constructor, by name; they are looked at when the model is built.

    Raises:
        InputError: There is no such model, file or class; similar names are suggested. Or there are no such weights.
    """
    entry = _entry_of_name(name, python)
    if python is not None or options:
        entry = replace(entry, interpreter=python, chosen_options=tuple(options))
    if weights is None:
        return entry
    digest = sha256_of(weights) if weights.is_file() else bundle_revision(weights, model=entry.name)
    return replace(entry, weights_path=weights.resolve(), revision=f"{entry.revision} {digest}")


def _entry_of_name(name: str, python: Interpreter | None) -> ModelEntry:
    path, _, attribute = name.rpartition(":")
    if path.endswith(".py"):
        return _entry_of_file(Path(path), attribute, python)
    entries = {entry.name: entry for entry in list_models()}
    if name in entries:
        return entries[name]
    raise InputError(
        f"model {name!r}",
        found="no model of this name",
        expected=f"one of {', '.join(entries)}, or path/to/file.py:Class",
        hint=did_you_mean(name, entries, most=2),
    )


def _entry_of_file(path: Path, attribute: str, python: Interpreter | None) -> ModelEntry:
    if not path.is_file():
        raise InputError(path, found="no such file", expected="path/to/file.py:Class")
    target = f"{path}:{attribute}"
    if python is None:
        modalities = modalities_of(class_in_file(path, attribute), target)
    else:
        modalities = described_modalities(path, attribute, python)
    return ModelEntry(
        name=f"{path.name}:{attribute}",
        target=target,
        description=f"from {path}",
        modalities=modalities,
        revision=sha256_of(path),
    )
