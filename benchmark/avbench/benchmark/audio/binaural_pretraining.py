"""Binaural pre-training: a network learns where sounds are by turning a mono mix into two ears.

The pretext task (SLfM: Chen, Qian and Owens, ICCV 2023): given the left-right pair of one view and only the mono mix of
a view, predict that view's left-right difference. The mono mix says what sounds there are; where they are must come
through the pair's embedding. Half of the examples take the mono mix of the *other* frame of the pair, so that the
embedding cannot pass the signal itself on. No picture takes part, in training or later, so none can leak into a cached
feature.

    encoder    transfer from the sum to the difference of the pair, pooled over time, and convolutions over levels and
               phase difference, pooled -> 512 numbers
    U-Net      mono spectrogram, modulated by them -> complex mask -> difference = mask * mono
    embedding  the 512 numbers and the U-Net's pooled bottleneck (512), of one clip's own pair and mix: 1024 numbers

In a room most of the difference is reverberation. In simulated rooms of RT60 0.3 s, a mask made of the true direction
removes 1 % of it, the best mask that is smooth over 150 Hz removes 9 %, and the best mask of each bin 16 to 24 %. What
can be predicted is the room's transfer bin by bin, so the encoder keeps that at full resolution up to 3 kHz. For the
other view, whose transfer is another one, little more than the direction remains to be learned.

Normalisation is per example (GroupNorm): statistics over the batch did worse on unseen rooms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from math import gcd
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from scipy.signal import resample_poly
from torch import Tensor, nn

from avbench.benchmark.audio.binaural import NoBinaural, ear_signals
from avbench.benchmark.model_api import PairInput, SoundClip
from avbench.preprocessing.atomic import atomic_path
from avbench.preprocessing.errors import InputError

EMBEDDING_SIZE = 1024
"""Length of the binaural feature, as in the published model."""

_CONFIG_KEY = "binaural_config"
_MOST_TRANSFER_BINS = 192
"""Bins whose transfer is part of the code: 3 kHz in the default configuration, complex, three quarters of the code."""


@dataclass(frozen=True)
class BinauralConfig:
    """Shape of the network.

    Attributes:
        sample_rate_hz: Rate that sounds are brought to.
        duration_s: Length of the sounds.
        n_fft: Frame length in samples.
        hop: Samples between frames.
        width: Channels of the first level; each level has twice those of the one before, up to 8 times.
        levels: Levels, each of half the resolution of the one before.
        mask_limit: Largest magnitude of either part of the mask. The difference can exceed the sum, since the ears may
            be in opposite phase.
        monaural: The control: both ears hear the mono mix, everything else is equal.
    """

    sample_rate_hz: int = 16000
    duration_s: float = 1.0
    n_fft: int = 1024
    hop: int = 512
    width: int = 16
    levels: int = 4
    mask_limit: float = 2.0
    monaural: bool = False

    @property
    def samples(self) -> int:
        """Samples of a sound."""
        return round(self.sample_rate_hz * self.duration_s)


@dataclass(frozen=True)
class PretrainingSettings:
    """How the network is trained.

    Attributes:
        epochs: Passes over the examples.
        batch_size: Pairs in a step.
        learning_rate: Peak rate of AdamW, cosine to zero.
        weight_decay: Weight decay.
        other_view_share: Share of examples whose mono mix is that of the other frame.
        seed: Seed of the weights, the order and the choice of views.
        device: Torch device.
    """

    epochs: int = 20
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    other_view_share: float = 0.5
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class BinauralExamples:
    """Left-right pairs of the two frames of pairs.

    Attributes:
        first: (N, 2, samples) float32, left and right of frame a.
        second: (N, 2, samples) of frame b.
    """

    first: NDArray[np.float32]
    second: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.first.shape != self.second.shape or self.first.ndim != 3 or self.first.shape[1] != 2:
            raise ValueError(f"expected two arrays (N, 2, samples), not {self.first.shape} and {self.second.shape}")


@dataclass(frozen=True)
class PretrainingResult:
    """A trained network and how it got there.

    Attributes:
        network: The network, in evaluation mode.
        losses: Mean training L1 of each epoch.
    """

    network: BinauralNetwork
    losses: tuple[float, ...]


@dataclass(frozen=True)
class DifferenceError:
    """How well the difference is predicted.

    Attributes:
        l1: Mean absolute error over real and imaginary parts.
        zero_l1: The same of predicting that there is no difference.
    """

    l1: float
    zero_l1: float

    @property
    def gain(self) -> float:
        """Share of the error of "no difference" that is gone."""
        return 1.0 - self.l1 / self.zero_l1 if self.zero_l1 > 0.0 else 0.0


def ear_samples(clip: SoundClip | None, config: BinauralConfig) -> NDArray[np.float32] | None:
    """Left and right of a clip, (2, config.samples), at the network's rate, RMS 1; None where there are no two ears.

    The middle of a longer clip is taken, a shorter one is padded with zeros on both sides.
    """
    ears = ear_signals(clip)
    if clip is None or isinstance(ears, NoBinaural):
        return None
    signals = ears.left_right
    divisor = gcd(clip.sample_rate_hz, config.sample_rate_hz)
    if clip.sample_rate_hz != config.sample_rate_hz:
        up, down = config.sample_rate_hz // divisor, clip.sample_rate_hz // divisor
        signals = resample_poly(signals, up, down, axis=-1).astype(np.float32)
    surplus = signals.shape[-1] - config.samples
    start = max(0, surplus // 2)
    signals = signals[:, start : start + config.samples]
    before = max(0, -surplus // 2)
    signals = np.pad(signals, ((0, 0), (before, config.samples - signals.shape[-1] - before)))
    rms = float(np.sqrt(np.mean(signals.astype(np.float64) ** 2)))
    return np.asarray(signals / max(rms, 1e-8), dtype=np.float32)


def examples_from_pairs(pairs: Iterable[PairInput], config: BinauralConfig) -> BinauralExamples:
    """Examples of all pairs whose two clips both have ears; the others are left out.

    Raises:
        ValueError: No pair has.
    """
    first, second = [], []
    for pair in pairs:
        a, b = ear_samples(pair.sound_a, config), ear_samples(pair.sound_b, config)
        if a is not None and b is not None:
            first.append(a)
            second.append(b)
    if not first:
        raise ValueError("no pair has a left-right pair of channels in both frames")
    return BinauralExamples(np.stack(first), np.stack(second))


class BinauralNetwork(nn.Module):
    """Encoder and U-Net; see the module's description.

    Args:
        config: Its shape.
    """

    def __init__(self, config: BinauralConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)
        self.window: Tensor
        widths = [config.width * min(2**level, 8) for level in range(config.levels)]
        rows = config.n_fft // 2 // 2**config.levels
        half = EMBEDDING_SIZE // 2
        self._transfer_bins = min(_MOST_TRANSFER_BINS, config.n_fft // 2)
        pooled = half - 2 * self._transfer_bins
        # The last input is the frequency: what a phase difference means depends on it, and convolutions do not see it.
        self.encoder = nn.ModuleList(_down(a, b) for a, b in zip([5, *widths[:-1]], widths, strict=True))
        self.encoder_head = nn.Sequential(nn.Linear(widths[-1] * rows, pooled), nn.LayerNorm(pooled))
        self.down = nn.ModuleList(_down(a, b) for a, b in zip([4, *widths[:-1]], widths, strict=True))
        self.bottleneck_head = nn.Sequential(nn.Linear(widths[-1] * rows, half), nn.LayerNorm(half))
        self.up, self.film = nn.ModuleList(), nn.ModuleList()
        channels = widths[-1]
        for width in widths[-2::-1]:
            self.film.append(nn.Linear(half + 1, 2 * channels))
            self.up.append(_up(channels, width))
            channels = 2 * width
        # The mask is made from half resolution in one step: convolutions at full resolution cost most of the time, and
        # a direction's mask is smooth in frequency and time.
        self.mask_film = nn.Linear(half + 1, 2 * channels)
        self.mask = nn.ConvTranspose2d(channels, 2, 4, stride=2, padding=1)
        # Sources that rest ask for a mask over frequency that stays the same: that part has a short way.
        self.steady_own = nn.Linear(half, 2 * (config.n_fft // 2))
        self.steady_other = nn.Linear(half, 2 * (config.n_fft // 2))
        # Training starts from "no difference" for the other view and from the pair's own transfer for its own.
        for last in (self.mask, self.steady_own, self.steady_other):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.get_parameter("bias"))
        with torch.no_grad():
            for part in range(2):
                rows_of_part = part * (config.n_fft // 2) + torch.arange(self._transfer_bins)
                columns = pooled + part * self._transfer_bins + torch.arange(self._transfer_bins)
                self.steady_own.weight[rows_of_part, columns] = 1.0 / config.mask_limit

    def spectrogram(self, signals: Tensor) -> Tensor:
        """Complex spectrogram (..., n_fft / 2, frames) of signals (..., samples), without the bin of half the rate."""
        flat = signals.reshape(-1, signals.shape[-1])
        spectrum = torch.stft(flat, self.config.n_fft, self.config.hop, window=self.window, return_complex=True)
        spectrum = spectrum[:, :-1] * (2.0 / self.config.n_fft**0.5)
        shaped: Tensor = spectrum.reshape(*signals.shape[:-1], *spectrum.shape[-2:])
        return shaped

    def encode(self, left_right: Tensor) -> Tensor:
        """Pooled code (B, 512) of left-right pairs (B, 2, samples)."""
        pair = left_right.mean(dim=1, keepdim=True).expand(-1, 2, -1) if self.config.monaural else left_right
        left, right = self.spectrogram(pair).unbind(dim=1)
        cross = left * right.conj()
        cross = cross / cross.abs().clamp_min(1e-6)
        x = torch.stack([_level(left), _level(right), cross.real, cross.imag], dim=1)
        x = self._padded(x)
        for block in self.encoder:
            x = block(x)
        return torch.cat([self.encoder_head(x.mean(dim=-1).flatten(1)), self._transfer(left, right)], dim=1)

    def _transfer(self, left: Tensor, right: Tensor) -> Tensor:
        """Least-squares transfer (B, 2 * bins) from the sum to the difference of spectrograms, over all frames."""
        low = slice(0, self._transfer_bins)
        difference, total = left[:, low] - right[:, low], left[:, low] + right[:, low]
        transfer = (difference * total.conj()).sum(dim=-1) / (total.abs().square().sum(dim=-1) + 1e-3)
        limit = self.config.mask_limit
        return torch.cat([transfer.real, transfer.imag], dim=1).clamp(-limit, limit)

    def forward(self, left_right: Tensor, mono: Tensor, other_view: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the left-right difference of the view that `mono` is the mix of.

        Args:
            left_right: (B, 2, samples) pair of one view.
            mono: (B, samples) mix (left + right) of the same or the other view.
            other_view: (B,) bool, whether it is the other view.

        Returns:
            The difference (B, n_fft / 2, frames), complex, and the embedding (B, 1024).
        """
        code = self.encode(left_right)
        steering = torch.cat([code, other_view[:, None].to(code.dtype)], dim=1)
        spectrum = self.spectrogram(mono)
        frames = spectrum.shape[-1]
        scale = 1.0 / spectrum.abs().clamp_min(1e-6).sqrt()
        parts = torch.stack([spectrum.real * scale, spectrum.imag * scale, _level(spectrum)], dim=1)
        x = self._padded(parts)
        levels = []
        for block in self.down:
            x = block(x)
            levels.append(x)
        bottleneck = self.bottleneck_head(x.mean(dim=-1).flatten(1))
        for block, film, skip in zip(self.up, self.film, levels[-2::-1], strict=True):
            x = torch.cat([block(_modulated(x, film(steering))), skip], dim=1)
        steady = torch.where(other_view[:, None], self.steady_other(code), self.steady_own(code))
        steady = steady.view(len(code), 2, -1, 1)
        varying = self.mask(_modulated(x, self.mask_film(steering)))[..., :frames]
        mask = self.config.mask_limit * torch.tanh(steady + varying)
        return torch.complex(mask[:, 0], mask[:, 1]) * spectrum, torch.cat([code, bottleneck], dim=1)

    def _padded(self, x: Tensor) -> Tensor:
        """Add the frequency row and pad frames to a multiple of the total stride."""
        batch, _, bins, frames = x.shape
        frequency = torch.linspace(-1.0, 1.0, bins, device=x.device).view(1, 1, bins, 1).expand(batch, 1, bins, frames)
        stride: int = 2**self.config.levels
        return nn.functional.pad(torch.cat([x, frequency], dim=1), (0, -frames % stride))


def _level(spectrum: Tensor) -> Tensor:
    return torch.log(spectrum.abs().square() + 1e-4) / 4.0


def _modulated(x: Tensor, gain_and_shift: Tensor) -> Tensor:
    """Scale and shift each channel of x (B, C, H, W) by (B, 2 C) numbers (FiLM; Perez et al. 2018)."""
    gain, shift = gain_and_shift[:, :, None, None].chunk(2, dim=1)
    return x * (1.0 + gain) + shift


def _down(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.GroupNorm(4, outputs), nn.GELU())


def _up(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Upsample(scale_factor=2.0), nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(4, outputs), nn.GELU()
    )


def pretrain(
    examples: BinauralExamples,
    config: BinauralConfig | None = None,
    settings: PretrainingSettings | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> PretrainingResult:
    """Train a network; the same inputs, settings and machine give the same weights. Global random state is not touched.

    Args:
        examples: Training examples, of rooms that are not used for anything else later.
        config: Shape of the network.
        settings: How it is trained.
        progress: Called after each epoch with its number, from 1, and its mean loss.
    """
    shape = config if config is not None else BinauralConfig()
    how = settings if settings is not None else PretrainingSettings()
    device = torch.device(how.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        network = BinauralNetwork(shape).to(device)
    first, second = torch.from_numpy(examples.first), torch.from_numpy(examples.second)
    rng = np.random.default_rng(how.seed)
    steps = -(-len(first) // how.batch_size)
    optimiser = torch.optim.AdamW(network.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, how.epochs * steps)
    losses = []
    network.train()
    for epoch in range(1, how.epochs + 1):
        total = 0.0
        for batch in np.array_split(rng.permutation(len(first)), steps):
            index = torch.from_numpy(batch)
            swapped = torch.from_numpy(rng.random(len(batch)) < 0.5)[:, None, None]
            other = torch.from_numpy(rng.random(len(batch)) < how.other_view_share)[:, None, None]
            a, b = first[index], second[index]
            given = torch.where(swapped, b, a)
            asked = torch.where(swapped == other, a, b)
            loss = _loss(network, given.to(device), asked.to(device), other[:, 0, 0].to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(batch)
        losses.append(total / len(first))
        if progress is not None:
            progress(epoch, losses[-1])
    return PretrainingResult(network.eval(), tuple(losses))


def _loss(network: BinauralNetwork, given: Tensor, asked: Tensor, other_view: Tensor) -> Tensor:
    predicted, _ = network(given, asked.sum(dim=1), other_view)
    truth = network.spectrogram(asked[:, 0] - asked[:, 1])
    return torch.view_as_real(predicted - truth).abs().mean()


@torch.no_grad()
def difference_error(
    network: BinauralNetwork, examples: BinauralExamples, *, other_view: bool, batch_size: int = 64
) -> DifferenceError:
    """L1 of the predicted difference on examples, both ways round, and of predicting no difference.

    Args:
        network: A trained network.
        examples: Examples of rooms it was not trained on.
        other_view: Whether the mono mix is that of the other frame, or of the frame whose pair is given.
        batch_size: Pairs at a time.
    """
    device = network.window.device
    error = zero = 0.0
    for start in range(0, len(examples.first), batch_size):
        a = torch.from_numpy(examples.first[start : start + batch_size]).to(device)
        b = torch.from_numpy(examples.second[start : start + batch_size]).to(device)
        for given, asked in ((a, b), (b, a)) if other_view else ((a, a), (b, b)):
            is_other = torch.full((len(a),), other_view, device=device)
            error += float(_loss(network, given, asked, is_other)) * len(a)
            truth = network.spectrogram(asked[:, 0] - asked[:, 1])
            zero += float(torch.view_as_real(truth).abs().mean()) * len(a)
    count = 2 * len(examples.first)
    return DifferenceError(error / count, zero / count)


@torch.no_grad()
def embed(network: BinauralNetwork, left_right: NDArray[np.float32], batch_size: int = 64) -> NDArray[np.float32]:
    """Binaural features (N, 1024) of left-right pairs (N, 2, samples), each with its own mono mix."""
    device = network.window.device
    parts = []
    for start in range(0, len(left_right), batch_size):
        pair = torch.from_numpy(np.ascontiguousarray(left_right[start : start + batch_size])).to(device)
        own_view = torch.zeros(len(pair), dtype=torch.bool, device=device)
        parts.append(network(pair, pair.sum(dim=1), own_view)[1].cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, EMBEDDING_SIZE), dtype=np.float32)


def clip_embedding(network: BinauralNetwork, clip: SoundClip | None) -> NDArray[np.float32] | None:
    """Binaural feature (1024,) of one clip, None where it has no two ears."""
    ears = ear_samples(clip, network.config)
    return None if ears is None else embed(network, ears[None])[0]


def save_network(path: Path, network: BinauralNetwork) -> None:
    """Write weights and configuration to a safetensors file, whole or not at all."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(weights, temporary, metadata={_CONFIG_KEY: json.dumps(asdict(network.config))})


def load_network(path: Path) -> BinauralNetwork:
    """Read a network back, in evaluation mode.

    Raises:
        InputError: The file is not one of `save_network`.
    """
    hint = "train one again with binaural_pretraining.pretrain"
    try:
        with safe_open(path, framework="pt") as stored:
            text = (stored.metadata() or {}).get(_CONFIG_KEY)
            weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise InputError(path, found=str(error), expected="a safetensors file", hint=hint) from error
    if text is None:
        raise InputError(path, found=f"no {_CONFIG_KEY} in it", expected="a binaural network", hint=hint)
    try:
        network = BinauralNetwork(BinauralConfig(**json.loads(text)))
        network.load_state_dict(weights, strict=True)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(path, found=str(error), expected="the weights of this version", hint=hint) from error
    return network.eval()
