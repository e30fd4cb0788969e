"""Run A against run B: differences, ties, the family, robustness, against numbers worked out by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avbench.benchmark.conditions.corruptions import SEVERITIES, Condition, Corruption, Frames
from avbench.benchmark.scoring.bootstrap import Clusters, IntervalNote, draw_clusters
from avbench.benchmark.scoring.comparison import (
    Comparison,
    compare_runs,
    corruption_of,
    run_robustness,
    shared_conditions,
)
from avbench.benchmark.scoring.errors import ErrorTable
from avbench.benchmark.scoring.label_noise import LabelSigma
from avbench.benchmark.scoring.metric import HEADLINES, Quantity, find_metrics
from avbench.benchmark.tables.comparisons import comparison_tables
from avbench.preprocessing.base.errors import InputError


def errors_of(rotation: np.ndarray, direction: np.ndarray | None = None, condition: str = "clean") -> ErrorTable:
    direction = np.zeros(len(rotation)) if direction is None else direction
    nothing, valid = np.full(len(rotation), np.nan), np.ones(len(rotation), dtype=np.bool_)
    return ErrorTable(condition, rotation, direction, np.maximum(rotation, direction), nothing, valid)


def clusters_of(groups: int, size: int = 1) -> Clusters:
    return draw_clusters([f"g{i:03d}" for i in range(groups) for _ in range(size)])


def row(found: Comparison, metric: str, condition: str = "clean"):
    return next(one for one in found.rows if (one.metric, one.condition) == (metric, condition))


def test_the_headlines_of_every_condition_are_compared_and_each_is_the_difference_of_the_scores() -> None:
    random = np.random.default_rng(1)
    a = [errors_of(random.exponential(4, 120), random.exponential(9, 120), name) for name in ("clean", "fog-3")]
    b = [errors_of(random.exponential(5, 120), random.exponential(9, 120), name) for name in ("clean", "fog-3")]
    found = compare_runs(a, b, clusters_of(60, 2), names=("fusion", "tiny"))
    assert [(one.condition, one.metric) for one in found.rows] == [
        (name, metric) for name in ("clean", "fog-3") for metric in HEADLINES
    ]
    assert (found.pairs, found.groups) == (120, 60)
    for one in found.rows:
        assert one.difference.estimate.value == pytest.approx(one.a.value - one.b.value)
    assert row(found, "rotation.mean_deg", "fog-3").a.value == pytest.approx(a[1].rotation_deg.mean())
    assert row(found, "direction.median_deg").b.value == pytest.approx(np.median(b[0].direction_deg))


def test_the_paired_interval_is_the_t_interval_of_the_group_means_of_the_differences() -> None:
    random = np.random.default_rng(2)
    shared = np.repeat(random.exponential(20, 200), 3)  # hard places are hard for both
    a, b = shared + random.normal(1.0, 1.0, 600), shared + random.normal(1.5, 1.0, 600)
    metrics = find_metrics(["rotation.mean_deg"])
    found = row(compare_runs([errors_of(a)], [errors_of(b)], clusters_of(200, 3), metrics=metrics), "rotation.mean_deg")
    means = (a - b).reshape(200, 3).mean(axis=1)
    error = means.std(ddof=1) / math.sqrt(200)
    assert found.difference.estimate.low == pytest.approx(means.mean() - 1.972 * error, abs=0.1 * error)
    assert found.difference.estimate.high == pytest.approx(means.mean() + 1.972 * error, abs=0.1 * error)
    # Quantiles of Student's t with 199 degrees of freedom: 1.972 for 5 % two-sided, 0.843 for a power of 80 %.
    assert found.difference.smallest_detectable == pytest.approx((1.972 + 0.843) * error, rel=0.07)
    # Unpaired, the spread of the places would have drowned it.
    assert found.a.high - found.a.low > 10 * (found.difference.estimate.high - found.difference.estimate.low)
    assert found.better == "a"


def test_who_is_better_follows_the_direction_of_the_metric() -> None:
    random = np.random.default_rng(3)
    good, bad = random.uniform(0, 5, 100), random.uniform(8, 15, 100)
    found = compare_runs([errors_of(bad)], [errors_of(good)], clusters_of(50, 2), names=("worse", "better"))
    assert row(found, "rotation.mean_deg").difference.estimate.value > 0
    assert row(found, "rotation.mean_deg").better == "b"
    assert row(found, "total.auc@20").difference.estimate.value < 0
    assert row(found, "total.auc@20").better == "b"
    # Both directions are perfect: no difference, nobody is better.
    assert row(found, "direction.mean_deg").difference.p_value == 1.0
    assert row(found, "direction.mean_deg").better is None


def test_the_family_is_every_row_and_a_row_alone_is_its_own() -> None:
    random = np.random.default_rng(4)
    conditions = ["clean", *(f"fog-{severity}" for severity in SEVERITIES)]
    a = [errors_of(random.exponential(5, 80), random.exponential(5, 80), name) for name in conditions]
    b = [errors_of(random.exponential(5.5, 80), random.exponential(5, 80), name) for name in conditions]
    found = compare_runs(a, b, clusters_of(40, 2))
    raw, corrected = (np.array([getattr(one, name) for one in rows]) for name, rows in (
        ("p_value", [one.difference for one in found.rows]), ("family_p_value", found.rows)))  # fmt: skip
    assert found.family == len(raw) == 6 * len(HEADLINES)
    assert (corrected >= raw).all()
    # No more than Holm's, which knows nothing of what the rows have in common, but for what was drawn.
    assert corrected.min() <= len(raw) * raw.min()
    single = compare_runs(a[:1], b[:1], clusters_of(40, 2), metrics=find_metrics(["rotation.mean_deg"]))
    assert single.rows[0].family_p_value == single.rows[0].difference.p_value == pytest.approx(raw[1])


def test_a_dozen_groups_and_a_whole_suite_name_a_winner_that_is_plain() -> None:
    random = np.random.default_rng(14)
    names = ["clean", *(f"fog-{severity}" for severity in SEVERITIES)]
    a = [errors_of(random.normal(1, 0.2, 96).clip(0), random.normal(1, 0.2, 96).clip(0), name) for name in names]
    b = [errors_of(random.normal(75, 9, 96), random.normal(75, 9, 96), name) for name in names]
    found = compare_runs(a, b, clusters_of(12, 8))
    assert all(one.better == "a" for one in found.rows)
    assert found.smallest_p == 2.0**-11
    assert found.can_decide


def test_five_groups_can_name_nobody_and_it_is_said() -> None:
    found = compare_runs([errors_of(np.full(5, 1.0))], [errors_of(np.full(5, 75.0))], clusters_of(5))
    assert found.smallest_p == 2.0**-4
    assert not found.can_decide
    assert {one.better for one in found.rows} == {None}
    assert any(
        "no difference of so few groups can be significant" in note for note in comparison_tables(found)[0].notes
    )


def test_medians_with_failed_groups_have_a_p_that_agrees_with_their_interval() -> None:
    random, contradictions = np.random.default_rng(15), 0
    index = np.repeat(np.arange(30), 8)
    medians = find_metrics(["rotation.median_deg"])

    def run(failed: np.ndarray, shift: float) -> ErrorTable:
        return errors_of(np.where(failed, random.uniform(30, 180, 240), np.exp(random.normal(shift, 0.3, 240))))

    for _ in range(30):
        failed = (random.random(30) < 0.3)[index]
        a, b = run(failed, 0.5), run(failed, 1.0)
        found = compare_runs([a], [b], clusters_of(30, 8), metrics=medians).rows[0].difference
        assert found.estimate.low is not None
        assert found.estimate.high is not None
        assert found.estimate.low >= -180
        contradictions += (found.estimate.high < 0) != (found.p_value is not None and found.p_value <= 0.05)
    assert contradictions <= 3


def test_a_dominating_group_is_said_and_decides_nothing() -> None:
    clusters = draw_clusters(["big"] * 400 + [f"g{i:02d}" for i in range(50) for _ in range(8)])
    random = np.random.default_rng(16)
    a, b = random.exponential(5, 800), random.exponential(5, 800)
    a[:400] -= 1.0
    found = compare_runs([errors_of(a.clip(0))], [errors_of(b)], clusters)
    assert found.effective_groups == pytest.approx(800**2 / (400**2 + 50 * 64))
    assert found.largest_share == 0.5
    assert "51 groups worth 3.9 equal ones, the largest with 50 % of the pairs" in comparison_tables(found)[0].title
    assert {one.better for one in found.rows} == {None}


def test_families_without_a_difference_are_seldom_called_different() -> None:
    random = np.random.default_rng(5)
    clusters = clusters_of(40, 3)
    wrong = 0
    for _ in range(60):
        a, b = (
            [errors_of(random.exponential(5, 120), random.exponential(5, 120), n) for n in ("clean", "fog-3")]
            for _ in "ab"
        )
        wrong += any(one.better for one in compare_runs(a, b, clusters).rows)
    # 5 % of 60 are 3; more than 9 would be a chance of less than one in a thousand.
    assert wrong <= 9


def test_pairs_that_differ_by_less_than_the_labels_noise_are_ties() -> None:
    # With a sigma of 0.5 errors that differ by less than 2 x 1.96 x 0.5 = 1.96 are a tie.
    #                     tie   a     b     tie   a (no sigma known)
    a = np.array([1.0, 2.0, 9.0, 0.1, 3.0] * 4)
    b = np.array([2.9, 4.0, 3.0, 2.0, 3.1] * 4)
    sigma = LabelSigma.of([0.5, 0.5, 0.5, 0.5, None] * 4, [1.0, None, 7.0, None, None] * 4)
    found = compare_runs([errors_of(a)], [errors_of(b)], clusters_of(20), sigma=sigma)
    counts = {one.quantity: one.wins for one in found.win_counts}
    rotation, total = counts[Quantity.ROTATION], counts[Quantity.TOTAL]
    assert (rotation.a_better, rotation.ties, rotation.b_better) == (8, 8, 4)
    # The total error is as uncertain as the worse of the two: the third is a tie as well.
    assert (total.a_better, total.ties, total.b_better) == (8, 12, 0)
    assert total.share.value == pytest.approx((8 + 6) / 20)
    # Ties do not touch the differences, which stay those of the scores.
    assert row(found, "rotation.mean_deg").difference.estimate.value == pytest.approx(np.mean(a - b))


def test_a_run_against_itself_is_all_ties_and_nothing_is_open() -> None:
    errors = [errors_of(np.random.default_rng(6).exponential(5, 60))]
    found = compare_runs(errors, errors, clusters_of(60))
    assert all(one.difference.estimate.value == 0 for one in found.rows)
    assert all(one.difference.estimate.note is IntervalNote.ONE_VALUE for one in found.rows)
    assert all(one.family_p_value == 1.0 and one.better is None for one in found.rows)
    assert all(one.wins.ties == 60 and one.wins.share.value == 0.5 for one in found.win_counts)


def test_few_groups_give_the_numbers_without_an_interval() -> None:
    found = compare_runs([errors_of(np.full(9, 1.0))], [errors_of(np.full(9, 2.0))], clusters_of(9))
    one = row(found, "rotation.mean_deg")
    assert one.difference.estimate.value == -1.0
    assert one.difference.estimate.note is IntervalNote.TOO_FEW_GROUPS
    # Exchanges of nine groups are exact all the same: only as answered, and with all exchanged, is it so large.
    assert (one.difference.p_value, one.family_p_value, one.better) == (2.0**-8, 2.0**-8, "a")
    cells = comparison_tables(found)[0].rows[1]
    assert cells[2:] == ("1.00", "2.00", "-1.00", "-", "0.0039", "0.0039", "A")
    assert "fewer than 10 effective groups: no interval (9 groups)" in comparison_tables(found)[0].notes


def constant(value: float, condition: str, count: int = 20) -> ErrorTable:
    return errors_of(np.full(count, value), np.full(count, 2 * value), condition)


def test_mean_corruption_error_by_hand() -> None:
    #                 clean fog-1 fog-3 low_light-5 fog-3-a mute
    values_a, values_b = [2.0, 3.0, 5.0, 6.0, 4.0, 50.0], [4.0, 6.0, 10.0, 24.0, 5.0, 1.0]
    names = ["clean", "fog-1", "fog-3", "low_light-5", "fog-3-a", "mute"]
    a = [constant(value, name) for value, name in zip(values_a, names, strict=True)]
    b = [constant(value, name) for value, name in zip(values_b, names, strict=True)]
    found = run_robustness(a, b, clusters_of(20))
    assert found.keys() == {"rotation.mean_deg", "direction.mean_deg", "total.mean_deg"}
    for one in found.values():
        # "mute" is no corruption and stays out, or it would swamp the rest.
        ratios = {name: value.value for name, value in one.corruption_error.items()}
        assert ratios == pytest.approx({"fog": 8 / 16, "low_light": 6 / 24, "fog-a": 4 / 5})
        assert one.mean_corruption_error.value == pytest.approx((0.5 + 0.25 + 0.8) / 3)
        assert one.relative_mean_corruption_error is not None
        assert one.relative_mean_corruption_error.value == pytest.approx((2 / 4 + 4 / 20 + 2 / 1) / 3)
        assert one.relative_performance is not None
        assert one.relative_performance.value == pytest.approx(2 / ((4 + 6 + 4) / 3))
        # All pairs alike: resampling says nothing.
        assert one.mean_corruption_error.note is IntervalNote.ONE_VALUE


def test_without_corruptions_or_without_clean_there_is_less_to_say() -> None:
    assert run_robustness([constant(1, "clean")], [constant(2, "clean")], clusters_of(20)) == {}
    found = run_robustness([constant(1, "fog-1")], [constant(2, "fog-1")], clusters_of(20))["rotation.mean_deg"]
    assert found.mean_corruption_error.value == 0.5
    assert (found.relative_mean_corruption_error, found.relative_performance) == (None, None)
    only_rotation = [errors_of(np.ones(20), np.full(20, np.nan), name) for name in ("clean", "fog-1")]
    assert run_robustness(only_rotation, only_rotation, clusters_of(20)).keys() == {"rotation.mean_deg"}


@given(st.sampled_from(Corruption), st.sampled_from(SEVERITIES), st.sampled_from([None, *Frames]))
def test_every_condition_of_a_suite_tells_its_corruption(corruption: Corruption, severity: int, frames) -> None:
    condition = Condition.of(corruption, severity, frames)
    named = corruption_of(condition.name)
    assert named is not None
    assert Condition.parse(f"{corruption}-{severity}{named.removeprefix(corruption)}") == condition
    # All severities of it share the name.
    assert {corruption_of(Condition.of(corruption, other, frames).name) for other in SEVERITIES} == {named}


def test_clean_and_conditions_of_others_are_no_corruptions() -> None:
    assert [corruption_of(name) for name in ("clean", "mute", "fog", "fog-9", "shift-1s", "fog-3-left")] == [None] * 6


def test_conditions_that_both_answered() -> None:
    assert shared_conditions(["clean", "fog-1", "mute"], ["fog-1", "clean", "dark"]) == (
        ["clean", "fog-1"],
        ("mute", "dark"),
    )
    assert shared_conditions(["clean", "fog-1"], ["fog-1", "clean"], ["fog-1"]) == (["fog-1"], ())
    with pytest.raises(InputError, match="condition mute: found run B answered clean"):
        shared_conditions(["clean", "mute"], ["clean"], ["mute"])
    with pytest.raises(InputError, match="found clean in run A and fog-1 in run B"):
        shared_conditions(["clean"], ["fog-1"])


def test_other_pairs_or_conditions_are_refused() -> None:
    with pytest.raises(ValueError, match="same conditions"):
        compare_runs([constant(1, "clean")], [constant(1, "fog-1")], clusters_of(20))
    with pytest.raises(ValueError, match="20 pairs that have a group"):
        compare_runs([constant(1, "clean", 19)], [constant(1, "clean", 19)], clusters_of(20))


def test_a_comparison_is_strict_json() -> None:
    random = np.random.default_rng(7)
    a, b = ([errors_of(random.exponential(5, 20), None, name) for name in ("clean", "fog-1")] for _ in "ab")
    a[0].translation_m[:] = np.inf
    metrics = find_metrics([*HEADLINES, "metric_translation.mean_m"])
    found = compare_runs(a, b, clusters_of(20), names=("x", "y"), metrics=metrics, left_out=["mute"])
    written = json.loads(json.dumps(found.to_json(), allow_nan=False))
    # Metres that are infinite or not there cannot be tested and are no part of the family.
    assert (written["a"], written["b"], written["family"]) == ("x", "y", 12)
    assert written["left_out_conditions"] == ["mute"]
    assert written["rows"][0].keys() >= {"condition", "metric", "a", "b", "difference", "family_p_value", "better"}
    assert written["robustness"]["total.mean_deg"]["corruption_error"].keys() == {"fog"}
    for table in comparison_tables(found):
        assert all(len(cells) == len(table.headers) for cells in table.rows)
