"""Which training pairs train encoders and which train heads.

A head that is trained on pictures its encoder was trained on trusts the encoder too much, since there it looks better
than it is (stacking, Wolpert 1992). So whole groups go to one side or the other.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError


@dataclass(frozen=True)
class Division:
    """Rows of the training split, increasing: those of the encoders and those of the heads, without a common group."""

    encoders: NDArray[np.int64]
    heads: NDArray[np.int64]


def divide(groups: Sequence[str], encoder_share: float) -> Division:
    """Divide pairs by their groups; the same groups always give the same division.

    Groups are taken in the order of their names' hashes until the encoders have their share of the pairs. Each side
    gets at least one group.

    Args:
        groups: (N,) group of each pair.
        encoder_share: Share of the pairs that train encoders, between 0 and 1.

    Raises:
        InputError: There are fewer than two groups.
    """
    sizes = Counter(groups)
    if len(sizes) < 2:
        raise InputError(
            "training split",
            found=f"{len(sizes)} group" + ("" if len(sizes) == 1 else "s"),
            expected="at least 2: encoders and heads are trained on different ones",
            hint="prepare recordings of more places, or with a finer group_id",
        )
    order = sorted(sizes, key=lambda name: hashlib.sha256(name.encode()).digest())
    taken, chosen = 0, {order[0]}
    for name in order[:-1]:
        if taken >= encoder_share * len(groups):
            break
        chosen.add(name)
        taken += sizes[name]
    mine = np.array([name in chosen for name in groups])
    return Division(np.flatnonzero(mine), np.flatnonzero(~mine))
