"""What a rig file may say of a recording whose poses belong to named pictures.

    licence = "CC-BY-4.0"
    group = "kitchen"

    [pictures]
    poses = "sparse/0"         # which of several models
    video = "walk.mp4"         # which of several videos
    sound = "walk.wav"         # which of several sound files
    folder = "images"          # where the pictures are
    prefix = "cam1/"           # only pictures whose names begin so
    first = 1                  # the number in a name that means the first frame of the video
    step = 5                   # frames of the video between one number and the next
    rate_hz = 60.0             # or: pictures a second that the numbers count
    names_are = "us"           # or: the number in a name is a time in s, ms, us or ns
    times = "times.txt"        # or: a list of names and times in seconds
    pixel_centre = 0.5         # where the poses' file puts the centre of the first pixel
    pose_turn_deg = 90         # clockwise turn of the pictures after the camera whose poses these are

All other tables are those of the folder layout; what the file with the poses states itself is not among them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from avbench.preprocessing.recording.pose_convention import TimeUnit, TrajectoryConvention
from avbench.preprocessing.recording.recording import Camera, Scale
from avbench.preprocessing.sources.common.rig_fields import RigFields, Tables
from avbench.preprocessing.sources.common.rig_file import FIELDS, RigFile, read_fields, rig_of

_TRAJECTORY = (
    "scale",
    "metres_per_unit",
    "pose_source",
    "pose_sigma_deg",
    "position_sigma_m",
    "position_sigma",
    "world_up",
    "up_source",
    "axes_of",
)
_PICTURES = (
    *("poses", "video", "sound", "folder", "prefix", "first", "step", "rate_hz", "names_are", "times"),
    "pixel_centre",
    "pose_turn_deg",
)
NAMED_FIELDS: Tables = {
    "": FIELDS[""],
    "camera": ("turn_deg", "axes_of"),
    "microphones": FIELDS["microphones"],
    "time": ("sound_offset_s", "sync_sigma_s", "sound_rate_hz"),
    "streams": FIELDS["streams"],
    "trajectory": _TRAJECTORY,
    "pictures": _PICTURES,
}
"""Fields of the rig file where the poses' file describes the camera."""

NAMED_FIELDS_WITH_CAMERA: Tables = {**NAMED_FIELDS, "camera": FIELDS["camera"]}
"""The same where the rig file describes the camera."""


@dataclass(frozen=True)
class PictureNames:
    """The table `[pictures]` of a rig file; None where nothing is stated.

    Attributes:
        poses: Which file or folder of several has the poses, relative to the recording's folder.
        video: Which video.
        sound: Which sound file.
        folder: Folder of the pictures.
        prefix: What the names of the wanted pictures begin with.
        first: Number of the first frame of the video, or of time 0.
        step: Frames of the video between one number and the next.
        rate_hz: Pictures a second that the numbers count.
        names_are: Unit of the time that is the number in a name.
        times: List of names and times.
        pixel_centre: Where the centre of the first pixel is, 0 or 0.5.
        pose_quarter_turns_cw: Clockwise quarter turns by which the pictures were turned after the camera whose poses
            the file has.
    """

    poses: str | None
    video: str | None
    sound: str | None
    folder: str | None
    prefix: str | None
    first: int | None
    step: int | None
    rate_hz: float | None
    names_are: TimeUnit | None
    times: str | None
    pixel_centre: float | None
    pose_quarter_turns_cw: int = 0


@dataclass(frozen=True, eq=False)
class Statement:
    """What the rig files of a recording say.

    Attributes:
        path: The recording's own rig file, for messages; it need not exist.
        fields: The fields, for `rig_of`.
        pictures: The table `[pictures]`.
    """

    path: Path
    fields: RigFields
    pictures: PictureNames

    def rig(self, camera: Camera | None, scale: Scale) -> RigFile:
        """The rig, with a camera that comes from elsewhere and a scale where none is stated.

        Raises:
            InputError: A field is missing, of the wrong type or out of range.
        """
        rig = rig_of(self.fields, camera)
        if rig.convention.scale is not None:
            return rig
        convention: TrajectoryConvention = replace(rig.convention, scale=scale)
        return replace(rig, convention=convention)


def read_statement(rigs: tuple[Path, ...], own: Path, tables: Tables = NAMED_FIELDS) -> Statement:
    """Read the rig files of a recording, from the most general to its own; there may be none.

    Raises:
        InputError: A file is not TOML, has an unknown field, or statements exclude each other.
    """
    fields = read_fields(rigs, own, tables)
    pictures = PictureNames(
        poses=fields.text("pictures.poses"),
        video=fields.text("pictures.video"),
        sound=fields.text("pictures.sound"),
        folder=fields.text("pictures.folder"),
        prefix=fields.text("pictures.prefix"),
        first=fields.whole("pictures.first"),
        step=fields.whole("pictures.step"),
        rate_hz=fields.number("pictures.rate_hz"),
        names_are=fields.choice("pictures.names_are", TimeUnit),
        times=fields.text("pictures.times"),
        pixel_centre=fields.number("pictures.pixel_centre"),
        pose_quarter_turns_cw=_quarter_turns(fields, "pictures.pose_turn_deg"),
    )
    if pictures.step == 0:
        raise fields.error("pictures.step", "0", "frames from one number to the next, 1 or more")
    if pictures.step is not None and pictures.first is None:
        raise fields.error(
            "pictures.first", "nothing beside step", "the number that means the first frame of the video"
        )
    if pictures.rate_hz is not None and not 1e-3 <= pictures.rate_hz <= 1e5:
        raise fields.error("pictures.rate_hz", f"{pictures.rate_hz:g}", "pictures a second")
    if pictures.pixel_centre not in (None, 0.0, 0.5):
        raise fields.error("pictures.pixel_centre", f"{pictures.pixel_centre:g}", "0 or 0.5")
    ways = [name for name in ("step", "rate_hz", "names_are", "times") if fields.has(f"pictures.{name}")]
    if len(ways) > 1 or (fields.has("pictures.first") and ways and ways[0] in ("names_are", "times")):
        others = ways[1:] or ["first"]
        raise fields.error(f"pictures.{others[0]}", f"{ways[0]} too", "one way to tell when a picture was taken")
    return Statement(own, fields, pictures)


def _quarter_turns(fields: RigFields, name: str) -> int:
    turn_deg = fields.number(name) or 0.0
    if turn_deg not in (0.0, 90.0, 180.0, 270.0):
        raise fields.error(name, f"{turn_deg:g}", "0, 90, 180 or 270, clockwise")
    return round(turn_deg / 90.0)
