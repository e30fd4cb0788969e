"""The stage that pre-trains the binaural network, and the embeddings of all pairs that it then gives.

The pretext task is that of `avbench.benchmark.models.learned.binaural_pretraining`; here it goes through the resumable
loop, with the best epoch chosen on validation pairs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avbench.benchmark.base.progress import bar_of
from avbench.benchmark.models.learned.binaural_pretraining import (
    EMBEDDING_SIZE,
    BinauralNetwork,
    difference_l1,
    embed,
    no_difference_l1,
)
from avbench.benchmark.training.data.pair_arrays import PARTIAL_SUFFIX, PairArrays, new_array
from avbench.benchmark.training.loop import Batch
from avbench.benchmark.training.stages.stages import Embeddings, to_device

OTHER_VIEW_SHARE = 0.5
_VALIDATION_PAIRS = 256
_BLOCK = 64


class EarPairs(Protocol):
    """What the two ears hear in the two frames of N pairs."""

    @property
    def ears_a(self) -> NDArray[np.float16]:
        """(N, 2, samples) left and right in frame a; anything where there are no two ears."""
        ...

    @property
    def ears_b(self) -> NDArray[np.float16]:
        """The same for frame b."""
        ...

    @property
    def ears(self) -> NDArray[np.bool_]:
        """(N,) whether both clips have two ears."""
        ...


class BinauralTask(nn.Module):
    """L1 of the predicted left-right difference."""

    def __init__(self, network: BinauralNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Mean loss of a batch.

        Of `given` (B, 2, samples) both ears are heard, of `asked` (B, 2, samples) the mix, whose left-right difference
        is predicted; `other` (B,) says whether they are of different frames.
        """
        return difference_l1(self.network, batch["given"], batch["asked"], batch["other"]).mean()


@dataclass(frozen=True)
class BinauralStage:
    """Pre-trains the binaural network on pairs whose clips both have two ears.

    Attributes:
        network: What is trained.
        train: Training pairs.
        rows: Which of them.
        validation: Validation pairs.
        name: Name of the stage.
    """

    network: BinauralNetwork
    train: EarPairs
    rows: NDArray[np.int64]
    validation: EarPairs
    name: str = "binaural"
    task: BinauralTask = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", BinauralTask(self.network))

    @property
    def stream(self) -> str:
        """Name of the random stream; a network and its control share it, and hear the same pairs in the same order."""
        return "binaural"

    @property
    def result(self) -> nn.Module:
        """The network."""
        return self.network

    @property
    def train_size(self) -> int:
        """Number of training pairs."""
        return len(self.rows)

    def train_batch(self, rows: NDArray[np.int64], random: np.random.Generator, device: torch.device) -> Batch:
        """One of the frames is heard; the mix is its own or the other frame's; half are mirrored."""
        a, b = _ears(self.train, self.rows[rows])
        count = len(rows)
        mirrored, exchanged, other = (torch.from_numpy(random.random(count) < 0.5) for _ in range(3))
        a, b = (torch.where(mirrored[:, None, None], ears.flip(1), ears) for ears in (a, b))
        given = torch.where(exchanged[:, None, None], b, a)
        asked = torch.where((exchanged == other)[:, None, None], a, b)
        return to_device({"given": given, "asked": asked, "other": other}, device)

    def validate(self, device: torch.device) -> Mapping[str, float]:
        """L1 on validation pairs, half with the other frame's mix, and its gain over predicting no difference."""
        rows = np.flatnonzero(np.asarray(self.validation.ears))[:_VALIDATION_PAIRS]
        own = other = nothing = 0.0
        for start in range(0, len(rows), _BLOCK):
            a, b = (ears.to(device) for ears in _ears(self.validation, rows[start : start + _BLOCK]))
            is_other = torch.ones(len(a), dtype=torch.bool, device=device)
            own += float(self.task({"given": a, "asked": a, "other": ~is_other})) * len(a)
            other += float(self.task({"given": b, "asked": a, "other": is_other})) * len(a)
            nothing += float(no_difference_l1(self.network, a).sum())
        loss = (1 - OTHER_VIEW_SHARE) * own + OTHER_VIEW_SHARE * other
        return {
            "loss": loss / len(rows),
            "own_frame_l1": own / len(rows),
            "other_frame_l1": other / len(rows),
            "gain_over_no_difference": 1.0 - loss / nothing if nothing > 0.0 else 0.0,
        }


def _ears(arrays: EarPairs, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    a, b = (torch.from_numpy(np.asarray(ears[rows], np.float32)) for ears in (arrays.ears_a, arrays.ears_b))
    return a, b


def no_embeddings(arrays: PairArrays) -> Embeddings:
    """Embeddings of pairs that have none: zeros."""
    zeros = np.broadcast_to(np.float16(0), (len(arrays), EMBEDDING_SIZE))
    return Embeddings(zeros, zeros, zeros, zeros)


def pair_embeddings(
    network: BinauralNetwork,
    weights_sha256: str,
    arrays: PairArrays,
    cache: Path,
    device: torch.device,
    bar_position: int = 0,
) -> Embeddings:
    """Binaural embeddings of all pairs, as heard and with the ears exchanged, from the cache or made now.

    Args:
        network: The pre-trained network.
        weights_sha256: Hash of its weights.
        arrays: The pairs; those without two ears get zeros.
        cache: Folder of caches.
        device: Where the network runs.
        bar_position: Line of the progress bar.
    """
    key: dict[str, Any] = {"weights": weights_sha256, "ears": arrays.ears_key, "config": repr(network.config)}
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache / f"{key['ears']['split']}-embeddings-{digest}"
    names = {"a": arrays.ears_a, "b": arrays.ears_b, "swapped_a": arrays.ears_a, "swapped_b": arrays.ears_b}
    if not folder.is_dir():
        network.to(device).eval()
        partial = folder.with_name(f".{folder.name}{PARTIAL_SUFFIX}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        rows = np.flatnonzero(np.asarray(arrays.ears))
        blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
        with bar_of(total=len(names) * len(blocks), desc="embeddings", unit="block", position=bar_position) as bar:
            for name, ears in names.items():
                shape = (len(arrays), EMBEDDING_SIZE)
                out = new_array(partial / f"{name}.npy", shape, np.float16)
                for block in blocks:
                    heard = np.asarray(ears[block], np.float32)
                    out[block] = embed(network, heard[:, ::-1] if name.startswith("swapped") else heard)
                    bar.update()
                out.flush()
        partial.rename(folder)
    return Embeddings(**{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names})
