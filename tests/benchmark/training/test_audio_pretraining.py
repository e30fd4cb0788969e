from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from audio_scenes import ARIA_MICS_M, clip_of, plane_wave
from avbench.benchmark.audio.azimuth_probe import (
    azimuth_error_deg,
    folded_azimuth_deg,
    in_last_groups,
    linear_probe_deg,
)
from avbench.benchmark.audio.grid import unit_direction
from avbench.benchmark.models.learned.binaural_pretraining import (
    EMBEDDING_SIZE,
    BinauralConfig,
    BinauralNetwork,
    difference_l1,
    ear_samples,
    embed,
    load_network,
    no_difference_l1,
    save_network,
)
from avbench.benchmark.training.config import STANDARD
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.recording.recording import ArrayKind

TINY = BinauralConfig(duration_s=0.25, width=8, n_fft=256, hop=128, levels=3)


@pytest.fixture(scope="module")
def ears() -> NDArray[np.float32]:
    """(24, 2, samples) of one source each, in free field, all around."""
    rng = np.random.default_rng(1)
    made = []
    for index, azimuth in enumerate(rng.uniform(-180.0, 180.0, 24)):
        sound = plane_wave(unit_direction(azimuth, 0.0), ARIA_MICS_M, seed=index, duration_s=TINY.duration_s, noise=0.1)
        heard = ear_samples(clip_of(sound, 16000, ARIA_MICS_M), TINY)
        assert heard is not None
        made.append(heard)
    return np.stack(made)


def l1(network: BinauralNetwork, ears: NDArray[np.float32], *, other_view: bool) -> tuple[float, float]:
    """Mean L1 of the network and of no difference."""
    asked = torch.from_numpy(ears)
    with torch.no_grad():
        found = difference_l1(network, asked, asked, torch.full((len(ears),), other_view))
        nothing = no_difference_l1(network, asked)
    assert found.shape == nothing.shape == (len(ears),)
    return float(found.mean()), float(nothing.mean())


def test_embeddings_do_not_depend_on_the_batch(ears: NDArray[np.float32]) -> None:
    network = BinauralNetwork(TINY).eval()
    left_right = ears[:7]
    together = embed(network, left_right)
    assert together.shape == (7, EMBEDDING_SIZE)
    np.testing.assert_allclose(embed(network, left_right, batch_size=2), together, atol=1e-5)
    assert embed(network, left_right[:0]).shape == (0, EMBEDDING_SIZE)
    assert np.isfinite(embed(network, np.zeros_like(left_right))).all()


def test_the_monaural_control_hears_no_difference() -> None:
    network = BinauralNetwork(replace(TINY, monaural=True)).eval()
    rng = np.random.default_rng(0)
    pair = rng.standard_normal((3, 2, TINY.samples)).astype(np.float32)
    np.testing.assert_allclose(embed(network, pair), embed(network, pair[:, ::-1].copy()), atol=1e-4)
    hears = BinauralNetwork(TINY).eval()
    assert np.abs(embed(hears, pair) - embed(hears, pair[:, ::-1].copy())).max() > 1e-2


def test_an_untrained_network_starts_from_no_difference_and_from_the_own_transfer(ears: NDArray[np.float32]) -> None:
    network = BinauralNetwork(TINY).eval()
    found, nothing = l1(network, ears, other_view=True)
    assert nothing > 0.1
    assert found == pytest.approx(nothing)
    found, nothing = l1(network, ears, other_view=False)
    assert found < 0.5 * nothing  # in free field the transfer tells nearly all
    # Ears of which one is half as loud: the difference is a third of the sum, and the mask says just so.
    noise = np.random.default_rng(0).standard_normal((2, 1, TINY.samples)).astype(np.float32)
    found, nothing = l1(network, np.concatenate([noise, 0.5 * noise], axis=1), other_view=False)
    assert found < 0.001 * nothing


def test_no_difference_against_a_spectrum_worked_out_by_hand() -> None:
    # The ears differ by an impulse, whose spectrum is flat but for the window over it.
    ears = np.zeros((1, 2, TINY.samples), dtype=np.float32)
    ears[0, 0, TINY.samples // 2] = 1.0
    network = BinauralNetwork(TINY).eval()
    window = torch.hann_window(TINY.n_fft)
    offsets = TINY.samples // 2 - torch.arange(TINY.samples // TINY.hop + 1) * TINY.hop + TINY.n_fft // 2
    inside = offsets[(offsets >= 0) & (offsets < TINY.n_fft)]
    height = float(window[inside].sum()) * 2.0 / TINY.n_fft**0.5
    # The mean of |cos| + |sin| over the circle is 4 / pi; two parts, and frames without the impulse, share it.
    expected = height * (4 / np.pi) / 2 / (TINY.samples // TINY.hop + 1)
    assert l1(network, ears, other_view=True)[1] == pytest.approx(expected, rel=0.02)
    assert l1(network, 0 * ears, other_view=False) == (0.0, 0.0)


def test_the_transfer_is_the_best_in_l1(ears: NDArray[np.float32]) -> None:
    # One frame in eight is a burst of another transfer: least squares would follow it, the median does not.
    network = BinauralNetwork(TINY).eval()
    rng = np.random.default_rng(3)
    total = rng.standard_normal((1, 40, 128)) + 1j * rng.standard_normal((1, 40, 128))
    transfer = np.where(np.arange(128) % 8 == 0, -1.5, 0.4 + 0.3j)
    left, right = (torch.from_numpy(0.5 * total * (1 + sign * transfer)).to(torch.complex64) for sign in (1, -1))
    found = network._transfer(left, right)
    assert found.shape == (1, 2, 40)
    assert torch.median((found[:, 0] - 0.4).abs()) < 0.1
    assert torch.median((found[:, 1] - 0.3).abs()) < 0.1
    silent = torch.zeros_like(left)
    assert torch.equal(network._transfer(silent, silent), torch.zeros(1, 2, 40))


@pytest.mark.parametrize("width", [4, 8])
def test_every_weight_of_the_network_is_trained(ears: NDArray[np.float32], width: int) -> None:
    torch.manual_seed(0)
    network = BinauralNetwork(replace(TINY, width=width))
    for last in (network.mask, network.steady):
        torch.nn.init.normal_(last.weight, std=0.1)  # they start from zero, and let nothing through
    pair = torch.from_numpy(ears[:4])
    difference_l1(network, pair, pair, torch.tensor([True, True, False, False])).mean().backward()
    idle = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.abs().any()]
    assert idle == []


def test_the_shipped_size_is_small() -> None:
    network = BinauralNetwork(STANDARD.binaural.network)
    assert 2 * sum(value.numel() for value in network.parameters()) < 1.5e6  # bytes in float16


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("duration_s", [0.1, 0.25, 0.6])
def test_ear_samples_have_one_length(rate: int, duration_s: float) -> None:
    sound = plane_wave([1.0, 0.0, 1.0], ARIA_MICS_M, sample_rate_hz=rate, duration_s=duration_s)
    ears = ear_samples(clip_of(sound, rate, ARIA_MICS_M), TINY)
    assert ears is not None
    assert ears.shape == (2, TINY.samples)
    assert ears.dtype == np.float32
    filled = np.flatnonzero(ears[0])
    assert abs((filled[0] + filled[-1]) / 2 - TINY.samples / 2) <= 2  # short sounds lie in the middle
    assert ear_samples(clip_of(sound, rate, None), TINY) is None
    assert ear_samples(None, TINY) is None
    assert ear_samples(clip_of(sound[:, :1], rate, None, ArrayKind.STEREO), TINY) is None


def test_a_network_comes_back_from_its_file(tmp_path: Path) -> None:
    network = BinauralNetwork(TINY).eval()
    path = tmp_path / "binaural.safetensors"
    save_network(path, network)
    back = load_network(path)
    assert back.config == TINY
    pair = np.random.default_rng(0).standard_normal((2, 2, TINY.samples)).astype(np.float32)
    np.testing.assert_array_equal(embed(back, pair), embed(network, pair))


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "x.safetensors"
    with pytest.raises(InputError, match="expected a safetensors file"):
        load_network(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="expected a safetensors file"):
        load_network(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="expected a binaural network"):
        load_network(path)
    save_file({"a": torch.zeros(1)}, path, metadata={"binaural_config": "{}"})
    with pytest.raises(InputError, match="expected the weights of this version"):
        load_network(path)


def test_the_probe_reads_an_azimuth_that_is_there_and_none_that_is_not() -> None:
    rng = np.random.default_rng(0)
    azimuth = rng.uniform(-180.0, 180.0, 300)
    rooms = [f"room {index // 4:02d}" for index in range(200)]
    angle = np.radians(azimuth)[:, None]
    hidden = np.hstack([np.cos(angle), np.sin(angle), np.ones((300, 1))]) @ rng.standard_normal((3, 20))
    hidden = hidden.astype(np.float32)
    exact = linear_probe_deg(hidden[:200], azimuth[:200], rooms, hidden[200:])
    assert exact.shape == (100,)
    assert np.median(azimuth_error_deg(exact, azimuth[200:])) < 2.0
    noise = rng.standard_normal((300, 20)).astype(np.float32)
    chance = linear_probe_deg(noise[:200], azimuth[:200], rooms, noise[200:])
    assert 65.0 < np.median(azimuth_error_deg(chance, azimuth[200:])) < 115.0  # 90 is blind guessing
    with pytest.raises(ValueError, match="at least 10 embeddings of 2 rooms"):
        linear_probe_deg(hidden[:5], azimuth[:5], rooms[:5], hidden[5:])
    with pytest.raises(ValueError, match="not 200 of 1"):
        linear_probe_deg(hidden[:200], azimuth[:200], ["one"] * 200, hidden[200:])


def test_the_last_groups_are_whole_and_at_least_one() -> None:
    groups = ["b", "a", "c", "a", "d", "e"]
    np.testing.assert_array_equal(in_last_groups(groups, 0.4), [False, False, False, False, True, True])
    np.testing.assert_array_equal(in_last_groups(groups, 0.01), [False, False, False, False, False, True])


def test_azimuths_are_compared_around_the_circle_and_folded_to_the_front() -> None:
    np.testing.assert_allclose(azimuth_error_deg([179.0, 0.0, -90.0], [-179.0, 180.0, 90.0]), [2.0, 180.0, 180.0])
    folded = folded_azimuth_deg([0.0, 30.0, 90.0, 150.0, 180.0, -150.0, -90.0, 210.0])
    np.testing.assert_allclose(folded, [0.0, 30.0, 90.0, 30.0, 0.0, -30.0, -90.0, -30.0], atol=1e-9)
