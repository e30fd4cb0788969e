"""The trained models on real recordings, by the commands that a user gives.

These recordings are outside the training domain: a walk outdoors with a fisheye camera and stereo sound whose
microphone places are unknown, 0.3 s of glasses with sound, 0.2 s of glasses without. What comes out is printed and not
judged. Judged is that every pair is answered, and that `fusion` gives its silent answer where sound tells no direction.
None of them has a training split, so `identity` stands where `mean-motion` cannot.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.models.learned.inputs import sound_row
from avbench.benchmark.models.learned.model import LearnedModel
from avbench.benchmark.predictions.file import Predictions, Status, read_predictions
from avbench.benchmark.tables.scores import number, text_table
from avbench.preprocessing.cli.main import cli
from model_weights import WEIGHTS_VARIABLE, trained_weights

pytestmark = pytest.mark.slow

MODELS = ("identity", "sift", "vision", "fusion")
LEARNED = ("vision", "fusion")
GOPRO_RIG = """
licence = "Apache-2.0 OR MIT"
group = "path"

[camera]
width = 848
height = 480
fx = 405
fy = 405
cx = 424
cy = 240
distortion = "kannala_brandt"
coefficients = [0, 0, 0, 0]

[trajectory]
pose_source = "gpmf_orientation"
"""


def run(*arguments: str | Path) -> str:
    """One command, as it is typed after `avbench`."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def weights() -> Path:
    found = trained_weights()
    if found is None:
        pytest.skip(f"no weights are shipped, and {WEIGHTS_VARIABLE} names none")
    return found


def gopro(shared_data: Path, folder: Path) -> None:
    """315 frames of a walk; rotations from the camera's own telemetry, fused stereo sound."""
    recordings = folder / "recordings"
    recordings.mkdir()
    (recordings / "walk.mp4").symlink_to(shared_data / "gopro_max" / "max-heromode.mp4")
    (recordings / "walk.csv").symlink_to(shared_data / "gopro_max" / "orientation.csv")
    (recordings / "walk.toml").write_text(GOPRO_RIG)
    run("prepare", recordings, "-o", folder / "data", "--max-gap", "2", "--sampling", "uniform", "--split", "test")


def aria_gen2(shared_data: Path, folder: Path) -> None:
    """Three frames of glasses with seven microphones and 0.3 s of sound."""
    pytest.importorskip("pyvrs", reason="the extra avbench[aria] is not installed")
    source = shared_data / "aria_gen2" / "recording.vrs"
    run("prepare", source, "-o", folder / "data", "--allow-partial-audio", "--min-gap", "0.05", "--split", "test")


def aria_gen1(shared_data: Path, folder: Path) -> None:
    """Six frames of glasses with tracked poses and no sound."""
    pytest.importorskip("pyvrs", reason="the extra avbench[aria] is not installed")
    source = shared_data / "aria_gen1_adt"
    poses = ("--trajectory", source / "aria_trajectory.csv")
    run(
        *("prepare", source / "video.vrs", "-o", folder / "data", *poses),
        *("--audio", "optional", "--min-gap", "0.05", "--split", "test"),
    )


@pytest.mark.parametrize("prepare", [gopro, aria_gen2, aria_gen1])
def test_every_model_answers_real_pairs_and_hears_nothing_where_nothing_is_heard(
    weights: Path, shared_data: Path, tmp_path: Path, prepare: Callable[[Path, Path], None]
) -> None:
    prepare(shared_data, tmp_path)
    rows = []
    for model in MODELS:
        own = ("--weights", weights) if model in LEARNED else ()
        run("evaluate", tmp_path / "data", "--model", model, *own, "-o", tmp_path / model, "--no-report")
        (score,) = json.loads((tmp_path / model / "score.json").read_text())["scores"]
        names = ("rotation.mean_deg", "rotation.median_deg", "direction.mean_deg")
        figures = [score["metrics"][name]["value"] for name in names]
        rows.append([model, *(number(figure) for figure in figures), str(score["counts"]["pairs"])])
        predictions = read_predictions(tmp_path / model / "predictions.parquet")
        assert set(predictions.status) == {Status.OK}
        assert len(predictions.pair_id) == open_dataset(tmp_path / "data").pair_count("test") > 0
    headers = ("real, outside the training domain", "rot mean°", "rot med°", "dir mean°", "pairs")
    heard = compare_with_silence(weights, tmp_path / "data", read_predictions(tmp_path / "fusion/predictions.parquet"))
    print(f"{prepare.__name__}: {heard} pairs with sound that tells directions", file=sys.stderr)
    print(text_table(headers, rows), file=sys.stderr)
    if prepare is aria_gen1:
        assert heard == 0


def compare_with_silence(weights: Path, data: Path, fusion: Predictions) -> int:
    """Check the answers to pairs without usable sound; the number of the others."""
    answered = dict(zip(fusion.pair_id, fusion.rotation_a_b, strict=True))
    model = LearnedModel("fusion", weights=weights)
    heard = 0
    for pair in open_dataset(data).inputs("test"):
        if sound_row(pair)["sound"]:
            heard += 1
            continue
        (silent,) = model.predict([replace(pair, sound_a=None, sound_b=None)])
        np.testing.assert_allclose(answered[pair.pair_id], silent.rotation_a_b, atol=1e-4, err_msg=pair.pair_id)
    return heard
