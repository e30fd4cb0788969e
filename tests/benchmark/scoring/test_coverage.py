"""How often 95 % intervals hold the truth, and how often equally good models are called different, by simulation.

Errors are made with a known truth: groups that share an effect, of equal sizes, of sizes that fall as 1/rank (Zipf),
with half of all pairs in one group, and with sizes that go with difficulty. `pytest -m slow -s` prints the tables of
docs/statistics.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from avbench.benchmark.scoring import families
from avbench.benchmark.scoring.bootstrap import Clusters, Estimate, Sampled, draw_clusters
from avbench.benchmark.scoring.families import PairedRow
from avbench.benchmark.scoring.metric import all_metrics

REPETITIONS, RESAMPLES = 1000, 1000
SIZES = ("equal", "Zipf", "half in one", "size with difficulty")
ERRORS = ("log-normal", "heavy", "20 % failures")
METRICS = tuple(all_metrics()[f"rotation.{name}"] for name in ("mean_deg", "median_deg", "auc@5", "auc@10", "auc@20"))
COLUMNS = ("mean", "median", "AUC@5", "AUC@10", "AUC@20", "difference", "drop", "ratio")
_CENTRE, _SPREAD = 13.0, 6.6  # of sizes that are drawn between 2 and 24


@dataclass(frozen=True)
class Design:
    """Sizes of groups and kind of errors."""

    sizes: str
    errors: str

    def draw_sizes(self, groups: int, random: np.random.Generator) -> np.ndarray:
        """(groups,) pairs of each group, about eight on average but for the largest."""
        if self.sizes == "Zipf":
            share = 1 / np.arange(1, groups + 1)
            return np.maximum(1, np.round(share / share.sum() * 8 * groups)).astype(int)
        if self.sizes == "half in one":
            return np.r_[8 * (groups - 1), np.full(groups - 1, 8)]
        if self.sizes == "size with difficulty":
            return random.integers(2, 25, groups)
        return np.full(groups, 8)

    def draw(self, sizes: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Errors in degrees of a better and of a worse model on the same pairs."""
        of_groups, of_pairs = (0.7, 1.0) if self.errors == "heavy" else (0.5, 0.5)
        index = np.repeat(np.arange(len(sizes)), sizes)
        place = random.normal(0, 1, len(sizes))
        if self.sizes == "size with difficulty":
            place = 0.8 * (sizes - _CENTRE) / _SPREAD + 0.6 * place
        failing = random.beta(0.8, 3.2, len(sizes))
        level = 1 + of_groups * place[index]
        better = self._one(level - 0.2, of_pairs, failing[index], random)
        return better, self._one(level, of_pairs, failing[index], random)

    def _one(self, level: np.ndarray, spread: float, failing: np.ndarray, random: np.random.Generator) -> np.ndarray:
        noise = random.standard_t(4, len(level)) if self.errors == "heavy" else random.normal(0, 1, len(level))
        errors = np.exp(level + spread * noise)
        if self.errors == "20 % failures":
            errors = np.where(random.random(len(level)) < failing, random.uniform(0, 180, len(level)), errors)
        return np.minimum(errors, 180.0)


def numbers(a: np.ndarray, b: np.ndarray, clusters: Clusters) -> list[Sampled]:
    """What `COLUMNS` names."""
    of_a, of_b = ([metric.sampled(errors, clusters) for metric in METRICS] for errors in (a, b))
    return [*of_b, of_a[0].minus(of_b[0]), of_a[4].minus(of_b[4]), of_a[0].over(of_b[0])]


def holds(found: Estimate, truth: float) -> bool | None:
    return None if found.low is None or found.high is None else found.low <= truth <= found.high


def coverage(design: Design, groups: int) -> tuple[float, list[float | None]]:
    """Mean effective number of groups, and the share of intervals that hold the truth; None where few have one."""
    random = np.random.default_rng(1)
    many = design.draw_sizes(60_000, random) if design.sizes == "size with difficulty" else np.full(60_000, 8)
    big = design.draw(many, random)
    alone = Clusters(np.zeros(len(big[0]), dtype=np.int64), np.zeros((0, 1)))
    truth = [one.point for one in numbers(*big, alone)]
    random = np.random.default_rng(groups)
    held: list[list[bool]] = [[] for _ in COLUMNS]
    effective = []
    for repetition in range(REPETITIONS):
        sizes = design.draw_sizes(groups, random)
        a, b = design.draw(sizes, random)
        names = [str(group) for group in np.repeat(np.arange(groups), sizes)]
        clusters = draw_clusters(names, resamples=RESAMPLES, seed=repetition)
        for column, (one, true) in enumerate(zip(numbers(a, b, clusters), truth, strict=True)):
            inside = holds(one.estimate, true)
            effective.append(one.effective_groups)
            if inside is not None:
                held[column].append(inside)
    shares = [float(np.mean(one)) if len(one) > REPETITIONS / 2 else None for one in held]
    return float(np.mean(effective)), shares


def false_better(design: Design, groups: int) -> tuple[float, float]:
    """Share of repetitions in which the mean alone, and in which any of five metrics, is called different."""
    random = np.random.default_rng(groups + 1)
    single = family = 0
    for repetition in range(REPETITIONS):
        sizes = design.draw_sizes(groups, random)
        a, b = design.draw(sizes, random)
        # Each pair's two errors the other way round with a chance of one half: equally good, and alike in a place.
        swap = (random.random(groups) < 0.5)[np.repeat(np.arange(groups), sizes)]
        a, b = np.where(swap, b, a), np.where(swap, a, b)
        clusters = draw_clusters([str(g) for g in np.repeat(np.arange(groups), sizes)], resamples=20, seed=repetition)
        rows = [
            PairedRow(metric.sampled(a, clusters), metric.sampled(b, clusters), a, b, metric.statistic)
            for metric in METRICS
        ]
        found = families.tested_differences(rows, clusters).differences
        single += found[0].p_value is not None and found[0].p_value <= 0.05
        family += any(one.family_p_value is not None and one.family_p_value <= 0.05 for one in found)
    return single / REPETITIONS, family / REPETITIONS


@pytest.mark.slow
@pytest.mark.parametrize("sizes", SIZES)
def test_intervals_and_tests_hold_what_they_say(sizes: str) -> None:
    print(f"\n| sizes | errors | groups | effective | {' | '.join(COLUMNS)} | false better | of five |")
    print("|" + "---|" * (len(COLUMNS) + 6))
    error = math.sqrt(0.05 * 0.95 / REPETITIONS)
    for errors in ERRORS:
        for groups in (12, 30, 100):
            design = Design(sizes, errors)
            effective, shares = coverage(design, groups)
            single, family = false_better(design, groups)
            mark = "*" if effective < 50 else ""
            cells = " | ".join("none" if share is None else f"{share:.3f}{mark}" for share in shares)
            print(
                f"| {sizes} | {errors} | {groups} | {effective:.1f} | {cells} | {single:.3f} | {family:.3f} |",
                flush=True,
            )
            assert single <= 0.06 + 3 * error
            assert family <= 0.06 + 3 * error
            if effective >= 29.9:
                assert all(share is not None and 0.92 - 3 * error <= share <= 0.98 + 3 * error for share in shares)
