"""What the pictures of a recording show at a few moments: matches, and the motion that they mean under a lens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.checks.pictures.features import detector, find_features, mutual_matches, shrinking
from avbench.preprocessing.checks.pictures.frames import Moment
from avbench.preprocessing.checks.pictures.lenses import upright_rays
from avbench.preprocessing.checks.pictures.two_view import TwoView, estimate
from avbench.preprocessing.recording.recording import Camera, FrameSource


@dataclass(frozen=True, eq=False)
class MatchedPair:
    """Two frames and the places of what is seen in both.

    Attributes:
        a: Index of the first frame.
        b: Index of the second.
        points_a_px: (M, 2) places in picture a as it was delivered.
        points_b_px: (M, 2) places in picture b.
    """

    a: int
    b: int
    points_a_px: FloatArray
    points_b_px: FloatArray


def matched_pairs(frames: FrameSource, moments: Sequence[Moment]) -> list[MatchedPair]:
    """Matches of the pairs of moments, as far as their frames can be decoded."""
    sift = detector()
    wanted = sorted({index for moment in moments for index in moment.frames})
    number = {int(frames.time_ns[index]): index for index in wanted}
    found = {
        number[frame.time_ns]: find_features(sift, frame.image)
        for frame in frames.read(wanted, on_error=lambda _: None)
    }
    pairs = []
    for moment in moments:
        for a, b in moment.pairs:
            if a in found and b in found:
                in_a, in_b = mutual_matches(found[a].descriptors, found[b].descriptors)
                pairs.append(MatchedPair(a, b, found[a].points_px[in_a], found[b].points_px[in_b]))
    return pairs


def thinned(pair: MatchedPair, matches: int) -> MatchedPair:
    """A pair with at most so many of its matches, spread evenly over them."""
    count = len(pair.points_a_px)
    kept = np.unique(np.linspace(0, count - 1, matches).astype(np.int64)) if count > matches else np.arange(count)
    return replace(pair, points_a_px=pair.points_a_px[kept], points_b_px=pair.points_b_px[kept])


def motions(pairs: Sequence[MatchedPair], camera: Camera) -> list[TwoView | None]:
    """The motion of each pair if the pictures were taken with a camera; None where too little is seen in both."""
    scale = shrinking(camera.width_px, camera.height_px)
    focal_px = scale * float(np.sqrt(camera.fx_px * camera.fy_px))
    found: list[TwoView | None] = []
    for pair in pairs:
        if len(pair.points_a_px) == 0:
            found.append(None)
            continue
        shift_px = scale * float(np.median(np.linalg.norm(pair.points_b_px - pair.points_a_px, axis=-1)))
        rays_a, rays_b = upright_rays(camera, pair.points_a_px), upright_rays(camera, pair.points_b_px)
        found.append(estimate(rays_a, rays_b, focal_px, shift_px))
    return found
