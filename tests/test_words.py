"""Words that a reader from elsewhere stumbles over stay out of messages, help, docstrings, comments and pages."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
AREAS = ("preprocessing", "benchmark", "leaderboards")

BANNED = {
    r"verbs?": "command",
    r"roads?": "pipeline, or path",
    r"(?<!noise )(?<!on the )floors?(?!, ceiling)": "package, area; noise floor; or what a model must beat",
    r"told": "printed, shown, stated, distinguished; a callback is called",
    r"mend(s|ed|ing)?": "fix, correct",
    r"whoever": "the maker, the reader, the caller",
    r"shall": "will, must",
    r"hand(s|ed|ing)? (in|out|over)": "submit, publish, give",
    r"worth the name": "usable",
    r"for ever": "without a limit",
    r"front door": "entry point",
    r"goes before": "takes precedence over",
}
"""Each with what to say instead."""

_PATTERN = re.compile(rf"\b(?:{'|'.join(BANNED)})\b", re.IGNORECASE)


def _python_texts(path: Path) -> Iterator[tuple[int, str]]:
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for below, line in enumerate(node.value.splitlines()):
                yield node.lineno + below, line
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _notebook_texts(path: Path) -> Iterator[tuple[int, str]]:
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        for line in cell["source"]:
            yield number, line


def _texts() -> Iterator[tuple[str, str]]:
    """Place and text of every line that somebody may read."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "pyproject.toml", ROOT / "Makefile"]
    templates = [
        path for area in AREAS for path in (ROOT / area).rglob("*") if path.suffix in (".html", ".md", ".toml")
    ]
    for path in (*pages, *templates):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line
    for path in (path for area in AREAS for path in (ROOT / area).rglob("*.py")):
        yield from ((f"{path.relative_to(ROOT)}:{number}", line) for number, line in _python_texts(path))
    for path in (ROOT / "examples").glob("*.ipynb"):
        yield from ((f"{path.relative_to(ROOT)}, cell {number}", line) for number, line in _notebook_texts(path))


def test_no_banned_word_is_used() -> None:
    found = [f"{place}: {line.strip()}" for place, line in _texts() if _PATTERN.search(line)]
    assert found == [], "see BANNED in this file for what to say instead"


@pytest.mark.parametrize(
    ("line", "banned"),
    [
        ("the verb `avbench evaluate`", True),
        ("Each floor contributes", True),
        ("the noise floor of the labels", False),
        ("furniture on the floor", False),
        ("waits for ever", True),
        ("the predictions were handed in", True),
        ("broad, toldtale, verbose, shallow, recommended", False),
    ],
)
def test_the_words_are_found_where_they_stand(line: str, banned: bool) -> None:
    assert bool(_PATTERN.search(line)) is banned


def test_every_word_of_the_glossary_is_used_and_explained() -> None:
    rows = re.findall(
        r"^\| ([a-z]+) \| (.+) \|$", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    names = [name for name, _ in rows if name != "word"]
    assert len(names) == len(set(names)) > 15
    pages = " ".join(path.read_text(encoding="utf-8").lower() for path in (ROOT / "docs").glob("*.md"))
    for name in names:
        assert len(re.findall(rf"\b{name}s?\b", pages)) > 1, f"{name} is explained and used nowhere"
