"""What two frames' sounds say about the motion between them.

Two features enter, both of sound alone: direction spectra (where sound comes from, per frequency band) and binaural
embeddings (`binaural_pretraining`, beside this module). The frames are compared with each other: a turned head shifts
the spectrum circularly, which shows as a ridge in a map over azimuth and lag; a moved head bends that ridge once
around the circle, so that harmonics over azimuth tell turning from moving.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avbench.benchmark.models.backbones.two_view import rotation_from_six
from avbench.benchmark.models.learned.yaw import yaw_grid_deg

_Layer = TypeVar("_Layer", nn.Linear, nn.Conv1d)


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
    """Features of the sound of a batch.

    Attributes:
        feature: (B, feature_dim), zero where there is no sound.
        rotation_level: (B, 3, 3) rotation between the level axes of the frames; a constant where there is no sound.
        translation_level: (B, 3) in level axes of a.
        confidence: (B,) estimated probability that this rotation is within `SURE_WITHIN_DEG`; zero without sound.
        yaw_evidence: (B, yaws) what the sound says of every yaw of `SoundConfig.yaw_grid_deg`: log-likelihoods up to a
            constant; zero without sound.
    """

    feature: Tensor
    rotation_level: Tensor
    translation_level: Tensor
    confidence: Tensor
    yaw_evidence: Tensor


@dataclass(frozen=True)
class SoundConfig:
    """Sizes of the encoder.

    Attributes:
        maps: Direction maps a frame (windows x bands x elevations).
        azimuths: Azimuth bins; even.
        largest_lag_deg: Largest yaw that the azimuth x lag map covers; evidence is given for yaws up to it.
        embedding_dim: Length of the binaural embedding.
        use_directions: Whether direction spectra are used.
        use_embedding: Whether binaural embeddings are used.
        feature_dim: Length of the result.
    """

    maps: int = 24
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

    @property
    def yaw_grid_deg(self) -> Tensor:
        """(yaws,) the yaws in degrees for which evidence is given: those of the lags."""
        return yaw_grid_deg(self.largest_lag_deg, 360.0 / self.azimuths)


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
        self.channels = half * len(rows)

    def forward(self, spectrum_a: Tensor, spectrum_b: Tensor) -> Tensor:
        """(B, maps, azimuths) twice to (B, channels, lags)."""
        both = self.frame(_standardise(torch.cat([spectrum_a, spectrum_b])))
        a, b = both.chunk(2)
        seen_a = a[:, :, ::2, None]
        seen_b = b[:, :, self.source]
        compared = torch.cat([seen_a * seen_b, (seen_a - seen_b).abs()], dim=1)
        ridge = self.maps(F.relu(self.mix(compared)))
        return torch.einsum("bcal,ha->bchl", ridge, self.harmonics).flatten(1, 2)


def _standardise(spectrum: Tensor) -> Tensor:
    """Each map relative to its own mean over azimuth; the scale of all maps together is kept out."""
    centred = spectrum - spectrum.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=(1, 2), keepdim=True).sqrt() + 1e-4)


def silent_at_first(layer: _Layer) -> _Layer:
    """A layer that gives zeros until it is trained."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class SoundEncoder(nn.Module):
    """Direction comparison and binaural embeddings together, with a pose of their own."""

    def __init__(self, config: SoundConfig) -> None:
        super().__init__()
        self.config = config
        self.feature_dim = config.feature_dim
        yaws = len(config.yaw_grid_deg)
        parts = yaws
        if config.use_directions:
            self.directions = DirectionComparison(config)
            self.from_directions = nn.Linear(self.directions.channels * yaws, config.feature_dim)
            width = 2 * config.map_channels
            self.weigh = nn.Sequential(
                nn.Conv1d(self.directions.channels, width, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv1d(width, width, 3, padding=1),
                nn.ReLU(inplace=True),
                silent_at_first(nn.Conv1d(width, 1, 3, padding=1)),
            )
            parts += config.feature_dim
        if config.use_embedding:
            self.shrink = nn.Sequential(nn.LayerNorm(config.embedding_dim), nn.Linear(config.embedding_dim, 64))
            self.from_embedding = nn.Linear(4 * 64, 64)
            parts += 64
        if not (config.use_directions or config.use_embedding):
            raise ValueError("a sound encoder needs direction spectra, binaural embeddings, or both")
        if not config.use_directions:
            self.weigh_embedding = silent_at_first(nn.Linear(64, yaws))
        # How people turn, before anything is heard; the evidence is what sound adds to it.
        self.yaw_log_prior = nn.Parameter(torch.zeros(yaws))
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
            compared = self.directions(sound.spectrum_a, sound.spectrum_b)
            parts.append(self.from_directions(compared.flatten(1)))
            evidence = self.weigh(compared)[:, 0]
        if self.config.use_embedding:
            a, b = self.shrink(sound.embedding_a), self.shrink(sound.embedding_b)
            parts.append(self.from_embedding(torch.cat([a, b, a * b, a - b], dim=-1)))
            if not self.config.use_directions:
                evidence = self.weigh_embedding(F.relu(parts[0]))
        present = sound.present.to(parts[0].dtype)
        evidence = evidence.float() * present[:, None]
        # Scaled to the size of the other parts.
        parts.append(len(self.yaw_log_prior) * torch.softmax(self.yaw_log_prior + evidence, dim=-1))
        # Without sound what remains is the bias: how people move on average.
        feature = self.join(torch.cat(parts, dim=-1)) * present[:, None]
        raw = self.to_pose(feature)
        confidence = torch.sigmoid(self.to_confidence(feature)[:, 0]) * present
        return SoundFeatures(feature, rotation_from_six(raw[:, :6]), raw[:, 6:], confidence, evidence)
