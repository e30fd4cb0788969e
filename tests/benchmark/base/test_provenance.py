"""What a run's fingerprint of the code covers."""

import shutil
from pathlib import Path

import pytest

import avbench.benchmark
import avbench.preprocessing
from avbench.benchmark.base.provenance import answering_code_sha256, code_sha256


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
