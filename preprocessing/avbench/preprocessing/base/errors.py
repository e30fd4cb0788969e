"""Problems that a user can fix, each in one line.

Everything else keeps its traceback: a traceback is a mistake of ours, an `AvbenchError` is a fact about somebody's
input and says what to do next.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
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


_NO_SPACE = "free some space and run the same command again: finished parts are kept"
_NO_PERMISSION = "choose a place that you may write to, or change its permissions"
_NO_FOLDER = "a file is where a folder should be: choose another place, or move that file away"
_OS_HINTS = {
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EFBIG: _NO_SPACE,
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.EROFS: _NO_PERMISSION,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
    errno.EISDIR: "a folder is where a file should be: choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files with `ulimit -n`",
}


def _reason(error: OSError) -> str:
    # Libraries wrap what the system says in words of their own.
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)
    return str(error.strerror or error)


def os_error_line(error: OSError) -> str:
    """What the operating system refused, why, and what to do about it, without a line break."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes, os.PathLike)) else ""
    hint = _OS_HINTS.get(error.errno or 0, "")
    return " ".join(f"{where}{_reason(error)}{'; ' if hint else ''}{hint}".split())


def could_not_write(path: Path, error: OSError) -> OutputError:
    """The error that says why a file or folder could not be written."""
    hint = _OS_HINTS.get(error.errno or 0, "check the disk and run the same command again: finished parts are kept")
    return OutputError(" ".join(f"{path}: could not be written ({_reason(error)}); {hint}".split()))


class SeveralProblemsError(AvbenchError):
    """Problems that are independent of each other, so that a user can fix all of them at once.

    The command line prints a line for each; as a string they are one line.

    Attributes:
        errors: The problems, two or more.
    """

    def __init__(self, errors: Iterable[AvbenchError]) -> None:
        self.errors = tuple(errors)
        super().__init__(" -- also ".join(str(error) for error in self.errors))

    def __reduce__(self) -> tuple[object, ...]:
        return (SeveralProblemsError, (self.errors,))


class Problems:
    """Collects the problems of steps that do not depend on each other.

    Each step is a block `with problems.noted():`; what a block was to assign is missing if it failed, so
    `raise_any` must be called before that is used.
    """

    def __init__(self) -> None:
        self._errors: list[AvbenchError] = []

    @contextmanager
    def noted(self) -> Generator[None, None, None]:
        """Do a step, and keep its problem instead of raising it."""
        try:
            yield
        except SeveralProblemsError as error:
            self._errors += error.errors
        except AvbenchError as error:
            self._errors.append(error)

    def raise_any(self) -> None:
        """Go on if there was no problem.

        Raises:
            AvbenchError: The problem, or all of them.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise SeveralProblemsError(self._errors)


class MissingDependencyError(AvbenchError):
    """An optional package is not installed.

    Args:
        package: The package.
        extra: The extra of avbench that brings it.
        purpose: What needs it, as the start of a sentence.
        newest_python: The newest Python (major, minor) that the package has a wheel for, if it does not have all.
    """

    def __init__(self, package: str, extra: str, purpose: str, *, newest_python: tuple[int, int] | None = None) -> None:
        running = sys.version_info[:2]
        if newest_python is not None and running > newest_python:
            super().__init__(
                f"{purpose} needs {package}, which has no wheel for Python {running[0]}.{running[1]}; run this step "
                f"with Python {newest_python[0]}.{newest_python[1]} (pip install 'avbench[{extra}]'); everything "
                "else runs with this one too"
            )
        else:
            super().__init__(f"{purpose} needs {package}, which is not installed; run: pip install 'avbench[{extra}]'")
