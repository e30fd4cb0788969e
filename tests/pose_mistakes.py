"""The usual mistakes with poses, made on a recording that is right, and what the check must name for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from avbench.preprocessing.base.geometry import FloatArray, axis_rotation, invert_transform, make_transform
from avbench.preprocessing.checks.pictures.check import PoseCheck
from avbench.preprocessing.checks.pictures.decision import Finding
from avbench.preprocessing.checks.pictures.lenses import FOCAL_STEP, is_fisheye
from avbench.preprocessing.checks.pictures.readings import Kind
from avbench.preprocessing.recording.recording import Camera, Distortion, Recording

TIME_TOLERANCE_S = 0.06


@dataclass(frozen=True, eq=False)
class Mistake:
    """A recording that is read wrong.

    Attributes:
        name: The mistake.
        recording: The recording with it.
        kind: The reading that undoes it; None where the recording is right.
        shift_s: What must be added to the stamps, for a wrong clock.
        fisheye: The family of the true lens, for a wrong one.
        focal_factor: Its focal length over the wrong one.
    """

    name: str
    recording: Recording
    kind: Kind | None
    shift_s: float = 0.0
    fisheye: bool = False
    focal_factor: float = 1.0


def _posed(recording: Recording, T_world_camera: FloatArray) -> Recording:
    return replace(recording, trajectory=replace(recording.trajectory, T_world_camera=T_world_camera))


def _turned(T: FloatArray, rotation: NDArray[np.float64]) -> FloatArray:
    return make_transform(T[:, :3, :3] @ rotation, T[:, :3, 3])


def _reordered(T: FloatArray, order: list[int]) -> FloatArray:
    quaternion_xyzw = Rotation.from_matrix(T[:, :3, :3]).as_quat()
    return make_transform(Rotation.from_quat(quaternion_xyzw[:, order]).as_matrix(), T[:, :3, 3])


def with_noise(recording: Recording, sigma_deg: float, seed: int) -> Recording:
    """A recording with independent noise on each pose, of the given size in the mean square."""
    T = recording.trajectory.T_world_camera
    noise = np.random.default_rng(seed).normal(size=(len(T), 3)) * np.radians(sigma_deg) / np.sqrt(3.0)
    return _posed(recording, make_transform(T[:, :3, :3] @ Rotation.from_rotvec(noise).as_matrix(), T[:, :3, 3]))


def with_shift(recording: Recording, shift_s: float) -> Recording:
    """A recording whose poses come so much later."""
    trajectory = recording.trajectory
    return replace(
        recording, trajectory=replace(trajectory, time_ns=trajectory.time_ns + np.int64(round(shift_s * 1e9)))
    )


def time_reversed(recording: Recording) -> Recording:
    """A recording whose poses run backwards, which no reading undoes."""
    return _posed(recording, recording.trajectory.T_world_camera[::-1].copy())


def pose_mistakes(recording: Recording) -> Iterator[Mistake]:
    """Mistakes in reading poses."""
    T = recording.trajectory.T_world_camera
    half_about_x = np.diag([1.0, -1.0, -1.0])
    R, t = T[:, :3, :3], T[:, :3, 3]
    made = {
        Kind.INVERSE: invert_transform(T),
        Kind.OPENGL: _turned(T, half_about_x),
        Kind.INVERSE_OPENGL: invert_transform(_turned(T, half_about_x)),
        Kind.THREE_QUARTER_TURN: _turned(T, axis_rotation("z", 90.0)),
        Kind.QUARTER_TURN: _turned(T, axis_rotation("z", -90.0)),
        Kind.HALF_TURN: _turned(T, axis_rotation("z", 180.0)),
        # (w, x, y, z) read as if it were (x, y, z, w), and the other way round.
        Kind.W_FIRST: _reordered(T, [3, 0, 1, 2]),
        Kind.W_LAST: _reordered(T, [1, 2, 3, 0]),
        Kind.TRANSLATION_SIGN: make_transform(R, -t),
        Kind.MIXED: make_transform(R, invert_transform(T)[:, :3, 3]),
    }
    for kind, poses in made.items():
        yield Mistake(str(kind), _posed(recording, poses), kind)


def time_mistakes(recording: Recording) -> Iterator[Mistake]:
    """Frames counted from 1 and offsets of the clock; none for a snippet."""
    times = recording.frames.time_ns
    if len(times) < 12:
        return
    spacing_s = float(np.median(np.diff(times))) / 1e9
    yield Mistake("counted from 1", with_shift(recording, spacing_s), Kind.TIME, shift_s=-spacing_s)
    yield Mistake("one frame early", with_shift(recording, -spacing_s), Kind.TIME, shift_s=spacing_s)
    for shift_s in (-0.25, -0.1, 0.1, 0.2, 0.4):
        yield Mistake(f"clock {shift_s:+} s", with_shift(recording, shift_s), Kind.TIME, shift_s=-shift_s)


def lens_mistakes(recording: Recording) -> Iterator[Mistake]:
    """Wrong focal lengths, and a pinhole taken for a fisheye or the other way round."""
    camera, fisheye = recording.camera, is_fisheye(recording.camera)
    for factor in (1.12, 1.40, 0.71, 1.19, 0.75):
        wrong = replace(camera, fx_px=factor * camera.fx_px, fy_px=factor * camera.fy_px)
        yield Mistake(
            f"focal x {factor}", replace(recording, camera=wrong), Kind.LENS, fisheye=fisheye, focal_factor=1.0 / factor
        )
    yield Mistake("pinhole or fisheye", replace(recording, camera=_swapped(camera)), Kind.LENS, fisheye=fisheye)


def _swapped(camera: Camera) -> Camera:
    if is_fisheye(camera):
        return replace(camera, distortion=Distortion.NONE, coefficients=())
    return replace(camera, distortion=Distortion.KANNALA_BRANDT, coefficients=(0.0,) * 4)


def judged(mistake: Mistake, check: PoseCheck) -> str:
    """ "named", "tied" (with others), "not testable" (and said so), "missed" or "wrong"."""
    decision = check.decision
    if mistake.kind is None:
        return "wrong" if decision.finding is Finding.OTHER else "named"
    if decision.finding is not Finding.OTHER:
        return "not testable" if _is_said(mistake, check) else "missed"
    if not any(_undoes(mistake, index, check) for index in range(len(decision.readings))):
        return "wrong"
    groups = {(one.kind, one.lens is not None and one.lens.is_fisheye) for one in decision.readings}
    return "named" if len(groups) == 1 else "tied"


def _is_said(mistake: Mistake, check: PoseCheck) -> bool:
    if mistake.kind in (Kind.TRANSLATION_SIGN, Kind.MIXED):
        return check.decision.finding is Finding.ROTATIONS_RIGHT
    if mistake.kind is Kind.TIME:
        return abs(mistake.shift_s) <= check.unseen_offset_s + 1e-3
    if mistake.kind is Kind.LENS:
        # Near the axis a pinhole and a fisheye of one focal length differ by about as much as by one step of it.
        error = max(abs(mistake.focal_factor - 1.0), FOCAL_STEP - 1.0)
        return check.unseen_focal_share is not None and error <= check.unseen_focal_share
    return mistake.kind in check.decision.not_separated


def _undoes(mistake: Mistake, index: int, check: PoseCheck) -> bool:
    reading = check.decision.readings[index]
    if reading.kind is not mistake.kind:
        return False
    if reading.kind is Kind.TIME:
        # Of several times the first is the best.
        return abs(check.decision.readings[0].shift_ns / 1e9 - mistake.shift_s) <= TIME_TOLERANCE_S
    if reading.lens is not None:
        steps = float(np.log(mistake.focal_factor) / np.log(FOCAL_STEP))
        return reading.lens.is_fisheye == mistake.fisheye and abs(reading.lens.step - steps) <= 1.0
    return True
