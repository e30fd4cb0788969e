"""What intervals cost: statistics from group counts against resamples written out pair by pair, in turn in one run.

Times are CPU times of this process, so that a busy machine does not decide.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from avbench.benchmark.metrics.definitions import auc_percent
from avbench.benchmark.scoring.bootstrap import draw_clusters
from avbench.benchmark.scoring.statistics.summaries import prepare_auc, prepare_median

PAIRS, GROUPS, RESAMPLES = 2500, 250, 2000


@pytest.mark.perf
@pytest.mark.parametrize("name", ["median", "AUC@10"])
def test_resampling_by_counts_is_far_faster_than_drawing_pairs(name: str) -> None:
    errors = np.random.default_rng(1).exponential(8, PAIRS)
    clusters = draw_clusters([f"g{i % GROUPS}" for i in range(PAIRS)], resamples=RESAMPLES)
    counts = clusters.counts.astype(int)
    fast = prepare_median if name == "median" else prepare_auc(10.0)
    plain = np.median if name == "median" else (lambda values: auc_percent(values, 10.0))
    spent = {"counts": 0.0, "pairs": 0.0}
    for _ in range(2):
        started = time.process_time()
        drawn = fast(errors, clusters.index, clusters.groups).of(clusters.counts)
        spent["counts"] += time.process_time() - started
        started = time.process_time()
        written = np.array([plain(np.repeat(errors, row[clusters.index])) for row in counts])
        spent["pairs"] += time.process_time() - started
        np.testing.assert_allclose(drawn, written, rtol=1e-9)
    ratio = spent["pairs"] / spent["counts"]
    print(f"\n{name}, {PAIRS} pairs in {GROUPS} groups, {RESAMPLES} resamples: by counts {ratio:.0f} times faster")
    assert ratio > 5
