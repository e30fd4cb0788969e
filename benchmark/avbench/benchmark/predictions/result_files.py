"""What `score.json`, `run.json` and a predictions file's own settings must hold to be read back.

They say more than is read here: keys that are not named are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from avbench.preprocessing.base.documents import MissingFileError, read_json
from avbench.preprocessing.base.structure import (
    Count,
    FieldError,
    Limits,
    NotNegative,
    Positive,
    Text,
    Unbounded,
    shorten,
    shown,
)

T = TypeVar("T")


# --- score.json ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CountsRecord:
    """`scoring.Counts` as it is stored."""

    pairs: Count
    with_direction: Count
    short_baseline: Count
    rotation_only: Count
    error: Count
    invalid: Count
    missing: Count


@dataclass(frozen=True)
class EstimateRecord:
    """`scoring.Estimate` as it is stored; without an interval there are no ends."""

    value: Unbounded | None
    low: Unbounded | None = None
    high: Unbounded | None = None
    groups: Count = 0
    pairs: Count = 0
    note: str = ""


@dataclass(frozen=True)
class ScoreRecord:
    """`scoring.Score` as it is stored, here and on a board; an earlier form is read too (`upgraded_score`).

    Attributes:
        condition: The condition.
        metrics_spec_version: Version of the metrics.
        baseline_threshold_m: Shortest metric baseline with a direction.
        counts: How many pairs, and what became of them.
        metrics: Metrics by name, such as "total.auc@20".
    """

    condition: Text
    metrics_spec_version: str
    baseline_threshold_m: NotNegative
    counts: CountsRecord
    metrics: Mapping[str, EstimateRecord]

    def __post_init__(self) -> None:
        for name, found in self.metrics.items():
            limits = _LIMITS.get("@" if "@" in name else name.rpartition("_")[2])
            if limits is not None and found.value is not None and not limits.allow(found.value):
                raise FieldError(shown(found.value), limits.said, f"metrics.{shorten(name)}.value")

    @staticmethod
    def of_earlier_form(stored: Mapping[str, Any]) -> Mapping[str, Any]:
        """`upgraded_score`, for the reader of documents."""
        return upgraded_score(stored)


_LIMITS = {
    "@": Limits("0 to 100 percent", least=0, most=100),
    "deg": Limits("0 to 180 degrees", least=0, most=180),
    "m": Limits("metres from 0 on", least=0),
}


def upgraded_score(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stored score with its metrics by name, `total.auc@20`.

    The first previews kept every error in a table of its own, with a table of areas in it: `total`, `auc`, `20`. What
    is no such table is left as it is, for the reader to refuse.
    """
    if "metrics" in stored or not isinstance(stored.get("rotation"), Mapping):
        return stored
    metrics: dict[str, Any] = {}
    for quantity in ("rotation", "direction", "total", "metric_translation"):
        summary = stored.get(quantity)
        if not isinstance(summary, Mapping):
            continue
        values = {name: value for name, value in summary.items() if name not in ("n", "auc")}
        areas = summary.get("auc")
        if isinstance(areas, Mapping):
            values |= {f"auc@{threshold}": value for threshold, value in areas.items()}
        pairs = summary.get("n", 0)
        metrics |= {f"{quantity}.{name}": {"value": value, "pairs": pairs} for name, value in values.items()}
    kept = {key: value for key, value in stored.items() if key not in _EARLIER_TABLES}
    return {**kept, "metrics": metrics}


_EARLIER_TABLES = frozenset({"rotation", "direction", "total", "metric_translation", "intervals"})


@dataclass(frozen=True)
class ScoreFile:
    """What is read of `score.json`: whose score it is, and the scores."""

    predictions_sha256: str
    scores: tuple[ScoreRecord, ...]


# --- run.json, and what a predictions file says of itself -----------------------------------------------------------


@dataclass(frozen=True)
class GitRecord:
    """The checkout that a run was made from."""

    commit: str = ""
    dirty: bool = False


@dataclass(frozen=True)
class MachineRecord:
    """What a run ran on."""

    system: str = ""
    processor: str = ""
    device: str | None = None
    cores: Count | None = None
    python: str = ""


@dataclass(frozen=True)
class RunFile:
    """What is read of `run.json`; every field may be left out."""

    command: tuple[str, ...] = ()
    suite: str = ""
    git: GitRecord | None = None
    machine: MachineRecord = field(default_factory=MachineRecord)
    seconds: Mapping[str, NotNegative] = field(default_factory=dict)
    peak_memory_mib: NotNegative = 0.0
    model_peak_memory_mib: NotNegative = 0.0


@dataclass(frozen=True)
class RunRecord:
    """What determined the answers, as the predictions file keeps it; every field may be left out.

    Attributes:
        dataset_fingerprint: The data set.
        split: The split.
        limit: Only its first so many pairs were asked for; None for all.
        model: Name of the model.
        model_code_sha256: Hash of the file that defines it.
        code_sha256: Hash of the benchmark's code.
        packages: Versions of packages.
        device: What the model ran on.
        seed: Its seed.
        conditions: Name and recipe of every condition.
        golden_mismatches: Corruptions whose pixels differed from the shipped hashes.
    """

    dataset_fingerprint: str | None = None
    split: str | None = None
    limit: Positive | None = None
    model: str | None = None
    model_code_sha256: str | None = None
    code_sha256: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    device: str | None = None
    seed: int | None = None
    conditions: tuple[tuple[str, str], ...] = ()
    golden_mismatches: tuple[str, ...] = ()


@dataclass(frozen=True)
class PredictionsInfo:
    """What is read of the metadata of a predictions file."""

    settings: RunRecord = field(default_factory=RunRecord)


def read_score_file(path: Path) -> ScoreFile | None:
    """Read `score.json`, None where there is none.

    Raises:
        InputError: It cannot be read, or is not what `avbench evaluate` writes; the field is named.
    """
    return read_result(path, ScoreFile)


def read_run_file(path: Path) -> RunFile:
    """Read `run.json`; one without content where there is none.

    Raises:
        InputError: As `read_score_file`.
    """
    return read_result(path, RunFile) or RunFile()


def read_result(path: Path, shape: type[T]) -> T | None:
    """Read a file that `avbench evaluate` writes, None where there is none.

    Raises:
        InputError: As `read_score_file`.
    """
    hint = "run the same `avbench evaluate` again"
    try:
        return read_json(path, shape, expected="what `avbench evaluate` writes", hint=hint, other_keys=True)
    except MissingFileError:
        return None
