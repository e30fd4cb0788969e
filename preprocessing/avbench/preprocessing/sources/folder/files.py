"""The folder layout: a video, its trajectory and a rig file under one name, with the sound inside or beside the video.

    <name>.mp4 (and others)             the video
    <name>.wav | .flac (and others)     its sound, any number of channels; without it, the sound in the video
    <name>.tum | .csv | .txt            its trajectory; see `trajectory_file`
    <name>.toml                         its rig; see `rig_file`
    rig.toml                            what is common to the recordings of this folder and of those in it

Folders in the folder are searched too, and links are followed: a recording's id is its path without the suffix.
"""

from __future__ import annotations

from pathlib import Path

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.sources.common.kinds import RIG_SUFFIX, SUFFIXES, Role, role_of, unread_role
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef
from avbench.preprocessing.sources.common.rig_file import COMMON_RIG
from avbench.preprocessing.sources.common.walk import walk_files
from avbench.preprocessing.sources.folder.hints import poses_elsewhere


def find(source: Path) -> list[RecordingRef]:
    """Find the recordings of a folder, or the one of a video file.

    A name is a recording if it has a video, or a rig file and a trajectory or sound: then its video is missing, which
    `open_ref` reports. So it does of a video of a kind that is not read beside any other file of the name.

    Raises:
        InputError: There is none.
    """
    root = source.parent if source.is_file() else source
    inside = sorted(path for path in root.iterdir() if path.is_file()) if source.is_file() else walk_files(root)
    found: dict[str, list[Path]] = {}
    for path in inside:
        is_meant = (role_of(path) or unread_role(path)) and not path.name.startswith(".")
        if is_meant and path.name != COMMON_RIG:
            found.setdefault(path.relative_to(root).with_suffix("").as_posix(), []).append(path)
    if source.is_file():
        name = source.stem
        found = {name: found[name]} if role_of(source) is Role.VIDEO and name in found else {}
    refs = [
        RecordingRef(name, Layout.FOLDER, root, (*_common_rigs(root, files[0].parent), *_without_remarks(files)))
        for name, files in found.items()
        if _is_recording(files)
    ]
    if not refs:
        raise _no_recording(source, inside)
    return refs


def _is_recording(files: list[Path]) -> bool:
    roles = {role_of(path) for path in files} - {None}
    if Role.VIDEO in roles or (Role.RIG in roles and len(roles) > 1):
        return True
    return bool(roles) and any(unread_role(path) is Role.VIDEO for path in files)


def _without_remarks(files: list[Path]) -> list[Path]:
    """The files of a recording that are read, without a `.txt` beside a `.tum` or `.csv`, which holds no poses."""
    named = any(path.suffix.lower() in SUFFIXES[Role.TRAJECTORY][:2] for path in files)
    return [path for path in files if role_of(path) and not (named and path.suffix.lower() == ".txt")]


def _common_rigs(root: Path, folder: Path) -> tuple[Path, ...]:
    """The common rig files that apply in `folder`, from `root` downwards."""
    folders = [folder, *folder.parents]
    candidates = [place / COMMON_RIG for place in reversed(folders[: folders.index(root) + 1])]
    return tuple(path for path in candidates if path.is_file())


def _no_recording(source: Path, inside: list[Path]) -> InputError:
    unread = [source] if source.is_file() else [path for path in inside if unread_role(path) is Role.VIDEO]
    unread = [path for path in unread if unread_role(path)]
    names = ", ".join(path.name for path in unread[:3]) + (", ..." if len(unread) > 3 else "")
    video, trajectory = SUFFIXES[Role.VIDEO], SUFFIXES[Role.TRAJECTORY]
    return InputError(
        source,
        found=f"no recording ({names}: of a kind that is not read)" if unread else "no recording",
        expected=f"<name>{video[0]} ({', '.join(video[1:])}) with <name>{trajectory[0]} ({', '.join(trajectory[1:])}) "
        f"and <name>{RIG_SUFFIX}, or an Aria .vrs file",
        hint=_conversion(unread[0], Role.VIDEO) if unread else "see docs/folder_layout.md",
    )


def _conversion(path: Path, role: Role) -> str:
    """How a file of a kind that is not read becomes one that is."""
    if role is Role.VIDEO:
        return f"move its streams to another container, such as ffmpeg -i {path.name} -c copy {path.stem}.mkv"
    return f"convert it, such as ffmpeg -i {path.name} {path.stem}.wav"


def unread_beside(ref: RecordingRef, role: Role) -> list[Path]:
    """Files of a recording's name that are meant to have a role, and are of a kind that is not read."""
    place = ref.root / ref.recording_id
    return sorted(path for path in place.parent.glob("*") if path.stem == place.name and unread_role(path) is role)


def the_one(ref: RecordingRef, role: Role) -> Path:
    """The recording's file of a role that it must have.

    Raises:
        InputError: There is none, or more than one.
    """
    path = at_most_one(ref, role)
    if path is not None:
        return path
    where = ref.root / ref.recording_id
    unread = unread_beside(ref, role)
    first, *others = SUFFIXES[role]
    raise InputError(
        where,
        found=f"{unread[0].name}, a kind of {role} file that is not read" if unread else f"no {role} file",
        expected=f"{where.name}{first} (or {', '.join(others)})",
        hint=_conversion(unread[0], role) if unread else _hint_of_missing(ref, role),
    )


def _hint_of_missing(ref: RecordingRef, role: Role) -> str:
    if role is not Role.TRAJECTORY:
        return ""
    return poses_elsewhere(ref.root, ref.root / ref.recording_id, SUFFIXES[role])


def at_most_one(ref: RecordingRef, role: Role) -> Path | None:
    """The recording's file of a role, None if it has none.

    Raises:
        InputError: There is more than one.
    """
    paths = [path for path in ref.files if role_of(path) is role]
    if len(paths) > 1:
        raise InputError(
            ref.root / ref.recording_id,
            found=" and ".join(path.name for path in paths),
            expected=f"one {role} file",
            hint="move the others elsewhere",
        )
    return paths[0] if paths else None
