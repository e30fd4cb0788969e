"""Another Python interpreter for a model that needs packages of its own: found, checked, and started.

All it must have is NumPy. What avbench needs there it imports from the folders of this installation, which are handed
over one by one, so that none of the packages beside them comes along.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avbench.benchmark.base import interpreter_start
from avbench.preprocessing.base.errors import InputError

OLDEST_PYTHON = (3, 10)
OLDEST_NUMPY = (1, 26)
_ANSWER_S = 120.0  # importing NumPy from a disk far away takes its time
_MARK = "avbench-interpreter:"

# Any Python that ever was understands this, so that an old one can be named.
_PROBE = f"""
import json, sys
numpy_version = problem = None
try:
    import numpy
    numpy_version = numpy.__version__
except Exception:
    problem = "%s: %s" % (sys.exc_info()[0].__name__, sys.exc_info()[1])
sys.stdout.write("{_MARK}" + json.dumps([list(sys.version_info[:3]), numpy_version, problem]) + "\\n")
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter that a model can run with.

    Attributes:
        path: The program.
        version: Version of Python, such as "3.12.1".
        numpy_version: Version of its NumPy.
    """

    path: Path
    version: str
    numpy_version: str

    def command(self, module: str, arguments: Sequence[str]) -> list[str]:
        """What to start so that it runs the `main` of a module of this avbench.

        Args:
            module: The module.
            arguments: Its arguments.
        """
        # Not imported by name: what it offers lies in rooms above this one.
        folders = os.pathsep.join(sys.modules["avbench"].__path__)
        return [str(self.path), interpreter_start.__file__, folders, module, *arguments]

    def environment(self) -> dict[str, str]:
        """Environment variables to start it with: this process's, but for those that name this interpreter."""
        ours = ("PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
        return {name: value for name, value in os.environ.items() if name not in ours}


def find_interpreter(named: str | os.PathLike[str]) -> Interpreter:
    """Look an interpreter up and ask it what it has.

    Args:
        named: Its path, or the name of a program on the search path.

    Raises:
        InputError: There is no such program, it is no Python, or its Python or NumPy is missing or too old.
    """
    path = _program(os.fspath(named))
    (version, numpy_version, problem) = _asked(path)
    spelled = ".".join(map(str, version))
    if tuple(version[:2]) < OLDEST_PYTHON:
        raise InputError(
            f"--python {path}",
            found=f"Python {spelled}",
            expected=f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer",
            hint="make the model's environment with a newer Python",
        )
    wanted = f"NumPy {OLDEST_NUMPY[0]}.{OLDEST_NUMPY[1]} or newer"
    install = f"run: {path} -m pip install 'numpy>={OLDEST_NUMPY[0]}.{OLDEST_NUMPY[1]}'"
    if numpy_version is None:
        missing = "no NumPy" if str(problem).endswith("No module named 'numpy'") else f"a broken NumPy ({problem})"
        raise InputError(f"--python {path}", found=missing, expected=wanted, hint=install)
    if tuple(int(part) for part in numpy_version.split(".")[:2]) < OLDEST_NUMPY:
        raise InputError(f"--python {path}", found=f"NumPy {numpy_version}", expected=wanted, hint=install)
    return Interpreter(path, spelled, numpy_version)


def _program(named: str) -> Path:
    if os.sep not in named:
        found = shutil.which(named)
        if found is not None:
            return Path(found)
    # Links are not followed: which environment a link belongs to is decided by where it lies.
    path = Path(os.path.abspath(Path(named).expanduser()))  # noqa: PTH100 - Path.resolve follows links
    if path.is_dir():
        inside = path / "bin" / "python"
        hint = f"did you mean {inside}?" if inside.exists() else ""
        raise InputError(f"--python {named}", found="a folder", expected="a Python interpreter", hint=hint)
    if not path.is_file():
        raise InputError(f"--python {named}", found="no such file", expected="a Python interpreter")
    if not os.access(path, os.X_OK):
        raise InputError(f"--python {named}", found="a file that cannot be run", expected="a Python interpreter")
    return path


def _asked(path: Path) -> tuple[list[int], str | None, str | None]:
    environment = {**os.environ}
    environment.pop("PYTHONHOME", None)
    try:
        done = subprocess.run(  # noqa: S603 - the program that the user named
            [str(path), "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_S,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"--python {path}", found=str(error), expected="a Python interpreter") from error
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            version, numpy_version, problem = json.loads(line.removeprefix(_MARK))
            return version, numpy_version, problem
    said = (done.stderr or done.stdout).strip().splitlines()
    raise InputError(
        f"--python {path}",
        found=f"exit code {done.returncode}{': ' + said[-1] if said else ''}",
        expected="a Python interpreter",
    )


def run_module(interpreter: Interpreter, module: str, arguments: Sequence[str]) -> Any:
    """Run the `main` of a module of this avbench with an interpreter, and read the JSON document that it prints.

    What else it prints, as models do on being imported, is passed over.

    Raises:
        InputError: It did not print one.
    """
    done = subprocess.run(  # noqa: S603 - an interpreter that was checked
        interpreter.command(module, arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=interpreter.environment(),
        check=False,
    )
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(_MARK):
            return json.loads(line.removeprefix(_MARK))
    said = done.stderr.strip().splitlines()
    raise InputError(
        f"--python {interpreter.path}",
        found=f"exit code {done.returncode} of {module}{': ' + said[-1] if said else ''}",
        expected="its answer",
    )


def print_document(document: Any) -> None:
    """Print the JSON document that `run_module` reads."""
    print(f"\n{_MARK}{json.dumps(document)}", flush=True)  # noqa: T201 - to the process that started this one
