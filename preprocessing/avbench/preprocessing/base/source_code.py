"""Hashes over source code that change when behaviour may, and not when a comment or a docstring does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

# What must be distinguished to see where a comment begins and whether a string stands alone. Strings of the same quotes
# inside the braces of an f-string (Python 3.12) are not foreseen; this package runs on 3.11.
_TOKEN = re.compile(
    r"""(?:\b[rRbBfFuU]{1,2}(?=["']))?"""
    r"""(?P<quoted>\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|\#[^\n]*""",
    re.DOTALL,
)


def files_sha256(root: Path, files: Iterable[Path]) -> str:
    """SHA-256 over the names of files below a folder and what runs in them, whatever their order.

    Comments, docstrings and blank lines of Python modules do not count; of other files every byte does.
    """
    digest = hashlib.sha256()
    for path in sorted(set(files)):
        digest.update(f"{path.relative_to(root).as_posix()}\0{_file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _file_sha256(path: Path) -> str:
    content = path.read_bytes()
    if path.suffix == ".py":
        content = without_comments(content.decode("utf-8")).encode()
    return hashlib.sha256(content).hexdigest()


def without_comments(source: str) -> str:
    """Python source without comments, docstrings, blank lines and trailing blanks.

    Sources that give the same text run alike: a string that stands alone as a statement does nothing. The text itself
    need not be valid Python, since a function may consist of a docstring.
    """
    kept: list[str] = []
    position = depth = 0
    for token in _TOKEN.finditer(source):
        between = source[position : token.start()]
        depth += sum(map(between.count, "([{")) - sum(map(between.count, ")]}"))
        kept.append(between)
        position = token.end()
        if token["quoted"] is not None and (depth > 0 or not _stands_alone(source, token)):
            # Blank lines and blanks inside a string are part of what runs: they are hidden from the next step.
            kept.append(token[0].replace("\n", "\0"))
    kept.append(source[position:])
    lines = (line.rstrip() for line in "".join(kept).split("\n"))
    return "\n".join(line for line in lines if line).replace("\0", "\n") + "\n"


def _stands_alone(source: str, token: re.Match[str]) -> bool:
    """Whether a string is a statement of its own: nothing before or behind it on its lines."""
    line_start = source.rfind("\n", 0, token.start()) + 1
    line_stop = source.find("\n", token.end())
    behind = source[token.end() : len(source) if line_stop < 0 else line_stop].strip()
    continued = source[:line_start].rstrip("\r\n").endswith("\\")
    return not source[line_start : token.start()].strip() and not continued and (not behind or behind.startswith("#"))
