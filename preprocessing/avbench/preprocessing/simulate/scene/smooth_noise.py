"""Smooth random functions of time that can be evaluated anywhere: sums of sinusoids with random phases.

With a dozen components such a sum is close to a Gaussian process (Rice 1944), it is smooth to any order, and picture
and sound can ask for it at their own times without interpolating.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.simulate.scene.seeds import Generator

COMPONENTS = 12


@dataclass(frozen=True, eq=False)
class SmoothNoise:
    """A sum of cosines.

    Attributes:
        amplitude: (K,) amplitudes, in the unit of the function.
        frequency_hz: (K,) frequencies.
        phase_rad: (K,) phases.
    """

    amplitude: FloatArray
    frequency_hz: FloatArray
    phase_rad: FloatArray

    @classmethod
    def draw(cls, rng: Generator, sigma: float, band_hz: tuple[float, float]) -> SmoothNoise:
        """Draw a function of standard deviation `sigma` with equal power per octave of the band."""
        # One frequency in each of K slices: no draw has all its power at one end.
        position = (np.arange(COMPONENTS) + rng.uniform(size=COMPONENTS)) / COMPONENTS
        frequency = band_hz[0] * (band_hz[1] / band_hz[0]) ** position
        amplitude = np.full(COMPONENTS, sigma * np.sqrt(2.0 / COMPONENTS))
        return cls(amplitude, frequency, rng.uniform(0.0, 2.0 * np.pi, COMPONENTS))

    def __call__(self, time_s: ArrayLike) -> FloatArray:
        """Values at times (...), same shape."""
        time = np.asarray(time_s, dtype=np.float64)
        angle = 2.0 * np.pi * time[..., None] * self.frequency_hz + self.phase_rad
        return np.asarray(np.sum(self.amplitude * np.cos(angle), axis=-1), dtype=np.float64)
