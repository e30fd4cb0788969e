"""The foreign conventions against values worked out independently, and against the public Reloc3r numbers."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from avbench.benchmark.commands import CONVENTION_NAMES
from avbench.benchmark.conventions import convention_auc_percent, convention_errors, histogram_auc_percent, score_as
from avbench.benchmark.metrics import auc_percent
from avbench.benchmark.metrics_spec import load_metrics_spec
from avbench.benchmark.model_api import PairLabel
from avbench.benchmark.predictions import Answer, read_predictions, write_predictions
from avbench.benchmark.scoring import Labels
from avbench.preprocessing.geometry import axis_rotation, nearest_rotation
from avbench.preprocessing.recording import Scale

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
    assert set(CONVENTION_NAMES) == set(CONVENTIONS)


def test_the_sign_of_a_translation_counts_only_under_reloc3r():
    # (0, sin 170, cos 170) is 170 degrees from straight ahead, and 10 from its opposite.
    far = (0.0, math.sin(math.radians(170.0)), math.cos(math.radians(170.0)))
    assert errors_under("reloc3r", np.eye(3), far)[1] == pytest.approx(170.0)
    for name in ("superglue", "imc", "vggt"):
        assert errors_under(name, np.eye(3), far)[1] == pytest.approx(10.0)


def test_superglue_and_imc_look_from_the_other_camera():
    # The right place of camera b, but its axes turned by 25 degrees about y. Seen from a, the direction is right; seen
    # from b, where a sits at -R' t, it is turned by 25 degrees.
    turned = axis_rotation("y", 25.0)
    for name, expected in (("reloc3r", 0.0), ("vggt", 0.0), ("superglue", 25.0), ("imc", 25.0)):
        rotation, direction = errors_under(name, turned, AHEAD)
        assert rotation == pytest.approx(25.0)
        assert direction == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "zero_costs"), [("reloc3r", math.inf), ("superglue", math.inf), ("imc", 90.0), ("vggt", 90.0)]
)
def test_no_translation_and_no_answer(name, zero_costs):
    assert errors_under(name, np.eye(3), (0.0, 0.0, 0.0)) == (pytest.approx(0.0), zero_costs)
    assert errors_under(name, np.eye(3), (np.nan, 0.0, 0.0))[1] == math.inf
    assert errors_under(name, np.full((3, 3), np.nan), AHEAD) == (math.inf, math.inf)


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
        for row in score_as(CONVENTIONS[name], predictions, Labels.of(labels), baseline_threshold_m=0.05)
        if row.quantity == "total"
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
    # VGGT looks from a and folds: 1.2, 3.3, 3.6, 4.6, 3.3. Below 1, 2, ... 5 lie 0, 1, 1, 4, 5.
    assert rows["vggt", 5.0].foreign == pytest.approx(100 * 11 / 30)


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
    for name in CONVENTION_NAMES:
        rows = score_as(CONVENTIONS[name], predictions, labels, baseline_threshold_m=0.05)
        assert {row.foreign for row in rows if row.quantity != "rotation"} == {None}
        assert min(row.foreign for row in rows if row.quantity == "rotation") == pytest.approx(100.0)


def test_reloc3r_errors_and_auc_agree_with_the_public_code(shared_data: Path):
    data = np.load(shared_data / "reloc3r_parity" / "reloc3r_loss_metric.npz")
    truth, predicted = data["generic/gt_2to1"], data["generic/pred_pose2"]
    found = convention_errors(
        CONVENTIONS["reloc3r"],
        predicted_rotation=nearest_rotation(predicted[:, :3, :3]),
        predicted_translation=predicted[:, :3, 3],
        true_rotation=truth[:, :3, :3],
        true_translation=truth[:, :3, 3],
    )
    # Their arccos in float32 is off by up to 0.003 degrees, most where the error is near 0.
    np.testing.assert_allclose(found.rotation_deg, data["generic/metric_rot_deg"], atol=2e-4)
    np.testing.assert_allclose(found.direction_deg, data["generic/metric_transl_deg"], atol=3e-3)
    ours = [convention_auc_percent(CONVENTIONS["reloc3r"], found.total_deg, t) / 100 for t in (5.0, 10.0, 20.0)]
    np.testing.assert_allclose(ours, data["generic/auc_5_10_20"], atol=1e-4)


def test_auc_agrees_with_the_public_code_on_its_own_vectors(shared_data: Path):
    data = np.load(shared_data / "reloc3r_parity" / "reloc3r_loss_metric.npz")
    names = sorted({key.split("/")[1] for key in data if key.startswith("auc/")})
    compared = 0
    for name in names:
        if data[f"auc/{name}/input_has_nan"]:
            continue  # their result depends on where in the list the NaN is
        errors = np.maximum(data[f"auc/{name}/rot_deg"], data[f"auc/{name}/transl_deg"])
        ours = [auc_percent(errors, threshold) / 100 for threshold in (5.0, 10.0, 20.0)]
        np.testing.assert_allclose(ours, data[f"auc/{name}/auc_5_10_20"], atol=1e-6, err_msg=name)
        compared += 1
    assert compared == 10
