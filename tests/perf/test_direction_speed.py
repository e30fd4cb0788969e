"""Speed of direction spectra against pyroomacoustics: same map, one thread, both sides in turn in one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from audio_scenes import ARIA_MICS_M, plane_wave
from avbench.benchmark.audio.grid import DirectionGrid, unit_direction
from avbench.benchmark.audio.music import norm_music, plan_music
from avbench.benchmark.audio.spectra import stft
from avbench.benchmark.audio.srp import plan_srp, srp_phat
from avbench.preprocessing.base.geometry import FloatArray

pytestmark = pytest.mark.perf

pra = pytest.importorskip("pyroomacoustics", reason="pyroomacoustics is the peer of this comparison")

RATE, N_FFT, HOP = 16000, 1024, 512
BAND = (500.0, 4000.0)
GRID = DirectionGrid(72, tuple(np.linspace(-85.0, 85.0, 18)))  # 1,296 directions


def sound() -> FloatArray:
    """One second at 7 microphones: a source on the grid in as much noise."""
    return plane_wave(unit_direction(40.0, 5.0), ARIA_MICS_M, noise=0.5).T


def peer(method: str) -> Any:
    """The peer's estimator, on our directions."""
    estimator = getattr(pra.doa, method)(ARIA_MICS_M.T, RATE, N_FFT, c=343.0, dim=3, n_grid=16)
    estimator.grid = pra.doa.GridSphere(cartesian_points=GRID.directions.T)
    estimator.mode_vec = pra.doa.ModeVector(ARIA_MICS_M.T, RATE, N_FFT, 343.0, estimator.grid)
    return estimator


def peer_map(estimator: Any, signals: FloatArray) -> FloatArray:
    spectra = pra.transform.stft.analysis(signals.T.astype(np.float64), N_FFT, HOP, win=pra.hann(N_FFT))
    estimator.locate_sources(spectra.transpose(2, 1, 0), freq_range=list(BAND))
    return np.asarray(estimator.grid.values)


def in_turn(ours: Callable[[], FloatArray], theirs: Callable[[], FloatArray], rounds: int = 9) -> tuple[float, float]:
    """Median milliseconds of both sides: one call of theirs, then several of ours, again and again."""
    ours(), theirs()
    ours_ms, theirs_ms = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        theirs()
        theirs_ms.append(1e3 * (time.perf_counter() - start))
        for _ in range(10):
            start = time.perf_counter()
            ours()
            ours_ms.append(1e3 * (time.perf_counter() - start))
    return float(np.median(ours_ms)), float(np.median(theirs_ms))


def measure(name: str) -> None:
    """Compare one method with the peer's and print the figures as JSON; runs in a process of its own."""
    signals = sound()
    common = {"sample_rate_hz": RATE, "n_fft": N_FFT}
    ours: Callable[[], FloatArray]
    if name == "SRP":
        srp = plan_srp(ARIA_MICS_M, GRID.directions, bands_hz=(BAND,), **common)
        ours, memory = (lambda: srp_phat(stft(signals, N_FFT, HOP, srp.bins), srp)[0]), srp.nbytes
    else:
        music = plan_music(ARIA_MICS_M, GRID.directions, band_hz=BAND, **common)
        ours, memory = (lambda: norm_music(stft(signals, N_FFT, HOP, music.bins), music)), music.nbytes
    estimator = peer(name)
    a, b = ours(), peer_map(estimator, signals)
    ours_ms, theirs_ms = in_turn(ours, lambda: peer_map(estimator, signals))
    figures = {
        "ours_ms": ours_ms,
        "pyroomacoustics_ms": theirs_ms,
        "times_faster": theirs_ms / ours_ms,
        "correlation": float(np.corrcoef(a, b)[0, 1]),
        "peaks": [int(a.argmax()), int(b.argmax())],
        "tables_mb": memory / 1e6,
    }
    print(json.dumps(figures))


@pytest.mark.parametrize(("name", "least"), [("SRP", 60.0), ("NormMUSIC", 15.0)])
def test_times_faster_than_pyroomacoustics(name: str, least: float) -> None:
    # Libraries read their number of threads when they are loaded, so both sides run in a new process.
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, __file__, name],
        env={**os.environ, **one_thread, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    print(f"\n{name}: {figures}")
    assert figures["correlation"] >= 0.999
    assert figures["peaks"][0] == figures["peaks"][1]
    assert figures["times_faster"] >= least


if __name__ == "__main__":
    measure(sys.argv[1])
