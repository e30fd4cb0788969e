"""Predictions and labels to scores: what is counted, what is left out, what is said."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from avbench.benchmark.data.pair import PairLabel
from avbench.benchmark.predictions.file import Answer, Predictions, Status, read_predictions, write_predictions
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.metric import all_metrics
from avbench.benchmark.scoring.score import Score, score_predictions
from avbench.benchmark.tables.scores import (
    FURTHER_HEADERS,
    further_row,
    markdown_table,
    number,
    score_notes,
    text_table,
)
from avbench.preprocessing.base.errors import InputError
from avbench.preprocessing.base.geometry import axis_rotation
from avbench.preprocessing.recording.recording import Scale
from prepared_data import pair_name, shuffled

AHEAD = np.array([0.0, 0.0, 1.0])


def score_clean(predictions: Predictions, labels: Labels, *, baseline_threshold_m: float | None = None) -> Score:
    return score_predictions(predictions, labels, baseline_threshold_m=baseline_threshold_m).score()


LABELS = Labels.of(
    [
        PairLabel("far", np.eye(3), 2.0 * AHEAD, Scale.METRIC),
        PairLabel("near", np.eye(3), 0.01 * AHEAD, Scale.METRIC),
        PairLabel("unscaled", np.eye(3), 0.01 * AHEAD, Scale.UNKNOWN),
        PairLabel("turn", axis_rotation("y", 10.0), np.zeros(3), Scale.ROTATION_ONLY),
    ]
)


def predictions_of(tmp_path: Path, answers):
    write_predictions(tmp_path / "p.parquet", answers)
    return read_predictions(tmp_path / "p.parquet")


def test_short_and_missing_translations_count_in_rotation_only(tmp_path: Path):
    answers = [Answer(name, "clean", np.eye(3), AHEAD) for name in LABELS.pair_id]
    found = score_clean(predictions_of(tmp_path, answers), LABELS)
    assert (found.counts.pairs, found.counts.with_direction) == (4, 2)
    assert (found.counts.short_baseline, found.counts.rotation_only) == (1, 1)
    assert found.counts.failed == 0
    # Only "turn" is off, by 10 degrees: mean 10 / 4, median 0.
    assert found.value("rotation.mean_deg") == pytest.approx(2.5)
    assert found.value("rotation.median_deg") == pytest.approx(0.0)
    assert found.value("direction.auc@5") == pytest.approx(100.0)
    # Three errors of 0 are a recall of 3/4 held up to 5 degrees; up to 20, it ramps to 1 at 10: 10 * 7/8 + 10.
    assert found.value("rotation.auc@5") == pytest.approx(75.0)
    assert found.value("rotation.auc@20") == pytest.approx(100.0 * 18.75 / 20.0)
    assert found.value("metric_translation.mean_m") is None


def test_an_uncertain_direction_without_metres_is_left_out_counted_and_said(tmp_path: Path):
    labels = Labels.of(
        [
            PairLabel("walk", np.eye(3), 2.0 * AHEAD, Scale.UNKNOWN, 0.5),
            PairLabel("still", np.eye(3), 0.01 * AHEAD, Scale.UNKNOWN, 45.0),
            PairLabel("old", np.eye(3), 0.01 * AHEAD, Scale.UNKNOWN),
            PairLabel("metric", np.eye(3), 2.0 * AHEAD, Scale.METRIC, 45.0),
        ]
    )
    # Wrong by 90 degrees where the label knows nothing: only "still" is answered so.
    answers = [
        Answer(name, "clean", np.eye(3), np.array([1.0, 0.0, 0.0]) if name == "still" else AHEAD)
        for name in labels.pair_id
    ]
    found = score_clean(predictions_of(tmp_path, answers), labels)
    assert (found.counts.pairs, found.counts.with_direction) == (4, 3)
    assert (found.counts.uncertain_direction, found.counts.short_baseline, found.counts.rotation_only) == (1, 0, 0)
    assert found.value("direction.mean_deg") == 0.0
    assert found.to_json()["counts"]["uncertain_direction"] == 1
    assert found.to_json()["direction_sigma_limit_deg"] == 10.0
    assert "1 of unknown scale whose direction is uncertain by over 10 degrees" in score_notes(found)[0]


def test_a_larger_threshold_leaves_more_out(tmp_path: Path):
    answers = [Answer(name, "clean", np.eye(3), AHEAD) for name in LABELS.pair_id]
    found = score_clean(predictions_of(tmp_path, answers), LABELS, baseline_threshold_m=3.0)
    assert found.counts.with_direction == 1
    assert found.baseline_threshold_m == 3.0
    found = score_clean(predictions_of(tmp_path, answers), LABELS, baseline_threshold_m=0.0)
    assert found.counts.with_direction == 3


def test_failures_stay_in_every_denominator(tmp_path: Path):
    answers = [
        Answer("far", "clean", None, None, status=Status.ERROR),
        Answer("near", "clean", np.eye(3) * 2.0, AHEAD),
        Answer("unscaled", "clean", np.eye(3), AHEAD),
    ]
    found = score_clean(predictions_of(tmp_path, answers), LABELS)
    assert (found.counts.error, found.counts.invalid, found.counts.missing) == (1, 1, 1)
    assert found.estimates["rotation.mean_deg"].pairs == 4
    assert found.value("rotation.mean_deg") == pytest.approx(3 * 180.0 / 4)
    assert found.value("direction.mean_deg") == pytest.approx(90.0)
    assert found.value("total.auc@20") == pytest.approx(50.0)


def test_numbers_in_a_row_that_is_not_ok_do_not_count(tmp_path: Path):
    answers = [Answer("far", "clean", np.eye(3), AHEAD, status=Status.INVALID)]
    assert score_clean(predictions_of(tmp_path, answers), LABELS).value("rotation.mean_deg") == pytest.approx(180.0)


def test_metres_are_scored_where_label_and_model_have_them(tmp_path: Path):
    answers = [
        Answer("far", "clean", np.eye(3), 2.3 * AHEAD, metric=True),
        Answer("near", "clean", np.eye(3), 0.11 * AHEAD, metric=True),
    ]
    found = score_clean(predictions_of(tmp_path, answers), LABELS)
    assert found.estimates["metric_translation.mean_m"].pairs == 2
    assert found.value("metric_translation.mean_m") == pytest.approx((0.3 + 0.1) / 2)
    one = score_clean(predictions_of(tmp_path, answers[:1]), LABELS)
    assert one.value("metric_translation.mean_m") == math.inf


def test_each_condition_has_its_score_in_the_order_of_the_file(tmp_path: Path):
    answers = [Answer("far", "dark", axis_rotation("x", 4.0), AHEAD), Answer("far", "clean", np.eye(3), AHEAD)]
    labels = Labels.of([PairLabel("far", np.eye(3), AHEAD, Scale.METRIC)])
    found = score_predictions(predictions_of(tmp_path, answers), labels).scores
    assert [entry.condition for entry in found] == ["dark", "clean"]
    assert found[0].value("rotation.mean_deg") == pytest.approx(4.0)
    assert found[1].value("rotation.mean_deg") == pytest.approx(0.0)


def test_answers_are_found_by_the_name_of_their_pair_and_their_condition(tmp_path: Path):
    turns = {pair_name(i): axis_rotation("y", 7.0 * i - 20.0) for i in range(12)}
    labels = Labels.of([PairLabel(name, R, 2.0 * AHEAD, Scale.METRIC) for name, R in turns.items()])
    answers = [
        Answer(name, condition, axis_rotation("y", error) @ R, (1.0 + error) * AHEAD, metric=True)
        for name, R in turns.items()
        for condition, error in (("clean", 1.0), ("dark", 4.0), ("fog-3", 0.0))
    ]
    del answers[5]  # of the second pair under fog-3
    found = {
        entry.condition: entry
        for entry in score_predictions(predictions_of(tmp_path, shuffled(answers)), labels).scores
    }
    assert found["clean"].value("rotation.mean_deg") == pytest.approx(1.0)
    assert found["dark"].value("rotation.median_deg") == pytest.approx(4.0)
    assert found["dark"].value("metric_translation.mean_m") == pytest.approx(3.0)
    assert found["fog-3"].value("rotation.mean_deg") == pytest.approx(180.0 / 12)
    assert (found["clean"].counts.missing, found["fog-3"].counts.missing) == (0, 1)


def test_foreign_pairs_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="row 0: pair_id: found 'elsewhere'"):
        score_predictions(predictions_of(tmp_path, [Answer("elsewhere", "clean", np.eye(3), AHEAD)]), LABELS)


def test_a_score_is_strict_json_even_with_infinities(tmp_path: Path):
    found = score_clean(
        predictions_of(tmp_path, [Answer("far", "clean", np.eye(3), AHEAD, metric=True)]), LABELS
    ).to_json()
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text)["metrics"]["metric_translation.mean_m"]["value"] == "inf"
    assert json.loads(text)["metrics"].keys() == all_metrics().keys()
    assert found["counts"]["missing"] == 3


def test_tables_line_up_and_say_what_was_left_out(tmp_path: Path):
    found = score_clean(predictions_of(tmp_path, [Answer("far", "clean", np.eye(3), AHEAD)]), LABELS)
    row = further_row("some|model", found)
    assert len(row) == len(FURTHER_HEADERS)
    lines = text_table(FURTHER_HEADERS, [row]).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("some|model")
    assert markdown_table(FURTHER_HEADERS, [row]).splitlines()[2].startswith("| some\\|model | clean |")
    assert "1 with a baseline under 0.05 m and 1 labelled with rotation only" in score_notes(found)[0]
    assert "3 pairs count as 180 degrees" in score_notes(found)[1]
    assert [number(None), number(math.inf), number(1.005, 1)] == ["-", "inf", "1.0"]


def test_no_labels_give_no_numbers_and_no_error(tmp_path: Path):
    found = score_clean(predictions_of(tmp_path, []), Labels.of([]))
    assert (found.counts.pairs, found.value("rotation.mean_deg"), found.value("total.auc@20")) == (0, None, None)
