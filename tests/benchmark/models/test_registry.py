"""Finding models: by name, from packages, from files; nothing imported before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from avbench.benchmark.data.pair import Modality, Model
from avbench.benchmark.models import registry
from avbench.benchmark.models.entry import ModelEntry
from avbench.benchmark.models.loading import load_model
from avbench.benchmark.models.registry import BUILT_IN, find_model, list_models
from avbench.preprocessing.base.errors import AvbenchError, InputError

OFFERED = ModelEntry("offered", "avbench.benchmark.models.baselines:Identity", "from a package", frozenset())
TAKEN = ModelEntry("sift", "elsewhere:Sift", "another sift", frozenset())


def offer(monkeypatch, *names: str) -> None:
    points = [EntryPoint(name, f"{__name__}:{name}", registry.ENTRY_POINT_GROUP) for name in names]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == registry.ENTRY_POINT_GROUP else [])
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or __import__("types").ModuleType(__name__))
    for name in names:
        monkeypatch.setattr(sys.modules[__name__], name, globals()[name], raising=False)


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda entry: entry.name)
def test_every_built_in_model_loads_and_says_what_it_is(entry):
    assert entry.description
    assert entry.licence
    assert find_model(entry.name) is entry
    if not entry.needs or entry.needs == ("training split",):
        assert isinstance(load_model(entry), Model)


def test_names_are_unique():
    names = [entry.name for entry in list_models()]
    assert len(set(names)) == len(names)


def test_listing_imports_neither_torch_nor_any_model():
    heavy = "{'torch', 'cv2', 'poselib', 'avbench.benchmark.models.classical', 'avbench.benchmark.models.baselines'}"
    code = (
        "import sys; from click.testing import CliRunner; from avbench.benchmark.cli.models import models;"
        "result = CliRunner().invoke(models); assert result.exit_code == 0, result.output;"
        f"assert 'sift' in result.output; print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_name_is_refused_with_the_closest_ones():
    with pytest.raises(InputError, match="did you mean mean-motion"):
        find_model("mean_motion")
    with pytest.raises(InputError, match=r"no model of this name, expected one of identity"):
        find_model("zzz")


def test_a_package_offers_a_model(monkeypatch):
    offer(monkeypatch, "OFFERED")
    assert find_model("offered") is OFFERED
    assert isinstance(load_model(find_model("offered")), Model)


def test_a_taken_name_and_a_wrong_offer_are_refused(monkeypatch):
    offer(monkeypatch, "TAKEN")
    with pytest.raises(AvbenchError, match=r"'sift' is taken by avbench.benchmark.models.classical"):
        list_models()
    offer(monkeypatch, "offer")
    with pytest.raises(AvbenchError, match="found function, expected a ModelEntry"):
        list_models()


def test_an_offer_that_cannot_be_imported_is_refused(monkeypatch):
    points = [EntryPoint("gone", "no_such_package_at_all:ENTRY", registry.ENTRY_POINT_GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    with pytest.raises(AvbenchError, match=r"gone = no_such_package_at_all:ENTRY .* cannot be loaded"):
        list_models()


def write_model(tmp_path: Path, body: str, name: str = "my_model.py") -> Path:
    path = tmp_path / name
    path.write_text(body)
    return path


PLAIN = """
import numpy as np
from helper_beside_it import FACTOR
class Mine:
    modalities = ("vision",)
    def __init__(self, device="none"):
        self.device = device
    def predict(self, pairs):
        return []
class Everything:
    def predict(self, pairs):
        return []
class NoModel:
    pass
class Breaks(Everything):
    def __init__(self):
        raise RuntimeError("no weights here")
"""


def test_a_class_in_a_file_is_a_model(tmp_path: Path):
    write_model(tmp_path, "FACTOR = 2\n", "helper_beside_it.py")
    path = write_model(tmp_path, PLAIN)
    entry = find_model(f"{path}:Mine")
    assert entry.name == "my_model.py:Mine"
    assert entry.modalities == {Modality.VISION}
    assert load_model(entry, device="cuda:1").device == "cuda:1"
    assert find_model(f"{path}:Everything").modalities == frozenset(Modality)
    assert isinstance(load_model(find_model(f"{path}:Everything"), device="cpu"), Model)


def test_the_revision_of_a_file_is_its_content(tmp_path: Path):
    first = write_model(tmp_path, "class M:\n    def predict(self, pairs): return []\n", "one.py")
    second = write_model(tmp_path, "class M:\n    def predict(self, pairs): return [1]\n", "two.py")
    assert find_model(f"{first}:M").revision != find_model(f"{second}:M").revision


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        (":Nothing", "found no class 'Nothing', expected one of Breaks, Everything, Mine"),
        (":", "found no class name, expected one of"),
    ],
)
def test_a_wrong_class_name_lists_the_right_ones(tmp_path: Path, suffix, message):
    write_model(tmp_path, "FACTOR = 2\n", "helper_beside_it.py")
    with pytest.raises(InputError, match=message):
        find_model(f"{write_model(tmp_path, PLAIN)}{suffix}")


def test_files_that_are_no_model_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        find_model(f"{tmp_path}/none.py:M")
    with pytest.raises(InputError, match=r"found ModuleNotFoundError: No module named 'zzz'.*on import"):
        find_model(f"{write_model(tmp_path, 'import zzz', 'bad.py')}:M")
    with pytest.raises(InputError, match="found SyntaxError"):
        find_model(f"{write_model(tmp_path, 'class M(', 'worse.py')}:M")
    write_model(tmp_path, "FACTOR = 2\n", "helper_beside_it.py")
    path = write_model(tmp_path, PLAIN)
    with pytest.raises(InputError, match="no method predict"):
        load_model(find_model(f"{path}:NoModel"))
    with pytest.raises(InputError, match=r"RuntimeError: no weights here \(my_model.py:\d+\) on building it"):
        load_model(find_model(f"{path}:Breaks"))
    odd = write_model(tmp_path, "class M:\n    modalities = ['smell']\n    def predict(self, p): ...\n", "odd.py")
    with pytest.raises(InputError, match=r"modalities: found \['smell'\], expected some of vision"):
        find_model(f"{odd}:M")
