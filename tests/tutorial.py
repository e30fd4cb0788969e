"""The tutorial's blocks, and a command that runs them with the avbench beside this Python: tutorial.py FOLDER [PAGE].

It needs nothing but the standard library and an installed avbench, so that a built wheel can be tried with it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tutorial.md"
MODEL_FILE = "my_model.py"


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def run_tutorial(folder: Path, page: Path = PAGE) -> None:
    """Run every command of the page in an empty folder, with the model of the page in it.

    Raises:
        subprocess.CalledProcessError: A command failed.
    """
    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_text(blocks(page, "python")[0], encoding="utf-8")
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for block in blocks(page, "bash"):
        for line in block.strip().splitlines():
            begun = time.monotonic()
            print(f"$ {line}", flush=True)
            subprocess.run(["bash", "-c", line], cwd=folder, env={**os.environ, "PATH": search}, check=True)
            print(f"  ({time.monotonic() - begun:.1f} s)", flush=True)


if __name__ == "__main__":
    run_tutorial(*(Path(word).absolute() for word in sys.argv[1:]))
