"""What a test needs of reports: a small data set with runs, and the cells of a page's tables."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from avbench.benchmark.data.dataset import open_dataset
from avbench.benchmark.predictions.file import Answer, Status, read_predictions, write_predictions
from avbench.benchmark.scoring.labels import Labels
from avbench.benchmark.scoring.score import score_predictions
from avbench.preprocessing.base.geometry import axis_rotation
from prepared_data import pair_name, pair_row, write_dataset

HOSTILE = '<script>alert("x")</script> & \\ _ % </style>'


def make_dataset(folder: Path, pairs: int = 24, *, groups: int = 12, **changed: Any) -> Path:
    """Pairs that turn by -20 to 20 degrees and move ahead and to the side; the last two have no direction."""
    rows = []
    for i in range(pairs):
        translation = (0.3 * np.sin(i), 0.05, 0.4) if i < pairs - 2 else (0.0, 0.0, 0.01)
        R = axis_rotation("y", -20.0 + 40.0 * i / pairs)
        rows.append(pair_row(pair_name(i), R, translation, group_id=f"g{i % groups}", **changed))
    return write_dataset(folder, {"test": rows})


def make_run(
    folder: Path,
    data: Path,
    *,
    model: str = "wobbly",
    noise_deg: float = 4.0,
    conditions: tuple[str, ...] = ("clean", "fog-1", "fog-3", "fog-5", "low_light-1", "low_light-5"),
    failed: int = 1,
    limit: int | None = None,
    message: str = "ValueError: no matches",
    threshold_m: float | None = None,
    **settings: Any,
) -> Path:
    """A run whose answers are off by noise that grows with severity, laid out as `avbench evaluate` does."""
    dataset = open_dataset(data)
    labels = dataset.labels("test", limit=limit)
    rng = np.random.default_rng(len(model))
    answers = []
    for condition in conditions:
        severity = int(condition.split("-")[1]) if condition[-1].isdigit() else 0
        for number, label in enumerate(labels):
            off = rng.normal(0.0, noise_deg * (1 + severity), 2)
            R = label.rotation_a_b @ axis_rotation("y", float(off[0]))
            t = axis_rotation("y", float(off[1])) @ label.translation_a_b_m
            if number < failed:
                answers.append(Answer(label.pair_id, condition, None, None, status=Status.ERROR, message=message))
            else:
                answers.append(Answer(label.pair_id, condition, R, t, metric=True, confidence=0.5, milliseconds=2.0))
    record = {
        "model": model,
        "split": "test",
        "limit": limit,
        "dataset_fingerprint": dataset.fingerprint,
        "packages": {"avbench": "0.1.0", "numpy": "2.0"},
        "code_sha256": "ab" * 32,
        "device": "cpu",
        "seed": 0,
        "golden_mismatches": [],
        **settings,
    }
    folder.mkdir(parents=True)
    write_predictions(folder / "predictions.parquet", answers, {"settings": record})
    predictions = read_predictions(folder / "predictions.parquet")
    groups = dataset.table("test", ("group_id",), limit=limit).column("group_id").to_pylist()
    scored = score_predictions(predictions, Labels.of(labels), groups, baseline_threshold_m=threshold_m)
    result = {
        "model": model,
        "predictions_sha256": predictions.content_sha256(),
        "scores": [one.to_json() for one in scored.scores],
    }
    (folder / "score.json").write_text(json.dumps(result), encoding="utf-8")
    document = {
        "command": ["avbench", "evaluate", "data", "--model", model],
        "suite": "mine",
        "seconds": {"predict": 1.5},
    }
    (folder / "run.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


class _Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.cells: dict[tuple[str, str, str], str] = {}
        self.words: list[str] = []
        self._row: tuple[str, str] | None = None
        self._cell: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "tr":
            run, condition = found.get("data-run"), found.get("data-condition")
            self._row = (run, condition) if run is not None and condition is not None else None
        if tag == "td" and self._row is not None:
            self._cell = found.get("data-metric")
        if tag == "span" and self._row is not None and self._cell is not None:
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._row is not None and self._cell is not None:
            key = (*self._row, self._cell)
            self.cells[key] = self.cells.get(key, "") + data


def table_cells(page: str) -> dict[tuple[str, str, str], str]:
    """Cells of the score tables by (run, condition, metric): "7.25 [6.9, 7.6]"."""
    parser = _Cells()
    parser.feed(page)
    return parser.cells


def page_words(page: str) -> str:
    """All text of a page, entities resolved."""
    parser = _Cells()
    parser.feed(page)
    return " ".join(" ".join(parser.words).split())
