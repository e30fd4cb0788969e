"""The notebooks of examples/ run from the first cell to the last, and are committed without what they print."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
MOST_SECONDS_A_CELL = 300


def _executed(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """All text that the cells show."""
    for package in ("nbclient", "ipykernel", "numba"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package}, which this notebook needs, is not installed: it comes with the extra avbench[dev]")
    import nbformat
    from nbclient import NotebookClient

    # Commands after "!" are found beside this Python; temporary folders lie in the test's own.
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=MOST_SECONDS_A_CELL, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return "\n".join(_text(output) for cell in notebook.cells for output in cell.get("outputs", ()))


def _text(output: Any) -> str:
    data = output.get("data", {})
    return str(output.get("text") or data.get("text/markdown") or data.get("text/plain") or "")


def test_from_a_clip_to_a_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _executed(EXAMPLES / "clip_to_board.ipynb", tmp_path, monkeypatch)
    assert "72 of test" in shown
    assert "refused: {}" in shown
    [folder] = tmp_path.glob("avbench-*")
    assert "picture-shift" in (folder / "report.html").read_text(encoding="utf-8")
    ranking = [line.split("|")[1:3] for line in shown.splitlines() if line.startswith(("| sift", "| picture-shift"))]
    assert [[cell.strip() for cell in row] for row in ranking] == [["sift", "1"], ["picture-shift", "2"]]


def test_two_models_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _executed(EXAMPLES / "compare_two_models.ipynb", tmp_path, monkeypatch)
    assert "50 of test" in shown
    assert "few effective groups" in shown
    assert shown.count("<Figure size") == 4
    [share] = re.findall(r"fusion is better on (\d+)% of the pairs with one frame black", shown)
    assert int(share) > 50


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_without_outputs(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat comes with the extra avbench[dev]")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
