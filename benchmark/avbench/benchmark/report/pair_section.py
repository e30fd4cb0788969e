"""The part of the page on single pairs: pictures, motion, direction spectra and sound."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from avbench.benchmark.predictions import Status
from avbench.benchmark.report.blocks import colour_key, scrolling, section
from avbench.benchmark.report.drawing import series_class
from avbench.benchmark.report.gather import ReportData
from avbench.benchmark.report.markup import NOTHING, Child, Markup, element
from avbench.benchmark.report.pair_plots import motion_plot, outline_plot, spectra_plot, spectrum_words
from avbench.benchmark.report.pairs import AnswerView, Motion, PairView
from avbench.benchmark.report.sounds import ChannelSound, FrameSound
from avbench.benchmark.tables import number

_NOTHING_SAID = "-"


def pair_section(data: ReportData, pairs: Sequence[PairView]) -> Markup:
    """The worst pairs of the first run, each on a card."""
    if not pairs:
        return NOTHING
    whose = f" of {data.runs[0].label}" if len(data.runs) > 1 else ""
    lead = (
        "Sorted by the larger of rotation and direction error without corruption; pairs without an answer come last. "
        "Motion is seen from above, camera a at the centre."
    )
    cards = [_card(pair, place) for place, pair in enumerate(pairs, start=1)]
    return section("pairs", f"Worst pairs{whose}", cards, lead=lead)


def _card(pair: PairView, place: int) -> Markup:
    first = pair.answers[0]
    error = "no answer" if first.status is not Status.OK else f"{first.error_deg:.1f}° off"
    facts = f"{pair.recording_id}, frames {pair.gap_s:.2f} s apart"
    heading = element(
        "header",
        element("h3", f"{place}. {error}"),
        element("p", element("code", pair.pair_id), element("span", facts)),
        element("span", "simulated", class_="badge") if pair.simulated else None,
    )
    pictures = element(
        "div",
        _picture(pair.picture_a, "a", pair.pair_id),
        _picture(pair.picture_b, "b", pair.pair_id),
        class_="pictures",
    )
    drawings = element(
        "div",
        element("figure", element("figcaption", "Motion from above"), motion_plot(pair)),
        _spectra(pair),
        class_="drawings",
    )
    numbers = element("div", _motion_table(pair), _messages(pair), class_="numbers")
    return element("article", heading, pictures, drawings, numbers, _sounds(pair), class_="pair")


def _picture(encoded: bytes, frame: str, pair_id: str) -> Markup:
    return element(
        "figure",
        element(
            "img",
            src=_data_uri(encoded, "image/jpeg"),
            alt=f"Frame {frame} of {pair_id}",
            loading="lazy",
            decoding="async",
        ),
        element("figcaption", f"Frame {frame}"),
    )


def _data_uri(encoded: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(encoded).decode()}"


def _spectra(pair: PairView) -> Markup:
    words: list[Child] = []
    frames = (("frame a", pair.spectrum_a, "frame-a"), ("frame b", pair.spectrum_b, "frame-b"))
    for name, spectrum, class_ in frames:
        key = colour_key(class_) if spectrum.azimuth is not None else None
        words.append(element("li", key, element("span", spectrum_words(name, spectrum))))
    if pair.heading_by_sound_deg is not None:
        turned = f"heading by sound {pair.heading_by_sound_deg:+z.0f}°, true {pair.truth.heading_deg:+z.0f}°"
        words.append(element("li", turned))
    drawn = spectra_plot(pair) if any(spectrum.azimuth is not None for _, spectrum, _ in frames) else None
    return element(
        "figure", element("figcaption", "Direction of the sound"), drawn, element("ul", words, class_="spectra")
    )


def _motion_table(pair: PairView) -> Markup:
    heads = ["", "turn", "heading", "towards", "up", "metres", "rotation error", "direction error"]
    rows = [
        element(
            "tr", element("th", colour_key("truth"), "true", scope="row"), _motion_cells(pair.truth), _cells("", "")
        )
    ]
    for answer in pair.answers:
        name = element("th", colour_key(series_class(answer.run_number)), answer.run, scope="row", title=answer.run)
        cells = _motion_cells(answer.motion)
        rows.append(element("tr", name, cells, _cells(*_errors(answer))))
    axes = "level axes of frame a" if pair.level else "camera axes of frame a, up is not known"
    return scrolling(
        element(
            "table",
            element("thead", element("tr", [element("th", words, scope="col") for words in heads])),
            element("tbody", rows),
            class_="motion",
        ),
        f"Motion from frame a to frame b in {axes}, in degrees; to the right is positive",
    )


def _errors(answer: AnswerView) -> tuple[str, str]:
    direction = answer.direction_error_deg
    return number(answer.rotation_error_deg), "not counted" if direction is None else number(direction)


def _motion_cells(motion: Motion | None) -> list[Markup]:
    if motion is None:
        return _cells(*[_NOTHING_SAID] * 5)
    azimuth, elevation = motion.azimuth_deg, motion.elevation_deg
    return _cells(
        number(motion.rotation_deg),
        f"{motion.heading_deg:+z.2f}",
        _NOTHING_SAID if azimuth is None else f"{azimuth:+z.1f}",
        _NOTHING_SAID if elevation is None else f"{elevation:+z.1f}",
        number(motion.length_m, 3),
    )


def _cells(*words: str) -> list[Markup]:
    return [element("td", one) for one in words]


def _messages(pair: PairView) -> Markup:
    lines = [
        element("li", f"{one.run}: {'' if one.status is Status.OK else f'{one.status}: '}{one.message or 'no answer'}")
        for one in pair.answers
        if one.message is not None or one.status is not Status.OK
    ]
    return element("ul", lines, class_="notes") if lines else NOTHING


def _sounds(pair: PairView) -> Markup:
    frames = [(name, sound) for name, sound in (("a", pair.sound_a), ("b", pair.sound_b)) if sound is not None]
    if not frames:
        return NOTHING
    return element("div", [_frame_sound(name, sound) for name, sound in frames], class_="sounds")


def _frame_sound(frame: str, sound: FrameSound) -> Markup:
    shown = len(sound.channels)
    count = (
        f"{shown} channels" if shown == sound.all_channels else f"the first {shown} of {sound.all_channels} channels"
    )
    facts = f"{count}, {sound.seconds:.2f} s at {sound.sample_rate_hz / 1000:g} kHz, gain {sound.gain_db:+z.0f} dB"
    channels = [_channel(frame, one) for one in sound.channels]
    return element(
        "div", element("h4", f"Sound of frame {frame}"), element("p", facts), element("ul", channels, class_="channels")
    )


def _channel(frame: str, sound: ChannelSound) -> Markup:
    player = element(
        "audio",
        src=_data_uri(sound.encoded, sound.media_type),
        controls=True,
        preload="none",
        data_channel=sound.channel,
    )
    return element("li", element("span", str(sound.channel)), outline_plot(sound, frame), player, class_="channel")
