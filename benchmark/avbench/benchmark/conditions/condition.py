"""Under what condition a model sees a pair.

A condition is a name and a pure function of a pair's input: corruptions of pictures and probes of sound are such
functions. It acts before anything else is computed from pictures or sound, and never sees a label.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from avbench.benchmark.conditions import corruptions
from avbench.benchmark.data.pair import Modality, PairInput, seal
from avbench.benchmark.predictions.file import CLEAN_CONDITION


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        name: What the predictions file calls it.
        transform: Pure function of a pair's input, called from several threads; it must not write to what it is given.
        recipe: Changes whenever the transform may give other bytes, so that runs are not mixed.
        acts_on: What the transform may change. A model that looks at none of it sees the same as without the condition.
    """

    name: str
    transform: Callable[[PairInput], PairInput]
    recipe: str = "1"
    acts_on: frozenset[Modality] = frozenset(Modality)

    def apply(self, pair: PairInput) -> PairInput:
        """What a model is given under this condition; the arrays cannot be written to."""
        return seal(self.transform(pair))

    def shows_in(self, modalities: Collection[Modality]) -> bool:
        """Whether a model of the given modalities may see a difference."""
        return not self.acts_on.isdisjoint(modalities)

    def under(self, other: Condition) -> Condition:
        """This condition and another one at once, such as silence in low light; itself where the other is clean.

        The other one acts first.
        """
        if other.name == CLEAN_CONDITION:
            return self
        return Condition(
            name=f"{self.name}+{other.name}",
            transform=_InTurn(other.transform, self.transform),
            recipe=f"{other.recipe}; {self.recipe}",
            acts_on=self.acts_on | other.acts_on,
        )


@dataclass(frozen=True)
class _InTurn:
    """Two transforms, one after the other."""

    first: Callable[[PairInput], PairInput]
    second: Callable[[PairInput], PairInput]

    def __call__(self, pair: PairInput) -> PairInput:
        return self.second(self.first(pair))


def without_up() -> Condition:
    """Up vectors are withheld."""
    return Condition("without-up", _without_up, "1", frozenset({Modality.UP}))


def _without_up(pair: PairInput) -> PairInput:
    return replace(pair, up_a=None, up_b=None)


def _unchanged(pair: PairInput) -> PairInput:
    return pair


CLEAN = Condition(CLEAN_CONDITION, _unchanged, acts_on=frozenset())


@dataclass(frozen=True)
class _Corrupted:
    """A suite's condition as a function of a pair's input."""

    condition: corruptions.Condition

    def __call__(self, pair: PairInput) -> PairInput:
        image_a, image_b = self.condition.apply(pair.image_a, pair.image_b, pair.pair_id)
        return replace(pair, image_a=image_a, image_b=image_b)


def suite_conditions(suite: corruptions.Suite) -> list[Condition]:
    """The conditions of a suite, in its order."""
    return [
        CLEAN
        if entry.corruption is None
        else Condition(
            entry.name, _Corrupted(entry), f"version {entry.version}, {entry.frames}", frozenset({Modality.VISION})
        )
        for entry in suite.conditions
    ]
