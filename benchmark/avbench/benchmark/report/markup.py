"""Elements of HTML and SVG as values; whatever is not markup already is escaped.

Names of models, messages and identifiers come from strangers. Text becomes part of a page only through `element`,
which escapes it, so no caller can forget to.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

from markupsafe import Markup

Child: TypeAlias = "str | Markup | Iterable[Child] | None"
Attribute: TypeAlias = "str | int | float | bool | None"

NOTHING = Markup("")
_VOID = frozenset({"br", "img", "input", "link", "meta"})


def element(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """One element.

    Args:
        name: Its name.
        children: Text, which is escaped, markup, or lists of both; None is left out.
        attributes: Values are escaped; False and None are left out, True is the bare name. A trailing underscore of a
            name is dropped (`class_`), others become hyphens (`stroke_width`).
    """
    opening = name + "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{opening}>")  # noqa: S704 - escaped here
    return Markup(f"<{opening}>{join(children)}</{name}>")  # noqa: S704 - escaped here


def join(children: Child) -> Markup:
    """Children one after the other."""
    if children is None:
        return NOTHING
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(html.escape(children))  # noqa: S704 - escaped here
    return Markup("".join(join(child) for child in children))  # noqa: S704 - escaped here


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{html.escape(_short(value))}"'


def _short(value: str | float) -> str:
    # Coordinates to a hundredth of a unit: finer is not seen, and a page of plots is mostly coordinates.
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
