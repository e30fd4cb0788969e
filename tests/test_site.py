"""The documentation as a site opens in a browser, wide and narrow, light and dark, and needs nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headless_browser import CHROMIUM, NO_CHROMIUM, browser_page

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path.stem for path in (ROOT / "docs").glob("*.md"))
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the site, built anew and served on this machine."""
    for package in ("mkdocs", "material", "mkdocstrings", "mkdocs_click"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package}, which builds the site, is not installed: it comes with the extra avbench[docs]")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_fits_and_follows_the_readers_colours(site: str, tmp_path: Path, dark: bool) -> None:
    with browser_page(tmp_path, this_machine=True) as page:
        for name in PAGES[:4] if dark else PAGES:
            for label, (width, height) in WIDTHS.items():
                page.look(width, height, dark=dark, phone=label == "phone")
                page.open(f"{site}/{'' if name == 'index' else name + '/'}")
                assert page.run("document.querySelector('h1').textContent.length") > 3, name
                assert page.run("document.documentElement.scrollWidth") <= width, (name, label)
                assert [address for address in page.requested() if not address.startswith((site, "data:"))] == []
                assert page.complaints() == [], name
                brightness = page.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
                assert (max(brightness[:3]) < 80) is dark, (name, label, brightness)


def test_no_default_is_shown_as_an_object_of_a_library(site: str, tmp_path: Path) -> None:
    with browser_page(tmp_path, this_machine=True) as page:
        page.open(f"{site}/commands/")
        words = page.run("document.body.innerText")
        assert "Sentinel" not in words
        examples = page.run("[...document.querySelectorAll('pre')].map(e => e.innerText)")
        assert any("avbench evaluate data/ --model sift -o runs/sift\n" in text for text in examples)
