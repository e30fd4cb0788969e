"""What strangers write stays text on its line, whatever page it becomes part of."""

from __future__ import annotations

import html
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from avbench.preprocessing.base.escape import markdown_code, markdown_text, one_line, web_address, yaml_text

HOSTILE = [
    "a | b",
    "# heading",
    "heading #",
    "- item",
    "+ item",
    "1. item",
    "2) item",
    "=====",
    "---",
    "> quote",
    "`code` ``two``",
    "*bold* **very** _under_ __two__ ~~gone~~ $x$",
    "[text](javascript:alert(1))",
    "![picture](http://example.org/x.png)",
    "[ref]: http://example.org",
    "[1.5](http://example.org)",
    "[1.5][2]",
    "<script>alert(1)</script>",
    "<http://example.org>",
    "see http://example.org and www.example.org",
    "&lt; &amp; &#35;",
    "two\nlines\r\nand\u2028more\x0b\x85",
    "```\nfence",
    "back\\slash\\",
    "\u202etfel ot thgir\u2066",
    "a\\|b",
    "  spaces  ",
    "tab\there",
]


def shown_by(page: str) -> tuple[str, list[str]]:
    """The text that a Markdown page shows, and the kinds of marks in it."""
    inline = [token for token in MarkdownIt("gfm-like", {"linkify": False}).parse(page) if token.type == "inline"]
    children = [child for token in inline for child in token.children or []]
    kinds = sorted({child.type for child in children} - {"text"})
    return "".join(child.content for child in children if child.type in ("text", "text_special")), kinds


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_it_was_written(text: str) -> None:
    for page in (f"# {markdown_text(text)}\n", f"It is: {markdown_text(text)}\n"):
        words, kinds = shown_by(page)
        assert words.removeprefix("It is: ") == one_line(text)
        assert kinds == []
        assert len(MarkdownIt("gfm-like", {"linkify": False}).parse(page)) == 3


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_in_its_cell(text: str) -> None:
    page = f"| a | b |\n|---|---|\n| {markdown_text(text)} | second |\n"
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(page)
    cells = re.findall(r"<td>(.*?)</td>", rendered, re.DOTALL)
    assert [html.unescape(cell) for cell in cells] == [one_line(text), "second"]


@given(st.text(max_size=12))
def test_any_text_is_one_line_and_shown_as_such(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert shown_by(f"# x {markdown_text(text)} x\n") == (f"x {line} x", [])


@given(st.text(max_size=12))
def test_any_text_is_a_yaml_string(text: str) -> None:
    # PyYAML itself does not know the two-part escapes of rare characters; JSON leaves these as they are.
    assert yaml.safe_load(f"a: {yaml_text(text)}") == {"a": text}


@pytest.mark.parametrize("text", ["a", "a`b", "``", "`", "a | b", "x\ny", "<b>"])
def test_code_is_one_span(text: str) -> None:
    (token,) = [t for t in MarkdownIt().parse(f"see {markdown_code(text)} there") if t.type == "inline"]
    assert [(c.type, c.content) for c in token.children or []] == [
        ("text", "see "),
        ("code_inline", one_line(text)),
        ("text", " there"),
    ]


def test_ordinary_names_stay_readable() -> None:
    for name in (
        "fusion-late",
        "mean_motion",
        "v1.0 (small)",
        "Küche",
        "CC-BY-4.0",
        "fog-3",
        "7.2 [6.9, 7.6]*",
        "-0.5 [-1, inf]",
    ):
        assert markdown_text(name) == name


def test_marks_that_reorder_text_are_shown_and_joiners_stay() -> None:
    assert one_line("a\u202eb") == "a\ufffdb"
    assert one_line("\u0645\u06cc\u200c\u062e") == "\u0645\u06cc\u200c\u062e"


def test_only_web_addresses_become_links() -> None:
    assert web_address("https://example.org/?a=1&b=2#c") == "https://example.org/?a=1&b=2#c"
    assert web_address("https://example.org/ä b\"'<") == "https://example.org/%C3%A4%20b%22'%3C"
    for text in ("javascript:alert(1)", "http://", "http://[", "data:text/html,x", "//example.org", "http://a\nb", ""):
        assert web_address(text) is None
