"""The processes of a session, read from /proc."""

from __future__ import annotations

from pathlib import Path


def alive_in_session(session: int) -> list[int]:
    """The living processes of a session; what only waits to be asked for its exit code is dead."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of_session = path.read_text().rsplit(")", 1)[1].split()[:4]
        except OSError:
            continue
        if int(of_session) == session and state != "Z":
            found.append(int(path.parent.name))
    return found
