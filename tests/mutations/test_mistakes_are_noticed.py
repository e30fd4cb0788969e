"""Every mistake of the list, made in a copy of the sources, makes one of the tests fail that are named with it.

The copy is tested as it is first: a test that fails anyway notices nothing. Run with `make mutation`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mutations.mistake import AREAS, Mistake
from mutations.mistakes import MISTAKES as MISTAKES_AT_SEAMS
from mutations.mistakes_of_layouts import MISTAKES_OF_LAYOUTS

MISTAKES = (*MISTAKES_AT_SEAMS, *MISTAKES_OF_LAYOUTS)
REPOSITORY = Path(__file__).resolve().parents[2]
SOME_FAILED = 1  # pytest's exit code; 2 to 5 say that it did not come to run the tests

pytestmark = [pytest.mark.mutation, pytest.mark.timeout(1800)]


def run_tests(root: Path, tests: list[str]) -> subprocess.CompletedProcess[str]:
    """Run tests of a checkout, ending with the first that fails."""
    paths = os.pathsep.join(str(root / area) for area in AREAS)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", *tests],
        cwd=root,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources and tests, in which all the tests that are named pass."""
    root = tmp_path_factory.mktemp("copy")
    for name in (*AREAS, "tests", "docs"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "Makefile"):
        shutil.copyfile(REPOSITORY / name, root / name)
    result = run_tests(root, sorted({test for mistake in MISTAKES for test in mistake.tests}))
    assert result.returncode == 0, f"without a mistake:\n{result.stdout}{result.stderr}"
    return root


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_mistake_is_noticed(copy: Path, mistake: Mistake) -> None:
    path = mistake.path(copy)
    source = path.read_text(encoding="utf-8")
    path.write_text(mistake.made_in(source), encoding="utf-8")
    # What was compiled within the same second may pass for the new source.
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
    try:
        result = run_tests(copy, list(mistake.tests))
    finally:
        path.write_text(source, encoding="utf-8")
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
    assert result.returncode == SOME_FAILED, f"not noticed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}"
