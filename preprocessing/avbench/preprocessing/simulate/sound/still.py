"""A pair as a head hears it that stands still: the same row, with other clips.

In a recording the head moves while the clip of a frame is recorded, and how it moves goes with the rotation of the
frame's pairs. So a model could read the rotation from the smear within one clip. Here each clip is simulated again with
the microphones held where they are at the clip's frame. What a model still gains from sound then comes from the
directions at the two frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import relative_pose, rotation_error_deg
from avbench.preprocessing.format.sound_clip import cut_clip, decode_clip, encode_clip, level_dbfs
from avbench.preprocessing.recording.recording import SampleFormat
from avbench.preprocessing.simulate.scene.world import World
from avbench.preprocessing.simulate.sound.still_sound import StillSound

_LABEL_TOLERANCE_DEG = 0.1  # trajectories are stored at 200 Hz and interpolated
_POSITION_TOLERANCE_M = 1e-5  # rigs are stored to a micrometre


@dataclass(frozen=True)
class StillClip:
    """A clip as a row holds it.

    Attributes:
        data: The encoded sound.
        level_dbfs: Level of its valid part.
    """

    data: bytes
    level_dbfs: float


def still_row(row: dict[str, Any], world: World, heard: dict[int, StillClip]) -> dict[str, Any]:
    """A row with the clips of a head that stands still, and their levels; all else is as it was.

    Args:
        row: The row of the moving head.
        world: The recording it is from.
        heard: Clips by the time of their frame, which pairs share; new ones are added.

    Raises:
        InputError: The row is not from this recording, or its sound is damaged.
    """
    where = f"pair {row['pair_id']}"
    _check_label(row, world, where)
    changed = dict(row)
    for view in "ab":
        if row[f"audio_{view}"] is not None:
            time_ns = row[f"time_{view}_ns"]
            if time_ns not in heard:
                heard[time_ns] = _clip(row, view, StillSound(world, time_ns), where)
            changed[f"audio_{view}"] = {"bytes": heard[time_ns].data, "path": None}
            changed[f"level_{view}_dbfs"] = heard[time_ns].level_dbfs
    return changed


def _clip(row: Mapping[str, Any], view: str, sound: StillSound, where: str) -> StillClip:
    """The clip that takes the place of a row's own."""
    own = decode_clip(row[f"audio_{view}"]["bytes"], f"{where}: audio_{view}")
    found = (own.sample_rate_hz, own.samples.shape[1], own.sample_format)
    expected = (sound.sample_rate_hz, sound.channels, sound.sample_format)
    if found != expected:
        raise _other_recording(f"{where}: audio_{view}", _in_words(*found), _in_words(*expected))
    clip = cut_clip(sound, sound.time_ns, len(own.samples) / own.sample_rate_hz)
    stated = (row[f"audio_valid_start_{view}"], row[f"audio_valid_stop_{view}"])
    if (clip.valid_start, clip.valid_stop) != stated:
        raise _other_recording(
            f"{where}: audio_{view}",
            f"sound from sample {stated[0]} to {stated[1]}",
            f"from {clip.valid_start} to {clip.valid_stop} as in the recording",
        )
    return StillClip(
        data=encode_clip(clip.samples, clip.sample_rate_hz, clip.sample_format),
        level_dbfs=level_dbfs(clip.samples[clip.valid_start : clip.valid_stop], clip.sample_format),
    )


def _check_label(row: Mapping[str, Any], world: World, where: str) -> None:
    poses = world.motion.poses(np.array([row["time_a_ns"], row["time_b_ns"]]) / 1e9)
    off_deg = float(rotation_error_deg(relative_pose(poses[0], poses[1])[:3, :3], np.array(row["rotation_a_b"])))
    if not off_deg <= _LABEL_TOLERANCE_DEG:
        raise _other_recording(f"{where}: rotation_a_b", f"a rotation {off_deg:.2f} degrees off", "the recording's own")
    positions, own = row["mic_positions_m"], world.rig.mic_positions_m
    if positions is not None and not (
        np.shape(positions) == own.shape and np.allclose(positions, own, rtol=0.0, atol=_POSITION_TOLERANCE_M)
    ):
        raise _other_recording(f"{where}: mic_positions_m", "other positions", f"the {len(own)} of the recording")


def _in_words(sample_rate_hz: int, channels: int, sample_format: SampleFormat) -> str:
    return f"{channels} channels of {sample_format} at {sample_rate_hz} Hz"


def _other_recording(where: str, found: str, expected: str) -> InputError:
    return InputError(
        where,
        found=found,
        expected=expected,
        hint="give the folder of simulated recordings that the data set was prepared from",
    )
