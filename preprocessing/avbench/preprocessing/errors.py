"""Problems that a user can fix, each told in one line.

Everything else keeps its traceback: a traceback is a mistake of ours, an `AvbenchError` is a fact about somebody's
input and says what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class AvbenchError(Exception):
    """A problem that the user can fix; printed as one line, exit code 1."""


class InputError(AvbenchError):
    """Input that is not what it must be.

    Args:
        where: The file, and the field, row or time in it.
        found: What is there.
        expected: What should be there.
        hint: What to do next.
    """

    def __init__(self, where: str | Path, *, found: str, expected: str, hint: str = "") -> None:
        self.where = str(where)
        self.found = found
        self.expected = expected
        self.hint = hint
        line = f"{self.where}: found {found}, expected {expected}"
        super().__init__(" ".join(f"{line}; {hint}".split()) if hint else " ".join(line.split()))

    def __reduce__(self) -> tuple[object, ...]:
        # The default pickles the one-line message as the only argument; workers send these across processes.
        return (_rebuild_input_error, (self.where, self.found, self.expected, self.hint))


def did_you_mean(found: object, known: Iterable[str], *, most: int = 1) -> str:
    """A hint that names those of the known names that are closest to what was found; empty if none is close."""
    close = get_close_matches(str(found), [str(name) for name in known], n=most, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else ""


def _rebuild_input_error(where: str, found: str, expected: str, hint: str) -> InputError:
    return InputError(where, found=found, expected=expected, hint=hint)


class OutputError(AvbenchError):
    """A result that could not be written: a full disk, a missing permission. It concerns the whole run."""


class MissingDependencyError(AvbenchError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed; run: pip install 'avbench[{extra}]'")
