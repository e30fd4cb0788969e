"""Audio-visual relative camera pose: prepare data, evaluate models, compare them.

Examples:
    >>> import avbench
    >>> data = avbench.load("data/")
    >>> pair, label = data["test"][0]
    >>> run = avbench.evaluate("sift", data)
    >>> run.table()

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

# The areas lie in three source folders of a checkout, and in one folder of an installed package.
__path__ = extend_path(__path__, __name__)

if TYPE_CHECKING:
    from avbench.benchmark.api.catalogue import metrics, models
    from avbench.benchmark.api.data import Pairs, load
    from avbench.benchmark.api.prepare import prepare
    from avbench.benchmark.api.runs import (
        Comparison,
        EvaluatedRun,
        Result,
        compare,
        evaluate,
        report,
        score,
    )
    from avbench.benchmark.data.pair import PairInput, PairLabel, PosePrediction, SoundClip
    from avbench.preprocessing.base.errors import AvbenchError, InputError

_HOME = {
    "load": "avbench.benchmark.api.data",
    "Pairs": "avbench.benchmark.api.data",
    "prepare": "avbench.benchmark.api.prepare",
    **dict.fromkeys(
        ("Comparison", "EvaluatedRun", "Result", "compare", "evaluate", "report", "score"),
        "avbench.benchmark.api.runs",
    ),
    **dict.fromkeys(("metrics", "models"), "avbench.benchmark.api.catalogue"),
    **dict.fromkeys(("PairInput", "PairLabel", "PosePrediction", "SoundClip"), "avbench.benchmark.data.pair"),
    **dict.fromkeys(("AvbenchError", "InputError"), "avbench.preprocessing.base.errors"),
}

__all__ = [
    "AvbenchError",
    "Comparison",
    "EvaluatedRun",
    "InputError",
    "PairInput",
    "PairLabel",
    "Pairs",
    "PosePrediction",
    "Result",
    "SoundClip",
    "compare",
    "evaluate",
    "load",
    "metrics",
    "models",
    "prepare",
    "report",
    "score",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("avbench")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
