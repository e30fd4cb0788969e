"""Plots of scores: every number is drawn where it belongs and said in words, whoever chose the names."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.benchmark.plots.breakdown import BreakdownSeries, breakdown_plot
from avbench.benchmark.plots.canvas import INK, PAPER, SERIES_COLOURS, Scale, shorten, value_range
from avbench.benchmark.plots.forest import ForestRow, forest_plot, headline_plot
from avbench.benchmark.plots.recall import RecallCurve, recall_plot
from avbench.benchmark.plots.scatter import LOWEST_DEG, MOST_POINTS, scatter_plot
from avbench.benchmark.plots.severity import SeveritySeries, severity_plot
from avbench.benchmark.plots.svg import STYLE_VARIABLES, inline_svg, spent_svg
from avbench.benchmark.report.page import _TEMPLATES
from avbench.benchmark.scoring.bootstrap import Estimate, IntervalNote
from avbench.benchmark.scoring.strata import Bin
from report_page import HOSTILE

DEGREES = Scale("rotation mean °")
PER_CENT = Scale("pose AUC@20 %", per_cent=True)


def number(value: float, low: float | None = None, high: float | None = None, groups: int = 20) -> Estimate:
    return Estimate(value, low, high, groups, 80, IntervalNote.NONE)


def lines(figure, colour: str) -> list[np.ndarray]:
    """(K, 2) points of every line in a colour, in the coordinates of the data."""
    found = figure.axes[0].lines
    return [line.get_xydata() for line in found if line.get_color() == colour and line.get_linestyle() != "None"]


def marks(figure) -> list[tuple[float, float, str]]:
    """Places of the marks and the colour that they are filled with."""
    return [
        (float(x), float(y), line.get_markerfacecolor())
        for line in figure.axes[0].lines
        if line.get_marker() == "o"
        for x, y in line.get_xydata()
    ]


@given(st.floats(1e-6, 1e6))
def test_an_axis_holds_its_highest_value_at_round_numbers(high: float):
    ticks = value_range([high, math.inf, math.nan])
    assert ticks[0] == 0.0
    assert high <= ticks[-1] * (1 + 1e-9)
    assert ticks[-1] <= 2.6 * high
    assert 2 <= len(ticks) <= 6
    assert [float(f"{tick:.3g}") for tick in ticks] == pytest.approx(ticks)


def test_axes_at_their_edges():
    assert value_range([99.0], cap=100.0) == [0.0, 25.0, 50.0, 75.0, 100.0]
    # An interval may reach past what a percentage can be.
    assert value_range([108.0], cap=100.0)[-1] == 100.0
    assert value_range([]) == value_range([0.0]) == value_range([math.inf])
    assert value_range([0.0])[-1] == 1.0
    assert value_range([-13.0, 42.0], signed=True) == [-20.0, 0.0, 20.0, 40.0, 60.0]


def test_shorten_keeps_both_ends():
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghijk", 8) == "abcd…ijk"


def test_a_plot_on_axes_that_were_used_is_the_plot_on_new_ones():
    points = tuple((severity, number(10.0 * severity, 9.0 * severity, 12.0 * severity)) for severity in (0, 1, 3, 5))
    curve = RecallCurve("a", 1, False, np.linspace(0, 20, 5), tuple(number(20.0 * i, 10.0, 90.0) for i in range(5)))

    def plots():
        yield severity_plot([SeveritySeries("a", 0, points)], DEGREES, [0, 1, 3, 5], [0.0, 30.0, 60.0])
        yield recall_plot([curve])
        yield forest_plot([ForestRow("mute", "a", 0, number(7.25, 4.0, 9.0))], DEGREES)
        yield scatter_plot(np.arange(1.0, 9.0), np.arange(8.0, 0.0, -1.0), names=("a", "b"), place=0)

    fresh = [inline_svg(figure, "a plot") for figure in plots()]
    for _ in range(2):
        assert [spent_svg(figure, "a plot") for figure in plots()] == fresh
    kept = severity_plot([SeveritySeries("a", 0, points)], DEGREES, [0, 1, 3, 5], [0.0, 30.0, 60.0])
    before = inline_svg(kept, "a plot")
    spent_svg(recall_plot([curve]), "another")
    assert inline_svg(kept, "a plot") == before, "a figure that somebody still has was drawn on"


def test_a_line_of_a_forest_has_its_number_its_interval_and_both_in_words():
    rows = [ForestRow("mute", "a", 0, number(7.25, 4.0, 9.0)), ForestRow("mute", "b", 1, number(-3.0, groups=4))]
    figure = forest_plot(rows, DEGREES)
    assert [mark[:2] for mark in marks(figure)] == [(7.25, 0.0), (-3.0, 1.0)]
    np.testing.assert_array_equal(lines(figure, SERIES_COLOURS[0])[0], [[4.0, 0.0], [9.0, 0.0]])
    assert lines(figure, SERIES_COLOURS[1]) == []
    svg = inline_svg(figure, "by condition")
    assert "<title>a, mute: rotation mean ° 7.25 (95 % 4.00 to 9.00), 80 pairs in 20 groups</title>" in svg
    assert "<title>b, mute: rotation mean ° -3.00, 80 pairs in 4 groups</title>" in svg
    assert svg.count(">mute</text>") == 1


def test_a_headline_is_the_number_of_each_run_or_why_there_is_none():
    rows = [ForestRow(name, name, place, number(value)) for place, (name, value) in enumerate(
        [("fine", 40.0), ("none", math.nan), ("endless", math.inf)])]  # fmt: skip
    words = re.findall(r">([^<]*)</text>", inline_svg(headline_plot(rows, PER_CENT), "all"))
    assert words == ["0", "40", "fine", "40.00", "none", "not scored", "endless", "infinite"]
    single = inline_svg(headline_plot(rows[:1], PER_CENT), "one")
    assert re.findall(r">([^<]*)</text>", single) == ["0", "40"]


def test_a_recall_curve_passes_through_its_points_and_only_clean_has_a_band():
    thresholds = np.array([0.0, 10.0, 20.0])
    recall = tuple(number(value, value - 5.0, value + 5.0) for value in (5.0, 50.0, 98.0))
    figure = recall_plot(
        [RecallCurve("clean", 0, True, thresholds, recall), RecallCurve("fog", 1, False, thresholds, recall)]
    )
    np.testing.assert_array_equal(lines(figure, SERIES_COLOURS[1])[0], [[0.0, 5.0], [10.0, 50.0], [20.0, 98.0]])
    (band,) = figure.axes[0].patches
    # Held to what a share can be.
    np.testing.assert_array_equal(band.get_xy()[:6, 1], [10.0, 55.0, 100.0, 93.0, 45.0, 0.0])
    assert "<title>fog, 80 answers</title>" in inline_svg(figure, "recall")


def test_severities_keep_their_distances():
    series = SeveritySeries("a", 0, ((0, number(60.0, 50.0, 70.0)), (1, number(40.0)), (5, number(math.nan))))
    figure = severity_plot([series], PER_CENT, (0, 1, 5), value_range([70.0], cap=100.0))
    assert [mark[:2] for mark in marks(figure)] == [(0.0, 60.0), (1.0, 40.0)]
    assert "<title>a, severity 1: pose AUC@20 % 40.00, 80 pairs in 20 groups</title>" in inline_svg(figure, "fog")


def bins(*ends: tuple[float | None, float | None], names: tuple[str, ...] = ()) -> list[Bin]:
    members = np.ones(7, dtype=np.bool_)
    return [Bin("range", low, high, members, ordered=True) for low, high in ends] + [
        Bin(name, None, None, members) for name in names
    ]


def test_bins_of_a_number_lie_between_their_edges():
    cut = bins((None, 5.0), (5.0, 10.0), (20.0, None), names=("not known",))
    values = tuple(number(value) for value in (1.0, 2.0, 3.0, 4.0))
    figure = breakdown_plot(cut, [BreakdownSeries("a", values)], DEGREES, value_range([4.0]))
    # From 10 to 20 there is no pair: the place stays empty. What is not known stands apart.
    assert [mark[:2] for mark in marks(figure)] == [(0.5, 1.0), (1.5, 2.0), (3.5, 3.0), (4.75, 4.0)]
    edges = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts if text.get_position()[1] == 0.0}
    assert {name: edges[name] for name in ("5", "10", "20", "not known")} == {
        "5": 1,
        "10": 2,
        "20": 3,
        "not known": 4.75,
    }
    # No line leads from a number to what is not known.
    assert lines(figure, SERIES_COLOURS[0])[0][-1, 0] == 3.5


def test_a_bin_of_few_groups_is_hollow():
    series = BreakdownSeries("a", (number(1.0, 0.5, 1.5, groups=10), number(2.0, groups=9)))
    figure = breakdown_plot(bins((None, 5.0), (5.0, None)), [series], DEGREES, value_range([4.0]))
    assert {x: fill for x, _, fill in marks(figure)} == {0.5: SERIES_COLOURS[0], 1.5: PAPER}


def test_pairs_are_drawn_run_against_run_on_logarithmic_axes():
    a, b = np.array([1.0, 0.0, 180.0, np.nan]), np.array([10.0, 0.5, 3.0, 4.0])
    figure = scatter_plot(a, b, names=("a", "b"))
    (points,) = figure.axes[0].collections
    np.testing.assert_array_equal(points.get_offsets(), [[10.0, 1.0], [0.5, LOWEST_DEG], [3.0, 180.0]])
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"
    assert inline_svg(figure, "points").count("h0") == 3
    many = np.linspace(1.0, 100.0, MOST_POINTS + 500)
    (points,) = scatter_plot(many, many, names=("a", "b")).axes[0].collections
    assert len(points.get_offsets()) == MOST_POINTS
    nothing = np.full(3, np.nan)
    assert "h0" not in inline_svg(scatter_plot(nothing, nothing, names=("a", "b")), "none")


@pytest.mark.parametrize("name", [HOSTILE, "$\\frac{$ a_b^c", "two\nlines \x00\x1b", "音 😀 \u202e"])
def test_names_are_drawn_as_they_are_and_never_as_markup_or_formulas(name: str):
    rows = [ForestRow(name, name, place, number(3.0, 1.0, 4.0)) for place in (0, 1)]
    for figure in (forest_plot(rows, DEGREES), headline_plot(rows, DEGREES),
                   scatter_plot(np.ones(3), np.ones(3), names=(name, name))):  # fmt: skip
        svg = inline_svg(figure, name)
        root = ET.fromstring(svg)  # noqa: S314 - written by ourselves
        assert root.get("aria-label") == root.findtext("title")
        assert not root.findall(".//script")
        assert "style" not in svg.replace(HOSTILE, "").replace("&lt;/style&gt;", "")


def test_a_figure_leaves_matplotlib_as_it_was_and_is_the_same_every_time():
    before, rows = dict(mpl.rcParams), [ForestRow("x", "a", 0, number(3.0, 1.0, 4.0))]
    first, second = (inline_svg(forest_plot(rows, DEGREES), "x") for _ in range(2))
    assert first == second
    assert dict(mpl.rcParams) == before


def test_every_colour_is_one_of_the_style_sheet():
    sheet = (_TEMPLATES / "page.css").read_text()
    assert len(STYLE_VARIABLES) == 5 + len(SERIES_COLOURS)
    for colour, variable in STYLE_VARIABLES.items():
        assert sheet.count(f"{variable}: ") == 2  # light and dark
        assert f"{variable}: {colour};" in sheet
    rows = [ForestRow("x", "a", place, number(3.0, 1.0, 4.0)) for place in range(7)]
    svg = inline_svg(forest_plot(rows, DEGREES), "x")
    assert "#" not in svg
    assert f"var({STYLE_VARIABLES[INK]})" in svg
