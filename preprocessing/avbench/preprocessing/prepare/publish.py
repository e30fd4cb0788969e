"""Put a finished data set in place of the one before, so that a reader finds the old one or the new one.

Everything is written and verified in the work folder first. Renaming the work folder's `packing` to `publish` is the
point of no return: from then on the move into place is only renames, and a run that is killed in the middle of them is
brought to its end by the next one.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from avbench.preprocessing.base.errors import InputError, could_not_write
from avbench.preprocessing.format.manifest import MANIFEST_NAME
from avbench.preprocessing.format.shards import DATA_FOLDER

WORK_FOLDER = ".work"
PARTS_FOLDER = f"{WORK_FOLDER}/parts"
CARD_NAME = "README.md"


def parts_folder(out: Path) -> Path:
    """Where finished recordings wait for packing; they outlive a run that is stopped."""
    return out / PARTS_FOLDER


def start_packing(out: Path) -> Path:
    """Give an empty folder to pack into."""
    folder = out / WORK_FOLDER / "packing"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / DATA_FOLDER).mkdir(parents=True)
    return folder


def publish(out: Path) -> None:
    """Move what was packed into place.

    Raises:
        OutputError: It cannot be moved; the next run tries again.
    """
    work = out / WORK_FOLDER
    (work / "packing").replace(work / "publish")
    finish_publishing(out)


def finish_publishing(out: Path) -> None:
    """Move a complete new data set into place; nothing happens if there is none.

    Raises:
        OutputError: It cannot be moved; the next run tries again.
    """
    new = out / WORK_FOLDER / "publish"
    old = out / WORK_FOLDER / "replaced"
    if not new.is_dir():
        return
    try:
        if (new / DATA_FOLDER).is_dir():
            shutil.rmtree(old, ignore_errors=True)
            if (out / DATA_FOLDER).exists():
                (out / DATA_FOLDER).replace(old)
            (new / DATA_FOLDER).replace(out / DATA_FOLDER)
        for name in (MANIFEST_NAME, CARD_NAME):
            if (new / name).exists():
                (new / name).replace(out / name)
        new.rmdir()
    except OSError as error:
        raise could_not_write(out, error) from error
    shutil.rmtree(old, ignore_errors=True)


def remove_work(out: Path) -> None:
    """Remove the work folder; all that was in it is in the data set."""
    shutil.rmtree(out / WORK_FOLDER, ignore_errors=True)


def remove_leftovers(out: Path) -> None:
    """Remove the packing that a killed run left unfinished, keeping finished parts."""
    shutil.rmtree(out / WORK_FOLDER / "packing", ignore_errors=True)


def check_is_ours(out: Path) -> None:
    """Check that a folder without a manifest holds no data of somebody else's.

    Raises:
        InputError: It does.
    """
    for name in (DATA_FOLDER, CARD_NAME):
        if (out / name).exists():
            raise InputError(
                out / name,
                found=f"{name} but no {MANIFEST_NAME}",
                expected="a data set made by `avbench prepare`, or a folder without either",
                hint="choose another output folder",
            )
