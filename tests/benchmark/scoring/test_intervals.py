"""Intervals of every metric: the same numbers as the score, and ends worked out by writing every resample out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from avbench.benchmark.metrics.definitions import auc_percent
from avbench.benchmark.predictions.file import Predictions, Status
from avbench.benchmark.scoring.bootstrap import Difference, Estimate, IntervalNote, draw_clusters, ungrouped
from avbench.benchmark.scoring.errors import ErrorTable
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.metric import HEADLINES, Metric, Quantity, all_metrics, find_metrics
from avbench.benchmark.scoring.score import Score, ScoredRun, score_predictions
from avbench.benchmark.scoring.statistics.effective_groups import small_sample_factor
from avbench.benchmark.tables.scores import (
    HEADLINE_HEADERS,
    difference_text,
    estimate_text,
    headline_notes,
    headline_row,
    interval_notes,
    p_value_text,
    shared_score_notes,
)
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation
from avbench.preprocessing.recording.recording import Scale

AHEAD = np.array([0.0, 0.0, 1.0])


def labels_of(count: int, scale: Scale = Scale.METRIC, baseline_m: float = 1.0) -> Labels:
    return Labels(
        pair_id=tuple(f"p{i}" for i in range(count)),
        rotation_a_b=np.broadcast_to(np.eye(3), (count, 3, 3)),
        translation_a_b_m=np.tile(baseline_m * AHEAD, (count, 1)),
        scale=(scale,) * count,
        direction_sigma_deg=np.full(count, np.nan),
    )


def predictions_of(
    turned_deg: dict[str, np.ndarray], steered_deg: dict[str, np.ndarray] | None = None, *, metric: bool = False
) -> Predictions:
    """Answers whose rotation and direction errors against `labels_of` are the given ones, by condition."""
    steered = steered_deg or {name: np.zeros(len(angles)) for name, angles in turned_deg.items()}
    pairs = [(name, i) for name, angles in turned_deg.items() for i in range(len(angles))]
    count = len(pairs)
    return Predictions(
        pair_id=tuple(f"p{i}" for _, i in pairs),
        condition=tuple(name for name, _ in pairs),
        rotation_a_b=np.array([axis_rotation("z", float(turned_deg[name][i])) for name, i in pairs]),
        translation_a_b=np.array([axis_rotation("y", float(steered[name][i])) @ AHEAD for name, i in pairs]),
        metric=np.full(count, metric),
        confidence=np.full(count, np.nan),
        status=(Status.OK,) * count,
        message=(None,) * count,
        milliseconds=np.full(count, np.nan),
        info={},
        where="test",
    )


def errors_under(predictions: Predictions, labels: Labels) -> ErrorTable:
    return ScoredRun(predictions, labels, ungrouped(len(labels)), 0.05).errors()


def groups_of(count: int, size: int) -> list[str]:
    return [f"g{i // size:03d}" for i in range(count)]


def intervals_of(predictions: Predictions, labels: Labels, groups: list[str]) -> tuple[Score, ...]:
    return score_predictions(predictions, labels, groups).scores


def trapezoid(errors: np.ndarray, threshold_deg: float) -> float:
    """Area under the recall curve of errors in per cent, step by step as public code draws it."""
    errors = np.sort(errors)
    reached = errors[errors < threshold_deg]
    recall = np.arange(len(reached) + 1) / len(errors)
    x, y = np.array([0.0, *reached, threshold_deg]), np.array([*recall, recall[-1]])
    return float(100.0 * np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / threshold_deg)


def test_every_metric_of_the_specification_is_there_and_has_the_value_of_its_definition() -> None:
    random = np.random.default_rng(1)
    base, number = labels_of(60), np.arange(60)
    labels = Labels(
        base.pair_id,
        base.rotation_a_b,
        base.translation_a_b_m * np.where(number % 7 == 0, 0.01, 1.0)[:, None],
        tuple(Scale.ROTATION_ONLY if i % 5 == 0 else Scale.UNKNOWN if i % 3 == 0 else Scale.METRIC for i in range(60)),
        np.where(number % 9 == 0, 10.5, 3.0),
    )
    errors = {name: random.exponential(8, 60).clip(0, 170) for name in ("fog-3", "clean")}
    steered_deg = {name: (2 * value).clip(0, 180) for name, value in errors.items()}
    predictions = predictions_of(errors, steered_deg, metric=True)
    found = intervals_of(predictions, labels, groups_of(60, 4))
    assert [entry.condition for entry in found] == ["fog-3", "clean"]
    # Three errors in degrees with a mean, a median and three AUCs each, and metres with a mean and a median.
    assert len(all_metrics()) == 3 * 5 + 2
    in_metres = (number % 5 != 0) & (number % 3 != 0)
    directed = (number % 5 != 0) & np.where(in_metres, number % 7 != 0, number % 9 != 0)
    for entry in found:
        turned, steered = errors[entry.condition], steered_deg[entry.condition]
        # An answer one metre long, turned by an angle from a label of one metre or of one centimetre.
        length = np.where(number % 7 == 0, 0.01, 1.0)
        metres = np.sqrt(1 + length**2 - 2 * length * np.cos(np.deg2rad(steered)))
        taken = {
            Quantity.ROTATION: turned,
            Quantity.DIRECTION: steered[directed],
            Quantity.TOTAL: np.maximum(turned, steered)[directed],
            Quantity.METRIC_TRANSLATION: metres[in_metres],
        }
        assert list(entry.estimates) == list(all_metrics())
        for name, estimate in entry.estimates.items():
            values, kind = taken[all_metrics()[name].quantity], name.partition(".")[2]
            if "@" in kind:
                expected = trapezoid(values, float(kind.partition("@")[2]))
            else:
                expected = values.mean() if kind.startswith("mean") else np.median(values)
            assert estimate.value == pytest.approx(expected, rel=1e-9), name
            assert entry.value(name) == estimate.value
            assert estimate.pairs == len(values)
            assert estimate.low is not None
            assert estimate.high is not None
            assert estimate.low <= estimate.value <= estimate.high
            assert estimate.note is IntervalNote.FEW_GROUPS
        assert (entry.counts.pairs, entry.counts.with_direction) == (60, directed.sum())


def test_errors_and_resamples_are_computed_once_a_condition() -> None:
    errors = {name: np.arange(40.0) * factor for name, factor in (("clean", 1.0), ("fog-3", 2.0))}
    run = score_predictions(predictions_of(errors), labels_of(40), groups_of(40, 2))
    assert run.scores[1] is run.score("fog-3")
    assert run.errors("fog-3") is run.errors("fog-3")
    metric = all_metrics()["rotation.mean_deg"]
    sampled = run.errors("fog-3").sampled(metric, run.clusters)
    assert run.errors("fog-3").sampled(metric, run.clusters) is sampled
    assert sampled.estimate == run.score("fog-3").estimates["rotation.mean_deg"]
    # Other resamples are not taken for the same.
    other = run.errors("fog-3").sampled(metric, draw_clusters(groups_of(40, 4)))
    assert (other.groups, other.point) == (10, sampled.point)
    assert not np.array_equal(other.drawn, sampled.drawn)


def test_a_part_of_the_pairs_has_the_metrics_of_these_pairs_alone() -> None:
    run = score_predictions(predictions_of({"clean": np.arange(40.0)}), labels_of(40), groups_of(40, 2))
    members = np.arange(40) < 10
    part = run.errors().only(members)
    metric = all_metrics()["rotation.mean_deg"]
    assert part.sampled(metric, run.clusters).point == pytest.approx(4.5)
    assert part.sampled(metric, run.clusters).pairs == 10
    assert run.errors().sampled(metric, run.clusters).point == pytest.approx(19.5)
    assert run.errors().only(np.ones(40, dtype=np.bool_)) is run.errors()


def test_the_ends_are_those_of_resamples_written_out_pair_by_pair() -> None:
    random = np.random.default_rng(2)
    groups = np.repeat(np.arange(60), random.integers(1, 6, 60))
    shared = random.exponential(5, 60)[groups]
    clean, foggy = (shared + random.exponential(scale, len(groups)) for scale in (2, 4))
    clusters = draw_clusters([f"{g:02d}" for g in groups], resamples=300)
    predictions = predictions_of({"clean": clean, "fog-3": foggy})
    found = ScoredRun(predictions, labels_of(len(groups)), clusters, 0.05).score("fog-3")
    sizes = np.bincount(groups)
    effective = sizes.sum() ** 2 / np.sum(sizes**2)
    factor = small_sample_factor(sizes, 0.95)
    drawn = [np.repeat(np.arange(len(groups)), clusters.counts[b, groups].astype(int)) for b in range(300)]
    for name, function in {
        "rotation.mean_deg": np.mean,
        "rotation.median_deg": np.median,
        "rotation.auc@10": lambda errors: auc_percent(errors, 10.0),
    }.items():
        estimate = found.estimates[name]
        low, high = np.quantile([function(foggy[pairs]) for pairs in drawn], [0.025, 0.975])
        value = function(foggy)
        studentised = name == "rotation.mean_deg"  # the ends of a mean are not percentiles
        if not studentised:
            assert estimate.low == pytest.approx(value - factor * (value - low))
            assert estimate.high == pytest.approx(value + factor * (high - value))
        assert found.change_from_clean is not None
        change = found.change_from_clean[name]
        apart = [function(foggy[pairs]) - function(clean[pairs]) for pairs in drawn]
        value = function(foggy) - function(clean)
        low, high = np.quantile(apart, [0.025, 0.975])
        assert change.estimate.value == pytest.approx(value)
        if not studentised:
            assert change.estimate.low == pytest.approx(value - factor * (value - low))
            assert change.estimate.high == pytest.approx(value + factor * (high - value))
        quantiles = np.quantile(apart, stats.norm.cdf([-1.0, 1.0]))
        assert change.standard_error == pytest.approx(np.ptp(quantiles) / 2 * math.sqrt(effective / (effective - 1)))


def test_a_change_that_is_the_same_for_every_pair_is_told_without_an_interval() -> None:
    random = np.random.default_rng(3)
    clean = random.uniform(1, 40, 200)
    predictions = predictions_of({"fog-3": clean + 3.0, "clean": clean})
    foggy, plain = intervals_of(predictions, labels_of(200), groups_of(200, 2))
    assert plain.change_from_clean is None
    assert foggy.change_from_clean is not None
    for name in ("rotation.mean_deg", "rotation.median_deg", "total.mean_deg"):
        change = foggy.change_from_clean[name].estimate
        assert (change.value, change.low, change.note) == (pytest.approx(3.0), None, IntervalNote.ONE_VALUE), name
    # The spread between the pairs does not enter the change, though it enters the value.
    assert foggy.estimates["rotation.mean_deg"].high - foggy.estimates["rotation.mean_deg"].low > 2  # type: ignore[operator]
    assert foggy.change_from_clean["rotation.auc@20"].estimate.high < 0  # type: ignore[operator]


def test_equal_errors_have_the_auc_of_the_formula() -> None:
    # 40 errors of 4 degrees: nothing up to 4, but for the ramp to the first of 40 steps; all of it up to 10.
    found = intervals_of(predictions_of({"clean": np.full(40, 4.0)}), labels_of(40), groups_of(40, 1))
    assert found[0].estimates["rotation.auc@10"].value == pytest.approx(100 * (6.0 + 4.0 / 80) / 10)
    assert found[0].change_from_clean is None


@pytest.mark.parametrize(("groups", "note"), [(9, IntervalNote.TOO_FEW_GROUPS), (10, IntervalNote.FEW_GROUPS)])
def test_few_groups_have_no_interval_or_a_flagged_one(groups: int, note: IntervalNote) -> None:
    errors = {"clean": np.arange(2.0 * groups), "fog-3": np.arange(2.0 * groups) + np.arange(2 * groups) % 3}
    found = intervals_of(predictions_of(errors), labels_of(2 * groups), groups_of(2 * groups, 2))
    estimate = found[1].estimates["rotation.mean_deg"]
    assert estimate.note is note
    assert (estimate.low is None) == (groups < 10)
    assert found[1].change_from_clean is not None
    assert found[1].change_from_clean["rotation.mean_deg"].estimate.note is note


def test_intervals_stay_within_what_a_metric_can_be() -> None:
    errors = np.where(np.arange(24) % 12 == 0, 170.0, 0.0)
    found = intervals_of(predictions_of({"clean": errors}), labels_of(24), groups_of(24, 2))[0]
    for name, estimate in found.estimates.items():
        if estimate.low is not None and estimate.high is not None:
            assert estimate.low >= 0
            assert estimate.high <= {"deg": 180.0, "%": 100.0}.get(all_metrics()[name].unit, math.inf)
    assert found.estimates["rotation.mean_deg"].low == 0


def test_metres_are_infinite_after_one_failure_and_absent_where_nobody_gave_them() -> None:
    labels, groups = labels_of(60), groups_of(60, 1)
    predictions = predictions_of({"clean": np.zeros(60)}, {"clean": np.full(60, 60.0)}, metric=True)
    missing = Predictions(**{**vars(predictions), "status": (Status.ERROR, *predictions.status[1:])})
    found = intervals_of(missing, labels, groups)[0].estimates
    # The chord of 60 degrees at a distance of 1 m is 1 m.
    assert found["metric_translation.median_m"].value == pytest.approx(1.0)
    assert found["metric_translation.median_m"].note is IntervalNote.ONE_VALUE
    assert found["metric_translation.mean_m"].value == math.inf
    assert found["metric_translation.mean_m"].note is IntervalNote.INFINITE
    nothing = intervals_of(predictions_of({"clean": np.zeros(60)}), labels, groups)[0].estimates
    assert nothing["metric_translation.mean_m"].note is IntervalNote.NOTHING_SCORED
    assert nothing["metric_translation.mean_m"].to_json()["value"] is None


def test_json_is_strict_and_complete() -> None:
    predictions = predictions_of({"clean": np.arange(60.0), "fog-3": np.arange(60.0)}, metric=True)
    missing = Predictions(**{**vars(predictions), "status": (Status.ERROR, *predictions.status[1:])})
    written = [
        json.loads(json.dumps(entry.to_json(), allow_nan=False))
        for entry in intervals_of(missing, labels_of(60), groups_of(60, 1))
    ]
    assert all(entry["metrics"].keys() == all_metrics().keys() for entry in written)
    assert written[0]["metrics"]["metric_translation.mean_m"]["value"] == "inf"
    assert written[0]["change_from_clean"] is None
    assert written[1]["metrics"]["metric_translation.mean_m"]["value"] == 0
    assert written[1]["change_from_clean"]["rotation.mean_deg"].keys() >= {"value", "low", "high", "p_value", "note"}


def test_rows_of_other_pairs_are_not_looked_at_and_missing_ones_are_the_worst() -> None:
    predictions = predictions_of({"clean": np.arange(30.0)})
    fewer = errors_under(predictions, labels_of(20))
    assert fewer.rotation_deg == pytest.approx(np.arange(20.0), abs=1e-9)
    more = errors_under(predictions, labels_of(31))
    assert (more.rotation_deg[30], more.direction_deg[30], more.total_deg[30]) == (180.0, 180.0, 180.0)
    assert np.isnan(errors_under(predictions, labels_of(20, Scale.ROTATION_ONLY)).of(Quantity.DIRECTION)).all()


def test_groups_of_other_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="5 pairs have a group and 20 a label"):
        intervals_of(predictions_of({"clean": np.zeros(20)}), labels_of(20), groups_of(5, 1))


def test_metrics_are_found_by_name() -> None:
    assert [metric.name for metric in find_metrics(())] == list(HEADLINES)
    found = find_metrics(["direction.auc@5"])
    assert found == (Metric("direction.auc@5", Quantity.DIRECTION, "%", True, found[0].statistic),)
    with pytest.raises(InputError, match=r"did you mean total.auc@20\?"):
        find_metrics(["total.auc20"])


def test_how_numbers_with_intervals_are_written() -> None:
    def estimate(
        value: float, low: float | None, high: float | None, note: IntervalNote = IntervalNote.NONE
    ) -> Estimate:
        return Estimate(value, low, high, 20, 100, note)

    assert estimate_text(estimate(7.254, 6.91, 7.62)) == "7.25 [6.9, 7.6]"
    assert estimate_text(estimate(0.254, 0.211, 0.262)) == "0.25 [0.21, 0.26]"
    assert estimate_text(estimate(7.25, 6.9, 7.6, IntervalNote.FEW_GROUPS)) == "7.25 [6.9, 7.6]*"
    assert estimate_text(estimate(7.25, None, None, IntervalNote.TOO_FEW_GROUPS)) == "7.25"
    assert estimate_text(estimate(math.nan, None, None)) == "-"
    assert estimate_text(estimate(1.0, 0.5, math.inf), 3) == "1.000 [0.50, inf]"
    assert difference_text(Difference(estimate(-0.8, -1.5, 0.2), 0.4, 1.2, 0.1)) == "-0.80 [-1.5, +0.2]"
    assert difference_text(Difference(estimate(math.nan, None, None), None, None, None)) == "-"
    assert [p_value_text(p) for p in (None, 0.00001, 0.04999)] == ["-", "<0.0001", "0.0500"]
    assert interval_notes(
        [
            Estimate(1.0, 0.5, 2.0, 12, 40, IntervalNote.FEW_GROUPS),
            Estimate(1.0, 0.5, 2.0, 30, 90, IntervalNote.FEW_GROUPS),
            Estimate(1.0, None, None, 1, 9, IntervalNote.TOO_FEW_GROUPS),
            Estimate(1.0, 0.9, 2.0, 80, 90, IntervalNote.NONE),
        ]
    ) == [
        "* few effective groups: the interval is likely too short (12 to 30 groups)",
        "fewer than 10 effective groups: no interval (1 group)",
    ]


def test_the_score_table_shows_intervals_of_the_headlines_and_says_why_there_are_none() -> None:
    errors = {"clean": np.arange(40.0) / 4, "fog-3": np.arange(40.0) / 2}
    predictions, labels = predictions_of(errors), labels_of(40)
    scores = intervals_of(predictions, labels, groups_of(40, 2))
    rows = [headline_row("m", entry) for entry in scores]
    assert all(len(row) == len(HEADLINE_HEADERS) for row in rows)
    for row in rows:
        assert row[2].count("[") == row[3].count("[") == row[6].count("[") == row[7].count("[") == 1
    assert rows[0][8] == "-"
    assert rows[1][8].startswith("-")
    assert "[" in rows[1][8]
    assert rows[1][9:] == ["40", "40", "0"]
    few = intervals_of(predictions, labels, groups_of(40, 8))
    assert headline_row("m", few[0])[3] == f"{np.arange(40.0).mean() / 4:.2f}"
    assert headline_notes(few) == ["fewer than 10 effective groups: no interval (5 groups)"]
    assert shared_score_notes(scores)[0].startswith("every condition: rotation over 40 pairs")
    assert shared_score_notes(scores[:1])[0].startswith("clean: rotation over 40 pairs")
