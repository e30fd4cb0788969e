"""The shipped test vectors of the metrics: ours, and every foreign convention."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import numpy as np
import pytest

from avbench.benchmark.conventions import score_as
from avbench.benchmark.metrics_spec import load_metrics_spec
from avbench.benchmark.predictions import Predictions, Status
from avbench.benchmark.scoring import Labels, score_condition
from avbench.preprocessing.recording import Scale


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    return json.loads((files("avbench.benchmark") / "conformance.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def given(vectors: dict[str, Any]) -> tuple[Predictions, Labels]:
    pairs = vectors["pairs"]
    names = tuple(pair["pair_id"] for pair in pairs)
    labels = Labels(
        names,
        np.array([pair["true_rotation_a_b"] for pair in pairs]),
        np.array([pair["true_translation_a_b_m"] for pair in pairs]),
        tuple(Scale(pair["scale"]) for pair in pairs),
    )
    nothing = np.full(len(pairs), np.nan)
    predictions = Predictions(
        names,
        ("clean",) * len(pairs),
        np.array([pair["rotation_a_b"] or np.full((3, 3), np.nan) for pair in pairs], dtype=float),
        np.array([pair["translation_a_b"] or np.full(3, np.nan) for pair in pairs], dtype=float),
        np.zeros(len(pairs), dtype=bool),
        nothing,
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
    found = score_condition(*given).to_json()
    for kind, expected in vectors["expected"]["avbench"].items():
        assert found[kind]["n"] == expected["n"]
        assert found[kind]["mean_deg"] == pytest.approx(expected["mean_deg"], abs=1e-9)
        assert found[kind]["median_deg"] == pytest.approx(expected["median_deg"], abs=1e-9)
        assert found[kind]["auc"] == pytest.approx(expected["auc"], abs=1e-9)


@pytest.mark.parametrize("name", ["reloc3r", "superglue", "imc", "vggt"])
def test_foreign_conventions(vectors: dict[str, Any], given: tuple[Predictions, Labels], name: str) -> None:
    convention = load_metrics_spec().conventions[name]
    rows = score_as(convention, *given, baseline_threshold_m=0.05)
    found = {(row.quantity, f"{row.threshold_deg:g}"): row for row in rows}
    for kind, expected in vectors["expected"][name].items():
        for threshold, area in expected["auc"].items():
            assert found[kind, threshold].foreign == pytest.approx(area, abs=1e-9), (kind, threshold)
            assert found[kind, threshold].foreign_n == expected["n"]
    assert len(found) == sum(len(expected["auc"]) for expected in vectors["expected"][name].values())
