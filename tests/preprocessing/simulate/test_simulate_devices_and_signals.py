"""Rigs, source signals and furniture."""

from __future__ import annotations

import numpy as np
import pytest

from avbench.preprocessing.recording.recording import ArrayKind
from avbench.preprocessing.simulate.scene.furnish import draw_boxes, draw_room_size, draw_sources
from avbench.preprocessing.simulate.scene.rigs import ARIA_MICS_CPF_M, RigKind, aria_mic_positions_m, draw_rig
from avbench.preprocessing.simulate.scene.scene import SignalKind
from avbench.preprocessing.simulate.scene.seeds import stream
from avbench.preprocessing.simulate.sound.signals import make_signal

RATE = 16000


def test_aria_microphones_in_camera_axes() -> None:
    """Left of the camera is -x, the temples lie behind it; distances are those of the published positions."""
    positions = aria_mic_positions_m()
    left_temple, right_temple = positions[5], positions[6]
    # The RGB camera sits 5.6 cm left of the middle, so the right temple is 12.6 cm to its right.
    assert left_temple[0] == pytest.approx(-(0.069856 - 0.0560))
    assert right_temple[0] == pytest.approx(0.069822 + 0.0560)
    assert left_temple[2] < -0.09
    assert right_temple[2] < -0.09
    # Lower front microphones are below the upper ones (y down).
    assert positions[0, 1] > positions[4, 1]
    found = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    published = np.linalg.norm(ARIA_MICS_CPF_M[:, None] - ARIA_MICS_CPF_M[None], axis=-1)
    np.testing.assert_allclose(found, published, atol=1e-12)


def test_glasses_look_up_in_the_axes_of_a_camera_that_looks_down() -> None:
    """The level direction forward of the glasses lies 7.5 degrees above the camera's axis: y = -sin 7.5."""
    flat = ARIA_MICS_CPF_M.copy()
    forward_cpf = np.array([0.0, 0.0, 1.0])
    positions = aria_mic_positions_m()
    # The map is affine: find it by least squares and apply it to a direction.
    linear, *_ = np.linalg.lstsq(np.c_[flat, np.ones(7)], positions, rcond=None)
    forward = forward_cpf @ linear[:3]
    np.testing.assert_allclose(forward, [0.0, -np.sin(np.radians(7.5)), np.cos(np.radians(7.5))], atol=1e-9)


@pytest.mark.parametrize("kind", list(RigKind))
def test_every_rig(kind: RigKind) -> None:
    first, second = draw_rig(stream(0, "rig"), kind), draw_rig(stream(1, "rig"), kind)
    channels = int(kind.value.split("-")[1])
    assert first.mic_positions_m.shape == (channels, 3)
    assert np.abs(first.mic_positions_m).max() < 0.3
    distance = np.linalg.norm(first.mic_positions_m[:, None] - first.mic_positions_m[None], axis=-1)
    assert distance[~np.eye(channels, dtype=bool)].min() > 0.02
    assert not np.allclose(first.mic_positions_m, second.mic_positions_m)
    assert (first.array_kind is ArrayKind.BINAURAL) == (kind is RigKind.HEAD_2)
    if first.head_centre_m is not None:
        radius = np.linalg.norm(first.mic_positions_m - first.head_centre_m, axis=1)
        np.testing.assert_allclose(radius, first.head_radius_m)


def test_left_ear_comes_first() -> None:
    rig = draw_rig(stream(0, "ears"), RigKind.HEAD_2)
    assert rig.mic_positions_m[0, 0] < -0.05 < 0.05 < rig.mic_positions_m[1, 0]


@pytest.mark.parametrize("kind", list(SignalKind))
def test_every_signal_has_its_level_and_is_its_own(kind: SignalKind) -> None:
    signals = [make_signal(kind, stream(seed, "signal"), 4 * RATE, RATE) for seed in range(6)]
    for signal in signals:
        assert signal.shape == (4 * RATE,)
        assert signal.dtype == np.float32
        assert np.isfinite(signal).all()
        power = np.square(signal.astype(np.float64)).reshape(-1, 800).mean(axis=1)
        assert power[power > 10.0**-2.5 * power.max()].mean() == pytest.approx(1.0, rel=1e-3)
    correlation = np.corrcoef(signals)
    assert np.abs(correlation[~np.eye(6, dtype=bool)]).max() < 0.2
    np.testing.assert_array_equal(signals[0], make_signal(kind, stream(0, "signal"), 4 * RATE, RATE))


def test_speech_has_pauses_and_a_machine_runs() -> None:
    def quiet_share(kind: SignalKind) -> float:
        shares = []
        for seed in range(12):
            signal = make_signal(kind, stream(seed, "pauses"), 6 * RATE, RATE)
            power = np.square(signal).reshape(-1, 800).mean(axis=1)
            shares.append(np.mean(power < 1e-3))
        return float(np.mean(shares))

    assert 0.05 < quiet_share(SignalKind.SPEECH) < 0.5
    assert quiet_share(SignalKind.MACHINE) < 0.1


@pytest.mark.parametrize("samples", [400, 1600])
def test_short_signals_are_made_too(samples: int) -> None:
    for kind in SignalKind:
        assert np.isfinite(make_signal(kind, stream(0, "short"), samples, RATE)).all()


def test_furniture_and_sources_keep_clear_of_the_way() -> None:
    for seed in range(20):
        rng = stream(seed, "furniture")
        size = draw_room_size(rng)
        way = np.linspace([1.0, 1.0, 1.6], [size[0] - 1.0, size[1] - 1.0, 1.6], 30)
        boxes = draw_boxes(rng, size, way)
        assert 6 <= len(boxes) <= 13
        for box in boxes:
            cosine, sine = np.cos(np.radians(box.yaw_deg)), np.sin(np.radians(box.yaw_deg))
            x, y, z = (way - np.array(box.centre_m)).T
            local = np.stack([cosine * x + sine * y, cosine * y - sine * x, z], axis=-1)
            outside = (np.abs(local) > np.array(box.half_size_m)).any(axis=1)
            assert outside.all()
        for moving in (False, True):
            sources = draw_sources(rng, size, way, moving=moving)
            assert 1 <= len(sources) <= 5
            for source in sources:
                track = source.position_m(np.linspace(0.0, 20.0, 500))
                assert (track > 0.25).all()
                assert (track < np.array(size) - 0.25).all()
                assert source.moves == moving
                speed = np.linalg.norm(np.diff(track, axis=0), axis=1) / (20.0 / 499)
                assert speed.max() < 1.05
