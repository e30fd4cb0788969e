"""Pictures that are turned upright: poses, microphones, intrinsics and up in axes of the sensor or of the picture."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import soundfile

from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.media.rectify import plan_rectification
from avbench.preprocessing.media.upright import Orientation
from avbench.preprocessing.recording.picture_axes import rotation_upright_sensor
from avbench.preprocessing.recording.recording import Distortion, Recording
from avbench.preprocessing.sources.common.ref import SourceOptions
from avbench.preprocessing.sources.find import find_recordings, open_recording
from media_files import HEIGHT_PX, TICKS, WIDTH_PX, numbered_picture, set_display_matrix, write_video

# Display matrices (a b c d) of clockwise turns: a stored pixel (p, q) goes to (a p + c q, b p + d q), q down.
MATRICES = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
MIRROR = (-1, 0, 0, 1)
# Where the sensor's right and down point in the upright picture (x right, y down), by clockwise turn.
SENSOR_X = {0: (1, 0, 0), 90: (0, 1, 0), 180: (-1, 0, 0), 270: (0, -1, 0)}
SENSOR_Y = {0: (0, 1, 0), 90: (-1, 0, 0), 180: (0, -1, 0), 270: (1, 0, 0)}

SYMMETRIC = "fx = 100\nfy = 100\ncx = {cx}\ncy = {cy}\n"
LOPSIDED = (
    'fx = 104\nfy = 100\ncx = 60\ncy = 50\ndistortion = "brown_conrady"\ncoefficients = [-0.1, 0.02, 0.01, -0.02]\n'
)


def camera(text: str, *, turned: bool = False) -> str:
    width, height = (HEIGHT_PX, WIDTH_PX) if turned else (WIDTH_PX, HEIGHT_PX)
    return f"[camera]\nwidth = {width}\nheight = {height}\n" + text.format(cx=(width - 1) / 2, cy=(height - 1) / 2)


def nods(turn_deg: int) -> tuple[np.ndarray, list[str]]:
    """Poses of an upright camera that walks ahead and nods, nose down; the same as rows of the sensor's TUM log."""
    poses, rows = [], []
    sensor = np.column_stack([SENSOR_X[turn_deg], SENSOR_Y[turn_deg], (0, 0, 1)])
    for i in range(21):
        tilt = np.radians(-0.5 * i)
        upright = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
        poses.append(upright)
        # The quaternion of Rx(tilt) Rz(turn), written out.
        half, turned = tilt / 2, np.radians(turn_deg) / 2
        q = [
            np.sin(half) * np.cos(turned),
            -np.sin(half) * np.sin(turned),
            np.cos(half) * np.sin(turned),
            np.cos(half) * np.cos(turned),
        ]
        np.testing.assert_allclose(upright @ sensor, rotation_of(q), atol=1e-12)
        rows.append(f"{0.05 * i:.3f} 0 0 {0.1 * i:.1f} " + " ".join(f"{value:.12f}" for value in q))
    return np.array(poses), rows


def rotation_of(q: list[float]) -> np.ndarray:
    """The columns of a rotation are its axes turned by q v q*, with Hamilton's rules."""
    vector, w = np.array(q[:3]), q[3]
    return np.column_stack([v + 2 * np.cross(vector, np.cross(vector, v) + w * v) for v in np.eye(3)])


@cache
def lying_video() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "lying.mp4")
        write_video(path, [int(i / 30 / TICKS) for i in range(12)])
        return path.read_bytes()


def write(
    folder: Path,
    rig: str,
    *,
    matrix: tuple[int, ...] | None = MATRICES[90],
    rows: list[str] | None = None,
    channels: int = 0,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "walk.mp4").write_bytes(lying_video())
    if matrix is not None:
        set_display_matrix(folder / "walk.mp4", matrix)
    (folder / "walk.tum").write_text("\n".join(rows or nods(90)[1]), encoding="utf-8")
    if channels:
        soundfile.write(folder / "walk.wav", np.random.default_rng(1).normal(0, 0.1, (4800, channels)), 48_000)
    text = rig if "[trajectory]" in rig else rig + "[trajectory]\n"
    (folder / "walk.toml").write_text(
        'licence = "CC0-1.0"\ngroup = "g"\n' + text + 'scale = "metric"\n', encoding="utf-8"
    )
    return folder


def opened(folder: Path) -> Recording:
    (ref,) = find_recordings(folder, SourceOptions())
    return open_recording(ref, SourceOptions())


@pytest.mark.parametrize("turn_deg", [90, 180, 270])
@pytest.mark.parametrize("by_rig", [False, True])
def test_a_nod_of_the_sensor_is_a_nod_of_the_upright_picture(tmp_path: Path, turn_deg: int, by_rig: bool) -> None:
    poses, rows = nods(turn_deg)
    turn = f"turn_deg = {turn_deg}\n" if by_rig else ""
    rig = 'axes_of = "sensor"\n' + camera(SYMMETRIC) + turn
    recording = opened(write(tmp_path, rig, rows=rows, matrix=None if by_rig else MATRICES[turn_deg]))
    np.testing.assert_allclose(recording.trajectory.T_world_camera[:, :3, :3], poses, atol=1e-9)
    np.testing.assert_allclose(recording.trajectory.T_world_camera[:, 2, 3], 0.1 * np.arange(21), atol=1e-12)
    plan = plan_rectification(recording.camera, 128)
    (frame,) = recording.frames.read([3])
    shown = plan.apply(frame.image)
    expected = np.rot90(numbered_picture(3), -turn_deg // 90)
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(float) - expected).mean() < 8.0
    assert any(f"turn_deg turns the picture of walk.mp4 by {turn_deg}" in note for note in recording.notes) == by_rig


def test_poses_of_the_upright_picture_stay_as_they_are(tmp_path: Path) -> None:
    poses, rows = nods(0)
    recording = opened(write(tmp_path, 'axes_of = "upright"\n' + camera(SYMMETRIC, turned=True), rows=rows))
    np.testing.assert_allclose(recording.trajectory.T_world_camera[:, :3, :3], poses, atol=1e-9)


def test_a_table_may_have_axes_of_its_own(tmp_path: Path) -> None:
    positions = [[0.05, 0.0, 0.01], [0.0, 0.02, 0.0]]
    rig = camera(LOPSIDED) + f'axes_of = "sensor"\n[microphones]\npositions_m = {positions}\naxes_of = "upright"\n'
    rig += '[trajectory]\naxes_of = "sensor"\n'
    recording = opened(write(tmp_path, rig, channels=2))
    np.testing.assert_allclose(recording.trajectory.T_world_camera[:, :3, :3], nods(90)[0], atol=1e-9)
    assert recording.rig is not None
    np.testing.assert_array_equal(recording.rig.mic_positions_m, positions)
    assert (recording.camera.distortion, recording.camera.quarter_turns_cw) == (Distortion.BROWN_CONRADY, 1)


@pytest.mark.parametrize("turn_deg", [90, 180, 270])
def test_microphones_of_the_sensor_go_where_the_picture_goes(tmp_path: Path, turn_deg: int) -> None:
    rig = 'axes_of = "sensor"\n' + camera(SYMMETRIC)
    rig += "[microphones]\npositions_m = [[0.05, 0, 0], [0, 0.02, 0], [0, 0, 0.03]]\n"
    rig += 'array_kind = "microphones"\n'
    recording = opened(write(tmp_path, rig, channels=3, matrix=MATRICES[turn_deg]))
    assert recording.rig is not None
    expected = [0.05 * np.array(SENSOR_X[turn_deg]), 0.02 * np.array(SENSOR_Y[turn_deg]), [0, 0, 0.03]]
    np.testing.assert_allclose(recording.rig.mic_positions_m, expected, atol=1e-15)


def test_up_columns_go_with_the_trajectory(tmp_path: Path) -> None:
    rig = camera(SYMMETRIC) + '[trajectory]\nup_source = "imu"\naxes_of = "sensor"\n'
    folder = write(tmp_path, rig)
    (folder / "walk.tum").unlink()
    # Held upright with a clockwise turn of 90: up is the sensor's left.
    lines = [f"{0.05 * i},0,0,0,0,0,0,1,-1,0,0" for i in range(21)]
    header = "t_s,tx,ty,tz,qx,qy,qz,qw,up_x_camera,up_y_camera,up_z_camera"
    (folder / "walk.csv").write_text("\n".join([header, *lines]), encoding="utf-8")
    recording = opened(folder)
    assert recording.up_camera is not None
    np.testing.assert_allclose(recording.up_camera[1], [[0, -1, 0]] * 21, atol=1e-15)


def test_other_axes_and_a_body_go_before_the_turn(tmp_path: Path) -> None:
    # The body has the axes of the upright camera; the camera on it is placed in OpenGL axes of the sensor, as ARKit's.
    poses, rows = nods(0)
    sensor = np.column_stack([SENSOR_X[90], SENSOR_Y[90], (0, 0, 1)]) @ np.diag([1, -1, -1])
    matrix = np.eye(4)
    matrix[:3, :3] = sensor
    rig = 'axes_of = "sensor"\n' + camera(SYMMETRIC)
    rig += f'[trajectory]\ntransform = "world_body"\naxes = "opengl"\nT_body_camera = {matrix.tolist()}\n'
    recording = opened(write(tmp_path, rig, rows=rows))
    np.testing.assert_allclose(recording.trajectory.T_world_camera[:, :3, :3], poses, atol=1e-9)


@pytest.mark.parametrize("turn_deg", [90, 180, 270])
def test_a_decentred_lens_of_the_sensor_is_applied_before_the_turn(tmp_path: Path, turn_deg: int) -> None:
    lying = opened(write(tmp_path / "lying", camera(LOPSIDED), matrix=None))
    rig = 'axes_of = "sensor"\n' + camera(LOPSIDED)
    turned = opened(write(tmp_path / "turned", rig, matrix=MATRICES[turn_deg]))
    pictures, pinholes = [], []
    for recording in (lying, turned):
        plan = plan_rectification(recording.camera, 128)
        pictures.append(plan.apply(next(iter(recording.frames.read([5]))).image).astype(float))
        pinholes.append(plan.camera)
    expected = np.rot90(pictures[0], -turn_deg // 90)
    assert pictures[1].shape == expected.shape
    assert np.abs(pictures[1] - expected).mean() < 1.0
    focal = (pinholes[0].fx_px, pinholes[0].fy_px)
    assert (pinholes[1].fx_px, pinholes[1].fy_px) == pytest.approx(focal if turn_deg == 180 else focal[::-1], rel=1e-4)


def test_a_turn_of_the_rig_replaces_the_display_matrix_and_says_so(tmp_path: Path) -> None:
    poses, rows = nods(0)
    recording = opened(write(tmp_path, camera(LOPSIDED) + "turn_deg = 0\n", rows=rows))
    assert (recording.camera.width_px, recording.camera.quarter_turns_cw) == (WIDTH_PX, 0)
    np.testing.assert_allclose(recording.trajectory.T_world_camera[:, :3, :3], poses, atol=1e-9)
    (note,) = recording.notes
    assert "turn_deg = 0 is used; the display matrix of walk.mp4, which turns the picture by 90 degrees" in note


# --- what is not stated --------------------------------------------------------------------------------------------

POSITIONS = "[microphones]\npositions_m = [[0.05, 0, 0], [0, 0.02, 0]]\n"
REFUSALS = [
    (camera(SYMMETRIC), MATRICES[90], ["trajectory"]),
    (camera(SYMMETRIC, turned=True), MATRICES[90], ["trajectory"]),
    (camera(LOPSIDED, turned=True), MATRICES[270], ["trajectory"]),
    (camera(LOPSIDED), MATRICES[90], ["camera", "trajectory"]),
    (camera(LOPSIDED) + POSITIONS, MATRICES[180], ["camera", "microphones", "trajectory"]),
    (camera(SYMMETRIC) + POSITIONS, MATRICES[180], ["microphones", "trajectory"]),
    (camera(SYMMETRIC) + "[microphones]\npositions_m = [[0, 0, 1], [0, 0, 0.5]]\n", MATRICES[180], ["trajectory"]),
    (camera(SYMMETRIC) + '[microphones]\narray_kind = "ambisonic"\n', MATRICES[90], ["microphones", "trajectory"]),
    (camera(LOPSIDED), MIRROR, ["camera", "trajectory"]),
    (camera(LOPSIDED) + "turn_deg = 90\n", None, ["camera", "trajectory"]),
    ('axes_of = "sensor"\n' + camera(LOPSIDED), None, []),
    (camera(LOPSIDED) + '[trajectory]\naxes_of = "upright"\n', MATRICES[90], ["camera"]),
]


@pytest.mark.parametrize(("rig", "matrix", "tables"), REFUSALS)
def test_one_line_names_all_that_must_be_stated(
    tmp_path: Path, rig: str, matrix: tuple[int, ...] | None, tables: list[str]
) -> None:
    folder = write(tmp_path, rig, matrix=matrix)
    if not tables:
        assert opened(folder).notes == ()
        return
    with pytest.raises(
        InputError, match=r"axes_of: found nothing, though (the display matrix|camera.turn_deg)"
    ) as error:
        opened(folder)
    assert [table for table in ("camera", "microphones", "trajectory") if f"[{table}] (" in str(error.value)] == tables
    assert "\n" not in str(error.value)


def test_a_size_that_contradicts_the_axes_is_refused_with_the_way_on(tmp_path: Path) -> None:
    folder = write(tmp_path, 'axes_of = "sensor"\n' + camera(LOPSIDED, turned=True))
    with pytest.raises(InputError, match=r'found 96 x 128, expected 128 x 96, the sensor picture.*axes_of = "upright"'):
        opened(folder)
    folder = write(tmp_path, 'axes_of = "upright"\n' + camera(LOPSIDED))
    with pytest.raises(InputError, match=r'found 128 x 96, expected 96 x 128, the upright picture.*axes_of = "sensor"'):
        opened(folder)


# --- mirrors -------------------------------------------------------------------------------------------------------


def test_the_sensor_of_a_mirrored_picture_is_turned_but_not_mirrored(tmp_path: Path) -> None:
    recording = opened(write(tmp_path, 'axes_of = "sensor"\n' + camera(LOPSIDED), matrix=MIRROR, rows=nods(0)[1]))
    (frame,) = recording.frames.read([4])
    assert np.abs(frame.image.astype(float) - numbered_picture(4)).mean() < 8.0
    np.testing.assert_allclose(recording.trajectory.T_world_camera[:, :3, :3], nods(0)[0], atol=1e-9)


def test_the_upright_picture_of_a_mirror_is_the_mirrored_one(tmp_path: Path) -> None:
    recording = opened(write(tmp_path, 'axes_of = "upright"\n' + camera(LOPSIDED), matrix=MIRROR))
    (frame,) = recording.frames.read([4])
    assert np.abs(frame.image.astype(float) - numbered_picture(4)[:, ::-1]).mean() < 8.0


def test_a_mirrored_picture_needs_one_statement(tmp_path: Path) -> None:
    rig = camera(LOPSIDED) + 'axes_of = "upright"\n[trajectory]\naxes_of = "sensor"\n'
    with pytest.raises(InputError, match=r"found upright for .*mirrors the picture left to right.*same for everything"):
        opened(write(tmp_path, rig, matrix=MIRROR))


# --- parts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_orientation_is_a_turn_and_perhaps_a_mirror(quarters: int, mirrored: bool) -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    turn = Orientation.of_quarter_turns(quarters)
    np.testing.assert_array_equal(turn.apply(picture), np.rot90(picture, -quarters))
    orientation = Orientation(turn.transposed, turn.mirrored_x ^ mirrored, turn.mirrored_y)
    assert (orientation.quarter_turns_cw, orientation.is_mirrored) == (quarters, mirrored)


@pytest.mark.parametrize("turn_deg", [0, 90, 180, 270])
def test_axes_of_the_sensor_in_the_upright_picture(turn_deg: int) -> None:
    expected = np.column_stack([SENSOR_X[turn_deg], SENSOR_Y[turn_deg], (0, 0, 1)])
    np.testing.assert_array_equal(rotation_upright_sensor(turn_deg // 90), expected)
