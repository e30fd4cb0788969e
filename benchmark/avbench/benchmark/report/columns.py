"""Columns of exported tables by name: which, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from avbench.benchmark.scoring.metric import Quantity, all_metrics
from avbench.preprocessing.base.errors import InputError, did_you_mean


class Fact(StrEnum):
    """Columns that are no metric."""

    MODEL = "model"
    CONDITION = "condition"
    PAIRS = "pairs"
    WITH_DIRECTION = "pairs_with_direction"
    GROUPS = "groups"
    FAILED = "failed"
    CHANGE = "change"


@dataclass(frozen=True)
class Columns:
    """The columns of a table, model and condition among them.

    Attributes:
        names: Each a `Fact` or the name of a metric in the specification.
    """

    names: tuple[Fact | str, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those that are metrics."""
        return tuple(name for name in self.names if not isinstance(name, Fact))


_SHORT = {
    Quantity.ROTATION: ("rot", "rotation"),
    Quantity.DIRECTION: ("dir", "direction"),
    Quantity.TOTAL: ("pose", "total"),
    Quantity.METRIC_TRANSLATION: ("translation", "metric_translation"),
}


@cache
def column_names() -> dict[str, Fact | str]:
    """What a column may be called: "rot_mean", "rotation.mean_deg", "auc@20" (of the pose), "failed"."""
    found: dict[str, Fact | str] = {}
    for name, metric in all_metrics().items():
        kind = name.partition(".")[2]
        short = kind if "@" in kind else kind.rpartition("_")[0]
        found |= dict.fromkeys([f"{quantity}_{short}" for quantity in _SHORT[metric.quantity]], name)
        if metric.quantity is Quantity.TOTAL and "@" in kind:
            found[short] = name
        found[name] = name
    return found | {str(fact): fact for fact in Fact}


def _usual_names() -> list[str]:
    """The shortest name of each column."""
    shortest: dict[Fact | str, str] = {}
    for name, column in column_names().items():
        shortest[column] = min(shortest.get(column, name), name, key=len)
    return list(shortest.values())


def choose_columns(asked: Sequence[str]) -> Columns:
    """The columns of the given names, in their order; model and condition come first where they are not named.

    Raises:
        InputError: There is no such column, or one is named twice.
    """
    known = column_names()
    chosen: dict[Fact | str, str] = {}
    for word in (word.strip() for word in asked):
        if word not in known:
            raise InputError(
                "--columns",
                found=repr(word),
                expected=f"names with commas between: {', '.join(_usual_names())}, or a metric's name as in scores.csv",
                hint=did_you_mean(word, known),
            )
        if known[word] in chosen:
            raise InputError(
                "--columns",
                found=f"{chosen[known[word]]} and {word}, which are the same column",
                expected="each column once",
            )
        chosen[known[word]] = word
    first = [fact for fact in (Fact.MODEL, Fact.CONDITION) if fact not in chosen]
    return Columns((*first, *chosen))
