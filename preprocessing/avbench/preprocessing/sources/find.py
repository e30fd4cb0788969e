"""The choice between the raw layouts.

A reader finds recordings in a folder without opening them, and opens one at a time as a `Recording`; after that nothing
depends on the layout any more.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.recording.recording import Recording
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef, SourceOptions
from avbench.preprocessing.sources.common.rig_file import COMMON_RIG
from avbench.preprocessing.sources.common.walk import walk_files

_NAMED = (Layout.COLMAP, Layout.NERF, Layout.EPIC_FIELDS, Layout.RECORD3D, Layout.POSED_IMAGES)
"""Layouts whose poses belong to named pictures; each has a room of its name with `evidence`, `find` and `open_ref`."""


def find_recordings(source: Path, options: SourceOptions) -> list[RecordingRef]:
    """Find all recordings of a source, sorted by id.

    Args:
        source: A folder, searched with all folders in it, or a single recording.
        options: What the user says about the source.

    Raises:
        InputError: The source does not exist, holds no recording or several layouts, or an option does not apply to it.
    """
    layout = detect_layout(source, options.layout)
    if layout is Layout.ARIA:
        from avbench.preprocessing.sources.aria import layout as aria

        refs = aria.find(source, options)
    else:
        if options.trajectory is not None:
            raise InputError(
                options.trajectory,
                found=f"a trajectory for recordings of the layout {layout}",
                expected="an Aria recording",
                hint="put the trajectory beside its video, under the same name" if layout is Layout.FOLDER else "",
            )
        if layout is Layout.FOLDER:
            from avbench.preprocessing.sources.folder import files as folder_files

            refs = folder_files.find(source)
        else:
            refs = _room(layout).find(source)
    return sorted(refs, key=lambda ref: ref.recording_id)


def open_recording(ref: RecordingRef, options: SourceOptions) -> Recording:
    """Open a recording.

    Raises:
        InputError: Something is wrong with it.
        MissingDependencyError: Its layout needs a package that is not installed.
    """
    if ref.layout is Layout.ARIA:
        from avbench.preprocessing.sources.aria import layout as aria

        return aria.open_ref(ref, options)
    if ref.layout is Layout.FOLDER:
        from avbench.preprocessing.sources.folder import layout as folder

        return folder.open_ref(ref)
    recording: Recording = _room(ref.layout).open_ref(ref)
    return recording


def _room(layout: Layout) -> Any:
    return importlib.import_module(f"avbench.preprocessing.sources.{layout}.layout")


def detect_layout(source: Path, stated: Layout | None = None) -> Layout:
    """The layout that is stated, else the one of which there are files.

    Raises:
        InputError: The source does not exist, or files of several layouts lie in it and none is stated.
    """
    if not source.exists():
        raise InputError(source, found="nothing there", expected="a folder of recordings, or one recording")
    if stated is not None:
        return stated
    if source.is_file():
        return Layout.ARIA if _has_suffix(source, ".vrs") else _of_file(source)
    files = walk_files(source)
    found: dict[Layout, Path] = {}
    vrs = next((path for path in files if _has_suffix(path, ".vrs")), None)
    if vrs is not None:
        found[Layout.ARIA] = vrs
    for layout in _NAMED:
        evidence = _room(layout).evidence(files)
        if evidence:
            found[layout] = evidence[0]
    folder = _of_folder_layout(files, has_rig=set(found) == {Layout.ARIA}) if found else None
    if folder is not None:
        found[Layout.FOLDER] = folder
    if len(found) > 1:
        seen = ", ".join(f"{layout} ({path.relative_to(source).as_posix()})" for layout, path in found.items())
        raise InputError(
            source,
            found=f"files of {len(found)} layouts: {seen}",
            expected="one layout",
            hint=f"choose with --layout {' or '.join(found)}, or put them into folders of their own and prepare each",
        )
    packed = next((path for path in files if _has_suffix(path, ".r3d")), None)
    if packed is not None and not found:
        raise _packed(packed)
    return next(iter(found), Layout.FOLDER)


def _packed(path: Path) -> InputError:
    return InputError(
        path,
        found="a packed recording of Record3D",
        expected="its files",
        hint=f"it is a ZIP archive: unpack it into a folder, such as unzip {path.name} -d {path.stem}",
    )


def _of_file(source: Path) -> Layout:
    if _has_suffix(source, ".r3d"):
        raise _packed(source)
    for layout in _NAMED:
        if _room(layout).evidence([source]):
            return layout
    return Layout.FOLDER


def _of_folder_layout(files: list[Path], *, has_rig: bool) -> Path | None:
    """A file that shows the folder layout among files of others.

    Other layouts come with preview videos and lists; only a rig file makes a video a recording of the folder layout.
    Beside another layout's file of its name it belongs to that.

    Args:
        files: All files.
        has_rig: Whether a common rig file is one of the folder layout's, too.
    """
    taken = {path.with_suffix("") for path in files if path.suffix.lower() in (".vrs", ".json")}
    return next(
        (
            path
            for path in files
            if _has_suffix(path, ".toml") and (has_rig or path.name != COMMON_RIG) and path.with_suffix("") not in taken
        ),
        None,
    )


def _has_suffix(path: Path, suffix: str) -> bool:
    return path.suffix.lower() == suffix and not path.name.startswith(".")
