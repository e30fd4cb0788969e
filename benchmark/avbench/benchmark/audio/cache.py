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
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
