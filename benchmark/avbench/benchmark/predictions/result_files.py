"""What `score.json`, `run.json` and a predictions file's own settings must hold to be read back.

They say more than is read here: keys that are not named are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

from avbench.preprocessing.base.documents import MissingFileError, read_json
from avbench.preprocessing.base.structure import Count, Limits, NotNegative, Positive, Text, Unbounded

T = TypeVar("T")
ErrorDeg = Annotated[float, Limits("0 to 180 degrees", least=0, most=180)]
Percent = Annotated[float, Limits("0 to 100 percent", least=0, most=100)]


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
class SummaryRecord:
    """`metrics.ErrorSummary` as it is stored; thresholds are texts."""

    n: Count
    mean_deg: ErrorDeg | None
    median_deg: ErrorDeg | None
    auc: Mapping[str, Percent]


@dataclass(frozen=True)
class LengthRecord:
    """`metrics.LengthSummary` as it is stored."""

    n: Count
    mean_m: Unbounded
    median_m: Unbounded


@dataclass(frozen=True)
class ScoreRecord:
    """`scoring.Score` as it is stored, here and on a board."""

    condition: Text
    metrics_spec_version: str
    baseline_threshold_m: NotNegative
    counts: CountsRecord
    rotation: SummaryRecord
    direction: SummaryRecord
    total: SummaryRecord
    metric_translation: LengthRecord | None = None


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
