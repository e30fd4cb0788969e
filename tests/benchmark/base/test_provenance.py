"""What a run's fingerprint of the code covers."""

import linecache
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import avbench.benchmark
import avbench.preprocessing
from avbench.benchmark.base.provenance import answering_code_sha256, code_sha256, model_code_sha256


@pytest.fixture
def areas(tmp_path: Path) -> Path:
    """A copy of the sources of the two areas that one may change."""
    ignored = shutil.ignore_patterns("__pycache__", "weights", "*.json")
    for package in (avbench.preprocessing, avbench.benchmark):
        source = Path(package.__path__[0])
        shutil.copytree(source, tmp_path / source.name, ignore=ignored)
    return tmp_path


def test_only_code_that_can_change_an_answer_changes_the_fingerprint(areas: Path) -> None:
    def changed(name: str, text: str) -> str:
        path = areas / name
        path.write_text(path.read_text() + text)
        return answering_code_sha256(areas / "benchmark", areas / "preprocessing")

    seen = {answering_code_sha256(areas / "benchmark", areas / "preprocessing")}
    assert seen == {code_sha256()}
    for name in ("benchmark/report/page.py", "benchmark/scoring/score.py", "preprocessing/media/video.py"):
        assert changed(name, "\nCHANGED = 1\n") in seen
    for name in ("benchmark/running/run.py", "preprocessing/base/geometry.py"):
        assert changed(name, "\n# a comment\n") in seen
    names = (
        "benchmark/running/run.py",
        "benchmark/models/classical.py",
        "benchmark/audio/srp.py",
        "benchmark/conditions/corruptions/blur.py",
        "benchmark/conditions/corruptions/suites/standard.toml",
        "benchmark/data/dataset.py",
        "preprocessing/base/geometry.py",
        "preprocessing/format/picture.py",
    )
    for name in names:
        seen.add(changed(name, "\nCHANGED = 1\n"))
    assert len(seen) == 1 + len(names)


def _typed_in(source: str, name: str) -> object:
    """An object of the class that a cell of a notebook defines."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), space)  # noqa: S102 - as a notebook does
    return space["Mine"]()


def test_a_class_of_a_notebook_has_the_hash_of_its_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    source = "class Mine:\n    def predict(self, pairs):\n        return []\n"
    first = model_code_sha256(_typed_in(source, "<cell 1>"))
    assert first is not None
    assert first == model_code_sha256(_typed_in("# as before\n" + source, "<cell 2>"))
    assert first != model_code_sha256(_typed_in(source.replace("[]", "[None]"), "<cell 3>"))
    assert model_code_sha256(_typed_in("class Mine:\n    revision = 2\n", "<cell 4>")) is None
