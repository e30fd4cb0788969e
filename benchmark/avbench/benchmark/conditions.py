"""Under what condition a model sees a pair.

A condition is a name and a pure function of a pair's input: corruptions of pictures and probes of sound are such
functions. It acts before anything else is computed from pictures or sound, and never sees a label.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from avbench.benchmark.model_api import PairInput
from avbench.benchmark.predictions import CLEAN_CONDITION


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        name: What the predictions file calls it.
        transform: Pure function of a pair's input; it must not write to what it is given.
        recipe: Changes whenever the transform may give other bytes, so that runs are not mixed.
    """

    name: str
    transform: Callable[[PairInput], PairInput]
    recipe: str = "1"


def _unchanged(pair: PairInput) -> PairInput:
    return pair


CLEAN = Condition(CLEAN_CONDITION, _unchanged)
