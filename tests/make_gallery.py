"""Makes the pictures of docs/gallery.md: simulated recordings, two runs, a board, and what a browser shows of them.

make gallery        (needs Chromium, and the extra avbench[simulate]; about two minutes)
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from headless_browser import browser_page

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 150_000
PHOTOGRAPHS = ("simulated", "report-pairs")
COMMANDS = (
    "simulate recordings --recordings 12 --split test --seconds 3 --preview",
    "prepare recordings -o data --pairs-per-recording 6 --size 320",
    "evaluate data --model sift --suite reference -o runs/sift",
    "evaluate data --model fusion --suite reference -o runs/fusion",
    "report runs/sift runs/fusion data -o report.html",
    "board create board --data data --title 'Simulated rooms'",
    *(
        line
        for model in ("sift", "fusion", "identity")
        for line in (
            f"evaluate data --model {model} -o runs/{model}-clean",
            f"submit runs/{model}-clean/predictions.parquet --board board --name {model}",
        )
    ),
)
WIDTH, HEIGHT, PHONE_WIDTH, PHONE_HEIGHT = 1280, 960, 390, 844


def _heading(words: str) -> str:
    """Scroll to a heading of the page."""
    return f"""(() => {{
        const heading = [...document.querySelectorAll("h2")].find(e => e.textContent.trim().startsWith("{words}"));
        heading.scrollIntoView({{behavior: "instant"}});
    }})()"""


def make(work: Path) -> None:
    """Run the commands in a new folder, and take the pictures."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    avbench = str(Path(sys.executable).parent / "avbench")
    for command in COMMANDS:
        print(f"avbench {command}", flush=True)
        subprocess.run([avbench, *shlex.split(command)], cwd=work, check=True, stdout=subprocess.DEVNULL)
    PICTURES.mkdir(exist_ok=True)
    _save(Image.open(work / "recordings" / "preview.png"), "simulated")
    with TemporaryDirectory() as profile, browser_page(Path(profile)) as page:
        report, board = (work / "report.html").as_uri(), (work / "board" / "index.html").as_uri()
        views = (
            ("report", report, None, (WIDTH, HEIGHT), False),
            ("report-comparison", report, "Run against run", (WIDTH, HEIGHT), False),
            ("report-pairs", report, "Worst pairs", (WIDTH, HEIGHT), False),
            ("report-phone", report, None, (PHONE_WIDTH, PHONE_HEIGHT), True),
            ("board", board, None, (WIDTH, HEIGHT // 2), False),
        )
        for name, address, heading, size, phone in views:
            page.look(*size, phone=phone)
            page.open(address)
            if heading is not None:
                page.run(_heading(heading))
                time.sleep(1.0)  # pictures are drawn when they come into view
            page.screenshot(work / f"{name}.png", whole=False)
            _save(Image.open(work / f"{name}.png"), name)


def _save(picture: Image.Image, name: str) -> None:
    """A small file at most 1280 pixels wide: photographs as JPEG, pages with as many colours as fit."""
    picture = picture.convert("RGB")
    picture.thumbnail((WIDTH, 2 * WIDTH))
    if name in PHOTOGRAPHS:
        path = PICTURES / f"{name}.jpg"
        picture.save(path, quality=75, optimize=True)
    else:
        path = PICTURES / f"{name}.png"
        for colours in (256, 128, 64, 32):
            picture.quantize(colours).save(path, optimize=True)
            if path.stat().st_size < MOST_BYTES:
                break
    if path.stat().st_size >= MOST_BYTES:
        raise RuntimeError(f"{path} does not fit {MOST_BYTES} bytes")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB, {picture.width} x {picture.height}")


if __name__ == "__main__":
    make(ROOT / "build" / "gallery")
