"""From a pair as a model sees it to what the networks take.

Pictures are cut to the network's aspect and shrunk, their calibration with them; up becomes the rotation to level axes;
sound becomes direction maps and an azimuth spectrum. The same functions serve training and prediction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.audio.features import DirectionSettings, direction_spectrum, unit_range
from avbench.benchmark.audio.grid import DirectionGrid
from avbench.benchmark.data.pair import PairInput, SoundClip
from avbench.preprocessing.base.geometry import FloatArray, gravity_aligned_rotation

BANDS_HZ = ((300.0, 700.0), (700.0, 1200.0), (1200.0, 1900.0), (1900.0, 2800.0), (2800.0, 4200.0), (4200.0, 7000.0))
MAP_SETTINGS = DirectionSettings(grid=DirectionGrid(azimuth_bins=72, elevation_deg=(-35.0, 0.0)), bands_hz=BANDS_HZ)
"""Direction maps that the encoders compare: 72 azimuths, the horizon and the cone 35 degrees below it, six bands."""
SPECTRUM_SETTINGS = DirectionSettings()
"""The 360-bin azimuth spectrum of the published model."""
MIDDLE_S = 0.4
"""Length of the middle of a clip that has direction maps of its own. A head turns during a clip, and a source may be
heard in a part of it only; what is heard around the frame itself is where it was in the frame."""
MAPS = 2 * len(BANDS_HZ) * len(MAP_SETTINGS.grid.elevation_deg)
"""Maps a frame: those of the whole clip, then those of its middle."""
MAP_PARAMETERS = f"{MAP_SETTINGS!r} and of the middle {MIDDLE_S} s"
"""All that determines the maps but the sound, for the keys of caches."""


@dataclass(frozen=True)
class PictureFit:
    """How pictures of one size are brought to a network's.

    Attributes:
        left_px: First column that is kept.
        top_px: First row that is kept.
        crop_width_px: Width that is kept.
        crop_height_px: Height that is kept.
        width_px: Width of the result.
        height_px: Height of the result.
    """

    left_px: int
    top_px: int
    crop_width_px: int
    crop_height_px: int
    width_px: int
    height_px: int

    def picture(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(height_px, width_px, 3) of an image (H, W, 3)."""
        part = image[self.top_px : self.top_px + self.crop_height_px, self.left_px : self.left_px + self.crop_width_px]
        if part.shape[:2] == (self.height_px, self.width_px):
            return np.ascontiguousarray(part)
        shrinks = self.crop_width_px >= self.width_px
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = cv2.resize(part, (self.width_px, self.height_px), interpolation=method)
        return np.asarray(resized, dtype=np.uint8)

    def intrinsics(self, matrix: FloatArray) -> FloatArray:
        """(3, 3) calibration of the result, from that of the image; pixel centres are at whole numbers."""
        x, y = self.width_px / self.crop_width_px, self.height_px / self.crop_height_px
        K = np.array(matrix, dtype=np.float64)
        K[0, 2] = (K[0, 2] - self.left_px + 0.5) * x - 0.5
        K[1, 2] = (K[1, 2] - self.top_px + 0.5) * y - 0.5
        K[0, :2] *= x
        K[1, :2] *= y
        return K


def fit_picture(width_px: int, height_px: int, target: tuple[int, int]) -> PictureFit:
    """Keep the largest central part of the target's aspect (width, height); at most half a pixel off centre."""
    target_width, target_height = target
    crop_width = min(width_px, round(height_px * target_width / target_height))
    crop_height = min(height_px, round(width_px * target_height / target_width))
    return PictureFit(
        left_px=(width_px - crop_width) // 2,
        top_px=(height_px - crop_height) // 2,
        crop_width_px=crop_width,
        crop_height_px=crop_height,
        width_px=target_width,
        height_px=target_height,
    )


def level_rotation(up: FloatArray | None) -> FloatArray:
    """`rotation_level_camera` (3, 3); the identity where up is unknown."""
    return np.eye(3) if up is None else gravity_aligned_rotation(up)


def direction_maps(clip: SoundClip | None, up: FloatArray | None) -> NDArray[np.float32] | None:
    """(MAPS, azimuths) direction maps of one clip, or None where its sound gives no direction.

    Bands that the sample rate does not hold are zero, and so are the maps of a middle that gives no direction.
    """
    if clip is None:
        return None
    held = tuple(band for band in BANDS_HZ if band[1] <= clip.sample_rate_hz / 2)
    if not held:
        return None
    settings = replace(MAP_SETTINGS, bands_hz=held)
    whole = direction_spectrum(clip, up, settings).maps
    if whole is None:
        return None
    middle = direction_spectrum(middle_of(clip, MIDDLE_S), up, settings).maps
    out = np.zeros((2, len(BANDS_HZ), *whole.shape[1:]), dtype=np.float32)
    out[0, : len(held)] = whole
    if middle is not None:
        out[1, : len(held)] = middle
    return out.reshape(MAPS, -1)


def middle_of(clip: SoundClip, length_s: float) -> SoundClip:
    """The clip, of which only the middle counts as valid, as far as it was before."""
    centre, half = len(clip.samples) // 2, round(0.5 * length_s * clip.sample_rate_hz)
    start = min(max(clip.valid_start, centre - half), clip.valid_stop)
    return replace(clip, valid_start=start, valid_stop=max(start, min(clip.valid_stop, centre + half)))


def azimuth_spectrum(clip: SoundClip | None, up: FloatArray | None) -> NDArray[np.float32] | None:
    """(360,) azimuth spectrum in [0, 1] of one clip, or None where its sound gives no direction."""
    spectrum = direction_spectrum(clip, up, SPECTRUM_SETTINGS).azimuth
    return None if spectrum is None else unit_range(spectrum)


def picture_row(pair: PairInput, image_size: tuple[int, int]) -> dict[str, Any]:
    """Pictures (H, W, 3) uint8 of the network's size (width, height), and their calibration (3, 3)."""
    fit = fit_picture(pair.image_a.shape[1], pair.image_a.shape[0], image_size)
    return {
        "image_a": fit.picture(pair.image_a),
        "image_b": fit.picture(pair.image_b),
        "intrinsics": fit.intrinsics(pair.intrinsics),
    }


def common_up(pair: PairInput) -> tuple[FloatArray | None, FloatArray | None]:
    """Up of both frames, or of none: up of one frame alone would turn only one side of the pose."""
    return (pair.up_a, pair.up_b) if pair.up_a is not None and pair.up_b is not None else (None, None)


def up_row(pair: PairInput) -> dict[str, Any]:
    """Rotations to level axes (3, 3), and whether up is known."""
    up_a, up_b = common_up(pair)
    return {"level_a": level_rotation(up_a), "level_b": level_rotation(up_b), "up_known": up_a is not None}


def sound_row(pair: PairInput) -> dict[str, Any]:
    """Direction maps (MAPS, azimuths) and azimuth spectra (360,) of both frames, zeros without usable sound.

    They are float16, as they are kept for training, so that a model meets the same numbers in training and later.
    """
    up_a, up_b = common_up(pair)
    maps = direction_maps(pair.sound_a, up_a), direction_maps(pair.sound_b, up_b)
    spectra = azimuth_spectrum(pair.sound_a, up_a), azimuth_spectrum(pair.sound_b, up_b)
    row: dict[str, Any] = {"sound": all(one is not None for one in (*maps, *spectra))}
    shapes = (MAPS, MAP_SETTINGS.grid.azimuth_bins), (SPECTRUM_SETTINGS.grid.azimuth_bins,)
    for view, one_map, one_spectrum in zip("ab", maps, spectra, strict=True):
        for name, value, shape in (("maps", one_map, shapes[0]), ("spectrum", one_spectrum, shapes[1])):
            row[f"{name}_{view}"] = np.asarray(value if row["sound"] else np.zeros(shape), np.float16)
    return row
