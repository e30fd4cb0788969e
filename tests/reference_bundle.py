"""A small bundle of random weights with variants, laid out as a trained one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from avbench.benchmark.models.backbones.tiny import TinyBackbone
from avbench.benchmark.models.learned.binaural_pretraining import BinauralNetwork
from avbench.benchmark.models.learned.bundle import BackboneKind, Bundle, Head, save_bundle
from avbench.benchmark.models.learned.encoder import SoundEncoder
from avbench.benchmark.models.learned.fusion import GatedConfig, GatedHead, LateConfig, LateHead
from avbench.benchmark.training.config import SMOKE


def reference_bundle(folder: Path) -> Path:
    """Write the bundle: all heads, heads of another seed, a control, direction spectra alone, and one without up."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone, sound = TinyBackbone(SMOKE.vision.network), SoundEncoder(SMOKE.sound.encoder)
        other_sound, binaural = SoundEncoder(SMOKE.sound.encoder), BinauralNetwork(SMOKE.binaural.network)

        def gated(sound_dim: int) -> GatedHead:
            head = GatedHead(GatedConfig(backbone.feature_dim, sound_dim, SMOKE.head.hidden_dim))
            # As it starts, a head gives the pose of the pictures; here every head is to answer otherwise.
            layer = head.pose[-1]
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=0.3)
            return head

        def late() -> LateHead:
            sizes = SMOKE.head
            return LateHead(
                LateConfig(backbone.feature_dim, sound_dims=sizes.late_sound_dims, hidden_dims=sizes.late_hidden_dims)
            )

        def all_heads() -> dict[str, Head]:
            return {"vision": gated(0), "fusion": gated(sound.feature_dim), "fusion-late": late()}

        heads = all_heads()
        fused = {"fusion": gated(sound.feature_dim)}
        bundles = {
            "": Bundle(BackboneKind.TINY, backbone, sound, binaural, heads),
            "head-seed-1": Bundle(BackboneKind.TINY, backbone, sound, binaural, all_heads()),
            "control": Bundle(BackboneKind.TINY, backbone, sound, binaural, fused, facts={"control": True}),
            # The same heads for pictures as outside: `vision` and `fusion-late` of it are those of the bundle.
            "directions": Bundle(
                BackboneKind.TINY, backbone, other_sound, binaural, {**heads, "fusion": gated(sound.feature_dim)}
            ),
            "no-up": Bundle(BackboneKind.TINY, backbone, sound, binaural, heads, uses_up=False),
        }
    for name, bundle in bundles.items():
        save_bundle(folder / name, bundle)
    return folder
