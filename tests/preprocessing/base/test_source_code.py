import ast
from pathlib import Path

import pytest

import avbench.benchmark
import avbench.preprocessing
from avbench.preprocessing.base.source_code import files_sha256, without_comments

PROGRAM = '''"""What it is for."""

import math  # for pi

NAME = "a # b"  # a comment
"""An attribute's own words."""
TEXT = """first

  # not a comment
"""


class Circle:
    """A circle."""

    def area(self, radius):
        """Its area."""
        # pi times the square
        return math.pi * radius**2


def nothing():
    """Does nothing."""
'''
BARE = '''import math
NAME = "a # b"
TEXT = """first

  # not a comment
"""
class Circle:
    def area(self, radius):
        return math.pi * radius**2
def nothing():
'''


def test_only_what_runs_is_left() -> None:
    assert without_comments(PROGRAM) == BARE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("math.pi * radius**2", "math.pi * radius**3"),
        ('"a # b"', '"a # c"'),
        ("first\n\n", "first\n"),
        ("  # not a comment", "  # a comment"),
        ("def area(self, radius)", "def area(self, radius=1)"),
    ],
)
def test_a_change_of_what_runs_changes_the_text(before: str, after: str) -> None:
    assert PROGRAM.count(before) == 1
    assert without_comments(PROGRAM.replace(before, after)) != BARE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Its area.", "The area, in square metres."),
        ("# pi times the square", "# as Archimedes found"),
        ("  # for pi", ""),
        ("class Circle", "\n\n# Shapes\n\nclass Circle"),
        ('"""Does nothing."""', "'''Does\n\n    nothing.'''  # at all"),
    ],
)
def test_comments_and_docstrings_change_nothing(before: str, after: str) -> None:
    assert PROGRAM.count(before) == 1
    assert without_comments(PROGRAM.replace(before, after)) == BARE


def _runs_like(tree: ast.AST) -> str:
    """The tree of a program, without strings that stand alone."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                kept = [
                    one
                    for one in statements
                    if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
                    and not isinstance(one, ast.Pass)
                ]
                setattr(node, name, kept)
    return ast.dump(tree)


def _with_bodies(text: str) -> str:
    """Gives functions and classes whose body was a docstring one again."""
    lines = text.split("\n")
    out = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        out.append(line)
        indent = len(line) - len(line.lstrip())
        if line.endswith(":") and len(following) - len(following.lstrip()) <= indent:
            out.append(" " * (indent + 4) + "pass")
    return "\n".join(out)


def test_what_is_left_of_our_own_modules_runs_like_them() -> None:
    roots = [Path(package.__path__[0]) for package in (avbench.preprocessing, avbench.benchmark)]
    sources = [path.read_text(encoding="utf-8") for root in roots for path in sorted(root.rglob("*.py"))[::6]]
    assert len(sources) > 30
    for source in sources:
        assert _runs_like(ast.parse(_with_bodies(without_comments(source)))) == _runs_like(ast.parse(source))


def test_the_hash_of_files_is_over_names_and_content_in_any_order(tmp_path: Path) -> None:
    for name, content in (("a.py", "x = 1  # one\n"), ("b.toml", "x = 1 # one\n")):
        (tmp_path / name).write_text(content)
    files = [tmp_path / "a.py", tmp_path / "b.toml"]
    same = files_sha256(tmp_path, files)
    assert files_sha256(tmp_path, reversed(files)) == same
    (tmp_path / "c").mkdir()
    for name, content in (("a.py", "x = 1\n"), ("b.toml", "x = 1 # one\n")):
        (tmp_path / "c" / name).write_text(content)
    moved = [tmp_path / "c" / "a.py", tmp_path / "c" / "b.toml"]
    assert files_sha256(tmp_path / "c", moved) == same
    assert files_sha256(tmp_path, moved) != same
    (tmp_path / "c" / "d.toml").write_text("x = 1\n")
    assert files_sha256(tmp_path / "c", [moved[0], tmp_path / "c" / "d.toml"]) != same
