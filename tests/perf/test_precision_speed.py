"""Whether training computes in the faster of two precisions: bfloat16 where the processor has it, float32 elsewhere."""

from __future__ import annotations

import statistics
import sys
import time

import pytest
import torch

from avbench.benchmark.models.backbones.tiny import TinyBackbone
from avbench.benchmark.models.backbones.two_view import TwoViewInput
from avbench.benchmark.training.config import STANDARD
from avbench.benchmark.training.precision import has_bfloat16

ROUNDS = 3
BATCH = 8


def step_seconds(backbone: TinyBackbone, pairs: TwoViewInput, *, bfloat16: bool) -> float:
    """One step forward and back."""
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        seen = backbone(pairs)
    (seen.feature.float().square().mean() + seen.rotation_a_b.float().sum()).backward()
    return time.perf_counter() - start


@pytest.mark.perf
def test_training_computes_in_the_faster_precision() -> None:
    torch.manual_seed(0)
    config = STANDARD.vision.network
    backbone = TinyBackbone(config).train()
    pictures = torch.rand(2, BATCH, 3, config.height_px, config.width_px)
    intrinsics = torch.tensor([[100.0, 0.0, 63.5], [0.0, 100.0, 47.5], [0.0, 0.0, 1.0]]).expand(BATCH, 3, 3)
    level = torch.eye(3).expand(BATCH, 3, 3)
    pairs = TwoViewInput(pictures[0], pictures[1], intrinsics, level, level)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(ROUNDS + 1):  # both in turn; the first round warms up
            for bfloat16, found in times.items():
                found.append(step_seconds(backbone, pairs, bfloat16=bfloat16))
    finally:
        torch.set_num_threads(threads)
    ratio = statistics.median(times[True][1:]) / statistics.median(times[False][1:])
    native = has_bfloat16(torch.device("cpu"))
    print(f"\nbfloat16 / float32 {ratio:.2f}, the processor {'has' if native else 'lacks'} bfloat16", file=sys.stderr)
    chosen = ratio if native else 1.0
    assert chosen <= 1.2 * min(ratio, 1.0)
