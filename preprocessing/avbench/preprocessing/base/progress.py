"""Live progress on standard error."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

if TYPE_CHECKING:
    from tqdm import tqdm


class LineBar:
    """A bar that begins when the number of things is known, and lines that do not break it; a context manager.

    Args:
        unit: What is counted.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def start(self, total: int) -> None:
        """Show a bar for so many."""
        from tqdm import tqdm

        self._bar = tqdm(
            desc=self._unit, unit=f" {self._unit}", total=total, file=sys.stderr, dynamic_ncols=True, leave=False
        )

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)

    def advance(self) -> None:
        """Count one more piece of work as done."""
        if self._bar is not None:
            self._bar.update()

    def stage(self, text: str) -> None:
        """Show what the work is busy with now."""
        if self._bar is not None:
            self._bar.set_postfix_str(text)
