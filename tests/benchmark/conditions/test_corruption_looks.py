"""Each corruption is what it says it is: against an independent formula, or a measured property of the result."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import simplejpeg
from scipy import fft, ndimage, signal, stats

from avbench.benchmark.conditions.corruptions import SEVERITIES, corrupt
from avbench.benchmark.conditions.corruptions.blur import camera_path
from avbench.benchmark.conditions.corruptions.fixed_point import (
    SUBPIXEL,
    blend,
    blur_disc,
    blur_separable,
    pad_mirrored,
)
from avbench.benchmark.conditions.corruptions.golden import synthetic_picture
from avbench.benchmark.conditions.corruptions.integer_tables import gaussian_kernel
from avbench.benchmark.conditions.corruptions.paper import draw_paper
from avbench.benchmark.conditions.corruptions.randomness import Stream

PICTURE = synthetic_picture(192, 256)


def grey(level: int, height: int = 256, width: int = 256) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize("margins", [(0, 0, 0, 0), (3, 1, 2, 5), (200, 3, 7, 500)])
def test_mirrored_border_is_numpys(margins):
    top, bottom, left, right = margins
    image = synthetic_picture(9, 13)
    expected = np.pad(image, ((top, bottom), (left, right), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(pad_mirrored(image, *margins), expected)


@pytest.mark.parametrize(("sigma", "reach"), [(500, (2, 4)), (1000, (2, 4)), (4000, (2, 4))])
def test_separable_blur_is_scipys_to_rounding(sigma, reach):
    across, down = gaussian_kernel(sigma, reach[0]), gaussian_kernel(sigma, reach[1])
    expected = PICTURE.astype(float)
    for axis, half in ((1, across), (0, down)):
        taps = np.array([*half[:0:-1], *half]) / 256
        expected = ndimage.correlate1d(expected, taps, axis=axis, mode="mirror")
    assert np.abs(blur_separable(PICTURE, across, down) - expected).max() <= 1.01


@pytest.mark.parametrize("radius_px", [1, 2, 3.5, 5, 9, 13, 22, 40])
def test_disc_blur_is_near_a_direct_sum_over_the_disc(radius_px):
    reach = int(radius_px) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x**2 + y**2 <= (radius_px + 0.25) ** 2).astype(float)
    mirrored = np.pad(PICTURE.astype(float), ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    expected = signal.fftconvolve(mirrored, disc[..., None] / disc.sum(), mode="valid", axes=(0, 1))
    difference = np.abs(blur_disc(PICTURE, int(radius_px * SUBPIXEL)) - expected)
    # Below 6 px the sum is the disc's own; above, it is softened at its edge.
    assert difference.max() <= (0.51 if radius_px < 6 else 12)
    assert difference.mean() <= (0.3 if radius_px < 6 else 1.8)


@pytest.mark.parametrize("radius_px", [3, 7, 14, 30])
def test_disc_blur_does_not_shift_the_picture(radius_px):
    shifts = []
    for start in range(120, 128):  # every place in the blocks of up to 8 px that wide discs are summed over
        block = np.zeros((257, 257, 3), np.uint8)
        block[start : start + 12, start : start + 12] = 255
        blurred = blur_disc(block, radius_px * SUBPIXEL)[..., 0].astype(float)
        shifts.append(np.array(ndimage.center_of_mass(blurred)) - (start + 5.5))
        assert blurred.sum() == pytest.approx(255 * 144, rel=0.02)
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.05
    assert np.abs(shifts).max() < 0.03 * radius_px


@pytest.mark.parametrize("severity", SEVERITIES)
def test_motion_blur_is_the_mean_along_its_path(severity):
    size = 256
    length_px = size * (2, 4, 7, 11, 16)[severity - 1] / 64
    for number in range(6):
        # A single lit block on black becomes the path itself.
        point = np.zeros((size, size, 3), np.uint8)
        point[124:132, 124:132] = 255
        streak = corrupt(point, f"pair {number}", "motion_blur", severity, "a")[..., 0].astype(float)
        # What was lit is spread, not lost: up to half a grey level of rounding in each pixel that is lit at all.
        assert abs(streak.sum() - 255 * 64) <= 0.5 * (streak > 0).sum() + 64
        path = np.array(
            camera_path(
                Stream.named("frame", "motion_blur", "version 1", f"pair {number}", "a"), int(length_px * 256), 8
            )
        )
        assert np.linalg.norm(np.diff(path, axis=0), axis=1).sum() / 256 == pytest.approx(length_px, rel=0.01)
        # Everything lit lies within the block's reach of the path, and the path is lit all along.
        # A pixel takes from along the path, so a lit one gives the other way.
        fine = 127.5 - np.concatenate([np.linspace(p, q, 40) for p, q in pairwise(path)]) / 256
        lit = np.argwhere(streak > 0)[:, ::-1]
        distance = np.abs(lit[:, None, :] - fine[None]).max(axis=2).min(axis=1)
        assert distance.max() <= 4 + 2
        assert all(streak[round(y), round(x)] > 0 for x, y in fine)


def test_severity_five_blurs_over_a_quarter_of_the_width():
    corners = camera_path(Stream.named("any"), 512 * SUBPIXEL // 4, 8)
    length = np.linalg.norm(np.diff(np.array(corners), axis=0), axis=1).sum() / SUBPIXEL
    assert length == pytest.approx(128, abs=0.5)
    assert corners[4] == (0, 0)


def test_paths_point_everywhere_and_most_are_curved():
    ends = np.array([camera_path(Stream.named(str(number)), 128 * 256, 8)[-1] for number in range(400)])
    assert np.bincount((np.arctan2(ends[:, 1], ends[:, 0]) // (np.pi / 4) + 4).astype(int), minlength=8).min() > 25
    starts = np.array([camera_path(Stream.named(str(number)), 128 * 256, 8)[0] for number in range(400)])
    chord = np.linalg.norm(ends - starts, axis=1) / (128 * 256)
    assert chord.min() > 0.5
    assert np.median(chord) < 0.96


@pytest.mark.parametrize(("severity", "sigma"), list(zip(SEVERITIES, (0.08, 0.12, 0.18, 0.26, 0.38), strict=True)))
def test_gaussian_noise_has_its_sigma(severity, sigma):
    noise = corrupt(grey(128), "pair", "gaussian_noise", severity, "a").astype(float) - 128
    inside = np.abs(noise) < 120
    # The draws beyond black and white are cut; the rest is compared with the same cut of a normal distribution.
    reference = np.random.default_rng(0).normal(0, 255 * sigma, noise.size)
    assert noise[inside].std() == pytest.approx(reference[np.abs(reference) < 119.5].std(), rel=0.02)
    assert abs(noise[inside].mean()) < 255 * sigma * 0.02
    neighbours = np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]
    channels = np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]
    assert abs(neighbours) < 0.01
    assert abs(channels) < 0.015


@pytest.mark.parametrize(("severity", "photons"), list(zip(SEVERITIES, (60, 25, 12, 5, 3), strict=True)))
def test_shot_noise_has_the_mean_and_variance_of_its_photons(severity, photons):
    for level in (20, 60, 200):
        drawn = corrupt(grey(level, 300, 400), "pair", "shot_noise", severity, "a").astype(float)
        counts = np.arange(400)
        likely = stats.poisson.pmf(counts, level * photons / 255)
        shown = np.minimum(counts * 255 / photons, 255)
        mean = (likely * shown).sum()
        assert drawn.mean() == pytest.approx(mean, rel=0.01, abs=0.3)
        assert drawn.std() == pytest.approx(np.sqrt((likely * (shown - mean) ** 2).sum()), rel=0.02)


@pytest.mark.parametrize(("severity", "gain"), list(zip(SEVERITIES, (0.4, 0.2, 0.1, 0.05, 0.025), strict=True)))
def test_low_light_has_its_gain_and_the_sensors_noise(severity, gain):
    dark = corrupt(grey(240, 400, 400), "pair", "low_light", severity, "a").astype(float)
    assert dark.mean() == pytest.approx(240 * gain, rel=0.01)
    electrons = 240 / 255 * gain * 2000
    # Storing whole grey levels adds a twelfth of a squared grey level.
    assert dark.var() == pytest.approx((electrons + 36) * (255 / 2000) ** 2 + 1 / 12, rel=0.03)
    assert corrupt(grey(0), "pair", "low_light", severity, "a").max() <= 4


@pytest.mark.parametrize(("severity", "gain"), list(zip(SEVERITIES, (1.5, 2, 3, 4.5, 7), strict=True)))
def test_over_exposure_multiplies_adds_flare_and_cuts(severity, gain):
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    exposed = corrupt(ramp, "pair", "over_exposure", severity, "a")[0, :, 0].astype(int)
    flare = exposed[0]
    np.testing.assert_array_equal(exposed, np.minimum(255, np.floor(gain * np.arange(256) + flare + 0.5)))
    assert exposed[-1] == 255


@pytest.mark.parametrize("kind", ["occlusion_hand", "occlusion_patch"])
@pytest.mark.parametrize(("severity", "percent"), list(zip(SEVERITIES, (10, 20, 32, 46, 60), strict=True)))
def test_occlusion_covers_exactly_its_share_and_leaves_the_rest(kind, severity, percent):
    # No occluder can have both colours, so a pixel that differs from one of them in either picture is covered.
    covered = np.zeros((150, 201), bool)
    for level in (0, 255):
        image = grey(level, 150, 201)
        covered |= (corrupt(image, "pair 3", kind, severity, "a") != image).any(axis=2)
    assert covered.sum() == 150 * 201 * percent // 100


@pytest.mark.parametrize(("severity", "percent"), list(zip(SEVERITIES, (10, 20, 32, 46, 60), strict=True)))
def test_dirt_covers_its_share_by_more_than_half(severity, percent):
    # White minus black is what shines through.
    white, black = (corrupt(grey(v, 240, 320), "pair", "occlusion_dirt", severity, "a").astype(int) for v in (255, 0))
    through = (white - black)[..., 0] / 255
    assert (through < 0.502).mean() == pytest.approx(percent / 100, abs=0.004)
    assert (through < 0.01).any()
    assert (through > 0.99).any()
    assert ((through > 0.1) & (through < 0.9)).any(), "its border is soft"


def test_dirt_stays_on_the_lens_and_a_hand_does_not():
    assert (corrupt(PICTURE, "p", "occlusion_dirt", 3, "a") == corrupt(PICTURE, "p", "occlusion_dirt", 3, "b")).all()
    assert (corrupt(PICTURE, "p", "occlusion_hand", 3, "a") != corrupt(PICTURE, "p", "occlusion_hand", 3, "b")).any()


@pytest.mark.parametrize("number", range(20))
def test_a_hand_comes_in_from_the_border_in_one_piece(number):
    image = grey(255, 150, 201)
    covered = (corrupt(image, f"pair {number}", "occlusion_hand", 3, "a") != image).any(axis=2)
    pieces, count = ndimage.label(covered, structure=np.ones((3, 3)))
    sizes = np.bincount(pieces.ravel())[1:]
    # Fingertips may leave the picture and come back; the hand itself is one piece that touches the border.
    assert sizes.max() > 0.9 * covered.sum(), count
    main = pieces == 1 + sizes.argmax()
    assert main[0].any() or main[-1].any() or main[:, 0].any() or main[:, -1].any()


@pytest.mark.parametrize(("severity", "percent"), list(zip(SEVERITIES, (20, 40, 60, 80, 100), strict=True)))
def test_blackout_takes_rows_from_below(severity, percent):
    image = np.maximum(PICTURE, 1)
    dark = corrupt(image, "pair", "blackout", severity, "a")
    first = 192 - 192 * percent // 100
    assert not dark[first:].any()
    np.testing.assert_array_equal(dark[:first], image[:first])


def jpeg_reference(image: np.ndarray, quality: int) -> np.ndarray:
    """Floating-point JPEG with SciPy's cosine transform, chroma at half resolution and repeated."""
    luma_steps = np.array(
        [
            [16, 11, 10, 16, 24, 40, 51, 61],
            [12, 12, 14, 19, 26, 58, 60, 55],
            [14, 13, 16, 24, 40, 57, 69, 56],
            [14, 17, 22, 29, 51, 87, 80, 62],
            [18, 22, 37, 56, 68, 109, 103, 77],
            [24, 35, 55, 64, 81, 104, 113, 92],
            [49, 64, 78, 87, 103, 121, 120, 101],
            [72, 92, 95, 98, 112, 100, 103, 99],
        ],
        float,
    )
    chroma_steps = np.full((8, 8), 99.0)
    chroma_steps[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
    r, g, b = np.moveaxis(image.astype(float), -1, 0)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    planes = [luma - 128, (b - luma) / 1.772, (r - luma) / 1.402]
    coded = []
    for plane, steps in zip(planes, (luma_steps, chroma_steps, chroma_steps), strict=True):
        half = plane if not coded else plane.reshape(plane.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))
        blocks = np.round(half).reshape(half.shape[0] // 8, 8, -1, 8)
        scaled = np.clip(np.floor((steps * (5000 // quality) + 50) / 100), 1, 255)[None, :, None, :]
        coefficients = np.round(fft.dctn(blocks, axes=(1, 3), norm="ortho") / scaled) * scaled
        back = fft.idctn(coefficients, axes=(1, 3), norm="ortho").reshape(half.shape)
        back = np.round(back)
        coded.append(back if not coded else back.repeat(2, axis=0).repeat(2, axis=1))
    y, cb, cr = coded
    colours = [y + 128 + 1.402 * cr, y + 128 - 0.344136 * cb - 0.714136 * cr, y + 128 + 1.772 * cb]
    return np.clip(np.stack(colours, axis=-1), 0, 255)


@pytest.mark.parametrize(("severity", "quality"), list(zip(SEVERITIES, (25, 18, 15, 10, 7), strict=True)))
def test_compression_is_jpegs(severity, quality):
    ours = corrupt(PICTURE, "pair", "compression", severity, "a").astype(float)
    difference = np.abs(ours - jpeg_reference(PICTURE, quality))
    # Most pixels differ by the last rounding only; here and there a coefficient lies in the middle between two steps
    # and falls to the other side.
    assert np.median(difference) < 0.35
    encoded = simplejpeg.encode_jpeg(PICTURE, quality=quality, colorsubsampling="420")
    library = simplejpeg.decode_jpeg(encoded, fastupsample=True).astype(float)
    loss = np.abs(library - PICTURE).mean()
    assert difference.mean() < 0.06 * loss
    assert np.abs(ours - library).mean() < 0.08 * loss
    assert np.abs(ours - PICTURE).mean() == pytest.approx(loss, rel=0.03)


@pytest.mark.parametrize(("severity", "cells"), list(zip(SEVERITIES, (134, 112, 90, 67, 56), strict=True)))
def test_pixelate_shows_the_mean_of_every_cell(severity, cells):
    image = synthetic_picture(203, 301)
    pixelated = corrupt(image, "pair", "pixelate", severity, "a")
    columns = np.arange(cells + 1) * 301 // cells
    down = round(203 * cells / 301)
    rows = np.arange(down + 1) * 203 // down
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            mean = image[top:bottom, left:right].reshape(-1, 3).mean(axis=0)
            cell = pixelated[top:bottom, left:right].reshape(-1, 3)
            assert (cell == cell[0]).all()
            np.testing.assert_allclose(cell[0], mean, atol=0.5001)


@pytest.mark.parametrize(("severity", "share"), list(zip(SEVERITIES, (0.35, 0.49, 0.63, 0.74, 0.84), strict=True)))
def test_fog_scatters_its_share_of_the_light(severity, share):
    shares = []
    for number in range(6):
        white, black = (
            corrupt(grey(v, 240, 320), f"pair {number}", "fog", severity, "a").astype(int) for v in (255, 0)
        )
        shares.append(1 - (white - black) / 255)
    assert np.mean(shares) == pytest.approx(share, abs=0.04)
    assert np.std(shares) > 0.02, "it is not the same everywhere"


def test_blend_is_the_weighted_mean_to_the_nearest_level():
    cover = (np.arange(192 * 256) % 257).reshape(192, 256).astype(np.uint16)
    mixed = blend(PICTURE, (10, 200, 255), cover)
    weight = cover[..., None] / 256
    expected = PICTURE * (1 - weight) + np.array([10, 200, 255]) * weight
    np.testing.assert_allclose(mixed, expected, atol=0.5001)


def test_paper_draws_its_parts_with_their_probabilities_independently_in_both_frames():
    draws = [
        [draw_paper(Stream.named("frame", "paper", "version 1", f"pair {n}", frame)) for n in range(4000)]
        for frame in "ab"
    ]
    for frame in draws:
        assert np.mean([draw.jitter for draw in frame]) == pytest.approx(0.3, abs=0.025)
        assert np.mean([draw.blur for draw in frame]) == pytest.approx(0.3, abs=0.025)
        assert np.mean([draw.noise for draw in frame]) == pytest.approx(0.2, abs=0.025)
    both = np.mean([a.blur and b.blur for a, b in zip(*draws, strict=True)])
    assert both == pytest.approx(0.09, abs=0.02)


def pair_with(**parts: bool) -> str:
    for number in range(10_000):
        draw = draw_paper(Stream.named("frame", "paper", "version 1", f"pair {number}", "a"))
        if vars(draw) == parts:
            return f"pair {number}"
    raise AssertionError(parts)


def test_paper_leaves_a_frame_that_nothing_was_drawn_for():
    pair = pair_with(jitter=False, blur=False, noise=False)
    np.testing.assert_array_equal(corrupt(PICTURE, pair, "paper", 5, "a"), PICTURE)


def test_paper_blurs_with_the_published_kernel_at_severity_three():
    blurred = corrupt(PICTURE, pair_with(jitter=False, blur=True, noise=False), "paper", 3, "a")
    taps = {reach: np.exp(-0.5 * np.arange(-reach, reach + 1.0) ** 2) for reach in (2, 4)}
    expected = PICTURE.astype(float)
    for axis, reach in ((1, 2), (0, 4)):
        expected = ndimage.correlate1d(expected, taps[reach] / taps[reach].sum(), axis=axis, mode="mirror")
    assert np.abs(blurred - expected).max() <= 2


def test_paper_adds_the_published_noise_at_severity_three():
    noise = corrupt(grey(128), pair_with(jitter=False, blur=False, noise=True), "paper", 3, "a").astype(float) - 128
    inside = noise[np.abs(noise) < 120]
    reference = np.random.default_rng(0).normal(0, 51, 200_000)
    assert inside.std() == pytest.approx(reference[np.abs(reference) < 119.5].std(), rel=0.02)


def test_paper_jitter_keeps_grey_grey_and_turns_colours():
    pair = pair_with(jitter=True, blur=False, noise=False)
    greys = corrupt(grey(90), pair, "paper", 3, "a").astype(int)
    assert np.ptp(greys) <= 2
    assert not (greys == 90).all()
    jittered = corrupt(PICTURE, pair, "paper", 3, "a").astype(float)
    # Where nothing was cut, one affine map of the colours explains every pixel.
    inside = ((jittered > 0) & (jittered < 255)).all(axis=2)
    colours = np.column_stack([PICTURE[inside].astype(float), np.ones(inside.sum())])
    fitted, *_ = np.linalg.lstsq(colours, jittered[inside], rcond=None)
    assert np.abs(colours @ fitted - jittered[inside]).max() < 1.0
    rows = fitted[:3].sum(axis=0)
    np.testing.assert_allclose(rows, rows[0], atol=0.01)
    assert 0.25 < rows[0] < 2.25
