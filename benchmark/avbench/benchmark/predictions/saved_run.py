"""A run as it was saved: its predictions, and what its file says about how they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from avbench.benchmark.data.dataset import PairDataset
from avbench.benchmark.predictions.file import Predictions, read_predictions
from avbench.benchmark.predictions.reading import Asked
from avbench.benchmark.predictions.result_files import RunRecord
from avbench.preprocessing.base.errors import InputError

DEFAULT_SPLIT = "test"
MOST_CONDITIONS = 1000
"""More conditions than any suite has: every corruption, severity, choice of frames and probe."""
_PREDICTIONS_NAME = "predictions.parquet"


@dataclass(frozen=True)
class SavedRun:
    """One run.

    Attributes:
        path: Its predictions file.
        predictions: What is in it.
    """

    path: Path
    predictions: Predictions

    @property
    def settings(self) -> RunRecord:
        """What determined the answers; nothing for a file that does not say."""
        return self.predictions.record

    @property
    def split(self) -> str | None:
        """The split, None for a file that does not say."""
        return self.settings.split

    @property
    def limit(self) -> int | None:
        """Only the first so many pairs of the split were asked for; None for all."""
        return self.settings.limit

    @property
    def model(self) -> str:
        """Name of the model; the file's own name where it does not say."""
        return self.settings.model or self.path.stem

    @property
    def recipes(self) -> Mapping[str, str]:
        """The recipe of every condition by name, which changes whenever its pixels or sounds may."""
        return dict(self.settings.conditions)


def predictions_file(path: Path) -> Path:
    """The predictions file of a run's folder; a file as it is."""
    return path / _PREDICTIONS_NAME if path.is_dir() else path


def read_run(path: Path, dataset: PairDataset) -> SavedRun:
    """Read a run from its predictions file or from its folder.

    Raises:
        InputError: There is none, it is damaged, or it was made on another data set.
    """
    file = predictions_file(path)
    if not file.is_file():
        raise InputError(
            file,
            found="no such file",
            expected="the predictions of a run",
            hint=f"make them with `avbench evaluate {dataset.folder} --model NAME -o FOLDER`",
        )
    # The file says itself which split it answers, so any of them bounds it.
    pairs = max((dataset.recorded_pairs(split) for split in dataset.splits), default=0)
    run = SavedRun(file, read_predictions(file, Asked(pairs, MOST_CONDITIONS)))
    fingerprint = run.settings.dataset_fingerprint
    if fingerprint is not None and fingerprint != dataset.fingerprint:
        raise InputError(
            file,
            found=f"predictions on the data set {fingerprint[:12]}",
            expected=f"{dataset.folder}, which is {dataset.fingerprint[:12]}",
            hint="score it with the data set it was predicted on",
        )
    return run


def distinct_names(runs: Sequence[SavedRun]) -> list[str]:
    """A name for each run: its model, with its folder where two have the same model, else its path."""
    candidates = (
        [run.model for run in runs],
        [f"{run.model} ({run.path.parent.name})" for run in runs],
        [f"{run.model} ({run.path})" for run in runs],
    )
    return next((names for names in candidates if len(set(names)) == len(names)), candidates[-1])
