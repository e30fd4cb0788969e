"""The part of the page on single pairs: pictures, motion, direction spectra and sound."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from avbench.benchmark.predictions.file import Status
from avbench.benchmark.report.gather import ReportData
from avbench.benchmark.report.pairs.drawings import (
    DrawnSpectrum,
    MotionDrawing,
    motion_drawing,
    outline_path,
    spectrum_drawings,
)
from avbench.benchmark.report.pairs.sounds import ChannelSound, FrameSound
from avbench.benchmark.report.pairs.worst import AnswerView, Motion, PairView
from avbench.benchmark.report.views import series_style
from avbench.benchmark.tables.scores import number

_NOTHING_SAID = "-"


@dataclass(frozen=True)
class AnswerRow:
    """What one run answered, as a row of the table."""

    run: str
    style: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Channel:
    """One channel that can be played: its number, the path of its outline and its file as a data URI."""

    number: int
    outline: str
    uri: str


@dataclass(frozen=True)
class Sound:
    """The sound of one frame."""

    frame: str
    facts: str
    channels: tuple[Channel, ...]


@dataclass(frozen=True)
class PairCard:
    """One pair as a card of the page.

    Attributes:
        error: How far the first run is off.
        pair_id: Name of the pair.
        facts: Its recording and the time between its frames.
        simulated: Whether it is simulated.
        picture_a: Frame a as a data URI.
        picture_b: Frame b.
        motion: The motions from above.
        spectra: The direction spectra of both frames.
        heading_by_sound: The turn that the spectra say; empty where they say none.
        axes: The axes of the table.
        truth: The label in the cells of the table.
        answers: What the runs answered.
        messages: What they said when they failed.
        sounds: Sounds that can be played.
    """

    error: str
    pair_id: str
    facts: str
    simulated: bool
    picture_a: str
    picture_b: str
    motion: MotionDrawing
    spectra: tuple[DrawnSpectrum, DrawnSpectrum]
    heading_by_sound: str
    axes: str
    truth: tuple[str, ...]
    answers: tuple[AnswerRow, ...]
    messages: tuple[str, ...]
    sounds: tuple[Sound, ...]


@dataclass(frozen=True)
class PairPart:
    """The worst pairs: whose they are where there are several runs, and their cards."""

    whose: str
    cards: tuple[PairCard, ...]


def pair_part(data: ReportData, pairs: Sequence[PairView]) -> PairPart | None:
    """The worst pairs of the first run, each on a card; None without any."""
    if not pairs:
        return None
    whose = f" of {data.runs[0].label}" if len(data.runs) > 1 else ""
    return PairPart(whose, tuple(_card(pair) for pair in pairs))


def _card(pair: PairView) -> PairCard:
    first = pair.answers[0]
    turned = pair.heading_by_sound_deg
    return PairCard(
        error="no answer" if first.status is not Status.OK else f"{first.error_deg:.1f}° off",
        pair_id=pair.pair_id,
        facts=f"{pair.recording_id}, frames {pair.gap_s:.2f} s apart",
        simulated=pair.simulated,
        picture_a=_data_uri(pair.picture_a, "image/jpeg"),
        picture_b=_data_uri(pair.picture_b, "image/jpeg"),
        motion=motion_drawing(pair),
        spectra=spectrum_drawings(pair),
        heading_by_sound=""
        if turned is None
        else f"heading by sound {turned:+z.0f}°, true {pair.truth.heading_deg:+z.0f}°",
        axes="level axes of frame a" if pair.level else "camera axes of frame a, up is not known",
        truth=(*_motion_cells(pair.truth), "", ""),
        answers=tuple(
            AnswerRow(answer.run, series_style(answer.run_number), (*_motion_cells(answer.motion), *_errors(answer)))
            for answer in pair.answers
        ),
        messages=tuple(_messages(pair)),
        sounds=tuple(
            _sound(name, sound) for name, sound in (("a", pair.sound_a), ("b", pair.sound_b)) if sound is not None
        ),
    )


def _data_uri(encoded: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(encoded).decode()}"


def _errors(answer: AnswerView) -> tuple[str, str]:
    direction = answer.direction_error_deg
    return number(answer.rotation_error_deg), "not counted" if direction is None else number(direction)


def _motion_cells(motion: Motion | None) -> tuple[str, ...]:
    if motion is None:
        return (_NOTHING_SAID,) * 5
    azimuth, elevation = motion.azimuth_deg, motion.elevation_deg
    return (
        number(motion.rotation_deg),
        f"{motion.heading_deg:+z.2f}",
        _NOTHING_SAID if azimuth is None else f"{azimuth:+z.1f}",
        _NOTHING_SAID if elevation is None else f"{elevation:+z.1f}",
        number(motion.length_m, 3),
    )


def _messages(pair: PairView) -> list[str]:
    return [
        f"{answer.run}: {'' if answer.status is Status.OK else f'{answer.status}: '}{answer.message or 'no answer'}"
        for answer in pair.answers
        if answer.message is not None or answer.status is not Status.OK
    ]


def _sound(frame: str, sound: FrameSound) -> Sound:
    shown = len(sound.channels)
    count = (
        f"{shown} channels" if shown == sound.all_channels else f"the first {shown} of {sound.all_channels} channels"
    )
    facts = f"{count}, {sound.seconds:.2f} s at {sound.sample_rate_hz / 1000:g} kHz, gain {sound.gain_db:+z.0f} dB"
    return Sound(frame, facts, tuple(_channel(channel) for channel in sound.channels))


def _channel(sound: ChannelSound) -> Channel:
    return Channel(sound.channel, outline_path(sound), _data_uri(sound.encoded, sound.media_type))
