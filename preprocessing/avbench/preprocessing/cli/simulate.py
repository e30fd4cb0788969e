"""The command `avbench simulate`: parse, call the simulator, print."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from avbench.preprocessing.base.errors import InputError

if TYPE_CHECKING:
    from avbench.preprocessing.simulate.scene.world import RecordingSettings

_CONFIGURATIONS = ("main", "rigs", "moving", "reverberant")
_SPLITS = ("train", "val", "test")


@click.command(short_help="Simulated recordings with exact poses and real acoustics, as raw files.")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--recordings",
    type=click.IntRange(min=1),
    help="Number of recordings; with --standard, of each part.  [default: 4, or the whole standard]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of all random numbers.  [default: 0]")
@click.option("--standard", is_flag=True, help="Make sim-v1, the standard data; its parts become sub-folders of OUT.")
@click.option("--config", "configuration", type=click.Choice(_CONFIGURATIONS), help="Kind of recordings.")
@click.option(
    "--split",
    type=click.Choice(_SPLITS),
    help="Rooms, textures and signals of this split; without it recordings ask for none.",
)
@click.option("--seconds", type=click.FloatRange(1.0, 60.0), help="Length of a recording, up to 60.  [default: 6]")
@click.option("--size", metavar="WxH", help="Size of the pictures.  [default: 320x240]")
@click.option("--fps", type=click.IntRange(1, 120), help="Frames a second.  [default: 10]")
@click.option("--rate", type=click.IntRange(8000, 48000), help="Sample rate of the sound in Hz.  [default: 16000]")
@click.option(
    "--shutter-ms",
    type=click.FloatRange(0.0, 100.0),
    help="How long the shutter is open: motion blur.  [default: 0]",
)
@click.option("--preview", is_flag=True, help="Write preview.png, a contact sheet of the first recordings.")
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes.  [default: one per processor]")
def simulate(
    out: Path,
    recordings: int | None,
    seed: int | None,
    standard: bool,  # noqa: FBT001 - click hands options over by name
    configuration: str | None,
    split: str | None,
    seconds: float | None,
    size: str | None,
    fps: int | None,
    rate: int | None,
    shutter_ms: float | None,
    preview: bool,  # noqa: FBT001
    jobs: int | None,
) -> None:
    """Simulate recordings in furnished rooms into OUT: pictures, sound of a moving array, exact poses.

    The same command continues a run that was stopped.

    \b
        avbench simulate recordings/ --recordings 20 --seed 7
        avbench simulate sim-v1/ --standard --split test
    """
    given = {"--seed": seed, "--seconds": seconds, "--size": size, "--fps": fps, "--rate": rate}
    given = {name: value for name, value in {**given, "--shutter-ms": shutter_ms}.items() if value is not None}
    if standard:
        tasks = _standard_tasks(out, list(given), split, configuration, recordings)
    else:
        tasks = _own_tasks(out, given, split, configuration, recordings)

    from tqdm import tqdm

    from avbench.preprocessing.simulate.generate import generate, missing

    remaining = missing(tasks)
    bar = tqdm(total=len(tasks), initial=len(tasks) - len(remaining), unit="recording", file=sys.stderr, disable=None)
    with bar:
        for _ in generate(remaining, jobs or os.cpu_count() or 1):
            bar.update()
    if preview:
        from avbench.preprocessing.simulate.preview import write_preview

        write_preview(out / "preview.png", tasks[:4])
        click.echo(f"contact sheet: {out / 'preview.png'}")
    click.echo(f"{len(tasks)} simulated recordings in {out} ({len(tasks) - len(remaining)} were there already)")


def _standard_tasks(
    out: Path, given: list[str], split: str | None, configuration: str | None, recordings: int | None
) -> list[tuple[Path, RecordingSettings]]:
    """Folder and settings of each recording of the standard that is asked for."""
    from avbench.preprocessing.simulate.scene.world import Configuration
    from avbench.preprocessing.simulate.standard import standard_recordings

    if given:
        raise InputError(
            "avbench simulate --standard",
            found=", ".join(given),
            expected="none of them",
            hint="the standard fixes them; leave --standard out to choose",
        )
    wanted = standard_recordings(split, None if configuration is None else Configuration(configuration), recordings)
    if not wanted:
        raise InputError(
            "avbench simulate --standard",
            found=f"--config {configuration} --split {split}",
            expected="a part of the standard",
            hint="only main has training and validation splits",
        )
    return [(out / settings.configuration, settings) for settings in wanted]


def _own_tasks(
    out: Path, given: Mapping[str, Any], split: str | None, configuration: str | None, recordings: int | None
) -> list[tuple[Path, RecordingSettings]]:
    """Folder and settings of each recording, with what the options say."""
    from avbench.preprocessing.simulate.scene.world import Configuration, RecordingSettings

    width, height = _parse_size(given.get("--size", "320x240"))
    return [
        (
            out,
            RecordingSettings(
                seed=given.get("--seed", 0),
                split=split or "",
                index=index,
                configuration=Configuration.MAIN if configuration is None else Configuration(configuration),
                duration_s=given.get("--seconds", 6.0),
                fps=given.get("--fps", 10),
                width_px=width,
                height_px=height,
                sample_rate_hz=given.get("--rate", 16000),
                shutter_s=given.get("--shutter-ms", 0.0) / 1000.0,
            ),
        )
        for index in range(recordings or 4)
    ]


def _parse_size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError("--size", found=repr(text), expected="width and height like 320x240")
    size = (int(width), int(height))
    # H.264 halves the colour planes in both directions.
    if any(side % 2 or not 32 <= side <= 4096 for side in size):
        raise InputError("--size", found=text, expected="two even numbers from 32 to 4096")
    return size
