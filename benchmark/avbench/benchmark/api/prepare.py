"""Recordings to a data set, from Python."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from avbench.benchmark.api.data import Pairs, load
from avbench.preprocessing.base.errors import InputError, did_you_mean
from avbench.preprocessing.prepare.options import PrepareOptions, prepare_with


@dataclass(frozen=True)
class Prepared:
    """What became of the recordings.

    Attributes:
        folder: Where the data set lies.
        refused: Reasons by recording, for those that could not be prepared.
        notes: Lines that a user should see, by recording.
    """

    folder: Path
    refused: dict[str, str]
    notes: dict[str, tuple[str, ...]]

    @property
    def data(self) -> Pairs:
        """The data set.

        Raises:
            InputError: No recording could be prepared.
        """
        return load(self.folder)


def prepare(source: str | os.PathLike[str], out: str | os.PathLike[str], **options: Any) -> Prepared:
    """Turn raw recordings into a data set of frame pairs, as `avbench prepare` does.

    The same call again verifies the data set and adds what is new. A recording that cannot be used does not stop the
    others; it is named in `refused`.

    Args:
        source: A recording, or a folder of them.
        out: Folder of the data set.
        options: The attributes of `avbench.preprocessing.prepare.options.PrepareOptions`.

    Raises:
        InputError: An option is unknown or makes no sense, the source holds nothing, or the folder something else.
        OutputError: The disk is full or cannot be written to.

    Examples:
        >>> made = avbench.prepare("recordings/", "data/", pairs_per_recording=20)
        >>> made.refused
        >>> made.data
    """
    known = [field.name for field in fields(PrepareOptions)]
    for name in options:
        if name not in known:
            raise InputError(
                name, found="no such option", expected="one of avbench prepare", hint=did_you_mean(name, known)
            )
    result = prepare_with(source, out, PrepareOptions(**options))
    recordings = () if result.manifest is None else result.manifest.recordings
    return Prepared(
        folder=Path(out),
        refused={refusal.recording_id: refusal.reason for refusal in result.refused},
        notes={
            recording.prepared.recording_id: recording.prepared.notes
            for recording in recordings
            if recording.prepared.notes
        },
    )
