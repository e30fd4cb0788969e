"""Cached sound features, keyed by what they were computed from: sound, geometry, up, parameters, version.

Nothing of a picture can enter: the key and the function behind it see a `SoundClip` and an up vector only. Each entry
is one file, written whole or not at all, with a checksum: a damaged file is computed again, never believed.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.audio.faults import ChannelFault, ChannelReport, FaultKind
from avbench.benchmark.audio.features import (
    FEATURE_VERSION,
    Ambiguity,
    DirectionSettings,
    DirectionSpectrum,
    Method,
    NoSpectrum,
    SpectrumAxes,
    direction_spectrum,
)
from avbench.benchmark.data.pair import SoundClip
from avbench.preprocessing.base.atomic import atomic_path
from avbench.preprocessing.base.geometry import FloatArray

_DIGEST_BYTES = 32

Arrays = dict[str, NDArray[Any]]


def sound_key(clip: SoundClip, up: FloatArray | None, parameters: Mapping[str, object], version: int) -> str:
    """SHA-256, in hex, of all that a sound feature depends on.

    Args:
        clip: The sound; samples, sample rate, padding, kind, convention and positions all count.
        up: (3,) up in camera axes, or None.
        parameters: The feature's name and parameters, whatever JSON can hold.
        version: Version of the code that computes it.
    """
    samples = np.ascontiguousarray(clip.samples, dtype=np.float32)
    head = {
        "version": version,
        "parameters": parameters,
        "shape": samples.shape,
        "sample_rate_hz": clip.sample_rate_hz,
        "valid": [clip.valid_start, clip.valid_stop],
        "array_kind": str(clip.array_kind),
        "ambisonic_convention": str(clip.ambisonic_convention),
        "positions": _floats(clip.mic_positions_m),
        "up": _floats(up),
    }
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    digest.update(samples.tobytes())
    return digest.hexdigest()


def _floats(values: FloatArray | None) -> str | None:
    return None if values is None else np.ascontiguousarray(values, dtype=np.float64).tobytes().hex()


class FeatureCache:
    """A folder of computed arrays, each under its key.

    Args:
        folder: Where the files are; it is made when the first one is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def path(self, key: str) -> Path:
        """Where the entry of a key is or would be."""
        return self._folder / key[:2] / f"{key}.features"

    def fetch(self, key: str, compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of a key: read where they are whole, else computed and kept.

        Raises:
            AvbenchError: The folder cannot be written to.
        """
        found = self.read(key)
        return self.keep(key, compute()) if found is None else found

    def read(self, key: str) -> Arrays | None:
        """The arrays of a key, None where there are none or they are damaged."""
        return _read(self.path(key))

    def keep(self, key: str, arrays: Arrays) -> Arrays:
        """Write the arrays of a key, and give them back.

        Raises:
            AvbenchError: The folder cannot be written to.
        """
        path = self.path(key)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        content = buffer.getvalue()
        # Two threads of one process share the temporary name.
        with self._lock, atomic_path(path) as temporary:
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
        return arrays


def _read(path: Path) -> Arrays | None:
    """Arrays of a cache file, None where there is none or it is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, OSError, zipfile.BadZipFile):
        return None


def cached_direction_spectrum(
    cache: FeatureCache, clip: SoundClip | None, up: FloatArray | None, settings: DirectionSettings | None = None
) -> DirectionSpectrum:
    """`features.direction_spectrum` through a cache; "there is none, and why" is kept as well.

    Raises:
        ValueError: As `direction_spectrum`.
        AvbenchError: The cache cannot be written to.
    """
    chosen = settings if settings is not None else DirectionSettings()
    if clip is None:
        return direction_spectrum(None, up, chosen)
    parameters = {"feature": "direction_spectrum", **asdict(chosen)}
    key = sound_key(clip, up, parameters, FEATURE_VERSION)
    return _unpack(cache.fetch(key, lambda: _pack(direction_spectrum(clip, up, chosen))), chosen)


_OPTIONAL_ARRAYS = ("azimuth", "maps", "ambiguity_axis", "lag_s", "lag")


def _pack(spectrum: DirectionSpectrum) -> Arrays:
    report = spectrum.report
    head = {
        "axes": spectrum.axes,
        "method": spectrum.method,
        "ambiguity": spectrum.ambiguity,
        "nominal_geometry": spectrum.nominal_geometry,
        "channels": spectrum.channels,
        "reason": spectrum.reason,
        "detail": spectrum.detail,
        "faults": [] if report is None else [[f.kind, f.channels, f.detail] for f in report.faults],
    }
    arrays: Arrays = {"head": np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)}
    if report is not None:
        arrays["level_dbfs"], arrays["peak"] = report.level_dbfs, report.peak
    for name in _OPTIONAL_ARRAYS:
        value = getattr(spectrum, name)
        if value is not None:
            arrays[name] = value
    return arrays


def _unpack(arrays: Arrays, settings: DirectionSettings) -> DirectionSpectrum:
    head = json.loads(arrays["head"].tobytes())
    faults = tuple(ChannelFault(FaultKind(kind), tuple(channels), text) for kind, channels, text in head["faults"])
    report = ChannelReport(arrays["level_dbfs"], arrays["peak"], faults) if "level_dbfs" in arrays else None
    return DirectionSpectrum(
        grid=settings.grid,
        axes=SpectrumAxes(head["axes"]),
        azimuth=arrays.get("azimuth"),
        maps=arrays.get("maps"),
        method=None if head["method"] is None else Method(head["method"]),
        ambiguity=Ambiguity(head["ambiguity"]),
        ambiguity_axis=arrays.get("ambiguity_axis"),
        nominal_geometry=head["nominal_geometry"],
        lag_s=arrays.get("lag_s"),
        lag=arrays.get("lag"),
        channels=tuple(head["channels"]),
        report=report,
        reason=None if head["reason"] is None else NoSpectrum(head["reason"]),
        detail=head["detail"],
    )
