"""What a user may choose when preparing a data set, and the settings that follow from it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from joblib import cpu_count

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.progress import LineBar
from avbench.preprocessing.format.picture import PictureFormat
from avbench.preprocessing.prepare.assembly import PackSettings
from avbench.preprocessing.prepare.pipeline import PrepareResult, prepare
from avbench.preprocessing.prepare.recording_part import CheckSettings, Outcome, PrepareSettings
from avbench.preprocessing.prepare.splits import parse_fractions
from avbench.preprocessing.recording.pose_convention import PoseCheckMode
from avbench.preprocessing.rows.choose import PairSettings, Sampling
from avbench.preprocessing.rows.make import AudioMode, RowSettings
from avbench.preprocessing.sources.common.ref import Layout, SourceOptions

_Kind = TypeVar("_Kind", bound=StrEnum)


@dataclass(frozen=True)
class PrepareOptions:
    """How recordings become a data set; the options of `avbench prepare`.

    Attributes:
        audio: "required": frames without sound make no pairs; "optional": they do, with null sound.
        allow_partial_audio: Keep clips of which less than half lies within the recording's sound.
        clip_seconds: Length of the clip around a frame.
        size: Longer side of the pictures in pixels.
        picture: "jpeg" or "png".
        quality: JPEG quality, 1 to 100.
        pairs_per_recording: At most this many pairs a recording.
        min_gap: Shortest time between frames in seconds.
        max_gap: Longest.
        sampling: "spread": pairs over all sizes of motion; "uniform": as the motion happened.
        uses_per_frame: A frame is in at most this many pairs.
        max_pose_gap: Poses further apart than this, in seconds, are not interpolated between.
        pose_tolerance: A frame this little outside the trajectory, in seconds, takes its first or last pose.
        trajectory: Poses to use instead of the recording's own (one recording).
        layout: Layout of the source, where several could be meant.
        splits: Shares of groups by split, such as "train=0.8,val=0.1,test=0.1".
        split: Put everything into this split.
        check_poses: What to do where the pictures contradict the poses: "refuse", "note" or "off".
        seed: Seed of the pairs and the splits.
        shard_mb: Size of a shard in megabytes.
        jobs: Worker processes; None for one a processor.
        remake: Replace a data set made with other settings or from other recordings.
    """

    audio: str = "required"
    allow_partial_audio: bool = False
    clip_seconds: float = 1.0
    size: int = 512
    picture: str = "jpeg"
    quality: int = 95
    pairs_per_recording: int = 100
    min_gap: float = 0.25
    max_gap: float = 3.0
    sampling: str = "spread"
    uses_per_frame: int = 4
    max_pose_gap: float = 0.1
    pose_tolerance: float = 0.005
    trajectory: str | os.PathLike[str] | None = None
    layout: str | None = None
    check_poses: str = "refuse"
    splits: str = "train=0.8,val=0.1,test=0.1"
    split: str | None = None
    seed: int = 0
    shard_mb: float = 256.0
    jobs: int | None = None
    remake: bool = False

    def settings(self) -> PrepareSettings:
        """How rows are made.

        Raises:
            InputError: A value makes no sense.
        """
        return PrepareSettings(
            pairs=PairSettings(
                pairs=self.pairs_per_recording,
                min_gap_s=self.min_gap,
                max_gap_s=self.max_gap,
                max_uses_per_frame=self.uses_per_frame,
                sampling=_choice("sampling", self.sampling, Sampling),
                seed=self.seed,
            ),
            rows=RowSettings(
                audio=_choice("audio", self.audio, AudioMode),
                allow_partial_audio=self.allow_partial_audio,
                clip_seconds=self.clip_seconds,
                size_px=self.size,
                picture=_choice("picture", self.picture, PictureFormat),
                quality=self.quality,
                max_pose_gap_s=self.max_pose_gap,
                pose_tolerance_s=self.pose_tolerance,
            ),
            checks=CheckSettings(_choice("check_poses", self.check_poses, PoseCheckMode)),
        )

    def source(self) -> SourceOptions:
        """How to read the source.

        Raises:
            InputError: There is no such layout.
        """
        return SourceOptions(
            None if self.trajectory is None else Path(self.trajectory),
            None if self.layout is None else _choice("layout", self.layout, Layout),
        )

    def packing(self) -> PackSettings:
        """How rows are spread over splits and shards.

        Raises:
            InputError: The shares make no sense.
        """
        return PackSettings(
            fractions=parse_fractions(self.splits),
            split=self.split,
            seed=self.seed,
            shard_bytes=round(self.shard_mb * 1e6),
        )


def _choice(name: str, value: str, kind: type[_Kind]) -> _Kind:
    if value not in {*kind}:
        raise InputError(name, found=repr(value), expected=f"one of {', '.join(kind)}")
    return kind(value)


class RecordingBar(LineBar):
    """A bar over recordings, and a line for every one that is refused or has notes."""

    def __init__(self) -> None:
        super().__init__("recordings")

    def recording(self, outcome: Outcome) -> None:
        """One recording is done."""
        if outcome.refusal is not None:
            self.say(f"refused: {outcome.refusal.reason}")
        noted = outcome.prepared or outcome.refusal
        for note in noted.notes if noted is not None else ():
            self.say(f"note: {outcome.recording_id}: {note}")
        self.advance()


def prepare_with(source: str | os.PathLike[str], out: str | os.PathLike[str], options: PrepareOptions) -> PrepareResult:
    """Prepare all recordings of a source into a folder, with a bar on standard error.

    Raises:
        InputError: An option makes no sense, the source holds nothing, or the folder holds something else.
        OutputError: The disk is full or cannot be written to.
    """
    with RecordingBar() as bar:
        return prepare(
            Path(source),
            Path(out),
            options.settings(),
            options.packing(),
            options=options.source(),
            jobs=options.jobs or cpu_count(),
            remake=options.remake,
            progress=bar,
        )
