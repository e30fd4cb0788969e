"""The sound of a recording on the clock of its pictures, and its microphones, as a rig file describes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import FloatArray
from avbench.preprocessing.checks.array_geometry import array_delay_doubt, doubled_positions
from avbench.preprocessing.checks.channels import ambisonic_level_doubt, sound_windows
from avbench.preprocessing.media.sound.clock import StoredSound, coverage_notes, with_true_rate
from avbench.preprocessing.media.sound.container import ContainerSound, open_container_sound
from avbench.preprocessing.media.sound.source import open_sound_file
from avbench.preprocessing.recording.ambisonics import FIRST_ORDER, first_order_upright, is_higher_order
from avbench.preprocessing.recording.picture_axes import Placed, vectors_upright
from avbench.preprocessing.recording.recording import (
    AmbisonicConvention,
    ArrayKind,
    Rig,
    SoundSource,
    sound_stop_ns,
)
from avbench.preprocessing.sources.common.placement import Placement
from avbench.preprocessing.sources.common.rig_file import RigFile

_CHANNELS = {ArrayKind.BINAURAL: 2, ArrayKind.STEREO: 2, ArrayKind.AMBISONIC: 4}


@dataclass(frozen=True)
class Heard:
    """The sound of a recording.

    Attributes:
        sound: Its channels in axes of the upright picture, None where there is none.
        rig: The microphones, None where there is no sound.
        notes: Lines a user should see.
    """

    sound: SoundSource | None
    rig: Rig | None
    notes: tuple[str, ...] = ()


def hear(
    rig_path: Path,
    rig_file: RigFile,
    placement: Placement,
    *,
    sound_path: Path | None,
    video_path: Path | None,
    unread: Sequence[Path] = (),
    start_ns: int | None = None,
) -> Heard:
    """Open the sound of a recording: a file of its own, else what is in the video.

    Args:
        rig_path: The recording's own rig file, for messages.
        rig_file: What the rig files say.
        placement: The pictures and their axes.
        sound_path: The sound file, None where there is none.
        video_path: The video, None where the pictures are files of their own.
        unread: Files of a kind that is not read, which seem to be the sound.
        start_ns: When a sound file begins; None: with the first frame.

    Raises:
        InputError: The sound cannot be read, lies outside the pictures, or contradicts the rig file.
    """
    frame_time_ns = placement.video.time_ns
    sound = _open_sound(sound_path, video_path, frame_time_ns, rig_file, start_ns)
    notes: list[str] = []
    if sound_path is None:
        instead = "" if video_path is None else f" instead of what is in {video_path.name}"
        notes += [
            f"{path}: a kind of sound file that is not read; export it as WAV or FLAC to use it{instead}"
            for path in unread
        ]
    heard = sound_path or video_path
    if sound is None or heard is None:
        return Heard(None, None, tuple(notes))
    turns = placement.quarter_turns_cw[Placed.MICROPHONES]
    microphones = _microphones(rig_path, rig_file, sound, heard, turns)
    notes.extend([*sound.notes, *coverage_notes(heard, sound, frame_time_ns)])
    notes.extend(_kind_notes(rig_path, rig_file, microphones, sound, heard, is_turned=placement.is_turned))
    return Heard(_upright(sound, microphones, turns), microphones, tuple(notes))


def _open_sound(
    sound_path: Path | None,
    video_path: Path | None,
    frame_time_ns: NDArray[np.int64],
    rig_file: RigFile,
    start_ns: int | None,
) -> StoredSound | None:
    """The recording's sound on the video's clock; a file beside the video takes precedence over its own."""
    shift_ns = rig_file.sound_offset_ns
    sound: StoredSound | None
    if sound_path is not None:
        sound = open_sound_file(sound_path)
        shift_ns += int(frame_time_ns[0]) if start_ns is None else start_ns
    else:
        sound = None if video_path is None else open_container_sound(video_path, rig_file.streams)
    heard = sound_path or video_path
    if sound is None or heard is None:
        return None
    sound = replace(sound, start_ns=sound.start_ns + shift_ns)
    if rig_file.sound_rate_hz is not None:
        sound = with_true_rate(sound, rig_file.sound_rate_hz, heard)
    stop_ns = sound_stop_ns(sound)
    if sound.start_ns > frame_time_ns[-1] or stop_ns < frame_time_ns[0]:
        raise InputError(
            heard,
            found=f"sound from {sound.start_ns / 1e9:.6f} to {stop_ns / 1e9:.6f} s",
            expected=f"sound during the video, {frame_time_ns[0] / 1e9:.6f} to {frame_time_ns[-1] / 1e9:.6f} s",
            hint="correct time.sound_offset_s in the rig file",
        )
    return sound


def _hint_of_streams(sound: SoundSource) -> str:
    """What to do about sound of which the file holds more."""
    others = sound.other_streams if isinstance(sound, ContainerSound) else ""
    return f'the file holds {others}: choose or join them with [streams] sound = [0, 1] or "join"' if others else ""


def _microphones(rig_path: Path, rig_file: RigFile, sound: SoundSource, sound_path: Path, quarter_turns_cw: int) -> Rig:
    """What the channels are, which must fit their number, and where they are in axes of the upright picture."""
    positions: FloatArray | None = rig_file.mic_positions_m
    if positions is not None and len(positions) != sound.channels:
        raise InputError(
            f"{rig_path}: microphones.positions_m",
            found=f"{len(positions)} positions",
            expected=f"{sound.channels}, one for each channel of {sound_path.name}",
            hint=_hint_of_streams(sound) or "in the order of the channels",
        )
    kind = rig_file.array_kind
    if kind is None:
        if sound.channels > 2:
            raise InputError(
                f"{rig_path}: microphones.array_kind",
                found="nothing",
                expected=f"what the {sound.channels} channels of {sound_path.name} are: microphones or ambisonic",
            )
        kind = ArrayKind.STEREO if sound.channels == 2 else ArrayKind.MICROPHONES
    expected = _CHANNELS.get(kind, sound.channels)
    higher = kind is ArrayKind.AMBISONIC and is_higher_order(sound.channels)
    if sound.channels != expected and not (higher and rig_file.use_first_order):
        raise InputError(
            f"{rig_path}: microphones.array_kind",
            found=f"{kind} for the {sound.channels} channels of {sound_path.name}",
            expected=f"{expected} channels",
            hint="to read the first order alone, set microphones.use_first_order = true" if higher else "",
        )
    convention = None
    if kind is ArrayKind.AMBISONIC:
        convention = rig_file.ambisonic_convention or AmbisonicConvention.ACN_SN3D
    return Rig(kind, None if positions is None else vectors_upright(positions, quarter_turns_cw), convention)


def _upright(sound: StoredSound, rig: Rig, quarter_turns_cw: int) -> SoundSource:
    """The channels of a recording, ambisonic ones as the first order in axes of the upright picture."""
    if rig.ambisonic_convention is None:
        return sound
    return first_order_upright(sound, rig.ambisonic_convention, quarter_turns_cw)


def _kind_notes(
    rig_path: Path, rig_file: RigFile, rig: Rig, sound: SoundSource, sound_path: Path, *, is_turned: bool
) -> list[str]:
    """What was taken for granted of the channels."""
    if rig.array_kind is ArrayKind.STEREO and rig.mic_positions_m is None and is_turned:
        otherwise = "where the microphones lie otherwise, give microphones.positions_m"
        return [f"{sound_path}: left and right are taken to be those of the upright picture; {otherwise}"]
    if rig.mic_positions_m is not None:
        return _array_notes(rig_path, rig.mic_positions_m, sound, sound_path)
    if rig.ambisonic_convention is None:
        return []
    notes = []
    if rig_file.ambisonic_convention is None:
        notes.append(
            f"{rig_path}: no microphones.ambisonics stated; taken as {rig.ambisonic_convention} (W Y Z X), the default"
        )
    if sound.channels > FIRST_ORDER:
        notes.append(f"{sound_path}: of {sound.channels} ambisonic channels the first {FIRST_ORDER} are read")
    doubt = ambisonic_level_doubt(sound_windows(sound), sound.sample_rate_hz, rig.ambisonic_convention)
    return [*notes, f"{sound_path}: {doubt}"] if doubt else notes


def _array_notes(rig_path: Path, positions_m: FloatArray, sound: SoundSource, sound_path: Path) -> list[str]:
    """What speaks against the places of the microphones."""
    doubled = doubled_positions(positions_m)
    if len(positions_m) < 2:
        return []
    notes = [
        f"{rig_path}: microphones.positions_m: channels {first} and {second} are in one place"
        for first, second in doubled
    ]
    doubt = array_delay_doubt(sound_windows(sound), sound.sample_rate_hz, positions_m)
    return [*notes, f"{sound_path}: {doubt}"] if doubt else notes
