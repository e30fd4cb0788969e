"""Lens models against OpenCV and projectaria-tools, and rectified pictures against points projected by both cameras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avbench.preprocessing.media.rectify import MAX_FIELD_OF_VIEW_DEG, Rectification, plan_rectification, project
from avbench.preprocessing.recording.recording import Camera, Distortion

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "aria_golden.json").read_text(encoding="utf-8"))
Array: TypeAlias = NDArray[np.float64]

PLAIN = Camera(640, 480, 500.0, 510.0, 330.0, 229.0)
BARREL = Camera(640, 480, 420.0, 425.0, 331.0, 236.0, Distortion.BROWN_CONRADY, (-0.28, 0.07, 2e-3, -1e-3))
PINCUSHION = Camera(640, 480, 600.0, 600.0, 310.0, 247.0, Distortion.BROWN_CONRADY, (0.15, 0.05, 0.0, 0.0, 0.01))
RATIONAL = Camera(
    640, 480, 450.0, 450.0, 320.0, 240.0, Distortion.BROWN_CONRADY, (0.9, 0.3, 1e-3, 2e-3, 0.02, 1.2, 0.5, 0.06)
)
FISHEYE = Camera(640, 480, 300.0, 302.0, 322.0, 238.0, Distortion.KANNALA_BRANDT, (-0.02, 0.01, -0.004, 0.0005))
WIDE_FISHEYE = Camera(640, 480, 180.0, 180.0, 319.5, 239.5, Distortion.KANNALA_BRANDT, (0.0, 0.0, 0.0, 0.0))
ARIA_PRISM = (0.4060357, -0.4899485, 0.1745653, 1.1329837, -1.7016352, 0.6511555)
ARIA = Camera(
    704, 704, 305.5, 305.5, 357.3, 358.1, Distortion.FISHEYE624,
    (*ARIA_PRISM, 6.2e-3, 1.9e-3, -1.5e-3, 2.6e-3, -6.6e-3, 3.8e-3),
)  # fmt: skip
LENSES = {
    "plain": PLAIN,
    "barrel": BARREL,
    "pincushion": PINCUSHION,
    "rational": RATIONAL,
    "fisheye": FISHEYE,
    "wide fisheye": WIDE_FISHEYE,
    "aria": ARIA,
}
every_lens = pytest.mark.parametrize("camera", LENSES.values(), ids=LENSES.keys())


def turned(camera: Camera, quarter_turns_cw: int) -> Camera:
    values = {**camera.__dict__, "quarter_turns_cw": quarter_turns_cw}
    return Camera(**values)


def pixels_of(camera: Camera, points: Array) -> Array:
    """The lens by other hands: OpenCV, and for Aria's lens the formulas of its documentation in polar form."""
    k, shape = np.array(camera.coefficients), (*points.shape[:-1], 2)
    listed, zero = points.reshape(-1, 1, 3), np.zeros(3)
    if camera.distortion is Distortion.KANNALA_BRANDT:
        return cv2.fisheye.projectPoints(listed, zero, zero, camera.matrix, k)[0].reshape(shape)
    if camera.distortion is not Distortion.FISHEYE624:
        return cv2.projectPoints(listed, zero, zero, camera.matrix, k if k.size else None)[0].reshape(shape)
    x, y, z = np.moveaxis(points, -1, 0)
    theta, phi = np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)
    r = theta + sum(k[i] * theta ** (2 * i + 3) for i in range(6))
    u, v = r * np.cos(phi), r * np.sin(phi)
    tx, ty = k[6] * (2 * u**2 + r**2) + 2 * k[7] * u * v, k[7] * (2 * v**2 + r**2) + 2 * k[6] * u * v
    distorted = np.stack([u + tx + k[8] * r**2 + k[9] * r**4, v + ty + k[10] * r**2 + k[11] * r**4], axis=-1)
    return distorted * camera.fx_px + [camera.cx_px, camera.cy_px]


# --- projection ----------------------------------------------------------------------------------------------------


@every_lens
def test_projection_agrees_with_other_implementations(camera: Camera) -> None:
    rng = np.random.default_rng(3)
    points = np.concatenate([rng.uniform(-0.6, 0.6, (200, 2)), np.ones((200, 1))], axis=-1) * rng.uniform(
        0.1, 9, (200, 1)
    )
    np.testing.assert_allclose(project(camera, points), pixels_of(camera, points), atol=1e-9)


@pytest.mark.parametrize("device", ["gen1", "gen2"])
def test_arias_lens_agrees_with_arias_own_software(device: str) -> None:
    golden = GOLDEN[device]
    focal, cx, cy, *coefficients = golden["parameters"]
    camera = Camera(*golden["size_px"], focal, focal, cx, cy, Distortion.FISHEYE624, tuple(coefficients))
    np.testing.assert_allclose(project(camera, golden["points"]), golden["pixels"], atol=1e-9)


@every_lens
def test_the_axis_is_the_principal_point(camera: Camera) -> None:
    np.testing.assert_allclose(project(camera, [0.0, 0.0, 3.0]), [camera.cx_px, camera.cy_px])


def test_a_fisheye_by_hand() -> None:
    # Equidistant: 60 degrees from the axis to the right and below, at 45 degrees in the picture.
    direction = [np.sqrt(0.375), np.sqrt(0.375), 0.5]
    expected = 180.0 * np.radians(60.0) * np.sqrt(0.5)
    np.testing.assert_allclose(project(WIDE_FISHEYE, direction), [319.5 + expected, 239.5 + expected])
    # It looks behind itself too.
    np.testing.assert_allclose(project(WIDE_FISHEYE, [1.0, 0.0, -1.0]), [319.5 + 180 * np.radians(135), 239.5])


def test_what_a_lens_does_not_show_is_nan() -> None:
    nowhere = [[0.0, 0.0, 0.0], [np.nan, 0.0, 1.0], [np.inf, 0.0, 1.0]]
    for camera in LENSES.values():
        assert np.isnan(project(camera, nowhere)).all()
    for camera in (PLAIN, BARREL, PINCUSHION):
        assert np.isnan(project(camera, [[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.1, 0.0, -1.0]])).all()


def test_a_folding_lens_model_does_not_fold_points_back_into_the_picture() -> None:
    # r (1 - 0.28 r^2 + 0.07 r^4) grows until r = sqrt((0.84 - sqrt(0.84^2 - 1.4)) / 0.7): never ends for these, so
    # take a pure cubic: r (1 - 0.3 r^2) grows until r = sqrt(1 / 0.9) = 1.054.
    cubic = Camera(640, 480, 400.0, 400.0, 319.5, 239.5, Distortion.BROWN_CONRADY, (-0.3, 0.0, 0.0, 0.0))
    assert np.isfinite(project(cubic, [1.05, 0.0, 1.0])).all()
    assert np.isnan(project(cubic, [1.06, 0.0, 1.0])).all()
    assert np.isnan(project(cubic, [1.8, 0.0, 1.0])).all()


def test_batches() -> None:
    assert project(FISHEYE, np.ones((2, 5, 3))).shape == (2, 5, 2)
    assert project(FISHEYE, np.empty((0, 3))).shape == (0, 2)


# --- what the pinhole shows ----------------------------------------------------------------------------------------


def test_without_distortion_the_camera_is_only_scaled() -> None:
    camera = plan_rectification(PLAIN, 320).camera
    assert camera == Camera(320, 240, 250.0, 255.0, 330.5 / 2 - 0.5, 229.5 / 2 - 0.5)


def test_pictures_are_never_enlarged() -> None:
    assert plan_rectification(PLAIN, 5000).camera == PLAIN
    assert plan_rectification(BARREL, 5000).camera.width_px == 640


def test_odd_sizes_scale_each_side_by_what_it_really_shrinks() -> None:
    camera = plan_rectification(Camera(848, 480, 405.0, 405.0, 423.5, 239.5), 512).camera
    assert (camera.width_px, camera.height_px) == (512, 290)
    assert camera.fx_px == pytest.approx(405.0 * 512 / 848)
    assert camera.fy_px == pytest.approx(405.0 * 290 / 480)
    assert (camera.cx_px, camera.cy_px) == pytest.approx((255.5, 144.5))  # centre stays centre


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5])
def test_quarter_turns_turn_the_camera_as_they_turn_the_picture(turns: int) -> None:
    camera = plan_rectification(turned(PLAIN, turns), 640).camera
    marked = np.zeros((480, 640, 3), dtype=np.uint8)
    marked[229, 330] = 255  # the principal point
    upright = np.rot90(marked, -turns)
    assert (camera.height_px, camera.width_px) == upright.shape[:2]
    row, column = np.argwhere(upright[..., 0])[0]
    assert (camera.cx_px, camera.cy_px) == (column, row)
    assert (camera.fx_px, camera.fy_px) == ((500.0, 510.0) if turns % 2 == 0 else (510.0, 500.0))
    assert camera.quarter_turns_cw == 0
    np.testing.assert_array_equal(plan_rectification(turned(PLAIN, turns), 640).apply(marked), upright)


@every_lens
@pytest.mark.parametrize("turns", [0, 1])
def test_the_target_is_an_upright_pinhole_that_shows_nothing_invented(camera: Camera, turns: int) -> None:
    plan = plan_rectification(turned(camera, turns), 400)
    target = plan.camera
    assert (target.distortion, target.coefficients, target.quarter_turns_cw) == (Distortion.NONE, (), 0)
    assert max(target.width_px, target.height_px) == 400
    # White where the source has a picture: the rectified picture must be white to its corners.
    white = np.full((camera.height_px, camera.width_px, 3), 255, dtype=np.uint8)
    framed = cv2.copyMakeBorder(white, 50, 50, 50, 50, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    bigger = Camera(
        camera.width_px + 100, camera.height_px + 100, camera.fx_px, camera.fy_px, camera.cx_px + 50, camera.cy_px + 50,
        camera.distortion, camera.coefficients, turns,
    )  # fmt: skip
    if camera.distortion is not Distortion.NONE:
        moved = pinhole_maps(bigger, target)
        shown = cv2.remap(framed, *moved, cv2.INTER_LINEAR)
        assert shown.min() == 255


def pinhole_maps(source: Camera, target: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where `source` shows the pixels of `target`, by the other implementation of the lenses."""
    v, u = np.mgrid[: target.height_px, : target.width_px].astype(np.float64)
    upright = np.stack([(u - target.cx_px) / target.fx_px, (v - target.cy_px) / target.fy_px, np.ones_like(u)], axis=-1)
    delivered = upright
    for _ in range(source.quarter_turns_cw):
        delivered = np.stack([delivered[..., 1], -delivered[..., 0], delivered[..., 2]], axis=-1)
    pixels = pixels_of(source, delivered).astype(np.float32)
    return np.ascontiguousarray(pixels[..., 0]), np.ascontiguousarray(pixels[..., 1])


@pytest.mark.parametrize("name", ["barrel", "pincushion", "rational", "fisheye"])
def test_no_more_is_cut_than_needed(name: str) -> None:
    """Some border pixel of the target lies on the border of the source."""
    source, plan = LENSES[name], plan_rectification(LENSES[name], 400)
    u, v = pinhole_maps(source, plan.camera)
    slack = min(u.min(), v.min(), source.width_px - 1 - u.max(), source.height_px - 1 - v.max())
    assert -1e-3 <= slack < 0.01


def test_a_wide_fisheye_is_cut_at_the_widest_field_of_view() -> None:
    camera = plan_rectification(WIDE_FISHEYE, 400).camera
    view = 2 * np.degrees(np.arctan(0.5 * camera.width_px / camera.fx_px))
    assert view == pytest.approx(MAX_FIELD_OF_VIEW_DEG, abs=1e-3)
    tall = plan_rectification(turned(WIDE_FISHEYE, 1), 400).camera
    assert 2 * np.degrees(np.arctan(0.5 * tall.height_px / tall.fy_px)) == pytest.approx(
        MAX_FIELD_OF_VIEW_DEG, abs=1e-3
    )


def test_zoom_says_how_much_is_cut() -> None:
    assert plan_rectification(PLAIN, 400).zoom == 1.0
    assert plan_rectification(BARREL, 400).zoom < 1.0 < plan_rectification(PINCUSHION, 400).zoom


def test_a_lens_model_that_shows_next_to_nothing_is_refused() -> None:
    absurd = Camera(640, 480, 420.0, 425.0, 331.0, 236.0, Distortion.BROWN_CONRADY, (-300.0, 0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="check its coefficients"):
        plan_rectification(absurd, 400)


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="long_side_px must be positive"):
        plan_rectification(PLAIN, 0)
    with pytest.raises(ValueError, match="expected a frame of 640 x 480 px, got 480 x 640"):
        plan_rectification(PLAIN, 400).apply(np.zeros((640, 480, 3), dtype=np.uint8))


# --- pictures ------------------------------------------------------------------------------------------------------


def spots(camera: Camera, points: Array, sigma_px: float = 1.5) -> NDArray[np.uint8]:
    """A delivered frame of `camera` with a Gaussian spot at each point, drawn by the other implementation.

    The spots are small, since stretching moves the centre of gravity of a large one.
    """
    v, u = np.arange(camera.height_px), np.arange(camera.width_px)
    image = np.zeros((camera.height_px, camera.width_px))
    for x, y in pixels_of(camera, points):
        image += np.outer(np.exp(-((v - y) ** 2) / (2 * sigma_px**2)), np.exp(-((u - x) ** 2) / (2 * sigma_px**2)))
    return np.repeat((255 * image.clip(0, 1)).round().astype(np.uint8)[..., None], 3, axis=-1)


def spot_centres(picture: NDArray[np.uint8], near: Array, radius_px: float = 7.0) -> Array:
    """Centres of gravity of the spots near the given places."""
    v, u = np.mgrid[: picture.shape[0], : picture.shape[1]]
    found = []
    for x, y in near:
        weight = picture[..., 0] * (np.hypot(u - x, v - y) < radius_px)
        found.append([np.sum(u * weight) / weight.sum(), np.sum(v * weight) / weight.sum()])
    return np.array(found)


def to_delivered(upright: Array, quarter_turns_cw: int) -> Array:
    """Points in upright axes in the axes of the delivered frame: a turn to the right takes upright x to -y."""
    for _ in range(quarter_turns_cw):
        upright = np.stack([upright[..., 1], -upright[..., 0], upright[..., 2]], axis=-1)
    return upright


def spread_points(plan: Rectification) -> tuple[Array, Array]:
    """Places of a grid in the rectified picture, off the border, and points in space that belong there."""
    camera = plan.camera
    u, v = np.meshgrid(
        np.linspace(0.15, 0.85, 5) * camera.width_px + 0.27, np.linspace(0.15, 0.85, 4) * camera.height_px - 0.41
    )
    places = np.stack([u.ravel(), v.ravel()], axis=-1)
    rays = (places - [camera.cx_px, camera.cy_px]) / [camera.fx_px, camera.fy_px]
    points = np.concatenate([rays, np.ones((len(rays), 1))], axis=-1)
    return places, points * np.linspace(0.5, 8.0, len(points))[:, None]


@every_lens
@pytest.mark.parametrize(("long_side_px", "turns"), [(640, 0), (320, 1), (320, 2), (320, 3)])
def test_points_land_where_the_pinhole_says(camera: Camera, long_side_px: int, turns: int) -> None:
    source = turned(camera, turns)
    plan = plan_rectification(source, long_side_px)
    places, points = spread_points(plan)
    frame = spots(camera, to_delivered(points, turns))
    np.testing.assert_allclose(spot_centres(plan.apply(frame), places), places, rtol=0.0, atol=0.1)


@every_lens
@pytest.mark.parametrize("long_side_px", [320, 100])
def test_every_pixel_comes_from_where_the_lens_says(camera: Camera, long_side_px: int) -> None:
    """A frame that holds its own coordinates shows where each rectified pixel comes from, to a tenth of a pixel."""
    v, u = np.mgrid[: camera.height_px, : camera.width_px].astype(np.float32)
    frame: Any = np.stack([u, v, np.zeros_like(u)], axis=-1)
    plan = plan_rectification(camera, long_side_px)
    expected = np.stack(pinhole_maps(camera, plan.camera), axis=-1)
    found = np.asarray(plan.apply(frame), dtype=np.float64)[..., :2]
    jacobian = np.stack([np.gradient(expected, axis=1), np.gradient(expected, axis=0)], axis=-1)
    error_px = np.linalg.solve(jacobian, (found - expected)[..., None])[1:-1, 1:-1, :, 0]
    assert np.abs(error_px).max() < 0.1
    assert np.abs(error_px).mean() < 0.02


def test_a_turned_sensor_gives_the_same_upright_picture() -> None:
    rng = np.random.default_rng(8)
    frame = cv2.GaussianBlur(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8), (0, 0), 2.0)
    upright = plan_rectification(FISHEYE, 320)
    # The same lens, its sensor turned left by a quarter: the frame comes out turned left.
    on_its_side = Camera(
        480, 640, FISHEYE.fy_px, FISHEYE.fx_px, FISHEYE.cy_px, 639 - FISHEYE.cx_px,
        FISHEYE.distortion, FISHEYE.coefficients, quarter_turns_cw=1,
    )  # fmt: skip
    plan = plan_rectification(on_its_side, 320)
    assert plan.camera.matrix == pytest.approx(upright.camera.matrix, abs=1e-4)
    difference = plan.apply(np.ascontiguousarray(np.rot90(frame))).astype(int) - upright.apply(frame).astype(int)
    assert np.abs(difference).max() <= 2


def test_shrinking_without_distortion_averages_areas() -> None:
    frame = np.random.default_rng(2).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    picture = plan_rectification(PLAIN, 160).apply(frame)
    np.testing.assert_allclose(picture, frame.reshape(120, 4, 160, 4, 3).mean(axis=(1, 3)), atol=0.51)


@pytest.mark.parametrize("name", ["barrel", "fisheye", "aria", "wide fisheye"])
def test_shrinking_with_distortion_does_not_alias(name: str) -> None:
    """Stripes finer than the small picture can hold turn grey; sampling single pixels would leave strong bands."""
    camera = LENSES[name]
    frame = np.zeros((camera.height_px, camera.width_px, 3), dtype=np.uint8)
    frame[:, ::2] = 255
    plan = plan_rectification(camera, 100)
    middle = plan.apply(frame)[plan.camera.height_px // 4 : -plan.camera.height_px // 4, 25:75].astype(float)
    once = cv2.remap(frame, *pinhole_maps(camera, plan.camera), cv2.INTER_LINEAR)
    naive = once[plan.camera.height_px // 4 : -plan.camera.height_px // 4, 25:75].astype(float)
    assert middle.mean() == pytest.approx(127.5, abs=3.0)
    assert middle.std() < 20.0
    assert naive.std() > 3.0 * middle.std()


def test_a_frame_that_needs_nothing_is_unchanged() -> None:
    frame = np.random.default_rng(2).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    picture = plan_rectification(PLAIN, 640).apply(frame)
    np.testing.assert_array_equal(picture, frame)
    assert picture.flags.c_contiguous
