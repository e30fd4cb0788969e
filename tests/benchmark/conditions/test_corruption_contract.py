"""What every registered corruption must do, whatever it shows."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avbench.benchmark.conditions.corruptions import (
    RECIPES,
    SEVERITIES,
    Corruption,
    Frame,
    Frames,
    corrupt,
    corrupt_pair,
)
from avbench.benchmark.conditions.corruptions.golden import synthetic_picture
from avbench.benchmark.conditions.corruptions.paper import draw_paper
from avbench.benchmark.conditions.corruptions.randomness import Stream
from avbench.benchmark.conditions.corruptions.recipes import frames_hit
from avbench.preprocessing.base.errors import InputError

PAIRS = [f"recording/{number}" for number in range(8)]
UNRANDOM = {"defocus", "over_exposure", "blackout", "compression", "pixelate"}

every_corruption = pytest.mark.parametrize("corruption", list(Corruption))


def changed_ids() -> list[str]:
    """Eight pairs whose frame a the paper's recipe does change; it leaves 39 % of all frames alone."""
    ids = (f"pair {number}" for number in range(1000))

    def hit(pair_id: str) -> bool:
        draw = draw_paper(Stream.named("frame", "paper", "version 1", pair_id, "a"))
        return draw.jitter or draw.blur or draw.noise

    return [pair_id for pair_id in ids if hit(pair_id)][:8]


def test_the_registry_knows_every_corruption_and_each_has_a_summary_of_one_line():
    assert set(RECIPES) == set(Corruption)
    assert all(recipe.version >= 1 for recipe in RECIPES.values())
    assert all(recipe.summary and "\n" not in recipe.summary for recipe in RECIPES.values())


def test_no_label_can_reach_a_corruption():
    assert list(inspect.signature(corrupt).parameters) == ["image", "pair_id", "corruption", "severity", "frame"]


@every_corruption
def test_repeats_itself_keeps_the_input_and_returns_a_new_contiguous_picture(corruption):
    image = synthetic_picture(61, 90)
    before = image.copy()
    image.setflags(write=False)
    for severity in SEVERITIES:
        first, second = (corrupt(image, "pair", corruption, severity, "a") for _ in range(2))
        assert first.dtype == np.uint8
        assert first.shape == image.shape
        assert first.flags.c_contiguous
        assert first.flags.writeable
        assert not np.shares_memory(first, image)
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(image, before)


@every_corruption
def test_memory_layout_does_not_matter(corruption):
    image = synthetic_picture(40, 70)
    expected = corrupt(image, "pair", corruption, 3, "a")
    wide = np.zeros((80, 210, 4), np.uint8)
    wide[::2, ::3, :3] = image
    for layout in (
        np.asfortranarray(image),
        wide[::2, ::3, :3],
        image[::-1, ::-1][::-1, ::-1],
        image[..., ::-1][..., ::-1],
    ):
        np.testing.assert_array_equal(corrupt(layout, "pair", corruption, 3, "a"), expected)


@every_corruption
def test_differs_between_pairs_and_frames_exactly_where_it_is_random(corruption):
    image = synthetic_picture(64, 96)
    ids = changed_ids()
    pictures = {(pair, frame): corrupt(image, pair, corruption, 3, frame).tobytes() for pair in ids for frame in "ab"}
    if corruption in UNRANDOM:
        assert len(set(pictures.values())) == 1
        return
    assert len({pictures[pair, "a"] for pair in ids}) == len(ids)
    same = [pictures[pair, "a"] == pictures[pair, "b"] for pair in ids]
    assert all(same) if RECIPES[corruption].alike else not any(same)


@every_corruption
def test_damage_grows_with_severity(corruption):
    totals = np.zeros(len(SEVERITIES))
    for pair in changed_ids():
        image = synthetic_picture(224, 320, seed=pair)
        for index, severity in enumerate(SEVERITIES):
            totals[index] += np.abs(corrupt(image, pair, corruption, severity, "a").astype(int) - image).mean() / 8
    assert totals[0] > 0.5
    assert (np.diff(totals) > 0.2).all(), totals


@every_corruption
def test_damage_grows_with_severity_on_a_real_picture(corruption, shared_data):
    cv2 = pytest.importorskip("cv2")
    image = cv2.imread(str(shared_data / "hololens" / "00030.png"))[..., ::-1]
    pair = changed_ids()[0]
    damage = [
        np.abs(corrupt(image, pair, corruption, severity, "a").astype(int) - image).mean() for severity in SEVERITIES
    ]
    assert (np.diff(damage) > 0).all(), damage


@every_corruption
@pytest.mark.parametrize("shape", [(16, 16), (1, 1), (1, 37), (37, 1), (17, 23), (3, 301), (301, 3), (2, 2)])
def test_tiny_and_odd_pictures(corruption, shape):
    image = synthetic_picture(*shape)
    for severity in SEVERITIES:
        for frame in Frame:
            assert corrupt(image, "pair", corruption, severity, frame).shape == image.shape


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    corruption=st.sampled_from(list(Corruption)),
    severity=st.sampled_from(SEVERITIES),
    pair=st.text(max_size=20),
    grey=st.integers(0, 255),
)
def test_any_size_name_and_grey(height, width, corruption, severity, pair, grey):
    image = np.full((height, width, 3), grey, np.uint8)
    once = corrupt(image, pair, corruption, severity, "b")
    assert once.shape == image.shape
    np.testing.assert_array_equal(once, corrupt(image, pair, corruption, severity, "b"))


@pytest.mark.parametrize("corruption", ["motion_blur", "defocus", "pixelate", "compression"])
@pytest.mark.parametrize("grey", [0, 1, 127, 128, 254, 255])
def test_filters_leave_a_constant_grey_as_it_is(corruption, grey):
    image = np.full((90, 130, 3), grey, np.uint8)
    for severity in SEVERITIES:
        # Coded grey is rounded to a multiple of the step of the mean, at most 16 * 714 / 100 / 8 / 2 grey levels.
        tolerance = 8 if corruption == "compression" else 0
        assert np.abs(corrupt(image, "pair", corruption, severity, "a").astype(int) - grey).max() <= tolerance


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.zeros((4, 4, 3), np.float32), r"\(4, 4, 3\) float32"),
        (np.zeros((4, 4, 3), np.uint16), "uint16"),
        (np.zeros((4, 4), np.uint8), r"\(4, 4\) uint8"),
        (np.zeros((4, 4, 4), np.uint8), r"\(4, 4, 4\) uint8"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\) uint8"),
        ([[[0, 0, 0]]], "a list"),
    ],
)
def test_other_arrays_are_refused(image, found):
    with pytest.raises(InputError, match=f"picture of pair p7: found .*{found}.*expected a .height, width, 3. uint8"):
        corrupt(image, "p7", "fog", 3, "a")


@pytest.mark.parametrize("severity", [0, 6, -1, 2.0, "3", True, None])
def test_other_severities_are_refused(severity):
    with pytest.raises(InputError, match=r"severity .*expected a whole number from 1"):
        corrupt(synthetic_picture(8, 8), "pair", "fog", severity, "a")


def test_a_numpy_integer_is_a_severity():
    image = synthetic_picture(20, 20)
    np.testing.assert_array_equal(corrupt(image, "p", "fog", np.int64(2), "a"), corrupt(image, "p", "fog", 2, "a"))


def test_unknown_names_are_refused_with_the_closest():
    image = synthetic_picture(8, 8)
    with pytest.raises(InputError, match="did you mean motion_blur"):
        corrupt(image, "pair", "motion-blur", 1, "a")
    with pytest.raises(InputError, match="expected frame a or b"):
        corrupt(image, "pair", "fog", 1, "c")


def test_frames_of_a_pair():
    a, b = synthetic_picture(20, 30, seed="a"), synthetic_picture(20, 30, seed="b")
    for frames, changed in ((Frames.A, (True, False)), (Frames.B, (False, True)), (Frames.BOTH, (True, True))):
        shown = corrupt_pair(a, b, "pair", "fog", 3, frames)
        assert tuple(now is not was for now, was in zip(shown, (a, b), strict=True)) == changed
    np.testing.assert_array_equal(
        corrupt_pair(a, b, "pair", "fog", 3)[1], corrupt(b, "pair", "fog", 3, "b"), "both by default"
    )


def test_blackout_hits_one_frame_each_in_half_of_the_pairs():
    hits = [frames_hit(f"pair {number}", "blackout") for number in range(1000)]
    assert all(len(hit) == 1 for hit in hits)
    assert 450 < sum(Frame.A in hit for hit in hits) < 550
