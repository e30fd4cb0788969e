"""Models as callers give them: a name, a class, or an object with `predict`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avbench.benchmark.base.interpreter import find_interpreter
from avbench.benchmark.base.provenance import model_code_sha256
from avbench.benchmark.data.pair import Model
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.loading import describe_error, modalities_of
from avbench.benchmark.models.options import OptionValue, chosen_arguments
from avbench.benchmark.models.registry import find_model
from avbench.preprocessing.base.errors import AvbenchError, InputError


def entry_of(
    model: str | type | Model,
    *,
    weights: str | os.PathLike[str] | None = None,
    options: Mapping[str, OptionValue] | None = None,
    python: str | os.PathLike[str] | None = None,
) -> tuple[ModelEntry, Model | None]:
    """What is known of a model, and the model itself where it is an object of this process.

    A class is built with the options and nothing else. An object may state `name`, `revision` and `modalities`; without
    a revision, the hash of the file that defines its class stands for it, and without modalities it is given
    everything.

    Raises:
        InputError: There is no such model, it cannot be built, it has no `predict`, or an object is to have weights,
            options or an interpreter of its own.
    """
    if isinstance(model, str):
        interpreter = None if python is None else find_interpreter(python)
        path = None if weights is None else Path(weights)
        return find_model(model, weights=path, python=interpreter, options=tuple((options or {}).items())), None
    if weights is not None:
        raise InputError("weights", found=str(weights), expected="none: a class or an object brings its own")
    if python is not None:
        raise InputError(
            "python",
            found=os.fspath(python),
            expected="none: a class or an object belongs to this interpreter",
            hint='name the class as "path/to/file.py:Class"',
        )
    if options and not isinstance(model, type):
        raise InputError("options", found=", ".join(options), expected="none: an object is built already")
    instance, chosen = _built(model, options or {}) if isinstance(model, type) else (model, {})
    kind = type(instance)
    if not callable(getattr(instance, "predict", None)):
        raise InputError(
            f"model {kind.__name__}",
            found="no method predict",
            expected="predict(pairs) -> a PosePrediction for each pair",
        )
    entry = ModelEntry(
        name=_text(instance, "name") or kind.__name__,
        target=f"{kind.__module__}:{kind.__qualname__}",
        description=(inspect.getdoc(kind) or "").partition("\n")[0],
        modalities=modalities_of(instance, kind.__name__),
        revision=_text(instance, "revision") or model_code_sha256(instance) or "unknown",
        chosen_options=tuple(chosen.items()),
    )
    return entry, instance


def _built(kind: type, options: Mapping[str, OptionValue]) -> tuple[Any, dict[str, Any]]:
    """An object of a class, and its options as JSON values."""
    arguments, recorded = chosen_arguments(
        kind,
        tuple(options.items()),
        taken=(),
        name=kind.__name__,
        elsewhere=f"give an object: {kind.__name__}(...)",
    )
    try:
        return kind(**arguments), recorded
    except AvbenchError:
        raise
    except Exception as error:
        raise InputError(
            f"model {kind.__name__}",
            found=f"{describe_error(error)} on building it",
            expected="a model",
            hint=f"give an object: {kind.__name__}(...)",
        ) from error


def _text(instance: object, name: str) -> str | None:
    value = getattr(instance, name, None)
    return value if isinstance(value, str) and value.strip() else None
