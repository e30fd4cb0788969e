"""A report opened in a browser: its numbers, its sound, and that nothing leaves the file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from avbench.benchmark.report.score_table import SHOWN_METRICS
from avbench.benchmark.report.write import write_report
from headless_browser import CHROMIUM, NO_CHROMIUM, Page, browser_page
from prepared_data import sound_bytes
from report_page import HOSTILE, make_dataset, make_run

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

_CELLS = """
[...document.querySelectorAll('tr[data-run]')].map(row => [row.dataset.condition, Object.fromEntries(
  [...row.querySelectorAll('td[data-metric]')].map(cell => [cell.dataset.metric, cell.firstChild.textContent])
)])
"""
_PLAY = """
Promise.all([...document.querySelectorAll('audio')].map(audio => new Promise((done, failed) => {
  audio.onerror = () => failed(new Error(audio.error.message));
  audio.onloadedmetadata = () => done(audio.duration);
  audio.preload = 'metadata';
  audio.load();
})))
"""
_CLICK = """
new Promise(done => {
  const button = document.querySelectorAll('.channel button')[PLACE];
  const audio = button.parentElement.querySelector('audio');
  const states = [];
  const note = () => states.push([button.className, button.getAttribute('aria-label')]);
  audio.addEventListener('playing', note);
  audio.addEventListener('ended', () => { note(); done(audio.currentTime > 0.4 ? states : ['not played']); });
  button.click();
})
"""
_CUT_TABLES = """
[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).map(one => one.ariaLabel)
"""
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    # Half a second goes into WAV, a second and a bit into FLAC.
    clips = {"a": 4000, "b": 9000}
    sound = {f"audio_{view}": {"bytes": sound_bytes(0, 3, samples=n), "path": None} for view, n in clips.items()}
    data = make_dataset(folder / "data", **sound, **{f"audio_valid_stop_{view}": n for view, n in clips.items()})
    runs = [
        make_run(folder / "run", data),
        make_run(folder / "other", data, model=f"models/{HOSTILE}.py:Named", message=HOSTILE),
    ]
    return write_report(runs, data, folder / "report.html")[0]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser_page(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_the_tables_show_the_numbers_of_the_export(page: Page, report: Path):
    page.open(report.as_uri())
    with report.with_name("scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    shown = page.run(_CELLS)
    assert [condition for condition, _ in shown] == [row["condition"] for row in rows]
    for (_, cells), row in zip(shown, rows, strict=True):
        for metric in SHOWN_METRICS:
            assert cells[metric] == f"{float(row[metric]):.2f}"


def test_every_channel_can_be_played(page: Page, report: Path):
    page.open(report.as_uri())
    durations = page.run(_PLAY)
    # Three channels of two frames of three pairs.
    assert len(durations) == 18
    np.testing.assert_allclose(durations, 3 * (3 * [0.5] + 3 * [1.125]), atol=1e-3)
    for place, name in ((0, "Sound of frame a, channel 0"), (5, "Sound of frame b, channel 2")):
        played = page.run(_CLICK.replace("PLACE", str(place)), timeout_s=20.0)
        assert played == [["playing", f"Stop: {name}"], ["", f"Play: {name}"]]
    assert page.complaints() == []


def test_nothing_leaves_the_file_and_no_name_becomes_a_script(page: Page, report: Path):
    page.open(report.as_uri())
    page.run("Promise.all([...document.images].map(image => { image.loading = 'eager'; return image.decode(); }))")
    assert [url for url in page.requested() if not url.startswith("data:")] == [report.as_uri()]
    assert page.complaints() == []
    # The policy of the page stops what gets past escaping.
    page.run("document.body.insertAdjacentHTML('beforeend', '<img src=\"http://127.0.0.1:9/x.png\">')")
    page.run("new Promise(done => setTimeout(done, 100))")
    assert any("Content Security Policy" in words for words in page.complaints())


def test_pages_fit_phones_and_desktops_in_light_and_dark(page: Page, report: Path):
    colours = set()
    for width in (390, 1280):
        for dark in (False, True):
            page.look(width, 800, dark=dark, phone=width == 390)
            page.open(report.as_uri())
            assert page.run(_OVERFLOW) <= 0
            assert page.run("innerWidth") == width
            page.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            assert page.run(_OVERFLOW) <= 0
            if width == 1280:
                # No column is cut off, whatever the runs are called.
                assert page.run(_CUT_TABLES) == []
            colours.add(page.run("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2


def test_tabs_show_one_panel_each(page: Page, report: Path):
    page.open(report.as_uri())
    heights = "[...t.querySelectorAll('.panel')].map(panel => panel.offsetHeight > 0)"
    shown = f"[...document.querySelectorAll('.tabs')].map(t => {heights})"
    assert page.run(shown) == [[True, False, False]] * 2
    page.run("document.querySelector('label[for=severity-1]').click()")
    assert page.run(shown)[0] == [False, True, False]
