"""Models that are handed over as they are: a name, a class, or an object with `predict`."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

from avbench.benchmark.base.provenance import model_code_sha256
from avbench.benchmark.data.pair import Model
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.registry import describe_error, find_model, modalities_of
from avbench.preprocessing.base.errors import AvbenchError, InputError


def entry_of(
    model: str | type | Model, *, weights: str | os.PathLike[str] | None = None
) -> tuple[ModelEntry, Model | None]:
    """What is known of a model, and the model itself where it is an object of this process.

    A class is built without arguments. An object may state `name`, `revision` and `modalities`; without a revision, the
    hash of the file that defines its class stands for it, and without modalities it is given everything.

    Raises:
        InputError: There is no such model, it cannot be built, it has no `predict`, or weights are given for an object.
    """
    if isinstance(model, str):
        return find_model(model, weights=None if weights is None else Path(weights)), None
    if weights is not None:
        raise InputError("weights", found=str(weights), expected="none: a class or an object brings its own")
    instance = _built(model) if isinstance(model, type) else model
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
    )
    return entry, instance


def _built(kind: type) -> Any:
    try:
        return kind()
    except AvbenchError:
        raise
    except Exception as error:
        raise InputError(
            f"model {kind.__name__}",
            found=f"{describe_error(error)} on building it without arguments",
            expected="a class that needs none",
            hint=f"hand over an object: {kind.__name__}(...)",
        ) from error


def _text(instance: object, name: str) -> str | None:
    value = getattr(instance, name, None)
    return value if isinstance(value, str) and value.strip() else None
