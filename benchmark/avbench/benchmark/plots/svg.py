"""A figure as a part of an HTML page that is light or dark: SVG with text as text and colours of the page's style."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from markupsafe import Markup, escape

from avbench.benchmark.plots.canvas import AXIS, DIM, INK, PAPER, RULE, SERIES_COLOURS, TITLE_BREAK, give_back
from avbench.preprocessing.base.escape import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE_VARIABLES = {
    INK: "--ink",
    DIM: "--dim",
    RULE: "--rule",
    AXIS: "--axis",
    PAPER: "--card",
    **{colour: f"--c{place}" for place, colour in enumerate(SERIES_COLOURS)},
}
"""Variable of the style sheet that each colour of a plot becomes."""

# Both are the values of the elements around them.
_LEFT_OUT = frozenset({"font-family", "font"})
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d+")


def inline_svg(figure: Figure, title: str, *, style: str = "") -> Markup:
    """A figure of this package as an `svg` element.

    Attributes of style stand beside the elements, not in a `style`, which a page may forbid. Titles of marks become
    what a browser shows on hovering and a screen reader reads.

    Args:
        figure: The figure.
        title: What it shows, for who cannot see it.
        style: Classes of the style sheet.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    written = io.StringIO()
    # The reader's own font draws the text: letters that ours lacks are no loss. The salt makes the same file each time.
    with (
        rc_context({"svg.fonttype": "none", "svg.hashsalt": "avbench", "path.simplify": False}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        FigureCanvasSVG(figure).print_svg(written, metadata={"Date": None})
    root = ET.fromstring(written.getvalue())  # noqa: S314 - written just now, by ourselves
    shapes = {one.get("id"): one for one in root.iter(f"{_SVG}path") if one.get("id")}
    label, classes = escape(one_line(title)), f"drawing {style}".strip()
    inside = "".join(_part(child, shapes) for child in root)
    return Markup(  # noqa: S704 - everything in it is escaped where it is written
        f'<svg viewBox="{root.get("viewBox")}" role="img" aria-label="{label}" class="{classes}">'
        f"<title>{label}</title>{inside}</svg>"
    )


def spent_svg(figure: Figure, title: str) -> Markup:
    """SVG of a figure that is not used again: it is emptied, and the next plot is drawn on it."""
    drawn = inline_svg(figure, title)
    give_back(figure)
    return drawn


def _part(part: ET.Element, shapes: dict[str | None, ET.Element]) -> str:
    kind = part.tag.removeprefix(_SVG)
    if kind == "g":
        return _group(part, shapes)
    if kind == "path":
        return f'<path d="{_path(part.get("d", ""))}"{_style(part)}/>'
    if kind == "use":
        return _mark(part, shapes)
    if kind == "text":
        return _text(part)
    return ""  # metadata and definitions


def _group(group: ET.Element, shapes: dict[str | None, ET.Element]) -> str:
    name = group.get("id", "")
    # The names that matplotlib gives have no spaces, titles have.
    if name.startswith("PathCollection"):
        return _points(list(group.iter(f"{_SVG}use")), shapes)
    if TITLE_BREAK in name:
        marks = zip(group.iter(f"{_SVG}use"), name.split(TITLE_BREAK), strict=False)
        return "".join(_mark(one, shapes, title) for one, title in marks)
    inside = "".join(_part(child, shapes) for child in group)
    return f"<g><title>{escape(name)}</title>{inside}</g>" if " " in name and inside else inside


def _points(marks: list[ET.Element], shapes: dict[str | None, ET.Element]) -> str:
    """Marks without titles as one line of no length with round ends each: a tenth of the text of elements."""
    if not marks:
        return ""
    radius = _radius(marks[0], shapes)
    places = "".join(f"M{_short(mark.get('x', '0'))} {_short(mark.get('y', '0'))}h0" for mark in marks)
    ink = _style(marks[0]).replace(" fill", " stroke")
    return f'<path d="{places}"{ink} stroke-width="{_short(str(2 * radius))}" stroke-linecap="round"/>'


def _radius(use: ET.Element, shapes: dict[str | None, ET.Element]) -> float:
    shape = shapes[(use.get(_LINK) or "").removeprefix("#")]
    return max(float(found) for found in _NUMBER.findall(shape.get("d", "")))


def _mark(use: ET.Element, shapes: dict[str | None, ET.Element], title: str = "") -> str:
    x, y = (_short(use.get(axis, "0")) for axis in "xy")
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<circle cx="{x}" cy="{y}" r="{_short(str(_radius(use, shapes)))}"{_style(use)}>{inside}</circle>'


def _text(text: ET.Element) -> str:
    turned = text.get("transform", "")
    place = "" if not turned or turned.startswith("rotate(-0 ") else f' transform="{_path(turned)}"'
    x, y = (_short(text.get(axis, "0")) for axis in "xy")
    return f'<text x="{x}" y="{y}"{place}{_style(text)}>{escape("".join(text.itertext()))}</text>'


def _style(part: ET.Element) -> str:
    said = dict(entry.split(": ", 1) for entry in part.get("style", "").split("; ") if ": " in entry)
    found = []
    for name, value in said.items():
        if name in _LEFT_OUT or (name, value) in _DEFAULTS:
            continue
        variable = STYLE_VARIABLES.get(value)
        found.append(f' {name}="{_short(value.removesuffix("px")) if variable is None else f"var({variable})"}"')
    return "".join(found)


_DEFAULTS = frozenset({("stroke-linejoin", "round"), ("stroke-linecap", "butt"), ("stroke-linejoin", "miter")})


def _path(steps: str) -> str:
    return _NUMBER.sub(lambda found: _short(found[0]), " ".join(steps.split())).replace(" L ", "L").replace("M ", "M")


def _short(value: str) -> str:
    # A tenth of a point is not seen, and a page of plots is mostly coordinates.
    return f"{float(value):.1f}".removesuffix(".0") if _NUMBER.fullmatch(value) else value
