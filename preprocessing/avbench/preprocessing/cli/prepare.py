"""The command `avbench prepare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from avbench.preprocessing.sources.common.ref import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from avbench.preprocessing.prepare.pipeline import PrepareResult


@click.command(short_help="Raw recordings to Parquet shards of frame pairs, sound and relative poses.")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the data set.")
@click.option(
    "--audio",
    type=click.Choice(["required", "optional"]),
    default="required",
    show_default=True,
    help="Whether frames without sound make pairs, with null sound.",
)
@click.option(
    "--allow-partial-audio", is_flag=True, help="Keep clips of which less than half lies within the recording's sound."
)
@click.option("--clip-seconds", type=float, default=1.0, show_default=True, help="Length of the clip around a frame.")
@click.option("--size", type=int, default=512, show_default=True, help="Longer side of the pictures in pixels.")
@click.option(
    "--picture", type=click.Choice(["jpeg", "png"]), default="jpeg", show_default=True, help="Format of the pictures."
)
@click.option("--quality", type=int, default=95, show_default=True, help="JPEG quality, 1 to 100.")
@click.option(
    "--pairs-per-recording", type=int, default=100, show_default=True, help="At most this many pairs a recording."
)
@click.option("--min-gap", type=float, default=0.25, show_default=True, help="Shortest time between frames, seconds.")
@click.option("--max-gap", type=float, default=3.0, show_default=True, help="Longest time between frames, seconds.")
@click.option(
    "--sampling",
    type=click.Choice(["spread", "uniform"]),
    default="spread",
    show_default=True,
    help="Spread pairs over all sizes of motion, or draw them as the motion happened.",
)
@click.option("--uses-per-frame", type=int, default=4, show_default=True, help="A frame is in at most this many pairs.")
@click.option(
    "--max-pose-gap",
    type=float,
    default=0.1,
    show_default=True,
    help="Poses further apart than this, in seconds, are not interpolated between.",
)
@click.option(
    "--pose-tolerance",
    type=float,
    default=0.005,
    show_default=True,
    help="A frame this little outside the trajectory, in seconds, takes its first or last pose.",
)
@click.option(
    "--trajectory",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Poses to use instead of the recording's own (one recording).",
)
@click.option(
    "--layout",
    type=click.Choice([str(layout) for layout in Layout]),
    help="Layout of the source, where several could be meant.  [default: by what lies in it]",
)
@click.option(
    "--check-poses",
    type=click.Choice(["refuse", "note", "off"]),
    default="refuse",
    show_default=True,
    help="Where the pictures contradict the poses: refuse the recording, note it, or do not compare them.",
)
@click.option(
    "--splits",
    default="train=0.8,val=0.1,test=0.1",
    show_default=True,
    help="Shares of groups by split; a split that a recording asks for takes precedence.",
)
@click.option("--split", help="Put everything into this split.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the pairs and the splits.")
@click.option("--shard-mb", type=float, default=256.0, show_default=True, help="Size of a shard in megabytes.")
@click.option("--jobs", type=click.IntRange(min=1), help="Worker processes.  [default: one per processor]")
@click.option("--remake", is_flag=True, help="Replace a data set made with other settings or from other recordings.")
def prepare(source: Path, out: Path, **options: Any) -> None:
    """Turn raw recordings into Parquet shards of frame pairs.

    SOURCE is a folder of recordings, NAME.mp4 (mov, mkv, avi) with its sound inside or beside it as NAME.wav or
    NAME.flac, NAME.tum or NAME.csv with the trajectory and NAME.toml with the rig; or an Aria VRS file, or a folder of
    them; or a COLMAP model with its video or pictures (docs/sources.md).

    \b
        avbench prepare recordings/ -o data/
        avbench prepare walk.vrs -o data/ --audio optional --split test
        python -c "import datasets; print(datasets.load_dataset('data/'))"

    The same command again verifies the data set and adds what is new: rows that exist are kept, and a run that was
    stopped continues. A recording that cannot be used is named with its reason, kept in OUT/refused.json, and makes the
    exit code 1; the others are prepared.
    """
    from avbench.preprocessing.prepare.options import PrepareOptions, prepare_with

    result = prepare_with(source, out, PrepareOptions(**options))
    click.echo(_summary(result, out))
    if result.refused:
        sys.exit(1)


def _summary(result: PrepareResult, out: Path) -> str:
    """The table at the end of a run."""
    from collections import Counter

    statuses = Counter(str(status) for status in result.statuses.values())
    counted = ", ".join(f"{statuses.get(name, 0)} {name}" for name in ("made", "reused", "refused"))
    lines = [f"recordings  {counted}"]
    lines += [f"  refused   {refusal.reason}" for refusal in result.refused]
    manifest = result.manifest
    if manifest is None:
        return "\n".join([*lines, f"no recording could be prepared; the reasons are in {out / 'refused.json'}"])
    reasons: Counter[str] = Counter()
    for recording in manifest.recordings:
        reasons.update(recording.prepared.candidates)
    words = {
        "chosen": "chosen",
        "not_chosen": "not needed",
        "no_pose": "without pose",
        "no_sound": "without sound",
        "segment_change": "across a new start of the trajectory",
    }
    fates = ", ".join(f"{reasons[key]} {word}" for key, word in words.items())
    lines += [
        f"candidates  {reasons['in_gap']} pairs of frames: {fates}",
        "",
        *_table(
            ("split", "recordings", "groups", "pairs", "MB"),
            [
                (name, *(str(size[key]) for key in ("recordings", "groups", "pairs")), f"{size['bytes'] / 1e6:.1f}")
                for name, size in manifest.splits().items()
            ],
        ),
        "",
    ]
    lines += [f"damaged     {path} had changed on disk and was made anew" for path in result.damaged]
    if result.empty_splits:
        lines.append(f"empty       {', '.join(result.empty_splits)}: too few groups for these shares")
    if not result.packed:
        lines.append(f"nothing new: {len(manifest.shards)} shards in place, their hashes are right")
    lines += [f"data set    {out}", f"fingerprint {manifest.dataset_fingerprint}"]
    if result.refused:
        lines.append(f"refused     {out / 'refused.json'}")
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in [head, *rows]
    ]
