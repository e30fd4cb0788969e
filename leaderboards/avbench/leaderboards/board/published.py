"""What a board publishes of a score: as many digits as mean something, and no more.

Every digit of a mean over few pairs says something of each of them: who hands in answers that differ in one pair and
reads full floating-point precision solves for the label of that pair. 0.01 degrees is finer than the labels of any
recording are known and finer than the difference between two models that any board could show, so degrees and the area
under the curve in percent have two decimals, and metres have three. Pages print these numbers as they are stored, and
models whose rounded numbers are equal share a rank. Rounding does not replace a limit on the number of submissions:
over few pairs even two decimals tell something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avbench.benchmark.scoring.score import Score

DECIMALS = 2
DECIMALS_OF_METRES = 3
_EXACT = frozenset({"baseline_threshold_m", "counts"})  # settings and counts, not measured


def published_score(score: Score) -> dict[str, Any]:
    """A score in JSON form with its measured numbers rounded."""
    return {key: value if key in _EXACT else _rounded(value, key) for key, value in score.to_json().items()}


def _rounded(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _rounded(part, name) for name, part in value.items()}
    if isinstance(value, float):
        # Adding zero turns -0.0 into 0.0.
        return round(value, DECIMALS_OF_METRES if key.endswith("_m") else DECIMALS) + 0.0
    return value
