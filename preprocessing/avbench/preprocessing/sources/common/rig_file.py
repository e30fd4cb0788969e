"""The rig file of a recording in the folder layout: `<name>.toml`, over what `rig.toml` says for a whole folder.

    licence = "CC-BY-4.0"               # of the recording
    group = "kitchen"                   # place, take or wearer: never cut by a split
    # split = "test"                    # train, val or test, to fix it by hand
    # axes_of = "sensor"                # upright or sensor, where the picture is turned: see `picture_axes`

    [camera]                            # in pixels; the centre of the top left pixel is (0, 0)
    width = 1920
    height = 1080
    fx = 1010.2
    fy = 1009.8
    cx = 961.3
    cy = 540.9
    distortion = "brown_conrady"        # none, brown_conrady, kannala_brandt or fisheye624
    coefficients = [-0.28, 0.07, 0.0002, -0.0001]

    [microphones]
    array_kind = "microphones"          # microphones, binaural, stereo or ambisonic
    # ambisonics = "acn_sn3d"           # acn_sn3d, acn_n3d or fuma, of ambisonic channels
    positions_m = [                     # one for each channel, in camera axes: x right, y down, z forward
        [-0.05, 0.01, 0.00],
        [0.05, 0.01, 0.00],
    ]

    [time]                              # added to a clock to bring it onto the video's
    trajectory_offset_s = 0.0
    sound_offset_s = 0.0
    sync_sigma_s = 0.002               # standard uncertainty of the sound's clock
    # first_pose = "first_frame"        # the trajectory's clock is its own: its first pose is at the first frame
    # sound_rate_hz = 48017.8           # true rate of the samples on the video's clock, where the file's is not

    [streams]                           # of a container with several; counted from 0 among those of their kind
    # video = 0
    # sound = 1                         # or several to join, such as [0, 1, 2, 3], or "join" for all

    [trajectory]
    transform = "world_camera"          # world_camera, camera_world, world_body or body_world
    axes = "opencv"                     # opencv, opengl, ros_body, unity or unreal
    time_unit = "s"                     # s, ms, us or ns
    scale = "metric"                    # metric, unknown or rotation_only
    pose_source = "motion_capture"
    pose_sigma_deg = 0.1
    position_sigma_m = 0.002
    world_up = [0.0, 0.0, 1.0]          # against gravity, in the trajectory's world
    # metres_per_unit = 0.001           # unit of the positions
    # position_sigma = 0.02             # instead of position_sigma_m: in the unit of the positions
    # columns = ["t_s", "-", "tx", "ty", "tz", "qw", "qx", "qy", "qz"]   # of a file that does not name them
    # time_column = "frame"             # where several columns could give the time
    # frames_from = 1                   # number of the video's first frame in a column of frame numbers
    # check_poses = "note"              # refuse, note or off: where the pictures contradict the poses

Only the six numbers of `[camera]`, and `scale` where the trajectory has positions, must be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from avbench.preprocessing.base.geometry import FloatArray, is_rotation, nearest_rotation
from avbench.preprocessing.checks.array_geometry import implausible_positions
from avbench.preprocessing.media.streams import StreamChoice
from avbench.preprocessing.recording.picture_axes import AxesOf, PictureStatement, Placed
from avbench.preprocessing.recording.pose_convention import (
    CameraAxes,
    PoseCheckMode,
    PoseTransform,
    TimeUnit,
    TrajectoryConvention,
)
from avbench.preprocessing.recording.recording import (
    AmbisonicConvention,
    ArrayKind,
    Camera,
    Distortion,
    Scale,
    UpSource,
)
from avbench.preprocessing.sources.common.rig_fields import JOIN, RigFields, Tables, Value, read_values

COMMON_RIG = "rig.toml"
"""File with what is common to all recordings of a folder and the folders in it."""

FIELDS: Tables = {
    "": ("licence", "group", "split", "axes_of"),
    "camera": ("width", "height", "fx", "fy", "cx", "cy", "distortion", "coefficients", "axes_of", "turn_deg"),
    "microphones": (
        "array_kind",
        "positions_m",
        "metres_per_unit",
        "large_array",
        "axes_of",
        "ambisonics",
        "use_first_order",
    ),
    "time": ("trajectory_offset_s", "sound_offset_s", "sync_sigma_s", "first_pose", "sound_rate_hz"),
    "streams": ("video", "sound"),
    "trajectory": (
        "transform",
        "axes",
        "T_body_camera",
        "time_unit",
        "scale",
        "metres_per_unit",
        "pose_source",
        "pose_sigma_deg",
        "position_sigma_m",
        "position_sigma",
        "columns",
        "time_column",
        "frames_from",
        "world_up",
        "up_source",
        "axes_of",
        "check_poses",
    ),
}
"""All fields by table; the first table is the top of the file."""

COEFFICIENT_COUNTS: Mapping[Distortion, tuple[int, ...]] = {
    Distortion.NONE: (0,),
    Distortion.BROWN_CONRADY: (4, 5, 8),
    Distortion.KANNALA_BRANDT: (4,),
    Distortion.FISHEYE624: (12,),
}
"""How many coefficients a lens model has."""

FIRST_FRAME = "first_frame"
"""What `time.first_pose` may say."""

SPLITS = ("train", "val", "test")

_RIGID_TOLERANCE = 1e-3  # of R'R - I; calibration files are written with at least four decimals


@dataclass(frozen=True, eq=False)
class RigFile:
    """What rig files say about a recording.

    Attributes:
        camera: Intrinsics, of the picture that `picture` names.
        picture: Whose axes are meant, and how the picture is turned.
        array_kind: What the channels of the sound are, None where unstated.
        ambisonic_convention: Order and normalisation of ambisonic channels, None where unstated.
        use_first_order: Whether the first order of a higher order of ambisonics is to be read.
        mic_positions_m: (channels, 3) in the camera axes that `picture` names, None where unstated.
        convention: How to understand the trajectory file.
        up_source: Where up vectors come from, None where unstated.
        sound_offset_ns: Added to the sound's own times.
        sync_sigma_ns: Standard uncertainty of the sound's clock, None where unstated.
        sound_rate_hz: Samples a second of the video's clock, None where the sound's own rate is right.
        streams: Which streams of a container are meant.
        licence: Licence of the recording, None where unstated.
        group: What a split must not cut, None where unstated.
        split: The split asked for, None where unstated.
    """

    camera: Camera
    picture: PictureStatement
    array_kind: ArrayKind | None
    ambisonic_convention: AmbisonicConvention | None
    use_first_order: bool
    mic_positions_m: FloatArray | None
    convention: TrajectoryConvention
    up_source: UpSource | None
    sound_offset_ns: int
    sync_sigma_ns: int | None
    sound_rate_hz: Fraction | None
    streams: StreamChoice
    licence: str | None
    group: str | None
    split: str | None


def read_rig(files: Sequence[Path]) -> RigFile:
    """Read rig files, at least one, from the most general to the recording's own: a later field replaces an earlier.

    Raises:
        InputError: A file is not TOML, a field is unknown, missing, of the wrong type or out of range.
    """
    return rig_of(read_fields(files, files[-1], FIELDS))


def read_fields(files: Sequence[Path], own_file: Path, tables: Tables) -> RigFields:
    """The fields of rig files, from the most general to the recording's own: a later field replaces an earlier.

    Args:
        files: The files that there are.
        own_file: The recording's own, which errors about missing fields name.
        tables: The fields that there may be.

    Raises:
        InputError: A file is not TOML or has an unknown field.
    """
    values: dict[str, Value] = {}
    for file in files:
        values.update(read_values(file, tables))
    return RigFields(values, own_file)


def rig_of(fields: RigFields, camera: Camera | None = None) -> RigFile:
    """What the fields of rig files say.

    Args:
        fields: The fields.
        camera: The camera, where something else than the rig file describes it.

    Raises:
        InputError: A field is missing, of the wrong type or out of range.
    """
    array_kind = fields.choice("microphones.array_kind", ArrayKind)
    positions = _positions(fields)
    if positions is not None:
        array_kind = array_kind or ArrayKind.MICROPHONES
        if array_kind is ArrayKind.AMBISONIC:
            raise fields.error("microphones.positions_m", "positions of ambisonic channels", "none: they share a place")
    for name in ("microphones.ambisonics", "microphones.use_first_order"):
        if fields.has(name):
            array_kind = array_kind or ArrayKind.AMBISONIC
            if array_kind is not ArrayKind.AMBISONIC:
                raise fields.error(name, f'array_kind = "{array_kind}" beside it', 'array_kind = "ambisonic"')
    sigma_s = fields.number("time.sync_sigma_s", at_least=0.0)
    return RigFile(
        camera=camera or _camera(fields),
        picture=_picture(fields),
        array_kind=array_kind,
        ambisonic_convention=fields.choice("microphones.ambisonics", AmbisonicConvention),
        use_first_order=fields.flag("microphones.use_first_order"),
        mic_positions_m=positions,
        convention=_convention(fields),
        up_source=_up_source(fields),
        sound_offset_ns=fields.nanoseconds("time.sound_offset_s"),
        sync_sigma_ns=None if sigma_s is None else round(sigma_s * 1e9),
        sound_rate_hz=fields.rate_hz("time.sound_rate_hz"),
        streams=_streams(fields),
        licence=fields.text("licence"),
        group=fields.text("group"),
        split=fields.one_of("split", SPLITS),
    )


def _positions(fields: RigFields) -> FloatArray | None:
    """Positions of the microphones (channels, 3) in metres, in the axes that the rig file uses."""
    name = "microphones.positions_m"
    rows = fields.transposed_rows(name)
    if rows is not None:
        raise fields.error(
            name, f"3 rows of {rows} numbers", f"{rows} rows of 3, x y z of one microphone each", "transpose it"
        )
    positions = fields.numbers(name, (None, 3))
    metres_per_unit = fields.number("microphones.metres_per_unit")
    is_large = fields.flag("microphones.large_array")
    if metres_per_unit is not None and metres_per_unit <= 0.0:
        raise fields.error("microphones.metres_per_unit", f"{metres_per_unit:g}", "a length above 0")
    if positions is None:
        return None
    with np.errstate(over="ignore"):
        positions = positions * (1.0 if metres_per_unit is None else metres_per_unit)
    wrong = implausible_positions(positions, is_large=is_large)
    if wrong is not None:
        raise fields.error(name, wrong.found, wrong.expected, wrong.hint)
    return positions


def _camera(fields: RigFields) -> Camera:
    width, height = fields.pixels("camera.width"), fields.pixels("camera.height")
    numbers = {name: fields.needed(f"camera.{name}") for name in ("fx", "fy", "cx", "cy")}
    for name, size in (("cx", width), ("cy", height)):
        if not -0.5 <= numbers[name] <= size - 0.5:
            raise fields.error(f"camera.{name}", f"{numbers[name]:g}", f"a place in the picture, 0 to {size - 1}")
    for name in ("fx", "fy"):
        if numbers[name] <= 0.0:
            raise fields.error(f"camera.{name}", f"{numbers[name]:g}", "a focal length above 0 px")
    distortion = fields.choice("camera.distortion", Distortion)
    coefficients = fields.numbers("camera.coefficients", (None,))
    given = 0 if coefficients is None else len(coefficients)
    if distortion is None and given:
        raise fields.error("camera.distortion", "nothing", f"the lens model of the {given} coefficients")
    distortion = distortion or Distortion.NONE
    counts = COEFFICIENT_COUNTS[distortion]
    if given not in counts:
        expected = " or ".join(str(count) for count in counts)
        raise fields.error("camera.coefficients", f"{given} coefficients", f"{expected} for {distortion}")
    return Camera(
        width_px=width,
        height_px=height,
        fx_px=numbers["fx"],
        fy_px=numbers["fy"],
        cx_px=numbers["cx"],
        cy_px=numbers["cy"],
        distortion=distortion,
        coefficients=() if coefficients is None else tuple(coefficients.tolist()),
    )


def _picture(fields: RigFields) -> PictureStatement:
    everything = fields.choice("axes_of", AxesOf)
    stated = {table: fields.choice(f"{table}.axes_of", AxesOf) or everything for table in Placed}
    turn_deg = fields.number("camera.turn_deg")
    if turn_deg is not None and turn_deg not in (0.0, 90.0, 180.0, 270.0):
        raise fields.error("camera.turn_deg", f"{turn_deg:g}", "0, 90, 180 or 270, clockwise")
    return PictureStatement(
        axes_of={table: axes for table, axes in stated.items() if axes is not None},
        quarter_turns_cw=None if turn_deg is None else round(turn_deg / 90.0),
    )


def _convention(fields: RigFields) -> TrajectoryConvention:
    metres_per_unit = fields.number("trajectory.metres_per_unit")
    if metres_per_unit is not None and metres_per_unit <= 0.0:
        raise fields.error("trajectory.metres_per_unit", f"{metres_per_unit:g}", "a length above 0")
    if fields.has("trajectory.position_sigma") and fields.has("trajectory.position_sigma_m"):
        raise fields.error("trajectory.position_sigma", "position_sigma_m too", "one of them")
    first_pose = fields.one_of("time.first_pose", (FIRST_FRAME,))
    if first_pose is not None and fields.nanoseconds("time.trajectory_offset_s"):
        raise fields.error("time.first_pose", "trajectory_offset_s too", "one of them")
    return TrajectoryConvention(
        transform=fields.choice("trajectory.transform", PoseTransform),
        axes=fields.choice("trajectory.axes", CameraAxes) or CameraAxes.OPENCV,
        time_unit=fields.choice("trajectory.time_unit", TimeUnit),
        offset_ns=fields.nanoseconds("time.trajectory_offset_s"),
        scale=fields.choice("trajectory.scale", Scale),
        metres_per_unit=metres_per_unit,
        pose_source=fields.text("trajectory.pose_source") or "unspecified",
        pose_sigma_deg=fields.number("trajectory.pose_sigma_deg", at_least=0.0),
        position_sigma_m=fields.number("trajectory.position_sigma_m", at_least=0.0),
        position_sigma=fields.number("trajectory.position_sigma", at_least=0.0),
        columns=fields.texts("trajectory.columns"),
        time_column=fields.text("trajectory.time_column"),
        frames_from=fields.whole("trajectory.frames_from"),
        first_pose_at_first_frame=first_pose is not None,
        T_body_camera=_rigid(fields, "trajectory.T_body_camera"),
        up_world=_direction(fields, "trajectory.world_up"),
        check_poses=fields.choice("trajectory.check_poses", PoseCheckMode),
    )


def _up_source(fields: RigFields) -> UpSource | None:
    source = fields.choice("trajectory.up_source", UpSource)
    if source is None and fields.has("trajectory.world_up"):
        return UpSource.TRAJECTORY
    return source


def _streams(fields: RigFields) -> StreamChoice:
    video = fields.counts("streams.video", several=False)
    video_number = None if video is None else video[0]
    if fields.says("streams.sound", JOIN):
        return StreamChoice(video_number, joins_all=True)
    return StreamChoice(video_number, fields.counts("streams.sound", several=True))


def _direction(fields: RigFields, name: str) -> FloatArray | None:
    vector = fields.numbers(name, (3,))
    if vector is None:
        return None
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise fields.error(name, "a vector of length 0", "a direction")
    return np.asarray(vector / length, dtype=np.float64)


def _rigid(fields: RigFields, name: str) -> FloatArray | None:
    T = fields.numbers(name, (4, 4))
    if T is None:
        return None
    if not is_rotation(T[:3, :3], _RIGID_TOLERANCE) or not np.array_equal(T[3], [0.0, 0.0, 0.0, 1.0]):
        raise fields.error(name, "a matrix that is not rigid", "a rotation, a translation in metres and 0 0 0 1 below")
    T[:3, :3] = nearest_rotation(T[:3, :3])
    return T
