"""What is published: complete packages, and metadata that agree with each other."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
AREAS = ("preprocessing", "benchmark", "leaderboards")
SINGLE_FILES = {
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "constraints.txt",
    "mkdocs.yml",
    "pyproject.toml",
}


@dataclass(frozen=True)
class Built:
    """Names of the files in a source distribution, in a wheel of the checkout, and in a wheel of the former."""

    sdist: set[str]
    wheel: set[str]
    wheel_of_sdist: set[str]
    metadata: str


def _build(source: Path, target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    return path


def _wheel_names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as wheel:
        return set(wheel.namelist())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the packages, is not installed: it comes with the extra avbench[dev]")
    folder = tmp_path_factory.mktemp("built")
    sdist = _build(ROOT, "sdist", folder / "sdist")
    wheel = _build(ROOT, "wheel", folder / "wheel")
    with tarfile.open(sdist) as archive:
        names = {member.name for member in archive.getmembers() if member.isfile()}
        archive.extractall(folder / "unpacked", filter="data")
    (top,) = (folder / "unpacked").iterdir()
    again = _build(top, "wheel", folder / "again")
    with zipfile.ZipFile(wheel) as opened:
        metadata = message_from_bytes(opened.read(f"avbench-{PROJECT['version']}.dist-info/METADATA")).as_string()
    return Built(
        {name.removeprefix(f"{top.name}/") for name in names}, _wheel_names(wheel), _wheel_names(again), metadata
    )


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(ROOT).parts)
    }


def test_the_source_distribution_holds_the_tree(built: Built) -> None:
    tree = set().union(*(_files(ROOT / folder) for folder in (*AREAS, "docs", "examples", "tests"))) | SINGLE_FILES
    assert tree - built.sdist == set()
    assert built.sdist - tree == {"PKG-INFO", ".gitignore"}


def test_the_wheel_holds_every_module_and_data_file_and_nothing_else(built: Built) -> None:
    package = {name.split("/", 1)[1] for area in AREAS for name in _files(ROOT / area / "avbench")}
    information = {name for name in built.wheel if ".dist-info/" in name}
    assert built.wheel - information == package
    assert {name.split(".dist-info/")[1] for name in information} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
    }
    for suffix in (".toml", ".json", ".html", ".css", ".js", ".safetensors", "/py.typed"):
        assert any(name.endswith(suffix) for name in package), suffix


def test_the_source_distribution_builds_the_same_wheel(built: Built) -> None:
    assert built.wheel_of_sdist == built.wheel


def test_what_is_published_names_where_to_find_the_project(built: Built) -> None:
    assert "Project-URL: Repository, https://github.com/avbench/avbench" in built.metadata
    assert "License-Expression: Apache-2.0" in built.metadata
    assert "License-File: LICENSE" in built.metadata


def test_the_citation_names_the_same_version_and_repository() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]


def test_every_python_that_is_named_is_tested() -> None:
    prefix = "Programming Language :: Python :: 3."
    named = [line.removeprefix(prefix) for line in PROJECT["classifiers"] if line.startswith(prefix)]
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in named]
    assert PROJECT["requires-python"] == f">=3.{named[0]}"


def test_a_release_is_built_checked_tried_and_published_without_a_password() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["test"]["needs"] == "build"
    assert jobs["publish"]["needs"] == "test"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in text
