"""How well a run stands corruption, beside a named baseline: mean corruption error and what goes with it.

The ratios of Hendrycks and Dietterich ("Benchmarking neural network robustness", ICLR 2019, section 4.1), with mean
pose errors in the place of classification errors. All of them are taken of the same resamples, so each has an interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avbench.benchmark.scoring.bootstrap import Estimate, Sampled, average


@dataclass(frozen=True)
class Robustness:
    """Errors under corruption relative to a baseline's (Hendrycks and Dietterich 2019, section 4.1), as ratios.

    Attributes:
        corruption_error: Ratio of summed errors per corruption.
        mean_corruption_error: Its mean over corruptions (mCE; 1 is the baseline).
        relative_mean_corruption_error: The same for the rise over clean; None without clean errors, without a value
            where the baseline's rise is not clear of zero.
        relative_performance: Mean clean error over mean corrupted error of the run itself (1 is no loss); None without
            clean errors.
    """

    corruption_error: Mapping[str, Estimate]
    mean_corruption_error: Estimate
    relative_mean_corruption_error: Estimate | None
    relative_performance: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        relative, performance = self.relative_mean_corruption_error, self.relative_performance
        return {
            "corruption_error": {name: value.to_json() for name, value in self.corruption_error.items()},
            "mean_corruption_error": self.mean_corruption_error.to_json(),
            "relative_mean_corruption_error": None if relative is None else relative.to_json(),
            "relative_performance": None if performance is None else performance.to_json(),
        }


def robustness(
    errors: Mapping[str, Sequence[Sampled]],
    baseline_errors: Mapping[str, Sequence[Sampled]],
    clean_error: Sampled | None = None,
    baseline_clean_error: Sampled | None = None,
) -> Robustness:
    """Summarise mean errors per corruption against a named baseline's.

    Args:
        errors: Mean errors of the run by corruption, one per severity, sampled with the same resamples throughout.
        baseline_errors: The same of the baseline.
        clean_error: Mean clean error of the run, None if it has none.
        baseline_clean_error: Mean clean error of the baseline.

    Raises:
        ValueError: The two name different corruptions or severities, or there is none.
    """
    if not errors or {k: len(v) for k, v in errors.items()} != {k: len(v) for k, v in baseline_errors.items()}:
        raise ValueError(f"corruptions differ: {sorted(errors)} and {sorted(baseline_errors)}")
    own = {name: average(severities) for name, severities in errors.items()}
    base = {name: average(baseline_errors[name]) for name in errors}
    ratio = {name: own[name].over(base[name]) for name in errors}
    relative = None
    if clean_error is not None and baseline_clean_error is not None:
        rises = [(own[name].minus(clean_error), base[name].minus(baseline_clean_error)) for name in errors]
        relative = average([rise.over(base_rise) for rise, base_rise in rises]).estimate
    performance = None if clean_error is None else clean_error.over(average(list(own.values()))).estimate
    return Robustness(
        corruption_error={name: value.estimate for name, value in ratio.items()},
        mean_corruption_error=average(list(ratio.values())).estimate,
        relative_mean_corruption_error=relative,
        relative_performance=performance,
    )
