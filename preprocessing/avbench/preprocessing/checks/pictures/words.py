"""What the check of a recording's poses found, in a line for the user, with the setting that would state it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from avbench.preprocessing.checks.pictures.check import PoseCheck
from avbench.preprocessing.checks.pictures.decision import Finding
from avbench.preprocessing.checks.pictures.readings import TURNS, Hypothesis, Kind
from avbench.preprocessing.recording.pose_convention import CameraAxes, PoseStatement, PoseTransform
from avbench.preprocessing.recording.recording import Camera, Recording

_NAMES: Mapping[Kind, str] = {
    Kind.STATED: "as stated",
    Kind.INVERSE: "the inverse (world-to-camera taken for camera-to-world, or the other way round)",
    Kind.OPENGL: "camera axes with y and z the other way (OpenGL for OpenCV, or the other way round)",
    Kind.INVERSE_OPENGL: "the inverse, with y and z of the camera the other way (OpenGL and OpenCV)",
    Kind.QUARTER_TURN: "camera axes turned by 90 degrees in the picture (upright and sensor)",
    Kind.HALF_TURN: "camera axes turned by 180 degrees in the picture",
    Kind.THREE_QUARTER_TURN: "camera axes turned by 270 degrees in the picture (upright and sensor)",
    Kind.W_FIRST: "quaternions with w first",
    Kind.W_LAST: "quaternions with w last",
    Kind.TRANSLATION_SIGN: "positions with the other sign",
    Kind.MIXED: "positions that are the translation of the inverse pose (world-to-camera t beside camera-to-world R)",
    Kind.TIME: "another offset of the clocks",
    Kind.LENS: "another lens",
}
_OPPOSITE: Mapping[PoseTransform, PoseTransform] = {
    PoseTransform.WORLD_CAMERA: PoseTransform.CAMERA_WORLD,
    PoseTransform.CAMERA_WORLD: PoseTransform.WORLD_CAMERA,
    PoseTransform.WORLD_BODY: PoseTransform.BODY_WORLD,
    PoseTransform.BODY_WORLD: PoseTransform.WORLD_BODY,
}
_OTHER_AXES: Mapping[CameraAxes, CameraAxes] = {
    CameraAxes.OPENCV: CameraAxes.OPENGL,
    CameraAxes.OPENGL: CameraAxes.OPENCV,
}
_FRAME_TOLERANCE = 0.35  # of the time between frames


def fitting_readings(check: PoseCheck, recording: Recording) -> list[str]:
    """The readings that fit, the best first, in words; all times and all lenses as one each."""
    return [_name(group, recording.camera) for group in _grouped(check.decision.readings)]


def fitting_settings(check: PoseCheck, recording: Recording) -> list[str]:
    """What would state each of the readings that fit, in the order of `fitting_readings`."""
    statement = recording.poses_stated
    if statement is None or not statement.in_rig_file:
        return []
    return [_setting(group, statement, recording) for group in _grouped(check.decision.readings)]


def figures(check: PoseCheck) -> str:
    """The residuals in words."""
    parts = [f"rotations differ by {check.rotation_deg:.2g} degrees in the mean of {check.pairs} pairs"]
    if check.best_rotation_deg is not None:
        parts.append(f"and by {check.best_rotation_deg:.2g} under the reading that fits")
    line = " ".join(parts)
    if check.direction_deg is not None:
        line += f"; directions by {check.direction_deg:.2g} in the median of {check.with_parallax}"
    return line


def pose_note(check: PoseCheck, recording: Recording) -> str | None:
    """A note on what was found, None where the labels are right and nothing is to be said."""
    finding = check.decision.finding
    if finding is Finding.OTHER:
        fits = " or ".join(fitting_readings(check, recording))
        return f"the pictures contradict the poses: {figures(check)}; what fits is {fits}"
    if finding is Finding.UNEXPLAINED:
        return f"the pictures agree neither with the poses as stated nor with a usual mistake: {figures(check)}"
    if finding is Finding.TOO_LITTLE:
        return f"poses were not compared with pictures, which show too little: {_too_little(check)}"
    if check.decision.not_separated:
        others = " or ".join(_NAMES[kind] for kind in check.decision.not_separated)
        return f"the pictures agree with the poses, and would with {others}: the camera turns about one axis only"
    return None


def _too_little(check: PoseCheck) -> str:
    if check.is_still:
        motion = 0.0 if check.motion_deg is None else check.motion_deg
        return f"nothing moves in them, while the poses turn by {motion:.2g} degrees a pair"
    return f"{check.pairs} of {check.looked_at} pairs have enough in common"


def _grouped(readings: Sequence[Hypothesis]) -> list[list[Hypothesis]]:
    """Readings of one kind together: times, and lenses of one family."""
    groups: dict[tuple[Kind, bool], list[Hypothesis]] = {}
    for one in readings:
        groups.setdefault((one.kind, one.lens is not None and one.lens.is_fisheye), []).append(one)
    return list(groups.values())


def _name(group: Sequence[Hypothesis], camera: Camera) -> str:
    first = group[0]
    if first.kind is Kind.TIME:
        return f"a trajectory {abs(first.shift_ns) / 1e9:.3g} s {'later' if first.shift_ns > 0 else 'earlier'}"
    if first.lens is not None:
        focals = sorted(one.lens.camera.fx_px for one in group if one.lens is not None)
        family = "a fisheye" if first.lens.is_fisheye else "a lens without distortion"
        return f"{family} of fx {_interval(focals)} px (stated: {camera.fx_px:.4g})"
    return _NAMES[first.kind]


def _interval(values: Sequence[float]) -> str:
    # A focal length is known to about half a step of those that are tried.
    return f"{0.95 * values[0]:.3g} to {1.05 * values[-1]:.3g}"


def _setting(group: Sequence[Hypothesis], statement: PoseStatement, recording: Recording) -> str:
    first = group[0]
    if first.lens is not None:
        model = "kannala_brandt" if first.lens.is_fisheye else "none"
        return f'camera.distortion = "{model}" with its fx and fy'
    return _SETTINGS[first.kind](first, statement, recording)


def _transform(_: Hypothesis, statement: PoseStatement, __: Recording) -> str:
    return f'trajectory.transform = "{_OPPOSITE[statement.transform]}"'


def _axes(_: Hypothesis, statement: PoseStatement, __: Recording) -> str:
    other = _OTHER_AXES.get(statement.convention.axes)
    if statement.convention.T_body_camera is not None:
        return "a trajectory.T_body_camera in the camera axes that trajectory.axes states"
    return "another trajectory.axes" if other is None else f'trajectory.axes = "{other}"'


def _turn(one: Hypothesis, statement: PoseStatement, _: Recording) -> str:
    turns, picture = TURNS[one.kind], statement.picture_quarter_turns_cw
    if picture and turns == statement.quarter_turns_cw:
        return 'trajectory.axes_of = "upright"'
    if picture and statement.quarter_turns_cw == 0 and turns == -picture % 4:
        return 'trajectory.axes_of = "sensor"'
    if statement.convention.T_body_camera is not None:
        return "a trajectory.T_body_camera with that turn"
    turn_deg = 90 * ((turns + picture) % 4)
    return (
        f'camera.turn_deg = {turn_deg} with axes_of = "upright" in [trajectory] and "sensor" in [camera], if the '
        "stored picture lies on its side"
    )


def _columns(one: Hypothesis, statement: PoseStatement, _: Recording) -> str:
    order = '"qw", "qx", "qy", "qz"' if one.kind is Kind.W_FIRST else '"qx", "qy", "qz", "qw"'
    if statement.columns_named:
        return f"names of the quaternion's columns in the order {order}"
    return f'trajectory.columns = ["t_{statement.convention.time_unit or "s"}", "tx", "ty", "tz", {order}]'


def _clock(one: Hypothesis, statement: PoseStatement, recording: Recording) -> str:
    times = recording.frames.time_ns
    spacing_ns = float(times[-1] - times[0]) / max(1, len(times) - 1)
    frames = -one.shift_ns / spacing_ns
    whole = round(frames)
    if statement.counts_frames and whole and abs(frames - whole) <= _FRAME_TOLERANCE:
        number = (statement.convention.frames_from or 0) + whole
        if number >= 0:
            return f"trajectory.frames_from = {number}"
    return f"time.trajectory_offset_s = {(statement.convention.offset_ns + one.shift_ns) / 1e9:.3f}"


def _positions(_: Hypothesis, __: PoseStatement, ___: Recording) -> str:
    return "no setting; write the camera's place in the world as tx ty tz"


_SETTINGS: Mapping[Kind, Callable[[Hypothesis, PoseStatement, Recording], str]] = {
    Kind.INVERSE: _transform,
    Kind.OPENGL: _axes,
    Kind.INVERSE_OPENGL: lambda one, statement, recording: (
        f"{_transform(one, statement, recording)} and {_axes(one, statement, recording)}"
    ),
    Kind.QUARTER_TURN: _turn,
    Kind.HALF_TURN: _turn,
    Kind.THREE_QUARTER_TURN: _turn,
    Kind.W_FIRST: _columns,
    Kind.W_LAST: _columns,
    Kind.TRANSLATION_SIGN: _positions,
    Kind.MIXED: _positions,
    Kind.TIME: _clock,
}
