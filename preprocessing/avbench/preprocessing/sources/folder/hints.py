"""What lies about that may be the poses of a video without a trajectory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from glob import escape as glob_escape
from pathlib import Path

_MODELS = {
    "images.bin": "a COLMAP model",
    "images.txt": "a COLMAP model",
    "transforms.json": "NeRF's transforms",
}
_MOST_LOOKED_AT = 20_000
_MOST_NAMED = 3


def poses_elsewhere(root: Path, recording: Path, suffixes: Collection[str]) -> str:
    """A hint that names trajectories and models near a recording; empty if there are none.

    Args:
        root: The folder that was searched for recordings.
        recording: The recording's path without a suffix.
        suffixes: Suffixes of trajectories.
    """
    near: list[str] = []
    models: list[str] = []
    for path in _files(root, recording.parent):
        suffix, stem = path.suffix.lower(), path.stem.lower()
        name = _shown(root, path)
        if path.name.lower() in _MODELS:
            models.append(f"{name} is {_MODELS[path.name.lower()]}")
        elif suffix in suffixes and (
            (stem == recording.name.lower() and not _is_taken(path, suffixes)) or _is_lone(path, recording)
        ):
            near.append(name)
    if near:
        return f"put {' or '.join(near[:_MOST_NAMED])} beside the video under its name"
    if models:
        return (
            f"{', '.join(models[:_MOST_NAMED])}: put it and the video into one folder and prepare that, see "
            "docs/sources.md"
        )
    return ""


def _is_taken(path: Path, suffixes: Collection[str]) -> bool:
    """Whether a trajectory lies beside another file of its name, whose it is then."""
    return any(other.suffix.lower() not in suffixes for other in path.parent.glob(f"{glob_escape(path.stem)}.*"))


def _is_lone(path: Path, recording: Path) -> bool:
    """Whether a file is a trajectory by its name, in the recording's folder or in one of the same name."""
    return path.stem.lower() in ("trajectory", "poses", "groundtruth") and (
        path.parent == recording.parent or path.parent.name == recording.name
    )


def _files(root: Path, folder: Path) -> Iterator[Path]:
    """Files below the searched folder and beside the recording's, not without end."""
    seen: set[Path] = set()
    for top in (folder, root, folder.parent):
        try:
            for number, path in enumerate(top.rglob("*") if top != folder.parent else _one_deep(top)):
                if number > _MOST_LOOKED_AT:
                    break
                if path not in seen and path.is_file():
                    seen.add(path)
                    yield path
        except OSError:  # a hint is no reason to fail
            continue


def _one_deep(top: Path) -> Iterator[Path]:
    """Files of a folder and of the folders in it."""
    yield from sorted(top.glob("*"))
    yield from sorted(top.glob("*/*"))


def _shown(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else f"../{path.parent.name}/{path.name}"
