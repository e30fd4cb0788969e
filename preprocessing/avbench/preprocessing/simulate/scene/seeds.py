"""One seed, many independent streams of random numbers, each with a name.

A stream depends on the seed and on its name only, never on what was drawn before. That keeps a recording the same
whatever the number of workers and the order of the work, and it keeps splits apart: rooms, textures and source signals
of another split have other names.
"""

from __future__ import annotations

import hashlib
from typing import TypeAlias

import numpy as np

Generator: TypeAlias = np.random.Generator


def stream(seed: int, *name: str | int) -> Generator:
    """The stream of random numbers with this name.

    Args:
        seed: Seed of the run, not negative.
        name: Parts of the name, for example `"texture", "train", 17`.
    """
    digest = hashlib.sha256("/".join(map(str, name)).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
