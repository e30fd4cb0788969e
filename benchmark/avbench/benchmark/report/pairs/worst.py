"""Single pairs as a report shows them: pictures, motion, direction spectra and sound, beside what the runs answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avbench.benchmark.audio.direction import Ambiguity, DirectionSpectrum
from avbench.benchmark.audio.features import direction_spectrum
from avbench.benchmark.audio.grid import azimuth_elevation_deg, rotation_grid_camera, yaw_between_spectra_deg
from avbench.benchmark.data.origin import SIMULATED
from avbench.benchmark.predictions.file import CLEAN_CONDITION, Status
from avbench.benchmark.report.gather import ReportData, RunData
from avbench.benchmark.report.pairs.sounds import FrameSound, frame_sounds
from avbench.preprocessing.base.geometry import FloatArray, rotation_angle_deg
from avbench.preprocessing.format.picture import PictureFormat, encode_picture
from avbench.preprocessing.recording.recording import Scale

MOST_PAIRS = 20
"""A report shows no more: each costs two pictures."""
DEFAULT_PAIRS = 12
DEFAULT_SOUNDING_PAIRS = 3
_THUMBNAIL_PX = 420
_THUMBNAIL_QUALITY = 78


@dataclass(frozen=True)
class Motion:
    """How the camera moved from frame a to frame b, in the axes of frame a turned level where up is known.

    Attributes:
        rotation_deg: Angle of the whole rotation.
        heading_deg: Turn of the direction of view about the vertical, positive to the right, in (-180, 180].
        offset: (3,) where camera b sits: right, down, forward. Metres where `in_metres`, else of length 1; None where
            there is no translation.
        in_metres: Whether the length of the offset means metres.
    """

    rotation_deg: float
    heading_deg: float
    offset: FloatArray | None
    in_metres: bool

    @property
    def azimuth_deg(self) -> float | None:
        """Direction of the offset, 0 ahead and 90 to the right."""
        return None if self.offset is None else float(azimuth_elevation_deg(self.offset)[0])

    @property
    def elevation_deg(self) -> float | None:
        """Elevation above the horizontal plane in degrees."""
        return None if self.offset is None else float(azimuth_elevation_deg(self.offset)[1])

    @property
    def length_m(self) -> float | None:
        """Length of the offset, None where it is not in metres."""
        return float(np.linalg.norm(self.offset)) if self.offset is not None and self.in_metres else None


@dataclass(frozen=True)
class AnswerView:
    """What one run answered for one pair.

    Attributes:
        run: Name of the run, short.
        run_number: Its number in the report.
        status: How the answer came about.
        message: What went wrong, None if nothing did.
        motion: The answer; None where there is no usable one.
        rotation_error_deg: Its rotation error.
        direction_error_deg: Its direction error, None where the label has no direction that counts.
    """

    run: str
    run_number: int
    status: Status
    message: str | None
    motion: Motion | None
    rotation_error_deg: float
    direction_error_deg: float | None

    @property
    def error_deg(self) -> float:
        """The larger of both, or the rotation error alone where no direction counts."""
        return max(self.rotation_error_deg, self.direction_error_deg or 0.0)


@dataclass(frozen=True)
class PairView:
    """One pair.

    Attributes:
        pair_id: Its name.
        recording_id: The recording it is from.
        gap_s: Time between the frames.
        simulated: Whether it is simulated.
        picture_a: Frame a as an encoded JPEG, small.
        picture_b: The same of frame b.
        spectrum_a: Direction spectrum of the sound of frame a, or why there is none.
        spectrum_b: The same of frame b.
        heading_by_sound_deg: Turn by which the two spectra fit best, positive to the right; None without two spectra
            that tell front from back.
        level: Whether up is known, so that motion and spectra are in level axes.
        truth: The label.
        answers: What the runs answered.
        sound_a: Sound of frame a, None where there is none or it is not shown.
        sound_b: The same of frame b.
    """

    pair_id: str
    recording_id: str
    gap_s: float
    simulated: bool
    picture_a: bytes
    picture_b: bytes
    spectrum_a: DirectionSpectrum
    spectrum_b: DirectionSpectrum
    heading_by_sound_deg: float | None
    level: bool
    truth: Motion
    answers: tuple[AnswerView, ...]
    sound_a: FrameSound | None
    sound_b: FrameSound | None


def worst_pairs(
    data: ReportData, *, count: int = DEFAULT_PAIRS, sounding: int = DEFAULT_SOUNDING_PAIRS
) -> list[PairView]:
    """The pairs on which the first run is furthest off without corruption, the worst first.

    Args:
        data: The runs and their data set.
        count: How many, at most `MOST_PAIRS`; failed pairs, which all cost the same, come last.
        sounding: How many of them carry their sound.

    Raises:
        InputError: A picture or a clip of the data set is damaged.
    """
    run = data.runs[0]
    if CLEAN_CONDITION not in run.conditions:
        return []
    errors = run.scored.errors()
    error = np.where(np.isnan(errors.total_deg), errors.rotation_deg, errors.total_deg)
    order = sorted(range(len(error)), key=lambda row: (not errors.valid[row], -error[row], data.labels.pair_id[row]))
    rows = order[: min(count, MOST_PAIRS)]
    answers = [_answers(one, number, rows) for number, one in enumerate(data.runs)]
    return [
        _pair_view(data, row, [of_run[place] for of_run in answers], sounding=place < sounding)
        for place, row in enumerate(rows)
    ]


@dataclass(frozen=True)
class _RawAnswer:
    run: str
    run_number: int
    status: Status
    message: str | None
    rotation: FloatArray
    translation: FloatArray
    metric: bool
    valid: bool
    rotation_error_deg: float
    direction_error_deg: float | None


def _answers(run: RunData, number: int, pairs: Sequence[int]) -> list[_RawAnswer]:
    """What a run answered without corruption, of the pairs with the given numbers."""
    aligned, errors = run.scored.answers(), run.scored.errors()
    return [
        _RawAnswer(
            run=run.label,
            run_number=number,
            status=aligned.status[i],
            message=run.predictions.message[aligned.rows[i]] if aligned.rows[i] >= 0 else None,
            rotation=aligned.rotation_a_b[i],
            translation=aligned.translation_a_b[i],
            metric=bool(aligned.metric[i]),
            valid=bool(errors.valid[i]),
            rotation_error_deg=float(errors.rotation_deg[i]),
            direction_error_deg=None if math.isnan(errors.direction_deg[i]) else float(errors.direction_deg[i]),
        )
        for i in pairs
    ]


def _pair_view(data: ReportData, row: int, answers: Sequence[_RawAnswer], *, sounding: bool) -> PairView:
    pair = next(data.dataset.inputs(data.split, start=row, stop=row + 1))
    scale = data.labels.scale[row]
    translation = data.labels.translation_a_b_m[row]
    has_offset = scale is not Scale.ROTATION_ONLY and bool(np.linalg.norm(translation) > 0.0)
    truth = motion_of(
        data.labels.rotation_a_b[row], translation if has_offset else None, pair.up_a, in_metres=scale is Scale.METRIC
    )
    spectra = [direction_spectrum(clip, up) for clip, up in ((pair.sound_a, pair.up_a), (pair.sound_b, pair.up_b))]
    sounds = frame_sounds([pair.sound_a, pair.sound_b]) if sounding else [None, None]
    columns = data.columns.slice(row, 1).to_pylist()[0]
    return PairView(
        pair_id=pair.pair_id,
        recording_id=columns["recording_id"],
        gap_s=columns["gap_s"],
        simulated=SIMULATED in (columns["pose_source"], columns["up_source"]),
        picture_a=thumbnail(pair.image_a),
        picture_b=thumbnail(pair.image_b),
        spectrum_a=spectra[0],
        spectrum_b=spectra[1],
        heading_by_sound_deg=_heading_by_sound(spectra[0], spectra[1]),
        level=pair.up_a is not None,
        truth=truth,
        answers=tuple(_answer_view(answer, pair.up_a) for answer in answers),
        sound_a=sounds[0],
        sound_b=sounds[1],
    )


def _answer_view(raw: _RawAnswer, up: FloatArray | None) -> AnswerView:
    motion = None
    if raw.valid:
        usable = bool(np.isfinite(raw.translation).all() and np.linalg.norm(raw.translation) > 0.0)
        motion = motion_of(raw.rotation, raw.translation if usable else None, up, in_metres=raw.metric)
    return AnswerView(
        run=raw.run,
        run_number=raw.run_number,
        status=raw.status,
        message=raw.message,
        motion=motion,
        rotation_error_deg=raw.rotation_error_deg,
        direction_error_deg=raw.direction_error_deg,
    )


def motion_of(
    rotation_a_b: FloatArray, translation_a_b: FloatArray | None, up_a: FloatArray | None, *, in_metres: bool
) -> Motion:
    """A relative pose as a motion in level axes.

    Args:
        rotation_a_b: (3, 3).
        translation_a_b: (3,), not zero; None where there is none.
        up_a: (3,) against gravity in the axes of camera a; None leaves camera axes.
        in_metres: Whether the translation is in metres; it is scaled to length 1 where it is not.
    """
    level = rotation_grid_camera(up_a)
    heading, _ = azimuth_elevation_deg(level @ rotation_a_b @ np.array([0.0, 0.0, 1.0]))
    offset = None
    if translation_a_b is not None:
        # Scaling first keeps the square of a very long or very short one finite.
        scaled = translation_a_b / np.abs(translation_a_b).max()
        offset = level @ (translation_a_b if in_metres else scaled / np.linalg.norm(scaled))
    return Motion(float(rotation_angle_deg(rotation_a_b)), float(heading), offset, in_metres)


def thumbnail(image: NDArray[np.uint8]) -> bytes:
    """A picture as a small JPEG; one that is small already keeps its size."""
    height, width = image.shape[:2]
    scale = min(1.0, _THUMBNAIL_PX / max(height, width))
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return encode_picture(image, PictureFormat.JPEG, quality=_THUMBNAIL_QUALITY)


def _heading_by_sound(a: DirectionSpectrum, b: DirectionSpectrum) -> float | None:
    if a.azimuth is None or b.azimuth is None or Ambiguity.CONE in (a.ambiguity, b.ambiguity):
        return None
    return float(yaw_between_spectra_deg(a.azimuth, b.azimuth))
