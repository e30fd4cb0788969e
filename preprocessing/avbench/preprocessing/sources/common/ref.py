"""A recording that was found and not opened yet, and what a user may say of its source."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

UNSTATED_LICENCE = "unspecified"
"""What rows say of a recording whose licence nobody stated."""


class Layout(StrEnum):
    """The raw layouts that are read."""

    FOLDER = "folder"  # <name>.mp4 with <name>.tum or .csv and <name>.toml; see docs/folder_layout.md
    ARIA = "aria"  # Project Aria VRS files with their trajectories
    COLMAP = "colmap"  # sparse models of COLMAP with a video or pictures
    NERF = "nerf"  # transforms.json of nerfstudio, instant-ngp and RWAVS
    EPIC_FIELDS = "epic_fields"  # poses of EPIC Fields beside the videos of EPIC-KITCHENS
    RECORD3D = "record3d"  # exports of the app Record3D: ARKit's poses and pictures
    POSED_IMAGES = "posed_images"  # pictures with a matrix each, such as 7-Scenes


@dataclass(frozen=True)
class RecordingRef:
    """A recording that was found and not opened yet.

    Attributes:
        recording_id: Unique within the source; parts of it may be separated by "/".
        layout: Its layout.
        root: The folder that was searched.
        files: Everything whose content determines the recording.
    """

    recording_id: str
    layout: Layout
    root: Path
    files: tuple[Path, ...]


@dataclass(frozen=True)
class SourceOptions:
    """What a user may say about a source.

    Attributes:
        trajectory: A trajectory file to use instead of the recording's own (Aria).
        layout: The layout, where several could be meant.
    """

    trajectory: Path | None = None
    layout: Layout | None = None
