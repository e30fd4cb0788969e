"""Suites: which conditions a model is evaluated under. A suite is data, a TOML file.

name = "night"                      # the file's name without .toml, if left out
description = "Dark and noisy."
clean = true                        # also evaluate the pictures as they are, the baseline of every drop; so if left out

[[conditions]]
corruption = "low_light"            # one name, a list of names, or "all"
severities = [3, 5]
frames = "both"                     # a, b, both or one; what the recipe says, if left out
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.conditions.corruptions.recipes import (
    RECIPES,
    Corruption,
    Frame,
    Frames,
    check_severity,
    corrupt_pair,
    find_corruption,
    frames_hit,
    suggest,
)
from avbench.preprocessing.base.documents import read_toml
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.structure import Text

CLEAN = "clean"
_FOLDER = Path(__file__).with_name("suites")


@dataclass(frozen=True)
class Condition:
    """One way in which pictures are shown to a model.

    Attributes:
        corruption: What happens to them, None if nothing does.
        severity: 1 to 5, 0 if nothing happens.
        frames: Which frames are hit.
    """

    corruption: Corruption | None = None
    severity: int = 0
    frames: Frames = Frames.BOTH

    def __post_init__(self) -> None:
        if self.corruption is not None:
            check_severity(self.severity, where=f"condition {self.corruption}")
        elif self.severity != 0 or self.frames is not Frames.BOTH:
            raise InputError(
                "condition clean",
                found=f"severity {self.severity} of frames {self.frames}",
                expected="neither: nothing happens to the pictures",
            )

    @classmethod
    def of(cls, corruption: Corruption | str, severity: int, frames: Frames | None = None) -> Condition:
        """A condition that hits the frames that the recipe names, unless others are given."""
        found = find_corruption(corruption)
        return cls(found, severity, RECIPES[found].frames if frames is None else frames)

    @classmethod
    def parse(cls, name: str) -> Condition:
        """The condition of a name such as `clean`, `fog-3` or `fog-3-a`.

        Raises:
            InputError: It is no such name.
        """
        if name == CLEAN:
            return cls()
        corruption, *rest = name.split("-")
        if len(rest) not in (1, 2) or not (rest[0].isascii() and rest[0].isdigit()):
            raise InputError(
                "condition", found=repr(name), expected="clean, CORRUPTION-SEVERITY or CORRUPTION-SEVERITY-FRAMES"
            )
        frames = _frames(rest[1], f"condition {name}") if len(rest) == 2 else None
        return cls.of(find_corruption(corruption, where=f"condition {name}"), int(rest[0]), frames)

    @property
    def name(self) -> str:
        """Short and unique: `clean`, `fog-3`, or `fog-3-a` where not the recipe's own frames are hit."""
        if self.corruption is None:
            return CLEAN
        name = f"{self.corruption}-{self.severity}"
        return name if self.frames is RECIPES[self.corruption].frames else f"{name}-{self.frames}"

    @property
    def version(self) -> int:
        """Version of the recipe, 0 for clean."""
        return 0 if self.corruption is None else RECIPES[self.corruption].version

    def hits(self, pair_id: str) -> frozenset[Frame]:
        """The frames of a pair that are corrupted."""
        return frozenset() if self.corruption is None else frames_hit(pair_id, self.corruption, self.frames)

    def apply(
        self, image_a: NDArray[np.uint8], image_b: NDArray[np.uint8], pair_id: str
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Frames a and b as this condition shows them; one that is left alone is the very array that was given."""
        if self.corruption is None:
            return image_a, image_b
        return corrupt_pair(image_a, image_b, pair_id, self.corruption, self.severity, self.frames)


@dataclass(frozen=True)
class Suite:
    """A named list of conditions.

    Attributes:
        name: Its name.
        description: One line on what it is for.
        conditions: At least one, none twice, clean first where it is in.
    """

    name: str
    description: str
    conditions: tuple[Condition, ...]

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the conditions and the versions of their recipes.

        Results with equal fingerprints saw equal pixels.
        """
        text = "\n".join(f"{condition.name} {condition.version} {condition.frames}" for condition in self.conditions)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def suite_names() -> list[str]:
    """Names of the suites that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_suite(name_or_path: str | Path) -> Suite:
    """A suite that comes with the package, by its name, or one of the user's, by the path of its TOML file.

    Raises:
        InputError: There is no such suite or file, or it is not a valid suite.
    """
    text = str(name_or_path)
    if text in suite_names():
        return _read(_FOLDER / f"{text}.toml")
    path = Path(name_or_path)
    if not path.is_file():
        raise InputError(
            f"suite {text}",
            found="neither a suite of that name nor such a file",
            expected="the name of a suite or the path of a TOML file",
            hint=suggest(text, suite_names()),
        )
    suite = _read(path)
    if suite.name in suite_names():
        raise InputError(
            f"{path}: name",
            found=f"{suite.name!r}, the name of a suite that comes with avbench",
            expected="a name of its own, so that results are not mixed up",
        )
    return suite


def _read(path: Path) -> Suite:
    stored = read_toml(path, _SuiteFile, expected="a suite in TOML")
    conditions = [Condition()] if stored.clean else []
    for number, entry in enumerate(stored.conditions, start=1):
        conditions += entry.unfolded(f"{path}: conditions[{number}]")
    seen: set[str] = set()
    for condition in conditions:
        if condition.name in seen:
            raise InputError(f"{path}: conditions", found=f"{condition.name} twice", expected="every condition once")
        seen.add(condition.name)
    if not conditions:
        raise InputError(path, found="no condition", expected="clean = true or at least one [[conditions]]")
    return Suite(stored.name or path.stem, stored.description, tuple(conditions))


@dataclass(frozen=True)
class _ConditionsEntry:
    """One table `[[conditions]]`."""

    corruption: str | tuple[str, ...]
    severities: tuple[int, ...]
    frames: Frames | None = None

    def unfolded(self, where: str) -> list[Condition]:
        """Every corruption at every severity."""
        if self.corruption == "all":
            names: tuple[str, ...] = tuple(Corruption)
        else:
            names = (self.corruption,) if isinstance(self.corruption, str) else self.corruption
        for what, listed in (("corruption", names), ("severities", self.severities)):
            if not listed:
                raise InputError(f"{where}.{what}", found="an empty list", expected="at least one entry")
        severities = [check_severity(value, where=f"{where}.severities") for value in self.severities]
        return [
            Condition.of(find_corruption(name, where=f"{where}.corruption"), severity, self.frames)
            for name in names
            for severity in severities
        ]


@dataclass(frozen=True)
class _SuiteFile:
    """The TOML of a suite."""

    name: Text | None = None
    description: str = ""
    clean: bool = True
    conditions: tuple[_ConditionsEntry, ...] = ()


def _frames(name: Any, where: str) -> Frames:
    try:
        return Frames(name)
    except ValueError:
        raise InputError(where, found=repr(name), expected="a, b, both or one") from None
