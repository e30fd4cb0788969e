"""The choice between the raw layouts.

A reader finds recordings in a folder without opening them, and opens one at a time as a `Recording`; after that nothing
depends on the layout any more.
"""

from __future__ import annotations

from pathlib import Path

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.recording.recording import Recording
from avbench.preprocessing.sources.common.ref import Layout, RecordingRef, SourceOptions
from avbench.preprocessing.sources.common.walk import walk_files


def find_recordings(source: Path, options: SourceOptions) -> list[RecordingRef]:
    """Find all recordings of a source, sorted by id.

    Args:
        source: A folder, searched with all folders in it, or a single recording.
        options: What the user says about the source.

    Raises:
        InputError: The source does not exist, holds no recording or both layouts, or an option does not apply to it.
    """
    layout = detect_layout(source)
    if layout is Layout.ARIA:
        from avbench.preprocessing.sources.aria import layout as aria

        refs = aria.find(source, options)
    else:
        from avbench.preprocessing.sources.folder import files as folder_files

        if options.trajectory is not None:
            raise InputError(
                options.trajectory,
                found="a trajectory for recordings of the folder layout",
                expected="an Aria recording",
                hint="put the trajectory beside its video, under the same name",
            )
        refs = folder_files.find(source)
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
    from avbench.preprocessing.sources.folder import layout as folder

    return folder.open_ref(ref)


def detect_layout(source: Path) -> Layout:
    """Aria if there is a VRS file, else the folder layout.

    Raises:
        InputError: The source does not exist, or rig files of the folder layout lie among VRS files.
    """
    if not source.exists():
        raise InputError(source, found="nothing there", expected="a folder of recordings, or one recording")
    if source.is_file():
        return Layout.ARIA if _has_suffix(source, ".vrs") else Layout.FOLDER
    files = [path for path in walk_files(source) if path.suffix]
    vrs = next((path for path in files if _has_suffix(path, ".vrs")), None)
    if vrs is None:
        return Layout.FOLDER
    # Aria data comes with preview videos; only a rig file makes a video a recording of the folder layout. A file of
    # that kind named like a VRS file belongs to the Aria recording.
    of_vrs = {path.with_suffix("") for path in files if _has_suffix(path, ".vrs")}
    rig = next((path for path in files if _has_suffix(path, ".toml") and path.with_suffix("") not in of_vrs), None)
    if rig is not None:
        raise InputError(
            source,
            found=f"the Aria layout ({vrs.name}) and the folder layout ({rig.name})",
            expected="one layout",
            hint="put them into folders of their own and prepare each",
        )
    return Layout.ARIA


def _has_suffix(path: Path, suffix: str) -> bool:
    return path.suffix.lower() == suffix and not path.name.startswith(".")
