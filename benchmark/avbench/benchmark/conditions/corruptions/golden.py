"""Do the corruptions give the same bytes here as everywhere else?

The package carries the hashes of what every corruption makes of one synthetic picture, which is itself made with
integers. `check_golden` does the same again on the user's machine; a run calls it before it starts, and a difference
is printed and stored with the result.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avbench.benchmark.conditions.corruptions.fixed_point import Picture
from avbench.benchmark.conditions.corruptions.randomness import Stream
from avbench.benchmark.conditions.corruptions.recipes import RECIPES, SEVERITIES, Corruption, Frame, corrupt

GOLDEN_FILE = Path(__file__).with_name("golden.json")
GOLDEN_PAIR_ID = "golden-7"
"""All three parts of the paper's recipe act on frame a of this pair."""
_HEIGHT, _WIDTH = 150, 301  # odd and no multiple of 8, and wide enough for every branch of the filters


@dataclass(frozen=True)
class GoldenMismatch:
    """A corruption that gives other bytes here.

    Attributes:
        corruption: Which one.
        severity: At which severity.
        expected: Hash that was shipped, "none" where there is none.
        found: Hash of what this machine makes.
    """

    corruption: Corruption
    severity: int
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.corruption} at severity {self.severity}: {self.found} here, {self.expected} shipped"


def synthetic_picture(height: int, width: int, *, seed: str = "synthetic picture") -> Picture:
    """A picture made with integers: a gradient, tiles of random colours, discs and fine grain.

    Returns:
        (height, width, 3) uint8, the same on every machine.
    """
    stream = Stream.named(seed)
    y, x = np.arange(height, dtype=np.int64)[:, None], np.arange(width, dtype=np.int64)[None, :]
    # Eleven tiles a side: a number that shares no divisor with the grids of codecs and pixelation.
    tiles = stream.child("tiles").uniform16(3 * 11 * 11).astype(np.int64).reshape(11, 11, 3) >> 9
    picture = tiles[(y * 11 // height), (x * 11 // width)] + (64 * (x + y) // (height + width))[..., None]
    for disc in range(6):
        place = stream.child(f"disc {disc}")
        centre_x, centre_y = place.integer("x", 0, width), place.integer("y", 0, height)
        radius = place.integer("radius", width // 20 + 1, width // 8 + 2)
        inside = (x - centre_x) ** 2 + (y - centre_y) ** 2 < radius * radius
        picture[inside] = place.integers("colour", 3, 0, 256)
    grain = stream.child("grain").uniform16(picture.size).astype(np.int64).reshape(picture.shape) >> 12
    grainy: Picture = np.clip(picture + grain - 8, 0, 255).astype(np.uint8)
    return grainy


def picture_hash(picture: Picture) -> str:
    """32 hexadecimal digits that stand for the size and every pixel of a picture."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr(tuple(int(side) for side in picture.shape)).encode())
    digest.update(np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()


def golden_hashes() -> dict[str, list[str]]:
    """What this machine makes of the synthetic picture: for each `name version`, the hashes of severities 1 to 5."""
    picture = synthetic_picture(_HEIGHT, _WIDTH)
    return {
        f"{recipe.corruption} {recipe.version}": [
            picture_hash(corrupt(picture, GOLDEN_PAIR_ID, recipe.corruption, severity, Frame.A))
            for severity in SEVERITIES
        ]
        for recipe in RECIPES.values()
    }


def check_golden() -> list[GoldenMismatch]:
    """Compare this machine with the hashes that were shipped; no mismatch is an empty list. Takes about 0.3 s."""
    shipped: dict[str, list[str]] = json.loads(GOLDEN_FILE.read_text(encoding="utf-8"))
    mismatches = []
    for name, found in golden_hashes().items():
        expected = shipped.get(name, ["none"] * len(SEVERITIES))
        mismatches += [
            GoldenMismatch(Corruption(name.split()[0]), severity, hash_shipped, hash_found)
            for severity, hash_shipped, hash_found in zip(SEVERITIES, expected, found, strict=True)
            if hash_shipped != hash_found
        ]
    return mismatches


def write_golden(path: Path = GOLDEN_FILE) -> None:
    """Write the hashes anew, after a recipe got a new version."""
    path.write_text(json.dumps(golden_hashes(), indent=1) + "\n", encoding="utf-8")
