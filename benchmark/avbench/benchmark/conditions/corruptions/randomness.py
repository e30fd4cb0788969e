"""Randomness that is a function of its name: the same numbers on every machine, in every order, on any thread.

A stream is a 64-bit key hashed from names (pair, recipe, version, frame). Its i-th word is the i-th output of the
SplitMix64 generator started at that key, which is a hash of the counter `key + (i + 1) * golden ratio`: nothing is
carried from one word to the next, and no state is shared. Only integer operations are used, so neither numpy's
generators nor its distributions, which may change between versions, decide a pixel.

Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; the mixing constants are
Stafford's variant 13, as in the reference SplitMix64.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_GOLDEN_RATIO = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_MASK = (1 << 64) - 1
_BLOCK = 1 << 14  # words mixed at once: 128 KiB stay in a core's own cache


@dataclass(frozen=True)
class Stream:
    """A named, unlimited sequence of random words.

    Attributes:
        key: 64 bits that decide every word.
    """

    key: int

    @classmethod
    def named(cls, *names: str) -> Stream:
        """The stream of a list of names; ("ab", "c") and ("a", "bc") are different streams."""
        # Each name is preceded by its length in bytes, so that no two lists give the same text.
        encoded = [name.encode("utf-8", "surrogatepass") for name in names]
        text = b"".join(b"%d:%b" % (len(name), name) for name in encoded)
        return cls(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))

    def child(self, name: str) -> Stream:
        """An independent stream for one purpose, so that a new purpose does not shift the draws of another."""
        return Stream.named(f"{self.key:016x}", name)

    def words(self, count: int) -> NDArray[np.uint64]:
        """The first `count` words, (count,) uint64."""
        out = np.empty(count, np.uint64)
        for start in range(0, count, _BLOCK):
            stop = min(start + _BLOCK, count)
            mixed = np.arange(start + 1, stop + 1, dtype=np.uint64)
            mixed *= np.uint64(_GOLDEN_RATIO)
            mixed += np.uint64(self.key)
            mixed ^= mixed >> np.uint64(30)
            mixed *= np.uint64(_MIX_1)
            mixed ^= mixed >> np.uint64(27)
            mixed *= np.uint64(_MIX_2)
            np.bitwise_xor(mixed, mixed >> np.uint64(31), out=out[start:stop])
        return out

    def uniform16(self, count: int) -> NDArray[np.uint16]:
        """`count` numbers from 0 to 65535, each equally likely, (count,) uint16."""
        words = self.words(-(-count // 4))
        # Little-endian on every machine: a word's lowest 16 bits come first.
        return words.astype("<u8", copy=False).view("<u2")[:count].astype(np.uint16, copy=False)

    def integer(self, name: str, low: int, high: int) -> int:
        """The one number of that name, low <= number < high.

        The bias against equal likelihood is below (high - low) / 2**64.
        """
        mixed = (self.child(name).key + _GOLDEN_RATIO) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * _MIX_1) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * _MIX_2) & _MASK
        mixed ^= mixed >> 31
        return low + ((mixed * (high - low)) >> 64)

    def integers(self, name: str, count: int, low: int, high: int) -> NDArray[np.int64]:
        """`count` numbers of that name, low <= number < high, (count,) int64; high - low is at most 2**31."""
        top = (self.child(name).words(count) >> np.uint64(32)).astype(np.int64)
        return low + ((top * np.int64(high - low)) >> np.int64(32))
