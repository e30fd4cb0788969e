"""Text that somebody else wrote, made safe for the page that it becomes part of.

Names of models, teams, folders, licences and recordings come from strangers. In a page they are text: they never start
a heading, a column, a link or a tag, and they stay on their line.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from urllib.parse import quote, urlsplit

_JOINERS = "\u200c\u200d"  # without them Persian, Indian scripts and some emoji fall apart
# An interval such as [6.9, 7.6] starts no link unless an address follows, nor does a * that ends a word.
_MARKED = re.compile(r"(\[[-+0-9., inf]*\](?![(\[:]))|[\\`\[\]|~$#]|\*(?=\S)|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
_LINK = re.compile(r"://|(?<=www)\.", re.IGNORECASE)
# YAML takes these for line breaks, or refuses them, even between quotes.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")
_KEPT_IN_URL = "%/:?#[]@!$&'()*+,;=~"  # what has a meaning in an address and stays as it is


def one_line(text: str) -> str:
    """A text on one line: line breaks and other controls become spaces, marks that reorder text become U+FFFD."""
    return " ".join("".join(map(_visible, text)).split())


def _visible(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    return "\ufffd" if unicodedata.category(character) in ("Cf", "Cs", "Co", "Cn") else " "


def markdown_text(text: str) -> str:
    """A text as part of a line, a heading or a table cell of Markdown, which may show HTML and link addresses.

    What only has a meaning at the start of a line, such as a hyphen, is left: put something before it.
    """
    line = html.escape(one_line(text), quote=False)
    line = _MARKED.sub(lambda found: found[1] or f"\\{found[0]}", line)
    return _LINK.sub(lambda found: _entities(found[0]), line)


def _entities(text: str) -> str:
    return "".join(f"&#{ord(character)};" for character in text)


def markdown_code(text: str) -> str:
    """A text as a code span of a Markdown page, not in a table."""
    line = one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def yaml_text(text: str) -> str:
    """A text as a YAML string: a JSON string is one, but for a few characters."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def web_address(text: str) -> str | None:
    """An address as it may stand in a link, percent-encoded; None for what is no http or https address."""
    try:
        parts = urlsplit(text)
    except ValueError:  # such as http://[
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc or not text.isprintable():
        return None
    return quote(text, safe=_KEPT_IN_URL)
