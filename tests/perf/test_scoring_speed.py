"""What scoring costs as predictions grow: time and memory a prediction, of few and of many in one run.

Times are CPU times of this process, so that a busy machine does not decide.
"""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from avbench.benchmark.predictions.file import Predictions, Status
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.score import ScoredRun, score_predictions
from avbench.preprocessing.recording.recording import Scale

FEW, MANY, GROUPS = 30_000, 300_000, 200


def given(count: int) -> tuple[Predictions, Labels, list[str]]:
    random = np.random.default_rng(count)
    turns = Rotation.from_rotvec(random.normal(0.0, 0.2, (count, 3)))
    names = tuple(f"pair-{i}" for i in range(count))
    labels = Labels(
        pair_id=names,
        rotation_a_b=turns.as_matrix(),
        translation_a_b_m=random.normal(0.0, 0.5, (count, 3)),
        scale=(Scale.METRIC,) * count,
        direction_sigma_deg=np.full(count, np.nan),
    )
    predictions = Predictions(
        pair_id=names,
        condition=("clean",) * count,
        rotation_a_b=(turns * Rotation.from_rotvec(random.normal(0.0, 0.1, (count, 3)))).as_matrix(),
        translation_a_b=labels.translation_a_b_m + random.normal(0.0, 0.1, (count, 3)),
        metric=np.ones(count, dtype=np.bool_),
        confidence=np.full(count, np.nan),
        status=(Status.OK,) * count,
        message=(None,) * count,
        milliseconds=np.full(count, np.nan),
        info={},
        where="made for this test",
    )
    return predictions, labels, [f"group-{i % GROUPS}" for i in range(count)]


def scored(predictions: Predictions, labels: Labels, groups: list[str]) -> ScoredRun:
    run = score_predictions(predictions, labels, groups)
    assert run.score().counts.failed == 0
    return run


@pytest.mark.perf
def test_time_and_memory_of_scoring_grow_with_the_predictions_and_no_faster() -> None:
    inputs = {count: given(count) for count in (FEW, MANY)}
    seconds = dict.fromkeys(inputs, np.inf)
    for _ in range(3):
        for count, made in inputs.items():
            started = time.process_time()
            scored(*made)
            seconds[count] = min(seconds[count], time.process_time() - started)
    peak = {}
    for count, made in inputs.items():
        tracemalloc.start()
        scored(*made)
        peak[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    for count in inputs:
        each = f"{1e6 * seconds[count] / count:.1f} us and {peak[count] / count:.0f} bytes of peak memory each"
        print(f"\n{count:,} predictions in {GROUPS} groups: {seconds[count]:.2f} s of CPU; {each}")
    assert seconds[MANY] / MANY < 1.5 * seconds[FEW] / FEW
    assert peak[MANY] / MANY < 1.5 * peak[FEW] / FEW
