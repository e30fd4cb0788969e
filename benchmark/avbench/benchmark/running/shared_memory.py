"""Pairs from one process to another: pixels and samples through shared memory, the rest beside them.

A batch is pickled with its arrays left out of the pickle (protocol 5, PEP 574); the arrays are copied into memory that
both processes map, and out of it again on the other side, so that a receiver may keep what it was given. Arrays that
were in the batch before, as the sound is under every corruption of the pictures, are not sent again.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.data.pair import PairInput, seal

ARENAS = 2
"""One batch is read while the next is written."""

_ALIGNMENT = 64
_LEAST_BYTES = 1 << 20


@dataclass(frozen=True)
class Parcel:
    """A batch under way.

    Attributes:
        pickled: The pairs without their arrays.
        places: Where each array lies: first byte and number of bytes, or which array of the batch before it is.
        arena: Which of the shared memories.
        mapped_bytes: Its size, which may have grown.
    """

    pickled: bytes
    places: tuple[tuple[int, int] | int, ...]
    arena: int
    mapped_bytes: int


class PairSender:
    """The side that has the pairs. It owns the shared memories, open files without names; `fds` are handed on.

    They are used in turn: a batch may be packed while the one before is still being read, not while the one before
    that is.
    """

    def __init__(self) -> None:
        self._arenas = [_Arena() for _ in range(ARENAS)]
        self._packed = 0
        self._before: dict[int, tuple[int, object]] = {}

    @property
    def fds(self) -> tuple[int, ...]:
        """The files for `PairReceiver`."""
        return tuple(arena.fd for arena in self._arenas)

    def pack(self, pairs: Sequence[PairInput]) -> Parcel:
        """Put a batch into shared memory."""
        buffers: list[pickle.PickleBuffer] = []
        stream = io.BytesIO()
        _PairPickler(stream, protocol=5, buffer_callback=buffers.append).dump(list(pairs))
        views = [buffer.raw() for buffer in buffers]
        places: list[tuple[int, int] | int] = []
        new: list[tuple[int, memoryview]] = []
        end = 0
        for view in views:
            # Nothing writes to a pair's arrays, so the same array has the same content.
            known = self._before.get(id(view.obj))
            if known is not None:
                places.append(known[0])
                continue
            places.append((end, view.nbytes))
            new.append((end, view))
            end += -(-view.nbytes // _ALIGNMENT) * _ALIGNMENT
        number = self._packed % ARENAS
        arena = self._arenas[number]
        memory = arena.reserve(end)
        for start, view in new:
            # NumPy copies without holding the interpreter's lock, which the threads that read ahead want.
            memory[start : start + view.nbytes] = np.frombuffer(view, np.uint8)
        self._packed += 1
        # Holding on to the arrays keeps their ids from being given to others.
        self._before = {id(view.obj): (place, view.obj) for place, view in enumerate(views)}
        return Parcel(stream.getvalue(), tuple(places), number, len(memory))

    def forget(self) -> None:
        """Send everything next time: the receiver is a new one."""
        self._before = {}

    def close(self) -> None:
        """Free the memory."""
        self._before = {}
        for arena in self._arenas:
            arena.close()


class PairReceiver:
    """The side that wants the pairs.

    Args:
        fds: The sender's files.
    """

    def __init__(self, fds: Sequence[int]) -> None:
        self._fds = fds
        self._memories: dict[int, mmap.mmap] = {}
        self._before: list[bytes] = []

    def unpack(self, parcel: Parcel) -> list[PairInput]:
        """The pairs, in arrays of their own that cannot be written to; every parcel must be unpacked, in order."""
        memory = self._memories.get(parcel.arena)
        if memory is None or len(memory) != parcel.mapped_bytes:
            if memory is not None:
                memory.close()
            memory = mmap.mmap(self._fds[parcel.arena], parcel.mapped_bytes, access=mmap.ACCESS_READ)
            self._memories[parcel.arena] = memory
        # Slicing a mapping copies; `bytes` cannot be written to, and neither can arrays on them.
        buffers = [
            self._before[place] if isinstance(place, int) else memory[place[0] : place[0] + place[1]]
            for place in parcel.places
        ]
        self._before = buffers
        pairs: list[PairInput] = pickle.loads(parcel.pickled, buffers=buffers)  # noqa: S301 - from our own process
        return [seal(pair) for pair in pairs]


class _Arena:
    """Memory that another process maps by its file, and that grows."""

    def __init__(self) -> None:
        self.fd = _nameless_file()
        self._memory = np.empty(0, np.uint8)

    def reserve(self, size: int) -> NDArray[np.uint8]:
        if size > len(self._memory) or not len(self._memory):
            mapped = max(size, 2 * len(self._memory), _LEAST_BYTES)
            os.ftruncate(self.fd, mapped)
            # The mapping goes with the array on it.
            self._memory = np.frombuffer(mmap.mmap(self.fd, mapped), np.uint8)
        return self._memory

    def close(self) -> None:
        self._memory = np.empty(0, np.uint8)
        os.close(self.fd)


class _PairPickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, np.ndarray):
            return NotImplemented
        # A picture that a model does not look at is one byte, repeated; written out it would cost as much as any.
        if obj.size > 1 and not any(obj.strides):
            return _repeated, (obj[(0,) * obj.ndim].tobytes(), obj.dtype.str, obj.shape)
        # Only arrays without holes stay out of the pickle. How NumPy itself pickles an array differs between releases.
        whole = np.ascontiguousarray(obj)
        return _whole, (pickle.PickleBuffer(whole), whole.dtype.str, obj.shape)  # type: ignore[arg-type] # it is a buffer


def _whole(buffer: Any, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.frombuffer(buffer, np.dtype(dtype)).reshape(shape)


def _repeated(value: bytes, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.broadcast_to(np.frombuffer(value, np.dtype(dtype))[0], shape)


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("avbench-pairs")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
