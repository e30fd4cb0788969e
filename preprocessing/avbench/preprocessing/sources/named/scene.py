"""The files around a file with poses: its recording's folder, rig files, video, sound and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.image_files import IMAGE_SUFFIXES
from avbench.preprocessing.sources.common.kinds import Role, role_of
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef
from avbench.preprocessing.sources.common.rig_file import COMMON_RIG
from avbench.preprocessing.sources.common.walk import walk_files

OWN_RIG = COMMON_RIG
_LISTS = (".txt", ".csv")


@dataclass(frozen=True)
class Scene:
    """What was found around the poses of one recording.

    Attributes:
        folder: The recording's folder.
        rigs: Rig files from the most general to its own.
        own_rig: Where its own rig file is, or would be.
        videos: Videos in the folder.
        sounds: Sound files in the folder.
    """

    folder: Path
    rigs: tuple[Path, ...]
    own_rig: Path
    videos: tuple[Path, ...]
    sounds: tuple[Path, ...]


def scene_of(ref: RecordingRef, folder: Path) -> Scene:
    """The files of a recording that has a folder of its own."""
    here = [path for path in ref.files if path.parent == folder]
    return Scene(
        folder,
        tuple(path for path in ref.files if path.name == COMMON_RIG),
        folder / OWN_RIG,
        tuple(path for path in here if role_of(path) is Role.VIDEO),
        tuple(path for path in here if role_of(path) is Role.SOUND),
    )


def refs_by_folder(root: Path, layout: Layout, poses: Iterable[Path], files: Sequence[Path]) -> list[RecordingRef]:
    """One recording for every folder that has files with poses; arguments as of `named_ref`."""
    folders: dict[Path, list[Path]] = {}
    for path in poses:
        folders.setdefault(path.parent, []).append(path)
    return [named_ref(root, folder, layout, paths, files) for folder, paths in sorted(folders.items())]


def named_ref(root: Path, folder: Path, layout: Layout, poses: Iterable[Path], files: Sequence[Path]) -> RecordingRef:
    """A recording that has a folder of its own.

    Args:
        root: The folder that was searched.
        folder: The recording's folder, `root` or below it.
        layout: The layout.
        poses: The files with the poses; they come first among the recording's files.
        files: All files below `root`.
    """
    poses = tuple(poses)
    rigs = [place / COMMON_RIG for place in reversed([folder, *folder.parents]) if place.is_relative_to(root)]
    others = [
        path
        for path in files
        if path.is_relative_to(folder)
        and path not in poses
        and (
            path.suffix.lower() in IMAGE_SUFFIXES
            or (path.parent == folder and (role_of(path) in (Role.VIDEO, Role.SOUND) or path.suffix.lower() in _LISTS))
        )
    ]
    name = folder.relative_to(root).as_posix() if folder != root else (root.resolve().name or "recording")
    return RecordingRef(name, layout, root, (*poses, *(rig for rig in rigs if rig.is_file()), *others))


def folder_of(ref: RecordingRef) -> Path:
    """The folder of a recording made by `named_ref`."""
    below = ref.root / ref.recording_id
    return below if below.is_dir() and any(path.is_relative_to(below) for path in ref.files[:1]) else ref.root


def files_below(source: Path) -> tuple[Path, list[Path]]:
    """The folder that is searched and the files below it; a file stands for its folder."""
    root = source if source.is_dir() else source.parent
    return root, walk_files(root)


def choose_file(scene: Scene, found: Sequence[Path], stated: str | None, what: str) -> Path | None:
    """The one file of a kind, None where there is none.

    Args:
        scene: The recording's files.
        found: The files of that kind.
        stated: What the rig file says.
        what: "video" or "sound", the field of the rig file.

    Raises:
        InputError: The stated file does not exist, or there are several and none is stated.
    """
    field = f"{scene.own_rig}: pictures.{what}"
    if stated is not None:
        path = scene.folder / stated
        if not path.is_file():
            names = ", ".join(path.name for path in found[:3])
            raise InputError(field, found=stated, expected=f"a file in {scene.folder.name or scene.folder}", hint=names)
        return path
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:4]) + (", ..." if len(found) > 4 else "")
        raise InputError(
            scene.folder,
            found=f"{len(found)} {what} files ({names})",
            expected=f"one, or a statement of pictures.{what} in {scene.own_rig.name}",
        )
    return found[0] if found else None
