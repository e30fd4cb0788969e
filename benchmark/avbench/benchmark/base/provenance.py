"""Where a result comes from: what a stranger needs to make it again."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import resource
import subprocess
import sys
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distributions, packages_distributions, version
from pathlib import Path
from typing import Any

from avbench.preprocessing import base
from avbench.preprocessing.base.source_code import files_sha256

PACKAGES = (
    "avbench",
    "numpy",
    "scipy",
    "opencv-python-headless",
    "poselib",
    "pyarrow",
    "simplejpeg",
    "soundfile",
    "torch",
)
"""Packages whose version may change a result."""

ANSWERING_ROOMS = ("running", "models", "audio", "conditions", "data")
"""Rooms of this area with a say in what a model is given and answers."""

ANSWERING_FILES = ("base/geometry.py", "format/picture.py", "format/sound_clip.py")
"""The same in the area of preprocessing."""


def package_versions() -> dict[str, str]:
    """Versions of the packages that may change a result, as installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def installed_packages() -> dict[str, str]:
    """Version of every package that is installed for this interpreter, with the commit where one is known."""
    found = (
        (str(distribution.metadata["Name"]), _version_of(distribution))
        for distribution in distributions()
        if distribution.metadata["Name"]
    )
    versions: dict[str, str] = {}
    for name, text in found:
        versions.setdefault(name, text)  # the first of a name is the one that is imported
    return dict(sorted(versions.items(), key=lambda package: package[0].lower()))


def imported_packages() -> dict[str, str]:
    """Versions of the packages that this process has imported something of, without avbench itself."""
    owners = packages_distributions()
    names = {name for module in list(sys.modules) for name in owners.get(module.partition(".")[0], ())}
    return {name: text for name, text in installed_packages().items() if name in names and name != "avbench"}


def _version_of(distribution: Distribution) -> str:
    try:
        commit = json.loads(distribution.read_text("direct_url.json") or "{}")["vcs_info"]["commit_id"]
    except (KeyError, OSError, TypeError, ValueError):
        return distribution.version
    return f"{distribution.version} @{commit}"


def machine() -> dict[str, Any]:
    """What the run ran on; no name of host or user."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": {
            name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        },
    }


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far, in MiB."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 2**10
    except (OSError, StopIteration, ValueError):
        pass
    # Not on Linux, where a new process starts with the peak of the one that started it.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def device_name(device: str) -> str | None:
    """Name of the accelerator that torch calls `device`; None for a processor, or where torch was not imported."""
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda") or not torch.cuda.is_available():
        return None
    try:
        return str(torch.cuda.get_device_name(device))
    except (AssertionError, RuntimeError, ValueError):  # a model may take names that torch does not know
        return None


@cache
def code_sha256() -> str:
    """Hash over the source that may change an answer though no version did; comments and docstrings do not count."""
    return answering_code_sha256(Path(__file__).parents[1], Path(base.__file__).parents[1])


def answering_code_sha256(benchmark: Path, preprocessing: Path) -> str:
    """Hash over the source that may change an answer, of any two folders with the sources of the areas."""
    rooms = [path for room in ANSWERING_ROOMS for path in (benchmark / room).rglob("*")]
    above = files_sha256(benchmark, (path for path in rooms if path.suffix in {".py", ".toml"}))
    below = files_sha256(preprocessing, (preprocessing / name for name in ANSWERING_FILES))
    return hashlib.sha256(f"{above}{below}".encode()).hexdigest()


def model_code_sha256(model: object) -> str | None:
    """Hash of the file that defines a model's class; of its methods in a notebook; None where there is no source."""
    try:
        source = inspect.getsourcefile(type(model))
    except TypeError:
        return None
    except OSError:  # typed in at a prompt or in a notebook
        return _methods_sha256(type(model))
    return hashlib.sha256(Path(source).read_bytes()).hexdigest() if source and Path(source).is_file() else None


def _methods_sha256(kind: type) -> str | None:
    methods = [method for method in vars(kind).values() if inspect.isfunction(method)]
    if not methods:
        return None
    try:
        return hashlib.sha256("".join(inspect.getsource(method) for method in methods).encode()).hexdigest()
    except OSError:
        return None


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout that this package runs from, and whether it was changed; None outside a checkout."""
    folder = Path(__file__).parent
    # An installed package may lie inside somebody's checkout without belonging to it.
    if _git(folder, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    difference = _git(folder, "diff", "HEAD", "--", ":/")
    status = _git(folder, "status", "--porcelain")
    if commit is None or difference is None or status is None:
        return None
    return {
        "commit": commit.strip(),
        "dirty": bool(status.strip()),
        "diff_sha256": hashlib.sha256(difference.encode()).hexdigest() if difference else None,
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - git is where the user has it
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
            errors="replace",
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
