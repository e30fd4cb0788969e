"""Random words and integer tables against values worked out elsewhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from avbench.benchmark.conditions.corruptions.fields import cloud, lowest, subdivide
from avbench.benchmark.conditions.corruptions.integer_tables import (
    TURN,
    cosine,
    gaussian_kernel,
    normal_quantiles,
    poisson_quantiles,
    sine,
)
from avbench.benchmark.conditions.corruptions.randomness import Stream


def test_words_are_those_of_splitmix64():
    # The reference generator's first five outputs for the seed 1234567.
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert Stream(1234567).words(5).tolist() == expected
    # The scalar road gives the first word of the named child: its top bits decide.
    child = Stream(1234567).child("x")
    assert Stream(1234567).integer("x", 0, 1 << 64) == int(child.words(1)[0])


def test_a_word_depends_on_its_place_alone():
    stream = Stream.named("a")
    np.testing.assert_array_equal(stream.words(100_003)[:7], stream.words(7))
    low = stream.words(1)[0] & np.uint64(0xFFFF)
    assert stream.uniform16(9)[0] == low
    with ThreadPoolExecutor(4) as pool:
        assert len({draw.tobytes() for draw in pool.map(stream.words, [50_000] * 8)}) == 1


def test_names_are_not_run_together():
    keys = {Stream.named(*names).key for names in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("1:a",), ("a",))}
    assert len(keys) == 6


def test_uniform_words_are_uniform():
    counts = np.bincount(Stream.named("uniform").uniform16(1 << 20) >> 8, minlength=256)
    assert stats.chisquare(counts).pvalue > 1e-3
    numbers = Stream.named("uniform").integers("n", 60_000, -3, 3)
    assert set(numbers.tolist()) == {-3, -2, -1, 0, 1, 2}
    assert stats.chisquare(np.bincount(numbers + 3)).pvalue > 1e-3
    single = [Stream.named(str(number)).integer("n", 0, 6) for number in range(3000)]
    assert stats.chisquare(np.bincount(single)).pvalue > 1e-3


def test_sines():
    angles = np.arange(-TURN, 2 * TURN)
    np.testing.assert_allclose([sine(a) for a in angles], 16384 * np.sin(2 * np.pi * angles / TURN), atol=0.5001)
    np.testing.assert_allclose([cosine(a) for a in angles], 16384 * np.cos(2 * np.pi * angles / TURN), atol=0.5001)


def test_normal_quantiles_are_scipys_to_the_nearest_unit():
    table = normal_quantiles()
    np.testing.assert_allclose(table, 512 * stats.norm.ppf((np.arange(65536) + 0.5) / 65536), atol=0.5001)
    np.testing.assert_array_equal(table, -table[::-1])


@pytest.mark.parametrize("photons", [60, 25, 12, 5, 3])
def test_poisson_quantiles_are_scipys(photons):
    cumulative = stats.poisson.cdf(np.arange(200)[None, :], np.arange(256)[:, None] * photons / 255)
    wanted = (np.arange(4096) + 0.5) / 4096
    counts = np.stack([np.searchsorted(row, wanted) for row in cumulative])
    expected = np.minimum(255, np.floor(counts * 255 / photons + 0.5))
    np.testing.assert_array_equal(poisson_quantiles(photons), expected)


@pytest.mark.parametrize(("sigma", "radius"), [(500, 2), (1000, 2), (1000, 4), (4000, 4)])
def test_gaussian_kernels_sum_to_one_and_are_gaussian(sigma, radius):
    kernel = gaussian_kernel(sigma, radius)
    assert kernel[0] + 2 * sum(kernel[1:]) == 256
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) * 1000 / sigma) ** 2)
    np.testing.assert_allclose(kernel[1:], (256 * taps / taps.sum())[radius + 1 :], atol=0.5001)
    assert all(weight >= 0 for weight in kernel)


def test_tables_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        normal_quantiles()[0] = 1


def test_lowest_takes_exactly_so_many_and_the_first_of_equals():
    field = np.array([[3, 1, 1], [1, 0, 9]], np.int32)
    for count, expected in ((0, []), (1, [4]), (3, [1, 2, 4]), (4, [1, 2, 3, 4]), (6, [0, 1, 2, 3, 4, 5])):
        assert np.flatnonzero(lowest(field, count)).tolist() == expected


def test_subdivide_keeps_the_grid_and_halves_between():
    grid = np.array([[0, 4], [8, 16]], np.int32)
    np.testing.assert_array_equal(subdivide(grid), [[0, 2, 4], [4, 7, 10], [8, 12, 16]])


def test_a_cloud_is_smooth_and_of_the_stated_range():
    fields = [cloud(Stream.named(str(number)), 200, 300, octaves=5) for number in range(20)]
    assert all(field.shape == (200, 300) for field in fields)
    assert 9_000 < np.mean([np.abs(field).max() for field in fields]) < 17_000
    assert abs(np.mean(fields)) < 1_500
    assert max(np.abs(np.diff(field, axis=1)).max() for field in fields) < 1_500
