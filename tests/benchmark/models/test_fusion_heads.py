"""The sound encoder and the heads: what must hold whatever the weights are."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from avbench.benchmark.models.backbones.two_view import TwoViewFeatures, rotation_from_six
from avbench.benchmark.models.learned.encoder import DirectionComparison, SoundConfig, SoundEncoder, SoundInput
from avbench.benchmark.models.learned.fusion import GatedConfig, GatedHead, LateConfig, LateHead, Level
from avbench.benchmark.models.learned.yaw import turn_by, yaw_rad

SOUND = SoundConfig(maps=4, embedding_dim=16, feature_dim=24)


def sound(count: int, seed: int = 0) -> SoundInput:
    random = torch.Generator().manual_seed(seed)
    return SoundInput(
        torch.rand(count, 4, 72, generator=random),
        torch.rand(count, 4, 72, generator=random),
        torch.randn(count, 16, generator=random),
        torch.randn(count, 16, generator=random),
        torch.ones(count, dtype=torch.bool),
    )


def seen(count: int) -> TwoViewFeatures:
    random = torch.Generator().manual_seed(7)
    return TwoViewFeatures(
        torch.randn(count, 10, generator=random),
        rotation_from_six(torch.randn(count, 6, generator=random)),
        torch.randn(count, 3, generator=random),
        torch.rand(count, generator=random),
    )


def level(count: int) -> Level:
    eye = torch.eye(3).expand(count, 3, 3)
    return Level(eye, eye, torch.ones(count, dtype=torch.bool))


def tilted(count: int) -> Level:
    """Cameras that are tilted otherwise in each pair, and in frame a than in frame b."""
    random = torch.Generator().manual_seed(11)
    a, b = (rotation_from_six(torch.randn(count, 6, generator=random)) for _ in "ab")
    return Level(a, b, torch.ones(count, dtype=torch.bool))


def test_a_turn_of_the_world_turns_no_feature_but_a_turn_of_the_head_does() -> None:
    # Turning both spectra by the same even number of bins only relabels azimuth: without harmonics nothing changes.
    comparison = DirectionComparison(SOUND).eval()
    inputs = sound(3)
    with torch.no_grad():
        comparison.harmonics[1:] = 0
        still = comparison(inputs.spectrum_a, inputs.spectrum_b)
        world = comparison(inputs.spectrum_a.roll(10, dims=-1), inputs.spectrum_b.roll(10, dims=-1))
        head = comparison(inputs.spectrum_a, inputs.spectrum_b.roll(10, dims=-1))
    assert torch.allclose(still, world, atol=1e-5)
    assert not torch.allclose(still, head, atol=1e-3)


def test_a_turned_head_shows_at_its_lag() -> None:
    comparison = DirectionComparison(SOUND)
    spectrum = torch.zeros(1, 1, 72)
    spectrum[0, 0, 20] = 1.0
    turned = spectrum.roll(-6, dims=-1)  # the head turned right by 6 bins, so the sound moved left by 6
    product = spectrum[:, :, ::2, None] * turned[:, :, comparison.source]
    azimuth, lag = divmod(int(product.argmax()), product.shape[-1])
    assert (2 * azimuth, lag - SOUND.lags) == (20, 6)


def test_absent_sound_is_no_sound() -> None:
    torch.manual_seed(0)
    encoder = SoundEncoder(SOUND).eval()
    head = GatedHead(GatedConfig(visual_dim=10, sound_dim=SOUND.feature_dim, hidden_dim=32)).eval()
    torch.nn.init.normal_(head.pose[-1].weight)
    inputs = dataclasses.replace(sound(4), present=torch.zeros(4, dtype=torch.bool))
    with torch.no_grad():
        heard = encoder(inputs)
        with_absent = head(seen(4), heard, level(4))
        without = head(seen(4), None, level(4))
    assert (heard.feature == 0).all()
    assert (heard.confidence == 0).all()
    assert torch.equal(with_absent.rotation_a_b, without.rotation_a_b)
    assert torch.equal(with_absent.gate, torch.zeros(4))


def test_an_untrained_gated_head_returns_the_pictures_pose() -> None:
    head = GatedHead(GatedConfig(visual_dim=10, sound_dim=SOUND.feature_dim, hidden_dim=32))
    views = seen(4)
    fused = head(views, SoundEncoder(SOUND)(sound(4)), tilted(4))
    assert torch.allclose(fused.rotation_a_b, views.rotation_a_b, atol=1e-5)
    assert torch.allclose(fused.translation_a_b, views.translation_a_b, atol=1e-5)
    assert torch.allclose(fused.confidence_logit, torch.logit(views.confidence), atol=1e-3)


def test_the_evidence_of_the_sound_turns_the_pictures_yaw() -> None:
    torch.manual_seed(0)
    head = GatedHead(GatedConfig(visual_dim=10, sound_dim=SOUND.feature_dim, hidden_dim=32)).eval()
    views, heard = seen(3), SoundEncoder(SOUND)(sound(3))
    grid_deg = SOUND.yaw_grid_deg
    yaw_deg = torch.rad2deg(yaw_rad(views.rotation_a_b))
    views = dataclasses.replace(views, rotation_a_b=turn_by(torch.deg2rad(-yaw_deg)) @ views.rotation_a_b)
    told_deg = torch.tensor([20.0, -35.0, 0.0])
    # As sure as a normal distribution of 4 degrees around what is told, once all of it is let through.
    evidence = -0.5 * ((grid_deg - told_deg[:, None]) / 4.0) ** 2
    with torch.no_grad():
        head.gate[-1].bias.fill_(50.0)
        fused = head(views, dataclasses.replace(heard, yaw_evidence=evidence), level(3))
        without = head(views, dataclasses.replace(heard, yaw_evidence=torch.zeros_like(evidence)), level(3))
    turned_deg = torch.rad2deg(yaw_rad(fused.rotation_a_b))
    # Twice the evidence against a prior that falls by e every 5 degrees: short of what is told by 4^2 / 2 / 5.
    assert turned_deg.tolist() == pytest.approx([20.0 - 1.6, -35.0 + 1.6, 0.0], abs=0.3)
    assert torch.rad2deg(yaw_rad(without.rotation_a_b)).tolist() == pytest.approx([0.0] * 3, abs=1e-3)


def test_late_head_gives_rotations() -> None:
    torch.manual_seed(0)
    head = LateHead(LateConfig(visual_dim=10, sound_dims=(16,), hidden_dims=(16, 16))).eval()
    with torch.no_grad():
        fused = head(seen(4), torch.rand(4, 360), torch.randn(4, 1024), level(4))
    assert torch.allclose(torch.linalg.det(fused.rotation_a_b), torch.ones(4), atol=1e-5)


def test_an_encoder_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="direction spectra"):
        SoundEncoder(dataclasses.replace(SOUND, use_directions=False, use_embedding=False))
