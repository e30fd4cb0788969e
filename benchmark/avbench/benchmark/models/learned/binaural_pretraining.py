"""Binaural pre-training: a network learns where sounds are by turning a mono mix into two ears.

The pretext task (SLfM: Chen, Qian and Owens, ICCV 2023): given the left-right pair of one view and only the mono mix of
a view, predict that view's left-right difference. The mono mix says what sounds there are; where they are must come
through the pair's embedding. Half of the examples take the mono mix of the *other* frame of the pair, so that the
embedding cannot pass the signal itself on. No picture takes part, in training or later, so none can leak into a cached
feature.

    transfer   from the sum to the difference of the pair, bin by bin, best in L1 over all frames -> 512 numbers
    encoder    convolutions over levels and phase difference of the pair, pooled -> 128 numbers
    U-Net      mono spectrogram, steered by the embedding -> complex mask; difference = mask * mono
    embedding  both of these and the U-Net's pooled bottleneck (384), of one clip's own pair and mix: 1024 numbers

In a room most of the difference is reverberation, which a mask of the true direction leaves as it is (in rooms of RT60
0.3 s it removes 1 % of the L1). What can be predicted is the room's transfer, bin by bin, so the embedding holds all of
it. In simulated rooms with one to five sources that bounds the gain for the view's own mix to 11.5 % up to 4 kHz, and
what lies above would add almost nothing: that is why the network listens at 8 kHz. The transfer of the other view is
another one; it resembles this one below 1 kHz (a correlation of 0.3 to 0.4 between views), and the network learns how
far to trust it for each bin.

Normalisation is per example (GroupNorm): statistics over the batch did worse on unseen rooms.
"""

from __future__ import annotations

import json
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
from avbench.benchmark.data.pair import SoundClip
from avbench.preprocessing.base.atomic import atomic_path
from avbench.preprocessing.base.documents import parse_json
from avbench.preprocessing.base.errors import InputError

EMBEDDING_SIZE = 1024
"""Length of the binaural feature, as in the published model."""

_CONFIG_KEY = "binaural_config"
_MOST_TRANSFER_BINS = 256
"""Bins whose transfer is part of the embedding: all in the default configuration, complex, half of the embedding."""
_POOLED_SIZE = 128
_MIX_CHANNELS = 8
_STEERING_SIZE = 64
_REWEIGHTINGS = 3
_SMALLEST_MISS = 1e-2
"""Keeps the weight of a frame finite that the transfer explains; spectra of a sound of RMS 1 are near 1."""


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
        mask_limit: Largest magnitude of either part of the transfer, and of what the U-Net adds to it. The difference
            can exceed the sum, since the ears may be in opposite phase.
        monaural: The control: both ears hear the mono mix, everything else is equal.
    """

    sample_rate_hz: int = 8000
    duration_s: float = 1.0
    n_fft: int = 512
    hop: int = 256
    width: int = 16
    levels: int = 4
    mask_limit: float = 2.0
    monaural: bool = False

    @property
    def samples(self) -> int:
        """Samples of a sound."""
        return round(self.sample_rate_hz * self.duration_s)


def ear_samples(clip: SoundClip | None, config: BinauralConfig) -> NDArray[np.float32] | None:
    """Left and right of a clip, (2, config.samples), at the network's rate, RMS 1; None where there are no two ears.

    The middle of a longer clip is taken, a shorter one is padded with zeros on both sides.
    """
    signals = ear_signals(clip)
    if clip is None or isinstance(signals, NoBinaural):
        return None
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
        bins = config.n_fft // 2
        rows = bins // 2**config.levels
        self._transfer_bins = min(_MOST_TRANSFER_BINS, bins)
        of_mix = EMBEDDING_SIZE - 2 * self._transfer_bins - _POOLED_SIZE
        # The last input is the frequency: what a phase difference means depends on it, and convolutions do not see it.
        self.encoder = nn.ModuleList(_down(a, b) for a, b in zip([5, *widths[:-1]], widths, strict=True))
        self.encoder_head = nn.Sequential(nn.Linear(widths[-1] * rows, _POOLED_SIZE), nn.LayerNorm(_POOLED_SIZE))
        self.down = nn.ModuleList(_down(a, b) for a, b in zip([4, *widths[:-1]], widths, strict=True))
        self.narrow = nn.Conv2d(widths[-1], _MIX_CHANNELS, 1)
        self.bottleneck_head = nn.Sequential(nn.Linear(_MIX_CHANNELS * rows, of_mix), nn.LayerNorm(of_mix))
        self.steering = nn.Sequential(nn.Linear(EMBEDDING_SIZE + 1, _STEERING_SIZE), nn.GELU())
        self.up, self.film = nn.ModuleList(), nn.ModuleList()
        channels = widths[-1]
        for width in widths[-2::-1]:
            self.film.append(nn.Linear(_STEERING_SIZE, 2 * channels))
            self.up.append(_up(channels, width))
            channels = 2 * width
        # The mask is made from half resolution in one step: convolutions at full resolution cost most of the time, and
        # a direction's mask is smooth in frequency and time.
        self.mask_film = nn.Linear(_STEERING_SIZE, 2 * channels)
        self.mask = nn.ConvTranspose2d(channels, 2, 4, stride=2, padding=1)
        # Sources that rest ask for a mask over frequency that stays the same: that part has a short way.
        self.steady = nn.Linear(_STEERING_SIZE, 2 * bins)
        # Training starts from "no difference" for the other view and from the pair's own transfer for its own.
        self.transfer_share = nn.Parameter(torch.tensor([1.0, 0.0])[:, None].repeat(1, self._transfer_bins))
        for last in (self.mask, self.steady):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.get_parameter("bias"))

    def spectrogram(self, signals: Tensor) -> Tensor:
        """Complex spectrogram (..., n_fft / 2, frames) of signals (..., samples), without the bin of half the rate."""
        flat = signals.reshape(-1, signals.shape[-1])
        spectrum = torch.stft(flat, self.config.n_fft, self.config.hop, window=self.window, return_complex=True)
        spectrum = spectrum[:, :-1] * (2.0 / self.config.n_fft**0.5)
        shaped: Tensor = spectrum.reshape(*signals.shape[:-1], *spectrum.shape[-2:])
        return shaped

    def encode(self, left_right: Tensor) -> tuple[Tensor, Tensor]:
        """What the pair says of directions.

        Args:
            left_right: (B, 2, samples) left-right pairs.

        Returns:
            Pooled code (B, 128), and transfer (B, 2, bins), real and imaginary, from the sum to the difference.
        """
        pair = left_right.mean(dim=1, keepdim=True).expand(-1, 2, -1) if self.config.monaural else left_right
        left, right = self.spectrogram(pair).unbind(dim=1)
        cross = left * right.conj()
        cross = cross / cross.abs().clamp_min(1e-6)
        x = torch.stack([_level(left), _level(right), cross.real, cross.imag], dim=1)
        x = self._padded(x)
        for block in self.encoder:
            x = block(x)
        return self.encoder_head(x.mean(dim=-1).flatten(1)), self._transfer(left, right)

    @torch.no_grad()
    def _transfer(self, left: Tensor, right: Tensor) -> Tensor:
        """Transfer (B, 2, bins) from the sum to the difference of spectrograms, least in L1 over all frames.

        Least squares, with each frame weighed by the inverse of what it was off by before (Weiszfeld 1937).
        """
        low = slice(0, self._transfer_bins)
        difference, total = left[:, low] - right[:, low], left[:, low] + right[:, low]
        cross, power = difference * total.conj(), total.abs().square()
        weight = torch.ones_like(power)
        transfer = torch.zeros_like(cross[..., 0])
        for _ in range(_REWEIGHTINGS + 1):
            transfer = (weight * cross).sum(dim=-1) / ((weight * power).sum(dim=-1) + 1e-3)
            weight = 1.0 / ((difference - transfer[..., None] * total).abs() + _SMALLEST_MISS)
        limit = self.config.mask_limit
        return torch.stack([transfer.real, transfer.imag], dim=1).clamp(-limit, limit)

    def forward(self, left_right: Tensor, mono: Tensor, other_view: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the left-right difference of the view that `mono` is the mix of.

        Args:
            left_right: (B, 2, samples) pair of one view.
            mono: (B, samples) mix (left + right) of the same or the other view.
            other_view: (B,) bool, whether it is the other view.

        Returns:
            The difference (B, n_fft / 2, frames), complex, and the embedding (B, 1024).
        """
        code, transfer = self.encode(left_right)
        spectrum = self.spectrogram(mono)
        bins, frames = spectrum.shape[-2:]
        scale = 1.0 / spectrum.abs().clamp_min(1e-6).sqrt()
        parts = torch.stack([spectrum.real * scale, spectrum.imag * scale, _level(spectrum)], dim=1)
        x = self._padded(parts)
        levels = []
        for block in self.down:
            x = block(x)
            levels.append(x)
        bottleneck = self.bottleneck_head(self.narrow(x).mean(dim=-1).flatten(1))
        embedding = torch.cat([code, transfer.flatten(1), bottleneck], dim=1)
        steering = self.steering(torch.cat([embedding, other_view[:, None].to(code.dtype)], dim=1))
        for block, film, skip in zip(self.up, self.film, levels[-2::-1], strict=True):
            x = torch.cat([block(_modulated(x, film(steering))), skip], dim=1)
        steady = self.steady(steering).view(len(code), 2, bins, 1)
        varying = self.mask(_modulated(x, self.mask_film(steering)))[..., :frames]
        share = self.transfer_share[other_view.long()][:, None]
        passed = nn.functional.pad(share * transfer, (0, bins - self._transfer_bins))
        mask = passed[..., None] + self.config.mask_limit * torch.tanh(steady + varying)
        return torch.complex(mask[:, 0], mask[:, 1]) * spectrum, embedding

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


def difference_l1(network: BinauralNetwork, given: Tensor, asked: Tensor, other_view: Tensor) -> Tensor:
    """L1 (B,) of the predicted left-right difference: the mean of |real| and |imaginary part| over bins and frames.

    Args:
        network: The network.
        given: (B, 2, samples) left-right pairs that are heard.
        asked: (B, 2, samples) pairs of which only the mix is heard, and whose difference is predicted.
        other_view: (B,) bool, whether `asked` is another view than `given`.
    """
    predicted, _ = network(given, asked.sum(dim=1), other_view)
    return _l1(predicted - network.spectrogram(asked[:, 0] - asked[:, 1]))


def no_difference_l1(network: BinauralNetwork, asked: Tensor) -> Tensor:
    """L1 (B,) of predicting that pairs (B, 2, samples) have no left-right difference."""
    return _l1(network.spectrogram(asked[:, 0] - asked[:, 1]))


def _l1(spectrum: Tensor) -> Tensor:
    return torch.view_as_real(spectrum).abs().mean(dim=(1, 2, 3))


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
    hint = "train one again with `avbench binaural`"
    try:
        with safe_open(path, framework="pt") as stored:
            text = (stored.metadata() or {}).get(_CONFIG_KEY)
            weights = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise InputError(path, found=str(error), expected="a safetensors file", hint=hint) from error
    if text is None:
        raise InputError(path, found=f"no {_CONFIG_KEY} in it", expected="a binaural network", hint=hint)
    config = parse_json(text, f"{path}: {_CONFIG_KEY}", BinauralConfig, hint=hint)
    try:
        network = BinauralNetwork(config)
        network.load_state_dict(weights, strict=True)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(path, found=str(error), expected="the weights of this version", hint=hint) from error
    return network.eval()
