"""The streams of a container: which there are, and which of them are meant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.sound.pyav_channels import forget_layout


@dataclass(frozen=True)
class StreamChoice:
    """Which streams of a container are meant. Streams are counted from 0 among those of their kind.

    Attributes:
        video: The video stream, None where that is not stated.
        sound: The sound streams whose channels, one after the other, are those of the recording; None where that is
            not stated.
        joins_all: All sound streams are meant, in their order.
    """

    video: int | None = None
    sound: tuple[int, ...] | None = None
    joins_all: bool = False


ANY_STREAM = StreamChoice()
"""Nothing is stated."""


def choose_video(container: Any, path: Path, choice: StreamChoice) -> tuple[Any, tuple[str, ...]]:
    """The video stream that is meant, an `av.VideoStream`, and notes on the choice.

    Without a statement it is the first, unless another has pictures of the same size and could be meant as well.

    Raises:
        InputError: There is none, not the one that is asked for, more than one could be meant, or it does not decode.
    """
    # A cover picture is a video stream of one frame; the first releases of PyAV 14 do not tell.
    streams = [s for s in container.streams.video if "attached_pic" not in str(getattr(s, "disposition", ""))]
    if not streams:
        raise InputError(path, found="no video stream", expected="a video", hint="is this the sound of a recording?")
    described = [_described_video(stream) for stream in streams]
    sizes = [_size_px(stream) for stream in streams]
    notes: tuple[str, ...] = ()
    if choice.video is not None:
        _check_number(path, "video", choice.video, described)
        stream = streams[choice.video]
    elif len(streams) == 1:
        stream = streams[0]
    elif sizes[0] in sizes[1:]:
        raise InputError(
            path,
            found=_listed("video", described),
            expected="a statement which of them the rig describes",
            hint="write it into the rig file under [streams], such as video = 0",
        )
    else:
        stream = streams[0]
        notes = (f"{path}: of {_listed('video', described)} the first is used; [streams] video = 1 takes another",)
    if stream.codec_context is None:
        raise InputError(
            path,
            found="a video codec that the installed PyAV does not decode",
            expected="a common codec such as H.264",
            hint="re-encode the video, for instance with ffmpeg -i",
        )
    return stream, notes


@dataclass(frozen=True)
class ChosenSound:
    """The sound streams that are meant.

    Attributes:
        streams: `av.AudioStream`s in the order of their channels; none where the container has none.
        channels: Number of channels of each, 0 where it is not known before decoding.
        notes: Lines a user should see.
        others: All streams in words, where there are some that were not chosen by a statement; else empty.
    """

    streams: tuple[Any, ...]
    channels: tuple[int, ...]
    notes: tuple[str, ...]
    others: str


def choose_sound(container: Any, path: Path, choice: StreamChoice) -> ChosenSound:
    """The sound streams that are meant.

    Without a statement it is the first, unless another has as many channels and could be meant as well, or all
    together could be one array.

    Raises:
        InputError: There is not the one that is asked for, more than one could be meant, or it does not decode.
    """
    streams = list(container.streams.audio)
    # Asked here once, since it can be done only before decoding.
    channels = [0 if s.codec_context is None else forget_layout(s.codec_context) for s in streams]
    described = [_described_sound(s, count) for s, count in zip(streams, channels, strict=True)]
    notes: tuple[str, ...] = ()
    if choice.joins_all:
        numbers = tuple(range(len(streams)))
    elif choice.sound is not None:
        for number in choice.sound:
            _check_number(path, "sound", number, described)
        numbers = choice.sound
    else:
        # What does not decode cannot be meant; of several that do not the first is reported below.
        numbers = tuple(i for i, s in enumerate(streams) if s.codec_context is not None)[:1] or (0,) * bool(streams)
        if any(count == channels[numbers[0]] for i, count in enumerate(channels) if i != numbers[0]):
            raise InputError(
                path,
                found=_listed("sound", described),
                expected="a statement which of them are the recording's",
                hint=f'write it into the rig file under [streams]: sound = "join" if the {sum(channels)} channels '
                "are one array, or the number of a stream such as sound = 0",
            )
        if len(streams) > 1:
            which = f"number {numbers[0]}" if numbers[0] else "the first"
            notes = (f"{path}: of {_listed('sound', described)} {which} is used; [streams] sound can name others",)
    chosen = tuple(streams[number] for number in numbers)
    if any(stream.codec_context is None for stream in chosen):
        raise InputError(
            path,
            found="a sound codec that the installed PyAV does not decode",
            expected="a common codec such as AAC or PCM",
            hint="export the sound as WAV or FLAC beside the video",
        )
    others = _listed("sound", described) if len(chosen) < len(streams) else ""
    return ChosenSound(chosen, tuple(channels[number] for number in numbers), notes, others)


def _check_number(path: Path, kind: str, number: int, described: list[str]) -> None:
    if number >= len(described):
        raise InputError(
            path,
            found=_listed(kind, described),
            expected=f"stream {number} as [streams] {kind} in the rig file says",
            hint="streams are counted from 0 among those of their kind",
        )


def _listed(kind: str, described: list[str]) -> str:
    count = len(described)
    if count == 0:
        return f"no {kind} stream"
    each = "; ".join(f"{number}: {words}" for number, words in enumerate(described))
    return f"{count} {kind} stream{'s' if count > 1 else ''} ({each})"


def _size_px(stream: Any) -> tuple[int, int] | None:
    return None if stream.codec_context is None else (stream.codec_context.width, stream.codec_context.height)


def _described_video(stream: Any) -> str:
    if stream.codec_context is None:
        return "a codec that is not read"
    return f"{stream.codec_context.name} {stream.codec_context.width} x {stream.codec_context.height}"


def _described_sound(stream: Any, channels: int) -> str:
    if stream.codec_context is None:
        return "a codec that is not read"
    return f"{stream.codec_context.name}, {channels} channel{'s' if channels != 1 else ''}"
