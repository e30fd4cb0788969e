"""First-order ambisonics: the power of a beam steered to each direction.

Four channels hold the sound pressure (W) and the three components of a figure of eight along ambisonic axes, which are
x forward, y left, z up. In camera axes (x right, y down, z forward) that is z, -x and -y.

    convention   channel order   gain of W against X, Y, Z for a plane wave along an axis
    acn_sn3d     W Y Z X         1 (AmbiX: most recorders and all video platforms; the default)
    acn_n3d      W Y Z X         1 / sqrt(3)
    fuma         W X Y Z         1 / sqrt(2) (Furse-Malham, the older B-format)

Higher-order recordings in ACN order hold the first order in their first four channels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avbench.preprocessing.recording.recording import AmbisonicConvention

# Rows: pressure, then the figures of eight along camera x, y, z, all with the same gain for a plane wave.
_TO_CAMERA = {
    AmbisonicConvention.ACN_SN3D: np.array([[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]], dtype=float),
    AmbisonicConvention.ACN_N3D: np.array([[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]], dtype=float)
    / np.array([[1.0], [3.0**0.5], [3.0**0.5], [3.0**0.5]]),
    AmbisonicConvention.FUMA: np.array([[2.0**0.5, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, -1], [0, 1, 0, 0]]),
}


def camera_components(samples: NDArray[np.float32], convention: AmbisonicConvention) -> NDArray[np.float32]:
    """Pressure and its three figures of eight along camera x, y, z: (..., 4, n) of channels (..., 4 or more, n).

    Raises:
        ValueError: Fewer than four channels, or more than four that are not in ACN order.
    """
    channels = samples.shape[-2]
    if channels < 4 or (channels > 4 and convention is AmbisonicConvention.FUMA):
        raise ValueError(f"first-order ambisonics in the convention {convention} has 4 channels, not {channels}")
    return np.asarray(_TO_CAMERA[convention].astype(np.float32) @ samples[..., :4, :], dtype=np.float32)


def left_right_signs(channels: int, convention: AmbisonicConvention) -> NDArray[np.float32]:
    """Signs (channels,) that exchange left and right: components odd in the axis that points left change theirs.

    In ACN order those are the components of negative degree.

    Raises:
        ValueError: Fewer than four channels, or more than four that are not in ACN order.
    """
    if channels < 4 or (channels > 4 and convention is AmbisonicConvention.FUMA):
        raise ValueError(f"first-order ambisonics in the convention {convention} has 4 channels, not {channels}")
    if convention is AmbisonicConvention.FUMA:
        return np.array([1, 1, -1, 1], dtype=np.float32)
    number = np.arange(channels)
    order = np.floor(np.sqrt(number))
    return np.where(number - order * (order + 1) < 0, -1.0, 1.0).astype(np.float32)


def beam_power(spectrum: NDArray[np.complex64], directions: ArrayLike) -> NDArray[np.float32]:
    """Power of a first-order hypercardioid beam in each direction, (..., directions), 1 for a lone plane wave.

    The hypercardioid, (1 + 3 cos) / 4, is the beam of highest directivity that the first order has. Each time-frequency
    bin counts the same whatever its loudness, as in SRP-PHAT, so that one loud low note does not decide.

    Args:
        spectrum: (..., 4, bins, frames) short-time spectra of `camera_components`.
        directions: (directions, 3) unit vectors in camera axes.

    Raises:
        ValueError: There are not four channels.
    """
    if spectrum.shape[-3] != 4:
        raise ValueError(f"expected pressure and three figures of eight, not {spectrum.shape[-3]} channels")
    power = spectrum.real**2 + spectrum.imag**2
    # A plane wave has as much power in the figures of eight together as in the pressure.
    total = 0.5 * power.sum(axis=-3, keepdims=True)
    heard = total > 1e-24
    count = np.maximum(heard.sum(axis=(-3, -2, -1)), 1)[..., None, None]
    unit = spectrum * np.where(heard, 1.0 / np.sqrt(np.where(heard, total, 1.0)), 0.0).astype(np.float32)
    flat = unit.reshape(*unit.shape[:-2], -1)
    matrix = (flat @ np.conj(np.swapaxes(flat, -1, -2))).real / count
    u = np.asarray(directions, dtype=np.float32)
    weights = np.concatenate([np.full((len(u), 1), 0.25, dtype=np.float32), 0.75 * u], axis=1)
    return np.asarray(np.sum((weights @ matrix) * weights, axis=-1), dtype=np.float32)
