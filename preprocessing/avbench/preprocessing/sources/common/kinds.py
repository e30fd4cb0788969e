"""What a file is to its recording, by its suffix."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

RIG_SUFFIX = ".toml"


class Role(StrEnum):
    """What a file is to its recording."""

    VIDEO = "video"
    SOUND = "sound"
    TRAJECTORY = "trajectory"
    RIG = "rig"


SUFFIXES: dict[Role, tuple[str, ...]] = {
    Role.VIDEO: (
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".3gp",
        ".ts",
        ".mts",
        ".m2ts",
        ".mpg",
        ".mpeg",
        ".mxf",
    ),
    Role.SOUND: (".wav", ".flac", ".w64", ".rf64", ".bw64", ".caf", ".aif", ".aiff"),
    Role.TRAJECTORY: (".tum", ".csv", ".txt"),
    Role.RIG: (RIG_SUFFIX,),
}
"""Suffixes that are read, in lower case."""

UNREAD_SUFFIXES: dict[Role, tuple[str, ...]] = {
    Role.VIDEO: (
        *(".360", ".264", ".265", ".asf", ".bag", ".divx", ".dv", ".f4v", ".flv", ".h264", ".h265", ".hevc", ".insv"),
        *(".lrv", ".mcap", ".mjpeg", ".mjpg", ".mod", ".ogv", ".qt", ".rm", ".rmvb", ".svo", ".tod", ".vob", ".wmv"),
    ),
    Role.SOUND: (
        *(".aac", ".ac3", ".amr", ".ape", ".au", ".dts", ".eac3", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus"),
        *(".pcm", ".raw", ".wma", ".wv"),
    ),
}
"""Suffixes that are not read although such a file is meant to be a recording's video or sound."""


def role_of(path: Path) -> Role | None:
    """What a file is by its suffix, None if that is not one that is read."""
    suffix = path.suffix.lower()
    return next((role for role, suffixes in SUFFIXES.items() if suffix in suffixes), None)


def unread_role(path: Path) -> Role | None:
    """What a file is meant to be by its suffix, None if that is not one of those that are known and not read."""
    suffix = path.suffix.lower()
    return next((role for role, suffixes in UNREAD_SUFFIXES.items() if suffix in suffixes), None)
