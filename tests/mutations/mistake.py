"""A mistake that somebody could make in the code, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

AREAS = {
    "preprocessing": "preprocessing/avbench",
    "benchmark": "benchmark/avbench",
    "leaderboards": "leaderboards/avbench",
}
"""Source root by area; a mistake's file is given below it."""


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes:
        name: What is wrong, in words.
        file: The module, as it is imported without `avbench`: "benchmark/scoring/score.py".
        before: The code as it is; it must occur exactly once.
        after: The code with the mistake.
        tests: The tests that must notice it, as pytest names them: "tests/benchmark/scoring/test_scoring.py::test_it".
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]

    def path(self, root: Path) -> Path:
        """The module in a checkout."""
        return root / AREAS[self.file.split("/")[0]] / self.file

    def made_in(self, source: str) -> str:
        """The module's source with the mistake.

        Raises:
            ValueError: The code is not as it was; the mistake has to be described anew.
        """
        found = source.count(self.before)
        if found != 1:
            raise ValueError(
                f"{self.file} has this {found} times, expected once:\n{self.before}\n"
                f"The code has changed: describe the mistake {self.name!r} anew in tests/mutations"
            )
        return source.replace(self.before, self.after)
