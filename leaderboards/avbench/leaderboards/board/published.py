"""What a board publishes of a score: as many digits as mean something, and no more.

Every digit of a mean over few pairs says something of each of them: a submitter whose answers differ in one pair and
who reads full floating-point precision can solve for the label of that pair. 0.01 degrees is finer than the labels of
any recording are known and finer than the difference between two models that any board could show, so degrees and the
area under the curve in percent have two decimals, and metres have three. Pages print these numbers as they are stored,
and models whose rounded numbers are equal share a rank. Rounding does not replace a limit on the number of submissions:
over few pairs even two decimals tell something.
"""

from __future__ import annotations

from typing import Any

from avbench.benchmark.scoring.metric import all_metrics
from avbench.benchmark.scoring.score import Score

DECIMALS = 2
DECIMALS_OF_METRES = 3


def published_score(score: Score) -> dict[str, Any]:
    """A score in JSON form: its counts, and every metric's value, rounded, with its number of pairs."""
    published = score.to_json()
    del published["change_from_clean"]
    published["metrics"] = {
        name: {"value": _rounded(found["value"], name), "pairs": found["pairs"]}
        for name, found in published["metrics"].items()
    }
    return published


def _rounded(value: Any, metric: str) -> Any:
    if not isinstance(value, float):  # null where nothing is scored, "inf" for infinity
        return value
    # Adding zero turns -0.0 into 0.0.
    return round(value, DECIMALS_OF_METRES if all_metrics()[metric].unit == "m" else DECIMALS) + 0.0
