"""Miniatures of layouts whose poses belong to named pictures: a simulated camera path and numbered pictures.

Poses are written from the path by SciPy alone, so that what comes out is compared with another computation than the
readers'.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from avbench.preprocessing.prepare.options import PrepareOptions, prepare_with
from avbench.preprocessing.recording.recording import Recording
from avbench.preprocessing.sources.common.ref import SourceOptions
from avbench.preprocessing.sources.find import find_recordings, open_recording
from media_files import HEIGHT_PX, TICKS, WIDTH_PX, number_of, numbered_picture, write_video

FPS = 20
FRAMES = 40
FX, FY, CX, CY = 100.0, 101.0, 61.0, 50.0  # in OpenCV's pixels: the first centre is (0, 0)
RIG = 'licence = "CC0-1.0"\ngroup = "house"\n'


def true_rotation(frame: float) -> Rotation:
    """Camera-to-world, OpenCV axes: a turn about all three axes."""
    t = frame / FPS
    return Rotation.from_euler("yxz", [0.5 * t + 0.3, 0.2 * np.sin(2.0 * t), 0.1 * np.cos(3.0 * t)])


def true_position(frame: float) -> NDArray[np.float64]:
    """Where the camera is, in metres; the world's origin is far away."""
    t = frame / FPS
    return np.array([5.0 + 0.6 * t, -2.0 + 0.1 * np.sin(t), 3.0 + 0.4 * t * t])


def true_pose(frame: float) -> NDArray[np.float64]:
    """Camera-to-world (4, 4)."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = true_rotation(frame).as_matrix(), true_position(frame)
    return pose


def world_to_camera(frame: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quaternion w x y z and translation that take world points to the camera."""
    inverse = true_rotation(frame).inv()
    x, y, z, w = inverse.as_quat()
    return np.array([w, x, y, z]), -inverse.apply(true_position(frame))


def opengl_pose(frame: float) -> NDArray[np.float64]:
    """Camera-to-world of a camera whose y points up and z back."""
    pose = true_pose(frame)
    pose[:3, 1:3] *= -1.0
    return pose


def true_label(a: float, b: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (3, 3) and translation (3,) of camera b in camera a."""
    turn = true_rotation(a).inv()
    return (turn * true_rotation(b)).as_matrix(), turn.apply(true_position(b) - true_position(a))


def write_clip(path: Path, *, frames: int = FRAMES) -> None:
    """A video whose i-th frame carries i."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, [int(i / FPS / TICKS) for i in range(frames)])


def write_picture(path: Path, number: int) -> None:
    """A picture of the video's frame `number`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), numbered_picture(number)[..., ::-1])


def write_wav(path: Path, *, seconds: float = FRAMES / FPS) -> None:
    samples = np.random.default_rng(3).integers(-3000, 3000, (round(16_000 * seconds), 2), np.int16)
    soundfile.write(path, samples, 16_000, subtype="PCM_16")


def open_only(folder: Path, options: SourceOptions | None = None) -> Recording:
    """The one recording of a folder."""
    (ref,) = find_recordings(folder, options or SourceOptions())
    return open_recording(ref, options or SourceOptions())


def check_poses(recording: Recording, *, unit: float = 1.0, position: bool = True) -> None:
    """The trajectory's poses are those of the frames that their times mean, up to the choice of the world."""
    trajectory = recording.trajectory
    zero_ns = int(recording.frames.time_ns[0])
    frame = (trajectory.time_ns - zero_ns) / 1e9 * FPS
    np.testing.assert_allclose(frame, frame.round(), atol=1e-3)
    first = int(frame[0].round())
    for at, T in zip(frame.round(), trajectory.T_world_camera, strict=True):
        label = np.linalg.inv(trajectory.T_world_camera[0]) @ T
        rotation, translation = true_label(first, int(at))
        np.testing.assert_allclose(label[:3, :3], rotation, atol=2e-6)
        if position:
            np.testing.assert_allclose(label[:3, 3], translation * unit, atol=2e-5)


def check_pairs(source: Path, out: Path, *, unit: float = 1.0, **options: Any) -> pd.DataFrame:
    """Prepare a miniature and compare every row with the path: picture, label, time, intrinsics."""
    chosen = {"audio": "optional", "split": "test", "jobs": 1, "picture": "png", "max_pose_gap": 0.3, **options}
    result = prepare_with(source, out, PrepareOptions(**chosen))
    assert result.manifest is not None, [refusal.reason for refusal in result.refused]
    assert not result.refused
    table = pd.concat([pd.read_parquet(path) for path in sorted(out.rglob("*.parquet"))])
    assert len(table) > 10
    zero_ns = min(table["time_a_ns"].min(), table["time_b_ns"].min())
    shown = []
    for row in table.itertuples():
        numbers = []
        for side, time_ns in (("a", row.time_a_ns), ("b", row.time_b_ns)):
            encoded = np.frombuffer(getattr(row, f"image_{side}")["bytes"], dtype=np.uint8)
            number = number_of(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1])
            numbers.append(number)
            shown.append(number - (time_ns - zero_ns) / 1e9 * FPS)
        rotation, translation = true_label(*numbers)
        np.testing.assert_allclose(np.stack(row.rotation_a_b).astype(float), rotation, atol=2e-6)
        found = np.array(row.translation_a_b_m, dtype=float)
        np.testing.assert_allclose(found, translation * unit, atol=2e-5)
    # Pictures and times go together: the number in a picture is its time.
    np.testing.assert_allclose(shown, shown[0], atol=1e-3)
    return table


__all__ = ["HEIGHT_PX", "WIDTH_PX"]
