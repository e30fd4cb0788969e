"""Which rows a reference table has: models, silence, variants of a bundle, and what is compared."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from avbench.benchmark.conditions.condition import CLEAN
from avbench.benchmark.models.learned.bundle_files import BUNDLE_NAME, BUNDLE_VERSION
from avbench.benchmark.reference.answers import run_folder
from avbench.benchmark.reference.plan import Row, contrasts, plan_rows
from avbench.benchmark.reference.variants import find_variants
from avbench.preprocessing.base.errors import InputError


def _digest(name: str) -> str:
    """A hash that stands for a file of this name."""
    return hashlib.sha256(name.encode()).hexdigest()


def _part(name: str) -> dict[str, Any]:
    return {"config": {}, "weights": "part.safetensors", "sha256": _digest(name)}


def write_bundle(
    folder: Path,
    *,
    backbone: str = "tiny",
    sound: str | None = "s",
    up: bool = True,
    control: bool = False,
    **heads: str,
) -> Path:
    """The description of a bundle; weights are told apart by their hashes alone."""
    content: dict[str, Any] = {
        "version": BUNDLE_VERSION,
        "uses_up": up,
        "metric": True,
        "backbone": {"kind": backbone, "sha256": _digest("b")},
        "heads": {name.replace("_", "-"): _part(value) | {"type": "gated"} for name, value in heads.items()},
        "facts": {"control": control},
    }
    content |= {} if sound is None else {"sound": _part(sound), "binaural": _part("n")}
    folder.mkdir(parents=True)
    (folder / BUNDLE_NAME).write_text(json.dumps(content))
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = write_bundle(tmp_path / "bundle", vision="v", fusion="f", fusion_late="l")
    write_bundle(folder / "head-seed-1", vision="v1", fusion="f1", fusion_late="l1")
    write_bundle(folder / "head-seed-1" / "fusion-shuffled", control=True, fusion="fs1")
    write_bundle(folder / "control", control=True, fusion="fs")
    write_bundle(folder / "directions", sound="d", vision="v", fusion="fd", fusion_late="l")
    write_bundle(folder / "no-up", up=False, vision="vn", fusion="fn", sound="sn")
    write_bundle(folder / "copy", vision="v", fusion="f", fusion_late="l")
    # A training run keeps its work beside the bundle; a bundle inside a folder that is none is no variant.
    write_bundle(folder / "work" / "stages", vision="other")
    return folder


def plan(*models: str, weights: Path | None = None, **options: Any) -> tuple[list[Row], list[str]]:
    said: list[str] = []
    return plan_rows(models, weights, say=said.append, **options), said


def test_variants_are_found_with_the_models_that_are_their_own(bundle: Path) -> None:
    found = {variant.name: variant.models for variant in find_variants(bundle)}
    assert found == {
        "control": ("fusion",),
        "directions": ("audio", "fusion"),
        "head-seed-1": ("vision", "fusion", "fusion-late"),
        "head-seed-1/fusion-shuffled": ("fusion",),
        "no-up": ("vision", "audio", "fusion"),
    }


def test_the_rows_are_the_default_models_silence_and_the_variants(bundle: Path) -> None:
    rows, said = plan(weights=bundle)
    assert [row.name for row in rows] == [
        *("mean-motion", "sift", "vision", "audio", "audio+silence", "fusion", "fusion+silence", "fusion-late"),
        *("fusion@control", "audio@directions", "fusion@directions"),
        *("vision@head-seed-1", "fusion@head-seed-1", "fusion-late@head-seed-1"),
        *("fusion@head-seed-1/fusion-shuffled", "vision@no-up", "audio@no-up", "fusion@no-up"),
        *("vision+without-up", "audio+without-up", "fusion+without-up", "fusion+silence+without-up"),
        "fusion@directions+without-up",
    ]
    assert said == []
    assert [row.name for row in plan(weights=bundle, variants=False)[0]] == [row.name for row in rows[:8]]
    by_name = {row.name: row for row in rows}
    assert by_name["sift"].entry.weights_path is None
    assert by_name["fusion@control"].entry.weights_path == bundle / "control"
    assert by_name["fusion@control"].entry.revision != by_name["fusion"].entry.revision
    # Predictions carry the name of the row, and every run has a folder of its own.
    assert {row.entry.name for row in rows} == set(by_name)
    assert run_folder("fusion@head-seed-1/fusion-shuffled") == "fusion@head-seed-1-fusion-shuffled"
    assert by_name["fusion"].condition(CLEAN) is CLEAN
    assert by_name["fusion+silence"].condition(CLEAN).name == "probe-mute"
    assert by_name["fusion+without-up"].condition(CLEAN).name == "without-up"
    assert by_name["fusion+silence+without-up"].condition(CLEAN).name == "without-up+probe-mute"


def test_what_listens_is_compared_with_the_pictures_of_its_own_variant(bundle: Path) -> None:
    found = {one.name: one.over_pictures for one in contrasts(plan(weights=bundle)[0])}
    assert found == {
        "fusion - vision": True,
        "fusion - fusion-late": False,
        "fusion+silence - vision": True,
        "fusion-late - vision": True,
        "fusion+without-up - vision+without-up": True,
        "fusion+silence+without-up - vision+without-up": True,
        "fusion@directions+without-up - vision+without-up": True,
        "fusion@control - vision": True,
        "fusion@directions - vision": True,
        "fusion@head-seed-1 - vision@head-seed-1": True,
        "fusion@head-seed-1 - fusion-late@head-seed-1": False,
        "fusion-late@head-seed-1 - vision@head-seed-1": True,
        "fusion@head-seed-1/fusion-shuffled - vision": True,
        "fusion@no-up - vision@no-up": True,
    }
    assert contrasts(plan("sift", "fusion", weights=bundle, variants=False)[0]) == []


def test_what_the_bundle_does_not_hold_is_left_out_and_said(tmp_path: Path) -> None:
    sees = write_bundle(tmp_path / "sees", vision="v", sound=None)
    rows, said = plan(weights=sees, can_fit=False)
    assert [row.name for row in rows] == ["sift", "vision", "vision+without-up"]
    assert [line.split(" is left out")[0] for line in said] == ["mean-motion", "audio", "fusion", "fusion-late"]
    assert "name a data set by --training-data" in said[0]
    # What is asked for by name is not left out quietly.
    assert [row.name for row in plan("mean-motion", weights=sees, can_fit=False)[0]] == ["mean-motion"]


def test_models_on_another_backbone_have_its_name(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "big", backbone="reloc3r", vision="v", fusion="f", fusion_late="l")
    write_bundle(folder / "control", backbone="reloc3r", control=True, fusion="fs")
    rows, _ = plan(weights=folder)
    assert [row.name for row in rows[2:]] == [
        *("vision:reloc3r", "audio", "audio+silence", "fusion:reloc3r", "fusion:reloc3r+silence"),
        *("fusion-late:reloc3r", "fusion:reloc3r@control"),
        *("vision:reloc3r+without-up", "audio+without-up"),
        *("fusion:reloc3r+without-up", "fusion:reloc3r+silence+without-up"),
    ]
    assert contrasts(rows)[0].name == "fusion:reloc3r - vision:reloc3r"
    assert run_folder(rows[8].name) == "fusion-reloc3r@control"


def test_mistakes_are_told_in_one_line(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="models: found fusion twice"):
        plan("fusion", "sift", "fusion", weights=bundle)
    with pytest.raises(InputError, match="did you mean"):
        plan("fusoin", weights=bundle)
    with pytest.raises(InputError, match=r"found no bundle\.json"):
        plan(weights=tmp_path)
    (bundle / "control" / BUNDLE_NAME).write_text("{")
    with pytest.raises(InputError, match=r"control/bundle\.json: found no readable JSON"):
        plan(weights=bundle)
