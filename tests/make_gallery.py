"""Makes the pictures of docs/gallery.md: simulated recordings, two runs, a board, and what a browser shows of them.

make gallery        (needs Chromium, and the extra avbench[simulate]; about two minutes)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from headless_browser import browser_page

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "gallery"
MOST_BYTES = 150_000
COMMANDS = (
    "simulate recordings --recordings 12 --split test --seconds 3 --preview",
    "prepare recordings -o data --pairs-per-recording 6 --size 320",
    "evaluate data --model sift --suite reference -o runs/sift",
    "evaluate data --model fusion --suite reference --probes -o runs/fusion",
    "report runs/sift runs/fusion data -o report.html",
    "board create board --data data --title Gallery(simulated)",
    "submit runs/sift/predictions.parquet --board board --name sift",
    "submit runs/fusion/predictions.parquet --board board --name fusion",
)
WIDTH, HEIGHT, PHONE_WIDTH, PHONE_HEIGHT = 1280, 960, 390, 844


def _heading(words: str) -> str:
    """Scroll to a heading of the page."""
    return (
        "(() => { const h = [...document.querySelectorAll('h2, h3')]"
        f".find(e => e.textContent.trim().startsWith({words!r})); h.scrollIntoView(); return h.textContent; }})()"
    )


def make(work: Path) -> None:
    """Run the commands in an empty folder and take the pictures."""
    avbench = str(Path(sys.executable).parent / "avbench")
    for command in COMMANDS:
        print(f"avbench {command}", flush=True)
        subprocess.run([avbench, *command.split()], cwd=work, check=True, stdout=subprocess.DEVNULL)
    PICTURES.mkdir(exist_ok=True)
    _save(Image.open(work / "recordings" / "preview.png"), "simulated")
    with TemporaryDirectory() as profile, browser_page(Path(profile)) as page:
        report, board = (work / "report.html").as_uri(), (work / "board" / "index.html").as_uri()
        views = (
            ("report", report, None, (WIDTH, HEIGHT), False),
            ("report-comparison", report, "Comparison", (WIDTH, HEIGHT), False),
            ("report-pairs", report, "Pairs", (WIDTH, HEIGHT), False),
            ("report-phone", report, None, (PHONE_WIDTH, PHONE_HEIGHT), True),
            ("board", board, None, (WIDTH, HEIGHT // 2), False),
        )
        for name, address, heading, size, phone in views:
            page.look(*size, phone=phone)
            page.open(address)
            if heading is not None:
                page.run(_heading(heading))
            page.screenshot(work / f"{name}.png", whole=False)
            _save(Image.open(work / f"{name}.png"), name)


def _save(picture: Image.Image, name: str) -> None:
    """A small file: at most 1280 pixels wide, with as many colours as fit."""
    picture = picture.convert("RGB")
    picture.thumbnail((WIDTH, 2 * WIDTH))
    path = PICTURES / f"{name}.png"
    for colours in (256, 128, 64, 32, 16):
        picture.quantize(colours).save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB, {picture.width} x {picture.height}")
            return
    raise RuntimeError(f"{path} does not fit {MOST_BYTES} bytes")


if __name__ == "__main__":
    with TemporaryDirectory(prefix="avbench-gallery-") as folder:
        make(Path(folder))
