"""The files of a run beside its predictions: their names, and what is written into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from avbench.benchmark.scoring.bootstrap import CONFIDENCE, DEFAULT_RESAMPLES
from avbench.benchmark.scoring.score import ScoredRun
from avbench.preprocessing.base.atomic import write_text

SCORE_NAME = "score.json"
RUN_NAME = "run.json"
PROBES_NAME = "probes.json"
REPORT_NAME = "report.html"
RESULT_NAMES = (SCORE_NAME, RUN_NAME, PROBES_NAME, REPORT_NAME, "scores.csv", "scores.md", "scores.tex")
"""What an evaluation writes beside the predictions, and replaces with them."""


def score_document(run: ScoredRun, *, model: str, split: str, dataset_fingerprint: str) -> dict[str, Any]:
    """`score.json` as JSON values: every metric of every condition with its interval."""
    return {
        "model": model,
        "split": split,
        "dataset_fingerprint": dataset_fingerprint,
        "predictions_sha256": run.predictions.content_sha256(),
        "intervals": {"confidence": CONFIDENCE, "clustered_by": "group_id", "resamples": DEFAULT_RESAMPLES, "seed": 0},
        "scores": [entry.to_json() for entry in run.scores],
    }


def write_document(path: Path, document: Mapping[str, Any]) -> None:
    """Write JSON values, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
