"""The shipped test vectors of the metrics: ours, every foreign convention, and what must not depend on the world."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from avbench.benchmark.cli.score import CONVENTION_NAMES
from avbench.benchmark.metrics.definitions import pair_errors
from avbench.benchmark.metrics.spec import load_metrics_spec
from avbench.benchmark.predictions.file import Predictions, Status
from avbench.benchmark.scoring.convention_errors import convention_errors
from avbench.benchmark.scoring.conventions import score_as
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.score import score_predictions
from avbench.preprocessing.base.geometry import invert_transform, relative_pose
from avbench.preprocessing.recording.recording import Scale


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    return json.loads((files("avbench.benchmark.metrics") / "conformance.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def given(vectors: dict[str, Any]) -> tuple[Predictions, Labels]:
    pairs = vectors["pairs"]
    names = tuple(pair["pair_id"] for pair in pairs)
    labels = Labels(
        names,
        np.array([pair["true_rotation_a_b"] for pair in pairs]),
        np.array([pair["true_translation_a_b_m"] for pair in pairs]),
        tuple(Scale(pair["scale"]) for pair in pairs),
        np.array([pair["direction_sigma_deg"] for pair in pairs], dtype=float),
    )
    nothing = np.full(len(pairs), np.nan)
    predictions = Predictions(
        names,
        ("clean",) * len(pairs),
        np.array([pair["rotation_a_b"] or np.full((3, 3), np.nan) for pair in pairs], dtype=float),
        np.array([pair["translation_a_b"] or np.full(3, np.nan) for pair in pairs], dtype=float),
        np.array([pair["metric"] for pair in pairs]),
        np.array([pair["confidence"] for pair in pairs]),
        tuple(Status(pair["status"]) for pair in pairs),
        (None,) * len(pairs),
        nothing,
        {},
        "vectors",
    )
    return predictions, labels


def test_the_vectors_are_for_these_metrics(vectors: dict[str, Any]) -> None:
    assert vectors["metrics_spec_version"] == load_metrics_spec().version


def test_our_metrics(vectors: dict[str, Any], given: tuple[Predictions, Labels]) -> None:
    found = score_predictions(*given).score()
    assert found.counts.uncertain_direction == 2
    for kind, expected in vectors["expected"]["avbench"].items():
        values = {name: value for name, value in expected.items() if name not in ("n", "auc")}
        values |= {f"auc@{threshold}": value for threshold, value in expected["auc"].items()}
        for name, value in values.items():
            assert found.estimates[f"{kind}.{name}"].pairs == expected["n"]
            assert found.value(f"{kind}.{name}") == pytest.approx(value, abs=1e-9)


# An arccos near 1 turns the last bit of a cosine into 1e-6 degrees, in float32 the last bit of its own result.
ERROR_TOLERANCE_DEG = 1e-5


@pytest.mark.parametrize("name", CONVENTION_NAMES)
def test_foreign_errors_of_every_pair(vectors: dict[str, Any], given: tuple[Predictions, Labels], name: str) -> None:
    predictions, labels = given
    found = convention_errors(
        load_metrics_spec().conventions[name],
        predicted_rotation=predictions.rotation_a_b,
        predicted_translation=predictions.translation_a_b,
        true_rotation=labels.rotation_a_b,
        true_translation=labels.translation_a_b_m,
    )
    for row, (rotation, direction) in enumerate(vectors["expected"][name]["errors"]):
        where = labels.pair_id[row]
        if rotation == "undetermined":
            assert found.rotation_deg[row] > 170.0, where
        else:
            assert found.rotation_deg[row] == _number(rotation), where
        if labels.translation_a_b_m[row].any():
            assert found.direction_deg[row] == _number(direction), where


def _number(value: float | str | None) -> Any:
    number = math.nan if value is None or value == "NaN" else float(value)
    return pytest.approx(number, abs=ERROR_TOLERANCE_DEG, nan_ok=True)


@pytest.mark.parametrize("name", CONVENTION_NAMES)
def test_foreign_measures(vectors: dict[str, Any], given: tuple[Predictions, Labels], name: str) -> None:
    convention = load_metrics_spec().conventions[name]
    rows = score_as(convention, score_predictions(*given)).rows
    found = {(row.quantity, row.measure, row.threshold_deg): row for row in rows}
    expected = vectors["expected"][name]["measures"]
    for measure in expected:
        row = found[measure["quantity"], measure["measure"], measure["threshold_deg"]]
        assert row.foreign == _number(measure["value"]), measure
        assert row.foreign_n == measure["n"], measure
    assert len(rows) == len(expected)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "vggt",
            ["3 pairs without an answer are left out, as", "that code computes NaN as the error of 1 pairs: they"],
        ),
        ("pi3", ["4 pairs without an answer count as never reached: that code has no case"]),
        ("posediffusion", ["that code stops at, or gives NaN to, "]),
        ("reloc3r", ["the value depends on the order of the pairs, or is NaN; total AUC would be "]),
        ("mapfree", ["pairs have no estimate in metres and count as wrong"]),
    ],
)
def test_what_a_code_leaves_open_is_said(
    vectors: dict[str, Any], given: tuple[Predictions, Labels], name: str, said: list[str]
) -> None:
    notes = "\n".join(score_as(load_metrics_spec().conventions[name], score_predictions(*given)).notes)
    for text in said:
        assert text in notes


def test_the_vectors_hold_what_separates_the_codes(vectors: dict[str, Any]) -> None:
    errors = {name: vectors["expected"][name]["errors"] for name in CONVENTION_NAMES}
    kinds = {pair["status"] for pair in vectors["pairs"]}
    assert kinds == {"ok", "error", "invalid", "missing"}
    # Right answers whose error is NaN, and matrices in bfloat16 whose error is degrees or none, by the formula.
    right = range(48 + 16, 48 + 24)
    assert 0 < sum(errors["reloc3r"][row][1] is None for row in right) < len(right)
    bfloat16 = range(48, 58)
    assert max(errors["superglue"][row][0] for row in bfloat16) > 3.0
    assert max(errors["vggt"][row][0] for row in bfloat16) > 3.0
    assert max(errors["imc"][row][0] for row in bfloat16) < 0.1


Relative = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Relative poses (N, 4, 4) of world-to-camera transforms (N, 4, 4) of views i and j."""


def errors_in_every_world(gauge: dict[str, Any], relative: Relative) -> np.ndarray:
    """(worlds, pairs, 2) rotation and signed direction errors of relative poses formed in each world."""
    i, j = np.array(gauge["pairs"]).T
    found = []
    for world in gauge["worlds"]:
        E_true, E_pred = np.array(world["true_camera_world"]), np.array(world["predicted_camera_world"])
        T_true, T_pred = relative(E_true[i], E_true[j]), relative(E_pred[i], E_pred[j])
        errors = pair_errors(
            predicted_rotation=T_pred[:, :3, :3],
            predicted_translation=T_pred[:, :3, 3],
            predicted_metric=np.zeros(len(i), dtype=bool),
            true_rotation=T_true[:, :3, :3],
            true_translation=T_true[:, :3, 3],
        )
        found.append(np.stack([errors.rotation_deg, errors.direction_deg], axis=-1))
    return np.array(found)


def check_gauge(gauge: dict[str, Any], relative: Relative) -> None:
    """Moving the world must not change an error."""
    errors = errors_in_every_world(gauge, relative)
    np.testing.assert_allclose(errors, np.broadcast_to(errors[0], errors.shape), atol=1e-9)


def ours(E_i: np.ndarray, E_j: np.ndarray) -> np.ndarray:
    return relative_pose(invert_transform(E_i), invert_transform(E_j))


RIGHT: dict[str, Relative] = {
    "T_i_j": lambda E_i, E_j: E_i @ np.linalg.inv(E_j),
    "T_j_i": lambda E_i, E_j: E_j @ np.linalg.inv(E_i),
}


def world_dependent(E_i: np.ndarray, E_j: np.ndarray) -> np.ndarray:
    return np.linalg.inv(E_i) @ E_j


@pytest.mark.parametrize(
    ("relative", "expected"), [(ours, "T_i_j"), (RIGHT["T_i_j"], "T_i_j"), (RIGHT["T_j_i"], "T_j_i")]
)
def test_moving_the_world_changes_no_error(vectors: dict[str, Any], relative: Relative, expected: str) -> None:
    gauge = vectors["gauge"]
    check_gauge(gauge, relative)
    np.testing.assert_allclose(errors_in_every_world(gauge, relative)[0], gauge["errors"][expected], atol=1e-9)


def test_the_gauge_test_fails_on_relative_poses_that_depend_on_the_world(vectors: dict[str, Any]) -> None:
    gauge = vectors["gauge"]
    with pytest.raises(AssertionError):
        check_gauge(gauge, world_dependent)
    found = errors_in_every_world(gauge, world_dependent)
    np.testing.assert_allclose(found, gauge["world_dependent"]["errors"], atol=1e-9)
    assert np.ptp(found, axis=0).max(axis=0) == pytest.approx(gauge["world_dependent"]["largest_change_deg"], abs=1e-9)
    assert min(gauge["world_dependent"]["largest_change_deg"]) > 30.0


def test_of_the_first_view_alone_the_world_dependent_formula_is_right(vectors: dict[str, Any]) -> None:
    # With the first camera as the world, as Depth Anything 3 puts it, inv(E_0) E_j is T_j_0: right for two views.
    gauge = vectors["gauge"]
    first_is_world = errors_in_every_world(gauge, world_dependent)[1]
    of_the_first = [row for row, (i, _) in enumerate(gauge["pairs"]) if i == 0]
    np.testing.assert_allclose(
        first_is_world[of_the_first], np.array(gauge["errors"]["T_j_i"])[of_the_first], atol=1e-9
    )
