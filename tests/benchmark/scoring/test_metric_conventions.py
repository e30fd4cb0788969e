"""The foreign conventions against values worked out independently, and against the public Reloc3r numbers."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from avbench.benchmark.cli.score import CONVENTION_NAMES, score
from avbench.benchmark.data.pair import PairLabel
from avbench.benchmark.metrics.definitions import auc_percent
from avbench.benchmark.metrics.spec import convention_table_row, load_metrics_spec
from avbench.benchmark.predictions.file import Answer, Status, read_predictions, write_predictions
from avbench.benchmark.scoring.convention_errors import convention_errors
from avbench.benchmark.scoring.conventions import (
    Measure,
    average_precision_percent,
    convention_auc_percent,
    histogram_auc_percent,
    python_sorted_auc_percent,
    score_as,
)
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.score import score_predictions
from avbench.preprocessing.base.geometry import axis_rotation, nearest_rotation
from avbench.preprocessing.recording.recording import Scale
from prepared_data import pair_name, shuffled

CONVENTIONS = load_metrics_spec().conventions
AHEAD = np.array([0.0, 0.0, 1.0])
STILL = np.eye(3)


def errors_under(name, rotation, translation, true_rotation=STILL, true_translation=AHEAD):
    found = convention_errors(
        CONVENTIONS[name],
        predicted_rotation=np.asarray(rotation, dtype=np.float64)[None],
        predicted_translation=np.asarray(translation, dtype=np.float64)[None],
        true_rotation=np.asarray(true_rotation, dtype=np.float64)[None],
        true_translation=np.asarray(true_translation, dtype=np.float64)[None],
    )
    return float(found.rotation_deg[0]), float(found.direction_deg[0])


def test_the_command_line_names_are_those_of_the_specification():
    assert list(CONVENTION_NAMES) == list(CONVENTIONS)


def test_the_table_in_the_documentation_is_that_of_the_specification():
    page = (Path(__file__).parents[3] / "docs/evaluation.md").read_text(encoding="utf-8")
    for convention in CONVENTIONS.values():
        assert "| " + " | ".join(convention_table_row(convention)) + " |" in page


def test_the_help_lists_every_convention_with_what_it_compares():
    text = " ".join(CliRunner().invoke(score, ["--help"]).stdout.split())
    for convention in CONVENTIONS.values():
        assert f"{convention.name} {convention.relative_pose}, " in text


def test_the_sign_of_a_translation_counts_only_under_reloc3r():
    # (0, sin 170, cos 170) is 170 degrees from straight ahead, and 10 from its opposite.
    far = (0.0, math.sin(math.radians(170.0)), math.cos(math.radians(170.0)))
    assert errors_under("reloc3r", np.eye(3), far)[1] == pytest.approx(170.0)
    for name in set(CONVENTIONS) - {"reloc3r", "mapfree"}:
        assert errors_under(name, np.eye(3), far)[1] == pytest.approx(10.0), name


@pytest.mark.parametrize("name", [name for name in CONVENTION_NAMES if name != "mapfree"])
def test_some_look_from_the_other_camera(name):
    # The right place of camera b, but its axes turned by 25 degrees about y. Seen from a, the direction is right; seen
    # from b, where a sits at -R' t, it is turned by 25 degrees.
    rotation, direction = errors_under(name, axis_rotation("y", 25.0), AHEAD)
    assert rotation == pytest.approx(25.0, abs=1e-5)
    assert direction == pytest.approx(0.0 if name in ("reloc3r", "vggt", "mapanything") else 25.0, abs=1e-5)


def test_a_translation_of_length_zero_is_nan_where_the_code_divides_by_it_and_90_degrees_where_it_adds_to_it():
    for name in ("reloc3r", "superglue", "roma"):
        assert math.isnan(errors_under(name, np.eye(3), (0.0, 0.0, 0.0))[1]), name
    for name in ("imc", "posediffusion", "vggt", "da3", "pi3", "mapanything"):
        assert errors_under(name, np.eye(3), (0.0, 0.0, 0.0))[1] == pytest.approx(90.0), name


@pytest.mark.parametrize(
    ("name", "cost"),
    [
        ("reloc3r", (math.inf, math.inf)),
        ("superglue", (math.inf, math.inf)),
        ("imc", (180.0, 90.0)),
        ("roma", (90, 90)),
    ],
)
def test_no_answer_costs_what_the_code_says(name, cost):
    assert errors_under(name, np.full((3, 3), np.nan), AHEAD) == cost


def test_a_matrix_that_is_no_rotation_is_not_projected_first():
    # 1.02 times the identity: its trace is 3.06, clipped to 3; 0.98 times: (2.94 - 1) / 2 = 0.97.
    assert errors_under("superglue", 1.02 * np.eye(3), AHEAD)[0] == 0.0
    assert errors_under("superglue", 0.98 * np.eye(3), AHEAD)[0] == pytest.approx(math.degrees(math.acos(0.97)))
    # The quaternion is (r, 0, 0, 0) with r = 3.94 / (2 sqrt 3.94): r^2 = 0.985; 1 - 2 (1 - 0.985) = 0.97.
    assert errors_under("vggt", 0.98 * np.eye(3), AHEAD)[0] == pytest.approx(math.degrees(math.acos(0.97)))
    # An eigenvector and a nearest orthogonal matrix know no scale.
    assert errors_under("imc", 0.98 * np.eye(3), AHEAD)[0] < 1e-5
    assert errors_under("reloc3r", 0.98 * np.eye(3), AHEAD)[0] == 0.0
    # A trace of 3.06 is over 3.0001.
    assert math.isnan(errors_under("posediffusion", 1.02 * np.eye(3), AHEAD)[0])
    # No error is below arccos(0.9999) - 1e-4 / sqrt(1 - 0.9999^2) radians.
    least = math.degrees(math.acos(0.9999) - 1e-4 / math.sqrt(1.0 - 0.9999**2))
    assert errors_under("posediffusion", np.eye(3), AHEAD)[0] == pytest.approx(least)
    assert least == pytest.approx(0.405, abs=1e-3)


def test_rotations_in_bfloat16_lose_ten_points_under_the_trace_and_none_under_a_projection():
    generator = np.random.default_rng(5)
    true = nearest_rotation(generator.normal(size=(2000, 3, 3)))
    mantissa, exponent = np.frexp(true)
    predicted = np.ldexp(np.round(mantissa * 256.0) / 256.0, exponent)
    ahead = np.broadcast_to(AHEAD, (2000, 3))
    auc = {
        name: convention_auc_percent(
            CONVENTIONS[name],
            convention_errors(
                CONVENTIONS[name],
                predicted_rotation=predicted,
                predicted_translation=ahead,
                true_rotation=true,
                true_translation=ahead,
            ).rotation_deg,
            5.0,
        )
        for name in ("superglue", "reloc3r")
    }
    assert auc["reloc3r"] > 98.0
    assert auc["superglue"] < auc["reloc3r"] - 10.0


def test_reloc3r_rotations_equal_opencv():
    cv2 = pytest.importorskip("cv2")
    generator = np.random.default_rng(7)
    true = nearest_rotation(generator.normal(size=(200, 3, 3)))
    predicted = true + generator.normal(size=true.shape) * 10.0 ** generator.uniform(-9, -1, (len(true), 1, 1))
    predicted[0], predicted[1], predicted[2] = true[0], 150.0 * np.eye(3), -true[2] @ axis_rotation("x", 40.0)
    true[1] = np.eye(3)
    found = convention_errors(
        CONVENTIONS["reloc3r"],
        predicted_rotation=predicted,
        predicted_translation=np.broadcast_to(AHEAD, (len(true), 3)),
        true_rotation=true,
        true_translation=np.broadcast_to(AHEAD, (len(true), 3)),
    ).rotation_deg
    for row, error in enumerate(found):
        product = predicted[row].astype(np.float32).T @ true[row].astype(np.float32)
        vector = cv2.Rodrigues(product)[0]
        # Two float32 products may differ in their last bit, which near 0 is some hundredths of a degree.
        assert error == pytest.approx(math.degrees(np.linalg.norm(vector)), abs=0.05), row


def test_the_order_of_the_pairs_decides_where_python_sorts_nan():
    nan = math.nan
    # Without NaN the two areas are the same.
    assert python_sorted_auc_percent([3.0, 1.0, 2.0], 5.0) == pytest.approx(auc_percent([3.0, 1.0, 2.0], 5.0))
    # `sorted` leaves (3, NaN, 1) as it is. Behind 0, the search by halves sees NaN, then 3: two of four points are
    # below 5, (0, 0) and (3, 1/3). 3 * 1/6 + 2 * 1/3 = 7/6; over 5.
    assert python_sorted_auc_percent([3.0, nan, 1.0], 5.0) == pytest.approx(100 * 7 / 30)
    # (NaN, 1, 3) stays as well: the search sees 1, then 3, passes the NaN, and the area is NaN.
    assert math.isnan(python_sorted_auc_percent([nan, 1.0, 3.0], 5.0))
    # In order, with NaN last: 1 * 1/6 + 2 * 1/2 + 2 * 2/3 = 2.5; over 5. So NumPy sorts, and so SuperGlue counts.
    assert python_sorted_auc_percent([1.0, 3.0, nan], 5.0) == pytest.approx(50.0)
    for order in ([3.0, nan, 1.0], [nan, 1.0, 3.0], [1.0, 3.0, nan]):
        assert convention_auc_percent(CONVENTIONS["superglue"], order, 5.0) == pytest.approx(50.0)
        # In bins of a degree: below 1 ... 5 lie 0, 1, 1, 2, 2 of 3.
        assert convention_auc_percent(CONVENTIONS["vggt"], order, 5.0) == pytest.approx(100 * 6 / 15)


def test_average_precision_equals_the_steps_added_by_hand():
    # By falling confidence: right; then two at once, one of them right; then one wrong; and a failure: 5 pairs.
    # Recall goes 1/5, 3/5, 4/5 at precisions 1, 2/3, 1/2: 1/5 + 2/5 * 2/3 + 1/5 * 1/2 = 17/30.
    confidence, correct = [0.5, 0.9, 0.5, 0.1], [False, True, True, False]
    assert average_precision_percent(confidence, correct, failures=1) == pytest.approx(100 * 17 / 30)
    # All as sure: 2/4 of 4/5.
    assert average_precision_percent([0.0] * 4, correct, failures=1) == pytest.approx(40.0)
    with pytest.raises(ValueError, match="at least one"):
        average_precision_percent([], [], failures=0)


def test_histogram_auc_equals_the_bins_counted_by_hand():
    # Errors 0.5, 2.5, 7.0, 30; bins of 1 degree. Up to 5: the cumulative shares of bins [0,1) ... [4,5] are
    # 1/4, 1/4, 2/4, 2/4, 2/4; mean 2/5.
    assert histogram_auc_percent([0.5, 2.5, 7.0, 30.0], 5.0) == pytest.approx(40.0)
    # Up to 10, 7.0 lies in [7, 8): 2 * 1/4 + 5 * 2/4 + 3 * 3/4 = 5.25 of 10.
    assert histogram_auc_percent([0.5, 2.5, 7.0, 30.0], 10.0) == pytest.approx(52.5)
    # The last bin is closed: 5.0 counts up to 5, but not where the histogram goes on to 10.
    assert histogram_auc_percent([5.0], 5.0) == pytest.approx(20.0)
    assert histogram_auc_percent([5.0], 5.0, 10.0) == 0.0
    assert histogram_auc_percent([math.inf], 5.0) == 0.0
    with pytest.raises(ValueError, match="whole threshold"):
        histogram_auc_percent([1.0], 2.5)


def trapezoid(errors: list[float], pairs: int, threshold: float) -> float:
    """The area under the recall curve, added up piece by piece."""
    points = [(0.0, 0.0)] + [(e, (i + 1) / pairs) for i, e in enumerate(sorted(errors)) if e < threshold]
    points.append((threshold, points[-1][1]))
    area = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(points))
    return 100.0 * area / threshold


def test_the_same_predictions_differ_as_the_conventions_do(tmp_path: Path):
    # Rotation error, direction error seen from a (both about y), baseline; then one pair that failed.
    cases = [(1.2, 1.2, 1.0), (3.3, 3.3, 1.0), (2.1, 176.4, 1.0), (4.6, 4.6, 1.0), (3.3, 3.3, 0.02)]
    labels = [PairLabel(f"p{i}", np.eye(3), AHEAD * length, Scale.METRIC) for i, (_, _, length) in enumerate(cases)]
    labels.append(PairLabel("failed", np.eye(3), AHEAD, Scale.METRIC))
    answers = [
        Answer(f"p{i}", "clean", axis_rotation("y", rotation), axis_rotation("y", direction) @ AHEAD)
        for i, (rotation, direction, _) in enumerate(cases)
    ]
    write_predictions(tmp_path / "p.parquet", answers)
    predictions = read_predictions(tmp_path / "p.parquet")
    rows = {
        (name, row.threshold_deg): row
        for name in CONVENTION_NAMES
        for row in score_as(CONVENTIONS[name], score_predictions(predictions, Labels.of(labels))).rows
        if row.quantity == "total" and row.measure is Measure.AUC
    }
    assert (rows["reloc3r", 5.0].ours_n, rows["reloc3r", 5.0].foreign_n) == (5, 6)
    # Ours: five pairs have a direction, the one of 2 cm has not; the larger errors are 1.2, 3.3, 176.4, 4.6.
    assert rows["reloc3r", 5.0].ours == pytest.approx(trapezoid([1.2, 3.3, 4.6], 5, 5.0))
    # Reloc3r: all six count.
    assert rows["reloc3r", 5.0].foreign == pytest.approx(trapezoid([1.2, 3.3, 3.3, 4.6], 6, 5.0))
    # Seen from b, the direction errors are direction minus rotation: 0, 0, 174.3, 0, 0, folded 0, 0, 5.7, 0, 0; the
    # larger of these and the rotation errors: 1.2, 3.3, 5.7, 4.6, 3.3.
    assert rows["superglue", 5.0].foreign == pytest.approx(trapezoid([1.2, 3.3, 3.3, 4.6], 6, 5.0))
    assert rows["superglue", 10.0].foreign == pytest.approx(trapezoid([1.2, 3.3, 3.3, 4.6, 5.7], 6, 10.0))
    # IMC takes the same errors; below 1, 2, ... 5 lie 0, 1, 1, 3, 4 of 6, below 6 ... 10 five.
    assert rows["imc", 5.0].foreign == pytest.approx(100 * 9 / 30)
    assert rows["imc", 10.0].foreign == pytest.approx(100 * 34 / 60)
    # VGGT looks from a and folds: 1.2, 3.3, 3.6, 4.6, 3.3. Below 1, 2, ... 5 lie 0, 1, 1, 4, 5. It leaves the pair that
    # failed out, MapAnything has no case for it and it stays.
    assert (rows["vggt", 5.0].foreign_n, rows["mapanything", 5.0].foreign_n) == (5, 6)
    assert rows["vggt", 5.0].foreign == pytest.approx(100 * 11 / 25)
    assert rows["mapanything", 5.0].foreign == pytest.approx(100 * 11 / 30)
    # Pi3 and Depth Anything 3 look from b: 1.2, 3.3, 5.7, 4.6, 3.3. Below 1 ... 5 lie 0, 1, 1, 3, 4.
    assert rows["pi3", 5.0].foreign == pytest.approx(100 * 9 / 30)
    assert rows["da3", 5.0].foreign == pytest.approx(100 * 9 / 25)


def test_another_convention_scores_the_condition_that_is_asked_for(tmp_path: Path):
    labels = [PairLabel(pair_name(i), axis_rotation("y", 9.0 * i), AHEAD, Scale.METRIC) for i in range(6)]
    answers = [
        Answer(label.pair_id, condition, axis_rotation("x", error) @ label.rotation_a_b, AHEAD)
        for label in labels
        for condition, error in (("clean", 0.0), ("dark", 2.5))
    ]
    write_predictions(tmp_path / "p.parquet", shuffled(answers))
    predictions = read_predictions(tmp_path / "p.parquet")
    for condition, expected in (("clean", 100.0), ("dark", trapezoid([2.5] * 6, 6, 5.0))):
        found = score_as(CONVENTIONS["reloc3r"], score_predictions(predictions, Labels.of(labels)), condition)
        total = {row.threshold_deg: row for row in found.rows if row.quantity == "total"}
        assert (total[5.0].foreign, total[5.0].ours) == (pytest.approx(expected), pytest.approx(expected))


def test_histogram_conventions_on_errors_off_the_edges():
    errors = [0.4, 1.6, 3.3, 4.7, 8.2, 25.0]
    # Up to 5, IMC and VGGT alike: cumulative 1, 2, 2, 3, 4 of 6 -> 12/30.
    for name in ("imc", "vggt"):
        assert convention_auc_percent(CONVENTIONS[name], errors, 5.0) == pytest.approx(100 * 12 / 30)
    # IMC up to 10: 4, 4, 4, 5, 5 more -> 34/60.
    assert convention_auc_percent(CONVENTIONS["imc"], errors, 10.0) == pytest.approx(100 * 34 / 60)
    # VGGT up to 30: 34 + 15 * 5 (bins 10 to 24) + 5 * 6 (25 to 29) = 139 of 180.
    assert convention_auc_percent(CONVENTIONS["vggt"], errors, 30.0) == pytest.approx(100 * 139 / 180)


def test_labels_without_translation_are_left_out_of_direction_everywhere(tmp_path: Path):
    labels = Labels.of([PairLabel("p", np.eye(3), np.zeros(3), Scale.ROTATION_ONLY)])
    write_predictions(tmp_path / "p.parquet", [Answer("p", "clean", np.eye(3), AHEAD)])
    predictions = read_predictions(tmp_path / "p.parquet")
    for name in set(CONVENTION_NAMES) - {"mapfree"}:
        rows = score_as(CONVENTIONS[name], score_predictions(predictions, labels)).rows
        assert {row.foreign for row in rows if row.quantity != "rotation"} <= {None}
        assert min(row.foreign for row in rows if row.quantity == "rotation") == pytest.approx(100.0)


def test_map_free_counts_poses_in_metres_over_confidence(tmp_path: Path):
    labels = [PairLabel(f"p{i}", np.eye(3), AHEAD, Scale.METRIC) for i in range(6)]
    labels.append(PairLabel("no-metres", np.eye(3), AHEAD, Scale.UNKNOWN))
    turned = axis_rotation("y", 6.0)
    answers = [
        Answer("p0", "clean", np.eye(3), 1.2 * AHEAD, metric=True, confidence=0.9),  # right
        Answer("p1", "clean", np.eye(3), 1.3 * AHEAD, metric=True, confidence=0.8),  # 0.3 m off
        Answer("p2", "clean", turned, AHEAD, metric=True, confidence=0.7),  # 6 degrees off
        Answer("p3", "clean", np.eye(3), AHEAD, metric=True, confidence=0.6),  # right
        Answer("p4", "clean", np.eye(3), AHEAD, metric=False, confidence=0.5),  # not in metres
        Answer("p5", "clean", None, None, status=Status.ERROR),
        Answer("no-metres", "clean", np.eye(3), AHEAD, metric=True, confidence=1.0),
    ]
    write_predictions(tmp_path / "p.parquet", answers)
    predictions = read_predictions(tmp_path / "p.parquet")
    found = score_as(CONVENTIONS["mapfree"], score_predictions(predictions, Labels.of(labels)))
    accuracy, precision = found.rows
    assert (accuracy.foreign, accuracy.foreign_n, accuracy.threshold_m) == (pytest.approx(100 * 2 / 6), 6, 0.25)
    # Precision 1, 1/2, 1/3, 2/4 at recalls 1/6 ... 4/6.
    assert precision.foreign == pytest.approx(100 * (1 + 1 / 2 + 1 / 3 + 1 / 2) / 6)
    assert (accuracy.ours, precision.ours) == (pytest.approx(accuracy.foreign), pytest.approx(precision.foreign))
    assert found.notes == ["2 of 6 pairs have no estimate in metres and count as wrong"]


def test_reloc3r_errors_and_auc_agree_with_the_public_code(shared_data: Path):
    data = np.load(shared_data / "reloc3r_parity" / "reloc3r_loss_metric.npz")
    truth, predicted = data["generic/gt_2to1"], data["generic/pred_pose2"]
    found = convention_errors(
        CONVENTIONS["reloc3r"],
        predicted_rotation=predicted[:, :3, :3],
        predicted_translation=predicted[:, :3, 3],
        true_rotation=truth[:, :3, :3],
        true_translation=truth[:, :3, 3],
    )
    np.testing.assert_allclose(found.rotation_deg, data["generic/metric_rot_deg"], atol=1e-4)
    np.testing.assert_allclose(found.direction_deg, data["generic/metric_transl_deg"], atol=1e-4)
    ours = [convention_auc_percent(CONVENTIONS["reloc3r"], found.total_deg, t) / 100 for t in (5.0, 10.0, 20.0)]
    np.testing.assert_allclose(ours, data["generic/auc_5_10_20"], atol=1e-4)


def test_reloc3r_is_nan_where_the_public_code_is(shared_data: Path):
    data = np.load(shared_data / "reloc3r_parity" / "reloc3r_loss_metric.npz")
    # A matrix of NaN is no answer here, and one of zeros has no nearest orthogonal matrix.
    rows = ~np.isin(data["edge/case"], ["rot_pred_nan", "all_zero_pred"])
    truth, predicted = data["edge/gt"][rows], data["edge/pred"][rows]
    found = convention_errors(
        CONVENTIONS["reloc3r"],
        predicted_rotation=predicted[:, :3, :3],
        predicted_translation=predicted[:, :3, 3],
        true_rotation=truth[:, :3, :3],
        true_translation=truth[:, :3, 3],
    )
    np.testing.assert_allclose(found.rotation_deg, data["edge/metric_rot_deg"][rows], atol=1e-4)
    np.testing.assert_allclose(found.direction_deg, data["edge/metric_transl_deg"][rows], atol=1e-4)
    assert np.isnan(found.direction_deg).sum() > 20


def test_auc_agrees_with_the_public_code_on_its_own_vectors(shared_data: Path):
    data = np.load(shared_data / "reloc3r_parity" / "reloc3r_loss_metric.npz")
    names = sorted({key.split("/")[1] for key in data if key.startswith("auc/")})
    compared = 0
    for name in names:
        errors = np.maximum(data[f"auc/{name}/rot_deg"], data[f"auc/{name}/transl_deg"])
        as_they = [python_sorted_auc_percent(errors, threshold) / 100 for threshold in (5.0, 10.0, 20.0)]
        np.testing.assert_allclose(as_they, data[f"auc/{name}/auc_5_10_20"], atol=1e-6, err_msg=name)
        if not data[f"auc/{name}/input_has_nan"]:
            ours = [auc_percent(errors, threshold) / 100 for threshold in (5.0, 10.0, 20.0)]
            np.testing.assert_allclose(ours, as_they, atol=1e-12, err_msg=name)
        compared += 1
    assert compared == len(names) > 10
