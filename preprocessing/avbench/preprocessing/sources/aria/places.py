"""Where files lie around a VRS file, in the layouts in which Aria recordings are published.

recording.vrs, mps/slam/ or MPS/slam/        Aria Everyday Activities, loc1_script2_seq3_rec1/
recording.vrs, mps_recording_vrs/slam/       the command line of Machine Perception Services
takes/T/aria01.vrs, takes/T/trajectory/      Ego-Exo4D
S/recording_head/data/data.vrs, S/recording_head/mps/slam/      Nymeria, S is date_session_name_act_uid
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

WITHOUT_PICTURES = "_noimagestreams"
"""How the name of a VRS file of Ego-Exo4D ends that holds sound and sensors alone."""

_OTHER_SENSORS = ("motion", "et")  # of Nymeria, beside data.vrs
_OTHER_DEVICES = ("recording_lwrist", "recording_rwrist")
_TRAJECTORIES = ("open_loop_trajectory.csv", "closed_loop_trajectory.csv")
_EVERYDAY = re.compile(r"(loc\d+)_script\d+_seq\d+_rec\d+", re.IGNORECASE)
_NYMERIA = re.compile(r"\d{8}_s\d+_(.+)_act\d+_\w+")
_EGO_EXO = re.compile(r"aria\d+", re.IGNORECASE)


def mps_folders(vrs: Path) -> tuple[Path, ...]:
    """Folders in which the output of Machine Perception Services may lie, in the order in which they are asked."""
    around = vrs.parent
    folders = [around, around / "mps" / "slam", around / "MPS" / "slam", around / f"mps_{vrs.stem}_vrs" / "slam"]
    folders.append(around / "trajectory")
    if around.name == "data":
        folders += [around.parent / "mps" / "slam", around.parent / "MPS" / "slam"]
    return tuple(folders)


def has_pictures(vrs: Path) -> bool:
    """Whether a VRS file is one of which its data set says that it holds RGB pictures of a head."""
    if vrs.stem.lower() in _OTHER_SENSORS and vrs.with_name("data.vrs").is_file():
        return False
    if vrs.stem.endswith(WITHOUT_PICTURES) and vrs.with_stem(vrs.stem.removesuffix(WITHOUT_PICTURES)).is_file():
        return False
    return not any(part in _OTHER_DEVICES for part in vrs.parts)


def shared_with(vrs: Path, trajectory: Path) -> Path | None:
    """Another recording beside a VRS file to which the trajectory could belong as well, None if there is none."""
    if trajectory.parent.parent.name == f"mps_{vrs.stem}_vrs":
        return None
    others = sorted(path for path in vrs.parent.iterdir() if path.suffix.lower() == ".vrs" and path != vrs)
    return next((path for path in others if has_pictures(path) and not path.stem.endswith(WITHOUT_PICTURES)), None)


def unused_trajectories(vrs: Path, used: Path | None) -> list[Path]:
    """Trajectories near a VRS file, in other folders than the one that is used, which nothing reads."""
    folders = [vrs.parent, vrs.parent.parent] if vrs.parent.name == "data" else [vrs.parent]
    seen = {path for folder in folders for path in _near(folder)}
    taken = None if used is None else _place(used)
    return sorted(path for path in seen if _place(path) != taken and not _is_of_another(vrs, path))


def _near(folder: Path) -> Iterator[Path]:
    for depth in ("", "*/", "*/*/"):
        for name in _TRAJECTORIES:
            yield from folder.glob(f"{depth}{name}")


def _place(path: Path) -> Path:
    # One folder may be reached as mps and as MPS where the file system makes no difference.
    return path.parent.resolve()


def _is_of_another(vrs: Path, trajectory: Path) -> bool:
    named = re.fullmatch(r"mps_(.+)_vrs", trajectory.parent.parent.name)
    return named is not None and named[1] != vrs.stem and (vrs.parent / f"{named[1]}.vrs").is_file()


def group_of(vrs: Path) -> tuple[str, str] | None:
    """What a split must not cut, where the data set's names tell, and why; None where they do not."""
    folder = vrs.parent.resolve()
    for part in (folder.name, folder.parent.name, folder.parent.parent.name):
        everyday, nymeria = _EVERYDAY.fullmatch(part), _NYMERIA.fullmatch(part)
        if everyday is not None:
            return everyday[1].lower(), f"recordings of one location, as {part} says, show one place"
        if nymeria is not None:
            return nymeria[1], f"the wearer that {part} names; places are shared by several wearers"
    if _EGO_EXO.fullmatch(vrs.stem) and ((folder / "trajectory").is_dir() or folder.parent.name == "takes"):
        capture = re.sub(r"_\d+$", "", folder.name)
        return capture, f"takes of the capture {capture}; captures may share a place"
    return None
