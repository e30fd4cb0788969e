"""The pictures of a recording and the axes in which its rig file speaks: upright ones or the sensor's.

Where nothing turns the picture the two are the same. Where a display matrix or the rig's `camera.turn_deg` does, each
table has to say which it means, unless it makes no difference or the size of the picture shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.rectify import rectified_camera
from avbench.preprocessing.media.upright import Orientation
from avbench.preprocessing.recording.picture_axes import AXES_MATTER_FOR, AxesOf, Placed, is_same_place, is_same_turned
from avbench.preprocessing.recording.recording import ArrayKind, Camera, FrameSource
from avbench.preprocessing.sources.common.rig_file import RigFile


class Pictures(FrameSource, Protocol):
    """Pictures that a file stores as the sensor lies, and that can be turned before they are given."""

    @property
    def path(self) -> Path:
        """The file, for messages."""
        ...

    @property
    def width_px(self) -> int:
        """Width of the pictures as they are given."""
        ...

    @property
    def height_px(self) -> int:
        """Height of the pictures as they are given."""
        ...

    @property
    def stored_size_px(self) -> tuple[int, int]:
        """Width and height of the pictures as they are stored."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines a user should see."""
        ...

    @property
    def display(self) -> Orientation:
        """How the file says that a stored picture is brought upright."""
        ...

    @property
    def orientation(self) -> Orientation:
        """How stored pictures are turned before they are given."""
        ...

    def turned(self, orientation: Orientation) -> Self:
        """The same pictures turned otherwise."""
        ...


_MAX_ZOOM = 2.0  # a rectified picture that shows less than half of the frame's width is a wrong lens model


@dataclass(frozen=True, eq=False)
class Placement:
    """How a recording's pictures and its rig's axes fit together.

    Attributes:
        video: The pictures, in the axes of `camera`.
        camera: Their intrinsics, and the turn that is still to be made.
        quarter_turns_cw: By table, the clockwise quarter turns from the axes of its numbers to upright ones.
        picture_quarter_turns_cw: Clockwise quarter turns from the stored picture to the upright one.
        is_turned: Whether the upright picture is not the sensor's.
        notes: Lines a user should see.
    """

    video: Pictures
    camera: Camera
    quarter_turns_cw: Mapping[Placed, int]
    picture_quarter_turns_cw: int
    is_turned: bool
    notes: tuple[str, ...]


def place(rig_path: Path, rig: RigFile, video: Pictures) -> Placement:
    """Find the axes of everything that a rig file places.

    Args:
        rig_path: The recording's own rig file, for messages.
        rig: What the rig files say.
        video: The video, as its display matrix turns it.

    Raises:
        InputError: The axes of something are not stated and matter; the intrinsics cannot be those of the pictures.
    """
    turn = video.display
    if rig.picture.quarter_turns_cw is not None:
        turn = Orientation.of_quarter_turns(rig.picture.quarter_turns_cw)
    upright = video.turned(turn)
    if turn == Orientation():
        _check_size(rig_path, rig, upright, AxesOf.UPRIGHT)
        _check_lens(rig_path, rig.camera, upright)
        notes = _turn_notes(rig_path, rig, video)
        return Placement(upright, rig.camera, dict.fromkeys(Placed, 0), 0, is_turned=False, notes=notes)
    axes = _axes_of(rig_path, rig, upright, turn)
    turns = {table: turn.quarter_turns_cw if axes.get(table) is AxesOf.SENSOR else 0 for table in Placed}
    delivered = upright
    camera = rig.camera
    if axes[Placed.CAMERA] is AxesOf.SENSOR:
        # The lens model holds in the sensor's axes, so the picture is turned when it is rectified.
        delivered = video.turned(Orientation())
        camera = replace(camera, quarter_turns_cw=turn.quarter_turns_cw)
    _check_size(rig_path, rig, delivered, axes[Placed.CAMERA])
    _check_lens(rig_path, camera, delivered)
    notes = (
        *_turn_notes(rig_path, rig, video),
        f"{video.path}: {_reason(rig, upright, turn)}; axes as read: "
        + ", ".join(f"{of} for [{table}]" for table, of in axes.items()),
    )
    return Placement(delivered, camera, turns, turn.quarter_turns_cw, is_turned=True, notes=notes)


def _axes_of(rig_path: Path, rig: RigFile, upright: Pictures, turn: Orientation) -> dict[Placed, AxesOf]:
    """The axes of each table that matters."""
    stated = rig.picture.axes_of
    matter = [table for table in Placed if table is not Placed.MICROPHONES or _microphones_matter(rig)]
    axes = {table: stated[table] for table in matter if table in stated}
    missing = [Placed.TRAJECTORY] if Placed.TRAJECTORY not in axes else []
    if Placed.MICROPHONES in matter and Placed.MICROPHONES not in axes:
        missing.insert(0, Placed.MICROPHONES)
    camera_axes = _camera_axes(rig, upright, turn)
    if camera_axes is None:
        missing.insert(0, Placed.CAMERA)
    else:
        axes = {**axes, Placed.CAMERA: camera_axes}
    if missing:
        what = ", ".join(f"[{table}] ({AXES_MATTER_FOR[table]})" for table in missing)
        raise InputError(
            f"{rig_path}: axes_of",
            found=f"nothing, though {_reason(rig, upright, turn)}",
            expected=f'axes_of = "upright" or "sensor" for {what}',
            hint="at the top of the file it holds for everything, in a table for that table; "
            "ARKit and ARCore log the sensor, see docs/folder_layout.md",
        )
    if turn.is_mirrored and len(set(axes.values())) > 1:
        raise InputError(
            f"{rig_path}: axes_of",
            found=", ".join(f"{of} for [{table}]" for table, of in axes.items())
            + f", though {_reason(rig, upright, turn)}",
            expected="the same for everything: only one of the two pictures is what a camera sees",
        )
    return axes


def _camera_axes(rig: RigFile, upright: Pictures, turn: Orientation) -> AxesOf | None:
    """The axes of the intrinsics: those that the size shows where nothing else can differ, else those stated."""
    camera, stated = rig.camera, rig.picture.axes_of
    stored = upright.stored_size_px
    by_size = None
    if turn.transposed and stored[0] != stored[1] and camera.width_px != camera.height_px:
        as_stored = (camera.width_px > camera.height_px) == (stored[0] > stored[1])
        by_size = AxesOf.SENSOR if as_stored else AxesOf.UPRIGHT
    if is_same_turned(camera, turn.quarter_turns_cw, mirrored=turn.is_mirrored):
        return by_size or stated.get(Placed.TRAJECTORY, AxesOf.UPRIGHT)
    if Placed.CAMERA in stated:
        return stated[Placed.CAMERA]
    # The rig file's camera is that of the upright picture, unless its size says otherwise.
    return AxesOf.UPRIGHT if by_size is AxesOf.UPRIGHT and not turn.is_mirrored else None


def _microphones_matter(rig: RigFile) -> bool:
    positions = rig.mic_positions_m
    if positions is not None:
        return not is_same_place(positions)
    return rig.array_kind is ArrayKind.AMBISONIC


def _reason(rig: RigFile, video: Pictures, turn: Orientation) -> str:
    if rig.picture.quarter_turns_cw is not None:
        return f"camera.turn_deg turns the picture of {video.path.name} by {90 * turn.quarter_turns_cw} degrees"
    return f"the display matrix of {video.path.name} {_turned_by(turn)}"


def _turned_by(turn: Orientation) -> str:
    degrees = 90 * turn.quarter_turns_cw
    mirrors = "mirrors the picture left to right" if turn.is_mirrored else ""
    turns = f"turns the picture by {degrees} degrees clockwise" if degrees else ""
    return " and ".join(part for part in (turns, mirrors) if part)


def _turn_notes(rig_path: Path, rig: RigFile, video: Pictures) -> tuple[str, ...]:
    """What to say of a stated turn beside a display matrix."""
    turn = rig.picture.quarter_turns_cw
    if turn is None or video.display in (Orientation(), Orientation.of_quarter_turns(turn)):
        return ()
    matrix = f"the display matrix of {video.path.name}, which {_turned_by(video.display)}, is not"
    return (f"{rig_path}: camera.turn_deg = {90 * turn} is used; {matrix}",)


def _check_size(rig_path: Path, rig: RigFile, video: Pictures, axes: AxesOf) -> None:
    """Whether the camera's size is that of the pictures as they are given."""
    camera = rig.camera
    wanted, given = (video.width_px, video.height_px), (camera.width_px, camera.height_px)
    if given == wanted:
        return
    scale = wanted[0] / given[0]
    if given == wanted[::-1]:
        if video.orientation.transposed or axes is AxesOf.SENSOR:
            other = AxesOf.UPRIGHT if axes is AxesOf.SENSOR else AxesOf.SENSOR
            hint = f'if the intrinsics are those of the {other} picture, set axes_of = "{other}" in [camera]'
        else:
            hint = "if the picture lies on its side, set camera.turn_deg, the clockwise turn that brings it upright"
    elif abs(wanted[1] / given[1] - scale) < 0.01 * scale:
        hint = (
            f"if the video is that picture scaled by {scale:.6g}, give fx, fy times that and "
            f"cx = {(camera.cx_px + 0.5) * scale - 0.5:.6g}, cy = {(camera.cy_px + 0.5) * scale - 0.5:.6g}"
        )
    else:
        hint = "the video shows a crop or another mode of the camera, which needs a calibration of its own"
    of = f", the {axes} picture," if video.display != Orientation() or rig.picture.quarter_turns_cw else ""
    raise InputError(
        f"{rig_path}: camera.width, camera.height",
        found=f"{given[0]} x {given[1]}",
        expected=f"{wanted[0]} x {wanted[1]}{of} as in {video.path.name}",
        hint=hint,
    )


def _check_lens(rig_path: Path, camera: Camera, video: Pictures) -> None:
    """Whether the lens model shows enough of the pictures."""
    try:
        _, zoom = rectified_camera(camera, max(video.width_px, video.height_px))
    except ValueError as error:
        raise InputError(
            f"{rig_path}: camera.coefficients", found=str(error), expected="a lens model that shows the picture"
        ) from error
    if zoom > _MAX_ZOOM:
        raise InputError(
            f"{rig_path}: camera.coefficients",
            found=f"a lens model that leaves {100 / zoom:.0f} % of the picture's width",
            expected=f"{100 / _MAX_ZOOM:.0f} % or more",
            hint="check the model, the order of its coefficients, and fx and fy",
        )
