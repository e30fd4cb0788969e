"""The weights that come with the package: whole, small, described, and worth shipping."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from avbench.benchmark.cli.evaluate import evaluate
from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.models.learned.bundle import load_bundle
from avbench.benchmark.models.learned.bundle_files import BUNDLE_NAME, SHIPPED, describe_bundle
from avbench.benchmark.training.config import HeadName
from avbench.preprocessing.cli.prepare import prepare
from avbench.preprocessing.cli.simulate import simulate

LARGEST_BYTES = 12_000_000
MODELS = ("vision", "audio", "fusion", "fusion-late")
BUNDLES = sorted(path.parent for path in SHIPPED.rglob(BUNDLE_NAME))


def test_all_of_them_are_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= LARGEST_BYTES


@pytest.mark.parametrize("folder", BUNDLES, ids=[str(folder.relative_to(SHIPPED)) for folder in BUNDLES])
def test_every_bundle_opens_and_has_a_card(folder: Path) -> None:
    bundle = load_bundle(folder)
    for module in bundle.parts().values():
        assert all(np.isfinite(value.numpy()).all() for value in module.state_dict().values())
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    content = describe_bundle(folder).content
    for fact in ("simulated", "Apache-2.0", content["facts"]["data"][:12], "avbench train", "seed"):
        assert fact in card
    # No path of the machine that trained them.
    assert not re.search(r"(?<![\w.:/])/\w+/", card + json.dumps(content))


def test_the_main_bundle_has_every_model() -> None:
    assert set(describe_bundle(SHIPPED).content["heads"]) == {HeadName.VISION, HeadName.FUSION, HeadName.FUSION_LATE}


def test_they_are_listed_without_torch() -> None:
    code = (
        "import sys, json; from click.testing import CliRunner; from avbench.benchmark.cli.models import models;"
        "out = CliRunner().invoke(models, ['--json']).stdout; assert 'torch' not in sys.modules; print(out)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    entries = {entry["name"]: entry for entry in json.loads(found.stdout)}
    for name in MODELS:
        assert entries[name]["weights"] == "shipped"
        assert entries[name]["parameters"] > 100_000
        assert entries[name]["licence"]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    for split, count in (("train", "3"), ("test", "5")):
        made = CliRunner().invoke(
            simulate, [str(folder / "raw"), "--recordings", count, "--split", split, "--seed", "41", "--jobs", "1"]
        )
        assert made.exit_code == 0, made.output
    options = ["-o", str(folder / "data"), "--pairs-per-recording", "8", "--min-gap", "0.5", "--size", "320"]
    prepared = CliRunner().invoke(prepare, [str(folder / "raw"), *options, "--jobs", "1"])
    assert prepared.exit_code == 0, prepared.output
    return folder / "data"


def test_they_beat_the_mean_motion_in_rooms_that_nobody_trained_on(rooms: Path, tmp_path: Path) -> None:
    rotation_deg = {}
    for model in ("mean-motion", *MODELS):
        run = CliRunner().invoke(evaluate, [str(rooms), "--model", model, "-o", str(tmp_path / model), "--no-report"])
        assert run.exit_code == 0, run.output
        scores = json.loads((tmp_path / model / "score.json").read_text(encoding="utf-8"))["scores"]
        assert [scores[0]["counts"][kind] for kind in ("error", "invalid", "missing")] == [0, 0, 0]
        rotation_deg[model] = scores[0]["metrics"]["rotation.mean_deg"]["value"]
    assert open_dataset(rooms).pair_count("test") == 40
    assert rotation_deg["vision"] < 0.5 * rotation_deg["mean-motion"]
    assert rotation_deg["fusion"] < 0.5 * rotation_deg["mean-motion"]
    assert rotation_deg["fusion-late"] < 0.7 * rotation_deg["mean-motion"]
    assert rotation_deg["audio"] < 0.9 * rotation_deg["mean-motion"]
