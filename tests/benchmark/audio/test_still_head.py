"""Sound of a head that stands still, as models hear it: the direction at the frame, and evaluations take it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="the simulator needs the extra avbench[simulate]")

from click.testing import CliRunner

from audio_scenes import clip_of
from avbench.benchmark.audio.features import direction_spectrum
from avbench.benchmark.audio.grid import peak_azimuth_deg, wrap_deg
from avbench.benchmark.data.dataset import open_dataset
from avbench.preprocessing.base.geometry import gravity_aligned_rotation
from avbench.preprocessing.cli.main import cli
from avbench.preprocessing.simulate.scene.world import RecordingSettings, World, make_world

RATE_HZ = 16000
LISTENER = """
import numpy as np
from avbench.benchmark.data.pair import PosePrediction


class Listener:
    \"\"\"Answers the identity and a direction that depends on how loud the sound is.\"\"\"

    def predict(self, pairs):
        assert all(pair.sound_a.samples.shape == (16000, 7) for pair in pairs)
        assert all(np.abs(pair.sound_b.samples).max() > 0.0 for pair in pairs)
        return [
            PosePrediction(np.eye(3), np.array([float(np.std(pair.sound_a.samples)), 0.0, 1.0])) for pair in pairs
        ]
"""


def azimuth_errors_deg(world: World, time_s: float) -> tuple[float, float, float]:
    """How far the loudest direction lies from the source's at a frame, in the clip around it.

    In the recording, with the head still as at the frame, and with the head still as at the beginning of the clip.
    """
    start = round(time_s * RATE_HZ) - RATE_HZ // 2
    T = world.motion.poses(time_s)
    R = T[:3, :3]
    up = R.T @ np.array([0.0, 0.0, 1.0])
    x, _, z = gravity_aligned_rotation(up) @ R.T @ (np.array(world.scene.sources[0].centre_m) - T[:3, 3])
    errors = []
    for sound in (
        world.sound(start, RATE_HZ),
        world.still_sound(start, RATE_HZ, time_s),
        world.still_sound(start, RATE_HZ, time_s - 0.5),
    ):
        azimuth = direction_spectrum(clip_of(sound / 32768.0, RATE_HZ, world.rig.mic_positions_m), up).azimuth
        assert azimuth is not None
        found = float(peak_azimuth_deg(azimuth.astype(np.float64)))
        errors.append(abs(float(wrap_deg(found - np.degrees(np.arctan2(x, z))))))
    return errors[0], errors[1], errors[2]


def test_the_peak_is_where_the_source_is_at_the_frame() -> None:
    found = []
    for index in range(6):
        world = make_world(RecordingSettings(3, "test", index, duration_s=3.0))
        world = replace(world, scene=replace(world.scene, sources=world.scene.sources[:1]))
        found += [azimuth_errors_deg(world, time_s) for time_s in (0.8, 1.5, 2.2)]
    moving, still, elsewhere = np.array(found).T
    print(f"median error: recording {np.median(moving):.1f}, still {np.median(still):.1f}, at the wrong pose "
          f"{np.median(elsewhere):.1f} deg")  # fmt: skip
    assert np.median(still) <= 4.0
    assert np.mean(still <= 10.0) >= 0.8
    assert np.median(still) <= np.median(moving) + 1.0
    # The measure does tell: a head that stands still where it was half a second earlier hears another direction.
    assert np.median(elsewhere) > 2.0 * np.median(still)
    assert np.mean(elsewhere <= 10.0) < 0.6


def test_an_evaluation_takes_it(tmp_path: Path) -> None:
    """Answers that do not listen score the same as on the recordings, pair by pair; answers that listen differ."""

    def run(*arguments: str | Path) -> None:
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output

    small = ("--recordings", "2", "--seconds", "3", "--size", "96x64", "--jobs", "1", "--split", "test")
    run("simulate", tmp_path / "recordings", *small)
    run("prepare", tmp_path / "recordings", "-o", tmp_path / "data", "--pairs-per-recording", "3", "--jobs", "1")
    source = ("--recordings", tmp_path / "recordings", "--jobs", "1")
    run("still", tmp_path / "data", *source, "-o", tmp_path / "still")
    listener = tmp_path / "listener.py"
    listener.write_text(LISTENER)
    for name in ("data", "still"):
        run("evaluate", tmp_path / name, "--model", f"{listener}:Listener", "-o", tmp_path / "runs" / name)
    recorded, still = (
        json.loads((tmp_path / "runs" / name / "score.json").read_text())["scores"][0] for name in ("data", "still")
    )
    assert recorded["metrics"]["rotation.mean_deg"]["value"] == still["metrics"]["rotation.mean_deg"]["value"]
    assert recorded["metrics"]["direction.mean_deg"]["value"] != still["metrics"]["direction.mean_deg"]["value"]
    datasets = [open_dataset(tmp_path / name) for name in ("data", "still")]
    assert datasets[0].fingerprint != datasets[1].fingerprint
    names = [dataset.table("test", ("pair_id",)).column("pair_id").to_pylist() for dataset in datasets]
    assert names[0] == names[1]
    assert len(names[0]) == 6
