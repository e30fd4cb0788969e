"""Small plots as inline SVG: scales, axes, lines, bands and whiskers.

Colours are classes that the page's style sheet fills in, so that one drawing is right in light and in dark. Every
drawing has a title, and every mark one with its numbers, which browsers show on hovering and screen readers read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from avbench.benchmark.report.markup import Child, element


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes:
        low: Value at `start`.
        high: Value at `stop`.
        start: Coordinate of the low end.
        stop: Coordinate of the high end.
        ticks: Values that are marked.
        labels: What is written at them.
    """

    low: float
    high: float
    start: float
    stop: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]

    def __call__(self, value: float) -> float:
        """Coordinate of a value, held to the ends of the axis."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + (self.stop - self.start) * min(max(share, 0.0), 1.0)


def value_axis(high: float, start: float, stop: float, *, intervals: int = 4, cap: float | None = None) -> Axis:
    """An axis from zero to a round number that holds `high`, at most `cap`, marked at round numbers."""
    wanted = high if math.isfinite(high) and high > 0.0 else 1.0
    wanted = wanted if cap is None else min(wanted, cap)
    step = _round_step(wanted / intervals)
    count = math.ceil(wanted / step - 1e-9)
    top = count * step if cap is None else min(count * step, cap)
    ticks = tuple(number * step for number in range(count + 1) if number * step <= top + 1e-9)
    return Axis(0.0, top, start, stop, ticks, tuple(f"{tick:g}" for tick in ticks))


def signed_axis(values: Sequence[float], start: float, stop: float, *, cap: float | None = None) -> Axis:
    """An axis between round numbers that holds the values and zero, at most `cap`."""
    low, high = min([0.0, *values]), max([0.0, *values])
    high = high if cap is None else min(high, cap)
    step = _round_step(max(high - low, 1e-9) / 4)
    first, last = math.floor(low / step + 1e-9), max(math.ceil(high / step - 1e-9), 1)
    ticks = tuple(number * step for number in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], start, stop, ticks, tuple(f"{tick:g}" for tick in ticks))


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * (1 - 1e-9))


def fixed_axis(
    values: Sequence[float], labels: Sequence[str], start: float, stop: float, *, margin: float = 0.0
) -> Axis:
    """An axis with marks at given values; `margin` is added at both ends, in units of the values."""
    low, high = min(values) - margin, max(values) + margin
    return Axis(low, high if high > low else low + 1.0, start, stop, tuple(values), tuple(labels))


def drawing(
    title: str, width: float, height: float, *children: Child, class_: str = "", stretched: bool = False
) -> Markup:
    """An SVG drawing that scales with its place, and where it is `stretched`, each way by itself."""
    return element(
        "svg",
        element("title", title),
        children,
        viewBox=f"0 0 {width:g} {height:g}",
        preserveAspectRatio="none" if stretched else None,
        role="img",
        aria_label=title,
        class_=f"drawing {class_}".strip(),
    )


def text(x: float, y: float, words: str, *, anchor: str = "start", class_: str = "") -> Markup:
    """A line of text."""
    return element("text", words, x=x, y=y, text_anchor=None if anchor == "start" else anchor, class_=class_ or None)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def path(points: Sequence[tuple[float, float]], class_: str, *, closed: bool = False, title: str = "") -> Markup:
    """A line through points; gaps are not drawn, so give finite points only."""
    steps = " ".join(f"{_number(x)} {_number(y)}" for x, y in points)
    return element(
        "path",
        element("title", title) if title else None,
        d=f"M{steps}{'Z' if closed else ''}" if points else "",
        class_=class_,
    )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def grid(x: Axis, y: Axis, *, x_title: str = "", y_title: str = "", x_lines: bool = False) -> list[Markup]:
    """Horizontal lines at the marks of y, the marks' numbers, the base line, and titles of the axes."""
    marks = []
    for tick, label in zip(y.ticks, y.labels, strict=True):
        base = tick == y.low
        marks.append(line(x.start, y(tick), x.stop, y(tick), "axis" if base else "rule"))
        marks.append(text(x.start - 5, y(tick) + 3.5, label, anchor="end"))
    for tick, label in zip(x.ticks, x.labels, strict=True):
        if x_lines and tick != x.low:
            marks.append(line(x(tick), y.start, x(tick), y.stop, "rule"))
        marks.append(text(x(tick), y.start + 14, label, anchor="middle"))
    if x_title:
        marks.append(text((x.start + x.stop) / 2, y.start + 29, x_title, anchor="middle", class_="dim"))
    if y_title:
        marks.append(text(x.start - 26, y.stop - 9, y_title, class_="dim"))
    return marks


def whisker(x: float, low: float, high: float, class_: str) -> Markup:
    """A vertical interval at x between two coordinates, with caps."""
    return element(
        "path",
        d=f"M{x:.1f} {low:.1f}V{high:.1f}M{x - 2.5:.1f} {low:.1f}h5M{x - 2.5:.1f} {high:.1f}h5",
        class_=f"whisker {class_}",
    )


def dot(x: float, y: float, class_: str, title: str, *, radius: float = 3.0) -> Markup:
    """A mark with its numbers as title."""
    return element("circle", element("title", title), cx=float(x), cy=float(y), r=float(radius), class_=f"dot {class_}")
