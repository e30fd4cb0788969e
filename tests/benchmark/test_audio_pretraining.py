from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_scenes import ARIA_MICS_M, Room, clip_of, plane_wave, rotation_world_camera, voice_like
from avbench.benchmark.audio.azimuth_probe import LabelledExamples, evaluate_pretraining, linear_probe_error_deg
from avbench.benchmark.audio.binaural_pretraining import (
    EMBEDDING_SIZE,
    BinauralConfig,
    BinauralExamples,
    BinauralNetwork,
    PretrainingSettings,
    clip_embedding,
    difference_error,
    ear_samples,
    embed,
    examples_from_pairs,
    load_network,
    pretrain,
    save_network,
)
from avbench.benchmark.audio.grid import unit_direction
from avbench.benchmark.model_api import PairInput
from avbench.preprocessing.errors import InputError
from avbench.preprocessing.recording import ArrayKind

TINY = BinauralConfig(duration_s=0.25, width=8, n_fft=256, hop=128, levels=3)
QUICK = PretrainingSettings(epochs=8, batch_size=8, learning_rate=2e-3)


def free_field(seed: int, count: int, config: BinauralConfig) -> LabelledExamples:
    """One source in free field; the head turns between the frames."""
    rng = np.random.default_rng(seed)
    azimuths = rng.uniform(-180.0, 180.0, count)
    turned = azimuths - rng.normal(0.0, 28.0, count)
    frames = [
        np.stack([_ears(unit_direction(a, rng.uniform(-15, 15)), int(rng.integers(2**31)), config) for a in frame])
        for frame in (azimuths, turned)
    ]
    return LabelledExamples(BinauralExamples(frames[0], frames[1]), azimuths, turned)


def _ears(direction: np.ndarray, seed: int, config: BinauralConfig) -> np.ndarray:
    sound = plane_wave(direction, ARIA_MICS_M, seed=seed, duration_s=config.duration_s, noise=0.1)
    ears = ear_samples(clip_of(sound, 16000, ARIA_MICS_M), config)
    assert ears is not None
    return ears


@pytest.fixture(scope="module")
def examples() -> LabelledExamples:
    return free_field(1, 120, TINY)


def test_it_learns_where_sounds_are_and_one_ear_does_not(examples: LabelledExamples) -> None:
    report = evaluate_pretraining(examples, free_field(2, 40, TINY), TINY, QUICK)
    print(report)
    assert report.losses[-1] < report.losses[0]
    assert report.own_view.gain > 0.1
    assert report.other_view.gain > 0.0  # the harder half; the proof in rooms asks for more
    assert report.binaural_median_deg < 0.8 * report.monaural_median_deg


def test_the_same_seed_gives_the_same_weights_and_leaves_global_randomness_alone(examples: LabelledExamples) -> None:
    once = replace(QUICK, epochs=1)
    before = torch.random.get_rng_state()
    first, second = (pretrain(examples.examples, TINY, once) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.losses == second.losses
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)
    other = pretrain(examples.examples, TINY, replace(once, seed=1))
    assert other.losses != first.losses


def test_embeddings_do_not_depend_on_the_batch(examples: LabelledExamples) -> None:
    network = BinauralNetwork(TINY).eval()
    left_right = examples.examples.first[:7]
    together = embed(network, left_right)
    assert together.shape == (7, EMBEDDING_SIZE)
    np.testing.assert_allclose(embed(network, left_right, batch_size=2), together, atol=1e-5)
    assert embed(network, left_right[:0]).shape == (0, EMBEDDING_SIZE)
    assert np.isfinite(embed(network, np.zeros_like(left_right))).all()


def test_a_clip_has_the_embedding_of_its_ears() -> None:
    network = BinauralNetwork(TINY).eval()
    clip = clip_of(plane_wave([1.0, 0.0, 1.0], ARIA_MICS_M), 16000, ARIA_MICS_M)
    ears = ear_samples(clip, TINY)
    assert ears is not None
    embedding = clip_embedding(network, clip)
    assert embedding is not None
    np.testing.assert_array_equal(embedding, embed(network, ears[None])[0])
    assert clip_embedding(network, None) is None


def test_the_monaural_control_hears_no_difference() -> None:
    network = BinauralNetwork(replace(TINY, monaural=True)).eval()
    rng = np.random.default_rng(0)
    pair = rng.standard_normal((3, 2, TINY.samples)).astype(np.float32)
    np.testing.assert_allclose(embed(network, pair), embed(network, pair[:, ::-1].copy()), atol=1e-4)
    hears = BinauralNetwork(TINY).eval()
    assert np.abs(embed(hears, pair) - embed(hears, pair[:, ::-1].copy())).max() > 1e-2


def test_an_untrained_network_starts_from_no_difference_and_from_the_own_transfer(examples: LabelledExamples) -> None:
    network = BinauralNetwork(TINY).eval()
    error = difference_error(network, examples.examples, other_view=True, batch_size=7)
    assert error.zero_l1 > 0.1
    assert error.l1 == pytest.approx(error.zero_l1)
    assert error.gain == pytest.approx(0.0, abs=1e-6)
    assert difference_error(network, examples.examples, other_view=False).gain > 0.1
    # Ears of which one is half as loud: the difference is a third of the sum, and the mask says so.
    noise = np.random.default_rng(0).standard_normal((2, 1, TINY.samples)).astype(np.float32)
    louder = np.concatenate([noise, 0.5 * noise], axis=1)
    scaled = difference_error(network, BinauralExamples(louder, louder), other_view=False)
    assert scaled.l1 < 0.06 * scaled.zero_l1  # tanh bends a third by a hundredth
    # By hand: the ears differ by an impulse, whose spectrum is flat but for the window over it.
    ears = np.zeros((1, 2, TINY.samples), dtype=np.float32)
    ears[0, 0, TINY.samples // 2] = 1.0
    error = difference_error(network, BinauralExamples(ears, ears), other_view=True)
    window = torch.hann_window(TINY.n_fft)
    offsets = TINY.samples // 2 - torch.arange(TINY.samples // TINY.hop + 1) * TINY.hop + TINY.n_fft // 2
    inside = offsets[(offsets >= 0) & (offsets < TINY.n_fft)]
    height = float(window[inside].sum()) * 2.0 / TINY.n_fft**0.5
    # The mean of |cos| + |sin| over the circle is 4 / pi; two parts, and frames without the impulse, share it.
    expected = height * (4 / np.pi) / 2 / (TINY.samples // TINY.hop + 1)
    assert error.zero_l1 == pytest.approx(expected, rel=0.02)
    silent = difference_error(network, BinauralExamples(0 * ears, 0 * ears), other_view=False)
    assert silent.gain == 0.0


def pair_of(sound_a: np.ndarray | None, sound_b: np.ndarray | None, rate: int = 16000) -> PairInput:
    clips = [None if s is None else clip_of(s, rate, ARIA_MICS_M) for s in (sound_a, sound_b)]
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    return PairInput("p", image, image, np.eye(3), clips[0], clips[1], None, None)


def test_examples_come_from_pairs_with_ears_in_both_frames() -> None:
    sound = plane_wave([1.0, 0.0, 1.0], ARIA_MICS_M)
    made = examples_from_pairs([pair_of(sound, sound), pair_of(sound, None), pair_of(0 * sound, sound)], TINY)
    assert made.first.shape == made.second.shape == (1, 2, TINY.samples)
    assert np.sqrt((made.first**2).mean()) == pytest.approx(1.0, rel=1e-4)
    with pytest.raises(ValueError, match="no pair has a left-right pair"):
        examples_from_pairs([pair_of(None, None)], TINY)
    with pytest.raises(ValueError, match="two arrays"):
        BinauralExamples(made.first, made.second[:, :1])


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
    angle = np.radians(azimuth)[:, None]
    hidden = np.hstack([np.cos(angle), np.sin(angle), np.ones((300, 1))]) @ rng.standard_normal((3, 20))
    hidden = hidden.astype(np.float32)
    exact = linear_probe_error_deg(hidden[:200], azimuth[:200], hidden[200:], azimuth[200:])
    assert np.median(exact) < 2.0
    noise = rng.standard_normal((300, 20)).astype(np.float32)
    chance = linear_probe_error_deg(noise[:200], azimuth[:200], noise[200:], azimuth[200:])
    assert 65.0 < np.median(chance) < 115.0  # 90 is blind guessing
    with pytest.raises(ValueError, match="at least 10"):
        linear_probe_error_deg(hidden[:5], azimuth[:5], hidden[5:], azimuth[5:])


@pytest.mark.slow
def test_pretraining_in_rooms_rendered_by_pyroomacoustics() -> None:
    """Held-out rooms: the difference and the azimuth probe keep the margins that the features are meant to have."""
    torch.set_num_threads(1)
    config = BinauralConfig(duration_s=0.5, width=8)

    def rooms(seed: int, count: int) -> LabelledExamples:
        rng = np.random.default_rng(seed)
        frames: list[list[np.ndarray]] = [[], []]
        azimuths: list[list[float]] = [[], []]
        for index in range(count):
            room = Room(rng, rt60_s=0.3)
            yaw = rng.uniform(-180.0, 180.0)
            for frame, heading in enumerate((yaw, yaw + rng.normal(0.0, 28.0))):
                sound = room.record(
                    voice_like(rng, 16000, 16000), ARIA_MICS_M, rotation_world_camera(heading), 20.0, index
                )
                ears = ear_samples(clip_of(sound, 16000, ARIA_MICS_M), config)
                assert ears is not None
                frames[frame].append(ears)
                azimuths[frame].append(room.azimuth_deg(heading))
        made = BinauralExamples(np.stack(frames[0]), np.stack(frames[1]))
        return LabelledExamples(made, np.array(azimuths[0]), np.array(azimuths[1]))

    report = evaluate_pretraining(rooms(1, 300), rooms(2, 100), config, PretrainingSettings(epochs=8, batch_size=16))
    print(report)
    assert report.own_view.gain >= 0.10
    # Even the true direction predicts only 1 % of another view's difference here: it must do no harm.
    assert report.other_view.gain >= -0.02
    assert report.binaural_median_deg <= 0.8 * report.monaural_median_deg
