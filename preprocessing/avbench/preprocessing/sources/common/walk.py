"""Files below a folder, whatever links lead there."""

from __future__ import annotations

from pathlib import Path


def walk_files(root: Path) -> list[Path]:
    """All files below a folder, sorted, links to files and to folders followed.

    Names that begin with a dot are left out, with all that is below them. Every folder is visited once, so that links
    in a circle come to an end and no file is given under two names of its folder: its own place takes precedence over
    links to it. A link that leads nowhere is given as a file, for its reader to report. Folders that cannot be opened
    are left out.
    """
    files: list[Path] = []
    seen: set[tuple[int, int]] = set()
    waiting, linked = [root], list[Path]()
    while waiting or linked:
        folder = waiting.pop() if waiting else linked.pop(0)
        try:
            status = folder.stat()
            inside = sorted(folder.iterdir())
        except OSError:
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for path in inside:
            if path.name.startswith("."):
                continue
            if path.is_dir():
                (linked if path.is_symlink() else waiting).append(path)
            elif path.is_file() or path.is_symlink():
                files.append(path)
    return sorted(files)
