"""How much of a source's azimuth an embedding holds: a linear probe.

The probe is ridge regression to the cosine and sine of the azimuth. What it finds is what an embedding holds in plain
sight, no more: another regression on top could find more. Two ears in free field hear the same from ahead and from
behind, so an embedding of two ears is also judged with front and back taken as one (`folded_azimuth_deg`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.benchmark.audio.grid import wrap_deg
from avbench.preprocessing.base.geometry import FloatArray

FEWEST_EXAMPLES = 10
_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
_CHOOSING_SHARE = 0.2


def linear_probe_deg(
    train: NDArray[np.float32],
    train_azimuth_deg: FloatArray,
    train_groups: Sequence[str],
    held_out: NDArray[np.float32],
) -> FloatArray:
    """Azimuths (M,) in degrees that a linear probe reads from embeddings.

    Args:
        train: (N, D) embeddings to fit to.
        train_azimuth_deg: (N,) their azimuths.
        train_groups: (N,) their rooms. A fifth of the rooms chooses the strength of the ridge, which is then fitted to
            all of them.
        held_out: (M, D) embeddings of other rooms.

    Raises:
        ValueError: There are fewer than 10 embeddings to fit to, or they are all of one room.
    """
    rooms = len(set(train_groups))
    if len(train) < FEWEST_EXAMPLES or rooms < 2:
        raise ValueError(
            f"a probe needs at least {FEWEST_EXAMPLES} embeddings of 2 rooms to fit to, not {len(train)} of {rooms}"
        )
    mean, spread = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    scale = 1.0 / np.where(spread > 1e-6, spread, np.inf)
    x, x_held_out = (
        np.pad((values - mean) * scale, ((0, 0), (0, 1)), constant_values=1) for values in (train, held_out)
    )
    choosing = in_last_groups(train_groups, _CHOOSING_SHARE)
    candidates = _ridge(x[~choosing], train_azimuth_deg[~choosing], _STRENGTHS)
    read = [_read(x[choosing], weights) for weights in candidates]
    errors = [np.median(azimuth_error_deg(one, train_azimuth_deg[choosing])) for one in read]
    (weights,) = _ridge(x, train_azimuth_deg, [_STRENGTHS[int(np.argmin(errors))]])
    return _read(x_held_out, weights)


def _ridge(x: FloatArray, azimuth_deg: FloatArray, strengths: Sequence[float]) -> list[FloatArray]:
    """For each strength weights (D + 1, 2) from (N, D + 1) embeddings, whose last column is one, to cosine and sine."""
    angle = np.radians(azimuth_deg)
    square, target = x.T @ x, x.T @ np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = []
    for strength in strengths:
        penalty = np.full(x.shape[1], strength * len(x) / 100.0)
        penalty[-1] = 1e-9  # the mean is not penalised
        found.append(np.asarray(np.linalg.solve(square + np.diag(penalty), target)))
    return found


def _read(x: FloatArray, weights: FloatArray) -> FloatArray:
    cosine, sine = (x @ weights).T
    return np.asarray(np.degrees(np.arctan2(sine, cosine)))


def in_last_groups(groups: Sequence[str], share: float) -> NDArray[np.bool_]:
    """(N,) which examples are of the last groups by name that make up a share of all groups, at least of one."""
    names, index = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    return np.asarray(index >= len(names) - max(1, round(share * len(names))))


def azimuth_error_deg(azimuth_deg: ArrayLike, true_azimuth_deg: ArrayLike) -> FloatArray:
    """Absolute difference of azimuths, at most 180 degrees."""
    return np.abs(wrap_deg(np.subtract(azimuth_deg, true_azimuth_deg)))


def folded_azimuth_deg(azimuth_deg: ArrayLike) -> FloatArray:
    """Azimuths in [-90, 90], those behind put in front at the same angle from straight left or right."""
    wrapped = wrap_deg(azimuth_deg)
    return np.where(np.abs(wrapped) > 90.0, wrap_deg(180.0 - wrapped), wrapped)
