"""Live progress with the time left, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any


def bar_of(
    items: Iterable[Any] | None = None,
    *,
    desc: str,
    unit: str,
    total: int | None = None,
    initial: int = 0,
    position: int | None = None,
    shown: bool = True,
) -> Any:
    """A tqdm bar over items, or one to update by hand; it is drawn on a terminal only.

    Args:
        items: What is gone through; None for a bar that is updated by hand.
        desc: Stands before the bar.
        unit: What is counted.
        total: How many there are.
        initial: How many an earlier run did.
        position: Line of the bar among several.
        shown: Whether there is one at all.
    """
    from tqdm import tqdm

    disable = None if shown else True
    return tqdm(items, desc=desc, unit=unit, total=total, initial=initial, position=position, disable=disable)


class ProgressBar:
    """A bar that appears when the first number is known; used as a context manager.

    Args:
        name: Stands before the bar.
        unit: What is counted.
    """

    def __init__(self, name: str, unit: str) -> None:
        self._name = name
        self._unit = unit
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, done: int, count: int) -> None:
        """Show that so many of all are done."""
        from tqdm import tqdm

        if self._bar is None:
            # `initial` keeps what an earlier run did out of the rate, and so out of the time left.
            self._bar = tqdm(total=count, initial=done, desc=self._name, unit=self._unit, file=sys.stderr)
            return
        self._bar.update(done - self._bar.n)

    def say(self, line: str) -> None:
        """Print a line without breaking the bar."""
        from tqdm import tqdm

        tqdm.write(f"{self._name}: {line}", file=sys.stderr)
