"""Something in front of the lens: a hand, patches, dirt; or no picture at all."""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.conditions.corruptions.fields import Field, cloud, fill_in, grid_positions, lowest
from avbench.benchmark.conditions.corruptions.fixed_point import Picture, blend
from avbench.benchmark.conditions.corruptions.integer_tables import SINE_BITS, TURN, cosine, sine
from avbench.benchmark.conditions.corruptions.randomness import Stream

_COVERED_PERCENT = (10, 20, 32, 46, 60)
_LOST_ROWS_PERCENT = (20, 40, 60, 80, 100)

_PATCHES = 7
_UNIT = 1024  # lengths of the hand are in units of 1/1024 of its width across the knuckles
# The hand points along +y, its palm is centred on (0, 0): (x, y) of both ends and the radius of each part.
_HAND = (
    (0, -9000, 0, -500, 330),  # forearm
    (-190, -150, -200, 130, 330),  # palm
    (190, -150, 200, 130, 330),
    (-380, 350, -560, 1000, 110),  # little finger
    (-140, 400, -190, 1290, 125),
    (120, 400, 150, 1390, 130),
    (370, 370, 470, 1230, 125),  # index finger
    (420, -250, 940, 330, 145),  # thumb
)
_HAND_AREA = 3_400_000  # what lies inside a picture of it, in squared units, about
_EDGE = 1 << 10  # value of the hand's field on its outline
_SKIN = ((241, 194, 165), (224, 172, 138), (198, 134, 96), (141, 88, 58), (92, 56, 38), (60, 36, 26))
_DIRT = ((74, 62, 48), (58, 54, 50), (96, 84, 66), (44, 36, 28))


def occlusion_hand(image: Picture, severity: int, stream: Stream) -> Picture:
    """A hand reaches into the picture from outside and covers 10, 20, 32, 46 and 60 % of its pixels."""
    height, width = image.shape[:2]
    count = _covered(image, severity)
    field = fill_in(_hand_field(height, width, count, stream), height, width)
    hand = lowest(field, count)
    outline = max(int(field[hand].max()), 1)
    # Rounder where it turns away from the light: full colour inside, two thirds of it at the outline.
    shade = (256 - np.clip(field, 0, outline) * np.int32(96) // np.int32(outline)).astype(np.uint16)
    skin = _SKIN[stream.integer("skin", 0, len(_SKIN))]
    return _lay_over(image, hand, shade, skin)


def occlusion_patch(image: Picture, severity: int, stream: Stream) -> Picture:
    """Seven plain oblongs, grown until they cover 10, 20, 32, 46 and 60 % of the picture's pixels."""
    height, width = image.shape[:2]
    rows, columns = grid_positions(height, width)
    field = np.full((rows.size, columns.size), np.iinfo(np.int32).max, np.int32)
    for patch in range(_PATCHES):
        place = stream.child(f"patch {patch}")
        x, y = columns - place.integer("x", 0, width), rows - place.integer("y", 0, height)
        angle = place.integer("angle", 0, TURN)
        cos, sin = cosine(angle), sine(angle)
        long, short = place.integer("long", 256, 512), place.integer("short", 128, 256)
        # 1/8 px keep products of coordinates and sines within 32 bits for pictures of up to 16,000 px.
        along = np.abs(x * cos + y * sin) >> (SINE_BITS - 3)
        across = np.abs(y * cos - x * sin) >> (SINE_BITS - 3)
        np.minimum(field, np.maximum((along << 8) // long, (across << 8) // short), out=field)
    patches = lowest(fill_in(field, height, width), _covered(image, severity))
    colour = tuple(stream.integer(f"colour {channel}", 16, 240) for channel in range(3))
    return _lay_over(image, patches, np.full((height, width), 256, np.uint16), (colour[0], colour[1], colour[2]))


def occlusion_dirt(image: Picture, severity: int, stream: Stream) -> Picture:
    """Dirt on the lens, out of focus: 10, 20, 32, 46 and 60 % of the pixels lie more than half under it."""
    height, width = image.shape[:2]
    field = cloud(stream.child("dirt"), height, width, octaves=4)
    count = _covered(image, severity)
    edge = int(field[lowest(field, count)].max())
    # From none to full cover over a soft border, half on the outline.
    cover = np.clip(((edge - field) >> np.int32(3)) + 128, 0, 256).astype(np.uint16)
    return blend(image, _DIRT[stream.integer("dirt", 0, len(_DIRT))], cover)


def blackout(image: Picture, severity: int, stream: Stream) -> Picture:
    """The lower 20, 40, 60, 80 and 100 % of the rows never arrived and are black."""
    del stream  # nothing about it is random but which frame it hits, see `Frames`
    dark = image.copy()
    height = image.shape[0]
    dark[height - height * _LOST_ROWS_PERCENT[severity - 1] // 100 :] = 0
    return dark


def _covered(image: Picture, severity: int) -> int:
    """The exact number of pixels to cover, rounded up."""
    return int(-(-image.shape[0] * image.shape[1] * _COVERED_PERCENT[severity - 1] // 100))


def _lay_over(
    image: Picture, mask: NDArray[np.bool_], shade: NDArray[np.uint16], colour: tuple[int, int, int]
) -> Picture:
    covered = image.copy()
    for channel in range(3):
        np.copyto(covered[..., channel], (shade * np.uint16(colour[channel]) >> 8).astype(np.uint8), where=mask)
    return covered


def _hand_field(height: int, width: int, count: int, stream: Stream) -> Field:
    """How far each grid point is from the hand's bones, in 1/1024 of the flesh's thickness there, squared."""
    rows, columns = grid_positions(height, width)
    size = max(isqrt(count * _UNIT * _UNIT // _HAND_AREA), 1)  # px of a unit, so that the hand covers about `count`
    # It comes from one side towards a point in the middle third.
    angle = stream.integer("angle", 0, TURN)
    x = columns - (width * stream.integer("x", 384, 640) >> 10)
    y = rows - (height * stream.integer("y", 384, 640) >> 10)
    cos, sin = cosine(angle), sine(angle)
    mirror = 1 - 2 * stream.integer("left or right", 0, 2)
    u = ((x * sin - y * cos) >> (SINE_BITS - 3)).astype(np.int64) * (mirror * _UNIT) // (8 * size)
    v = ((x * cos + y * sin) >> (SINE_BITS - 3)).astype(np.int64) * _UNIT // (8 * size)
    field = np.full(u.shape, np.iinfo(np.int32).max >> 1, np.int64)
    for u0, v0, u1, v1, radius in _HAND:
        du, dv = u1 - u0, v1 - v0
        qu, qv = u - u0, v - v0
        length = du * du + dv * dv
        along = qu * du + qv * dv
        inside = np.clip(along, 0, length)
        squared = qu * qu + qv * qv - inside * (2 * along - inside) // length
        np.minimum(field, squared * _EDGE // (radius * radius), out=field)
    return np.clip(field, 0, 1 << 24).astype(np.int32)
