"""The layout *colmap*: text and binary models, against poses and a projection that SciPy and OpenCV compute."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from avbench.preprocessing.base.errors import AvbenchError, InputError
from avbench.preprocessing.media.rectify import project
from avbench.preprocessing.prepare.options import PrepareOptions, prepare_with
from avbench.preprocessing.recording.recording import Distortion, Scale
from avbench.preprocessing.sources.colmap.model import read_model
from avbench.preprocessing.sources.common.ref import Layout, SourceOptions
from avbench.preprocessing.sources.find import detect_layout, find_recordings
from avbench.preprocessing.sources.named.camera import COLMAP_CAMERAS, colmap_camera
from named_scenes import (
    CX,
    CY,
    FPS,
    FRAMES,
    FX,
    FY,
    HEIGHT_PX,
    RIG,
    WIDTH_PX,
    check_pairs,
    check_poses,
    open_only,
    true_label,
    world_to_camera,
    write_clip,
    write_picture,
    write_wav,
)

PINHOLE = ("PINHOLE", WIDTH_PX, HEIGHT_PX, (FX, FY, CX + 0.5, CY + 0.5))
UNIT = 0.25  # of the model, in metres: COLMAP's is any
FIRST_1 = "[pictures]\nfirst = 1\n"


def write_text_model(
    folder: Path, frames: Mapping[str, int], camera: tuple[str, int, int, Sequence[float]] = PINHOLE
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model, width, height, params = camera
    cameras = ["# Camera list", f"7 {model} {width} {height} {' '.join(map(repr, map(float, params)))}"]
    (folder / "cameras.txt").write_text("\n".join(cameras) + "\n")
    lines = ["# Image list with two lines of data per image:"]
    for number, (name, frame) in enumerate(frames.items(), start=3):
        q, t = world_to_camera(frame)
        values = " ".join(f"{value:.9f}" for value in (*q, *(t / UNIT)))
        lines += [f"{number} {values} 7 {name}", "" if number % 2 else "10.5 20.5 -1 30.0 41.0 7"]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    (folder / "points3D.txt").write_text("")


def write_binary_model(folder: Path, frames: Mapping[str, int], *, with_rigs: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cameras.bin").write_bytes(struct.pack("<QIiQQ4d", 1, 7, 1, *PINHOLE[1:3], *PINHOLE[3]))
    data = struct.pack("<Q", len(frames))
    for number, (name, frame) in enumerate(frames.items(), start=3):
        q, t = world_to_camera(frame)
        data += struct.pack("<I7dI", number, *q, *(t / UNIT), 7) + name.encode() + b"\0"
        data += struct.pack("<Q", 2) + struct.pack("<ddq", 1.0, 2.0, -1) * 2
    (folder / "images.bin").write_bytes(data)
    (folder / "points3D.bin").write_bytes(struct.pack("<Q", 0))
    if with_rigs:
        (folder / "rigs.bin").write_bytes(struct.pack("<QIIiI", 1, 1, 1, 0, 7))
        (folder / "frames.bin").write_bytes(struct.pack("<Q", 0))


def names_from_1(step: int = 1) -> dict[str, int]:
    """Names that count from 1 every `step`-th frame of the clip."""
    return {f"frame_{k + 1:05d}.png": k * step for k in range((FRAMES - 1) // step + 1)}


def scene(
    folder: Path, *, rig: str = RIG + FIRST_1, binary: bool = False, frames: Mapping[str, int] | None = None
) -> Path:
    frames = names_from_1() if frames is None else frames
    write_clip(folder / "clip.mp4")
    (write_binary_model if binary else write_text_model)(folder / "sparse" / "0", frames)
    (folder / "rig.toml").write_text(rig)
    return folder


# --- labels ---------------------------------------------------------------------------------------------------------


def test_a_text_model_beside_a_video_becomes_pairs_with_true_labels(tmp_path: Path) -> None:
    scene(tmp_path / "walk")
    write_wav(tmp_path / "walk" / "clip.wav")
    rows = check_pairs(tmp_path, tmp_path / "out", unit=1 / UNIT, audio="required")
    assert set(rows["scale"]) == {"unknown"}
    assert set(rows["group_id"]) == {"house"}
    np.testing.assert_allclose(rows[["fx_px", "fy_px", "cx_px", "cy_px"]], np.tile([FX, FY, CX, CY], (len(rows), 1)))


def test_a_binary_model_with_rigs_reads_as_the_text_one(tmp_path: Path) -> None:
    write_text_model(tmp_path / "text", names_from_1())
    write_binary_model(tmp_path / "binary", names_from_1(), with_rigs=True)
    text, binary = read_model(tmp_path / "text"), read_model(tmp_path / "binary")
    assert text.names == binary.names
    assert text.cameras == binary.cameras
    np.testing.assert_allclose(text.T_camera_world, binary.T_camera_world, atol=1e-7)
    (tmp_path / "binary").rename(tmp_path / "0")
    write_clip(tmp_path / "clip.mp4")
    (tmp_path / "text" / "images.txt").unlink()
    (tmp_path / "rig.toml").write_text(FIRST_1)
    check_poses(open_only(tmp_path), unit=1 / UNIT)


def test_a_stated_scale_makes_metres(tmp_path: Path) -> None:
    rig = RIG + FIRST_1 + f'[trajectory]\nscale = "metric"\nmetres_per_unit = {UNIT}\n'
    recording = open_only(scene(tmp_path, rig=rig))
    assert recording.trajectory.scale is Scale.METRIC
    check_poses(recording)


def test_pictures_without_a_video_have_the_times_that_are_stated(tmp_path: Path) -> None:
    for name, frame in names_from_1(2).items():
        write_picture(tmp_path / "walk" / "images" / name, frame)
    write_text_model(tmp_path / "walk" / "sparse", names_from_1(2))
    with pytest.raises(InputError, match=r"nothing that says when they were taken, expected pictures.rate_hz"):
        open_only(tmp_path / "walk")
    (tmp_path / "walk" / "rig.toml").write_text(f"{RIG}[pictures]\nrate_hz = {FPS / 2}\n")
    check_pairs(tmp_path / "walk", tmp_path / "out", unit=1 / UNIT)


def test_sound_begins_with_the_number_that_is_stated_and_not_with_the_first_pose(tmp_path: Path) -> None:
    # Reconstruction lost the first six pictures.
    frames = {f"{k + 1:03d}.png": k for k in range(6, 30)}
    for name, frame in frames.items():
        write_picture(tmp_path / "images" / name, frame)
    write_text_model(tmp_path / "sparse", frames)
    write_wav(tmp_path / "sound.wav")
    rig = f"{RIG}[pictures]\nrate_hz = {FPS}\n"
    (tmp_path / "rig.toml").write_text(rig + "first = 1\n")
    recording = open_only(tmp_path)
    assert recording.sound is not None
    assert (recording.sound.start_ns, recording.frames.time_ns[0]) == (0, 6 * 10**9 // FPS)
    (tmp_path / "rig.toml").write_text(rig)
    recording = open_only(tmp_path)
    assert recording.sound is not None
    assert recording.sound.start_ns == recording.frames.time_ns[0]
    assert any("sound is taken to begin with the first picture that has a pose" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ("step = 5\n", r"rig.toml: pictures.first: found nothing beside step"),
        ("rate_hz = 5\n", r"rig.toml: pictures.first: found nothing beside rate_hz"),
        ('rate_hz = 5\nnames_are = "s"\n', r"pictures.names_are: found rate_hz too, expected one way to tell"),
        ('first = 1\ntimes = "t.txt"\n', r"pictures.first: found times too, expected one way to tell"),
        ("first = 1\nstep = 0\n", r"pictures.step: found 0, expected frames from one number to the next"),
        ("pixel_centre = 0.3\n", r"pictures.pixel_centre: found 0.3, expected 0 or 0.5"),
        ("pose_turn_deg = 45\n", r"pictures.pose_turn_deg: found 45, expected 0, 90, 180 or 270"),
        ("size = 3\n", r"pictures.size: found an unknown field"),
    ],
)
def test_statements_that_are_half_or_contradict_are_refused(tmp_path: Path, pictures: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_only(scene(tmp_path, rig=RIG + "[pictures]\n" + pictures))


# --- which frame a name means ---------------------------------------------------------------------------------------


def test_nothing_stated_and_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"names such as 'frame_00001.png', no pictures to compare .* rig.toml"):
        open_only(scene(tmp_path, rig=RIG))


@pytest.mark.parametrize(("first", "step"), [(1, 1), (0, 1), (1, 3), (10, 2)])
def test_pictures_prove_which_frames_the_names_mean(tmp_path: Path, first: int, step: int) -> None:
    frames = {f"{k + first:04d}.jpg": k * step for k in range((FRAMES - 1) // step + 1)}
    for name, frame in frames.items():
        write_picture(tmp_path / "images" / name, frame)
    recording = open_only(scene(tmp_path, rig=RIG, frames=frames))
    check_poses(recording, unit=1 / UNIT)
    assert any(f"of the video from {first}, as " in note for note in recording.notes)


def test_pictures_contradict_a_wrong_statement(tmp_path: Path) -> None:
    for name, frame in names_from_1().items():
        write_picture(tmp_path / "images" / name, frame)
    with pytest.raises(InputError, match=r"pictures.first: found 0, by which .* is frame 5, expected frame 4"):
        open_only(scene(tmp_path, rig=RIG + "[pictures]\nfirst = 0\n", frames=dict(list(names_from_1().items())[4:36])))
    check_poses(open_only(scene(tmp_path)), unit=1 / UNIT)


def test_pictures_of_another_video_prove_nothing(tmp_path: Path) -> None:
    for k, name in enumerate(names_from_1()):
        write_picture(tmp_path / "images" / name, 1000 + 7 * k)
    with pytest.raises(InputError, match="pictures that do not show which they are"):
        open_only(scene(tmp_path, rig=RIG))
    assert any("do not show whether they are the frames" in note for note in open_only(scene(tmp_path)).notes)


def test_a_rate_that_is_not_the_videos_finds_the_nearest_frames(tmp_path: Path) -> None:
    # Numbers that count 5 pictures a second of a video of 20.
    frames = {f"{k + 1:03d}.jpg": 4 * k for k in range(10)}
    recording = open_only(scene(tmp_path, rig=RIG + "[pictures]\nfirst = 1\nrate_hz = 5\n", frames=frames))
    check_poses(recording, unit=1 / UNIT)
    assert len(recording.trajectory.time_ns) == 10


@pytest.mark.parametrize("order", ["{name} {time}", "{time}, {name}"])
def test_a_list_gives_times(tmp_path: Path, order: str) -> None:
    frames = {f"img{k}.png": 3 * k for k in range(12)}
    folder = scene(tmp_path, rig=RIG + '[pictures]\ntimes = "times.txt"\n', frames=frames)
    lines = [order.format(name=name, time=frame / FPS + 0.004) for name, frame in frames.items()]
    (folder / "times.txt").write_text("\n".join(lines))
    check_poses(open_only(folder), unit=1 / UNIT)
    (folder / "times.txt").write_text("\n".join(lines[1:]))
    with pytest.raises(InputError, match=r"times.txt: found no time for img0.png"):
        open_only(folder)
    (folder / "times.txt").write_text("\n".join([*lines, lines[0]]))
    with pytest.raises(InputError, match=r"times.txt: line 13: found img0.png for the second time"):
        open_only(folder)


def test_names_that_are_times(tmp_path: Path) -> None:
    frames = {f"{frame * 1000 // FPS}.png": frame for frame in range(0, FRAMES, 2)}
    check_poses(open_only(scene(tmp_path, rig=RIG + '[pictures]\nnames_are = "ms"\n', frames=frames)), unit=1 / UNIT)


# --- cameras --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "params", "k"),
    [
        ("SIMPLE_RADIAL", (FX, CX + 0.5, CY + 0.5, -0.1), (-0.1, 0, 0, 0)),
        ("RADIAL", (FX, CX + 0.5, CY + 0.5, -0.1, 0.02), (-0.1, 0.02, 0, 0)),
        ("OPENCV", (FX, FY, CX + 0.5, CY + 0.5, -0.1, 0.02, 1e-3, -2e-3), (-0.1, 0.02, 1e-3, -2e-3)),
        (
            "FULL_OPENCV",
            (FX, FY, CX + 0.5, CY + 0.5, -0.1, 0.02, 1e-3, -2e-3, 1e-3, 0.01, 0.02, 0.003),
            (-0.1, 0.02, 1e-3, -2e-3, 1e-3, 0.01, 0.02, 0.003),
        ),
        ("OPENCV_FISHEYE", (FX, FY, CX + 0.5, CY + 0.5, 0.05, -0.01, 2e-3, -1e-3), (0.05, -0.01, 2e-3, -1e-3)),
        ("SIMPLE_RADIAL_FISHEYE", (FX, CX + 0.5, CY + 0.5, 0.05), (0.05, 0, 0, 0)),
        ("RADIAL_FISHEYE", (FX, CX + 0.5, CY + 0.5, 0.05, -0.01), (0.05, -0.01, 0, 0)),
        ("FISHEYE", (FX, FY, CX + 0.5, CY + 0.5), (0, 0, 0, 0)),
    ],
)
def test_cameras_project_as_opencv_does(model: str, params: tuple[float, ...], k: tuple[float, ...]) -> None:
    camera = colmap_camera("cameras.txt", model, WIDTH_PX, HEIGHT_PX, params)
    points = np.array([[0.1, 0.2, 1.0], [-0.3, 0.25, 1.0], [0.4, -0.35, 1.2], [0.0, 0.0, 2.0]])
    fy = FY if len(params) > 5 or model == "FISHEYE" else FX
    fy = FX if model == "RADIAL" else fy
    fy = FX if model == "RADIAL_FISHEYE" else fy
    K = np.array([[FX, 0, CX], [0, fy, CY], [0, 0, 1]])
    if "FISHEYE" in model:
        expected, _ = cv2.fisheye.projectPoints(points[:, None], np.zeros(3), np.zeros(3), K, np.array(k, dtype=float))
    else:
        expected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, np.array(k, dtype=float))
    np.testing.assert_allclose(project(camera, points), expected.reshape(-1, 2), atol=1e-9)


def test_the_order_of_the_rad_tan_thin_prism_fisheye_is_aria_s() -> None:
    # Golden pixels of pycolmap 4.2.1, `Camera.img_from_cam`, less the half pixel of its origin.
    params = (100.0, 102.0, 61.5, 50.5, 0.1, -0.05, 0.02, 0.003, -0.001, 5e-4, 2e-3, -3e-3, 1e-3, -2e-3, 3e-3, 4e-3)
    camera = colmap_camera("cameras.txt", "RAD_TAN_THIN_PRISM_FISHEYE", WIDTH_PX, HEIGHT_PX, params)
    assert camera.distortion is Distortion.FISHEYE624
    np.testing.assert_allclose(project(camera, [[0.3, 0.2, 1.0], [-0.25, 0.35, 1.1]]), RAD_TAN_GOLDEN, atol=1e-9)


RAD_TAN_GOLDEN = ((90.15173770866954, 69.80635728138142), (39.152281053762565, 81.26210454043735))


@pytest.mark.parametrize("model", ["FOV", "THIN_PRISM_FISHEYE", "DIVISION", "EUCM", "EQUIRECTANGULAR"])
def test_a_lens_that_cannot_be_rectified_is_one_line(model: str) -> None:
    params = (FX,) * dict(COLMAP_CAMERAS)[model]
    with pytest.raises(InputError, match=rf"camera 1: found camera model {model}, .*image_undistorter"):
        colmap_camera("camera 1", model, WIDTH_PX, HEIGHT_PX, params)


def test_a_smaller_camera_is_scaled_about_the_pictures_corner(tmp_path: Path) -> None:
    half = ("PINHOLE", WIDTH_PX // 2, HEIGHT_PX // 2, (FX / 2, FY / 2, (CX + 0.5) / 2, (CY + 0.5) / 2))
    folder = scene(tmp_path)
    write_text_model(folder / "sparse" / "0", names_from_1(), half)
    recording = open_only(folder)
    camera = recording.camera
    np.testing.assert_allclose([camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px], [FX, FY, CX, CY])
    assert any("64 x 48 px is scaled to the pictures of 128 x 96 px" in note for note in recording.notes)
    write_text_model(folder / "sparse" / "0", names_from_1(), ("PINHOLE", 100, 96, (FX, FY, 50.0, 48.0)))
    with pytest.raises(InputError, match="found a camera of 100 x 96 px, expected the size of the pictures, 128 x 96"):
        open_only(folder)


@pytest.mark.parametrize("axes", ["upright", "sensor"])
def test_turned_pictures(tmp_path: Path, axes: str) -> None:
    # A picture that lies on its side, turned clockwise to come upright: the size shows whose axes the camera is in.
    sideways = ("PINHOLE", HEIGHT_PX, WIDTH_PX, (FY, FX, HEIGHT_PX - (CY + 0.5), CX + 0.5))
    folder = scene(tmp_path, rig=RIG + FIRST_1 + "[camera]\nturn_deg = 90\n")
    if axes == "upright":
        write_text_model(folder / "sparse" / "0", names_from_1(), sideways)
    recording = open_only(folder)
    label = np.linalg.inv(recording.trajectory.T_world_camera[0]) @ recording.trajectory.T_world_camera[20]
    rotation, translation = true_label(0, 20)
    # The upright camera's x is the sensor's -y, its y the sensor's x.
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]) if axes == "sensor" else np.eye(3)
    np.testing.assert_allclose(label[:3, :3], turn @ rotation @ turn.T, atol=2e-6)
    np.testing.assert_allclose(label[:3, 3], turn @ translation / UNIT, atol=2e-5)


# --- what is found --------------------------------------------------------------------------------------------------


def test_scenes_of_a_folder_are_recordings_of_their_own(tmp_path: Path) -> None:
    scene(tmp_path / "a")
    scene(tmp_path / "b" / "c", binary=True)
    assert detect_layout(tmp_path) is Layout.COLMAP
    refs = find_recordings(tmp_path, SourceOptions())
    assert [ref.recording_id for ref in refs] == ["a", "b/c"]


def test_two_layouts_in_one_folder_need_a_choice(tmp_path: Path) -> None:
    scene(tmp_path / "a")
    (tmp_path / "take.vrs").touch()
    with pytest.raises(InputError, match=r"files of 2 layouts: aria \(take.vrs\), colmap .*--layout aria or colmap"):
        find_recordings(tmp_path, SourceOptions())
    (ref,) = find_recordings(tmp_path, SourceOptions(layout=Layout.COLMAP))
    assert ref.recording_id == "a"


def test_several_models_or_videos_are_refused_until_one_is_chosen(tmp_path: Path) -> None:
    folder = scene(tmp_path)
    write_text_model(folder / "sparse" / "1", dict(list(names_from_1().items())[:5]))
    with pytest.raises(InputError, match=r"found 2 sparse models \(sparse/0, sparse/1\)"):
        open_only(folder)
    rig = RIG + FIRST_1 + 'poses = "sparse/1"\n'
    (folder / "rig.toml").write_text(rig)
    assert len(open_only(folder).trajectory.time_ns) == 5
    write_clip(folder / "other.mp4")
    with pytest.raises(InputError, match=r"found 2 video files \(clip.mp4, other.mp4\), .*pictures.video in rig.toml"):
        open_only(folder)
    (folder / "rig.toml").write_text(rig + 'video = "clip.mp4"\n')
    check_poses(open_only(folder), unit=1 / UNIT)


def test_pictures_of_one_camera_of_several(tmp_path: Path) -> None:
    frames = {f"left/{name}": frame for name, frame in names_from_1().items()}
    wrong = {f"right/{name}": 0 for name in names_from_1()}
    with pytest.raises(InputError, match=r"two pictures of number 1, 'left/frame_00001.png' and 'right/"):
        open_only(scene(tmp_path, frames={**frames, **wrong}))
    rig = RIG + FIRST_1 + 'prefix = "left/"\n'
    check_poses(open_only(scene(tmp_path, frames={**frames, **wrong}, rig=rig)), unit=1 / UNIT)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("images.txt", "1 1 0 0 0 0 0", r"images.txt: line 1: found '1 1 0 0 0 0 0', expected IMAGE_ID"),
        ("images.txt", "1 2 0 0 0 0 0 0 7 a1.png\n", r"line 1: found a quaternion of length 2, expected length 1, w f"),
        ("images.txt", "1 1 0 0 0 nan 0 0 7 a1.png\n", r"line 1: found a pose that is not finite"),
        ("images.txt", "1 1 0 0 0 0 0 0 8 a1.png\n", r"found a1.png of camera 8, expected a camera of cameras.txt"),
        ("images.txt", "1 1 0 0 0 0 0 0 7 a1.png\n\n2 1 0 0 0 0 0 0 7 a1.png\n", r"found a1.png twice"),
        ("images.txt", "1 1 0 0 0 0 0 0 7 a1.png\n1.0 2.0\n", r"line 2: found '1.0 2.0', expected points"),
        ("images.txt", "# nothing\n", r"images.txt: found no images"),
        ("cameras.txt", "7 PINHOLE 128", r"cameras.txt: line 1: found '7 PINHOLE 128', expected CAMERA_ID"),
        ("cameras.txt", "7 PINHOLE 128 96 1 1 1", r"camera 7: found 3 parameters, expected 4 of PINHOLE"),
        ("cameras.txt", "7 PINHOLE 128 96 0 1 1 1", r"camera 7: found fx 0, .* expected focal lengths above 0"),
        ("cameras.txt", "7 LENS 128 96 1 1 1", r"camera 7: found camera model 'LENS'"),
        ("cameras.txt", "7 PINHOLE 128 96 1 1 1 1\n" * 2, r"cameras.txt: found camera 7 twice"),
    ],
)
def test_damaged_text_models_are_one_line(tmp_path: Path, file: str, text: str, message: str) -> None:
    folder = scene(tmp_path)
    (folder / "sparse" / "0" / file).write_text(text)
    with pytest.raises(AvbenchError, match=message) as error:
        open_only(folder)
    assert "\n" not in str(error.value)


def test_a_binary_model_cut_off_anywhere_is_one_line(tmp_path: Path) -> None:
    folder = scene(tmp_path, binary=True)
    for name in ("cameras.bin", "images.bin"):
        path = folder / "sparse" / "0" / name
        whole = path.read_bytes()
        for length in range(0, len(whole) - 1, max(1, len(whole) // 60)):
            path.write_bytes(whole[:length])
            with pytest.raises(InputError, match=rf"{name}: found a file of {length} bytes that ends within an entry"):
                open_only(folder)
        path.write_bytes(whole + b"\0")
        with pytest.raises(InputError, match=r"found 1 bytes behind the last entry"):
            open_only(folder)
        path.write_bytes(whole)
    check_poses(open_only(folder), unit=1 / UNIT)


def test_a_missing_half_of_a_model_is_named_and_other_recordings_come_out(tmp_path: Path) -> None:
    scene(tmp_path / "good")
    scene(tmp_path / "bad")
    (tmp_path / "bad" / "sparse" / "0" / "images.txt").rename(tmp_path / "bad" / "sparse" / "0" / "images.bin")
    options = PrepareOptions(audio="optional", jobs=1)
    result = prepare_with(tmp_path, tmp_path.parent / "out", options)
    assert [refusal.reason for refusal in result.refused] == [
        "bad/sparse/0: found cameras.txt, images.bin alone, expected cameras and images, both .bin or both .txt"
    ]
    assert result.manifest is not None


def test_frames_beyond_the_video(tmp_path: Path) -> None:
    frames = {f"{k:03d}.png": min(k, FRAMES - 1) for k in range(FRAMES + 3)}
    with pytest.raises(InputError, match=r"3 pictures beyond the video, such as 000.png: frame -1, expected frames 0"):
        open_only(scene(tmp_path, frames={**frames, "000.png": 0}))
