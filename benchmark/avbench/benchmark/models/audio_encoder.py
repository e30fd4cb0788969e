"""What two frames' sounds say about the motion between them.

Two features enter, both of sound alone: direction spectra (where sound comes from, per frequency band) and binaural
embeddings (`avbench.benchmark.audio.binaural_pretraining`). The frames are compared with each other: a turned head
shifts the spectrum circularly, which shows as a ridge in a map over azimuth and lag; a moved head bends that ridge once
around the circle, so that harmonics over azimuth tell turning from moving.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avbench.benchmark.models.backbones.two_view import rotation_from_six


@dataclass(frozen=True)
class SoundInput:
    """The sound features of a batch of B pairs.

    Attributes:
        spectrum_a: (B, maps, azimuths) direction spectra of frame a in level axes, bin 0 ahead, running to the right.
        spectrum_b: The same for frame b.
        embedding_a: (B, embedding_dim) binaural embedding of frame a.
        embedding_b: The same for frame b.
        present: (B,) whether there is a sound that can be used; the features of others are ignored.
    """

    spectrum_a: Tensor
    spectrum_b: Tensor
    embedding_a: Tensor
    embedding_b: Tensor
    present: Tensor


@dataclass(frozen=True)
class SoundFeatures:
    """What the sound says.

    Attributes:
        feature: (B, feature_dim), zero where there is no sound.
        rotation_level: (B, 3, 3) rotation between the level axes of the frames; a constant where there is no sound.
        translation_level: (B, 3) in level axes of a.
        confidence: (B,) estimated probability that this rotation is within `SURE_WITHIN_DEG`; zero without sound.
    """

    feature: Tensor
    rotation_level: Tensor
    translation_level: Tensor
    confidence: Tensor


@dataclass(frozen=True)
class SoundConfig:
    """Sizes of the encoder.

    Attributes:
        maps: Direction maps a frame (elevations x bands).
        azimuths: Azimuth bins; even.
        largest_lag_deg: Largest yaw that the azimuth x lag map covers.
        embedding_dim: Length of the binaural embedding.
        use_directions: Whether direction spectra are used.
        use_embedding: Whether binaural embeddings are used.
        feature_dim: Length of the result.
    """

    maps: int = 12
    azimuths: int = 72
    largest_lag_deg: float = 70.0
    embedding_dim: int = 1024
    use_directions: bool = True
    use_embedding: bool = True
    frame_channels: int = 24
    map_channels: int = 32
    feature_dim: int = 128

    @property
    def lags(self) -> int:
        """Largest lag in azimuth bins."""
        return round(self.largest_lag_deg / (360.0 / self.azimuths))


class _CircularConv(nn.Module):
    """3x3 convolution over (azimuth, lag): circular in azimuth, zeros beyond the largest lag."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=(0, 1))
        self.norm = nn.GroupNorm(4, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(F.pad(x, (0, 0, 1, 1), mode="circular"))))


class DirectionComparison(nn.Module):
    """Compares two direction spectra in a map over azimuth and lag."""

    harmonics: Tensor
    source: Tensor

    def __init__(self, config: SoundConfig) -> None:
        super().__init__()
        width = config.frame_channels
        self.frame = nn.Sequential(
            nn.Conv1d(config.maps, 48, 5, padding=2, padding_mode="circular"),
            nn.ReLU(inplace=True),
            nn.Conv1d(48, 48, 5, padding=2, padding_mode="circular"),
            nn.ReLU(inplace=True),
            nn.Conv1d(48, width, 5, padding=2, padding_mode="circular"),
        )
        self.mix = nn.Conv2d(2 * width, config.map_channels, 1)
        half = config.map_channels // 2
        self.maps = nn.Sequential(
            _CircularConv(config.map_channels, config.map_channels),
            _CircularConv(config.map_channels, config.map_channels),
            _CircularConv(config.map_channels, half),
        )
        azimuth = torch.arange(0, config.azimuths, 2) * (2 * np.pi / config.azimuths)
        rows = [torch.ones_like(azimuth), azimuth.cos(), azimuth.sin(), (2 * azimuth).cos(), (2 * azimuth).sin()]
        self.register_buffer("harmonics", torch.stack(rows) / len(azimuth), persistent=False)
        lags = torch.arange(-config.lags, config.lags + 1)
        # A head that turned right by `lag` bins hears at azimuth - lag what it heard at azimuth.
        source = (torch.arange(0, config.azimuths, 2)[:, None] - lags[None, :]) % config.azimuths
        self.register_buffer("source", source, persistent=False)
        self.out_dim = half * len(rows) * len(lags)

    def forward(self, spectrum_a: Tensor, spectrum_b: Tensor) -> Tensor:
        """(B, maps, azimuths) twice to (B, out_dim)."""
        both = self.frame(_standardise(torch.cat([spectrum_a, spectrum_b])))
        a, b = both.chunk(2)
        seen_a = a[:, :, ::2, None]
        seen_b = b[:, :, self.source]
        compared = torch.cat([seen_a * seen_b, (seen_a - seen_b).abs()], dim=1)
        ridge = self.maps(F.relu(self.mix(compared)))
        return torch.einsum("bcal,ha->bchl", ridge, self.harmonics).flatten(1)


def _standardise(spectrum: Tensor) -> Tensor:
    """Each map relative to its own mean over azimuth; the scale of all maps together is kept out."""
    centred = spectrum - spectrum.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=(1, 2), keepdim=True).sqrt() + 1e-4)


class SoundEncoder(nn.Module):
    """Direction comparison and binaural embeddings together, with a pose of their own."""

    def __init__(self, config: SoundConfig) -> None:
        super().__init__()
        self.config = config
        self.feature_dim = config.feature_dim
        parts = 0
        if config.use_directions:
            self.directions = DirectionComparison(config)
            self.from_directions = nn.Linear(self.directions.out_dim, config.feature_dim)
            parts += config.feature_dim
        if config.use_embedding:
            self.shrink = nn.Sequential(nn.LayerNorm(config.embedding_dim), nn.Linear(config.embedding_dim, 64))
            self.from_embedding = nn.Linear(4 * 64, 64)
            parts += 64
        if not parts:
            raise ValueError("a sound encoder needs direction spectra, binaural embeddings, or both")
        self.join = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(parts, config.feature_dim), nn.ReLU(inplace=True))
        self.to_pose = nn.Linear(config.feature_dim, 9)
        self.to_confidence = nn.Linear(config.feature_dim, 1)
        nn.init.zeros_(self.to_pose.weight)
        with torch.no_grad():  # start from no rotation
            self.to_pose.bias.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 0, 0.3]))

    def forward(self, sound: SoundInput) -> SoundFeatures:
        """Listen to a batch of pairs."""
        parts = []
        if self.config.use_directions:
            parts.append(self.from_directions(self.directions(sound.spectrum_a, sound.spectrum_b)))
        if self.config.use_embedding:
            a, b = self.shrink(sound.embedding_a), self.shrink(sound.embedding_b)
            parts.append(self.from_embedding(torch.cat([a, b, a * b, a - b], dim=-1)))
        present = sound.present.to(parts[0].dtype)
        # Without sound what remains is the bias: how people move on average.
        feature = self.join(torch.cat(parts, dim=-1)) * present[:, None]
        raw = self.to_pose(feature)
        confidence = torch.sigmoid(self.to_confidence(feature)[:, 0]) * present
        return SoundFeatures(feature, rotation_from_six(raw[:, :6]), raw[:, 6:], confidence)
