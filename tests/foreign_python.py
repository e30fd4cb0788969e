"""Virtual environments that have NumPy and nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import numpy as np


def bare_environment(folder: Path) -> Path:
    """Make an environment without any package.

    Returns:
        Its interpreter.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def numpy_environment(folder: Path) -> Path:
    """Make an environment that has the NumPy of this process, and nothing else.

    Returns:
        Its interpreter.
    """
    python = bare_environment(folder)
    [site] = (folder / "lib").glob("python*/site-packages")
    here = Path(np.__file__).parents[1]
    for name in sorted({path.parts[0] for path in files("numpy") or () if path.parts[0] != ".."}):
        (site / name).symlink_to(here / name)
    return python
