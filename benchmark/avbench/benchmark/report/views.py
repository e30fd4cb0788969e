"""What the templates of the page are filled with: plain values, computed before any HTML is written.

Text in them is text: the templates escape it. Only drawings are markup.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from avbench.benchmark.plots.canvas import SERIES_COLOURS


def series_style(place: int) -> str:
    """Class of the style sheet that has the colour of a series in plots."""
    return f"s{place % len(SERIES_COLOURS)}"


@dataclass(frozen=True)
class Key:
    """One entry of a legend.

    Attributes:
        label: What it is called.
        style: Classes of its line.
    """

    label: str
    style: str


@dataclass(frozen=True)
class Drawn:
    """A drawing with what it is of.

    Attributes:
        caption: A few words above it.
        svg: The drawing.
        explained: More words, shown on hovering over the caption; empty for none.
    """

    caption: str
    svg: Markup
    explained: str = ""


@dataclass(frozen=True)
class Panel:
    """What one tab shows.

    Attributes:
        words: What the tab says.
        figures: Its drawings.
    """

    words: str
    figures: tuple[Drawn, ...]


@dataclass(frozen=True)
class Tile:
    """A headline.

    Attributes:
        words: The metric.
        value: The number of a single run.
        interval: Its interval.
        svg: The numbers of all runs.
    """

    words: str
    value: str
    interval: str
    svg: Markup


@dataclass(frozen=True)
class Cell:
    """One number of a score table.

    Attributes:
        name: Name of the metric.
        value: The number.
        interval: Its interval; empty for none.
        best: Whether the run is best, or not distinguishable from the best.
    """

    name: str
    value: str
    interval: str
    best: bool = False


@dataclass(frozen=True)
class ScoreRow:
    """One row of a score table.

    Attributes:
        run: Name of the run.
        label: The same, shorter.
        style: Class of its colour.
        condition: The condition.
        first: Whether the row above is of another condition.
        cells: The metrics.
        counts: Names and numbers of pairs.
    """

    run: str
    label: str
    style: str
    condition: str
    first: bool
    cells: tuple[Cell, ...]
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class ScoreTable:
    """A score table: its anchor, the heads of its columns from the first metric on, and its rows."""

    anchor: str
    heads: tuple[str, ...]
    rows: tuple[ScoreRow, ...]


@dataclass(frozen=True)
class Fact:
    """A name and its value.

    Attributes:
        name: The name.
        value: The value.
        code: Whether it is set as code.
        whole: The value in full where `value` is shortened; empty where it is not.
    """

    name: str
    value: str
    code: bool = False
    whole: str = ""
