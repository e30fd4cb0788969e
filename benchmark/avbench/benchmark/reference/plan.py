"""Which rows a reference table has, and which of them are compared with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from avbench.benchmark.conditions.condition import Condition, without_up
from avbench.benchmark.conditions.probes.probe import silence
from avbench.benchmark.data.pair import Modality
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.learned.bundle_files import SHIPPED, describe_bundle
from avbench.benchmark.models.learned.entries import LEARNED
from avbench.benchmark.models.registry import find_model
from avbench.benchmark.reference.variants import find_variants, models_of
from avbench.preprocessing.base.errors import InputError

FLOOR = "mean-motion"
"""The model whose error others are a share of."""
PICTURES = "vision"
"""The model that sound is to improve on."""
FUSED = "fusion"
LATE = "fusion-late"
DEFAULT_MODELS = (FLOOR, "sift", PICTURES, "audio", FUSED, LATE)
SILENCED = (FUSED, "audio")
"""Models that also get a row without sound."""
UPLESS = (PICTURES, *SILENCED)
"""Models that also get a row without up vectors, with silence too; of the variants, those that leave a part out."""
HEAD_SEED = "head-seed-"
"""Begins the name of a variant that repeats the bundle with heads of another seed."""

_TRAINING_SPLIT = "training split"
_LEARNED = {entry.name: dict(entry.options)["kind"] for entry in LEARNED}


@dataclass(frozen=True)
class Row:
    """One line of the tables: a model with its weights, with sound or without.

    Attributes:
        name: What the tables call it: "fusion", "fusion+silence", "fusion@head-seed-1".
        model: The model, without backbone, variant and silence: "fusion".
        variant: Name of the variant that its weights are from, empty for the bundle itself.
        withheld: What it is not given, though it was trained with it: sound, up, both or nothing.
        entry: The model, ready to be run.
    """

    name: str
    model: str
    variant: str
    withheld: frozenset[Modality]
    entry: ModelEntry

    @property
    def silent(self) -> bool:
        """Whether it is given silence in the place of sound."""
        return Modality.AUDIO in self.withheld

    @property
    def from_bundle(self) -> bool:
        """Whether its weights are those of a bundle."""
        return self.entry.target == LEARNED[0].target

    def is_plain(self, model: str) -> bool:
        """Whether it is that model of the bundle itself, with nothing withheld."""
        return self.model == model and not self.variant and not self.withheld

    def condition(self, suite_condition: Condition) -> Condition:
        """The condition under which it is run to stand beside others under the suite's."""
        condition = suite_condition
        if self.silent:
            condition = silence().under(condition)
        if Modality.UP in self.withheld:
            condition = without_up().under(condition)
        return condition

    def without(self, modality: Modality, name: str) -> Row:
        """This row with one more input withheld from the model."""
        return _renamed(replace(self, name=f"{self.name}+{name}", withheld=self.withheld | {modality}))


@dataclass(frozen=True)
class Contrast:
    """Two rows that are compared.

    Attributes:
        a: One row.
        b: The row that is subtracted from it.
        over_pictures: Whether `a` is given sound or a head for it, and `b` is the same without: a gain by listening.
    """

    a: Row
    b: Row
    over_pictures: bool

    @property
    def name(self) -> str:
        """The difference in words: "fusion - vision"."""
        return f"{self.a.name} - {self.b.name}"


def plan_rows(
    models: Sequence[str],
    weights: Path | None,
    *,
    variants: bool = True,
    can_fit: bool = True,
    say: Callable[[str], None],
) -> list[Row]:
    """The rows of a table.

    Args:
        models: Names of models; none for the default ones, less those that cannot be run, which is said.
        weights: The bundle of the learned models, None for the shipped one.
        variants: Whether the variants of the bundle get rows too, and its models without up.
        can_fit: Whether there is a training split for models that learn from its labels.
        say: Called with lines on what is left out.

    Raises:
        InputError: There is no such model or bundle, a model is named twice, or it cannot be run.
    """
    names = list(models) or _default_models(weights, can_fit=can_fit, say=say)
    doubled = [name for name, times in Counter(names).items() if times > 1]
    if doubled:
        raise InputError("models", found=f"{doubled[0]} twice", expected="every model once")
    rows = []
    for name in names:
        entry = find_model(name, weights=weights if name in _LEARNED else None)
        row = Row(entry.name, _LEARNED.get(name, entry.name), "", withheld=frozenset(), entry=entry)
        rows.append(row)
        if row.model in SILENCED:
            rows.append(row.without(Modality.AUDIO, "silence"))
    if variants and any(name in _LEARNED for name in names):
        upless = [row for row in rows if row.model in UPLESS and (row.model == FUSED or not row.silent)]
        others = _variant_rows(names, weights or SHIPPED)
        upless += [row for row in others if row.model == FUSED and _leaves_a_part_out(row)]
        rows += [*others, *(row.without(Modality.UP, "without-up") for row in upless)]
    return rows


def _leaves_a_part_out(row: Row) -> bool:
    """Whether a variant is neither a repeat with another seed nor a control, and knows of up."""
    folder = row.entry.weights_path
    assert folder is not None  # noqa: S101 - variants are bundles
    content = describe_bundle(folder).content
    control = content.get("facts", {}).get("control", False)
    return content["uses_up"] and not control and not row.variant.startswith(HEAD_SEED)


def _default_models(weights: Path | None, *, can_fit: bool, say: Callable[[str], None]) -> list[str]:
    bundle = describe_bundle(weights or SHIPPED)
    held, backbone = models_of(bundle), bundle.backbone
    on_backbone = {kind: name for name, kind in _LEARNED.items() if name == f"{kind}:{backbone}"}
    chosen = []
    for model in DEFAULT_MODELS:
        if model in _LEARNED and model not in held:
            say(f"{model} is left out: the bundle does not hold it")
        elif model not in _LEARNED and not can_fit and _TRAINING_SPLIT in find_model(model).needs:
            say(f"{model} is left out: there is no training split to learn from; name a data set by --training-data")
        else:
            chosen.append(on_backbone.get(model, model))
    return chosen


def _variant_rows(names: Sequence[str], bundle: Path) -> list[Row]:
    rows = []
    for variant in find_variants(bundle):
        for name in names:
            if _LEARNED.get(name) in variant.models:
                entry = find_model(name, weights=variant.folder)
                row = Row(f"{name}@{variant.name}", _LEARNED[name], variant.name, withheld=frozenset(), entry=entry)
                rows.append(_renamed(row))
    return rows


def _renamed(row: Row) -> Row:
    """With the row's name as that of the model, so that predictions say which row they are."""
    return replace(row, entry=replace(row.entry, name=row.name))


def contrasts(rows: Sequence[Row]) -> list[Contrast]:
    """The comparisons that the rows allow, in their order.

    A model of pictures and sound is compared with `vision` of its own variant, or of the bundle where the variant has
    no other, and `fusion` with `fusion-late` as well.
    """
    found = {(row.model, row.variant, row.withheld): row for row in rows if not row.silent}
    made = []
    for row in rows:
        without = row.withheld - {Modality.AUDIO}
        if row.model in (FUSED, LATE):
            pictures = found.get((PICTURES, row.variant, without), found.get((PICTURES, "", without)))
            if pictures is not None:
                made.append(Contrast(row, pictures, over_pictures=True))
        if row.model == FUSED and not row.silent:
            late = found.get((LATE, row.variant, without))
            if late is not None:
                made.append(Contrast(row, late, over_pictures=False))
    return made
